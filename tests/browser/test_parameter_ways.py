"""The three ways side by side in a real JupyterLab: switch, prefix and select, by mouse and by
keyboard.
"""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import Locator, Page, expect
from torch import nn

from helpers.state.ways import WAYS
from helpers.views.parameter_ways import ParameterWays
from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK

MODEL = """\
import torch
from torch import nn
model = nn.Module()
model.gain = nn.Parameter(torch.ones(2))
model.register_parameter("bias", None)
model.embed, model.norm = nn.Embedding(6, 4), nn.BatchNorm1d(4).requires_grad_(False)
model.head = nn.Linear(4, 6, bias=False)
model.head.weight = model.embed.weight
model.register_buffer("scratch", torch.zeros(3), persistent=False)
"""
SHOW = f"{MODEL}from helpers import ParameterWays\nParameterWays(model)"
HOSTILE_MODEL = f"""\
from torch import nn
from helpers import ParameterWays
model = nn.Module()
model._parameters[{STRUCK!r}] = nn.Linear(1, 1).weight
ParameterWays(model)"""


def model() -> nn.Module:
    space: dict = {}
    exec(MODEL, space)
    return space["model"]


def expected(
    prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
) -> list[list[str]]:
    """What torch says each column holds, in order; the parameters without names by their class."""
    module = model()
    own = [f"{name}: None" if value is None else name for name, value in module._parameters.items()]
    named = module.named_parameters(
        prefix=prefix, recurse=recurse, remove_duplicate=remove_duplicate
    )
    alone = ["Parameter" for _ in module.parameters(recurse=recurse)]
    return [own, [name for name, _ in named], alone, list(module.state_dict(prefix=prefix))]


def columns(page: Page) -> list[list[str]]:
    """What the table shows in each of the four columns, put into the order of its positions."""
    return page.evaluate(
        """() => [1, 2, 3, 4].map(column => {
            const cells = `.inm-ways tbody [data-column="${column}"] .inm-ways-item`;
            const split = [...document.querySelectorAll(cells)].map(
                item => [Number(item.firstChild.textContent), item.lastChild.textContent]);
            return split.sort((a, b) => a[0] - b[0]).map(([, name]) => name);
        })"""
    )


def switch(page: Page, name: str) -> Locator:
    return page.get_by_role("checkbox", name=name)


def cell(page: Page, words: str, column: int = 0) -> Locator:
    """The cell in `column` of the one row whose first cell has `words` in it."""
    row = page.locator(".inm-ways tbody tr", has=page.locator("th", has_text=words))
    return row.locator("th, td").nth(column)


def status(page: Page) -> Locator:
    return page.locator(".inm-status")


def test_every_setting_of_the_switches_shows_what_torch_returns(lab, notebook):
    page = notebook(SHOW)
    for recurse, once, prefix in itertools.product((True, False), (True, False), ("", "net", "a.")):
        switch(page, "recurse").set_checked(recurse)
        switch(page, "remove_duplicate").set_checked(once)
        page.get_by_role("textbox", name="prefix").fill(prefix)
        assert columns(page) == expected(prefix, recurse, once), (recurse, once, prefix)
    heads = page.locator(".inm-ways thead th").all_inner_texts()
    assert heads[2].startswith(
        'named_parameters(prefix="a.", recurse=False, remove_duplicate=False)'
    )
    assert [head.split("\n")[0] for head in heads[3:]] == [
        "parameters(recurse=False)",
        'state_dict(prefix="a.")',
    ]
    assert lab.problems(page) == []


def test_a_tensor_selected_in_one_column_lights_up_in_all_and_is_told_in_words(lab, notebook):
    page = notebook(SHOW)
    switch(page, "remove_duplicate").uncheck()
    cell(page, "6 × 4", 3).click()
    expect(page.locator(".inm-ways tr[aria-selected=true]")).to_have_count(1)
    lit = page.locator(".inm-ways tr[aria-selected=true] .inm-ways-item code")
    expect(lit).to_have_text(
        ["embed.weight", "head.weight", "Parameter", "embed.weight", "head.weight"]
    )
    weights = set(lit.evaluate_all("all => all.map(one => getComputedStyle(one).fontWeight)"))
    assert weights == {"700"}
    expect(status(page)).to_contain_text("_parameters: not there")
    expect(status(page)).to_contain_text(
        "named_parameters(remove_duplicate=False): embed.weight, head.weight"
    )
    expect(status(page)).to_contain_text("parameters(): position 1")
    switch(page, "remove_duplicate").check()
    expect(status(page)).to_contain_text("named_parameters(): embed.weight ·")
    assert lab.problems(page) == []


def test_frozen_buffers_and_none_are_told_apart(notebook):
    page = notebook(SHOW)
    expect(cell(page, "4, float32, frozen").first).to_be_visible()
    expect(page.locator(".inm-ways tbody th[aria-label^='non-persistent buffer']")).to_have_count(1)
    scratch = page.locator(
        ".inm-ways tbody tr", has=page.locator("th[aria-label^='non-persistent buffer']")
    )
    expect(scratch.locator("td")).to_have_text(["–"] * 4)
    expect(cell(page, "None", 1)).to_contain_text("bias: None")


def test_the_keyboard_alone_is_enough(lab, notebook):
    page = notebook(SHOW)
    cells = page.locator(".jp-Notebook-cell").count()
    switch(page, "recurse").focus()
    page.keyboard.press("Space")
    expect(switch(page, "recurse")).not_to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("adx")  # commands of JupyterLab for cells; here they are a prefix
    assert columns(page) == expected("adx", recurse=False)
    page.keyboard.press("Tab")
    first = page.locator(".inm-ways tbody tr").first
    expect(first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".inm-ways tbody tr").nth(1).locator("td").first).to_be_focused()
    outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    expect(first).to_have_attribute("aria-selected", "false")
    page.keyboard.press("End")
    expect(page.locator(".inm-ways tbody tr").last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")  # the edge of the table
    page.keyboard.press("Escape")
    expect(page.locator(".inm-ways tr[aria-selected=true]")).to_have_count(0)
    for key in "adx":
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook-cell").count() == cells
    assert lab.problems(page) == []


def test_axe_finds_nothing_serious_in_either_theme(notebook):
    page = notebook(SHOW)
    cell(page, "6 × 4", 2).click()
    assert jupyterlab.accessibility_faults(page, ".inm-ways") == []
    assert jupyterlab.follows_the_theme(page.locator(".inm-ways"))


def test_two_views_on_a_page_do_not_touch_each_other(notebook):
    page = notebook(SHOW, SHOW)
    switch(page, "recurse").first.uncheck()
    expect(switch(page, "recurse").nth(1)).to_be_checked()
    cell(page, "6 × 4").first.click()
    expect(page.locator(".inm-ways").nth(1).locator("tr[aria-selected=true]")).to_have_count(0)


def test_a_large_model_is_cut_with_the_rest_counted(notebook):
    page = notebook(
        "from torch import nn\nfrom helpers import ParameterWays\n"
        "ParameterWays(nn.Transformer(device='meta', batch_first=True))"
    )
    expect(page.locator(".inm-ways tbody tr")).to_have_count(100)
    expect(page.locator(".inm-rest")).to_have_text("… and 84 more tensors")
    expect(page.locator(".inm-ways thead th").nth(2)).to_contain_text("184 pairs")


@pytest.mark.parametrize("form", ["live", "static", "trusted"])
def test_hostile_names_stay_text(lab, notebook, still, form):
    if form == "live":
        page = notebook(HOSTILE_MODEL)
        view = page.locator(".inm-ways")
        cell(page, "1 × 1").click()
    else:
        module = nn.Module()
        module._parameters[STRUCK] = nn.Linear(1, 1).weight
        page = still(ParameterWays(module).static_face(), trusted=form == "trusted")
        view = page.locator(".jp-RenderedHTML")
    assert jupyterlab.stays_text(lab, view)


def test_the_static_face_is_a_table_that_is_seen_before_trust(still):
    view = ParameterWays(model())
    page = still(view.static_face())
    table = page.locator(".jp-RenderedHTML table")
    expect(table.locator("thead th")).to_have_count(1 + len(WAYS))
    expect(table.locator("tbody tr")).to_have_count(len(view.ways["rows"]))
    assert jupyterlab.accessibility_faults(page, ".jp-RenderedHTML") == []


def test_on_a_narrow_page_each_tensor_is_a_card_and_each_cell_says_which_call_it_is_of(notebook):
    page = notebook(SHOW)
    switch(page, "recurse").uncheck()
    page.set_viewport_size({"width": 390, "height": 900})
    jupyterlab.wait_until_drawn(page)
    view = page.locator(".inm-ways")
    row = view.locator("tbody tr").first
    boxes = [one.bounding_box() for one in row.locator("th, td").all()]
    label = "node => getComputedStyle(node, '::before').content"
    calls = [one.evaluate(label).strip('"') for one in row.locator("td").all()]
    fits = view.evaluate("node => node.scrollWidth <= node.clientWidth")
    rows, cells = (page.get_by_role(role).count() for role in ("row", "gridcell"))
    page.set_viewport_size(jupyterlab.DESKTOP)
    tops = [box["y"] for box in boxes]
    assert tops == sorted(set(tops)) and len(tops) == 5 and fits
    assert calls[1:3] == ["named_parameters(recurse=False)", "parameters(recurse=False)"]
    assert rows == view.locator("tr").count() and cells == view.locator("td").count()
