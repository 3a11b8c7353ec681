"""nbconvert as the course sets it up, from this checkout, and what an environment has of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets.config import Config

from tests.lesson_kernel import ROOT

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
    return get_exporter(kind)(config=settings)


def installed_differently() -> list[str]:
    """The files that nbconvert reads in this environment and that differ from the checkout's."""
    environment = Path(sys.prefix)
    places = {EXPORTED / SETTINGS: environment / "etc" / "jupyter" / SETTINGS}
    for source in EXPORTED.glob("*/*"):
        templates = environment / "share" / "jupyter" / "nbconvert" / "templates"
        places[source] = templates / source.relative_to(EXPORTED)
    return [
        source.name
        for source, place in places.items()
        if not place.exists() or place.read_bytes() != source.read_bytes()
    ]
