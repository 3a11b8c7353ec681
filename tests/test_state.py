"""`snapshot` and `totals`, with torch as the judge: its module database, generated modules, and
awkward guests.
"""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from collections import OrderedDict, deque

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from helpers.state import tree
from helpers.state.snapshot import Entry, snapshot
from helpers.state.totals import totals
from tests.modules import HostileModule, database, fingerprint, hostile_module, modules, untouched


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
        return  # an attribute hides a method of Module from torch's own walks, as `children = 3` does
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
    ids="script trace compile parametrized DataParallel fx AveragedModel Transformer LSTM MHA".split(),
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
