"""What one module holds, in words, read again and again while lines run, and what changed."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from operator import is_
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import (
    ORDINARY,
    brief,
    facts,
    instance_dict,
    is_parameter,
    tensor_in_words,
    text,
    type_name,
)
from helpers.state.torch_private import (
    BUFFERS,
    MODULES,
    NON_PERSISTENT,
    PARAMETERS,
    writes_into,
)
from helpers.state.walk import module_kind, plain_keys, plain_kind

# The places of a name: the containers, and `__dict__` itself for the plain attributes.
BOXES = ("__dict__", PARAMETERS, BUFFERS, NON_PERSISTENT, MODULES)


class Value(NamedTuple):
    """One value in words, with its kind where it stands; that of a plain attribute for one that
    stands nowhere. The same object has the same `number` throughout a trace. `writes`: how
    many writes in place torch has counted for the memory of a tensor."""

    kind: str
    words: str
    number: int
    writes: int | None = None


State = dict[str, dict[str, Value]]


class Change(NamedTuple):
    """`name` came into `container` (`before` is None), left it (`after` is None), or changed there.

    `step`: the position of the step whose line did it. If no line of the file did, `by_line` is
    False, and `step` is the position of the step that came next. `moment`: when it was found."""

    container: str
    name: str
    before: Value | None
    after: Value | None
    step: int
    by_line: bool
    moment: int

    @property
    def in_place(self) -> bool:
        """Whether a tensor was written, as torch counts it, and nothing else changed."""
        return bool(self.before and self.after) and self.before[:3] == self.after[:3]


@dataclass
class History:
    """What became of one module: its states, each from its moment on, and the changes between."""

    moments: list[int] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def place(self, moment: int) -> int:
        """The position of the state at `moment`; before the first one, that."""
        return max(0, bisect_right(self.moments, moment) - 1)

    def at(self, moment: int) -> State:
        """The state at `moment`."""
        return self.states[self.place(moment)] if self.states else {}


class Wording:
    """Puts values into words. It holds what it has numbered, so that no number serves two."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        # By id and kind: the value itself, its class, what `_mutable` said of it, and the words.
        self._known: dict[tuple[int, str], tuple[Any, type, Mutable, Value]] = {}

    def value(self, value: Any, kind: str = "", *, keep: bool = True) -> Value:
        """`value` in words, with the kind that it has where it stands, or "" for one that stands
        nowhere; unless `keep`, what has no number yet gets none."""
        about = _mutable(value)
        key = id(value), kind
        _, its_class, known_about, known = self._known.get(key, (None, None, None, None))
        # Asked for at every line, and seldom another.
        if known and its_class is type(value) and known_about == about:
            return known
        number = self._numbers.get(id(value), len(self._numbers) + 1 if keep else 0)
        words = _in_words(value, about, kind or _kind_by_class(value))
        made = Value(kind or plain_kind(value), words, number, about.writes)
        if number:
            self._numbers[id(value)] = number
            self._known[key] = (value, type(value), about, made)
        return made

    def local(self, value: Any, boxes: dict[int, str]) -> Value:
        """A local value in words: a container by its name, if `boxes` has it under its id."""
        box = boxes.get(id(value))
        if box:
            return Value("plain value", box, 0)
        told = self.value(value, keep=False)
        if issubclass(type(value), str):  # often a name, which is read as its text
            return told._replace(words=brief(text(value)))
        return told


class Watch:
    """The containers of one module, and their history."""

    def __init__(self, module: nn.Module, wording: Wording, moment: int = 0) -> None:
        self.module, self._wording = module, wording
        # Of the last reading: the names and objects themselves, which keeps them from being taken
        # for others; their classes, for which Python lets an object take another; and what is
        # shown of those that can change in their place.
        self._found: list[Any] = []
        self._ids: list[int] = []
        self._classes: list[type] = []
        self._mutables: list[tuple[Any, Mutable]] = []
        self.history = History()
        self.note(moment, 0, by_line=False)
        self.history.changes.clear()

    def is_as_noted(self) -> bool:
        """Whether the containers hold the very objects that were noted last, unchanged. It is
        quick to say so, for it is asked at every line."""
        found = _flat(_contents(self.module))
        if list(map(id, found)) != self._ids or not all(map(is_, map(type, found), self._classes)):
            return False
        return all(_mutable(value) == about for value, about in self._mutables)

    def note(self, moment: int, step: int, *, by_line: bool) -> None:
        """Note what the module holds now, and what has changed, put down to `step`."""
        boxes = _contents(self.module)
        self._found = _flat(boxes)
        self._ids = list(map(id, self._found))
        self._classes = list(map(type, self._found))
        shown = [*self._plain()[1], *_flat({box: boxes[box] for box in boxes if box in BOXES[1:]})]
        mutables = [one for one in shown if issubclass(type(one), _MUTABLE)]
        self._mutables = [(one, _mutable(one)) for one in mutables]
        old = self.history.at(moment)
        new = {box: self._described(box, *pairs) for box, pairs in boxes.items()}
        names = {(box, name): None for state in (old, new) for box in state for name in state[box]}
        for box, name in names:
            before, after = old.get(box, {}).get(name), new.get(box, {}).get(name)
            if before != after:
                change = Change(box, name, before, after, step, by_line, moment)
                self.history.changes.append(change)
        if new != old:
            self.history.moments.append(moment)
            self.history.states.append(new)

    def _described(self, box: str, names: list, values: list | None) -> dict[str, Value]:
        if values is None:
            return dict.fromkeys(sorted(map(text, names)), Value("plain value", "", 0))
        if box == "__dict__":
            names, values = self._plain()
        return {
            text(name): self._wording.value(value, _kind_in(box, value))
            for name, value in zip(names, values, strict=False)
        }

    def _plain(self) -> tuple[list, list]:
        """The names and values of the plain attributes."""
        own = instance_dict(self.module)
        names = plain_keys(own)
        return names, [dict.get(own, name) for name in names]


def _kind_in(box: str, value: Any) -> str:
    """The kind of what a container holds. Which buffers are not saved stands in another one."""
    if box == PARAMETERS:
        return "parameter"
    if box == BUFFERS:
        return "buffer"
    return module_kind(value) if box == MODULES else plain_kind(value)


def _contents(module: nn.Module) -> dict[str, tuple[list, list | None]]:
    """Names and objects in each container, read beneath any override; a set has names alone."""
    own = instance_dict(module)
    found = {"__dict__": (list(dict.keys(own)), list(dict.values(own)))}
    for box in BOXES[1:]:
        slots = dict.get(own, box)
        if issubclass(type(slots), dict):
            found[box] = list(dict.keys(slots)), list(dict.values(slots))
        elif issubclass(type(slots), (set, frozenset)):
            found[box] = list(set(slots)), None
    return found


def _flat(boxes: dict[str, tuple[list, list | None]]) -> list[Any]:
    found = []
    for box, (names, values) in boxes.items():
        found.append(box)
        found += names
        found += values or ()
    return found


def boxes_of(module: nn.Module) -> dict[int, str]:
    """The name of each container of a module, by the id of the container."""
    own = instance_dict(module)
    found = {id(dict.get(own, box)): box for box in BOXES[1:]}
    found.pop(id(None), None)
    return {id(own): "__dict__", **found}


# What can change in its place, and is then shown in other words.
_MUTABLE = (torch.Tensor, dict, list, set, deque)


class Mutable(NamedTuple):
    """What may change in its place: of a tensor its facts, of a plain container the `words` that
    show it; else None."""

    shape: torch.Size | None = None
    dtype: torch.dtype | None = None
    device: torch.device | None = None
    requires_grad: bool | None = None
    writes: int | None = None
    words: str | None = None


_NOTHING = Mutable()


def _mutable(value: Any) -> Mutable:
    kind = type(value)
    if kind in ORDINARY:
        try:  # asked at every line, where `facts` takes half as long again
            shown = (value.shape, value.dtype, value.device, value.requires_grad)
            return Mutable(*shown, writes_into(value))
        except Exception:  # a nested tensor has no shape
            pass
    if not issubclass(kind, torch.Tensor):
        is_container = issubclass(kind, _MUTABLE) and not issubclass(kind, nn.Module)
        return Mutable(words=brief(value)) if is_container else _NOTHING
    told = facts(value)
    return Mutable(told.shape, told.dtype, told.device, told.requires_grad, writes_into(value))


def _kind_by_class(value: Any) -> str:
    """The kind that a value would have, if it were assigned to a name of its own."""
    return "parameter" if is_parameter(value) else plain_kind(value)


def _in_words(value: Any, about: Mutable, as_kind: str) -> str:
    """ "Parameter, 2 × 3, float32" for a value of which `_mutable` said so."""
    kind, name = type(value), type_name(value)
    if issubclass(kind, nn.Module):
        return name
    if not issubclass(kind, torch.Tensor):
        return about.words or brief(value)
    if kind is torch.Tensor and isinstance(value, nn.Buffer):
        name = "Buffer"
    return f"{name}, {tensor_in_words(about, as_kind)}"
