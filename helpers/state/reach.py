"""The names that reach a tensor from what somebody has in hand: modules, dictionaries, lists,
tensors, optimizers."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from helpers.state.objects import (
    COLLECTIONS,
    brief,
    class_name,
    inside,
    is_parameter,
    type_name,
)
from helpers.state.optimizers import Optimizers
from helpers.state.walk import dotted, is_module, walk_with_paths


class Name(NamedTuple):
    """One name of a tensor, as `model.layer1.weight` or `saved['layer1.weight']`. `kind` is one of
    `walk.KINDS`: in a module, as what it is registered there; anywhere else, what it is by itself,
    "parameter" or "plain tensor"."""

    words: str
    kind: str
    tensor: torch.Tensor


class Watched:
    """Something whose tensors are looked at again and again, and which is not kept alive for that.

    Python has no weak reference to a plain dict, list or tuple. One of these is held, and let go at
    the first look when nobody else has it."""

    def __init__(self, thing: object) -> None:
        self._held: list = []
        try:
            self._weak = weakref.ref(thing)
        except TypeError:
            self._held, self._weak = [thing], lambda: None

    def get(self) -> Any:
        """The thing; None once it is gone."""
        if self._held and _references(self._held) <= _ALONE:
            self._held.clear()
        return self._held[0] if self._held else self._weak()


def _references(held: list) -> int:
    return sys.getrefcount(held[0])


_ALONE = _references([[]])  # what Python counts where this list alone has it


def require_source(thing: object, name: str, caller: str) -> None:
    """Raise TypeError unless `thing`, given under `name`, is something in which tensors stand."""
    kind = type(thing)
    if is_module(thing) or issubclass(kind, (torch.Tensor, *COLLECTIONS)):
        return
    try:
        Optimizers((object() if thing is None else thing,))
    except TypeError:
        got = brief(thing)
        if issubclass(kind, type):
            got = f"the class {class_name(thing)}; pass an instance"
        elif type_name(thing) == "generator":
            got = "a generator, which is used up by one look; pass list(...) of it"
        takes = "modules, state_dicts and other containers, tensors and optimizers"
        raise TypeError(f"{caller}() takes {takes}; {name} is {got}.") from None


def names(thing: Any, name: str) -> Iterator[Name]:
    """Every name by which a tensor is reached from `thing`, which stands under `name`.

    It is read as it stands: a module's own code does not run, nor that of a container."""
    if issubclass(type(thing), (torch.Tensor, *COLLECTIONS)):
        yield from _Entered().contained(thing, name)
    elif is_module(thing):
        yield from _Entered().registered(thing, name)
    else:
        yield from _optimized(Optimizers((thing,)), name)


class _Entered:
    """A way through modules and containers, on which each module is entered once."""

    def __init__(self) -> None:
        self._modules: set[int] = set()

    def contained(self, thing: Any, name: str) -> Iterator[Name]:
        for path, value in inside(thing, name, longest=300):
            if is_module(value):
                yield from self.registered(value, path)
            elif issubclass(type(value), torch.Tensor):
                yield Name(path, _kind_by_itself(value), value)

    def registered(self, module: torch.nn.Module, name: str) -> Iterator[Name]:
        """The tensors of a module and of those below it, and of those that it has in plain
        containers, where torch does not look."""
        if id(module) in self._modules:
            return
        self._modules.add(id(module))
        for path, part in walk_with_paths(module, name):
            for slot in part.slots():
                if issubclass(type(slot.value), torch.Tensor):
                    yield Name(dotted(path, slot.name), slot.kind, slot.value)
                elif is_module(slot.value):
                    yield from self.registered(slot.value, dotted(path, slot.name))


def _kind_by_itself(tensor: torch.Tensor) -> str:
    """The kind of a tensor under a name that is in no module."""
    return "parameter" if is_parameter(tensor) else "plain tensor"


def _optimized(held: Optimizers, name: str) -> Iterator[Name]:
    """What an optimizer was given, and what it remembers of it, under its place in state_dict()."""
    numbers: dict[int, int] = {}
    for position, tensor in held.tensors(0):
        numbers.setdefault(id(tensor), len(numbers))
        if issubclass(type(tensor), torch.Tensor):
            yield Name(f"{name}.{held.path(position)}", _kind_by_itself(tensor), tensor)
    for parameter, note, tensor in held.memory(0):
        place = numbers.get(id(parameter))
        yield Name(f"{name}.state_dict()['state'][{place}][{note!r}]", "plain tensor", tensor)
