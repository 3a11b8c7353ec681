"""Foreign code in a room of its own: known settings, all as it was afterwards, and an end in time.

The code runs in a thread. Its time is what the processor works for it; by the clock it has three
times as much, since other programs may have the processor, and what only waits ends then. When its
time is up, an exception is raised in that thread, between two steps of Python, again and again
until the thread ends. What is not Python code cannot be stopped that way: a long computation, or a
sleep, goes on to its own end, and so does what holds Python's lock meanwhile, which stops the
kernel itself until it is done.
"""

from __future__ import annotations

import contextvars
import ctypes
import random
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from operator import is_

import torch
from torch import nn

from helpers.state.torch_private import HOOKS_OF_ALL

SECONDS = 10.0  # of work, for one answer in all
BY_THE_CLOCK = 3  # times as long
_GRACE = 2.0  # for a thread to end after it was told to


class TimeUp(BaseException):
    """Raised in the thread of an answer whose time is up; `stopped` says whether that ended it."""

    def __init__(self, stopped: bool = True) -> None:
        super().__init__(stopped)
        self.stopped = stopped


@contextmanager
def own_room() -> Iterator[None]:
    """Known settings inside, and everything as it was afterwards, whatever is set meanwhile."""
    dtype, state, threads = torch.get_default_dtype(), random.getstate(), torch.get_num_threads()
    # fork_rng(devices=all) would start CUDA, so a GPU's generator is kept only where one is in use.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices), warnings.catch_warnings():
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(1)  # small tensors: more threads only wait for one another
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)
            random.setstate(state)


# What Python and torch themselves write on a class when it is first used.
_LATE = {"__annotations__", "__annotations_cache__", "__slotnames__", "step"}
_NOTHING = object()


class Surroundings:
    """What reaches all code that comes after: settings of torch, the hooks for all modules,
    `nn.Module` itself, and the `classes` of what an answer is given. It remembers those that a room
    does not begin anew."""

    def __init__(self, classes: Iterable[type] = ()) -> None:
        self._hooks = [dict(box) for box in HOOKS_OF_ALL]
        self._classes = {kind: dict(vars(kind)) for kind in (nn.Module, *classes)}
        self._deterministic = torch.are_deterministic_algorithms_enabled()

    def left(self) -> dict[str, str]:
        """How all this is now, in words; and it is made as it was."""
        return {
            **self._settings(),
            **self._on_classes(),
            "afterwards the hooks for all modules are": self._hooks_of_all(),
        }

    def _settings(self) -> dict[str, str]:
        dtype, device = torch.get_default_dtype(), torch.get_default_device()
        switched = torch.are_deterministic_algorithms_enabled() != self._deterministic
        seen = {
            "afterwards gradients are": "on" if torch.is_grad_enabled() else "off",
            "afterwards the default dtype is": f"`{dtype}`",
            "afterwards the default device is": f"`{device.type}`",
            "afterwards deterministic algorithms are": "switched" if switched else "as before",
        }
        torch.set_grad_enabled(True)
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
        if device.type != "cpu":
            torch.set_default_device(None)
        if switched:
            torch.use_deterministic_algorithms(self._deterministic)
        return seen

    def _on_classes(self) -> dict[str, str]:
        others = [kind for kind, before in self._classes.items() if _restored(kind, before)]
        named = ", ".join(f"`{kind.__name__}`" for kind in others if kind is not nn.Module)
        return {
            "afterwards what `nn.Module` has is": "another" if nn.Module in others else "as it was",
            "afterwards the classes of models with other attributes are": named or "none",
        }

    def _hooks_of_all(self) -> str:
        if self._hooks == HOOKS_OF_ALL:
            return "as they were"
        for box, before in zip(HOOKS_OF_ALL, self._hooks, strict=True):
            box.clear()
            box.update(before)
        return "others"


def _restored(kind: type, before: dict[str, object]) -> bool:
    """Whether the class `kind` had other attributes than `before`; it has those again."""
    now = vars(kind)
    if len(now) == len(before) and all(map(is_, now.values(), before.values())):
        return False
    names = {*now, *before} - _LATE
    others = [one for one in names if now.get(one, _NOTHING) is not before.get(one, _NOTHING)]
    for name in others:
        if name in before:
            setattr(kind, name, before[name])
        else:
            delattr(kind, name)
    return bool(others)


def in_time(work: Callable[[], object], seconds: float | None = None) -> object:
    """What `work()` returns or raises, run in a thread with gradients on and no modes of torch.

    TimeUp: it did not end within `seconds` of work, or thrice that by the clock. A
    KeyboardInterrupt ends it, too, and passes."""
    outcome: list[tuple[object, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:
            outcome.append((None, error))

    # The context carries where prints go: to the cell that asked.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    try:
        _await(thread, SECONDS if seconds is None else seconds)
    finally:
        alive = thread.is_alive()
        if alive:
            _stop(thread)
    if alive:
        raise TimeUp(stopped=not thread.is_alive())
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def _await(thread: threading.Thread, seconds: float) -> None:
    """Wait until `thread` has ended or its time is up. What this process works is its work: the
    thread that asks waits."""
    began, worked = time.monotonic(), time.process_time()
    while thread.is_alive():
        left = min(
            seconds - (time.process_time() - worked),
            BY_THE_CLOCK * seconds - (time.monotonic() - began),
        )
        if left <= 0:
            return
        thread.join(left)


def _stop(thread: threading.Thread) -> None:
    """Raise TimeUp in `thread` until it ends: code may catch it once, and go on."""
    for _ in range(int(_GRACE / 0.05)):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(TimeUp)
        )
        thread.join(0.05)
        if not thread.is_alive():
            return
