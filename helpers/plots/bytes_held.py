"""Where are the bytes of a module? One bar for each tensor, or for each part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from helpers.plots.figure import INK, figure_of, shade, shown
from helpers.plots.numbers import integer
from helpers.state.objects import bytes_in_words, plural, share_in_words, unit_of
from helpers.state.snapshot import Entry, Snapshot
from helpers.state.walk import NOT_SAVED
from helpers.views.signs import SIGNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Beside the colours of `SIGNS`, so that the kinds stay apart in grey.
_HATCHES = {"parameter": "", "buffer": "///", NOT_SAVED: "", "plain tensor": "xx"}


class Bar(NamedTuple):
    """One bar of the figure: the tensors under `label`, with the bytes of each kind of state."""

    label: str
    nbytes: Counter[str]

    @property
    def total(self) -> int:
        """Bytes of all kinds together."""
        return self.nbytes.total()


def where_the_bytes_are(state: Snapshot, *, most: int = 16) -> Figure:
    """A figure with horizontal bars: how many bytes each part of a module holds.

    `state` is what `snapshot(module)` returns. With at most `most` tensors each tensor has its own
    bar; a larger module has one bar per submodule, as deep in the tree as `most` bars reach, and
    where even its top level has more parts, the smallest of them share the last bar. Bars keep
    torch's order; those that the title counts have the colours of their kinds of state. A tensor
    that several names share is drawn once, under the first name that is registered. A tensor with
    no shape yet (lazy) has no bytes and no bar.

    Raises `TypeError` for anything but a snapshot and for a `most` that is not an int, `ValueError`
    for a `most` below 2 and for a module without a tensor of known bytes, one or more.
    """
    if not isinstance(state, Snapshot):
        found = type(state).__name__
        raise TypeError(f"where_the_bytes_are takes snapshot(module), got {found}")
    most = integer(most, "most is a number of bars")
    if most < 2:
        raise ValueError(f"most must be at least 2, got {most}")
    bars, unsized = bars_of(state, most), _left_out(state)
    if not bars:
        what = "of which torch tells the bytes" if unsized else "with a byte in it"
        raise ValueError(f"this module holds no tensor {what}: there is nothing to draw")
    counted = _more_than_half(bars)
    with figure_of(_finding(bars, counted) + unsized, height=1.4 + 0.36 * len(bars)) as figure:
        _draw(figure.add_subplot(), bars, counted)
    return figure


def bars_of(state: Snapshot, most: int) -> list[Bar]:
    """The bars of `where_the_bytes_are`, as data."""
    tensors = _once_each(state)
    if len(tensors) <= most:
        return _gather((entry.path, entry) for entry in tensors)
    deepest = 1 + max(entry.owner.count(".") for entry in tensors)
    for depth in range(deepest, 0, -1):
        # The submodule at most so many steps down; what the root holds itself keeps its own name.
        parts = (".".join(entry.owner.split(".")[:depth]) or entry.path for entry in tensors)
        bars = _gather(zip(parts, tensors, strict=True))
        if len(bars) <= most:
            return bars
    largest = sorted(bars, key=lambda bar: -bar.total)[: most - 1]
    rest = [bar for bar in bars if bar not in largest]
    together = Bar(f"{len(rest)} others", sum((bar.nbytes for bar in rest), Counter()))
    return [*(bar for bar in bars if bar in largest), together]


def _once_each(state: Snapshot) -> list[Entry]:
    """The tensors with a byte in them, each under one of its names."""
    return [
        entry
        for place, entry in enumerate(state.entries)
        if entry.nbytes and entry.kind in _HATCHES and place not in state.repeats
    ]


def _left_out(state: Snapshot) -> str:
    """How many tensors have elements and no number of bytes, in words; "" for none."""
    number = sum(
        type(entry.numel) is int and entry.nbytes is None and entry.kind in _HATCHES
        for place, entry in enumerate(state.entries)
        if place not in state.repeats
    )
    return f" (without {number:,} {plural(number, 'tensor')} of unknown bytes)" if number else ""


def _gather(labelled: Iterable[tuple[str, Entry]]) -> list[Bar]:
    bars: dict[str, Bar] = {}
    for label, entry in labelled:
        bar = bars.setdefault(label, Bar(label, Counter()))
        bar.nbytes[entry.slot_kind] += entry.nbytes
    return list(bars.values())


def _more_than_half(bars: list[Bar]) -> list[Bar]:
    """The fewest bars that hold more than half of all bytes."""
    largest = sorted(bars, key=lambda bar: -bar.total)
    held = list(accumulate(bar.total for bar in largest))
    return largest[: 1 + sum(2 * some <= held[-1] for some in held)]


def _finding(bars: list[Bar], counted: list[Bar]) -> str:
    total, held = (sum(bar.total for bar in some) for some in (bars, counted))
    where = f"{len(counted)} of {len(bars)} parts" if len(counted) > 1 else shown(counted[0].label)
    return f"{held / total:.0%} of the {bytes_in_words(total)} are in {where}"


def _draw(axes: Axes, bars: list[Bar], counted: list[Bar]) -> None:
    from matplotlib.patches import Patch

    longest, total = max(bar.total for bar in bars), sum(bar.total for bar in bars)
    unit, size = unit_of(longest)
    kinds = [kind for kind in _HATCHES if any(kind in bar.nbytes for bar in bars)]
    for row, bar in enumerate(bars):
        left = 0.0
        for kind in filter(bar.nbytes.get, kinds):
            width = bar.nbytes[kind] / size
            axes.barh(row, width, 0.72, left, **_filling(kind, coloured=bar in counted))
            left += width
        told = f" {bytes_in_words(bar.total)}  ({share_in_words(bar.total, total)})"
        axes.text(left, row, told, va="center", fontsize=11)
    axes.set_yticks(range(len(bars)), [shown(bar.label) for bar in bars], parse_math=False)
    axes.set(ylim=(len(bars) - 0.4, -0.6), xlim=(0, 1.25 * longest / size))
    what = SIGNS[kinds[0]].label if len(kinds) == 1 else "tensor"
    axes.set_xlabel(f"size of the {what}s ({unit})")
    axes.set_ylabel("part of the module", labelpad=12)
    if len(kinds) > 1:
        # A bar of the kind may be grey everywhere, so the legend has its own.
        named = [Patch(label=SIGNS[kind].label, **_filling(kind, coloured=True)) for kind in kinds]
        axes.figure.legend(handles=named, ncols=len(kinds), loc="outside lower center")


def _filling(kind: str, *, coloured: bool) -> dict[str, object]:
    """How a bar of this kind is filled: in grey where the title passes it over."""
    colour, hollow = SIGNS[kind].colour if coloured else INK, SIGNS[kind].hollow
    return {
        "facecolor": "none" if hollow else shade(colour),
        "edgecolor": shade(colour, 0 if hollow else 1),
        "hatch": _HATCHES[kind],
        "linewidth": 1.5 if hollow or _HATCHES[kind] else 0,
    }
