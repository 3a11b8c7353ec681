"""The exercises of lesson 02, parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial

from torch import nn
from torch.optim import SGD

from helpers.exercises.exercise import Exercise
from helpers.exercises.facts import Facts, called
from helpers.exercises.menagerie import (
    TO_CHANGE,
    change,
    made,
    menagerie,
    on_models,
    rename,
    train_on,
)


def trainable_bytes(model):
    return sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)


TRAINABLE_BYTES = Exercise(
    "2.1",
    trainable_bytes,
    on_models("trainable_bytes(model)", without=("a lazy layer",)),
    """
    `trainable_bytes(model)` returns the bytes of the trainable parameters, each parameter counted
    once

    1. `model.parameters()` gives every parameter of the model once, whatever its names.
    2. `parameter.requires_grad` says whether it is trained, `parameter.nbytes` how many bytes it
       takes.
    3. Nearly there: `sum(parameter.nbytes for parameter in ... if ...)`.

    - elements: That is how many numbers there are. `parameter.nbytes` is how many bytes they take.
        parameter.nbytes → parameter.numel()
    - four-bytes: Not every number takes four bytes. Ask each parameter: `parameter.nbytes`.
        parameter.nbytes → 4 * parameter.numel()
    - frozen-too: A frozen parameter gets no gradient. Ask each one for its `requires_grad`.
        if parameter.requires_grad →
    - floats-only: A complex number is trained as well, and its dtype is no floating point. Ask for
      `requires_grad`.
        parameter.requires_grad → parameter.requires_grad and parameter.is_floating_point()
    - buffers-too: Buffers are not trained. Begin with `model.parameters()`.
        trained = [one for one in model.parameters() if one.requires_grad]
        return sum(one.nbytes for one in [*trained, *model.buffers()])
    - every-name: A parameter was counted under each of its names. `parameters()` gives it once.
        model.parameters() → [one for _, one in model.named_parameters(remove_duplicate=False)]
    - every-level: Each call of `parameters()` removes only its own duplicates. Call it once.
        in model.parameters() → for part in model.modules() for parameter in part.parameters()
        parameter.nbytes for parameter → parameter.nbytes
    """,
)


def missed(model, optimizer):
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and id(parameter) not in held
    ]


_TWICE = ("all, in three groups",)


def _with_optimizers(call: str, *, free: tuple[str, ...]) -> Callable:
    """The experiment that asks a function of a model and an optimizer, which has a state.

    It holds all parameters in another order, or a half of them and a tensor that is none, or those
    of a trained copy, under the same names. Each group has a learning rate of its own."""

    def experiment(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
        for words, model in menagerie(without=("a lazy layer", "an empty model")):
            own, strange = list(model.parameters())[::-1], [*model.buffers(), nn.Parameter()][:1]
            twin = copy.deepcopy(model)
            train_on(twin)
            twins = dict(twin.named_parameters())
            for holds, groups in {
                "all, from the last to the first": [own],
                "all, in three groups": [own[2:], own[:1], own[1:2]],
                "a half, and what is none of its parameters": [strange, own[: len(own) // 2]],
                "the other half": [strange, own[len(own) // 2 :]],
                "those of a copy": [list(twins.values())],
            }.items():
                optimizer = SGD([{"params": group} for group in groups], lr=0.0, momentum=0.9)
                optimizer.step()
                for group, rate in zip(optimizer.param_groups, (0.0, 0.2, 0.1), strict=False):
                    group["lr"] = rate
                if holds == "those of a copy":
                    optimizer.param_groups[0]["param_names"] = list(twins)
                given = {"model": model, "optimizer": optimizer}
                ask = partial(called, answer, **given, free=free, again=holds in _TWICE)
                yield f"`{call}` for {words}; the optimizer holds {holds}", ask
        for words in TO_CHANGE:
            model = made(words)
            optimizer = SGD(list(model.parameters())[1:], lr=0.0)
            once = partial(_reordered, model, optimizer)
            ask = partial(called, answer, model=model, optimizer=optimizer, free=free, once=once)
            yield f"`{call}` for {words}, {_SINCE}, and the order in the optimizer", ask

    return experiment


_SINCE = "called again once its names and what it trains have changed"


def _reordered(model: nn.Module, optimizer: SGD) -> None:
    rename(model)
    change(model)
    optimizer.param_groups[0]["params"].reverse()


MISSED = Exercise(
    "2.2",
    missed,
    _with_optimizers("missed(model, optimizer)", free=("kind",)),
    """
    `missed(model, optimizer)` returns the names of the trainable parameters that the optimizer does
    not hold

    1. The optimizer holds objects. Which parameters of the model are not among them?
    2. `optimizer.param_groups` is a list of dictionaries; each has its parameters under `"params"`.
       Compare by `id`.
    3. Nearly there: a set of `id(parameter)` over all groups, then a list over
       `model.named_parameters()`.

    - held: A parameter is named that the optimizer holds. Asked for are the others.
        not in held → in held
    - first-group: An optimizer may have several groups. Look into each of `param_groups`.
        in optimizer.param_groups → in optimizer.param_groups[:1]
    - frozen: A frozen parameter is not to be trained, so the optimizer does not miss it.
        parameter.requires_grad and →
    - equal-values: Equal numbers do not make the same parameter. Compare by `is` or `id`.
        id(parameter) for → str(parameter.tolist()) for
        id(parameter) not → str(parameter.tolist()) not
    - by-name: These parameters of a copy have the same names and shapes. Compare the objects, by
      `is` or `id`.
        held = {name for group in optimizer.param_groups for name in group.get("param_names", ())}
        named = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
        ours = {one for group in optimizer.param_groups for one in group["params"]}
        return [name for name, one in named if name not in held and one not in ours]
    - by-state: A parameter with no gradient yet may have no state, and is held. Read the groups.
        named = model.named_parameters()
        return [name for name, one in named if one.requires_grad and one not in optimizer.state]
    - every-name: A parameter has one name here, the one that `model.named_parameters()` gives.
        named_parameters() → named_parameters(remove_duplicate=False)
    - optimizer-changed: Only look: leave model and optimizer as they are.
        held = → optimizer.add_param_group({"params": [torch.ones(1)]}); held =
    """,
)


def freeze(model, prefix):
    found = {
        parameter
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if name.startswith(prefix)
    }
    for parameter in found:
        parameter.requires_grad_(False)
    return len(found)


def _prefixes(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """The first step of each name with its dot, each name cut short, none, a pattern that is no
    name, and what comes after the first dot of the first name, on fresh models."""
    for words, model in menagerie(without=("a lazy layer",)):
        names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
        parts = [f"{name.partition('.')[0]}." for name in names]
        cut = [name[:-1] for name in names]
        later = [name.partition(".")[2] for name in names[:1]]
        for prefix in dict.fromkeys([" ", "[a-z]", *parts, *cut, "", *later]):
            ask = partial(called, answer, model=made(words), prefix=prefix, again=not prefix)
            yield f'`freeze(model, "{prefix}")` for {words}', ask
    for words in TO_CHANGE:
        model = made(words)
        prefix, _ = next(model.named_parameters())
        ask = partial(called, answer, model=model, prefix=prefix, once=partial(_thawed, model))
        yield f'`freeze(model, "{prefix}")` for {words}, {_SINCE}', ask


def _thawed(model: nn.Module) -> None:
    rename(model)
    model.requires_grad_(True)


FREEZE = Exercise(
    "2.3",
    freeze,
    _prefixes,
    """
    `freeze(model, prefix)` freezes every parameter with a name that starts with `prefix`, and
    returns how many

    1. Which argument of `named_parameters` gives a parameter under each of its names?
    2. `named_parameters(remove_duplicate=False)` gives all names. The same parameter may come
       twice: count it once.
    3. Nearly there: a set of the parameters whose name starts with `prefix`;
       `requires_grad_(False)` for each; its length.

    - tied: The tied weight has two names; `named_parameters()` gives the first alone. Ask for all.
        remove_duplicate=False →
    - every-name: A parameter with two such names is one parameter. Count distinct ones.
        named = model.named_parameters(remove_duplicate=False)
        return len([one.requires_grad_(False) for name, one in named if name.startswith(prefix)])
    - a-module: A prefix need not be the path of a module: `head.w` is one as well. Compare names.
        found = set(model.get_submodule(prefix.rstrip(".")).parameters())
        return len([one.requires_grad_(False) for one in found])
    - look-alike: `encoder_norm` starts with `encoder` too. Leave the prefix as it is, with its dot.
        startswith(prefix) → startswith(prefix.rstrip("."))
    - in-the-middle: `decoder.encoder.weight` has `encoder.` in its middle. Ask how a name starts.
        name.startswith(prefix) → prefix in name
    - thawed: What was frozen before stays frozen. Change only the parameters that are meant.
        for name, one in model.named_parameters():
            one.requires_grad_(not name.startswith(prefix))
        return sum(name.startswith(prefix) for name, _ in model.named_parameters())
    """,
)


def groups(model, rates):
    found = {part: {"params": [], "lr": rate} for part, rate in rates.items()}
    rest = {"params": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found.get(name.split(".")[0], rest)["params"].append(parameter)
    return [group for group in [*found.values(), rest] if group["params"]]


def _rates(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """A rate for each part from the last to the first, for one part alone, and for none."""
    for words, model in menagerie(without=("a lazy layer",)):
        parts = [name for name, _ in model.named_children()][::-1]
        every = dict(zip(parts, [0.5, 0.0, 0.5, 3e-5], strict=False))
        for rates in [every, *({part: 0.5} for part in parts), {}]:
            given = {"model": model, "rates": rates}
            ask = partial(called, answer, **given, free=("kind", "order"), again=rates is every)
            yield f"`groups(model, {rates})` for {words}", ask
    for words in TO_CHANGE:
        model = made(words)
        rates = {name: 0.5 for name, _ in model.named_children()}
        given = {"model": model, "rates": rates}
        ask = partial(called, answer, **given, free=("kind", "order"), once=partial(rename, model))
        yield f"`groups(model, {rates})` for {words}, called again once a name has changed", ask


GROUPS = Exercise(
    "2.4",
    groups,
    _rates,
    """
    `groups(model, rates)` returns a parameter group for each part of the model, with its learning
    rate

    1. One walk over `model.named_parameters()`: where does each parameter belong?
    2. The part is the first piece of the name: `name.split(".")[0]`. What is in no part of `rates`
       goes into a last group.
    3. Nearly there: `found = {part: {"params": [], "lr": rate} for part, rate in rates.items()}`,
       then fill the lists.

    - no-rest: Parameters of no part in `rates` go into one last group, without `"lr"`.
        [*found.values(), rest] → found.values()
    - empty-group: Leave out a group that has no parameters.
        if group["params"]] → ]
    - frozen: Leave out what requires no gradient.
        parameter.requires_grad: → True:
    - look-alike: `encoder_norm.weight` starts with `encoder` too. The part ends at the dot.
        name.split(".")[0], rest → next((part for part in found if name.startswith(part)), ""), rest
    - tied: A tied weight has one place, that of its first name. Walk once over the whole model.
        model.named_parameters(): → model.named_parameters(remove_duplicate=False):
    - order: One group for each part, in the order of `rates`, and the rest last.
        [*found.values(), rest] → [rest, *found.values()]
    """,
)


def names_by_position(model, optimizer):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return {position: names.get(id(parameter)) for position, parameter in enumerate(held)}


NAMES_BY_POSITION = Exercise(
    "2.5",
    names_by_position,
    _with_optimizers("names_by_position(model, optimizer)", free=("order",)),
    """
    `names_by_position(model, optimizer)` returns a dictionary from each position to the name of its
    parameter

    1. Two steps: which parameter is at a position, and what is its name?
    2. The positions run through the lists under `"params"`, group after group. Names are found by
       `id(parameter)`.
    3. Nearly there: `{id(parameter): name for name, parameter in ...}`, and one list of all groups,
       with `enumerate`.

    - model-order: That is the order of the model. The optimizer has that of its groups.
        return dict(enumerate(name for name, _ in model.named_parameters()))
    - per-group: The positions do not begin anew: they go on from one group to the next.
        names = {id(one): name for name, one in model.named_parameters()}
        every = [pair for group in optimizer.param_groups for pair in enumerate(group["params"])]
        return {position: names.get(id(one)) for position, one in every}
    - frozen: A frozen parameter has a position, often no state. Read positions from the groups.
        names = {one: name for name, one in model.named_parameters()}
        return dict(enumerate(names.get(one) for one in optimizer.state))
    - last-name: The name is the one that `model.named_parameters()` gives: the first.
        named_parameters() → named_parameters(remove_duplicate=False)
    - foreign: Each position has an entry. An optimizer may hold tensors of no model: their name is
      `None`, as `names.get(...)` gives it.
        enumerate(held)} → enumerate(held) if id(parameter) in names}
    - inverted: The position is the key, and the name is the value.
        position: names.get(id(parameter)) → names.get(id(parameter)): position
    """,
)
