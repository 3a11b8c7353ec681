"""The three ways to read parameters, and state_dict(), side by side: switched, prefixed and
selected in the browser.
"""

from __future__ import annotations

from dataclasses import asdict

import anywidget
from torch import nn
from traitlets import Dict

from helpers.state.objects import counted, require_module
from helpers.state.ways import WAYS, ways
from helpers.views import ThreeFaces, front_end
from helpers.views.markup import (
    CODE,
    MONO,
    SOFT,
    Markup,
    face,
    grid,
    join,
    mark,
    rest,
    soft,
    tag,
)
from helpers.views.signs import AS_JSON, SIGNS

_STATIC_ROWS = 40


class ParameterWays(ThreeFaces, anywidget.AnyWidget):
    """`_parameters`, `named_parameters()`, `parameters()` and `state_dict()` of a module, a row for
    each tensor.

    `module` is any `nn.Module` instance; TypeError for anything else, ValueError where torch cannot
    walk it. Its own methods are called once, for every setting of `recurse` and `remove_duplicate`;
    the table shows what they returned then. The view keeps text and numbers, neither the module nor
    its tensors."""

    _esm, _css = front_end("parameter_ways")

    ways = Dict().tag(sync=True)
    signs = Dict(AS_JSON).tag(sync=True)

    def __init__(self, module: nn.Module) -> None:
        require_module(module, "ParameterWays")
        known = [{**way._asdict(), "joint": way.joint()} for way in WAYS]
        super().__init__(ways={**asdict(ways(module)), "ways": known})

    def title(self) -> str:
        counts = zip(_calls(), self.ways["frames"]["TT"]["counts"], strict=True)
        words = ", ".join(f"{call} {count:,}" for call, count in counts)
        return f"ParameterWays of {self.ways['type']}: {words}"

    def static_face(self) -> Markup:
        """The table as HTML, every argument at torch's default, cut at 40 tensors with the rest
        counted.
        """
        frame, rows = self.ways["frames"]["TT"], self.ways["rows"][:_STATIC_ROWS]
        columns = zip(WAYS, _calls(), self.ways["returns"], frame["counts"], strict=True)
        heads = (
            join(
                [tag("div", call, style=CODE), soft(f"{kind}, {counted(count, way.one, way.many)}")]
            )
            for way, call, kind, count in columns
        )
        body = (
            [_head(row), *(_cell(row, cell) for cell in cells)]
            for row, cells in zip(rows, frame["cells"], strict=False)
        )
        defaults = tag("span", 'prefix="", recurse=True, remove_duplicate=True', style=MONO)
        return face(
            "ways",
            grid(["tensor", *heads], body),
            rest(self.ways["more"] + len(self.ways["rows"]) - len(rows), "tensor"),
            soft("Numbers are positions. Arguments at their defaults: ", defaults, "."),
        )


def _calls() -> list[str]:
    return [way.name if way.takes is None else f"{way.name}()" for way in WAYS]


def _head(row: dict) -> Markup:
    words = "None" if row.get("empty") else row.get("words", row["type"])
    sign = SIGNS[row["kind"]]
    return join([mark(sign), words, "" if row["kind"] == "parameter" else f", {sign.label}"])


def _cell(row: dict, cell: dict) -> Markup:
    if not cell["at"]:
        return tag("span", "–", title="not there", style=SOFT)
    none = ": None" if row.get("empty") else ""
    lines = (
        tag("div", tag("span", f"{place} ", style=SOFT), _name(name + none or row["type"]))
        for place, name in cell["at"]
    )
    return join([*lines, rest(cell["more"], "name")])


def _name(words: str) -> Markup:
    return tag("span", words, style=MONO)
