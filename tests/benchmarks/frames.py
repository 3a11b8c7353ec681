"""Times what a reader does in a live map, in a real JupyterLab: script, style and layout of one fold or one select.

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


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def measure(page: Page, lab: Lab, model: str) -> None:
    source = f"from torch import nn\nfrom helpers import StateMap\nmodel = {model}"
    made = new_notebook(cells=[new_code_cell(source), new_code_cell("StateMap(model)")], metadata=METADATA)
    nbformat.write(made, lab.root / "notebooks" / "frames.ipynb")
    open_notebook(page, "notebooks/frames.ipynb")
    run_all(page)
    root = page.locator(".inm-map")
    for name, script in (("select", SELECT), ("fold", FOLD)):
        times = root.evaluate(script, STEPS)
        middle, late = percentile(times, 0.5), percentile(times, 0.95)
        print(f"  {name:8} median {middle:5.1f} ms   95th percentile {late:5.1f} ms   (a frame: {FRAME_MS:.1f} ms)")


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
                measure(page, lab, model)
        finally:
            lab.stop()


if __name__ == "__main__":
    main()
