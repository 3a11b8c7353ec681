"""What holds for every test, and the order in which they start."""

import gc
from contextlib import ExitStack

import pytest

from tests import warm_kernels

# What takes longest starts first, so that two processes end together; and the browser tests stand
# side by side, since each time a process leaves them it stops JupyterLab, and starts it again for
# the next.
FIRST = (
    "tests/browser/test_lessons.py",
    "tests/browser/",
    "tests/test_regression_run.py",
    "notebooks/",
)


def pytest_configure(config):
    config.option.loadscopereorder = (
        False  # left alone, xdist starts with the files of many tests, which are quick
    )
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        kernels = ExitStack()
        kernels.enter_context(warm_kernels.served())
        config.add_cleanup(kernels.close)


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
