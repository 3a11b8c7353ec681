"""Advice on tensors that have the right name and do not fit: shapes, and memory."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from helpers.checkpoints.case import (
    ENTRIES,
    Case,
    Proposal,
    as_comment,
    each,
    keeping,
    keys_said,
    owner_of,
    turning,
)
from helpers.checkpoints.comparison import Mismatch
from helpers.checkpoints.makers import draws, maker_of
from helpers.checkpoints.names import Shape, has_ones_more, is_extended, is_turned, last_part
from helpers.checkpoints.outlines import is_array
from helpers.checkpoints.reparametrized import TRANSPOSED, parts_of_weights
from helpers.state.objects import bases, brief, from_torch, plural


def arrays(case: Case) -> Iterator[Proposal]:
    keys = [key for key, value in case.given.items() if is_array(value)]
    if keys:
        words = keys_said(keys, "is a NumPy array", "are NumPy arrays")
        made = "torch.as_tensor(value) if isinstance(value, numpy.ndarray) else value"
        code = f"import numpy, torch\nstate_dict = {{key: {made} {ENTRIES}}}"
        yield Proposal("array", f"{words}; a load takes tensors.", code)


def transposed(case: Case) -> Iterator[Proposal]:
    turned = _turned(case)
    sure = _surely_turned(case, turned)
    rest = [key for key in turned if key not in sure]
    if sure:
        words = keys_said(sure, "has its sizes in reverse", "have their sizes in reverse")
        words += ", as a weight that another framework keeps transposed. A square one would not"
        words += " show it."
        square = _square_ones(case, sure)
        if square:
            them = plural(len(square), "it is", "they are")
            words += f" {keys_said(square, 'is square', 'are square')}, and of a class of which"
            words += f" others are turned: whether {them} turned too, only you can say. If so:"
            code = _turning_also(sure, square)
            yield Proposal("transposed", words, as_comment(code), if_so=code)
        else:
            yield Proposal("transposed", words, "\n".join(turning(sure)))
    if rest:
        words = keys_said(rest, "has its sizes in reverse", "have their sizes in reverse")
        words += ": kept transposed, as other frameworks do, or of a layer of other sizes, and then"
        words += " the model is to be built as the one that was saved. Which of the two, only you"
        square = _square_ones(case, rest)
        words += (
            " can say, and of a square one, which does not show it, too" if square else " can say"
        )
        words += ". If transposed:"
        code = _turning_also(rest, square) if square else "\n".join(turning(rest))
        yield Proposal("transposed", words, as_comment(code), if_so=code)


def _turning_also(turned: list[str], square: list[str]) -> str:
    first, then = turning(turned)
    them = plural(len(square), "it is", "they are")
    return f"{first}\nturned += {square!r}  # not, if {them} as here\n{then}"


def _turned(case: Case) -> list[str]:
    """The matrices with their sides exchanged. Where the bias of a layer does not fit either, it is
    another layer; and a part of a weight has other sizes along another side of the weight."""
    sizes = case.report.mismatched
    others = {owner_of(key) for key, own, given in sizes if not is_turned(given, own)}
    parts = parts_of_weights(case.own.shapes)
    turned = [key for key, own, given in sizes if is_turned(given, own)]
    return [key for key in turned if owner_of(key) not in others and key not in parts]


def _surely_turned(case: Case, turned: list[str]) -> list[str]:
    """Those that are no layers of other sizes: the bias beside them fits. And what has no bias, if
    all others of its class are turned, of one of which a bias says so."""
    said = [key for key in turned if _bias_fits(case, key)]
    fitting = [key for key, shape in case.own.shapes.items() if case.file.shapes.get(key) == shape]
    fitting = [key for key in fitting if len({*(case.own.shapes[key] or ())}) == 2]
    kinds = {_kind(case, key) for key in said} - {_kind(case, key) for key in fitting}
    return [key for key in turned if key in said or _kind(case, key) in kinds]


def _bias_fits(case: Case, key: str) -> bool:
    name = last_part(key)
    bias = owner_of(key) + name.replace("weight", "bias")
    shapes = [side.shapes.get(bias) for side in (case.file, case.own)]
    return shapes == [case.own.shapes[key][:1]] * 2


def _kind(case: Case, key: str) -> tuple[type, str]:
    return case.class_around(key), last_part(key)


def _square_ones(case: Case, turned: list[str]) -> list[str]:
    """The square matrices of the classes of which others are turned, or of such a layer: the last
    projection of a MultiheadAttention is of a class made from Linear."""
    kinds = {_layer_kind(case, key) for key in turned}
    square = [key for key, shape in case.own.shapes.items() if len({*(shape or ())}) == 1]
    square = [key for key in square if len(case.own.shapes[key]) == 2 and key in case.given]
    return [key for key in square if _layer_kind(case, key) in kinds]


def _layer_kind(case: Case, key: str) -> tuple[type, str]:
    """As `_kind`, with the class below nn.Module from which that of the layer is made."""
    layers = [one for one in bases(case.class_around(key)) if issubclass(one, nn.Module)]
    return layers[-2] if len(layers) > 1 else nn.Module, last_part(key)


def one_more(case: Case) -> Iterator[Proposal]:
    """The same numbers with sizes of 1 more or less, as in a 1×1 convolution and a linear layer.
    Where another tensor of the layer fits less, it is another layer."""
    sizes = case.report.mismatched
    shapes = {key: own for key, own, given in sizes if has_ones_more(given, own)}
    others = {owner_of(one.key) for one in sizes if one.key not in shapes}
    shapes = {key: own for key, own in shapes.items() if owner_of(key) not in others}
    sure = {key: own for key, own in shapes.items() if _are_outside(case, key)}
    rest = {key: own for key, own in shapes.items() if key not in sure}
    if sure:
        words = f"{_many_numbers(sure)}: sizes of 1 come or go, as between a 1×1 convolution and a"
        words += " linear layer."
        yield Proposal("reshaped", words, _reshaping(sure))
    if rest:
        words = f"{_many_numbers(rest)}: sizes of 1 come or go between the others, or where it is"
        words += " not clear between which. Whether the numbers mean the same, or are of another"
        words += " layer, only you can say. If they mean the same:"
        code = _reshaping(rest)
        yield Proposal("reshaped", words, as_comment(code), if_so=code)


def _are_outside(case: Case, key: str) -> bool:
    """Do the sizes of 1 stand before or behind all others, and so leave the sides what they are? A
    transposed convolution has its inputs where a linear layer has its outputs."""
    shapes = case.file.shapes[key], case.own.shapes[key]
    return is_extended(*shapes) and TRANSPOSED.isdisjoint(bases(case.class_around(key)))


def _many_numbers(keys: dict[str, Shape]) -> str:
    return keys_said(keys, "has", "have") + " as many numbers in another shape"


def _reshaping(shapes: dict[str, Shape]) -> str:
    reshaped = "value.reshape(shapes[key]) if key in shapes else value"
    return f"shapes = {shapes!r}\nstate_dict = {{key: {reshaped} {ENTRIES}}}"


def grown(case: Case) -> Iterator[Proposal]:
    """Buffers that a method sets anew in use: their size is that of what was seen."""
    for key in (one.key for one in case.report.mismatched if one.key in case.model.buffers):
        maker = maker_of(case, key)
        if maker is not None and not maker.in_init:
            words = f"{brief(key)} has another size: {maker.where} sets it anew, so its size may"
            words += " come from use. If so, give it the size that it has in the file, before the"
            words += " load."
            yield Proposal("grown", words, each([key], _OF_THAT_SIZE))


_OF_THAT_SIZE = """old = getattr(owner, name)
    owner.register_buffer(name, old.new_empty(state_dict[key].shape))"""


# Words in names of buffers that are computed when a model is built, from the size of the input; and
# those by which such a buffer of floats may as well be learned.
_COMPUTED = frozenset(
    "mask masks index pos position positions freq freqs cache cached grid ids window".split()
)
_LEARNED = frozenset("table tables anchor anchors bias embed embedding embeddings".split())
# Frequencies are drawn in some layers; those of rotary embeddings, with such a word, never.
_DRAWN, _OF_ROTARY = frozenset({"freq", "freqs"}), frozenset({"inv", "cis"})
# What counts or looks up places is computed, whatever its class draws beside it.
_PLACES = frozenset("pos position positions ids cache cached".split())


def is_computed(case: Case, key: str) -> bool:
    """Does the name of this buffer say that it is computed, and nothing against it? Its dtype does
    not: a random order and a flag that something is made already are kept in whole numbers and
    bools too."""
    words = set(last_part(key).lower().split("_"))
    floats = not _is_whole(case, key)
    if words.isdisjoint(_COMPUTED) or (floats and words & _LEARNED):
        return False
    if floats and words & _DRAWN and not words & _OF_ROTARY:
        return False
    return bool(words & (_PLACES | _OF_ROTARY)) or not draws(case, owner_of(key))


def _is_whole(case: Case, key: str) -> bool:
    kind = case.model.expected[key].dtype
    return not (kind.is_floating_point or kind.is_complex)


def computed(case: Case) -> Iterator[Proposal]:
    """Buffers whose size follows the input, in layers that have the right size themselves."""
    model, sizes = case.model, case.report.mismatched
    resized = {owner_of(one.key) for one in sizes if one.key not in model.buffers}
    keys = {True: [], False: []}  # by whether the name says what the buffer is
    for key in (one.key for one in sizes if one.key in model.buffers):
        counts = not model.expected[key].dtype.is_floating_point
        if not from_torch(case.class_around(key)) and (counts or owner_of(key) not in resized):
            keys[is_computed(case, key)].append(key)
    for sure, some in keys.items():
        if some:
            words = keys_said(some, "is a buffer of another size", "are buffers of another size")
            words += ". What is computed from the size of the input, as a mask or an index is, is"
            words += " right as the model has it"
            if sure:
                words += ": keep that."
            else:
                words += "; what was learned, counted or drawn is not: for that, build the model"
                words += " with the size of the file. Only you can say. If it is computed:"
            code = keeping(some)
            yield Proposal("table", words, code if sure else as_comment(code), if_so=code)


def learned_table(case: Case) -> Iterator[Proposal]:
    """Learned tables of places, for another length."""
    for key, own, given in case.report.mismatched:
        if key not in case.model.buffers and _may_be_places(key, own, given):
            words = f"{brief(key)} is {given} in the file and {own} here. If it is"
            words += " a table of places, learned for another length: interpolate it, or build the"
            words += " model for that length."
            yield Proposal("places", words, "# torch.nn.functional.interpolate(...)")


def _may_be_places(key: str, own: Shape, given: Shape) -> bool:
    as_wide = own[-1:] == given[-1:] or len(own) != len(given) or set(own[:-1]) <= {1}
    return "pos" in last_part(key) and len(own) > 1 and as_wide


def elsewhere(case: Case) -> Iterator[Proposal]:
    """Tensors without numbers, or of a single one, in the place of all: a model that was saved, or
    is held, in shards."""
    sizes = [one for one in case.report.mismatched if one.key not in case.model.buffers]
    sides = {"file": [(one.key, one.found, one.expected) for one in sizes]}
    sides["model"] = [(one.key, one.expected, one.found) for one in sizes]
    for side, shapes in sides.items():
        empty = _in_place_of_all(shapes, (0,))
        single = _in_place_of_all(shapes, (1,))
        keys = empty or (single if 2 < len(single) == len(sizes) else [])
        if keys:
            what = "without numbers" if empty else "of one number"
            words = f"In the {side} {keys_said(keys, 'is', 'are')} {what}, where the other side has"
            words += " all, as where Parameters are split over processes, by ZeRO-3: then their"
            words += " shards hold the numbers."
            code = "# Gather the shards into one file first, as zero_to_fp32.py does; load that."
            if side == "model":
                code = "# Load before the model is split, or while its Parameters are gathered."
            yield Proposal("shards", words, code)


def _in_place_of_all(shapes: list[tuple[str, Shape, Shape]], shape: Shape) -> list[str]:
    """The keys of this shape, if a matrix stands for one of them on the other side: a bias of no
    class, or a slope for all channels, has such a shape too."""
    found = [(key, other) for key, one, other in shapes if one == shape]
    matrix = any(sum(size > 1 for size in other) > 1 for _, other in found)
    return [key for key, _ in found] if matrix else []


def resized(case: Case) -> Iterator[Proposal]:
    """Parameters of another size: a few, while most fits, as of a head, a table, a first layer; or
    most, as of a model of another width."""
    buffers = case.model.buffers
    alike = [one for one in case.report.mismatched if len(one.expected) == len(one.found)]
    sizes = [one for one in case.report.mismatched if one.key not in buffers]
    turned = _turned(case)  # of which it was said
    few = [one for one in alike if one in sizes and not _may_be_places(*one)]
    few = [one for one in few if one.key not in turned]
    # What has several names counts once, and buffers follow their layer.
    uncounted = {key for names in case.model.names.values() for key in names[1:]} | buffers
    fitting = [key for key in case.report.loaded if key not in uncounted]
    others = [key for key in (*case.left, *case.report.missing) if key not in uncounted]
    differing = [one for one in sizes if one.key not in uncounted]
    if few and len(differing + others) < len(fitting):
        key, own, given = few[0]
        more = f", and {len(few) - 1:,} more differ" if len(few) > 1 else ""
        words = f"{brief(key)} is {given} in the file and {own} here{more}, while most fits: as of"
        words += " a head for other classes, a table of other words, a layer for other channels or"
        words += " of another kind. Build the model as the one that was saved. Or, if these are to"
        words += " be trained anew, keep those of the model:"
        code = keeping(case.with_buffers([one.key for one in few], [one.key for one in alike]))
        yield Proposal("resized", words, as_comment(code), if_so=code)
    elif few and not others and len(differing) > 2 + len(fitting) and _not_split(sizes):
        key, own, given = few[0]
        words = f"Most sizes differ, as of {brief(key)}: {given} in the file and {own} here. The"
        words += " names are the same: a model of another width, or layers of another kind."
        yield Proposal("resized", words, "# Build the model with the sizes of the file.")


def _not_split(sizes: list[Mismatch]) -> bool:
    """Are these no Parameters of which one side has the numbers elsewhere?"""
    split = ((0,), (1,))
    return not all(one.found in split for one in sizes) and not all(
        one.expected in split for one in sizes
    )


def unwritable(case: Case) -> Iterator[Proposal]:
    """Memory of the model that torch does not copy into."""
    natures = case.model.natures
    for what, cure in _UNWRITABLE.items():
        keys = [key for key in case.report.refused if getattr(natures.get(key), what, False)]
        buffers = [key for key in keys if key in case.model.buffers]
        parameters = [key for key in keys if key not in case.model.buffers]
        for some, head, line in ((buffers, "", _OWN_BUFFER), (parameters, _FRESH, _OWN_PARAMETER)):
            if some:
                words = keys_said(some, f"is an {what} tensor", f"are {what} tensors") + cure
                yield Proposal("memory", words, head + each(some, line))


_OWN_BUFFER = "setattr(owner, name, getattr(owner, name).detach().clone())"
# A parameter that has two names stays one.
_FRESH = "import torch\nfresh = {}\n"
_OWN_PARAMETER = """old = getattr(owner, name)
    fresh.setdefault(old, torch.nn.Parameter(old.detach().clone(), old.requires_grad))
    setattr(owner, name, fresh[old])"""
# What a `Nature` may be that torch does not copy into, and what to do then.
_UNWRITABLE = {
    "expanded": ": several elements are one place in memory, and torch does not copy into that."
    " Make it a tensor of its own, by .expand(...).clone() where it is made, or before the load, as"
    " here; or load with assign=True.",
    "inference": ", made under torch.inference_mode(), and may not be written to outside of it."
    " Build the model outside, or replace it before the load, as here; or load with assign=True.",
}
