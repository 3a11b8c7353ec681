"""The rules of `audit` for plain attributes: what they hide from torch, what they keep of it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from helpers.state.audit_registered import USE_OF_META, move_that_parts, whether_saved
from helpers.state.class_rules import LISTING_PARAMETERS, SWITCHING, read_by_torch
from helpers.state.code_lines import (
    assign,
    class_of_container,
    for_each,
    forget,
    free,
    numbered,
    reading,
    registering,
)
from helpers.state.findings import Symptom, rule
from helpers.state.holders import Attribute, Holders
from helpers.state.objects import (
    META,
    class_name,
    counted,
    facts,
    from_torch,
    is_parameter,
    plural,
)
from helpers.state.torch_private import MOVE_ONE, is_inference, is_leaf
from helpers.state.walk import NOT_SAVED, walk


def _in(one: Attribute, things: list, word: str, alone: str) -> str:
    """ "a plain list holds 2 tensors", or `alone` where the attribute is the thing itself."""
    kind = class_of_container(one.value)
    return f"a plain {kind} holds {counted(len(things), word)}" if kind else alone


def _left_out(model: Holders, one: Attribute) -> str:
    """What state_dict() and .to() do with it, as far as the module's class has no say in it."""
    own, saved = model.facts_of(one.record), whether_saved(model, one.record)
    moves, called = own.method(MOVE_ONE), own.method("to")
    if moves:
        return f"{saved}, and whether .to() moves it is for {moves} to say"
    if called and one.record.node:
        return (
            f"{saved} and .to() of a parent leaves it where it is, since that never calls {called}"
        )
    if called:
        return f"{saved}, and whether .to() moves it is for {called} to say"
    return f"{saved} and .to() leaves it where it is"


def _unless_taken(model: Holders, one: Attribute, fix: str) -> str:
    """The line, and what is to be done first where the class has the name under which it registers:
    torch refuses such a name for a tensor, and a module under it is hidden."""
    registers = (f"{assign(one.name, '')}", f"self.register_buffer({free(one.name)!r},")
    owner = model.facts_of(one.record).found.get(free(one.name))
    if owner is None or not fix.startswith(registers):
        return fix
    name = class_name(owner)
    first = f"under another name, as the class {name} has {one.name!r}"
    if not from_torch(owner):
        first = f"with no {one.name!r} in the class {name}, or under another name"
    return f"{fix}{'; ' if '#' in fix else '  # '}{first}"


def _own_listing(model: Holders, one: Attribute) -> str | None:
    """The method by which parameters() of the model lists otherwise than torch: of its parts it
    calls none."""
    return None if one.record.node else model.facts_of(one.record).method(*LISTING_PARAMETERS)


def _untrained(model: Holders, one: Attribute) -> str:
    lists = _own_listing(model, one)
    if lists:
        return f"whether parameters() has it is for {lists} to say"
    return "not in parameters(), so no optimizer made from them trains it"


@rule("hidden-module", "error", "plain value")
def hidden_module(model: Holders) -> Iterator[Symptom]:
    for one in model.attributes:
        if not all(map(_does_nothing, one.inside.modules)):
            many = "that are" if len(one.inside.modules) > 1 else "that is"
            what = _in(one, one.inside.modules, "module", "a module")
            message = f"{what} {many} registered nowhere: {_out_of_reach(model, one)}"
            fix = registering(one.name, one.value, len(one.inside.modules), "Module")
            yield Symptom(one.place, message, _unless_taken(model, one, fix))


def _out_of_reach(model: Holders, one: Attribute) -> str:
    lists = _own_listing(model, one)
    switches = model.facts_of(one.record).method(*SWITCHING)
    switched = "train() and eval() do not reach it"
    if switches:
        switched = f"whether train() reaches it is for {switches} to say"
    known = [id(tensor) in model.registered for tensor in _tensors_of(one.inside.modules)]
    if known and all(known):
        return f"its tensors are, under other names, but {switched}"
    listed = f"parameters() leaves out {'a part of ' * any(known)}what it holds"
    if lists:
        listed = f"whether parameters() has what it holds is for {lists} to say"
    if any(known):  # so that what is not saved is the part
        return f"{switched}; {listed}: {_left_out(model, one)}"
    return f"{listed}, {switched}; {_left_out(model, one)}"


def _tensors_of(modules: list[nn.Module]) -> Iterator[torch.Tensor]:
    for part in (part for module in modules for part in walk(module, times=1)):
        slots = [*part.parameters.values(), *part.buffers.values()]
        yield from (tensor for tensor in slots if tensor is not None)


def _does_nothing(module: nn.Module) -> bool:
    """Is this an empty container, or nn.Identity? Nothing is left out with it."""
    parts = list(walk(module, times=1))
    registers = any(part.parameters or part.buffers for part in parts)
    return not registers and all(type(part.module) in _EMPTY for part in parts)


_EMPTY = (nn.Identity, nn.Sequential, nn.ModuleList, nn.ModuleDict)


@rule("hidden-parameter", "error", "plain tensor")
def hidden_parameter(model: Holders) -> Iterator[Symptom]:
    for one in model.attributes:
        if one.inside.parameters:
            what = _in(one, one.inside.parameters, "Parameter", "an unregistered Parameter")
            message = f"{what}: {_untrained(model, one)}; {_left_out(model, one)}"
            fix = registering(one.name, one.value, len(one.inside.parameters), "Parameter")
            yield Symptom(one.place, message, _unless_taken(model, one, fix))


@rule("stale-alias", "warning", "plain tensor")
def stale_alias(model: Holders) -> Iterator[Symptom]:
    for one in model.attributes:
        if not one.inside.aliases:
            continue
        tensor, registered = one.inside.aliases[0]
        first, same = model.path(registered.place), tensor is registered.tensor
        what = f"is {first!r} itself" if same else f"shares memory with {first!r}"
        kind = class_of_container(one.value)
        if kind:
            many = counted(len(one.inside.aliases), "tensor")
            what = f"a plain {kind} holds {many} of the model: the first {what}"
        # A converting .to() gives a Parameter other memory and keeps the object; a buffer becomes a
        # new object.
        kept = same and is_parameter(tensor)
        when = ".to('meta')" if kept else move_that_parts(registered.tensor)
        writes = "what writes into one"
        if registered.kind != NOT_SAVED:  # else no load reaches it
            when += ", or load_state_dict(..., assign=True)"
            writes += ", as a load does,"
        new = "other memory" if is_parameter(registered.tensor) and not same else "a new tensor"
        message = (
            f"{what}; {writes} changes both. After {when}, the model has {new} there, and this is "
            "still the old one"
        )
        renews = model.own_move(one.record.node)
        if renews:
            message += f", unless {renews} renews it"
        fix = f"{forget(one.name)}  # and read {first!r} from the model where it is used"
        copies = for_each(one.name, one.value, "{}.detach().clone()", len(one.inside.aliases))
        if not copies and not any(_computed(tensor) for tensor, _ in one.inside.aliases):
            copies = f"copy.deepcopy({reading(one.name)})"  # as of a state_dict
        if copies:
            fix += f"; or, for numbers of its own: {assign(one.name, copies)}"
        yield Symptom(one.place, message, fix)


def _computed(tensor: torch.Tensor) -> bool:
    return facts(tensor).requires_grad is True and not is_leaf(tensor)


@rule("kept-graph", "warning", "plain tensor")
def kept_graph(model: Holders) -> Iterator[Symptom]:
    """The result of a computation. What it was computed from tells what was meant."""
    for one in model.attributes:
        kept = [tensor for tensor in one.inside.tensors if _computed(tensor)]
        if not kept:
            continue
        what = _in(one, kept, "result", "the result")
        forgotten = all(map(model.meant_as_parameter, kept))
        if forgotten:
            message = (
                f"{what} of a computation on a Parameter, which is itself in no module: "
                f"{_untrained(model, one)}; {_left_out(model, one)}"
            )
            fix = _unless_taken(model, one, _wrapped_last(one, len(kept)))
            yield Symptom(one.place, message, fix)
            continue
        message = (
            f"{what} of a computation, kept with its graph: copy.deepcopy() refuses such a tensor, "
            "and a later loss that uses it goes back through that graph"
        )
        yield Symptom(one.place, message, _not_kept(one, len(kept)))


def _wrapped_last(one: Attribute, count: int) -> str:
    value = for_each(one.name, one.value, "nn.Parameter({}.detach())", count)
    kind = class_of_container(one.value)
    if value is None:
        line = f"self.register_parameter({numbered(one.name)!r}, nn.Parameter(tensor.detach()))"
        return f"{line}  # each, in place of the {kind}"
    if kind:
        value = f"nn.Parameter{'Dict' if value.startswith('{') else 'List'}({value})"
    return f"{assign(one.name, value)}  # wrap last: nn.Parameter(x * 0.1), nn.Parameter(x.to(...))"


def _not_kept(one: Attribute, count: int) -> str:
    if read_by_torch(one.record.part, one.name):
        # A wrapper or a hook puts a computed weight into a layer of torch's before each call.
        # A recurrent layer has it in a list as well, which an assignment alone brings along.
        cut = assign(one.name, f"{reading(one.name)}.detach()")
        return f"{cut}  # before a copy; the next call, which computes it, makes it anew"
    value = for_each(one.name, one.value, "{}.detach()", count)
    if value is None:
        return f"{forget(one.name)}  # or fill it with tensor.detach()"
    other = "if a loss needs its graph: return it from forward, and do not keep it"
    return f"{assign(one.name, value)}  # if its numbers are wanted; {other}"


@rule("inference-tensor", "warning", "plain value")
def kept_inference_tensor(model: Holders) -> Iterator[Symptom]:
    for one in model.attributes:
        made = [tensor for tensor in one.inside.tensors if is_inference(tensor)]
        if made:
            what = _in(one, made, "tensor", "a plain tensor")
            message = (
                f"{what} made under torch.inference_mode(): outside of it torch refuses operations "
                "in place, and to save it for a backward pass, as a product needs"
            )
            value = for_each(one.name, one.value, "{}.clone()", len(made))
            line = assign(one.name, value) if value else forget(one.name)
            fix = f"{line}  # outside of torch.inference_mode(); or make it under torch.no_grad()"
            yield Symptom(one.place, message, fix)


@rule("left-on-meta", "warning", "plain value")
def plain_left_on_meta(model: Holders) -> Iterator[Symptom]:
    for one in model.attributes:
        left = [tensor for tensor in one.inside.tensors if _left_on_meta(model, tensor)]
        if left:
            what = _in(one, left, "tensor", "a plain tensor")
            message = (
                f"{what} on the device meta, in a model that has numbers: it has none, so nothing "
                f"can move it, and {USE_OF_META}"
            )
            line = f"self.register_buffer({_buffer_name(one)!r}, tensor, persistent=False)"
            fix = f"{line}  # computed anew, {_in_its_place(one)}"
            yield Symptom(one.place, message, _unless_taken(model, one, fix))


def _left_on_meta(model: Holders, tensor: torch.Tensor) -> bool:
    return facts(tensor).device == META and model.has_numbers


@rule("plain-tensor", "warning", "plain tensor")
def plain_tensor(model: Holders) -> Iterator[Symptom]:
    """What is left: neither a result, nor made for inference, nor without numbers."""
    for one in model.attributes:
        plain = [
            tensor
            for tensor in one.inside.tensors
            if not (_computed(tensor) or is_inference(tensor) or _left_on_meta(model, tensor))
        ]
        own = model.facts_of(one.record)
        kept_by_its_class = own.saving(one.record.part) and own.method(MOVE_ONE)
        if not plain or kept_by_its_class:
            continue
        what = _in(one, plain, "tensor", "a plain tensor")
        trained = all(facts(tensor).requires_grad for tensor in plain)
        if trained:
            wants = plural(len(plain), "wants", "want")
            what += f" that {wants} gradients: {_untrained(model, one)};"
        else:
            what += ":"
        fix = _trained(one, len(plain)) if trained else _as_buffer(model, one)
        message = f"{what} {_left_out(model, one)}"
        yield Symptom(one.place, message, _unless_taken(model, one, fix))


def _trained(one: Attribute, count: int) -> str:
    if class_of_container(one.value):
        return registering(one.name, one.value, count, "Parameter")
    return assign(one.name, f"nn.Parameter({reading(one.name)})")


def _as_buffer(model: Holders, one: Attribute) -> str:
    own = model.facts_of(one.record)
    saves, called = own.saving(one.record.part), own.method("state_dict")
    note = "persistent=False keeps it out of the file"
    if called:
        note = f"with no {called}, or one that hands destination= and prefix= on"
    elif saves:
        note += f", unless {saves} puts it there"
    elif own.method(MOVE_ONE):
        note = "if it is to be in the file"
    line = f"self.register_buffer({_buffer_name(one)!r}, tensor)"
    return f"{line}  # {_in_its_place(one)}; {note}"


def _buffer_name(one: Attribute) -> str:
    """The name of a buffer that takes the place of an attribute, or of the first of several."""
    if issubclass(type(one.value), dict):
        return f"{free(one.name)}_key"
    return numbered(one.name) if class_of_container(one.value) else free(one.name)


def _in_its_place(one: Attribute) -> str:
    kind = class_of_container(one.value)
    return f"each, in place of the {kind}" if kind else f"in place of {assign(one.name, 'tensor')}"
