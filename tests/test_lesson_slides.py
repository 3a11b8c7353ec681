"""What of a lesson goes onto its slides: code without its asserts, and the guide's words beside the
cells that they belong to.
"""

from __future__ import annotations

import ast
import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.views.lesson_slides import (
    FOLDED,
    GUIDE,
    PICTURE,
    LessonSlides,
    questions,
    without_asserts,
)
from tests.lesson_kernel import ROOT
from tests.notebook_files import code_cells, lessons, read, text

LOADED = """\
try:
    load()
except RuntimeError as error:
    print(error)
else:
    raise AssertionError("it was expected to fail")
"""


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("x = 1\nassert x\nprint(x)", "x = 1\nprint(x)"),
        ("x = 1\n# It is true.\nassert (\n    x\n)\nprint(x)", "x = 1\nprint(x)"),
        ("for x in y:\n    with x:\n        assert x\nprint(y)", "print(y)"),
        ("for x in y:\n    assert x\n    print(x)", "for x in y:\n    print(x)"),
        ("def f():\n    assert True", "def f():\n    assert True"),
        ("if x:\n    pass\nelif y:\n    print(x)", "if x:\n    pass\nelif y:\n    print(x)"),
        ("if x:\n    y()\nelse:\n    # never\n    assert z", "if x:\n    y()"),
        ("torch.testing.assert_close(a, b)", ""),
        (LOADED, LOADED[: LOADED.index("else")].strip()),
        ("%matplotlib inline\nassert x", "%matplotlib inline\nassert x"),
        ("%%both\nprint(x)\nassert x", "%%both\nprint(x)"),
        ('print("""\nassert x\n""")', 'print("""\nassert x\n""")'),
    ],
)
def test_what_only_asserts_is_left_out(source, left):
    assert without_asserts(source) == left


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_what_is_left_of_each_cell_is_python_and_prints_the_same_things(path):
    def printed(source: str) -> list[str]:
        python = source.partition("\n")[2] if source.startswith("%%") else source
        calls = [node for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Call)]
        return [ast.unparse(call) for call in calls if ast.unparse(call.func) == "print"]

    for _, cell in code_cells(read(path)):
        source = text(cell["source"])
        assert printed(without_asserts(source)) == printed(source)


def prepared(*cells, **resources):
    for cell in cells:
        cell.metadata.setdefault("slideshow", {"slide_type": "-"})
    return LessonSlides(enabled=True).preprocess(new_notebook(cells=list(cells)), resources)[0]


def test_code_is_left_out_where_its_picture_matters_and_folded_where_it_does_more():
    view = new_output("display_data", data={"text/html": "<b>a view</b>"})
    words = new_output("stream", text="a view")
    shown = prepared(
        new_code_cell("show(x)", outputs=[view]),
        new_code_cell("x = 1\nassert x\nshow(x)", outputs=[view]),
        new_code_cell("print(x)", outputs=[words]),
        new_code_cell("assert x"),
    )
    inputs = [cell.metadata["on_slide"]["input"] for cell in shown.cells]
    assert inputs == [PICTURE, FOLDED, "", PICTURE]


def test_a_view_with_more_than_a_line_or_two_above_or_below_has_a_slide_of_its_own():
    def view():
        return new_code_cell("show(x)", outputs=[new_output("display_data", {"text/html": "<b>"})])

    def kinds(*cells):
        return [one.metadata["slideshow"]["slide_type"] for one in prepared(*cells).cells]

    def words(count):
        return new_markdown_cell("Word " * count)

    assert kinds(words(2), view(), words(2), view()) == ["-"] * 4
    assert kinds(words(40), view(), words(2), view()) == ["-", "subslide", "-", "-"]
    assert kinds(words(2), view(), words(40), view()) == ["-", "-", "subslide", "subslide"]
    assert kinds(words(2), view(), words(40), words(2)) == ["-", "-", "subslide", "-"]

    def as_kind(kind, cell):
        cell.metadata["slideshow"] = {"slide_type": kind}
        return cell

    for kind in ("slide", "subslide"):  # begins an empty one, whatever stands above it
        begun = kinds(words(40), as_kind(kind, words(2)), view(), words(2))
        assert begun == ["-", kind, "-", "-"]
    for kind in ("skip", "notes"):  # stands on none, however long it is
        assert kinds(as_kind(kind, words(40)), view()) == [kind, "-"]


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_every_question_of_the_guide_finds_its_cell(path):
    guide = (ROOT / "notebooks" / GUIDE).read_text(encoding="utf-8")
    part = guide.partition(f"`{path.stem}`\n")[2].partition("\n## ")[0]
    asked = part.partition("### Before each reveal")[2].partition("\n### ")[0]
    found = questions(guide, path.stem)
    assert {cell for cell, _, _ in found} <= {cell["id"] for cell in read(path)["cells"]}
    rows = [line for line in asked.splitlines() if re.match(r'\| .* \| "', line)]
    assert sum(words.startswith("**Ask.**") for _, _, words in found) == len(rows)


def test_what_the_guide_says_of_a_lesson_is_said_at_its_cells_whole_and_without_links():
    guide = (
        "## Lesson 1 · `one`\n\n### Beliefs that come up\n\n| They say | Settled by |\n|---|---|\n"
        "| it is saved | [`look`](one.ipynb#cell-id=look) |\n"
        "| it is lost | [the end](one.ipynb#cell-id=end) |\n\n### On the projector\n\n"
        "- Stop at [`look`](one.ipynb#cell-id=look),\n  and wait\n\n## Lesson 2 · `two`\n"
    )
    assert questions(guide, "one") == [
        ("look", False, "**They say.** it is saved"),
        ("end", False, "**They say.** it is lost"),
        ("look", False, "**Show.** Stop at `look`, and wait"),
    ]
    assert questions(guide, "three") == []


def test_a_question_without_a_quiz_is_asked_before_its_slide(tmp_path):
    (tmp_path / GUIDE).write_text(
        "## Lesson 1 · `one`\n\n### Before each reveal\n\n| Quiz | Ask aloud | Then run |\n"
        '|---|---|---|\n| none | "Who?" | [`b`](one.ipynb#cell-id=b) |\n'
        '| [`q`](one.ipynb#cell-id=a) | "What?" | [`b`](one.ipynb#cell-id=b) |\n',
        encoding="utf-8",
    )
    cells = [new_markdown_cell("# One", id="a"), new_markdown_cell("Two", id="b")]
    for cell in cells:
        cell.metadata["slideshow"] = {"slide_type": "slide"}
    shown = prepared(*cells, metadata={"path": str(tmp_path), "name": "one"})
    first, notes, second = shown.cells
    assert (first.id, second.id) == ("a", "b")
    assert notes.metadata["slideshow"]["slide_type"] == "notes"
    assert notes.source == '**Ask.** "Who?"\n\n**Ask.** "What?"'
