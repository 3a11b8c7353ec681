"""Advice on what the file lacks."""

from __future__ import annotations

from collections.abc import Iterator

from helpers.checkpoints.case import Case, Proposal, as_comment, keeping, keys_said, owner_of
from helpers.checkpoints.names import RUNNING, is_extra_state, is_parametrized, last_part
from helpers.state.objects import brief


def tied(case: Case) -> Iterator[Proposal]:
    """Missing keys of a tensor that is there under another of its names."""
    same = {}
    for names in case.model.names.values():
        there = [key for key in names if key in case.given]
        same |= {key: there[0] for key in names if there and key in case.report.missing}
    if same:
        key, other = next(iter(same.items()))
        words = f"In the model {brief(key)} is the same tensor as {brief(other)}, which is there"
        words += f" ({len(same):,} such)" if len(same) > 1 else ""
        words += ": it is not lacking, and strict=False is right for it. For a strict load, name"
        words += " it twice."
        again = "**{key: state_dict[other] for key, other in same.items()}"
        yield Proposal("tied", words, f"same = {same!r}\nstate_dict = {{**state_dict, {again}}}")


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
    written."""
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
    if kept and case.belongs:
        words = keys_said(kept, "is a buffer that was not saved", "are buffers that were not saved")
        yield Proposal("persistent", f"{words}: keep the value that the model has.", keeping(kept))
