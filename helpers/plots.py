"""Figures of a model's state: what does it look like?

Each public function takes data, such as a `Snapshot`, and returns one matplotlib `Figure`. No figure goes
through `pyplot`: nothing is opened, shown or remembered, and no setting of matplotlib is changed.
matplotlib itself is imported when the first figure is asked for.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from helpers.signs import GREY, SIGNS, bytes_in_words

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

    from helpers.cost import Cost
    from helpers.state import Entry, Snapshot

__all__ = ["cost_of_reading", "curves", "images", "running_means", "where_the_bytes_are"]

# Beside the colours of `SIGNS`, so that the kinds stay apart in grey: solid, striped, dotted, crossed.
_HATCHES = {"parameter": "", "buffer": "///", "non-persistent buffer": "...", "plain tensor": "xx"}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_LONGEST_LABEL = 36
# Lines of one kind are told apart without colour: by how they are drawn, and by the shape of their marks.
_STROKES = ("-", "--", ":", "-.")
_MARKS = {"parameter": "s", "buffer": "o", "non-persistent buffer": "o", "plain tensor": "X"}
_DPI, _SHARPNESS, _COLOURS = 144, 1.5, 64  # 1.5 pixels of the picture for each on the page


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

    `state` is what `snapshot(module)` returns. With at most `most` tensors each tensor has its own bar; a
    larger module has one bar per submodule, as deep in the tree as `most` bars reach, and where even its top
    level has more parts, the smallest of them share the last bar. Bars keep torch's order. A tensor that
    several names share is drawn once, under the first name that is registered. A tensor with no shape yet
    (lazy) has no bytes and no bar.

    Raises `TypeError` for anything but a snapshot and for a `most` that is not an int, `ValueError` for a
    `most` below 2 and for a module that holds no tensor with a byte in it.
    """
    if not hasattr(state, "entries") or not hasattr(state, "shared"):
        found = type(state).__name__
        raise TypeError(f"where_the_bytes_are takes snapshot(module), got {found}: call snapshot first")
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
    listed = {place: entry for place, entry in enumerate(state.entries) if entry.nbytes and _kind(entry)}
    # Two things may share a path, so registered tensors are told apart by their place in the snapshot.
    registered = {entry.path for entry in listed.values() if entry.kind != "plain tensor"}
    again = set()
    for names in state.shared:
        first = next((name for name in names if name in registered), names[0])
        again.update(name for name in names if name != first)
    tensors = [
        entry for place, entry in listed.items()
        if place not in state.repeats and (entry.kind != "plain tensor" or entry.path not in again)
    ]  # fmt: skip
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
    """The submodule, at most `depth` steps down, that holds the entry; for one on the root, the entry."""
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
    largest = _shown(max(bars, key=lambda bar: bar.total).label)
    where = largest if count == 1 else f"{count} of {len(bars)} parts"
    return f"{held / total:.0%} of the {bytes_in_words(total)} are in {where}"


def _unit(nbytes: int) -> int:
    """The power of 1024 in which an axis up to `nbytes` reads best, a position in `_UNITS`."""
    return 0 if nbytes < 10_000 else min((nbytes.bit_length() - 1) // 10, len(_UNITS) - 1)


def _shown(label: str) -> str:
    """`label` on one line: what does not print is escaped, a long one loses its middle."""
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in label)
    half = _LONGEST_LABEL // 2
    return line if len(line) <= _LONGEST_LABEL else f"{line[: half - 1]}…{line[-half:]}"


def _draw(bars: list[Bar]) -> Figure:
    power = _unit(max(bar.total for bar in bars))
    figure = _figure_class()(figsize=(9, 1.5 + 0.36 * len(bars)), facecolor="white", layout="constrained")
    axes = figure.add_subplot(facecolor="white")
    left = [0.0] * len(bars)  # where each bar ends so far
    for kind, hatch in _HATCHES.items():
        rows = [row for row, bar in enumerate(bars) if kind in bar.nbytes]
        if not rows:
            continue
        widths = [bars[row].nbytes[kind] / 1024**power for row in rows]
        sign, hollow = SIGNS[kind], kind == "non-persistent buffer"
        axes.barh(
            rows, widths, left=[left[row] for row in rows], height=0.72, hatch=hatch, linewidth=1.2,
            label=f"{sign.glyph} {sign.label}",
            facecolor="white" if hollow else sign.colour, edgecolor=sign.colour if hollow else "white",
        )
        for row, width in zip(rows, widths, strict=True):
            left[row] += width
    total = sum(bar.total for bar in bars)
    for row, bar in enumerate(bars):
        share = f"{bar.total / total:.0%}" if 100 * bar.total >= total else "under 1%"
        note = f" {bytes_in_words(bar.total)}  ({share})"
        axes.text(left[row], row, note, va="center", fontsize=11, color="black")
    axes.set_yticks(range(len(bars)), [_shown(bar.label) for bar in bars], fontsize=12, parse_math=False)
    axes.tick_params(axis="x", labelsize=11)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.25 * max(left))
    axes.set_xlabel(f"size of the tensors ({_UNITS[power]})", fontsize=12)
    axes.set_ylabel("part of the module", fontsize=12, labelpad=12)
    axes.spines[["top", "right"]].set_visible(False)
    # A name may hold a dollar sign, which matplotlib would read as mathematics.
    figure.suptitle(_finding(bars), fontsize=14, fontweight="bold", parse_math=False)
    figure.legend(loc="outside lower center", ncols=len(_HATCHES), fontsize=11, frameon=False)
    return figure


def curves(lines: Mapping[str, Sequence[float]], *, kinds: Mapping[str, str], title: str, x: str, y: str) -> Figure:
    """A figure with one curve for each of `lines`, {label: its value after 0, 1, 2 … steps}.

    `kinds` says of each label what kind of state it is, a key of `SIGNS`: a curve has its colour and sign. `title`
    states the finding; `x` and `y` name the axes, with units. Curves of one kind differ in stroke and shade, and each
    is thinner than the one before, so that two that coincide are both seen.

    Raises `ValueError` for a label without a kind and where there is no line.
    """
    missing = [label for label in lines if kinds.get(label) not in SIGNS]
    if missing or not lines:
        raise ValueError(f"kinds does not say what {missing[0]!r} is" if missing else "there is no line to draw")
    figure = _figure_class()(figsize=(9, 4), facecolor="white", layout="constrained")
    _draw_lines(figure.add_subplot(facecolor="white"), lines, kinds, x, y)
    figure.suptitle(title, fontsize=14, fontweight="bold", parse_math=False)
    figure.legend(loc="outside lower center", ncols=len(lines), fontsize=11, frameon=False)
    return figure


def _draw_lines(axes: Any, lines: Mapping[str, Sequence[float]], kinds: Mapping[str, str], x: str, y: str) -> None:
    """Draw `lines` into `axes`, each with the sign of its kind in its label."""
    for place, (label, values) in enumerate(lines.items()):
        sign, hollow = SIGNS[kinds[label]], kinds[label] == "non-persistent buffer"
        again = [kinds[earlier] for earlier in list(lines)[:place]].count(kinds[label])
        shade = tuple(int(sign.colour[at : at + 2], 16) / 255 * 0.62**again for at in (1, 3, 5))
        axes.plot(
            range(len(values)), list(values), color=shade, label=f"{sign.glyph} {label}",
            linestyle=_STROKES[place % len(_STROKES)], linewidth=max(4.5 - 1.5 * place, 2),
            marker=_MARKS.get(kinds[label], "."), markevery=max(1, len(values) // 8), markersize=8 - place % 3,
            markerfacecolor="white" if hollow else shade,
        )
    axes.tick_params(labelsize=11)
    axes.set_xlabel(x, fontsize=12)
    axes.set_ylabel(y, fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)


def running_means(checkpoints: Sequence[Mapping[str, torch.Tensor]], *, title: str, x: str = "training step") -> Figure:
    """A figure with a panel for each batch norm layer: its `running_mean`, channel by channel, over `checkpoints`.

    `checkpoints` are state_dicts of one model in the order in which they were saved. Each key that ends in
    `running_mean` has a panel, each of its channels a curve. Raises `ValueError` where there is no such key.
    """
    names = [name for name in (checkpoints[0] if checkpoints else {}) if name.split(".")[-1] == "running_mean"]
    if not names:
        raise ValueError("no running_mean in these checkpoints: save the state_dict of a model with batch norm layers")
    figure = _figure_class()(figsize=(9, 4), facecolor="white", layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        channels = zip(*(state[name].tolist() for state in checkpoints), strict=True)
        lines = {f"channel {number}": values for number, values in enumerate(channels)}
        _draw_lines(axes, lines, dict.fromkeys(lines, "buffer"), x, "")
        axes.set_title(_shown(name), fontsize=12, parse_math=False)
    figure.suptitle(title, fontsize=14, fontweight="bold", parse_math=False)
    figure.supylabel("running mean (units of the layer's input)", fontsize=12)
    widest = max((axes.get_legend_handles_labels() for axes in panels), key=lambda found: len(found[0]))
    figure.legend(*widest, loc="outside lower center", ncols=6, fontsize=11, frameon=False)
    return figure


def images(pictures: Mapping[str, torch.Tensor], *, title: str) -> Figure:
    """A figure with grey pictures side by side, {label: numbers of shape (height, width)}; black is the least.

    Raises `ValueError` for a tensor that has no height and width, and where there is no picture.
    """
    if not pictures or any(picture.dim() != 2 for picture in pictures.values()):
        raise ValueError("images takes at least one tensor of shape (height, width)")
    figure = _figure_class()(figsize=(9, 3.8), facecolor="white", layout="constrained")
    panels = figure.subplots(1, len(pictures), squeeze=False)[0]
    for axes, (label, picture) in zip(panels, pictures.items(), strict=True):
        shown = axes.imshow(picture.tolist(), cmap="gray", interpolation="nearest")
        axes.set_title(label, fontsize=12, parse_math=False)
        axes.set_xlabel("column (pixels)", fontsize=11)
        axes.set_ylabel("row (pixels)", fontsize=11)
        figure.colorbar(shown, ax=axes, shrink=0.7).ax.tick_params(labelsize=11)
    figure.suptitle(title, fontsize=14, fontweight="bold", parse_math=False)
    return figure


# Colour, marker and dash of each line, so that the ways stay apart in grey; what is copied is drawn apart.
_LINES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", ":"), (GREY, "D", "-."))


def cost_of_reading(costs: list[Cost], *, over: str = "nbytes") -> Figure:
    """A figure with two panels: bytes allocated and time of each way of reading, over models of growing size.

    `costs` is what `reading_costs` returns. `over` is the field of `Cost` on the x axis: "nbytes", the size of the
    parameters, or "tensors", how many there are. All axes are logarithmic.

    Raises `ValueError` for another `over`, and where there are not two sizes to compare.
    """
    names = {"nbytes": "size of the parameters (bytes)", "tensors": "number of parameters (tensors)"}
    if over not in names:
        raise ValueError(f"over is one of {', '.join(map(repr, names))}, got {over!r}")
    if len({getattr(cost, over) for cost in costs}) < 2:
        raise ValueError(f"cost_of_reading compares models of different {over}: pass costs of two or more")
    figure = _figure_class()(figsize=(10, 4.2), facecolor="white", layout="constrained")
    panels = figure.subplots(1, 2)
    facts = (("allocated", "memory allocated (bytes)", 1), ("seconds", "time (µs)", 1e6))
    for axes, (fact, label, scale) in zip(panels, facts, strict=True):
        for way, (colour, marker, dash) in zip(dict.fromkeys(cost.way for cost in costs), _LINES, strict=False):
            line = [cost for cost in costs if cost.way == way]
            axes.plot([getattr(cost, over) for cost in line], [getattr(cost, fact) * scale for cost in line],
                      color=colour, marker=marker, linestyle=dash, linewidth=2, markersize=8, label=way)  # fmt: skip
        axes.set_xscale("log", base=2 if over == "tensors" else 10)
        axes.set_yscale("log" if all(getattr(cost, fact) for cost in costs) else "symlog")  # which has a 0
        axes.set_xlabel(names[over], fontsize=12)
        axes.set_ylabel(label, fontsize=12)
        axes.grid(color="#dddddd")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(_growth(costs, over), fontsize=14, fontweight="bold")
    lines = panels[0].get_lines()
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), fontsize=12, frameon=False)
    return figure


def _growth(costs: list[Cost], over: str) -> str:
    """The title: the ways that allocate more for the largest model than for the smallest, or those that do not."""
    by_way: dict[str, list[Cost]] = {}
    for cost in sorted(costs, key=lambda cost: getattr(cost, over)):
        by_way.setdefault(cost.way, []).append(cost)
    growing = [way for way, line in by_way.items() if line[-1].allocated > 1.1 * line[0].allocated + 100]
    what = "more for larger tensors" if over == "nbytes" else "more for more tensors"
    if len(growing) in (0, len(by_way)):
        return f"{'Every' if growing else 'No'} way allocates {what}"
    constant = [way for way in by_way if way not in growing]
    named, no = (growing, "") if len(growing) <= len(constant) else (constant, "no ")
    return f"Only {' and '.join(named)} allocate{'s' if len(named) == 1 else ''} {no}{what}"


@cache
def _figure_class() -> type[Figure]:
    """matplotlib's `Figure`, able to show itself in a notebook where nobody has imported pyplot."""
    from matplotlib.figure import Figure
    from PIL import Image

    class NotebookFigure(Figure):
        def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
            drawn, file = io.BytesIO(), io.BytesIO()
            self.savefig(drawn, format="png", dpi=_DPI)
            # Saved with the lesson: a palette makes the picture a third as large, and no eye tells it apart.
            with Image.open(drawn) as picture:
                picture.convert("RGB").quantize(_COLOURS).save(file, "png", optimize=True)
            width, height = (round(inches * _DPI / _SHARPNESS) for inches in self.get_size_inches())
            return file.getvalue(), {"width": width, "height": height, "alt": self.get_suptitle()}

    # The plain face names the class: a reader knows matplotlib's name, and it is one.
    NotebookFigure.__name__ = NotebookFigure.__qualname__ = "Figure"
    return NotebookFigure
