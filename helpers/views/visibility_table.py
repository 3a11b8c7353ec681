"""Who sees which tensor, as a table: drawn from the experiment of `visibility`, or from one of your
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from helpers.state.objects import require_module, type_name
from helpers.state.visibility import own_rules, visibility
from helpers.views.markup import SOFT, Markup, clip, tag
from helpers.views.signs import SIGNS

if TYPE_CHECKING:
    from torch import nn

_COLUMNS = {
    "in_parameters": "parameters()",
    "in_buffers": "buffers()",
    "in_state_dict": "state_dict()",
    "moves_with_to": ".to() moves it",
    "gets_gradient": "gets a gradient",
}
_MOST, _LONGEST = 60, 80
_CELL = (
    "border:0;border-bottom:1px solid #8a8a8a;padding:0.25em 0.9em;text-align:left;background:none"
)


class VisibilityTable:
    """A table of tensors and calls: ✓ yes where a call of torch sees the tensor, – no where it does
    not.

    `module` is any `nn.Module` instance, read and never changed; the answers are those of
    `visibility(module)`. `outcomes` takes the place of these columns with an experiment of your
    own: {words over the column: {path of a tensor: True or False}}. The table keeps text alone, and
    is the same before and after it is run. Raises TypeError if `module` is not an `nn.Module`
    instance, ValueError if a column leaves a tensor out."""

    def __init__(
        self, module: nn.Module, outcomes: Mapping[str, Mapping[str, bool]] | None = None
    ) -> None:
        require_module(module, "VisibilityTable")
        found = visibility(module)
        if outcomes is None:
            outcomes = {
                words: {s.path: getattr(s, name) for s in found} for name, words in _COLUMNS.items()
            }
        for call, answers in outcomes.items():
            missing = [sight.path for sight in found if sight.path not in answers]
            if missing:
                raise ValueError(
                    f"the column {call!r} says nothing about the tensor {missing[0]!r}"
                )
        silent = {s.path for s in found if s.in_buffers and not s.in_state_dict}
        self.title = f"Who sees the tensors of {clip(type_name(module), _LONGEST)}"
        self.calls = list(outcomes)
        self.tensors = [
            (s.path, "non-persistent buffer" if s.path in silent else s.kind) for s in found
        ]
        self.answers = [[bool(outcomes[call][sight.path]) for call in outcomes] for sight in found]
        self.rules = [clip(f"{name}.{rule}", _LONGEST) for name, rule in own_rules(module)]

    def __repr__(self) -> str:
        return f"{' '.join(self.title.split())}: {len(self.tensors):,} tensors, {len(self.calls)} calls"

    def _repr_html_(self) -> Markup:
        """Tensors down and calls across; the other way round where the calls outnumber the tensors
        and the five.
        """
        wide = len(self.calls) > max(len(self.tensors), len(_COLUMNS))
        side = [
            _tensor(path, kind, "col" if wide else "row") for path, kind in self.tensors[:_MOST]
        ]
        top = [tag("th", call, scope="row" if wide else "col", style=_CELL) for call in self.calls]
        marks = [list(map(_mark, answers)) for answers in self.answers[:_MOST]]
        if wide:
            side, top, marks = top, side, zip(*marks, strict=True)
        corner = tag("th", "call" if wide else "tensor", scope="col", style=f"{_CELL};{SOFT}")
        caption = tag("caption", self.title, style=f"{SOFT};text-align:left;caption-side:top")
        body = tag(
            "tbody", *(tag("tr", first, *line) for first, line in zip(side, marks, strict=True))
        )
        notes = {
            f"… and {len(self.tensors) - _MOST:,} more tensors": len(self.tensors) > _MOST,
            "This module holds no tensor.": not self.tensors,
            f"Rules of its own, not asked: {', '.join(self.rules)}. They may decide otherwise.": self.rules,
        }
        below = [
            tag("div", note, style=f"{SOFT};margin-top:0.4em")
            for note, holds in notes.items()
            if holds
        ]
        head = tag("thead", tag("tr", corner, *top))
        table = tag("table", caption, head, body, style="border-collapse:collapse;margin:0")
        return tag(
            "div", table, *below, class_="inm-visibility", style="overflow-x:auto;line-height:1.5"
        )


def _tensor(path: str, kind: str, scope: str) -> Markup:
    glyph = tag("span", SIGNS[kind].glyph, style=f"color:{SIGNS[kind].colour};margin-right:0.5em")
    label = tag("div", SIGNS[kind].label, style=f"{SOFT};font-weight:400;font-size:0.9em")
    name = tag("span", clip(path, _LONGEST), style="font-family:monospace")
    return tag("th", glyph, name, label, scope=scope, style=f"{_CELL};overflow-wrap:anywhere")


def _mark(yes: bool) -> Markup:
    return tag("td", "✓ yes" if yes else "– no", style=_CELL if yes else f"{_CELL};{SOFT}")
