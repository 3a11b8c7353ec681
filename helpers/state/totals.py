"""How large is the state of a module? Sums over distinct parameters, buffers and modules."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import nn

from helpers.state.objects import ORDINARY, collector_paused, facts, require_module
from helpers.state.torch_private import without_torch_function
from helpers.state.walk import Part, held_by, read

# Of so many modules a census keeps what they hold: a model of more is looked at in a few places
# only, and to keep it takes longer than to read those again.
_KEPT = 500


@dataclass(frozen=True)
class Totals:
    """Sums over distinct objects: a tensor or module under several names counts once.

    `modules` counts the root too; `parameters`, `trainable` and `buffers` count elements; `nbytes`
    is the bytes of the elements of parameters and buffers together, each tensor counted in full:
    one that was expanded, or shares memory with another, takes less memory than that. `lazy` counts
    registered tensors that have no size yet: they add nothing. `unsized` counts those with a size
    of which torch tells no bytes, such as sparse ones: they add elements alone."""

    modules: int
    parameters: int
    trainable: int
    buffers: int
    nbytes: int
    lazy: int
    unsized: int


def totals(module: nn.Module) -> Totals:
    """Sums over the distinct parameters, buffers and modules of `module`, in one pass that visits
    each once.

    Raises TypeError if `module` is not an `nn.Module` instance.
    """
    require_module(module, "totals")
    with collector_paused():
        return census(module).totals


class _End(NamedTuple):
    """Stands among the modules that a census has yet to visit, after those in one of them."""

    place: int


@dataclass(frozen=True)
class Census:
    """The `modules` of a tree, each once, in the order in which `modules()` gives them.

    `held` has what `held_by` said of the first of them, by id. `ends` has, by the place of each
    that has members, the place after the last that was met first in it; of another this is the
    next. `parameters` and `buffers` stand one module after the other, None and repetitions too;
    `counts` has how many parameters each module has, `buffered` the place, the instance dictionary
    and the buffers of each that has some. It holds the tensors: keep it for a moment only."""

    modules: list[nn.Module] = field(default_factory=list)
    held: dict[int, tuple[dict, dict, dict, dict]] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    parameters: list = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    buffers: list = field(default_factory=list)
    buffered: list[tuple[int, dict, dict]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.modules)

    def part(self, module: nn.Module) -> Part:
        """What `read(module)` gives, without another look where what it held is still known."""
        held = self.held.get(id(module))
        return read(module) if held is None else Part("", -1, module, False, False, *held)

    @cached_property
    def distinct(self) -> tuple[dict[int, object], dict[int, object]]:
        """The parameters and the buffers by id. Under another name a tensor counts once, as the
        first of its kinds (`RANKS`): a parameter if it is one; None does not."""
        registered = (self.parameters, self.buffers)
        parameters, buffers = (dict(zip(map(id, one), one, strict=True)) for one in registered)
        parameters.pop(id(None), None)
        for key in [id(None), *(parameters.keys() & buffers.keys())]:
            buffers.pop(key, None)
        return parameters, buffers

    @cached_property
    def sums(self) -> tuple[Sums, Sums]:
        """What these add up to."""
        with without_torch_function():
            return tuple(Sums.over(one.values()) for one in self.distinct)

    @cached_property
    def totals(self) -> Totals:
        return totals_of(len(self), *self.sums)


def census(module: nn.Module) -> Census:
    """One pass over `module` that visits each module once, and makes no `Part`: a large model has
    many."""
    found, pending, met = Census(), [module], set()
    visited, counts, all_parameters = found.modules, found.counts, found.parameters
    while pending:
        current = pending.pop()
        key = id(current)
        if key in met or not issubclass(type(current), nn.Module):
            if type(current) is _End:
                found.ends[current.place] = len(visited)
            continue
        met.add(key)
        visited.append(current)
        own, parameters, buffers, modules = held = held_by(current)
        if len(visited) <= _KEPT:
            found.held[key] = held
        counts.append(len(parameters))
        if parameters:
            all_parameters += parameters.values()
        if buffers:
            found.buffers.extend(buffers.values())
            found.buffered.append((len(visited) - 1, own, buffers))
        if modules:
            pending.append(_End(len(visited) - 1))
            pending += reversed(modules.values())
    return found


@dataclass
class Sums:
    """What some tensors add up to: their elements, those of them that want a gradient, and the
    bytes of each tensor, 0 where there are none to tell; how many have no size yet, and how many
    have elements without bytes."""

    elements: int = 0
    trainable: int = 0
    lazy: int = 0
    unsized: int = 0
    sizes: list[int] = field(default_factory=list)

    @classmethod
    def over(cls, tensors: Collection) -> Sums:
        """The sums over `tensors`, or over records with the same facts, as `Entry` is one."""
        found = cls()
        if set(map(type, tensors)) <= ORDINARY and found._is_quick(tensors):
            return found
        found = cls()
        for tensor in tensors:
            found._add(facts(tensor) if issubclass(type(tensor), torch.Tensor) else tensor)
        return found

    def _is_quick(self, tensors: Collection) -> bool:
        """Add ordinary tensors, of which a large model has many. False if one cannot tell a fact:
        then each is to be asked alone, and these sums are of no use."""
        elements, trainable, sizes = 0, 0, self.sizes
        try:
            for tensor in tensors:
                numel = tensor.numel()
                elements += numel
                if tensor.requires_grad:
                    trainable += numel
                sizes.append(tensor.nbytes)
        except Exception:
            return False
        self.elements, self.trainable = elements, trainable
        return type(elements) is type(sum(sizes)) is int

    def _add(self, told: object) -> None:
        self.elements += known(told.numel)
        self.trainable += known(told.numel) if told.requires_grad else 0
        self.lazy += type(told.numel) is not int
        self.unsized += type(told.numel) is int and told.nbytes is None
        self.sizes.append(known(told.nbytes))


def totals_of(modules: int, parameters: Sums, buffers: Sums) -> Totals:
    """The `Totals` of so many modules, and of the sums over their distinct tensors."""
    return Totals(
        modules=modules,
        parameters=parameters.elements,
        trainable=parameters.trainable,
        buffers=buffers.elements,
        nbytes=sum(parameters.sizes) + sum(buffers.sizes),
        lazy=parameters.lazy + buffers.lazy,
        unsized=parameters.unsized + buffers.unsized,
    )


def known(number: object) -> int:
    """`number`, or 0 for None and for a symbolic size: adding one up would write guards into its
    owner's graph.
    """
    return number if type(number) is int else 0
