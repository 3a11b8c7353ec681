"""Which module a trace follows: the one that it was given, or the one that the block builds."""

from __future__ import annotations

from collections.abc import Iterable
from types import FrameType

from torch import nn

from helpers.state.objects import clip, first_of, type_name
from helpers.state.walk import walk, walk_with_paths
from helpers.tracing.watch import Watch, Wording


class Following:
    """The module that is followed. Without a `given` one it is, of those that the block builds, the
    one with the most modules in it, and the first of equals: a Sequential, not a layer of it. If
    the block builds none, the same is asked of those whose methods it calls."""

    def __init__(self, given: nn.Module | None, wording: Wording) -> None:
        self._given, self._wording = given is not None, wording
        self.watches = [] if given is None else [Watch(given, wording)]
        self._met: dict[int, nn.Module] = {}
        self._built: set[int] = set()
        self._begun: FrameType | None = None  # the call in which the last one was met

    def meet(self, module: nn.Module, moment: int, frame: FrameType) -> None:
        """Take the call of a method of `module`."""
        if self._given or id(module) in self._met:
            return
        self._met[id(module)] = module
        if frame.f_code.co_name == "__init__":
            self._built.add(id(module))
        if self._begun is None or not _within(frame, self._begun):
            # It may come to hold those before it: the largest of them stays beside it.
            latest = Watch(module, self._wording, moment)
            self.watches = [one for one in (self.followed(), latest) if one]
            self._begun = frame

    def followed(self) -> Watch | None:
        """The one that is followed, as far as is known by now."""
        return max(self.watches, key=self._size, default=None)

    def _size(self, watch: Watch) -> tuple[bool, int]:
        return id(watch.module) in self._built, sum(1 for _ in walk(watch.module, times=1))


def _within(frame: FrameType | None, outer: FrameType) -> bool:
    """Whether the call `frame` was made inside the call `outer`."""
    while frame is not None and frame is not outer:
        frame = frame.f_back
    return frame is outer


def placed(modules: list[nn.Module], root: nn.Module) -> str:
    """The classes of some modules, and where each is in `root`."""
    paths: dict[int, str] = {}
    for path, part in walk_with_paths(root):
        paths.setdefault(id(part.module), f"its {path}")
    told = (f"{type_name(one)} ({paths.get(id(one), 'no part of it')})" for one in modules)
    return first_three(told)


def first_three(names: Iterable[str]) -> str:
    """Some names, each once: the first three, and how many more there are."""
    distinct = list(dict.fromkeys(clip(name, 200) for name in names))
    return first_of(distinct, 3)
