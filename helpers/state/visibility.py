"""Which call of PyTorch sees each tensor of a module: found by experiment, on a stand-in and not on
the module.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.objects import (
    bases,
    class_dict,
    class_name,
    facts,
    instance_dict,
    require_module,
    type_name,
)
from helpers.state.snapshot import Entry, list_own, submodule


class Sight(NamedTuple):
    """What torch's calls do with one tensor under one of its names: `path` and `kind` are those of
    its `Entry`.

    `in_parameters`: `named_parameters()` lists this name. `in_buffers`: `named_buffers()` does.
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


class Spot(NamedTuple):
    """Where in the stand-in a tensor of the module has its place: `name` is an attribute of
    `owner`.
    """

    entry: Entry
    owner: nn.Module
    name: str
    full_name: str


def visibility(module: nn.Module) -> list[Sight]:
    """One `Sight` for each tensor of `module`, under each of its names, in the order of `snapshot`.

    The experiment runs on a stand-in: a tree of plain `nn.Module` objects of the same shape, with a
    number of its own for each distinct tensor, in the same container and shared where the module
    shares it. There `named_parameters`, `named_buffers`, `state_dict`, a backward pass and `.to`
    are really called. Nothing of the module runs, is copied or changes, however large it is. So the
    answer is that of `nn.Module`; where a class of the module or a hook has rules of its own,
    `own_rules` names it. `.to` means any change of dtype, or of device where numbers travel.

    A tensor that is not registered and stands in the module's containers too (an alias) is judged
    by its own name: it is in no list, and it moves only if torch changes that very object. A lazy
    tensor is judged as the one it becomes. A module that is reached again inside itself is not
    entered.

    Raises TypeError if `module` is not an `nn.Module` instance, and RecursionError for a tree so
    deep that torch's own walks over it fail."""
    require_module(module, "visibility")
    # Ordinary tensors and a graph, whatever mode the caller is in (inference_mode(False) turns
    # gradients on as well); and no function of a tensor subclass runs.
    with torch.inference_mode(False), torch._C.DisableTorchFunction():
        model, spots = stand_in(module)
        try:
            return _observe(model, spots)
        except RecursionError:
            words = "is nested more deeply than torch itself can walk: its state_dict() fails in the same way"
            raise RecursionError(f"this module {words}.") from None


def stand_in(module: nn.Module) -> tuple[nn.Module, list[Spot]]:
    """A plain twin of `module` with one number for each distinct tensor, and the spot of every
    tensor in it.

    Names are made up, so that a dot, an empty text or a clash in the module's own names plays no
    part."""
    numbers: dict[
        int, torch.Tensor
    ] = {}  # id of a tensor -> the number that stands for it, under all its names
    alive, spots, top = [], [], nn.Module()
    pending: list[tuple[str, Any, nn.Module, str, frozenset[int]]] = [
        ("", module, top, "", frozenset())
    ]
    while pending:
        path, current, twin, prefix, above = pending.pop()
        entries, values = [], []
        children = [
            (submodule(name, child, path), child)
            for name, child in list(list_own(current, path, entries, values, []).items())
        ]
        alive.append(values)  # an id belongs to one tensor only as long as that tensor is there
        for entry, value in zip(entries, values, strict=True):
            if not issubclass(type(value), torch.Tensor):
                continue
            number = numbers[id(value)] = (
                numbers[id(value)] if id(value) in numbers else _number_for(value)
            )
            name = f"tensor_{len(spots)}"
            # Straight into the container, as the module has it: registering would call global hooks
            # of the learner.
            {"parameter": twin._parameters, "buffer": twin._buffers}.get(entry.kind, vars(twin))[
                name
            ] = number
            if entry.kind == "buffer" and not entry.persistent:
                twin._non_persistent_buffers_set.add(name)
            spots.append(Spot(entry, twin, name, prefix + name))
        inside = above | {id(current)}
        for position, (entry, child) in reversed(list(enumerate(children))):
            if issubclass(type(child), nn.Module) and id(child) not in inside:
                name = f"module_{position}"
                twin._modules[name] = nn.Module()
                pending.append((entry.path, child, twin._modules[name], f"{prefix}{name}.", inside))
    return top, spots


_base = torch._C.TensorBase
_is_leaf, _retains_grad = _base.is_leaf.__get__, _base.retains_grad.__get__


def _number_for(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of one element that is to autograd and to `.to` what `tensor` is: of the same kind
    and readiness.

    Its dtype is float32 whatever that of `tensor`: a change of dtype then shows for all of them
    what a change of device does to all of them."""
    grad = bool(facts(tensor)[3])
    number = torch.zeros(1, dtype=torch.float32, device="cpu")
    if issubclass(type(tensor), nn.Parameter):
        return nn.Parameter(number, requires_grad=grad)
    number.requires_grad_(grad)
    if grad and not _is_leaf(
        tensor
    ):  # the result of a computation, as `weight` under the old weight_norm
        number = number * 1
        if _retains_grad(tensor):
            number.retain_grad()
    return number


def _observe(model: nn.Module, spots: list[Spot]) -> list[Sight]:
    """Call torch on the stand-in, and look at every spot."""
    listed = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    buffers = {name for name, _ in model.named_buffers(remove_duplicate=False)}
    saved = model.state_dict(keep_vars=True).keys()

    before = [getattr(spot.owner, spot.name) for spot in spots]
    loss = torch.cat(before).sum() if before else torch.zeros(())
    if loss.requires_grad:
        loss.backward()
    # Asked for the gradient of what is no leaf, torch has none and warns.
    reached = [(one.is_leaf or one.retains_grad) and one.grad is not None for one in before]
    del loss

    model.to(torch.float64)
    moved = [getattr(spot.owner, spot.name).dtype == torch.float64 for spot in spots]
    return [
        Sight(entry.path, entry.kind, name in listed, name in buffers, name in saved, to, grad)
        for (entry, _, _, name), to, grad in zip(spots, moved, reached, strict=True)
    ]


_CALLS = (
    "parameters",
    "named_parameters",
    "buffers",
    "named_buffers",
    "named_modules",
    "state_dict",
    "_save_to_state_dict",
    "to",
    "_apply",
)
_HOOKS = ("_state_dict_hooks", "_state_dict_pre_hooks")


def own_rules(module: nn.Module) -> list[tuple[str, str]]:
    """(class name, method or hook) for each rule by which a class in `module` may see its tensors
    differently.

    These are the methods that `visibility` relies on, where a class that is not torch's own
    overrides one, and hooks on `state_dict()`. Each pair stands once, in the order of the walk; []
    for most models. TypeError as there."""
    require_module(module, "own_rules")
    found, seen, pending = {}, set(), [module]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        for kind in bases(type(current)):
            space = class_dict(kind)
            if not f"{space.get('__module__', '')}.".startswith("torch."):
                found |= {(class_name(kind), call): None for call in _CALLS if call in space}
        hooks = ((hook, instance_dict(current).get(hook)) for hook in _HOOKS)
        set_up = [
            hook for hook, held in hooks if issubclass(type(held), dict) and dict.__len__(held)
        ]
        found |= {(type_name(current), hook): None for hook in set_up}
        children = list_own(current, "", [], [], []).values()
        pending += reversed([child for child in children if issubclass(type(child), nn.Module)])
    return list(found)
