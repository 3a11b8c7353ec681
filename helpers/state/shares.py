"""Where are the bytes of a module? Its tree, divided as far as the parts stay large."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import NamedTuple

from torch import nn

from helpers.state.objects import clip, text
from helpers.state.torch_private import without_torch_function
from helpers.state.totals import Census, distinct_of, sizes_of
from helpers.state.walk import (
    NOT_SAVED,
    Part,
    buffer_kind,
    dotted,
    held_by,
    read,
    transient_names,
)

_LEAST = 100  # a part that is told by name holds one of so many parts of all bytes
_LEVELS = 3  # in which a module is divided
_LONGEST = 50  # chain of modules, each of which holds little beside the next


class Share(NamedTuple):
    """A part of a module that holds a hundredth of its bytes or more.

    `id`, `path` and `kind` are those of its row in `tree`. `level` counts from 0, `start` is how
    many bytes stand before it, and `nbytes` has what it holds by kind of state. A `divided` one is
    followed by its own shares, one level on. A share without a kind is the rest of the one that is
    divided: `smaller` is how many parts that is."""

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
    """What a reader would call a span: itself, or the one share in it, that in this, and so on.

    `shares` are what it is divided into, of `count` parts; `passed` parts are on the way to it."""

    span: _Span
    shares: list[_Span]
    count: int
    passed: int


def shares_of(module: nn.Module, census: Census) -> list[Share]:
    """The shares of `module`, which `census` is of, in torch's order; [] if it holds no byte.

    Parameters and buffers count, once each, under the first name that registers them. A module is
    divided if parts of it that are shares hold half of it."""
    with without_torch_function():
        return _Shares(module, census).found


class _Shares:
    def __init__(self, module: nn.Module, census: Census) -> None:
        self.found: list[Share] = []
        self._census = census
        # Of each tensor in the two lists of the census, and how many of all stand before it.
        self._sizes = parameters, buffers = _sizes(census)
        self._before = [
            list(accumulate(sizes, initial=0))
            for sizes in (parameters, buffers, _unsaved(census, buffers))
        ]
        count = len(census.waiting)
        held = self._held(0, count)
        self._least = held.total() / _LEAST
        if held:
            self._divide(_Span("", "", "module", held, module, 0, count))

    def _divide(self, whole: _Span) -> None:
        """Add the shares of `whole`, which itself is none: it is as wide as the page."""
        span, shares, count, passed = self._look(whole)
        if shares:
            self._add_all(whole, shares, count + passed, 0, 0)
        else:
            self._add_all(whole, [span], 1 + passed, 0, 0)

    def _add_all(
        self, around: _Span, shares: list[_Span], count: int, level: int, start: int
    ) -> None:
        """Add `shares`, some of the `count` parts of `around`, and what is left of it."""
        rest = Counter(around.nbytes)
        for one in shares:
            shown, passed = self._add(one, level, start)
            count += passed - 1
            start += shown.total()
            rest -= shown
        if rest:
            self.found.append(Share(around.id, "", "", level, start, rest, smaller=count))

    def _add(self, span: _Span, level: int, start: int) -> tuple[Counter[str], int]:
        """Add a share and those in it. What it holds, and how many parts are on the way to it."""
        span, shares, count, passed = self._look(span)
        divided = bool(shares) and level + 1 < _LEVELS
        path, held = clip(span.path), span.nbytes
        self.found.append(Share(span.id, path, span.kind, level, start, held, divided))
        if divided:
            self._add_all(span, shares, count, level + 1, start)
        return held, passed

    def _look(self, span: _Span) -> _Found:
        passed = 0
        for _ in range(_LONGEST):
            if span.module is None:
                break
            shares, count = self._inside(span)
            if 2 * sum(one.nbytes.total() for one in shares) < span.nbytes.total():
                break
            if len(shares) > 1:
                return _Found(span, shares, count, passed)
            span = shares[0]
            passed += count - 1
        return _Found(span, [], 0, passed)

    def _inside(self, span: _Span) -> tuple[list[_Span], int]:
        """The shares that the module of `span` holds itself, and how many parts with a byte."""
        part = read(span.module)
        own = part.slots()
        sizes = self._sizes_in(span, part)
        shares = [
            _Span(
                dotted(span.id, str(place)),
                dotted(span.path, own[place].name),
                own[place].kind,
                Counter({own[place].kind: size}),
            )
            for place, size in enumerate(sizes)
            if size and size >= self._least
        ]
        count = sum(map(bool, sizes))
        names = list(part.modules)
        for place, module, first, last in self._entered(span, list(part.modules.values())):
            size = self._size(first, last)
            count += bool(size)
            if size and size >= self._least:
                where = dotted(span.id, str(len(own) + place))
                path = dotted(span.path, text(names[place]))
                held = self._held(first, last)
                shares.append(_Span(where, path, "module", held, module, first, last))
        return shares, count

    def _sizes_in(self, span: _Span, part: Part) -> list[int]:
        """The bytes of each tensor that a module registers itself."""
        parameters, buffers = self._sizes
        first, second = self._census.firsts[span.first]
        return (
            parameters[first : first + len(part.parameters)]
            + buffers[second : second + len(part.buffers)]
        )

    def _entered(self, span: _Span, members: list) -> list[tuple[int, nn.Module, int, int]]:
        """Of the submodules that come first here: the position, itself, and its span."""
        place, waiting = self._census.place, self._census.waiting
        ahead = waiting[span.first] + len(members)  # at its turn each member has one less
        met = []
        for position, member in enumerate(members):
            at = place.get(id(member), -1)
            if at > span.first and waiting[at] == ahead - 1 - position:
                met.append((position, member, at))
        lasts = [at for _, _, at in met[1:]] + [span.last]
        return [(*one, last) for one, last in zip(met, lasts, strict=False)]

    def _size(self, first: int, last: int) -> int:
        (one, other), (end, other_end) = self._ends(first, last)
        parameters, buffers, _ = self._before
        return parameters[end] - parameters[one] + buffers[other_end] - buffers[other]

    def _held(self, first: int, last: int) -> Counter[str]:
        (one, other), (end, other_end) = self._ends(first, last)
        parameters, buffers, unsaved = self._before
        missing = unsaved[other_end] - unsaved[other]
        return +Counter(
            {
                "parameter": parameters[end] - parameters[one],
                "buffer": buffers[other_end] - buffers[other] - missing,
                NOT_SAVED: missing,
            }
        )

    def _ends(self, first: int, last: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the tensors of the modules from `first` to `last` begin and end in the lists."""
        census = self._census
        if last < len(census.firsts):
            return census.firsts[first], census.firsts[last]
        return census.firsts[first], (len(census.parameters), len(census.buffers))


def _sizes(census: Census) -> tuple[list[int], list[int]]:
    """The bytes of each tensor in the two lists; 0 where it came before."""
    found = []
    lists = census.parameters, census.buffers
    for held, distinct in zip(lists, distinct_of(*lists), strict=True):
        sizes = sizes_of(list(distinct.values()))
        if len(sizes) < len(held):
            left = dict(zip(distinct, sizes, strict=True))
            sizes = [left.pop(id(one), 0) for one in held]
        found.append(sizes)
    return found[0], found[1]


def _unsaved(census: Census, sizes: list[int]) -> list[int]:
    """Of the bytes of the buffers those that are not saved."""
    found = [0] * len(sizes)
    for module in census.unsaved:
        own, _, buffers, _ = held_by(module)
        names = transient_names(own)
        _, first = census.firsts[census.place[id(module)]]
        for at, name in enumerate(buffers, start=first):
            found[at] = sizes[at] if buffer_kind(text(name), names) == NOT_SAVED else 0
    return found
