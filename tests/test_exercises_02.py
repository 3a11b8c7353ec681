"""The exercises of lesson 02: right answers of any style pass, each near miss meets its own hint."""

import itertools

import pytest
import torch
from torch import nn

from helpers.exercises import feedback
from helpers.exercises.feedback import Feedback, check
from helpers.exercises.old_engine import all_tasks
from tests.test_exercises import ODD

FUNCTION, NONE, DICT = "not-a-function", "nothing-returned", "not-a-dict"
IDS = ["2.1", "2.2", "2.3", "2.4", "2.5"]


def trained(model):
    return [one for one in model.parameters() if one.requires_grad]


# --- 2.1 ---------------------------------------------------------------------------------------------------------
def by_containers(model):
    found = {}
    for module in model.modules():
        for one in module._parameters.values():
            if one is not None and one.requires_grad:
                found[id(one)] = one.numel() * one.element_size()
    return sum(found.values())


def by_identity(model):
    seen = []
    for _, one in model.named_parameters(remove_duplicate=False):
        if one.requires_grad and not any(one is other for other in seen):
            seen.append(one)
    return sum(one.nbytes for one in seen)


def to_eval(model):
    model.train(False)
    return sum(one.nbytes for one in trained(model))


# --- 2.2 ---------------------------------------------------------------------------------------------------------
def held_by(optimizer):
    return {one for group in optimizer.param_groups for one in group["params"]}


def missed_by_loop(model, optimizer):
    result = []
    for name, one in model.named_parameters():
        held = any(one is other for group in optimizer.param_groups for other in group["params"])
        if one.requires_grad and not held:
            result.append(name)
    return result


def missed_by_sets(model, optimizer):
    names = {one: name for name, one in reversed(list(model.named_parameters()))}
    free = {one for one in names if one.requires_grad} - held_by(optimizer)
    return [name for name, one in model.named_parameters() if one in free]


def missed_if(keep, named=lambda model: model.named_parameters()):
    return lambda model, optimizer: [name for name, one in named(model) if keep(one, optimizer)]


def equal_values(one, optimizer):
    return one.requires_grad and not any(
        one.shape == o.shape and torch.equal(one, o) for o in held_by(optimizer)
    )


def adding(model, optimizer):
    right = missed_by_loop(model, optimizer)
    if right:
        optimizer.add_param_group(
            {"params": [one for name, one in model.named_parameters() if name in right]}
        )
    return right


def free(one, optimizer):
    return one.requires_grad and one not in held_by(optimizer)


# --- 2.3 ---------------------------------------------------------------------------------------------------------
def freeze_by(fits, every=True, count=len):
    def freeze(model, prefix):
        found = []
        for name, one in model.named_parameters(remove_duplicate=not every):
            if fits(name, prefix):
                one.requires_grad = False
                found.append(one)
        return count(found)

    return freeze


def distinct(found):
    return len(set(found))


def freeze_by_id(model, prefix):
    names = {}
    for name, one in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(one), (one, []))[1].append(name)
    hits = [
        one
        for one, all_names in names.values()
        if any(name.startswith(prefix) for name in all_names)
    ]
    for one in hits:
        one.requires_grad_(False)
    return len(hits)


def freeze_by_state(model, prefix):
    state = model.state_dict(keep_vars=True)
    hits = {
        one
        for key, one in state.items()
        if key.startswith(prefix) and isinstance(one, nn.Parameter)
    }
    return len([one.requires_grad_(False) for one in hits])


def thawing(model, prefix):
    names = list(model.named_parameters(remove_duplicate=False))
    hits = {one for name, one in names if name.startswith(prefix)}
    for _, one in names:
        one.requires_grad_(one not in hits)
    return len(hits)


def by_module(model, prefix):
    part = model.get_submodule(prefix.rstrip("."))
    part.requires_grad_(False)
    return len(list(part.parameters()))


def zeroing(model, prefix):
    count = freeze_by_id(model, prefix)
    with torch.no_grad():
        for one in model.parameters():
            one.zero_()
    return count


def startswith(name, prefix):
    return name.startswith(prefix)


# --- 2.4 ---------------------------------------------------------------------------------------------------------
def groups_by_dict(model, rates):
    found = {part: {"params": [], "lr": rate} for part, rate in rates.items()}
    rest = {"params": []}
    for name, one in model.named_parameters():
        if one.requires_grad:
            found.get(name.split(".")[0], rest)["params"].append(one)
    return [group for group in [*found.values(), rest] if group["params"]]


def groups_by_prefix(model, rates):
    left = {name: one for name, one in model.named_parameters() if one.requires_grad}
    made = []
    for part in rates:
        names = [name for name in left if name.startswith(part + ".")]
        if names:
            made.append({"lr": rates[part], "params": [left.pop(name) for name in names]})
    return made + ([{"params": list(left.values())}] if left else [])


def groups_as_tuple(model, rates):
    return tuple(
        {**group, "params": iter(group["params"])} for group in groups_by_prefix(model, rates)
    )


def but(change):
    """The right groups with one thing changed: `change(groups, model, rates)` returns others."""
    return lambda model, rates: change(groups_by_dict(model, rates), model, rates)


def groups_where(part_of, frozen=False):
    def groups(model, rates):
        found = {part: {"params": [], "lr": rate} for part, rate in rates.items()}
        rest = {"params": []}
        for name, one in model.named_parameters():
            if one.requires_grad or frozen:
                part = next((part for part in rates if part_of(name, part)), None)
                found.get(part, rest)["params"].append(one)
        return [group for group in [*found.values(), rest] if group["params"]]

    return groups


def by_submodules(model, rates):
    made = [
        {"params": trained(child), "lr": rates[part]}
        for part, child in model.named_children()
        if part in rates
    ]
    made.sort(key=lambda group: list(rates.values()).index(group["lr"]))
    others = [
        one for name, child in model.named_children() if name not in rates for one in trained(child)
    ]
    return made + ([{"params": others}] if others else [])


def one_each(model, rates):
    return [
        {**group, "params": [one]}
        for group in groups_by_dict(model, rates)
        for one in group["params"]
    ]


def freezing(model, rates):
    made = groups_by_dict(model, rates)
    model.eval()
    return made


# --- 2.5 ---------------------------------------------------------------------------------------------------------
def names_of(model):
    return {id(one): name for name, one in model.named_parameters()}


def by_count(model, optimizer):
    result, position = {}, 0
    for group in optimizer.param_groups:
        for one in group["params"]:
            result[position] = next(
                (name for name, other in model.named_parameters() if other is one), None
            )
            position += 1
    return result


def by_saved_groups(model, optimizer):
    saved, names = optimizer.state_dict()["param_groups"], names_of(model)
    pairs = [
        zip(group["params"], live["params"]) for group, live in zip(saved, optimizer.param_groups)
    ]
    return {position: names.get(id(one)) for position, one in itertools.chain(*pairs)}


def by_enumerate(model, optimizer):
    names = {one: name for name, one in model.named_parameters()}
    return dict(
        enumerate(names.get(one) for group in optimizer.param_groups for one in group["params"])
    )


def from_state(model, optimizer):
    names = {one: name for name, one in model.named_parameters()}
    return dict(enumerate(names.get(one) for one in optimizer.state))


def emptying(model, optimizer):
    result = by_count(model, optimizer)
    optimizer.param_groups[0]["params"].reverse()
    return result


RIGHT = {
    "2.1": [lambda model: sum(one.nbytes for one in trained(model)), by_containers, by_identity],
    "2.2": [
        missed_by_loop,
        missed_by_sets,
        missed_if(free),
        lambda m, o: tuple(missed_by_loop(m, o)),
    ],
    "2.3": [freeze_by(startswith, count=distinct), freeze_by_id, freeze_by_state],
    "2.4": [groups_by_dict, groups_by_prefix, groups_as_tuple],
    "2.5": [by_count, by_saved_groups, by_enumerate],
}
WRONG = {
    "2.1": [
        ("elements", lambda m: sum(one.numel() for one in trained(m))),
        ("four-bytes", lambda m: sum(4 * one.numel() for one in trained(m))),
        ("buffers-too", lambda m: sum(one.nbytes for one in [*trained(m), *m.buffers()])),
        ("frozen-too", lambda m: sum(one.nbytes for one in m.parameters())),
        (
            "counted-twice",
            lambda m: sum(
                p.nbytes for _, p in m.named_parameters(remove_duplicate=False) if p.requires_grad
            ),
        ),
        (
            "counted-twice",
            lambda m: sum(
                p.nbytes for p in m.state_dict(keep_vars=True).values() if p.requires_grad
            ),
        ),
        ("once-per-level", lambda m: sum(p.nbytes for part in m.modules() for p in trained(part))),
        ("buffers-too", lambda m: sum(v.nbytes for v in m.state_dict().values())),
        (
            "equal-values",
            lambda m: sum({(p.shape, str(p.tolist())): p.nbytes for p in trained(m)}.values()),
        ),
        ("detached", lambda m: sum(v.nbytes for v in m.state_dict().values() if v.requires_grad)),
        ("wrong-number", lambda m: len(list(m.parameters()))),
        ("wrong-number", lambda m: 7),
        ("not-an-int", lambda m: float(by_identity(m))),
        ("not-an-int", lambda m: torch.tensor(by_identity(m))),
        ("model-changed", to_eval),
        ("raises", lambda: 1),
        (NONE, lambda m: None),
        (FUNCTION, nn.Linear(1, 1)),
    ],
    "2.2": [
        (
            "raises",
            lambda m, o: [
                n for n, p in m.named_parameters() if p not in o.param_groups[1]["params"]
            ],
        ),
        ("not-a-list", lambda m, o: set(missed_by_loop(m, o))),
        ("not-a-list", lambda m, o: (name for name in missed_by_loop(m, o))),
        ("not-names", lambda m, o: [p for _, p in m.named_parameters() if free(p, o)]),
        ("held", missed_if(lambda p, o: p.requires_grad and p in held_by(o))),
        (
            "first-group",
            missed_if(lambda p, o: p.requires_grad and p not in set(o.param_groups[0]["params"])),
        ),
        ("equal-values", missed_if(equal_values)),
        ("frozen", missed_if(lambda p, o: p not in held_by(o))),
        (
            "not-a-parameter",
            lambda m, o: [
                k
                for k, v in m.state_dict(keep_vars=True).items()
                if v not in held_by(o) and (v.requires_grad or not isinstance(v, nn.Parameter))
            ],
        ),
        ("every-name", missed_if(free, lambda m: m.named_parameters(remove_duplicate=False))),
        ("order", lambda m, o: missed_by_loop(m, o)[::-1]),
        ("wrong-names", lambda m, o: missed_by_loop(m, o)[:1]),
        ("changed", adding),
        (NONE, lambda m, o: print()),
        (FUNCTION, list),
    ],
    "2.3": [
        ("raises", lambda m: 1),
        ("not-an-int", lambda m, p: [freeze_by_id(m, p)]),
        ("not-an-int", lambda m, p: bool(freeze_by_id(m, p))),
        ("wrong", lambda m, p: 2),
        ("wrong", freeze_by(lambda name, p: True, count=distinct)),
        ("wrong", freeze_by(lambda name, p: name == p, count=distinct)),
        ("lookalike", freeze_by(lambda name, p: name.startswith(p.rstrip(".")), count=distinct)),
        ("middle", freeze_by(lambda name, p: p in name, count=distinct)),
        ("part-of-a-name", by_module),
        ("part-of-a-name", freeze_by(lambda n, p: n.split(".")[0] + "." == p, count=distinct)),
        ("thawed", thawing),
        ("tied", freeze_by(startswith, every=False, count=distinct)),
        ("counted-names", freeze_by(startswith)),
        ("wrong-number", lambda m, p: freeze_by_id(m, p) + 1),
        ("values-changed", zeroing),
        (NONE, lambda m, p: print(freeze_by_id(m, p))),
        (FUNCTION, 3),
    ],
    "2.4": [
        ("raises", lambda m: []),
        (
            "order",
            lambda m, rates: [
                {"params": list(m.get_submodule(part).parameters()), "lr": rates[part]}
                for part, _ in m.named_children()
            ],
        ),
        (
            "refused",
            but(lambda made, m, r: [{**g, "params": [2 * p for p in g["params"]]} for g in made]),
        ),
        ("not-a-list", but(lambda made, m, r: made[0])),
        ("not-groups", but(lambda made, m, r: [group["params"] for group in made])),
        ("not-groups", but(lambda made, m, r: [{**g, "params": g["params"][0]} for g in made])),
        ("empty-group", but(lambda made, m, r: [*made, {"params": []}])),
        ("frozen", groups_where(lambda n, p: n.startswith(p + "."), frozen=True)),
        (
            "foreign",
            but(
                lambda made, m, r: [
                    {**g, "params": [p.detach().clone().requires_grad_() for p in g["params"]]}
                    for g in made
                ]
            ),
        ),
        ("rest-missing", but(lambda made, m, r: [group for group in made if "lr" in group])),
        ("wrong-rate", but(lambda made, m, r: [{**group, "lr": 0.1} for group in made])),
        ("lookalike", groups_where(lambda name, part: name.startswith(part))),
        ("middle", groups_where(lambda name, part: part + "." in name)),
        ("tied", by_submodules),
        ("order", but(lambda made, m, r: sorted(made, key=lambda group: group.get("lr", 9)))),
        ("order", one_each),
        ("rest-lr", but(lambda made, m, r: [{"lr": 1.0, **group} for group in made])),
        ("model-changed", freezing),
        (NONE, lambda m, rates: None),
        (FUNCTION, {}),
    ],
    "2.5": [
        ("raises", lambda m: {}),
        ("wrong-names", lambda m, o: {}),
        ("wrong-names", lambda m, o: {k + 1: v for k, v in by_count(m, o).items()}),
        ("model-order", lambda m, o: dict(enumerate(name for name, _ in m.named_parameters()))),
        (
            "per-group",
            lambda m, o: {
                i: names_of(m).get(id(p)) for g in o.param_groups for i, p in enumerate(g["params"])
            },
        ),
        ("frozen", from_state),
        (
            "tied",
            lambda m, o: {
                i: {id(p): n for n, p in m.named_parameters(remove_duplicate=False)}.get(id(p))
                for i, p in enumerate(p for g in o.param_groups for p in g["params"])
            },
        ),
        (
            "foreign",
            lambda m, o: {
                i: names_of(m)[id(p)]
                for i, p in enumerate(p for g in o.param_groups for p in g["params"])
            },
        ),
        ("inverted", lambda m, o: {name: i for i, name in by_count(m, o).items()}),
        ("not-names", lambda m, o: dict(enumerate(p for g in o.param_groups for p in g["params"]))),
        ("changed", emptying),
        (NONE, lambda m, o: None),
        (DICT, lambda m, o: list(by_count(m, o).values())),
        (FUNCTION, "names"),
    ],
}


@pytest.mark.parametrize("key", IDS)
def test_a_stub_is_not_solved_yet(key):
    for stub in (..., lambda *answer: ...):
        assert check(key, stub) == Feedback(
            key, "unsolved", all_tasks()[key].goal, hint=feedback._START
        )


@pytest.mark.parametrize("key", IDS)
@pytest.mark.parametrize("number", range(len(ODD)))
def test_whatever_the_answer_does_there_is_feedback_and_no_exception(key, number):
    feedback = check(key, ODD[number])
    assert feedback.status == "wrong" and feedback.hint and feedback.found, feedback
    assert len(repr(feedback)) < 3_000 and len(repr(feedback).splitlines()) == 1


@pytest.mark.parametrize("key", IDS)
def test_right_is_right_under_other_settings_and_leaves_them(key):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with torch.inference_mode():
        assert check(key, RIGHT[key][0]).status == "right"
    with torch.device("meta"), torch.no_grad():
        assert check(key, RIGHT[key][0]).status == "right"
    assert torch.equal(torch.get_rng_state(), before)
