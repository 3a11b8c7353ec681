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
        own = nn.Module.__dict__["__dict__"].__get__(one)
        for key, value in own.items():
            found.append((id(one), key if type(key) is str else id(key), id(value)))
            if issubclass(type(value), dict) and type(value).__module__ in (
                "builtins",
                "collections",
            ):
                found += [(id(value), id(name), id(item)) for name, item in value.items()]
                values = list(value.values())
            else:
                values = [value]
            if type(value) is set:
                found.append(sorted(map(str, value)))
            for item in values:
                if issubclass(type(item), nn.Module):
                    pending.append(item)
                elif issubclass(type(item), torch.Tensor):
                    found.append(
                        (
                            id(item),
                            type(item),
                            item.requires_grad,
                            id(item.grad),
                            item._version,
                            _bytes(item),
                        )
                    )
    return found


def _bytes(tensor: torch.Tensor) -> bytes | None:
    if (
        nn.parameter.is_lazy(tensor)
        or tensor.device.type != "cpu"
        or tensor.layout != torch.strided
    ):
        return None
    if type(tensor) not in (torch.Tensor, nn.Parameter, nn.Buffer):
        return None
    return (
        tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        if tensor.numel()
        else b""
    )


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


@st.composite
def modules(draw: st.DrawFn) -> nn.Module:
    """A generated module: trees with ties, repeated and recursive submodules, hostile names and
    values.
    """
    pool = [nn.Module()]
    tensors = [
        torch.zeros(2),
        nn.Parameter(torch.ones(3)),
        nn.Parameter(torch.ones(1), requires_grad=False),
    ]
    for _ in range(draw(st.integers(0, 14))):
        owner = vars(draw(st.sampled_from(pool)))
        name = draw(_names)
        what = draw(
            st.sampled_from(["parameter", "buffer", "module", "plain", "container", "tie", "again"])
        )
        if what == "parameter":
            tensor = draw(
                st.sampled_from(
                    [None, nn.Parameter(torch.rand(2, 3)), nn.Parameter(torch.empty(0))]
                )
            )
            owner["_parameters"][name] = tensor
            tensors.append(torch.zeros(1) if tensor is None else tensor)
        elif what == "buffer":
            tensors.append(torch.arange(draw(st.integers(0, 4))))
            owner["_buffers"][name] = draw(st.sampled_from([None, tensors[-1]]))
            if draw(st.booleans()):
                owner["_non_persistent_buffers_set"].add(name)
        elif what == "module":
            made = [nn.Module, nn.ReLU, lambda: nn.Linear(1, 2), lambda: nn.BatchNorm1d(2)]
            pool.append(draw(st.sampled_from(made))())
            owner["_modules"][name] = draw(st.sampled_from([None, pool[-1], pool[-1], pool[-1]]))
        elif what == "tie":
            tensor = draw(st.sampled_from(tensors))
            owner["_parameters" if isinstance(tensor, nn.Parameter) else "_buffers"][name] = tensor
        elif what == "again":
            owner["_modules"][name] = draw(st.sampled_from(pool))
        elif what == "plain":
            value = [
                3,
                None,
                "text",
                Hostile(),
                LongRepr(),
                10**5000,
                torch.zeros(2, 2),
                tensors[-1],
                nn.ReLU(),
                len,
            ]
            owner[name] = value[
                draw(st.integers(0, len(value) - 1))
            ]  # hypothesis would look into what it samples
        else:
            last = tensors[-1]
            inner = [[last], (last, 3), {"k": [last]}, [pool[-1], Hostile()]][
                draw(st.integers(0, 3))
            ]
            if draw(st.booleans()) and isinstance(inner, list):
                inner.append(inner)
            owner[name] = [inner, [inner], {"<b>": inner}, {1, 2}][draw(st.integers(0, 3))]
    if draw(st.integers(0, 9)) == 0:
        lost = ["_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training"]
        vars(pool[-1]).pop(draw(st.sampled_from(lost)), None)
    return pool[0]
