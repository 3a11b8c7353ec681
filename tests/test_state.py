"""The room of state: what a module holds, its map, and who sees it, with torch as the judge."""

from __future__ import annotations

import copy
import gc
import json
import re
import subprocess
import sys
import threading
import warnings
import weakref
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from itertools import product
from types import FunctionType

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils import prune
from torch.utils._python_dispatch import TorchDispatchMode

from helpers import ParameterWays, StateMap, VisibilityTable
from helpers.state import portions, tree, walk
from helpers.state.class_rules import REACHING, SEEING
from helpers.state.objects import (
    COLLECTIONS,
    brief,
    clip,
    contents,
    facts,
    message_of,
    preview,
    tensor_in_words,
)
from helpers.state.own_rules import Untold, own_rules
from helpers.state.snapshot import Entry, snapshot
from helpers.state.torch_private import MOVE_ONE, SAVE_ONE
from helpers.state.totals import census, totals
from helpers.state.visibility import Seen, Sight, experiment, seen_tensors, visibility
from helpers.state.ways import WAYS, Ways, ways
from helpers.views import visibility_table
from tests.html_page import WIDGET, Page, assert_safe, faces_of
from tests.modules import (
    NAMES,
    Hostile,
    HostileModule,
    LongRepr,
    database,
    fingerprint,
    hostile_module,
    modules,
    reader,
    untouched,
)
from tests.told import assert_told

# --- word for word ---


def odd_module() -> nn.Module:
    """One of each that an instrument tells in a way of its own."""
    model = nn.Sequential(OrderedDict(first=nn.Linear(3, 4), norm=nn.BatchNorm1d(4)))
    model.tied = nn.Linear(3, 4, bias=False)
    model.tied.weight = model.first.weight
    model.lazy, model.same, model.nothing = nn.LazyLinear(2), model.norm, None
    model.add_module("empty", None)
    model.register_buffer("mask", torch.ones(200, dtype=torch.bool), persistent=False)
    model.register_buffer("gone", None)
    model.register_buffer("sparse", torch.eye(3).to_sparse())
    model.far = nn.Linear(2, 1, device="meta", dtype=torch.float16)
    model.far.requires_grad_(False)
    model.cache = {"k": [torch.zeros(2), (torch.zeros(()),)], 7: {"deep": model.far.bias}}
    model.words, model.many, model.number = "a\n" * 90, list(range(300)), 3.25
    model.numbers = torch.arange(12.0).reshape(3, 4)
    model.twist = torch.tensor([1 + 2j, float("nan")])
    object.__setattr__(model.tied, "above", model)
    model.tied._modules["again"] = model
    return model


def told_of(module: nn.Module) -> Iterator[str]:
    """All that this room says of a module."""
    found = snapshot(module)
    yield f"    {found!r} {found.totals}"
    yield from (f"    {tuple(one)}" for one in (*found.entries, *found.empty))
    yield f"    shared {found.shared} repeats {sorted(found.repeats)}"
    yield from (f"    {one}" for one in portions.portions_of(module, census(module)))
    opened = tree.opened(module, 40, 9)
    yield from (f"    {one}" for one in opened.rows)
    yield f"    {opened.children} {opened.whole}"
    for row in opened.rows:
        about = tree.about(module, row.id, row.path)
        shown = tree.preview_at(module, row.id, row.path) if row.tensor else ""
        yield f"    {row.id} {about} {shown!r}"
    for start, count in ((0, 2), (2, 3), (9, 99)):
        yield f"    {tree.children(module, '', '', start, count)}"
    index = tree.Index(module)
    for wanted, limit in (("", 3), ("WEIGHT", 2), ("norm.", 9), ("nowhere", 1)):
        yield f"    {index.matches(wanted, limit)}"


def test_modules_are_told_word_for_word_as_they_were_read():
    torch.manual_seed(0)
    lines = ["odd", *told_of(odd_module())]
    for make in (reader, hostile_module, nn.Module, lambda: nn.Module.__new__(nn.Module)):
        lines += [getattr(make, "__name__", ""), *told_of(make())]
    model = reader()
    lines += [*map(str, visibility(model)), f"{own_rules(model)}", f"{ways(model)}"]
    lines += [f"{ways(nn.Sequential(model, model), most=2)}"]
    assert_told("state", lines)


# --- what a module holds ---


def entries_of(module: nn.Module, kind: str) -> list[Entry]:
    return [entry for entry in snapshot(module).entries if entry.kind == kind]


def assert_agrees_with_torch(module: nn.Module) -> None:
    """The registered entries say what torch's own walks say, in the same order."""
    found = snapshot(module)
    parameters = [entry for entry in found.entries if entry.kind == "parameter"]
    buffers = [entry for entry in found.entries if entry.kind == "buffer"]
    expected = list(module.named_parameters(remove_duplicate=False))
    assert [entry.path for entry in parameters] == [name for name, _ in expected]
    expected_buffers = list(module.named_buffers(remove_duplicate=False))
    assert [entry.path for entry in buffers] == [name for name, _ in expected_buffers]
    for entry, (_, tensor) in zip(parameters + buffers, expected + expected_buffers, strict=True):
        assert (entry.dtype, entry.device, entry.requires_grad) == (
            tensor.dtype,
            tensor.device,
            tensor.requires_grad,
        )
        if nn.parameter.is_lazy(tensor):
            assert (entry.shape, entry.numel, entry.nbytes) == (None, None, None)
        else:
            assert (entry.shape, entry.numel, entry.nbytes) == (
                tensor.shape,
                tensor.numel(),
                tensor.nbytes,
            )
    every = [entry.path for entry in found.entries if entry.kind == "module"]
    assert every == [name for name, _ in module.named_modules(remove_duplicate=False)]
    distinct = [
        e.path for i, e in enumerate(found.entries) if e.kind == "module" and i not in found.repeats
    ]
    assert distinct == [name for name, _ in module.named_modules()]
    saved = [entry.path for entry in found.entries if entry.persistent]
    assert saved == list(module.state_dict())
    assert found.totals == totals(module)
    if found.totals.lazy == 0:
        assert found.totals.parameters == sum(one.numel() for one in module.parameters())
        assert found.totals.trainable == sum(
            one.numel() for one in module.parameters() if one.requires_grad
        )
        assert found.totals.buffers == sum(one.numel() for one in module.buffers())
        assert found.totals.nbytes == sum(
            one.nbytes for one in [*module.parameters(), *module.buffers()]
        )
    assert found.totals.modules == len(list(module.modules()))


def test_every_instance_of_torchs_module_database_agrees_and_stays_unchanged():
    for name, module in database():
        with untouched(module, name):
            snapshot(module)
        assert_agrees_with_torch(module)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_generated_modules_never_raise_and_stay_unchanged(module):
    before = fingerprint(module)
    found = snapshot(module)
    assert fingerprint(module) == before
    assert found.totals == totals(module)
    assert found.entries[0][:2] == ("", "module")
    owners = {entry.path for entry in found.entries if entry.kind == "module"}
    assert all(entry.owner in owners for entry in found.entries[1:])
    assert all(type(entry.path) is str for entry in found.entries)
    hiding = set(dir(nn.Module)) - {"training"}
    if any(
        entry.path.rpartition(".")[2] in hiding for entry in found.entries if "plain" in entry.kind
    ):
        return  # an attribute hides a method from torch's own walks, as `children = 3` does
    try:
        below = [(one, child) for one in module.modules() for child in one.children()]
    except (AttributeError, KeyError):
        return  # its __init__ failed half-way: torch itself cannot walk it
    if any(one in child.modules() for one, child in below):
        return  # it reaches itself: torch's own walks would never end
    made = {"_parameters", "_buffers", "_non_persistent_buffers_set"}
    if any(not made <= set(vars(one)) for one in module.modules()):
        return
    names = [name for name, _ in module.named_parameters(remove_duplicate=False)]
    assert [entry.path for entry in found.entries if entry.kind == "parameter"] == names
    # A submodule named "" (setattr allows it) is where torch's own walks differ: a key of
    # state_dict() is ".weight", the name in named_parameters() is "weight". We follow the latter.
    if not any("" in one._modules for one in module.modules()):
        assert {entry.path for entry in found.entries if entry.persistent} == set(
            module.state_dict()
        )


def test_each_kind_is_told_from_its_container():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))
            self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
            self.register_buffer("mean", torch.zeros(3))
            self.register_buffer("cache", torch.zeros(4), persistent=False)
            self.register_parameter("bias", None)
            self.inner = nn.Linear(2, 1, bias=False)
            self.loose = torch.zeros(5)
            self.rate = 0.1

    found = {entry.path: entry for entry in snapshot(Model()).entries}
    kinds = {path: entry.kind for path, entry in found.items()}
    assert kinds == {
        "": "module",
        "scale": "parameter",
        "frozen": "parameter",
        "mean": "buffer",
        "cache": "buffer",
        "training": "plain value",
        "loose": "plain tensor",
        "rate": "plain value",
        "inner": "module",
        "inner.weight": "parameter",
        "inner.training": "plain value",
        "inner.in_features": "plain value",
        "inner.out_features": "plain value",
    }
    assert [
        found[name].persistent for name in ("scale", "mean", "cache", "loose", "rate", "inner")
    ] == [True, True, False, None, None, None]
    assert found["frozen"].requires_grad is False and found["scale"].requires_grad is True
    assert (found["inner.weight"].owner, found["inner"].owner, found[""].owner) == (
        "inner",
        "",
        None,
    )
    assert snapshot(Model()).empty == (
        ("bias", "parameter", ""),
        ("inner.bias", "parameter", "inner"),
    )


def test_a_tied_tensor_is_counted_once_and_shows_all_its_names():
    model = nn.ModuleDict({"one": nn.Linear(4, 4, bias=False), "two": nn.Linear(4, 4, bias=False)})
    model.two.weight = model.one.weight
    model.two.copy = model.one.weight.data  # another tensor on the same storage is another tensor
    model.two.__dict__["alias"] = model.one.weight
    found = snapshot(model)
    assert found.shared == (("one.weight", "two.weight", "two.alias"),)
    assert (found.totals.parameters, found.totals.nbytes) == (16, 64)


def test_a_submodule_under_two_names_is_listed_under_both_and_counted_once():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    found = snapshot(model)
    assert found.shared == (("0.weight", "2.weight"), ("0.bias", "2.bias"))
    assert (found.totals.modules, found.totals.parameters) == (3, 6)
    assert_agrees_with_torch(model)


def test_a_module_that_reaches_itself_is_listed_once_and_not_entered_again():
    model = nn.Linear(1, 1)
    inner = nn.Module()
    model.inner, inner.root = inner, model
    assert [entry.path for entry in entries_of(model, "module")] == ["", "inner", "inner.root"]
    assert snapshot(model).totals.parameters == 2


def test_tensors_and_modules_in_plain_containers_are_found_where_they_are():
    model, tensor = nn.Module(), torch.zeros(2)
    model.cache = {"k": [tensor, (torch.ones(3), 1)], 5: deque([torch.ones(4)])}
    model.layers = [nn.Linear(1, 1)]
    model.loop = [tensor]
    model.loop.append(model.loop)
    model.bag = {torch.zeros(9), torch.zeros(8)}
    kinds = {entry.path: entry.kind for entry in snapshot(model).entries if entry.owner == ""}
    assert kinds == {
        "training": "plain value",
        "cache": "plain value",
        "cache['k'][0]": "plain tensor",
        "cache['k'][1][0]": "plain tensor",
        "cache[5][0]": "plain tensor",
        "layers": "plain value",
        "layers[0]": "plain value",
        "loop": "plain value",
        "loop[0]": "plain tensor",
        "bag": "plain value",
        "bag[0]": "plain tensor",
        "bag[1]": "plain tensor",
    }
    assert snapshot(model).shared == (("cache['k'][0]", "loop[0]"),)
    bag = [entry.shape for entry in snapshot(model).entries if entry.path.startswith("bag[")]
    assert bag == [(8,), (9,)]  # a set has no order of its own; the order of the facts lasts


def test_code_of_the_module_never_runs():
    module = hostile_module()
    found = snapshot(module)
    assert [
        entry.path
        for entry in found.entries
        if entry.kind in ("parameter", "buffer", "plain tensor")
    ] == ["scale", "mean", "tensor", "child.weight", "child.bias"]
    assert totals(module).parameters == 8


def test_code_of_the_containers_and_tensors_of_a_module_never_runs():
    def forbidden(*_):
        raise AssertionError("code of the guest ran")

    names = [
        "items",
        "values",
        "keys",
        "get",
        "__iter__",
        "__len__",
        "__bool__",
        "__contains__",
        "__getitem__",
    ]
    methods = dict.fromkeys(names, forbidden)
    Slots, Bag = type("Slots", (dict,), methods), type("Bag", (list,), methods)
    Guest = type(
        "Guest",
        (torch.Tensor,),
        {"__torch_function__": classmethod(forbidden), "shape": property(forbidden)},
    )
    Name = type(
        "Name",
        (str,),
        {
            "__hash__": str.__hash__,
            "__add__": forbidden,
            "__radd__": forbidden,
            "__str__": forbidden,
            "__format__": forbidden,
        },
    )
    model = nn.Module()
    model.__dict__["_parameters"] = Slots(weight=nn.Parameter(torch.ones(2)))
    model.__dict__["_buffers"] = Slots(
        {Name("odd"): torch.Tensor._make_subclass(Guest, torch.zeros(3))}
    )
    model.__dict__["held"] = Bag([torch.ones(1)])
    found = {entry.path: entry for entry in snapshot(model).entries}
    assert found["odd"].shape == (3,) and type(found["odd"].path) is str
    assert found["weight"].numel == 2 and found["held[0]"].numel == 1
    assert totals(model).buffers == 3


@pytest.mark.parametrize(
    "missing", ["_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training"]
)
def test_a_module_whose_init_failed_half_way_is_read_as_far_as_it_got(missing):
    model = nn.BatchNorm1d(2)
    del model.__dict__[missing]
    kinds = {entry.kind for entry in snapshot(model).entries}
    assert ("parameter" in kinds) == (missing != "_parameters") and ("buffer" in kinds) == (
        missing != "_buffers"
    )


def test_a_module_without_init_or_with_nonsense_in_its_containers_is_listed():
    assert [entry.path for entry in snapshot(nn.Module.__new__(nn.Module)).entries] == [""]
    model = nn.Module()
    model.__dict__.update(
        _parameters=3, _buffers=OrderedDict(b=torch.ones(1)), _modules={"x": 7, 5: nn.ReLU()}
    )
    model.__dict__["_non_persistent_buffers_set"] = None
    found = {entry.path: entry.kind for entry in snapshot(model).entries}
    assert found["b"] == "buffer" and found["x"] == "plain value" and found["5"] == "module"
    model.__dict__["_parameters"] = torch.ones(2)
    assert {entry.path: entry.kind for entry in snapshot(model).entries} == found


def test_a_tree_deeper_than_the_recursion_limit_is_walked():
    root = deepest = nn.Module()
    for _ in range(5_000):
        deepest.add_module("a", nn.Module())
        deepest = deepest.a
    assert snapshot(root).totals.modules == 5_001


@pytest.mark.filterwarnings("ignore:.*quantize:UserWarning", "ignore:.*nested tensors:UserWarning")
def test_lazy_meta_sparse_quantized_and_nested_tensors_are_left_as_they_are():
    model = nn.Module()
    model.lazy = nn.LazyLinear(3)
    model.far = nn.Linear(1_000_000, 1_000_000, device="meta")
    model.register_buffer("sparse", torch.eye(3).to_sparse())
    model.register_buffer("quantized", torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8))
    model.register_buffer("nested", torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]))
    found = {entry.path: entry for entry in snapshot(model).entries}
    assert found["lazy.weight"].shape is None and found["lazy.weight"].requires_grad is True
    assert nn.parameter.is_lazy(model.lazy.weight)
    assert found["far.weight"].nbytes == 4 * 10**12 and found["far.weight"].device == torch.device(
        "meta"
    )
    assert (found["sparse"].numel, found["sparse"].nbytes) == (9, None)
    assert found["quantized"].nbytes == 9 and found["nested"].numel == 5
    assert snapshot(model).totals.lazy == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))),
        lambda: torch.jit.trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.zeros(1, 2)),
        lambda: torch.compile(nn.Linear(2, 3)),
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)),
        lambda: nn.DataParallel(nn.Linear(2, 3)),
        lambda: torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))),
        lambda: torch.optim.swa_utils.AveragedModel(nn.Linear(2, 3)),
        lambda: nn.Transformer(8, 2, 1, 1, 8, batch_first=True),
        lambda: nn.LSTM(2, 3, num_layers=2, bidirectional=True),
        lambda: copy.deepcopy(nn.MultiheadAttention(4, 2)),
    ],
    ids=(
        "script trace compile parametrized DataParallel fx AveragedModel Transformer LSTM MHA"
    ).split(),
)
@pytest.mark.filterwarnings("ignore")
def test_wrapped_scripted_compiled_and_parametrized_modules_agree_with_torch(make):
    module = make()
    before = fingerprint(module)
    snapshot(module)
    assert fingerprint(module) == before
    assert_agrees_with_torch(module)


def test_a_fake_tensor_names_the_device_it_stands_for():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        model = nn.Linear(2, 3)
    assert entries_of(model, "parameter")[0].device == model.weight.device


def test_symbolic_sizes_are_left_symbolic_and_counted_as_unknown():
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

    dynamic = StatelessSymbolicContext(dynamic_sizes=[DimDynamic.DYNAMIC, DimDynamic.DYNAMIC])
    guards, model = ShapeEnv(), nn.Module()
    fake = FakeTensorMode(shape_env=guards).from_tensor(torch.ones(5, 7), symbolic_context=dynamic)
    model.register_buffer("sized", fake)
    before = len(guards.guards)
    found = snapshot(model)
    tree.opened(model, 100, 100)
    assert found.totals == totals(model)
    assert (found.totals.buffers, found.totals.lazy) == (0, 1)
    assert len(guards.guards) == before


@pytest.mark.filterwarnings("ignore")
def test_jagged_tensors_are_listed():
    model = nn.Module()
    parts = [torch.zeros(2, 3), torch.zeros(4, 3)]
    model.register_buffer("jagged", torch.nested.nested_tensor(parts, layout=torch.jagged))
    assert [entry.path for entry in entries_of(model, "buffer")] == ["jagged"]
    assert snapshot(model).totals == totals(model)


def test_a_module_that_another_thread_is_building_is_read():
    model, stop = nn.Module(), threading.Event()
    for number in range(300):
        model.register_parameter(f"p{number}", nn.Parameter(torch.ones(1)))
        model.add_module(f"m{number}", nn.ReLU())
        setattr(model, f"v{number}", number)

    def build():
        while not stop.is_set():
            model.register_parameter("late", nn.Parameter(torch.ones(1)))
            model.add_module("later", nn.ReLU())
            model.latest = 3
            del model.late, model.later, model.latest

    builder = threading.Thread(target=build)
    builder.start()
    try:
        assert all(
            len(snapshot(model).entries) >= 1_200 and totals(model).parameters >= 300
            for _ in range(60)
        )
    finally:
        stop.set()
        builder.join()


def test_odd_containers_are_read_beneath_their_overrides():
    def forbidden(*_):
        raise AssertionError("code of the guest ran")

    model = nn.BatchNorm1d(2)
    broken = OrderedDict(model._buffers)
    dict.__delitem__(broken, "running_mean")  # its order still names it
    model.__dict__["_buffers"] = broken
    model.__dict__["_non_persistent_buffers_set"] = type("Names", (set,), {"__iter__": forbidden})(
        {"running_var"}
    )
    found = {entry.path: entry.persistent for entry in entries_of(model, "buffer")}
    assert found == {"running_var": False, "num_batches_tracked": True}


def test_an_instance_dictionary_of_another_class_is_read_beneath_its_overrides():
    class Own(dict):
        def get(self, key, default=None):
            raise AssertionError("code of the guest ran")

        items = keys = values = get

    model = nn.BatchNorm1d(2)
    plain = snapshot(model)
    model.__dict__ = Own(vars(model))
    assert type(vars(model)) is Own and snapshot(model) == plain


def test_a_message_that_cannot_be_read_is_said_to_be_so_and_an_interrupt_passes():
    class Mute(Exception):
        def __str__(self):
            raise self.args[0]

    words = "(its message could not be read: ZeroDivisionError)"
    assert message_of(Mute(ZeroDivisionError())) == words
    with pytest.raises(KeyboardInterrupt):
        message_of(Mute(KeyboardInterrupt()))


def test_a_text_in_a_short_list_is_cut_after_twelve_letters():
    assert brief(["a" * 12, "b" * 13]) == f"['{'a' * 12}', '{'b' * 12}'… (13 in all)]"
    assert (
        brief(("a",)) == "('a',)"
        and brief([1] * 8) == f"{[1] * 8}"
        and brief([1] * 9) == ("list of 9")
    )


def test_of_a_tensor_over_several_processes_the_shape_here_is_told_last():
    told = facts(nn.Parameter(torch.ones(4, 3, device="meta"), requires_grad=False))
    words = tensor_in_words(told, "parameter", here=(2, 3))
    assert words == "4 × 3, float32, frozen, meta, here 2 × 3"


def test_reading_leaves_modes_random_state_and_the_collector_alone():
    state, grad = torch.get_rng_state(), torch.is_grad_enabled()
    with torch.device("meta"), torch.no_grad():
        snapshot(nn.Linear(2, 2))
        assert torch.zeros(1).device.type == "meta" and not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state) and torch.is_grad_enabled() == grad
    assert gc.isenabled()
    gc.disable()
    try:
        snapshot(nn.Linear(2, 2))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_snapshot_keeps_nothing_of_the_model_alive():
    model = nn.Linear(2, 2)
    gone, tensor_gone = weakref.ref(model), weakref.ref(model.weight)
    found = snapshot(model)
    del model
    gc.collect()
    assert gone() is None and tensor_gone() is None and found.totals.parameters == 6


@pytest.mark.parametrize("read", [snapshot, totals])
def test_what_is_not_a_module_gets_a_type_error_that_says_what_to_pass(read):
    name = read.__name__
    with pytest.raises(
        TypeError,
        match=rf"{name}\(\) takes an nn.Module instance, got the class Linear; pass an in",
    ):
        read(nn.Linear)
    with pytest.raises(
        TypeError,
        match=r"got a dict \(OrderedDict\); pass the model itself, not its state_dict\(\)",
    ):
        read(nn.Linear(1, 1).state_dict())
    for value, called in [
        (None, "NoneType"),
        (3, "int"),
        (torch.ones(2), "Tensor"),
        (print, "builtin_function"),
    ]:
        with pytest.raises(TypeError, match=f"got {called}"):
            read(value)
    assert issubclass(HostileModule, nn.Module)


def test_the_repr_is_one_line_without_the_entries():
    assert repr(snapshot(nn.Linear(2, 3))) == "<Snapshot: 6 entries of 1 module>"


# --- the tree of the map ---


NO_FACTS = facts(None)


def every_row(module: nn.Module, page: int = 7) -> list[tree.Row]:
    """All rows, asked for page by page as a reader would open them, in the order of the tree."""

    def below(row: tree.Row):
        yield row
        if not row.enterable:
            return
        start, more = 0, 1
        while more:
            inside = tree.children(module, row.id, row.path, start, page)
            for child in inside.rows:
                yield from below(child)
            start, more = start + len(inside.rows), inside.more

    return list(below(tree.root(module).row))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_opened_step_by_step_the_tree_has_every_entry_of_the_snapshot(module):
    before = fingerprint(module)
    rows, found = every_row(module), snapshot(module)
    assert fingerprint(module) == before
    assert len({row.id for row in rows}) == len(rows)
    assert sum(row.empty for row in rows) == len(found.empty)
    expected = [(clip(one.path), *one[2:6], *one[7:9]) for one in found.entries]
    listed = [(row.path, *(row.tensor or NO_FACTS)) for row in rows if not row.empty]
    assert sorted(map(repr, listed)) == sorted(map(repr, expected))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_opened_at_once_the_tree_is_the_same_as_step_by_step(module):
    found = tree.opened(module, 100_000, 100_000)
    assert found.whole and totals(module) == snapshot(module).totals
    rows = sorted(found.rows, key=lambda row: row.positions)
    # Facts of one tensor may differ in identity, as symbolic sizes do: their words tell.
    assert repr(rows) == repr(every_row(module))


def test_without_the_repeats_each_tensor_is_there_once_as_what_it_is_registered():
    model, layer = nn.Module(), nn.Linear(2, 2, bias=False)
    model.note = [layer.weight]
    model.register_buffer("seen", layer.weight.detach())
    model.register_buffer("again", model.seen)
    model.cache = {"a": torch.zeros(3)}
    model.cache["b"] = model.cache["a"]
    model.layer = layer
    model.register_buffer("early", layer.weight)  # before it, and still it is a parameter
    found = snapshot(model)
    kept = [e.path for i, e in enumerate(found.entries) if e.numel and i not in found.repeats]
    assert kept == ["seen", "cache['a']", "layer.weight"]
    kinds = {e.path: e.slot_kind for e in found.entries}
    assert kinds["seen"] == "buffer" and kinds["note[0]"] == "plain tensor"
    model.register_buffer("quiet", torch.zeros(1), persistent=False)
    assert snapshot(model).entries[4].slot_kind == "non-persistent buffer"


def test_a_buffer_that_a_hook_keeps_from_the_file_is_a_buffer_among_the_ways():
    model = nn.BatchNorm1d(2)
    model.register_buffer("quiet", torch.zeros(5), persistent=False)
    model.register_state_dict_post_hook(lambda _, saved, *__: saved.__delitem__("running_mean"))
    kinds = [row["kind"] for row in ways(model).rows]
    assert kinds == ["parameter"] * 2 + ["buffer"] * 3 + ["non-persistent buffer"]


def test_a_buffer_here_and_a_parameter_there_is_one_parameter_for_all():
    model = nn.Module()
    model.a, model.b = nn.Module(), nn.Module()
    weight = nn.Parameter(torch.zeros(3))
    model.a.register_buffer("first", weight)
    model.b.second = weight
    model.a.register_buffer("quiet", torch.zeros(2), persistent=False)
    model.b.register_buffer("saved", model.a.quiet)
    assert [row["kind"] for row in ways(model).rows] == ["parameter", "buffer"]
    found = snapshot(model)
    counted = [one for at, one in enumerate(found.entries) if at not in found.repeats]
    tensors = [(one.path, one.slot_kind) for one in counted if one.dtype]
    assert tensors == [("b.second", "parameter"), ("b.saved", "buffer")]
    assert (found.totals.parameters, found.totals.buffers) == (3, 2)
    assert found.totals == totals(model)


def test_the_rows_of_the_ways_stand_module_by_module():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(1, 1))
    model.register_buffer("mean", torch.ones(1))
    kinds = [row["kind"] for row in ways(model).rows]
    assert kinds == ["buffer", *["parameter"] * 2, *["buffer"] * 3, *["parameter"] * 2]


@pytest.mark.parametrize("budget", [1, 5, 20, 60])
def test_a_budget_cuts_the_rows_and_counts_what_is_left_out(budget):
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(500)))
    found = tree.opened(model, budget, 50)
    assert not found.whole and len(found.rows) <= max(budget, 51)
    ids, more = found.children[""]
    assert more == 501 - 50 and len(ids) == 50
    assert [row.path for row in found.rows[1:3]] == ["training", "0"]


def test_the_index_finds_what_a_plain_search_finds_with_the_rows_around_it():
    model = nn.Transformer(8, 2, 2, 2, 8, batch_first=True)
    rows = every_row(model)
    found = tree.Index(model).matches("OUT_proj.w", 1_000)
    expected = [row.id for row in rows if "out_proj.w" in row.path]
    assert found.matches == expected and found.more == 0 and len(expected) == 6
    around = {".".join(one.split(".")[:depth]) for one in expected for depth in range(20)}
    assert {row.id for row in found.rows} == around
    order = [row.id for row in rows]
    assert [row.id for row in found.rows] == [one for one in order if one in around]
    few = tree.Index(model).matches("weight", 3)
    assert len(few.matches) == 3
    assert few.more == sum("weight" in row.path for row in rows) - 3


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_the_index_has_every_row_of_any_module_with_the_id_that_it_has_in_the_tree(module):
    found = tree.Index(module).matches("", 100_000)
    assert found.more == 0
    assert repr(found.rows) == repr(every_row(module))


def test_each_module_of_a_small_model_is_read_once_to_show_its_map(monkeypatch):
    model = nn.Transformer(8, 2, 4, 4, 8, batch_first=True)
    reads = Counter()
    original = walk.instance_dict

    def counted(module):
        reads[id(module)] += 1
        return original(module)

    monkeypatch.setattr(walk, "instance_dict", counted)
    StateMap(model).close()
    assert set(reads.values()) == {1} and set(reads) == set(map(id, model.modules()))


def test_a_row_that_no_longer_fits_the_module_is_stale():
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    row = next(row for row in every_row(model) if row.path == "0.bias")
    assert tree.find(model, row.id, "0.bias").slot.value is model[0].bias
    model.register_parameter("first", nn.Parameter(torch.ones(1)))
    with pytest.raises(tree.Stale):
        tree.find(model, row.id, "0.bias")
    with pytest.raises(tree.Stale):
        tree.find(model, "99.0", "0.bias")


def test_names_and_totals_are_told_of_what_is_asked():
    model = nn.ModuleDict({"one": nn.Linear(2, 2), "two": nn.Linear(2, 2)})
    model.two.weight = model.one.weight
    ids = {row.path: row.id for row in every_row(model)}
    both = ["one.weight", "two.weight"]
    assert tree.about(model, ids["two.weight"], "two.weight").names == both
    assert tree.about(model, ids["one.bias"], "one.bias").names == []
    assert tree.about(model, ids["two"], "two").parameters == 6


SEES = Seen._fields[:5]  # those of a `Sight`; the last one asks for the tensor and not for the name


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_the_map_and_visibility_tell_the_same_of_any_tensor_sent_at_once_or_asked_for(module):
    found = tree.opened(module, 100_000, 100_000)
    rows = [row for row in sorted(found.rows, key=lambda row: row.positions) if row.tensor]
    told = [[getattr(sight, call) for call in SEES] for sight in visibility(module)]
    assert [list(found.about[row.id].seen[:5]) for row in rows] == told
    for row in rows[:5]:
        asked = tree.about(module, row.id, row.path)
        assert sorted(asked.names) == sorted(found.about[row.id].names)
        assert asked.seen == found.about[row.id].seen


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_whether_an_optimizer_holds_a_tensor_is_what_parameters_says_of_the_very_object(module):
    try:
        held = {id(parameter) for parameter in module.parameters()}
    except (AttributeError, KeyError, RecursionError, TypeError):
        return  # torch itself cannot walk it
    for row in tree.opened(module, 100_000, 100_000).rows:
        if row.tensor:
            tensor = tree.find(module, row.id, row.path).slot.value
            about = tree.about(module, row.id, row.path)
            assert about.seen.held_by_optimizer == (id(tensor) in held), row.path


def test_an_alias_of_a_parameter_moves_and_is_held_by_an_optimizer_as_torch_has_it():
    model = nn.Linear(2, 2)
    model.alias = [model.weight]
    found = tree.opened(model, 100, 100)
    row = next(row for row in found.rows if row.path == "alias[0]")
    seen = found.about[row.id].seen
    assert seen.moves_with_to and seen.held_by_optimizer and not seen.in_parameters
    optimizer = torch.optim.SGD(model.parameters())
    assert any(one is model.alias[0] for one in optimizer.param_groups[0]["params"])
    assert model.to(torch.float64).alias[0].dtype == torch.float64


def test_the_rows_of_a_hostile_module_run_none_of_its_code():
    assert [row.name for row in every_row(hostile_module())][:3] == ["model", "scale", "mean"]


BRIEF = [
    (None, "None"),
    (True, "True"),
    (1e-5, "1e-05"),
    ("a" * 100, "'" + "a" * 60 + "'… (100 in all)"),
    (10**5000, "int of 16610 bits"),
    ((3, 3), "(3, 3)"),
    ((1,), "(1,)"),
    ([1, "b"], "[1, 'b']"),
    ([Hostile()], "list of 1"),
    ({"k": 1}, "dict of 1"),
    ({1, 2}, "set of 2"),
    (Hostile(), "Hostile"),
    (LongRepr(), "LongRepr"),
    (torch.float32, "torch.float32"),
    (len, "builtin_function_or_method"),
    (torch.Size([2, 3]), "(2, 3)"),
    (torch.Size([1] * 9), "Size of 9"),
    (every_row, "function every_row"),
    (nn.ReLU(), "ReLU"),
    (range(3), "range"),
]


@pytest.mark.parametrize("place", range(len(BRIEF)))
def test_a_plain_value_is_described_without_its_repr(place):
    value, words = BRIEF[place]
    assert brief(value) == words


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.tensor(2.5), "2.5"),
        (torch.arange(3), "0  1  2"),
        (torch.arange(100.0), "0  1  2  3  4  5  …"),
        (torch.tensor([[1.0, 2.0], [3.0, 1 / 3]]), "1  2\n3  0.3333"),
        (torch.ones(2, 2, 2), "1  1\n1  1  …"),
        (torch.zeros(0), "no numbers: the tensor is empty"),
        (torch.zeros(2, 0), "no numbers: the tensor is empty"),
        (torch.zeros(2, device="meta"), "no numbers: the tensor is on the meta device"),
        (nn.LazyLinear(1).weight, "no numbers yet: the tensor is lazy"),
        (torch.tensor([True]), "True"),
        (nn.Parameter(torch.ones(1)), "1"),
        (torch.tensor([float("nan"), float("inf")]), "nan  inf"),
        (torch.ones(2, dtype=torch.complex64), "(1+0j)  (1+0j)"),
    ],
)
def test_a_preview_shows_the_first_numbers_or_why_there_are_none(tensor, words):
    assert preview(tensor) == words


def test_a_preview_of_a_class_of_the_learners_own_runs_none_of_its_code():
    class Mine(torch.Tensor):
        @classmethod
        def __torch_function__(cls, *args, **kwargs):
            raise AssertionError("code of the guest ran")

    assert (
        preview(torch.Tensor._make_subclass(Mine, torch.zeros(2)))
        == "no preview for the class Mine"
    )


# --- who sees which tensor ---


MADE_BY_INIT = set(vars(nn.Module()))


def is_a(value: object, kind: type | tuple) -> bool:
    """isinstance() without running a property `__class__` of the guest."""
    return issubclass(type(value), kind)


def tensors(module: nn.Module, above: tuple = ()) -> list[torch.Tensor]:
    """The tensors of `module` by a search of this test's own, in the order that torch walks in: its
    parameters, its buffers, what stands in plain attributes, then each submodule."""
    found = []
    own = vars(module).get("_actual_script_module", module)
    for box in ("_parameters", "_buffers"):
        held = vars(own).get(box, {})
        found += [value for _, value in held.items() if is_a(value, torch.Tensor)]
    for name, value in vars(own).items():
        if name not in MADE_BY_INIT:
            found += in_containers(value, ())
    for _, child in vars(own).get("_modules", {}).items():
        if is_a(child, nn.Module) and not any(child is one for one in (*above, module)):
            found += tensors(child, (*above, module))
    return found


def in_containers(value: object, above: tuple) -> list[torch.Tensor]:
    if is_a(value, torch.Tensor):
        return [value]
    if not is_a(value, COLLECTIONS) or any(value is one for one in above):
        return []
    found = []
    for _, item in contents(value):
        found += in_containers(item, (*above, value))
    return found


def answers(found: list[Sight], question: str) -> list[bool]:
    return [getattr(sight, question) for sight in found]


def assert_lists_agree(module: nn.Module, found: list[Sight]) -> None:
    """The names under parameters, buffers and state_dict are those of torch's calls, in order."""
    parameters = [name for name, _ in module.named_parameters(remove_duplicate=False)]
    assert [sight.path for sight in found if sight.in_parameters] == parameters
    buffers = [name for name, _ in module.named_buffers(remove_duplicate=False)]
    assert [sight.path for sight in found if sight.in_buffers] == buffers
    assert [sight.path for sight in found if sight.in_state_dict] == list(
        module.state_dict(keep_vars=True)
    )


def assert_moves_agree(module: nn.Module, found: list[Sight]) -> None:
    """A real `.to` of floats to another dtype, then of everything to the meta device. Changes
    `module`.
    """
    floats = [one.is_floating_point() for one in tensors(module)]
    module.to(torch.float64)
    moved = [one.dtype == torch.float64 for one in tensors(module)]
    said = answers(found, "moves_with_to")
    assert [to for to, is_float in zip(moved, floats, strict=True) if is_float] == [
        to for to, is_float in zip(said, floats, strict=True) if is_float
    ]
    module.to("meta")
    # A parameter on the meta device is a new object, so that an alias of the old one is left
    # behind: that is so for "meta" alone. What is registered has moved, whatever its dtype.
    on_meta = [one.is_meta for one in tensors(module)]
    assert [m for m, s in zip(on_meta, found, strict=True) if s.kind != "plain tensor"] == [
        s.moves_with_to for s in found if s.kind != "plain tensor"
    ]


def assert_gradients_agree(module: nn.Module, found: list[Sight]) -> None:
    """A real backward pass from the sum of every tensor. Leaves gradients on `module`."""
    real = tensors(module)
    for one in real:
        one.grad = None
    loss = sum((one.double().sum() for one in real if one.requires_grad), torch.zeros(()))
    if loss.requires_grad:
        loss.backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a tensor that is no leaf
        assert [one.grad is not None for one in real] == answers(found, "gets_gradient")


def test_every_instance_of_torchs_module_database_is_seen_as_torch_sees_it():
    for name, module in database():
        with untouched(module, name):
            visibility(module)
        assert own_rules(module) == [], name
        found = visibility(module)  # without the hook that `untouched` lays: it is a rule too
        assert [(sight.path, sight.kind) for sight in found] == [
            (entry.path, entry.kind)
            for entry in snapshot(module).entries
            if entry.dtype is not None and entry.kind != "plain value"
        ]
        assert_lists_agree(module, found)
        if not any(map(nn.parameter.is_lazy, tensors(module))):
            assert_gradients_agree(copy.deepcopy(module), found)
        assert_moves_agree(copy.deepcopy(module), found)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_generated_modules_are_seen_as_torch_sees_them_and_stay_unchanged(module):
    before = fingerprint(module)
    found = visibility(module)
    assert fingerprint(module) == before
    assert found == visibility(module)
    made = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training"}
    try:
        below = [(one, child) for one in module.modules() for child in one.children()]
    except (AttributeError, KeyError):
        return  # its __init__ failed half-way: torch itself cannot walk it
    assume(
        not any(one in child.modules() for one, child in below)
    )  # torch's own walks would never end
    assume(all(made <= set(vars(one)) for one in module.modules()))
    assert_gradients_agree(module, found)
    # Two dots of a hostile name may make two keys one, and "" is where torch's own walks differ.
    paths = [sight.path for sight in found]
    if not any("" in one._modules for one in module.modules()) and len(set(paths)) == len(paths):
        assert_lists_agree(module, found)
    assert_moves_agree(module, found)


class Five(nn.Module):
    """The same tensor kept five ways."""

    def __init__(self):
        super().__init__()
        self.learned = nn.Parameter(torch.ones(2))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.kept = nn.Buffer(torch.ones(2))
        self.scratch = nn.Buffer(torch.ones(2), persistent=False)
        self.plain = torch.ones(2)


def test_the_five_ways_of_keeping_a_tensor_differ_as_they_should():
    assert visibility(Five()) == [
        Sight("learned", "parameter", True, False, True, True, True),
        Sight("frozen", "parameter", True, False, True, True, False),
        Sight("kept", "buffer", False, True, True, True, False),
        Sight("scratch", "buffer", False, True, False, True, False),
        Sight("plain", "plain tensor", False, False, False, False, False),
    ]


def test_the_numbers_and_the_size_of_the_tensors_play_no_part():
    large = nn.Linear(200_000, 200_000, device="meta")  # 160 GB, were they there
    assert visibility(large) == visibility(nn.Linear(2, 2))
    integers = nn.Module()
    integers.count = nn.Buffer(torch.tensor(3))
    (sight,) = visibility(integers)
    assert sight.moves_with_to  # a change of dtype would not move it, a change of device does


def test_an_alias_of_a_parameter_moves_and_one_of_a_buffer_goes_stale():
    model = Five()
    model.aliases = [model.learned, model.kept]
    found = {sight.path: sight for sight in visibility(model)}
    assert found["aliases[0]"] == Sight(
        "aliases[0]", "plain tensor", False, False, False, True, True
    )
    assert found["aliases[1]"] == Sight(
        "aliases[1]", "plain tensor", False, False, False, False, False
    )
    assert_moves_agree(model, list(found.values()))


def test_a_buffer_or_a_plain_tensor_can_get_a_gradient_and_the_result_of_a_computation_keeps_none():
    model = Five()
    model.kept.requires_grad_()
    model.plain = torch.ones(1, requires_grad=True)
    model.result = model.learned * 2
    model.retained = model.learned * 2
    model.retained.retain_grad()
    found = visibility(model)
    seen = {sight.path: sight.gets_gradient for sight in found}
    assert seen == {
        "learned": True,
        "frozen": False,
        "kept": True,
        "scratch": False,
        "plain": True,
        "result": False,
        "retained": True,
    }
    assert_gradients_agree(model, found)


def test_tied_shared_recursive_and_half_made_modules():
    model = nn.ModuleDict({"embed": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
    model["head"].weight = model["embed"].weight
    model["again"] = model["head"]
    assert_lists_agree(model, visibility(model))
    assert len(visibility(model)) == 3
    model["self"] = model
    assert len(visibility(model)) == 3
    empty = nn.Module.__new__(nn.Module)
    vars(empty)["early"] = torch.ones(1)
    assert visibility(empty) == [Sight("early", "plain tensor", False, False, False, False, False)]
    assert (
        visibility(nn.ReLU())
        == []
        == visibility(nn.Linear(2, 2, bias=False).requires_grad_(False))[1:]
    )


MADE_BY_TORCH: dict[str, Callable[[], nn.Module]] = {
    "script": lambda: torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))),
    "weight_norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)),
    "weight_norm of old": lambda: nn.utils.weight_norm(nn.Linear(2, 3)),
    "spectral_norm": lambda: nn.utils.spectral_norm(nn.Linear(2, 3)),
    "prune": lambda: prune.identity(nn.Linear(2, 3), "weight"),
    "orthogonal": lambda: nn.utils.parametrizations.orthogonal(nn.Linear(3, 3)),
    "compile": lambda: torch.compile(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))),
    "DataParallel": lambda: nn.DataParallel(nn.Linear(2, 3)),
    "lazy": lambda: nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()),
    "AveragedModel": lambda: torch.optim.swa_utils.AveragedModel(
        nn.BatchNorm1d(3), use_buffers=True
    ),
}


@pytest.mark.parametrize("make", MADE_BY_TORCH.values(), ids=MADE_BY_TORCH)
def test_what_torch_wraps_scripts_and_parametrizes_is_seen_as_torch_sees_it(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = make()
    found = visibility(module)
    assert_lists_agree(module, found)
    if not any(map(nn.parameter.is_lazy, tensors(module))):
        assert_gradients_agree(module, found)
    assert_moves_agree(module, found)


def test_a_lazy_parameter_is_judged_as_the_one_it_becomes():
    lazy = nn.LazyLinear(3)
    found = visibility(lazy)
    lazy(torch.ones(1, 2))
    assert visibility(lazy) == found
    assert_gradients_agree(lazy, found)


@pytest.mark.parametrize(
    "mode", [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")]
)
def test_the_answer_is_the_same_whatever_mode_the_caller_is_in(mode):
    expected, model = visibility(Five()), Five()
    seed, dtype = torch.get_rng_state(), torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with mode():
            assert visibility(model) == expected
    finally:
        torch.set_default_dtype(dtype)
    assert torch.equal(torch.get_rng_state(), seed)


def test_another_rule_of_torch_gives_another_answer(monkeypatch):
    """The experiment is one: where torch keeps buffers at home, or saves none, `visibility` says
    so.
    """
    original = nn.Module._apply

    def parameters_only(self, convert, recurse=True):
        held, self._buffers = self._buffers, {}
        try:
            return original(self, convert, recurse)
        finally:
            self._buffers = held

    experiment.cache_clear()
    monkeypatch.setattr(nn.Module, "_apply", parameters_only)
    assert answers(visibility(Five()), "moves_with_to") == [True, True, False, False, False]
    experiment.cache_clear()
    monkeypatch.setattr(nn.Module, "state_dict", lambda self, **_: dict(self.named_parameters()))
    assert answers(visibility(Five()), "in_state_dict") == [True, True, False, False, False]
    experiment.cache_clear()


def test_no_code_of_the_learner_runs():
    calls = []
    model = hostile_module()
    hook = nn.modules.module.register_module_buffer_registration_hook(
        lambda *_: calls.append("registered")
    )
    try:
        found = visibility(model)
    finally:
        hook.remove()
    assert calls == []
    assert [sight.path for sight in found] == [
        "scale",
        "mean",
        "tensor",
        "child.weight",
        "child.bias",
    ]
    assert own_rules(model) == [("HostileModule", "named_modules"), ("HostileModule", "state_dict")]


def test_rules_of_its_own_are_named_and_torchs_classes_are_not():
    class Quiet(nn.Linear):
        def _save_to_state_dict(self, *args):
            pass

    model = nn.Sequential(Quiet(1, 1), Quiet(1, 1), nn.LSTM(1, 1), nn.LazyLinear(1))
    assert own_rules(model) == [("Quiet", "_save_to_state_dict")]
    said = visibility(model)
    assert [one.in_state_dict for one in said[:4]] == [
        Untold(
            "cannot be foretold, because Quiet has its own _save_to_state_dict()",
            "Quiet._save_to_state_dict decides",
        )
    ] * 4
    torchs = [one.in_state_dict for one in said[4:] if one.kind == "parameter"]
    assert torchs == [True] * 6  # of layers with rules of torch's own
    assert list(model[0].state_dict()) == []
    plain = nn.Linear(1, 1)
    plain.register_state_dict_post_hook(lambda *_: None)
    assert own_rules(plain) == [("Linear", "_state_dict_hooks")]
    hooked = Untold(
        "cannot be foretold, because a hook on state_dict() of Linear may change it",
        "a hook decides",
    )
    assert [one.in_state_dict for one in visibility(plain)] == [hooked] * 2
    assert own_rules(nn.Transformer(batch_first=True, device="meta")) == []


def test_a_class_that_cannot_be_hashed_is_named_for_torch_lists_nothing_of_it():
    kind = type("Sized", (nn.Linear,), {"__hash__": None})
    for model, moves in ((kind(1, 1), True), (nn.Sequential(kind(1, 1)), False)):
        assert own_rules(model) == [("Sized", "__hash__")]
        found = tree.opened(model, 100, 100)  # the map says of it what visibility says
        told = [about.seen[:5] for about in found.about.values()]
        assert told == [one[2:] for one in visibility(model)]
        assert [(one.moves_with_to is True) for one in visibility(model)] == [moves] * 2
        with pytest.raises(TypeError, match="unhashable"):
            list(model.parameters())
    kind.__hash__ = nn.Module.__hash__
    assert own_rules(model) == [] and len(list(model.parameters())) == 2


def test_the_map_says_of_a_tensor_among_the_submodules_that_the_calls_raise():
    module = nn.Linear(1, 1)
    module._modules["stray"] = torch.ones(1)
    opened = tree.opened(module, 100, 100)
    (stray,) = [row for row in opened.rows if row.path == "stray"]
    raises = Untold(*["raises AttributeError"] * 2)
    for about in opened.about.values():
        assert {about.seen[place] for place in (0, 1, 2, 3, 5)} == {raises}
    assert opened.about[stray.id].seen.gets_gradient is False
    for look in (module.state_dict, lambda: list(module.named_parameters()), module.double):
        with pytest.raises(AttributeError):
            look()


def nested() -> nn.Module:
    """A module in a module in a module, each with a parameter and a buffer."""

    def one(**children: nn.Module) -> nn.Module:
        module = nn.Module()
        module.weight = nn.Parameter(torch.ones(1))
        module.register_buffer("mean", torch.ones(1))
        for name, child in children.items():
            module.add_module(name, child)
        return module

    return one(child=one(inner=one()))


def what_torch_sees(module: nn.Module) -> list:
    """The lists, the keys, and what a move does, of a module that `nested` made."""
    names = ["", "child", "child.inner"]
    parts = [module, module._modules["child"]]
    parts.append(parts[1]._modules["inner"])
    paths = {f"{name}.{one}".lstrip(".") for name in names for one in ("weight", "mean")}
    lists = [
        [name for name, _ in module.named_parameters()],
        len(list(module.parameters())),
        [name for name, _ in module.named_buffers()],
        len(list(module.buffers())),
        paths & set(module.state_dict()),
    ]
    module.to(torch.float64)
    held = [(*part._parameters.values(), *part._buffers.values()) for part in parts]
    return [*lists, [tensor.dtype for some in held for tensor in some]]


@pytest.mark.parametrize("at", ["", "child"])
def test_every_method_of_which_torchs_answers_depend_is_named_where_a_class_has_its_own(at):
    usual = what_torch_sees(nested())
    methods = [name for name, one in vars(nn.Module).items() if isinstance(one, FunctionType)]
    decides = set()
    for name in methods:
        model = nested()
        own = type("Own", (nn.Module,), {name: lambda self, *args, **options: []})
        model.get_submodule(at).__class__ = own
        named = own_rules(model)
        if what_torch_sees(model) != usual:
            decides.add(name)
            assert named == [("Own", name)]
        else:
            assert named == [] or at and name in SEEING  # a part's own to() is never called
    assert {"children", "_apply", "state_dict", "named_modules"} <= decides <= set(SEEING)
    assert at or decides == set(SEEING)


def on_the_class(part: nn.Module, call: str) -> None:
    part.__class__ = type("Own", (nn.Module,), {call: lambda self, *args, **options: []})


def on_the_instance(part: nn.Module, call: str) -> None:
    setattr(part, call, lambda *args, **options: [])


@pytest.mark.parametrize("replace", [on_the_class, on_the_instance])
@pytest.mark.parametrize("at", ["", "child", "child.inner"])
@pytest.mark.parametrize("call", SEEING)
def test_no_answer_is_wrong_where_a_class_or_a_module_has_a_method_of_its_own(call, at, replace):
    model = nested()
    part = model.get_submodule(at)
    replace(part, call)
    found, parts = visibility(model), [model, model._modules["child"]]
    parts.append(parts[1]._modules["inner"])
    lists = [
        {name for name, _ in listing(remove_duplicate=False)}
        for listing in (model.named_parameters, model.named_buffers)
    ]
    really = [*lists, set(model.state_dict())]
    model.to(torch.float64)
    paths = ["", "child.", "child.inner."]
    really.append(
        {
            f"{path}{name}"
            for path, part in zip(paths, parts, strict=True)
            for name, tensor in (*part._parameters.items(), *part._buffers.items())
            if tensor.dtype == torch.float64
        }
    )
    open_ones = 0
    for sight in found:
        for answer, torchs in zip(sight[2:6], really, strict=True):
            open_ones += type(answer) is Untold
            assert type(answer) is Untold or answer == (sight.path in torchs), sight
    # The lists and `to` are asked of the whole model alone.
    assert bool(open_ones) == (at == "" or call in (*REACHING, "state_dict", SAVE_ONE, MOVE_ONE))


def test_what_is_set_on_a_module_in_place_of_a_method_is_named():
    model = nn.Sequential(nn.Linear(1, 1))
    model.state_dict = lambda *args, **options: {}
    model[0]._apply = lambda fn, recurse=True: model[0]
    found = visibility(model)
    assert {one.in_state_dict.words for one in found} == {
        "cannot be foretold, because state_dict() is replaced on an instance of Sequential"
    }
    assert {one.moves_with_to.short for one in found} == {"Linear._apply decides"}
    assert all(one.in_parameters is one.gets_gradient is True for one in found)
    assert own_rules(model) == [("Sequential", "state_dict"), ("Linear", "_apply")]
    view = StateMap(model)
    told = [row["seen"][2:4] for row in view.rows if row.get("seen")]
    assert told == [[one.in_state_dict.words, one.moves_with_to.words] for one in found]
    assert (
        "Sequential.state_dict, Linear._apply" in Page(VisibilityTable(model)._repr_html_()).words
    )


class Moves(nn.Module):
    """Keeps a tensor in each of three places, for a class below to move."""

    def __init__(self):
        super().__init__()
        self.learned = nn.Parameter(torch.ones(1))
        self.rope = nn.Buffer(torch.ones(1))
        self.gamma = torch.ones(1)


class Brings(Moves):
    """Moves a plain tensor along, as a metric does with its state."""

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.gamma = fn(self.gamma)
        return self


class Keeps(Moves):
    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.rope = self.rope.float()
        return self


class Undoes(Moves):
    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        for one in self.buffers():
            one.data = one.data.float()
        return self


class Lists(Moves):
    """Names what it takes back as text."""

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        for name in ("rope", "other"):
            if hasattr(self, name):
                setattr(self, name, getattr(self, name).float())
        return self


class Reaches(Moves):
    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        vars(self)["_buffers"].update(rope=torch.ones(1))
        return self


class Within(Moves):
    """Names what it takes back in a function inside."""

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)

        def take_back():
            self.rope = self.rope.float()

        take_back()
        return self


class Stays(Moves):
    def _apply(self, fn, recurse=True):
        return self


class Public(Moves):
    """Its `to` asks first and hands on, as that of a pretrained model does."""

    def to(self, *args, **options):
        if args == ("nowhere",):
            raise ValueError("there is no such place")
        return super().to(*args, **options)


@pytest.mark.parametrize(
    ("kind", "moved"),
    [
        (Brings, [True, True, None]),
        (Keeps, [True, None, None]),
        (Undoes, [None, None, None]),
        (Lists, [True, None, None]),
        (Reaches, [None, None, None]),
        (Within, [True, None, None]),
        (Stays, [None, None, None]),
        (Public, [True, True, None]),
    ],
)
def test_a_move_that_calls_torchs_own_first_moves_what_that_moves(kind, moved):
    model = kind()
    found = answers(visibility(model), "moves_with_to")
    assert [None if type(one) is Untold else one for one in found] == moved
    (call,) = [name for name in ("_apply", "to") if name in vars(kind)]
    words = {one.words for one in found if type(one) is Untold}
    assert words == {f"cannot be foretold, because {kind.__name__} has its own {call}()"}
    model.to(torch.float64)
    now = [one.dtype == torch.float64 for one in (model.learned, model.rope, model.gamma)]
    assert all(said is None or said == is_so for said, is_so in zip(moved, now, strict=True))
    # Of a part torch calls `_apply` alone, so that its `to` decides nothing there.
    inside = answers(visibility(nn.Sequential(kind())), "moves_with_to")
    assert inside == (found if call == "_apply" else [True, True, False])


def test_a_parameter_that_has_become_a_result_gets_no_gradient():
    model = nn.Linear(1, 1, bias=False).requires_grad_(False)
    model.weight.add_(torch.ones(1, 1, requires_grad=True))
    experiment.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (seen,) = visibility(model)
    model(torch.ones(1, 1)).sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that it is no leaf
        assert seen.gets_gradient is (model.weight.grad is not None) is False
    assert seen.in_parameters and seen.moves_with_to


def test_whether_an_inference_tensor_gets_a_gradient_is_left_open_for_operations_differ():
    model = nn.Linear(1, 1)
    with torch.inference_mode():
        model.weight = nn.Parameter(torch.ones(1, 1))
        model.register_buffer("seen", torch.ones(1))
    found = visibility(model)
    weight, *others = answers(found, "gets_gradient")
    assert weight.short == "made in inference mode" and others == [True, False]
    with pytest.raises(RuntimeError):
        model.weight.sum().backward()
    (model.weight + 1).sum().backward()
    assert model.weight.grad is not None
    assert_moves_agree(model, found)


@pytest.fixture(params=["overwrite", "swap"])
def conversion(request):
    """One of the two switches by which torch converts a parameter in another way, turned on."""
    turn = getattr(torch.__future__, f"set_{request.param}_module_params_on_conversion")
    usual = visibility(aliased())  # known before, and still it is not what is told now
    turn(True)
    yield request.param
    turn(False)
    assert visibility(aliased()) == usual


def aliased() -> nn.Module:
    """A parameter, a buffer and one tensor that is both, each with an alias."""
    model = nn.Linear(1, 1)
    model.register_buffer("mean", torch.ones(1))
    model.register_buffer("both", model.bias)
    model.aliases = [model.weight, model.bias, model.mean]
    return model


def test_a_move_is_told_as_the_switches_of_torch_have_it(conversion):
    model, found = aliased(), visibility(aliased())
    model.to(torch.float64)
    moved = [one.dtype == torch.float64 for one in tensors(model)]
    assert answers(found, "moves_with_to") == moved
    assert moved[-3:] == ([False] * 3 if conversion == "overwrite" else [True, True, False])


def test_what_stands_for_a_parameter_and_is_none_makes_a_move_raise_that_makes_a_new_one():
    model = nn.Module()
    model._parameters["weight"] = torch.ones(1)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        (sight,) = visibility(model)
        with pytest.raises(AssertionError):
            model.to(torch.float64)
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
    assert sight.moves_with_to == Untold(*["raises AssertionError"] * 2)


class Refuses(TorchDispatchMode):
    """A mode of the learner's that no operation of an instrument may go through."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        raise AssertionError(f"{operation} went through a mode of the learner's")


@pytest.mark.parametrize("mode", [Refuses, FakeTensorMode, torch.inference_mode, torch.no_grad])
def test_a_mode_that_is_on_sees_nothing_of_the_experiment_and_changes_no_answer(mode):
    model = Five()
    model.result = model.learned * 2
    expected = visibility(model)
    experiment.cache_clear()
    with mode():
        found = visibility(model)
    assert found == expected
    experiment.cache_clear()


def test_a_module_of_fake_tensors_is_seen_inside_their_mode_and_outside():
    with FakeTensorMode():
        model = nn.BatchNorm1d(2)
        experiment.cache_clear()
        inside = visibility(model)
    assert inside == visibility(model) == visibility(nn.BatchNorm1d(2))


def test_a_warning_that_was_shown_is_not_shown_again_after_the_first_look():
    program = """
import warnings
from torch import nn
from helpers import visibility

def warn():
    warnings.warn("shown once")

model = nn.BatchNorm1d(2)
model.plain = model.weight * 2
warn()
visibility(model)
warn()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr.count("UserWarning: shown once") == 1, run.stderr


@pytest.mark.parametrize("first", ["a", "b"])
def test_of_a_tensor_at_two_places_both_are_asked_in_whatever_order_they_stand(first):
    stays, plain = Stays(), nn.Module()
    plain.tied = stays.learned
    plain.register_buffer("again", stays.learned)
    places = {"a": stays, "b": plain}
    model = nn.ModuleDict({key: places[key] for key in (first, *(places.keys() - {first}))})
    seen = {one.path: one.seen for one in seen_tensors(model) if one.path != "a.rope"}
    del seen["a.gamma"]
    assert {one.moves_with_to.short for one in seen.values()} == {"Stays._apply decides"}
    assert all(one.held_by_optimizer for one in seen.values()) and len(seen) == 3


def _inside_itself() -> nn.Module:
    model = nn.Sequential(nn.BatchNorm1d(2))
    model.extra_state = torch.ones(1)
    model[0].owner = model
    return model


def _unhashable(at: str) -> nn.Module:
    model = nn.Sequential(nn.BatchNorm1d(2))
    part = model.get_submodule(at)
    part.__class__ = type("Sized", (type(part),), {"__hash__": None})
    return model


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (_inside_itself, RecursionError),
        (lambda: _unhashable(""), TypeError),
        (lambda: _unhashable("0"), TypeError),
    ],
)
def test_what_torchs_walks_raise_is_said_of_each_call_that_raises(make, error):
    """A child that holds its parent, and a class with __eq__ and no __hash__."""
    model, found = make(), visibility(make())
    calls = {
        "in_parameters": lambda: dict(model.named_parameters()),
        "in_buffers": lambda: dict(model.named_buffers()),
        "in_state_dict": model.state_dict,
        "moves_with_to": lambda: model.to("cpu"),
    }
    raised = set()
    for question, call in calls.items():
        try:
            call()
        except error:
            raised.add(question)
    assert raised
    for sight in found:
        for question in calls:
            said = getattr(sight, question)
            assert (said == Untold(*[f"raises {error.__name__}"] * 2)) == (question in raised)
    with pytest.raises(TypeError, match="^neither True nor False: raises "):
        assert getattr(found[0], raised.pop())


def test_all_that_show_it_say_the_same_of_what_is_neither_yes_nor_no():
    model = nn.Sequential(Brings())
    words = "cannot be foretold, because Brings has its own _apply()"
    sight = visibility(model)[-1]
    assert f"{sight.moves_with_to}" == words and sight.path == "0.gamma"
    table = VisibilityTable(model)
    rows = Page(table._repr_html_()).rows
    assert rows[-1][1:] == ["– no", "– no", "– no", "? Brings._apply decides", "– no"]
    assert [row[4] for row in rows[1:-1]] == ["✓ yes"] * 2
    assert table.predict().grid["answers"][-1] == [
        False,
        False,
        False,
        "Brings._apply decides",
        False,
    ]
    view = StateMap(model)
    (row,) = [row for row in view.rows if row["path"] == "0.gamma"]
    assert row["seen"] == [False, False, False, words, False, False]
    asked = view.answer({"type": "about", "id": row["id"], "path": row["path"]})
    assert asked["seen"] == row["seen"]


@pytest.mark.parametrize("function", [visibility, own_rules, VisibilityTable])
def test_what_is_no_module_is_refused_by_name(function):
    for value in (nn.Linear, {"a": torch.ones(1)}, None, torch.ones(1)):
        with pytest.raises(
            TypeError, match=rf"^{function.__name__}\(\) takes an nn.Module instance, got "
        ):
            function(value)


def test_of_a_tree_deeper_than_torch_can_walk_it_is_said_that_the_calls_raise():
    top = inner = nn.Module()
    for _ in range(sys.getrecursionlimit() + 100):
        inner.child = nn.Module()
        inner = inner.child
    inner.last = nn.Parameter(torch.ones(1))
    (sight,) = visibility(top)
    raises = Untold(*["raises RecursionError"] * 2)
    assert sight[2:] == (raises, raises, raises, raises, True)
    assert sight.path.endswith("child.last")
    (about,) = tree.opened(top, 100_000, 100_000).about.values()
    assert about.seen[:5] == sight[2:]
    calls = (
        lambda: list(top.named_parameters()),
        lambda: list(top.named_buffers()),
        top.state_dict,
        lambda: top.to(torch.float64),
    )
    for call in calls:
        with pytest.raises(RecursionError):
            call()


def test_the_table_says_what_visibility_says_with_words_and_signs():
    page = Page(VisibilityTable(Five())._repr_html_())
    head, *rows = page.rows
    assert head == [
        "tensor",
        "parameters()",
        "buffers()",
        "state_dict()",
        ".to() moves it",
        "gets a gradient",
    ]
    for row, sight in zip(rows, visibility(Five()), strict=True):
        assert row[1:] == ["✓ yes" if yes else "– no" for yes in sight[2:]]
    assert [row[0] for row in rows] == [
        "■learnedparameter",
        "■frozenparameter",
        "●keptbuffer",
        "○scratchnon-persistent buffer",
        "✕plainplain tensor",
    ]
    assert repr(VisibilityTable(Five())) == "Who sees the tensors of Five: 5 tensors, 5 calls"
    assert VisibilityTable(Five())._repr_html_() == VisibilityTable(Five())._repr_html_()


def test_the_table_of_an_experiment_of_ones_own_turns_when_it_gets_wide():
    names = ["learned", "frozen", "kept", "scratch", "plain"]
    outcomes = {
        f"call {i}": {name: (i + j) % 2 == 0 for j, name in enumerate(names)} for i in range(7)
    }
    page = Page(VisibilityTable(Five(), outcomes)._repr_html_())
    assert [row[0] for row in page.rows] == ["call", *outcomes]
    assert page.rows[1][1:] == ["✓ yes", "– no", "✓ yes", "– no", "✓ yes"]
    del outcomes["call 3"]["kept"]
    with pytest.raises(
        ValueError, match="the column 'call 3' says nothing about the tensor 'kept'"
    ):
        VisibilityTable(Five(), outcomes)


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([1], "takes outcomes, {words over the column: {path: True or False}}; got [1]."),
        ({3: {}}, "; 3 over a column is no text."),
        ({"mine": [True]}, "; the column 'mine' has [True]."),
        ({"mine": None}, "; the column 'mine' has None."),
        *(
            ({"mine": {"0": given}}, f"the column 'mine' says {told} of the tensor '0', which")
            for given, told in [
                (None, "None"),
                ("no", "'no'"),
                (1, "1"),
                (torch.ones(2), "Tensor"),
                (torch.ones(1), "Tensor"),
                (torch.ones((), dtype=torch.bool, device="meta"), "Tensor"),
            ]
        ),
    ],
)
def test_an_experiment_without_a_yes_or_no_is_refused(outcomes, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        VisibilityTable(nn.ParameterList([torch.ones(1)]), outcomes)


def test_a_comparison_of_tensors_is_a_yes_or_a_no():
    model = nn.ParameterList([torch.ones(2), torch.zeros(2)])
    same = {name: (value == 1).all() for name, value in model.named_parameters()}
    assert VisibilityTable(model, {"ones": same}).answers == [[True], [False]]


def _two_of_one_path() -> nn.Module:
    """A plain tensor and a parameter, both at `fc.weight`."""
    model = nn.Module()
    model.fc = nn.Linear(2, 2, bias=False)
    setattr(model, "fc.weight", torch.ones(2))
    return model


def _long_keys() -> nn.Module:
    """An alias and a plain tensor in a dict whose keys begin alike, and are cut."""
    model = nn.Linear(1, 1, bias=False)
    pairs = [("x", model.weight), ("y", torch.ones(1))]
    model.cache = {f"{'a' * 70}{end}": one for end, one in pairs}
    return model


@pytest.mark.parametrize("make", [_two_of_one_path, _long_keys])
def test_two_tensors_of_one_path_have_each_their_own_row(make):
    table, found = VisibilityTable(make()), visibility(make())
    paths = [one.path for one in found]
    assert max(map(paths.count, paths)) == 2
    assert table.answers == [list(one[2:]) for one in found]
    assert len({tuple(line) for line in table.answers}) > 1


def test_a_column_of_ones_own_is_refused_where_two_tensors_have_one_path():
    words = "two tensors of this module have the path 'fc.weight', so a column of your own cannot"
    with pytest.raises(ValueError, match=f"^{words}"):
        VisibilityTable(_two_of_one_path(), {"mine": {"fc.weight": True}})


@pytest.mark.parametrize(("tensors", "calls"), [(1, 2), (2, 5), (2, 6), (6, 6), (6, 7)])
def test_the_question_and_the_table_lie_the_same_way_round(tensors, calls):
    model = nn.ParameterList(torch.ones(1) for _ in range(tensors))
    outcomes = {f"call {i}": dict.fromkeys("0123456", True) for i in range(calls)}
    table = VisibilityTable(model, outcomes)
    page = Page(table._repr_html_())
    assert (
        table.predict().grid["turned"] == (page.rows[0][0] == "call") == (calls > max(5, tensors))
    )


def test_a_large_an_empty_and_an_unusual_module_say_so():
    many = nn.ParameterList([torch.ones(1) for _ in range(1_234)])
    page = Page(VisibilityTable(many)._repr_html_())
    assert len(page.rows) == 1 + visibility_table._MOST and page.words.endswith(
        "… and 1,174 more tensors"
    )
    assert "This module holds no tensor." in Page(VisibilityTable(nn.ReLU())._repr_html_()).words
    assert (
        "not asked: HostileModule.named_modules"
        in Page(VisibilityTable(hostile_module())._repr_html_()).words
    )


def test_hostile_names_stay_text_in_the_table():
    model = type("</caption><script>alert(1)</script>", (nn.Module,), {})()
    for name in NAMES:
        vars(model)["_buffers"][name] = torch.zeros(1)
    table = VisibilityTable(model)
    page = Page(table._repr_html_())
    assert page.elements == {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "span"}
    assert page.attributes <= {"class", "style", "scope", "title"}
    assert any("<img src=x onerror=boom>" in row[0] for row in page.rows)
    assert len(table._repr_html_()) < 40_000 and len(repr(table).splitlines()) == 1


def test_long_names_are_cut_in_the_table_and_in_the_question():
    model = nn.Module()
    model.register_buffer("n" * 10_000, torch.zeros(1))
    table = VisibilityTable(model, {"c" * 10_000: {"n" * 10_000: True}})
    sent = table.predict().grid
    assert [len(words) for words in (sent["tensors"][0][0], *sent["calls"])] == [80, 80]
    page = Page(table._repr_html_())
    names = [sent["tensors"][0][0], *sent["calls"]]
    assert all(name in page.words for name in names)


def test_the_question_has_the_answers_of_the_table_and_keeps_them_in_a_fold():
    table = VisibilityTable(Five())
    asked = table.predict()
    assert asked.grid["answers"] == [list(sight[2:]) for sight in visibility(Five())]
    assert [name for name, _ in asked.grid["tensors"]] == [
        sight.path for sight in visibility(Five())
    ]
    assert asked.grid["tensors"][3] == ["scratch", "non-persistent buffer"]
    shown = asked._repr_mimebundle_()[0]
    assert set(shown) == {"text/plain", "text/html", WIDGET}
    assert shown["text/plain"] == ("Who sees the tensors of Five: 5 tensors, 5 calls, to predict")
    page = Page(shown["text/html"])
    (fold,) = [attributes for tag, attributes in page.tags if tag == "details"]
    assert "open" not in fold and str(table.static_face()) in shown["text/html"]
    sent = {name for name in asked.get_state() if not name.startswith("_")}
    assert sent - {"layout", "tooltip", "tabbable"} == {"grid", "signs"}
    many = VisibilityTable(nn.ParameterList([torch.ones(1) for _ in range(1_234)])).predict()
    assert (len(many.grid["tensors"]), many.grid["more"]) == (60, 1_174)


# --- the ways to read parameters ---


SETTINGS = {
    "FT"[recurse] + "FT"[once]: (recurse, once)
    for recurse, once in product((True, False), repeat=2)
}


def torchs(module: nn.Module, recurse: bool, once: bool) -> list[list[tuple[str, object]]]:
    """What each way returns, as torch says it: pairs of a name and an object."""
    return [
        list(module._parameters.items()),
        list(module.named_parameters(recurse=recurse, remove_duplicate=once)),
        [("", one) for one in module.parameters(recurse=recurse)],
        list(module.state_dict(keep_vars=True).items()),
    ]


def told(found: Ways, frame: str, way: int) -> list[tuple[str, int]]:
    """(name, row) in the order of the positions of one way, read back from the cells."""
    cells = [cells[way] for cells in found.frames[frame]["cells"]]
    places = [
        (position, name, row) for row, cell in enumerate(cells) for position, name in cell["at"]
    ]
    return [(name, row) for _, name, row in sorted(places)]


def assert_true(module: nn.Module, found: Ways) -> None:
    """Every way of every frame has torch's names in torch's order, and one row for each distinct
    object.
    """
    rows: dict[int, int] = {}
    for frame, (recurse, once) in SETTINGS.items():
        for way, listing in enumerate(torchs(module, recurse, once)):
            assert found.frames[frame]["counts"][way] == len(listing)
            seen = told(found, frame, way)
            assert [name for name, _ in seen] == [clip(name) for name, _ in listing]
            for (_, row), (_, value) in zip(seen, listing, strict=True):
                if value is not None:
                    assert rows.setdefault(id(value), row) == row
    assert len(set(rows.values())) == len(rows)


def test_a_model_with_a_bit_of_everything_is_told_as_torch_tells_it():
    model = reader()
    found = ways(model)
    assert_true(model, found)
    assert {frame: one["counts"] for frame, one in found.frames.items()} == {
        "TT": [0, 5, 5, 11],
        "TF": [0, 8, 5, 11],
        "FT": [0, 0, 0, 11],
        "FF": [0, 0, 0, 11],
    }
    assert [row["kind"] for row in found.rows] == ["parameter"] * 5 + ["buffer"] * 3
    assert [row["grad"] for row in found.rows[:5]] == [True, True, True, False, False]
    assert found.returns == ("dict", "generator", "generator", "OrderedDict") and found.more == 0


def holds_itself(module: nn.Module, above: tuple = ()) -> bool:
    children = [one for one in vars(module).get("_modules", {}).values() if one is not None]
    inside = (*above, module)
    return any(
        any(child is one for one in inside) or holds_itself(child, inside) for child in children
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(modules())
def test_a_generated_module_is_told_as_torch_tells_it_or_refused_where_torch_cannot(module):
    if holds_itself(
        module
    ):  # torch walks a thousand levels down, and with long names takes all memory: see below
        return
    before = fingerprint(module)
    try:
        torchs(module, True, False)
    except Exception:
        with pytest.raises(ValueError, match="^torch cannot list the parameters of this "):
            ways(module)
    else:
        found = ways(module, most=1000)
        if all(
            cell["more"] == 0
            for one in found.frames.values()
            for cells in one["cells"]
            for cell in cells
        ):
            assert_true(module, found)
    assert fingerprint(module) == before


def test_torchs_own_modules_are_told_as_torch_tells_them():
    for _, module in database():
        before = fingerprint(module)
        assert_true(module, ways(module))
        assert fingerprint(module) == before


def test_a_name_that_holds_none_has_a_row_of_its_own():
    model = nn.MultiheadAttention(4, 2)
    found = ways(model)
    empty = [row for row, one in enumerate(found.rows) if one.get("empty")]
    names = [found.frames["TT"]["cells"][row][0]["at"][0][1] for row in empty]
    assert names == [name for name, value in model._parameters.items() if value is None]
    assert all(not cell["at"] for row in empty for cell in found.frames["TT"]["cells"][row][1:])


def test_kinds_shapes_and_extra_state():
    class Extra(nn.Module):
        def get_extra_state(self):
            return {"p": 1}

    model = Extra()
    model.register_buffer("scratch", torch.zeros(3), persistent=False)
    model.lazy, model.scalar = nn.LazyLinear(2, bias=False), nn.Parameter(torch.tensor(1.0))
    rows = {row["kind"] + ", " + row.get("words", ""): row for row in ways(model).rows}
    assert set(rows) == {
        "parameter, scalar, float32",
        "non-persistent buffer, 3, float32",
        "parameter, no shape yet, float32",
        "plain value, ",
    }
    assert (
        rows["plain value, "]["type"] == "dict"
        and rows["parameter, no shape yet, float32"]["type"] == "UninitializedParameter"
    )


def test_a_large_model_is_cut_and_counted_in_full():
    found = ways(nn.Transformer(device="meta", batch_first=True))
    assert len(found.rows) == 100 and found.more == 84
    assert found.frames["TT"]["counts"][1:] == [184, 184, 184]
    assert all(len(one["cells"]) == 100 for one in found.frames.values())
    larger = ways(nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(2000))))
    assert len(json.dumps(larger.frames)) < 120_000
    many = nn.ModuleList([nn.Linear(1, 1, bias=False)] * 50)
    (cells,) = ways(many).frames["TF"]["cells"]
    assert (len(cells[1]["at"]), cells[1]["more"]) == (8, 42)


class TakesLess(nn.Linear):
    """Lists and saves with the arguments that its author thought of."""

    def named_parameters(self, prefix="", recurse=True):
        yield from super().named_parameters(prefix, recurse)

    def parameters(self):
        return iter(super().parameters())

    def state_dict(self, destination=None, prefix=""):
        return super().state_dict(prefix=prefix)


def test_a_way_that_takes_fewer_arguments_is_told_at_its_default_and_said_to_raise_elsewhere():
    model, plain = TakesLess(2, 3), nn.Linear(2, 3)
    found, usual = ways(model), ways(plain)
    assert (found.rows, found.frames["TT"]) == (usual.rows, usual.frames["TT"])
    raises = "raises TypeError"
    assert {setting: one["counts"] for setting, one in found.frames.items()} == {
        "TT": [2, 2, 2, 2],
        "TF": [2, raises, 2, 2],
        "FT": [2, 2, raises, 2],
        "FF": [2, raises, raises, 2],
    }
    for one in found.frames.values():
        silent = [all(cells[way] is None for cells in one["cells"]) for way in range(4)]
        assert silent == [count == raises for count in one["counts"]]
    with pytest.raises(TypeError):
        model.named_parameters(remove_duplicate=False)
    with pytest.raises(TypeError):
        model.parameters(recurse=False)
    assert "TakesLess: _parameters 2, named_parameters() 2" in repr(ParameterWays(model))


def test_of_tensors_in_the_same_memory_a_state_dict_without_keep_vars_names_none():
    model = TakesLess(1, 1)
    model.register_buffer("view", model.weight.detach())
    cells = ways(model).frames["TT"]["cells"]
    names = [[name for _, name in line[3]["at"]] for line in cells]
    assert names == [[], ["bias"], [], ["weight"], ["view"]]


def test_what_a_method_of_its_own_adds_to_a_list_has_a_row_and_what_it_hides_keeps_one():
    class Adds(nn.Linear):
        def parameters(self, recurse=True):
            yield self.weight
            yield from self.hidden

    model = Adds(2, 3)
    model.hidden = [torch.ones(5)]
    found = ways(model)
    assert [row["kind"] for row in found.rows] == ["parameter", "parameter", "plain tensor"]
    for one in found.frames.values():
        for way in range(4):
            places = [at for line in one["cells"] for at, _ in line[way]["at"]]
            assert sorted(places) == list(range(one["counts"][way]))
    assert [bool(line[2]["at"]) for line in found.frames["TT"]["cells"]] == [True, False, True]


def inside_itself() -> nn.Module:
    model = nn.Module()
    model.part = nn.Module()
    model.part.whole = model
    return model


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            inside_itself(),
            "this Module: it is a part of itself, or nested too deep: the walk found no end",
        ),
        (
            nn.Linear.__new__(nn.Linear),
            "this Linear: AttributeError: 'Linear' object has no attribute",
        ),
    ],
)
@pytest.mark.parametrize("call", [ways, ParameterWays])
def test_a_module_that_torch_cannot_walk_gets_a_clear_message(call, module, words):
    with pytest.raises(ValueError) as caught:
        call(module)
    assert str(caught.value).startswith(f"torch cannot list the parameters of {words}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("value", [nn.Linear, nn.Linear(1, 1).state_dict(), None, torch.ones(1)])
@pytest.mark.parametrize("call", [ways, ParameterWays])
def test_what_is_no_module_is_a_type_error_that_says_what_to_pass(call, value):
    with pytest.raises(TypeError, match=rf"^{call.__name__}\(\) takes an nn.Module instance, got "):
        call(value)


def test_there_are_three_faces_the_same_every_time():
    first, second = (faces_of(ParameterWays(reader())) for _ in range(2))
    assert set(first) == {"text/plain", "text/html", WIDGET}
    assert first["text/plain"] == (
        "ParameterWays of Module: _parameters 0, named_parameters() 5, parameters() 5, "
        "state_dict() 11"
    )
    assert first.pop(WIDGET) != second.pop(WIDGET)
    assert first == second


def test_the_static_face_is_a_table_with_every_name_and_where_it_is_missing():
    model = reader()
    model.register_parameter("bias", None)
    page = assert_safe(faces_of(ParameterWays(model))["text/html"])
    for name in [
        *(name for name, _ in model.named_parameters()),
        *model.state_dict(),
        "bias: None",
    ]:
        assert name in page.words
    for way in WAYS:
        assert way.name in page.words
    assert "generator, 5 pairs" in page.words and "OrderedDict, 11 entries" in page.words
    assert (
        "4, float32, frozen" in page.words
        and "scalar, int64, buffer" in page.words
        and "–" in page.words
    )
    assert len([tag for tag, _ in page.tags if tag == "tr"]) == 1 + 9


def test_the_static_face_of_a_large_model_is_cut_and_counted():
    page = Page(
        faces_of(ParameterWays(nn.Transformer(device="meta", batch_first=True)))["text/html"]
    )
    assert len([tag for tag, _ in page.tags if tag == "tr"]) == 1 + 40
    assert "… and 144 more tensors" in page.words


def test_hostile_names_stay_text_in_every_face():
    model = type("<b>Model\n", (nn.Module,), {})()
    for name in NAMES:
        model._parameters[name] = nn.Parameter(torch.ones(1))
    shown = faces_of(ParameterWays(model))
    page = Page(shown["text/html"])
    assert page.unclosed == [] and {"script", "img", "b"}.isdisjoint(tag for tag, _ in page.tags)
    assert "<script>alert(1)</script>" in page.words
    assert len(shown["text/plain"].splitlines()) == 1 and len(shown["text/html"]) < 60_000


def test_the_view_keeps_nothing_of_the_model_alive():
    model = reader()
    view, model_is, weight_is = (
        ParameterWays(model),
        weakref.ref(model),
        weakref.ref(model.embed.weight),
    )
    del model
    gc.collect()
    assert (model_is(), weight_is()) == (None, None)
    assert "named_parameters() 5" in repr(view)


def test_only_data_is_sent_and_the_script_parses_nothing():
    view = ParameterWays(reader())
    sent = {name for name in view.get_state() if not name.startswith("_")} - {
        "layout",
        "tooltip",
        "tabbable",
    }
    assert sent == {"ways", "signs"}
    json.dumps(view.ways)
    assert "innerHTML" not in view._esm and "http" not in view._esm and ".inm-ways{" in view._css
