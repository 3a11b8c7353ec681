"""The table of who sees what, the question before it, and the slider over a figure, in a real
JupyterLab.
"""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import Locator, Page, expect
from torch import nn

from helpers import VisibilityTable
from helpers.state.visibility import visibility
from helpers.views.signs import SIGNS
from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK

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
MOVES = """\
import torch
from torch import nn
from helpers import StateMap, VisibilityTable
class Dsp(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.gamma = nn.Parameter(torch.ones(1)), torch.ones(1)
    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.gamma = fn(self.gamma)
        return self
"""
ASK = f"""\
import torch
from torch import nn
from helpers import VisibilityTable
model = nn.Module()
model.learned, model.plain = nn.Parameter(torch.ones(1)), torch.ones(1)
model.register_buffer("kept", torch.ones(1))
said = {{
    "never": [], "some": ["learned"], {STRUCK!r}: ["learned", "kept"],
    "rarely": [], "seldom": [], "always": ["learned", "kept", "plain"],
}}
names = ["learned", "kept", "plain"]
answers = {{call: {{name: name in yes for name in names}} for call, yes in said.items()}}
VisibilityTable(model, answers).predict()"""
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


def test_the_table_is_a_table_with_heads_and_axe_finds_nothing(lab, notebook):
    page = notebook(SHOW)
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
    assert lab.problems(page) == []


def test_axe_finds_nothing_in_the_slider(notebook):
    page = notebook(SLIDER)
    expect(page.get_by_alt_text("Up to 1", exact=True)).to_be_visible()
    assert jupyterlab.accessibility_faults(page, ".inm-redraw") == []


# --- predict, then reveal ---


def cell(page: Page, tensor: str, call: str) -> Locator:
    return page.locator(".inm-grid").get_by_role("button", name=f"{tensor}, {call}")


def order(page: Page) -> list[str]:
    return page.locator(".inm-grid tbody th").all_inner_texts()


def seen(page: Page) -> list[str]:
    """The rows as they look: y for a yes, n for a no, a capital for what is ringed."""
    return page.locator(".inm-grid tbody tr").evaluate_all(
        """rows => rows.map(row => [...row.querySelectorAll('button')].map(one => {
            const told = {yes: 'y', no: 'n'}[one.dataset.told] ?? '.';
            return 'miss' in one.dataset ? told.toUpperCase() : told; }).join(''))"""
    )


def test_the_truth_is_on_the_page_only_after_the_reader_asks(lab, notebook):
    page = notebook(ASK)
    expect(cell(page, "learned", "some")).to_have_attribute("aria-pressed", "false")
    assert seen(page) == ["..."] * 6
    assert order(page)[:2] == ["never", "some"]
    labels = page.locator(".inm-grid button").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label') ?? one.textContent)"
    )
    assert not any(": yes" in label or ": no" in label for label in labels)
    cell(page, "learned", "some").click()
    cell(page, "plain", "some").click()
    expect(page.locator(".inm-grid .inm-status")).to_have_text("2 of 18 marked.")
    page.get_by_role("button", name="Reveal").click()
    assert order(page)[0] == "always" and order(page)[2:4] == ["some", "never"]
    assert seen(page) == ["YYY", "YYn", "ynN", "nnn", "nnn", "nnn"]  # a staircase
    expect(page.locator(".inm-grid .inm-status")).to_have_text(
        "12 of 18 right. 6 misses, ringed: 5 yes that you did not mark, 1 no that you marked."
    )
    missed = "plain, some: no, missed: you said yes"
    expect(page.get_by_role("button", name=missed)).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Start again").click()
    assert seen(page) == ["..."] * 6 and order(page)[:2] == ["never", "some"]
    assert lab.problems(page) == []


def test_what_is_neither_yes_nor_no_is_told_by_its_cause_in_each_face(lab, notebook):
    page = notebook(MOVES + "VisibilityTable(Dsp())")
    plain = page.locator(".inm-visibility tbody tr").last.locator("td")
    assert plain.all_inner_texts() == ["– no"] * 3 + ["? Dsp._apply decides", "– no"]

    page = notebook(MOVES + "VisibilityTable(Dsp()).predict()")
    open_one = cell(page, "gamma", ".to() moves it")
    open_one.click()
    page.get_by_role("button", name="Reveal").click()
    open_one = page.locator('.inm-grid button[data-told="open"]')
    expect(open_one).to_have_count(1)
    expect(open_one).to_have_text("?")
    expect(open_one).to_have_attribute(
        "aria-label", "gamma, .to() moves it: Dsp._apply decides"
    )  # and no miss, whatever was marked
    expect(page.locator(".inm-grid .inm-status")).to_have_text(
        "5 of 9 right. 4 misses, ringed: 4 yes that you did not mark. "
        "1 cell is neither: Dsp._apply decides."
    )
    assert jupyterlab.accessibility_faults(page, ".inm-grid") == []

    page = notebook(MOVES + "StateMap(Dsp())")
    page.locator('.inm-map [role="treeitem"]', has_text="gamma").last.click()
    said = page.locator(".inm-map-sees li", has_text="cannot be foretold")
    expect(said).to_have_text("?.to(): cannot be foretold, because Dsp has its own _apply()")
    assert lab.problems(page) == []


def test_the_truth_has_the_colour_of_its_tensor(notebook):
    for theme, shade in (("light", "light"), ("dark", "dark")):
        page = notebook(ASK, theme=theme)
        page.get_by_role("button", name="Reveal").click()
        colours = (
            page.locator(".inm-grid tbody tr")
            .first.locator("button")
            .evaluate_all("all => all.map(one => getComputedStyle(one).backgroundColor)")
        )
        kinds = [SIGNS[kind] for kind in ("parameter", "buffer", "plain tensor")]
        wanted = [getattr(sign, shade) or sign.colour for sign in kinds]
        parts = [[str(int(one[i : i + 2], 16)) for i in (1, 3, 5)] for one in wanted]
        assert colours == [f"rgb({', '.join(one)})" for one in parts]


def test_the_grid_is_walked_by_arrows_and_marked_by_space(lab, notebook):
    page = notebook(ASK)
    cells = page.locator(".jp-Notebook-cell").count()
    stops = page.locator('.inm-grid-cell[tabindex="0"]')
    expect(stops).to_have_count(1)
    stops.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    expect(cell(page, "plain", "some")).to_be_focused()
    expect(cell(page, "plain", "some")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Home")
    expect(cell(page, "learned", "some")).to_be_focused()
    page.keyboard.press("Control+End")
    expect(cell(page, "plain", "always")).to_be_focused()
    for key in ("ArrowUp", "ArrowLeft", "End", "Control+Home", "ArrowUp"):
        page.keyboard.press(key)
    expect(cell(page, "learned", "never")).to_be_focused()
    expect(stops).to_have_count(1)
    for key in "adx":  # commands of JupyterLab for cells
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook-cell").count() == cells
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Reveal")).to_be_focused()
    page.keyboard.press("Enter")
    assert seen(page)[0] == "YYY"
    expect(page.get_by_role("button", name="Start again")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")  # what is told cannot be marked any more
    assert seen(page)[0] == "YYY"
    assert lab.problems(page) == []


def test_axe_finds_nothing_in_the_grid_before_and_after(notebook):
    page = notebook(ASK)
    cell(page, "learned", "some").click()
    assert jupyterlab.accessibility_faults(page, ".inm-grid") == []
    page.get_by_role("button", name="Reveal").click()
    assert jupyterlab.accessibility_faults(page, ".inm-grid") == []
    page.set_viewport_size({"width": 390, "height": 900})
    jupyterlab.wait_until_drawn(page)
    wide = page.locator(".inm-grid").evaluate("one => one.scrollWidth > one.clientWidth")
    small = page.locator(".inm-grid button").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect())"
        ".filter(({width, height}) => Math.min(width, height) < 24).length"
    )
    page.set_viewport_size(jupyterlab.DESKTOP)
    assert not wide and small == 0


@pytest.mark.parametrize("form", ["live", "static"])
def test_hostile_words_stay_text_in_the_grid(lab, notebook, still, form):
    if form == "live":
        page = notebook(ASK)
        view = page.locator(".inm-grid")
    else:
        space = {}
        exec(ASK.rsplit("\n", 1)[0], space)
        table = VisibilityTable(space["model"], space["answers"])
        page = still(table.predict().static_face())
        view = page.locator(".inm-visibility-asked")
        expect(view.locator("table")).to_be_hidden()  # the truth is in a fold
        view.locator("summary").click()
        expect(view.locator("table")).to_be_visible()
    assert jupyterlab.stays_text(lab, view)


def test_the_rows_move_to_their_places_for_who_wants_motion(notebook):
    page = notebook(ASK)
    page.emulate_media(reduced_motion="no-preference")
    moves = """button => new Promise(done => {
        const seen = new Set(); button.click();
        const look = () => {
            seen.add(document.querySelector('.inm-grid tbody tr').style.transform);
            if (performance.now() - start < 900) requestAnimationFrame(look);
            else done([...seen]);
        };
        const start = performance.now(); look(); })"""
    moved = page.get_by_role("button", name="Reveal").evaluate(moves)
    page.emulate_media(reduced_motion="reduce")
    assert len(moved) > 2 and moved[-1] == ""
    assert page.get_by_role("button", name="Start again").evaluate(moves) == [""]
