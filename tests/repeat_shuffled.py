"""A plugin of pytest for `tests/repeat.py`: files, and the tests in each, in an order drawn with
the seed in REPEAT_SEED. A library that does this would, once installed, do it in every run.
"""

from __future__ import annotations

import os
import random

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    draw = random.Random(int(os.environ["REPEAT_SEED"]))
    files = list(dict.fromkeys(item.path for item in items))
    draw.shuffle(files)
    places = {file: number for number, file in enumerate(files)}
    items.sort(key=lambda item: (places[item.path], draw.random()))
