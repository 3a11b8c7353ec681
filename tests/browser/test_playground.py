"""The playground of lesson 04, driven from the keyboard in a real JupyterLab."""

from __future__ import annotations

from playwright.sync_api import expect

from helpers import Playground
from helpers.tracing.trials import HOMES, ROUTES, VALUES
from tests.browser import jupyterlab

SHOW = "from helpers import Playground\nPlayground()"


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


def test_axe_finds_nothing_in_the_playground(lab, notebook):
    page = notebook(SHOW)
    expect(page.locator(".inm-outcome")).to_be_visible()
    assert jupyterlab.accessibility_faults(page, ".jupyter-widgets") == []
    assert lab.problems(page) == []


def test_the_still_face_is_seen_whole_before_trust(still):
    page = still(Playground()._repr_mimebundle_()[0]["text/html"])
    expect(page.get_by_text("Here stand three menus. Run this cell")).to_be_visible()
