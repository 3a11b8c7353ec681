"""A plugin of pytest for `tests/drift.py`: the run ends with the first claim that turned red."""

from __future__ import annotations

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed and "AssertionError" in report.longreprtext:
        item.session.shouldstop = "a claim turned red"
