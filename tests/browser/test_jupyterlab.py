"""The eyes of the browser tests see what is wrong: each of them is shown something broken once."""

from html import escape

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

from tests.browser import jupyterlab
from tests.browser.jupyterlab import STRUCK
from tests.notebook_files import lessons
from tests.refresh_notebooks import METADATA

BROKEN_VIEW = """\
import anywidget
class Broken(anywidget.AnyWidget):
    _esm = "export default { render() { throw new Error('no view today'); } };"
Broken()"""
UNREADABLE_VIEW = """\
class Unreadable(anywidget.AnyWidget):
    _esm = '''export default { render({ el }) {
        el.innerHTML = '<div class="inm" style="background:#fff"><button></button>'
            + '<p style="color:#eee">faint</p></div>'; } };'''
Unreadable()"""


def test_a_broken_view_an_error_and_a_fault_of_access_are_all_noticed(lab, notebook):
    page = notebook(
        BROKEN_VIEW,
        "print('far below the fold\\n' * 200)",
        UNREADABLE_VIEW,
        "raise KeyError('lost')",
    )
    page.locator(".jp-WindowedPanel-outer").evaluate("node => { node.scrollTop = 0; }")
    broken, unreadable = jupyterlab.widget_outputs(page)
    assert broken.startswith("fault: ")
    assert unreadable == "faint"
    assert any("no view today" in problem for problem in lab.problems(page))
    assert jupyterlab.errors(page) == ["KeyError: 'lost'"]
    rules = {fault.split(":")[0] for fault in jupyterlab.accessibility_faults(page)}
    assert rules == {"button-name", "color-contrast"}


def test_a_face_that_is_more_than_text_is_noticed(lab, still):
    page = still(f"<p>{escape(STRUCK)}</p><p>{STRUCK}</p>")
    assert not jupyterlab.stays_text(lab, page.locator(".jp-RenderedHTML"))
    lab.forget_problems(page)  # the picture that is not there
    assert jupyterlab.stays_text(lab, page.locator(".jp-RenderedHTML p").first)


def test_a_saved_view_whose_kernel_is_gone_says_what_notebook_0_has_the_cure_for(lab, page):
    """The words are those of JupyterLab's own extension: here it is asked which they are."""
    path = lab.root / "notebooks" / "left.ipynb"
    cell = new_code_cell("import torch, helpers\nhelpers.StateMap(torch.nn.Linear(2, 3))")
    nbformat.write(new_notebook(cells=[cell], metadata=METADATA), path)
    jupyterlab.open_notebook(page, f"notebooks/{path.name}")
    jupyterlab.run_all(page)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    page.evaluate(f"() => {kernel}.restart()")
    page.reload()
    jupyterlab.wait_until_open(page)
    words = "Error displaying widget: model not found"
    expect(page.locator(".jp-OutputArea-output")).to_have_text(words)
    source = "".join(cell.source for cell in nbformat.read(lessons()[0], as_version=4).cells)
    assert f'"{words}"' in source
    jupyterlab.run_all(page)  # the cure
    expect(page.locator(".inm-map")).to_be_visible()
