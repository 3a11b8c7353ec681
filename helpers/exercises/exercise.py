"""How an exercise is written: one record in the file of its lesson, and a test holds it together.

    def keep_best(model):                      # the reference: the solution that the lesson folds
        return copy.deepcopy(model.state_dict())

    KEEP_BEST = Exercise(
        "1.2",
        keep_best,
        on_models("keep_best(model)", _kept),  # the experiment: where it is asked
        '''
        `keep_best(model)` returns the state as it is now, whatever training does later.

        1. A nudge.
        2. More. A text may go on in the next line,
           as here.
        3. Nearly there: `copy.deepcopy(...)` of the whole state_dict.

        - live-view: A new dict is not new tensors. Copy the numbers.
            return dict(model.state_dict())
        - keys-only: Keep the tensors, too.
            model.state_dict() → list(model.state_dict())
        ''',
    )

- The *reference* is the only right answer that is written down: a function, a class, a tuple of
  functions, or a value. A test compares its source with the solution in the notebook, docstrings
  aside.
- The *experiment* takes an answer and gives cases: (words, a function that runs the case and
  returns its `Facts`). For a function of a model there is `menagerie.on_models`, for a module class
  `life.living`, for the facts of one call `facts.called`; where these do not fit, write your own
  generator. The words name the call, for a learner whose answer does not end.
- The first case in which the facts are not those of the reference is the verdict. Only facts that
  the reference has are asked for, and `free` takes out what the docstring in the notebook does not
  ask for. Do not demand what it does not say, or let it say so.
- A *mistake* is a name, a hint, and a wrong answer as code, indented: a new body for the function,
  or a new value; or pieces of the reference's text, each with what stands there instead, `old →
  new`. Five or six for an exercise: the ones that people make. Order them by how far they come: the
  learner gets the hint of the first that does in that case what the answer did. So a hint says what
  is so in the case, or what to do: it has to be true of every answer that behaves so. Where none
  does, the case itself is told, with the next of the three general hints.
- `python -m tests.mutate_exercises 1.2` prints the mutants of the reference that are accepted: each
  must be equivalent. Right answers in other styles go into `tests/right`.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import NamedTuple

from helpers.exercises.facts import Facts

Experiment = Callable[[object], Iterator[tuple[str, Callable[[], Facts]]]]


class Mistake(NamedTuple):
    """A named wrong answer, and the hint for whoever gives one that behaves like it."""

    name: str
    hint: str
    answer: object


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise. `words` are its goal, its hints and its mistakes, as shown above.

    Answers, the reference too, are compared with the `judge`, where there is one."""

    key: str
    reference: object
    experiment: Experiment
    words: str
    judge: object = None

    @cached_property
    def _items(self) -> list[str]:
        return re.split(r"^(?=- |\d\. )", textwrap.dedent(self.words).strip(), flags=re.MULTILINE)

    @property
    def goal(self) -> str:
        return " ".join(self._items[0].split())

    @property
    def hints(self) -> list[str]:
        return [" ".join(item[3:].split()) for item in self._items[1:] if item[0] != "-"]

    @property
    def mistakes(self) -> list[Mistake]:
        """Each mistake in order, with an answer that has not run before."""
        home = inspect.getmodule(self.experiment)
        found = []
        for item in self._items[1:]:
            if item[0] == "-":
                lines = item.splitlines()
                told = [line for line in lines if not line.startswith("    ")]
                code = "\n".join(line[4:] for line in lines if line.startswith("    "))
                name, hint = " ".join(" ".join(told).split())[2:].split(": ", 1)
                found.append(Mistake(name, hint, _answer(code, self.reference, home)))
        return found


def parts_of(reference: object) -> tuple[Callable, ...]:
    """The functions and classes that a reference consists of; none, if it is a value."""
    parts = reference if isinstance(reference, tuple) else (reference,)
    return parts if all(map(callable, parts)) else ()


def _answer(code: str, reference: object, home: object) -> object:
    """The wrong answer that `code` writes down."""
    if not parts_of(reference):
        return eval(code, dict(vars(home)))
    if " →" in code:
        pieces = [line.partition(" →") for line in code.splitlines()]
        return edited(reference, *((old, new.strip()) for old, _, new in pieces))
    head = source_of(reference).split("\n", 1)[0]
    return defined(f"{head}\n{textwrap.indent(code, '    ')}", reference)


def edited(reference: object, *pieces: tuple[str, str]) -> object:
    """`reference` with the second of each pair in place of the first in its text.

    ValueError: a piece does not stand in the text exactly once."""
    text = source_of(reference)
    for old, new in pieces:
        if text.count(old) != 1:
            name = parts_of(reference)[0].__name__
            raise ValueError(f"{old!r} stands {text.count(old)} times in {name}")
        text = text.replace(old, new)
    return defined(text, reference)


def source_of(reference: object) -> str:
    """The text of a function or class, or of several, without indentation."""
    return "\n\n".join(map(_text_of, parts_of(reference)))


@cache  # for a class Python parses the whole file anew; references are of our files and stay
def _text_of(part: Callable) -> str:
    return textwrap.dedent(inspect.getsource(part))


def defined(text: str, reference: object) -> object:
    """What `text` defines under the names of `reference`, among the names of its module."""
    names = [one.__name__ for one in parts_of(reference)]
    space = dict(vars(import_module(parts_of(reference)[0].__module__)))
    for name in names:
        del space[name]
    exec(compile(text, f"<{names[0]}>", "exec"), space)
    found = tuple(space[name] for name in names)
    return found if isinstance(reference, tuple) else found[0]
