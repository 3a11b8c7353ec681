"""A kernel that is a fork is what its command says, and ends as a process of its own does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient, KernelManager

from tests import warm_kernels
from tests.lesson_kernel import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")


@pytest.fixture(scope="module")
def served() -> Iterator[None]:
    """The server of the whole run, or one of its own."""
    if warm_kernels.SERVER in os.environ:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("INM_COLD_KERNELS", raising=False)
        with warm_kernels.served():
            yield


@pytest.fixture
def start(served, tmp_path: Path) -> Iterator[Callable[..., tuple]]:
    """Starts a kernel in `tmp_path`, with more in its environment: its manager and its client."""
    managers = []

    def started(**more: str) -> tuple[KernelManager, BlockingKernelClient]:
        managers.append(KernelManager())
        paths = {"PYTHONPATH": warm_kernels.path_with(ROOT)}
        managers[-1].start_kernel(cwd=str(tmp_path), env=os.environ | paths | more)
        client = managers[-1].blocking_client()
        client.start_channels()
        client.wait_for_ready(60)
        return managers[-1], client

    yield started
    for manager in managers:
        manager.shutdown_kernel(now=True)


def printed(client: BlockingKernelClient, code: str) -> str:
    """What `code` prints in the kernel, and the name of the error that it ends with."""
    said = []

    def hear(message: dict) -> None:
        said.append(message["content"].get("text") or message["content"].get("ename") or "")

    client.execute_interactive(code, output_hook=hear, timeout=60)
    return "".join(said).strip()


def test_imported_is_what_the_server_imports_and_no_more(start):
    _, client = start()
    asked = "import sys; print([name in sys.modules for name in ('torch', 'helpers', 'tests')])"
    assert printed(client, asked) == "[True, False, False]"


def test_environment_folder_and_path_are_those_of_its_command(start, tmp_path):
    _, client = start(ONLY_HERE="yes")
    asked = "import os, sys; print(os.environ['ONLY_HERE'], os.getcwd(), sys.path)"
    assert printed(client, asked).startswith(f"yes {tmp_path} ")
    assert repr(str(ROOT)) in printed(client, asked)
    assert "yes" not in os.environ.get("ONLY_HERE", "")


def test_two_kernels_share_neither_state_nor_random_numbers(start):
    clients = [start()[1] for _ in range(2)]
    printed(clients[0], "import torch; torch.nn.Linear.mark = 1")
    assert printed(clients[1], "import torch; print(hasattr(torch.nn.Linear, 'mark'))") == "False"
    asked = (
        "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1))"
    )
    first, second = (printed(one, asked).split() for one in clients)
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_an_interrupt_ends_the_cell_and_not_the_kernel(start):
    manager, client = start()
    code = "import time\nprint('begun')\nwhile True: time.sleep(0.01)"
    asked = client.execute(code, stop_on_error=False)  # what is asked next is answered
    while "begun" not in client.get_iopub_msg(timeout=60)["content"].get("text", ""):
        pass
    manager.interrupt_kernel()
    while (answer := client.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != asked:
        pass
    assert answer["content"]["ename"] == "KeyboardInterrupt"
    assert printed(client, "print('here')") == "here"


def is_there(process: int) -> bool:
    """Whether there is such a process, and not only its status, which nobody has asked for."""
    status = Path(f"/proc/{process}/status")
    return status.exists() and "\nState:\tZ" not in status.read_text()


def gone(*processes: int) -> bool:
    deadline = time.monotonic() + 20
    while any(map(is_there, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_there, processes))


def test_killed_it_takes_along_what_it_has_started(start):
    manager, client = start()
    asked = "import os, subprocess; print(os.getpid(), subprocess.Popen(['sleep', '600']).pid)"
    kernel, below = map(int, printed(client, asked).split())
    assert is_there(kernel) and is_there(below)
    manager.shutdown_kernel(now=True)
    assert gone(kernel, below)


def test_it_ends_soon_after_the_process_that_started_it(served):
    code = (
        "from jupyter_client.manager import start_new_kernel\n"
        "manager, client = start_new_kernel()\n"
        "show = lambda said: print(said['content'].get('text', ''), end='', flush=True)\n"
        "client.execute_interactive('import os; print(os.getpid())', output_hook=show)\n"
        "import os; os._exit(0)"
    )
    environment = os.environ | {"PYTHONPATH": warm_kernels.path_with(ROOT)}
    # The kernel has the output of this process: reading ends when both have ended.
    told = subprocess.check_output([sys.executable, "-c", code], env=environment, timeout=60)
    assert gone(int(told))


def test_asked_to_end_it_ends_well(start):
    manager, client = start()
    kernel = int(printed(client, "import os; print(os.getpid())"))
    client.shutdown()
    assert manager.provisioner.process.wait(20) == 0
    assert gone(kernel)


def test_asked_to_end_it_does_first_what_was_put_off_to_its_end(start, tmp_path):
    manager, client = start()
    put_off = "import atexit, pathlib; atexit.register(pathlib.Path('here').touch)"
    printed(client, put_off)
    client.shutdown()
    assert manager.provisioner.process.wait(20) == 0
    assert (tmp_path / "here").exists()


def test_the_status_is_that_of_the_kernel(start):
    manager, client = start()
    client.execute("import os; os._exit(7)")
    assert manager.provisioner.process.wait(20) == 7


def test_where_no_server_answers_it_is_the_kernel_itself(start):
    _, client = start(**{warm_kernels.SERVER: "/nowhere"})
    assert printed(client, "import sys; print('torch' in sys.modules)") == "False"
