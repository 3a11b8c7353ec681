"""The lessons read as files: what a reader of the repository would trip over, without running a
cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.lesson_kernel import ROOT

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
FILE_KB, OUTPUT_KB, CELL_LINES, IGNORED_CELLS = 400, 120, 25, 2

# Where a cell stands when a lesson is shown as slides: the choices of JupyterLab's Property
# Inspector.
SLIDE_TYPES = ("slide", "subslide", "fragment", "-", "skip", "notes")

# The rows of the two source articles that a lesson shows: each stands on a cell tagged with its
# name.
ROWS = {
    "01_state_dict": {"row-A1", "row-A2", "row-A3", "row-A4"},
    "02_reading_parameters": {f"row-{row}" for row in "A6 A7 A8 A9 B5 B6 B7 B8 B9 C1 C2".split()},
    "03_buffers": {f"row-{row}" for row in "A9 A10 A11 A12 A13 A14 B1 B3 B4 C3 C5".split()},
    "04_setattr": {f"row-{row}" for row in "B2 B3 B5 B10 B11 B12 B13 B14".split()},
    "05_save_and_load": {"row-A4", "row-A5", "row-C4", "row-C5", "row-C6"},
}

_IGNORE_COMMENT = re.compile(
    r"\s*#\s*(NBVAL_IGNORE_OUTPUT|NBVAL_SKIP|PYTEST_VALIDATE_IGNORE_OUTPUT)\s*$"
)
_IGNORE_TAGS = {"nbval-ignore-output", "nbval-skip", "pytest-validate-ignore-output"}
_RAISES_TAGS = {"raises-exception", "nbval-raises-exception"}
_PERSONAL = re.compile(
    r"(?<![\w.])/(?:home|root|tmp|Users|work|private|var/folders)/[\w.-]+|[A-Z]:\\+Users"
)
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_ACTIVE = re.compile(r"<\s*(?:script|svg|iframe|object|embed)\b|<[^>]*\son\w+\s*=", re.IGNORECASE)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def lessons() -> list[Path]:
    """The notebooks of the course, in reading order."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path: Path) -> dict:
    """The notebook at `path` as the JSON that it is."""
    return json.loads(path.read_text(encoding="utf-8"))


def text(value: str | list[str]) -> str:
    """A notebook's text field, which is a string or a list of lines, as one string."""
    return "".join(value) if isinstance(value, list) else value


def tags(cell: dict) -> set[str]:
    return set(cell.get("metadata", {}).get("tags", []))


def code_cells(notebook: dict) -> Iterator[tuple[int, dict]]:
    """Position and cell of every code cell that is not empty."""
    for position, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code" and text(cell["source"]).strip():
            yield position, cell


def faces(output: dict) -> Iterator[tuple[str, str]]:
    """Kind and text of everything in `output` that is compared or shown as text; pictures are left
    out.
    """
    if output["output_type"] == "stream":
        yield output["name"], text(output["text"])
    elif output["output_type"] == "error":
        yield "error", f"{output['ename']}: {output['evalue']}"
        yield "traceback", "\n".join(output["traceback"])
    for mime, value in output.get("data", {}).items():
        if not mime.startswith("image/"):
            yield mime, text(value) if isinstance(value, str | list) else json.dumps(value)


def findings(path: Path) -> Iterator[str]:
    """One line of text for each fault of the notebook at `path`."""
    size = path.stat().st_size / 1024
    if size > FILE_KB:
        yield f"the file is {size:.0f} KB, more than {FILE_KB}"
    notebook = read(path)
    if (notebook["nbformat"], notebook["nbformat_minor"]) < (4, 5):
        yield "the format is older than 4.5: cells have no ids"
    if "widgets" in notebook["metadata"]:
        yield "the metadata carries widget state"
    cells = notebook["cells"]
    ids = [cell.get("id") for cell in cells]
    if None in ids or len(set(ids)) != len(ids):
        yield "cell ids are missing or repeat"
    written = {at: cell for at, cell in enumerate(cells) if cell["cell_type"] == "markdown"}
    if 0 not in written or not text(written[0]["source"]).startswith("# "):
        yield "the first cell is not a title"
    for position, cell in written.items():
        for fault in _markdown_faults(path, text(cell["source"])):
            yield f"cell {position}: {fault}"
    for expected, (position, cell) in enumerate(code_cells(notebook), start=1):
        for fault in _code_faults(cell, expected):
            yield f"cell {position}: {fault}"
    yield from _slide_faults(cells)


def slide_type(cell: dict) -> str | None:
    """The slide type of a cell, None if it has none."""
    return cell.get("metadata", {}).get("slideshow", {}).get("slide_type")


def _slide_faults(cells: list[dict]) -> Iterator[str]:
    after_quiz = False
    for position, cell in enumerate(cells):
        kind, source = slide_type(cell), text(cell["source"])
        if kind not in SLIDE_TYPES:
            one_of = f"one of {', '.join(SLIDE_TYPES)}"
            yield f"cell {position}: its slide type is {kind!r}, not {one_of}: choose one"
        if kind in ("skip", "notes"):
            continue
        if "solution" in tags(cell):
            yield f"cell {position}: a solution is shown on a slide: skip it"
        heading = cell["cell_type"] == "markdown" and re.match("#{1,2} ", source)
        hidden_heading = heading and kind != "slide"
        answer_in_sight = after_quiz and kind not in ("slide", "subslide")
        if hidden_heading or answer_in_sight:
            yield f"cell {position}: a heading, and what follows a quiz, begins a slide of its own"
        after_quiz = bool(re.search(r"^quiz\(", source, re.MULTILINE))


def _markdown_faults(path: Path, source: str) -> Iterator[str]:
    for target in _LINK.findall(source):
        elsewhere = "://" in target or target.startswith("mailto:")
        if not elsewhere and not (path.parent / target).exists():
            yield f"the link to {target} leads nowhere"
    if _PERSONAL.search(source):
        yield f"shows a path of one machine: {_PERSONAL.search(source)[0]}"


def _code_faults(cell: dict, expected_count: int) -> Iterator[str]:
    source = text(cell["source"])
    count = cell["execution_count"]
    if count != expected_count:
        yield f"its execution count is {count}, not {expected_count}: not run from the top"
    lines = sum(bool(line.strip()) for line in source.splitlines())
    if lines > CELL_LINES:
        yield f"{lines} lines of code, more than {CELL_LINES}"
    if is_ignored(cell) and not ignore_reason(cell):
        yield "its output is ignored and no comment says why"
    for tag in sorted(tags(cell)):
        if tag.startswith("row-") and not re.search(r"^\s*assert\b", source, re.MULTILINE):
            yield f"it is tagged {tag} and asserts nothing"
    for output in cell["outputs"]:
        if output["output_type"] == "error" and not tags(cell) & _RAISES_TAGS:
            yield "it shows an error that its tags do not expect"
        for kind, shown in faces(output):
            yield from _face_faults(kind, shown)


def _face_faults(kind: str, shown: str) -> Iterator[str]:
    if kind == "stderr":
        yield f"it writes to stderr: {shown[:70]!r}"
    if kind == WIDGET_VIEW:
        yield "a widget view, whose id is random, is saved"
        return
    if len(shown) / 1024 > OUTPUT_KB:
        yield f"its {kind} is {len(shown) / 1024:.0f} KB, more than {OUTPUT_KB}"
    if kind == "text/html" and _ACTIVE.search(shown):
        yield f"its text/html holds what is stripped before trust: {_ACTIVE.search(shown)[0]!r}"
    if _PERSONAL.search(shown):
        yield f"its {kind} shows a path of one machine: {_PERSONAL.search(shown)[0]}"
    if _ADDRESS.search(shown):
        yield f"its {kind} shows a memory address: {_ADDRESS.search(shown)[0]}"


def is_ignored(cell: dict) -> bool:
    """Whether nbval leaves the output of this code cell uncompared."""
    lines = text(cell["source"]).splitlines()
    return any(map(_IGNORE_COMMENT.match, lines)) or bool(tags(cell) & _IGNORE_TAGS)


def ignore_reason(cell: dict) -> str:
    """The other comment lines of a cell whose output is ignored."""
    lines = text(cell["source"]).splitlines()
    comments = [line for line in lines if line.strip().startswith("#")]
    return " ".join(line.lstrip("# ") for line in comments if not _IGNORE_COMMENT.match(line))
