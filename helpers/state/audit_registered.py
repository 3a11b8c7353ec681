"""The rules of `audit` for registered tensors: Parameters and buffers, one by one and together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import torch
from torch import nn

from helpers.state.code_lines import assign, forget, own_memory, own_numbers, reading
from helpers.state.findings import Symptom, rule
from helpers.state.holders import AGAIN, Holders, Record, Registered, in_each_storage
from helpers.state.memory import Span, apart, laid_out_alike, overlap
from helpers.state.objects import (
    META,
    bytes_in_words,
    differentiable,
    facts,
    is_parameter,
    plural,
)
from helpers.state.places import Place
from helpers.state.torch_private import is_inference, is_lazy, is_leaf
from helpers.state.walk import NOT_SAVED

# The last is what a linear layer without a bias does, on the CPU: it says nothing.
USE_OF_META = "what is computed with it fails, has none either, or has whatever stood in memory"
COPY_OF_MODULE = "register copy.deepcopy(module) where the module stands for the second time"


def several(paths: list[str]) -> str:
    """ "2 names: also 'a.weight'": the first of `paths` is where the finding stands."""
    count = f"{len(paths)} names" if len(paths) < AGAIN else "several names"
    more = ", …" if len(paths) > AGAIN else ""
    return f"{count}: also {', '.join(map(repr, paths[1:AGAIN]))}{more}"


def move_that_parts(tensor: torch.Tensor) -> str:
    """The move after which a registered tensor has other memory. Whole numbers keep their dtype."""
    kept = not differentiable(facts(tensor).dtype)
    return ".to() another device" if kept else ".to() another dtype or device"


def whether_saved(model: Holders, record: Record) -> str:
    """What state_dict() does with a tensor that torch does not save, as far as the module has no
    rules of its own.
    """
    saves = model.facts_of(record).saving(record.part)
    if saves:
        return f"whether it is saved is for {saves} to say"
    return "state_dict() does not save it"


def _own_memory(one: Registered) -> str:
    return own_memory(one.place.name, one.tensor, parameter=one.is_parameter)


@rule("tied-parameter", "info", "parameter")
def tied_parameter(model: Holders) -> Iterator[Symptom]:
    """Told by identity. Two Parameters around one memory are `shared_memory`."""
    for one in model.special:
        names = model.names(one)
        if not one.is_parameter or len(names) == 1:
            continue
        slots = set(map(model.slot, names))
        message = (
            f"one Parameter under {several([model.path(name) for name in names])}; a file has an "
            "entry for each, of which safetensors takes one only"
        )
        if len(slots) > 1:  # a module that stands at two places stays one
            message += ", and a load of plain tensors with assign=True parts them, unless the "
            message += "model ties them again"
        fix = COPY_OF_MODULE if len(slots) == 1 else _own_memory(one)
        yield Symptom(one.place, message, f"if not meant: {fix}")


@rule("shared-state", "info", "buffer")
def tied_buffer(model: Holders) -> Iterator[Symptom]:
    """A buffer that is registered twice, but not with a module that is."""
    for one in model.special:
        slots = {model.slot(name): name for name in model.names(one)}
        if one.is_parameter or len(slots) == 1 or one.place != model.names(one)[0]:
            continue
        message = (
            f"one buffer under {several([model.path(name) for name in slots.values()])}; what "
            f"writes into it writes into all, and {move_that_parts(one.tensor)} parts them"
        )
        yield Symptom(one.place, message, f"if not meant: {_own_memory(one)}")


@rule("frozen-parameter", "info", "parameter")
def frozen_parameter(model: Holders) -> Iterator[Symptom]:
    message = (
        "requires_grad is False: no backward pass gives it a gradient, and a step without one "
        "passes over it"
    )
    for place, kind, tensor in model.special:
        if kind == "parameter" and facts(tensor).requires_grad is False:
            fix = f"{reading(place.name)}.requires_grad_(True)"
            if not differentiable(facts(tensor).dtype):
                line = f"self.register_buffer({place.name!r}, tensor)"
                fix = f"{line}  # of whole numbers, in place of the Parameter"
            yield Symptom(place, message, f"if not meant: {fix}")


@rule("uninitialized", "info", "parameter")
def uninitialized(model: Holders) -> Iterator[Symptom]:
    message = (
        "has no shape yet: it gets one from the first batch or a load, and cannot be counted before"
    )
    for one in model.special:
        if is_lazy(one.tensor):
            yield Symptom(one.place, message, "model(batch)  # once, before the optimizer is made")


@rule("unsaved-buffer", "info", NOT_SAVED)
def unsaved_buffer(model: Holders) -> Iterator[Symptom]:
    """Told for each name: torch keeps which names are not saved, not which tensors."""
    unsaved = [one for one in model.special if one.kind == NOT_SAVED]
    for place, _, tensor in [slot for one in unsaved for slot in model.slots(one)]:
        line = f"self.register_buffer({place.name!r}, {reading(place.name)})"
        lost = _lost_by_a_move(facts(tensor).dtype)
        if lost:
            line += "  # if a move changed its numbers: compute them anew after it"
        saved = whether_saved(model, model.record_at(place))
        own = model.own_move(place.node)
        moved = f"whether .to() moves it is for {own} to say" if own else ".to() moves it"
        message = f"a buffer with persistent=False: {moved}, {saved}{lost}"
        yield Symptom(place, message, f"if it should be saved: {line}")


def _lost_by_a_move(dtype: torch.dtype | None) -> str:
    if dtype is not None and dtype.is_complex:
        return "; .to() a real dtype takes its imaginary part away for good"
    if dtype is not None and dtype.is_floating_point:
        return "; .to() a shorter dtype rounds it for good"
    return ""


@rule("buffer-needs-grad", "warning", "buffer")
def buffer_needs_grad(model: Holders) -> Iterator[Symptom]:
    listed = {id(one.tensor): one.place for one in model.parameters}
    for place, kind, tensor in model.special:
        if kind == "parameter" or not facts(tensor).requires_grad:
            continue
        if id(tensor) in listed:
            yield _parameter_as_buffer(place, model.path(listed[id(tensor)]))
            continue
        message = (
            "a buffer that wants gradients: parameters() does not list it, so no optimizer made "
            "from them trains it"
        )
        if not is_leaf(tensor):
            message += ", and it keeps the graph alive that it was computed in"
        keep = assign(place.name, f"{reading(place.name)}.detach()")
        train = assign(place.name, f"nn.Parameter({reading(place.name)}.detach())")
        fix = f"{keep}  # or, to train it: {train}"
        if is_parameter(tensor) or model.meant_as_parameter(tensor):
            fix = f"{train}  # or, not to train it: {keep}"
        yield Symptom(place, message, fix)


def _parameter_as_buffer(place: Place, first: str) -> Symptom:
    message = f"a buffer that is the Parameter {first!r} as well, and is trained under that name"
    fix = f"{forget(place.name)}  # and read {first!r} from the model where it is used"
    return Symptom(place, message, f"{fix}; or, for numbers of its own: {own_numbers(place.name)}")


@rule("shared-memory", "warning", "parameter")
def shared_memory(model: Holders) -> Iterator[Symptom]:
    """Two tensors around one memory: a tie that is none, a buffer that is a Parameter's numbers."""
    for parts in in_each_storage(model.in_odd_memory).values():
        if not apart([span for _, span in parts]):
            yield from _overlaps(model, parts)


def _overlaps(model: Holders, parts: list[tuple[Registered, Span]]) -> Iterator[Symptom]:
    for position, (one, span) in enumerate(parts):
        same = next((other for other in parts[:position] if overlap(span, other[1])), None)
        if same:
            yield _sharing(model, one, span, *same)


def _sharing(
    model: Holders, one: Registered, span: Span, other: Registered, its_span: Span
) -> Symptom:
    first = model.path(other.place)
    message = (
        f"has memory in common with {first!r}, and is another tensor: what writes into one, as a "
        f"load or a step does, changes both; {move_that_parts(one.tensor)} parts them"
    )
    line = _own_memory(one)
    same_numbers = span == its_span and laid_out_alike(one.tensor, other.tensor)
    if one.is_parameter and other.is_parameter and same_numbers:
        if facts(one.tensor).requires_grad and facts(other.tensor).requires_grad:
            message += (
                "; each has a gradient of its own, so an optimizer steps on the numbers twice"
            )
        line = f"{_tie(model, one.place, first)}  # to tie them; or, for numbers of its own: {line}"
    return Symptom(one.place, message, line)


def _tie(model: Holders, place: Place, first: str) -> str:
    """The line that makes a Parameter the one at the path `first`."""
    owner = (
        f"model.get_submodule({model.path(model.nodes[place.node])!r})" if place.node else "model"
    )
    return f"setattr({owner}, {place.name!r}, model.get_parameter({first!r}))"


@rule("expanded-tensor", "warning", "buffer")
def expanded_tensor(model: Holders) -> Iterator[Symptom]:
    """What torch refuses to copy into. No load does so with a buffer that is not saved."""
    message = (
        "an expanded tensor: several of its elements are one place in memory, and torch refuses a "
        "load without assign=True, and a step that is not fused"
    )
    for one, span in model.in_odd_memory:
        if span.expanded and one.kind != NOT_SAVED:
            yield Symptom(one.place, message, _own_memory(one))


@rule("part-of-storage", "info", "parameter")
def part_of_storage(model: Holders) -> Iterator[Symptom]:
    """One finding for a storage. The weights of a recurrent layer are laid together by torch."""
    parts = [
        (one, span)
        for one, span in model.in_odd_memory
        if span.partial and not issubclass(model.record_at(one.place).kind, nn.RNNBase)
    ]
    for (one, span), *others in in_each_storage(parts).values():
        if not others and span.size < 2 * span.reach:
            continue  # more than half is in use, as of a window that leaves out a number or two
        also = f", as {plural(len(others), 'is', 'are')} {len(others):,} more" if others else ""
        message = (
            f"is a part of a storage of {bytes_in_words(span.size)}{also}: torch.save() writes the "
            "whole storage, however little of it is used"
        )
        yield Symptom(one.place, message, f"if the file grows too large: {_own_memory(one)}")


@rule("inference-tensor", "warning", "plain value")
def inference_tensor(model: Holders) -> Iterator[Symptom]:
    """One finding for all registered tensors: such a model was built in one place."""
    made = [one for one in model.registered.values() if is_inference(one.tensor)]
    if made:
        more = len(made) - 1
        many = f", as {plural(more, 'was', 'were')} {more:,} more" if more else ""
        message = (
            f"was made under torch.inference_mode(){many}: outside of it torch refuses operations "
            "in place, as a step that is not fused needs, or a load without assign=True, and to "
            "save it for a backward pass, as a product needs"
        )
        where = "outside of torch.inference_mode(), before the optimizer is made"
        fix = f"model = copy.deepcopy(model)  # {where}"
        yield Symptom(made[0].place, message, fix)


@rule("left-on-meta", "warning", "plain value")
def left_on_meta(model: Holders) -> Iterator[Symptom]:
    for one in model.left_on_meta:
        name, line = one.place.name, "model.load_state_dict(state_dict, strict=False, assign=True)"
        fix = f"{line}  # of a file that has it"
        tied = _likely_tie(model, one)
        if tied:
            fix += f"; or, if it is to be {tied!r}: {_tie(model, one.place, tied)}"
        if one.kind == NOT_SAVED:
            line = f"self.register_buffer({name!r}, tensor, persistent=False)"
            fix = f"{line}  # computed anew, on the device of the others"
        message = (
            "on the device meta, among tensors that have numbers: it has none, so .to() cannot "
            f"move it, and {USE_OF_META}"
        )
        yield Symptom(one.place, message, fix)


def _likely_tie(model: Holders, one: Registered) -> str | None:
    """The one Parameter with numbers that has the shape of a table or matrix on meta: it may have
    been tied to that, until a load with assign=True parted them."""
    shape = facts(one.tensor).shape
    if not one.is_parameter or len(shape or ()) < 2:
        return None
    same = [
        other
        for other in model.parameters
        if facts(other.tensor).shape == shape and facts(other.tensor).device != META
    ]
    return model.path(same[0].place) if len(same) == 1 else None


@rule("mixed-device", "info", "module")
def mixed_device(model: Holders) -> Iterator[Symptom]:
    devices: Counter[str] = Counter()
    for (_, device), count in model.dtypes_and_devices.items():
        told = model.left_on_meta and device == META
        if device is not None and not told:
            devices[str(device)] += count
    if len(devices) > 1:
        message = f"its tensors stand on several devices: {_counted(devices)}"
        fix = "if not meant: model.to(device)"
        if "meta" in devices:
            message += "; those on meta have no numbers, and .to() cannot move them"
            fix = (
                "model.load_state_dict(state_dict, assign=True)  # of a file that has their numbers"
            )
        yield Symptom("", message, fix)


@rule("mixed-dtype", "info", "module")
def mixed_dtype(model: Holders) -> Iterator[Symptom]:
    dtypes: Counter[str] = Counter()
    for (dtype, _), count in model.dtypes_and_devices.items():
        if dtype is not None and dtype.is_floating_point:
            dtypes[str(dtype)] += count
    if len(dtypes) > 1:
        message = f"its tensors have several floating dtypes: {_counted(dtypes)}"
        fix = "model.to(torch.float32)"
        if any(dtype is not None and dtype.is_complex for dtype, _ in model.dtypes_and_devices):
            fix = (
                "part.to(torch.float32)  # of each part that has no complex tensor: .to() a real "
                "dtype takes its imaginary part away for good"
            )
        yield Symptom("", message, f"if not meant: {fix}")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} × {what}" for what, count in counts.items())
