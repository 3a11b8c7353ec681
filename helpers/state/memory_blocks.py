"""Blocks of memory, the parts that tensors have of them, and the first numbers that lie there.

A block is one storage of torch's, or several over the same bytes. What is kept are facts."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import torch

from helpers.state.memory import span_of, steps_as_read, steps_of
from helpers.state.objects import clip, first_numbers, type_name, why_no_numbers
from helpers.state.torch_private import (
    answers_for_itself,
    device_of,
    dtype_of,
    element_size_of,
    is_conjugate,
    is_lazy,
    is_negated,
    layout_of,
    memory_begins,
    numel_of,
    offset_of,
    storage_address,
    storage_of,
)

NUMBERS = 4  # of one part
# Of a part that is read to the end, to tell whether it has changed; elsewhere it must come here.
_MOST_BYTES, _MOST_BYTES_ELSEWHERE = 2**26, 2**20
_NOTHING = zlib.crc32(b"")


class BlockPart(NamedTuple):
    """What one name or more have of a block: the bytes from `first` to `last`, every one of them if
    it is `dense`, else those to which `steps` lead (as `memory.steps_of` has them). They are read
    as `dtype`, in the `order` of `memory.steps_as_read`, `conjugate` or `negated`.

    `numbers` are the first of `count`, as text; `why` says why there are none. `mark` is a checksum
    of the bytes as they lie there, None where they were not read. Since the frame before, the
    numbers at the places `changed` are others, and with `touched` any at all are."""

    first: int
    last: int
    dense: bool
    steps: tuple[tuple[int, int], ...]
    order: tuple[tuple[int, int], ...]
    dtype: torch.dtype
    conjugate: bool
    negated: bool
    numbers: tuple[str, ...]
    count: int
    why: str
    mark: int | None
    changed: tuple[int, ...] = ()
    touched: bool = False

    @property
    def elements(self) -> tuple:
        """Which bytes of the block these are: in this order, a part comes before those inside it.
        Two with the same ones may read them in another order, or as another dtype."""
        return self.first, -self.last, self.steps, self.dtype.itemsize

    @property
    def reading(self) -> tuple:
        """As what the bytes are read. Two parts with the same ones and the same reading are one:
        they show the same numbers."""
        return self.order, str(self.dtype), self.conjugate, self.negated

    @property
    def place(self) -> tuple:
        """What tells this part from the others of its block."""
        return *self.elements, *self.reading

    def after(self, earlier: Iterable[BlockPart]) -> BlockPart:
        """This part with what has changed in it since its block had the parts `earlier`."""
        changed, touched = (), False
        for one in earlier:
            if one.place == self.place:
                pairs = zip(self.numbers, one.numbers, strict=False)
                changed = tuple(at for at, (new, old) in enumerate(pairs) if new != old)
            if one.elements == self.elements and None not in (self.mark, one.mark):
                touched = touched or self.mark != one.mark
        return self._replace(changed=changed, touched=bool(changed) or touched)


class Ground(NamedTuple):
    """Where a storage stands: the addresses of all storages over the same bytes, itself among them,
    and how many bytes into these it begins."""

    storages: tuple[int, ...]
    shift: int


class _Reach(NamedTuple):
    """The bytes of a storage on its device, from `begin` to before `end`."""

    device: str
    begin: int
    end: int
    storage: int


def why_no_block(tensor: torch.Tensor) -> str:
    """Why a tensor has no one piece of memory to speak of; "" if it has."""
    if is_lazy(tensor):
        return "no memory yet: the tensor is lazy"
    if answers_for_itself(type(tensor)):
        return f"{clip(type_name(tensor), 60)} keeps its numbers in its own way"
    if storage_address(tensor) is not None:
        return ""
    try:
        layout = str(layout_of(tensor)).removeprefix("torch.")
    except Exception:
        layout = "strided"
    return "torch gives no storage of it" if layout == "strided" else f"layout {layout}: no storage"


def grounds(tensors: Iterable[torch.Tensor]) -> dict[int, Ground]:
    """address of a storage -> its `Ground`, for the storages of tensors that have one.

    Two storages lie over the same bytes where both were made from one NumPy array, or from what
    another library keeps."""
    found, reaches = {}, []
    for tensor in tensors:
        address = storage_address(tensor)
        if address in found:
            continue
        found[address] = Ground((address,), 0)
        try:
            begin = memory_begins(tensor)
        except Exception:
            begin = None
        if begin is None:
            continue
        end = begin + storage_of(tensor).nbytes()
        if end > begin:  # one without bytes may point into those of another
            reaches.append(_Reach(str(device_of(tensor)), begin, end, address))
    group: list[_Reach] = []
    for one in [*sorted(reaches), None]:
        if group and (one is None or not _meets(group, one)):
            members, first = tuple(each.storage for each in group), group[0].begin
            found |= {each.storage: Ground(members, each.begin - first) for each in group}
            group = []
        group.append(one)
    return found


def _meets(group: list[_Reach], one: _Reach) -> bool:
    """Does a reach begin before the end of one in the group?"""
    return group[0].device == one.device and one.begin < max(each.end for each in group)


def part_of(tensor: torch.Tensor, ground: Ground) -> BlockPart:
    """What a tensor has of its block, with its first numbers."""
    span, item = span_of(tensor), element_size_of(tensor)
    first, last = offset_of(tensor) * item, offset_of(tensor) * item - 1
    if span is not None:
        first, last = span.first, span.last
    numbers, why, mark = _read(tensor)
    return BlockPart(
        first + ground.shift,
        last + ground.shift,
        span is None or span.dense,
        steps_of(tensor),
        steps_as_read(tensor),
        dtype_of(tensor),
        is_conjugate(tensor),
        is_negated(tensor),
        numbers,
        numel_of(tensor),
        why,
        mark,
    )


def _read(tensor: torch.Tensor) -> tuple[tuple[str, ...], str, int | None]:
    """The first numbers, or why there are none; and the checksum of all."""
    try:
        why = why_no_numbers(tensor)
        if why:
            return (), why, None if _has_numbers(tensor) else _NOTHING
        return first_numbers(tensor, NUMBERS), "", _mark(tensor)
    except Exception as error:
        return (), f"no preview: {type_name(error)}", None


def _has_numbers(tensor: torch.Tensor) -> bool:
    return bool(numel_of(tensor)) and device_of(tensor).type != "meta"


def _mark(tensor: torch.Tensor) -> int | None:
    """The checksum of the bytes of a tensor as they lie in memory, whatever reads them and in which
    order; one that stands there for many elements is read once."""
    item, here = element_size_of(tensor), device_of(tensor)
    steps = [(distance, count) for distance, count in reversed(steps_of(tensor)) if distance]
    nbytes = math.prod(count for _, count in steps) * item
    if nbytes > (_MOST_BYTES if here.type == "cpu" else _MOST_BYTES_ELSEWHERE):
        return None
    try:
        storage, first = storage_of(tensor), offset_of(tensor) * item
        last = first + (sum(distance * (count - 1) for distance, count in steps) + 1) * item
        # Without an address there are no bytes to read, or reading would copy them. What reaches
        # beyond its storage torch would make room for: elements of less than a byte, a storage that
        # was let go.
        if not memory_begins(tensor) or last > storage.nbytes():
            return None
        sizes = [*(count for _, count in steps), item]
        distances = [*(distance * item for distance, _ in steps), 1]
        with torch.no_grad():
            read = torch.empty(0, dtype=torch.uint8, device=here)
            read.set_(storage, first, sizes, distances)
            return zlib.crc32(read.cpu().reshape(-1).numpy())
    except Exception:  # inside a transform or a mode of torch that gives no bytes
        return None
