"""The fixtures of the browser tests: one server and one browser for all of them, a fresh page for
each test.

They end with the last test of this package: Playwright keeps an event loop running in this thread,
and the kernels of the lessons, which pytest runs later, are better off without it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import Browser, Page, expect

from helpers.views.page import WANTED
from tests.browser.exported import Pages, Reader
from tests.browser.jupyterlab import (
    Lab,
    chromium,
    find_browser,
    open_notebook,
    replace_cells,
    run_all,
    set_theme,
    trust,
    trusted_outputs,
    wait_until_drawn,
)
from tests.refresh_notebooks import METADATA

# On a busy machine a kernel may take longer than Playwright's five seconds.
expect.set_options(timeout=30_000)

NO_BROWSER = "no Chromium or Chrome on this machine: install chromium to run the browser tests"


def pytest_terminal_summary(terminalreporter):
    """Say in one line that browser tests were skipped, and why; the dots do not."""
    skipped = terminalreporter.getreports("skipped")
    count = sum(NO_BROWSER in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(f"{count} browser tests skipped: {NO_BROWSER}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = find_browser()
    if executable is None:
        if os.environ.get("INM_REQUIRE_BROWSER"):
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    with chromium(executable) as browser:
        yield browser


@pytest.fixture(scope="package")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """All lessons as pages. They are being made while other tests run."""
    base = tmp_path_factory.getbasetemp()
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    made = Pages((base if alone else base.parent) / "pages")
    yield made
    made.close()


@pytest.fixture
def reader(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setenv(WANTED, "1")
    reading = Reader(browser, tmp_path)
    yield reading
    reading.close()
    assert (reading.asked, reading.problems) == ([], [])


@pytest.fixture(scope="package")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running JupyterLab that serves a copy of this checkout."""
    server = Lab(tmp_path_factory.mktemp("lab"), browser)
    yield server
    server.stop()


@pytest.fixture
def page(lab: Lab) -> Iterator[Page]:
    """A fresh page that is signed in to `lab`."""
    page = lab.page()
    yield page
    lab.close(page)


@pytest.fixture(scope="package")
def workbench(lab: Lab) -> Iterator[Page]:
    """One page with one open notebook and a running kernel, for the cells of many tests, one after
    the other.
    """
    page = lab.page()
    path = lab.root / "notebooks" / "workbench.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("import helpers")], metadata=METADATA), path)
    open_notebook(page, f"notebooks/{path.name}")
    yield page
    lab.close(page)


@pytest.fixture
def notebook(lab: Lab, workbench: Page) -> Callable[..., Page]:
    """The page of the `workbench` with a notebook made of `cells` (a code cell's source, or a
    cell), run or as saved.

    A notebook that is not run is untrusted, as one that somebody else has saved.
    """

    def make(*cells: str | nbformat.NotebookNode, run: bool = True, theme: str = "light") -> Page:
        nodes = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        lab.forget_problems(workbench)
        set_theme(workbench, theme)
        replace_cells(workbench, new_notebook(cells=nodes, metadata=METADATA))
        run_all(workbench) if run else wait_until_drawn(workbench)
        return workbench

    return make


@pytest.fixture
def still(notebook: Callable[..., Page]) -> Callable[..., Page]:
    """A page with one saved output, `html`, of a cell that was not run here; with `trusted`, the
    reader trusts it.
    """

    def show(html: str, *, trusted: bool = False, theme: str = "light") -> Page:
        face = new_output("display_data", data={"text/html": str(html)})
        page = notebook(
            new_code_cell("...", outputs=[face], execution_count=1), run=False, theme=theme
        )
        if trusted:
            trust(page)
        assert trusted_outputs(page) == trusted
        return page

    return show
