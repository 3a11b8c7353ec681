"""What came in place of a state_dict, and the line that reads it."""

from __future__ import annotations

import io
from collections.abc import Mapping

from torch import nn
from torch.optim import Optimizer

from helpers.state.objects import brief, text

_LOAD = "torch.load({}, map_location='cpu', weights_only=True)"
# What reads a file, by the end of its name.
_READERS = {
    ".safetensors": "a safetensors file; read it first: safetensors.torch.load_file(path)",
    ".index.json": "a list of files; read each that it names, and join the dictionaries",
    ".npz": "a file of NumPy arrays; read it first: dict(numpy.load(path))",
}
_CALLS = "pass the dict that module.state_dict() returns"


def require_state_dict(value: object) -> None:
    """Raise the TypeError that says what `value` is, unless it is a mapping."""
    if not issubclass(type(value), Mapping):
        takes = "compare_checkpoint() takes a state_dict after the module"
        raise TypeError(f"{takes}, got {brief(value)}: {_advice(value)}.")


def _advice(value: object) -> str:
    kind = type(value)
    if issubclass(kind, nn.Module):
        return "a whole model; pass its state_dict()"
    if issubclass(kind, Optimizer):
        return "an optimizer; pass the model's state_dict()"
    if kind is bytes:
        return f"read the file first: {_LOAD.format('io.BytesIO(data)')}"
    if issubclass(kind, io.IOBase):
        return f"an open file; read it first, from its start: {_LOAD.format('file')}"
    if issubclass(kind, str) or hasattr(kind, "__fspath__"):
        return _reader(text(value) if issubclass(kind, str) else str(value))
    if callable(value) and getattr(value, "__name__", "") == "state_dict":
        return "the method itself; call it: module.state_dict()"
    if issubclass(kind, (tuple, list)):
        found = [place for place, one in enumerate(value) if issubclass(type(one), Mapping)]
        return f"pass the one in it that is a dict: value[{found[0]}]" if found else _CALLS
    return _CALLS


def _reader(path: str) -> str:
    words = [reader for end, reader in _READERS.items() if path.lower().endswith(end)]
    return words[0] if words else f"read the file first: {_LOAD.format('path')}"
