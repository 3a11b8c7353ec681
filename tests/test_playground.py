"""The playground without a browser: what it shows of an outcome."""

from __future__ import annotations

import re

import pytest

from helpers import Playground
from helpers.tracing.trials import BEFORE_INIT, EARLY_HOMES, HOMES, ROUTES, VALUES
from helpers.views.outcome_table import outcome_in_words
from tests.html_page import Page


def test_the_menus_run_what_is_chosen():
    view = Playground()
    assert view.outcome.after == "parameter"
    assert view.menus.choices == {"value": list(VALUES), "home": list(HOMES), "route": list(ROUTES)}
    view.menus.home = "class attribute"
    assert view.menus.words == outcome_in_words(view.outcome) and view.outcome.error == "KeyError"
    view.menus.route = "del"
    assert view.menus.choices["value"] == [] and view.outcome.error == "AttributeError"
    view.menus.route = BEFORE_INIT
    assert view.menus.choices["home"] == list(EARLY_HOMES) and view.menus.home == "class attribute"
    assert "before Module.__init__() call" in view.menus.words and view.menus.choices[
        "value"
    ] == list(VALUES)
    view.menus.route = "setattr"
    assert view.menus.choices["home"] == list(HOMES) and len(view.children) == 2


def test_a_home_that_is_not_there_before_init_gives_way_to_the_first():
    view = Playground()
    view.menus.home = "buffer"
    view.menus.route = BEFORE_INIT
    assert (view.outcome.home, view.outcome.route, view.menus.home) == (
        "nowhere",
        BEFORE_INIT,
        "nowhere",
    )


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


@pytest.mark.parametrize(
    ("chosen", "error", "words"),
    [
        ({"foo": "x"}, TypeError, "Playground() has the menus value, home, route; got 'foo'"),
        # These two the menus have as traits, and they are not the reader's to choose.
        ({"words": "x"}, TypeError, "Playground() has the menus value, home, route; got 'words'"),
        (
            {"choices": {}},
            TypeError,
            "Playground() has the menus value, home, route; got 'choices'",
        ),
        ({"value": 3}, TypeError, "value is a text, such as 'Parameter'; got int"),
        ({"home": None}, TypeError, "home is a text, such as 'nowhere'; got NoneType"),
    ],
)
def test_what_no_menu_offers_is_refused(chosen, error, words):
    with pytest.raises(error, match=f"^{re.escape(words)}"):
        Playground(**chosen)


def test_a_home_that_a_route_does_not_have_is_refused_and_not_replaced():
    with pytest.raises(ValueError, match="^there is no home 'buffer'. There are: 'nowhere'"):
        Playground(home="buffer", route=BEFORE_INIT)
