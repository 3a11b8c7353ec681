"""Ten questions and a lesson: what goes to the browser is what the text file says, and no face
gives an answer away.
"""

from __future__ import annotations

import re

from helpers import Placement
from helpers.exercises.placement import placing_questions
from helpers.exercises.questions import LESSONS, all_questions
from tests.html_page import Page
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons

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


def test_each_question_goes_to_the_browser_with_its_lesson_and_what_it_is_about():
    asked = Placement().placement["questions"]
    assert [len(one["options"]) - 1 for one in asked] == [count for _, _, count, _ in WRITTEN]
    for one, (number, right, _, about) in zip(asked, WRITTEN, strict=True):
        assert one["answer"] == right and one["options"][-1] == "I don't know"
        assert re.fullmatch(rf"lesson {number}, `0{number}_\w+`", one["lesson"])
        assert one["about"] == f"{about} (lesson {number})"


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
    again = Placement()._repr_mimebundle_()[0]
    assert len(bundle) == 3
    assert all(again[kind] == bundle[kind] for kind in ("text/plain", "text/html"))
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
