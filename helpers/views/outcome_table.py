"""What became of a name in many attempts: a table for each route, and a film behind each cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import anywidget
from traitlets import Dict, Int, List, TraitError, validate

from helpers.state.objects import brief, counted, plural
from helpers.tracing.trials import Outcome
from helpers.views import ThreeFaces, front_end, page
from helpers.views.markup import CELL, CODE, SOFT, Markup, grid, join, mark, tag
from helpers.views.signs import AS_JSON, SIGNS, Sign
from helpers.views.trace_player import traits_of

_LOOK = "line-height:1.4;font-size:0.93em"  # wide as it is, it fits the page
_WHOLE = "white-space:nowrap"  # a sign and its word stay on one line
_GLUE = "\u00a0"  # on paper, where lines are broken all the same, its first word
_NARROW = f"{CELL};padding:0.2em 0.5em"  # so that eight columns need not be scrolled
# What the table has found stands out, and nothing happened where the name is as it was.
_DARK = "#8a2c00"
_LOST = f"margin:-0.2em -0.5em;padding:0.2em 0.5em;background:{_DARK};color:#ffffff"
_FADED = "opacity:0.7"
_CAPTION = ("by ", ", when the name is already …")  # with the route in between
_NONE = -1  # no cell is chosen


def outcome_in_words(outcome: Outcome) -> str:
    """One sentence: what happened, and where the name is now."""
    if outcome.after == "nowhere":
        now = "the name is nowhere"
    else:
        now = f"the name is a {_sign_of(outcome).label}"
    if outcome.error:
        if outcome.lost:
            now = f"the name has lost its home: it was {_named(outcome.home)}"
        else:
            now += ", as before"
        return f"{outcome.error}: {outcome.message} – {now}."
    if outcome.empty:
        now += ", and its slot is empty"
    if outcome.hidden:
        now += "; reading the name still gives the class attribute, which comes first"
    return f"No error: {now}."


def _named(home: str) -> str:
    return home if home in ("nowhere", "plain") else f"a {home}"


def _sign_of(outcome: Outcome) -> Sign:
    return SIGNS.get(outcome.kind, Sign("–", "inherit", outcome.kind))


class _Cell(NamedTuple):
    """What is read in a cell, line by line.

    `kind` is what the name is now, "" after an error. `look`: "lost" and "kept" after an error."""

    kind: str
    words: tuple[str, ...]
    look: str


def _cell(outcome: Outcome) -> _Cell:
    if outcome.error:
        now, look = ("the name is lost", "lost") if outcome.lost else ("as it was", "kept")
        return _Cell("", (f"⚠ {outcome.error}", now), look)
    below = {"empty slot": outcome.empty, "hidden by the class": outcome.hidden}
    label = _sign_of(outcome).label
    return _Cell(outcome.kind, (label, *(words for words, holds in below.items() if holds)), "")


class _Row(NamedTuple):
    """Values that fare alike with every home, and the outcomes of the first; None where there is
    none.
    """

    values: list[str]
    outcomes: list[Outcome | None]

    @property
    def name(self) -> str:
        return ", ".join(self.values) or "(no value)"


class _Route(NamedTuple):
    """The table of one route."""

    name: str
    homes: list[str]
    rows: list[_Row]


def _routes(outcomes: Sequence[Outcome]) -> Iterator[_Route]:
    for route in dict.fromkeys(one.route for one in outcomes):
        here = {(one.value, one.home): one for one in outcomes if one.route == route}
        homes = list(dict.fromkeys(home for _, home in here))
        alike: dict[tuple[_Cell | None, ...], _Row] = {}
        for value in dict.fromkeys(value for value, _ in here):
            line = [here.get((value, home)) for home in homes]
            cells = tuple(one and _cell(one) for one in line)
            alike.setdefault(cells, _Row([], line)).values.append(value)
        yield _Route(route, homes, list(alike.values()))


class OutcomeTable(ThreeFaces, anywidget.AnyWidget):
    """Outcomes, such as those of `trials.grid()`, as one table for each route: values down,
    homes across.

    Values that fare alike with every home share a line. A cell says what the name is afterwards, or
    which error was raised and what became of the name. It opens the film of its attempt, which is
    that of the first value on the line. `chosen` is the number of the open cell, in the order of
    reading, -1 for none. The still face is the same before and after it is run."""

    _esm, _css = front_end("outcome_table", lost=_DARK)

    tables = List().tag(sync=True)
    signs = Dict().tag(sync=True)
    chosen = Int(_NONE).tag(sync=True)
    opened = Dict().tag(sync=True)  # what the film of the chosen cell shows, and its number

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        self.outcomes = _required(outcomes)
        self._routes = list(_routes(self.outcomes))
        rows = [row for route in self._routes for row in route.rows]
        self._behind = [one for row in rows for one in row.outcomes if one]
        signs = {one.kind: _sign_of(one).as_json() for one in self.outcomes}
        super().__init__(tables=list(self._as_json()), signs=AS_JSON | signs)
        self.observe(self._open, names="chosen")

    def _as_json(self) -> Iterator[dict]:
        numbers = iter(range(len(self._behind)))
        for name, homes, rows in self._routes:
            lines = [
                {
                    "values": row.name,
                    "cells": [
                        one and {"at": next(numbers), **_cell(one)._asdict()}
                        for one in row.outcomes
                    ],
                }
                for row in rows
            ]
            yield {"route": name, "caption": _CAPTION, "homes": homes, "rows": lines}

    @validate("chosen")
    def _known(self, proposal: dict) -> int:
        at = proposal["value"]
        if not _NONE <= at < len(self._behind):
            last = len(self._behind) - 1
            raise TraitError(f"chosen is the number of a cell, -1 to {last:,}; got {at:,}")
        return at

    def _open(self, change: dict) -> None:
        self.opened = self._film(change["new"])

    def _film(self, at: int) -> dict:
        if at == _NONE:
            return {}
        outcome = self._behind[at]
        return {"at": at, "words": _attempt_in_words(outcome), **traits_of(outcome.steps)}

    def on_page(self) -> list[dict]:
        """Every cell with its film. What films have in common is sent once."""
        films = ([[at], [{"opened": self._film(at)}]] for at in range(_NONE, len(self._behind)))
        return [page.mounted(self, choices={"names": ["chosen"], "outcomes": list(films)})]

    def title(self) -> str:
        errors = sum(bool(one.error) for one in self.outcomes)
        attempts, raising = (
            counted(len(self.outcomes), "attempt"),
            plural(errors, "raises", "raise"),
        )
        return f"OutcomeTable: {attempts}, {errors} of them {raising} an error"

    def static_face(self) -> Markup:
        return tag("div", *map(_drawn, self._routes), class_="inm-outcomes", style=_LOOK)


def _required(outcomes: object) -> list[Outcome]:
    found = list(outcomes) if isinstance(outcomes, Iterable) else [outcomes]
    for one in found:
        if not isinstance(one, Outcome):
            advice = "takes outcomes, such as those of trials.grid()"
            raise TypeError(f"OutcomeTable() {advice}; got {brief(one)}.")
    return found


def _attempt_in_words(outcome: Outcome) -> str:
    value = f"{outcome.value} " if outcome.value else ""
    tried = f"{value}by {outcome.route}, on a name that is {_named(outcome.home)}"
    return f"{tried}. {outcome_in_words(outcome)}"


def _drawn(route: _Route) -> Markup:
    rows = [[row.name, *map(_drawn_cell, row.outcomes)] for row in route.rows]
    caption = join(_CAPTION, tag("span", route.name, style=CODE))
    return grid(["value", *route.homes], rows, _NARROW, caption, keeps_first=True)


def _drawn_cell(outcome: Outcome | None) -> Markup | str:
    if outcome is None:
        return ""
    (first, *below), look = _cell(outcome).words, _cell(outcome).look
    first = first.replace(" ", _GLUE, 1) if look else first
    if look:
        now = [tag("b", words) if look == "lost" else words for words in below]
        style = f"{_WHOLE};{_LOST if look == 'lost' else _FADED}"
        return tag("div", first, tag("br"), *now, style=style)
    soft = [part for words in below for part in (tag("br"), tag("span", words, style=SOFT))]
    return tag("div", mark(_sign_of(outcome)), _GLUE, first, *soft, style=_WHOLE)
