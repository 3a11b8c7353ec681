"""The table of attempts in a real JupyterLab: a cell opens its film, by mouse and by key."""

from __future__ import annotations

import dataclasses
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from helpers import OutcomeTable
from helpers.tracing.trials import ROUTES, grid, run
from helpers.views.outcome_table import outcome_in_words
from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK

SHOW = """\
from helpers import OutcomeTable
from helpers.tracing import trials
OutcomeTable(trials.grid())"""
HOSTILE = f"""\
import dataclasses
from helpers import OutcomeTable
from helpers.tracing import trials
evil = {STRUCK!r}
tried = trials.run("number", "buffer", "setattr")
names = dict.fromkeys(("value", "home", "route", "error", "message"), evil)
OutcomeTable([dataclasses.replace(tried, **names)])"""


def cell(page: Page, about: str) -> Locator:
    """The cell of `setattr` whose label begins with `about`, "value, home"."""
    table = page.locator(".inm-attempts-route").first
    return table.get_by_role("button", name=re.compile(f"^{re.escape(about)}:"))


def opened(page: Page) -> Locator:
    return page.locator(".inm-attempts .inm-player")


def said(page: Page) -> Locator:
    return page.locator(".inm-attempts-said:not(:empty)")


def test_a_cell_shows_its_sentence_and_its_film_and_the_next_one_takes_its_place(lab, notebook):
    page = notebook(SHOW)
    expect(opened(page)).to_have_count(0)
    for value, home in (("number, string", "buffer"), ("Parameter", "submodule")):
        cell(page, f"{value}, {home}").click()
        outcome = run(value.split(",")[0], home, "setattr")
        expect(said(page)).to_contain_text(outcome_in_words(outcome))
        expect(opened(page)).to_have_count(1)
        expect(page.locator(".inm-player-count")).to_have_text(f"1 / {len(outcome.steps)}")
        expect(cell(page, f"{value}, {home}")).to_have_attribute("aria-pressed", "true")
        expect(page.locator('.inm-attempts-cell[aria-pressed="true"]')).to_have_count(1)
    table = page.locator(".inm-attempts-route").nth(2)
    table.get_by_role("button", name="None, buffer:").click()
    expect(table.locator(".inm-player")).to_be_visible()
    expect(opened(page)).to_have_count(1)
    table.get_by_role("button", name="None, buffer:").click()
    expect(opened(page)).to_have_count(0)
    expect(said(page)).to_have_count(0)
    expect(page.locator('.inm-attempts-cell[aria-pressed="true"]')).to_have_count(0)
    assert lab.problems(page) == []


def test_an_attempt_that_runs_no_line_of_torch_says_so(lab, notebook):
    tried = run("", "class attribute", "del")
    page = notebook(SHOW)
    route = page.locator(".inm-attempts-route").nth(list(ROUTES).index("del"))
    for home in ("plain", "class attribute"):
        route.get_by_role("button", name=f"(no value), {home}:").click()
        expect(opened(page)).to_be_visible()
    expect(said(page)).to_contain_text(outcome_in_words(tried))
    assert lab.problems(page) == []


def test_cells_are_walked_by_arrows_opened_by_keys_and_closed_by_escape(lab, notebook):
    page = notebook(SHOW)
    cells = page.locator(".jp-Notebook-cell").count()
    stops = page.locator(".inm-attempts-route").first.locator('[tabindex="0"]')
    expect(stops).to_have_count(1)
    stops.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    expect(cell(page, "Parameter, buffer")).to_be_focused()
    page.keyboard.press("Enter")
    expect(opened(page)).to_be_visible()
    expect(cell(page, "Parameter, buffer")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")  # the keys of the film are its own
    expect(page.locator(".inm-player-count")).to_contain_text("2 / ")
    page.keyboard.press("Escape")
    expect(opened(page)).to_have_count(0)
    expect(cell(page, "Parameter, buffer")).to_be_focused()
    page.keyboard.press("Control+End")
    expect(cell(page, "non-leaf Parameter, class attribute")).to_be_focused()
    page.keyboard.press("Space")
    expect(opened(page)).to_be_visible()
    page.get_by_role("button", name="Close").press("Enter")
    expect(opened(page)).to_have_count(0)
    expect(cell(page, "non-leaf Parameter, class attribute")).to_be_focused()
    page.keyboard.press("Home")
    expect(cell(page, "non-leaf Parameter, nowhere")).to_be_focused()
    for key in "adx":  # commands of JupyterLab for cells
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook-cell").count() == cells
    assert lab.problems(page) == []


def test_axe_finds_nothing_in_the_table_and_in_an_open_film(lab, notebook):
    page = notebook(SHOW)
    expect(page.locator(".inm-attempts")).to_be_visible()
    assert jupyterlab.accessibility_faults(page, ".inm-attempts") == []
    cell(page, "non-leaf Parameter, buffer").click()
    expect(opened(page)).to_be_visible()
    assert jupyterlab.accessibility_faults(page, ".inm-attempts") == []
    assert lab.problems(page) == []


def test_the_table_fills_what_is_lost_fades_what_stayed_and_keeps_its_first_column(notebook):
    page = notebook(SHOW)
    page.set_viewport_size({"width": 390, "height": 1000})
    jupyterlab.wait_until_drawn(page)
    box = page.locator(".inm-attempts .inm-scroll").first
    head = box.locator("tbody th").first
    before = head.bounding_box()["x"]
    box.evaluate("node => { node.scrollLeft = 200; }")
    moved = box.evaluate("node => node.scrollLeft")
    after = head.bounding_box()["x"]
    wide = page.locator(".inm-attempts").evaluate("one => one.scrollWidth > one.clientWidth")
    small = page.locator(".inm-attempts button").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect())"
        ".filter(({width, height}) => width && Math.min(width, height) < 24).length"
    )
    page.set_viewport_size(jupyterlab.DESKTOP)
    assert moved == 200 and after == pytest.approx(before, abs=2)
    assert not wide and small == 0
    look = "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color]"
    lost = page.locator('.inm-attempts [data-look="lost"]').first
    kept = page.locator('.inm-attempts [data-look="kept"]').first
    expect(lost).to_contain_text("the name is lost")
    expect(kept).to_contain_text("as it was")
    assert lost.evaluate(look) == ["rgb(138, 44, 0)", "rgb(255, 255, 255)"]
    plain = page.locator(".inm-attempts-cell:not([data-look])").first
    ground, faded = kept.evaluate(look)
    assert ground == plain.evaluate(look)[0] == "rgba(0, 0, 0, 0)"
    assert faded != plain.evaluate(look)[1]


def test_the_still_face_is_seen_whole_before_trust(still):
    page = still(OutcomeTable(grid())._repr_html_())
    tables = page.locator(".inm-outcomes table")
    expect(tables).to_have_count(len(ROUTES))
    expect(tables.first.locator("tbody tr").last).to_contain_text("the name is lost")
    assert tables.first.locator("th[scope=col]").count() == 8


@pytest.mark.parametrize("form", ["live", "static", "trusted"])
def test_hostile_words_stay_text(lab, notebook, still, form):
    if form == "live":
        page = notebook(HOSTILE)
        view = page.locator(".inm-attempts")
        view.locator(".inm-attempts-cell").click()
        expect(said(page)).to_contain_text(f"{STRUCK}: {STRUCK}")
    else:
        tried = run("number", "buffer", "setattr")
        names = dict.fromkeys(("value", "home", "route", "error", "message"), STRUCK)
        face = OutcomeTable([dataclasses.replace(tried, **names)])._repr_html_()
        page = still(face, trusted=form == "trusted")
        view = page.locator(".inm-outcomes")
    assert jupyterlab.stays_text(lab, view)
