"""How does state change, and what does it look like? Curves over the steps of a run, and pictures
of tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from helpers.plots.figure import DARK, LIGHT, STROKES, figure_of, label_ends, shade, shown
from helpers.plots.numbers import channels_in, integer, numbers_in, require_mapping, rows_in
from helpers.state.objects import brief, counted, facts
from helpers.state.walk import NOT_SAVED
from helpers.views.signs import SIGNS

if TYPE_CHECKING:
    import torch
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lines are told apart without colour: by how they are drawn, and by the shape of their marks.
_MARKS = {"parameter": "s", "buffer": "o", NOT_SAVED: "o", "plain tensor": "X"}
_MOST_LABELS = 12  # more would not stand beside one panel


def curves(
    lines: Mapping[str, Sequence[float]], *, kinds: Mapping[str, str], title: str, x: str, y: str
) -> Figure:
    """A figure with one curve for each of `lines`, {label: its value after 0, 1, 2 … steps}.

    `kinds` says of each label what kind of state it is, a key of `SIGNS`: a curve has its colour
    and the marks of its sign. `title` states the finding; `x` and `y` name the axes, with units.
    Curves of one kind differ in stroke and shade, and the first is the broadest, so that two that
    coincide are both seen. The label stands where the curve ends: at its last finite value, and
    what comes after that is told in words.

    Raises `ValueError` for a label without a kind, where there is no line and for one without a
    value, `TypeError` where the values are no numbers.
    """
    require_mapping(lines, "curves takes lines as {label: values}")
    require_mapping(kinds, "curves takes kinds as {label: kind of state}")
    for label in lines:
        kind = kinds.get(label)
        if not isinstance(kind, str) or kind not in SIGNS:
            raise ValueError(f"kinds does not say what {label!r} is")
    if not lines:
        raise ValueError("there is no line to draw")
    drawn = {label: numbers_in(values, f"curves: {label!r}") for label, values in lines.items()}
    with figure_of(title) as figure:
        _draw_lines(figure.add_subplot(xlabel=x, ylabel=y), drawn, kinds)
    return figure


def _draw_lines(axes: Axes, lines: Mapping[str, Sequence[float]], kinds: Mapping[str, str]) -> None:
    earlier: list[str] = []
    for place, (label, values) in enumerate(lines.items()):
        kind = kinds[label]
        hollow = SIGNS[kind].hollow
        colour = shade(SIGNS[kind].colour, earlier.count(kind))
        axes.plot(
            values,
            color=colour,
            label=label,
            linestyle=STROKES[place % len(STROKES)],
            linewidth=2 if place else 4.5,
            marker=_MARKS.get(kind, "."),
            markevery=max(1, len(values) // 8),
            markersize=10 if hollow else 7,
            markerfacecolor="none" if hollow else colour,
        )
        earlier.append(kind)
    axes.grid(axis="y")
    if len(lines) <= _MOST_LABELS:
        label_ends(axes, axes.get_lines())


def running_means(
    checkpoints: Sequence[Mapping[str, torch.Tensor]], *, title: str, x: str = "training step"
) -> Figure:
    """A figure with a panel for each batch norm layer: its `running_mean`, channel by channel, over
    `checkpoints`.

    `checkpoints` are state_dicts of one model in the order in which they were saved. Each key that
    ends in `running_mean` has a panel, each of its channels a curve. Raises `TypeError` for
    anything but state_dicts, `ValueError` where there is no such key, where it has no numbers, and
    where one of the checkpoints is of another model.
    """
    states = _state_dicts(checkpoints)
    keys = states[0] if states else ()
    names = [
        name for name in keys if isinstance(name, str) and name.split(".")[-1] == "running_mean"
    ]
    if not names:
        raise ValueError(
            "no running_mean in these checkpoints: save the state_dict of a model with batch norm "
            "layers"
        )
    _require_one_model(states, names)
    means = {name: [_channels(state, name) for state in states] for name in names}
    with figure_of(title, width=10) as figure:
        panels = figure.subplots(1, len(names), squeeze=False)[0]
        for axes, (name, saved) in zip(panels, means.items(), strict=True):
            channels = zip(*saved, strict=True)
            lines = {f"channel {number}": values for number, values in enumerate(channels)}
            _draw_lines(axes, lines, dict.fromkeys(lines, "buffer"))
            axes.set_title(shown(name), parse_math=False)
            axes.set_xlabel(x)
        panels[0].set_ylabel("running mean (units of the layer's input)")
    return figure


def _state_dicts(checkpoints: object) -> list[Mapping[str, torch.Tensor]]:
    takes = "running_means takes a list of state_dicts"
    if not isinstance(checkpoints, Iterable) or isinstance(checkpoints, Mapping):
        advice = "; pass [state_dict]" if isinstance(checkpoints, Mapping) else ""
        raise TypeError(f"{takes}, got {brief(checkpoints)}{advice}")
    states = list(checkpoints)
    for number, state in enumerate(states):
        require_mapping(state, f"{takes}; checkpoint {number} is none")
    return states


def _channels(state: Mapping[str, torch.Tensor], name: str) -> list[float]:
    return channels_in(state[name], f"running_means: {shown(name)}")


def _require_one_model(states: Sequence[Mapping[str, torch.Tensor]], names: list[str]) -> None:
    """ValueError, if one of `names` is missing in a checkpoint, or has another shape than in the
    first.
    """
    for number, state in enumerate(states):
        for name in names:
            wanted = _outline(states[0], name)
            found = _outline(state, name)
            if found != wanted:
                raise ValueError(
                    f"checkpoint {number} is of another model than checkpoint 0: {shown(name)}, "
                    f"there {wanted}, is {found}"
                )


def _outline(state: Mapping[str, torch.Tensor], name: str) -> object:
    if name not in state:
        return "missing"
    shape = facts(state[name]).shape
    return brief(state[name]) if shape is None else tuple(shape)


def resumed(
    whole: Sequence[float],
    continued: Mapping[str, Sequence[float]],
    *,
    step: int,
    title: str,
    y: str,
) -> Figure:
    """A figure with a panel for each of `continued`, {label: its values from `step` on}, beside the
    `whole` run.

    The whole run is a broad light line, the continuation a thin dark one on it: where they coincide
    both are seen. A vertical line marks `step`. `title` states the finding; `y` names the values,
    with units.

    A label stands where its line ends: at its last finite value, and what comes after that is told
    in words.

    Raises `ValueError` where there is nothing continued, for a run without a value and for a `step`
    outside the whole run, `TypeError` for a `step` that is no int and for values that are no
    numbers.
    """
    require_mapping(continued, "resumed takes what continued as {label: values}")
    step = integer(step, "step is the number of a step")
    whole = numbers_in(whole, "resumed: the whole run")
    drawn = {label: numbers_in(one, f"resumed: {label!r}") for label, one in continued.items()}
    if not drawn or not 0 <= step < len(whole):
        raise ValueError(
            f"nothing continued, or no step {step} in a run of {counted(len(whole), 'step')}"
        )
    with figure_of(title) as figure:
        panels = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
        for axes, (label, values) in zip(panels, drawn.items(), strict=True):
            axes.plot(whole, color=LIGHT, linewidth=6, label="never stopped")
            steps = range(step, step + len(values))
            axes.plot(steps, values, color=DARK, linewidth=2.2, label="resumed")
            axes.axvline(step, color=DARK, linewidth=1, linestyle=":")
            axes.text(step, 1, " stopped", transform=axes.get_xaxis_transform(), va="top")
            axes.set_title(shown(label), parse_math=False)
            axes.set_xlabel("training step")
            axes.grid(axis="y")
        for axes in panels:  # which share their limits: known when the last is drawn
            label_ends(axes, axes.get_lines()[:2])
        panels[0].set_ylabel(y)
    return figure


def images(pictures: Mapping[str, torch.Tensor], *, title: str) -> Figure:
    """A figure with grey pictures side by side, {label: numbers of shape (height, width)}; what its
    black and its white stand for is in the title of each.

    Numbers that are not finite have no grey: their pixels are left blank, and the title counts
    them. Raises `TypeError` for what is no tensor, `ValueError` for a tensor that has no numbers,
    complex ones or no height and width, and where there is no picture.
    """
    require_mapping(pictures, "images takes pictures as {label: tensor}")
    if not pictures:
        raise ValueError("images takes at least one tensor of shape (height, width)")
    drawn = {label: rows_in(one, f"images: {label!r}") for label, one in pictures.items()}
    with figure_of(title, height=3.8) as figure:
        panels = figure.subplots(1, len(drawn), squeeze=False)[0]
        for axes, (label, rows) in zip(panels, drawn.items(), strict=True):
            greys = [number for row in rows for number in row if isfinite(number)]
            black, white = min(greys, default=0), max(greys, default=1)
            axes.imshow(rows, cmap="gray", interpolation="nearest", vmin=black, vmax=white)
            axes.spines[:].set_visible(True)  # where black meets a dark page, or white a light one
            blank = len(rows) * len(rows[0]) - len(greys)
            scale = f"black {black:g}, white {white:g}" if greys else ""
            told = [scale, f"{blank:,} not finite: left blank" if blank else ""]
            axes.set_title(f"{shown(label)} ({'; '.join(filter(None, told))})", parse_math=False)
            axes.set(xlabel="column (pixels)", ylabel="row (pixels)")
    return figure
