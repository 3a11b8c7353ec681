"""Modules for the tests: torch's own database, generated trees, hostile guests, and a bit-for-bit
comparison.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from hypothesis import strategies as st
from torch import nn


def database() -> Iterator[tuple[str, nn.Module]]:
    """(name, module) for every instance of torch's own module database, in training and in eval
    configuration.
    """
    from torch.testing._internal.common_modules import module_db

    count = 0
    for info in module_db:
        for training in (True, False):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                inputs = info.module_inputs_func(
                    info, device="cpu", dtype=torch.float32, requires_grad=False, training=training
                )
                for one in inputs:
                    call = one.constructor_input
                    count += 1
                    yield info.name, info.module_cls(*call.args, **call.kwargs)
    assert count > 1_800 and len({info.name for info in module_db}) > 100


def reader() -> nn.Module:
    """The model of lesson 02: tied weights, a layer used twice, frozen parameters and buffers."""
    mix, model = nn.Linear(4, 4), nn.Module()
    model.embed, model.blocks = nn.Embedding(6, 4), nn.Sequential(mix, nn.ReLU(), mix)
    model.norm, model.head = nn.BatchNorm1d(4).requires_grad_(False), nn.Linear(4, 6, bias=False)
    model.head.weight = model.embed.weight
    return model


@contextmanager
def untouched(module: nn.Module, name: str) -> Iterator[None]:
    """What runs inside changes nothing about `module` and calls neither its forward nor its
    state_dict.
    """
    called = []
    hooks = [
        module.register_forward_hook(lambda *_: called.append("forward")),
        module._register_state_dict_hook(lambda *_: called.append("state_dict")),
    ]
    before = fingerprint(module)
    yield
    assert (fingerprint(module), called) == (before, []), name
    for hook in hooks:
        hook.remove()


def fingerprint(module: nn.Module) -> list:
    """Everything about `module` that a helper might change: objects, keys and their order, bytes,
    modes, hooks.

    Equal before and after means: the same objects under the same keys, every byte of every tensor
    the same."""
    seen, pending, found = set(), [module], []
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        for key, value in nn.Module.__dict__["__dict__"].__get__(one).items():
            found.append((id(one), key if type(key) is str else id(key), id(value)))
            held = [value]
            if _is_plain_dict(value):
                found += [(id(value), id(name), id(item)) for name, item in value.items()]
                held = list(value.values())
            if type(value) is set:
                found.append(sorted(map(str, value)))
            found += [_tensor_facts(item) for item in held if issubclass(type(item), torch.Tensor)]
            pending += [item for item in held if issubclass(type(item), nn.Module)]
    return found


def _is_plain_dict(value: object) -> bool:
    kind = type(value)
    return issubclass(kind, dict) and kind.__module__ in ("builtins", "collections")


def _tensor_facts(tensor: torch.Tensor) -> tuple:
    gradient = tensor.requires_grad, id(tensor.grad)
    tracked = nn.parameter.is_lazy(tensor) or not tensor.is_inference()
    version = tensor._version if tracked else None
    return id(tensor), type(tensor), *gradient, version, _bytes(tensor)


def _bytes(tensor: torch.Tensor) -> bytes | None:
    """The bytes of a tensor that has them at hand, else None."""
    elsewhere = tensor.device.type != "cpu" or tensor.layout != torch.strided
    known = type(tensor) in (torch.Tensor, nn.Parameter, nn.Buffer)
    if elsewhere or not known or nn.parameter.is_lazy(tensor):
        return None
    if not tensor.numel():
        return b""
    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()


class Ran(BaseException):
    """Raised by code of a guest that no helper may run. Not an Exception, so that no guard can hide
    it.
    """


class Hostile:
    """A value every method of which must stay uncalled."""

    def __repr__(self):
        raise Ran("__repr__")

    __str__ = __eq__ = __bool__ = __len__ = __iter__ = __format__ = __getattr__ = __repr__
    __hash__ = object.__hash__

    @property
    def __class__(self):
        raise Ran("__class__")


class HostileModule(nn.Module):
    """A module whose own code must not run: properties, attribute access, repr and hooks."""

    def __getattribute__(self, name):
        raise Ran(f"__getattribute__({name!r})")

    def __getattr__(self, name):
        raise Ran(f"__getattr__({name!r})")

    def __repr__(self):
        raise Ran("__repr__")

    def __hash__(self):
        raise Ran("__hash__")

    def __eq__(self, other):
        raise Ran("__eq__")

    @property
    def weight(self):
        raise Ran("weight")

    def named_modules(self, *args, **kwargs):
        raise Ran("named_modules")

    def state_dict(self, *args, **kwargs):
        raise Ran("state_dict")


def hostile_module() -> HostileModule:
    """An initialised `HostileModule` with a parameter, a buffer, a submodule and two plain
    attributes.
    """
    module = HostileModule.__new__(HostileModule)
    plain = nn.Module()
    plain.register_parameter("scale", nn.Parameter(torch.ones(2)))
    plain.register_buffer("mean", torch.zeros(3), persistent=False)
    plain.add_module("child", nn.Linear(2, 2))
    vars(plain).update(guest=Hostile(), tensor=torch.zeros(4))
    own = nn.Module.__dict__["__dict__"].__get__(module)
    own.update(vars(plain))
    return module


class LongRepr:
    """A value whose repr would be megabytes long."""

    def __repr__(self):
        return "x" * 3_000_000


NAMES = [
    "weight",
    "a",
    "b",
    "0",
    "a.b",
    "it's",
    '"quoted"',
    "<script>alert(1)</script>",
    "<img src=x onerror=boom>",
    "line\nbreak",
    "\u202ereversed",
    "naïve",
    "x" * 10_000,
    "",
    " ",
]
# Hypothesis draws texts that stand in our own source too. A name by which torch itself works, as
# `modules` or `_modules`, would break torch's answers, which the tests compare with.
_TAKEN = {*dir(nn.Module), *vars(nn.Module())}
_names = st.sampled_from(NAMES) | st.text(max_size=8).filter(lambda name: name not in _TAKEN)


class _Growing:
    """A tree of modules that grows: `pool` has its modules, `tensors` those that may be tied."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.pool = draw, [nn.Module()]
        frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.tensors = [torch.zeros(2), nn.Parameter(torch.ones(3)), frozen]

    def one_of(self, *choices: object) -> object:
        """One of `choices`, by its place: hypothesis would look into what it samples."""
        return choices[self.draw(st.integers(0, len(choices) - 1))]

    def grow(self) -> None:
        owner, name = vars(self.one_of(*self.pool)), self.draw(_names)
        kinds = (self.parameter, self.buffer, self.module, self.tie, self.again)
        self.one_of(*kinds, self.plain, self.container)(owner, name)

    def parameter(self, owner: dict, name: str) -> None:
        made = self.one_of(None, nn.Parameter(torch.rand(2, 3)), nn.Parameter(torch.empty(0)))
        owner["_parameters"][name] = made
        self.tensors.append(torch.zeros(1) if made is None else made)

    def buffer(self, owner: dict, name: str) -> None:
        self.tensors.append(torch.arange(self.draw(st.integers(0, 4))))
        owner["_buffers"][name] = self.one_of(None, self.tensors[-1])
        if self.draw(st.booleans()):
            owner["_non_persistent_buffers_set"].add(name)

    def module(self, owner: dict, name: str) -> None:
        kinds = (nn.Module, nn.ReLU, lambda: nn.Linear(1, 2), lambda: nn.BatchNorm1d(2))
        self.pool.append(self.one_of(*kinds)())
        owner["_modules"][name] = self.one_of(None, *[self.pool[-1]] * 3)

    def tie(self, owner: dict, name: str) -> None:
        tensor = self.one_of(*self.tensors)
        owner["_parameters" if isinstance(tensor, nn.Parameter) else "_buffers"][name] = tensor

    def again(self, owner: dict, name: str) -> None:
        owner["_modules"][name] = self.one_of(*self.pool)

    def plain(self, owner: dict, name: str) -> None:
        harmless = (3, None, "text", len, nn.ReLU(), torch.zeros(2, 2), self.tensors[-1])
        owner[name] = self.one_of(*harmless, Hostile(), LongRepr(), 10**5000)

    def container(self, owner: dict, name: str) -> None:
        last, module = self.tensors[-1], self.pool[-1]
        inner = self.one_of([last], (last, 3), {"k": [last]}, [module, Hostile()])
        if isinstance(inner, list) and self.draw(st.booleans()):
            inner.append(inner)
        owner[name] = self.one_of(inner, [inner], {"<b>": inner}, {1, 2})


@st.composite
def modules(draw: st.DrawFn) -> nn.Module:
    """A generated module: trees with ties, repeated and recursive submodules, hostile names and
    values.
    """
    made = _Growing(draw)
    for _ in range(draw(st.integers(0, 14))):
        made.grow()
    if draw(st.integers(0, 9)) == 0:
        lost = ["_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training"]
        vars(made.pool[-1]).pop(draw(st.sampled_from(lost)), None)
    return made.pool[0]
