"""The map of memory in a real JupyterLab: scrubbed by mouse and keys, its wires, its growth."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect
from torch import nn

from helpers.views.memory_map import MemoryMap
from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK

FILM = """\
import copy, torch
from torch import nn
from helpers import MemoryMap
model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 6))
with torch.no_grad():
    for number, parameter in enumerate(model.parameters(), start=1):
        parameter.fill_(number)
saved = model.state_dict()
film = MemoryMap(model=model, saved=saved)
with torch.no_grad():
    model[0].weight[0, 1] = 5
film.note("after a write")
best = copy.deepcopy(saved)
film.note("after a copy", best=best)
model[0].bias = nn.Parameter(torch.zeros(3))
film.note("after an assignment")
del best
film.note("after del best")
"""
SHOW = f"{FILM}film"
HOSTILE_FILM = f"""\
import torch
from helpers import MemoryMap
held = {{{STRUCK!r}: torch.ones(1)}}
film = MemoryMap(**{{{STRUCK!r}: held}})
film.note({STRUCK!r})
film"""
NAMES = ["0.weight", "0.bias", "1.weight", "1.bias"]

# Of each wire the letters of the name and of the block that its two ends meet, within a pixel.
WIRES = """() => {
    const middle = element => {
        const box = element.getBoundingClientRect();
        return box.top + box.height / 2;
    };
    const picture = document.querySelector('.inm-memory svg').getBoundingClientRect();
    return [...document.querySelectorAll('.inm-memory-wire')].map(wire => {
        const [, from, , , , , , to] = wire.getAttribute('d').match(/[\\d.]+/g).map(Number);
        const near = (one, height) => Math.abs(middle(one) - picture.top - height) < 1;
        const name = [...document.querySelectorAll('.inm-memory-end')].find(one => near(one, from));
        const part = [...document.querySelectorAll('.inm-memory-block ul > li')].find(
            one => near(one, to));
        return [Number(wire.dataset.row), name?.textContent,
            part?.closest('.inm-memory-block').querySelector('b').textContent];
    });
}"""


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="Frame")


def letters(page: Page) -> list[str]:
    """What the names lead to, one letter each; "" for a name that is not to be seen yet."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.inm-memory-names > li')].map(name =>
            name.dataset.state === 'none' ? '' : name.lastElementChild.textContent)"""
    )


# Ends when no wire has moved for five pictures of the screen.
WIRES_AT_REST = """async () => {
    const wires = () => [...document.querySelectorAll('.inm-memory-wire')];
    const drawn = () => wires().map(wire => wire.getAttribute('d')).join();
    for (let before = drawn(), same = 0; same < 5;) {
        await new Promise(requestAnimationFrame);
        const now = drawn();
        same = now === before ? same + 1 : 0;
        before = now;
    }
}"""


def go(page: Page, frame: int) -> None:
    slider(page).fill(str(frame))
    page.evaluate(WIRES_AT_REST)


def test_the_last_frame_is_shown_and_the_slider_leads_through_all(lab, notebook):
    page = notebook(SHOW)
    expect(page.locator(".inm-scrub-count")).to_have_text("5 / 5")
    shown = []
    for frame in range(5):
        go(page, frame)
        shown.append("".join(letter or "." for letter in letters(page)))
    assert shown == [
        "ABCDABCD....",
        "ABCDABCD....",
        "ABCDABCDEFGH",
        "AICDABCDEFGH",
        "AICDABCD––––",
    ]
    assert lab.problems(page) == []


def test_every_wire_ends_at_its_name_and_at_the_block_of_that_letter(lab, notebook):
    page = notebook(SHOW)
    for frame, count in enumerate([8, 8, 12, 12, 8]):
        go(page, frame)
        found = page.evaluate(WIRES)
        assert len(found) == count and all(name and name == block for _, name, block in found)
        assert [name for _, name, _ in found] == [one for one in letters(page) if one not in "–"]
    assert lab.problems(page) == []


def test_a_wire_moves_when_its_name_is_bound_to_other_memory_and_at_once_with_reduced_motion(
    notebook,
):
    page = notebook(SHOW)
    page.emulate_media(reduced_motion="no-preference")
    heights = """async () => {
        const wire = () => document.querySelector('.inm-memory-wire[data-row="1"]');
        const end = () => Number(wire().getAttribute('d').match(/[\\d.]+/g).at(-1));
        const seen = [end()];
        document.querySelector('.inm-memory [data-action="forward"]').click();
        for (let i = 0; i < 60; i++) {
            await new Promise(requestAnimationFrame);
            seen.push(end());
        }
        return seen;
    }"""
    go(page, 2)
    seen = page.evaluate(heights)
    page.emulate_media(reduced_motion="reduce")
    assert seen == sorted(seen) and len(set(seen)) > 5 and seen[-1] > seen[0] + 100
    go(page, 2)
    seen = page.evaluate(heights)
    animation = page.locator(".inm-memory").evaluate("node => node.getAnimations({subtree: true})")
    assert len(set(seen)) == 2 and animation == []


def test_numbers_that_changed_are_marked_and_what_is_gone_is_struck_out(notebook):
    page = notebook(SHOW)
    go(page, 1)
    changed = page.locator(".inm-memory-changed")
    expect(changed).to_have_text(["5"])
    expect(page.locator(".inm-memory-status")).to_have_text("after a write: other numbers in A.")
    weight, line = changed.evaluate(
        "node => [getComputedStyle(node).fontWeight, getComputedStyle(node).borderBottomStyle]"
    )
    assert (weight, line) == ("700", "solid")
    go(page, 4)
    gone = page.locator('.inm-memory-names > li[data-state="gone"]')
    expect(gone.locator("code")).to_have_text([f"best['{name}']" for name in NAMES])
    expect(page.locator('.inm-memory-block[data-state="freed"] b')).to_have_text(list("EFGH"))
    go(page, 0)
    expect(page.locator(".inm-memory-names > li:visible")).to_have_count(8)
    expect(page.locator(".inm-memory-block:visible")).to_have_count(4)


def test_all_that_stays_keeps_its_place_from_frame_to_frame(notebook):
    page = notebook(SHOW)
    places = (
        "() => [...document.querySelectorAll('.inm-memory-names > li')].map(one => one.offsetTop)"
    )
    found = []
    for frame in range(5):
        go(page, frame)
        found.append(page.evaluate(places))
    assert found == [found[0]] * 5


def test_the_keyboard_alone_is_enough(lab, notebook):
    page = notebook(SHOW)
    cells = page.locator(".jp-Notebook-cell").count()
    count = page.locator(".inm-scrub-count")
    slider(page).focus()
    for key, words in [
        ("Home", "1 / 5"),
        ("ArrowRight", "2 / 5"),
        ("ArrowUp", "3 / 5"),
        ("ArrowLeft", "2 / 5"),
        ("End", "5 / 5"),
        ("ArrowRight", "5 / 5"),
    ]:
        page.keyboard.press(key)
        expect(count).to_have_text(words)
    expect(slider(page)).to_have_attribute("aria-valuetext", "frame 5 of 5, after del best")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.locator('[data-action="back"]')).to_be_focused()
    page.keyboard.press("Space")
    expect(count).to_have_text("4 / 5")
    page.keyboard.press("Home")
    expect(count).to_have_text("1 / 5")
    outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    for key in "adx":  # commands of JupyterLab for cells
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook-cell").count() == cells
    assert lab.problems(page) == []


def test_a_film_with_one_frame_has_no_controls_and_a_note_makes_it_grow_on_the_page(lab, notebook):
    page = notebook(
        "import torch\nfrom helpers import MemoryMap\nx = torch.zeros(2)\n"
        "film = MemoryMap(x=x)\nfilm",
        "x[1] = 5\nfilm.note('five')",
    )
    expect(page.locator(".inm-memory-status")).to_have_text("five: other numbers in A.")
    expect(page.locator(".inm-scrub-count")).to_have_text("2 / 2")
    expect(page.locator(".inm-memory-changed")).to_have_text(["5"])
    page = notebook(f"{FILM}MemoryMap(x=model)")
    expect(page.locator(".inm-memory-status")).to_contain_text("at first: 4 names and 4 blocks")
    expect(page.locator(".inm-scrub")).to_be_hidden()
    assert lab.problems(page) == []


def test_no_step_asks_the_kernel(notebook):
    page = notebook(SHOW)
    with jupyterlab.sent_to_kernel(page) as sent:
        for frame in (0, 3, 1, 4):
            go(page, frame)
        assert sent() == []


def test_axe_finds_nothing_serious_in_either_theme(notebook):
    page = notebook(SHOW)
    for frame in (1, 3, 4):
        go(page, frame)
        assert jupyterlab.accessibility_faults(page, ".inm-memory") == []
    wire = page.locator(".inm-memory-wire").first
    for theme, blue in (("dark", "rgb(86, 163, 220)"), ("light", "rgb(0, 114, 178)")):
        jupyterlab.set_theme(page, theme)
        assert wire.evaluate("one => getComputedStyle(one).stroke") == blue


def test_on_a_narrow_page_it_fits_and_the_wires_still_meet_their_ends(notebook):
    page = notebook(SHOW)
    page.set_viewport_size({"width": 390, "height": 900})
    jupyterlab.wait_until_drawn(page)
    go(page, 2)
    view = page.locator(".inm-memory")
    wide = view.evaluate(
        """view => [view, ...view.querySelectorAll('li')].filter(
            one => one.scrollWidth > one.clientWidth).map(one => one.outerHTML)"""
    )
    found = page.evaluate(WIRES)
    page.set_viewport_size(jupyterlab.DESKTOP)
    assert wide == []
    assert len(found) == 12 and all(name == block for _, name, block in found)


def test_parts_of_a_block_say_which_bytes_they_are(notebook):
    page = notebook(
        "import torch\nfrom helpers import MemoryMap\nx = torch.arange(6.)\n"
        "tail, odd, eye = x[3:], x[1::2], torch.eye(2).to_sparse()\n"
        "MemoryMap(x=x, tail=tail, odd=odd, eye=eye)"
    )
    parts = page.locator(".inm-memory-block ul > li")
    expect(parts).to_have_count(3)
    expect(parts.locator(".inm-soft:not(:empty)")).to_have_text(
        ["some of bytes 4 to 23", "bytes 12 to 23"]
    )
    bar = page.locator(".inm-memory-bar").last
    whole, inside = bar.bounding_box(), bar.locator("span").bounding_box()
    assert abs(inside["x"] - whole["x"] - whole["width"] / 2) < 2
    assert abs(inside["width"] - whole["width"] / 2) < 3
    expect(page.locator(".inm-memory-names > li").last).to_contain_text("sparse_coo: no storage")
    assert letters(page) == ["A", "A", "A", "–"]


@pytest.mark.parametrize("form", ["live", "static", "trusted"])
def test_hostile_names_stay_text(lab, notebook, still, form):
    if form == "live":
        view = notebook(HOSTILE_FILM).locator(".inm-memory")
    else:
        held = {STRUCK: nn.Linear(1, 1).weight}
        film = MemoryMap(**{STRUCK: held})
        film.note(STRUCK)
        page = still(film.static_face(), trusted=form == "trusted")
        view = page.locator(".jp-RenderedHTML")
    assert jupyterlab.stays_text(lab, view)


def test_the_static_face_is_a_table_that_is_seen_before_trust(still):
    model = nn.Linear(2, 3)
    saved = model.state_dict()
    film = MemoryMap(model=model, saved=saved)
    film.note("again")
    page = still(film.static_face())
    table = page.locator(".jp-RenderedHTML table")
    expect(table.locator("thead th")).to_have_text(["name", "at first", "again"])
    expect(table.locator("tbody tr")).to_have_count(4)
    assert jupyterlab.accessibility_faults(page, ".jp-RenderedHTML") == []
