"""What does it cost? Reading over models of growing size, in bytes and time; and one access."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from math import inf
from typing import TYPE_CHECKING

from helpers.plots.cost import Cost
from helpers.plots.figure import INK, STROKES, figure_of, label_ends
from helpers.plots.numbers import number, require_mapping
from helpers.state.objects import brief, bytes_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# A way of reading is no kind of state: it has no sign and no colour.
_OVER = {"nbytes": "size of the parameters", "tensors": "number of parameters (tensors)"}
_MORE = {"nbytes": "Larger tensors", "tensors": "More tensors"}


def cost_of_reading(costs: Iterable[Cost], *, over: str = "nbytes") -> Figure:
    """A figure with two panels: bytes allocated and time of each way of reading, over models of
    growing size.

    `costs` is what `reading_costs` returns. `over` is the field of `Cost` on the x axis: "nbytes",
    the size of the parameters, or "tensors", how many there are. All axes are logarithmic. The
    title says which ways grow, and these are drawn broad.

    Raises `TypeError` for anything but costs, `ValueError` for another `over`, and where there are
    not two sizes to compare.
    """
    costs = _required(costs)
    if not isinstance(over, str) or over not in _OVER:
        raise ValueError(f"over is one of {', '.join(map(repr, _OVER))}, got {over!r}")
    if len({getattr(cost, over) for cost in costs}) < 2:
        raise ValueError(
            f"cost_of_reading compares models of different {over}: pass costs of two or more"
        )
    costs = sorted(costs, key=lambda cost: getattr(cost, over))
    ways = {cost.way: [one for one in costs if one.way == cost.way] for cost in costs}
    memory = [way for way in ways if ways[way][-1].allocated > 1.1 * ways[way][0].allocated + 100]
    # A time differs from run to run; what is allocated hardly does.
    time = [way for way in ways if ways[way][-1].seconds > 2 * ways[way][0].seconds]
    with figure_of(_finding(over, _who(memory, ways), _who(time, ways)), width=10) as figure:
        left, right = figure.subplots(1, 2)
        _draw_ways(left, ways, "allocated", over, broad=memory)
        _draw_ways(right, ways, "seconds", over, broad=time)
        left.set_ylabel("memory allocated")
        right.set_ylabel("time")
    return figure


def _required(costs: object) -> list[Cost]:
    found = list(costs) if isinstance(costs, Iterable) else [costs]
    for one in found:
        if not isinstance(one, Cost):
            advice = "takes costs, such as those of reading_costs(models)"
            raise TypeError(f"cost_of_reading {advice}; got {brief(one)}")
    return found


def _who(growing: list[str], ways: Iterable[str]) -> str:
    constant = [way for way in ways if way not in growing]
    if not growing or not constant:
        return "in every way" if growing else "in no way"
    if len(growing) <= len(constant):
        return f"only in {' and '.join(growing)}"
    return f"in all ways but {' and '.join(constant)}"


def _finding(over: str, memory: str, time: str) -> str:
    if memory == time:
        return f"{_MORE[over]} take more memory and time {memory}"
    return f"{_MORE[over]}: more memory {memory}, more time {time}"


def _draw_ways(
    axes: Axes, ways: dict[str, list[Cost]], fact: str, over: str, *, broad: list[str]
) -> None:
    from matplotlib.ticker import LogLocator

    for (way, line), stroke in zip(ways.items(), cycle(STROKES), strict=False):
        sizes, values = ([getattr(cost, name) for cost in line] for name in (over, fact))
        width = 3.5 if way in broad else 1.8
        axes.plot(sizes, values, stroke, color=INK, linewidth=width, label=way)
    everywhere = all(getattr(cost, fact) for line in ways.values() for cost in line)
    is_memory = fact == "allocated"
    axes.set_xscale("log", base=2)  # bytes are told in powers of 2
    axes.set_yscale("log" if everywhere else "symlog", base=2 if is_memory else 10)  # it has a 0
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=2))  # a third can lie on another
    axes.xaxis.set_major_formatter(_bytes if over == "nbytes" else "{x:,.0f}")
    if is_memory:
        axes.yaxis.set_major_formatter(_bytes)
    else:
        _tell_seconds(axes.yaxis, [cost.seconds for line in ways.values() for cost in line])
    axes.set_xlabel(_OVER[over])
    axes.grid()
    label_ends(axes, axes.get_lines())


def _bytes(value: float, _place: int) -> str:
    """A tick of an axis of bytes."""
    return bytes_in_words(round(value))


def _tell_seconds(axis: Axis, times: list[float]) -> None:
    """The ticks of a logarithmic axis: between powers of ten too where the times are near each
    other, and each with its unit."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    if min(times) > 0:
        near = max(times) < 100 * min(times)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if near else (1,)))
    axis.set_major_formatter(EngFormatter("s"))
    axis.set_minor_formatter(NullFormatter())


def cost_of_access(seconds: dict[str, dict[str, float]]) -> Figure:
    """A figure with a row for each thing used and a mark for each thing done with it, on a
    logarithmic time axis.

    `seconds` is {thing: {verb: seconds}}, such as {"a plain object": {"read": 2e-8, "set": 3e-8}}.
    The title compares two things by the verb that tells them most apart. Raises `TypeError` for
    anything else than times in mappings, `ValueError` where no verb has two things to compare, for
    a thing of which no time is given, and for a time that is not above 0 or not finite.
    """
    takes = "cost_of_access takes {thing: {verb: seconds}}"
    require_mapping(seconds, takes)
    measured: dict[str, dict[str, float]] = {}
    verbs: dict[str, dict[str, float]] = {}
    for thing, times in seconds.items():
        require_mapping(times, f"{takes}; {thing!r} has no mapping")
        if not times:
            raise ValueError(f"{takes}; {thing!r} has no time")
        measured[thing] = {
            verb: number(time, f"{takes}; to {verb} {thing!r} takes")
            for verb, time in times.items()
        }
        for verb, time in measured[thing].items():
            verbs.setdefault(verb, {})[thing] = time
    shared = {verb: times for verb, times in verbs.items() if len(times) > 1}
    if not shared or any(not 0 < time < inf for times in verbs.values() for time in times.values()):
        raise ValueError(
            "cost_of_access compares two things or more by the same verb, each time above 0"
        )
    ratios = {verb: max(times.values()) / min(times.values()) for verb, times in shared.items()}
    verb = max(ratios, key=ratios.get)
    least, *_, most = sorted(shared[verb], key=shared[verb].get)
    title = f"To {verb} {most} takes {ratios[verb]:,.0f} × as long as {least}"
    with figure_of(title, 10, 1.5 + 0.5 * len(seconds)) as figure:
        axes = figure.add_subplot(xscale="log", xlabel="time")
        for row, (thing, times) in enumerate(measured.items()):
            _draw_row(axes, row, times, bold=verb if thing in (least, most) else "")
        axes.set_yticks(range(len(seconds)), list(seconds), parse_math=False)
        axes.set_ylim(len(seconds) - 0.5, -0.5)
        axes.margins(x=0.1)
        _tell_seconds(axes.xaxis, [time for times in verbs.values() for time in times.values()])
        axes.grid(axis="x")
    return figure


def _draw_row(axes: Axes, row: int, times: dict[str, float], *, bold: str) -> None:
    """A tick for each time, and beside it the verb: left of the first, right of the others."""
    first, *others = sorted(times, key=times.get)
    values = sorted(times.values())
    axes.plot(values, [row] * len(values), "-|", color=INK, markersize=16, markeredgewidth=2.5)
    for verb, time in times.items():
        left = verb == first and others
        axes.text(
            time,
            row,
            f"{verb}  " if left else f"  {verb}",
            ha="right" if left else "left",
            va="center",
            weight="bold" if verb == bold else "normal",
        )
