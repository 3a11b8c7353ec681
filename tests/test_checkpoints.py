"""A checkpoint compared before it is loaded: torch's real load is the oracle, each advice is
applied and loaded.
"""

from __future__ import annotations

import copy
import gc
import io
import itertools
import json
import pathlib
import re
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn.utils import prune
from torch.nn.utils.parametrize import register_parametrization

from helpers import CheckpointTable, Comparison, Mismatch, compare_checkpoint
from helpers.checkpoints import originals, twin
from helpers.views.checkpoint_wires import STATES
from tests.html_page import WIDGET, Page, assert_safe, faces_of
from tests.modules import NAMES, database, fingerprint, hostile_module, modules
from tests.told import assert_told

NN = nn.utils
PARAMETRIZED = NN.parametrizations


def mixed(seed: int = 0) -> nn.Module:
    """A model with no two parameters of one shape, a BatchNorm, and a buffer of each kind."""
    torch.manual_seed(seed)
    model = nn.Module()
    model.stem, model.norm = nn.Linear(2, 3), nn.BatchNorm1d(5)
    model.body = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4, bias=False))
    model.register_buffer("scale", torch.full((7,), float(seed)))
    model.register_buffer("mask", torch.ones(6), persistent=False)
    return model


def load(module: nn.Module, state_dict: Mapping, strict: bool) -> tuple[object, str]:
    """(what the real load returned, the message of what it raised instead)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return module.load_state_dict(state_dict, strict=strict), ""
        except Exception as error:
            return None, f"{error}"


def assert_as_torch(module: nn.Module, state_dict: Mapping, found: Comparison) -> None:
    """`found` says what a real load into `module` returns, and its strict error message down to the
    last word.
    """
    answer, _ = load(module, state_dict, strict=False)
    if answer is not None:
        assert (found.missing, found.unexpected) == (answer.missing_keys, answer.unexpected_keys)
    message = load(module, state_dict, strict=True)[1]
    assert found.loads == (message == "")
    assert (answer is not None) == (found.mismatched == found.errors == [])
    if message and not message.startswith("Error(s) in loading"):  # a failure that ended the load
        assert found.errors[-1].split(": ", 1)[1] == message
    elif message:
        words = "size mismatch for {}: copying a param with shape {} from checkpoint, the shape in "
        words += "current model is {}."
        told = [
            words.format(key, torch.Size(given), torch.Size(own))
            for key, own, given in found.mismatched
        ]
        told += found.errors
        for words, keys in (("Missing", found.missing), ("Unexpected", found.unexpected)):
            if keys:
                told.append(
                    f"{words} key(s) in state_dict: " + ", ".join(f'"{key}"' for key in keys) + ". "
                )
        rest = message.removeprefix(f"Error(s) in loading state_dict for {type(module).__name__}:")
        for one in sorted(told, key=len, reverse=True):
            assert f"\n\t{one}" in rest
            rest = rest.replace(f"\n\t{one}", "", 1)
        assert rest == ""


def perturbed(draw: st.DrawFn, state_dict: Mapping) -> dict:
    """`state_dict` with entries dropped, added, renamed, reshaped or replaced; with and without its
    versions.
    """
    entries = list(state_dict.items())
    for _ in range(draw(st.integers(0, 5))):
        what = draw(st.sampled_from(["drop", "add", "prefix", "rename", "shape", "value", "order"]))
        at = draw(st.integers(0, len(entries) - 1)) if entries else None
        if what == "add" or at is None:
            key = draw(st.sampled_from(["", "a.", "0.weight.", "b.0."])) + draw(
                st.sampled_from(NAMES)
            )
            entries.append(
                (key, draw(st.sampled_from([torch.zeros(2), 3, "text", {"a": torch.ones(1)}])))
            )
        elif what == "prefix":
            prefix = draw(st.sampled_from(["module.", "_orig_mod.", "a."]))
            entries = [(prefix + key, value) for key, value in entries]
        elif what == "drop":
            del entries[at]
        elif what == "order":
            entries.insert(0, entries.pop(at))
        else:
            key, value = entries[at]
            shapes = [
                torch.zeros(1),
                torch.zeros(()),
                torch.zeros(3, 2),
                torch.zeros(2, dtype=torch.float64),
            ]
            entries[at] = {
                "rename": (key + draw(st.sampled_from([".x", "x"])), value),
                "shape": (key, draw(st.sampled_from(shapes))),
                "value": (key, draw(st.sampled_from([None, 1.5, [torch.zeros(1)]]))),
            }[what]
    made = OrderedDict(entries)
    if draw(st.booleans()) and hasattr(state_dict, "_metadata"):
        made._metadata = state_dict._metadata
    return made


def listed(module: nn.Module) -> Mapping:
    """The state_dict of `module`, {} where torch has none."""
    try:
        return module.state_dict()
    except Exception:
        return {}


def inside_itself(module: nn.Module, above: tuple = ()) -> bool:
    children = [one for one in vars(module).get("_modules", {}).values() if one is not None]
    return any(
        any(child is one for one in (*above, module)) or inside_itself(child, (*above, module))
        for child in children
    )


_INTERNAL = {key: type(value) for key, value in vars(nn.Module()).items() if key != "training"}


def overwritten(module: nn.Module, above: tuple = ()) -> bool:
    """Does a plain attribute stand where torch keeps its own things, or are they gone where only
    buffers need them?
    """
    own = vars(module)
    if any(key in own and type(own[key]) is not kind for key, kind in _INTERNAL.items()):
        return True
    if "_non_persistent_buffers_set" not in own:
        return True
    inside = (*above, module)
    children = [one for one in own.get("_modules", {}).values() if one is not None]
    return any(
        overwritten(one, inside) for one in children if not any(one is outer for outer in inside)
    )


@st.composite
def pairs(draw: st.DrawFn, made: st.SearchStrategy[nn.Module]) -> tuple[nn.Module, dict]:
    """(module, a state_dict that nearly fits it)."""
    module = draw(made)
    if overwritten(module):
        reject()
    return module, perturbed(draw, {} if inside_itself(module) else listed(module))


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(pairs(modules()))
def test_a_generated_pair_is_told_as_torch_tells_it_and_nothing_changes(pair):
    module, state_dict = pair
    before, entries, state = fingerprint(module), list(state_dict.items()), torch.get_rng_state()
    try:
        found = compare_checkpoint(module, state_dict)
    except ValueError as error:
        if inside_itself(
            module
        ):  # torch walks a thousand levels down, and with long names takes all memory
            assert " is a part of itself" in str(error) or " call super().__init__()" in str(error)
        else:
            assert " call super().__init__()" in str(error)
            with pytest.raises(AttributeError):
                module.load_state_dict(state_dict)
        return
    assert not inside_itself(module)
    assert fingerprint(module) == before and torch.equal(torch.get_rng_state(), state)
    assert all(
        a[0] is b[0] and a[1] is b[1] for a, b in zip(entries, state_dict.items(), strict=True)
    )
    assert_as_torch(module, state_dict, found)
    if found.advice:  # what it says of the load after it is true, whatever the pair
        assert found.advice[-1].enough == (
            load(module, applied(module, state_dict, found.code), strict=True)[1] == ""
        )


TORCHS = [
    mixed,
    lambda: nn.TransformerDecoderLayer(4, 1, 4),
    lambda: nn.BatchNorm2d(2),
    nn.Sequential,
    lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)),
    lambda: nn.LazyLinear(2),
    lambda: nn.Sequential(nn.InstanceNorm1d(2), nn.SyncBatchNorm(2)),
]


@settings(max_examples=50, deadline=None)
@given(pairs(st.sampled_from(TORCHS).map(lambda make: make())))
def test_layers_with_rules_of_torchs_own_are_told_as_torch_tells_it(pair):
    assert_as_torch(*pair, compare_checkpoint(*pair))


def test_the_whole_module_database_is_told_as_torch_tells_it():
    for name, module in database():
        state_dict = module.state_dict()
        before = fingerprint(module)
        found = compare_checkpoint(module, state_dict)
        assert (
            found.loads
            and found.matched == list(state_dict)
            and found.advice == []
            and not found.own_rules
        ), name
        keys = list(state_dict)
        broken = {
            f"{key}x" if place % 5 == 1 else key: torch.zeros(9, 9, 9, 1)
            if place % 5 == 2
            else state_dict[key]
            for place, key in enumerate(keys)
            if place % 5 != 3
        }
        found = compare_checkpoint(module, broken)
        assert fingerprint(module) == before
        assert_as_torch(module, broken, found)


def applied(module: nn.Module, state_dict: Mapping, code: str) -> dict:
    """What the code of the advice makes of `state_dict`, which must stay as it was."""
    entries = list(state_dict.items())
    space = {"state_dict": state_dict, "module": module}
    exec(code, space)
    assert all(
        a[0] is b[0] and a[1] is b[1] for a, b in zip(entries, state_dict.items(), strict=True)
    )
    return space["state_dict"]


def wrapped(module: nn.Module, name: str) -> nn.Module:
    outer = nn.Module()
    outer.add_module(name, module)
    return outer


def old_checkpoint() -> OrderedDict:
    return mixed(1).state_dict()


def renamed(state_dict: Mapping, *pairs: tuple[str, str]) -> dict:
    for old, new in pairs:
        state_dict = {
            new + key.removeprefix(old) if key.startswith(old) else key: value
            for key, value in state_dict.items()
        }
    return state_dict


def without(state_dict: Mapping, *names: str) -> OrderedDict:
    """An OrderedDict without these keys, that keeps the versions."""
    made = OrderedDict((key, value) for key, value in state_dict.items() if key not in names)
    made._metadata = state_dict._metadata
    return made


SGD = torch.optim.SGD(mixed().parameters(), lr=0.1, momentum=0.9)
HOSTILE = "it's \"x\"\\\n{key}\u202e__import__('os')."
CASES = {
    "DataParallel": (mixed, lambda: nn.DataParallel(mixed(1)).state_dict(), ["prefix"]),
    "compiled": (mixed, lambda: torch.compile(mixed(1)).state_dict(), ["prefix"]),
    "into compiled": (lambda: torch.compile(mixed()), old_checkpoint, ["prefix"]),
    "into DataParallel": (lambda: nn.DataParallel(mixed()), old_checkpoint, ["prefix"]),
    "both": (mixed, lambda: nn.DataParallel(torch.compile(mixed(1))).state_dict(), ["prefix"]),
    "a wrapper's attribute": (mixed, lambda: wrapped(mixed(1), "model").state_dict(), ["prefix"]),
    "into a wrapper": (lambda: wrapped(mixed(), "backbone"), old_checkpoint, ["prefix"]),
    "a part": (
        mixed,
        lambda: {**wrapped(mixed(1), "net").state_dict(), "head.weight": torch.ones(9)},
        ["prefix", "no place"],
    ),
    "compiled inside": (
        lambda: wrapped(mixed(), "a"),
        lambda: wrapped(torch.compile(mixed(1)), "a").state_dict(),
        ["wrapper"],
    ),
    "into compiled inside": (
        lambda: wrapped(torch.compile(mixed()), "a"),
        lambda: wrapped(mixed(1), "a").state_dict(),
        ["wrapper"],
    ),
    "hostile prefix": (
        mixed,
        lambda: {HOSTILE + key: value for key, value in old_checkpoint().items()},
        ["prefix"],
    ),
    "nested": (
        mixed,
        lambda: {"epoch": 3, "model": old_checkpoint(), "optimizer": SGD.state_dict()},
        ["nested"],
    ),
    "nested deeper": (
        mixed,
        lambda: {"run": {"step": 1, "state_dict": dict(old_checkpoint())}},
        ["nested"],
    ),
    "nested, prefixed": (
        mixed,
        lambda: {"model": renamed(old_checkpoint(), ("", "module."))},
        ["nested", "prefix"],
    ),
    "renamed": (
        mixed,
        lambda: renamed(old_checkpoint(), ("stem.", "first."), ("body.0", "layers.1")),
        ["renamed"],
    ),
    "renamed, hostile": (
        mixed,
        lambda: renamed(old_checkpoint(), ("stem.weight", HOSTILE + "weight")),
        ["renamed"],
    ),
    "renamed leaf": (
        mixed,
        lambda: renamed(old_checkpoint(), ("stem.weight", "stem.kernel")),
        ["leaves"],
    ),
    "transposed": (
        mixed,
        lambda: {**old_checkpoint(), "stem.weight": mixed(1).stem.weight.t()},
        ["transposed"],
    ),
    "now non-persistent": (
        mixed,
        lambda: {**old_checkpoint(), "mask": torch.zeros(6)},
        ["non-persistent"],
    ),
    "no count of batches": (
        mixed,
        lambda: without(old_checkpoint(), "norm.num_batches_tracked"),
        ["persistent"],
    ),
    "a number among them": (
        mixed,
        lambda: {**old_checkpoint(), "epoch": 3, HOSTILE: None},
        ["non-tensor"],
    ),
    "all at once": (
        mixed,
        lambda: {
            "a": {
                "b": {
                    **renamed(old_checkpoint(), ("", "module."), ("module.stem", "module.in")),
                    "module.mask": torch.zeros(6),
                    "module.step": 3,
                }
            }
        },
        ["nested", "prefix", "renamed", "non-persistent", "non-tensor"],
    ),
}


def told_of(found: Comparison) -> Iterator[str]:
    """All that a comparison says, but for what it hands on of torch's words."""
    yield f"    {found!r}"
    for name in (*LISTS, "non_tensors", "dtypes", "devices", "own_rules"):
        if getattr(found, name):
            yield f"    {name}: {getattr(found, name)}"
    for step in found.advice:
        yield f"  {step.kind}, {step.enough}, {step.is_remark}: {step.words}"
        yield from (f"    {line}" for line in step.code.splitlines())
        if step.tried:
            moved = {new: old for new, old in step.tried.origins.items() if new != old}
            yield f"    {step.tried.fit!r} {moved}"


def alone_and_twice() -> Iterator[tuple[str, tuple[nn.Module, dict]]]:
    """Cases in which one key is told of, each once more with two such modules."""
    held, old = {"held": torch.ones(2)}, old_checkpoint()
    cases = {
        "newer parts": (
            lambda: with_norm(NN.weight_norm, linear),
            with_norm(PARAMETRIZED.weight_norm, linear).state_dict(),
        ),
        "parts": (lambda: plain(linear), with_norm(NN.weight_norm, linear).state_dict()),
        "to be parts": (
            lambda: with_norm(NN.weight_norm, linear),
            plain(linear).state_dict(),
        ),
        "to be other parts": (
            lambda: with_norm(NN.spectral_norm, linear),
            plain(linear).state_dict(),
        ),
        "lacking extra state": (lambda: WithState(2, 3), nn.Linear(2, 3).state_dict()),
        "lacking statistics": (
            lambda: nn.BatchNorm1d(2),
            without(nn.BatchNorm1d(2).state_dict(), "running_mean"),
        ),
        "lacking a buffer": (mixed, without(old, "scale")),
        "an array": (lambda: nn.Linear(2, 3, bias=False), {"weight": numpy.ones((3, 2), "f")}),
        "the sizes in reverse": (
            lambda: nn.Linear(2, 3, bias=False),
            nn.Linear(3, 2, bias=False).state_dict(),
        ),
        "a buffer of another size": (lambda: Booked(2), Booked(3).state_dict()),
        "no longer saved": (mixed, {**old, "mask": torch.ones(6)}),
        "a plain tensor": (Holding, {**nn.Linear(2, 3).state_dict(), **held}),
        "only under an option": (Optional, Optional(more=True).state_dict()),
        "packed numbers here": (packed, nn.Sequential(nn.Linear(2, 3)).state_dict()),
        "packed numbers there": (lambda: nn.Sequential(nn.Linear(2, 3)), packed().state_dict()),
        "numbers with a scale": (
            lambda: nn.Linear(2, 3, bias=False),
            {"weight": torch.ones(3, 2).to(torch.int8), "scale": torch.ones(3)},
        ),
        "no bias here": (lambda: nn.Linear(2, 3, bias=False), nn.Linear(2, 3).state_dict()),
    }
    for name, (make, saved) in cases.items():
        yield name, (make(), saved)
        both = {f"{at}.{key}": value for at in range(2) for key, value in saved.items()}
        yield f"{name}, twice", (nn.ModuleList([make(), make()]), both)


def models_and_files_to_tell() -> Iterator[tuple[str, tuple[object, object]]]:
    """What is compared so that each sentence comes, in the singular and in the plural."""
    for name, (make, saved, *_) in [*CASES.items(), *UNLIKE.items()]:
        yield name, (make(), saved())
    for name, (make, state_dict, _) in DOUBTFUL.items():
        yield name, (make(), state_dict)
    yield "refused", (refusing(), REFUSED)
    yield "a number", (linear(), {0: torch.ones(1)})
    yield from optimizers_and_files()
    extra = {"head.weight": torch.ones(9), "head.bias": torch.ones(1), "more": torch.ones(1)}
    for count in range(1, len(extra) + 1):
        some = dict(itertools.islice(extra.items(), count))
        less = without(old_checkpoint(), *list(mixed().state_dict())[:count])
        turned = {key: torch.ones(1) for key in ["weight", "bias"][:count]}
        yield f"{count} more", (mixed(), {**old_checkpoint(), **some})
        yield f"{count} less", (mixed(), less)
        yield f"{count} numbers", (mixed(), {**old_checkpoint(), **dict.fromkeys(some, 3)})
        yield f"{count} turned", (linear(), turned)
    yield from alone_and_twice()
    scheduler, scaler = torch.optim.lr_scheduler.StepLR(SGD, 1), torch.amp.GradScaler("cpu")
    yield "the state of a scheduler", (mixed(), scheduler.state_dict())
    yield "the state of a scaler", (mixed(), scaler.state_dict())
    yield "two in one file", (mixed(), {"net": old_checkpoint(), "best": old_checkpoint()})
    yield "a prefix and others", (mixed(), {**renamed(old_checkpoint(), ("", "net.")), **extra})
    yield "a part of the model", (wrapped(mixed(), "net"), old_checkpoint())
    yield "a table of places", (Sized(2), Sized(3).state_dict())
    yield "a layer at first use", (Grows(), Grows().grow().state_dict())
    yield "other numbers", (at_paths("fc1", "fc2"), at_paths("fc.0", "fc.1").state_dict())
    some = at_paths("fc.0", "fc.1", "norm.1").state_dict()
    yield "other numbers beside the same", (at_paths("fc1", "fc2", "norm1"), some)
    yield "other numbers and names", (at_paths("b.1", "b.2"), at_paths("a.0", "a.1").state_dict())
    longer, shorter = at_paths("a.0.x", "a.1.x", "a.2.x"), at_paths("b.0.x", "b.1.x")
    yield "fewer numbers here", (shorter, longer.state_dict())
    yield "more numbers here", (longer, shorter.state_dict())
    turned = nn.ModuleDict({"a": nn.Linear(2, 3, bias=False), "square": nn.Linear(2, 2)})
    other = {**turned.state_dict(), "a.weight": torch.ones(2, 3)}
    yield "the sizes in reverse beside a square", (turned, other)
    other = {"b.weight": torch.ones(2, 3), **without(turned.state_dict(), "a.weight")}
    yield "the sizes in reverse under another name", (turned, other)
    yield "sizes of one between others", (nn.Conv2d(2, 3, (1, 5)), nn.Conv1d(2, 3, 5).state_dict())
    yield "a pruned model", (with_norm(pruned, linear), plain(linear).state_dict())
    orthogonal = with_norm(PARAMETRIZED.orthogonal, linear)
    yield "a parametrized file", (plain(linear), orthogonal.state_dict())
    yield "a parametrized model", (orthogonal, plain(linear).state_dict())
    yield from of_several()


def optimizers_and_files() -> Iterator[tuple[str, tuple[object, object]]]:
    for name, make in itertools.product(MADE, repeat=2):
        state = stepped(MADE[name](sizes(*TWO))).state_dict()
        yield f"{name} into {make}", (MADE[make](sizes(*TWO)), state)
    for shapes in (TWO[:1], ((2, 3), (4,)), (*TWO, (1,))):
        yield f"Adam for {shapes}", (MADE["Adam"](sizes(*shapes)), state)
    adam = MADE["Adam"](sizes(*TWO))
    yield "a model for an optimizer", (adam, old_checkpoint())
    yield "a whole file for an optimizer", (adam, {"epoch": 1, "optimizer": state})


def test_comparisons_are_told_word_for_word_as_they_were_read():
    lines = []
    for name, case in models_and_files_to_tell():
        lines += [name, *told_of(compare_checkpoint(*case))]
    values = (
        "m.safetensors",
        "m.npz",
        "m.pt",
        pathlib.Path(__file__).parent,
        pathlib.Path("m.pt"),
        "m.bin.index.json",
        "m.gguf",
        stream(),
        b"",
        SGD,
    )
    values += (mixed().state_dict, mixed().named_parameters(), (3, old_checkpoint()), 3, None)
    lines += [told_to(value) for value in values]
    assert_told("checkpoints", lines)


def test_of_a_whole_checkpoint_the_words_with_which_torch_refuses_it_are_handed_on():
    state = {"model": old_checkpoint(), "optimizer": SGD.state_dict()}
    found = compare_checkpoint(SGD, state)
    assert not found.loads and [step.kind for step in found.advice] == ["nested"]
    with pytest.raises(KeyError) as refused:
        SGD.load_state_dict(state)
    assert len(found.errors) == 1 and str(refused.value) in found.errors[0]


@pytest.mark.parametrize("case", CASES)
def test_each_advice_applied_loads_strictly_and_brings_every_tensor(case):
    make, saved, kinds = CASES[case]
    module, state_dict = make(), saved()
    before = fingerprint(module)
    found = compare_checkpoint(module, state_dict)
    assert fingerprint(module) == before
    assert [step.kind for step in found.advice] == kinds
    assert [step.enough for step in found.advice] == [False] * (len(kinds) - 1) + [True]
    assert load(module, state_dict, strict=True)[1]
    if len(kinds) > 1:  # no step before the last is enough
        early = "\n".join(step.code for step in found.advice[:-1])
        assert load(module, applied(module, state_dict, early), strict=True)[1]
    module = make()
    kept = {key: value.clone() for key, value in module.state_dict().items()}
    ready = applied(module, state_dict, found.code)
    assert load(module, ready, strict=True)[1] == ""
    there, source = module.state_dict(), mixed(1).state_dict()
    inner = [
        key for key in source if all(not key.startswith(lost) for lost in ("scale", "norm.num"))
    ]
    for key in inner:
        (mine,) = [one for one in there if one == key or one.endswith(f".{key}")]
        assert torch.equal(there[mine], source[key]), key
    if kinds == ["persistent"]:
        lost = (set(kept) - set(state_dict)).pop()
        assert torch.equal(there[lost], kept[lost])


@pytest.mark.parametrize(
    ("module", "state_dict"),
    [
        (nn.Linear(2, 2), {"a.kernel": torch.ones(2, 2), "b.bias": torch.ones(3)}),
        (
            nn.Linear(2, 2),
            nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).state_dict(),
        ),  # which of the two?
        (
            nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)),
            nn.ModuleDict({"q": nn.Linear(2, 2), "k": nn.Linear(2, 2)}).state_dict(),
        ),
        (nn.Linear(2, 3), {"weight": torch.ones(4, 2), "bias": torch.ones(3)}),
        (nn.Sequential(nn.BatchNorm1d(2)), OrderedDict()),
        (nn.Linear(2, 3), {}),
    ],
)
def test_where_there_is_more_than_one_way_or_none_nothing_is_advised(module, state_dict):
    found = compare_checkpoint(module, state_dict)
    assert not found.loads and found.advice == []


def test_advice_that_helps_and_does_not_suffice_says_so():
    model = mixed()
    model.head = nn.Linear(8, 9)
    state_dict = renamed(old_checkpoint(), ("", "module."))
    step, rest = compare_checkpoint(model, state_dict).advice
    assert (step.kind, step.enough) == ("prefix", False)
    assert (rest.kind, rest.enough, rest.is_remark) == ("untrained", False, True)
    answer = model.load_state_dict(applied(model, state_dict, step.code), strict=False)
    assert answer.missing_keys == ["head.weight", "head.bias"] and answer.unexpected_keys == []


def test_a_buffer_of_a_module_whose_name_only_looks_like_a_parametrization_is_kept():
    module = nn.Sequential(nn.Linear(1, 1))
    module.add_module("old_parametrizations", nn.Module())
    module.old_parametrizations.register_buffer("scale", torch.ones(1))
    found = compare_checkpoint(module, without(module.state_dict(), "old_parametrizations.scale"))
    assert [step.kind for step in found.advice] == ["persistent"]


def uncommented(code: str) -> str:
    return "\n".join(line.removeprefix("# ") for line in code.splitlines())


def body_and_head(classes: int, channels: int = 3, words: int = 5) -> nn.Module:
    return nn.ModuleDict(
        {
            "first": nn.Conv2d(channels, 4, 3),
            "norm": nn.BatchNorm2d(4),
            "table": nn.Embedding(words, 4),
            "head": nn.Linear(4, classes),
        }
    )


@pytest.mark.parametrize(
    ("saved", "changed"),
    [
        ((10,), {"head.weight", "head.bias"}),
        ((2, 1), {"first.weight"}),
        ((2, 3, 6), {"table.weight"}),
    ],
    ids=["other classes", "other channels", "more words"],
)
def test_a_few_sizes_that_differ_are_kept_or_built_anew_as_the_reader_says(saved, changed):
    module, state_dict = filled(body_and_head(2)), body_and_head(*saved).state_dict()
    own = copy.deepcopy(module.state_dict())
    (step,) = compare_checkpoint(module, state_dict).advice
    assert (step.kind, step.enough, step.is_remark) == ("resized", False, True)
    assert step.tried.fit.loads and step.words.startswith(repr(sorted(changed)[-1]))
    assert "while most fits" in step.words
    assert "Build the model as the one that was saved" in step.words
    module.load_state_dict(applied(module, state_dict, uncommented(step.code)))
    for key, value in module.state_dict().items():
        assert torch.equal(value, own[key] if key in changed else state_dict[key]), key
    body_and_head(*saved).load_state_dict(state_dict)  # the first of the two cures


def test_a_tied_table_of_another_size_counts_once_and_another_model_gets_no_such_advice():
    def tied(words: int, width: int = 2) -> nn.Module:
        model = nn.ModuleDict({"embed": nn.Embedding(words, width), "out": nn.Linear(width, words)})
        model.more = nn.Linear(width, 4)
        model.out.weight, model.out.bias = model.embed.weight, None
        return model

    (step,) = compare_checkpoint(tied(3), tied(4).state_dict()).advice
    assert step.kind == "resized" and step.tried.fit.loads
    assert "(4, 2) in the file and (3, 2) here, and 1 more differ" in step.words
    assert compare_checkpoint(tied(3, 5), tied(3, 2).state_dict()).advice == []  # two of three


def test_a_model_of_another_width_is_to_be_built_anew():
    def wide(width: int) -> nn.Module:
        return nn.Sequential(nn.Embedding(5, width), nn.LayerNorm(width), nn.Linear(width, 5))

    (step,) = compare_checkpoint(wide(4), wide(8).state_dict()).advice
    assert (step.kind, step.enough, step.is_remark) == ("resized", False, True)
    assert step.words.startswith(
        "Most sizes differ, as of '0.weight': (5, 8) in the file and (5, 4)"
    )
    assert step.tried is None and "Build the model with the sizes of the file" in step.code


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("side", ["file", "model"])
def test_parameters_that_are_held_in_shards_are_named_as_such(side, size):
    def split(model: nn.Module) -> nn.Module:
        for one in model.parameters():
            one.data = torch.ones(size)
        return model

    def whole() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))

    module, saved = (whole(), split(whole())) if side == "file" else (split(whole()), whole())
    (step,) = compare_checkpoint(module, saved.state_dict()).advice
    assert (step.kind, step.enough, step.is_remark) == ("shards", False, True)
    what = "of one number" if size else "without numbers"
    assert step.words.startswith(f"In the {side} '0.weight' and 3 more are {what}")
    assert ("zero_to_fp32" in step.code) == (side == "file")
    (step,) = compare_checkpoint(body_and_head(2), body_and_head(1).state_dict()).advice
    assert step.kind == "resized"  # one class is no shard


def slopes(count: int) -> nn.Module:
    layers = [nn.Sequential(nn.Conv2d(4, 4, 1), nn.PReLU(count)) for _ in range(3)]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("made", "sizes"),
    [(slopes, (1, 4)), (slopes, (4, 1)), (body_and_head, (0, 2)), (body_and_head, (2, 0))],
    ids=["slopes, one", "slopes, each", "classes, none", "classes, two"],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_a_slope_for_all_channels_and_a_bias_of_no_class_are_no_shards(made, sizes):
    module, saved = (made(size) for size in sizes)
    (step,) = compare_checkpoint(module, saved.state_dict()).advice
    assert step.kind == "resized" and step.tried.fit.loads


def test_a_norm_that_is_kept_or_lacking_goes_with_its_statistics_and_another_layer_is_no_size():
    def made(width: int, norm: bool = True) -> nn.Module:
        model = nn.ModuleDict({str(at): nn.Linear(2, 2) for at in range(4)})
        model["wide"], model["after"] = nn.Linear(2, width), nn.Linear(width, 2)
        if norm:
            model["norm"] = nn.BatchNorm1d(width)
        return model

    for width, norm, kind in ((4, True, "resized"), (3, False, "untrained")):
        (step,) = compare_checkpoint(made(3), made(width, norm).state_dict()).advice
        assert step.kind == kind and step.tried.fit.loads and "norm.running_mean" in step.code

    rest = {f"{at}": nn.Linear(2, 2) for at in range(3)}
    linear, convolution = (
        nn.ModuleDict({**rest, "last": one}) for one in (nn.Linear(2, 2), nn.Conv1d(2, 2, 3))
    )
    assert compare_checkpoint(linear, convolution.state_dict()).advice == []


def test_what_the_file_lacks_is_said_to_stay_untrained_and_not_beside_what_is_left():
    class Lora(nn.Module):
        def __init__(self):
            super().__init__()
            self.base_layer = nn.Linear(3, 3)
            self.lora_A = nn.ModuleDict({"default": nn.Linear(3, 1, bias=False)})
            self.lora_B = nn.ModuleDict({"default": nn.Linear(1, 3, bias=False)})

    module, source = nn.Sequential(Lora(), Lora()), nn.Sequential(Lora(), Lora()).state_dict()
    own = copy.deepcopy(module.state_dict())
    file = {key.replace(".default", ""): one for key, one in source.items() if "lora" in key}
    renamed_, step = compare_checkpoint(module, file).advice
    assert [renamed_.kind, step.kind] == ["renamed", "untrained"]
    assert step.is_remark and not step.enough and step.tried.fit.loads
    assert step.words.startswith("'0.base_layer.weight' and 3 more are not in the state_dict")
    code = f"{renamed_.code}\n{uncommented(step.code)}"
    module.load_state_dict(applied(module, file, code))
    for key, value in module.state_dict().items():
        assert torch.equal(value, source[key] if "lora" in key else own[key]), key

    other = without(old_checkpoint(), "stem.weight")
    lacking = compare_checkpoint(mixed(), {**other, "new.weight": torch.ones(9)})
    assert [one.kind for one in lacking.advice] == []  # new.weight may be it


class Both(nn.Module):
    def __init__(self, wrap=lambda module: module):
        super().__init__()
        self.encoder, self.decoder = wrap(nn.Linear(2, 3)), wrap(nn.Linear(3, 2))


@pytest.mark.parametrize("wrap", [lambda module: module, nn.DataParallel])
@pytest.mark.parametrize("path", [(), ("a", "b")])
def test_parts_that_were_saved_one_by_one_are_put_together(path, wrap):
    source = Both()
    parts = {name: wrap(part).state_dict() for name, part in source.named_children()}
    saved = {"epoch": 3, **parts, "optimizer": SGD.state_dict()}
    for key in reversed(path):
        saved = {key: saved}
    module = Both()
    found = compare_checkpoint(module, saved)
    kinds = ["parts"] if wrap is not nn.DataParallel else ["parts", "wrapper"]
    assert [step.kind for step in found.advice] == kinds and found.advice[-1].enough
    module.load_state_dict(applied(module, saved, found.code))
    for key, value in source.state_dict().items():
        assert torch.equal(module.state_dict()[key], value)
    (part,) = compare_checkpoint(nn.Linear(2, 3), {**parts}).advice[:1]
    assert part.kind == "nested"  # one of them is the whole model
    assert compare_checkpoint(nn.DataParallel(Both()), saved).advice[-1].enough


def test_parts_have_what_stands_beside_them_and_are_told_where_they_stand_twice():
    class Beside(Both):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.rand(2))

    source, module = Beside(), Beside()
    saved = {name: part.state_dict() for name, part in source.named_children()}
    saved = {"old": saved | {"token": torch.zeros(2)}, "new": saved | {"token": source.token.data}}
    for file, also in ((saved["new"], False), (saved, True)):
        (step,) = compare_checkpoint(module, file).advice
        assert step.kind == "parts" and step.enough
        assert step.words.endswith(" So are those under ['new'].") == also
    module.load_state_dict(applied(module, saved["new"], step.code.replace("['old']", "")))
    assert torch.equal(module.token, source.token)
    number = {**saved["new"], "token": 5}  # no tensor, of which torch would complain
    assert "token" not in compare_checkpoint(module, number).advice[0].code
    wrapped = compare_checkpoint(nn.DataParallel(Beside()), saved["new"])
    assert [step.kind for step in wrapped.advice] == ["parts", "prefix"]
    assert wrapped.advice[-1].enough

    halves = {
        name: {f"{name}.{key}": one for key, one in part.state_dict().items()}
        for name, part in source.named_children()
    }
    first, rest = compare_checkpoint(Both(), halves).advice
    assert first.words.startswith(
        "This is a whole checkpoint: what stands under ['encoder'] is nearest to the model."
    )
    assert rest.words.startswith("'decoder.weight' and 1 more are not in the state_dict")


@pytest.mark.parametrize("shapes", [(2, 2, 2, 2), (2, 3, 4, 2)], ids=["of one size", "of several"])
@pytest.mark.parametrize(
    ("file", "model"), [((0, 2, 4), (0, 3, 6)), ((0, 2, 4), (0, 1, 2)), ((1, 2, 3), (0, 1, 2))]
)
def test_numbers_that_a_layer_in_between_moved_are_told_in_their_order(file, model, shapes):
    def built(numbers) -> nn.Module:
        layers = [nn.Identity() for _ in range(numbers[-1] + 1)]
        for place, number in enumerate(numbers):
            layers[number] = nn.Linear(shapes[place], shapes[place + 1])
        return nn.ModuleDict({"net": nn.Sequential(*layers)})

    saved, module = built(file).state_dict(), built(model)
    found = compare_checkpoint(module, saved)
    assert all(step.is_remark for step in found.advice)
    steps = [step for step in found.advice if step.kind == "shifted"]
    assert steps and all(step.tried.fit.loads for step in steps)
    assert "alike" not in [step.kind for step in found.advice]
    module.load_state_dict(applied(module, saved, uncommented(steps[0].code)))
    for old, new in zip(file, model, strict=True):
        for name in ("weight", "bias"):
            value = module.state_dict()[f"net.{new}.{name}"]
            assert torch.equal(value, saved[f"net.{old}.{name}"])


def test_numbers_inside_of_what_is_not_the_same_part_are_not_moved_and_a_list_is_moved_as_one():
    def numbered(outer, inner) -> nn.Module:
        parts = {
            f"{one}": nn.ModuleDict({f"{two}": nn.Linear(2, 2) for two in inner}) for one in outer
        }
        return nn.ModuleDict({"stages": nn.ModuleDict(parts)})

    saved = numbered((0, 1), (0, 1)).state_dict()
    assert compare_checkpoint(numbered((1, 2), (0, 2)), saved).advice == []
    for outer, inner in (((1, 2), (0, 1)), ((0, 1), (0, 2))):
        step, *_ = compare_checkpoint(numbered(outer, inner), saved).advice
        assert step.kind == "shifted" and step.tried.fit.loads

    given = {f"{at + 1}": torch.full((2,), float(at)) for at in range(3)}
    module = nn.ParameterList([torch.ones(2) for _ in range(3)])
    (step,) = compare_checkpoint(module, given).advice
    module.load_state_dict(applied(module, given, uncommented(step.code)))
    assert [one[0].item() for one in module] == [0, 1, 2]


def at_paths(*paths: str, make=lambda: nn.Linear(4, 4)) -> nn.Module:
    """A model with a layer of one size at each path, and a head."""
    model = nn.Module()
    for path in paths:
        owner = model
        *parts, last = path.split(".")
        for part in parts:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner._modules[part]
        owner.add_module(last, make())
    model.head = nn.Linear(4, 2)
    return filled(model)


OTHER_NUMBERS = {
    "a list and attributes": (("fc.0", "fc.1"), ("fc1", "fc2")),
    "attributes and a list": (("fc1", "fc2"), ("fc.0", "fc.1")),
    "three, and a line between": (("conv.0", "conv.1", "conv.2"), ("conv_1", "conv_2", "conv_3")),
    "at the end of a word": (("block1", "block2", "block3"), ("block0", "block1", "block2")),
    "two layers put in front": (("a.0", "a.2", "a.4"), ("b.2", "b.4", "b.6")),
    "four, of which two names look alike": (
        ("a.0", "a.1", "a.2", "a.3"),
        ("b.2", "b.3", "b.4", "b.5"),
    ),
    "one layer put in front": (("a.0", "a.1", "a.2"), ("b.1", "b.2", "b.3")),
    "inside of a layer": (("enc.0.fc", "enc.1.fc"), ("body.1.fc", "body.2.fc")),
    "behind the same start": (("net.a1.x", "net.a2.x"), ("net.b0.x", "net.b1.x")),
}


@pytest.mark.parametrize("case", OTHER_NUMBERS)
@pytest.mark.parametrize("make", [lambda: nn.Linear(4, 4), lambda: nn.BatchNorm1d(4)])
def test_layers_of_one_size_under_other_numbers_are_told_in_their_order_and_none_is_moved(
    case, make
):
    olds, news = OTHER_NUMBERS[case]
    module, saved = at_paths(*news, make=make), at_paths(*olds, make=make).state_dict()
    found = compare_checkpoint(module, saved)
    assert all(step.is_remark for step in found.advice)
    if case == "behind the same start":  # no name is more like one than like another
        assert found.advice == []
        return
    (step,) = found.advice
    assert step.kind == "shifted" and step.tried.fit.loads
    assert f"'{olds[0]}.weight' would be '{news[0]}.weight' here" in step.words
    assert "only you can say" in step.words and "counting begins at another number" in step.words
    module.load_state_dict(applied(module, saved, uncommented(step.code)))
    for old, new in zip(olds, news, strict=True):
        for name, value in module.get_submodule(new).state_dict().items():
            assert torch.equal(value, saved[f"{old}.{name}"]), (old, new)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["fc.{}", "fc{}", "fc_{}", "a.{}", "net.{}.fc", "b{}.x"]), min_size=2),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2)), min_size=2, max_size=2),
    st.integers(1, 4),
    st.sampled_from(["", "module."]),
)
def test_no_code_puts_one_of_several_layers_of_one_size_into_the_place_of_another(
    styles, counts, layers, prefix
):
    olds, news = (
        [style.format(first + step * at) for at in range(layers)]
        for style, (first, step) in zip(styles[:2], counts, strict=True)
    )
    module = at_paths(*news)
    given_ = renamed(at_paths(*olds).state_dict(), ("", prefix))
    ready = applied(module, given_, compare_checkpoint(module, given_).code)
    for place, new in enumerate(news):
        for name in ("weight", "bias"):
            right = given_[f"{prefix}{olds[place]}.{name}"]
            untouched = given_.get(f"{prefix}{new}.{name}")  # it had that name from the start
            found = ready.get(f"{new}.{name}")
            assert found is None or found is right or found is untouched


def test_names_under_the_same_numbers_are_still_changed_where_others_are_not():
    saved = at_paths("norm.1", "norm.2", "fc.0", "fc.1").state_dict()
    module = at_paths("norm1", "norm2", "fc1", "fc2")
    first, second = compare_checkpoint(module, saved).advice
    assert (first.kind, first.is_remark, first.enough) == ("numbers", False, False)
    assert (second.kind, second.is_remark) == ("shifted", True) and second.tried.fit.loads
    ready = applied(module, saved, first.code)
    assert ready["norm2.weight"] is saved["norm.2.weight"] and "fc.1.weight" in ready

    saved = at_paths("a.0.x", "a.2.x", "a.4.x").state_dict()
    module = at_paths("b.0.x", "b.2.x", "b.4.x")
    (step,) = compare_checkpoint(module, saved).advice
    assert step.kind == "renamed" and step.enough
    module.load_state_dict(applied(module, saved, step.code))
    for at in (0, 2, 4):
        assert torch.equal(module.state_dict()[f"b.{at}.x.weight"], saved[f"a.{at}.x.weight"])


def test_a_layer_that_is_alone_in_its_size_keeps_its_name_and_its_neighbours_are_a_remark():
    def net(name: str, *numbers: int) -> nn.Module:
        layers = [nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)]
        placed = {f"{at}": filled(one) for at, one in zip(numbers, layers, strict=True)}
        return nn.ModuleDict({name: nn.ModuleDict(placed)})

    module, saved = net("net", 2, 4, 6), net("layers", 0, 2, 4).state_dict()
    first, second = compare_checkpoint(module, saved).advice
    assert (first.kind, first.is_remark, first.enough) == ("renamed", False, False)
    assert "'layers.4.weight': 'net.6.weight'" in first.code and "layers.2" not in first.code
    assert (second.kind, second.is_remark) == ("shifted", True) and second.tried.fit.loads
    module.load_state_dict(applied(module, saved, f"{first.code}\n{uncommented(second.code)}"))
    for old, new in ((0, 2), (2, 4), (4, 6)):
        assert torch.equal(module.state_dict()[f"net.{new}.bias"], saved[f"layers.{old}.bias"])


def test_where_one_side_has_more_numbered_layers_the_same_numbers_are_a_remark():
    module = at_paths("blocks.0.x", "blocks.1.x")
    saved = at_paths("layer.0.x", "layer.1.x", "layer.2.x").state_dict()
    (step,) = compare_checkpoint(module, saved).advice
    assert (step.kind, step.is_remark, step.enough) == ("alike", True, False)
    assert "'blocks.1.weight'" not in step.code and "layer.2" not in step.code
    assert "only you can say" in step.words
    more = at_paths("layer.0.x", "layer.1.x", "layer.2.x")
    step, *_ = compare_checkpoint(more, module.state_dict()).advice
    assert (step.kind, step.is_remark, step.enough) == ("alike", True, False)
    assert "not as many" in step.words and "only you can say" in step.words

    saved = at_paths("layer.1.x", "layer.2.x", "layer.3.x").state_dict()
    assert compare_checkpoint(module, saved).advice == []  # which of them is the first?


def test_what_is_moved_with_the_part_around_it_is_not_moved_again_inside():
    saved = at_paths("s.0.0", "s.0.1", "s.1.0", "s.1.2").state_dict()
    module = at_paths("s.1.0", "s.1.1", "s.2.0", "s.2.2")
    step, *_ = compare_checkpoint(module, saved).advice
    module.load_state_dict(applied(module, saved, uncommented(step.code)))
    for old, new in (("0.0", "1.0"), ("0.1", "1.1"), ("1.0", "2.0"), ("1.2", "2.2")):
        assert torch.equal(module.state_dict()[f"s.{new}.bias"], saved[f"s.{old}.bias"])


@pytest.mark.parametrize("prefix", ["net.", "module."])
def test_a_prefix_before_another_number_makes_no_other_name(prefix):
    layers = [nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)]
    given = renamed(nn.Sequential(*layers).state_dict(), ("", prefix))
    module = nn.Sequential(nn.ReLU(), *layers)
    after = applied(module, given, compare_checkpoint(module, given).code)
    for key in ("1.weight", "2.weight"):
        assert key not in after or after[key] is given[f"{prefix}{key}"]
    assert "3.weight" not in after  # which one it would be is a guess


def test_a_buffer_under_another_number_was_saved():
    def masks(first: int) -> nn.Module:
        model = nn.ModuleDict({f"{first + at}": nn.Module() for at in range(2)})
        for one in model.values():
            one.register_buffer("mask", torch.ones(2))
        return model

    (step,) = compare_checkpoint(masks(1), masks(0).state_dict()).advice
    assert (step.kind, step.is_remark) == ("shifted", True)

    norm, line = nn.BatchNorm1d(3), nn.Linear(3, 3)
    given = nn.DataParallel(nn.Sequential(line, norm)).state_dict()
    steps = compare_checkpoint(nn.Sequential(norm, line), given).advice
    assert [step.kind for step in steps] == ["wrapper"]  # and none that says: not in the file


def test_entries_that_give_way_to_those_with_the_prefix_are_named():
    one, whole = nn.Linear(2, 2).state_dict(), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    saved = renamed(one, ("", "0.")) | renamed(whole.state_dict(), ("", "module."))
    (step,) = compare_checkpoint(whole, saved).advice
    assert step.words == (
        "What the model has stands under 'module.'. '0.weight' and 1 more are there without it as "
        "well, and left out: what stands under 'module.' is taken."
    )
    for file in (saved, dict(reversed(saved.items()))):
        taken = applied(whole, file, step.code)
        assert taken.keys() == whole.state_dict().keys()
        assert all(taken[key] is saved[f"module.{key}"] for key in taken)


def test_a_model_with_a_copy_beside_it_is_not_overwritten_by_that():
    model, copied = mixed(1), mixed(2)
    both = {**model.state_dict(), **renamed(copied.state_dict(), ("", "ema."))}
    module, found = mixed(), compare_checkpoint(mixed(), both)
    assert [step.kind for step in found.advice] == ["no place"]
    module.load_state_dict(applied(module, both, found.code))
    assert torch.equal(module.stem.weight, model.stem.weight)


def test_two_copies_of_the_model_under_two_names_are_told_and_layers_are_no_copies():
    student, teacher = mixed(1), mixed(2)
    both = nn.ModuleDict({"student": student, "teacher": teacher}).state_dict()
    (step,) = compare_checkpoint(mixed(), both).advice
    assert (step.kind, step.enough, step.is_remark) == ("prefix", False, True)
    assert "under 'student.', and under 'teacher.' as well" in step.words
    assert "Which one is meant, if any, only you can say" in step.words
    for name, source in (("student", student), ("teacher", teacher)):
        module = mixed()
        code = uncommented(step.code).replace("student", name)
        module.load_state_dict(applied(module, both, code))
        assert torch.equal(module.stem.weight, source.stem.weight)
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).state_dict()
    assert compare_checkpoint(nn.Linear(2, 2), layers).advice == []


@pytest.mark.parametrize("kinds", [(nn.RMSNorm, nn.LayerNorm), (nn.LayerNorm, nn.RMSNorm)])
def test_a_layer_with_a_parameter_more_on_either_side_may_be_of_another_kind(kinds):
    saved, model = (
        nn.ModuleDict({"line": nn.Linear(4, 4), name: kind(4)})
        for name, kind in zip(("old", "new"), kinds, strict=True)
    )
    (step,) = compare_checkpoint(model, saved.state_dict()).advice
    assert (step.kind, step.is_remark) == ("alike", True) and "; but beside '" in step.words


@pytest.mark.parametrize("sizes", [(3, 4), (4, 4)], ids=["two shapes", "one shape"])
def test_the_weights_of_a_cell_are_told_under_the_names_of_a_layer(sizes):
    cell, layer = nn.LSTMCell(*sizes), nn.LSTM(*sizes)
    (step,) = compare_checkpoint(layer, cell.state_dict()).advice
    assert (step.kind, step.is_remark) == ("alike", True) and step.tried.fit.loads
    layer.load_state_dict(applied(layer, cell.state_dict(), uncommented(step.code)))
    for name, value in cell.state_dict().items():
        assert torch.equal(layer.state_dict()[f"{name}_l0"], value)


@pytest.mark.parametrize("also", [False, True])
def test_whether_a_square_matrix_is_turned_with_others_of_its_class_the_reader_says(also):
    def made() -> nn.Module:
        model = nn.ModuleDict({"wide": nn.Linear(2, 6), "square": nn.Linear(4, 4)})
        model["embed"], model["other"] = nn.Embedding(2, 2), nn.Bilinear(2, 2, 2)
        return model

    source, module = made().state_dict(), made()
    turned = {"wide.weight", "square.weight"} if also else {"wide.weight"}
    file = {key: value.t() if key in turned else value for key, value in source.items()}
    (step,) = compare_checkpoint(module, file).advice
    assert (step.kind, step.enough, step.is_remark) == ("transposed", False, True)
    assert "'square.weight' is square, and of a class of which others are turned" in step.words
    assert step.tried.fit.loads
    lines = [one for one in uncommented(step.code).splitlines() if also or "square" not in one]
    module.load_state_dict(applied(module, file, "\n".join(lines)))
    for key, value in module.state_dict().items():
        assert torch.equal(value, source[key]), key


def test_the_last_projection_of_an_attention_counts_among_the_square_ones_of_its_kind():
    source, module = (nn.TransformerEncoderLayer(8, 2, 16) for _ in range(2))
    own = source.state_dict()
    file = {key: one.t() if one.ndim == 2 else one for key, one in own.items()}
    (step,) = compare_checkpoint(module, file).advice
    assert (step.kind, step.is_remark) == ("transposed", True)
    assert "'self_attn.out_proj.weight' is square" in step.words
    module.load_state_dict(applied(module, file, uncommented(step.code)))
    assert all(torch.equal(one, own[key]) for key, one in module.state_dict().items())


def test_a_kernel_whose_shape_does_not_show_its_order_is_left_to_the_reader():
    def made(*size: int) -> nn.Module:
        return nn.ModuleDict({"q": nn.Linear(8, 8), "n": nn.LayerNorm(8), "o": nn.Linear(*size)})

    def as_keras(model: nn.Module) -> dict:
        names = {"q.weight": "q.kernel", "o.weight": "o.kernel", "n.weight": "n.gamma"}
        named = {names.get(key, key): one for key, one in model.state_dict().items()}
        return {key: one.t() if "kernel" in key else one for key, one in named.items()}

    source, module = made(8, 8), made(8, 8)
    leaves, kernels = compare_checkpoint(module, as_keras(source)).advice
    assert (leaves.kind, leaves.is_remark) == ("leaves", False)
    assert (kernels.kind, kernels.is_remark, kernels.enough) == ("alike", True, False)
    assert "inputs before the outputs, which a shape like this does not show" in kernels.words
    code = f"{leaves.code}\n{uncommented(kernels.code)}"
    module.load_state_dict(applied(module, as_keras(source), code))
    assert torch.equal(module.q.weight, source.q.weight)

    source, module = made(8, 3), made(8, 3)  # one shows it for the others
    steps = compare_checkpoint(module, as_keras(source)).advice
    assert [(step.kind, step.is_remark) for step in steps] == [
        ("leaves", False),
        ("transposed", True),
    ]
    assert "'q.weight' is square" in steps[1].words


@pytest.mark.parametrize("layer", [nn.Embedding, lambda *sizes: nn.Linear(*sizes, bias=False)])
def test_a_table_or_a_layer_without_a_bias_of_reversed_sizes_is_turned_if_the_reader_says_so(layer):
    def made(*sizes: int) -> nn.Module:
        return nn.ModuleDict({"table": layer(*sizes), "a": nn.Linear(4, 2), "b": nn.Linear(4, 4)})

    module, saved = made(6, 4), made(4, 6).state_dict()
    (step,) = compare_checkpoint(module, saved).advice
    assert (step.kind, step.is_remark, step.enough) == ("transposed", True, False)
    assert "of a layer of other sizes" in step.words and "only you can say" in step.words
    assert step.tried.fit.loads
    module.load_state_dict(applied(module, saved, uncommented(step.code)))
    assert torch.equal(module["table"].weight, saved["table.weight"].t())


def test_a_layer_without_a_bias_is_turned_with_all_others_of_its_class_of_which_a_bias_says_so():
    def made(fits: bool) -> nn.Module:
        layers = {"qkv": nn.Linear(4, 6, bias=False), "out": nn.Linear(6, 5)}
        if fits:
            layers["head"] = nn.Linear(5, 3, bias=False)
        return nn.ModuleDict(layers)

    for fits in (False, True):
        source, module = made(fits).state_dict(), made(fits)
        turned = {"qkv.weight", "out.weight"}
        file = {key: value.t() if key in turned else value for key, value in source.items()}
        steps = compare_checkpoint(module, file).advice
        assert [(step.kind, step.is_remark) for step in steps] == [
            ("transposed", False),
            *([("transposed", True)] if fits else []),
        ]
        assert ("qkv.weight" in steps[0].code) != fits and "out.weight" in steps[0].code
        code = "\n".join(uncommented(step.code) for step in steps)
        module.load_state_dict(applied(module, file, code))
        for key, value in module.state_dict().items():
            assert torch.equal(value, source[key]), key


@pytest.mark.parametrize("make", [NN.weight_norm, PARAMETRIZED.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_the_sizes_of_a_norm_along_another_side_are_not_turned(make):
    def made(dim: int) -> nn.Module:
        layers = [make(nn.Linear(4, 4), dim=dim), nn.Linear(4, 3), nn.Linear(3, 2)]
        return nn.Sequential(*layers)

    module, saved = made(0), made(1).state_dict()
    (step,) = compare_checkpoint(module, saved).advice
    assert (step.kind, step.is_remark, step.enough) == ("resized", True, False)
    assert "Build the model as the one that was saved" in step.words


@pytest.mark.parametrize("bias", [True, False])
def test_under_another_name_what_fits_only_turned_may_be_another_layer(bias):
    def made(name: str, *sizes: int) -> nn.Module:
        layers = {name: nn.Linear(*sizes, bias=False), "mid": nn.Linear(3, 3)}
        if bias:
            layers[name].bias = nn.Parameter(torch.rand(8))
        return nn.ModuleDict(layers)

    module, saved = made("dec", 3, 8), made("enc", 8, 3).state_dict()
    (step,) = compare_checkpoint(module, saved).advice
    assert (step.kind, step.is_remark, step.enough) == ("alike", True, False)
    assert step.words.startswith("'enc.weight' has the ending of 'dec.weight', which is missing")
    assert "its sizes in reverse" in step.words and "shape" not in step.words
    assert step.tried.fit.loads
    module.load_state_dict(applied(module, saved, uncommented(step.code)))
    assert torch.equal(module["dec"].weight, saved["enc.weight"].t())


@pytest.mark.parametrize(
    ("model", "file"),
    [
        (nn.Conv1d(1, 6, 3), nn.Conv1d(3, 6, 1)),
        (nn.Conv1d(1, 6, 3, bias=False), nn.Conv1d(3, 6, 1, bias=False)),
        (nn.Conv2d(6, 1, 3, bias=False), nn.Conv2d(6, 6, 3, groups=6, bias=False)),
        (nn.Conv1d(1, 6, 3), nn.Linear(3, 5)),
        (nn.Conv1d(4, 1, 1), nn.Linear(1, 4)),
        (nn.Linear(4, 1), nn.Conv1d(1, 4, 1)),
        (nn.ConvTranspose1d(3, 2, 1), nn.Linear(2, 3)),
    ],
)
def test_another_layer_of_as_many_numbers_is_not_put_into_its_shape(model, file):
    module = nn.Sequential(model, nn.Linear(2, 3), nn.Linear(3, 2))
    saved = nn.Sequential(file, nn.Linear(2, 3), nn.Linear(3, 2)).state_dict()
    found = compare_checkpoint(module, saved)
    assert found.mismatched and "reshaped" not in [step.kind for step in found.advice]
    assert all(step.is_remark for step in found.advice)


@pytest.mark.parametrize(
    ("model", "file"),
    [
        (nn.Conv2d(2, 3, (1, 5)), nn.Conv1d(2, 3, 5)),
        (nn.ConvTranspose1d(3, 2, 1, bias=False), nn.Linear(2, 3, bias=False)),
        (nn.Conv1d(4, 1, 1, bias=False), nn.Linear(1, 4, bias=False)),
    ],
)
def test_sizes_of_one_between_others_are_a_remark(model, file):
    (step,) = compare_checkpoint(model, file.state_dict()).advice
    assert (step.kind, step.is_remark, step.enough) == ("reshaped", True, False)
    assert "or are of another layer, only you can say" in step.words
    model.load_state_dict(applied(model, file.state_dict(), uncommented(step.code)))
    assert torch.equal(model.weight.flatten(), file.weight.flatten())


@pytest.mark.parametrize(
    ("own", "given"),
    [((1, 5, 4), (5, 4)), ((5, 4), (1, 5, 4)), ((4, 1, 1), (4,)), ((4,), (1, 4, 1, 1)), ((1,), ())],
)
def test_sizes_of_one_before_and_behind_all_others_come_and_go(own, given):
    module, saved = nn.ParameterDict({"x": torch.ones(own)}), {"x": torch.rand(given)}
    (step,) = compare_checkpoint(module, saved).advice
    assert (step.kind, step.is_remark, step.enough) == ("reshaped", False, True)
    module.load_state_dict(applied(module, saved, step.code))
    assert torch.equal(module["x"].flatten(), saved["x"].flatten())


def pretrained(head: str) -> nn.Module:
    """A body with a pooler, or with the head of its training, whose first layer has the shape of
    the pooler."""
    parts = {"body": nn.ModuleDict({"attn": nn.Linear(3, 3), "norm": nn.LayerNorm(3)})}
    if head == "pooler":
        parts["pooler"] = nn.ModuleDict({"dense": nn.Linear(3, 3)})
    else:
        dense, norm = nn.Linear(3, 3), nn.LayerNorm(3)
        parts["cls"] = nn.ModuleDict({"dense": dense, "norm": norm, "out": nn.Linear(3, 7)})
    return nn.ModuleDict(parts)


def test_a_layer_of_another_head_is_not_put_into_a_place_of_its_shape():
    module, state_dict = pretrained("pooler"), pretrained("cls").state_dict()
    found = compare_checkpoint(module, state_dict)
    (step,) = found.advice
    assert (step.kind, step.is_remark, step.enough) == ("alike", True, False)
    assert "beside 'cls.dense.weight' stands more in the file" in step.words
    assert list(applied(module, state_dict, found.code)) == list(state_dict)

    whole = nn.ModuleDict({"body": nn.Linear(3, 3), "lm_head": pretrained("cls")["cls"]})
    other = nn.ModuleDict({"body": nn.Linear(3, 3), "mlm": pretrained("cls")["cls"]})
    found = compare_checkpoint(other, whole.state_dict())  # all of it has another name
    assert [step.kind for step in found.advice] == ["renamed"] and found.advice[0].enough


def attention(*names: str, rows: tuple[int, ...] = (4, 2, 2), bias: bool = True) -> nn.Module:
    """Layers for query, key and value, of so many rows, under three names, or together under
    one."""
    sizes = rows if len(names) == 3 else (sum(rows),)
    layers = {name: nn.Linear(4, size, bias) for name, size in zip(names, sizes, strict=True)}
    blocks = [nn.ModuleDict({**copy.deepcopy(layers), "out": nn.Linear(4, 4)}) for _ in range(2)]
    return filled(nn.Sequential(*blocks))


@pytest.mark.parametrize(
    "apart", [("q", "k", "v"), ("query", "key", "value"), ("to_q", "to_k", "to_v")]
)
@pytest.mark.parametrize("bias", [True, False])
def test_a_query_a_key_and_a_value_are_put_together_and_taken_apart_as_the_reader_says(apart, bias):
    three, whole = attention(*apart, bias=bias), attention("qkv", bias=bias)
    for module, saved in ((whole, three), (three, whole)):
        state_dict, fresh = saved.state_dict(), filled(copy.deepcopy(module))
        found = compare_checkpoint(fresh, state_dict)
        (step,) = found.advice
        assert (step.kind, step.is_remark, step.enough) == ("fused", True, False)
        assert step.tried.fit.loads and "not head by head" in step.words
        fresh.load_state_dict(applied(fresh, state_dict, uncommented(step.code)))
        for at in ("0", "1"):
            for kind in ("weight", "bias") if bias else ("weight",):
                both = [{**model.state_dict()} for model in (fresh, saved)]
                sides = [
                    state[f"{at}.qkv.{kind}"]
                    if f"{at}.qkv.{kind}" in state
                    else torch.cat([state[f"{at}.{name}.{kind}"] for name in apart])
                    for state in both
                ]
                assert torch.equal(*sides)


def test_only_a_query_a_key_and_a_value_of_the_same_layer_are_put_together():
    file = nn.ModuleDict({name: nn.Linear(4, 4) for name in ("q_proj", "k_proj", "v_proj")})
    file["out_proj"] = nn.Linear(4, 4)
    (step,) = compare_checkpoint(nn.MultiheadAttention(4, 2), file.state_dict()).advice
    assert "'in_proj_weight': ['q_proj.weight', 'k_proj.weight', 'v_proj.weight']" in step.code
    module = nn.MultiheadAttention(4, 2)
    module.load_state_dict(applied(module, file.state_dict(), uncommented(step.code)))
    assert torch.equal(module.in_proj_bias[4:8], file["k_proj"].bias)

    other = nn.ModuleDict({name: nn.Linear(4, 4) for name in ("a", "b", "c")})
    away = nn.ModuleDict({"deep": nn.ModuleDict({"x": nn.ModuleDict({"qkv": nn.Linear(4, 12)})})})
    for module, saved in ((nn.Sequential(nn.Linear(4, 12)), other), (away, file)):
        kinds = [step.kind for step in compare_checkpoint(module, saved.state_dict()).advice]
        assert "fused" not in kinds


def test_the_counts_of_a_norm_go_with_its_weights():
    def net(*names: str) -> nn.Module:
        layers = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)
        return nn.ModuleDict(dict(zip(names, layers, strict=True)))

    saved, module = filled(net("0", "1", "2", "3")), net("conv1", "bn1", "conv2", "bn2")
    found = compare_checkpoint(module, saved.state_dict())
    assert [step.kind for step in found.advice] == ["renamed"] and found.advice[0].enough
    module.load_state_dict(applied(module, saved.state_dict(), found.code))
    for one, other in zip(module.state_dict().values(), saved.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_prefix_under_which_less_stands_than_without_it_is_not_taken_off():
    def resnet(blocks: int) -> nn.Module:
        def block() -> nn.Module:
            return nn.ModuleDict({"conv1": nn.Conv2d(4, 4, 3), "bn1": nn.BatchNorm2d(4)})

        layers = nn.ModuleList(block() for _ in range(blocks))
        return nn.ModuleDict({"conv1": nn.Conv2d(1, 4, 7), "bn1": nn.BatchNorm2d(4), "x": layers})

    saved, module = filled(resnet(3)), resnet(2)
    found = compare_checkpoint(module, saved.state_dict())
    assert [step.kind for step in found.advice] == ["no place"]
    module.load_state_dict(applied(module, saved.state_dict(), found.code))
    for key, value in module.state_dict().items():
        assert torch.equal(value, saved.state_dict()[key]), key


@pytest.mark.parametrize(
    ("own", "given", "kinds"),
    [
        ((1, 5, 4), (1, 9, 4), ["places"]),
        ((1, 5, 4), (1, 5, 8), []),  # of a model of another width
        ((9, 2), (25, 2), ["places"]),
        ((9, 2), (9, 4), []),
        ((1, 5), (1, 9), ["places"]),
    ],
)
def test_a_table_of_places_differs_in_its_length(own, given, kinds):
    model = nn.ParameterDict({"pos_embed": torch.ones(own), "more": torch.ones(1)})
    found = compare_checkpoint(model, {**model.state_dict(), "pos_embed": torch.ones(given)})
    assert [step.kind for step in found.advice] == kinds


def test_sizes_that_differ_where_names_do_too_are_not_said_to_be_a_head():
    def net(*numbers: int) -> nn.Module:  # as a VGG, with and without norms in between
        layers = [nn.Linear(2, 3), nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 5)]
        placed = dict(zip(numbers, layers, strict=True))
        return nn.Sequential(*[placed.get(at, nn.ReLU()) for at in range(numbers[-1] + 1)])

    found = compare_checkpoint(
        nn.Sequential(*net(0, 4, 8, 11), nn.PReLU()), net(0, 3, 6, 8).state_dict()
    )
    assert found.mismatched and "resized" not in [step.kind for step in found.advice]


def test_a_layer_whose_bias_does_not_fit_either_is_another_layer_and_not_turned():
    there, here = nn.ModuleList([nn.Linear(2, 3)]), nn.ModuleList([nn.Linear(3, 2)])
    there.append(nn.Linear(2, 2)), here.append(nn.Linear(2, 2))
    assert compare_checkpoint(here, there.state_dict()).advice == []


def test_two_state_dicts_in_one_checkpoint_are_both_named():
    step = compare_checkpoint(mixed(), {"model": old_checkpoint(), "ema": old_checkpoint()}).advice[
        0
    ]
    assert step.code == "state_dict = state_dict['model']" and "['ema']" in step.words


def test_shapes_are_tuples_and_a_tensor_of_one_element_may_fill_a_scalar():
    model = nn.Module()
    model.register_buffer("count", torch.tensor(0))
    model.line = nn.Linear(2, 3)
    state_dict = {
        "count": torch.zeros(1),
        "line.weight": torch.zeros(4, 2),
        "line.bias": torch.zeros(3),
    }
    found = compare_checkpoint(model, state_dict)
    assert (
        found.mismatched == [Mismatch("line.weight", (3, 2), (4, 2))]
        and type(found.mismatched[0].found) is tuple
    )
    assert found.matched == ["count", "line.bias"] and found.dtypes == [
        ("count", torch.int64, torch.float32)
    ]
    assert_as_torch(model, state_dict, found)


def test_dtype_and_device_differences_are_told_and_do_not_hinder():
    model = nn.Linear(2, 3)
    model.bias = nn.Parameter(torch.zeros(3, device="meta"))
    state_dict = {"weight": torch.zeros(3, 2, dtype=torch.float16), "bias": torch.zeros(3)}
    found = compare_checkpoint(model, state_dict)
    assert found.dtypes == [("weight", torch.float32, torch.float16)]
    assert found.devices == [("bias", torch.device("meta"), torch.device("cpu"))] and found.loads
    assert_as_torch(model, state_dict, found)


def test_entries_that_are_no_tensors_are_listed_and_one_in_the_place_of_a_tensor_is_an_error():
    found = compare_checkpoint(
        nn.Linear(2, 3), {"weight": [[1.0]], "bias": torch.zeros(3), "epoch": 3}
    )
    assert found.non_tensors == [("weight", "list"), ("epoch", "int")] and found.matched == ["bias"]
    assert len(found.errors) == 1 and "expected torch.Tensor" in found.errors[0]


class Counted(nn.Module):
    def get_extra_state(self):
        return {"count": 3}

    def set_extra_state(self, state):
        raise SystemExit("a method of the learner's ran")


class HalfCounted(nn.Module):
    def get_extra_state(self):
        return 3


def test_extra_state_is_expected_by_a_class_that_sets_it_and_by_no_other():
    found = compare_checkpoint(nn.Sequential(Counted()), {"0._extra_state": {"count": 3}})
    assert found.loads is None and found.matched == ["0._extra_state"] and found.non_tensors == []
    assert found.doubts == ["set_extra_state() has '0._extra_state' to judge"]
    assert compare_checkpoint(Counted(), {}).missing == ["_extra_state"]
    assert compare_checkpoint(Counted(), {}).loads is False
    model = HalfCounted()
    assert_as_torch(model, model.state_dict(), compare_checkpoint(model, model.state_dict()))


def test_an_old_file_of_a_batchnorm_lacks_a_count_in_silence():
    model = nn.BatchNorm1d(3)
    state_dict = {
        key: value for key, value in model.state_dict().items() if key != "num_batches_tracked"
    }
    found = compare_checkpoint(model, state_dict)
    assert found.loads and found.silent == ["num_batches_tracked"] and len(found.matched) == 4
    assert_as_torch(model, state_dict, found)


def test_a_submodule_slot_with_none_takes_entries_in_silence():
    model = nn.Module()
    model.register_module("downsample", None)
    found = compare_checkpoint(model, {"downsample.weight": torch.ones(2)})
    assert found.loads and found.silent == ["downsample.weight"] and found.matched == []
    assert_as_torch(model, {"downsample.weight": torch.ones(2)}, found)


def test_old_names_that_torch_converts_are_no_fault():
    model = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = nn.utils.weight_norm(nn.Linear(2, 3)).state_dict()
    found = compare_checkpoint(model, old)
    assert found.loads and {"weight_g", "weight_v"} < set(found.silent)
    assert_as_torch(model, old, found)


def test_a_lazy_module_takes_any_shape_and_stays_lazy():
    model = nn.LazyLinear(3)
    found = compare_checkpoint(model, nn.Linear(2, 3).state_dict())
    assert (
        found.loads and found.expected["weight"].shape is None and model.has_uninitialized_params()
    )
    assert compare_checkpoint(model, model.state_dict()).loads
    (error,) = compare_checkpoint(nn.Linear(2, 3), model.state_dict()).errors
    assert error == f"RuntimeError: {load(nn.Linear(2, 3), model.state_dict(), strict=True)[1]}"


class Own(nn.BatchNorm1d):
    def _load_from_state_dict(self, *args):
        raise SystemExit("a method of the learner's ran")


def test_methods_and_hooks_with_rules_of_their_own_do_not_run_and_are_named():
    def hook(*args):
        raise SystemExit("a hook of the learner's ran")

    model = nn.Sequential(Own(2), nn.Linear(2, 3))
    model[1].register_load_state_dict_pre_hook(hook)
    model[1].register_load_state_dict_post_hook(hook)
    found = compare_checkpoint(model, model.state_dict())
    assert found.own_rules == [
        ("Own", "_load_from_state_dict"),
        ("Linear", "_load_state_dict_pre_hooks"),
        ("Linear", "_load_state_dict_post_hooks"),
    ]
    assert found.loads is None and found.verdict.startswith(
        "cannot be foretold, because Own at '0' "
    )
    inner = nn.Sequential(model)
    assert compare_checkpoint(inner, inner.state_dict()).doubts == [
        "Own at '0.0' has _load_from_state_dict() of its own",
        "Linear at '0.1' has a hook before the load of its own",
        "Linear at '0.1' has a hook after the load of its own",
    ]


def test_a_hostile_module_and_hostile_entries_run_nothing():
    module = hostile_module()
    found = compare_checkpoint(module, {"scale": torch.ones(2), "child.weight": module})
    assert found.matched == ["scale"] and found.missing == ["child.bias"]


def test_scripted_and_meta_models_and_foreign_mappings_are_read():
    model = mixed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    assert compare_checkpoint(
        scripted, nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
    ).loads
    assert compare_checkpoint(copy.deepcopy(model).to("meta"), model.state_dict()).loads

    class Lazily(Mapping):
        def __getitem__(self, key):
            return model.state_dict()[key]

        def __iter__(self):
            return iter(model.state_dict())

        def __len__(self):
            return len(model.state_dict())

    assert compare_checkpoint(model, Lazily()).loads


def test_a_key_of_a_class_of_text_is_told_as_the_text():
    class Key(str):
        __slots__ = ()

    file = {Key(key): value for key, value in old_checkpoint().items()}
    found = compare_checkpoint(mixed(), {**file, Key("more"): 3})
    assert found.matched == list(mixed().state_dict()) and found.unexpected == ["more"]
    assert {type(key) for key in [*found.matched, *found.unexpected]} == {str}


def test_a_key_that_is_no_text_is_told_as_torch_fails_on_it():
    found = compare_checkpoint(nn.Linear(2, 3), {0: torch.ones(1)})
    assert (
        found.errors == ["AttributeError: 'int' object has no attribute 'startswith'"]
        and not found.loads
    )
    assert load(nn.Linear(2, 3), {0: torch.ones(1)}, strict=False)[1] in found.errors[0]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (nn.Linear(1, 1), "got Linear: a whole model; pass its state_dict()"),
        (
            "model.pt",
            "got 'model.pt': read the file first: torch.load(path, map_location='cpu', weights",
        ),
        (pathlib.Path("model.pt"), "read the file first: torch.load("),
        (b"PK", "got b'PK': read the file first"),
        ([("weight", 1)], "got list of 1: pass the dict that module.state_dict() returns"),
        (None, "got None: pass the dict"),
        (torch.ones(2), "got Tensor: pass the dict"),
    ],
)
def test_what_is_no_mapping_is_a_type_error_that_says_what_to_do(value, words):
    with pytest.raises(TypeError) as caught:
        compare_checkpoint(nn.Linear(1, 1), value)
    assert str(caught.value).startswith(
        "compare_checkpoint() takes a state_dict after the module, got "
    )
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [nn.Linear, nn.Linear(1, 1).state_dict(), None])
def test_what_is_no_module_is_a_type_error_that_says_what_to_pass(value):
    with pytest.raises(
        TypeError, match=r"^compare_checkpoint\(\) takes an nn.Module instance, got "
    ):
        compare_checkpoint(value, {})


def test_a_module_that_torch_cannot_walk_gets_a_clear_message():
    model = nn.Module()
    model.part = nn.Module()
    model.part.whole = model
    with pytest.raises(
        ValueError, match="^torch cannot load into this Module: the Module at 'part.whole' is a "
    ):
        compare_checkpoint(model, {})
    deep = nn.Module()
    for _ in range(2000):
        deep = wrapped(deep, "a")
    with pytest.raises(
        RecursionError, match="^this module is nested more deeply than torch itself can walk"
    ):
        compare_checkpoint(deep, {})


def still_rows(found: Comparison) -> list[list[str]]:
    return Page(faces_of(CheckpointTable(found))["text/html"]).rows


def halfway() -> Comparison:
    """One key in each state but "refused", and advice."""
    state_dict = renamed(without(old_checkpoint(), "body.0.weight"), ("stem.", "first."))
    state_dict |= {"body.2.weight": torch.zeros(9, 9), "scale": torch.zeros(7, dtype=torch.float16)}
    del state_dict["norm.num_batches_tracked"]
    return compare_checkpoint(mixed(), state_dict)


def test_the_table_has_three_faces_the_same_every_time():
    first, second = (faces_of(CheckpointTable(halfway())) for _ in range(2))
    assert set(first) == {"text/plain", "text/html", WIDGET}
    assert first["text/plain"] == (
        "CheckpointTable: Module: does not load strictly; 1 mismatched, 3 missing, "
        "2 unexpected, 1 passed over, 6 matched."
    )
    assert first.pop(WIDGET) != second.pop(WIDGET)
    assert first == second


def test_the_table_has_a_row_for_each_key_and_both_sides_of_it():
    found = halfway()
    _, *rows = still_rows(found)
    there = {key: facts for key, *facts in rows if key != "key"}
    assert set(there) == {*found.expected, *found.found} and len(there) == 13
    order = [facts[0][0] for facts in there.values()]
    assert order == sorted(order, key=[sign.glyph for sign in STATES.values()].index)
    assert there["body.2.weight"] == ["≠mismatched", "4 × 5, float32", "9 × 9, float32"]
    assert there["stem.bias"] == ["−missing", "3, float32", "–"]
    assert there["first.bias"] == ["+unexpected", "–", "3, float32"]
    assert there["norm.num_batches_tracked"] == ["~passed over", "scalar, int64", "–"]
    assert there["scale"] == ["✓matched", "7, float32", "7, float16"]
    refused = compare_checkpoint(nn.Linear(1, 1), {"weight": 3, "bias": torch.ones(1)})
    assert still_rows(refused)[1] == ["weight", "⚠refused", "1 × 1, float32", "int"]
    notes = CheckpointTable(refused).fit["notes"][0]
    assert notes[0].startswith("torch says: While copying the parameter")


def test_the_static_face_is_a_table_with_the_advice_and_folds_what_matches():
    found = halfway()
    page = assert_safe(faces_of(CheckpointTable(found))["text/html"])
    assert len([tag for tag, _ in page.tags if tag == "tr"]) == 1 + 7 + 1 + 6
    for words in [
        *found.expected,
        *found.found,
        "6 matched",
        "missing",
        "≠",
        found.advice[0].code,
        "–",
    ]:
        assert words in page.words
    done = faces_of(CheckpointTable(compare_checkpoint(mixed(), old_checkpoint())))
    assert "loads strictly; 11 matched" in done["text/plain"] and "details" in done["text/html"]


def test_a_large_table_is_cut_and_counted():
    large = nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(1500)))
    view = CheckpointTable(compare_checkpoint(large, {}))
    assert (len(view.fit["model"]), view.fit["more"]) == (1000, 2000)
    page = Page(faces_of(view)["text/html"])
    assert (
        len([tag for tag, _ in page.tags if tag == "tr"]) == 1 + 60
        and "… and 2,940 more keys" in page.words
    )
    some = {f"x{key}": value for key, value in large.state_dict().items()}
    assert len(faces_of(CheckpointTable(compare_checkpoint(large, some)))["text/html"]) < 60_000


def test_hostile_keys_are_text_in_every_face_and_in_the_advice():
    model = type("<b>Model\n", (nn.Module,), {})()
    state_dict = {
        "model": {f"{name}.weight": torch.ones(place + 1) for place, name in enumerate(NAMES)}
    }
    for place, name in enumerate(NAMES):
        model._parameters[f"{name}.x.weight"] = nn.Parameter(torch.ones(place + 1))
    found = compare_checkpoint(model, state_dict)
    assert [step.kind for step in found.advice] == ["nested", "renamed"]
    assert set(applied(model, state_dict, found.code)) == set(model.state_dict())
    shown = faces_of(CheckpointTable(found))
    page = Page(shown["text/html"])
    assert page.unclosed == [] and {"script", "img", "b"}.isdisjoint(tag for tag, _ in page.tags)
    assert "<script>alert(1)</script>" in page.words
    assert len(shown["text/plain"].splitlines()) == 1 and len(repr(found).splitlines()) == 1
    assert len(shown["text/html"]) < 60_000


def test_neither_comparison_nor_table_keeps_anything_alive_and_only_data_is_sent():
    model, state_dict = mixed(), mixed(1).state_dict()
    view = CheckpointTable(compare_checkpoint(model, state_dict))
    gone = weakref.ref(model), weakref.ref(model.stem.weight), weakref.ref(state_dict["scale"])
    del model, state_dict
    gc.collect()
    assert [one() for one in gone] == [None] * 3
    sent = {name for name in view.get_state() if not name.startswith("_")} - {
        "layout",
        "tooltip",
        "tabbable",
    }
    assert sent == {"fit", "signs"}
    json.dumps(view.fit)


# --- what came of an advice, and the wires ------------------------------------------------------


LISTS = ("matched", "missing", "unexpected", "mismatched", "refused", "silent", "loads", "doubts")


def memory(value: object) -> set[int]:
    """The addresses of all tensors in `value`."""
    if isinstance(value, torch.Tensor):
        return {value.data_ptr()}
    value = value.state_dict() if isinstance(value, nn.Module) else value
    inner = value.values() if isinstance(value, Mapping) else []
    return set().union(*map(memory, inner))


def lists(found: Comparison) -> list:
    return [getattr(found, name) for name in LISTS]


@pytest.mark.parametrize("case", CASES)
def test_what_came_of_each_advice_is_what_comes_of_it(case):
    """After each step for real: the same answer, and every tensor under the key that is told."""
    make, saved, _ = CASES[case]
    module, state_dict = make(), saved()
    steps = compare_checkpoint(module, state_dict).advice
    assert steps
    for step in steps:
        after = applied(module, state_dict, step.code)
        assert lists(step.tried.fit) == lists(compare_checkpoint(module, after))
        assert list(step.tried.fit.found) == list(after)
        for key, value in after.items():
            holders = [name for name, one in state_dict.items() if memory(value) & memory(one)]
            assert not holders or step.tried.origins[key] in holders
        state_dict = after
    assert steps[-1].tried.fit.loads


def test_of_a_remark_it_is_told_what_came_of_it_if_the_reader_says_yes():
    module, state_dict = nn.Linear(2, 3), {"weight": torch.ones(3, 2), "offset": torch.ones(3)}
    (step,) = compare_checkpoint(module, state_dict).advice
    assert step.is_remark and not step.enough and step.tried.fit.loads
    assert step.tried.origins == {"weight": "weight", "bias": "offset"}
    code = "\n".join(line.removeprefix("# ") for line in step.code.splitlines())
    assert list(applied(module, state_dict, code)) == list(step.tried.fit.found)
    optimizer = torch.optim.SGD(module.parameters())
    (other,) = compare_checkpoint(module, optimizer.state_dict()).advice
    assert other.is_remark and other.tried is None


def wires(found: Comparison) -> list[dict[str, tuple[str, str]]]:
    """For each stage of the picture {key of the model: (what stands at the other end of its line,
    and which line it is)}."""
    fit = CheckpointTable(found).fit
    told = []
    for stage in fit["stages"]:
        ends = [
            ("could", could) if wire < 0 else ("wire", wire)
            for wire, could in zip(stage["wire"], stage["could"], strict=True)
        ]
        told.append(
            {
                key: (fit["file"][end][0], kind)
                for (key, _), (kind, end) in zip(fit["model"], ends, strict=True)
                if end >= 0
            }
        )
    return told


def test_a_line_joins_what_fits_and_a_broken_one_what_an_advice_joins():
    prefixed = renamed(old_checkpoint(), ("", "module."))
    before, after = wires(compare_checkpoint(mixed(), prefixed))
    assert before == {key: (f"module.{key}", "could") for key in old_checkpoint()}
    assert after == {key: (f"module.{key}", "wire") for key in old_checkpoint()}
    half = renamed(old_checkpoint(), ("stem.bias", "stem.offset"))
    before, after = wires(compare_checkpoint(mixed(), half))
    assert before.pop("stem.bias") == ("stem.offset", "could")
    assert after.pop("stem.bias") == ("stem.offset", "wire")
    assert before == after == {key: (key, "wire") for key in before}
    sizes = old_checkpoint() | {"scale": torch.zeros(9)}
    (only,) = wires(compare_checkpoint(mixed(), sizes))
    assert only["scale"] == ("scale", "wire")


def test_a_whole_checkpoint_comes_apart_into_its_keys():
    first, inside, last = wires(
        compare_checkpoint(
            mixed(), {"model": renamed(old_checkpoint(), ("", "module.")), "step": 3}
        )
    )
    assert set(first.values()) == {("model", "could")} and set(first) == set(old_checkpoint())
    assert inside == {key: (f"module.{key}", "could") for key in first}
    assert last == {key: (f"module.{key}", "wire") for key in first}


def test_what_a_step_gives_the_module_or_turns_has_its_new_shape_in_the_picture():
    turned = old_checkpoint()
    turned["stem.weight"] = turned["stem.weight"].t()
    fit = CheckpointTable(compare_checkpoint(mixed(), turned)).fit
    at = [key for key, _ in fit["file"]].index("stem.weight")
    assert fit["file"][at] == ["stem.weight", "2 × 3, float32"]
    assert fit["stages"][1]["words"][1] == {at: "3 × 2, float32"}
    slot = nn.Linear(2, 3, bias=False)
    found = compare_checkpoint(slot, nn.Linear(2, 3).state_dict())
    assert [step.kind for step in found.advice] == ["empty slot"]
    fit = CheckpointTable(found).fit
    assert [key for key, _ in fit["model"]] == ["weight", "bias"]
    assert [stage["model"][1] >= 0 for stage in fit["stages"]] == [False, True]
    assert list(slot.state_dict()) == ["weight"]  # nothing was given to the real one


def test_the_payload_of_a_large_pair_stays_small():
    # In groups: for each child torch's own load goes through all keys of its parent.
    layers = [nn.Linear(1, 1, device="meta") for _ in range(5_000)]
    large = nn.Sequential(*(nn.Sequential(*layers[at : at + 50]) for at in range(0, 5_000, 50)))
    given = {f"module.{key}": value for key, value in large.state_dict().items()}
    comparison = compare_checkpoint(large, given)
    view = CheckpointTable(comparison)
    assert len(json.dumps(view.fit)) < 150_000 and view.fit["more"] == 18_000
    assert wires(comparison)[1]["0.0.weight"] == ("module.0.0.weight", "wire")


@pytest.mark.parametrize("kind", ["_parameters", "_buffers"])
@pytest.mark.parametrize("held", [None, torch.ones(3), nn.Parameter(torch.ones(3))])
@pytest.mark.parametrize("given", [torch.ones(2), torch.ones(3)])
def test_a_slot_whose_name_has_a_dot_is_told_as_torch_tells_it(kind, held, given):
    module = nn.Module()
    vars(module)[kind]["a.b"] = held
    found = compare_checkpoint(module, {"a.b": given})
    try:
        module.load_state_dict({"a.b": given})
    except RuntimeError:
        assert found.loads is False
    else:
        assert found.loads is True


@pytest.mark.parametrize("value", [nn.Linear(1, 1), {}, None])
def test_a_table_of_no_comparison_is_a_type_error_that_says_what_to_pass(value):
    with pytest.raises(
        TypeError,
        match=r"^CheckpointTable\(\) takes a Comparison, got .*; pass compare_checkpoint\(",
    ):
        CheckpointTable(value)


def test_a_module_whose_init_was_not_run_gets_a_clear_message():
    broken = nn.Sequential(nn.Linear(1, 1), nn.Linear.__new__(nn.Linear))
    with pytest.raises(ValueError) as caught:
        compare_checkpoint(broken, {})
    words = "the Linear at '1' has no _parameters: call super().__init__() in it."
    assert str(caught.value) == f"torch cannot load into this Sequential: {words}"


def test_the_callers_modes_make_no_difference():
    expected = compare_checkpoint(mixed(), old_checkpoint())
    for mode in (torch.inference_mode(), torch.no_grad(), torch.device("meta")):
        with mode:
            assert compare_checkpoint(mixed(), old_checkpoint()).matched == expected.matched
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        assert compare_checkpoint(mixed(), old_checkpoint()) == expected
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def test_a_comparison_warns_of_nothing_where_a_real_load_may():
    model = mixed().to("meta")
    model.norm.to_empty(device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compare_checkpoint(
            model, {"module." + key: value for key, value in old_checkpoint().items()}
        ).advice
        assert compare_checkpoint(
            nn.Linear(1, 1), {"weight": torch.ones(1, 1, dtype=torch.complex64)}
        ).dtypes


def on_meta(make) -> object:
    with torch.device("meta"):
        return make()


@pytest.mark.parametrize(
    ("make", "saved"),
    [
        (mixed, lambda: on_meta(old_checkpoint)),
        (mixed, lambda: {**old_checkpoint(), "scale": torch.ones(7, device="meta")}),
        (mixed, lambda: {f"module.{key}": value for key, value in on_meta(old_checkpoint).items()}),
        (nn.PReLU, lambda: {"weight": torch.ones(1, device="meta")}),
        (lambda: on_meta(mixed), lambda: on_meta(old_checkpoint)),
        (lambda: on_meta(mixed), old_checkpoint),
    ],
)
def test_nothing_is_copied_out_of_a_tensor_on_meta_and_torchs_own_words_say_so(make, saved):
    module, state_dict = make(), saved()
    found = compare_checkpoint(module, state_dict)
    assert_as_torch(make(), state_dict, found)
    assert not any(one.found.type == "meta" != one.expected.type for one in found.devices)
    if found.advice:
        ready = applied(module, state_dict, found.code)
        assert found.advice[-1].enough == (load(module, ready, strict=True)[1] == "") is False


@pytest.mark.parametrize("make", [mixed, lambda: on_meta(mixed)])
@pytest.mark.parametrize(
    "saved",
    [
        old_checkpoint,
        lambda: on_meta(old_checkpoint),
        lambda: without(old_checkpoint(), "scale"),
    ],
)
def test_a_dictionary_that_was_once_assigned_is_told_as_torch_assigns_it_again(make, saved):
    assert "scale" in old_checkpoint()
    state_dict = saved()
    make().load_state_dict(state_dict, strict=False, assign=True)
    assert state_dict._metadata[""]["assign_to_params_buffers"]
    found = compare_checkpoint(make(), state_dict)
    assert_as_torch(make(), state_dict, found)
    assert found.loads == ("scale" in state_dict)
    assert state_dict._metadata[""]["assign_to_params_buffers"]


def test_the_note_of_one_module_says_nothing_of_another():
    file = on_meta(old_checkpoint)
    part = nn.Module()
    part.stem = nn.Linear(2, 3)
    part.load_state_dict(file, strict=False, assign=True)
    assert [key for key, one in file._metadata.items() if one.get("assign_to_params_buffers")] == [
        "",
        "stem",
    ]
    found = compare_checkpoint(mixed(), file)
    assert_as_torch(mixed(), file, found)
    assert found.errors and not any("stem" in error or "scale" in error for error in found.errors)


def test_a_model_on_meta_is_told_that_a_load_copies_nothing_into_it():
    told = CheckpointTable(compare_checkpoint(on_meta(mixed), old_checkpoint())).fit["notes"]
    copies = "The model is on meta: a load copies no number into it."
    assert f"{copies} With assign=True it takes these tensors." in told[0]
    for module, state_dict in (
        (mixed(), old_checkpoint()),
        (on_meta(mixed), on_meta(old_checkpoint)),
    ):
        assert CheckpointTable(compare_checkpoint(module, state_dict)).fit["notes"] == [[]]


@pytest.mark.parametrize("state_dict", [{}, {"a": [old_checkpoint()]}, {"scal": 3}])
def test_a_dict_of_which_nothing_fits_gets_no_advice_about_a_buffer_or_a_number(state_dict):
    found = compare_checkpoint(mixed(), state_dict)
    assert not found.loads and found.advice == []
    assert_as_torch(mixed(), state_dict, found)


@pytest.mark.parametrize("key", [("weight",), None, 2.5, b"weight"])
def test_torchs_complaint_of_a_key_names_its_class(key):
    found = compare_checkpoint(nn.Linear(2, 3), {key: torch.ones(1)})
    assert_as_torch(nn.Linear(2, 3), {key: torch.ones(1)}, found)


class CountsOnly(Counted):
    set_extra_state = nn.Module.set_extra_state


def test_a_class_that_took_torchs_own_set_extra_state_back_expects_no_extra_state():
    state_dict = CountsOnly().state_dict()
    found = compare_checkpoint(CountsOnly(), state_dict)
    assert found.unexpected == ["_extra_state"]
    assert_as_torch(CountsOnly(), state_dict, found)


def test_code_in_the_static_face_is_monospace_by_its_own_style():
    page = Page(faces_of(CheckpointTable(halfway()))["text/html"])
    styles = [attributes["style"] for tag, attributes in page.tags if tag == "pre"]
    assert styles and all("font-family:monospace" in style for style in styles)


# --- no message of torch's decides anything ------------------------------------------------------


def reword(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message of torch's load is other words from here on: those of each key, those that a
    class of torch's adds, the report at the end, and what a copy raises."""
    load_one, load_all, copy_ = (
        nn.Module._load_from_state_dict,
        nn.Module.load_state_dict,
        torch.Tensor.copy_,
    )

    def one(self, state_dict, prefix, notes, strict, missing, unexpected, messages):
        load_one(self, state_dict, prefix, notes, strict, missing, unexpected, messages)
        messages[:] = ["ein anderes Wort"] * len(messages)

    def whole(self, *args, **kwargs):
        try:
            return load_all(self, *args, **kwargs)
        except RuntimeError:
            raise RuntimeError("ein anderer Satz") from None

    def other_words(self, *args, **kwargs):
        try:
            return copy_(self, *args, **kwargs)
        except RuntimeError:
            raise RuntimeError("noch einer") from None

    monkeypatch.setattr(nn.Module, "_load_from_state_dict", one)
    monkeypatch.setattr(nn.Module, "load_state_dict", whole)
    monkeypatch.setattr(torch.Tensor, "copy_", other_words)


def without_words(found: Comparison) -> tuple:
    fits = [step.tried and without_words(step.tried.fit) for step in found.advice]
    advice = [step._replace(tried=None) for step in found.advice]
    return replace(found, errors=[], advice=advice), len(found.errors), fits


def refusing() -> nn.Module:
    """A model in which torch refuses keys for each of its reasons."""
    model = nn.Module()
    model.norm, model.line = nn.InstanceNorm1d(2), nn.Linear(2, 3)
    model.register_buffer("wide", torch.zeros(1).expand(4))
    with torch.inference_mode():
        model.made = nn.Linear(1, 1)
    return model


REFUSED = {
    "norm.running_mean": torch.zeros(2),
    "line.weight": torch.zeros(9, 9),
    "line.bias": 3,
    "wide": torch.zeros(4),
    "made.weight": torch.zeros(1, 1),
    "made.bias": torch.zeros(1, device="meta"),
    "more": torch.zeros(1),
}


def test_with_all_of_torchs_messages_in_other_words_the_answers_stay_the_same(monkeypatch):
    asked = [(make(), saved()) for make, saved, _ in CASES.values()]
    asked += [(refusing(), REFUSED), (nn.Linear(1, 1), {0: torch.ones(1)}), (mixed(), {})]
    asked += [(make(), saved()) for make, saved, *_ in UNLIKE.values()]
    before = [without_words(compare_checkpoint(*pair)) for pair in asked]
    twin._refusal.cache_clear()
    reword(monkeypatch)
    after = [without_words(compare_checkpoint(*pair)) for pair in asked]
    twin._refusal.cache_clear()
    assert after == before


def test_what_torch_refuses_is_told_by_key_for_each_of_its_reasons():
    found = compare_checkpoint(refusing(), REFUSED)
    norm = ["norm.running_mean"]
    assert found.refused == ["wide", *norm, "line.bias", "made.weight", "made.bias"]
    assert found.mismatched == [("line.weight", (3, 2), (9, 9))] and found.unexpected == ["more"]
    assert_as_torch(refusing(), REFUSED, found)


# --- three answers -------------------------------------------------------------------------------


class Renaming(nn.Module):
    """Takes an old name, by a rule of its own."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(2))

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        if f"{prefix}scale" in state_dict:
            state_dict[f"{prefix}gain"] = state_dict.pop(f"{prefix}scale")
        super()._load_from_state_dict(state_dict, prefix, *rest)


class OwnLoad(nn.Linear):
    def load_state_dict(self, state_dict, strict=True):
        return super().load_state_dict({"weight": state_dict["w"], "bias": state_dict["b"]}, strict)


def hooked(after: bool) -> nn.Module:
    model = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
    if after:
        model[0].register_load_state_dict_post_hook(lambda _, keys: keys.missing_keys.clear())
    else:
        model[0]._register_load_state_dict_pre_hook(
            lambda given, prefix, *_: given.setdefault(f"{prefix}bias", torch.zeros(2))
        )
    return model


def packed() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def in_whole_numbers() -> nn.Module:
    model = nn.Module()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.register_buffer("x", torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8))
    return model


class Ours(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.copy_:
            raise RuntimeError("by a rule of its own")
        return super().__torch_function__(function, types, args, kwargs or {})


def ours() -> nn.Module:
    model = nn.Module()
    model.register_buffer("b", torch.ones(2).as_subclass(Ours))
    return model


LINES = {"0.weight": torch.ones(2, 1), "1.weight": torch.ones(1, 2), "1.bias": torch.ones(1)}
# What is loaded, what is given, and the reason why that cannot be foretold.
DOUBTFUL = {
    "a class": (Renaming, {"scale": torch.ones(2)}, "Renaming has _load_from_state_dict() of its"),
    "the root": (
        lambda: OwnLoad(1, 1),
        {"w": torch.ones(1, 1), "b": torch.ones(1)},
        "OwnLoad has load_state_dict() of its own",
    ),
    "before": (lambda: hooked(False), LINES, "Linear at '0' has a hook before the load of its own"),
    "after": (lambda: hooked(True), LINES, "Linear at '0' has a hook after the load of its own"),
    "extra state": (Counted, {"_extra_state": 3}, "set_extra_state() has '_extra_state' to judge"),
    "sparse": (lambda: nn.Linear(2, 2, bias=False), {"weight": torch.eye(2).to_sparse()}, "sparse"),
    "quantized": (in_whole_numbers, in_whole_numbers().state_dict(), "'x' is a quantized tensor"),
    "a tensor": (ours, {"b": torch.ones(2)}, "'b' is a tensor of the class Ours"),
    "packed": (
        packed,
        packed().state_dict(),
        "Linear at '0' has _load_from_state_dict() of its own",
    ),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_a_rule_of_its_own_decides_cannot_be_foretold_and_it_says_why(case):
    make, state_dict, reason = DOUBTFUL[case]
    found = compare_checkpoint(make(), state_dict)
    assert found.loads is None and any(reason in one for one in found.doubts)
    assert found.verdict.startswith(f"cannot be foretold, because {found.doubts[0]}")
    assert f": cannot be foretold, because {found.doubts[0]}" in repr(found)
    assert "cannot be foretold" in repr(CheckpointTable(found))


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (lambda: nn.Sequential(Renaming(), nn.Linear(1, 1)), {"0.scale": torch.ones(2)}),
        (lambda: hooked(False), {key: LINES[key] for key in ("0.weight", "1.weight")}),
        (lambda: hooked(True), {**LINES, "1.bias": torch.ones(7)}),
        (Counted, {}),
        (lambda: nn.Linear(2, 2), {"weight": torch.eye(2).to_sparse()}),
    ],
)
def test_a_rule_on_one_part_does_not_save_another(make, given):
    assert compare_checkpoint(make(), given).loads is False
    assert load(make(), given, strict=True)[1]


def test_a_module_in_the_file_that_torch_cannot_walk_is_no_state_dict():
    found = compare_checkpoint(mixed(), {"net": nn.Linear.__new__(nn.Linear), "epoch": 3})
    assert found.loads is False and found.unexpected == ["net", "epoch"]
    assert "nested" not in [step.kind for step in found.advice]


def test_extra_state_is_never_taken_for_packed_numbers():
    file = {**nn.Linear(2, 3).state_dict(), "_extra_state": torch.ones(2, 2).to(torch.int8)}
    found = compare_checkpoint(WithState(2, 3), {**file, "scale": torch.ones(2)})
    assert "quantized" not in [step.kind for step in found.advice] and found.unexpected == ["scale"]


def test_a_load_state_dict_of_a_part_is_not_called_and_is_no_reason_for_doubt():
    state_dict = {"0.weight": torch.ones(1, 1), "0.bias": torch.ones(1)}
    model = nn.Sequential(OwnLoad(1, 1))
    assert compare_checkpoint(model, state_dict).loads is True
    assert load(model, state_dict, strict=True)[1] == ""


@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
def test_a_nested_tensor_whose_rows_differ_in_length_is_no_trouble_on_either_side():
    def nested(*lengths: int, **layout: torch.layout) -> torch.Tensor:
        return torch.nested.nested_tensor([torch.ones(one, 3) for one in lengths], **layout)

    tensors = [nested(2, 4, layout=torch.jagged), nested(2, 5, layout=torch.jagged)]
    tensors += [nested(2, 4), nested(2, 5), torch.ones(2, 3), torch.ones(2, 4, 3), torch.ones(())]
    for own, given_ in itertools.product(tensors, tensors):
        model = nn.Module()
        model.register_buffer("rows", own)
        found = compare_checkpoint(model, {"rows": given_})
        loads = load(model, {"rows": given_}, strict=True)[1] == ""
        assert found.loads in (None, loads)
        assert "ested" in found.verdict or found.loads is loads


def test_a_quantized_layer_looks_for_what_it_saves():
    found = compare_checkpoint(packed(), packed().state_dict())
    assert found.matched == list(found.found) and found.missing == found.unexpected == []
    found = compare_checkpoint(packed(), nn.Sequential(nn.Linear(2, 3)).state_dict())
    assert "0.scale" in found.missing and found.loads is None
    assert [step.kind for step in found.advice] == ["quantized"]


def test_what_a_quantized_layer_packs_is_not_left_out_of_the_file():
    plain = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))  # something has a name of the model
    file = {**plain.state_dict(), **packed().state_dict()}
    del file["0.weight"], file["0.bias"]
    (step,) = compare_checkpoint(plain, file).advice
    assert (step.kind, step.is_remark) == ("quantized", True)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn, torch.int32])
@pytest.mark.parametrize("scale", ["0.SCB", "0.weight_scale", "0.weight.absmax"])
def test_packed_numbers_are_not_taken_for_weights_and_their_scale_is_not_thrown_away(dtype, scale):
    """As files of bitsandbytes and of fp8 models have them: what was advised loaded strictly, and
    the layer had the packed numbers for its weights."""
    model = nn.Sequential(nn.Linear(3, 2, bias=False))
    file = {"0.weight": torch.ones(2, 3).to(dtype), scale: torch.ones(2)}
    found = compare_checkpoint(model, file)
    assert found.loads is False and found.unexpected == [scale]
    (step,) = found.advice
    assert (step.kind, step.enough, step.code) == (
        "quantized",
        False,
        "# Quantize the model first, then load.",
    )
    assert step.words == (
        f"'0.weight' is {dtype} in the file, and torch.float32 in the model: the numbers of a "
        f"quantized layer, which mean nothing without their scale, as '{scale}'. A load takes them "
        "as they are; no names will help."
    )


@pytest.mark.parametrize(
    ("key", "value", "extra"),
    [
        ("0.weight", torch.ones(2, 3).half(), "0.more"),  # another width of floats
        ("0.weight", torch.ones(2, 3).int(), "1.more"),  # nothing beside it
        ("0.weight", torch.ones(2, 3), "0.more"),
        ("0.bias", torch.ones(2).int(), "0.more"),  # no matrix
    ],
)
def test_what_is_not_packed_may_leave_out_what_has_no_place(key, value, extra):
    model = nn.Sequential(nn.Linear(3, 2))
    file = {**model.state_dict(), key: value, extra: torch.ones(2)}
    assert [step.kind for step in compare_checkpoint(model, file).advice] == ["no place"]


class Tally(nn.Module):
    """Its total was a buffer once, and is a plain tensor now."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.total = torch.zeros(1)


class Writes(Tally):
    """As a metric does: what it writes, nobody loads."""

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        saved = super().state_dict(
            *args, destination=destination, prefix=prefix, keep_vars=keep_vars
        )
        saved[f"{prefix}total"] = self.total
        return saved


class Reads(Writes):
    def _load_from_state_dict(self, state_dict, prefix, *rest):
        self.total = state_dict.pop(f"{prefix}total", self.total)
        super()._load_from_state_dict(state_dict, prefix, *rest)


@pytest.mark.parametrize("kind", [Tally, Writes])
def test_a_plain_tensor_that_is_in_the_file_is_told_as_one_that_no_load_fills(kind):
    model = nn.Sequential(nn.Linear(1, 1), kind())
    file = {**model.state_dict(), "1.total": torch.ones(1)}
    found = compare_checkpoint(model, file)
    (step,) = found.advice
    assert (step.kind, step.enough, found.unexpected) == ("plain tensor", True, ["1.total"])
    assert step.words == (
        "'1.total' is a plain tensor in this model, which no load fills: left out. If a load is to "
        "fill it, register it: self.register_buffer('total', tensor) in __init__."
    )
    assert load(model, applied(model, file, step.code), strict=True)[1] == ""
    assert float(model[1].total) == 0
    total = vars(model[1]).pop("total")  # the other cure
    model[1].register_buffer("total", total)
    assert load(model, file, strict=True)[1] == "" and float(model[1].total) == 1


def test_a_class_that_loads_its_plain_tensor_itself_is_not_advised_against_it():
    model = nn.Sequential(nn.Linear(1, 1), Reads())
    found = compare_checkpoint(model, {**model.state_dict(), "1.total": torch.ones(1)})
    assert found.loads is None and found.advice == []


class Delegates(nn.Module):
    """A wrapper whose state is that of the model in it, under the names that this has."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(1, 1)

    def state_dict(self, *args, **options):
        return self.inner.state_dict(*args, **options)

    def load_state_dict(self, *args, **options):
        return self.inner.load_state_dict(*args, **options)


def test_nothing_is_advised_on_names_where_the_model_saves_and_loads_by_its_own():
    model, file = Delegates(), nn.Linear(1, 1).state_dict()
    found = compare_checkpoint(model, file)
    assert found.loads is None and found.advice == []
    assert load(model, file, strict=True)[1] == ""
    nested = compare_checkpoint(model, {"epoch": 1, "model": {**model.state_dict()}})
    assert [step.kind for step in nested.advice] == ["nested"]


class LeavesOut(nn.Module):
    """A hook leaves out of its file what is fixed."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(2, 2)
        self.register_buffer("mask", torch.ones(2))
        self._register_state_dict_hook(self.leave_out)

    @staticmethod
    def leave_out(module, state_dict, prefix, notes):
        del state_dict[f"{prefix}mask"]


class SavesInside(nn.Module):
    """It saves what is inside by other names than those by which it loads."""

    def __init__(self):
        super().__init__()
        self.net, self.extra = nn.Linear(2, 3), nn.Linear(3, 1)

    def state_dict(self, *args, **options):
        saved = super().state_dict(*args, **options)
        return {key.removeprefix("net."): value for key, value in saved.items()}


@pytest.mark.parametrize("kind", [LeavesOut, SavesInside])
def test_where_a_class_or_a_hook_saves_otherwise_the_code_does_not_ask_state_dict(kind):
    saved, model = kind(), kind()
    file = saved.state_dict()
    (step,) = compare_checkpoint(model, file).advice
    assert step.enough and not step.is_remark and "state_dict() of this model" in step.words
    model.load_state_dict(applied(model, file, step.code))
    for one, other in zip(model.parameters(), saved.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_remark_for_a_model_that_saves_otherwise_does_not_ask_state_dict_either():
    model = LeavesOut()
    file = without(model.state_dict(), "line.bias") | {"mask": torch.zeros(2)}
    (step,) = compare_checkpoint(model, file).advice
    assert (step.kind, step.is_remark) == ("untrained", True) and step.tried.fit.loads
    model.load_state_dict(applied(model, file, uncommented(step.code)))


def test_of_a_module_in_a_file_that_saves_otherwise_it_is_said_that_its_names_are_not_known():
    (step,) = compare_checkpoint(SavesInside(), {"model": SavesInside()}).advice
    assert (step.kind, step.is_remark, step.enough) == ("nested", True, False)
    assert "decided by SavesInside.state_dict(), and is not known before it runs" in step.words


def test_no_name_is_given_that_a_hook_of_a_wrapper_changes_again():
    def made(name: str, wrap) -> nn.Module:
        return nn.ModuleDict({"body": nn.Linear(2, 2), name: wrap(nn.Linear(2, 3))})

    model, file = made("fc", checkpoint_wrapper), made("head", nn.Sequential).state_dict()
    assert all(step.is_remark for step in compare_checkpoint(model, file).advice)
    for change in (lambda key: key, lambda key: f"module.{key}"):
        file = {change(key): one for key, one in made("fc", lambda one: one).state_dict().items()}
        found = compare_checkpoint(model, file)
        assert found.loads or found.advice[-1].enough
        model.load_state_dict(applied(model, file, found.code))

    lacking = {key: one for key, one in model.state_dict().items() if "fc" not in key}
    (step,) = compare_checkpoint(model, lacking).advice
    assert (step.kind, step.is_remark, step.tried) == ("untrained", True, None)
    assert step.code.startswith("# No code: a hook of the model changes names")


def test_the_parts_of_wrappers_that_are_told_are_those_by_which_the_names_differ():
    def net(around) -> nn.Module:
        return nn.ModuleDict({"module": around(nn.Linear(1, 2)), "head": nn.Linear(1, 2)})

    plain = net(lambda one: one)
    renamed_ = renamed(
        plain.state_dict(), ("module.weight", "module._checkpoint_wrapped_module.weight")
    )
    for model, file, parts in (
        (plain, renamed_, ["_checkpoint_wrapped_module"]),
        (net(torch.compile), plain.state_dict(), ["_orig_mod"]),
    ):
        (step,) = compare_checkpoint(model, file).advice
        assert step.kind == "wrapper" and step.enough
        assert step.words.endswith(f"by parts that a wrapper puts in: {parts}.")
        assert load(model, applied(model, file, step.code), strict=True)[1] == ""


def test_a_hook_of_torchs_that_looks_at_names_alone_is_rehearsed():
    def model():
        return nn.Sequential(checkpoint_wrapper(nn.Linear(1, 2)))

    for state_dict in (model().state_dict(), nn.Sequential(nn.Linear(1, 2)).state_dict()):
        assert compare_checkpoint(model(), state_dict).loads is True
        assert load(model(), state_dict, strict=True)[1] == ""


# --- advice on what differs in more than names ---------------------------------------------------


def with_norm(make, layer) -> nn.Module:
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Sequential(make(layer()))
        model(torch.randn(2, *SHAPES[layer]))  # spectral_norm goes one step
    return model.eval()


def plain(layer) -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(layer())


def pruned(layer: nn.Module) -> nn.Module:
    prune.random_unstructured(layer, "weight", 3)
    return layer


def linear() -> nn.Module:
    return nn.Linear(4, 4)


def convolution() -> nn.Module:
    return nn.Conv1d(4, 3, 2)


def turned() -> nn.Module:
    return nn.ConvTranspose1d(4, 4, 2)


SHAPES = {linear: (4,), convolution: (4, 5), turned: (4, 5)}
OLD_AND_NEW = [
    (NN.weight_norm, PARAMETRIZED.weight_norm),
    (NN.spectral_norm, PARAMETRIZED.spectral_norm),
]


@pytest.mark.parametrize("layer", SHAPES)
@pytest.mark.parametrize("make", [norm for pair in OLD_AND_NEW for norm in pair] + [pruned])
def test_a_weight_kept_in_parts_is_computed_for_a_plain_layer(make, layer):
    saved, model = with_norm(make, layer), plain(layer)
    found = compare_checkpoint(model, saved.state_dict())
    (step,), of_two = found.advice, make is PARAMETRIZED.weight_norm  # as others may be
    assert (step.kind, step.is_remark, step.enough) == ("reparametrized", of_two, not of_two)
    assert step.tried.fit.loads
    model.load_state_dict(applied(model, saved.state_dict(), uncommented(step.code)))
    batch = torch.randn(2, *SHAPES[layer])
    torch.testing.assert_close(model(batch), saved(batch))


class Scaled(nn.Module):
    """A weight of two parts without a norm in it."""

    def forward(self, scale, matrix):
        return scale * matrix

    def right_inverse(self, weight):
        scale = weight.abs().amax(1, keepdim=True)
        return scale, weight / scale


class Gain(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(3.0))

    def forward(self, weight):
        return self.gain * weight


def scaled(layer: nn.Module) -> nn.Module:
    return register_parametrization(layer, "weight", Scaled())


def then_a_gain(make, layer: nn.Module) -> nn.Module:
    return register_parametrization(make(layer), "weight", Gain())


OTHER_PARTS = {
    "another class": scaled,
    "weight_norm and more": partial(then_a_gain, PARAMETRIZED.weight_norm),
    "spectral_norm and more": partial(then_a_gain, PARAMETRIZED.spectral_norm),
}


@pytest.mark.parametrize("make", OTHER_PARTS.values(), ids=OTHER_PARTS)
def test_no_formula_of_a_norm_is_applied_where_another_parametrization_may_compute_the_weight(make):
    for saved, module in ((make(linear()), linear()), (linear(), make(linear()))):
        state_dict = saved.state_dict()
        found = compare_checkpoint(module, state_dict)
        assert all(step.is_remark and not step.enough for step in found.advice)
        if make is scaled and module.state_dict().keys() == {"weight", "bias"}:
            assert "does not say which one it is" in found.advice[0].words
        else:
            assert [step.kind for step in found.advice] == ["parametrized"]


def test_the_parts_of_a_weight_whose_layer_the_model_has_are_not_left_out():
    module, saved = linear(), then_a_gain(PARAMETRIZED.weight_norm, linear()).state_dict()
    saved["weight"] = module.weight  # so that all that the model has is there
    assert all(step.is_remark for step in compare_checkpoint(module, saved).advice)
    more = nn.ModuleDict({"line": linear(), "aux": PARAMETRIZED.weight_norm(linear())})
    model = nn.ModuleDict({"line": linear()})
    *_, step = compare_checkpoint(model, more.state_dict()).advice
    assert (step.kind, step.is_remark, step.enough) == ("no place", False, True)


@pytest.mark.parametrize("layer", SHAPES)
@pytest.mark.parametrize("make", [NN.weight_norm, PARAMETRIZED.weight_norm])
def test_a_plain_weight_is_taken_apart_where_that_has_one_answer(make, layer):
    saved, model = plain(layer), with_norm(make, layer)
    found = compare_checkpoint(model, saved.state_dict())
    assert [step.kind for step in found.advice] == ["reparametrized"] and found.advice[0].enough
    model.load_state_dict(applied(model, saved.state_dict(), found.code))
    batch = torch.randn(2, *SHAPES[layer])
    torch.testing.assert_close(model(batch), saved(batch))


@pytest.mark.parametrize("layer", SHAPES)
def test_a_pruned_model_takes_a_plain_weight_and_stays_pruned(layer):
    saved, model = plain(layer), with_norm(pruned, layer)
    mask = model[0].weight_mask.clone()
    (step,) = compare_checkpoint(model, saved.state_dict()).advice
    assert (step.kind, step.enough, step.is_remark) == ("reparametrized", True, False)
    assert "The mask is the model's own: what it cuts stays cut" in step.words
    model.load_state_dict(applied(model, saved.state_dict(), step.code))
    assert (mask == 0).sum() == 3 and torch.equal(model[0].weight_mask, mask)
    assert torch.equal(model[0].weight_orig, saved[0].weight)
    model(torch.randn(2, *SHAPES[layer]))
    assert torch.equal(model[0].weight, saved[0].weight * mask)


def test_a_norm_that_both_sides_have_is_not_said_to_be_in_one_alone():
    saved = with_norm(lambda one: NN.weight_norm(one, dim=None), linear).state_dict()
    for dim in (0, 1):
        model = with_norm(lambda one, dim=dim: PARAMETRIZED.weight_norm(one, dim=dim), linear)
        found = compare_checkpoint(model, saved)
        assert [one.found for one in found.mismatched] == [()] and found.advice == []


@pytest.mark.parametrize("layer", SHAPES)
@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
@pytest.mark.parametrize("newer", [True, False])
def test_torchs_own_two_names_for_the_same_parts_are_exchanged(old, new, layer, newer):
    made = (old, new) if newer else (new, old)
    saved, model = with_norm(made[0], layer), with_norm(made[1], layer)
    with torch.no_grad():
        model[0].bias.zero_()
    found = compare_checkpoint(model, saved.state_dict())
    ready = applied(model, saved.state_dict(), found.code)
    assert found.loads or [step.enough for step in found.advice] == [True]
    model.load_state_dict(ready)
    batch = torch.randn(2, *SHAPES[layer])
    torch.testing.assert_close(model(batch), saved(batch))


@pytest.mark.parametrize("layer", SHAPES)
@pytest.mark.parametrize(
    "make",
    [
        NN.weight_norm,
        NN.spectral_norm,
        PARAMETRIZED.weight_norm,
        PARAMETRIZED.spectral_norm,
        pruned,
    ],
)
@pytest.mark.parametrize("lost", [0, 1])
def test_a_part_of_a_weight_is_never_taken_for_the_weight(make, layer, lost):
    state_dict = with_norm(make, layer).state_dict()
    parts = [key for key in state_dict if key != "0.bias"]
    del state_dict[parts[lost]]
    found = compare_checkpoint(plain(layer), state_dict)
    ready = applied(plain(layer), state_dict, found.code)
    assert not found.loads and "0.weight" not in ready


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.out.weight = self.embed.weight


class Table(nn.Module):
    """A buffer whose size follows the length, and one of numbers that count."""

    def __init__(self, length):
        super().__init__()
        self.line = nn.Linear(2, 2)
        self.register_buffer("mask", torch.ones(length, length))
        self.register_buffer("index", torch.arange(length))


class Grown(nn.Module):
    """A buffer that is set anew at each use."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(0, 2))

    def see(self):
        self.seen = torch.cat([self.seen, torch.ones(3, 2)])
        return self


class Late(nn.Module):
    """A buffer that is made at first use."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(1, 1)

    def forward(self, x):
        if "seen" not in self._buffers:
            self.register_buffer("seen", torch.full((3,), 7.0))
        return self.line(x)


class Fits(nn.Module):
    """A parameter that is made at first use."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(1, 1)

    def fit(self):
        self.scale = nn.Parameter(torch.ones(2))
        return self


class Empty(nn.Module):
    def __init__(self, stats=None):
        super().__init__()
        self.part = nn.Linear(2, 2)
        self.part.register_buffer("stats", stats)


class WithState(nn.Linear):
    """Extra state that is taken as it is given."""

    amax = 1.0

    def get_extra_state(self):
        return {"amax": self.amax}

    def set_extra_state(self, state):
        self.amax = state["amax"]


def used(model: nn.Module) -> nn.Module:
    model(torch.ones(1, 1))
    return model


def filled(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        for place, one in enumerate((*model.parameters(), *model.buffers())):
            one.fill_(place + 1)
    return model


def expanded() -> nn.Module:
    model = nn.Module()
    model.register_buffer("wide", torch.arange(3).view(1, 3).expand(2, -1))
    model.bias = nn.Parameter(torch.ones(1).expand(4), requires_grad=False)
    return model


def in_inference() -> nn.Module:
    with torch.inference_mode():
        return Tied()


def norms(tracked: bool) -> nn.Module:
    parts = [nn.InstanceNorm1d(2, track_running_stats=tracked)]
    return nn.Sequential(*parts, nn.BatchNorm1d(2, track_running_stats=tracked))


def no_notes(state_dict: Mapping) -> dict:
    """Without the versions, as an old file has none."""
    return {key: value for key, value in state_dict.items() if "num_batches" not in key}


# The model, what is given, the kinds of advice, and the keys that the file does not decide about.
UNLIKE = {
    "arrays": (
        mixed,
        lambda: {key: value.numpy() for key, value in old_checkpoint().items()},
        ["array"],
        (),
    ),
    "arrays, nested, prefixed": (
        mixed,
        lambda: {"a": {f"module.{key}": one.numpy() for key, one in old_checkpoint().items()}},
        ["nested", "array", "prefix"],
        (),
    ),
    "a whole module": (mixed, lambda: {"net": mixed(1), "epoch": 3}, ["nested"], ()),
    "a wrapped module": (
        mixed,
        lambda: {"net": nn.DataParallel(mixed(1))},
        ["nested", "prefix"],
        (),
    ),
    "tied": (Tied, lambda: {"out.weight": torch.full((7, 4), 3.0)}, ["tied"], ()),
    "tied, prefixed": (
        Tied,
        lambda: {"m.embed.weight": torch.full((7, 4), 3.0)},
        ["prefix", "tied"],
        (),
    ),
    "a convolution of one pixel": (
        lambda: nn.Linear(3, 4),
        lambda: nn.Conv2d(3, 4, 1).state_dict(),
        ["reshaped"],
        (),
    ),
    "into a convolution of one pixel": (
        lambda: nn.Conv1d(3, 4, 1),
        lambda: nn.Linear(3, 4).state_dict(),
        ["reshaped"],
        (),
    ),
    "a table": (lambda: Table(3), lambda: Table(5).state_dict(), ["table"], ("mask", "index")),
    "a memory that grows": (
        Grown,
        lambda: Grown().see().state_dict(),
        ["grown"],
        (),
    ),
    "extra state": (
        lambda: WithState(2, 3),
        lambda: nn.Linear(2, 3).state_dict(),
        ["extra state"],
        (),
    ),
    "an empty slot": (
        Empty,
        lambda: Empty(torch.arange(3)).state_dict(),
        ["empty slot"],
        (),
    ),
    "no bias": (
        lambda: nn.Sequential(nn.Linear(2, 3, bias=False)),
        lambda: nn.Sequential(nn.Linear(2, 3)).state_dict(),
        ["empty slot"],
        (),
    ),
    "first use": (Late, lambda: used(Late()).state_dict(), ["first use"], ()),
    "a parameter at first use": (Fits, lambda: Fits().fit().state_dict(), ["first use"], ()),
    "statistics": (lambda: norms(False), lambda: norms(True).state_dict(), ["statistics"], ()),
    "old statistics": (
        lambda: norms(False),
        lambda: no_notes(norms(True).state_dict()),
        ["statistics"],
        (),
    ),
    "expanded": (expanded, lambda: expanded().state_dict(), ["memory", "memory"], ()),
    "in inference mode": (in_inference, lambda: filled(Tied()).state_dict(), ["memory"], ()),
    "a head of another name": (
        lambda: nn.ModuleDict({"model": mixed(), "head": nn.Linear(4, 6)}),
        lambda: nn.ModuleDict({"model": mixed(1), "lm_head": nn.Linear(4, 6)}).state_dict(),
        ["renamed"],
        (),
    ),
    "numbers": (
        lambda: nn.ModuleDict({"norm1": nn.LayerNorm(3), "conv_1": nn.Linear(2, 3)}),
        lambda: {
            "norm.1.weight": torch.ones(3),
            "norm.1.bias": torch.ones(3),
            "conv.1.weight": torch.ones(3, 2),
            "conv.1.bias": torch.ones(3),
        },
        ["numbers"],
        (),
    ),
    "gamma and beta": (
        lambda: nn.Sequential(nn.LayerNorm(3)),
        lambda: {"0.gamma": torch.ones(3), "0.beta": torch.full((3,), 2.0)},
        ["leaves"],
        (),
    ),
}


@pytest.mark.parametrize("case", UNLIKE)
def test_each_advice_applied_to_the_module_loads_strictly_what_the_file_has(case):
    make, saved, kinds, kept = UNLIKE[case]
    module, state_dict = make(), saved()
    before = list(map(id, [*module.parameters(), *module.buffers()]))
    found = compare_checkpoint(module, state_dict)
    assert list(map(id, [*module.parameters(), *module.buffers()])) == before
    assert [step.kind for step in found.advice] == kinds
    assert found.loads is False and load(module, state_dict, strict=True)[1]
    assert found.advice[-1].enough is (None if case == "extra state" else True)
    own = {key: copy.deepcopy(value) for key, value in module.state_dict().items()}
    ready = applied(module, state_dict, found.code)
    module.load_state_dict(ready)
    there = module.state_dict()
    for key, value in there.items():
        if isinstance(value, torch.Tensor):
            expected = own[key] if key in kept else torch.as_tensor(ready[key]).reshape(value.shape)
            assert torch.equal(value, expected.to(value.dtype)), key
    for value in values_of(state_dict):  # each tensor of the file is there, or it was said
        said = any(kind in kinds for kind in ("statistics", "table"))
        assert said or any(is_same(value, one) for one in there.values())


def values_of(state_dict: Mapping) -> list[torch.Tensor]:
    found = []
    for value in state_dict.values():
        value = value.state_dict() if isinstance(value, nn.Module) else value
        if isinstance(value, dict):
            found += values_of(value)
        elif isinstance(value, torch.Tensor) or type(value).__module__ == "numpy":
            found.append(torch.as_tensor(value))
    return found


def is_same(value: torch.Tensor, other: object) -> bool:
    if not isinstance(other, torch.Tensor) or value.numel() != other.numel():
        return False
    return torch.equal(value.flatten(), other.flatten().to(value.dtype))


def test_a_model_of_inference_tensors_keeps_its_tie():
    model, saved = in_inference(), filled(Tied()).state_dict()
    exec(compare_checkpoint(model, saved).code, {"state_dict": saved, "module": model})
    assert model.out.weight is model.embed.weight and model.out.weight.requires_grad
    assert not model.out.weight.is_inference()


WRAPPERS = ["module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module"]


@st.composite
def wrapped_names(draw: st.DrawFn) -> dict[str, str]:
    """{a name of `mixed()`: the same with wrappers around its parts}, in a way that a model could
    have: all that is in one part has the wrappers of that part."""
    around: dict[str, list[str]] = {}
    made = {}
    for key in mixed().state_dict():
        *parts, last = key.split(".")
        name, shown = "", draw_for(draw, around, "")
        for part in parts:
            name += f"{part}."
            shown = [*shown, part, *draw_for(draw, around, name)]
        made[key] = ".".join([*shown, last])
    return made


def draw_for(draw: st.DrawFn, around: dict[str, list[str]], name: str) -> list[str]:
    if name not in around:
        around[name] = draw(st.lists(st.sampled_from(WRAPPERS), max_size=2))
    return around[name]


def named(names: dict[str, str], state_dict: Mapping) -> nn.Module:
    """A tree of modules that has the tensors of a state_dict under other names."""
    root = nn.Module()
    for key, value in state_dict.items():
        owner = root
        *parts, last = names[key].split(".")
        for part in parts:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner._modules[part]
        owner.register_buffer(last, value.clone())
    return root


@settings(max_examples=60, deadline=None)
@given(wrapped_names(), wrapped_names(), st.sampled_from(["", "net."]))
def test_wrappers_at_any_place_in_any_order_on_both_sides_are_seen_through(file, model, prefix):
    saved = mixed(1).state_dict()
    module = named(model, mixed().state_dict())
    given_ = {prefix + file[key]: value for key, value in saved.items()}
    found = compare_checkpoint(module, given_)
    ready = applied(module, given_, found.code)
    assert load(module, ready, strict=True)[1] == ""
    assert found.loads or found.advice[-1].enough
    for key, value in saved.items():
        assert torch.equal(module.state_dict()[model[key]], value)


def test_a_prefix_never_cuts_inside_a_name():
    def model(around):
        body = nn.ModuleDict({"conv": nn.Linear(1, 2), "submodule": nn.Linear(2, 3)})
        return nn.ModuleDict({"encoder": nn.DataParallel(body) if around else body})

    for saved, module in ((model(True), model(False)), (model(False), model(True))):
        found = compare_checkpoint(module, saved.state_dict())
        assert [step.kind for step in found.advice] == ["wrapper"]
        module.load_state_dict(applied(module, saved.state_dict(), found.code))
        for one, other in zip(module.parameters(), saved.parameters(), strict=True):
            assert torch.equal(one, other)


LAYERS = {"layers": nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])}


@pytest.mark.parametrize(
    ("module", "state_dict"),
    [
        # Of one shape, and of another last name.
        (nn.ParameterDict({"a": torch.ones(2, 2)}), {"b": torch.ones(2, 2)}),
        (nn.Linear(2, 2), {"proj": torch.ones(2, 2), "bias": torch.ones(2)}),
        # One layer more, counted from 1: each is another layer than its number says.
        (
            nn.ModuleDict({"layers": nn.ModuleList(nn.Linear(2, 2) for _ in range(2))}),
            {
                key.replace("layers.0", "layers.2"): value
                for key, value in nn.ModuleDict(LAYERS).state_dict().items()
                if ".2." not in key
            },
        ),
    ],
)
def test_shape_alone_gives_no_other_name(module, state_dict):
    found = compare_checkpoint(module, state_dict)
    assert not found.loads and not any(step.enough for step in found.advice)
    ready = applied(module, state_dict, found.code)
    assert list(ready) == list(state_dict)


def test_where_only_the_reader_can_say_the_code_is_a_comment():
    state_dict = {"weight": torch.ones(3, 2), "offset": torch.ones(3)}
    (step,) = compare_checkpoint(nn.Linear(2, 3), state_dict).advice
    assert (step.kind, step.enough) == ("alike", False) and "only you can say" in step.words
    assert all(line.startswith("#") for line in step.code.splitlines())
    lines = [line.removeprefix("# ") for line in step.code.splitlines()]
    nn.Linear(2, 3).load_state_dict(applied(nn.Linear(2, 3), state_dict, "\n".join(lines)))


def test_a_head_is_not_thrown_away_in_silence():
    whole = nn.ModuleDict({"model": mixed(1), "lm_head": nn.Linear(4, 6)})
    found = compare_checkpoint(mixed(), whole.state_dict())
    assert [step.kind for step in found.advice] == ["prefix", "no place"]
    assert (
        "'lm_head.weight' and 1 more" in found.advice[1].words and "lost" in found.advice[1].words
    )
    ready = applied(mixed(), whole.state_dict(), found.advice[0].code)
    assert {"lm_head.weight", "lm_head.bias"} <= set(ready)
    other = nn.ModuleDict({"model": mixed(), "head": nn.Linear(4, 9)})
    assert not any(
        "lm_head" in step.code for step in compare_checkpoint(other, whole.state_dict()).advice
    )


class Sized(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.ones(1, size))


class Booked(nn.Module):
    """A buffer of which neither name nor dtype says whether it is computed."""

    def __init__(self, size):
        super().__init__()
        self.register_buffer("book", torch.ones(size))


class Holding(nn.Linear):
    """Keeps a tensor where no load looks."""

    def __init__(self):
        super().__init__(2, 3)
        self.held = torch.zeros(2)


class Optional(nn.Module):
    def __init__(self, more=False):
        super().__init__()
        self.line = nn.Linear(1, 1)
        if more:
            self.more = nn.Linear(1, 1)


class Grows(nn.Module):
    def __init__(self):
        super().__init__()
        self.line, self.head = nn.Linear(1, 1), None

    def grow(self):
        self.head = nn.Linear(1, 1)
        return self


@pytest.mark.parametrize(
    ("module", "saved", "kinds", "words"),
    [
        (Optional(), Optional(True), ["first use"], "Optional.__init__ sets 'more' under some opt"),
        (Sized(2), Sized(3), ["places"], "a table of places, learned for another length"),
        (Booked(2), Booked(3), ["table"], "computed from the size of the input"),
        (Grows(), Grows().grow(), ["first use"], "Grows.grow makes 'head' when it runs"),
        (
            nn.BatchNorm1d(2),
            nn.BatchNorm1d(2, track_running_stats=False),
            ["lost statistics"],
            "of a layer that has seen nothing",
        ),
        (
            plain(linear),
            with_norm(PARAMETRIZED.orthogonal, linear),
            ["parametrized"],
            "of a parametrization, which only the file has",
        ),
        (
            with_norm(PARAMETRIZED.spectral_norm, linear),
            plain(linear),
            ["reparametrized", "parametrized"],
            "in the model the parts of spectral_norm",
        ),
    ],
)
def test_what_no_code_can_mend_is_named_and_left_to_the_reader(module, saved, kinds, words):
    state_dict = saved.state_dict()
    found = compare_checkpoint(module, state_dict)
    assert [step.kind for step in found.advice] == kinds and words in found.advice[0].words
    assert all(step.enough is False for step in found.advice)
    assert list(applied(module, state_dict, found.code)) == list(state_dict)


def test_a_prefix_is_said_of_the_keys_that_have_it():
    part = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    whole = nn.ModuleDict({"encoder": copy.deepcopy(part), "head": nn.Linear(2, 1)})
    step, rest = compare_checkpoint(whole, part.state_dict()).advice
    assert rest.kind == "untrained" and rest.words.startswith("'head.weight' and 1 more are not in")
    assert step.words == "Under 'encoder.' the model has what the state_dict has without it."

    named = nn.ModuleDict({"module": nn.Linear(2, 2), "encoder": nn.Linear(2, 1)})
    (step,) = compare_checkpoint(named, nn.DataParallel(named).state_dict()).advice
    assert step.words == "The keys begin with 'module.' once more than those of the model."
    assert step.enough


def test_what_a_shape_or_a_name_only_suggests_is_said_as_a_guess():
    class Head(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.pos_weight, self.head = nn.Parameter(torch.ones(size, 2)), None

    (step,) = compare_checkpoint(Head(2), Head(3).state_dict()).advice
    assert "If it is a table of places" in step.words
    (step,) = compare_checkpoint(
        nn.Linear(2, 3), nn.Linear(3, 2).state_dict() | {"bias": torch.ones(3)}
    ).advice
    assert step.words.startswith("'weight' has its sizes in reverse")
    given = Head(2)
    given.head = nn.Linear(1, 1)  # from outside
    (step,) = compare_checkpoint(Head(2), given.state_dict()).advice
    assert "sets 'head' under some option, or to None" in step.words


def test_no_more_is_said_than_the_file_and_the_model_show():
    tied = nn.ModuleDict({"embed": nn.Embedding(3, 2), "out": nn.Linear(2, 3)})
    tied.out.weight = tied.embed.weight
    step, rest = compare_checkpoint(tied, {"embed.weight": torch.ones(3, 2)}).advice
    assert "it is not lacking" in step.words and not step.enough  # out.bias is
    assert rest.words.startswith("'out.bias' is not in the state_dict, and keeps what it has")

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(1, 1), nn.Linear(1, 1)

    headless = Whole()
    del headless.head
    (step,) = compare_checkpoint(headless, Whole().state_dict()).advice
    assert "or it was taken out since" in step.words


def test_the_weight_of_a_norm_that_has_none_is_no_statistic_and_is_not_left_out():
    file = nn.BatchNorm1d(2).state_dict()
    (step,) = compare_checkpoint(nn.BatchNorm1d(2, affine=False), file).advice
    assert step.kind == "empty slot" and step.words.startswith("'weight' and 1 more are for slots")
    bare = nn.BatchNorm1d(2, affine=False, track_running_stats=False)
    assert [one.kind for one in compare_checkpoint(bare, file).advice] == [
        "statistics",
        "empty slot",
    ]


def test_statistics_of_a_model_in_use_are_not_said_to_be_fresh():
    norm = nn.BatchNorm1d(2)
    norm(torch.randn(8, 2))
    assert norm.running_mean.any()
    state_dict = {key: value for key, value in norm.state_dict().items() if key != "running_mean"}
    (step,) = compare_checkpoint(norm, state_dict).advice
    assert "The model keeps its own, in a new model those of a layer" in step.words


def test_the_name_of_a_class_is_no_code():
    def __init__(self, more=False):
        nn.Module.__init__(self)
        if more:
            self.more = nn.Linear(1, 1)

    kind = type("X\nraise SystemExit('a name ran')\n", (nn.Module,), {"__init__": __init__})
    found = compare_checkpoint(kind(), kind(True).state_dict())
    assert [step.kind for step in found.advice] == ["first use"]
    assert all(line.startswith("#") for line in found.code.splitlines())


# --- what came in place of a state_dict ----------------------------------------------------------


def stream() -> io.BytesIO:
    file = io.BytesIO()
    torch.save(old_checkpoint(), file)
    return file


def told_to(value: object) -> str:
    with pytest.raises(TypeError) as caught:
        compare_checkpoint(mixed(), value)
    return str(caught.value)


def test_the_line_that_reads_what_came_reads_it(tmp_path):
    path = tmp_path / "file.pt"
    torch.save(old_checkpoint(), path)
    numpy.savez(
        tmp_path / "file.npz", **{key: one.numpy() for key, one in old_checkpoint().items()}
    )
    space = {"torch": torch, "io": io, "numpy": numpy, "module": mixed(1), "file": stream()}
    for value, more, line in (
        (path, {"path": path}, "torch.load(path, map_location='cpu', weights_only=True)"),
        (str(path), {"path": path}, "torch.load(path, map_location='cpu', weights_only=True)"),
        (space["file"], {}, "torch.load(file, map_location='cpu', weights_only=True)"),
        (
            path.read_bytes(),
            {"data": path.read_bytes()},
            "torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)",
        ),
        (tmp_path / "file.npz", {"path": tmp_path / "file.npz"}, "dict(numpy.load(path))"),
        (mixed(1).state_dict, {}, "module.state_dict()"),
        ((3, old_checkpoint()), {"value": (3, old_checkpoint())}, "value[1]"),
    ):
        assert told_to(value).endswith(f"{line}.")
        space["file"].seek(0)
        found = compare_checkpoint(mixed(), eval(line, {**space, **more}))
        assert found.loads or found.advice[-1].enough


@pytest.mark.filterwarnings("ignore:torch.distributed is")
def test_the_line_for_a_folder_makes_a_file_of_it_whatever_it_was_saved_from(tmp_path):
    from torch.distributed.checkpoint import format_utils, save

    for saved in (mixed(1).state_dict(), {"model": mixed(1).state_dict(), "epoch": 3}):
        folder = tmp_path / str(len(saved))
        save(saved, checkpoint_id=folder)
        name = f"{format_utils.__name__}.dcp_to_torch_save"
        assert told_to(folder).endswith(f"make a file of it: {name}(path, 'one.pt').")
        format_utils.dcp_to_torch_save(folder, tmp_path / "one.pt")
        found = compare_checkpoint(mixed(), torch.load(tmp_path / "one.pt", weights_only=True))
        assert found.loads or found.advice[-1].enough


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "model.safetensors",
            "a safetensors file; read it first: safetensors.torch.load_file(path)",
        ),
        (pathlib.Path("m.SafeTensors"), "safetensors.torch.load_file(path)"),
        ("model.safetensors.index.json", "a list of files; read each that it names"),
        ("model.gguf", "a file that torch.save() does not write"),
        (torch.optim.SGD(mixed().parameters(), lr=1), "an optimizer; pass the state_dict() of the"),
        (mixed().named_parameters(), "pass the dict that module.state_dict() returns"),
    ],
)
def test_what_came_instead_is_named(value, words):
    assert words in told_to(value)


@pytest.mark.parametrize(
    ("state_dict", "line"),
    [
        (SGD.state_dict(), "# optimizer.load_state_dict(state_dict)"),
        (
            torch.optim.lr_scheduler.StepLR(SGD, 1).state_dict(),
            "# scheduler.load_state_dict(state_dict)",
        ),
    ],
)
def test_the_state_of_something_else_is_named_with_what_reads_it(state_dict, line):
    found = compare_checkpoint(mixed(), state_dict)
    assert [(step.kind, step.code) for step in found.advice] == [("other", line)]


# --- an optimizer and its state ------------------------------------------------------------------


def sizes(*shapes: tuple[int, ...], dtype=torch.float32) -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(shape, dtype=dtype)) for shape in shapes]


def stepped(optimizer: torch.optim.Optimizer, skip: int = 0) -> torch.optim.Optimizer:
    for group in optimizer.param_groups:
        for one in group["params"][skip:]:
            one.grad = torch.ones_like(one)
    optimizer.step()
    return optimizer


def works(optimizer: torch.optim.Optimizer, state: dict) -> bool:
    """Does torch take the state, and does the next step find what it needs, in its shape?"""
    try:
        optimizer.load_state_dict(copy.deepcopy(state))
        stepped(optimizer)
    except Exception:
        return False
    memory = [(one, optimizer.state[one]) for one in optimizer.param_groups[0]["params"]]
    return all(
        value.shape in ((), one.shape)
        for one, names in memory
        for value in names.values()
        if isinstance(value, torch.Tensor)
    )


MADE = {
    "Adam": lambda params: torch.optim.Adam(params),
    "amsgrad": lambda params: torch.optim.Adam(params, amsgrad=True),
    "foreach": lambda params: torch.optim.AdamW(params, foreach=True),
    "momentum": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9),
    "RMSprop": lambda params: torch.optim.RMSprop(params),
    "Adagrad": lambda params: torch.optim.Adagrad(params),
}
TWO = ((2, 3), (3,))


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize(
    "shapes", [TWO, ((3,), (2, 3)), ((2, 4), (4,)), ((2, 3),), ((2, 3), (3,), (1,))]
)
def test_an_optimizer_is_told_what_torch_and_the_next_step_make_of_its_state(kind, shapes):
    state = stepped(MADE[kind](sizes(*TWO))).state_dict()
    optimizer = MADE[kind](sizes(*shapes))
    before = copy.deepcopy(optimizer.param_groups), state["state"][0].copy()
    found = compare_checkpoint(optimizer, state)
    assert repr(optimizer.param_groups) == repr(before[0])
    assert state["state"][0] == before[1]
    assert found.loads == works(MADE[kind](sizes(*shapes)), state) == (shapes == TWO)
    assert bool(found.errors) == (len(shapes) != 2)
    if found.loads:
        assert found.verdict == "fits" and found.matched == list(found.found) == list(
            found.expected
        )
        assert not found.advice
    else:
        assert found.verdict == "does not fit" and found.mismatched
        assert [step.kind for step in found.advice] == ["positions"]


def test_memory_of_another_dtype_or_lacking_or_of_another_kind_is_told():
    state = stepped(MADE["Adam"](sizes(*TWO)), skip=1).state_dict()
    found = compare_checkpoint(MADE["Adam"](sizes(*TWO, dtype=torch.float64)), state)
    assert found.loads and found.dtypes[0] == ("state[1]['exp_avg']", torch.float64, torch.float32)
    assert found.silent == ["state[0]['step']", "state[0]['exp_avg']", "state[0]['exp_avg_sq']"]
    found = compare_checkpoint(MADE["momentum"](sizes(*TWO)), state)
    assert not found.loads
    assert found.errors == ["at the next step, KeyError: 'momentum'"]
    assert not works(MADE["momentum"](sizes(*TWO)), state)
    del state["state"][1]["exp_avg_sq"]
    found = compare_checkpoint(MADE["Adam"](sizes(*TWO)), state)
    assert found.missing == ["state[1]['exp_avg_sq']"] and not found.loads
    assert not works(MADE["Adam"](sizes(*TWO)), state)


@pytest.mark.parametrize(
    ("saved", "made", "lost"),
    [
        ("momentum", "Adam", ["betas", "eps"]),
        ("Adam", "momentum", ["momentum", "dampening"]),
        ("Adam", "RMSprop", ["alpha"]),
        ("Adam", "Adagrad", ["lr_decay"]),
    ],
)
def test_the_state_of_another_kind_of_optimizer_is_told_by_what_it_lacks(saved, made, lost):
    state, optimizer = stepped(MADE[saved](sizes(*TWO))).state_dict(), MADE[made](sizes(*TWO))
    found = compare_checkpoint(optimizer, state)
    (step,) = found.advice
    assert (step.kind, step.enough, step.is_remark) == ("other", False, True)
    assert f"they have no {', '.join(map(repr, lost))}, which a step of this one" in step.words
    with pytest.raises(KeyError) as caught:
        optimizer.load_state_dict(copy.deepcopy(state))
        stepped(optimizer)
    early = saved == "momentum"  # torch looks into the memory while it loads
    assert not early or found.errors == [f"KeyError: {caught.value}"]
    assert not found.loads


def test_settings_that_no_step_of_torch_reads_are_not_lacking():
    def saved(kind: str, change=lambda group: None) -> dict:
        state = stepped(MADE[kind](sizes(*TWO))).state_dict()
        change(state["param_groups"][0])
        return state

    scheduled = MADE["Adam"](sizes(*TWO))
    torch.optim.lr_scheduler.StepLR(scheduled, 1)
    listed = saved("Adam", lambda group: group.update(betas=list(group["betas"])))  # as of JSON
    late = saved("Adagrad", lambda group: group.pop("initial_accumulator_value"))
    for optimizer, state in (
        (scheduled, saved("Adam")),
        (MADE["Adam"](sizes(*TWO)), listed),
        (MADE["Adagrad"](sizes(*TWO)), late),
    ):
        assert compare_checkpoint(optimizer, state).loads
        assert works(optimizer, state)

    bare = stepped(torch.optim.SGD(sizes(*TWO), lr=1)).state_dict()  # no memory that would tell
    found = compare_checkpoint(MADE["Adagrad"](sizes(*TWO)), bare)
    assert found.loads is False and not works(MADE["Adagrad"](sizes(*TWO)), bare)
    assert [step.kind for step in found.advice] == ["other"]


def test_the_settings_of_the_file_are_taken_and_it_says_so():
    state = stepped(MADE["Adam"](sizes(*TWO))).state_dict()
    optimizer = torch.optim.Adam(sizes(*TWO), lr=0.5, amsgrad=True)
    found = compare_checkpoint(optimizer, state)
    (step,) = found.advice
    assert found.loads and (step.kind, step.enough) == ("settings", True)
    assert (
        "['lr'] from 0.5 to 0.001" in step.words and "['amsgrad'] from True to False" in step.words
    )
    optimizer.load_state_dict(state)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["amsgrad"]) == (0.001, False)


@pytest.mark.parametrize("own", [0.5, torch.tensor(0.5)])
@pytest.mark.parametrize("saved", [0.25, torch.tensor(0.25)])
def test_a_learning_rate_that_is_a_tensor_is_told_by_its_number(own, saved):
    state = torch.optim.Adam(sizes(*TWO), lr=saved).state_dict()
    (step,) = compare_checkpoint(torch.optim.Adam(sizes(*TWO), lr=own), state).advice
    what = ["a tensor of " * isinstance(one, torch.Tensor) for one in (own, saved)]
    assert f"['lr'] from {what[0]}0.5 to {what[1]}0.25." in step.words
    same = torch.optim.Adam(sizes(*TWO), lr=copy.copy(saved))
    assert compare_checkpoint(same, state).advice == []


def test_of_several_optimizers_in_a_checkpoint_the_one_that_fits_is_taken():
    generator, judge = ((1, 2), (3, 4)), ((5, 6),)
    one, other = (stepped(MADE["Adam"](sizes(*some))).state_dict() for some in (generator, judge))
    both = {"opt_g": one, "opt_d": other}
    for file, code in (
        (both, "state_dict = state_dict['opt_d']"),
        ({"list": [one, other]}, "state_dict = state_dict['list'][1]"),
        ({"optimizer_states": [other]}, "state_dict = state_dict['optimizer_states'][0]"),
    ):
        found = compare_checkpoint(MADE["Adam"](sizes(*judge)), file)
        assert (found.code, found.advice[0].enough) == (code, True)
    for file, fits in (({"a": other, "b": other}, True), ({"a": one, "b": one}, False)):
        step, *_ = compare_checkpoint(MADE["Adam"](sizes(*judge)), file).advice
        assert (step.kind, step.is_remark, step.enough) == ("nested", True, fits)
        assert "under ['a'], ['b']. Which one is meant, only you can say" in step.words


def test_positions_that_became_text_give_their_memory_to_no_parameter():
    state = stepped(MADE["Adam"](sizes(*TWO))).state_dict()
    as_text = {**state, "state": {str(key): one for key, one in state["state"].items()}}
    found = compare_checkpoint(MADE["Adam"](sizes(*TWO)), as_text)
    assert found.loads is False and found.unexpected == ["state['0']", "state['1']"]
    step = found.advice[0]
    assert (step.kind, step.is_remark) == ("positions", True)
    exec(uncommented(step.code), space := {"state_dict": as_text})
    assert compare_checkpoint(MADE["Adam"](sizes(*TWO)), space["state_dict"]).loads


def test_memory_that_a_step_does_not_read_is_named_as_the_reason():
    state = stepped(torch.optim.NAdam(sizes(*TWO))).state_dict()
    found = compare_checkpoint(MADE["Adam"](sizes(*TWO)), state)
    assert found.loads is False and found.unexpected[0] == "state[0]['mu_product']"
    assert "memory that no step of this optimizer reads, as state[0]['mu_product']" in (
        found.advice[0].words
    )


def test_groups_are_compared_by_number_size_and_name():
    params = sizes(*TWO)
    state = MADE["Adam"](params).state_dict()
    optimizer = MADE["Adam"]([{"params": [one]} for one in params])
    found = compare_checkpoint(optimizer, state)
    assert found.mismatched[:2] == [
        ("param_groups", (2,), (1,)),
        ("param_groups[0]['params']", (1,), (2,)),
    ]
    assert found.errors == [f"ValueError: {load_words(optimizer, state)}"]


def test_other_names_at_a_position_are_told_where_torch_knows_names():
    one, other = nn.Linear(1, 1), nn.Linear(1, 1)
    try:
        saved = MADE["Adam"](list(one.named_parameters())[::-1]).state_dict()
    except TypeError:
        pytest.skip("this torch takes no names")
    found = compare_checkpoint(MADE["Adam"](other.named_parameters()), saved)
    assert not found.loads and found.mismatched == [
        ("param_groups[0]['param_names'][0]", "weight", "bias"),
        ("param_groups[0]['param_names'][1]", "bias", "weight"),
    ]


def load_words(optimizer: torch.optim.Optimizer, state: dict) -> str:
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_dict(copy.deepcopy(state))
    return str(caught.value)


def test_a_whole_checkpoint_for_an_optimizer_and_what_is_none():
    model = nn.Linear(2, 3)
    state = stepped(torch.optim.Adam(model.parameters())).state_dict()
    found = compare_checkpoint(torch.optim.Adam(model.parameters()), {"a": {"optimizer": state}})
    assert not found.loads and [(step.kind, step.enough) for step in found.advice] == [
        ("nested", True)
    ]
    assert found.code == "state_dict = state_dict['a']['optimizer']"
    found = compare_checkpoint(torch.optim.Adam(model.parameters()), model.state_dict())
    assert not found.loads and [step.kind for step in found.advice] == ["other"]
    assert found.errors == ["KeyError: 'param_groups'"]


def test_an_optimizer_with_a_step_of_its_own_cannot_be_foretold_and_does_not_run():
    class Own(torch.optim.Adam):
        def step(self, closure=None):
            raise SystemExit("a method of the learner's ran")

    params = sizes(*TWO)
    state = stepped(MADE["Adam"](params)).state_dict()
    found = compare_checkpoint(Own(sizes(*TWO)), state)
    assert found.loads is None and found.doubts == ["Own has step of its own"]
    (said,) = CheckpointTable(found).fit["said"]
    assert said.startswith("Own: cannot be foretold, because Own")


# --- where each tensor of a file goes ------------------------------------------------------------


class Encoder(nn.Module):
    """Layers of equal shapes under numbers, with a BatchNorm and a part that is called `module`."""

    def __init__(self):
        super().__init__()
        self.embed, self.module = nn.Embedding(7, 4), nn.Linear(2, 3)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"norm1": nn.LayerNorm(4), "attn": nn.MultiheadAttention(4, 2)})
            for _ in range(3)
        )
        self.norm, self.head = nn.BatchNorm1d(4), nn.Linear(4, 5)


def unlike(seed: int) -> nn.Module:
    """An Encoder in which no two tensors have the same numbers."""
    torch.manual_seed(seed)
    model = Encoder()
    with torch.no_grad():
        for place, one in enumerate((*model.parameters(), *model.buffers())):
            one.copy_(torch.rand(one.shape) + place if one.is_floating_point() else place)
    return model


def behind(part: str, more: str):
    def change(key: str) -> str:
        return key.replace(f"{part}.", f"{part}.{more}.", 1) if key.startswith(f"{part}.") else key

    return change


def with_dots(key: str) -> str:
    return re.sub(r"([a-z])(\d)\.", r"\1.\2.", key)


CHANGES = {
    "prefix": "model.{}".format,
    "wrapped": "module._orig_mod.{}".format,
    "wrapped inside": behind("blocks", "_orig_mod"),
    "wrapped head": behind("head", "module"),
    "numbers": with_dots,
    "renamed": lambda key: re.sub("^embed", "tokens", key),
}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=4), st.booleans(), st.booleans())
def test_whatever_happened_to_the_names_each_tensor_goes_where_it_came_from(made, turned, nested):
    saved = unlike(1).state_dict()
    given_ = dict(saved)
    if turned:
        given_["head.weight"] = saved["head.weight"].t()
    for change in made:
        given_ = {CHANGES[change](key): value for key, value in given_.items()}
    given_ = {"epoch": 3, "model": given_} if nested else given_
    module = unlike(2)
    found = compare_checkpoint(module, given_)
    ready = applied(module, given_, found.code)
    there = load(module, ready, strict=True)[1] == ""
    assert there == (found.advice[-1].enough if found.advice else found.loads)
    if there:
        for key, value in module.state_dict().items():
            assert torch.equal(value, saved[key]), key
    else:  # two wrappers and a prefix in turns may be too much; then nothing is put elsewhere
        for key, value in ready.items():
            if key in saved and isinstance(value, torch.Tensor) and value.shape == saved[key].shape:
                assert torch.equal(value, saved[key]), key


# --- one tensor of the model, several of the file ------------------------------------------------


class Words(nn.Module):
    """A table of words and a head; `tied`: one tensor."""

    def __init__(self, tied: bool):
        super().__init__()
        self.embed, self.head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        if tied:
            self.head.weight = self.embed.weight


def shares(count: int, shared: bool) -> nn.Module:
    """Layers of which all are one, or each is its own."""
    first = nn.Linear(2, 2)
    return nn.ModuleList(first if shared else nn.Linear(2, 2) for _ in range(count))


@pytest.mark.parametrize(
    ("make", "first", "last"),
    [(Words, "embed.weight", "head.weight"), (lambda one: shares(3, one), "0.weight", "2.weight")],
)
def test_of_two_tensors_for_one_it_is_said_which_stays(make, first, last):
    model, saved = make(True), make(False).state_dict()
    found = compare_checkpoint(model, saved)
    assert found.loads and found.verdict.startswith(f"loads strictly, but {found.doubts[0]}")
    assert f"the last, {last!r}, stays" in found.doubts[0] and "differ in the file" in found.verdict
    (step,) = found.advice
    assert step.is_remark and "in the file they differ" in step.words
    assert f"the last, {last!r}, stays" in step.words and step.tried.fit.doubts == []
    model.load_state_dict(saved)
    assert torch.equal(model.state_dict()[first], saved[last])  # so it is
    assert not torch.equal(saved[first], saved[last])
    model.load_state_dict(applied(model, saved, uncommented(step.code)))
    assert torch.equal(model.state_dict()[last], saved[first])


@pytest.mark.parametrize(
    "change",
    [
        dict,
        copy.deepcopy,
        lambda saved: {key: one.clone() for key, one in saved.items()},
        lambda saved: {f"module.{key}": one.clone() for key, one in saved.items()},
        lambda saved: {"model": {key: one.clone() for key, one in saved.items()}},
        lambda saved: {"model": Words(True), "epoch": 3},
        lambda saved: {key: one.t() for key, one in saved.items()},
        lambda saved: {key: one.clone().t() for key, one in saved.items()},
    ],
)
def test_one_tensor_that_is_twice_in_the_file_is_no_doubt(change):
    found = compare_checkpoint(Words(True), change(Words(True).state_dict()))
    last = found.advice[-1].tried.fit if found.advice else found
    assert "one of several" not in [step.kind for step in found.advice]
    assert (last.loads, last.doubts) == (found.loads or True, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.double() if one.sum() > 0 else one,
        lambda one: one.to_sparse(),
        lambda one: one.clone().as_subclass(Ours),
    ],
)
def test_what_cannot_be_compared_may_differ(change):
    saved = Words(True).state_dict()
    saved = {
        "embed.weight": saved["embed.weight"].abs(),
        "head.weight": change(saved["head.weight"].abs()),
    }
    found = compare_checkpoint(Words(True), saved)
    (step,) = found.advice
    assert step.kind == "one of several" and "in the file they may differ" in step.words


def test_on_meta_two_tensors_may_differ_and_one_does_not():
    model, other = on_meta(lambda: Words(True)), on_meta(lambda: Words(False))
    assert "may differ in the file" in compare_checkpoint(model, other.state_dict()).verdict
    assert compare_checkpoint(model, model.state_dict()).verdict == "loads strictly"


def test_two_tensors_are_compared_only_up_to_a_size(monkeypatch):
    saved = {key: one.clone() for key, one in Words(True).state_dict().items()}
    assert compare_checkpoint(Words(True), saved).verdict == "loads strictly"
    monkeypatch.setattr(originals, "_CHEAP", 10)
    assert "may differ in the file" in compare_checkpoint(Words(True), saved).verdict


def test_a_class_that_sees_to_its_two_tensors_itself_is_not_warned():
    class Sees(Words):
        def _load_from_state_dict(self, *arguments):
            super()._load_from_state_dict(*arguments)

    found = compare_checkpoint(Sees(True), Words(False).state_dict())
    assert found.loads is None and found.advice == []


def test_a_count_that_torch_fills_in_for_one_of_two_names_is_no_tensor_of_the_file():
    model = nn.ModuleList([nn.BatchNorm1d(2), nn.BatchNorm1d(2)])
    model[1].num_batches_tracked = model[0].num_batches_tracked
    given_ = {
        key: value for key, value in model.state_dict().items() if not key.startswith("1.num")
    }
    found = compare_checkpoint(model, given_)  # a plain dict says nothing of versions
    assert found.loads and not found.doubts and model.load_state_dict(given_)


def test_what_may_be_the_other_of_two_is_neither_lost_nor_put_over_the_first():
    """An embedding under another name, of a file in which it is apart from the head."""
    saved = Words(False).state_dict()
    given_ = renamed(saved, ("embed", "tok"))
    found = compare_checkpoint(Words(True), given_)
    assert [step.kind for step in found.advice] == ["tied"] and found.advice[0].is_remark
    assert "not lacking" not in found.advice[0].words and "'tok.weight'" in found.advice[0].words
    assert not any(step.enough for step in found.advice)

    # Of the same numbers it is the same once more; and what has a place of its own goes there.
    alike = {"tok.weight": saved["head.weight"].clone(), "head.weight": saved["head.weight"]}
    assert not compare_checkpoint(Words(True), alike).advice[0].is_remark
    model = Words(True)
    model.more = nn.Linear(4, 7, bias=False)
    given_ = {"embed.weight": saved["embed.weight"], "extra.weight": saved["head.weight"]}
    found = compare_checkpoint(model, given_)
    assert [(step.kind, step.enough) for step in found.advice] == [
        ("renamed", False),
        ("tied", True),
    ]
    model.load_state_dict(applied(model, given_, found.code))
    assert torch.equal(model.embed.weight, saved["embed.weight"])
    assert torch.equal(model.more.weight, saved["head.weight"])


# --- buffers that may have been learned ----------------------------------------------------------


class Holds(nn.Module):
    """These buffers alone."""

    def __init__(self, buffers: Mapping[str, torch.Tensor]):
        super().__init__()
        for name, value in buffers.items():
            self.register_buffer(name, value)


def holding(buffers: Mapping[str, torch.Tensor]) -> nn.Module:
    return nn.ModuleDict({"line": nn.Linear(2, 2), "part": Holds(buffers)})


LEARNED = {
    "codebook": torch.randn(8, 4),
    "cluster_size": torch.zeros(8),
    "mean": torch.zeros(4),
    "std": torch.ones(4),
    "centroids": torch.randn(8, 4),
    "anchors": torch.randn(8, 4),
    "position_table": torch.randn(8, 4),
    "permutation": torch.randperm(8),  # a flow cannot be undone with another
    "initialized": torch.tensor(False),  # with False, the next call makes the codes anew
    "freqs": torch.randn(8, 4),  # of a Fourier embedding
}
COMPUTED = {
    "position_ids": torch.arange(8),
    "relative_position_index": torch.arange(16).view(8, 2),
    "attn_mask": torch.ones(8, 8),
    "inv_freq": torch.ones(8),
    "freqs_cis": torch.ones(8, 2),
    "anchor_index": torch.arange(8),
}


@pytest.mark.parametrize("name", LEARNED)
def test_a_buffer_that_may_have_been_learned_is_kept_only_if_the_reader_says_so(name):
    model = holding({name: LEARNED[name]})
    (step,) = compare_checkpoint(model, without(model.state_dict(), f"part.{name}")).advice
    assert step.is_remark and not step.enough and step.tried.fit.loads
    assert "not if it was learned, counted or drawn" in step.words
    larger = torch.cat([LEARNED[name]] * 2) if LEARNED[name].ndim else torch.zeros(3, 1)
    found = compare_checkpoint(model, holding({name: larger}).state_dict())
    assert [(step.kind, step.is_remark, step.enough) for step in found.advice] == [
        ("table", True, False)
    ]


@pytest.mark.parametrize("name", COMPUTED)
def test_a_buffer_that_is_computed_by_its_name_is_kept(name):
    model = holding({name: COMPUTED[name]})
    (step,) = compare_checkpoint(model, without(model.state_dict(), f"part.{name}")).advice
    assert (step.kind, step.is_remark, step.enough) == ("persistent", False, True)
    larger = holding({name: torch.cat([COMPUTED[name]] * 2)}).state_dict()
    (step,) = compare_checkpoint(model, larger).advice
    assert (step.kind, step.is_remark, step.enough) == ("table", False, True)


class Masked(nn.Module):
    """A mask that is drawn when it is built, or counted out."""

    def __init__(self, draws):
        super().__init__()
        self.line = nn.Linear(2, 2)
        self._draw() if draws else None

    def _draw(self):
        self.register_buffer("mask", torch.rand(4) > 0.5)
        self.register_buffer("position_ids", torch.arange(4))


class CountedOut(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.arange(4) > 1)
        self.line = nn.Linear(2, 2)


def test_what_its_class_may_draw_at_random_is_kept_only_if_the_reader_says_so():
    drawn = Masked(True)
    steps = compare_checkpoint(drawn, Masked(False).state_dict()).advice
    assert [(step.words[:8], step.is_remark) for step in steps] == [
        ("'positio", False),
        ("'mask' i", True),
    ]
    (step,) = compare_checkpoint(CountedOut(), without(CountedOut().state_dict(), "mask")).advice
    assert not step.is_remark and step.enough


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.InstanceNorm1d])
def test_the_count_of_a_norm_is_kept_where_it_does_not_read_it(kind):
    for momentum in (0.1, None):
        norms = [
            nn.Sequential(kind(3, momentum=momentum, track_running_stats=True)) for _ in range(2)
        ]
        saved = without(norms[0].state_dict(), "0.num_batches_tracked")
        saved._metadata = norms[0].state_dict()._metadata  # else torch fills it in
        (step,) = compare_checkpoint(norms[1], saved).advice
        assert (step.kind, step.is_remark) == ("persistent", momentum is None)


def test_of_several_buffers_that_are_lacking_the_computed_ones_alone_are_kept():
    model = holding({**LEARNED, **COMPUTED})
    saved = nn.ModuleDict({"line": nn.Linear(2, 2)}).state_dict()
    computed, learned = compare_checkpoint(model, saved).advice
    assert computed.words.startswith(
        "'part.position_ids' and 5 more are buffers that were not saved"
    )
    assert learned.is_remark and learned.words.startswith("'part.codebook' and 9 more are buffers")
    given_ = applied(model, saved, computed.code)
    assert {key.removeprefix("part.") for key in given_ if key.startswith("part.")} == {*COMPUTED}


# --- slots that are made for the file ------------------------------------------------------------


def square(bias: bool, layer: type = nn.Linear) -> nn.Module:
    return nn.Sequential(layer(3, 3, bias=bias), nn.BatchNorm1d(3, affine=bias))


@pytest.mark.parametrize("precision", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_new_slot_is_as_what_stands_beside_it_whatever_the_file_was_saved_in(precision, frozen):
    model, saved = square(False).to(precision), square(True).half().state_dict()
    model.requires_grad_(not frozen)
    found = compare_checkpoint(model, saved)
    assert [(step.kind, step.enough) for step in found.advice] == [("empty slot", True)]
    model.load_state_dict(applied(model, saved, found.code))
    assert {one.dtype for one in model.parameters()} == {precision}
    assert [one.requires_grad for one in model.parameters()] == [not frozen] * 4
    assert model.eval()(torch.ones(2, 3, dtype=precision)).dtype == precision


def test_a_new_slot_takes_after_its_own_layer_and_a_count_stays_a_count():
    class Tracks(nn.Module):
        def __init__(self, tracked):
            super().__init__()
            self.line = nn.Linear(2, 2).double()
            for name, one in {"mean": torch.ones(2), "count": torch.tensor(3)}.items():
                self.register_buffer(name, one if tracked else None)

    model = nn.ModuleList([square(False).requires_grad_(False), Tracks(False)])
    given_ = nn.ModuleList([square(True), Tracks(True)]).half().state_dict()
    found = compare_checkpoint(model, given_)
    assert [step.kind for step in found.advice] == ["empty slot", "empty slot"]
    model.load_state_dict(applied(model, given_, found.code))
    assert not model[0][0].bias.requires_grad and model[1].line.bias.requires_grad
    assert (model[1].mean.dtype, model[1].count.dtype) == (torch.float64, torch.int64)
    assert model[1].count == 3


def test_a_norm_alone_gets_a_weight_that_is_trained_in_the_precision_of_its_statistics():
    model, saved = nn.BatchNorm1d(3, affine=False), nn.BatchNorm1d(3).half().state_dict()
    model.load_state_dict(applied(model, saved, compare_checkpoint(model, saved).code))
    assert model.weight.dtype == torch.float32 and model.weight.requires_grad
    model, saved = nn.LayerNorm(3, elementwise_affine=False), nn.LayerNorm(3).half().state_dict()
    model.load_state_dict(applied(model, saved, compare_checkpoint(model, saved).code))
    assert model.weight.requires_grad  # of what nothing is beside: as the file has it


def test_a_memory_that_grows_keeps_its_precision():
    model, saved = Grown(), Grown().see().half().state_dict()
    model.load_state_dict(applied(model, saved, compare_checkpoint(model, saved).code))
    assert model.seen.dtype == torch.float32 and model.see().seen.shape == (6, 2)


@pytest.mark.parametrize("sizes", [({}, {"kdim": 4, "vdim": 5}), ({"kdim": 3, "vdim": 3}, {})])
def test_a_slot_that_an_attention_would_not_read_is_not_filled(sizes):
    model, saved = (nn.MultiheadAttention(4, 2, **one) for one in sizes)
    for layer, file in ((model, saved), (nn.ModuleList([model]), nn.ModuleList([saved]))):
        (step, *rest) = compare_checkpoint(layer, file.state_dict()).advice
        assert step.is_remark and not step.enough and not rest
        assert "Build it with the kdim and the vdim" in step.words
    bare = nn.MultiheadAttention(4, 2, bias=False)
    full = nn.MultiheadAttention(4, 2)
    nn.init.normal_(full.in_proj_bias)
    bare.load_state_dict(
        applied(bare, full.state_dict(), compare_checkpoint(bare, full.state_dict()).code)
    )
    x = torch.randn(2, 1, 4)
    assert torch.equal(bare(x, x, x)[0], full(x, x, x)[0])  # this one it does read


class Builds(nn.Module):
    """Methods that make a Parameter, a buffer, both, or what only another function knows."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(1, 1)

    def both(self):
        self.gain = nn.Parameter(torch.ones(3))
        self.register_buffer("running", torch.zeros(3))

    def one(self):
        self.weight = nn.Parameter(torch.ones(3))

    def other(self):
        self.counts = nn.Buffer(torch.ones(3))

    def unknown(self):
        self.scale = made_elsewhere()


def made_elsewhere() -> nn.Parameter:
    return nn.Parameter(torch.ones(3))


@pytest.mark.parametrize(
    ("method", "sure"), [("both", False), ("unknown", False), ("one", True), ("other", True)]
)
def test_what_a_method_makes_is_made_for_it_only_where_its_kind_is_clear(method, sure):
    saved, model = Builds(), Builds()
    getattr(saved, method)()
    found = compare_checkpoint(model, saved.state_dict())
    assert all(step.kind == "first use" and step.is_remark is not sure for step in found.advice)
    assert found.advice[-1].enough is sure
    exec(found.code, {"state_dict": saved.state_dict(), "module": model})
    if not sure:
        assert list(model.state_dict()) == ["line.weight", "line.bias"]
        getattr(model, method)()  # as the remark says
    assert {*dict(model.named_parameters())} == {*dict(saved.named_parameters())}
    assert model.load_state_dict(saved.state_dict())


def plain_decorator(function):
    def wrapped(self, *arguments):
        return function(self, *arguments)

    return wrapped


class Rotary(nn.Module):
    """Buffers of a size that the constructor gets, made by a method of its own."""

    def __init__(self, length):
        super().__init__()
        self.line = nn.Linear(2, 2)
        self._prepare(length)

    def _prepare(self, length):
        [getattr(self, name)(length) for name in ("_set_tables",)]

    def _set_tables(self, length):
        self.register_buffer("cos_cached", torch.arange(length * 2.0).view(length, 2).cos())
        self.register_buffer("held", torch.zeros(length))


class Decorated(Rotary):
    @plain_decorator
    def __init__(self, length):
        super().__init__(length)


class FromAround(nn.Module):
    """Its buffers are made by the constructor of the module around it."""

    def set_tables(self, length):
        self.register_buffer("cos_cached", torch.zeros(length, 2))
        self.register_buffer("held", torch.zeros(length))


class Around(nn.Module):
    def __init__(self, length):
        super().__init__()
        self.line, self.part = nn.Linear(2, 2), FromAround()
        self.part.set_tables(length)


@pytest.mark.parametrize("made", [Rotary, Decorated, Around])
def test_a_size_that_a_constructor_sets_through_another_method_is_not_said_to_come_from_use(made):
    module, saved = made(6), made(3).state_dict()
    steps = compare_checkpoint(module, saved).advice
    assert [(step.kind, step.is_remark) for step in steps] == [("table", False), ("table", True)]
    exec(steps[0].code, space := {"state_dict": saved, "module": module})
    kept = next(key for key in saved if key.endswith("cos_cached"))
    assert len(space["state_dict"][kept]) == 6 and len(module.state_dict()[kept]) == 6


class Optionally(nn.Module):
    def __init__(self, more):
        super().__init__()
        self.line = nn.Linear(2, 2)
        if more:
            self._add()

    def _add(self):
        self._add_places()

    def _add_places(self):
        self.places = nn.Parameter(torch.randn(3, 2))


def test_what_a_constructor_makes_through_another_method_is_not_put_into_a_model_without_it():
    module = Optionally(False)
    (step,) = compare_checkpoint(module, Optionally(True).state_dict()).advice
    assert (step.kind, step.is_remark, step.enough) == ("first use", True, False)
    assert "Optionally._add_places sets 'places' under some option" in step.words


# --- what is no state of an optimizer, and what its positions do not tell ------------------------


GROUP = {"lr": 0.1, "params": [0, 1]}


@pytest.mark.parametrize(
    "state",
    [
        {"state": {}, "param_groups": 3},
        {"state": {}, "param_groups": None},
        {"state": {}, "param_groups": [{"lr": 0.1}]},
        {"state": {}, "param_groups": [{"params": 4}]},
        {"state": {}, "param_groups": [{"params": [[0], {}]}]},
        {"state": {}, "param_groups": [[0, 1]]},
        {"state": None, "param_groups": [GROUP]},
        {"state": [], "param_groups": [GROUP]},
        {"state": {0: None, 1: {}}, "param_groups": [GROUP]},
        {"param_groups": [GROUP]},
    ],
)
def test_what_only_looks_like_the_state_of_an_optimizer_is_told_as_none(state):
    optimizer = MADE["Adam"](sizes(*TWO))
    with pytest.raises((TypeError, KeyError, AttributeError, ValueError)):
        optimizer.load_state_dict(state)
        stepped(optimizer)
    found = compare_checkpoint(MADE["Adam"](sizes(*TWO)), state)
    assert found.loads is False and found.verdict == "does not fit"
    (step,) = found.advice
    assert (step.kind, step.enough, step.is_remark) == ("other", False, True)
    assert not compare_checkpoint(MADE["Adam"](sizes(*TWO)), {"optimizer": state}).loads
    assert CheckpointTable(found).fit["said"]


def test_of_parameters_of_one_shape_it_is_said_that_their_order_is_not_seen():
    params = sizes((3,), (2, 2), (3,))
    state = stepped(MADE["Adam"](params)).state_dict()
    found = compare_checkpoint(MADE["Adam"](params[::-1]), state)
    (step,) = found.advice
    assert found.loads and (step.kind, step.enough, step.is_remark) == ("order", True, True)
    assert "those at 0 and 2 have one shape" in step.words

    fresh = MADE["Adam"](params).state_dict()  # no memory to be mistaken
    assert compare_checkpoint(MADE["Adam"](params), fresh).advice == []
    apart = stepped(MADE["Adam"](sizes(*TWO))).state_dict()  # two shapes tell it
    assert compare_checkpoint(MADE["Adam"](sizes(*TWO)), apart).advice == []
    named = list(zip("abc", params, strict=True))
    try:
        state = stepped(MADE["Adam"](named)).state_dict()
    except TypeError:
        pytest.skip("this torch takes no names")
    assert compare_checkpoint(MADE["Adam"](named), state).advice == []


def of_several() -> Iterator[tuple[str, tuple[object, object]]]:
    """Cases to tell word for word, of what may be two, learned, idle, or in another order."""
    torch.manual_seed(0)
    yield "two for one", (Words(True), Words(False).state_dict())
    yield "several for one", (shares(3, True), shares(3, False).state_dict())
    yield (
        "two on meta for one",
        (on_meta(lambda: Words(True)), on_meta(lambda: Words(False)).state_dict()),
    )
    yield "the other of two", (Words(True), renamed(Words(False).state_dict(), ("embed", "tok")))
    learned = holding({"mean": torch.ones(2), "std": torch.ones(2)})
    yield "learned buffers", (learned, without(learned.state_dict(), "part.mean", "part.std"))
    yield "computed buffers", (holding(COMPUTED), holding({}).state_dict())
    sizes_of = {"kdim": 4, "vdim": 5}
    here, there = nn.MultiheadAttention(4, 2), nn.MultiheadAttention(4, 2, **sizes_of)
    yield "three weights for one", (here, there.state_dict())
    yield "one weight for three", (there, here.state_dict())
    built = Builds()
    built.both()
    yield "both kinds at once", (Builds(), built.state_dict())
    alike = stepped(MADE["Adam"](sizes((2,), (2,)))).state_dict()
    yield "an optimizer of one shape", (MADE["Adam"](sizes((2,), (2,))), alike)
    yield "no state of an optimizer", (MADE["Adam"](sizes((2,))), {"state": {}, "param_groups": 3})


def test_a_tensor_that_an_advice_makes_is_on_no_other_device():
    class Recall(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.empty(0, 2))

        def forward(self, x):
            self.seen = torch.cat([self.seen, x])
            return self.seen.mean(0)

    used = Recall()
    used(torch.ones(3, 2))
    found = compare_checkpoint(Recall(), used.state_dict())
    (step,) = found.advice
    assert step.tried.fit.loads and step.tried.fit.devices == step.tried.fit.dtypes == []
    half = {key: one.half() for key, one in nn.Linear(2, 2).state_dict().items()}
    (note,) = CheckpointTable(compare_checkpoint(nn.Linear(2, 2), half)).fit["notes"][0]
    assert note == "Tensors that a load converts to what the model has: the dtype of 2."
