"""Checkers for the exercises of lesson 02. Torch judges: by identity, by a real optimizer, by
requires_grad.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from numbers import Integral

import torch
from torch import nn
from torch.optim import SGD

from helpers.exercises.old_engine import (
    ask,
    describe,
    entries,
    expect,
    holding,
    listed,
    photo,
    want_function,
)

_KEPT = "model and optimizer stay as they were", "they were changed"


def _tied(**more: nn.Module) -> nn.Module:
    model = holding(embed=nn.Embedding(5, 4), head=nn.Linear(4, 5, bias=False), **more)
    model.head.weight = model.embed.weight
    return model


def _shared() -> nn.Module:
    layer = nn.Linear(2, 2)
    return nn.Sequential(layer, nn.ReLU(), layer)


def _trainable_bytes(answer: object) -> str:
    want_function(answer, "trainable_bytes")
    cold = nn.Sequential(nn.Linear(2, 3).requires_grad_(False), nn.Linear(3, 2))
    alike = holding(first=nn.LayerNorm(3), second=nn.LayerNorm(3))
    for words, model in {
        "`nn.Linear(2, 3)`": nn.Linear(2, 3),
        "`nn.Linear(2, 3).double()`": nn.Linear(2, 3).double(),
        "`nn.BatchNorm1d(3)`": nn.BatchNorm1d(3),
        "a frozen `Linear(2, 3)` and a `Linear(3, 2)`": cold,
        "an `nn.Embedding(5, 4)` tied to an `nn.Linear(4, 5, bias=False)`": _tied(),
        "a `Linear(2, 2)` used twice": _shared(),
        "two `nn.LayerNorm(3)` with equal numbers": alike,
    }.items():
        before, slips = photo(model), _slips(model)
        right, number = slips.pop(""), ask("trainable_bytes(model)", answer, model)
        wanted, whole = (
            f"`{right}` bytes for {words}",
            isinstance(number, Integral) and not isinstance(number, bool),
        )
        expect(whole, "not-an-int", wanted, describe(number))
        slip = next((name for name, count in slips.items() if count == number), "wrong-number")
        expect(number == right, slip, wanted, describe(number))
        expect(
            photo(model) == before,
            "model-changed",
            "the model stays as it was",
            "the model was changed",
        )
    return "the bytes of seven models, with tied, shared, frozen and 64-bit parameters and with buffers"


def _slips(model: nn.Module) -> dict[str, int]:
    """The right number under "", and what each mistaken way of counting comes to."""
    once, each = (
        [one for _, one in model.named_parameters(remove_duplicate=r)] for r in (True, False)
    )
    trained, size = (
        [one for one in once if one.requires_grad],
        lambda tensors: sum(one.nbytes for one in tensors),
    )
    return {
        "": size(trained),
        "elements": sum(one.numel() for one in trained),
        "four-bytes": 4 * sum(one.numel() for one in trained),
        "buffers-too": size(trained) + size(model.buffers()),
        "frozen-too": size(once),
        "counted-twice": size(one for one in each if one.requires_grad),
        "once-per-level": size(
            one for part in model.modules() for one in part.parameters() if one.requires_grad
        ),
        "equal-values": size({(one.shape, str(one.tolist())): one for one in trained}.values()),
        "detached": 0,
    }


def _seen(model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple:
    """The model as it is and the parameters in each group, to compare before and after the
    learner's code.
    """
    return photo(model), [list(map(id, group["params"])) for group in optimizer.param_groups]


def _missed(answer: object) -> str:
    want_function(answer, "missed")
    alike, whole, cold = (holding(body=nn.Linear(2, 2), head=nn.Linear(2, 2)) for _ in range(3))
    alike.body.load_state_dict(alike.head.state_dict())
    cold.head.bias.requires_grad_(False)
    norm, tied = holding(body=nn.BatchNorm1d(2), head=nn.Linear(2, 1)), _tied(more=nn.Linear(2, 2))
    for words, model, part in (
        ("two layers with equal numbers", alike, alike.body),
        ("everything held", whole, whole),
        ("a frozen bias", cold, cold.body),
        ("buffers", norm, norm.head),
        ("tied weights", tied, tied.more),
    ):
        # Two groups, so that whoever reads the first alone misses what is in the second.
        optimizer = SGD([{"params": [torch.zeros(1)]}, {"params": part.parameters()}], lr=0.1)
        before, held = _seen(model, optimizer), {id(one) for one in part.parameters()}
        own = {name: one for name, one in model.named_parameters() if one.requires_grad}
        free = [name for name, one in model.named_parameters() if id(one) not in held]
        right, values = (
            [name for name in own if name in free],
            [str(one.tolist()) for one in part.parameters()],
        )
        result = ask("missed(model, optimizer)", answer, model, optimizer)
        wanted = f"{listed(right)} (a model with {words})"
        expect(isinstance(result, (list, tuple)), "not-a-list", wanted, describe(result))
        found = list(result)[:50]
        expect(all(isinstance(name, str) for name in found), "not-names", wanted, listed(found))
        slips = {
            "held": found == [name for name in own if name not in free],
            "first-group": found == list(own),
            "equal-values": found
            == [name for name in right if str(own[name].tolist()) not in values],
            "frozen": found == free,
            "not-a-parameter": any(name in dict(model.named_buffers()) for name in found),
            "every-name": not set(found) <= {name for name, _ in model.named_parameters()},
            "order": sorted(found) == sorted(right),
        }
        slip = next((name for name, fits in slips.items() if fits), "wrong-names")
        expect(found == right, slip, wanted, listed(found))
        expect(_seen(model, optimizer) == before, "changed", *_KEPT)
    return (
        "the right names for five models, with two groups, a frozen bias, buffers and tied weights"
    )


def _numbers(model: nn.Module) -> list:
    return [(id(one), one.tolist()) for _, one in model.named_parameters(remove_duplicate=False)]


def _freeze(answer: object) -> str:
    want_function(answer, "freeze")
    plain, rest = (holding(body=nn.Linear(2, 2), head=nn.Linear(2, 1)) for _ in range(2))
    alike = holding(head=nn.Linear(2, 2), head_norm=nn.LayerNorm(2))
    inner = holding(decoder=holding(head=nn.Linear(2, 2)), head=nn.Linear(2, 1))
    rest.body.requires_grad_(False)
    for slip, prefix, model in (
        ("wrong", "head.", plain),
        ("lookalike", "head.", alike),
        ("middle", "head.", inner),
        ("part-of-a-name", "head.w", holding(head=nn.Linear(2, 2))),
        ("thawed", "head.", rest),
        ("tied", "head.", _tied(other=nn.Linear(2, 2))),
        ("counted-names", "", _shared()),
        ("wrong", "none.", nn.Linear(2, 2)),
    ):
        every, call = (
            list(model.named_parameters(remove_duplicate=False)),
            f'freeze(model, "{prefix}")',
        )
        right = {one for name, one in every if name.startswith(prefix)}
        frozen, numbers = (
            [name for name, one in every if one in right or not one.requires_grad],
            _numbers(model),
        )
        count = ask(
            call, answer, model, prefix, mistake=slip if slip == "part-of-a-name" else "raises"
        )
        expect(
            _numbers(model) == numbers,
            "values-changed",
            "the same parameters and numbers",
            "they were changed",
        )
        names = [name for name, one in every if not one.requires_grad]
        expect(
            names == frozen,
            slip,
            f"`{call}` leaves frozen: {listed(frozen)}",
            f"frozen: {listed(names)}",
        )
        expect(type(count) is int, "not-an-int", f"`{len(right)}`, an `int`", describe(count))
        name = (
            "counted-names"
            if count == sum(n.startswith(prefix) for n, _ in every)
            else "wrong-number"
        )
        expect(count == len(right), name, f"`{call}` returns `{len(right)}`", describe(count))
    return "the right parameters of eight models, with look-alike names, a tied and a shared layer"


def _groups(answer: object) -> str:
    want_function(answer, "groups")
    two, alike = (
        holding(encoder=nn.Linear(2, 2), **{name: nn.Linear(2, 1)})
        for name in ("head", "encoder_norm")
    )
    deep, cold = (
        holding(decoder=holding(encoder=nn.Linear(2, 2)), encoder=nn.Linear(2, 2)),
        _shared(),
    )
    cold[0].bias.requires_grad_(False)
    both = {"encoder": 0.1, "head": 0.2}
    for slip, rates, model in (
        ("wrong-rate", both, two),
        ("order", {"head": 0.2, "encoder": 0.1}, two),
        ("rest-missing", {"head": 0.2}, two),
        ("lookalike", both, alike),
        ("middle", both, deep),
        ("frozen", {"0": 0.3}, cold),
        ("tied", {"embed": 0.1, "head": 0.2}, _tied(more=nn.Linear(2, 2))),
    ):
        before, given, call = photo(model), dict(rates), f"groups(model, {rates})"
        result = ask(
            call, answer, model, dict(rates), mistake="tied" if slip == "tied" else "raises"
        )
        expect(
            isinstance(result, (list, tuple)), "not-a-list", "a list of groups", describe(result)
        )
        made = [
            dict(one) for one in islice(result, 100) if isinstance(one, Mapping) and "params" in one
        ]
        fits = len(made) == len(result) and not any(
            isinstance(group["params"], torch.Tensor) for group in made
        )
        expect(fits, "not-groups", 'dictionaries with a list under "params"', listed(result[:9]))
        for group in made:
            group["params"] = list(islice(group["params"], 1000))
            expect(
                len(group["params"]) > 0,
                "empty-group",
                "every group has a parameter",
                "a group without any",
            )
        rated = ["lr" in group for group in made]  # SGD writes its own into them
        found = ask(
            "torch.optim.SGD(groups(model, rates), lr=1.0)",
            SGD,
            made,
            lr=1.0,
            mistake="tied" if slip == "tied" else "refused",
        ).param_groups
        names = {one: name for name, one in model.named_parameters()}
        wanted = {
            name: given.get(name.split(".")[0], 1.0)
            for one, name in names.items()
            if one.requires_grad
        }
        got = {names.get(one, "?"): group["lr"] for group in found for one in group["params"]}
        expect(
            not set(got) - set(wanted),
            "frozen" if "?" not in got else "foreign",
            listed(wanted),
            listed(got),
        )
        expect(not set(wanted) - set(got), "rest-missing", listed(wanted), listed(got))
        in_words = [", ".join(f"`{n}` at `{one[n]}`" for n in wanted) for one in (wanted, got)]
        expect(got == wanted, "wrong-rate" if slip in ("order", "frozen") else slip, *in_words)
        order = [lr for lr in (*given.values(), 1.0) if lr in wanted.values()]
        expect(
            [group["lr"] for group in found] == order,
            "order",
            f"groups at `{order}`",
            f"{len(found)} groups",
        )
        expect(
            rated == [lr != 1.0 for lr in order], "rest-lr", "no rate in the last group", "an `lr`"
        )
        expect(photo(model) == before, "model-changed", *_KEPT)
    return "a real optimizer takes the groups of seven models, and every parameter has its rate"


def _names_by_position(answer: object) -> str:
    want_function(answer, "names_by_position")
    call, point = "names_by_position(model, optimizer)", torch.zeros(2, requires_grad=True)
    plain, model = nn.Linear(2, 2), _tied(body=nn.Linear(2, 2))
    model.body.bias.requires_grad_(False)
    for slip, words, one, groups in (
        ("wrong-names", "one group", plain, [[plain.weight, plain.bias]]),
        ("model-order", "a group in another order", plain, [[plain.bias, plain.weight]]),
        ("per-group", "two groups", plain, [[plain.weight], [plain.bias]]),
        ("frozen", "a frozen parameter", model, [[model.body.bias, model.body.weight]]),
        ("tied", "a tied weight", model, [[model.body.weight], [model.head.weight]]),
        ("foreign", "a tensor of no model", plain, [[point, plain.weight]]),
    ):
        optimizer = SGD([{"params": group} for group in groups], lr=0.1, momentum=0.9)
        sum(tensor.sum() for group in groups for tensor in group if tensor.requires_grad).backward()
        optimizer.step()
        names, before = (
            {id(tensor): name for name, tensor in one.named_parameters()},
            _seen(one, optimizer),
        )
        right = dict(enumerate(names.get(id(tensor)) for group in groups for tensor in group))
        result = entries(
            ask(call, answer, one, optimizer, mistake=slip if slip != "wrong-names" else "raises"),
            call,
        )
        wanted, found = (
            ", ".join(f"{describe(k)}: {describe(v)}" for k, v in islice(d.items(), 9)) or "nothing"
            for d in (right, result)
        )
        expect(not any(isinstance(key, str) for key in result), "inverted", wanted, found)
        expect(
            not any(isinstance(value, torch.Tensor) for value in result.values()),
            "not-names",
            wanted,
            found,
        )
        expect(result == right, slip, f"{wanted} ({words})", found)
        expect(_seen(one, optimizer) == before, "changed", *_KEPT)
    return "the right names for six optimizers, with groups, a frozen, a tied and a foreign tensor"


CHECKERS = {
    "2.1": _trainable_bytes,
    "2.2": _missed,
    "2.3": _freeze,
    "2.4": _groups,
    "2.5": _names_by_position,
}
