"""A slider over a figure: each position is a fresh run, drawn where the last one was."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import anywidget
from traitlets import Bool, Dict, Int, List, Unicode

from helpers.state.objects import brief, first_of
from helpers.views import ThreeFaces, front_end, page
from helpers.views.markup import SOFT, Markup, tag

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMED = 8  # of the values, in an error


class Redraw(ThreeFaces, anywidget.AnyWidget):
    """A slider called `label` with the positions `values`, and under it the figure that
    `draw(value)` returns.

    `draw` gives one of the figures of `helpers.plots`; while it runs, a word beside the slider says
    so. What it raises is shown in the place of the figure. Before it is run, the static face says
    what the slider does. TypeError: `draw` is no function, `label` no text, or `values` no list.
    ValueError: `start` is not among `values`."""

    _esm, _css = front_end("redraw")

    label = Unicode().tag(sync=True)
    values = List().tag(sync=True)  # as the reader sees them
    at = Int().tag(sync=True)
    busy = Bool().tag(sync=True)
    picture = Dict().tag(sync=True)  # `source`, `alt` and `width`, or the `error` in words

    def __init__(
        self, draw: Callable[[float], Figure], *, label: str, values: Sequence[float], start: float
    ) -> None:
        if not callable(draw):
            raise TypeError(f"Redraw() takes a function that draws, got {brief(draw)}")
        if not isinstance(label, str):
            raise TypeError(f"label is a text, such as 'momentum'; got {brief(label)}")
        if not isinstance(values, Iterable):
            raise TypeError(f"values are the positions of the slider, a list; got {brief(values)}")
        self._draw, self._values = draw, list(values)
        if start not in self._values:
            known = first_of(list(map(brief, self._values)), _NAMED) or "there are none"
            raise ValueError(f"start is one of the values: {known}; got {brief(start)}")
        at = self._values.index(start)
        super().__init__(label=label, values=[str(value) for value in values], at=at)
        self.observe(lambda change: self.redraw(), names="at")
        self.redraw()

    def redraw(self) -> None:
        """Run `draw` for the position of the slider and show what it returns."""
        self.busy = True
        self.picture = self._picture(self._values[self.at])
        self.busy = False

    def _picture(self, value: float) -> dict:
        try:
            figure = self._draw(value)
            if not hasattr(figure, "_repr_png_"):
                made = f"draw({brief(value)}) returned {brief(figure)}"
                raise TypeError(f"{made}, which is no figure of helpers.plots")
            picture, facts = figure._repr_png_()
        except Exception as error:
            # The traceback of a handler goes nowhere: the reader would wait for a figure.
            return {"error": f"{type(error).__name__}: {error}"}
        source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        return {"source": source, "alt": facts["alt"], "width": facts["width"]}

    def on_page(self) -> list[dict]:
        """Every position, drawn beforehand."""
        drawn = ([[at], [{"picture": self._picture(v)}]] for at, v in enumerate(self._values))
        return [page.mounted(self, choices={"names": ["at"], "outcomes": list(drawn)})]

    def title(self) -> str:
        return f"Redraw: a slider for {self._range()}"

    def _range(self) -> str:
        return f"{self.label}, from {self.values[0]} to {self.values[-1]}"

    def static_face(self) -> Markup:
        words = f"Here stands a slider for {self._range()}. Run this cell to move it."
        return tag("p", words, style=SOFT)
