"""The playground: every outcome is what plain torch calls give, and what cannot be tried is not
made up.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers import OutcomeTable, Playground
from helpers.tracing import trials
from helpers.tracing.trials import EARLY_HOMES, HOMES, ROUTES, VALUES, grid, run
from helpers.views.playground import in_words
from tests.html_page import Page

EARLY = "before Module.__init__"
GRID = grid()


def a_value(name):
    if name == "non-leaf Parameter":
        # Another way to one than the playground's: what an operation gives back, labelled as a
        # parameter.
        made = nn.Parameter(torch.zeros(2)) * 2
        made._is_param = True
        return made
    return {
        "Parameter": nn.Parameter(torch.ones(2)),
        "Tensor": torch.ones(2),
        "Buffer": nn.Buffer(torch.ones(2)),
        "Module": nn.ReLU(),
        "None": None,
        "number": 3.0,
        "string": "text",
    }[name]


class Bare(nn.Module):
    def __init__(self):
        pass


class Named(nn.Module):
    x = "of the class"

    def __init__(self, early=False):
        if not early:
            super().__init__()


def a_module(home, route):
    if home == "class attribute":
        return Named(early=route == EARLY)
    module = Bare() if route == EARLY else nn.Module()
    match home:
        case "plain":
            module.x = torch.zeros(3)
        case "parameter":
            module.x = nn.Parameter(torch.zeros(3))
        case "buffer":
            module.x = nn.Buffer(torch.zeros(3))
        case "non-persistent buffer":
            module.x = nn.Buffer(torch.zeros(3), persistent=False)
        case "submodule":
            module.x = nn.Linear(3, 1)
    return module


def home_of(module):
    """Asked of torch's public lists, with a tensor put into an empty slot so that they show it."""
    if "x" in vars(module):
        return "plain"
    if "_parameters" in vars(module):
        if "x" in module._modules:
            return "submodule"
        if "x" in module._parameters or "x" in module._buffers:
            if module.x is None:
                module.x = (
                    nn.Parameter(torch.ones(1)) if "x" in module._parameters else torch.ones(1)
                )
            if "x" in dict(module.named_parameters()):
                return "parameter"
            assert "x" in dict(module.named_buffers())
            return "buffer" if "x" in module.state_dict() else "non-persistent buffer"
    return "class attribute" if hasattr(type(module), "x") else "nowhere"


def by_hand(value, home, route):
    """(home afterwards, class of the error, its text), found without the attempts."""
    module, error = a_module(home, route), None
    try:
        if route == "del":
            del module.x
        elif route in ("setattr", EARLY):
            module.x = a_value(value)
        else:
            getattr(module, route)("x", a_value(value))
    except Exception as raised:
        error = raised
    text = (
        str(error).replace(f"'{type(module).__name__}' object", "'Fresh' object") if error else ""
    )
    return home_of(module), type(error).__name__ if error else "", text


@pytest.mark.parametrize("route", ROUTES)
def test_every_outcome_is_what_plain_torch_calls_give(route):
    outcomes = [one for one in GRID if one.route == route]
    assert outcomes
    for one in outcomes:
        expected = by_hand(one.value, one.home, route)
        assert (one.after, one.error, one.message[:200]) == (*expected[:2], expected[2][:200]), one


def test_the_grid_has_each_combination_once_and_no_other():
    tried = [(one.route, one.value, one.home) for one in GRID]
    assert len(set(tried)) == len(tried) == 4 * 8 * 7 + 7 + 8 * 3
    assert {home for route, _, home in tried if route == EARLY} == set(EARLY_HOMES)
    assert {value for route, value, _ in tried if route == "del"} == {""}
    assert [pair[1:] for pair in tried if pair[0] == "setattr"] == [
        (value, home) for value in VALUES for home in HOMES
    ]


def test_what_stands_there_afterwards_is_the_very_object():
    for one in GRID:
        if one.after == "nowhere":
            assert one.holds == ""
        elif one.error or one.route == "del":
            assert one.holds == "the old value" and one.after == one.home
        else:
            assert one.holds == "the new value", one


def test_a_module_behind_a_class_attribute_is_the_only_thing_that_hides():
    hidden = [(one.route, one.value, one.home) for one in GRID if one.hidden]
    assert hidden == [("setattr", "Module", "class attribute")]
    module = Named()
    module.x = child = nn.ReLU()
    assert module.x == "of the class" and list(module.children()) == [child]


def test_the_traces_are_those_of_the_attempts():
    for one in GRID:
        assert one.steps.followed == "Fresh"
        assert type(one.steps.error).__name__ == (one.error or "NoneType")
        if not one.error and one.route != "del":
            box = {"plain": "__dict__", "parameter": "_parameters", "submodule": "_modules"}.get(
                one.after, "_buffers"
            )
            assert one.steps.home("x") == box


def test_the_outcomes_are_the_same_every_time():
    first, second = (
        [(one.after, one.holds, one.message, len(one.steps)) for one in found]
        for found in (GRID, grid())
    )
    assert first == second


def test_a_hook_of_the_learner_takes_part(request):
    seen = []
    handle = nn.modules.module.register_module_parameter_registration_hook(
        lambda *args: seen.append(args[1])
    )
    request.addfinalizer(handle.remove)
    assert run("Parameter", "nowhere", "setattr").after == "parameter" and seen == ["x"]


@pytest.mark.parametrize(
    "arguments,words",
    [
        (
            ("parameter", "nowhere", "setattr"),
            "there is no value 'parameter'. There are: 'Parameter', 'Tensor'",
        ),
        (("Tensor", "somewhere", "setattr"), "there is no home 'somewhere'"),
        (("Tensor", "nowhere", "<b>"), "there is no route '<b>'"),
        (("", "nowhere", "setattr"), "there is no value ''"),
        (("Tensor", "plain", "del"), "del takes no value: pass ''"),
        (("Tensor", "buffer", EARLY), "no name can live in 'buffer'"),
        (("x" * 5000, "nowhere", "setattr"), "5000 in all"),
    ],
)
def test_what_cannot_be_tried_is_a_value_error_that_says_what_can(arguments, words):
    with pytest.raises(ValueError) as caught:
        run(*arguments)
    assert words in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("wrong", [None, 3, nn.ReLU(), ["setattr"]])
def test_what_is_no_text_is_a_type_error(place, wrong):
    arguments = ["Tensor", "nowhere", "setattr"]
    arguments[place] = wrong
    with pytest.raises(TypeError, match=f"is a text, such as .*; got {type(wrong).__name__}$"):
        run(*arguments)


def cells_of(outcomes):
    """{(value, home): words of the cell} of the first table."""
    face = OutcomeTable(outcomes)._repr_html_()
    (_, *heads), *rows = Page(face.replace("<br>", " ")).rows
    return {
        (value, home): words
        for names, *row in rows
        for value in names.split(", ")
        for home, words in zip(heads, row, strict=True)
    }


def test_the_table_has_every_combination_of_a_route_in_words():
    outcomes = [one for one in GRID if one.route == "setattr"]
    cells = cells_of(outcomes)
    for one in outcomes:
        words = cells[one.value, one.home]
        if one.error:
            assert words.startswith(f"✗ {one.error}")
            assert words.endswith("as it was" if one.after == one.home else "the name is lost")
        else:
            assert one.after in words or one.after == "plain"
            assert ("plain" in words) == (one.after == "plain")
            assert ("hidden" in words) == one.hidden
    assert cells["non-leaf Parameter", "buffer"] == "✗ ValueError the name is lost"
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
        words = in_words(one)
        assert words.endswith(".") and one.message in words and one.error in words
        assert ("lost its home" in words) == (bool(one.error) and one.after != one.home)
        assert words.startswith("No error" if not one.error else one.error)


def test_the_menus_run_what_is_chosen():
    view = Playground()
    assert view.outcome.after == "parameter"
    assert view.menus.choices == {"value": list(VALUES), "home": list(HOMES), "route": list(ROUTES)}
    view.menus.home = "class attribute"
    assert view.menus.words == in_words(view.outcome) and view.outcome.error == "KeyError"
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


def test_the_public_names_are_there():
    assert trials.run is run and trials.grid is grid


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
