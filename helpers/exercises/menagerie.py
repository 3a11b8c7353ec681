"""One small model of each kind that a function of a model has to cope with.

`menagerie()` makes them anew at each call, with numbers that tell one entry from another. An
exercise leaves out the kinds of which its docstring says nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from zlib import crc32

import numpy
import torch
from torch import nn

from helpers.exercises.exercise import Experiment
from helpers.exercises.facts import Facts, called
from helpers.state.torch_private import is_lazy


def holding(**children: nn.Module) -> nn.Module:
    """A module that holds `children` under their names, and nothing else."""
    return nn.ModuleDict(children)


def _with(module: nn.Module, **values: object) -> nn.Module:
    for name, value in values.items():
        setattr(module, name, value)
    return module


def _tied() -> nn.Module:
    """The table of `types`, which comes first, has the shape of the weight that is tied."""
    model = holding(types=nn.Embedding(5, 4), embed=nn.Embedding(5, 4), body=nn.Linear(4, 4))
    model.head = nn.Linear(4, 5, False)
    model.head.weight = model.embed.weight
    return model


def _tied_buffers() -> nn.Module:
    model = holding(first=nn.BatchNorm1d(2), second=nn.BatchNorm1d(2), own=nn.BatchNorm1d(2))
    for name in ("running_mean", "num_batches_tracked"):
        model.second.register_buffer(name, model.first.get_buffer(name))
    model.own.register_buffer("last", model.first.running_mean, persistent=False)
    return model


def _shared() -> nn.Module:
    block = nn.Linear(2, 2)
    return holding(first=block, between=nn.Linear(2, 2), again=block)


def _empty_slots() -> nn.Module:
    model = holding(body=nn.Linear(2, 2, bias=False))
    model.register_buffer("mean", None)
    model.register_parameter("gain", None)
    model.add_module("head", None)
    return model


def _frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    model[0].weight.requires_grad_(False)
    return model


def _not_saved() -> nn.Module:
    model = holding(body=nn.Linear(2, 2), norm=nn.BatchNorm1d(2))
    model.body.register_buffer("mask", torch.ones(2), persistent=False)
    return model


def _whole_numbers() -> nn.Module:
    steps, used = nn.Buffer(torch.arange(3)), nn.Buffer(torch.tensor([True, False]))
    return _with(nn.Linear(2, 2), steps=steps, used=used, rate=nn.Buffer(torch.tensor(0.5)))


def _wanting() -> nn.Module:
    return _with(nn.Linear(2, 2), bias_of_others=nn.Buffer(torch.ones(2, requires_grad=True)))


class Noted(nn.Linear):
    """A layer with an extra state, which is a note, not a tensor."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.note = {"steps": [1, 2]}

    def get_extra_state(self) -> object:
        return self.note

    def set_extra_state(self, state: object) -> None:
        self.note["steps"][:] = state["steps"]


class Recorded(Noted):
    """A layer whose extra state holds much, some of it deep, and two tensors among it."""

    def __init__(self) -> None:
        super().__init__()
        best = ({"losses": [0.5]}, [1])
        self.note = {"runs": [{"best": best}], "seen": {1}, "raw": bytearray(b"a")}
        self.note["mean"] = [torch.tensor([3.0, 4.0])]
        self.note["rate"] = torch.tensor(0.5)

    def set_extra_state(self, state: object) -> None:
        if state is not self.note:
            self.note = copy.deepcopy(state)


class Tabled(Recorded):
    """A layer with an extra state that is an array, and no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.note = numpy.array([3.0, 4.0])


class Blank(Recorded):
    """A layer with an extra state that is `None`."""

    def __init__(self) -> None:
        super().__init__()
        self.note = None


class Counted(Noted):
    """A layer with an extra state that is a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.note = torch.tensor([3.0, 4.0])

    def set_extra_state(self, state: torch.Tensor) -> None:
        self.note.copy_(state)


def _odd_names() -> nn.Module:
    names = "0", "class", "Class", "10"
    odd = holding(**{name: nn.Linear(2, 2) for name in names})
    odd.register_parameter("lambda", nn.Parameter(torch.ones(2)))
    return odd


def _look_alikes() -> nn.Module:
    model = holding(encoder_norm=nn.LayerNorm(2), encoder=nn.Linear(2, 2), decoder=nn.Linear(2, 2))
    model.decoder.encoder = nn.Linear(2, 2)
    model.encoders = nn.Parameter(torch.ones(2))  # `name.find(".")` is -1 here
    return _with(model, rescale=nn.Parameter(torch.ones(2)), scale=nn.Parameter(torch.ones(2)))


def _equal() -> nn.Module:
    model = holding(first=nn.Linear(2, 2), second=nn.Linear(2, 2))
    model.second.load_state_dict(model.first.state_dict())
    model.third = nn.Linear(2, 2)
    model.third.weight = model.second.weight
    return model


def _one_memory() -> nn.Module:
    model = holding(first=nn.Linear(2, 2), second=nn.Linear(2, 2))
    return _with(model, view=nn.Parameter(model.first.weight.data[0]))


def _many_dtypes() -> nn.Module:
    model = holding(first=nn.Linear(2, 3), exact=nn.Linear(2, 2).double())
    model.short = nn.Linear(2, 2).bfloat16()
    return model


class Own(nn.Parameter):
    """A parameter of a class of its own."""


def _own_class() -> nn.Module:
    return _with(nn.Linear(2, 2), scale=Own(torch.ones(2)), mask=Own(torch.ones(3), False))


def _complex() -> nn.Module:
    return _with(nn.Linear(2, 2), phase=nn.Parameter(torch.ones(2, dtype=torch.complex64)))


def _not_used() -> nn.Module:
    return holding(spare=nn.Linear(2, 2), body=nn.Linear(2, 2))


def _two_modes() -> nn.Module:
    model = holding(body=nn.Linear(2, 2), norm=nn.BatchNorm1d(2), drop=nn.Dropout()).eval()
    model.norm.train()
    return model


def _other_strides() -> nn.Module:
    """A transposed weight, and a buffer that is a part of a larger tensor."""
    model = holding(body=nn.Linear(3, 2))
    model.body.weight = nn.Parameter(torch.ones(3, 2).t())
    return _with(model, rows=nn.Buffer(torch.ones(4, 2)[1:3]))


def _deep() -> nn.Module:
    """Its order tells a walk in depth from one in breadth: `a.x.deep` comes before `b.x`. The
    deepest name has seven steps, and one of each kind stands behind six."""
    bottom = _with(holding(norm=nn.BatchNorm1d(2)), _gain=nn.Parameter(torch.ones(2)))
    bottom.register_buffer("_mask", torch.ones(2), persistent=False)
    below = holding(_f=holding(g=bottom, note=Counted()))
    a = holding(x=holding(deep=nn.Linear(2, 2)), y=nn.Linear(2, 2))
    deep = holding(deep=nn.Linear(2, 1), e=below)
    model = holding(a=a, b=holding(x=nn.BatchNorm1d(2), y=deep))
    return _with(model, own=nn.Parameter(torch.tensor(1.0)))


def _no_elements() -> nn.Module:
    """A parameter and a buffer that are registered like any other, and have no numbers."""
    model = holding(body=nn.Linear(2, 2))
    model.body.spare = nn.Parameter(torch.ones(0, 2))
    return _with(model, rows=nn.Buffer(torch.ones(0)))


def _double() -> nn.Module:
    """Numbers that no other dtype can hold."""
    model = nn.Linear(2, 2).double()
    model.load_state_dict({key: 1e60 * one for key, one in model.state_dict().items()})
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "a linear layer": lambda: nn.Linear(2, 3),
    "an empty model": nn.Sequential,
    "frozen weights": _frozen,
    "a non-persistent buffer": _not_saved,
    "tied weights": _tied,
    "a module under two names": _shared,
    "empty slots": _empty_slots,
    "integer, boolean and 0-dim buffers": _whole_numbers,
    "a buffer that wants gradients": _wanting,
    "an extra state": lambda: holding(body=Noted(), head=nn.Linear(2, 1)),
    "a tensor as extra state": lambda: holding(body=Counted(), head=nn.Linear(2, 1)),
    "odd names": _odd_names,
    "names within names": _look_alikes,
    "equal tensors": _equal,
    "two parameters in one memory": _one_memory,
    "seven levels": _deep,
    "half precision": lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).half(),
    "double precision": _double,
    "a model on meta": lambda: holding(body=nn.Linear(2, 2), norm=nn.BatchNorm1d(2)).to("meta"),
    "a lazy layer": lambda: nn.Sequential(nn.LazyLinear(2), nn.Linear(2, 1)),
    "a wrapped model": lambda: holding(module=holding(body=nn.Linear(2, 2))),
    "a batch norm": lambda: nn.BatchNorm1d(3),
    "a compiled model": lambda: holding(_orig_mod=holding(body=nn.Linear(2, 2))),
    "a buffer under two names": _tied_buffers,
    "an extra state with much in it": lambda: holding(body=Recorded(), head=nn.Linear(2, 1)),
    "an array as extra state": lambda: holding(body=Tabled(), head=nn.Linear(2, 1)),
    "several dtypes": _many_dtypes,
    "a layer that nobody used": _not_used,
    "eval mode but for a part": _two_modes,
    "a transposed weight, and a slice": _other_strides,
    "an extra state that is `None`": lambda: holding(body=Blank(), head=nn.Linear(2, 1)),
    "parameters of a class of its own": _own_class,
    "a complex parameter": _complex,
    "tensors without elements": _no_elements,
}
_KEPT = {"equal tensors", "double precision"}  # whose numbers are the point of it
# Kinds with parameters that have no gradient, and how the names of these begin.
_UNTRAINED = {"a batch norm": "", "a layer that nobody used": "spare."}


def made(words: str) -> nn.Module:
    """A fresh model of the kind `words`, as it is after a backward pass."""
    model = MODELS[words]()
    if words not in _KEPT:
        fill(model)
    for name, one in model.named_parameters():
        unused = words in _UNTRAINED and name.startswith(_UNTRAINED[words])
        if one.requires_grad and not is_lazy(one) and not unused:
            one.grad = numbers_for(f"the gradient of {name}", one)
    return model


def menagerie(*, without: Collection[str] = ()) -> Iterator[tuple[str, nn.Module]]:
    """(kind in words, a fresh model of it), for each kind not in `without`."""
    assert set(without) <= set(MODELS), without
    return ((words, made(words)) for words in MODELS if words not in without)


@cache
def classes_of_models() -> tuple[type, ...]:
    """The classes that an answer meets by its arguments, and may write on: those of the modules,
    of what holds and trains them, and what these are made from, but for `nn.Module` itself."""
    kinds = {type(part) for make in MODELS.values() for part in make().modules()}
    kinds |= {nn.DataParallel, torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop}
    every = {base for kind in kinds for base in kind.__mro__} - {nn.Module}
    return (nn.Parameter, *(k for k in every if issubclass(k, (nn.Module, torch.optim.Optimizer))))


def tensors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and buffer with its first name, lazy ones left out."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor for name, tensor in named if not is_lazy(tensor)}


def numbers_for(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Numbers for `tensor` that tell `name` from other names, and each element from the others."""
    start = crc32(name.encode()) % 997 / 100 + 0.5
    line = torch.arange(tensor.numel(), dtype=torch.float64).div_(8).add_(start)
    return line.reshape(tensor.shape).to(tensor.device, tensor.dtype)


@torch.no_grad()
def fill(model: nn.Module, names: Collection[str] | None = None) -> None:
    """Put numbers into the tensors of `model` called `names`, or all, in place, by their names."""
    for name, tensor in tensors_of(model).items():
        if not tensor.is_meta and (names is None or name in names):
            tensor.copy_(numbers_for(name, tensor))


@torch.no_grad()
def train_on(model: nn.Module) -> None:
    """Change everything that `model` holds in place, as training does."""
    for tensor in tensors_of(model).values():
        tensor.logical_not_() if tensor.dtype == torch.bool else tensor.add_(1)
    for part in model.modules():
        if isinstance(part, Noted):
            _grow(part.note)


def _grow(value: object) -> None:
    """Change `value` in place, and all that is in it."""
    if isinstance(value, (torch.Tensor, numpy.ndarray)):
        value += 1
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            _grow(item)
        value.append(3) if isinstance(value, list) else None
    elif isinstance(value, set):
        value.add(3)
    elif isinstance(value, bytearray):
        value.append(3)


TO_CHANGE = ("a linear layer", "tied weights", "a batch norm")


def rename(model: nn.Module) -> None:
    """Give the first part of `model`, or its first parameter, another name, which comes last."""
    named = [*model.named_children(), *model.named_parameters(recurse=False)]
    name, value = named[0]
    delattr(model, name)
    model.renamed = value


def change(model: nn.Module) -> None:
    """Change what an answer may have kept of `model`: its dtype, its mode, what it trains."""
    model.double().train(not model.training)
    for one in model.parameters():
        one.requires_grad_(not one.requires_grad)


def on_models(
    call: str,
    episode: Callable[[Callable, nn.Module], Facts] | None = None,
    *,
    without: Collection[str] = (),
    free: Collection[str] = (),
) -> Experiment:
    """The experiment that asks a function on the whole menagerie: `call` in words, then the kind.

    `episode(answer, model)` says what happens; by itself, the function is called twice, and of some
    models once more when they have changed."""

    def ask(answer: Callable, model: nn.Module) -> Facts:
        if episode is None:
            return called(answer, model=model, free=free, again=True)
        return episode(answer, model)

    def ask_again(answer: Callable, model: nn.Module) -> Facts:
        change(model)
        return ask(answer, model)

    def experiment(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
        to_change = []
        for words, model in menagerie(without=without):
            yield f"`{call}` for {words}", partial(ask, answer, model)
            if episode is None and words in TO_CHANGE:
                to_change.append((words, model))
        for words, model in to_change:
            which = f"`{call}` for {words}, once its dtype and what it trains have changed"
            yield which, partial(ask_again, answer, model)

    return experiment
