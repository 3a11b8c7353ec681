"""The still face of a river: the questions of `__setattr__` across, an assignment a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from helpers.tracing.river import Course, Mark, RiverWay
from helpers.views.markup import CELL, MONO, Markup, grid, join, rest, soft, tag

_MOST = 4
_CELL = f"{CELL};min-width:4.6em"
_FILLED = "padding:0 0.4em;border-radius:4px;background:#595959;color:#ffffff"


def river_table(ways: list[RiverWay], courses: list[Course], names: Iterable[str] = ()) -> Markup:
    """What each assignment was asked, what it answered, and what came of it.

    `names`: what its line is called, in place of the name that it was for."""
    if not courses:
        return join([])
    names = list(names) or [course.name for course in courses]
    heads = [tag("span", way.words or "else", title=way.condition or None) for way in ways]
    shown = zip(names[:_MOST], courses[:_MOST], strict=True)
    rows = [[tag("span", name, style=MONO), *_cells(ways, course)] for name, course in shown]
    more = rest(len(courses) - _MOST, "assignment")
    words = soft("What __setattr__ asks, from left to right, until an answer is True:")
    return join([words, grid(["name", *heads], rows, _CELL), more])


def _cells(ways: list[RiverWay], course: Course) -> Iterator[Markup | str]:
    for place, way in enumerate(ways):
        parts = [_said(way, mark) for mark in course.marks if mark.way == place]
        yield join([one for one in parts if one], " ") or "–"


def _said(way: RiverWay, mark: Mark) -> Markup | str:
    if mark.kind == "asked":
        return tag("b", mark.words, style=_FILLED) if mark.words == "True" else mark.words
    if mark.kind == "act":
        return tag("span", way.act, style=MONO)
    return f"⚠ {mark.words}" if mark.kind == "error" else ""
