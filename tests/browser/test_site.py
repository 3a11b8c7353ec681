"""The course as a folder of pages: every link leads somewhere, every page to the next, and what is
made is not made again. The whole folder is the one that test_pages.py reads.
"""

from __future__ import annotations

import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urljoin

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Page, expect

from helpers.site import build, main
from tests import warm_kernels
from tests.browser.exported import (
    faults,
    faults_in_both_schemes,
    made_alone,
)
from tests.browser.jupyterlab import picture
from tests.browser.test_pages import MOST_BYTES, MOST_SHIFTED, READ, TOO_WIDE, WIDTHS
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons
from tests.refresh_notebooks import METADATA

STEMS = [path.stem for path in lessons()]
DOCUMENTS = ["index", "TEACHING", "README"]
SMALL = "00_start_here"


@pytest.fixture(scope="module")
def folder(pages) -> Path:
    return pages.page("index").parent


def anchors(html: str) -> set[str]:
    return {unquote(name) for name in re.findall(r'\bid="([^"]+)"', html)}


def targets(html: str) -> list[str]:
    """What the page's elements lead to or show; not what is written inside a script."""
    seen = re.sub(r"<script.*?</script>|<style.*?</style>", "", html, flags=re.DOTALL)
    return re.findall(r'<[^>]+?\s(?:href|src)="([^"]+)"', seen)


def dead(links: dict[str, list[str]], ids: dict[str, set[str]], folder: Path) -> list[str]:
    """The `links` that lead nowhere: each page's links and the names in it by the page's own name;
    what is no page is looked for in `folder`.
    """
    found = []
    for name, targeted in links.items():
        for target in targeted:
            if target.startswith(("https://", "http://", "data:")):
                continue
            path, _, anchor = urljoin(name, unquote(target)).partition("#")
            is_page = path.endswith(".html")
            there = path in ids if is_page else (folder / path).is_file()
            there = there and (not anchor or anchor in ids.get(path, set()))
            found += [] if there else [f"{name}: {target}"]
    return found


# --- the whole folder -----------------------------------------------------------------------------


def test_no_link_of_the_built_folder_is_dead(folder):
    slides = {f"{stem}.slides" for stem in STEMS}
    assert {path.stem for path in folder.glob("*.html")} == {*STEMS, *slides, *DOCUMENTS}
    html = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    links = {name: targets(words) for name, words in html.items()}
    ids = {name: anchors(words) for name, words in html.items()}
    assert dead(links, ids, folder) == []
    ids.pop(f"{STEMS[1]}.html")
    assert dead(links, ids, folder)


def test_previous_and_next_lead_through_all_lessons_and_back(folder, reader):
    names = ["index", *STEMS]
    for before, name, after in zip(["", *names], names, [*names[1:], ""], strict=False):
        html = (folder / f"{name}.html").read_text(encoding="utf-8")
        ways = dict(re.findall(r'<a href="(\S+)\.html" rel="(prev|next)"', html))
        assert ways == {way: rel for way, rel in ((before, "prev"), (after, "next")) if way}
        assert f"lab notebooks/{STEMS[0] if name == 'index' else name}.ipynb</code>" in html
        here = re.findall(r'<a [^>]*aria-current="page"[^>]*>', html)
        assert name == "index" or any(f'title="{int(name[:2])} · ' in one for one in here), here
    page = reader.open(folder / "index.html")
    page.locator("a[rel=next]").click()
    page.wait_for_url(f"**/{SMALL}.html")
    expect(page.locator(".inm-top a[aria-current=page]")).to_have_attribute(
        "title", re.compile(r"^0 · ")
    )
    page.locator("a[rel=prev]").click()
    page.wait_for_url("**/index.html")
    page.get_by_role("link", name="Guide", exact=True).click()
    expect(page.locator("h1")).to_have_text(re.compile("Teaching the course"))


def test_the_sections_stand_at_the_side_and_fold_in_a_narrow_window(folder, reader):
    path = folder / f"{STEMS[1]}.html"
    page = reader.open(path)
    sections = page.get_by_role("navigation", name="Sections").locator("a")
    told = [" ".join(words.split()) for words in sections.all_text_contents()]
    headings = page.locator("main h2").all_text_contents()
    assert told == [" ".join(words.rstrip("¶").split()) for words in headings] and len(told) > 5
    here = page.locator(".inm-sections a[aria-current=location]")
    expect(here).to_have_count(0)
    sections.nth(4).click()
    expect(page.locator("main h2").nth(4)).to_be_in_viewport()
    expect(page.locator("main h2").nth(0)).not_to_be_in_viewport()
    expect(here).to_have_text(told[4])
    page.mouse.move(800, 400)
    page.mouse.wheel(0, -600)
    expect(here).to_have_text(told[3])
    to_the_end(page)
    expect(here).to_have_text(told[-1])
    expect(here).to_be_in_viewport()
    page.set_viewport_size({"width": 390, "height": 900})
    expect(sections.first).not_to_be_visible()
    assert page.evaluate("window.shifts.length") == 0


def to_the_end(page: Page) -> None:
    """Press End until nothing is below: a page is longer once what came into sight is drawn."""
    rest = "document.documentElement.scrollHeight - innerHeight - scrollY"
    for _ in range(50):
        page.keyboard.press("Control+End")
        page.wait_for_timeout(100)
        if page.evaluate(rest) < 2:
            return
    raise AssertionError("the page has no end")


def test_a_lesson_is_read_with_a_thumb_from_section_to_section(folder, reader):
    path, phone = folder / f"{STEMS[1]}.html", {"has_touch": True, "is_mobile": True}
    phone["reduced_motion"] = "reduce"  # the picture is of what stays
    page = reader.open(path, viewport={"width": 390, "height": 760}, **phone)
    sections = page.get_by_role("navigation", name="Sections")
    expect(sections.locator("a").first).not_to_be_visible()
    sections.locator("summary").tap()
    sections.get_by_role("link", name="View or snapshot", exact=False).first.tap()
    film = page.locator(".inm-memory").first
    film.get_by_role("button", name="First frame").tap()
    expect(film.locator(".inm-memory-changed")).to_have_count(0)
    film.get_by_role("button", name="Forward").tap()
    expect(film.get_by_role("status")).to_contain_text("other numbers in A, B, C, D")
    film.evaluate("node => scrollBy(0, node.getBoundingClientRect().top - 60)")
    picture(page, "phone")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_front_page_guide_and_readme_fit_every_width_and_stand_still(folder, reader, name):
    path = folder / f"{name}.html"
    assert path.stat().st_size < MOST_BYTES
    page = reader.open(path, WIDTHS[0])
    seen = page.evaluate(READ)
    assert (seen["waiting"], seen["empty"], seen["sideways"]) == (0, 0, 0), seen
    assert seen["shifted"] < MOST_SHIFTED, seen
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(TOO_WIDE) == [], width


def test_the_player_of_the_front_page_plays(folder, reader):
    page = reader.open(folder / "index.html", reduced_motion="reduce")
    player = page.locator(".inm-player")
    player.get_by_role("button", name="Next change").click()
    player.get_by_role("button", name="Next change").click()
    expect(player.get_by_role("group", name="Local names")).to_contain_text("weight")
    page.evaluate("scrollTo(0, 0)")
    picture(page, "site")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_axe_finds_nothing_of_any_weight(folder, reader, name):
    page = reader.open(folder / f"{name}.html", 390)
    page.evaluate(READ)
    assert faults_in_both_schemes(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert faults(page, ".inm-around") == []


# What a lesson says and shows is looked at in test_pages.py, for each lesson.
def test_axe_finds_nothing_around_a_lesson_in_a_wide_window(folder, reader):
    assert faults(reader.open(folder / f"{SMALL}.html"), ".inm-around") == []


def without_mark(html: str) -> str:
    """What stands in the site without what it was made of."""
    html, found = re.subn(r"\n?<meta[^>]*inm-made-of[^>]*>", "", html)
    assert found == 1
    return html


def without_navigation(html: str) -> str:
    """A page of the site, its mark taken away, as it would be alone."""
    for start, end in (
        ("\n/* What a page of the whole course", "</style>"),
        ('\n<header class="inm-around', "</header>"),
        ('\n<footer class="inm-around', "</footer>"),
    ):
        before, found, rest = html.partition(start)
        assert found, start
        html = before + ("\n</style>" if end == "</style>" else "") + rest.partition(end)[2]
    return html


def test_any_web_server_can_serve_the_folder(folder, browser):
    handler = partial(QuietHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}/"
    asked: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(here)
    expect(page.locator(".inm-player")).to_be_visible()
    page.locator("a[rel=next]").click()
    expect(page.locator(".inm-map").first).to_be_visible()
    page.close()
    server.shutdown()
    server.server_close()
    assert len(asked) > 1 and all(url.startswith((here, "blob:", "data:")) for url in asked)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.html")}


def test_each_lesson_is_run_once_and_told_of_and_a_second_call_makes_nothing(folder, pages, capsys):
    told = pages.told()
    for name in (*STEMS, "index"):
        assert len(re.findall(rf"^  {name}\.html +run, ", told, re.MULTILINE)) == 1, told
    before = times(folder)
    capsys.readouterr()
    assert main([str(folder)]) == 0
    again = capsys.readouterr()
    assert again.out.count("unchanged") == len(STEMS) + len(DOCUMENTS)
    assert times(folder) == before and again.err == ""


# --- a small course -------------------------------------------------------------------------------


def lesson(root: Path, name: str, code: str) -> None:
    cells = [new_markdown_cell(f"# {name}", id="title"), new_code_cell(code, id="cell")]
    nbformat.write(new_notebook(cells=cells, metadata=METADATA), root / "notebooks" / name)


def made(root: Path, folder: Path) -> dict[str, str]:
    """The first word of what is told of each page that is not unchanged."""
    told = {name: words.split(",")[0].splitlines()[0] for name, words, _ in build(root, folder)}
    return {name: words for name, words in told.items() if words != "unchanged"}


WITH_A_VIEW = """\
import torch
from helpers import StateMap

StateMap(torch.nn.Linear(2, 2, device="meta"))"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, str]]:
    """README of this course, a guide of one line, and two lessons of one cell; its site, and what
    was told when it was made.
    """
    root = tmp_path_factory.mktemp("small") / "course"
    (root / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "README.md", root)
    (root / "notebooks" / "TEACHING.md").write_text("# Teaching the course\n", encoding="utf-8")
    lesson(root, "00_first.ipynb", WITH_A_VIEW)
    lesson(root, "01_second.ipynb", "print(6 * 8)")
    folder = root.parent / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", warm_kernels.path_with(ROOT))
        return root, folder, made(root, folder)


@pytest.fixture
def course(small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A copy of the small course, and of its site."""
    monkeypatch.setenv("PYTHONPATH", warm_kernels.path_with(ROOT))
    for one in small[:2]:
        shutil.copytree(one, tmp_path / one.name)
    return tmp_path / "course", tmp_path / "site"


def test_only_what_has_changed_is_made_again(small, course):
    root, folder = course
    ours = {"00_first.html": "run", "01_second.html": "run", "index.html": "run"}
    assert small[2] == ours | dict.fromkeys(["README.html", "TEACHING.html"], "written")
    assert "48" in (folder / "01_second.html").read_text(encoding="utf-8")
    assert made(root, folder) == {}

    lesson(root, "01_second.ipynb", "print(6 * 9)")
    before = times(folder)
    assert made(root, folder) == {"01_second.html": "run"}
    assert "54" in (folder / "01_second.html").read_text(encoding="utf-8")
    changed = {name for name, at in times(folder).items() if at != before[name]}
    assert changed == {"01_second.html", "01_second.slides.html"}

    lesson(root, "01_second.ipynb", "raise ValueError('of no use')")
    told = {name: (words, well) for name, words, well in build(root, folder)}
    assert "ValueError: of no use" in told["01_second.html"][0] and not told["01_second.html"][1]
    assert "54" in (folder / "01_second.html").read_text(encoding="utf-8")


def test_the_page_of_a_lesson_that_is_no_more_goes_and_a_page_of_others_stays(course):
    root, folder = course
    (folder / "mine.html").write_text("<p>mine</p>")
    lesson(root, "00_first.ipynb", "print(6 * 7)")
    (root / "notebooks" / "01_second.ipynb").unlink()
    told = made(root, folder)
    for name in ("01_second.html", "01_second.slides.html"):
        assert told[name] == "removed" and not (folder / name).exists()
    assert (folder / "mine.html").exists()
    assert "01_second" not in (folder / "00_first.html").read_text(encoding="utf-8")


def test_what_is_made_alone_is_what_the_site_has_but_for_navigation(small, tmp_path):
    root, folder, _ = small
    alone = made_alone(root / "notebooks" / "00_first.ipynb", tmp_path)
    page, slides = (alone[kind].read_text(encoding="utf-8") for kind in ("html", "slides"))
    of_site = without_mark((folder / "00_first.html").read_text(encoding="utf-8"))
    assert page.count("data-inm-view=") == slides.count("data-inm-view=") == 1
    assert without_navigation(of_site).split() == page.split()
    of_site = without_mark((folder / "00_first.slides.html").read_text(encoding="utf-8"))
    assert of_site.split() == slides.split()


def test_a_folder_without_lessons_is_refused(tmp_path):
    (tmp_path / "notebooks").mkdir()
    with pytest.raises(FileNotFoundError, match="no lesson in"):
        list(build(tmp_path, tmp_path / "site"))
