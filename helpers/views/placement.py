"""Ten questions on the screen, and the lesson to begin with. No answer is given away: the lessons
ask again.
"""

from __future__ import annotations

from collections.abc import Iterable

import ipywidgets as widgets
from traitlets import Int, Unicode

from helpers.exercises.placing import Placed, place, placing_questions
from helpers.exercises.questions import Option, Question
from helpers.views import ThreeFaces
from helpers.views.markup import BOX, CODE, SOFT, Markup, join, tag
from helpers.views.quiz_card import QuizCard, prose

_UNKNOWN = Option("I don't know", "")


class PlacingCard(QuizCard):
    """A question that is not checked: it knows no answer, offers "I don't know", and tells Python
    what is chosen.
    """

    chosen = Int(-1).tag(sync=True)
    kicker = Unicode().tag(sync=True)

    def __init__(self, question: Question, kicker: str) -> None:
        options = tuple(Option(option.text, "") for option in question.options)
        super().__init__(
            Question(question.key, question.prompt, (*options, _UNKNOWN), -1, question.code)
        )
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
        self.result.value = in_words(place(answers))

    def __repr__(self) -> str:
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


def in_words(placed: Placed) -> Markup:
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
                "Of the others, read the recap table at the end, and begin with the lesson in which a line ",
                "surprises you.",
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
