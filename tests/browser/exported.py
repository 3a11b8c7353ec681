"""nbconvert as the course sets it up, from this checkout, what an environment has of it, and a
reader of pages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import Browser, Page
from traitlets.config import Config

from helpers.views.page import KIND
from tests import warm_kernels
from tests.browser.axe import violations
from tests.lesson_kernel import ROOT

if TYPE_CHECKING:
    from nbconvert import HTMLExporter

EXPORTED = ROOT / "helpers" / "views" / "exported"


@cache
def exporter(kind: str, *, ours: bool = True) -> HTMLExporter:
    """What `jupyter nbconvert --to kind` uses, "html" or "slides"; `ours`: with the settings of the
    course.
    """
    from nbconvert import get_exporter  # a second that the other browser tests need not spend

    from helpers.site import settings

    return get_exporter(kind)(config=settings() if ours else Config())


def installed_differently() -> list[str]:
    """The files that nbconvert reads in this environment and that differ from the checkout's."""
    environment = Path(sys.prefix)
    configured = environment / "etc" / "jupyter"
    places = {source: configured / source.name for source in EXPORTED.glob("jupyter_*")}
    for source in EXPORTED.glob("*/*"):
        templates = environment / "share" / "jupyter" / "nbconvert" / "templates"
        places[source] = templates / source.relative_to(EXPORTED)
    return [
        source.name
        for source, place in places.items()
        if not place.exists() or place.read_bytes() != source.read_bytes()
    ]


def of_this_checkout(**more: object) -> dict[str, str]:
    """The environment for a command that runs lessons with the helpers of this checkout."""
    named = {"PYTHONPATH": warm_kernels.path_with(ROOT), **more}
    return os.environ | {name: str(value) for name, value in named.items()}


class Pages:
    """The whole course as pages, executed and written to `folder` by what `python -m helpers.site`
    calls. The processes of one run of tests share a folder: one makes it, the others find it made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder / "site"
        self._logs = folder
        self._log = (folder / f"{os.getpid()}.log").open("w+")
        patient = ["nice"] if shutil.which("nice") else []  # other tests run beside it
        self._run = subprocess.Popen(
            [*patient, sys.executable, "-m", "tests.browser.exported", self.folder],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=of_this_checkout(),
            cwd=ROOT,
        )

    def page(self, name: str) -> Path:
        """The page of a lesson, or another of the site, once all are made."""
        if self._run.wait(timeout=900):
            raise AssertionError(Path(self._log.name).read_text())
        return self.folder / f"{name}.html"

    def told(self) -> str:
        """What was printed while the pages were made, by all processes of this run of tests."""
        return "".join(path.read_text() for path in sorted(self._logs.glob("*.log")))

    def slides(self, lesson: str) -> Path:
        """The slides of a lesson, once all are made."""
        return self.page(f"{lesson}.slides")

    def close(self) -> None:
        self._run.kill()
        self._run.wait()
        self._log.close()


def one_at_a_time(folder: Path) -> int:
    """Make the course in `folder`, or wait until another process has made it."""
    import fcntl

    from helpers.site import main

    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return main([str(folder)])


def made_alone(lesson: Path, folder: Path) -> dict[str, Path]:
    """What the standard command makes of one lesson, "html" and "slides", with the settings and
    templates of this checkout.
    """
    templates = folder / "data" / "nbconvert" / "templates"
    templates.parent.mkdir(parents=True)
    templates.symlink_to(EXPORTED)
    here = of_this_checkout(JUPYTER_CONFIG_PATH=EXPORTED, JUPYTER_PATH=folder / "data")
    place = ["--execute", "--output-dir", folder / "made", lesson]
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "nbconvert", "--to", kind, *place],
            env=here,
            stderr=subprocess.PIPE,
            text=True,
        )
        for kind in ("html", "slides")
    ]
    told = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    endings = {"html": "html", "slides": "slides.html"}
    return {kind: folder / "made" / f"{lesson.stem}.{end}" for kind, end in endings.items()}


SHIFTS = """window.shifts = [];
new PerformanceObserver(list => {
    for (const one of list.getEntries())
        if (!one.hadRecentInput) window.shifts.push(one.value);
}).observe({type: 'layout-shift', buffered: true});"""


class Reader:
    """A browser without a network: `asked` has what a page asked for beside itself, `problems` what
    went wrong.
    """

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.asked: list[str] = []
        self.problems: list[str] = []
        self._browser, self._folder, self._contexts = browser, folder, []

    def open(self, path: Path, width: int = 1280, cell: str = "", **settings: object) -> Page:
        """The page at `path`, at `cell` if that is given."""
        settings = {"viewport": {"width": width, "height": 900}, **settings}
        context = self._browser.new_context(offline=True, **settings)
        self._contexts.append(context)
        page = context.new_page()
        page.add_init_script(SHIFTS)
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("console", lambda said: said.type == "error" and self.problems.append(said.text))
        page.on("request", lambda request: self._note(request.url))
        page.goto(path.as_uri() + (f"#cell-id={cell}" if cell else ""))
        return page

    def show(self, *views: object, **settings: object) -> Page:
        """A page with these views alone."""
        path = self._folder / "page.html"
        path.write_text(page_of(*views), encoding="utf-8")
        return self.open(path, **settings)

    def _note(self, address: str) -> None:
        if not address.startswith(("file:", "blob:", "data:")):
            self.asked.append(address)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


def faults(page: Page, context: str | None = None, *, only_colours: bool = False) -> list[str]:
    """What axe-core calls a fault, of any weight, in `context`, a selector, or the whole page."""
    found = violations(page, context, only_colours=only_colours)
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"][:4]]


# Whether the ground of the page is that of the scheme.
GROUND = """scheme => {
    const ground = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3);
    return ground.map(Number).every(one => (scheme === 'light' ? one > 200 : one < 80));
}"""


def faults_in_both_schemes(page: Page, context: str | None = None) -> list[str]:
    """All that axe-core finds in the light, and what it finds in the colours of the dark, where
    nothing else differs.
    """
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(GROUND, arg=scheme)
        told = faults(page, context, only_colours=scheme == "dark")
        found += [f"{scheme}: {one}" for one in told]
    return found


def page_of(*views: object) -> str:
    """The page that nbconvert makes of a notebook with these outputs."""
    cells = []
    for view in views:
        shown = view._repr_mimebundle_()
        data = dict(shown[0] if isinstance(shown, tuple) else shown)
        assert KIND in data
        output = new_output("display_data", data=nbformat.from_dict(data))
        cells.append(new_code_cell("...", outputs=[output]))
    return exporter("html").from_notebook_node(new_notebook(cells=cells))[0]


if __name__ == "__main__":
    sys.exit(one_at_a_time(Path(sys.argv[1])))
