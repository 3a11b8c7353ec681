"""What axe-core finds on a page, and quickly: contrast takes most of its time, element by element,
and a listing has thousands that look alike. So of those that look alike in like places it is asked
of one. And whatever it looks for, it walks all that is on the page, hidden or not: what is nothing
but a token of code, or no matter of the test, is off the page while it runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import JSHandle, Page

_MARK = "data-one-of-each"
_CONTRAST_OF_MARKED = {"rules": [{"id": "color-contrast", "selector": f"[{_MARK}]"}]}
_AXE = Axe(f"{AXE_SCRIPT};\naxe.configure({json.dumps(_CONTRAST_OF_MARKED)})")

# Marks inside `within` one element with words of its own for each look: its own and those of all
# elements around it, in which contrast lies.
_MARK_ONE_OF_EACH = """([within, mark]) => {
    const looks = new Map();
    const lookOf = element => {
        if (!element) return "";
        if (!looks.has(element)) {
            const style = getComputedStyle(element);
            const {color, background, opacity, filter, fontSize, fontWeight, textShadow} = style;
            looks.set(element, JSON.stringify([
                element.localName, element.getAttribute("class"),
                color, background, opacity, filter, fontSize, fontWeight, textShadow,
            ]) + lookOf(element.parentElement));
        }
        return looks.get(element);
    };
    const hasWords = element =>
        [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())
        || ["input", "select", "textarea"].includes(element.localName);
    const roots = [...document.querySelectorAll(within)];
    const all = new Set(roots.flatMap(root => [root, ...root.querySelectorAll("*")]));
    const seen = new Set();
    for (const element of all) {
        element.removeAttribute(mark);
        if (!hasWords(element) || !element.checkVisibility({visibilityProperty: true})) continue;
        if (seen.has(lookOf(element))) continue;
        seen.add(lookOf(element));
        element.setAttribute(mark, "");
    }
}"""

# Takes the elements that a selector means off the page, and gives what puts them back.
_TAKE_OFF = """selector => {
    const taken = [...document.querySelectorAll(selector)].map(element => {
        const place = document.createComment("");
        element.replaceWith(place);
        return [place, element];
    });
    return () => taken.forEach(([place, element]) => place.replaceWith(element));
}"""

# Inside `within`, lets the words of a token stand in the line without the token, and gives what
# puts the tokens back. A token is words in code and a class, no more: it has no ground of its own
# that could be that of others, and if it is the one of its look that is marked, it stays.
_WORDS_FOR_TOKENS = """([within, mark]) => {
    const found = new Set();
    for (const root of document.querySelectorAll(within))
        for (const element of root.querySelectorAll("pre span, code span")) found.add(element);
    const isPlain = ({attributes, childNodes, firstChild}) =>  // the mark is an attribute
        [...attributes].every(({name}) => name === "class")
        && childNodes.length === 1 && firstChild.nodeType === 3;
    const isWordsAlone = element => {
        const {display, position, backgroundColor} = getComputedStyle(element);
        return display === "inline" && position === "static"
            && backgroundColor === "rgba(0, 0, 0, 0)";
    };
    const tokens = [...found].filter(one => isPlain(one) && isWordsAlone(one)).map(token => {
        const words = new Text(token.textContent);
        token.replaceWith(words);
        return [words, token];
    });
    return () => tokens.forEach(([words, token]) => words.replaceWith(token));
}"""


# Rules of colour: what another theme can change.
_OF_COLOUR = ["color-contrast", "link-in-text-block"]


@contextmanager
def _until_put_back(put_back: JSHandle) -> Iterator[None]:
    try:
        yield
    finally:
        put_back.evaluate("put_back => put_back()")
        put_back.dispose()


@contextmanager
def off_the_page(page: Page, selector: str) -> Iterator[None]:
    """Have the elements that `selector` means off `page` while the block runs."""
    with _until_put_back(page.evaluate_handle(_TAKE_OFF, selector)):
        yield


def violations(page: Page, within: str | None = None, *, only_colours: bool = False) -> list[dict]:
    """What axe-core calls a violation inside the elements that the selector `within` means, or on
    the whole page, as it tells it; `only_colours`: what another theme can change.
    """
    looked_at = [within or "body", _MARK]
    page.evaluate(_MARK_ONE_OF_EACH, looked_at)
    # What passes it would describe as well, which takes as long again.
    options: dict = {"resultTypes": ["violations"]}
    if only_colours:
        options["runOnly"] = _OF_COLOUR
    with _until_put_back(page.evaluate_handle(_WORDS_FOR_TOKENS, looked_at)):
        return _AXE.run(page, context=within, options=options).response["violations"]
