"""How a checkpoint fits a model: the keys of both, wired; an advice is applied in the browser."""

from __future__ import annotations

from collections import Counter

import anywidget
from traitlets import Dict, List

from helpers.checkpoints.comparison import Advice, Comparison
from helpers.state.objects import clip, type_name
from helpers.views import ThreeFaces, front_end
from helpers.views.checkpoint_wires import HEADS, STATES, Wires, states_of, words_of
from helpers.views.markup import (
    CODE,
    Markup,
    face,
    fold,
    grid,
    join,
    mark,
    rest,
    soft,
    tag,
)

_ROWS, _CODE = 60, 3_000
_PRE = "margin:0.3em 0;font-family:monospace;white-space:pre-wrap"


class CheckpointTable(ThreeFaces, anywidget.AnyWidget):
    """What a load would do with each key: the model's keys and those of the checkpoint, a line
    between what fits or could fit, and advice that can be applied.

    `comparison` is what `compare_checkpoint(module, state_dict)` returned; TypeError for anything
    else. What comes of an advice was tried on a stand-in: to apply it shows that, and loads
    nothing. In a large model what fits is folded; a filter finds keys. The view keeps text and
    numbers only. Where nothing runs it is a table, what needs attention first."""

    _esm, _css = front_end("checkpoint_table")

    fit = Dict().tag(sync=True)
    signs = List([sign.as_json() for sign in STATES.values()]).tag(sync=True)

    def __init__(self, comparison: Comparison) -> None:
        if not isinstance(comparison, Comparison):
            advice = "pass compare_checkpoint(module, state_dict)"
            raise TypeError(
                f"CheckpointTable() takes a Comparison, got {type_name(comparison)}; {advice}."
            )
        self._found, wires = comparison, Wires(comparison)
        steps = zip(comparison.advice, wires.steps, strict=True)
        made = {
            **wires.as_json(),
            "said": [_said(stage.fit) for stage in wires.stages],
            "notes": [_notes(stage.fit) for stage in wires.stages],
            "advice": [_advice(step, stage) for step, stage in steps],
        }
        super().__init__(fit=made)

    def title(self) -> str:
        return f"CheckpointTable: {_said(self._found)}"

    def static_face(self) -> Markup:
        """The rows that need attention, and in a fold those that match, each cut with the rest
        counted.
        """
        states = states_of(self._found)
        fits = [key for key, state in states.items() if state == "matched"]
        trouble = [key for key, state in states.items() if state != "matched"]
        matched = fold(f"{len(fits):,} matched", self._rows(fits, states)) if fits else ""
        return face(
            "fit",
            tag("div", _said(self._found), style="font-weight:600"),
            *(_step(_advice(step, 0)) for step in self._found.advice),
            *map(soft, _notes(self._found)),
            self._rows(trouble, states) if trouble else "",
            matched,
        )

    def _rows(self, keys: list[str], states: dict[str, str]) -> Markup:
        rows = []
        for key in keys[:_ROWS]:
            sign, sides = STATES[states[key]], (self._found.expected, self._found.found)
            said = join([mark(sign), sign.label])
            model, file = (words_of(side.get(key)) for side in sides)
            rows.append([tag("span", clip(key), style=CODE), said, model, file])
        model, said, file = HEADS
        return join([grid(("key", said, model, file), rows), rest(len(keys) - _ROWS, "key")])


def _step(advice: dict) -> Markup:
    code = tag("pre", advice["code"], style=_PRE)
    return tag("div", advice["words"], code, advice["enough"], style="margin-top:0.6em")


def _said(found: Comparison) -> str:
    """The verdict, and how many keys are in each state."""
    totals = Counter(states_of(found).values())
    counts = [f"{totals[one]:,} {sign.label}" for one, sign in STATES.items() if totals[one]]
    verdict = f"{clip(found.type, 80)}: {clip(found.verdict, 400)}"
    return f"{verdict}; {', '.join(counts) or 'no key on either side'}."


def _advice(step: Advice, stage: int) -> dict:
    """An advice as JSON; `stage`: the one after it, 0 where there is none. If it `asks`, its lines
    are comments, for the reader to decide."""
    return {
        "words": step.words,
        "code": _cut(step.code),
        "enough": _ENOUGH[step.enough],
        "stage": stage,
        "asks": step.is_remark,
    }


def _notes(found: Comparison) -> list[str]:
    """Clipped sentences on what the keys alone do not show."""
    notes = [f"torch says: {one}" for one in found.errors]
    changes = [("dtype", len(found.dtypes)), ("device", len(found.devices))]
    told = ", ".join(f"the {fact} of {count:,}" for fact, count in changes if count)
    if told:
        notes.append(f"Tensors that a load converts to what the model has: {told}.")
    if any(one.found != one.expected and str(one.expected) == "meta" for one in found.devices):
        notes.append("The model is on meta: a load copies no number into it.")
        notes[-1] += " With assign=True it takes these tensors."
    if found.doubts and not found.loads:
        notes.append(f"Not asked, and may decide otherwise: {'; '.join(found.doubts)}.")
    return [clip(note, 600) for note in notes]


def _cut(code: str) -> str:
    left_out = "# … the whole of it is in the comparison's code"
    return code if len(code) <= _CODE else f"{code[:_CODE]}…\n{left_out}"


_ENOUGH = {
    True: "Then module.load_state_dict(state_dict) loads strictly.",
    None: "Then it loads strictly, unless a rule that was not asked decides otherwise.",
    False: "",
}
