"""Model and checkpoint side by side in a real JupyterLab: filter and fold, by mouse and by
keyboard.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from helpers.views.checkpoint_table import CheckpointTable
from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK
from tests.lesson_kernel import ROOT

COMPARE = f"""\
import torch
from torch import nn
from helpers import CheckpointTable, compare_checkpoint
model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 4))
other = {{"2.weight": torch.ones(3, 4), "head.extra": torch.ones(9), {STRUCK!r}: 3}}
saved = dict(model.state_dict(), **other)
saved["first.bias"] = saved.pop("0.bias")
compared = compare_checkpoint(model, saved)
"""
SHOW = f"{COMPARE}CheckpointTable(compared)"
SCREENSHOTS = ROOT / ".screenshots" / "checkpoint_table"


def made() -> CheckpointTable:
    space: dict = {}
    exec(COMPARE, space)
    return CheckpointTable(space["compared"])


TROUBLE = ["2.weight", "0.bias", "head.extra", STRUCK, "first.bias"]
FITS = [
    "0.weight",
    "1.weight",
    "1.bias",
    "1.running_mean",
    "1.running_var",
    "1.num_batches_tracked",
    "2.bias",
]


def keys(page: Page) -> list[str]:
    return page.locator(".inm-fit tbody th").all_text_contents()


def status(page: Page):
    return page.locator(".inm-fit .inm-status")


def test_what_needs_attention_is_seen_first_and_what_matched_unfolds(lab, notebook):
    page = notebook(SHOW)
    assert keys(page) == TROUBLE
    rows = page.locator(".inm-fit tbody tr")
    expect(rows.nth(0).locator("td")).to_have_text(
        ["≠mismatched", "4 × 3, float32", "3 × 4, float32"]
    )
    expect(rows.nth(1).locator("td")).to_have_text(["−missing", "3, float32", "–"])
    expect(rows.nth(3).locator("td")).to_have_text(["+unexpected", "–", "int"])
    expect(status(page)).to_have_text("5 of 12 keys shown")
    page.get_by_role("checkbox", name="show what matched: 7").check()
    assert keys(page) == TROUBLE + FITS
    expect(status(page)).to_have_text("12 of 12 keys shown")
    assert lab.problems(page) == []


def test_the_advice_stands_above_with_its_code(notebook):
    page = notebook(SHOW)
    codes = page.locator(".inm-fit-code").all_text_contents()
    assert codes == [step["code"] for step in made().table["advice"]] and len(codes) == 4
    expect(page.locator(".inm-fit-title")).to_contain_text(
        "does not load strictly; 1 mismatched, 1 missing"
    )


def test_the_filter_finds_keys_and_words_in_what_is_folded_too(lab, notebook):
    page = notebook(SHOW)
    box = page.get_by_role("textbox", name="filter")
    box.fill("RUNNING")
    assert keys(page) == ["1.running_mean", "1.running_var"]
    box.fill("missing")
    assert keys(page) == ["0.bias"]
    box.fill("nothing of that name")
    expect(status(page)).to_have_text("0 of 12 keys shown")
    expect(page.locator(".inm-fit table")).to_be_hidden()
    box.press("Escape")
    assert keys(page) == TROUBLE and box.input_value() == ""
    assert lab.problems(page) == []


def test_the_keyboard_alone_is_enough(lab, notebook):
    page = notebook(SHOW)
    cells = page.locator(".jp-Notebook-cell").count()
    page.get_by_role("textbox", name="filter").focus()
    page.keyboard.type("adx")  # commands of JupyterLab for cells; here they are a filter
    assert keys(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert keys(page) == TROUBLE + FITS
    page.keyboard.press("Tab")
    expect(
        page.get_by_role("group", name="Keys of the model and of the checkpoint")
    ).to_be_focused()
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for key in "adx":
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook-cell").count() == cells
    assert lab.problems(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_either_theme(notebook, theme):
    page = notebook(SHOW, theme=theme)
    page.get_by_role("checkbox", name="show what matched").check()
    assert jupyterlab.accessibility_faults(page, ".inm-fit") == []
    jupyterlab.projector_screenshots(page, SCREENSHOTS, theme)
    for part in (".inm-fit", ".inm-fit tbody tr", ".inm-fit-code"):
        back, words = page.locator(part).first.evaluate(
            "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color].map("
            "one => one.match(/[0-9.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0))"
        )
        assert (back < words) == (theme == "dark"), part


def test_two_tables_on_a_page_do_not_touch_each_other(notebook):
    page = notebook(SHOW, SHOW)
    page.get_by_role("textbox", name="filter").first.fill("running")
    expect(page.locator(".inm-fit").first.locator("tbody tr")).to_have_count(2)
    expect(page.locator(".inm-fit").nth(1).locator("tbody tr")).to_have_count(5)


@pytest.mark.parametrize("form", ["live", "static", "trusted"])
def test_hostile_keys_stay_text(lab, notebook, still, form):
    if form == "live":
        page = notebook(SHOW)
        view = page.locator(".inm-fit")
    else:
        page = still(made().static_face(), trusted=form == "trusted")
        view = page.locator(".jp-RenderedHTML")
    assert jupyterlab.stays_text(lab, view)


def test_the_static_face_is_seen_before_trust_and_folds_what_matches(still):
    page = still(made().static_face())
    view = page.locator(".jp-RenderedHTML")
    expect(view.locator("table").first.locator("tbody tr")).to_have_count(len(TROUBLE))
    expect(view.locator("pre").first).to_contain_text("state_dict = ")
    expect(view.get_by_text("1.running_mean")).to_be_hidden()
    view.locator("summary").click()
    expect(view.get_by_text("1.running_mean")).to_be_visible()
    assert jupyterlab.accessibility_faults(page, ".jp-RenderedHTML") == []
