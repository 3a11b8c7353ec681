"""What holds for every test, and the order in which they start."""

import gc
from contextlib import ExitStack

import pytest

from tests import warm_kernels

# Of the browser tests each half is one piece of work, so that one process alone starts JupyterLab,
# and one waits for the pages of the course.
OF_PAGES = tuple(
    f"tests/browser/test_{name}.py"
    for name in ("handout", "pages", "site", "slides", "forced_colours")
)
BROWSER = "tests/browser/"

# What takes longest, and what waits most, starts first, so that all processes end together.
FIRST = (
    "tests/browser/test_lessons.py",
    *OF_PAGES,
    BROWSER,
    "tests/test_exercises.py",
    "tests/test_regression_run.py",
    "notebooks/",
    "tests/test_warm_kernels.py",
    "tests/test_ranks.py",
)


def pytest_configure(config):
    config.option.loadscopereorder = (
        False  # left alone, xdist starts with the files of many tests, which are quick
    )
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        kernels = ExitStack()
        kernels.enter_context(warm_kernels.served())
        config.add_cleanup(kernels.close)


@pytest.hookimpl(optionalhook=True)  # without xdist there is nothing to share out
def pytest_xdist_make_scheduler(config, log):
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class TwoHalvesOfTheBrowserTests(LoadFileScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(BROWSER):
                return "pages" if nodeid.startswith(OF_PAGES) else "JupyterLab"
            return super()._split_scope(nodeid)

    return TwoHalvesOfTheBrowserTests(config, log)


def pytest_collection_modifyitems(items):
    places = {start: place for place, start in enumerate(FIRST)}
    items.sort(
        key=lambda item: next(
            (places[start] for start in FIRST if item.nodeid.startswith(start)), len(FIRST)
        )
    )


def pytest_collection_finish():
    """What is there now stays: the garbage collector is not to look through it again and again,
    and through all that comes not so often.
    """
    gc.freeze()
    gc.set_threshold(5_000, 20, 100)


@pytest.fixture(autouse=True)
def first_attempt():
    """No hint was shown before."""
    from helpers.exercises import feedback  # torch: the process that only hands out needs it not

    feedback._shown.clear()
