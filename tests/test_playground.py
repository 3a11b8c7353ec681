"""The playground and its table without a browser: what they show of the outcomes."""

from __future__ import annotations

import pytest

from helpers import OutcomeTable, Playground
from helpers.tracing.trials import EARLY_HOMES, HOMES, ROUTES, VALUES, grid
from helpers.views.outcome_table import outcome_in_words
from tests.html_page import Page

EARLY = "before Module.__init__"
GRID = grid()


def cells_of(outcomes):
    """{(value, home): words of the cell} of the table of one route."""
    page = Page(OutcomeTable(outcomes)._repr_html_().replace("<br>", " "))
    (_, *homes), *rows = page.rows
    found = {}
    for names, *cells in rows:
        for value in names.split(", "):
            found |= {(value, home): words for home, words in zip(homes, cells, strict=True)}
    return found


def test_the_table_has_every_combination_of_a_route_in_words():
    outcomes = [one for one in GRID if one.route == "setattr"]
    cells = cells_of(outcomes)
    for one in outcomes:
        words = cells[one.value, one.home]
        if one.error:
            assert words.startswith(f"⚠ {one.error}")
            assert words.endswith("as it was" if one.after == one.home else "the name is lost")
        else:
            assert one.after in words or one.after == "plain"
            assert ("plain" in words) == (one.after == "plain")
            assert ("hidden" in words) == one.hidden
    assert cells["non-leaf Parameter", "buffer"] == "⚠ ValueError the name is lost"
    assert cells["None", "parameter"] == "■ parameter empty slot"
    assert (
        cells["Tensor", "nowhere"] == "✕ plain tensor"
        and cells["number", "nowhere"] == "· plain value"
    )


def test_the_table_has_heads_a_caption_and_nothing_that_is_stripped_before_trust():
    table = OutcomeTable(GRID)
    face = table._repr_html_()
    page = Page(face)
    assert not {tag for tag, _ in page.tags} & {"svg", "script", "style", "details"}
    assert face.count("<caption") == len(ROUTES) and len(face) < 60_000
    assert (
        sum(attributes.get("scope") == "col" for tag, attributes in page.tags if tag == "th")
        == 5 * 8 + 4
    )
    errors = sum(bool(one.error) for one in GRID)
    assert repr(table) == f"OutcomeTable: {len(GRID)} attempts, {errors} of them raise an error"
    assert face == OutcomeTable(grid())._repr_html_()


def test_every_outcome_has_one_sentence_that_names_error_and_home():
    for one in GRID:
        words = outcome_in_words(one)
        assert words.endswith(".") and one.message in words and one.error in words
        assert ("lost its home" in words) == (bool(one.error) and one.after != one.home)
        assert words.startswith("No error" if not one.error else one.error)


def test_the_menus_run_what_is_chosen():
    view = Playground()
    assert view.outcome.after == "parameter"
    assert view.menus.choices == {"value": list(VALUES), "home": list(HOMES), "route": list(ROUTES)}
    view.menus.home = "class attribute"
    assert view.menus.words == outcome_in_words(view.outcome) and view.outcome.error == "KeyError"
    view.menus.route = "del"
    assert view.menus.choices["value"] == [] and view.outcome.error == "AttributeError"
    view.menus.route = EARLY
    assert view.menus.choices["home"] == list(EARLY_HOMES) and view.menus.home == "class attribute"
    assert "before Module.__init__() call" in view.menus.words and view.menus.choices[
        "value"
    ] == list(VALUES)
    view.menus.route = "setattr"
    assert view.menus.choices["home"] == list(HOMES) and len(view.children) == 2


def test_a_home_that_is_not_there_before_init_gives_way_to_the_first():
    view = Playground()
    view.menus.home = "buffer"
    view.menus.route = EARLY
    assert (view.outcome.home, view.outcome.route, view.menus.home) == ("nowhere", EARLY, "nowhere")


def test_no_player_is_left_over():
    view = Playground()
    first = view.children[1]
    view.menus.value = "Tensor"
    assert view.children[1] is not first and first.comm is None


def test_the_playground_has_three_faces_and_the_still_ones_do_not_answer():
    first, second = (Playground()._repr_mimebundle_()[0] for _ in range(2))
    assert first["text/html"] == second["text/html"] and len(first) == 3
    assert first["text/plain"] == "Playground: 8 values, 7 homes of the name, 6 routes"
    words = Page(first["text/html"]).words
    assert all(word in words for word in (*VALUES, *HOMES, *ROUTES)) and "Error" not in words


def test_it_opens_where_it_is_told():
    view = Playground(value="number", route="register_buffer")
    assert (view.outcome.value, view.outcome.home, view.outcome.route) == (
        "number",
        "nowhere",
        "register_buffer",
    )
    assert view.outcome.error == "TypeError" and len(view.children) == 2
    with pytest.raises(ValueError, match="there is no route 'assign'"):
        Playground(route="assign")
