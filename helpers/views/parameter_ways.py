"""The three ways to read parameters, and state_dict(), side by side: switched, prefixed and
selected in the browser.
"""

from __future__ import annotations

from dataclasses import asdict

import anywidget
from torch import nn
from traitlets import Dict

from helpers.state.objects import require_module
from helpers.state.ways import WAYS, ways
from helpers.views import ThreeFaces, front_end
from helpers.views.markup import BOX, CELL, CODE, MONO, SOFT, Markup, join, table, tag
from helpers.views.signs import AS_JSON, SIGNS
from helpers.views.state_map import note, sign_of

_STATIC_ROWS = 40
_UNITS = ("entries", "pairs", "tensors", "entries")


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
        super().__init__(ways=asdict(ways(module)))

    def __repr__(self) -> str:
        counts = zip(_calls(), self.ways["frames"]["TT"]["counts"], strict=True)
        line = f"ParameterWays of {self.ways['type']}: " + ", ".join(
            f"{call} {count:,}" for call, count in counts
        )
        return " ".join(line.split())

    def static_face(self) -> Markup:
        """The table as HTML, every argument at torch's default, cut at 40 tensors with the rest
        counted.
        """
        frame, rows = self.ways["frames"]["TT"], self.ways["rows"][:_STATIC_ROWS]
        heads = [
            join(
                [tag("div", call, style=CODE), tag("div", f"{kind}, {count:,} {unit}", style=SOFT)]
            )
            for call, kind, count, unit in zip(
                _calls(), self.ways["returns"], frame["counts"], _UNITS, strict=True
            )
        ]
        body = [
            tag("tr", _head(row), *(_cell(row, cell) for cell in cells))
            for row, cells in zip(rows, frame["cells"], strict=False)
        ]
        left_out = self.ways["more"] + len(self.ways["rows"]) - len(rows)
        words = f"… and {left_out:,} more tensors. " if left_out else ""
        drawn = table(["tensor", *heads], body, CELL, style="margin:0;font-size:1em")
        defaults = tag("span", 'prefix="", recurse=True, remove_duplicate=True', style=MONO)
        return tag(
            "div",
            tag("div", drawn, style="overflow-x:auto"),
            tag(
                "div",
                words,
                "Numbers are positions. Arguments at their defaults: ",
                defaults,
                ".",
                style=f"{SOFT};margin-top:0.6em",
            ),
            class_="inm-ways-static",
            style=f"{BOX};max-width:80em;overflow-wrap:anywhere",
        )


def _calls() -> list[str]:
    return [way if way.startswith("_") else f"{way}()" for way in WAYS]


def _head(row: dict) -> Markup:
    words = "None" if row.get("empty") else note(row)
    words += "" if row["kind"] == "parameter" else f", {SIGNS[row['kind']].label}"
    return tag("th", sign_of(row["kind"]), words, scope="row", style=CELL)


def _cell(row: dict, cell: dict) -> Markup:
    if not cell["at"]:
        return tag("td", tag("span", "–", title="not there", style=SOFT), style=CELL)
    none = ": None" if row.get("empty") else ""
    lines = [
        tag(
            "div",
            tag("span", position, " ", style=SOFT),
            tag("span", name + none or row["type"], style=MONO),
        )
        for position, name in cell["at"]
    ]
    more = tag("div", f"… and {cell['more']:,} more names", style=SOFT) if cell["more"] else ""
    return tag("td", *lines, more, style=CELL)
