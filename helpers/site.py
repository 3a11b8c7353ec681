"""The course as a folder of pages, which any web server or code host can serve, and which also
works opened from disk:

    python -m helpers.site [FOLDER]

Without a name the folder is `site`. Each lesson is run once, two of them at a time, and becomes a
page and slides, by what `jupyter nbconvert --to html` and `--to slides` use; README and the
teacher's guide become pages, too. A page says in its head what it was made of, so a second call
makes only what has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import Exporter, HTMLExporter, SlidesExporter
from nbconvert.preprocessors import ExecutePreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from traitlets.config import Config

from helpers.views.lesson_slides import GUIDE, heading
from helpers.views.page import WANTED

HELPERS = Path(__file__).resolve().parent
EXPORTED = HELPERS / "views" / "exported"
AT_ONCE = 2
FRONT = "index.html"
_MADE_OF = re.compile(r'<meta content="(\w+)" name="inm-made-of" */?>')
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

PLAYER_WORDS = """\
## Two minutes with the player

One line of your own, `model.weight = nn.Parameter(...)`, runs a page of torch. Press *Next change*,
or choose a line and use the arrow keys: on one side is the source of the torch that made this page,
on the other what the module holds at that moment."""
PLAYER_CODE = """\
import torch
from torch import nn
from helpers import TracePlayer, trace

model = nn.Module()
model.register_buffer("weight", torch.ones(3))
with trace(model) as steps:
    model.weight = nn.Parameter(torch.zeros(3))

assert list(model._parameters) == ["weight"] and not model._buffers
TracePlayer(steps)"""
ONWARD_WORDS = """\
## Read, run, teach

- **Read here.** Every view and every question works on these pages. What needs a kernel says so.
- **Run it.** [Set up the course](README.md#cell-id=start) and change what you like.
- **Teach it.** [The teacher's guide](TEACHING.md) has a plan for each lesson, the question to ask
  before each reveal, and the beliefs to expect."""


def settings() -> Config:
    """The settings and templates of the course, of this checkout, for any exporter of nbconvert."""
    found = Config(json.loads((EXPORTED / "jupyter_nbconvert_config.json").read_text("utf-8")))
    found.TemplateExporter.extra_template_basedirs = [str(EXPORTED)]
    found.TemplateExporter.extra_template_paths = [str(EXPORTED)]  # what templates include
    return found


class Execute(ExecutePreprocessor):
    """nbconvert's own, for kernels that know that what they show goes onto a page.

    What a kernel has to say of itself does not come between our lines. What a cell writes to stderr
    is an output, and not this."""

    def setup_kernel(self, **options: object) -> AbstractContextManager[None]:
        wanted = os.environ | {WANTED: "1"}
        return super().setup_kernel(stderr=subprocess.DEVNULL, env=wanted, **options)


@dataclass(frozen=True)
class SitePage:
    """What one page is made of. `short` is its name in the bar above; `runs`: it has cells to run;
    `lesson` is the file that a reader opens to run it; `slides` is the name of its slides, "" if it
    has none.
    """

    href: str
    short: str
    notebook: NotebookNode
    runs: bool
    lesson: str
    slides: str = ""

    @cached_property
    def title(self) -> str:
        """The words of its first heading."""
        texts = (cell.source for cell in self.notebook.cells if cell.cell_type == "markdown")
        return heading("#", "\n".join(texts)) or self.href.removesuffix(".html")

    @property
    def made_by(self) -> dict[str, type[Exporter]]:
        """The files that it becomes, each with what makes it."""
        slides = {self.slides: SlidesExporter} if self.slides else {}
        return {self.href: HTMLExporter, **slides}

    @property
    def link(self) -> dict[str, str]:
        return {"href": self.href, "short": self.short, "title": self.title}


class Site:
    """The pages of the course at `root`, made in `folder`."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        self.notebooks = root / "notebooks"
        lessons = [_lesson(path) for path in sorted(self.notebooks.glob("[0-9]*.ipynb"))]
        if not lessons:
            raise FileNotFoundError(f"no lesson in {self.notebooks}")
        readme = (root / "README.md").read_text(encoding="utf-8")
        guide = (self.notebooks / GUIDE).read_text(encoding="utf-8")
        first = lessons[0].lesson
        self.in_order = [SitePage(FRONT, "", _front(readme), True, first), *lessons]
        self.pages = [
            *self.in_order,
            SitePage(f"{Path(GUIDE).stem}.html", "Guide", _document(guide), False, first),
            SitePage("README.html", "Set up", _document(_beside_lessons(readme)), False, first),
        ]
        self._common = _digest([page.link for page in self.pages])

    def made_of(self, source: SitePage) -> str:
        """What stands for all that the page depends on."""
        whole = self._common + nbformat.writes(source.notebook)
        return sha256(whole.encode()).hexdigest()

    def is_made(self, source: SitePage) -> bool:
        paths = [self.folder / name for name in source.made_by]
        return all(path.exists() and _made_of(path) == self.made_of(source) for path in paths)

    def make(self, source: SitePage) -> str:
        """Run and write one page, and its slides; what is told of it.

        CellExecutionError, DeadKernelError: a cell failed, and all is left as it was."""
        start = time.monotonic()
        place = {"name": source.href.removesuffix(".html"), "path": str(self.notebooks)}
        resources = {"metadata": place, "site": self._around(source)}
        notebook = source.notebook
        if source.runs:
            run = Execute(enabled=True, config=settings())
            notebook, _ = run(deepcopy(notebook), {"metadata": place})
            # Without what the kernel says of its language: it would colour the code otherwise.
            notebook.metadata = source.notebook.metadata
        made = {
            name: kind(config=settings()).from_notebook_node(notebook, resources)[0]
            for name, kind in source.made_by.items()
        }
        for name, html in made.items():
            beside = self.folder / f"{name}.part"
            beside.write_text(html, encoding="utf-8")
            beside.replace(self.folder / name)
        sizes = " and ".join(f"{len(html.encode()) / 1000:,.0f}" for html in made.values())
        done = "run" if source.runs else "written"
        return f"{done}, {time.monotonic() - start:.0f} s, {sizes} KB"

    def tidy(self) -> list[str]:
        """Copy the pictures, and take away the pages of lessons that are no more: their names."""
        pictures = self.notebooks / "images"
        if pictures.is_dir():
            shutil.copytree(pictures, self.folder / "images", dirs_exist_ok=True)
        known = {name for source in self.pages for name in source.made_by}
        gone = [path for path in self.folder.glob("*.html") if path.name not in known]
        gone = [path for path in gone if _made_of(path)]  # what is not ours stays
        for path in gone:
            path.unlink()
        return [path.name for path in gone]

    def _around(self, source: SitePage) -> dict[str, object]:
        """What the templates want to know of the whole course: `around.html.j2` uses it."""
        before = after = None
        if source in self.in_order:
            at = self.in_order.index(source)
            before = self.in_order[at - 1].link if at else None
            after = self.in_order[at + 1].link if at + 1 < len(self.in_order) else None
        return {
            "href": source.href,
            "slides": source.slides,
            "lessons": [page.link for page in self.in_order[1:]],
            "others": [page.link for page in self.pages if page not in self.in_order],
            "previous": before,
            "next": after,
            "command": f".venv/bin/jupyter lab notebooks/{source.lesson}",
            "made_of": self.made_of(source),
        }


def _lesson(path: Path) -> SitePage:
    short = path.stem.partition("_")[0].lstrip("0") or "0"
    notebook, slides = nbformat.read(path, as_version=4), f"{path.stem}.slides.html"
    return SitePage(f"{path.stem}.html", short, notebook, True, path.name, slides)


def _front(readme: str) -> NotebookNode:
    """The front page: what the course is and its map, in the words of README, and the player."""
    what_it_is = "\n\n".join(readme.split("\n\n")[:2])
    course = re.search(r"^## The lessons\n+(.+?)(?=^## )", readme, re.MULTILINE | re.DOTALL)[1]
    texts = {
        "title": what_it_is,
        "player": PLAYER_WORDS,
        "map": f"## The map of the course\n\n{_beside_lessons(course)}",
        "onward": ONWARD_WORDS,
    }
    cells = {name: new_markdown_cell(words, id=name) for name, words in texts.items()}
    code = new_code_cell(PLAYER_CODE, id="player-cell")
    return _notebook([cells["title"], cells["player"], code, cells["map"], cells["onward"]])


def _document(markdown: str) -> NotebookNode:
    """A Markdown file with a cell for each section, whose id is what links into the file name."""
    cells = []
    for at, section in enumerate(re.split(r"^(?=## )", markdown, flags=re.MULTILINE)):
        name = _slug(section.partition("\n")[0]) if at else "top"
        cells.append(new_markdown_cell(section.replace("](#", "](#cell-id="), id=name))
    return _notebook(cells)


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _slug(heading: str) -> str:
    """The name that code hosts give to a heading, in links."""
    return re.sub(r"[^\w-]", "", heading.lstrip("# ").lower().replace(" ", "-"))[:64]


def _beside_lessons(readme: str) -> str:
    """The links of README, as they are from the folder of the lessons."""
    return readme.replace("](notebooks/", "](")


def _digest(links: list[dict]) -> str:
    """What all pages depend on: this package, torch, nbconvert, and the names of the pages."""
    kinds = {".py", ".js", ".css", ".json", ".j2", ".md"}
    files = sorted(path for path in HELPERS.rglob("*") if path.suffix in kinds)
    whole = sha256(json.dumps([version("torch"), version("nbconvert"), links]).encode())
    for path in files:
        whole.update(f"\0{path.relative_to(HELPERS).as_posix()}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def _made_of(path: Path) -> str:
    """What the head of a page says that it was made of; nothing where it is not one of ours."""
    with path.open(encoding="utf-8", errors="replace") as page:
        found = _MADE_OF.search(page.read(1000))
    return found[1] if found else ""


def build(root: Path, folder: Path) -> Iterator[tuple[str, str, bool]]:
    """Make in `folder` what has changed of the course at `root`: for each page, as it is done, its
    name, what is told of it, and whether it went well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    site = Site(root, folder)
    to_make = [source for source in site.pages if not site.is_made(source)]
    for source in site.pages:
        if source not in to_make:
            yield source.href, "unchanged", True
    with ThreadPoolExecutor(AT_ONCE) as workers:
        made = {workers.submit(site.make, source): source for source in to_make}
        for future in as_completed(made):
            try:
                yield made[future].href, future.result(), True
            except (CellExecutionError, DeadKernelError) as error:
                words = _COLOURS.sub("", str(error)).rstrip()
                yield made[future].href, f"not made: a cell failed\n{words}", False
    for name in site.tidy():
        yield name, "removed", True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers.site", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", nargs="?", type=Path, default=Path("site"))
    folder = parser.parse_args(arguments).folder
    start = time.monotonic()
    print(f"Making the pages in {folder}, {AT_ONCE} at a time ...", flush=True)
    went_well = []
    for name, words, is_well in build(HELPERS.parent, folder):
        print(f"  {name:32} {words}", flush=True)
        went_well.append(is_well)
    seconds = time.monotonic() - start
    print(f"{sum(went_well)} of {len(went_well)} pages stand, after {seconds:.0f} s.")
    print(f"Open {folder / FRONT} in a browser, or serve the folder.")
    return 0 if all(went_well) else 1


if __name__ == "__main__":
    sys.exit(main())
