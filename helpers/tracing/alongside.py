"""Two traces step by step beside each other: together where they run the same lines."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from helpers.tracing.recorder import Line
from helpers.tracing.trace import Trace

_MOST_PAIRS = 250_000  # so many pairs of lines are looked at in well under a second
Moment = tuple[int, int]


def moments(left: Trace, right: Trace, most: int) -> list[Moment]:
    """The positions of both, moment by moment; -1 for one that has not begun.

    Where both run the same line of the same call path they step together. Where they do not, the
    left one goes its way first, and the right one waits. Of each at most `most` lines are looked
    at."""
    ways = [[_key(line) for line in one.recording.lines[:most]] for one in (left, right)]
    found: list[Moment] = []
    at = [-1, -1]
    for same in _in_common(*ways):
        for side in (0, 1):
            while at[side] + 1 < same[side]:
                at[side] += 1
                found.append((at[0], at[1]))
        if same != (len(ways[0]), len(ways[1])):
            at = list(same)
            found.append(same)
    return found


def _key(line: Line) -> tuple:
    return line.number, line.stack, line.source


def _in_common(left: Sequence[tuple], right: Sequence[tuple]) -> list[Moment]:
    """The pairs of places at which the two do the same, in order, and both ends."""
    start, shorter = 0, min(len(left), len(right))
    while start < shorter and left[start] == right[start]:
        start += 1
    pairs = [(at, at) for at in range(start)]
    rest = left[start:], right[start:]
    if len(rest[0]) * len(rest[1]) <= _MOST_PAIRS:
        blocks = SequenceMatcher(None, *rest, autojunk=False).get_matching_blocks()
        pairs += [(start + a + i, start + b + i) for a, b, size in blocks for i in range(size)]
    return [*pairs, (len(left), len(right))]
