"""Times the course as a whole: `import helpers`, and the strict run beside kernels that only import
torch.

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
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--nbval",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
    ]
    start = time.perf_counter()
    subprocess.run(
        [*command, *map(str, notebooks)], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    return time.perf_counter() - start


def main() -> None:
    print(
        f"import helpers, after torch and ipywidgets: {import_seconds() * 1000:.0f} ms (aim: under 150)"
    )
    lessons = sorted((ROOT / "notebooks").glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as folder:
        bare = []
        for lesson in lessons:
            made = new_notebook(
                cells=[new_code_cell("import torch", execution_count=1)], metadata=METADATA
            )
            bare.append(Path(folder) / lesson.name)
            nbformat.write(made, bare[-1])
        course, only_torch = (
            min(strict_run_seconds(paths) for _ in range(3)) for paths in (lessons, bare)
        )
    ratio = course / only_torch
    print(
        f"strict run of {len(lessons)} notebooks: {course:.1f} s; kernels that only import torch: {only_torch:.1f} s;"
        f" {ratio:.2f} x (aim: at most 1.3)"
    )
    for lesson in lessons:
        print(f"{lesson.name}: {lesson.stat().st_size / 1024:.0f} KB (aim: under 400)")


if __name__ == "__main__":
    main()
