"""What a tensor was computed from: the leaves of its graph."""

from __future__ import annotations

import torch

from helpers.state.torch_private import grad_fn_of, leaf_of

_FAR = 1_000  # a graph kept over many steps may have millions of nodes


def leaves(tensor: torch.Tensor) -> list[torch.Tensor] | None:
    """The tensors that a backward pass from `tensor` would give a gradient to; [] if it was not
    computed from any. None if the graph is too large to be read through, or refuses."""
    found, entered = [], {}
    try:
        pending = [grad_fn_of(tensor)]
        while pending:
            node = pending.pop()
            if node is None or id(node) in entered:
                continue
            if len(entered) == _FAR:
                return None
            entered[id(node)] = node  # held, so that no id is given twice on the way
            leaf = leaf_of(node)
            if leaf is not None:
                found.append(leaf)
            pending += [following for following, _ in node.next_functions]
    except Exception:
        return None
    return found
