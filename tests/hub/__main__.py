"""Tries a class on one server: a real JupyterHub, its proxy and its learners on 127.0.0.1.

    python -m tests.hub [--learners 3] [--headless 10]

1. Two learners without a browser, one after the other: what the first holds, and what the second
   costs when the files are shared.
2. Learners with Chromium, all at once: each follows the link that pulls a copy of the course, signs
   in, runs lesson 1, answers a quiz, solves an exercise and saves. Nobody sees another's work.
3. One learner fills the memory and one loops for ever, while the others without a browser run
   lessons, all at once.

Not part of the ordinary tests: it needs Linux, git, npm with a network, a Chromium, and
`pip install -r tests/hub/requirements.txt`. It serves the last commit. As root each learner has a
user id of their own; the folder of the Python that runs this must then be readable by all. All
that it starts ends with it, after Ctrl+C too."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from datetime import date
from pathlib import Path

import torch

from tests.hub.headless import Kernel, Learner
from tests.hub.in_browser import EXERCISES, Visit, assert_each_has_their_own, visit
from tests.hub.memory import NOTHING, Held, held_in
from tests.hub.once import at_once
from tests.hub.server import COPY, Hub, hub

MEMORY, CPU_SECONDS = "1G", 60
LESSONS = ["01_state_dict", "02_reading_parameters", "03_buffers", "04_setattr", "05_save_and_load"]
# What a lesson brings into its kernel, one after the other: the cell that does so.
BROUGHT = {
    "torch": "import torch",
    "helpers": "import helpers",
    "an optimizer": "torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)",
    "a plot": "import matplotlib.backends.backend_agg",
}
FILL = "held = []\nwhile True:\n    held.append(bytearray(2**26))"
LOOP = "while True:\n    pass"


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def one_after_the_other(hub: Hub) -> None:
    """Two learners, and what the processes of all hold together after each step of each."""
    before = NOTHING
    row("A learner alone, then a second", "server", "kernel", *BROUGHT, "lesson 1 run")
    row(*["---"] * (len(BROUGHT) + 4))
    for name in ("first", "second"):
        steps = []

        def note(steps: list[Held] = steps) -> None:
            steps.append(held_in(hub.folder / "learners"))

        learner = Learner(hub, name)
        learner.pull()
        note()
        kernel = learner.kernel(LESSONS[0])
        note()
        for cell in BROUGHT.values():
            kernel.printed(cell)
            note()
        learner.run_all(LESSONS[0], kernel)
        note()
        row(name, *(f"{step.pss - before.pss:.0f} MB" for step in steps))
        before = steps[-1]
    print(f"\nboth: {before}\n", flush=True)
    assert_kept_apart(hub, learner, kernel)


def assert_kept_apart(hub: Hub, learner: Learner, kernel: Kernel) -> None:
    """The second learner's token opens nothing of the first; nor, as root, does a cell."""
    for path in ("api/contents", "api/kernels", "api/sessions"):
        assert hub.status(f"/user/second/{path}", learner.token) == 200
        assert hub.status(f"/user/first/{path}", learner.token) in (403, 404)
    if os.geteuid() == 0:
        path = str(hub.home("first") / COPY / "notebooks" / f"{LESSONS[0]}.ipynb")
        error = kernel.run(f"open({path!r})")
        assert error.startswith("PermissionError"), error
        print("a cell that reads another learner's file: PermissionError\n")
    else:
        print("not root: all learners are one user, and a cell can read the files of all\n")


def in_browsers(hub: Hub, count: int) -> None:
    people = [(f"browser-{number}", EXERCISES[number % 5]) for number in range(count)]
    visits: list[Visit] = at_once(lambda person: visit(hub, *person), people)
    assert_each_has_their_own(hub, visits)
    row("In a browser, all at once", *visits[0].seconds)
    row(*["---"] * (1 + len(visits[0].seconds)))
    for one in visits:
        told = [f"{one.seconds[at]:.0f} s, {one.held[at].pss:.0f} MB" for at in one.seconds]
        row(one.name, *told)
    print(f"\neach has only their own exercise solved; all: {held_in(hub.folder / 'learners')}\n")


def beside_bad_neighbours(hub: Hub, count: int) -> None:
    """Learners run lessons at the same time, while one loops and one fills the memory."""
    looping, filling = Learner(hub, "loops"), Learner(hub, "fills")
    for neighbour in (looping, filling):
        neighbour.pull()
    endless = looping.kernel()
    process = endless.printed("import os; print(os.getpid())")
    endless.start(LOOP)
    full = filling.kernel()
    error = full.run(FILL)
    assert error.startswith("MemoryError"), error
    held = held_in(hub.home("fills"))
    print(f"fills the memory: MemoryError in the cell; the learner holds {held}", flush=True)

    def lesson(at: int) -> tuple[str, str, float, int]:
        begin = time.monotonic()
        learner, name = Learner(hub, f"headless-{at}"), LESSONS[at % len(LESSONS)]
        learner.pull()
        cells = learner.run_all(name, learner.kernel(name))
        return learner.name, name, time.monotonic() - begin, cells

    done = at_once(lesson, range(count))
    slowest = max(seconds for _, _, seconds, _ in done)
    print(f"{count} at once: all cells run, none failed; the slowest took {slowest:.0f} s")
    everybody = [held_in(hub.home(name)) for name, *_ in done]
    mean = sum(one.pss for one in everybody) / count
    print(f"each {mean:.0f} MB on average; all learners: {held_in(hub.folder / 'learners')}")
    full.connect()
    assert full.printed("held.clear(); print('goes on')") == "goes on"
    begin = time.monotonic()
    while Path(f"/proc/{process}").exists():
        time.sleep(1)
    endless.connect()
    assert endless.printed("print('anew')") == "anew"
    waited = time.monotonic() - begin
    print(f"loops for ever: ended and started anew, {waited:.0f} s after the others were done")


def stop(*_: object) -> None:
    """End everything, and let no second signal interrupt that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hub", description="A class, tried.")
    parser.add_argument("--learners", type=int, default=3, help="learners with a browser")
    parser.add_argument("--headless", type=int, default=10, help="learners without, at once")
    counts = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    print(f"{date.today()}, torch {torch.__version__}, {os.cpu_count()} cores, ", end="")
    print(f"{gigabytes:.0f} GB, load before it began {load:.1f}\n", flush=True)
    try:
        with hub(MEMORY, CPU_SECONDS) as running:
            one_after_the_other(running)
            if counts.learners:
                in_browsers(running, counts.learners)
            if counts.headless:
                beside_bad_neighbours(running, counts.headless)
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
