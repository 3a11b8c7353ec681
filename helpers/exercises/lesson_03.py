"""The exercises of lesson 03, buffers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from helpers.exercises.exercise import Exercise
from helpers.exercises.facts import Facts, Known, facts, is_a, listed, plain_text, solved
from helpers.exercises.life import in_turn, living
from helpers.exercises.menagerie import holding, menagerie, numbers_for, tensors_of

KEYS = ["scale", "offset", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]


def _five_keys(answer: object) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """One question after the other, none of which gives a key away."""
    given = list(answer) if is_a(answer, (list, tuple)) else [answer]
    strange = [key for key in given if not is_a(key, str) or key not in KEYS]
    kinds = {"a parameter": KEYS[:1], "a buffer filled later": KEYS[1:2], "the norm": KEYS[2:]}
    yield "`keys`", lambda: {"is": "a list" if is_a(answer, (list, tuple)) else plain_text(answer)}
    yield "`keys`", lambda: {"holds, though it is no key:": listed(strange[:1])}
    for words, keys in kinds.items():
        missing = plain_text(sum(key not in given for key in keys))
        yield "`keys`", partial(dict, {f"lacks of the keys of {words}": missing})
    yield "`keys`", lambda: {"has": f"{len(given)} entries"}
    yield "the order of `keys`", lambda: {"is": "right" if given == KEYS else "another one"}


FIVE_KEYS = Exercise(
    "3.1",
    KEYS,
    _five_keys,
    """
    `keys` is the list of the five keys of `Guess().state_dict()`, in their order

    1. Is the name registered, does it hold a tensor at the end, and is it to be saved?
    2. `affine=False` takes away the parameters of `norm` and leaves its buffers.
    3. Nearly there: `scale`, then the buffer that stood empty at first, then the three of `norm`.

    - a-text: Write a list of texts: `keys = ["...", "..."]`.
        "scale, offset"
    - plain-tensor: `shift` is a plain attribute: nobody registered it.
        ["shift"]
    - not-persistent: `mask` was registered with `persistent=False`. Its slot keeps this rule.
        ["mask"]
    - empty-slot: `last` is still registered, and holds `None` in the end. It has no entry.
        ["last"]
    - affine: With `affine=False` a batch norm has no `weight` and no `bias`.
        ["norm.weight"]
    - short-path: A key is a path: the buffers of `norm` have `norm.` in front.
        ["running_mean"]
    - frozen: `requires_grad=False` does not take a parameter out.
        KEYS[1:]
    - filled-slot: `offset` was registered with `None` and got a tensor later. It is saved.
        [KEYS[0], *KEYS[2:]]
    - statistics: A batch norm has three buffers: two statistics, and a count.
        KEYS[:-1]
    - order: A module lists its own parameters, then its own buffers, then its submodules'.
        KEYS[::-1]
    """,
)


class Positions(nn.Module):
    def __init__(self, length, width):
        super().__init__()
        steps = torch.arange(length).unsqueeze(1)
        rates = 100.0 ** (-torch.arange(0, width, 2) / width)
        table = torch.stack([(steps * rates).sin(), (steps * rates).cos()], dim=2)
        table = table.reshape(length, width)
        self.register_buffer("table", table, persistent=False)

    def forward(self, x):
        return x + self.table[: x.shape[-2]]


def _of_dtype(dtype: torch.dtype, module: nn.Module) -> torch.Tensor:
    twin = copy.deepcopy(module)
    steps, device = len(twin.table) - 1, twin.table.device
    return twin(torch.ones(steps, *twin.table.shape[1:], dtype=dtype, device=device)).detach()


def _lacking(module: nn.Module) -> list[str]:
    """Which keys a load of nothing misses, for the module as a part of a model."""
    model = holding(head=nn.Linear(1, 1), part=module)
    model.head.table = nn.Buffer(torch.ones(1))
    return sorted(model.load_state_dict({}, strict=False).missing_keys)


_LOOK_AT_POSITIONS = {
    "the missing keys of a model that holds it, after a load of nothing": _lacking,
    "module.load_state_dict({})": lambda module: str(module.load_state_dict({})),
    'module.load_state_dict({"tables": ...})': lambda module: str(
        module.load_state_dict({"tables": torch.zeros(1)})
    ),
    **{
        f"module(torch.ones(steps, width, dtype={dtype}))": partial(_of_dtype, dtype)
        for dtype in (torch.float16, torch.float64, torch.int64)
    },
}
# Events that would give other numbers to a table that is saved, which nobody forbids.
_NEW_NUMBERS = (
    "its numbers set",
    "load_state_dict(assign=True)",
    "load_state_dict(assign=True) in eval mode",
    "saved and loaded at last",
)

_POSITIONS = partial(
    living,
    "Positions",
    begins=("table",),
    look=_LOOK_AT_POSITIONS,
    beside=lambda kind: kind(2, 6),
    lines=("module.half(); module.float()",),
    free=("keys", *_NEW_NUMBERS),
)

POSITIONS = Exercise(
    "3.2",
    Positions,
    in_turn(
        _POSITIONS(
            6, 4, calls=((torch.ones(2, 6, 4),), (torch.zeros(3, 4),), (torch.zeros(1, 2, 5, 4),))
        ),
        _POSITIONS(3, 6, calls=((torch.ones(3, 6),), (torch.zeros(2, 1, 6),))),
    ),
    """
    `Positions(length, width)` adds what `LostPositions` adds, its `table` travels, and old files
    without it load

    1. Only one line of `LostPositions` has to change: the one that makes `table` an attribute.
    2. What is moved, not trained and not saved is the fourth of the five ways.
    3. Nearly there: `self.register_buffer("table", table, persistent=False)`.

    - one-width: The rates depend on `width`, whatever it is.
        / width) → / 4)
    - name-taken: `register_buffer` does not take over the name of a plain attribute.
        self.register → self.table = table; self.register
    - plain: `table` is still a plain attribute. Register it, and `.to` finds it.
        self.register_buffer("table", table, persistent=False) → self.table = table
    - trained: A parameter is trained, and `parameters()` lists it even if it is frozen.
        self.register_buffer("table", table, persistent=False) → self.table = nn.Parameter(table)
    - saved: The old files do not have its key. `register_buffer` takes `persistent=False`.
        , persistent=False →
    - hides-others: A model that holds it lacks keys of other layers, and is not told so. Leave the
      report alone: `persistent=False` takes one key out of it.
        , persistent=False) → ); hook = lambda _, keys: keys.missing_keys.clear()
        missing_keys.clear() → missing_keys.clear(); self.register_load_state_dict_post_hook(hook)
    - another-shape: `table` has the shape `(length, width)`.
        table.reshape(length, width) → table
        self.table[: → self.table.flatten(1)[:
    - all-rows: `x` may have fewer steps than the table has rows.
        [: x.shape[-2]] →
    - one-dtype: The sum has another dtype than torch would give it. Add the rows as they are.
        x + self.table[: x.shape[-2]] → (x + self.table[: x.shape[-2]]).float()
    - dtype-of-x: Cut to the dtype of `x`, the rows lose digits, and an integer `x` loses them all.
      Add them as they are, and torch finds the dtype of the sum.
        [: x.shape[-2]] → [: x.shape[-2]].to(x.dtype)
    - alias: What `forward` reads beside `table` does not travel. Read `self.table` at each call.
        self.register → self.rows = [table]; self.register
        self.table[: → self.rows[0][:
    """,
)


class Memory(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("seen", torch.empty(0, width), persistent=False)

    def forward(self, rows):
        self.seen = torch.cat([self.seen, rows.detach()])
        return self.seen.amax(0)


# In the first two rows both columns are negative.
_ROWS = torch.tensor([[-1.0, -5.0], [-3.0, -2.0], [2.0, -7.0], [-1.0, 9.0]])


def _after_no_rows(module: nn.Module) -> torch.Tensor | None:
    """What a copy gives for no rows, after it has been given one."""
    twin = copy.deepcopy(module)
    row = twin.seen.new_full((1, twin.seen.shape[1]), 99.0)
    twin(row)
    return None if row.is_meta else twin(row[:0]).detach()


_MEMORY = partial(living, "Memory", begins=("seen",), beside=lambda kind: kind(3))
_NO_ROWS = {"what a copy gives for one more row, and then for none": _after_no_rows}

MEMORY = Exercise(
    "3.3",
    Memory,
    in_turn(
        _MEMORY(2, calls=((_ROWS[:2],), (_ROWS[2:3],), (_ROWS[3:],))),
        _MEMORY(2, calls=((_ROWS[2:3],), (_ROWS[:2],)), look=_NO_ROWS),
        _MEMORY(1, calls=((_ROWS[:2, :1],), (_ROWS[2:3, :1].repeat(2000, 1),))),
        _MEMORY(2, calls=((_ROWS[:2] / 4,), (torch.tensor([[1, -9]]),)), free=('.to("meta")',)),
    ),
    """
    `Memory(width)` keeps every row in the buffer `seen`, which moves, is not saved and has no graph

    1. Begin with `torch.empty(0, width)` in a buffer that is not persistent.
    2. `torch.cat` makes a new tensor. Assign it to `self.seen`: the slot keeps its rule.
    3. Nearly there: `self.seen = torch.cat([self.seen, rows.detach()])`, and `self.seen.amax(0)`.

    - forgets: Every row is kept, however many there are.
        torch.cat([self.seen, rows.detach()]) → torch.cat([self.seen, rows.detach()])[-1000:]
    - plain: `seen` is a plain attribute, and `.to` does not find it. Register it.
        self.register_buffer("seen", torch.empty(0, width), persistent=False) → self.seen = None
    - trained: A parameter would be trained. What is remembered is a buffer.
        self.register_buffer("seen", → self.seen = nn.Parameter(
        , persistent=False →
    - saved: A fresh model cannot load rows that it has no room for: `persistent=False`.
        , persistent=False →
    - saved-later: The buffer was registered anew, as persistent: so do `register_buffer` and
      `nn.Buffer`. Assign a plain tensor to the name.
        self.seen = torch.cat( → self.register_buffer("seen", torch.cat(
        rows.detach()]) → rows.detach()]))
    - new-first: The rows stand in the order in which they came.
        [self.seen, rows.detach()] → [rows.detach(), self.seen]
    - of-rows: The largest value of each column, over all rows: `self.seen.amax(0)`.
        amax(0) → amax(1)
    - holds-the-graph: The history of the rows goes on into the buffer, or into the result. Keep
      `rows.detach()`, and compute with that.
        rows.detach() → rows
    - the-input: The first rows are the learner's own tensor, who may change it. Copy it, as
      `torch.cat` does.
        return self.seen → self.seen = rows.detach() if len(self.seen) == len(rows) else self.seen
        .amax(0) → ; return self.seen.amax(0)
    - alias: What is kept beside `seen` does not travel with the module, nor change with it. Keep
      the rows in `self.seen` alone.
        persistent=False) → persistent=False); self.rows = []
        self.seen = torch.cat([self.seen, → self.rows.append(
        rows.detach()]) → rows.detach()); self.seen = torch.cat(self.rows)
    """,
)


class Scaler(nn.Module):
    def __init__(self, width, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("low", torch.zeros(width))
        self.register_buffer("high", torch.ones(width))

    def forward(self, x):
        if self.training:
            seen = x.detach()
            self.low = (1 - self.momentum) * self.low + self.momentum * seen.amin(0)
            self.high = (1 - self.momentum) * self.high + self.momentum * seen.amax(0)
        return (x - self.low) / (self.high - self.low)


_ONE_ROW = (torch.tensor([[7.0, -9.0]]),)
_BATCHES = ((torch.tensor([[1.0, 4.0], [5.0, -8.0]]),), (torch.tensor([[2.0, 2.0], [3.0, 9.0]]),))


def _told_plainly(module: nn.Module) -> torch.Tensor | None:
    """What a copy gives that has seen batches without a graph, and then, in eval mode, a file.

    In the last column of this file `low` and `high` are equal, and else `low` is the larger."""
    twin = copy.deepcopy(module).train()
    batch = torch.full_like(twin.low, 5.0).expand(2, -1)
    if batch.is_meta:
        return None
    twin(batch)
    with torch.no_grad():
        twin(-batch)
    learned = torch.cat([twin.low, twin.high])
    file = {"low": torch.full_like(twin.low, 4.0), "high": torch.zeros_like(twin.high)}
    file["low"][-1] = 0.0
    twin.eval().load_state_dict(file)
    return torch.cat([learned, *twin(batch)]).detach()


_ASK_PLAINLY = {"what a copy learns of a plain batch, and gives after a load": _told_plainly}

_SCALER = partial(
    living,
    "Scaler",
    begins=("low", "high"),
    beside=lambda kind: kind(3, momentum=0.5),
)

SCALER = Exercise(
    "3.4",
    Scaler,
    in_turn(
        _SCALER(2, calls=_BATCHES, look=_ASK_PLAINLY),
        _SCALER(2, calls=(*_BATCHES, _ONE_ROW), momentum=0.25),
        _SCALER(2, calls=_BATCHES, momentum=0.0),
        _SCALER(1, calls=((_BATCHES[0][0][:, :1],), (_BATCHES[1][0][:, :1],))),
    ),
    """
    `Scaler(width)` scales as `Forgetful` does, and its `low` and `high` survive a reload

    1. Three faults: nothing is registered, eval mode changes it, and its memory carries a graph.
    2. Two calls of `register_buffer`, one `if self.training:`, and `x.detach()` for the memory.
    3. Nearly there: in training mode, `self.low = (1 - m) * self.low + m * x.detach().amin(0)`.

    - plain: `low` and `high` have to be in the `state_dict`. `register_buffer` puts them there.
        self.register_buffer("low", torch.zeros(width)) → self.low = torch.zeros(width)
        self.register_buffer("high", torch.ones(width)) → self.high = torch.ones(width)
    - not-persistent: With `persistent=False` a reload forgets them again.
        zeros(width)) → zeros(width), persistent=False)
        ones(width)) → ones(width), persistent=False)
    - trained: Nobody trains them: they are buffers, not parameters.
        self.register_buffer("low", → self.low = nn.Parameter(
        self.register_buffer("high", → self.high = nn.Parameter(
    - no-update: In training mode each call moves `low` and `high` towards the batch, first of all.
        if self.training: → if False:
    - updates-in-eval: In eval mode they are used and not changed. `forward` asks `self.training`.
        if self.training: → if True:
    - by-gradients: Whether autograd is on is another matter. `forward` asks `self.training`.
        if self.training: → if self.training and torch.is_grad_enabled():
    - guarded: The range is divided by as it is, as `Forgetful` does: without a guard.
        (self.high - self.low) → (self.high - self.low).clamp_min(1e-5)
    - momentum-fixed: Use the `momentum` that was given.
        = momentum → = 0.1
    - holds-the-graph: The extremes carry the history of `x`, into what is remembered or into the
      result. Take them from `x.detach()`.
        x.detach() → x
    - gradient-lost: The result has lost its gradient. Only the update is cut off.
        return (x - → return (x.detach() -
    """,
)


def freeze_statistics(model):
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            module.eval()
    return model


_NORMS = {nn.BatchNorm1d: (8, 3), nn.BatchNorm2d: (4, 3, 2, 2), nn.BatchNorm3d: (4, 3, 2, 2, 2)}


class _OwnNorm(nn.BatchNorm1d):
    pass


def _with_norms() -> Iterator[tuple[str, nn.Module]]:
    without = "a model on meta", "a lazy layer", "eval mode but for a part"
    yield from menagerie(without=without)
    for kind in _NORMS:
        other = nn.InstanceNorm2d(3, affine=True, track_running_stats=True)
        inner = nn.Sequential(kind(3), nn.Dropout(), other)
        model = nn.Sequential(nn.Dropout(), kind(3), holding(a=inner, b=nn.Sequential(kind(3))))
        yield f"three `{kind.__name__}`, and others in between", model
    bare = nn.BatchNorm1d(3, affine=False)
    yield (
        "norms without parameters, or without buffers",
        nn.Sequential(bare, nn.BatchNorm2d(3, track_running_stats=False), nn.Dropout()),
    )
    frozen = nn.BatchNorm1d(3).requires_grad_(False)
    alike = nn.BatchNorm2d(3, momentum=None)
    yield "a frozen norm, and one that averages all batches", nn.Sequential(frozen, alike)
    yield "a norm of a class made from `BatchNorm1d`", nn.Sequential(_OwnNorm(3), nn.Dropout())
    shared = nn.BatchNorm1d(3)
    yield "a norm that stands at two places", nn.Sequential(shared, holding(norm=shared))


def _batch_for(norm: nn.Module, words: str) -> torch.Tensor:
    shape = next(shape for kind, shape in _NORMS.items() if isinstance(norm, kind))
    x = numbers_for(words, torch.empty(shape[0], norm.num_features, *shape[2:]))
    own = [*norm.parameters(), *norm.buffers()]
    return x.to(own[0].dtype) if own else x


def _after_batches(answer: Callable, model: nn.Module) -> Facts:
    """What each batch norm does with two batches, each on its own, and the modes of all others;
    and, once the model is in training mode again, whether a second call keeps the buffers.

    Between the two an optimizer's step changes the parameters."""
    known = Known()
    known.add(model=tensors_of(model))
    result = solved(answer(model))
    seen = {"`result` is": "the model" if result is model else plain_text(result)}
    norms = {name: one for name, one in model.named_modules() if isinstance(one, tuple(_NORMS))}
    for name, part in model.named_modules():
        if name not in norms:
            path = f"model.{name}" if name else "model"
            seen[f"training mode of `{path}` is"] = plain_text(part.training)
    for name, one in model.named_parameters():
        seen[f"`model.{name}.requires_grad` is"] = plain_text(one.requires_grad)
    for words in ("a batch", "another batch"):
        seen |= _after_a_batch(words, model, list(norms.values()))
    seen["the parameters of `model` are"] = listed(name for name, _ in model.named_parameters())
    seen["the buffers of `model` are"] = listed(name for name, _ in model.named_buffers())
    seen |= facts("model.state_dict()", model.state_dict(), free=("identity", "grad"))
    seen |= facts("model", tensors_of(model), known, free=("grad",))
    solved(answer(model.train()))
    before = facts("model", dict(model.named_buffers()))
    _after_a_batch("one more batch", model, list(norms.values()))
    kept = facts("model", dict(model.named_buffers())) == before
    told = "after `model.train()`, a second call and a batch the buffers are"
    return seen | {told: "as they were" if kept else "others"}


def _after_a_batch(words: str, model: nn.Module, norms: list[nn.Module]) -> Facts:
    """Which parameters get a gradient from a batch through each norm; then all of them change."""
    model.zero_grad()
    for norm in norms:
        y = norm(_batch_for(norm, words))
        (y * y).sum().backward() if y.requires_grad else None
    seen = {}
    for name, one in model.named_parameters():
        found = "no gradient" if one.grad is None else "a gradient"
        seen[f"after {words} `model.{name}` has"] = found
        one.data.add_(1)
    model.zero_grad()
    return seen


def _statistics(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    for words, model in _with_norms():
        ask = partial(_after_batches, answer, model)
        yield f"`freeze_statistics(model)` for {words}, then two batches", ask


FREEZE_STATISTICS = Exercise(
    "3.5",
    freeze_statistics,
    _statistics,
    """
    `freeze_statistics(model)` keeps the buffers of every batch norm, and returns the model, which
    trains on

    1. Which switch did section 10 find, and for which modules only is it to be thrown?
    2. `model.modules()` lists the model and everything in it. `isinstance` takes a tuple.
    3. Nearly there: for each module that is a batch norm, `module.eval()`; and return the model.

    - not-the-model: Return the model that was given, the same object.
        return model → return model.state_dict()
    - all-eval: The other modules have left training mode: dropout is off.
        return model.eval()
    - frozen-parameters: The parameters are to be trained on. Leave `requires_grad` as it is.
        module.eval() → module.eval().requires_grad_(False)
    - nothing-done: The statistics of this batch norm go on changing, as in training mode. Gradients
      have nothing to do with them.
        module.eval() → pass
    - counter-runs: The means stay, and `num_batches_tracked` still counts. It is a buffer as well.
        module.eval() → module.momentum = 0.0
    - children-only: `children()` are those of the first level. Look in `model.modules()`.
        model.modules() → model.children()
    - not-the-root: The model itself may be a batch norm. `modules()` lists it too.
        model.modules() → list(model.modules())[1:]
    - any-norm: An `nn.InstanceNorm2d` can have running statistics too, and is no batch norm. Ask
      `isinstance` for the three classes.
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)): → if any(
        module.eval() → [*module.buffers(recurse=False)]): module.eval()
    - without-training: A batch norm without trainable parameters has statistics as well.
        module.eval() → module.train(not any(one.requires_grad for one in module.parameters()))
    - averages: With `momentum=None` a batch norm averages all batches, and changes its buffers too.
        module.eval() → module.train(module.momentum is None)
    - exact-class: A class made from `nn.BatchNorm1d` is a batch norm as well: `isinstance`.
        isinstance(module, (nn.BatchNorm1d, → type(module) in (nn.BatchNorm1d,
        nn.BatchNorm3d)): → nn.BatchNorm3d):
    - replaced: The optimizer holds the parameters of before, so keep the modules: `module.eval()`.
        for module in model.modules(): → for module in [*model.modules()]:
        module.eval() → module.eval(); module._parameters = copy.deepcopy(module._parameters)
    - one-class: The exercise names three classes of batch norm, not one.
        , nn.BatchNorm2d, nn.BatchNorm3d → ,
    """,
)
