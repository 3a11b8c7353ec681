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

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "ipywidgets", "anywidget", "matplotlib")
OLDEST_TORCH = "2.5"  # the others: what requirements.txt asks for
# The part of JupyterLab that draws a view, and the package that brings it.
EXTENSIONS = {"@jupyter-widgets/jupyterlab-manager": "jupyterlab_widgets", "anywidget": "anywidget"}
_AGAIN = "then restart the kernel (Kernel > Restart Kernel) and run this cell again"


def look() -> tuple[str, bool]:
    """What there is to say, one line or more for each thing looked at; and whether the lessons can
    run here.

    If all is well the words are the same on every machine. ✗ marks what stops the lessons, ! what
    does not."""
    if sys.version_info < (3, 10):  # noqa: UP036  (whoever has an older Python did not come here through pip)
        return _old_python(), False
    lines, wanted = [], []
    lines.append("✓ Python 3.10 or later")
    for name in PACKAGES:
        wanted += _package(name, lines)
    wanted += _helpers(lines, ready=not any(line.startswith("✗") for line in lines))
    if wanted:  # the extensions come with these packages, so they are looked at afterwards
        lines += _install(wanted)
    else:  # the lessons run without them, and JupyterLab may have been started from another environment, which has them
        try:
            lines += _views() or ["✓ the JupyterLab extensions that draw the views"]
        except (
            Exception
        ) as error:  # a folder or a file that may not be read, or that is not what it should be
            lines.append(
                f"! JupyterLab's extensions cannot be looked at: {type(error).__name__}: {_first_line(error)}"
            )
    return "\n".join(lines), not any(line.startswith("✗") for line in lines)


def _old_python() -> str:
    return "\n".join(
        (
            f"✗ This is Python {platform.python_version()}, and the lessons need 3.10 or later.",
            f"  Remove the folder {ROOT / '.venv'}, if there is one. Paste the first command of README.md again, with a",
            "  newer Python's name in its first part: python3.12 for python3, or on Windows py -3.12 for py -3.",
        )
    )


def _package(name: str, lines: list[str]) -> list[str]:
    """Say how `name` is, and return what pip is to install so that it is well."""
    asked = _requirements().get(name, "")
    oldest = OLDEST_TORCH if name == "torch" else re.sub(r"^\D*([\d.]*).*", r"\1", asked)
    try:
        module = importlib.import_module(name)
        found = getattr(module, "__version__", None)
        found = found if found is None else str(found)
    except ModuleNotFoundError as error:
        if error.name == name:
            lines.append(f"✗ {name} is not installed in this kernel's Python.")
            if (name, sys.platform, platform.machine()) == ("torch", "darwin", "x86_64"):
                lines.append(
                    "  For Macs with an Intel processor none is new enough: use another machine."
                )
            return [name + asked]
        return _broken(name, asked, error, lines)
    except Exception as error:  # a library that cannot be loaded raises whatever it likes
        return _broken(name, asked, error, lines)
    if found is None:
        place = getattr(module, "__file__", None) or list(getattr(module, "__path__", "?"))[0]
        lines.append(
            f"✗ {name} is not the package of that name here, but {place}: rename that, {_AGAIN}."
        )
        return []
    if _numbers(found) < _numbers(oldest):
        lines.append(f"✗ {name} {found} is too old: the lessons need {oldest} or later.")
        return [name + asked]
    lines.append(f"✓ {name} {oldest} or later")
    pinned = asked[2:] if asked.startswith("==") else ""
    if pinned and str(found).partition("+")[0] != pinned:
        lines.append(
            f"! Here it is {found}, which will do. The saved outputs belong to {pinned}: do not compare them."
        )
    return []


def _broken(name: str, asked: str, error: Exception, lines: list[str]) -> list[str]:
    lines.append(
        f"✗ {name} is installed, and cannot be imported: {type(error).__name__}: {_first_line(error)}"
    )
    if os.name == "nt" and name == "torch":
        lines.append(
            "  If it speaks of a DLL, first install Microsoft's https://aka.ms/vs/17/release/vc_redist.x64.exe"
        )
    return ["--force-reinstall", name + asked]


def _helpers(lines: list[str], ready: bool) -> list[str]:
    """Say how this course's own package is; it is imported only where what it imports is well."""
    try:
        spec = importlib.util.find_spec("helpers")
        if spec is None:
            lines.append(
                "✗ helpers, the package of this course, is not installed in this kernel's Python."
            )
            return ["-e", str(ROOT)]
        place = Path(spec.origin or list(spec.submodule_search_locations)[0]).resolve()
        if (place.parent if spec.origin else place) != ROOT / "helpers":
            lines.append(
                f"✗ helpers is another package here: {place}. The one of this course is {ROOT / 'helpers'}."
            )
            lines.append(
                "  Take the other one out of the way (pip uninstall it, or rename it). Then:"
            )
            return ["-e", str(ROOT)]
        if not spec.origin:
            raise ImportError(f"{place / '__init__.py'} is missing")
        if ready:
            importlib.import_module("helpers")
            lines.append("✓ helpers, the package of this course")
    except Exception as error:
        name = (
            str(getattr(error, "name", None) or "")
            if isinstance(error, ModuleNotFoundError)
            else ""
        )
        top = name.partition(".")[0]
        if top not in ("", "helpers"):
            lines.append(f"✗ helpers cannot be imported: {name} is missing.")
            return [
                *(["--force-reinstall"] if top != name else []),
                top + _requirements().get(top, ""),
            ]
        lines.append(f"✗ helpers cannot be imported: {type(error).__name__}: {_first_line(error)}")
        lines.append(
            f"  Get a fresh copy of the course, or see what git status says in {ROOT}; {_AGAIN}."
        )
    return []


def _install(wanted: list[str]) -> list[str]:
    """How to install it here; and first of all, if the course has an environment of its own, that
    this is not it.
    """
    own, lines = ROOT / ".venv", []
    if (own / "pyvenv.cfg").exists() and own.resolve() != Path(sys.prefix).resolve():
        jupyter = own / ("Scripts" if os.name == "nt" else "bin") / "jupyter"
        start = _command(
            str(jupyter),
            "lab",
            f"--notebook-dir={ROOT}",
            str(ROOT / "notebooks" / "00_start_here.ipynb"),
        )
        lines += [
            "  This is the wrong kernel: the course has its own environment. Close JupyterLab; in a terminal:",
            f"      {start}",
            "  Or install what is missing for this kernel, too:",
        ]
    else:
        lines.append("  In a terminal, run:")
    # A package that is to be replaced needs --force-reinstall; the word stands once, in front.
    options = [word for word in ("--force-reinstall",) if word in wanted]
    words = [*options, *(word for word in wanted if word not in options)]
    return [
        *lines,
        f"      {_command(sys.executable, '-m', 'pip', 'install', *words)}",
        f"  {_AGAIN}.",
    ]


def _views() -> list[str]:
    """What is wrong with the extensions of JupyterLab that draw the views, as this kernel sees its
    folders.
    """
    try:
        from jupyter_core.paths import jupyter_config_dir, jupyter_config_path, jupyter_path
    except ImportError:
        return [
            "! Jupyter is not installed in this kernel's Python, so views may stay still.",
            *_install(["jupyterlab"]),
        ]
    switched = {}  # name of an extension: the file that says whether it is off; the last word counts
    folders = [Path(folder) / "labconfig" for folder in jupyter_config_path()]
    for folder in reversed([*folders, *map(Path, jupyter_path("lab", "settings"))]):
        for name, off in _disabled(folder / "page_config.json").items():
            switched[str(name)] = folder / "page_config.json" if off else None
    lines = []
    for name, package in EXTENSIONS.items():
        if not any(
            (Path(folder) / name / "package.json").exists()
            for folder in jupyter_path("labextensions")
        ):
            again = _command(
                sys.executable, "-m", "pip", "install", "--force-reinstall", "--no-deps", package
            )
            lines.append(
                f"! JupyterLab's extension {name} is missing, so views may stay still. In a terminal, run:"
            )
            lines.append(f"      {again}")
        for part in (
            one for one, file in switched.items() if file and one.partition(":")[0] == name
        ):
            file = switched[part]
            level = "user" if Path(jupyter_config_dir()) in file.parents else "sys_prefix"
            level = level if level == "user" or Path(sys.prefix) in file.parents else "system"
            enable = _command(
                sys.executable, "-m", "jupyter", "labextension", "enable", f"--level={level}", part
            )
            lines += [
                f"! JupyterLab's extension {part} is disabled, in {file}. In a terminal, run:",
                f"      {enable}",
            ]
    if lines:
        lines.append(
            "  then close JupyterLab, start it again, and reload this page in the browser."
        )
    return lines


def _disabled(file: Path) -> dict[str, bool]:
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


def _numbers(version: object) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", str(version).partition("+")[0])[:3]]


def _first_line(error: Exception) -> str:
    try:
        words = str(error).encode("utf-8", "backslashreplace").decode("utf-8")
    except Exception:
        words = ""
    return next(iter(words.splitlines()), "")[:300]


def _command(*words: str) -> str:
    """The words as one line for the terminal of this system; on Windows that is PowerShell, as in
    README.md.
    """
    if os.name != "nt":
        return " ".join(map(shlex.quote, words))
    quoted = [
        word if re.fullmatch(r"[\w.:\\/=-]+", word) else "'" + word.replace("'", "''") + "'"
        for word in words
    ]
    return ("& " if quoted[0].startswith("'") else "") + " ".join(quoted)
