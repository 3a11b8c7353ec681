"""The player in a real JupyterLab: every control, by mouse and by keyboard; the lines, the
containers, the words.
"""

from __future__ import annotations

import re

import pytest
import torch
from playwright.sync_api import Locator, Page, expect
from torch import nn

from helpers import Trace, TracePlayer, trace
from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK

RECORD = """\
import torch
from torch import nn
from helpers import TracePlayer, compare, trace
layer = nn.Linear(2, 3)
layer.register_buffer("scale", torch.ones(3), persistent=False)
with trace(layer) as steps:
    layer.scale = nn.Parameter(torch.ones(3))
"""
SHOW = f"{RECORD}TracePlayer(steps)"
REFUSED = f"""\
{RECORD}try:
    with trace(layer) as steps:
        layer.weight = torch.ones(3)
except TypeError:
    pass
TracePlayer(steps)"""
LOST = """\
import torch
from torch import nn
from helpers import TracePlayer, trace
layer = nn.Module()
layer.register_buffer("scale", torch.ones(3))
result = nn.Parameter(torch.ones(3), requires_grad=False).add_(torch.ones(3, requires_grad=True))
try:
    with trace(layer) as steps:
        layer.scale = result
except ValueError:
    pass
TracePlayer(steps)"""
HOSTILE = f"""\
from torch import nn
from helpers import TracePlayer, trace
layer = nn.Module()
with trace(layer) as steps:
    setattr(layer, {STRUCK!r}, {STRUCK!r})
TracePlayer(steps)"""
COMPARE = f"""\
{RECORD}with trace(layer) as other:
    layer.gain = torch.ones(3)
compare(steps, other)"""
README = """\
import torch
from torch import nn
from helpers import TracePlayer, trace
model = nn.Module()
model.bias = nn.Parameter(torch.zeros(2))
model.register_buffer("weight", torch.ones(2, 3))
model.register_buffer("mean", torch.zeros(3), persistent=False)
model.act = nn.ReLU()
with trace(model) as steps:
    model.weight = nn.Parameter(torch.ones(2, 3))
TracePlayer(steps)"""


def recorded() -> Trace:
    space: dict = {}
    exec(RECORD, space)
    return space["steps"]


def press(page: Page, name: str) -> None:
    # In the player alone: a name is looked for among all there is, and JupyterLab has much.
    page.locator(".inm-player").get_by_role("button", name=name, exact=True).click()


def now(page: Page) -> Locator:
    """The line that runs."""
    return page.locator(".inm-player-line[aria-current=step]")


# What the player shows of a step, asked at once.
SHOWN = """() => {
    const all = (name, within = document) => [...within.querySelectorAll(name)];
    const only = (name, within) => {
        const [one, ...more] = all(name, within);
        if (!one || more.length) throw Error(`${more.length + 1 - !one} of ${name}`);
        return one;
    };
    const words = (name, within) => all(name, within).map(one => one.innerText);
    return {
        slider: only('.inm-player input[type=range]').value,
        count: only('.inm-player-count').innerText,
        lines: all('.inm-player-line[aria-current=step]').map(line => [
            only('.inm-player-number', line).innerText,
            only('.inm-player-code', line).textContent.trim()]),
        calls: words('.inm-player-path code'),
        local: all('.inm-player-locals tr').map(row => words('th, td', row)),
        held: all('.inm-player-box').flatMap(box =>
            all('li:not([data-change=left])', box).map(item =>
                [box.dataset.box, only('code', item).innerText, item.innerText])),
    };
}"""


def place(shown: dict) -> int:
    """The position that the view shows, which its slider and its counter agree on."""
    position = int(shown["slider"])
    assert shown["count"].split(" / ")[0] == f"{position + 1:,}"
    return position


def assert_shows(page: Page, steps: Trace, position: int) -> None:
    """The line, its number, the calls and the local names are those of the step at `position`."""
    step, shown = steps[position], page.evaluate(SHOWN)
    assert place(shown) == position
    assert shown["lines"] == [[str(step.line), step.source]]
    assert shown["calls"] == [name.rpartition("<locals>.")[2] for name in step.stack]
    local = {name: held.words for name, held in step.values.items() if name != "self"}
    assert dict(shown["local"]) == local
    for box, names in (step.after if step.changes else step.before).items():
        items = [(name, words) for where, name, words in shown["held"] if where == box]
        assert [name for name, _ in items] == list(names)
        assert all(
            held.words in words for (_, words), held in zip(items, names.values(), strict=True)
        )


def test_every_control_shows_its_step(lab, notebook):
    steps, page = recorded(), notebook(SHOW)
    changed = [position for position, step in enumerate(steps) if step.changes]
    assert_shows(page, steps, 0)
    for name, position in (
        ("Forward", 1),
        ("Forward", 2),
        ("Back", 1),
        ("Next change", changed[0]),
        ("Next change", changed[1]),
        ("Previous change", changed[0]),
        ("Last step", len(steps) - 1),
        ("Forward", len(steps) - 1),
        ("Previous change", changed[1]),
        ("First step", 0),
        ("Back", 0),
    ):
        press(page, name)
        assert_shows(page, steps, position)
    page.get_by_role("slider", name="Step").fill("7")
    assert_shows(page, steps, 7)
    press(page, "Last step")
    press(page, "Next change")
    expect(page.get_by_role("status")).to_contain_text("no later change")
    press(page, "First step")
    press(page, "Previous change")
    expect(page.get_by_role("status")).to_contain_text("no earlier change")
    for position in range(len(steps)):
        assert_shows(page, steps, position)
        press(page, "Forward")
    assert lab.problems(page) == []


def test_it_plays_to_the_end_and_pauses(notebook):
    steps, page = recorded(), notebook(SHOW)
    status = page.get_by_role("status")
    press(page, "Play")
    expect(status).to_have_attribute("aria-live", "off")
    page.wait_for_function(
        "() => document.querySelector('.inm-player input[type=range]').value >= 2"
    )
    press(page, "Pause")
    expect(status).to_have_attribute("aria-live", "polite")
    stood = place(page.evaluate(SHOWN))
    page.wait_for_timeout(900)
    assert place(page.evaluate(SHOWN)) == stood
    page.get_by_role("slider", name="Step").fill(str(len(steps) - 2))
    press(page, "Play")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert_shows(page, steps, len(steps) - 1)
    press(page, "Play")  # once more from the start
    press(page, "Forward")  # any other control pauses
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert place(page.evaluate(SHOWN)) < 3


def test_the_keyboard_alone_is_enough_and_only_while_the_view_has_the_focus(lab, notebook):
    steps, page = recorded(), notebook(SHOW)
    cells = page.locator(".jp-Notebook-cell").count()
    page.keyboard.press("ArrowRight")  # the focus is elsewhere
    assert place(page.evaluate(SHOWN)) == 0
    page.get_by_role("group", name="Source").focus()
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for key, position in (
        ("ArrowRight", 1),
        ("ArrowDown", 2),
        ("ArrowLeft", 1),
        ("ArrowUp", 0),
        ("End", len(steps) - 1),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        assert_shows(page, steps, position)
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press("Home")
    page.get_by_role("button", name="Forward", exact=True).focus()
    page.keyboard.press("Space")  # a button keeps its own Space
    assert place(page.evaluate(SHOWN)) == 1
    page.get_by_role("slider", name="Step").focus()
    for key, position in (
        ("ArrowRight", 2),
        ("ArrowUp", 3),
        ("ArrowDown", 2),
        ("End", len(steps) - 1),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        assert_shows(page, steps, position)
    for key in "adx":  # commands of JupyterLab for cells
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook-cell").count() == cells
    assert lab.problems(page) == []


def signs(page: Page) -> dict[str, str]:
    """The sign before each line of the source that is shown, by its text; the first of several with
    one text.
    """
    return page.evaluate(
        """() => Object.fromEntries(
            [...document.querySelectorAll('.inm-player-line')].reverse().map(line => [
            line.querySelector('.inm-player-code').textContent.trim(),
            getComputedStyle(line.querySelector('.inm-player-gutter'), '::before').content
            .replaceAll('"', '').replace('none', '')]))"""
    )


def test_lines_that_run_ran_and_never_run_are_told_apart_by_sign_and_by_colour(notebook):
    page = notebook(SHOW)
    for _ in range(3):
        press(page, "Forward")
    found = signs(page)
    assert found['params = self.__dict__.get("_parameters")'] == "✓"
    assert found["if params is None:"] == "▶"
    assert found["remove_from("] == found["self.register_parameter(name, value)"] == ""  # to come
    assert found["modules[name] = value"] == found["super().__setattr__(name, value)"] == "–"
    colours = page.evaluate(
        """() => {
            const lines = [...document.querySelectorAll('.inm-player-code')];
            return ['remove_from(', 'super().__setattr__(name, value)'].map(text =>
                getComputedStyle(lines.find(one => one.textContent.trim() === text)).color); }"""
    )
    assert colours[0] != colours[1]
    notes = page.locator(".inm-player-line", has_text="isinstance(value, Parameter)").locator(
        ".inm-player-note"
    )
    expect(notes).to_have_text("True")
    press(page, "First step")
    expect(notes).to_have_text("")  # it is not decided yet
    expect(page.locator(".inm-player-note:not(:empty)")).to_have_count(0)


def test_the_way_not_taken_looks_like_what_is_to_come_until_its_test_has_run(notebook):
    page, steps = notebook(SHOW), recorded()
    asked = next(one.step for one in steps.decisions if "Parameter" in one.condition)
    assert asked > 0
    for _ in range(asked):
        assert "–" not in signs(page).values()
        expect(page.locator(".inm-player-bracket")).to_be_hidden()
        press(page, "Forward")
    found = signs(page)
    assert found["modules[name] = value"] == "–"  # dimmed with the test
    assert found['"cannot assign parameters before Module.__init__() call"'] == ""  # not asked yet
    press(page, "Forward")
    assert signs(page)['"cannot assign parameters before Module.__init__() call"'] == "–"


def test_a_bracket_goes_from_the_outcome_around_what_the_test_guards(notebook):
    page, bracket = notebook(SHOW), ".inm-player-bracket"
    ends = """() => ['.inm-player-line[aria-current] .inm-player-note', '.inm-player-bracket'].map(
        name => document.querySelector(name).getBoundingClientRect())"""
    filled = "node => getComputedStyle(node).backgroundColor"
    for _ in range(2):
        press(page, "Forward")
    grounds = []
    for outcome, last in (("True", "self.register_parameter(name, value)"), ("False", ")")):
        expect(page.locator(bracket)).to_have_attribute("data-outcome", outcome)
        pill, drawn = page.evaluate(ends)
        assert drawn["left"] == pytest.approx(pill["right"], abs=1)
        assert pill["top"] < drawn["top"] < pill["bottom"]
        rows = page.locator(".inm-player-line")
        texts = [text.strip() for text in rows.locator(".inm-player-code").all_inner_texts()]
        start = next(i for i, text in enumerate(texts) if text.startswith("if isinstance(value"))
        end = rows.nth(texts.index(last, start)).bounding_box()
        assert drawn["bottom"] == pytest.approx(end["y"] + end["height"], abs=1)
        grounds.append(now(page).locator(".inm-player-note").evaluate(filled))
        press(page, "Forward")
    assert grounds[0] != grounds[1] == "rgba(0, 0, 0, 0)"


def test_what_a_line_changes_is_marked_and_told_in_words(notebook):
    page = notebook(SHOW)
    status = page.get_by_role("status")
    press(page, "Next change")
    gone = page.locator(".inm-player-box[data-box=_buffers] li")
    expect(gone).to_have_attribute("data-change", "left")
    expect(gone).to_have_text("○scale Tensor, 3, float32left")
    expect(status).to_have_text(
        "remove_from, line "
        + now(page).locator(".inm-player-number").inner_text()
        + ": del d[name] → scale left _buffers"
    )
    press(page, "Forward")
    expect(page.locator(".inm-player-box[data-box=_buffers]")).to_contain_text("empty")
    press(page, "Last step")
    came = page.locator(".inm-player-box[data-box=_parameters] li[data-change=came]")
    expect(came).to_have_text("■scale Parameter, 3, float32came in")
    expect(status).to_contain_text("→ scale came into _parameters")


def test_the_picture_of_the_readme_shows_a_parameter_that_takes_over_the_name_of_a_buffer(notebook):
    page = notebook(README)
    press(page, "Next change")
    for question, answer in (
        ("isinstance(value, Parameter)", "True"),
        ("if params is None", "False"),
    ):
        line = page.locator(".inm-player-line", has_text=question)
        expect(line.locator(".inm-player-note")).to_have_text(answer)
    expect(page.get_by_role("status")).to_contain_text("del d[name] → weight left _buffers")
    expect(page.locator(".inm-player-box[data-box=_buffers] li").last).to_have_attribute(
        "data-change", "left"
    )
    jupyterlab.picture(page.locator(".inm-player"), "trace_player")
    press(page, "Last step")
    expect(page.locator(".inm-player-box[data-box=_parameters] li").last).to_contain_text("came in")


def test_a_name_that_comes_in_is_seen_to_move_unless_the_reader_wants_no_motion(notebook):
    page = notebook(SHOW)
    moving = """() => document.querySelector('.inm-player li[data-change=came]')
        .getAnimations().map(one => one.effect.getKeyframes()[0].transform)"""
    press(page, "Last step")
    assert page.evaluate(moving) == []
    page.emulate_media(reduced_motion="no-preference")
    press(page, "First step")
    press(page, "Last step")
    (start,) = page.evaluate(moving)
    page.emulate_media(reduced_motion="reduce")
    across, down = (float(one) for one in re.findall(r"-?[\d.]+", start))
    assert across > 40 and down > 20  # from the tray, a distance that is seen


def test_between_its_two_containers_a_name_is_in_hand(notebook):
    page, steps = notebook(SHOW), recorded()
    left, *_, came = (position for position, step in enumerate(steps) if step.changes)
    tray, slider = page.locator(".inm-player-tray"), page.get_by_role("slider", name="Step")
    assert came - left > 10
    for position in range(left - 1, came + 1):
        slider.fill(str(position))
        held = ["scale"] if left <= position < came else []
        assert tray.locator("li code").all_inner_texts() == held, position
    boxes = page.locator("[data-box]").evaluate_all("all => all.map(one => one.dataset.box)")
    assert boxes.index("_parameters") + 1 == boxes.index("in hand") == boxes.index("_buffers") - 1


def test_the_container_that_a_line_speaks_of_is_lit(notebook):
    page, steps = notebook(SHOW), recorded()
    lit, walked = page.locator("[data-lit]"), []
    slider = page.get_by_role("slider", name="Step")
    for position, step in enumerate(steps):
        if step.source == "if name in d:":
            slider.fill(str(position))
            walked += lit.evaluate_all("all => all.map(one => one.dataset.box)")
    # As torch hands them to remove_from.
    assert walked == ["__dict__", "_buffers", "_modules", "_non_persistent_buffers_set"]
    shadow = "node => getComputedStyle(node).boxShadow"
    assert lit.evaluate(shadow) != page.locator("[data-box=_parameters]").evaluate(shadow)
    press(page, "First step")
    expect(lit).to_have_count(0)


def test_a_name_drops_into_the_tray_at_the_line_that_deletes_it(notebook):
    page = notebook(SHOW)
    page.emulate_media(reduced_motion="no-preference")
    press(page, "Next change")
    (start,) = page.locator(".inm-player-tray li").evaluate(
        "node => node.getAnimations().map(one => one.effect.getKeyframes()[0].transform)"
    )
    page.emulate_media(reduced_motion="reduce")
    assert float(re.findall(r"-?[\d.]+", start)[1]) > 20  # from _buffers, below
    press(page, "Forward")
    moving = page.locator(".inm-player li").evaluate_all(
        "all => all.flatMap(one => one.getAnimations())"
    )
    assert moving == []


def test_a_name_whose_registration_raises_stays_in_hand_and_is_said_to_be_lost(notebook):
    page = notebook(LOST)
    tray = page.locator(".inm-player-tray")
    press(page, "Next change")
    expect(tray.locator("li")).to_have_text("●scale Tensor, 3, float32")
    border = "node => getComputedStyle(node).borderTopStyle"
    assert tray.evaluate(border) == "dashed"
    press(page, "Last step")
    expect(tray.locator("li")).to_contain_text("the name is lost")
    assert tray.evaluate(border) == "solid"
    assert jupyterlab.accessibility_faults(page, ".inm-player") == []


def test_an_error_stands_at_the_line_that_raised_it(notebook):
    page = notebook(REFUSED)
    press(page, "Last step")
    expect(now(page)).to_contain_text("raise TypeError(")
    words = "TypeError: cannot assign 'torch.FloatTensor' as parameter 'weight'"
    expect(now(page).locator(".inm-player-note")).to_contain_text(words)
    expect(page.get_by_role("status")).to_contain_text(f"raises {words}")


def test_the_line_that_runs_stays_in_sight_and_the_page_stays_where_it_is(notebook):
    page = notebook(SHOW)
    source = page.locator(".inm-player-source")
    source.focus()
    scroller = page.locator(".jp-WindowedPanel-outer:visible").first
    before = scroller.evaluate("node => node.scrollTop")
    for _ in range(len(recorded())):
        inside = source.evaluate(
            """pane => { const [a, b] = [pane, pane.querySelector('[aria-current]')].map(one =>
                one.getBoundingClientRect()); return a.top <= b.top && b.bottom <= a.bottom; }"""
        )
        assert inside
        page.keyboard.press("ArrowRight")
    assert scroller.evaluate("node => node.scrollTop") == before


def test_no_step_sends_a_message_to_the_kernel(notebook):
    page = notebook(SHOW)
    with jupyterlab.sent_to_kernel(page) as sent:
        for name in ("Forward", "Next change", "Last step", "Back", "First step", "Play", "Pause"):
            press(page, name)
        page.get_by_role("slider", name="Step").fill("5")
        page.wait_for_timeout(300)
        assert sent() == []
        jupyterlab.run_all(page)
        assert "execute_request" in sent()  # what is sent would have been seen


GUTTERS = """() => [...document.querySelectorAll('.inm-player-line')].map(line => [
    line.querySelector('.inm-player-code').textContent.trim(),
    [...line.querySelectorAll('.inm-player-gutter')].map(one =>
        getComputedStyle(one, '::before').content.replaceAll('"', '').replace('none', '')).join(' ')
    ])"""


def gutters(page: Page) -> dict[str, str]:
    """What both gutters say of each line; of lines with one text the first."""
    return dict(reversed(page.evaluate(GUTTERS)))


def test_two_traces_share_one_source_and_one_bar_and_are_opened_where_their_paths_part(
    lab, notebook
):
    page = notebook(COMPARE)
    for one in (".inm-player", ".inm-player-source", ".inm-player-bar", "input[type=range]"):
        expect(page.locator(one)).to_have_count(1)
    words = "isinstance(value, Parameter): True in the first, False in the second."
    expect(page.locator(".inm-player-words")).to_have_text(
        f"The paths part in Module.__setattr__ at {words}"
    )
    expect(now(page)).to_contain_text("if isinstance(value, Parameter)")
    expect(now(page).locator(".inm-player-note")).to_have_text(["1 True", "2 False"])
    expect(page.get_by_role("status")).to_contain_text("is True in the first, is False in the seco")
    found = gutters(page)
    assert found["if isinstance(value, Parameter):"] == "▶ ▶"
    assert found['params = self.__dict__.get("_parameters")'] == "✓ ✓"
    assert found["remove_from("] == " –"  # no way of the second
    assert found["super().__setattr__(name, value)"] == "– "
    press(page, "Forward")
    assert gutters(page)["if isinstance(value, Parameter):"] == "✓ ▷"  # the second one waits
    expect(page.get_by_role("status")).to_contain_text("First: Module.__setattr__")
    press(page, "Last step")
    found = gutters(page)
    assert found["super().__setattr__(name, value)"] == "– ▶" and found["remove_from("] == "✓ –"
    states = page.locator(".inm-player-state")
    homes = [
        state.locator("li[data-change=came]").locator("xpath=../..").get_attribute("data-box")
        for state in states.all()
    ]
    assert homes == ["_parameters", "__dict__"]
    boxes = [state.bounding_box() for state in states.all()]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert lab.problems(page) == []


def test_the_keys_step_both_traces_and_a_tick_stands_on_the_side_of_its_trace(notebook):
    page = notebook(COMPARE)
    page.get_by_role("group", name="Source").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert list(gutters(page).values()).count("▶ ▶") == 1
    page.keyboard.press("End")
    last = int(page.get_by_role("slider", name="Step").input_value())
    assert place(page.evaluate(SHOWN)) == last > 40
    ticks = page.locator(".inm-player-ticks span")
    assert ticks.evaluate_all("all => all.map(one => one.dataset.run)") == ["0", "0", "0", "1"]
    middle = page.get_by_role("slider", name="Step").bounding_box()
    sides = [one.bounding_box()["y"] < middle["y"] + middle["height"] / 2 for one in ticks.all()]
    assert sides == [False, False, False, True]


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ("layer.weight", "layer.gain = 1", "the first block runs Module.__getattr__"),
        ("pass", "layer.gain = 1", "the first block ends, the second runs Module.__setattr__"),
        ("layer.gain = 1", "1 / 0", "the second raises ZeroDivisionError"),
        ("pass", "pass", "Neither runs a line of torch."),
    ],
)
def test_traces_of_different_functions_are_told_one_after_the_other(
    lab, notebook, left, right, words
):
    record = "try:\n    with trace(layer) as {}:\n        {}\nexcept ZeroDivisionError:\n    pass\n"
    cell = RECORD + record.format("one", left) + record.format("two", right)
    page = notebook(f"{cell}compare(one, two)")
    expect(page.locator(".inm-player")).to_contain_text(words)
    if left != right:
        press(page, "Last step")
        expect(page.get_by_role("status")).to_contain_text("Second: ")
        press(page, "First step")
    assert jupyterlab.accessibility_faults(page, ".inm-player", both=False) == []
    assert lab.problems(page) == []


def test_on_a_projector_source_river_and_all_containers_of_a_comparison_are_in_sight(notebook):
    page = notebook(COMPARE.replace("nn.Linear(2, 3)", "nn.Module()"))
    page.set_viewport_size(jupyterlab.PROJECTOR)
    page.locator(".inm-player-words").evaluate("node => node.scrollIntoView({block: 'start'})")
    for action in ("First step", "Last step"):
        press(page, action)
        for state in page.locator(".inm-player-state").all():
            assert state.evaluate("node => node.scrollHeight <= node.clientHeight")
            area = state.bounding_box()
            # the bar at the bottom of the window
            assert area["y"] + area["height"] < jupyterlab.PROJECTOR["height"] - 30
    page.set_viewport_size(jupyterlab.DESKTOP)


# --- the river ------------------------------------------------------------------------------------

LOOK = """() => [...document.querySelectorAll('.inm-river-row')].slice(1).map(row =>
    [...row.querySelectorAll('.inm-river-way')].map(way => {
        const style = getComputedStyle(way);
        const lit = [style.borderTopStyle, style.borderLeftStyle].map(one => one === 'solid');
        const pill = way.querySelector('.inm-player-note').textContent;
        const ends = [...way.querySelectorAll('[data-state=lit]')].map(one => one.textContent);
        return [pill, 'on' in way.dataset && lit[0], lit[1], ...ends].join(' '); }))"""
PLACES = """() => [...document.querySelectorAll('.inm-river, .inm-river *')].filter(one =>
    !one.closest('.inm-player-note, code') || one.tagName === 'CODE').map(one => {
        const box = one.getBoundingClientRect();
        return one.localName === 'wbr' ? '' : [box.x, box.y].map(Math.round).join(' '); })"""


def test_the_river_fills_as_the_tests_run_and_its_geometry_never_changes(lab, notebook):
    page = notebook(SHOW.replace("nn.Parameter(torch.ones(3))", "torch.ones(3)"))
    places, seen = page.evaluate(PLACES), []
    last = int(page.get_by_role("slider", name="Step").get_attribute("max"))
    for _ in range(last + 1):
        (lane,) = page.evaluate(LOOK)
        if not seen or seen[-1] != lane:
            seen.append(lane)
        assert page.evaluate(PLACES) == places
        press(page, "Forward")
    dashed, off = " false false", "False true false"
    assert seen[0] == [dashed] * 6  # nothing is given away
    for answered in range(1, 5):
        assert seen[answered] == [off] * answered + [dashed] * (6 - answered)
    assert seen[5] == [*[off] * 4, "True false true", dashed]
    assert seen[6] == [*[off] * 4, "True false true register_buffer", dashed]
    assert len(seen) == 7
    assert lab.problems(page) == []


def test_the_way_not_asked_looks_like_what_is_to_come_until_an_answer_is_true(notebook):
    page = notebook(SHOW)
    colours = "all => [...new Set(all.map(one => getComputedStyle(one).color))]"
    ends = page.locator(".inm-river-act, .inm-river-error")
    for _ in range(2):
        assert len(ends.evaluate_all(colours)) == 1
        press(page, "Forward")
    assert len(ends.evaluate_all(colours)) == 2  # decided, and so dimmed
    filled = "node => getComputedStyle(node).backgroundColor"
    pill = page.locator(".inm-river-way .inm-player-note", has_text="True")
    assert pill.evaluate(filled) == now(page).locator(".inm-player-note").evaluate(filled)


def test_an_error_has_its_sign_at_the_end_of_its_way(notebook):
    page = notebook(REFUSED, LOST)
    first, second = page.locator(".inm-player").all()
    for player, words in ((first, "⚠ TypeError"), (second, "⚠ ValueError")):
        player.get_by_role("button", name="Last step").click()
        expect(player.locator(".inm-river-error[data-state=lit]")).to_have_text(words)
    expect(first.locator(".inm-river-act[data-state=lit]")).to_have_count(0)
    expect(second.locator(".inm-river-act[data-state=lit]")).to_have_text("register_parameter")


def test_two_assignments_stand_in_two_lanes_of_one_river(notebook):
    page = notebook(COMPARE)
    expect(page.locator(".inm-river")).to_have_count(1)
    press(page, "Last step")
    first, second = page.evaluate(LOOK)
    assert first == ["True false true register_parameter", *[" false false"] * 5]
    assert second == [*["False true false"] * 5, " false true super().__setattr__"]
    table = page.get_by_role("table", name="What __setattr__ asks")
    assert table.get_by_role("columnheader").count() == 6
    assert table.get_by_role("rowheader").all_inner_texts() == ["1", "2"]


# Goes through all steps, as `fill` of the slider does, and tells what stands above the river.
COURSES = """slider => {
    const told = [];
    for (let at = 0; at <= Number(slider.max); at += 1) {
        slider.value = at;
        slider.dispatchEvent(new Event('input', {bubbles: true}));
        told.push(document.querySelector('.inm-player-course').innerText);
    }
    return told;
}"""


def test_each_assignment_of_a_block_has_the_river_to_itself(notebook):
    page = notebook(RECORD + "with trace() as steps:\n    nn.Linear(2, 3)\nTracePlayer(steps)")
    told = dict.fromkeys(page.get_by_role("slider", name="Step").evaluate(COURSES))
    names = ("in_features", "out_features", "weight", "bias")
    assert list(told) == [f"assignment {i} of 4: '{name}'" for i, name in enumerate(names, 1)]


@pytest.mark.parametrize("width", [1280, 700, 390])
def test_the_river_fits_at_any_width(notebook, width):
    page = notebook(COMPARE)
    page.set_viewport_size({"width": width, "height": 1400})
    jupyterlab.wait_until_drawn(page)
    page.get_by_role("group", name="Source").press("End")
    inside = page.locator(".inm-river").evaluate(
        "node => [node, ...node.querySelectorAll('*')].every(one =>"
        " one.getBoundingClientRect().right <= node.parentNode.getBoundingClientRect().right + 1)"
    )
    page.set_viewport_size(jupyterlab.DESKTOP)
    assert inside


def test_a_reader_who_wants_no_motion_sees_none_in_the_river(notebook):
    page = notebook(SHOW)
    duration = "node => getComputedStyle(node).transitionDuration"
    way = page.locator(".inm-river-way").first
    assert way.evaluate(duration) == "0s"
    page.emulate_media(reduced_motion="no-preference")
    assert way.evaluate(duration) != "0s"
    page.emulate_media(reduced_motion="reduce")


def test_each_change_is_a_tick_on_the_slider(notebook):
    page, steps = notebook(SHOW), recorded()
    slider = page.get_by_role("slider", name="Step")
    ticks = page.locator(".inm-player-ticks span")
    changed = [position for position, step in enumerate(steps) if step.changes]
    assert ticks.count() == len(changed) == 3
    track, last = slider.bounding_box(), len(steps) - 1
    for tick, position in zip(ticks.all(), changed, strict=True):
        middle = track["x"] + 8 + (track["width"] - 16) * position / last  # of the thumb
        assert tick.bounding_box()["x"] + 1 == pytest.approx(middle, abs=2)


def test_axe_finds_nothing_serious_in_either_theme(notebook):
    page = notebook(SHOW, REFUSED, COMPARE)
    views = page.locator(".inm-player")
    for action in ("Next change", "Last step"):
        for view in views.all():
            view.get_by_role("button", name=action).click()
        assert jupyterlab.accessibility_faults(page, ".inm-player") == []
    assert jupyterlab.follows_the_theme(views.first)


def test_on_a_projector_source_and_containers_stand_side_by_side_and_all_of_it_is_in_sight(
    notebook,
):
    page = notebook(SHOW)
    page.set_viewport_size(jupyterlab.PROJECTOR)
    press(page, "Next change")
    view, river, source, state = (
        page.locator(f".inm-{one}") for one in ("player", "river", "player-source", "player-state")
    )
    a, b, whole = source.bounding_box(), state.bounding_box(), view.bounding_box()
    assert a["x"] + a["width"] < b["x"] and whole["height"] < 600
    assert river.bounding_box()["y"] == b["y"]
    assert a["y"] + a["height"] == pytest.approx(b["y"] + b["height"], abs=1)
    assert state.evaluate("node => node.scrollHeight <= node.clientHeight")
    page.set_viewport_size({"width": 600, "height": 1400})
    jupyterlab.wait_until_drawn(page)
    a, b = source.bounding_box(), state.bounding_box()
    assert a["y"] + a["height"] < b["y"]
    assert source.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.set_viewport_size(jupyterlab.DESKTOP)


@pytest.mark.parametrize("width,rows,least", [(1280, 1, 20), (700, 1, 20), (390, 2, 32)])
def test_all_controls_stand_in_one_row_and_on_a_phone_the_slider_below(
    notebook, width, rows, least
):
    page = notebook(SHOW)
    page.set_viewport_size({"width": width, "height": 900})
    jupyterlab.wait_until_drawn(page)
    bar = page.locator(".inm-player-bar")
    controls = bar.locator("> :visible").all()
    boxes = [one.bounding_box() for one in controls]
    below = [one.evaluate("node => node.localName") != "button" for one in controls]
    inside = bar.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.set_viewport_size(jupyterlab.DESKTOP)
    middles = [box["y"] + box["height"] / 2 for box in boxes]
    for row in (False, True):
        mine = [one for one, is_below in zip(middles, below, strict=True) if is_below == row]
        assert max(mine) - min(mine) < 3
    assert (max(middles) - min(middles) > 3) == (rows == 2) and inside
    assert all(box["width"] >= 24 for box in boxes)
    assert all(
        box["height"] >= least for box, is_below in zip(boxes, below, strict=True) if not is_below
    )


@pytest.mark.parametrize("form", ["live", "static", "trusted"])
def test_hostile_names_and_values_stay_text(lab, notebook, still, form):
    if form == "live":
        page = notebook(HOSTILE)
        view = page.locator(".inm-player")
        press(page, "Last step")
        expect(page.get_by_role("status")).to_contain_text(f"{STRUCK} came into __dict__")
    else:
        module = nn.Module()
        with trace(module) as steps:
            setattr(module, STRUCK, STRUCK)
        page = still(TracePlayer(steps).face, trusted=form == "trusted")
        view = page.locator(".jp-RenderedHTML")
    assert jupyterlab.stays_text(lab, view)


def test_the_static_face_is_seen_before_trust_and_teaches_the_branch(still):
    page = still(TracePlayer(recorded()).face)
    river, decided, boxes = page.locator(".jp-RenderedHTML table").all()
    expect(river.locator("tbody tr")).to_contain_text(["True register_parameter"])
    expect(decided.locator("tbody tr").first).to_contain_text("isinstance(value, Parameter)")
    expect(decided.locator("tbody tr").last).to_contain_text("scale came into _parameters")
    expect(boxes.locator("thead th")).to_have_text(["container", "before", "after"])
    expect(boxes.locator("tbody tr").nth(2)).to_contain_text("○scale Tensor, 3, float32")
    assert jupyterlab.accessibility_faults(page, ".jp-RenderedHTML") == []


def test_a_trace_of_nothing_says_why_and_two_views_do_not_touch_each_other(lab, notebook):
    page = notebook(
        "from torch import nn\nfrom helpers import TracePlayer, trace\n"
        "with trace(nn.ReLU()) as steps:\n    pass\nTracePlayer(steps)",
        SHOW,
        SHOW,
    )
    expect(page.locator(".inm-player").first).to_contain_text("No line of torch ran")
    page.get_by_role("button", name="Last step").first.click()
    expect(page.locator(".inm-player-count").last).to_contain_text("1 / ")
    assert lab.problems(page) == []


def test_a_change_is_scrolled_to_where_there_is_no_room_for_all_containers(reader):
    layer = nn.Linear(2, 2)
    with trace(layer) as steps:
        layer.extra = nn.Parameter(torch.ones(2))
    page = reader.show(TracePlayer(steps), reduced_motion="reduce")
    page.add_style_tag(content=".inm.inm-player .inm-player-state { height: 6em; }")
    page.locator(".inm-player-source").press("End")
    inside = """panel => {
        const [whole, one] = [panel, panel.querySelector('li[data-change]')].map(
            element => element.getBoundingClientRect());
        return panel.scrollTop > 0 && whole.top <= one.top && one.bottom <= whole.bottom; }"""
    assert page.locator(".inm-player-state").evaluate(inside)
    assert page.evaluate("scrollY") == 0  # the page stays where it is
