"""What does it cost? Reading over models of growing size, in bytes and time; and a single access."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.plots.figure import BELOW, figure_of, plain
from helpers.views.signs import GREY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from helpers.plots.cost import Cost

# Colour, marker and dash of each line, so that the ways stay apart in grey; what is copied is drawn
# apart.
_LINES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", ":"), (GREY, "D", "-."))


def cost_of_reading(costs: list[Cost], *, over: str = "nbytes") -> Figure:
    """A figure with two panels: bytes allocated and time of each way of reading, over models of
    growing size.

    `costs` is what `reading_costs` returns. `over` is the field of `Cost` on the x axis: "nbytes",
    the size of the parameters, or "tensors", how many there are. All axes are logarithmic.

    Raises `ValueError` for another `over`, and where there are not two sizes to compare.
    """
    names = {
        "nbytes": "size of the parameters (bytes)",
        "tensors": "number of parameters (tensors)",
    }
    if over not in names:
        raise ValueError(f"over is one of {', '.join(map(repr, names))}, got {over!r}")
    if len({getattr(cost, over) for cost in costs}) < 2:
        raise ValueError(
            f"cost_of_reading compares models of different {over}: pass costs of two or more"
        )
    figure = figure_of(_growth(costs, over), 10, 4.2)
    panels = figure.subplots(1, 2)
    facts = (("allocated", "memory allocated (bytes)", 1), ("seconds", "time (µs)", 1e6))
    for axes, (fact, label, scale) in zip(panels, facts, strict=True):
        for way, (colour, marker, dash) in zip(
            dict.fromkeys(cost.way for cost in costs), _LINES, strict=False
        ):
            line = [cost for cost in costs if cost.way == way]
            axes.plot(
                [getattr(cost, over) for cost in line],
                [getattr(cost, fact) * scale for cost in line],
                color=colour,
                marker=marker,
                linestyle=dash,
                linewidth=2,
                markersize=8,
                label=way,
            )
        axes.set_xscale("log", base=2 if over == "tensors" else 10)
        axes.set_yscale(
            "log" if all(getattr(cost, fact) for cost in costs) else "symlog"
        )  # which has a 0
        axes.set_xlabel(names[over], fontsize=12)
        axes.set_ylabel(label, fontsize=12)
        plain(axes, "both")
    lines = panels[0].get_lines()
    figure.legend(handles=lines, ncols=len(lines), fontsize=12, **BELOW)
    return figure


def cost_of_access(seconds: dict[str, dict[str, float]]) -> Figure:
    """A figure with a row for each thing used and a mark for each thing done with it, on a
    logarithmic time axis.

    `seconds` is {thing: {verb: seconds}}, such as {"a plain object": {"read": 2e-8, "set": 3e-8}}.
    The title compares two things by the verb that tells them most apart. Raises `ValueError` where
    no verb has two things to compare, and for a time that is not above 0."""
    verbs: dict[str, dict[str, float]] = {}
    for thing, times in seconds.items():
        for verb, time in times.items():
            verbs.setdefault(verb, {})[thing] = time
    every = [time for times in verbs.values() for time in times.values()]
    if not any(len(times) > 1 for times in verbs.values()) or min(every) <= 0:
        raise ValueError(
            "cost_of_access compares two things or more by the same verb, each time above 0"
        )
    ratio, verb = max(
        (max(times.values()) / min(times.values()), verb) for verb, times in verbs.items()
    )
    least, most = (pick(verbs[verb], key=verbs[verb].get) for pick in (min, max))
    figure = figure_of(
        f"To {verb} {most} takes {ratio:,.0f} × as long as {least}", 10, 1.8 + 0.45 * len(seconds)
    )
    axes = figure.subplots()
    for (word, times), (colour, marker, _) in zip(verbs.items(), _LINES, strict=False):
        rows = [list(seconds).index(thing) for thing in times]
        axes.plot(
            [time * 1e6 for time in times.values()],
            rows,
            color=colour,
            marker=marker,
            markersize=11,
            linestyle="",
            label=word,
        )
    axes.set_yticks(range(len(seconds)), list(seconds), fontsize=12)
    axes.set_ylim(len(seconds) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.margins(x=0.1)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("time (µs)", fontsize=12)
    plain(axes, "both")
    figure.legend(ncols=len(verbs), fontsize=12, **BELOW)
    return figure


def _growth(costs: list[Cost], over: str) -> str:
    """The title: the ways that allocate more for the largest model than for the smallest, or those
    that do not.
    """
    by_way: dict[str, list[Cost]] = {}
    for cost in sorted(costs, key=lambda cost: getattr(cost, over)):
        by_way.setdefault(cost.way, []).append(cost)
    growing = [
        way for way, line in by_way.items() if line[-1].allocated > 1.1 * line[0].allocated + 100
    ]
    what = "more for larger tensors" if over == "nbytes" else "more for more tensors"
    if len(growing) in (0, len(by_way)):
        return f"{'Every' if growing else 'No'} way allocates {what}"
    constant = [way for way in by_way if way not in growing]
    named, no = (growing, "") if len(growing) <= len(constant) else (constant, "no ")
    return f"Only {' and '.join(named)} allocate{'s' if len(named) == 1 else ''} {no}{what}"
