"""The checkers of the lessons that are not yet written as data; see `engine`. A lesson has a text file for goals and hints and a module of checkers, named in
`LESSONS`.

A checker takes the learner's answer, tries it with `ask`, and states what must hold with `expect`.
It returns a line on what was tried, or stops at the first mistake, by a name that has its hint in
the text file:

    ## 1.1
    The goal, in one sentence.

    1. A nudge. The next attempts get 2 and 3, which is nearly the solution.

    - name-of-a-mistake: the hint that fits it, given before the others.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from helpers.exercises.engine import Verdict
from helpers.exercises.facts import Unsolved
from helpers.state.objects import message_of
from helpers.views.markup import writable

LESSONS = ("lesson_02", "lesson_04", "lesson_05", "lesson_06")

# Mistakes that any exercise can meet.
_ALWAYS = {
    "raises": "Call it yourself, in a cell of its own, to see where the error comes from.",
    "not-a-function": "Pass the function itself, by its name and without calling it.",
    "nothing-returned": "A function without `return` returns `None`. Return what you have built.",
    "an-instance": "Pass the class itself, without calling it.",
    "not-a-module": "Begin with `class ...(nn.Module):`, and pass the class itself.",
    "no-super": "`super().__init__()` makes the containers that parameters and buffers go into. Call it first.",
    "not-a-dict": "Return a dict of names and tensors, the kind that `load_state_dict` takes.",
}
_SHORT = reprlib.Repr()
_SHORT.maxstring = 80
_HOOKS = [key for key in vars(nn.Module()) if "_hooks" in key]


@dataclass(frozen=True)
class Task:
    """One exercise: `check` tries an answer, `fitting` has each mistake's hint, `hints` lead on."""

    key: str
    goal: str
    check: Callable[[object], str]
    hints: tuple[str, ...]
    fitting: dict[str, str]


class Mistake(Exception):
    """One diagnosed mistake, by name, with what was expected and what was found."""

    def __init__(self, name: str, expected: str, found: str) -> None:
        super().__init__(name, expected, found)
        self.name, self.expected, self.found = name, expected, found


def expect(holds: bool, name: str, expected: str, found: str) -> None:
    """Go on if `holds`, else stop with this `Mistake`."""
    if not holds:
        raise Mistake(name, expected, found)


def describe(value: object) -> str:
    """`value` in a few words, with no address and no foreign repr."""
    if isinstance(value, type):
        return f"the class `{value.__name__}`"
    if isinstance(value, torch.Tensor):
        return f"a `{value.dtype}` tensor of shape `{tuple(value.shape)}`"
    if type(value) in (int, float, bool, str, bytes, type(None), type(...)):
        return f"`{_SHORT.repr(value)}`"
    return f"an object of type `{type(value).__name__}`"


def in_words(error: BaseException) -> str:
    """Type and first line of an exception as UTF-8 can hold it, without addresses."""
    message = writable(message_of(error))
    return f"`{type(error).__name__}`" + (f": {message}" if message else "")


def ask(
    call: str,
    function: Callable,
    *args: object,
    mistake: str | dict[str, str] = "raises",
    **named: object,
) -> object:
    """What the learner's `function` returns; `call` is the call in words.

    `Unsolved` if it returns `...`. A `Mistake` if it returns None, or if it raises: its name is
    `mistake`, or in a dict that of the first key which the error has in its words."""
    try:
        result = function(*args, **named)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        found, slips = (
            in_words(error),
            {"": mistake} if isinstance(mistake, str) else {**mistake, "": "raises"},
        )
        slip = next(slip for words, slip in slips.items() if words in found)
        raise Mistake(slip, f"`{call}` runs to its end", f"it raised {found}") from None
    if result is ...:
        raise Unsolved
    expect(
        result is not None, "nothing-returned", f"`{call}` returns a value", "it returned `None`"
    )
    return result


def want_function(answer: object, name: str) -> None:
    """Go on if `answer` is a function or another callable that is neither a class nor a module."""
    fits = callable(answer) and not isinstance(answer, (type, nn.Module))
    expect(fits, "not-a-function", f"the function `{name}`", describe(answer))


def entries(result: object, call: str) -> dict:
    """The dict that `call` returned, as a plain dict of its first thousand entries."""
    expect(isinstance(result, Mapping), "not-a-dict", f"`{call}` returns a dict", describe(result))
    return dict(islice(result.items(), 1000))


def photo(model: nn.Module, attributes: bool = False) -> tuple:
    """Modes, hooks, tensors and gradients of a small model, to compare before and after foreign
    code.

    With `attributes` also which object each attribute is: for a model that is not of the learner's
    own class."""
    tensors = [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]
    grads = [
        t.grad if t.is_leaf else None for _, t in tensors
    ]  # a tensor with a graph warns when it is asked
    parts = [(name, part.training, vars(part)) for name, part in model.named_modules()]
    return (
        [(name, mode, [len(own.get(key, ())) for key in _HOOKS]) for name, mode, own in parts],
        [(name, id(t), t.requires_grad, t.dtype, t.tolist()) for name, t in tensors],
        [(id(grad), None if grad is None else grad.tolist()) for grad in grads],
        [{key: id(value) for key, value in own.items()} for _, _, own in parts]
        if attributes
        else [],
    )


def holding(**children: nn.Module) -> nn.Module:
    """A module that holds `children` under their names, and nothing else."""
    return nn.ModuleDict(children)


def same(left: object, right: object) -> bool:
    """Are these two tensors of one dtype and shape, with equal numbers?"""
    if not isinstance(left, torch.Tensor) or not isinstance(right, torch.Tensor):
        return False
    return (left.dtype, left.shape) == (right.dtype, right.shape) and torch.equal(left, right)


def close(result: object, wanted: torch.Tensor, atol: float = 1e-8) -> bool:
    """Is `result` a tensor of the shape and dtype of `wanted`, with numbers as near as rounding
    leaves them?
    """
    alike = isinstance(result, torch.Tensor) and (result.dtype, result.shape) == (
        wanted.dtype,
        wanted.shape,
    )
    return alike and torch.allclose(result, wanted, atol=atol)


def listed(names: Iterable[object]) -> str:
    """The names in a few words, "none" if there are none."""
    return ", ".join(describe(name) for name in names) or "none"


def built(answer: object, name: str, *args: object, **named: object) -> nn.Module:
    """An instance of the learner's class `name`, made with these arguments.

    `Unsolved` for a stub, a class that has neither an `__init__` nor a `forward`. A `Mistake` for
    what is no module class, and for an `__init__` that raises; "no-super" where it assigns before
    `super().__init__()`."""
    expect(
        not isinstance(answer, nn.Module), "an-instance", f"the class `{name}`", describe(answer)
    )
    fits = isinstance(answer, type) and issubclass(answer, nn.Module)
    expect(fits, "not-a-module", "a subclass of `nn.Module`", describe(answer))
    if answer.__init__ is nn.Module.__init__ and answer.forward is nn.Module.forward:
        raise Unsolved
    call = f"{name}({', '.join([*map(repr, args), *(f'{key}={value!r}' for key, value in named.items())])})"
    early = {
        "Module.__init__()": "no-super"
    }  # torch's own words when something is assigned too early
    model = ask(call, answer, *args, mistake=early, **named)
    expect(
        "_parameters" in vars(model), "no-super", "a module", "`super().__init__()` was not called"
    )
    return model


def read_tasks(words: str, checkers: dict[str, Callable[[object], str]]) -> tuple[Task, ...]:
    """The exercises written in `words`, each with its checker. KeyError: an exercise has no
    checker.
    """
    tasks = []
    for section in re.split(r"^## ", words, flags=re.MULTILINE)[1:]:
        parts = re.split(r"^(?=- |\d\. )", section, flags=re.MULTILINE)
        head, *items = (" ".join(part.split()) for part in parts)
        key, goal = head.split(" ", 1)
        hints = tuple(item[3:] for item in items if item[0] != "-")
        fitting = dict(item[2:].split(": ", 1) for item in items if item[0] == "-")
        tasks.append(Task(key, goal, checkers[key], hints, _ALWAYS | fitting))
    return tuple(tasks)


@cache
def all_tasks() -> dict[str, Task]:
    """Every exercise by its key, in the order of the lessons; they are read at the first call."""
    tasks = []
    for lesson in LESSONS:
        words = Path(__file__).with_name(f"{lesson}.md").read_text(encoding="utf-8")
        tasks += read_tasks(words, import_module(f"helpers.exercises.{lesson}").CHECKERS)
    return {task.key: task for task in tasks}


def examine_task(task: Task, answer: object) -> Verdict:
    """What `engine.examine` gives, for a task of the old kind."""
    # inference_mode(False) turns gradients on as well, and puts both modes back.
    with torch.inference_mode(False), torch.device("cpu"):
        torch.manual_seed(0)
        try:
            return Verdict(right=True, tried=task.check(answer))
        except Mistake as slip:
            hint = task.fitting[slip.name]
            return Verdict(False, slip.expected, slip.found, slip.name, hint)
        except (KeyboardInterrupt, Unsolved):
            raise
        except BaseException as error:
            found = f"looking at your answer raised {in_words(error)}"
            return Verdict(False, task.goal, found, "cannot-be-examined")
