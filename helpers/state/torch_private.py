"""Everything private of torch that this package leans on, in one place.

Each name says why the public way will not do, and what is done where a release lacks it. When torch
moves one of them, this file changes and no other."""

from __future__ import annotations

from contextlib import nullcontext

import torch

# --- a tensor -------------------------------------------------------------------------------------

_Base = getattr(torch._C, "TensorBase", torch.Tensor)


def writes_into(tensor: torch.Tensor) -> int | None:
    """How many writes in place torch has counted for the memory of `tensor`; None where it counts
    none, as for an inference tensor. There is no public count. One through `.data` or NumPy, or by
    batch norm into its statistics, is not in it."""
    try:
        return _Base._version.__get__(tensor)
    except Exception:
        return None


def without_torch_function() -> object:
    """A context in which no `__torch_function__` runs, of a tensor class or of a mode. The public
    way is a decorator for one's own subclass. Without it that code of the learner may run."""
    return getattr(torch._C, "DisableTorchFunction", nullcontext)()
