"""Names and the memory that they reach, frame by frame: wires from the ones to the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import anywidget
from traitlets import Dict

from helpers.state.memory_blocks import BlockPart
from helpers.state.memory_film import Block, Frame, MemoryFilm, Reached
from helpers.state.objects import (
    brief,
    bytes_in_words,
    clip,
    counted,
    dtype_in_words,
    first_of,
    tensor_in_words,
)
from helpers.state.reach import require_source
from helpers.state.table import Table
from helpers.views import ThreeFaces, front_end
from helpers.views.markup import CODE, SOFT, Markup, face, grid, join, mark, rest, soft, tag
from helpers.views.signs import AS_JSON, SIGNS

_MOST_FRAMES, _MOST_COLUMNS, _LONGEST = 100, 6, 120
_MOST_NAMES, _MOST_LETTERS = 2, 8  # in one line of words
_START = "at first"
_STATES = {"freed": "freed", "unreached": "no name here leads to it"}


class MemoryMap(ThreeFaces, anywidget.AnyWidget):
    """Which names reach which block of memory, and what becomes of the numbers there: a film.

    Give what to watch under its own name, `film = MemoryMap(model=model, saved=saved)`: modules,
    state_dicts and other dicts, lists, tensors, optimizers. `film.note("after step()")` adds a
    frame, also to the view on the page. A block is what torch calls a storage, and two names share
    memory if they lead to one block; a view of a part of it leads to that part, and one that reads
    the same bytes in another way, as `w.t()` does, to a part with its own numbers.

    A frame compares bytes: it says "other numbers" of a write however it was made. A tensor that is
    large is not read to the end, nor one whose class hides its numbers; the frame says that too.

    Where several names have the same words, as keys that are no text may, those after the first
    are numbered, "ema[Parameter] (2)".

    The film keeps facts. What it watches it holds weakly: what you delete is gone, and the next
    frame says so, as it does of what was made in the call alone. Only a plain dict, list or tuple
    is held, since Python has no weak reference to one: until the next frame after you have let go
    of it, or until `close()`. When a name of yours comes to stand for another object, give it
    again: `film.note("loaded", saved=saved)`.

    TypeError: something that holds no tensors, or that comes without a name."""

    _esm, _css = front_end("memory_map")

    film = Dict().tag(sync=True)
    signs = Dict(AS_JSON).tag(sync=True)

    def __init__(self, /, *unnamed: object, **sources: object) -> None:
        self._film = MemoryFilm()
        if unnamed or not sources:
            got = f"got {brief(unnamed[0])} without one" if unnamed else "got nothing"
            advice = "by its name, such as MemoryMap(model=model, saved=saved)"
            raise TypeError(f"MemoryMap() takes what it should watch {advice}; {got}.")
        self._look(_START, sources)
        super().__init__(film=_as_json(self._film))

    def note(self, words: str, /, **sources: object) -> None:
        """Add a frame called `words`: how things stand now. `sources` are watched from now on.

        TypeError: `words` is no str, or a source holds no tensors. ValueError: the film is full, or
        closed."""
        if not isinstance(words, str):
            raise TypeError(f"note() takes the name of a frame, a str, got {brief(words)}.")
        if not self._film.sources:
            raise ValueError("this MemoryMap is closed; make a new one")
        if len(self.frames) == _MOST_FRAMES:
            raise ValueError(f"a MemoryMap has {_MOST_FRAMES} frames at most; make a new one")
        self._look(words, sources)
        self.film = _as_json(self._film)

    def _look(self, words: str, sources: dict[str, object]) -> None:
        for name, thing in sources.items():
            require_source(thing, name, "MemoryMap")
        for name, thing in sources.items():
            self._film.watch(name, thing)
        self._film.look(words)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames as facts: of each its `names`, and the `blocks` that they reach."""
        return tuple(self._film.frames)

    def block(self, name: str, frame: int = -1) -> str | None:
        """The letter of the block that `name` reaches in a frame, the last if none is given; None
        if it reaches none. KeyError where the frame has no such name."""
        return self.frames[frame].names[name].block

    def close(self) -> None:
        """Take the map off the page, and let go of what it watches."""
        super().close()
        self._film.sources.clear()

    def title(self) -> str:
        shown, left_out = self._frames_shown()
        told = [f"{clip(self.frames[at].words, _LONGEST)}: {self._said(at)}" for at in shown]
        if left_out:
            told.insert(1, "…")
        return f"MemoryMap, {counted(len(self.frames), 'frame')}: {'; '.join(told)}"

    def static_face(self) -> Markup:
        """The frames as a table: a row for each name, in each frame its block and the numbers."""
        shown, left_out = self._frames_shown()
        frames = [self.frames[at] for at in shown]
        heads = ["name", *(clip(frame.words, _LONGEST) for frame in frames)]
        rows = (
            [_name(name, self.frames), *(_cell(name, one) for one in frames)]
            for name in self._film.shown
        )
        return face(
            "memory",
            grid(heads, rows, keeps_first=True),
            *(soft(line) for line in _left_out(self.frames[-1])),
            rest(left_out, "frame between", "frames between"),
            soft(
                "A letter is a block of memory: names with the same letter share it. In bold, the "
                "numbers that have changed."
            ),
        )

    def _frames_shown(self) -> tuple[list[int], int]:
        """The first frame and the last ones, and how many are left out between them."""
        left_out = max(0, len(self.frames) - _MOST_COLUMNS)
        return [0, *range(left_out + 1, len(self.frames))], left_out

    def _said(self, at: int) -> str:
        return said(self.frames[at], self.frames[at - 1] if at else None)


# --- in words ---


def _counts(frame: Frame) -> tuple[str, str]:
    blocks = sum(block.state == "held" for block in frame.blocks.values())
    return counted(len(frame.names), "name"), counted(blocks, "block")


def said(frame: Frame, earlier: Frame | None) -> str:
    """What a frame brings, in words."""
    if earlier is None:
        return "{} and {} of memory".format(*_counts(frame))
    news = [*_changes(frame), *_moves(frame, earlier), *_ends(frame, earlier)]
    return ", ".join([*(news or ["no change seen"]), *_unread(frame, earlier)])


def _changes(frame: Frame) -> Iterator[str]:
    touched = [
        letter
        for letter, block in frame.blocks.items()
        if any(part.touched for part in block.parts)
    ]
    if touched:
        yield f"other numbers in {first_of(touched, _MOST_LETTERS)}"


def _unread(frame: Frame, earlier: Frame) -> Iterator[str]:
    """Where a change may have gone unseen: too large a tensor, or one of a class of its own."""
    unread = [
        letter
        for letter, block in frame.blocks.items()
        if letter in earlier.blocks and any(part.mark is None for part in block.parts)
    ]
    if unread:
        yield f"not read to the end: {first_of(unread, _MOST_LETTERS)}"


def _moves(frame: Frame, earlier: Frame) -> Iterator[str]:
    moved, late, old, new = [], [], [], []
    known = {*earlier.blocks, *(frame.names[name].block for name in frame.late)}
    for name, one in frame.names.items():
        words, block = clip(name, _LONGEST), one.block or "–"
        before = earlier.names.get(name)
        if name in frame.late:
            late.append(f"{words} ({block})")
        elif before is None:
            (old if one.block in known else new).append(f"{words} ({block})")
        elif before.block != one.block:
            moved.append(f"{words} from {before.block or '–'} to {block}")
    if moved:
        yield first_of(moved, _MOST_NAMES)
    if late:
        yield f"left out before: {first_of(late, _MOST_NAMES)}"
    if old:
        yield f"new names of old memory: {first_of(old, _MOST_NAMES)}"
    if new:
        yield f"new names, with memory of their own: {first_of(new, _MOST_NAMES)}"


def _ends(frame: Frame, earlier: Frame) -> Iterator[str]:
    gone = [clip(name, _LONGEST) for name in earlier.names if name not in frame.names]
    if gone:
        yield f"gone: {first_of(gone, _MOST_NAMES)}"
    for state, words in _STATES.items():
        now = [
            letter
            for letter, block in frame.blocks.items()
            if block.state == state and earlier.blocks[letter].state != state
        ]
        if now:
            yield f"{words}: {first_of(now, _MOST_LETTERS)}"


def _left_out(frame: Frame) -> list[str]:
    """What the map has no row for."""
    return [
        f"{clip(source, _LONGEST)}: +{counted(count, 'more name')}"
        for source, count in frame.more.items()
    ]


def _place(part: BlockPart, block: Block) -> str:
    """Which bytes of the block a part has, "" for all of them; and as what they are read, where
    others read theirs as something else."""
    words = f"{'' if part.dense else 'some of '}bytes {part.first:,} to {part.last:,}"
    if not part.count:
        words = "no bytes"
    elif part.dense and part.last - part.first + 1 == block.nbytes:
        words = ""
    reading = ", ".join(_reading(part, block))
    return f"{words or 'all bytes'}, {reading}" if reading else words


def _reading(part: BlockPart, block: Block) -> Iterator[str]:
    if len({one.dtype for one in block.parts}) > 1:
        yield f"as {dtype_in_words(part.dtype)}"
    # Else it is the way of the only one that reads these bytes, and nothing to be told from it.
    same = [one for one in block.parts if one.elements == part.elements]
    if part.conjugate and not all(one.conjugate for one in same):
        yield "conjugate"
    if part.negated and not all(one.negated for one in same):
        yield "negated"
    if part.order != part.steps and len({one.order for one in same}) > 1:
        yield "not in the order of memory"


# --- the static face ---


def _name(name: str, frames: list[Frame]) -> Markup:
    last = next(frame.names[name] for frame in reversed(frames) if name in frame.names)
    words = tag("span", clip(name, _LONGEST), style=CODE)
    return tag("div", mark(SIGNS[last.kind]), words, style="min-width:17em")


def _cell(name: str, frame: Frame) -> Markup:
    one = frame.names.get(name)
    if one is None:
        return tag("span", "–", title="not there", style=SOFT)
    if one.block is None:
        return tag("span", one.why, style=SOFT)
    block = frame.blocks[one.block]
    part = block.parts[one.part]
    numbers = [
        tag("b", number) if at in part.changed else number for at, number in enumerate(part.numbers)
    ]
    if part.count > len(numbers) and numbers:
        numbers.append(tag("b", "…") if part.touched and not part.changed else "…")
    shown = tag("span", *_spaced(numbers or [part.why]), style=SOFT if part.why else None)
    return join([tag("b", one.block), ": ", shown, _extra(_place(part, block))])


def _extra(words: str) -> Markup | str:
    return tag("div", words, style=f"{SOFT};font-size:0.9em") if words else ""


def _spaced(parts: list) -> list:
    return [one for part in parts for one in (" ", part)][1:]


# --- the live face ---


class _Part(NamedTuple):
    """A part of a block. `bar`: where it begins and ends, as shares; () for the whole block."""

    numbers: tuple[str, ...]
    changed: tuple[int, ...]
    touched: bool
    more: bool
    why: str
    words: str
    bar: tuple[float, ...]


class _Block(NamedTuple):
    size: str
    state: str
    words: str
    parts: tuple[_Part, ...]


_RECORDS = {"views": Reached, "blocks": _Block, "parts": _Part}


def _as_json(film: MemoryFilm) -> dict:
    """The film as the browser gets it. `frames` refer by place to the tables `views`, facts of a
    name with its tensor in words, and `blocks`, so that what stays is sent once; -1 is what is not
    there. Of each name `sources` has the place of its source."""
    views, blocks, frames = Table(), Table(), []
    letters = list(film.frames[-1].blocks)
    earlier = None
    for frame in film.frames:
        here = [frame.names.get(name) for name in film.shown]
        held = [frame.blocks.get(letter) for letter in letters]
        frames.append(
            {
                "words": clip(frame.words, _LONGEST),
                "said": said(frame, earlier),
                "names": [-1 if one is None else views[_told(one)] for one in here],
                "blocks": [-1 if one is None else blocks[_block(one)] for one in held],
                "more": _left_out(frame),
            }
        )
        earlier = frame
    sources = list(dict.fromkeys(film.shown.values()))
    return {
        "names": [clip(name) for name in film.shown],
        "sources": [sources.index(one) for one in film.shown.values()],
        "letters": letters,
        "views": list(views),
        "blocks": list(blocks),
        "frames": frames,
        "fields": {table: record._fields for table, record in _RECORDS.items()},
    }


def _told(one: Reached) -> Reached:
    return one._replace(tensor=tensor_in_words(one.tensor))


def _block(block: Block) -> _Block:
    parts = tuple(_part(part, block) for part in block.parts)
    return _Block(bytes_in_words(block.nbytes), block.state, _STATES.get(block.state, ""), parts)


def _part(part: BlockPart, block: Block) -> _Part:
    ends = (part.first / block.nbytes, (part.last + 1) / block.nbytes) if block.nbytes else (0, 0)
    words = _place(part, block)
    bar = tuple(round(end, 4) for end in ends) if words else ()
    more = part.count > len(part.numbers)
    return _Part(part.numbers, part.changed, part.touched, more, part.why, words, bar)
