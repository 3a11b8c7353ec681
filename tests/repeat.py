"""Do the lessons run alike elsewhere, again, and out of order? `python -m tests.repeat [WORD ...]`
tries one circumstance after the other, and prints of each whether it holds. With words: only those
in whose description one of them stands.

1. The strict run of all lessons under other settings and in other places.
2. Each lesson in a kernel as a reader may use it: each cell twice, the second half again, an
   interrupt in the cell that takes longest of those that import nothing: an import that was cut
   short only a new kernel mends. No cell may fail that does not fail in the lesson.
3. The tests without a browser, in another order.
4. The strict run with another Python: `--python PATH`, for which an environment is made.

What needs Linux, or rights that are not there, says so and counts as not tried. The checkout itself
is never run in: each circumstance has a copy of it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager

from tests.lesson_kernel import ROOT, prepare_environment
from tests.notebook_files import lessons

STRICT = ["-m", "pytest", "--nbval", "-q", "-n", "2", "--dist", "loadfile", "notebooks"]
STRICT += ["-p", "no:cacheprovider"]
IN_A_ROW = 20
CELL_SECONDS = 300
# A cell that ends a process on purpose: what it did cannot be done again. Who comes back to that
# lesson is told to begin at the cell that starts the processes.
ONCE = {"dies"}
AFRESH = {"08_many_processes": "pair"}
# Cells that take away the files of their lesson, and come last.
CLOSING = {"cleanup", "dies-close"}
# A name space of its own: in the first there is no network but 127.0.0.1, in the second {0}, the
# course, cannot be written.
_LOOPBACK = "import fcntl, socket, struct; s = socket.socket(); fcntl.ioctl(s, 0x8914, struct.pack"
_LOOPBACK += "('16sH', b'lo', 1))"  # SIOCSIFFLAGS, IFF_UP
NO_NETWORK = ["unshare", "--map-root-user", "--net", "sh", "-c"]
NO_NETWORK += [f'"{sys.executable}" -c "{_LOOPBACK}" && exec "$@"', "sh"]
READ_ONLY = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
READ_ONLY += ['mount --bind . . && mount -o remount,bind,ro . && cd . && exec "$@"', "sh"]


class NotTried(Exception):
    """This machine lacks what the circumstance needs."""


@dataclass(frozen=True)
class Strict:
    """The strict run of all lessons, in a copy of the course in a folder of this name, by `python`
    behind the words of `inside`, with these settings; None takes one away.
    """

    settings: dict[str, str | None] = field(default_factory=dict)
    folder: str = "course"
    inside: tuple[str, ...] = ()
    python: str = sys.executable
    runs: int = 1

    def __call__(self) -> None:
        if self.inside and not shutil.which(self.inside[0]):
            raise NotTried(f"there is no {self.inside[0]}")
        with copy_of_the_course(self.folder) as course:
            for number in range(self.runs):
                environment = {**os.environ, "PYTHONPATH": str(course), **self.settings}
                kept = {name: value for name, value in environment.items() if value is not None}
                run([*self.inside, self.python, *STRICT], course, kept, f"run {number + 1}: ")


@contextmanager
def copy_of_the_course(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="repeat-") as folder:
        course = Path(folder) / name
        made = (".git", ".venv", ".*_cache", ".hypothesis", ".screenshots", "*.egg-info", "site")
        ignored = shutil.ignore_patterns(*made, "__pycache__")
        shutil.copytree(ROOT, course, ignore=ignored)
        yield course


def run(command: list[str], folder: Path, environment: dict[str, str], words: str = "") -> None:
    """AssertionError, with the end of what it printed, unless the command ends well."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        raise NotTried(done.stderr.strip().splitlines()[-1])
    told = f"{done.stdout}\n{done.stderr}".strip()
    assert done.returncode == 0, words + told[-3_000:]


# --- in a kernel, as a reader may use it ----------------------------------------------------------


@dataclass(frozen=True)
class InAKernel:
    """All lessons, each in a kernel of its own; `use` yields the cells that fail."""

    use: Callable[[Kernel], Iterator[str]]

    def __call__(self) -> None:
        prepare_environment()
        failed = [f"{path.stem}: {told}" for path in lessons() for told in failures(path, self.use)]
        assert not failed, "\n".join(failed)


class Kernel:
    """A lesson and the kernel that runs its `cells`."""

    def __init__(self, lesson: str, client: NotebookClient) -> None:
        self.lesson, self.client = lesson, client
        numbered = enumerate(client.nb.cells)
        self.cells = [(number, cell) for number, cell in numbered if cell.cell_type == "code"]

    def section_of(self, cell_id: str) -> int:
        """The number of the cell whose heading stands before this cell."""
        found = 0
        for number, cell in enumerate(self.client.nb.cells):
            if cell.cell_type == "markdown" and cell.source.startswith("## "):
                found = number
            if cell.id == cell_id:
                return found
        raise LookupError(f"{self.lesson} has no cell {cell_id}")

    def failures(self, cells: list[tuple[int, nbformat.NotebookNode]]) -> Iterator[str]:
        """Run the cells; of each that fails its id and its error."""
        for number, cell in cells:
            if cell.id in ONCE and cell.execution_count:
                continue
            try:
                self.client.execute_cell(cell, number)
            except CellExecutionError as error:
                yield f"{cell.id}: {error.ename}: {error.evalue}"

    def imported(self) -> int:
        """How many modules the kernel has imported."""
        ask = {"silent": True, "user_expressions": {"n": "len(__import__('sys').modules)"}}
        reply = asyncio.get_event_loop().run_until_complete(
            self.client.kc.execute_interactive("", **ask)
        )
        return int(reply["content"]["user_expressions"]["n"]["data"]["text/plain"])


def failures(path: Path, use: Callable[[Kernel], Iterator[str]]) -> list[str]:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(
            kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager()
        ),
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(path.parent)}},
    )
    with client.setup_kernel(stderr=subprocess.DEVNULL):
        return list(use(Kernel(path.stem, client)))


def each_twice(kernel: Kernel) -> Iterator[str]:
    return kernel.failures([cell for cell in kernel.cells for _ in range(2)])


def second_half_again(kernel: Kernel) -> Iterator[str]:
    """All cells; then again from the head of the section in the middle, as a reader comes back."""
    last = [one for one in kernel.cells if one[1].id in CLOSING]
    cells = [one for one in kernel.cells if one not in last]
    yield from kernel.failures(cells)
    begin = kernel.section_of(AFRESH.get(kernel.lesson) or cells[len(cells) // 2][1].id)
    yield from kernel.failures([one for one in cells if one[0] > begin] + last)


def interrupted(kernel: Kernel) -> Iterator[str]:
    """In a new kernel, halfway through the cell that takes longest; then it again, and the rest."""
    seconds = []
    for one in kernel.cells:
        imported, start = kernel.imported(), time.monotonic()
        yield from kernel.failures([one])
        took = time.monotonic() - start
        # Not in a cell that imports: Python has then half a module, and only a new kernel helps.
        seconds.append(took if kernel.imported() == imported else 0)
    longest = seconds.index(max(seconds))
    number, cell = kernel.cells[longest]
    wait = asyncio.get_event_loop().run_until_complete
    wait(kernel.client.km.restart_kernel(now=True))
    wait(kernel.client.kc.wait_for_ready(timeout=CELL_SECONDS))
    for _, one in kernel.cells:
        one.execution_count = None
    yield from kernel.failures(kernel.cells[:longest])
    error = wait(_interrupt(kernel.client, cell, number, seconds[longest] / 2))
    if error is not None and error.ename != "KeyboardInterrupt":
        yield f"{cell.id}, interrupted: {error.ename}: {error.evalue}"
    afresh = AFRESH.get(kernel.lesson, cell.id)
    begin = [one.id for _, one in kernel.cells].index(afresh)
    yield from kernel.failures(kernel.cells[begin:])


async def _interrupt(client: NotebookClient, cell, number: int, after: float):
    """What `cell` raised, when its kernel was interrupted `after` so many seconds."""
    running = asyncio.ensure_future(client.async_execute_cell(cell, number))
    await asyncio.sleep(after)
    await client.km.interrupt_kernel()
    try:
        await running
    except CellExecutionError as error:
        return error
    return None  # it was quicker this time


# --- another order, another Python ----------------------------------------------------------------


def shuffled(seed: int) -> None:
    """The tests without a browser, files and the tests in each in an order drawn with `seed`."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]
    command += ["-p", "tests.repeat_shuffled", "-p", "no:cacheprovider"]
    command += ["tests", "--ignore=tests/browser"]
    with copy_of_the_course("course") as course:
        settings = {"PYTHONPATH": str(course), "REPEAT_SEED": str(seed)}
        run(command, course, {**os.environ, **settings})


def with_another_python(python: str) -> None:
    """The strict run in an environment made for `python`, of what the requirements ask for."""
    with copy_of_the_course("course") as course:
        made = course.parent / "environment"
        run([python, "-m", "venv", str(made)], course, dict(os.environ))
        pip = [str(made / "bin" / "pip"), "install", "--quiet"]
        wanted = ["-r", "requirements.txt", "-r", "tests/requirements.txt"]
        run([*pip, *wanted], course, dict(os.environ))
        run([str(made / "bin" / "python"), *STRICT], course, dict(os.environ))


# --- all of them ----------------------------------------------------------------------------------


def circumstances(python: str | None) -> dict[str, Callable[[], None]]:
    found: dict[str, Callable[[], None]] = {
        f"{name}={value}": Strict({name: value})
        for name, values in {
            "PYTHONHASHSEED": ("1", "4242"),
            "LC_ALL": ("C", "POSIX"),
            "TZ": ("Asia/Kathmandu", "Pacific/Kiritimati"),
            "OMP_NUM_THREADS": ("1", "7"),
        }.items()
        for value in values
    }
    found |= {
        "a folder with spaces and other letters": Strict(folder="Übung 3 – 课程 (neu)"),
        "a home that is not there": Strict({"HOME": "/nowhere", "XDG_CACHE_HOME": None}),
        "a narrow dumb terminal": Strict({"TERM": "dumb", "COLUMNS": "20", "LINES": "5"}),
        "a checkout that cannot be written": Strict(inside=tuple(READ_ONLY)),
        "no network": Strict(inside=tuple(NO_NETWORK)),
        "each cell twice": InAKernel(each_twice),
        "the second half of each lesson again": InAKernel(second_half_again),
        "an interrupt in the longest cell": InAKernel(interrupted),
        "tests in another order, 1": partial(shuffled, 1),
        "tests in another order, 2": partial(shuffled, 2),
        f"{IN_A_ROW} runs in a row": Strict(runs=IN_A_ROW),
    }
    if python:
        found[f"another Python, {python}"] = partial(with_another_python, python)
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.repeat", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("words", nargs="*", help="of the circumstances that are tried")
    parser.add_argument("--python", help="another Python, which has torch")
    given = parser.parse_args(arguments)
    went_well = True
    for words, hold in circumstances(given.python).items():
        if given.words and not any(word in words for word in given.words):
            continue
        start = time.monotonic()
        try:
            hold()
            told = "holds"
        except NotTried as reason:
            told = f"not tried: {reason}"
        except AssertionError as error:
            told, went_well = f"DOES NOT HOLD\n{error}", False
        print(f"{words} ({time.monotonic() - start:.0f} s): {told}", flush=True)
    return 0 if went_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
