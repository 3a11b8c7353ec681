"""The lessons as handouts: pages made by nbconvert, read with no kernel, no network and no scripts,
and printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import Browser, BrowserContext
from torch import nn

from helpers import OutcomeTable, ParameterWays, TracePlayer, trace
from helpers.tracing import trials
from tests.browser.exported import exporter, installed_differently
from tests.html_page import saved_static_faces
from tests.notebook_files import WIDGET_VIEW, code_cells, lessons, read

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

# Cells whose sign stands on another line than the word after it.
ALONE = """all => all.filter(cell => {
    const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), seen = [];
    while (seen.length < 2 && walk.nextNode()) {
        for (const {index} of walk.currentNode.data.matchAll(/\\S/g)) {
            const letter = document.createRange();
            letter.setStart(walk.currentNode, index);
            letter.setEnd(walk.currentNode, index + 1);
            seen.push(letter.getBoundingClientRect().bottom);
        }
    }
    return Math.abs(seen[0] - seen[1]) > 8;
}).map(cell => cell.innerText)"""


@dataclass
class Handout:
    """What the page of one lesson shows on paper: `faces`, code `cells`, what is `cut`; `on_screen`
    the faces that a browser shows, and `problems`.
    """

    faces: list[str]
    cells: int
    cut: list[str]
    on_screen: list[str]
    problems: list[str]


def look(paper: BrowserContext, path: Path) -> Handout:
    page, problems = paper.new_page(), []
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    page.emulate_media(media="print")
    page.goto(path.as_uri())
    found = page.evaluate(LOOK)
    page.emulate_media(media="screen")
    on_screen = page.evaluate(LOOK)["faces"]
    page.close()
    offline = "net::ERR_"
    return Handout(
        **found, on_screen=on_screen, problems=[one for one in problems if offline not in one]
    )


@pytest.fixture(scope="module")
def paper(browser: Browser) -> Iterator[BrowserContext]:
    """A window as wide as a sheet of paper, without a network."""
    context = browser.new_context(viewport=PAPER, offline=True)
    yield context
    context.close()


def shown(paper: BrowserContext, folder: Path, html: str) -> Handout:
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    return look(paper, path)


@pytest.mark.parametrize("lesson", lessons(), ids=lambda path: path.stem)
def test_without_scripts_a_page_is_complete_on_paper_and_on_a_screen(pages, browser, lesson):
    """Every cell is there, every view shows the face that is saved with the lesson, and nothing is
    cut at the edge of the paper.
    """
    context = browser.new_context(viewport=PAPER, offline=True, java_script_enabled=False)
    page = look(context, pages.page(lesson.stem))
    context.close()
    assert page.problems == []
    assert page.faces == page.on_screen == saved_static_faces(lesson)
    assert page.cells == sum(1 for _ in code_cells(read(lesson)))
    assert page.cut == []


def test_a_page_made_of_saved_outputs_is_complete_too(pages, paper, tmp_path):
    lesson = lessons()[0]
    page = shown(paper, tmp_path, exporter("html").from_filename(str(lesson))[0])
    assert page.problems == page.cut == []
    assert page.faces == saved_static_faces(lesson)
    assert page.cells == sum(1 for _ in code_cells(read(lesson)))


@pytest.mark.parametrize("kind", ["html", "slides"])
def test_what_a_cell_prints_is_one_block_however_it_came(kind):
    """A kernel sends what is printed in pieces, as its clock has it."""
    pieces = [
        new_output("stream", name="stdout", text=text) for text in ("one, ", "two\n", "three")
    ]
    page = exporter(kind).from_notebook_node(
        new_notebook(cells=[new_code_cell("...", outputs=pieces)])
    )[0]
    assert "one, two\nthree" in page


def test_the_environment_has_what_makes_a_page_ours():
    words = "install again: pip install -r requirements.txt"
    assert installed_differently() == [], words


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
    page = shown(paper, tmp_path, exporter("html").from_notebook_node(notebook)[0])
    assert page.faces == ["the face"] and page.cut == []
    plain = exporter("html", ours=False).from_notebook_node(notebook)[0]
    page = shown(paper, tmp_path, plain)
    assert page.faces == []
    assert page.cut and all("1 + 1" in line or line.startswith("SPAN") for line in page.cut)


def test_on_paper_the_names_of_torch_and_a_sign_with_its_word_are_not_broken(reader):
    layer = nn.Linear(2, 2)
    with trace() as steps:
        layer.extra = nn.Parameter(torch.ones(2))
    views = TracePlayer(steps), OutcomeTable(trials.grid()), ParameterWays(layer)
    page = reader.show(*views, width=PAPER["width"])
    page.emulate_media(media="print")
    heights = "all => [...new Set(all.map(one => one.getBoundingClientRect().height))]"
    names = page.locator(".inm-player-static tbody th > span")
    assert "Module.register_parameter" in names.all_inner_texts()
    assert len(names.evaluate_all(heights)) == 1
    calls = page.locator(".inm-ways-static thead th > div:first-child")
    assert len(calls.evaluate_all(heights)) == 1
    assert page.locator(".inm-outcomes td > div").evaluate_all(ALONE) == []


def test_on_paper_what_is_filled_is_filled_without_a_setting_of_the_reader(reader):
    page = reader.show(OutcomeTable([trials.run("non-leaf Parameter", "buffer", "setattr")]))
    page.emulate_media(media="print")
    lost = page.locator(".inm-outcomes td > div")
    wanted = "node => { const {printColorAdjust, backgroundColor} = getComputedStyle(node);"
    assert lost.evaluate(f"{wanted} return [printColorAdjust, backgroundColor]; }}") == [
        "exact",
        "rgb(138, 44, 0)",
    ]
