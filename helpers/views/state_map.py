"""The live map of a module's state: a tree that folds and filters, and the facts of what is
selected.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import anywidget
from torch import nn
from traitlets import Bool, Dict, List, Unicode

from helpers.state import tree
from helpers.state.objects import require_module, shape_in_words, type_name
from helpers.state.snapshot import snapshot
from helpers.state.totals import totals
from helpers.views import ThreeFaces, front_end
from helpers.views.markup import CODE, SOFT, Markup, face, fold, join, mark, rest, soft, tag
from helpers.views.signs import AS_JSON, GRADIENT, SIGNS, WHO_SEES, bytes_in_words

_PAGE = 100  # rows of one module sent at a time
_FIRST_ROWS = 40  # rows of a large model sent at first: the tree shows 15 at a time
_WHOLE_MODULES, _WHOLE_ROWS = (
    160,
    1_200,
)  # a model within both is sent whole, and needs no further trip
_MATCHES = 200
_STATIC_ROWS = 50
_WORDS = json.dumps({"signs": AS_JSON, "sees": WHO_SEES | GRADIENT})


class StateMap(ThreeFaces, anywidget.AnyWidget):
    """A live map of what a module holds: parameters, buffers, submodules and plain attributes, with
    their facts.

    `module` is any `nn.Module` instance; TypeError for anything else. It is read, never changed.
    The map shows the module as it is when the map is made; its Refresh button, or `refresh()`,
    reads it again. The map holds the module until `close()`, since the children of a large model
    are read when the reader opens them."""

    _esm, _css = front_end("state_map")

    rows = List().tag(sync=True)
    whole = Bool().tag(sync=True)
    totals = Dict().tag(sync=True)
    words = Unicode(_WORDS).tag(
        sync=True
    )  # JSON of what never changes: the signs, and who sees what

    def __init__(self, module: nn.Module) -> None:
        require_module(module, "StateMap")
        self._module: nn.Module | None = module
        self._index: tree.Index | None = None
        super().__init__(**_read(module))
        self.on_msg(lambda _, content, __: self.send(self.answer(content)))

    def refresh(self) -> None:
        """Read the module again and show what it holds now. ValueError if the map is closed."""
        if self._module is None:
            raise ValueError("this StateMap is closed; make a new one with StateMap(module)")
        self._index = None
        with self.hold_sync():
            self.set_trait("rows", [])  # the same facts again are a change too: the view redraws
            for name, value in _read(self._module).items():
                self.set_trait(name, value)

    def close(self) -> None:
        """Take the map off the page and let go of the module."""
        super().close()
        self._module = self._index = None

    def answer(self, request: dict) -> dict:
        """What the browser gets for one request: `request` with the answer's fields, or with
        `error` in words.
        """
        if not isinstance(request, dict):
            return {"error": f"This is no request: {type_name(request)}"}
        try:
            if self._module is None:
                return {**request, "error": "This map is closed."}
            return {**request, **self._requests[request["type"]](self, request)}
        except tree.Stale:
            words = "The model has changed since this map was drawn. Refresh to read it again."
            return {**request, "error": words}
        except Exception as error:
            # An output area hides what a handler raises; the map says it where the reader looks.
            return {**request, "error": f"This could not be read: {type_name(error)}: {error}"}

    def _children(self, request: dict) -> dict:
        return tree.children(
            self._module, request["id"], request["path"], int(request["start"]), _PAGE
        )

    def _filter(self, request: dict) -> dict:
        self._index = self._index or tree.Index(self._module)
        return self._index.matches(request["text"], _MATCHES)

    def _about(self, request: dict) -> dict:
        return tree.about(self._module, request["id"], request["path"])

    def _preview(self, request: dict) -> dict:
        return {"text": tree.numbers(self._module, request["id"], request["path"])}

    def _refresh(self, request: dict) -> dict:
        self.refresh()
        return {}

    _requests: dict[str, Callable] = {
        "children": _children,
        "filter": _filter,
        "about": _about,
        "preview": _preview,
        "refresh": _refresh,
    }

    def title(self) -> str:
        if self._module is None:
            return "<StateMap, closed>"
        sums = self.totals
        return (
            f"StateMap of {self.rows[0]['type']}: {_modules(sums)}, "
            f"{sums['parameters']:,} parameter elements ({sums['trainable']:,} trainable), "
            f"{sums['buffers']:,} buffer elements, {sums['nbytes']:,} bytes"
        )

    def static_face(self) -> Markup:
        """The map as `<details>` in HTML, cut at about 50 rows, with what was left out counted."""
        top, by_id = self.rows[0], {row["id"]: row for row in self.rows}
        shown, waiting = set(), [top]
        for row in waiting:  # level by level, so that the cut takes depth before breadth
            inside = row.get("children", [])
            if len(shown) + len(inside) <= _STATIC_ROWS or row is top:
                kept = inside[:_STATIC_ROWS]
                shown.update(kept)
                waiting += [by_id[one] for one in kept]
        return face(
            "map", _details(top, by_id, shown, is_open=True), soft(_sums(self.totals)), _legend()
        )


def _read(module: nn.Module) -> dict:
    """The traits that depend on the module: `rows`, `whole` and `totals`."""
    sums = totals(module)
    small = sums.modules <= _WHOLE_MODULES
    rows, whole = tree.opened(
        module, _WHOLE_ROWS if small else _FIRST_ROWS, _PAGE if small else _FIRST_ROWS
    )
    if whole:  # then names need no trip either
        names = tree.names_of(snapshot(module))
        for row in rows:
            if "dtype" in row:
                row["names"] = names.get(row["path"], [])
    return {"rows": rows, "whole": whole, "totals": asdict(sums)}


_INDENT = "margin-left:1.5em"


def _details(row: dict, by_id: dict[str, dict], shown: set[str], is_open: bool) -> Markup:
    """One submodule and, inside a `<details>`, what it holds as far as it is `shown`."""
    children = row.get("children", [])
    kept = [by_id[one] for one in children if one in shown]
    indent = _INDENT if row["id"] else ""
    if not kept:
        return tag("div", _line(row), style=indent or None)
    plain = [one for one in kept if one["kind"] == "plain value"]
    modules = [one for one in kept if one["kind"] == "module"]
    others = [one for one in kept if one not in plain and one not in modules]
    inside = [tag("div", _line(one), style=_INDENT) for one in others]
    if plain:
        inside.append(tag("div", _values(plain), style=_INDENT))
    inside += [_details(one, by_id, shown, is_open=False) for one in modules]
    left_out = len(children) - len(kept) + row.get("more", 0)
    inside.append(tag("div", rest(left_out), style=_INDENT) if left_out else "")
    return fold(_line(row), *inside, is_open=is_open, style=indent)


def _values(rows: list[dict]) -> Markup:
    """All plain values on one line."""
    values = join((f"{row['name']} = {row.get('value')}" for row in rows), ", ")
    return join([mark(SIGNS["plain value"]), tag("span", values, style=SOFT)])


def _line(row: dict) -> Markup:
    again = " · inside itself, not entered" if row.get("again") else ""
    name = tag("span", row["name"], style=CODE)
    about = tag("span", _about(row) + again, style=SOFT)
    return join([mark(SIGNS[row["kind"]]), name, " ", about])


def _about(row: dict) -> str:
    if row.get("empty"):
        return "None"
    return row["type"] if row["kind"] == "module" else note(row)


def note(row: dict) -> str:
    """Shape and dtype of a tensor, "frozen" where it is; the short text of a plain value."""
    if "dtype" not in row:
        return row.get("value") or row["type"]
    frozen = ", frozen" if row["kind"] == "parameter" and not row["grad"] else ""
    return f"{shape_in_words(row['shape'])}, {row['dtype']}{frozen}"


def _legend() -> Markup:
    return soft(join((join([mark(sign), sign.label]) for sign in SIGNS.values()), " \u2003"))


def _sums(sums: dict) -> str:
    lazy = f"; {sums['lazy']:,} lazy, without a size yet" if sums["lazy"] else ""
    return (
        f"{sums['parameters']:,} parameter elements, {sums['trainable']:,} of them trainable; "
        f"{sums['buffers']:,} buffer elements; {bytes_in_words(sums['nbytes'])} in parameters and "
        f"buffers{lazy}; {_modules(sums)}"
    )


def _modules(sums: dict) -> str:
    return "1 module" if sums["modules"] == 1 else f"{sums['modules']:,} modules"
