"""Checkers for the exercises of lesson 01. Torch judges: an answer is loaded, trained past, or
compared.
"""

from __future__ import annotations

import io
from copy import deepcopy
from numbers import Integral

import torch
from torch import nn

from helpers.exercises.engine import (
    Unsolved,
    ask,
    built,
    describe,
    entries,
    expect,
    holding,
    listed,
    photo,
    same,
    want_function,
)


def _encoder_state(answer: object) -> str:
    want_function(answer, "encoder_state")
    call = "encoder_state(state_dict)"
    deep = holding(
        conv=nn.Conv1d(2, 2, 1), encoder=nn.Linear(2, 2, bias=False), norm=nn.BatchNorm1d(2)
    )
    for model in (
        holding(encoder=nn.Linear(2, 3, bias=False), head=nn.Linear(3, 1, bias=False)),
        holding(encoder=nn.Linear(2, 3), encoder_norm=nn.LayerNorm(3)),
        holding(encoder=nn.Linear(2, 3), decoder=holding(encoder=nn.Linear(3, 2))),
        holding(encoder=deep, head=nn.Linear(2, 1)),
        holding(
            stem=nn.Linear(2, 2),
            encoder=nn.Linear(2, 3),
            encoder2=nn.Linear(3, 2),
            pooler=nn.Linear(2, 1),
        ),
    ):
        for number, tensor in enumerate(model.state_dict().values()):
            tensor.fill_(number)  # a value now tells which key it came from
        given = model.state_dict()
        before, metadata = dict(given), deepcopy(given._metadata)
        numbers = {key: tensor.clone() for key, tensor in given.items()}
        result = entries(ask(call, answer, given), call)
        intact = list(given) == list(before) and getattr(given, "_metadata", None) == metadata
        intact = intact and all(
            given[key] is before[key] and same(given[key], numbers[key]) for key in before
        )
        expect(
            intact,
            "input-changed",
            "the `state_dict` that was given stays as it was",
            "it was changed",
        )
        wanted = f"from {listed(before)}: the keys {listed(model.encoder.state_dict())}"
        origins = {}
        for key, value in result.items():
            source = next((name for name, tensor in before.items() if same(value, tensor)), None)
            expect(
                source is not None,
                "foreign-value",
                wanted,
                f"{describe(key)} holds {describe(value)}",
            )
            origins[source] = key
        for source, key in origins.items():
            owner, rest = source.split(".", 1)
            found = f"the tensor of `{source}` came along as {describe(key)}"
            slip = (
                f"{owner}-kept" if owner in ("head", "encoder_norm", "decoder") else "sibling-kept"
            )
            expect(owner == "encoder", slip, wanted, found)
            expect(key == rest, _renaming(source, key), wanted, found)
        missing = [
            source for source in before if source.startswith("encoder.") and source not in origins
        ]
        expect(not missing, "missing", wanted, f"no entry for {listed(missing)}")
        model.encoder.load_state_dict(result)
    return (
        "it loads strictly into the encoder of five models, with names that look alike among them"
    )


def _renaming(source: str, key: object) -> str:
    """The name of the mistake that makes `key` from `source`."""
    slips = {
        source: "prefix-kept",
        source.lstrip("encoder."): "lstrip",  # noqa: B005 (the very mistake to recognise)
        source.replace("encoder.", ""): "replaced-everywhere",
    }
    return slips.get(key, "wrong-name")


def _train(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.zero_grad()
    model(torch.randn(8, 2)).pow(2).sum().backward()
    optimizer.step()


def _keep_best(answer: object) -> str:
    want_function(answer, "keep_best")
    call, model = "keep_best(model)", nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    model.register_buffer("scratch", torch.zeros(1), persistent=False)
    _train(model)
    best, before = (
        {key: tensor.clone() for key, tensor in model.state_dict().items()},
        photo(model, True),
    )
    returned = ask(call, answer, model)
    expect(not isinstance(returned, nn.Module), "a-model", "a dict of tensors", "a whole module")
    result = entries(returned, call)
    expect(
        photo(model, True) == before,
        "model-changed",
        "the model goes on as it was",
        "the model was changed",
    )
    wanted = f"the keys {listed(best)}"
    missing, extra = (
        [key for key in best if key not in result],
        [key for key in result if key not in best],
    )
    expect(not missing, "missing", wanted, f"no entry for {listed(missing)}")
    expect(not extra, "extra", wanted, f"an entry for {listed(extra)} as well")
    for key, tensor in best.items():
        found = f"{describe(result[key])} with other numbers, dtype or shape"
        expect(
            same(result[key], tensor),
            "other-values",
            f"`{key}`: {describe(tensor)}, as it is",
            found,
        )
    _train(model)
    changed = [key for key in best if not same(result[key], best[key])]
    slip = "live-view" if len(changed) == len(best) else "partly-live"
    expect(
        not changed,
        slip,
        "the same numbers after another step",
        f"{listed(changed)} changed with the model",
    )
    ask(call, answer, model)
    kept = entries(returned, call)
    alone = all(same(kept.get(key), tensor) for key, tensor in best.items())
    expect(
        alone,
        "dict-reused",
        "a second call leaves the first result alone",
        "it changed the first result",
    )
    model.load_state_dict(kept)
    return (
        "after another step and another call it still holds the old numbers, and it loads strictly"
    )


def _scaled(answer: object) -> str:
    model = built(answer, "Scaled")
    blank = vars(model).keys() == vars(nn.Module()).keys()
    if blank and not any(hasattr(model, name) for name in ("scale", "inner", "factor")):
        raise Unsolved
    state = ask("Scaled().state_dict()", model.state_dict, mistake="does-not-load")
    keys = list(entries(state, "Scaled().state_dict()"))
    wanted, found = "the keys `scale`, `inner.weight`, in this order", f"the keys {listed(keys)}"
    expect("factor" not in keys, "factor-saved", wanted, found)
    expect("inner.bias" not in keys, "bias", wanted, found)
    for key in ("scale", "inner.weight"):
        name = key.split(".")[0]
        expect(key in keys, _why_absent(model, name), wanted, f"{found}; {_what_is(model, name)}")
    expect(len(keys) == 2, "extra", wanted, found)
    expect(keys == ["scale", "inner.weight"], "order", wanted, found)
    other = ask("Scaled(factor=3.5)", answer, factor=3.5)
    for call, made, number in (("Scaled()", model, 2.0), ("Scaled(factor=3.5)", other, 3.5)):
        value = getattr(made, "factor", None)
        wanted, found = f"`{call}.factor` is `{number}`", describe(value)
        expect(not isinstance(value, torch.Tensor), "factor-is-a-tensor", wanted, found)
        expect(
            isinstance(value, (int, float)) and float(value) == number,
            "factor-wrong",
            wanted,
            found,
        )
    tensors = [
        value for made in (model, other) for value in made.state_dict(keep_vars=True).values()
    ]
    places = [
        value.data_ptr()
        for value in tensors
        if isinstance(value, torch.Tensor) and value.data_ptr()
    ]
    found = "two of them share their memory"
    expect(
        len(set(places)) == len(places),
        "shared",
        "two instances have two tensors each, all apart",
        found,
    )
    ask(
        "Scaled().load_state_dict(state)",
        model.load_state_dict,
        other.state_dict(),
        mistake="does-not-load",
    )
    scale, inner = model._parameters.get("scale"), model._modules.get("inner")
    expect(
        scale is not None,
        "not-a-parameter",
        "`scale` is a parameter",
        "it is not one of the parameters",
    )
    expect(scale.numel() == 1, "scale-size", "`scale` has one element", _what_is(model, "scale"))
    fits = isinstance(inner, nn.Linear) and inner.weight.shape == (3, 3)
    found = f"{_what_is(model, 'inner')}; its weight is {describe(state['inner.weight'])}"
    expect(fits, "another-layer", "`inner` is an `nn.Linear(3, 3)` without a bias", found)
    return "two keys in the right order, `factor` not among them; one instance loads strictly from another"


def _what_is(model: nn.Module, name: str) -> str:
    value = getattr(model, name, ...)
    return f"there is no `{name}`" if value is ... else f"`{name}` is {describe(value)}"


def _why_absent(model: nn.Module, name: str) -> str:
    """The name of the mistake that keeps attribute `name` out of the state_dict, or gives it
    another key.
    """
    plain = {torch.Tensor: "plain-tensor", (list, tuple, dict): "in-a-list", object: "plain-value"}
    if name in model._parameters or name in model._buffers:
        slot = "empty-slot" if getattr(model, name) is None else "not-persistent"
        return slot if name == "scale" else "not-a-submodule"
    if name in model._modules:
        return "another-module"
    if name in vars(model):
        return next(slip for kind, slip in plain.items() if isinstance(vars(model)[name], kind))
    return "class-attribute" if hasattr(type(model), name) else "absent"


def _state_bytes(answer: object) -> str:
    want_function(answer, "state_bytes")
    tied = holding(embedding=nn.Embedding(5, 4), output=nn.Linear(4, 5, bias=False))
    tied.output.weight = tied.embedding.weight
    masked = nn.Linear(2, 2)
    masked.register_buffer("mask", torch.ones(4), persistent=False)
    nested = holding(body=holding(block=holding(inner=nn.Linear(2, 2))), head=nn.Linear(2, 1))
    nested.body.block.inner.weight.requires_grad_(False)
    noted = type("Noted", (nn.Linear,), {"get_extra_state": lambda self: {"note": 1}})(2, 2)
    for words, model in {
        "`nn.Linear(2, 3)`": nn.Linear(2, 3),
        "`nn.Linear(2, 3).double()`": nn.Linear(2, 3).double(),
        "`nn.BatchNorm1d(3)`": nn.BatchNorm1d(3),
        "an `nn.Embedding(5, 4)` tied to an `nn.Linear(4, 5, bias=False)`": tied,
        "`nn.Linear(2, 2)` with a non-persistent buffer": masked,
        "two `nn.LayerNorm(3)` with equal numbers": holding(
            first=nn.LayerNorm(3), second=nn.LayerNorm(3)
        ),
        "a frozen weight three levels down": nested,
        "an `nn.Linear(2, 2)` with an `_extra_state` that is a dict": noted,
    }.items():
        before, slip = photo(model, True), "not-a-tensor" if model is noted else "raises"
        tensors = [
            v for v in model.state_dict(keep_vars=True).values() if isinstance(v, torch.Tensor)
        ]
        right = sum(tensor.nbytes for tensor in set(tensors))
        number = ask("state_bytes(model)", answer, model, mistake=slip)
        wanted, found = f"`{right}` bytes for {words}", describe(number)
        whole = isinstance(number, Integral) and not isinstance(number, bool)
        expect(whole, "not-an-int", wanted, found)
        expect(int(number) == right, _miscount(model, tensors, int(number)), wanted, found)
        expect(
            photo(model, True) == before,
            "model-changed",
            "the model stays as it was",
            "the model was changed",
        )
        again = ask("state_bytes(model)", answer, model)
        fits = isinstance(again, Integral) and int(again) == right
        expect(fits, "remembers", f"{wanted}, in a second call too", describe(again))
    return "the bytes of eight models, twice, with other dtypes, buffers, a tied weight and extra state among them"


def _miscount(model: nn.Module, tensors: list[torch.Tensor], number: int) -> str:
    """The name of the mistaken way of counting that comes to `number` on `model`."""
    once, file = set(tensors), io.BytesIO()
    torch.save(model.state_dict(), file)
    unequal = {(tensor.shape, str(tensor.tolist())): tensor for tensor in once}.values()
    parameters = sum(parameter.nbytes for parameter in model.parameters())
    depths = {
        id(tensor): key.count(".") for key, tensor in model.state_dict(keep_vars=True).items()
    }
    shallow = [
        sum(tensor.nbytes for tensor in once if depths[id(tensor)] <= depth) for depth in range(3)
    ]
    frozen = sum(
        parameter.nbytes for parameter in model.parameters() if not parameter.requires_grad
    )
    counts = {
        "elements": sum(tensor.numel() for tensor in once),
        "entries": len(tensors),
        "counted-twice": sum(tensor.nbytes for tensor in tensors),
        "parameters-only": parameters,
        "four-bytes": 4 * sum(tensor.numel() for tensor in once),
        "non-persistent": parameters + sum(buffer.nbytes for buffer in model.buffers()),
        "equal-values": sum(tensor.nbytes for tensor in unequal),
        "file-size": len(file.getvalue()),
        "frozen": sum(tensor.nbytes for tensor in once) - frozen,
        "shallow": number if number in shallow else None,
    }
    return next((name for name, count in counts.items() if count == number), "wrong-number")


def _momentum_of(answer: object) -> str:
    want_function(answer, "momentum_of")
    frozen = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    frozen[0].weight.requires_grad_(False)
    tied = holding(first=nn.Linear(2, 2), second=nn.Linear(2, 2), head=nn.Linear(2, 1))
    tied.second.weight = tied.first.weight
    for slip, words, model in (
        ("by-position", "two Linear layers", nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))),
        (
            "buffers-in-between",
            "a BatchNorm first",
            nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)),
        ),
        ("frozen", "a frozen first weight", frozen),
        ("tied", "a weight tied to the first", tied),
    ):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            sum((i + 1) * p.pow(2).sum() for i, p in enumerate(model.parameters())).backward()
            optimizer.step()
        names = {name: p for name, p in model.named_parameters() if p in optimizer.state}
        known = {
            n: {key: t.clone() for key, t in optimizer.state[p].items()} for n, p in names.items()
        }
        before = photo(model, True), _held(optimizer)
        for name, parameter in names.items():
            call = f'momentum_of(model, optimizer, "{name}")'
            tensor = ask(call, answer, model, optimizer, name, mistake=slip)
            wanted = f"`{call}` is the `exp_avg` of `{name}` (a model with {words})"
            if not same(tensor, known[name]["exp_avg"]):
                mistake, found = _whose(tensor, parameter, name, known)
                expect(False, mistake or slip, wanted, found)
        intact = (photo(model, True), _held(optimizer)) == before
        expect(
            intact, "state-changed", "model and optimizer stay as they were", "they were changed"
        )
    return "the right tensor for every name, with buffers, a frozen and a tied weight in the way"


def _held(optimizer: torch.optim.Optimizer) -> tuple:
    """The groups and the state of an optimizer as they are, to compare before and after the
    learner's code.
    """
    groups = [{**group, "params": [*map(id, group["params"])]} for group in optimizer.param_groups]
    kept = [
        (id(p), key, value) for p, state in optimizer.state.items() for key, value in state.items()
    ]
    numbers = [
        (*at, (v.dtype, v.tolist()) if isinstance(v, torch.Tensor) else v) for *at, v in kept
    ]
    return groups, [*map(id, optimizer.state)], numbers


def _whose(tensor: object, parameter: torch.Tensor, name: str, known: dict) -> tuple[str, str]:
    """Name of the mistake of returning `tensor`, and what it is. No name: it belongs to another
    parameter.
    """
    if not isinstance(tensor, torch.Tensor):
        whole = isinstance(tensor, dict) and "exp_avg" in tensor
        return "whole-entry" if whole else "not-a-tensor", describe(tensor)
    if same(tensor, known[name]["exp_avg_sq"]):
        return "second-moment", "its `exp_avg_sq`"
    for what, other in (("parameter", parameter), ("gradient", parameter.grad)):
        if same(tensor, other):
            return "not-momentum", f"the {what} itself"
    for other, kept in known.items():
        if same(tensor, kept["exp_avg"]):
            return "", f"the `exp_avg` of `{other}`"
    return "other-tensor", f"{describe(tensor)}, not this one"


CHECKERS = {
    "1.1": _encoder_state,
    "1.2": _keep_best,
    "1.3": _scaled,
    "1.4": _state_bytes,
    "1.5": _momentum_of,
}
