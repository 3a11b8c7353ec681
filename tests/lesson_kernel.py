"""What a kernel that runs a lesson sees: this checkout's helpers, and nothing of one person's
settings.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def prepare_environment() -> None:
    """Set this process's environment so that every kernel it starts finds `helpers`, installed or
    not.

    IPython's profile is an empty one: start-up files and display settings of one person would
    change outputs."""
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )
    os.environ["IPYTHONDIR"] = tempfile.mkdtemp(prefix="ipython-")
    atexit.register(shutil.rmtree, os.environ["IPYTHONDIR"], ignore_errors=True)
    os.environ.pop("MPLBACKEND", None)  # the kernel picks the backend that draws into the notebook
