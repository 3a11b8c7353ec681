"""What a view gives to a page without a kernel: only where a page is wanted, each thing once, and
small enough.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from helpers import Playground, StateMap, TracePlayer, compare, quiz, trace
from helpers.views import page
from helpers.views.page import KIND, WANTED, bundle_of, packed

MOST_FILMS = 500_000


def unpacked(packed_value: dict) -> object:
    """What host.js makes of it, in Python."""
    whole: list[object] = []

    def restore(one: object) -> object:
        if isinstance(one, list):
            return [restore(inner) for inner in one]
        if not isinstance(one, dict):
            return one
        if "$" in one:
            return whole[one["$"]]
        return {key: restore(inner) for key, inner in one.get("$$", one).items()}

    for one in packed_value["shared"]:
        whole.append(restore(one))
    return restore(packed_value["value"])


KEYS = st.sampled_from(["a", "$", "$$"]) | st.text(max_size=3)
LONG = st.just(["the same long line of the source of torch, which comes again and again"] * 2)
VALUES = st.recursive(
    st.none() | st.integers() | st.text() | LONG,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
)


@given(VALUES)
def test_what_is_packed_comes_out_as_it_was(value):
    assert unpacked(json.loads(json.dumps(packed(value)))) == value


def test_what_comes_again_is_sent_once():
    line = ["a line of the source of torch that is long enough to be worth a reference"]
    sent = packed([{"film": line, "at": 1}, {"film": list(line), "at": 2}])
    assert json.dumps(sent).count("a line of the source") == 1


def test_what_comes_again_only_with_what_is_around_it_is_not_sent_by_itself():
    line = ["a line of the source of torch that is long enough to be worth a reference"]
    film = {"lines": line, "at": 1}
    assert packed([film, dict(film)]) == {"value": [{"$": 0}, {"$": 0}], "shared": [film]}


def test_a_view_carries_its_page_only_while_one_is_made(monkeypatch):
    card = quiz("01-keys")
    assert KIND not in card._repr_mimebundle_()[0]
    monkeypatch.setenv(WANTED, "1")
    given_to_page = card._repr_mimebundle_()[0][KIND]
    (code,) = given_to_page["views"].values()
    assert code == {"script": card._esm, "style": card._css}
    assert unpacked(given_to_page["data"])[0]["state"]["prompt"] == card.prompt


def test_the_settings_of_nbconvert_ask_for_pages_by_the_name_that_views_look_for(monkeypatch):
    monkeypatch.setenv(WANTED, "")
    assert not page.is_wanted()
    runpy.run_path(str(Path(page.__file__).parent / "exported" / "jupyter_nbconvert_config.py"))
    assert page.is_wanted()


def test_two_views_of_a_kind_share_their_code():
    with trace() as steps:
        nn.Module().scale = 3
    parts = [*TracePlayer(steps).on_page(), *TracePlayer(steps).on_page()]
    assert len(bundle_of(parts)["views"]) == 1
    pair = bundle_of(compare(steps, steps).on_page())
    assert len(pair["views"]) == 1 and "nn.Module" not in json.dumps(pair["parts"])


def test_a_map_tells_all_of_a_model_that_the_browser_may_ask_for():
    (part,) = StateMap(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))).on_page()
    asked = {(question["type"], question["path"]) for question, _ in part["answers"]}
    tensors = {row["path"] for row in part["state"]["rows"] if "dtype" in row}
    assert {path for kind, path in asked if kind == "preview"} == tensors
    assert ("about", "1") in asked and all(
        "seen" in r for r in part["state"]["rows"] if "dtype" in r
    )


def test_the_numbers_of_a_large_model_stop_where_there_is_no_more_room():
    model = nn.Sequential(*[nn.Linear(64, 64) for _ in range(300)])
    (part,) = StateMap(model).on_page()
    numbers = [reply["text"] for question, reply in part["answers"] if "text" in reply]
    assert 0 < sum(map(len, numbers)) < 65_000 and len(numbers) < 600
    assert len(json.dumps(bundle_of([part])["data"])) < MOST_FILMS


def test_the_films_of_the_playground_fit():
    data = bundle_of(Playground().on_page())["data"]
    assert len(json.dumps(data)) < MOST_FILMS
    menus = unpacked(data)[0]
    assert len(menus["choices"]["outcomes"]) == 8 * 7 * 6


def test_what_has_no_front_end_of_its_own_says_so():
    import ipywidgets as widgets

    box = widgets.VBox([widgets.Button(description="<b>"), widgets.HTML("<i>words</i>")])
    first, second = page.parts_on_page(box)
    assert "Run the lesson" in first["html"] and second == {"html": "<i>words</i>"}


@pytest.mark.parametrize("value", [torch.float32, object()])
def test_a_state_that_is_no_json_is_an_error(value):
    with pytest.raises(TypeError, match="JSON"):
        packed({"a": [value]})
