"""With which lesson should I begin? Ten questions, and the first lesson that one of them has
something to say about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.exercises.questions import Question, all_questions

LESSONS = (
    "01_state_dict",
    "02_reading_parameters",
    "03_buffers",
    "04_setattr",
    "05_save_and_load",
    "06_clinic",
    "07_build_your_own_module",
)


@dataclass(frozen=True)
class Placed:
    """Where to begin, and why. `lesson` is a name of `LESSONS`, or "" if every answer was right.

    `missed` and `open` name what the questions are about that were answered wrongly, and those that
    were not answered or not known: pairs of a lesson and a few words, in the order of the
    questions."""

    lesson: str
    missed: tuple[tuple[str, str], ...]
    open: tuple[tuple[str, str], ...]


def placing_questions() -> tuple[Question, ...]:
    """The questions, in the order of the lessons that they belong to."""
    return tuple(
        question
        for key, question in all_questions().items()
        if key[:3] == "00-" and key[3:5].isdigit()
    )


def lesson_of(question: Question) -> str:
    """The lesson for those who do not know the answer: `00-03-norm` belongs to `03_buffers`."""
    return next(lesson for lesson in LESSONS if lesson[:2] == question.key[3:5])


def place(answers: Sequence[int | None]) -> Placed:
    """Where to begin after `answers`, one for each question: the position of an option, or None
    where it is open.

    A position past the last option stands for "I don't know". ValueError: there are more answers,
    or fewer."""
    pairs = list(zip(placing_questions(), answers, strict=True))
    left = {question: answer for question, answer in pairs if answer != question.answer}
    about = {one: (lesson_of(one), one.options[one.answer].why) for one in left}
    unknown = [one for one, answer in left.items() if answer is None or answer >= len(one.options)]
    return Placed(
        lesson=next((lesson for lesson, _ in about.values()), ""),
        missed=tuple(about[one] for one in left if one not in unknown),
        open=tuple(about[one] for one in unknown),
    )
