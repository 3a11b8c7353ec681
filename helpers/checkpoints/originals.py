"""What the blanks of a file stand for, so that two of them can be asked for the same numbers."""

from __future__ import annotations

import torch

from helpers.checkpoints.outlines import oddity
from helpers.state.objects import META
from helpers.state.torch_private import storage_address, without_torch_function

_CHEAP = 100_000_000  # of how many numbers two tensors are compared


class Originals:
    """The tensors of one file, found by the memory of their blanks, of which steps make views."""

    def __init__(self) -> None:
        # A blank that is kept keeps its address for itself.
        self._kept: dict[int, tuple[torch.Tensor, object]] = {}
        self._known: dict[tuple[int, int], bool | None] = {}

    def note(self, blank: torch.Tensor, original: object) -> None:
        """`blank` stands for `original`; of what is no tensor only identity is asked."""
        address = storage_address(blank)
        if address is not None:
            self._kept[address] = blank, original

    def same(self, one: torch.Tensor, other: torch.Tensor) -> bool | None:
        """Do two blanks, or equal views of them, stand for the same numbers? None: it cannot be
        told, as of what was computed, or is on meta, or is large."""
        ends = storage_address(one), storage_address(other)
        if one is other:
            return True
        if None in ends or _layout(one) != _layout(other):
            return None
        if ends[0] == ends[1]:
            return True
        if ends not in self._known:
            kept = [self._kept.get(end) for end in ends]
            whole = all(pair and pair[0].numel() == one.numel() for pair in kept)
            self._known[ends] = _equal(*(pair[1] for pair in kept)) if whole else None
        return self._known[ends]


def _layout(tensor: torch.Tensor) -> tuple:
    return tuple(tensor.shape), tensor.stride(), tensor.storage_offset()


def _equal(one: object, other: object) -> bool | None:
    if one is other:
        return True
    try:
        with without_torch_function():  # no function of a tensor subclass runs
            if oddity(one) or oddity(other) or one.dtype != other.dtype:
                return None
            ends = storage_address(one), storage_address(other)
            if None not in ends and ends[0] == ends[1] and _layout(one) == _layout(other):
                return True
            if META in (one.device, other.device) or one.numel() > _CHEAP:
                return None
            return torch.equal(one, other) if one.shape == other.shape else None
    except Exception:  # whatever it is, it was not compared
        return None
