"""How does state change, and what does it look like? Curves over the steps of a run, and pictures
of tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from helpers.plots.figure import BELOW, figure_of, plain, shown
from helpers.views.signs import SIGNS

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

# Lines of one kind are told apart without colour: by how they are drawn, and by the shape of their
# marks.
_STROKES = ("-", "--", ":", "-.")
_MARKS = {"parameter": "s", "buffer": "o", "non-persistent buffer": "o", "plain tensor": "X"}


def curves(
    lines: Mapping[str, Sequence[float]], *, kinds: Mapping[str, str], title: str, x: str, y: str
) -> Figure:
    """A figure with one curve for each of `lines`, {label: its value after 0, 1, 2 … steps}.

    `kinds` says of each label what kind of state it is, a key of `SIGNS`: a curve has its colour
    and sign. `title` states the finding; `x` and `y` name the axes, with units. Curves of one kind
    differ in stroke and shade, and each is thinner than the one before, so that two that coincide
    are both seen.

    Raises `ValueError` for a label without a kind and where there is no line.
    """
    missing = [label for label in lines if kinds.get(label) not in SIGNS]
    if missing or not lines:
        raise ValueError(
            f"kinds does not say what {missing[0]!r} is" if missing else "there is no line to draw"
        )
    figure = figure_of(title)
    _draw_lines(figure.add_subplot(facecolor="white"), lines, kinds, x, y)
    figure.legend(ncols=len(lines), fontsize=11, **BELOW)
    return figure


def _draw_lines(
    axes: Any, lines: Mapping[str, Sequence[float]], kinds: Mapping[str, str], x: str, y: str
) -> None:
    """Draw `lines` into `axes`, each with the sign of its kind in its label."""
    for place, (label, values) in enumerate(lines.items()):
        sign, hollow = SIGNS[kinds[label]], kinds[label] == "non-persistent buffer"
        again = [kinds[earlier] for earlier in list(lines)[:place]].count(kinds[label])
        shade = tuple(int(sign.colour[at : at + 2], 16) / 255 * 0.62**again for at in (1, 3, 5))
        axes.plot(
            range(len(values)),
            list(values),
            color=shade,
            label=f"{sign.glyph} {label}",
            linestyle=_STROKES[place % len(_STROKES)],
            linewidth=max(4.5 - 1.5 * place, 2),
            marker=_MARKS.get(kinds[label], "."),
            markevery=max(1, len(values) // 8),
            markersize=8 - place % 3,
            markerfacecolor="white" if hollow else shade,
        )
    axes.tick_params(labelsize=11)
    axes.set_xlabel(x, fontsize=12)
    axes.set_ylabel(y, fontsize=12)
    plain(axes, "y")


def running_means(
    checkpoints: Sequence[Mapping[str, torch.Tensor]], *, title: str, x: str = "training step"
) -> Figure:
    """A figure with a panel for each batch norm layer: its `running_mean`, channel by channel, over
    `checkpoints`.

    `checkpoints` are state_dicts of one model in the order in which they were saved. Each key that
    ends in `running_mean` has a panel, each of its channels a curve. Raises `ValueError` where
    there is no such key."""
    names = [
        name
        for name in (checkpoints[0] if checkpoints else {})
        if name.split(".")[-1] == "running_mean"
    ]
    if not names:
        raise ValueError(
            "no running_mean in these checkpoints: save the state_dict of a model with batch norm layers"
        )
    figure = figure_of(title)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        channels = zip(*(state[name].tolist() for state in checkpoints), strict=True)
        lines = {f"channel {number}": values for number, values in enumerate(channels)}
        _draw_lines(axes, lines, dict.fromkeys(lines, "buffer"), x, "")
        axes.set_title(shown(name), fontsize=12, parse_math=False)
    figure.supylabel("running mean (units of the layer's input)", fontsize=12)
    widest = max(
        (axes.get_legend_handles_labels() for axes in panels), key=lambda found: len(found[0])
    )
    figure.legend(*widest, ncols=6, fontsize=11, **BELOW)
    return figure


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
        raise ValueError(f"nothing continued, or no step {step} in a run of {len(whole)} steps")
    figure = figure_of(title)
    panels = figure.subplots(1, len(continued), sharey=True, squeeze=False)[0]
    for axes, (label, values) in zip(panels, continued.items(), strict=True):
        axes.plot(range(len(whole)), whole, color="#9ecae9", linewidth=6, label="never stopped")
        steps = range(step, step + len(values))
        axes.plot(
            steps, values, color="#b3400e", linewidth=1.6, label=f"stopped at {step} and resumed"
        )
        axes.axvline(step, color="#555555", linewidth=1, linestyle=":")
        axes.set_title(shown(label), fontsize=12, parse_math=False)
        axes.set_xlabel("training step", fontsize=12)
        axes.tick_params(labelsize=11)
        plain(axes, "y")
    panels[0].set_ylabel(y, fontsize=12)
    figure.legend(handles=panels[0].get_lines()[:2], ncols=2, fontsize=11, **BELOW)
    return figure


def images(pictures: Mapping[str, torch.Tensor], *, title: str) -> Figure:
    """A figure with grey pictures side by side, {label: numbers of shape (height, width)}; black is
    the least.

    Raises `ValueError` for a tensor that has no height and width, and where there is no picture.
    """
    if not pictures or any(picture.dim() != 2 for picture in pictures.values()):
        raise ValueError("images takes at least one tensor of shape (height, width)")
    figure = figure_of(title, height=3.8)
    panels = figure.subplots(1, len(pictures), squeeze=False)[0]
    for axes, (label, picture) in zip(panels, pictures.items(), strict=True):
        drawn = axes.imshow(picture.tolist(), cmap="gray", interpolation="nearest")
        axes.set_title(label, fontsize=12, parse_math=False)
        axes.set_xlabel("column (pixels)", fontsize=11)
        axes.set_ylabel("row (pixels)", fontsize=11)
        figure.colorbar(drawn, ax=axes, shrink=0.7).ax.tick_params(labelsize=11)
    return figure
