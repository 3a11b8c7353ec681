"""Proofs for the questions of lesson 07: each runs the experiment that its question talks about."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from helpers.exercises import lesson_07
from tests.proofs import the_true_one


def _raised(act: Callable) -> type | None:
    try:
        act()
    except Exception as error:
        return type(error)
    return None


class _Unmade:
    def __getattr__(self, name: str) -> object:
        return self._parameters[name]


class _Boxed:
    def __init__(self) -> None:
        self.box = {"a": 1}

    def __getattr__(self, name: str) -> object:
        return self.box[name]


def _recursion() -> int:
    thing, found = _Unmade(), []
    found.append(_raised(lambda: thing.x))
    missing = found == [AttributeError]
    return the_true_one(missing, found == [KeyError], missing, found == [RecursionError])


def _foreign() -> int:
    module, refused = lesson_07.Given2(), None
    refused = _raised(lambda: setattr(module, "layer", nn.Linear(2, 2)))
    return the_true_one(
        "layer" in module._modules, "layer" in vars(module), bool(module._parameters), bool(refused)
    )


def _hasattr() -> int:
    thing = _Boxed()
    assert hasattr(thing, "a")
    raised = _raised(lambda: hasattr(thing, "b"))
    answer = None if raised else hasattr(thing, "b")
    return the_true_one(
        answer is False, answer is True, raised is KeyError, raised is AttributeError
    )


def _method() -> int:
    module, tensor = nn.Module(), torch.zeros(2)
    raised = _raised(lambda: module.register_buffer("state_dict", tensor))
    there = "state_dict" in module._buffers
    readable = there and module.state_dict is tensor
    return the_true_one(readable, there and not readable, raised is KeyError, raised is TypeError)


def _seen() -> int:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(2))
    raised = _raised(lambda: second in [first])
    equal = _raised(lambda: nn.Parameter(torch.ones(2)) in [first])
    works = raised is None and second not in [first]
    assert nn.Parameter(torch.ones(1)) in [nn.Parameter(torch.ones(1))]  # one number each
    return the_true_one(works, works and equal is None, raised is equal is RuntimeError, works)


def _copy() -> int:
    parameter = nn.Parameter(torch.zeros(2))
    raised = _raised(lambda: parameter.copy_(torch.ones(2)))
    copied, history = parameter.tolist() == [1, 1], parameter.grad_fn is not None
    idle = raised is None and not copied
    return the_true_one(
        copied and not history, copied and history, raised is RuntimeError and not copied, idle
    )


def _new_parameter() -> int:
    module = nn.Linear(2, 1)
    old = module.weight
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for name, one in module._parameters.items():
        module._parameters[name] = nn.Parameter(one.to(torch.float64))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    failed = _raised(lambda: module(torch.ones(1, 2, dtype=torch.float64)).sum().backward())
    optimizer.step()
    after = module.state_dict()
    moved = any(not torch.equal(after[key], before[key]) for key in before)
    stale = optimizer.param_groups[0]["params"][0] is old and not moved and old.grad is None
    old_numbers = after["weight"].dtype == torch.float32
    return the_true_one(moved, stale and not old_numbers and not failed, old_numbers, bool(failed))


def _twin() -> int:
    own, twin = lesson_07.Given9(), nn.Linear(2, 1)
    own.weight, own.bias = (
        nn.Parameter(torch.full((1, 2), 5.0)),
        nn.Parameter(torch.full((1,), 6.0)),
    )
    assert type(own.state_dict()) is dict
    raised = _raised(lambda: twin.load_state_dict(own.state_dict()))
    same = torch.equal(twin.weight, own.weight) and torch.equal(twin.bias, own.bias)
    return the_true_one(
        raised is TypeError, raised is KeyError, raised is RuntimeError, raised is None and same
    )


PROOFS = {
    "07-recursion": _recursion,
    "07-foreign": _foreign,
    "07-hasattr": _hasattr,
    "07-method": _method,
    "07-seen": _seen,
    "07-copy": _copy,
    "07-new-parameter": _new_parameter,
    "07-twin": _twin,
}
