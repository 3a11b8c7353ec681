"""The three ways to read a module's parameters, and `state_dict()`, side by side and tensor by
tensor.

Unlike the rest of this room, this runs the module's own methods: their answers are the point. All
four settings of `recurse` and `remove_duplicate` are asked once; `prefix` only changes text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
from torch import nn

from helpers.state.objects import (
    clip,
    error_in_words,
    facts,
    require_module,
    tensor_in_words,
    text,
    type_name,
)
from helpers.state.torch_private import PARAMETERS
from helpers.state.walk import NOT_SAVED, RANKS, walk


class Way(NamedTuple):
    """One way: what its answers are called, `one` and `many`, and which arguments of the reader's
    it `takes`; None for what is no call."""

    name: str
    one: str
    many: str
    takes: tuple[str, ...] | None

    def joint(self) -> str | None:
        """What torch puts between a prefix and a name, tried; None where it takes no prefix."""
        if "prefix" not in (self.takes or ()):
            return None
        module = nn.ParameterDict({"b": nn.Parameter(torch.empty(0))})
        (name,) = dict(getattr(module, self.name)(prefix="a"))
        return name.removeprefix("a").removesuffix("b")


WAYS = (
    Way(PARAMETERS, "entry", "entries", None),
    Way("named_parameters", "pair", "pairs", ("prefix", "recurse", "remove_duplicate")),
    Way("parameters", "tensor", "tensors", ("recurse",)),
    Way("state_dict", "entry", "entries", ("prefix",)),
)
_NAMES = 8  # of one tensor in one cell


@dataclass(frozen=True)
class Ways:
    """What each of `WAYS` returns, as plain facts ready for JSON; `type` is the module's, `returns`
    are theirs.

    `rows` has a dict for each distinct tensor, in torch's order: `kind` (one of `walk.KINDS`),
    `type`, `grad`, and `words` for a tensor; a registered name that holds None has a row with
    `empty`. `more` counts the rows left out. `frames` maps "TT", "TF", "FT", "FF" (recurse, then
    remove_duplicate) to {"counts": entries of each way, "cells": for each row, for each way, {"at":
    [[position, name], ...], "more": how many names are left out}}."""

    type: str
    returns: tuple[str, ...]
    rows: list[dict]
    frames: dict[str, dict]
    more: int


def ways(module: nn.Module, *, most: int = 100) -> Ways:
    """What the three ways and `state_dict()` return for `module`, told of its first `most` tensors.

    TypeError: `module` is no `nn.Module` instance. ValueError, with torch's own words: torch cannot
    walk it, since it contains itself, or its `__init__` was not run."""
    require_module(module, "ways")
    try:
        return _read(module, most)
    except Exception as error:
        reason = error_in_words(error)
        if isinstance(error, RecursionError):
            reason = "it is a part of itself, or nested too deep: the walk found no end"
        raise ValueError(
            f"torch cannot list the parameters of this {type_name(module)}: {reason}"
        ) from error


def _read(module: nn.Module, most: int) -> Ways:
    saved = module.state_dict(keep_vars=True)  # the same keys, with the tensors themselves
    # Each None is a row of its own, so another object stands for it.
    first = [
        (text(name), object() if value is None else value)
        for name, value in getattr(module, PARAMETERS).items()
    ]
    rows, _held = _rows(module, first, saved)
    shown = list(rows)[:most]
    frames = {}
    for recurse, once in product((True, False), repeat=2):
        named = list(module.named_parameters(recurse=recurse, remove_duplicate=once))
        unnamed = [("", one) for one in module.parameters(recurse=recurse)]
        listings = [first, named, unnamed, list(saved.items())]
        cells = zip(*(_cells(listing, shown) for listing in listings), strict=True)
        frames["FT"[recurse] + "FT"[once]] = {
            "counts": [len(one) for one in listings],
            "cells": list(cells),
        }
    answers = getattr(module, PARAMETERS), module.named_parameters(), module.parameters(), saved
    return Ways(
        type=clip(type_name(module)),
        returns=tuple(map(type_name, answers)),
        rows=[rows[one] for one in shown],
        frames=frames,
        more=len(rows) - len(shown),
    )


def _rows(
    module: nn.Module, first: list[tuple[str, object]], saved: dict
) -> tuple[dict[int, dict], list[object]]:
    """id of an object -> its row, in torch's order; and the objects, so that no id serves two."""
    rows: dict[int, dict] = {}
    held: list[object] = []
    parts = walk(module, times=1)
    slots = [slot for part in parts for slot in part.parameter_slots() + part.buffer_slots()]
    slots.sort(key=lambda slot: -RANKS[slot.kind])  # of several kinds the first one has the word
    kinds = {id(slot.value): slot.kind for slot in slots}
    for _, part in module.named_modules(remove_duplicate=False):
        parameters = part.named_parameters(recurse=False, remove_duplicate=False)
        buffers = part.named_buffers(recurse=False, remove_duplicate=False)
        listed = [("parameter", one) for _, one in parameters]
        listed += [(NOT_SAVED, one) for _, one in buffers]
        for otherwise, tensor in listed:
            held.append(tensor)
            rows.setdefault(id(tensor), _row(kinds.get(id(tensor), otherwise), tensor))
    for _, value in first:
        rows.setdefault(id(value), {"kind": "parameter", "type": "None", "empty": True})
    for value in saved.values():  # extra state, and what a hook puts there
        kind = "plain value" if facts(value).dtype is None else "plain tensor"
        rows.setdefault(id(value), _row(kind, value))
    return rows, held


def _row(kind: str, value: object) -> dict:
    known = facts(value)
    row = {"kind": kind, "type": clip(type_name(value)), "grad": known.requires_grad}
    if known.dtype is not None:
        row["words"] = tensor_in_words(known, kind)
    return row


def _cells(listing: list[tuple[str, object]], rows: list[int]) -> list[dict]:
    """For each of `rows`, the ids of objects, where and under which names `listing` has it."""
    places: dict[int, list] = {one: [] for one in rows}
    for position, (name, value) in enumerate(listing):
        if id(value) in places:
            places[id(value)].append([position, clip(text(name))])
    return [{"at": at[:_NAMES], "more": len(at[_NAMES:])} for at in places.values()]
