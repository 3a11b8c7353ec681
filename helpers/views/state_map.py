"""The live map of a module's state: a tree that folds and filters, and the facts of what is
selected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import anywidget
from torch import nn
from traitlets import Bool, Dict, List, Unicode

from helpers.state import tree
from helpers.state.objects import (
    bytes_in_words,
    collector_paused,
    counted,
    dtype_in_words,
    plural,
    require_module,
    shape_in_words,
    tensor_in_words,
    type_name,
)
from helpers.state.own_rules import Untold
from helpers.state.portions import portions_of
from helpers.state.totals import Totals, census
from helpers.state.tree import About, Row
from helpers.state.visibility import Seen
from helpers.views import ThreeFaces, front_end, page
from helpers.views.byte_strip import strip_in_html, strip_of
from helpers.views.markup import CODE, SOFT, Markup, face, fold, join, mark, rest, soft, tag
from helpers.views.signs import AS_JSON, SIGNS

_PAGE = 100  # rows of one module sent at a time
_FIRST_ROWS = 40  # rows of a large model sent at first: more than are in sight
# A model within both is sent whole, and needs no further trip.
_WHOLE_MODULES, _WHOLE_ROWS = 160, 1_200
_MATCHES = 200
# On a page without a kernel: rows, and characters of numbers.
_ON_PAGE_ROWS, _ON_PAGE_NUMBERS = 1_500, 60_000
_STATIC_ROWS = 50
# What each answer of the experiment says, if it is yes and if it is no; and what was asked, before
# the words of one that is neither.
_SEES = {
    "in_parameters": (
        "parameters() gives it, once for all its names",
        "parameters() does not give it under this name",
        "parameters()",
    ),
    "in_buffers": (
        "buffers() gives it, once for all its names",
        "buffers() does not give it under this name",
        "buffers()",
    ),
    "in_state_dict": (
        "state_dict() has this name: it is saved",
        "state_dict() leaves this name out",
        "state_dict()",
    ),
    "moves_with_to": (".to() moves it", ".to() leaves it where it is", ".to()"),
    "gets_gradient": (
        "backward() leaves a gradient on it",
        "backward() leaves no gradient on it",
        "backward()",
    ),
    "held_by_optimizer": (
        "an optimizer made from parameters() holds it",
        "an optimizer made from parameters() does not hold it",
        "an optimizer made from parameters()",
    ),
}
# What each sum is of, if it is one and if it is several; and those told of where they are not 0.
_SUMS = {
    "parameters": ("parameter element", "parameter elements"),
    "trainable": ("of them trainable", "of them trainable"),
    "buffers": ("buffer element", "buffer elements"),
    "memory": ("in parameters and buffers", "in parameters and buffers"),
    "lazy": ("lazy, without a size yet", "lazy, without a size yet"),
    "unsized": ("whose bytes torch does not tell", "whose bytes torch does not tell"),
    "modules": ("module", "modules"),
}
_UNCOUNTED = ("lazy", "unsized")
# JSON of what never changes.
_WORDS = json.dumps({"signs": AS_JSON, "sees": [_SEES[name] for name in Seen._fields]})


class StateMap(ThreeFaces, anywidget.AnyWidget):
    """A live map of what a module holds: parameters, buffers, submodules and plain attributes, with
    their facts.

    `module` is any `nn.Module` instance; TypeError for anything else. It is read, never changed.
    Bytes are those of elements: of a tensor with less memory than that, such as an expanded one,
    both are told when it is selected. Those whose bytes torch does not tell, such as sparse ones,
    are counted apart.

    The map shows the module as it is when the map is made; its Refresh button, or `refresh()`,
    reads it again. The map holds the module until `close()`, since the children of a large model
    are read when the reader opens them."""

    _esm, _css = front_end("state_map")

    rows = List().tag(sync=True)
    whole = Bool().tag(sync=True)
    totals = Dict().tag(sync=True)
    strip = List().tag(sync=True)
    words = Unicode(_WORDS).tag(sync=True)

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
        inside = tree.children(
            self._module, request["id"], request["path"], int(request["start"]), _PAGE
        )
        return {"rows": [_as_json(row) for row in inside.rows], "more": inside.more}

    def _filter(self, request: dict) -> dict:
        self._index = self._index or tree.Index(self._module)
        found = self._index.matches(request["text"], _MATCHES)
        rows = [_as_json(row) for row in found.rows]
        return {"rows": rows, "matches": found.matches, "more": found.more}

    def _about(self, request: dict) -> dict:
        known = tree.about(self._module, request["id"], request["path"])
        if isinstance(known, Totals):
            return {"totals": _totals_as_json(known)}
        return _about_as_json(known) if known else {"names": []}

    def _preview(self, request: dict) -> dict:
        return {"text": tree.preview_at(self._module, request["id"], request["path"])}

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

    def on_page(self) -> list[dict]:
        """The map with all that it would ask for, as far as the model fits."""
        part = page.mounted(self, needs=page.needs_a_kernel("read more of the model"))
        if self._module is not None:
            part["state"] |= _read(self._module, _ON_PAGE_ROWS, _ON_PAGE_ROWS)
            part["answers"] = list(self._answers(part["state"]["rows"]))
        return [part]

    def _answers(self, rows: list[dict]) -> Iterator[tuple[dict, dict]]:
        """What the browser may ask for about `rows`, and the reply."""
        room = _ON_PAGE_NUMBERS
        for row in rows:
            asked = {"id": row["id"], "path": row["path"]}
            if row["id"] and (row["kind"] == "module" or "dtype" in row) and "seen" not in row:
                yield {"type": "about", **asked}, self._about(asked)
            if "dtype" in row and room > 0:
                reply = self._preview(asked)
                room -= len(reply["text"])
                yield {"type": "preview", **asked}, reply

    def title(self) -> str:
        if self._module is None:
            return "<StateMap, closed>"
        sums = self.totals
        uncounted = (f", {sums[name]:,} {_SUMS[name][0]}" for name in _UNCOUNTED if sums[name])
        return (
            f"StateMap of {self.rows[0]['type']}: {counted(sums['modules'], 'module')}, "
            f"{counted(sums['parameters'], 'parameter element')} "
            f"({sums['trainable']:,} trainable), "
            f"{counted(sums['buffers'], 'buffer element')}, {sums['memory']}{''.join(uncounted)}"
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
            "map",
            strip_in_html(self.strip),
            _details(top, by_id, shown, is_open=True),
            soft(_sums(self.totals)),
            _legend(),
        )


def _read(module: nn.Module, budget: int = 0, at_a_time: int = 0) -> dict:
    """The traits that depend on the module: `rows`, `whole`, `totals` and `strip`.

    Of `budget` rows, and `at_a_time` of one module, where that is given."""
    with collector_paused():  # it would walk the growing census, which is gone in a moment
        taken = census(module)
        sums, portions = taken.totals, portions_of(module, taken)
        if not budget:
            small = sums.modules <= _WHOLE_MODULES
            budget, at_a_time = (_WHOLE_ROWS, _PAGE) if small else (_FIRST_ROWS, _FIRST_ROWS)
        found = tree.opened(module, budget, at_a_time, taken.part)
        del taken
    rows = []
    for row in found.rows:
        sent = _as_json(row)
        if row.id in found.children:
            sent["children"], more = found.children[row.id]
            if more:
                sent["more"] = more
        if row.id in found.about:  # then it needs no trip either
            sent |= _about_as_json(found.about[row.id])
        rows.append(sent)
    return {
        "rows": rows,
        "whole": found.whole,
        "totals": _totals_as_json(sums),
        "strip": strip_of(portions, sums.nbytes),
    }


def _as_json(row: Row) -> dict:
    """A row as the browser gets it: what is not there is left out, and sizes are words.

    `note` is what stands beside the name; `label` that of the sign, where it is not the kind's."""
    sent = {"id": row.id, "name": row.name, "path": row.path, "kind": row.kind, "type": row.type}
    sent["note"] = _note(row)
    if not row.id:
        sent["label"] = "module"  # and no submodule
    if row.empty:
        sent["empty"] = True
    if row.again:
        sent["again"] = True
    if row.value is not None:
        sent["value"] = row.value
    if row.tensor is not None:
        sent |= _tensor_as_json(row)
    if row.piece is not None:
        sent["here"] = shape_in_words(row.piece)
    return sent


def _note(row: Row) -> str:
    if row.empty:
        return "None"
    if row.again:
        return f"{row.type}, inside itself: not entered"
    if row.tensor is not None:
        return tensor_in_words(row.tensor, row.kind, row.piece)
    return row.value or row.type


def _tensor_as_json(row: Row) -> dict:
    tensor = row.tensor
    # A symbolic size stays text: int() would write a guard into its owner's graph.
    numel = tensor.numel if type(tensor.numel) is int else None
    memory = None
    if type(tensor.nbytes) is int:
        memory = bytes_in_words(tensor.nbytes, exact=True)
    if row.under is not None:
        memory += f" of elements, in {bytes_in_words(row.under, exact=True)} of memory"
    return {
        "shape": shape_in_words(tensor.shape),
        "dtype": dtype_in_words(tensor.dtype),
        "device": str(tensor.device),
        "grad": tensor.requires_grad,
        "numel": numel,
        "memory": memory,
    }


def _totals_as_json(sums: Totals) -> dict:
    sent = asdict(sums) | {"memory": bytes_in_words(sums.nbytes, exact=True)}
    return sent | {"told": _told(sent, sent["memory"])}


def _about_as_json(about: About) -> dict:
    seen = [one.words if type(one) is Untold else one for one in about.seen]
    return {"names": about.names, "seen": seen}


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
    sign = SIGNS[row["kind"]]
    sign = replace(sign, label=row.get("label", sign.label))
    name = tag("span", row["name"], style=CODE)
    return join([mark(sign), name, " ", tag("span", row["note"], style=SOFT)])


def _legend() -> Markup:
    whole = "white-space:nowrap"  # no sign parts from its word
    signs = (tag("span", mark(sign), sign.label, style=whole) for sign in SIGNS.values())
    return soft(join(signs, " \u2003"))


def _told(sums: dict, memory: str) -> list[list[str]]:
    """The sums as both faces have them: of what each is, and how much. Tensors that are not counted
    are told of where there are some."""
    numbers = {name: sums[name] for name in _SUMS if sums[name] or name not in _UNCOUNTED}
    words = {name: f"{number:,}" for name, number in numbers.items() if name != "memory"}
    words["memory"] = memory
    return [[plural(number, *_SUMS[name]), words[name]] for name, number in numbers.items()]


def _sums(sums: dict) -> str:
    told = [f"{much} {what}" for what, much in _told(sums, bytes_in_words(sums["nbytes"]))]
    return ", ".join(told[:2]) + "; " + "; ".join(told[2:])
