"""Times the course as a whole: `import helpers`, and the strict run beside kernels that import the
same libraries and use torch once.

python -m tests.benchmarks.course
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.lesson_kernel import ROOT
from tests.refresh_notebooks import METADATA

IMPORT = """\
import time, torch, ipywidgets
start = time.perf_counter()
import helpers
print(time.perf_counter() - start)"""

# What most lessons load: a step of an optimizer, as a tensor on meta, loads more of torch.
BARE = """\
import torch, matplotlib, helpers
layer = torch.nn.Linear(1, 1)
layer(torch.ones(1)).backward()
torch.optim.SGD(layer.parameters()).step()
empty = torch.nn.Linear(1, 1, device="meta")"""


def import_seconds(runs: int = 7) -> float:
    """Median time of `import helpers` in a fresh interpreter that has imported torch and
    ipywidgets.
    """
    command = [sys.executable, "-c", IMPORT]
    outputs = [
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        for _ in range(runs)
    ]
    return statistics.median(float(output.stdout) for output in outputs)


def strict_run_seconds(notebooks: list[Path]) -> float:
    """Time of a strict nbval run over `notebooks`, kernels started and stopped."""
    options = ("-q", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider")
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, notebooks)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - start


def bare_copies(lessons: list[Path], folder: Path) -> list[Path]:
    """For each lesson a notebook that imports what lessons import, and uses torch once."""
    for lesson in lessons:
        cell = new_code_cell(BARE, execution_count=1)
        nbformat.write(new_notebook(cells=[cell], metadata=METADATA), folder / lesson.name)
    return [folder / lesson.name for lesson in lessons]


def main() -> None:
    milliseconds = import_seconds() * 1000
    print(f"import helpers, after torch and ipywidgets: {milliseconds:.0f} ms (aim: under 100)")
    lessons = sorted((ROOT / "notebooks").glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as folder:
        bare = bare_copies(lessons, Path(folder))
        seconds = min(strict_run_seconds(lessons) for _ in range(3))
        bare_seconds = min(strict_run_seconds(bare) for _ in range(3))
    print(f"strict run of {len(lessons)} notebooks: {seconds:.1f} s")
    print(f"kernels that import the same and use torch once: {bare_seconds:.1f} s")
    print(f"ratio: {seconds / bare_seconds:.2f} (aim: at most 1.15)")
    for lesson in lessons:
        print(f"{lesson.name}: {lesson.stat().st_size / 1024:.0f} KB (aim: under 400)")


if __name__ == "__main__":
    main()
