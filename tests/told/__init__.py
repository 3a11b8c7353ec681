"""What the instruments say, word for word, as somebody read it and found it good.

One text file a room. A test makes the text anew and compares: a word that changes without anybody
meaning it is seen. Where it is meant, `python -m tests.told` writes the files, and the difference
is read before it is committed.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from tests.lesson_kernel import ROOT

WRITE = "INM_WRITE_TOLD"
PINNED = re.search(r"^torch==(\S+)", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)[
    1
]


def assert_told(room: str, lines: Iterable[str]) -> None:
    """That these lines are those of the file of the room."""
    if torch.__version__.partition("+")[0] != PINNED:
        pytest.skip(f"what was read is what it says with torch {PINNED}")
    path = Path(__file__).with_name(f"{room}.txt")
    text = "".join(f"{line}\n" for line in lines)
    if os.environ.get(WRITE):
        path.write_text(text, encoding="utf-8")
    kept = path.read_text(encoding="utf-8")
    between = difflib.unified_diff(kept.splitlines(), text.splitlines(), "read", "now", lineterm="")
    assert text == kept, "\n".join([f"{path.name}: python -m tests.told, if meant", *between][:60])
