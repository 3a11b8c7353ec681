"""The exercises of lesson 03, buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from helpers.exercises.engine import Exercise, instead
from helpers.exercises.facts import Facts, facts, is_a, listed, plain_text, solved
from helpers.exercises.life import in_turn, living
from helpers.exercises.menagerie import holding, menagerie, numbers_for

KEYS = ["scale", "offset", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]


def _five_keys(answer: object) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """One question after the other, none of which gives a key away."""
    given = list(answer) if is_a(answer, (list, tuple)) else [answer]
    strange = [key for key in given if not is_a(key, str) or key not in KEYS]
    there = {
        "a parameter": KEYS[:1],
        "a buffer that was filled later": KEYS[1:2],
        "the statistics of the batch norm": KEYS[2:],
    }
    yield "`keys`", lambda: {"is": "a list" if is_a(answer, (list, tuple)) else plain_text(answer)}
    yield "`keys`", lambda: {"holds, though it is no key:": listed(strange[:1])}
    for words, keys in there.items():
        missing = plain_text(sum(key not in given for key in keys))
        yield "`keys`", partial(dict, {f"lacks of the keys of {words}": missing})
    yield "`keys`", lambda: {"has": f"{len(given)} entries"}
    yield "the order of `keys`", lambda: {"is": "right" if given == KEYS else "another one"}


FIVE_KEYS = Exercise(
    "3.1",
    "`keys` is the list of the five keys of `Guess().state_dict()`, in their order",
    KEYS,
    _five_keys,
    hints=(
        "Ask of each line: is the name registered, does it hold a tensor at the end, and is it to "
        "be saved?",
        "Two own keys, then those of `norm`: `affine=False` takes away its parameters and leaves "
        "its buffers.",
        "Nearly there: `scale`, then the buffer that stood empty at first, then `norm.` and its "
        "three buffers.",
    ),
    mistakes={
        'a-text: Write a list of texts: `keys = ["...", "..."]`.': "scale, offset",
        "plain-tensor: `shift` is a plain attribute: nobody registered it.": ["shift"],
        "not-persistent: `mask` was registered with `persistent=False`. A tensor assigned later "
        "fills the slot and keeps its rule.": ["mask"],
        "empty-slot: `last` is still registered, and holds `None` in the end. An empty slot has "
        "no entry.": ["last"],
        "affine: With `affine=False` a batch norm has no `weight`.": ["norm.weight"],
        "affine-too: With `affine=False` a batch norm has no `bias`.": ["norm.bias"],
        "short-path: A key is a path: the buffers of `norm` have `norm.` in front.": [
            "running_mean"
        ],
        "no-such-key: A key leads to a tensor. The module itself has none.": ["norm"],
        "frozen: `requires_grad=False` does not take a parameter out.": KEYS[1:],
        "filled-slot: `offset` was registered with `None` and got a tensor later. It is saved.": [
            KEYS[0],
            *KEYS[2:],
        ],
        "statistics: A batch norm has three buffers: two statistics, and a count.": KEYS[:-1],
        "statistics-too: The statistics of a batch norm are buffers, with keys.": KEYS[:2],
        "twice: Each key stands in a dictionary once.": [*KEYS, KEYS[0]],
        "order: A module lists its own parameters, then its own buffers, then its submodules'.": (
            KEYS[::-1]
        ),
    },
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


# Events that would give other numbers to a table that is saved, which nobody forbids.
_NEW_NUMBERS = ("its numbers set", "load_state_dict(assign=True)", "saved and loaded at last")


_OLD_FILE = {"module.load_state_dict({})": lambda module: str(module.load_state_dict({}))}


POSITIONS = Exercise(
    "3.2",
    "`Positions(length, width)` adds what `LostPositions` adds, its `table` travels, and old files "
    "without it load",
    Positions,
    living(
        "Positions",
        6,
        4,
        calls=((torch.ones(2, 6, 4),), (torch.zeros(3, 4),)),
        begins=("table",),
        look=_OLD_FILE,
        free=("keys", *_NEW_NUMBERS),
    ),
    hints=(
        "Only one line of `LostPositions` has to change: the one that makes `table` an attribute.",
        "What is moved, not trained and not saved is the fourth of the five ways.",
        'Nearly there: `self.register_buffer("table", table, persistent=False)`.',
    ),
    mistakes={
        "plain: `table` is still a plain attribute. Register it, and `.to` finds it.": instead(
            'self.register_buffer("table", table, persistent=False)',
            "self.table = table",
        ),
        "trained: A parameter is trained, and `parameters()` lists it even if it is frozen. Nobody "
        "trains a table: a buffer.": instead(
            'self.register_buffer("table", table, persistent=False)',
            "self.table = nn.Parameter(table)",
        ),
        "saved: A persistent buffer asks for its key, and the old checkpoints do not have it. "
        "`register_buffer` takes `persistent=False`.": instead(", persistent=False", ""),
        "name-taken: `register_buffer` does not take over the name of a plain attribute. Use a "
        "local variable first.": instead(
            'self.register_buffer("table", table',
            'self.table = table\n        self.register_buffer("table", self.table',
        ),
        "another-name: Keep the numbers under the name `table`.": instead(
            '"table"', '"positions"', "self.table[", "self.positions["
        ),
        "another-shape: `table` has the shape `(length, width)`.": instead(
            "reshape(length, width)", "reshape(1, length, width)", "self.table[", "self.table[0, "
        ),
        "other-numbers: Compute the table as `LostPositions` does.": instead("100.0", "10000.0"),
        "last-rows: Add the first rows of the table to `x`.": instead(
            "[: x.shape[-2]]", "[-x.shape[-2] :]"
        ),
        "all-rows: `x` may have fewer steps than the table has rows.": instead(
            "[: x.shape[-2]]", ""
        ),
        "one-dtype: The output has another dtype than the module. Add the rows as they are.": (
            instead("x + self.table[: x.shape[-2]]", "(x + self.table[: x.shape[-2]]).float()")
        ),
        "alias: `forward` reads a second attribute, which does not travel. Read `self.table`.": (
            instead(
                "persistent=False)",
                "persistent=False)\n        self.rows = [self.table]",
                "self.table[:",
                "self.rows[0][:",
            )
        ),
        "not-returned: `forward` needs a `return`.": instead("return x", "x"),
    },
)


class Memory(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("seen", torch.empty(0, width), persistent=False)

    def forward(self, rows):
        self.seen = torch.cat([self.seen, rows.detach()])
        return self.seen.amax(0)


_ROWS = torch.tensor([[1.0, 5.0], [3.0, -2.0], [2.0, -7.0], [-1.0, 9.0]])

MEMORY = Exercise(
    "3.3",
    "`Memory(width)` keeps every row in the buffer `seen`, which moves, is not saved and has no "
    "graph",
    Memory,
    living("Memory", 2, calls=((_ROWS[:2],), (_ROWS[2:3],), (_ROWS[3:],)), begins=("seen",)),
    hints=(
        "Begin with `torch.empty(0, width)` in a buffer that is not persistent.",
        "`torch.cat` makes a new tensor. Assign it to `self.seen`: the slot keeps its rule.",
        "Nearly there: `self.seen = torch.cat([self.seen, rows.detach()])`, and return "
        "`self.seen.amax(0)`.",
    ),
    mistakes={
        "plain: `seen` is a plain attribute, and `.to` does not find it. Register it.": (
            instead(
                'self.register_buffer("seen", torch.empty(0, width), persistent=False)',
                "self.seen = torch.empty(0, width)",
            )
        ),
        "trained: A parameter would be trained. What is remembered is a buffer.": instead(
            'self.register_buffer("seen", torch.empty(0, width), persistent=False)',
            "self.seen = nn.Parameter(torch.empty(0, width))",
        ),
        "saved: A fresh model cannot load rows that it has no room for. `persistent=False` keeps "
        "them out.": instead(", persistent=False", ""),
        "saved-later: `seen` was not saved at first, and is after a call. `register_buffer` inside "
        "`forward` registers anew, as persistent: assign to `self.seen`.": instead(
            "self.seen = torch.cat([self.seen, rows.detach()])",
            'self.register_buffer("seen", torch.cat([self.seen, rows.detach()]))',
        ),
        "one-row: At first `seen` has no rows: `torch.empty(0, width)`.": instead(
            "empty(0, width)", "zeros(1, width)"
        ),
        "empty-slot: `seen` is a tensor from the beginning.": instead(
            "torch.empty(0, width)", "None"
        ),
        "new-first: The rows stand in the order in which they came.": instead(
            "[self.seen, rows.detach()]", "[rows.detach(), self.seen]"
        ),
        "last-only: All rows so far, not those of the last call: `torch.cat`.": instead(
            "torch.cat([self.seen, rows.detach()])", "rows.detach()"
        ),
        "of-rows: The largest value of each column: `amax(0)`.": instead("amax(0)", "amax(1)"),
        "of-the-call: The largest value over all rows so far.": instead(
            "self.seen.amax", "rows.amax"
        ),
        "holds-the-graph: The rows carry a history into the buffer. Keep `rows.detach()`.": (
            instead("rows.detach()", "rows")
        ),
        "one-dtype: After `.to(torch.float64)` the memory goes on in `float64`.": instead(
            "[self.seen, rows.detach()]", "[self.seen.float(), rows.detach().float()]"
        ),
        "rows-changed: Leave the rows that were given as they are.": instead(
            "return self.seen.amax(0)", "rows.detach().zero_()\n        return self.seen.amax(0)"
        ),
        "alias: A list of rows does not travel with the module. Keep them in `self.seen` alone.": (
            instead(
                "persistent=False)",
                "persistent=False)\n        self.rows = []",
                "self.seen = torch.cat([self.seen, rows.detach()])",
                "self.rows.append(rows.detach())\n        self.seen = torch.cat(self.rows)",
            )
        ),
    },
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


_BATCHES = ((torch.tensor([[1.0, 4.0], [5.0, -8.0]]),), (torch.tensor([[2.0, 2.0], [3.0, 9.0]]),))

SCALER = Exercise(
    "3.4",
    "`Scaler(width)` scales as `Forgetful` does, and its `low` and `high` survive a reload",
    Scaler,
    in_turn(
        living("Scaler", 2, calls=_BATCHES, begins=("low", "high")),
        living("Scaler", 2, momentum=0.25, calls=_BATCHES),
    ),
    hints=(
        "Three faults: nothing is registered, eval mode changes it, and what it remembers carries "
        "a graph.",
        "Two calls of `register_buffer`, one `if self.training:`, and `x.detach()` for what is "
        "remembered.",
        "Nearly there: in training mode, `self.low = (1 - m) * self.low + m * x.detach().amin(0)`.",
    ),
    mistakes={
        "plain: `low` and `high` have to be in the `state_dict`. `register_buffer` puts them "
        "there.": instead(
            'self.register_buffer("low", torch.zeros(width))',
            "self.low = torch.zeros(width)",
            'self.register_buffer("high", torch.ones(width))',
            "self.high = torch.ones(width)",
        ),
        "not-persistent: With `persistent=False` they are not saved, and a reload forgets them "
        "again.": instead(
            "zeros(width))",
            "zeros(width), persistent=False)",
            "ones(width))",
            "ones(width), persistent=False)",
        ),
        "trained: Nobody trains them: they are buffers, not parameters.": instead(
            'self.register_buffer("low", torch.zeros(width))',
            "self.low = nn.Parameter(torch.zeros(width))",
            'self.register_buffer("high", torch.ones(width))',
            "self.high = nn.Parameter(torch.ones(width))",
        ),
        "extra: The file holds `low` and `high` and nothing more. `momentum` is a plain number.": (
            instead(
                "self.momentum = momentum",
                'self.register_buffer("momentum", torch.tensor(momentum))',
            )
        ),
        "begins: `low` begins with zeros and `high` with ones.": instead(
            "torch.ones", "torch.zeros"
        ),
        "no-update: In training mode each call moves `low` and `high` towards the batch.": instead(
            "if self.training:", "if False:"
        ),
        "updates-in-eval: In eval mode they are used and not changed. `forward` asks "
        "`self.training`.": instead("if self.training:", "if True:"),
        "momentum-fixed: Use the `momentum` that was given.": instead("= momentum", "= 0.1"),
        "momentum-turned: A small momentum moves them slowly.": instead(
            "= momentum", "= 1 - momentum"
        ),
        "holds-the-graph: What is remembered carries the history of `x`. Take `x.detach()`.": (
            instead("x.detach()", "x")
        ),
        "gradient-lost: The result has lost its gradient. Only the update is cut off.": instead(
            "return (x -", "return (x.detach() -"
        ),
        "gradient-through: The gradient is that of `low` and `high` fixed.": instead(
            "x.detach()",
            "x",
            "return (x - self.low) / (self.high - self.low)",
            "result = (x - self.low) / (self.high - self.low)\n        self.low, self.high = "
            "self.low.detach(), self.high.detach()\n        return result",
        ),
        "result-first: First update `low` and `high`, then the result.": instead(
            "if self.training:",
            "result = (x - self.low) / (self.high - self.low)\n        if self.training:",
            "return (x - self.low) / (self.high - self.low)",
            "return result",
        ),
        "mean: `low` follows the smallest value of each column.": instead("amin(0)", "mean(0)"),
    },
)


def freeze_statistics(model):
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            module.eval()
    return model


_NORMS = {nn.BatchNorm1d: (8, 3), nn.BatchNorm2d: (4, 3, 2, 2), nn.BatchNorm3d: (4, 3, 2, 2, 2)}


def _with_norms() -> Iterator[tuple[str, nn.Module]]:
    yield from menagerie(without=("a model on meta", "a lazy layer"))
    for kind in _NORMS:
        inner = nn.Sequential(kind(3), nn.Dropout(), nn.InstanceNorm2d(3, affine=True))
        model = nn.Sequential(nn.Dropout(), kind(3), holding(a=inner, b=holding(c=kind(3))))
        yield f"three `{kind.__name__}`, and others in between", model
        yield f"`{kind.__name__}(3)` itself", kind(3)


def _path(name: str) -> str:
    return f"model.{name}" if name else "model"


def _after_a_batch(answer: Callable, model: nn.Module) -> Facts:
    """What each batch norm does with a batch, each on its own, and the modes of all others."""
    result = solved(answer(model))
    seen = {"`result` is": "the model" if result is model else plain_text(result)}
    for name, part in model.named_modules():
        shape = next((shape for kind, shape in _NORMS.items() if isinstance(part, kind)), None)
        if shape is None:
            seen[f"in training mode `{_path(name)}` is"] = plain_text(part.training)
            continue
        x = numbers_for("x", torch.empty(shape[0], part.num_features, *shape[2:]))
        part(x.to(part.weight)).sum().backward()
    for name, one in model.named_parameters():
        seen[f"requiring a gradient `{_path(name)}` is"] = plain_text(one.requires_grad)
    return seen | facts("model.state_dict()", model.state_dict(), free=("identity", "grad"))


def _statistics(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    for words, model in _with_norms():
        ask = partial(_after_a_batch, answer, model)
        yield f"`freeze_statistics(model)` for {words}, then a batch", ask


def _over(modules: Callable, change: Callable) -> Callable[[nn.Module], nn.Module]:
    def answer(model: nn.Module) -> nn.Module:
        for module in modules(model):
            if isinstance(module, tuple(_NORMS)):
                change(module)
        return model

    return answer


FREEZE_STATISTICS = Exercise(
    "3.5",
    "`freeze_statistics(model)` keeps the buffers of every batch norm, and returns the model, "
    "which trains on",
    freeze_statistics,
    _statistics,
    hints=(
        "Which switch did section 10 find, and for which modules only is it to be thrown?",
        "`model.modules()` lists the model and everything in it. `isinstance` takes a tuple.",
        "Nearly there: for each module that is a batch norm, `module.eval()`; and then `return "
        "model`.",
    ),
    mistakes={
        "nothing-done: The statistics go on changing. Neither `requires_grad_` nor `no_grad` stops "
        "them: `eval()` does.": lambda model: model,
        "not-the-model: Return the model that was given, the same object.": lambda model: (
            freeze_statistics(model).state_dict()
        ),
        "all-eval: The other modules have left training mode: dropout is off. Switch only the "
        "batch norms.": lambda model: model.eval(),
        "frozen-parameters: The parameters are to be trained on. Leave `requires_grad` as it is.": (
            lambda model: freeze_statistics(model).requires_grad_(False)
        ),
        "frozen-too: The parameters of a batch norm are to be trained on, too.": _over(
            nn.Module.modules, lambda norm: norm.eval().requires_grad_(False)
        ),
        "children-only: `children()` are those of the first level. Look in `model.modules()`.": (
            _over(nn.Module.children, nn.Module.eval)
        ),
        "not-the-root: The model itself may be a batch norm. `modules()` lists it too.": _over(
            lambda model: list(model.modules())[1:], nn.Module.eval
        ),
        "one-class: There are three classes of batch norm.": instead(
            ", nn.BatchNorm2d, nn.BatchNorm3d", ","
        ),
        "two-classes: There is a `BatchNorm3d`, too.": instead(", nn.BatchNorm3d", ""),
        "too-many: `InstanceNorm2d` is no batch norm.": instead(
            "nn.BatchNorm3d)", "nn.BatchNorm3d, nn.InstanceNorm2d)"
        ),
        "counter-runs: The means stay, and `num_batches_tracked` still counts. It is a buffer as "
        "well.": _over(nn.Module.modules, lambda norm: setattr(norm, "momentum", 0.0)),
        "buffers-gone: The `state_dict` has other keys now. Leave the buffers where they are.": (
            _over(nn.Module.modules, lambda norm: setattr(norm, "running_mean", None))
        ),
        "reset: The statistics have to stay those of before.": _over(
            nn.Module.modules, lambda norm: norm.eval().reset_running_stats()
        ),
    },
)
