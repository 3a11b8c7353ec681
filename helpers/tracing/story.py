"""A trace as the browser gets it: tables of numbers and text that refer to each other, and the
source in tokens.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from pygments.lexers.python import PythonLexer
from pygments.token import Token

from helpers.state.objects import message_of, type_name
from helpers.tracing.recorder import CONTAINERS, Held
from helpers.tracing.trace import Step, Trace

_SILENT = "_non_persistent_buffers_set"
_MOST_STEPS, _MOST_NAMES, _MOST_VALUES = 10_000, 40, 8
_TOKENS = {
    Token.Comment: "c",
    Token.Literal.String.Doc: "c",
    Token.Literal.String: "s",
    Token.Keyword: "k",
    Token.Operator.Word: "k",
    Token.Name.Function: "f",
}


class _Table(dict):
    """Distinct rows, numbered in the order in which they came."""

    def __missing__(self, row: tuple) -> int:
        return self.setdefault(row, len(self))


def film(steps: Trace) -> dict:
    """The trace as tables of numbers and text that refer to each other, cut at 10,000 steps with
    the rest counted.
    """
    shown, changes = steps[:_MOST_STEPS], changes_of(steps)
    stacks, states, entries, values, known = _Table(), _Table(), _Table(), _Table(), {}
    touched = {(change.container, change.name) for change in changes}

    def boxes(state: dict) -> Iterator[tuple]:
        for box in CONTAINERS:
            names, more = names_of(box, state, touched, _MOST_NAMES)
            yield (
                box in state,
                tuple(entries[entry_of(box, name, state[box][name], state)] for name in names),
                more,
            )

    listings, places = _listings(steps)
    following, visits = (
        _following(shown),
        _visits(steps, shown, places, [listing[1] for listing in listings]),
    )
    rows, notes = [], []
    for at, step in enumerate(shown):
        place = places.get(step.line, 0) if step.stack else len(listings) - 1
        # A state stays one object as long as nothing changes; what calls change belongs to their
        # own lines.
        state = step.after if step.changes else step.before
        if id(state) not in known:
            known[id(state)] = states[tuple(boxes(state))]
        local = tuple((name, held.words) for name, held in step.values.items() if name != "self")[
            :_MOST_VALUES
        ]
        stack = stacks[tuple(map(short_name, step.stack)) or ("the block",)]
        rows.append((place, step.line, stack, visits[at], known[id(state)], values[local]))
        end = following[at]
        when = at if end == at + 1 else min(end, len(shown) - 1)
        again = (
            end < len(shown)
            and visits[end] == visits[at]
            and shown[end].condition == step.condition
        )
        if step.error is not None:
            notes.append((when, visits[at], step.line, "error", in_words(step.error)))
        elif (
            step.outcome is not None and not again
        ):  # of a test on several lines the last one tells
            notes.append((when, visits[at], step.line, "test", str(step.outcome)))
    moves = []
    for one in changes:
        if one.at < len(shown) or len(shown) == len(steps):
            place = max(0, min(one.at, len(shown) - 1))
            held = entries[entry_of(one.container, one.name, one.held, one.state)]
            moves.append(
                (place, CONTAINERS.index(one.container), one.verb, held, one.words, one.origin)
            )
    return {
        "listings": listings,
        "steps": rows,
        "stacks": list(stacks),
        "states": list(states),
        "entries": list(entries),
        "values": list(values),
        "notes": notes,
        "changes": moves,
        "containers": CONTAINERS,
        "more": len(steps) - len(shown),
    }


def _following(steps: list[Step]) -> list[int]:
    """For each step the next position that is no deeper: there its line has ended, with all that it
    called.
    """
    depths, found = [len(step.stack) for step in steps], [len(steps)] * len(steps)
    for at in range(len(steps) - 1, -1, -1):
        end = at + 1
        while end < len(steps) and depths[end] > depths[at]:
            end = found[end]
        found[at] = end
    return found


def _visits(
    steps: Trace, shown: list[Step], places: dict[int, int], firsts: list[int]
) -> list[int]:
    """For each step the number of the call that it belongs to: a call of the function whose source
    is shown.
    """
    lines = steps._lines[: len(shown)]
    last = {line.call: at for at, line in enumerate(lines)}
    found, opened, count = [], [], 0  # opened: call, depth, listing, visit
    for at, (line, step) in enumerate(zip(lines, shown, strict=True)):
        call, depth, here = line.call, len(step.stack), places.get(step.line)
        named = here is not None and line.stack[-1:] == (firsts[here],)
        opened = [
            one for one in opened if one[1] < depth or (one[1] == depth and last[one[0]] >= at)
        ]
        # A comprehension, a lambda and a function inside belong to the call around them, a
        # recursive call does not.
        inside = [one for one in opened if one[2] == here and (one[1] == depth or not named)]
        found.append(inside[-1][3] if inside else count)
        count += not inside
        if all(one[0] != call for one in opened):
            opened.append((call, depth, here, found[-1]))
    return found


def _listings(steps: Trace) -> tuple[list[tuple], dict[int, int]]:
    """The sources that are shown, and {line: place of its source}. An inner function is in the
    outer's.
    """
    functions, widest = steps.functions(), {}
    for name, (first, lines) in sorted(functions.items(), key=lambda item: len(item[1][1])):
        widest |= dict.fromkeys(range(first, first + len(lines)), name)
    names = [name for name, (first, _) in functions.items() if widest[first] == name]
    listings = [(name, *_listing(*functions[name])) for name in names]
    if steps and not steps[-1].stack:  # an error of the block: its own line, from another file
        listings.append(("the block", steps[-1].line, [["", steps[-1].source]], [0]))
    return listings, {line: names.index(name) for line, name in widest.items()}


def _listing(first: int, text: tuple[str, ...]) -> tuple[int, list[list[str]], list[int]]:
    """Number of the first line, the tokens of each line as [class, text, class, text, …], the
    statement of each.
    """
    indent = len(text[0]) - len(text[0].lstrip())
    lines = [line if line[:indent].strip() else line[indent:] for line in text]
    runs: list[list[str]] = [[] for _ in lines]
    at = 0
    for kind, words in PythonLexer(stripnl=False, ensurenl=False).get_tokens("\n".join(lines)):
        letter = next((letter for family, letter in _TOKENS.items() if kind in family), "")
        for i, part in enumerate(words.split("\n")):
            at += i > 0
            if runs[at] and (runs[at][-2] == letter or part.isspace()):
                runs[at][-1] += part
            elif part:
                runs[at] += [letter, part]
    return first, runs, [group and group + first - 1 for group in _statements(lines)]


def _statements(lines: list[str]) -> list[int]:
    """For each line that of the statement it belongs to; 0 for the head, blank lines and words:
    they do not run.
    """
    kinds = (ast.stmt, ast.excepthandler)
    head, *inner = [one for one in ast.walk(ast.parse("\n".join(lines))) if isinstance(one, kinds)]
    found: dict[int, int] = {}
    for node in inner:
        words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        end = node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno
        found |= dict.fromkeys(range(node.lineno, end + 1), 0 if words else node.lineno)
    found |= dict.fromkeys(range(1, head.body[0].lineno), 0)
    found |= {
        i: 0 for i, line in enumerate(lines, 1) if not line.strip() or line.lstrip().startswith("#")
    }
    for number in range(
        len(lines), 0, -1
    ):  # else, try and finally: what follows tells whether they are reached
        found.setdefault(number, found.get(number + 1, 0))
    return [found[number] for number in range(1, len(lines) + 1)]


# --- what the film and the static face both tell ----------------------------------------------------------------------


class Told(NamedTuple):
    """A change in words: its position, past the end if no line of the file made it; "came", "left",
    "changed" or "was replaced"; what the containers hold after the line; the container that the
    name left last, or ""."""

    at: int
    container: str
    name: str
    held: Held
    verb: str
    words: str
    state: dict
    origin: str


def changes_of(steps: Trace) -> list[Told]:
    """Every change of the trace, in order."""
    placed = [(at, change) for at, step in enumerate(steps) for change in step.changes]
    placed += [(len(steps), change) for change in steps.changes[len(placed) :]]
    found, left = [], {}
    for at, (container, name, before, after) in placed:
        origin, number = left.get(name, ("", 0))
        if after is None:
            verb, words = "left", f"{_short(name)} left {container}"
            if container != _SILENT:
                left[name] = (container, before.number)
        elif before is None:
            same = origin and container != _SILENT and number == after.number
            verb, words = "came", f"{_short(name)} came into {container}"
            words += f": the object that left {origin}" if same else ""
        else:
            verb = "changed" if before.number == after.number else "was replaced"
            words = f"{_short(name)} {verb} in {container}"
        state = steps[at].after if at < len(steps) else {}
        found.append(Told(at, container, name, after or before, verb, words, state, origin))
    return found


def entry_of(box: str, name: str, held: Held, state: dict) -> tuple[str, str, str]:
    """Name, kind of sign and words of what a container holds."""
    silent = box == _SILENT or (box == "_buffers" and name in state.get(_SILENT, ()))
    return _short(name), "non-persistent buffer" if silent else held.kind, held.words


def _short(name: str) -> str:
    """`name`, or the beginning and the end of one that is too long to be read."""
    return name if len(name) <= 200 else f"{name[:120]}…{name[-60:]}"


def names_of(box: str, state: dict, touched: set, most: int) -> tuple[list[str], int]:
    """The names in a container that are shown, at most `most` and as many that change, and how many
    are left out.
    """
    names = list(state.get(box, ()))
    kept = [name for i, name in enumerate(names) if i < most or (box, name) in touched][: 2 * most]
    return kept, len(names) - len(kept)


def short_name(function: str) -> str:
    """The name of a function without the function around it."""
    return function.rpartition("<locals>.")[2]


def in_words(error: BaseException) -> str:
    """Class and message of an exception."""
    return f"{type_name(error)}: {message_of(error)}"
