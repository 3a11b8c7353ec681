"""The class that lesson 07 builds, put together from its folded solutions: `reference()`."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

from tests.lesson_kernel import ROOT
from tests.notebook_files import code_cells, read, tags, text

PATH = ROOT / "notebooks" / "07_build_your_own_module.ipynb"
STEPS = range(1, 10)


def folded() -> list[str]:
    """The sources of the solution cells, in order."""
    return [text(cell["source"]) for _, cell in code_cells(read(PATH)) if "solution" in tags(cell)]


@cache
def space() -> dict:
    """The names of the lesson after its given classes, with every step taken as given and no answer
    of a reader.
    """
    names = {f"step{number}": SimpleNamespace(status="unsolved") for number in STEPS}
    for _, cell in code_cells(read(PATH)):
        if {"solution", "given"} & tags(cell):
            exec(text(cell["source"]), names)
    return names


def reference() -> type:
    """The last given class: nine steps, all solved."""
    return space()["Given9"]
