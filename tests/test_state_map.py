"""`StateMap` without a browser: its traits, its answers, its static faces; and that the model is
left as it was.
"""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import weakref

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from helpers import StateMap, snapshot
from helpers.state import tree
from helpers.state.portions import Portion, portions_of
from helpers.state.totals import census, totals
from helpers.views.signs import SIGNS
from tests.html_page import WIDGET, Page, assert_safe, faces_of
from tests.lesson_kernel import ROOT
from tests.modules import NAMES, fingerprint, hostile_module, modules


def large(count: int = 400) -> nn.Module:
    return nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(count)))


def test_there_are_three_faces_and_the_plain_one_is_a_line():
    shown = faces_of(StateMap(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))))
    assert set(shown) == {"text/plain", "text/html", WIDGET}
    assert shown["text/plain"] == (
        "StateMap of Sequential: 3 modules, 15 parameter elements (15 trainable), "
        "7 buffer elements, 92 bytes"
    )


def test_the_static_face_shows_names_signs_shapes_and_totals():
    page = assert_safe(
        faces_of(StateMap(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))))["text/html"]
    )
    for words in (
        "model Sequential",
        "weight 3 × 2, float32",
        "running_mean 3, float32",
        "scalar, int64",
        "in_features = 2, out_features = 3",
        "15 parameter elements, 15 of them trainable; 7 buffer elements",
        "92 bytes in parameters and buffers",
    ):
        assert words in page.words
    assert all(sign.glyph in page.words and sign.label in page.words for sign in SIGNS.values())
    assert sum(tag == "details" for tag, _ in page.tags) == 3


def test_the_static_face_of_a_large_model_is_cut_and_says_how_much_is_left_out():
    page = assert_safe(faces_of(StateMap(large()))["text/html"])
    assert "… and 361 more" in page.words  # 400 layers and `training`, 40 of them sent
    assert (
        len(faces_of(StateMap(large(40_000)))["text/html"])
        < len(faces_of(StateMap(large()))["text/html"]) + 200
    )


def test_what_stands_beside_a_name_and_the_label_of_the_root_are_said_once_for_both_faces():
    model = nn.Sequential(nn.Linear(1, 1, bias=False))
    model.append(model)
    view = StateMap(model)
    sent = {row["path"]: row["note"] for row in view.rows if row["kind"] != "plain value"}
    assert sent == {
        "": "Sequential",
        "0": "Linear",
        "0.weight": "1 × 1, float32",
        "0.bias": "None",
        "1": "Sequential, inside itself: not entered",
    }
    page = assert_safe(faces_of(view)["text/html"])
    for path, note in sent.items():
        assert f"{path.rpartition('.')[2] or 'model'} {note}" in page.words
    assert [row.get("label") for row in view.rows[:2]] == ["module", None]
    titles = [attrs["title"] for _, attrs in page.tags if "title" in attrs]
    assert [one for one in titles if "module" in one] == ["module", *["submodule"] * 3]  # a legend


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_any_generated_module_has_its_faces_and_stays_as_it_was(module):
    before = fingerprint(module)
    view = StateMap(module)
    shown = faces_of(view)
    json.dumps(view.get_state(), default=str)
    assert fingerprint(module) == before
    assert_safe(shown["text/html"])
    assert "\n" not in shown["text/plain"]
    view.close()


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_hostile_name_stays_text(name):
    model = nn.Module()
    model._parameters[name] = nn.Parameter(torch.ones(1))
    model._modules[name + "m"] = nn.ReLU()
    setattr(model, name + "v", name)
    page = assert_safe(faces_of(StateMap(model))["text/html"])
    assert name[:100] in page.words
    assert StateMap(model).answer({"type": "filter", "text": name[:50]})["more"] == 0


def test_code_of_a_hostile_module_never_runs():
    module = hostile_module()
    view = StateMap(module)
    faces_of(view)
    for row in view.rows:
        for kind in ("children", "about", "preview"):
            reply = view.answer({"type": kind, "id": row["id"], "path": row["path"], "start": 0})
            assert "error" not in reply or (kind == "children" and row["kind"] != "module")
    view.refresh()


def test_a_small_model_is_sent_whole_with_the_names_of_its_shared_tensors():
    model = nn.ModuleDict({"one": nn.Linear(2, 2), "two": nn.Linear(2, 2)})
    model.two.weight = model.one.weight
    view = StateMap(model)
    names = {row["path"]: row["names"] for row in view.rows if "names" in row}
    assert view.whole
    assert names["one.weight"] == names["two.weight"] == ["one.weight", "two.weight"]
    assert names["one.bias"] == names["two.bias"] == []
    assert view.totals == {
        "modules": 3,
        "parameters": 8,
        "trainable": 8,
        "buffers": 0,
        "nbytes": 32,
        "memory": "32 bytes",
        "lazy": 0,
        "unsized": 0,
        "told": [
            ["parameter elements", "8"],
            ["of them trainable", "8"],
            ["buffer elements", "0"],
            ["in parameters and buffers", "32 bytes"],
            ["modules", "3"],
        ],
    }


def test_a_sparse_tensor_is_said_to_have_no_bytes_in_the_sum_and_a_lazy_one_too():
    model = nn.Sequential(nn.LazyLinear(3, bias=False))
    model.scale = nn.Parameter(torch.eye(100).to_sparse())
    view = StateMap(model)
    assert (view.totals["parameters"], view.totals["nbytes"]) == (10_000, 0)
    told = "1 lazy, without a size yet", "1 whose bytes torch does not tell"
    assert repr(view).endswith(f"0 bytes, {told[0]}, {told[1]}")
    assert f"0 bytes in parameters and buffers; {told[0]}; {told[1]}; " in Page(
        view._repr_html_()
    ).words.replace("\n", " ")
    plain = StateMap(nn.Linear(2, 2))
    assert repr(plain).endswith("24 bytes") and plain.totals["unsized"] == 0


def test_a_tensor_with_less_memory_than_its_elements_take_is_told_with_both():
    model = nn.Module()
    model.register_buffer("wide", torch.zeros(1).expand(1_000, 1_000))
    model.register_buffer("part", torch.zeros(10)[2:4])
    model.register_buffer("turned", torch.zeros(2, 3).T)
    model.register_buffer("bare", torch.zeros(2, device="meta"))
    model.register_buffer("none", torch.zeros(0))
    memory = {row["name"]: row["memory"] for row in StateMap(model).rows if "memory" in row}
    assert memory == {
        "wide": "3.81 MiB (4,000,000 bytes) of elements, in 4 bytes of memory",
        "part": "8 bytes",
        "turned": "24 bytes",
        "bare": "8 bytes",
        "none": "0 bytes",
    }
    # As after FSDP has given back what it can gather again.
    model.part.untyped_storage().resize_(0)
    memory = {row["name"]: row["memory"] for row in StateMap(model).rows if "memory" in row}
    assert memory["part"] == "8 bytes of elements, in 0 bytes of memory"


def test_what_the_map_says_of_a_list_is_what_the_call_it_names_gives():
    model = nn.ModuleDict({"one": nn.Linear(2, 2), "two": nn.BatchNorm1d(2)})
    model.tied = nn.Linear(2, 2)
    model.tied.weight = model.one.weight
    view = StateMap(model)
    for place, (yes, *_) in enumerate(json.loads(view.words)["sees"][:2]):
        call, words = yes.split("() gives it, ")
        given = list(getattr(model, call)())
        names = dict(getattr(model, f"named_{call}")(remove_duplicate=False))
        told = {row["path"]: row["seen"][place] for row in view.rows if "seen" in row}
        assert words == "once for all its names" and len(given) == len({*given})
        assert {path for path, seen in told.items() if seen} == set(names)
        assert {*given} == {*names.values()}


def test_of_a_large_model_a_part_is_sent_whatever_its_size():
    small, huge = (json.dumps(StateMap(large(count)).rows) for count in (400, 40_000))
    assert len(huge) < len(small) + 100 < 20_000
    assert not StateMap(large()).whole


def test_the_strip_divides_a_model_into_the_parts_that_hold_a_hundredth_of_it():
    model = nn.Sequential(
        nn.Embedding(100, 16), *(nn.BatchNorm1d(1) for _ in range(30)), nn.Linear(16, 50)
    )
    model.register_buffer("quiet", torch.zeros(500), persistent=False)
    told = [(p["name"], p["memory"], p.get("fills")) for p in StateMap(model).strip]
    assert told == [
        ("quiet", "2,000 bytes, 16%", [["non-persistent buffer", 100.0]]),
        ("0.weight", "6,400 bytes, 51%", [["parameter", 100.0]]),
        ("31", "3,400 bytes, 27%", None),
        ("weight", "3,200 bytes, 26%", [["parameter", 100.0]]),
        ("bias", "200 bytes, 2%", [["parameter", 100.0]]),
        ("30 smaller", "720 bytes, 6%", None),
    ]


def test_what_is_not_divided_is_in_the_colours_of_what_it_holds():
    model = nn.ModuleDict({"norms": nn.Sequential(*(nn.BatchNorm1d(4) for _ in range(200)))})
    (piece,) = StateMap(model).strip  # of 72 bytes each: 32 of parameters
    assert (piece["id"], piece["path"], piece["left"], piece["width"]) == ("1", "norms", 0, 100)
    assert piece["fills"] == [["parameter", 44.444], ["buffer", 55.556]]
    assert StateMap(nn.ReLU()).strip == StateMap(nn.LazyLinear(2)).strip == []


def entered_twice() -> nn.Module:
    """A module with submodules that come again, above and below their first place, and in
    themselves."""
    inner, early = nn.Linear(8, 8), nn.Linear(4, 8)
    model = nn.Module()
    model.early = early
    model.one = nn.Sequential(inner, nn.Linear(8, 8), early)
    model.two = inner
    model.three = nn.Sequential(nn.BatchNorm1d(9), inner, nn.Linear(8, 3), nn.Linear(2, 2))
    model.four = nn.Linear(8, 8)
    model.four.weight = model.one[1].weight
    model.three.append(model.three)
    model.three.append(None)
    model.last = nn.Linear(5, 5)
    return model


def divided(module: nn.Module) -> list[Portion]:
    """The portions of a module, which are rows of its tree, in its order, and add up."""
    portions = portions_of(module, census(module))
    rows = {row.id: row for row in tree.opened(module, 100_000, 100_000).rows}
    whole = totals(module).nbytes
    assert sum(one.nbytes.total() for one in portions if one.level == 0) == whole
    ends = {0: whole}  # where the portions of each level have to end
    starts = {0: 0}  # and where the next one begins
    for one in portions:
        size = one.nbytes.total()
        assert one.start == starts[one.level] and one.start + size <= ends[one.level]
        starts[one.level] = one.start + size
        if one.divided:
            starts[one.level + 1], ends[one.level + 1] = one.start, one.start + size
        if one.kind:
            assert rows[one.id].kind == one.kind and size >= whole / 100
            assert not one.id or rows[one.id].path == one.path
        else:
            assert one.smaller > 0 and starts[one.level] == ends[one.level]
    return portions


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_the_pieces_of_the_strip_are_rows_of_any_module_and_add_up(module):
    divided(module)


@pytest.mark.parametrize(
    "module",
    [entered_twice(), nn.Transformer(64, 4, 2, 2, 128), nn.LSTM(9, 9, 3), large(300)],
    ids=["entered twice", "transformer", "lstm", "flat"],
)
def test_a_piece_holds_what_a_snapshot_finds_in_it_once(module):
    state = snapshot(module)
    once = [one for place, one in enumerate(state.entries) if place not in state.repeats]
    for portion in divided(module):
        if portion.kind:
            around = f"{portion.path}." if portion.path else ""
            inside = [one for one in once if f"{one.path}.".startswith(around) and one.persistent]
            assert portion.nbytes["parameter"] + portion.nbytes["buffer"] == sum(
                one.nbytes for one in inside
            )


def test_the_strip_of_ten_thousand_modules_is_a_few_kilobytes():
    assert len(json.dumps(StateMap(large(10_000)).strip)) < 300
    model = nn.Transformer(16, 2, 30, 30, 32)
    model.many = large(9_000)
    assert 2_000 < len(json.dumps(StateMap(model).strip)) < 20_000
    deep = nn.Linear(2, 2)
    for _ in range(300):
        deep = nn.Sequential(deep)
    assert len(StateMap(deep).strip) == 1


def test_the_static_face_has_the_strip_as_wide_as_its_bytes():
    page = assert_safe(
        faces_of(StateMap(nn.Sequential(nn.Linear(9, 2), nn.BatchNorm1d(3))))["text/html"]
    )
    titles = [attrs["title"] for _, attrs in page.tags if "%" in attrs.get("title", "")]
    assert titles[0] == "0.weight: 72 bytes, 53%"
    styles = [attrs.get("style", "") for _, attrs in page.tags if "%" in attrs.get("title", "")]
    widths = [float(re.search(r"width:([\d.]+)%", style)[1]) for style in styles]
    assert sum(widths) == pytest.approx(100, abs=0.1) and len(widths) == 7


def test_children_are_answered_page_by_page():
    view = StateMap(large(250))
    seen, reply = [], {"more": 1}
    while reply["more"]:
        reply = view.answer({"type": "children", "id": "", "path": "", "start": len(seen)})
        seen += [row["name"] for row in reply["rows"]]
    assert seen == ["training", *map(str, range(250))]
    inside = view.answer({"type": "children", "id": "3", "path": "2", "start": 0})
    assert [row["path"] for row in inside["rows"]][:2] == ["2.weight", "2.bias"]


def test_a_filter_a_preview_and_names_are_answered():
    model = nn.Sequential(nn.Linear(2, 1), *(nn.ReLU() for _ in range(300)))
    nn.init.constant_(model[0].weight, 0.5)
    view = StateMap(model)
    reply = view.answer({"type": "filter", "text": "WEIGHT"})
    assert reply["matches"] == ["1.0"] and [row["id"] for row in reply["rows"]] == ["", "1", "1.0"]
    request = {"type": "preview", "id": "1.0", "path": "0.weight"}
    assert view.answer(request) == {**request, "text": "0.5  0.5"}
    request = {"type": "about", "id": "1.0", "path": "0.weight"}
    assert view.answer(request) == {
        **request,
        "names": [],
        "seen": [True, False, True, True, True, True],
    }


def test_a_map_that_is_behind_its_model_says_so_until_it_is_refreshed():
    model = nn.Sequential(nn.Linear(2, 1))
    view = StateMap(model)
    request = {"type": "preview", "id": "1.0", "path": "0.weight"}
    model.insert(0, nn.Tanh())
    assert "changed since this map was drawn" in view.answer(request)["error"]
    view.answer({"type": "refresh"})
    assert [row["path"] for row in view.rows if row.get("dtype")] == ["1.weight", "1.bias"]
    assert "error" not in view.answer({**request, "id": "2.0", "path": "1.weight"})


def test_what_was_a_module_and_is_none_now_is_told_as_a_change():
    model = nn.Sequential(nn.Linear(1, 1))
    view = StateMap(model)
    model._modules["0"] = None
    for kind in ("children", "about"):
        reply = view.answer({"type": kind, "id": "1", "path": "0", "start": 0})
        assert reply.get("error", "").startswith("The model has changed") or reply["names"] == []


@pytest.mark.filterwarnings("ignore")
def test_names_and_sizes_that_json_and_utf_8_cannot_hold_are_shown_all_the_same():
    Odd = type("Odd\nname", (nn.Module,), {})
    model = Odd()
    setattr(model, "\ud800x", torch.ones(1))
    model.shape = torch.Size([1] * 1_000_000)
    model.register_buffer(
        "jagged", torch.nested.nested_tensor([torch.zeros(2), torch.zeros(4)], layout=torch.jagged)
    )
    view = StateMap(model)
    shown = faces_of(view)
    json.dumps(view.rows).encode()
    shown["text/html"].encode()
    assert "\\ud800x" in assert_safe(shown["text/html"]).words
    assert "\n" not in shown["text/plain"] and len(shown["text/html"]) < 10_000


def test_a_failure_is_told_in_the_view_and_not_swallowed():
    view = StateMap(nn.Linear(1, 1))
    assert (
        view.answer({"type": "no such request"})["error"]
        == "This could not be read: KeyError: 'no such request'"
    )
    assert "ValueError" in view.answer({"type": "preview", "id": "x", "path": ""})["error"]
    assert view.answer(None) == {"error": "This is no request: NoneType"}


def test_a_message_from_the_browser_gets_its_answer(monkeypatch):
    view, sent = StateMap(nn.Linear(1, 1)), []
    monkeypatch.setattr(view, "send", sent.append)
    view._handle_custom_msg({"type": "children", "id": "", "path": "", "start": 0}, [])
    assert [row["name"] for row in sent[0]["rows"]] == [
        "weight",
        "bias",
        "training",
        "in_features",
        "out_features",
    ]


def test_after_close_nothing_of_the_model_is_held():
    model = nn.Linear(2, 2)
    gone = weakref.ref(model)
    view = StateMap(model)
    view.answer({"type": "filter", "text": "weight"})
    del model
    gc.collect()
    assert gone() is not None  # the map reads the model when the reader opens a part of it
    view.close()
    gc.collect()
    assert gone() is None
    assert view.answer({"type": "filter", "text": "a"})["error"] == "This map is closed."
    assert repr(view) == "<StateMap, closed>"
    with pytest.raises(ValueError, match="this StateMap is closed"):
        view.refresh()


def test_the_faces_are_the_same_bytes_in_another_process():
    code = (
        "import torch; from torch import nn; from helpers import StateMap;"
        "m = nn.Transformer(8, 2, 1, 1, 8, batch_first=True);"
        "m.bag = {torch.ones(2), torch.ones(3)};"
        "m.bags = {(torch.ones(i + 1),) for i in range(5)};"
        "d = StateMap(m)._repr_mimebundle_()[0];"
        "print(d['text/plain'], d['text/html'])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] != ""


@pytest.mark.parametrize(
    "value", [None, nn.Linear, {}, torch.ones(1)], ids=["None", "class", "dict", "tensor"]
)
def test_what_is_not_a_module_is_refused_by_name(value):
    with pytest.raises(TypeError, match=r"StateMap\(\) takes an nn.Module instance, got"):
        StateMap(value)
