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
_SHARED = 60  # characters from which a value that comes again is sent once


def is_wanted() -> bool:
    """Whether what is shown now goes onto a page."""
    return bool(os.environ.get(WANTED))


def needs_a_kernel(what: str = "do this") -> str:
    """What the reader is told where only Python could answer."""
    return f"Run the lesson to {what}: there is no kernel behind this page."


def bundle_of(parts: Iterable[dict]) -> dict:
    """What stands under `KIND`: the `parts` of a view, in the order in which they stand on the
    page, and the code of each kind of view among them, once.
    """
    views, placed, data = {}, [], []
    for part in parts:
        if "html" in part:
            placed.append(part)
            continue
        code = part["code"]
        key = sha256("\0".join(code.values()).encode()).hexdigest()[:12]
        views[key] = code
        placed.append({"view": key, "at": len(data), "beside": part.get("beside", False)})
        data.append({name: one for name, one in part.items() if name not in ("code", "beside")})
    return {"parts": placed, "views": views, "data": packed(data)}


def parts_on_page(widget: widgets.Widget) -> list[dict]:
    """The parts of any widget: of a box those inside it, one after the other."""
    if hasattr(widget, "_esm"):
        return [mounted(widget)]
    if isinstance(widget, widgets.Box):
        inside = [part for child in widget.children for part in parts_on_page(child)]
        beside = isinstance(widget, widgets.HBox)
        return [{**part, "beside": True} for part in inside] if beside else inside
    if isinstance(widget, widgets.HTML):
        return [{"html": widget.value}]
    return [{"html": soft(needs_a_kernel())}]


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
    return {"code": code, "state": widget.get_state(names), "needs": needs_a_kernel(), **more}


def packed(value: object) -> dict:
    """`value` as {"value", "shared"}, where what comes more than once is sent once: {"$": n} stands
    for the n-th of `shared`, which may itself refer to those before it.

    A dictionary of the caller's with the key "$" keeps it, inside {"$$": …}."""
    packing = _Packing()
    packing.count(value)
    return {"value": packing.replaced(value), "shared": packing.shared}


class _Packing:
    """What has been seen of a value, by the text of its parts, and what of it is shared."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.written: dict[int, str] = {}  # id -> its text
        self.places: dict[str, int] = {}
        self.shared: list[object] = []

    def count(self, value: object) -> None:
        if not isinstance(value, (dict, list, tuple)):
            return
        if id(value) not in self.written:
            self.written[id(value)] = json.dumps(value)
        text = self.written[id(value)]
        self.seen[text] += 1
        if self.seen[text] > 1 or len(text) < _SHARED:
            return  # what is inside comes with it
        for inner in value.values() if isinstance(value, dict) else value:
            self.count(inner)

    def replaced(self, value: object) -> object:
        if not isinstance(value, (dict, list, tuple)):
            return value
        text = self.written.get(id(value), "")
        if text in self.places:
            return {"$": self.places[text]}
        if isinstance(value, dict):
            small = {name: self.replaced(one) for name, one in value.items()}
            small = {"$$": small} if "$" in value or "$$" in value else small
        else:
            small = [self.replaced(one) for one in value]
        if self.seen[text] < 2 or len(text) < _SHARED:
            return small
        self.places[text] = len(self.shared)
        self.shared.append(small)
        return {"$": self.places[text]}
