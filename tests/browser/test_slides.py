"""Each lesson as slides: what plain `jupyter nbconvert --to slides` makes of it, in a browser of
1280 by 720.

The page is the converter's own, with its usual addresses. Nothing it asks for reaches a network:
the slide library and its loader come out of packages, in the versions that the page names; jQuery,
MathJax and Mermaid, which no lesson uses, are stand-ins; web fonts are left out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from helpers.exercises.questions import all_questions
from tests.browser.conftest import NO_PACKAGES
from tests.browser.exported import exporter
from tests.browser.jupyterlab import PROJECTOR
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons, read, text

PACKAGES = ("reveal.js@4.0.2", "requirejs@2.1.10")
SCREENSHOTS = ROOT / ".screenshots" / "slides"
ADDRESS = "http://slides.test/lesson.slides.html"
STAND_INS = {
    r"/jquery[^/]*\.js$": "",
    r"/mathjax/.*\.js\?": "window.MathJax = {Hub: "
    "{Config() {}, Queue() {}, getAllJax() {}, Rerender() {}}};",
    r"/mermaid[^/]*\.mjs$": "export default {initialize() {}};",
    r"/css\?family=": "",
}
KINDS = {".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript"}

# What a slide shows, all its fragments included, and what of it lies outside the slide or is cut
# off inside a box.
LOOK = r"""async () => {
    const sheet = document.querySelector('link[href$="/dist/reveal.css"]');
    const library = sheet.href.replace(/css$/, 'js');
    const Reveal = await new Promise(done => require([library], done));
    const still = document.createElement('style');
    still.textContent = '.reveal * { transition: none !important; }';
    document.head.append(still);
    Reveal.configure({transition: 'none'});
    await document.fonts.ready;
    // A missing picture is told by the console.
    await Promise.all(Array.from(document.images, image => image.decode().catch(() => {})));
    window.Reveal = Reveal;

    const folded = node => {
        const closed = 'details:not([open])';
        for (let box = node.closest(closed); box; box = box.parentElement.closest(closed))
            if (node.closest('summary')?.parentElement !== box) return true;
        return false;
    };
    const outside = (inner, outer) => Math.max(outer.left - inner.left, outer.top - inner.top,
        inner.right - outer.right, inner.bottom - outer.bottom);
    const faults = (slide, stage) => {
        const found = [], range = document.createRange();
        const judge = (box, holder, name) => {
            if (box.width * box.height && outside(box, stage) > 1)
                found.push(`${name}: ${Math.round(outside(box, stage))} pixels off the slide`);
            for (let node = holder; node !== slide; node = node.parentElement) {
                if (getComputedStyle(node).overflow === 'visible') continue;
                const hidden = outside(box, node.getBoundingClientRect());
                const cutter = `${node.tagName}.${node.className}`;
                if (box.width * box.height && hidden > 1)
                    found.push(`${name}: ${Math.round(hidden)} pixels cut off by ${cutter}`);
            }
        };
        const kinds = NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT;
        const nodes = document.createTreeWalker(slide, kinds);
        for (let node; (node = nodes.nextNode());) {
            const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
            if (!element.getClientRects().length || element.closest('aside.notes, style')) continue;
            if (folded(element)) continue;
            if (node === element) {
                if (node.matches('img, table, pre, hr'))
                    judge(node.getBoundingClientRect(), node.parentElement, node.tagName);
                const style = getComputedStyle(node);
                if (style.overflow !== 'visible' && (node.scrollWidth > node.clientWidth + 1
                    || node.scrollHeight > node.clientHeight + 1))
                    found.push(`${node.className}: has to be scrolled`);
            } else for (const word of node.data.matchAll(/\S+/g)) {
                range.setStart(node, word.index);
                range.setEnd(node, word.index + word[0].length);
                for (const box of range.getClientRects()) judge(box, element, word[0]);
            }
        }
        return found.slice(0, 3);
    };
    return Reveal.getSlides().map(slide => {
        const {h, v} = Reveal.getIndices(slide);
        Reveal.slide(h, v);
        slide.querySelectorAll('.fragment').forEach(fragment => fragment.classList.add('visible'));
        const cells = Array.from(slide.querySelectorAll('.jp-Cell:not(aside *)'));
        const stage = document.querySelector('.reveal .slides').getBoundingClientRect();
        return {
            place: [h, v || 0],
            shown: slide === Reveal.getCurrentSlide() && slide.getBoundingClientRect().height > 0,
            cells: cells.map(cell => cell.id.replace('cell-id=', '')),
            words: slide.innerText,
            faults: faults(slide, stage),
        };
    });
}"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of `PACKAGES`, by package and path: "reveal.js@4.0.2/dist/reveal.js"."""
    folder, npm = tmp_path_factory.mktemp("packages"), shutil.which("npm")
    done = npm and subprocess.run(
        [npm, "pack", *PACKAGES, "--fetch-retries=0", "--pack-destination", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if not done or done.returncode:
        words = NO_PACKAGES + (f"\n{done.stderr}" if done else "")
        if os.environ.get("INM_REQUIRE_BROWSER"):
            pytest.fail(words)
        pytest.skip(words)
    files = {}
    for package in PACKAGES:
        with tarfile.open(folder / f"{package.replace('@', '-')}.tgz") as archive:
            for member in filter(tarfile.TarInfo.isfile, archive):
                files[f"{package}/{member.name.partition('/')[2]}"] = archive.extractfile(
                    member
                ).read()
    return files


@dataclass
class Walk:
    """What one lesson showed as slides: `slides` in order, and what it asked for that was not
    there.
    """

    path: Path
    slides: list[dict]
    missing: list[str]
    late: list[str]
    problems: list[str]


def answer(route: Route, html: str, packages: dict[str, bytes]) -> bool:
    """Answer one request of the page from `html`, `packages` or `STAND_INS`; False if none of them
    has it.
    """
    url = route.request.url
    name = re.sub(r".*/require\.js/([\d.]+)/require\.min\.js$", r"requirejs@\1/require.js", url)
    name = re.sub(r".*/(?=reveal\.js@)", "", name)
    if url == ADDRESS:
        route.fulfill(body=html, content_type="text/html; charset=utf-8")
    elif name in packages:
        kind = KINDS.get(Path(name).suffix, "application/octet-stream")
        route.fulfill(body=packages[name], content_type=kind)
    elif body := [body for pattern, body in STAND_INS.items() if re.search(pattern, url)]:
        route.fulfill(
            body=body[0], content_type="text/css" if "family=" in url else "text/javascript"
        )
    else:
        route.abort()
        return False
    return True


def walk(page: Page, path: Path, packages: dict[str, bytes]) -> Walk:
    """Convert the notebook at `path`, open it in `page`, and look at each slide."""
    html, _ = exporter("slides").from_filename(str(path))
    asked, missing, problems = [], [], []
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))

    def serve(route: Route) -> None:
        asked.append(route.request.url)
        if not answer(route, html, packages):
            missing.append(route.request.url)

    page.route("**/*", serve)
    page.goto(ADDRESS)
    page.wait_for_selector(".reveal.ready")
    before = len(asked)
    slides = page.evaluate(LOOK)
    return Walk(path, slides, missing, asked[before:], problems)


def contact_sheet(page: Page, folder: Path, slides: list[dict]) -> None:
    """Write every sixth slide as a picture: enough to see how they look, and cheap."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for number, slide in list(enumerate(slides, start=1))[::6]:
        page.evaluate("([h, v]) => { Reveal.slide(h, v); }", slide["place"])
        page.screenshot(path=folder / f"{number:02}.png")


@pytest.fixture(scope="module", params=lessons(), ids=lambda path: path.stem)
def walked(
    request: pytest.FixtureRequest, browser: Browser, packages: dict[str, bytes]
) -> Iterator[Walk]:
    page = browser.new_page(viewport=PROJECTOR, reduced_motion="reduce")
    found = walk(page, request.param, packages)
    contact_sheet(page, SCREENSHOTS / request.param.stem, found.slides)
    page.close()
    return found


def test_each_slide_shows_what_its_notebook_puts_on_it(walked):
    shown = [cell for slide in walked.slides for cell in slide["cells"]]
    kinds = {
        cell["id"]: cell["metadata"]["slideshow"]["slide_type"]
        for cell in read(walked.path)["cells"]
    }
    assert shown == [cell for cell, kind in kinds.items() if kind not in ("skip", "notes")]
    assert [slide["place"] for slide in walked.slides if not slide["shown"]] == []
    assert len(walked.slides) == sum(kind in ("slide", "subslide") for kind in kinds.values())


def test_nothing_runs_off_a_slide_or_is_cut_off_in_it(walked):
    assert [(slide["cells"], slide["faults"]) for slide in walked.slides if slide["faults"]] == []


def test_a_quiz_comes_before_its_answer(walked):
    quizzes = {
        cell["id"]: found[1]
        for cell in read(walked.path)["cells"]
        if (found := re.search(r'^quiz\("(.+)"\)', text(cell["source"]), re.MULTILINE))
    }
    last_on_slide = {slide["cells"][-1] for slide in walked.slides}
    assert set(quizzes) <= last_on_slide
    words = " ".join(" ".join(slide["words"] for slide in walked.slides).split())
    for key in quizzes.values():
        for option in all_questions()[key].options:
            assert option.why.replace("`", "") not in words


def test_the_console_shows_no_error_and_nothing_is_missing(walked):
    assert walked.missing == []
    assert walked.problems == []


def test_once_open_the_slides_need_no_network(walked):
    assert walked.late == []
