"""check: right answers of any style pass, each near miss meets its own hint, and nothing is left
changed.
"""

import copy
import io
import re
from collections import OrderedDict
from functools import partial
from html.parser import HTMLParser
from itertools import count, takewhile
from pathlib import Path

import pytest
import torch
from torch import nn

import helpers.exercises.old_engine
from helpers.exercises import feedback
from helpers.exercises.feedback import Feedback, check
from helpers.exercises.old_engine import LESSONS, all_tasks, describe, in_words, read_tasks
from tests.lesson_kernel import ROOT
from tests.notebook_files import read, text

IDS = ["1.1", "1.2", "1.3", "1.4", "1.5"]


def source(text, name, **given):
    """What `text` defines as `name`, as if it had been typed in a notebook."""
    space = {"torch": torch, "nn": nn, "copy": copy, "io": io, **given}
    exec(text, space)
    return space[name]


def function(text, **given):
    """The function whose only line is given as "name(arguments): body"."""
    return source(f"def {text}", text.split("(")[0], **given)


def scaled(*lines, signature="factor=2.0", base="nn.Module", head="", **given):
    body = "".join(f"\n        {line}" for line in lines)
    text = (
        f"class Scaled({base}):\n    {head or 'pass'}\n    def __init__(self, {signature}):{body}"
    )
    return source(text, "Scaled", **given)


SUPER, FACTOR = "super().__init__()", "self.factor = factor"
SCALE, INNER = (
    "self.scale = nn.Parameter(torch.ones(1))",
    "self.inner = nn.Linear(3, 3, bias=False)",
)
SHARED = nn.Parameter(torch.ones(1))


class Callable:
    def __call__(self, state_dict):
        return {k[8:]: v for k, v in state_dict.items() if k[:8] == "encoder."}


def loop_encoder_state(state_dict):
    result = OrderedDict()
    for key in state_dict:
        first, *rest = key.split(".")
        if first == "encoder":
            result[".".join(rest)] = state_dict[key].clone()
    return result


def through_a_file(model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def tensors_of(model):
    return [value for value in model.state_dict().values() if isinstance(value, torch.Tensor)]


def by_identity(model):
    seen, total = set(), 0
    for value in model.state_dict(keep_vars=True).values():
        if isinstance(value, torch.Tensor) and id(value) not in seen:
            seen.add(id(value))
            total += value.numel() * value.element_size()
    return total


def by_storage(model):
    storages = [value.untyped_storage() for value in tensors_of(model)]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def by_name(model):
    named = [*model.named_parameters(), *model.named_buffers()]
    return sum(tensor.nbytes for name, tensor in named if name in model.state_dict())


def by_search(model, optimizer, name):
    wanted = model.get_parameter(name)
    state = optimizer.state_dict()["state"]
    for position, parameter in enumerate(optimizer.param_groups[0]["params"]):
        if parameter is wanted:
            return state[position]["exp_avg"]


RIGHT = {
    "1.1": [
        function(
            "encoder_state(s): return {k.removeprefix('encoder.'): v for k, v in s.items() "
            "if k.startswith('encoder.')}"
        ),
        function(
            "encoder_state(s): return dict((k.replace('encoder.', '', 1), v) for k, v in s.items() "
            "if k.startswith('encoder.'))"
        ),
        loop_encoder_state,
        Callable(),
        partial(lambda n, s: {k[n:]: v for k, v in s.items() if k.split(".")[0] == "encoder"}, 8),
    ],
    "1.2": [
        lambda model: copy.deepcopy(model.state_dict()),
        lambda model: {key: value.clone() for key, value in model.state_dict().items()},
        through_a_file,
        lambda model: copy.deepcopy(model).state_dict(),
        lambda model: {
            key: torch.tensor(value.tolist(), dtype=value.dtype)
            for key, value in model.state_dict().items()
        },
    ],
    "1.3": [
        scaled(SUPER, SCALE, INNER, FACTOR),
        scaled(
            SUPER,
            FACTOR,
            INNER,
            "self.scale = nn.Parameter(torch.tensor(factor))",
            signature="*, factor=2.0",
        ),
        scaled(
            SUPER,
            "self.register_parameter('scale', nn.Parameter(torch.zeros(1, 1)))",
            "self.add_module('inner', nn.Linear(3, 3, False))",
            FACTOR,
        ),
        scaled("nn.Module.__init__(self)", FACTOR, INNER, SCALE),
        scaled(SUPER, FACTOR, SCALE, "self.inner = nn.Linear(3, 3)", "self.inner.bias = None"),
        scaled(
            SUPER,
            FACTOR,
            INNER,
            "flat = torch.ones(10)",
            "self.scale = nn.Parameter(flat[:1])",
            "self.inner.weight = nn.Parameter(flat[1:].view(3, 3))",
        ),
        scaled(
            SUPER,
            FACTOR,
            INNER,
            "self.scale = nn.Parameter(scale.clone())",
            signature="factor=2.0, scale=torch.ones(1)",
        ),
    ],
    "1.4": [
        lambda m: sum({v.data_ptr(): v.nbytes for v in tensors_of(m)}.values()),
        by_identity,
        by_storage,
        by_name,
        lambda m: sum(
            {
                v: v.nbytes for v in m.state_dict(keep_vars=True).values() if hasattr(v, "nbytes")
            }.values()
        ),
    ],
    "1.5": [
        lambda model, optimizer, name: optimizer.state_dict()["state"][
            [n for n, _ in model.named_parameters()].index(name)
        ]["exp_avg"],
        by_search,
        lambda model, optimizer, name: optimizer.state[named(model)[name]]["exp_avg"].clone(),
        lambda m, o, name: {
            n: o.state_dict()["state"].get(i, {}).get("exp_avg")
            for i, (n, _) in enumerate(m.named_parameters())
        }[name],
    ],
}


def popping(s):
    for key in list(s):
        value = s.pop(key)
        if key.startswith("encoder."):
            s[key[8:]] = value
    return s


def reusing(model, kept={}):  # noqa: B006 (the slip under test)
    kept.update(copy.deepcopy(model.state_dict()))
    return kept


def to_eval(model):
    best = copy.deepcopy(model.state_dict())
    model.eval()
    return best


def replacing(model):
    model[1].weight = nn.Parameter(model[1].weight.detach().clone())
    return copy.deepcopy(model.state_dict())


class Own(nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor
        self.weight = nn.Parameter(torch.ones(3))

    def state_dict(self, *args, **kwargs):
        return OrderedDict([("scale", self.weight), ("inner.weight", self.weight.detach() + 1)])


class Turned(nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor, self.scale = factor, nn.Parameter(torch.ones(3))
        self.inner = nn.Linear(3, 3, bias=False)

    def state_dict(self, *args, **kwargs):
        return OrderedDict(reversed(super().state_dict(*args, **kwargs).items()))


def file_size(model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    return len(file.getvalue())


def unequal(model):
    kept = []
    for value in model.state_dict().values():
        if not any(value.shape == other.shape and torch.equal(value, other) for other in kept):
            kept.append(value)
    return sum(value.nbytes for value in kept)


def switching(model):
    total = by_identity(model)
    model.eval()
    return total


def state_of(names, key="exp_avg"):
    return lambda model, optimizer, name: optimizer.state_dict()["state"][
        list(names(model)).index(name)
    ][key]


def named(model):
    return dict(model.named_parameters())


def trained(model):
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def resetting(model, optimizer, name):
    kept = optimizer.state[named(model)[name]]["exp_avg"]
    result = kept.clone()
    kept.zero_()
    return result


def encoder_part(s):
    return {k[8:]: v for k, v in s.items() if k.startswith("encoder.")}


def meanwhile(answer, change):
    """`answer`, which does `change` to what it was given as well."""

    def changing(*given):
        result = answer(*given)
        change(*given)
        return result

    return changing


def shifted_in_place(s):
    return {k[8:]: v.add_(100) for k, v in s.items() if k.startswith("encoder.")}


def zeroing_the_rest(s):
    for key, value in s.items():
        if not key.startswith("encoder."):
            value.zero_()


def first_prefix(s):
    prefix = next(iter(s)).split(".")[0] + "."
    return {k[len(prefix) :]: v for k, v in s.items() if k.startswith(prefix)}


def copied(model):
    return copy.deepcopy(model.state_dict())


def remembering(model, seen=set()):  # noqa: B006 (the slip under test)
    fresh = {v for v in model.state_dict(keep_vars=True).values() if hasattr(v, "nbytes")} - seen
    seen.update(fresh)
    return sum(tensor.nbytes for tensor in fresh)


def trained_and_buffers(model):
    saved = model.state_dict(keep_vars=True).values()
    tensors = {v for v in saved if isinstance(v, torch.Tensor)}
    return sum(v.nbytes for v in tensors if v.requires_grad or not isinstance(v, nn.Parameter))


def levels(depth):
    def counting(model):
        saved = model.state_dict(keep_vars=True)
        return sum(
            {
                v: v.nbytes
                for k, v in saved.items()
                if k.count(".") <= depth and hasattr(v, "nbytes")
            }.values()
        )

    return counting


class Agreeable(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


def momentum(m, o, name):
    return o.state[named(m)[name]]["exp_avg"]


DICT, FUNCTION, NONE = "not-a-dict", "not-a-function", "nothing-returned"
WRONG = {
    "1.1": [
        ("prefix-kept", lambda s: s),
        ("prefix-kept", lambda s: {k: v for k, v in s.items() if k.startswith("encoder.")}),
        ("head-kept", lambda s: {k.replace("encoder.", ""): v for k, v in s.items()}),
        (
            "encoder_norm-kept",
            lambda s: {k.replace("encoder.", ""): v for k, v in s.items() if "encoder" in k},
        ),
        (
            "encoder_norm-kept",
            lambda s: {k[8:]: v for k, v in s.items() if k.startswith("encoder")},
        ),
        (
            "decoder-kept",
            lambda s: {k.replace("encoder.", ""): v for k, v in s.items() if "encoder." in k},
        ),
        (
            "replaced-everywhere",
            lambda s: {
                k.replace("encoder.", ""): v for k, v in s.items() if k.startswith("encoder.")
            },
        ),
        (
            "lstrip",
            lambda s: {k.lstrip("encoder."): v for k, v in s.items() if k.startswith("encoder.")},
        ),  # noqa: B005
        (
            "wrong-name",
            lambda s: {k.split(".")[1]: v for k, v in s.items() if k.startswith("encoder.")},
        ),
        (
            "wrong-name",
            lambda s: {k.split(".")[-1]: v for k, v in s.items() if k.startswith("encoder.")},
        ),
        ("wrong-name", lambda s: {k[7:]: v for k, v in s.items() if k.startswith("encoder.")}),
        ("missing", lambda s: {"weight": s["encoder.weight"]}),
        ("missing", lambda s: {}),
        (
            "foreign-value",
            lambda s: {k[8:]: v.shape for k, v in s.items() if k.startswith("encoder.")},
        ),
        ("foreign-value", lambda s: nn.Linear(2, 3).state_dict()),
        (
            "foreign-value",
            lambda s: {k[8:]: v.half() for k, v in s.items() if k.startswith("encoder.")},
        ),
        ("input-changed", popping),
        ("input-changed", shifted_in_place),
        ("input-changed", meanwhile(encoder_part, zeroing_the_rest)),
        ("input-changed", meanwhile(encoder_part, lambda s: delattr(s, "_metadata"))),
        ("input-changed", meanwhile(encoder_part, lambda s: s._metadata.clear())),
        ("input-changed", meanwhile(encoder_part, lambda s: s._metadata[""].update(version=9))),
        (
            "missing",
            lambda s: {k[8:]: s[k] for k in takewhile(lambda k: k.startswith("encoder."), s)},
        ),
        (
            "sibling-kept",
            lambda s: {
                k.removeprefix("encoder."): v
                for k, v in s.items()
                if not k.startswith(("head.", "decoder.", "encoder_norm."))
            },
        ),
        (
            "sibling-kept",
            lambda s: {
                k[8:]: v
                for k, v in s.items()
                if k.startswith("encoder") and not k.startswith("encoder_norm")
            },
        ),
        ("sibling-kept", first_prefix),
        (DICT, lambda s: [(k[8:], v) for k, v in s.items() if k.startswith("encoder.")]),
        (DICT, lambda s: ((k, v) for k, v in s.items())),
        (NONE, lambda s: s.update({})),
        ("raises", lambda s: [s.pop(k) for k in s]),
        ("raises", lambda s: s.encoder),
        (FUNCTION, {"weight": torch.ones(3, 2)}),
        (FUNCTION, OrderedDict),
    ],
    "1.2": [
        ("live-view", lambda model: model.state_dict()),
        ("live-view", lambda model: dict(model.state_dict())),
        ("live-view", lambda model: copy.copy(model.state_dict())),
        ("live-view", lambda model: {k: v.detach().cpu() for k, v in model.state_dict().items()}),
        (
            "partly-live",
            lambda model: {**model.state_dict(), **{k: v.clone() for k, v in named(model).items()}},
        ),
        ("missing", lambda model: {k: v.detach().clone() for k, v in model.named_parameters()}),
        (
            "extra",
            lambda model: {
                k: v.clone() for k, v in [*model.named_parameters(), *model.named_buffers()]
            },
        ),
        ("other-values", lambda model: {k: v.double() for k, v in model.state_dict().items()}),
        (
            "other-values",
            lambda model: {k: v.numpy().copy() for k, v in model.state_dict().items()},
        ),
        (
            "other-values",
            lambda model: {k: torch.zeros_like(v) for k, v in model.state_dict().items()},
        ),
        ("a-model", copy.deepcopy),
        ("dict-reused", reusing),
        ("model-changed", to_eval),
        ("model-changed", replacing),
        ("model-changed", meanwhile(copied, lambda m: m[1].register_forward_hook(print))),
        (
            "model-changed",
            meanwhile(copied, lambda m: m.register_state_dict_post_hook(lambda *given: None)),
        ),
        ("model-changed", meanwhile(copied, lambda m: setattr(m, "best", copied(m)))),
        ("model-changed", meanwhile(copied, lambda m: setattr(m[0], "momentum", 0.5))),
        ("model-changed", meanwhile(copied, lambda m: m.zero_grad())),
        ("model-changed", meanwhile(copied, lambda m: m.zero_grad(set_to_none=False))),
        (DICT, lambda model: [value.clone() for value in model.state_dict().values()]),
        (DICT, lambda model: b"file"),
        (NONE, lambda model: torch.save(model.state_dict(), io.BytesIO())),
        ("raises", lambda: {}),
        (FUNCTION, nn.Linear(2, 1)),
        (FUNCTION, nn.Linear(2, 1).state_dict()),
    ],
    "1.3": [
        ("plain-tensor", scaled(SUPER, FACTOR, INNER, "self.scale = torch.ones(3)")),
        ("plain-value", scaled(SUPER, FACTOR, INNER, "self.scale = 1.0")),
        (
            "not-persistent",
            scaled(
                SUPER,
                FACTOR,
                INNER,
                "self.register_buffer('scale', torch.ones(3), persistent=False)",
            ),
        ),
        ("empty-slot", scaled(SUPER, FACTOR, INNER, "self.register_parameter('scale', None)")),
        (
            "another-module",
            scaled(SUPER, FACTOR, INNER, "self.scale = nn.Linear(1, 1, bias=False)"),
        ),
        ("absent", scaled(SUPER, FACTOR, INNER)),
        ("absent", scaled(SUPER, FACTOR, SCALE)),
        (
            "class-attribute",
            scaled(SUPER, FACTOR, INNER, head="scale = nn.Parameter(torch.ones(3))"),
        ),
        ("bias", scaled(SUPER, FACTOR, SCALE, "self.inner = nn.Linear(3, 3)")),
        (
            "not-a-submodule",
            scaled(SUPER, FACTOR, SCALE, "self.inner = nn.Parameter(torch.ones(3))"),
        ),
        ("in-a-list", scaled(SUPER, FACTOR, SCALE, "self.inner = [nn.Linear(3, 3, bias=False)]")),
        (
            "another-module",
            scaled(SUPER, FACTOR, SCALE, "self.inner = nn.Sequential(nn.Linear(3, 3, bias=False))"),
        ),
        (
            "factor-saved",
            scaled(SUPER, SCALE, INNER, "self.factor = nn.Parameter(torch.tensor(factor))"),
        ),
        (
            "factor-saved",
            scaled(SUPER, SCALE, INNER, "self.register_buffer('factor', torch.tensor(factor))"),
        ),
        ("factor-is-a-tensor", scaled(SUPER, SCALE, INNER, "self.factor = torch.tensor(factor)")),
        ("factor-wrong", scaled(SUPER, SCALE, INNER)),
        ("factor-wrong", scaled(SUPER, SCALE, INNER, "self.factor = 2.0")),
        ("factor-wrong", scaled(SUPER, SCALE, INNER, FACTOR, signature="factor=1.0")),
        (
            "factor-wrong",
            scaled(SUPER, SCALE, INNER, "self.factor = Agreeable(7)", Agreeable=Agreeable),
        ),
        ("extra", scaled(SUPER, SCALE, INNER, FACTOR, "self.steps = nn.Buffer(torch.zeros(()))")),
        ("extra", scaled(SUPER, SCALE, INNER, FACTOR, head="get_extra_state = lambda self: 2.0")),
        ("shared", scaled(SUPER, INNER, FACTOR, "self.scale = SHARED", SHARED=SHARED)),
        (
            "shared",
            scaled(SUPER, INNER, FACTOR, "self.scale = nn.Parameter(SHARED.data)", SHARED=SHARED),
        ),
        (
            "shared",
            scaled(
                SUPER,
                INNER,
                FACTOR,
                "self.scale = nn.Parameter(scale)",
                signature="factor=2.0, scale=torch.ones(1)",
            ),
        ),
        (
            "shared",
            scaled(
                SUPER,
                INNER,
                FACTOR,
                SCALE,
                "self.inner.weight = nn.Parameter(weight)",
                signature="factor=2.0, weight=torch.ones(3, 3)",
            ),
        ),
        ("shared", scaled(SUPER, INNER, FACTOR, SCALE, "self.inner.weight = self.scale")),
        (
            "shared",
            scaled(
                SUPER,
                INNER,
                FACTOR,
                SCALE,
                "self.inner.weight = nn.Parameter(self.scale.data.expand(3, 3))",
            ),
        ),
        (
            "shared",
            scaled(SUPER, INNER, FACTOR, "self.scale = nn.Parameter(self.inner.weight.data[0, 0])"),
        ),
        ("no-super", scaled(SCALE, INNER, FACTOR)),
        ("no-super", scaled(FACTOR)),
        ("raises", scaled(SUPER, SCALE, INNER, FACTOR, signature="factor")),
        ("raises", scaled(SUPER, SCALE, INNER, "self.factor = 2.0", signature="")),
        ("order", Turned),
        ("does-not-load", Own),
        (
            "not-a-parameter",
            scaled(SUPER, FACTOR, INNER, "self.register_buffer('scale', torch.ones(1))"),
        ),
        (
            "not-a-parameter",
            scaled(
                SUPER,
                FACTOR,
                "self.scale = nn.Buffer(torch.zeros(7, 3))",
                "self.inner = nn.Embedding(2, 9)",
            ),
        ),
        ("scale-size", scaled(SUPER, FACTOR, INNER, "self.scale = nn.Parameter(torch.ones(3))")),
        ("scale-size", scaled(SUPER, FACTOR, INNER, "self.scale = nn.Parameter(torch.ones(0))")),
        ("another-layer", scaled(SUPER, FACTOR, SCALE, "self.inner = nn.Linear(1, 5, bias=False)")),
        ("another-layer", scaled(SUPER, FACTOR, SCALE, "self.inner = nn.Embedding(3, 3)")),
        (
            "another-layer",
            scaled(
                SUPER, FACTOR, SCALE, "self.inner = nn.ParameterDict({'weight': torch.ones(3, 3)})"
            ),
        ),
        ("not-a-module", scaled(SCALE, INNER, FACTOR, base="object")),
        ("not-a-module", lambda factor=2.0: nn.Linear(3, 3)),
        ("an-instance", scaled(SUPER, SCALE, INNER, FACTOR)()),
    ],
    "1.4": [
        ("elements", lambda m: sum(v.numel() for v in m.state_dict().values())),
        ("entries", lambda m: len(m.state_dict())),
        ("four-bytes", lambda m: sum(4 * v.numel() for v in m.state_dict().values())),
        ("parameters-only", lambda m: sum(p.nbytes for p in m.parameters())),
        ("counted-twice", lambda m: sum(v.nbytes for v in m.state_dict().values())),
        (
            "counted-twice",
            lambda m: sum({id(v): v.nbytes for v in [*m.state_dict().values()]}.values()),
        ),
        ("non-persistent", lambda m: sum(v.nbytes for v in [*m.parameters(), *m.buffers()])),
        ("equal-values", unequal),
        ("file-size", file_size),
        (
            "not-a-tensor",
            lambda m: sum(
                {id(v): v.nbytes for v in m.state_dict(keep_vars=True).values()}.values()
            ),
        ),
        (
            "not-a-tensor",
            lambda m: sum({v.data_ptr(): v.nbytes for v in m.state_dict().values()}.values()),
        ),
        ("wrong-number", lambda m: -1),
        ("wrong-number", lambda m: Agreeable(7)),
        ("elements", lambda m: Agreeable(9)),
        ("remembers", remembering),
        ("frozen", trained_and_buffers),
        *(("shallow", levels(depth)) for depth in range(3)),
        ("not-an-int", lambda m: float(by_identity(m))),
        ("not-an-int", lambda m: torch.tensor(by_identity(m))),
        ("not-an-int", lambda m: f"{by_identity(m)} bytes"),
        ("not-an-int", lambda m: True),
        ("model-changed", switching),
        ("model-changed", meanwhile(by_identity, lambda m: setattr(m, "nbytes", 1))),
        (NONE, lambda m: print(by_identity(m))),
        ("raises", lambda m: sum(m.state_dict())),
        (FUNCTION, 36),
    ],
    "1.5": [
        ("by-position", lambda m, o, name: o.state_dict()["state"][name]["exp_avg"]),
        ("by-position", lambda m, o, name: o.state_dict()["state"][0]["exp_avg"]),
        ("buffers-in-between", state_of(lambda m: m.state_dict())),
        ("frozen", state_of(trained)),
        (
            "frozen",
            lambda m, o, name: [*o.state_dict()["state"].values()][[*named(m)].index(name)][
                "exp_avg"
            ],
        ),
        ("tied", state_of(lambda m: dict(m.named_parameters(remove_duplicate=False)))),
        ("second-moment", state_of(named, "exp_avg_sq")),
        ("whole-entry", lambda m, o, name: o.state[named(m)[name]]),
        ("not-momentum", lambda m, o, name: named(m)[name]),
        ("not-momentum", lambda m, o, name: named(m)[name].grad),
        ("not-a-tensor", lambda m, o, name: [*named(m)].index(name)),
        ("not-a-tensor", lambda m, o, name: o.state[named(m)[name]]["exp_avg"].tolist()),
        ("other-tensor", lambda m, o, name: o.state[named(m)[name]]["exp_avg"] * 2),
        ("other-tensor", lambda m, o, name: o.state[named(m)[name]]["exp_avg"].half()),
        ("other-tensor", lambda m, o, name: o.state[named(m)[name]]["exp_avg"].flatten()[:1]),
        ("state-changed", resetting),
        ("state-changed", meanwhile(momentum, lambda m, o, name: o.zero_grad())),
        ("state-changed", meanwhile(momentum, lambda m, o, name: o.param_groups[0].update(lr=0.2))),
        (
            "state-changed",
            meanwhile(momentum, lambda m, o, name: o.param_groups[0]["params"].reverse()),
        ),
        (
            "state-changed",
            meanwhile(momentum, lambda m, o, name: o.state[named(m)[name]].update(seen=1)),
        ),
        (
            "state-changed",
            meanwhile(momentum, lambda m, o, name: [o.state[p] for p in m.parameters()]),
        ),
        (
            "state-changed",
            lambda m, o, name: {n: o.state[p] for n, p in m.named_parameters()}[name]["exp_avg"],
        ),
        (NONE, lambda m, o, name: o.state_dict()["state"].get(name)),
        ("by-position", lambda m, o: None),
        (FUNCTION, torch.ones(2)),
    ],
}


def test_the_lesson_has_its_exercises_in_order_and_their_texts_are_whole():
    assert [key for key in all_tasks() if key.startswith("1.")] == IDS
    for task in all_tasks().values():
        assert len(task.hints) == 3 and task.hints[-1].startswith("Nearly there: ")
        for words in (task.goal, *task.hints, *task.fitting.values()):
            assert words.count("`") % 2 == 0, words


def test_the_feedback_names_the_smallest_failing_case():
    feedback = check("1.4", lambda m: sum(4 * v.numel() for v in m.state_dict().values()))
    assert (feedback.expected, feedback.found) == (
        "`72` bytes for `nn.Linear(2, 3).double()`",
        "`36`",
    )
    feedback = check("1.1", lambda s: {k[8:]: v for k, v in s.items() if k.startswith("encoder")})
    assert feedback.found == "the tensor of `encoder_norm.weight` came along as `'norm.weight'`"
    assert "`'encoder_norm.weight'`" in feedback.expected and "decoder" not in feedback.expected


def test_hints_come_one_at_a_time_then_stay_at_the_last():
    task, answer = all_tasks()["1.2"], lambda model: model.state_dict()
    hints = [check("1.2", answer).hint for _ in range(6)]
    assert hints == [task.fitting["live-view"], *task.hints, task.hints[-1], task.hints[-1]]


def test_a_new_mistake_gets_its_own_hint_before_the_next_general_one():
    task = all_tasks()["1.2"]
    answers = [
        dict,
        lambda m: m.state_dict(),
        lambda m: m.state_dict(),
        copy.deepcopy,
        copy.deepcopy,
    ]
    nudge, next_one, _ = task.hints
    expected = [
        task.fitting[FUNCTION],
        task.fitting["live-view"],
        nudge,
        task.fitting["a-model"],
        next_one,
    ]
    assert [check("1.2", answer).hint for answer in answers] == expected


def test_a_right_answer_starts_the_hints_over_and_exercises_count_apart():
    wrong = WRONG["1.2"][0][1]
    first = check("1.2", wrong)
    assert check("1.2", wrong).hint != first.hint
    assert check("1.1", lambda s: s).hint == all_tasks()["1.1"].fitting["prefix-kept"]
    assert check("1.2", RIGHT["1.2"][0]).status == "right"
    assert check("1.2", wrong) == first


STUBS = {
    "1.1": "def stub(state_dict):\n    return ...",
    "1.2": "def stub(model):\n    return ...",
    "1.3": "class stub(nn.Module):\n    'Two keys.'\n    def __init__(self, factor=2.0):\n"
    "        super().__init__()\n        ...",
    "1.4": "def stub(model):\n    return ...",
    "1.5": "def stub(model, optimizer, name):\n    return ...",
}


@pytest.mark.parametrize("key", IDS)
def test_a_stub_is_not_solved_yet_and_does_not_count(key):
    stubs = [..., source(STUBS[key], "stub")]
    if key == "1.3":
        stubs += [
            source(f"class stub(nn.Module): {body}", "stub") for body in ("'Two keys.'", "...")
        ]
    for stub in stubs:
        feedback = check(key, stub)
        assert feedback == Feedback(key, "unsolved", all_tasks()[key].goal, hint=feedback._START)
        assert repr(feedback).startswith(f"{key} … Not solved yet · Wanted: ")
    assert feedback._shown == {}


@pytest.mark.parametrize("key", IDS)
def test_the_stub_in_the_lesson_is_not_solved_and_the_folded_solution_is_right(key):
    cells = read(ROOT / "notebooks/01_state_dict.ipynb")["cells"]
    stub, solution = (
        text(cell["source"]) for cell in cells if cell["metadata"].get("exercise") == key
    )
    name = re.search(r"^(?:def|class) (\w+)", stub).group(1)
    (code,) = re.findall(r"```python\n(.*?)```", solution, flags=re.DOTALL)
    assert check(key, source(stub, name)).status == "unsolved"
    assert check(key, source(code, name)).status == "right"


class Hostile(Exception):
    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


class Leaving(Exception):
    def __str__(self):
        raise SystemExit(3)


class Stopping(Exception):
    def __str__(self):
        raise KeyboardInterrupt


class Untouchable:
    """Raises on whatever is done to it."""

    def raising(self, *args, **kwargs):
        raise Hostile

    __eq__ = __repr__ = __str__ = __len__ = __iter__ = __bool__ = raising
    __getattr__ = __contains__ = __index__ = raising
    __hash__ = None


class Endless(OrderedDict):
    def items(self):
        return ((str(number), number) for number in count())

    def __iter__(self):
        return (str(number) for number in count())


class Disguised:
    @property
    def __class__(self):
        raise Hostile


def raising(error):
    def answer(*args, **kwargs):
        raise error

    return answer


def recursive(*args):
    return recursive(*args)


ODD = [
    raising(ValueError("first line\nsecond line")),
    raising(SystemExit(3)),
    raising(GeneratorExit()),
    raising(Hostile()),
    raising(Leaving()),
    raising(KeyError("<script>")),
    raising(ValueError("\ud800")),
    recursive,
    lambda *args: Untouchable(),
    lambda *args: Endless(),
    lambda *args: Disguised(),
    lambda *args: count(),
    lambda *args: iter(()),
    lambda *args: {Untouchable: 1},
    lambda *args: {None: Untouchable()},
    lambda *args: torch.ones(2, device="meta"),
    lambda *args: {"x": torch.ones(2, device="meta")},
    lambda *args: "x" * 100_000,
    lambda *args: type,
    lambda *args: NotImplemented,
    None,
    0,
    "",
    [],
    {},
    object(),
    Untouchable(),
    Disguised(),
    int,
    nn.Module,
    nn.Module(),
    print,
    max,
    Untouchable,
]


@pytest.mark.parametrize("key", IDS)
@pytest.mark.parametrize("number", range(len(ODD)))
def test_whatever_the_answer_does_there_is_feedback_and_no_exception(key, number):
    answer = ODD[number]  # pytest must not look at it to name the test
    feedback = check(key, answer)
    if not (key == "1.3" and answer is nn.Module):  # a blank module class is what the stub is
        assert feedback.status == "wrong" and feedback.hint and feedback.found, feedback
    for face in (repr(feedback), feedback._repr_html_()):
        assert "Traceback" not in face and " at 0x" not in face
        assert len(face) < 3_000 and len(face.splitlines()) == 1


def test_what_the_answer_raised_is_told_in_a_line():
    feedback = check("1.4", raising(ValueError("first line\nsecond line")))
    assert feedback.expected == "`state_bytes(model)` runs to its end"
    assert feedback.found == "it raised `ValueError`: first line"
    feedback = check("1.4", raising(SystemExit(3)))
    assert (feedback.mistake, feedback.found) == ("raises", "it raised `SystemExit`: 3")
    assert in_words(ValueError(f"bad {object()!r}")) == "`ValueError`: bad <object object>"
    assert in_words(Hostile()) == "`Hostile`: (its message could not be read: RuntimeError)"
    assert in_words(Leaving()) == "`Leaving`: (its message could not be read: SystemExit)"
    assert in_words(ValueError("half \ud800")) == "`ValueError`: half \\ud800"
    with pytest.raises(KeyboardInterrupt):
        in_words(Stopping())


def test_half_of_a_surrogate_pair_can_be_written_into_the_notebook():
    for face in (
        check("1.4", raising(ValueError("\ud800"))),
        check("1.1", lambda s: {"\ud800": 1}),
    ):
        assert repr(face).encode("utf-8") and face._repr_html_().encode("utf-8")


def test_a_photo_warns_of_nothing_and_leaves_a_learners_own_attributes_out():
    model = nn.Linear(2, 1)
    model.register_buffer("graph", model.weight * 2)
    short, long = (
        helpers.exercises.old_engine.photo(model),
        helpers.exercises.engine.photo(model, True),
    )
    model.note = 1
    assert (
        helpers.exercises.old_engine.photo(model) == short
        and helpers.exercises.old_engine.photo(model, True) != long
    )


def test_an_interrupt_is_the_learners_own_and_passes():
    with pytest.raises(KeyboardInterrupt):
        check("1.2", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        check("1.3", type("Scaled", (nn.Module,), {"__init__": raising(KeyboardInterrupt())}))


def test_prints_of_the_answer_are_shown(capsys):
    assert check("1.4", lambda m: print("here") or by_identity(m)).status == "right"
    assert capsys.readouterr().out == "here\n" * 16


def meddling(model):
    torch.manual_seed(5)
    torch.rand(3)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    return copy.deepcopy(model.state_dict())


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize(
    "key,answer", [("1.2", meddling), ("1.1", dict), *((k, RIGHT[k][0]) for k in IDS)]
)
def test_random_state_grad_mode_and_dtype_are_as_they_were(key, answer, grad):
    torch.manual_seed(1)
    with torch.set_grad_enabled(grad):
        before = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_default_dtype()
        check(key, answer)
        after = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_default_dtype()
    assert torch.equal(before[0], after[0]) and before[1:] == after[1:]


@pytest.mark.parametrize("key", IDS)
def test_right_is_right_under_other_settings(key):
    with torch.inference_mode():
        assert check(key, RIGHT[key][0]).status == "right"
    with torch.device("meta"), torch.no_grad():
        assert check(key, RIGHT[key][0]).status == "right"
    torch.set_default_dtype(torch.float64)
    try:
        assert check(key, RIGHT[key][0]).status == "right"
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_learners_objects_are_left_alone():
    model = nn.Linear(2, 1)
    before = helpers.exercises.old_engine.photo(model), set(vars(model))
    check("1.2", model)
    check("1.3", model)
    assert (helpers.exercises.old_engine.photo(model), set(vars(model))) == before
    Scaled = RIGHT["1.3"][0]
    names = dict(vars(Scaled))
    check("1.3", Scaled)
    assert dict(vars(Scaled)) == names


def test_the_same_attempt_gets_the_same_feedback():
    for key in IDS:
        for _, answer in WRONG[key][:4]:
            feedback._shown.clear()
            first = check(key, answer)
            feedback._shown.clear()
            torch.rand(1)
            assert check(key, answer) == first


def test_an_unknown_exercise_names_itself_and_lists_the_others():
    with pytest.raises(ValueError) as caught:
        check("1.22", print)
    listed = ", ".join(all_tasks())
    assert (
        str(caught.value) == f"there is no exercise '1.22'; did you mean '1.2'? There are: {listed}"
    )


@pytest.mark.parametrize("key", [1.2, None, b"1.2", print])
def test_an_exercise_that_is_not_text_is_a_type_error(key):
    with pytest.raises(TypeError, match=f"as text, such as '1.1'; got {type(key).__name__}"):
        check(key, print)


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.names, self.words = set(), set(), ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.names.update(name for name, _ in attrs)

    def handle_data(self, data):
        self.words += data


def test_the_faces_say_the_same_with_a_sign_and_words():
    feedback = check("1.4", lambda m: 9)
    assert repr(feedback) == (
        "1.4 ✗ Not yet · Expected: `36` bytes for `nn.Linear(2, 3)` · Found: `9` · Hint: That is how many "
        "numbers there are. `tensor.nbytes` is how many bytes they take."
    )
    words = Page(feedback._repr_html_()).words
    assert words.startswith("✗ Not yet") and "exercise 1.4" in words
    for line in (feedback.expected, feedback.found, feedback.hint):
        assert line.replace("`", "") in words
    assert Page(check("1.4", by_identity)._repr_html_()).words.startswith("✓ Right")
    assert Page(check("1.4", ...)._repr_html_()).words.startswith("… Not solved yet")


def test_hostile_text_from_an_answer_stays_text():
    evil = "</div><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    kind = type(evil, (), {})
    for answer in (raising(ValueError(evil)), lambda s: kind(), lambda s: {evil: 1}, kind):
        page = Page(check("1.1", answer)._repr_html_())
        assert page.tags <= {"div", "b", "code"} and page.names <= {"class", "style", "data-state"}
        assert "<script>" in page.words


def test_values_are_described_without_running_them():
    assert describe(torch.ones(2, 3)) == "a `torch.float32` tensor of shape `(2, 3)`"
    assert describe(Untouchable()) == "an object of type `Untouchable`"
    assert describe(OrderedDict) == "the class `OrderedDict`"
    assert (describe(None), describe(...), describe("a")) == ("`None`", "`Ellipsis`", "`'a'`")
    assert len(describe("x" * 10_000)) < 100


def test_exercises_are_read_from_their_text_file():
    words = "# Title\n\n## 9.1\nA goal\nin two lines\n\n1. One\n   more.\n2. Two.\n\n- slip: Do\n  this.\n"
    (task,) = read_tasks(words, {"9.1": print})
    assert (task.key, task.goal, task.check) == ("9.1", "A goal in two lines", print)
    assert task.hints == ("One more.", "Two.")
    assert task.fitting["slip"] == "Do this."
    with pytest.raises(KeyError, match="9.1"):
        read_tasks(words, {})


def test_every_lesson_file_is_listed():
    folder = Path(helpers.exercises.old_engine.__file__).parent
    assert sorted(path.stem for path in folder.glob("lesson_*.py")) == sorted(LESSONS)
    assert sorted(path.stem for path in folder.glob("lesson_*.md")) == sorted(LESSONS)
