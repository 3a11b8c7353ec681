"""The exercises of lesson 01, `state_dict`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from helpers.exercises.exercise import Exercise
from helpers.exercises.facts import Facts, called, facts
from helpers.exercises.life import in_turn, living
from helpers.exercises.menagerie import (
    holding,
    made,
    menagerie,
    numbers_for,
    on_models,
    train_on,
)


def encoder_state(state_dict):
    prefix = "encoder."
    return {
        key[len(prefix) :]: value for key, value in state_dict.items() if key.startswith(prefix)
    }


_ANY_OBJECTS = ("identity", "order")


def _encoders(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """Each model of the menagerie as the encoder of a whole, among names that look alike.

    A lazy one is left out: its tensors cannot be copied, which nobody has said."""
    for words, encoder in menagerie(without=("a lazy layer",)):
        stem = nn.Linear(2, 2)
        model = holding(stem=stem, encoder=encoder, encoder_norm=nn.LayerNorm(2), encoder2=stem)
        model.decoder = holding(encoder=nn.Linear(2, 2), encoders=nn.Linear(2, 2))
        model.Encoder = nn.Linear(2, 3)
        state = model.state_dict()
        if words == "tied weights":  # one object under both keys, as `keep_vars=True` gives it
            state["encoder.head.weight"] = state["encoder.embed.weight"]
        yield (
            f"`encoder_state(state_dict)` for {words} as the encoder",
            partial(called, answer, state_dict=state, free=_ANY_OBJECTS, again=True),
        )
    state = holding(encoder=made("a batch norm")).state_dict()
    more = partial(state.update, {"encoder.more": torch.ones(2), "encoder.weight": torch.ones(1)})
    yield (
        "`encoder_state(state_dict)` for one that has got another weight, and more, since it was "
        "called before",
        partial(called, answer, state_dict=state, free=_ANY_OBJECTS, once=more),
    )


ENCODER_STATE = Exercise(
    "1.1",
    encoder_state,
    _encoders,
    """
    `encoder_state(state_dict)` returns a dict that loads strictly into `model.encoder` alone

    1. A dict comprehension does both at once: an `if` chooses, the key expression shortens.
    2. `key.startswith("encoder.")`, `key.removeprefix("encoder.")`.
    3. Nearly there: `{key.removeprefix("encoder."): value for key, value in ... if ...}`.

    - whole: Leave out every key that does not start with `encoder.`
        return dict(state_dict)
    - prefix-kept: The encoder does not know under which name it is held. Cut `encoder.` off.
        key[len(prefix) :] → key
    - dot: `encoder_norm.weight` starts with `encoder` too. The dot belongs to the prefix.
        startswith(prefix) → startswith("encoder")
    - in-the-middle: `decoder.encoder.weight` has `encoder.` in its middle. It has to start with it.
        key[len(prefix) :] → key.replace(prefix, "")
        key.startswith(prefix) → prefix in key
    - split-in-the-middle: `decoder.encoder.weight` has `encoder.` in its middle. A key has to start
      with it.
        key[len(prefix) :] → key.split(prefix, 1)[1]
        key.startswith(prefix) → prefix in key
    - any-case: Names stay as they are: `Encoder` is not `encoder`.
        key.startswith(prefix) → key.lower().startswith(prefix)
    - lstrip: `lstrip` cuts any of the characters it is given, not a prefix. Use `removeprefix`.
        key[len(prefix) :] → key.lstrip(prefix)
    - replaced-everywhere: A submodule of the encoder may be called `encoder` too. Cut once.
        key[len(prefix) :] → key.replace(prefix, "")
    - tensors-only: An entry may be no tensor. Keep it as it is.
        startswith(prefix) → startswith(prefix) and isinstance(value, torch.Tensor)
    - no-none: An entry of the encoder is missing. It is `None`, and is loaded like any other.
        startswith(prefix) → startswith(prefix) and value is not None
    - input-changed: Leave the argument as it came: its owner may still need it.
        return {key[8:]: state_dict.pop(key) for key in [*state_dict] if key[:8] == "encoder."}
    """,
)


def keep_best(model):
    return copy.deepcopy(model.state_dict())


def _kept(answer: Callable, model: nn.Module) -> Facts:
    """What is kept at once, after training, and after a second call; and what that one gives."""
    kept, free = [], ("grad", "order", "metadata", "among")

    def keeping(model: nn.Module) -> object:
        kept.append(answer(model))
        return kept[-1]

    seen = called(keeping, model=model, free=free)
    if not kept:  # it raised
        return seen
    train_on(model)
    seen |= facts("result after training", kept[0], free=(*free, "identity"))
    seen |= facts("result of a second call", answer(model), free=(*free, "identity"))
    return seen | facts("result after a second call", kept[0], free=(*free, "identity"))


KEEP_BEST = Exercise(
    "1.2",
    keep_best,
    # A file that is read with `weights_only` brings no array, and what is on meta has no copy in
    # the memory of the CPU, where many keep the best.
    on_models(
        "keep_best(model)",
        _kept,
        without=("a lazy layer", "an array as extra state", "a model on meta"),
    ),
    """
    `keep_best(model)` returns the state as it is now, whatever training does later

    1. `model.state_dict()` has the right names, and it shares memory with the model.
    2. Which call copies a dict with everything in it? It is in the standard library.
    3. Nearly there: `copy.deepcopy(...)` of the whole state_dict.

    - live-view: A new dict is not new tensors: the memory is shared. Copy the numbers.
        return dict(model.state_dict())
    - a-model: `load_state_dict` does not take a model. Return its state_dict.
        return copy.deepcopy(model)
    - dict-reused: Each call has to return a dict of its own. Yours fills the same one again.
        (model): → (model, kept={}):
        copy.deepcopy(model.state_dict()) → kept.update(copy.deepcopy(model.state_dict())) or kept
    - kept-for-good: A second call keeps the state of its own time, not of the first.
        (model): → (model, kept={}):
        return copy → return kept[model] if model in kept else kept.setdefault(model, copy
        (model.state_dict()) → (model.state_dict()))
    - missing: Parameters are not the whole state. Begin with `model.state_dict()`.
        return {name: one.detach().clone() for name, one in model.named_parameters()}
    - extra: A non-persistent buffer is not saved. Begin with `model.state_dict()`.
        named = [*model.named_parameters(), *model.named_buffers()]
        return {name: one.detach().clone() for name, one in named}
    - not-a-tensor: An entry may be no tensor, such as an `_extra_state`. `copy.deepcopy` takes it.
        return {key: value.clone() for key, value in model.state_dict().items()}
    - inside: An entry may hold lists in lists, and tensors. `copy.deepcopy` takes all of it.
        state = model.state_dict().items()
        return {key: one.clone() if torch.is_tensor(one) else copy.copy(one) for key, one in state}
    - model-changed: Only read from the model: leave its mode as it is.
        model.state_dict() → model.eval().state_dict()
    """,
)


class Scaled(nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor
        self.scale = nn.Parameter(torch.ones(1))
        self.inner = nn.Linear(3, 3, bias=False)


_LOOK_AT_SCALED = {
    "list(module.state_dict())": lambda module: list(module.state_dict()),
    "module.factor": lambda module: module.factor,
    '"factor" in vars(module)': lambda module: "factor" in vars(module),
    "module.scale.numel()": lambda module: module.scale.numel(),
    "isinstance(module.inner, nn.Linear)": lambda module: isinstance(module.inner, nn.Linear),
    "module.inner.weight.shape": lambda module: module.inner.weight.shape,
    "module.inner.bias": lambda module: module.inner.bias,
}
_EXACTLY = {
    "type(module)(0.1).factor == 0.1": lambda module: type(module)(factor=0.1).factor == 0.1
}
_SCALED = partial(
    living,
    "Scaled",
    look=_LOOK_AT_SCALED,
    beside=lambda kind: kind(factor=3.0),
    free=("shape",),
)

SCALED = Exercise(
    "1.3",
    Scaled,
    in_turn(
        _SCALED(),
        _SCALED(factor=0.5),
        _SCALED(factor=0.0),
        _SCALED(factor=-0.125, look=_LOOK_AT_SCALED | _EXACTLY),
        _SCALED(),  # and not what came before
    ),
    """
    `Scaled().state_dict()` has exactly the keys `scale` (a parameter with one element) and
    `inner.weight` (of an `nn.Linear(3, 3)`), and `factor` is a plain number

    1. Three attributes, three kinds: a tensor that is registered, a submodule, and a number.
    2. A submodule `inner` that has a `weight` and no `bias` gives the key `inner.weight`.
    3. Nearly there: `nn.Parameter(...)`, `nn.Linear(3, 3, bias=False)`, `self.factor = factor`.

    - bias: `nn.Linear` has a bias unless you say `bias=False`.
        , bias=False →
    - factor-saved: A hyper-parameter is a plain number: `self.factor = factor`.
        self.factor = factor → self.factor = nn.Parameter(torch.tensor(factor))
    - factor-fixed: Store what `__init__` was given: `self.factor = factor`.
        self.factor = factor → self.factor = 2.0
    - a-property: The instance has no number of that name itself. Write `self.factor = factor`.
        self.factor = factor → type(self).factor = property(lambda self: self.kept); self.kept = \
factor
    - plain-tensor: A plain tensor is not registered. Wrap it in `nn.Parameter`.
        nn.Parameter(torch.ones(1)) → torch.ones(1)
    - a-buffer: A buffer is saved and not trained. `scale` is for training.
        nn.Parameter(torch.ones(1)) → nn.Buffer(torch.ones(1))
    - scale-size: One number scales the whole layer: `nn.Parameter(torch.ones(1))`.
        torch.ones(1) → torch.ones(3)
    - in-a-list: A plain list hides its modules from the state_dict. Assign the module.
        nn.Linear(3, 3, bias=False) → [nn.Linear(3, 3, bias=False)]
    - of-the-class: What stands in the class is the same for all instances. Write `self.factor`.
        self.factor = factor → Scaled.factor = factor
    - shared: A default is made only once, for all instances. Make the tensor inside `__init__`.
        factor=2.0 → factor=2.0, one=torch.ones(1)
        nn.Parameter(torch.ones(1)) → nn.Parameter(one)
    """,
)


def state_bytes(model):
    values = model.state_dict(keep_vars=True).values()
    distinct = {id(value): value for value in values if isinstance(value, torch.Tensor)}
    return sum(value.nbytes for value in distinct.values())


STATE_BYTES = Exercise(
    "1.4",
    state_bytes,
    on_models("state_bytes(model)", without=("a lazy layer",)),
    """
    `state_bytes(model)` returns the bytes of the tensors in the state_dict, each counted once

    1. Begin with `model.state_dict()`: it has the persistent buffers and leaves out the others.
    2. `tensor.nbytes` is its bytes. With `keep_vars=True` both names of a tie bring one object.
    3. Nearly there: a dict of `id(tensor): tensor.nbytes` over `state_dict(keep_vars=True)`, and
       the sum of its values.

    - elements: That is how many numbers there are. `tensor.nbytes` is how many bytes they take.
        value.nbytes → value.numel()
    - entries: That is how many entries there are. Add up the bytes of each.
        return len(model.state_dict())
    - four-bytes: Not every number takes four bytes. Ask each tensor: `tensor.nbytes`.
        value.nbytes → 4 * value.numel()
    - parameters-only: Buffers that are saved count too. Begin with `model.state_dict()`.
        return sum(one.nbytes for one in model.parameters())
    - non-persistent: A non-persistent buffer is not in the state_dict. Begin with that.
        return sum(one.nbytes for one in [*model.parameters(), *model.buffers()])
    - counted-twice: `state_dict()` makes a new tensor for each name; ask for `keep_vars=True`.
        keep_vars=True →
    - not-a-tensor: An entry can be no tensor, such as an `_extra_state`: `isinstance(value, ...)`.
        if isinstance(value, torch.Tensor) →
    - parameters-once: A buffer can have two names as well. Compare all tensors by their `id`.
        values = model.state_dict(keep_vars=True).values()
        buffers = [one for one in values if type(one) is torch.Tensor]
        return sum(one.nbytes for one in [*model.parameters(), *buffers])
    - any-bytes: A NumPy array has `nbytes` too, and is no tensor: `isinstance(value, ...)`.
        isinstance(value, torch.Tensor) → hasattr(value, "nbytes")
    - by-memory: Two tensors can begin at one place in memory, and on meta there is no place at all.
      Compare the objects, by `id`.
        values = [one for one in model.state_dict().values() if isinstance(one, torch.Tensor)]
        return sum({one.data_ptr(): one.nbytes for one in values}.values())
    - by-storage: A tensor can be a part of a larger memory. Take its own `nbytes`.
        value.nbytes → value.untyped_storage().nbytes()
    - remembers: A default such as `seen={}` is made only once: make it inside the function.
        (model): → (model, distinct={}):
        distinct = { → distinct |= {
    """,
)


def momentum_of(model, saved, name):
    wanted = model.get_parameter(name)
    for position, parameter in enumerate(model.parameters()):
        if parameter is wanted:
            return saved["state"][position]["exp_avg"]


def _momenta(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """Each name of each trained parameter, in every model that Adam takes.

    With no learning rate equal parameters stay equal. Their first gradients were not, and those
    that they have now are."""
    for words, model in menagerie(without=("an empty model", "a model on meta", "a lazy layer")):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.0)
        optimizer.step()
        for one in model.parameters():
            if one.grad is not None:  # what nobody used has none, and no state
                one.grad = numbers_for("the same for all", one)
        optimizer.step()
        for name, one in model.named_parameters(remove_duplicate=False):
            if one in optimizer.state:
                given = {"model": model, "saved": optimizer.state_dict(), "name": name}
                yield (
                    f'`momentum_of(model, saved, "{name}")` for {words}',
                    partial(called, answer, **given, free=("identity",)),
                )
    linear = made("a linear layer")
    optimizer = torch.optim.Adam(linear.parameters(), lr=0.0)
    optimizer.step()
    saved = optimizer.state_dict()
    later = partial(saved.update, copy.deepcopy(saved))
    given = {"model": linear, "saved": saved, "name": "bias"}
    for state in saved["state"].values():
        state["exp_avg"] = state["exp_avg"] + 1
    yield (
        '`momentum_of(model, saved, "bias")` for a linear layer, when `saved` has got other '
        "numbers since it was called before",
        partial(called, answer, **given, free=("identity",), once=later),
    )


MOMENTUM_OF = Exercise(
    "1.5",
    momentum_of,
    _momenta,
    """
    `momentum_of(model, saved, name)` returns the `exp_avg` of the parameter called `name`

    1. Two steps: from the name to a position, and from the position to the state.
    2. `model.parameters()` is in the order in which the optimizer counts, and
       `model.get_parameter(name)` is the object that you look for.
    3. Nearly there: `saved["state"][position]["exp_avg"]`.

    - by-name: The optimizer knows no names. Its state is keyed by position.
        [position] → [name]
    - second-moment: `exp_avg_sq` averages the squares of the gradients. Take `exp_avg`.
        exp_avg → exp_avg_sq
    - whole-entry: That is all that Adam keeps for this parameter. Take its entry `exp_avg`.
        ["exp_avg"] →
    - keys: The state_dict has keys for buffers and for each name of a tie. Count the parameters.
        position = [*model.state_dict()].index(name)
        return saved["state"][position]["exp_avg"]
    - frozen: A frozen parameter has a position, often no state. Count all parameters.
        names = [name for name, one in model.named_parameters() if one.requires_grad]
        return saved["state"][names.index(name)]["exp_avg"]
    - second-name: `named_parameters()` has one name of a tie. Look for the object.
        names = [name for name, one in model.named_parameters()]
        return saved["state"][names.index(name)]["exp_avg"]
    - same-shape: Two parameters can have one shape. Look for the object, with `is`.
        parameter is wanted → parameter.shape == wanted.shape
    - equal-numbers: Two parameters can hold equal numbers. Look for the object, with `is`.
        parameter is wanted → torch.equal(parameter, wanted)
    - taken-out: Only look the tensor up, and leave the dictionary as it is.
        saved["state"][position] → saved["state"].pop(position)
    """,
)
