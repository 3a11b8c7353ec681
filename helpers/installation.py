"""Is everything here that the lessons need? If not: what to do about it, down to the command.

The first cell of `00_start_here` runs this file by its path, since `import helpers` may be the very
thing that fails. So it imports the standard library alone, an old Python can read it, and nothing
that it finds raises an error."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "ipywidgets", "anywidget", "matplotlib")
OLDEST_TORCH = "2.5"  # the others: what requirements.txt asks for
# The part of JupyterLab that draws a view, and the package that brings it.
EXTENSIONS = {"@jupyter-widgets/jupyterlab-manager": "jupyterlab_widgets", "anywidget": "anywidget"}
_AGAIN = "then restart the kernel (Kernel > Restart Kernel) and run this cell again"
_THE_COURSE = ["-e", str(ROOT)]


class Said(NamedTuple):
    """What is said of one thing looked at, and what pip is to install so that it is well."""

    lines: list[str]
    wanted: list[str] = []


def look() -> tuple[str, bool]:
    """What there is to say, one line or more for each thing looked at; and whether the lessons can
    run here.

    If all is well the words are the same on every machine. ✗ marks what stops the lessons, ! what
    does not."""
    if sys.version_info < (3, 10):  # noqa: UP036  (an old Python did not come here through pip)
        return _old_python(), False
    answers = [_package(name) for name in PACKAGES]
    answers.append(_helpers(ready=not any(map(_stops, answers))))
    lines = ["✓ Python 3.10 or later", *(line for answer in answers for line in answer.lines)]
    wanted = [word for answer in answers for word in answer.wanted]
    # The extensions come with these packages, so they are looked at when all these are there.
    lines += _install(wanted) if wanted else _views()
    return "\n".join(lines), not any(map(_stops, answers))


def _stops(answer: Said) -> bool:
    return any(line.startswith("✗") for line in answer.lines)


def _old_python() -> str:
    return f"""\
✗ This is Python {platform.python_version()}, and the lessons need 3.10 or later.
  Remove the folder {ROOT / ".venv"}, if there is one. Paste the first command of README.md again,
  with a newer Python in its first part: python3.12 for python3, on Windows py -3.12 for py -3."""


def _package(name: str) -> Said:
    asked = _requirements().get(name, "")
    oldest = OLDEST_TORCH if name == "torch" else re.sub(r"^\D*([\d.]*).*", r"\1", asked)
    try:
        module = importlib.import_module(name)
        version = getattr(module, "__version__", None)
        found = "" if version is None else str(version)
    except Exception as error:  # a library that cannot be loaded raises whatever it likes
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return Said(_absent(name), [name + asked])
        return Said(_broken(name, error), ["--force-reinstall", name + asked])
    if version is None:
        place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", "?")))
        words = f"is not the package of that name here, but {place}: rename that, {_AGAIN}."
        return Said([f"✗ {name} {words}"])
    if _numbers(found) < _numbers(oldest):
        words = f"✗ {name} {found} is too old: the lessons need {oldest} or later."
        return Said([words], [name + asked])
    lines = [f"✓ {name} {oldest} or later"]
    pinned = asked[2:] if asked.startswith("==") else ""
    if pinned and found.partition("+")[0] != pinned:
        lines.append(f"! Here it is {found}, which will do.")
        lines[-1] += f" The saved outputs belong to {pinned}: do not compare them."
    return Said(lines)


def _absent(name: str) -> list[str]:
    lines = [f"✗ {name} is not installed in this kernel's Python."]
    if (name, sys.platform, platform.machine()) == ("torch", "darwin", "x86_64"):
        lines.append("  For Macs with an Intel processor none is new enough: use another machine.")
    return lines


def _broken(name: str, error: Exception) -> list[str]:
    lines = [f"✗ {name} is installed, and cannot be imported: {_in_words(error)}"]
    if os.name == "nt" and name == "torch":
        address = "https://aka.ms/vs/17/release/vc_redist.x64.exe"
        lines.append(f"  If it speaks of a DLL, first install Microsoft's {address}")
    return lines


def _helpers(ready: bool) -> Said:
    """How this course's own package is; it is imported only where what it imports is well."""
    try:
        spec = importlib.util.find_spec("helpers")
        if spec is None:
            words = "helpers, the package of this course, is not installed in this kernel's Python."
            return Said([f"✗ {words}"], _THE_COURSE)
        place = Path(spec.origin or next(iter(spec.submodule_search_locations))).resolve()
        if (place.parent if spec.origin else place) != ROOT / "helpers":
            return Said(_another(place), _THE_COURSE)
        if not spec.origin:
            raise ImportError(f"{place / '__init__.py'} is missing")
        if not ready:
            return Said([])
        importlib.import_module("helpers")
        return Said(["✓ helpers, the package of this course"])
    except Exception as error:
        return _helpers_broken(error)


def _another(place: Path) -> list[str]:
    here = ROOT / "helpers"
    return [
        f"✗ helpers is another package here: {place}. The one of this course is {here}.",
        "  Take the other one out of the way (pip uninstall it, or rename it). Then:",
    ]


def _helpers_broken(error: Exception) -> Said:
    """A package that it needs is installed; of its own files a fresh copy is to be got."""
    name = str(error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    top = name.partition(".")[0]
    if top in ("", "helpers"):
        told = f"what git status says in {ROOT}; {_AGAIN}."
        words = f"✗ helpers cannot be imported: {_in_words(error)}"
        return Said([words, f"  Get a fresh copy of the course, or see {told}"])
    again = ["--force-reinstall"] if top != name else []
    words = f"✗ helpers cannot be imported: {name} is missing."
    return Said([words], [*again, top + _requirements().get(top, "")])


def _install(wanted: list[str]) -> list[str]:
    """How to install it here; and first of all, if the course has an environment of its own, that
    this is not it.
    """
    own, lines = ROOT / ".venv", ["  In a terminal, run:"]
    if (own / "pyvenv.cfg").exists() and own.resolve() != Path(sys.prefix).resolve():
        jupyter = own / ("Scripts" if os.name == "nt" else "bin") / "jupyter"
        page = "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"
        lines = [
            "  This is the wrong kernel: the course has its own environment. Close JupyterLab; in a"
            " terminal:",
            f"      {_command(str(jupyter), 'lab', f'--notebook-dir={ROOT}', page)}",
            "  Or install what is missing for this kernel, too:",
        ]
    # A package that is to be replaced needs --force-reinstall; the word stands once, in front.
    words = sorted(dict.fromkeys(wanted), key=lambda word: word != "--force-reinstall")
    command = _command(sys.executable, "-m", "pip", "install", *words)
    return [*lines, f"      {command}", f"  {_AGAIN}."]


def _views() -> list[str]:
    """What there is to say of the extensions of JupyterLab that draw the views.

    The lessons run without them, and JupyterLab may have been started from another environment,
    which has them. So a folder that may not be read, or is not what it should be, stops nothing."""
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError:
        words = "! Jupyter is not installed in this kernel's Python, so views may stay still."
        return [words, *_install(["jupyterlab"])]
    try:
        folders = [Path(folder) for folder in jupyter_path("labextensions")]
        missing = [
            name
            for name in EXTENSIONS
            if not any((folder / name / "package.json").exists() for folder in folders)
        ]
        lines = [line for name in missing for line in _missing(name)]
        lines += [line for part, file in _disabled().items() for line in _enable(part, file)]
    except Exception as error:
        return [f"! JupyterLab's extensions cannot be looked at: {_in_words(error)}"]
    if not lines:
        return ["✓ the JupyterLab extensions that draw the views"]
    last = "  then close JupyterLab, start it again, and reload this page in the browser."
    return [*lines, last]


def _missing(name: str) -> list[str]:
    words = f"! JupyterLab's extension {name} is missing, so views may stay still."
    options = ("--force-reinstall", "--no-deps", EXTENSIONS[name])
    command = _command(sys.executable, "-m", "pip", "install", *options)
    return [f"{words} In a terminal, run:", f"      {command}"]


def _enable(part: str, file: Path) -> list[str]:
    from jupyter_core.paths import jupyter_config_dir

    level = "sys_prefix" if Path(sys.prefix) in file.parents else "system"
    level = "user" if Path(jupyter_config_dir()) in file.parents else level
    words = ("-m", "jupyter", "labextension", "enable", f"--level={level}", part)
    return [
        f"! JupyterLab's extension {part} is disabled, in {file}. In a terminal, run:",
        f"      {_command(sys.executable, *words)}",
    ]


def _disabled() -> dict[str, Path]:
    """The extensions of `EXTENSIONS`, or parts of them, that are off, and the file that says so."""
    from jupyter_core.paths import jupyter_config_path, jupyter_path

    folders = [Path(folder) / "labconfig" for folder in jupyter_config_path()]
    folders += map(Path, jupyter_path("lab", "settings"))
    said = {}  # the last word counts: that of the folder looked at first by JupyterLab
    for file in (folder / "page_config.json" for folder in reversed(folders)):
        said.update({str(part): file if off else None for part, off in _switches(file).items()})
    ours = {part: file for part, file in said.items() if part.partition(":")[0] in EXTENSIONS}
    return {part: file for part, file in ours.items() if file}


def _switches(file: Path) -> dict[str, bool]:
    """What a page_config.json says of extensions: a list of those that are off, or {name: whether
    it is off}.
    """
    try:
        said = json.loads(file.read_text(encoding="utf-8")).get("disabledExtensions", {})
        return dict(said) if isinstance(said, dict) else dict.fromkeys(said, True)
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _requirements() -> dict[str, str]:
    """What requirements.txt asks of each package, such as {"matplotlib": ">=3.8,<4"}."""
    try:
        words = (ROOT / "requirements.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(re.findall(r"^([\w-]+)([=<>~!][^\s#]*)", words, re.MULTILINE))


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", version.partition("+")[0])[:3]]


def _in_words(error: Exception) -> str:
    """The type of `error` and the first line of what it says."""
    try:
        words = str(error).encode("utf-8", "backslashreplace").decode("utf-8")
    except Exception:
        words = ""
    return f"{type(error).__name__}: {next(iter(words.splitlines()), '')[:300]}"


def _command(*words: str) -> str:
    """The words as one line for the terminal of this system; on Windows that is PowerShell, as in
    README.md.
    """
    if os.name != "nt":
        return " ".join(map(shlex.quote, words))
    plain = re.compile(r"[\w.:\\/=-]+")
    quoted = [w if plain.fullmatch(w) else "'" + w.replace("'", "''") + "'" for w in words]
    return ("& " if quoted[0].startswith("'") else "") + " ".join(quoted)
