"""What a page without a kernel needs to show a view alive: its code, its state, and the answers
that Python would have given.

While nbconvert executes a lesson, a view's output carries this as one more MIME type, `KIND`, next
to its still faces; at any other time it does not, so no saved notebook grows. The templates in
`exported` put it onto the page, where `host.js` mounts it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

import ipywidgets as widgets

from helpers.views.markup import soft

KIND = "application/vnd.inside-nn-module.page+json"
# Set by exported/jupyter_nbconvert_config.py, in the process from which kernels inherit it.
WANTED = "INM_PAGE"
NEEDS_A_KERNEL = "Run the lesson to do this: there is no kernel behind this page."
_SHARED = 60  # characters from which a value that comes again is sent once


def is_wanted() -> bool:
    """Whether what is shown now goes onto a page."""
    return bool(os.environ.get(WANTED))


def bundle_of(parts: Iterable[dict]) -> dict:
    """What stands under `KIND`: the `parts` of a view, in the order in which they stand on the
    page, and the code of each kind of view among them, once.
    """
    views, placed, data = {}, [], []
    for part in parts:
        if "html" in part:
            placed.append(part)
            continue
        code = part.pop("code")
        key = sha256("\0".join(code.values()).encode()).hexdigest()[:12]
        views[key] = code
        placed.append({"view": key, "at": len(data), "beside": part.pop("beside", False)})
        data.append(part)
    return {"parts": placed, "views": views, "data": packed(data)}


def parts_of(widget: widgets.Widget) -> list[dict]:
    """The parts of any widget: of a box those inside it, one after the other."""
    if hasattr(widget, "_esm"):
        return [mounted(widget)]
    if isinstance(widget, widgets.Box):
        inside = [part for child in widget.children for part in parts_of(child)]
        beside = isinstance(widget, widgets.HBox)
        return [{**part, "beside": True} for part in inside] if beside else inside
    if isinstance(widget, widgets.HTML):
        return [{"html": widget.value}]
    return [{"html": soft(NEEDS_A_KERNEL)}]


def mounted(widget: widgets.Widget, **more: object) -> dict:
    """One front-end module on the page, with the `state` that is synced now, and `more` of:

    - `answers`: pairs of a message that the view may send, and the reply to it;
    - `needs`: what the reader is told where there is no reply;
    - `choices`: {"names": traits that the reader sets, "outcomes": pairs of their values, and the
      traits that change then, a dictionary for each part of the view};
    - `memory`: {"key": a name in the whole course, "names": traits that the browser remembers}.
    """
    common = widgets.DOMWidget.class_trait_names(sync=True)
    names = [name for name in widget.keys if name[0] != "_" and name not in common]
    script, style = (widget.get_state(name).get(name, "") for name in ("_esm", "_css"))
    code = {"script": script, "style": style}
    return {"code": code, "state": widget.get_state(names), **more}


def packed(value: object) -> dict:
    """`value` as {"value", "shared"}, where what comes more than once is sent once: {"$": n} stands
    for the n-th of `shared`, which may itself refer to those before it.

    A dictionary of the caller's with the key "$" keeps it, inside {"$$": …}."""
    seen: Counter[str] = Counter()
    written: dict[int, str] = {}
    _count(value, seen, written)
    places: dict[str, int] = {}
    shared: list[object] = []
    return {"value": _replaced(value, seen, written, places, shared), "shared": shared}


def _count(value: object, seen: Counter, written: dict[int, str]) -> None:
    if not isinstance(value, (dict, list, tuple)):
        return
    if id(value) not in written:
        written[id(value)] = json.dumps(value)
    text = written[id(value)]
    seen[text] += 1
    if seen[text] > 1 or len(text) < _SHARED:
        return  # what is inside comes with it
    for inner in value.values() if isinstance(value, dict) else value:
        _count(inner, seen, written)


def _replaced(value: object, seen: Counter, written: dict, places: dict, shared: list) -> object:
    if not isinstance(value, (dict, list, tuple)):
        return value
    text = written.get(id(value), "")
    if text in places:
        return {"$": places[text]}
    if isinstance(value, dict):
        small = {k: _replaced(v, seen, written, places, shared) for k, v in value.items()}
        small = {"$$": small} if "$" in value or "$$" in value else small
    else:
        small = [_replaced(one, seen, written, places, shared) for one in value]
    if seen[text] < 2 or len(text) < _SHARED:
        return small
    places[text] = len(shared)
    shared.append(small)
    return {"$": places[text]}
