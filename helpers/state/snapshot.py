"""What a module holds, and in which container: read from `__dict__`, nothing run or changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import nn

from helpers.state.objects import ATOMS, collector_paused, counted, facts, require_module
from helpers.state.torch_private import without_torch_function
from helpers.state.totals import Sums, Totals, totals_of
from helpers.state.walk import KINDS, NOT_SAVED, RANKS, Part, Slot, entry_kind, plain_keys, walk


class Entry(NamedTuple):
    """One thing a module holds, under one of its names.

    `path` is the dotted name seen from the root ("" for the root itself) and `owner` the path of
    the module that holds it (None for the root). `kind` is "parameter", "buffer", "module", "plain
    tensor" or "plain value"; a tensor in a plain list, tuple, dict or set is a plain tensor with a
    path like `cache['k'][0]`. `shape`, `dtype`, `device`, `requires_grad`, `numel` (elements) and
    `nbytes` (bytes of those elements; an expanded tensor has less memory than that) are None for
    what is not a tensor, and where torch gives none: the shape of a lazy tensor, `nbytes` of a
    sparse one. `persistent` is True for a parameter, True or False for a buffer, None for
    everything else."""

    path: str
    kind: str
    shape: torch.Size | None
    dtype: torch.dtype | None
    device: torch.device | None
    requires_grad: bool | None
    persistent: bool | None
    numel: int | None
    nbytes: int | None
    owner: str | None

    @property
    def slot_kind(self) -> str:
        """`kind`, but "non-persistent buffer" for a buffer that is not saved: one of `walk.KINDS`,
        each of which has a sign."""
        return NOT_SAVED if self.persistent is False else self.kind


class EmptySlot(NamedTuple):
    """A registered name that holds None, as the bias of `nn.Linear(2, 3, bias=False)`; `kind` as in
    `Entry`.
    """

    path: str
    kind: str
    owner: str


@dataclass(frozen=True, repr=False)
class Snapshot:
    """What `snapshot` found. It holds facts only, no tensor and no module, so it keeps nothing
    alive.

    `entries` stand in torch's order: a module, its parameters, its buffers, its plain attributes,
    then its submodules one by one. `shared` groups the paths that are one and the same tensor,
    `empty` lists the None slots, and `repeats` holds the positions in `entries` to leave out, so
    that each tensor and each module is there once: a tensor as a parameter if it is one under any
    of its names, else as a buffer if it is one."""

    entries: tuple[Entry, ...]
    shared: tuple[tuple[str, ...], ...]
    empty: tuple[EmptySlot, ...]
    repeats: frozenset[int]

    @cached_property
    def totals(self) -> Totals:
        """The sums over distinct parameters, buffers and modules, as `totals(module)` has them."""
        distinct = [
            entry for position, entry in enumerate(self.entries) if position not in self.repeats
        ]
        parameters = [entry for entry in distinct if entry.kind == "parameter"]
        buffers = [entry for entry in distinct if entry.kind == "buffer"]
        modules = sum(entry.kind == "module" for entry in distinct)
        return totals_of(modules, Sums.over(parameters), Sums.over(buffers))

    def __repr__(self) -> str:
        entries = counted(len(self.entries), "entry", "entries")
        return f"<Snapshot: {entries} of {counted(self.totals.modules, 'module')}>"


_new = tuple.__new__  # Entry(...) takes twice as long, and a large model has a million
# What an `Entry` calls each kind of slot, and whether it is saved.
_IS_SAVED = {"parameter": True, "buffer": True, NOT_SAVED: False}
_KINDS = {kind: (entry_kind(kind), _IS_SAVED.get(kind)) for kind in KINDS}


def snapshot(module: nn.Module) -> Snapshot:
    """Every parameter, buffer, submodule and plain attribute of `module` and of all modules below
    it.

    Takes any `nn.Module` instance, half-initialised ones too, and returns a `Snapshot`. A module or
    tensor under several names is listed under each, as `named_parameters(remove_duplicate=False)`
    does; a module that is reached again inside itself is listed and not entered. Only instance
    dictionaries are read: no property, `__getattr__`, `__repr__` or hook runs, no tensor is copied
    or materialised, and nothing is written.

    Raises TypeError if `module` is not an `nn.Module` instance.
    """
    require_module(module, "snapshot")
    with collector_paused(), without_torch_function():
        found = _Listing()
        found.add_all(walk(module))
        shared, repeats = found.same_tensors()
    # With the collector running again, and not before: it sorts these tuples once and for all, and
    # is quicker while a list holds them.
    entries = tuple(found.entries)
    return Snapshot(entries, shared, tuple(found.empty), repeats.union(found.met_again))


class _Listing:
    """The entries of a walk, as far as it got. Most modules hold ordinary Parameters and simple
    values alone: those are listed at once, and anything else slot by slot."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.empty: list[EmptySlot] = []
        self.tensors: list[torch.Tensor] = []  # of the entries with a dtype, in their order
        self.met_again: list[int] = []  # the positions of modules that were met before
        self._paths: list[str] = []  # of the parts

    def add_all(self, parts: Iterable[Part]) -> None:
        """List each module with what it holds itself."""
        paths, entries = self._paths, self.entries
        add_ordinary, add_simple = self._add_ordinary, self._add_simple
        for part in parts:
            name, at, _, met, _, own, parameters, buffers, modules = part
            owner = paths[at] if paths else None
            path = f"{owner}.{name}" if owner else name
            paths.append(path)
            if met:
                self.met_again.append(len(entries))
            told = (path, "module", None, None, None, None, None, None, None, owner)
            entries.append(_new(Entry, told))
            prefix = f"{path}." if path else ""
            if parameters and not add_ordinary(parameters, prefix, path):
                self._add_slots(part.parameter_slots(), prefix, path)
            if buffers:
                self._add_slots(part.buffer_slots(), prefix, path)
            if not add_simple(own, prefix, path):
                self._add_slots(part.plain_slots(), prefix, path)
            if modules:
                self._add_slots(part.missing_modules(), prefix, path)

    def _add_ordinary(self, parameters: dict, prefix: str, owner: str) -> bool:
        """List the parameters at once, as most modules have them. False, and nothing is listed, if
        one is not `nn.Parameter` itself or cannot tell a fact: a sparse one has no nbytes, a nested
        one no shape."""
        entries, tensors = self.entries, self.tensors
        first, known = len(entries), len(tensors)
        try:
            for name, tensor in list(parameters.items()):
                if type(tensor) is not nn.Parameter or type(name) is not str:
                    raise TypeError
                told = (
                    prefix + name,
                    "parameter",
                    tensor.shape,
                    tensor.dtype,
                    tensor.device,
                    tensor.requires_grad,
                    True,
                    tensor.numel(),
                    tensor.nbytes,
                    owner,
                )
                entries.append(_new(Entry, told))
                tensors.append(tensor)
        except Exception:
            del entries[first:], tensors[known:]
            return False
        return True

    def _add_simple(self, own: dict, prefix: str, owner: str) -> bool:
        """List the plain attributes at once, if all of them are numbers, texts and the like. False,
        and nothing is listed, if one is not."""
        entries, first, get = self.entries, len(self.entries), own.get
        for key in plain_keys(own):
            if type(get(key)) not in ATOMS or type(key) is not str:
                del entries[first:]
                return False
            told = (prefix + key, "plain value", None, None, None, None, None, None, None, owner)
            entries.append(_new(Entry, told))
        return True

    def _add_slots(self, slots: Iterable[Slot], prefix: str, owner: str) -> None:
        for slot in slots:
            path = prefix + slot.name
            kind, persistent = _KINDS[slot.kind]
            if slot.empty:
                self.empty.append(EmptySlot(path, kind, owner))
                continue
            told = facts(None if slot.kind == "plain value" else slot.value)
            if told.dtype is not None:
                self.tensors.append(slot.value)
            self.entries.append(Entry(path, kind, *told[:4], persistent, *told[4:], owner))

    def same_tensors(self) -> tuple[tuple[tuple[str, ...], ...], frozenset[int]]:
        """`Snapshot.shared`, and what tensors add to `Snapshot.repeats`."""
        if len(set(map(id, self.tensors))) == len(self.tensors):
            return (), frozenset()  # no tensor stands twice, as in most models
        entries = self.entries
        positions = [position for position, one in enumerate(entries) if one.dtype is not None]
        places: dict[int, list[int]] = {}
        for position, tensor in zip(positions, self.tensors, strict=True):
            places.setdefault(id(tensor), []).append(position)
        shared, repeats = [], set()
        for group in places.values():
            if len(group) > 1:
                shared.append(tuple(entries[position].path for position in group))
                group.sort(key=lambda place: RANKS[entries[place].slot_kind])
                repeats.update(group[1:])
        return tuple(shared), frozenset(repeats)
