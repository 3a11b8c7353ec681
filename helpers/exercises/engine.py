"""How an answer is judged: it goes through the experiment; the first other fact is the verdict."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module

import torch
from torch import nn

from helpers.exercises.exercise import Exercise, Mistake, parts_of
from helpers.exercises.facts import Facts, Raised, Unsolved, is_a, plain_text, told
from helpers.exercises.menagerie import classes_of_models
from helpers.exercises.questions import LESSONS
from helpers.exercises.stopping import Surroundings, TimeUp, in_time
from helpers.state.torch_private import PARAMETERS

Cases = list[tuple[str, Facts]]

# Hints that any answer may get, by the name of the mistake.
_ALWAYS = {
    "raises": "Call it yourself, in a cell of its own, to see where the error comes from.",
    "another-error": "An error is right here, and it is to be of another kind.",
    "not-a-function": "Pass the function itself, by its name and without calling it.",
    "not-functions": "Define both functions, and pass them by their names, in parentheses.",
    "setting-left": "All code that comes after meets it. Leave it, undo it in `finally`, or use a "
    "`with` block, such as `with torch.no_grad():`, which ends by itself.",
    "nothing-returned": "A function without `return` returns `None`. Return what you have built.",
    "an-instance": "Pass the class itself, without calling it.",
    "not-a-module": "Begin with `class ...(nn.Module):`, and pass the class itself.",
    "torchs-own": "Here you write the class yourself: begin with `class Module(...):`, as the cell "
    "above has it.",
    "no-super": "`super().__init__()` makes the containers of a module. Call it first.",
    "endless": "Look for a loop whose end never comes, and for a walk that goes in a circle.",
}


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right; if it is not, the first fact that is another one, in words.

    `mistake` and `hint` are empty where no named mistake behaves so. `tried` says what held."""

    right: bool
    expected: str = ""
    found: str = ""
    mistake: str = ""
    hint: str = ""
    tried: str = ""


@dataclass(frozen=True)
class Difference:
    """The first case in which an answer differs: number, words and facts; and the first fact."""

    case: int
    words: str
    seen: Facts
    fact: str
    expected: object
    found: object


class Run:
    """An answer on its way through an experiment; `words` are those of the case it is in."""

    def __init__(self, exercise: Exercise, answer: object) -> None:
        self.exercise, self.answer, self.words = exercise, answer, ""

    def cases(self) -> Iterator[tuple[str, Facts]]:
        """(words, facts) of each case, each with the same random numbers whatever came before."""
        # A class that was written is given no model; its instances are of a class of its own.
        written = isinstance(self.exercise.reference, type)
        surroundings = Surroundings(() if written else classes_of_models())
        torch.default_generator.manual_seed(0)
        for number, (words, ask) in enumerate(self.exercise.experiment(self.answer)):
            self.words = words
            torch.default_generator.manual_seed(number)
            seen = _facts_of(ask, surroundings)
            anew = torch.initial_seed() != number
            seen["afterwards the seed of torch's random numbers is"] = (
                "another one" if anew else "as it was"
            )
            yield words, seen
            torch.default_generator.manual_seed(number)

    def difference(self, wanted: Cases) -> Difference | None:
        """The first difference to `wanted`, the cases of the reference."""
        for case, ((words, right), (_, seen)) in enumerate(zip(wanted, self.cases(), strict=False)):
            for fact, expected in right.items():
                if seen.get(fact) != expected:
                    asked = {one: seen.get(one) for one in right}
                    return Difference(case, words, asked, fact, expected, seen.get(fact))
        return None


def _facts_of(ask: Callable[[], Facts], surroundings: Surroundings) -> Facts:
    """The facts of one case, and what it has left of all that surrounds it."""
    try:
        seen = {"it": "raises nothing", **ask()}
    except (KeyboardInterrupt, TimeUp, Unsolved):
        surroundings.left()
        raise
    except BaseException as error:
        seen = {"it": Raised.of(error)}
    return seen | surroundings.left()


def examine(exercise: Exercise, answer: object) -> Verdict:
    """The verdict on `answer`, in ten seconds of work. `Unsolved`: it is still the stub."""
    strange = _not_the_kind(exercise.reference, answer)
    if strange is not None:
        return strange
    wanted = _wanted(exercise)
    run = Run(exercise, answer)
    try:
        difference = in_time(partial(run.difference, wanted))
    except TimeUp as time:
        return _endless(run.words, time.stopped)
    if difference is None:
        return Verdict(True, tried=_tried(exercise, wanted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mistakes' own, which the learner has not made
        mistake, hint = _named(run, difference, wanted)
    expected, found = told(difference.expected, difference.found)
    fact = f"{difference.fact} " if difference.fact != "it" else ""
    return Verdict(False, f"{difference.words}: {fact}{expected}", found, mistake, hint)


@cache
def _wanted(exercise: Exercise) -> Cases:
    """The cases of the judge, or of the reference where there is none. No answer changes them."""
    judge = exercise.reference if exercise.judge is None else exercise.judge
    return in_time(lambda: list(Run(exercise, judge).cases()), seconds=60)


def _tried(exercise: Exercise, wanted: Cases) -> str:
    if exercise.judge is not None:
        return f"{len(wanted)} cases, each as in torch's own class"
    return f"{len(wanted)} cases, as the solution does, from {wanted[0][0]} to {wanted[-1][0]}"


@cache
def _slips(exercise: Exercise) -> list[tuple[Mistake, Difference | None]]:
    """Each mistake, and where it differs from the reference."""
    wanted = _wanted(exercise)
    runs = [(one, Run(exercise, one.answer)) for one in exercise.mistakes]
    return [(one, in_time(partial(run.difference, wanted), seconds=60)) for one, run in runs]


def _endless(words: str, stopped: bool) -> Verdict:
    found = "it did not end, and was stopped"
    if not stopped:
        found = "it did not end, and cannot be stopped: it still runs. Restart the kernel"
    expected = f"{words}: an end within ten seconds"
    return Verdict(False, expected, found, "endless", _ALWAYS["endless"])


def _named(run: Run, difference: Difference, wanted: Cases) -> tuple[str, str]:
    """Name and hint of the first mistake that does in this case what the answer did.

    First of those that show the very same facts, then of those that show the same other fact."""
    slips = _slips(run.exercise)
    near = [(one, slip) for one, slip in slips if slip and slip.case == difference.case]
    for same in (_the_same_facts, _the_same_fact):
        for one, slip in near:
            if same(slip, difference):
                return one.name, one.hint
    name = ""
    if difference.found == "`None`" and _of_the_whole(difference.fact):
        name = "nothing-returned"
    elif difference.fact.startswith("afterwards "):
        name = "setting-left"
    elif isinstance(difference.found, Raised) and isinstance(difference.expected, Raised):
        name = "another-error"
    elif isinstance(difference.found, Raised):
        missing = in_time(partial(_super_is_missing, run, difference, wanted), seconds=60)
        name = "no-super" if missing else "raises"
    return name, _ALWAYS.get(name, "")


def _of_the_whole(fact: str) -> bool:
    """Whether `fact` says what something is that was given back, and not what is in it."""
    if fact.endswith(" returns"):
        return True
    return fact.endswith(" is") and not any(sign in fact for sign in ".[")


def _the_same_facts(one: Difference, other: Difference) -> bool:
    return all(_same(fact, other.seen.get(words)) for words, fact in one.seen.items())


def _the_same_fact(one: Difference, other: Difference) -> bool:
    return one.fact == other.fact and _same(one.found, other.found)


def _same(fact: object, other: object) -> bool:
    """Whether two facts are equal, and two errors say the same as well."""
    if isinstance(fact, Raised) and isinstance(other, Raised):
        return fact.text() == other.text()
    return fact == other


def _super_is_missing(run: Run, difference: Difference, wanted: Cases) -> bool:
    """Whether `nn.Module.__init__` has not run, and the answer would come further if it had."""
    if not isinstance(run.answer, type) or not issubclass(run.answer, nn.Module):
        return False
    made = []

    def bare(kind: type, *args: object, **named: object) -> object:
        made.append(object.__new__(kind))
        return made[-1]

    def ready(kind: type, *args: object, **named: object) -> object:
        module = object.__new__(kind)
        nn.Module.__init__(module)
        return module

    Run(run.exercise, type("Kept", (run.answer,), {"__new__": bare})).difference(wanted)
    if all(PARAMETERS in vars(module) for module in made):
        return False
    helped = type("Helped", (run.answer,), {"__new__": ready})
    later = Run(run.exercise, helped).difference(wanted)
    return later is None or later.case > difference.case or not isinstance(later.found, Raised)


def _not_the_kind(reference: object, answer: object) -> Verdict | None:
    """The verdict on what is no function, or no module class, where one is asked for."""
    parts = parts_of(reference)
    name = " and ".join(f"`{one.__name__}`" for one in parts)
    if len(parts) > 1:
        given = list(answer) if is_a(answer, (list, tuple)) else []
        fits = len(given) == len(parts) and all(map(_is_a_function, given))
        return None if fits else _kind("not-functions", f"the functions {name}", answer)
    if not isinstance(reference, type):
        fits = _is_a_function(answer) or not parts
        return None if fits else _kind("not-a-function", f"the function {name}", answer)
    if not issubclass(reference, nn.Module):
        return _not_of_ones_own(answer)
    if is_a(answer, nn.Module):
        return _kind("an-instance", f"the class {name}", answer)
    if not is_a(answer, type) or not issubclass(answer, nn.Module):
        return _kind("not-a-module", "a subclass of `nn.Module`", answer)
    if answer.__init__ is nn.Module.__init__ and answer.forward is nn.Module.forward:
        raise Unsolved
    return None


def _not_of_ones_own(answer: object) -> Verdict | None:
    """The verdict on what is no class, or torch's, where a class from nothing is asked for."""
    if not is_a(answer, type):
        return _kind("an-instance", "the class `Module`", answer)
    if issubclass(answer, nn.Module) or "Base" not in [one.__name__ for one in answer.__mro__]:
        return _kind("torchs-own", "a class of your own, made from the step before", answer)
    if not any(map(callable, vars(answer).values())):
        raise Unsolved
    return None


def _is_a_function(answer: object) -> bool:
    return callable(answer) and not is_a(answer, (type, nn.Module))


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
