"""What is wrong with the state of a model: found by reading it, nothing run, nothing changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from keyword import iskeyword
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin

from helpers.state.findings import CODES, Finding, Findings
from helpers.state.holders import (
    AGAIN,
    Attribute,
    Holders,
    Place,
    Record,
    held_by_optimizer,
    kept_by_torch,
)
from helpers.state.objects import (
    ATOMS,
    COLLECTIONS,
    collector_paused,
    contents,
    facts,
    require_module,
    text,
    type_name,
)
from helpers.state.snapshot import plain_names, transient_names

_RANK = {"error": 0, "warning": 1, "info": 2}
_is_leaf = torch._C.TensorBase.is_leaf.__get__
_STAYS = "state_dict() does not save it and .to() leaves it where it is"
_WORTH_JUDGING = (torch.Tensor, nn.Module, *COLLECTIONS)


def audit(module: nn.Module, optimizer: Any = None) -> Findings:
    """The state bugs of `module` and all modules below it, as a list of `Finding`: errors, then
    warnings, then notes.

    Within a severity they stand in the order of the model. A path is the first name of what it
    names: a module, a Parameter or a container with several names is judged once, and there is one
    finding for a code and an attribute, however many tensors the attribute holds. Tensors and
    modules in nested plain containers are found; those in other objects are not looked for. A
    module in a plain container that is registered elsewhere in the model, as a parent or the root
    is, is no finding, and neither are the plain tensors that torch's own classes and hooks keep for
    themselves (an LSTM's, `weight_norm`'s, those of pruning).

    With `optimizer`, an `Optimizer` or a wrapper with `param_groups`, each trainable parameter that
    it does not hold is "optimizer-misses", and each tensor that it holds and that is no parameter
    of the model is "optimizer-stale", whose path is the position in the optimizer, as
    `param_groups[0]['params'][3]`.

    Only instance dictionaries are read: no property, `__getattr__`, `__repr__` or hook runs, no
    tensor is copied, nothing is written, and the findings hold text alone. "mixed-device" and
    "mixed-dtype" count registered tensors.

    Raises TypeError if `module` is not an `nn.Module` instance or `optimizer` is no optimizer.
    """
    require_module(module, "audit")
    with collector_paused(), torch._C.DisableTorchFunction():
        held = None if optimizer is None else held_by_optimizer(optimizer)
        model = Holders(module)
        found = [finding for record in model.records for finding in _own(model, record, held)]
        found += [*_mixed(model), *_stale(model, held or {})]
    return Findings(sorted(found, key=lambda finding: _RANK[finding.severity]))


def _finding(code: str, path: str, message: str, fix: str) -> Finding:
    return Finding(code, CODES[code][0], path, message, fix)


def _own(model: Holders, record: Record, held: dict | None) -> Iterator[Finding]:
    """The findings about what one module holds itself: parameters, buffers, then plain attributes."""
    for name, value in record.parameters:
        names = model.names[id(value)]
        ordinary = (
            len(names) == 1 and type(value) is nn.Parameter and value.requires_grad
        )  # as most parameters are
        if not (ordinary and (held is None or id(value) in held)) and names[0] == (
            record.node,
            name,
        ):
            yield from _parameter(model, (record.node, name), value, held)
    transient = transient_names(record.own) if record.buffers else ()
    for name, value in record.buffers:
        if name in transient or type(value) is not torch.Tensor or value.requires_grad:
            yield from _buffer(model, (record.node, name), value, name not in transient)
    for key in plain_names(record.own):
        name, value = text(key), record.own.get(key)
        if name in record.taken:
            message = (
                f"{name!r} is registered, and an entry of the instance's __dict__ hides it: {_read(name)} is "
                "that entry, while torch saves, moves and trains the registered one"
            )
            yield _finding(
                "shadowed-name",
                model.path((record.node, name)),
                message,
                f"del vars(self)[{name!r}]",
            )
        elif type(value) not in ATOMS and issubclass(type(value), _WORTH_JUDGING):
            found = model.held(value)
            if any(found) and not kept_by_torch(record, name, value):
                yield from _plain(model, (record.node, name), value, found)


def _parameter(
    model: Holders, place: Place, value: torch.Tensor, held: dict | None
) -> Iterator[Finding]:
    line, names = _read(place[1]), model.names[id(value)]
    trains = facts(value)[3]
    lazy = issubclass(type(value), UninitializedTensorMixin)
    missed = trains and held is not None and id(value) not in held
    path = model.path(place)
    if len(names) > 1:
        also = [repr(model.path(name)) for name in names[1:4]]
        many = f"{len(names)} names" if len(names) < AGAIN else "several names"
        message = (
            f"one Parameter under {many}: also {', '.join(also)}{', …' if len(names) > 4 else ''}"
        )
        fix = f"if not meant: {_assign(place[1], f'nn.Parameter({line}.detach().clone())')}"
        if len({model.owners[name[0]] for name in names}) == 1:
            fix = "if not meant: register copy.deepcopy(module) where the module stands for the second time"
        yield _finding("tied-parameter", path, message, fix)
    if trains is False:
        message = "requires_grad is False: no backward pass gives it a gradient, training does not change it"
        yield _finding(
            "frozen-parameter", path, message, f"if not meant: {line}.requires_grad_(True)"
        )
    if lazy:
        message = "has no shape yet: it gets one from the first batch, and cannot be counted or copied before"
        yield _finding(
            "uninitialized", path, message, "model(batch)  # once, before the optimizer is made"
        )
    if missed:
        message = "wants gradients and is not in the optimizer: optimizer.step() never changes it"
        fix = f"optimizer.add_param_group({{'params': [model.get_parameter({path!r})]}})"
        yield _finding("optimizer-misses", path, message, fix)


def _buffer(
    model: Holders, place: Place, value: torch.Tensor, persistent: bool
) -> Iterator[Finding]:
    line = _read(place[1])
    if not persistent:
        message = "a buffer with persistent=False: .to() moves it, state_dict() does not save it"
        fix = f"if it should be saved: self.register_buffer({place[1]!r}, {line})"
        yield _finding("unsaved-buffer", model.path(place), message, fix)
    if facts(value)[3]:
        message = (
            "a buffer that wants gradients: parameters() does not list it, so no optimizer made from them trains it"
            + ("" if _is_leaf(value) else ", and it keeps the graph alive that it was computed in")
        )
        yield _finding(
            "buffer-needs-grad", model.path(place), message, _assign(place[1], f"{line}.detach()")
        )
    if issubclass(type(value), UninitializedTensorMixin):
        message = "has no shape yet: it gets one from the first batch"
        yield _finding("uninitialized", model.path(place), message, "model(batch)")


def _plain(model: Holders, place: Place, value: Any, found: Attribute) -> Iterator[Finding]:
    """The findings about one plain attribute that holds tensors, or modules that are registered
    nowhere.
    """
    path, name, line = model.path(place), place[1], _read(place[1])
    kind = None if issubclass(type(value), (torch.Tensor, nn.Module)) else type_name(value)[:60]
    mapping = issubclass(type(value), dict)
    if found.modules:
        many = "that are" if len(found.modules) > 1 else "that is"
        what = (
            f"a plain {kind} holds {_count(found.modules, 'module')} {many}"
            if kind
            else "a module that is"
        )
        message = (
            f"{what} registered nowhere: parameters() and state_dict() leave out what it holds, "
            "and .to(), train() and eval() do not reach it"
        )
        yield _finding(
            "hidden-module",
            path,
            message,
            _registering(name, value, found.modules, "Module", "module"),
        )
    if found.parameters:
        what = (
            f"a plain {kind} holds {_count(found.parameters, 'Parameter')}"
            if kind
            else "an unregistered Parameter"
        )
        message = f"{what}: not in parameters(), so no optimizer made from them trains it; {_STAYS}"
        fix = _registering(name, value, found.parameters, "Parameter", "parameter")
        yield _finding("hidden-parameter", path, message, fix)
    if found.aliases:
        tensor, registered = found.aliases[0]
        first, same = model.path(registered), id(tensor) in model.registered
        what = f"is {first!r} itself" if same else f"shares memory with {first!r}"
        if kind:
            what = f"a plain {kind} holds {_count(found.aliases, 'tensor')} of the model: the first {what}"
        # A converting .to() gives a Parameter other memory and keeps the object; a buffer becomes a
        # new object.
        kept = same and issubclass(type(tensor), nn.Parameter)
        when = ".to('meta')" if kept else ".to() another dtype or device"
        message = (
            f"{what}; after {when}, or load_state_dict(..., assign=True), the model has a new tensor there, "
            "and this is still the old one"
        )
        fix = f"{_forget(name)}  # and read {first!r} from the model where it is used"
        yield _finding("stale-alias", path, message, fix)
    if found.tensors:
        what = (
            f"a plain {kind} holds {_count(found.tensors, 'tensor')}" if kind else "a plain tensor"
        )
        message, fix = f"{what}: {_STAYS}", f"self.register_buffer({_free(name)!r}, tensor)"
        if not kind and facts(value)[3] and _is_leaf(value):
            message = f"{what} that wants gradients: not in parameters(), no optimizer trains it; {_STAYS}"
            fix = _assign(name, f"nn.Parameter({line})")
        elif kind:
            key = "key" if mapping else "0"
            fix = f"self.register_buffer({f'{_free(name)}_{key}'!r}, tensor)  # each, in place of the {kind}"
        else:
            fix += f"  # in place of {_assign(name, 'tensor')}"
        yield _finding("plain-tensor", path, message, fix)


def _registering(name: str, value: Any, hidden: list, family: str, word: str) -> str:
    """The line that registers what a plain attribute hides."""
    if not issubclass(type(value), COLLECTIONS):
        return f"{_assign(name, _read(name))}  # an ordinary assignment registers it"
    mapping = issubclass(type(value), dict)
    size = next(base for base in COLLECTIONS if issubclass(type(value), base)).__len__(value)
    flat = (
        size
        == len(hidden)
        == sum(not issubclass(type(item), COLLECTIONS) for _, item in contents(value))
    )
    if flat and not (mapping and not all(type(key) is str for key in dict.keys(value))):
        return _assign(name, f"nn.{family}{'Dict' if mapping else 'List'}({_read(name)})")
    return f"self.register_{word}({f'{_free(name)}_0'!r}, {word})  # each, in place of the {type_name(value)[:60]}"


def _mixed(model: Holders) -> Iterator[Finding]:
    """Whether the registered tensors are on several devices, or of several floating dtypes."""
    ordinary = (torch.Tensor, nn.Parameter)
    tensors = [tensor for _, tensor in model.registered.values()]
    known = Counter(
        [(t.dtype, t.device) if type(t) in ordinary else facts(t)[1:3] for t in tensors]
    )
    devices, dtypes = Counter(), Counter()
    for (dtype, device), count in known.items():
        if device is not None:
            devices[str(device)] += count
        if dtype is not None and dtype.is_floating_point:
            dtypes[str(dtype)] += count
    for code, counts, words, target in (
        ("mixed-device", devices, "stand on several devices", "device"),
        ("mixed-dtype", dtypes, "have several floating dtypes", "torch.float32"),
    ):
        if len(counts) > 1:
            message = f"its tensors {words}: {', '.join(f'{count:,} × {what}' for what, count in counts.items())}"
            yield _finding(code, "", message, f"if not meant: model.to({target})")


def _stale(model: Holders, held: dict[int, str]) -> Iterator[Finding]:
    for key, place in held.items():
        if key not in model.names:
            message = (
                "no parameter of the model: optimizer.step() changes a tensor that parameters() does not list, "
                "or passes over it for want of a gradient"
            )
            fix = "optimizer = type(optimizer)(model.parameters(), lr=...)  # after the last change to the model"
            yield _finding("optimizer-stale", place, message, fix)


def _count(things: list, word: str) -> str:
    return f"{len(things):,} {word}{'' if len(things) == 1 else 's'}"


def _plain_identifier(name: str) -> bool:
    """Can it be written after `self.`? In a class two leading underscores would change it."""
    return (
        name.isascii() and name.isidentifier() and not iskeyword(name) and not name.startswith("__")
    )


def _read(name: str) -> str:
    return f"self.{name}" if _plain_identifier(name) else f"getattr(self, {name!r})"


def _forget(name: str) -> str:
    return f"del self.{name}" if _plain_identifier(name) else f"delattr(self, {name!r})"


def _free(name: str) -> str:
    """`name`, or another where torch registers nothing under it."""
    return name if name and "." not in name else "new_name"


def _assign(name: str, value: str) -> str:
    name = _free(name)
    return (
        f"self.{name} = {value}" if _plain_identifier(name) else f"setattr(self, {name!r}, {value})"
    )
