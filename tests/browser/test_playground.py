"""The playground of lesson 04, driven from the keyboard in a real JupyterLab, and its table of
attempts.
"""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import expect

from helpers import OutcomeTable, Playground
from helpers.tracing.trials import HOMES, ROUTES, VALUES, grid
from tests.browser import jupyterlab

SHOW = "from helpers import Playground\nPlayground()"
TABLE = """\
from helpers import OutcomeTable
from helpers.tracing import trials
OutcomeTable(trials.grid())"""


def choose(page, label, words):
    """Type the beginning of the wanted line into a menu that has the focus."""
    page.get_by_label(label, exact=True).focus()
    page.keyboard.type(words)


def test_each_menu_is_chosen_from_the_keyboard_and_the_outcome_follows(lab, notebook):
    page = notebook(SHOW, "1 + 1")
    outcome = page.locator(".inm-outcome")
    expect(outcome).to_have_text("No error: the name is a parameter.")
    for label, known in (("value", VALUES), ("home", HOMES), ("route", ROUTES)):
        options = page.get_by_label(label, exact=True).locator("option").all_inner_texts()
        assert options == list(known)
    page.get_by_label("value", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("home", exact=True)).to_have_value("plain")
    choose(page, "home", "buffer")
    expect(page.get_by_label("home", exact=True)).to_have_value("buffer")
    choose(page, "value", "num")
    expect(outcome).to_contain_text("TypeError: cannot assign 'float' as buffer 'x'")
    expect(outcome).to_contain_text("the name is a buffer, as before.")
    page.keyboard.press("End")
    expect(outcome).to_contain_text("the name has lost its home: it was a buffer.")
    choose(page, "route", "del")
    expect(outcome).to_have_text("No error: the name is nowhere.")
    expect(page.get_by_label("value", exact=True)).to_be_disabled()
    page.keyboard.press("End")
    expect(outcome).to_contain_text("before Module.__init__() call")
    assert page.get_by_label("home", exact=True).locator("option").count() == 3
    assert (
        page.locator(".inm-outcome").count() == 1 and page.locator(".jp-Cell").count() == 2
    )  # no key got through
    assert lab.problems(page) == []


def test_on_a_projector_the_menus_and_the_whole_player_are_in_sight(notebook):
    page = notebook(SHOW)
    page.set_viewport_size(jupyterlab.PROJECTOR)
    menus, player = page.locator(".inm-playground"), page.locator(".inm-player")
    menus.evaluate("node => node.scrollIntoView({block: 'start'})")
    whole = player.bounding_box()
    assert whole["y"] + whole["height"] - menus.bounding_box()["y"] < 600
    page.set_viewport_size(jupyterlab.DESKTOP)


def test_the_lines_that_ran_follow_the_choice(lab, notebook):
    page = notebook(SHOW)
    page.get_by_label("route", exact=True).select_option("register_buffer")
    player = page.locator(".jupyter-widgets .inm:not(.inm-playground)")
    expect(player).to_contain_text("register_buffer")
    expect(player).to_have_count(1)
    assert lab.problems(page) == []


def test_axe_finds_nothing_in_the_playground_and_the_table(lab, notebook):
    page = notebook(SHOW, TABLE)
    expect(page.locator(".inm-outcome")).to_be_visible()
    assert jupyterlab.accessibility_faults(page, ".jupyter-widgets") == []
    assert jupyterlab.accessibility_faults(page, ".inm-outcomes") == []
    assert lab.problems(page) == []


def test_the_table_fills_what_is_lost_fades_what_stayed_and_keeps_its_first_column(notebook):
    page = notebook(TABLE)
    page.set_viewport_size({"width": 600, "height": 1000})
    jupyterlab.wait_until_drawn(page)
    table = page.locator(".inm-outcomes table").first
    head = table.locator("tbody th").first
    before = head.bounding_box()["x"]
    moved = table.evaluate("node => { node.parentNode.scrollLeft = 200; }") or table.evaluate(
        "node => node.parentNode.scrollLeft"
    )
    after = head.bounding_box()["x"]
    page.set_viewport_size(jupyterlab.DESKTOP)
    assert moved == 200 and after == pytest.approx(before, abs=2)
    look = "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).opacity]"
    lost = table.locator("td div", has_text="the name is lost").first.evaluate(look)
    kept = table.locator("td div", has_text="as it was").first.evaluate(look)
    assert lost == ["rgb(138, 44, 0)", "1"] and kept == ["rgba(0, 0, 0, 0)", "0.7"]


def test_the_still_faces_are_seen_whole_before_trust(notebook):
    faces = [Playground()._repr_mimebundle_()[0]["text/html"], OutcomeTable(grid())._repr_html_()]
    cells = [
        new_code_cell(
            "...",
            outputs=[new_output("display_data", data={"text/html": str(face)})],
            execution_count=place,
        )
        for place, face in enumerate(faces, start=1)
    ]
    page = notebook(*cells, run=False)
    assert jupyterlab.trusted_outputs(page) == 0
    expect(page.get_by_text("Here stand three menus. Run this cell")).to_be_visible()
    tables = page.locator(".inm-outcomes table")
    expect(tables).to_have_count(len(ROUTES))
    expect(tables.first.locator("tbody tr").last).to_contain_text("the name is lost")
    assert tables.first.locator("th[scope=col]").count() == 8
