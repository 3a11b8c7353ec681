"""Where two traces part, and what sent them there."""

from __future__ import annotations

from typing import NamedTuple

from helpers.state.objects import counted, type_name
from helpers.tracing.recorder import Line
from helpers.tracing.source import Fork
from helpers.tracing.trace import Step, Trace, fork_of, outcomes_of, require_trace


class Parting(NamedTuple):
    """Where two traces run different lines for the first time.

    `step`: the position of the first step that differs. `cause`: the line before it that sent them
    there, a test, the head of a loop or another line, and `function`: where it is; "" for both
    where the blocks themselves do different things. `left`, `right`: what it did in each, in
    words."""

    step: int
    function: str
    cause: str
    left: str
    right: str


def parting(left: Trace, right: Trace) -> Parting | None:
    """Where `left` and `right` run different lines for the first time, and why; None if they run
    the same lines.

    `left` and `right` are what two `with trace(module) as steps` gave; TypeError for anything
    else."""
    for steps in (left, right):
        require_trace(steps, "parting")
    first = _first_that_differs(left.recording.lines, right.recording.lines)
    if first is None:
        return None
    at = _last_in_common(left, right, first)
    if at is None:
        return Parting(first, "", "", _next(left, first, 0), _next(right, first, 0))
    step, fork = left[at], fork_of(left.recording.lines[at])
    cause = fork.text if fork else step.source
    return Parting(first, step.function, cause, *_what_differs(left, right, at, first))


def _first_that_differs(left: list[Line], right: list[Line]) -> int | None:
    shorter = min(len(left), len(right))
    for at in range(shorter):
        if (left[at].source, left[at].number) != (right[at].source, right[at].number):
            return at
    return None if len(left) == len(right) else shorter


def _last_in_common(left: Trace, right: Trace, first: int) -> int | None:
    """The position of the last line before `first` of the innermost call in which the two go
    different ways; None for the blocks."""
    # Where one is deeper inside than the other, the other has just left that call.
    places = [_under_way(one.recording.lines, first) for one in (left, right)]
    found = [at for at in places if at is not None]
    return max(found, key=lambda at: len(left[at].stack), default=None)


def _under_way(lines: list[Line], first: int) -> int | None:
    """The position of the line before `first` in the same call, or of the one that makes it."""
    for at in range(first - 1, -1, -1) if first < len(lines) else ():
        same = lines[at].call == lines[first].call
        if same or len(lines[at].stack) < len(lines[first].stack):
            return at
    return None


def _what_differs(left: Trace, right: Trace, at: int, first: int) -> tuple[str, str]:
    """What the line at `at` did in each of the two, told by the first fact that is not the same."""
    depth = len(left[at].stack)
    told = [
        (_raised(left[at]), _raised(right[at])),
        (_decided(left, at), _decided(right, at)),
        (_next(left, first, depth), _next(right, first, depth)),
    ]
    return next((both for both in told if both[0] != both[1]), told[-1])


def _raised(step: Step) -> str:
    return "no error" if step.error is None else f"raises {type_name(step.error)}"


def _decided(steps: Trace, at: int) -> str:
    lines = steps.recording.lines
    outcome, fork = outcomes_of(lines)[at], fork_of(lines[at])
    if fork is None or not fork.loop or outcome is None:
        return str(outcome)
    rounds = _rounds(lines, at, fork)
    if outcome:
        return f"goes on with round {rounds}"
    return f"ends after {counted(rounds - 1, 'round')}"


def _rounds(lines: list[Line], at: int, fork: Fork) -> int:
    """How often the head of a loop has run by the line at `at`, since the call came to the loop."""
    found = 0
    for line in reversed(lines[: at + 1]):
        if line.call == lines[at].call:
            if line.number not in fork.lines and line.number not in fork.body:
                break
            found += line.number == fork.lines.start
    return found


def _next(steps: Trace, first: int, depth: int) -> str:
    """What the step at `first` is, seen from a call at `depth`; 0 is the block."""
    if first == len(steps) or len(steps[first].stack) < depth:
        return "returns" if depth else "ends"
    step = steps[first]
    if not step.stack:
        return _raised(step)
    deeper = len(step.stack) > depth
    return f"runs {step.function}" if deeper else f"goes on with {step.source}"
