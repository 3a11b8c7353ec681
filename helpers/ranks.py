"""Processes for a lesson: start them, run a cell in all of them at once, and leave none behind.

What torch does in them stands in the cells of the lesson. Here is only what no cell can hold: a
process that is started anew imports its first function from a file.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Collection
from itertools import count
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

import torch

_GRACE = 5  # seconds for the others when one has failed: they may be waiting for it
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}  # gloo looks for no other machine there
_CELLS = count(1)


class _Outcome(NamedTuple):
    """What a process has shown, texts and pairs of faces; the error, if there was one; whether the
    process has ended."""

    shown: list[str | dict[str, str]]
    error: str = ""
    ended: bool = False


class Ranks:
    """So many processes of Python, each with its `rank`, that run the same cells at the same time.

    `Ranks(2, folder=folder).run(code)` runs `code` in both, and shows what each of them prints and
    displays, rank 0 first. The names of one cell are there in the next; they begin with `rank`,
    `ranks` (how many there are), `display`, and what is named here. `seconds` limits each run.
    `close()` ends the processes; they also end with the process that has started them.

    ValueError: fewer than one process.
    """

    def __init__(self, ranks: int, *, seconds: float = 120, **names: object) -> None:
        if ranks < 1:
            raise ValueError(f"Ranks needs one process or more, got {ranks}")
        self.seconds = seconds
        self._logs = tempfile.TemporaryDirectory()
        self._pipes: list[Connection] = []
        self._processes = []
        start = multiprocessing.get_context("spawn")
        for rank in range(ranks):
            ours, theirs = start.Pipe()
            given = theirs, self._log(rank), {**names, "rank": rank, "ranks": ranks}
            process = start.Process(target=_serve, args=given, daemon=True)
            process.start()
            theirs.close()  # so that the pipe ends with the process
            self._pipes.append(ours)
            self._processes.append(process)

    def __repr__(self) -> str:
        return f"Ranks: {len(self.alive)} of {len(self._processes)} processes are running"

    @property
    def alive(self) -> list[int]:
        """The ranks whose processes are running."""
        return [rank for rank, process in enumerate(self._processes) if process.is_alive()]

    def magic(self, line: str, code: str) -> None:
        """`run(code)` as a cell magic of IPython. In its line may stand `--here`, to run the cell
        in the notebook too, and `--ends 1`, if the cell ends the process of rank 1."""
        words = line.split()
        self.run(code, ends=[int(word) for word in words if word.isdigit()])
        if "--here" in words:
            from IPython import get_ipython

            exec(_compiled(code), get_ipython().user_ns)

    def run(self, code: str, *, ends: Collection[int] = ()) -> None:
        """Run `code` in all processes, and show what they show. `ends` are the ranks that it ends.

        RuntimeError: it failed in one of them, or took too long, or one has ended that should not.
        If one has ended, all are ended."""
        if len(self.alive) < len(self._processes):
            self.close()
            raise RuntimeError(
                "The processes have ended. Run the cells again, from the one that starts them."
            )
        try:
            for pipe in self._pipes:
                pipe.send(code)
            outcomes = self._outcomes()
        except BaseException:  # the notebook has been interrupted
            self._kill()
            raise
        if any(outcome.ended for outcome in outcomes):
            self._end()
        for rank, one in enumerate(outcomes):
            _show(rank, [*one.shown, one.error] if one.ended and rank in ends else one.shown)
        failed = [line for at, one in enumerate(outcomes) for line in self._failed(at, one, ends)]
        if len(self.alive) < len(self._processes):
            self.close()
        if failed:
            raise RuntimeError("\n".join(failed))

    def _failed(self, rank: int, outcome: _Outcome, ends: Collection[int]) -> list[str]:
        """What is wrong with what has become of a cell; [] if nothing is."""
        _, error, ended = outcome
        as_expected = ended if rank in ends else not error
        if as_expected:
            return []
        last = self._log(rank).read_text(errors="replace").splitlines()[-5:] if ended else []
        return [f"rank {rank}: {error or 'it was expected to end'}", *last]

    def close(self) -> None:
        """End all processes, and wait until they are gone."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_GRACE)
        self._kill()

    def _kill(self) -> None:
        self._end()
        self._logs.cleanup()

    def _end(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def _log(self, rank: int) -> Path:
        return Path(self._logs.name) / f"rank-{rank}.txt"

    def _outcomes(self) -> list[_Outcome]:
        """What has become of a cell in each process, when all are done or have no time left."""
        waiting = dict(zip(self._pipes, count(), strict=False))
        outcomes: dict[int, _Outcome] = {}
        until = time.monotonic() + self.seconds
        while waiting and (ready := wait(waiting, timeout=until - time.monotonic())):
            for pipe in ready:
                rank = waiting.pop(pipe)
                outcomes[rank] = self._outcome(rank, pipe)
                if outcomes[rank].error:
                    until = min(until, time.monotonic() + _GRACE)
        for rank in waiting.values():
            outcomes[rank] = _Outcome([], "no answer in time; its process has been ended", True)
            self._processes[rank].kill()
        return [outcome for _, outcome in sorted(outcomes.items())]

    def _outcome(self, rank: int, pipe: Connection) -> _Outcome:
        try:
            return _Outcome(*pipe.recv())
        except EOFError:
            self._processes[rank].join()
            ended = f"its process has ended, exit code {self._processes[rank].exitcode}"
            return _Outcome([], ended, True)


def _show(rank: int, shown: list[str | dict[str, str]]) -> None:
    """Print texts, line by line behind the rank, and display faces."""
    for one in shown:
        if isinstance(one, str):
            for line in one.splitlines():
                print(f"rank {rank} | {line}")
        else:
            from IPython.display import display

            print(f"rank {rank} | shows:")
            display(one, raw=True)


def _serve(pipe: Connection, log: Path, names: dict[str, object]) -> None:
    """Run cells until there is nobody any more who sends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the notebook, which ends us
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)  # what gloo says of its connections, too
    os.dup2(2, 1)
    torch.set_num_threads(1)  # as torchrun does: together they are no more than the cores
    if sys.platform in _LOOPBACK:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK[sys.platform])
    space = {"__name__": "__main__", **names}
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(_ran(pipe.recv(), space))
    os._exit(0)  # without waiting for threads that wait for another rank


def _ran(code: str, space: dict[str, object]) -> _Outcome:
    """What becomes of one cell among the names in `space`."""
    shown: list[str | dict[str, str]] = []
    said = io.StringIO()

    def told() -> None:
        if said.tell():
            shown.append(said.getvalue())
            said.seek(0)
            said.truncate()

    def display(one: object) -> None:
        told()
        shown.append({"text/plain": repr(one), "text/html": one._repr_html_()})

    space["display"] = display
    error = ""
    try:
        with contextlib.redirect_stdout(said):
            exec(_compiled(code), space)
    except BaseException as raised:
        frames = traceback.extract_tb(raised.__traceback__)
        stack = [frame for frame in frames if frame.filename != __file__]
        lines = [*traceback.format_list(stack), *traceback.format_exception_only(raised)]
        error = "".join(lines).strip()
    told()
    return _Outcome(shown, error)


def _compiled(code: str) -> object:
    """`code` as Python runs it, with its lines at hand for a traceback, and for `inspect`."""
    name = f"<cell {next(_CELLS)}>"
    linecache.cache[name] = len(code), None, code.splitlines(keepends=True), name
    return compile(code, name, "exec", dont_inherit=True)
