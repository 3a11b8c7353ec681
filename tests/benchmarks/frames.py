"""Times what a reader does in a view, in a real JupyterLab: script, style and layout of one fold,
select or step.

python -m tests.benchmarks.frames
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page

from tests.browser.jupyterlab import Lab, chromium, find_browser, open_notebook, run_all
from tests.refresh_notebooks import METADATA

MODELS = {
    "nn.Transformer, whole": "nn.Transformer(d_model=64, nhead=4, dim_feedforward=128, batch_first=True)",
    "90,001 submodules": "nn.Sequential(*(nn.Linear(1, 1, device='meta') for _ in range(90_000)))",
}
STEPS = 300
FRAME_MS = 1000 / 60

# Every step is timed from the event to the end of the layout that it forces.
SELECT = """(root, steps) => {
    const tree = root.querySelector('[role=tree]'), times = [];
    tree.focus();
    for (let i = 0; i < steps; i += 1) {
        const start = performance.now();
        tree.dispatchEvent(new KeyboardEvent('keydown', {key: i % 60 < 30 ? 'ArrowDown' : 'ArrowUp', bubbles: true}));
        root.getBoundingClientRect(); tree.querySelector('[aria-selected=true]').getBoundingClientRect();
        times.push(performance.now() - start);
    }
    return times; }"""
FOLD = """(root, steps) => {
    const tree = root.querySelector('[role=tree]'), times = [];
    tree.dispatchEvent(new KeyboardEvent('keydown', {key: 'Home', bubbles: true}));
    for (let i = 0; i < steps; i += 1) {
        const start = performance.now();
        tree.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
        root.getBoundingClientRect(); tree.lastElementChild.getBoundingClientRect();
        times.push(performance.now() - start);
    }
    return times; }"""

# A trace of more than 2,000 steps; every step forward and every step back again.
BUILD = """\
from torch import nn
from helpers import TracePlayer, trace
with trace() as steps:
    nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(13)))
TracePlayer(steps)"""
STEP = """(root, steps) => {
    const pane = root.querySelector('.inm-player-source'), times = [];
    const last = Number(root.querySelector('input').max);
    pane.focus();
    for (let i = 0; i < 2 * last; i += 1) {
        const start = performance.now();
        pane.dispatchEvent(new KeyboardEvent('keydown', {key: i < last ? 'ArrowRight' : 'ArrowLeft', bubbles: true}));
        root.getBoundingClientRect(); pane.querySelector('[aria-current]').getBoundingClientRect();
        times.push(performance.now() - start);
    }
    return times; }"""


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def measure(page: Page, lab: Lab, source: str, scripts: dict[str, str]) -> None:
    """Run the cell `source`, which ends with a view, and print a line for each of the `scripts` on
    that view.
    """
    made = new_notebook(cells=[new_code_cell(source)], metadata=METADATA)
    nbformat.write(made, lab.root / "notebooks" / "frames.ipynb")
    open_notebook(page, "notebooks/frames.ipynb")
    run_all(page)
    for name, script in scripts.items():
        times = page.locator(".inm").evaluate(script, STEPS)
        middle, late = percentile(times, 0.5), percentile(times, 0.95)
        print(
            f"  {name:8} median {middle:5.1f} ms   95th percentile {late:5.1f} ms   slowest {max(times):5.1f} ms   "
            f"(a frame: {FRAME_MS:.1f} ms)"
        )


def main() -> None:
    executable = find_browser()
    if executable is None:
        raise SystemExit("no Chromium or Chrome on this machine")
    with tempfile.TemporaryDirectory() as folder, chromium(executable) as browser:
        lab = Lab(Path(folder), browser)
        try:
            page = lab.page()
            for name, model in MODELS.items():
                print(name)
                source = f"from torch import nn\nfrom helpers import StateMap\nmodel = {model}\nStateMap(model)"
                measure(page, lab, source, {"select": SELECT, "fold": FOLD})
            print("a trace of more than 2,000 steps")
            measure(page, lab, BUILD, {"step": STEP})
        finally:
            lab.stop()


if __name__ == "__main__":
    main()
