"""Drive a real JupyterLab, or Jupyter Notebook 7, in a real Chromium: start it, open a notebook,
run it, look at it.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests import warm_kernels
from tests.browser.axe import off_the_page, violations
from tests.lesson_kernel import ROOT
from tests.notebook_files import WIDGET_VIEW

# The first is Chromium without windows: it draws the same and takes less of the processor.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    *(("--no-sandbox",) if os.name == "posix" and os.geteuid() == 0 else ()),
)
DESKTOP = {"width": 1280, "height": 1400}
PROJECTOR = {"width": 1280, "height": 720}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
RUN_SECONDS = 300
LAB, NOTEBOOK_7 = "lab/tree", "notebooks"  # where the server has either front end
LIVE_VIEWS = ".inm"
VIEWS = f"{LIVE_VIEWS}, .jp-OutputArea-output.jp-RenderedHTML"  # and the static faces

# What anywidget throws when a view took longer than two seconds to start, as on a busy machine. It
# comes to life all the same; one that does not is found by `widget_outputs`.
SLOW = "[anywidget] Failed to initialize model."

# What JupyterLab's debugger says where a notebook is closed before it was told the state of the
# kernel: `open_instead` closes one that has just been opened.
CLOSED = "Canceled future for debug_request"

# All outputs are attached to the page, nothing is fetched from outside, nothing pops up or saves by
# itself.
SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "recordTiming": False},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}


def find_browser() -> str | None:
    """Path of the Chromium or Chrome on this machine, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    """The browser at `executable`, without a window, for as long as the block runs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(BROWSER_FLAGS))
        yield browser
        browser.close()


class Lab:
    """A JupyterLab server on 127.0.0.1 that serves a copy of the checkout, with settings of its
    own.

    It serves Jupyter Notebook 7 as well, which is built of the same parts.
    The learner's settings and trust database are not seen and not touched, and so is the checkout.
    """

    def __init__(self, folder: Path, browser: Browser):
        self.root = folder / "course"
        self._folder = folder
        self._context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
        self._context.set_default_timeout(60_000)
        self._token = secrets.token_hex(16)
        self._problems: dict[Page, list[str]] = {}
        shutil.copytree(
            ROOT, self.root, ignore=shutil.ignore_patterns(".*", "*.egg-info", "__pycache__")
        )
        self._start()

    def _start(self) -> None:
        overrides = self._folder / "config" / "labconfig" / "default_setting_overrides.json"
        overrides.parent.mkdir(parents=True)
        overrides.write_text(json.dumps(SETTINGS))
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        environment = os.environ | {key: str(self._folder / name) for key, name in own.items()}
        environment |= {
            "JUPYTER_TOKEN": self._token,
            "PYTHONPATH": warm_kernels.path_with(self.root),
        }
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
            *(f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.root}"),
            *("--expose-app-in-browser", "--JupyterNotebookApp.expose_app_in_browser=True"),
            *("--LabApp.news_url=None", "--LabApp.extension_manager=readonly"),
            "--ServerApp.terminals_enabled=False",
            "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        ]
        self._log = self._folder / "jupyterlab.log"
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                command,
                env=environment,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._await_server()

    def _await_server(self, seconds: float = 60) -> None:
        request = urllib.request.Request(
            f"{self.url}/api/status", headers={"Authorization": f"token {self._token}"}
        )
        deadline = time.monotonic() + seconds
        while self._server.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(request, timeout=5):
                    return
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text()[-3000:]}")

    def stop(self) -> None:
        """End the server and its kernels, and close all pages."""
        self._context.close()
        self._server.terminate()
        try:
            self._server.wait(20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def page(self) -> Page:
        """A new page, signed in; `problems` tells what goes wrong on it. All share a profile, and
        so its cache.
        """
        page = self._context.new_page()
        found = self._problems[page] = []
        page.on(
            "pageerror",
            lambda error: str(error) != SLOW and found.append(f"uncaught: {error}"),
        )
        page.on(
            "console",
            lambda message: (
                message.type == "error"
                and CLOSED not in message.text
                and found.append(f"{message.text} ({message.location.get('url', '')})")
            ),
        )
        page.goto(f"{self.url}/login?token={self._token}")
        return page

    def close(self, page: Page) -> None:
        """Close `page` and end the kernel of the notebook in front."""
        page.evaluate("() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.shutdown()")
        page.close()

    def problems(self, page: Page) -> list[str]:
        """Errors in the console and uncaught exceptions on `page` so far; JupyterLab itself reports
        none.
        """
        return list(self._problems[page])

    def forget_problems(self, page: Page) -> None:
        """Start the list of `problems` of `page` anew."""
        self._problems[page].clear()


# The notebook in front, as JavaScript: `panel` is JupyterLab's own object for it.
_PANEL = "const panel = window.jupyterapp?.shell?.currentWidget;"


def open_notebook(page: Page, path: str, theme: str = "light", *, place: str = LAB) -> None:
    """Show the notebook at `path` (from the served root) in `page`, side bars folded, its kernel
    ready.

    `place` is LAB or NOTEBOOK_7, the front end.
    """
    origin = "/".join(page.url.split("/")[:3])
    page.goto(f"{origin}/{place}/{path}?reset")
    wait_until_open(page)
    set_theme(page, theme)
    wait_until_drawn(page)


def open_alone(page: Page) -> None:
    """Show JupyterLab in `page` without a notebook."""
    origin = "/".join(page.url.split("/")[:3])
    page.goto(f"{origin}/lab?reset")
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget")
    page.wait_for_selector("#jupyterlab-splash", state="detached")


def open_instead(page: Page, path: str, theme: str = "light") -> None:
    """Close the notebook in front, if there is one, with its kernel, and show the one at `path`
    (from the served root): JupyterLab itself need not start again.
    """
    page.evaluate(
        f"""() => {{ {_PANEL}
            panel?.sessionContext?.shutdown();  // nobody need wait for the end of that kernel
            panel?.dispose(); }}"""
    )
    set_theme(page, theme)
    page.evaluate(
        """async path => {
            await window.jupyterapp.commands.execute('docmanager:open', { path }); }""",
        path,
    )
    wait_until_open(page)
    wait_until_drawn(page)


def wait_until_open(page: Page) -> None:
    """Wait until a notebook is in front, with its cells and a kernel that is ready; fold the side
    bars.
    """
    page.wait_for_function(
        f"() => {{ {_PANEL} return panel?.context?.isReady && panel.content.widgets.length > 0"
        " && panel.sessionContext.session?.kernel?.status === 'idle'; }"
    )
    for side in ("Left", "Right"):
        page.evaluate(f"() => window.jupyterapp.shell.collapse{side}()")


def replace_cells(page: Page, notebook: dict) -> None:
    """Put the cells of `notebook` in place of those in front; the kernel goes on."""
    page.evaluate(f"made => {{ {_PANEL} panel.content.model.fromJSON(made); }}", notebook)


def set_theme(page: Page, theme: str) -> None:
    """Switch JupyterLab to "light" or "dark"."""
    name = THEMES[theme]
    page.evaluate(
        "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name
    )
    page.wait_for_selector(f'body[data-jp-theme-name="{name}"]', state="attached")
    page.wait_for_selector("#jupyterlab-splash", state="detached")


def theme_of(page: Page) -> str:
    """Which of the two is on."""
    name = page.locator("body").get_attribute("data-jp-theme-name")
    return next(theme for theme in THEMES if THEMES[theme] == name)


def run_all(page: Page) -> None:
    """Run every cell of the notebook in front, as the menu does, and wait until all outputs are
    drawn.
    """
    page.evaluate(
        """async milliseconds => {
            const words = `Run All took more than ${milliseconds} ms`;
            const late = new Promise((_, fail) =>
                setTimeout(() => fail(new Error(words)), milliseconds));
            const run = window.jupyterapp.commands.execute('notebook:run-all-cells');
            await Promise.race([run, late]);
        }""",
        RUN_SECONDS * 1000,
    )
    wait_until_drawn(page)


# Ends when nothing in the page has changed for some pictures of the screen.
AT_REST = """() => new Promise(done => {
    let quiet = 0;
    const watch = new MutationObserver(() => { quiet = 0; });
    watch.observe(document.body, { subtree: true, childList: true, characterData: true });
    const look = () => {
        if (++quiet < 5) return requestAnimationFrame(look);
        watch.disconnect();
        done();
    };
    requestAnimationFrame(look);
})"""


def wait_until_drawn(page: Page) -> None:
    """Wait until every output and widget in the notebook has something in it, and the page is at
    rest.
    """
    page.wait_for_function(
        f"""() => {{ {_PANEL}
            const drawn = child =>
                child.node.querySelector('.jp-OutputArea-output')?.childNodes.length;
            return panel.content.widgets.every(cell => !cell.model.outputs
                || cell.outputArea.widgets.length >= cell.model.outputs.length
                && cell.outputArea.widgets.every(drawn)); }}"""
    )
    page.evaluate(AT_REST)


@contextmanager
def sent_to_kernel(page: Page) -> Iterator[Callable[[], list[str]]]:
    """Listen to the kernel of the notebook in front while the block runs.

    The value is a function that tells the types of all messages sent to the kernel so far.
    """
    listener = page.evaluate_handle(
        f"""() => {{ {_PANEL}
            const kernel = panel.sessionContext.session.kernel;
            const types = [];
            const listen = (_, {{ direction, msg }}) =>
                direction === 'send' && types.push(msg.header.msg_type);
            kernel.anyMessage.connect(listen);
            return {{ types, stop: () => kernel.anyMessage.disconnect(listen) }}; }}"""
    )
    yield lambda: listener.evaluate("({ types }) => types")
    listener.evaluate("({ stop }) => stop()")  # the next test may have the same page
    listener.dispose()


def trust(page: Page) -> None:
    """Trust the notebook in front, as File > Trust Notebook and a click on its dialog do."""
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:trust'); }")
    page.click(".jp-Dialog button.jp-mod-accept")
    page.wait_for_selector(".jp-Dialog", state="detached")
    wait_until_drawn(page)


def contents(page: Page) -> dict:
    """The notebook in front as it stands in the page, in the form in which it would be saved."""
    return page.evaluate(f"() => {{ {_PANEL} return panel.context.model.toJSON(); }}")


def errors(page: Page) -> list[str]:
    """Name and value of every error that an output of the notebook in front shows, tagged ones left
    out.
    """
    return [
        f"{output['ename']}: {output['evalue']}"
        for cell in contents(page)["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
        and "raises-exception" not in cell["metadata"].get("tags", [])
    ]


def trusted_outputs(page: Page) -> int:
    """Number of cells with outputs that JupyterLab trusts."""
    return page.evaluate(
        f"() => {{ {_PANEL} return panel.content.widgets.filter(cell =>"
        " cell.model.outputs?.length && cell.model.trusted).length; }"
    )


def static_faces(page: Page) -> list[str]:
    """Text of every text/html output in the notebook in front as a reader sees it, in order."""
    return page.evaluate(
        f"""() => {{ {_PANEL}
            const faces = '.jp-OutputArea-output.jp-RenderedHTML';
            return Array.from(panel.content.node.querySelectorAll(faces),
                face => {{
                    const copy = face.cloneNode(true);
                    copy.querySelectorAll('style').forEach(style => style.remove());
                    const seen = face.getBoundingClientRect().height > 0;
                    return seen ? copy.textContent : 'not visible';
                }}); }}"""
    )


def widget_outputs(page: Page) -> list[str]:
    """For every widget output in the notebook in front its text, or "fault: " and what is wrong
    with it.
    """
    return page.evaluate(
        f"""type => {{ {_PANEL}
            const drawn = [];
            for (const cell of panel.content.widgets.filter(cell => cell.model.outputs)) {{
                cell.model.outputs.toJSON().forEach((output, position) => {{
                    if (!output.data?.[type]) return;
                    const child = cell.outputArea.widgets[position].node;
                    const node = child.querySelector('.jp-OutputArea-output');
                    const inside = node.querySelector('.inm, .jupyter-widgets');
                    const isStatic = node.classList.contains('jp-RenderedHTML');
                    if (!inside || isStatic) drawn.push('fault: no live view: ' + node.textContent);
                    else if (inside.getBoundingClientRect().height < 10)
                        drawn.push('fault: not visible');
                    else drawn.push(node.textContent);
                }});
            }}
            return drawn; }}""",
        WIDGET_VIEW,
    )


# axe-core looks at no contrast where it takes the text for invisible: in JupyterLab's body, which
# has no height and hides what overflows it, and in what its panels hide below the fold.
WHOLE = """html, body { height: 100vh; }
:has(.jp-WindowedPanel-outer), .jp-WindowedPanel-outer {
    overflow: visible !important; contain: none !important; }"""


@contextmanager
def seen_whole(page: Page) -> Iterator[None]:
    """Let nothing of JupyterLab hide an output of the notebook in front while the block runs, and
    let its cells be nothing but outputs.
    """
    style = page.add_style_tag(content=WHOLE)
    with off_the_page(page, ".jp-Cell-inputWrapper"):
        yield
    style.evaluate("node => node.remove()")


def accessibility_faults(page: Page, selector: str = VIEWS, *, both: bool = True) -> list[str]:
    """What axe-core calls serious or critical inside `selector`: theme, rule, help and the elements
    concerned. All is looked at in the theme that is on; with `both` the colours then in the other,
    which stays.
    """
    on = theme_of(page)
    other = next(theme for theme in THEMES if theme != on)
    with seen_whole(page):
        faults = _serious(violations(page, selector), on)
        if not both:
            return faults
        set_theme(page, other)
        return faults + _serious(violations(page, selector, only_colours=True), other)


def _serious(found: list[dict], theme: str) -> list[str]:
    return [
        f"{fault['id']}: {theme}: {fault['help']}: "
        + "; ".join(node["html"][:160] for node in fault["nodes"][:4])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def follows_the_theme(view: Locator) -> bool:
    """Whether the words of `view` are lighter than its ground in the dark theme, and darker in the
    light one, which is on afterwards.
    """
    found = {}
    for theme in ("dark", "light"):
        set_theme(view.page, theme)
        ground, words = view.evaluate(
            "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color].map("
            "one => one.match(/[0-9.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0))"
        )
        found[theme] = ground < words
    return found == {"dark": True, "light": False}


def picture(view: Locator | Page, name: str) -> None:
    """Write `view` alone, or what the window shows of a page, as .screenshots/`name`.png, in few
    colours and so small. The README shows a copy of it.
    """
    page = view if isinstance(view, Page) else view.page
    page.mouse.move(0, 0)
    page.evaluate("() => document.activeElement.blur()")
    seen = (
        Image.open(io.BytesIO(view.screenshot()))
        .convert("RGB")
        .quantize(128, Image.Quantize.FASTOCTREE)
    )
    folder = ROOT / ".screenshots"
    folder.mkdir(exist_ok=True)
    seen.save(folder / f"{name}.png", optimize=True)


def screenshots(page: Page, folder: Path, name: str) -> None:
    """Write the whole notebook in front as `name`-01.png, -02.png and so on, three windows of it
    each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{name}-[0-9][0-9].png"):
        old.unlink()
    page.mouse.move(0, 0)
    usual = page.viewport_size
    page.set_viewport_size({"width": usual["width"], "height": 3 * usual["height"]})
    scroller = page.locator(".jp-WindowedPanel-outer:visible").first
    total, height = scroller.evaluate("node => [node.scrollHeight, node.clientHeight]")
    for number in range(-(-total // height)):
        scroller.evaluate("(node, top) => { node.scrollTop = top; }", number * height)
        page.wait_for_timeout(60)
        page.screenshot(path=folder / f"{name}-{number + 1:02}.png")
    scroller.evaluate("node => { node.scrollTop = 0; }")
    page.set_viewport_size(usual)


def projector_screenshots(page: Page, folder: Path, name: str, selector: str = ".inm") -> None:
    """Write each view of the notebook in front as it looks on a projector of 1280 by 720, at its
    top.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{name}-[0-9][0-9].png"):
        old.unlink()
    page.set_viewport_size(PROJECTOR)
    for number, view in enumerate(page.locator(selector).all()):
        view.evaluate("node => node.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(60)
        page.screenshot(path=folder / f"{name}-{number + 1:02}.png")
    page.set_viewport_size(DESKTOP)


# A name that would run code if any view took it for more than text.
STRUCK = "<img src=x onerror='window.struck = true'></script><script>window.struck = true</script>"


def stays_text(lab: Lab, view: Locator) -> bool:
    """Whether `STRUCK` is seen in `view` as the text that it is: no element came of it, nothing
    ran, nothing failed.
    """
    expect(view).to_contain_text(STRUCK[:40])
    struck = view.page.evaluate("() => window.struck !== undefined")
    return view.locator("img, script").count() == 0 and not struck and lab.problems(view.page) == []
