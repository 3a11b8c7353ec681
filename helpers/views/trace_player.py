"""A trace as a film: torch's own source on one side, the containers of the followed module on the other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

import anywidget
import ipywidgets as widgets
from pygments.lexers.python import PythonLexer
from pygments.token import Token
from traitlets import Dict, Int

from helpers.markup import BOX, CODE, SOFT, Markup, tag
from helpers.reading import brief, message_of, type_name
from helpers.recording import CONTAINERS, Held
from helpers.signs import SIGNS
from helpers.tracing import Step, Trace, parting
from helpers.views import front_end
from helpers.views.state_map import sign_of

_SILENT = "_non_persistent_buffers_set"
_MOST_STEPS, _MOST_NAMES, _MOST_VALUES = 10_000, 40, 8
_STATIC_ROWS, _STATIC_NAMES = 40, 12
_NOTHING = (
    "no line of torch ran. Either the block has not run yet, or what it did is not written in torch's module.py: "
    "Python itself finds a plain attribute, and the forward of a layer is in a file of its own."
)
_TOKENS = {Token.Comment: "c", Token.Literal.String.Doc: "c", Token.Literal.String: "s", Token.Literal.Number: "m",
           Token.Keyword: "k", Token.Operator.Word: "k", Token.Name.Function: "f"}  # fmt: skip
_TABLE, _MONO = "border-collapse:collapse;margin:0;font-size:1em", "font-family:monospace"
_CELL = "padding:0.25em 0.8em;text-align:left;vertical-align:top;border:1px solid #8a8a8a;font-weight:400"


class TracePlayer(anywidget.AnyWidget):
    """The lines of a trace, stepped through in the browser: source, path of calls, local names and containers.

    `steps` is what `with trace(module) as steps` gave; TypeError for anything else. `start` is the position of the
    step that is shown first. A line that changes a container is shown with its change made; what a line calls comes
    with lines of its own. Grey are the lines that a call never reaches. The view keeps text and numbers alone.
    """

    _esm, _css = front_end("trace_player")

    film = Dict().tag(sync=True)
    signs = Dict().tag(sync=True)
    start = Int().tag(sync=True)

    def __init__(self, steps: Trace, *, start: int = 0) -> None:
        _require_trace(steps, "TracePlayer")
        self._words, self.face = repr(steps), static_face(steps)
        signs = {kind: asdict(sign) for kind, sign in SIGNS.items()}
        super().__init__(film=film(steps), signs=signs, start=max(0, min(start, len(steps) - 1)))

    def __repr__(self) -> str:
        return f"TracePlayer, {self._words}"

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/plain": repr(self), "text/html": self.face}, metadata


class compare(widgets.VBox):  # noqa: N801  (called like a function)
    """Two traces side by side: a line that says where their paths part, and two players that are opened there.

    `left` and `right` are what two `with trace(module) as steps` gave; TypeError for anything else.
    """

    def __init__(self, left: Trace, right: Trace) -> None:
        for steps in (left, right):
            _require_trace(steps, "compare")
        self.words, place = _parting_in_words(left, right), parting(left, right)
        self.players = [TracePlayer(steps, start=place.step if place else 0) for steps in (left, right)]
        for player in self.players:
            player.layout = widgets.Layout(flex="1 1 26em", min_width="0")
        row = widgets.HBox(self.players, layout=widgets.Layout(flex_flow="row wrap", grid_gap="0.8em"))
        super().__init__([widgets.HTML(tag("b", self.words)), row])

    def __repr__(self) -> str:
        return f"compare of two traces: {self.words}"

    def _repr_mimebundle_(self, **kwargs: object) -> dict:
        faces = [tag("div", player.face, style="flex:1 1 26em;min-width:0") for player in self.players]
        html = tag("div", tag("b", self.words), tag("div", *faces, style="display:flex;flex-wrap:wrap;gap:0.8em"))
        return {**super()._repr_mimebundle_(**kwargs), "text/plain": repr(self), "text/html": html}


def _require_trace(steps: object, caller: str) -> None:
    if not isinstance(steps, Trace):
        advice = "record first, with trace(module) as steps: module.x = …, and pass steps"
        raise TypeError(f"{caller}() takes a trace, got {brief(steps)}; {advice}.")


def _parting_in_words(left: Trace, right: Trace) -> str:
    place = parting(left, right)
    if place is None:
        return "Both blocks run the same lines of torch."
    if place.left and place.right and place.left[:2] == place.right[:2]:
        name, test, outcome, other = _short(place.left.function), *place.left[1:3], place.right.outcome
        if outcome is not other:
            return f"The paths part in {name} at {test}: {outcome} on the left, {other} on the right."
    return f"The paths part at step {place.step + 1:,}."


def _short(function: str) -> str:
    return function.rpartition("<locals>.")[2]


def _error(error: BaseException) -> str:
    return f"{type_name(error)}: {message_of(error)}"


def _changes(steps: Trace) -> list[tuple]:
    """Of each change its position, (container, name, held), a verb, words, and the container that the name left last.

    The position of a change that no line of the file made is past the end.
    """
    placed = [(at, change) for at, step in enumerate(steps) for change in step.changes]
    placed += [(len(steps), change) for change in steps.changes[len(placed) :]]
    found, left = [], {}
    for at, (container, name, before, after) in placed:
        origin, number = left.get(name, ("", 0))
        if after is None:
            verb, words = "left", f"{name} left {container}"
            if container != _SILENT:
                left[name] = (container, before.number)
        elif before is None:
            same = container != _SILENT and number and number == after.number
            verb, words = "came", f"{name} came into {container}" + f", the object that left {origin}" * same
        else:
            verb = "changed" if before.number == after.number else "was replaced"
            words = f"{name} {verb} in {container}"
        found.append((at, (container, name, after or before), verb, words, origin))
    return found


def _entry(box: str, name: str, held: Held, state: dict) -> tuple[str, str, str]:
    """Name, kind of sign and words of what a container holds."""
    silent = box == _SILENT or (box == "_buffers" and name in state.get(_SILENT, ()))
    return name, "non-persistent buffer" if silent else held.kind, held.words


def _kept(box: str, state: dict, touched: set, most: int) -> tuple[list[str], int]:
    """The names in a container that are shown, at most `most` and as many that change, and how many are left out."""
    names = list(state.get(box, ()))
    kept = [name for i, name in enumerate(names) if i < most or (box, name) in touched][: 2 * most]
    return kept, len(names) - len(kept)


# --- the film: what the browser gets ----------------------------------------------------------------------------------


class _Table(dict):
    """Distinct rows, numbered in the order in which they came."""

    def __missing__(self, row: tuple) -> int:
        return self.setdefault(row, len(self))


def film(steps: Trace) -> dict:
    """The trace as tables of numbers and text that refer to each other, cut at 10,000 steps with the rest counted."""
    shown, changes = steps[:_MOST_STEPS], _changes(steps)
    stacks, states, entries, values, known = _Table(), _Table(), _Table(), _Table(), {}
    touched = {entry[:2] for _, entry, *_ in changes}

    def boxes(state: dict) -> Iterator[tuple]:
        for box in CONTAINERS:
            kept, more = _kept(box, state, touched, _MOST_NAMES)
            yield box in state, tuple(entries[_entry(box, name, state[box][name], state)] for name in kept), more

    listings, names, places = _listings(steps)
    following, visits = _following(shown), _visits(steps, shown, places, names)
    rows, notes = [], []
    for at, step in enumerate(shown):
        place = places.get(step.line, 0) if step.stack else len(listings) - 1
        # A state stays one object as long as nothing changes; what calls change belongs to their own lines.
        state = step.after if step.changes else step.before
        if id(state) not in known:
            known[id(state)] = states[tuple(boxes(state))]
        local = tuple((name, held.words) for name, held in step.values.items() if name != "self")[:_MOST_VALUES]
        stack = stacks[tuple(map(_short, step.stack)) or ("the block",)]
        rows.append((place, step.line, stack, visits[at], known[id(state)], values[local]))
        end = following[at]
        when = at if end == at + 1 else min(end, len(shown) - 1)
        again = end < len(shown) and visits[end] == visits[at] and shown[end].condition == step.condition
        if step.error is not None:
            notes.append((when, visits[at], step.line, "error", _error(step.error)))
        elif step.outcome is not None and not again:  # of a test on several lines the last one tells
            notes.append((when, visits[at], step.line, "test", str(step.outcome)))
    return {
        "listings": listings, "steps": rows, "stacks": list(stacks), "states": list(states), "entries": list(entries),
        "values": list(values), "notes": notes, "containers": CONTAINERS, "followed": steps.followed,
        "more": len(steps) - len(shown), "nothing": "" if len(steps) else _NOTHING,
        "changes": [
            (min(at, len(shown) - 1), CONTAINERS.index(entry[0]), verb, entries[_entry(*entry, {})], words, origin)
            for at, entry, verb, words, origin in changes if at < len(shown) or not steps[len(shown) :]
        ],
    }  # fmt: skip


def _following(steps: list[Step]) -> list[int]:
    """For each step the next position that is no deeper: there its line has ended, with all that it called."""
    depths, found = [len(step.stack) for step in steps], [len(steps)] * len(steps)
    for at in range(len(steps) - 1, -1, -1):
        end = at + 1
        while end < len(steps) and depths[end] > depths[at]:
            end = found[end]
        found[at] = end
    return found


def _visits(steps: Trace, shown: list[Step], places: dict[int, int], names: list[str]) -> list[int]:
    """For each step the number of the call that it belongs to: a call of the function whose source is shown."""
    calls = [line.call for line in steps._lines[: len(shown)]]
    last = {call: at for at, call in enumerate(calls)}
    found, opened, count = [], [], 0  # opened: call, depth, listing, visit
    for at, (call, step) in enumerate(zip(calls, shown, strict=True)):
        depth, here = len(step.stack), places.get(step.line)
        opened = [one for one in opened if one[1] < depth or (one[1] == depth and last[one[0]] >= at)]
        # A comprehension, a lambda and a function inside belong to the call around them, a recursive call does not.
        inside = [one for one in opened if one[2] == here and (one[1] == depth or names[here] != step.stack[-1])]
        found.append(inside[-1][3] if inside else count)
        count += not inside
        if all(one[0] != call for one in opened):
            opened.append((call, depth, here, found[-1]))
    return found


def _listings(steps: Trace) -> tuple[list[tuple], list[str], dict[int, int]]:
    """The sources that are shown, their names, and {line: place of its source}. An inner function is in the outer's."""
    functions, widest = steps.functions(), {}
    for name, (first, lines) in sorted(functions.items(), key=lambda item: len(item[1][1])):
        widest |= dict.fromkeys(range(first, first + len(lines)), name)
    names = [name for name, (first, _) in functions.items() if widest[first] == name]
    listings = [(name, *_listing(*functions[name])) for name in names]
    if steps and not steps[-1].stack:  # an error of the block: its own line, from another file
        names.append("")
        listings.append(("the block", steps[-1].line, [["", steps[-1].source]], [0]))
    return listings, names, {line: names.index(name) for line, name in widest.items()}


def _listing(first: int, text: tuple[str, ...]) -> tuple[int, list[list[str]], list[int]]:
    """Number of the first line, the tokens of each line as [class, text, class, text, …], the statement of each."""
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
    """For each line that of the statement it belongs to; 0 for the head, blank lines and words: they do not run."""
    kinds = (ast.stmt, ast.excepthandler)
    head, *inner = [one for one in ast.walk(ast.parse("\n".join(lines))) if isinstance(one, kinds)]
    found: dict[int, int] = {}
    for node in inner:
        words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        end = node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno
        found |= dict.fromkeys(range(node.lineno, end + 1), 0 if words else node.lineno)
    found |= dict.fromkeys(range(1, head.body[0].lineno), 0)
    found |= {i: 0 for i, line in enumerate(lines, 1) if not line.strip() or line.lstrip().startswith("#")}
    for number in range(len(lines), 0, -1):  # else, try and finally: what follows tells whether they are reached
        found.setdefault(number, found.get(number + 1, 0))
    return [found[number] for number in range(1, len(lines) + 1)]


# --- the static face --------------------------------------------------------------------------------------------------


def static_face(steps: Trace) -> Markup:
    """The lines that decided, changed or raised, as a table, and the containers before and after."""
    if not steps and not steps.changes:
        return tag("div", f"{steps!r}: {_NOTHING}", class_="inm-player-static", style=BOX)
    changes, raised = _changes(steps), steps.raised_by
    events = [(one.step, one.condition, str(one.outcome)) for one in steps.decisions]
    events += [(at, steps[at].source if at < len(steps) else "", words) for at, _, _, words, _ in changes]
    if raised is not None:
        at = next(at for at, step in enumerate(steps) if step is raised)
        events.append((at, raised.source, _error(raised.error)))
    functions = [_short(step.function) for step in steps] + ["no line of torch"]
    told = [(functions[at], *words) for at, *words in sorted(events, key=lambda event: event[0])]
    rows = [(*one, sum(1 for _ in same)) for one, same in groupby(told)]
    heads = [tag("th", words, scope="col", style=_CELL) for words in ("in", "the line that decided", "what it did")]
    body = [
        tag("tr", tag("td", name, style=f"{_CELL};{_MONO}"), tag("td", line, style=f"{_CELL};{_MONO}"),
            tag("td", words, tag("span", f" × {times}", style=SOFT) if times > 1 else "", style=_CELL))
        for name, line, words, times in rows[:_STATIC_ROWS]
    ]  # fmt: skip
    more = f"… and {len(rows) - _STATIC_ROWS:,} more lines that decided" if len(rows) > _STATIC_ROWS else ""
    decided = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body), style=_TABLE)
    return tag(
        "div",
        tag("div", repr(steps), style=f"{SOFT};margin-bottom:0.6em"),
        tag("div", decided, style="overflow-x:auto"),
        tag("div", more, style=SOFT) if more else "",
        tag("div", _before_and_after(steps, {entry[:2] for _, entry, *_ in changes}), style="overflow-x:auto"),
        class_="inm-player-static",
        style=f"{BOX};max-width:80em;overflow-wrap:anywhere",
    )  # fmt: skip


def _before_and_after(steps: Trace, touched: set) -> Markup:
    first, after = (steps[0].before, steps[-1].after) if steps else ({}, {})
    sides = {"before": first, "after": after} if first != after else {"before and after, the same": after}
    heads = [tag("th", words, scope="col", style=_CELL) for words in ("container", *sides)]
    body = []
    for box in CONTAINERS:
        cells = [tag("td", *_names(box, state, touched), style=_CELL) for state in sides.values()]
        body.append(tag("tr", tag("th", box, scope="row", style=f"{_CELL};{_MONO}"), *cells))
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body), style=f"{_TABLE};margin-top:0.8em")


def _names(box: str, state: dict, touched: set) -> list[Markup]:
    kept, more = _kept(box, state, touched, _STATIC_NAMES)
    lines = []
    for name, kind, words in (_entry(box, name, state[box][name], state) for name in kept):
        style = CODE if (box, name) in touched else _MONO
        lines.append(tag("div", sign_of(kind), tag("span", name, style=style), " ", tag("span", words, style=SOFT)))
    if not kept:
        lines.append(tag("span", "empty" if box in state else "not there", style=SOFT))
    return lines + [tag("div", f"… and {more:,} more", style=SOFT)] * bool(more)
