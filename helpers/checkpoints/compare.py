"""How a state_dict will fit, told before anything is loaded, and what to do where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import nn
from torch.optim import Optimizer

from helpers.checkpoints.advice import advise
from helpers.checkpoints.case import Case
from helpers.checkpoints.comparison import Comparison
from helpers.checkpoints.instead import require_state_dict
from helpers.checkpoints.optimizer import compare_optimizer
from helpers.checkpoints.originals import Originals
from helpers.checkpoints.outlines import entries_of, outline
from helpers.checkpoints.rehearsal import blanks, rehearse
from helpers.checkpoints.stand_in import stand_in_for
from helpers.checkpoints.telling import comparison_of
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
        found = {text(key): outline(value) for key, value in entries_of(state_dict).items()}
        model, originals = stand_in_for(module), Originals()
        given = blanks(state_dict, originals)
    case, name = Case(model, given, rehearse(model, given), originals), type_name(module)
    answer = comparison_of(name, case, model.expected, found)
    return replace(answer, advice=advise(case, answer))
