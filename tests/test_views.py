"""What all views have in common: three faces, two of which are text that never changes. And
`Redraw`, its handler called as the slider calls it.
"""

from __future__ import annotations

import base64
import json
import pprint
import re
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from traitlets import HasTraits

from helpers import (
    CheckpointTable,
    MemoryMap,
    OutcomeTable,
    ParameterWays,
    Placement,
    Playground,
    Redraw,
    StateMap,
    TracePlayer,
    VisibilityTable,
    audit,
    compare,
    compare_checkpoint,
    plots,
    quiz,
    trace,
)
from helpers.state.objects import bytes_in_words
from helpers.state.walk import KINDS
from helpers.tracing.trials import grid
from helpers.views.outcome_table import outcome_in_words
from helpers.views.signs import SIGNS
from tests.carried import views
from tests.html_page import Page, faces_of
from tests.lesson_kernel import ROOT
from tests.modules import reader
from tests.notebook_files import WIDGET_VIEW
from tests.told import assert_told


def assigned(value: object) -> object:
    with trace() as steps:
        nn.Module().scale = value
    return steps


def line(value: float) -> object:
    """A figure of `plots`, or an error with hostile words."""
    if value > 2:
        raise ValueError("<b>too far</b>")
    return plots.curves(
        {"a": [0, value]}, kinds={"a": "buffer"}, title=f"Up to {value} & on", x="step", y="m"
    )


def redraw() -> Redraw:
    return Redraw(line, label="height", values=[1, 2, 3], start=1)


def memory_map() -> MemoryMap:
    model = reader()
    with torch.no_grad():
        for one in model.parameters():
            one.copy_(torch.arange(one.numel()).view_as(one))
    film = MemoryMap(model=model, saved=model.state_dict())
    with torch.no_grad():
        model.norm.weight.fill_(2)
    film.note("written")
    return film


def checkpoint_table() -> CheckpointTable:
    """Of a file of a wrapped model, in which a key is missing, one has another size, one is new."""
    file = {f"module.{key}": value for key, value in reader().state_dict().items()}
    del file["module.norm.bias"]
    file |= {"module.head.weight": torch.ones(1), "extra": torch.ones(1)}
    return CheckpointTable(compare_checkpoint(reader(), file))


VIEWS: dict[str, Callable[[], object]] = {
    "CheckpointTable": checkpoint_table,
    "MemoryMap": memory_map,
    "OutcomeTable": lambda: OutcomeTable(grid()),
    "ParameterWays": lambda: ParameterWays(reader()),
    "Placement": Placement,
    "Playground": Playground,
    "Redraw": redraw,
    "StateMap": lambda: StateMap(reader()),
    "TracePlayer": lambda: TracePlayer(assigned(3)),
    "VisibilityTable": lambda: VisibilityTable(reader()),
    "audit": lambda: audit(reader()),
    "compare": lambda: compare(assigned(3), assigned(torch.ones(1))),
}
each_view = pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)


def test_every_view_is_tried_here():
    assert set(views()) | {"Placement"} == set(VIEWS)


@each_view
def test_a_view_has_a_still_picture_and_a_line_of_text_beside_what_is_live(make):
    view = make()
    shown = faces_of(view)
    live = {WIDGET_VIEW} if hasattr(view, "comm") else set()
    assert set(shown) == {"text/plain", "text/html"} | live
    assert shown["text/plain"] == repr(view) and len(repr(view).splitlines()) == 1


@each_view
def test_the_still_picture_survives_a_page_that_is_not_trusted(make):
    page = Page(faces_of(make())["text/html"])
    assert page.unclosed == [] and page.words.strip()
    assert not page.elements & {"script", "svg", "iframe", "object", "embed", "input", "button"}
    assert not any(name.startswith("on") or name == "id" for name in page.attributes)


@each_view
def test_what_is_saved_is_the_same_each_time(make):
    first, second = faces_of(make()), faces_of(make())
    assert [first[kind] == second[kind] for kind in ("text/plain", "text/html")] == [True, True]


def lone() -> nn.Module:
    """A module with one tensor of one element."""
    model = nn.Module()
    model.register_buffer("one", torch.ones(1))
    return model


OF_ONE: dict[str, Callable[[], object]] = {
    "CheckpointTable": lambda: CheckpointTable(compare_checkpoint(lone(), {})),
    "MemoryMap": lambda: MemoryMap(one=torch.ones(1)),
    "OutcomeTable": lambda: OutcomeTable([one for one in grid() if one.error][:1]),
    "ParameterWays": lambda: ParameterWays(lone()),
    "ParameterWays, cut": lambda: ParameterWays(nn.ParameterList(torch.ones(1) for _ in range(41))),
    "StateMap": lambda: StateMap(lone()),
    "StateMap of a Parameter": lambda: StateMap(nn.ParameterList([torch.ones(1)])),
    "TracePlayer": lambda: TracePlayer(assigned(3)),
    "VisibilityTable": lambda: VisibilityTable(lone(), {"mine": {"one": True}}),
    "VisibilityTable, cut": lambda: VisibilityTable(
        nn.ParameterList(torch.ones(1) for _ in range(61))
    ),
    "VisibilityGrid": lambda: VisibilityTable(lone(), {"mine": {"one": True}}).predict(),
}


def assigned_again(times: int) -> object:
    """The trace of the same assignment, so many times."""
    model = nn.Module()
    with trace(model) as steps:
        for _ in range(times):
            model.scale = 3
    return steps


TRACES: dict[str, Callable[[], object]] = {
    f"TracePlayer, {times} times": lambda times=times: TracePlayer(assigned_again(times))
    for times in (0, 2, 3)
} | {"TracePlayer of a Parameter": lambda: TracePlayer(assigned(nn.Parameter(torch.ones(1))))}


@pytest.mark.parametrize("make", OF_ONE.values(), ids=OF_ONE)
def test_of_one_thing_no_face_speaks_as_of_several(make):
    shown = faces_of(make())
    page = Page(shown["text/html"])
    several = re.compile(
        r"\b(?<![\d.,])1 (?:more |\w+ )?"
        r"(attempts|blocks|calls|elements|entries|frames|keys|modules|names|pairs|tensors)\b"
    )
    found = several.findall(shown["text/plain"]) + several.findall(page.words)
    assert found == [] and several.search("and 1 more tensors")


def told_of(view: object) -> Iterator[str]:
    """What a view shows and what it sends: its line of text, the words of the still picture and how
    many of its elements look in which way, and its own part of the state.
    """
    shown = faces_of(view)
    yield shown["text/plain"]
    page = Page(shown["text/html"])
    yield " ".join(page.words.split())
    looks = Counter((name, about.get("class"), about.get("style")) for name, about in page.tags)
    for (name, given, style), many in looks.items():
        yield f"{many} <{name}> {given} {style}" if given else f"{many} <{name}> {style}"
    for name, value in sorted(sent_by(view).items()):
        if name == "picture":
            value["source"] = "..."  # other fonts draw it with other bytes
        yield f"{name} = {pprint.pformat(value, width=100, compact=True)}"


def outline(value: object) -> object:
    """What is in `value`: of a long list the first and how many, of long words the beginning."""
    if isinstance(value, dict):
        return {name: outline(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        if len(value) > 3:
            return [outline(value[0]), f"{len(value)} in all"]
        return list(map(outline, value))
    if isinstance(value, str):  # other fonts draw a picture with other bytes
        return value[:5] if value.startswith("data:") else value[:200]
    return value


def on_page(view: object) -> Iterator[str]:
    """What a view gives to a page without a kernel beside its code and its state, in outline."""
    for part in view.on_page():
        beside = {name: one for name, one in part.items() if name not in ("code", "state")}
        yield pprint.pformat(outline(beside), width=100, compact=True)


def sent_by(view: object) -> dict[str, object]:
    """What a view of ours tells the browser, as it arrives there."""
    if not hasattr(view, "comm"):
        return {}
    ours = [kind for kind in type(view).__mro__ if kind.__module__.startswith("helpers.")]
    ours = [kind for kind in ours if issubclass(kind, HasTraits)]
    names = {name for kind in ours for name in kind.class_own_traits(sync=True)}
    names = {name for name in names if not name.startswith("_")}  # its code, and where that is
    return json.loads(json.dumps({name: getattr(view, name) for name in names}))


def test_views_are_told_word_for_word_as_they_were_read():
    told: list[str] = []
    of_one = {f"{name}, of one": make for name, make in OF_ONE.items() if "cut" not in name}
    for name, make in {**VIEWS, **of_one, **TRACES}.items():
        told.append(f"--- {name} ---")
        told += [one for one in told_of(make()) if one not in told]  # many send the same signs
    for name, make in VIEWS.items():
        if hasattr(view := make(), "on_page"):
            told += [f"--- {name}, on a page ---", *on_page(view)]
    told += ["--- attempts ---", *dict.fromkeys(map(outcome_in_words, grid()))]
    assert_told("views", "\n".join(told).splitlines())


def test_what_the_sheets_of_pages_and_slides_name_is_in_a_view():
    def read(kind: str) -> str:
        return "".join(one.read_text("utf-8") for one in (ROOT / "helpers/views").rglob(kind))

    named = set(re.findall(r"\.(inm-[\w-]+)", read("exported/**/*.css")))
    given = set(re.findall(r"\binm-[\w-]+", read("*.js") + read("exported/**/*.j2")))
    for make in (*VIEWS.values(), *OF_ONE.values(), lambda: quiz("01-keys")):
        page = Page(faces_of(make())["text/html"])
        given |= {word for _, about in page.tags for word in about.get("class", "").split()}
    assert named and named <= given, named - given


# --- Redraw ---


@pytest.fixture
def view() -> Redraw:
    return redraw()


def test_the_first_figure_is_drawn_at_once_with_its_title_as_the_text_for_who_does_not_see(view):
    picture = base64.b64encode(line(1)._repr_png_()[0]).decode()
    assert view.picture["source"] == f"data:image/png;base64,{picture}"
    assert view.picture["alt"] == "Up to 1 & on" and not view.busy


def test_a_move_of_the_slider_draws_anew(view):
    seen = []
    view.observe(lambda change: seen.append(change["new"]), names="busy")
    view.at = 1
    assert view.picture["alt"] == "Up to 2 & on"
    assert seen == [True, False]


def test_what_the_handler_raises_is_shown_as_text(view):
    view.at = 2
    assert view.picture == {"error": "ValueError: <b>too far</b>"}
    view.at = 0
    assert "source" in view.picture


def test_the_still_picture_says_what_the_slider_does_wherever_it_stands(view):
    before = faces_of(view)
    assert repr(view) == "Redraw: a slider for height, from 1 to 3"
    assert "Run this cell to move it." in before["text/html"]
    assert "img" not in Page(before["text/html"]).elements
    view.at = 1
    after = faces_of(view)
    assert [after[kind] == before[kind] for kind in ("text/plain", "text/html")] == [True, True]


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"draw": 3}, TypeError, "Redraw() takes a function that draws, got 3"),
        ({"label": 3}, TypeError, "label is a text, such as 'momentum'; got 3"),
        (
            {"values": 3},
            TypeError,
            "values are the positions of the slider, a list; got 3",
        ),
        ({"start": 4}, ValueError, "start is one of the values: 1, 2, 3; got 4"),
        ({"values": []}, ValueError, "start is one of the values: there are none; got 1"),
        (
            {"values": range(2, 2_000)},
            ValueError,
            "start is one of the values: 2, 3, 4, 5, 6, 7, 8, 9 and 1,990 more; got 1",
        ),
    ],
)
def test_a_slider_that_cannot_be_made_is_refused_at_once(changed, error, words):
    given = {"draw": line, "label": "height", "values": [1, 2, 3], "start": 1, **changed}
    with pytest.raises(error, match=f"^{re.escape(words)}$"):
        Redraw(given.pop("draw"), **given)


def test_what_is_no_figure_is_named_where_the_figure_would_stand():
    view = Redraw(lambda value: None, label="height", values=[1], start=1)
    words = "TypeError: draw(1) returned None, which is no figure of helpers.plots"
    assert view.picture == {"error": words}


# --- signs and words ---


def test_every_kind_has_one_sign_of_its_own():
    assert set(SIGNS) == set(KINDS)
    assert len({(sign.glyph, sign.colour) for sign in SIGNS.values()}) == len(SIGNS)
    assert len({sign.glyph for sign in SIGNS.values()}) == len(SIGNS)  # told apart without colour
    assert all(len(sign.glyph) == 1 for sign in SIGNS.values())


# JupyterLab's own grounds of a page, a view, a selected row. A static face stands on the page.
GROUNDS = {
    "light": ("#ffffff", "#eeeeee"),
    "dark": ("#111111", "#212121", "#424242"),
    "colour": ("#ffffff", "#111111"),
}


def luminance(colour: str) -> float:
    """As the guidelines on accessible web content define it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("shade", GROUNDS)
@pytest.mark.parametrize("kind", SIGNS)
def test_a_sign_stands_out_from_every_ground(kind, shade):
    for ground in GROUNDS[shade]:
        own = getattr(SIGNS[kind], shade) or SIGNS[kind].colour
        low, high = sorted(map(luminance, (own, ground)))
        assert (high + 0.05) / (low + 0.05) >= 3


@pytest.mark.parametrize(
    ("nbytes", "words", "exact"),
    [
        (0, "0 bytes", "0 bytes"),
        (5_000, "5,000 bytes", "5,000 bytes"),
        (9_999, "9,999 bytes", "9,999 bytes"),
        (10_000, "9.77 KiB", "9.77 KiB (10,000 bytes)"),
        (1024**2 - 1, "1 MiB", "1 MiB (1,048,575 bytes)"),
        (176_562_176, "168 MiB", "168 MiB (176,562,176 bytes)"),
        (4 * 10**12, "3.64 TiB", "3.64 TiB (4,000,000,000,000 bytes)"),
        (10**16, "9,095 TiB", "9,095 TiB (10,000,000,000,000,000 bytes)"),
    ],
)
def test_bytes_are_said_exactly_or_with_three_digits(nbytes, words, exact):
    assert bytes_in_words(nbytes) == words
    assert bytes_in_words(nbytes, exact=True) == exact
