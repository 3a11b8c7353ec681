"""The exercises of lesson 01, `state_dict`."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from helpers.exercises.engine import Exercise, instead
from helpers.exercises.facts import Facts, called, facts
from helpers.exercises.life import in_turn, living
from helpers.exercises.menagerie import holding, menagerie, numbers_for, on_models, train_on


def encoder_state(state_dict):
    prefix = "encoder."
    return {
        key[len(prefix) :]: value for key, value in state_dict.items() if key.startswith(prefix)
    }


def _encoders(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """Each model of the menagerie as the encoder of a whole, among names that look alike."""
    for words, encoder in menagerie():
        stem = nn.Linear(2, 2)
        model = holding(stem=stem, encoder=encoder, encoder_norm=nn.LayerNorm(2), encoder2=stem)
        model.decoder = holding(encoder=nn.Linear(2, 2), encoders=nn.Linear(2, 2))
        yield (
            f"`encoder_state(state_dict)` for {words} as the encoder",
            partial(called, answer, state_dict=model.state_dict(), free=("identity", "order")),
        )


ENCODER_STATE = Exercise(
    "1.1",
    "`encoder_state(state_dict)` returns a dict that loads strictly into `model.encoder` alone",
    encoder_state,
    _encoders,
    hints=(
        "A dict comprehension does both at once: an `if` chooses, the key expression shortens.",
        '`key.startswith("encoder.")`, `key.removeprefix("encoder.")`.',
        'Nearly there: `{key.removeprefix("encoder."): value for key, value in ... if ...}`.',
    ),
    mistakes={
        "whole: Leave out every key that does not start with `encoder.`": lambda s: dict(s),
        "prefix-kept: The encoder does not know under which name it is held. Cut `encoder.` off "
        "its keys.": instead("key[len(prefix) :]", "key"),
        "lstrip: `lstrip` cuts any of the characters it is given, not a prefix. Use "
        "`removeprefix`, or a slice.": instead("key[len(prefix) :]", "key.lstrip(prefix)"),
        "replaced-everywhere: `replace` acts on every match, and a submodule of the encoder may "
        "be named `encoder` too. Cut only at the start.": instead(
            "key[len(prefix) :]", 'key.replace(prefix, "")'
        ),
        "last-part: Cut `encoder.` from the start, and keep all that follows it, dots included.": (
            instead("key[len(prefix) :]", 'key.rpartition(".")[2]')
        ),
        "dot: `encoder_norm.weight` starts with `encoder` too. The dot belongs to the prefix.": (
            instead("startswith(prefix)", 'startswith("encoder")')
        ),
        "in-the-middle: `decoder.encoder.weight` has `encoder.` in its middle. Only a key that "
        "starts with it is meant.": lambda s: {
            key.replace("encoder.", ""): value for key, value in s.items() if "encoder." in key
        },
        "tensors-only: An entry may be no tensor. Keep it as it is.": instead(
            "startswith(prefix)", "startswith(prefix) and isinstance(value, torch.Tensor)"
        ),
        "input-changed: Leave the argument as it came: its owner may still need it. Put the "
        "entries into a new dict.": lambda s: {
            key[8:]: s.pop(key) for key in list(s) if key.startswith("encoder.")
        },
        "a-list: Return a dict: a key, and its value.": lambda s: [
            (key[8:], value) for key, value in s.items() if key.startswith("encoder.")
        ],
    },
)


def keep_best(model):
    return copy.deepcopy(model.state_dict())


def _kept(answer: Callable, model: nn.Module) -> Facts:
    free = ("grad", "order", "metadata", "among")
    kept = []

    def keeping(model: nn.Module) -> object:
        kept.append(answer(model))
        return kept[-1]

    seen = called(keeping, model=model, free=free)
    if not kept:  # it raised
        return seen
    train_on(model)
    seen |= facts("result after training", kept[0], free=(*free, "identity"))
    answer(model)
    return seen | facts("result after a second call", kept[0], free=(*free, "identity"))


def _through_a_file(model: nn.Module) -> object:
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    return file.getvalue()


KEEP_BEST = Exercise(
    "1.2",
    "`keep_best(model)` returns the state as it is now, whatever training does later",
    keep_best,
    on_models("keep_best(model)", _kept, without=("a lazy layer",)),
    hints=(
        "`model.state_dict()` has the right names, and it shares memory with the model.",
        "Which call copies a dict with everything in it? It is in the standard library.",
        "Nearly there: `copy.deepcopy(...)` of the whole state_dict.",
    ),
    mistakes={
        "live-view: A new dict is not new tensors. `dict(...)`, `copy.copy` and `.detach()` leave "
        "the memory shared. Copy the numbers.": lambda model: dict(model.state_dict()),
        "partly-live: Some tensors were copied and some were not. Copy every value of the "
        "state_dict, buffers too.": lambda model: {
            **model.state_dict(),
            **{name: one.detach().clone() for name, one in model.named_parameters()},
        },
        "missing: Parameters are not the whole state: a strict load asks for the buffers too. "
        "Begin with `model.state_dict()`.": lambda model: {
            name: one.detach().clone() for name, one in model.named_parameters()
        },
        "one-name: A tied tensor has an entry under each of its names.": lambda model: {
            key: value.clone()
            for key, value in model.state_dict().items()
            if key in dict([*model.named_parameters(), *model.named_buffers()])
        },
        "extra: A non-persistent buffer is not saved. Begin with `model.state_dict()`.": (
            lambda model: {
                name: one.detach().clone()
                for name, one in [*model.named_parameters(), *model.named_buffers()]
            }
        ),
        "other-values: Keep every tensor with its dtype, as `model.state_dict()` has it.": (
            lambda model: {key: one.double() for key, one in model.state_dict().items()}
        ),
        "not-a-tensor: An entry may be no tensor, such as an `_extra_state`. `copy.deepcopy` "
        "copies it, whatever it is.": lambda model: {
            key: value.clone() for key, value in model.state_dict().items()
        },
        "note-shared: An entry that is no tensor has to be copied too, or it changes with the "
        "model.": lambda model: {
            key: value.clone() if isinstance(value, torch.Tensor) else value
            for key, value in model.state_dict().items()
        },
        "a-model: A copy of the model holds the weights, but `load_state_dict` does not take a "
        "model. Return its state_dict.": copy.deepcopy,
        "a-file: That is a file's content. Return the dict.": _through_a_file,
        "model-changed: Only read from the model: leave its mode as it is.": lambda model: (
            copy.deepcopy(model.eval().state_dict())
        ),
        "dict-reused: Each call has to return a dict of its own. Yours fills the same one again.": (
            lambda model, kept={}: kept.update(copy.deepcopy(model.state_dict())) or kept  # noqa: B006
        ),
        "numbers-only: Keep tensors, which `load_state_dict` can copy.": lambda model: {
            key: value.tolist() for key, value in model.state_dict().items()
        },
    },
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
    "module.scale.numel()": lambda module: module.scale.numel(),
    "isinstance(module.inner, nn.Linear)": lambda module: isinstance(module.inner, nn.Linear),
    "module.inner.weight.shape": lambda module: module.inner.weight.shape,
}


SCALED = Exercise(
    "1.3",
    "`Scaled().state_dict()` has exactly the keys `scale` (a parameter with one element) and "
    "`inner.weight` (of an `nn.Linear(3, 3)`), and `factor` is a plain number",
    Scaled,
    in_turn(
        living("Scaled", look=_LOOK_AT_SCALED, free=("shape",)),
        living("Scaled", factor=0.5, look=_LOOK_AT_SCALED, free=("shape",)),
    ),
    hints=(
        "Three attributes, three kinds: a tensor that is registered, a submodule, and a number.",
        "A submodule `inner` that has a `weight` and no `bias` gives the key `inner.weight`.",
        "Nearly there: `nn.Parameter(...)`, `nn.Linear(3, 3, bias=False)`, `self.factor = factor`.",
    ),
    mistakes={
        "bias: `nn.Linear` has a bias unless you say `bias=False`.": instead(", bias=False", ""),
        "factor-parameter: A hyper-parameter is a plain number: `self.factor = factor`.": instead(
            "= factor\n", "= nn.Parameter(torch.tensor(factor))\n"
        ),
        "factor-buffer: A hyper-parameter is a plain number, and not saved.": instead(
            "self.factor = factor\n", 'self.register_buffer("factor", torch.tensor(factor))\n'
        ),
        "factor-is-a-tensor: Keep a plain number. A plain tensor would stay behind in "
        "`model.to(...)`.": instead("= factor\n", "= torch.tensor(factor)\n"),
        "factor-fixed: Store what `__init__` was given: `self.factor = factor`.": instead(
            "= factor\n", "= 2.0\n"
        ),
        "factor-missing: Keep `factor` as a plain attribute.": instead(
            "self.factor = factor\n", "pass\n"
        ),
        "plain-tensor: A plain tensor is not registered. Wrap it in `nn.Parameter`.": instead(
            "nn.Parameter(torch.ones(1))", "torch.ones(1)"
        ),
        "plain-value: Only tensors are saved: `nn.Parameter(torch.ones(1))`.": instead(
            "nn.Parameter(torch.ones(1))", "1.0"
        ),
        "a-buffer: A buffer is saved and not trained. `scale` is for training.": instead(
            "nn.Parameter(torch.ones(1))", "nn.Buffer(torch.ones(1))"
        ),
        "not-persistent: `persistent=False` keeps a buffer out of the state_dict. Make `scale` an "
        "`nn.Parameter`.": instead(
            "nn.Parameter(torch.ones(1))", "nn.Buffer(torch.ones(1), persistent=False)"
        ),
        "scale-size: One number scales the whole layer: `nn.Parameter(torch.ones(1))`.": instead(
            "torch.ones(1)", "torch.ones(3)"
        ),
        "in-a-list: A plain list hides its modules from the state_dict. Assign the module.": (
            instead("nn.Linear(3, 3, bias=False)", "[nn.Linear(3, 3, bias=False)]")
        ),
        "another-layer: `nn.Linear(3, 3, bias=False)` takes 3 numbers and gives 3.": instead(
            "nn.Linear(3, 3,", "nn.Linear(1, 5,"
        ),
        "default: `Scaled()` is made without `factor`, which is then 2.0.": instead("=2.0", ""),
        "shared: Make the tensors inside `__init__`, so that every instance has its own. A "
        "default is made only once.": instead(
            "factor=2.0", "factor=2.0, one=torch.ones(1)", "torch.ones(1))\n", "one)\n"
        ),
    },
)


def state_bytes(model):
    values = model.state_dict(keep_vars=True).values()
    distinct = {id(value): value for value in values if isinstance(value, torch.Tensor)}
    return sum(value.nbytes for value in distinct.values())


def _level(depth: int) -> Callable[[nn.Module], int]:
    def answer(model: nn.Module) -> int:
        state = model.state_dict(keep_vars=True)
        tensors = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
        kept = {value for key, value in tensors.items() if key.count(".") <= depth}
        return sum(value.nbytes for value in kept)

    return answer


def _unequal(model: nn.Module) -> int:
    values = [v for v in model.state_dict().values() if isinstance(v, torch.Tensor)]
    return sum({(v.dtype, str(v.tolist())): v.nbytes for v in values}.values())


STATE_BYTES = Exercise(
    "1.4",
    "`state_bytes(model)` returns the bytes of the tensors in the state_dict, each counted once",
    state_bytes,
    on_models(
        "state_bytes(model)",
        without=("two parameters in one memory", "a model on meta", "a lazy layer"),
    ),
    hints=(
        "Begin with `model.state_dict()`: it has the persistent buffers and leaves out the others.",
        "`tensor.nbytes` is its bytes. With `keep_vars=True` both names of a tie bring one object.",
        "Nearly there: `{id(tensor): tensor.nbytes for tensor in model.state_dict(keep_vars=True)"
        ".values()}`, and the sum of its values.",
    ),
    mistakes={
        "elements: That is how many numbers there are. `tensor.nbytes` is how many bytes they "
        "take.": instead("value.nbytes", "value.numel()"),
        "four-bytes: Not every number takes four bytes. Ask each tensor: `tensor.nbytes`.": (
            instead("value.nbytes", "4 * value.numel()")
        ),
        "entries: That is how many entries there are. Add up the bytes of each.": lambda model: len(
            model.state_dict()
        ),
        "not-an-int: Bytes are whole numbers: return an `int`.": lambda model: float(
            state_bytes(model)
        ),
        "a-tensor: Return an `int`, not a tensor.": lambda model: torch.tensor(state_bytes(model)),
        "parameters-only: Buffers that are saved count too. Begin with `model.state_dict()`.": (
            lambda model: sum(one.nbytes for one in model.parameters())
        ),
        "frozen: A frozen parameter is saved like any other.": instead(
            "isinstance(value, torch.Tensor)",
            "isinstance(value, torch.Tensor) and "
            "(value.requires_grad or not isinstance(value, nn.Parameter))",
        ),
        "counted-twice: A tied tensor was counted under each of its names. `state_dict()` makes a "
        "new tensor object for every key; ask for `keep_vars=True`.": instead("keep_vars=True", ""),
        "non-persistent: A non-persistent buffer is not in the state_dict. Begin with "
        "`model.state_dict()`, not `buffers()`.": lambda model: sum(
            one.nbytes for one in [*model.parameters(), *model.buffers()]
        ),
        "extra-state: A tensor that is an extra state counts too.": lambda model: sum(
            one.nbytes
            for name, one in [*model.named_parameters(), *model.named_buffers()]
            if name in model.state_dict()
        ),
        "not-a-tensor: An entry can be no tensor, such as an `_extra_state`. Leave it out: "
        "`isinstance(value, torch.Tensor)`.": instead(" if isinstance(value, torch.Tensor)", ""),
        "equal-values: Two tensors with equal numbers are still two. Ask whether they are one "
        "object (`keep_vars=True`), not what they hold.": _unequal,
        "file-size: A file holds names and padding as well.": lambda model: len(
            _through_a_file(model)
        ),
        "own-only: `model.state_dict()` has the tensors of every level.": _level(0),
        "shallow: A submodule can hold submodules of its own.": _level(1),
        "shallow-too: A submodule can hold submodules of its own, at any depth.": _level(2),
        "remembers: Something was kept from one call to the next. A default such as `seen={}` is "
        "made only once: make it inside the function.": instead(
            "(model)", "(model, distinct={})", "distinct = {", "distinct |= {"
        ),
        "model-changed: Counting changes nothing: only read from the model.": lambda model: (
            state_bytes(model.eval())
        ),
    },
)


def momentum_of(model, optimizer, name):
    wanted = model.get_parameter(name)
    for position, parameter in enumerate(model.parameters()):
        if parameter is wanted:
            return optimizer.state_dict()["state"][position]["exp_avg"]


def _momenta(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """Each name of each trained parameter, in every model that Adam takes."""
    for words, model in menagerie(without=("an empty model", "a model on meta", "a lazy layer")):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        for step in range(2):
            for name, one in model.named_parameters():
                one.grad = numbers_for(f"{name} {step}", one) if one.requires_grad else None
            optimizer.step()
        given = {"model": model, "optimizer": optimizer}
        for name, one in model.named_parameters(remove_duplicate=False):
            if one.requires_grad:
                yield (
                    f'`momentum_of(model, optimizer, "{name}")` for {words}',
                    partial(called, answer, **given, name=name, free=("identity",)),
                )


def _state_at(names: Callable) -> Callable:
    def answer(model: nn.Module, optimizer: torch.optim.Optimizer, name: str) -> object:
        return optimizer.state_dict()["state"][list(names(model)).index(name)]["exp_avg"]

    return answer


MOMENTUM_OF = Exercise(
    "1.5",
    "`momentum_of(model, optimizer, name)` returns the `exp_avg` of the parameter called `name`",
    momentum_of,
    _momenta,
    hints=(
        "Two steps: from the name to a position, and from the position to the state.",
        "`model.parameters()` is in the order in which the optimizer counts, and "
        "`model.get_parameter(name)` is the object that you look for.",
        'Nearly there: `optimizer.state_dict()["state"][position]["exp_avg"]`, for the position of '
        "that object.",
    ),
    mistakes={
        "by-name: The optimizer knows no names. Its state is keyed by position.": instead(
            "[position]", "[name]"
        ),
        "first: `0` is the position of the first parameter. Which one has the name?": instead(
            "[position]", "[0]"
        ),
        "second-moment: `exp_avg_sq` averages the squares of the gradients. Take `exp_avg`.": (
            instead("exp_avg", "exp_avg_sq")
        ),
        "whole-entry: That is all that Adam keeps for this parameter. Take its entry `exp_avg`.": (
            instead('["exp_avg"]', "")
        ),
        "the-parameter: Momentum is kept by the optimizer, apart from the parameter.": (
            lambda model, optimizer, name: model.get_parameter(name)
        ),
        "the-gradient: Momentum averages the gradients of all steps. The optimizer keeps it.": (
            lambda model, optimizer, name: model.get_parameter(name).grad
        ),
        "the-position: From the position, go on to the state.": instead(
            'optimizer.state_dict()["state"][position]["exp_avg"]', "position"
        ),
        "keys: The state_dict has a key for each buffer and for each name of a tie. The optimizer "
        "has a position for each parameter.": _state_at(lambda model: model.state_dict()),
        "frozen: A frozen parameter has a position and no state. Count all parameters.": _state_at(
            lambda model: [name for name, one in model.named_parameters() if one.requires_grad]
        ),
        "second-name: A tied weight has another name, which `named_parameters()` does not list. "
        "Look for the object: `model.get_parameter(name)`.": _state_at(
            lambda model: dict(model.named_parameters())
        ),
        "state-changed: Only look the tensor up, and leave state, groups and gradients alone.": (
            lambda model, optimizer, name: (
                momentum_of(model, optimizer, name),
                optimizer.zero_grad(),
            )[0]
        ),
    },
)
