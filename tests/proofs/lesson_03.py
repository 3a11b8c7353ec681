"""Proofs for the questions of lesson 03: each runs the experiment that its question talks about."""

from __future__ import annotations

import copy

import torch
from torch import nn

from tests.proofs import the_true_one

_NAMES = ["learned", "frozen", "kept", "scratch", "plain"]


class _Five(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.learned = nn.Parameter(torch.ones(2))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("scratch", torch.ones(2), persistent=False)
        self.plain = torch.ones(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (self.learned + self.frozen + self.kept + self.scratch + self.plain)


def _saved() -> str:
    return ", ".join(f"`{key}`" for key in _Five().state_dict())


def _moved() -> int:
    model = _Five().to(torch.float64)
    moved = [name for name in _NAMES if getattr(model, name).dtype == torch.float64]
    return the_true_one(
        moved == _NAMES, moved == _NAMES[:3], moved == _NAMES[:4], moved == _NAMES[:2]
    )


def _gradient() -> int:
    model = _Five()
    model.kept.requires_grad_()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(2)).sum().backward()
    optimizer.step()
    reached, stepped = model.kept.grad is not None, model.kept.tolist() != [1, 1]
    return the_true_one(False, not reached, reached and stepped, reached and not stepped)


def _copies() -> int:
    model = _Five()
    twin = copy.deepcopy(model)
    own = [
        name for name in _NAMES if getattr(twin, name).data_ptr() != getattr(model, name).data_ptr()
    ]
    shared = own == _NAMES[:4] and twin.plain is model.plain
    return the_true_one(own == _NAMES[:3], own == _NAMES[:4] and not shared, own == _NAMES, shared)


def _assign() -> int:
    model, new = _Five(), torch.full((3,), 2.0)
    old = model.kept
    model.kept = new
    buffer, copied = (
        "kept" in dict(model.named_buffers()),
        model.kept is old and old.tolist() == new.tolist(),
    )
    return the_true_one(
        model.kept is new and buffer, model.kept is new and not buffer, copied, False
    )


def _alias() -> int:
    model, count = _Five(), torch.tensor(0)
    model.register_buffer("count", count)
    aliases = [model.learned, model.kept]
    model.to(torch.float64)
    if model.count is not count:
        raise ValueError("a buffer that the move leaves as it is has been replaced too")
    same = (model.learned is aliases[0], model.kept is aliases[1])
    return the_true_one(
        same == (True, True), same == (True, False), same == (False, True), not any(same)
    )


def _eval() -> int:
    batch, norms = torch.arange(8.0).reshape(4, 2), [nn.BatchNorm1d(2) for _ in range(3)]
    norms[0].requires_grad_(False)(batch)
    with torch.no_grad():
        norms[1](batch)
    norms[2].eval()(batch)
    frozen, no_grad, in_eval = (not norm.running_mean.any() for norm in norms)
    return the_true_one(frozen and not no_grad, no_grad and not frozen, frozen and no_grad, in_eval)


PROOFS = {
    "03-saved": _saved,
    "03-moved": _moved,
    "03-gradient": _gradient,
    "03-copies": _copies,
    "03-assign": _assign,
    "03-alias": _alias,
    "03-eval": _eval,
}
