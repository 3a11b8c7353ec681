"""The questions of `Module.__setattr__` as a river: its ways, read from the installed source, and
the way that each assignment of a trace took."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

from helpers.state.objects import type_name
from helpers.tracing.source import module_source
from helpers.tracing.trace import Step

SETATTR = "Module.__setattr__"


class RiverWay(NamedTuple):
    """What one question decides. `words`: the question in short, `condition`: its test; "" for both
    where nothing is left to be asked. `act`: what is done where the answer is yes; `error`: the
    classes that its checks raise instead, or ""."""

    words: str
    condition: str
    act: str
    error: str


class Bed(NamedTuple):
    """The lines of a way: of its test, of all that the test guards, of each of its checks, and of
    the statements that it ends in."""

    way: RiverWay
    asked: range
    body: range
    checks: list[range]
    ends: list[range]


class Mark(NamedTuple):
    """What is known of the way at position `way` from the step `at` on. `kind`: "asked" or "check"
    for a test, whose outcome is in `words`; "act" where its end is reached; "error" with the class
    of an exception that was raised there."""

    at: int
    way: int
    kind: str
    words: str


class Course(NamedTuple):
    """One assignment: the name that it was for, as `__setattr__` has it, and its marks in order."""

    name: str
    marks: list[Mark]


class River(NamedTuple):
    """The ways in the order in which they are asked for, and the courses of a trace. `turns`: the
    positions of the steps at which another course is under way, each with that course."""

    ways: list[RiverWay]
    courses: list[Course]
    turns: list[tuple[int, int]]


# --- the ways of the installed torch --------------------------------------------------------------


@cache
def beds() -> list[Bed]:
    """The ways of the installed `Module.__setattr__`, with their lines."""
    lines = setattr_lines()
    text = module_source().lines[lines.start - 1 : lines.stop - 1]
    return beds_of("\n".join(text), lines.start)


@cache
def setattr_lines() -> range:
    """The lines on which `Module.__setattr__` stands."""
    functions = module_source().functions.values()
    return next(range(one.first, one.last + 1) for one in functions if one.name == SETATTR)


def beds_of(function: str, first: int) -> list[Bed]:
    """The ways of the source of a function that begins on line `first`."""
    tree = ast.parse(textwrap.dedent(function))
    ast.increment_lineno(tree, first - 1)
    return list(_beds(tree.body[0].body))


def _beds(statements: Sequence[ast.stmt]) -> Iterator[Bed]:
    """The ways through some statements: the first `if` that is no check parts them."""
    for at, one in enumerate(statements):
        if isinstance(one, ast.If) and not _is_check(one):
            condition = ast.unparse(one.test)
            yield _bed(one.body, f"{_in_short(one.test)}?", condition, _lines(one.test, one))
            yield from _beds([*one.orelse, *statements[at + 1 :]])
            return
    if statements:
        yield _bed(statements, "", "", range(0))


def _bed(statements: Sequence[ast.stmt], words: str, condition: str, asked: range) -> Bed:
    checks = [one for one in statements if isinstance(one, ast.If) and _is_check(one)]
    errors = dict.fromkeys(_raised(one.body[-1]) for one in checks)
    ends = list(_ends(statements))
    way = RiverWay(words, condition, _act(ends[0]) if ends else "", " or ".join(errors))
    body = range(statements[0].lineno, statements[-1].end_lineno + 1)
    return Bed(way, asked, body, [_lines(one.test, one) for one in checks], [*map(_lines, ends)])


def _lines(node: ast.AST, start: ast.AST | None = None) -> range:
    return range((start or node).lineno, node.end_lineno + 1)


def _is_check(node: ast.If) -> bool:
    return isinstance(node.body[-1], ast.Raise) and not node.orelse


def _raised(node: ast.Raise) -> str:
    error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return ast.unparse(error) if error else "error"


def _ends(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements with which some statements can end, those that raise left out."""
    last = statements[-1]
    if isinstance(last, ast.If):
        yield from chain(_ends(last.body), _ends(last.orelse) if last.orelse else ())
    elif not isinstance(last, ast.Raise):
        yield last


def _act(node: ast.stmt) -> str:
    """A statement in short: a call without its arguments."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func).removeprefix("self.")
    return ast.unparse(node).partition("\n")[0]


def _in_short(test: ast.expr) -> str:
    """A test in short words: without the look whether there is a container at all."""
    if isinstance(test, ast.BoolOp):
        parts = [one for one in test.values if not _asks_for_none(one)] or test.values
        word = " or " if isinstance(test.op, ast.Or) else " and "
        return word.join(map(_in_short, parts))
    if isinstance(test, ast.Call) and ast.unparse(test.func) == "isinstance":
        return "{} is a {}".format(*map(ast.unparse, test.args))
    return ast.unparse(test)


def _asks_for_none(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and ast.unparse(test).endswith(" is not None")


# --- the courses of a trace -----------------------------------------------------------------------


def river(steps: Sequence[Step], calls: Sequence[int], told: Iterable[tuple[int, int]]) -> River:
    """The assignments of a trace, each with the way that it took; no ways if it made none.

    `calls`: of each step the number of the call of `__setattr__` that it belongs to; 0 for none.
    `told`: the positions of the steps that tested or raised, each with that from which on it is
    known."""
    courses: list[Course] = []
    turns: list[tuple[int, int]] = []
    numbers: dict[int, int] = {}  # call -> its course
    for at, (step, call) in enumerate(zip(steps, calls, strict=True)):
        if not call:
            continue
        if call not in numbers:
            numbers[call] = len(courses)
            courses.append(Course(step.values["name"].words, []))
        if not turns or turns[-1][1] != numbers[call]:
            turns.append((at, numbers[call]))
        if step.function == SETATTR:
            courses[numbers[call]].marks.extend(_reached(at, step, courses[numbers[call]]))
    for at, since in told:
        if calls[at] and steps[at].function == SETATTR:
            courses[numbers[calls[at]]].marks.extend(_told(since, steps[at]))
    for course in courses:
        course.marks.sort()
    return River([bed.way for bed in beds()] if turns else [], courses, turns)


def _reached(at: int, step: Step, course: Course) -> Iterator[Mark]:
    for way, bed in enumerate(beds()):
        again = course.marks and course.marks[-1].way == way  # another line of the statement
        if not again and any(step.line in one for one in bed.ends):
            yield Mark(at, way, "act", "")


def _told(at: int, step: Step) -> Iterator[Mark]:
    for way, bed in enumerate(beds()):
        if step.error is not None and (step.line in bed.asked or step.line in bed.body):
            yield Mark(at, way, "error", type_name(step.error))
        elif step.outcome is not None and step.line in bed.asked:
            yield Mark(at, way, "asked", str(step.outcome))
        elif step.outcome is not None and any(step.line in one for one in bed.checks):
            yield Mark(at, way, "check", str(step.outcome))


def course_in_words(ways: Sequence[RiverWay], course: Course) -> str:
    """One assignment as a line of words: "value is a Parameter? True → register_parameter"."""
    parts = []
    for mark in course.marks:
        if mark.kind == "asked":
            parts.append(f"{ways[mark.way].words} {mark.words}")
        elif mark.kind == "act":
            parts.append(ways[mark.way].act)
        elif mark.kind == "error":
            parts.append(f"⚠ {mark.words}")
    return " → ".join(parts)
