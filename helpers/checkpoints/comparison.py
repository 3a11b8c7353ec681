"""How a state_dict will fit a module, told before anything is loaded, and what to do where it does
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.checkpoints.advice import Advice, advise
from helpers.checkpoints.rehearsal import (
    Reply,
    Slot,
    StandIn,
    pairs,
    rehearse,
    slot_of,
    stand_in,
    without_numbers,
)
from helpers.state.objects import brief, require_module, text, type_name


class Mismatch(NamedTuple):
    """One key whose tensors differ: `expected` by the module, `found` in the state_dict; shapes are
    tuples.
    """

    key: str
    expected: Any
    found: Any


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `module.load_state_dict(state_dict)` would say. It holds facts only, no tensor, and
    keeps nothing alive.

    `missing` and `unexpected` are torch's lists, in torch's order; `mismatched` has the shapes that
    differ, as tuples. `matched`: the keys that would be loaded. `silent`: keys on one side alone of
    which torch does not complain, as a rule of its own sees to them (`num_batches_tracked` of an
    old file, a submodule slot with None). `non_tensors`: (key, class name) of entries that are no
    tensors, extra state left out. `dtypes`, `devices`: among the matched, where the values would be
    converted or moved. `errors`: what else torch would raise, in its words. `own_rules`: (class
    name, method or hook) by which a class of the module may decide otherwise; they were not asked.
    `advice`: steps in order. `expected` and `found` map every key of the module, of the state_dict,
    to its `Slot`."""

    type: str
    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[Mismatch]
    silent: list[str]
    non_tensors: list[tuple[str, str]]
    dtypes: list[Mismatch]
    devices: list[Mismatch]
    errors: list[str]
    own_rules: list[tuple[str, str]]
    advice: list[Advice]
    expected: dict[str, Slot]
    found: dict[str, Slot]

    @property
    def loads(self) -> bool:
        """Would a strict load succeed?"""
        return not (self.missing or self.unexpected or self.mismatched or self.errors)

    @property
    def code(self) -> str:
        """The code of all steps, one after the other; "" without advice."""
        return "\n".join(step.code for step in self.advice)

    def __repr__(self) -> str:
        names = ("matched", "missing", "unexpected", "mismatched")
        counts = ", ".join(f"{len(getattr(self, name)):,} {name}" for name in names)
        verdict = "loads strictly" if self.loads else "does not load strictly"
        return f"<Comparison with {' '.join(self.type.split())[:80]}: {verdict}; {counts}; {len(self.advice)} advice>"


def compare_checkpoint(module: nn.Module, state_dict: Mapping[str, Any]) -> Comparison:
    """What `module.load_state_dict(state_dict)` would say, and what to do about it, before anything
    is loaded.

    `module` is any `nn.Module` instance, `state_dict` any mapping, a whole checkpoint with a
    state_dict somewhere in it included. The real `load_state_dict` runs on a stand-in on the meta
    device: modules of torch's classes with tensors of the same names and shapes. Nothing of the
    learner's runs or changes: no own method or hook, no tensor, no random number. Each step of
    `advice` was run on the stand-in too. A sparse or quantized tensor, of which torch copies
    nothing into a plain one, is taken for a plain one.

    TypeError: `module` is no module, or `state_dict` no mapping. ValueError: torch cannot walk the
    module, since it contains itself or its `__init__` was not run. RecursionError: it is nested
    more deeply than torch can walk."""
    require_module(module, "compare_checkpoint")
    _require_mapping(state_dict)
    with torch._C.DisableTorchFunction():  # no function of a tensor subclass runs
        entries = pairs(state_dict)
        found = {text(key): slot_of(value) for key, value in entries.items()}
        model, given = stand_in(module), without_numbers(state_dict)
    reply = rehearse(model.twin, given)
    return _told(type_name(module), model, reply, found, advise(model, given, reply))


def _require_mapping(state_dict: object) -> None:
    kind = type(state_dict)
    if issubclass(kind, Mapping):
        return
    advice = "pass the dict that module.state_dict() returns"
    if issubclass(kind, nn.Module):
        advice = "a whole model; pass its state_dict()"
    elif hasattr(kind, "__fspath__") or kind in (str, bytes):
        advice = "read the file first: torch.load(path, map_location='cpu', weights_only=True)"
    raise TypeError(
        f"compare_checkpoint() takes a state_dict after the module, got {brief(state_dict)}: {advice}."
    )


def _told(
    name: str, model: StandIn, reply: Reply, found: dict[str, Slot], advice: list[Advice]
) -> Comparison:
    """The answer of torch, and beside it what only the two sides together tell."""
    expected, unexpected = model.expected, set(reply.unexpected)
    other = {key for key, _, _ in reply.sizes}.union(reply.missing)
    meta = torch.device("meta")
    other |= {
        key
        for key, one in expected.items()
        if key in found and found[key].device == meta != one.device
    }
    both = [key for key in expected if key in found and key not in other]
    matched = [key for key in both if found[key].dtype or not expected[key].dtype]
    silent = [key for key in expected if key not in found and key not in other]
    silent += [key for key in found if key not in expected and key not in unexpected]
    extra = {key for key in matched if not expected[key].dtype}
    dtypes, devices = (
        [
            Mismatch(key, *two)
            for key in matched
            if key not in extra
            for two in [(getattr(expected[key], fact), getattr(found[key], fact))]
            if two[0] != two[1]
        ]
        for fact in ("dtype", "device")
    )
    return Comparison(
        type=name,
        matched=matched,
        missing=reply.missing,
        unexpected=reply.unexpected,
        mismatched=[Mismatch(*one) for one in reply.sizes],
        silent=[] if reply.crash else silent,
        non_tensors=[
            (key, one.type) for key, one in found.items() if not one.dtype and key not in extra
        ],
        dtypes=dtypes,
        devices=devices,
        errors=reply.messages + reply.crash,
        own_rules=model.rules,
        advice=advice,
        expected=expected,
        found=found,
    )
