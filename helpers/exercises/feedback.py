"""Did I get it right? `quiz` asks before you run, `check` answers on an exercise."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from helpers.exercises.engine import Verdict, all_exercises, examine
from helpers.exercises.exercise import Exercise
from helpers.exercises.facts import Unsolved
from helpers.exercises.questions import all_questions
from helpers.exercises.stopping import own_room
from helpers.views import page
from helpers.views.markup import BOX, Markup, fold, join, prose, soft, tag
from helpers.views.quiz_card import RIGHT, WRONG, QuizCard
from helpers.views.signs import GREY

# Hints already shown for each exercise in this kernel: the next attempt gets the next one.
_shown: dict[str, list[str]] = {}

_START = "Write your answer in place of `...`, run its cell, and run this one again."
_VERDICTS = {
    "right": ("✓ Right", RIGHT),
    "wrong": ("✗ Not yet", WRONG),
    "unsolved": ("… Not solved yet", GREY),
}


@dataclass(frozen=True)
class Feedback:
    """The reply to one attempt: `status` is "right", "wrong" or "unsolved"; empty fields have
    nothing to say.

    `expected` and `found` belong to the first case that failed, `mistake` is its short name, `hint`
    is the next hint. On a right answer `tried` says what held. Words between backticks are code.
    """

    exercise: str
    status: str
    expected: str = ""
    found: str = ""
    hint: str = ""
    mistake: str = ""
    tried: str = ""

    def _lines(self) -> list[tuple[str, str]]:
        goal = "Wanted" if self.status == "unsolved" else "Expected"
        named = {goal: self.expected, "Found": self.found, "Hint": self.hint, "Tried": self.tried}
        return [(name, words) for name, words in named.items() if words]

    def __repr__(self) -> str:
        words = [f"{self.exercise} {_VERDICTS[self.status][0]}", *map(": ".join, self._lines())]
        return " ".join(" · ".join(words).split())

    def _repr_html_(self) -> Markup:
        verdict, _ = _VERDICTS[self.status]
        return self._box(tag("b", verdict), f" · exercise {self.exercise}", self._told())

    def _repr_mimebundle_(self, **kwargs: object) -> dict:
        data = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if page.is_wanted() and self.status == "unsolved":
            data[page.KIND] = page.bundle_of([{"html": self._on_page()}])
        return data

    def _on_page(self) -> Markup:
        """The exercise with its hints, each inside the fold of the one before."""
        hints = all_exercises()[self.exercise].hints
        folds: Markup | str = ""
        for number, hint in reversed(list(enumerate(hints, start=1))):
            words = tag("div", prose(hint), style="margin:0.3em 0")
            folds = fold(f"Hint {number} of {len(hints)}", words, folds, style="margin-top:0.3em")
        wanted = tag("div", prose(self.expected), style="margin:0.3em 0")
        check = soft("Run the lesson to write your answer and have it checked.")
        return self._box(tag("b", f"Exercise {self.exercise}"), wanted, folds, check)

    def _told(self) -> Markup:
        return join(
            tag("div", tag("b", name, ":"), " ", prose(words), style="margin-top:0.3em")
            for name, words in self._lines()
        )

    def _box(self, *parts: object) -> Markup:
        style = f"{BOX};border-left:5px solid {_VERDICTS[self.status][1]}"
        return tag("div", *parts, class_="inm-check", data_state=self.status, style=style)


def quiz(key: str) -> QuizCard:
    """The question called `key`, to predict on before you run: `quiz("01-live-view")`.

    TypeError: `key` is not text. ValueError: no such question; the message lists those that are.
    """
    question = _find("quiz", "question", key, all_questions())
    options = [(option.text, option.why) for option in question.options]
    return QuizCard(key, question.prompt, options, question.answer, question.code)


def check(exercise: str, answer: object) -> Feedback:
    """Feedback on your answer to an exercise, with the next hint if it is wrong: `check("1.2",
    keep_best)`.

    Whatever the answer is or does, a mistake gives feedback and no exception; only
    KeyboardInterrupt passes. An answer that does not end within ten seconds is stopped, or, where
    Python cannot stop it, said to be running still. Your objects, random state, default dtype and
    warnings are as they were afterwards. TypeError: `exercise` is not text. ValueError: no such
    exercise; the message lists those that are."""
    task = _find("check", "exercise", exercise, all_exercises())
    try:
        if answer is ...:
            raise Unsolved
        with own_room():
            verdict = examine(task, answer)
    except Unsolved:
        return Feedback(task.key, "unsolved", task.goal, hint=_START)
    if verdict.right:
        _shown.pop(task.key, None)
        return Feedback(task.key, "right", tried=verdict.tried)
    hint = _next_hint(task, verdict)
    return Feedback(task.key, "wrong", verdict.expected, verdict.found, hint, verdict.mistake)


def _next_hint(task: Exercise, verdict: Verdict) -> str:
    """The fitting hint at the first sight of a mistake, then the exercise's own, one an attempt."""
    shown = _shown.setdefault(task.key, [])
    fresh = [hint for hint in (verdict.hint, *task.hints) if hint and hint not in shown]
    hint = fresh[0] if fresh else task.hints[-1]
    shown.append(hint)
    return hint


def _find(function: str, noun: str, key: object, known: dict):
    if not isinstance(key, str):
        example, got = next(iter(known)), type(key).__name__
        raise TypeError(
            f"{function} takes the name of the {noun} as text, such as {example!r}; got {got}"
        )
    if key in known:
        return known[key]
    close = get_close_matches(key, known, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    raise ValueError(f"there is no {noun} {key!r}{meant} There are: {', '.join(known)}")
