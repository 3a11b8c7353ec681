"""The figures of `helpers.plots`: the numbers they draw, looks that carry meaning, what they leave
alone.
"""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from helpers import plots
from helpers.plots.cost import Cost
from helpers.state.snapshot import snapshot
from helpers.views.signs import SIGNS

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
    """{tick label: width of the bar}, widths in the unit of the axis, segments of one bar added up."""
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


def test_each_kind_has_the_sign_of_the_course_and_a_hatch_of_its_own():
    figure = plots.where_the_bytes_are(snapshot(Mixed()))
    kinds = ["parameter", "buffer", "non-persistent buffer", "plain tensor"]
    (legend,) = figure.legends
    signs = [SIGNS[kind] for kind in kinds]
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == [f"{sign.glyph} {sign.label}" for sign in signs]
    patches = figure.axes[0].patches
    assert [patch.get_width() for patch in patches] == [16, 12, 8, 4]
    assert len({patch.get_hatch() for patch in patches}) == 4
    from matplotlib.colors import to_hex

    fills = [to_hex(patch.get_facecolor()).upper() for patch in patches]
    assert fills == [signs[0].colour, signs[1].colour, "#FFFFFF", signs[3].colour]


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
    assert axes.get_xlabel() == "size of the tensors (MiB)"
    assert axes.get_ylabel() == "part of the module"


def test_every_text_can_be_read_from_the_back_of_a_classroom():
    from matplotlib.text import Text

    figure = plots.where_the_bytes_are(snapshot(Mixed()))
    figure.canvas.draw()
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
    assert sizes and min(sizes) >= 11


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
    assert repr(figure) == "<Figure size 900x222 with 1 Axes>"


def test_a_plot_neither_imports_pyplot_nor_changes_a_setting():
    code = (
        "import sys, torch; from helpers import plots; from helpers.state.snapshot import snapshot\n"
        "assert 'matplotlib' not in sys.modules\n"
        "state = snapshot(torch.nn.Linear(2, 3)); import matplotlib; before = matplotlib.rcParams.copy()\n"
        "plots.where_the_bytes_are(state)._repr_png_()\n"
        "assert 'matplotlib.pyplot' not in sys.modules and matplotlib.rcParams.copy() == before"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_open_figures_of_pyplot_stay_as_they_were():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plots.where_the_bytes_are(snapshot(nn.Linear(2, 3)))
    assert plt.get_fignums() == before


def test_the_module_is_no_snapshot_and_the_error_says_so():
    with pytest.raises(
        TypeError, match=r"takes snapshot\(module\), got Linear: call snapshot first"
    ):
        plots.where_the_bytes_are(nn.Linear(2, 3))
    with pytest.raises(TypeError, match="got OrderedDict"):
        plots.where_the_bytes_are(nn.Linear(2, 3).state_dict())


@pytest.mark.parametrize(
    "most, error, message",
    [
        (1, ValueError, "most must be at least 2, got 1"),
        (2.5, TypeError, "an int, got float"),
        (True, TypeError, "an int, got bool"),
    ],
)
def test_a_wrong_most_is_refused(most, error, message):
    with pytest.raises(error, match=message):
        plots.where_the_bytes_are(snapshot(nn.Linear(2, 3)), most=most)


@pytest.mark.parametrize("module", [nn.ReLU(), nn.LazyLinear(3), nn.Embedding(0, 4)])
def test_a_module_without_a_byte_is_refused(module):
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.where_the_bytes_are(snapshot(module))


def test_two_tensors_under_one_path_are_both_drawn():
    model = nn.Module()
    model.c = nn.Parameter(torch.ones(50))
    model._parameters["a.b"] = model.c  # torch's own register_parameter refuses the dot
    model.a = nn.Module()
    model.a.b = nn.Parameter(torch.ones(100))
    found = snapshot(model)
    assert sum(bar.total for bar in plots.bars_of(found, 16)) == found.totals.nbytes == 600


def lines_of(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines}


def curves(**changes):
    given = {
        "kinds": {"kept": "buffer", "lost": "plain value"},
        "title": "One is kept",
        "x": "step",
        "y": "value (m)",
    }
    return plots.curves({"kept": [1.0, 2.0, 4.0], "lost": [1, 0]}, **{**given, **changes})


def test_curves_draw_the_numbers_given_from_step_zero_on():
    (axes,) = curves().axes
    assert lines_of(axes) == {"● kept": [1, 2, 4], "· lost": [1, 0]}
    assert [list(line.get_xdata()) for line in axes.lines] == [[0, 1, 2], [0, 1]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "value (m)")
    assert curves().get_suptitle() == "One is kept"


def test_a_curve_has_the_colour_of_its_kind_and_two_of_a_kind_differ_without_colour():
    from matplotlib.colors import to_hex, to_rgb

    (axes,) = curves(kinds={"kept": "buffer", "lost": "non-persistent buffer"}).axes
    kept, lost = axes.lines
    assert (
        to_hex(kept.get_color()).upper()
        == to_hex(lost.get_color()).upper()
        == SIGNS["buffer"].colour
    )
    assert to_hex(lost.get_markerfacecolor()) == "#ffffff"  # hollow, as its sign
    (axes,) = curves(kinds={"kept": "buffer", "lost": "buffer"}).axes
    kept, lost = axes.lines
    assert (
        kept.get_linestyle() != lost.get_linestyle() and kept.get_linewidth() > lost.get_linewidth()
    )
    assert sum(to_rgb(lost.get_color())) < 0.7 * sum(to_rgb(kept.get_color()))


def test_curves_refuse_a_line_without_a_kind_and_no_line_at_all():
    with pytest.raises(ValueError, match="kinds does not say what 'lost' is"):
        curves(kinds={"kept": "buffer"})
    with pytest.raises(ValueError, match="kinds does not say what 'kept' is"):
        curves(kinds={"kept": "bufer", "lost": "buffer"})
    with pytest.raises(ValueError, match="there is no line to draw"):
        plots.curves({}, kinds={}, title="", x="", y="")


def checkpoints():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 3), nn.BatchNorm1d(3))
    for number in range(4):
        yield {name: value.clone() for name, value in model.state_dict().items()}
        model(torch.arange(8.0).reshape(4, 2) * number)


def test_running_means_have_a_panel_for_each_layer_and_a_curve_for_each_channel():
    states = list(checkpoints())
    figure = plots.running_means(states, title="They move")
    assert [axes.get_title() for axes in figure.axes] == ["0.running_mean", "2.running_mean"]
    for axes in figure.axes:
        drawn = list(lines_of(axes).values())
        expected = torch.stack([state[axes.get_title()] for state in states]).T
        assert torch.equal(torch.tensor(drawn), expected)
    assert figure.axes[0].get_xlabel() == "training step" and "units" in figure.get_supylabel()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "● channel 0",
        "● channel 1",
        "● channel 2",
    ]


@pytest.mark.parametrize(
    "states", [[], [nn.Linear(2, 2).state_dict()], [{"running_mean_of_what": torch.ones(1)}]]
)
def test_checkpoints_without_a_running_mean_are_refused(states):
    with pytest.raises(ValueError, match="no running_mean in these checkpoints"):
        plots.running_means(states, title="")


def test_images_show_the_numbers_given_in_grey_with_a_scale():
    pictures = {"a": torch.arange(6.0).reshape(2, 3), "b": -torch.eye(2)}
    figure = plots.images(pictures, title="Two")
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == ["a", "b"]
    for axes, picture in zip(shown, pictures.values(), strict=True):
        assert torch.equal(torch.tensor(axes.images[0].get_array().tolist()), picture)
        assert axes.images[0].get_cmap().name == "gray"
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("column (pixels)", "row (pixels)")
    assert len(figure.axes) == 4  # a scale beside each


@pytest.mark.parametrize("pictures", [{}, {"a": torch.ones(3)}, {"a": torch.ones(1, 3, 3)}])
def test_what_is_no_picture_is_refused(pictures):
    with pytest.raises(ValueError, match=r"at least one tensor of shape \(height, width\)"):
        plots.images(pictures, title="")


def test_every_text_of_the_new_figures_can_be_read_from_the_back_of_a_classroom():
    from matplotlib.text import Text

    states = list(checkpoints())
    makers = [
        curves,
        lambda: plots.running_means(states, title="t"),
        lambda: plots.images({"a": torch.eye(3)}, title="t"),
    ]
    for make in makers:
        assert make()._repr_png_() == make()._repr_png_()
        figure = make()
        figure.canvas.draw()
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 11


def costs(
    over="nbytes", ways=("_parameters", "named_parameters()", "parameters()", "copying each")
):
    """Made-up measurements: every way is flat, but "copying each", which allocates what is there."""
    return [
        Cost(
            way,
            tensors=4 if over == "nbytes" else size,
            nbytes=size,
            seconds=2e-6 * (place + 1),
            allocated=size if way == "copying each" else 100 * (place + 1),
        )
        for size in (1_000, 10_000, 100_000)
        for place, way in enumerate(ways)
    ]


def test_the_cost_of_reading_is_drawn_as_it_was_measured():
    figure = plots.cost_of_reading(costs())
    memory, time = figure.axes
    for place, (bytes_line, time_line) in enumerate(
        zip(memory.get_lines(), time.get_lines(), strict=True)
    ):
        assert (
            list(bytes_line.get_xdata()) == list(time_line.get_xdata()) == [1_000, 10_000, 100_000]
        )
        assert list(time_line.get_ydata()) == pytest.approx([2.0 * (place + 1)] * 3)
    assert [list(line.get_ydata()) for line in memory.get_lines()] == [
        [100] * 3,
        [200] * 3,
        [300] * 3,
        [1_000, 10_000, 100_000],
    ]
    labels = [
        (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale(), axes.get_yscale())
        for axes in figure.axes
    ]
    assert labels == [
        ("size of the parameters (bytes)", "memory allocated (bytes)", "log", "log"),
        ("size of the parameters (bytes)", "time (µs)", "log", "log"),
    ]


def test_the_ways_are_told_apart_without_colour_and_named_in_the_legend():
    figure = plots.cost_of_reading(costs())
    lines = figure.axes[0].get_lines()
    assert (
        len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == 4
    )
    assert len({line.get_linestyle() for line in lines}) == 4
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [cost.way for cost in costs()[:4]]


def test_the_title_says_which_way_grows():
    flat = costs(ways=("_parameters", "parameters()"))
    assert (
        plots.cost_of_reading(costs()).get_suptitle()
        == "Only copying each allocates more for larger tensors"
    )
    assert plots.cost_of_reading(flat).get_suptitle() == "No way allocates more for larger tensors"
    by_number = costs("tensors", ("_parameters", "copying each"))
    named = plots.cost_of_reading(by_number, over="tensors")
    assert named.get_suptitle() == "Only copying each allocates more for more tensors"
    assert named.axes[0].get_xlabel() == "number of parameters (tensors)"
    growing = [
        replace(cost, allocated=cost.nbytes) for cost in costs() if cost.way != "_parameters"
    ]
    most = plots.cost_of_reading(
        [*growing, *(cost for cost in costs() if cost.way == "_parameters")]
    )
    assert most.get_suptitle() == "Only _parameters allocates no more for larger tensors"
    assert (
        plots.cost_of_reading(growing).get_suptitle()
        == "Every way allocates more for larger tensors"
    )


def test_a_cost_of_nothing_is_drawn_at_zero():
    free = [replace(cost, allocated=0) if cost.way == "_parameters" else cost for cost in costs()]
    axes = plots.cost_of_reading(free).axes[0]
    assert axes.get_yscale() == "symlog" and list(axes.get_lines()[0].get_ydata()) == [0, 0, 0]


def test_costs_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="over is one of 'nbytes', 'tensors', got 'size'"):
        plots.cost_of_reading(costs(), over="size")
    for few in ([], costs()[:4]):
        with pytest.raises(
            ValueError, match="models of different nbytes: pass costs of two or more"
        ):
            plots.cost_of_reading(few)


def test_a_resumed_run_lies_on_the_whole_one_from_its_step_on():
    whole = [5.0, 4.0, 3.0, 2.0]
    figure = plots.resumed(
        whole, {"full": [3.0, 2.0], "half $": [6.0, 5.0]}, step=2, title="T $", y="loss (nats)"
    )
    assert figure.get_suptitle() == "T $" and [axes.get_title() for axes in figure.axes] == [
        "full",
        "half $",
    ]
    for axes, values in zip(figure.axes, ([3.0, 2.0], [6.0, 5.0]), strict=True):
        broad, thin, mark = axes.get_lines()
        assert list(broad.get_ydata()) == whole and list(broad.get_xdata()) == [0, 1, 2, 3]
        assert list(thin.get_ydata()) == values and list(thin.get_xdata()) == [2, 3]
        assert broad.get_linewidth() > 2 * thin.get_linewidth() and set(mark.get_xdata()) == {2}
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[0].get_ylabel() == "loss (nats)"
    names = [words.get_text() for words in figure.legends[0].get_texts()]
    assert names == ["never stopped", "stopped at 2 and resumed"]


@pytest.mark.parametrize(("continued", "step"), [({}, 1), ({"a": [1.0]}, 2), ({"a": [1.0]}, -1)])
def test_nothing_resumed_or_a_step_outside_the_run_is_refused(continued, step):
    with pytest.raises(ValueError, match=f"no step {step} in a run of 2 steps"):
        plots.resumed([1.0, 2.0], continued, step=step, title="", y="")


ACCESS = {
    "a plain object": {"read": 1e-8, "set": 2e-8},
    "a module": {"read": 5e-8, "set": 1.5e-6},
    "a layer": {"call": 9e-6},
}


def test_the_cost_of_access_has_a_mark_for_each_time_measured():
    figure = plots.cost_of_access(ACCESS)
    (axes,) = figure.axes
    marks = {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axes.get_lines()
    }
    assert marks["read"] == (pytest.approx([0.01, 0.05]), [0, 1])
    assert marks["set"] == (pytest.approx([0.02, 1.5]), [0, 1]) and marks["call"] == (
        pytest.approx([9]),
        [2],
    )
    assert [label.get_text() for label in axes.get_yticklabels()] == list(ACCESS)
    assert (axes.get_xlabel(), axes.get_xscale()) == ("time (µs)", "log")
    assert len({line.get_marker() for line in axes.get_lines()}) == 3
    assert figure.get_suptitle() == "To set a module takes 75 × as long as a plain object"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"a": {"read": 1.0}},
        {"a": {"read": 1.0}, "b": {"set": 2.0}},
        {"a": {"read": 0.0}, "b": {"read": 1.0}},
    ],
)
def test_the_cost_of_access_wants_two_things_to_compare(wrong):
    with pytest.raises(ValueError, match="two things or more by the same verb"):
        plots.cost_of_access(wrong)
