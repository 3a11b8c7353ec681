"""check on the answers of every lesson: right ones of any style pass, and each near miss meets its
own hint.

The answers stand in the file of their lesson: `RIGHT`, `WRONG` with the name of the mistake, and
for the lessons whose cells are read here `NAMES`, what a stub or a solution defines."""

from __future__ import annotations

import pytest
import torch

import helpers.exercises.old_engine
from helpers.exercises import feedback
from helpers.exercises.feedback import Feedback, check
from helpers.exercises.old_engine import all_tasks
from tests import (
    test_exercises_02,
    test_exercises_04,
    test_exercises_05,
    test_exercises_06,
)
from tests.right import source

LESSONS = [
    test_exercises_02,
    test_exercises_04,
    test_exercises_05,
    test_exercises_06,
]
READ_HERE = [lesson for lesson in LESSONS if hasattr(lesson, "NAMES")]
RIGHT = {key: answers for lesson in LESSONS for key, answers in lesson.RIGHT.items()}
WRONG = {key: answers for lesson in LESSONS for key, answers in lesson.WRONG.items()}
NAMES = {key: (lesson, names) for lesson in READ_HERE for key, names in lesson.NAMES.items()}


def numbered(answers: dict) -> list:
    """One case for each answer: its exercise and its number."""
    return [
        pytest.param(key, number, id=f"{key}-{number}")
        for key in answers
        for number in range(len(answers[key]))
    ]


def defined(code: str, names: str | tuple[str, ...]) -> object:
    return (
        tuple(source(code, name) for name in names)
        if isinstance(names, tuple)
        else source(code, names)
    )


@pytest.mark.parametrize("key,number", numbered(RIGHT))
def test_a_right_answer_of_any_style_is_right(key, number):
    feedback = check(key, RIGHT[key][number])
    assert feedback == Feedback(key, "right", tried=feedback.tried), feedback
    assert len(feedback.tried.split()) > 5


@pytest.mark.parametrize("key,number", numbered(WRONG))
def test_a_near_miss_is_wrong_for_its_own_reason_and_gets_the_fitting_hint(key, number):
    mistake, answer = WRONG[key][number]
    feedback = check(key, answer)
    assert (feedback.status, feedback.mistake) == ("wrong", mistake), feedback
    assert feedback.hint == all_tasks()[key].fitting[mistake]
    assert feedback.expected and feedback.found
    assert " at 0x" not in repr(feedback)


def test_every_exercise_has_its_answers_and_they_stand_in_order():
    assert (
        list(all_tasks())
        == list(RIGHT)
        == list(WRONG)
        == [key for lesson in LESSONS for key in lesson.IDS]
    )


@pytest.mark.parametrize("key", RIGHT)
def test_there_are_enough_right_and_wrong_answers_and_every_written_hint_is_reached(key):
    assert len(RIGHT[key]) >= 3 and len(WRONG[key]) >= 6
    reached = {mistake for mistake, _ in WRONG[key]} | set(helpers.exercises.old_engine._ALWAYS)
    assert reached == set(all_tasks()[key].fitting)


@pytest.mark.parametrize("key", NAMES)
def test_the_stub_of_the_lesson_is_not_solved_yet_and_does_not_count(key):
    lesson, names = NAMES[key]
    stub = defined(lesson.cell(f"ex-{key.replace('.', '-')}"), names)
    assert check(key, stub).status == check(key, stub).status == "unsolved"
    assert feedback._shown == {}


@pytest.mark.parametrize("key", NAMES)
def test_the_solution_of_the_lesson_is_right(key):
    lesson, names = NAMES[key]
    code = lesson.cell(f"solution-{key.replace('.', '-')}").split("```python\n")[1].split("```")[0]
    assert check(key, defined(code, names)).status == "right"


@pytest.mark.parametrize("key", RIGHT)
def test_random_state_and_dtype_are_as_they_were_and_play_no_part(key):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            assert check(key, RIGHT[key][0]).status == "right"
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), state)
