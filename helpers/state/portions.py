"""Where are the bytes of a module? Its tree, divided as far as the parts stay large."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, repeat
from operator import add, sub
from typing import NamedTuple

from torch import nn

from helpers.state.objects import clip, text
from helpers.state.torch_private import without_torch_function
from helpers.state.totals import Census
from helpers.state.walk import (
    NOT_SAVED,
    Part,
    buffer_kind,
    dotted,
    transient_names,
)

_LEAST = 100  # a part that is told by name holds one of so many parts of all bytes
_LEVELS = 3  # in which a module is divided
_LONGEST = 50  # chain of modules, each of which holds little beside the next


class Portion(NamedTuple):
    """A part of a module that holds a hundredth of its bytes or more.

    `id`, `path` and `kind` are those of its row in `tree`. `level` counts from 0, `start` is how
    many bytes stand before it, and `nbytes` has what it holds by kind of state. A `divided` one is
    followed by its own portions, one level on. A portion without a kind is the rest of the one that
    is divided: `smaller` is how many parts that is."""

    id: str
    path: str
    kind: str
    level: int
    start: int
    nbytes: Counter[str]
    divided: bool = False
    smaller: int = 0


class _Span(NamedTuple):
    """A tensor, or the modules from place `first` to `last` of the census: the first and what is
    in it."""

    id: str
    path: str
    kind: str
    nbytes: Counter[str]
    module: nn.Module | None = None
    first: int = 0
    last: int = 0


class _Found(NamedTuple):
    """What a reader would call a span: itself, or the one portion in it, that in this, and so on.

    `portions` are what it is divided into, of `count` parts; `passed` are on the way to it."""

    span: _Span
    portions: list[_Span]
    count: int
    passed: int


def portions_of(module: nn.Module, census: Census) -> list[Portion]:
    """The portions of `module`, which `census` is of, in torch's order; [] if it holds no byte.

    Parameters and buffers count, once each, under the first name that registers them. A module is
    divided if parts of it that are portions hold half of it."""
    with without_torch_function():
        return _Portions(module, census).found


class _Members(NamedTuple):
    """The submodules of a module that come first there: their `positions` among its submodules, the
    `bounds` of each in the census (it ends where the next begins), and the bytes of each."""

    positions: list[int]
    bounds: list[int]
    sizes: list[int]


class _Bytes:
    """The bytes of the tensors of one kind: the `sizes` of them, one module of the census after the
    other, and at which of them each module begins (`firsts`, with the end).

    `held` has the tensors that each module registers itself."""

    def __init__(self, sizes: list[int], held: list[dict]) -> None:
        self.sizes = sizes
        counts = map(len, held) if sizes else repeat(0, len(held))
        self.firsts = list(accumulate(counts, initial=0))
        self._sums = list(accumulate(sizes, initial=0))

    def own(self, place: int, count: int) -> list[int]:
        """Of each of the `count` tensors that the module at `place` registers itself."""
        first = self.firsts[place]
        return self.sizes[first : first + count]

    def before(self, places: list[int]) -> list[int]:
        """How many stand before the modules at these places."""
        return list(map(self._sums.__getitem__, map(self.firsts.__getitem__, places)))

    def between(self, first: int, last: int) -> int:
        return self._sums[self.firsts[last]] - self._sums[self.firsts[first]]


class _Portions:
    def __init__(self, module: nn.Module, census: Census) -> None:
        self.found: list[Portion] = []
        self._census = census
        self._waiting = list(census.waiting.values())
        first, second = _sizes(census)
        self._parameters = _Bytes(first, census.parameters)
        self._buffers = _Bytes(second, census.buffers)
        self._unsaved = _Bytes(_unsaved(census, self._buffers), census.buffers)
        held = self._held(0, len(census))
        self._least = held.total() / _LEAST
        if held:
            self._divide(_Span("", "", "module", held, module, 0, len(census)))

    def _divide(self, whole: _Span) -> None:
        """Add the portions of `whole`, which itself is none: it is as wide as the page."""
        found = self._look(whole)
        if found.portions:
            portions = [self._look(one) for one in found.portions]
            self._add_all(whole, portions, found.count + found.passed, 0, 0)
        else:
            self._add_all(whole, [found], 1, 0, 0)

    def _add_all(
        self, around: _Span, portions: list[_Found], count: int, level: int, start: int
    ) -> None:
        """Add `portions`, some of the `count` parts of `around`, and what is left of it."""
        rest = Counter(around.nbytes)
        for one in portions:
            self._add(one, level, start)
            count += one.passed - 1
            start += one.span.nbytes.total()
            rest -= one.span.nbytes
        if rest:
            self.found.append(Portion(around.id, "", "", level, start, rest, smaller=count))

    def _add(self, found: _Found, level: int, start: int) -> None:
        """Add a portion and those in it."""
        span, divided = found.span, bool(found.portions) and level + 1 < _LEVELS
        path, held = clip(span.path), span.nbytes
        self.found.append(Portion(span.id, path, span.kind, level, start, held, divided))
        if divided:
            portions = [self._look(one) for one in found.portions]
            self._add_all(span, portions, found.count, level + 1, start)

    def _look(self, span: _Span) -> _Found:
        passed = 0
        for _ in range(_LONGEST):
            if span.module is None:
                break
            portions, count = self._inside(span)
            if 2 * sum(one.nbytes.total() for one in portions) < span.nbytes.total():
                break
            if len(portions) > 1:
                return _Found(span, portions, count, passed)
            span = portions[0]
            passed += count - 1
        return _Found(span, [], 0, passed)

    def _inside(self, span: _Span) -> tuple[list[_Span], int]:
        """The portions that the module of `span` holds itself, and how many parts with a byte."""
        part = self._census.part(span.module)
        own = part.slots()
        sizes = self._sizes_in(span, part)
        portions = [
            _Span(
                dotted(span.id, str(place)),
                dotted(span.path, own[place].name),
                own[place].kind,
                Counter({own[place].kind: size}),
            )
            for place, size in enumerate(sizes)
            if size and size >= self._least
        ]
        names, members = list(part.modules), list(part.modules.values())
        met = self._met_in(span, members)
        large = [at for at, size in enumerate(met.sizes) if size >= self._least]
        for at in large:
            place, first, last = met.positions[at], met.bounds[at], met.bounds[at + 1]
            where = dotted(span.id, str(len(own) + place))
            path = dotted(span.path, text(names[place]))
            kinds = self._held(first, last)
            portions.append(_Span(where, path, "module", kinds, members[place], first, last))
        count = len(sizes) - sizes.count(0) + len(met.sizes) - met.sizes.count(0)
        return portions, count

    def _sizes_in(self, span: _Span, part: Part) -> list[int]:
        """The bytes of each tensor that a module registers itself."""
        parameters = self._parameters.own(span.first, len(part.parameters))
        return parameters + self._buffers.own(span.first, len(part.buffers))

    def _met_in(self, span: _Span, members: list) -> _Members:
        waiting, start = self._waiting, span.first
        turns = range(waiting[start] + len(members) - 1, waiting[start] - 1, -1)
        places = list(map(self._census.places.get, map(id, members), repeat(start)))
        positions = [
            at for at, place in enumerate(places) if place > start and waiting[place] == turns[at]
        ]
        bounds = [*map(places.__getitem__, positions), span.last]
        before = self._bytes_before(bounds)
        return _Members(positions, bounds, list(map(sub, before[1:], before)))

    def _bytes_before(self, places: list[int]) -> list[int]:
        kinds = [one.before(places) for one in (self._parameters, self._buffers) if one.sizes]
        return list(map(add, *kinds)) if len(kinds) > 1 else kinds[0]

    def _held(self, first: int, last: int) -> Counter[str]:
        kinds = (self._parameters, self._buffers, self._unsaved)
        parameters, buffers, unsaved = (one.between(first, last) for one in kinds)
        return +Counter({"parameter": parameters, "buffer": buffers - unsaved, NOT_SAVED: unsaved})


def _sizes(census: Census) -> list[list[int]]:
    """The bytes of each parameter and of each buffer of the census; 0 where it came before."""
    found = []
    for tensors, distinct, sums in zip(census.tensors, census.distinct, census.sums, strict=True):
        sizes = sums.sizes
        if len(sizes) < len(tensors):
            left = dict(zip(distinct, sizes, strict=True))
            sizes = [left.pop(id(one), 0) for one in tensors]
        found.append(sizes)
    return found


def _unsaved(census: Census, buffers: _Bytes) -> list[int]:
    """Of the bytes of the buffers those that are not saved."""
    found = [0] * len(buffers.sizes)
    if not found:
        return found
    for own, held, first in zip(census.own, census.buffers, buffers.firsts, strict=False):
        names = transient_names(own) if held else ()
        if names:
            for at, name in enumerate(held, start=first):
                kind = buffer_kind(text(name), names)
                found[at] = buffers.sizes[at] if kind == NOT_SAVED else 0
    return found
