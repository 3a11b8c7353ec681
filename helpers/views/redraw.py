"""A slider over a figure: each position is a fresh run, drawn where the last one was."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets

from helpers.views import ThreeFaces
from helpers.views.markup import SOFT, Markup, tag

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Redraw(ThreeFaces, widgets.VBox):
    """A slider called `label` with the positions `values`, and under it the figure that
    `draw(value)` returns.

    `draw` gives one of the figures of `helpers.plots`; while it runs, a word beside the slider says
    so. What it raises is shown in the place of the figure. Before it is run, the static face says
    what the slider does."""

    def __init__(
        self, draw: Callable[[float], Figure], *, label: str, values: Sequence[float], start: float
    ) -> None:
        self._draw, self._range = draw, f"{label}, from {values[0]} to {values[-1]}"
        self.slider = widgets.SelectionSlider(
            options=values,
            value=start,
            description=label,
            continuous_update=False,
            layout={"width": "32em"},
        )
        self.busy = widgets.Label()
        self.picture = widgets.HTML()
        super().__init__([widgets.HBox([self.slider, self.busy]), self.picture])
        self.slider.observe(lambda change: self.redraw(change["new"]), names="value")
        self.redraw(start)

    def redraw(self, value: float) -> None:
        """Run `draw` for `value` and show what it returns."""
        self.busy.value = "running …"
        try:
            picture, facts = self._draw(value)._repr_png_()
            source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
            size = f"width:{facts['width']}px;max-width:100%"
            self.picture.value = tag("img", src=source, alt=facts["alt"], style=size)
        except Exception as error:
            # The traceback of a handler goes nowhere: the reader would wait for a figure.
            self.picture.value = tag("b", f"{type(error).__name__}: {error}")
        finally:
            self.busy.value = ""

    def title(self) -> str:
        return f"Redraw: a slider for {self._range}"

    def static_face(self) -> Markup:
        words = f"Here stands a slider for {self._range}. Run this cell to move it."
        return tag("p", words, style=SOFT)
