"""Checkers for the patients of lesson 06: each is trained, moved, saved or loaded until the bug
would show.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.functional import linear
from torch.optim import SGD, Adam, Optimizer

from helpers.exercises.old_engine import (
    ask,
    built,
    close,
    describe,
    entries,
    expect,
    holding,
    listed,
    photo,
    same,
    want_function,
)
from helpers.state.snapshot import snapshot


def _copied(model: nn.Module) -> dict:
    return copy.deepcopy(dict(model.state_dict()))


def _random(model: nn.Module, call: str) -> dict:
    """Fill every tensor of the state with random numbers, and load them; the dict that was loaded."""
    state = {
        key: torch.rand_like(value.detach().to(torch.float32))
        for key, value in model.state_dict().items()
    }
    ask(f"{call}.load_state_dict(...)", model.load_state_dict, state)
    return state


def _keys(model: nn.Module, right: list[str], part: str, hidden: str) -> None:
    """Go on if these are the keys of the state_dict. The mistake `hidden` if no key begins with
    `part`.
    """
    found = list(model.state_dict())
    slip = "other-keys" if any(key.startswith(part) for key in found) else hidden
    expect(set(found) == set(right), slip, f"the keys {listed(right)}", listed(found))


def _learns(result: torch.Tensor, model: nn.Module, names: list[str]) -> None:
    """Go on if a gradient goes back from `result` to each of these parameters of `model`."""
    found = dict(model.named_parameters())
    grads = [None] * len(names)
    if result.requires_grad:
        grads = torch.autograd.grad(
            result.sum(), [found[name] for name in names], allow_unused=True
        )
    lost = [name for name, grad in zip(names, grads, strict=True) if grad is None]
    expect(
        not lost,
        "no-gradient",
        f"a gradient goes back to {listed(names)}",
        f"none goes to {listed(lost)}",
    )


def _stack(answer: object) -> str:
    for depth in (1, 3):
        call, model = f"Stack({depth})", built(answer, "Stack", depth)
        names = [f"layers.{i}" for i in range(depth)] + ["head"]
        _keys(
            model,
            [f"{name}.{part}" for name in names for part in ("weight", "bias")],
            "layers.",
            "still-hidden",
        )
        apart = len({id(value) for value in model.parameters()}) == 2 * depth + 2
        expect(
            apart,
            "one-layer",
            f"{depth} layers and a head, each with parameters of its own",
            "some are shared",
        )
        expect(
            all(one.requires_grad for one in model.parameters()),
            "frozen",
            "all trainable",
            "some are frozen",
        )
        state = _random(model, call)
        shapes = [tuple(state[f"{name}.weight"].shape) for name in names]
        expect(
            shapes == [(4, 4)] * depth + [(1, 4)],
            "other-result",
            "the layers of `Deep`",
            f"shapes {shapes}",
        )
        x = wanted = torch.randn(5, 4)
        for name in names[:-1]:
            wanted = linear(wanted, state[f"{name}.weight"], state[f"{name}.bias"]).relu()
        wanted, result = (
            linear(wanted, state["head.weight"], state["head.bias"]),
            ask(f"{call}(x)", model, x),
        )
        expect(
            close(result, wanted),
            "other-result",
            "what `Deep` computes",
            f"{describe(result)}, other numbers",
        )
        _learns(result, model, list(state))
    return "one layer and three: every parameter is listed, saved and trainable, and the result is that of `Deep`"


def _scales(answer: object) -> str:
    names = ["red", "blue"]
    call, model = "Scales(['red', 'blue'])", built(answer, "Scales", names)
    _keys(model, ["scale.red", "scale.blue", "body.weight", "body.bias"], "scale.", "still-hidden")
    found = {
        key: value
        for key, value in model.named_parameters(remove_duplicate=False)
        if key[:6] == "scale."
    }
    trained = len(found) == 2 and all(one.requires_grad for one in found.values())
    expect(
        trained,
        "not-trained",
        "`scale.red` and `scale.blue` are trainable parameters",
        listed(found),
    )
    apart = found["scale.red"].data_ptr() != found["scale.blue"].data_ptr()
    expect(apart, "shared", "a scale of its own for each name", "one tensor for both")
    begin = [one.tolist() for one in found.values()]
    expect(begin == [[1], [1]], "not-one", "each scale is `[1.0]` at first", describe(str(begin)))
    state, x = _random(model, call), torch.randn(3, 2)
    for name in names:
        wanted = linear(x, state["body.weight"], state["body.bias"]) * state[f"scale.{name}"]
        result = ask(f"scales(x, {name!r})", model, x, name)
        expect(close(result, wanted), "other-result", "what `Colours` computes", describe(result))
        _learns(result, model, [f"scale.{name}", "body.weight", "body.bias"])
    model.load_state_dict(
        {key: torch.full_like(value, 3.0) for key, value in state.items()}, assign=True
    )
    wanted = 3 * linear(x, torch.full((2, 2), 3.0), torch.full((2,), 3.0))
    result, now = (
        ask("scales(x, 'red')", model, x, "red"),
        "the parameters of now, after a load with `assign=True`",
    )
    expect(close(result, wanted), "stale", now, f"{describe(result)}, of other numbers")
    return (
        "both scales are listed, saved, loaded and trainable, and the result is that of `Colours`"
    )


def _optimizer(
    result: object, model: nn.Module, old: list, kind: type, rate: float, call: str
) -> None:
    """Go on if `result` is an optimizer of this class and rate that holds the parameters of
    `model`, each once.
    """
    expect(
        isinstance(result, Optimizer),
        "not-an-optimizer",
        f"`{call}` returns an optimizer",
        describe(result),
    )
    held = [one for group in result.param_groups for one in group["params"]]
    for name, one in model.named_parameters():
        there = any(one is other for other in held)
        expect(there, "misses", f"the optimizer holds `{name}` of the model", "it does not hold it")
    stale = sum(all(one is not other for other in model.parameters()) for one in held)
    gone = any(one is other for one in held for other in old)
    expect(
        not stale,
        "stale" if gone else "extra",
        "nothing but parameters of the model",
        f"{stale} others too",
    )
    once = len({id(one) for one in held}) == len(held)
    expect(once, "twice", "the optimizer holds each parameter once", "it holds some of them twice")
    expect(
        type(result) is kind,
        "other-class",
        f"an optimizer of the class `{kind.__name__}`",
        describe(result),
    )
    rates = {group["lr"] for group in result.param_groups}
    expect(rates == {rate}, "other-rate", f"the learning rate `{rate}`", f"`{sorted(rates)}`")


def _swap_head(answer: object) -> str:
    want_function(answer, "swap_head")
    for kind, rate in ((SGD, 0.5), (Adam, 0.25)):
        model, head = holding(body=nn.Linear(2, 4), head=nn.Linear(4, 9)), nn.Linear(4, 2)
        optimizer, body, old = (
            kind(model.parameters(), lr=rate),
            model.body,
            list(model.head.parameters()),
        )
        before = photo(holding(body=body, head=head))
        result = ask("swap_head(model, optimizer, head)", answer, model, optimizer, head)
        expect(
            getattr(model, "head", None) is head,
            "not-the-head",
            "`model.head` is the new head",
            "it is not",
        )
        intact = photo(holding(body=body, head=head)) == before and model.body is body
        expect(
            intact,
            "changed",
            "`body` and the new head keep their numbers and gradients",
            "they do not",
        )
        _optimizer(result, model, old, kind, rate, "swap_head(...)")
    return "with `SGD` and with `Adam`: the new head is in place, and the optimizer holds all of the model and no more"


def _resume(answer: object) -> str:
    want_function(answer, "resume")
    for device in ("cpu", "meta"):
        model = holding(body=nn.Linear(2, 4), head=nn.Linear(4, 1)).to(device)
        state, old = (
            _copied(holding(body=nn.Linear(2, 4), head=nn.Linear(4, 1))),
            list(model.parameters()),
        )
        kept = copy.deepcopy(state)
        result = ask("resume(model, state_dict, lr)", answer, model, state, 0.25)
        where = f"a model on `{device}`"
        lost = [name for name, one in model.named_parameters() if one.is_meta]
        expect(
            not lost, "still-meta", f"{where} has the loaded numbers", f"{listed(lost)} on `meta`"
        )
        loaded = all(map(same, (one.detach() for one in model.parameters()), kept.values()))
        expect(loaded, "not-loaded", f"{where} has the loaded numbers", "other numbers")
        expect(
            all(map(same, state.values(), kept.values())),
            "changed",
            "the `state_dict` stays",
            "it was changed",
        )
        trainable = all(one.requires_grad for one in model.parameters())
        expect(trainable, "frozen", "all parameters are trainable", "some are frozen")
        _optimizer(result, model, old, SGD, 0.25, "resume(...)")
    return (
        "a model on the CPU and one on `meta`: the loaded numbers, and an optimizer that holds them"
    )


def _filter_bank(answer: object) -> str:
    call, model = "FilterBank(3)", built(answer, "FilterBank", 3)
    expect(
        not list(model.parameters()), "trained", "nothing to train", "`parameters()` is not empty"
    )
    _keys(model, [f"filter_{i}" for i in range(3)], "filter_", "not-saved")
    begin = [value.tolist() for value in model.state_dict().values()]
    expect(
        begin == [[i, i] for i in range(3)],
        "other-numbers",
        "the filters of `Filters`",
        describe(str(begin)),
    )
    x = torch.randn(4, 2)

    def judge(when: str, slip: str, model: nn.Module, *filters: torch.Tensor) -> None:
        wanted = torch.stack([(x.to(one.dtype) * one).sum(-1) for one in filters], dim=-1)
        result = ask("bank(x)", model, x.to(wanted.dtype))
        other = isinstance(result, torch.Tensor) and result.dtype != wanted.dtype
        alike = other and close(result.to(wanted.dtype), wanted)
        expect(not alike, "other-result", f"{describe(wanted)}, {when}", describe(result))
        expect(
            close(result, wanted),
            slip,
            f"the buffers of now, {when}",
            f"{describe(result)}, of other numbers",
        )

    judge("at first", "other-result", model, *model.state_dict().values())
    twin, first = copy.deepcopy(model), _copied(model)
    ask(f"{call}.to(torch.float64)", model.to, torch.float64)
    judge("after `.to(torch.float64)`", "stale", model, *(one.double() for one in first.values()))
    judge("after a load", "stale", model, *(one.double() for one in _random(model, call).values()))
    judge("in a copy made before", "shared", twin, *first.values())
    state = {key: torch.rand(2) for key in first}
    twin.load_state_dict(state, assign=True)
    judge("after a load with `assign=True`", "stale", twin, *state.values())
    twin.filter_1 = torch.tensor([5.0, 7.0])
    judge(
        "after an assignment to `filter_1`",
        "stale",
        twin,
        state["filter_0"],
        twin.filter_1,
        state["filter_2"],
    )
    return "a move, two kinds of load, an assignment and a copy: `forward` used the buffers as they were each time"


def _load_tied(answer: object) -> str:
    want_function(answer, "load_tied")
    for device in ("cpu", "meta"):
        model = holding(embed=nn.Embedding(5, 4), head=nn.Linear(4, 5, bias=False)).to(device)
        model.head.weight = model.embed.weight
        parts, weight = (model.embed, model.head), torch.randn(5, 4)
        state, where = (
            {"embed.weight": weight.clone(), "head.weight": weight.clone()},
            f"a model on `{device}`",
        )
        result = ask("load_tied(model, state_dict)", answer, model, state)
        expect(result is model, "not-the-model", "the model that was given", describe(result))
        intact = (
            model.embed is parts[0] and model.head is parts[1] and len(list(model.modules())) == 3
        )
        expect(
            intact,
            "other-model",
            "`model.embed` and `model.head` are the modules of before",
            "they are not",
        )
        one, other = model.embed.weight, model.head.weight
        expect(
            not one.is_meta and not other.is_meta,
            "still-meta",
            f"{where} has the loaded numbers",
            "none",
        )
        loaded = same(one.detach(), weight) and same(other.detach(), weight)
        expect(loaded, "not-loaded", f"{where} has the loaded numbers", "other numbers")
        expect(
            one.requires_grad and other.requires_grad,
            "frozen",
            "the weight is trainable",
            "it is frozen",
        )
        slip = "same-memory" if one.data_ptr() == other.data_ptr() else "untied"
        expect(
            one is other,
            slip,
            "`model.head.weight is model.embed.weight`",
            "they are two parameters",
        )
        expect(
            len(state) == 2 and all(same(value, weight) for value in state.values()),
            "changed",
            "the `state_dict` stays as it is",
            "it was changed",
        )
    return "a model on the CPU and one on `meta`: the loaded numbers, and one parameter under two names"


def _upgrade(answer: object) -> str:
    want_function(answer, "upgrade")
    a, b, c, d = (torch.full((2,), float(i)) for i in range(4))
    old = {"mean": a, "std": b, "positions": torch.arange(4)}
    new, other = (
        {"mean": a, "scale": b},
        {
            "std_head.weight": c,
            "standard": d,
            "positions_seen": a,
            "std.weight": b,
            "a.std_head.bias": c,
            "a.std.bias": d,
            "a.wstd": a,
            "prepositions": b,
        },
    )
    for words, state, wanted in (
        ("an old file", old, new),
        ("a new file", dict(new), new),
        (
            "an old file of a larger model",
            {f"encoder.norm.{key}": value for key, value in old.items()},
            {f"encoder.norm.{key}": value for key, value in new.items()},
        ),
        ("names that only look alike", dict(other), other),
    ):
        given = dict(state)
        result = entries(ask("upgrade(state_dict)", answer, state), "upgrade(state_dict)")
        kept = list(state) == list(given) and all(state[key] is given[key] for key in given)
        expect(
            kept, "changed", "the dict that was given stays", f"it has the keys {listed(state)} now"
        )
        for test, slip in (
            (any(key.split(".")[-1] == "std" for key in result), "not-renamed"),
            (any(key.split(".")[-1] == "positions" for key in result), "not-dropped"),
            (words[0] == "n" and set(result) != set(wanted), "too-much"),
            (set(result) != set(wanted), "other-keys"),
            (
                not all(same(result.get(key), value) for key, value in wanted.items()),
                "other-numbers",
            ),
        ):
            expect(not test, slip, f"the keys {listed(wanted)} from {words}", listed(result))
    return "an old file, a new one, a nested one, and names that only look alike; the given dicts stayed as they were"


def _sizes(model: nn.Module) -> dict:
    return {key: tuple(getattr(value, "shape", ())) for key, value in model.state_dict().items()}


def _average(answer: object) -> str:
    call, model, fresh = "Average(2)", built(answer, "Average", 2), built(answer, "Average", 2)
    trained = [name for name, _ in model.named_parameters()]
    own = set(trained) == {"layer.weight", "layer.bias"}
    expect(own, "trained", "the parameters of `layer` alone", listed(trained))
    shapes, rows = _sizes(model), torch.randn(7, 2, requires_grad=True)

    def judge(model: nn.Module, first: int, last: int, slip: str) -> None:
        wanted = model.layer(rows[first:last].detach()) - rows[:last].detach().mean(0)
        result = ask("average(x)", model, rows[first:last] * 1)
        found = f"{describe(result)} of other numbers"
        shaped = isinstance(result, torch.Tensor) and result.shape == wanted.shape
        expect(
            not shaped or result.dtype == wanted.dtype,
            "other-result",
            describe(wanted),
            describe(result),
        )
        expect(close(result, wanted, atol=1e-5), slip, "what `Recall` computes", found)
        graphs = [
            one.path
            for one in snapshot(model).entries
            if one.requires_grad and one.kind != "parameter"
        ]
        expect(
            not graphs,
            "holds-the-graph",
            "what is kept requires no gradient",
            f"{listed(graphs)} does",
        )
        _learns(result, model, ["layer.weight", "layer.bias"])

    judge(model, 0, 2, "other-result")
    judge(model, 2, 3, "other-result")
    state, now = _copied(model), _sizes(model)
    expect(
        now == shapes,
        "grows",
        "a file of the same size after two calls",
        f"the shapes {list(now.values())}",
    )
    ask(f"{call}.load_state_dict(...)", fresh.load_state_dict, state, mistake="not-loaded")
    judge(fresh, 3, 7, "forgets")
    floats = [buffer for buffer in fresh.to(torch.float64).buffers() if buffer.is_floating_point()]
    result = ask("average(x) in float64", fresh, rows.detach().double())
    fits = result.dtype == torch.float64 and all(buffer.dtype == torch.float64 for buffer in floats)
    expect(fits, "stays-behind", "`float64` after `.to(torch.float64)`", describe(result))
    return "three batches, with a strict load between them: the results of `Recall`, from a file that does not grow"


def _rolling(answer: object) -> str:
    call, model = "Rolling(3)", built(answer, "Rolling", 3)
    expect(
        not list(model.parameters()), "trained", "nothing to train", "`parameters()` is not empty"
    )
    keys = list(model.state_dict())
    expect(keys == ["past"], "not-saved", "the key `past`, as in the old files", listed(keys))
    wanted = torch.tensor([4.0, 5.0, 6.0])
    ask(
        f"{call}.load_state_dict(...)",
        model.load_state_dict,
        {"past": wanted.clone()},
        mistake="not-loaded",
    )
    for number, dtype in ((1.0, torch.float32), (7.0, torch.float32), (2.0, torch.float64)):
        model.to(dtype)
        wanted = torch.cat([wanted[1:].to(dtype), torch.tensor([number], dtype=dtype)])
        result = ask("rolling(x)", model, torch.tensor(number, dtype=dtype, requires_grad=True) * 1)
        past = model.state_dict().get("past", model.past)
        fits = (
            isinstance(past, torch.Tensor)
            and past.shape == (3,)
            and past.tolist() == wanted.tolist()
        )
        expect(fits, "wrong-window", f"`past` is `{wanted.tolist()}`", describe(str(past.tolist())))
        expect(
            past.dtype == dtype, "stays-behind", f"`past` is `{dtype}` after `.to`", describe(past)
        )
        held = model.past.requires_grad
        expect(
            not held,
            "holds-the-graph",
            "`past` requires no gradient, whatever `x` does",
            "it has a graph",
        )
        mean = f"the mean, `{wanted.mean().item():.4f}`, {describe(wanted.mean())}"
        expect(close(result, wanted.mean()), "other-result", mean, describe(result))
    listed_now = "past" in dict(model.named_buffers())
    expect(listed_now, "stays-behind", "`past` is a buffer", "it is not")
    return "a load of an old file, three numbers and a move: the window, its mean, and nothing that trains"


CHECKERS = {
    "6.1": _stack,
    "6.2": _scales,
    "6.3": _swap_head,
    "6.4": _resume,
    "6.5": _filter_bank,
    "6.6": _load_tied,
    "6.7": _upgrade,
    "6.8": _average,
    "6.9": _rolling,
}
