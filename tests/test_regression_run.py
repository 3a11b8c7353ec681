"""The regression run turns red when it should: on copies of the course, each spoilt in one way.

Each copy is run as `pytest --nbval` runs it, in a process of its own; they all start together, for
speed. The copies have their own `helpers`, which is not installed: that the lesson finds them there
is part of the proof."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from tests import warm_kernels
from tests.lesson_kernel import ROOT
from tests.notebook_files import code_cells, lessons, read, tags, text
from tests.refresh_notebooks import METADATA, clean, keep_measured

LESSON = Path("notebooks/01_state_dict.ipynb")
PINNED = re.search(r"^torch==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[1]
pytestmark = pytest.mark.skipif(
    torch.__version__.partition("+")[0] != PINNED,
    reason=f"the saved outputs belong to torch {PINNED}",
)

# What a torch would look like whose state_dict() is a snapshot. Only the kernels of the copy read
# it.
CHANGED_TORCH = """\
import sys
if any("ipykernel" in word for word in sys.orig_argv):
    import torch
    state_dict = torch.nn.Module.state_dict
    def cloned(self, *args, **kwargs):
        state = state_dict(self, *args, **kwargs)
        for name, value in state.items():
            state[name] = value.clone()
        return state
    torch.nn.Module.state_dict = cloned
"""
# A sum that forgets the buffers. A map shows it in its static face, and nbval compares that.
CHANGED_HELPER = """
from dataclasses import replace as _replace
_right = totals_of
def totals_of(*counted):
    return _replace(_right(*counted), buffers=0)
"""


def shortened(course: Path, last: int) -> None:
    """Keep the code cells up to number `last` alone, as nbval counts, and the words before it."""
    notebook = read(course / LESSON)
    code = [number for number, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code"]
    notebook["cells"] = notebook["cells"][: code[last] + 1]
    (course / LESSON).write_text(json.dumps(notebook), encoding="utf-8")


def untouched(course: Path) -> None:
    """Leave the copy as it is."""


def tampered_output(course: Path) -> None:
    """Change one digit of the first printed output that has one."""
    shortened(course, 10)
    notebook = read(course / LESSON)
    printed = [
        output for _, cell in code_cells(notebook) for output in cell["outputs"] if "text" in output
    ]
    output = next(output for output in printed if re.search(r"\d", text(output["text"])))
    output["text"] = re.sub(
        r"\d", lambda digit: str(9 - int(digit[0])), text(output["text"]), count=1
    )
    (course / LESSON).write_text(json.dumps(notebook), encoding="utf-8")


def cleared(course: Path) -> None:
    """Clear every output and execution count, as JupyterLab's command does."""
    notebook = read(course / LESSON)
    for _, cell in code_cells(notebook):
        cell["outputs"], cell["execution_count"] = [], None
    (course / LESSON).write_text(json.dumps(notebook), encoding="utf-8")


def changed_helper(course: Path) -> None:
    """Let the totals of every module forget its buffers."""
    shortened(course, map_of_kinds())
    with (course / "helpers" / "state" / "totals.py").open("a", encoding="utf-8") as file:
        file.write(CHANGED_HELPER)


def changed_torch(course: Path) -> None:
    """Start the kernels of the copy with a torch whose state_dict() returns clones."""
    shortened(course, cells_tagged("row-A2")[0])
    (course / "sitecustomize.py").write_text(CHANGED_TORCH, encoding="utf-8")


CELLS = ("--nbval", str(LESSON))
FILES = ("tests/test_notebooks.py",)
RUNS = {
    "untouched": (untouched, CELLS),
    "tampered output": (tampered_output, CELLS),
    "cleared": (cleared, FILES),
    "changed helper": (changed_helper, CELLS),
    "changed torch": (changed_torch, CELLS),
}


@dataclass
class Result:
    """How one run ended: its exit status, its tests as `name: status`, and all that it printed."""

    status: int
    tests: dict[str, str]
    printed: str

    @property
    def failed(self) -> list[str]:
        return [name for name, outcome in self.tests.items() if outcome == "FAILED"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """The result of every run, by its name."""
    started = {}
    for name, (spoil, arguments) in RUNS.items():
        course = copy_of_the_course(tmp_path_factory.mktemp("run") / "course")
        spoil(course)
        command = ("-m", "pytest", "--color=no", "-rA", "-p", "no:cacheprovider", *arguments)
        started[name] = start(course, *command, cold=spoil is changed_torch)
    return {name: finish(process) for name, process in started.items()}


def copy_of_the_course(course: Path) -> Path:
    shutil.copytree(ROOT, course, ignore=shutil.ignore_patterns(".*", "*.egg-info", "__pycache__"))
    return course


def start(course: Path, *arguments: str, cold: bool = False) -> subprocess.Popen:
    """Run Python in `course`; `cold`: with kernels that import torch themselves."""
    environment = {key: one for key, one in os.environ.items() if not key.startswith("PYTEST")}
    path = str(course) if cold else warm_kernels.path_with(course)
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=course,
        env=environment | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen) -> Result:
    printed, _ = process.communicate(timeout=300)
    outcomes = re.findall(r"^(PASSED|FAILED|ERROR) \S*?::(\S+(?: \d+)?)", printed, re.MULTILINE)
    return Result(process.returncode, {name: outcome for outcome, name in outcomes}, printed)


def test_the_run_of_an_untouched_copy_is_green(results):
    run = results["untouched"]
    assert run.status == 0, run.printed
    assert set(run.tests.values()) == {"PASSED"}
    cells = [name for name in run.tests if name.startswith("Cell ")]
    assert len(cells) == sum(cell["cell_type"] == "code" for cell in read(ROOT / LESSON)["cells"])


def test_a_tampered_output_fails_its_own_cell_and_no_other(results):
    run = results["tampered output"]
    assert run.status == 1
    assert len(run.failed) == 1, run.printed
    assert "Cell outputs differ" in run.printed


def test_a_cleared_notebook_fails(results):
    run = results["cleared"]
    assert run.status == 1
    assert run.failed == ["test_a_lesson_has_nothing_to_trip_over[01_state_dict]"], run.printed
    assert "execution count is None" in run.printed


def test_a_helper_whose_result_changes_fails_a_cell(results):
    run = results["changed helper"]
    assert run.status == 1
    assert run.failed, run.printed
    assert "Cell outputs differ" in run.printed


def test_a_torch_that_behaves_differently_fails_the_cell_about_it(results):
    """Where state_dict() copies, the lesson's row A2, "a view, not a snapshot", is no longer so."""
    run = results["changed torch"]
    assert run.status == 1
    assert any(f"Cell {number}" in run.failed for number in cells_tagged("row-A2")), run.printed


def cells_tagged(tag: str) -> list[int]:
    """The numbers that nbval gives to the code cells tagged `tag`."""
    cells = [cell for cell in read(ROOT / LESSON)["cells"] if cell["cell_type"] == "code"]
    return [number for number, cell in enumerate(cells) if tag in tags(cell)]


def map_of_kinds() -> int:
    """The number of the code cell whose map has a buffer."""
    cells = [cell for cell in read(ROOT / LESSON)["cells"] if cell["cell_type"] == "code"]
    return next(number for number, cell in enumerate(cells) if cell["id"] == "map-kinds")


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_cleaning_a_saved_lesson_changes_no_byte(path):
    notebook = nbformat.read(path, as_version=4)
    clean(notebook)
    assert nbformat.writes(notebook).rstrip("\n") + "\n" == path.read_text(encoding="utf-8")


def test_refreshing_a_lesson_leaves_no_difference_and_refreshing_twice_no_byte(tmp_path):
    """One that keeps the picture of a measurement; that the others run as saved, nbval shows."""
    course = copy_of_the_course(tmp_path / "course")
    lesson = next(
        path for path in lessons() if any("measured" in tags(cell) for cell in read(path)["cells"])
    )
    copied = course / "notebooks" / lesson.name
    run = finish(start(course, "-m", "tests.refresh_notebooks", str(copied)))
    assert run.status == 0, run.printed
    assert without_pictures(copied) == without_pictures(lesson)
    once = copied.read_bytes()
    twice = finish(start(course, "-m", "tests.refresh_notebooks", str(copied)))
    assert f"{lesson.name}: unchanged" in twice.printed
    assert copied.read_bytes() == once


def without_pictures(path: Path) -> dict:
    """The notebook at `path`, pictures left out: other fonts draw them with other bytes."""
    notebook = read(path)
    for _, cell in code_cells(notebook):
        for output in cell["outputs"]:
            output.get("data", {}).pop("image/png", None)
    return notebook


def test_refreshing_a_lesson_that_fails_leaves_the_file_as_it_was(tmp_path):
    course = copy_of_the_course(tmp_path / "course")
    broken = course / "notebooks" / "broken.ipynb"
    cell = new_code_cell("raise KeyError('lost')")
    nbformat.write(new_notebook(cells=[cell], metadata=METADATA), broken)
    before = broken.read_bytes()
    run = finish(start(course, "-m", "tests.refresh_notebooks", str(broken)))
    assert run.status == 1
    assert "broken.ipynb: stopped" in run.printed
    assert "KeyError: 'lost'" in run.printed
    assert broken.read_bytes() == before
    assert [path.name for path in broken.parent.iterdir() if path.suffix == ".tmp"] == []


def measured(picture: str, source: str = "draw()", **metadata) -> nbformat.NotebookNode:
    data, words = (
        {"image/png": picture, "text/plain": "<Figure>"},
        {"image/png": {"alt": f"{picture} words"}},
    )
    output = nbformat.v4.new_output("display_data", data=data, metadata=words)
    cell = new_code_cell(source, outputs=[output], metadata=metadata or {"tags": ["measured"]})
    cell.id = "one"
    return new_notebook(cells=[cell])


@pytest.mark.parametrize(
    ("saved", "kept"),
    [
        (measured("old"), "old"),
        (measured("old", "draw(more)"), "new"),
        (measured("old", tags=["row-A1"]), "new"),
        (new_notebook(), "new"),
    ],
)
def test_only_the_picture_of_an_unchanged_measurement_is_kept(saved, kept):
    notebook = measured("new")
    keep_measured(notebook, saved)
    assert notebook.cells[0].outputs[0].data == {"image/png": kept, "text/plain": "<Figure>"}
    assert notebook.cells[0].outputs[0].metadata == {"image/png": {"alt": f"{kept} words"}}
