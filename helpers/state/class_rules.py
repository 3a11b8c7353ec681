"""What a class brings along for all its modules: names that hide registered ones, tensors that its
instances share, methods with rules of their own, attributes that torch keeps for itself.

Read from the dictionaries of classes; nothing is run."""

from __future__ import annotations

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
    from_torch,
    hooks_in,
)
from helpers.state.torch_private import (
    CONTAINERS,
    FORWARD_PRE_HOOKS,
    LIST_MEMBERS,
    MOVE_ONE,
    NAMES_IN_HOOKS,
    NAMES_IN_LAYERS,
    SAVE_ONE,
    STATE_DICT_HOOKS,
)
from helpers.state.walk import Part

# The methods of nn.Module that decide what becomes of state, by what they decide. A class may have
# its own. Those that list it, and that save it:
LISTING = ("parameters", "named_parameters", "buffers", "named_buffers", LIST_MEMBERS)
SAVING = ("state_dict", SAVE_ONE, "get_extra_state")
# Those that move the module on which they are called. Of its parts torch calls MOVE_ONE alone.
MOVING = ("to", "cuda", "cpu", "half", "float", "double", "bfloat16", "type")
# Those by which the others reach the parts: a list goes by the first, a move by the other two.
REACHING = ("named_modules", "children", "named_children")
# All on which the answers of `visibility` depend; extra state is no tensor of the module.
SEEING = (*LISTING, *REACHING, "state_dict", SAVE_ONE, "to", MOVE_ONE)
# Those by which `parameters()` lists, and those that set the mode.
LISTING_PARAMETERS = ("parameters", "named_parameters", LIST_MEMBERS)
SWITCHING = ("train", "eval")
_METHODS = {*SEEING, *SAVING, *MOVING, *SWITCHING, "load_state_dict"}
# A property that reads the containers by name knows what is registered there.
_CONTAINERS = {*CONTAINERS, "__dict__", "__getattr__"}


class ClassAttribute(NamedTuple):
    """`value` under `name`, in the body of the class that is called `owner`, or as a default of its
    `__init__`."""

    owner: str
    name: str
    value: Any


class ClassFacts(NamedTuple):
    """What is known of one class of modules.

    `found`: each name that a class has, and the class where it is found. `shared`: tensors, modules
    and containers that stand on a class of the learner's. `defaults`: tensors and modules that are
    default arguments of `__init__`. `methods`: those of nn.Module by which torch lists, saves,
    moves and loads, where a class of the learner's has its own, and the name of that class."""

    found: dict[str, type]
    shared: list[ClassAttribute]
    defaults: list[ClassAttribute]
    methods: dict[str, str]

    @property
    def unhashable_by(self) -> str | None:
        """The class that takes `hash()` away, as one with an `__eq__` alone does; None for none."""
        owner = self.found["__hash__"]
        return class_name(owner) if class_dict(owner)["__hash__"] is None else None

    def saving(self, part: Part) -> str | None:
        """The rule by which a module saves that is not nn.Module's: a method, or hooks on it."""
        hooked = any(hooks_in(part.own, name) for name in STATE_DICT_HOOKS)
        return self.method(*SAVING) or ("its hook on state_dict()" if hooked else None)

    def method(self, *names: str) -> str | None:
        """The first of these methods that a class of the learner's has, as "Net.to"."""
        own = (f"{self.methods[name]}.{name}" for name in names if name in self.methods)
        return next(own, None)

    def with_instance(self, part: Part) -> ClassFacts:
        """The same for one module: what is callable and set on it stands before a method of its
        class, as after `model.state_dict = f`."""
        on_it = {name for name in part.own.keys() & _METHODS if callable(part.own[name])}
        if not on_it:
            return self
        name = class_name(type(part.module))
        return self._replace(methods=self.methods | dict.fromkeys(on_it, name))


def class_facts(kind: type) -> ClassFacts:
    found: dict[str, type] = {}
    for base in reversed(bases(kind)):
        found.update(dict.fromkeys(class_dict(base), base))
    learners = [
        (base, name, value)
        for base in bases(kind)
        if not from_torch(base) and base is not object
        for name, value in class_dict(base).items()
        if found[name] is base
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
    base = facts.found[name]
    owner, value = class_name(base), class_dict(base)[name]
    if value is registered:
        return None
    if type(value) in (FunctionType, classmethod, staticmethod):
        return f"a method of {owner}"
    if type(value) is property:
        getter = value.fget
        knows = type(getter) is FunctionType and _CONTAINERS & {*getter.__code__.co_names}
        return None if from_torch(base) or knows else f"a property of {owner}"
    descriptor = any("__get__" in class_dict(one) for one in bases(type(value)))
    return None if descriptor else f"an attribute of the class {owner}"


def kept_by_torch(part: Part, name: str, value: Any) -> bool:
    """Does torch keep this plain attribute for itself: one of its classes, as `_flat_weights`, or
    one of its hooks?

    A class keeps what its own code mentions. A learner may use such a name too, so it has to be a
    private one, or that of a container on a module whose class is torch's, as the lists of buffers
    in DistributedDataParallel."""
    kind = type(part.module)
    if from_torch(kind, "torch.distributed"):
        return True  # its functions stand outside of its classes
    torchs_container = from_torch(kind) and issubclass(type(value), COLLECTIONS)
    if (name.startswith("_") or torchs_container) and _mentioned(kind, name):
        return True
    # The old weight_norm and spectral_norm, and pruning.
    return any(_is_hook_for(hook, name) for hook in hooks_in(part.own, FORWARD_PRE_HOOKS))


def read_by_torch(part: Part, name: str) -> bool:
    """Does a layer of torch's own work with the attribute of this name? That of a recurrent layer
    has a list of the names of its weights."""
    kind = type(part.module)
    listed = part.own.get(NAMES_IN_LAYERS)
    in_a_list = type(listed) is list and name in listed
    return from_torch(kind) and (in_a_list or _mentioned(kind, name))


def _mentioned(kind: type, name: str) -> bool:
    """Has the code of a class of torch's the name? What nn.Module itself does is not meant."""
    for base in bases(kind):
        if base is not nn.Module and from_torch(base):
            functions = [one for one in vars(base).values() if type(one) is FunctionType]
            if any(name in function.__code__.co_names for function in functions):
                return True
    return False


def _is_hook_for(hook: object, name: str) -> bool:
    if not any(from_torch(base) for base in bases(type(hook))):
        return False
    own = attributes(hook)
    return name in [own[key] for key in NAMES_IN_HOOKS if type(own.get(key)) is str]
