"""What does it cost? Reading over models of growing size, in bytes and time; and a single access."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from typing import TYPE_CHECKING

from helpers.plots.figure import INK, figure_of, in_our_looks, label_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from helpers.plots.cost import Cost

# A way of reading is no kind of state: it has no sign and no colour.
_STROKES = ("-", "--", ":", "-.")
_OVER = {
    "nbytes": ("Larger tensors", "size of the parameters (bytes)", 10),
    "tensors": ("More tensors", "number of parameters (tensors)", 2),
}


@in_our_looks
def cost_of_reading(costs: list[Cost], *, over: str = "nbytes") -> Figure:
    """A figure with two panels: bytes allocated and time of each way of reading, over models of
    growing size.

    `costs` is what `reading_costs` returns. `over` is the field of `Cost` on the x axis: "nbytes",
    the size of the parameters, or "tensors", how many there are. All axes are logarithmic. The
    title says which ways grow, and these are drawn broad.

    Raises `ValueError` for another `over`, and where there are not two sizes to compare.
    """
    from matplotlib.ticker import EngFormatter

    if over not in _OVER:
        raise ValueError(f"over is one of {', '.join(map(repr, _OVER))}, got {over!r}")
    if len({getattr(cost, over) for cost in costs}) < 2:
        raise ValueError(
            f"cost_of_reading compares models of different {over}: pass costs of two or more"
        )
    what, label, base = _OVER[over]
    sizes, memory, time = (_by_way(costs, fact, over) for fact in (over, "allocated", "seconds"))
    for values in time.values():
        values[:] = [1e6 * seconds for seconds in values]
    # A time differs from run to run; what is allocated hardly does.
    more_memory = [way for way, it in memory.items() if it[-1] > 1.1 * it[0] + 100]
    more_time = [way for way, it in time.items() if it[-1] > 2 * it[0]]
    figure = figure_of(_finding(what, _who(more_memory, sizes), _who(more_time, sizes)), 10)
    panels = figure.subplots(1, 2)
    panels[0].set_ylabel("memory allocated (bytes)")
    panels[1].set_ylabel("time (µs)")
    for axes, facts, broad in zip(panels, (memory, time), (more_memory, more_time), strict=True):
        for (way, values), stroke in zip(facts.items(), cycle(_STROKES), strict=False):
            width = 3.5 if way in broad else 1.8
            axes.plot(sizes[way], values, stroke, color=INK, linewidth=width, label=way)
        axes.set_xscale("log", base=base)
        axes.set_yscale("log" if min(map(min, facts.values())) else "symlog")  # which has a 0
        axes.set_xlabel(label)
        axes.xaxis.set_major_formatter(EngFormatter(sep="") if over == "nbytes" else "{x:g}")
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))  # 10k, 1M
        axes.grid()
        label_ends(axes, axes.get_lines())
    return figure


def _by_way(costs: list[Cost], fact: str, over: str) -> dict[str, list[float]]:
    """One field of the costs of each way, from the smallest model to the largest."""
    ways: dict[str, list[float]] = {}
    for cost in sorted(costs, key=lambda cost: getattr(cost, over)):
        ways.setdefault(cost.way, []).append(getattr(cost, fact))
    return ways


def _who(growing: list[str], ways: Iterable[str]) -> str:
    constant = [way for way in ways if way not in growing]
    if not growing or not constant:
        return "in every way" if growing else "in no way"
    if len(growing) <= len(constant):
        return f"only in {' and '.join(growing)}"
    return f"in all ways but {' and '.join(constant)}"


def _finding(what: str, memory: str, time: str) -> str:
    if memory == time:
        return f"{what} take more memory and time {memory}"
    return f"{what}: more memory {memory}, more time {time}"


@in_our_looks
def cost_of_access(seconds: dict[str, dict[str, float]]) -> Figure:
    """A figure with a row for each thing used and a mark for each thing done with it, on a
    logarithmic time axis.

    `seconds` is {thing: {verb: seconds}}, such as {"a plain object": {"read": 2e-8, "set": 3e-8}}.
    The title compares two things by the verb that tells them most apart. Raises `ValueError` where
    no verb has two things to compare, and for a time that is not above 0.
    """
    verbs: dict[str, dict[str, float]] = {}
    for thing, times in seconds.items():
        for verb, time in times.items():
            verbs.setdefault(verb, {})[thing] = time
    compared = {verb: times for verb, times in verbs.items() if len(times) > 1}
    if not compared or min(min(times.values()) for times in verbs.values()) <= 0:
        raise ValueError(
            "cost_of_access compares two things or more by the same verb, each time above 0"
        )
    ratios = {verb: max(it.values()) / min(it.values()) for verb, it in compared.items()}
    verb = max(ratios, key=ratios.get)
    least, *_, most = sorted(compared[verb], key=compared[verb].get)
    title = f"To {verb} {most} takes {ratios[verb]:,.0f} × as long as {least}"
    figure = figure_of(title, 10, 1.5 + 0.5 * len(seconds))
    axes = figure.add_subplot(xscale="log", xlabel="time (µs)")
    for row, (thing, times) in enumerate(seconds.items()):
        _draw_row(axes, row, times, verb if thing in (least, most) else "")
    axes.set_yticks(range(len(seconds)), list(seconds), parse_math=False)
    axes.set_ylim(len(seconds) - 0.5, -0.5)
    axes.margins(x=0.1)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="x")
    return figure


def _draw_row(axes: Axes, row: int, times: dict[str, float], bold: str) -> None:
    """A tick for each time on one line, the verb beside it: left of the first, right of the others."""
    in_order = sorted(times, key=times.get)
    places = [1e6 * times[verb] for verb in in_order]
    axes.plot(places, [row] * len(places), "-|", color=INK, markersize=16, markeredgewidth=2.5)
    for verb, place in zip(in_order, places, strict=True):
        left = verb == in_order[0] and len(in_order) > 1
        axes.annotate(
            verb,
            (place, row),
            xytext=(-6 if left else 6, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            weight="bold" if verb == bold else "normal",
        )
