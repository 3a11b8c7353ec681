"""Blocks of memory, the parts that tensors have of them, and the first numbers that lie there.

A block is one storage of torch's, or several over the same bytes. What is kept are facts."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import NamedTuple

import torch

from helpers.state.memory import span_of, steps_of
from helpers.state.objects import clip, first_numbers, type_name, why_no_numbers
from helpers.state.torch_private import (
    answers_for_itself,
    device_of,
    dtype_of,
    element_size_of,
    is_lazy,
    layout_of,
    memory_begins,
    nbytes_of,
    numel_of,
    offset_of,
    storage_address,
    storage_of,
)

NUMBERS = 4  # of one part
# Of a part that is read to the end, to tell whether it has changed; elsewhere it must come here.
_MOST_BYTES, _MOST_BYTES_ELSEWHERE = 2**26, 2**20


class BlockPart(NamedTuple):
    """What one name or more have of a block: the bytes from `first` to `last`, every one of them if
    it is `dense`, else those to which `steps` lead (as `memory.steps_of` has them).

    `numbers` are the first of `count`, as text; `why` says why there are none. `mark` is a checksum
    of all, None where they were not read. Since the frame before, those at the places `changed` are
    others, and with `touched` any at all are."""

    first: int
    last: int
    dense: bool
    steps: tuple[tuple[int, int], ...]
    dtype: torch.dtype
    numbers: tuple[str, ...]
    count: int
    why: str
    mark: int | None
    changed: tuple[int, ...] = ()
    touched: bool = False

    @property
    def place(self) -> tuple:
        """Which elements of the block these are, and as what they are read: in this order, a part
        comes before those inside it."""
        return self.first, -self.last, self.steps, str(self.dtype)

    def after(self, earlier: BlockPart) -> BlockPart:
        """This part with what has changed in it since it was `earlier`."""
        pairs = zip(self.numbers, earlier.numbers, strict=False)
        changed = tuple(at for at, (new, old) in enumerate(pairs) if new != old)
        marks = self.mark, earlier.mark
        return self._replace(
            changed=changed, touched=bool(changed) or None not in marks and marks[0] != marks[1]
        )


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
        dtype_of(tensor),
        numbers,
        numel_of(tensor),
        why,
        mark,
    )


def _read(tensor: torch.Tensor) -> tuple[tuple[str, ...], str, int | None]:
    """The first numbers, or why there are none; and the checksum of all."""
    try:
        why = why_no_numbers(tensor)
        return ((), why, None) if why else (first_numbers(tensor, NUMBERS), "", _mark(tensor))
    except Exception as error:
        return (), f"no preview: {type_name(error)}", None


def _mark(tensor: torch.Tensor) -> int | None:
    here = device_of(tensor).type == "cpu"
    if nbytes_of(tensor) > (_MOST_BYTES if here else _MOST_BYTES_ELSEWHERE):
        return None
    try:
        with torch.no_grad():
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            return zlib.crc32(flat.view(torch.uint8).numpy())
    except Exception:  # a class or a dtype whose bytes torch does not give
        return None
