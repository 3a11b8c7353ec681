"""The three ways to read a module's parameters, and `state_dict()`, side by side and tensor by
tensor.

Unlike the rest of this room, this runs the module's own methods: their answers are the point. All
four settings of `recurse` and `remove_duplicate` are asked once. `prefix` is not: it only changes
text, in torch's own methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from helpers.state.torch_private import (
    PARAMETERS,
    offset_of,
    shape_of,
    storage_address,
    stride_of,
)
from helpers.state.walk import RANKS, Slot, walk


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
    [[position, name], ...], "more": how many names are left out}}. Where a method of the module's
    own raises at a setting that is not the default one, its count is the words for that, as "raises
    TypeError", and its cells are None."""

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
    # Each None is a row of its own, so another object stands for it.
    first = [
        (text(name), object() if value is None else value)
        for name, value in getattr(module, PARAMETERS).items()
    ]
    registered = _registered(module)
    saved = _saved(module, registered.values())
    listings = {}
    for recurse, once in product((True, False), repeat=2):
        given = {"recurse": recurse, "remove_duplicate": once}
        listings["FT"[recurse] + "FT"[once]] = [
            first,
            _listed(module.named_parameters, given),
            _listed(module.parameters, {"recurse": recurse}),
            list(saved.items()),
        ]
    rows = _rows(registered, listings.values())
    shown = list(rows)[:most]
    answers = getattr(module, PARAMETERS), module.named_parameters(), module.parameters(), saved
    return Ways(
        type=clip(type_name(module)),
        returns=tuple(map(type_name, answers)),
        rows=[rows[one] for one in shown],
        frames={setting: _frame(some, shown) for setting, some in listings.items()},
        more=len(rows) - len(shown),
    )


def _registered(module: nn.Module) -> dict[int, Slot]:
    """id of each registered tensor -> a slot that holds it, in torch's order. Of several kinds the
    first one has the word."""
    found: dict[int, Slot] = {}
    for part in walk(module, times=1):
        for slot in part.parameter_slots() + part.buffer_slots():
            known = found.get(id(slot.value), slot)
            if not slot.empty and RANKS[slot.kind] <= RANKS[known.kind]:
                found[id(slot.value)] = slot
    return found


def _saved(module: nn.Module, registered: Iterable[Slot]) -> dict:
    """`state_dict()` with the tensors themselves, for which torch is asked with `keep_vars`.

    A class may have a `state_dict()` that takes no such argument: then the registered tensor that
    lies in the same memory stands for what it returns, where there is one such."""
    try:
        return module.state_dict(keep_vars=True)
    except TypeError:
        saved = module.state_dict()  # any other TypeError comes again
    lying: dict[tuple | None, list[object]] = {}
    for slot in registered:
        lying.setdefault(_lie(slot.value), []).append(slot.value)
    at = {lie: some[0] for lie, some in lying.items() if lie is not None and len(some) == 1}
    return {name: at.get(_lie(value), value) for name, value in saved.items()}


def _lie(value: object) -> tuple | None:
    """Where the numbers of a tensor lie, and how; None for what has no memory of its own."""
    if not issubclass(type(value), torch.Tensor) or storage_address(value) is None:
        return None
    return storage_address(value), offset_of(value), shape_of(value), stride_of(value)


def _listed(call: Callable, given: dict[str, bool]) -> list[tuple[str, object]] | str:
    """(name, tensor) for what a call lists, "" where it gives no name. Its arguments are given as a
    learner would write them: none at its default. A class may have a method of its own that takes
    fewer, and then these are the words for what that raises."""
    written = {name: False for name, value in given.items() if not value}
    try:
        listed = list(call(**written))
    except Exception as error:
        if not written:
            raise
        return f"raises {type_name(error)}"
    return listed if "remove_duplicate" in given else [("", one) for one in listed]


def _frame(listings: list[list | str], shown: list[int]) -> dict:
    cells = (_cells(listing, shown) for listing in listings)
    return {
        "counts": [one if type(one) is str else len(one) for one in listings],
        "cells": list(zip(*cells, strict=True)),
    }


def _rows(registered: dict[int, Slot], frames: Iterable[list[list | str]]) -> dict[int, dict]:
    """id of an object -> its row: what is registered in torch's order, then whatever else a call
    gives, as extra state, what a hook puts there, and what a method of a class adds."""
    rows = {key: _row(slot.kind, slot.value) for key, slot in registered.items()}
    for first, *others in frames:
        for _, value in first:
            rows.setdefault(id(value), {"kind": "parameter", "type": "None", "empty": True})
        # What is saved comes first: more models have extra state than lists of their own.
        for listing in reversed(others):
            for _, value in listing if type(listing) is list else ():
                if id(value) not in rows:
                    known = facts(value).dtype is not None
                    kind = "plain tensor" if known else "plain value"
                    rows[id(value)] = _row(kind, value)
    return rows


def _row(kind: str, value: object) -> dict:
    known = facts(value)
    row = {"kind": kind, "type": clip(type_name(value)), "grad": known.requires_grad}
    if known.dtype is not None:
        row["words"] = tensor_in_words(known, kind)
    return row


def _cells(listing: list[tuple[str, object]] | str, rows: list[int]) -> list[dict | None]:
    """For each of `rows`, the ids of objects, where and under which names `listing` has it; None
    where the call raises."""
    if type(listing) is str:
        return [None for _ in rows]
    places: dict[int, list] = {one: [] for one in rows}
    for position, (name, value) in enumerate(listing):
        if id(value) in places:
            places[id(value)].append([position, clip(text(name))])
    return [{"at": at[:_NAMES], "more": len(at[_NAMES:])} for at in places.values()]
