"""How a state_dict will fit, told before anything is loaded, and what to do where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from helpers.checkpoints.advice import advise
from helpers.checkpoints.case import Case
from helpers.checkpoints.comparison import Comparison, Outline, differences
from helpers.checkpoints.instead import require_state_dict
from helpers.checkpoints.optimizer import compare_optimizer
from helpers.checkpoints.outlines import outline, pairs
from helpers.checkpoints.rehearsal import blanks, rehearse
from helpers.checkpoints.stand_in import stand_in_for
from helpers.checkpoints.twin import LoadReport
from helpers.checkpoints.verdict import doubts, verdict
from helpers.state.objects import require_module, text, type_name
from helpers.state.torch_private import without_torch_function


def compare_checkpoint(module: nn.Module | Optimizer, state_dict: Mapping[str, Any]) -> Comparison:
    """What `module.load_state_dict(state_dict)` would say, and what to do about it, before anything
    is loaded.

    `module` is any `nn.Module` instance, `state_dict` any mapping, a whole checkpoint with a
    state_dict somewhere in it included. The real `load_state_dict` runs on a stand-in on the meta
    device: modules of torch's classes with tensors of the same names and shapes. Nothing of the
    learner's runs or changes: no own method or hook, no tensor, no random number. Each step of
    `advice` was run on the stand-in too. For an optimizer and its state: sizes of groups, and the
    memory by position.

    TypeError: `module` is no module, or `state_dict` no mapping. ValueError: torch cannot walk the
    module, since it contains itself or its `__init__` was not run. RecursionError: it is nested
    more deeply than torch can walk."""
    if issubclass(type(module), Optimizer):
        require_state_dict(state_dict)
        return compare_optimizer(module, state_dict)
    require_module(module, "compare_checkpoint")
    require_state_dict(state_dict)
    with without_torch_function():  # no function of a tensor subclass runs
        found = {text(key): outline(value) for key, value in pairs(state_dict).items()}
        model, given = stand_in_for(module), blanks(state_dict)
    case = Case(model, given, rehearse(model, given))
    return _told(type_name(module), case, found)


def _told(name: str, case: Case, found: dict[str, Outline]) -> Comparison:
    """The answer of torch, and beside it what only the two sides together tell."""
    model, report = case.model, case.report
    expected, loaded = model.expected, set(report.loaded)
    matched = [key for key in expected if key in found and key in loaded]
    tensors = [key for key in matched if expected[key].dtype and found[key].dtype]
    packed = set(matched) - set(tensors)
    return Comparison(
        type=name,
        loads=verdict(model, report),
        doubts=doubts(model, report),
        matched=matched,
        missing=report.missing,
        unexpected=report.unexpected,
        mismatched=report.mismatched,
        refused=report.refused,
        silent=[] if report.crash else _passed_over(expected, found, report),
        non_tensors=[
            (key, one.type) for key, one in found.items() if not one.dtype and key not in packed
        ],
        dtypes=differences(tensors, expected, found, "dtype"),
        devices=differences(tensors, expected, found, "device"),
        errors=report.errors + [report.crash] * bool(report.crash),
        own_rules=[(rule.owner, rule.name) for rule in model.rules],
        advice=advise(case),
        expected=expected,
        found=found,
    )


def _passed_over(expected: dict, found: dict, report: LoadReport) -> list[str]:
    """The keys of one side alone of which torch does not complain."""
    said = {one.key for one in report.mismatched}
    said.update(report.missing, report.unexpected, report.refused)
    alone = [key for key in expected if key not in found]
    alone += [key for key in found if key not in expected]
    return [key for key in alone if key not in said]
