"""Try any value on any name by any route: three menus over a real run."""

from __future__ import annotations

from collections.abc import Iterator

import anywidget
import ipywidgets as widgets
from traitlets import Dict, Unicode

from helpers.state.objects import brief
from helpers.tracing.trials import (
    BEFORE_INIT,
    EARLY_HOMES,
    HOMES,
    ROUTES,
    VALUES,
    require_known,
    run,
)
from helpers.views import ThreeFaces, front_end, page
from helpers.views.markup import Markup, grid, soft, tag
from helpers.views.outcome_table import outcome_in_words
from helpers.views.trace_player import TracePlayer, traits_of

_MENUS = {"value": VALUES, "home": HOMES, "route": ROUTES}


def offered(route: str) -> tuple[list[str], list[str]]:
    """The values and the homes that can be chosen for `route`."""
    values = [] if route == "del" else list(VALUES)
    return values, list(EARLY_HOMES if route == BEFORE_INIT else HOMES)


def _require_offered(chosen: dict[str, str]) -> None:
    for name, word in chosen.items():
        if name not in _MENUS:
            raise TypeError(f"Playground() has the menus {', '.join(_MENUS)}; got {brief(name)}")
        require_known(name, word, _MENUS[name])
    if "home" in chosen and "route" in chosen:  # which may leave fewer homes
        require_known("home", chosen["home"], offered(chosen["route"])[1])


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
                    yield [chosen, home, route], [menus, traits_of(outcome.steps)]


class Menus(anywidget.AnyWidget):
    """Three menus with what `choices` offers in each, and one sentence. An empty menu cannot be
    used."""

    _esm, _css = front_end("playground")

    choices = Dict().tag(sync=True)
    value, home, route = (Unicode(next(iter(known))).tag(sync=True) for known in _MENUS.values())
    words = Unicode().tag(sync=True)


class Playground(ThreeFaces, widgets.VBox):
    """Three menus (a value, where the name already lives, a route), and what torch does with them,
    line by line.

    Each choice is run for real in a fresh module. Before it is run, the static face lists what can
    be chosen. `chosen` says what stands in the menus at first: value="number". TypeError: there is
    no such menu, or no text is given for it. ValueError: there is no such thing in that menu."""

    def __init__(self, **chosen: str) -> None:
        _require_offered(chosen)
        self.menus = Menus(**chosen)
        super().__init__([self.menus])
        self.menus.observe(lambda change: self.show(), names=list(_MENUS))
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
        menus, player = page.parts_on_page(self)
        menus["choices"] = {"names": list(_MENUS), "outcomes": list(_outcomes())}
        return [menus, player]

    def title(self) -> str:
        menus = f"{len(VALUES)} values, {len(HOMES)} homes of the name, {len(ROUTES)} routes"
        return f"Playground: {menus}"

    def static_face(self) -> Markup:
        rows = ([name, ", ".join(known)] for name, known in _MENUS.items())
        words = "Here stand three menus. Run this cell to choose and to see the lines run."
        return tag("div", grid(["menu", "what can be chosen"], rows), soft(words))
