"""nbconvert as the course sets it up, from this checkout, what an environment has of it, and a
reader of pages.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import Browser, Page
from traitlets.config import Config

from helpers.views.page import KIND
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons

if TYPE_CHECKING:
    from nbconvert import HTMLExporter

EXPORTED = ROOT / "helpers" / "views" / "exported"


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
    named = {"PYTHONPATH": ROOT, **more}
    return os.environ | {name: str(value) for name, value in named.items()}


def standard_command(kind: str, folder: Path) -> dict:
    """How `subprocess` runs `jupyter nbconvert --to kind --execute` into `folder`, with settings
    and templates of this checkout; the lessons' paths come after its `args`.
    """
    templates = folder / "data" / "nbconvert" / "templates"
    templates.parent.mkdir(parents=True)
    templates.symlink_to(EXPORTED)
    command = [sys.executable, "-m", "nbconvert", "--to", kind, "--execute"]
    environment = of_this_checkout(JUPYTER_CONFIG_PATH=EXPORTED, JUPYTER_PATH=folder / "data")
    return {"args": [*command, "--output-dir", folder / "made"], "env": environment}


class Pages:
    """The whole course as pages, executed and written to `folder` by the command that the README
    gives.
    """

    def __init__(self, folder: Path) -> None:
        self._whole, self.folder = folder, folder / "site"
        self._log = (folder / "site.log").open("w+")
        self._run = subprocess.Popen(
            [sys.executable, "-m", "helpers.site", self.folder],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=of_this_checkout(),
            cwd=ROOT,
        )

    def page(self, name: str) -> Path:
        """The page of a lesson, or another of the site, once all are made."""
        if self._run.wait(timeout=900):
            raise AssertionError(self.told)
        return self.folder / f"{name}.html"

    @property
    def told(self) -> str:
        """What the command printed."""
        return Path(self._log.name).read_text()

    def alone(self, lesson: Path) -> Path:
        """The page of one lesson, made by the standard command with the settings and templates of
        this checkout.
        """
        folder = self._whole / "alone"
        if not folder.exists():
            command = standard_command("html", folder)
            command["args"].append(lesson)
            subprocess.run(**command, capture_output=True, check=True)
        return folder / "made" / f"{lesson.stem}.html"

    def close(self) -> None:
        self._run.kill()
        self._run.wait()
        self._log.close()


class Decks:
    """All lessons as slides, executed and written below `folder` by the command that the README
    gives.
    """

    def __init__(self, folder: Path) -> None:
        command = standard_command("slides", folder)
        command["args"] += lessons()
        self._made, self._log = folder / "made", (folder / "nbconvert.log").open("w+")
        self._run = subprocess.Popen(**command, stdout=self._log, stderr=subprocess.STDOUT)

    def page(self, lesson: str) -> Path:
        """The slides of `lesson`, once all are made."""
        if self._run.wait(timeout=900):
            raise AssertionError(Path(self._log.name).read_text())
        return self._made / f"{lesson}.slides.html"

    def close(self) -> None:
        self._run.kill()
        self._run.wait()
        self._log.close()


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

    def open(self, path: Path, width: int = 1280, **settings: object) -> Page:
        window = {"width": width, "height": 900}
        context = self._browser.new_context(viewport=window, offline=True, **settings)
        self._contexts.append(context)
        page = context.new_page()
        page.add_init_script(SHIFTS)
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("console", lambda said: said.type == "error" and self.problems.append(said.text))
        page.on("request", lambda request: self._note(request.url))
        page.goto(path.as_uri())
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
