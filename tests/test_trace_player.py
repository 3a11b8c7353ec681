"""`TracePlayer` and `compare` without a browser: the faces, hostile text, and bad input."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import subprocess
import sys
import weakref

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from helpers import TracePlayer, compare, parting, trace
from helpers.tracing.story import films
from helpers.tracing.trace import Trace
from tests.html_page import WIDGET, Page, assert_safe, faces_of
from tests.lesson_kernel import ROOT
from tests.modules import NAMES, fingerprint, modules
from tests.test_tracing import assigned, built, parameter


def test_a_trace_of_nothing_says_so_and_why():
    with trace(nn.Linear(1, 1)) as steps:
        pass
    for empty in (steps, trace(nn.Linear(1, 1))):
        view = TracePlayer(empty, start=3)
        assert (view.start, view.film["steps"]) == (0, [])
        assert (
            "No line of torch ran. Either the block has not run yet" in assert_safe(view.face).words
        )
        words = assert_safe(view.face).words
        assert all(sentence in words for sentence in view.nothing.split(". "))


@pytest.mark.parametrize("layers", [5, 300])
def test_a_long_trace_is_cut_and_counted_in_every_face(layers):
    steps = built(layers)
    view = TracePlayer(steps)
    assert len(view.film["steps"]) + view.film["more"] == len(steps)
    assert (view.film["more"] > 0) == (layers == 300)
    page = assert_safe(view.face)
    assert sum(tag == "tr" for tag, _ in page.tags) == 41 + 6 + 5  # of the assignments 4
    assert "more such lines" in page.words and len(view.face) < 42_000


def test_a_very_long_name_is_shown_by_its_ends():
    name = f"first{'x' * 1_000_000}last"
    view = TracePlayer(assigned(parameter(), name))
    assert len(json.dumps(view.film)) < 60_000 and len(view.face) < 60_000
    (change,), entry = view.film["changes"], view.film["entries"][view.film["changes"][0][3]]
    assert (
        entry[0].startswith("firstx")
        and entry[0].endswith("xlast")
        and change[4].startswith(entry[0])
    )


def test_there_are_three_faces_the_same_in_another_process():
    code = (
        "import torch; from torch import nn; from helpers import trace, TracePlayer\n"
        "m = nn.Linear(2, 3); m.register_buffer('scale', torch.ones(3))\n"
        "with trace(m) as steps: m.scale = nn.Parameter(torch.ones(3))\n"
        "shown = TracePlayer(steps)._repr_mimebundle_()[0]\n"
        "print(shown['text/plain'], shown['text/html'])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    shown = faces_of(TracePlayer(assigned(parameter())))
    assert set(shown) == {"text/plain", "text/html", WIDGET}
    assert shown["text/plain"].startswith("TracePlayer, trace of torch's module.py on Linear: ")
    assert len(shown["text/plain"].splitlines()) == 1


def test_the_static_face_teaches_the_branch():
    page = assert_safe(TracePlayer(assigned(parameter())).face)
    for words in (
        "isinstance(value, Parameter)True",
        "del d[name]scale left _buffers",
        "name in dFalse",
        "self._parameters[name] = paramscale came into _parameters",
        "beforeafter",
    ):
        assert words in page.words
    assert (
        "name in dFalse × 4" in assert_safe(TracePlayer(assigned(parameter(), "gain")).face).words
    )
    refused = assert_safe(TracePlayer(assigned(torch.ones(3), "weight")).face)
    assert "raise TypeError(raised TypeError: cannot assign" in refused.words
    assert "before and after, the same" in refused.words
    half = nn.Linear.__new__(nn.Linear)
    before_init = assert_safe(TracePlayer(assigned(parameter(), "weight", half)).face)
    assert "cannot assign parameters before Module.__init__() call" in before_init.words
    assert "not there" in before_init.words


class Liar(Exception):
    def __str__(self) -> str:
        return "<script>alert(1)</script>\nsecond line"

    __repr__ = __str__


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_hostile_name_stays_text(name):
    module = type("<b>Model\n", (nn.Module,), {})()
    steps = assigned(parameter(), name, module)
    shown = faces_of(TracePlayer(steps))
    page = assert_safe(shown["text/html"])
    assert "<b>Model" in page.words and len(shown["text/plain"].splitlines()) == 1
    if steps.error is None:
        assert f"{name[:50]}" in page.words
    json.dumps(films(steps)[0]).encode()
    both = compare(steps, assigned(7, name, module))
    assert_safe(faces_of(both)["text/html"])


def test_half_a_surrogate_in_an_error_and_in_a_name_can_be_written_in_every_face():
    def hook():
        pass

    hook.__name__ = "q\ud800"
    layer = nn.Linear(1, 1)
    layer.hook = hook
    with contextlib.suppress(AttributeError), trace(layer) as steps:
        layer.__getattr__("q\ud800")
    player = TracePlayer(steps)
    for face in (repr(steps), repr(player), player.static_face(), str(steps.remarks)):
        face.encode()
    film = json.dumps(player.film, ensure_ascii=False)
    film.encode()
    assert "q\\\\ud800" in film and "q\\ud800" in repr(steps)


def test_a_hostile_error_stays_text():
    module = nn.Linear(1, 1)
    with pytest.raises(Liar), trace(module) as steps:
        raise Liar
    page = assert_safe(TracePlayer(steps).face)
    assert (
        "raised Liar: <script>alert(1)</script>" in page.words and "second line" not in page.words
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_any_generated_module_has_a_film_and_faces_and_stays_as_it_was(module):
    steps = assigned(parameter(), "assigned", module)
    before = fingerprint(module)
    view = TracePlayer(steps)
    assert_safe(faces_of(view)["text/html"])
    json.dumps(view.get_state(), default=str).encode()
    assert fingerprint(module) == before
    view.close()


def test_the_player_keeps_nothing_of_the_model_alive():
    module = nn.Linear(2, 2)
    weight = weakref.ref(module.weight)
    view = TracePlayer(assigned(parameter(), "gain", module))
    del module
    gc.collect()
    assert weight() is None and view.film["steps"]


def test_an_error_of_the_block_itself_and_a_change_past_torch_are_told_as_such():
    module = nn.Linear(1, 1)
    with pytest.raises(ZeroDivisionError), trace(module) as steps:
        module.gain = 1
        module.__dict__["late"] = 2
        1 / 0  # noqa: B018
    words = assert_safe(TracePlayer(steps).face).words
    assert "raised ZeroDivisionError: division by zero" in words
    assert "no line of torch–late came into __dict__" in words
    with trace(module) as steps:
        module.__dict__["alone"] = 2
    assert len(steps) == 0 and "alone came into __dict__" in TracePlayer(steps).face


def test_a_buffer_that_is_not_persistent_has_its_sign():
    assert "○scale" in assert_safe(TracePlayer(assigned(parameter())).face).words


def test_what_is_to_be_known_besides_stands_in_every_face():
    module = nn.Sequential(nn.BatchNorm1d(2))
    with trace(module) as steps:
        module[0](torch.randn(4, 2))
    view = TracePlayer(steps)
    assert len(steps.remarks) == 2 and view.film["remarks"] == steps.remarks
    for remark in steps.remarks:
        assert remark in repr(view) and remark in assert_safe(view.face).words
    with trace(module) as steps:
        pass
    assert all(remark in TracePlayer(steps).nothing for remark in steps.remarks)


def test_one_assignment_is_sent_in_less_than_60_kb():
    for value in (parameter(), torch.ones(3), nn.ReLU()):
        assert len(json.dumps(TracePlayer(assigned(value)).get_state(), default=str)) < 60_000


def test_a_module_with_many_names_is_cut_with_the_rest_counted_and_what_moves_is_kept():
    module = nn.Module()
    for i in range(500):
        module.register_buffer(f"b{i}", None)
    page = assert_safe(TracePlayer(assigned(parameter(), "b450", module)).face)
    assert "b450" in page.words and "… and 487 more" in page.words


def test_comparing_says_where_the_paths_part_and_opens_both_there():
    left, right = assigned(parameter(), "gain"), assigned(torch.ones(3), "gain")
    both, place = compare(left, right), parting(left, right)
    decided = "isinstance(value, Parameter): True in the first, False in the second"
    assert both.words == f"The paths part in Module.__setattr__ at {decided}."
    assert both.moments[both.start] == (place.step - 1, place.step - 1)  # the test that decided
    shown = faces_of(both)
    assert set(shown) == {"text/plain", "text/html", WIDGET}
    assert shown["text/plain"] == f"Comparison of two traces: {both.words}"
    page = assert_safe(shown["text/html"])
    assert both.words in page.words and page.words.count("before") == 2
    assert sum(row[:1] == ["name"] for row in page.rows) == 1  # one table of the questions of both


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (lambda: assigned(parameter()), lambda: assigned(parameter(), "gain")),
        (lambda: assigned(parameter()), lambda: assigned(torch.ones(3), "weight")),
        (lambda: assigned(7), lambda: built(3)),
        (lambda: built(2), lambda: built(3)),
    ],
    ids=["another home", "refused", "different functions", "a longer loop"],
)
def test_two_traces_step_together_where_they_run_the_same_lines_and_one_by_one_elsewhere(
    left, right
):
    traces = left(), right()
    both = compare(*traces)
    before, alone = (-1, -1), []
    for moment in both.moments:
        steps = [now - then for now, then in zip(moment, before, strict=True)]
        assert steps in ([1, 1], [1, 0], [0, 1])
        if steps == [1, 1]:
            first, second = (one[at] for one, at in zip(traces, moment, strict=True))
            assert (first.line, first.stack) == (second.line, second.stack)
        else:
            alone.append(moment)
        before = moment
    assert before == (len(traces[0]) - 1, len(traces[1]) - 1)
    assert 0 < len(alone) < len(traces[0]) + len(traces[1])


def test_two_films_share_their_listings():
    refused = assigned(torch.ones(3), "weight")
    with pytest.raises(ZeroDivisionError), trace(nn.Linear(1, 1)) as steps:
        1 / 0  # noqa: B018
    both = compare(refused, steps)
    names = [listing.name for listing in both.film["listings"]]
    assert names == ["Module.__setattr__", "the block"] and "listings" not in both.other
    assert {frame.listing for frame in both.other["steps"]} == {1}
    both = compare(assigned(parameter()), assigned(parameter(), "gain"))
    assert len(json.dumps(both.other)) < len(json.dumps(both.film)) / 3


def test_comparing_tells_equal_paths_empty_ones_and_one_that_ends_first():
    module = nn.Linear(1, 1)
    with trace(module) as one:
        module.a = 1
    with trace(module) as two:
        module.a = 1
        module.b = 2
    with trace(module) as none:
        pass
    assert compare(one, one).words == "Both blocks run the same lines of torch."
    assert compare(none, none).words == "Neither runs a line of torch."
    both, step = compare(one, two), f"{len(one) + 1}"
    follows = "the first block ends, the second runs Module.__setattr__"
    assert both.words == f"The paths part at step {step}: {follows}."
    assert both.moments[both.start] == (len(one) - 1, len(one) - 1)
    assert both.moments[-1] == (len(one) - 1, len(two) - 1) and compare(none, none).moments == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (nn.Linear(1, 1), "got Linear"),
        (None, "got None"),
        ([1, 2], r"got \[1, 2\]"),
        (nn.Linear, "got type"),
    ],
)
def test_what_is_no_trace_is_a_type_error_that_says_what_to_do(value, words):
    steps = assigned(7)
    for name, call in (
        ("TracePlayer", TracePlayer),
        ("compare", lambda it: compare(it, steps)),
        ("compare", lambda it: compare(steps, it)),
        ("parting", lambda it: parting(it, steps)),
        ("parting", lambda it: parting(steps, it)),
    ):
        with pytest.raises(
            TypeError,
            match=rf"^{name}\(\) takes a trace, {words}; record first, with trace\(module\)",
        ):
            call(value)
    with pytest.raises(TypeError, match="got list of "):
        TracePlayer(steps[:])
    with pytest.raises(
        TypeError, match="takes the position of a step as start, such as 0; got 'last'"
    ):
        TracePlayer(steps, start="last")
    assert (
        TracePlayer(steps, start=-3).start == 0
        and TracePlayer(steps, start=10**6).start == len(steps) - 1
    )


# --- the questions of an assignment ---------------------------------------------------------------


def test_the_still_face_has_the_questions_across_and_an_assignment_a_line():
    left, right = assigned(parameter(), "gain"), assigned(torch.ones(3), "gain")
    heads, first = assert_safe(TracePlayer(left).face).rows[:2]
    assert heads[0] == "name" and heads[-1] == "else"
    asked = list(dict.fromkeys(one.condition for one in right.decisions))
    page = Page(TracePlayer(right).face)
    titles = [attributes.get("title") for tag, attributes in page.tags if tag == "span"]
    assert [title for title in titles if title in asked] == asked  # in full, as torch has them
    assert first == ["'gain'", "True register_parameter", *["–"] * (len(asked))]
    _, *lines = [row for row in assert_safe(compare(left, right).face).rows if len(row) == 7][:3]
    assert lines[0][1:] == first[1:]
    assert lines[1] == ["second", *["False"] * len(asked), "super().__setattr__"]


def test_traces_of_several_assignments_stand_under_each_other_with_a_table_each():
    def several() -> Trace:
        module = nn.Module()
        with trace() as steps:
            module.scale = 3
            module.gain = parameter()
        return steps

    left, right = several(), several()
    shown = compare(left, right).face
    ends = [f'<div style="margin-top:0.8em">{TracePlayer(one).face}</div>' for one in (left, right)]
    assert shown == "".join(ends)


def test_the_line_of_text_tells_the_way_of_one_assignment():
    refused = TracePlayer(assigned(torch.ones(3), "weight"))
    words = "value is a Parameter? False → name in params? True → ⚠ TypeError"
    assert repr(refused).endswith(f". {words}")
    assert "→" not in repr(TracePlayer(built(3)))


def test_a_trace_without_an_assignment_has_no_river():
    layer = nn.Linear(1, 1)
    with trace(layer) as steps:
        layer.weight  # noqa: B018
    view = TracePlayer(steps)
    assert view.film["river"] == {"ways": [], "courses": [], "turns": []}
    assert "asks" not in view.face


def test_only_data_is_sent_and_the_script_parses_nothing():
    view = TracePlayer(assigned(7))
    sent = {name for name in view.get_state() if not name.startswith("_")} - {
        "layout",
        "tooltip",
        "tabbable",
    }
    assert sent == {"film", "signs", "start", "nothing"}
    assert "innerHTML" not in view._esm and "http" not in view._esm and ".inm-player{" in view._css
