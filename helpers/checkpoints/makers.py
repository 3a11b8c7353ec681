"""Which method of a learner's class makes an attribute: told by its code, which is not run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dis import get_instructions
from types import CellType, CodeType, FunctionType
from typing import NamedTuple

from helpers.checkpoints.case import Case, owner_of
from helpers.state.objects import bases, class_dict, class_name, from_torch

_REGISTERS = {"register_buffer", "register_parameter", "register_module", "add_module", "setattr"}


_KINDS = {
    "parameter": {"Parameter", "register_parameter"},
    "buffer": {"Buffer", "register_buffer"},
}


class Maker(NamedTuple):
    """The method that makes what stands at a path of the model. `in_init`: it may run while the
    model is built. `kind`: "parameter" or "buffer", where it makes things of one kind alone; else
    "", as its code is not followed."""

    path: str
    where: str
    in_init: bool
    kind: str


def maker_of(case: Case, key: str) -> Maker | None:
    """The method that makes what stands under a key, or the first part that is lacking on the way
    to it; where there are several, one that does not run while the model is built."""
    owner = owner_of(key)
    while owner not in case.model.classes:
        owner = owner_of(owner[:-1])
    name = key[len(owner) :].split(".")[0]
    makers = [
        (base, call, member)
        for base in bases(case.model.classes[owner])
        for call, member in ({} if from_torch(base) else class_dict(base)).items()
        if type(member) is FunctionType and _makes(member, name)
    ]
    built = called_when_built(case, owner) if makers else set()
    found = []
    for base, call, member in makers:
        where = " ".join(f"{class_name(base)}.{call}".split())  # one line, whatever it is
        found.append(Maker(owner + name, where, call in built, _kind_of(member)))
    return min(found, key=lambda one: one.in_init, default=None)


_DRAWING = {"normal", "multinomial", "bernoulli", "shuffle", "permutation", "choice", "uniform"}


def draws(case: Case, owner: str) -> bool:
    """Does a learner's class of the module at `owner` name what draws at random, in what may run
    while it is built? Functions outside of the class are not followed."""
    built = called_when_built(case, owner)
    for base in bases(case.model.classes.get(owner, object)):
        space = {} if from_torch(base) else class_dict(base)
        named = {name for call in built & space.keys() for name in _named_in(space[call])}
        if any(name.startswith("rand") or name.rstrip("_") in _DRAWING for name in named):
            return True
    return False


def called_when_built(case: Case, owner: str) -> set[str]:
    """The names of the methods of a module that may run while the model is built: `__init__`, what
    it names, and what that names. What the `__init__` of a module around it names counts too."""
    kinds = tuple(case.model.classes.get(at, object) for at in _prefixes_around(owner))
    if kinds not in case.built:
        case.built[kinds] = _called_when_built(*kinds)
    return case.built[kinds]


def _called_when_built(kind: type, *around: type) -> set[str]:
    names = {"__init__"}
    for base in (base for one in (kind, *around) for base in bases(one)):
        names |= _named_in(class_dict(base).get("__init__"))
    own = [class_dict(base) for base in bases(kind) if not from_torch(base)]
    methods = {call: [one[call] for one in own if call in one] for space in own for call in space}
    pending, found = [*names], set()
    while pending:
        call = pending.pop()
        if call in methods and call not in found:
            found.add(call)
            pending += [name for member in methods[call] for name in _named_in(member)]
    return found


def _prefixes_around(owner: str) -> list[str]:
    """The prefix of a module, and those of the modules that it is in."""
    return [owner, *_prefixes_around(owner_of(owner[:-1]))] if owner else [""]


def _named_in(member: object) -> set[str]:
    """The names and texts in the code of a function, and of those inside it or wrapped by it."""
    found = set()
    for code in _codes_of(member):
        found.update(code.co_names, _texts_in(code.co_consts))
    return found


def _texts_in(constants: Iterable) -> Iterator[str]:
    for one in constants:
        if type(one) is str:
            yield one
        elif type(one) in (tuple, frozenset):
            yield from _texts_in(one)


def _codes_of(member: object) -> Iterator[CodeType]:
    """The code of a function, of those that it makes, and of those that a decorator wraps."""
    seen, pending = set(), [member]
    while pending:
        one = pending.pop()
        if type(one) is FunctionType and one not in seen:
            seen.add(one)
            pending += [one.__code__, *map(_content, one.__closure__ or ())]
        elif type(one) is CodeType:
            yield one
            pending += one.co_consts


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


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
