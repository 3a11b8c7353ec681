"""A real JupyterHub with its proxy and a repository to pull from, all on 127.0.0.1 and in one
temporary folder; all of it ends with the block."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.browser.jupyterlab import SETTINGS
from tests.hub.memory import processes_in
from tests.lesson_kernel import ROOT

HERE = Path(__file__).resolve().parent
START_SECONDS, STOP_SECONDS = 60, 60
BRANCH, COPY = "main", "course"  # of the repository, and the learner's folder made of it


class Hub:
    """A running hub: its address, and what a service with its token may ask of it."""

    def __init__(self, folder: Path, tried: dict, repository: str):
        self.folder, self.url = folder, tried["url"]
        self.password, self.token = tried["password"], tried["token"]
        self.repository = repository

    def ask(self, path: str, method: str = "GET", body: dict | None = None, token: str = ""):
        """The answer, as text, to a request with `token`, the script's own if there is none."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {token or self.token}"},
        )
        with urllib.request.urlopen(request, timeout=180) as answer:
            return answer.read().decode()

    def status(self, path: str, token: str) -> int:
        """The HTTP status that a request with `token` is answered with."""
        try:
            self.ask(path, token=token)
        except urllib.error.HTTPError as refused:
            return refused.code
        return 200

    def pull_query(self, lesson: str) -> str:
        """What follows `git-pull?` in the link that hands out a copy and opens `lesson`."""
        wanted = {"repo": self.repository, "branch": BRANCH, "targetpath": COPY}
        wanted["urlpath"] = f"lab/tree/{COPY}/notebooks/{lesson}.ipynb"
        return urllib.parse.urlencode(wanted)

    def home(self, name: str) -> Path:
        """The folder of a learner."""
        return self.folder / "learners" / name


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def is_open(port: int) -> bool:
    """Whether somebody listens on `port`."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


@contextmanager
def process(*command: str | Path, cwd: Path, log: Path, **environment: str) -> Iterator:
    """A process in a session of its own, so that Ctrl+C reaches it in our order."""
    with log.open("wb") as out:
        one = subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | {"HOME": str(cwd)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield one
    finally:
        one.terminate()
        try:
            one.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()


def answers(url: str) -> bool:
    """Whether a request for `url` succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def wait_for(ready: Callable[[], bool], one: subprocess.Popen, log: Path) -> None:
    """Wait until `ready()`; the process `one` that should bring it about writes into `log`."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if one.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{one.args[0]} did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


def prepare(folder: Path) -> None:
    """The last commit of this checkout as a repository and as the copy that all learners import
    `helpers` from; the proxy; settings for pages that a script drives."""
    bare, course = folder / "served" / f"{COPY}.git", folder / COPY
    bare.parent.mkdir()
    run("git", "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", bare, cwd=folder)
    run("git", "push", "--quiet", bare, f"HEAD:refs/heads/{BRANCH}", cwd=ROOT)
    run("git", "clone", "--quiet", bare, course, cwd=folder)
    (folder / "proxy").mkdir()
    shutil.copy(HERE / "package.json", folder / "proxy")
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline")
    run("npm", "install", *quiet, cwd=folder / "proxy")
    overrides = folder / "settings" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(json.dumps(SETTINGS))
    for own in ("learners", "hub"):
        (folder / own).mkdir()
    (folder / "hub").chmod(0o700)


def end_what_is_left(folder: Path) -> list[str]:
    """End the processes that still have their home in `folder`, and tell their commands."""
    left = processes_in(folder)
    for number in left:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return list(left.values())


@contextmanager
def hub(memory: str, cpu_seconds: int) -> Iterator[Hub]:
    """A hub that serves this checkout's last commit, for as long as the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="inm-hub-"))
    folder.chmod(0o755)  # the learners' processes pass through it
    ports = free_ports(4)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    tried = dict(zip(("url", "hub_url", "proxy_url"), urls, strict=False))
    tried |= {"password": secrets.token_hex(16), "token": secrets.token_hex(16)}
    tried |= {name: str(folder / name) for name in ("learners", "settings", "course")}
    tried |= {"memory": memory, "cpu_seconds": cpu_seconds}
    tried["config"] = str(HERE / "jupyterhub_config.py")
    tried["proxy"] = [str(folder / "proxy/node_modules/.bin/configurable-http-proxy")]
    logs = folder / "git.log", folder / "hub" / "hub.log"
    served = ("--export-all", f"--base-path={folder / 'served'}", "--listen=127.0.0.1")
    try:
        prepare(folder)
        with ExitStack() as running:
            daemon = ("git", "daemon", *served, f"--port={ports[3]}")
            git = running.enter_context(process(*daemon, cwd=folder, log=logs[0]))
            wait_for(lambda: is_open(ports[3]), git, logs[0])
            command = (sys.executable, "-m", "jupyterhub", "-f", HERE / "tried_config.py")
            variables = {"INM_HUB": json.dumps(tried)}
            server = running.enter_context(
                process(*command, cwd=folder / "hub", log=logs[1], **variables)
            )
            wait_for(lambda: answers(f"{urls[0]}/hub/api/"), server, logs[1])
            yield Hub(folder, tried, f"git://127.0.0.1:{ports[3]}/{COPY}.git")
    finally:
        left = end_what_is_left(folder)
        shutil.rmtree(folder)
        still_open = [port for port in ports if is_open(port)]
        print(f"ended: by force {left or 'nothing'}; ports still open {still_open or 'none'}")
