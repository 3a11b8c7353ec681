"""What optimizers hold: which tensors, where in their groups, and what they remember of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import (
    COLLECTIONS,
    attributes,
    bases,
    class_dict,
    class_name,
    contents,
    from_torch,
    text,
    type_name,
)

# Options of a group: the names of its Parameters, if it was given names, and what a scheduler
# writes there.
NAMES, INITIAL_RATE = "param_names", "initial_lr"


class Position(NamedTuple):
    """Where a tensor is held: the number of the optimizer, its group, the place in that."""

    optimizer: int
    group: int
    index: int


_new = tuple.__new__  # Position(...) takes twice as long, and a large model has a million


class Read(NamedTuple):
    """The class and the instance dictionary of an optimizer."""

    kind: type
    own: dict


class Optimizers:
    """The optimizers that `audit` was given, read and not run. None among them is left out, and so
    is one that was given before, as by itself and in a wrapper.

    Raises TypeError for what has no `param_groups`, neither in it nor in what it wraps."""

    def __init__(self, given: tuple) -> None:
        self.read: list[Read] = []
        for at, one in enumerate(given):
            read = None if one is None else _with_groups(one, at)
            if read and not any(read.own is other.own for other in self.read):
                self.read.append(read)
        self.held: dict[int, list[Position]] = {}  # id of a tensor -> its positions
        for number in range(len(self.read)):
            for position, tensor in self.tensors(number):
                self.held.setdefault(id(tensor), []).append(position)

    def name(self, number: int) -> str:
        return "optimizer" if len(self.read) == 1 else f"optimizers[{number}]"

    def names(self) -> str:
        """All of them, as the arguments of a call."""
        return ", ".join(map(self.name, range(len(self.read))))

    def tensors(self, number: int) -> Iterator[tuple[Position, torch.Tensor]]:
        """The tensors that an optimizer was given, in the order of its groups."""
        return _positions(number, self.read[number].own["param_groups"])

    def path(self, position: Position) -> str:
        """As it is written in code after `optimizer.`, or in full where there are several."""
        return self.line(position).removeprefix("optimizer.")

    def line(self, position: Position) -> str:
        place = f"param_groups[{position.group}]['params'][{position.index}]"
        return f"{self.name(position.optimizer)}.{place}"

    def groups_have(self, number: int, option: str) -> bool:
        """Has a group of an optimizer this option, as NAMES or INITIAL_RATE?"""
        groups = list.__iter__(self.read[number].own["param_groups"])
        return any(issubclass(type(one), dict) and dict.get(one, option) for one in groups)

    def memory(self, number: int) -> Iterator[tuple[torch.Tensor, str, torch.Tensor]]:
        """(parameter, name, tensor) for what an optimizer remembers of each number of a parameter.
        Its counts are left out: some stay where they were made."""
        for tensor, notes in _items(self.read[number].own.get("state")):
            for name, note in _items(notes):
                if issubclass(type(note), torch.Tensor) and name not in _COUNTS:
                    yield tensor, text(name), note


_COUNTS = ("step", "eta", "mu", "mu_product")


def _items(mapping: Any) -> list[tuple[Any, Any]]:
    return list(dict.items(mapping)) if issubclass(type(mapping), dict) else []


def _with_groups(optimizer: Any, number: int) -> Read:
    """An optimizer, or the one that a wrapper wraps; a property of the wrapper is not run."""
    pending = [(optimizer, 0)]
    while pending:
        one, depth = pending.pop(0)
        own = attributes(one)
        if issubclass(type(own.get("param_groups")), list):
            return Read(type(one), own)
        if depth < 3 and _passes_on(type(one)):
            pending += [(value, depth + 1) for value in own.values()]
    got = type_name(optimizer)
    if issubclass(type(optimizer), type):
        got = f"the class {class_name(optimizer)}; pass an instance"
    takes = "an optimizer, such as torch.optim.SGD(model.parameters(), lr=0.1)"
    which = ("second", "third", "fourth")[number] if number < 3 else f"{number + 2}th"
    raise TypeError(f"audit() takes as its {which} argument {takes}, got {got}.")


def _passes_on(kind: type) -> bool:
    """Does a class without groups of its own answer for `param_groups`, as a wrapper does?"""
    members = [name for base in bases(kind) for name in class_dict(base)]
    return not issubclass(kind, nn.Module) and not {"param_groups", "__getattr__"}.isdisjoint(
        members
    )


def _positions(number: int, groups: list) -> Iterator[tuple[Position, Any]]:
    for place, group in enumerate(list.__iter__(groups)):
        tensors = dict.get(group, "params") if issubclass(type(group), dict) else None
        if issubclass(type(tensors), COLLECTIONS):
            for index, tensor in contents(tensors, lasting_order=False):
                yield _new(Position, (number, place, index)), tensor


def steps_as_torch_does(kind: type) -> bool:
    """Is the step() of this class torch's own? Others may keep what they remember in any form."""
    owner = next((base for base in bases(kind) if "step" in class_dict(base)), None)
    return owner is not None and from_torch(owner)
