"""A trace as a film: torch's own source on one side, the containers of the followed module on the
other.
"""

from __future__ import annotations

from itertools import groupby

import anywidget
import ipywidgets as widgets
from traitlets import Dict, Int, Unicode

from helpers.state.objects import brief
from helpers.tracing.recorder import CONTAINERS
from helpers.tracing.story import changes_of, entry_of, film, in_words, names_of, short_name
from helpers.tracing.trace import Trace, parting
from helpers.views import ThreeFaces, front_end
from helpers.views.markup import BOX, CODE, MONO, SOFT, Markup, table, tag
from helpers.views.signs import AS_JSON
from helpers.views.state_map import sign_of

_STATIC_ROWS, _STATIC_NAMES = 40, 12
_NOTHING = (
    "no line of torch ran. Either the block has not run yet, or what it did is not written in torch's module.py: "
    "Python itself finds a plain attribute, and the forward of a layer is in a file of its own."
)
_CELL = "padding:0.25em 0.8em;text-align:left;vertical-align:top;border:1px solid #8a8a8a;font-weight:400"


class TracePlayer(ThreeFaces, anywidget.AnyWidget):
    """The lines of a trace, stepped through in the browser: source, path of calls, local names and
    containers.

    `steps` is what `with trace(module) as steps` gave, `start` the position of the step that is
    shown first, an int; TypeError for anything else. A line that changes a container is shown with
    its change made; what a line calls comes with lines of its own. Grey are the lines that a call
    never reaches. The view keeps text and numbers alone."""

    _esm, _css = front_end("trace_player")

    film = Dict().tag(sync=True)
    signs = Dict(AS_JSON).tag(sync=True)
    start = Int().tag(sync=True)
    nothing = Unicode(_NOTHING).tag(sync=True)

    def __init__(self, steps: Trace, *, start: int = 0) -> None:
        _require_trace(steps, "TracePlayer")
        if not isinstance(start, int):
            raise TypeError(
                f"TracePlayer() takes the position of a step as start, such as 0; got {brief(start)}."
            )
        self._words, self.face = repr(steps), static_face(steps)
        super().__init__(film=film(steps), start=max(0, min(start, len(steps) - 1)))

    def __repr__(self) -> str:
        return f"TracePlayer, {self._words}"

    def static_face(self) -> Markup:
        return self.face


class TracePair(ThreeFaces, widgets.VBox):
    """What `compare` makes: `words`, which say where two paths part, and two `players`, side by
    side where they fit.
    """

    def __init__(self, left: Trace, right: Trace) -> None:
        self.words, place = _parting_in_words(left, right), parting(left, right)
        self.players = [
            TracePlayer(steps, start=place.step if place else 0) for steps in (left, right)
        ]
        for player in self.players:
            player.layout = widgets.Layout(flex="1 1 26em", min_width="0")
        row = widgets.HBox(
            self.players, layout=widgets.Layout(flex_flow="row wrap", grid_gap="0.8em")
        )
        super().__init__([widgets.HTML(tag("b", self.words)), row])

    def __repr__(self) -> str:
        return f"Comparison of two traces: {self.words}"

    def static_face(self) -> Markup:
        faces = [tag("div", player.face, style="margin-top:0.8em") for player in self.players]
        return tag("div", tag("b", self.words), *faces)


def compare(left: Trace, right: Trace) -> TracePair:
    """Two traces side by side: a line that says where their paths part, and two players that are
    opened there.

    `left` and `right` are what two `with trace(module) as steps` gave; TypeError for anything else.
    """
    for steps in (left, right):
        _require_trace(steps, "compare")
    return TracePair(left, right)


def _require_trace(steps: object, caller: str) -> None:
    if not isinstance(steps, Trace):
        advice = "record first, with trace(module) as steps: module.x = …, and pass steps"
        raise TypeError(f"{caller}() takes a trace, got {brief(steps)}; {advice}.")


def _parting_in_words(left: Trace, right: Trace) -> str:
    place = parting(left, right)
    if place is None:
        return "Both blocks run the same lines of torch."
    if place.left and place.right and place.left[:2] == place.right[:2]:
        name, test, outcome, other = (
            short_name(place.left.function),
            *place.left[1:3],
            place.right.outcome,
        )
        if outcome is not other:
            return f"The paths part in {name} at {test}: {outcome} in the first, {other} in the second."
    return f"The paths part at step {place.step + 1:,}."


def static_face(steps: Trace) -> Markup:
    """The lines that decided, changed or raised, as a table, and the containers before and after."""
    if not steps and not steps.changes:
        return tag("div", f"{steps!r}: {_NOTHING}", class_="inm-player-static", style=BOX)
    changes, raised = changes_of(steps), steps.raised_by
    events = [(one.step, one.condition, str(one.outcome)) for one in steps.decisions]
    events += [
        (one.at, steps[one.at].source if one.at < len(steps) else "–", one.words) for one in changes
    ]
    events += [
        (at, one.source, f"raised {in_words(one.error)}")
        for at, one in enumerate(steps)
        if one is raised
    ]
    functions = [short_name(step.function) for step in steps] + ["no line of torch"]
    told = [(functions[at], *words) for at, *words in sorted(events, key=lambda event: event[0])]
    rows = [(*one, sum(1 for _ in same)) for one, same in groupby(told)]
    body = [
        tag(
            "tr",
            tag("td", name, style=f"{_CELL};{MONO}"),
            tag("td", line, style=f"{_CELL};{MONO}"),
            tag(
                "td",
                words,
                tag("span", f" × {times:,}", style=SOFT) if times > 1 else "",
                style=_CELL,
            ),
        )
        for name, line, words, times in rows[:_STATIC_ROWS]
    ]
    more = f"… and {len(rows) - _STATIC_ROWS:,} more such lines" if len(rows) > _STATIC_ROWS else ""
    return tag(
        "div",
        tag("div", repr(steps), style=f"{SOFT};margin-bottom:0.6em"),
        _table(("in", "line that decided", "what came of it"), body),
        tag("div", more, style=SOFT) if more else "",
        _before_and_after(steps, {(one.container, one.name) for one in changes}),
        class_="inm-player-static",
        style=f"{BOX};max-width:80em;overflow-wrap:anywhere",
    )


def _table(heads: tuple[str, ...], body: list[Markup]) -> Markup:
    drawn = table(heads, body, f"{_CELL};{SOFT}", style="margin:0;font-size:1em")
    return tag("div", drawn, style="overflow-x:auto;margin-bottom:0.8em")


def _before_and_after(steps: Trace, touched: set) -> Markup:
    first, after = (steps[0].before, steps[-1].after) if steps else ({}, {})
    sides = (
        {"before": first, "after": after}
        if first != after
        else {"before and after, the same": after}
    )
    body = []
    for box in CONTAINERS:
        cells = [tag("td", *_names(box, state, touched), style=_CELL) for state in sides.values()]
        body.append(tag("tr", tag("th", box, scope="row", style=f"{_CELL};{MONO}"), *cells))
    return _table(("container", *sides), body)


def _names(box: str, state: dict, touched: set) -> list[Markup]:
    names, more = names_of(box, state, touched, _STATIC_NAMES)
    lines = []
    for name, kind, words in (entry_of(box, name, state[box][name], state) for name in names):
        style = CODE if (box, name) in touched else MONO
        lines.append(
            tag(
                "div",
                sign_of(kind),
                tag("span", name, style=style),
                " ",
                tag("span", words, style=SOFT),
            )
        )
    if not names:
        lines.append(tag("span", "empty" if box in state else "not there", style=SOFT))
    return lines + [tag("div", f"… and {more:,} more", style=SOFT)] * bool(more)
