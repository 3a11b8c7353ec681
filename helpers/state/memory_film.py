"""Memory over time: in each frame, which names reach which block, and what lies there.

A frame holds facts, no tensor; what is looked at again is held weakly."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import torch

from helpers.state.memory_blocks import BlockPart, grounds, part_of, why_no_block
from helpers.state.objects import Facts, facts
from helpers.state.reach import Name, Watched, names
from helpers.state.torch_private import (
    storage_address,
    storage_of,
    weak_storage,
    without_torch_function,
)

MOST_NEW, MOST_NAMES = 32, 64  # names that one frame may add, and that a film may show


class Block(NamedTuple):
    """A piece of memory: its size in bytes, and its parts that names reach, by where they begin.

    `state` is "held"; "unreached" if no name of the film leads there, though something keeps it;
    or "freed"."""

    nbytes: int
    parts: tuple[BlockPart, ...]
    state: str = "held"


class Reached(NamedTuple):
    """A name in one frame: its kind, its tensor's facts, the letter of the block that it reaches,
    and the position of the part. Without memory to speak of both are None, and `why` says why."""

    kind: str
    tensor: Facts
    block: str | None
    part: int | None
    why: str


@dataclass(frozen=True)
class Frame:
    """How things stood when it was taken: `names` by their words, `blocks` by their letters.

    `more` says how many names of each source are not shown. `late` are the names that stood in the
    frame before, too, which did not show them."""

    words: str
    names: dict[str, Reached]
    blocks: dict[str, Block]
    more: dict[str, int]
    late: frozenset[str]


class MemoryFilm:
    """The frames that `look` takes of what is watched."""

    def __init__(self) -> None:
        self.sources: dict[str, Watched] = {}
        self.frames: list[Frame] = []
        self.shown: dict[str, str] = {}  # the names of all frames, in their order -> the source
        self._left_out: frozenset[str] = frozenset()  # the names that the last frame does not show
        self._letters: dict[int, str] = {}  # address of a storage -> the letter of its block
        # letter -> its storages, held weakly: so no other storage gets the same address
        self._storages: dict[str, list] = defaultdict(list)

    def watch(self, name: str, thing: object) -> None:
        """Look at `thing` under `name` from now on, in the place of what stood there."""
        self.sources[name] = Watched(thing)

    def look(self, words: str) -> Frame:
        """Take a frame."""
        found: dict[str, tuple[str, Name]] = {}
        # Keys that are no text, or long text, may be shown alike, and an attribute may hide a
        # parameter: their names are numbered.
        alike: Counter[str] = Counter()
        with without_torch_function():
            for source, held in self.sources.items():
                thing = held.get()
                if thing is None:
                    continue
                for one in names(thing, source):
                    key = one.words
                    while key in found:
                        alike[one.words] += 1
                        key = f"{one.words} ({alike[one.words] + 1})"
                    found[key] = source, one._replace(words=key)
            kept = self._choose([one for _, one in found.values()])
            more = Counter(source for key, (source, _) in found.items() if key not in kept)
            reached, blocks = self._reach([one for key, (_, one) in found.items() if key in kept])
        self.shown |= {key: found[key][0] for key in reached}
        late = self._left_out & reached.keys()
        self._left_out = frozenset(found.keys() - reached.keys())
        self.frames.append(Frame(words, reached, blocks, dict(more), late))
        return self.frames[-1]

    def _choose(self, found: list[Name]) -> set[str]:
        """The names to show: those of before; of the new ones first those that share their memory
        with most. One that was left out before comes only with a new name of its memory."""
        by_memory = defaultdict(list)
        for one in found:
            # What has no memory shares none.
            by_memory[storage_address(one.tensor) or one.words].append(one.words)
        before = self.shown.keys() | self._left_out
        fresh = [group for group in by_memory.values() if not before.issuperset(group)]
        groups = sorted(fresh, key=len, reverse=True)
        new = [words for group in groups for words in group if words not in self.shown]
        room = min(MOST_NEW, MOST_NAMES - len(self.shown))
        return {*self.shown, *new[: max(0, room)]}

    def _reach(self, found: list[Name]) -> tuple[dict[str, Reached], dict[str, Block]]:
        """What the names reach, and the blocks of this frame and of those before."""
        lacking = {one.words: why_no_block(one.tensor) for one in found}
        placed = grounds(one.tensor for one in found if not lacking[one.words])
        sizes: dict[str, int] = defaultdict(int)
        parts: dict[str, dict[tuple, BlockPart]] = defaultdict(dict)
        where = {}
        for words, _, tensor in found:
            if lacking[words]:
                continue
            ground = placed[storage_address(tensor)]
            letter = self._letter(tensor, ground.storages)
            part = part_of(tensor, ground)
            parts[letter].setdefault(part.place, part)
            sizes[letter] = max(sizes[letter], ground.shift + storage_of(tensor).nbytes())
            where[words] = letter, part.place
        reached = {}
        for words, kind, tensor in found:
            letter, place = where.get(words, (None, None))
            at = None if letter is None else sorted(parts[letter]).index(place)
            reached[words] = Reached(kind, facts(tensor), letter, at, lacking[words])
        blocks = {letter: self._block(letter, sizes, parts) for letter in self._storages}
        return reached, blocks

    def _letter(self, tensor: torch.Tensor, storages: tuple[int, ...]) -> str:
        """The letter of the block over these storages, in which the tensor's own is."""
        known = (self._letters[one] for one in storages if one in self._letters)
        letter = next(known, None) or _letter_at(len(self._storages))
        own = storage_address(tensor)
        if own not in self._letters:
            self._letters[own] = letter
            self._storages[letter].append(weak_storage(tensor))
        return letter

    def _block(self, letter: str, sizes: dict, parts: dict) -> Block:
        earlier = self.frames[-1].blocks.get(letter) if self.frames else None
        if letter not in parts:
            alive = not all(storage.expired() for storage in self._storages[letter])
            return Block(earlier.nbytes if earlier else 0, (), "unreached" if alive else "freed")
        before = earlier.parts if earlier else ()
        now = [parts[letter][place] for place in sorted(parts[letter])]
        return Block(sizes[letter], tuple(part.after(before) for part in now))


def _letter_at(place: int) -> str:
    """A to Z, then A2 to Z2, and so on."""
    turn, at = divmod(place, 26)
    return chr(ord("A") + at) + (str(turn + 1) if turn else "")
