"""The state of a module as a tree that is opened step by step: a row for each thing it holds.

How many rows are sent at a time is for `views.state_map` to say."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from helpers.state.objects import (
    Facts,
    brief,
    clip,
    collector_paused,
    facts,
    preview,
    type_name,
)
from helpers.state.own_rules import Rule, Rules
from helpers.state.torch_private import (
    answers_for_itself,
    piece_of,
    storage_of,
    without_torch_function,
)
from helpers.state.totals import Totals, totals
from helpers.state.visibility import Home, Seen, Standing, homes_of, seen_by
from helpers.state.walk import (
    Part,
    Slot,
    dotted,
    is_module,
    read,
    walk,
    walk_with_paths,
)

_NAMES = 20  # of one tensor
ROOT_NAME = "model"  # what is said for the module itself, whose path is empty


class Row(NamedTuple):
    """One line of the map: what a module holds under one name.

    `id` has the positions from the root: "" for the root and "2.0" for the first member of its
    third member. `path` is dotted, as in `Entry`; `kind` is one of `walk.KINDS`; `type` is a class
    name. `empty`: the registered name holds None. `again`: a module inside itself, not entered.
    `value` is the short text of a plain value. `tensor` has the facts of a tensor, and `piece` the
    shape of what is here of one that is laid out over several processes. `under` is how many bytes
    of memory a tensor has, where that is less than the bytes of its elements, as of an expanded
    one."""

    id: str
    name: str
    path: str
    kind: str
    type: str
    empty: bool = False
    again: bool = False
    value: str | None = None
    tensor: Facts | None = None
    piece: torch.Size | None = None
    under: int | None = None

    @property
    def enterable(self) -> bool:
        return self.kind == "module" and not self.empty and not self.again

    @property
    def positions(self) -> list[int]:
        """The order of rows in the tree is that of these."""
        return [int(step) for step in self.id.split(".") if step]


class Member(NamedTuple):
    """A row with its whole path, the slot it is about, and the member that it stands in."""

    row: Row
    path: str
    slot: Slot
    owner: Member | None


class Children(NamedTuple):
    """The rows of one module from a position on, and how many more follow."""

    rows: list[Row]
    more: int


class About(NamedTuple):
    """What takes a walk to know of a tensor: all its `names`, [] if it has one, and who sees it."""

    names: list[str]
    seen: Seen


@dataclass(frozen=True)
class Opened:
    """A module opened level by level.

    `rows` has each row once, the root first; `children` has ids, and how many children are left
    out, for each row that was opened. `whole`: nothing is left out; then `about` tells of each
    tensor, by the id of its row."""

    rows: list[Row]
    children: dict[str, tuple[list[str], int]]
    whole: bool
    about: dict[str, About]


class Stale(LookupError):
    """The module is no longer what it was when the row was made."""


def root(module: nn.Module) -> Member:
    """The module itself as a member."""
    row = Row("", ROOT_NAME, "", "module", clip(type_name(module)))
    return Member(row, "", Slot("", "module", module), None)


class Page(NamedTuple):
    """Some of the members of a module, and how many it has in all."""

    members: list[Member]
    count: int


def page_of(owner: Member, part: Part, start: int = 0, stop: int | None = None) -> Page:
    """What the module of `owner`, read as `part`, holds from position `start` to `stop`.

    Parameters come first, then buffers, plain attributes and submodules, each in torch's order. Of
    the submodules only those in sight are looked at: a large model has many."""
    with without_torch_function():
        own = list(part.slots())
        first = max(0, start - len(own))
        last = None if stop is None else max(0, stop - len(own))
        slots = own[start:stop] + part.submodules(first, last)
        found = [_member(slot, start + place, owner) for place, slot in enumerate(slots)]
    return Page(found, len(own) + len(part.modules))


def _member(slot: Slot, position: int, owner: Member) -> Member:
    path = dotted(owner.path, slot.name)
    tensor = facts(slot.value)
    known = tensor.dtype is not None
    row = Row(
        id=dotted(owner.row.id, str(position)),
        name=clip(slot.name),
        path=clip(path),
        kind=slot.kind,
        type=clip(type_name(slot.value)),
        empty=slot.empty,
        again=slot.kind == "module" and _stands_in_itself(slot.value, owner),
        value=brief(slot.value) if slot.kind == "plain value" and not known else None,
        tensor=tensor if known else None,
        piece=_shape_here(slot.value) if known else None,
        under=_less_memory(slot.value, tensor) if known else None,
    )
    return Member(row, path, slot, owner)


def _shape_here(tensor: torch.Tensor) -> torch.Size | None:
    piece = piece_of(tensor)
    return None if piece is None else piece.shape


def _less_memory(tensor: torch.Tensor, told: Facts) -> int | None:
    if type(told.nbytes) is not int or answers_for_itself(type(tensor)):
        return None
    try:
        held = storage_of(tensor).nbytes()
    except Exception:
        return None
    return held if type(held) is int and held < told.nbytes else None


def _stands_in_itself(module: object, owner: Member | None) -> bool:
    while owner is not None and owner.slot.value is not module:
        owner = owner.owner
    return owner is not None


def opened(
    module: nn.Module, budget: int, page: int, look: Callable[[nn.Module], Part] = read
) -> Opened:
    """The rows of `module` opened level by level until `budget` rows are out. No module gives more
    than `page` children at a time. `look` says what a module holds, if that is known already."""
    first = root(module)
    found, children, whole = [first], {}, True
    waiting = deque([first])
    while waiting:
        member = waiting.popleft()
        inside, count = page_of(member, look(member.slot.value), 0, page)
        if len(found) + len(inside) > budget and member is not first:
            whole = False
            break
        children[member.row.id] = [one.row.id for one in inside], count - len(inside)
        whole = whole and len(inside) == count
        found += inside
        waiting.extend(one for one in inside if one.row.enterable)
    rows = [member.row for member in found]
    return Opened(rows, children, whole, _about_all(found, look) if whole else {})


def _about_all(found: list[Member], look: Callable[[nn.Module], Part]) -> dict[str, About]:
    """`About` for each tensor, where `found` has all members of a module."""
    rules = _RulesAround()
    for one in found:
        if one.row.again:
            rules.add_circle()
        elif one.row.enterable:
            rules.add(look(one.slot.value), is_root=one.owner is None)
            rules.add_depth(len(one.row.positions))
    tensors = [one for one in found if one.row.tensor is not None]
    tensors.sort(key=lambda member: member.row.positions)
    names: dict[int, list[str]] = {}
    for one in tensors:
        names.setdefault(id(one.slot.value), []).append(one.row.path)
    with without_torch_function():
        standing = {one.row.id: rules.standing(one) for one in tensors}
        homes = homes_of(standing.values())
        return {
            one.row.id: _about(standing[one.row.id], names, homes, rules.troubles)
            for one in tensors
        }


class _RulesAround(Rules):
    """The rules of a module, as those that decide of a member of its map."""

    def standing(self, member: Member) -> Standing:
        return Standing(member.path, member.slot, self._at(member.owner))

    def _at(self, owner: Member | None) -> tuple[Rule, ...]:
        chain: list[Member] = []
        while owner is not None and self.of:
            chain.append(owner)
            owner = owner.owner
        rules = None
        for one in reversed(chain):
            rules = self.inside(one.slot.value, rules)
        return rules or ()


def _about(
    one: Standing,
    names: dict[int, list[str]],
    homes: dict[int, Home],
    troubles: frozenset[str],
) -> About:
    key = id(one.slot.value)
    several = names[key] if len(names[key]) > 1 else []
    return About(several[:_NAMES], seen_by(one, homes, troubles))


def children(module: nn.Module, address: str, path: str, start: int, count: int) -> Children:
    """`count` rows from position `start` inside the module at `address`.

    Raises Stale if the module at `address` is not the one that had `path`.
    """
    owner = find(module, address, path)
    if not owner.row.enterable:
        raise Stale(path)
    part = read(owner.slot.value)
    found = page_of(owner, part, start, start + count)
    rows = [member.row for member in found.members]
    return Children(rows, max(0, found.count - start - len(rows)))


def find(module: nn.Module, address: str, path: str) -> Member:
    """The member at `address`; Stale if what stands there now does not have the row's `path`."""
    member = root(module)
    for step in address.split(".") if address else ():
        place = int(step)
        inside = []
        if member.row.enterable:
            inside = page_of(member, read(member.slot.value), place, place + 1).members
        if not inside:
            raise Stale(path)
        member = inside[0]
    if member.row.path != path:
        raise Stale(path)
    return member


def about(module: nn.Module, address: str, path: str) -> About | Totals | None:
    """What takes a walk to know of the row at `address`: `About` a tensor, the `Totals` below a
    submodule, None of anything else."""
    member = find(module, address, path)
    if member.row.enterable:
        return totals(member.slot.value)
    if member.row.tensor is None:
        return None
    rules, wanted = _RulesAround(), member.slot.value
    names: list[str] = []
    alike: list[Standing] = []
    for where, part, inside in rules.along(walk_with_paths(module)):
        for slot in part.slots():
            if slot.value is wanted:
                path = dotted(where, slot.name)
                names.append(clip(path))
                alike.append(Standing(path, slot, inside))
    with without_torch_function():
        one = rules.standing(member)
        return _about(one, {id(wanted): names}, homes_of(alike), rules.troubles)


def preview_at(module: nn.Module, address: str, path: str) -> str:
    """A small preview of the tensor at `address`, as text."""
    return preview(find(module, address, path).slot.value)


class Indexed(NamedTuple):
    """Where something stands: its slot, its position among the members of its owner, and where the
    owner stands in the index; -1 for the root."""

    slot: Slot
    position: int
    owner: int


class Matches(NamedTuple):
    """What a filter finds: the rows of the matches, each after the rows it stands in; the ids of
    the matches; and how many further matches there are."""

    rows: list[Row]
    matches: list[str]
    more: int


class Index:
    """The paths of everything in a module, for a filter that a reader types: made once, asked at
    every key."""

    def __init__(self, module: nn.Module) -> None:
        self._root = root(module)
        self._places: list[Indexed] = []
        self._paths: list[str] = []
        with collector_paused(), without_torch_function():
            self._read(module)

    def _read(self, module: nn.Module) -> None:
        parts: list[int] = []  # where each module of the walk stands in the index
        children: list[Iterator[int]] = []  # the positions of its submodules
        for part in walk(module):
            owner = parts[part.owner] if parts else -1
            position = next(children[part.owner]) if parts else 0
            here = len(self._places)
            parts.append(here)
            self._add(Indexed(Slot(part.name, "module", part.module), position, owner))
            own = list(part.slots())
            for place, slot in enumerate(own):
                self._add(Indexed(slot, place, here))
            submodules = list(enumerate(part.submodules(), start=len(own)))
            children.append(iter([place for place, slot in submodules if is_module(slot.value)]))
            for place, slot in submodules:
                if not is_module(slot.value):
                    self._add(Indexed(slot, place, here))

    def _add(self, place: Indexed) -> None:
        name = place.slot.name.lower()
        self._paths.append(dotted(self._paths[place.owner], name) if self._places else "")
        self._places.append(place)

    def matches(self, wanted: str, limit: int) -> Matches:
        """The rows whose path contains `wanted`, whatever the case; `limit` matches at most."""
        wanted = wanted.lower()
        hits = [position for position, path in enumerate(self._paths) if wanted in path]
        made = self._members(hits[:limit])
        matched = [made[position].row.id for position in hits[:limit]]
        rows = sorted((member.row for member in made.values()), key=lambda row: row.positions)
        return Matches(rows, matched, max(0, len(hits) - limit))

    def _members(self, positions: list[int]) -> dict[int, Member]:
        """The members at these positions, each made after those it stands in, and these."""
        made: dict[int, Member] = {}
        for position in positions:
            chain, at = [], position
            while at not in made and at >= 0:
                chain.append(at)
                at = self._places[at].owner
            for here in reversed(chain):
                slot, place, owner = self._places[here]
                made[here] = self._root if owner < 0 else _member(slot, place, made[owner])
        return made
