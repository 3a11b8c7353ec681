"""How an exercise is written, and how an answer to it is judged.

An exercise is data, one record in the file of its lesson:

    def keep_best(model):                      # the reference: the solution that the lesson folds
        return copy.deepcopy(model.state_dict())

    KEEP_BEST = Exercise(
        "1.2",
        "`keep_best(model)` returns the state as it is now, whatever training does later",
        keep_best,
        on_models("keep_best(model)", _kept),  # the experiment: where it is asked
        hints=("A nudge.", "More.", "Nearly there: ..."),
        mistakes={
            "live-view: A new dict is not new tensors.": lambda model: dict(model.state_dict()),
            "a-model: Return its state_dict.": copy.deepcopy,
        },
    )

- The *reference* is the only right answer that is written down. A test holds it to the solution in
  the notebook, source by source, docstrings aside. A class, a function or a plain value.
- The *experiment* takes an answer and gives cases: (words, a function that runs the case and
  returns its `Facts`). A function of a model: `menagerie.on_models`. A module class:
  `life.living`. Facts of a call: `facts.called`. Write your own as a generator where these do not
  fit; the words name the call, for a learner whose answer does not end.
- The reference runs through the same. The first case with another fact is the verdict. Only facts
  that the reference has are asked for, and `free` takes out those of which the docstring in the
  notebook says nothing: do not demand what it does not say, or let it say so.
- A *mistake* is "name: its hint" and a wrong answer as code. Written as `instead(old, new, ...)` it
  is the reference with a piece of its text replaced. The learner gets the hint of the first mistake
  that does in the same case what the answer did; else the case is shown with the next of `hints`.
- `python -m tests.mutate_exercises 1.2` shows which mutants of the reference are accepted; each
  must be equivalent. More right answers stand in `tests/right_answers.py`.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module

import torch
from torch import nn

from helpers.exercises.facts import Facts, Raised, Unsolved, is_a, plain_text, told
from helpers.exercises.menagerie import Experiment
from helpers.exercises.questions import LESSONS
from helpers.exercises.stopping import TimeUp, in_time

# What any answer may get, by the name of the mistake.
_ALWAYS = {
    "raises": "Call it yourself, in a cell of its own, to see where the error comes from.",
    "not-a-function": "Pass the function itself, by its name and without calling it.",
    "nothing-returned": "A function without `return` returns `None`. Return what you have built.",
    "an-instance": "Pass the class itself, without calling it.",
    "not-a-module": "Begin with `class ...(nn.Module):`, and pass the class itself.",
    "no-super": "`super().__init__()` makes the containers that parameters and buffers go into. "
    "Call it first.",
    "endless": "Look for a loop whose end never comes, and for a walk that goes in a circle.",
}


@dataclass(frozen=True)
class Edit:
    """A wrong answer: the reference with pieces of its text replaced."""

    pieces: tuple[str, ...]

    def of(self, reference: Callable) -> object:
        """The answer itself. ValueError: a piece does not stand in the text exactly once."""
        text = source_of(reference)
        for old, new in zip(self.pieces[::2], self.pieces[1::2], strict=True):
            if text.count(old) != 1:
                raise ValueError(f"{old!r} stands {text.count(old)} times in {reference.__name__}")
            text = text.replace(old, new)
        return defined(text, reference)


def instead(*pieces: str) -> Edit:
    """The reference with `pieces[1]` in place of `pieces[0]`, and so on."""
    return Edit(pieces)


def source_of(reference: Callable) -> str:
    """The text of a function or class, without indentation."""
    return textwrap.dedent(inspect.getsource(reference))


def defined(text: str, reference: Callable) -> object:
    """What `text` defines under the name of `reference`, among the names of its module."""
    names = vars(import_module(reference.__module__)).items()
    space = {name: value for name, value in names if value is not reference}
    exec(compile(text, f"<{reference.__name__}>", "exec"), space)
    return space[reference.__name__]


@dataclass(frozen=True)
class Exercise:
    """One exercise; see the top of this file. `mistakes` maps "name: hint" to a wrong answer."""

    key: str
    goal: str
    reference: object
    experiment: Experiment
    hints: tuple[str, ...]
    mistakes: Mapping[str, object] = field(default_factory=dict)

    def wrong_answers(self) -> Iterator[tuple[str, str, object]]:
        """(name, hint, answer) of each mistake, in order."""
        for words, answer in self.mistakes.items():
            name, hint = words.split(": ", 1)
            yield name, hint, answer.of(self.reference) if isinstance(answer, Edit) else answer


@dataclass(frozen=True)
class Verdict:
    """The first thing in which an answer differs from the reference, or `right`.

    `found` and `expected` are told in words; `mistake` is the name of the mistake and `hint` fits
    it, both empty if no named mistake behaves so. `tried` says how much was asked."""

    right: bool = False
    expected: str = ""
    found: str = ""
    mistake: str = ""
    hint: str = ""
    tried: str = ""


@dataclass(frozen=True)
class Difference:
    """The number of a case of `answer`, its words, what it showed, and the first other fact."""

    answer: object
    case: int
    words: str
    seen: Facts
    fact: str
    expected: object
    found: object

    def like(self, other: Difference | None, closely: bool) -> bool:
        """Whether `other` shows the same in the same case: every fact, or that which differs."""
        if other is None or other.case != self.case:
            return False
        facts = self.seen if closely else {self.fact: self.found}
        if not closely and self.fact != other.fact:
            return False
        return all(_the_same(fact, other.seen.get(words)) for words, fact in facts.items())


def _the_same(fact: object, other: object) -> bool:
    """Whether two facts are equal, and two errors say the same as well."""
    if isinstance(fact, Raised) and isinstance(other, Raised):
        return fact.text() == other.text()
    return fact == other


class Run:
    """An answer on its way through an experiment; `words` are those of the case it is in."""

    def __init__(self, exercise: Exercise, answer: object) -> None:
        self.exercise, self.answer, self.words = exercise, answer, ""

    def cases(self) -> Iterator[tuple[str, Facts]]:
        """(words, facts) of each case, each with the same random numbers whatever came before."""
        torch.default_generator.manual_seed(0)
        for number, (words, ask) in enumerate(self.exercise.experiment(self.answer)):
            self.words = words
            torch.default_generator.manual_seed(number)
            yield words, self._facts(ask)
            torch.default_generator.manual_seed(number)

    def _facts(self, ask: Callable[[], Facts]) -> Facts:
        try:
            return {"it": "raises nothing", **ask()}
        except (KeyboardInterrupt, TimeUp, Unsolved):
            raise
        except BaseException as error:
            return {"it": Raised.of(error)}

    def difference(self, wanted: list[tuple[str, Facts]]) -> Difference | None:
        """The first difference to the cases of the reference."""
        pairs = zip(wanted, self.cases(), strict=False)
        for case, ((words, right), (_, seen)) in enumerate(pairs):
            for fact, expected in right.items():
                if seen.get(fact) != expected:
                    seen = {one: seen.get(one) for one in right}
                    return Difference(self.answer, case, words, seen, fact, expected, seen[fact])
        return None


def examine(exercise: Exercise, answer: object) -> Verdict:
    """The verdict on `answer`, in ten seconds and a little. `Unsolved`: it is still the stub."""
    kind = _not_the_kind(exercise, answer)
    if kind is not None:
        return kind
    run = Run(exercise, answer)
    wanted = in_time(lambda: list(Run(exercise, exercise.reference).cases()), seconds=60)
    try:
        difference = in_time(lambda: run.difference(wanted))
    except TimeUp as time:
        found = "it did not end, and was stopped"
        if not time.stopped:
            found = "it did not end, and cannot be stopped: it still runs. Restart the kernel"
        return Verdict(
            expected=f"{run.words}: an end within ten seconds",
            found=found,
            mistake="endless",
            hint=_ALWAYS["endless"],
        )
    if difference is None:
        first, last = wanted[0][0], wanted[-1][0]
        tried = f"{len(wanted)} cases, as the solution does, from {first} to {last}"
        return Verdict(right=True, tried=tried)
    mistake, hint = _named(exercise, difference, wanted)
    expected, found = told(difference.expected, difference.found)
    fact = f"{difference.fact} " if difference.fact != "it" else ""
    return Verdict(
        expected=f"{difference.words}: {fact}{expected}", found=found, mistake=mistake, hint=hint
    )


def _named(exercise: Exercise, difference: Difference, wanted: list) -> tuple[str, str]:
    """Name and hint of the first mistake that does what the answer did."""
    slips = in_time(lambda: _slips(exercise, wanted), seconds=60)
    for closely in (True, False):
        for name, hint, slip in slips:
            if difference.like(slip, closely):
                return name, hint
    if isinstance(difference.found, Raised):
        if isinstance(exercise.reference, type) and _super_is_missing(exercise, difference, wanted):
            return "no-super", _ALWAYS["no-super"]
        return "raises", _ALWAYS["raises"]
    if difference.found == "`None`":
        return "nothing-returned", _ALWAYS["nothing-returned"]
    return "", ""


def _super_is_missing(exercise: Exercise, difference: Difference, wanted: list) -> bool:
    """Whether the answer would come further if `nn.Module.__init__` had run before it is made."""

    def made(kind: type, *args: object, **named: object) -> object:
        module = object.__new__(kind)
        nn.Module.__init__(module)
        return module

    helped = type("Helped", (difference.answer,), {"__new__": made})
    later = in_time(lambda: Run(exercise, helped).difference(wanted))
    return later is None or later.case > difference.case or not isinstance(later.found, Raised)


def _slips(exercise: Exercise, wanted: list) -> list[tuple[str, str, Difference | None]]:
    return [
        (name, hint, Run(exercise, answer).difference(wanted))
        for name, hint, answer in exercise.wrong_answers()
    ]


def _not_the_kind(exercise: Exercise, answer: object) -> Verdict | None:
    """The verdict on what is no function, or no module class, where one is asked for."""
    reference = exercise.reference
    if not callable(reference):
        return None
    name = reference.__name__
    if not isinstance(reference, type):
        if callable(answer) and not is_a(answer, (type, nn.Module)):
            return None
        return _kind("not-a-function", f"the function `{name}`", answer)
    if is_a(answer, nn.Module):
        return _kind("an-instance", f"the class `{name}`", answer)
    if not is_a(answer, type) or not issubclass(answer, nn.Module):
        return _kind("not-a-module", "a subclass of `nn.Module`", answer)
    if answer.__init__ is nn.Module.__init__ and answer.forward is nn.Module.forward:
        raise Unsolved
    return None


def _kind(mistake: str, expected: str, answer: object) -> Verdict:
    return Verdict(False, expected, plain_text(answer), mistake, _ALWAYS[mistake])


@cache
def all_exercises() -> dict[str, Exercise]:
    """Every exercise by its key, in the order of the lessons; they are read at the first call."""
    found = {}
    for lesson in LESSONS[1:]:  # the first has none
        names = vars(import_module(f"helpers.exercises.lesson_{lesson[:2]}"))
        mine = [value for value in names.values() if isinstance(value, Exercise)]
        found |= {exercise.key: exercise for exercise in mine}
    return found
