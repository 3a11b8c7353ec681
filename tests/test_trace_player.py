"""`TracePlayer` and `compare` without a browser: what is sent, the static faces, hostile text, and
bad input.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import textwrap
import weakref

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from helpers import Trace, TracePlayer, compare, trace
from helpers.tracing.watch import CONTAINERS
from helpers.tracing.source import source_lines
from helpers.tracing.story import film
from helpers.views.trace_player import TracePair
from tests.html_page import Page
from tests.lesson_kernel import ROOT
from tests.modules import NAMES, fingerprint, modules

WIDGET = "application/vnd.jupyter.widget-view+json"


def assigned(value: object, name: str = "scale", module: nn.Module | None = None) -> Trace:
    """The trace of `module.name = value` on a layer that has a non-persistent buffer of the name
    "scale".
    """
    if module is None:
        module = nn.Linear(2, 3)
        module.register_buffer("scale", torch.ones(3), persistent=False)
    try:
        with trace(module) as steps:
            setattr(module, name, value)
    except Exception:
        pass
    return steps


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.ones(3))


def built(layers: int) -> Trace:
    with trace() as steps:
        nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(layers)))
    return steps


def faces(view: TracePlayer | TracePair) -> dict:
    return view._repr_mimebundle_()[0]


def assert_safe(html: str) -> Page:
    page = Page(html)
    assert page.unclosed == []
    assert {tag for tag, _ in page.tags} <= {
        "div",
        "span",
        "b",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
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
    return page


def held(found: dict, state: int) -> dict:
    """A state of the film as the containers it stands for: {container: [(name, kind, words)]}."""
    boxes = zip(found["containers"], found["states"][state], strict=True)
    return {
        box: [found["entries"][entry] for entry in entries]
        for box, (there, entries, _) in boxes
        if there
    }


def plain(state: dict) -> dict:
    return {box: [(name, one.words) for name, one in names.items()] for box, names in state.items()}


@pytest.mark.parametrize(
    "value", [parameter(), torch.ones(3), nn.ReLU(), None, 7, nn.Buffer(torch.ones(3))]
)
def test_every_step_is_sent_with_its_line_calls_names_and_containers(value):
    steps = assigned(value)
    found = film(steps)
    assert len(found["steps"]) == len(steps) > 5
    for step, (place, line, stack, _, state, values) in zip(steps, found["steps"], strict=True):
        name, first, lines, _ = found["listings"][place]
        assert "".join(lines[line - first][1::2]).strip() == step.source and line == step.line
        assert step.function == name or step.function.startswith(f"{name}.<locals>.")
        assert [
            one.endswith(shown)
            for one, shown in zip(step.stack, found["stacks"][stack], strict=True)
        ]
        local = {name: held.words for name, held in step.values.items() if name != "self"}
        assert dict(found["values"][values]) == local
        told = {
            box: [(name, words) for name, _, words in names]
            for box, names in held(found, state).items()
        }
        assert told == plain(step.after if step.changes else step.before)


def test_the_source_that_is_sent_is_the_installed_one_token_by_token():
    for _, first, lines, statements in film(built(1))["listings"]:
        sent = ["".join(runs[1::2]) for runs in lines]
        assert len(sent) == len(statements)
        installed = "\n".join(source_lines()[first - 1 : first - 1 + len(sent)])
        assert "\n".join(sent) == textwrap.dedent(installed)
        assert {letter for runs in lines for letter in runs[::2]} <= set("cskf") | {""}


def test_keywords_strings_comments_and_names_of_functions_are_told_apart():
    lines = film(assigned(parameter()))["listings"][0][2]
    runs = {
        (words.strip(), letter)
        for line in lines
        for letter, words in zip(line[::2], line[1::2], strict=True)
    }
    assert {("def", "k"), ("__setattr__", "f"), ('"_parameters"', "s"), ("not in", "k")} <= runs
    assert any(letter == "c" and words.startswith("# ") for words, letter in runs)


def reached(found: dict, visit: int = 0) -> set[str]:
    """The lines that the player does not grey in one call, as text."""
    (place,) = {step[0] for step in found["steps"] if step[3] == visit}
    _, first, lines, statements = found["listings"][place]
    ran = {statements[line - first] for _, line, _, at, *_ in found["steps"] if at == visit}
    return {
        "".join(runs[1::2]).strip()
        for runs, one in zip(lines, statements, strict=True)
        if one in ran
    }


def test_the_path_not_taken_is_told_apart_from_the_lines_of_the_path():
    plain_path, module_path = (
        reached(film(assigned(7, "gain"))),
        reached(film(assigned(nn.ReLU(), "gain"))),
    )
    assert "super().__setattr__(name, value)" in plain_path - module_path
    assert "modules[name] = value" in module_path - plain_path
    # `else:` makes no event, the second line of a call neither in every Python: their statement
    # speaks for them.
    assert "else:" in plain_path and "remove_from(" in module_path and ")" in module_path
    assert not any("raise" in line for line in plain_path | module_path)
    _, _, lines, statements = film(assigned(7))["listings"][0]
    after_else = [i for i, runs in enumerate(lines, 1) if "".join(runs[1::2]).strip() == "else:"]
    assert after_else and all(
        statements[i - 1] == statements[i] for i in after_else if statements[i]
    )


def test_every_line_that_ran_belongs_to_a_statement():
    found = film(built(2))
    for place, line, *_ in found["steps"]:
        _, first, lines, statements = found["listings"][place]
        words = (
            "".join(lines[line - first][1::2]).strip() == '"""'
        )  # a text among the lines of __init__ is passed
        assert words or first < statements[line - first] <= line <= first + len(lines)


def visits(steps: Trace) -> list[tuple[str, str]]:
    """(source that is shown, path of calls) of each call that is told apart, in order."""
    found, seen = film(steps), {}
    for place, _, stack, visit, *_ in found["steps"]:
        seen.setdefault(visit, (found["listings"][place][0], found["stacks"][stack]))
    return [seen[visit] for visit in sorted(seen)]


def test_each_call_is_told_apart_and_what_stands_inside_a_function_belongs_to_its_call():
    module = nn.Linear(1, 1)
    with trace(module) as steps:
        module.one = 1
        module.two = 2
    assert [name for name, _ in visits(steps)] == ["Module.__setattr__"] * 2
    # remove_from stands in the source of __setattr__, and is shown there.
    assert [name.rpartition(".")[2] for name, _ in visits(assigned(parameter()))] == [
        "__setattr__",
        "register_parameter",
        "__getattr__",
    ]
    with trace(
        nn.Sequential(nn.Sequential())
    ) as steps:  # recursion, and a lambda that float hands to _apply
        nn.Sequential(nn.Linear(1, 1, bias=False)).float()
    names = [name.rpartition(".")[2] for name, _ in visits(steps)]
    assert names.count("float") == 1 and names.count("_apply") == 2


def test_the_outcome_of_a_test_is_shown_when_all_that_it_calls_has_run():
    steps = assigned(parameter(), "gain")
    found = film(steps)
    asked = next(at for at, step in enumerate(steps) if "hasattr(self, name)" in step.source)
    ((when, *_, words),) = [note for note in found["notes"] if note[2] == steps[asked].line]
    inner = [at for at, step in enumerate(steps) if step.function.endswith("__getattr__")]
    assert inner[0] == asked + 1 and when == inner[-1] + 1 and words == "False"
    # One note for each test, also for the one that stands on several lines and refuses the value.
    for one in (steps, assigned(7), built(1)):
        words = [note[4] for note in film(one)["notes"] if note[3] == "test"]
        assert sorted(words) == sorted(str(decision.outcome) for decision in one.decisions)


def test_an_error_stands_at_the_line_that_raised_it():
    steps = assigned(torch.ones(3), "weight")
    found = film(steps)
    ((when, _, line, _, words),) = [note for note in found["notes"] if note[3] == "error"]
    assert (when, line) == (len(steps) - 1, steps.raised_by.line)
    assert words.startswith("TypeError: cannot assign 'torch.FloatTensor' as parameter 'weight'")
    assert "raise TypeError(" in reached(found)


def test_an_error_of_the_block_itself_stands_at_the_line_of_the_block():
    module = nn.Linear(1, 1)
    with pytest.raises(ZeroDivisionError), trace(module) as steps:
        module.gain = 1
        1 / 0  # noqa: B018
    found = film(steps)
    place, line, stack, *_ = found["steps"][-1]
    assert found["stacks"][stack] == ("the block",)
    assert found["listings"][place] == ("the block", line, [["", "1 / 0  # noqa: B018"]], [0])
    assert found["notes"][-1][3:] == ("error", "ZeroDivisionError: division by zero")
    assert (
        "raised ZeroDivisionError: division by zero" in assert_safe(TracePlayer(steps).face).words
    )


def moves(steps: Trace) -> list[tuple[str, str]]:
    return [(verb, words) for _, _, verb, _, words, _ in film(steps)["changes"]]


def test_what_moves_is_told_in_words_and_the_same_object_is_said_to_be_the_same():
    assert moves(assigned(parameter())) == [
        ("left", "scale left _buffers"),
        ("left", "scale left _non_persistent_buffers_set"),
        ("came", "scale came into _parameters"),
    ]
    assert [change[5] for change in film(assigned(parameter()))["changes"]] == [
        "",
        "_buffers",
        "_buffers",
    ]
    module, one = nn.Linear(1, 1), parameter()
    object.__setattr__(module, "hidden", one)
    assert moves(assigned(one, "hidden", module))[1] == (
        "came",
        "hidden came into _parameters: the object that left __dict__",
    )
    assert moves(assigned(parameter(), "weight", module)) == [
        ("was replaced", "weight was replaced in _parameters")
    ]
    with trace(module) as steps:
        module.weight.requires_grad_(False)
        module.gain = 1
    assert ("changed", "weight changed in _parameters") in moves(steps)


def test_a_buffer_that_is_not_persistent_has_the_sign_of_one_until_it_goes():
    steps = assigned(parameter())
    found = film(steps)
    assert held(found, found["steps"][0][4])["_buffers"] == [
        ("scale", "non-persistent buffer", "Tensor, 3, float32")
    ]
    gone = next(change for change in found["changes"] if change[4] == "scale left _buffers")
    assert found["entries"][gone[3]][1] == "non-persistent buffer"
    assert "○scale" in assert_safe(TracePlayer(steps).face).words


def test_a_change_that_no_line_of_the_file_made_is_told_after_the_last_step():
    module = nn.Linear(1, 1)
    with trace(module) as steps:
        module.gain = 1
        module.__dict__["late"] = 2
    assert film(steps)["changes"][-1][0] == len(steps) - 1
    assert (
        "no line of torch" in TracePlayer(steps).face
        and "late came into __dict__" in TracePlayer(steps).face
    )
    with trace(module) as steps:
        module.__dict__["alone"] = 2
    assert len(steps) == 0 and "alone came into __dict__" in TracePlayer(steps).face


def test_a_trace_of_nothing_says_so_and_why():
    with trace(nn.Linear(1, 1)) as steps:
        pass
    for empty in (steps, trace(nn.Linear(1, 1))):
        view = TracePlayer(empty, start=3)
        assert (view.start, view.film["steps"]) == (0, [])
        assert (
            "no line of torch ran. Either the block has not run yet" in assert_safe(view.face).words
        )
        assert view.nothing in view.face.replace("&#x27;", "'")


def test_one_assignment_is_sent_in_less_than_60_kb_and_two_thousand_steps_in_few():
    for value in (parameter(), torch.ones(3), nn.ReLU()):
        view = TracePlayer(assigned(value))
        assert len(json.dumps(view.film)) < 20_000
        assert len(json.dumps(view.get_state(), default=str)) < 60_000
    steps = built(13)
    assert len(steps) > 2_000
    assert len(json.dumps(TracePlayer(steps).film)) < 150_000


def test_a_module_with_many_names_is_cut_with_the_rest_counted_and_what_moves_is_kept():
    module = nn.Module()
    for i in range(500):
        module.register_buffer(f"b{i}", None)
    steps = assigned(parameter(), "b450", module)
    found = film(steps)
    _, entries, more = found["states"][found["steps"][0][4]][CONTAINERS.index("_buffers")]
    names = [found["entries"][entry][0] for entry in entries]
    assert names == [*(f"b{i}" for i in range(40)), "b450"] and more == 459
    assert len(json.dumps(found)) < 25_000
    page = assert_safe(TracePlayer(steps).face)
    assert "b450" in page.words and "… and 487 more" in page.words


@pytest.mark.parametrize("layers", [5, 300])
def test_a_long_trace_is_cut_and_counted_in_every_face(layers):
    steps = built(layers)
    view = TracePlayer(steps)
    assert len(view.film["steps"]) + view.film["more"] == len(steps)
    assert (view.film["more"] > 0) == (layers == 300)
    page = assert_safe(view.face)
    assert sum(tag == "tr" for tag, _ in page.tags) == 41 + 6
    assert "more such lines" in page.words and len(view.face) < 40_000


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
        "shown = TracePlayer(steps)._repr_mimebundle_()[0]; print(shown['text/plain'], shown['text/html'])"
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
    shown = faces(TracePlayer(assigned(parameter())))
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
    shown = faces(TracePlayer(steps))
    page = assert_safe(shown["text/html"])
    assert "<b>Model" in page.words and len(shown["text/plain"].splitlines()) == 1
    if steps.error is None:
        assert f"{name[:50]}" in page.words
    json.dumps(film(steps)).encode()
    both = compare(steps, assigned(7, name, module))
    assert_safe(faces(both)["text/html"])


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
    assert_safe(faces(view)["text/html"])
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


def test_comparing_says_where_the_paths_part_and_opens_both_there():
    left, right = assigned(parameter(), "gain"), assigned(torch.ones(3), "gain")
    both = compare(left, right)
    assert both.words == (
        "The paths part in Module.__setattr__ at isinstance(value, Parameter): True in the first, False in the second."
    )
    assert [player.start for player in both.players] == [3, 3]
    assert [steps[2].condition for steps in (left, right)] == ["isinstance(value, Parameter)"] * 2
    shown = faces(both)
    assert set(shown) == {"text/plain", "text/html", WIDGET}
    assert shown["text/plain"] == f"Comparison of two traces: {both.words}"
    page = assert_safe(shown["text/html"])
    assert both.words in page.words and page.words.count("before") == 2
    assert compare(left, left).words == "Both blocks run the same lines of torch."
    module = nn.Linear(1, 1)
    with trace(module) as deleted:
        del module.bias
    assert compare(left, deleted).words == "The paths part at step 1."


def test_a_path_that_ends_first_is_opened_at_its_end():
    module = nn.Linear(1, 1)
    with trace(module) as one:
        module.a = 1
    with trace(module) as two:
        module.a = 1
        module.b = 2
    both = compare(one, two)
    assert both.words == f"The paths part at step {len(one) + 1}."
    assert [player.start for player in both.players] == [len(one) - 1, len(one)]


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


def test_only_data_is_sent_and_the_script_parses_nothing():
    view = TracePlayer(assigned(7))
    sent = {name for name in view.get_state() if not name.startswith("_")} - {
        "layout",
        "tooltip",
        "tabbable",
    }
    assert sent == {"film", "signs", "start", "nothing"}
    assert "innerHTML" not in view._esm and "http" not in view._esm and ".inm-player {" in view._css
