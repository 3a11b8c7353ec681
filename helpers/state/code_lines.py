"""The lines that `audit` prints: code about one attribute of `self`, whatever its name is."""

from __future__ import annotations

from keyword import iskeyword
from typing import Any

import torch
from torch import nn

from helpers.state.objects import COLLECTIONS, clip, contents, facts, type_name


def reading(name: str) -> str:
    return f"self.{name}" if _writable(name) else f"getattr(self, {name!r})"


def forget(name: str) -> str:
    return f"del self.{name}" if _writable(name) else f"delattr(self, {name!r})"


def assign(name: str, value: str) -> str:
    name = free(name)
    return f"self.{name} = {value}" if _writable(name) else f"setattr(self, {name!r}, {value})"


def own_memory(name: str, tensor: torch.Tensor, *, parameter: bool) -> str:
    """The line that gives a registered tensor memory that it shares with none."""
    if not parameter:
        return own_numbers(name)
    frozen = "" if facts(tensor).requires_grad else ", requires_grad=False"
    return assign(name, f"nn.Parameter({_copied(name)}{frozen})")


def own_numbers(name: str) -> str:
    """The same for what is to be no Parameter."""
    return assign(name, _copied(name))


def _copied(name: str) -> str:
    return f"{reading(name)}.detach().clone()"


def numbered(name: str) -> str:
    """The name of the first of several that take the place of what stands under `name`."""
    return f"{free(name)}_0"


def free(name: str) -> str:
    """`name`, or another where torch registers nothing under it."""
    return name if name and "." not in name else "new_name"


def _writable(name: str) -> bool:
    """Can it be written after `self.`? In a class two leading underscores would change it."""
    return (
        name.isascii() and name.isidentifier() and not iskeyword(name) and not name.startswith("__")
    )


def class_of_container(value: Any) -> str | None:
    """The name of the class of a container; None for a tensor or a module."""
    return clip(type_name(value), 60) if issubclass(type(value), COLLECTIONS) else None


def for_each(name: str, value: Any, done: str, count: int) -> str | None:
    """The expression of `done`, as "{}.detach()", for the attribute, or for each item of its list,
    tuple or dict. None for other containers, and where there is more in it than the `count`."""
    line, kind = reading(name), type(value)
    if not issubclass(kind, COLLECTIONS):
        return done.format(line)
    items = f"{done.format('one')} for one in {line}"
    written = {
        list: f"[{items}]",
        tuple: f"tuple({items})",
        dict: f"{{key: {done.format('one')} for key, one in {line}.items()}}",
    }
    return written.get(kind) if _flat(value, count) else None


def registering(name: str, value: Any, count: int, family: str) -> str:
    """The line that registers the Parameters or modules of a plain attribute: as one, in a
    container of torch's, or each under a name of its own. `family` is "Parameter" or "Module"."""
    word, kind = family.lower(), class_of_container(value)
    if kind is None:
        return f"{assign(name, reading(name))}  # an ordinary assignment registers it"
    mapping = issubclass(type(value), dict)
    if _flat(value, count) and not (mapping and not all(map(_a_name, dict.keys(value)))):
        return assign(name, f"nn.{family}{'Dict' if mapping else 'List'}({reading(name)})")
    return f"self.register_{word}({numbered(name)!r}, {word})  # each, in place of the {kind}"


def _flat(value: Any, count: int) -> bool:
    """Are there these `count` things in the container, and nothing else?"""
    held = contents(value, lasting_order=False)
    base = next(base for base in COLLECTIONS if issubclass(type(value), base))
    nested = any(issubclass(type(item), COLLECTIONS) for _, item in held)
    return base.__len__(value) == len(held) == count and not nested


_TAKEN = nn.ParameterDict()  # has all names that an nn.ModuleDict has, and more


def _a_name(key: object) -> bool:
    """Does `nn.ModuleDict` take this key, and `nn.ParameterDict`?"""
    return type(key) is str and key != "" and "." not in key and not hasattr(_TAKEN, key)
