"""What does it cost to read a model's parameters? Memory and time of each way, measured."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn

_READ: dict[str, Callable[[nn.Module], Iterable]] = {
    "_parameters": lambda model: model._parameters.items(),
    "named_parameters()": lambda model: model.named_parameters(),
    "parameters()": lambda model: model.parameters(),
    "copying each": lambda model: [parameter.detach().clone() for parameter in model.parameters()],
}


@dataclass(frozen=True)
class Cost:
    """One way of reading one model to the end: `allocated` bytes and `seconds`, each the least of
    several runs.

    The model has `tensors` parameters of `nbytes` bytes together. `allocated` is the most that
    Python held for it at a time, as `tracemalloc` sees it, and the storages of new tensors, which
    it does not see."""

    way: str
    tensors: int
    nbytes: int
    allocated: int
    seconds: float


def reading_costs(models: Iterable[nn.Module], *, runs: int = 5) -> list[Cost]:
    """The cost of each way on each of `models`, in their order; the last way copies every
    parameter, to compare.

    Reads only, on one thread, and leaves `tracemalloc` and the number of threads as they were.
    ValueError: `runs` is below 1."""
    if runs < 1:
        raise ValueError(f"runs must be at least 1, got {runs}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine, a copy by several threads waits for the slowest
    try:
        return [_cost(way, model, runs) for model in models for way in _READ]
    finally:
        torch.set_num_threads(threads)


def _cost(way: str, model: nn.Module, runs: int) -> Cost:
    sizes = [parameter.nbytes for parameter in model.parameters()]
    allocated = min(_allocated(_READ[way], model) for _ in range(runs))
    seconds = min(_seconds(_READ[way], model) for _ in range(runs))
    return Cost(way, len(sizes), sum(sizes), allocated, seconds)


def _seconds(read: Callable, model: nn.Module) -> float:
    start = time.perf_counter()
    for _ in read(model):
        pass
    return time.perf_counter() - start


def _allocated(read: Callable, model: nn.Module) -> int:
    was_on = tracemalloc.is_tracing()
    if not was_on:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        for _ in read(model):
            pass
        python = tracemalloc.get_traced_memory()[1] - before
    finally:
        if not was_on:
            tracemalloc.stop()
    tensors = [one[1] if isinstance(one, tuple) else one for one in read(model)]
    own, seen = _storages(model.parameters()), _storages(tensors)
    return python + sum(nbytes for place, nbytes in seen.items() if place not in own)


def _storages(tensors: Iterable[torch.Tensor]) -> dict[int, int]:
    """The bytes of each storage under `tensors`, by its address."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}
