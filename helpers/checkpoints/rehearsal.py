"""A load rehearsed: torch's own `load_state_dict`, run on a stand-in that shares nothing with the
module."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from helpers.checkpoints.comparison import raised_by_torch
from helpers.checkpoints.originals import Originals
from helpers.checkpoints.outlines import blank_array, blank_of, entries_of, is_array, namesake
from helpers.checkpoints.stand_in import StandIn, stand_in_for
from helpers.checkpoints.twin import LoadReport
from helpers.state.objects import ATOMS
from helpers.state.torch_private import METADATA

_DEPTH = 5  # how many dictionaries inside one another are read


def rehearse(model: StandIn, given: Mapping) -> LoadReport:
    """Load `given` into a stand-in by torch's own `load_state_dict`.

    RecursionError for a module that is nested more deeply than torch can walk."""
    report = LoadReport()
    model.reports.append(report)
    hook = model.twin.register_load_state_dict_post_hook(report.finish)
    try:
        with _copying():
            nn.Module.load_state_dict(model.twin, given, strict=False)
    except RecursionError:
        words = "its load_state_dict() fails in the same way"
        reason = f"this module is nested more deeply than torch itself can walk: {words}."
        raise RecursionError(reason) from None
    except Exception as error:
        if not report.finished:  # else it is torch's report, of which all is noted
            report.crash = raised_by_torch(error)
    finally:
        hook.remove()
    return report


@contextmanager
def _copying() -> Iterator[None]:
    """Loads copy, and do not swap, whatever the learner has chosen: both take the same tensors."""
    swaps = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(False)
    try:
        yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swaps)


def blanks(value: Any, originals: Originals, depth: int = _DEPTH) -> Any:
    """`value` with a blank for each tensor, in the dictionaries inside it too, and what they say of
    versions; `originals` notes for what each stands. A module becomes its twin, an array one of one
    element."""
    kind = type(value)
    if issubclass(kind, torch.Tensor):
        made = blank_of(value)
        originals.note(made, value)
        return made
    if depth == _DEPTH or (depth and issubclass(kind, dict)):
        return _blank_dict(value, originals, depth)
    if issubclass(kind, nn.Module):
        return _twin_of(value, originals)
    if is_array(value):
        return blank_array(value)
    return value if kind in ATOMS else namesake(kind, object)()


def _twin_of(module: nn.Module, originals: Originals) -> nn.Module | None:
    """The twin of a module in a file; None for one that torch cannot walk."""
    try:
        model = stand_in_for(module)
    except ValueError:
        return None
    vars(model.twin)["saved_by"] = model.saved_by  # of all its parts
    spots = nn.Module.state_dict(model.twin, keep_vars=True)
    for names in model.names.values():
        for key in names:  # of one tensor, for which each name has a blank of its own
            originals.note(spots[key], names)
    return model.twin


def _blank_dict(mapping: Mapping, originals: Originals, depth: int) -> dict:
    kind = type(mapping)
    if issubclass(kind, OrderedDict):
        made = OrderedDict()
    else:
        made = {} if kind is dict else namesake(kind, dict)()
    made.update(
        (key, blanks(one, originals, depth - 1)) for key, one in entries_of(mapping).items()
    )
    notes = getattr(mapping, METADATA, None)
    if issubclass(type(notes), dict) and notes:
        texts = {key: dict(one) for key, one in notes.items() if issubclass(type(one), dict)}
        setattr(made, METADATA, texts)
    return made
