"""Advice on tensors that have the right name and do not fit: shapes, and memory."""

from __future__ import annotations

from collections.abc import Iterator

from helpers.checkpoints.case import ENTRIES, Case, Proposal, each, keeping, listed, owner_of
from helpers.checkpoints.names import is_same_row, is_turned
from helpers.checkpoints.outlines import is_array
from helpers.checkpoints.twin import Nature
from helpers.state.objects import brief, from_torch


def arrays(case: Case) -> Iterator[Proposal]:
    keys = [key for key, value in case.given.items() if is_array(value)]
    if keys:
        words = listed(keys, "is a NumPy array", "are NumPy arrays")
        made = "torch.as_tensor(value) if isinstance(value, numpy.ndarray) else value"
        code = f"import numpy, torch\nstate_dict = {{key: {made} {ENTRIES}}}"
        yield Proposal("array", f"{words}; a load takes tensors.", code)


def transposed(case: Case) -> Iterator[Proposal]:
    keys = [key for key, own, given in case.report.mismatched if is_turned(given, own)]
    if keys:
        words = listed(keys, "is transposed", "are transposed")
        words += ", as other frameworks keep a weight. A square one would not show it."
        code = f"turned = {keys!r}\n"
        code += f"state_dict = {{key: value.t() if key in turned else value {ENTRIES}}}"
        yield Proposal("transposed", words, code)


def one_more(case: Case) -> Iterator[Proposal]:
    """The same numbers with sizes of 1 more or less, as in a 1×1 convolution and a linear layer."""
    shapes = {key: own for key, own, given in case.report.mismatched if is_same_row(given, own)}
    if shapes:
        words = listed(shapes, "has", "have")
        words += " the same numbers in another shape: sizes of 1 come or go, as between a 1×1"
        words += " convolution and a linear layer."
        reshaped = "value.reshape(shapes[key]) if key in shapes else value"
        code = f"shapes = {shapes!r}\nstate_dict = {{key: {reshaped} {ENTRIES}}}"
        yield Proposal("reshaped", words, code)


def table(case: Case) -> Iterator[Proposal]:
    """Tensors whose size follows the input: computed buffers, and learned tables of places."""
    model, sizes = case.model, case.report.mismatched
    resized = {owner_of(one.key) for one in sizes if one.key not in model.buffers}
    keys = []
    for key in (one.key for one in sizes if one.key in model.buffers):
        counts = not (model.expected[key].dtype.is_floating_point)
        own_class = not from_torch(model.classes[owner_of(key)])
        if own_class and (counts or owner_of(key) not in resized):
            keys.append(key)
    if keys:
        words = listed(keys, "is a buffer", "are buffers")
        words += " of another size. Where that follows the size of the input, as that of a mask, an"
        words += " index or a cache does, the model's own is right, and is kept here."
        yield Proposal("table", words, keeping(keys))
    for key, own, given in sizes:
        if key not in model.buffers and "pos" in key.rpartition(".")[2] and len(own) == len(given):
            words = (
                f"{brief(key)} is {given} in the file and {own} here: a table of places, learned"
            )
            words += " for another length. Interpolate it, or build the model for that length."
            yield Proposal("places", words, "# torch.nn.functional.interpolate(...)")


def unwritable(case: Case) -> Iterator[Proposal]:
    """Memory of the model that torch does not copy into."""
    for what, cure, is_so in (_EXPANDED, _INFERENCE):
        keys = [key for key in case.report.refused if is_so(case.model.natures.get(key))]
        buffers = [key for key in keys if key in case.model.buffers]
        parameters = [key for key in keys if key not in case.model.buffers]
        if buffers:
            words = listed(buffers, f"is an {what} tensor", f"are {what} tensors") + cure
            yield Proposal("memory", words, each(buffers, _NEW_BUFFER))
        if parameters:
            words = listed(parameters, f"is an {what} tensor", f"are {what} tensors") + cure
            code = "import torch\nfresh = {}\n" + each(parameters, _NEW_PARAMETER)
            yield Proposal("memory", words, code)


_NEW_BUFFER = "setattr(owner, name, getattr(owner, name).detach().clone())"
# A parameter that has two names stays one.
_NEW_PARAMETER = """old = getattr(owner, name)
    fresh.setdefault(old, torch.nn.Parameter(old.detach().clone(), old.requires_grad))
    setattr(owner, name, fresh[old])"""
_EXPANDED = (
    "expanded",
    ": several elements are one place in memory, and torch does not copy into that. Make it a"
    " tensor of its own, by .expand(...).clone() where it is made, or before the load, as here; or"
    " load with assign=True.",
    lambda nature: isinstance(nature, Nature) and nature.overlapping,
)
_INFERENCE = (
    "inference",
    ", made under torch.inference_mode(), and may not be written to outside of it. Build the model"
    " outside, or replace it before the load, as here; or load with assign=True.",
    lambda nature: isinstance(nature, Nature) and nature.inference,
)
