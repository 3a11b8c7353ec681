"""The ten questions in a real JupyterLab: with the mouse, and from the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import expect

from helpers.exercises.placement import placing_questions
from tests.browser import jupyterlab

SHOW = "from helpers import Placement\nPlacement()"
RIGHT = [question.answer for question in placing_questions()]


def result(page):
    return page.locator(".inm-quiz-advice")


def test_with_the_mouse_it_goes_from_open_questions_to_a_lesson(lab, notebook):
    page = notebook(SHOW)
    cards, button = (
        page.locator("form.inm-quiz"),
        page.get_by_role("button", name="Where do I begin?"),
    )
    expect(cards).to_have_count(len(RIGHT))
    assert page.get_by_role("button", name="Check", exact=True).count() == 0
    button.click()
    expect(result(page)).to_contain_text("lesson 1, 01_state_dict")
    expect(result(page)).to_contain_text("10 questions are open")
    for number, right in enumerate(RIGHT):
        cards.nth(number).locator("label").nth(right).click()
    button.click()
    expect(result(page)).to_contain_text("All ten are right")
    cards.nth(4).get_by_text("I don't know").click()
    button.click()
    expect(result(page)).to_contain_text("Begin with lesson 3, 03_buffers")
    assert jupyterlab.accessibility_faults(page, ".inm-quiz-placement") == []
    assert lab.problems(page) == []


def test_advice_follows_the_answers_and_one_set_of_cards_shown_twice_stays_one(lab, notebook):
    page = notebook(f"{SHOW.replace('Placement()', 'once = Placement()')}\nonce", "once")
    first, second = (
        page.locator("form.inm-quiz").nth(0),
        page.locator("form.inm-quiz").nth(len(RIGHT)),
    )
    page.get_by_role("button", name="Where do I begin?").first.click()
    expect(result(page).first).to_contain_text("10 questions are open")
    for choice in (0, 1, 2, 1):  # faster than a kernel answers
        first.get_by_role("radio").nth(choice).check()
    expect(second.get_by_role("radio").nth(1)).to_be_checked()
    expect(result(page).first).to_contain_text("9 questions are open")
    assert lab.problems(page) == []


def test_the_keyboard_alone_is_enough(lab, notebook):
    page = notebook(SHOW, "1 + 1")
    cards = page.locator(".inm-quiz")
    cards.nth(0).get_by_role("radio").first.focus()
    for number, right in enumerate(RIGHT[:9]):
        page.keyboard.press("Space")
        for _ in range(right):
            page.keyboard.press("ArrowDown")
        expect(cards.nth(number).get_by_role("radio").nth(right)).to_be_checked()
        for key in (
            "a",
            "b",
            "x",
            "Shift+M",
        ):  # JupyterLab's commands: a cell above, a cell below, cut, merge
            page.keyboard.press(key)
        page.keyboard.press("Tab")
    expect(cards.nth(9).get_by_role("radio").first).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Where do I begin?")).to_be_focused()
    page.keyboard.press("Enter")
    expect(result(page)).to_contain_text("Begin with lesson 6, 06_clinic")
    expect(result(page)).to_contain_text("1 question is open")
    assert page.locator(".jp-Notebook-cell").count() == 2  # no key got through
    assert lab.problems(page) == []
