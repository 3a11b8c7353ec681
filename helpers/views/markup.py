"""HTML for the static faces. The one place where text becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from helpers.state.objects import plural, writable

if TYPE_CHECKING:
    from helpers.views.signs import Sign

# Elements that take no closing tag; the static faces need no others.
_VOID = frozenset({"br", "hr", "img"})

# Before trust JupyterLab drops every declaration with a var(), so the static faces use fixed values
# that read on white and on black: grey lines, and softer words by opacity instead of a colour.
LINE = "#8a8a8a"
ACCENT = "#1976d2"  # the blue of JupyterLab, of a page that has none and of exported ones
BOX = (
    f"max-width:51em;padding:0.8em 1.2em;border:1px solid {LINE};border-radius:6px;line-height:1.5"
)
SOFT = "opacity:0.8"
PROSE = "max-width:38em"  # at most about 75 characters a line
CELL = (
    f"padding:0.3em 0.7em;text-align:left;vertical-align:top;border:1px solid {LINE};"
    "font-weight:400;background:none"
)
# A cell with a line under it and no frame.
RULED = (
    f"border:0;border-bottom:1px solid {LINE};padding:0.3em 0.9em;text-align:left;"
    "vertical-align:top;font-weight:400;background:none"
)
# After trust, when the ground of the page is known.
_STAYS = "position:sticky;left:0;background:var(--jp-layout-color0,#ffffff)"
MONO = "font-family:monospace"
CODE = f"{MONO};font-weight:600"


class Markup(str):
    """A string that is HTML already: `tag` lets it pass, every other string is escaped."""

    __slots__ = ()


def _text(value: object) -> Markup:
    """`value` as HTML text: & < > " ' are escaped, so it is safe as content and as an attribute."""
    return value if isinstance(value, Markup) else Markup(escape(writable(str(value)), quote=True))


def join(parts: Iterable[object], between: str = "") -> Markup:
    """The parts in order, each escaped unless it is `Markup`; `between` stands in the gaps."""
    return Markup(_text(between).join(_text(part) for part in parts))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """One element. `class_` is written class, `data_x` data-x; True is a bare attribute, None and
    False none.

    >>> tag("b", "<i>", class_="a")
    '<b class="a">&lt;i&gt;</b>'
    """
    opening = name
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            opening += f" {key}"
        elif value is not None and value is not False:
            opening += f' {key}="{_text(value)}"'
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(children)}</{name}>")


def prose(words: str) -> Markup:
    """`words` as HTML text, with every pair of backticks turned into <code>; nothing else is
    markup.

    >>> prose("set `x < 1`")
    'set <code>x &lt; 1</code>'
    """
    parts = re.split(r"`([^`]+)`", words)
    return join(tag("code", part) if i % 2 else part for i, part in enumerate(parts))


# --- the parts of a static face -------------------------------------------------------------------


def face(name: str, *parts: object) -> Markup:
    """A static face in its frame; `name` is the class for style sheets and tests."""
    style = f"{BOX};max-width:80em;overflow-wrap:anywhere"
    return tag("div", *parts, class_=f"inm-{name}-static", style=style)


def soft(*words: object) -> Markup:
    """A line that says something about the face, such as what it leaves out."""
    return tag("div", *words, style=f"{SOFT};{PROSE};margin-top:0.4em")


def rest(count: int, what: str = "", many: str = "") -> Markup | str:
    """A line on the things that are not shown, `what` is one of them and `many` are several;
    nothing if none are left out."""
    if count <= 0:
        return ""
    number = f"{count:,} more"
    return soft(f"… and {number} {plural(count, what, many)}" if what else f"… and {number}")


def fold(summary: object, *parts: object, is_open: bool = False, style: str = "") -> Markup:
    """`parts` under a line that unfolds them."""
    head = tag("summary", summary, style="cursor:pointer")
    return tag("details", head, *parts, open=is_open, style=style or None)


def mark(sign: Sign) -> Markup:
    """The glyph of a sign in its colour, with the label as a title."""
    style = f"color:{sign.colour};display:inline-block;width:1.3em"
    return tag("span", sign.glyph, title=sign.label, style=style)


def grid(
    heads: Iterable[object],
    rows: Iterable[Sequence[object]],
    cell: str = CELL,
    caption: object = "",
    keeps_first: bool = False,
) -> Markup:
    """A table of `rows` under `heads`, which scrolls sideways where it is too wide.

    The first of a row names it. `cell` is the style of each cell; `caption` stands above. If it
    `keeps_first`, the first of each row stays in sight while the others scroll."""
    side = f"{cell};{_STAYS}" if keeps_first else cell
    head = tag("thead", tag("tr", *(tag("th", words, scope="col", style=cell) for words in heads)))
    body = tag("tbody", *(_row(row, side, cell) for row in rows))
    above = caption and tag("caption", caption, style="text-align:left;caption-side:top")
    style = "border-collapse:collapse;margin:0.4em 0;font-size:1em"
    drawn = tag("table", above, head, body, style=style)
    return tag("div", drawn, style="overflow-x:auto")


def _row(cells: Sequence[object], side: str, style: str) -> Markup:
    first, *others = cells
    head = tag("th", first, scope="row", style=side)
    return tag("tr", head, *(tag("td", words, style=style) for words in others))
