"""What do the ordinary tests let pass? `python -m tests.mutate_helpers [COUNT] [ROOM ...]` lets
mutmut change the rooms of `helpers` in one place at a time, in a copy of this checkout, and runs
the tests of those rooms that reach the place. It prints how many of COUNT changes, drawn by chance
(default: 100), turned a test red, and those that did not.

It needs mutmut beside what the tests need: `pip install "mutmut>=3.8,<4"`. The lessons and the
browser tests are not run, though they would notice more: they take minutes for each change.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lesson_kernel import ROOT

TESTS = {
    "state": ["state", "audit", "state_map", "memory_map", "views"],
    "checkpoints": ["checkpoints"],
    "tracing": ["tracing", "trace_player", "playground", "outcome_table"],
    "plots": ["plots"],
    "views": ["views", "state_map", "memory_map", "trace_player", "outcome_table", "page"],
}
SEED = 19
# What mutmut notes for a change that turned no test red: pytest ended well, or no test reaches it.
SURVIVED = {0, 5, 33}
SETTINGS = """
[tool.mutmut]
source_paths = ["helpers"]
only_mutate = {files}
also_copy = ["README.md", "requirements.txt", "notebooks", "package.json", ".ci"]
pytest_add_cli_args = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
pytest_add_cli_args_test_selection = {tests}
process_isolation = "forkserver"
"""


def copy_with_settings(folder: Path, rooms: list[str]) -> None:
    """A copy of this checkout in which mutmut knows what to change and which tests to run."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", ".*cache", "__pycache__"))
    names = dict.fromkeys(f"tests/test_{test}.py" for room in rooms for test in TESTS[room])
    files = [f"helpers/{room}/*" for room in rooms]
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(SETTINGS.format(files=json.dumps(files), tests=json.dumps(list(names))))


def mutmut(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def statuses(folder: Path) -> dict[str, int | None]:
    """What became of each change, by its name; None: it was not tried."""
    found = {}
    for path in sorted((folder / "mutants" / "helpers").glob("*/*.meta")):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def main(arguments: list[str]) -> int:
    counts = [int(one) for one in arguments if one.isdigit()]
    rooms = [one for one in arguments if not one.isdigit()] or list(TESTS)
    folder = Path(tempfile.mkdtemp()) / "course"
    copy_with_settings(folder, rooms)
    # One that is not there: mutmut makes all changes, asks which tests reach them, and tries none.
    told = mutmut(folder, "run", "--max-children", "1", "helpers.none.of.this")
    names = sorted(statuses(folder))
    if not names:
        print(told[-2_000:])
        return 1
    chosen = random.Random(SEED).sample(names, min(len(names), *(counts or [100])))
    print(f"{len(chosen)} of {len(names):,} changes of {', '.join(rooms)}, in {folder}", flush=True)
    told = mutmut(folder, "run", "--max-children", str(os.cpu_count() or 1), *chosen)
    found = statuses(folder)
    tried = [name for name in chosen if found[name] is not None]
    survived = [name for name in tried if found[name] in SURVIVED]
    if len(tried) < len(chosen):
        print(told[-2_000:])
    print(f"{len(tried) - len(survived)} of {len(tried)} turned a test red. The others:")
    for name in survived:
        lines = mutmut(folder, "show", name).splitlines()
        print(
            name, *(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
