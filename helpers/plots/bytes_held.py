"""Where are the bytes of a module? One bar for each tensor, or for each part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from helpers.plots.figure import BELOW, figure_of, plain, shown
from helpers.views.signs import SIGNS, bytes_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from helpers.state.snapshot import Entry, Snapshot

# Beside the colours of `SIGNS`, so that the kinds stay apart in grey: solid, striped, dotted,
# crossed.
_HATCHES = {"parameter": "", "buffer": "///", "non-persistent buffer": "...", "plain tensor": "xx"}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@dataclass
class Bar:
    """One bar of the figure: the tensors under `label`, with the bytes of each kind of state."""

    label: str
    nbytes: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Bytes of all kinds together."""
        return sum(self.nbytes.values())


def where_the_bytes_are(state: Snapshot, *, most: int = 16) -> Figure:
    """A figure with horizontal bars: how many bytes each part of a module holds.

    `state` is what `snapshot(module)` returns. With at most `most` tensors each tensor has its own
    bar; a larger module has one bar per submodule, as deep in the tree as `most` bars reach, and
    where even its top level has more parts, the smallest of them share the last bar. Bars keep
    torch's order. A tensor that several names share is drawn once, under the first name that is
    registered. A tensor with no shape yet (lazy) has no bytes and no bar.

    Raises `TypeError` for anything but a snapshot and for a `most` that is not an int, `ValueError`
    for a `most` below 2 and for a module that holds no tensor with a byte in it."""
    if not hasattr(state, "entries") or not hasattr(state, "shared"):
        found = type(state).__name__
        raise TypeError(
            f"where_the_bytes_are takes snapshot(module), got {found}: call snapshot first"
        )
    if not isinstance(most, int) or isinstance(most, bool):
        raise TypeError(f"most is a number of bars, an int, got {type(most).__name__}")
    if most < 2:
        raise ValueError(f"most must be at least 2, got {most}")
    bars = bars_of(state, most)
    if not bars:
        raise ValueError("this module holds no tensor with a byte in it: there is nothing to draw")
    return _draw(bars)


def bars_of(state: Snapshot, most: int) -> list[Bar]:
    """The bars of `where_the_bytes_are`, as data."""
    listed = {
        place: entry for place, entry in enumerate(state.entries) if entry.nbytes and _kind(entry)
    }
    # Two things may share a path, so registered tensors are told apart by their place in the
    # snapshot.
    registered = {entry.path for entry in listed.values() if entry.kind != "plain tensor"}
    again = set()
    for names in state.shared:
        first = next((name for name in names if name in registered), names[0])
        again.update(name for name in names if name != first)
    tensors = [
        entry
        for place, entry in listed.items()
        if place not in state.repeats and (entry.kind != "plain tensor" or entry.path not in again)
    ]
    if len(tensors) <= most:
        return _gather((entry.path, entry) for entry in tensors)
    deepest = max(len(_steps(entry.owner)) for entry in tensors)
    for depth in range(deepest, 0, -1):
        bars = _gather((_cut(entry, depth), entry) for entry in tensors)
        if len(bars) <= most:
            return bars
    return _lump(_gather((_cut(entry, 1), entry) for entry in tensors), most)


def _kind(entry: Entry) -> str | None:
    """The kind of state an entry is, a key of `_HATCHES`; None for what is no tensor."""
    if entry.kind == "buffer" and not entry.persistent:
        return "non-persistent buffer"
    return entry.kind if entry.kind in _HATCHES else None


def _steps(path: str) -> list[str]:
    return path.split(".") if path else []


def _cut(entry: Entry, depth: int) -> str:
    """The submodule, at most `depth` steps down, that holds the entry; for one on the root, the
    entry.
    """
    return ".".join(_steps(entry.owner)[:depth]) or entry.path


def _gather(labelled: Iterable[tuple[str, Entry]]) -> list[Bar]:
    bars: dict[str, Bar] = {}
    for label, entry in labelled:
        nbytes = bars.setdefault(label, Bar(label)).nbytes
        nbytes[_kind(entry)] = nbytes.get(_kind(entry), 0) + entry.nbytes
    return list(bars.values())


def _lump(bars: list[Bar], most: int) -> list[Bar]:
    """The `most - 1` largest bars in their order, then one for the rest."""
    kept = sorted(range(len(bars)), key=lambda place: -bars[place].total)[: most - 1]
    rest = Bar(f"{len(bars) - len(kept)} others")
    for place, bar in enumerate(bars):
        if place not in kept:
            for kind, nbytes in bar.nbytes.items():
                rest.nbytes[kind] = rest.nbytes.get(kind, 0) + nbytes
    return [bars[place] for place in sorted(kept)] + [rest]


def _finding(bars: list[Bar]) -> str:
    """The title: the fewest bars that hold more than half of all bytes, and their share."""
    total, held, count = sum(bar.total for bar in bars), 0, 0
    for bar in sorted(bars, key=lambda bar: -bar.total):
        held, count = held + bar.total, count + 1
        if 2 * held > total:
            break
    largest = shown(max(bars, key=lambda bar: bar.total).label)
    where = largest if count == 1 else f"{count} of {len(bars)} parts"
    return f"{held / total:.0%} of the {bytes_in_words(total)} are in {where}"


def _unit(nbytes: int) -> int:
    """The power of 1024 in which an axis up to `nbytes` reads best, a position in `_UNITS`."""
    return 0 if nbytes < 10_000 else min((nbytes.bit_length() - 1) // 10, len(_UNITS) - 1)


def _draw(bars: list[Bar]) -> Figure:
    power = _unit(max(bar.total for bar in bars))
    figure = figure_of(_finding(bars), height=1.5 + 0.36 * len(bars))
    axes = figure.add_subplot(facecolor="white")
    left = [0.0] * len(bars)  # where each bar ends so far
    for kind, hatch in _HATCHES.items():
        rows = [row for row, bar in enumerate(bars) if kind in bar.nbytes]
        if not rows:
            continue
        widths = [bars[row].nbytes[kind] / 1024**power for row in rows]
        sign, hollow = SIGNS[kind], kind == "non-persistent buffer"
        axes.barh(
            rows,
            widths,
            left=[left[row] for row in rows],
            height=0.72,
            hatch=hatch,
            linewidth=1.2,
            label=f"{sign.glyph} {sign.label}",
            facecolor="white" if hollow else sign.colour,
            edgecolor=sign.colour if hollow else "white",
        )
        for row, width in zip(rows, widths, strict=True):
            left[row] += width
    total = sum(bar.total for bar in bars)
    for row, bar in enumerate(bars):
        share = f"{bar.total / total:.0%}" if 100 * bar.total >= total else "under 1%"
        note = f" {bytes_in_words(bar.total)}  ({share})"
        axes.text(left[row], row, note, va="center", fontsize=11, color="black")
    axes.set_yticks(
        range(len(bars)), [shown(bar.label) for bar in bars], fontsize=12, parse_math=False
    )
    axes.tick_params(axis="x", labelsize=11)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.25 * max(left))
    axes.set_xlabel(f"size of the tensors ({_UNITS[power]})", fontsize=12)
    axes.set_ylabel("part of the module", fontsize=12, labelpad=12)
    plain(axes)
    figure.legend(ncols=len(_HATCHES), fontsize=11, **BELOW)
    return figure
