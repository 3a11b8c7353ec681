"""With which lesson should I begin? Ten questions, on the screen, and the first lesson that one of
them has something to say about. No answer is shown: the lessons ask again.
"""

from __future__ import annotations

import anywidget
from traitlets import Dict

from helpers.exercises.questions import LESSONS, Question, all_questions
from helpers.views import ThreeFaces
from helpers.views.markup import BOX, SOFT, Markup, prose, tag
from helpers.views.quiz_card import TO_ANSWER, QuizCard

_UNKNOWN = "I don't know"
_ALL_RIGHT = (
    "All ten are right: begin where you like. Two lessons are worth it in any case: {clinic}, "
    "where you diagnose models that real projects had and one of your own, and {build}, where you "
    "write the class. No question was about that one.",
    "Of the others, read the recap table at the end, and begin with the lesson where a line "
    "surprises you.",
)


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


class Placement(ThreeFaces, anywidget.AnyWidget):
    """Ten questions, a button, and under it the lesson to begin with, and why. Any question may
    stay open.

    Before it is run, the static face shows the questions and their options.
    """

    _esm, _css = QuizCard._esm, QuizCard._css

    placement = Dict().tag(sync=True)

    def __init__(self) -> None:
        named = {"clinic": _named("06_clinic"), "build": _named("07_build_your_own_module")}
        super().__init__(
            placement={
                "questions": [_asked(question) for question in placing_questions()],
                "all_right": [words.format(**named) for words in _ALL_RIGHT],
            }
        )

    def title(self) -> str:
        count = len(self.placement["questions"])
        return f"Placement: {count} questions, and the lesson to begin with"

    def static_face(self) -> Markup:
        asked = (
            tag(
                "li",
                tag("b", prose(one["prompt"])),
                tag("pre", one["code"], style="margin:0.3em 0") if one["code"] else "",
                tag(
                    "ul",
                    *(tag("li", prose(option)) for option in one["options"]),
                    style="margin:0 0 0.7em",
                ),
            )
            for one in self.placement["questions"]
        )
        return tag("div", tag("p", TO_ANSWER, style=SOFT), tag("ol", *asked), style=BOX)


def _asked(question: Question) -> dict:
    """A question as the browser gets it; `about` is what to read up on, `lesson` where."""
    lesson = lesson_of(question)
    about = question.options[question.answer].why
    return {
        "prompt": question.prompt,
        "code": question.code,
        "options": [*(option.text for option in question.options), _UNKNOWN],
        "unknown": len(question.options),
        "answer": question.answer,
        "lesson": _named(lesson),
        "about": f"{about} (lesson {int(lesson[:2])})",
    }


def _named(lesson: str) -> str:
    return f"lesson {int(lesson[:2])}, `{lesson}`"
