"""`audit`: patients with their findings and healthy twins, clean modules of every kind, and torch
as the judge.
"""

from __future__ import annotations

import ast
import copy
import gc
import warnings
import weakref
from collections import Counter, OrderedDict, deque
from html.parser import HTMLParser

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import fx, nn
from torch.nn.utils import parametrizations, prune

import helpers
from helpers import Finding, audit
from helpers.state.findings import CODES
from tests.modules import NAMES, Hostile, database, fingerprint, hostile_module, modules


def made(**held) -> nn.Module:
    """A module with these attributes, assigned as `self.name = value` assigns them."""
    module = nn.Module()
    for name, value in held.items():
        setattr(module, name, value)
    return module


def buffered(persistent: bool = True, **buffers) -> nn.Module:
    module = nn.Module()
    for name, value in buffers.items():
        module.register_buffer(name, value, persistent=persistent)
    return module


def past_setattr(module: nn.Module, name: str, value: object) -> nn.Module:
    object.__setattr__(module, name, value)
    return module


def put(module: nn.Module, **held) -> nn.Module:
    """`module` with these attributes besides, assigned as a learner would."""
    for name, value in held.items():
        setattr(module, name, value)
    return module


def parameter(*shape: int, trains: bool = True) -> nn.Parameter:
    return nn.Parameter(torch.ones(*shape or (2,)), requires_grad=trains)


def sgd(*tensors) -> torch.optim.Optimizer:
    return torch.optim.SGD(list(tensors), lr=0.5)


def linear_with(**held) -> nn.Module:
    return put(nn.Linear(2, 3), **held)


def alias_of_buffer(container) -> nn.Module:
    module = buffered(mean=torch.zeros(2))
    return put(module, kept=container(module.mean))


def tied() -> nn.Module:
    model = made(encoder=nn.Embedding(5, 2), decoder=nn.Linear(2, 5, bias=False))
    model.decoder.weight = model.encoder.weight
    return model


def shadow(name: str, value: object) -> nn.Module:
    module = put(
        buffered(mean=torch.zeros(2)), weight=parameter(), child=nn.Linear(1, 1, bias=False)
    )
    vars(module)[name] = value
    return module


def frozen_backbone() -> nn.Module:
    model = made(backbone=nn.Linear(2, 2), head=nn.Linear(2, 1))
    model.backbone.requires_grad_(False)
    return model


def replaced_head(*, late: bool):
    model = made(body=nn.Linear(2, 2, bias=False), head=nn.Linear(2, 3, bias=False))
    optimizer = sgd(*model.parameters())
    model.head = nn.Linear(2, 4, bias=False)
    return model, (sgd(*model.parameters()) if late else optimizer)


def assigned(*, late: bool):
    model = nn.Linear(2, 3)
    optimizer = sgd(*model.parameters())
    model.load_state_dict(nn.Linear(2, 3).state_dict(), assign=True)
    model.requires_grad_()
    return model, (sgd(*model.parameters()) if late else optimizer)


def with_optimizer(model: nn.Module, choose) -> tuple[nn.Module, torch.optim.Optimizer]:
    return model, choose(model)


def two_groups(model: nn.Module, *names: str) -> torch.optim.Optimizer:
    return torch.optim.Adam([{"params": [model.get_parameter(name)], "lr": 0.1} for name in names])


def grows(keep) -> nn.Module:
    model = buffered(total=torch.zeros(1))
    model.total = keep(model.total + parameter(1))
    return model


def best_weights(take) -> nn.Module:
    model = nn.Linear(2, 3)
    model.best = take(model)
    return model


def nested(value: object) -> nn.Module:
    return made(outer=made(inner=value))


def lazy(materialise: bool) -> nn.Module:
    model = nn.Sequential(nn.LazyLinear(3, bias=False))
    if materialise:
        model(torch.ones(1, 2))
    return model


def twice(second) -> nn.Module:
    model = made(first=nn.Linear(2, 2, bias=False))
    return put(model, second=second(model.first))


def parent_in_list(registered: bool) -> nn.Module:
    model, stray = made(child=nn.ReLU()), nn.ReLU()
    model.child.neighbours = [model if registered else stray]
    return model


# name: (the patient, what audit says of it as (code, path), the healthy twin: the same with the fix
# applied)
PATIENTS = {
    "a mask": (
        lambda: made(mask=torch.ones(2)),
        {("plain-tensor", "mask")},
        lambda: buffered(mask=torch.ones(2)),
    ),
    "a mask on one of torch's own modules": (
        lambda: linear_with(mask=torch.ones(3, 2)),
        {("plain-tensor", "mask")},
        lambda: put(nn.Linear(2, 3), mask=None),
    ),
    "a tensor in a list": (
        lambda: made(caches=[3, torch.ones(2), "text"]),
        {("plain-tensor", "caches")},
        lambda: buffered(caches_0=torch.ones(2)),
    ),
    "two tensors in a tuple, one finding": (
        lambda: made(caches=(torch.ones(2), torch.ones(3))),
        {("plain-tensor", "caches")},
        lambda: buffered(caches_0=torch.ones(2), caches_1=torch.ones(3)),
    ),
    "a tensor in a dict": (
        lambda: made(cache={"k": torch.ones(2)}),
        {("plain-tensor", "cache")},
        lambda: made(cache=buffered(k=torch.ones(2))),
    ),
    "a tensor in a set": (
        lambda: made(seen={torch.ones(2)}),
        {("plain-tensor", "seen")},
        lambda: made(seen=set()),
    ),
    "a tensor in a deque": (
        lambda: made(queue=deque([torch.ones(2)], maxlen=3)),
        {("plain-tensor", "queue")},
        lambda: buffered(queue=torch.ones(3, 2)),
    ),
    "a tensor deep in containers": (
        lambda: made(tree={"a": [(1, {"b": OrderedDict(c=torch.ones(2))})]}),
        {("plain-tensor", "tree")},
        lambda: made(tree={"a": [(1, {"b": OrderedDict(c=2.0)})]}),
    ),
    "a list that holds itself": (
        lambda: made(loop=_loop(torch.ones(2))),
        {("plain-tensor", "loop")},
        lambda: made(loop=_loop(1)),
    ),
    "a plain tensor two levels down": (
        lambda: nested(torch.ones(2)),
        {("plain-tensor", "outer.inner")},
        lambda: made(outer=buffered(inner=torch.ones(2))),
    ),
    "a plain tensor that wants gradients": (
        lambda: made(scale=torch.ones(2, requires_grad=True)),
        {("plain-tensor", "scale")},
        lambda: made(scale=parameter()),
    ),
    "an output kept with its graph": (
        lambda: made(last=torch.ones(2, requires_grad=True) * 2),
        {("plain-tensor", "last")},
        lambda: buffered(last=torch.ones(2)),
    ),
    "a cache that two attributes share": (
        lambda: (lambda cache: made(a=made(cache=cache), b=made(cache=cache)))([torch.ones(2)]),
        {("plain-tensor", "a.cache"), ("plain-tensor", "b.cache")},
        lambda: made(a=buffered(cache=torch.ones(2)), b=buffered(cache=torch.ones(2))),
    ),
    "an integer tensor": (
        lambda: made(steps=torch.tensor(0)),
        {("plain-tensor", "steps")},
        lambda: buffered(steps=torch.tensor(0)),
    ),
    "parameters in a list": (
        lambda: made(scales=[parameter(), parameter()]),
        {("hidden-parameter", "scales")},
        lambda: made(scales=nn.ParameterList([parameter(), parameter()])),
    ),
    "parameters in a dict": (
        lambda: made(scales={"a": parameter()}),
        {("hidden-parameter", "scales")},
        lambda: made(scales=nn.ParameterDict({"a": parameter()})),
    ),
    "a frozen parameter in a tuple of a submodule": (
        lambda: nested((parameter(trains=False),)),
        {("hidden-parameter", "outer.inner")},
        lambda: nested(nn.ParameterList([parameter()])),
    ),
    "parameters in lists in a dict": (
        lambda: made(blocks={"a": [parameter()], "b": [parameter()]}),
        {("hidden-parameter", "blocks")},
        lambda: made(blocks_0=parameter(), blocks_1=parameter()),
    ),
    "a parameter that went past __setattr__": (
        lambda: past_setattr(nn.Module(), "scale", parameter()),
        {("hidden-parameter", "scale")},
        lambda: made(scale=parameter()),
    ),
    "layers in a list": (
        lambda: made(layers=[nn.Linear(2, 2), nn.Linear(2, 2)]),
        {("hidden-module", "layers")},
        lambda: made(layers=nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])),
    ),
    "heads in a dict": (
        lambda: made(heads={"a": nn.Linear(2, 2)}),
        {("hidden-module", "heads")},
        lambda: made(heads=nn.ModuleDict({"a": nn.Linear(2, 2)})),
    ),
    "heads under numbers": (
        lambda: made(heads={1: nn.Linear(2, 2)}),
        {("hidden-module", "heads")},
        lambda: made(heads_1=nn.Linear(2, 2)),
    ),
    "layers in lists in a list": (
        lambda: made(stages=[[nn.ReLU()], [nn.ReLU()]]),
        {("hidden-module", "stages")},
        lambda: made(
            stages=nn.ModuleList([nn.ModuleList([nn.ReLU()]), nn.ModuleList([nn.ReLU()])])
        ),
    ),
    "a module that went past __setattr__": (
        lambda: past_setattr(nn.Module(), "child", nn.Linear(2, 2)),
        {("hidden-module", "child")},
        lambda: made(child=nn.Linear(2, 2)),
    ),
    "a stray module in a child's list": (
        lambda: parent_in_list(False),
        {("hidden-module", "child.neighbours")},
        lambda: parent_in_list(True),
    ),
    "one list with a bit of everything": (
        lambda: made(mixed=[torch.ones(1), parameter(), nn.ReLU()]),
        {("plain-tensor", "mixed"), ("hidden-parameter", "mixed"), ("hidden-module", "mixed")},
        lambda: made(mixed_0=nn.Buffer(torch.ones(1)), mixed_1=parameter(), mixed_2=nn.ReLU()),
    ),
    "a list of buffers": (
        lambda: alias_of_buffer(lambda buffer: [buffer]),
        {("stale-alias", "kept")},
        lambda: alias_of_buffer(lambda buffer: ["mean"]),
    ),
    "a buffer under a second, plain name": (
        lambda: alias_of_buffer(lambda buffer: buffer),
        {("stale-alias", "kept")},
        lambda: alias_of_buffer(lambda buffer: None),
    ),
    "a dict of parameters": (
        lambda: (
            put(nn.Linear(2, 3), groups=None)
            and best_weights(lambda m: {"decay": [m.weight], "rest": [m.bias]})
        ),
        {("stale-alias", "best")},
        lambda: best_weights(lambda model: {"decay": ["weight"], "rest": ["bias"]}),
    ),
    "the best weights, not copied": (
        lambda: best_weights(lambda model: model.state_dict()),
        {("stale-alias", "best")},
        lambda: best_weights(lambda model: None),
    ),
    "a row of a weight": (
        lambda: best_weights(lambda model: model.weight[0]),
        {("stale-alias", "best")},
        lambda: best_weights(lambda model: 0),
    ),
    "data of a weight": (
        lambda: best_weights(lambda model: [model.bias.data]),
        {("stale-alias", "best")},
        lambda: best_weights(lambda model: []),
    ),
    "a parameter made over a buffer's memory": (
        lambda: alias_of_buffer(lambda buffer: [nn.Parameter(buffer)]),
        {("stale-alias", "kept")},
        lambda: alias_of_buffer(lambda buffer: nn.Parameter(buffer.clone())),
    ),
    "a parent's buffer, kept by a child": (
        lambda: (lambda model: put(model, child=made(ref=(model.mean,))))(
            buffered(mean=torch.zeros(2))
        ),
        {("stale-alias", "child.ref")},
        lambda: put(buffered(mean=torch.zeros(2)), child=made(ref=())),
    ),
    "an alias and a copy in one list": (
        lambda: alias_of_buffer(lambda buffer: [buffer, buffer.clone()]),
        {("stale-alias", "kept"), ("plain-tensor", "kept")},
        lambda: alias_of_buffer(lambda buffer: []),
    ),
    "an entry that hides a parameter": (
        lambda: shadow("weight", torch.zeros(2)),
        {("shadowed-name", "weight")},
        lambda: shadow("bias", None),
    ),
    "an entry that hides a buffer": (
        lambda: shadow("mean", None),
        {("shadowed-name", "mean")},
        lambda: shadow("var", 1.0),
    ),
    "an entry that hides a submodule": (
        lambda: shadow("child", nn.ReLU()),
        {("shadowed-name", "child")},
        lambda: shadow("other", nn.ReLU),
    ),
    "an entry that hides an empty slot": (
        lambda: past_setattr(nn.Linear(2, 2, bias=False), "bias", torch.ones(2)),
        {("shadowed-name", "bias")},
        lambda: nn.Linear(2, 2, bias=False),
    ),
    "tied weights": (
        tied,
        {("tied-parameter", "encoder.weight")},
        lambda: made(a=nn.Linear(2, 3), b=nn.Linear(3, 2)),
    ),
    "one layer twice": (
        lambda: twice(lambda layer: layer),
        {("tied-parameter", "first.weight")},
        lambda: twice(copy.deepcopy),
    ),
    "a buffer that is not saved": (
        lambda: buffered(False, mask=torch.ones(2)),
        {("unsaved-buffer", "mask")},
        lambda: buffered(mask=torch.ones(2)),
    ),
    "a buffer that wants gradients": (
        lambda: buffered(mean=torch.ones(2, requires_grad=True)),
        {("buffer-needs-grad", "mean")},
        lambda: made(mean=parameter()),
    ),
    "a buffer that keeps the graph": (
        lambda: grows(lambda total: total),
        {("buffer-needs-grad", "total")},
        lambda: grows(torch.Tensor.detach),
    ),
    "a parameter registered as a buffer": (
        lambda: buffered(False, weight=parameter()),
        {("unsaved-buffer", "weight"), ("buffer-needs-grad", "weight")},
        lambda: made(weight=parameter()),
    ),
    "a frozen backbone": (
        frozen_backbone,
        {("frozen-parameter", "backbone.weight"), ("frozen-parameter", "backbone.bias")},
        lambda: made(backbone=nn.Linear(2, 2), head=nn.Linear(2, 1)),
    ),
    "half on another device": (
        lambda: made(a=nn.Linear(1, 1), b=nn.Linear(1, 1, device="meta")),
        {("mixed-device", "")},
        lambda: made(a=nn.Linear(1, 1), b=nn.Linear(1, 1)),
    ),
    "a double among floats": (
        lambda: made(a=nn.Linear(1, 1), b=buffered(mean=torch.ones(2).double())),
        {("mixed-dtype", "")},
        lambda: made(a=nn.Linear(1, 1), b=buffered(steps=torch.tensor(0))),
    ),
    "a lazy layer": (lambda: lazy(False), {("uninitialized", "0.weight")}, lambda: lazy(True)),
    "a head replaced after the optimizer": (
        lambda: replaced_head(late=False),
        {("optimizer-misses", "head.weight"), ("optimizer-stale", "param_groups[0]['params'][1]")},
        lambda: replaced_head(late=True),
    ),
    "an assigning load after the optimizer": (
        lambda: assigned(late=False),
        {
            ("optimizer-misses", "weight"),
            ("optimizer-misses", "bias"),
            ("optimizer-stale", "param_groups[0]['params'][0]"),
            ("optimizer-stale", "param_groups[0]['params'][1]"),
        },
        lambda: assigned(late=True),
    ),
    "an optimizer for a part": (
        lambda: with_optimizer(nn.Linear(2, 3), lambda model: sgd(model.weight)),
        {("optimizer-misses", "bias")},
        lambda: with_optimizer(nn.Linear(2, 3), lambda model: sgd(model.weight, model.bias)),
    ),
    "groups that leave one out": (
        lambda: with_optimizer(
            made(a=nn.Linear(1, 1), b=parameter()), lambda m: two_groups(m, "a.weight", "b")
        ),
        {("optimizer-misses", "a.bias")},
        lambda: with_optimizer(
            made(a=parameter(), b=parameter()), lambda model: two_groups(model, "a", "b")
        ),
    ),
    "tied weights that no group has": (
        lambda: with_optimizer(put(tied(), extra=parameter()), lambda model: sgd(model.extra)),
        {("optimizer-misses", "encoder.weight"), ("tied-parameter", "encoder.weight")},
        lambda: with_optimizer(made(extra=parameter()), lambda model: sgd(model.extra)),
    ),
    "a hidden parameter handed over by hand": (
        lambda: with_optimizer(
            made(w=parameter(), kept=[parameter()]), lambda model: sgd(model.w, model.kept[0])
        ),
        {("hidden-parameter", "kept"), ("optimizer-stale", "param_groups[0]['params'][1]")},
        lambda: with_optimizer(
            made(kept=nn.ParameterList([parameter()])), lambda model: sgd(model.kept[0])
        ),
    ),
    "the optimizer of another copy": (
        lambda: with_optimizer(
            nn.Linear(2, 2, bias=False), lambda model: sgd(copy.deepcopy(model).weight)
        ),
        {("optimizer-misses", "weight"), ("optimizer-stale", "param_groups[0]['params'][0]")},
        lambda: with_optimizer(nn.Linear(2, 2, bias=False), lambda model: sgd(model.weight)),
    ),
}


def _loop(held: object) -> list:
    loop = [held]
    loop.append(loop)
    return loop


def patient(build) -> tuple[nn.Module, torch.optim.Optimizer | None]:
    built = build()
    return built if isinstance(built, tuple) else (built, None)


def photo(module: nn.Module) -> list:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # to read .grad of what is no leaf
        return fingerprint(module)


def seen(found: list[Finding]) -> set[tuple[str, str]]:
    return {(one.code, one.path) for one in found}


def alarms(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.severity != "info"]


named = pytest.mark.parametrize("name", PATIENTS)


@named
def test_every_patient_has_its_findings_each_once_and_no_other(name):
    build, expected, _ = PATIENTS[name]
    module, optimizer = patient(build)
    before = photo(module)
    found = audit(module, optimizer)
    assert seen(found) == expected and len(found) == len(expected)
    assert photo(module) == before


@named
def test_the_healthy_twin_has_neither_the_finding_nor_an_alarm(name):
    _, expected, build = PATIENTS[name]
    found = audit(*patient(build))
    assert not alarms(found)
    assert not {one.code for one in found} & {code for code, _ in expected}


def test_the_patients_show_every_code_and_are_many():
    assert {code for _, expected, _ in PATIENTS.values() for code, _ in expected} == set(CODES)
    assert len(PATIENTS) >= 40


def tensors_in(value: object) -> list[torch.Tensor]:
    """The tensors and modules in `value`: the tests' own reading, for containers that do not hold
    themselves.
    """
    if isinstance(value, (torch.Tensor, nn.Module)):
        return [value]
    items = (
        value.values()
        if isinstance(value, dict)
        else value
        if isinstance(value, (list, tuple, set, deque))
        else ()
    )
    return [part for item in items if item is not value for part in tensors_in(item)]


def ids(things) -> set[int]:
    return {id(one) for one in things}


def prove(one: Finding, module: nn.Module, optimizer) -> None:
    """What the finding says happens, made to happen. Changes the module and the optimizer."""
    where, _, name = one.path.rpartition(".")
    owner = module.get_submodule(where) if one.code != "optimizer-stale" else None
    held = tensors_in(vars(owner).get(name)) if owner is not None else []
    registered = [*module.parameters(), *module.buffers()]
    spaces = {
        tensor.untyped_storage()._cdata for tensor in registered if not nn.parameter.is_lazy(tensor)
    }
    if one.code == "plain-tensor":
        plain = [
            t
            for t in held
            if isinstance(t, torch.Tensor) and t.untyped_storage()._cdata not in spaces
        ]
        plain = [tensor for tensor in plain if not isinstance(tensor, nn.Parameter)]
        dtypes = [tensor.dtype for tensor in plain]
        module.to(torch.float64)
        assert plain and [tensor.dtype for tensor in plain] == dtypes
        assert not any(key.startswith(one.path) for key in module.state_dict())
        assert ids(plain) <= ids(tensors_in(vars(owner)[name]))
    elif one.code == "hidden-parameter":
        hidden = [tensor for tensor in held if isinstance(tensor, nn.Parameter)]
        assert hidden and not ids(hidden) & ids(module.parameters())
    elif one.code == "hidden-module":
        hidden = [part for part in held if isinstance(part, nn.Module)]
        assert hidden and not ids(hidden) & ids(module.modules())
    elif one.code == "stale-alias":
        aliases = [t for t in held if t.untyped_storage()._cdata in spaces]
        module.to("meta")
        assert aliases and not ids(aliases) & ids([*module.parameters(), *module.buffers()])
        assert {tensor.device.type for tensor in aliases} == {"cpu"}
    elif one.code == "shadowed-name":
        slots = {**owner._parameters, **owner._buffers, **owner._modules}
        assert getattr(owner, name) is not slots[name]
    elif one.code == "tied-parameter":
        everywhere = [id(tensor) for _, tensor in module.named_parameters(remove_duplicate=False)]
        assert everywhere.count(id(module.get_parameter(one.path))) > 1
    elif one.code == "unsaved-buffer":
        assert one.path in dict(module.named_buffers()) and one.path not in module.state_dict()
    elif one.code == "buffer-needs-grad":
        assert module.get_buffer(one.path).requires_grad
    elif one.code == "frozen-parameter":
        assert not module.get_parameter(one.path).requires_grad
    elif one.code == "mixed-device":
        assert len({tensor.device for tensor in registered}) > 1
    elif one.code == "mixed-dtype":
        assert len({tensor.dtype for tensor in registered if tensor.is_floating_point()}) > 1
    elif one.code == "uninitialized":
        assert nn.parameter.is_lazy(getattr(owner, name))
    elif one.code == "optimizer-misses":
        for tensor in module.parameters():
            tensor.grad = torch.ones_like(tensor)
        before = module.get_parameter(one.path).detach().clone()
        optimizer.step()
        assert torch.equal(module.get_parameter(one.path), before)
    else:
        assert one.code == "optimizer-stale"
        before = {key: value.clone() for key, value in module.state_dict().items()}
        stale = eval(f"optimizer.{one.path}", {"optimizer": optimizer})
        stale.grad = torch.ones_like(stale)
        start = stale.detach().clone()
        optimizer.step()
        assert not torch.equal(stale, start)
        assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


@named
def test_what_a_finding_says_happens_in_torch(name):
    build, expected, _ = PATIENTS[name]
    for code, path in expected:
        module, optimizer = patient(build)
        found = next(
            one for one in audit(module, optimizer) if (one.code, one.path) == (code, path)
        )
        prove(found, module, optimizer)


@named
def test_the_line_to_write_takes_the_finding_away(name):
    """Lines with a placeholder get what they ask for: the tensor, module or Parameter in place of
    the attribute.
    """
    build, expected, _ = PATIENTS[name]
    for code, path in expected:
        module, optimizer = patient(build)
        fix = next(
            one.fix for one in audit(module, optimizer) if (one.code, one.path) == (code, path)
        )
        line = fix.removeprefix("if not meant: ").removeprefix("if it should be saved: ")
        where, _, name = path.rpartition(".")
        owner = module.get_submodule(where) if code != "optimizer-stale" else module
        scope = {
            "self": owner,
            "nn": nn,
            "torch": torch,
            "model": module,
            "optimizer": optimizer,
            "device": "meta",
        }
        scope |= {"batch": torch.ones(1, 2)}
        if line.startswith("register copy.deepcopy"):
            module.second = copy.deepcopy(module.first)
        elif "in place of" in line:
            parts = tensors_in(vars(owner).pop(name))
            kinds = {
                "plain-tensor": torch.Tensor,
                "hidden-parameter": nn.Parameter,
                "hidden-module": nn.Module,
            }
            part = next(one for one in parts if isinstance(one, kinds[code]))
            scope |= dict.fromkeys(("tensor", "parameter", "module"), part)
            exec(line, scope)
        else:
            exec(line.replace("lr=...", "lr=1"), scope)
        assert (code, path) not in seen(audit(module, scope["optimizer"]))


def jit(make, *given) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*given)


def quantized(convert: bool) -> nn.Module:
    from torch.ao import quantization as ao

    model = nn.Sequential(ao.QuantStub(), nn.Conv2d(1, 2, 1), nn.ReLU(), ao.DeQuantStub()).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.qconfig = ao.default_qconfig
        ao.prepare(model, inplace=True)
        model(torch.ones(1, 1, 2, 2))
        return ao.convert(model) if convert else model


def old_norm(make, module: nn.Module, **options) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(module, **options)


class OwnLSTM(nn.LSTM):
    """A learner's class over torch's: what torch keeps there stays torch's."""

    def __init__(self):
        super().__init__(2, 3, num_layers=2)
        self.note = "mine"


class OwnPruning(prune.BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask


def ran(module: nn.Module, *inputs) -> nn.Module:
    module(*inputs)
    return module


def child_that_knows_its_parent() -> nn.Module:
    model = made(child=nn.Linear(1, 1), other=nn.ReLU())
    model.child.parents, model.child.peers = [model], {"other": model.other}
    vars(model.other)["owner"] = model
    model.other.ref = weakref.ref(model)
    return model


def distributed() -> nn.Module:
    """In a group of one process, over a backend that sends nothing."""
    from torch import distributed
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        return nn.parallel.DistributedDataParallel(
            nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.LSTM(3, 3))
        )
    finally:
        distributed.destroy_process_group()


def stacked() -> nn.Module:
    """As `torch.func` uses a model: called with other weights, its own are back afterwards."""
    model = nn.Linear(2, 2)
    batched, _ = torch.func.stack_module_state([model, nn.Linear(2, 2)])
    torch.func.functional_call(
        model, {name: value[0] for name, value in batched.items()}, torch.ones(1, 2)
    )
    return model


CLEAN = {
    "empty": nn.Module,
    "linear": lambda: nn.Linear(2, 3),
    "without bias": lambda: nn.Linear(2, 3, bias=False),
    "batch norm": lambda: nn.BatchNorm2d(3),
    "embedding bag": lambda: nn.EmbeddingBag(5, 2),
    "multi-head attention": lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
    "transformer": lambda: nn.Transformer(8, 2, 1, 1, 16),
    "an LSTM after a run": lambda: ran(
        nn.LSTM(2, 3, 2, bidirectional=True, proj_size=2), torch.ones(1, 1, 2)
    ),
    "a GRU, moved": lambda: nn.GRU(2, 3).double(),
    "a learner's LSTM": OwnLSTM,
    "an LSTM with an assigned state": lambda: _with_assigned_state(nn.LSTM(2, 3)),
    "a copied RNN": lambda: copy.deepcopy(nn.RNN(2, 3)),
    "containers": lambda: nn.Sequential(
        nn.ModuleList([nn.ReLU()]), nn.ModuleDict({"a": nn.Linear(1, 1)})
    ),
    "parameter containers": lambda: made(
        a=nn.ParameterList([torch.ones(2), 3]), b=nn.ParameterDict({"k": parameter()})
    ),
    "weight_norm": lambda: parametrizations.weight_norm(nn.Linear(2, 3)),
    "spectral_norm": lambda: ran(parametrizations.spectral_norm(nn.Linear(2, 3)), torch.ones(1, 2)),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(3, 3)),
    "weight_norm on an LSTM": lambda: parametrizations.weight_norm(nn.LSTM(2, 3), "weight_hh_l0"),
    "the old weight_norm": lambda: ran(
        old_norm(nn.utils.weight_norm, nn.Linear(2, 3)), torch.ones(1, 2)
    ),
    "the old weight_norm on an LSTM": lambda: old_norm(
        nn.utils.weight_norm, nn.LSTM(2, 3), name="weight_ih_l0"
    ),
    "the old spectral_norm": lambda: old_norm(nn.utils.spectral_norm, nn.Linear(2, 3)),
    "the old spectral_norm after a run": lambda: ran(
        old_norm(nn.utils.spectral_norm, nn.Linear(2, 3)), torch.ones(1, 2)
    ),
    "pruned": lambda: prune.l1_unstructured(nn.Linear(2, 3), "weight", 1),
    "pruned twice": lambda: prune.random_unstructured(
        prune.l1_unstructured(nn.Linear(2, 3), "weight", 1), "weight", 1
    ),
    "pruned by a learner's method": lambda: _pruned_by(OwnPruning, nn.Linear(2, 3)),
    "pruned for good": lambda: prune.remove(
        prune.l1_unstructured(nn.Linear(2, 3), "bias", 1), "bias"
    ),
    "lazy": lambda: nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()),
    "lazy, materialised": lambda: ran(
        nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()), torch.ones(4, 2)
    ),
    "compiled": lambda: torch.compile(nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 3))),
    "fx-traced": lambda: fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))),
    "exported": lambda: torch.export.export(
        nn.Sequential(nn.Linear(2, 3)), (torch.ones(4, 2),)
    ).module(),
    "data parallel": lambda: nn.DataParallel(nn.LSTM(2, 3)),
    "distributed data parallel": distributed,
    "scripted": lambda: jit(torch.jit.script, nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 3))),
    "traced": lambda: jit(
        torch.jit.trace, nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), torch.ones(4, 2)
    ),
    "averaged": lambda: torch.optim.swa_utils.AveragedModel(
        nn.Sequential(nn.Linear(2, 3), nn.GRU(3, 3))
    ),
    "observed for quantization": lambda: quantized(False),
    "quantized": lambda: quantized(True),
    "called with other weights": stacked,
    "a child that knows its parent": child_that_knows_its_parent,
    "frozen": lambda: nn.Linear(2, 3).requires_grad_(False),
    "on the meta device": lambda: nn.Linear(2, 3, device="meta"),
    "numbers and words": lambda: made(
        lr=0.1, names=["a", "b"], table={"k": [1, (2, None)]}, when=len, size=torch.Size([2])
    ),
    "objects with tensors inside are not entered": lambda: made(
        optimizer=sgd(parameter()), call=torch.ones(2).add
    ),
    "an empty slot": lambda: put(buffered(mean=None), bias=None),
    "a module that is itself below": lambda: _below_itself(made(child=nn.Linear(1, 1))),
}


def _with_assigned_state(module: nn.Module) -> nn.Module:
    module.load_state_dict(copy.deepcopy(module).state_dict(), assign=True)
    return module


def _pruned_by(method, module: nn.Module) -> nn.Module:
    method.apply(module, "weight")
    return module


def _below_itself(module: nn.Module) -> nn.Module:
    module.child.parent = module
    return module


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_module_raises_no_alarm(name):
    module = CLEAN[name]()
    assert not alarms(audit(module))


@pytest.mark.parametrize(
    "module", [nn.LSTM(2, 3), OwnLSTM(), nn.TransformerEncoderLayer(4, 2), nn.Sequential()]
)
def test_what_a_learner_adds_to_torchs_own_modules_is_judged(module):
    module.kept, module.tensor, module.layers = (
        [next(module.parameters(), parameter())],
        torch.ones(1),
        [nn.ReLU()],
    )
    module._mine = torch.ones(1)
    codes = {
        "kept": "stale-alias" if next(module.parameters(), None) is not None else "hidden-parameter"
    }
    codes |= {"tensor": "plain-tensor", "layers": "hidden-module", "_mine": "plain-tensor"}
    assert seen(audit(module)) == {(code, name) for name, code in codes.items()}


def test_the_clean_modules_are_many():
    assert len(CLEAN) >= 30


def test_no_instance_of_torchs_own_database_raises_an_alarm_alone_or_with_its_optimizer():
    for name, module in database():
        parameters = list(module.parameters())
        assert not alarms(audit(module)), name
        assert not (parameters and alarms(audit(module, sgd(*parameters)))), name


@given(modules())
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_on_generated_modules_it_changes_nothing_and_agrees_with_torch(module):
    before = fingerprint(module)
    found = audit(module)
    assert fingerprint(module) == before
    assert [one.severity for one in found] == sorted(
        (one.severity for one in found), key=["error", "warning", "info"].index
    )
    if _walkable(module):
        assert_agrees(module, found)


def _walkable(module: nn.Module) -> bool:
    """Do torch's own walks come to an end soon, over modules that have all their containers?"""
    pending, steps = [(module, ())], 0
    while pending:
        one, above = pending.pop()
        steps += 1
        whole = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"} <= vars(
            one
        ).keys()
        if id(one) in above or not whole or steps > 500:
            return False
        pending += [
            (child, (*above, id(one))) for child in one._modules.values() if child is not None
        ]
    return True


def assert_agrees(module: nn.Module, found: list[Finding]) -> None:
    """Codes that torch's own calls can answer for, found without reading a dictionary."""

    def paths(code: str) -> list[str]:
        return [one.path for one in found if one.code == code]

    everywhere = list(module.named_parameters(remove_duplicate=False))
    counts = Counter(id(tensor) for _, tensor in everywhere)
    distinct = list(module.named_parameters())
    assert paths("tied-parameter") == [name for name, tensor in distinct if counts[id(tensor)] > 1]
    assert paths("frozen-parameter") == [
        name for name, tensor in distinct if not tensor.requires_grad
    ]
    unsaved = []
    for path, one in module.named_modules():
        saved = {}
        one._save_to_state_dict(saved, "", True)
        names = [
            name
            for name, value in one._buffers.items()
            if value is not None and saved.get(name) is not value
        ]
        unsaved += [f"{path}.{name}" if path else name for name in names]
    assert sorted(paths("unsaved-buffer")) == sorted(unsaved)
    dtypes = {
        tensor.dtype
        for tensor in (*module.parameters(), *module.buffers())
        if tensor.is_floating_point()
    }
    assert bool(paths("mixed-dtype")) == (len(dtypes) > 1)
    registered = ids([*module.parameters(), *module.buffers()])
    plain = [
        one for one in found if one.code in ("plain-tensor", "hidden-parameter", "stale-alias")
    ]
    held = [
        tensor
        for one in module.modules()
        for key, value in vars(one).items()
        if key not in vars(nn.Module())
        for tensor in _flat(value)
        if isinstance(tensor, torch.Tensor)
    ]
    shadowed = bool(paths("shadowed-name"))
    assert bool(plain) == bool(held) or shadowed
    assert bool(paths("stale-alias")) >= bool(ids(held) & registered) or shadowed


def _flat(value: object, above: tuple = ()) -> list:
    if id(value) in above:
        return []
    if type(value) in (list, tuple, set, dict):
        items = value.values() if type(value) is dict else value
        return [part for item in items for part in _flat(item, (*above, id(value)))]
    return [value] if issubclass(type(value), torch.Tensor) else []


@given(modules())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_an_optimizer_misses_and_keeps_is_told_by_identity(module):
    if not _walkable(module):
        return
    stray = parameter()
    chosen = list(module.parameters())[::2]
    optimizer = torch.optim.SGD([{"params": [stray]}, {"params": chosen}], lr=1)
    found = audit(module, optimizer)
    missed = [
        name
        for name, one in module.named_parameters()
        if one.requires_grad and id(one) not in ids(chosen)
    ]
    assert [one.path for one in found if one.code == "optimizer-misses"] == missed
    assert [one.path for one in found if one.code == "optimizer-stale"] == [
        "param_groups[0]['params'][0]"
    ]


def test_it_runs_none_of_the_modules_code():
    module = hostile_module()
    before = fingerprint(module)
    found = audit(module)
    assert seen(found) == {("unsaved-buffer", "mean"), ("plain-tensor", "tensor")}
    assert fingerprint(module) == before


class Wrapper:
    """As a training library wraps an optimizer: the groups are a property, which must not run."""

    def __init__(self, inner):
        self.inner = inner

    @property
    def param_groups(self):
        raise AssertionError("ran")


class Passing:
    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        raise AssertionError("ran")


class Bare:
    def __init__(self, groups):
        self.param_groups = groups


@pytest.mark.parametrize(
    "wrap",
    [Wrapper, Passing, lambda one: Wrapper(Wrapper(one)), lambda one: Bare(one.param_groups)],
)
def test_a_wrapper_is_read_as_the_optimizer_it_wraps(wrap):
    model = nn.Linear(2, 3)
    assert not audit(model, wrap(sgd(*model.parameters())))
    assert seen(audit(model, wrap(sgd(model.bias)))) == {("optimizer-misses", "weight")}


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.LBFGS, torch.optim.Adagrad])
def test_any_optimizer_of_torch_will_do_after_steps_with_a_closure_too(make):
    model = nn.Linear(2, 1)
    optimizer = make(model.parameters())

    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(1, 2)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert not audit(model, optimizer)


def test_one_finding_for_a_tensor_that_two_groups_keep():
    model, stray = nn.Linear(2, 2, bias=False), parameter()
    optimizer = sgd(model.weight, stray)
    optimizer.param_groups.append({"params": [stray]})
    assert seen(audit(model, optimizer)) == {("optimizer-stale", "param_groups[0]['params'][1]")}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("adam", "got str."),
        (torch.optim.Adam, "got the class Adam; pass an instance."),
        (sgd(parameter()).state_dict(), "got dict."),
        (nn.Linear(1, 1), "got Linear."),
        ([parameter()], "got list."),
        (torch.optim.lr_scheduler.StepLR(sgd(parameter()), 1), "got StepLR."),
        (Hostile, "got Hostile."),
        (put(nn.Module(), optimizer=sgd(parameter())), "got Module."),
    ],
)
def test_what_is_no_optimizer_is_named(given, said):
    given = given() if given is Hostile else given  # pytest would look into an instance
    with pytest.raises(TypeError) as raised:
        audit(nn.Linear(1, 1), given)
    takes = "an optimizer, such as torch.optim.SGD(model.parameters(), lr=0.1)"
    assert str(raised.value) == f"audit() takes as its second argument {takes}, {said}"


@pytest.mark.parametrize("given", [nn.Linear, {"weight": torch.ones(1)}, None, 3, "model", Hostile])
def test_what_is_no_module_is_named(given):
    given = given() if given is Hostile else given
    with pytest.raises(TypeError, match=r"audit\(\) takes an nn.Module instance"):
        audit(given)


def test_half_initialised_and_broken_modules_give_findings_or_none():
    assert audit(nn.Module.__new__(nn.Linear)) == []
    for lost in (
        "_parameters",
        "_buffers",
        "_modules",
        "_non_persistent_buffers_set",
        "_forward_pre_hooks",
        "training",
    ):
        module = put(nn.Linear(2, 3), mask=torch.ones(2))
        del vars(module)[lost]
        assert ("plain-tensor", "mask") in seen(audit(module))
    odd = nn.Module()
    vars(odd).update(
        _parameters=[1],
        _buffers={3: torch.ones(1), "b": 5},
        _modules={"m": 7, None: nn.ReLU()},
        x={1: {}},
    )
    assert audit(odd) == []
    vars(odd).update({7: torch.ones(1)})
    assert seen(audit(odd)) == {("plain-tensor", "7")}


def test_depth_sharing_and_recursion_do_no_harm():
    deep = nn.Module()
    for _ in range(3000):
        deep = made(child=deep)
    assert audit(deep) == []
    value = [torch.ones(1)]
    for _ in range(5000):
        value = [value]
    assert seen(audit(made(value=value))) == {("plain-tensor", "value")}
    value = frozenset([torch.ones(1)])
    for _ in range(3000):
        value = frozenset([value])
    assert seen(audit(made(value=value))) == {("plain-tensor", "value")}
    shared = nn.Linear(1, 1, bias=False)
    for _ in range(60):  # 2**60 paths
        shared = made(a=shared, b=shared)
    assert seen(audit(shared)) == {("tied-parameter", ".".join("a" * 60) + ".weight")}
    for _ in range(60):
        value = [value, value]
    assert seen(audit(made(value=value))) == {("plain-tensor", "value")}


def test_the_work_grows_with_the_model_however_its_parts_are_shared(monkeypatch):
    """Counted, not timed: how many containers and modules are read when a list is held by every
    module.
    """
    from helpers.state import holders

    def reads(size: int) -> int:
        cache = [torch.ones(1) for _ in range(size)]
        model = nn.ModuleList([made(cache=cache, more=[cache, cache]) for _ in range(size)])
        count = Counter()
        for name in ("contents", "_record", "_memory_of"):
            real = getattr(holders, name)
            monkeypatch.setattr(
                holders, name, lambda *a, real=real, **k: (count.update(n=1), real(*a, **k))[1]
            )
        audit(model)
        monkeypatch.undo()
        return count["n"]

    assert reads(80) < 2.2 * reads(40)


def test_it_keeps_nothing_alive():
    module = made(layers=[nn.Linear(2, 2)], mask=torch.ones(2), fc=nn.Linear(2, 2))
    optimizer = sgd(parameter())
    alive = [
        weakref.ref(module),
        weakref.ref(module.mask),
        weakref.ref(module.layers[0]),
        weakref.ref(optimizer),
    ]
    found = audit(module, optimizer)
    found._repr_html_()
    del module, optimizer
    gc.collect()
    assert [one() for one in alive] == [None] * 4 and len(found) == 5


def test_errors_come_first_then_warnings_then_notes_each_in_the_order_of_the_model():
    inner = put(buffered(False, late=torch.ones(2)), x=torch.ones(1), layers=[nn.ReLU()])
    model = made(frozen=parameter(trains=False), inner=inner, layers=[nn.ReLU()], y=torch.ones(1))
    found = audit(model, sgd(parameter()))
    assert [(one.severity, one.path) for one in found] == [
        ("error", "layers"),
        ("error", "inner.layers"),
        ("error", "param_groups[0]['params'][0]"),
        ("warning", "y"),
        ("warning", "inner.x"),
        ("info", "frozen"),
        ("info", "inner.late"),
    ]


def test_a_finding_is_frozen_and_the_findings_are_a_list():
    found = audit(made(mask=torch.ones(2)))
    assert (
        type(found[0]) is Finding
        and isinstance(found, list)
        and found == [found[0]]
        and len(found) == 1
    )
    with pytest.raises(AttributeError):
        found[0].code = "other"
    assert [*Finding.__dataclass_fields__] == ["code", "severity", "path", "message", "fix"]
    assert all(isinstance(getattr(found[0], name), str) for name in Finding.__dataclass_fields__)
    assert helpers.audit is audit


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.words, self.rows = [], [], 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.rows += tag == "tr"

    def handle_data(self, data):
        self.words.append(data)


def test_the_message_counts_in_grammar_and_speaks_of_a_graph_only_where_there_is_one():
    one, many = (
        audit(put(nn.Module(), x=[nn.ReLU()])),
        audit(put(nn.Module(), x=[nn.ReLU(), nn.ReLU()])),
    )
    assert one[0].message.startswith("a plain list holds 1 module that is registered nowhere")
    assert many[0].message.startswith("a plain list holds 2 modules that are registered nowhere")
    leaf, computed = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True) * 2
    found = audit(buffered(True, leaf=leaf, computed=computed))
    assert [(one.path, "graph" in one.message) for one in found] == [
        ("leaf", False),
        ("computed", True),
    ]


def test_a_stale_tensor_is_changed_or_passed_over_as_the_message_says():
    model, stale = nn.Linear(1, 1), [nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))]
    optimizer = torch.optim.SGD([*model.parameters(), *stale], lr=0.1)
    stale[1].grad = torch.ones(1)
    optimizer.step()
    assert [one.item() != 1 for one in stale] == [False, True]
    assert all(
        "passes over it for want of a gradient" in one.message for one in audit(model, optimizer)
    )


def test_the_summary_counts_in_words():
    assert repr(audit(nn.Linear(1, 1))) == "nothing found"
    model = put(
        buffered(False, a=torch.ones(1), b=torch.ones(1)), layers=[nn.ReLU()], mask=torch.ones(1)
    )
    assert repr(audit(model)) == "1 error, 1 warning, 2 notes"
    assert repr(audit(made(x=[nn.ReLU()], y=[nn.ReLU()]))) == "2 errors"


def test_the_table_has_a_row_for_each_finding_and_says_what_is_left_out():
    found = audit(made(**{f"t{number}": torch.ones(1) for number in range(70)}))
    page = Page(found._repr_html_())
    assert page.rows == 1 + 60 and "70 warnings" in page.words and "… and 10 more" in page.words
    assert "nothing found" in Page(audit(nn.ReLU())._repr_html_()).words


@named
def test_the_table_shows_the_whole_finding_with_the_designs_sign(name):
    found = audit(*patient(PATIENTS[name][0]))
    page = Page(found._repr_html_())
    for one in found:
        sign = helpers.views.signs.SIGNS[CODES[one.code][1]]
        assert {one.path or "the model", one.code, one.message, one.fix, sign.glyph} <= set(
            page.words
        )
        assert CODES[one.code][0] == one.severity
    assert found._repr_html_() == audit(*patient(PATIENTS[name][0]))._repr_html_()
    assert not any("0x" in words for words in page.words)


@pytest.mark.parametrize("name", [*NAMES, "</td><b>", "a'b\"c", "\ud800", "class", "__private"])
def test_hostile_names_stay_text_and_the_line_to_write_still_parses(name):
    module = nn.Module()
    child = nn.Linear(1, 1, bias=False)
    vars(module)[name] = [torch.ones(1), nn.ReLU(), parameter()]
    vars(module)[name + "2"] = torch.ones(1)
    vars(module)[name + "3"] = [child.weight]
    module._modules[name + "4"] = child
    module._modules[name + "5"] = child
    module._buffers[name + "6"] = torch.ones(2, requires_grad=True)
    module._non_persistent_buffers_set.add(name + "6")
    found = audit(module, sgd(parameter()))
    assert {one.code for one in found} == {
        "plain-tensor",
        "hidden-module",
        "hidden-parameter",
        "stale-alias",
        "tied-parameter",
        "unsaved-buffer",
        "buffer-needs-grad",
        "optimizer-misses",
        "optimizer-stale",
    }
    for one in found:
        line = one.fix.removeprefix("if not meant: ").removeprefix("if it should be saved: ")
        if not line.startswith("register copy.deepcopy"):
            assert len(ast.parse(line).body) == 1
    plain = Page(audit(made(a=torch.ones(1)))._repr_html_())
    page = Page(found._repr_html_())
    assert set(page.tags) == set(plain.tags) and page.rows == len(found) + 1


def test_it_reads_tensors_that_answer_for_little():
    odd = made(
        sparse=torch.eye(2).to_sparse(),
        meta=torch.ones(2, device="meta"),
        nested=torch.nested.nested_tensor([torch.ones(1), torch.ones(2)], layout=torch.jagged),
    )
    odd.register_buffer("held", torch.eye(2).to_sparse())
    assert seen(audit(odd)) == {
        ("plain-tensor", "sparse"),
        ("plain-tensor", "meta"),
        ("plain-tensor", "nested"),
    }
    part = torch.ones(4, device="meta")
    module = put(buffered(whole=part), part=part[1:])
    assert seen(audit(module)) == {("stale-alias", "part")}


class Tagged(torch.Tensor):
    """A tensor class of a learner, all of whose functions would complain."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(func)


def test_a_parameter_of_a_learners_tensor_class_is_hidden_too():
    mark = torch.ones(2).as_subclass(Tagged)
    mark._is_param = True  # as nn.Parameter marks a tensor that keeps its own class
    assert isinstance(mark, nn.Parameter)
    assert seen(audit(made(kept=[mark]))) == {("hidden-parameter", "kept")}
    assert seen(audit(made(kept=[torch.ones(2).as_subclass(Tagged)]))) == {("plain-tensor", "kept")}


def test_every_holder_of_a_shared_container_is_named_however_many():
    cache = [torch.ones(1)]
    model = nn.ModuleList([made(cache=cache) for _ in range(9)])
    assert seen(audit(model)) == {("plain-tensor", f"{number}.cache") for number in range(9)}


def test_a_path_is_the_one_that_torch_writes_for_empty_names_too():
    model = nn.Module()
    model._modules[""] = nn.Linear(1, 1, bias=False).requires_grad_(False)
    assert (
        [one.path for one in audit(model)]
        == [name for name, _ in model.named_parameters()]
        == ["weight"]
    )


def test_a_plain_tensor_in_the_place_of_torchs_own_parameter_is_found():
    module = nn.Linear(2, 3)
    del module.weight
    module.weight = torch.ones(3, 2)
    assert seen(audit(module)) == {("plain-tensor", "weight")}


def test_the_line_to_write_fits_the_name_and_the_tensor():
    def fix(**held) -> str:
        return audit(made(**held))[0].fix

    leaf = torch.ones(1, requires_grad=True)
    assert fix(scale=leaf) == "self.scale = nn.Parameter(self.scale)"
    assert (
        fix(last=leaf * 2)
        == "self.register_buffer('last', tensor)  # in place of self.last = tensor"
    )
    assert fix(**{"class": leaf}) == "setattr(self, 'class', nn.Parameter(getattr(self, 'class')))"
    assert fix(layers=[nn.ReLU()]) == "self.layers = nn.ModuleList(self.layers)"
    assert fix(scales={"a": parameter()}) == "self.scales = nn.ParameterDict(self.scales)"
