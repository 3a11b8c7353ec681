"""The lessons as slides: what the README's command makes of them, opened from disk in a browser of
1280 by 720 without a network, and shown to the end with the keys that a teacher uses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from helpers.exercises.questions import all_questions
from helpers.views.lesson_slides import GUIDE, questions
from tests.browser.axe import off_the_page
from tests.browser.exported import Reader, faults, faults_in_both_schemes
from tests.browser.jupyterlab import PROJECTOR
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons, read, slide_type, text

MOST_BYTES = 1_500_000
SMALLEST_CODE = 20  # pixels of 720
SHOWN = ".inm-slide.is-shown"

# What the slide on the screen shows when all of it has come, and what of it cannot be seen: it lies
# beside the slide, or is cut off in a box that does not scroll.
LOOK = r"""async () => {
    const slide = document.querySelector('.inm-slide.is-shown');
    const body = slide.querySelector('.inm-slide-body');
    const live = [...slide.querySelectorAll('.inm-live')];
    for (let i = 0; i < 200 && live.some(one => !one.matches('.inm-is-alive')); i += 1)
        await new Promise(done => setTimeout(done, 20));
    for (let i = 0; live.length && i < 2; i += 1) await new Promise(requestAnimationFrame);
    const faults = [], small = [], range = document.createRange();
    const told = node => `${node.tagName}.${node.className}: ${node.textContent.slice(0, 40)}`;
    const scrolls = node => /auto|scroll/.test(getComputedStyle(node).overflow);
    if (body.scrollWidth > body.clientWidth) faults.push('the slide is too wide');
    for (const node of body.querySelectorAll('*')) {
        if (!node.checkVisibility({visibilityProperty: true}) || node.closest('svg')) continue;
        const style = getComputedStyle(node);
        if (/hidden|clip/.test(style.overflow) && style.textOverflow !== 'ellipsis'
            && node.clientHeight > 1
            && (node.scrollWidth > node.clientWidth + 1
                || node.scrollHeight > node.clientHeight + 1))
            faults.push(`cut off: ${told(node)}`);
        const box = node.getBoundingClientRect();
        let holder = node.parentElement;
        while (!scrolls(holder)) holder = holder.parentElement;
        if (holder === body && box.width && (box.left < -1 || box.right > innerWidth + 1))
            faults.push(`beside the slide: ${told(node)}`);
        const holdsWords = [...node.childNodes].some(one => one.nodeType === 3 && one.data.trim());
        if (holdsWords && parseFloat(style.fontSize) < (node.matches('summary') ? 15 : 20))
            small.push(`${style.fontSize}: ${told(node)}`);
        if (/auto|scroll/.test(style.overflowX) && node.scrollWidth > node.clientWidth + 1)
            faults.push(`scrolls sideways: ${told(node)}`);
    }
    return {
        cells: [...slide.querySelectorAll('.jp-Cell:not(aside *)')]
            .map(cell => cell.id.replace('cell-id=', '')),
        notes: [...slide.querySelectorAll('aside.notes')].map(one => one.textContent),
        footer: slide.querySelector('footer').innerText,
        words: body.innerText,
        code: [...slide.querySelectorAll('.jp-InputArea-editor')].map(one => one.textContent),
        taller: body.scrollHeight - body.clientHeight,
        still: live.filter(one => !one.matches('.inm-is-alive')).length,
        empty: [...slide.querySelectorAll('[data-inm-view]')]
            .filter(one => !one.querySelector('.inm')).length,
        played: slide.querySelector('.inm-player, .inm-map') !== null
            && slide.querySelector('.jp-RenderedText') === null,
        unseen: [...slide.querySelectorAll('[data-inm-view]')]
            .filter(one => !one.closest('details:not([open])') && one.clientHeight < 20).length,
        faults: faults.slice(0, 3), small: small.slice(0, 3),
    };
}"""


@pytest.fixture
def room(reader: Reader) -> Callable[..., Page]:
    """Shows a file of slides, at a cell if that is named, as large as a projector does."""

    def show(path: Path, cell: str = "", **settings: object) -> Page:
        return reader.open(path, cell=cell, **{"viewport": PROJECTOR, **settings})

    return show


# The whole lesson, slide by slide: the key that shows all there is, and LOOK once all is shown.
WALK = (
    """async () => {
    const look = LOOK;
    const frame = () => new Promise(requestAnimationFrame);
    const slides = [...document.querySelectorAll('.inm-slide')];
    const at = () => slides.findIndex(one => one.matches('.is-shown'));
    const later = slide => slide.querySelector('.fragment:not(.is-shown)');
    const forward = () => document.activeElement.dispatchEvent(
        new KeyboardEvent('keydown', {key: ' ', bubbles: true}));
    const seen = [];
    for (const [place, slide] of slides.entries()) {
        for (let i = 0; i < 40 && later(slide); i += 1) forward();
        if (at() !== place) throw Error(`slide ${at()} instead of ${place}`);
        seen.push(await look());
        for (let i = 0; i < 40 && at() === place && place < slides.length - 1; i += 1) forward();
    }
    return seen;
}"""
).replace("LOOK", LOOK)


@dataclass
class Walk:
    """What one lesson showed as slides, in order, and what it asked for or got wrong."""

    path: Path
    slides: list[dict]
    asked: list[str]
    problems: list[str]


def number(page: Page) -> int:
    return int(page.locator(".inm-deck-count").inner_text().split(" / ")[0])


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


@pytest.fixture(scope="module", params=lessons(), ids=lambda path: path.stem)
def walked(request: pytest.FixtureRequest, browser: Browser, pages, tmp_path_factory) -> Walk:
    """Each slide of one lesson, reached by the key that shows all there is."""
    path, showing = request.param, Reader(browser, tmp_path_factory.mktemp("walk"))
    page = showing.open(pages.slides(path.stem), viewport=PROJECTOR)
    expect(page.locator(SHOWN)).to_have_count(1)
    slides = page.evaluate(WALK)
    showing.close()
    return Walk(path, slides, showing.asked, showing.problems)


# --- each lesson, to the end ----------------------------------------------------------------------


def test_each_slide_shows_what_its_notebook_puts_on_it(walked):
    shown = [cell for slide in walked.slides for cell in slide["cells"]]
    cells = read(walked.path)["cells"]
    assert shown == [cell["id"] for cell in cells if slide_type(cell) not in ("skip", "notes")]
    starts = {slide["cells"][0] for slide in walked.slides}
    assert {cell["id"] for cell in cells if slide_type(cell) in ("slide", "subslide")} <= starts


def test_nothing_runs_off_a_slide_or_is_cut_off_in_it(walked):
    assert [(slide["cells"], slide["faults"]) for slide in walked.slides if slide["faults"]] == []


def test_every_view_is_alive(walked):
    counts = ("still", "empty", "unseen")
    assert sum(slide[name] for slide in walked.slides for name in counts) == 0


def test_a_player_or_a_map_is_seen_as_a_whole(walked):
    tall = [
        (slide["cells"], slide["taller"])
        for slide in walked.slides
        if slide["played"] and len(slide["cells"]) == 1 and slide["taller"] > 8
    ]
    assert tall == []


def test_all_words_are_large_enough_for_the_last_row(walked):
    assert [(slide["cells"], slide["small"]) for slide in walked.slides if slide["small"]] == []


def test_code_stands_without_its_asserts(walked):
    exercises = {one["id"] for one in read(walked.path)["cells"] if "exercise" in one["metadata"]}
    for slide in walked.slides:
        if not exercises & set(slide["cells"]):
            code = "\n".join(slide["code"])
            assert not re.search(r"^\s*assert\b|raise AssertionError", code, re.MULTILINE), code


def test_a_quiz_comes_before_its_answer(walked):
    quizzes = {
        cell["id"]: found[1]
        for cell in read(walked.path)["cells"]
        if (found := re.search(r'^quiz\("(.+)"\)', text(cell["source"]), re.MULTILINE))
    }
    assert set(quizzes) <= {slide["cells"][-1] for slide in walked.slides}
    words = " ".join(" ".join(slide["words"] for slide in walked.slides).split())
    for key in quizzes.values():
        for option in all_questions()[key].options:
            assert option.why.replace("`", "") not in words


def test_the_footer_names_lesson_and_section(walked):
    section = ""
    title = re.search(r"^# (.+)", text(read(walked.path)["cells"][0]["source"]))[1]
    headings = {
        cell["id"]: found[1]
        for cell in read(walked.path)["cells"]
        if cell["cell_type"] == "markdown"
        and (found := re.search(r"^## (.+)", text(cell["source"]), re.MULTILINE))
    }
    for slide in walked.slides:
        for cell in slide["cells"]:
            section = headings.get(cell, section)
        assert slide["footer"].split("\n")[0] == title.replace("`", "")
        assert section.replace("`", "") in slide["footer"]


def test_what_the_guide_says_to_a_cell_stands_in_the_notes(walked):
    guide = (ROOT / "notebooks" / GUIDE).read_text(encoding="utf-8")
    shown = {cell for slide in walked.slides for cell in slide["cells"]}
    said = [note for note in questions(guide, walked.path.stem) if note[0] in shown]
    noted = " ".join(" ".join(note for slide in walked.slides for note in slide["notes"]).split())
    assert said
    for _, _, words in said:
        plain = " ".join(re.sub(r"[`*]", "", words).split())
        assert plain in noted.replace("*", "")


def test_it_is_one_file_that_asks_no_network(walked, pages):
    page = pages.slides(walked.path.stem)
    assert page.stat().st_size < MOST_BYTES
    elsewhere = r"""<(?:script|link|img)[^>]+(?:src|href)=["']?https?:"""
    assert not re.search(elsewhere, page.read_text(encoding="utf-8"))
    assert (walked.asked, walked.problems) == ([], [])


# --- keys, fingers, paper -------------------------------------------------------------------------


def test_inside_a_view_keys_belong_to_the_view_and_escape_gives_them_back(pages, room):
    page = room(pages.slides("04_setattr"), "getattr-player")
    here, count = number(page), page.locator(f"{SHOWN} .inm-player-count")
    page.locator(SHOWN).get_by_role("button", name="Forward", exact=True).focus()
    press(page, "ArrowRight", "ArrowRight")
    expect(count).to_contain_text("3 /")
    press(page, "Home", "ArrowRight")
    expect(count).to_contain_text("2 /")
    assert number(page) == here
    press(page, "Escape")
    expect(page.locator(f"{SHOWN} .inm-slide-body")).to_be_focused()
    assert page.locator(".inm-contents[open]").count() == 0
    press(page, "End", "Home")
    assert number(page) == 1
    expect(count).not_to_be_visible()


def test_what_is_typed_into_a_view_is_no_key_of_the_deck(pages, room):
    page = room(pages.slides("01_state_dict"), "map-two-layer")
    here = number(page)
    page.locator(SHOWN).get_by_label("Filter by name").click()
    page.keyboard.type("s bias")
    page.locator(SHOWN).get_by_label("Filter by name").fill("layer2.bias")
    page.locator(SHOWN).get_by_role("treeitem", name="bias").click()
    expect(page.locator(f"{SHOWN} .inm-map-details")).to_contain_text("parameters() gives it")
    assert number(page) == here and len(page.context.pages) == 1
    press(page, "Escape")
    expect(page.locator(f"{SHOWN} .inm-slide-body")).to_be_focused()
    press(page, "Escape")
    expect(page.locator(".inm-contents")).to_be_visible()


def test_a_question_is_answered_on_its_slide(pages, room):
    page = room(pages.slides("01_state_dict"), "keys-quiz")
    here = number(page)
    page.locator(f"{SHOWN} .inm-quiz-option").nth(all_questions()["01-keys"].answer).click()
    press(page, "Enter")
    expect(page.locator(SHOWN).get_by_role("status")).to_contain_text("✓ Right")
    assert number(page) == here


def test_the_playground_plays_on_its_slide(pages, room):
    page = room(pages.slides("04_setattr"), "playground-cell")
    page.locator(SHOWN).get_by_label("value").select_option("number")
    page.locator(SHOWN).get_by_label("home").select_option("parameter")
    expect(page.locator(f"{SHOWN} .inm-outcome")).to_contain_text("TypeError")


def test_the_keys_of_the_deck(pages, room):
    page = room(pages.slides("01_state_dict"))
    total = page.locator(".inm-slide").count()
    press(page, "PageDown")
    assert number(page) == 2
    press(page, "PageUp")
    assert number(page) == 1
    press(page, "Shift+ArrowRight", "Shift+ArrowRight")
    expect(page.locator(f"{SHOWN} h2")).to_contain_text("Section 2")
    press(page, "Shift+ArrowLeft")
    expect(page.locator(f"{SHOWN} h2")).to_contain_text("Section 1")
    press(page, "End")
    assert number(page) == total
    press(page, "ArrowRight", "Home", "ArrowLeft")
    assert number(page) == 1
    press(page, "Escape")
    page.locator(".inm-contents").get_by_role("link", name="Section 4").click()
    expect(page.locator(f"{SHOWN} h2")).to_contain_text("Section 4")
    here = number(page)
    page.reload()
    expect(page.locator(f"{SHOWN} h2")).to_contain_text("Section 4")
    assert number(page) == here


def test_fragments_come_one_by_one_and_stay_when_one_goes_back(pages, room):
    page = room(pages.slides("01_state_dict"), "mixed-none")
    assert number(page) == 1  # no such cell
    page = room(pages.slides("01_state_dict"), "order")
    here, later = number(page), page.locator(f"{SHOWN} .fragment").first
    expect(later).not_to_be_visible()
    press(page, "ArrowRight")
    expect(later).to_be_visible()
    press(page, "ArrowRight")
    assert number(page) == here + 1
    press(page, "ArrowLeft")
    assert number(page) == here
    expect(later).to_be_visible()
    press(page, "ArrowLeft")
    expect(later).not_to_be_visible()
    page = room(pages.slides("01_state_dict"), "order-predict")
    expect(page.locator(f"{SHOWN} .fragment").first).to_be_visible()


def test_a_tall_slide_is_shown_to_its_end_before_the_next(pages, room):
    page = room(pages.slides("04_setattr"), "grid-cell")
    here = number(page)
    expect(page.locator(".inm-deck-told")).to_have_text("↓ more")
    for _ in range(12):
        if not page.locator(".inm-deck-told").inner_text():
            break
        press(page, " ")
    assert number(page) == here
    last = page.locator(f"{SHOWN} .inm-attempts tr").last
    expect(last).to_be_in_viewport()
    comes_later = page.locator(f"{SHOWN} .fragment:not(.is-shown)")
    while comes_later.count():
        press(page, " ")
        assert number(page) == here
    while page.locator(".inm-deck-told").inner_text():
        press(page, " ")
    assert number(page) == here
    press(page, " ")
    assert number(page) == here + 1


def test_the_speaker_has_the_questions_of_the_guide_in_a_window(pages, room):
    page = room(pages.slides("01_state_dict"), "keys-quiz")
    with page.context.expect_page() as opened:
        press(page, "s")
    notes = opened.value
    expect(notes.locator("aside")).to_contain_text("How many entries?")
    expect(notes.locator("body")).to_contain_text("Next: Now run it.")
    notes.keyboard.press("End")
    total = page.locator(".inm-slide").count()
    expect(page.locator(".inm-deck-count")).to_have_text(f"{total} / {total}")
    expect(notes.locator("body")).not_to_contain_text("How many entries?")
    expect(page.locator(".notes:visible")).to_have_count(0)


def test_a_swipe_turns_the_slide_on_a_phone_and_nothing_is_too_wide(pages, room):
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    page = room(pages.slides("01_state_dict"), **phone)
    fingers = page.context.new_cdp_session(page)
    for kind, x in (("touchStart", 300), ("touchMove", 200), ("touchEnd", None)):
        points = [{"x": x, "y": 200}] if x else []
        if kind == "touchMove":
            points = [{"x": 120, "y": 204}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(page.locator(".inm-deck-count")).to_contain_text("2 /")
    page.get_by_role("button", name="Forward").last.tap()
    expect(page.locator(".inm-deck-count")).to_contain_text("3 /")
    page.get_by_role("button", name="Back").last.tap()
    page.get_by_role("button", name="Back").last.tap()
    expect(page.locator(".inm-deck-count")).to_contain_text("1 /")
    faulty = [(one["cells"], one["faults"]) for one in page.evaluate(WALK) if one["faults"]]
    assert faulty == []


@pytest.mark.parametrize("scripts", [True, False], ids=["after a show", "without scripts"])
def test_on_paper_and_without_scripts_every_slide_stands_in_its_place(pages, room, scripts):
    page = room(pages.slides("04_setattr"), java_script_enabled=scripts)
    page.emulate_media(media="print" if scripts else "screen")
    cells = page.locator(".inm-slide .jp-Cell:not(aside *)")
    expect(page.locator(".inm-slide .jp-Cell:not(aside *):visible")).to_have_count(cells.count())
    expect(page.locator(".inm-still:visible")).to_have_count(page.locator(".inm-still").count())
    expect(page.locator(".inm:visible")).to_have_count(0)
    tops = [cell.bounding_box()["y"] for cell in cells.all()[:20]]
    assert tops == sorted(tops)


@pytest.mark.parametrize(
    ("lesson", "cells"),
    [
        ("00_start_here", "title live-cell"),
        ("04_setattr", "title where-quiz two-cell getattr-player grid-cell recap"),
    ],
)
def test_axe_finds_nothing_on_slides(pages, room, lesson, cells):
    page = room(pages.slides(lesson))
    for number, cell in enumerate(cells.split()):
        page.evaluate(f"location.hash = 'cell-id={cell}'")
        page.evaluate(LOOK)
        with off_the_page(page, ".inm-slide:not(.is-shown)"):
            # Of the dark the colours alone are others: every second slide is asked for them.
            found = faults(page) if number % 2 else faults_in_both_schemes(page)
        assert found == [], cell
