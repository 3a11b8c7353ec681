"""Which lines of torch run when I write `model.x = …`? Recorded while they run, in the installed
source."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import NamedTuple

from torch import nn

from helpers.state.objects import brief, counted, error_in_words, require_module, type_name
from helpers.state.torch_private import NON_PERSISTENT, without_torch_function
from helpers.tracing.recorder import Line, Recorder, Recorders, Recording
from helpers.tracing.source import Fork, module_source, source_lines
from helpers.tracing.watch import BOXES, Change, State, Value


class Step(NamedTuple):
    """One line that ran. What it called is between `before` and `after`, and has steps of its own.

    `function`: its qualified name. `line`: its number in the file. `source`: its text. `before`,
    `after`: what the followed module held, as {container: {name: Value}}; a container that does not
    exist yet is left out. `stack`: the functions of the file that were running, outermost first,
    this one last. `error`: a copy, without its traceback, of the exception that was raised in this
    line or passed through it, of the same class and text; of a subclass of the same name where the
    class has other text for what a copy can keep, and a RuntimeError that tells both where there
    can be none. `condition`: the test that the line belongs to, on one line, or "".
    `outcome`: what the test gave, True or False; None where there is no test, or it raised.
    `changes`: what this very line changed. `values`: the local names in words. Only the text and
    numbers are kept."""

    function: str
    line: int
    source: str
    before: State
    after: State
    stack: tuple[str, ...]
    error: BaseException | None
    condition: str
    outcome: bool | None
    changes: tuple[Change, ...]
    values: dict[str, Value]


class Decision(NamedTuple):
    """One test that ran: its function, its text on one line, what it gave, and the position of its
    first step."""

    function: str
    condition: str
    outcome: bool
    step: int


class Trace(Sequence):
    """The steps of one block, in the order in which they ran: see `trace`."""

    def __init__(self, module: nn.Module | None) -> None:
        self._module = (lambda: module) if module is not None else None
        self._recorder: Recorder | None = None
        self._kept = Recording("" if module is None else type_name(module))
        self._made: list[Step] = []
        self._left: BaseException | None = None

    def __enter__(self) -> Trace:
        if self._recorder:
            advice = "write trace(module) again for a block inside it"
            raise RuntimeError(f"this trace is recording already; {advice}")
        module = self._module and self._module()
        if self._module and module is None:
            raise RuntimeError("the module of this trace is gone; write trace(module) again")
        source_lines()  # torch without its source: say so before anything runs
        self._made, self._left = [], None
        with without_torch_function():
            self._recorder = Recorder(module)
        self._recorders = Recorders.enter(self._recorder)
        sys.settrace(self._recorders.trace_function)
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        recorder, self._recorder = self._recorder, None
        sys.settrace(self._recorders.leave(recorder))
        if self._module:  # for a second block, and not to keep it
            self._module = weakref.ref(self._module())
        with without_torch_function():
            self._kept = recorder.finish(error, traceback)
        self._left = self._kept.lines[-1].error if error is not None else None

    @property
    def recording(self) -> Recording:
        """What was recorded, of which the steps are made; while the block runs, by now."""
        if self._recorder is None:
            return self._kept
        with without_torch_function():
            return self._recorder.recording()

    def __len__(self) -> int:
        return len(self.recording.lines)

    def __getitem__(self, position: int | slice) -> Step | list[Step]:
        return self._steps()[position]

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps())

    def __repr__(self) -> str:
        lines = sum(bool(line.stack) for line in self.recording.lines)
        counts = (
            (lines, "line"),
            (len(self.functions()), "function"),
            (len(self.changes), "change"),
        )
        words = ", ".join(counted(*one) for one in counts)
        if self._left is not None:
            words += f", left by {error_in_words(self._left)}"
        said = [f"trace of torch's module.py on {self.followed or 'no module'}: {words}"]
        return " ".join(". ".join([*said, *self.remarks]).split())

    @property
    def followed(self) -> str:
        """The class name of the module whose containers are shown; "" as long as there is none."""
        return self.recording.followed

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be known of the block besides, a sentence each: that numbers are not compared;
        that every line ran on another module, and which; that methods of a subclass ran, which are
        in another file."""
        return self.recording.remarks

    @property
    def error(self) -> BaseException | None:
        """A copy of the exception that left the block, or None; the last step has the same one."""
        return self._left

    @property
    def raised_by(self) -> Step | None:
        """The step whose line raised the exception that left the block: the innermost that it
        passed through."""
        passed = [step for step in self if step.error is not None and step.error is self._left]
        return max(passed, key=lambda step: len(step.stack), default=None)

    @property
    def decisions(self) -> list[Decision]:
        """Every test that was decided, in order, once for each time it ran."""
        found, last = [], {}
        for position, (line, step) in enumerate(zip(self.recording.lines, self, strict=True)):
            test = fork_of(line) if step.condition else None
            again = test is not None and last.get(line.call) is test  # another line of the same
            last[line.call] = test
            if step.outcome is not None and not again:
                found.append(Decision(step.function, step.condition, step.outcome, position))
        return found

    @property
    def changes(self) -> list[Change]:
        """Every change of a container, in order, whether a line of the file made it or not.

        A name came, left or was replaced, or a tensor changed its shape, dtype, device or whether
        it wants a gradient. Numbers are not compared: a write into a tensor is seen where torch
        counts it, which it does not for one through `.data` or NumPy, or by batch norm into its
        statistics. Of a plain list, dict or set it is seen where the words that show it become
        others, "[1, 2]" or "list of 9"; what else it holds, and an object, is not looked at."""
        return list(self.recording.history.changes)

    def changed(self, name: str) -> list[Step]:
        """The steps whose own line changed what some container holds under `name`."""
        return [step for step in self if any(change.name == name for change in step.changes)]

    def home(self, name: str) -> str | None:
        """The container that holds `name` after the block, "__dict__" for a plain attribute; None
        for none.

        A buffer that is not persistent is in `_buffers`, and its name in
        `_non_persistent_buffers_set` as well."""
        states = self.recording.history.states
        last = states[-1] if states else {}
        homes = [box for box in BOXES if box != NON_PERSISTENT and name in last.get(box, {})]
        return homes[0] if homes else None

    def functions(self) -> dict[str, tuple[int, tuple[str, ...]]]:
        """The source of every function that ran: {name: (number of its first line, its lines)}, in
        order."""
        source, found = module_source(), {}
        for line in self.recording.lines:
            if line.stack:
                one = source.function(line.stack[-1])
                found.setdefault(one.name, (one.first, source.lines[one.first - 1 : one.last]))
        return found

    def _steps(self) -> list[Step]:
        recording = self.recording
        if self._recorder or len(self._made) != len(recording.lines):
            self._made = _steps_of(recording)
        return self._made


def trace(module: nn.Module | None = None) -> Trace:
    """Record the lines of torch's `nn/modules/module.py` that run in a `with` block: `with trace(m)
    as steps: …`.

    `module` is the module whose containers are shown, any `nn.Module` instance, before its
    `__init__` too. Without one, that is the module that the block builds: of several the one with
    the most modules below it, and the first of equals; if it builds none, one whose methods it
    calls. Whatever the block does is recorded, in this thread, whichever module it does it to.
    TypeError for anything else.

    Gives a sequence of `Step`, which grows while the block runs. An exception reaches the caller
    unchanged; the last step has a copy of it. The trace function that was set before (of a
    debugger, of a coverage tool) is set again in every case; while the block runs it is not called
    for functions that the block calls, and for a debugger a RuntimeWarning says so. Objects in the
    containers are held until the block ends, and none of them later."""
    if module is not None:
        require_module(module, "trace")
    return Trace(module)


def fork_of(line: Line) -> Fork | None:
    """The fork that a recorded line belongs to."""
    return module_source().forks.get(line.number) if line.stack else None


def outcomes_of(lines: list[Line]) -> list[bool | None]:
    """For each line of a fork whether what it guards was run: the next line of the same call that
    is not of the fork tells. None for other lines, and where the fork raised."""
    found: list[bool | None] = [None] * len(lines)
    forks = [fork_of(line) for line in lines]
    following: dict[int, int] = {}  # call -> position of its next line
    for position in range(len(lines) - 1, -1, -1):
        line, fork = lines[position], forks[position]
        after = following.get(line.call)
        following[line.call] = position
        if fork is None or line.error is not None:
            continue
        if after is None:
            found[position] = False
        elif forks[after] is fork:
            found[position] = found[after]
        else:
            found[position] = lines[after].number in fork.body
    return found


def _steps_of(recording: Recording) -> list[Step]:
    lines, history, source = recording.lines, recording.history, module_source()
    changes: dict[int, tuple[Change, ...]] = {}
    for one in history.changes:
        if one.by_line:
            changes[one.step] = (*changes.get(one.step, ()), one)
    found, named = [], {}
    for at, (line, outcome) in enumerate(zip(lines, outcomes_of(lines), strict=True)):
        if line.stack not in named:
            named[line.stack] = _named(line.stack)
        fork, stack = fork_of(line), named[line.stack]
        condition = fork.condition if fork else ""
        step = Step(
            line.function or stack[-1],
            line.number,
            line.source or source.code(line.number),
            history.at(line.begin),
            history.at(line.end),
            stack,
            line.error,
            condition,
            outcome if condition else None,
            changes.get(at, ()),
            line.values,
        )
        found.append(step)
    return found


def _named(stack: tuple[int, ...]) -> tuple[str, ...]:
    """The names of the functions that begin at these lines.

    What has no name of its own belongs to the function around it. A comprehension is a frame of its
    own in some versions of Python and none in others, so that function stands once."""
    source, found = module_source(), []
    for number in stack:
        one = source.function(number)
        if number == one.first or not found or one is not found[-1]:
            found.append(one)
    return tuple(one.name for one in found)


def require_trace(steps: object, caller: str) -> None:
    """Raise the TypeError of every helper that takes a trace, if `steps` is none."""
    if not isinstance(steps, Trace):
        advice = "record first, with trace(module) as steps: module.x = …, and pass steps"
        raise TypeError(f"{caller}() takes a trace, got {brief(steps)}; {advice}.")
