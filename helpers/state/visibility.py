"""Which call of PyTorch sees each tensor of a module: found by experiment, and not on the module.

Two tensors that stand in the same situation are seen alike. So the experiment is made once for each
situation, on a small stand-in, and never on the module."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import torch
from torch import nn

from helpers.state.class_rules import SEEING, class_facts
from helpers.state.objects import class_name, facts, hooks_in, is_parameter, require_module
from helpers.state.torch_private import (
    BUFFERS,
    MODULES,
    NON_PERSISTENT,
    PARAMETERS,
    STATE_DICT_HOOKS,
    is_leaf,
    retains_grad,
    without_torch_function,
)
from helpers.state.walk import (
    NOT_SAVED,
    REGISTERED,
    Slot,
    dotted,
    entry_kind,
    walk,
    walk_with_paths,
)


class Sight(NamedTuple):
    """What torch's calls do with one tensor under one of its names: `path` and `kind` are those of
    its `Entry`.

    `in_parameters`: `named_parameters(remove_duplicate=False)` lists this name, as it does every
    name of a tied tensor. `in_buffers`: `named_buffers(remove_duplicate=False)` does.
    `in_state_dict`: it is saved and loaded under this name. `moves_with_to`: after `.to(...)` the
    tensor that stands under this name has moved. `gets_gradient`: a backward pass through it leaves
    a gradient on it."""

    path: str
    kind: str
    in_parameters: bool
    in_buffers: bool
    in_state_dict: bool
    moves_with_to: bool
    gets_gradient: bool


class Seen(NamedTuple):
    """The answers of the experiment; `held_by_optimizer`: one made from `parameters()` holds the
    tensor itself, under whatever name. The others are those of `Sight`."""

    in_parameters: bool
    in_buffers: bool
    in_state_dict: bool
    moves_with_to: bool
    gets_gradient: bool
    held_by_optimizer: bool


class SeenTensor(NamedTuple):
    """A tensor under one of its names, with the kind that it has there."""

    path: str
    kind: str
    seen: Seen

    def sight(self) -> Sight:
        told = self.seen._asdict()
        del told["held_by_optimizer"]
        return Sight(self.path, entry_kind(self.kind), **told)


class Situation(NamedTuple):
    """All that decides who sees a tensor under one of its names: the kind of this slot, the kinds
    of the registered slots that hold the same object, and what the tensor is to autograd."""

    kind: str
    registered_as: frozenset[str]
    is_parameter: bool
    requires_grad: bool
    is_leaf: bool
    retains_grad: bool


def visibility(module: nn.Module) -> list[Sight]:
    """One `Sight` for each tensor of `module`, under each of its names, in the order of `snapshot`.

    For each situation in which a tensor of the module stands, `named_parameters`, `named_buffers`,
    `state_dict`, a backward pass and `.to` are really called, on a stand-in: plain `nn.Module`
    objects that hold one number in the same containers. Nothing of the module runs, is copied or
    changes, however large it is. So the answer is that of `nn.Module`; where a class of the module
    or a hook has rules of its own, `own_rules` names it. `.to` means any change of dtype, or of
    device where numbers travel.

    A tensor that is not registered and stands in the module's containers too (an alias) is judged
    by its own name: it is in no list, and it moves only if torch changes that very object. A lazy
    tensor is judged as the one it becomes. A module that is reached again inside itself is not
    entered.

    Raises TypeError if `module` is not an `nn.Module` instance.
    """
    require_module(module, "visibility")
    return [one.sight() for one in seen_tensors(module)]


def seen_tensors(module: nn.Module) -> list[SeenTensor]:
    """The same, with the kinds of `walk.KINDS` and all that the experiment answers."""
    with without_torch_function():
        tensors = [
            (dotted(path, slot.name), slot)
            for path, part in walk_with_paths(module)
            for slot in part.slots()
            if issubclass(type(slot.value), torch.Tensor)
        ]
        homes = registered_kinds(slot for _, slot in tensors)
        return [
            SeenTensor(path, slot.kind, seen_by(slot, homes.get(id(slot.value))))
            for path, slot in tensors
        ]


def registered_kinds(slots: Iterator[Slot]) -> dict[int, frozenset[str]]:
    """id of each tensor -> the kinds of the registered slots, of all these, that hold it."""
    kinds: dict[int, frozenset[str]] = {}
    for _, kind, value in slots:
        if kind in REGISTERED:
            kinds[id(value)] = kinds.get(id(value), frozenset()) | {kind}
    return kinds


def seen_by(slot: Slot, registered_as: frozenset[str] | None) -> Seen:
    """Who sees the tensor in `slot`, which the module registers as these kinds besides; None for
    one that is registered nowhere."""
    tensor = slot.value
    situation = Situation(
        slot.kind,
        registered_as or frozenset(),
        is_parameter(tensor),
        bool(facts(tensor).requires_grad),
        is_leaf(tensor),
        retains_grad(tensor),
    )
    return experiment(situation)


@cache
def experiment(situation: Situation) -> Seen:
    """Call torch on a stand-in with one number, which stands under `x` as the situation says."""
    # Ordinary tensors and a graph, whatever mode the caller is in (inference_mode(False) turns
    # gradients on as well); and no function of a tensor subclass runs.
    with torch.inference_mode(False), without_torch_function():
        number = _number_for(situation)
        model = nn.Module()
        _hold(model, situation.kind, number)
        for kind in sorted(situation.registered_as):
            holder = vars(model)[MODULES][f"holder of the {kind}"] = nn.Module()
            _hold(holder, kind, number)
        named = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        buffers = {name for name, _ in model.named_buffers(remove_duplicate=False)}
        trained = any(number is parameter for parameter in model.parameters())
        saved = model.state_dict(keep_vars=True)
        gradient = _gets_gradient(number)
        model.to(torch.float64)
        moved = model.x.dtype == torch.float64
    return Seen("x" in named, "x" in buffers, "x" in saved, moved, gradient, trained)


def _hold(module: nn.Module, kind: str, number: torch.Tensor) -> None:
    """Put `number` under `x`, straight into its container: registering would call global hooks of
    the learner."""
    own = vars(module)
    if kind not in REGISTERED:  # on a tensor in `_modules` torch's own walks fail: none sees it
        own["x"] = number
    elif kind == "parameter":
        own[PARAMETERS]["x"] = number
    else:
        own[BUFFERS]["x"] = number
        if kind == NOT_SAVED:
            own[NON_PERSISTENT].add("x")


def _number_for(situation: Situation) -> torch.Tensor:
    """A tensor of one element that is to autograd and to `.to` what the situation says.

    Its dtype is float32 whatever that of the tensor is: a change of dtype then shows for all of
    them what a change of device does to all of them."""
    number = torch.zeros(1, dtype=torch.float32, device="cpu")
    if situation.is_parameter:
        return nn.Parameter(number, requires_grad=situation.requires_grad)
    number.requires_grad_(situation.requires_grad)
    # The result of a computation, as `weight` under the old weight_norm.
    if situation.requires_grad and not situation.is_leaf:
        number = number * 1
        if situation.retains_grad:
            number.retain_grad()
    return number


def _gets_gradient(number: torch.Tensor) -> bool:
    if not number.requires_grad:
        return False
    number.sum().backward()
    # Asked for the gradient of what is no leaf, torch has none and warns.
    return (number.is_leaf or number.retains_grad) and number.grad is not None


def own_rules(module: nn.Module) -> list[tuple[str, str]]:
    """(class name, method or hook) for each rule by which a class in `module` may see its tensors
    differently.

    These are the methods that `visibility` relies on, where a module has that of a class which is
    not torch's own, hooks on `state_dict()`, and `__hash__` where a class has none: torch then
    lists nothing and raises. Each pair stands once, in the order of the walk; [] for most models.
    TypeError as there."""
    require_module(module, "own_rules")
    found, kinds = {}, set()
    for part in walk(module, times=1):
        kind = type(part.module)
        if kind not in kinds:
            kinds.add(kind)
            known = class_facts(kind)
            found |= {(known.methods[call], call): None for call in SEEING if call in known.methods}
            if known.unhashable_by:
                found[known.unhashable_by, "__hash__"] = None
        for hook in STATE_DICT_HOOKS:
            if hooks_in(part.own, hook):
                found[class_name(kind), hook] = None
    return list(found)
