"""The strip over a map: each part of a model as wide as its bytes, in the colours of its kinds."""

from __future__ import annotations

from helpers.state.objects import bytes_in_words, share_in_words
from helpers.state.portions import Portion
from helpers.state.tree import ROOT_NAME
from helpers.views.markup import LINE, SOFT, Markup, soft, tag
from helpers.views.signs import GREY, SIGNS

_NAMED = 8  # per cent: a narrower part has no name under it in the static face


def strip_of(portions: list[Portion], total: int) -> list[dict]:
    """The pieces of the strip as the browser gets them; all that is measured is per cent of the
    width. Each has its name within the piece that it is a part of."""
    strip, around = [], [""]
    for portion in portions:
        del around[portion.level + 1 :]
        strip.append(_as_json(portion, total, around[-1]))
        around.append(f"{portion.path}.")
    return strip


def _as_json(portion: Portion, total: int, around: str) -> dict:
    size = portion.nbytes.total()
    piece = {
        "id": portion.id,
        "level": portion.level,
        "left": _percent(portion.start, total),
        "width": _percent(size, total),
        "memory": f"{bytes_in_words(size)}, {share_in_words(size, total)}",
    }
    if not portion.kind:
        return piece | {"smaller": portion.smaller, "name": f"{portion.smaller:,} smaller"}
    path = portion.path or ROOT_NAME
    piece |= {"name": path.removeprefix(around), "path": path, "kind": portion.kind}
    if portion.divided:
        return piece | {"divided": True}
    return piece | {
        "fills": [[kind, _percent(held, size)] for kind, held in portion.nbytes.items()]
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3)


def strip_in_html(strip: list[dict]) -> Markup | str:
    """The strip in a static face: one row of the parts that are not divided; "" if there is none.

    The rest of each divided part is told in one, at the end."""
    if not strip:
        return ""
    parts = [_part(piece) for piece in strip if "fills" in piece]
    others = [piece for piece in strip if "smaller" in piece]
    if others:
        width = round(sum(piece["width"] for piece in others), 3)
        words = f"{sum(piece['smaller'] for piece in others):,} smaller"
        parts.append(_column(width, words, words, [f"width:100%;background:{GREY}"]))
    row = tag("div", *parts, style="display:flex;margin-bottom:0.6em")
    return tag("div", soft("Each part of the model is as wide as its bytes:"), row)


def _part(piece: dict) -> Markup:
    fills = [_filling(kind, width) for kind, width in piece["fills"]]
    told = f"{piece['path']}: {piece['memory']}"
    return _column(piece["width"], piece["path"], told, fills)


def _column(width: float, name: str, title: str, fills: list[str]) -> Markup:
    bar = tag(
        "div", *(tag("span", style=fill) for fill in fills), style="display:flex;height:1.5em"
    )
    words = "" if width < _NAMED else name
    label = tag("div", words, style=f"{SOFT};font-size:0.85em;line-height:1.3")
    style = f"box-sizing:border-box;width:{width}%;border-right:1px solid {LINE}"
    return tag("div", bar, label, title=title, style=style)


def _filling(kind: str, width: float) -> str:
    sign = SIGNS[kind]
    ground = f"border:2px solid {sign.colour}" if sign.hollow else f"background:{sign.colour}"
    return f"box-sizing:border-box;width:{width}%;{ground}"
