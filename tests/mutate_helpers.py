"""What do the ordinary tests let pass? `python -m tests.mutate_helpers [COUNT [SEED]] [ROOM ...]`
changes each room of `helpers` in one place at a time, and runs the tests of that room that reach
the place. It prints how many of COUNT changes of a room, drawn by chance (default: 40), turned a
test red, and those that did not.

It needs mutmut beside what the tests need: `pip install "mutmut>=3.8,<4"`; and Python 3.11. mutmut
makes the changes. They are tried here, each in a fork of one process that has collected the tests:
a start of pytest for each change would take longer than most changes live. What a test starts in
another process sees no change. The lessons and the browser tests are not run, though they would
notice more: they take minutes for each change.

Before the changes of a room one is tried that changes nothing; were it noticed, no figure would
mean a thing, and the command ends.
"""

from __future__ import annotations

import ast
import difflib
import functools
import gc
import hashlib
import importlib
import inspect
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FunctionType

import hypothesis
import pytest
import torch
from mutmut.mutation.file_mutation import create_mutations

from tests.lesson_kernel import ROOT

TESTS = {
    "state": ["state", "audit", "state_map", "memory_map", "views"],
    "checkpoints": ["checkpoints"],
    "tracing": ["tracing", "trace_player", "playground", "outcome_table"],
    "plots": ["plots"],
    "views": [
        *("views", "state_map", "memory_map", "trace_player", "outcome_table", "page"),
        *("checkpoints", "state", "audit", "playground", "placement", "quiz"),
        *("front_end", "lesson_slides"),
    ],
}
# How a fork ended, when it was not stopped: all tests green, one red, the change cannot be made, or
# an error of this file. The last two say nothing of the tests, and do not count.
GREEN, RED, UNFIT, BROKEN = 0, 10, 11, 12
CACHE = type(functools.cache(len))
COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
# A change that never ends, or that fills the memory, is stopped. It counts as noticed. Seconds are
# those of the processor; PATIENCE is how many times as long it may take by the clock.
SECONDS, TIMES, BYTES, PATIENCE = 20, 5, 8 << 30, 4


@dataclass
class Change:
    room: str
    path: Path
    source: str

    def first_line(self) -> int:
        """The line of the file, from 1, where the first difference is."""
        texts = (self.path.read_text("utf-8"), self.source)
        pairs = zip(*(text.splitlines() for text in texts), strict=False)
        return next((n for n, (old, new) in enumerate(pairs, 1) if old != new), 1)

    def __str__(self) -> str:
        old, new = self.path.read_text("utf-8").splitlines(), self.source.splitlines()
        lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[3:]
        return "\n    ".join([f"{self.path.relative_to(ROOT)}:{self.first_line()}", *lines])


def drawn(room: str, count: int, seed: int) -> tuple[list[Change], int]:
    """COUNT changes of a room, and how many there are."""
    found = []
    for path in sorted((ROOT / "helpers" / room).glob("*.py")):
        module, mutations, *_ = create_mutations(str(path), path.read_text("utf-8"))
        found += [(path, module, one) for one in mutations if one.contained_by_top_level_function]
    chosen = random.Random(f"{seed} {room}").sample(found, min(count, len(found)))
    return [
        Change(room, path, module.deep_replace(one.original_node, one.mutated_node).code)
        for path, module, one in chosen
    ], len(found)


def blocks(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """Each list of statements in a function of this module."""
    functions = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef))
    inside = {id(node): node for function in functions for node in ast.walk(function)}
    for node in inside.values():
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block:
                yield block


def name_of(path: Path, block: list[ast.stmt]) -> str:
    return f"{path.relative_to(ROOT)}:{block[0].lineno}"


def innermost(path: Path, line: int) -> str:
    """The smallest block that has the line; of a default in a signature, that of the function."""
    tree = ast.parse(path.read_text("utf-8"))
    holding = [one for one in blocks(tree) if one[0].lineno <= line <= one[-1].end_lineno]
    if not holding:
        holding = [one for one in blocks(tree) if one[0].lineno > line]
        return name_of(path, min(holding, key=lambda one: one[0].lineno))
    return name_of(path, min(holding, key=lambda one: one[-1].end_lineno - one[0].lineno))


def marking(path: Path) -> CodeType:
    """The module, in which each block notes that it was reached."""
    tree = ast.parse(path.read_text("utf-8"))
    for block in list(blocks(tree)):
        mark = ast.parse(f"_reached_.add({name_of(path, block)!r})").body[0]
        first = block[0]
        told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        block.insert(int(told and len(block) > 1), ast.copy_location(mark, first))
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


def codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from codes(one)


def numbered(code: CodeType) -> dict[tuple[str, int], CodeType]:
    """The code of each function by its name and, since all lambdas have one name, its number among
    those of that name. A comprehension comes along with the function that it stands in.
    """
    found: dict[tuple[str, int], CodeType] = {}
    many = Counter()
    for one in codes(code):
        if one.co_name in COMPREHENSIONS:
            continue
        found[one.co_qualname, many[one.co_qualname]] = one
        many[one.co_qualname] += 1
    return found


def place_of(code: CodeType) -> tuple:
    return code.co_qualname, *code.co_positions()


def everything() -> list:
    """All objects that the collector can see. `tests/conftest.py` freezes what was there when the
    tests were collected, and of that it knows nothing.
    """
    gc.unfreeze()
    found = gc.get_objects()
    gc.freeze()
    return found


def caches() -> list:
    """Those of the package. What a change or another test would have answered stands in them."""
    return [
        one
        for one in everything()
        if type(one) is CACHE and one.__wrapped__.__module__.startswith("helpers.")
    ]


def functions_of(path: Path) -> list[FunctionType]:
    """All functions that were made from a file."""
    return [
        one
        for one in everything()
        if type(one) is FunctionType
        and one.__code__.co_filename == str(path)
        and one.__code__.co_name not in COMPREHENSIONS
    ]


def exchange(path: Path, code: CodeType) -> bool:
    """All functions that were made from a file run the lines of this code from now on. Says whether
    there is another among them.
    """
    old, new = numbered(compile(path.read_text("utf-8"), str(path), "exec")), numbered(code)
    by_place = {place_of(one): new[name] for name, one in old.items()}
    found = functions_of(path)
    if old and not found:
        raise LookupError(f"no function of {path} is there")
    for one in found:
        one.__code__ = by_place[place_of(one.__code__)]
    functions = [name for name, one in old.items() if one.co_flags & inspect.CO_OPTIMIZED]
    return any(new.get(name) != old[name] for name in functions)  # the body of a class has run


def change_defaults(change: Change) -> bool:
    """The defaults of arguments are no part of a function's code. Says whether there are others."""
    found = False
    old, new = (ast.parse(text) for text in (change.path.read_text("utf-8"), change.source))
    for one, other in zip(ast.walk(old), ast.walk(new), strict=False):
        if isinstance(one, ast.arguments) and isinstance(other, ast.arguments):
            if ast.dump(one) != ast.dump(other):
                set_defaults(change.path, old, one, other)
                found = True
    return found


def set_defaults(path: Path, tree: ast.Module, old: ast.arguments, new: ast.arguments) -> None:
    owner = next(one for one in ast.walk(tree) if getattr(one, "args", None) is old)
    name = getattr(owner, "name", "<lambda>")
    first = min(one.lineno for one in [owner, *getattr(owner, "decorator_list", ())])
    for one in functions_of(path):
        if one.__name__ == name and one.__code__.co_firstlineno == first:
            place = one.__globals__
            values = [eval(ast.unparse(value), place) for value in new.defaults]
            one.__defaults__ = tuple(values) or None
            one.__kwdefaults__ = {
                name.arg: eval(ast.unparse(value), place)
                for name, value in zip(new.kwonlyargs, new.kw_defaults, strict=True)
                if value is not None
            } or None


def make(change: Change) -> None:
    try:
        code = compile(change.source, str(change.path), "exec")
        made = [exchange(change.path, code), change_defaults(change)]
        if not any(made) and change.source != change.path.read_text("utf-8"):
            os._exit(UNFIT)  # it stands in no function, as the field of a class, which is made
        for one in caches():
            one.cache_clear()
    except (ValueError, KeyError, NameError, StopIteration):
        os._exit(UNFIT)


def forked(work: Callable[[], None], seconds: float | None = None) -> int:
    """The exit status of a child that does the work, or of the signal that ended it, below zero."""
    temporary = tempfile.mkdtemp()
    child = os.fork()
    if not child:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = temporary
        if seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
            resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
        try:
            work()
        except MemoryError:  # the limit of above, met while pytest tells of the test
            os._exit(RED)
        except BaseException:
            os._exit(BROKEN)
        os._exit(GREEN)
    status = waited_for(child, None if seconds is None else PATIENCE * seconds)
    shutil.rmtree(temporary, ignore_errors=True)
    return status


def waited_for(child: int, seconds: float | None) -> int:
    """How a child ended. It is stopped after some seconds: one that waits uses no processor."""
    late = time.monotonic() + (seconds or float("inf"))
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > late:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)


@dataclass
class Trial:
    """A plugin of pytest: it runs the tests that were collected once for each change."""

    changes: list[Change]
    stop_at_red: bool = False
    red: set[str] = field(default_factory=set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.stop_at_red:
            os._exit(RED)
        if report.failed:
            self.red.add(report.nodeid)

    def run(self, items: list[pytest.Item]) -> None:
        for item, following in zip_longest(items, items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def look(self, items: list[pytest.Item], result: Path) -> None:
        """Which blocks each test reaches, and how long it takes; a red one is left out."""
        reached = vars(sys.modules["builtins"])["_reached_"] = set()
        for room in TESTS:
            for path in sorted((ROOT / "helpers" / room).glob("*.py")):
                exchange(path, marking(path))
        seen, kept = {}, caches()
        for item, following in zip_longest(items, items[1:]):
            reached.clear()
            for one in kept:
                one.cache_clear()
            start = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if item.nodeid not in self.red:
                seen[item.nodeid] = [time.process_time() - start, sorted(reached)]
        result.write_text(json.dumps(seen), "utf-8")

    def known(self, items: list[pytest.Item]) -> dict[str, list]:
        """What `look` found, kept from run to run for each file of tests that did not change."""
        found = {}
        beside = [
            ROOT / "tests" / one for one in ("modules.py", "conftest.py", Path(__file__).name)
        ]
        rest = [*sorted((ROOT / "helpers").rglob("*.py")), *beside]
        for path in dict.fromkeys(item.path for item in items):
            text = b"".join(one.read_bytes() for one in [*rest, path])
            name = f"course-reached-{hashlib.sha256(text).hexdigest()[:16]}.json"
            result = Path(tempfile.gettempdir()) / name
            if not result.exists():
                mine = [item for item in items if item.path == path]
                if forked(lambda mine=mine, result=result: self.look(mine, result)) != GREEN:
                    sys.exit(f"{path} did not run to its end")
            found |= json.loads(result.read_text("utf-8"))
        return found

    def try_out(self, change: Change, items: list[pytest.Item], seconds: float) -> int:
        def work() -> None:
            self.stop_at_red = True
            make(change)
            self.run(items)

        return forked(work, SECONDS + TIMES * seconds)

    def reaching(self, change: Change, items: list[pytest.Item], known: dict) -> list[pytest.Item]:
        """The tests of its room that reach the place of a change, the quickest first."""
        names = {f"tests/test_{one}.py" for one in TESTS[change.room]}
        place = innermost(change.path, change.first_line())
        found = [
            item
            for item in items
            if item.nodeid.partition("::")[0] in names
            and place in known.get(item.nodeid, [0, []])[1]
        ]
        return sorted(found, key=lambda item: known[item.nodeid][0])

    def control(self, room: str, items: list[pytest.Item], seconds: float) -> None:
        """A change that changes nothing has to be let pass by all tests that are to notice one."""
        path = next(change.path for change in self.changes if change.room == room)
        end = self.try_out(Change(room, path, path.read_text("utf-8")), items, seconds)
        if not items or end != GREEN:
            sys.exit(f"{room}: {len(items)} tests, and nothing changed, yet the end was {end}")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        known = self.known(session.items)
        print(f"left out, as they are red: {len(session.items) - len(known)} tests")
        for room in dict.fromkeys(change.room for change in self.changes):
            mine = [change for change in self.changes if change.room == room]
            reaching = [self.reaching(change, session.items, known) for change in mine]
            all_of_them = list(dict.fromkeys(item for items in reaching for item in items))
            self.control(room, all_of_them, sum(known[item.nodeid][0] for item in all_of_them))
            ends = []
            for change, items in zip(mine, reaching, strict=True):
                seconds = sum(known[item.nodeid][0] for item in items)
                ends.append(self.try_out(change, items, seconds))
                print(self.line(change, ends[-1], len(items), seconds), end="", flush=True)
            tried = [end for end in ends if end not in (UNFIT, BROKEN)]
            stopped = sum(end < 0 for end in tried)
            noticed = sum(end != GREEN for end in tried)
            print(f"\n{room}: {noticed} of {len(tried)} noticed ({stopped} of them were stopped)")
        return True

    def line(self, change: Change, end: int, tests: int, seconds: float) -> str:
        words = {
            GREEN: f"let pass by {tests} tests",
            UNFIT: "cannot be made",
            BROKEN: "not tried, as this file fails",
        }
        if end < 0 or end == RED:
            return "."
        return f"\n{words[end]} ({seconds:.0f} s): {change}\n"


def main(arguments: list[str]) -> int:
    torch.set_num_threads(1)  # a child has none of the threads that its parent has started
    numbers = [int(one) for one in arguments if one.isdigit()]
    rooms = [one for one in arguments if not one.isdigit()] or list(TESTS)
    count, seed = [*numbers, *(40, 19)[len(numbers) :]]
    changes = []
    for room in rooms:
        mine, total = drawn(room, count, seed)
        print(f"{room}: {len(mine)} of {total:,} changes, drawn with seed {seed}", flush=True)
        changes += mine
    for room in TESTS:  # all, as which blocks a test reaches is kept for the next run
        for path in sorted((ROOT / "helpers" / room).glob("*.py")):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    # A failure is enough: the smallest example of it is not sought.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("changes", phases=phases, database=None, derandomize=True)
    hypothesis.settings.load_profile("changes")
    files = dict.fromkeys(f"tests/test_{test}.py" for room in rooms for test in TESTS[room])
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:faulthandler"]
    return pytest.main([*options, *files], plugins=[Trial(changes)])


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
