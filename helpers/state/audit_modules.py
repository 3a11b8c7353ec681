"""The rules of `audit` for modules and their classes: how they stand in the tree, and what all
instances of a class have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from helpers.state.audit_registered import COPY_OF_MODULE, several
from helpers.state.class_rules import MOVING, ClassAttribute, hiding
from helpers.state.code_lines import class_of_container, numbered, reading
from helpers.state.findings import Symptom, rule
from helpers.state.holders import Holders, Inside, Record
from helpers.state.objects import (
    class_name,
    clip,
    from_torch,
    is_parameter,
    text,
    type_name,
)
from helpers.state.places import Place
from helpers.state.torch_private import CONTAINERS
from helpers.state.walk import is_module, transient_names


@rule("part-of-itself", "error", "module")
def part_of_itself(model: Holders) -> Iterator[Symptom]:
    message = (
        "a module that this one is a part of: .to(), train(), eval() and state_dict() go round and "
        "round in it, and raise RecursionError"
    )
    for node, name in model.cycles:
        line = f"object.__setattr__(self, {name!r}, module)  # in place of {reading(name)} = module"
        yield Symptom(Place(node, name), message, f"{line}: a plain attribute is not walked")


@rule("no-super", "error", "module")
def not_initialized(model: Holders) -> Iterator[Symptom]:
    for record in model.records:
        lacking = [name for name in CONTAINERS if name not in record.part.own]
        if lacking and not from_torch(record.kind):
            message = (
                f"has no {lacking[0]}, so nn.Module.__init__ has not run in it: state_dict(), "
                "parameters() and .to() raise AttributeError, of a model around it as well"
            )
            line = f"super().__init__()  # first in __init__ of the class {class_name(record.kind)}"
            yield Symptom(model.place_of(record), message, line)


@rule("unhashable-module", "error", "module")
def unhashable_module(model: Holders) -> Iterator[Symptom]:
    for kind, (record, facts) in model.kinds.items():
        if facts.unhashable_by:
            name = class_name(kind)
            message = (
                f"{name} cannot be hashed: {facts.unhashable_by} has an __eq__ and no __hash__, as "
                "a dataclass or a Mapping has. torch keeps modules in a set, so parameters(), "
                "buffers() and modules() raise TypeError"
            )
            line = f"__hash__ = nn.Module.__hash__  # in the body of the class {name}"
            yield Symptom(model.place_of(record), message, f"{line}; or @dataclass(eq=False)")


@rule("shadowed-name", "error", "plain value")
def hidden_by_the_instance(model: Holders) -> Iterator[Symptom]:
    for record, name, registered in _found_elsewhere(model, lambda record: record.part.own):
        message = (
            f"{name!r} is registered, and an entry of the instance's __dict__ hides it: "
            f"{reading(name)} is that entry, while torch {_goes_on_with(record, name, registered)}"
        )
        yield Symptom(Place(record.node, name), message, f"del vars(self)[{name!r}]")


@rule("shadowed-name", "error", "plain value")
def hidden_by_the_class(model: Holders) -> Iterator[Symptom]:
    of_class = {kind: facts.found for kind, (_, facts) in model.kinds.items()}
    for record, name, registered in _found_elsewhere(model, lambda one: of_class[one.kind]):
        facts = model.facts_of(record)
        what = None if registered is None else hiding(facts, name, registered)
        if what:
            message = (
                f"{name!r} is registered, and {what} hides it: {reading(name)} is that one, while "
                f"torch {_goes_on_with(record, name, registered)}"
            )
            new = name + "_"
            while new in facts.found or record.part.registers(new):
                new += "_"
            yield Symptom(Place(record.node, name), message, _renamed(name, new, registered))


def _found_elsewhere(
    model: Holders, names_of: Callable[[Record], dict]
) -> Iterator[tuple[Record, str, Any]]:
    """The registered things whose name is one of these names of their module, too."""
    for record in model.records:
        names = names_of(record)
        held = record.part
        for slots in (held.parameters, held.buffers, held.modules):
            if slots and not names.keys().isdisjoint(slots):
                for name, registered in list(slots.items()):
                    if name in names:
                        yield record, text(name), registered


def _goes_on_with(record: Record, name: str, registered: Any) -> str:
    """What torch does with the registered one: parameters() lists no buffer."""
    if registered is None:
        return "has an empty slot"
    if is_module(registered) or is_parameter(registered):
        return "saves, moves and lists the registered one"
    if name in transient_names(record.part.own):
        return "moves the registered one"
    return "saves and moves the registered one"


def _renamed(name: str, new: str, registered: Any) -> str:
    word = "module" if is_module(registered) else "parameter"
    line, old = f"self.{new} = {word}", f"self.{name} = {word}"
    if not is_module(registered) and not is_parameter(registered):
        line, old = f"self.register_buffer({new!r}, tensor)", f"register_buffer({name!r}, tensor)"
    return f"{line}  # in place of {old}, and read self.{new} where it is used"


@rule("class-attribute", "warning", "plain value")
def class_attribute(model: Holders) -> Iterator[Symptom]:
    """Told once for a class, at the first module that reads the attribute from its class."""
    told = set()
    for record, facts in model.kinds.values():
        for one in facts.shared:
            inside = model.inside(one.value)
            reads = not record.part.registers(one.name) and one.name not in record.part.own
            if id(one.value) not in told and reads and inside.unregistered:
                told.add(id(one.value))
                place = Place(record.node, one.name)
                yield Symptom(place, _on_the_class(one), _into_init(one, inside))


def _on_the_class(one: ClassAttribute) -> str:
    kind = class_of_container(one.value)
    what = f"a {kind} with tensors or modules" if kind else _kind_of(one.value)
    return (
        f"{what} in the body of the class {one.owner}: all instances share it, it is registered in "
        "none, so it is not listed, saved or moved with any"
    )


def _kind_of(value: Any) -> str:
    if is_module(value):
        return f"a {clip(type_name(value), 60)}"
    return "a Parameter" if is_parameter(value) else "a tensor"


def _into_init(one: ClassAttribute, inside: Inside) -> str:
    place = f"made in __init__, in place of {one.name} = ... in the body of {one.owner}"
    if class_of_container(one.value):
        place += ", each"
    if inside.modules:
        return f"self.{_numbered(one)} = module  # {place}"
    if inside.parameters:
        return f"self.{_numbered(one)} = parameter  # {place}"
    return f"self.register_buffer({_numbered(one)!r}, tensor)  # {place}"


def _numbered(one: ClassAttribute) -> str:
    return numbered(one.name) if class_of_container(one.value) else one.name


@rule("default-argument", "warning", "module")
def default_argument(model: Holders) -> Iterator[Symptom]:
    """A default is made once, when the class is: all that are built without it get the same one."""
    told = set()
    for _, facts in model.kinds.values():
        for one in facts.defaults:
            place = _where_it_is_registered(model, one.value)
            if place is not None and id(one.value) not in told:
                told.add(id(one.value))
                done = "writes into one of them, as a load does, writes into all"
                if is_module(one.value):
                    done = "trains, moves or loads one of them does it to all"
                message = (
                    f"the default of {one.name!r} in {one.owner}.__init__: a default is made once, "
                    f"so every {one.owner} built without that argument has this very one, and "
                    f"what {done}"
                )
                line = f"{one.name} = copy.deepcopy({one.name})"
                yield Symptom(place, message, f"{line}  # the first line of {one.owner}.__init__")


def _where_it_is_registered(model: Holders, value: Any) -> Any:
    """The first place of a module with tensors, or of a registered tensor with this memory."""
    if is_module(value):
        record = model.known.get(id(value))
        return model.place_of(record) if record and _has_tensors(model, record) else None
    registered = model.registered_as(value)
    return registered.place if registered else None


def _has_tensors(model: Holders, record: Record, *, buffers_only: bool = False) -> bool:
    """Does a module or one below it have registered tensors?"""
    pending, entered = [record], set()
    while pending:
        one = pending.pop()
        entered.add(id(one.part.module))
        if one.part.buffers or (one.part.parameters and not buffers_only):
            return True
        children = [model.known.get(id(child)) for child in one.part.modules.values()]
        pending += [child for child in children if child and id(child.part.module) not in entered]
    return False


@rule("shared-state", "info", "buffer")
def module_under_several_names(model: Holders) -> Iterator[Symptom]:
    """One that holds Parameters alone is told by `tied_parameter`."""
    for record, slots in model.repeated_modules:
        if _has_tensors(model, record, buffers_only=True):
            paths = [model.path(slot) for slot in slots]
            message = (
                f"one {clip(class_name(record.kind), 60)} under {several(paths)}: its buffers are "
                "one, so what a call at one place writes is read at the others"
            )
            yield Symptom(slots[0], message, f"if not meant: {COPY_OF_MODULE}")


class Uncalled(NamedTuple):
    """Methods of a part that torch does not call for it as for a whole model."""

    methods: tuple[str, ...]
    message: str
    fix: str


_UNCALLED = (
    Uncalled(
        MOVING,
        "a move of the model that holds it calls _apply() of its parts, this never",
        "def _apply(self, fn, recurse=True): super()._apply(fn, recurse); self.x = fn(self.x); "
        "return self  # for a tensor x, in its place; a buffer needs no rule",
    ),
    Uncalled(
        ("load_state_dict",),
        "a load of the model that holds it calls _load_from_state_dict() of its parts, this never",
        "self.register_load_state_dict_pre_hook(hook)  # in __init__, instead",
    ),
    Uncalled(
        ("state_dict",),
        "the model that holds it calls this with destination= and prefix=; what it writes "
        "elsewhere is lost, and what it writes without the prefix has a wrong key",
        "super().state_dict(*args, destination=destination, prefix=prefix, keep_vars=keep_vars)  # "
        "then destination[prefix + name] = ...; or a buffer, or get_extra_state(), and no "
        "state_dict() of its own",
    ),
)


@rule("own-rules", "info", "module")
def uncalled_methods(model: Holders) -> Iterator[Symptom]:
    """Told once for the class that has them, and of moves only where there is something to move."""
    told = set()
    own = {kind: facts.methods for kind, (_, facts) in model.kinds.items() if facts.methods}
    for record in [one for one in model.records[1:] if one.kind in own]:
        methods = own[record.kind]
        for uncalled in _UNCALLED:
            if uncalled.methods is MOVING and not model.keeps_something_that_moves(record):
                continue
            for owner, names in _by_class(methods, uncalled.methods).items():
                if (owner, uncalled) not in told:
                    told.add((owner, uncalled))
                    message = f"{owner} has its own {', '.join(names)}: {uncalled.message}"
                    yield Symptom(model.place_of(record), message, uncalled.fix)


def _by_class(methods: dict[str, str], wanted: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in wanted:
        if name in methods:
            found.setdefault(methods[name], []).append(f"{name}()")
    return found
