"""One walk over a tree of modules: what each module holds, and of which of the six kinds it is.

Only instance dictionaries are read, each once: no property, `__getattr__`, `__eq__` or hook of the
learner runs, nothing is copied or written."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import (
    ATOMS,
    from_torch,
    hooks_in,
    inside,
    instance_dict,
    text,
)
from helpers.state.torch_private import (
    BUFFERS,
    CONTAINERS,
    FORWARD_PRE_HOOKS,
    INIT_NAMES,
    INTERNAL,
    MODULES,
    NON_PERSISTENT,
    PARAMETERS,
    RANDOM_NAME,
    SCRIPTED,
)

KINDS = (
    "parameter",
    "buffer",
    "non-persistent buffer",
    "plain tensor",
    "plain value",
    "module",
)
NOT_SAVED = KINDS[2]
RANKS = {kind: rank for rank, kind in enumerate(KINDS)}  # what is several counts as the first
REGISTERED = frozenset(KINDS) - {"plain tensor", "plain value"}
_INIT_NAMES, _INIT_COUNT = list(INIT_NAMES), len(INIT_NAMES)
_TRAINING = ["training"]
_new = tuple.__new__  # Slot(...) takes twice as long, and a large model has a million


class Slot(NamedTuple):
    """One thing a module holds: its name there, one of the six `KINDS`, the object itself.

    What stands in a plain container has a name like `cache['k'][0]`. A tensor or module in one is a
    "plain tensor" or "plain value", as is an object in `_modules` that is no module: torch does not
    see it. What stands in `_parameters` or `_buffers` is of that kind, whatever it is."""

    name: str
    kind: str
    value: Any

    @property
    def empty(self) -> bool:
        """Is it a registered name that holds None, as the bias of `nn.Linear(2, 3, bias=False)`?"""
        return self.value is None and self.kind in REGISTERED


class Part(NamedTuple):
    """One module of the tree under one of its names, as a look at its instance dictionary found it.

    `owner` is the position in the walk of the part that holds it, and `name` its name there; -1 and
    "" for the root. `met`: the same module came before, under another name. `circular`: it is a
    part of itself here; such a part is not entered, and holds nothing. `own` is the instance
    dictionary. The three containers are plain dictionaries, whatever stands in `own`; their keys
    may be of any type, and are plain text in the slots."""

    name: str
    owner: int
    module: nn.Module
    met: bool
    circular: bool
    own: dict
    parameters: dict
    buffers: dict
    modules: dict

    def slots(self) -> list[Slot]:
        """The parameters, the buffers, the plain attributes with what is in plain containers."""
        return self.parameter_slots() + self.buffer_slots() + self.plain_slots()

    def parameter_slots(self) -> list[Slot]:
        return [_new(Slot, (name, "parameter", value)) for name, value in pairs(self.parameters)]

    def buffer_slots(self) -> list[Slot]:
        """The buffers, those that are not saved told apart."""
        transient = transient_names(self.own) if self.buffers else ()
        return [
            Slot(name, buffer_kind(name, transient), value) for name, value in pairs(self.buffers)
        ]

    def plain_slots(self) -> list[Slot]:
        """The plain attributes; after a plain container, the tensors and modules that are in it."""
        found = []
        for key, value in self.attributes():
            if type(value) in ATOMS:
                found.append(_new(Slot, (text(key), "plain value", value)))
            else:
                found += [
                    Slot(name, plain_kind(part), part) for name, part in inside(value, text(key))
                ]
        return found

    def attributes(self) -> list[tuple[Any, Any]]:
        """(key, value) of the plain attributes as they stand, without what is in them."""
        return [(key, self.own.get(key)) for key in plain_keys(self.own)]

    def registers(self, name: str) -> bool:
        """Is there a tensor, a module or a None of this name in the containers?"""
        return name in self.parameters or name in self.buffers or name in self.modules

    def submodules(self, start: int = 0, stop: int | None = None) -> list[Slot]:
        """What stands in `_modules` from position `start` to `stop`: only these become slots."""
        return [
            Slot(name, module_kind(value), value)
            for name, value in pairs(self.modules, start, stop)
        ]

    def missing_modules(self) -> list[Slot]:
        """What stands in `_modules` and is no module: None, or nonsense. The walk skips it."""
        kinds = set(map(type, list(self.modules.values())))
        if all(issubclass(kind, nn.Module) for kind in kinds):  # as they should be
            return []
        return [slot for slot in self.submodules() if not is_module(slot.value)]


def walk(root: nn.Module, *, times: int | None = None) -> Iterator[Part]:
    """The modules of a tree in torch's order, each under every one of its names: a `Part` each.

    With `times`, a module comes under its first so many names only, and as a part of itself not at
    all: 1 visits each module once, as `modules()` does. The tree may be deeper than Python's
    recursion limit. A `Part` has no path, as those of a deep tree are long; `walk_with_paths` gives
    them."""
    met: dict[int, nn.Module] = {}  # held, so that no id is given twice on the way
    repeats: Counter[int] = Counter()
    above: set[int] = set()  # the modules we are inside of: entering one again would never end
    levels = [(-1, 0, iter([("", root)]))]  # position and id of a module, its children to come
    position = -1
    while levels:
        owner, around, children = levels[-1]
        for name, module in children:
            if not issubclass(type(module), nn.Module):
                continue
            key = id(module)
            again = key in met
            if again and times is not None:
                if key in above or repeats[key] == times - 1:
                    continue
                repeats[key] += 1
            if type(name) is not str:
                name = text(name)
            position += 1
            if again and key in above:
                yield Part(name, owner, module, True, True, {}, {}, {}, {})
                continue
            part = read(module, name, owner, again)
            met[key] = module
            yield part
            if part.modules:
                above.add(key)
                levels.append((position, key, iter(list(part.modules.items()))))
                break
        else:
            above.discard(around)
            levels.pop()


def walk_with_paths(root: nn.Module, name: str = "") -> Iterator[tuple[str, Part]]:
    """(dotted path, part) for every part of `walk(root)`; the path of the root is `name`."""
    paths: list[str] = []
    for part in walk(root):
        paths.append(dotted(paths[part.owner], part.name) if paths else name)
        yield paths[-1], part


def dotted(path: str, name: str) -> str:
    """The path of `name` in the module at `path`, as `named_parameters()` writes it."""
    return f"{path}.{name}" if path else name


def buffer_kind(name: str, transient: Collection[str]) -> str:
    """The kind of the buffer `name`, in a module that does not save those in `transient`."""
    return NOT_SAVED if name in transient else "buffer"


def entry_kind(kind: str) -> str:
    """What an `Entry` and a `Sight` call one of the six kinds: a buffer is one, saved or not."""
    return "buffer" if kind == NOT_SAVED else kind


def is_module(value: object) -> bool:
    """isinstance(), without running a property `__class__` of the guest."""
    return issubclass(type(value), nn.Module)


def read(module: nn.Module, name: str = "", owner: int = -1, met: bool = False) -> Part:
    """One module by itself, as the root of a walk would be: what it holds, and nothing below it."""
    return _new(Part, (name, owner, module, met, False) + held_by(module))


def held_by(module: nn.Module) -> tuple[dict, dict, dict, dict]:
    """The last four fields of a module's `Part`: its instance dictionary and its three containers.
    A tuple, as a large model has a million modules."""
    own = instance_dict(module)
    if type(own) is not dict:
        own = dict(dict.items(own))
    try:
        parameters, buffers, modules = own[PARAMETERS], own[BUFFERS], own[MODULES]
    except KeyError:  # its __init__ failed half-way, or it stands around a script module
        if SCRIPTED in own and is_module(own[SCRIPTED]):
            own = instance_dict(own[SCRIPTED])
        parameters, buffers, modules = map(own.get, CONTAINERS)
    if not type(parameters) is type(buffers) is type(modules) is dict:
        parameters, buffers, modules = map(_as_dict, (parameters, buffers, modules))
    return own, parameters, buffers, modules


def plain_keys(own: dict) -> list:
    """The keys of the plain attributes in an instance dictionary, in the order in which they were
    written."""
    keys = list(own)
    # Nearly every module starts with what Module.__init__ made, so the rest is the tail.
    if keys[:_INIT_COUNT] == _INIT_NAMES:
        keys[:_INIT_COUNT] = _TRAINING
    else:
        keys = [key for key in keys if type(key) is not str or key not in INTERNAL]
    hooks = own.get(FORWARD_PRE_HOOKS)
    if type(hooks) is OrderedDict and not hooks:  # as most modules have it
        return keys
    if hooks_in(own, FORWARD_PRE_HOOKS):  # as every module has that is sharded in place
        keys = [one for one in keys if type(one) is not str or not one.startswith(RANDOM_NAME)]
    return keys


def _as_dict(container: object) -> dict:
    """A container as a plain dict, read beneath any override; {} where there is none."""
    kind = type(container)
    if issubclass(kind, OrderedDict):
        try:
            return dict(OrderedDict.items(container))
        except KeyError:  # its order and its contents have come apart
            return dict(dict.items(container))
    if issubclass(kind, dict):
        return dict(dict.items(container))
    # A script module keeps its tensors in C++ behind a wrapper.
    return dict(container.items()) if from_torch(kind) and hasattr(kind, "items") else {}


def pairs(container: dict, start: int = 0, stop: int | None = None) -> list[tuple[str, Any]]:
    """The entries of a container under plain text, in a list: another thread may be building it."""
    return [
        (name if type(name) is str else text(name), value)
        for name, value in list(islice(container.items(), start, stop))
    ]


def transient_names(own: dict) -> Collection[str]:
    """The names of the buffers that are not saved, as exact text."""
    names = own.get(NON_PERSISTENT)
    base = next((base for base in (set, frozenset) if issubclass(type(names), base)), None)
    return frozenset(map(text, base.__iter__(names))) if base else ()


def plain_kind(value: Any) -> str:
    """The kind of a plain attribute, and of what stands in a plain container."""
    return "plain tensor" if issubclass(type(value), torch.Tensor) else "plain value"


def module_kind(value: Any) -> str:
    """The kind of what stands in `_modules`."""
    return "module" if value is None or is_module(value) else "plain value"
