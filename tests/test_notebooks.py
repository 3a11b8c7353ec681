"""The lessons as files: nothing in them would trip a reader of the repository, and each rule can
fail.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest

from tests.notebook_files import (
    IGNORED_CELLS,
    ROWS,
    WIDGET_VIEW,
    code_cells,
    findings,
    is_ignored,
    lessons,
    read,
    tags,
)

LESSONS = pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)


@LESSONS
def test_a_lesson_has_nothing_to_trip_over(path):
    assert list(findings(path)) == []


@LESSONS
def test_a_lesson_shows_the_rows_of_the_articles_it_is_there_for(path):
    shown = {
        tag for _, cell in code_cells(read(path)) for tag in tags(cell) if tag.startswith("row-")
    }
    assert ROWS.get(path.stem, set()) <= shown


def test_every_lesson_that_owes_rows_is_there():
    assert set(ROWS) <= {path.stem for path in lessons()}


def test_at_most_two_cells_of_the_course_are_not_compared():
    ignored = [
        (path.stem, number)
        for path in lessons()
        for number, cell in code_cells(read(path))
        if is_ignored(cell)
    ]
    assert len(ignored) <= IGNORED_CELLS, ignored


def code(source: str, *outputs: dict, count: int | None = 1, slide: str = "-", **metadata) -> dict:
    return {
        "cell_type": "code",
        "id": f"c{count}",
        "metadata": {"slideshow": {"slide_type": slide}, **metadata},
        "source": source,
        "outputs": list(outputs),
        "execution_count": count,
    }


def shows(**data) -> dict:
    mimes = {"html": "text/html", "plain": "text/plain", "widget": WIDGET_VIEW}
    named = {mimes[name]: value for name, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": named}


def stream(name: str, text: str) -> dict:
    return {"output_type": "stream", "name": name, "text": text}


CLEAN = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [
        {
            "cell_type": "markdown",
            "id": "m",
            "metadata": {"slideshow": {"slide_type": "slide"}},
            "source": "# Title [here](lesson.ipynb#part)",
        },
        code("x = 1\nassert x == 1", tags=["row-A1"]),
        code("x", shows(plain="1", html="<details><b>1</b> on=1</details>"), count=2),
    ],
}
ERROR = {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": []}


def found(notebook: dict, folder: Path) -> list[str]:
    path = folder / "lesson.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return list(findings(path))


def test_a_clean_notebook_has_no_findings(tmp_path):
    assert found(CLEAN, tmp_path) == []


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        (code("x", count=None), "execution count is None, not 2"),
        (code("x", count=3), "execution count is 3, not 2"),
        (code("x\n" * 26, count=2), "26 lines of code"),
        (code("x", shows(widget={"model_id": "1"}), count=2), "widget view"),
        (
            code("x", stream("stdout", "/home/me/course\n"), count=2),
            "path of one machine: /home/me",
        ),
        (code("x", stream("stderr", "UserWarning: careful\n"), count=2), "writes to stderr"),
        (
            code("x", shows(plain="<Thing at 0x7f60f1286e10>"), count=2),
            "memory address: 0x7f60f1286e10",
        ),
        (code("x", ERROR, count=2), "an error that its tags do not expect"),
        (code("x", shows(html="<svg></svg>"), count=2), "stripped before trust: '<svg'"),
        (code("x", shows(html="<b onclick='f()'>1</b>"), count=2), "stripped before trust"),
        (code("x", shows(plain="1" * 121 * 1024), count=2), "text/plain is 121 KB"),
        (code("# NBVAL_IGNORE_OUTPUT\nx", count=2), "no comment says why"),
        (code("x = 2", count=2, tags=["row-A2"]), "tagged row-A2 and asserts nothing"),
        (code("x", count=2, slide=""), "slide type is '', not one of slide, subslide, fragment"),
        (code("x", count=2, tags=["solution"]), "a solution is shown on a slide"),
    ],
)
def test_each_fault_of_a_code_cell_is_found(cell, fault, tmp_path):
    notebook = deepcopy(CLEAN)
    notebook["cells"][2] = cell
    (line,) = found(notebook, tmp_path)
    assert line.startswith("cell 2: ")
    assert fault in line


def _older(notebook):
    notebook["nbformat_minor"] = 4


def _widget_state(notebook):
    notebook["metadata"]["widgets"] = {}


def _same_id(notebook):
    notebook["cells"][2]["id"] = notebook["cells"][1]["id"]


def _no_title(notebook):
    notebook["cells"][0]["source"] = "## Part"


def _no_slide_type(notebook):
    del notebook["cells"][1]["metadata"]["slideshow"]


def _heading_inside_a_slide(notebook):
    notebook["cells"][0]["metadata"]["slideshow"]["slide_type"] = "-"


def _answer_beside_its_quiz(notebook):
    notebook["cells"][1]["source"] += '\nquiz("01-key")'


def _dead_link(notebook):
    notebook["cells"][0]["source"] += " [there](02_missing.ipynb)"


def _too_large(notebook):
    notebook["cells"][0]["source"] += "x" * 401 * 1024


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_older, "older than 4.5"),
        (_widget_state, "widget state"),
        (_same_id, "missing or repeat"),
        (_no_title, "not a title"),
        (_no_slide_type, "cell 1: its slide type is None"),
        (_heading_inside_a_slide, "cell 0: a heading"),
        (_answer_beside_its_quiz, "cell 2: a heading, and what follows a quiz, begins a slide"),
        (_dead_link, "02_missing.ipynb leads nowhere"),
        (_too_large, "more than 400"),
    ],
)
def test_each_fault_of_a_notebook_is_found(spoil, fault, tmp_path):
    notebook = deepcopy(CLEAN)
    spoil(notebook)
    (line,) = found(notebook, tmp_path)
    assert fault in line


def test_a_cell_that_is_not_compared_may_say_why():
    cell = code("# NBVAL_IGNORE_OUTPUT\n# The table of devices differs from machine to machine.\nx")
    assert is_ignored(cell)
    assert is_ignored(code("x", tags=["nbval-skip"]))
    assert not is_ignored(code("print('NBVAL_IGNORE_OUTPUT')"))
