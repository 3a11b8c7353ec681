"""Kernels for the whole run of the tests that need not import torch: each is a fork of one process
that has.

That run starts some fifty kernels, and of the five seconds that one computes in a lesson three are
imports, the same ones each time. `server` imports them once. The command of every kernel is
`python -m ipykernel_launcher`; the module of that name in `launch/`, which stands before the real
one on PYTHONPATH, asks the server for a fork, and stays as what is waited for, interrupted and
killed in its place. Forked are imports alone: no helpers, nothing computed, and each kernel has the
environment, folder and path of its own command.

The strict run of the lessons (`pytest --nbval`) has kernels of its own, as readers have: in a fork
a lesson that forgets to import a part of torch would find it there. So have systems other than
Linux, a run of the tests in one process, and one with INM_COLD_KERNELS set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = "INM_WARM_KERNELS"  # the address of the server, for those who start kernels
_COLD = "INM_COLD_KERNELS"
_HERE = Path(__file__).resolve().parent


@contextmanager
def served() -> Iterator[None]:
    """For as long as the block runs, kernels that this process and those below it start are forks,
    where they can be.
    """
    if sys.platform != "linux" or _COLD in os.environ:
        yield
        return
    command = [sys.executable, "-Xfrozen_modules=off", str(_HERE / "server.py")]
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        os.environ[SERVER] = f"{folder}/socket"
        # It ends when its stdin is closed, if only because this process is no more.
        with subprocess.Popen([*command, os.environ[SERVER]], stdin=subprocess.PIPE):
            yield
        del os.environ[SERVER]


def path_with(*folders: object) -> str:
    """PYTHONPATH for who starts kernels that are to find these folders: warm ones, if there is a
    server.
    """
    launch = [_HERE / "launch"] if SERVER in os.environ else []
    return os.pathsep.join(map(str, [*launch, *folders]))
