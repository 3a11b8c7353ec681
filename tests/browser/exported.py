"""nbconvert as the course sets it up, from this checkout, and what an environment has of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets.config import Config

from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons

if TYPE_CHECKING:
    from nbconvert import HTMLExporter

EXPORTED = ROOT / "helpers" / "views" / "exported"
SETTINGS = "jupyter_nbconvert_config.json"


def exporter(kind: str, *, ours: bool = True) -> HTMLExporter:
    """What `jupyter nbconvert --to kind` uses, "html" or "slides"; `ours`: with the settings of the
    course.
    """
    from nbconvert import get_exporter  # a second that the other browser tests need not spend

    settings = Config(json.loads((EXPORTED / SETTINGS).read_text())) if ours else Config()
    settings.TemplateExporter.extra_template_basedirs = [str(EXPORTED)]
    settings.TemplateExporter.extra_template_paths = [str(EXPORTED)]  # what templates include
    return get_exporter(kind)(config=settings)


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


class Pages:
    """All lessons as pages of a `kind`, "html" or "slides": executed and written to `folder` by the
    command that the README gives, with the settings and templates of this checkout.
    """

    def __init__(self, folder: Path, kind: str = "html") -> None:
        self.folder = folder / "pages"
        self._ending = "html" if kind == "html" else f"{kind}.html"
        templates = folder / "data" / "nbconvert" / "templates"
        templates.parent.mkdir(parents=True)
        templates.symlink_to(EXPORTED)
        here = {"JUPYTER_CONFIG_PATH": EXPORTED, "JUPYTER_PATH": folder / "data"}
        environment = os.environ | {name: str(path) for name, path in here.items()}
        environment["PYTHONPATH"] = str(ROOT)
        command = [sys.executable, "-m", "nbconvert", "--to", kind, "--execute"]
        self._log = (folder / "nbconvert.log").open("w+")
        self._run = subprocess.Popen(
            [*command, "--output-dir", self.folder, *lessons()],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=environment,
        )

    def page(self, lesson: str) -> Path:
        """The page of `lesson`, once all are made."""
        if self._run.wait(timeout=900):
            raise AssertionError(Path(self._log.name).read_text())
        return self.folder / f"{lesson}.{self._ending}"

    def close(self) -> None:
        self._run.kill()
        self._run.wait()
        self._log.close()
