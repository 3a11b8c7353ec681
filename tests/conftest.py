"""What holds for every test."""

import pytest

from helpers import exercises


@pytest.fixture(autouse=True)
def first_attempt():
    """No hint was shown before."""
    exercises._shown.clear()
