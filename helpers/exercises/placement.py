"""With which lesson should I begin? Ten questions, on the screen, and the first lesson that one of
them has something to say about. No answer is given away: the lessons ask again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import ipywidgets as widgets
from traitlets import Int, Unicode

from helpers.exercises.questions import LESSONS, Question, all_questions
from helpers.views import ThreeFaces
from helpers.views.markup import BOX, CODE, SOFT, Markup, join, tag
from helpers.views.quiz_card import QuizCard, prose


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


class PlacingCard(QuizCard):
    """A question that is not checked: it knows no answer, offers "I don't know", and tells Python
    what is chosen.
    """

    chosen = Int(-1).tag(sync=True)
    kicker = Unicode().tag(sync=True)

    def __init__(self, question: Question, kicker: str) -> None:
        options = [*(option.text for option in question.options), "I don't know"]
        pairs = [(words, "") for words in options]
        super().__init__(question.key, question.prompt, pairs, -1, question.code)
        self.kicker = kicker


class Placement(ThreeFaces, widgets.VBox):
    """Ten questions, a button, and under it the lesson to begin with, and why. Any question may
    stay open.

    Before it is run, the static face shows the questions and their options.
    """

    def __init__(self) -> None:
        questions = placing_questions()
        self.cards = [
            PlacingCard(question, f"Question {number} of {len(questions)}")
            for number, question in enumerate(questions, start=1)
        ]
        self.button = widgets.Button(description="Where do I begin?", button_style="primary")
        self.result = widgets.HTML()
        super().__init__([*self.cards, self.button, self.result])
        self.button.on_click(lambda button: self.show())
        for card in (
            self.cards
        ):  # a choice may arrive after the button; and advice must not outlive its answers
            card.observe(lambda change: self.result.value and self.show(), names="chosen")

    def show(self) -> None:
        """Say where to begin, by what is chosen now."""
        answers = [None if card.chosen < 0 else card.chosen for card in self.cards]
        self.result.value = recommendation(place(answers))

    def title(self) -> str:
        return f"Placement: {len(self.cards)} questions, and the lesson to begin with"

    def static_face(self) -> Markup:
        asked = (
            tag(
                "li",
                tag("b", prose(card.prompt)),
                tag("pre", card.code, style="margin:0.3em 0") if card.code else "",
                tag(
                    "ul",
                    *(tag("li", prose(option["text"])) for option in card.options),
                    style="margin:0 0 0.7em",
                ),
            )
            for card in self.cards
        )
        return tag(
            "div", tag("p", "Run this cell to answer.", style=SOFT), tag("ol", *asked), style=BOX
        )


def recommendation(placed: Placed) -> Markup:
    """The recommendation as HTML."""
    if not placed.lesson:
        return _box(
            tag(
                "p",
                tag("b", "All ten are right: begin where you like. "),
                "Two lessons are worth it in any case: ",
                _named("06_clinic"),
                ", where you diagnose thirteen models and one of your own, and ",
                _named("07_build_your_own_module"),
                ", where you write the class. No question was about that one.",
            ),
            tag(
                "p",
                "Of the others, read the recap table at the end, and begin with the lesson where ",
                "a line surprises you.",
            ),
        )
    parts = [tag("p", tag("b", "Begin with ", _named(placed.lesson), "."))]
    if placed.missed:
        parts += [tag("p", "Worth another look:"), _topics(placed.missed)]
    if placed.open:
        count = "1 question is" if len(placed.open) == 1 else f"{len(placed.open)} questions are"
        parts += [tag("p", f"{count} open or not known:"), _topics(placed.open)]
    return _box(*parts)


def _named(lesson: str) -> Markup:
    return join([f"lesson {int(lesson[:2])}, ", tag("span", lesson, style=CODE)])


def _topics(topics: Iterable[tuple[str, str]]) -> Markup:
    lines = (tag("li", prose(about), f" (lesson {int(lesson[:2])})") for lesson, about in topics)
    return tag("ul", *lines, style="margin:0.2em 0")


def _box(*parts: Markup) -> Markup:
    return tag("div", *parts, role="status", style=f"{BOX};border-left:4px solid #1976d2")
