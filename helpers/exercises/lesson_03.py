"""Checkers for the exercises of lesson 03. Torch judges: an answer is moved, trained, saved and
loaded.
"""

from __future__ import annotations

import torch
from torch import nn

from helpers.exercises.engine import (
    Mistake,
    ask,
    built,
    close,
    describe,
    expect,
    listed,
    photo,
    same,
    want_function,
)

_NORM = nn.modules.batchnorm._BatchNorm  # what the three batch norms have in common


class _Guess(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2, affine=False)
        self.register_buffer("offset", None)
        self.register_buffer("last", torch.zeros(2))
        self.mask = nn.Buffer(torch.ones(2), persistent=False)
        self.scale = nn.Parameter(torch.ones(2), requires_grad=False)
        self.shift = torch.zeros(2)
        self.mask = torch.zeros(2)
        self.offset = torch.zeros(2)
        self.last = None


def _five_keys(answer: object) -> str:
    fits = isinstance(answer, (list, tuple)) and all(isinstance(key, str) for key in answer)
    expect(fits, "not-a-list", "a list of texts", describe(answer))
    right, keys = list(_Guess().state_dict()), list(answer)
    slips = {
        "shift": "plain-tensor",
        "mask": "not-persistent",
        "last": "empty-slot",
        "norm.weight": "affine",
        "norm.bias": "affine",
        **{key.removeprefix("norm."): "short-path" for key in right[2:]},
    }
    for key in keys:
        expect(
            key in right,
            slips.get(key, "no-such-key"),
            "the five keys of `Guess`",
            f"{describe(key)} among them",
        )
    for key, slip in zip(right, ("frozen", "filled-slot", *["statistics"] * 3), strict=True):
        expect(key in keys, slip, "the five keys of `Guess`", f"{listed(keys)}: one is missing")
    expect(len(keys) == len(right), "twice", "five keys", f"{len(keys)} of them")
    expect(keys == right, "order", "the order of the `state_dict`", listed(keys))
    return "the five keys, in the order of the `state_dict`"


def _kept(model: nn.Module, name: str, call: str) -> torch.Tensor:
    """The tensor `name` of `model`. A `Mistake` if it is a parameter or a plain attribute."""
    value, wanted = getattr(model, name, None), f"`{call}.{name}` is a buffer"
    expect(not isinstance(value, nn.Parameter), "trained", wanted, "it is a parameter")
    loose = isinstance(vars(model).get(name), (torch.Tensor, list, tuple))
    expect(not loose, "stays-behind", wanted, "it is an ordinary attribute")
    expect(
        not list(model.parameters()), "trained", "nothing to train", "`parameters()` is not empty"
    )
    return value


def _positions(answer: object) -> str:
    call = "Positions(6, 4)"
    try:
        model = built(answer, "Positions", 6, 4)
    except Mistake as mistake:
        taken = "'table' already exists" in mistake.found
        raise Mistake(
            "name-taken" if taken else mistake.name, mistake.expected, mistake.found
        ) from None
    rates = torch.arange(6).unsqueeze(1) * 100.0 ** (-torch.arange(0, 4, 2) / 4)
    right = torch.stack([rates.sin(), rates.cos()], dim=2).reshape(6, 4)
    table = _kept(model, "table", call)
    shaped = isinstance(table, torch.Tensor) and table.shape == (6, 4)
    expect(shaped, "no-table", f"`{call}.table` has shape `(6, 4)`", describe(table))
    keys = list(model.state_dict())
    expect(
        not keys,
        "saved",
        "an old `state_dict`, without `table`, loads strictly",
        f"it asks for {listed(keys)}",
    )
    for x in (torch.zeros(2, 6, 4), torch.ones(3, 4)):
        result, wanted = ask("positions(x)", model, x), x + right[: x.shape[-2]]
        found = f"{describe(result)} with other numbers"
        expect(
            close(result, wanted), "wrong-numbers", "`x` plus the first rows of the table", found
        )
    model.to(torch.float64)
    found, moved = describe(model.table), model.table.dtype == torch.float64
    expect(moved, "stays-behind", "`table` is `float64` after `.to(torch.float64)`", found)
    result = ask("positions(x)", model, torch.zeros(3, 4, dtype=torch.float64))
    expect(result.dtype == torch.float64, "not-converted", "a `float64` result", describe(result))
    expect(
        model.to("meta").table.is_meta,
        "stays-behind",
        '`.to("meta")` moves `table`',
        "it is where it was",
    )
    return "the numbers of before; it moves, it is converted, it is not trained, and old checkpoints load strictly"


def _memory(answer: object) -> str:
    call, model, other = "Memory(2)", built(answer, "Memory", 2), built(answer, "Memory", 2)
    seen, wanted = _kept(model, "seen", call), "`seen` is a buffer of shape `(0, 2)` at first"
    fits = "seen" in dict(model.named_buffers()) and seen.shape == (0, 2)
    expect(fits, "no-seen", wanted, describe(seen))
    expect(not model.state_dict(), "saved", "an empty `state_dict`", listed(model.state_dict()))
    rows = torch.tensor([[1.0, 5.0], [3.0, -2.0], [2.0, -7.0], [-1.0, 9.0]], requires_grad=True)
    for first, last in ((0, 2), (2, 3), (3, 4)):
        given = rows[first:last] * 1
        before, result = given.detach().clone(), ask("memory(rows)", model, given)
        expect(
            same(given, before),
            "rows-changed",
            "the rows that were given stay",
            "they were changed",
        )
        seen, right = _kept(model, "seen", call), rows[:last].detach()
        expect(
            not model.state_dict(),
            "saved-later",
            "nothing is saved, after a call too",
            listed(model.state_dict()),
        )
        expect(
            same(seen, right),
            "wrong-rows",
            f"`seen` holds the {last} rows so far, in order",
            describe(seen),
        )
        expect(
            not seen.requires_grad,
            "holds-the-graph",
            "`seen` requires no gradient",
            "it has a graph",
        )
        best = right.amax(0)
        expect(
            same(result, best),
            "wrong-result",
            f"`{best.tolist()}`, the largest of each column",
            describe(result),
        )
    expect(other.seen.shape == (0, 2), "shared", "a second memory is empty", describe(other.seen))
    model.to(torch.float64)
    ask("memory(rows)", model, torch.zeros(1, 2, dtype=torch.float64))
    found, moved = describe(model.seen), model.seen.dtype == torch.float64
    expect(moved, "stays-behind", "`seen` is `float64` after `.to(torch.float64)`", found)
    expect(
        model.to("meta").seen.is_meta,
        "stays-behind",
        '`.to("meta")` moves `seen`',
        "it is where it was",
    )
    return (
        "all rows in order, over several calls and a move; a strict load finds nothing to ask for"
    )


def _scaler(answer: object) -> str:
    call, batch = (
        "Scaler(2, momentum=0.25)",
        torch.tensor([[1.0, 4.0], [5.0, -8.0]], requires_grad=True),
    )
    model, low, high = built(answer, "Scaler", 2, momentum=0.25), torch.zeros(2), torch.ones(2)
    for name in ("low", "high"):
        _kept(model, name, call)
        buffer = name in dict(model.named_buffers())
        slip = "not-persistent" if buffer else "forgets"
        expect(
            name in model.state_dict(), slip, "the keys `low`, `high`", listed(model.state_dict())
        )
    expect(
        len(model.state_dict()) == 2, "extra", "the keys `low`, `high`", listed(model.state_dict())
    )
    for _ in range(2):
        seen = batch.detach()
        low, high = 0.75 * low + 0.25 * seen.amin(0), 0.75 * high + 0.25 * seen.amax(0)
        batch.grad = None
        old, result = model.low.detach().clone(), ask("scaler(x)", model, batch)
        wanted, found = f"`low` is `{low.tolist()}` after this batch", f"`{model.low.tolist()}`"
        expect(not same(model.low, old), "no-update", wanted, found)
        clean = not model.low.requires_grad and not model.high.requires_grad
        expect(
            clean, "holds-the-graph", "`low` and `high` require no gradient", "they have a graph"
        )
        right = torch.allclose(model.low, low) and torch.allclose(model.high, high)
        expect(
            right, "wrong-numbers", f"`low`, `high` are `{low.tolist()}`, `{high.tolist()}`", found
        )
        right = close(result, (seen - low) / (high - low))
        expect(
            right, "wrong-numbers", "(x - low) / (high - low) with the new values", describe(result)
        )
        expect(
            result.requires_grad, "gradient-lost", "a gradient reaches `x`", "the result has none"
        )
        result.sum().backward()
        slope = (1 / (high - low)).expand(2, 2)
        expect(
            torch.allclose(batch.grad, slope),
            "holds-the-graph",
            f"the slope is `{slope[0].tolist()}`",
            "another",
        )
    fresh = built(answer, "Scaler", 2, momentum=0.25).eval()
    fresh.load_state_dict(model.state_dict())
    before = photo(fresh)
    result = ask("scaler(x) in eval mode", fresh, batch.detach())
    expect(
        photo(fresh) == before,
        "updates-in-eval",
        "`low` and `high` stay in eval mode",
        "they were changed",
    )
    right = torch.allclose(result, (batch.detach() - low) / (high - low))
    expect(
        right, "wrong-numbers", "the saved values are used in eval mode", "a result of other values"
    )
    moved = fresh.to(torch.float64).low.dtype == fresh.high.dtype == torch.float64
    expect(moved, "stays-behind", "`float64` after `.to(torch.float64)`", describe(fresh.low))
    return "two batches, a reload into a fresh one, eval mode and a move; the gradient of `x` is the plain one"


def _freeze_statistics(answer: object) -> str:
    want_function(answer, "freeze_statistics")
    deep = nn.Sequential(nn.Dropout(), nn.ModuleDict({"inner": nn.Sequential(nn.BatchNorm1d(3))}))
    maps = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(), nn.InstanceNorm2d(3, affine=True))
    for model, shape, slip in (
        (nn.Sequential(nn.BatchNorm1d(3), nn.Dropout()), (8, 3), "still-runs"),
        (maps, (4, 3, 2, 2), "some-run"),
        (deep, (8, 3), "some-run"),
        (nn.Sequential(nn.BatchNorm3d(3)), (4, 3, 2, 2, 2), "some-run"),
        (nn.BatchNorm1d(3), (8, 3), "root-runs"),
    ):
        before, keys = [buffer.clone() for buffer in model.buffers()], list(model.state_dict())
        modes = [one.training for one in model.modules() if not isinstance(one, _NORM)]
        returned = ask("freeze_statistics(model)", answer, model)
        expect(returned is model, "not-the-model", "the model that was given", describe(returned))
        now = [one.training for one in model.modules() if not isinstance(one, _NORM)]
        expect(
            now == modes,
            "all-eval",
            "every other module stays in training mode",
            "some are in eval mode",
        )
        trained = all(parameter.requires_grad for parameter in model.parameters())
        expect(trained, "frozen-parameters", "every parameter requires a gradient", "some do not")
        intact = keys == list(model.state_dict()) and all(map(same, before, model.buffers()))
        expect(
            intact,
            "keys-changed",
            f"the keys {listed(keys[:3])} …, with their numbers",
            "they are not the same",
        )
        x = 5 + torch.randn(shape)
        norms = {name: one for name, one in model.named_modules() if isinstance(one, _NORM)}
        for norm in norms.values():  # each on its own: a ModuleDict has no forward
            norm(x).sum().backward()
        moved = [not same(old, new) for old, new in zip(before, model.buffers(), strict=True)]
        only_counts = all(
            new.dtype == torch.int64 for new, ran in zip(model.buffers(), moved, strict=True) if ran
        )
        where, norm = next(iter(norms.items()))
        wanted = f"the `{type(norm).__name__}` at {describe(where) if where else 'the root'} keeps its buffers"
        found = "they changed with a batch"
        expect(not any(moved), "counter-runs" if only_counts else slip, wanted, found)
    return "five models, with all three classes, at any depth; the rest is in training mode"


CHECKERS = {
    "3.1": _five_keys,
    "3.2": _positions,
    "3.3": _memory,
    "3.4": _scaler,
    "3.5": _freeze_statistics,
}
