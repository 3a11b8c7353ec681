"""Advice on what the file lacks."""

from __future__ import annotations

from collections.abc import Iterator

from helpers.checkpoints.case import Case, Proposal, as_comment, keeping, keys_said, owner_of
from helpers.checkpoints.names import (
    RUNNING,
    STATISTICS,
    is_extra_state,
    is_parametrized,
    last_part,
)
from helpers.checkpoints.shaping import is_computed
from helpers.state.objects import bases, brief
from helpers.state.torch_private import NormBase


def tied(case: Case) -> Iterator[Proposal]:
    """Missing keys of a tensor that is there under another of its names. Where something like it
    is left in the file, the two may have been apart when it was saved."""
    apart = {key: _others(case, key, there) for key, there in case.named_otherwise.items()}
    for doubtful in (False, True):
        same = {
            key: one for key, one in case.named_otherwise.items() if doubtful == any(apart[key])
        }
        if not same:
            continue
        key, there = next(iter(same.items()))
        words = f"In the model {brief(key)} is the same tensor as {brief(there)}, which is there"
        words += f" ({len(same):,} such)" if len(same) > 1 else ""
        code = f"same = {same!r}\n{_TWICE}"
        if doubtful:
            words += f". But {brief(apart[key][0])} in the file has its shape and ending, and no"
            words += " place: whether it is the other of two that were apart when the file was"
            words += " saved, only you can say. If so, build the model with the two apart. If not,"
            words += f" name {brief(there)} twice:"
            yield Proposal("tied", words, as_comment(code), if_so=code)
        else:
            words += ": it is not lacking, and strict=False is right for it. For a strict load,"
            words += " name it twice."
            yield Proposal("tied", words, code)


_TWICE = "state_dict = {**state_dict, **{key: state_dict[other] for key, other in same.items()}}"


def _others(case: Case, key: str, there: str) -> list[str]:
    """What is left in the file with the shape and the ending of a missing key, and has not, as far
    as can be told, the same numbers as what is there under its other name."""
    alike = [one for one in case.left if last_part(one) == last_part(key)]
    alike = [one for one in alike if case.left[one] == case.own.shapes[key]]
    return [one for one in alike if not case.originals.same(case.given[one], case.given[there])]


def crowded(case: Case) -> Iterator[Proposal]:
    """Several tensors of the file for one of the model, of which a load keeps the last."""
    if case.crowds:
        keys, differ = case.crowds[0]
        words = f"In the model {case.crowds[0].words}"
        words += f" ({len(case.crowds):,} such)" if len(case.crowds) > 1 else ""
        words += ", and in the file they differ" if differ else ", and in the file they may differ"
        words += f": a load copies one over the other, and the last, {brief(keys[-1])}, stays. If"
        words += " they were apart when the file was saved, build the model with them apart. If the"
        words += f" first, {brief(keys[0])}, is to stay:"
        same = {key: crowd.keys[0] for crowd in case.crowds for key in crowd.keys[1:]}
        code = f"same = {same!r}\n{_TWICE}"
        yield Proposal("one of several", words, as_comment(code), if_so=code)


def extra_state(case: Case) -> Iterator[Proposal]:
    keys = [key for key in case.report.missing if is_extra_state(key)]
    if keys and case.belongs:
        words = keys_said(keys, "is extra state", "are extra state")
        words += " that is not in the file. Keep the layer's own."
        yield Proposal("extra state", words, keeping(keys))


def untrained(case: Case) -> Iterator[Proposal]:
    """Missing parameters, while the model has a place for all that the file has: a new head, or a
    file of an adapter alone."""
    keys = [key for key in case.report.missing if key not in case.model.buffers]
    decided = tuple(rule.prefix for rule in case.model.rules)
    keys = [key for key in keys if key in case.own.shapes and not key.startswith(decided)]
    if keys and case.belongs and not case.left:
        words = keys_said(keys, "is not in the state_dict, and keeps what it has", _MANY_KEPT)
        words += ": in a new model, numbers that nobody has trained. If that is meant, as of a new"
        words += " head, or of a file that has a part alone, load with strict=False; or give the"
        words += " model's own, as here. If not, build the model as the one that was saved."
        code = keeping(case.with_buffers(keys, case.report.missing))
        yield Proposal("untrained", words, as_comment(code), if_so=code)


_MANY_KEPT = "are not in the state_dict, and keep what they have"


def unsaved(case: Case) -> Iterator[Proposal]:
    """Missing buffers of modules that lack no parameter: they were not persistent when the file was
    written, or their module was not there."""
    buffers = case.model.buffers
    lacking = {owner_of(key) for key in case.report.missing if key not in buffers}
    # The file may have it under another name.
    maybe = {*case.alike.values(), *case.shifted.values()}
    left = {(last_part(key), shape) for key, shape in case.left.items()}
    maybe |= {key for key, shape in case.missing.items() if (last_part(key), shape) in left}
    keys = [key for key in case.report.missing if key in buffers and key not in maybe]
    keys = [key for key in keys if owner_of(key) not in lacking]
    lost = [key for key in keys if last_part(key) in RUNNING]
    begun = {owner_of(key) for key in lost}
    kept = [key for key in keys if owner_of(key) not in begun and not is_parametrized(key)]
    if lost and case.belongs:
        words = keys_said(lost, "is not in the file", "are not in the file")
        words += ". The model keeps its own, in a new model those of a layer that has seen nothing."
        advice = "# Take a file with the whole state_dict, or run module.train() over data."
        yield Proposal("lost statistics", words, advice)
    sure = [key for key in kept if is_computed(case, key) or _is_idle_count(case, key)]
    if sure and case.belongs:
        words = keys_said(sure, "is a buffer that was not saved", "are buffers that were not saved")
        yield Proposal("persistent", f"{words}: keep the value that the model has.", keeping(sure))
    unsure = [key for key in kept if key not in sure]
    if unsure and case.belongs:
        words = keys_said(unsure, "is a buffer that is not", "are buffers that are not")
        words += " in the file. What the model has is right if it is computed when the model is"
        words += (
            " built, or if that part is new; not if it was learned, counted or drawn: then take"
        )
        words += " a file that has it. Only you can say. To keep what the model has:"
        code = keeping(unsure)
        yield Proposal("persistent", words, as_comment(code), if_so=code)


def _is_idle_count(case: Case, key: str) -> bool:
    """Is this the count of batches of a norm that does not read it? With momentum=None the mean is
    divided by it."""
    if last_part(key) not in STATISTICS or NormBase not in bases(case.class_around(key)):
        return False
    norm = case.model.twin.get_submodule(owner_of(key)[:-1])
    return vars(norm).get("momentum") is not None
