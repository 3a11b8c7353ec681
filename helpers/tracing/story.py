"""What a player tells of a trace: every change in words, and the film, which are tables of numbers
and text that refer to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from helpers.state.objects import clip, error_in_words
from helpers.state.table import Table
from helpers.state.torch_private import BUFFERS, NON_PERSISTENT
from helpers.state.walk import buffer_kind
from helpers.tracing.listing import BLOCK, Guarded, Listing, listing_of_block, listings_of
from helpers.tracing.recorder import Line
from helpers.tracing.river import Course, Mark, RiverWay, river, setattr_lines
from helpers.tracing.trace import Step, Trace
from helpers.tracing.watch import BOXES, Change, State

MOST_STEPS = 10_000
_MOST_NAMES, _MOST_VALUES = 40, 8


class Content(NamedTuple):
    """What a container holds: a name, the kind of its sign, the value in words."""

    name: str
    kind: str
    words: str


class Move(NamedTuple):
    """A change in words: its entry; what became of the name, "came", "left", "changed", "was
    replaced" or "was written in place"; the container that it had left before, or ""."""

    change: Change
    entry: Content
    verb: str
    words: str
    origin: str


class Shot(NamedTuple):
    """A step as its places in the tables of the film. `visit`: a call of the function listed."""

    listing: int
    line: int
    stack: int
    visit: int
    state: int
    values: int


class Note(NamedTuple):
    """The outcome of a "test", or an "error", shown at a line of a visit from the step `at` on."""

    at: int
    visit: int
    line: int
    kind: str
    words: str


class Box(NamedTuple):
    """A container: whether it is `there`, its entries, and how many `more` it has."""

    there: bool
    held: list[int]
    more: int


class Shift(NamedTuple):
    """A move as its places in the tables of the film: the step `at`, the container, the entry."""

    at: int
    box: int
    verb: str
    entry: int
    words: str
    origin: str


_RECORDS = {
    "steps": Shot,
    "changes": Shift,
    "notes": Note,
    "entries": Content,
    "boxes": Box,
    "listings": Listing,
    "blocks": Guarded,
    "ways": RiverWay,
    "courses": Course,
    "marks": Mark,
}


def films(*traces: Trace) -> list[dict[str, Any]]:
    """The film of each trace as the browser gets it, cut where it is longer than `MOST_STEPS`, with
    the rest counted. All refer to the same listings, and have the same `fields` in the rows of
    their tables: those of the first."""
    listings = listings_of(*traces)
    fields = {table: record._fields for table, record in _RECORDS.items()}
    found = [_Film(steps, listings).tables() for steps in traces]
    return [{**found[0], "listings": listings, "fields": fields}, *found[1:]]


class _Film:
    """Makes a film. The tables that its shots refer to fill as these are made."""

    def __init__(self, steps: Trace, listings: list[Listing]) -> None:
        self.trace, self.steps = steps, steps[:MOST_STEPS]
        self.history = steps.recording.history
        self.listings = listings
        self.touched = {(change.container, change.name) for change in steps.changes}
        self.stacks, self.entries, self.values = Table(), Table(), Table()

    def tables(self) -> dict[str, Any]:
        shots = list(self._shots())
        visits = [shot.visit for shot in shots]
        told = list(self._told(visits))
        states = [self._boxes(state) for state in self.history.states or [{}]]
        changes = list(self._changes())
        return {
            "steps": shots,
            "stacks": list(self.stacks),
            "states": states,
            "entries": list(self.entries),
            "values": list(self.values),
            "notes": [self._note(at, since, visits[at]) for at, since in told],
            "river": river(self.steps, self._assignments(), told)._asdict(),
            "changes": changes,
            "containers": BOXES,
            "more": len(self.trace) - len(self.steps),
            "remarks": self.trace.remarks,
        }

    def _shots(self) -> Iterator[Shot]:
        places: dict[int, int] = {}
        for place, listing in enumerate(self.listings):
            lines = range(listing.first, listing.first + len(listing.tokens))
            places |= dict.fromkeys(lines if listing.name != BLOCK else (), place)
        visits = Table()
        for step, line in zip(self.steps, self.trace.recording.lines, strict=False):
            # The line of the block is in another file.
            place = places[step.line] if step.stack else self.listings.index(listing_of_block(step))
            call = _listed_call(line, self.listings[place].first)
            stack = tuple(map(short_name, step.stack)) or (BLOCK,)
            values = [(name, one.words) for name, one in step.values.items() if name != "self"]
            yield Shot(
                place,
                step.line,
                self.stacks[stack],
                visits[call],
                self._state_of(step, line),
                self.values[tuple(values[:_MOST_VALUES])],
            )

    def _assignments(self) -> list[int]:
        """Of each step the innermost call of `__setattr__` that is under way; 0 for none."""
        lines = self.trace.recording.lines[: len(self.steps)]
        return [_innermost(line, setattr_lines().start) for line in lines]

    def _state_of(self, step: Step, line: Line) -> int:
        if step is self.trace[-1]:
            return max(0, len(self.history.states) - 1)
        # What a line calls changes with lines of its own.
        return self.history.place(line.end if step.changes else line.begin)

    def _boxes(self, state: State) -> list[Box]:
        found = []
        for box in BOXES:
            names, more = names_of(box, state, self.touched, _MOST_NAMES)
            entries = [self.entries[entry_of(box, name, state)] for name in names]
            found.append(Box(box in state, entries, more))
        return found

    def _told(self, visits: list[int]) -> Iterator[tuple[int, int]]:
        """Of each step that decided or raised its position, and that from which on it is known."""
        for at, (step, end) in enumerate(zip(self.steps, _ends(self.steps), strict=True)):
            tested = step.outcome is not None and not self._same_test(at, end, visits)
            if step.error is not None or tested:
                yield at, at if end == at + 1 else min(end, len(visits) - 1)

    def _note(self, at: int, since: int, visit: int) -> Note:
        step = self.steps[at]
        if step.error is not None:
            return Note(since, visit, step.line, "error", error_in_words(step.error))
        return Note(since, visit, step.line, "test", str(step.outcome))

    def _same_test(self, at: int, end: int, visits: list[int]) -> bool:
        """Whether the step at `end` is of the test at `at`: the last line of a test tells."""
        if end == len(visits) or visits[end] != visits[at]:
            return False
        return self.steps[end].condition == self.steps[at].condition

    def _changes(self) -> Iterator[Shift]:
        last = len(self.steps) - 1
        for change, entry, verb, words, origin in moves_of(self.trace):
            if change.step > last and len(self.trace) > len(self.steps):
                break  # it belongs to a step that is cut off
            if not change.by_line:
                words += ", by no line of this file"
            at, box = max(0, min(change.step, last)), BOXES.index(change.container)
            yield Shift(at, box, verb, self.entries[entry], words, origin)


def _listed_call(line: Line, first: int) -> int:
    """The call of the function that is listed from line `first` on: a comprehension, a lambda and a
    function inside belong to the call around them."""
    return _innermost(line, first) or line.call


def _innermost(line: Line, first: int) -> int:
    """The innermost call under way of the function that begins at line `first`; 0 for none."""
    calls = zip(line.calls, line.stack, strict=True)
    return next((call for call, begin in reversed(list(calls)) if begin == first), 0)


def _ends(steps: list[Step]) -> list[int]:
    """For each step the next position that is no deeper: there its line has ended, with all that it
    called."""
    depths, found = [len(step.stack) for step in steps], [len(steps)] * len(steps)
    for at in range(len(steps) - 1, -1, -1):
        end = at + 1
        while end < len(steps) and depths[end] > depths[at]:
            end = found[end]
        found[at] = end
    return found


# --- what the film and the static face both tell --------------------------------------------------


def moves_of(steps: Trace) -> list[Move]:
    """Every change of a trace in words, in order."""
    found: list[Move] = []
    left: dict[str, tuple[str, int]] = {}  # name -> the container that it left last, the object
    history = steps.recording.history
    for change in history.changes:
        container, name = change.container, change.name
        origin, number = left.get(name, ("", 0))
        verb = _verb(change)
        words = f"{clip(name, 200)} {verb}"
        if verb == "came":
            words += f" into {container}"
            if origin and container != NON_PERSISTENT and number == change.after.number:
                words += f": the object that left {origin}"
        elif verb == "left":
            words += f" {container}"
            if container != NON_PERSISTENT:
                left[name] = (container, change.before.number)
        elif not change.in_place:
            words += f" in {container}"
        # The state in which the name is there.
        state = history.at(change.moment if change.after else change.moment - 1)
        found.append(Move(change, entry_of(container, name, state), verb, words, origin))
    return found


def _verb(change: Change) -> str:
    if change.before is None:
        return "came"
    if change.after is None:
        return "left"
    if change.before.number != change.after.number:
        return "was replaced"
    return "was written in place" if change.in_place else "changed"


def entry_of(box: str, name: str, state: State) -> Content:
    """What a container holds under `name`, with the sign of its kind."""
    value = state[box][name]
    kind = value.kind
    if box in (BUFFERS, NON_PERSISTENT):
        kind = buffer_kind(name, state.get(NON_PERSISTENT, ()))
    return Content(clip(name, 200), kind, value.words)


def names_of(box: str, state: State, touched: set, most: int) -> tuple[list[str], int]:
    """The names in a container that are shown, at most `most` and as many that change, and how many
    are left out."""
    names = list(state.get(box, ()))
    kept = [name for i, name in enumerate(names) if i < most or (box, name) in touched][: 2 * most]
    return kept, len(names) - len(kept)


def short_name(function: str) -> str:
    """The name of a function without the function around it."""
    return function.rpartition("<locals>.")[2]
