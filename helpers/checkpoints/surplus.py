"""Advice on what the file has and the model has no place for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import torch
from torch import nn

from helpers.checkpoints.case import (
    Case,
    Proposal,
    keys_said,
    leaving_out,
    new_slots,
    owner_of,
)
from helpers.checkpoints.comparison import Outline
from helpers.checkpoints.makers import maker_of
from helpers.checkpoints.names import STATISTICS, is_parametrized, last_part
from helpers.state.objects import bases, brief
from helpers.state.torch_private import NormBase


def transient(case: Case) -> Iterator[Proposal]:
    keys = [key for key in case.left if key in case.model.transient]
    if keys:
        words = keys_said(keys, "is a buffer that is", "are buffers that are")
        yield Proposal(
            "non-persistent", f"{words} now non-persistent: not loaded.", leaving_out(keys)
        )


def statistics(case: Case) -> Iterator[Proposal]:
    """Statistics of a norm that keeps none."""
    empty = [key for key in _of_empty_slots(case) if last_part(key) in STATISTICS]
    keys = [key for key in empty if NormBase in bases(case.class_around(key))]
    if keys:
        words = keys_said(keys, "is", "are")
        words += " of a norm that tracks no statistics in this model: left out. If they are needed,"
        words += " build it with track_running_stats=True."
        yield Proposal("statistics", words, leaving_out(keys))


def _of_empty_slots(case: Case) -> list[str]:
    """Keys of the file for which the model has a slot with None."""
    refused = [key for key in case.report.refused if key in case.given]
    return [key for key in [*case.left, *refused] if key in case.model.empty]


def empty_slot(case: Case) -> Iterator[Proposal]:
    idle = [key for key in _of_empty_slots(case) if _is_idle(case, key)]
    if idle:
        words = keys_said(idle, "is for a slot that holds", "are for slots that hold")
        words += " None in this model, since the MultiheadAttention was built with other sizes of"
        words += " keys and values: it would not read what is put there. Build it with the kdim and"
        words += " the vdim of the one that was saved."
        yield Proposal("empty slot", words, "# MultiheadAttention(..., kdim=..., vdim=...)")
    for kind in ("parameter", "buffer"):
        keys = [key for key in _of_empty_slots(case) if case.model.empty[key] == kind]
        keys = [key for key in keys if key not in idle]
        if keys:
            words = keys_said(keys, "is for a slot that holds", "are for slots that hold")
            words += " None in this model, as that of a bias under bias=False. Give it a tensor of"
            words += " that shape before the load, as here, or build the model with it. If the"
            words += " model is to do without, leave the entry out."
            yield Proposal("empty slot", words, new_slots(case, keys, kind))


def _is_idle(case: Case, key: str) -> bool:
    """Is this a weight of queries, keys or values, of which a MultiheadAttention reads either the
    one for all or the three?"""
    is_one = last_part(key) in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
    return is_one and nn.MultiheadAttention in bases(case.class_around(key))


def plain_tensor(case: Case) -> Iterator[Proposal]:
    """What was registered when the file was made, or is written by a rule of its class, and is
    looked for by none."""
    decided = {rule.prefix for rule in case.model.rules}
    keys = [key for key in case.left if key in case.model.plain and owner_of(key) not in decided]
    if keys:
        words = keys_said(keys, "is a plain tensor", "are plain tensors")
        words += " in this model, which no load fills: left out. If a load is to fill it, register"
        words += f" it: self.register_buffer({last_part(keys[0])!r}, tensor) in __init__."
        yield Proposal("plain tensor", words, leaving_out(keys))


def first_use(case: Case) -> Iterator[Proposal]:
    """What a class makes when it is first used, or under some option: a fresh model has no slot."""
    found = {}
    for key in case.left:
        maker = maker_of(case, key)
        if maker is not None and key not in case.model.empty and key not in case.model.plain:
            found.setdefault(maker, []).append(key)
    for maker, keys in found.items():
        words = keys_said(keys, "is not in this model", "are not in this model")
        words += f": {maker.where} {'sets' if maker.in_init else 'makes'} {brief(maker.path)} "
        if maker.in_init:
            words += "under some option, or to None, or it was taken out since. Build the model as"
            words += " it was when it was saved."
            code = f"# See in {maker.where} when it sets {maker.path!r}, and who else does."
        elif keys != [maker.path] or not maker.kind:
            words += "when it runs. Let it run before the load."
            code = f"# module(example)  # or what else runs {maker.where}: it makes {maker.path!r}"
        else:
            words += "when it runs. Better register it in __init__; for now, before the load:"
            code = new_slots(case, keys, maker.kind)
        yield Proposal("first use", words, code)


def non_tensor(case: Case) -> Iterator[Proposal]:
    left = dict.fromkeys(key for key in case.report.unexpected if key in case.given)
    keys = [key for key in left if not isinstance(case.given[key], torch.Tensor | dict)]
    keys = [key for key in keys if not _is_packed(key)]  # they are the numbers of a layer
    if keys and case.belongs:
        words = keys_said(keys, "is no tensor", "are no tensors")
        yield Proposal("non-tensor", f"{words}, and nothing of the model.", leaving_out(keys))


def no_place(case: Case) -> Iterator[Proposal]:
    """What is left when all that the model has is there: the model is a part of what was saved."""
    report = case.report
    parts = {*_scales(case).values(), *_parts_of_weights(case)}
    keys = [key for key in case.left if maker_of(case, key) is None and key not in parts]
    if keys and report.loaded and not (report.missing or report.mismatched or report.refused):
        words = keys_said(keys, "has no place in the model", "have no place in the model")
        groups = Counter(key.partition(".")[0] for key in keys)
        shown = ", ".join(f"{brief(one)}: {count:,}" for one, count in groups.most_common(5))
        words += f" ({shown}); the rest is all that the model has. What is left out is lost: see"
        words += " that the model is to do without."
        yield Proposal("no place", words, leaving_out(keys))


def _parts_of_weights(case: Case) -> list[str]:
    """What parametrizations compute the weights of layers from that the model has too."""
    parts = filter(is_parametrized, case.left)
    return [key for key in parts if key.partition("parametrizations.")[0] in case.model.classes]


_PACKED = "_packed_params"  # the last part of a key


def _is_packed(key: object) -> bool:
    return isinstance(key, str) and _PACKED in key.split(".")


_QUANTIZE_FIRST = "Quantize the model first, then load."


def quantized(case: Case) -> Iterator[Proposal]:
    """A quantized layer packs its tensors: one side is quantized, and the other is not."""
    file = any(key.endswith(_PACKED) for key in case.given if isinstance(key, str))
    model = any(key.endswith(_PACKED) for key in case.model.expected)
    if file != model:
        sides = ("file", "model") if file else ("model", "file")
        words = f"The {sides[0]} is of quantized layers, the {sides[1]} is not; no names will help."
        first = _QUANTIZE_FIRST if file else "Load first, then quantize."
        yield Proposal("quantized", words, f"# {first}")


def whole_numbers(case: Case) -> Iterator[Proposal]:
    """Numbers in one byte, or whole ones, for Parameters that are neither, with what scales them:
    torch would take them as they are."""
    scales = _scales(case)
    if scales:
        key, scale = next(iter(scales.items()))
        words = keys_said(scales, "is", "are")
        found, wanted = case.given[key].dtype, case.model.expected[key].dtype
        words += f" {found} in the file, and {wanted} in the model: the numbers of a quantized"
        words += f" layer, which mean nothing without their scale, as {brief(scale)}. A load takes"
        words += " them as they are; no names will help."
        yield Proposal("quantized", words, f"# {_QUANTIZE_FIRST}")


def _scales(case: Case) -> dict[str, str]:
    """{key of such a matrix: the first key of floats beside it or below it that the model has no
    place for}."""
    floats = [key for key in case.left if _is_wide(case.given[key])]
    owners = {owner_of(key): key for key in reversed(floats)}
    found: dict[str, str] = {}
    for key, value in case.given.items():
        expected = case.model.expected.get(key)
        scale = expected and (owners.get(f"{key}.") or owners.get(owner_of(key)))
        if scale and isinstance(value, torch.Tensor) and value.ndim > 1:
            if _is_wide(expected) and not _is_wide(value):
                found[key] = scale
    return found


def _is_wide(one: torch.Tensor | Outline) -> bool:
    """Has it floating-point numbers of two bytes and more?"""
    kind = one.dtype
    if not isinstance(kind, torch.dtype):
        return False
    return kind.itemsize > 1 and (kind.is_floating_point or kind.is_complex)
