"""A stand-in for a module: twins of its parts, with the same names and shapes, and no number in it.

It keeps what decides a load: slots that hold None, lazy tensors, memory that torch may not copy
into, and the rules of torch's own classes and hooks. Those of other classes are named, not run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType, MethodType
from typing import NamedTuple

import torch
from torch import nn

from helpers.checkpoints.comparison import Outline
from helpers.checkpoints.names import Keys, keys_of
from helpers.checkpoints.outlines import blank, oddity, outline
from helpers.checkpoints.twin import LoadReport, Nature, may_run, target, twin_class
from helpers.state.class_rules import class_facts
from helpers.state.objects import ATOMS, class_name, from_torch, hooks_in, text, type_name
from helpers.state.torch_private import (
    BUFFERS,
    CONTAINERS,
    EXTRA_STATE,
    LOAD_ONE,
    LOAD_POST_HOOKS,
    LOAD_PRE_HOOKS,
    MODULES,
    NON_PERSISTENT,
    PARAMETERS,
    SAVE_ONE,
    STATE_DICT_HOOKS,
    add_load_hook,
    is_lazy,
    lazy_load_hook,
    unwrapped,
)
from helpers.state.walk import NOT_SAVED, Part, Slot, walk


class OwnRule(NamedTuple):
    """A rule by which a class may decide otherwise than torch, on the module at `prefix`: `name` is
    that of a method, or where torch keeps such hooks."""

    prefix: str
    owner: str
    name: str


@dataclass
class StandIn:
    """What `stand_in_for` makes of a module."""

    twin: nn.Module
    reports: list[LoadReport]  # one for each load of the twin
    # What stands under each key that a load looks for; those of buffers; natures of the tensors.
    expected: dict[str, Outline] = field(default_factory=dict)
    buffers: set[str] = field(default_factory=set)
    natures: dict[str, Nature | None] = field(default_factory=dict)
    # The keys that non-persistent buffers and plain tensors would have; those that slots with None
    # would, and kinds.
    transient: set[str] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)
    empty: dict[str, str] = field(default_factory=dict)
    names: dict[int, list[str]] = field(default_factory=dict)  # all the keys of each tensor
    classes: dict[str, type] = field(default_factory=dict)  # of the module at each prefix
    rules: list[OwnRule] = field(default_factory=list)  # what the twin leaves out
    # Whose method or hook decides what state_dict() gives: it may be other than what a load looks
    # for. And does a hook of torch's change the names of what is loaded?
    saved_by: list[str] = field(default_factory=list)
    renames: bool = False

    @property
    def has_names_of_its_own(self) -> bool:
        """Does a class of the whole model both save and load by its own rules? Then nobody knows
        under which names."""
        methods = class_facts(self.classes[""]).methods
        return {"state_dict", "load_state_dict"} <= methods.keys()

    @cached_property
    def keys(self) -> Keys:
        """The tensors that a load looks for."""
        return keys_of({key: one.shape for key, one in self.expected.items() if one.dtype})

    def add(self, twin: nn.Module, part: Part, prefix: str) -> None:
        """Take a part of the module, of which `twin` is the twin."""
        self.classes[prefix] = type(part.module)
        self._fill(twin, part, prefix)
        for name, value in part.attributes():
            if issubclass(type(value), torch.Tensor):
                self.plain.add(prefix + text(name))
        self._keep_hooks(twin, part, prefix)
        self._keep_rules(twin, part, prefix)

    def _fill(self, twin: nn.Module, part: Part, prefix: str) -> None:
        """Places for the parameters and buffers of one module, and what is known of their keys."""
        own = vars(twin)
        parameters = [Slot(text(name), "parameter", one) for name, one in part.parameters.items()]
        for slot in parameters + part.buffer_slots():
            key, value = prefix + slot.name, slot.value
            slots = own[PARAMETERS] if slot.kind == "parameter" else own[BUFFERS]
            if slot.kind == NOT_SAVED:
                self.transient.add(key)
                own[NON_PERSISTENT].add(slot.name)
            if value is None:
                slots[slot.name] = None
                self.empty[key] = slot.kind
                continue
            known = outline(value)
            slots[slot.name] = spot = target(value, known, oddity(value))
            if slot.kind == NOT_SAVED:
                continue
            self.expected[key] = known
            self.natures[key] = getattr(spot, "nature", None)
            self.names.setdefault(id(value), []).append(key)
            if slot.kind == "buffer":
                self.buffers.add(key)

    def _keep_hooks(self, twin: nn.Module, part: Part, prefix: str) -> None:
        """The hooks by which torch loads into this module; those that a twin cannot keep are
        named."""
        own, owner = part.own, type_name(part.module)
        for hook, with_module in _hooks(own, LOAD_PRE_HOOKS):
            if type(hook) is MethodType and hook.__func__ is lazy_load_hook:
                add_load_hook(twin, _take_shape, with_module=True)
            elif may_run(_home_of(hook)):
                add_load_hook(twin, hook, with_module)
                self.renames |= not f"{_home_of(hook)}.".startswith("torch.nn.")
            else:
                self.rules.append(OwnRule(prefix, owner, LOAD_PRE_HOOKS))
        if _hooks(own, LOAD_POST_HOOKS):
            self.rules.append(OwnRule(prefix, owner, LOAD_POST_HOOKS))

    def _keep_rules(self, twin: nn.Module, part: Part, prefix: str) -> None:
        """What the classes of this module say of a load. Torch calls the `load_state_dict` of the
        root alone."""
        self.saved_by += type(twin).saved_by
        hooks = [type(hook) for where in STATE_DICT_HOOKS for hook in hooks_in(part.own, where)]
        if not all(from_torch(kind, "torch.nn") for kind in hooks):  # that of the old spectral_norm
            self.saved_by.append(f"a hook on {type_name(part.module)}.state_dict()")
        if type(twin).set_extra_state is not nn.Module.set_extra_state:
            self.expected[prefix + EXTRA_STATE] = Outline("extra state", None, None, None)
        for one, call in twin.left_out:
            if call == LOAD_ONE or not prefix:
                self.rules.append(OwnRule(prefix, class_name(one), call))
            if call == LOAD_ONE and from_torch(type(part.module)):
                self._expect_what_torch_saves(twin, part.module, prefix)

    def _expect_what_torch_saves(self, twin: nn.Module, module: nn.Module, at: str) -> None:
        """A class of torch's that packs its tensors, as a quantized layer, looks for what it
        saves."""
        saved = {}
        getattr(type(module), SAVE_ONE)(module, saved, "", False)
        twin.keys_of_a_rule += [key for key in saved if at + key not in self.expected]
        self.expected |= {at + key: outline(saved[key]) for key in twin.keys_of_a_rule}


def stand_in_for(module: nn.Module) -> StandIn:
    """The stand-in of `module`, of which only instance dictionaries are read.

    ValueError, saying where: the module contains itself, or the `__init__` of `nn.Module` was not
    run."""
    reports, kinds = [], {}
    made, twins, prefixes = None, [], []
    for part in walk(module):
        prefix = f"{prefixes[part.owner]}{part.name}." if prefixes else ""
        _require_walkable(module, part, prefix)
        kind = type(part.module)
        if kind not in kinds:
            kinds[kind] = twin_class(kind, reports)
        twin = _empty_twin(kinds[kind], part)
        if made is None:
            made = StandIn(twin, reports)
        else:
            vars(twins[part.owner])[MODULES][part.name] = twin
        twins.append(twin)
        prefixes.append(prefix)
        made.add(twin, part, prefix)
    return made


def where(prefix: str) -> str:
    """Where the module with this prefix stands, in words behind the name of its class."""
    return f" at {prefix[:-1]!r}" if prefix else ""


def _require_walkable(root: nn.Module, part: Part, prefix: str) -> None:
    own = part.own
    lacking = [name for name in CONTAINERS if not hasattr(type(own.get(name)), "items")]
    if part.circular:
        reason = (
            "is a part of itself: hold it by a weakref, or in a tuple, so that it is no submodule"
        )
    elif lacking:
        reason = f"has no {lacking[0]}: call super().__init__() in it"
    else:
        return
    words = f"the {type_name(part.module)}{where(prefix)} {reason}"
    raise ValueError(f"torch cannot load into this {type_name(root)}: {words}.")


def _empty_twin(kind: type, part: Part) -> nn.Module:
    """A twin with the numbers and texts of the module, and None for each of its submodules."""
    twin = kind.__new__(kind)
    nn.Module.__init__(twin)
    own = vars(twin)
    own.update((name, value) for name, value in part.own.items() if type(value) in ATOMS)
    own["keys_of_a_rule"] = []
    own[MODULES].update(dict.fromkeys(map(text, part.modules)))
    return twin


def _hooks(own: dict, name: str) -> list[tuple[object, bool]]:
    return [unwrapped(hook) for hook in hooks_in(own, name)]


def _home_of(hook: object) -> object:
    if type(hook) is FunctionType:
        return hook.__module__
    return type.__getattribute__(type(hook), "__module__")


def _take_shape(twin: nn.Module, given: dict, prefix: str, *_: object) -> None:
    """What the hook of a lazy module does, as often as asked: a lazy tensor becomes one of the
    shape that is given."""
    own = vars(twin)
    for slots in (own[PARAMETERS], own[BUFFERS]):
        lazy = own.setdefault("lazy_names", set())
        lazy.update((id(slots), name) for name, one in slots.items() if is_lazy(one))
        for name in [name for name in slots if (id(slots), name) in lazy]:
            one = given.get(prefix + name, slots[name])
            if one is slots[name] or is_lazy(one):
                slots[name] = blank(None)
            else:  # as torch does, whatever it is
                known = Outline("", tuple(one.shape), torch.float32, None)
                slots[name] = target(blank(known.shape), known)
