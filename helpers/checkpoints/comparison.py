"""The records of what `compare_checkpoint` found: facts, advice, and the answer in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch

from helpers.state.objects import type_name


class Outline(NamedTuple):
    """The facts of one entry; `shape`, `dtype` and `device` are None where it is no tensor, or has
    none yet."""

    type: str
    shape: tuple[int, ...] | None
    dtype: torch.dtype | None
    device: torch.device | None


class Mismatch(NamedTuple):
    """One key whose tensors differ: `expected` by the module, `found` in the state_dict; shapes are
    tuples."""

    key: str
    expected: Any
    found: Any


def is_remark(code: str) -> bool:
    """Do all the lines say what only the reader can decide, and do nothing?"""
    return all(line.startswith("#") for line in code.splitlines())


class Advice(NamedTuple):
    """One step towards a state_dict that fits: `words` say what was seen, `code` does something
    about it.

    `code` is lines of Python in which the state_dict is called `state_dict` and the model `module`.
    It binds `state_dict` to a new dict and leaves the old one alone; where the words say so, it
    changes the module. Where only the reader can decide, all its lines are comments. The steps of a
    comparison follow one another. `enough`: after this one, and those before it,
    `module.load_state_dict(state_dict)` loads strictly; None where that cannot be foretold.
    `tried`: what came of it on a stand-in; of lines that are comments, if the reader says yes. None
    where nothing can be tried."""

    kind: str
    words: str
    code: str
    enough: bool | None
    tried: Tried | None = None

    @property
    def is_remark(self) -> bool:
        return is_remark(self.code)


class Tried(NamedTuple):
    """What came of an advice: `fit` is the comparison after it, without further advice; `origins`
    says of the keys of the state_dict then under which key each stood before. What is not there
    was given by the module, or computed from several."""

    fit: Comparison
    origins: dict[str, str]


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `module.load_state_dict(state_dict)` would say. It holds facts only, no tensor, and
    keeps nothing alive.

    `loads`: would a strict load succeed? True, False, or None where that cannot be foretold; then
    `doubts` says why. Where it would, `doubts` says which tensors of the file are lost in it: two
    for one of the model. The lists say what torch's own rules make of the keys. `missing` and
    `unexpected` are torch's lists, in torch's order; `mismatched` has the shapes that differ, as
    tuples. `matched`: the keys that would be loaded. `refused`: those that torch does not take for
    another reason, which `errors` gives in torch's words. `silent`: keys on one side alone of which
    torch does not complain, as a rule of its own sees to them (`num_batches_tracked` of an old
    file, a submodule slot with None, the names that a wrapper changes in a load). `non_tensors`:
    (key, class name) of entries that are no tensors, extra state left out. `dtypes`, `devices`:
    among the matched, where the values would be converted or moved. `own_rules`: (class name,
    method or hook) by which a class of the module may load otherwise; they were not asked.
    `advice`: steps in order. `expected` and `found` map every key of the module, of the state_dict,
    to its `Outline`."""

    answers: ClassVar[dict[bool, str]] = {True: "loads strictly", False: "does not load strictly"}

    type: str
    loads: bool | None
    doubts: list[str]
    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[Mismatch]
    refused: list[str]
    silent: list[str]
    non_tensors: list[tuple[str, str]]
    dtypes: list[Mismatch]
    devices: list[Mismatch]
    errors: list[str]
    own_rules: list[tuple[str, str]]
    advice: list[Advice]
    expected: dict[str, Outline]
    found: dict[str, Outline]

    @property
    def code(self) -> str:
        """The code of all steps, one after the other; "" without advice."""
        return "\n".join(step.code for step in self.advice)

    @property
    def verdict(self) -> str:
        """One of three answers, in words, the third with its reasons, the first with its doubts."""
        if self.loads is None:
            return f"cannot be foretold, because {_first_of(self.doubts)}"
        if self.loads and self.doubts:
            return f"{self.answers[True]}, but {_first_of(self.doubts)}"
        return self.answers[self.loads]

    def __repr__(self) -> str:
        names = ("matched", "missing", "unexpected", "mismatched")
        counts = ", ".join(f"{len(getattr(self, name)):,} {name}" for name in names)
        kind = " ".join(self.type.split())[:80]
        counts = f"by torch's own rules {counts}" if self.loads is None else counts
        steps = f"{len(self.advice)} advice"
        return f"<Comparison with {kind}: {' '.join(self.verdict.split())}; {counts}; {steps}>"


def _first_of(reasons: list[str]) -> str:
    """The first two reasons, and how many more there are."""
    more = [f"{len(reasons) - 2:,} more"] if len(reasons) > 2 else []
    return ", and ".join([*reasons[:2], *more])


def raised_by_torch(error: Exception) -> str:
    """What torch raises, with all that it says: a list of keys has many lines."""
    return f"{type_name(error)}: {error}"


def conversions_of(
    matched: list[str], expected: dict[str, Outline], found: dict[str, Outline]
) -> dict[str, list[Mismatch]]:
    """`dtypes` and `devices` of a `Comparison`: of the tensors among what matches, those that a
    load converts or moves. Of a tensor that an advice would make the device is not known."""
    tensors = [key for key in matched if expected[key].dtype and found[key].dtype]
    placed = [key for key in tensors if expected[key].device and found[key].device]
    return {
        "dtypes": differences(tensors, expected, found, "dtype"),
        "devices": differences(placed, expected, found, "device"),
    }


def differences(
    keys: list[str], expected: dict[str, Outline], found: dict[str, Outline], fact: str
) -> list[Mismatch]:
    """The keys whose outlines differ in one fact."""
    both = [(key, getattr(expected[key], fact), getattr(found[key], fact)) for key in keys]
    return [Mismatch(*one) for one in both if one[1] != one[2]]
