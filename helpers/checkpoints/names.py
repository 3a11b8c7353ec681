"""Which key of a file goes with which key of a model: by whole parts of names, and by shapes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

import torch

from helpers.checkpoints.outlines import array_shape, is_array
from helpers.state.torch_private import EXTRA_STATE, is_lazy

Shape = tuple[int, ...] | None  # None: a lazy tensor, which takes any

# Parts of a name that a wrapper around a module puts in: torch.compile, DataParallel and its kind,
# activation checkpointing, FSDP, Lightning's Fabric.
WRAPPERS = (
    "_orig_mod",
    "module",
    "_checkpoint_wrapped_module",
    "_fsdp_wrapped_module",
    "_forward_module",
)
# Last parts by which other frameworks, and old files, call the tensors of a layer.
LEAVES = {
    "gamma": "weight",
    "kernel": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# What a norm counts of the batches that it has seen: its mean and variance, and how many they were.
RUNNING = ("running_mean", "running_var")
STATISTICS = (*RUNNING, "num_batches_tracked")
NUMBERED = r"(?<=[^\W\d_])[._](?=\d+(\.|$))"  # between a word and its number, as in norm.1, norm_1
_SAMPLE = 500  # how many keys are asked for their prefixes
_PAIRINGS = 250_000  # how many are looked at in a search for other names


def shapes_of(given: Mapping) -> dict[str, Shape]:
    """The shape of every tensor and array in a state_dict."""
    found = {}
    for key, value in given.items():
        if isinstance(key, str) and isinstance(value, torch.Tensor):
            found[key] = None if is_lazy(value) else tuple(value.shape)
        elif isinstance(key, str) and is_array(value):
            found[key] = array_shape(value)
    return found


def is_turned(shape: Shape, wanted: Shape) -> bool:
    """Is this a matrix with its two sides exchanged?"""
    return shape != wanted and bool(shape) and len(shape) == 2 and shape[::-1] == wanted


def is_same_row(shape: Shape, wanted: Shape) -> bool:
    """Are these the same numbers in the same order, but for sizes of 1: a linear layer and a
    convolution of one pixel?"""
    if shape is None or wanted is None or shape == wanted:
        return False
    return [size for size in shape if size != 1] == [size for size in wanted if size != 1]


def has_ones_more(shape: Shape, wanted: Shape) -> bool:
    """Are these the same numbers in the same order, with more sizes of 1 on one side?"""
    return is_same_row(shape, wanted) and len(shape) != len(wanted)


def is_extended(shape: Shape, wanted: Shape) -> bool:
    """Do the sizes of 1, that one side has more, stand behind all others; or before and behind
    them, where the other side has none that could be meant?"""
    short, long = sorted((shape, wanted), key=len)
    if long[: len(short)] == short:
        return {*long[len(short) :]} == {1}
    at = next((at for at, size in enumerate(long) if size != 1), 0)
    return 1 not in short and long[at : at + len(short)] == short


def fits(shape: Shape, wanted: Shape) -> bool:
    """Could a tensor of this shape go to that place, as it is, turned, or with sizes of 1 more?"""
    if wanted is None or shape == wanted:
        return True
    return is_turned(shape, wanted) or is_same_row(shape, wanted)


def without_wrappers(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in WRAPPERS)


_gaps = re.compile(NUMBERED)


def without_gaps(key: str) -> str:
    return _gaps.sub("", key)


def translated(key: str) -> str:
    head, dot, last = key.rpartition(".")
    return head + dot + LEAVES[last] if last in LEAVES else key


@lru_cache(maxsize=1 << 16)
def canonical(key: str) -> str:
    """One spelling for all the names that different ways to write a model give to one thing."""
    return translated(without_gaps(without_wrappers(key)))


class Keys(NamedTuple):
    """The tensors of one side by key, and the keys by their canonical names, where no two agree."""

    shapes: dict[str, Shape]
    named: dict[str, str]


def keys_of(shapes: dict[str, Shape]) -> Keys:
    named = {canonical(key): key for key in shapes}
    return Keys(shapes, named if len(named) == len(shapes) else {key: key for key in shapes})


class PrefixChange(NamedTuple):
    """What the keys of a file need: a prefix to be taken off ("strip") or put on ("add")."""

    kind: str
    prefix: str

    def of(self, key: str, own: Keys) -> str:
        if self.kind == "strip":
            return key.removeprefix(self.prefix)
        return self.prefix + key if canonical(self.prefix + key) in own.named else key


NO_CHANGE = PrefixChange("strip", "")


class Fit(NamedTuple):
    """How many entries fit: by their canonical names, and by their names as they are."""

    alike: int
    exact: int


def fit_after(change: PrefixChange, file: Keys, own: Keys) -> Fit:
    """How well the keys of a file fit the model after a change. Of several that would come to one
    place one is counted, as a dict keeps one."""
    alike, exact = set(), set()
    for key, shape in file.shapes.items():
        new = change.of(key, own)
        place = own.named.get(canonical(new))
        if place is not None and fits(shape, own.shapes[place]):
            alike.add(place)
            if new == place:
                exact.add(place)
    return Fit(len(alike), len(exact))


def best_change(file: Keys, own: Keys) -> PrefixChange:
    """The change of prefix after which most entries fit; none where it is not clear, or where no
    more than half of them do."""
    before = fit_after(NO_CHANGE, file, own)
    found = {change: fit_after(change, file, own) for change in _likely_changes(file, own)}
    best = max(found.values(), default=before)
    if best <= before or 2 * best.alike <= min(len(file.shapes), len(own.shapes)):
        return NO_CHANGE
    # Of "model." and "model.module." the second: they differ by wrappers alone.
    firsts = [change for change in found if found[change] == best]
    longest = max(firsts, key=lambda change: len(change.prefix))
    kinds = {change.kind for change in firsts}
    one_way = all(longest.prefix.startswith(change.prefix) for change in firsts)
    return longest if one_way and len(kinds) == 1 else NO_CHANGE


def _likely_changes(file: Keys, own: Keys) -> list[PrefixChange]:
    """The changes that help a sample of the keys, those that help most of all."""
    helped = Counter()
    for kind, long, short in (("strip", file, own), ("add", own, file)):
        for key in list(long.shapes)[:: 1 + len(long.shapes) // _SAMPLE]:
            for at in behind_dots(key):
                other = short.named.get(canonical(key[at:]))
                if other is not None and fits(long.shapes[key], short.shapes[other]):
                    helped[PrefixChange(kind, key[:at])] += 1
    most = max(helped.values(), default=0)
    return [change for change, count in helped.most_common(8) if 2 * count >= most]


def behind_dots(key: str) -> list[int]:
    return [place + 1 for place, letter in enumerate(key) if letter == "."]


def spelled_alike(file: Keys, own: Keys) -> dict[str, str]:
    """{key of the file: key of the model} for those that only the spelling keeps apart."""
    found = {}
    for name, key in file.named.items():
        place = own.named.get(name)
        free = place is not None and place not in file.shapes and key not in own.shapes
        if free and fits(file.shapes[key], own.shapes[place]):
            found[key] = place
    return found


def in_common(file: Keys, own: Keys) -> int:
    """How many entries have the last name and the shape of an entry of the other side."""
    sides = [
        Counter((translated(last_part(key)), shape) for key, shape in side.shapes.items())
        for side in (file, own)
    ]
    return (sides[0] & sides[1]).total()


def last_part(key: str) -> str:
    """The name of a tensor in the module that holds it."""
    return key.rpartition(".")[2]


def is_parametrized(key: str) -> bool:
    """Is this what `torch.nn.utils.parametrize` computes a tensor from?"""
    return "parametrizations" in key.split(".")


def is_extra_state(key: str) -> bool:
    return last_part(key) == EXTRA_STATE


def prefixes_of_copies(file: Keys, own: Keys) -> list[str]:
    """The prefixes under each of which the file has as much of the model, where there are several:
    of a student and a teacher, but not of layers that differ in a number."""
    if 2 * fit_after(NO_CHANGE, file, own).alike > len(own.shapes):
        return []
    found = {change: fit_after(change, file, own) for change in _likely_changes(file, own)}
    best = max(found.values(), default=Fit(0, 0))
    firsts = [one.prefix for one in found if found[one] == best and one.kind == "strip"]
    apart = not any(one != two and one.startswith(two) for one in firsts for two in firsts)
    words = not any(one.split(".")[-2].isdigit() for one in firsts)
    clear = apart and words and 2 * best.alike > len(own.shapes)
    return firsts if len(firsts) > 1 and clear else []


def clear_pairs(left: dict[str, Shape], missing: dict[str, Shape]) -> dict[str, str]:
    """{key of the file: key of the model} of those that fit each other best, and no other as well.

    The last part of the name and the shape must fit. The more parts two names share from their end
    and from their start, the better; keys that differ in a number alone, or in that and a prefix,
    are different layers."""
    found = {}
    while pairs := _best_pairs(left, missing):
        found |= pairs
        left = {key: shape for key, shape in left.items() if key not in pairs}
        missing = {key: shape for key, shape in missing.items() if key not in pairs.values()}
    return found


def beside(
    pairs: dict[str, str], left: dict[str, Shape], missing: dict[str, Shape]
) -> dict[str, str]:
    """The pairs that follow from others: what stands beside a key, under the same name and of the
    same shape beside the other, as the counts of a BatchNorm."""
    found, under = {}, _by_prefix(key for key in left if key not in pairs)
    taken = set(pairs.values())
    for stem, other in dict.fromkeys(_stems(*pair) for pair in pairs.items()):
        for key in under.get(f"{stem}.", ()):
            new = f"{other}{key[len(stem) :]}"
            if new in missing and new not in taken and left[key] == missing[new]:
                found[key] = new
    return found


def part_of_more(pairs: dict[str, str], left: Iterable[str]) -> dict[str, str]:
    """The pairs whose other names mean something else, as it seems: beside the key of the file
    stands more, of which the model has nothing beside the other."""
    rest = _by_prefix(key for key in left if key not in pairs)
    return {old: new for old, new in pairs.items() if f"{_stems(old, new)[0]}." in rest}


def _by_prefix(keys: Iterable[str]) -> dict[str, list[str]]:
    """Each prefix of these keys, and the keys that have it."""
    found: dict[str, list[str]] = {}
    for key in keys:
        for at in behind_dots(key):
            found.setdefault(key[:at], []).append(key)
    return found


def _stems(old: str, new: str) -> tuple[str, str]:
    """What stands in two names before the parts that they share at their end."""
    ending = shared(old, new, -1)
    return ".".join(old.split(".")[:-ending]), ".".join(new.split(".")[:-ending])


class Likeness(NamedTuple):
    ending: int  # how many parts two names share, from their end
    start: int
    exact: bool


def _best_pairs(left: dict[str, Shape], missing: dict[str, Shape]) -> dict[str, str]:
    likes = {
        (old, new): Likeness(shared(old, new, -1), shared(old, new, 1), left[old] == missing[new])
        for old, new in _possible_pairs(left, missing)
    }
    firsts = defaultdict(list)  # for each key the pairs that it likes best
    for place in (0, 1):
        best = {}
        for pair, likeness in likes.items():
            best[pair[place]] = max(likeness, best.get(pair[place], likeness))
        for pair, likeness in likes.items():
            if likeness == best[pair[place]]:
                firsts[place, pair[place]].append(pair)
    return {old: new for old, new in likes if firsts[0, old] == firsts[1, new] == [(old, new)]}


def _possible_pairs(left: dict[str, Shape], missing: dict[str, Shape]) -> Iterable[tuple[str, str]]:
    groups = defaultdict(lambda: ([], []))
    for side, shapes in enumerate((left, missing)):
        for key, shape in shapes.items():
            size = None if shape is None else tuple(sorted(shape))
            groups[last_part(key), size][side].append(key)
    if sum(len(olds) * len(news) for olds, news in groups.values()) > _PAIRINGS:
        return []
    pairs = [(old, new) for olds, news in groups.values() for old in olds for new in news]
    return [(old, new) for old, new in pairs if _may_be_one(left[old], missing[new], old, new)]


def _may_be_one(shape: Shape, wanted: Shape, old: str, new: str) -> bool:
    same = shape == wanted or is_turned(shape, wanted)
    return same and not _differ_in_a_number(old, new)


def _differ_in_a_number(old: str, new: str) -> bool:
    """Are these the same words, but for a prefix, around other numbers: different layers?"""
    words = without_numbers(old), without_numbers(new)
    if words[0] == words[1]:
        return True
    pairs = zip(*(reversed(one) for one in words), strict=False)
    numbers = [[part for part in key.split(".")[::-1] if part.isdigit()] for key in (old, new)]
    differ = any(one != two for one, two in zip(*numbers, strict=False))
    return differ and all(one == two for one, two in pairs)


def without_numbers(key: str) -> tuple[str, ...]:
    """The words of a name, without the numbers that stand alone or at the end of one."""
    words = [part.rstrip("0123456789") for part in without_gaps(key).split(".")]
    return tuple(word for word in words if word)


def shared(one: str, other: str, step: int) -> int:
    """How many parts two names share from the start (step 1) or from the end (step -1)."""
    pairs = zip(one.split(".")[::step], other.split(".")[::step], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
