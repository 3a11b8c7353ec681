"""The table that a notebook shows for what `audit` found.

`helpers` takes `audit` from here, so that whoever has it has its table; the room of the data knows
no HTML."""

from __future__ import annotations

from helpers.state.audit import audit
from helpers.state.findings import CODES, SEVERITIES, Finding, Findings
from helpers.state.objects import clip
from helpers.views.markup import LINE, MONO, RULED, SOFT, Markup, grid, join, mark, rest, tag
from helpers.views.signs import SIGNS

__all__ = ["audit", "findings_table"]

_MOST, _LONGEST = 60, 160
_CELL = f"{RULED};max-width:54em"
# A name breaks only where it would be wider than its place, so that a short one stays whole in a
# narrow table.
_NAME = f"{MONO};overflow-wrap:break-word"
_CODE = (
    f"{_NAME};display:block;margin-top:0.4em;padding-left:0.7em;border-left:3px solid {LINE};"
    "white-space:pre-wrap;background:none"
)
_HEADS = ("where", "severity", "what goes wrong, and the line to write")


def findings_table(findings: Findings) -> Markup:
    """`findings` as HTML: a row for each of the first 60, and how many are left out."""
    caption = tag("b", repr(findings))
    heads = [tag("span", words, style=SOFT) for words in _HEADS]
    shown = grid(heads, map(_row, findings[:_MOST]), _CELL, caption) if findings else caption
    below = rest(len(findings) - _MOST)
    return tag("div", shown, below, class_="inm-audit", style="line-height:1.5")


Findings._repr_html_ = findings_table


def _row(one: Finding) -> tuple[Markup, Markup, Markup]:
    weight = 400 if one.severity == "info" else 600
    severity = tag("span", SEVERITIES[one.severity][0], style=f"font-weight:{weight}")
    return _where(one), severity, _what(one)


def _where(one: Finding) -> Markup:
    path = tag("span", clip(one.path, _LONGEST) or "the model", style=_NAME if one.path else SOFT)
    place = tag("div", mark(SIGNS[CODES[one.code]]), path, style="max-width:21em")
    code = tag("div", one.code, style=f"{SOFT};font-size:0.9em;white-space:nowrap")
    return join([place, code])


def _what(one: Finding) -> Markup:
    fix = tag("code", clip(one.fix, 2 * _LONGEST), style=_CODE)
    return join([tag("div", clip(one.message, 3 * _LONGEST)), fix])
