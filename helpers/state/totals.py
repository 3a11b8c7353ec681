"""How large is the state of a module? Sums over distinct parameters, buffers and modules."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

import torch
from torch import nn

from helpers.state.objects import facts, require_module
from helpers.state.torch_private import NON_PERSISTENT, without_torch_function
from helpers.state.walk import held_by

_ORDINARY = {nn.Parameter, torch.Tensor}


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
    return census(module).totals


class Census(NamedTuple):
    """The modules of a tree, each once, in the order in which `modules()` gives them.

    `place` has where each stands, by its id. `waiting` has, for each, how many members of those
    around it came after it. `parameters` and `buffers` are what the containers hold, one after the
    other, None and repetitions too; `firsts` says for each module where its own begin in the two.
    The modules in `unsaved` have buffers that are not saved, or may have. It holds all of them:
    keep it for a moment only."""

    place: dict[int, int]
    waiting: list[int]
    firsts: list[tuple[int, int]]
    parameters: list
    buffers: list
    unsaved: list[nn.Module]

    @property
    def totals(self) -> Totals:
        return _over(len(self.waiting), self.parameters, self.buffers)


def census(module: nn.Module) -> Census:
    """One pass over `module` that visits each module once, and makes no `Part`: a large model has
    many."""
    place, waiting, firsts, parameters, buffers, unsaved = found = Census({}, [], [], [], [], [])
    pending = [module]
    while pending:
        current = pending.pop()
        key = id(current)
        if key in place or not issubclass(type(current), nn.Module):
            continue
        place[key] = len(waiting)
        waiting.append(len(pending))
        firsts.append((len(parameters), len(buffers)))
        own, held, also_held, children = held_by(current)
        if held:
            parameters += held.values()
        if also_held:
            buffers += also_held.values()
            names = own.get(NON_PERSISTENT)
            if type(names) is not set or names:
                unsaved.append(current)
        if children:
            pending += reversed(children.values())
    return found


def distinct_of(parameters: list, buffers: list) -> tuple[dict[int, object], dict[int, object]]:
    """What two such lists hold, by id. The same tensor under another name counts once, as a
    parameter if it is one; None does not."""
    distinct = {id(one): one for one in parameters if one is not None}
    others = {id(one): one for one in buffers if one is not None and id(one) not in distinct}
    return distinct, others


def _over(modules: int, parameters: list, buffers: list) -> Totals:
    """The sums over `modules` modules and what their containers hold."""
    distinct, others = distinct_of(parameters, buffers)
    with without_torch_function():
        return sums(modules, list(distinct.values()), list(others.values()))


def sums(modules: int, parameters: list, buffers: list) -> Totals:
    """The sums over distinct tensors, or over records with the same facts, as `Entry` is one."""
    held, of_buffers = _Sums.over(parameters), _Sums.over(buffers)
    return Totals(
        modules=modules,
        parameters=held.elements,
        trainable=held.trainable,
        buffers=of_buffers.elements,
        nbytes=held.nbytes + of_buffers.nbytes,
        lazy=held.lazy + of_buffers.lazy,
    )


@dataclass
class _Sums:
    elements: int = 0
    trainable: int = 0
    nbytes: int = 0
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
        if not tensors or not set(map(type, tensors)) <= _ORDINARY:
            return None
        try:
            numel = [tensor.numel() for tensor in tensors]
            trainable = sum(compress(numel, [tensor.requires_grad for tensor in tensors]))
            nbytes = sum([tensor.nbytes for tensor in tensors])
        except Exception:  # one of them cannot tell a fact: ask each alone
            return None
        return cls(sum(numel), trainable, nbytes) if type(nbytes) is int else None

    def add(self, told: object) -> None:
        self.elements += known(told.numel)
        self.trainable += known(told.numel) if told.requires_grad else 0
        self.nbytes += known(told.nbytes)
        self.lazy += type(told.numel) is not int


def sizes_of(tensors: list) -> list[int]:
    """The bytes of each, as `Totals.nbytes` sums them up: 0 where there is no size yet."""
    if set(map(type, tensors)) <= _ORDINARY:
        try:
            return list(map(known, [tensor.nbytes for tensor in tensors]))
        except Exception:  # one of them cannot tell
            pass
    return [known(facts(tensor).nbytes) for tensor in tensors]


def known(number: object) -> int:
    """`number`, or 0 for None and for a symbolic size: adding one up would write guards into its
    owner's graph.
    """
    return number if type(number) is int else 0
