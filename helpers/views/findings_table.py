"""The table that a notebook shows for what `audit` found.

`helpers` takes `audit` from here, so that whoever has it has its table; the room of the data knows
no HTML."""

from __future__ import annotations

from helpers.state.audit import audit
from helpers.state.findings import CODES, SEVERITIES, Finding, Findings
from helpers.views.markup import MONO, SOFT, Markup, clip, table, tag
from helpers.views.signs import SIGNS

__all__ = ["audit", "findings_table"]

_MOST, _LONGEST = 60, 160
_LINE = "border:0;border-bottom:1px solid #8a8a8a"
_CAPTION = "text-align:left;caption-side:top;font-weight:600;padding:0 0.9em 0.4em"
_CELL = f"{_LINE};padding:0.3em 0.9em;text-align:left;vertical-align:top;background:none"
# A name breaks only where it would be wider than its place, so that a short one stays whole in a
# narrow table.
_NAME = f"{MONO};overflow-wrap:break-word"
_CODE = "display:block;margin-top:0.4em;padding-left:0.7em;border-left:3px solid #8a8a8a"
_COLUMNS = ("severity", "where", "what goes wrong, and the line to write")


def findings_table(findings: Findings) -> Markup:
    """`findings` as HTML: a row for each of the first 60, and how many are left out."""
    caption = tag("caption", repr(findings), style=_CAPTION)
    shown = tag("table", caption, style="border-collapse:collapse")
    if findings:
        rows = map(_row, findings[:_MOST])
        shown = table(_COLUMNS, rows, f"{_CELL};{SOFT}", style="", caption=caption)
    left_out, below = len(findings) - _MOST, []
    if left_out > 0:
        below = [tag("div", f"… and {left_out:,} more", style=f"{SOFT};margin-top:0.4em")]
    return tag("div", shown, *below, class_="inm-audit", style="overflow-x:auto;line-height:1.5")


Findings._repr_html_ = findings_table


def _row(one: Finding) -> Markup:
    weight = 400 if one.severity == "info" else 600
    return tag(
        "tr",
        tag("td", SEVERITIES[one.severity][0], style=f"{_CELL};font-weight:{weight}"),
        tag("th", *_where(one), scope="row", style=f"{_CELL};font-weight:400"),
        tag("td", *_what(one), style=f"{_CELL};max-width:54em"),
    )


def _where(one: Finding) -> tuple[Markup, Markup]:
    sign = SIGNS[CODES[one.code][1]]
    glyph = tag(
        "span", sign.glyph, title=sign.label, style=f"color:{sign.colour};margin-right:0.5em"
    )
    path = tag("span", clip(one.path, _LONGEST) or "the model", style=_NAME if one.path else SOFT)
    code = tag("div", one.code, style=f"{SOFT};font-size:0.9em;white-space:nowrap")
    return tag("div", glyph, path, style="max-width:21em"), code


def _what(one: Finding) -> tuple[Markup, Markup]:
    style = f"{_NAME};{_CODE};white-space:pre-wrap;background:none"
    fix = tag("code", clip(one.fix, 2 * _LONGEST), style=style)
    return tag("div", clip(one.message, 3 * _LONGEST)), fix
