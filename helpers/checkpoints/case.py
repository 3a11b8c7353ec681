"""What an advice is asked for, what it proposes, and how a proposal is tried."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import nn

from helpers.checkpoints.comparison import is_remark
from helpers.checkpoints.names import (
    NO_CHANGE,
    Keys,
    Shape,
    fit_after,
    in_common,
    keys_of,
    shapes_of,
    without_numbers,
)
from helpers.checkpoints.numbers import Numbered, Numbering
from helpers.checkpoints.originals import Originals
from helpers.checkpoints.rehearsal import rehearse
from helpers.checkpoints.stand_in import StandIn
from helpers.checkpoints.twin import LoadReport
from helpers.state.objects import brief
from helpers.state.torch_private import BUFFERS, PARAMETERS


class Proposal(NamedTuple):
    """An advice that has not been tried: its kind, what was seen, and lines of Python. `if_so`: the
    same lines where they are commented, as only the reader can decide to run them."""

    kind: str
    words: str
    code: str
    if_so: str = ""

    @property
    def is_remark(self) -> bool:
        return is_remark(self.code)


class Crowd(NamedTuple):
    """The names of one tensor of the model under which the file has several that are not the same:
    a load copies each over the one before. `differ`: that is known; else it could not be told."""

    keys: list[str]
    differ: bool

    @property
    def words(self) -> str:
        """These keys, in words, and that they are one tensor."""
        more = f"{len(self.keys) - 1:,} more" if len(self.keys) > 2 else brief(self.keys[-1])
        return f"{brief(self.keys[0])} and {more} are one tensor"


@dataclass(frozen=True)
class Case:
    """A stand-in, what is to be loaded into it, without its numbers, and what torch said of it.
    `originals`: what those are blanks of."""

    model: StandIn
    given: Mapping
    report: LoadReport
    originals: Originals

    @property
    def own(self) -> Keys:
        return self.model.keys

    @cached_property
    def file(self) -> Keys:
        return keys_of(shapes_of(self.given))

    @cached_property
    def missing(self) -> dict[str, Shape]:
        """What the file lacks. Not torch's list alone: where a file says nothing of versions, a
        BatchNorm fills in the count of its batches. What is there under another name of the same
        tensor is not lacking: two tensors of the file in its place would overwrite each other."""
        lacking = {key: one for key, one in self.own.shapes.items() if key not in self.given}
        return {key: one for key, one in lacking.items() if key not in self.named_otherwise}

    @cached_property
    def named_otherwise(self) -> dict[str, str]:
        """{missing key: the first key of the file that is another name of the same tensor}."""
        found = {}
        for names in self.model.names.values():
            there = [key for key in names if key in self.given]
            found |= {key: there[0] for key in names if there and key in self.report.missing}
        return found

    @cached_property
    def crowds(self) -> list[Crowd]:
        """Where the file has several tensors for one of the model, and no class of the learner's
        sees to it."""
        # A BatchNorm fills in the count that an old file lacks: that is not in the file.
        found, loaded = [], self.given.keys() & set(self.report.loaded)
        decided = tuple(rule.prefix for rule in self.model.rules)
        for names in (one for one in self.model.names.values() if len(one) > 1):
            keys = [key for key in names if key in loaded and not key.startswith(decided)]
            same = [self.originals.same(self.given[keys[-1]], self.given[key]) for key in keys]
            if not all(same):
                found.append(Crowd(keys, False in same))
        return found

    @cached_property
    def left(self) -> dict[str, Shape]:
        """What the model has no place for."""
        unexpected = set(self.report.unexpected)
        return {key: one for key, one in self.file.shapes.items() if key in unexpected}

    @cached_property
    def fitting(self) -> int:
        """How many entries fit by name."""
        return fit_after(NO_CHANGE, self.file, self.own).alike

    @cached_property
    def promise(self) -> tuple[int, int, int]:
        """How near the file is to the model: entries that fit by name, those that fit by last name
        alone, and tensors."""
        tensors = sum(isinstance(one, torch.Tensor) for one in self.given.values())
        return self.fitting, in_common(self.file, self.own), tensors

    @cached_property
    def alike(self) -> dict[str, str]:
        """{key of the file: key of the model}: the one too many and the one too few of one shape in
        one module, or under one name but for its numbers, where no class of the learner's sees to
        it. Only the reader can say whether they mean the same."""
        groups, decided = {}, {rule.prefix for rule in self.model.rules}
        for side, shapes in enumerate((self.left, self.missing)):
            for key, shape in shapes.items():
                if owner_of(key) not in decided:
                    for place in (owner_of(key), without_numbers(key)):
                        groups.setdefault((place, shape), ([], []))[side].append(key)
        equal = [_pairs_of(*sides) for sides in groups.values() if len(sides[0]) == len(sides[1])]
        # weight_v is never weight: it is a part that a weight is computed from.
        return {
            old: new
            for pairs in equal
            for old, new in pairs
            if not f"{old}_".startswith(f"{new}_") and old not in self.shifted
        }

    @cached_property
    def built(self) -> dict[tuple[type, ...], set[str]]:
        """What `makers.called_when_built` has found, by a class and those around it."""
        return {}

    @cached_property
    def numbering(self) -> Numbering:
        return Numbering(Numbered(self.file), Numbered(self.own))

    @cached_property
    def shifted(self) -> dict[str, str]:
        """{key of the file: key of the model} for the numbered parts behind one stem that are as
        many and of the same sizes in the same order, under other numbers."""
        found, settled = {}, []
        file, own = self.numbering.file, self.numbering.own
        for stem in sorted((one for one in file.parts if one in own.parts), key=len):
            # Inside of what is not the same part, numbers say nothing.
            inside = any(re.match(rf"{re.escape(one)}\d", stem) for one in settled)
            if inside or file.behind(stem) == own.behind(stem):
                continue
            settled.append(stem)
            names = self.numbering.in_order(stem, stem)
            found |= {old: new for old, new in names.items() if old != new}
        return found

    def with_buffers(self, keys: list[str], others: Iterable[str]) -> list[str]:
        """The keys of some parameters, and those of `others` that are buffers of the same modules:
        with a layer of a norm go its statistics."""
        owners = {owner_of(key) for key in keys}
        buffers = [key for key in others if key in self.model.buffers]
        return keys + [key for key in buffers if owner_of(key) in owners]

    def class_around(self, key: str) -> type:
        """The class of the module that holds `key`; `nn.Module` where no module has that prefix, as
        of a slot whose own name has a dot."""
        return self.model.classes.get(owner_of(key), nn.Module)

    @property
    def belongs(self) -> bool:
        """Has any tensor here a name of the model? Else this is not its state_dict, and to add or
        drop a few keys helps nobody."""
        return any(key in self.model.expected for key in self.file.shapes)

    def after(self, code: str) -> Case | None:
        """The case once these lines have run; None where that makes nothing better."""
        before = _slots_of(self.model.twin)
        space = {"state_dict": self.given, "module": self.model.twin}
        try:
            with torch.device("meta"), torch.no_grad():
                exec(code, space)  # every name in it is a repr
            report = rehearse(self.model, space["state_dict"])
        except Exception:  # the code does not run for this file: it is not given
            report = None
        if report is not None:
            made = Case(self.model, space["state_dict"], report, self.originals)
            better = report.trouble < self.report.trouble
            fewer = report.trouble == self.report.trouble and len(made.crowds) < len(self.crowds)
            nearer = made.fitting > self.fitting or made.promise > self.promise
            # Where a hook changes names, one that fits may come to nothing.
            if better or fewer or (nearer and not self.model.renames):
                return made
        _put_back(before)
        return None

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What is tried in the block leaves the module as it was."""
        before = _slots_of(self.model.twin)
        yield
        _put_back(before)


def _pairs_of(old: list[str], new: list[str]) -> list[tuple[str, str]]:
    """The one and the one; of several of one shape each with the one whose name goes on from it, as
    bias_ih with bias_ih_l0, if each has such a one."""
    if len(old) == 1:
        return [(old[0], new[0])]
    longer = [[other for other in new if other.startswith(f"{one}_")] for one in old]
    if all(len(one) == 1 for one in longer) and len({one[0] for one in longer}) == len(new):
        return [(one, other[0]) for one, other in zip(old, longer, strict=True)]
    return []


def _slots_of(twin: nn.Module) -> list[tuple[dict, dict]]:
    """The slots of all modules, and a copy of each: the code of a proposal may change them."""
    slots = [vars(one)[name] for one in twin.modules() for name in (PARAMETERS, BUFFERS)]
    return [(one, dict(one)) for one in slots]


def _put_back(before: list[tuple[dict, dict]]) -> None:
    for slots, content in before:
        slots.clear()
        slots.update(content)


def keys_said(keys: Iterable[str], one: str, many: str) -> str:
    """The start of a sentence on these keys: `one` says what a key is, `many` what several are."""
    first, *rest = keys
    return f"{brief(first)} and {len(rest):,} more {many}" if rest else f"{brief(first)} {one}"


ENTRIES = "for key, value in state_dict.items()"


def renaming(names: Mapping[str, str]) -> str:
    """The code that gives entries other names."""
    lines = "".join(f"    {old!r}: {new!r},\n" for old, new in names.items())
    return f"names = {{\n{lines}}}\nstate_dict = {{names.get(key, key): value {ENTRIES}}}"


def turning(keys: Iterable[str]) -> tuple[str, str]:
    """The code that exchanges the sides of matrices: the line that names them, and the other."""
    turned = f"value.t() if key in turned else value {ENTRIES}"
    return f"turned = {list(keys)!r}", f"state_dict = {{key: {turned}}}"


def leaving_out(keys: Iterable[str]) -> str:
    """The code that leaves entries out."""
    return (
        f"left_out = {list(keys)!r}\nstate_dict = {{key: value {ENTRIES} if key not in left_out}}"
    )


def keeping(keys: Iterable[str]) -> str:
    """The code that takes entries from the model itself."""
    kept = f"**{{key: own[key] for key in {list(keys)!r}}}"
    return f"own = module.state_dict()\nstate_dict = {{**state_dict, {kept}}}"


def as_comment(code: str) -> str:
    """Lines that only the reader can decide to run."""
    return "\n".join(f"# {line}" for line in code.splitlines())


def new_slots(case: Case, keys: Iterable[str], kind: str) -> str:
    """The code that gives the model slots of the shape that the file has, of the kind "parameter"
    or "buffer". They are where the nearest tensors of the model are, in their precision, and
    trained as they are: what the file was saved in says nothing of that."""
    blocks: dict[str, dict[str, str]] = {}
    for key in keys:
        other = _nearest(case, key, kind)
        blocks.setdefault(_new_slot(case, key, other, kind), {})[key] = other
    code = "import torch\n"
    if any(any(like.values()) for like in blocks.values()):
        code += "own = module.state_dict(keep_vars=True)\n"
    for line, like in blocks.items():
        code += each(like, line) if all(like.values()) else each(list(like), line)
        code += "\n"
    return code.removesuffix("\n")


def _nearest(case: Case, key: str, kind: str) -> str:
    """The floating-point tensor of the model nearest to a slot, for a parameter a parameter, if
    there is any; "" where the model has no such tensor."""
    expected, buffers = case.model.expected, case.model.buffers
    floats = [one for one, known in expected.items() if known.dtype and known.dtype.itemsize > 1]
    floats = [one for one in floats if expected[one].dtype.is_floating_point]
    parameters = [one for one in floats if one not in buffers]
    floats = parameters if kind == "parameter" and parameters else floats
    at = owner_of(key)
    while at and not any(one.startswith(at) for one in floats):
        at = owner_of(at[:-1])
    near = [one for one in floats if one.startswith(at)]
    return min(near, key=lambda one: (one.count("."), one in buffers), default="")


def _new_slot(case: Case, key: str, like: str, kind: str) -> str:
    """The line that makes one, for `each`."""
    alike = ", device=like.device" if like else ""
    floats = getattr(getattr(case.given[key], "dtype", None), "is_floating_point", False)
    alike += ", dtype=like.dtype" if like and floats else ""
    made = f"torch.empty_like(state_dict[key]{alike})"
    if kind == "buffer":
        return f"owner.register_buffer(name, {made})"
    trained = ", like.requires_grad" if like and like not in case.model.buffers else ""
    parameter = f"torch.nn.Parameter(value{trained})"
    return f"value = {made}\n    owner.register_parameter(name, {parameter})"


def each(keys: Iterable[str] | dict[str, str], line: str) -> str:
    """The code that does `line` for the module that owns each key, under its name there. Of a dict
    the values are keys of the model: what stands under them is `like`, of `own`."""
    keys, names = (keys, "key, other") if isinstance(keys, dict) else (list(keys), "key")
    start = f"for {names} in {keys!r}{'.items()' if isinstance(keys, dict) else ''}:\n"
    start += '    path, _, name = key.rpartition(".")\n'
    if isinstance(keys, dict):
        return f"{start}    owner, like = module.get_submodule(path), own[other]\n    {line}"
    return f"{start}    owner = module.get_submodule(path)\n    {line}"


def owner_of(key: str) -> str:
    """The prefix of the module that a key belongs to."""
    return key[: key.rfind(".") + 1]
