"""Ten questions and a lesson: the recommendation is what the text file implies, and no face gives
an answer away.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import Placement
from helpers.exercises.placement import Placed, place, placing_questions, recommendation
from helpers.exercises.questions import LESSONS, all_questions
from tests.html_page import Page
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons

HOSTILE = "</script><img src=x onerror=alert(1)> \"'&"
QUESTIONS = placing_questions()
RIGHT = [question.answer for question in QUESTIONS]


def of_the_text_file():
    """[(number of the lesson, position of the right option, how many options, what it is about)],
    read by hand.
    """
    words = (ROOT / "helpers" / "exercises" / "questions" / "lesson_00.md").read_text(
        encoding="utf-8"
    )
    found = []
    for key, body in re.findall(
        r"^## 00-(\d\d)-\S+\n(.*?)(?=^## |\Z)", words, re.MULTILINE | re.DOTALL
    ):
        signs = re.findall(r"^([-+]) ", body, re.MULTILINE)
        about = re.search(r"^\+ .*\n {2}(.*)", body, re.MULTILINE)[1]
        found.append((int(key), signs.index("+"), len(signs), about))
    return found


WRITTEN = of_the_text_file()


def test_ten_questions_ask_about_the_lessons_in_their_order():
    numbers = [number for number, *_ in WRITTEN]
    assert (
        len(QUESTIONS) == 10 and numbers == sorted(numbers) and set(numbers) == {1, 2, 3, 4, 5, 6}
    )
    assert list(LESSONS) == [path.stem for path in lessons()]


# Each question: not answered, one of its options, or "I don't know", which stands behind them.
ANSWERS = st.tuples(*(st.none() | st.integers(0, count) for _, _, count, _ in WRITTEN))
MOSTLY_RIGHT = st.tuples(
    *(st.sampled_from([right] * 20 + [None, count]) for _, right, count, _ in WRITTEN)
)


@given(ANSWERS | MOSTLY_RIGHT)
def test_the_first_lesson_with_a_question_that_is_missed_or_open_is_recommended(answers):
    left = [
        (number, about, answer is None or answer == count)
        for (number, right, count, about), answer in zip(WRITTEN, answers, strict=True)
        if answer != right
    ]
    placed = place(answers)
    if left:
        assert int(placed.lesson[:2]) == left[0][0]
    else:
        assert placed == Placed("", (), ())
    said = {
        kind: [(int(lesson[:2]), about) for lesson, about in found]
        for kind, found in (("missed", placed.missed), ("open", placed.open))
    }
    assert said["open"] == [(number, about) for number, about, unknown in left if unknown]
    assert said["missed"] == [(number, about) for number, about, unknown in left if not unknown]


@pytest.mark.parametrize("answers", [(), RIGHT[:9], [*RIGHT, 0]])
def test_an_answer_too_many_or_too_few_is_a_value_error(answers):
    with pytest.raises(ValueError, match="zip"):
        place(answers)


def said(view):
    view.show()
    return Page(view.result.value).words


def test_half_answered_it_says_how_many_are_open():
    view = Placement()
    assert "lesson 1, 01_state_dict" in said(view) and "10 questions are open" in said(view)
    for card, right in list(zip(view.cards, RIGHT, strict=True))[:9]:
        card.chosen = right
    assert (
        "lesson 6, 06_clinic" in said(view)
        and "1 question is open" in said(view)
        and "Worth" not in said(view)
    )
    view.cards[4].chosen = len(QUESTIONS[4].options)  # I don't know
    assert "Begin with lesson 3, 03_buffers" in said(
        view
    ) and "2 questions are open or not known" in said(view)
    view.cards[4].chosen = (RIGHT[4] + 1) % len(QUESTIONS[4].options)
    assert "Begin with lesson 3, 03_buffers" in said(view) and "Worth another look" in said(view)
    view.cards[4].chosen, view.cards[9].chosen = RIGHT[4], RIGHT[9]
    words = said(view)
    assert (
        "All ten are right" in words
        and "06_clinic" in words
        and "07_build_your_own_module" in words
    )
    assert not re.search("0[1-5]_|open|another", words)


def test_the_button_shows_what_is_chosen_now_and_what_is_chosen_later():
    view = Placement()
    view.cards[0].chosen = RIGHT[0]
    assert view.result.value == ""  # nothing is said before it is asked for
    view.button.click()
    assert "9 questions are open" in view.result.value
    view.cards[1].chosen = RIGHT[1]
    assert "8 questions are open" in view.result.value


def test_nothing_that_is_sent_or_said_gives_an_answer_away():
    view = Placement()
    for card, question in zip(view.cards, QUESTIONS, strict=True):
        state = card.get_state()
        assert (state["answer"], state["chosen"]) == (-1, -1)
        assert [option["text"] for option in state["options"]] == [
            *(o.text for o in question.options),
            "I don't know",
        ]
        assert {option["why"] for option in state["options"]} == {""}
    words = said(view)
    for question in QUESTIONS:
        right = question.options[question.answer].text.replace("`", "")
        assert len(right) < 4 or right not in words


def test_the_right_option_does_not_stand_out_by_its_length():
    lengths = [[len(option.text) for option in question.options] for question in QUESTIONS]
    lone = {
        end: sum(
            row[right] == end(row) and row.count(end(row)) == 1
            for row, right in zip(lengths, RIGHT, strict=True)
        )
        for end in (min, max)
    }
    assert max(lone.values()) <= 3, lone


def test_no_question_is_one_of_the_lessons():
    others = [question for key, question in all_questions().items() if not key.startswith("00")]
    asked = [
        {re.sub(r"\W+", " ", one.prompt).strip().lower() for one in some}
        for some in (QUESTIONS, others)
    ]
    assert not asked[0] & asked[1]
    assert not {question.code for question in QUESTIONS if question.code} & {
        other.code for other in others
    }


def test_it_has_three_faces_and_the_still_ones_ask_and_are_always_the_same():
    view = Placement()
    bundle, _ = view._repr_mimebundle_()
    view.cards[0].chosen = 1
    assert view._repr_mimebundle_()[0] == bundle and len(bundle) == 3
    assert (
        bundle["text/plain"]
        == repr(view)
        == "Placement: 10 questions, and the lesson to begin with"
    )
    page = Page(bundle["text/html"])
    for question in QUESTIONS:
        for words in (
            question.prompt,
            question.code,
            *(option.text for option in question.options),
        ):
            assert words.replace("`", "") in page.words
        assert question.options[question.answer].why not in page.words
    assert {tag for tag, _ in page.tags} == {"div", "p", "ol", "li", "b", "code", "pre", "ul"}
    assert page.words.count("I don't know") == 10


def test_hostile_words_stay_text():
    placed = Placed("03_buffers", (("03_buffers", HOSTILE),), (("05_save_and_load", HOSTILE),))
    page = Page(recommendation(placed))
    assert page.words.count(HOSTILE) == 2
    assert {tag for tag, _ in page.tags} == {"div", "p", "b", "span", "ul", "li"}
