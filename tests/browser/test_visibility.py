"""The table of who sees what, and the slider over a figure, in a real JupyterLab."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import expect
from torch import nn

from helpers import VisibilityTable
from helpers.state.visibility import visibility
from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK
from tests.lesson_kernel import ROOT

SCREENSHOTS = ROOT / ".screenshots" / "visibility"
SHOW = (
    "from torch import nn\nfrom helpers import VisibilityTable\nVisibilityTable(nn.BatchNorm1d(3))"
)
HOSTILE = f"""\
import torch
from torch import nn
from helpers import VisibilityTable
evil = {STRUCK!r}
model = type(evil, (nn.Module,), {{}})()
vars(model)["_buffers"][evil] = torch.ones(1)
VisibilityTable(model)"""
SLIDER = """\
from helpers import Redraw, plots
def draw(value):
    if value == 3:
        raise ValueError("<i>no such run</i>")
    title = f"Up to {value}"
    return plots.curves({"a": [0, value]}, kinds={"a": "buffer"}, title=title, x="step", y="m")
Redraw(draw, label="height", values=[1, 2, 3], start=1)"""


def hostile_table():
    space = {}
    exec(HOSTILE.rsplit("\n", 1)[0], space)
    return VisibilityTable(space["model"])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_table_is_a_table_with_heads_and_axe_finds_nothing(lab, notebook, theme):
    page = notebook(SHOW, theme=theme)
    table = page.locator(".inm-visibility table")
    expect(table.locator("caption")).to_have_text("Who sees the tensors of BatchNorm1d")
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(5)
    for row, sight in zip(rows.all(), visibility(nn.BatchNorm1d(3)), strict=True):
        expect(row.locator("th")).to_contain_text(sight.path)
        assert row.locator("td").all_inner_texts() == [
            "✓ yes" if yes else "– no" for yes in sight[2:]
        ]
    assert (
        table.locator('th[scope="col"]').count() == 6
        and table.locator('th[scope="row"]').count() == 5
    )
    assert jupyterlab.accessibility_faults(page, ".inm-visibility") == []
    jupyterlab.screenshots(page, SCREENSHOTS, f"table-{theme}")
    assert lab.problems(page) == []


def test_the_page_and_the_text_of_the_table_are_of_different_brightness_in_the_dark(notebook):
    page = notebook(SHOW, theme="dark")
    colours = page.locator(".inm-visibility td").first.evaluate(
        "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color]"
    )
    page_colour, text_colour = (
        [int(part) for part in c.strip("rgba()").split(",")[:3]] for c in colours
    )
    assert sum(page_colour) < 200 and sum(text_colour) > 450


@pytest.mark.parametrize("form", ["live", "static", "trusted"])
def test_hostile_names_stay_text(lab, notebook, still, form):
    if form == "live":
        page = notebook(HOSTILE)
    else:
        page = still(hostile_table()._repr_html_(), trusted=form == "trusted")
    view = page.locator(".inm-visibility")
    assert jupyterlab.stays_text(lab, view)


def test_the_table_says_the_same_before_trust_and_after_a_run(notebook):
    face = new_output(
        "display_data", data={"text/html": str(VisibilityTable(nn.BatchNorm1d(3))._repr_html_())}
    )
    page = notebook(new_code_cell(SHOW, outputs=[face], execution_count=1), run=False)
    assert jupyterlab.trusted_outputs(page) == 0
    before = page.locator(".inm-visibility").inner_text()
    jupyterlab.run_all(page)
    assert page.locator(".inm-visibility").inner_text() == before


def test_the_slider_redraws_from_the_keyboard_alone_and_shows_what_goes_wrong(lab, notebook):
    page = notebook(SLIDER)
    expect(page.get_by_alt_text("Up to 1", exact=True)).to_be_visible()
    page.get_by_role("slider", name="height").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_alt_text("Up to 2", exact=True)).to_be_visible()
    assert page.locator(".inm-redraw img").count() == 1
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("ValueError: <i>no such run</i>")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_alt_text("Up to 2", exact=True)).to_be_visible()
    jupyterlab.screenshots(page, SCREENSHOTS, "slider")
    assert lab.problems(page) == []


def test_axe_finds_nothing_in_the_slider(notebook):
    page = notebook(SLIDER)
    expect(page.get_by_alt_text("Up to 1", exact=True)).to_be_visible()
    assert jupyterlab.accessibility_faults(page, ".inm-redraw") == []
