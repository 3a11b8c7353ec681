"""The table of attempts without a browser: what it shows of the outcomes, and the film behind each
cell."""

from __future__ import annotations

import json

import pytest
from traitlets import TraitError

from helpers import OutcomeTable
from helpers.tracing.parting import parting
from helpers.tracing.trials import ROUTES, grid, run
from helpers.views.outcome_table import outcome_in_words
from helpers.views.page import packed
from helpers.views.trace_player import traits_of
from tests.html_page import Page

GRID = grid()


def read(view):
    """The still face; the end of a line and a space that breaks no line read as a space."""
    return Page(view._repr_html_().replace("<br>", " ").replace("\u00a0", " "))


def cells_of(outcomes):
    """{(value, home): words of the cell} of the table of one route."""
    (_, *homes), *rows = read(OutcomeTable(outcomes)).rows
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


def test_the_still_face_has_heads_a_caption_and_nothing_that_is_stripped_before_trust():
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


def cells(view):
    """(route, values, home, cell) of each cell, in the order of reading."""
    for table in view.tables:
        for row in table["rows"]:
            for home, cell in zip(table["homes"], row["cells"], strict=True):
                yield table["route"], row["values"].split(", "), home, cell


def test_the_live_table_has_the_words_of_the_still_one():
    view = OutcomeTable(GRID)
    rows = [row for row in read(view).rows if row[0] != "value"]
    still = [[words.lstrip("■●○▣✕·– ") for words in row] for row in rows]
    live = [
        [row["values"], *(" ".join(cell["words"]) for cell in row["cells"])]
        for table in view.tables
        for row in table["rows"]
    ]
    assert live == still


def test_a_cell_opens_the_film_of_the_attempt_with_the_first_value_of_its_line():
    view = OutcomeTable(GRID)
    for at, (route, values, home, cell) in enumerate(cells(view)):
        assert cell["at"] == at
        value = "" if values == ["(no value)"] else values[0]
        view.chosen = at
        (tried,) = [one for one in GRID if (one.value, one.home, one.route) == (value, home, route)]
        again = run(value, home, route)
        assert parting(tried.steps, again.steps) is None
        assert view.opened == {"at": at, "words": view.opened["words"], **traits_of(tried.steps)}
        assert view.opened["words"].startswith(f"{value} by {route}, on a name that is ".lstrip())
        assert view.opened["words"].endswith(f". {outcome_in_words(again)}")
    view.chosen = -1
    assert view.opened == {}


def test_what_is_saved_does_not_tell_which_cell_is_open():
    view = OutcomeTable(GRID)
    before = (repr(view), view._repr_html_())
    view.chosen = 3
    assert (repr(view), view._repr_html_()) == before


def test_the_page_has_a_film_for_every_cell_and_what_they_have_in_common_once():
    view = OutcomeTable(GRID)
    (part,) = view.on_page()
    films = part["choices"]["outcomes"]
    assert part["choices"]["names"] == ["chosen"]
    assert [values for values, _ in films] == [[at] for at in range(-1, len(list(cells(view))))]
    for (at,), (change,) in films:
        view.chosen = at
        assert change == {"opened": view.opened}
    view.chosen = -1
    assert part["state"]["chosen"] == -1 and part["state"]["opened"] == {}
    whole = len(json.dumps(films))
    assert len(json.dumps(packed(films))) < whole / 4 and whole > 1_000_000


def test_a_cell_that_is_not_there_cannot_be_chosen():
    view = OutcomeTable(GRID[:3])
    for at in (3, -2):
        with pytest.raises(TraitError, match="chosen is the number of a cell, -1 to 2; got"):
            view.chosen = at
    assert view.chosen == -1 and view.opened == {}


def test_combinations_that_were_not_tried_are_empty():
    tried = [run("number", "buffer", "setattr"), run("Tensor", "nowhere", "setattr")]
    view = OutcomeTable(tried)
    assert [cell and cell["at"] for *_, cell in cells(view)] == [0, None, None, 1]
    assert Page(view._repr_html_()).rows[1][2] == ""
    view.chosen = 1
    assert view.opened["words"].startswith("Tensor by setattr, on a name that is nowhere. ")
    assert OutcomeTable([]).tables == []


@pytest.mark.parametrize("wrong", [3, None, [3], "setattr", OutcomeTable])
def test_it_says_what_it_takes(wrong):
    with pytest.raises(TypeError, match=r"takes outcomes, such as those of trials.grid\(\); got"):
        OutcomeTable(wrong)
