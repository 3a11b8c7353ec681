"""The first lesson in Jupyter Notebook 7, the other front end that the README names, driven once
like JupyterLab.
"""

from playwright.sync_api import expect

from tests.browser import jupyterlab
from tests.html_page import saved_static_faces
from tests.notebook_files import lessons

ACTIVE_CELL = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"


def test_the_first_lesson_is_read_run_and_used_in_notebook_7(lab, page):
    lesson = lessons()[0]
    jupyterlab.open_notebook(page, f"notebooks/{lesson.name}", place=jupyterlab.NOTEBOOK_7)
    assert (
        "/notebooks/notebooks/" in page.url
        and page.locator("#jp-MainLogo, #jp-NotebookLogo").count()
    )
    lab.forget_problems(
        page
    )  # Notebook 7.6 reports one of its own while it starts, with any notebook

    assert jupyterlab.trusted_outputs(page) == 0
    assert [" ".join(face.split()) for face in jupyterlab.static_faces(page)] == saved_static_faces(
        lesson
    )

    jupyterlab.run_all(page)
    assert jupyterlab.errors(page) == []
    views = jupyterlab.widget_outputs(page)
    assert views and [words for words in views if words.startswith("fault: ")] == []

    rows = page.locator(".inm [role=treeitem]")
    rows.first.click()
    cell = page.evaluate(ACTIVE_CELL)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    assert (
        page.evaluate(ACTIVE_CELL) == cell
    )  # the keys stay with the map: none moves to another cell, or adds a line

    assert page.locator(".jp-Dialog").count() == 0
    assert lab.problems(page) == []
