"""The exercises of lesson 08, many processes; none of them needs a second one."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from helpers.exercises.exercise import Exercise
from helpers.exercises.facts import Facts, called
from helpers.exercises.menagerie import (
    TO_CHANGE,
    holding,
    made,
    menagerie,
    numbers_for,
    rename,
)


def bare_state(model):
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    parts = model.named_modules(remove_duplicate=False)
    paths = [path for path, part in parts if isinstance(part, wrappers)]
    state = model.state_dict()
    for path in reversed(paths):
        start = f"{path}." if path else ""
        inside = f"{start}module."
        state = {
            start + key.removeprefix(inside) if key.startswith(inside) else key: value
            for key, value in state.items()
        }
    return state


def _wrapped_parts(model: nn.Module) -> nn.Module:
    """`model` with each of its children in a wrapper, and the inner ones of these too."""
    for name, child in list(model.named_children()):
        model.add_module(name, nn.DataParallel(_wrapped_parts(child)))
    return model


def _twice(model: nn.Module) -> nn.Module:
    return nn.DataParallel(nn.DataParallel(model))


def _under_two_names(model: nn.Module) -> nn.Module:
    wrapped = nn.DataParallel(model)
    return holding(first=wrapped, again=wrapped)


def _parallel(model: nn.Module) -> nn.Module:
    """`model` in the other wrapper, without the processes that its `__init__` asks for, and that
    the class asks for again where one is copied."""
    wrapper = object.__new__(nn.parallel.DistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = model

    def copied(memo: dict) -> nn.Module:
        other = memo[id(wrapper)] = _parallel(copy.deepcopy(wrapper.module, memo))
        other.training = wrapper.training
        return other

    wrapper.__deepcopy__ = copied
    return wrapper


# A class of somebody's own, which only has the name.
_Namesake = type("DataParallel", (nn.Module,), {})


def _among_look_alikes(model: nn.Module) -> nn.Module:
    """`model` wrapped as `part`, among other parts with `part` and `module` in their paths."""
    inner = holding(part=holding(module=nn.Linear(2, 2)))
    apart = _Namesake()
    apart.module = nn.Linear(2, 2)
    return holding(inner=inner, part=nn.DataParallel(model), apart=apart)


_WRAPPED = {
    "{}": lambda model: model,
    "{}, wrapped": nn.DataParallel,
    "{}, wrapped in `DistributedDataParallel`": _parallel,
    "{} as a part in `DistributedDataParallel`": lambda model: holding(
        first=nn.Linear(2, 2), part=_parallel(nn.DataParallel(model))
    ),
    "{} as `part`, wrapped, among names that look alike": _among_look_alikes,
    "{} as a part, wrapped": lambda model: holding(
        first=nn.Linear(2, 2), part=nn.DataParallel(model)
    ),
    "{}, wrapped twice": _twice,
    "{} wrapped, under two names": _under_two_names,
    "{} as `module` of another, wrapped": lambda model: nn.DataParallel(holding(module=model)),
    "{} with every part wrapped": _wrapped_parts,
}


# Where a question has been asked of every kind of model, these are enough to ask it in other ways.
_TELLING = ("a linear layer", "tied weights", "a module under two names", "an extra state")
_TELLING += ("names within names", "seven levels", "a wrapped model")


def _behind_wrappers(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    every = [words for words, _ in menagerie(without=("a model on meta", "a lazy layer"))]
    for kind, wrap in _WRAPPED.items():
        for words in every if wrap is nn.DataParallel else _TELLING:
            given, twice = wrap(made(words)), wrap is _twice
            ask = partial(called, answer, model=given, free=("metadata",), again=twice)
            yield f"`bare_state(model)` for {kind.format(words)}", ask
    for words in TO_CHANGE:
        given = holding(first=nn.DataParallel(made(words)), last=nn.Linear(2, 2))
        ask = partial(called, answer, model=given, free=("metadata",), once=partial(rename, given))
        yield f"`bare_state(model)` for {words} as a part, wrapped, called again when renamed", ask


BARE_STATE = Exercise(
    "8.1",
    bare_state,
    _behind_wrappers,
    """
    `bare_state(model)` returns the state of a model under the keys that it would have if none of
    its parts were wrapped

    1. Where are the wrappers? `named_modules()` gives every part with its path.
    2. A wrapper at `encoder` makes `encoder.module.weight` of `encoder.weight`. One at the root has
       the path "", and no dot in front.
    3. Nearly there: for each path, the inner ones first, cut `module.` off behind the path, in the
       keys that begin with it. `named_modules(remove_duplicate=False)` gives a shared part under
       each of its paths.

    - untouched: The keys of what is wrapped still have the step `module`.
        return dict(model.state_dict())
    - outer-first: Once an outer step is cut off, the path of an inner wrapper is another.
        reversed(paths) → paths
    - root-alone: A wrapper may sit around a part: then the step is inside the key. Look for all.
        isinstance(part, wrappers)] → isinstance(part, wrappers) and not path]
    - everywhere: `module` may be a name like any other. Cut it off where a wrapper stands.
        state = model.state_dict()
        return {key.replace("module.", ""): value for key, value in state.items()}
    - one-class: There are two classes of wrappers. Ask for both.
        (nn.DataParallel, nn.parallel.DistributedDataParallel) → (nn.DataParallel,)
    - in-the-middle: A path begins a key. In the middle of one it is a name of something else.
        start + key.removeprefix(inside) if key.startswith(inside) else key → \
key.replace(inside, start, 1)
    - copies: The values stay the tensors that `model.state_dict()` gives, in the model's memory.
        return state → return {key: torch.clone(one) if isinstance(one, torch.Tensor) else one \
for key, one in state.items()}
    - one-name: A part with several paths has keys under each. Ask for all of them.
        remove_duplicate=False → remove_duplicate=True
    """,
)


def rows_of(rows, ranks, rank):
    each = -(-rows // ranks)
    start = min(rank * each, rows)
    return start, min(start + each, rows)


def _cuts(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    sizes = [(8, 2), (3, 2), (10, 4), (9, 4), (7, 3), (5, 4), (2, 4), (1, 1), (0, 2), (6, 1)]
    many = [(17, 16), (3001, 3000), (2**24 + 1, 2)]  # where what is nearly rounded up falls short
    many += [(3, 1_000_000)]  # as many ranks as the docstring names
    many += [(273, 91)]  # where a product with the inverse of `ranks` exceeds the quotient
    for rows, ranks in sizes + many:
        for rank in sorted({*range(min(ranks, 4)), ranks // 2, ranks - 1}):
            words = f"`rows_of({rows}, {ranks}, {rank})`"
            ask = partial(called, answer, rows=rows, ranks=ranks, rank=rank, free=("kind",))
            yield words, ask


ROWS_OF = Exercise(
    "8.2",
    rows_of,
    _cuts,
    """
    `rows_of(rows, ranks, rank)` returns the first row of a rank, and the first that is not its own
    any more

    1. How many rows does each rank get, if they halve, and if they do not? In the lesson three rows
       became two and one.
    2. `-(-rows // ranks)` is `rows / ranks`, rounded up. Rank `r` begins at `r` times that.
    3. Nearly there: `start = min(rank * each, rows)`, and it ends at `min(start + each, rows)`.

    - rounded-down: Three rows on two ranks are two and one: round up.
        -(-rows // ranks) → rows // ranks
    - evenly: Torch does not spread the rest over the first ranks: ten on four are 3, 3, 3 and 1.
        each, rest = divmod(rows, ranks)
        start = rank * each + min(rank, rest)
        return start, start + each + (rank < rest)
    - inexact: Whole numbers are exact. A single-precision quotient is not, from 2**24 on.
        -(-rows // ranks) → int((torch.tensor(rows) / ranks).ceil())
    - beyond: There are no more than `rows` rows: a rank ends where they end.
        return start, min(start + each, rows) → return start, start + each
    - start-beyond: A rank that gets nothing begins where the rows end.
        min(rank * each, rows) → rank * each
    - last-row: The second number is the first row that is *not* of this rank.
        min(start + each, rows) → min(start + each, rows) - 1
    - count: The second number is a place, not how many rows there are.
        return start, min(start + each, rows) → return start, min(start + each, rows) - start
    """,
)


def assembled(size, pieces):
    whole = torch.empty(size, dtype=pieces[0][1].dtype)
    for offsets, piece in pieces:
        ends = [start + length for start, length in zip(offsets, piece.shape, strict=True)]
        whole[tuple(map(slice, offsets, ends))] = piece
    return whole


def _cut(tensor: torch.Tensor, dims: tuple[int, ...], parts: int) -> list[tuple[tuple, object]]:
    """The pieces of `tensor`, cut along each of `dims`, with their offsets."""
    pieces = [((0,) * tensor.dim(), tensor)]
    for dim in dims:
        cut = []
        for offsets, piece in pieces:
            at = 0
            for one in piece.chunk(parts, dim):
                cut.append((offsets[:dim] + (at,) + offsets[dim + 1 :], one.clone()))
                at += one.shape[dim]
        pieces = cut
    return pieces


_SHAPES = {
    "a vector": ((7,), [(0,)]),
    "a matrix": ((4, 6), [(0,), (1,), (0, 1)]),
    "a tensor of three dimensions": ((3, 4, 5), [(1,), (2, 0)]),
    "a tensor of four dimensions": ((1, 2, 3, 2), [(2, 3)]),
    "a single number": ((), [()]),
}


def _exact(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """`tensor` in `dtype`, with numbers that no shorter one can hold."""
    if dtype == torch.int64:
        return (8 * tensor).to(dtype) + 2**60 + 1
    if dtype == torch.bfloat16:  # which may hold no numbers at its ends
        tensor = tensor.clone()
        tensor.view(-1)[0], tensor.view(-1)[-1] = math.nan, math.inf
    if dtype == torch.bool:
        return tensor > tensor.mean()
    return tensor.to(dtype) * (1e60 if dtype == torch.float64 else 1)


def _orders(pieces: list, size: tuple[int, ...]) -> dict[str, list]:
    """The pieces in two orders; in the other one the offsets are lists, and a piece is empty."""
    other = [([*offsets], piece.clone()) for offsets, piece in pieces[::-1]]
    if size:
        empty = [size[0]] + [0] * (len(size) - 1), pieces[0][1].new_empty((0, *size[1:]))
        other.insert(0, empty)
    return {"": pieces, ", the last first": other}


def _put_together(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    for words, (size, cuts) in _SHAPES.items():
        for dims in cuts:
            for dtype in (torch.float32, torch.int64, torch.bool, torch.float64, torch.bfloat16):
                whole = _exact(numbers_for("whole", torch.empty(size, dtype=torch.float32)), dtype)
                pieces = _cut(whole, dims, 3)
                for order, given in _orders(pieces, size).items():
                    along = f" cut along {', '.join(map(str, dims))}" * bool(dims)
                    told = f"`assembled({size}, pieces)` for {words} of {dtype}{along}{order}"
                    given = {"size": torch.Size(size), "pieces": given}
                    yield told, partial(called, answer, **given, free=("grad",), again=True)


ASSEMBLED = Exercise(
    "8.3",
    assembled,
    _put_together,
    """
    `assembled(size, pieces)` returns the whole tensor that was cut into `pieces`, wherever each of
    them begins

    1. Make a tensor of the whole size, and write each piece to its place.
    2. A piece begins at its offsets, and has its own shape: one `slice(offset, offset + length)`
       for each dimension.
    3. Nearly there: `whole[tuple(slices)] = piece`, with `whole` of the dtype of the pieces.

    - joined: Pieces may be cut along any dimension, and come in any order. Look at the offsets.
        return torch.cat([piece for _, piece in pieces]) if len(size) else pieces[0][1].clone()
    - float: The dtype is that of the pieces; without `dtype=` a new tensor is `float32`.
        , dtype=pieces[0][1].dtype →
    - on-the-way: Large numbers have been rounded on the way. Give the whole its dtype.
        torch.empty(size, dtype=pieces[0][1].dtype) → torch.empty(size)
        return whole → return whole.to(pieces[0][1].dtype)
    - offsets-changed: The offsets are other lists now. Leave them as they are.
        for offsets, piece in pieces: → for offsets, piece in [([*one], two) for one, two in \
pieces] if [isinstance(one, list) and one.append(0) for one, _ in pieces] else pieces:
        zip(offsets, piece.shape, strict=True) → zip(offsets, piece.shape)
    - first-dimension: A piece may begin further on in every dimension, not in the first alone.
        if not size: return pieces[0][1].clone()
        whole = torch.empty(size, dtype=pieces[0][1].dtype)
        for offsets, piece in pieces:
            whole[offsets[0] : offsets[0] + len(piece)] = piece
        return whole
    - given-itself: What is returned is one of the pieces themselves. Copy its numbers.
        if len(pieces) == 1:
            return pieces[0][1]
        whole = torch.empty(size, dtype=pieces[0][1].dtype)
        for offsets, piece in pieces:
            ends = [offset + length for offset, length in zip(offsets, piece.shape, strict=True)]
            whole[tuple(map(slice, offsets, ends))] = piece
        return whole
    - given-changed: The list of pieces is empty now. Leave it as it is.
        for offsets, piece in pieces: → for offsets, piece in [pieces.pop() for _ in pieces[:]]:
    """,
)


def by_name(model, optimizer):
    name_of = {parameter: name for name, parameter in model.named_parameters()}
    saved = optimizer.state_dict()
    names = {}
    for group, kept in zip(optimizer.param_groups, saved["param_groups"], strict=True):
        for position, parameter in zip(kept["params"], group["params"], strict=True):
            names[position] = name_of[parameter]
    return {
        "state": {names[position]: memory for position, memory in saved["state"].items()},
        "param_groups": [
            {**kept, "params": [names[position] for position in kept["params"]]}
            for kept in saved["param_groups"]
        ],
    }


def _one_group(model: nn.Module) -> list:
    return list(model.parameters())


def _two_groups(model: nn.Module) -> list:
    """The parameters in two groups, the last first."""
    last, *others = list(model.parameters())[::-1]
    return [{"params": [last], "lr": 0.2}, {"params": others}]


_OPTIMIZERS = {
    "Adam": (torch.optim.Adam, _one_group),
    "Adam with two groups": (torch.optim.Adam, _two_groups),
    "SGD without a memory": (torch.optim.SGD, _one_group),
}
_NO_PARAMETERS = ("an empty model", "a model on meta", "a lazy layer")


def _remembered(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    for kind, (optimizer, groups) in _OPTIMIZERS.items():
        every = [words for words, _ in menagerie(without=_NO_PARAMETERS)]
        for words in every if kind == "Adam" else _TELLING:
            model = made(words)
            made_of = optimizer(groups(model), lr=0.1)
            made_of.step()
            for number, memory in enumerate(made_of.state.values()):
                memory["seen"] = number  # as an optimizer of one's own may note
            for group in made_of.param_groups:  # as it was given them, under older names
                group["param_names"] = [f"old.{number}" for number in range(len(group["params"]))]
            given = {"model": model, "optimizer": made_of}
            twice, free = groups is _two_groups, ("identity", "memory", "order")
            ask = partial(called, answer, **given, free=free, again=twice)
            yield f"`by_name(model, optimizer)` for {words} and {kind}", ask
    for words in TO_CHANGE:
        model = made(words)
        made_of = torch.optim.Adam(model.parameters(), lr=0.1)
        given, free = {"model": model, "optimizer": made_of}, ("identity", "memory", "order")
        ask = partial(called, answer, **given, free=free, once=partial(_stepped, model, made_of))
        yield f"`by_name(model, optimizer)` for {words}, called again once renamed and trained", ask


def _stepped(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    rename(model)
    optimizer.step()


BY_NAME = Exercise(
    "8.4",
    by_name,
    _remembered,
    """
    `by_name(model, optimizer)` returns the optimizer's `state_dict()` with names in place of
    positions, in `state` and in `params`

    1. Which parameter has which position? `optimizer.param_groups` has the parameters,
       `optimizer.state_dict()["param_groups"]` has their positions, in the same order.
    2. A parameter can be a key of a dictionary: turn `named_parameters()` around, and ask for the
       name of each.
    3. Nearly there: with `names[position] = name_of[parameter]` for all of them, build `state` anew
       under the names, and each group as `{**group, "params": [...]}`.

    - positions: The keys of `state` are still positions.
        {names[position]: memory for position, memory in saved["state"].items()} → saved["state"]
    - groups: The groups have positions in `params`. They want names, too.
        [names[position] for position in kept["params"]] → kept["params"]
    - order-of-the-model: The optimizer counts group by group, in the order in which it was given
      them.
        names[position] = name_of[parameter] → names[position] = [*name_of.values()][position]
    - state-alone: There are two parts: `state` and `param_groups`.
        by_position = optimizer.state_dict()["state"]
        names = [name for name, _ in model.named_parameters()]
        return {names[position]: memory for position, memory in by_position.items()}
    - all-of-them: A parameter of which the optimizer remembers nothing has no entry in `state`.
        for position, memory in saved["state"].items() → for position in names
        ]: memory → ]: saved["state"].get(position, {})
    - settings-lost: A group has a learning rate and more beside `params`. Keep them.
        {**kept, "params" → {"params"
    - older-names: The optimizer may have names of its own, and older ones. Take the model's.
        for position in kept["params"]] → for position in ()] or kept["param_names"]
    - tensors-alone: What the optimizer remembers need not be a tensor. Keep all of it.
        ]: memory for → ]: {key: one for key, one in memory.items() if \
isinstance(one, torch.Tensor)} for
    - given-changed: The optimizer itself has other groups now. Build new ones.
        names = {} → names = {}; optimizer.param_groups[0]["name"] = "first"
    """,
)
