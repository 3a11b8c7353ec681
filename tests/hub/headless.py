"""Learners without a browser: through the hub's API they start a server, pull a copy of the course
and run cells in a kernel of theirs."""

from __future__ import annotations

import json
import time
import uuid

import websocket  # comes with jupyter_server

from tests.hub.server import COPY, Hub
from tests.notebook_files import code_cells, tags, text

REPLY_SECONDS = 300


class Learner:
    """A learner of `hub` whose server runs, with a fresh copy of the course."""

    def __init__(self, hub: Hub, name: str):
        self.hub, self.name = hub, name
        hub.ask(f"/hub/api/users/{name}", "POST")
        made = hub.ask(f"/hub/api/users/{name}/tokens", "POST", {"note": "a class, tried"})
        self.token = json.loads(made)["token"]
        hub.ask(f"/hub/api/users/{name}/server", "POST")
        deadline = time.monotonic() + REPLY_SECONDS
        while not json.loads(hub.ask(f"/hub/api/users/{name}"))["server"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server of {name} did not start")
            time.sleep(0.2)

    def pull(self) -> None:
        """Fetch a fresh copy, as the link of a learner does."""
        told = self.ask(f"git-pull/api?{self.hub.pull_query('00_start_here')}")
        assert '"finished"' in told, told[-1000:]

    def ask(self, path: str, method: str = "GET", body: dict | None = None) -> str:
        """The answer of this learner's server."""
        return self.hub.ask(f"/user/{self.name}/{path}", method, body, self.token)

    def notebook(self, lesson: str) -> dict:
        """The lesson in this learner's copy."""
        path = f"api/contents/{COPY}/notebooks/{lesson}.ipynb"
        return json.loads(self.ask(path))["content"]

    def kernel(self, lesson: str = "scratch") -> Kernel:
        return Kernel(self, lesson)

    def run_all(self, lesson: str, kernel: Kernel) -> int:
        """Run every cell of `lesson`; how many there were."""
        cells = [cell for _, cell in code_cells(self.notebook(lesson))]
        for cell in cells:
            error = kernel.run(text(cell["source"]))
            if error and "raises-exception" not in tags(cell):
                raise AssertionError(f"{self.name}, {lesson}, {cell['id']}: {error}")
        return len(cells)


class Kernel:
    """A running kernel of `learner`, as an open notebook has it."""

    def __init__(self, learner: Learner, lesson: str):
        wanted = {"path": f"{COPY}/notebooks/{lesson}.ipynb", "type": "notebook", "name": lesson}
        wanted["kernel"] = {"name": "python3"}
        made = json.loads(learner.ask("api/sessions", "POST", wanted))
        self._session, self._printed = uuid.uuid4().hex, ""
        where = f"{learner.hub.url}/user/{learner.name}/api/kernels/{made['kernel']['id']}/channels"
        self._where = f"{where}?session_id={self._session}".replace("http:", "ws:")
        self._token = learner.token
        self.connect()

    def connect(self) -> None:
        """Connect, also anew: the server hangs up on who has not listened for a while."""
        self._socket = websocket.create_connection(
            self._where,
            header=[f"Authorization: token {self._token}"],
            timeout=REPLY_SECONDS,
        )

    def start(self, source: str) -> str:
        """Send a cell, and do not wait for it; the id by which its messages are known."""
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": "execute_request", "session": self._session}
        content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False}
        message = {"header": header | {"username": "", "date": "", "version": "5.3"}}
        message |= {"parent_header": {}, "metadata": {}, "channel": "shell", "buffers": []}
        self._socket.send(json.dumps(message | {"content": content}))
        return number

    def run(self, source: str) -> str:
        """Run a cell to its end; its error, or nothing. `printed` has what it printed."""
        number, error, waiting, self._printed = self.start(source), "", {"reply", "idle"}, ""
        while waiting:
            kind, content = self.message(number)
            if kind == "execute_reply":
                waiting.discard("reply")
            elif kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
            elif kind == "stream":
                self._printed += content["text"]
            elif kind == "status" and content["execution_state"] == "idle":
                waiting.discard("idle")
        return error

    def message(self, number: str) -> tuple[str, dict]:
        """Kind and content of the next message that belongs to the cell sent as `number`. A kernel
        that dies, and a server that hangs up, belong to no cell: they are errors."""
        while True:
            received = self._socket.recv()
            if isinstance(received, bytes):  # what a view sends with buffers
                continue
            if not received:
                raise ConnectionError("the server hung up")
            message = json.loads(received)
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] in ("restarting", "dead"):
                raise ChildProcessError(f"the kernel is {content['execution_state']}")
            if message["parent_header"].get("msg_id") == number:
                return kind, content

    def printed(self, source: str) -> str:
        """What a cell prints."""
        error = self.run(source)
        assert not error, error
        return self._printed.strip()
