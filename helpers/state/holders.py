"""Who holds what in a model: every tensor under its registered names, what stands in plain
attributes, what the classes bring along."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.class_rules import ClassFacts, class_facts, kept_by_torch
from helpers.state.graphs import leaves
from helpers.state.memory import Span, in_odd_memory, overlap, span_of
from helpers.state.objects import (
    ATOMS,
    COLLECTIONS,
    META,
    ORDINARY,
    attributes,
    contents,
    facts,
    is_parameter,
    text,
)
from helpers.state.places import Place, Places
from helpers.state.torch_private import FLAT_MARK, MOVE_ONE
from helpers.state.walk import NOT_SAVED, Part, is_module, pairs, plain_keys, walk

# A module or container with many holders is read again for its further names, this often in all: so
# the work grows with the model, however often a part of it is shared.
AGAIN = 4
_new = tuple.__new__  # Registered(...) takes twice as long, and a large model has a million
_WORTH_JUDGING = (torch.Tensor, nn.Module, *COLLECTIONS)


class Registered(NamedTuple):
    """A registered tensor, under its first name; `kind` is "parameter" or that of a buffer."""

    place: Place
    kind: str
    tensor: torch.Tensor

    @property
    def is_parameter(self) -> bool:
        """Is it registered as one, whatever its class is?"""
        return self.kind == "parameter"


class Record(NamedTuple):
    """One distinct module: its number, its class, and what it held when it was read."""

    node: int
    kind: type
    part: Part


class Inside(NamedTuple):
    """What a value holds in any nesting: tensors that are registered or share memory with one that
    is, Parameters, other tensors, and modules that are registered nowhere."""

    aliases: list[tuple[torch.Tensor, Registered]]
    parameters: list[torch.Tensor]
    tensors: list[torch.Tensor]
    modules: list[nn.Module]

    @property
    def unregistered(self) -> bool:
        """Is there something of which torch has nothing under another name?"""
        return bool(self.parameters or self.tensors or self.modules)


class Attribute(NamedTuple):
    """A plain attribute that holds something of torch's."""

    record: Record
    name: str
    value: Any
    inside: Inside

    @property
    def place(self) -> Place:
        return Place(self.record.node, self.name)


class Holders(Places):
    """The distinct modules below `root` in torch's order, with all names of what they hold.

    It keeps what it read alive, so that no `id` is used twice: for the time of one call only."""

    def __init__(self, root: nn.Module) -> None:
        super().__init__()
        self.records: list[Record] = []
        self.known: dict[int, Record] = {}  # id of a module -> its record
        self.cycles: list[Place] = []  # where a module stands in itself
        self.registered: dict[int, Registered] = {}  # id of a tensor -> its first name
        self._roles: dict[int, list[Registered]] = {}  # id -> all its names, if it has several
        self._repeated: set[int] = set()  # ids of modules that the walk met again
        self._orders: dict[int, dict[str, int]] = {}
        self._inside: dict[int, Inside] = {}  # id of a plain attribute's value -> what it holds
        self._reads: Counter[int] = Counter()
        for part in walk(root, times=AGAIN):
            self._add(part)

    def _add(self, part: Part) -> None:
        key = id(part.module)
        node = self.add(part.owner, part.name, key)
        if part.met:
            self._repeated.add(key)
        else:
            record = self.known[key] = _new(Record, (node, type(part.module), part))
            self.records.append(record)
            if part.modules:
                self.cycles += self._children_above(node, part)
        if not (part.parameters or part.buffers):
            return
        for one in _tensors(part, node):
            first = self.registered.setdefault(id(one.tensor), one)
            if first is not one:
                self._roles.setdefault(id(one.tensor), [first]).append(one)

    def names(self, one: Registered) -> list[Place]:
        """All names of a Parameter, or all of a buffer, the first one first."""
        roles = self._roles.get(id(one.tensor), [one])
        return [role.place for role in roles if role.is_parameter == one.is_parameter]

    def slots(self, one: Registered) -> list[Registered]:
        """The names of a tensor under the kind of `one`, one for each slot."""
        slots: dict[tuple[int, str], Registered] = {}
        for role in self._roles.get(id(one.tensor), [one]):
            if role.kind == one.kind:
                slots.setdefault(self.slot(role.place), role)
        return list(slots.values())

    def owners_of(self, tensor_id: int) -> list[int]:
        """The nodes of the modules in which a tensor is registered; [] if it is in none."""
        first = self.registered.get(tensor_id)
        roles = self._roles.get(tensor_id, [first] if first else [])
        return [role.place.node for role in roles]

    def place_of(self, record: Record) -> Place:
        return self.nodes[record.node]

    def order(self, place: Place) -> tuple[int, int]:
        """Where the place comes when the model is read: a module, its parameters, buffers, plain
        attributes, submodules."""
        node, name = place
        if node < 0:
            return node, 0
        if node not in self._orders:
            part = self.record_at(place).part
            keys = [*part.parameters, *part.buffers, *part.own, *part.modules]
            self._orders[node] = {text(key): at for at, key in reversed(list(enumerate(keys)))}
        return node, self._orders[node].get(name, -1)

    def _children_above(self, node: int, part: Part) -> list[Place]:
        """The names under which a module holds one that it is itself a part of."""
        met = [(name, child) for name, child in part.modules.items() if id(child) in self.known]
        above = set(self.up_from(node)) if met else ()
        return [Place(node, text(name)) for name, child in met if id(child) in above]

    @cached_property
    def repeated_modules(self) -> list[tuple[Record, list[Place]]]:
        """The modules that are registered more than once, each with its places. One that is in such
        a module, and has one name there, is none of them."""
        places = self.registrations(self._repeated) if self._repeated else {}
        several = {key: slots for key, slots in places.items() if len(slots) > 1}
        return [(self.known[key], slots) for key, slots in several.items()]

    @cached_property
    def parameters(self) -> list[Registered]:
        """What `parameters()` gives: each once, under its first name."""
        first = [one for one in self.registered.values() if one.kind == "parameter"]
        met_as_buffers = (
            next((one for one in roles if one.kind == "parameter"), None)
            for roles in self._roles.values()
            if roles[0].kind != "parameter"
        )
        return first + list(filter(None, met_as_buffers))

    @cached_property
    def special(self) -> list[Registered]:
        """The registered tensors but for the ordinary, of which no rule for one tensor says
        anything: they have one name, torch's own class, and gradients if they are parameters. One
        that is registered in several ways comes once for each."""
        found = []
        for key, one in self.registered.items():
            if key in self._roles:
                found += {role.kind: role for role in reversed(self._roles[key])}.values()
            elif (
                one.kind == NOT_SAVED
                or type(one.tensor) not in ORDINARY
                or one.tensor.requires_grad != (one.kind == "parameter")
            ):
                found.append(one)
        return found

    @cached_property
    def kinds(self) -> dict[type, tuple[Record, ClassFacts]]:
        """Each class with its first module, and what the class brings along."""
        first = {record.kind: record for record in reversed(self.records)}
        kinds = dict.fromkeys(record.kind for record in self.records)
        return {kind: (first[kind], class_facts(kind)) for kind in kinds}

    def facts_of(self, record: Record) -> ClassFacts:
        return self.kinds[record.kind][1].with_instance(record.part)

    def own_move(self, node: int) -> str | None:
        """The method by which a move may do something else than torch's: of the module at a
        position, or of one around it, as "Net._apply"."""
        around = (self.facts_of(self.known[key]) for key in self.up_from(node))
        return next(filter(None, (facts.method(MOVE_ONE) for facts in around)), None)

    @cached_property
    def attributes(self) -> list[Attribute]:
        """The plain attributes that hold a tensor, or a module that is registered nowhere, but for
        those that torch's own classes and hooks keep for themselves."""
        found = []
        for record, name, value in self._plain():
            inside = self.inside(value)
            views_of_fsdp = inside.aliases and all(map(_is_flat, inside.aliases))
            if any(inside) and not (views_of_fsdp or kept_by_torch(record.part, name, value)):
                found.append(Attribute(record, name, value, inside))
        return found

    def _plain(self) -> Iterator[tuple[Record, str, Any]]:
        for record in self.records:
            own = record.part.own
            for key in plain_keys(own):
                value = own.get(key)
                if type(value) in ATOMS or not issubclass(type(value), _WORTH_JUDGING):
                    continue
                name = text(key)
                if not record.part.registers(name):
                    yield record, name, value

    def keeps_something_that_moves(self, record: Record) -> bool:
        """Has a module a tensor, a device or a dtype of its own, which a move is to change?"""
        if record.node in {one.record.node for one in self.attributes}:
            return True
        return any(_says_where(value) for _, value in record.part.attributes())

    def inside(self, value: Any) -> Inside:
        """What a plain attribute holds; one that several attributes have is read once."""
        if id(value) not in self._inside:
            self._inside[id(value)] = self._look_inside(value)
        return self._inside[id(value)]

    def _look_inside(self, value: Any) -> Inside:
        found = Inside([], [], [], [])
        pending, entered = [value], set()
        while pending:
            one = pending.pop()
            kind = type(one)
            if id(one) in entered:
                continue
            entered.add(id(one))
            if is_module(one):
                if id(one) not in self.known:
                    found.modules.append(one)
            elif issubclass(kind, torch.Tensor):
                registered = self.registered_as(one)
                if registered:
                    found.aliases.append((one, registered))
                else:
                    (found.parameters if is_parameter(one) else found.tensors).append(one)
            elif issubclass(kind, COLLECTIONS) and self._reads[id(one)] < AGAIN:
                self._reads[id(one)] += 1
                pending += reversed([item for _, item in contents(one, lasting_order=False)])
        return found

    def meant_as_parameter(self, tensor: torch.Tensor) -> bool:
        """Was this computed from Parameters alone that the model holds nowhere, as the value of
        `nn.Parameter(...) * 0.1` is?"""
        sources = leaves(tensor)
        held = self.registered.keys() | self.in_plain_attributes
        return bool(sources) and all(is_parameter(s) and id(s) not in held for s in sources)

    @cached_property
    def in_plain_attributes(self) -> set[int]:
        """The tensors that plain attributes hold, those of unregistered modules too, by id."""
        inside = [one.inside for one in self.attributes]
        tensors = [one for held in inside for one in held.parameters + held.tensors]
        for module in [one for held in inside for one in held.modules]:
            tensors += [one.tensor for part in walk(module, times=1) for one in _tensors(part, 0)]
        return set(map(id, tensors))

    @property
    def has_numbers(self) -> bool:
        """Are there registered tensors, and do some have numbers?"""
        return any(device != META for _, device in self.dtypes_and_devices)

    def registered_as(self, tensor: torch.Tensor) -> Registered | None:
        """The first registered tensor that `tensor` is, or has memory in common with."""
        if id(tensor) in self.registered:
            return self.registered[id(tensor)]
        span = span_of(tensor)
        if span is None:
            return None
        others = self.by_storage.get(span.storage, ())
        return next((one for one, other in others if overlap(span, other)), None)

    @cached_property
    def dtypes_and_devices(self) -> Counter[tuple[torch.dtype | None, torch.device | None]]:
        """How many registered tensors are of which dtype on which device."""
        tensors = [one.tensor for one in self.registered.values()]
        return Counter((told.dtype, told.device) for told in map(_telling, tensors))

    @cached_property
    def left_on_meta(self) -> list[Registered]:
        """The registered tensors without numbers, in a model that has some. If most have none, the
        model waits for its file."""
        counts = self.dtypes_and_devices
        without = sum(count for (_, device), count in counts.items() if device == META)
        if not without or 2 * without > counts.total():
            return []
        meta = [one for one in self.registered.values() if facts(one.tensor).device == META]
        return [one for one in meta if not self._offloaded(one)]

    def _offloaded(self, one: Registered) -> bool:
        """Does accelerate hold the numbers elsewhere, and bring them for each call?"""
        return "_hf_hook" in self.record_at(one.place).part.own

    def record_at(self, place: Place) -> Record:
        return self.known[self.owners[place.node]]

    @cached_property
    def in_odd_memory(self) -> list[tuple[Registered, Span]]:
        """The registered tensors that do not have a storage of their size for themselves."""
        every = list(self.registered.values())
        odd = [every[position] for position in in_odd_memory([one.tensor for one in every])]
        spans = [(one, span_of(one.tensor)) for one in odd]
        return [(one, span) for one, span in spans if span]

    @cached_property
    def by_storage(self) -> dict[int, list[tuple[Registered, Span]]]:
        """The registered tensors that have memory, by the storage that it is in."""
        spans = [(one, span_of(one.tensor)) for one in self.registered.values()]
        return in_each_storage([(one, span) for one, span in spans if span])


def in_each_storage(
    tensors: list[tuple[Registered, Span]],
) -> dict[int, list[tuple[Registered, Span]]]:
    """Some tensors with their memory, by the storage that it is in."""
    found: dict[int, list[tuple[Registered, Span]]] = {}
    for one, span in tensors:
        found.setdefault(span.storage, []).append((one, span))
    return found


def _is_flat(alias: tuple[torch.Tensor, Registered]) -> bool:
    return attributes(alias[1].tensor).get(FLAT_MARK) is True


def _says_where(value: Any) -> bool:
    """Is this a device or a dtype, or the name of a device, as "cuda:0"?"""
    if type(value) in (torch.device, torch.dtype):
        return True
    return type(value) is str and value.partition(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta")


def _telling(tensor: torch.Tensor) -> Any:
    """What has the dtype and the device of a tensor: itself, where it is an ordinary one."""
    return tensor if type(tensor) in ORDINARY else facts(tensor)


def _tensors(part: Part, node: int) -> list[Registered]:
    """The registered tensors of one module."""
    found = [
        _new(Registered, (_new(Place, (node, name)), "parameter", value))
        for name, value in pairs(part.parameters)
        if issubclass(type(value), torch.Tensor)
    ]
    for name, kind, value in part.buffer_slots() if part.buffers else ():
        if issubclass(type(value), torch.Tensor):
            found.append(_new(Registered, (_new(Place, (node, name)), kind, value)))
    return found
