"""The quiz questions: one text file for each lesson named in `LESSONS`, and none of them knows
torch.

Which option is right is written there and proved in `tests/proofs`, on the installed torch. A text
file reads like this; `+` marks the right option, and the lines under an option say why:

    ## 01-key
    The prompt, with `code` between backticks.

        lines of Python, indented

    - an option that someone would choose
      Why it is not so, and what would be true instead.
    + the right option
      Why it is so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent

# Every lesson by the name of its notebook; its files here begin with `lesson_` and its number.
LESSONS = (
    "00_start_here",
    "01_state_dict",
    "02_reading_parameters",
    "03_buffers",
    "04_setattr",
    "05_save_and_load",
    "06_clinic",
    "07_build_your_own_module",
    "08_many_processes",
)


@dataclass(frozen=True)
class Option:
    """One option: what it says, and why it is right, or what would be true instead."""

    text: str
    why: str


@dataclass(frozen=True)
class Question:
    """A question to predict on. In its texts, words between backticks are code and nothing is
    markup.

    `answer` is the position of the right option; a proof in the tests finds the same one by
    experiment."""

    key: str
    prompt: str
    options: tuple[Option, ...]
    answer: int
    code: str = ""


def read_questions(words: str) -> tuple[Question, ...]:
    """The questions written in `words`."""
    questions = []
    for section in re.split(r"^## ", words, flags=re.MULTILINE)[1:]:
        head, *parts = re.split(r"^(?=[-+] )", section, flags=re.MULTILINE)
        key, head = head.split("\n", 1)
        code = "\n".join(line for line in head.splitlines() if line.startswith("    "))
        prompt = " ".join(
            line for line in head.splitlines() if line and not line.startswith("    ")
        )
        lines = [part.split("\n", 1) for part in parts]
        options = tuple(Option(first[2:], " ".join(why.split())) for first, why in lines)
        (answer,) = (i for i, part in enumerate(parts) if part.startswith("+"))
        questions.append(Question(key, prompt, options, answer, dedent(code)))
    return tuple(questions)


@cache
def all_questions() -> dict[str, Question]:
    """Every question by its key, in the order of the lessons; they are read at the first call."""
    questions = []
    for lesson in LESSONS:
        words = Path(__file__).with_name(f"lesson_{lesson[:2]}.md").read_text(encoding="utf-8")
        questions += read_questions(words)
    return {question.key: question for question in questions}
