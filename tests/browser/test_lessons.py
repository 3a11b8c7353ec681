"""Every lesson in a real JupyterLab: what a reader sees before running anything, and what Run All
leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser import jupyterlab
from tests.html_page import saved_static_faces
from tests.notebook_files import code_cells, lessons, read, text


@dataclass
class Visit:
    """What one lesson showed, opened untrusted and then run from the top."""

    path: Path
    trusted_before: int
    static_before: list[str]
    dialogs: list[str]
    faults_before: list[str]
    errors: list[str]
    widgets: list[str]
    faults: list[str]
    problems: list[str]


@pytest.fixture(scope="module")
def desk(lab: jupyterlab.Lab) -> Iterator[jupyterlab.Page]:
    """JupyterLab, in which one lesson takes the place of another."""
    page = lab.page()
    jupyterlab.open_alone(page)
    yield page
    lab.close(page)


# One theme a lesson, by turns: the tests of each view look at it in both. All light ones come
# first, since JupyterLab takes a second to change.
IN_LIGHT, IN_DARK = lessons()[::2], lessons()[1::2]


@pytest.fixture(scope="module", params=IN_LIGHT + IN_DARK, ids=lambda path: path.stem)
def visit(request: pytest.FixtureRequest, lab: jupyterlab.Lab, desk: jupyterlab.Page) -> Visit:
    path, page = request.param, desk
    lab.forget_problems(page)
    theme = "light" if path in IN_LIGHT else "dark"
    jupyterlab.open_instead(page, f"notebooks/{path.name}", theme)
    seen = {
        "trusted_before": jupyterlab.trusted_outputs(page),
        "static_before": jupyterlab.static_faces(page),
        "faults_before": faults(page, jupyterlab.VIEWS),
    }
    dialogs = page.locator(".jp-Dialog").all_inner_texts()
    jupyterlab.run_all(page)
    seen["errors"] = jupyterlab.errors(page)
    seen["widgets"] = jupyterlab.widget_outputs(page)
    # The live views alone: what is HTML now was the same HTML before.
    seen["faults"] = faults(page, jupyterlab.LIVE_VIEWS)
    dialogs += page.locator(".jp-Dialog").all_inner_texts()
    return Visit(path=path, dialogs=dialogs, problems=lab.problems(page), **seen)


def faults(page: jupyterlab.Page, looked_at: str) -> list[str]:
    """What axe-core finds in the theme that is on, in a lesson that may have no such view."""
    if not page.locator(looked_at).count():
        return []
    return jupyterlab.accessibility_faults(page, looked_at, both=False)


def test_before_trust_every_static_face_is_seen_whole(visit):
    assert visit.trusted_before == 0
    assert [" ".join(face.split()) for face in visit.static_before] == saved_static_faces(
        visit.path
    )


def test_nothing_asks_the_reader_for_trust_or_anything_else(visit):
    assert visit.dialogs == []


def test_run_all_ends_without_an_error(visit):
    assert visit.errors == []


def test_after_run_all_every_view_is_alive(visit):
    views = "quiz|StateMap|ParameterWays|Redraw|TracePlayer|compare|Playground|CheckpointTable"
    calls = re.compile(rf"^(?:{views}|Placement)\(", re.MULTILINE)
    shown = sum(
        bool(calls.search(text(cell["source"]))) for _, cell in code_cells(read(visit.path))
    )
    assert len(visit.widgets) >= shown > 0
    assert [text for text in visit.widgets if text.startswith("fault: ")] == []


def test_the_console_shows_no_error(visit):
    assert visit.problems == []


def test_axe_finds_nothing_serious_in_the_views(visit):
    assert visit.faults_before == []
    assert visit.faults == []
