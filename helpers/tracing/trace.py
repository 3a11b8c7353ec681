"""Which lines of torch run when I write `model.x = …`? Recorded while they run, in the installed
source.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import message_of, require_module, type_name
from helpers.tracing.recorder import CONTAINERS, Change, Held, Line, Recorder, Room
from helpers.tracing.source import module_source, source_lines


class Step(NamedTuple):
    """One line that ran. What it called is between `before` and `after`, and has steps of its own.

    `function`: its qualified name. `line`: its number in the file. `source`: its text. `before`,
    `after`: what the followed module held, as {container: {name: Held}}; a container that does not
    exist yet is left out. `stack`: the functions of the file that were running, outermost first,
    this one last. `error`: a copy, without its traceback, of the exception that was raised in this
    line or passed through it. `condition`: the test that the line belongs to, on one line, or "".
    `outcome`: what the test gave, True or False; None where there is no test, or it raised.
    `changes`: what this very line changed. `values`: the local names in words. Only the text and
    numbers are kept."""

    function: str
    line: int
    source: str
    before: dict[str, dict[str, Held]]
    after: dict[str, dict[str, Held]]
    stack: tuple[str, ...]
    error: BaseException | None
    condition: str
    outcome: bool | None
    changes: tuple[Change, ...]
    values: dict[str, Held]


class Decision(NamedTuple):
    """One test that ran: its function, its text on one line, what it gave, and the position of its
    first step.
    """

    function: str
    condition: str
    outcome: bool
    step: int


class Parting(NamedTuple):
    """Where two traces part: the position of the first step that differs, and the last decision
    before it in each.
    """

    step: int
    left: Decision | None
    right: Decision | None


class Trace(Sequence):
    """The steps of one block, in the order in which they ran: see `trace`."""

    def __init__(self, module: nn.Module | None) -> None:
        self._module = (lambda: module) if module is not None else None
        self._followed = "" if module is None else type_name(module)
        self._recorder: Recorder | None = None
        self._lines: list[Line] = []
        self._made: list[Step] = []
        self._outside: tuple[Change, ...] = ()
        self._left: BaseException | None = None

    def __enter__(self) -> Trace:
        if self._recorder:
            raise RuntimeError(
                "this trace is recording already; write trace(module) again for a block inside it"
            )
        module = self._module and self._module()
        if self._module and module is None:
            raise RuntimeError("the module of this trace is gone; write trace(module) again")
        source_lines()  # torch without its source: say so before anything runs
        self._made, self._left = [], None
        with torch._C.DisableTorchFunction():
            self._recorder = Recorder(module)
        self._lines = self._recorder.lines
        self._room = Room.enter(self._recorder)
        sys.settrace(self._room.trace_function)
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        recorder, self._recorder = self._recorder, None
        sys.settrace(self._room.leave(recorder))
        self._module = self._module and weakref.ref(
            self._module()
        )  # for a second block, and not to keep it
        with torch._C.DisableTorchFunction():
            recorder.finish(error, traceback)
        self._followed, self._outside = recorder.followed, tuple(recorder.outside)
        self._left = recorder.lines[-1].error if error is not None else None

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, position: int | slice) -> Step | list[Step]:
        return self._steps()[position]

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps())

    def __repr__(self) -> str:
        lines = sum(not line.source for line in self._lines)
        words = ", ".join(
            f"{number:,} {noun}{'' if number == 1 else 's'}"
            for number, noun in (
                (lines, "line"),
                (len(self.functions()), "function"),
                (len(self.changes), "change"),
            )
        )
        left = (
            f", left by {type_name(self._left)}: {message_of(self._left)}"
            if self._left is not None
            else ""
        )
        return " ".join(
            f"trace of torch's module.py on {self.followed or 'no module'}: {words}{left}".split()
        )

    @property
    def followed(self) -> str:
        """The class name of the module whose containers are shown; "" as long as there is none."""
        return self._recorder.followed if self._recorder else self._followed

    @property
    def error(self) -> BaseException | None:
        """A copy of the exception that left the block, or None; the last step has the same one."""
        return self._left

    @property
    def raised_by(self) -> Step | None:
        """The step whose line raised the exception that left the block: the innermost that it
        passed through.
        """
        passed = [step for step in self if step.error is not None and step.error is self._left]
        return max(passed, key=lambda step: len(step.stack), default=None)

    @property
    def decisions(self) -> list[Decision]:
        """Every test that was decided, in order, once for each time it ran."""
        found, last = [], {}
        for position, (line, step) in enumerate(zip(self._lines, self, strict=True)):
            test = None if line.source else module_source().conditions.get(step.line)
            again = (
                test is not None and last.get(line.call) is test
            )  # another line of the same test
            last[line.call] = test
            if step.outcome is not None and not again:
                found.append(Decision(step.function, step.condition, step.outcome, position))
        return found

    @property
    def changes(self) -> list[Change]:
        """Every change of a container, in order; a change that no line of the file made comes last."""
        return [change for step in self for change in step.changes] + list(self._outside)

    def changed(self, name: str) -> list[Step]:
        """The steps whose own line changed what some container holds under `name`."""
        return [step for step in self if any(change.name == name for change in step.changes)]

    def home(self, name: str) -> str | None:
        """The container that holds `name` after the last step, "__dict__" for a plain attribute;
        None for none.

        A buffer that is not persistent is in `_buffers`, and its name in
        `_non_persistent_buffers_set` as well."""
        last = self[-1].after if self else {}
        homes = [container for container in CONTAINERS if name in last.get(container, {})]
        return next((home for home in homes if home != "_non_persistent_buffers_set"), None)

    def functions(self) -> dict[str, tuple[int, tuple[str, ...]]]:
        """The source of every function that ran: {name: (number of its first line, its lines)}, in
        order.
        """
        source, found = module_source(), {}
        for line in self._lines:
            if not line.source:
                one = source.function(line.stack[-1])
                found.setdefault(one.name, (one.first, source.lines[one.first - 1 : one.last]))
        return found

    def _steps(self) -> list[Step]:
        if len(self._made) != len(self._lines) or self._recorder:
            tests = _outcomes(self._lines)
            self._made = [_step(line, *test) for line, test in zip(self._lines, tests, strict=True)]
        return self._made


def trace(module: nn.Module | None = None) -> Trace:
    """Record the lines of torch's `nn/modules/module.py` that run in a `with` block: `with trace(m)
    as steps: …`.

    `module` is the module whose containers are shown, any `nn.Module` instance, before its
    `__init__` too. Without one, that is the first module on which a method of the file is called:
    the one that the block builds. Whatever the block does is recorded, in this thread, whichever
    module it does it to. TypeError for anything else.

    Gives a sequence of `Step`, which grows while the block runs. An exception reaches the caller
    unchanged; the last step has a copy of it. The trace function that was set before (of a
    debugger, of a coverage tool) is set again in every case; while the block runs it is not called
    for functions that the block calls, and for a debugger a RuntimeWarning says so. Objects in the
    containers are held until the block ends, and none of them later."""
    if module is not None:
        require_module(module, "trace")
    return Trace(module)


def parting(left: Trace, right: Trace) -> Parting | None:
    """Where `left` and `right` run different lines for the first time; None if they run the same
    lines.
    """
    ways = [[(line.source, line.number) for line in one._lines] for one in (left, right)]
    shorter = min(map(len, ways))
    first = next((i for i in range(shorter) if ways[0][i] != ways[1][i]), shorter)
    if first == len(ways[0]) == len(ways[1]):
        return None
    before = ([one for one in side.decisions if one.step < first] for side in (left, right))
    return Parting(first, *(decisions[-1] if decisions else None for decisions in before))


def _outcomes(lines: list[Line]) -> list[tuple[str, bool | None]]:
    """The test and its outcome of each line: the next line of the same call that is not of the test
    tells.
    """
    tests = module_source().conditions
    found: list[tuple[str, bool | None]] = [("", None)] * len(lines)
    following: dict[
        int, tuple[Any, int, bool | None]
    ] = {}  # call -> the test and number of its next line, outcome
    for position in range(len(lines) - 1, -1, -1):
        line = lines[position]
        test = None if line.source else tests.get(line.number)
        if test:
            after, number, known = following.get(line.call, (None, 0, None))
            decided = None if line.error is not None else test.body[0] <= number <= test.body[1]
            found[position] = (test.text, known if after is test else decided)
        following[line.call] = (test, line.number, found[position][1])
    return found


def _step(line: Line, condition: str, outcome: bool | None) -> Step:
    source = module_source()
    running = [(number, source.function(number)) for number in line.stack]
    # What has no name of its own belongs to the function around it. A comprehension is a frame of
    # its own in some versions of Python and none in others, so that function stands once.
    stack = tuple(
        one.name
        for place, (number, one) in enumerate(running)
        if number == one.first or not place or one is not running[place - 1][1]
    )
    function = line.function or stack[-1]
    words = line.source or source.text(line.number)
    return Step(
        function,
        line.number,
        words,
        line.before,
        line.after,
        stack,
        line.error,
        condition,
        outcome,
        tuple(line.changes),
        line.values,
    )
