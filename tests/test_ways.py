"""The three ways side by side: what torch returns, for every setting; the faces of the view;
nothing changed.
"""

from __future__ import annotations

import gc
import json
import weakref
from itertools import product

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from helpers import ParameterWays
from helpers.state.objects import clip
from helpers.state.ways import WAYS, Ways, ways
from tests.html_page import Page
from tests.modules import NAMES, database, fingerprint, modules, reader

WIDGET = "application/vnd.jupyter.widget-view+json"
SETTINGS = {
    "FT"[recurse] + "FT"[once]: (recurse, once)
    for recurse, once in product((True, False), repeat=2)
}


def torchs(module: nn.Module, recurse: bool, once: bool) -> list[list[tuple[str, object]]]:
    """What each way returns, as torch says it: pairs of a name and an object."""
    return [
        list(module._parameters.items()),
        list(module.named_parameters(recurse=recurse, remove_duplicate=once)),
        [("", one) for one in module.parameters(recurse=recurse)],
        list(module.state_dict(keep_vars=True).items()),
    ]


def told(found: Ways, frame: str, way: int) -> list[tuple[str, int]]:
    """(name, row) in the order of the positions of one way, read back from the cells."""
    cells = [cells[way] for cells in found.frames[frame]["cells"]]
    places = [
        (position, name, row) for row, cell in enumerate(cells) for position, name in cell["at"]
    ]
    return [(name, row) for _, name, row in sorted(places)]


def assert_true(module: nn.Module, found: Ways) -> None:
    """Every way of every frame has torch's names in torch's order, and one row for each distinct
    object.
    """
    rows: dict[int, int] = {}
    for frame, (recurse, once) in SETTINGS.items():
        for way, listing in enumerate(torchs(module, recurse, once)):
            assert found.frames[frame]["counts"][way] == len(listing)
            seen = told(found, frame, way)
            assert [name for name, _ in seen] == [clip(name) for name, _ in listing]
            for (_, row), (_, value) in zip(seen, listing, strict=True):
                if value is not None:
                    assert rows.setdefault(id(value), row) == row
    assert len(set(rows.values())) == len(rows)


def test_a_model_with_a_bit_of_everything_is_told_as_torch_tells_it():
    model = reader()
    found = ways(model)
    assert_true(model, found)
    assert {frame: one["counts"] for frame, one in found.frames.items()} == {
        "TT": [0, 5, 5, 11],
        "TF": [0, 8, 5, 11],
        "FT": [0, 0, 0, 11],
        "FF": [0, 0, 0, 11],
    }
    assert [row["kind"] for row in found.rows] == ["parameter"] * 5 + ["buffer"] * 3
    assert [row["grad"] for row in found.rows[:5]] == [True, True, True, False, False]
    assert found.returns == ("dict", "generator", "generator", "OrderedDict") and found.more == 0


def holds_itself(module: nn.Module, above: tuple = ()) -> bool:
    children = [one for one in vars(module).get("_modules", {}).values() if one is not None]
    inside = (*above, module)
    return any(
        any(child is one for one in inside) or holds_itself(child, inside) for child in children
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(modules())
def test_a_generated_module_is_told_as_torch_tells_it_or_refused_where_torch_cannot(module):
    if holds_itself(
        module
    ):  # torch walks a thousand levels down, and with long names takes all memory: see below
        return
    before = fingerprint(module)
    try:
        torchs(module, True, False)
    except Exception:
        with pytest.raises(ValueError, match="^torch cannot list the parameters of this "):
            ways(module)
    else:
        found = ways(module, most=1000)
        if all(
            cell["more"] == 0
            for one in found.frames.values()
            for cells in one["cells"]
            for cell in cells
        ):
            assert_true(module, found)
    assert fingerprint(module) == before


def test_torchs_own_modules_are_told_as_torch_tells_them():
    for _, module in database():
        before = fingerprint(module)
        assert_true(module, ways(module))
        assert fingerprint(module) == before


def test_a_name_that_holds_none_has_a_row_of_its_own():
    model = nn.MultiheadAttention(4, 2)
    found = ways(model)
    empty = [row for row, one in enumerate(found.rows) if one.get("empty")]
    names = [found.frames["TT"]["cells"][row][0]["at"][0][1] for row in empty]
    assert names == [name for name, value in model._parameters.items() if value is None]
    assert all(not cell["at"] for row in empty for cell in found.frames["TT"]["cells"][row][1:])


def test_kinds_shapes_and_extra_state():
    class Extra(nn.Module):
        def get_extra_state(self):
            return {"p": 1}

    model = Extra()
    model.register_buffer("scratch", torch.zeros(3), persistent=False)
    model.lazy, model.scalar = nn.LazyLinear(2, bias=False), nn.Parameter(torch.tensor(1.0))
    rows = {row["kind"] + " " + row.get("shape", ""): row for row in ways(model).rows}
    assert set(rows) == {
        "parameter scalar",
        "non-persistent buffer 3",
        "parameter no shape yet",
        "plain value ",
    }
    assert (
        rows["plain value "]["type"] == "dict"
        and rows["parameter no shape yet"]["type"] == "UninitializedParameter"
    )


def test_a_large_model_is_cut_and_counted_in_full():
    found = ways(nn.Transformer(device="meta", batch_first=True))
    assert len(found.rows) == 100 and found.more == 84
    assert found.frames["TT"]["counts"][1:] == [184, 184, 184]
    assert all(len(one["cells"]) == 100 for one in found.frames.values())
    larger = ways(nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(2000))))
    assert len(json.dumps(larger.frames)) < 120_000
    many = nn.ModuleList([nn.Linear(1, 1, bias=False)] * 50)
    (cells,) = ways(many).frames["TF"]["cells"]
    assert (len(cells[1]["at"]), cells[1]["more"]) == (8, 42)


def inside_itself() -> nn.Module:
    model = nn.Module()
    model.part = nn.Module()
    model.part.whole = model
    return model


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            inside_itself(),
            "this Module: it is a part of itself, or nested too deep: the walk found no end",
        ),
        (
            nn.Linear.__new__(nn.Linear),
            "this Linear: AttributeError: 'Linear' object has no attribute",
        ),
    ],
)
@pytest.mark.parametrize("call", [ways, ParameterWays])
def test_a_module_that_torch_cannot_walk_gets_a_clear_message(call, module, words):
    with pytest.raises(ValueError) as caught:
        call(module)
    assert str(caught.value).startswith(f"torch cannot list the parameters of {words}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("value", [nn.Linear, nn.Linear(1, 1).state_dict(), None, torch.ones(1)])
@pytest.mark.parametrize("call", [ways, ParameterWays])
def test_what_is_no_module_is_a_type_error_that_says_what_to_pass(call, value):
    with pytest.raises(TypeError, match=rf"^{call.__name__}\(\) takes an nn.Module instance, got "):
        call(value)


def faces(view: ParameterWays) -> dict:
    return view._repr_mimebundle_()[0]


def test_there_are_three_faces_the_same_every_time():
    first, second = (faces(ParameterWays(reader())) for _ in range(2))
    assert set(first) == {"text/plain", "text/html", WIDGET}
    assert first["text/plain"] == (
        "ParameterWays of Module: _parameters 0, named_parameters() 5, parameters() 5, state_dict() 11"
    )
    assert first.pop(WIDGET) != second.pop(WIDGET)
    assert first == second


def test_the_static_face_is_a_table_with_every_name_and_where_it_is_missing():
    model = reader()
    model.register_parameter("bias", None)
    page = Page(faces(ParameterWays(model))["text/html"])
    assert page.unclosed == []
    assert {tag for tag, _ in page.tags} == {
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "span",
    }
    assert {name for _, attributes in page.tags for name in attributes} <= {
        "class",
        "style",
        "title",
        "scope",
    }
    assert not any(
        "var(" in attributes.get("style", "") for _, attributes in page.tags
    )  # dropped before trust
    for name in [
        *(name for name, _ in model.named_parameters()),
        *model.state_dict(),
        "bias: None",
    ]:
        assert name in page.words
    for way in WAYS:
        assert way in page.words
    assert "generator, 5 pairs" in page.words and "OrderedDict, 11 entries" in page.words
    assert (
        "4, float32, frozen" in page.words
        and "scalar, int64, buffer" in page.words
        and "–" in page.words
    )
    assert len([tag for tag, _ in page.tags if tag == "tr"]) == 1 + 9


def test_the_static_face_of_a_large_model_is_cut_and_counted():
    page = Page(faces(ParameterWays(nn.Transformer(device="meta", batch_first=True)))["text/html"])
    assert len([tag for tag, _ in page.tags if tag == "tr"]) == 1 + 40
    assert "… and 144 more tensors" in page.words


def test_hostile_names_stay_text_in_every_face():
    model = type("<b>Model\n", (nn.Module,), {})()
    for name in NAMES:
        model._parameters[name] = nn.Parameter(torch.ones(1))
    shown = faces(ParameterWays(model))
    page = Page(shown["text/html"])
    assert page.unclosed == [] and {"script", "img", "b"}.isdisjoint(tag for tag, _ in page.tags)
    assert "<script>alert(1)</script>" in page.words
    assert len(shown["text/plain"].splitlines()) == 1 and len(shown["text/html"]) < 60_000


def test_the_view_keeps_nothing_of_the_model_alive():
    model = reader()
    view, model_is, weight_is = (
        ParameterWays(model),
        weakref.ref(model),
        weakref.ref(model.embed.weight),
    )
    del model
    gc.collect()
    assert (model_is(), weight_is()) == (None, None)
    assert "named_parameters() 5" in repr(view)


def test_only_data_is_sent_and_the_script_parses_nothing():
    view = ParameterWays(reader())
    sent = {name for name in view.get_state() if not name.startswith("_")} - {
        "layout",
        "tooltip",
        "tabbable",
    }
    assert sent == {"ways", "signs"}
    json.dumps(view.ways)
    assert "innerHTML" not in view._esm and "http" not in view._esm and ".inm-ways {" in view._css
