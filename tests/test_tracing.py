"""The tracing room: the lines that ran, what decided, what changed, and that nothing of the block's
is touched or kept; where two traces part; the film; every attempt of the playground."""

from __future__ import annotations

import ast
import bdb
import builtins
import collections
import contextlib
import copy
import gc
import inspect
import itertools
import json
import linecache
import re
import subprocess
import sys
import textwrap
import threading
import traceback
import types
import warnings
import weakref
from collections.abc import Iterator

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from helpers import StateMap, Step, Trace, parting, trace
from helpers.state.objects import brief, clip
from helpers.state.snapshot import snapshot
from helpers.state.torch_private import NON_PERSISTENT, RANDOM_NAME
from helpers.tracing.following import first_three
from helpers.tracing.listing import listings_of
from helpers.tracing.river import beds, beds_of, course_in_words
from helpers.tracing.source import FILE, module_source, source_lines
from helpers.tracing.story import films, moves_of, short_name
from helpers.tracing.trials import BEFORE_INIT, EARLY_HOMES, HOMES, ROUTES, VALUES, grid, run
from helpers.tracing.watch import BOXES, Watch, Wording
from tests.lesson_kernel import ROOT
from tests.modules import fingerprint
from tests.told import assert_told

SOURCE = inspect.getsource(torch_module)


def made(base=nn.Module) -> nn.Module:
    """A module with one of everything, whose class is made on `base`."""

    class Everything(base):
        fixed = 3

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))
            self.empty = None
            self.register_parameter("bias", None)
            self.register_buffer("mean", torch.zeros(2))
            self.register_buffer("cache", torch.zeros(2), persistent=False)
            self.child = base()
            self.note = "plain"

    return Everything()


def _call_to(m):
    m.to(torch.float64)


def _load(m):
    m.load_state_dict({"weight": torch.zeros(2), "mean": torch.ones(2)}, strict=False)


# What a reader might write, each on a module that `made` gives.
STATEMENTS = {
    "parameter over nothing": lambda m: setattr(m, "new", nn.Parameter(torch.ones(3))),
    "parameter over plain": lambda m: setattr(m, "note", nn.Parameter(torch.ones(3))),
    "parameter over buffer": lambda m: setattr(m, "cache", nn.Parameter(torch.ones(3))),
    "tensor over parameter": lambda m: setattr(m, "weight", torch.ones(2)),
    "none over parameter": lambda m: setattr(m, "weight", None),
    "tensor over buffer": lambda m: setattr(m, "mean", torch.ones(5)),
    "number over buffer": lambda m: setattr(m, "mean", 5),
    "buffer over nothing": lambda m: setattr(m, "new", nn.Buffer(torch.ones(2), persistent=False)),
    "module over plain": lambda m: setattr(m, "note", type(m.child)()),
    "number over module": lambda m: setattr(m, "child", 5),
    "plain": lambda m: setattr(m, "new", 5),
    "delete parameter": lambda m: delattr(m, "weight"),
    "delete buffer": lambda m: delattr(m, "cache"),
    "delete nothing": lambda m: delattr(m, "nothing"),
    "read parameter": lambda m: m.weight,
    "read plain": lambda m: m.note,
    "read nothing": lambda m: m.nothing,
    "ask for nothing": lambda m: hasattr(m, "nothing"),
    "register parameter": lambda m: m.register_parameter("new", nn.Parameter(torch.ones(1))),
    "register over class attribute": lambda m: m.register_parameter(
        "fixed", nn.Parameter(torch.ones(1))
    ),
    "register a dot": lambda m: m.register_parameter("a.b", None),
    "register a number": lambda m: m.register_buffer(5, None),
    "register buffer": lambda m: m.register_buffer("new", torch.ones(1), persistent=False),
    "add module": lambda m: m.add_module("new", None),
    "state_dict": lambda m: m.state_dict(),
    "load": _load,
    "to": _call_to,
    "names": lambda m: list(m.named_parameters()),
    "train": lambda m: m.eval(),
    "grad": lambda m: m.requires_grad_(False),
    "call": lambda m: m(torch.ones(1)),
    "repr": lambda m: repr(m),
    "build": lambda m: made(type(m).__mro__[1]),
}
NAMES = list(STATEMENTS)


def attempt(statement, module) -> str:
    """Run `statement`; the error it raises in words, or ""."""
    try:
        statement(module)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def traced(name: str, module: nn.Module | None = None):
    """The trace of one of `STATEMENTS` on a module of its own, with its error."""
    module = module or made()
    with contextlib.suppress(Exception), trace(module) as steps:
        STATEMENTS[name](module)
    return steps


def told_of(steps: Trace) -> Iterator[str]:
    """What a trace says in words, but for the number of lines: into how many events Python divides
    a `with` or a comprehension differs from version to version.
    """
    yield re.sub(r"\b\d+ lines?\b", "... lines", f"    {steps!r}")
    for move in moves_of(steps):
        yield f"    {move.words} ({move.verb}, from {move.origin!r}): {tuple(move.entry)}"
    film = films(steps)[0]
    yield f"    {', '.join(f'{note.kind} {note.words}' for note in film['notes'])}"
    for course in film["river"]["courses"]:
        yield f"    {course.name}: {course_in_words(film['river']['ways'], course)}"


def test_traces_are_told_word_for_word_as_they_were_read():
    traces = {name: traced(name) for name in STATEMENTS}
    lines = [line for name, steps in traces.items() for line in (name, *told_of(steps))]
    for one, other in itertools.pairwise(traces):
        found = parting(traces[one], traces[other])
        words = found and list(found[1:])
        lines.append(f"{one}, {other}: {words}")
    assert_told("tracing", lines)


TESTS = [
    range(node.lineno, node.test.end_lineno + 1)
    for node in ast.walk(ast.parse(SOURCE))
    if isinstance(node, (ast.If, ast.While))
]


def goes_back(line: int, last: int) -> bool:
    """Whether a test on several lines goes back, from `last` to `line`: not every version of Python
    tells of it.
    """
    return line < last and any(line in test and last in test for test in TESTS)


def lines_by_hand(statement, module) -> list[tuple[str, int]]:
    """The lines of the file that `statement` runs, by the simplest trace function there is; that a
    test goes back is left out.
    """
    seen, last = [], {}

    def look(frame, event, arg):
        if frame.f_code.co_filename != FILE:
            return None
        if event == "line":
            line = frame.f_lineno
            if not goes_back(line, last.get(frame, 0)):
                seen.append((frame.f_code.co_name, line))
                last[frame] = line
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        attempt(statement, module)
    finally:
        sys.settrace(before)
    return seen


class _Own(ast.NodeTransformer):
    """Lets the copy mean itself where the source says `torch.nn.Module`."""

    def visit_Attribute(self, node):
        self.generic_visit(node)
        return ast.Name("Module", ast.Load()) if ast.unparse(node) == "torch.nn.Module" else node


class _Tell(ast.NodeTransformer):
    """Makes every `if` and `while` of a source tell what its test gave."""

    def visit_If(self, node):
        self.generic_visit(node)
        words, nothing = (
            ast.Constant(ast.unparse(node.test)),
            ast.arguments([], [], None, [], [], None, []),
        )
        node.test = ast.Call(
            ast.Name("_tell", ast.Load()), [words, ast.Lambda(nothing, _Own().visit(node.test))], []
        )
        return node

    visit_While = visit_If


@pytest.fixture(scope="module")
def telling():
    """torch's module.py again, as source in which every test tells what it gave: the module, and
    what was told.
    """
    told, twin = [], types.ModuleType("torch.nn.modules.module")

    def tell(words, decide):
        place = len(told)  # tests that run while this one is decided come after it
        told.append((words, None))
        told[place] = (words, bool(decide()))
        return told[place][1]

    vars(twin)["_tell"] = tell
    tree = ast.fix_missing_locations(_Tell().visit(ast.parse(SOURCE)))
    exec(compile(tree, "telling", "exec"), vars(twin))
    return twin, told


@pytest.mark.parametrize("name", NAMES)
def test_the_steps_are_the_lines_that_ran(name):
    expected = lines_by_hand(STATEMENTS[name], made())
    steps = [step for step in traced(name) if step.stack]
    assert [step.line for step in steps] == [line for _, line in expected]
    for step, (function, line) in zip(steps, expected, strict=True):
        assert function.startswith("<") or step.function.rpartition(".")[2] == function
        assert step.source == SOURCE.splitlines()[line - 1].strip()
        assert step.stack[-1] == step.function


@pytest.mark.parametrize("name", NAMES)
def test_the_decisions_are_those_of_an_instrumented_copy_of_the_source(name, telling):
    twin, told = telling
    module = made(twin.Module)
    told.clear()
    failed = attempt(STATEMENTS[name], module)
    expected = list(told)
    steps = traced(name)
    assert [(one.condition, one.outcome) for one in steps.decisions] == expected
    assert bool(failed) == (steps.error is not None)


@pytest.mark.parametrize("name", NAMES)
def test_the_changes_lead_from_the_first_state_to_the_last(name):
    module = made()
    steps = traced(name, module)
    if not steps:
        return
    state = {box: dict(held) for box, held in steps[0].before.items()}
    for change in steps.changes:
        box = state.setdefault(change.container, {})
        assert box.get(change.name) == change.before
        box.pop(change.name, None)
        if change.after is not None:
            box[change.name] = change.after
    assert state == steps[-1].after
    held = {box: set(vars(module)[box]) for box in steps[-1].after if box != "__dict__"}
    assert held == {box: set(names) for box, names in steps[-1].after.items() if box != "__dict__"}
    plain = {key for key in vars(module) if key not in vars(nn.Module()) or key == "training"}
    assert plain == set(steps[-1].after["__dict__"])


@pytest.mark.parametrize("name", NAMES)
def test_the_block_does_what_it_does_without_a_trace(name):
    torch.manual_seed(0)
    free, seen = made(), made()
    expected = attempt(STATEMENTS[name], free)
    before = sys.gettrace()

    def within(module):
        with trace(module):
            STATEMENTS[name](module)

    assert attempt(within, seen) == expected
    assert sys.gettrace() is before
    assert list(seen.state_dict(keep_vars=True)) == list(free.state_dict(keep_vars=True))


def test_a_step_is_between_its_before_and_after_and_tells_its_own_changes():
    steps = traced("parameter over buffer")
    left, forgotten, came = steps.changed("cache")
    assert [change.container for change in forgotten.changes] == ["_non_persistent_buffers_set"]
    assert (left.function, left.source) == (
        "Module.__setattr__.<locals>.remove_from",
        "del d[name]",
    )
    assert "cache" in left.before["_buffers"] and "cache" not in left.after["_buffers"]
    assert came.function == "Module.register_parameter"
    assert came.after["_parameters"]["cache"].words == "Parameter, 3, float32"
    outer = next(step for step in steps if step.source == "self.register_parameter(name, value)")
    assert "cache" not in outer.before["_parameters"] and "cache" in outer.after["_parameters"]
    assert outer.changes == ()


def test_home_names_the_container_that_holds_a_name_at_the_end():
    homes = {
        "weight": "_parameters",
        "mean": "_buffers",
        "cache": "_buffers",
        "child": "_modules",
        "note": "__dict__",
    }
    steps = traced("plain")
    assert {name: steps.home(name) for name in homes} == homes
    assert steps.home("new") == "__dict__" and steps.home("nothing") is None
    with trace(made()) as nothing_ran:
        pass
    assert nothing_ran.home("weight") == "_parameters" and nothing_ran.home("new") is None
    assert list(nothing_ran) == [] and nothing_ran.error is None
    assert trace(made()).home("weight") is None  # the block has not run yet


GROWS = {
    "list": (list, lambda held: held.append(1)),
    "dict": (dict, lambda held: held.update(a=1)),
    "set": (set, lambda held: held.add(1)),
    "deque": (collections.deque, lambda held: held.append(1)),
    "item": (lambda: [0], lambda held: held.__setitem__(0, 1)),
}


@pytest.mark.parametrize("name", GROWS)
def test_a_plain_container_is_shown_as_it_is_and_its_change_stands_where_it_was_made(name):
    make, grow = GROWS[name]
    module = nn.Module()
    module.log, module.same = make(), make()
    before = brief(module.log)
    with trace(module) as steps:
        grow(module.log)
        module.x = 3
    for step in steps:
        assert step.after["__dict__"]["log"].words == brief(module.log) != before
        assert step.after["__dict__"]["same"].words == before
    assert [(one.name, one.by_line) for one in steps.changes] == [("log", False), ("x", True)]
    assert steps.changes[0].before.words == before and not steps.changes[0].in_place
    assert films(steps)[0]["changes"][0].words == "log changed in __dict__, by no line of this file"
    module.register_forward_hook(lambda *_: grow(module.log))
    module.forward = lambda: None
    module.log = make()
    with trace(module) as steps:
        module()
    (change,) = steps.changes
    assert change.by_line and steps[change.step].source.startswith("hook_result = hook(")


@pytest.mark.parametrize("kind", [numpy.str_, type("Loud", (str,), {"__repr__": lambda _: "no"})])
def test_a_name_of_a_class_of_its_own_is_told_as_its_text_everywhere(kind):
    module = nn.Module()
    with trace(module) as steps:
        setattr(module, kind("x"), nn.Parameter(torch.ones(1)))
    assert films(steps)[0]["river"]["courses"][0].name == "'x'"
    assert steps.home("x") == "_parameters" and steps.changes[0].name == "x"


def test_an_object_that_takes_another_class_is_shown_as_of_that_one():
    other = type("Other", (nn.Linear,), {})
    module = nn.Sequential(nn.Linear(1, 1))
    with trace(module) as steps:
        module[0].__class__ = other
        module.x = 3
    assert steps[-1].after["_modules"]["0"].words == "Other"
    assert [one.name for one in steps.changes] == ["0", "x"]
    assert steps[steps.changes[0].step].values["name"].words == "'__class__'"


def test_an_error_reaches_the_caller_as_it_is_and_the_last_step_has_a_copy():
    module, thrown = made(), None
    with pytest.raises(
        TypeError, match="cannot assign 'torch.FloatTensor' as parameter 'weight'"
    ) as caught:
        with trace(module) as steps:
            module.weight = torch.ones(2)
    thrown = caught.value
    copied = steps[-1].error
    assert copied is steps.error and copied is not thrown
    assert type(copied) is TypeError and str(copied) == str(thrown) and copied.__traceback__ is None
    assert (
        steps.raised_by.source == "raise TypeError("
        and steps.raised_by.function == "Module.__setattr__"
    )


def test_an_error_of_the_block_itself_is_the_last_step():
    module = made()
    with pytest.raises(ZeroDivisionError), trace(module) as steps:
        module.weight = None
        1 / 0  # noqa: B018
    last = steps[-1]
    assert last.stack == () and isinstance(last.error, ZeroDivisionError)
    assert last.source == linecache.getline(__file__, last.line).strip() == "1 / 0  # noqa: B018"
    assert steps.home("weight") == "_parameters" and steps.raised_by is last
    assert last.function == "test_an_error_of_the_block_itself_is_the_last_step"


def test_an_error_in_a_line_without_source_says_that_there_is_none():
    with contextlib.suppress(ZeroDivisionError):
        exec("with trace(module) as steps:\n    1 / 0", kept := {"trace": trace, "module": made()})
    last = kept["steps"][-1]
    assert (last.source, last.line, last.function) == ("(a line without source)", 2, "<module>")


def test_an_error_that_torch_catches_is_told_where_it_was_raised_and_does_not_leave_the_block():
    steps = traced("ask for nothing")
    assert [step.source for step in steps if step.error is not None] == ["raise AttributeError("]
    assert steps.error is None and steps.raised_by is None


class Odd(Exception):
    """An exception that needs two arguments and keeps a tensor."""

    def __init__(self, tensor, why):
        super().__init__(tensor, why)
        self.tensor = tensor

    def __str__(self):
        return f"odd {self.tensor.shape}"


def test_an_exception_of_any_class_is_copied_without_what_it_holds():
    tensor = torch.ones(2)
    errors = [
        Odd(tensor, "why"),
        KeyError("k"),
        UnicodeDecodeError("ascii", b"\xff", 0, 1, "r"),
        OSError(2, "no"),
        StopIteration(tensor),
        SystemExit(3),
        KeyboardInterrupt(),
    ]
    for error in errors:
        with pytest.raises(type(error)) as caught, trace(nn.Module()) as steps:
            raise error
        assert caught.value is error and isinstance(steps.error, type(error)) and repr(steps)
        assert type(steps.error).__name__ == type(error).__name__
        assert str(steps.error) == str(error)
    if sys.version_info >= (3, 11):  # a class that is not made of text alone
        group = vars(builtins)["ExceptionGroup"]("some", [ValueError(1)])
        with pytest.raises(type(group)), trace(nn.Module()) as steps:
            raise group
        assert str(steps.error).startswith("ExceptionGroup: some")
        del group
    alive = weakref.ref(tensor)
    with contextlib.suppress(Odd), trace(nn.Module()) as steps:
        raise Odd(tensor, "why")
    del tensor, error, errors, caught
    gc.collect()
    assert alive() is None and isinstance(steps.error, Odd)


class Coded(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code

    def __str__(self):
        return f"code {self.code}"


class Slotted(Exception):
    __slots__ = ("why",)

    def __init__(self, why):
        self.why = why

    def __str__(self):
        return f"slot {self.why}"


@pytest.mark.parametrize(
    "error",
    [
        Coded(3),
        OSError(2, "No such file", "w.pt"),
        UnicodeDecodeError("utf8", b"a", 0, 1, "bad"),
        KeyError(("a", "b")),
        KeyError([1]),
        ValueError(type("S", (str,), {})("hi")),
        ValueError(torch.ones(2)),
        ValueError(nn.ReLU(), 2),
        SyntaxError("bad", ("f.py", 3, 1, "x")),
        ImportError("no", name="n"),
        ValueError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_copy_of_an_error_has_its_class_and_its_whole_text(error):
    with contextlib.suppress(Exception), trace(nn.Module()) as steps:
        raise error
    assert type(steps.error) is type(error) and str(steps.error) == str(error)
    assert not str(error) or f"left by {type(error).__name__}: {error}" in repr(steps)


def test_an_error_whose_class_makes_other_text_of_a_copy_has_that_of_a_subclass_or_none_runs():
    made = []

    class Listing(Slotted):
        def __init_subclass__(cls):
            made.append(cls)

    class Silent(Exception):
        def __str__(self):
            raise ValueError

    told = []
    for error in (Slotted("x"), Silent("x"), Listing("x")):
        with contextlib.suppress(Exception), trace(nn.Module()) as steps:
            raise error
        told.append(
            (type(steps.error).__name__, str(steps.error), isinstance(steps.error, type(error)))
        )
    assert told == [
        ("Slotted", "slot x", True),
        ("Silent", "(its message could not be read: ValueError)", True),
        ("RuntimeError", "Listing: slot x", False),
    ]
    assert made == []


def test_an_error_is_the_same_all_the_way_though_others_are_caught_while_it_passes():
    layer = nn.Linear(1, 1)
    layer.register_forward_hook(lambda *_: hasattr(layer, "zzz") and None, always_call=True)
    with pytest.raises(TypeError) as caught, trace(layer) as steps:
        layer("bad")
    frames = traceback.extract_tb(caught.value.__traceback__)
    last = [frame for frame in frames if frame.filename == FILE][-1]
    assert steps.raised_by.line == last.lineno
    assert steps.raised_by.function.rpartition(".")[2] == last.name
    assert any(isinstance(step.error, AttributeError) for step in steps)
    passed = [step for step in steps if step.stack and step.error is steps.error]
    assert {step.line for step in passed} == {one.lineno for one in frames if one.filename == FILE}


def test_an_error_that_was_caught_is_not_kept_while_the_block_runs():
    layer, alive = nn.Linear(1, 1), []

    def ask():
        batch = torch.ones(1)
        alive.append(weakref.ref(batch))
        layer.nothing  # noqa: B018

    with trace(layer):
        for _ in range(4):
            with contextlib.suppress(AttributeError):
                ask()
        gc.collect()
        assert [one() is None for one in alive][:-1] == [True] * 3


def test_nothing_of_the_block_is_kept_alive():
    alive, kept = {}, {}
    for name in NAMES:
        module = made()
        alive[name] = [
            weakref.ref(one) for one in (module, module.weight, module.mean, module.child)
        ]
        kept[name] = traced(name, module)
        del module
    gc.collect()  # once for all: in a process that has run many tests it takes a second
    assert [name for name, refs in alive.items() if any(ref() is not None for ref in refs)] == []
    assert all(len(steps) == len(list(steps)) for steps in kept.values())


def test_what_only_passes_through_a_local_name_is_not_kept_while_the_block_runs():
    layer = nn.Linear(2, 2)
    with trace(layer) as steps:
        batch = torch.ones(1, 2)
        alive = weakref.ref(batch)
        layer.register_forward_pre_hook(lambda layer, given: None)
        layer(batch)
        del batch
        assert alive() is None
    told = [step.values for step in steps if "args" in step.values]
    assert told and {values["args"].number for values in told} == {0}


def test_reading_a_module_for_a_trace_changes_nothing_of_it():
    module = made()
    before = fingerprint(module)
    with trace(module) as steps:
        pass
    assert fingerprint(module) == before and len(steps) == 0


def test_the_trace_function_that_was_set_is_set_again_in_every_case():
    def mine(frame, event, arg):
        return None

    sys.settrace(mine)
    try:
        with trace(made()):
            pass
        assert sys.gettrace() is mine
        for error in (ValueError, KeyboardInterrupt, SystemExit, GeneratorExit):
            with pytest.raises(error), trace(made()):
                raise error
            assert sys.gettrace() is mine
        with trace(made()):
            sys.settrace(None)
        assert sys.gettrace() is mine
    finally:
        sys.settrace(None)


def test_traces_nest_and_each_records_its_own_block():
    outer_module, inner_module = made(), made()
    with trace(outer_module) as outer:
        outer_module.a = 1
        with trace(inner_module) as inner:
            inner_module.b = 1
        outer_module.c = 1
    assert [change.name for change in outer.changes] == ["a", "c"]
    assert [change.name for change in inner.changes] == ["b"]
    assert len(outer) == 3 * len(inner) and sys.gettrace() is None


def test_a_hook_that_traces_is_recorded_by_both():
    module, found = made(), []

    def hook(module, name, param):
        with trace(module) as steps:
            module.seen = name
        found.append(steps)

    handle = torch_module.register_module_parameter_registration_hook(hook)
    try:
        with trace(module) as steps:
            module.new = nn.Parameter(torch.ones(1))
    finally:
        handle.remove()
    assert [change.name for change in found[0].changes] == ["seen"]
    assert [change.name for change in steps.changes] == ["seen", "new"]
    assert sys.gettrace() is None


def test_blocks_of_generators_may_end_in_any_order():
    def block(module, name):
        with trace(module) as steps:
            yield steps
            setattr(module, name, 1)
            yield

    first, second = block(made(), "a"), block(made(), "b")
    one, two = next(first), next(second)
    next(first), next(second)
    first.close()  # the one that came first leaves first
    assert sys.gettrace() is not None
    second.close()
    assert sys.gettrace() is None
    assert [change.name for change in one.changes] == ["a"] and [
        change.name for change in two.changes
    ] == ["b"]


def test_a_context_manager_of_the_reader_may_wrap_it():
    @contextlib.contextmanager
    def recorded(module):
        with trace(module) as steps:
            yield steps

    module = made()
    with recorded(module) as steps:
        module.a = 1
    assert [change.name for change in steps.changes] == ["a"] and sys.gettrace() is None


def test_a_generator_of_torch_left_half_way_is_no_trouble():
    module = made()
    with trace(module) as steps:
        names = module.named_parameters()
        next(names)
    count = len(steps)
    assert list(names) == [] and len(steps) == count > 0
    assert all(step.after for step in steps)


def test_other_threads_are_neither_recorded_nor_disturbed():
    module, found = made(), []

    def work():
        found.append(sys.gettrace())
        module.from_there = nn.Parameter(torch.ones(1))

    with trace(module) as steps:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == [None] and len(steps) == 0
    assert [change.name for change in steps.changes] == [
        "from_there"
    ]  # seen, and put down to no line


def test_a_write_past_torch_is_a_change_that_no_line_made():
    module = made()
    with trace(module) as steps:
        object.__setattr__(module, "hidden", 5)
    assert len(steps) == 0 and [(one.container, one.name) for one in steps.changes] == [
        ("__dict__", "hidden")
    ]
    assert steps.changed("hidden") == []


def test_a_block_that_ends_inside_a_call_of_torch_ends_the_line_of_that_call_too():
    layer = nn.Linear(1, 1)
    with contextlib.ExitStack() as block:

        def end_it(module, given):
            module.note = 1
            block.close()

        layer.register_forward_pre_hook(end_it)
        steps = block.enter_context(trace(layer))
        layer(torch.ones(1))
    (changed,) = steps.changed("note")
    under_way = [step for step in steps if len(step.stack) < len(changed.stack)][-1]
    assert "note" in under_way.after["__dict__"] and "note" not in under_way.before["__dict__"]


def test_a_block_that_begins_inside_a_call_of_torch_has_the_calls_made_since():
    layer = nn.Linear(1, 1)
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        kept = []

        def exchange(module, given):
            first.close()
            kept.append(second.enter_context(trace(layer)))

        layer.register_forward_pre_hook(exchange)
        first.enter_context(trace(layer))
        layer(torch.ones(1))
    assert {step.stack for step in kept[0]} == {("Module.__getattr__",)}


def test_calls_that_ended_while_nobody_looked_are_not_under_way():
    layer, inner = nn.Linear(1, 1), nn.Linear(1, 1)
    inner.register_forward_pre_hook(lambda module, given: sys.settrace(None))

    def call_inner(module, given):
        mine = sys.gettrace()
        inner(torch.ones(1))
        sys.settrace(mine)

    layer.register_forward_pre_hook(call_inner)
    with trace(layer) as steps:
        layer(torch.ones(1))
    depths = [len(step.stack) for step in steps]
    last = len(depths) - 1 - depths[::-1].index(max(depths))  # in the call of inner
    assert 2 * depths[last + 1] == depths[last] and steps[-1].stack == steps[last + 1].stack


def test_a_trace_whose_module_is_gone_says_so():
    steps = trace(made())
    with steps:
        pass
    gc.collect()
    with pytest.raises(RuntimeError, match=r"is gone; write trace\(module\) again"), steps:
        pass


@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
def test_tensors_that_cannot_tell_a_fact_are_told_without_it():
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    with torch.inference_mode():
        uncounted = torch.ones(2)
    module = nn.Module()
    with trace(module) as steps:
        module.register_buffer("nested", nested)
        module.register_buffer("uncounted", uncounted)
    one, other = (change.after for change in steps.changes)
    assert one.words.endswith("float32") and other.words == "Tensor, 2, float32"
    assert other.writes is None and steps.home("nested") == "_buffers"


def test_a_trace_can_be_used_again_and_not_inside_itself():
    module = made()
    steps = trace(module)
    assert (steps.followed, len(steps), steps.error) == (type(module).__name__, 0, None)
    assert trace().followed == ""
    with steps:
        module.a = 1
    with steps:
        module.b = 1
    assert [change.name for change in steps.changes] == ["b"]
    with steps:  # what is built beside it is not followed in its place
        nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    assert steps.followed == type(module).__name__ and steps.changes == []
    with (
        steps,
        pytest.raises(RuntimeError, match=r"recording already; write trace\(module\) again"),
    ):
        steps.__enter__()
    assert sys.gettrace() is None


def test_the_steps_can_be_read_while_the_block_runs():
    module = made()
    with trace(module) as steps:
        assert len(steps) == 0
        module.a = 1
        assert steps[0].function == "Module.__setattr__" and len(list(steps)) == len(steps) > 3
        module.b = 1
    assert [change.name for change in steps.changes] == ["a", "b"]
    assert all(isinstance(step, Step) for step in steps) and steps[:2] == list(steps)[:2]


def test_a_debugger_gets_clear_words_and_its_place_back():
    class Debugger(bdb.Bdb):
        pass

    debugger = Debugger()
    debugger.reset()
    sys.settrace(debugger.trace_dispatch)
    try:
        with pytest.warns(
            RuntimeWarning, match="a debugger is attached.*switch the debugger"
        ) as caught:
            with trace(made()) as steps:
                steps  # noqa: B018
        assert sys.gettrace() == debugger.trace_dispatch
    finally:
        sys.settrace(None)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with trace(made()):
            pass


def test_without_a_module_the_one_that_the_block_builds_is_followed():
    with trace() as steps:
        model = made()
    assert steps.followed == "Everything"
    assert {
        name: steps.home(name) for name in ("weight", "bias", "mean", "child", "note", "training")
    } == {
        "weight": "_parameters",
        "bias": "_parameters",
        "mean": "_buffers",
        "child": "_modules",
        "note": "__dict__",
        "training": "__dict__",
    }
    with trace() as again:
        made()
    assert [step.line for step in again] == [step.line for step in steps]
    assert model.weight is not None


def test_a_module_before_its_init_has_no_containers_yet():
    class Late(nn.Module):
        def __init__(self):
            self.first = torch.ones(1)
            self.weight = nn.Parameter(torch.ones(1))

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"), trace() as steps:
        Late()
    assert set(steps[0].before) == {"__dict__"} and steps.home("first") == "__dict__"
    assert steps.raised_by.function == "Module.__setattr__"


def test_a_function_that_calls_itself_stands_in_the_stack_as_often():
    module = nn.Sequential(nn.Sequential(nn.ReLU()))
    with trace(module) as steps:
        module.train()
    stacks = {step.stack for step in steps if step.function == "Module.train"}
    assert stacks == {("Module.train",) * depth for depth in (1, 2, 3)}


def test_the_same_object_has_the_same_number_wherever_it_goes():
    module = made()
    mean = module.mean
    with trace(module) as steps:
        del module.mean
        module.other = mean
        module.register_buffer("again", mean)
        module.other = mean.clone()
    out, plain, back, _ = steps.changes
    assert out.before.number == plain.after.number == back.after.number
    assert steps[-1].after["__dict__"]["other"].number != back.after.number


def test_a_tensor_that_changes_in_its_place_is_a_change():
    module = made()
    with trace(module) as steps:
        module.to(torch.float64)
        module.requires_grad_(False)
    words = [(one.name, one.after.words) for one in steps.changes if one.container == "_parameters"]
    assert words == [
        ("weight", "Parameter, 2, float64"),
        ("weight", "Parameter, 2, float64, frozen"),
    ]
    assert all(
        change.before.number == change.after.number
        for change in steps.changes
        if change.name == "weight"
    )


def test_an_object_that_takes_the_place_of_another_is_seen_whatever_the_way():
    module = nn.Module()
    first, second = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    module.weight = first
    with trace(module) as steps:
        vars(module)["_parameters"]["weight"] = second
        module.state_dict()
        vars(module)["_parameters"] = {"weight": first}
        module.state_dict()
        vars(module)["_non_persistent_buffers_set"] = frozenset({"running"})
        module.state_dict()
    found = [(one.container, one.name, one.before, one.after) for one in steps.changes]
    assert [one[:2] for one in found] == [("_parameters", "weight")] * 2 + [
        ("_non_persistent_buffers_set", "running")
    ]
    assert found[0][2].number == found[1][3].number != found[0][3].number


def test_hostile_names_and_values_are_described_and_not_run():
    class Mine(nn.Module):
        def __eq__(self, other):
            raise RuntimeError("compared")

        __hash__ = None

    def read(self, name):
        raise RuntimeError("read")

    class Value:
        def __eq__(self, other):
            raise RuntimeError("compared")

        def __repr__(self):
            raise RuntimeError("shown")

    class Name(str):
        def __eq__(self, other):
            raise RuntimeError("compared")

        def __hash__(self):
            return 5

    module, guest = made(), Mine()
    Mine.__getattribute__ = read
    with trace(module) as steps:
        setattr(module, "</script><b>", Value())
        vars(module)[Name("odd")] = Value()
        module._modules["guest"] = guest
        module.after = 1
        module.note = Value()
    assert {"</script><b>", "odd", "note"} <= set(steps[-1].after["__dict__"])
    assert steps[-1].after["_modules"]["guest"].words == "Mine"


def test_a_mode_of_the_reader_hears_what_it_hears_without_a_trace():
    class Listening(TorchFunctionMode):
        def __init__(self):
            super().__init__()
            self.heard = []

        def __torch_function__(self, function, kinds, args=(), kwargs=None):
            self.heard.append(function.__name__)
            return function(*args, **(kwargs or {}))

    def work(module):
        with Listening() as mode:
            module.new = nn.Parameter(torch.ones(1))
            module.to(torch.float64)
        return mode.heard

    expected, module = work(made()), made()
    with trace(module) as steps:
        heard = work(module)
    assert heard == expected and steps.home("new") == "_parameters"


def test_a_test_that_raises_has_no_outcome():
    class Shy(torch.Tensor):
        @property
        def grad_fn(self):
            raise RuntimeError("not told")

    value = nn.Parameter(torch.ones(1))
    value.__class__ = type("ShyParameter", (Shy, nn.Parameter), {})
    module = made()
    with contextlib.suppress(RuntimeError), trace(module) as steps:
        module.register_parameter("new", value)
    asked = [step for step in steps if "grad_fn" in step.condition]
    assert [step.outcome for step in asked] == [None] and isinstance(asked[0].error, RuntimeError)


@pytest.mark.parametrize(
    ("what", "words"),
    [(nn.Linear, "pass an instance"), ({}, "not its state_dict"), (5, "got int"), ("m", "got str")],
)
def test_what_is_no_module_is_refused_by_name(what, words):
    with pytest.raises(TypeError, match=words):
        trace(what)


def test_torch_without_its_source_is_said_plainly():
    code = (
        "from torch import nn\nfrom helpers import trace\nm = nn.Linear(1, 1)\n"
        "import linecache; linecache.getlines = lambda *a: []\n"
        "try:\n    with trace(m): m.x = 5\n"
        "except RuntimeError as error: print(error)\nprint(hasattr(m, 'x'))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.startswith("the source of torch is not installed") and run.stdout.endswith(
        "False\n"
    ), run.stderr


def test_every_function_that_ran_comes_with_its_source():
    steps = traced("parameter over buffer")
    found = steps.functions()
    assert list(found) == list(dict.fromkeys(step.function for step in steps))
    assert {"Module.__setattr__", "Module.register_parameter"} <= set(found)
    for name, (first, lines) in found.items():
        real = nn.Module
        for part in name.split(".")[1:2]:
            real = getattr(nn.Module, part)
        assert "\n".join(lines) in SOURCE and first > 0
        if "<locals>" not in name:
            assert list(lines) == [line.rstrip("\n") for line in inspect.getsourcelines(real)[0]]


def test_a_line_without_a_function_of_its_own_belongs_to_the_one_around_it():
    with trace(made()) as steps:
        made().float()
    inner = [step for step in steps if step.source.startswith("return self._apply(")]
    assert {step.function for step in inner} == {"Module.float"}
    assert any(step.stack[-2:] == ("Module._apply", "Module.float") for step in inner)
    asked = [step for step in traced("repr") if "split" in step.source and "for" in step.source]
    assert all(step.stack.count(step.function) == 1 for step in asked)


def test_every_line_of_a_function_is_in_the_function_that_the_compiler_says():
    """For each function of nn.Module: its code's own lines lead back to its name."""
    source, asked = module_source(), 0
    for value in vars(nn.Module).values():
        if not isinstance(value, types.FunctionType) or value.__code__.co_filename != FILE:
            continue
        if value.__qualname__.startswith("Module."):
            assert source.function(value.__code__.co_firstlineno).name == value.__qualname__
            asked += 1
    assert asked > 40


KINDS = st.sampled_from(["parameter", "tensor", "buffer", "module", "none", "number", "delete"])
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "weight", "mean", "child", "note"]), KINDS), max_size=8
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
def test_any_sequence_of_assignments_is_traced_as_it_runs(actions):
    values = {
        "parameter": lambda: nn.Parameter(torch.ones(1)),
        "tensor": lambda: torch.ones(1),
        "none": lambda: None,
        "buffer": lambda: nn.Buffer(torch.ones(1)),
        "module": nn.Module,
        "number": lambda: 5,
    }
    free, seen = made(), made()
    twin = copy.deepcopy(list(vars(free)["_parameters"]))
    assert twin == list(vars(seen)["_parameters"])
    with trace(seen) as steps:
        for name, value in actions:
            replies = []
            for module in (free, seen):
                try:
                    delattr(module, name) if value == "delete" else setattr(
                        module, name, values[value]()
                    )
                    replies.append("")
                except (TypeError, AttributeError, KeyError) as error:
                    replies.append(str(error))
            assert replies[0] == replies[1]
    for box in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
        assert set(vars(free)[box]) == set(vars(seen)[box])
        if steps:
            assert set(steps[-1].after[box]) == set(vars(seen)[box])
    assert sys.gettrace() is None and steps.error is None


# --- what a trace says, and what it leaves out ----------------------------------------------------


def train_a_step(m):
    m(torch.randn(4, 2)).sum().backward()
    torch.optim.SGD(m.parameters(), lr=0.5).step()


def through_data(m):
    m.apply(lambda one: [tensor.data.add_(1) for tensor in one.parameters(recurse=False)])


def fill(m):
    with torch.no_grad():
        m.weight.fill_(3)


def numpy_write(m):
    m.weight.detach().numpy()[0] = 3


WRITES = {
    "load": (nn.Linear(2, 2), lambda m: m.load_state_dict(nn.Linear(2, 2).state_dict())),
    "load below": (
        nn.Sequential(nn.Linear(2, 2)),
        lambda m: m[0].load_state_dict(m[0].state_dict()),
    ),
    "fill": (nn.Linear(2, 2), fill),
    "optimizer": (nn.Linear(2, 2), train_a_step),
    "batch norm": (nn.BatchNorm1d(2), lambda m: m(torch.randn(4, 2))),
    "instance norm": (
        nn.InstanceNorm1d(2, track_running_stats=True),
        lambda m: m(torch.randn(2, 2, 4)),
    ),
    "data": (nn.Sequential(nn.Linear(2, 2)), through_data),
    "numpy": (nn.Linear(2, 2), numpy_write),
}


@pytest.mark.parametrize(("module", "write"), WRITES.values(), ids=WRITES)
def test_a_write_into_numbers_is_a_change_or_it_is_said_that_they_are_not_compared(module, write):
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with trace(module) as steps:
        write(module)
    written = {
        name for name, one in module.state_dict().items() if not torch.equal(one, before[name])
    }
    told = {change.name for change in steps.changes if change.in_place}
    assert written or write is WRITES["load below"][1]
    assert "Numbers are not compared" in steps.remarks and "Numbers are not compared" in repr(steps)
    assert told <= set(before)  # and none is made up


def test_a_load_is_told_at_the_line_that_copies_the_numbers():
    module = made()
    with trace(module) as steps:
        module.load_state_dict({"weight": torch.zeros(2), "mean": torch.ones(2)}, strict=False)
        module.load_state_dict({"weight": torch.ones(2)}, strict=False)
    written = [change.name for change in steps.changes if change.in_place]
    assert written == ["weight", "mean", "weight"] and len(steps.changes) == 3
    places = {step.source for name in written for step in steps.changed(name)}
    assert len(places) == 1 and "copy_" in places.pop()
    assert ("was written in place", "weight was written in place") in told_moves(steps)


def test_a_block_that_changes_names_alone_says_nothing_of_numbers():
    assert traced("parameter over buffer").remarks == traced("add module").remarks == ()


def compiled():
    wrapper = torch.compile(nn.Linear(2, 2))
    return wrapper, lambda: setattr(wrapper, "gain", 1), "_orig_mod"


def deep_copied():
    module = nn.Linear(2, 2)
    twin = copy.deepcopy(module)
    return module, lambda: setattr(twin, "gain", 1), None


def a_layer_of_it():
    module = nn.Sequential(nn.Sequential(nn.Linear(2, 2)))
    inner = module[0][0]
    return module, lambda: setattr(inner, "gain", 1), "0.0"


@pytest.mark.parametrize("setting", [compiled, deep_copied, a_layer_of_it])
def test_a_block_that_ran_on_another_module_alone_says_so_and_names_it(setting):
    followed, act, path = setting()
    with trace(followed) as steps:
        act()
    assert len(steps) > 0 and steps.changes == [] and steps.followed == type(followed).__name__
    other = "no part of it" if path is None else f"its {path}"
    name = "Linear" if path is None else type(followed.get_submodule(path)).__name__
    assert f"Every line ran on another module: {name} ({other})" in steps.remarks
    assert f"{name} ({other})" in repr(steps)


def test_a_parametrized_layer_says_where_its_lines_ran_and_a_plain_one_nothing():
    module = nn.Linear(2, 2)
    parametrize.register_parametrization(module, "weight", nn.Tanh())
    with trace(module) as steps:
        module.weight  # noqa: B018
    names = dict(module.named_modules())
    (said,) = [one for one in steps.remarks if one.startswith("Lines ran on other modules too: ")]
    for path in ("parametrizations.weight", "parametrizations.weight.0"):
        assert f"{type(names[path]).__name__} (its {path})" in said
    with trace(module) as steps:
        module.gain = 1
    assert steps.remarks == ()


class Own(nn.Module):
    """A class with methods of its own, which run before torch's or in their place."""

    def __setattr__(self, name, value):
        if name == "hidden":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @torch.no_grad()
    def train(self, mode=True):
        return super().train(mode)


def train(module):
    """Not a method of any module, for all its name."""


def test_methods_of_a_subclass_that_ran_in_another_file_are_mentioned():
    module, said = Own(), {}
    blocks = {
        "hidden": lambda: setattr(module, "hidden", 1),
        "plain": lambda: setattr(module, "plain", 1),
        "train": lambda: module.train(),
        "none": lambda: (train(module), nn.Module.__setattr__(module, "other", 1)),
    }
    for name, block in blocks.items():
        with trace(module) as steps:
            block()
        said[name] = [one for one in steps.remarks if one.endswith(" ran too, in another file")]
    assert said["hidden"] == said["plain"] == ["Own.__setattr__ ran too, in another file"]
    assert any("Own.train" in one for one in said["train"]) and said["none"] == []
    with trace(module) as steps:
        module.hidden = 2
    assert len(steps) == 0 and "Own.__setattr__" in repr(steps)


def test_home_is_right_whoever_put_the_name_there_or_took_it_away():
    module = made()
    with trace(module) as steps:
        object.__setattr__(module, "hidden", 5)
        assert steps.home("hidden") == "__dict__" and len(steps) == 0
        module.gain = 1
        del vars(module)["note"]
        module._buffers["late"] = torch.ones(1)
        assert (steps.home("gain"), steps.home("note"), steps.home("late")) == (
            "__dict__",
            None,
            "_buffers",
        )
        del module._parameters["weight"]
    for name in ("hidden", "gain", "note", "late", "weight", "mean", "child", "training"):
        boxes = ("_parameters", "_buffers", "_modules")
        held = [box for box in boxes if name in vars(module)[box]] + ["__dict__"] * (
            name in vars(module)
        )
        assert [steps.home(name)] == (held or [None])


def test_changes_past_torch_stand_in_the_order_in_which_they_were_made():
    module = made()
    with trace(module) as steps:
        object.__setattr__(module, "hidden", nn.Parameter(torch.ones(1)))
        module.hidden = nn.Parameter(torch.ones(1))
        del vars(module)["note"]
    told = [(one.container, one.name, one.after is None, one.by_line) for one in steps.changes]
    assert told == [
        ("__dict__", "hidden", False, False),
        ("__dict__", "hidden", True, True),
        ("_parameters", "hidden", False, True),
        ("__dict__", "note", True, False),
    ]
    assert "hidden" in steps[0].before["__dict__"] and steps.changes[-1].step == len(steps)


class Early(nn.Module):
    """It builds before `super().__init__()`, which ends in an error."""

    def __init__(self):
        self.layers = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        super().__init__()


def build_and_head():
    model = made()
    model.head = nn.Sequential(nn.Linear(2, 2))
    return model


def loss_and_model():
    loss, model, act = nn.MSELoss(), nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.ReLU()
    return model if loss and act else None


EXISTING = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
BUILDS = {
    "sequential": lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Linear(2, 2)), nn.ReLU()),
    "a class": made,
    "and a head": build_and_head,
    "and a loss": loss_and_model,
    "a copy": lambda: copy.deepcopy(EXISTING),
    "around another": lambda: nn.Sequential(EXISTING),
    "an existing one": EXISTING.eval,
    "many layers": lambda: nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(40))),
}


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_without_a_module_the_one_that_the_block_builds_is_followed_not_its_first_layer(build):
    with trace() as steps:
        model = build()
    assert steps.followed == type(model).__name__
    for box, held in (("_modules", model.named_children), ("_parameters", model._parameters.items)):
        names = [name for name, _ in held()]
        assert names == list(steps[-1].after[box])


@pytest.mark.parametrize("first", [True, False])
def test_a_module_that_is_built_is_followed_before_a_larger_one_that_is_called(first):
    larger = chain(5)
    with trace() as steps:
        if first:
            larger.train()
        nn.Linear(1, 1)
        if not first:
            larger.train()
    assert steps.followed == "Linear"


@pytest.mark.parametrize("count", [1, 3, 4, 1_004])
def test_three_names_are_listed_and_the_others_counted(count):
    names = [f"{number}{'n' * 300}" for number in range(count)]
    more = {4: " and 1 more", 1_004: " and 1,001 more"}.get(count, "")
    assert first_three(names + names) == ", ".join(clip(name, 200) for name in names[:3]) + more


def test_a_module_that_cannot_be_built_is_followed_before_the_layers_it_has_made():
    with pytest.raises(AttributeError), trace() as steps:
        Early()
    assert steps.followed == "Early" and steps[-1].after == {"__dict__": {}}


def boxes_by_hand(statement, module) -> list[tuple[str, str]]:
    """At each line of `remove_from` the container that its `d` is, found by identity."""
    seen = []
    boxes = {name: vars(module)[name] for name in BOXES if name in vars(module)}
    boxes["__dict__"] = vars(module)

    def look(frame, event, arg):
        if frame.f_code.co_name != "remove_from":
            return look if frame.f_code.co_filename == FILE else None
        if event == "line" and "d" in frame.f_locals:
            seen.append(next(name for name, box in boxes.items() if box is frame.f_locals["d"]))
        return look

    sys.settrace(look)
    try:
        attempt(statement, module)
    finally:
        sys.settrace(None)
    return seen


@pytest.mark.parametrize(
    "name", ["parameter over buffer", "module over plain", "parameter over nothing"]
)
def test_a_local_name_that_is_a_container_is_told_by_the_name_of_the_container(name):
    expected = boxes_by_hand(STATEMENTS[name], made())
    inner = [step for step in traced(name) if step.function.endswith("remove_from")]
    assert [step.values["d"].words for step in inner if "d" in step.values] == expected != []


def test_a_dictionary_that_only_equals_a_container_is_not_told_by_its_name():
    module = nn.Module()
    with trace(module) as steps:
        module.load_state_dict({})
    (shown,) = {step.values["state_dict"].words for step in steps[:3]}
    assert shown == "dict of 0" and module._buffers == {}


# --- where two traces part ------------------------------------------------------------------------


def chain(length: int) -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(1, 1) for _ in range(length)))


WALKS = {
    "eval": lambda m: m.eval(),
    "state_dict": lambda m: m.state_dict(),
    "parameters": lambda m: list(m.parameters()),
    "apply": lambda m: m.apply(lambda one: None),
    "to": lambda m: m.to(torch.float64),
}


def recorded(act, module) -> Trace:
    with contextlib.suppress(Exception), trace(module) as steps:
        act(module)
    return steps


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
def test_loops_that_differ_in_length_are_told_with_the_loop_and_its_rounds(walk):
    shorter, longer = recorded(walk, chain(2)), recorded(walk, chain(3))
    where = parting(shorter, longer)
    last = [side[where.step - 1] for side in (shorter, longer)]  # the last line in common
    assert {step.source for step in last} == {f"{where.cause}:"} and where.cause[:4] == "for "
    assert where[3:] == ("ends after 2 rounds", "goes on with round 3")
    back = parting(recorded(walk, chain(3)), recorded(walk, chain(2)))
    assert (back.cause, back.left, back.right) == (where.cause, where.right, where.left)


def test_loops_of_the_block_itself_are_told_as_such():
    one, two = (
        recorded(lambda m: m.eval(), chain(0)),
        recorded(lambda m: (m.eval(), m.train()), chain(0)),
    )
    where = parting(one, two)
    assert (where.step, where.function, where.cause) == (len(one), "", "")
    assert where[3:] == ("ends", "runs Module.train")


def test_the_test_that_decided_is_blamed_and_not_the_last_one_before():
    one, two = traced("parameter over nothing"), traced("plain")
    where = parting(one, two)
    assert [step.line for step in one[: where.step]] == [step.line for step in two[: where.step]]
    assert one[where.step].line != two[where.step].line
    decided = [[one for one in side.decisions if one.step < where.step][-1] for side in (one, two)]
    assert {(one.function, one.condition) for one in decided} == {(where.function, where.cause)}
    assert [str(one.outcome) for one in decided] == [where.left, where.right] == ["True", "False"]
    assert parting(one, traced("parameter over nothing")) is None


def hooked(hook) -> Trace:
    """The trace of an assignment of a parameter while `hook` hears of each registration."""
    module, value = made(), nn.Parameter(torch.ones(3))
    handle = torch_module.register_module_parameter_registration_hook(hook)
    try:
        return recorded(lambda one: setattr(one, "new", value), module)
    finally:
        handle.remove()


def test_a_line_that_raises_in_one_of_two_is_blamed():
    def refuse(module, name, param):
        raise KeyError("no")

    heard, refused = hooked(lambda *arguments: None), hooked(refuse)
    where = parting(heard, refused)
    assert where[3:] == ("no error", "raises KeyError")
    assert (where.function, where.cause) == (refused.raised_by.function, refused.raised_by.source)
    calm = traced("parameter over nothing")
    assert parting(calm, heard)[3:] == ("ends after 0 rounds", "goes on with round 1")


# --- the film -------------------------------------------------------------------------------------


def assigned(value: object, name: str = "scale", module: nn.Module | None = None) -> Trace:
    """The trace of `module.name = value`, by default on a layer with a silent buffer "scale"."""
    if module is None:
        module = nn.Linear(2, 3)
        module.register_buffer("scale", torch.ones(3), persistent=False)
    return recorded(lambda one: setattr(one, name, value), module)


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.ones(3))


def built(layers: int) -> Trace:
    with trace() as steps:
        nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(layers)))
    return steps


def told_moves(steps: Trace) -> list[tuple[str, str]]:
    return [(move.verb, move.words) for move in moves_of(steps)]


def boxes_of_the_film(found: dict, state: int) -> dict:
    """A state of the film as what it stands for: {container: [entry]}."""
    boxes = zip(found["containers"], found["states"][state], strict=True)
    return {
        box: [found["entries"][one] for one in held] for box, (there, held, _) in boxes if there
    }


def text_of(line: str) -> str:
    """A listed line without the classes of its tokens."""
    return "".join(line.split("\t")[1::2])


@pytest.mark.parametrize(
    "value", [parameter(), torch.ones(3), nn.ReLU(), None, 7, nn.Buffer(torch.ones(3))]
)
def test_every_step_has_a_frame_with_its_line_calls_names_and_containers(value):
    steps = assigned(value)
    found = films(steps)[0]
    assert len(found["steps"]) == len(steps) > 5
    for step, frame in zip(steps, found["steps"], strict=True):
        listing = found["listings"][frame.listing]
        assert text_of(listing.tokens[frame.line - listing.first]).strip() == step.source
        assert step.function == listing.name or step.function.startswith(
            f"{listing.name}.<locals>."
        )
        assert found["stacks"][frame.stack] == tuple(map(short_name, step.stack))
        local = {name: value.words for name, value in step.values.items() if name != "self"}
        assert dict(found["values"][frame.values]) == local
        state = step.after if step.changes else step.before
        held = boxes_of_the_film(found, frame.state)
        assert list(held) == list(state)
        for box, entries in held.items():
            assert [(entry.name, entry.words) for entry in entries] == [
                (name, value.words) for name, value in state[box].items()
            ]


def test_the_listed_source_is_the_installed_one_token_by_token():
    for listing in listings_of(built(1)):
        lines = [text_of(line) for line in listing.tokens]
        assert len(lines) == len(listing.statements)
        installed = source_lines()[listing.first - 1 : listing.first - 1 + len(lines)]
        assert "\n".join(lines) == textwrap.dedent("\n".join(installed))
        assert {kind for line in listing.tokens for kind in line.split("\t")[::2]} <= {
            "c",
            "s",
            "k",
            "f",
            "",
        }


def test_keywords_strings_comments_and_names_of_functions_are_told_apart():
    runs = set()
    for line in listings_of(assigned(parameter()))[0].tokens:
        parts = line.split("\t")
        pairs = zip(parts[::2], parts[1::2], strict=False)  # an empty line has one part
        runs |= {(words.strip(), kind) for kind, words in pairs}
    assert {("def", "k"), ("__setattr__", "f"), ('"_parameters"', "s"), ("not in", "k")} <= runs
    assert any(kind == "c" and words.startswith("# ") for words, kind in runs)


def reached(found: dict, visit: int = 0) -> set[str]:
    """The lines that the player does not grey in one call, as text."""
    frames = [frame for frame in found["steps"] if frame.visit == visit]
    (place,) = {frame.listing for frame in frames}
    listing = found["listings"][place]
    ran = {listing.statements[frame.line - listing.first] for frame in frames}
    lines = zip(listing.tokens, listing.statements, strict=True)
    return {text_of(line).strip() for line, one in lines if one in ran}


def test_the_path_not_taken_is_told_apart_from_the_lines_of_the_path():
    plain, module = (reached(films(assigned(one, "gain"))[0]) for one in (7, nn.ReLU()))
    assert "super().__setattr__(name, value)" in plain - module
    assert "modules[name] = value" in module - plain
    # `else:` makes no event, the second line of a call neither in every Python: their statement
    # speaks for them.
    assert "else:" in plain and "remove_from(" in module and ")" in module
    assert not any("raise" in line for line in plain | module)


def test_every_line_that_ran_belongs_to_a_statement():
    found = films(built(2))[0]
    for frame in found["steps"]:
        listing = found["listings"][frame.listing]
        at = frame.line - listing.first
        passed = text_of(listing.tokens[at]).strip() == '"""'  # a text in __init__
        last = listing.first + len(listing.tokens)
        assert passed or listing.first < listing.statements[at] <= frame.line <= last


def visits(steps: Trace) -> list[str]:
    """The function that is listed for each call that is told apart, in order."""
    found, seen = films(steps)[0], {}
    for frame in found["steps"]:
        seen.setdefault(frame.visit, found["listings"][frame.listing].name.rpartition(".")[2])
    return [seen[visit] for visit in sorted(seen)]


def test_each_call_is_told_apart_and_what_stands_inside_a_function_belongs_to_its_call():
    def twice(module):
        module.one = 1
        module.two = 2

    assert visits(recorded(twice, nn.Linear(1, 1))) == ["__setattr__"] * 2
    # remove_from stands in the source of __setattr__, and is shown there.
    inner = ["__setattr__", "register_parameter", "__getattr__"]
    assert visits(assigned(parameter())) == inner
    # Recursion, and a lambda that float hands to _apply.
    names = visits(recorded(lambda m: m.float(), nn.Sequential(nn.Linear(1, 1, bias=False))))
    assert names.count("float") == 1 and names.count("_apply") == 2


def test_a_generator_that_goes_on_is_the_same_call():
    module = chain(3)
    steps = recorded(lambda m: m.eval(), module)
    calls = len(list(module.modules()))  # train() asks each of them once for its children
    assert visits(steps).count("named_children") == visits(steps).count("train") == calls


def test_the_outcome_of_a_test_is_shown_when_all_that_it_calls_has_run():
    steps = assigned(parameter(), "gain")
    asked = next(at for at, step in enumerate(steps) if "hasattr(self, name)" in step.source)
    (note,) = [note for note in films(steps)[0]["notes"] if note.line == steps[asked].line]
    inner = [at for at, step in enumerate(steps) if step.function.endswith("__getattr__")]
    assert inner[0] == asked + 1 and note.at == inner[-1] + 1 and note.words == "False"
    # One note for each test, also for the one that stands on several lines and refuses the value.
    for one in (steps, assigned(7), built(1)):
        words = [note.words for note in films(one)[0]["notes"] if note.kind == "test"]
        assert sorted(words) == sorted(str(decision.outcome) for decision in one.decisions)


def test_an_error_stands_at_the_line_that_raised_it():
    steps = assigned(torch.ones(3), "weight")
    found = films(steps)[0]
    (note,) = [note for note in found["notes"] if note.kind == "error"]
    assert (note.at, note.line) == (len(steps) - 1, steps.raised_by.line)
    assert note.words == f"{type(steps.error).__name__}: {steps.error}"
    assert "raise TypeError(" in reached(found)


def test_an_error_of_the_block_itself_has_a_listing_of_its_own():
    with pytest.raises(ZeroDivisionError), trace(nn.Linear(1, 1)) as steps:
        1 / 0  # noqa: B018
    found = films(steps)[0]
    frame = found["steps"][-1]
    assert found["stacks"][frame.stack] == ("the block",)
    listing = found["listings"][frame.listing]
    assert listing == ("the block", frame.line, ["\t1 / 0  # noqa: B018"], [0], [])
    assert found["notes"][-1][3:] == ("error", "ZeroDivisionError: division by zero")


def test_what_moves_is_told_in_words_and_the_same_object_is_said_to_be_the_same():
    assert told_moves(assigned(parameter())) == [
        ("left", "scale left _buffers"),
        ("left", "scale left _non_persistent_buffers_set"),
        ("came", "scale came into _parameters"),
    ]
    assert [move.origin for move in moves_of(assigned(parameter()))] == ["", "_buffers", "_buffers"]
    module, one = nn.Linear(1, 1), parameter()
    object.__setattr__(module, "hidden", one)
    same = "hidden came into _parameters: the object that left __dict__"
    assert told_moves(assigned(one, "hidden", module))[1] == ("came", same)
    replaced = told_moves(assigned(parameter(), "weight", module))
    assert replaced == [("was replaced", "weight was replaced in _parameters")]
    module.requires_grad_(True)
    changed = told_moves(recorded(lambda m: m.requires_grad_(False), module))
    assert ("changed", "bias changed in _parameters") in changed


def test_a_buffer_that_is_not_persistent_has_the_sign_of_one_until_it_goes():
    steps = assigned(parameter())
    found = films(steps)[0]
    (entry,) = boxes_of_the_film(found, found["steps"][0].state)["_buffers"]
    assert entry == ("scale", "non-persistent buffer", "Tensor, 3, float32")
    assert moves_of(steps)[0].entry == entry


def test_a_change_that_no_line_made_is_told_as_such_where_it_was_found():
    module = nn.Linear(1, 1)
    with trace(module) as steps:
        vars(module)["early"] = 1
        module.gain = 1
        vars(module)["late"] = 2
    found = films(steps)[0]
    words = {change[4]: change[0] for change in found["changes"]}
    assert words["early came into __dict__, by no line of this file"] == 0
    assert words["late came into __dict__, by no line of this file"] == len(steps) - 1
    last = boxes_of_the_film(found, found["steps"][-1].state)["__dict__"]
    assert {"early", "gain", "late"} <= {entry.name for entry in last}


def test_one_assignment_is_sent_in_less_than_20_kb_and_two_thousand_steps_in_150():
    for value in (parameter(), torch.ones(3), nn.ReLU()):
        assert len(json.dumps(films(assigned(value))[0])) < 20_000
    steps = built(13)
    assert len(steps) > 2_000 and len(json.dumps(films(steps)[0])) < 150_000


def test_a_module_with_many_names_is_cut_with_the_rest_counted_and_what_moves_is_kept():
    module = nn.Module()
    for i in range(500):
        module.register_buffer(f"b{i}", None)
    found = films(assigned(parameter(), "b450", module))[0]
    _, held, more = found["states"][found["steps"][0].state][BOXES.index("_buffers")]
    names = [found["entries"][one].name for one in held]
    assert names == [*(f"b{i}" for i in range(40)), "b450"] and more == 459
    assert len(json.dumps(found)) < 25_000


def test_the_film_gives_each_name_the_kind_that_the_snapshot_gives_it_and_torch_confirms():
    module = nn.Linear(2, 2)
    module.register_buffer("mean", torch.zeros(2))
    module.register_buffer("cache", torch.zeros(2), persistent=False)
    module.child = nn.ReLU()
    module._modules["nonsense"] = 5
    module.__dict__["hidden"] = nn.Parameter(torch.ones(2))
    module.__dict__["kept"] = nn.ReLU()
    module.plain = torch.ones(2)
    with trace(module) as steps:
        module.note = "plain"
    found = films(steps)[0]
    boxes = boxes_of_the_film(found, found["steps"][-1].state)
    kinds = {one.name: one.kind for box in BOXES for one in boxes[box]}
    expected = {one.path: one.slot_kind for one in snapshot(module).entries if one.owner == ""}
    assert kinds == expected
    del module._modules["nonsense"]  # on which torch's own walks fail
    listed = {
        "parameter": [name for name, _ in module.named_parameters()],
        "buffer": [name for name, _ in module.named_buffers() if name in module.state_dict()],
        "module": [name for name, _ in module.named_children()],
    }
    for kind, names in listed.items():
        assert [name for name in kinds if kinds[name] == kind] == names


def test_lines_of_no_module_have_a_film():
    with trace() as steps:
        torch_module.register_module_forward_hook(lambda *arguments: None).remove()
    found = films(steps)[0]
    assert steps.followed == "" and len(found["steps"]) == len(steps) > 0
    assert boxes_of_the_film(found, found["steps"][0].state) == {}


# --- the playground's engine ----------------------------------------------------------------------


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
        return Named(early=route == BEFORE_INIT)
    module = Bare() if route == BEFORE_INIT else nn.Module()
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
        elif route in ("setattr", BEFORE_INIT):
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
    assert {home for route, _, home in tried if route == BEFORE_INIT} == set(EARLY_HOMES)
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
        (("Tensor", "buffer", BEFORE_INIT), "no name can live in 'buffer'"),
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


# --- the river ------------------------------------------------------------------------------------


def course(steps: Trace) -> str:
    """The way of the one assignment of a trace, as a line of words."""
    found = films(steps)[0]["river"]
    (one,) = found["courses"]
    return course_in_words(found["ways"], one)


def test_the_ways_are_the_tests_of_the_installed_source_in_order():
    tree = ast.parse(textwrap.dedent(inspect.getsource(nn.Module.__setattr__)))
    asked = [bed.way.condition for bed in beds() if bed.way.condition]
    tests = [ast.unparse(node.test) for node in ast.walk(tree) if isinstance(node, ast.If)]
    assert len(asked) == 5 and [test for test in tests if test in asked] == asked
    for bed in beds():
        lines = [source_lines()[number - 1].strip() for one in bed.ends for number in one]
        assert lines and all(bed.way.act in line for line in lines)
        raised = [source_lines()[one.stop - 1] for one in bed.checks]
        assert all("raise" in line for line in raised) and bool(raised) == bool(bed.way.error)
    last = beds()[-1]  # where nothing is left to be asked
    assert (last.way.words, last.way.condition, len(last.asked)) == ("", "", 0)


def test_the_ways_follow_a_source_that_asks_something_else():
    text = """
        def __setattr__(self, name, value):
            if isinstance(value, (Parameter, Buffer)):
                if self.frozen:
                    raise FrozenError
                self.store(name, value)
                return
            if self.slots is not None and name in self.slots or name == "x":
                if value:
                    self.slots[name] = value
                else:
                    self.forget(name)
    """
    found = beds_of(text.strip("\n"), 1)
    lines = text.strip("\n").splitlines()
    ends = [[lines[number - 1].strip() for one in bed.ends for number in one] for bed in found]
    assert ends == [["return"], ["self.slots[name] = value", "self.forget(name)"]]
    ways = [bed.way for bed in found]
    assert [(way.words, way.act, way.error) for way in ways] == [
        ("value is a (Parameter, Buffer)?", "return", "FrozenError"),
        ("name in self.slots or name == 'x'?", "self.slots[name] = value", ""),
    ]


def test_a_torch_that_asks_one_thing_less_has_it_in_no_way():
    text = inspect.getsource(nn.Module.__setattr__)
    older = text.replace("isinstance(value, Buffer) or ", "")
    (now, *_), (then, *_) = (beds_of(one, 1)[4].way for one in (text, older))
    assert now == "value is a Buffer or name in buffers?" and then == "name in buffers?"


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_way_of_an_assignment_is_what_the_trace_decided(name):
    module = made()
    with contextlib.suppress(Exception), trace(module) as steps:
        STATEMENTS[name](module)
    found = films(steps)[0]["river"]
    asked = [one.condition for one in found["ways"] if one.condition]
    marks = [mark for one in found["courses"] for mark in one.marks if mark.kind == "asked"]
    decided = [
        (one.step, one.condition, str(one.outcome))
        for one in steps.decisions
        if one.function == "Module.__setattr__" and one.condition in asked
    ]
    assert sorted((mark.at, asked[mark.way], mark.words) for mark in marks) == decided
    assert len(found["courses"]) == sum(
        step.source.startswith("params = self.__dict__.get") for step in steps
    )


def test_each_assignment_of_the_playground_ends_where_its_way_says():
    for one in grid():
        if one.route not in ("setattr", BEFORE_INIT):
            assert films(one.steps)[0]["river"]["courses"] == []
            continue
        found = films(one.steps)[0]["river"]
        ways, (taken,) = found["ways"], found["courses"]
        last = taken.marks[-1]
        assert (last.kind == "error") == bool(one.error)
        assert last.words == one.error
        if not one.error:
            acts = {"register_parameter": "parameter", "modules[name] = value": "submodule"}
            assert acts.get(ways[last.way].act, one.after) == one.after
            assert (ways[last.way].act == "super().__setattr__") == (one.after == "plain")


def test_nothing_of_a_way_is_known_before_its_line_has_run():
    module = nn.Module()
    with trace(module) as steps:
        module.scale = torch.ones(2)
    ((_, marks),) = films(steps)[0]["river"]["courses"]
    for mark in marks:
        assert steps[mark.at].line in beds()[mark.way].asked or mark.kind == "act"
    assert [mark.way for mark in marks] == list(range(6))
    assert [mark.at for mark in marks] == sorted({mark.at for mark in marks})


def test_each_assignment_has_a_course_of_its_own_and_the_inner_one_is_under_way():
    class Pair(nn.Module):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == "first":
                self.second = value

    pair = Pair()
    with trace(pair) as steps:
        pair.first = 1
        pair.third = torch.ones(1)
    found = films(steps)[0]["river"]
    assert [one.name for one in found["courses"]] == ["'first'", "'second'", "'third'"]
    assert [number for _, number in found["turns"]] == [0, 1, 2]
    assert steps[found["turns"][2][0]].values["name"].words == "'third'"


def test_the_way_goes_on_after_a_test_that_calls_torch_and_an_error_stands_where_it_was_raised():
    module = nn.Module()
    module.mean = torch.zeros(1)
    with pytest.raises(KeyError), trace(module) as steps:
        module.mean = nn.Buffer(torch.ones(1))
    words = course(steps)
    assert words.endswith("True → register_buffer → ⚠ KeyError")
    assert course(steps).count("False") == 4


def frozen_in_a_buffers_slot() -> nn.Module:
    module = nn.Module()
    module.register_buffer("x", None)
    module._buffers["x"] = nn.Parameter(torch.ones(2), requires_grad=False)
    return module


def frozen_of_a_class_of_its_own() -> nn.Module:
    class Own(torch.Tensor):
        pass

    module = nn.Module()
    module.x = nn.Parameter(torch.ones(2).as_subclass(Own), requires_grad=False)
    assert type(module.x) is Own
    return module


def frozen_kept_beside() -> nn.Module:
    module = nn.Linear(2, 2).requires_grad_(False)
    vars(module)["kept"] = module.weight
    return module


def sharded_in_place() -> nn.Module:
    module = nn.Linear(2, 2)
    vars(module)[f"{RANDOM_NAME}1"] = 1
    module.register_forward_pre_hook(print)
    return module


@pytest.mark.parametrize(
    "build",
    [
        frozen_in_a_buffers_slot,
        frozen_of_a_class_of_its_own,
        frozen_kept_beside,
        sharded_in_place,
        lambda: nn.BatchNorm1d(2, device="meta"),
    ],
)
def test_of_what_a_module_holds_the_player_says_what_the_map_says(build):
    module = build()
    watch = Watch(module, Wording())
    watch.note(0, 0, by_line=False)
    told = watch.history.at(0)
    del told[NON_PERSISTENT]
    player = {name: one.words for box in told for name, one in told[box].items()}
    rows = [row for row in StateMap(module).rows if row["id"]]
    assert player == {
        row["name"]: f"{row['type']}, {row['note']}" if "dtype" in row else row["value"]
        for row in rows
    }
