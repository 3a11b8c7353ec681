"""Model and checkpoint side by side, a row for each key; filtered and folded in the browser."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import anywidget
from traitlets import Dict

from helpers.checkpoints.comparison import Comparison, Outline
from helpers.state.objects import clip, dtype_in_words, shape_in_words, type_name
from helpers.views import ThreeFaces, front_end
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
_LIVE_ROWS, _STATIC_ROWS, _CODE = 2_000, 60, 3_000
_PRE = "margin:0.3em 0;font-family:monospace;white-space:pre-wrap"
_HEADS = ("key", "a load says", "in the model", "in the checkpoint")


class CheckpointTable(ThreeFaces, anywidget.AnyWidget):
    """What a load would do with each key: the model's tensor beside that of the checkpoint, and the
    advice.

    `comparison` is what `compare_checkpoint(module, state_dict)` returned; TypeError for anything
    else. What needs attention comes first, what matches is folded; a filter finds keys. The view
    keeps text and numbers only."""

    _esm, _css = front_end("checkpoint_table")

    table = Dict().tag(sync=True)
    signs = Dict({state: asdict(sign) for state, sign in STATES.items()}).tag(sync=True)

    def __init__(self, comparison: Comparison) -> None:
        if not isinstance(comparison, Comparison):
            advice = "pass compare_checkpoint(module, state_dict)"
            raise TypeError(
                f"CheckpointTable() takes a Comparison, got {type_name(comparison)}; {advice}."
            )
        super().__init__(table=_table(comparison))

    def title(self) -> str:
        return f"CheckpointTable: {self.table['title']}"

    def static_face(self) -> Markup:
        """The rows that need attention, and in a fold those that match, each cut with the rest
        counted.
        """
        rows, matched = self.table["rows"], self.table["matched"]
        trouble = [row for row in rows if row["state"] != "matched"]
        fits = [row for row in rows if row["state"] == "matched"]
        known = len(rows) + self.table["more"] - matched
        return face(
            "fit",
            tag("div", self.table["title"], style="font-weight:600"),
            *map(_step, self.table["advice"]),
            *map(soft, self.table["notes"]),
            _rows(trouble, known) if trouble else "",
            fold(f"{matched:,} matched", _rows(fits, matched)) if fits else "",
        )


def _step(advice: dict) -> Markup:
    code = tag("pre", advice["code"], style=_PRE)
    return tag("div", advice["words"], code, advice["enough"], style="margin-top:0.6em")


def _table(found: Comparison) -> dict:
    """The comparison as JSON: `title`, `rows` as {key, state, model, checkpoint}, how many are left
    out, and words."""
    states = _states(found)
    totals = Counter(states.values())
    counts = [f"{totals[one]:,} {sign.label}" for one, sign in STATES.items() if totals[one]]
    title = [f"{clip(found.type, 80)}: {clip(found.verdict, 400)}"]
    title.append(", ".join(counts) or "no key on either side")
    rows = [
        {
            "key": clip(key),
            "state": state,
            "model": _words(found.expected.get(key)),
            "checkpoint": _words(found.found.get(key)),
        }
        for key, state in states.items()
    ]
    return {
        "title": "; ".join(title) + ".",
        "advice": [
            {"words": step.words, "code": _cut(step.code), "enough": _ENOUGH[step.enough]}
            for step in found.advice
        ],
        "notes": [clip(note, 600) for note in _notes(found)],
        "rows": rows[:_LIVE_ROWS],
        "more": max(0, len(rows) - _LIVE_ROWS),
        "matched": totals["matched"],
        "heads": list(_HEADS),
    }


def _states(found: Comparison) -> dict[str, str]:
    """What a load says of each key, what needs attention first."""
    states = dict.fromkeys(found.unexpected, "unexpected")
    states |= dict.fromkeys(found.silent, "silent") | dict.fromkeys(found.matched, "matched")
    states |= dict.fromkeys(found.missing, "missing")
    states |= {key: "mismatched" for key, *_ in found.mismatched}
    states |= {key: "refused" for key in {**found.expected, **found.found} if key not in states}
    order = list(STATES)
    return dict(sorted(states.items(), key=lambda pair: order.index(pair[1])))


def _notes(found: Comparison) -> list[str]:
    notes = [f"torch says: {one}" for one in found.errors]
    if found.dtypes or found.devices:
        changes = f"the dtype of {len(found.dtypes):,}, the device of {len(found.devices):,}"
        notes.append(f"Tensors that a load converts to what the model has: {changes}.")
    if any(one.found != one.expected and str(one.expected) == "meta" for one in found.devices):
        notes.append("The model is on meta: a load copies no number into it.")
        notes[-1] += " With assign=True it takes these tensors."
    if found.doubts:
        notes.append(f"Not asked, and may decide otherwise: {'; '.join(found.doubts)}.")
    return notes


def _cut(code: str) -> str:
    left_out = "# … the whole of it is in the comparison's code"
    return code if len(code) <= _CODE else f"{code[:_CODE]}…\n{left_out}"


_ENOUGH = {
    True: "Then module.load_state_dict(state_dict) loads strictly.",
    None: "Then it loads strictly, unless a rule that was not asked decides otherwise.",
    False: "",
}


def _words(held: Outline | None) -> str:
    """What stands on one side; "–" for nothing."""
    if held is None or held.dtype is None:
        return "–" if held is None else clip(held.type, 80)
    device = "" if held.device is None or held.device.type == "cpu" else f", {held.device}"
    return f"{shape_in_words(held.shape)}, {dtype_in_words(held.dtype)}{device}"


def _rows(rows: list[dict], known: int) -> Markup:
    shown = rows[:_STATIC_ROWS]
    return join([grid(_HEADS, map(_row, shown)), rest(known - len(shown), "keys")])


def _row(row: dict) -> list[Markup | str]:
    sign = STATES[row["state"]]
    key = tag("span", row["key"], style=CODE)
    return [key, join([mark(sign), sign.label]), row["model"], row["checkpoint"]]
