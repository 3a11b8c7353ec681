"""What a module, its classes and its hooks decide in torch's place, and what makes torch's walks
raise.

Read from the tree and from the dictionaries of its classes; nothing is run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import NamedTuple

from torch import nn

from helpers.state.class_rules import (
    LISTING,
    LISTING_PARAMETERS,
    REACHING,
    SEEING,
    ClassFacts,
    class_facts,
)
from helpers.state.objects import class_dict, class_name, from_torch, hooks_in, require_module
from helpers.state.torch_private import (
    CONTAINERS,
    LIST_MEMBERS,
    MOVE_ONE,
    SAVE_ONE,
    STATE_DICT_HOOKS,
)
from helpers.state.walk import Part, walk

# Which calls decide each answer of `visibility`. A gradient is autograd's alone.
_OF_PARAMETERS = (*LISTING_PARAMETERS, "named_modules")
_DECIDES = {
    "in_parameters": _OF_PARAMETERS,
    "in_buffers": ("buffers", "named_buffers", LIST_MEMBERS, "named_modules"),
    "in_state_dict": ("state_dict", SAVE_ONE, *STATE_DICT_HOOKS),
    "moves_with_to": ("to", MOVE_ONE, "children", "named_children"),
    "held_by_optimizer": _OF_PARAMETERS,
}
# Those that torch calls on a part as well as on the whole model.
_ASKED_OF_PARTS = {*REACHING, "state_dict", SAVE_ONE, MOVE_ONE, *STATE_DICT_HOOKS}
# A move that mentions one of these may do more to what is registered than torch has done.
_WALKS = {*CONTAINERS, *LISTING, *REACHING, "modules"}
# What in a tree makes torch's own walks raise.
IN_ITSELF, STRAY = "a module inside itself", "something among the submodules that is no module"
TOO_DEEP = "more levels than Python's recursion limit"
UNHASHABLE_ROOT, UNHASHABLE_PART = "a root that has no hash", "a part that has no hash"


@dataclass(frozen=True)
class Untold:
    """What stands in the place of yes and no: that a call raises, or that a rule of the module's
    own decides. `words` says it, `short` in a cell of a table. It is neither true nor false: `if`
    raises TypeError."""

    words: str
    short: str

    def __bool__(self) -> bool:
        raise TypeError(f"neither True nor False: {self.words}")

    def __repr__(self) -> str:
        return self.words


def raising(error: Exception) -> Untold:
    words = f"raises {type(error).__name__}"
    return Untold(words, words)


class Rule(NamedTuple):
    """A method or hook by which a module may see tensors differently from `nn.Module`.

    `owner`: the name of the class that has it, or of the class of the module on which it is set.
    `mentions`: the names in the code of a move that calls torch's own first and then does more;
    None for any other rule. `on_instance`: it is set on the module itself, as `model.to = ...`
    does."""

    owner: str
    call: str
    mentions: frozenset[str] | None = None
    on_instance: bool = False

    def doubt(self, question: str, answer: bool, path: str) -> Untold | None:
        """What is to be said of `answer`, that of torch, if this rule may give another one.

        A move that calls torch's own moves what that moves; it may do more, and undo what it
        names."""
        if self.call not in _DECIDES.get(question, ()):
            return None
        if answer and self.mentions is not None:
            if self.mentions.isdisjoint(re.split(r"[.\[]", path)):
                return None
        if self.call in STATE_DICT_HOOKS:
            what, short = f"a hook on state_dict() of {self.owner} may change it", "a hook decides"
        else:
            what = f"{self.owner} has its own {self.call}()"
            if self.on_instance:
                what = f"{self.call}() is replaced on an instance of {self.owner}"
            short = f"{self.owner}.{self.call} decides"
        return Untold(f"cannot be foretold, because {what}", short)


class Rules:
    """The rules of the modules in a tree, and what in it makes torch's walks raise. Both are whole
    when every part was added, by `along` or one by one."""

    def __init__(self) -> None:
        self.of: dict[int, tuple[Rule, ...]] = {}
        self._of_kind: dict[type, tuple[ClassFacts, tuple[Rule, ...]]] = {}
        self._troubles: set[str] = set()

    @property
    def troubles(self) -> frozenset[str]:
        return frozenset(self._troubles)

    def along(
        self, parts: Iterable[tuple[str, Part]]
    ) -> Iterator[tuple[str, Part, tuple[Rule, ...]]]:
        """Each path and part of a walk, with the rules that decide of what the part holds."""
        inside: list[tuple[Rule, ...]] = []
        depths: list[int] = []
        for path, part in parts:
            if part.circular:
                self.add_circle()
            else:
                self.add(part, is_root=not inside)
            depths.append(depths[part.owner] + 1 if depths else 0)
            self.add_depth(depths[-1])
            inside.append(self.inside(part.module, inside[part.owner] if inside else None))
            yield path, part, inside[-1]

    def add_circle(self) -> None:
        """Note that a module is reached again inside itself."""
        self._troubles.add(IN_ITSELF)

    def add_depth(self, depth: int) -> None:
        """Note that a module stands so many levels below the root: torch takes a call for each."""
        if depth >= sys.getrecursionlimit():
            self._troubles.add(TOO_DEEP)

    def add(self, part: Part, *, is_root: bool) -> None:
        kind = type(part.module)
        if kind not in self._of_kind:
            facts = class_facts(kind)
            self._of_kind[kind] = facts, _of_class(facts)
        known, rules = self._of_kind[kind]
        if known.unhashable_by:
            self._troubles.add(UNHASHABLE_ROOT if is_root else UNHASHABLE_PART)
        if part.modules and any(slot.value is not None for slot in part.missing_modules()):
            self._troubles.add(STRAY)
        rules += (*_on_instance(part), *_hooks(part))
        if rules:
            self.of[id(part.module)] = rules

    def inside(self, module: nn.Module, above: tuple[Rule, ...] | None = None) -> tuple[Rule, ...]:
        """The rules that decide of what `module` holds, where it stands in a module with the rules
        `above`; None for the root."""
        own = self.of.get(id(module), ())
        if above is None:
            return own
        below = [rule for rule in above if rule.call != SAVE_ONE]
        return (*below, *(rule for rule in own if rule.call in _ASKED_OF_PARTS))


def _of_class(known: ClassFacts) -> tuple[Rule, ...]:
    found = [
        Rule(known.methods[call], call, _mentions(known, call))
        for call in SEEING
        if call in known.methods
    ]
    return (*found, *([Rule(known.unhashable_by, "__hash__")] if known.unhashable_by else []))


def _on_instance(part: Part) -> list[Rule]:
    """Python finds what stands in the instance dictionary before a method of the class."""
    own = part.own
    return [
        Rule(class_name(type(part.module)), call, on_instance=True)
        for call in SEEING
        if call in own
    ]


def _mentions(known: ClassFacts, call: str) -> frozenset[str] | None:
    function = class_dict(known.found[call])[call]
    if call not in ("to", MOVE_ONE) or type(function) is not FunctionType:
        return None
    names = _names_in(function.__code__)
    return frozenset(names) if {"super", call} <= names and not names & _WALKS else None


def _names_in(code: CodeType) -> set[str]:
    """The names and texts in a function: those in its tuples, and in the functions inside it, as a
    comprehension is one in some versions of Python."""
    found, pending = set(code.co_names), list(code.co_consts)
    while pending:
        one = pending.pop()
        if type(one) is str:
            found.add(one)
        elif type(one) in (tuple, frozenset):
            pending += one
        elif type(one) is CodeType:
            pending += (one.co_names, *one.co_consts)
    return found


def _hooks(part: Part) -> tuple[Rule, ...]:
    """Those that are no objects of a class of torch's layers: the old spectral_norm has one, which
    writes a number of a version."""
    name = class_name(type(part.module))
    return tuple(
        Rule(name, where)
        for where in STATE_DICT_HOOKS
        for hook in hooks_in(part.own, where)
        if not from_torch(type(hook), "torch.nn")
    )


def own_rules(module: nn.Module) -> list[tuple[str, str]]:
    """(class name, method or hook) for each rule by which a class in `module` may see its tensors
    differently.

    These are the methods that `visibility` relies on, where a module has that of a class which is
    not torch's own, or where something is set in its place on the module itself, as `model.to = f`
    does; hooks on `state_dict()`; and `__hash__` where a class has none: torch then lists nothing
    and raises. What is set on a module, and a hook, stand with the name of the module's class. Each
    pair stands once, in the order of the walk; [] for most models.
    Raises TypeError if `module` is not an `nn.Module` instance."""
    require_module(module, "own_rules")
    rules = Rules()
    for part in walk(module, times=1):
        rules.add(part, is_root=part.owner < 0)
    found = (rule for some in rules.of.values() for rule in some)
    return list(dict.fromkeys((rule.owner, rule.call) for rule in found))
