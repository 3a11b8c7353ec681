"""Stands for a kernel that is a fork of the server: passes on the signals that it gets, and ends
when the kernel ends, with its status, or, as a kernel does, soon after the process that started it.
If it is killed, so is the kernel.

Where no server answers, it is the kernel itself.
"""

import json
import os
import select
import signal
import socket
import sys


def main() -> None:
    parent = os.getppid()
    # As the real one does: the current folder comes back when the kernel is set up.
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(os.environ["INM_WARM_KERNELS"])
    except (KeyError, OSError):
        from ipykernel import kernelapp

        kernelapp.launch_new_instance()
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: server.sendall(f"{int(number)}\n".encode()))
    request = {
        "argv": sys.argv,
        "path": sys.path,
        "folder": os.getcwd(),
        "nice": os.nice(0),
        "environment": dict(os.environ),
    }
    socket.send_fds(server, [b"\n"], [0, 1, 2])
    server.sendall(json.dumps(request).encode() + b"\n")
    while not select.select([server], [], [], 1)[0]:
        if os.getppid() != parent:
            sys.exit(1)
    sys.exit(int(server.makefile().readline() or 1))


if __name__ == "__main__":
    main()
