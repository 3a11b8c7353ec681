"""The first cell of notebook 00: each thing that can be wrong is made wrong, and meets its advice
and no traceback.

The Pythons are real: a bare virtual environment, in which a package that is not put there is not
there. Packages that are there are stand-ins of a line, for speed; the real ones are looked at when
the notebook itself is run."""

from __future__ import annotations

import ast
import json
import os
import runpy
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import jupyter_core
import nbformat
import platformdirs
import pytest
from nbclient.exceptions import CellExecutionError

from tests.carried import imports, tops
from tests.lesson_kernel import ROOT, prepare_environment
from tests.refresh_notebooks import execute

SOURCE = ROOT / "helpers" / "installation.py"
VERSIONS = {
    "torch": "2.13.0+cpu",
    "ipywidgets": "8.1.9",
    "anywidget": "0.11.0",
    "matplotlib": "3.11.2",
}
MANAGER = "@jupyter-widgets/jupyterlab-manager"
WELL = """\
✓ Python 3.10 or later
✓ torch 2.5 or later
✓ ipywidgets 8.1 or later
✓ anywidget 0.11 or later
✓ matplotlib 3.8 or later
✓ helpers, the package of this course
✓ the JupyterLab extensions that draw the views
"""
# A machine may have a JupyterLab of its own; what it has is no part of these tests.
LOOK = """\
import runpy, sys
try:
    import jupyter_core.paths as paths
    paths.SYSTEM_JUPYTER_PATH = paths.SYSTEM_CONFIG_PATH = []
except ImportError:
    pass
{first}
words, well = runpy.run_path({path!r})["look"]()
print(words)
sys.exit(0 if well else 3)
"""


class Machine:
    """A Python with a course beside it, in which all is well, until a test spoils something."""

    def __init__(self, folder: Path, prefix: Path):
        self.course, self.prefix, self.site = folder / "my course", prefix, folder / "site"
        self.config, self.first, self.path = folder / "config", "", [self.site, self.course]
        (self.course / "helpers").mkdir(parents=True)
        (self.course / "notebooks").mkdir()
        shutil.copy(SOURCE, self.course / "helpers")
        shutil.copy(ROOT / "requirements.txt", self.course)
        (self.course / "helpers" / "__init__.py").touch()
        self.site.mkdir()
        for name, version in VERSIONS.items():
            (self.site / f"{name}.py").write_text(f"__version__ = {version!r}")
        for package in (jupyter_core, platformdirs):
            (self.site / package.__name__).symlink_to(Path(package.__file__).parent)
        for name in (MANAGER, "anywidget"):
            extension = self.labextensions / name
            extension.mkdir(parents=True, exist_ok=True)
            (extension / "package.json").write_text("{}")

    @property
    def labextensions(self) -> Path:
        return self.prefix / "share" / "jupyter" / "labextensions"

    @property
    def python(self) -> str:
        return str(self.prefix / "bin" / "python")

    def look(self) -> tuple[list[str], bool]:
        """The lines that the check says, and whether the lessons can run."""
        code = LOOK.format(first=self.first, path=str(self.course / "helpers" / "installation.py"))
        environment = {
            "PYTHONPATH": os.pathsep.join(map(str, self.path)),
            "JUPYTER_CONFIG_DIR": str(self.config),
            "JUPYTER_DATA_DIR": str(self.config / "data"),
            "PYTHONIOENCODING": "utf-8",
        }
        run = subprocess.run(
            [self.python, "-c", code],
            cwd=self.course / "notebooks",
            env=environment,
            capture_output=True,
            encoding="utf-8",
        )
        assert run.stderr == "" and run.returncode in (0, 3) and "Traceback" not in run.stdout, (
            run.stderr
        )
        return run.stdout.splitlines(), run.returncode == 0

    def command(self, lines: list[str], number: int = 0) -> list[str]:
        """The words of the command on one of the lines that are indented by six."""
        return shlex.split([line for line in lines if line.startswith(" " * 6)][number])


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An empty virtual environment with a blank in its path."""
    folder = tmp_path_factory.mktemp("python") / "my env"
    venv.create(folder, symlinks=True)
    return folder


@pytest.fixture
def machine(tmp_path, prefix):
    yield Machine(tmp_path, prefix)
    shutil.rmtree(prefix / "share")
    shutil.rmtree(prefix / "etc", ignore_errors=True)


def faults(lines):
    return [line for line in lines if line.startswith("✗")]


def notes(lines):
    return [line for line in lines if line.startswith("!")]


def test_where_all_is_well_the_words_name_nothing_of_the_machine(machine):
    lines, well = machine.look()
    assert well and lines == WELL.splitlines()


def test_the_file_needs_no_package_and_an_old_python_can_read_it():
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))
    assert tops(imports(SOURCE, everywhere=False)) <= sys.stdlib_module_names and tree.body


def test_an_old_python_is_told_how_to_begin_anew(machine):
    machine.first = "sys.version_info = (3, 9, 18)"
    lines, well = machine.look()
    assert not well and len(faults(lines)) == 1 and "need 3.10 or later" in lines[0]
    assert str(machine.course / ".venv") in lines[1]
    assert "python3.12" in lines[2] and "py -3.12" in lines[2]


@pytest.mark.parametrize("name", VERSIONS)
def test_a_package_that_is_missing_is_installed_with_this_python(machine, name):
    (machine.site / f"{name}.py").unlink()
    # This is not said a second time.
    (machine.course / "helpers" / "__init__.py").write_text(f"import {name}")
    lines, well = machine.look()
    assert not well and faults(lines) == [f"✗ {name} is not installed in this kernel's Python."]
    python, *words, wanted = machine.command(lines)
    assert [python, *words] == [machine.python, "-m", "pip", "install"]
    assert wanted in (ROOT / "requirements.txt").read_text()
    assert wanted.startswith(name) and wanted != name
    assert "restart the kernel" in lines[-1]


def test_all_that_is_missing_is_one_command(machine):
    machine.path = [machine.site]
    for name in VERSIONS:
        (machine.site / f"{name}.py").unlink()
    lines, _ = machine.look()
    assert len(faults(lines)) == 5 and sum(line.startswith(" " * 6) for line in lines) == 1
    words = machine.command(lines)[4:]
    assert words[0] == "torch==2.13.0" and len(words) == 6
    assert words[-2:] == ["-e", str(machine.course)]


@pytest.mark.parametrize(
    "name,old", [("torch", "2.4.1"), ("ipywidgets", "7.7.1"), ("anywidget", "0.9.21")]
)
def test_a_package_that_is_too_old_is_named_with_both_versions(machine, name, old):
    (machine.site / f"{name}.py").write_text(f"__version__ = {old!r}")
    lines, well = machine.look()
    (fault,) = faults(lines)
    assert not well and fault.startswith(f"✗ {name} {old} is too old: the lessons need ")
    assert machine.command(lines)[-1].startswith(name)


@pytest.mark.parametrize("other", ["2.5", "2.12.1+cu126", "3.0"])
def test_another_torch_is_a_note_and_stops_nothing(machine, other):
    (machine.site / "torch.py").write_text(f"__version__ = {other!r}")
    lines, well = machine.look()
    assert well and [line for line in lines if line not in WELL] == [
        f"! Here it is {other}, which will do. "
        "The saved outputs belong to 2.13.0: do not compare them."
    ]


def test_a_torch_that_cannot_be_imported_is_installed_again(machine):
    (machine.site / "torch.py").write_text("raise OSError('libcudart.so.12: cannot open\\nmore')")
    lines, well = machine.look()
    assert faults(lines) == [
        "✗ torch is installed, and cannot be imported: OSError: libcudart.so.12: cannot open"
    ]
    assert machine.command(lines)[-2:] == ["--force-reinstall", "torch==2.13.0"] and not well
    assert "more" not in lines  # only the first line of what was raised


def test_a_torch_with_a_part_missing_is_not_called_missing(machine):
    (machine.site / "torch.py").write_text("import typing_extensions_of_old")
    lines, _ = machine.look()
    words = "cannot be imported: ModuleNotFoundError: No module named 'typing_extensions_of_old'"
    assert words in faults(lines)[0]


def test_a_file_of_the_same_name_is_found_out(machine):
    (machine.site / "torch.py").write_text("print = None")
    lines, well = machine.look()
    words = f"is not the package of that name here, but {machine.site / 'torch.py'}"
    assert not well and words in faults(lines)[0]


def test_without_the_course_in_this_kernel_it_is_installed_from_where_the_notebook_is(machine):
    machine.path = [machine.site]
    lines, well = machine.look()
    assert not well and "helpers, the package of this course, is not installed" in faults(lines)[0]
    assert machine.command(lines)[-2:] == ["-e", str(machine.course)]
    assert "wrong kernel" not in "".join(lines)


def test_a_kernel_outside_the_environment_of_the_course_is_the_wrong_one(machine):
    machine.path = [machine.site]
    (machine.course / ".venv").mkdir()
    (machine.course / ".venv" / "pyvenv.cfg").touch()
    lines, _ = machine.look()
    wrong = "  This is the wrong kernel: the course has its own environment."
    assert f"{wrong} Close JupyterLab; in a terminal:" in lines
    start = [
        str(machine.course / ".venv" / "bin" / "jupyter"),
        "lab",
        f"--notebook-dir={machine.course}",
    ]
    assert machine.command(lines) == [
        *start,
        "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
    ]
    assert machine.command(lines, 1)[:2] == [machine.python, "-m"]


@pytest.mark.parametrize("inside", ["", ".venv"])
def test_another_package_called_helpers_is_not_taken_for_the_course(machine, inside):
    other = machine.course / inside / "helpers.py" if inside else machine.site / "helpers.py"
    other.parent.mkdir(exist_ok=True)
    other.touch()
    machine.path.insert(0, other.parent)
    lines, well = machine.look()
    assert not well and f"helpers is another package here: {other}" in faults(lines)[0]
    assert machine.command(lines)[-2:] == ["-e", str(machine.course)]


@pytest.mark.parametrize(
    "broken,words",
    [
        ("import pygments_of_old", "✗ helpers cannot be imported: pygments_of_old is missing."),
        ("def (", "✗ helpers cannot be imported: SyntaxError: "),
        (
            "import helpers.lost",
            "✗ helpers cannot be imported: ModuleNotFoundError: No module named 'helpers.lost'",
        ),
    ],
)
def test_a_course_that_cannot_be_imported_says_why(machine, broken, words):
    (machine.course / "helpers" / "__init__.py").write_text(broken)
    lines, well = machine.look()
    assert not well and faults(lines)[0].startswith(words)
    # On the index it is somebody else's.
    assert not [line for line in lines if "pip install" in line and "helpers" in line]


def test_a_course_that_has_lost_a_file_is_told_to_get_it_again(machine):
    (machine.course / "helpers" / "__init__.py").unlink()
    lines, well = machine.look()
    assert not well and faults(lines)[0].endswith("__init__.py is missing")
    assert "fresh copy" in " ".join(lines)


def test_the_environment_of_the_course_itself_is_not_called_the_wrong_one(machine):
    (machine.site / "anywidget.py").unlink()
    (machine.course / ".venv").symlink_to(machine.prefix)
    lines, well = machine.look()
    assert not well and "wrong kernel" not in " ".join(lines)
    assert machine.command(lines)[0] == machine.python


def test_without_jupyter_the_lessons_run_and_it_is_said_how_to_get_it(machine):
    (machine.site / "jupyter_core").unlink()
    lines, well = machine.look()
    assert well and notes(lines)[0].startswith("! Jupyter is not installed in this kernel's Python")
    assert machine.command(lines)[-1] == "jupyterlab"


@pytest.mark.parametrize(
    "torch",
    [
        "def __getattr__(name): raise RuntimeError('no version')",
        "class V:\n    def __str__(self): raise ValueError('no words')\n__version__ = V()",
        "class E(Exception):\n    def __str__(self): raise ValueError('no words')\nraise E",
        "raise OSError('\\udcff')",
    ],
)
def test_whatever_an_import_does_there_is_no_traceback(machine, torch):
    (machine.site / "torch.py").write_text(torch)
    lines, well = machine.look()
    words = "✗ torch is installed, and cannot be imported: "
    assert not well and faults(lines)[0].startswith(words)


def test_without_requirements_the_names_of_the_packages_are_enough(machine):
    (machine.course / "requirements.txt").unlink()
    (machine.site / "anywidget.py").unlink()
    lines, well = machine.look()
    assert not well and machine.command(lines)[-1] == "anywidget"


@pytest.mark.parametrize(
    "name,package", [(MANAGER, "jupyterlab_widgets"), ("anywidget", "anywidget")]
)
def test_an_extension_that_is_missing_is_put_back(machine, name, package):
    (machine.labextensions / name / "package.json").unlink()
    lines, well = machine.look()
    assert well and notes(lines)[0].startswith(f"! JupyterLab's extension {name} is missing,")
    assert machine.command(lines)[-3:] == ["--force-reinstall", "--no-deps", package]
    assert "start it again" in lines[-1]


@pytest.mark.parametrize("said", [{MANAGER: True}, {f"{MANAGER}:plugin": True}, [MANAGER]])
@pytest.mark.parametrize("level", ["user", "sys_prefix"])
def test_an_extension_that_is_disabled_is_enabled_where_it_was_disabled(machine, level, said):
    folder = machine.config if level == "user" else machine.prefix / "etc" / "jupyter"
    disable(folder, said)
    lines, well = machine.look()
    place, part = folder / "labconfig" / "page_config.json", next(iter(said))
    assert well and notes(lines) == [
        f"! JupyterLab's extension {part} is disabled, in {place}. In a terminal, run:"
    ]
    enable = ["-m", "jupyter", "labextension", "enable", f"--level={level}", part]
    assert machine.command(lines) == [machine.python, *enable]


def test_an_extension_that_the_first_folder_enables_is_enabled(machine):
    # In a virtual environment its own folder comes first.
    disable(machine.prefix / "etc" / "jupyter", {MANAGER: False})
    disable(machine.config, {MANAGER: True, "another": True})
    assert machine.look() == (WELL.splitlines(), True)


@pytest.mark.parametrize(
    "words", ["{", "[]", '{"disabledExtensions": 3}', '{"disabledExtensions": [1]}']
)
def test_a_configuration_that_cannot_be_read_is_passed_over(machine, words):
    (machine.config / "labconfig").mkdir(parents=True)
    (machine.config / "labconfig" / "page_config.json").write_text(words)
    assert machine.look() == (WELL.splitlines(), True)


def disable(folder: Path, said) -> None:
    (folder / "labconfig").mkdir(parents=True)
    (folder / "labconfig" / "page_config.json").write_text(json.dumps({"disabledExtensions": said}))


def test_on_windows_a_command_is_one_for_powershell(monkeypatch):
    command = runpy.run_path(str(SOURCE))["_command"]
    monkeypatch.setattr(os, "name", "nt")
    assert (
        command(r"C:\me\python.exe", "-m", "pip", "a>=3,<4") == r"C:\me\python.exe -m pip 'a>=3,<4'"
    )
    assert (
        command(r"C:\my $env's\python.exe", "-m", "pip") == r"& 'C:\my $env''s\python.exe' -m pip"
    )


def run_all(folder: Path) -> tuple[list[dict], str]:
    """The first two code cells of notebook 00 in a real kernel, as Run All runs them: the cells,
    the last error.
    """
    notebook = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:2]
    for cell in notebook.cells:
        cell.outputs, cell.execution_count = [], None
    with pytest.raises(CellExecutionError):
        execute(notebook, folder)
    first, second = notebook.cells
    assert second.execution_count is None and second.outputs == []  # Run All has stopped
    *said, error = first.outputs
    assert error.output_type == "error"
    assert error.traceback == [error.evalue]  # the one line is all that is shown
    return "".join(output.text for output in said), error.evalue


def test_run_all_stops_at_the_first_cell_with_one_line(machine, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    prepare_environment()
    alone = machine.site.parent / "alone"
    alone.mkdir()
    said, line = run_all(alone)
    assert said == "" and line.startswith("✗ This notebook stands alone. Get the whole course")
    # The torch that the kernel finds first is an old one.
    (machine.site / "torch.py").write_text("__version__ = '1.13.1'")
    os.environ["PYTHONPATH"] = str(machine.site)
    said, line = run_all(machine.course / "notebooks")
    assert "✗ torch 1.13.1 is too old" in said and shlex.quote(sys.executable) in said
    assert "Traceback" not in said
    assert line == "Mend what is marked ✗, restart the kernel, and run this cell again."
