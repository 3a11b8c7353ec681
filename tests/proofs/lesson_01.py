"""Proofs for the questions of lesson 01: each runs the experiment that its question talks about."""

from __future__ import annotations

import torch
from torch import nn

from tests.proofs import the_true_one


class _TwoLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Linear(2, 3)
        self.layer2 = nn.Linear(3, 6)
        self.relu = nn.ReLU()


def _step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimizer.step()


def _keys() -> str:
    return ", ".join(f"`{key}`" for key in _TwoLayer().state_dict())


def _nesting() -> str:
    model = nn.Module()
    model.encoder = nn.Module()
    model.encoder.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    weight = model.encoder.body[0].weight
    return next(
        f"`{key}`" for key, value in model.state_dict(keep_vars=True).items() if value is weight
    )


def _live_view() -> int:
    model = _TwoLayer()
    before = model.layer1.weight.detach().clone()
    saved = model.state_dict()
    _step(model, torch.optim.SGD(model.parameters(), lr=0.1))
    try:
        at_once = saved["layer1.weight"].clone()
    except RuntimeError:
        return the_true_one(False, False, False, True)
    model.state_dict()
    old, still_old = torch.equal(at_once, before), torch.equal(saved["layer1.weight"], before)
    new = torch.equal(at_once, model.layer1.weight)
    return the_true_one(old and still_old, new, old and not still_old, False)


def _no_parameters() -> int:
    norm = nn.BatchNorm1d(3, affine=False)
    if list(norm.parameters()):
        raise ValueError(
            "BatchNorm1d(affine=False) has parameters, so the question has lost its ground"
        )
    if not hasattr(norm, "state_dict"):
        return 0
    buffers = ["running_mean", "running_var", "num_batches_tracked"]
    keys = list(norm.state_dict())
    return the_true_one(False, keys == [], keys == ["weight", "bias"], keys == buffers)


def _keep_vars() -> int:
    layer = nn.Linear(2, 3)
    layer(torch.ones(1, 2)).sum().backward()
    value = layer.state_dict(keep_vars=True)["weight"]
    parameter, shared = isinstance(value, nn.Parameter), value.data_ptr() == layer.weight.data_ptr()
    return the_true_one(
        value is layer.weight and parameter and value.requires_grad,
        value is not layer.weight and parameter and shared,
        not parameter and not value.requires_grad and value.grad is not None,
        value.requires_grad and not shared,
    )


def _optimizer() -> int:
    model = _TwoLayer()
    optimizer = torch.optim.Adam(model.parameters())
    _step(model, optimizer)
    weight, first = model.layer1.weight, next(iter(optimizer.state_dict()["state"]))
    named, position = first == "layer1.weight", isinstance(first, int) and first == 0
    return the_true_one(
        named, first is weight, position, isinstance(first, int) and first == id(weight)
    )


PROOFS = {
    "01-keys": _keys,
    "01-nesting": _nesting,
    "01-live-view": _live_view,
    "01-no-parameters": _no_parameters,
    "01-keep-vars": _keep_vars,
    "01-optimizer": _optimizer,
}
