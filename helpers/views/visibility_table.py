"""Who sees which tensor, as a table: drawn from the experiment of `visibility`, or from one of your
own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from helpers.state.objects import brief, clip, counted, require_module, type_name
from helpers.state.own_rules import Untold, own_rules
from helpers.state.visibility import Answer, Seen, SeenTensor, seen_tensors
from helpers.views import TwoFaces
from helpers.views.markup import MONO, RULED, SOFT, Markup, grid, join, mark, rest, soft, tag
from helpers.views.signs import SIGNS
from helpers.views.visibility_grid import VisibilityGrid

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
_WHOLE = "line-height:1.5"
_NAME = f"{MONO};overflow-wrap:anywhere"  # a name may be broken, a word may not
_MARK = "white-space:nowrap"


class VisibilityTable(TwoFaces):
    """A table of tensors and calls: ✓ yes where a call of torch sees the tensor, – no where it does
    not, ? with a reason where it raises or cannot be foretold.

    `module` is any `nn.Module` instance, read and never changed; the answers are those of
    `visibility(module)`. `outcomes` takes the place of these columns with an experiment of your
    own: {words over the column: {path of a tensor: True or False}}. The table keeps text alone, and
    is the same before and after it is run. Raises TypeError if `module` is not an `nn.Module`
    instance, or an answer neither True nor False, ValueError if a column leaves a tensor out, or if
    two tensors have one path, so that a column of your own cannot tell them apart. `predict()` asks
    before it tells."""

    def __init__(
        self, module: nn.Module, outcomes: Mapping[str, Mapping[str, bool]] | None = None
    ) -> None:
        require_module(module, "VisibilityTable")
        found = seen_tensors(module)
        if outcomes is None:
            calls, told = _COLUMNS.values(), [_default(one.seen) for one in found]
        else:
            _require_answers(outcomes, found)
            calls = outcomes
            told = [[_answer(column[one.path]) for column in outcomes.values()] for one in found]
        self.heading = f"Who sees the tensors of {clip(type_name(module), _LONGEST)}"
        self.calls = [clip(call, _LONGEST) for call in calls]
        self.tensors = [(one.path, one.kind) for one in found]
        self.answers = told
        self.rules = [clip(f"{name}.{rule}", _LONGEST) for name, rule in own_rules(module)]

    @property
    def turned(self) -> bool:
        """Do the calls go down and the tensors across? Where they outnumber the tensors and the
        five."""
        return len(self.calls) > max(len(self.tensors), len(_COLUMNS))

    def title(self) -> str:
        tensors = counted(len(self.tensors), "tensor")
        return f"{self.heading}: {tensors}, {counted(len(self.calls), 'call')}"

    def predict(self) -> VisibilityGrid:
        """The same as a question: the reader marks who sees what, and then the truth is shown."""
        grid = {
            "tensors": [[clip(path, _LONGEST), kind] for path, kind in self.tensors[:_MOST]],
            "calls": self.calls,
            "answers": [[_sent(one) for one in line] for line in self.answers[:_MOST]],
            "turned": self.turned,
            "more": max(0, len(self.tensors) - _MOST),
        }
        return VisibilityGrid(self.heading, self.static_face(), grid)

    def static_face(self) -> Markup:
        """Tensors down and calls across, or the other way round where it is `turned`."""
        side = [_tensor(path, kind) for path, kind in self.tensors[:_MOST]]
        marks = [list(map(_mark, answers)) for answers in self.answers[:_MOST]]
        corner, top = "tensor", self.calls
        if self.turned:
            corner, top, side = "call", side, self.calls
            marks = list(zip(*marks, strict=True))
        rows = ([first, *line] for first, line in zip(side, marks, strict=True))
        heads = [tag("span", corner, style=SOFT), *top]
        caption = tag("span", self.heading, style=SOFT)
        drawn = grid(heads, rows, RULED, caption=caption, keeps_first=True)
        return tag("div", drawn, *self._notes(), class_="inm-visibility", style=_WHOLE)

    def _notes(self) -> Iterator[Markup | str]:
        yield rest(len(self.tensors) - _MOST, "tensor")
        if not self.tensors:
            yield soft("This module holds no tensor.")
        if self.rules:
            rules = ", ".join(self.rules)
            yield soft(f"Rules of its own, not asked: {rules}. They may decide otherwise.")


def _tensor(path: str, kind: str) -> Markup:
    sign = SIGNS[kind]
    label = tag("div", sign.label, style=f"{SOFT};font-size:0.9em;min-width:11em")
    return join([mark(sign), tag("span", clip(path, _LONGEST), style=_NAME), label])


def _default(seen: Seen) -> list[Answer]:
    return [getattr(seen, name) for name in _COLUMNS]


def _require_answers(outcomes: object, found: list[SeenTensor]) -> None:
    """Raise the errors of an experiment of one's own that says too little, or no yes or no."""
    takes = "VisibilityTable() takes outcomes, {words over the column: {path: True or False}}"
    if not isinstance(outcomes, Mapping):
        raise TypeError(f"{takes}; got {brief(outcomes)}.")
    # A path is all that a column knows of a tensor.
    times = Counter(one.path for one in found)
    twice = next((path for path in times if times[path] > 1), None)
    if outcomes and twice is not None:
        raise ValueError(
            f"two tensors of this module have the path {clip(twice, _LONGEST)!r}, so a column of "
            "your own cannot say which of them it means"
        )
    for call, answers in outcomes.items():
        if not isinstance(call, str):
            raise TypeError(f"{takes}; {brief(call)} over a column is no text.")
        if not isinstance(answers, Mapping):
            raise TypeError(f"{takes}; the column {call!r} has {brief(answers)}.")
        for sight in found:
            if sight.path not in answers:
                raise ValueError(
                    f"the column {call!r} says nothing about the tensor {sight.path!r}"
                )
            if not _is_answer(given := answers[sight.path]):
                raise TypeError(
                    f"the column {call!r} says {brief(given)} of the tensor {sight.path!r}, "
                    "which is neither True nor False"
                )


def _is_answer(given: object) -> bool:
    """Is it one of Python's, or the one element of a tensor or an array, as (a == b).all() is?"""
    if type(given) is Untold:
        return True
    try:
        return type(given.item() if hasattr(given, "item") else given) is bool
    except Exception:  # several elements, or none that can be read
        return False


def _answer(given: object) -> Answer:
    return given if type(given) is Untold else bool(given)


def _sent(answer: Answer) -> bool | str:
    return clip(answer.short, _LONGEST) if type(answer) is Untold else answer


def _mark(answer: Answer) -> Markup:
    if type(answer) is Untold:
        return tag("span", f"? {_sent(answer)}", style="overflow-wrap:anywhere")
    words, style = ("✓ yes", _MARK) if answer else ("– no", f"{SOFT};{_MARK}")
    return tag("span", words, style=style)
