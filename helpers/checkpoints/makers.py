"""Which method of a learner's class makes an attribute: told by its code, which is not run."""

from __future__ import annotations

from dis import get_instructions
from types import FunctionType
from typing import NamedTuple

from helpers.checkpoints.case import Case, owner_of
from helpers.state.objects import bases, class_dict, class_name, from_torch

_REGISTERS = {"register_buffer", "register_parameter", "register_module", "add_module", "setattr"}


class Maker(NamedTuple):
    """The method that makes what stands at a path of the model, and what it makes."""

    path: str
    where: str
    in_init: bool
    parameter: bool


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
                names = member.__code__.co_names
                parameter = "Parameter" in names or "register_parameter" in names
                where = f"{class_name(base)}.{call}"
                found.append(Maker(owner + name, where, call == "__init__", parameter))
    return min(found, key=lambda one: one.in_init, default=None)


def _makes(function: FunctionType, name: str) -> bool:
    """Does this function set `self.name`, or register it under that name?"""
    code = function.__code__
    if name in code.co_consts and not _REGISTERS.isdisjoint(code.co_names):
        return True
    return any(one.opname == "STORE_ATTR" and one.argval == name for one in get_instructions(code))
