"""Which bytes a tensor has, and which tensors have bytes in common. No number is read or copied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import torch

from helpers.state.torch_private import (
    address_of_storage,
    element_size_of,
    is_lazy,
    nbytes_of,
    numel_of,
    offset_of,
    shape_of,
    storage_of,
    stride_of,
)


class Span(NamedTuple):
    """The bytes from `first` to `last` of one storage, the first and the last that a tensor has.

    `dense`: it has those between them too. `expanded` is what `is_expanded` says of it. `size` is
    that of the whole storage."""

    storage: int
    first: int
    last: int
    dense: bool
    expanded: bool
    size: int

    @property
    def reach(self) -> int:
        """How many bytes there are from the first to the last, both counted."""
        return self.last - self.first + 1

    @property
    def partial(self) -> bool:
        """Does the storage reach beyond the tensor?"""
        return self.size > self.reach


def laid_out_alike(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    """Do two tensors of one memory show each number of it in the same place? A transposed one
    does not, even where it is square."""
    shape = shape_of(tensor)
    if shape != shape_of(other):
        return False
    strides = zip(shape, stride_of(tensor), stride_of(other), strict=True)
    return all(one == two for count, one, two in strides if count > 1)


def span_of(tensor: torch.Tensor) -> Span | None:
    """The `Span` of a tensor; None if it has no element, or no memory of its own to speak of: a
    sparse tensor, a wrapper subclass that refuses."""
    try:
        storage, numel, item = storage_of(tensor), numel_of(tensor), element_size_of(tensor)
        steps = steps_of(tensor)
        # The distance, in elements, from the first to the last.
        reach = sum((count - 1) * distance for distance, count in steps) + 1
        first = offset_of(tensor) * item
        if not numel or is_lazy(tensor):
            return None
        last = first + reach * item - 1
        expanded, size = _stands_still(steps), storage.nbytes()
        return Span(address_of_storage(storage), first, last, _no_gap(steps), expanded, size)
    except Exception:
        return None


def is_expanded(tensor: torch.Tensor) -> bool:
    """Does a step stay where it is, as `expand()` makes it? Into such a tensor torch refuses to
    write. Into one whose windows overlap it writes, though some elements are the same bytes."""
    return _stands_still(steps_of(tensor))


def _stands_still(steps: tuple[tuple[int, int], ...]) -> bool:
    return any(not distance for distance, _ in steps)


def steps_of(tensor: torch.Tensor) -> tuple[tuple[int, int], ...]:
    """(distance, count) of the steps through memory that lead to every element of a tensor, the
    shortest first. From one place the same steps lead to the same elements, in whatever order:
    `w`, `w.t()` and `w.flatten()` have one answer, the columns of `w` another."""
    return _joined(sorted(_steps(tensor)))


def steps_as_read(tensor: torch.Tensor) -> tuple[tuple[int, int], ...]:
    """The same steps in the order in which the elements are read, that of the last dimension first:
    `w` and `w.flatten()` have one answer, `w.t()` another."""
    return _joined(reversed(_steps(tensor)))


def _steps(tensor: torch.Tensor) -> list[tuple[int, int]]:
    sizes = zip(stride_of(tensor), shape_of(tensor), strict=True)
    return [step for step in sizes if step[1] != 1]


def _joined(steps: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """These steps, two of which are one where the second goes on where the first ends."""
    found: list[tuple[int, int]] = []
    for distance, count in steps:
        if found and found[-1][0] * found[-1][1] == distance:
            distance, count = found[-1][0], found.pop()[1] * count
        found.append((distance, count))
    return tuple(found)


def _no_gap(steps: tuple[tuple[int, int], ...]) -> bool:
    """Do these steps lead to every element up to the last? Each must be no longer than what the
    shorter ones cover."""
    covered = 1
    for distance, count in steps:
        if distance > covered:
            return False
        covered += (count - 1) * distance
    return True


def overlap(one: Span, other: Span) -> bool:
    """Have two tensors in one storage surely a byte in common? Two that interleave, as columns do,
    have none."""
    if one == other:
        return True
    return _covers(one, other) or _covers(other, one)


def _covers(one: Span, other: Span) -> bool:
    """Is an end of `other` in what `one` has without a gap?"""
    return one.dense and any(one.first <= end <= one.last for end in (other.first, other.last))


def apart(spans: Iterable[Span]) -> bool:
    """Does each of these, in one storage, end before the next begins?"""
    return all(one.last < following.first for one, following in pairwise(sorted(spans)))


def in_odd_memory(tensors: Iterable[torch.Tensor]) -> list[int]:
    """The positions of the tensors whose storage is another's too, or is not of their size.

    One quick look at each: in most models there are none."""
    storages: list[int | None] = []
    found = []
    for position, tensor in enumerate(tensors):
        try:
            storage = storage_of(tensor)
            storages.append(address_of_storage(storage))
            if storage.nbytes() != nbytes_of(tensor):
                found.append(position)
        except Exception:
            storages.append(None)
    if len(set(storages)) == len(storages):
        return found
    counts = Counter(storages)
    shared = [at for at, one in enumerate(storages) if one is not None and counts[one] > 1]
    return sorted({*found, *shared})
