"""What one module holds, in words, read again and again while lines run, and what changed between."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import brief, facts, instance_dict, shape_in_words, text, type_name
from helpers.state.torch_private import writes_into

# The containers by the names they have in `__dict__`; "__dict__" itself stands for the plain
# attributes.
SILENT = "_non_persistent_buffers_set"
CONTAINERS = ("__dict__", "_parameters", "_buffers", SILENT, "_modules")
_KINDS = {"_parameters": "parameter", "_buffers": "buffer", "_modules": "module"}
# What torch keeps for itself in `__dict__`, read from the installed torch: the containers, and the
# hooks.
_PRIVATE = frozenset(name for name in instance_dict(nn.Module()) if name.startswith("_"))
_SETS = (set, frozenset)


class Value(NamedTuple):
    """One value in words. The same object has the same `number` throughout a trace.

    `writes`: how many writes in place torch has counted for the memory of a tensor, else None."""

    kind: str
    words: str
    number: int
    writes: int | None = None


State = dict[str, dict[str, Value]]


class Change(NamedTuple):
    """`name` came into (`before` is None), left (`after` is None), was replaced or written in
    `container`."""

    container: str
    name: str
    before: Value | None
    after: Value | None

    @property
    def in_place(self) -> bool:
        """Whether the tensor was written, as torch counts it, and nothing else changed."""
        return bool(self.before and self.after) and self.before[:3] == self.after[:3]


class Noted(NamedTuple):
    """A change: the positions of the line that made it (None: no line of the file did) and of the
    first line that was recorded after it, and the state to which it led."""

    change: Change
    line: int | None
    following: int
    state: State


@dataclass
class History:
    """The states of one module: each is so from its moment in `moments` on, until the next one."""

    moments: list[int] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    changes: list[Noted] = field(default_factory=list)

    def note(self, changes: list[Change], line: int | None, following: int) -> None:
        """Note what led to the last state, and the line that did it."""
        self.changes += [Noted(one, line, following, self.states[-1]) for one in changes]

    def at(self, moment: int) -> State:
        """The state at `moment`; before the first one, that; {} if there is none."""
        place = bisect_right(self.moments, moment) - 1
        return self.states[max(0, place)] if self.states else {}


class Wording:
    """Puts values into words. It holds the objects that it has numbered, so that no number serves
    two."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, tuple, Value]] = {}

    def value(self, value: Any, *, keep: bool = True) -> Value:
        """`value` in words; unless `keep`, what has no number yet gets none."""
        # What is asked for often is a module with the same few objects: they are remembered.
        about = _about(value)
        known = self._known.get(id(value))
        if known and known[1] == about:
            return known[2]
        if known:
            number = known[2].number
        else:
            number = len(self._known) + 1 if keep else 0
        made = Value(*_kind_and_words(value, about), number, about[-1])
        if keep:
            self._known[id(value)] = (value, about, made)
        return made

    def local(self, value: Any, boxes: dict[int, str]) -> Value:
        """A local value in words: one of the containers `boxes`, known by its id, by its name."""
        kind = type(value)
        if id(value) in boxes:
            return Value("plain value", boxes[id(value)], 0)
        if kind is tuple and value and all(id(one) in boxes for one in value):
            return Value("plain value", f"({', '.join(boxes[id(one)] for one in value)})", 0)
        return self.value(value, keep=False)


class Watch:
    """The containers of one module, with the history that they had so far."""

    def __init__(self, module: nn.Module, wording: Wording, moment: int = 0) -> None:
        self.module, self._wording = module, wording
        # What the last reading found: the names and objects themselves, which keeps them from being
        # taken for others; of the tensors, which can change in their place, the facts too.
        self._found: list[Any] = []
        self._ids: list[int] = []
        self._tensors: list[tuple[torch.Tensor, tuple]] = []
        self._as_found()
        self.history = History([moment], [self._read()])

    def changes(self, moment: int) -> list[Change]:
        """What has changed since the last reading."""
        if self._as_found():
            return []
        old, new = self.history.states[-1], self._read()
        if new == old:
            return []
        self.history.moments.append(moment)
        self.history.states.append(new)
        return list(_differences(old, new))

    def _as_found(self) -> bool:
        """Whether the containers hold the very objects of the last reading, unchanged. It is quick to
        say so."""
        own = instance_dict(self.module)
        found = [*dict.keys(own), *dict.values(own)]
        for box in CONTAINERS[1:]:
            slots = dict.get(own, box)
            found.append(slots)
            if issubclass(type(slots), dict):
                found += dict.keys(slots)
                found += dict.values(slots)
            elif issubclass(type(slots), _SETS):
                found += set(slots)
        ids = list(map(id, found))
        same = ids == self._ids and all(_about(tensor) == about for tensor, about in self._tensors)
        if not same:
            self._found, self._ids = found, ids
            tensors = [one for one in found if issubclass(type(one), torch.Tensor)]
            self._tensors = [(tensor, _about(tensor)) for tensor in tensors]
        return same

    def _read(self) -> State:
        own = instance_dict(self.module)
        state: State = {"__dict__": {}}
        for name, value in dict.items(own):
            if type(name) is not str or name not in _PRIVATE:
                state["__dict__"][text(name)] = self._wording.value(value)
        for box in CONTAINERS[1:]:
            slots = dict.get(own, box)
            if issubclass(type(slots), dict):
                state[box] = {text(name): self._held(box, one) for name, one in dict.items(slots)}
            elif issubclass(type(slots), _SETS):
                state[box] = dict.fromkeys(sorted(map(text, set(slots))), _NAME_ALONE)
        return state

    def _held(self, box: str, value: Any) -> Value:
        return self._wording.value(value)._replace(kind=_KINDS.get(box, "plain value"))


_NAME_ALONE = Value("plain value", "", 0)


def boxes_of(module: nn.Module) -> dict[int, str]:
    """The names of a module's containers, by the id of each."""
    own = instance_dict(module)
    found = {id(slots): box for box in CONTAINERS[1:] if (slots := dict.get(own, box)) is not None}
    return {id(own): "__dict__", **found}


def _differences(old: State, new: State) -> Iterator[Change]:
    names = {(box, name): None for state in (old, new) for box in state for name in state[box]}
    for box, name in names:
        before, after = old.get(box, {}).get(name), new.get(box, {}).get(name)
        if before != after:
            yield Change(box, name, before, after)


def _about(value: Any) -> tuple:
    """Shape, dtype, device, requires_grad and count of writes; None each for what is no tensor."""
    if type(value) is nn.Parameter or type(value) is torch.Tensor:
        try:  # quickly for an ordinary tensor, which is asked at every line
            facts_of = value.shape, value.dtype, value.device, value.requires_grad
            return (*facts_of, writes_into(value))
        except Exception:  # a nested tensor has no shape
            pass
    if not issubclass(type(value), torch.Tensor):
        return _NO_TENSOR
    return (*facts(value)[:4], writes_into(value))


_NO_TENSOR = (None,) * 5


def _kind_and_words(value: Any, about: tuple) -> tuple[str, str]:
    """ "parameter", "Parameter, 2 × 3, float32" for a value of which `_about` said so."""
    kind, name = type(value), type_name(value)
    if issubclass(kind, nn.Module):
        return "module", name
    if not issubclass(kind, torch.Tensor):
        return "plain value", brief(value)
    if kind is torch.Tensor and isinstance(value, nn.Buffer):
        name = "Buffer"
    shape, dtype, device, grad, _ = about
    parameter = issubclass(kind, nn.Parameter)
    words = [name, shape_in_words(shape), str(dtype)[6:]]
    if parameter and not grad:
        words.append("frozen")
    if str(device) != "cpu":
        words.append(str(device))
    return "parameter" if parameter else "plain tensor", ", ".join(words)
