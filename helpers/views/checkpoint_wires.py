"""Which key of a file reaches which key of a model, as a load finds it and after each advice.

The keys of both sides are listed once, as nodes. A stage says what becomes of them: the first is
the comparison itself, each other that of an advice which was tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from helpers.checkpoints.comparison import Comparison, Outline, Tried
from helpers.state.objects import clip, tensor_in_words
from helpers.views.signs import Sign

# Colours belong to kinds of state; what a load says has the colour of the words beside it.
STATES: dict[str, Sign] = {
    "mismatched": Sign("≠", "currentColor", "mismatched"),
    "refused": Sign("⚠", "currentColor", "refused"),
    "missing": Sign("−", "currentColor", "missing"),
    "unexpected": Sign("+", "currentColor", "unexpected"),
    "silent": Sign("~", "currentColor", "passed over"),
    "matched": Sign("✓", "currentColor", "matched"),
}
_ORDER = list(STATES)
HEADS = ("in the model", "a load says", "in the checkpoint")
_MOST = 1_000  # nodes of one side that are sent
NOTHING = -1


def states_of(found: Comparison) -> dict[str, str]:
    """What a load says of each key, what needs attention first."""
    states = dict.fromkeys(found.unexpected, "unexpected")
    states |= dict.fromkeys(found.silent, "silent") | dict.fromkeys(found.matched, "matched")
    states |= dict.fromkeys(found.missing, "missing")
    states |= {key: "mismatched" for key, *_ in found.mismatched}
    states |= {key: "refused" for key in {**found.expected, **found.found} if key not in states}
    return dict(sorted(states.items(), key=lambda pair: _ORDER.index(pair[1])))


def words_of(held: Outline | None) -> str:
    """What stands on one side; "–" for nothing."""
    if held is None or held.dtype is None:
        return "–" if held is None else clip(held.type, 80)
    return tensor_in_words(held)


@dataclass
class _Node:
    """One key of one side, under its first name. `parent`: the node that it was taken out of."""

    key: str
    words: str
    parent: int = NOTHING


@dataclass
class _Stage:
    """What stands where after some steps, by number of the node. `wire`: of each node of the model
    the one of the file with the same key; `could`: the one that reaches it after a later step."""

    fit: Comparison
    base: int
    right: dict[str, int]  # key -> node
    names: dict[int, str] = field(default_factory=dict)  # of the nodes of the file, if new
    wire: dict[int, int] = field(default_factory=dict)
    could: dict[int, int] = field(default_factory=dict)


class Wires:
    """The nodes of both sides and the stages, for as many keys as are sent."""

    def __init__(self, found: Comparison) -> None:
        self.file = [_Node(key, words_of(one)) for key, one in found.found.items()]
        self.stages = [_Stage(found, NOTHING, {key: at for at, key in enumerate(found.found)})]
        self.steps = []  # of each advice the stage after it; 0 where there is none
        base = 0
        for step in found.advice:
            self.steps.append(len(self.stages) if step.tried else 0)
            if step.tried:
                self._add(base, step.tried)
                base = base if step.is_remark else len(self.stages) - 1
        expected: dict[str, Outline] = {}
        for stage in self.stages:
            expected = stage.fit.expected | expected
        self.model = [_Node(key, words_of(one)) for key, one in expected.items()]
        for stage in self.stages:
            self._join(stage)
        for place, stage in enumerate(self.stages):
            self._hope(stage, self.stages[place + 1 :])

    def _add(self, base: int, step: Tried) -> None:
        """A stage: an entry of the file keeps its node unless several come of it."""
        before, parts, right = self.stages[base], Counter(step.origins.values()), {}
        for key, one in step.fit.found.items():
            origin = step.origins.get(key)
            node = before.right.get(origin, NOTHING)
            is_whole = origin == key or (parts[origin] == 1 and before.fit.found[origin].dtype)
            if node == NOTHING or not is_whole:
                self.file.append(_Node(key, words_of(one), node))
                node = len(self.file) - 1
            right[key] = node
        self.stages.append(_Stage(step.fit, base, right))

    def _join(self, stage: _Stage) -> None:
        for at, node in enumerate(self.model):
            if node.key in stage.right and node.key in stage.fit.expected:
                stage.wire[at] = stage.right[node.key]
        stage.names = {at: key for key, at in stage.right.items() if self.file[at].key != key}

    def _hope(self, stage: _Stage, later: Iterable[_Stage]) -> None:
        """What an advice would join, and this stage does not yet."""
        there, taken = set(stage.right.values()), set(stage.wire.values())
        for one in later:
            for at, node in one.wire.items():
                while node not in there and node != NOTHING:
                    node = self.file[node].parent
                if at not in stage.wire and node not in taken and node != NOTHING:
                    stage.could.setdefault(at, node)

    def as_json(self) -> dict:
        """Plain lists: the nodes as [key, words], the stages with a number for each node."""
        model, file = self._sent()
        return {
            "model": [[clip(self.model[at].key), self.model[at].words] for at in model],
            "file": [[clip(self.file[at].key), self.file[at].words] for at in file],
            "more": len(self.model) - len(model) + len(self.file) - len(file),
            "stages": [self._stage(stage, model, file) for stage in self.stages],
            "fits": _ORDER.index("matched"),
            "heads": HEADS,
        }

    def _sent(self) -> tuple[list[int], list[int]]:
        """The nodes that are sent: what needs attention before what fits, and what it is joined to
        before what is joined to nothing that is sent."""
        states = states_of(self.stages[0].fit)
        fits = [states.get(node.key) == "matched" for node in self.model]
        model = sorted(sorted(range(len(fits)), key=fits.__getitem__)[:_MOST])
        ways = [way for stage in self.stages for way in (stage.wire, stage.could)]
        joined = {node for way in ways for node in way.values()}
        ends = {way[at] for way in ways for at in model if at in way}
        rank = [(node in joined) - 2 * (node in ends) for node in range(len(self.file))]
        file = [at for at in range(len(rank)) if rank[at] < 1]
        return model, sorted(sorted(file, key=rank.__getitem__)[: 2 * _MOST])

    def _stage(self, stage: _Stage, model: list[int], file: list[int]) -> dict:
        states, places = states_of(stage.fit), {node: place for place, node in enumerate(file)}
        keys = {at: key for key, at in stage.right.items()}
        lefts = [self.model[at].key for at in model]
        rights = [keys.get(at) for at in file]
        return {
            "base": stage.base,
            "model": [_state(states, key, stage.fit.expected) for key in lefts],
            "file": [_state(states, key, stage.fit.found) for key in rights],
            "wire": [places.get(stage.wire.get(at), NOTHING) for at in model],
            "could": [places.get(stage.could.get(at), NOTHING) for at in model],
            "names": {places[at]: clip(key) for at, key in stage.names.items() if at in places},
            "words": [
                _changed(self.model, zip(model, lefts, strict=True), stage.fit.expected),
                _changed(self.file, zip(file, rights, strict=True), stage.fit.found),
            ],
        }


def _state(states: dict[str, str], key: str | None, side: dict[str, Outline]) -> int:
    return _ORDER.index(states[key]) if key in side else NOTHING


def _changed(
    nodes: list[_Node], keys: Iterable[tuple[int, str | None]], side: dict[str, Outline]
) -> dict[int, str]:
    """{place: words} for what has other facts than at first."""
    now = [(nodes[at].words, words_of(side.get(key))) for at, key in keys]
    return {at: new for at, (old, new) in enumerate(now) if new not in (old, "–")}
