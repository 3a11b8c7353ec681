"""The lessons as handouts: pages made by nbconvert, read with no kernel and no network, and
printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import Browser, BrowserContext

from tests.browser.exported import exporter, installed_differently
from tests.html_page import saved_static_faces
from tests.lesson_kernel import ROOT
from tests.notebook_files import WIDGET_VIEW, code_cells, lessons, read

# Made as the README says; of the others the saved outputs are taken.
EXECUTED = ROOT / "notebooks" / "00_start_here.ipynb"
PAPER = {"width": 698, "height": 1000}  # A4 in pixels, less the margins that nbconvert asks for

# All that is seen: html outputs without their style sheets, and the elements that leave the paper
# or are cut off.
LOOK = """() => {
    const seen = node => node.checkVisibility() && node.getBoundingClientRect().width > 0;
    const all = selector => Array.from(document.querySelectorAll(selector)).filter(seen);
    const words = face => {
        const copy = face.cloneNode(true);
        copy.querySelectorAll('style').forEach(style => style.remove());
        return copy.textContent.trim().replace(/\\s+/g, ' ');
    };
    const edge = document.documentElement.clientWidth + 1;
    const hidden = node => node.scrollWidth > node.clientWidth + 1
        && getComputedStyle(node).overflowX !== 'visible';
    const cut = node => node.getBoundingClientRect().right > edge || hidden(node);
    const told = node =>
        `${node.tagName} ${node.className}: ${node.textContent.trim().slice(0, 80)}`;
    return {
        faces: all('.jp-OutputArea-output.jp-RenderedHTML').map(words),
        cells: document.querySelectorAll('.jp-CodeCell').length,
        cut: all('.jp-Cell *').filter(cut).map(told),
    };
}"""


@dataclass
class Handout:
    """What the page made of one lesson shows on paper: `faces`, code `cells`, what is `cut`, and
    `problems`.
    """

    path: Path
    faces: list[str]
    cells: int
    cut: list[str]
    problems: list[str]


def look(paper: BrowserContext, path: Path, html: str | bytes) -> Handout:
    page, problems = paper.new_page(), []
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    page.emulate_media(media="print")
    path.write_bytes(html.encode() if isinstance(html, str) else html)
    page.goto(path.as_uri())
    found = page.evaluate(LOOK)
    page.close()
    return Handout(
        path, problems=[words for words in problems if "net::ERR_" not in words], **found
    )


@pytest.fixture(scope="module")
def paper(browser: Browser) -> Iterator[BrowserContext]:
    """A window as wide as a sheet of paper, without a network."""
    context = browser.new_context(viewport=PAPER, offline=True)
    yield context
    context.close()


@pytest.fixture(scope="module", params=lessons(), ids=lambda path: path.stem)
def handout(request, pages, paper, tmp_path_factory) -> tuple[Path, Handout]:
    html, _ = exporter("html").from_filename(str(request.param))
    return request.param, look(paper, tmp_path_factory.mktemp("saved") / "page.html", html)


@pytest.fixture(scope="module")
def executed(pages, paper) -> Handout:
    page = pages.alone(EXECUTED)
    return look(paper, page, page.read_bytes())


def assert_complete(page: Handout, lesson: Path) -> None:
    """Every cell is there, and every view shows the face that is saved with the lesson."""
    assert page.problems == []
    assert page.faces == saved_static_faces(lesson)
    assert page.cells == sum(1 for _ in code_cells(read(lesson)))


def test_a_page_made_of_saved_outputs_is_complete_without_kernel_and_network(handout):
    lesson, page = handout
    assert_complete(page, lesson)


def test_nothing_is_cut_at_the_edge_of_the_paper(handout):
    assert handout[1].cut == []


def test_the_environment_has_what_makes_a_page_ours():
    words = "install again: pip install -r requirements.txt"
    assert installed_differently() == [], words


def test_a_page_made_by_the_plain_command_shows_the_same_faces(executed):
    """Where nbconvert runs the lesson, it would put a live view without a kernel in the place of
    each face.
    """
    assert_complete(executed, EXECUTED)
    assert executed.cut == []


def test_without_our_settings_a_live_view_takes_the_place_of_a_face_and_a_line_is_cut(
    paper, tmp_path
):
    data = {
        "text/html": "<p>the face</p>",
        WIDGET_VIEW: {"model_id": "1", "version_major": 2, "version_minor": 0},
    }
    cell = new_code_cell(
        "x = " + "1 + " * 40 + "1", outputs=[new_output("display_data", data=data)]
    )
    notebook = new_notebook(cells=[cell])
    state = {"state": {"1": {}}, "version_major": 2, "version_minor": 0}
    notebook.metadata.widgets = nbformat.from_dict(
        {"application/vnd.jupyter.widget-state+json": state}
    )
    html, _ = exporter("html").from_notebook_node(notebook)
    page = look(paper, tmp_path / "page.html", html)
    assert page.faces == ["the face"] and page.cut == []
    html, _ = exporter("html", ours=False).from_notebook_node(notebook)
    page = look(paper, tmp_path / "live.html", html)
    assert page.faces == []
    assert page.cut and all("1 + 1" in line or line.startswith("SPAN") for line in page.cut)
