"""Proofs for the questions of notebook 00: each runs the lines that its question shows."""

from __future__ import annotations

import copy
import io

import torch
from torch import nn

from tests.proofs import the_true_one


def _card() -> str:
    return str(torch.zeros(2, 3).numel())


def _delete() -> int:
    layer = nn.Linear(2, 3)
    before = layer.weight
    state = layer.state_dict()
    del state["weight"]
    held = getattr(layer, "weight", ...)
    if held is ...:
        return 0
    layer(torch.ones(1, 2))
    return the_true_one(
        False, held is not None and held is not before, held is before, held is None
    )


def _adam() -> int:
    model = nn.Linear(2, 3)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    gradient = model.weight.grad.clone()
    optimizer.step()
    average = gradient * 0.1  # after one step, with the usual beta of 0.9
    in_model = any(torch.equal(value, average) for value in model.state_dict().values())
    remembered = (
        value for one in optimizer.state_dict()["state"].values() for value in one.values()
    )
    in_optimizer = any(
        value.shape == average.shape and torch.allclose(value, average) for value in remembered
    )
    overwritten = not torch.equal(model.weight.grad, gradient)
    return the_true_one(
        in_model, in_optimizer, overwritten, not (in_model or in_optimizer or overwritten)
    )


def _frozen() -> int:
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3)))
    before = list(model.parameters())
    model.requires_grad_(False)
    listed, named = list(model.parameters()), list(model.named_parameters())
    same = len(listed) == 6 and all(one is other for one, other in zip(before, listed, strict=True))
    return the_true_one(
        not listed and not named,
        not listed and len(named) == 6,
        len(listed) == 6 and not same,
        same,
    )


def _twice() -> str:
    model = nn.Module()
    model.first = model.second = nn.Linear(3, 2)
    return str(sum(parameter.numel() for parameter in model.parameters()))


def _keep() -> int:
    mean = torch.ones(2)

    def well(keep) -> bool:
        model = nn.Module()
        keep(model)
        moved = model.to(torch.float64).mean.dtype == torch.float64
        return moved and "mean" in model.state_dict() and not list(model.parameters())

    return the_true_one(
        well(lambda model: setattr(model, "mean", mean)),
        well(lambda model: setattr(model, "mean", nn.Parameter(mean))),
        well(lambda model: model.register_buffer("mean", mean, persistent=False)),
        well(lambda model: model.register_buffer("mean", mean)),
    )


def _norm() -> int:
    norm = nn.BatchNorm1d(8)
    trained = {id(parameter) for parameter in norm.parameters()}
    count = sum(id(value) not in trained for value in norm.state_dict(keep_vars=True).values())
    return [0, 1, 3, 4].index(count)


class _Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.scale = torch.ones(3, requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(self.scale * x)


def _scale() -> int:
    model = _Scaled()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    trained, saved = not torch.equal(model.scale, torch.ones(3)), "scale" in model.state_dict()
    gradient = model.scale.grad is not None
    return the_true_one(
        trained and not saved, gradient and not trained, trained and saved, not gradient
    )


def _after() -> int:
    path = io.BytesIO()
    torch.save({"weight": torch.full((2, 2), 3.0), "bias": torch.zeros(2)}, path)
    path.seek(0)
    model, state = nn.Linear(2, 2), torch.load(path)
    model.load_state_dict(state)
    state["weight"].zero_()
    at_once = model.weight.detach().clone()
    model(torch.ones(1, 2)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.0).step()
    after_a_step = model.weight.detach()
    zeros, loaded = torch.zeros(2, 2), torch.full((2, 2), 3.0)
    was_zero, was_loaded = torch.equal(at_once, zeros), torch.equal(at_once, loaded)
    return the_true_one(
        was_zero and torch.equal(after_a_step, zeros),
        was_zero and torch.equal(after_a_step, loaded),
        not was_zero and not was_loaded,
        was_loaded,
    )


def _file() -> int:
    model, path = nn.Linear(2, 2), io.BytesIO()
    torch.save(model.state_dict(), path)
    path.seek(0)
    found = torch.load(path, weights_only=True)
    names = isinstance(found, dict) and set(found) == {"weight", "bias"}
    # The two models of the options differ in what else comes along; neither is there.
    return the_true_one(
        names and all(map(torch.is_tensor, found.values())),
        False,
        isinstance(found, list),
        isinstance(found, nn.Module),
    )


def _copy() -> int:
    first = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(first.parameters(), lr=0.1)
    second = copy.deepcopy(first)
    before = first.weight.detach().clone()
    second(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    moved, copied = (not torch.equal(model.weight, before) for model in (first, second))
    return the_true_one(
        moved and not copied, copied and not moved, not moved and not copied, moved and copied
    )


PROOFS = {
    "00-card": _card,
    "00-01-delete": _delete,
    "00-01-adam": _adam,
    "00-02-frozen": _frozen,
    "00-02-twice": _twice,
    "00-03-keep": _keep,
    "00-03-norm": _norm,
    "00-04-scale": _scale,
    "00-05-after": _after,
    "00-05-file": _file,
    "00-06-copy": _copy,
}
