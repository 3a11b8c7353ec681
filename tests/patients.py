"""The patients of the tests: sick models, what `audit` says of each, and the same in health."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode


class Patient(NamedTuple):
    """`build` gives a model, or a tuple of it and its optimizers; `findings` has the code and path
    of all that `audit` says of it; `twin` builds the healthy one, with the cure in its source."""

    build: Callable
    findings: set[tuple[str, str]]
    twin: Callable


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


def parametrized_by_hand(apply: Callable) -> nn.Module:
    """A layer whose weight a hook computes before each call, as wrappers did before parametrize."""
    model = made(layer=nn.Linear(2, 2))
    apply(model.layer)
    model.layer(torch.ones(1, 2))
    return model


def doubled_by_a_hook(layer: nn.Module) -> None:
    layer.raw = layer._parameters.pop("weight")
    layer.register_forward_pre_hook(lambda one, _: setattr(one, "weight", one.raw * 2))


class Double(nn.Module):
    def forward(self, weight):
        return weight * 2


class Net(nn.Module):
    """Keeps its last output: with its graph, unless `keep` takes that away."""

    def __init__(self, keep=lambda output: output):
        super().__init__()
        self.con, self.keep = nn.Linear(2, 2), keep

    def forward(self, x):
        self.exp = self.keep(self.con(x))
        return self.exp


def called(model: nn.Module, *inputs) -> nn.Module:
    model(*(inputs or (torch.ones(1, 2),)))
    return model


def two_views(of: Callable) -> nn.Module:
    """Two Parameters from the slices of one tensor that `of` makes."""
    whole = torch.ones(12)
    return made(a=nn.Parameter(of(whole[:8])), b=nn.Parameter(of(whole[4:])))


def around_one_memory(wrap: Callable) -> nn.Module:
    model = made(a=nn.Linear(2, 2, bias=False), b=nn.Linear(2, 2, bias=False))
    model.b.weight = wrap(model.a.weight)
    return model


def initial_weight(take: Callable) -> nn.Module:
    model = nn.Linear(2, 2, bias=False)
    model.register_buffer("initial", take(model.weight))
    return model


def for_inference(build: Callable) -> nn.Module:
    with torch.inference_mode():
        return build()


class Rotary(nn.Module):
    """Makes its table at the first call."""

    def __init__(self, keep=lambda table: table):
        super().__init__()
        self.q, self.keep, self.table = nn.Linear(2, 2), keep, None

    def forward(self, x):
        table = torch.cos(torch.arange(2.0)) if self.table is None else self.table
        self.table = self.keep(table)
        return self.q(x) * table


def _called_for_inference(model: nn.Module) -> nn.Module:
    with torch.inference_mode():
        return called(model)


class Scaled(nn.Module):
    def __init__(self, width: int, device: str = "cpu", persistent: bool = True):
        super().__init__()
        self.layer = nn.Linear(width, width)
        table = torch.ones(width, device=device)
        self.register_buffer("table", table, persistent=persistent)

    def forward(self, x):
        return self.layer(x) * self.table


def on_two_devices(second: str) -> nn.Module:
    """With tensors that say where they are and have no numbers: no GPU is needed."""
    with FakeTensorMode():
        one, other = torch.empty(2, device="cpu"), torch.empty(2, device=second)
    return made(a=nn.Parameter(one), b=nn.Parameter(other))


class Child(nn.Module):
    def __init__(self, parent: nn.Module, keep: Callable = setattr):
        super().__init__()
        keep(self, "parent", parent)


def family(keep: Callable = setattr) -> nn.Module:
    model = made(weight=parameter(), children_=nn.ModuleList())
    model.children_.append(Child(model, keep))
    return model


def in_itself(keep: Callable = setattr) -> nn.Module:
    model = made(layer=nn.Linear(1, 1))
    keep(model, "me", model)
    return model


def dataclass_module(**options) -> nn.Module:
    @dataclasses.dataclass(**options)
    class Data(nn.Module):
        width: int

        def __post_init__(self):
            super().__init__()
            self.layer = nn.Linear(self.width, 1)

    return Data(2)


def mapping_module(**body) -> nn.Module:
    def start(self):
        nn.Module.__init__(self)
        self.register_buffer("a", torch.ones(2))

    body |= {
        "__init__": start,
        "__len__": lambda self: len(self._buffers),
        "__iter__": lambda self: iter(self._buffers),
        "__getitem__": lambda self, key: self._buffers[key],
    }
    return nn.Sequential(type("Named", (nn.Module, Mapping), body)())


def with_class_body(build: Callable, **body) -> nn.Module:
    """A module of a new class with this body, after `build(module)`."""
    module = type("Own", (nn.Module,), body)()
    build(module)
    return module


def registers(name: str, value: object) -> Callable:
    """Registers under a name that the class has too, as an assignment does for a module."""

    def build(module: nn.Module) -> None:
        if isinstance(value, nn.Module):
            setattr(module, name, value)
        elif isinstance(value, nn.Parameter):
            module._parameters[name] = value
        else:
            module._buffers[name] = value

    return build


def block(fresh: Callable, default: object) -> type:
    """A class with a default argument in `__init__`, which does `fresh` with what it gets."""

    class Block(nn.Module):
        def __init__(self, part=default):
            super().__init__()
            part = fresh(part)
            if isinstance(part, (nn.Module, nn.Parameter)):
                self.part = part
            else:
                self.register_buffer("part", part)

    return Block


def same(value: object) -> object:
    return value


class Muscle(nn.Module):
    """Moves a tensor in a `to` of its own, which a parent never calls."""

    def __init__(self):
        super().__init__()
        self.register_buffer("k", torch.ones(1))
        self.scratch = torch.zeros(1)

    def to(self, *args, **kwargs):
        self.scratch = self.scratch.to(*args, **kwargs)
        return super().to(*args, **kwargs)


class MovedMuscle(Muscle):
    to = nn.Module.to

    def __init__(self):
        super().__init__()
        self.register_buffer("scratch", vars(self).pop("scratch"))


class Gamma(nn.Module):
    """Moves a plain tensor by an `_apply` of its own."""

    def __init__(self):
        super().__init__()
        self.gamma = torch.ones(3)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.gamma = fn(self.gamma)
        return self


class Metric(nn.Module):
    """Saves a plain tensor by a `state_dict` of its own, which a parent calls in another way."""

    def __init__(self):
        super().__init__()
        self.correct = torch.tensor(3)

    def state_dict(self, *args, **kwargs):
        destination = super().state_dict()
        destination["correct"] = self.correct
        return destination


class Upgrading(nn.Linear):
    def load_state_dict(self, state, *args, **kwargs):
        return super().load_state_dict({"weight": state["w"], "bias": state["b"]}, *args, **kwargs)


class UpgradingByHook(nn.Linear):
    def __init__(self, *args):
        super().__init__(*args)
        self.register_load_state_dict_pre_hook(self.rename)

    def rename(self, _, state, prefix, *rest):
        for old, new in (("w", "weight"), ("b", "bias")):
            if prefix + old in state:
                state[prefix + new] = state.pop(prefix + old)


def gan() -> nn.Module:
    return made(generator=nn.Linear(2, 2), discriminator=nn.Linear(2, 1))


def adam(*modules: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam([one for module in modules for one in module.parameters()])


class Forgetful(nn.Module):
    def __init__(self):
        self.width = 2


def stepped(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def in_two_optimizers(second_from: int, kind: type = torch.optim.SGD) -> tuple:
    """Four layers, of which one optimizer has the first three, and both have stepped."""
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(4)))
    both = [kind(some.parameters(), lr=0.5) for some in (model[:3], model[second_from:])]
    for optimizer in both:
        stepped(model, optimizer)
    return model, *both


def quietly(call: Callable, *given) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*given)


def replaced_discriminator(*, late: bool):
    model = gan()
    optimizers = adam(model.generator), adam(model.discriminator)
    model.discriminator = nn.Linear(2, 2)
    return model, optimizers[0], (adam(model.discriminator) if late else optimizers[1])


def twice_norm(second: Callable) -> nn.Module:
    norm = nn.BatchNorm1d(2)
    return made(first=norm, second=second(norm))


def moved_after_a_step(*, along: bool):
    model = nn.Linear(2, 2)
    optimizer = adam(model)
    stepped(model, optimizer)
    model.to(torch.float64)
    if along:
        optimizer.load_state_dict(optimizer.state_dict())
    return model, optimizer


def with_a_loss(audited: bool):
    """An optimizer that holds a loss with a Parameter of its own besides the model."""
    model, loss = nn.Linear(2, 2), made(margin=parameter())
    optimizer = adam(model, loss)
    return (nn.ModuleList([model, loss]) if audited else model), optimizer


def _loop(held: object) -> list:
    loop = [held]
    loop.append(loop)
    return loop


# name: (the patient, what audit says of it as (code, path), the healthy twin: the same with the fix
# applied)
PATIENTS = {
    "a mask": Patient(
        lambda: made(mask=torch.ones(2)),
        {("plain-tensor", "mask")},
        lambda: buffered(mask=torch.ones(2)),
    ),
    "a mask on one of torch's own modules": Patient(
        lambda: linear_with(mask=torch.ones(3, 2)),
        {("plain-tensor", "mask")},
        lambda: put(nn.Linear(2, 3), mask=None),
    ),
    "a tensor in a list": Patient(
        lambda: made(caches=[3, torch.ones(2), "text"]),
        {("plain-tensor", "caches")},
        lambda: buffered(caches_0=torch.ones(2)),
    ),
    "two tensors in a tuple, one finding": Patient(
        lambda: made(caches=(torch.ones(2), torch.ones(3))),
        {("plain-tensor", "caches")},
        lambda: buffered(caches_0=torch.ones(2), caches_1=torch.ones(3)),
    ),
    "a tensor in a dict": Patient(
        lambda: made(cache={"k": torch.ones(2)}),
        {("plain-tensor", "cache")},
        lambda: made(cache=buffered(k=torch.ones(2))),
    ),
    "a tensor in a set": Patient(
        lambda: made(seen={torch.ones(2)}),
        {("plain-tensor", "seen")},
        lambda: made(seen=set()),
    ),
    "a tensor in a deque": Patient(
        lambda: made(queue=deque([torch.ones(2)], maxlen=3)),
        {("plain-tensor", "queue")},
        lambda: buffered(queue=torch.ones(3, 2)),
    ),
    "a tensor deep in containers": Patient(
        lambda: made(tree={"a": [(1, {"b": OrderedDict(c=torch.ones(2))})]}),
        {("plain-tensor", "tree")},
        lambda: made(tree={"a": [(1, {"b": OrderedDict(c=2.0)})]}),
    ),
    "a list that holds itself": Patient(
        lambda: made(loop=_loop(torch.ones(2))),
        {("plain-tensor", "loop")},
        lambda: made(loop=_loop(1)),
    ),
    "a plain tensor two levels down": Patient(
        lambda: nested(torch.ones(2)),
        {("plain-tensor", "outer.inner")},
        lambda: made(outer=buffered(inner=torch.ones(2))),
    ),
    "a plain tensor that wants gradients": Patient(
        lambda: made(scale=torch.ones(2, requires_grad=True)),
        {("plain-tensor", "scale")},
        lambda: made(scale=parameter()),
    ),
    "an output kept with its graph": Patient(
        lambda: made(last=torch.ones(2, requires_grad=True) * 2),
        {("kept-graph", "last")},
        lambda: buffered(last=torch.ones(2)),
    ),
    "a cache that two attributes share": Patient(
        lambda: (lambda cache: made(a=made(cache=cache), b=made(cache=cache)))([torch.ones(2)]),
        {("plain-tensor", "a.cache"), ("plain-tensor", "b.cache")},
        lambda: made(a=buffered(cache=torch.ones(2)), b=buffered(cache=torch.ones(2))),
    ),
    "an integer tensor": Patient(
        lambda: made(steps=torch.tensor(0)),
        {("plain-tensor", "steps")},
        lambda: buffered(steps=torch.tensor(0)),
    ),
    "parameters in a list": Patient(
        lambda: made(scales=[parameter(), parameter()]),
        {("hidden-parameter", "scales")},
        lambda: made(scales=nn.ParameterList([parameter(), parameter()])),
    ),
    "parameters in a dict": Patient(
        lambda: made(scales={"a": parameter()}),
        {("hidden-parameter", "scales")},
        lambda: made(scales=nn.ParameterDict({"a": parameter()})),
    ),
    "a frozen parameter in a tuple of a submodule": Patient(
        lambda: nested((parameter(trains=False),)),
        {("hidden-parameter", "outer.inner")},
        lambda: nested(nn.ParameterList([parameter()])),
    ),
    "parameters in lists in a dict": Patient(
        lambda: made(blocks={"a": [parameter()], "b": [parameter()]}),
        {("hidden-parameter", "blocks")},
        lambda: made(blocks_0=parameter(), blocks_1=parameter()),
    ),
    "a parameter that went past __setattr__": Patient(
        lambda: past_setattr(nn.Module(), "scale", parameter()),
        {("hidden-parameter", "scale")},
        lambda: made(scale=parameter()),
    ),
    "layers in a list": Patient(
        lambda: made(layers=[nn.Linear(2, 2), nn.Linear(2, 2)]),
        {("hidden-module", "layers")},
        lambda: made(layers=nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])),
    ),
    "heads in a dict": Patient(
        lambda: made(heads={"a": nn.Linear(2, 2)}),
        {("hidden-module", "heads")},
        lambda: made(heads=nn.ModuleDict({"a": nn.Linear(2, 2)})),
    ),
    "heads under numbers": Patient(
        lambda: made(heads={1: nn.Linear(2, 2)}),
        {("hidden-module", "heads")},
        lambda: made(heads_1=nn.Linear(2, 2)),
    ),
    "layers in lists in a list": Patient(
        lambda: made(stages=[[nn.ReLU()], [nn.ReLU()]]),
        {("hidden-module", "stages")},
        lambda: made(
            stages=nn.ModuleList([nn.ModuleList([nn.ReLU()]), nn.ModuleList([nn.ReLU()])])
        ),
    ),
    "a module that went past __setattr__": Patient(
        lambda: past_setattr(nn.Module(), "child", nn.Linear(2, 2)),
        {("hidden-module", "child")},
        lambda: made(child=nn.Linear(2, 2)),
    ),
    "a stray module in a child's list": Patient(
        lambda: parent_in_list(False),
        {("hidden-module", "child.neighbours")},
        lambda: parent_in_list(True),
    ),
    "one list with a bit of everything": Patient(
        lambda: made(mixed=[torch.ones(1), parameter(), nn.ReLU()]),
        {("plain-tensor", "mixed"), ("hidden-parameter", "mixed"), ("hidden-module", "mixed")},
        lambda: made(mixed_0=nn.Buffer(torch.ones(1)), mixed_1=parameter(), mixed_2=nn.ReLU()),
    ),
    "a list of buffers": Patient(
        lambda: alias_of_buffer(lambda buffer: [buffer]),
        {("stale-alias", "kept")},
        lambda: alias_of_buffer(lambda buffer: ["mean"]),
    ),
    "a buffer under a second, plain name": Patient(
        lambda: alias_of_buffer(lambda buffer: buffer),
        {("stale-alias", "kept")},
        lambda: alias_of_buffer(lambda buffer: None),
    ),
    "a dict of parameters": Patient(
        lambda: (
            put(nn.Linear(2, 3), groups=None)
            and best_weights(lambda m: {"decay": [m.weight], "rest": [m.bias]})
        ),
        {("stale-alias", "best")},
        lambda: best_weights(lambda model: {"decay": ["weight"], "rest": ["bias"]}),
    ),
    "the best weights, not copied": Patient(
        lambda: best_weights(lambda model: model.state_dict()),
        {("stale-alias", "best")},
        lambda: best_weights(lambda model: None),
    ),
    "a row of a weight": Patient(
        lambda: best_weights(lambda model: model.weight[0]),
        {("stale-alias", "best")},
        lambda: best_weights(lambda model: 0),
    ),
    "data of a weight": Patient(
        lambda: best_weights(lambda model: [model.bias.data]),
        {("stale-alias", "best")},
        lambda: best_weights(lambda model: []),
    ),
    "a parameter made over a buffer's memory": Patient(
        lambda: alias_of_buffer(lambda buffer: [nn.Parameter(buffer)]),
        {("stale-alias", "kept")},
        lambda: alias_of_buffer(lambda buffer: nn.Parameter(buffer.clone())),
    ),
    "a parent's buffer, kept by a child": Patient(
        lambda: (lambda model: put(model, child=made(ref=(model.mean,))))(
            buffered(mean=torch.zeros(2))
        ),
        {("stale-alias", "child.ref")},
        lambda: put(buffered(mean=torch.zeros(2)), child=made(ref=())),
    ),
    "an alias and a copy in one list": Patient(
        lambda: alias_of_buffer(lambda buffer: [buffer, buffer.clone()]),
        {("stale-alias", "kept"), ("plain-tensor", "kept")},
        lambda: alias_of_buffer(lambda buffer: []),
    ),
    "an entry that hides a parameter": Patient(
        lambda: shadow("weight", torch.zeros(2)),
        {("shadowed-name", "weight")},
        lambda: shadow("bias", None),
    ),
    "an entry that hides a buffer": Patient(
        lambda: shadow("mean", None),
        {("shadowed-name", "mean")},
        lambda: shadow("var", 1.0),
    ),
    "an entry that hides a submodule": Patient(
        lambda: shadow("child", nn.ReLU()),
        {("shadowed-name", "child")},
        lambda: shadow("other", nn.ReLU),
    ),
    "an entry that hides an empty slot": Patient(
        lambda: past_setattr(nn.Linear(2, 2, bias=False), "bias", torch.ones(2)),
        {("shadowed-name", "bias")},
        lambda: nn.Linear(2, 2, bias=False),
    ),
    "tied weights": Patient(
        tied,
        {("tied-parameter", "encoder.weight")},
        lambda: made(a=nn.Linear(2, 3), b=nn.Linear(3, 2)),
    ),
    "one layer twice": Patient(
        lambda: twice(lambda layer: layer),
        {("tied-parameter", "first.weight")},
        lambda: twice(copy.deepcopy),
    ),
    "a buffer that is not saved": Patient(
        lambda: buffered(False, mask=torch.ones(2)),
        {("unsaved-buffer", "mask")},
        lambda: buffered(mask=torch.ones(2)),
    ),
    "a buffer that wants gradients": Patient(
        lambda: buffered(mean=torch.ones(2, requires_grad=True)),
        {("buffer-needs-grad", "mean")},
        lambda: made(mean=parameter()),
    ),
    "a buffer that keeps the graph": Patient(
        lambda: grows(lambda total: total),
        {("buffer-needs-grad", "total")},
        lambda: grows(torch.Tensor.detach),
    ),
    "a parameter registered as a buffer": Patient(
        lambda: buffered(False, weight=parameter()),
        {("unsaved-buffer", "weight"), ("buffer-needs-grad", "weight")},
        lambda: made(weight=parameter()),
    ),
    "a frozen backbone": Patient(
        frozen_backbone,
        {("frozen-parameter", "backbone.weight"), ("frozen-parameter", "backbone.bias")},
        lambda: made(backbone=nn.Linear(2, 2), head=nn.Linear(2, 1)),
    ),
    "half on the device meta": Patient(
        lambda: made(a=nn.Linear(1, 1), b=nn.Linear(1, 1, device="meta")),
        {("left-on-meta", "b.weight"), ("left-on-meta", "b.bias")},
        lambda: made(a=nn.Linear(1, 1), b=nn.Linear(1, 1)),
    ),
    "a double among floats": Patient(
        lambda: made(a=nn.Linear(1, 1), b=buffered(mean=torch.ones(2).double())),
        {("mixed-dtype", "")},
        lambda: made(a=nn.Linear(1, 1), b=buffered(steps=torch.tensor(0))),
    ),
    "a lazy layer": Patient(
        lambda: lazy(False), {("uninitialized", "0.weight")}, lambda: lazy(True)
    ),
    "a head replaced after the optimizer": Patient(
        lambda: replaced_head(late=False),
        {("optimizer-misses", "head.weight"), ("optimizer-stale", "param_groups[0]['params'][1]")},
        lambda: replaced_head(late=True),
    ),
    "an assigning load after the optimizer": Patient(
        lambda: assigned(late=False),
        {
            ("optimizer-misses", "weight"),
            ("optimizer-misses", "bias"),
            ("optimizer-stale", "param_groups[0]['params'][0]"),
            ("optimizer-stale", "param_groups[0]['params'][1]"),
        },
        lambda: assigned(late=True),
    ),
    "an optimizer for a part": Patient(
        lambda: with_optimizer(nn.Linear(2, 3), lambda model: sgd(model.weight)),
        {("optimizer-misses", "bias")},
        lambda: with_optimizer(nn.Linear(2, 3), lambda model: sgd(model.weight, model.bias)),
    ),
    "groups that leave one out": Patient(
        lambda: with_optimizer(
            made(a=nn.Linear(1, 1), b=parameter()), lambda m: two_groups(m, "a.weight", "b")
        ),
        {("optimizer-misses", "a.bias")},
        lambda: with_optimizer(
            made(a=parameter(), b=parameter()), lambda model: two_groups(model, "a", "b")
        ),
    ),
    "tied weights that no group has": Patient(
        lambda: with_optimizer(put(tied(), extra=parameter()), lambda model: sgd(model.extra)),
        {("optimizer-misses", "encoder"), ("tied-parameter", "encoder.weight")},
        lambda: with_optimizer(made(extra=parameter()), lambda model: sgd(model.extra)),
    ),
    "a hidden parameter handed over by hand": Patient(
        lambda: with_optimizer(
            made(w=parameter(), kept=[parameter()]), lambda model: sgd(model.w, model.kept[0])
        ),
        {("hidden-parameter", "kept")},
        lambda: with_optimizer(
            made(kept=nn.ParameterList([parameter()])), lambda model: sgd(model.kept[0])
        ),
    ),
    "the optimizer of another copy": Patient(
        lambda: with_optimizer(
            nn.Linear(2, 2, bias=False), lambda model: sgd(copy.deepcopy(model).weight)
        ),
        {("optimizer-misses", "weight"), ("optimizer-stale", "param_groups[0]['params'][0]")},
        lambda: with_optimizer(nn.Linear(2, 2, bias=False), lambda model: sgd(model.weight)),
    ),
    # --- results of a computation ---
    "a Parameter times a number": Patient(
        lambda: made(par=parameter() * 0.01),
        {("kept-graph", "par")},
        lambda: made(par=nn.Parameter(torch.ones(2) * 0.01)),
    ),
    "a Parameter, moved after it was made": Patient(
        lambda: made(par=parameter().to(torch.float64)),
        {("kept-graph", "par")},
        lambda: made(par=nn.Parameter(torch.ones(2).to(torch.float64))),
    ),
    "a list of moved Parameters": Patient(
        lambda: made(pars=[parameter().to(torch.float64) for _ in range(2)]),
        {("kept-graph", "pars")},
        lambda: made(pars=nn.ParameterList([parameter(), parameter()])),
    ),
    "a dict of moved Parameters": Patient(
        lambda: made(pars={"a": parameter().to(torch.float64)}),
        {("kept-graph", "pars")},
        lambda: made(pars=nn.ParameterDict({"a": parameter()})),
    ),
    "moved Parameters deep in containers": Patient(
        lambda: made(pars=[[parameter().double()], 3]),
        {("kept-graph", "pars")},
        lambda: made(pars_0=parameter()),
    ),
    "an activation that is kept": Patient(
        lambda: called(Net()),
        {("kept-graph", "exp")},
        lambda: called(Net(lambda output: None)),
    ),
    "activations in a list": Patient(
        lambda: called(Net(lambda output: [output, output * 2])),
        {("kept-graph", "exp")},
        lambda: called(Net(lambda output: [])),
    ),
    "a state in a tuple": Patient(
        lambda: called(Net(lambda output: (output, output * 2))),
        {("kept-graph", "exp")},
        lambda: called(Net(lambda output: ())),
    ),
    "activations by name": Patient(
        lambda: called(Net(lambda output: {"out": output})),
        {("kept-graph", "exp")},
        lambda: called(Net(lambda output: {})),
    ),
    "activations deep in containers": Patient(
        lambda: called(Net(lambda output: [{"out": output}, 1])),
        {("kept-graph", "exp")},
        lambda: called(Net(lambda output: [{"out": 1}, 1])),
    ),
    "a weight that was computed once": Patient(
        lambda: put(model := nn.Linear(2, 2), scaled=model.weight * 2),
        {("kept-graph", "scaled")},
        lambda: nn.Linear(2, 2),
    ),
    "a weight that a hook computes": Patient(
        lambda: parametrized_by_hand(doubled_by_a_hook),
        {("kept-graph", "layer.weight")},
        lambda: parametrized_by_hand(
            lambda layer: nn.utils.parametrize.register_parametrization(layer, "weight", Double())
        ),
    ),
    "a buffer computed from a Parameter": Patient(
        lambda: buffered(scale=parameter() * 0.1),
        {("buffer-needs-grad", "scale")},
        lambda: made(scale=nn.Parameter(torch.ones(2) * 0.1)),
    ),
    # --- memory ---
    "two Parameters around one memory": Patient(
        lambda: around_one_memory(lambda weight: nn.Parameter(weight.detach())),
        {("shared-memory", "b.weight")},
        lambda: around_one_memory(lambda weight: weight),
    ),
    "two Parameters that overlap": Patient(
        lambda: two_views(same),
        {("shared-memory", "b"), ("part-of-storage", "a")},
        lambda: two_views(torch.clone),
    ),
    "a buffer that is a Parameter's numbers": Patient(
        lambda: initial_weight(lambda weight: weight.data),
        {("shared-memory", "initial")},
        lambda: initial_weight(lambda weight: weight.detach().clone()),
    ),
    "two buffers around one memory": Patient(
        lambda: buffered(a=(one := torch.ones(2)), b=one[:1]),
        {("shared-memory", "b"), ("part-of-storage", "b")},
        lambda: buffered(a=torch.ones(2), b=torch.ones(1)),
    ),
    "an expanded buffer": Patient(
        lambda: buffered(table=torch.arange(3).expand(2, -1)),
        {("expanded-tensor", "table")},
        lambda: buffered(table=torch.arange(3).expand(2, -1).clone()),
    ),
    "an expanded Parameter": Patient(
        lambda: made(scale=nn.Parameter(torch.ones(1).expand(3))),
        {("expanded-tensor", "scale")},
        lambda: made(scale=nn.Parameter(torch.ones(1).expand(3).clone())),
    ),
    "a slice of a large tensor": Patient(
        lambda: made(rows=nn.Parameter(torch.ones(5000, 4)[:2])),
        {("part-of-storage", "rows")},
        lambda: made(rows=nn.Parameter(torch.ones(5000, 4)[:2].clone())),
    ),
    "weights flattened into one storage": Patient(
        lambda: made(a=nn.Parameter((flat := torch.ones(8))[:4]), b=nn.Parameter(flat[4:])),
        {("part-of-storage", "a")},
        lambda: made(a=parameter(4), b=parameter(4)),
    ),
    "one batch norm in two places": Patient(
        lambda: twice_norm(same),
        {("tied-parameter", "first.weight"), ("tied-parameter", "first.bias")}
        | {("shared-state", "first")},
        lambda: twice_norm(copy.deepcopy),
    ),
    "one buffer under two names": Patient(
        lambda: made(a=buffered(mask=(one := torch.ones(2))), b=buffered(mask=one)),
        {("shared-state", "a.mask")},
        lambda: made(a=buffered(mask=torch.ones(2)), b=buffered(mask=torch.ones(2))),
    ),
    # --- made for inference, left on meta, on two devices ---
    "a model built for inference": Patient(
        lambda: for_inference(lambda: nn.Linear(2, 2)),
        {("inference-tensor", "weight")},
        lambda: nn.Linear(2, 2),
    ),
    "a table made at the first call, for inference": Patient(
        lambda: _called_for_inference(Rotary()),
        {("inference-tensor", "table")},
        lambda: _called_for_inference(Rotary(lambda table: None)),
    ),
    "tables made for inference, in a list": Patient(
        lambda: put(nn.Linear(2, 2), tables=for_inference(lambda: [torch.ones(2), torch.ones(1)])),
        {("inference-tensor", "tables")},
        lambda: nn.Linear(2, 2),
    ),
    "a table left on meta": Patient(
        lambda: Scaled(2, device="meta", persistent=False),
        {("left-on-meta", "table"), ("unsaved-buffer", "table")},
        lambda: Scaled(2),
    ),
    "a plain mask left on meta": Patient(
        lambda: put(nn.Linear(2, 2), mask=torch.ones(2, device="meta")),
        {("left-on-meta", "mask")},
        lambda: put(nn.Linear(2, 2), mask=None),
    ),
    "on two devices": Patient(
        lambda: on_two_devices("cuda"),
        {("mixed-device", "")},
        lambda: on_two_devices("cpu"),
    ),
    "most of it on meta": Patient(
        lambda: made(a=nn.Linear(1, 1, device="meta"), b=parameter()),
        {("mixed-device", "")},
        lambda: made(a=nn.Linear(1, 1), b=parameter()),
    ),
    # --- the tree ---
    "a child that holds its parent": Patient(
        family,
        {("part-of-itself", "children_.0.parent")},
        lambda: family(object.__setattr__),
    ),
    "a module that holds itself": Patient(
        in_itself,
        {("part-of-itself", "me")},
        lambda: in_itself(object.__setattr__),
    ),
    "a class that does not call super": Patient(
        lambda: made(layer=nn.Linear(2, 2), odd=Forgetful()),
        {("no-super", "odd")},
        lambda: made(layer=nn.Linear(2, 2), odd=nn.Linear(2, 2)),
    ),
    "a dataclass": Patient(
        dataclass_module,
        {("unhashable-module", "")},
        lambda: dataclass_module(eq=False),
    ),
    "a Mapping": Patient(
        mapping_module,
        {("unhashable-module", "0")},
        lambda: mapping_module(__hash__=nn.Module.__hash__),
    ),
    # --- classes ---
    "a method that hides a layer": Patient(
        lambda: with_class_body(registers("attr", nn.Linear(2, 2)), attr=lambda self: "mine"),
        {("shadowed-name", "attr")},
        lambda: with_class_body(registers("layer", nn.Linear(2, 2)), attr=lambda self: "mine"),
    ),
    "a property that hides a Parameter": Patient(
        lambda: with_class_body(registers("scale", parameter()), scale=property(lambda self: 2)),
        {("shadowed-name", "scale")},
        lambda: with_class_body(registers("raw", parameter()), scale=property(lambda self: 2)),
    ),
    "a class attribute that hides a buffer": Patient(
        lambda: with_class_body(registers("mean", torch.ones(2)), mean=None),
        {("shadowed-name", "mean")},
        lambda: with_class_body(registers("mean", torch.ones(2))),
    ),
    "a method of nn.Module that hides a layer": Patient(
        lambda: made(half=nn.Linear(2, 2)),
        {("shadowed-name", "half")},
        lambda: made(left_half=nn.Linear(2, 2)),
    ),
    "a Parameter on the class": Patient(
        lambda: with_class_body(same, scale=parameter()),
        {("class-attribute", "scale")},
        lambda: with_class_body(registers("scale", parameter())),
    ),
    "a tensor on the class": Patient(
        lambda: with_class_body(same, mean=torch.ones(2)),
        {("class-attribute", "mean")},
        lambda: with_class_body(registers("mean", torch.ones(2))),
    ),
    "a layer on the class": Patient(
        lambda: with_class_body(same, layer=nn.Linear(2, 2)),
        {("class-attribute", "layer")},
        lambda: with_class_body(registers("layer", nn.Linear(2, 2))),
    ),
    "layers in a list on the class": Patient(
        lambda: with_class_body(same, layers=[nn.Linear(2, 2)]),
        {("class-attribute", "layers")},
        lambda: with_class_body(registers("layers", nn.ModuleList([nn.Linear(2, 2)]))),
    ),
    "a layer as a default argument": Patient(
        lambda: block(same, nn.Linear(2, 2))(),
        {("default-argument", "part")},
        lambda: block(copy.deepcopy, nn.Linear(2, 2))(),
    ),
    "a Parameter as a default argument": Patient(
        lambda: made(deep=block(same, parameter())()),
        {("default-argument", "deep.part")},
        lambda: made(deep=block(copy.deepcopy, parameter())()),
    ),
    "a tensor as a default argument": Patient(
        lambda: block(same, torch.ones(2))(),
        {("default-argument", "part")},
        lambda: block(copy.deepcopy, torch.ones(2))(),
    ),
    "a default argument in two blocks": Patient(
        lambda: (lambda kind: nn.ModuleList([kind(), kind()]))(
            block(same, buffered(t=torch.ones(2)))
        ),
        {("default-argument", "0.part"), ("shared-state", "0.part")},
        lambda: (lambda kind: nn.ModuleList([kind(), kind()]))(
            block(copy.deepcopy, buffered(t=torch.ones(2)))
        ),
    ),
    "a default argument in two blocks, with a buffer further inside": Patient(
        lambda: (lambda kind: nn.ModuleList([kind(), kind()]))(
            block(same, made(inner=buffered(t=torch.ones(2))))
        ),
        {("default-argument", "0.part"), ("shared-state", "0.part")},
        lambda: (lambda kind: nn.ModuleList([kind(), kind()]))(
            block(copy.deepcopy, made(inner=buffered(t=torch.ones(2))))
        ),
    ),
    "a part with a to() of its own": Patient(
        lambda: made(muscle=Muscle()),
        {("plain-tensor", "muscle.scratch"), ("own-rules", "muscle")},
        lambda: made(muscle=MovedMuscle()),
    ),
    "a part with a state_dict() of its own": Patient(
        lambda: made(metric=Metric()),
        {("plain-tensor", "metric.correct"), ("own-rules", "metric")},
        lambda: made(metric=buffered(correct=torch.tensor(3))),
    ),
    "a part with a load_state_dict() of its own": Patient(
        lambda: made(layer=Upgrading(2, 2)),
        {("own-rules", "layer")},
        lambda: made(layer=UpgradingByHook(2, 2)),
    ),
    "a part with an _apply() of its own": Patient(
        lambda: made(dsp=Gamma()),
        {("plain-tensor", "dsp.gamma")},
        lambda: made(dsp=buffered(gamma=torch.ones(3))),
    ),
    # --- several optimizers ---
    "a discriminator without its optimizer": Patient(
        lambda: (model := gan(), adam(model.generator)),
        {("optimizer-misses", "discriminator")},
        lambda: (model := gan(), adam(model.generator), adam(model.discriminator)),
    ),
    "a target network": Patient(
        lambda: (model := made(online=nn.Linear(2, 2), target=nn.Linear(2, 2)), adam(model.online)),
        {("optimizer-misses", "target")},
        lambda: (
            model := made(online=nn.Linear(2, 2), target=nn.Linear(2, 2).requires_grad_(False)),
            adam(model.online),
        ),
    ),
    "a temperature that no optimizer has": Patient(
        lambda: (
            (model := put(gan(), temperature=parameter()), adam(model.generator))
            + (adam(model.discriminator),)
        ),
        {("optimizer-misses", "temperature")},
        lambda: (
            (model := put(gan(), temperature=parameter()), adam(model.generator))
            + (sgd(model.temperature, *model.discriminator.parameters()),)
        ),
    ),
    "a head replaced under two optimizers": Patient(
        lambda: replaced_discriminator(late=False),
        {("optimizer-misses", "discriminator.weight"), ("optimizer-misses", "discriminator.bias")}
        | {("optimizer-stale", f"optimizers[1].param_groups[0]['params'][{n}]") for n in (0, 1)},
        lambda: replaced_discriminator(late=True),
    ),
    "a loss that the optimizer trains as well": Patient(
        lambda: with_a_loss(audited=False),
        {("optimizer-stale", "param_groups[0]['params'][2]")},
        lambda: with_a_loss(audited=True),
    ),
    "a Parameter in two optimizers": Patient(
        lambda: (model := nn.Linear(2, 2, bias=False), sgd(model.weight), sgd(model.weight)),
        {("optimizer-twice", "weight")},
        lambda: (model := nn.Linear(2, 2), sgd(model.weight), sgd(model.bias)),
    ),
    "a Parameter twice in one group": Patient(
        lambda: (model := nn.Linear(2, 2, bias=False), quietly(sgd, model.weight, model.weight)),
        {("optimizer-twice", "weight")},
        lambda: (model := nn.Linear(2, 2, bias=False), sgd(model.weight)),
    ),
    "two layers in two optimizers": Patient(
        lambda: in_two_optimizers(second_from=1),
        {("optimizer-twice", f"{n}.{name}") for n in (1, 2) for name in ("weight", "bias")},
        lambda: in_two_optimizers(second_from=3),
    ),
    "a model moved after a step": Patient(
        lambda: moved_after_a_step(along=False),
        {("optimizer-state", "weight")},
        lambda: moved_after_a_step(along=True),
    ),
    "a second group for LBFGS": Patient(
        lambda: (model := nn.Linear(2, 2), torch.optim.LBFGS([model.weight])),
        {("optimizer-misses", "bias")},
        lambda: (model := nn.Linear(2, 2), torch.optim.LBFGS(model.parameters())),
    ),
}
