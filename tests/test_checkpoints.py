"""A checkpoint compared before it is loaded: torch's real load is the oracle, each advice is
applied and loaded.
"""

from __future__ import annotations

import copy
import gc
import json
import pathlib
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Mapping

import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from torch import nn

from helpers import CheckpointTable, Comparison, Mismatch, compare_checkpoint
from helpers.views.checkpoint_table import STATES
from tests.html_page import Page
from tests.modules import NAMES, database, fingerprint, hostile_module, modules

WIDGET = "application/vnd.jupyter.widget-view+json"


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
        words = "size mismatch for {}: copying a param with shape {} from checkpoint, the shape in current model is {}."
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
    "renamed and transposed": (
        mixed,
        lambda: {
            **without(old_checkpoint(), "stem.weight"),
            "first.weight": mixed(1).stem.weight.t(),
        },
        ["renamed", "transposed"],
    ),
    "now non-persistent": (
        mixed,
        lambda: {**old_checkpoint(), "mask": torch.zeros(6)},
        ["non-persistent"],
    ),
    "now persistent": (mixed, lambda: without(old_checkpoint(), "scale"), ["persistent"]),
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
    (step,) = compare_checkpoint(model, state_dict).advice
    assert (step.kind, step.enough) == ("prefix", False)
    answer = model.load_state_dict(applied(model, state_dict, step.code), strict=False)
    assert answer.missing_keys == ["head.weight", "head.bias"] and answer.unexpected_keys == []


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
    assert found.loads is None and found.verdict.startswith("cannot be foretold, because Own at '0' ")


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
            "got 'model.pt': read the file first: torch.load(path, map_location='cpu', weights_only=True)",
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


def faces(view: CheckpointTable) -> dict:
    return view._repr_mimebundle_()[0]


def halfway() -> Comparison:
    """One key in each state but "refused", and advice."""
    state_dict = renamed(without(old_checkpoint(), "body.0.weight"), ("stem.", "first."))
    state_dict |= {"body.2.weight": torch.zeros(9, 9), "scale": torch.zeros(7, dtype=torch.float16)}
    del state_dict["norm.num_batches_tracked"]
    return compare_checkpoint(mixed(), state_dict)


def test_the_table_has_three_faces_the_same_every_time():
    first, second = (faces(CheckpointTable(halfway())) for _ in range(2))
    assert set(first) == {"text/plain", "text/html", WIDGET}
    assert first["text/plain"] == (
        "CheckpointTable: Module: does not load strictly; 1 mismatched, 3 missing, "
        "2 unexpected, 1 passed over, 6 matched."
    )
    assert first.pop(WIDGET) != second.pop(WIDGET)
    assert first == second


def test_the_table_has_a_row_for_each_key_and_both_sides_of_it():
    found = halfway()
    rows = CheckpointTable(found).table["rows"]
    assert {row["key"] for row in rows} == {*found.expected, *found.found} and len(rows) == 13
    order = [row["state"] for row in rows]
    assert order == sorted(order, key=list(STATES).index) and order[0] == "mismatched"
    there = {row["key"]: (row["state"], row["model"], row["checkpoint"]) for row in rows}
    assert there["body.2.weight"] == ("mismatched", "4 × 5, float32", "9 × 9, float32")
    assert there["stem.bias"] == ("missing", "3, float32", "–")
    assert there["first.bias"] == ("unexpected", "–", "3, float32")
    assert there["norm.num_batches_tracked"] == ("silent", "scalar, int64", "–")
    assert there["scale"] == ("matched", "7, float32", "7, float16")
    refused = CheckpointTable(
        compare_checkpoint(nn.Linear(1, 1), {"weight": 3, "bias": torch.ones(1)})
    ).table
    assert refused["rows"][0] == {
        "key": "weight",
        "state": "refused",
        "model": "1 × 1, float32",
        "checkpoint": "int",
    }
    assert refused["notes"][0].startswith("torch says: While copying the parameter")


def test_the_static_face_is_a_table_with_the_advice_and_folds_what_matches():
    found = halfway()
    page = Page(faces(CheckpointTable(found))["text/html"])
    assert page.unclosed == []
    assert {tag for tag, _ in page.tags} <= {
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "span",
        "pre",
        "details",
        "summary",
    }
    assert not any(
        "var(" in attributes.get("style", "") for _, attributes in page.tags
    )  # dropped before trust
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
    done = faces(CheckpointTable(compare_checkpoint(mixed(), old_checkpoint())))
    assert (
        "loads strictly; 11 matched" in done["text/plain"]
        and "details" in done["text/html"]
    )


def test_a_large_table_is_cut_and_counted():
    large = nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(1500)))
    view = CheckpointTable(compare_checkpoint(large, {}))
    assert (len(view.table["rows"]), view.table["more"]) == (2000, 1000)
    page = Page(faces(view)["text/html"])
    assert (
        len([tag for tag, _ in page.tags if tag == "tr"]) == 1 + 60
        and "… and 2,940 more keys" in page.words
    )
    some = {f"x{key}": value for key, value in large.state_dict().items()}
    assert len(faces(CheckpointTable(compare_checkpoint(large, some)))["text/html"]) < 60_000


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
    shown = faces(CheckpointTable(found))
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
    assert sent == {"table", "signs"}
    json.dumps(view.table)
    assert "innerHTML" not in view._esm and "http" not in view._esm and ".inm-fit " in view._css


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
    told = CheckpointTable(compare_checkpoint(on_meta(mixed), old_checkpoint())).table["notes"]
    assert any("With assign=True" in note for note in told)
    for module, state_dict in (
        (mixed(), old_checkpoint()),
        (on_meta(mixed), on_meta(old_checkpoint)),
    ):
        assert CheckpointTable(compare_checkpoint(module, state_dict)).table["notes"] == []


@pytest.mark.parametrize(
    "state_dict", [{}, {"a": [old_checkpoint()]}, {"scal": 3}]
)
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
    page = Page(faces(CheckpointTable(halfway()))["text/html"])
    styles = [attributes["style"] for tag, attributes in page.tags if tag == "pre"]
    assert styles and all("font-family:monospace" in style for style in styles)
