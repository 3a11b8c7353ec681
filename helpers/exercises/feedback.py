"""Did I get it right? `quiz` asks before you run, `check` answers on an exercise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

import torch

from helpers.exercises.engine import Mistake, Task, Unsolved, all_tasks, in_words
from helpers.exercises.questions import all_questions
from helpers.views.markup import BOX, Markup, join, tag
from helpers.views.quiz_card import QuizCard, prose

# Hints already shown for each exercise in this kernel: the next attempt gets the next one.
_shown: dict[str, list[str]] = {}

_START = "Write your answer in place of `...`, run its cell, and run this one again."
_VERDICTS = {
    "right": ("✓ Right", "#009e73"),
    "wrong": ("✗ Not yet", "#d55e00"),
    "unsolved": ("… Not solved yet", "#767676"),
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
        verdict, colour = _VERDICTS[self.status]
        lines = (
            tag("div", tag("b", name, ":"), " ", prose(words), style="margin-top:0.3em")
            for name, words in self._lines()
        )
        return tag(
            "div",
            tag("b", verdict),
            f" · exercise {self.exercise}",
            join(lines),
            class_="inm-check",
            data_state=self.status,
            style=f"{BOX};border-left:5px solid {colour}",
        )


def quiz(key: str) -> QuizCard:
    """The question called `key`, to predict on before you run: `quiz("01-live-view")`.

    TypeError: `key` is not text. ValueError: no such question; the message lists those that are.
    """
    return QuizCard(_find("quiz", "question", key, all_questions()))


def check(exercise: str, answer: object) -> Feedback:
    """Feedback on your answer to an exercise, with the next hint if it is wrong: `check("1.2",
    keep_best)`.

    Whatever the answer is or does, a mistake gives feedback and no exception; only
    KeyboardInterrupt passes. Your objects, torch's random state, grad mode and default dtype are as
    they were afterwards. TypeError: `exercise` is not text. ValueError: no such exercise; the
    message lists those that are."""
    task = _find("check", "exercise", exercise, all_tasks())
    try:
        if answer is ...:
            raise Unsolved
        with _own_room():
            tried = task.check(answer)
    except Unsolved:
        return Feedback(task.key, "unsolved", task.goal, hint=_START)
    except Mistake as mistake:
        hint = _next_hint(task, task.fitting[mistake.name])
        return Feedback(task.key, "wrong", mistake.expected, mistake.found, hint, mistake.name)
    except KeyboardInterrupt:
        raise
    except (
        BaseException
    ) as error:  # the learner's objects run their own code when they are looked at
        found = f"looking at your answer raised {in_words(error)}"
        return Feedback(task.key, "wrong", task.goal, found, _next_hint(task), "cannot-be-examined")
    _shown.pop(task.key, None)
    return Feedback(task.key, "right", tried=tried)


def _next_hint(task: Task, fitting: str = "") -> str:
    """The fitting hint at the first sight of a mistake, then the exercise's own hints, one an
    attempt.
    """
    shown = _shown.setdefault(task.key, [])
    hint = next(
        (hint for hint in (fitting, *task.hints) if hint and hint not in shown), task.hints[-1]
    )
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


@contextmanager
def _own_room() -> Iterator[None]:
    """Known settings for a check, and everything as it was afterwards, whatever the learner's code
    sets.
    """
    dtype = torch.get_default_dtype()
    # fork_rng(devices=all) would start CUDA, so a GPU's generator is kept only where one is in use.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    # inference_mode(False) turns gradients on as well, and puts both modes back.
    with torch.random.fork_rng(devices), torch.inference_mode(False), torch.device("cpu"):
        torch.default_generator.manual_seed(0)
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
