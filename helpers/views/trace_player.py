"""A trace as a film: torch's own source on one side, the containers of the followed module on the
other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import anywidget
from traitlets import Dict, Int, List, Unicode

from helpers.state.objects import brief, error_in_words
from helpers.tracing.alongside import moments
from helpers.tracing.parting import parting
from helpers.tracing.river import course_in_words
from helpers.tracing.story import (
    MOST_STEPS,
    entry_of,
    films,
    moves_of,
    names_of,
    short_name,
)
from helpers.tracing.trace import Trace, require_trace
from helpers.tracing.watch import BOXES, State
from helpers.views import ThreeFaces, front_end
from helpers.views.markup import CODE, MONO, SOFT, Markup, face, grid, join, mark, rest, soft, tag
from helpers.views.river import river_table
from helpers.views.signs import AS_JSON, SIGNS

_STATIC_ROWS, _STATIC_NAMES = 40, 12
_NO_RIVER = {"ways": [], "courses": []}
_NOTHING = (
    "No line of torch ran. Either the block has not run yet, or what it did is not written in "
    "torch's module.py: Python itself finds a plain attribute, and the forward of a layer is in a "
    "file of its own."
)


class _Player(ThreeFaces, anywidget.AnyWidget):
    """What is shown of one trace and of two: the same source, under the same controls."""

    _esm, _css = front_end("trace_player")

    film = Dict().tag(sync=True)
    signs = Dict(AS_JSON).tag(sync=True)
    start = Int().tag(sync=True)
    nothing = Unicode().tag(sync=True)


class TracePlayer(_Player):
    """The lines of a trace, stepped through in the browser: source, path of calls, local names and
    containers; of an assignment, the questions of `__setattr__` as they are answered.

    `steps` is what `with trace(module) as steps` gave, `start` the position of the step that is
    shown first, an int; TypeError for anything else. A line that changes a container is shown with
    its change made; what a line calls comes with lines of its own. Grey are the lines that a test
    has passed over, from that test on. The view keeps text and numbers alone."""

    def __init__(self, steps: Trace, *, start: int = 0) -> None:
        require_trace(steps, "TracePlayer")
        if not isinstance(start, int):
            advice = f"the position of a step as start, such as 0; got {brief(start)}"
            raise TypeError(f"TracePlayer() takes {advice}.")
        traits = traits_of(steps, start)
        river = traits["film"]["river"]
        self._words, self.face = repr(steps), static_face(steps, river)
        if len(river["courses"]) == 1:
            self._words += f". {course_in_words(river['ways'], river['courses'][0])}"
        super().__init__(**traits)

    def title(self) -> str:
        return f"TracePlayer, {self._words}"

    def static_face(self) -> Markup:
        return self.face


def traits_of(steps: Trace, start: int = 0) -> dict:
    """The traits of a player that depend on what it shows."""
    return {
        "film": films(steps)[0],
        "start": max(0, min(start, len(steps) - 1)),
        "nothing": " ".join([_NOTHING, *(f"{remark}." for remark in steps.remarks)]),
    }


class TracePair(_Player):
    """What `compare` makes: `words`, which say where two paths part, over one source with a gutter
    for each trace, and the containers of both, side by side.

    `moments`: the positions of both as the reader steps; `other`: the film of the second trace,
    which refers to the listings of the first."""

    other = Dict().tag(sync=True)
    moments = List().tag(sync=True)
    words = Unicode().tag(sync=True)

    def __init__(self, left: Trace, right: Trace) -> None:
        place, both = parting(left, right), films(left, right)
        self.face = _pair_face((left, right), [film["river"] for film in both])
        super().__init__(
            film=both[0],
            other=both[1],
            moments=moments(left, right, MOST_STEPS),
            words=_parting_in_words(left, right),
            start=max(0, place.step - 1) if place else 0,
            nothing=_NOTHING,
        )

    def title(self) -> str:
        return f"Comparison of two traces: {self.words}"

    def static_face(self) -> Markup:
        return tag("div", tag("b", self.words), self.face)


def _pair_face(traces: Sequence[Trace], rivers: Sequence[dict]) -> Markup:
    """The ways of both in one table where each made one assignment, and the face of each."""
    both = [river["courses"] for river in rivers]
    if all(len(courses) == 1 for courses in both):
        first, second = both
        ways = rivers[0]["ways"]
        table = river_table(ways, [*first, *second], ("first", "second"))
        rivers = [_NO_RIVER, _NO_RIVER]
    else:
        table = join([])
    faces = (static_face(*one) for one in zip(traces, rivers, strict=True))
    return join([table, *(tag("div", one, style="margin-top:0.8em") for one in faces)])


def compare(left: Trace, right: Trace) -> TracePair:
    """Two traces side by side: a line that says where their paths part and why, and one player of
    both, opened there.

    They step together where they run the same lines. Where they do not, the first goes its way,
    then the second. A gutter for each says which lines it took.

    `left` and `right` are what two `with trace(module) as steps` gave; TypeError for anything
    else."""
    for steps in (left, right):
        require_trace(steps, "compare")
    return TracePair(left, right)


def _parting_in_words(left: Trace, right: Trace) -> str:
    place = parting(left, right)
    if place is None:
        return (
            "Both blocks run the same lines of torch." if left else "Neither runs a line of torch."
        )
    if not place.cause:
        did = f"the first block {place.left}, the second {place.right}"
        return f"The paths part at step {place.step + 1:,}: {did}."
    where, did = short_name(place.function), f"{place.left} in the first, {place.right}"
    return f"The paths part in {where} at {place.cause}: {did} in the second."


class _Event(NamedTuple):
    """A line that decided, changed or raised: where it is, its text, and what came of it."""

    at: int
    function: str
    line: str
    words: str


def _events(steps: Trace) -> Iterator[_Event]:
    for one in steps.decisions:
        yield _Event(one.step, one.function, one.condition, str(one.outcome))
    for move in moves_of(steps):
        at, function, line = move.change.step, "no line of torch", "–"
        if move.change.by_line:
            function, line = steps[at].function, steps[at].source
        yield _Event(at, function, line, move.words)
    raised = steps.raised_by
    for at, step in enumerate(steps):
        if step is raised:
            yield _Event(at, step.function, step.source, f"raised {error_in_words(step.error)}")


def static_face(steps: Trace, river: dict) -> Markup:
    """The questions of each assignment; the lines that decided, changed or raised, as a table; the
    containers before and after."""
    events = sorted(_events(steps), key=lambda event: event.at)
    if not steps and not events:
        return face("player", f"{steps!r}. {_NOTHING}")
    # What is told again and again, as by a loop, stands once.
    told = groupby(events, key=lambda event: event._replace(at=0))
    rows = [_row(event, len(list(same))) for event, same in told]
    return face(
        "player",
        soft(repr(steps)),
        river_table(river["ways"], river["courses"]),
        grid(("in", "line that decided", "what came of it"), rows[:_STATIC_ROWS]),
        rest(len(rows) - _STATIC_ROWS, "such line"),
        _before_and_after(steps),
    )


def _row(event: _Event, times: int) -> tuple[object, ...]:
    again = tag("span", f" × {times:,}", style=SOFT) if times > 1 else ""
    names = (tag("span", name, style=MONO) for name in (short_name(event.function), event.line))
    return *names, join([event.words, again])


def _before_and_after(steps: Trace) -> Markup:
    states = steps.recording.history.states
    first, last = (states[0], states[-1]) if states else ({}, {})
    if first == last:
        sides = {"before and after, the same": last}
    else:
        sides = {"before": first, "after": last}
    touched = {(change.container, change.name) for change in steps.changes}
    rows = []
    for box in BOXES:
        held = [_held(box, state, touched) for state in sides.values()]
        rows.append([tag("span", box, style=MONO), *held])
    return grid(("container", *sides), rows)


def _held(box: str, state: State, touched: set) -> Markup:
    names, more = names_of(box, state, touched, _STATIC_NAMES)
    lines = []
    for name in names:
        entry = entry_of(box, name, state)
        label = tag("span", entry.name, style=CODE if (box, name) in touched else MONO)
        words = tag("span", entry.words, style=SOFT)
        lines.append(tag("div", mark(SIGNS[entry.kind]), label, " ", words))
    if not names:
        lines.append(tag("span", "empty" if box in state else "not there", style=SOFT))
    return join([*lines, rest(more)])
