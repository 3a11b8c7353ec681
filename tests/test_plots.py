"""The figures of `helpers.plots`: the numbers they draw, the cost they measure, looks that carry
meaning, and what they leave alone.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image
from torch import nn

from helpers import plots
from helpers.plots.cost import Cost, reading_costs
from helpers.plots.figure import INK, shade, shown
from helpers.state.objects import bytes_in_words
from helpers.state.snapshot import snapshot
from helpers.state.walk import NOT_SAVED
from helpers.views.signs import SIGNS
from tests.modules import fingerprint

MIB = 1024**2


class Mixed(nn.Module):
    """One tensor of each kind the figure draws."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4))
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.cache = torch.zeros(1)
        self.label = "not a tensor"


def drawn(figure):
    """{tick label: width of the bar}, in the unit of the axis, segments of one bar added up."""
    (axes,) = figure.axes
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    widths = dict.fromkeys(names, 0.0)
    for patch in axes.patches:
        widths[names[round(patch.get_y() + patch.get_height() / 2)]] += patch.get_width()
    return widths


def state_bytes(module):
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def test_every_tensor_of_a_small_module_has_a_bar_as_long_as_its_bytes():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.BatchNorm1d(3))
    widths = drawn(plots.where_the_bytes_are(snapshot(model)))
    assert widths == {name: tensor.nbytes for name, tensor in model.state_dict().items()}


def test_bars_stand_in_torchs_order_from_the_top():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    figure = plots.where_the_bytes_are(snapshot(model))
    assert list(drawn(figure)) == list(model.state_dict())
    low, high = figure.axes[0].get_ylim()
    assert low > high


def test_a_large_module_has_one_bar_per_submodule_and_loses_no_byte():
    model = nn.Transformer(device="meta", batch_first=True)
    widths = drawn(plots.where_the_bytes_are(snapshot(model)))
    layers = [f"{half}.layers.{index}" for half in ("encoder", "decoder") for index in range(6)]
    assert list(widths) == [*layers[:6], "encoder.norm", *layers[6:], "decoder.norm"]
    assert widths["decoder.layers.3"] == pytest.approx(state_bytes(model.decoder.layers[3]) / MIB)
    assert sum(widths.values()) == pytest.approx(state_bytes(model) / MIB)


def test_a_tied_tensor_is_drawn_once_under_its_first_name():
    model = nn.ModuleDict({"embed": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
    model["head"].weight = model["embed"].weight
    assert drawn(plots.where_the_bytes_are(snapshot(model))) == {"embed.weight": 80}


def test_a_parameter_in_a_plain_list_is_drawn_as_the_parameter_it_is():
    model = nn.Module()
    model.fc = nn.Linear(2, 2, bias=False)
    model.aliases = [model.fc.weight]
    assert drawn(plots.where_the_bytes_are(snapshot(model))) == {"fc.weight": 16}


def test_the_smallest_parts_of_a_flat_module_share_the_last_bar():
    model = nn.ParameterList([nn.Parameter(torch.zeros(size)) for size in (1, 9, 2, 8, 3)])
    widths = drawn(plots.where_the_bytes_are(snapshot(model), most=3))
    assert widths == {"1": 36, "3": 32, "3 others": 24}


def test_a_lazy_parameter_has_no_bar():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.LazyLinear(3))
    assert drawn(plots.where_the_bytes_are(snapshot(model))) == {"0.weight": 16}


def test_the_bars_that_the_title_counts_are_the_coloured_ones():
    model = nn.Transformer(device="meta", batch_first=True)
    figure = plots.where_the_bytes_are(snapshot(model))
    assert figure.get_suptitle() == "57% of the 168 MiB are in 6 of 14 parts"
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    patches = zip(names, figure.axes[0].patches, strict=True)
    colours = {name: to_hex(patch.get_facecolor()).upper() for name, patch in patches}
    blue = SIGNS["parameter"].colour
    assert [name for name in names if colours[name] == blue] == [
        f"decoder.layers.{number}" for number in range(6)
    ]
    assert {INK, blue} == set(colours.values())


def test_kinds_are_told_apart_without_colour_and_named_where_there_are_several():
    figure = plots.where_the_bytes_are(snapshot(Mixed()))
    kinds = ["parameter", "buffer", "non-persistent buffer", "plain tensor"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == kinds
    patches = figure.axes[0].patches
    assert [patch.get_width() for patch in patches] == [16, 12, 8, 4]
    for looks in ([*legend.get_patches()], patches):
        filled = {(patch.get_hatch(), patch.get_facecolor()[3]) for patch in looks}
        assert len(filled) == 4
        # What is hollow has a line around it, and so has what is hatched.
        edges = [patch.get_linewidth() > 0 and patch.get_edgecolor()[3] for patch in looks]
        assert [bool(edge) for edge in edges] == [False, True, True, True]
        assert all(one.get_edgecolor() != one.get_facecolor() for one in looks)
    for kind, patch in zip(kinds, legend.get_patches(), strict=True):
        colour = patch.get_edgecolor() if kind == NOT_SAVED else patch.get_facecolor()
        assert to_hex(colour) == to_hex(shade(SIGNS[kind].colour))
    figure.draw_without_rendering()
    assert legend.get_window_extent().y1 < figure.axes[0].get_window_extent().y0
    assert len({text.get_window_extent().y0 for text in legend.get_texts()}) == 1
    alone = plots.where_the_bytes_are(snapshot(nn.Linear(2, 3)))
    assert alone.legends == [] and "parameters" in alone.axes[0].get_xlabel()


def test_the_kinds_in_one_bar_stand_beside_each_other_and_its_words_behind_the_last():
    figure = plots.where_the_bytes_are(snapshot(nn.Sequential(Mixed(), nn.Linear(1, 1))), most=2)
    (axes,) = figure.axes
    mixed = [patch for patch in axes.patches if patch.get_y() < 0.5]
    assert [(patch.get_x(), patch.get_width()) for patch in mixed] == [
        (0, 16),
        (16, 12),
        (28, 8),
        (36, 4),
    ]
    assert [text.get_position() for text in axes.texts] == [(40, 0), (8, 1)]
    figure.draw_without_rendering()
    assert all(text.get_window_extent().x1 < axes.get_window_extent().x1 for text in axes.texts)


def test_the_title_is_computed_from_the_bars():
    one = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 6))
    assert (
        plots.where_the_bytes_are(snapshot(one)).get_suptitle()
        == "55% of the 132 bytes are in 1.weight"
    )
    assert 72 / (24 + 12 + 72 + 24) == pytest.approx(0.55, abs=0.005)
    equal = nn.ParameterList([nn.Parameter(torch.zeros(256)) for _ in range(4)])
    assert (
        plots.where_the_bytes_are(snapshot(equal)).get_suptitle()
        == "75% of the 4,096 bytes are in 3 of 4 parts"
    )


def test_sizes_and_shares_stand_beside_the_bars_and_the_axis_names_its_unit():
    model = nn.ParameterDict({"large": torch.zeros(3 * MIB // 4), "small": torch.zeros(512)})
    (axes,) = plots.where_the_bytes_are(snapshot(model)).axes
    assert [text.get_text().split() for text in axes.texts] == [
        ["3", "MiB", "(100%)"],
        ["2,048", "bytes", "(under", "1%)"],
    ]
    assert axes.get_xlabel() == "size of the parameters (MiB)"
    assert axes.get_ylabel() == "part of the module"


def test_a_share_of_one_percent_is_told_and_a_smaller_one_is_under_it():
    model = nn.ParameterDict({"a": torch.zeros(98), "b": torch.zeros(1), "c": torch.zeros(1)})
    (axes,) = plots.where_the_bytes_are(snapshot(model)).axes
    shares = [text.get_text().split()[2:] for text in axes.texts]
    assert shares == [["(98%)"], ["(1%)"], ["(1%)"]]
    model["a"] = torch.zeros(99)
    (axes,) = plots.where_the_bytes_are(snapshot(model)).axes
    assert [text.get_text().split()[2:] for text in axes.texts][1:] == [["(under", "1%)"]] * 2


def test_sixteen_tensors_have_a_bar_each_and_seventeen_the_bars_of_their_parts():
    for count, bars in ((8, 16), (9, 9)):
        model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(count)])
        assert len(drawn(plots.where_the_bytes_are(snapshot(model)))) == bars
    # As deep in the tree as the bars reach; what the root holds keeps its name.
    deep = nn.Sequential(nn.Sequential(model[0], nn.Sequential(model[1], model[2])), model[3])
    deep.scale = nn.Parameter(torch.zeros(1))
    found = {most: [bar.label for bar in plots.bars_of(snapshot(deep), most)] for most in (3, 4, 6)}
    assert found == {
        3: ["scale", "0", "1"],
        4: ["scale", "0.0", "0.1", "1"],
        6: ["scale", "0.0", "0.1.0", "0.1.1", "1"],
    }


def test_a_hostile_name_is_drawn_as_the_text_it_is():
    model = nn.Module()
    for name in ("$x_{$", "a\nb", "</script>", "n" * 10_000):
        model.register_parameter(name, nn.Parameter(torch.zeros(1)))
    figure = plots.where_the_bytes_are(snapshot(model))
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names[:3] == ["$x_{$", "a\\nb", "</script>"]
    assert len(names[3]) <= 36 and "…" in names[3]
    assert figure._repr_png_()[0].startswith(b"\x89PNG")


def test_the_figure_shows_itself_in_a_notebook_with_a_text_that_never_changes():
    figure = plots.where_the_bytes_are(snapshot(nn.Linear(2, 3)))
    picture, metadata = figure._repr_png_()
    assert picture == figure._repr_png_()[0] and picture.startswith(b"\x89PNG")
    assert metadata["alt"] == figure.get_suptitle()
    assert repr(figure).startswith("<Figure size ")


DRAW_IN_A_FRESH_PYTHON = """\
import sys, torch
from helpers import plots, snapshot
assert "matplotlib" not in sys.modules
state = snapshot(torch.nn.Linear(2, 3))
import matplotlib
before = matplotlib.rcParams.copy()
plots.where_the_bytes_are(state)._repr_png_()
assert "matplotlib.pyplot" not in sys.modules and matplotlib.rcParams.copy() == before
"""


def test_a_plot_neither_imports_pyplot_nor_changes_a_setting():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW_IN_A_FRESH_PYTHON],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_open_figures_of_pyplot_stay_as_they_were():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plots.where_the_bytes_are(snapshot(nn.Linear(2, 3)))
    assert plt.get_fignums() == before


def test_the_module_is_no_snapshot_and_the_error_says_so():
    words = r"^where_the_bytes_are takes snapshot\(module\), got Linear$"
    with pytest.raises(TypeError, match=words):
        plots.where_the_bytes_are(nn.Linear(2, 3))
    with pytest.raises(TypeError, match="got OrderedDict"):
        plots.where_the_bytes_are(nn.Linear(2, 3).state_dict())


@pytest.mark.parametrize(
    "most, error, message",
    [
        (1, ValueError, "^most must be at least 2, got 1$"),
        (2.5, TypeError, "^most is a number of bars, an int, got float$"),
        (True, TypeError, "^most is a number of bars, an int, got bool$"),
    ],
)
def test_a_wrong_most_is_refused(most, error, message):
    with pytest.raises(error, match=message):
        plots.where_the_bytes_are(snapshot(nn.Linear(2, 3)), most=most)


@pytest.mark.parametrize("module", [nn.ReLU(), nn.LazyLinear(3), nn.Embedding(0, 4)])
def test_a_module_without_a_byte_is_refused(module):
    words = "this module holds no tensor with a byte in it: there is nothing to draw"
    with pytest.raises(ValueError, match=f"^{words}$"):
        plots.where_the_bytes_are(snapshot(module))


def test_tensors_whose_bytes_torch_does_not_tell_are_counted_in_the_title():
    model = nn.Linear(2, 2, bias=False)
    model.scale = nn.Parameter(torch.eye(2).to_sparse())
    title = plots.where_the_bytes_are(snapshot(model)).get_suptitle()
    assert title == "100% of the 16 bytes are in weight (without 1 tensor of unknown bytes)"
    model.again, model.mask = nn.Module(), torch.eye(3).to_sparse()
    model.again.scale = model.scale
    title = plots.where_the_bytes_are(snapshot(model)).get_suptitle()
    assert title.endswith("are in weight (without 2 tensors of unknown bytes)")
    words = "^this module holds no tensor of which torch tells the bytes: there is nothing to draw$"
    with pytest.raises(ValueError, match=words):
        plots.where_the_bytes_are(snapshot(model.again))


def test_two_tensors_under_one_path_are_both_drawn():
    model = nn.Module()
    model.c = nn.Parameter(torch.ones(50))
    model._parameters["a.b"] = model.c  # torch's own register_parameter refuses the dot
    model.a = nn.Module()
    model.a.b = nn.Parameter(torch.ones(100))
    found = snapshot(model)
    assert sum(bar.total for bar in plots.bars_of(found, 16)) == found.totals.nbytes == 600


# --- looks that all figures share ---


def run_of_batch_norms() -> list[dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    model, states = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 3), nn.BatchNorm1d(3)), []
    for number in range(4):
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        model(torch.arange(8.0).reshape(4, 2) * number)
    return states


def curves(lines: dict | None = None, **changes) -> Figure:
    given = {
        "kinds": {"kept": "buffer", "lost": "plain value"},
        "title": "One is kept",
        "x": "step",
        "y": "value (m)",
    }
    return plots.curves(lines or {"kept": [1.0, 2.0, 4.0], "lost": [1, 0]}, **{**given, **changes})


WAYS = ("_parameters", "named_parameters()", "parameters()", "copying each")


def costs(over: str = "nbytes", ways: tuple[str, ...] = WAYS) -> list[Cost]:
    """Made-up measurements: all are flat, but "copying each" allocates as much as there is."""
    return [
        Cost(
            way,
            tensors=4 if over == "nbytes" else size,
            nbytes=size,
            seconds=2e-6 * place,
            allocated=size if way == "copying each" else 100 * place,
        )
        for size in (1_000, 10_000, 100_000)
        for place, way in enumerate(ways, start=1)
    ]


ACCESS = {
    "a plain object": {"read": 1e-8, "set": 2e-8},
    "a module": {"read": 5e-8, "set": 1.5e-6},
    "a layer": {"call": 9e-6},
}
SAME = {f"line {number}": [3.0, 1.0, 2.0] for number in range(4)}
DOLLARS = "x$_{a}$y"  # matplotlib would take it for a formula
OF_DOLLARS: dict[str, Callable[[], Figure]] = {
    "bytes": lambda: plots.where_the_bytes_are(
        snapshot(nn.ParameterDict({DOLLARS: torch.ones(1)}))
    ),
    "curves": lambda: plots.curves(
        {DOLLARS: [1, 2]}, kinds={DOLLARS: "buffer"}, title=DOLLARS, x="step", y="m"
    ),
    "running means": lambda: plots.running_means(
        [{f"{DOLLARS}.running_mean": torch.ones(1)}] * 2, title=DOLLARS
    ),
    "resumed": lambda: plots.resumed([2, 1], {DOLLARS: [1]}, step=1, title=DOLLARS, y="loss"),
    "images": lambda: plots.images({DOLLARS: torch.ones(2, 2)}, title=DOLLARS),
}


@pytest.mark.parametrize("make", OF_DOLLARS.values(), ids=OF_DOLLARS)
def test_names_and_titles_are_no_formulas(make):
    told = [one for one in make().findobj(Text) if DOLLARS in one.get_text()]
    assert told and not any(one.get_parse_math() for one in told)


FIGURES: dict[str, Callable[[], Figure]] = {
    "bytes": lambda: plots.where_the_bytes_are(snapshot(Mixed())),
    "curves": curves,
    "curves on one another": lambda: curves(SAME, kinds=dict.fromkeys(SAME, "buffer")),
    "running means": lambda: plots.running_means(run_of_batch_norms(), title="They move"),
    "resumed": lambda: plots.resumed([5.0, 4.0, 3.0], {"a": [3.0]}, step=2, title="On", y="loss"),
    "cost of reading": lambda: plots.cost_of_reading(costs()),
    "cost of access": lambda: plots.cost_of_access(ACCESS),
}
each_figure = pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)


def luminance(colours: np.ndarray) -> np.ndarray:
    """The relative luminance of sRGB colours, as the guidelines for accessibility define it."""
    parts = colours[..., :3] / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def contrast(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lights = np.broadcast_arrays(luminance(one), luminance(other))
    return (np.maximum(*lights) + 0.05) / (np.minimum(*lights) + 0.05)


WHITE, BLACK = np.array([255, 255, 255]), np.array([0x11, 0x11, 0x11])


@each_figure
def test_what_is_drawn_stands_out_from_a_white_page_and_from_a_black_one(make):
    drawn = io.BytesIO()
    make().savefig(drawn, format="png")
    pixels = np.asarray(Image.open(drawn))
    assert pixels[0, 0, 3] == pixels[-1, -1, 3] == 0  # the ground is transparent
    solid = pixels[pixels[..., 3] == 255]
    assert len(solid) > 1_000
    for ground in (WHITE, BLACK):
        assert contrast(solid, ground).min() > 2.95


def test_words_have_the_contrast_that_one_grey_can_have_with_both_pages():
    ink = np.array([int(INK[at : at + 2], 16) for at in (1, 3, 5)])
    best = contrast(WHITE, BLACK) ** 0.5
    assert min(contrast(ink, WHITE), contrast(ink, BLACK)) > best - 0.1 > 4.2


@each_figure
def test_a_figure_is_drawn_twice_with_the_same_bytes(make):
    assert make()._repr_png_() == make()._repr_png_()


# Of each figure its inches; of each panel its title, and the names of its axes.
SIZE = "size of the parameters"
MEANS = "running mean (units of the layer's input)"
TOLD = {
    "bytes": ((9, 2.84), [("", "size of the tensors (bytes)", "part of the module")]),
    "curves": ((9, 4), [("", "step", "value (m)")]),
    "curves on one another": ((9, 4), [("", "step", "value (m)")]),
    "running means": (
        (10, 4),
        [("0.running_mean", "training step", MEANS), ("2.running_mean", "training step", "")],
    ),
    "resumed": ((9, 4), [("a", "training step", "loss")]),
    "cost of reading": ((10, 4), [("", SIZE, "memory allocated"), ("", SIZE, "time")]),
    "cost of access": ((10, 3), [("", "time", "")]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_has_its_size_and_each_panel_its_words(name):
    figure = FIGURES[name]()
    words = [(axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]
    inches = tuple(map(float, figure.get_size_inches()))
    assert (inches, words) == (pytest.approx(TOLD[name][0]), TOLD[name][1])
    ruled = {
        axis.axis_name
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if axis.get_gridlines()[0].get_visible()
    }
    assert ruled == {"bytes": set(), "cost of reading": {"x", "y"}, "cost of access": {"x"}}.get(
        name, {"y"}
    )


def spread(axes) -> np.ndarray:
    """The lowest and the highest of what is drawn, across and up, as parts of the panel."""
    lines = [line for line in axes.lines if line.get_transform() == axes.transData]
    drawn = [axes.transData.transform(line.get_xydata()) for line in lines]
    drawn += [patch.get_window_extent().get_points() for patch in axes.patches]
    places = axes.transAxes.inverted().transform(np.concatenate(drawn))
    return np.array([places.min(axis=0), places.max(axis=0)])


@each_figure
def test_what_is_drawn_fills_its_panel_and_words_stand_inside_the_figure_on_no_other(make):
    figure = make()
    figure.draw_without_rendering()
    for axes in figure.axes:
        low, high = spread(axes)
        assert (low > -0.01).all() and (high < 1.01).all()
        assert (high - low > 0.65).all()
    labels = {*figure.findobj(Annotation), *(text for axes in figure.axes for text in axes.texts)}
    boxes = [label.get_window_extent() for label in labels]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    width, height = figure.canvas.get_width_height()
    assert all(0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height for box in boxes)


def ticks(axis) -> list[Text]:
    """The words along an axis that are in sight, those between its larger ticks too."""
    low, high = sorted(axis.get_view_interval())
    return [
        label
        for label in (*axis.get_ticklabels(), *axis.get_ticklabels(minor=True))
        if label.get_text() and low <= label.get_position()["xy".index(axis.axis_name)] <= high
    ]


def assert_ticks_can_be_read(figure: Figure) -> None:
    """Each axis has words along it, and none lies on another."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [label.get_window_extent() for label in ticks(axis)]
            assert boxes and not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@each_figure
def test_the_words_along_each_axis_can_be_read(make):
    assert_ticks_can_be_read(make())


@pytest.mark.parametrize("over", ["nbytes", "tensors"])
@pytest.mark.parametrize("span", [4, 100, 16_384])
def test_the_words_along_the_axes_of_a_cost_can_be_read_however_far_apart_the_sizes_are(span, over):
    least = 1_000
    measured = [
        Cost(way, size, size, 100 * place + size, 2e-6 * place * (size / least) ** 0.5)
        for size in (least, least * span)
        for place, way in enumerate(WAYS, start=1)
    ]
    assert_ticks_can_be_read(plots.cost_of_reading(measured, over=over))


@pytest.mark.parametrize("ratio", [3, 99, 10_000])
def test_a_time_along_an_axis_has_its_unit_however_near_the_times_are(ratio):
    figure = plots.cost_of_access({"a": {"read": 2.1e-7}, "b": {"read": 2.1e-7 * ratio}})
    assert_ticks_can_be_read(figure)
    words = [label.get_text() for label in ticks(figure.axes[0].xaxis)]
    assert all(re.fullmatch(r"\d+ [nµm]?s", word) for word in words)


def test_a_picture_has_few_colours_and_more_pixels_than_the_page_shows():
    figure = curves()
    picture, metadata = figure._repr_png_()
    with Image.open(io.BytesIO(picture)) as opened:
        assert opened.size == (9 * 144, 4 * 144)
        assert opened.mode == "P" and len(opened.getcolors()) <= 64
    assert metadata == {"width": 864, "height": 384, "alt": "One is kept"}


def test_a_long_label_loses_its_middle_and_what_does_not_print_is_escaped():
    assert shown("a" * 36) == "a" * 36
    assert shown("a" * 20 + "b" * 17) == "a" * 17 + "…" + "a" + "b" * 17
    assert shown("é\t\u202e$") == "é\\t\\u202e$"


def test_a_shade_is_the_nearest_or_the_farthest_of_those_that_stand_out():
    for sign in SIGNS.values():
        near, far = (
            float(luminance(255 * np.array(shade(sign.colour, number)))) for number in (0, 1)
        )
        colour = sign.colour
        own = float(luminance(np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])))
        assert near == pytest.approx(min(max(own, 0.12), 0.295), abs=0.002)
        assert far == pytest.approx(max(0.12, 0.295, key=lambda end: abs(end - near)), abs=0.002)
        assert shade(colour, 2) == shade(colour) and shade(colour, 3) == shade(colour, 1)


# --- over time ---


def lines_of(axes) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines}


def labels(axes) -> set[str]:
    """What stands at the ends of the lines."""
    return {label.get_text().strip() for label in axes.texts if isinstance(label, Annotation)}


def test_curves_draw_the_numbers_given_from_step_zero_on():
    (axes,) = curves().axes
    assert lines_of(axes) == {"kept": [1, 2, 4], "lost": [1, 0]}
    assert [list(line.get_xdata()) for line in axes.lines] == [[0, 1, 2], [0, 1]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "value (m)")
    assert curves().get_suptitle() == "One is kept"
    assert labels(axes) == {"kept", "lost"} and curves().legends == []


def test_a_curve_has_the_looks_of_its_kind_and_two_of_a_kind_differ_without_colour():
    kept, lost = curves(kinds={"kept": "parameter", "lost": "non-persistent buffer"}).axes[0].lines
    assert to_hex(kept.get_color()).upper() == SIGNS["parameter"].colour
    assert (kept.get_marker(), lost.get_marker()) == ("s", "o")
    assert lost.get_markerfacecolor() == "none"  # hollow, as its sign
    kept, lost = curves(kinds={"kept": "buffer", "lost": "buffer"}).axes[0].lines
    assert kept.get_linestyle() != lost.get_linestyle() and kept.get_color() != lost.get_color()


def test_the_first_curve_is_the_broadest_and_about_eight_marks_stand_on_each():
    kinds = ["parameter", "non-persistent buffer", "buffer", "plain value", "plain tensor"]
    lengths = (3, 80, 8, 24, 2)
    given = {kind: list(range(most)) for kind, most in zip(kinds, lengths, strict=True)}
    lines = curves(given, kinds={kind: kind for kind in kinds}).axes[0].lines
    first, *others = [line.get_linewidth() for line in lines]
    assert first > 2 * max(others) and len(set(others)) == 1
    solid, hollow, *rest = [line.get_markersize() for line in lines]
    assert hollow > solid == rest[0] == rest[1]
    assert [line.get_markevery() for line in lines] == [1, 10, 1, 3, 1]
    assert [line.get_marker() for line in lines] == ["s", "o", "o", ".", "X"]
    for line, kind in zip(lines, kinds, strict=True):
        hollow = kind == "non-persistent buffer"
        assert line.get_markerfacecolor() == ("none" if hollow else line.get_color())
    strokes = [line.get_linestyle() for line in lines]
    assert len(set(strokes)) == 4 and strokes[4] == strokes[0]


def test_curves_refuse_a_line_without_a_kind_and_no_line_at_all():
    with pytest.raises(ValueError, match="^kinds does not say what 'lost' is$"):
        curves(kinds={"kept": "buffer"})
    with pytest.raises(ValueError, match="^kinds does not say what 'kept' is$"):
        curves(kinds={"kept": "bufer", "lost": "buffer"})
    with pytest.raises(ValueError, match="^there is no line to draw$"):
        plots.curves({}, kinds={}, title="", x="", y="")


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "words", "end"),
    [
        ([4.0, 2.0, NAN], "a, then nan", (1, 2.0)),
        ([4.0, 2.0, INF, NAN], "a, then nan", (1, 2.0)),
        ([4.0, 2.0, 9.0, -INF], "a, then -inf", (2, 9.0)),
        ([NAN, 2.0], "a", (1, 2.0)),
    ],
)
def test_the_label_of_a_run_that_ends_in_no_number_stands_where_its_curve_ends(values, words, end):
    lines = {"a": values, "b": [1.0, 8.0, 1.0, 1.0]}
    (axes,) = curves(lines, kinds=dict.fromkeys(lines, "buffer")).axes
    (label,) = (one for one in axes.texts if one.get_text().strip().startswith("a"))
    assert label.get_text().strip() == words
    at, height = label.xy
    low, high = axes.get_ylim()
    assert (at, low + height * (high - low)) == pytest.approx(end)


def test_the_label_of_a_curve_without_a_point_stands_in_the_corner_and_says_so():
    lines = {"a": [NAN, INF], "b": [1.0, 8.0]}
    (axes,) = curves(lines, kinds=dict.fromkeys(lines, "buffer")).axes
    label, _ = axes.texts
    assert label.get_text().strip() == "a, never finite"
    assert label.xy == (axes.get_xlim()[0], 0)
    axes.figure._repr_png_()


class Falling(torch.Tensor):
    """A class of one's own, with numbers."""


@pytest.mark.parametrize(
    "values",
    [
        torch.tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([1.0, 2.0], dtype=torch.bfloat16),
        torch.tensor([1.0, 2.0]).as_subclass(Falling),
        [torch.tensor(1.0, requires_grad=True), torch.tensor([2])],
        np.array([1, 2]),
        (1, np.float32(2)),
    ],
)
def test_numbers_are_drawn_wherever_they_stand(values):
    line, _ = curves({"kept": values, "lost": [0]}).axes[0].lines
    assert list(line.get_ydata()) == [1, 2]
    (axes,) = plots.resumed(values, {"x": values}, step=1, title="", y="").axes
    assert [list(line.get_ydata()) for line in axes.lines[:2]] == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ([], ValueError, "sequence of numbers, got an empty one"),
        (None, TypeError, "sequence of numbers, got None"),
        (3, TypeError, "sequence of numbers, got 3"),
        ("12", TypeError, "sequence of numbers, got '12'"),
        ({1: 2}, TypeError, "sequence of numbers, got dict of 1"),
        ([1, None], TypeError, "sequence of numbers, and holds None"),
        (["1"], TypeError, "sequence of numbers, and holds '1'"),
        ([1j], TypeError, "sequence of numbers, and holds 1j"),
        ([np.complex64(1j)], TypeError, "sequence of numbers, and holds complex64"),
        ([torch.ones(2)], TypeError, "sequence of numbers, and holds Tensor"),
        (torch.ones(2, 2), ValueError, "tensor of shape (steps,), got 2 × 2"),
        (
            torch.ones(2, device="meta"),
            ValueError,
            "tensor of shape (steps,); this one has no numbers: the tensor is on the meta device",
        ),
    ],
)
def test_a_line_without_numbers_is_refused_by_its_name(values, error, words):
    def told(name):
        return f"^{re.escape(f'{name} is a {words}')}$"

    with pytest.raises(error, match=told("curves: 'kept'")):
        curves({"kept": values, "lost": [0]})
    with pytest.raises(error, match=told("resumed: 'kept'")):
        plots.resumed([1, 2], {"kept": values}, step=1, title="", y="")
    with pytest.raises(error, match=told("resumed: the whole run")):
        plots.resumed(values, {"kept": [1]}, step=0, title="", y="")


def test_what_is_no_mapping_of_labels_is_refused():
    with pytest.raises(TypeError, match=r"^curves takes lines as {label: values}, got \[1, 2\]$"):
        curves([1, 2])
    with pytest.raises(TypeError, match="^curves takes kinds as {label: kind of state}, got None$"):
        curves(kinds=None)
    with pytest.raises(ValueError, match="^kinds does not say what 'kept' is$"):
        curves(kinds={"kept": [], "lost": "buffer"})
    words = r"^resumed takes what continued as {label: values}, got \[1\]$"
    with pytest.raises(TypeError, match=words):
        plots.resumed([1, 2], [1], step=1, title="", y="")


def test_a_label_that_is_no_text_is_drawn_as_one():
    (axes,) = plots.curves({3: [1, 2]}, kinds={3: "buffer"}, title="", x="", y="").axes
    assert labels(axes) == {"3"}
    assert plots.images({3: torch.eye(2)}, title="").axes[0].get_title().startswith("3 (")
    (axes,) = plots.resumed([1, 2], {3: [1]}, step=1, title="", y="").axes
    assert axes.get_title() == "3"


def test_running_means_have_a_panel_for_each_layer_and_a_curve_for_each_channel():
    states = run_of_batch_norms()
    figure = plots.running_means(states, title="They move")
    assert [axes.get_title() for axes in figure.axes] == ["0.running_mean", "2.running_mean"]
    for axes in figure.axes:
        drawn = list(lines_of(axes).values())
        expected = torch.stack([state[axes.get_title()] for state in states]).T
        assert torch.equal(torch.tensor(drawn), expected)
        assert labels(axes) == {f"channel {number}" for number in range(len(drawn))}
    assert figure.axes[0].get_xlabel() == "training step"
    assert "units" in figure.axes[0].get_ylabel()


@pytest.mark.parametrize("channels", [12, 13, 64])
def test_a_layer_of_many_channels_has_curves_without_labels(channels):
    state = nn.BatchNorm1d(channels).state_dict()
    figure = plots.running_means([state, state], title="T $", x="epoch")
    (axes,) = figure.axes
    assert (figure.get_suptitle(), axes.get_xlabel()) == ("T $", "epoch")
    assert len(axes.lines) == channels and len(labels(axes)) == (channels if channels < 13 else 0)


@pytest.mark.parametrize(
    "states", [[], [nn.Linear(2, 2).state_dict()], [{"running_mean_of_what": torch.ones(1)}]]
)
def test_checkpoints_without_a_running_mean_are_refused(states):
    words = "no running_mean in these checkpoints: save the state_dict of a model with batch norm"
    with pytest.raises(ValueError, match=f"^{words} layers$"):
        plots.running_means(states, title="")


@pytest.mark.parametrize(
    "other, found", [(nn.BatchNorm1d(3), "(3,)"), (nn.Linear(2, 2), "missing")], ids=str
)
def test_checkpoints_of_different_models_are_refused(other, found):
    words = "checkpoint 1 is of another model than checkpoint 0: running_mean, there (2,), is "
    with pytest.raises(ValueError, match=f"^{re.escape(words + found)}$"):
        plots.running_means([nn.BatchNorm1d(2).state_dict(), other.state_dict()], title="")


@pytest.mark.parametrize(
    ("checkpoints", "error", "words"),
    [
        (
            {"running_mean": torch.ones(2)},
            TypeError,
            "running_means takes a list of state_dicts, got dict of 1; pass [state_dict]",
        ),
        (None, TypeError, "running_means takes a list of state_dicts, got None"),
        (
            [nn.BatchNorm1d(2)],
            TypeError,
            "running_means takes a list of state_dicts; checkpoint 0 is none, got BatchNorm1d",
        ),
        (
            [{"running_mean": None}],
            TypeError,
            "running_means: running_mean is a tensor of shape (channels,), got None",
        ),
        (
            [{"running_mean": torch.ones(2)}, {"running_mean": None}],
            ValueError,
            "checkpoint 1 is of another model than checkpoint 0: running_mean, there (2,), is None",
        ),
        (
            [{"running_mean": torch.ones(())}],
            ValueError,
            "running_means: running_mean is a tensor of shape (channels,), got scalar",
        ),
        (
            [nn.BatchNorm1d(2, device="meta").state_dict()],
            ValueError,
            "running_means: running_mean is a tensor of shape (channels,); this one has no "
            "numbers: the tensor is on the meta device",
        ),
        (
            [nn.LazyBatchNorm1d().state_dict()],
            ValueError,
            "running_means: running_mean is a tensor of shape (channels,); this one has no "
            "numbers yet: the tensor is lazy",
        ),
    ],
)
def test_what_is_no_checkpoint_with_means_is_refused(checkpoints, error, words):
    with pytest.raises(error, match=f"^{re.escape(words)}$"):
        plots.running_means(checkpoints, title="")


def test_checkpoints_may_come_one_by_one_and_have_keys_that_are_no_text():
    states = ({1: 2, "running_mean": torch.ones(2)} for _ in range(3))
    (axes,) = plots.running_means(states, title="").axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[1, 1, 1]] * 2


def test_images_show_the_numbers_given_in_grey_and_say_what_black_and_white_are():
    pictures = {"a": torch.arange(6.0).reshape(2, 3), "b": -torch.eye(2)}
    figure = plots.images(pictures, title="Two")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["a (black 0, white 5)", "b (black -1, white -0)"]
    for axes, picture in zip(figure.axes, pictures.values(), strict=True):
        assert torch.equal(torch.tensor(axes.images[0].get_array().tolist()), picture)
        assert axes.images[0].get_cmap().name == "gray"
        assert axes.images[0].get_interpolation() == "nearest"
        assert all(spine.get_visible() for spine in axes.spines.values())
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("column (pixels)", "row (pixels)")


def test_numbers_that_are_not_finite_are_left_blank_and_black_and_white_are_of_the_others():
    nan, inf = float("nan"), float("inf")
    pictures = {
        "p": torch.tensor([[nan, 1.0], [2.0, 3.0]]),
        "q": torch.tensor([[inf, -inf], [5.0, -2.0]]),
        "r": torch.full((1, 2), nan),
    }
    figure = plots.images(pictures, title="")
    assert [axes.get_title() for axes in figure.axes] == [
        "p (black 1, white 3; 1 not finite: left blank)",
        "q (black -2, white 5; 2 not finite: left blank)",
        "r (2 not finite: left blank)",
    ]
    figure._repr_png_()
    assert [axes.images[0].get_clim() for axes in figure.axes[:2]] == [(1, 3), (-2, 5)]
    for axes, picture in zip(figure.axes, pictures.values(), strict=True):
        seen = axes.images[0].to_rgba(axes.images[0].get_array())[..., 3]
        assert torch.equal(torch.tensor(seen) > 0, picture.isfinite())


SHAPE = "images: 'a' is a tensor of shape (height, width)"


@pytest.mark.parametrize(
    ("pictures", "error", "words"),
    [
        ({}, ValueError, "images takes at least one tensor of shape (height, width)"),
        (torch.eye(2), TypeError, "images takes pictures as {label: tensor}, got Tensor"),
        ({"a": torch.ones(3)}, ValueError, f"{SHAPE}, got 3"),
        ({"a": torch.ones(1, 3, 3)}, ValueError, f"{SHAPE}, got 1 × 3 × 3"),
        ({"a": [[1, 2]]}, TypeError, f"{SHAPE}, got list of 1"),
        ({"a": None}, TypeError, f"{SHAPE}, got None"),
        (
            {"a": torch.ones(0, 3)},
            ValueError,
            f"{SHAPE}; this one has no numbers: the tensor is empty",
        ),
        (
            {"a": torch.ones(2, 2, device="meta")},
            ValueError,
            f"{SHAPE}; this one has no numbers: the tensor is on the meta device",
        ),
        (
            {"a": nn.LazyLinear(2).weight},
            ValueError,
            f"{SHAPE}; this one has no numbers yet: the tensor is lazy",
        ),
        (
            {"a": torch.eye(2).to_sparse()},
            ValueError,
            f"{SHAPE}, got the layout torch.sparse_coo; pass its to_dense()",
        ),
        (
            {"a": torch.eye(2) * 1j},
            ValueError,
            f"{SHAPE}, got complex numbers; pass its abs(), its real or its imag",
        ),
    ],
)
def test_what_is_no_picture_is_refused(pictures, error, words):
    with pytest.raises(error, match=f"^{re.escape(words)}$"):
        plots.images(pictures, title="")


def test_a_picture_may_be_of_any_dtype_and_want_a_gradient():
    for dtype in (torch.bool, torch.uint8, torch.int64, torch.bfloat16):
        figure = plots.images({"a": torch.eye(2).to(dtype)}, title="")
        assert figure.axes[0].get_title() == "a (black 0, white 1)"
    wanting = torch.eye(2, requires_grad=True)
    assert plots.images({"a": wanting}, title="").axes[0].get_title() == "a (black 0, white 1)"
    assert wanting.requires_grad and wanting.grad is None


def test_a_resumed_run_lies_on_the_whole_one_from_its_step_on():
    whole, continued = [5.0, 4.0, 3.0, 2.0], {"full": [3.0, 2.0], "half $": [6.0, 5.0]}
    figure = plots.resumed(whole, continued, step=2, title="T $", y="loss (nats)")
    assert figure.get_suptitle() == "T $"
    assert [axes.get_title() for axes in figure.axes] == ["full", "half $"]
    for axes, values in zip(figure.axes, continued.values(), strict=True):
        broad, thin, mark = axes.get_lines()
        assert list(broad.get_ydata()) == whole and list(broad.get_xdata()) == [0, 1, 2, 3]
        assert list(thin.get_ydata()) == values and list(thin.get_xdata()) == [2, 3]
        assert set(mark.get_xdata()) == {2} and mark.get_linestyle() == ":"
        assert broad.get_linewidth() > 2 * thin.get_linewidth() > 2 * mark.get_linewidth()
        light, dark = (luminance(255 * np.array(to_rgb(one.get_color()))) for one in (broad, thin))
        assert light > 2 * dark and mark.get_color() == thin.get_color()
        (stopped,) = (text for text in axes.texts if not isinstance(text, Annotation))
        assert (stopped.get_text(), stopped.get_position()) == (" stopped", (2, 1))
        assert labels(axes) == {"never stopped", "resumed"}
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[0].get_ylabel() == "loss (nats)"


@pytest.mark.parametrize(("continued", "step"), [({}, 1), ({"a": [1.0]}, 2), ({"a": [1.0]}, -1)])
def test_nothing_resumed_or_a_step_outside_the_run_is_refused(continued, step):
    words = f"^nothing continued, or no step {step} in a run of 2 steps$"
    with pytest.raises(ValueError, match=words):
        plots.resumed([1.0, 2.0], continued, step=step, title="", y="")


@pytest.mark.parametrize("step", ["1", 1.0, None, True])
def test_a_step_that_is_no_int_is_refused(step):
    words = f"^step is the number of a step, an int, got {type(step).__name__}$"
    with pytest.raises(TypeError, match=words):
        plots.resumed([1.0, 2.0], {"a": [1.0]}, step=step, title="", y="")


# --- cost: drawn ---


def test_the_cost_of_reading_is_drawn_as_it_was_measured():
    memory, time = plots.cost_of_reading(costs()).axes
    for axes in (memory, time):
        assert all(list(line.get_xdata()) == [1_000, 10_000, 100_000] for line in axes.lines)
        assert axes.get_xlabel() == "size of the parameters"
        assert axes.get_xscale() == axes.get_yscale() == "log"
        assert labels(axes) == set(WAYS)
    assert list(lines_of(memory).values()) == [
        [100] * 3,
        [200] * 3,
        [300] * 3,
        [1_000, 10_000, 100_000],
    ]
    assert lines_of(time)["parameters()"] == pytest.approx([6e-6] * 3)
    memory.figure.draw_without_rendering()
    for axis in (memory.xaxis, memory.yaxis):
        told = {label.get_position(): label.get_text() for label in axis.get_ticklabels()}
        sizes = [max(place) for place in told]
        assert list(told.values()) == [bytes_in_words(round(size)) for size in sizes]
        assert len(told) > 1 and "KiB" in " ".join(told.values())
    assert [label.get_text() for label in ticks(time.yaxis)] == ["2 µs", "5 µs"]


def test_a_way_of_reading_has_no_sign_and_no_colour_and_a_stroke_of_its_own():
    figure = plots.cost_of_reading(costs())
    for axes in figure.axes:
        assert {(line.get_color(), line.get_marker()) for line in axes.lines} == {(INK, "None")}
        assert len({line.get_linestyle() for line in axes.lines}) == 4
    assert figure.legends == []


@pytest.mark.parametrize(
    ("slow", "title"),
    [
        ((), "Larger tensors: more memory only in copying each, more time in no way"),
        (("copying each",), "Larger tensors take more memory and time only in copying each"),
        (
            WAYS[1:],
            "Larger tensors: more memory only in copying each, "
            "more time in all ways but _parameters",
        ),
        (WAYS, "Larger tensors: more memory only in copying each, more time in every way"),
    ],
)
def test_the_title_says_which_ways_grow_and_they_are_broad(slow, title):
    measured = [
        replace(cost, seconds=cost.nbytes * 1e-9) if cost.way in slow else cost for cost in costs()
    ]
    figure = plots.cost_of_reading(measured)
    assert figure.get_suptitle() == title
    thin = min(line.get_linewidth() for axes in figure.axes for line in axes.lines)
    for axes, growing in zip(figure.axes, (("copying each",), slow), strict=True):
        broad = {line.get_label() for line in axes.lines if line.get_linewidth() > thin}
        assert broad == set(growing)


@pytest.mark.parametrize(
    ("allocated", "seconds", "memory", "time"),
    [
        ((1_000, 9_000, 1_200), (1.0, 9.0, 2.0), "no way", "no way"),
        ((1_000, 9_000, 1_201), (1.0, 9.0, 2.1), "every way", "every way"),
        ((0, 0, 100), (2.0, 1.0, 4.0), "no way", "no way"),
        ((0, 0, 101), (2.0, 1.0, 4.1), "every way", "every way"),
        ((10_000, 1, 11_101), (3.0, 1.0, 6.0), "every way", "no way"),
    ],
)
def test_a_way_grows_from_its_first_size_to_its_last_by_more_than_chance(
    allocated, seconds, memory, time
):
    sizes = (10, 20, 30)
    measured = [Cost("a", 1, *one) for one in zip(sizes, allocated, seconds, strict=True)]
    title = plots.cost_of_reading(measured[::-1]).get_suptitle()
    if memory == time:
        assert title == f"Larger tensors take more memory and time in {memory}"
    else:
        assert title == f"Larger tensors: more memory in {memory}, more time in {time}"


def test_as_many_ways_that_grow_as_do_not_are_told_by_those_that_grow():
    growing = ("parameters()", "copying each")
    measured = [
        replace(cost, seconds=cost.nbytes * 1e-9) if cost.way in growing else cost
        for cost in costs()
    ]
    assert (
        plots.cost_of_reading(measured)
        .get_suptitle()
        .endswith("more time only in parameters() and copying each")
    )


def test_the_cost_of_reading_is_drawn_over_the_number_of_tensors_too():
    by_number = plots.cost_of_reading(costs("tensors"), over="tensors")
    assert by_number.get_suptitle().startswith("More tensors")
    assert by_number.axes[0].get_xlabel() == "number of parameters (tensors)"
    by_number.draw_without_rendering()
    numbers = [label.get_text() for label in by_number.axes[0].get_xticklabels()]
    assert numbers and all(re.fullmatch(r"\d{1,3}(,\d{3})*", number) for number in numbers)


def test_a_cost_of_nothing_is_drawn_at_zero():
    free = [replace(cost, allocated=0) if cost.way == "_parameters" else cost for cost in costs()]
    axes = plots.cost_of_reading(free).axes[0]
    assert axes.get_yscale() == "symlog" and list(axes.get_lines()[0].get_ydata()) == [0, 0, 0]


def test_costs_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="^over is one of 'nbytes', 'tensors', got 'size'$"):
        plots.cost_of_reading(costs(), over="size")
    for few in ([], costs()[:4]):
        words = "cost_of_reading compares models of different nbytes: pass costs of two or more"
        with pytest.raises(ValueError, match=f"^{words}$"):
            plots.cost_of_reading(few)


@pytest.mark.parametrize(("wrong", "told"), [(None, "None"), ([1, 2], "1"), ("ab", "'a'")])
def test_what_was_not_measured_is_refused(wrong, told):
    words = r"^cost_of_reading takes costs, such as those of reading_costs\(models\); got "
    with pytest.raises(TypeError, match=f"{words}{told}$"):
        plots.cost_of_reading(wrong)


def test_costs_may_come_one_by_one():
    figure = plots.cost_of_reading(iter(costs()))
    assert figure.get_suptitle() == plots.cost_of_reading(costs()).get_suptitle()


def test_the_cost_of_access_has_a_mark_and_a_word_for_each_time_measured():
    figure = plots.cost_of_access(ACCESS)
    (axes,) = figure.axes
    for row, (line, times) in enumerate(zip(axes.lines, ACCESS.values(), strict=True)):
        assert list(line.get_xdata()) == sorted(times.values())
        assert set(line.get_ydata()) == {row} and line.get_color() == INK
    words = {(text.get_text().strip(), text.get_position()) for text in axes.texts}
    assert words == {
        (verb, (time, row))
        for row, times in enumerate(ACCESS.values())
        for verb, time in times.items()
    }
    assert [label.get_text() for label in axes.get_yticklabels()] == list(ACCESS)
    assert figure.get_suptitle() == "To set a module takes 75 × as long as a plain object"
    bold = [text.get_position()[1] for text in axes.texts if text.get_weight() == "bold"]
    assert bold == [0, 1]  # the two that the title compares
    figure.draw_without_rendering()
    marks = [axes.transData.transform(text.get_position())[0] for text in axes.texts]
    boxes = [text.get_window_extent() for text in axes.texts]
    sides = ["left" if box.x1 <= at else "right" for at, box in zip(marks, boxes, strict=True)]
    assert sides == ["left", "right", "left", "right", "right"]  # a lone one is right of its mark
    assert all(box.x1 <= at or box.x0 >= at for at, box in zip(marks, boxes, strict=True))
    heights = [axes.transData.transform((1e-8, text.get_position()[1]))[1] for text in axes.texts]
    middles = [(box.y0 + box.y1) / 2 for box in boxes]
    assert middles == pytest.approx(heights, abs=1)
    assert "1 µs" in [label.get_text() for label in axes.get_xticklabels()]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"a": {"read": 1.0}},
        {"a": {"read": 1.0}, "b": {"set": 2.0}},
        {"a": {"read": 0.0}, "b": {"read": 1.0}},
        {"a": {"read": NAN}, "b": {"read": 1.0}},
        {"a": {"read": INF}, "b": {"read": 1.0}},
    ],
)
def test_the_cost_of_access_wants_two_things_to_compare(wrong):
    words = "cost_of_access compares two things or more by the same verb, each time above 0"
    with pytest.raises(ValueError, match=f"^{words}$"):
        plots.cost_of_access(wrong)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (None, TypeError, ", got None"),
        ({"a": 1}, TypeError, "; 'a' has no mapping, got 1"),
        ({"a": {}}, ValueError, "; 'a' has no time"),
        ({"a": {"read": "x"}}, TypeError, "; to read 'a' takes 'x'"),
    ],
)
def test_what_is_no_time_of_an_access_is_refused(wrong, error, words):
    takes = "cost_of_access takes {thing: {verb: seconds}}"
    with pytest.raises(error, match=f"^{re.escape(takes + words)}$"):
        plots.cost_of_access(wrong)


# --- cost: measured ---


def flat(count, width):
    return nn.ParameterList([torch.zeros(width, width) for _ in range(count)])


def test_each_model_is_measured_in_each_way_with_its_true_size():
    models = [flat(3, 2), nn.Linear(4, 5)]
    found = reading_costs(models, runs=1)
    assert [cost.way for cost in found] == [*WAYS] * 2
    assert [(cost.tensors, cost.nbytes) for cost in found] == [(3, 48)] * 4 + [(2, 100)] * 4
    assert all(cost.seconds > 0 for cost in found)


def test_a_copy_is_seen_with_all_its_bytes_and_reading_is_not_charged_for_the_tensors():
    found = {cost.way: cost for cost in reading_costs([flat(4, 500)], runs=3)}
    assert found["copying each"].allocated > found["copying each"].nbytes == 4_000_000
    for way in WAYS[:3]:
        assert 0 <= found[way].allocated < 10_000


def test_a_tied_parameter_counts_once():
    tied = nn.ModuleList([nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)])
    tied[1].weight = tied[0].weight
    assert {(cost.tensors, cost.nbytes) for cost in reading_costs([tied], runs=1)} == {(1, 36)}


class Unreadable(nn.Module):
    """Raises while it is read and memory is looked at, and not before."""

    def parameters(self, recurse=True):
        yield from super().parameters(recurse)
        if tracemalloc.is_tracing():
            raise ZeroDivisionError


def test_the_readers_peak_of_memory_is_left_as_it_was():
    tracemalloc.start()
    try:
        large = bytearray(5_000_000)
        del large
        found = {cost.way: cost for cost in reading_costs([flat(40, 20)], runs=2)}
        assert tracemalloc.get_traced_memory()[1] >= 5_000_000
    finally:
        tracemalloc.stop()
    # The peak cannot be asked, and yet what each way holds is seen.
    assert found["copying each"].allocated > found["copying each"].nbytes == 64_000
    assert all(0 <= found[way].allocated < 10_000 for way in WAYS[:3])
    # Its set of all that it has met grows: a lasting part, which is seen between two parameters.
    assert found["parameters()"].allocated > 1_000


@pytest.mark.parametrize("on", [True, False])
def test_nothing_is_left_switched_on_or_off(on):
    model, threads = nn.Linear(2, 2), torch.get_num_threads()
    before = fingerprint(model)
    if on:
        tracemalloc.start()
    try:
        reading_costs([model], runs=1)
        assert tracemalloc.is_tracing() is on
        with pytest.raises(ZeroDivisionError):
            reading_costs([Unreadable()], runs=1)
        assert tracemalloc.is_tracing() is on
    finally:
        tracemalloc.stop()
    assert torch.get_num_threads() == threads and fingerprint(model) == before


@pytest.mark.parametrize(
    ("runs", "error", "words"),
    [
        (0, ValueError, "runs must be at least 1, got 0"),
        ("3", TypeError, "runs is a number of runs, an int, got str"),
        (2.5, TypeError, "runs is a number of runs, an int, got float"),
    ],
)
def test_a_wrong_number_of_runs_is_refused(runs, error, words):
    with pytest.raises(error, match=f"^{words}$"):
        reading_costs([nn.Linear(1, 1)], runs=runs)


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (nn.Linear(2, 2), "several models, got Linear; pass [model]"),
        # It could be read as a list of models, and it is one.
        (nn.Sequential(nn.ReLU()), "several models, got Sequential; pass [model]"),
        (None, "several models, got None"),
        ([nn.Linear], "nn.Module instances, got the class Linear; pass an instance"),
        ([nn.Linear(1, 1), None], "nn.Module instances, got None"),
    ],
)
def test_the_cost_of_reading_is_measured_of_a_list_of_models(models, words):
    with pytest.raises(TypeError, match=f"^{re.escape(f'reading_costs takes {words}')}$"):
        reading_costs(models, runs=1)


@pytest.mark.parametrize(
    "model",
    [
        nn.LazyLinear(2, bias=False),
        nn.ParameterDict({"weight": nn.Parameter(torch.eye(2).to_sparse())}),
    ],
    ids=["lazy", "sparse"],
)
def test_a_parameter_without_a_number_of_bytes_is_named(model):
    words = "^reading_costs needs the bytes of each parameter, and 'weight' of this "
    with pytest.raises(ValueError, match=f"{words}{type(model).__name__} cannot tell its own"):
        reading_costs([model], runs=1)
