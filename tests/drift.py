"""Do the lessons notice when torch changes? `python -m tests.drift [--first] [WORD ...]` makes one
change of behaviour at a time, runs the lenient run of the lessons against it, and prints the claim
that turned red, or SURVIVED. With words: only the changes in whose description one of them stands.
With `--first`: only the lessons that should notice, and not all others after them.

The installed torch is not touched: each change has a folder of links to it, in which the changed
file alone is a copy. It stands before the installed one on the path of pytest and of every kernel,
so that the lessons also read the changed source. `CHANGES` are in `tests/drift_changes.py`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.drift_changes import CHANGES, Change
from tests.lesson_kernel import ROOT
from tests.notebook_files import code_cells, lessons, read

AT_ONCE, LESSON_SECONDS = 2, 400
_COLOURS = re.compile(r"(?:\x1b|#x1B)\[[0-9;]*m")


@dataclass(frozen=True)
class Red:
    """A cell that failed: its error, and the line that raised it."""

    lesson: str
    cell: str
    error: str
    line: str

    @property
    def is_a_claim(self) -> bool:
        """Was it the lesson's own assertion, and not one inside torch?"""
        own = self.line.startswith(("assert", "raise AssertionError"))
        return own and self.error.startswith("AssertionError")

    def __str__(self) -> str:
        return f"{self.lesson} #{self.cell}: {self.line or '?'}  [{self.error}]"


def installed() -> Path:
    """The folder of the installed torch."""
    return Path(importlib.util.find_spec("torch").origin).parent


def changed_torch(change: Change, folder: Path) -> None:
    """Make `folder`/torch: links to the installed torch, and the file of `change` as a changed
    copy.
    """
    here, there = folder / "torch", installed()
    *folders, name = Path(change.file).parts
    for part in [*folders, name]:
        here.mkdir()
        for entry in there.iterdir():
            if entry.name == "__pycache__":  # a link would let the changed code into the installed
                shutil.copytree(entry, here / entry.name, ignore=_pyc_of(name))
            elif entry.name != part:
                (here / entry.name).symlink_to(entry)
        here, there = here / part, there / part
    here.write_text(change.apply(there.read_text(encoding="utf-8")), encoding="utf-8")


def _pyc_of(name: str):
    return shutil.ignore_patterns(f"{Path(name).stem}.*")


def run_lesson(path: Path, folder: Path) -> list[Red]:
    """The cells of the lesson at `path` that fail with the torch in `folder`."""
    report = folder / f"{path.stem}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "-p", "tests.drift_stop"]
    command += ["-p", "no:cacheprovider", f"--junitxml={report}", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LESSON_SECONDS
    )
    if done.returncode not in (0, 1, 2) or not report.exists():
        words = (done.stdout + done.stderr).strip().splitlines()
        return [Red(path.stem, "none", f"pytest stopped: {words[-1] if words else ''}", "")]
    ids = {f"Cell {number}": cell["id"] for number, cell in _numbered(path)}
    cases = ET.parse(report).iter("testcase")
    return [
        red_of(path.stem, ids.get(case.get("name"), case.get("name")), failure.text or "")
        for case in cases
        for failure in case.iter("failure")
    ]


def _numbered(path: Path):
    """Code cells as nbval counts them, which leaves out empty ones."""
    return enumerate(cell for _, cell in code_cells(read(path)))


def red_of(lesson: str, cell: str, words: str) -> Red:
    """What `words`, a failure as nbval tells it, say."""
    words = _COLOURS.sub("", words)
    traceback = words.partition("Traceback:")[2] or words
    lines = [line.strip() for line in traceback.strip().splitlines() if line.strip()]
    arrows = [line for line in lines if re.match(r"-+> ?\d+ ", line)]
    line = re.sub(r"^-+> ?\d+\s+", "", arrows[0]) if arrows else ""
    error = next((one for one in reversed(lines) if re.match(r"\w+(Error|Exception)\b", one)), "")
    return Red(lesson, cell, (error or lines[-1])[:160], line[:200])


def noticed(change: Change, everywhere: bool) -> list[Red]:
    """The red cells up to the first red claim; none: it survived."""
    found: list[Red] = []
    first = change.lessons.split()
    paths = sorted(lessons(), key=lambda path: _rank(path.stem[:2], first))
    paths = paths if everywhere else paths[: len(first)]
    with tempfile.TemporaryDirectory(prefix="drift-") as folder:
        changed_torch(change, Path(folder))
        for path in paths:
            try:
                found += run_lesson(path, Path(folder))
            except subprocess.TimeoutExpired:
                found.append(Red(path.stem, "none", f"not done in {LESSON_SECONDS} s", ""))
            if any(red.is_a_claim for red in found):
                break
    return found


def _rank(number: str, first: list[str]) -> tuple[int, str]:
    return (first.index(number) if number in first else len(first)), number


def verdict(change: Change, everywhere: bool) -> tuple[str, str]:
    """One word about `change`, and a few lines to print."""
    started, found = time.perf_counter(), noticed(change, everywhere)
    claims = [red for red in found if red.is_a_claim]
    word = _word(found, claims)
    shown = (claims or found)[:3]
    head = f"{word}: {change.claim}  ({change.file}, {time.perf_counter() - started:.0f} s)"
    return word, "\n".join([head, *(f"    {red}" for red in shown)])


def _word(found: list[Red], claims: list[Red]) -> str:
    if claims:
        return "red"
    return "ERROR ONLY" if found else "SURVIVED"


def main(arguments: list[str]) -> int:
    words = [one for one in arguments if one != "--first"]
    everywhere = "--first" not in arguments
    chosen = [one for one in CHANGES if not words or any(word in one.claim for word in words)]
    counts: dict[str, int] = {}
    for change in chosen:  # before anything runs: each must fit the installed torch
        change.apply((installed() / change.file).read_text(encoding="utf-8"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(verdict, change, everywhere) for change in chosen]
        for word, told in (done.result() for done in as_completed(running)):
            counts[word] = counts.get(word, 0) + 1
            print(told, flush=True)
    print(f"\n{len(chosen)} changes:", ", ".join(f"{n} {word}" for word, n in counts.items()))
    return 0 if set(counts) <= {"red"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
