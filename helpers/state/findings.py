"""What `audit` found: one record for each finding, and the list of them, which shows itself as a
table.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.state.objects import clip
from helpers.views.markup import SOFT, Markup, tag
from helpers.views.signs import SIGNS

# What each code is about: how severe it is, and the sign of that kind of state.
CODES: dict[str, tuple[str, str]] = {
    "plain-tensor": ("warning", "plain tensor"),
    "hidden-parameter": ("error", "plain tensor"),
    "hidden-module": ("error", "plain value"),
    "stale-alias": ("warning", "plain tensor"),
    "shadowed-name": ("error", "plain value"),
    "tied-parameter": ("info", "parameter"),
    "unsaved-buffer": ("info", "non-persistent buffer"),
    "buffer-needs-grad": ("warning", "buffer"),
    "frozen-parameter": ("info", "parameter"),
    "mixed-device": ("info", "module"),
    "mixed-dtype": ("info", "module"),
    "uninitialized": ("info", "parameter"),
    "optimizer-misses": ("error", "parameter"),
    "optimizer-stale": ("error", "plain tensor"),
}
# Severity: the word for one and for several.
_WORDS = {
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "info": ("note", "notes"),
}
_MOST, _LONGEST = 60, 160
_LINE = "border:0;border-bottom:1px solid #8a8a8a"
_CAPTION = "text-align:left;caption-side:top;font-weight:600;padding:0 0.9em 0.4em"
_CELL = f"{_LINE};padding:0.3em 0.9em;text-align:left;vertical-align:top;background:none"
# A name breaks only where it would be wider than its place, so that a short one stays whole in a
# narrow table.
_NAME = "font-family:monospace;overflow-wrap:break-word"
_LINES = "display:block;margin-top:0.4em;padding-left:0.7em;border-left:3px solid #8a8a8a;white-space:pre-wrap"


@dataclass(frozen=True)
class Finding:
    """One state bug, or one thing to know, that `audit` found.

    `code` names the kind of finding, `severity` is "error", "warning" or "info". `path` is the
    dotted path of the attribute, for a container that of the attribute that holds it; "" for the
    model as a whole. `message` says what goes wrong, `fix` is the line to write in the class of the
    module that owns the attribute (`self`), or in the script (`model`, `optimizer`)."""

    code: str
    severity: str
    path: str
    message: str
    fix: str


class Findings(list):
    """A list of `Finding`. In a notebook it shows itself as a table, and as text it is one line:
    how many of each.
    """

    def __repr__(self) -> str:
        counts = {severity: sum(one.severity == severity for one in self) for severity in _WORDS}
        said = [
            f"{count:,} {_WORDS[severity][count != 1]}"
            for severity, count in counts.items()
            if count
        ]
        return ", ".join(said) or "nothing found"

    def _repr_html_(self) -> Markup:
        caption = tag("caption", repr(self), style=_CAPTION)
        columns = ("severity", "where", "what goes wrong, and the line to write")
        head = tag(
            "tr", *(tag("th", words, scope="col", style=f"{_CELL};{SOFT}") for words in columns)
        )
        body = tag("tbody", *map(_row, self[:_MOST]))
        table = tag(
            "table",
            caption,
            *([tag("thead", head), body] if self else []),
            style="border-collapse:collapse",
        )
        more = f"… and {len(self) - _MOST:,} more"
        below = [tag("div", more, style=f"{SOFT};margin-top:0.4em")] if len(self) > _MOST else []
        return tag(
            "div", table, *below, class_="inm-audit", style="overflow-x:auto;line-height:1.5"
        )


def _row(one: Finding) -> Markup:
    sign = SIGNS[CODES[one.code][1]]
    glyph = tag(
        "span", sign.glyph, title=sign.label, style=f"color:{sign.colour};margin-right:0.5em"
    )
    path = tag("span", clip(one.path, _LONGEST) or "the model", style=_NAME if one.path else SOFT)
    place = tag("div", glyph, path, style="max-width:21em")
    code = tag("div", one.code, style=f"{SOFT};font-size:0.9em;white-space:nowrap")
    fix = tag("code", clip(one.fix, 2 * _LONGEST), style=f"{_NAME};{_LINES};background:none")
    return tag(
        "tr",
        tag(
            "td",
            _WORDS[one.severity][0],
            style=f"{_CELL};font-weight:{400 if one.severity == 'info' else 600}",
        ),
        tag("th", place, code, scope="row", style=f"{_CELL};font-weight:400"),
        tag(
            "td", tag("div", clip(one.message, 3 * _LONGEST)), fix, style=f"{_CELL};max-width:54em"
        ),
    )
