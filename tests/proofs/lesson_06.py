"""Proofs for the questions of lesson 06: each runs the experiment that its question talks about."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import torch
from torch import nn

from tests.proofs import the_true_one


def _raises(function: Callable, *args: object, **named: object) -> str:
    """The type of the error that the call raises, "" if it raises none."""
    try:
        function(*args, **named)
    except Exception as error:
        return type(error).__name__
    return ""


class _Deep(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = [nn.Linear(4, 4) for _ in range(depth)]
        self.head = nn.Linear(4, 1)


def _depth() -> int:
    deep, shallow = _Deep(100), _Deep(1)
    assert len(list(deep.parameters())) == len(list(shallow.parameters()))
    one_layer = len(set(map(id, deep.layers))) == 1
    own_only = not any(part is deep.head.weight for part in deep.parameters())
    late = not list(deep.layers[0].parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lazy layers warn that they may change
        assert len(list(nn.LazyLinear(4).parameters())) == 2
    return the_true_one(
        one_layer, own_only, late, "layers" in vars(deep) and list(deep._modules) == ["head"]
    )


def _trained(model: nn.Module, parameter: nn.Parameter) -> tuple[bool, bool, bool]:
    """Does an optimizer of the model hold the parameter, does it move in a step, has it a gradient
    after zero_grad?
    """
    optimizer, before = torch.optim.SGD(model.parameters(), lr=0.1), parameter.detach().clone()
    (model.body(torch.ones(1, 2)) * parameter).sum().backward()
    optimizer.step()
    moved = not torch.equal(before, parameter)
    optimizer.zero_grad()
    return (
        any(one is parameter for one in optimizer.param_groups[0]["params"]),
        moved,
        parameter.grad is not None,
    )


def _dict() -> int:
    model = nn.ModuleDict({"body": nn.Linear(2, 2)})
    model.scale = {"red": nn.Parameter(torch.ones(1))}
    parameter = model.scale["red"]
    held, moved, kept = _trained(model, parameter)
    return the_true_one(not held and not moved and kept, held and not moved, moved, not kept)


def _two_layers() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({"body": nn.Linear(3, 8), "head": nn.Linear(8, 5)})


def _learns(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    before = copy.deepcopy(model.state_dict())
    for _ in range(3):
        optimizer.zero_grad()
        model.head(model.body(torch.ones(1, 3))).square().sum().backward()
        optimizer.step()
    return [
        name
        for name in ("body", "head")
        if not torch.equal(before[f"{name}.bias"], model[name].bias)
    ]


def _new_head() -> int:
    model = _two_layers()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    old, model.head = model.head, nn.Linear(8, 2)
    kept, learns = copy.deepcopy(old.state_dict()), _learns(model, optimizer)
    old_learns = any(not torch.equal(value, kept[key]) for key, value in old.state_dict().items())
    body = learns == ["body"]
    return the_true_one(
        learns == ["body", "head"], learns == ["head"], body and not old_learns, body and old_learns
    )


def _assign() -> int:
    model, first = _two_layers(), copy.deepcopy(_two_layers().state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    saved = {key: value + 1 for key, value in model.state_dict().items()}
    held, kept = list(model.parameters()), copy.deepcopy(saved)
    model.load_state_dict(saved, assign=True)
    assert _learns(model, optimizer) == []  # as the question says
    state, frozen = model.state_dict(), not any(one.requires_grad for one in model.parameters())
    elsewhere = any(one.grad is not None for one in held)
    stale = all(one is not other for one in model.parameters() for other in held)
    loaded = all(
        torch.equal(state[key], kept[key]) and not torch.equal(state[key], first[key])
        for key in kept
    )
    return the_true_one(frozen, elsewhere, stale and loaded, not loaded)


def _list() -> int:
    model, given = nn.Module(), torch.zeros(2)
    model.register_buffer("filter_0", given)
    first = model.filter_0 is not given
    model.filters = [model.filter_0]
    second = model.filters[0] is not model.filter_0
    model.to(torch.float64)
    moved = model.filter_0
    third = model.filters[0] is not moved
    model.load_state_dict({"filter_0": torch.ones(2)})
    assert not model.filters[0].any()
    return the_true_one(first, second, third, model.filter_0 is not moved)


def _tied() -> int:
    kept = []
    for lines in ("deepcopy", "strict", "pop", "plain"):
        model = nn.ModuleDict({"embed": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
        model.head.weight = model.embed.weight
        saved = {key: value.clone() for key, value in model.state_dict().items()}
        if lines == "deepcopy":
            model.load_state_dict(copy.deepcopy(saved), assign=True)
        elif lines == "plain":
            model.load_state_dict(saved)
        else:
            if lines == "pop":
                saved.pop("head.weight")
            model.load_state_dict(saved, assign=True, strict=False)
        kept.append(model.head.weight is model.embed.weight)
    return the_true_one(*kept)


def _renamed() -> int:
    model = nn.Module()
    model.register_buffer("mean", torch.zeros(2))
    model.register_buffer("scale", torch.ones(2))
    model.load_state_dict(
        {"mean": torch.full((2,), 3.0), "std": torch.full((2,), 5.0)}, strict=False
    )
    scale = model.scale.tolist()
    cancelled = not model.mean.any()
    strict = nn.Linear(2, 2)
    assert _raises(strict.load_state_dict, {"weight": torch.full((2, 2), 9.0)}) == "RuntimeError"
    assert strict.weight.eq(9).all()  # copied before it raised
    return the_true_one(
        scale == [5, 5], scale not in ([5, 5], [1, 1]), scale == [1, 1] and not cancelled, cancelled
    )


def _grows() -> int:
    model = nn.Module()
    model.layer = nn.Linear(4, 4)
    model.register_buffer("seen", torch.empty(0, 4))
    file = copy.deepcopy(model.state_dict()) | {"seen": torch.ones(808, 4)}
    failed = _raises(model.load_state_dict, file, strict=False)
    assert _raises(model.load_state_dict, file, strict=False, assign=True) == "RuntimeError"
    return the_true_one(model.seen.shape == (808, 4), not failed, False, failed == "RuntimeError")


def _roll() -> int:
    model = nn.Module()
    first = model.past = nn.Parameter(torch.arange(3.0), requires_grad=False)
    assert _raises(setattr, model, "past", model.past.roll(-1)) == "TypeError"
    model.past = nn.Parameter(model.past.roll(-1))
    same, trained = model.past is first, model.past.requires_grad
    unlisted = not any(one is model.past for one in model.parameters())
    assert _raises(model.past.__setitem__, -1, 6.0) == "RuntimeError"
    return the_true_one(
        same, not same and trained and not unlisted, not same and not trained, unlisted
    )


def _best() -> int:
    model = nn.Linear(2, 2)
    kept = [
        make(model.state_dict()) for make in (lambda state: state, dict, copy.copy, copy.deepcopy)
    ]
    before = model.weight.tolist()
    with torch.no_grad():
        model.weight += 1
    return the_true_one(*(one["weight"].tolist() == before for one in kept))


def _mask() -> int:
    model = nn.Module()
    model.register_buffer("unsaved", torch.ones(2), persistent=False)
    model.register_buffer("unused", torch.ones(2))
    model.mask = torch.ones(2)
    model.to("meta")
    registered = model.unsaved.is_meta and model.unused.is_meta and not model.mask.is_meta
    return the_true_one(
        registered, model.mask.is_meta, not model.unsaved.is_meta, not model.unused.is_meta
    )


def _taken() -> int:
    found = []
    for first_the_buffer in (True, False):
        model, here, there = nn.Module(), torch.zeros(2), torch.ones(2)
        if first_the_buffer:
            model._buffers["mask"] = there
        object.__setattr__(model, "mask", here)
        model._buffers["mask"] = there
        names = {id(here): "attribute", id(there): "buffer"}
        found.append(names.get(id(model.mask), "neither"))
    return the_true_one(
        found == ["buffer"] * 2,
        found[0] != found[1],
        "neither" in found,
        found == ["attribute"] * 2,
    )


def _super() -> int:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = reached[0] = name

    class Scorer(Named, nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__("scorer")
            self.offset = reached[1] = torch.zeros(width)
            self.layer = reached[2] = nn.Linear(width, 1)
            reached[3] = True

    reached: dict = {}
    assert _raises(Scorer, 4) == "AttributeError"  # the attribute is set before reached[2] is
    return the_true_one(not reached, list(reached) == [0], list(reached) == [0, 1], 3 in reached)


PROOFS = {
    "06-depth": _depth,
    "06-dict": _dict,
    "06-new-head": _new_head,
    "06-assign": _assign,
    "06-list": _list,
    "06-tied": _tied,
    "06-renamed": _renamed,
    "06-grows": _grows,
    "06-roll": _roll,
    "06-best": _best,
    "06-mask": _mask,
    "06-taken": _taken,
    "06-super": _super,
}
