"""The exercises of lesson 06, the clinic: each patient, healed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from helpers.exercises.elsewhere import called_elsewhere
from helpers.exercises.exercise import Exercise, Experiment
from helpers.exercises.facts import (
    Facts,
    Known,
    Raised,
    called,
    facts,
    is_a,
    listed,
    plain_text,
    solved,
)
from helpers.exercises.life import in_turn, living
from helpers.exercises.menagerie import fill, holding, made, menagerie, numbers_for, train_on


class Stack(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(depth))
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)


_FOURS = torch.tensor([[1.0, -2.0, 3.0, -4.0], [-0.5, 0.25, -1.0, 2.0]])

STACK = Exercise(
    "6.1",
    Stack,
    in_turn(
        living(
            "Stack",
            1,
            calls=((_FOURS,), (_FOURS[0],), (_FOURS[None],)),
            lines=("module.head.weight.data.neg_()",),
        ),
        living(
            "Stack",
            11,
            calls=((_FOURS / 100,),),
            lines=(
                "setattr(module.layers, '3', nn.Linear(4, 4))",
                "module.head = nn.Linear(4, 1)",
                "module.layers = copy.deepcopy(module.layers)",
                "module.layers.get_submodule('3').weight.data.fill_(0.5)",
                "module.layers.add_module('11', nn.Linear(4, 4))",
                "module.layers.add_module('5', nn.Softplus())",
                "module.layers.add_module('7', module.layers.get_submodule('6'))",
                "module.layers.get_submodule('3').register_forward_hook(lambda *_: torch.ones(4))",
                "module.head = nn.Softplus()",
                "module.head.register_forward_hook(lambda *_: torch.ones(1))",
            ),
        ),
        living("Stack", 0, calls=((_FOURS,),)),
    ),
    """
    `Stack(depth)` computes what `Deep(depth)` computes, and all of its layers are registered

    1. One class of torch is a module, and is used like a list.
    2. `nn.ModuleList` takes an iterable of modules and can be looped over, so `forward` may stay.
    3. Nearly there: `self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(depth))`.

    - still-hidden: No key begins with `layers.`: the module does not look into this place.
        nn.ModuleList( → list(
    - alias: `forward` goes through a second list, which does not hear of a layer that is replaced.
        in self.layers: → in self.all:
        self.head = → self.all = list(self.layers); self.head =
    - hidden-alias: `forward` uses a second name of the list, which does not hear of a new list.
        in self.layers: → in self.all:
        self.head = → vars(self)["all"] = self.layers; self.head =
    - counted: Go through the layers that are there now. Their number may have changed.
        for layer in self.layers: → for layer in list(self.layers)[:11]:
    - each-once: `children()` gives a layer once that stands at two places. Loop over the list.
        in self.layers: → in self.layers.children():
    - weights-alone: Call the layer: another one, in its place, may have no weight.
        layer(x) → nn.functional.linear(x, layer.weight, layer.bias)
    - not-called: Call the layer itself. Its hooks run when it is called, and not with `.forward`.
        layer(x) → layer.forward(x)
    - one-layer: One layer stands at several places. Make a new one for each place.
        nn.Linear(4, 4) for _ in range(depth) → [nn.Linear(4, 4)] * depth
    - frozen: All parameters are to be trained. Leave `requires_grad` as it is.
        range(depth)) → range(depth)).requires_grad_(False)
    - not-relu: Compute what `Deep` computes: each layer followed by `relu`, then the head.
        layer(x).relu() → layer(x)
    - no-gradient: A layer learns only if a gradient reaches it: no `detach()`, no `no_grad()`.
        self.head(x) → self.head(x.detach())
    """,
)


class Scales(nn.Module):
    def __init__(self, names):
        super().__init__()
        self.scale = nn.ParameterDict({name: nn.Parameter(torch.ones(1)) for name in names})
        self.body = nn.Linear(2, 2)

    def forward(self, x, name):
        return self.body(x) * self.scale[name]


_TWOS = torch.tensor([[1.1, -2.3], [0.7, 3.1], [-1.3, 4.9]])


_NO_SCALES = "green", "re", "blu", "RED", " red", "dark_red", "body.bias", "weight", None, 0


def _with_other_names(module: nn.Module) -> dict[str, str]:
    """What becomes of names that are not there: new ones, what only looks like one that is there,
    and names that something else has."""
    answers = {}
    x = _TWOS.to(next(module.parameters()))
    for name in _NO_SCALES:
        try:
            module(x, name)
        except Exception:
            answers[name] = "refused"
        else:
            answers[name] = "answered"
    return answers


# A scale that comes later, and one that is another's, in whatever container the learner has.
_PUT = "getattr(module.scale, '__setitem__', module.scale.register_parameter)"
_LATER = _PUT + "('green', nn.Parameter(torch.ones(1)))"
_TIED = _PUT + "('red', module.get_parameter('scale.infrared'))"


SCALES = Exercise(
    "6.2",
    Scales,
    in_turn(
        living(
            "Scales",
            ["infrared", "red", "Red", "dark-red"],
            calls=((_TWOS, "red"), (_TWOS, "infrared"), (_TWOS[None], "Red"), (_TWOS, "dark-red")),
            begins=("scale.red", "scale.infrared", "scale.Red", "scale.dark-red"),
            look={"calls with other names": _with_other_names},
            lines=("module.scale = copy.deepcopy(module.scale)", _LATER, "module.body = nn.Tanh()")
            + ("dict(module.named_parameters())['scale.red'].data.fill_(-5.0)", _TIED)
            + ("module.body.register_forward_hook(lambda *_: torch.ones(2))",),
        ),
        living("Scales", ["blue"], calls=((_TWOS[0], "blue"),), begins=("scale.blue",)),
    ),
    """
    `Scales(names)` computes what `Colours(names)` computes, and its scales are trained and saved

    1. As there is a list of modules that registers them, there is a dict of parameters that does.
    2. `nn.ParameterDict` takes a dict, and is read with `[name]` like one.
    3. Nearly there: `self.scale = nn.ParameterDict({name: nn.Parameter(torch.ones(1)) ...})`.

    - still-hidden: No parameter has a name that begins with `scale.`. One that is in an ordinary
      dict is not registered.
        nn.ParameterDict({ → dict({
    - frozen: The scales are trained. Leave `requires_grad` as it is.
        for name in names}) → for name in names}).requires_grad_(False)
    - shared: The scales have one memory. Make a new `torch.ones(1)` for each name.
        {name: nn.Parameter(torch.ones(1)) for name in names} → dict.fromkeys(names, torch.ones(1))
    - not-one: At first each scale is one number, a 1: `torch.ones(1)`.
        torch.ones(1) → torch.zeros(1)
    - alias: `forward` reads a second dict, which has the parameters of before. Read `self.scale`.
        self.body = → self.kept = dict(self.scale.items()); self.body =
        self.scale[name] → self.kept[name]
    - alias-alone: Without gradients `forward` reads parameters of before. Read `self.scale`.
        self.body = → self.kept = dict(self.scale.items()); self.body =
        self.scale[name] → (self.scale if torch.is_grad_enabled() else self.kept)[name]
    - any-name: A name that is not there is an error, as in `Colours`.
        self.scale[name] → (self.scale[name] if name in self.scale else 1)
    - first-names: A scale may be registered later. Ask for the names that are there at the call.
        self.body = → self.names = set(names); self.body =
        self.scale[name] → self.scale[{one: one for one in self.names}[name]]
    - each-once: `named_parameters()` gives a parameter that has two names once, under the first.
        self.scale[name] → dict(self.named_parameters())[f"scale.{name}"]
    - not-called: Call the layer itself. Its hooks run when it is called, and not with `.forward`.
        self.body(x) → self.body.forward(x)
    - one-case: Names stay as they are: `Red` is not `red`.
        for name in names}) → for name in map(str.lower, names)})
        self.scale[name] → self.scale[name.lower()]
    - no-gradient: No gradient reaches this scale. Use the parameter itself: no `.item()`, no
      `.data`.
        self.scale[name] → self.scale[name].data
    """,
)


def swap_head(model, optimizer, head):
    model.head = head
    return type(optimizer)(model.parameters(), lr=optimizer.param_groups[0]["lr"])


def _held(optimizer: object, model: nn.Module) -> Facts:
    """What class and rates an optimizer has, and how often it holds which parameter of `model`."""
    if not is_a(solved(optimizer), torch.optim.Optimizer):
        return {"`result` is": plain_text(optimizer)}
    held = [id(one) for group in optimizer.param_groups for one in group["params"]]
    own = {id(one) for one in model.parameters()}
    rates = {group["lr"] for group in optimizer.param_groups}
    seen: Facts = {"`result` is": f"an optimizer `{type(optimizer).__name__}`"}
    for name, one in model.named_parameters():
        seen[f"`result` holds `{name}`"] = f"{held.count(id(one))} times"
    seen["other tensors that `result` holds:"] = plain_text(sum(one not in own for one in held))
    stale = sum(id(one) not in own for one in optimizer.state)
    seen["other tensors that the state of `result` is about:"] = plain_text(stale)
    return seen | {"the learning rates of `result` are": listed(sorted(rates))}


class _OwnOptimizer(torch.optim.SGD):
    """A class that somebody made from one of torch's."""


def _swapped(answer: Callable, model: nn.Module, optimizer: object, head: nn.Module) -> Facts:
    known = Known()
    known.add(body=model.body, head=head)
    result = answer(model, optimizer, head)
    seen = _held(result, model) | facts("model", model, known)
    if not is_a(result, torch.optim.Optimizer):
        return seen
    for name, one in model.named_parameters():
        one.grad = numbers_for(f"a gradient of {name}", one) if one.requires_grad else None
    return seen | {"then `result.step()`": _ended(result.step)}


def _ended(call: Callable) -> object:
    """How a call ended; what it did is free, since an optimizer may keep its memory of the body."""
    try:
        call()
    except Exception as error:
        return Raised.of(error)
    return "ends"


def _heads(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """Each model as the body, with an old head and a new one; each is tied to a body once.

    Some of the old heads have the shape of the new one. The optimizer has stepped, and a half of
    the models is in eval mode."""
    kinds = (torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop, _OwnOptimizer)
    for number, (words, body) in enumerate(menagerie(without=("a lazy layer", "a model on meta"))):
        old, head = nn.Linear(4, 5 if number % 3 else 9), nn.Linear(4, 5)
        if words == "tied weights":
            head.weight = body.embed.weight
            head.bias.requires_grad_(False)
        elif words == "a module under two names":
            old.weight = body.first.weight
        parts = {"body": body, "head": old}
        model = holding(**dict(sorted(parts.items(), reverse=number % 2 == 1)))
        model.train(number % 2 == 0)
        optimizer = kinds[number % 4](model.parameters(), lr=1.0)
        optimizer.param_groups[0]["lr"] = 0.1 / 3  # as a schedule does
        old.bias.grad = numbers_for("old", old.bias)
        optimizer.step()
        yield (
            f"`swap_head(model, optimizer, head)`, where the body is {words}",
            partial(_swapped, answer, model, optimizer, head),
        )


SWAP_HEAD = Exercise(
    "6.3",
    swap_head,
    _heads,
    """
    `swap_head(model, optimizer, head)` puts `head` in place and returns an optimizer that trains
    the model as it is then

    1. An optimizer holds tensors. When the model gets others, who tells it?
    2. First the assignment, then a new optimizer of the same class and learning rate.
    3. Nearly there: `model.head = head`, then `type(optimizer)(model.parameters(), lr=...)` with
       the rate from `optimizer.param_groups[0]["lr"]`.

    - too-early: The optimizer does not hold the new head. Make it after the head is in place, and
      of the parameters that the model has then.
        result = type(optimizer)(model.parameters(), lr=optimizer.param_groups[0]["lr"])
        model.head = head
        return result
    - old-head: The optimizer holds tensors of the old head, which is no part of the model any more.
        model.head = head
        optimizer.add_param_group({"params": head.parameters()})
        return optimizer
    - old-state: The `state` of the optimizer is still about the old head, and its `state_dict()`
      fails. Take that out as well, or make a new optimizer.
        model.head = head
        optimizer.param_groups[0]["params"] = [*model.parameters()]
        return optimizer
    - moved: The order of the keys has changed. Assign, and the head keeps its place.
        model.head = → del model.head; model.head =
    - other-mode: Only swap the head. It has the mode that it was given in.
        = head → = head.train(model.training)
    - a-copy: `model.head` has to be the module that was given, the same object.
        = head → = copy.deepcopy(head)
    - other-class: `type(optimizer)` is the class of the old one. Make the new one of it.
        type(optimizer) → torch.optim.AdamW
    - first-rate: `defaults` has the rate of the beginning. `param_groups` has the one of now.
        param_groups[0] → defaults
    - head-alone: The optimizer has to hold all parameters of the model, the body's too.
        model.parameters() → head.parameters()
    - changed: Only swap the head, and leave numbers, gradients and modes as they are.
        = head → = head; model.zero_grad()
    """,
)


def resume(model, state_dict, lr):
    model.load_state_dict(state_dict, assign=True)
    return torch.optim.SGD(model.parameters(), lr=lr)


def _as_given(state_dict: dict, known: Known) -> Facts:
    """What is in a `state_dict` that was loaded; of its notes the versions: torch adds others."""
    notes = getattr(state_dict, "_metadata", {})
    versions = [f"{path or 'model'}: {note.get('version')}" for path, note in notes.items()]
    seen = facts("state_dict", state_dict, known, free=("metadata",))
    return seen | {"the versions in `state_dict._metadata` are": listed(versions)}


# What makes a step of SGD another one than a plain one.
_OPTIONS = "momentum", "dampening", "weight_decay", "nesterov", "maximize"


def _resumed(answer: Callable, model: nn.Module, state_dict: dict) -> Facts:
    """The optimizer, the loaded numbers, and those after two of its steps."""
    known = Known()
    known.add(state_dict=state_dict)
    optimizer = answer(model, state_dict, 0.25)
    seen = _as_given(state_dict, known) | _held(optimizer, model)
    if not is_a(optimizer, torch.optim.Optimizer):
        return seen
    used = [one for one in _OPTIONS for group in optimizer.param_groups if group.get(one)]
    seen["the options of `result` besides the rate are"] = listed(sorted({*used}))
    for when in ("after the load", "after a step", "after two steps"):
        for name, one in model.named_parameters():
            seen |= facts(f"{name} {when}", one.detach(), free=("identity",))
            seen[f"`{name}` is"] = "trained" if one.requires_grad else "frozen"
            if one.requires_grad:
                one.grad = numbers_for(f"a gradient of {name}", one)
            else:
                seen.pop(f"`result` holds `{name}`", None)  # it may, and does not change it
        optimizer.step()
    buffers = dict(model.named_buffers())
    extra = {key: one for key, one in model.state_dict().items() if "_extra_state" in key}
    seen |= facts("buffers", buffers, free=("identity", "order", "grad"))
    seen |= facts("extra states", extra, free=("identity",))
    modes = [name or "model" for name, part in model.named_modules() if not part.training]
    seen["the attributes of the model are"] = listed(sorted(vars(model)))
    return seen | {"the modules in eval mode are": listed(modes)}


# On which nobody asked for ties, or there is nothing to load into, or to train: whether an
# optimizer takes no parameters depends on how they are handed over.
# A tie, which is in "equal tensors" too, does not outlive `to_empty`.
_NOT_RESUMED = (
    "tied weights",
    "equal tensors",
    "a buffer under two names",
    "two parameters in one memory",
    "a lazy layer",
    "a model on meta",
    "an empty model",
)


def _resumes(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    for device in ("cpu", "meta"):
        for number, (words, model) in enumerate(menagerie(without=_NOT_RESUMED)):
            saved = copy.deepcopy(model.state_dict())
            model.zero_grad()
            nn.Module.to(model.train(number % 2 == 0), device)
            [*model.modules()][-1].train(number % 3 == 0)
            if device == "cpu":
                fill(holding(other=model))
                train_on(model)
            ask = partial(_resumed, answer, model, saved)
            yield f"`resume(model, state_dict, lr)` for {words} on `{device}`", ask
    for words, change in _MISFITS.items():
        state = made("a batch norm").state_dict()
        change(state, "")
        ask = partial(_resumed, answer, nn.BatchNorm1d(3), state)
        yield f"`resume(model, state_dict, lr)` for a state_dict with {words}", ask


# By the keys of a batch norm. Without its notes, a file without the counter would be taken for one
# of torch's older versions, and fit.
_MISFITS: dict[str, Callable[[dict, str], object]] = {
    "a key too few": lambda state, norm: state.pop(f"{norm}bias"),
    "a counter too few": lambda state, norm: state.pop(f"{norm}num_batches_tracked"),
    "a key too many": lambda state, norm: state.update(more=torch.ones(2)),
}

RESUME = Exercise(
    "6.4",
    resume,
    _resumes,
    """
    `resume(model, state_dict, lr)` loads by assigning, and returns an optimizer that trains what
    was loaded

    1. Two lines, and their order is the exercise.
    2. A model on `meta` has no numbers to copy into: `assign=True`. Then hand the parameters over.
    3. Nearly there: `model.load_state_dict(state_dict, assign=True)`, then
       `torch.optim.SGD(model.parameters(), lr=lr)`.

    - too-early: The optimizer does not hold the parameters that the model has after the load. Make
      it afterwards, and of these.
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        model.load_state_dict(state_dict, assign=True)
        return optimizer
    - both: The optimizer holds the parameters of before as well. It needs those of now alone.
        model.load_state_dict( → old = [*model.parameters()]; model.load_state_dict(
        model.parameters(), → [*old, *model.parameters()],
    - still-meta: On `meta` there is nothing to copy into. `assign=True` puts the tensors in place.
        , assign=True →
    - emptied: What the `state_dict` does not have stays as it is: on `meta`, and without numbers.
      `to_empty` puts there whatever the memory had before.
        model.load_state_dict(state_dict, assign=True) → [p for p in model.parameters() if \
p.is_meta] and model.to_empty(device="cpu"); model.load_state_dict(state_dict)
    - frozen: The parameters have to require a gradient, as they did before.
        model.load_state_dict( → model.requires_grad_(False).load_state_dict(
    - forgiving: A `state_dict` that does not fit has to be refused. Load strictly.
        assign=True → assign=True, strict=False
    - no-notes: A plain dict has no `_metadata`, and torch takes it for one of an old version, which
      may lack a counter. `copy.copy` keeps the notes.
        load_state_dict(state_dict, → load_state_dict({**state_dict},
    - other-mode: Leave the modes as they are. Each module has its own, and `train()` sets them all.
        assign=True) → assign=True); model.train(model.training)
    - unfrozen: A frozen parameter stays frozen.
        state_dict, assign=True) → state_dict, assign=True); model.requires_grad_(True)
    - other-class: `torch.optim.SGD` with the learning rate is enough, without options.
        SGD → Adam
    - rate: Use the learning rate that was given.
        lr=lr → lr=0.1
    - elsewhere: A copy of the model was loaded. Load into the model that was given.
        model.load_state_dict( → model = copy.deepcopy(model); model.load_state_dict(
    """,
)


class FilterBank(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.count = count
        for i in range(count):
            self.register_buffer(f"filter_{i}", torch.full((2,), float(i)))

    def forward(self, x):
        filters = [getattr(self, f"filter_{i}") for i in range(self.count)]
        return torch.stack([(x * one).sum(-1) for one in filters], dim=-1)


FILTER_BANK = Exercise(
    "6.5",
    FilterBank,
    in_turn(
        living("FilterBank", 1, calls=((_TWOS,),), begins=("filter_0",)),
        living(
            "FilterBank",
            12,
            calls=((_TWOS,), (_TWOS[0],), (_TWOS[None].half(),), (_TWOS.double() / 3,)),
            begins=("filter_0", "filter_1", "filter_11"),
            lines=("module.filter_1 = torch.tensor([5.0, 7.0])",)
            + ("module.filter_2 = module.filter_3",),
        ),
    ),
    """
    `FilterBank(count)` computes what `Filters(count)` computes, with the buffers as they are at the
    time of the call

    1. Do not keep a second way to the same tensors. Ask for them when they are needed.
    2. In `forward`, `getattr(self, f"filter_{i}")` gives the buffer as it is now.
    3. Nearly there: keep `self.count = count`, and loop in `forward` over
       `getattr(self, f"filter_{i}")`.

    - alias: `forward` used a tensor that is no longer the buffer. Read the buffers at each call.
        filters = [ → self.filters = filters = self.filters or [
        self.count = count → self.filters = []; self.count = count
    - trained: The filters are not trained: buffers, not parameters.
        self.register_buffer( → self.register_parameter(
        torch.full((2,), float(i)) → nn.Parameter(torch.full((2,), float(i)))
    - not-saved: The filters have to be in the `state_dict`, as `filter_0` and so on.
        float(i))) → float(i)), persistent=False)
    - numbers: At first filter `i` is `torch.full((2,), float(i))`.
        float(i) → 1.0
    - sorted: As texts, `filter_10` comes before `filter_2`. Count, do not sort.
        filters = [ → filters = [one for _, one in sorted(self.named_buffers())] or [
    - each-once: `buffers()` gives each tensor once, and two names may have one. Read them by name.
        filters = [ → filters = [*self.buffers()] or [
    - its-dtype: `x` may have another dtype than the filters, and a product of the two takes the
      wider one. A matrix product refuses that: multiply, and sum.
        torch.stack([(x * one).sum(-1) for one in filters], dim=-1) → x @ torch.stack(filters).T
    - dtype-of-x: Do not convert the filters to the dtype of `x`, which may be a narrower one.
        (x * one) → (x * one.to(x.dtype))
    - dtype-of-filters: Nor `x` to the dtype of the filters: `x` may have the wider one.
        (x * one) → (x.to(one.dtype) * one)
    - rows: A column for each filter, in the last dimension: the sums of `x` times the filter.
        dim=-1 → dim=0
    - shared: A copy used the filters of the original. Refer to `self`, not to what is kept.
        getattr(self, → self.ask(
        self.count = count → self.ask = lambda name: getattr(self, name); self.count = count
    """,
)


def load_tied(model, state_dict):
    model.load_state_dict(state_dict, assign=True)
    model.head.weight = model.embed.weight
    return model


def _loaded_tied(answer: Callable, model: nn.Module, state_dict: dict) -> Facts:
    known, given = Known(), Known()
    for path, part in model.named_modules():
        known.meet(part, f"{path or 'model'} of before")
    given.add(state_dict=state_dict)
    result = answer(model, state_dict)
    seen = facts("result", result, known) | facts("model", model)
    return seen | _as_given(state_dict, given)


def _tied_models(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """A model on the CPU and on meta, and a file of another dtype, which is assigned as it is.

    It has two layers with equal numbers, and a table with those of the tied weight: nobody wants
    them tied. In one file the two weights differ; nobody asks which of them is taken."""
    kinds = ("cpu", None, True), ("meta", None, True), ("cpu", torch.float64, True)
    for device, dtype, tied in (*kinds, ("meta", None, False)):
        model, saved = _speaker(device, dtype, tied)
        words = f"a model on `{device}`" + (f" and a file in `{dtype}`" if dtype else "")
        words += "" if tied else ", untied by the move"
        ask = partial(_loaded_tied, answer, model, saved)
        yield f"`load_tied(model, state_dict)` for {words}", ask
    model, saved = _speaker("cpu", None)
    saved["head.weight"] += 1
    ask = partial(_loaded_tied, answer, model, saved)
    tied = [f"{one}.{name}.weight" for one in ("result", "model") for name in ("embed", "head")]
    leave_out = [f"the numbers of `{path}` are" for path in tied]
    yield (
        "`load_tied(model, state_dict)` for a file in which the two weights differ",
        lambda: {words: fact for words, fact in ask().items() if words not in leave_out},
    )
    for words, change in _MISFITS.items():
        model, saved = _speaker("cpu", None)
        change(saved, "norm.")
        ask = partial(_loaded_tied, answer, model, saved)
        yield f"`load_tied(model, state_dict)` for a state_dict with {words}", ask


def _speaker(device: str, dtype: torch.dtype | None, tied: bool = True) -> tuple[nn.Module, dict]:
    embed, head = nn.Embedding(5, 4), nn.Linear(4, 5)
    parts = {"first": nn.Linear(4, 4), "second": nn.Linear(4, 4), "norm": nn.BatchNorm1d(4)}
    model = holding(embed=embed, **parts, types=nn.Embedding(5, 4), head=head).to(device)
    if tied:
        head.weight = embed.weight
    model.norm.eval().bias.requires_grad_(False)
    saved = model.state_dict()
    for key, one in saved.items():
        name = key.replace("second", "first")
        name = "embed.weight" if key in ("head.weight", "types.weight") else name
        saved[key] = numbers_for(name, torch.empty_like(one, device="cpu", dtype=dtype))
    return model, saved


LOAD_TIED = Exercise(
    "6.6",
    load_tied,
    _tied_models,
    """
    `load_tied(model, state_dict)` loads by assigning, and `head.weight` and `embed.weight` are one
    parameter afterwards

    1. The tie was an assignment in `__init__`. What undid it, and what would do it again?
    2. After the load: assign one parameter to both names.
    3. Nearly there: `model.load_state_dict(state_dict, assign=True)`, then
       `model.head.weight = model.embed.weight`.

    - untied: The two names have two parameters. Tie them again, after the load.
        model.head.weight = model.embed.weight → pass
    - same-memory: Two parameters with one memory are still two, and an optimizer steps twice.
        model.head.weight = model.embed.weight → model.head.weight.data = model.embed.weight.data
    - still-meta: On `meta` there is nothing to copy into. `assign=True` puts the tensors in place.
        , assign=True →
    - frozen: The weight has to be trainable, as it was before: it requires a gradient.
        model.head.weight = → model.head.weight = model.embed.weight.requires_grad_(False) ; _ =
    - forgiving: A `state_dict` that does not fit has to be refused. Load strictly.
        assign=True → assign=True, strict=False
    - all-equal: Equal numbers are no tie. Tie the two weights that are one by the model's plan.
        return model → model.second.weight = model.first.weight; return model
    - if-equal: The weights are one parameter afterwards, also if the file has others under the two
      keys.
        model.head.weight = → if torch.equal(model.head.weight, model.embed.weight): \
model.head.weight =
    - if-tied: A move to `meta` has undone the tie before. Tie the weights, whatever they were.
        model.load_state_dict( → tied = model.head.weight is model.embed.weight; \
model.load_state_dict(
        model.head.weight = → if tied: model.head.weight =
    - no-notes: A plain dict has no `_metadata`, and torch takes it for one of an old version, which
      may lack a counter. `copy.copy` keeps the notes.
        load_state_dict(state_dict, → load_state_dict({**state_dict},
    - unfrozen: What was frozen stays frozen.
        return model → return model.requires_grad_()
    - other-mode: Leave the modes as they are.
        return model → return model.train()
    - other-head: `model.head` has to stay the module that it was. Tie the weights alone.
        model.head.weight = model.embed.weight → model.head = model.embed
    - state-changed: Leave the `state_dict` as it is.
        return model → state_dict.pop("head.weight"); return model
    - not-the-model: Return the model that was given, the same object.
        return model → return copy.deepcopy(model)
    """,
)


def upgrade(state_dict):
    result = copy.copy(state_dict)
    for key in state_dict:
        head, dot, name = key.rpartition(".")
        if name == "std":
            result[head + dot + "scale"] = result.pop(key)
        if name == "positions":
            del result[key]
    return result


_LOOK_ALIKES = ("wstd", "std_dev", "standard", "prepositions", "positions_seen", "scale_std", "Std")
_LOOK_ALIKES += ("my-std", "old positions", "Positions", "STD", "std ")


def _norm(old: bool) -> nn.Module:
    """A norm of before or of now, among tensors and a module whose names only look alike."""
    norm = holding(std_head=nn.Linear(2, 2), std=nn.BatchNorm1d(2)) if not old else nn.Module()
    names = ("std", "positions") if old else ("positions_head",)
    for name in ("mean", *names, *_LOOK_ALIKES):
        norm.register_buffer(name, torch.ones(2))
    return norm


def _files() -> Iterator[tuple[str, dict]]:
    yield "an old file", _norm(True).state_dict()
    yield "a new file", _norm(False).state_dict()
    yield "a plain dict", dict(_norm(True).state_dict())
    yield "an empty dict", {}
    odd = {"std": 0.5, "positions": [0, 1], "b.positions": None}
    odd |= {"a.std": torch.tensor(2.0, dtype=torch.float64), "c.std": torch.tensor([1, 2])}
    yield "a file with numbers, a list and None", {**odd, "b.std": None, "0.std.std": "text"}
    for words, model in menagerie(without=("a lazy layer", "a model on meta")):
        for part in [*model.modules()]:
            part.register_buffer("std", torch.ones(2))
            part.register_buffer("positions", torch.arange(4))
        model.add_module("more", holding(std=_norm(True), positions=_norm(False)))
        fill(model)
        yield f"an old file of {words}", model.state_dict()


def _upgrades(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    for words, state in _files():
        twice = words in ("an old file", "a plain dict", "an empty dict")
        ask = partial(called, answer, state_dict=state, free=("order",), again=twice)
        yield f"`upgrade(state_dict)` for {words}", ask
    state = _norm(True).state_dict()
    more = partial(state.update, {"later.std": torch.ones(1), "mean": torch.zeros(1)})
    ask = partial(called, answer, state_dict=state, free=("order",), once=more)
    yield "`upgrade(state_dict)` for an old file that has got more since it was called before", ask


UPGRADE = Exercise(
    "6.7",
    upgrade,
    _upgrades,
    """
    `upgrade(state_dict)` returns the state under today's names, with its `_metadata`: `std` becomes
    `scale`, and `positions` is left out

    1. Go through it key by key. A key is a path, and its last part is the name in question.
    2. `key.rpartition(".")` splits off the last part. Compare it as a whole. `copy.copy` of a
       `state_dict` has its `_metadata`.
    3. Nearly there: `head, dot, name = key.rpartition(".")`; leave out `"positions"`, and for
       `"std"` use `head + dot + "scale"`.

    - changed: Change a copy. Whoever gave you this one may need it.
        copy.copy(state_dict) → state_dict
        in state_dict: → in [*state_dict]:
    - copies: The values stay the objects that they are. A copy of all would take the memory twice.
        copy.copy(state_dict) → copy.deepcopy(state_dict)
    - the-given-one: A new dict is wanted also where nothing changes.
        return result → return result if [*result] != [*state_dict] else state_dict
    - no-metadata: The notes in `_metadata` got lost. `copy.copy(state_dict)` keeps them.
        copy.copy(state_dict) → dict(state_dict)
    - first-level: In a larger model a key has a prefix, such as `encoder.norm.std`.
        head, dot, name = key.rpartition(".") → head, dot, name = "", "", key
    - everywhere: Only the last part counts: `std.weight` and `std_head.weight` are other names.
        kept = {key: one for key, one in state_dict.items() if "positions" not in key}
        return {key.replace("std", "scale"): one for key, one in kept.items()}
    - ending: Compare the last part as a whole: `wstd` and `prepositions` are other names.
        name == "std" → key.endswith("std")
        name == "positions" → key.endswith("positions")
        head + dot + "scale" → key[:-3] + "scale"
    - word-ends: A part ends at a dot, and nowhere else: `my-std` is another name. A pattern with
      `\\b` finds more ends than that.
        name == "std" → __import__("re").search(r"\\bstd$", key)
        name == "positions" → __import__("re").search(r"\\bpositions$", key)
        head + dot + "scale" → __import__("re").sub(r"\\bstd$", "scale", key)
    - any-case: Names stay as they are: `Positions` is not `positions`.
        name == "positions" → name.lower() == "positions"
    - not-dropped: A key still ends in `positions`.
        del result[key] → pass
    - copied-under-both: `std` is still there, under its old name, too.
        result.pop(key) → result[key]
    """,
)


class Average(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.register_buffer("total", torch.zeros(width))
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x):
        self.total = self.total + x.detach().sum(0)
        self.count = self.count + len(x)
        return self.layer(x) - self.total / self.count


def _sizes(module: nn.Module) -> dict:
    """How much the file has under each key, whatever it is."""
    return {
        key: tuple(value.shape) if is_a(value, torch.Tensor) else len(facts(key, value))
        for key, value in module.state_dict().items()
    }


def _keeps_its_size(module: nn.Module) -> str:
    fresh = _sizes(type(module)(module.layer.in_features))
    return "as in a fresh one" if _sizes(module) == fresh else "others"


def _averages(width: int, *calls: tuple) -> Experiment:
    return living(
        "Average",
        width,
        calls=calls,
        own=("layer.weight", "layer.bias"),
        look={"the sizes in the file": _keeps_its_size},
        # With a parameter, whose dtype the inputs take: a sum may be kept in a longer one.
        lines=(
            "module.layer = nn.PReLU()",
            "module.layer.register_forward_hook(lambda module, given, out: torch.ones_like(out))",
        ),
        # A sum of so many rows is more than half precision can hold.
        free=("keys", '.to("meta")', "to_empty and new numbers", "a copy in torch.float16"),
    )


AVERAGE = Exercise(
    "6.8",
    Average,
    in_turn(
        _averages(2, (_TWOS,), (_TWOS[:2],), (torch.tensor([[2.0, -1.0]]).repeat(40_000, 1),)),
        _averages(3, (_TWOS.t(),), (_TWOS.t()[:0],), (_TWOS.t()[:1],)),
        called_elsewhere("Average", 2, calls=((_TWOS,), (_TWOS[:2],))),
    ),
    """
    `Average(width)` computes what `Recall(width)` computes, and its file has the same size after
    every call

    1. `forward` needs the mean of all rows so far. Does it need the rows?
    2. Two buffers of fixed size are enough: the sum of the rows, and how many there were.
    3. Nearly there: `self.total = self.total + x.detach().sum(0)`,
       `self.count = self.count + len(x)`, both buffers.

    - grows: The file has another size after a call. Keep a sum and a count.
        "count", torch.tensor(0) → "rows", torch.empty(0, width)
        self.total = self.total + x.detach().sum(0) → self.rows = torch.cat([self.rows, x.detach()])
        self.count = self.count + len(x) → self.total, self.count = self.rows.sum(0), len(self.rows)
    - trained: The only parameters are those of `layer`. What is remembered is a buffer.
        register_buffer("total", torch.zeros(width)) → total = nn.Parameter(torch.zeros(width))
        self.total = self.total + x.detach() → self.total.data += x.detach()
    - forgets: All that the mean needs has to be in the file, the count too.
        self.register_buffer("count", torch.tensor(0)) → self.count = 0
    - two-columns: The sum of the rows has `width` numbers.
        torch.zeros(width) → torch.zeros(2)
    - calls-counted: It is the mean of all rows, and batches have different sizes. Count the rows.
        len(x) → 1
        x.detach().sum(0) → x.detach().mean(0)
    - no-rows: A batch may have no rows, and no mean: it is `nan`. Their sum is 0.
        x.detach().sum(0) → x.detach().mean(0) * len(x)
    - new-rows-last: First count the new rows in, then take the mean of all so far.
        self.total = self.total + x → old = self.total / self.count; self.total = self.total + x
        self.layer(x) - self.total / self.count → self.layer(x) - old
    - holds-the-graph: The mean carries the history of `x`. Take it from `x.detach()`.
        x.detach() → x
    - no-gradient: `layer` is trained: only what is remembered may be out of the graph.
        return self.layer(x) → return self.layer(x).detach()
    - on-the-cpu: What `torch.tensor` or `torch.zeros` makes stands on the CPU, where a module may
      have been moved away from. Say `device=x.device`, or do without: a number needs no tensor.
        self.count + len(x) → (self.count + torch.tensor([len(x)]))[0]
    """,
)


class Rolling(nn.Module):
    def __init__(self, length):
        super().__init__()
        self.register_buffer("past", torch.zeros(length))

    def forward(self, x):
        self.past = self.past.roll(-1)
        self.past[-1] = x.detach()
        return self.past.mean()


_NUMBERS = tuple((torch.tensor(x),) for x in (6.0, 7, -2.5, -2.5))
_NUMBERS = (_NUMBERS[0], (torch.tensor(0.1 + 0.2, dtype=torch.float64),), *_NUMBERS[1:])

ROLLING = Exercise(
    "6.9",
    Rolling,
    in_turn(
        # A number can be read from `x`, except on meta.
        living("Rolling", 3, calls=_NUMBERS, begins=("past",), free=('.to("meta")',)),
        living("Rolling", 1, calls=_NUMBERS, begins=("past",), free=('.to("meta")',)),
        called_elsewhere("Rolling", 3, calls=_NUMBERS),
    ),
    """
    `Rolling(length)` does what `Window(length)` was meant to do, as a buffer that loads the old
    files

    1. Nobody trains the window. Which container is for state that nobody trains?
    2. A plain tensor assigned to the name of a buffer fills its slot.
    3. Nearly there: `self.register_buffer("past", torch.zeros(length))`, and in `forward`
       `self.past = self.past.roll(-1)` and `self.past[-1] = x.detach()`.

    - trained: `parameters()` lists the window. Nobody trains it: use a buffer.
        register_buffer("past", torch.zeros(length)) → past = nn.Parameter(torch.zeros(length))
        self.past = self.past.roll(-1) → self.past = nn.Parameter(self.past.detach().roll(-1))
        self.past[-1] = x → self.past.data[-1] = x
    - not-saved: The old files have the key `past`. Register it as persistent, under that name.
        zeros(length)) → zeros(length), persistent=False)
    - plain: A plain attribute is neither saved nor moved. Register the window.
        self.register_buffer("past", torch.zeros(length)) → self.past = torch.zeros(length)
    - not-rolled: `roll` returns a new tensor. Assign it.
        self.past = self.past.roll(-1) → self.past.roll(-1)
    - newest-first: The oldest number leaves on the left, the new one comes in on the right.
        roll(-1) → roll(1)
        self.past[-1] → self.past[0]
    - mean-first: Return the mean of the window after the new number has come in.
        self.past = self.past.roll(-1) → mean = self.past.mean(); self.past = self.past.roll(-1)
        return self.past.mean() → return mean
    - zeros-left-out: At first the window is full of zeros, and they count in its mean.
        return self.past.mean() → return self.past[self.past != 0].mean()
    - new-ones-alone: A number counts also if it is the same as the one before.
        self.past = self.past.roll(-1) → self.past = self.past.roll(-int(self.past[-1] != x))
    - its-dtype: The window keeps its dtype, whatever the one of `x` is.
        self.past = self.past.roll(-1) → self.past = self.past.roll(-1).to(x.dtype)
    - holds-the-graph: The mean carries the history of `x`. Take in `x.detach()`.
        x.detach() → x
    - alias: A second attribute is not saved. Keep the numbers in `past` alone.
        self.register_buffer( → self.kept = torch.zeros(length); self.register_buffer(
        self.past = self.past.roll(-1) → self.past = self.kept = self.kept.roll(-1)
    """,
)
