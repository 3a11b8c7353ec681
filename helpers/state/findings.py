"""What `audit` found: a record for each finding, the list of them, and how a rule says its code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import NamedTuple

from helpers.state.objects import counted
from helpers.state.places import Place

# Each code: the kind of thing it is about, one of `walk.KINDS`. The rules fill it: each says it in
# the line above.
CODES: dict[str, str] = {}

# Severity, the gravest first: the word for one and for several.
SEVERITIES = {
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "info": ("note", "notes"),
}


class Symptom(NamedTuple):
    """What a rule yields: where in the model, or a path in words; what goes wrong; a line."""

    where: Place | str
    message: str
    fix: str


@dataclass(frozen=True)
class Finding:
    """One state bug, or one thing to know, that `audit` found.

    `code` names the kind of finding, `severity` is "error", "warning" or "info". `path` is the
    dotted path of the attribute, for a container that of the attribute that holds it; "" for the
    model as a whole. `message` says what goes wrong, `fix` is the line to write in the class of the
    module that owns the attribute (`self`), or in the script (`model`, `optimizer`, and
    `optimizers` where there are several)."""

    code: str
    severity: str
    path: str
    message: str
    fix: str


class Findings(list):
    """A list of `Finding`. As text it is one line: how many of each. A notebook shows a table."""

    def __repr__(self) -> str:
        counts = Counter(one.severity for one in self)
        said = [counted(counts[one], *words) for one, words in SEVERITIES.items() if counts[one]]
        return ", ".join(said) or "nothing found"


class Found(NamedTuple):
    """A symptom with the code and the severity of the rule that found it."""

    code: str
    severity: str
    symptom: Symptom


_Find = Callable[..., Iterable[Symptom]]


def rule(code: str, severity: str, kind: str) -> Callable[[_Find], Callable[..., list[Found]]]:
    """Makes a rule of `audit` from the function below it, which yields `Symptom`s.

    Two rules may have one code, for the same kind of thing: ValueError for another."""
    if CODES.setdefault(code, kind) != kind:
        raise ValueError(f"{code} is about a {CODES[code]}, and cannot be about a {kind} too")

    def decorated(find: _Find) -> Callable[..., list[Found]]:
        @wraps(find)
        def found(*given: object) -> list[Found]:
            return [Found(code, severity, symptom) for symptom in find(*given)]

        return found

    return decorated
