"""A checkpoint wired to a model in a real JupyterLab: lines, advice that is applied, filter and
folds, by mouse and by keyboard.
"""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Locator, Page, expect

from helpers.views.checkpoint_table import CheckpointTable
from tests.browser import jupyterlab
from tests.browser.jupyterlab import DESKTOP, STRUCK

COMPARE = f"""\
import torch
from torch import nn
from helpers import CheckpointTable, compare_checkpoint
model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 4))
other = {{"2.weight": torch.ones(3, 4), "head.extra": torch.ones(9), {STRUCK!r}: 3}}
saved = dict(model.state_dict(), **other)
for name in ("weight", "bias"):
    saved[f"first.{{name}}"] = saved.pop(f"0.{{name}}")
compared = compare_checkpoint(model, saved)
"""
SHOW = f"{COMPARE}CheckpointTable(compared)"
PREFIX = """\
from torch import nn
from helpers import CheckpointTable, compare_checkpoint
model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
saved = {f"module.{key}": value for key, value in model.state_dict().items()}
CheckpointTable(compare_checkpoint(model, saved))"""
LARGE = """\
import torch
from torch import nn
from helpers import CheckpointTable, compare_checkpoint
model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(100)))
saved = dict(model.state_dict(), **{"40.bias": torch.ones(2)})
CheckpointTable(compare_checkpoint(model, saved))"""


def made(source: str = COMPARE) -> CheckpointTable:
    space: dict = {}
    exec(source, space)
    return CheckpointTable(space["compared"])


def rows(page: Page) -> list[list[str]]:
    """The words of each row as a screen reader gets them: model, what lies between, checkpoint."""
    return page.locator(".inm-fit-body .inm-fit-row").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => {"
        " const copy = cell.cloneNode(true);"
        " copy.querySelectorAll('[aria-hidden]').forEach(one => one.remove());"
        " return copy.textContent.trim(); }))"
    )


def keys(page: Page) -> list[str]:
    return [(left or right).split(" ")[0] for left, _, right in rows(page)]


def lines(page: Page) -> list[str]:
    """The look of each line, and whether it is level."""
    return page.locator(".inm-fit-line").evaluate_all(
        "all => all.map(one => { const box = one.getBBox(); return one.getAttribute('class')"
        ".replaceAll('inm-fit-', '').replace('line ', '') + (box.height < 1 ? ' level' : ''); })"
    )


def button(page: Page, name: str) -> Locator:
    return page.locator(".inm-fit").get_by_role("button", name=name)


def title(page: Page) -> Locator:
    return page.locator(".inm-fit-title")


def test_what_fits_is_one_line_and_what_could_fit_a_broken_one(lab, notebook):
    page = notebook(PREFIX)
    assert rows(page) == [
        [
            f"{key} missing · {shape}, float32",
            f"could fit module.{key}",
            f"module.{key} unexpected · {shape}, float32",
        ]
        for key, shape in (
            ("0.weight", "3 × 2"),
            ("0.bias", "3"),
            ("1.weight", "4 × 3"),
            ("1.bias", "4"),
        )
    ]
    assert lines(page) == ["could"] * 4
    assert page.locator(".inm-fit mark").all_text_contents() == ["module."] * 4
    expect(title(page)).to_have_text("Sequential: does not load strictly; 4 missing, 4 unexpected.")
    assert lab.problems(page) == []


def test_the_code_of_one_advice_stands_open(notebook):
    page = notebook(PREFIX)
    expect(page.locator(".inm-fit-code")).to_be_visible()
    assert "removeprefix" in page.locator(".inm-fit-code").inner_text()


def test_an_advice_that_is_applied_strikes_the_prefix_and_the_lines_are_level(lab, notebook):
    page = notebook(PREFIX)
    button(page, "Apply").click()
    expect(title(page)).to_have_text("Applied: Sequential: loads strictly; 4 matched.")
    assert lines(page) == ["fits new level"] * 4
    assert page.locator(".inm-fit del").all_text_contents() == ["module."] * 4
    assert rows(page)[0] == [
        "0.weight 3 × 2, float32",
        "fits, as 0.weight",
        "module.0.weight 3 × 2, float32",
    ]
    expect(button(page, "Take back")).to_be_focused()
    page.keyboard.press("Enter")
    assert lines(page) == ["could"] * 4 and page.locator(".inm-fit del").count() == 0
    expect(button(page, "Apply")).to_be_focused()
    assert lab.problems(page) == []


def test_each_line_begins_and_ends_at_its_keys(notebook):
    page = notebook(SHOW)
    off = """() => { const body = document.querySelector('.inm-fit-body');
        const middle = cell => cell.offsetTop + cell.offsetHeight / 2;
        const paths = [...document.querySelectorAll('.inm-fit-line')];
        return [...body.children].map((row, i) => {
            const path = paths[i], ends = [path.getPointAtLength(0),
                path.getPointAtLength(path.getTotalLength())];
            const cells = [row.children[0], row.children[2]];
            const used = cells.filter(cell => cell.classList.contains('inm-fit-cell'));
            return Math.max(...used.map(cell => Math.min(
                ...ends.map(end => Math.abs(end.y - middle(cell))))));
        }); }"""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        jupyterlab.wait_until_drawn(page)
        assert max(page.evaluate(off)) < 2
    page.set_viewport_size(DESKTOP)


def test_motion_moves_the_keys_between_the_two_and_only_for_who_wants_it(notebook):
    page = notebook(PREFIX)
    moved = """button => new Promise(done => {
        const seen = new Set(); button.click();
        const look = () => {
            const cell = document.querySelectorAll('.inm-fit-body .inm-fit-row > :last-child')[0];
            seen.add(cell.style.transform);
            if (performance.now() - start < 900) requestAnimationFrame(look);
            else done([...seen]);
        };
        const start = performance.now(); look(); })"""
    assert button(page, "Apply").evaluate(moved) == [""]
    button(page, "Take back").click()
    page.emulate_media(reduced_motion="no-preference")
    seen = button(page, "Apply").evaluate(moved)
    page.emulate_media(reduced_motion="reduce")
    assert len(seen) > 2 and seen[-1] == "" and "translateY(" in seen[0]
    assert lines(page) == ["fits new level"] * 4


def test_steps_follow_one_another_and_are_taken_back_with_those_after_them(lab, notebook):
    page = notebook(SHOW)
    steps = made().fit["advice"]
    assert page.locator(".inm-fit-code").all_text_contents() == [step["code"] for step in steps]
    expect(page.locator(".inm-fit-code").first).to_be_hidden()
    page.locator(".inm-fit summary").first.press("Enter")
    expect(page.locator(".inm-fit-code").first).to_be_visible()
    buttons = page.locator(".inm-fit [data-stage]")
    expect(buttons).to_have_count(4)
    buttons.nth(1).click()
    expect(title(page)).to_contain_text("Applied 1, 2: Sequential: does not load strictly")
    expect(buttons).to_have_text(["Take back", "Take back", "Apply", "Apply"])
    buttons.nth(3).click()
    expect(title(page)).to_have_text("Applied 1, 2, 3, 4: Sequential: loads strictly; 9 matched.")
    assert set(lines(page)) == {"fits level"} and len(rows(page)) == 9
    buttons.nth(0).click()
    expect(title(page)).to_contain_text("Sequential: does not load strictly; 1 mismatched, 2 mis")
    assert lab.problems(page) == []


def test_a_large_model_folds_what_fits(lab, notebook):
    page = notebook(LARGE)
    expect(page.locator(".inm-fit-body .inm-fit-row")).to_have_count(3)
    first = button(page, "81 keys fit")
    expect(button(page, "118 keys fit")).to_be_visible()
    assert rows(page)[1][0].startswith("40.bias") and lines(page)[1] == "apart level"
    first.press("Enter")
    expect(button(page, "81 keys fit")).to_be_focused()
    expect(button(page, "81 keys fit")).to_have_attribute("aria-expanded", "true")
    expect(button(page, "81 keys fit")).to_have_text("81 keys fit, 40 of them shown")
    expect(page.locator(".inm-fit-body .inm-fit-row")).to_have_count(3 + 40)
    page.keyboard.press("Enter")
    expect(page.locator(".inm-fit-body .inm-fit-row")).to_have_count(3)
    box = page.get_by_role("textbox", name="filter")
    box.fill("7.weight")
    assert keys(page) == [f"{one}7.weight" for one in ("", *range(1, 10))]
    expect(page.locator(".inm-fit")).to_contain_text("10 rows found.")
    assert lab.problems(page) == []


def test_the_filter_finds_keys_of_both_sides_and_words(lab, notebook):
    page = notebook(SHOW)
    everything = keys(page)
    box = page.get_by_role("textbox", name="filter")
    box.fill("RUNNING")
    assert keys(page) == ["1.running_mean", "1.running_var"]
    box.fill("first.b")  # by the other end of its line
    assert keys(page) == ["0.bias"]
    box.fill("mismatched")
    assert keys(page) == ["2.weight"]
    box.fill("nothing of that name")
    assert keys(page) == [] and lines(page) == []
    box.press("Escape")
    assert keys(page) == everything and box.input_value() == ""
    assert lab.problems(page) == []


def test_the_keyboard_alone_is_enough(lab, notebook):
    page = notebook(SHOW)
    cells = page.locator(".jp-Notebook-cell").count()
    page.locator(".inm-fit [data-stage]").last.focus()
    page.keyboard.press("Space")
    expect(title(page)).to_contain_text("loads strictly")
    page.keyboard.press("Tab")
    expect(page.locator(".inm-fit summary").last).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("adx")
    expect(page.get_by_role("textbox", name="filter")).to_have_value("adx")
    assert keys(page) == []
    page.keyboard.press("Escape")
    assert len(keys(page)) == 9
    page.keyboard.press("Tab")
    region = page.get_by_role("group", name="How the keys fit")
    expect(region).to_be_focused()
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for key in "adx":  # commands of JupyterLab for cells
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook-cell").count() == cells
    assert lab.problems(page) == []


def test_axe_finds_nothing_serious_in_either_theme_before_and_after(notebook):
    page = notebook(SHOW)
    assert jupyterlab.accessibility_faults(page, ".inm-fit") == []
    page.locator(".inm-fit [data-stage]").last.click()
    assert jupyterlab.accessibility_faults(page, ".inm-fit") == []
    page.locator(".inm-fit summary").first.click()
    for part in (".inm-fit", ".inm-fit-code"):
        assert jupyterlab.follows_the_theme(page.locator(part).first), part


def test_a_narrow_page_shows_both_sides_whole(notebook):
    page = notebook(SHOW)
    page.set_viewport_size({"width": 390, "height": 900})
    jupyterlab.wait_until_drawn(page)
    wide = page.locator(".inm-fit, .inm-fit .inm-scroll, .inm-fit-cell").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    )
    page.set_viewport_size(DESKTOP)
    assert wide == 0


def test_two_views_on_a_page_do_not_touch_each_other(notebook):
    page = notebook(PREFIX, PREFIX)
    button(page, "Apply").first.click()
    expect(page.locator(".inm-fit").first.locator("del")).to_have_count(4)
    expect(page.locator(".inm-fit").nth(1).locator("mark")).to_have_count(4)


@pytest.mark.parametrize("form", ["live", "static", "trusted"])
def test_hostile_keys_stay_text(lab, notebook, still, form):
    if form == "live":
        page = notebook(SHOW)
        view = page.locator(".inm-fit")
    else:
        page = still(made().static_face(), trusted=form == "trusted")
        view = page.locator(".jp-RenderedHTML")
    assert jupyterlab.stays_text(lab, view)


def test_the_static_face_is_a_table_before_trust_and_folds_what_matches(still):
    page = still(made().static_face())
    view = page.locator(".jp-RenderedHTML")
    expect(view.locator("table").first.locator("tbody tr")).to_have_count(7)
    expect(view.locator("pre").first).to_contain_text("state_dict = ")
    expect(view.get_by_text("1.running_mean")).to_be_hidden()
    view.locator("summary").click()
    expect(view.get_by_text("1.running_mean")).to_be_visible()
    assert jupyterlab.accessibility_faults(page, ".jp-RenderedHTML") == []


def test_the_payload_of_the_lesson_is_small():
    assert len(json.dumps(made().fit)) < 8_000
