"""A piece of HTML as a browser would see it: its elements, its tables and its text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from tests.notebook_files import code_cells, faces, read

WIDGET = "application/vnd.jupyter.widget-view+json"
# What JupyterLab lets pass of a still face before a reader trusts the notebook. Of the styles it
# drops those with a var().
ELEMENTS = {"div", "span", "b", "pre", "details", "summary"}
ELEMENTS |= {"table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"class", "style", "title", "scope", "open"}


class Page(HTMLParser):
    """`tags` holds (name, attributes) of every element, `words` all text seen, `rows` the texts of
    the cells of every row of a table, `unclosed` what was left open.
    """

    _VOID = frozenset({"br", "hr", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words = ""
        self.rows: list[list[str]] = []
        self.unclosed: list[str] = []
        self.feed(html)
        self.close()

    @property
    def elements(self) -> set[str]:
        """The names of all elements."""
        return {name for name, _ in self.tags}

    @property
    def attributes(self) -> set[str]:
        """The names of all attributes."""
        return {attribute for _, attributes in self.tags for attribute in attributes}

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self.unclosed.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.unclosed[-1:] == ["style"]:
            return
        self.words += data
        if {"th", "td"} & set(self.unclosed):
            self.rows[-1][-1] += data


def faces_of(view: object) -> dict[str, object]:
    """What a view shows, by the kind of it; a table that is no widget has two kinds."""
    if hasattr(view, "_repr_mimebundle_"):
        return view._repr_mimebundle_()[0]
    return {"text/plain": repr(view), "text/html": view._repr_html_()}


def assert_safe(html: str) -> Page:
    """A still face as it is before trust: nothing of it is dropped."""
    page = Page(html)
    assert page.unclosed == []
    assert page.elements <= ELEMENTS and page.attributes <= ATTRIBUTES
    assert not any("var(" in attributes.get("style", "") for _, attributes in page.tags)
    return page


def saved_static_faces(path: Path) -> list[str]:
    """The text of every text/html output saved in the notebook at `path`, spaces and line ends made
    one.
    """
    outputs = [output for _, cell in code_cells(read(path)) for output in cell["outputs"]]
    shown = (html for output in outputs for kind, html in faces(output) if kind == "text/html")
    return [" ".join(Page(html).words.split()) for html in shown]
