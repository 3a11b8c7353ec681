"""How large is the state of a module? Sums over distinct parameters, buffers and modules, in one
pass.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import compress

import torch
from torch import nn

from helpers.state.objects import containers, facts, own_dict, require_module


@dataclass(frozen=True)
class Totals:
    """Sums over distinct objects: a tensor or module under several names counts once.

    `modules` counts the root too; `parameters`, `trainable` and `buffers` count elements; `nbytes`
    is the bytes of parameters and buffers together. `lazy` counts registered tensors that have no
    size yet: they add nothing."""

    modules: int
    parameters: int
    trainable: int
    buffers: int
    nbytes: int
    lazy: int


def totals(module: nn.Module) -> Totals:
    """Sums over the distinct parameters, buffers and modules of `module`, in one pass that visits
    each once.

    Raises TypeError if `module` is not an `nn.Module` instance.
    """
    require_module(module, "totals")
    parameters, buffers = [], []
    seen: set[int] = set()
    count, pending = 0, [module]
    while pending:
        current = pending.pop()
        key = id(current)
        if key in seen:
            continue
        seen.add(key)
        try:
            own_parameters, own_buffers, children = containers(own_dict(current))
        except TypeError:  # None, or nonsense: own_dict reads instances of Module alone
            continue
        count += 1
        if own_parameters:
            parameters += own_parameters.values()
        if own_buffers:
            buffers += own_buffers.values()
        if children:
            pending += children.values()
    # By identity: the same tensor under another name counts once, as a parameter if it is one.
    distinct = {id(one): one for one in parameters if one is not None}
    others = {id(one): one for one in buffers if one is not None and id(one) not in distinct}
    with torch._C.DisableTorchFunction():
        all_parameters, trainable, parameter_bytes, lazy = _sums(distinct.values())
        all_buffers, _, buffer_bytes, more = _sums(others.values())
    return Totals(
        count, all_parameters, trainable, all_buffers, parameter_bytes + buffer_bytes, lazy + more
    )


def _sums(tensors: Collection[object]) -> tuple[int, int, int, int]:
    """(elements, elements that require grad, bytes, how many are lazy) over `tensors`."""
    if set(map(type, tensors)) <= {nn.Parameter, torch.Tensor}:
        try:
            numel = [tensor.numel() for tensor in tensors]
            trainable = sum(compress(numel, [tensor.requires_grad for tensor in tensors]))
            nbytes = sum([tensor.nbytes for tensor in tensors])
            if type(nbytes) is int:
                return sum(numel), trainable, nbytes, 0
        except Exception:  # one of them cannot tell a fact: ask each alone, below
            pass
    elements = trainable = nbytes = lazy = 0
    for tensor in tensors:
        _, _, _, grad, numel, size = facts(tensor)
        elements += known(numel)
        trainable += known(numel) if grad else 0
        nbytes += known(size)
        lazy += type(numel) is not int
    return elements, trainable, nbytes, lazy


def known(number: object) -> int:
    """`number`, or 0 for None and for a symbolic size: adding one up would write guards into its
    owner's graph.
    """
    return number if type(number) is int else 0
