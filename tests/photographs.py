"""Photographs of the lessons in a real JupyterLab, to look at: nobody compares them.

    python -m tests.photographs [notebook ...]

Without a notebook all lessons. For each, in `.screenshots/<lesson>/`: the page before anything is
run (before-light), after Run All (after-light, after-dark), and each view as it looks on a
projector (projector)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.browser import jupyterlab
from tests.browser.conftest import NO_BROWSER
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons

SCREENSHOTS = ROOT / ".screenshots"
VIEWS_BUT_QUIZZES = ".inm:not(.inm-quiz)"


def photograph(lab: jupyterlab.Lab, path: Path, folder: Path) -> None:
    """Open the lesson at `path` in `lab`, run it, and write its pictures into `folder`."""
    page = lab.page()
    jupyterlab.open_notebook(page, f"notebooks/{path.name}")
    jupyterlab.screenshots(page, folder, "before-light")
    jupyterlab.run_all(page)
    for theme in ("dark", "light"):
        jupyterlab.set_theme(page, theme)
        jupyterlab.screenshots(page, folder, f"after-{theme}")
    jupyterlab.projector_screenshots(page, folder, "projector", VIEWS_BUT_QUIZZES)
    lab.close(page)


def main(paths: list[Path]) -> None:
    executable = jupyterlab.find_browser()
    if executable is None:
        sys.exit(NO_BROWSER)
    with tempfile.TemporaryDirectory() as folder, jupyterlab.chromium(executable) as browser:
        lab = jupyterlab.Lab(Path(folder), browser)
        try:
            for path in paths:
                photograph(lab, path, SCREENSHOTS / path.stem)
                print(f"{path.stem}: {SCREENSHOTS / path.stem}", flush=True)
        finally:
            lab.stop()


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or lessons())
