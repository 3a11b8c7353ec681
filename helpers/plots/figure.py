"""The figure that every plot returns, and what all of them share."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST_LABEL = 36
_DPI, _SHARPNESS, _COLOURS = 144, 1.5, 64  # 1.5 pixels of the picture for each on the page


@cache
def figure_class() -> type[Figure]:
    """matplotlib's `Figure`, able to show itself in a notebook where nobody has imported pyplot."""
    from matplotlib.figure import Figure
    from PIL import Image

    class NotebookFigure(Figure):
        def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
            drawn, file = io.BytesIO(), io.BytesIO()
            self.savefig(drawn, format="png", dpi=_DPI)
            # Saved with the lesson: a palette makes the picture a third as large, and no eye tells
            # it apart.
            with Image.open(drawn) as picture:
                picture.convert("RGB").quantize(_COLOURS).save(file, "png", optimize=True)
            width, height = (round(inches * _DPI / _SHARPNESS) for inches in self.get_size_inches())
            return file.getvalue(), {"width": width, "height": height, "alt": self.get_suptitle()}

    # The plain face names the class: a reader knows matplotlib's name, and it is one.
    NotebookFigure.__name__ = NotebookFigure.__qualname__ = "Figure"
    return NotebookFigure


# The legend of a figure stands below its panels.
BELOW = {"loc": "outside lower center", "frameon": False}


def figure_of(title: str, width: float = 9, height: float = 4) -> Figure:
    """An empty figure, so many inches wide and high, whose title states the finding."""
    made = figure_class()(figsize=(width, height), facecolor="white", layout="constrained")
    # A name may hold a dollar sign, which matplotlib would read as mathematics.
    made.suptitle(title, fontsize=14, fontweight="bold", parse_math=False)
    return made


def plain(axes: Axes, grid: str = "") -> None:
    """No frame but the two axes; with `grid` ("y" or "both") light lines behind what is drawn."""
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(axis=grid, color="#dddddd")
        axes.set_axisbelow(True)


def shown(label: str) -> str:
    """`label` on one line: what does not print is escaped, a long one loses its middle."""
    line = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in label
    )
    half = _LONGEST_LABEL // 2
    return line if len(line) <= _LONGEST_LABEL else f"{line[: half - 1]}…{line[-half:]}"
