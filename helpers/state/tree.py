"""The state of a module as a tree that is opened step by step: rows of plain facts, ready for JSON.

A row is a dict: `id` (positions from the root, "" for the root and "2.0" for the first member of
its third member), `name`, `path` (dotted, as in `Entry`), `kind` (a key of `signs.SIGNS`), `type`
(class name), `value` (short text of a plain value, else None), `shape` (list of int), `dtype`,
`device` (text), `grad`, `numel`, `nbytes` (None where there is none), and where true `empty` (the
name holds None) or `again` (a module inside itself, not entered)."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import brief, collector_paused, preview, type_name
from helpers.state.snapshot import EmptySlot, Entry, Snapshot, list_own, snapshot, submodule
from helpers.state.totals import totals
from helpers.views.markup import clip

# What `list_own` tells of one member: its facts and the object itself (None for an empty slot).
Part = tuple[Entry | EmptySlot, Any]


class Member(NamedTuple):
    """One member of a module: its row, its whole path, the object, and the member it stands in."""

    row: dict
    path: str
    value: Any
    owner: Member | None


class Stale(LookupError):
    """The module is no longer what it was when the row was made."""


_ROOT = Entry("", "module", None, None, None, None, None, None, None, None)
_RANK = {"parameter": 0, "buffer": 1, "plain tensor": 2, "plain value": 2}


def root(module: nn.Module) -> Member:
    """The module itself as a member; its name is "model", as its path is empty."""
    row = {"id": "", "name": "model", "path": "", "kind": "module", "type": clip(type_name(module))}
    return Member(row, "", module, None)


def members(
    module: nn.Module, path: str, start: int = 0, stop: int | None = None
) -> tuple[list[Part], int]:
    """What `module`, found at `path`, holds from position `start` to `stop`, and how many there are
    in all.

    Parameters come first, then buffers, plain attributes and submodules, each in torch's order; the
    empty slots of parameters and buffers stand behind those of their kind."""
    entries, values, empty = [], [], []
    with torch._C.DisableTorchFunction():
        modules = list_own(module, path, entries, values, empty)
    own: list[Part] = [*zip(entries, values, strict=True), *((slot, None) for slot in empty)]
    if empty:
        own.sort(key=lambda held: _RANK[held[0].kind])
    # Positions among the submodules; those of a large model are not listed to show a page of them.
    first, last = max(0, start - len(own)), None if stop is None else max(0, stop - len(own))
    children = list(islice(modules.items(), first, last))
    found = own[start:stop] + [(submodule(name, value, path), value) for name, value in children]
    return found, len(own) + len(modules)


def _member(held: Part, position: int, owner: Member) -> Member:
    """The member with its row, `held` being the one at `position` in `owner`."""
    (entry, value), outer = held, owner.row["id"]
    address = f"{outer}.{position}" if outer else str(position)
    start = len(entry.owner) + 1 if entry.owner else 0
    row = {
        "id": address,
        "name": clip(entry.path[start:]),
        "path": clip(entry.path),
        "kind": entry.kind,
    }
    row["type"] = clip(type_name(value))
    if not isinstance(entry, Entry):
        row["empty"] = True
    elif entry.kind == "module":
        around: Member | None = owner
        while around is not None and around.value is not value:
            around = around.owner
        if around is not None:
            row["again"] = True
    elif entry.kind == "plain value":
        row["value"] = brief(value)
    if entry.kind == "buffer" and not row.get("empty") and not entry.persistent:
        row["kind"] = "non-persistent buffer"
    if isinstance(entry, Entry) and entry.dtype is not None:
        row |= {
            # A symbolic size stays text: int() would write a guard into its owner's graph.
            "shape": None
            if entry.shape is None
            else [n if type(n) is int else str(n) for n in entry.shape],
            "dtype": str(entry.dtype).removeprefix("torch."),
            "device": str(entry.device),
            "grad": entry.requires_grad,
            "numel": entry.numel if type(entry.numel) is int else None,
            "nbytes": entry.nbytes if type(entry.nbytes) is int else None,
        }
    return Member(row, entry.path, value, owner)


def opened(module: nn.Module, budget: int, page: int) -> tuple[list[dict], bool]:
    """The rows of `module` opened level by level until `budget` rows are out, and whether that is
    all of them.

    An opened module's row carries `children` (ids) and, if they do not all fit, `more`: how many
    there are besides. A row without `children` was not opened. No module gives more than `page`
    children at a time."""
    first = root(module)
    rows, complete = [first.row], True
    waiting = deque([first])
    while waiting:
        member = waiting.popleft()
        inside, count = members(member.value, member.path, 0, page)
        if len(rows) + len(inside) > budget and member is not first:
            complete = False
            break
        shown = [_member(held, position, member) for position, held in enumerate(inside)]
        member.row["children"] = [one.row["id"] for one in shown]
        if len(shown) < count:
            member.row["more"] = count - len(shown)
            complete = False
        rows += [one.row for one in shown]
        waiting.extend(one for one in shown if _enterable(one.row))
    return rows, complete


def children(module: nn.Module, address: str, path: str, start: int, count: int) -> dict:
    """`count` rows from position `start` inside the module at `address`: {"rows": [...], "more":
    how many follow}.

    Raises Stale if the module at `address` is not the one that had `path`.
    """
    owner = find(module, address, path)
    if not _enterable(owner.row):
        raise Stale(path)
    inside, total = members(owner.value, owner.path, start, start + count)
    rows = [_member(held, start + position, owner).row for position, held in enumerate(inside)]
    return {"rows": rows, "more": max(0, total - start - len(rows))}


def find(module: nn.Module, address: str, path: str) -> Member:
    """The member at `address`; Stale if what stands there now does not have the row's `path`."""
    member = root(module)
    for step in address.split(".") if address else ():
        place = int(step)
        inside, _ = (
            members(member.value, member.path, place, place + 1)
            if _enterable(member.row)
            else ([], 0)
        )
        if not inside:
            raise Stale(path)
        member = _member(inside[0], place, member)
    if member.row["path"] != path:
        raise Stale(path)
    return member


def about(module: nn.Module, address: str, path: str) -> dict:
    """What takes a walk to know: the `names` of a tensor, all of them, or the `totals` below a
    submodule.
    """
    member = find(module, address, path)
    if _enterable(member.row):
        return {"totals": asdict(totals(member.value))}
    return {"names": names_of(snapshot(module)).get(member.path, [])}


def names_of(found: Snapshot) -> dict[str, list[str]]:
    """path -> every path of the same tensor, for the tensors of a `Snapshot` that have several; 20
    at most.
    """
    return {path: [clip(name) for name in group[:20]] for group in found.shared for path in group}


def numbers(module: nn.Module, address: str, path: str) -> str:
    """A small preview of the tensor at `address`, as text."""
    return preview(find(module, address, path).value)


class Index:
    """The paths of everything in a module, for a filter that a reader types: made once, asked at
    every key.
    """

    def __init__(self, module: nn.Module) -> None:
        self._members: list[
            tuple[Part, int, int]
        ] = []  # in the order of the tree: what, its place, its owner here
        self._paths: list[str] = []
        above: set[int] = set()
        pending = [((_ROOT, module), 0, -1)]
        with collector_paused():
            while pending:
                one = pending.pop()
                if one[2] is None:
                    above.discard(one[0])
                    continue
                (entry, value), owner = one[0], len(self._members)
                self._members.append(one)
                self._paths.append(entry.path.lower())
                if entry.kind == "module" and value is not None and id(value) not in above:
                    above.add(id(value))
                    pending.append((id(value), 0, None))
                    inside = [
                        (held, place, owner)
                        for place, held in enumerate(members(value, entry.path)[0])
                    ]
                    pending += reversed(inside)

    def matches(self, wanted: str, limit: int) -> dict:
        """The rows whose path contains `wanted`, whatever the case, each after the rows it stands
        in.

        {"rows": [...], "matches": ids of the first `limit` matches, "more": how many matches are
        left out}."""
        wanted = wanted.lower()
        hits = [position for position, path in enumerate(self._paths) if wanted in path]
        made: dict[int, Member] = {}
        matched = [self._make(position, made).row["id"] for position in hits[:limit]]
        rows = [made[position].row for position in sorted(made)]
        return {"rows": rows, "matches": matched, "more": max(0, len(hits) - limit)}

    def _make(self, position: int, made: dict[int, Member]) -> Member:
        """The member at `position`, made after those it stands in; each once, in `made`."""
        chain = []
        while position not in made and position >= 0:
            chain.append(position)
            position = self._members[position][2]
        for here in reversed(chain):
            held, place, owner = self._members[here]
            made[here] = root(held[1]) if owner < 0 else _member(held, place, made[owner])
        return made[chain[0]] if chain else made[position]


def _enterable(row: dict) -> bool:
    return row["kind"] == "module" and not row.get("empty") and not row.get("again")
