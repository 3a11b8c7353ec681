"""Recording the lines of torch's `nn/modules/module.py` while they run, with what they do to a
module's containers."""

from __future__ import annotations

import builtins
import inspect
import linecache
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType, FunctionType, TracebackType
from typing import Any

from torch import nn

from helpers.state import objects
from helpers.state.objects import error_in_words, message_of, type_name
from helpers.state.torch_private import without_torch_function
from helpers.state.walk import is_module
from helpers.tracing.following import Following, first_three, placed
from helpers.tracing.source import FILE, module_source
from helpers.tracing.watch import History, Value, Watch, Wording, boxes_of

_DEBUGGERS = ("pydevd", "_pydevd_bundle", "_pydev_bundle", "debugpy", "bdb", "pdb")
_DEBUGGER_IN_PLACE = (
    "a debugger is attached, and trace() takes its place until the block ends: its breakpoints do "
    "not stop in functions that this block calls. To stop there, switch the debugger on and leave "
    "trace() out; to read the trace, switch the debugger off."
)
# The methods that a subclass may have of its own in place of those in the file.
_METHODS = {name for name, value in vars(nn.Module).items() if type(value) is FunctionType}
_METHODS = _METHODS - {"forward"} | {"__getattribute__"}


@dataclass(slots=True)
class Line:
    """One line as it was recorded, which ran from the moment `begin` to the moment `end`. Its
    function and its fork are looked up later, when somebody asks for steps.

    `stack`: of each call under way the first line of its function, or of a lambda or comprehension
    in it; `calls`: the number of each. `function` and `source`: of a line of the block alone."""

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
    """A call of a function of the file that is under way: on which module it was made, and the
    position of its line under way."""

    frame: FrameType
    number: int
    module: nn.Module | None
    line: int | None = None


@dataclass
class Recording:
    """What was recorded: all lines, the history of the module that is followed and the name of its
    class, and what else ran, as sentences."""

    followed: str
    history: History = field(default_factory=History)
    lines: list[Line] = field(default_factory=list)
    remarks: tuple[str, ...] = ()


class Recorder:
    """Records one block. It holds the objects that it meets."""

    def __init__(self, module: nn.Module | None) -> None:
        self.previous: Any = None  # the trace function that was set when this recorder came
        self._wording = Wording()
        self._following = Following(module, self._wording)
        self._lines: list[Line] = []
        self._moment = 0
        self._open: list[Call] = []
        self._calls = 0
        self._generators: dict[FrameType, int] = {}  # the number of the call of each
        self._ran_on: dict[int, nn.Module] = {}
        self._overrides: dict[str, None] = {}
        # The errors that pass, each with its copy: while one does, others may be caught.
        self._passing: list[tuple[BaseException, BaseException]] = []

    def see(self, frame: FrameType, event: str, arg: Any) -> None:
        """Take one event of a frame of the file."""
        self._moment += 1
        if event == "call":
            self._settle()
            self._enter(frame)
            return
        while self._open and self._open[-1].frame is not frame:
            self._open.pop()  # it ended unseen: another tool had the trace function for a while
        if not self._open:
            return
        call = self._open[-1]
        if call.line is not None:  # else nothing ran since the call
            self._settle()
            self._lines[call.line].end = self._moment
        if event == "line" and not self._goes_back(call):
            self._begin(call)
        elif event == "exception" and call.line is not None:
            self._lines[call.line].error = self._copy(arg[1])
        elif event == "return":
            self._open.pop()

    def see_elsewhere(self, frame: FrameType) -> None:
        """Take the call of a function of another file with the name of a method of nn.Module."""
        module = _first_argument(frame)
        if module is not None and frame.f_code.co_name == "__init__":
            self._following.meet(module, self._moment, frame)
        elif module is not None:
            self._overrides |= dict.fromkeys(_method_of(frame, module))

    def recording(self) -> Recording:
        """What was recorded by now."""
        self._moment += 1
        self._settle()
        watch = self._following.followed()
        if watch is None:
            return Recording("", History(), self._lines)
        return Recording(type_name(watch.module), watch.history, self._lines, self._remarks(watch))

    def finish(self, error: BaseException | None, traceback: TracebackType | None) -> Recording:
        """Close what is open, and add the error that left the block."""
        made = self.recording()
        for call in self._open:
            if call.line is not None:
                self._lines[call.line].end = self._moment
        copy = None if error is None else self._copy(error)
        if copy is not None and not (self._lines and self._lines[-1].error is copy):
            self._lines.append(_line_of_the_block(copy, traceback, self._moment))
        return made

    def _settle(self) -> None:
        """Put what changed since the last event down to the innermost line that is under way."""
        for watch in self._following.watches:
            if not watch.is_as_noted():
                lines = [call.line for call in self._open if call.line is not None]
                step = lines[-1] if lines else len(self._lines)
                watch.note(self._moment, step, by_line=bool(lines))

    def _enter(self, frame: FrameType) -> None:
        module = _first_argument(frame)
        if module is not None:
            self._following.meet(module, self._moment, frame)
        elif self._open:  # a function inside another has the module of that
            module = self._open[-1].module
        number = self._generators.get(frame)
        if number is None:  # else a call that goes on
            self._calls = number = self._calls + 1
        if frame.f_code.co_flags & inspect.CO_GENERATOR:
            self._generators[frame] = number
        self._open.append(Call(frame, number, module))

    def _goes_back(self, call: Call) -> bool:
        """Whether a test on several lines goes back to a line before, to decide. Some versions of
        Python tell of it and some do not; here the line under way goes on."""
        if call.line is None:
            return False
        last, number = self._lines[call.line].number, call.frame.f_lineno
        if number >= last:
            return False
        forks = module_source().forks
        fork = forks.get(number)
        return fork is not None and not fork.loop and forks.get(last) is fork

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
        call.line = len(self._lines)
        stack = tuple([one.frame.f_code.co_firstlineno for one in self._open])
        calls = tuple([one.number for one in self._open])
        number, now = call.frame.f_lineno, self._moment
        self._lines.append(Line(number, stack, calls, values, begin=now, end=now))

    def _remarks(self, watch: Watch) -> tuple[str, ...]:
        changes, found = watch.history.changes, []
        if not changes or any(change.in_place for change in changes):
            found.append("Numbers are not compared")
        others = [one for one in self._ran_on.values() if one is not watch.module]
        if len(others) == len(self._ran_on) > 0:
            found.append(f"Every line ran on another module: {placed(others, watch.module)}")
        elif others and not changes:
            found.append(f"Lines ran on other modules too: {placed(others, watch.module)}")
        if self._overrides:
            found.append(f"{first_three(self._overrides)} ran too, in another file")
        return tuple(found)

    def _copy(self, error: BaseException) -> BaseException:
        """A copy of `error` without its traceback, which keeps all variables alive; the same one as
        long as it is the same error that passes."""
        for passing, copy in self._passing:
            if passing is error:
                return copy
        # Python writes on a new error which ones were under way when it was raised. The others
        # have been caught.
        under_way = _contexts(error)
        self._passing = [pair for pair in self._passing if id(pair[0]) in under_way]
        self._passing.append((error, _without_traceback(error)))
        return self._passing[-1][1]


def _first_argument(frame: FrameType) -> nn.Module | None:
    """The module on which the function of a frame that begins is called."""
    code = frame.f_code
    value = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    return value if is_module(value) else None


def _method_of(frame: FrameType, module: nn.Module) -> Iterator[str]:
    """The method of a class of `module` that a frame runs, with the name of the class, if any."""
    name = frame.f_code.co_name
    for kind in objects.bases(type(module)):
        function = objects.class_dict(kind).get(name)
        while type(function) is FunctionType:  # a decorated one has its own inside
            if function.__code__ is frame.f_code:
                yield f"{objects.class_name(kind)}.{name}"
            function = vars(function).get("__wrapped__")


def _line_of_the_block(error: BaseException, traceback: TracebackType | None, moment: int) -> Line:
    """The line of the block itself that raised `error`, a copy."""
    function, number, source = "<block>", 0, ""
    if traceback:
        code, number = traceback.tb_frame.f_code, traceback.tb_lineno
        function, source = code.co_name, linecache.getline(code.co_filename, number).strip()
    source = source or "(a line without source)"
    return Line(number, (), (), {}, moment, moment, error, function, source)


def _contexts(error: BaseException) -> set[int]:
    """The ids of the errors that were under way when `error` was raised."""
    found: set[int] = set()
    while (error := BaseException.__context__.__get__(error)) and id(error) not in found:
        found.add(id(error))
    return found


class _Words(str):
    """Text as the one argument of an exception, which some classes show by its repr."""

    __slots__ = ()
    __repr__ = str.__str__


def _without_traceback(error: BaseException) -> BaseException:
    """An exception of the same class and text, which keeps nothing alive. Where the class makes
    other text of what can be kept, one of a subclass of the same name; where that cannot be made,
    a RuntimeError that tells both."""
    text = _text(error)
    if text is not None:
        for make in (_made_again, _made_of_text):
            try:
                copy = make(error, text)
            except Exception:  # a class that asks for more, such as ExceptionGroup
                continue
            if _text(copy) == text:
                return copy
    try:
        return _made_of_text(error, message_of(error) if text is None else text, says_so=True)
    except Exception:
        return RuntimeError(error_in_words(error))


def _text(error: BaseException) -> str | None:
    """The whole text of an exception; None where its `__str__` raises."""
    try:
        return str.__str__(str(error))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def _builtin(kind: type) -> type:
    """The class of Python's that an exception class is made on."""
    known = vars(builtins)
    return next(one for one in objects.bases(kind) if known.get(objects.class_name(one)) is one)


def _made_again(error: BaseException, _: str) -> BaseException:
    """An exception made of what can be kept of the arguments; no code of its class runs."""
    kind = type(error)
    base = _builtin(kind)
    arguments = base.__reduce__(error)[1]  # `args` has no file name of an OSError
    words = [_kept(one) for one in arguments]
    copy = base.__new__(kind, *words)
    base.__init__(copy, *words)
    return _with_attributes(copy, error)


def _made_of_text(error: BaseException, text: str, *, says_so: bool = False) -> BaseException:
    """An exception with `text` as its one argument; with `says_so` of a subclass that says it
    whatever the class would say."""
    kind = type(error)
    if says_so:
        kind = _saying(kind, text)
    return _with_attributes(_builtin(kind).__new__(kind, _Words(text)), error)


def _saying(kind: type, text: str) -> type:
    """A subclass of an exception class, of the same name, whose instances say `text`. TypeError
    where code of the class would run as it is made."""
    above = [one for one in objects.bases(kind) if one is not object]
    if type(kind) is not type or any("__init_subclass__" in vars(one) for one in above):
        raise TypeError(f"{kind.__name__} has code of its own for subclasses")
    own = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__slots__": ()}
    own["__str__"] = lambda _: text
    return type(kind.__name__, (kind,), own)


def _with_attributes(copy: BaseException, error: BaseException) -> BaseException:
    """The copy with the attributes that keep nothing alive, of which a class may make its text."""
    own = objects.attributes(error).items()
    objects.attributes(copy).update({name: one for name, one in own if type(one) in objects.ATOMS})
    return copy


def _kept(argument: object) -> object:
    """An argument of an exception, or words for it where it would keep something alive."""
    kind = type(argument)
    if kind in objects.ATOMS:
        return argument
    if kind is tuple:
        return tuple(map(_kept, argument))
    return objects.text(argument)


class Recorders:
    """The recorders of one thread, the innermost last. All of them see every event, in whatever
    order they leave."""

    _here = threading.local()

    def __init__(self) -> None:
        self._running: list[Recorder] = []
        self.trace_function = self._call  # one object, so that `is` can tell

    @classmethod
    def enter(cls, recorder: Recorder) -> Recorders:
        """Those of this thread, `recorder` among them; the caller sets their `trace_function`."""
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


def _is_debugger(function: Any) -> bool:
    places = (getattr(function, "__module__", ""), type(function).__module__)
    return any(str(place).partition(".")[0] in _DEBUGGERS for place in places)
