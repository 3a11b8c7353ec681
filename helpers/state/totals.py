"""How large is the state of a module? Sums over distinct parameters, buffers and modules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, compress
from operator import attrgetter

import torch
from torch import nn

from helpers.state.objects import ORDINARY, collector_paused, facts, require_module
from helpers.state.torch_private import without_torch_function
from helpers.state.walk import Held, Part, held_by


@dataclass(frozen=True)
class Totals:
    """Sums over distinct objects: a tensor or module under several names counts once.

    `modules` counts the root too; `parameters`, `trainable` and `buffers` count elements; `nbytes`
    is the bytes of parameters and buffers together. `lazy` counts registered tensors that have no
    size yet: they add nothing."""

    modules: int
    parameters: int
    trainable: int
    buffers: int
    nbytes: int
    lazy: int


def totals(module: nn.Module) -> Totals:
    """Sums over the distinct parameters, buffers and modules of `module`, in one pass that visits
    each once.

    Raises TypeError if `module` is not an `nn.Module` instance.
    """
    require_module(module, "totals")
    with collector_paused():
        return census(module).totals


@dataclass(frozen=True)
class Census:
    """The modules of a tree, each once, in the order in which `modules()` gives them.

    `waiting` has, by the id of each, how many members of those around it came after it. `held` is
    what `held_by` said of each. It holds the tensors: keep it for a moment only."""

    waiting: dict[int, int]
    held: list[Held]

    @cached_property
    def places(self) -> dict[int, int]:
        """Where each module stands in `held`, by its id."""
        return dict(zip(self.waiting, range(len(self.held)), strict=True))

    def part(self, module: nn.Module) -> Part:
        """What `read(module)` would give, of a module that was counted, without another look."""
        return Part("", -1, module, False, False, *self.held[self.places[id(module)]])

    @cached_property
    def tensors(self) -> tuple[list, list]:
        """The parameters and the buffers, one module after the other, None and repetitions too."""
        held = (filter(None, map(attrgetter(one), self.held)) for one in ("parameters", "buffers"))
        return tuple(list(chain.from_iterable(map(dict.values, some))) for some in held)

    @cached_property
    def distinct(self) -> tuple[dict[int, object], dict[int, object]]:
        """The same by id. Under another name a tensor counts once, as the first of its kinds
        (`RANKS`): a parameter if it is one; None does not."""
        parameters, buffers = ({id(tensor): tensor for tensor in one} for one in self.tensors)
        parameters.pop(id(None), None)
        for key in [id(None), *(parameters.keys() & buffers.keys())]:
            buffers.pop(key, None)
        return parameters, buffers

    @cached_property
    def sizes(self) -> tuple[list[int], list[int]]:
        """The bytes of each of these, as `Totals.nbytes` sums them up."""
        with without_torch_function():
            return tuple(sizes_of(list(one.values())) for one in self.distinct)

    @cached_property
    def totals(self) -> Totals:
        parameters, buffers = (list(one.values()) for one in self.distinct)
        with without_torch_function():
            return sums(len(self.held), parameters, buffers, sum(map(sum, self.sizes)))


def census(module: nn.Module) -> Census:
    """One pass over `module` that visits each module once, and makes no `Part`: a large model has
    many."""
    waiting, held, pending = {}, [], [module]
    while pending:
        current = pending.pop()
        key = id(current)
        if key in waiting or not issubclass(type(current), nn.Module):
            continue
        waiting[key] = len(pending)
        found = held_by(current)
        held.append(found)
        if found.modules:
            pending += reversed(found.modules.values())
    return Census(waiting, held)


def sums(modules: int, parameters: list, buffers: list, nbytes: int) -> Totals:
    """The sums over distinct tensors, or over records with the same facts, as `Entry` is one."""
    held, of_buffers = _Sums.over(parameters), _Sums.over(buffers)
    return Totals(
        modules=modules,
        parameters=held.elements,
        trainable=held.trainable,
        buffers=of_buffers.elements,
        nbytes=nbytes,
        lazy=held.lazy + of_buffers.lazy,
    )


@dataclass
class _Sums:
    elements: int = 0
    trainable: int = 0
    lazy: int = 0

    @classmethod
    def over(cls, tensors: list) -> _Sums:
        found = cls._quick(tensors)
        if found is None:
            found = cls()
            for tensor in tensors:
                found.add(facts(tensor) if issubclass(type(tensor), torch.Tensor) else tensor)
        return found

    @classmethod
    def _quick(cls, tensors: list) -> _Sums | None:
        """All at once, where they are ordinary tensors: a large model has many."""
        if not tensors or not set(map(type, tensors)) <= ORDINARY:
            return None
        try:
            numel = [tensor.numel() for tensor in tensors]
            trainable = sum(compress(numel, [tensor.requires_grad for tensor in tensors]))
        except Exception:  # one of them cannot tell a fact: ask each alone
            return None
        elements = sum(numel)
        return cls(elements, trainable) if type(elements) is int else None

    def add(self, told: object) -> None:
        self.elements += known(told.numel)
        self.trainable += known(told.numel) if told.requires_grad else 0
        self.lazy += type(told.numel) is not int


def sizes_of(tensors: list) -> list[int]:
    """The bytes of each tensor: 0 where there is no size yet."""
    if set(map(type, tensors)) <= ORDINARY:
        try:
            found = [tensor.nbytes for tensor in tensors]
            return found if type(sum(found)) is int else list(map(known, found))
        except Exception:  # one of them cannot tell
            pass
    return [known(facts(tensor).nbytes) for tensor in tensors]


def known(number: object) -> int:
    """`number`, or 0 for None and for a symbolic size: adding one up would write guards into its
    owner's graph.
    """
    return number if type(number) is int else 0
