"""The views in forced colours, as a reader of Windows may have them: what a view says by a ground,
a shadow or a shade is said by something that is left.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
import torch
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from torch import nn

from helpers import (
    OutcomeTable,
    ParameterWays,
    StateMap,
    TracePlayer,
    VisibilityTable,
    compare,
    quiz,
    trace,
)
from helpers.tracing import trials
from tests.browser.exported import faults

PALETTES = ("light", "dark")


@pytest.fixture(params=PALETTES)
def forced(request, reader) -> Callable[..., Page]:
    """A page with a view, in forced colours, light or dark."""
    settings = {"forced_colors": "active", "color_scheme": request.param}
    return lambda view: reader.show(view, **settings, reduced_motion="reduce")


def ink(one: Locator) -> float:
    """The share of the pixels of an element that are not like the page behind it."""
    with Image.open(BytesIO(one.screenshot())) as picture:
        grey = picture.convert("L")
    ground = "getComputedStyle(document.body).backgroundColor === 'rgb(0, 0, 0)'"
    bright = 0 if one.page.evaluate(ground) else 255
    pixels = grey.tobytes()
    return sum(abs(pixel - bright) > 100 for pixel in pixels) / len(pixels)


def style(one: Locator, name: str) -> str:
    return one.evaluate(f"node => getComputedStyle(node).getPropertyValue('{name}')")


def model() -> nn.Module:
    made = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    made.register_buffer("step", torch.zeros(4), persistent=False)
    return made


def assigned(value: object) -> list:
    layer = nn.Linear(2, 2)
    with trace() as steps:
        layer.extra = value
    return steps


def test_what_is_seen_is_filled_and_what_was_missed_is_ringed(forced):
    page = forced(VisibilityTable(nn.BatchNorm1d(3)).predict())
    page.get_by_role("button", name="weight, parameters()").click()
    page.get_by_role("button", name="Reveal").click()
    page.mouse.move(0, 0)

    def cell(name: str) -> Locator:
        return page.get_by_role("button", name=name, exact=True)

    assert ink(cell("weight, parameters(): yes")) > 0.9
    assert 0.4 < ink(cell("bias, parameters(): yes, missed: you said no")) < 0.9
    assert ink(cell("running_mean, parameters(): no")) < 0.1
    assert faults(page, ".inm-grid") == []


def test_a_lost_name_is_filled_and_an_open_cell_is_framed(forced):
    page = forced(
        OutcomeTable(
            [trials.run("non-leaf Parameter", home, "setattr") for home in ("parameter", "buffer")]
        )
    )
    lost, kept = page.locator("[data-look=lost]"), page.locator("[data-look=kept]")
    assert ink(lost) > 0.6 and ink(kept) < 0.4
    assert faults(page, ".inm-attempts") == []
    kept.click()
    expect(page.locator(".inm-player")).to_be_visible()
    assert style(kept, "outline-width") == "4px"


def test_the_way_that_is_taken_is_a_line_and_no_other_looks_like_it(forced):
    page = forced(compare(assigned(nn.Parameter(torch.ones(2))), assigned(torch.ones(2))))
    page.locator(".inm-player-source").press("End")
    ways = page.locator(".inm-river-way")
    lit = {"solid": "[data-on]", "dashed": ":not([data-on]):not([data-last])"}
    for line, which in lit.items():
        tops = page.locator(f".inm-river-way{which}").evaluate_all(
            "all => [...new Set(all.map(one => getComputedStyle(one).borderTopStyle))]"
        )
        assert tops == [line]
    page_colour = style(page.locator(".inm-player"), "background-color")
    for last in page.locator(".inm-river-way[data-last]").all():
        assert style(last, "border-top-color") == page_colour  # nothing goes on from there
    true, false = (
        ways.locator(f".inm-player-note[data-kind={kind}]").first for kind in ("True", "False")
    )
    assert ink(true) > 0.6 > 0.5 > ink(false)
    assert faults(page, ".inm-player") == []


def test_the_line_that_runs_and_the_name_that_came_are_framed(forced):
    page = forced(TracePlayer(assigned(nn.Parameter(torch.ones(2)))))
    page.locator(".inm-player-source").press("End")
    for framed in (".inm-player-line[data-now]", "li[data-change]"):
        assert style(page.locator(framed), "outline-style") == "solid"
    tick = page.locator(".inm-player-ticks span").first
    assert style(tick, "background-color") == style(page.locator(".inm-player"), "color")


def test_a_chosen_tensor_is_framed_and_kinds_differ_in_the_strip(forced):
    page = forced(StateMap(model()))
    for chosen in (".inm-map-row[aria-selected=true]", ".inm-strip-piece[aria-selected=true]"):
        # The map draws its rows anew when it comes into sight: one that is gone has no style.
        expect(page.locator(chosen)).to_have_css("outline-style", "solid")
    fills = page.locator(".inm-strip-fill").evaluate_all(
        "all => all.map(one => { const {borderBottomStyle, borderTopWidth} = getComputedStyle(one);"
        " return [one.dataset.kind, `${borderBottomStyle} ${borderTopWidth}`]; })"
    )
    looks = dict(fills)
    assert sorted(looks) == ["buffer", "non-persistent buffer", "parameter"]
    assert len(set(looks.values())) == 3
    assert faults(page, ".inm-map") == []


def test_a_chosen_row_is_framed(forced):
    page = forced(ParameterWays(model()))
    page.locator(".inm-ways tbody th").first.click()
    assert style(page.locator("tr[aria-selected=true]"), "outline-style") == "solid"
    assert faults(page, ".inm-ways") == []


def test_the_verdict_of_a_card_has_a_bar(forced):
    page = forced(quiz("01-live-view"))
    page.locator(".inm-quiz input").first.check()
    page.locator(".inm-quiz-check").click()
    told = page.locator(".inm-quiz-option[data-state]").first
    other = page.locator(".inm-quiz-option:not([data-state])").first
    assert style(told, "border-left-width") == "6px" != style(other, "border-left-width")
    assert faults(page, ".inm-quiz") == []


def test_a_still_face_keeps_what_it_fills(forced):
    page = forced(OutcomeTable([trials.run("non-leaf Parameter", "buffer", "setattr")]))
    page.emulate_media(media="print")  # where the still face stands
    lost = page.locator(".inm-outcomes td > div")
    assert style(lost, "background-color") == "rgb(138, 44, 0)"
    assert style(lost, "color") == "rgb(255, 255, 255)"
