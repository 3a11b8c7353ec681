"""What axe-core finds on a page, and quickly: contrast takes most of its time, element by element,
and a listing has thousands that look alike. So of those that look alike in like places it is asked
of one.
"""

from __future__ import annotations

import json

from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

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
    return seen.size;
}"""


# Rules of colour: what another theme can change.
_OF_COLOUR = ["color-contrast", "link-in-text-block"]


def violations(page: Page, within: str | None = None, *, only_colours: bool = False) -> list[dict]:
    """What axe-core calls a violation inside the elements that the selector `within` means, or on
    the whole page, as it tells it; `only_colours`: what another theme can change.
    """
    page.evaluate(_MARK_ONE_OF_EACH, [within or "body", _MARK])
    # What passes it would describe as well, which takes as long again.
    options: dict = {"resultTypes": ["violations"]}
    if only_colours:
        options["runOnly"] = _OF_COLOUR
    return _AXE.run(page, context=within, options=options).response["violations"]
