"""Which method of a learner's class makes an attribute: told by its code, which is not run."""

from __future__ import annotations

from dis import get_instructions
from types import FunctionType
from typing import NamedTuple

from helpers.checkpoints.case import Case, owner_of
from helpers.state.objects import bases, class_dict, class_name, from_torch

_REGISTERS = {"register_buffer", "register_parameter", "register_module", "add_module", "setattr"}


_KINDS = {
    "parameter": {"Parameter", "register_parameter"},
    "buffer": {"Buffer", "register_buffer"},
}


class Maker(NamedTuple):
    """The method that makes what stands at a path of the model. `kind`: "parameter" or "buffer",
    where it makes things of one kind alone; else "", as its code is not followed."""

    path: str
    where: str
    in_init: bool
    kind: str


def maker_of(case: Case, key: str) -> Maker | None:
    """The method that makes what stands under a key, or the first part that is lacking on the way
    to it; where there are several, one that is not `__init__`."""
    owner = owner_of(key)
    while owner not in case.model.classes:
        owner = owner_of(owner[:-1])
    name = key[len(owner) :].split(".")[0]
    found = []
    for base in bases(case.model.classes[owner]):
        members = {} if from_torch(base) else class_dict(base)
        for call, member in members.items():
            if type(member) is FunctionType and _makes(member, name):
                kind = _kind_of(member)
                where = " ".join(f"{class_name(base)}.{call}".split())  # one line, whatever it is
                found.append(Maker(owner + name, where, call == "__init__", kind))
    return min(found, key=lambda one: one.in_init, default=None)


def _kind_of(function: FunctionType) -> str:
    """The kind of all that this function makes, by the names in its code."""
    named = function.__code__.co_names
    kinds = [kind for kind, names in _KINDS.items() if not names.isdisjoint(named)]
    return kinds[0] if len(kinds) == 1 else ""


def _makes(function: FunctionType, name: str) -> bool:
    """Does this function set `self.name`, or register it under that name?"""
    code = function.__code__
    if name in code.co_consts and not _REGISTERS.isdisjoint(code.co_names):
        return True
    return any(one.opname == "STORE_ATTR" and one.argval == name for one in get_instructions(code))
