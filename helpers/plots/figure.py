"""The figure that every plot returns, and the looks that all of them share.

One picture is saved with a lesson and shown on a light page and on a dark one. So the ground is
transparent, and what is drawn stands out from white and from JupyterLab's black (#111) alike."""

from __future__ import annotations

import io
import operator
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from helpers.state.objects import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INK = "#787878"  # of words: no grey has more contrast with both grounds
_DARKEST, _LIGHTEST = 0.12, 0.295  # relative luminances with a contrast of 3 : 1 with both
DARK, LIGHT = "#646464", "#929292"  # greys as far apart as these allow
STROKES = ("-", "--", ":", "-.")  # of lines that are told apart without colour
_INKED = (
    "axes.edgecolor",
    "axes.labelcolor",
    "grid.color",
    "text.color",
    "xtick.color",
    "ytick.color",
)
_LOOKS = {
    **dict.fromkeys(_INKED, INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor"), "none"),
    **dict.fromkeys(("axes.spines.right", "axes.spines.top", "legend.frameon"), False),
    **dict.fromkeys(("axes.labelsize", "axes.titlesize", "font.size"), 12),
    "grid.alpha": 0.3,
}
_DPI, _SHARPNESS, _COLOURS = 144, 1.5, 64  # 1.5 pixels of the picture for each on the page
_LONGEST_LABEL = 36
_LABEL_INCHES = 0.22  # its height, with the space to the next


@contextmanager
def figure_of(title: str, width: float = 9, height: float = 4) -> Iterator[Figure]:
    """An empty figure, so many inches wide and high, whose title states the finding.

    What is drawn inside the `with` has the looks of the course; matplotlib's own settings are
    afterwards as they were.
    """
    import matplotlib

    with matplotlib.rc_context(_LOOKS):
        made = _figure_class()(figsize=(width, height), layout="constrained")
        # A name may hold a dollar sign, which matplotlib would read as mathematics.
        made.suptitle(title, fontsize=14, fontweight="bold", parse_math=False)
        yield made


@cache
def _figure_class() -> type[Figure]:
    """matplotlib's `Figure`, able to show itself in a notebook where nobody has imported pyplot."""
    import matplotlib
    from matplotlib.figure import Figure
    from PIL import Image

    class NotebookFigure(Figure):
        def draw(self, renderer: Any) -> None:
            with matplotlib.rc_context(_LOOKS):  # some ticks are made only now
                super().draw(renderer)

        def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
            drawn, file = io.BytesIO(), io.BytesIO()
            self.savefig(drawn, format="png", dpi=_DPI)
            # Saved with the lesson: a palette makes the picture a third as large.
            with Image.open(drawn) as picture:
                small = picture.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE)
            small.save(file, "png", optimize=True)
            width, height = (round(inches * _DPI / _SHARPNESS) for inches in self.get_size_inches())
            return file.getvalue(), {"width": width, "height": height, "alt": self.get_suptitle()}

    # The plain face names the class: a reader knows matplotlib's name, and it is one.
    NotebookFigure.__name__ = NotebookFigure.__qualname__ = "Figure"
    return NotebookFigure


def label_ends(axes: Axes, lines: Iterable[Line2D]) -> None:
    """Write the label of each of `lines` beside its last point, those apart that would lie on each
    other. The limits and scales of `axes` are final from here on.

    NaN and inf have no place in a picture: the label stands beside the last point that has one, and
    says what the line ends in. Where no point has one, it stands in the lower left corner."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    to_axes = axes.transScale + axes.transLimits
    ends = {line: _end_of(line, axes) for line in lines}
    heights = {line: to_axes.transform(end)[1] for line, (end, _) in ends.items()}
    gap = _LABEL_INCHES / (0.7 * axes.figure.get_size_inches()[1])  # axes take 0.7 of the figure
    height = -gap
    for line in sorted(ends, key=heights.get):
        (at, _), then = ends[line]
        height = max(heights[line], height + gap)
        axes.annotate(
            f"  {shown(line.get_label())}{then}",
            (at, height),
            xycoords=axes.get_xaxis_transform(),
            va="center",
            annotation_clip=False,
            parse_math=False,
        )


def _end_of(line: Line2D, axes: Axes) -> tuple[Sequence[float], str]:
    """The last point of `line` that can be drawn, and in words what comes after it."""
    points = [[float(part) for part in point] for point in line.get_xydata()]
    places = [point for point in points if all(map(isfinite, point))]
    last = points[-1][1]
    if not places:
        return (axes.get_xlim()[0], axes.get_ylim()[0]), ", never finite"
    return places[-1], "" if places[-1] is points[-1] else f", then {last:g}"


def shade(colour: str, number: int = 0) -> tuple[float, ...]:
    """The shade of `colour` that is nearest to it of those that stand out from both grounds; for an
    odd `number`, the one of them farthest from that."""
    from matplotlib.colors import to_rgb

    linear = [((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    own = sum(map(operator.mul, linear, (0.2126, 0.7152, 0.0722)))  # its relative luminance
    near = min(max(own, _DARKEST), _LIGHTEST)
    far = max(_DARKEST, _LIGHTEST, key=lambda end: abs(end - near))
    wanted = far if number % 2 else near
    black, white = min(1, wanted / own), max(0, (wanted - own) / (1 - own))
    mixed = [black * part + white * (1 - part) for part in linear]
    return tuple(max(0, 1.055 * part ** (1 / 2.4) - 0.055) for part in mixed)


def shown(label: object) -> str:
    """`label` on one line: what does not print is escaped, a long one loses its middle."""
    line = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text(label)
    )
    half = _LONGEST_LABEL // 2
    return line if len(line) <= _LONGEST_LABEL else f"{line[: half - 1]}…{line[-half:]}"
