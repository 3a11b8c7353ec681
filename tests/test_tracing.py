"""`trace`: the lines that ran, what decided, what changed, and that nothing of the block's is
touched or kept.
"""

from __future__ import annotations

import ast
import bdb
import builtins
import contextlib
import copy
import gc
import inspect
import subprocess
import sys
import threading
import types
import warnings
import weakref

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules import module as torch_module
from torch.overrides import TorchFunctionMode

from helpers import Step, parting, trace
from helpers.tracing.source import FILE, module_source
from tests.lesson_kernel import ROOT
from tests.modules import fingerprint

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


def lines_by_hand(statement, module) -> list[tuple[str, int]]:
    """The lines of the file that `statement` runs, by the simplest trace function there is."""
    seen = []

    def look(frame, event, arg):
        if frame.f_code.co_filename != FILE:
            return None
        if event == "line":
            seen.append((frame.f_code.co_name, frame.f_lineno))
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
    assert (
        nothing_ran.home("weight") is None and list(nothing_ran) == [] and nothing_ran.error is None
    )


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
    assert (last.stack, last.source[:5]) == ((), "1 / 0") and isinstance(
        last.error, ZeroDivisionError
    )
    assert last.line == inspect.currentframe().f_lineno - 3
    assert steps.home("weight") == "_parameters" and steps.raised_by is last
    assert last.function == "test_an_error_of_the_block_itself_is_the_last_step"


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
        assert caught.value is error and type(steps.error) is type(error) and repr(steps)
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


def test_a_block_that_another_thread_closes_gives_the_trace_function_back():
    def block():
        with trace(made()) as steps:
            yield steps

    generator = block()
    next(generator)
    thread = threading.Thread(target=generator.close)
    thread.start()
    thread.join()
    repr(nn.Module())
    assert sys.gettrace() is None


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


def test_a_trace_can_be_used_again_and_not_inside_itself():
    module = made()
    steps = trace(module)
    with steps:
        module.a = 1
    with steps:
        module.b = 1
    assert [change.name for change in steps.changes] == ["b"]
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


def test_parting_is_the_first_step_that_differs():
    one, two = traced("parameter over nothing"), traced("plain")
    where = parting(one, two)
    assert [step.line for step in one[: where.step]] == [step.line for step in two[: where.step]]
    assert one[where.step].line != two[where.step].line
    assert where.left.condition == where.right.condition and (
        where.left.outcome,
        where.right.outcome,
    ) == (True, False)
    assert parting(one, traced("parameter over nothing")) is None


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
        "try:\n    with trace(m): m.x = 5\nexcept RuntimeError as error: print(error)\nprint(hasattr(m, 'x'))"
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


VALUES = st.sampled_from(["parameter", "tensor", "buffer", "module", "none", "number", "delete"])
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "weight", "mean", "child", "note"]), VALUES), max_size=8
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
