"""Do the numbers in the names of a file and of a model count the same layers?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from helpers.checkpoints.names import Keys, behind_dots, last_part, shared

# A number at the end of a part: it counts layers in fc.1 and in fc1, and not in conv2d.
_NUMBER = re.compile(r"(?<!\d)(?:0|[1-9]\d*)(?=\.|$)", re.ASCII)


class Numbered:
    """The numbers in the names of one side. `parts`: for each stem behind which numbers stand, as
    "layers" or "blocks0.norm", what is under each of them: {the rest of a name: its key}. `within`:
    for each key the stems and numbers in it, from its start."""

    def __init__(self, side: Keys):
        self.shapes = side.shapes
        self.parts: dict[str, dict[int, dict[str, str]]] = {}
        self.within: dict[str, list[tuple[str, int]]] = {}
        for name, key in side.named.items():
            self.within[key] = []
            for one in _NUMBER.finditer(name):
                stem, number = name[: one.start()], int(one[0])
                self.within[key].append((stem, number))
                under = self.parts.setdefault(stem, {}).setdefault(number, {})
                under[name[one.end() :]] = key

    def behind(self, stem: str | None) -> set[int]:
        return set(self.parts.get(stem, ()))

    @cached_property
    def kinds(self) -> Counter:
        """How many keys there are with a prefix, a last name and a shape."""
        return Counter(
            (key[:at], last_part(key), shape)
            for key, shape in self.shapes.items()
            for at in [0, *behind_dots(key)]
        )


_NONE = None, None  # in the place of a stem and a number, where the other name has one more


@dataclass(frozen=True)
class Numbering:
    """The numbers on both sides."""

    file: Numbered
    own: Numbered

    def count_alike(self, old: str, new: str) -> bool:
        """Do the same numbers stand in both names, behind stems with the same numbers? Else one
        may mean another layer here than there: where a list counts from 0 and the names from 1, or
        where a layer was put in front."""
        return all(
            one[1] == two[1] and self._as_many(one, two) for one, two in self._both(old, new)
        )

    def may_mean_the_same(self, old: str, new: str) -> bool:
        """Do the same numbers stand in both names, of parts of which one side has more, or none in
        one of the two, as in first.bias and 0.bias?"""
        if not (self.file.within[old] and self.own.within[new]):
            return True
        both = self._both(old, new)
        sets = [(self.file.behind(one[0]), self.own.behind(two[0])) for one, two in both]
        return all(one[1] == two[1] for one, two in both) and all(
            some <= others or others <= some for some, others in sets
        )

    def certain(self, pairs: Mapping[str, str]) -> dict[str, str]:
        """Those of the pairs that go together whatever the numbers count: they count alike, or a
        tensor of the layer is the only one of its kind."""
        layers = {_layers(*pair) for pair in pairs.items() if self._is_only_one(*pair)}
        return {
            old: new
            for old, new in pairs.items()
            if self.count_alike(old, new) or _layers(old, new) in layers
        }

    def in_order(self, old: str, new: str) -> dict[str, str]:
        """{key of the file: key of the model} for what stands behind these two stems, one number
        after the other, if that are as many parts of the same sizes."""
        sides = [sorted(self.file.parts.get(old, {}).items())]
        sides.append(sorted(self.own.parts.get(new, {}).items()))
        sizes = [
            [{rest: side.shapes[key] for rest, key in part.items()} for _, part in parts]
            for side, parts in zip((self.file, self.own), sides, strict=True)
        ]
        if sizes[0] != sizes[1]:
            return {}
        parts = zip(*sides, strict=True)
        return {key: two[rest] for (_, one), (_, two) in parts for rest, key in one.items()}

    def all_in_order(self, pairs: Mapping[str, str]) -> dict[str, str]:
        """The same for all that stands behind the stems by which these pairs of names part, where
        those are two different ones."""
        found = {}
        for stems in dict.fromkeys(self._parting(*pair) for pair in pairs.items()):
            if stems[0] != stems[1] and None not in stems:
                found |= self.in_order(*stems)
        return found

    def _both(self, old: str, new: str) -> list[tuple]:
        return [*zip_longest(self.file.within[old], self.own.within[new], fillvalue=_NONE)]

    def _as_many(self, one: tuple, two: tuple) -> bool:
        return self.file.behind(one[0]) == self.own.behind(two[0])

    def _parting(self, old: str, new: str) -> tuple[str | None, str | None]:
        for one, two in self._both(old, new):
            if one != two or not self._as_many(one, two):
                return one[0], two[0]
        return _NONE

    def _is_only_one(self, old: str, new: str) -> bool:
        """Has no other tensor, on either side, this last name and shape, of those whose names start
        with the same parts as these two?"""
        for one, two in self._both(old, new):
            if one == two and not self._as_many(one, two):
                return False  # the same start may not mean the same
        start = "".join(f"{part}." for part in old.split(".")[: shared(old, new, 1)])
        shapes = self.file.shapes[old], self.own.shapes[new]
        return all(
            side.kinds[start, last_part(key), shape] == 1
            for side, key, shape in zip((self.file, self.own), (old, new), shapes, strict=True)
        )


def _layers(old: str, new: str) -> tuple[str, str]:
    return old.rpartition(".")[0], new.rpartition(".")[0]
