"""How does state change, and what does it look like? Curves over the steps of a run, and pictures
of tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from helpers.plots.figure import DARK, LIGHT, STROKES, figure_of, label_ends, shade, shown
from helpers.state.objects import counted
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
    coincide are both seen. The label stands where the curve ends.

    Raises `ValueError` for a label without a kind and where there is no line.
    """
    for label in lines:
        if kinds.get(label) not in SIGNS:
            raise ValueError(f"kinds does not say what {label!r} is")
    if not lines:
        raise ValueError("there is no line to draw")
    with figure_of(title) as figure:
        _draw_lines(figure.add_subplot(xlabel=x, ylabel=y), lines, kinds)
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
    ends in `running_mean` has a panel, each of its channels a curve. Raises `ValueError` where
    there is no such key, and where one of the checkpoints is of another model.
    """
    keys = checkpoints[0] if checkpoints else ()
    names = [name for name in keys if name.rpartition(".")[2] == "running_mean"]
    if not names:
        raise ValueError(
            "no running_mean in these checkpoints: save the state_dict of a model with batch norm "
            "layers"
        )
    _require_one_model(checkpoints, names)
    with figure_of(title, width=10) as figure:
        panels = figure.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            channels = zip(*(state[name].tolist() for state in checkpoints), strict=True)
            lines = {f"channel {number}": values for number, values in enumerate(channels)}
            _draw_lines(axes, lines, dict.fromkeys(lines, "buffer"))
            axes.set_title(shown(name), parse_math=False)
            axes.set_xlabel(x)
        panels[0].set_ylabel("running mean (units of the layer's input)")
    return figure


def _require_one_model(checkpoints: Sequence[Mapping[str, torch.Tensor]], names: list[str]) -> None:
    """ValueError, if one of `names` is missing in a checkpoint, or has another shape than in the
    first.
    """
    for number, state in enumerate(checkpoints):
        for name in names:
            wanted = tuple(checkpoints[0][name].shape)
            found = tuple(state[name].shape) if name in state else "missing"
            if found != wanted:
                raise ValueError(
                    f"checkpoint {number} is of another model than checkpoint 0: {shown(name)}, "
                    f"there {wanted}, is {found}"
                )


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

    Raises `ValueError` where there is nothing continued, and for a `step` outside the whole run.
    """
    if not continued or not 0 <= step < len(whole):
        raise ValueError(
            f"nothing continued, or no step {step} in a run of {counted(len(whole), 'step')}"
        )
    with figure_of(title) as figure:
        panels = figure.subplots(1, len(continued), sharey=True, squeeze=False)[0]
        for axes, (label, values) in zip(panels, continued.items(), strict=True):
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

    Raises `ValueError` for a tensor that has no height and width, and where there is no picture.
    """
    if not pictures or any(picture.dim() != 2 for picture in pictures.values()):
        raise ValueError("images takes at least one tensor of shape (height, width)")
    with figure_of(title, height=3.8) as figure:
        panels = figure.subplots(1, len(pictures), squeeze=False)[0]
        for axes, (label, picture) in zip(panels, pictures.items(), strict=True):
            axes.imshow(picture.tolist(), cmap="gray", interpolation="nearest")
            axes.spines[:].set_visible(True)  # where black meets a dark page, or white a light one
            scale = f"black {picture.min():g}, white {picture.max():g}"
            axes.set_title(f"{shown(label)} ({scale})", parse_math=False)
            axes.set(xlabel="column (pixels)", ylabel="row (pixels)")
    return figure
