"""The package and the repository as a whole: the public names, what a room may import, the
formatter and the linter without exemptions, and what README says of commands and code.
"""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import torch

import helpers
from tests.carried import HELPERS, imports, rooms, tops
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons

MODULES = sorted(HELPERS.rglob("*.py"))
CODE = [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
SCREEN = {"ipywidgets", "anywidget", "matplotlib", "IPython", "traitlets"}
PUBLIC_NAMES, FUNCTION_LINES = 30, 60
AT_THE_TOP = {"README.md", "requirements.txt", "pyproject.toml", "notebooks", "helpers", "tests"}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[Path]:
    """The files that git keeps or would add, relative to the root."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).exists()]


# --- the public names ---


def test_there_are_few_public_names_and_each_has_a_docstring_of_its_own():
    assert len(set(helpers.__all__)) == len(helpers.__all__) <= PUBLIC_NAMES
    for name in helpers.__all__:
        words = inspect.getdoc(getattr(helpers, name))
        assert words and not words.startswith(f"{name}("), name  # as a dataclass makes it up


def test_the_package_itself_names_its_public_names_and_nothing_else():
    words, *sources, names = parsed(HELPERS / "__init__.py").body
    assert isinstance(words, ast.Expr) and all(isinstance(one, ast.ImportFrom) for one in sources)
    assert sorted(alias.name for one in sources for alias in one.names) == helpers.__all__
    assert [target.id for target in names.targets] == ["__all__"]


# --- rooms ---


def permitted(room: str) -> list[str]:
    """What the modules of `room` may import of other rooms, as the paragraph in its `__init__`
    says: rooms, or single modules as `views.signs`."""
    (listed,) = re.findall(
        r"^Imports: (.+)\.$",
        ast.get_docstring(parsed(HELPERS / room / "__init__.py")),
        re.MULTILINE,
    )
    return re.findall(r"`([\w.]+)`", listed)


def test_the_rooms_import_each_other_in_one_direction():
    below = {room: {name.partition(".")[0] for name in permitted(room)} for room in rooms()}
    assert set().union(*below.values()) <= set(rooms())
    order = list(TopologicalSorter(below).static_order())  # raises where there is a circle
    assert order[0] == "state" and order[-1] == "exercises"


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_what_its_paragraph_permits(room):
    allowed = [f"helpers.{name}" for name in (room, *permitted(room))]
    wrong = [
        f"{named(path)}: {name}"
        for path in (HELPERS / room).rglob("*.py")
        for name in imports(path, everywhere=True)
        if name.startswith("helpers")
        and not any(f"{name}.".startswith(f"{start}.") for start in allowed)
        and not any(start.startswith(f"{name}.") for start in allowed)  # from helpers import state
    ]
    assert wrong == []


@pytest.mark.parametrize("room", rooms())
def test_a_room_says_what_each_of_its_files_is_for(room):
    told = re.findall(r"`(\w+)`", ast.get_docstring(parsed(HELPERS / room / "__init__.py")))
    files = {path.stem for path in (HELPERS / room).glob("[!_]*.py")}
    assert {name for name in files if not name.startswith("lesson_0")} <= set(told)


def names_made(path: Path) -> list[str]:
    """The functions, classes and constants that a module has for others."""
    made = []
    for node in parsed(path).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            made.append(node.name)
        elif isinstance(node, ast.Assign):
            made += [one.id for one in node.targets if isinstance(one, ast.Name)]
    return [name for name in made if not name.startswith("_")]


def test_a_name_is_that_of_one_thing():
    # Facts of a tensor, and of a learner's answer; a table of views, and all attempts of a lesson;
    # two rules about plain tensors, which are called by the names of their modules.
    two = {"Facts", "facts", "grid", "plain_tensor"}
    files = [path for path in MODULES if not path.name.startswith("lesson_0")]
    counts = Counter(name for path in files for name in names_made(path))
    assert {name for name, count in counts.items() if count > 1} == two


def test_a_room_that_may_not_import_views_knows_nothing_of_the_screen():
    data = [
        room
        for room in rooms()
        if room != "views" and not any("views" in name for name in permitted(room))
    ]
    assert {"state", "tracing", "checkpoints"} == set(data)
    for path in (path for room in data for path in (HELPERS / room).rglob("*.py")):
        assert not tops(imports(path, everywhere=True)) & SCREEN, named(path)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_imports_no_test_and_matplotlib_only_when_a_plot_is_drawn(path):
    assert not tops(imports(path, everywhere=True)) & {"tests", "notebooks"}
    assert "matplotlib" not in tops(imports(path, everywhere=False))


def test_what_runs_before_imports_work_imports_nothing_of_the_package():
    assert "helpers" not in tops(imports(HELPERS / "installation.py", everywhere=True))


def test_importing_helpers_is_silent_and_brings_no_matplotlib():
    code = """\
import sys, torch, ipywidgets, anywidget
before = set(sys.modules)
import helpers
assert not {"matplotlib", "numpy.random"} & set(sys.modules) - before
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def private_names(path: Path) -> set[str]:
    """The private names of torch that a file takes, or says as a text; its own `self._name` not."""
    things = [torch, torch._C, torch.ones(1), torch.ones(1).untyped_storage()]
    things += [torch.nn.Module(), torch.nn.LSTM(1, 1), torch.optim.SGD([torch.ones(1)], 0.1)]
    private = {name for one in things for name in dir(one) if re.match("_[^_]", name)}
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found & private


def test_what_is_private_to_torch_stands_in_one_file_and_where_a_reader_writes_it():
    here = HELPERS / "state" / "torch_private.py"
    written = {*(HELPERS / "exercises").glob("lesson_*.py"), HELPERS / "plots" / "cost.py"}
    found = {named(path): private_names(path) for path in MODULES if path not in {here, *written}}
    assert {name: names for name, names in found.items() if names} == {}
    assert {"_parameters", "_apply", "_version"} <= private_names(here)


# --- lines that read ---


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_the_formatter_and_the_linter_would_change_nothing(command):
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_nothing_is_exempt_from_the_formatter_or_from_the_rules_of_size():
    exempt = re.compile(
        r"#\s*(?:fmt|ruff): *|# noqa(?!: [A-Z]+\d+\b)|noqa:.*\b(?:E501|C901|PLR\d+)"
    )
    found = [
        f"{named(path)}: {line.strip()}"
        for path in CODE
        if path != Path(__file__)
        for line in path.read_text(encoding="utf-8").splitlines()
        if exempt.search(line)
    ]
    assert found == []
    assert "ignore" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CODE, ids=named)
def test_functions_are_short_and_no_choice_stands_inside_another(path):
    """A function may have about sixty lines, its docstring not counted."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef):
            words = ast.get_docstring(node, clean=False)
            first = node.body[0].end_lineno if words else node.lineno - 1
            assert node.end_lineno - first <= FUNCTION_LINES, f"{node.name} is too long"
        if isinstance(node, ast.IfExp):
            inside = [one for one in ast.walk(node) if isinstance(one, ast.IfExp)]
            assert inside == [node], f"line {node.lineno}: a choice inside a choice"


# --- the repository ---


def test_nothing_else_stands_at_the_top():
    top = {path.parts[0] for path in tracked()}
    assert {name for name in top if not name.startswith(".")} <= AT_THE_TOP


def test_no_file_names_one_machine():
    """Paths below someone's home, and addresses of package indexes and mirrors other than torch's
    own.
    """
    place = re.compile(
        rb"(?<![\w.{/])/(?:home|root|Users|work)/\w|https?://[\w.-]*(?:pypi|registry|mirror)[\w.-]*"
    )
    made_up = {Path("tests/test_notebooks.py"), Path("tests/test_package.py")}
    named = {
        str(path): place.findall((ROOT / path).read_bytes())
        for path in tracked()
        if path not in made_up and path.suffix != ".png"
    }
    assert {path: hits for path, hits in named.items() if hits} == {}


def test_the_readme_links_to_what_is_there_and_lists_every_lesson():
    words = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)\)|src=\"([^\"]+)\"", words)
    local = [target for pair in targets for target in pair if target and "://" not in target]
    assert [target for target in local if not (ROOT / target).exists()] == []
    assert {f"notebooks/{path.name}" for path in lessons()} <= set(local)


def test_all_that_is_run_by_hand_stands_in_the_readme_of_the_tests():
    words = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    folder = ROOT / "tests"
    run = [path for path in folder.rglob("*.py") if '__name__ == "__main__"' in path.read_text()]
    # What a fixture or a kernel runs is not run by hand.
    others = {"browser", "warm_kernels", "launch"}
    by_hand = {path for path in run if path.parent.name not in others} - {Path(__file__)}
    names = [named(path).removesuffix(".py").removesuffix("/__main__") for path in by_hand]
    assert "tests/hub" in names
    assert [name for name in names if f"`python -m {name.replace('/', '.')}`" not in words] == []


def test_the_python_of_the_readme_runs():
    model = torch.nn.Linear(2, 3)
    names = {
        "torch": torch,
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "state_dict": torch.nn.Linear(2, 3).state_dict(),
    }
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    for block in blocks:
        exec(block, names)
    assert blocks and "scale" in names["steps"][-1].after["_parameters"]
