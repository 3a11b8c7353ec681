"""The style sheets of all views on one page: each brings what they share, none undoes another."""

from __future__ import annotations

VIEWS = """\
import torch
from torch import nn
from IPython.display import display
from helpers import CheckpointTable, ParameterWays, Playground, StateMap
from helpers import compare_checkpoint, quiz
model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
display(quiz("01-live-view"), StateMap(model), ParameterWays(model), Playground())
CheckpointTable(compare_checkpoint(model, {"extra": torch.ones(1)}))"""

# The computed style of one element of each kind, by its class and those around it, and the kinds
# whose style another order of the sheets changes. What two sheets have in common is the same in
# both, so an order matters only by the sheet that comes last: each does once.
COMPARE = """() => {
    const sheets = [...document.head.querySelectorAll('style')].filter(
        sheet => sheet.textContent.includes('.inm {'));
    const kinds = new Map();
    for (const element of document.querySelectorAll('.inm, .inm *')) {
        let kind = '';
        for (let at = element; at.closest('.inm'); at = at.parentElement)
            kind = `${at.tagName}.${at.className} ${kind}`;
        if (!kinds.has(kind)) kinds.set(kind, element);
    }
    const look = () => [...kinds.values()].map(element => {
        const style = getComputedStyle(element);
        return [...style].map(name => style.getPropertyValue(name)).join(';');
    });
    const before = look(), changed = new Set();
    for (const _ of sheets) {
        document.head.append(sheets[0]);
        sheets.push(sheets.shift());
        look().forEach((style, i) => style !== before[i] && changed.add([...kinds.keys()][i]));
    }
    return {sheets: sheets.length, kinds: kinds.size, changed: [...changed]};
}"""


def test_a_view_looks_the_same_wherever_its_sheet_stands_among_the_others(notebook):
    found = notebook(VIEWS).evaluate(COMPARE)
    assert found["changed"] == []
    assert found["sheets"] >= 6 and found["kinds"] > 100  # the page may know more views


def test_the_card_keeps_its_bar_and_its_button_after_all_others_have_come(notebook):
    page = notebook(*VIEWS.rsplit("\n", 1))
    look = "node => [getComputedStyle(node).borderLeftWidth, getComputedStyle(node).paddingLeft]"
    assert page.locator(".inm-quiz").evaluate(look)[0] == "4px"
    assert float(page.locator(".inm-quiz-check").evaluate(look)[1].removesuffix("px")) > 18
