"""Where are the bytes of a module? Its tree, divided as far as the parts stay large."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from operator import add, attrgetter, sub
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


class _Portions:
    def __init__(self, module: nn.Module, census: Census) -> None:
        self.found: list[Portion] = []
        self._census = census
        self._waiting = list(census.waiting.values())
        self._sizes, self._firsts = _sizes(census), _firsts(census)
        # Of parameters, of buffers, and of the buffers that are not saved.
        (parameters, buffers), (first, second) = self._sizes, self._firsts
        unsaved = _unsaved(census, buffers, second)
        self._before = [
            _before(parameters, first),
            _before(buffers, second),
            _before(unsaved, second),
        ]
        self._all_before = list(map(add, *self._before[:2]))
        held = self._held(0, len(census.held))
        self._least = held.total() / _LEAST
        if held:
            self._divide(_Span("", "", "module", held, module, 0, len(census.held)))

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
        entered, held = self._entered(span, members)
        for (place, first, last), size in zip(entered, held, strict=True):
            if size and size >= self._least:
                where = dotted(span.id, str(len(own) + place))
                path = dotted(span.path, text(names[place]))
                kinds = self._held(first, last)
                portions.append(_Span(where, path, "module", kinds, members[place], first, last))
        return portions, sum(map(bool, sizes)) + sum(map(bool, held))

    def _sizes_in(self, span: _Span, part: Part) -> list[int]:
        """The bytes of each tensor that a module registers itself."""
        first, second = (firsts[span.first] for firsts in self._firsts)
        parameters, buffers = self._sizes
        return (
            parameters[first : first + len(part.parameters)]
            + buffers[second : second + len(part.buffers)]
        )

    def _entered(self, span: _Span, members: list) -> tuple[list[tuple[int, int, int]], list[int]]:
        """Of the submodules that come first here: the position and the span, and the bytes."""
        waiting, start, place_of = self._waiting, span.first, self._census.places.get
        turns = range(waiting[start] + len(members) - 1, waiting[start] - 1, -1)
        places = [place_of(id(member), start) for member in members]
        met = [
            at for at, place in enumerate(places) if place > start and waiting[place] == turns[at]
        ]
        firsts = [places[at] for at in met]
        lasts = [*firsts[1:], span.last]
        before = self._all_before.__getitem__
        sizes = list(map(sub, map(before, lasts), map(before, firsts))) if met else []
        return list(zip(met, firsts, lasts, strict=False)), sizes

    def _held(self, first: int, last: int) -> Counter[str]:
        parameters, buffers, unsaved = (one[last] - one[first] for one in self._before)
        return +Counter({"parameter": parameters, "buffer": buffers - unsaved, NOT_SAVED: unsaved})


def _before(sizes: list[int], firsts: list[int]) -> list[int]:
    """How many of these bytes stand before each module, whose own begin at `firsts`; and all."""
    sums = list(accumulate(sizes, initial=0))
    return list(map(sums.__getitem__, firsts))


def _firsts(census: Census) -> list[list[int]]:
    """Where the parameters of each module begin among all of them, and the end; and its buffers."""
    return [
        list(accumulate(map(len, map(attrgetter(one), census.held)), initial=0))
        for one in ("parameters", "buffers")
    ]


def _sizes(census: Census) -> list[list[int]]:
    """The bytes of each parameter and of each buffer of the census; 0 where it came before."""
    found = []
    held = zip(census.tensors, census.distinct, census.sizes, strict=True)
    for tensors, distinct, sizes in held:
        if len(sizes) < len(tensors):
            left = dict(zip(distinct, sizes, strict=True))
            sizes = [left.pop(id(one), 0) for one in tensors]
        found.append(sizes)
    return found


def _unsaved(census: Census, sizes: list[int], firsts: list[int]) -> list[int]:
    """Of the bytes of the buffers those that are not saved."""
    found = [0] * len(sizes)
    if not sizes:
        return found
    for held, first in zip(census.held, firsts, strict=False):
        names = transient_names(held.own) if held.buffers else ()
        if names:
            for at, name in enumerate(held.buffers, start=first):
                found[at] = sizes[at] if buffer_kind(text(name), names) == NOT_SAVED else 0
    return found
