"""Recording the lines of torch's `nn/modules/module.py` while they run, with what they do to a
module's containers."""

from __future__ import annotations

import inspect
import linecache
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any

from torch import nn

from helpers.state.objects import (
    ATOMS,
    bases,
    brief,
    class_dict,
    class_name,
    message_of,
    type_name,
)
from helpers.state.torch_private import without_torch_function
from helpers.tracing.following import Following, below
from helpers.tracing.source import FILE
from helpers.tracing.watch import History, Value, Wording, boxes_of

_DEBUGGERS = ("pydevd", "_pydevd_bundle", "_pydev_bundle", "debugpy", "bdb", "pdb")
# What a subclass may have of its own in place of what the file has.
_METHODS = {"__getattribute__"}
_METHODS |= {name for name, value in vars(nn.Module).items() if type(value) is FunctionType}
_METHODS.discard("forward")  # every subclass has its own


@dataclass(slots=True)
class Line:
    """One line as it was recorded. Its function and its fork are looked up later, when somebody asks
    for steps.

    `stack`: of each call under way the first line of its function, or of a lambda or comprehension in
    it; `calls`: the number of each. It ran from the moment `begin` to the moment `end`. `function`
    and `source` are told for the line of the block alone, which is in another file."""

    number: int
    stack: tuple[int, ...]
    calls: tuple[int, ...]
    values: dict[str, Value]
    begin: int
    end: int
    error: BaseException | None = None
    function: str = ""
    source: str = ""

    @property
    def call(self) -> int:
        """The number of the call that it belongs to; 0 for the block."""
        return self.calls[-1] if self.calls else 0


@dataclass(slots=True)
class Call:
    """One call of a function of the file that is under way, and the position of its line under way.

    `module`: on which it was called; a function inside another has that of the outer one."""

    frame: FrameType
    number: int
    module: nn.Module | None
    line: int | None = None


@dataclass(frozen=True)
class Recording:
    """What was recorded: of the module `followed`, a class name, its `history`; all lines; and what
    else ran, as sentences."""

    followed: str
    history: History
    lines: list[Line]
    remarks: tuple[str, ...] = ()


class Recorder:
    """Records one block. It holds the objects that it meets until `finish`."""

    def __init__(self, module: nn.Module | None) -> None:
        self.previous: Any = None  # the trace function that was set when this recorder came
        self._wording = Wording()
        self._following = Following(module, self._wording)
        self._lines: list[Line] = []
        self._moment = 0
        self._open: list[Call] = []
        self._calls = 0
        self._resumable: dict[FrameType, int] = {}  # generators, and the number of the call of each
        self._ran_on: dict[int, nn.Module] = {}
        self._overrides: dict[str, None] = {}
        self._raised: tuple[BaseException | None, BaseException | None] = (None, None)

    def see(self, frame: FrameType, event: str, arg: Any) -> None:
        """Take one event of a frame of the file."""
        self._moment += 1
        if event == "call":
            self.settle()
            self._enter(frame)
            return
        while self._open and self._open[-1].frame is not frame:
            self._open.pop()  # it ended unseen: another tool had the trace function for a while
        if not self._open:
            return
        call = self._open[-1]
        if call.line is not None:  # else nothing ran since the call
            self.settle()
            self._lines[call.line].end = self._moment
        if event == "line":
            self._begin(call)
        elif event == "exception" and call.line is not None:
            self._lines[call.line].error = self._copy(arg[1])
        elif event == "return":
            self._open.pop()

    def see_elsewhere(self, frame: FrameType) -> None:
        """Take the call of a function of another file with the name of a method of nn.Module."""
        module, code = _first_argument(frame), frame.f_code
        if module is None:
            return
        if code.co_name == "__init__":
            self._following.meet(module, self._moment, frame, built=True)
        else:
            self._overrides[f"{_class_of(code, module)}.{code.co_name}"] = None

    def settle(self) -> None:
        """Put what changed since the last event down to the innermost line that is under way."""
        for watch in self._following.watches:
            changes = watch.changes(self._moment)
            if changes:
                lines = (call.line for call in reversed(self._open) if call.line is not None)
                watch.history.note(changes, next(lines, None), len(self._lines))

    def recording(self) -> Recording:
        """What was recorded by now."""
        watch = self._following.followed()
        followed, history = (type_name(watch.module), watch.history) if watch else ("", History())
        return Recording(followed, history, self._lines)

    def finish(self, error: BaseException | None, traceback: TracebackType | None) -> Recording:
        """Close what is open, add the error that left the block, and let go of every object."""
        self._moment += 1
        self.settle()
        for call in self._open:
            if call.line is not None:
                self._lines[call.line].end = self._moment
        copy = None if error is None else self._copy(error)
        if copy is not None and not (self._lines and self._lines[-1].error is copy):
            self._lines.append(_line_of_the_block(copy, traceback, self._moment))
        return replace(self.recording(), remarks=tuple(self._remarks()))

    def _enter(self, frame: FrameType) -> None:
        module = _first_argument(frame)
        if module is not None:
            built = frame.f_code.co_name == "__init__"
            self._following.meet(module, self._moment, frame, built=built)
        elif self._open:
            module = self._open[-1].module
        number = self._resumable.get(frame)
        if number is None:
            self._calls = number = self._calls + 1
            if frame.f_code.co_flags & inspect.CO_GENERATOR:
                self._resumable[frame] = number
        self._open.append(Call(frame, number, module))

    def _begin(self, call: Call) -> None:
        boxes = {}
        if call.module is not None:
            self._ran_on[id(call.module)] = call.module
            boxes = boxes_of(call.module)
        values = {
            name: self._wording.local(value, boxes)
            for name, value in call.frame.f_locals.items()
            if type(value) is not FunctionType and not name.startswith((".", "__"))
        }
        stack = tuple([one.frame.f_code.co_firstlineno for one in self._open])
        calls = tuple([one.number for one in self._open])
        call.line = len(self._lines)
        number = call.frame.f_lineno
        self._lines.append(Line(number, stack, calls, values, self._moment, self._moment))

    def _remarks(self) -> Iterator[str]:
        watch = self._following.followed()
        if watch and self._ran_on and id(watch.module) not in self._ran_on:
            paths = {id(module): f"its {path}" for path, module in below(watch.module)}
            others = [
                f"{type_name(one)} ({paths.get(id(one), 'no part of it')})"
                for one in self._ran_on.values()
            ]
            yield f"every line ran on another module: {_listed(others)}"
        if self._overrides:
            yield f"{_listed(self._overrides)} ran too, in another file"

    def _copy(self, error: BaseException) -> BaseException:
        """A copy of `error` that holds no traceback; the same one as long as it is the same error
        that passes."""
        if self._raised[0] is not error:
            self._raised = (error, _without_traceback(error))
        return self._raised[1]


def _first_argument(frame: FrameType) -> nn.Module | None:
    """The module on which the function of a frame that begins is called."""
    code = frame.f_code
    value = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    return value if issubclass(type(value), nn.Module) else None


def _class_of(code: CodeType, module: nn.Module) -> str:
    """The name of the class of `module` that has the method with this code."""
    for kind in bases(type(module)):
        function = class_dict(kind).get(code.co_name)
        if type(function) is FunctionType and function.__code__ is code:
            return class_name(kind)
    return type_name(module)


def _listed(names: Iterable[str]) -> str:
    first = list(dict.fromkeys(names))
    more = f" and {len(first) - 3:,} more" if len(first) > 3 else ""
    return ", ".join(first[:3]) + more


def _line_of_the_block(error: BaseException, traceback: TracebackType | None, moment: int) -> Line:
    """The line of the block itself that raised `error`, a copy."""
    if traceback is None:
        place, number, source = "<block>", 0, ""
    else:
        code, number = traceback.tb_frame.f_code, traceback.tb_lineno
        place, source = code.co_name, linecache.getline(code.co_filename, number).strip()
    source = source or "(a line without source)"
    return Line(number, (), (), {}, moment, moment, error, place, source)


def _without_traceback(error: BaseException) -> BaseException:
    """An exception of the same class and text, where that can be made, for a traceback keeps all
    variables alive."""
    kind = type(error)
    base = next(one for one in kind.__mro__ if one.__module__ == "builtins")
    arguments = BaseException.args.__get__(error)
    words = [one if type(one) in ATOMS else brief(one) for one in arguments]
    try:
        return base.__new__(kind, *words)
    except Exception:  # a class that asks for more than its text, such as ExceptionGroup
        return RuntimeError(f"{type_name(error)}: {message_of(error)}")


class Recorders:
    """The recorders of one thread, the innermost last. All of them see every event, in whatever
    order they leave."""

    _here = threading.local()

    def __init__(self) -> None:
        self._running: list[Recorder] = []
        self.trace_function = self._call  # one object, so that `is` can tell

    @classmethod
    def enter(cls, recorder: Recorder) -> Recorders:
        """Those of this thread, with `recorder` among them; the caller sets their
        `trace_function`."""
        here = cls._here.__dict__.setdefault("recorders", cls())
        recorder.previous = sys.gettrace()
        if _is_debugger(recorder.previous):
            warnings.warn(_DEBUGGER_IN_PLACE, RuntimeWarning, 3)
        here._running.append(recorder)
        return here

    def leave(self, recorder: Recorder) -> Any:
        """The trace function that the thread is to have when `recorder` has left."""
        place = self._running.index(recorder)
        del self._running[place]
        if place == len(self._running):
            return recorder.previous
        self._running[place].previous = recorder.previous  # that one came later and stays
        return sys.gettrace()

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename == FILE:
            return self._see(frame, event, arg)
        if frame.f_code.co_name in _METHODS:
            with without_torch_function():
                for recorder in self._running:
                    recorder.see_elsewhere(frame)
        return None

    def _see(self, frame: FrameType, event: str, arg: Any) -> Any:
        with without_torch_function():  # no code of a tensor subclass or a mode runs as we read
            for recorder in self._running:
                recorder.see(frame, event, arg)
        return self._see


_DEBUGGER_IN_PLACE = (
    "a debugger is attached, and trace() takes its place until the block ends: its breakpoints do "
    "not stop in functions that this block calls. To stop there, switch the debugger on and leave "
    "trace() out; to read the trace, switch the debugger off."
)


def _is_debugger(function: Any) -> bool:
    places = (getattr(function, "__module__", ""), type(function).__module__)
    return any(str(place).partition(".")[0] in _DEBUGGERS for place in places)
