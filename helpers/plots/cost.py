"""What does it cost to read a model's parameters? Memory and time of each way, measured."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from helpers.plots.numbers import integer
from helpers.state.objects import brief, class_name, facts, type_name

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

    Reads only, on one thread, and leaves `tracemalloc` and the number of threads as they were. If
    `tracemalloc` is on already, its peak stays yours, and memory is looked at after each parameter:
    what a way holds for a moment in between is not seen then.

    TypeError: anything but modules, one of them not in a list, `runs` is no int. ValueError: `runs`
    is below 1; a parameter cannot tell its bytes, as a lazy or a sparse one."""
    runs = integer(runs, "runs is a number of runs")
    if runs < 1:
        raise ValueError(f"runs must be at least 1, got {runs}")
    if isinstance(models, nn.Module) or not isinstance(models, Iterable):
        advice = "; pass [model]" if isinstance(models, nn.Module) else ""
        raise TypeError(f"reading_costs takes several models, got {brief(models)}{advice}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine, a copy by several threads waits for the slowest
    try:
        return [_cost(way, _required(model), runs) for model in models for way in _READ]
    finally:
        torch.set_num_threads(threads)


def _required(model: object) -> nn.Module:
    if not isinstance(model, nn.Module):
        is_class = issubclass(type(model), type)
        got = f"the class {class_name(model)}; pass an instance" if is_class else brief(model)
        raise TypeError(f"reading_costs takes nn.Module instances, got {got}")
    for name, parameter in model.named_parameters():
        if facts(parameter).nbytes is None:
            raise ValueError(
                f"reading_costs needs the bytes of each parameter, and {name!r} of this "
                f"{type_name(model)} cannot tell its own, as a lazy or a sparse one"
            )
    return model


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
    held = _most_seen if tracemalloc.is_tracing() else _peak
    python = held(read, model)
    tensors = [one[1] if isinstance(one, tuple) else one for one in read(model)]
    own, seen = _storages(model.parameters()), _storages(tensors)
    return python + sum(nbytes for place, nbytes in seen.items() if place not in own)


def _peak(read: Callable, model: nn.Module) -> int:
    """The most that Python holds at a time while it reads."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in read(model):
            pass
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def _most_seen(read: Callable, model: nn.Module) -> int:
    """The same without the peak: whoever traces already may be waiting for it."""
    before, _ = tracemalloc.get_traced_memory()
    most = before
    for _ in read(model):
        most = max(most, tracemalloc.get_traced_memory()[0])
    return most - before


def _storages(tensors: Iterable[torch.Tensor]) -> dict[int, int]:
    """The bytes of each storage under `tensors`, by its address."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}
