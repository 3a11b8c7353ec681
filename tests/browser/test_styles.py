"""The style sheets of all views on one page: each brings what they share, none undoes another."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.jupyterlab import DESKTOP, wait_until_drawn

VIEWS = """\
import torch
from torch import nn
from IPython.display import display
from helpers import CheckpointTable, MemoryMap, ParameterWays, Playground, StateMap
from helpers import VisibilityTable, compare_checkpoint, quiz
model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
display(quiz("01-live-view"), StateMap(model), ParameterWays(model), Playground())
film = MemoryMap(model=model, mean=model[1].running_mean)
film.note("again")
display(film, VisibilityTable(model).predict())
CheckpointTable(compare_checkpoint(model, {"extra": torch.ones(1)}))"""

# A view that holds another brings its sheet as well.
ATTEMPTS = """\
from helpers import OutcomeTable
from helpers.tracing import trials
table = OutcomeTable([trials.run("Tensor", "parameter", "setattr")])
table.chosen = 0
table"""

# The computed style of one element of each kind, by its class and those around it, and the kinds
# whose style another order of the sheets changes. What two sheets have in common is the same in
# both, so an order matters only by the sheet that comes last: each does once. What an order changes
# begins with what some sheet declares, and that is asked for; by their size and display one sees
# what else stands around them.
COMPARE = """() => {
    const sheets = [...document.head.querySelectorAll('style')].filter(
        sheet => sheet.textContent.includes('.inm{'));
    const kinds = new Map();
    for (const element of document.querySelectorAll('.inm, .inm *')) {
        let kind = '';
        for (let at = element; at.closest('.inm'); at = at.parentElement)
            kind = `${at.tagName}.${at.className} ${kind}`;
        if (!kinds.has(kind)) kinds.set(kind, element);
    }
    const names = new Set(['width', 'height', 'display']);
    const collect = ({style, cssRules}) => {
        for (const name of style ?? []) names.add(name);
        for (const rule of cssRules ?? []) collect(rule);
    };
    for (const {sheet} of sheets) collect(sheet);
    const look = () => [...kinds.values()].map(element => {
        const style = getComputedStyle(element);
        return [...names].map(name => style.getPropertyValue(name)).join(';');
    });
    const before = look(), changed = new Set();
    for (const _ of sheets) {
        document.head.append(sheets[0]);
        sheets.push(sheets.shift());
        look().forEach((style, i) => style !== before[i] && changed.add([...kinds.keys()][i]));
    }
    return {sheets: sheets.length, kinds: kinds.size, names: names.size, changed: [...changed]};
}"""


def test_a_view_looks_the_same_wherever_its_sheet_stands_among_the_others(notebook):
    found = notebook(ATTEMPTS, VIEWS).evaluate(COMPARE)
    assert found["changed"] == []
    assert found["sheets"] >= 6 and found["kinds"] > 100  # the page may know more views
    assert found["names"] > 100


def test_the_card_keeps_its_bar_and_its_button_after_all_others_have_come(notebook):
    page = notebook(*VIEWS.rsplit("\n", 1))
    look = "node => [getComputedStyle(node).borderLeftWidth, getComputedStyle(node).paddingLeft]"
    assert page.locator(".inm-quiz").evaluate(look)[0] == "4px"
    assert float(page.locator(".inm-quiz-check").evaluate(look)[1].removesuffix("px")) > 18


# What has less contrast with its ground than it needs: text 4.5 : 1, signs 3 : 1. A canvas works
# out every notation of a colour, and what a colour that is not opaque makes of its ground.
FAINT = """() => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
    const paint = canvas.getContext('2d', {willReadFrequently: true});
    const luminance = colours => {
        for (const colour of ['white', ...colours]) {
            paint.fillStyle = colour;
            paint.fillRect(0, 0, 1, 1);
        }
        const parts = [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const found = {signs: 0, texts: 0, faint: []};
    for (const element of document.querySelectorAll('.inm *')) {
        const own = [...element.childNodes].some(one => one.nodeType === 3 && one.data.trim());
        if (!own || !element.checkVisibility() || element.closest(':disabled')) continue;
        const grounds = [];
        for (let at = element; at; at = at.parentElement)
            grounds.unshift(getComputedStyle(at).backgroundColor);
        const colours = [luminance(grounds), luminance([getComputedStyle(element).color])];
        const [low, high] = colours.sort((a, b) => a - b).map(one => one + 0.05);
        const sign = element.classList.contains('inm-sign');
        found[sign ? 'signs' : 'texts'] += 1;
        if (high / low < (sign ? 3 : 4.5))
            found.faint.push(`${element.outerHTML.slice(0, 120)} ${high / low}`);
    }
    return found;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_signs_stand_out_in_both_themes_also_where_something_is_selected(notebook, theme):
    page = notebook(VIEWS, theme=theme)
    page.locator(".inm-ways td").first.click()
    page.locator(".inm-map-row").nth(1).click()
    page.get_by_role("button", name="Last step").click()
    expect(page.locator(".inm-map-row[aria-selected=true]")).to_have_count(1)
    found = page.evaluate(FAINT)
    assert found["faint"] == []
    assert found["signs"] > 20 and found["texts"] > 100


# Of every line of prose how many characters stand on it: the words one by one, by their height.
LONGEST = """() => Math.max(...[...document.querySelectorAll('.inm .inm-prose, .inm-status')].map(
    one => {
        const range = document.createRange(), rows = new Map();
        const texts = document.createTreeWalker(one, NodeFilter.SHOW_TEXT);
        for (let text = texts.nextNode(); text; text = texts.nextNode()) {
            for (const {index, 0: word} of text.data.matchAll(/\\S+\\s*/g)) {
                range.setStart(text, index);
                range.setEnd(text, index + word.trim().length);
                const row = Math.round(range.getBoundingClientRect().bottom / 12);
                rows.set(row, (rows.get(row) ?? 0) + word.length);
            }
        }
        return Math.max(0, ...rows.values());
    }))"""


def test_a_line_of_prose_has_about_seventy_five_characters_at_most(notebook):
    assert 50 < notebook(VIEWS).evaluate(LONGEST) <= 82


# What is to be hit, smaller than 24 by 24 px. A box to tick has its label.
SMALL = """() => [...document.querySelectorAll('.inm :is(button, select, summary, input, label)')]
    .filter(one => one.checkVisibility() && !one.closest('label label, label > *'))
    .filter(one => {
        const {width, height} = one.getBoundingClientRect();
        return Math.min(width, height) < 24;
    }).map(one => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("width", [1280, 390])
def test_what_is_to_be_hit_is_large_enough_for_a_finger(notebook, width):
    page = notebook(VIEWS)
    page.set_viewport_size({"width": width, "height": 900})
    wait_until_drawn(page)
    small, views = page.evaluate(SMALL), page.locator(".inm")
    wide = views.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length")
    page.set_viewport_size(DESKTOP)
    assert small == [] and wide == 0
