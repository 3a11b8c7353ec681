"""Who holds which tensor object: a model under its registered names, a plain attribute, an
optimizer.
"""

from __future__ import annotations

from collections import Counter
from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import (
    COLLECTIONS,
    attributes,
    bases,
    class_dict,
    class_name,
    containers,
    contents,
    from_torch,
    own_dict,
    text,
    type_name,
)

Place = tuple[int, str]  # the number of a module in `Holders.nodes`, and a name in it
# A module or container with many holders is read again for its further names, this often in all: so
# the work grows with the model, however often a part of it is shared.
AGAIN = 4
_storage = torch._C.TensorBase.untyped_storage


class Record(NamedTuple):
    """One distinct module as it stood: its number, class and instance dictionary, and what is
    registered there.

    `taken` has every registered name, those that hold None too.
    """

    node: int
    kind: type
    own: dict
    parameters: list[tuple[str, torch.Tensor]]
    buffers: list[tuple[str, torch.Tensor]]
    modules: list[tuple[str, nn.Module]]
    taken: set[str]


class Attribute(NamedTuple):
    """What a plain attribute holds: tensors of each sort, and the modules that are registered
    nowhere.
    """

    aliases: list[tuple[torch.Tensor, Place]]
    parameters: list[torch.Tensor]
    tensors: list[torch.Tensor]
    modules: list[nn.Module]


class Holders:
    """The distinct modules below `root` in torch's order, and every name of their parameters and
    buffers.

    It keeps what it read alive, so that no `id` is used twice: for the time of one call only.
    """

    def __init__(self, root: nn.Module) -> None:
        self.nodes: list[
            tuple[int, str]
        ] = []  # number of the parent, name in it: a path is built when asked for
        self.owners: list[int] = []  # id of the module at each node
        self.records: list[Record] = []
        self.names: dict[int, list[Place]] = {}  # id of a parameter -> its names
        self.registered: dict[
            int, tuple[Place, torch.Tensor]
        ] = {}  # id of a parameter or buffer -> its first name
        self._known: dict[int, Record] = {}  # id of a module -> its record
        self._judged: dict[
            int, tuple[Any, Attribute]
        ] = {}  # id of a plain attribute's value -> itself, what it holds
        self._read: Counter[int] = Counter()
        self._memory: dict[int | None, Place] | None = None
        visits: Counter[int] = Counter()
        above: set[int] = set()  # the modules we are inside of: entering one again would never end
        pending: list[tuple[nn.Module | None, int, str]] = [(root, -1, "")]
        while pending:
            module, parent, name = pending.pop()
            if module is None:
                above.discard(parent)
                continue
            key = id(module)
            if key in above or visits[key] == AGAIN:
                continue
            visits[key] += 1
            node = len(self.nodes)
            self.nodes.append((parent, name))
            self.owners.append(key)
            if key not in self._known:
                self._known[key] = _record(module, node)
                self.records.append(self._known[key])
            record = self._known[key]
            for name, value in record.parameters:
                self.names.setdefault(id(value), []).append((node, name))
            for name, value in record.parameters + record.buffers:
                self.registered.setdefault(id(value), ((node, name), value))
            if record.modules:
                above.add(key)
                pending.append((None, key, ""))
                pending += [(child, node, name) for name, child in reversed(record.modules)]

    def path(self, place: Place) -> str:
        """The dotted path of a place, as torch writes it: an empty name at the start leaves no dot."""
        node, name = place
        names = [name]
        while node > 0:
            node, name = self.nodes[node]
            names.append(name)
        while len(names) > 1 and not names[-1]:
            names.pop()
        return ".".join(reversed(names))

    def registered_as(self, tensor: torch.Tensor) -> Place | None:
        """The first name of the registered tensor that `tensor` is, or shares memory with; None if
        there is none.
        """
        if id(tensor) in self.registered:
            return self.registered[id(tensor)][0]
        if self._memory is None:
            self._memory = {}
            for place, registered in self.registered.values():
                self._memory.setdefault(_memory_of(registered), place)
            self._memory.pop(None, None)
        return self._memory.get(_memory_of(tensor))

    def held(self, value: Any) -> Attribute:
        """What `value`, a plain attribute, holds in any nesting. A value under several attributes
        is read once.
        """
        if id(value) in self._judged:
            return self._judged[id(value)][1]
        found = Attribute([], [], [], [])
        pending, entered = [value], set()
        while pending:
            one = pending.pop()
            kind = type(one)
            if id(one) in entered:
                continue
            entered.add(id(one))
            if issubclass(kind, nn.Module):
                if id(one) not in self._known:
                    found.modules.append(one)
            elif issubclass(kind, torch.Tensor):
                place = self.registered_as(one)
                if place is not None:
                    found.aliases.append((one, place))
                else:
                    (found.parameters if is_parameter(one) else found.tensors).append(one)
            elif issubclass(kind, COLLECTIONS) and self._read[id(one)] < AGAIN:
                self._read[id(one)] += 1
                pending += reversed([item for _, item in contents(one, lasting_order=False)])
        self._judged[id(value)] = (value, found)
        return found


def _record(module: nn.Module, node: int) -> Record:
    own = own_dict(module)
    found, taken = ([], [], []), set()
    for slots, kind, kept in zip(
        containers(own), (torch.Tensor, torch.Tensor, nn.Module), found, strict=True
    ):
        for name, value in list(slots.items()) if slots else ():
            name = name if type(name) is str else text(name)
            taken.add(name)
            if issubclass(type(value), kind):
                kept.append((name, value))
    return Record(node, type(module), own, *found, taken)


def is_parameter(tensor: torch.Tensor) -> bool:
    """A Parameter around a tensor of another class keeps that class and carries a mark."""
    kind = type(tensor)
    return issubclass(kind, nn.Parameter) or (
        kind is not torch.Tensor and attributes(tensor).get("_is_param") is True
    )


def _memory_of(tensor: torch.Tensor) -> int | None:
    """The same number for tensors that share memory, on the meta device too; None for those that
    have none.
    """
    try:
        return _storage(tensor)._cdata or None
    except Exception:  # a sparse tensor has none, and a wrapper subclass may refuse
        return None


def kept_by_torch(record: Record, name: str, value: Any) -> bool:
    """Does torch keep this plain attribute for itself: one of its classes, as `_flat_weights`, or
    one of its hooks?

    A class keeps what its own code mentions. A learner may use such a name too, so it has to be a
    private one, or that of a container on a module whose class is torch's, as the lists of buffers
    in DistributedDataParallel."""
    if name.startswith("_") or (from_torch(record.kind) and issubclass(type(value), COLLECTIONS)):
        for base in bases(record.kind):
            if base is not nn.Module and from_torch(base):
                functions = [
                    member for member in vars(base).values() if type(member) is FunctionType
                ]
                if any(name in function.__code__.co_names for function in functions):
                    return True
    hooks = record.own.get(
        "_forward_pre_hooks"
    )  # the old weight_norm and spectral_norm, and pruning
    for hook in list(dict.values(hooks)) if issubclass(type(hooks), dict) else ():
        if any(from_torch(base) for base in bases(type(hook))):
            own = attributes(hook)
            if name in [own[key] for key in ("name", "_tensor_name") if type(own.get(key)) is str]:
                return True
    return False


def held_by_optimizer(optimizer: Any) -> dict[int, str]:
    """id of each tensor in the groups of `optimizer` -> its first position there; a property of a
    wrapper is not run.

    Raises TypeError if there is no `param_groups`, neither in it nor in what it wraps.
    """
    pending, groups = [(optimizer, 0)], None
    while pending and groups is None:
        one, depth = pending.pop(0)
        own = attributes(one)
        if issubclass(type(own.get("param_groups")), list):
            groups = own["param_groups"]
        elif depth < 3 and _passes_on(type(one)):
            pending += [(value, depth + 1) for value in own.values()]
    if groups is None:
        got = type_name(optimizer)
        if issubclass(type(optimizer), type):
            got = f"the class {class_name(optimizer)}; pass an instance"
        takes = "an optimizer, such as torch.optim.SGD(model.parameters(), lr=0.1)"
        raise TypeError(f"audit() takes as its second argument {takes}, got {got}.")
    held: dict[int, str] = {}
    for number, group in enumerate(list.__iter__(groups)):
        tensors = dict.get(group, "params") if issubclass(type(group), dict) else None
        for position, one in (
            contents(tensors, lasting_order=False) if issubclass(type(tensors), COLLECTIONS) else ()
        ):
            held.setdefault(id(one), f"param_groups[{number}]['params'][{position}]")
    return held


def _passes_on(kind: type) -> bool:
    """Does a class without groups of its own answer for `param_groups`, as a wrapper does?"""
    members = [name for base in bases(kind) for name in class_dict(base)]
    return not issubclass(kind, nn.Module) and not {"param_groups", "__getattr__"}.isdisjoint(
        members
    )
