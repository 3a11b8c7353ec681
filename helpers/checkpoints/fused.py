"""Advice on weights that one side keeps together and the other apart: query, key and value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helpers.checkpoints.case import Case, Proposal, as_comment
from helpers.checkpoints.names import Shape, last_part
from helpers.state.objects import brief

# A part of a name that is that of a query, a key or a value: q, query, to_q, q_proj, wq.
_ONE_OF_THREE = re.compile(r"(?:to_|w_?|)(?:(q)|(k)|(v))(?:uery|ey|alue)?(?:_proj|_lin|)")


# Each begins with `parts`, {the key of what is together: the keys of the three}.
_JOINED = """import torch
parts = {!r}
state_dict = dict(state_dict)
for whole, three in parts.items():
    state_dict[whole] = torch.cat([state_dict.pop(part) for part in three])"""
_SPLIT = """own, parts = module.state_dict(), {!r}
state_dict = dict(state_dict)
for whole, three in parts.items():
    sizes = [len(own[part]) for part in three]
    state_dict.update(zip(three, state_dict.pop(whole).split(sizes)))"""


def fused(case: Case) -> Iterator[Proposal]:
    """The file has the three apart, and the model together, or the other way round."""
    for wholes, apart, has_parts, has_whole, code in (
        (case.missing, case.left, "file", "model", _JOINED),
        (case.left, case.missing, "model", "file", _SPLIT),
    ):
        found = _matches(wholes, apart)
        if found:
            whole, parts = next(iter(found.items()))
            words = f"{brief(whole)} has the size of {_listed(parts)} together, which the"
            words += f" {has_parts} has apart. If the {has_whole} keeps them one after the other,"
            words += " and not head by head:"
            filled = code.format(found)
            yield Proposal("fused", words, as_comment(filled), if_so=filled)


def _listed(parts: list[str]) -> str:
    return f"{brief(parts[0])}, {brief(parts[1])} and {brief(parts[2])}"


def _matches(wholes: dict[str, Shape], apart: dict[str, Shape]) -> dict[str, list[str]]:
    """{a key of one side: the keys of query, key and value on the other, in this order}, where one
    alone fits: of the same module, with the same kind of numbers, as many rows in all."""
    found = {}
    for (place, kind), parts in _threes(apart).items():
        shapes = [apart[key] or () for key in parts]
        if len({shape[1:] for shape in shapes}) > 1 or () in shapes:
            continue
        size = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        fit = [key for key, shape in wholes.items() if shape == size and key.endswith(kind)]
        fit = [key for key in fit if _place_of(key, place)]
        if len(fit) == 1:
            found[fit[0]] = parts
    return found


def _place_of(key: str, place: str) -> bool:
    """Does a key stand in the module at `place`, or in one of its layers?"""
    return key.startswith(place) and key[len(place) :].count(".") <= 1


def _threes(shapes: dict[str, Shape]) -> dict[tuple[str, str], list[str]]:
    """(the prefix of a module, the last name): the keys of its query, key and value."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    for key in shapes:
        head, _, _ = key.rpartition(".")
        place, _, part = head.rpartition(".")
        match = _ONE_OF_THREE.fullmatch(part)
        if match:
            where = f"{place}." if place else "", last_part(key)
            found.setdefault(where, {})[match.lastindex or 0] = key
    return {
        where: [keys[number] for number in (1, 2, 3)]
        for where, keys in found.items()
        if len(keys) == 3
    }
