"""Who sees which tensor, to be said before it is shown: a grid that the reader marks, and then the
truth."""

from __future__ import annotations

from typing import Any

import anywidget
from traitlets import Dict

from helpers.state.objects import counted
from helpers.views import ThreeFaces, front_end
from helpers.views.markup import Markup, fold, soft, tag
from helpers.views.signs import AS_JSON


class VisibilityGrid(ThreeFaces, anywidget.AnyWidget):
    """The questions of a `VisibilityTable` without its answers, until the reader asks for them.

    It is made by `VisibilityTable.predict()`. The answers travel to the browser once, and nothing
    comes back. Where nothing runs, the table stands in a fold."""

    _esm, _css = front_end("visibility_grid")

    grid = Dict().tag(sync=True)
    signs = Dict(AS_JSON).tag(sync=True)

    def __init__(self, heading: str, table: Markup, grid: dict[str, Any]) -> None:
        """`grid`: `tensors` as [name, kind], `calls`, `answers`, a row for each tensor, and
        whether it is `turned`, so that the calls go down."""
        self._heading, self._table = heading, table
        super().__init__(grid=grid)

    def title(self) -> str:
        tensors = counted(len(self.grid["tensors"]), "tensor")
        calls = counted(len(self.grid["calls"]), "call")
        return f"{self._heading}: {tensors}, {calls}, to predict"

    def static_face(self) -> Markup:
        """The table, folded."""
        words = soft("Run this cell to mark what you expect, and see what you missed.")
        closed = fold(f"{self._heading}: say it first, then open", self._table)
        return tag("div", closed, words, class_="inm-visibility-asked")
