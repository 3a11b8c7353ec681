"""A twin of one module: torch's own class loads into it, and it notes what happens."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import nn

from helpers.checkpoints.comparison import Mismatch, Outline
from helpers.checkpoints.outlines import Nowhere, Odd, blank, outline
from helpers.state.memory import is_expanded
from helpers.state.objects import META, bases, class_dict, class_name
from helpers.state.torch_private import (
    ASSIGN_NOTE,
    BUFFERS,
    EXTRA_STATE,
    LOAD_ONE,
    LOAD_PRE_HOOKS,
    NON_PERSISTENT,
    PARAMETERS,
    SAVE_ONE,
    is_contiguous,
    is_inference,
    is_lazy,
)

# Rules of these packages of torch's look at names and shapes only, so that a twin can run them.
_RUN = ("torch.nn.", "torch.distributed.algorithms._checkpoint.")


class Nature(NamedTuple):
    """What decides whether torch copies one tensor into another of the same shape."""

    dtype: torch.dtype
    on_meta: bool = False
    inference: bool = False
    expanded: bool = False


class Target(torch.Tensor):
    """A tensor of a twin: it has no memory, and notes that something has been copied into it."""

    # No operation on it asks the class; so its shape is read as fast as that of a plain tensor.
    __torch_function__ = nn.Parameter.__torch_function__

    nature: Nature
    odd = ""  # what the tensor is, if it is copied by rules of its own
    assigned = filled = False

    def copy_(self, source: torch.Tensor, non_blocking: bool = False) -> Target:
        given = Nature(source.dtype, on_meta=isinstance(source, Nowhere))
        if not (self.assigned or self.odd or isinstance(source, Odd)):
            refusal = _refusal(self.nature, given, torch.is_inference_mode_enabled())
            if refusal is not None:
                raise refusal[0](*refusal[1])
        self.filled = True
        return self


def target(tensor: torch.Tensor, facts: Outline, odd: str = "") -> torch.Tensor:
    """A place for `tensor`, which has these facts, or a lazy tensor where it has no shape yet."""
    if facts.shape is None and not odd:
        return blank(None)
    made = blank(facts.shape or (), facts.dtype).as_subclass(Target)
    if odd:
        made.odd = odd
    made.nature = Nature(torch.float32) if odd else _nature_of(tensor, facts)
    return made


def _nature_of(tensor: torch.Tensor, facts: Outline) -> Nature:
    expanded = not is_contiguous(tensor) and is_expanded(tensor)
    return Nature(facts.dtype, facts.device == META, is_inference(tensor), expanded)


@lru_cache(maxsize=1024)
def _refusal(target: Nature, source: Nature, in_inference_mode: bool) -> tuple[type, tuple] | None:
    """What torch raises when it copies a tensor like `source` into one like `target`: class and
    arguments. It is tried with two elements, in the mode that the caller is in."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the imaginary part, which is lost
            _sample(target).copy_(_sample(source))
    except Exception as error:
        return type(error), error.args
    return None


def _sample(nature: Nature) -> torch.Tensor:
    device = "meta" if nature.on_meta else "cpu"
    with torch.inference_mode(nature.inference):
        made = torch.empty(1 if nature.expanded else 2, dtype=nature.dtype, device=device)
        return made.expand(2)


@dataclass
class LoadReport:
    """What came of one load.

    `missing`, `unexpected`: torch's own lists. `loaded`: the keys that were copied. `odd`: what
    they are, where a rule of their own copies them. `mismatched`: the keys of another shape.
    `refused`: the others that were not taken. `errors`: torch's messages, but for those about a
    shape. `crash`: what ended the load early; `finished`: it came to its end."""

    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    odd: dict[str, str] = field(default_factory=dict)
    mismatched: list[Mismatch] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    crash: str = ""
    finished: bool = False

    @property
    def trouble(self) -> tuple[bool, int]:
        """What stands between this load and one that is strict: did it end early, and how many
        things. (False, 0) for nothing."""
        lists = (self.missing, self.unexpected, self.mismatched, self.refused, self.errors)
        return bool(self.crash), sum(map(len, lists))

    def finish(self, *_: object) -> None:
        self.finished = True

    def note(self, given: dict, gone: list[str], spots: dict, messages: list[str]) -> None:
        """A module with these `spots` was loaded from `given`, which lost the keys `gone`; torch
        said `messages`: last of all one for each key that it did not copy, in order."""
        left = []
        for key, spot in spots.items():
            if key in given:
                (self.loaded if _is_filled(spot, given[key]) else left).append(key)
                odd = getattr(spot, "odd", "") or getattr(given[key], "what", "")
                if odd:
                    self.odd[key] = odd
        first = len(messages) - len(left)
        self.errors += messages[:first]
        self.refused += gone if messages[:first] else []
        for key, message in zip(left, messages[first:], strict=False):
            shapes = _shape_of(spots[key]), _shape_of(given[key])
            if None in shapes or shapes[0] == shapes[1]:
                self.refused.append(key)
                self.errors.append(message)
            else:
                self.mismatched.append(Mismatch(key, *shapes))


def _is_filled(spot: torch.Tensor, given: object) -> bool:
    return spot.filled if isinstance(spot, Target) else is_lazy(spot) and is_lazy(given)


def _shape_of(value: object) -> tuple[int, ...] | None:
    known = isinstance(value, torch.Tensor) and not is_lazy(value)
    return tuple(value.shape) if known else None


def twin_class(kind: type, reports: list[LoadReport]) -> type:
    """A class that loads as `kind` does by the rules of torch's own classes, and notes it. What
    other classes say of a load is in its `left_out`, and in `saved_by` those that say what is
    saved."""
    base, extra, left_out, saved_by = nn.Module, {}, [], []
    for one in reversed(bases(kind)[:-1]):
        space = class_dict(one)
        if not may_run(space.get("__module__")):
            left_out += [(one, call) for call in (LOAD_ONE, "load_state_dict") if call in space]
            saves = ("state_dict", SAVE_ONE)
            saved_by += [f"{class_name(one)}.{call}()" for call in saves if call in space]
        elif LOAD_ONE in space:
            base = one
        if "set_extra_state" in space and one is not nn.Module:
            taken_back = space["set_extra_state"] is nn.Module.set_extra_state
            extra = {} if taken_back else _EXTRA_STATE
    load = _noting(getattr(base, LOAD_ONE), reports)
    own = {LOAD_ONE: load, "left_out": left_out, "saved_by": saved_by, "__module__": __name__}
    return type(class_name(kind), (base,), {**extra, **own})


def _take_extra_state(self: nn.Module, state: object) -> None:
    """What the learner's class does with it is not run."""


_EXTRA_STATE = {"set_extra_state": _take_extra_state, "get_extra_state": lambda self: 0}


def may_run(home: object) -> bool:
    """Are the rules in this package torch's own, of a kind that looks at names and shapes alone?"""
    return f"{home}.".startswith(_RUN)


def _noting(load: Callable, reports: list[LoadReport]) -> Callable:
    """`load`, torch's rule for one module, with a note of what came of it in the last report."""

    has_rule = load is not getattr(nn.Module, LOAD_ONE)

    def load_one(
        self: nn.Module,
        given: dict,
        prefix: str,
        notes: dict,
        strict: bool,
        missing: list[str],
        unexpected: list[str],
        messages: list[str],
    ) -> None:
        report = reports[-1]
        report.missing, report.unexpected = missing, unexpected
        assigned = notes.get(ASSIGN_NOTE, False) is not False
        own = vars(self)
        _make_ready(own[PARAMETERS], assigned)
        _make_ready(own[BUFFERS], assigned)
        for key in self.keys_of_a_rule:
            if given.pop(prefix + key, given) is given:
                missing.append(prefix + key)
            else:
                report.loaded.append(prefix + key)
        if assigned:
            notes = {key: note for key, note in notes.items() if key != ASSIGN_NOTE}
        told, rules = len(messages), has_rule or own[LOAD_PRE_HOOKS]
        before = list(given) if rules else []
        # A rule may fill in tensors of its own: on meta, as all the others are.
        with META if rules else nullcontext():
            load(self, given, prefix, notes, strict, missing, unexpected, messages)
        gone = [key for key in before if key not in given]
        report.note(given, gone, _spots(self, prefix), messages[told:])
        if prefix + EXTRA_STATE in given and type(self).set_extra_state is _take_extra_state:
            report.loaded.append(prefix + EXTRA_STATE)

    return load_one


def _make_ready(slots: dict, assigned: bool) -> None:
    """Places that nothing was copied into; what the code of an advice put there becomes one."""
    for name, one in slots.items():
        if one is None or is_lazy(one):
            continue
        if not isinstance(one, Target):
            slots[name] = one = target(one.detach(), outline(one))
        one.filled, one.assigned = False, assigned


def _spots(twin: nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    """The tensors of one twin that a load looks for, by key."""
    own = vars(twin)
    spots = {prefix + name: one for name, one in own[PARAMETERS].items() if one is not None}
    for name, one in own[BUFFERS].items():
        if one is not None and name not in own[NON_PERSISTENT]:
            spots[prefix + name] = one
    return spots
