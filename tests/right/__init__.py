"""More right answers, in other styles than the reference: `RIGHT` in one file a lesson."""

from __future__ import annotations

import copy
import io

import torch
from torch import nn


def source(text, name, **given):
    """What `text` defines as `name`, as if it had been typed in a notebook."""
    space = {"torch": torch, "nn": nn, "copy": copy, "io": io, **given}
    exec(text, space)
    return space[name]


def function(text, **given):
    """The function whose only line is given as "name(arguments): body"."""
    return source(f"def {text}", text.split("(")[0], **given)


def raising(error):
    def answer(*args, **kwargs):
        raise error

    return answer
