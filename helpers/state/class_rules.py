"""What a class brings along for all its modules: names that hide registered ones, tensors and modules
that its instances share, methods with rules of their own. Read from dictionaries, nothing is run."""

from __future__ import annotations

from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import COLLECTIONS, attributes, bases, class_dict, class_name, from_torch
from helpers.state.torch_private import STATE_DICT_HOOKS
from helpers.state.walk import Part

# Methods that move the module on which they are called. Of its parts torch calls _apply alone.
MOVING = ("to", "cuda", "cpu", "half", "float", "double", "bfloat16", "type")
SAVING = ("state_dict", "_save_to_state_dict", "get_extra_state")
_METHODS = {*MOVING, *SAVING, "_apply", "load_state_dict"}
# A property that reads the containers by name knows what is registered there.
_CONTAINERS = {"_parameters", "_buffers", "_modules", "__dict__", "__getattr__"}


class ClassAttribute(NamedTuple):
    """`value` under `name`, in the body of the class that is called `owner` or in its `__init__`."""

    owner: str
    name: str
    value: Any


class ClassFacts(NamedTuple):
    """What is known of one class of modules.

    `found`: what reading a name gives, and the class that has it. `shared`: tensors, modules and
    containers that stand on a class of the learner's. `defaults`: tensors and modules that are
    default arguments of `__init__`. `methods`: those of nn.Module by which torch moves, saves and
    loads, where a class of the learner's has its own, and the name of that class."""

    found: dict[str, tuple[type, Any]]
    shared: list[ClassAttribute]
    defaults: list[ClassAttribute]
    methods: dict[str, str]

    def saving(self, part: Part) -> str | None:
        """The rule by which a module saves that is not nn.Module's: a method, or hooks on it."""
        hooks = (part.own.get(name) for name in STATE_DICT_HOOKS)
        hooked = any(issubclass(type(one), dict) and dict.__len__(one) for one in hooks)
        return self.method(*SAVING) or ("its hook on state_dict()" if hooked else None)

    def method(self, *names: str) -> str | None:
        """The first of these methods that a class of the learner's has, as "Net.to"."""
        return next(
            (f"{self.methods[name]}.{name}" for name in names if name in self.methods), None
        )


def class_facts(kind: type) -> ClassFacts:
    found: dict[str, tuple[type, Any]] = {}
    for base in reversed(bases(kind)):
        found.update({name: (base, value) for name, value in class_dict(base).items()})
    learners = [
        (base, name, value)
        for base in bases(kind)
        if not from_torch(base) and base is not object
        for name, value in class_dict(base).items()
        if found[name][0] is base
    ]
    return ClassFacts(
        found,
        [
            ClassAttribute(class_name(base), name, value)
            for base, name, value in learners
            if issubclass(type(value), (torch.Tensor, nn.Module, *COLLECTIONS))
        ],
        [
            ClassAttribute(class_name(base), *default)
            for base, name, value in learners
            if name == "__init__"
            for default in _defaults(value)
        ],
        {name: class_name(base) for base, name, _ in learners if name in _METHODS},
    )


def _defaults(function: Any) -> list[tuple[str, Any]]:
    """The tensors and modules among the default arguments of a function, with their names."""
    function = attributes(function).get("__wrapped__", function)
    if type(function) is not FunctionType:
        return []
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][code.co_argcount - len(values) :]
    pairs = [*zip(names, values, strict=True), *(function.__kwdefaults__ or {}).items()]
    return [pair for pair in pairs if issubclass(type(pair[1]), (torch.Tensor, nn.Module))]


def hiding(facts: ClassFacts, name: str, registered: Any) -> str | None:
    """What the class gives in place of what is registered under `name`, in words; None if it gives
    that, or if it may: a property that reads the containers, another descriptor."""
    base, value = facts.found[name]
    if value is registered:
        return None
    owner = class_name(base)
    if type(value) in (FunctionType, classmethod, staticmethod):
        return f"a method of {owner}"
    if type(value) is property:
        getter = value.fget
        knows = type(getter) is FunctionType and _CONTAINERS & {*getter.__code__.co_names}
        return None if from_torch(base) or knows else f"a property of {owner}"
    descriptor = any("__get__" in class_dict(one) for one in bases(type(value)))
    return None if descriptor else f"an attribute of the class {owner}"
