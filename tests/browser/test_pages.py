"""The lessons as pages: opened from disk in a browser without a network, and used to the end.

The lessons are pages of the site that the README's command makes. A view alone is put onto a page
by the same templates, from what it gives while nbconvert runs."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect
from torch import nn

from helpers import (
    CheckpointTable,
    MemoryMap,
    OutcomeTable,
    ParameterWays,
    Placement,
    Playground,
    Redraw,
    StateMap,
    TracePlayer,
    VisibilityTable,
    check,
    compare,
    compare_checkpoint,
    plots,
    quiz,
    trace,
)
from helpers.exercises.engine import all_exercises
from helpers.exercises.placement import placing_questions
from helpers.exercises.questions import all_questions
from helpers.tracing.trials import grid, run
from helpers.views.outcome_table import outcome_in_words
from helpers.views.page import WANTED
from tests.browser.exported import Reader, faults, faults_in_both_schemes, page_of
from tests.browser.jupyterlab import STRUCK
from tests.notebook_files import lessons

WIDTHS = (390, 768, 1280)
MOST_BYTES = 1_500_000
MOST_SHIFTED = 0.1  # the sum of layout shifts that browsers' makers call good
RICHEST = "04_setattr"
QUESTION = "01-live-view"
HOSTILE = STRUCK + "<!--<script>\u2028"

# Scrolls through the page, as a reader does who goes no faster than the views come, until every
# view was in sight. Where views came, frames are drawn before the next step: Chromium counts as
# shifted what a step and a view together move in one frame, though nobody saw it move.
READ = """async () => {
    const pause = ms => new Promise(done => setTimeout(done, ms));
    const drawn = () => new Promise(requestAnimationFrame);
    const alive = document.getElementsByClassName('inm-is-alive');
    while (document.querySelector('.inm-waits')) await pause(20);
    const isNear = one => one.getBoundingClientRect().top < 2 * innerHeight;
    const near = () => [...document.querySelectorAll('.inm-live:not(.inm-is-alive)')].some(isNear);
    for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
        const before = alive.length;
        scrollTo(0, y);
        await drawn();
        for (let i = 0; i < 100 && near(); i += 1) await pause(20);
        if (alive.length > before) for (let i = 0; i < 2; i += 1) await drawn();
    }
    const waiting = () => document.querySelector('.inm-live:not(.inm-is-alive)');
    for (let i = 0; i < 200 && waiting(); i += 1) await pause(50);
    return {
        waiting: document.querySelectorAll('.inm-live:not(.inm-is-alive)').length,
        empty: Array.from(document.querySelectorAll('[data-inm-view]'))
            .filter(one => !one.querySelector('.inm')).length,
        unseen: Array.from(document.querySelectorAll('[data-inm-view]'))
            .filter(one => !one.closest('details:not([open])') && one.clientHeight < 20).length,
        alive: alive.length,
        sideways: document.documentElement.scrollWidth - innerWidth,
        shifted: window.shifts.reduce((sum, one) => sum + one, 0),
    };
}"""


# What makes the page scroll sideways: of what reaches beyond the window the innermost.
TOO_WIDE = """async () => {
    for (let i = 0; i < 2; i += 1) await new Promise(requestAnimationFrame);
    const root = document.documentElement;
    if (root.scrollWidth <= innerWidth) return [];
    const beyond = one => one.getBoundingClientRect().right > innerWidth + 1;
    return Array.from(document.querySelectorAll('main *'))
        .filter(one => beyond(one) && !Array.from(one.children).some(beyond))
        .map(one => one.outerHTML.slice(0, 200)).slice(0, 5);
}"""


# What the Tab key stops at though there is nothing to do there: what is no control, holds none, and
# is not scrolled.
IDLE_STOPS = """() => Array.from(document.querySelectorAll("main [tabindex='0']"))
    .filter(one => one.matches('.jp-Cell *, .jp-Cell') && !one.closest('.inm')
        && one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight)
    .map(one => one.outerHTML.slice(0, 120)).slice(0, 5)"""


# What is seen on paper after the views were used: as many still faces as there are, and no view.
PRINTED = """() => {
    const seen = name => [...document.querySelectorAll(name)].filter(one => one.checkVisibility());
    return [seen('.inm-still').length, seen('.inm').length];
}"""

# --- the lessons ----------------------------------------------------------------------------------


@dataclass
class Seen:
    """What the page of one lesson was, opened from disk on a phone and read to its end: what READ
    tells, what was `too_wide` for each width, the `idle_stops` of the Tab key, the `faults` that
    axe-core found, what was `printed` then, and what it asked a network for or got wrong.
    """

    path: Path
    read: dict
    too_wide: dict[int, list[str]]
    idle_stops: list[str]
    faults: list[str]
    printed: list[int]
    asked: list[str]
    problems: list[str]


@pytest.fixture(scope="module", params=[path.stem for path in lessons()])
def seen(request: pytest.FixtureRequest, browser: Browser, pages, tmp_path_factory) -> Seen:
    path, reading = pages.page(request.param), Reader(browser, tmp_path_factory.mktemp("read"))
    page = reading.open(path, WIDTHS[0])
    told, too_wide = page.evaluate(READ), {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        too_wide[width] = page.evaluate(TOO_WIDE)
    idle_stops = page.evaluate(IDLE_STOPS)
    # The sheets are the same for all: in the dark one lesson is looked at, that of most views.
    found = (faults_in_both_schemes if request.param == RICHEST else faults)(page)
    page.emulate_media(media="print")
    printed = page.evaluate(PRINTED)
    reading.close()
    asked, problems = reading.asked, reading.problems
    return Seen(path, told, too_wide, idle_stops, found, printed, asked, problems)


def test_a_lesson_is_one_file_that_asks_no_network(seen):
    assert seen.path.stat().st_size < MOST_BYTES
    elsewhere = r"""<(?:script|link|img)[^>]+(?:src|href)=["']?https?:"""
    assert not re.search(elsewhere, seen.path.read_text(encoding="utf-8"))
    assert (seen.asked, seen.problems) == ([], [])


def test_every_view_of_a_lesson_comes_alive_and_nothing_shifts(seen):
    assert seen.read["alive"] > 0
    assert [seen.read[name] for name in ("waiting", "empty", "unseen")] == [0, 0, 0], seen.read
    assert seen.read["shifted"] < MOST_SHIFTED


def test_a_lesson_fits_every_width(seen):
    assert seen.too_wide == dict.fromkeys(WIDTHS, [])


def test_the_tab_key_stops_only_where_there_is_something_to_do(seen):
    assert seen.idle_stops == []


def test_axe_finds_nothing_on_a_lesson(seen):
    assert seen.faults == []


def test_on_paper_the_still_faces_stand_even_after_the_views_were_used(seen):
    assert seen.printed == [seen.read["alive"], 0]


def test_the_code_of_a_kind_of_view_comes_once_a_page(pages):
    html = pages.page("04_setattr").read_text(encoding="utf-8")
    keys = re.findall(r'data-inm-module="(\w+)"', html)
    used = re.findall(r'data-inm-view="(\w+)"', html)
    assert len(keys) == len(set(keys)) and set(used) == set(keys) and len(used) > 2 * len(keys)


def test_a_link_to_a_lesson_leads_to_its_page(pages, reader):
    page = reader.open(pages.page("04_setattr"))
    page.locator("a[href^='05_save_and_load.html']").first.click()
    expect(page.locator("h1")).to_contain_text("5 ·")
    assert page.locator("a[href*='.ipynb']").count() == 0


# --- one view alone -------------------------------------------------------------------------------


def card(page: Page):
    return page.locator(".inm-quiz")


def test_an_answered_question_is_remembered_and_forgotten_with_one_click(reader):
    answer = all_questions()[QUESTION].answer
    page = reader.show(quiz(QUESTION), quiz("01-keys"))
    first = card(page).first
    first.get_by_role("radio").first.focus()
    for _ in range(answer):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(first.get_by_role("status")).to_contain_text("✓ Right")
    stored = "Object.entries({...localStorage})"
    assert page.evaluate(stored) == [["inside-nn-module", f'{{"{QUESTION}":{{"solved":"right"}}}}']]
    page.reload()
    expect(first.get_by_role("status")).to_contain_text("✓ Right")
    expect(first.get_by_role("radio").nth(answer)).to_be_checked()
    expect(card(page).nth(1).get_by_role("status")).to_be_empty()
    page.get_by_role("button", name="Forget my answers").click()
    expect(first.get_by_role("status")).to_be_empty()
    expect(page.locator(".inm-quiz :checked")).to_have_count(0)
    assert page.evaluate(stored) == []
    page.reload()
    expect(first.get_by_role("status")).to_be_empty()


def test_a_question_is_answered_with_a_thumb(reader):
    page = reader.show(quiz(QUESTION), width=390, has_touch=True, is_mobile=True)
    right = all_questions()[QUESTION].answer
    card(page).locator("label").nth((right + 1) % 2).tap()
    page.get_by_role("button", name="Check").tap()
    expect(card(page).get_by_role("status")).to_contain_text("✗ Not quite")
    words, mark = (
        page.locator(f".inm-quiz [data-state] .inm-quiz-{one}") for one in ("text", "mark")
    )
    assert mark.bounding_box()["y"] > words.bounding_box()["y"] + words.bounding_box()["height"] - 2
    card(page).locator("label").nth(right).tap()
    page.get_by_role("button", name="Check").tap()
    expect(card(page).get_by_role("status")).to_contain_text("✓ Right")


def test_the_map_filters_tells_numbers_and_says_what_it_needs_a_kernel_for(reader):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    page = reader.show(StateMap(model))
    page.get_by_label("Filter by name").fill("running_mean")
    page.get_by_role("treeitem", name="running_mean").click()
    details = page.locator(".inm-map-details")
    expect(details).to_contain_text("buffers() gives it")
    page.get_by_role("button", name="Show the first numbers").click()
    expect(details.locator("pre")).to_contain_text("0  0")
    page.get_by_label("Filter by name").fill("")
    page.get_by_role("treeitem", name="1, submodule, BatchNorm1d").click()
    expect(details).to_contain_text("buffer elements")
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator(".inm-map").get_by_role("status")).to_contain_text("Run the lesson to")


def test_a_model_of_hundreds_of_modules_is_there_as_a_whole(reader):
    page = reader.show(StateMap(nn.Transformer(device="meta", batch_first=True)))
    page.get_by_label("Filter by name").fill("decoder.layers.5.linear2.weight")
    page.get_by_role("treeitem", name="weight").click()
    expect(page.locator(".inm-map-details")).to_contain_text("512 × 2048")


def test_the_ways_to_read_parameters_switch(reader):
    page = reader.show(ParameterWays(nn.Sequential(nn.Linear(2, 2))))
    heads = page.locator(".inm-ways thead")
    expect(heads).to_contain_text("generator, 2 pairs")
    page.get_by_label("recurse").uncheck()
    expect(heads).to_contain_text("generator, 0 pairs")
    page.get_by_label("prefix").fill("net")
    expect(heads).to_contain_text('prefix="net"')


def traced(value: object):
    module = nn.Module()
    module.register_buffer("x", torch.zeros(2))
    with trace(module) as steps:
        try:
            module.x = value
        except TypeError:
            pass
    return steps


def test_the_player_steps_from_the_keyboard(reader):
    page = reader.show(TracePlayer(traced(torch.ones(2))))
    page.get_by_role("button", name="Forward", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".inm-player-count")).to_contain_text("2 /")
    page.keyboard.press("End")
    count = page.locator(".inm-player-count").inner_text().split(" / ")
    assert count[0] == count[1] != "1"


def test_two_traces_stand_under_the_words_that_part_them(reader):
    pair = compare(traced(torch.ones(2)), traced(3))
    page = reader.show(pair)
    expect(page.locator(".inm-alive")).to_contain_text(pair.words)
    assert page.locator(".inm-alive .inm-player").count() >= 1


def test_an_advice_is_applied_and_the_filter_finds_without_a_kernel(reader):
    model = nn.Linear(2, 2)
    saved = {f"module.{key}": value for key, value in model.state_dict().items()}
    page = reader.show(CheckpointTable(compare_checkpoint(model, saved)))
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".inm-fit-title")).to_contain_text("loads strictly; 2 matched")
    expect(page.locator(".inm-fit del")).to_have_text(["module.", "module."])
    page.get_by_label("filter").fill("bias")
    expect(page.locator(".inm-fit-body .inm-fit-row")).to_have_count(1)


def test_who_sees_what_is_asked_and_told_without_a_kernel(reader):
    page = reader.show(VisibilityTable(nn.Linear(2, 2)).predict())
    page.get_by_role("button", name="weight, parameters()").click()
    page.get_by_role("button", name="Reveal").click()
    expect(page.locator(".inm-grid .inm-status")).to_contain_text("10 right")


def test_the_playground_tells_what_python_tells_and_shows_its_film(reader, tmp_path):
    page = reader.show(Playground())
    assert (tmp_path / "page.html").stat().st_size < 1_000_000
    menus = {name: page.get_by_label(name) for name in ("value", "home", "route")}
    words = page.locator(".inm-outcome")
    for value, home, route in (
        ("number", "parameter", "setattr"),
        ("Tensor", "buffer", "register_buffer"),
        ("Module", "nowhere", "add_module"),
    ):
        for name, choice in (("value", value), ("home", home), ("route", route)):
            menus[name].select_option(choice)
        outcome = run(value, home, route)
        expect(words).to_have_text(outcome_in_words(outcome))
        expect(page.locator(".inm-player-count")).to_have_text(f"1 / {len(outcome.steps)}")
    menus["route"].select_option("del")
    expect(menus["value"]).to_be_disabled()
    expect(words).to_have_text(outcome_in_words(run("", "nowhere", "del")))
    menus["home"].select_option("submodule")
    menus["route"].select_option("before Module.__init__")
    expect(menus["home"]).to_have_value("nowhere")


def test_a_cell_of_the_table_of_attempts_opens_its_film_without_a_kernel(reader, tmp_path):
    page = reader.show(OutcomeTable(grid()), width=390)
    assert (tmp_path / "page.html").stat().st_size < 400_000
    said = page.locator(".inm-attempts-said:not(:empty)")
    players = page.locator(".inm-attempts .inm-player")
    tables = page.locator(".inm-attempts-route")
    for route, value, home in ((0, "Tensor", "parameter"), (2, "None", "buffer")):
        table = tables.nth(route)
        table.get_by_role("button", name=f"{value}, {home}:").click()
        outcome = run(value, home, ("setattr", "", "register_buffer")[route])
        expect(said).to_contain_text(outcome_in_words(outcome))
        expect(page.locator(".inm-player-count")).to_have_text(f"1 / {len(outcome.steps)}")
        expect(players).to_have_count(1)
        assert page.evaluate(TOO_WIDE) == []
    page.keyboard.press("Escape")
    expect(players).to_have_count(0)
    again = tables.nth(2).get_by_role("button", name="None, buffer:")
    expect(again).to_be_focused()
    again.press("Enter")
    expect(players).to_be_visible()
    again.press("Enter")
    expect(players).to_have_count(0)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        tables.first.locator("[data-look=lost]").first.click()
        expect(players).to_be_visible()
        assert faults(page, "main") == []
        page.get_by_role("button", name="Close").click()


def test_on_paper_the_table_of_attempts_is_the_still_one(reader):
    page = reader.show(OutcomeTable(grid()))
    expect(page.locator(".inm-attempts")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".inm-attempts")).to_be_hidden()
    expect(page.locator(".inm-outcomes table").first).to_be_visible()


def curve(value: int):
    if value == 3:
        raise ValueError("<i>no such run</i>")
    values = {"a": [0, value]}
    return plots.curves(values, kinds={"a": "buffer"}, title=f"Up to {value}", x="step", y="m")


def test_the_slider_shows_each_figure(reader):
    page = reader.show(Redraw(curve, label="height", values=[1, 2, 3], start=1))
    page.get_by_role("slider", name="height").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_alt_text("Up to 2", exact=True)).to_be_visible()
    page.keyboard.press("End")
    expect(page.get_by_text("ValueError: <i>no such run</i>")).to_be_visible()


def test_the_hints_of_an_exercise_are_asked_for_one_by_one(reader):
    page = reader.show(check("1.2", ...))
    hints = all_exercises()["1.2"].hints
    for number, _ in enumerate(hints, start=1):
        later = page.get_by_text(f"Hint {number + 1} of", exact=False)
        assert later.locator("visible=true").count() == 0
        page.get_by_text(f"Hint {number} of {len(hints)}").locator("visible=true").click()
    shown = page.locator(".inm-alive").inner_text()
    assert all(hint.replace("`", "") in shown for hint in hints)
    assert "Run the lesson to" in shown


def advice(answers: list[int]) -> tuple[str, list[str], list[str]]:
    """What the text file says for `answers`, -1 where there is none: the number of the lesson, what
    is missed and what is open."""
    rows = list(zip(placing_questions(), answers, strict=True))
    left = [(one, answer) for one, answer in rows if answer != one.answer]
    unknown = [one for one, answer in left if answer < 0 or answer >= len(one.options)]
    about = {one.key: one.options[one.answer].why.replace("`", "") for one, _ in left}
    first = str(int(left[0][0].key[3:5])) if left else ""
    missed = [about[one.key] for one, _ in left if one not in unknown]
    return first, missed, [about[one.key] for one in unknown]


def test_the_ten_questions_name_the_first_lesson_that_is_missed_or_open(reader):
    page, chance = reader.show(Placement()), random.Random(0)
    cards, said = page.locator("form.inm-quiz"), page.locator(".inm-quiz-advice")
    answers = [-1] * 10
    expect(said).to_be_empty()
    page.get_by_role("button", name="Where do I begin?").click()
    right = [question.answer for question in placing_questions()]
    for _ in range(30):
        number = chance.randrange(10)
        answers[number] = chance.choice([right[number], chance.randrange(3)])
        cards.nth(number).get_by_role("radio").nth(answers[number]).check()
        lesson, missed, open_ones = advice(answers)
        words = said.inner_text()
        assert f"Begin with lesson {lesson}, " in words
        assert [words.count(about) for about in missed + open_ones] == [1] * len(missed + open_ones)
        place = [words.index(about) for about in missed + open_ones]
        assert place == sorted(place)
        assert ("Worth another look" in words) == bool(missed)
    for number, answer in enumerate(right):
        cards.nth(number).get_by_role("radio").nth(answer).check()
    expect(said).to_contain_text("All ten are right")
    expect(said).to_contain_text("06_clinic")
    cards.nth(4).get_by_text("I don't know").click()
    expect(said).to_contain_text("1 question is open or not known")
    expect(said).to_contain_text("Begin with lesson 3, 03_buffers")


KINDS = ("map", "memory", "ways", "grid", "fit", "player", "playground")


def one_of_each_kind() -> list[object]:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    saved = {f"module.{key}": value for key, value in model.state_dict().items()}
    memory = MemoryMap(model=model, state=model.state_dict())
    memory.note("after", model=model)
    return [
        quiz(QUESTION),
        check("1.2", ...),
        StateMap(model),
        memory,
        ParameterWays(model),
        VisibilityTable(model).predict(),
        CheckpointTable(compare_checkpoint(model, saved)),
        compare(traced(torch.ones(2)), traced(3)),
        Playground(),
        Redraw(curve, label="height", values=[1, 2, 3], start=1),
    ]


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a view of each kind."""
    path = tmp_path_factory.mktemp("kinds") / "page.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WANTED, "1")
        path.write_text(page_of(*one_of_each_kind()), encoding="utf-8")
    return path


def test_axe_finds_nothing_in_any_kind_of_view_and_the_colours_hold_in_the_dark(every_kind, reader):
    page = reader.open(every_kind)
    assert page.evaluate(READ)["alive"] == 10
    assert faults_in_both_schemes(page, "main") == []


def test_every_kind_of_view_is_used_with_a_thumb(every_kind, reader):
    page = reader.open(every_kind, 390, has_touch=True, is_mobile=True)
    seen = page.evaluate(READ)
    assert (seen["waiting"], seen["sideways"]) == (0, 0)
    part = {name: page.locator(f".inm-{name}").first for name in KINDS}
    part["map"].get_by_role("treeitem", name="1, submodule, BatchNorm1d").tap()
    expect(part["map"].locator(".inm-map-details")).to_contain_text("buffer elements")
    part["memory"].get_by_role("button", name="First frame").tap()
    expect(part["memory"].get_by_role("status")).to_contain_text("at first")
    part["ways"].get_by_label("recurse").tap()
    expect(part["ways"].locator("thead")).to_contain_text("generator, 0 pairs")
    part["grid"].get_by_role("button", name="0.weight, parameters()").tap()
    part["grid"].get_by_role("button", name="Reveal").tap()
    expect(part["grid"].locator(".inm-status")).to_contain_text("right")
    part["fit"].get_by_role("button", name="Apply").tap()
    expect(part["fit"].locator(".inm-fit-title")).to_contain_text("loads strictly")
    place = part["player"].get_by_role("slider")
    before = int(place.input_value())
    part["player"].get_by_role("button", name="Forward", exact=True).tap()
    expect(place).to_have_value(str(before + 1))
    part["playground"].get_by_label("value").select_option("number")
    expect(part["playground"].locator(".inm-outcome")).to_contain_text("plain value")
    assert page.evaluate(TOO_WIDE) == []


# --- names of a model are text --------------------------------------------------------------------


def hostile_views() -> list[object]:
    model = type(HOSTILE, (nn.Module,), {})()
    with trace(model) as steps:
        setattr(model, HOSTILE, 3)
    vars(model)["_parameters"][HOSTILE] = nn.Parameter(torch.ones(1))
    fit = compare_checkpoint(model, {HOSTILE: torch.ones(2)})
    return [StateMap(model), ParameterWays(model), TracePlayer(steps), CheckpointTable(fit)]


@pytest.mark.parametrize("scripts", [True, False], ids=["live", "still"])
def test_hostile_names_run_nothing(reader, scripts):
    page = reader.show(*hostile_views(), java_script_enabled=scripts)
    if scripts:
        seen = page.evaluate(READ)
        assert (seen["alive"], seen["empty"]) == (4, 0)
        assert page.evaluate("window.struck") is None
    shown = page.locator(".inm-alive" if scripts else ".inm-still")
    for one in shown.all():
        expect(one).to_contain_text(STRUCK[:40])
        assert one.locator("img, script").count() == 0


def test_without_a_place_to_store_a_question_is_answered_and_not_remembered(reader):
    page = reader.show(quiz(QUESTION))
    page.evaluate("Object.defineProperty(window, 'localStorage', {get() { throw Error('no'); }})")
    card(page).get_by_role("radio").nth(all_questions()[QUESTION].answer).check()
    page.get_by_role("button", name="Check").click()
    expect(card(page).get_by_role("status")).to_contain_text("✓ Right")
