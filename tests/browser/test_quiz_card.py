"""The quiz card in a real JupyterLab: choose, check, read why, with the mouse and from the keyboard
alone.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from helpers.exercises.questions import all_questions
from helpers.views.quiz_card import QuizCard
from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK

QUESTION = all_questions()["01-live-view"]
WRONG = [index for index in range(len(QUESTION.options)) if index != QUESTION.answer]
SHOW = "from helpers import quiz\nquiz('01-live-view')"

HOSTILE_CARD = f"""\
from helpers.views.quiz_card import QuizCard
words = {STRUCK!r}
QuizCard("hostile", words, [(words, words), ("plain", words)], 0, words)"""


def plain(words: str) -> str:
    """What a reader sees of the words of a question: the backticks around code are gone."""
    return " ".join(words.replace("`", "").split())


def radio(page: Page, index: int):
    return page.locator(".inm-quiz input[type=radio]").nth(index)


def check(page: Page):
    return page.get_by_role("button", name="Check", exact=True)


def feedback(page: Page):
    return page.get_by_role("status").and_(page.locator(".inm-quiz-feedback"))


def test_a_wrong_choice_says_why_and_gives_nothing_away(lab, notebook):
    page = notebook(SHOW)
    check(page).click()
    expect(feedback(page)).to_have_text("Choose an option first.")
    radio(page, WRONG[0]).click()
    check(page).click()
    expect(feedback(page)).to_contain_text("Not quite")
    expect(feedback(page)).to_contain_text(plain(QUESTION.options[WRONG[0]].why))
    seen = plain(page.locator(".inm-quiz").inner_text())
    assert plain(QUESTION.options[QUESTION.answer].why) not in seen
    assert "✓" not in seen
    assert lab.problems(page) == []


def test_the_right_choice_says_why_and_explains_every_option(lab, notebook):
    page = notebook(SHOW)
    radio(page, QUESTION.answer).click()
    check(page).click()
    expect(feedback(page)).to_contain_text("Right")
    expect(feedback(page)).to_contain_text(plain(QUESTION.options[QUESTION.answer].why))
    whys = page.locator(".inm-quiz details")
    expect(whys).to_have_count(len(QUESTION.options))
    for index, option in enumerate(QUESTION.options):
        whys.nth(index).locator("summary").click()
        expect(whys.nth(index)).to_contain_text(plain(option.why))
    assert jupyterlab.accessibility_faults(page) == []
    assert lab.problems(page) == []


def test_the_keyboard_alone_is_enough(lab, notebook):
    page = notebook(SHOW)
    cells = page.locator(".jp-Notebook-cell").count()
    first = radio(page, 0)
    first.focus()
    for _ in range(WRONG[-1]):
        page.keyboard.press("ArrowDown")
    expect(radio(page, WRONG[-1])).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(feedback(page)).to_contain_text(plain(QUESTION.options[WRONG[-1]].why))
    for _ in range((QUESTION.answer - WRONG[-1]) % len(QUESTION.options)):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    button = check(page)
    expect(button).to_be_focused()
    outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(feedback(page)).to_contain_text("Right")
    for key in "adx":  # JupyterLab's commands for cells: insert, delete, cut
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook-cell").count() == cells
    assert lab.problems(page) == []


def test_after_two_misses_the_answer_can_be_shown(notebook):
    page = notebook(SHOW)
    show = page.get_by_role("button", name="Show the answer")
    for index in WRONG[:2]:
        expect(show).to_be_hidden()
        radio(page, index).click()
        check(page).click()
    show.click()
    expect(feedback(page)).to_contain_text("The answer is")
    expect(feedback(page)).to_contain_text(plain(QUESTION.options[QUESTION.answer].why))
    expect(radio(page, QUESTION.answer)).to_be_focused()


def test_two_cards_on_a_page_do_not_touch_each_other(notebook):
    page = notebook(SHOW, SHOW)
    radio(page, QUESTION.answer).click()
    check(page).first.click()
    expect(feedback(page).first).to_contain_text("Right")
    expect(feedback(page).nth(1)).to_be_empty()
    assert page.locator(".inm-quiz").nth(1).locator("input:checked").count() == 0


@pytest.mark.parametrize("form", ["live", "static", "trusted"])
def test_hostile_words_stay_text(lab, notebook, still, form):
    if form == "live":
        page = notebook(HOSTILE_CARD)
        radio(page, 0).click()
        check(page).click()
        view = page.locator(".inm-quiz")
    else:
        card = QuizCard("hostile", STRUCK, [(STRUCK, STRUCK), ("plain", STRUCK)], 0, STRUCK)
        page = still(card._repr_mimebundle_()[0]["text/html"], trusted=form == "trusted")
        view = page.locator(".jp-RenderedHTML")
    assert jupyterlab.stays_text(lab, view)
