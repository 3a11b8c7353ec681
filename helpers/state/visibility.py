"""Which call of PyTorch sees each tensor of a module: found by experiment, and not on the module.

Two tensors that stand in the same situation are seen alike. So the experiment is made once for each
situation, on a small stand-in, and never on the module. What a class or a hook of the module
decides in torch's place cannot be foretold, and is named."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import torch
from torch import nn

from helpers.state.objects import facts, is_parameter, require_module
from helpers.state.own_rules import (
    IN_ITSELF,
    STRAY,
    TOO_DEEP,
    UNHASHABLE_PART,
    UNHASHABLE_ROOT,
    Rule,
    Rules,
    Untold,
    raising,
)
from helpers.state.torch_private import (
    BUFFERS,
    MODULES,
    NON_PERSISTENT,
    PARAMETERS,
    is_inference,
    is_leaf,
    retains_grad,
    without_torch_dispatch,
    without_torch_function,
)
from helpers.state.walk import (
    NOT_SAVED,
    REGISTERED,
    Slot,
    dotted,
    entry_kind,
    walk_with_paths,
)

Answer = bool | Untold
# Through w + 1 such a tensor gets a gradient, through w.sum() it does not, and w * x raises.
_FROM_INFERENCE = Untold(
    "cannot be foretold, because it was made in inference mode: that depends on the operation",
    "made in inference mode",
)


class Sight(NamedTuple):
    """What torch's calls do with one tensor under one of its names: `path` and `kind` are those of
    its `Entry`.

    `in_parameters`: `named_parameters(remove_duplicate=False)` lists this name, as it does every
    name of a tied tensor. `in_buffers`: `named_buffers(remove_duplicate=False)` does. In a module
    inside itself these two lists have no end; there the tensor is meant, which the list without
    repeats has under one of its names. `in_state_dict`: `state_dict()` saves it under this name;
    whether a load takes it from there is not asked, `compare_checkpoint` tells that.
    `moves_with_to`: after `.to(...)` the tensor that stands under this name has moved.
    `gets_gradient`: a backward pass through it leaves a gradient on it.

    Each is True or False, or an `Untold` with the words for what is neither: "raises TypeError", or
    "cannot be foretold, because Net has its own to()". A tensor that was made in inference mode and
    asks for a gradient gets one through some operations, and others raise."""

    path: str
    kind: str
    in_parameters: Answer
    in_buffers: Answer
    in_state_dict: Answer
    moves_with_to: Answer
    gets_gradient: Answer


class Seen(NamedTuple):
    """The answers of the experiment; `held_by_optimizer`: one made from `parameters()` holds the
    tensor itself, under whatever name. The others are those of `Sight`."""

    in_parameters: Answer
    in_buffers: Answer
    in_state_dict: Answer
    moves_with_to: Answer
    gets_gradient: Answer
    held_by_optimizer: Answer


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
    of the registered slots that hold the same object, whether that is an `nn.Parameter`, what it is
    to autograd, what in the tree around it makes torch's walks raise, and how a move converts a
    parameter: `torch.__future__` has two switches for that."""

    kind: str
    registered_as: frozenset[str]
    is_parameter: bool
    requires_grad: bool
    is_leaf: bool
    retains_grad: bool
    is_inference: bool
    troubles: frozenset[str]
    overwrites: bool
    swaps: bool


def visibility(module: nn.Module) -> list[Sight]:
    """One `Sight` for each tensor of `module`, under each of its names, in the order of `snapshot`.

    For each situation in which a tensor of the module stands, `named_parameters`, `named_buffers`,
    `state_dict`, a backward pass and `.to` are really called, on a stand-in: plain `nn.Module`
    objects that hold one number in the same containers. Nothing of the module runs, is copied or
    changes, however large it is. So an answer is that of `nn.Module`. Where a class of the module,
    a method set on it or a hook decides in its place, the answer is an `Untold` that names it;
    where torch's call raises on such a tree, one that names the error. `.to` means any change of
    dtype, or of device where numbers travel.

    A tensor that is not registered and stands in the module's containers too (an alias) is judged
    by its own name: it is in no list, and it moves only if torch changes that very object. A lazy
    tensor is judged as the one it becomes. A module that is reached again inside itself is not
    entered. On a tree with more levels than Python's recursion limit torch's walks raise, and that
    is told; one that comes near the limit may make them raise as well, which is not foreseen.

    Raises TypeError if `module` is not an `nn.Module` instance.
    """
    require_module(module, "visibility")
    return [one.sight() for one in seen_tensors(module)]


class Standing(NamedTuple):
    """A slot with its whole path, and the rules of the modules that it stands in."""

    path: str
    slot: Slot
    rules: tuple[Rule, ...]


def seen_tensors(module: nn.Module) -> list[SeenTensor]:
    """The same, with the kinds of `walk.KINDS` and all that the experiment answers."""
    with without_torch_function():
        rules = Rules()
        tensors = [
            Standing(dotted(path, slot.name), slot, inside)
            for path, part, inside in rules.along(walk_with_paths(module))
            for slot in part.slots()
            if issubclass(type(slot.value), torch.Tensor)
        ]
        homes = homes_of(tensors)
        return [
            SeenTensor(one.path, one.slot.kind, seen_by(one, homes, rules.troubles))
            for one in tensors
        ]


class Home(NamedTuple):
    """The kinds of the registered slots that hold a tensor, and the rules at these."""

    kinds: frozenset[str]
    rules: tuple[Rule, ...]


NO_HOME = Home(frozenset(), ())
_ALONE = {kind: Home(frozenset({kind}), ()) for kind in REGISTERED}  # as nearly every tensor is


def homes_of(tensors: Iterable[Standing]) -> dict[int, Home]:
    """id of each tensor that is registered -> where."""
    homes: dict[int, Home] = {}
    for _, (_, kind, value), rules in tensors:
        if kind not in REGISTERED:
            continue
        known = homes.get(id(value))
        if known is None and not rules:
            homes[id(value)] = _ALONE[kind]
        else:
            known = known or NO_HOME
            homes[id(value)] = Home(known.kinds | {kind}, (*known.rules, *rules))
    return homes


def seen_by(one: Standing, homes: dict[int, Home], troubles: frozenset[str]) -> Seen:
    """Who sees the tensor of a slot, which the module registers in these `homes`."""
    tensor = one.slot.value
    home = homes.get(id(tensor), NO_HOME)
    situation = Situation(
        one.slot.kind,
        home.kinds,
        is_parameter(tensor),
        bool(facts(tensor).requires_grad),
        is_leaf(tensor),
        retains_grad(tensor),
        is_inference(tensor),
        troubles,
        torch.__future__.get_overwrite_module_params_on_conversion(),
        torch.__future__.get_swap_module_params_on_conversion(),
    )
    seen = experiment(situation)
    rules = dict.fromkeys((*one.rules, *home.rules))
    if not rules:
        return seen
    answers = seen._asdict()
    for question, answer in answers.items():
        if type(answer) is bool:
            doubts = (rule.doubt(question, answer, one.path) for rule in rules)
            answers[question] = next((doubt for doubt in doubts if doubt is not None), answer)
    return Seen(**answers)


@cache
def experiment(situation: Situation) -> Seen:
    """Call torch on a stand-in with one number, which stands under `x` as the situation says."""
    # Ordinary tensors and a graph, whatever mode the caller is in (inference_mode(False) turns
    # gradients on as well); and no function of a tensor subclass or of a mode runs.
    with (
        torch.inference_mode(False),
        without_torch_function(),
        without_torch_dispatch(),
        _warnings_of(situation),
    ):
        number = _number_for(situation)
        model = _stand_in(situation, number)
        return Seen(
            in_parameters=_asked(lambda: "x" in _names(model.named_parameters)),
            in_buffers=_asked(lambda: "x" in _names(model.named_buffers)),
            in_state_dict=_asked(lambda: "x" in model.state_dict(keep_vars=True)),
            held_by_optimizer=_asked(lambda: id(number) in map(id, list(model.parameters()))),
            gets_gradient=_gets_gradient(number),
            moves_with_to=_asked(lambda: model.to(torch.float64).x.dtype == torch.float64),
        )


@contextmanager
def _warnings_of(situation: Situation) -> Iterator[None]:
    """Ignore what a move warns of: it asks for the gradient of a parameter that is no leaf.

    Only where there is one: to filter warnings makes Python forget which it has shown already, and
    the learner would see those again."""
    asked = "parameter" in (situation.kind, *situation.registered_as)
    if situation.is_leaf or situation.retains_grad or not asked:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _asked(look: Callable[[], bool]) -> Answer:
    try:
        return look()
    except (AssertionError, AttributeError, RecursionError, RuntimeError, TypeError) as error:
        return raising(error)


def _names(listing: Callable) -> set[str]:
    try:
        return {name for name, _ in listing(remove_duplicate=False)}
    except RecursionError:  # in a module inside itself only the list without repeats has an end
        return {name for name, _ in listing()}


def _stand_in(situation: Situation, number: torch.Tensor) -> nn.Module:
    """Plain modules that hold `number`, and what is wrong in the tree that it stands for."""
    model = _Unhashable() if UNHASHABLE_ROOT in situation.troubles else nn.Module()
    _hold(model, situation.kind, number)
    children = vars(model)[MODULES]
    for kind in sorted(situation.registered_as):
        children[f"holder of the {kind}"] = holder = nn.Module()
        _hold(holder, kind, number)
    if UNHASHABLE_PART in situation.troubles:
        children["unhashable"] = _Unhashable()
    if STRAY in situation.troubles:
        children["stray"] = object()
    if TOO_DEEP in situation.troubles:
        below = children
        for _ in range(sys.getrecursionlimit()):
            below["deeper"] = child = nn.Module()
            below = vars(child)[MODULES]
    if IN_ITSELF in situation.troubles:
        children["inside itself"] = child = nn.Module()
        vars(child)[MODULES][""] = child  # no name: the paths do not grow on the way down
    return model


class _Unhashable(nn.Module):
    __hash__ = None


def _hold(module: nn.Module, kind: str, number: torch.Tensor) -> None:
    """Put `number` under `x`, straight into its container: registering would call global hooks of
    the learner."""
    own = vars(module)
    if kind not in REGISTERED:  # a tensor in `_modules` as well: STRAY says what it does to a walk
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
    with torch.inference_mode(situation.is_inference):
        number = torch.zeros(1, dtype=torch.float32, device="cpu")
        if situation.is_parameter:
            number = nn.Parameter(number)
        number.requires_grad_(situation.requires_grad and situation.is_leaf)
    # The result of a computation, as `weight` under the old weight_norm, or a Parameter that was
    # written into in a graph.
    if situation.requires_grad and not situation.is_leaf:
        number.add_(torch.zeros(1, requires_grad=True))
        if situation.retains_grad:
            number.retain_grad()
    return number


def _gets_gradient(number: torch.Tensor) -> Answer:
    if not number.requires_grad:
        return False
    if is_inference(number):
        return _FROM_INFERENCE
    number.sum().backward()
    # Asked for the gradient of what is no leaf, torch has none and warns.
    return (number.is_leaf or number.retains_grad) and number.grad is not None
