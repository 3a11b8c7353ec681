"""Can this be drawn? What was given as plain numbers, or an error that names what came."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Set

import torch

from helpers.state.objects import (
    brief,
    error_in_words,
    from_torch,
    shape_in_words,
    why_no_numbers,
)


def numbers_in(values: object, what: str) -> list[float]:
    """`values`, a sequence or a tensor of one dimension, as numbers. `what` names them in errors.

    Raises `TypeError` for what is no sequence and for one with something else in it, `ValueError`
    where there is no number, and for a tensor without numbers or of another shape.
    """
    if isinstance(values, torch.Tensor):
        return _in_tensor(values, what, ("steps",))
    # The items of these stand in no order, or are letters.
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping | Set):
        raise TypeError(f"{what} is a sequence of numbers, got {brief(values)}")
    found = [number(value, f"{what} is a sequence of numbers, and holds") for value in values]
    if not found:
        raise ValueError(f"{what} is a sequence of numbers, got an empty one")
    return found


def channels_in(tensor: object, what: str) -> list[float]:
    """The numbers of a tensor with one for each channel; errors as those of `numbers_in`."""
    return _in_tensor(tensor, what, ("channels",))


def rows_in(tensor: object, what: str) -> list[list[float]]:
    """The numbers of a tensor of shape (height, width), row by row; errors as those of
    `numbers_in`.
    """
    return _in_tensor(tensor, what, ("height", "width"))


def _in_tensor(tensor: object, what: str, sides: tuple[str, ...]) -> list:
    takes = f"{what} is a tensor of shape ({', '.join(sides)}{',' * (len(sides) == 1)})"
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{takes}, got {brief(tensor)}")
    # A tensor of a class of one's own is asked: it may well have numbers.
    if from_torch(type(tensor)) and (why := why_no_numbers(tensor)):
        raise ValueError(f"{takes}; this one has {why}")
    if tensor.dim() != len(sides):
        raise ValueError(f"{takes}, got {shape_in_words(tensor.shape)}")
    if tensor.is_complex():
        raise ValueError(f"{takes}, got complex numbers; pass its abs(), its real or its imag")
    if tensor.layout is not torch.strided:
        raise ValueError(f"{takes}, got the layout {tensor.layout}; pass its to_dense()")
    try:
        return tensor.detach().tolist()
    except Exception as error:
        raise ValueError(
            f"{takes}; the numbers of this one cannot be read: {error_in_words(error)}"
        ) from error


def number(value: object, what: str) -> float:
    """`value` as a number: one of Python's or numpy's, or a tensor with one element. `what` comes
    before it in the `TypeError`.
    """
    try:
        if isinstance(value, str | bytes):
            raise TypeError  # which float() would read
        # A complex number of numpy or of torch would lose a part without a word.
        return float(value.item() if hasattr(value, "item") else value)
    except Exception as error:
        raise TypeError(f"{what} {brief(value)}") from error


def integer(value: object, what: str) -> int:
    """`value` as an int. `what` says in the `TypeError` what it is."""
    if not isinstance(value, bool):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise TypeError(f"{what}, an int, got {type(value).__name__}")


def require_mapping(given: object, takes: str) -> None:
    """Raise TypeError unless `given` is a mapping; `takes` says what is taken."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{takes}, got {brief(given)}")
