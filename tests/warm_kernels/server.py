"""The process that kernels are forks of: `python tests/warm_kernels/server.py SOCKET`.

For each that connects there are two forks: the kernel, and one that waits for it, tells its status,
and passes on the signals that it is sent.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress

# What the kernels of the lessons import, and what that imports when it is first used: the step of
# an optimizer imports `torch._dynamo`, a figure the backend.
IMPORTS = (
    "torch",
    "torch._dynamo",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipywidgets",
    "anywidget",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
)


def serve(address: str) -> None:
    """Fork kernels until stdin ends."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(100)  # who asks before all is imported waits
    # Matplotlib reads it while it is imported; a kernel sets it before.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for name in IMPORTS:
        with suppress(ImportError):  # another torch may not have it, and a kernel need not
            importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for kernels
    ready = selectors.DefaultSelector()
    for one in (listener, sys.stdin):
        ready.register(one, selectors.EVENT_READ)
    while all(key.fileobj is listener for key, _ in ready.select()):
        asking, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            attend(asking)
        asking.close()


def attend(asking: socket.socket) -> None:
    """Fork the kernel that is asked for, and end with it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, outputs, _, _ = socket.recv_fds(asking, 1, 3)
    words = asking.makefile()
    request = json.loads(words.readline())
    kernel = os.fork()
    if kernel == 0:
        asking.close()
        words.close()
        become_a_kernel(request, outputs)
    threading.Thread(target=pass_on, args=(words, kernel), daemon=True).start()
    _, status = os.waitpid(kernel, 0)
    with suppress(OSError):  # who asked was killed
        asking.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def pass_on(words: object, kernel: int) -> None:
    """Send the signals that are asked for to the kernel and what it has started; in the end, kill
    it.
    """
    for number in words:
        os.killpg(kernel, int(number))
    with suppress(ProcessLookupError):
        os.killpg(kernel, signal.SIGKILL)


def become_a_kernel(request: dict, outputs: list[int]) -> None:
    """Run the kernel, with what belongs to the command that asked for it."""
    os.setsid()
    for place, output in enumerate(outputs):
        os.dup2(output, place)
        os.close(output)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.nice(request["nice"] - os.nice(0))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:], sys.path[:] = request["argv"], request["path"]
    # That it has a parent, and which, it has read from its environment when it was imported.
    sys.argv.append(f"--IPKernelApp.parent_handle={os.getppid()}")
    import numpy
    import torch
    from ipykernel import kernelapp

    # Python itself sows anew after a fork.
    numpy.random.seed()
    torch.default_generator.seed()
    kernelapp.launch_new_instance()
    # The end of a process without letting go of each object, for which the memory that it shares
    # with the others would be copied.
    atexit._run_exitfuncs()
    for stream in (sys.__stdout__, sys.__stderr__):
        stream.flush()
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
