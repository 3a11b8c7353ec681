"""Broken files: whatever `torch.load` makes of one goes through `compare_checkpoint` with a clear
answer, runs nothing and leaves the model as it was.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helpers import compare_checkpoint
from helpers.checkpoints.comparison import Comparison
from tests.modules import fingerprint

FORMATS = {"zip": True, "legacy": False}
STEP = 64


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def saved(zipped: bool) -> bytes:
    """A checkpoint of `small` as torch writes it: with its optimizer, and a number."""
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    buffer = io.BytesIO()
    whole = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    torch.save(whole, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


FILES = {name: saved(zipped) for name, zipped in FORMATS.items()}


def answer(data: bytes, model: nn.Module | None = None) -> Comparison | str:
    """What `compare_checkpoint` says of what is in a file of `data`; the name of torch's error if
    torch reads nothing of it, the words of a refusal if nothing of it is a state_dict.
    """
    model = model or small()
    try:
        state_dict = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch's own business, and of any kind
        return type(error).__name__
    before = fingerprint(model)
    try:
        found = compare_checkpoint(model, state_dict)
        assert repr(found)
    except TypeError as error:
        assert not issubclass(type(state_dict), Mapping)
        found = str(error)
        assert found.startswith("compare_checkpoint() takes a state_dict after the module, got ")
    assert fingerprint(model) == before
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_the_whole_file_is_read_and_its_model_is_found(name):
    found = answer(FILES[name])
    assert not found.loads and found.advice[-1].enough


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_at_every_64th_byte_is_not_read(name):
    answers = [answer(FILES[name][:end]) for end in range(0, len(FILES[name]), STEP)]
    assert len(answers) > 20 and all(type(one) is str for one in answers)


def test_an_empty_file_is_not_read():
    assert answer(b"") == "EOFError"


def flipped(data: bytes, bits: list[int]) -> bytes:
    """`data` with each of these bits turned, counted round and round."""
    changed = bytearray(data)
    for bit in bits:
        changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


FLIPS = st.tuples(
    st.sampled_from(sorted(FORMATS)), st.lists(st.integers(0, 8 * 8192), min_size=1, max_size=3)
)


@settings(max_examples=500, deadline=None)
@given(FLIPS)
def test_a_file_with_bits_flipped_is_refused_or_told_and_nothing_changes(flips):
    name, bits = flips
    answer(flipped(FILES[name], bits))


@pytest.mark.parametrize(
    "name, advice",
    {
        "weights.pt": "weights_only=True",
        "weights.jpeg": "weights_only=True",
        "weights": "weights_only=True",
        "weights.SAFETENSORS": "safetensors.torch.load_file(path)",
        "weights.index.json": "read each that it names",
        "weights.npz": "numpy.load(path)",
    }.items(),
)
def test_a_file_under_any_name_is_not_opened_and_the_line_that_reads_it_is_named(
    tmp_path, name, advice
):
    path, model = tmp_path / name, small()
    before = fingerprint(model)
    for data in (b"", FILES["zip"], FILES["legacy"][:STEP]):
        path.write_bytes(data)
        for given_ in (path, str(path)):
            with pytest.raises(TypeError, match="compare_checkpoint") as raised:
                compare_checkpoint(model, given_)
            assert advice in str(raised.value)
    assert fingerprint(model) == before


@pytest.mark.parametrize("name", FORMATS)
def test_the_bytes_of_a_file_and_an_open_file_are_not_read(name):
    opened = io.BytesIO(FILES[name])
    for given_ in (FILES[name], opened):
        with pytest.raises(TypeError, match="weights_only=True"):
            compare_checkpoint(small(), given_)
    assert opened.tell() == 0


class Charge:
    """Makes a file when it is unpickled, and raises when it is asked for anything else."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)

    def __eq__(self, other):
        self.path.mkdir()

    __hash__ = None
    __repr__ = __bool__ = __len__ = __iter__ = lambda self: self.path.mkdir()


@pytest.mark.parametrize("name", [*FORMATS, "pickle"])
def test_code_in_a_file_does_not_run(tmp_path, name):
    charge, buffer = Charge(tmp_path / "ran"), io.BytesIO()
    whole = {**small().state_dict(), "0.weight": charge}
    if name == "pickle":
        pickle.dump(whole, buffer)
    else:
        torch.save(whole, buffer, _use_new_zipfile_serialization=FORMATS[name])
    assert answer(buffer.getvalue()) == "UnpicklingError"
    assert not charge.path.exists()

    buffer.seek(0)  # that there is code in it: a reader who trusts the file runs it
    pickle.load(buffer) if name == "pickle" else torch.load(buffer, weights_only=False)
    assert charge.path.exists()


def test_an_object_that_came_out_of_a_file_is_told_by_its_class_and_not_asked(tmp_path):
    model, charge = small(), Charge(tmp_path / "ran")
    before = fingerprint(model)
    found = compare_checkpoint(model, {**model.state_dict(), "0.weight": charge})
    assert not found.loads and "Charge" in repr(found.errors)
    assert fingerprint(model) == before and not charge.path.exists()
