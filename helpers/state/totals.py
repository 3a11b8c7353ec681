"""How large is the state of a module? Sums over distinct parameters, buffers and modules."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress

import torch
from torch import nn

from helpers.state.objects import facts, require_module
from helpers.state.torch_private import without_torch_function
from helpers.state.walk import Part, held_by


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
    parameters, buffers = [], []
    seen, pending = set(), [module]
    while pending:  # in no order that matters, and without a `Part`: a large model has many
        current = pending.pop()
        key = id(current)
        if key in seen or not issubclass(type(current), nn.Module):
            continue
        seen.add(key)
        _, held, also_held, children = held_by(current)
        if held:
            parameters += held.values()
        if also_held:
            buffers += also_held.values()
        if children:
            pending += children.values()
    return _over(len(seen), parameters, buffers)


def totals_of(parts: list[Part]) -> Totals:
    """The same over modules that have been read, each once."""
    parameters = [one for part in parts for one in part.parameters.values()]
    return _over(len(parts), parameters, [one for part in parts for one in part.buffers.values()])


def _over(modules: int, parameters: list, buffers: list) -> Totals:
    """The sums over `modules` modules and what their containers hold, None and repetitions too.

    By identity: the same tensor under another name counts once, as a parameter if it is one."""
    distinct = {id(one): one for one in parameters if one is not None}
    others = {id(one): one for one in buffers if one is not None and id(one) not in distinct}
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
        if not tensors or not set(map(type, tensors)) <= {nn.Parameter, torch.Tensor}:
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


def known(number: object) -> int:
    """`number`, or 0 for None and for a symbolic size: adding one up would write guards into its
    owner's graph.
    """
    return number if type(number) is int else 0
