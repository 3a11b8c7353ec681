"""Where are the bytes of a module? Its tree, divided as far as the parts stay large."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from operator import add
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


class _Bytes:
    """The bytes of the tensors of one kind: the `sizes` of them, one module of the census after the
    other, and how many bytes stand `before` each module and before the end.

    `counts` has how many tensors each module registers itself."""

    def __init__(self, sizes: list[int], counts: list[int]) -> None:
        self.sizes = sizes
        self.before = self._firsts = [0] * (len(counts) + 1)
        if sizes:
            self._firsts = list(accumulate(counts, initial=0))
            sums = list(accumulate(sizes, initial=0))
            self.before = list(map(sums.__getitem__, self._firsts))

    def own(self, place: int, count: int) -> list[int]:
        """Of each of the `count` tensors that the module at `place` registers itself."""
        first = self._firsts[place]
        return self.sizes[first : first + count]

    def between(self, first: int, last: int) -> int:
        return self.before[last] - self.before[first]


class _Portions:
    def __init__(self, module: nn.Module, census: Census) -> None:
        self.found: list[Portion] = []
        self._census = census
        first, second = _sizes(census)
        counts = [0] * len(census)
        for place, _, buffers in census.buffered:
            counts[place] = len(buffers)
        self._parameters = _Bytes(first, census.counts)
        self._buffers = _Bytes(second, counts)
        self._unsaved = _Bytes(_unsaved(census, second), counts)
        held = self._held(0, len(census))
        self._least = held.total() / _LEAST
        kinds = [one.before for one in (self._parameters, self._buffers) if one.sizes]
        if held:
            self._before = list(map(add, *kinds)) if len(kinds) > 1 else kinds[0]
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
        large, count = self._large_in(span, members)
        for at, first, last in large:
            where = dotted(span.id, str(len(own) + at))
            path = dotted(span.path, text(names[at]))
            kinds = self._held(first, last)
            portions.append(_Span(where, path, "module", kinds, members[at], first, last))
        return portions, len(sizes) - sizes.count(0) + count

    def _sizes_in(self, span: _Span, part: Part) -> list[int]:
        """The bytes of each tensor that a module registers itself."""
        parameters = self._parameters.own(span.first, len(part.parameters))
        return parameters + self._buffers.own(span.first, len(part.buffers))

    def _large_in(self, span: _Span, members: list) -> tuple[list[tuple[int, int, int]], int]:
        """Of the `members` of a module, those that come first there: of each that is a portion its
        position, its place in the census and where it ends there; and how many have a byte."""
        modules, ends, before = self._census.modules, self._census.ends, self._before
        least, stop, large, count = self._least, span.last, [], 0
        first = span.first + 1
        for at, member in enumerate(members):
            if first < stop and modules[first] is member:
                last = ends.get(first, first + 1)
                size = before[last] - before[first]
                if size:
                    count += 1
                    if size >= least:
                        large.append((at, first, last))
                first = last
        return large, count

    def _held(self, first: int, last: int) -> Counter[str]:
        kinds = (self._parameters, self._buffers, self._unsaved)
        parameters, buffers, unsaved = (one.between(first, last) for one in kinds)
        return +Counter({"parameter": parameters, "buffer": buffers - unsaved, NOT_SAVED: unsaved})


def _sizes(census: Census) -> list[list[int]]:
    """The bytes of each parameter and of each buffer of the census; 0 where it came before."""
    found = []
    registered = (census.parameters, census.buffers)
    for tensors, distinct, sums in zip(registered, census.distinct, census.sums, strict=True):
        sizes = sums.sizes
        if len(sizes) < len(tensors):
            left = dict(zip(distinct, sizes, strict=True))
            sizes = [left.pop(id(one), 0) for one in tensors]
        found.append(sizes)
    return found


def _unsaved(census: Census, sizes: list[int]) -> list[int]:
    """Of the bytes of the buffers those that are not saved."""
    found, at = [], iter(sizes)
    for _, own, held in census.buffered:
        names = transient_names(own)
        kinds = [buffer_kind(text(name), names) for name in held]
        found += [size if kind == NOT_SAVED else 0 for kind, size in zip(kinds, at, strict=False)]
    return found
