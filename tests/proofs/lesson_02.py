"""Proofs for the questions of lesson 02: each runs the experiment that its question talks about."""

from __future__ import annotations

import torch
from torch import nn

from tests.modules import reader
from tests.proofs import the_true_one


def _used_up() -> int:
    parameters = nn.Linear(2, 2).parameters()
    again = [len(list(parameters)) for _ in range(2)][1]
    return [2, 0].index(again)


def _own() -> int:
    own, model = list(reader()._parameters), reader()
    every = [
        [name for name, _ in model.named_parameters(remove_duplicate=once)]
        for once in (True, False)
    ]
    return the_true_one(own == every[0], own == every[1], own == [], False)


def _tied() -> int:
    model = reader()
    listings = (
        model.named_parameters(),
        model.named_parameters(remove_duplicate=False),
        model.state_dict(keep_vars=True).items(),
    )
    found = [sum(one is model.head.weight for _, one in listing) for listing in listings]
    return [[1, 1, 1], [2, 2, 2], [1, 2, 1], [1, 2, 2]].index(found)


def _freeze_tied() -> int:
    model = reader()
    for name, parameter in model.named_parameters():
        if name.startswith("head."):
            parameter.requires_grad_(False)
    embed, head = (not one.weight.requires_grad for one in (model.embed, model.head))
    return the_true_one(not embed and not head, embed and head, head and not embed, False)


def _position() -> int:
    fc = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(
        [{"params": [fc.bias]}, {"params": [fc.weight]}], lr=0.1, momentum=0.9
    )
    sum(one.sum() for one in fc.parameters()).backward()
    optimizer.step()
    shapes = {
        number: kept["momentum_buffer"].shape
        for number, kept in optimizer.state_dict()["state"].items()
    }
    return [fc.bias.shape, None, fc.weight.shape].index(shapes.get(1))


def _parameter() -> int:
    tensor = torch.ones(2)
    weight = nn.Parameter(tensor)
    tensor.zero_()
    return [[0, 0], [1, 1]].index(weight.tolist())


PROOFS = {
    "02-used-up": _used_up,
    "02-own": _own,
    "02-tied": _tied,
    "02-freeze-tied": _freeze_tied,
    "02-position": _position,
    "02-parameter": _parameter,
    "02-prefix": lambda: f"`{next(nn.Linear(2, 2).named_parameters(prefix='net.'))[0]}`",
    "02-modules": lambda: str(
        sum(p.numel() for m in nn.Sequential(nn.Linear(2, 2)).modules() for p in m.parameters())
    ),
}
