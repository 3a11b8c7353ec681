"""How the state_dict of an optimizer fits an optimizer: groups by their sizes, memory by position.

Torch compares the sizes of the groups alone. Whether the memory has the shape of its parameter
shows at the next step; here it is told before, by a step of a twin that has no numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from helpers.checkpoints.comparison import (
    Advice,
    Comparison,
    Mismatch,
    Outline,
    conversions_of,
    differences,
    raised_by_torch,
)
from helpers.checkpoints.instead import mappings_in, whole_checkpoint
from helpers.checkpoints.outlines import blank_of, oddity, outline
from helpers.state.objects import (
    ATOMS,
    META,
    attributes,
    bases,
    brief,
    class_dict,
    class_name,
    differentiable,
    from_torch,
    hooks_in,
    type_name,
)
from helpers.state.optimizers import NAMES
from helpers.state.torch_private import OPTIMIZER_LOAD_HOOKS, without_torch_function

STATE, GROUPS, PARAMS = "state", "param_groups", "params"
# Faster ways to do the same step, which do not work without numbers.
_FAST = ("foreach", "fused", "capturable")
_READ_WHEN_MADE = {"initial_accumulator_value"}  # a setting that no step reads
_RULES = ("load_state_dict", "__setstate__", "step")


class OptimizerComparison(Comparison):
    """What `optimizer.load_state_dict(state_dict)` makes of the memory of an optimizer.

    As a `Comparison`, with keys like `state[0]['exp_avg']`, by position, and `param_groups[0]` for
    what differs in a group. `loads`: torch takes it, and the next step finds the memory it needs,
    and no other. `silent`: memory of parameters that have none in the file, as without a gradient.
    """

    answers = {True: "fits", False: "does not fit"}


def compare_optimizer(optimizer: Optimizer, state_dict: Mapping) -> OptimizerComparison:
    """Torch's own `load_state_dict` of an optimizer, and a step, on parameters without numbers."""
    path, saved, others = _find(optimizer, state_dict)
    if GROUPS in saved and not _is_state(saved):
        return _of_no_optimizer(optimizer)
    if path:
        inner = compare_optimizer(optimizer, saved)
        step = _nested(path, others, inner.loads)
        _, errors = _loaded(optimizer, state_dict)
        return replace(inner, loads=False, errors=errors, advice=[step, *inner.advice])
    own, theirs = _groups(attributes(optimizer)), _groups(saved)
    twin, errors = _loaded(optimizer, saved)
    refused = [] if errors or _own_rules(optimizer) else _refused_memory(optimizer, saved)
    errors += refused
    if not any(rule == "step" for _, rule in _own_rules(optimizer)):
        # A step that fails before the load too needs numbers, and says nothing of the file.
        usual, after = _error_of_step(_twin(optimizer, own)), _error_of_step(twin)
        errors += [f"at the next step, {after}"] if after and not (usual or refused) else []
    expected, found = _memory_of(twin, own), _memory_in(saved, theirs)
    both = [key for key in expected if key in found]
    mismatched = [*_group_mismatches(own, theirs), *differences(both, expected, found, "shape")]
    wrong = {one.key for one in mismatched}
    matched = [key for key in both if key not in wrong]
    begun = {_position(key) for key in found}  # the parameters that have any memory in the file
    lacking = [key for key in expected if key not in found]
    missing = [key for key in lacking if _position(key) in begun]
    unexpected = [key for key in found if key not in expected] if expected else []
    as_text = _positions_as_text(saved, theirs)
    unexpected += [f"{STATE}[{position!r}]" for position in as_text]
    rules = _own_rules(optimizer)
    lost = [] if rules else _settings_lost(own, theirs, twin)
    doubts = _doubts(optimizer, expected, found)
    fits = not (errors or mismatched or missing or unexpected or lost)
    return OptimizerComparison(
        type=type_name(optimizer),
        loads=None if fits and doubts else fits,
        doubts=doubts,
        matched=matched,
        missing=missing,
        unexpected=unexpected,
        mismatched=mismatched,
        refused=[],
        silent=[key for key in lacking if _position(key) not in begun],
        non_tensors=[(key, one.type) for key, one in found.items() if not one.dtype],
        **conversions_of(matched, expected, found),
        errors=errors,
        own_rules=rules,
        advice=[
            *_advice_on_text(as_text),
            *_advice_on_more(unexpected, bool(as_text or mismatched or lost), fits),
            *_advice(own, theirs, found, mismatched, lost, fits),
        ],
        expected=expected,
        found=found,
    )


def _find(optimizer: Optimizer, mapping: Mapping) -> tuple[str, Mapping, list[str]]:
    """Where the state of an optimizer stands, in a whole checkpoint too, that state, and the places
    of others that fit no less; the mapping itself where there is none. Of several it is the one
    that fits, the first of those that do, or of all."""
    if _is_state(mapping):
        return "", mapping, []
    found = _states_in(mapping)
    if len(found) > 1:
        fits = {path: compare_optimizer(optimizer, one).loads for path, one in found.items()}
        found = {path: found[path] for path in found if fits[path] is not False} or found
    first, *others = found or [""]
    return first, found.get(first, mapping), others


def _states_in(mapping: Mapping) -> dict[str, Mapping]:
    """The states of optimizers in a checkpoint, by place; Lightning has them in a list."""
    found = {}
    for path, one in mappings_in(mapping).items():
        if _is_state(one):
            found[path] = one
        for key, value in one.items():
            if type(value) in (list, tuple):
                inner = [(f"{path}[{key!r}][{at}]", state) for at, state in enumerate(value)]
                found |= {at: one for at, one in inner if issubclass(type(one), dict)}
    return {path: one for path, one in found.items() if _is_state(one)}


def _nested(path: str, others: list[str], fits: bool | None) -> Advice:
    words, code = whole_checkpoint(path, "for the optimizer"), f"state_dict = state_dict{path}"
    if not others:
        return Advice("nested", words, code, fits)
    words = f"This is a whole checkpoint with the states of {len(others) + 1:,} optimizers that"
    words += f" {'do not fit' if fits is False else 'fit'} alike, under {path},"
    words += f" {', '.join(others[:4])}. Which one is meant, only you can say. For the first:"
    return Advice("nested", words, f"# {code}", fits)


def _is_state(mapping: Mapping) -> bool:
    """Is it made as the state of an optimizer is, so that it can be read?"""
    groups, memory = mapping.get(GROUPS), mapping.get(STATE)
    lists = (list, tuple)
    if type(groups) not in lists or not issubclass(type(memory), dict):
        return False
    if not all(issubclass(type(group), dict) for group in groups):
        return False
    params = [dict.get(group, PARAMS) for group in groups]
    if not all(type(one) in lists for one in params):
        return False
    names = [name for one in params for name in one]
    return all(
        type(name) in ATOMS and issubclass(type(dict.get(memory, name, {})), dict) for name in names
    )


def _of_no_optimizer(optimizer: Optimizer) -> OptimizerComparison:
    """The answer to what is called as the state of an optimizer, and is none."""
    words = f"This is no state_dict of an optimizer: its {STATE!r} is to be a dict of dicts, its"
    words += f" {GROUPS!r} a list of dicts that have {PARAMS!r}."
    advice = Advice("other", words, "# state_dict = optimizer.state_dict()", False)
    nothing = ("doubts", "matched", "missing", "unexpected", "mismatched", "refused", "silent")
    nothing += ("non_tensors", "dtypes", "devices", "errors", "own_rules")
    return OptimizerComparison(
        type=type_name(optimizer),
        loads=False,
        **{name: [] for name in nothing},
        advice=[advice],
        expected={},
        found={},
    )


def _groups(holder: Mapping) -> list[dict]:
    return [dict(dict.items(group)) for group in holder.get(GROUPS, ())]


def _twin(optimizer: Optimizer, groups: list[dict]) -> Optimizer:
    """An optimizer of torch's own class, with the same parameters and memory without numbers."""
    kind = next(one for one in bases(type(optimizer)) if from_torch(one))
    twin = kind.__new__(kind)
    own, state, made = attributes(optimizer), defaultdict(dict), []
    for group in groups:
        places = [nn.Parameter(blank_of(one), differentiable(one.dtype)) for one in group[PARAMS]]
        made.append({**_options(group), PARAMS: places})
        for tensor, place in zip(group[PARAMS], places, strict=True):
            memory = dict.get(own.get(STATE, {}), tensor, {})
            state[place].update((name, blank_of(one)) for name, one in _tensors(memory))
    defaults = _options(own.get("defaults", {}))
    twin.__setstate__({"defaults": defaults, STATE: state, GROUPS: made})
    return twin


def _options(group: Mapping) -> dict[str, Any]:
    """The settings of a group that are plain values; a learning rate may be a tensor."""
    lists = (PARAMS, NAMES)  # a setting is a list where the file was kept as JSON
    plain = {
        key: one
        for key, one in group.items()
        if type(one) in (*ATOMS, tuple) or (type(one) is list and key not in lists)
    }
    return {"lr": 0.1, **plain} if "lr" in group else plain


def _differ(one: object, other: object) -> bool:
    """Are these two values of a setting not the same, as far as they can be told?"""
    kinds, plain = (type(one), type(other)), (*ATOMS, tuple, list)
    if all(kind in plain for kind in kinds):
        return one != other
    known = [kind in plain or issubclass(kind, torch.Tensor) for kind in kinds]
    return all(known) and _setting_told(one) != _setting_told(other)


def _setting_told(value: object) -> str:
    return _number_told(value) if issubclass(type(value), torch.Tensor) else brief(value)


def _number_told(tensor: torch.Tensor) -> str:
    known = outline(tensor)
    if known.shape != () or known.device == META or oddity(tensor):
        return "a tensor"
    with without_torch_function():
        return f"a tensor of {torch.Tensor.item(tensor):.6g}"


def _loaded(optimizer: Optimizer, saved: Mapping) -> tuple[Optimizer, list[str]]:
    """A twin that has loaded the groups and settings of `saved`, and what torch raised instead."""
    given = {key: value for key, value in saved.items() if key in (STATE, GROUPS)}
    if STATE in given:
        given[STATE] = {}
    if GROUPS in given:
        given[GROUPS] = [{**_options(one), PARAMS: list(one[PARAMS])} for one in _groups(saved)]
    twin = _twin(optimizer, _groups(attributes(optimizer)))
    memory = twin.state  # some classes make theirs when they are built
    try:
        twin.load_state_dict(given)
    except Exception as error:
        return twin, [raised_by_torch(error)]
    twin.state.update(memory)
    return twin, []


def _refused_memory(optimizer: Optimizer, saved: Mapping) -> list[str]:
    """What torch raises where it looks into the memory and does not find a name there."""
    groups = [{**_options(one), PARAMS: list(one[PARAMS])} for one in _groups(saved)]
    memory = {key: dict(_plain(one)) for key, one in saved[STATE].items()}
    twin = _twin(optimizer, _groups(attributes(optimizer)))
    try:
        twin.load_state_dict({STATE: memory, GROUPS: groups})
    except KeyError as error:
        return [raised_by_torch(error)]
    except Exception:  # it needs numbers
        return []
    return []


def _plain(memory: object) -> list[tuple[str, Any]]:
    """The tensors, without their numbers, and the plain values of the memory of one parameter."""
    pairs = memory.items() if issubclass(type(memory), dict) else ()
    tensors = [(name, blank_of(one)) for name, one in _tensors(memory)]
    return tensors + [(name, one) for name, one in pairs if type(one) in ATOMS]


def _error_of_step(twin: Optimizer) -> str:
    """What a step of torch's own class raises; with it the twin makes the memory that it needs."""
    for group in twin.param_groups:
        group.update((option, False) for option in _FAST if option in group)
        for one in group[PARAMS]:
            one.grad = torch.empty_like(one)
    try:
        with torch.enable_grad():
            type(twin).step(twin)
    except Exception as error:
        return raised_by_torch(error)
    return ""


def _tensors(memory: object) -> list[tuple[str, torch.Tensor]]:
    pairs = memory.items() if issubclass(type(memory), dict) else ()
    return [(name, one) for name, one in pairs if issubclass(type(one), torch.Tensor)]


def _memory_of(twin: Optimizer, own: list[dict]) -> dict[str, Outline]:
    """The memory that a twin has made, by position, where the parameters are."""
    found = {}
    real = [one for group in own for one in group[PARAMS]]
    twins = [one for group in twin.param_groups for one in group[PARAMS]]
    for position, (tensor, one) in enumerate(zip(real, twins, strict=True)):
        for name, value in twin.state[one].items():
            known = outline(value)
            found[_key(position, name)] = (
                known._replace(device=tensor.device) if known.device == META else known
            )
    return found


def _memory_in(saved: Mapping, groups: list[dict]) -> dict[str, Outline]:
    """The memory in a file, by position."""
    ids = [one for group in groups for one in group[PARAMS]]
    memory = [saved[STATE].get(one, {}) for one in ids]
    return {
        _key(position, name): outline(value)
        for position, one in enumerate(memory)
        for name, value in (one.items() if issubclass(type(one), dict) else ())
    }


def _positions_as_text(saved: Mapping, groups: list[dict]) -> list[str]:
    """The positions that are text, as JSON makes of them: torch keeps their memory under the text,
    and gives it to no parameter."""
    ids = {str(one) for group in groups for one in group[PARAMS] if type(one) is int}
    memory = saved.get(STATE, {})
    return [key for key in memory if type(key) is str and key in ids]


def _advice_on_text(positions: list[str]) -> Iterator[Advice]:
    if positions:
        words = f"The positions are text in the file, as {positions[0]!r}, and the parameters have"
        words += " numbers: a load gives this memory to none, and says nothing. JSON makes text of"
        words += " them, and lists of tensors. If only the positions were changed:"
        code = "# memory = {int(key): value for key, value in state_dict['state'].items()}\n"
        code += "# state_dict = {**state_dict, 'state': memory}"
        yield Advice("positions", words, code, False)


def _advice_on_more(unexpected: list[str], said: bool, fits: bool) -> Iterator[Advice]:
    if unexpected and not said:
        words = f"The file has memory that no step of this optimizer reads, as {unexpected[0]}: it"
        words += " is of another kind, or had other settings. A load takes it, and a step may"
        words += " run, with what another rule has counted."
        code = "# Load it into an optimizer of the kind that saved it; or begin without a memory."
        yield Advice("other", words, code, fits)


def _key(position: int, name: str) -> str:
    return f"{STATE}[{position}][{name!r}]"


def _position(key: str) -> str:
    return key.partition("]")[0]


def _group_mismatches(own: list[dict], theirs: list[dict]) -> Iterator[Mismatch]:
    """How many groups, how many parameters in each, and other names where both sides have names."""
    if len(own) != len(theirs):
        yield Mismatch(GROUPS, (len(own),), (len(theirs),))
    for number, (one, other) in enumerate(zip(own, theirs, strict=False)):
        size, saved_size = (len(one[PARAMS]),), (len(other[PARAMS]),)
        if size != saved_size:
            yield Mismatch(f"{GROUPS}[{number}]['{PARAMS}']", size, saved_size)
        names = zip(one.get(NAMES, ()), other.get(NAMES, ()), strict=False)
        for place, (name, saved) in enumerate(names):
            if name != saved:
                yield Mismatch(f"{GROUPS}[{number}]['{NAMES}'][{place}]", name, saved)


def _own_rules(optimizer: Optimizer) -> list[tuple[str, str]]:
    """(class name, method or hook) by which a class of optimizers, or a hook, loads and steps in
    its own way."""
    rules = []
    for one in bases(type(optimizer)):
        space = {} if from_torch(one) else class_dict(one)
        rules += [(class_name(one), call) for call in _RULES if call in space]
    own = attributes(optimizer)
    return rules + [
        (type_name(optimizer), hooks) for hooks in OPTIMIZER_LOAD_HOOKS if hooks_in(own, hooks)
    ]


def _doubts(optimizer: Optimizer, expected: dict, found: dict) -> list[str]:
    doubts = [f"{owner} has {rule} of its own" for owner, rule in _own_rules(optimizer)]
    if found and not expected and not doubts:
        doubts.append(f"what a step of {type_name(optimizer)} needs is not known without numbers")
    return doubts


def _settings_lost(own: list[dict], theirs: list[dict], loaded: Optimizer) -> list[str]:
    """The settings of torch's class that a group does not have any more after the load. A step
    reads them; what a scheduler or the reader put there, as initial_lr, it does not."""
    settings, lost = signature(type(loaded)).parameters.keys() - _READ_WHEN_MADE, {}
    for one, saved, after in zip(own, theirs, loaded.param_groups, strict=False):
        names = [name for name in one if name in settings and name not in saved]
        lost |= {name: None for name in names if name not in after}
    return list(lost)


def _of_one_shape(own: list[dict], theirs: list[dict], found: dict[str, Outline]) -> list[int]:
    """The positions of the first two parameters of one shape that have memory in the file, where
    no names on both sides tell them apart."""
    begun, seen = {_position(key) for key in found}, {}
    position = 0
    for one, other in zip(own, theirs, strict=False):
        named = bool(one.get(NAMES)) and bool(other.get(NAMES))
        for tensor in one[PARAMS]:
            shape = outline(tensor).shape
            if not named and _position(_key(position, "")) in begun:
                if shape in seen:
                    return [seen[shape], position]
                seen[shape] = position
            position += 1
    return []


def _advice(
    own: list[dict],
    theirs: list[dict],
    found: dict[str, Outline],
    mismatched: list[Mismatch],
    lost: list[str],
    fits: bool,
) -> Iterator[Advice]:
    """What only the reader can do."""
    if not theirs:
        words = "This is no state_dict of an optimizer: it has no param_groups."
        yield Advice("other", words, "# state_dict = optimizer.state_dict()", False)
    elif mismatched:
        key, here, there = mismatched[0]
        words = "Memory goes to parameters by their position alone, and the two sides differ: "
        words += f"{key} has {there} in the file, and here {here}."
        code = "# Build the groups in the order, and of the sizes, that the saved ones have."
        yield Advice("positions", words, code, False)
    elif lost:
        words = "This is the state of an optimizer of another kind, or its groups were changed: a"
        words += " load takes them as they are, and they have no"
        words += f" {', '.join(map(repr, lost[:3]))}, which a step of this one reads."
        code = "# Load it into an optimizer of the kind that saved it; or begin without a memory."
        yield Advice("other", words, code, False)
        return  # with settings that mean nothing to this one
    changes = [
        f"{GROUPS}[{number}][{name!r}] from {_setting_told(one[name])} to"
        f" {_setting_told(other[name])}"
        for number, (one, other) in enumerate(zip(own, theirs, strict=False))
        for name in one
        if name in other and name not in (PARAMS, NAMES) and _differ(one[name], other[name])
    ]
    places = [] if mismatched else _of_one_shape(own, theirs, found)
    if places:
        words = f"Memory goes to parameters by their position alone, and those at {places[0]} and"
        words += f" {places[1]} have one shape: whether they stand in the order in which they were"
        words += " saved, only you can say."
        code = "# Give the optimizer its parameters in the order of the saved one."
        yield Advice("order", words, code, fits)
    if changes:
        words = f"A load takes the settings of the file too: {', '.join(changes[:5])}."
        yield Advice(
            "settings", words, "# Set them again after the load, if they are to stay.", fits
        )
