"""What is wrong with the state of a model: found by reading it, nothing run, nothing changed.

The rules stand in the four modules beside this one, each with its code, its severity and its words.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from helpers.state import audit_modules, audit_optimizers, audit_plain, audit_registered
from helpers.state.audit_optimizers import Training
from helpers.state.findings import SEVERITIES, Finding, Findings, Found
from helpers.state.holders import Holders
from helpers.state.objects import collector_paused, require_module
from helpers.state.optimizers import Optimizers
from helpers.state.torch_private import without_torch_function

# In the order in which the findings of one attribute stand.
_RULES = (
    audit_modules.not_initialized,
    audit_modules.part_of_itself,
    audit_modules.unhashable_module,
    audit_registered.tied_parameter,
    audit_registered.tied_buffer,
    audit_modules.module_under_several_names,
    audit_modules.default_argument,
    audit_registered.frozen_parameter,
    audit_registered.uninitialized,
    audit_registered.unsaved_buffer,
    audit_registered.buffer_needs_grad,
    audit_registered.shared_memory,
    audit_registered.expanded_tensor,
    audit_registered.part_of_storage,
    audit_registered.inference_tensor,
    audit_registered.left_on_meta,
    audit_modules.hidden_by_the_instance,
    audit_modules.hidden_by_the_class,
    audit_plain.hidden_module,
    audit_plain.hidden_parameter,
    audit_plain.stale_alias,
    audit_plain.kept_graph,
    audit_plain.kept_inference_tensor,
    audit_plain.plain_left_on_meta,
    audit_plain.plain_tensor,
    audit_modules.class_attribute,
    audit_modules.uncalled_methods,
    audit_registered.mixed_device,
    audit_registered.mixed_dtype,
)
_RULES_OF_TRAINING = (
    audit_optimizers.missed_parameter,
    audit_optimizers.untouched_module,
    audit_optimizers.held_twice,
    audit_optimizers.misfit_memory,
    audit_optimizers.stale_tensor,
    audit_optimizers.foreign_tensors,
    audit_optimizers.master_copies,
)


def audit(module: nn.Module, *optimizers: Any) -> Findings:
    """The state bugs of `module` and all modules below it, as a list of `Finding`: errors, then
    warnings, then notes.

    Within a severity they stand in the order of the model. A path is the first name of what it
    names: a module, a Parameter or a container with several names is judged once, and there is one
    finding for a code and an attribute, however many tensors the attribute holds. Tensors and
    modules in nested plain containers are found; those in other objects are not looked for. A
    module in a plain container that is registered elsewhere in the model, as a parent or the root
    is, is no finding, and neither are the plain tensors that torch's own classes and hooks keep for
    themselves (an LSTM's, `weight_norm`'s, those of pruning).

    With `optimizers`, each an `Optimizer` or a wrapper with `param_groups`, a trainable parameter
    that none of them holds is "optimizer-misses": an error where one holds its neighbours, or a
    tensor that the model has nowhere; else a warning for the largest part of which they hold
    nothing. Such a tensor is "optimizer-stale": an error where a parameter is missed, else one
    warning for all of them; one note for a master copy in float32 of what is missed. Its path is
    the position, as `param_groups[0]['params'][3]`, behind `optimizers[1].` where there are
    several.

    Only dictionaries of instances and classes are read: no property, `__getattr__`, `__repr__` or
    hook runs, no tensor is copied, nothing is written, and the findings hold text alone. Where a
    class has rules of its own for moving or saving, they are named. "mixed-device" and
    "mixed-dtype" count registered tensors.

    Raises TypeError if `module` is not an `nn.Module` instance, or for what is no optimizer.
    """
    require_module(module, "audit")
    with collector_paused(), without_torch_function():
        given = Optimizers(optimizers)
        model = Holders(module)
        found = [one for rule in _RULES for one in rule(model)]
        if given.read:
            training = Training(model, given)
            found += [one for rule in _RULES_OF_TRAINING for one in rule(training)]
        return Findings(_in_order(model, found))


def _in_order(model: Holders, found: list[Found]) -> list[Finding]:
    """By severity, then as things stand in the model; what is in no place of it comes last."""
    ranks = list(SEVERITIES)

    def key(one: Found) -> tuple:
        where = one.symptom.where
        elsewhere = type(where) is str
        return ranks.index(one.severity), elsewhere, () if elsewhere else model.order(where)

    return [_finding(model, one) for one in sorted(found, key=key)]


def _finding(model: Holders, found: Found) -> Finding:
    code, severity, (where, message, fix) = found
    path = where if type(where) is str else model.path(where)
    return Finding(code, severity, path, message, fix)
