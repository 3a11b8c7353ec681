"""Proofs for the questions of lesson 04: each runs the experiment that its question talks about."""

from __future__ import annotations

import torch
from torch import nn

from helpers.tracing.trace import trace
from tests.proofs import the_true_one


class _One(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))


class _Bare(nn.Module):
    def __init__(self) -> None:
        pass


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x


def _where() -> int:
    model = _One()
    plain, registered = "weight" in vars(model), "weight" in vars(model)["_parameters"]
    return the_true_one(
        plain and not registered,
        registered and not plain,
        plain and registered,
        "weight" in vars(_One),
    )


def _read() -> int:
    layer, needed = nn.Linear(2, 2), []
    names = ["in_features", "training", "forward", "weight"]
    for name in names:
        with trace(layer) as steps:
            getattr(layer, name)
        needed += [name] if steps else []
    return the_true_one(
        needed == ["weight"],
        sorted(needed) == ["in_features", "weight"],
        needed == names,
        not needed,
    )


def _first() -> int:
    """By what differs in the end: the home of a name that was plain, of a tensor, and of a frozen
    parameter.
    """

    def registered(value: torch.Tensor, taken: bool) -> bool:
        module = nn.Module()
        if taken:
            module.scale = torch.zeros(1)
        module.scale = value
        return "scale" in module._parameters

    values = nn.Parameter(torch.ones(1)), torch.ones(1), torch.ones(1, requires_grad=True)
    free, taken = ([registered(value, one) for value in values] for one in (False, True))
    frozen = registered(nn.Parameter(torch.ones(1), requires_grad=False), False)
    by_class = free == taken == [True, False, False] and frozen
    return the_true_one(
        free != taken,
        free == [True, True, True],
        free == [True, False, True] and not frozen,
        by_class,
    )


def _refused(act: object) -> bool:
    model = _Scale()
    try:
        act(model)
    except (TypeError, KeyError, AttributeError):
        return True
    return False


def _taken() -> int:
    values = (None, nn.Parameter(torch.zeros(7)), nn.ReLU())
    lines = [lambda model, value=value: setattr(model, "scale", value) for value in values]
    return the_true_one(*map(_refused, [*lines, lambda model: delattr(model, "scale")]))


def _early() -> int:
    values = [
        nn.Parameter(torch.zeros(2)),
        nn.Linear(2, 2),
        nn.Buffer(torch.zeros(2)),
        torch.zeros(2),
        3,
    ]
    through = []
    for value in values:
        try:
            _Bare().x = value
        except AttributeError:
            through.append(False)
        else:
            through.append(True)
    return the_true_one(
        not any(through),
        through == [False] + [True] * 4,
        through == [False] * 3 + [True] * 2,
        through == [False] * 4 + [True],
    )


def _lost() -> int:
    module, result = nn.Module(), nn.Parameter(torch.zeros(2), requires_grad=False)
    module.register_buffer("mean", torch.zeros(2))
    buffer = module.mean
    result.add_(torch.ones(2, requires_grad=True))
    try:
        module.mean = result
    except ValueError:
        pass
    else:
        return -1
    kept, gone = module._buffers.get("mean") is buffer, not hasattr(module, "mean")
    empty = "mean" in module._buffers and module._buffers["mean"] is None
    return the_true_one(kept, gone, "mean" in module._parameters, empty)


def _bypass() -> int:
    model, new = _Scale(), nn.Parameter(torch.full((1,), 10.0))
    old = model.scale
    try:
        object.__setattr__(model, "scale", new)
    except TypeError:
        return 0
    uses_new, listed = model(torch.ones(1)).item() == 10, list(model.parameters())
    return the_true_one(
        False, uses_new and listed == [new], not uses_new, uses_new and listed[0] is old
    )


PROOFS = {
    "04-where": _where,
    "04-read": _read,
    "04-first": _first,
    "04-taken": _taken,
    "04-early": _early,
    "04-lost": _lost,
    "04-bypass": _bypass,
}
