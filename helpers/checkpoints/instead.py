"""What came in place of a state_dict, and the line that reads it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from os import PathLike
from os.path import isdir
from pathlib import PurePath
from types import MethodType

from torch import nn
from torch.optim import Optimizer

from helpers.state.objects import brief, text

_LOAD = "torch.load({}, map_location='cpu', weights_only=True)"
# What to do with an object, by its class.
_KINDS = (
    (nn.Module, "a whole model; pass its state_dict()"),
    (Optimizer, "an optimizer; pass the state_dict() of the model"),
    (bytes, f"read the file first: {_LOAD.format('io.BytesIO(data)')}"),
    (io.IOBase, f"an open file; read it first, from its start: {_LOAD.format('file')}"),
    (MethodType, "a method; call it, as in module.state_dict()"),
)
# What to do with a file, by the end of its name.
_FILES = {
    ".safetensors": "a safetensors file; read it first: safetensors.torch.load_file(path)",
    ".index.json": "a list of files; read each that it names, and join the dictionaries",
    ".npz": "a file of NumPy arrays; read it first: dict(numpy.load(path))",
    **dict.fromkeys(
        (".gguf", ".h5", ".keras", ".msgpack", ".onnx", ".tflite"),
        "a file that torch.save() does not write; read it with what wrote it, and name its tensors",
    ),
    "": f"read the file first: {_LOAD.format('path')}",
}


_MAPPINGS = 200  # how many are looked at in a checkpoint


def mappings_in(given: Mapping) -> dict[str, Mapping]:
    """`given`, under "", and the dictionaries that stand in it at any depth, under their places, as
    `['model']`: the outer ones first."""
    found, pending = {"": given}, [("", given)]
    for place, mapping in pending:
        for key, one in mapping.items():
            if type(key) is str and issubclass(type(one), dict) and len(found) < _MAPPINGS:
                pending.append((f"{place}[{key!r}]", one))
                found[pending[-1][0]] = one
    return found


def whole_checkpoint(place: str, what: str) -> str:
    """The sentence for a checkpoint that has what is wanted in one of these places."""
    return f"This is a whole checkpoint: what stands under {place} is {what}."


def require_state_dict(value: object) -> None:
    """Raise the TypeError that says what `value` is, unless it is a mapping."""
    if not issubclass(type(value), Mapping):
        takes = "compare_checkpoint() takes a state_dict after the module"
        raise TypeError(f"{takes}, got {brief(value)}: {_what_to_do(value)}.")


def _what_to_do(value: object) -> str:
    kind = type(value)
    if issubclass(kind, str | PathLike):
        path = text(value) if issubclass(kind, str) else ""
        path = PurePath.__str__(value) if issubclass(kind, PurePath) else path
        if path and isdir(path):
            return (
                "a folder; read the file in it. With a .metadata in it, it is one checkpoint; make "
                "a file of it: torch.distributed.checkpoint.format_utils.dcp_to_torch_save(path, "
                "'one.pt')"
            )
        return next(words for end, words in _FILES.items() if path.lower().endswith(end))
    if issubclass(kind, tuple | list):
        inner = [place for place, one in enumerate(value) if issubclass(type(one), Mapping)]
        if inner:
            return f"pass the dict in it: value[{inner[0]}]"
    advice = "pass the dict that module.state_dict() returns"
    return next((words for base, words in _KINDS if issubclass(kind, base)), advice)
