"""A device that is not there: what a module would meet on it, told on a machine without one.

On a GPU a tensor that `forward` makes without naming a device stands on the CPU all the same, and
torch refuses to compute with it and the module's own. `Elsewhere` refuses this on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch.overrides import TorchFunctionMode

from helpers.exercises.exercise import Experiment
from helpers.exercises.facts import Facts

_MOVES = ("to", "type_as", "copy_")  # what takes numbers from one device to another
_INDEXES = ("__getitem__", "__setitem__")  # which take indices and numbers from the CPU


class Elsewhere(TorchFunctionMode):
    """Inside, every tensor from outside counts as one on another device than the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.on_cpu: list[torch.Tensor] = []

    def __torch_function__(
        self, func: Callable, types: object, args: tuple = (), kwargs: Mapping | None = None
    ) -> object:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        given = list(_tensors_in([*args, *kwargs.values()]))
        from_cpu = [one for one in given if any(one is other for other in self.on_cpu)]
        together = len(from_cpu) < len(given) and name not in _MOVES + _INDEXES
        if together and any(one.dim() for one in from_cpu):  # a single number may be anywhere
            raise RuntimeError("Expected all tensors to be on the same device")
        result = func(*args, **kwargs)
        if not isinstance(result, torch.Tensor) or len(from_cpu) < len(given):
            return result
        if name in _MOVES:
            return result.view_as(result)  # `to` gives the tensor itself where nothing changes
        if "device" not in kwargs:
            self.on_cpu.append(result)
        return result


def _tensors_in(values: list | tuple) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors_in(value)


def called_elsewhere(name: str, *args: object, calls: tuple[tuple, ...]) -> Experiment:
    """The experiment in which `name(*args)` is called with each of `calls` on another device."""

    def ask(answer: type) -> Facts:
        module = answer(*args)
        with Elsewhere():
            for given in calls:
                module(*given)
        return {"the calls": "raise nothing"}

    def experiment(answer: type) -> Iterator[tuple[str, Callable[[], Facts]]]:
        told = ", ".join(map(repr, args))
        yield f"`{name}({told})`, called as on a GPU", lambda: ask(answer)

    return experiment
