"""What of a lesson goes onto its slides: no asserts, no code where only its picture matters, and
the teacher's guide as speaker's notes.

The slides' template (`exported/inside-nn-module-slides`) runs `LessonSlides` before it draws.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

GUIDE = "TEACHING.md"
PICTURE, FOLDED = "picture", "folded"  # the code of a cell is left out, or can be unfolded
ROOM = 160  # characters above or below a view that leave it as a whole in sight
_LINK = re.compile(r"\[([^\]]+)\]\([^)#]*#cell-id=([\w-]+)\)")


class LessonSlides(Preprocessor):
    """Prepares the cells of a lesson that has run: their `source`, room for views, and in
    `metadata.on_slide` the `lesson` and `section` they belong to and what becomes of their `input`.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        title = section = ""
        for cell in nb.cells:
            if cell.cell_type == "markdown" and kind_of(cell) != "skip":
                title = title or heading("#", cell.source)
                section = heading("##", cell.source) or section
            cell.metadata["on_slide"] = {"lesson": title, "section": section}
            if cell.cell_type == "code" and "exercise" not in cell.metadata:
                cell.source = without_asserts(cell.source)
                cell.metadata["on_slide"]["input"] = input_of(cell)
        give_views_room(nb.cells)
        lesson = resources.get("metadata", {})
        guide = Path(lesson.get("path") or ".") / GUIDE
        if guide.exists():
            notes = questions(guide.read_text(encoding="utf-8"), lesson.get("name", ""))
            nb.cells = with_notes(nb.cells, notes)
        return nb, resources


def kind_of(cell: NotebookNode) -> str:
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def give_views_room(cells: list[NotebookNode]) -> None:
    """Begin a slide with each view that has more than a line or two above it, and with what comes
    after a view if that is more than a line or two.
    """
    beside, after_view = 0, False
    for cell in cells:
        kind = kind_of(cell)
        if kind in ("skip", "notes"):
            continue
        below = after_view and beside + len(cell.source) > ROOM
        if kind in ("-", "fragment") and (below or is_view(cell) and beside > ROOM):
            cell.metadata["slideshow"] = NotebookNode(slide_type="subslide")
            kind = "subslide"
        if kind in ("slide", "subslide"):
            beside, after_view = 0, False
        after_view = after_view or is_view(cell)
        beside = 0 if is_view(cell) else beside + len(cell.source)


def is_view(cell: NotebookNode) -> bool:
    """Whether `cell` shows a view that needs a slide of its own. A question stands under the words
    that lead to it."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return any("text/html" in one for one in data) and not cell.source.startswith("quiz(")


def heading(sign: str, source: str) -> str:
    """The words of the first heading that begins with `sign`, "" if there is none."""
    found = re.search(rf"^{sign} (.+)$", source, re.MULTILINE)
    return found[1].replace("`", "") if found else ""


# --- code -----------------------------------------------------------------------------------------


def without_asserts(source: str) -> str:
    """`source` without what it asserts, and without the comments that stand right over that.

    What consists of nothing else goes too: a loop, or an `else` that says what did not happen. An
    assert without which the rest would be no Python stays."""
    if source.startswith("%%"):  # a command of IPython for the lines below it
        command, _, below = source.partition("\n")
        return f"{command}\n{without_asserts(below)}"
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a command of IPython
        return source
    lines = source.splitlines()
    for first, last in sorted(_asserted(tree.body), reverse=True):
        above = reversed(lines[: first - 1])
        comments = sum(1 for _ in takewhile(lambda line: line.lstrip().startswith("#"), above))
        del lines[first - 1 - comments : last]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _asserted(body: list[ast.stmt]) -> Iterator[tuple[int, int]]:
    for node in body:
        if _only_asserts(node):
            yield node.lineno, node.end_lineno
            continue
        before = node.lineno
        for block in _blocks(node):
            if not all(map(_only_asserts, block)):
                yield from _asserted(block)
            elif block is getattr(node, "orelse", None):
                yield before + 1, block[-1].end_lineno  # from the line of the `else`
            before = block[-1].end_lineno


def _only_asserts(node: ast.stmt) -> bool:
    if isinstance(node, (ast.For, ast.With, ast.If)):
        return all(_only_asserts(inner) for block in _blocks(node) for inner in block)
    if isinstance(node, ast.Raise):
        return "AssertionError" in ast.unparse(node)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func) == "torch.testing.assert_close"
    return isinstance(node, ast.Assert)


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The blocks of a statement, in the order in which they stand."""
    handlers = [handler.body for handler in getattr(node, "handlers", ())]
    body, *more = (getattr(node, name, []) for name in ("body", "orelse", "finalbody"))
    yield from filter(None, [body, *handlers, *more])


def input_of(cell: NotebookNode) -> str:
    """What becomes of the code of a cell: `PICTURE` if it only makes its picture, `FOLDED` if it
    does more than that, otherwise "" and the slide shows it.
    """
    data = [output.get("data", {}) for output in cell.outputs]
    drawn = any("text/html" in one or "image/png" in one for one in data)
    if not cell.source or drawn and _is_one_expression(cell.source):
        return PICTURE
    return FOLDED if drawn else ""


def _is_one_expression(source: str) -> bool:
    try:
        return [type(one) for one in ast.parse(source).body] == [ast.Expr]
    except SyntaxError:  # a command of IPython
        return False


# --- speaker's notes ------------------------------------------------------------------------------


def questions(guide: str, lesson: str) -> list[tuple[str, bool, str]]:
    """What the guide says to a cell of `lesson`: the cell's id, whether it is to be said before
    the cell's slide is shown, and the words.
    """
    part = re.search(
        rf"^## Lesson \d+ · `{re.escape(lesson)}`\n(.+?)(?=^## |\Z)", guide, re.M | re.S
    )
    headed = re.split(r"^### (.+)\n", part[1] if part else "", flags=re.MULTILINE)
    found = []
    for heading, text in zip(headed[1::2], headed[2::2], strict=True):
        if heading == "Before each reveal":
            for quiz, ask, run in _rows(text):
                said = f"**Ask.** {ask}"
                before = not _LINK.search(quiz)
                found.append((run if before else quiz, before, said))
        elif heading.startswith("Beliefs"):
            found += [(settled, False, f"**They say.** {say}") for say, settled in _rows(text)]
        elif heading == "On the projector":
            items = re.findall(r"^- (.+(?:\n  .+)*)", text, re.MULTILINE)
            found += [(item, False, f"**Show.** {item}") for item in items]
    return [
        (link[2], before, _LINK.sub(r"\1", words).replace("\n ", ""))
        for place, before, words in found
        if (link := _cell(place))
    ]


def _rows(text: str) -> Iterator[list[str]]:
    """The rows of the one table in `text`, without its head."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def _cell(text: str) -> re.Match | None:
    """The first link to a cell; one to a section only if there is no other."""
    links = list(_LINK.finditer(text))
    return next((link for link in links if link[1].startswith("`")), links[0] if links else None)


def with_notes(
    cells: list[NotebookNode], notes: Iterable[tuple[str, bool, str]]
) -> list[NotebookNode]:
    """`cells`, and at the end of each slide a cell with what `notes` says to it."""
    slides: list[list[NotebookNode]] = [[]]
    for cell in cells:
        if kind_of(cell) in ("slide", "subslide"):
            slides.append([])
        slides[-1].append(cell)
    places = {cell.id: place for place, slide in enumerate(slides) for cell in slide}
    said: dict[int, list[str]] = {}
    for cell, before, words in notes:
        if cell in places:
            said.setdefault(max(places[cell] - before, 1), []).append(words)
    for place, words in said.items():
        last = slides[place][-1]
        note = new_markdown_cell("\n\n".join(words), id=f"guide-{place}")
        note.metadata = NotebookNode(slideshow={"slide_type": "notes"})
        note.metadata["on_slide"] = last.metadata["on_slide"]
        slides[place].append(note)
    return [cell for slide in slides for cell in slide]
