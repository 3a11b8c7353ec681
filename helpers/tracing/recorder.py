"""Recording the lines of torch's `nn/modules/module.py` while they run, with what they do to a
module's containers.
"""

from __future__ import annotations

import linecache
import sys
import threading
import warnings
from types import FrameType, FunctionType, TracebackType
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import (
    ATOMS,
    brief,
    facts,
    instance_dict,
    message_of,
    shape_in_words,
    text,
    type_name,
)
from helpers.tracing.source import FILE

# The containers by the names they have in `__dict__`; "__dict__" itself stands for the plain
# attributes.
CONTAINERS = ("__dict__", "_parameters", "_buffers", "_non_persistent_buffers_set", "_modules")
# What torch keeps for itself in `__dict__`, read from the installed torch: the containers, and the
# hooks.
_PRIVATE = frozenset(name for name in instance_dict(nn.Module()) if name.startswith("_"))
_DEBUGGERS = ("pydevd", "_pydevd_bundle", "_pydev_bundle", "debugpy", "bdb", "pdb")


class Held(NamedTuple):
    """One value in words. `number` tells objects apart within a trace: the same object has the same
    number.
    """

    kind: str
    words: str
    number: int


class Change(NamedTuple):
    """`name` came into (`before` is None), left (`after` is None) or was replaced in `container`."""

    container: str
    name: str
    before: Held | None
    after: Held | None


class Line:
    """One line as it was recorded. Its function and its test are looked up later, when somebody
    asks for steps.
    """

    __slots__ = (
        "after",
        "before",
        "call",
        "changes",
        "error",
        "function",
        "number",
        "source",
        "stack",
        "values",
    )

    def __init__(
        self, call: int, number: int, state: dict, stack: tuple[int, ...], values: dict[str, Held]
    ) -> None:
        # `stack` has the first line of each function, or of a lambda or comprehension in it.
        self.call, self.number, self.stack, self.values = call, number, stack, values
        self.before = self.after = state
        self.changes: list[Change] = []
        self.error: BaseException | None = None
        self.function = self.source = (
            ""  # told for the line of the block alone, which is in another file
        )


class Recorder:
    """What one block records. It holds the objects it has numbered until `finish`, so that no
    number serves two.
    """

    def __init__(self, module: nn.Module | None) -> None:
        self.module, self.followed = module, "" if module is None else type_name(module)
        self.lines: list[Line] = []
        self.outside: list[Change] = []
        self.previous: Any = None  # the trace function that was set when this recorder came
        self._open: list[
            list
        ] = []  # of each frame of the file that runs: frame, number of the call, line under way
        self._calls = 0
        self._known: dict[int, tuple[Any, tuple, Held]] = {}
        self._raised: tuple[BaseException | None, BaseException | None] = (None, None)
        self._state: dict[str, dict[str, Held]] = {}
        # What the last reading found: the names and objects themselves, which keeps them from being
        # taken for others; of the tensors, which can change in their place, the facts too.
        self._found: list[list] = []
        self._ids: list[list[int]] = []
        self._tensors: list[tuple[torch.Tensor, tuple]] = []
        self._changes()

    def see(self, frame: FrameType, event: str, arg: Any) -> None:
        """Take one event of a frame of the file."""
        if event == "call" and self.module is None:
            self._follow(frame)
        self._settle()
        if event == "call":
            self._calls += 1
            self._open.append([frame, self._calls, None])
            return
        while self._open and self._open[-1][0] is not frame:
            self._open.pop()  # a frame that ended unseen: another tool had the trace function for a while
        if not self._open:
            return
        _, call, line = under_way = self._open[-1]
        if event == "exception" and line:
            line.error = self._copy(arg[1])
        elif event == "line":
            self._end(line)
            under_way[2] = self._begin(frame, call)
        elif event == "return":
            self._end(line)
            self._open.pop()

    def finish(self, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Close what is open, add the error that left the block, and let go of every object."""
        self._settle()
        for _, _, line in self._open:
            self._end(line)
        copy = None if error is None else self._copy(error)
        if copy is not None and not (self.lines and self.lines[-1].error is copy):
            last = Line(0, traceback.tb_lineno if traceback else 0, self._state, (), {})
            code = traceback.tb_frame.f_code if traceback else None
            last.function = code.co_name if code else "<block>"
            last.source = linecache.getline(code.co_filename, last.number).strip() if code else ""
            last.source = last.source or "(a line without source)"
            last.error = copy
            self.lines.append(last)
        self.module, self._open, self._known, self._raised = None, [], {}, (None, None)
        self._found, self._ids, self._tensors = [], [], []

    def _begin(self, frame: FrameType, call: int) -> Line:
        stack = tuple(one.f_code.co_firstlineno for one, _, _ in self._open)
        values = {
            name: self._held(value, keep=False)
            for name, value in frame.f_locals.items()
            if type(value) is not FunctionType and not name.startswith((".", "__"))
        }
        self.lines.append(Line(call, frame.f_lineno, self._state, stack, values))
        return self.lines[-1]

    def _end(self, line: Line | None) -> None:
        if line:
            line.after = self._state

    def _follow(self, frame: FrameType) -> None:
        """Take the module whose method begins: the first argument of the frame."""
        names = frame.f_code.co_varnames
        value = frame.f_locals.get(names[0]) if names and frame.f_code.co_argcount else None
        if issubclass(type(value), nn.Module):
            self.module, self.followed = value, type_name(value)
            self._changes()

    def _settle(self) -> None:
        """Put what changed since the last event down to the innermost line that is under way."""
        changes = self._changes()
        if changes:
            line = next((line for _, _, line in reversed(self._open) if line), None)
            (line.changes if line else self.outside).extend(changes)

    def _changes(self) -> list[Change]:
        """Read the containers of the module, and compare them with the last reading."""
        if self.module is None or self._as_found():
            return []
        old, new = self._state, self._read()
        if new == old:
            return []
        self._state = new
        if not old:
            return []
        names = {(box, name): None for state in (old, new) for box in state for name in state[box]}
        pairs = (
            (box, name, old.get(box, {}).get(name), new.get(box, {}).get(name))
            for box, name in names
        )
        return [Change(*pair) for pair in pairs if pair[2] != pair[3]]

    def _as_found(self) -> bool:
        """Whether the containers hold the very objects of the last call, unchanged. It says so
        quickly, if so.
        """
        own = instance_dict(self.module)
        found = [list(dict.keys(own)), list(dict.values(own))]
        for slots in (dict.get(own, box) for box in CONTAINERS[1:]):
            if issubclass(type(slots), dict):
                found += list(dict.keys(slots)), list(dict.values(slots))
            else:
                found.append(
                    list(set(slots)) if issubclass(type(slots), (set, frozenset)) else [slots]
                )
        ids = [list(map(id, one)) for one in found]
        same = ids == self._ids and all(_about(tensor) == about for tensor, about in self._tensors)
        if not same:
            objects = [
                one for values in found for one in values if issubclass(type(one), torch.Tensor)
            ]
            self._found, self._ids = found, ids
            self._tensors = [(tensor, _about(tensor)) for tensor in objects]
        return same

    def _read(self) -> dict[str, dict[str, Held]]:
        own, state = instance_dict(self.module), {}
        state["__dict__"] = {
            text(name): self._held(value)
            for name, value in dict.items(own)
            if type(name) is not str or name not in _PRIVATE
        }
        for box in CONTAINERS[1:]:
            slots = dict.get(own, box)
            if issubclass(type(slots), dict):
                kind = {"_parameters": "parameter", "_buffers": "buffer", "_modules": "module"}.get(
                    box
                )
                state[box] = {
                    text(name): self._held(value)._replace(kind=kind)
                    for name, value in dict.items(slots)
                }
            elif issubclass(type(slots), (set, frozenset)):
                state[box] = {
                    name: Held("plain value", "", 0) for name in sorted(map(text, set(slots)))
                }
        return state

    def _held(self, value: Any, keep: bool = True) -> Held:
        """`value` in words. What is asked for often is a module with the same few objects: they are
        remembered.
        """
        about = _about(value)
        known = self._known.get(id(value))
        if known and known[0] is value and known[1] == about:
            return known[2]
        number = (
            known[2].number
            if known and known[0] is value
            else (len(self._known) + 1 if keep else 0)
        )
        held = Held(*_in_words(value, about), number)
        if keep:
            self._known[id(value)] = (value, about, held)
        return held

    def _copy(self, error: BaseException) -> BaseException:
        """A copy of `error` that holds no traceback; the same one as long as it is the same error
        that passes.
        """
        if self._raised[0] is not error:
            self._raised = (error, _without_traceback(error))
        return self._raised[1]


class Room:
    """The recorders of one thread, the innermost last. All of them see every event, in whatever
    order they leave.
    """

    _here = threading.local()

    def __init__(self) -> None:
        self.recorders: list[Recorder] = []
        self.thread = threading.get_ident()
        self.trace_function = self._call  # one object, so that `is` can tell

    @classmethod
    def enter(cls, recorder: Recorder) -> Room:
        """The room of this thread, with `recorder` in it; the caller sets its `trace_function`."""
        room = cls._here.__dict__.setdefault("room", cls())
        recorder.previous = sys.gettrace()
        if _is_debugger(recorder.previous):
            words = "its breakpoints do not stop in functions that this block calls. To stop there, switch the debugger"
            words = f"a debugger is attached, and trace() takes its place until the block ends: {words} on and leave "
            warnings.warn(
                words + "trace() out; to read the trace, switch the debugger off.",
                RuntimeWarning,
                3,
            )
        room.recorders.append(recorder)
        return room

    def leave(self, recorder: Recorder) -> Any:
        """The trace function that this thread is to have when `recorder` has left."""
        place = self.recorders.index(recorder)
        del self.recorders[place]
        if place == len(self.recorders) and threading.get_ident() == self.thread:
            return recorder.previous
        if place < len(
            self.recorders
        ):  # left before one that came later, which now stands in its place
            self.recorders[place].previous = recorder.previous
        else:  # a generator that is closed by another thread: `_call` gives back what was there
            self._owed = recorder.previous
        return sys.gettrace()

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not self.recorders:
            sys.settrace(self._owed)
            return None
        return self._see(frame, event, arg) if frame.f_code.co_filename == FILE else None

    def _see(self, frame: FrameType, event: str, arg: Any) -> Any:
        with (
            torch._C.DisableTorchFunction()
        ):  # no function of a tensor subclass or of a mode runs for our reading
            for recorder in self.recorders:
                recorder.see(frame, event, arg)
        return self._see


def _is_debugger(function: Any) -> bool:
    places = (getattr(function, "__module__", ""), type(function).__module__)
    return any(str(place).partition(".")[0] in _DEBUGGERS for place in places)


def _about(value: Any) -> tuple:
    """The first four `facts` of `value`; quickly for an ordinary tensor, which is asked at every
    line.
    """
    if type(value) is nn.Parameter or type(value) is torch.Tensor:
        try:
            return value.shape, value.dtype, value.device, value.requires_grad
        except Exception:  # a nested tensor has no shape
            pass
    return facts(value)[:4]


def _in_words(value: Any, about: tuple) -> tuple[str, str]:
    """Kind and words of `value`, whose `facts` begin with `about`: "parameter", "Parameter, 2 × 3,
    float32".
    """
    kind, name = type(value), type_name(value)
    if issubclass(kind, nn.Module):
        return "module", name
    if not issubclass(kind, torch.Tensor):
        return "plain value", brief(value)
    if kind is torch.Tensor and isinstance(value, nn.Buffer):
        name = "Buffer"
    shape, dtype, device, grad = about
    parameter = issubclass(kind, nn.Parameter)
    more = [", frozen"] * (parameter and not grad) + [f", {device}"] * (str(device) != "cpu")
    words = ", ".join([name, shape_in_words(shape), str(dtype)[6:]]) + "".join(more)
    return "parameter" if parameter else "plain tensor", words


def _without_traceback(error: BaseException) -> BaseException:
    """An exception of the same class and text, where that can be made, for a traceback keeps all
    variables alive.
    """
    kind = type(error)
    base = next(one for one in kind.__mro__ if one.__module__ == "builtins")
    arguments = tuple(
        one if type(one) in ATOMS else brief(one) for one in BaseException.args.__get__(error)
    )
    try:
        copy = base.__new__(kind, *arguments)
    except Exception:  # a class that asks for more than its text, such as ExceptionGroup
        copy = RuntimeError(f"{type_name(error)}: {message_of(error)}")
    return copy
