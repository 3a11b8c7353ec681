"""Proofs for the questions of lesson 02: each runs the experiment that its question talks about."""

from __future__ import annotations

import torch
from torch import nn

from helpers.questions import the_true_one


def _reader() -> nn.Module:
    mix, model = nn.Linear(4, 4), nn.Module()
    model.embed, model.blocks = nn.Embedding(6, 4), nn.Sequential(mix, nn.ReLU(), mix)
    model.norm, model.head = nn.BatchNorm1d(4).requires_grad_(False), nn.Linear(4, 6, bias=False)
    model.head.weight = model.embed.weight
    return model


def _used_up() -> int:
    parameters = nn.Linear(2, 2).parameters()
    again = [len(list(parameters)) for _ in range(2)][1]
    return the_true_one(again == 2, again == 0, again not in (0, 2), False)


def _own() -> int:
    own, model = list(_reader()._parameters), _reader()
    every = [[name for name, _ in model.named_parameters(remove_duplicate=once)] for once in (True, False)]
    return the_true_one(own == every[0], own == every[1], own == [], False)


def _tied() -> int:
    model = _reader()
    listings = (model.named_parameters(), model.named_parameters(remove_duplicate=False),
                model.state_dict(keep_vars=True).items())  # fmt: skip
    found = [sum(one is model.head.weight for _, one in listing) for listing in listings]
    return [[1, 1, 1], [2, 2, 2], [1, 2, 1], [1, 2, 2]].index(found)


def _prefix() -> str:
    return f"`{next(nn.Linear(2, 2).named_parameters(prefix='net.'))[0]}`"


def _modules() -> str:
    small = nn.Sequential(nn.Linear(2, 2))
    return str(sum(one.numel() for part in small.modules() for one in part.parameters()))


def _freeze_tied() -> int:
    model = _reader()
    for name, parameter in model.named_parameters():
        if name.startswith("head."):
            parameter.requires_grad_(False)
    embed, head = (not one.weight.requires_grad for one in (model.embed, model.head))
    return the_true_one(not embed and not head, embed and head, head and not embed, model.head.bias is not None)


def _position() -> int:
    fc = nn.Linear(2, 2)
    optimizer = torch.optim.SGD([{"params": [fc.bias]}, {"params": [fc.weight]}], lr=0.1, momentum=0.9)
    sum(one.sum() for one in fc.parameters()).backward()
    optimizer.step()
    state = optimizer.state_dict()["state"]
    shape = state[1]["momentum_buffer"].shape if 1 in state else None
    return the_true_one(shape == fc.bias.shape, shape is None, shape == fc.weight.shape, False)


def _parameter() -> int:
    tensor = torch.ones(2)
    weight = nn.Parameter(tensor)
    tensor.zero_()
    return the_true_one(weight.tolist() == [0, 0], weight.tolist() == [1, 1], False, False)


PROOFS = {
    "02-used-up": _used_up, "02-own": _own, "02-tied": _tied, "02-prefix": _prefix, "02-modules": _modules,
    "02-freeze-tied": _freeze_tied, "02-position": _position, "02-parameter": _parameter,
}  # fmt: skip
