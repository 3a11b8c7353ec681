"""Advice on names: prefixes, wrappers, other spellings, other names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from helpers.checkpoints.case import (
    ENTRIES,
    Case,
    Proposal,
    as_comment,
    keys_said,
    owner_of,
    renaming,
    turning,
)
from helpers.checkpoints.names import (
    LEAVES,
    NO_CHANGE,
    NUMBERED,
    WRAPPERS,
    beside,
    best_change,
    clear_pairs,
    is_turned,
    last_part,
    part_of_more,
    prefixes_of_copies,
    spelled_alike,
    translated,
    without_gaps,
    without_wrappers,
)
from helpers.state.objects import brief, counted, plural


def prefix(case: Case) -> Iterator[Proposal]:
    """Every key has a prefix too many, or lacks one."""
    change = best_change(case.file, case.own)
    if change == NO_CHANGE:
        return
    text, shown = change.prefix, brief(change.prefix)
    if change.kind == "strip":
        rest = [key for key in case.given if not str(key).startswith(text)]
        again = [key for key in rest if f"{text}{key}" in case.given]  # of what is around it
        others = len(rest) - len(again)
        words = f"The keys begin with {shown}, those of the model do not."
        if any(key.startswith(text) for key in case.own.shapes):
            words = f"The keys begin with {shown} once more than those of the model."
        if rest:
            words = f"What the model has stands under {shown}"
            stay = plural(others, "stays as it is", "stay as they are")
            words += f"; {counted(others, 'other key')} {stay}." if others else "."
        if again:
            words += f" {keys_said(again, 'is', 'are')} there without it as well, and left out:"
            words += f" what stands under {shown} is taken."
        code = f"state_dict = {{key.removeprefix({text!r}): value {ENTRIES}"
        code += f" if {text!r} + key not in state_dict}}" if again else "}"
        yield Proposal("prefix", words, code)
    elif case.file.shapes.keys().isdisjoint(case.own.shapes) and all(
        key.startswith(text) for key in case.own.shapes
    ):
        words = f"The keys of the model begin with {shown}, those of the state_dict do not."
        yield Proposal("prefix", words, f"state_dict = {{{text!r} + key: value {ENTRIES}}}")
    else:
        words = f"Under {shown} the model has what the state_dict has without it."
        longer = f"{text!r} + key if {text!r} + key in own else key"
        code = f"own = module.state_dict()\nstate_dict = {{{longer}: value {ENTRIES}}}"
        yield Proposal("prefix", words, code)


class Spelling(NamedTuple):
    """One way in which two names of the same thing differ: its kind, what makes them equal, the
    same in lines of code, and in words."""

    kind: str
    plain: Callable[[str], str]
    lines: str
    words: str


_SPELLINGS = (
    Spelling(
        "wrapper",
        without_wrappers,
        '    key = ".".join(part for part in key.split(".") if part not in {parts})',
        "parts that a wrapper puts in: {parts}",
    ),
    Spelling(
        "numbers",
        without_gaps,
        f'    key = re.sub(r"{NUMBERED}", "", key)',
        "what stands between a word and its number, as in 'norm.1' and 'norm1'",
    ),
    Spelling(
        "leaves",
        translated,
        '    head, dot, last = key.rpartition(".")\n'
        f"    key = head + dot + {LEAVES!r}.get(last, last)",
        "the last word, as 'gamma' and 'weight'",
    ),
)


def spelled(case: Case) -> Iterator[Proposal]:
    """Names that only their spelling keeps apart, on either side."""
    names = spelled_alike(case.file, case.own)
    otherwise = {old: new for old, new in names.items() if _counts_otherwise(case, old, new)}
    otherwise |= _kernels_maybe_turned(case, names)
    names = _without(names, otherwise)
    if not names:
        return
    needed = list(_SPELLINGS)
    for one in _SPELLINGS:
        fewer = [other for other in needed if other != one]
        if all(_plain(old, fewer) == _plain(new, fewer) for old, new in names.items()):
            needed = fewer
    shown = repr(_wrappers_between(names))
    code = ["import re"] if "re." in "".join(one.lines for one in needed) else []
    code += ["def plain(key):", *(one.lines.replace("{parts}", shown) for one in needed)]
    code += ["    return key", "names = {plain(key): key for key in module.state_dict()}"]
    code.append(f"state_dict = {{names.get(plain(key), key): value {ENTRIES}}}")
    if otherwise:  # of which `plain` would make the same
        code = [renaming(names)]
    old, new = next(iter(names.items()))
    differ = ", and by ".join(one.words.replace("{parts}", shown) for one in needed)
    words = f"{brief(old)} is {brief(new)} in the model, and so on: the names differ by {differ}."
    yield Proposal(needed[0].kind, words, "\n".join(code))


def _kernels_maybe_turned(case: Case, names: Mapping[str, str]) -> dict[str, str]:
    """The kernels that have the same shape in the order of Keras and Flax, with the inputs before
    the outputs, and in that of torch, where no other kernel shows which order it is."""
    kernels = {old: new for old, new in names.items() if _is_kernel(old)}
    same = {
        old: new
        for old, new in kernels.items()
        if len(shape := case.file.shapes[old] or ()) > 1 and shape == (*shape[2:], *shape[1::-1])
    }
    return same if len(same) == len(kernels) else {}


def _is_kernel(key: str) -> bool:
    return last_part(key) == "kernel"


def _counts_otherwise(case: Case, old: str, new: str) -> bool:
    """Do two names differ by what stands before a number, while it may count other layers here than
    there, as fc.1 is the second of two and fc1 the first?"""
    pair = [translated(without_wrappers(key)) for key in (old, new)]
    return pair[0] != pair[1] and not case.numbering.count_alike(old, new)


def _wrappers_between(names: Mapping[str, str]) -> list[str]:
    """The parts of wrappers by which these pairs of names differ: those of which one name has more,
    if that is all."""
    pairs = [[key.split(".") for key in pair] for pair in names.items()]
    more = [one for one in WRAPPERS if any(old.count(one) != new.count(one) for old, new in pairs)]

    def bare(key: list[str]) -> str:
        return translated(without_gaps(".".join(part for part in key if part not in more)))

    if all(bare(old) == bare(new) for old, new in pairs):
        return more
    parts = {part for pair in pairs for key in pair for part in key}
    return [one for one in WRAPPERS if one in parts]


def _plain(key: str, spellings: list[Spelling]) -> str:
    for one in spellings:
        key = one.plain(key)
    return key


def renamed(case: Case) -> Iterator[Proposal]:
    """Missing and unexpected keys whose last name and shape fit, without a second choice."""
    names = clear_pairs(case.left, case.missing)
    names |= beside(names, case.left, case.missing)
    beside_more = part_of_more(names, case.left)
    beside_less = _part_of_less(case, names)
    certain = case.numbering.certain(names)
    turned = _of_turned_layers(case, names)
    if sure := {old: new for old, new in turned.items() if old in certain}:
        yield _perhaps_turned(case, sure)
    names, certain = _without(names, turned), _without(certain, turned)
    doubtful = beside_more | beside_less
    clear = {old: new for old, new in certain.items() if old not in doubtful}
    ordered = case.numbering.all_in_order(_without(names, certain))
    # Where neither they nor their order say which layer is which, nothing is said.
    perhaps = {
        old: new
        for old, new in _without(_without(names, clear), ordered).items()
        if old in certain or case.numbering.may_mean_the_same(old, new)
    }
    more = {old: new for old, new in perhaps.items() if old in beside_more}
    less = {old: new for old, new in _without(perhaps, more).items() if old in beside_less}
    rest = _without(_without(perhaps, more), less)
    if clear:
        words = keys_said(clear, "is under another name", "are under another name")
        words += ": ending and shape fit. See that they mean the same."
        yield Proposal("renamed", words, renaming(clear))
    if ordered := _without(ordered, clear):
        yield _shift(ordered)
    if more:
        old, new = next(iter(more.items()))
        words = f"but beside {brief(old)} stands more in the file than beside {brief(new)}"
        yield _perhaps(more, words)
    if less:
        old, new = next(iter(less.items()))
        words = f"but beside {brief(new)} the model has more than the file has beside {brief(old)}"
        yield _perhaps(less, words)
    if rest:
        words = "but of the numbered parts around it there are not as many on both sides"
        yield _perhaps(rest, words)


def _part_of_less(case: Case, names: Mapping[str, str]) -> dict[str, str]:
    """The pairs of layers of which that of the model has a Parameter more, for which the file has
    nothing: it may be another kind of layer, as a LayerNorm is no RMSNorm."""
    given = set(names.values())
    lacking = [key for key in case.missing if key not in given and key not in case.model.buffers]
    owners = {owner_of(key) for key in lacking}
    return {old: new for old, new in names.items() if owner_of(new) in owners - {""}}


def _without(names: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    return {old: new for old, new in names.items() if old not in others}


def _of_turned_layers(case: Case, names: dict[str, str]) -> dict[str, str]:
    """The pairs of those layers in which one fits only with its sides exchanged."""
    layers = {tuple(map(owner_of, pair)) for pair in names.items() if _is_turned(case, *pair)}
    return {old: new for old, new in names.items() if (owner_of(old), owner_of(new)) in layers}


def _is_turned(case: Case, old: str, new: str) -> bool:
    return is_turned(case.left[old], case.missing[new])


def _perhaps_turned(case: Case, names: dict[str, str]) -> Proposal:
    pairs = {old: new for old, new in names.items() if _is_turned(case, old, new)}
    old, new = next(iter(pairs.items()))
    words = f"{brief(old)} has the ending of {brief(new)}, which is missing, and its sizes in"
    words += " reverse: as of a weight that another framework keeps transposed, or of another"
    words += " layer. Which of the two, only you can say. If they mean the same:"
    code = "\n".join((renaming(names), *turning(pairs.values())))
    return Proposal("alike", words, as_comment(code), if_so=code)


def _perhaps(names: dict[str, str], but: str) -> Proposal:
    """What fits by its ending and shape, with what speaks against it."""
    new = next(iter(names.values()))
    words = f"{keys_said(names, 'has', 'have')} the shape and the ending of what is missing, as"
    words += f" {brief(new)}; {but}. Whether they mean the same, only you can say. If not, load"
    words += " with strict=False. If they do:"
    code = renaming(names)
    return Proposal("alike", words, as_comment(code), if_so=code)


def one_of_several(case: Case) -> Iterator[Proposal]:
    """The file has the whole model more than once: a student and a teacher, a model and its EMA."""
    prefixes = prefixes_of_copies(case.file, case.own)
    if prefixes:
        first, *others = map(brief, prefixes)
        words = f"Names and shapes of the model, or most of them, stand under {first}, and under"
        words += f" {', '.join(others)} as well. Which one is meant, if any, only you can say. For"
        words += " the first:"
        text = prefixes[0]
        code = f"state_dict = {{key.removeprefix({text!r}): value {ENTRIES} "
        code += f"if key.startswith({text!r})}}"
        yield Proposal("prefix", words, as_comment(code), if_so=code)


def shifted(case: Case) -> Iterator[Proposal]:
    """Numbers that another layer in between has moved on, or that count from another one."""
    if case.shifted:
        yield _shift(case.shifted)


def _shift(names: dict[str, str]) -> Proposal:
    old, new = next(iter(names.items()))
    more = f", and so on for {len(names) - 1:,} more" if len(names) > 1 else ""
    words = f"{brief(old)} would be {brief(new)} here{more}: the numbered parts are as many on both"
    words += " sides, and have the same sizes in their order, as where counting begins at another"
    words += " number, or a layer without Parameters was put in or taken out. Whether it is so,"
    words += " only you can say. If so:"
    code = renaming(names)
    return Proposal("shifted", words, as_comment(code), if_so=code)


def alike(case: Case) -> Iterator[Proposal]:
    """One key too many and one too few, of one shape and in a like place."""
    names = {old: new for old, new in case.alike.items() if not _is_kernel(old)}
    kernels = _without(case.alike, names)
    if kernels:
        old, new = next(iter(kernels.items()))
        words = f"{brief(old)} has the shape of {brief(new)}, which is missing, and a like place."
        words += " Keras and Flax keep a kernel with the inputs before the outputs, which a shape"
        words += " like this does not show. Whether they mean the same, and in which order, only"
        words += " you can say. If they do, and a matrix is to be turned:"
        turned = [new for old, new in kernels.items() if len(case.left[old] or ()) == 2]
        code = renaming(kernels)
        if turned:
            first, then = turning(turned)
            code += f"\n{first}  # not, if the order is torch's\n{then}"
        yield Proposal("alike", words, as_comment(code), if_so=code)
    if names:
        old, new = next(iter(names.items()))
        words = f"{brief(old)} has the shape of {brief(new)}, which is missing, and a like place."
        words += " Whether they mean the same, only you can say. If they do:"
        code = renaming(names)
        yield Proposal("alike", words, as_comment(code), if_so=code)
