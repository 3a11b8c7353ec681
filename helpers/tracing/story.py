"""What a player tells of a trace: its film, tables of numbers and text that refer to each other, and
every change in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from helpers.state.objects import message_of, type_name
from helpers.tracing.listing import Listing, listings_of
from helpers.tracing.trace import Step, Trace
from helpers.tracing.watch import CONTAINERS, SILENT, Change, State, Value

_MOST_STEPS, _MOST_NAMES, _MOST_VALUES = 10_000, 40, 8


class Move(NamedTuple):
    """A change in words: what became of the name, "came", "left", "changed", "was written" or "was
    replaced"; where the name was before, if it left a container.

    `at`: the step whose line made it. If no line of the file did, `by_line` is False, and `at` is
    the step before which it was found, or past the end. `state`: what the containers hold then."""

    at: int
    by_line: bool
    container: str
    name: str
    value: Value
    verb: str
    words: str
    state: State
    origin: str


class Frame(NamedTuple):
    """A step: the places of its listing, its stack, its state and its local names, the number of its
    line, and the `visit`, a call of the function that is listed."""

    listing: int
    line: int
    stack: int
    visit: int
    state: int
    values: int


class Box(NamedTuple):
    """A container: whether it is there, the places of its entries, how many more there are."""

    there: bool
    entries: tuple[int, ...]
    more: int


class Entry(NamedTuple):
    """What a container holds: a name, the kind of its sign, the value in words."""

    name: str
    kind: str
    words: str


class Note(NamedTuple):
    """What is known of a line of one visit from the step `at` on: the outcome of a "test", or an
    "error"."""

    at: int
    visit: int
    line: int
    kind: str
    words: str


class Shown(NamedTuple):
    """A `Move` at the step `at`, its container and entry by their places."""

    at: int
    box: int
    verb: str
    entry: int
    words: str
    origin: str


class Film(NamedTuple):
    """A trace as a player shows it. A state has a `Box` for each of `containers`, a stack the names
    of its functions, the values are (name, words) each; `more` steps are cut off."""

    listings: list[Listing]
    steps: list[Frame]
    stacks: list[tuple[str, ...]]
    states: list[tuple[Box, ...]]
    entries: list[Entry]
    values: list[tuple[tuple[str, str], ...]]
    notes: list[Note]
    changes: list[Shown]
    containers: tuple[str, ...]
    more: int
    remarks: tuple[str, ...]


class _Table(dict):
    """Distinct rows, numbered in the order in which they came."""

    def __missing__(self, row: tuple) -> int:
        return self.setdefault(row, len(self))


def film(steps: Trace) -> Film:
    """The film of a trace, cut at 10,000 steps with the rest counted."""
    return _Editor(steps).film()


class _Editor:
    """Makes a film. The tables of what its frames refer to fill as the frames are made."""

    def __init__(self, steps: Trace) -> None:
        self.trace, self.steps = steps, steps[:_MOST_STEPS]
        self.moves, self.listings = moves_of(steps), listings_of(steps)
        self.touched = {(move.container, move.name) for move in self.moves}
        self.stacks, self.states, self.entries, self.values = (_Table() for _ in range(4))
        self.places_of_states: dict[int, int] = {}

    def film(self) -> Film:
        listed = self._listed()
        visits = self._visits(listed)
        frames = [self._frame(*row) for row in zip(self.steps, listed, visits, strict=True)]
        changes = self._changes()
        return Film(
            self.listings,
            frames,
            list(self.stacks),
            list(self.states),
            list(self.entries),
            list(self.values),
            list(self._notes(visits)),
            changes,
            CONTAINERS,
            len(self.trace) - len(self.steps),
            self.trace.remarks,
        )

    def _listed(self) -> list[int]:
        """For each step the place of its listing."""
        places: dict[int, int] = {}
        for place, listing in enumerate(self.listings):
            lines = range(listing.first, listing.first + len(listing.tokens))
            places |= dict.fromkeys(lines, place)
        last = len(self.listings) - 1  # the line of the block, which is in another file
        return [places[step.line] if step.stack else last for step in self.steps]

    def _visits(self, listed: list[int]) -> list[int]:
        """For each step the number of the call that it belongs to: a call of the listed function.

        A comprehension, a lambda and a function inside belong to the call around them."""
        numbers, found = _Table(), []
        for line, place in zip(self.trace.recording.lines, listed, strict=False):
            calls = zip(line.calls, line.stack, strict=True)
            around = [call for call, first in calls if first == self.listings[place].first]
            found.append(numbers[around[-1] if around else line.call])
        return found

    def _frame(self, step: Step, place: int, visit: int) -> Frame:
        if step is self.steps[-1] and self.moves and not self.moves[-1].by_line:
            state = self.moves[-1].state
        else:  # what calls change belongs to their own lines
            state = step.after if step.changes else step.before
        values = [(name, value.words) for name, value in step.values.items() if name != "self"]
        return Frame(
            place,
            step.line,
            self.stacks[tuple(map(short_name, step.stack)) or ("the block",)],
            visit,
            self._place_of(state),
            self.values[tuple(values[:_MOST_VALUES])],
        )

    def _place_of(self, state: State) -> int:
        # A state stays one object as long as nothing changes.
        if id(state) not in self.places_of_states:
            self.places_of_states[id(state)] = self.states[tuple(self._boxes(state))]
        return self.places_of_states[id(state)]

    def _boxes(self, state: State) -> Iterator[Box]:
        for box in CONTAINERS:
            names, more = names_of(box, state, self.touched, _MOST_NAMES)
            entries = [self.entries[entry_of(box, name, state[box][name], state)] for name in names]
            yield Box(box in state, tuple(entries), more)

    def _notes(self, visits: list[int]) -> Iterator[Note]:
        ends = _ends(self.steps)
        for at, (step, end, visit) in enumerate(zip(self.steps, ends, visits, strict=True)):
            when = at if end == at + 1 else min(end, len(ends) - 1)
            if step.error is not None:
                yield Note(when, visit, step.line, "error", error_in_words(step.error))
            elif step.outcome is not None and not self._same_test(at, end, visits):
                yield Note(when, visit, step.line, "test", str(step.outcome))

    def _same_test(self, at: int, end: int, visits: list[int]) -> bool:
        """Whether the step at `end` is of the test at `at`: of one on several lines the last tells."""
        if end == len(visits) or visits[end] != visits[at]:
            return False
        return self.steps[end].condition == self.steps[at].condition

    def _changes(self) -> list[Shown]:
        found, last = [], len(self.steps) - 1
        for move in self.moves:
            if move.at > last and len(self.trace) > len(self.steps):
                break  # it belongs to a step that is cut off
            entry = self.entries[entry_of(move.container, move.name, move.value, move.state)]
            box = CONTAINERS.index(move.container)
            words = move.words if move.by_line else f"{move.words}, by no line of this file"
            at = max(0, min(move.at, last))
            found.append(Shown(at, box, move.verb, entry, words, move.origin))
        return found


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
    for change, line, following, state in steps.recording.history.changes:
        container, name, before, after = change
        origin, number = left.get(name, ("", 0))
        verb = _verb(change)
        words = f"{_short(name)} {verb}"
        if verb == "came":
            words += f" into {container}"
            if origin and container != SILENT and number == after.number:
                words += f": the object that left {origin}"
        elif verb == "left":
            words += f" {container}"
            if container != SILENT:
                left[name] = (container, before.number)
        elif not change.in_place:
            words += f" in {container}"
        at, by_line = (following, False) if line is None else (line, True)
        value = after or before
        found.append(Move(at, by_line, container, name, value, verb, words, state, origin))
    return found


def _verb(change: Change) -> str:
    if change.before is None:
        return "came"
    if change.after is None:
        return "left"
    if change.before.number != change.after.number:
        return "was replaced"
    return "was written in place" if change.in_place else "changed"


def entry_of(box: str, name: str, value: Value, state: State) -> Entry:
    """What a container holds under `name`, with the sign of its kind."""
    silent = box == SILENT or (box == "_buffers" and name in state.get(SILENT, ()))
    return Entry(_short(name), "non-persistent buffer" if silent else value.kind, value.words)


def _short(name: str) -> str:
    """`name`, or the beginning and the end of one that is too long to be read."""
    return name if len(name) <= 200 else f"{name[:120]}…{name[-60:]}"


def names_of(box: str, state: State, touched: set, most: int) -> tuple[list[str], int]:
    """The names in a container that are shown, at most `most` and as many that change, and how many
    are left out."""
    names = list(state.get(box, ()))
    kept = [name for i, name in enumerate(names) if i < most or (box, name) in touched][: 2 * most]
    return kept, len(names) - len(kept)


def short_name(function: str) -> str:
    """The name of a function without the function around it."""
    return function.rpartition("<locals>.")[2]


def error_in_words(error: BaseException) -> str:
    """Class and message of an exception."""
    return f"{type_name(error)}: {message_of(error)}"
