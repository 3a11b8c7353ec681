"""What a module holds, and in which container: read from `__dict__`, nothing run or changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import torch
from torch import nn

from helpers.state.objects import (
    collector_paused,
    facts,
    require_module,
)
from helpers.state.torch_private import without_torch_function
from helpers.state.totals import Totals, sums
from helpers.state.walk import KINDS, Part, walk


class Entry(NamedTuple):
    """One thing a module holds, under one of its names.

    `path` is the dotted name seen from the root ("" for the root itself) and `owner` the path of
    the module that holds it (None for the root). `kind` is "parameter", "buffer", "module", "plain
    tensor" or "plain value"; a tensor in a plain list, tuple, dict or set is a plain tensor with a
    path like `cache['k'][0]`. `shape`, `dtype`, `device`, `requires_grad`, `numel` (elements) and
    `nbytes` (bytes of those elements) are None for what is not a tensor, and where torch gives
    none: the shape of a lazy tensor, `nbytes` of a sparse one. `persistent` is True for a
    parameter, True or False for a buffer, None for everything else."""

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
    `empty` lists the None slots, and `repeats` holds the positions in `entries` of registered
    tensors and modules that were listed before."""

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
        return sums(modules, parameters, buffers)

    def __repr__(self) -> str:
        modules = self.totals.modules
        noun = "module" if modules == 1 else "modules"
        return f"<Snapshot: {len(self.entries):,} entries of {modules:,} {noun}>"


_new = tuple.__new__  # Entry(...) takes twice as long, and a large model has a million


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
        return _fold(walk(module))


# What an `Entry` calls each kind of slot, and whether it is saved.
_KINDS = {kind: (kind, None) for kind in KINDS} | {
    "parameter": ("parameter", True),
    "buffer": ("buffer", True),
    "non-persistent buffer": ("buffer", False),
}
_NO_TENSOR = (None,) * 7


def _fold(parts: Iterable[Part]) -> Snapshot:
    entries, empty, repeats = [], [], []
    tensors: list[tuple[int, torch.Tensor]] = []  # with their positions in `entries`
    paths = []  # of the parts
    for part in parts:
        if part.met:
            repeats.append(len(entries))
        owner = paths[part.owner] if paths else None
        path = f"{owner}.{part.name}" if owner else part.name
        paths.append(path)
        entries.append(
            _new(Entry, (path, "module", None, None, None, None, None, None, None, owner))
        )
        prefix = path + "." if path else ""
        for name, kind, value in chain(part.slots(), part.missing_modules()):
            if kind == "plain value":
                fields = (prefix + name, kind, None, None, None, None, None, None, None, path)
                entries.append(_new(Entry, fields))
                continue
            kind, persistent = _KINDS[kind]
            if value is None:  # registered, as all plain values have gone by
                empty.append(EmptySlot(prefix + name, kind, path))
                continue
            shape, dtype, device, grad, numel, nbytes = facts(value)
            if dtype is not None:
                tensors.append((len(entries), value))
            where = prefix + name
            fields = (where, kind, shape, dtype, device, grad, persistent, numel, nbytes, path)
            entries.append(_new(Entry, fields))
    shared, again = _same(entries, tensors)
    return Snapshot(tuple(entries), shared, tuple(empty), again.union(repeats))


def _same(
    entries: list[Entry], tensors: list[tuple[int, torch.Tensor]]
) -> tuple[tuple[tuple[str, ...], ...], frozenset[int]]:
    """`Snapshot.shared`, and the positions of registered tensors that stand in it already."""
    if len({id(tensor) for _, tensor in tensors}) == len(tensors):
        return (), frozenset()  # no tensor stands twice, as in most models
    places: dict[int, list[int]] = {}
    for position, tensor in tensors:
        places.setdefault(id(tensor), []).append(position)
    shared, repeats = [], set()
    for group in places.values():
        if len(group) > 1:
            shared.append(tuple(entries[position].path for position in group))
        # A tensor counts as a parameter, if it is one under any of its names.
        registered = [position for position in group if entries[position].persistent is not None]
        registered.sort(key=lambda position: entries[position].kind != "parameter")
        repeats.update(registered[1:])
    return tuple(shared), frozenset(repeats)
