"""nbconvert as the course sets it up, from this checkout, and what an environment has of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets.config import Config

from tests.lesson_kernel import ROOT

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
        path = self._whole / "alone" / f"{lesson.stem}.html"
        if path.exists():
            return path
        templates = self._whole / "data" / "nbconvert" / "templates"
        templates.parent.mkdir(parents=True)
        templates.symlink_to(EXPORTED)
        command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute"]
        subprocess.run(
            [*command, "--output-dir", path.parent, lesson],
            env=of_this_checkout(JUPYTER_CONFIG_PATH=EXPORTED, JUPYTER_PATH=self._whole / "data"),
            capture_output=True,
            check=True,
        )
        return path

    def close(self) -> None:
        self._run.kill()
        self._run.wait()
        self._log.close()
