"""The map in a real JupyterLab: fold, filter, select, read, with the mouse and from the keyboard
alone.
"""

from __future__ import annotations

import re

import pytest
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import Page, expect

from helpers import StateMap
from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK
from tests.modules import NAMES

SMALL = """\
import torch
from torch import nn
from helpers import StateMap

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU())
        self.head = nn.Linear(3, 2, bias=False)
        self.tied = nn.Linear(3, 2, bias=False)
        self.tied.weight = self.head.weight
        self.register_buffer("cache", torch.zeros(4), persistent=False)
        self.loose = torch.arange(6.0)

model = Model()
StateMap(model)"""
LARGE = """\
import torch
from torch import nn
from helpers import StateMap
with torch.device("meta"):
    model = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(10_000)))
StateMap(model)"""
HOSTILE = f"""\
import torch
from torch import nn
from helpers import StateMap
names = [{STRUCK!r}, *{[name for name in NAMES if name]!r}]
model = nn.Module()
for name in names:
    model._modules[name] = nn.Linear(1, 1)
    model._parameters[name + "p"] = nn.Parameter(torch.ones(1))
    setattr(model, name + "v", name)
StateMap(model)"""


WIDE = """\
import torch
from torch import nn
from helpers import StateMap
model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(250)), nn.Linear(80, 40), nn.Linear(40, 9))
model.register_buffer("quiet", torch.zeros(300), persistent=False)
StateMap(model)"""


def strip(page: Page):
    return page.get_by_role("listbox", name="Bytes of the parts of the model")


def lit(page: Page) -> str:
    """What is told of the piece that is selected, which is the one that the keyboard stands on."""
    piece = strip(page).locator("[aria-selected=true]")
    expect(piece).to_have_count(1)
    assert strip(page).get_attribute("aria-activedescendant") == piece.get_attribute("id")
    return piece.get_attribute("aria-label")


def row(page: Page, name: str, place: int = 0):
    """The row in sight whose name is `name`."""
    exact = page.locator(".inm-map-name").get_by_text(name, exact=True)
    return page.get_by_role("treeitem").filter(has=exact).nth(place)


def details(page: Page):
    return page.get_by_role("group", name="Details of what is selected")


def tree(page: Page):
    return page.get_by_role("tree")


def names(page: Page) -> list[str]:
    return page.locator(".inm-map-name").all_text_contents()


def active(page: Page) -> str:
    """Accessible name of the row on which the keyboard stands."""
    return tree(page).evaluate(
        "node => document.getElementById(node.getAttribute('aria-activedescendant')).ariaLabel"
    )


def test_a_press_while_the_tree_scrolls_is_still_a_click(notebook):
    page = notebook(SMALL)
    box = row(page, "weight").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.evaluate("() => { document.querySelector('.inm-map-tree').scrollTop += 4; }")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    page.mouse.up()
    expect(details(page)).to_contain_text("head.weight")


def test_selecting_shows_facts_names_and_who_sees_it(lab, notebook):
    page = notebook(SMALL)
    row(page, "weight").click()
    jupyterlab.picture(page.locator(".inm-map"), "state_map")
    row(page, "tied").click()
    expect(details(page)).to_contain_text("Linear")
    page.keyboard.press("ArrowRight")
    row(page, "weight", 1).click()
    for words in (
        "tied.weight",
        "2 × 3",
        "float32",
        "24 bytes",
        "One tensor, several names",
        "head.weight",
        "state_dict() has this name",
        "backward() leaves a gradient on it",
    ):
        expect(details(page)).to_contain_text(words)
    tree(page).press("Home")
    row(page, "cache").click()
    expect(details(page)).to_contain_text("non-persistent buffer")
    expect(details(page)).to_contain_text("state_dict() leaves this name out")
    row(page, "loose").click()
    expect(details(page)).to_contain_text(".to() leaves it where it is")
    expect(details(page).locator("pre")).to_have_count(0)  # numbers are shown only when asked for
    page.get_by_role("button", name="Show the first numbers").click()
    expect(details(page).locator("pre")).to_have_text("0  1  2  3  4  5")
    assert lab.problems(page) == []


def test_a_submodule_folds_and_opens_and_a_filter_finds(notebook):
    page = notebook(SMALL)
    expect(row(page, "head")).to_have_attribute("aria-expanded", "true")
    before = names(page)
    row(page, "head").locator(".inm-map-fold").click()
    expect(row(page, "head")).to_have_attribute("aria-expanded", "false")
    assert len(names(page)) < len(before)
    row(page, "head").locator(".inm-map-fold").click()
    expect(row(page, "head")).to_have_attribute("aria-expanded", "true")
    assert names(page) == before

    # The filter shows the matches with the way to them.
    page.get_by_label("Filter by name").fill("RUNNING_")
    expect(page.locator(".inm-map-status")).to_have_text("3 matches")
    assert names(page) == [
        "model",
        "body",
        "1",
        "running_mean",
        "running_var",
        "track_running_stats",
    ]
    expect(details(page)).to_contain_text("body.1.running_mean")
    place = details(page).bounding_box()
    page.get_by_label("Filter by name").fill("nowhere")
    expect(page.locator(".inm-map-status")).to_have_text("Nothing has this in its name")
    expect(page.locator(".inm-map-tree")).to_be_hidden()
    assert details(page).bounding_box() == place
    page.get_by_label("Filter by name").press("Escape")
    assert "head" in names(page) and page.get_by_label("Filter by name").input_value() == ""


def test_everything_is_reached_from_the_keyboard(notebook):
    page = notebook(SMALL)
    cells = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    page.get_by_label("Filter by name").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    assert active(page).startswith("model, module, ")
    page.keyboard.press("ArrowDown")
    assert active(page) == "cache, non-persistent buffer, 4, float32"
    page.keyboard.press("End")
    assert active(page).startswith("tied, submodule")
    expect(row(page, "tied")).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(row(page, "tied")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowRight")
    assert active(page).startswith("weight, parameter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(row(page, "tied")).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Home")
    assert active(page).startswith("model")
    page.keyboard.press("PageDown")
    assert not active(page).startswith("model")
    page.keyboard.press("/")
    page.keyboard.type("cache")
    expect(page.locator(".inm-map-status")).to_have_text("1 match")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    assert page.get_by_label("Filter by name").input_value() == ""
    assert active(page).startswith("cache")
    page.keyboard.type("dabxm")  # shortcuts of the notebook: the map keeps them to itself
    assert (
        page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length") == cells
    )


def test_of_thirty_thousand_submodules_children_and_matches_are_fetched_when_asked_for(
    lab, notebook
):
    page = notebook(LARGE)
    expect(page.locator(".inm-map-totals")).to_contain_text("30,001")
    expect(row(page, "0", 1)).to_contain_text("Linear")
    expect(row(page, "weight")).to_have_attribute("aria-selected", "true")
    expect(details(page)).to_contain_text("0.0.weight")
    tree(page).press("End")
    chosen = tree(page).locator("[aria-selected=true]")
    expect(chosen).to_have_count(1)
    expect(chosen).to_contain_text("more: show the next")
    tree(page).press("Enter")
    expect(details(page)).to_contain_text("39")
    assert active(page) == "39, submodule, Sequential"  # the first of the next hundred
    tree(page).press("End")
    expect(page.get_by_role("treeitem", name="more: show the next")).to_contain_text("9,861 more")
    page.get_by_label("Filter by name").fill("9999.0.w")
    expect(page.locator(".inm-map-status")).to_have_text("1 match", timeout=20_000)
    expect(details(page)).to_contain_text("9999.0.weight")
    page.get_by_role("button", name="Show the first numbers").click()
    expect(details(page)).to_contain_text("on the meta device")
    assert lab.problems(page) == []


def test_it_opens_on_the_first_tensor_and_plain_values_are_folded(lab, notebook):
    page = notebook(SMALL)
    assert active(page) == "cache, non-persistent buffer, 4, float32"
    expect(details(page)).to_contain_text("non-persistent buffer")
    assert "in_features" not in names(page)
    line = page.get_by_role("treeitem", name="+3 plain").first  # of the first Linear
    expect(line).to_have_attribute("aria-expanded", "false")
    line.click()
    assert names(page).count("in_features") == 1
    expect(line).to_have_attribute("aria-expanded", "true")
    weight = "node => getComputedStyle(node.querySelector('.inm-map-name')).fontWeight"
    assert row(page, "in_features").evaluate(weight) == "400"
    assert row(page, "weight").evaluate(weight) == "600"
    page.keyboard.press("Enter")  # the keyboard stands on the line
    assert "in_features" not in names(page)
    page.get_by_label("Filter by name").fill("in_feat")
    assert "in_features" in names(page)
    assert lab.problems(page) == []


def test_the_tree_is_as_high_as_its_rows(notebook):
    page = notebook("from torch import nn\nfrom helpers import StateMap\nStateMap(nn.Linear(2, 1))")
    rows = page.get_by_role("treeitem")
    expect(rows).to_have_count(4)  # the model, two parameters, and a line for the rest
    height = sum(one.bounding_box()["height"] for one in rows.all())
    assert tree(page).bounding_box()["height"] == pytest.approx(height + 2, abs=2)


def test_a_piece_of_the_strip_selects_its_row_and_a_row_lights_its_piece(lab, notebook):
    page = notebook(SMALL)
    assert lit(page).startswith("cache, non-persistent buffer, 16 bytes")
    strip(page).get_by_role("option", name="head.weight").click()
    expect(details(page)).to_contain_text("head.weight")
    assert active(page) == "weight, parameter, 2 × 3, float32"
    row(page, "tied").locator(".inm-map-fold").click()
    row(page, "weight", 1).click()  # another name of the same tensor
    expect(details(page)).to_contain_text("tied.weight")
    assert lit(page).startswith("head.weight, parameter")
    row(page, "model").click()
    expect(strip(page).locator("[aria-selected=true]")).to_have_count(0)
    told = page.locator(".inm-strip-told")
    expect(told).to_contain_text("as wide as its bytes")
    strip(page).get_by_role("option", name="body.0.weight").hover()
    expect(told).to_have_text(re.compile(r"^body\.0\.weight: 24 bytes, \d+%$"))
    page.get_by_label("Filter by name").fill("bias")
    strip(page).get_by_role("option", name="head.weight").click()
    expect(page.get_by_label("Filter by name")).to_have_value("")
    assert active(page) == "weight, parameter, 2 × 3, float32"
    assert lab.problems(page) == []


def test_the_pieces_are_as_wide_as_their_bytes_and_reached_from_the_keyboard(lab, notebook):
    page = notebook(WIDE)
    box = strip(page).bounding_box()
    widths = {
        piece.get_attribute("aria-label").split(",")[0]: piece.bounding_box()["width"]
        for piece in strip(page).get_by_role("option").all()
    }
    sizes = {"quiet": 1_200, "250.weight": 12_800, "251.weight": 1_440}
    assert list(widths) == list(sizes)
    total = sum(sizes.values()) + 250 * 24 + 160 + 36  # the small layers, and the two biases
    for name, size in sizes.items():
        assert widths[name] == pytest.approx(box["width"] * size / total, abs=1)
    expect(strip(page)).to_contain_text("252 smaller")
    strip(page).focus()
    page.keyboard.press("End")
    expect(details(page).locator("code").first).to_have_text("251.weight")
    page.keyboard.press("Home")
    expect(details(page)).to_contain_text("quiet")
    page.keyboard.press("ArrowLeft")
    assert lit(page).startswith("quiet, non-persistent buffer, 1,200 bytes")
    page.keyboard.press("ArrowRight")  # its row is not here yet: three pages are asked for
    expect(details(page).locator("code").first).to_have_text("250.weight")
    assert lit(page).startswith("250.weight, parameter, 12.5 KiB, 59%")
    assert lab.problems(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    try:
        wide = "node => node.scrollWidth > node.clientWidth"
        assert not page.locator(".inm-map").evaluate(wide)
    finally:
        page.set_viewport_size(jupyterlab.DESKTOP)


def test_refresh_reads_the_model_again_and_keeps_what_is_open(notebook):
    page = notebook(
        SMALL + "\n",
        "model.added = nn.Parameter(torch.ones(1)); model.head.weight.requires_grad_(False)",
    )
    row(page, "tied").locator(".inm-map-fold").click()
    row(page, "head").locator(".inm-map-fold").click()
    page.get_by_role("button", name="Refresh").click()
    expect(row(page, "added")).to_be_visible()
    expect(row(page, "head")).to_have_attribute("aria-expanded", "false")
    expect(row(page, "tied")).to_have_attribute("aria-expanded", "true")
    expect(row(page, "weight")).to_contain_text("frozen")


def test_hostile_names_stay_text_live_static_and_trusted(lab, notebook):
    page = notebook(HOSTILE)
    for name in (STRUCK, NAMES[7]):
        page.get_by_label("Filter by name").fill(name)
        row(page, name).click()
        expect(details(page).locator("code").first).to_have_text(name)
        expect(details(page).locator("img, script")).to_have_count(0)
    context: dict = {}
    exec(HOSTILE.rsplit("\n", 1)[0], context)
    face = StateMap(context["model"])._repr_mimebundle_()[0]["text/html"]
    saved = new_code_cell(
        "0", outputs=[new_output("execute_result", {"text/html": face}, execution_count=1)]
    )
    page = notebook(saved, run=False)
    assert "<img src=x" in jupyterlab.static_faces(page)[0]
    jupyterlab.trust(page)
    assert "<img src=x" in jupyterlab.static_faces(page)[0]
    assert page.evaluate("() => window.struck") is None
    assert lab.problems(page) == []


def test_axe_finds_no_serious_fault(notebook):
    page = notebook(SMALL)
    assert jupyterlab.accessibility_faults(page, ".inm-map") == []
    row(page, "weight").click()
    page.get_by_role("button", name="Show the first numbers").click()
    page.get_by_label("Filter by name").fill("nowhere")
    assert jupyterlab.accessibility_faults(page, ".inm-map") == []
