"""A load rehearsed: torch's own `load_state_dict`, run on a stand-in that shares nothing with the
module.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import FunctionType, MethodType
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from helpers.state.objects import (
    ATOMS,
    class_dict,
    class_name,
    containers,
    facts,
    own_dict,
    text,
    type_name,
)
from helpers.state.snapshot import transient_names

_NEEDED = ("_parameters", "_buffers", "_modules")


class Slot(NamedTuple):
    """What stands under a key; `shape`, `dtype` and `device` are None where it is no tensor, or has
    none yet.
    """

    type: str
    shape: tuple[int, ...] | None
    dtype: torch.dtype | None
    device: torch.device | None


class Reply(NamedTuple):
    """What torch said of one load: its two lists of keys, (key, shape in the module, shape given)
    of the sizes that differ, its other messages, and what ended the load early, if anything."""

    missing: list[str]
    unexpected: list[str]
    sizes: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    messages: list[str]
    crash: list[str]


class StandIn(NamedTuple):
    """A twin of a module: of torch's classes, with the same names and shapes, and no number in it.

    `expected` has what stands under each key that a load looks for, `buffers` those keys that are
    buffers, `transient` the keys that non-persistent buffers would have. `rules` names methods and
    hooks of the module that the twin leaves out, as (class name, method or hook)."""

    twin: nn.Module
    expected: dict[str, Slot]
    buffers: set[str]
    transient: set[str]
    rules: list[tuple[str, str]]


def slot_of(value: object) -> Slot:
    """The facts of a tensor, or the class name alone of anything else."""
    shape, dtype, device, *_ = facts(value)
    return Slot(type_name(value), None if shape is None else tuple(shape), dtype, device)


def pairs(mapping: Mapping) -> dict:
    """The entries of a mapping; those of a dict beneath any override, others as torch asks for
    them.
    """
    base = next((base for base in (OrderedDict, dict) if issubclass(type(mapping), base)), None)
    found = base.items(mapping) if base else OrderedDict(mapping).items()
    plain = {
        key: key
        if type(key) in ATOMS
        else text(key)
        if issubclass(type(key), str)
        else _like(type(key), object)()
        for key, _ in found
    }
    return {plain[key]: value for key, value in found}


def without_numbers(value: Any, depth: int = 5, copied: bool = True) -> Any:
    """`value` with a meta tensor for each tensor, in mappings inside it too, and what they say of
    versions.

    A dictionary that was once loaded with `assign=True` notes it, and torch assigns at each later
    load of it. To assign asks less than to copy: a tensor on meta will do. So the note of a module
    is left out, and `copied` is False for the tensors of that module."""
    if issubclass(type(value), torch.Tensor):
        one = slot_of(value)
        empty = copied and one.shape is not None and one.device == _META
        return _meta(one.shape).as_subclass(_Empty) if empty else _meta(one.shape)
    kind = type(value)
    if depth and (depth == 5 or issubclass(kind, dict)):
        notes = getattr(value, "_metadata", None)
        notes = dict(notes) if issubclass(type(notes), dict) else {}
        notes = {key: dict(one) for key, one in notes.items() if issubclass(type(one), dict)}
        said = {key: one.pop(_ASSIGNED, False) for key, one in notes.items()}
        assigned = {key for key, word in said.items() if type(word) not in ATOMS or word}
        made = (
            dict
            if kind is dict
            else OrderedDict
            if issubclass(kind, OrderedDict)
            else _like(kind, dict)
        )()
        for key, one in pairs(value).items():
            module = key.rpartition(".")[0] if type(key) is str else key
            made[key] = without_numbers(one, depth - 1, copied=module not in assigned)
        if notes:
            made._metadata = notes
        return made
    return value if kind in ATOMS else _like(kind, object)()


_META = torch.device("meta")
_ASSIGNED = "assign_to_params_buffers"


class _Empty(torch.Tensor):
    """A tensor that is on meta in the state_dict: torch copies nothing out of it, but to a model on
    meta too.
    """

    @classmethod
    def __torch_function__(
        cls, function: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if function.__name__ == "copy_" and not getattr(args[0], "on_meta", False):
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")  # torch's words
        return super().__torch_function__(function, types, args, kwargs or {})


def _like(kind: type, base: type) -> type:
    """A class that goes by the name of `kind`, which is all that torch says of it, and has nothing
    else of it.
    """
    names = {key: type.__getattribute__(kind, key) for key in ("__module__", "__qualname__")}
    return type(
        class_name(kind), (base,), {key: name for key, name in names.items() if type(name) is str}
    )


def _meta(shape: tuple[int, ...] | None) -> torch.Tensor:
    """One dtype for all: a load converts, and a warning about it is for the real one."""
    return (
        nn.UninitializedParameter(device="meta")
        if shape is None
        else torch.empty(shape, device="meta")
    )


def stand_in(module: nn.Module) -> StandIn:
    """The stand-in of `module`, of which only instance dictionaries are read.

    ValueError, saying where: the module contains itself, or the `__init__` of `nn.Module` was not
    run."""
    top, expected, saved, unsaved, kinds, rules = {}, {}, set(), set(), {}, {}
    pending = [(top, "", "", module, frozenset())]
    while pending:
        home, name, prefix, current, above = pending.pop()
        own, kind = own_dict(current), type(current)
        lacking = [name for name in _NEEDED if not hasattr(type(own.get(name)), "items")]
        if id(current) in above or lacking:
            reason = (
                f"has no {lacking[0]}: call super().__init__() in it"
                if lacking
                else "is a part of itself"
            )
            where = f" at {prefix[:-1]!r}" if prefix else ""
            words = f"the {type_name(current)}{where} {reason}"
            raise ValueError(f"torch cannot load into this {type_name(module)}: {words}.")
        parameters, buffers, children = containers(own)
        kinds[kind] = kinds[kind] if kind in kinds else _class_for(kind, rules)
        twin = home[name] = kinds[kind].__new__(kinds[kind])
        nn.Module.__init__(twin)
        vars(twin).update((key, value) for key, value in own.items() if type(value) in ATOMS)
        transient = twin._non_persistent_buffers_set
        transient.update(transient_names(own))
        for slots, real in ((twin._parameters, parameters), (twin._buffers, buffers)):
            known = {key: slot_of(one) for key, one in real.items() if one is not None}
            slots.update((key, _meta(known[key].shape) if key in known else None) for key in real)
            for key in (key for key, one in known.items() if one.device == _META):
                slots[key].on_meta = True
            silent = transient & known.keys() if real is buffers else set()
            expected.update((prefix + key, one) for key, one in known.items() if key not in silent)
            saved.update(prefix + key for key in known if real is buffers and key not in silent)
            unsaved.update(prefix + key for key in silent)
        if kinds[kind].set_extra_state is not nn.Module.set_extra_state:
            expected[f"{prefix}_extra_state"] = Slot("extra state", None, None, None)
        for hook in _hooks_of(current, own, rules):
            twin._register_load_state_dict_pre_hook(hook, with_module=hook is _take_shape)
        inside = above | {id(current)}
        pending += [
            (twin._modules, key, f"{prefix}{key}.", child, inside)
            for key, child in reversed(children.items())
            if issubclass(type(child), nn.Module)
        ]
        twin._modules.update(
            dict.fromkeys(children)
        )  # in their order, and None where there is none
    return StandIn(top[""], expected, saved, unsaved, list(rules))


def _class_for(kind: type, rules: dict) -> type:
    """A class that loads as `kind` does, with methods of torch.nn alone; what it leaves out goes to
    `rules`.
    """
    base, extra = nn.Module, {}
    for one in reversed(kind.__mro__[:-1]):
        space = class_dict(one)
        if not f"{space.get('__module__')}.".startswith("torch.nn."):
            calls = ("load_state_dict", "_load_from_state_dict")
            rules |= {(class_name(one), call): None for call in calls if call in space}
        elif "_load_from_state_dict" in space:
            base = one
        if "set_extra_state" in space and one is not nn.Module:
            ignored = space["set_extra_state"] is nn.Module.set_extra_state
            extra = (
                {}
                if ignored
                else {
                    "set_extra_state": lambda self, state: None,
                    "get_extra_state": lambda self: 0,
                }
            )
    return type(class_name(kind), (base,), {**extra, "__module__": __name__})


def _hooks_of(module: nn.Module, own: dict, rules: dict) -> list[Callable]:
    """The hooks before a load that are torch.nn's and know no module, and one for lazy modules.
    Others: `rules`.
    """
    hooks = []
    before, after = (own.get(f"_load_state_dict_{when}_hooks") for when in ("pre", "post"))
    for wrapped in dict.values(before) if issubclass(type(before), dict) else ():
        hook = getattr(wrapped, "hook", wrapped)
        home = (
            hook.__module__
            if type(hook) is FunctionType
            else type.__getattribute__(type(hook), "__module__")
        )
        if type(hook) is MethodType and hook.__func__ is LazyModuleMixin._lazy_load_hook:
            hooks.append(_take_shape)
        elif f"{home}.".startswith("torch.nn.") and not getattr(wrapped, "with_module", False):
            hooks.append(hook)
        else:
            rules[type_name(module), "_load_state_dict_pre_hooks"] = None
    if issubclass(type(after), dict) and dict.__len__(after):
        rules[type_name(module), "_load_state_dict_post_hooks"] = None
    return hooks


def _take_shape(twin: nn.Module, state_dict: dict, prefix: str, *_: object) -> None:
    """What the hook of a lazy module does, as often as asked: a lazy tensor becomes one of the
    shape that is given.
    """
    for slots in (twin._parameters, twin._buffers):
        lazy = vars(twin).setdefault("_lazy", set())
        lazy.update((id(slots), name) for name, one in slots.items() if nn.parameter.is_lazy(one))
        for name in (name for name in slots if (id(slots), name) in lazy):
            given = state_dict.get(prefix + name, slots[name])
            slots[name] = _meta(
                None if nn.parameter.is_lazy(given) or given is slots[name] else tuple(given.shape)
            )


_SIZES = re.compile(
    r"size mismatch for (.*): copying a param with shape torch\.Size\(\[([\d, ]*)\]\) from checkpoint, "
    r"the shape in current model is torch\.Size\(\[([\d, ]*)\]\)\.",
    re.DOTALL,
)


def rehearse(twin: nn.Module, given: Mapping) -> Reply:
    """Load `given` into a twin by torch's own `load_state_dict`, and hear what it says.

    RecursionError for a module that is nested more deeply than torch can walk.
    """
    heard, crash = [], []
    # A hook gets the three lists that the load will fill; the message of the error would have them
    # as text only.
    hook = twin.register_load_state_dict_pre_hook(lambda *asked: heard.append(asked[-3:]))
    twin._load_state_dict_pre_hooks.move_to_end(hook.id, last=False)  # before one that may fail
    try:
        with torch.device("meta"):  # for the tensors that a class fills in
            nn.Module.load_state_dict(twin, given, strict=False)
    except RecursionError:
        words = "is nested more deeply than torch itself can walk: its load_state_dict() fails in the same way"
        raise RecursionError(f"this module {words}.") from None
    except (
        Exception
    ) as error:  # the report of all messages, which have been heard, or what ended the load early
        if not str(error).startswith("Error(s) in loading state_dict for "):
            crash = [f"{type_name(error)}: {error}"]
    finally:
        hook.remove()
    missing, unexpected, messages = map(list, heard[0]) if heard else ([], [], [])
    told = [(message, _SIZES.fullmatch(message)) for message in messages]
    sizes = [(found[1], _numbers(found[3]), _numbers(found[2])) for _, found in told if found]
    return Reply(
        missing, unexpected, sizes, [message for message, found in told if not found], crash
    )


def _numbers(listed: str) -> tuple[int, ...]:
    return tuple(map(int, listed.split(", "))) if listed else ()
