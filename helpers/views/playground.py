"""Try any value on any name by any route: three menus over a real run, and a table of outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import anywidget
import ipywidgets as widgets
from traitlets import Dict, Unicode

from helpers.tracing.trials import BEFORE_INIT, EARLY_HOMES, HOMES, ROUTES, VALUES, Outcome, run
from helpers.views import ThreeFaces, TwoFaces, front_end, page
from helpers.views.markup import CELL, CODE, SOFT, Markup, grid, join, mark, soft, tag
from helpers.views.signs import SIGNS, Sign
from helpers.views.trace_player import TracePlayer, shown

_LOOK = "line-height:1.4;font-size:0.93em"  # wide as it is, it fits the page
_WHOLE = "white-space:nowrap"  # a sign and its word stay on one line
_NARROW = f"{CELL};padding:0.2em 0.5em"  # so that eight columns need not be scrolled
# What the table has found stands out, and nothing happened where the name is as it was.
_LOST = "margin:-0.2em -0.5em;padding:0.2em 0.5em;background:#8a2c00;color:#ffffff"
_FADED = "opacity:0.7"


def outcome_in_words(outcome: Outcome) -> str:
    """One sentence: what happened, and where the name is now."""
    if outcome.after == "nowhere":
        now = "the name is nowhere"
    else:
        now = f"the name is a {_sign_of(outcome).label}"
    if outcome.error:
        if outcome.after == outcome.home:
            now += ", as before"
        else:
            now = f"the name has lost its home: it was a {outcome.home}"
        return f"{outcome.error}: {outcome.message} – {now}."
    if outcome.empty:
        now += ", and its slot is empty"
    if outcome.hidden:
        now += "; reading the name still gives the class attribute, which comes first"
    return f"No error: {now}."


def _sign_of(outcome: Outcome) -> Sign:
    return SIGNS.get(outcome.kind, Sign("–", "inherit", outcome.kind))


def offered(route: str) -> tuple[list[str], list[str]]:
    """The values and the homes that can be chosen for `route`."""
    values = [] if route == "del" else list(VALUES)
    return values, list(EARLY_HOMES if route == BEFORE_INIT else HOMES)


def _outcomes() -> Iterator[tuple[list[str], list[dict]]]:
    """What the menus and the player show for each choice of value, home and route."""
    for route in ROUTES:
        values, homes = offered(route)
        choices = {"value": values, "home": homes, "route": list(ROUTES)}
        for home in HOMES:
            kept = home if home in homes else homes[0]
            for value in values or [""]:
                outcome = run(value, kept, route)
                menus = {"choices": choices, "words": outcome_in_words(outcome), "home": kept}
                for chosen in [value] if values else VALUES:
                    yield [chosen, home, route], [menus, shown(outcome.steps)]


class OutcomeTable(TwoFaces):
    """Outcomes, such as those of `trials.grid()`, as one table for each route: values down,
    homes across.

    Values that fare alike with every home share a line. A cell says what the name is afterwards, or
    which error was raised and what became of the name. The table keeps text alone, and is the same
    before and after it is run."""

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        self.outcomes = list(outcomes)

    def title(self) -> str:
        errors = sum(bool(one.error) for one in self.outcomes)
        return f"OutcomeTable: {len(self.outcomes)} attempts, {errors} of them raise an error"

    def static_face(self) -> Markup:
        routes = dict.fromkeys(one.route for one in self.outcomes)
        return tag("div", *map(self._table, routes), class_="inm-outcomes", style=_LOOK)

    def _table(self, route: str) -> Markup:
        here = {(one.value, one.home): _cell(one) for one in self.outcomes if one.route == route}
        homes = list(dict.fromkeys(home for _, home in here))
        alike: dict[tuple[Markup | str, ...], list[str]] = {}
        for value in dict.fromkeys(value for value, _ in here):
            cells = tuple(here.get((value, home), "") for home in homes)
            alike.setdefault(cells, []).append(value)
        rows = [[", ".join(values) or "(no value)", *cells] for cells, values in alike.items()]
        caption = join(["by ", tag("span", route, style=CODE), ", when the name is already …"])
        return grid(["value", *homes], rows, _NARROW, caption, keeps_first=True)


def _cell(outcome: Outcome) -> Markup:
    if outcome.error:
        lost = outcome.after != outcome.home
        now = tag("b", "the name is lost") if lost else "as it was"
        look = _LOST if lost else _FADED
        return tag("div", f"⚠ {outcome.error}", tag("br"), now, style=f"{_WHOLE};{look}")
    sign, below = _sign_of(outcome), []
    for words, holds in (("empty slot", outcome.empty), ("hidden by the class", outcome.hidden)):
        if holds:
            below += [tag("br"), tag("span", words, style=SOFT)]
    return tag("div", mark(sign), " ", sign.label, *below, style=_WHOLE)


class Menus(anywidget.AnyWidget):
    """Three menus with what `choices` offers in each, and one sentence. An empty menu cannot be
    used."""

    _esm, _css = front_end("playground")

    choices = Dict().tag(sync=True)
    value, home, route = (
        Unicode(next(iter(known))).tag(sync=True) for known in (VALUES, HOMES, ROUTES)
    )
    words = Unicode().tag(sync=True)


class Playground(ThreeFaces, widgets.VBox):
    """Three menus (a value, where the name already lives, a route), and what torch does with them,
    line by line.

    Each choice is run for real in a fresh module. Before it is run, the static face lists what can
    be chosen. `chosen` says what stands in the menus at first: value="number". ValueError: there is
    no such thing in that menu."""

    def __init__(self, **chosen: str) -> None:
        self.menus = Menus(**chosen)
        super().__init__([self.menus])
        self.menus.observe(lambda change: self.show(), names=["value", "home", "route"])
        self.show()

    def show(self) -> None:
        """Run what is chosen and show it: `del` takes no value, and before `__init__` there are
        fewer homes."""
        menus = self.menus
        values, homes = offered(menus.route)
        if menus.home not in homes:
            menus.home = homes[0]  # which comes back here
            return
        self.outcome = run(menus.value if values else "", menus.home, menus.route)
        menus.choices = {"value": values, "home": homes, "route": list(ROUTES)}
        menus.words = outcome_in_words(self.outcome)
        before, self.children = self.children[1:], (menus, TracePlayer(self.outcome.steps))
        for player in before:
            player.close()

    def on_page(self) -> list[dict]:
        """Every outcome with its film. What films have in common is sent once."""
        menus, player = page.parts_of(self)
        menus["choices"] = {"names": ["value", "home", "route"], "outcomes": list(_outcomes())}
        return [menus, player]

    def title(self) -> str:
        menus = f"{len(VALUES)} values, {len(HOMES)} homes of the name, {len(ROUTES)} routes"
        return f"Playground: {menus}"

    def static_face(self) -> Markup:
        menus = {"value": VALUES, "home": HOMES, "route": ROUTES}
        rows = ([name, ", ".join(known)] for name, known in menus.items())
        words = "Here stand three menus. Run this cell to choose and to see the lines run."
        return tag("div", grid(["menu", "what can be chosen"], rows), soft(words))
