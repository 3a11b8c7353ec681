"""What stands under a key, without its numbers: the facts of a tensor, and blanks like it."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from helpers.checkpoints.comparison import Outline
from helpers.state.objects import ATOMS, META, bases, class_dict, class_name, facts, text, type_name
from helpers.state.torch_private import is_lazy, is_nested, is_quantized, layout_of


def outline(value: object) -> Outline:
    """The facts of a tensor, or the class name alone of anything else."""
    shape, dtype, device, *_ = facts(value)
    return Outline(type_name(value), None if shape is None else tuple(shape), dtype, device)


def oddity(value: object) -> str:
    """What a tensor is whose copy follows rules of its own; "" for an ordinary one, or none."""
    kind = type(value)
    if not issubclass(kind, torch.Tensor) or is_lazy(value):
        return ""
    if _has_rules(kind):
        return f"a tensor of the class {class_name(kind)}"
    if layout_of(value) is not torch.strided:
        return "a sparse tensor"
    if is_quantized(value):
        return "a quantized tensor"
    if is_nested(value):
        return "a nested tensor"
    return ""


_PLAIN_RULES = {
    call: tuple(class_dict(kind).get(call) for kind in (torch.Tensor, nn.Parameter))
    for call in ("__torch_function__", "__torch_dispatch__")
}


@lru_cache(maxsize=256)
def _has_rules(kind: type) -> bool:
    """Does a class of tensors say for itself what an operation does with it?"""
    for call, plain in _PLAIN_RULES.items():
        own = next((one for base in bases(kind) if (one := class_dict(base).get(call))), None)
        if own not in plain:
            return True
    return False


def entries_of(mapping: Mapping) -> dict:
    """The entries of a mapping; those of a dict beneath any override, others as torch asks for
    them. A key that is no text becomes one that goes by the name of its class."""
    base = next((base for base in (OrderedDict, dict) if issubclass(type(mapping), base)), None)
    found = base.items(mapping) if base else OrderedDict(mapping).items()
    return {key if type(key) is str else _plain_key(key): value for key, value in found}


def _plain_key(key: object) -> object:
    if issubclass(type(key), str):
        return text(key)
    return key if type(key) in ATOMS else namesake(type(key), object)()


def namesake(kind: type, base: type) -> type:
    """A class that goes by the name of `kind`, which is all that torch says of it, and has nothing
    else of it."""
    names = {key: type.__getattribute__(kind, key) for key in ("__module__", "__qualname__")}
    texts = {key: name for key, name in names.items() if type(name) is str}
    return type(class_name(kind), (base,), texts)


class Nowhere(torch.Tensor):
    """A blank for a tensor that is on meta itself: there is nothing to copy out of it."""


class Odd(torch.Tensor):
    """A blank for a tensor that is copied by rules of its own; `what` says what it is."""

    what = ""


def blank(shape: tuple[int, ...] | None, dtype: torch.dtype | None = None) -> torch.Tensor:
    """A tensor without memory; without a shape, a lazy one."""
    if shape is None:
        return nn.parameter.UninitializedBuffer(device=META)
    # A nested tensor has sizes that are no numbers, of which torch makes nothing on meta.
    sizes = [size for size in shape if type(size) is int]
    return torch.empty(sizes, dtype=dtype, device=META)


def blank_of(tensor: torch.Tensor) -> torch.Tensor:
    """A blank for a tensor of a state_dict."""
    known, odd = outline(tensor), oddity(tensor)
    if odd:  # a nested tensor has no shape, and is not lazy for that
        made = blank(known.shape or (), known.dtype)
        return made.as_subclass(type("Odd", (Odd,), {"what": odd}))
    made = blank(known.shape, known.dtype)
    if known.device == META and known.shape is not None:
        return made.as_subclass(Nowhere)
    return made


def is_array(value: object) -> bool:
    """Is it a NumPy array? NumPy is not imported to ask."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(type(value), numpy.ndarray)


def array_shape(array: Any) -> tuple[int, ...]:
    return sys.modules["numpy"].ndarray.shape.__get__(array)


def blank_array(array: Any) -> Any:
    """An array of the same shape and dtype, of which all elements are one."""
    numpy, shape = sys.modules["numpy"], array_shape(array)
    one = numpy.empty(1, numpy.ndarray.dtype.__get__(array))
    return numpy.lib.stride_tricks.as_strided(one, shape, [0] * len(shape))
