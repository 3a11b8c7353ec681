"""Times what a reader does in a view, in a real JupyterLab: script, style and layout of one fold,
select or step.

python -m tests.benchmarks.frames
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page

from tests.browser.jupyterlab import Lab, chromium, find_browser, open_notebook, run_all
from tests.refresh_notebooks import METADATA

MODELS = {
    "nn.Transformer, whole": "nn.Transformer(64, 4, dim_feedforward=128, batch_first=True)",
    "90,001 submodules": "nn.Sequential(*(nn.Linear(1, 1, device='meta') for _ in range(90_000)))",
}
SHOW = """\
from torch import nn
from helpers import StateMap
model = {model}
StateMap(model)"""
# A trace of more than 2,000 steps; every step forward and every step back again.
BUILD = """\
from torch import nn
from helpers import TracePlayer, trace
with trace() as steps:
    nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(13)))
TracePlayer(steps)"""
# A checkpoint of 1,000 keys with a prefix too many: its advice applied and taken back.
CHECKPOINT = """\
from torch import nn
from helpers import CheckpointTable, compare_checkpoint
model = nn.Sequential(*(nn.Linear(1, 1, device="meta") for _ in range(500)))
saved = {f"module.{key}": value for key, value in model.state_dict().items()}
CheckpointTable(compare_checkpoint(model, saved))"""
QUESTION = """\
from torch import nn
from helpers import VisibilityTable
VisibilityTable(nn.Sequential(*(nn.BatchNorm1d(1) for _ in range(12)))).predict()"""
FRAME_MS = 1000 / 60

# Every step is timed from the key to the end of the layout that it forces.
TIMED = """(root, {taker, asked, keys}) => {
    const element = root.querySelector(taker);
    element.focus();
    return keys.map((key) => {
        const start = performance.now();
        element.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        root.getBoundingClientRect();
        element.querySelector(asked).getBoundingClientRect();
        return performance.now() - start;
    }); }"""

# The same for a button that is pressed; the page wants no motion, so its end is shown at once.
PRESSED = """(root, [button, times]) => Array.from({length: times}, () => {
    const start = performance.now();
    root.querySelector(button).click();
    root.getBoundingClientRect();
    return performance.now() - start;
})"""


class Steps(NamedTuple):
    """The element that takes the keys, what the layout is asked of, and the keys."""

    taker: str
    asked: str
    keys: list[str]


SELECT = Steps("[role=tree]", "[aria-selected=true]", 5 * [*30 * ["ArrowDown"], *30 * ["ArrowUp"]])
FOLD = Steps("[role=tree]", ":scope > :last-child", ["Home", *300 * ["Enter"]])


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def show(page: Page, lab: Lab, source: str) -> None:
    """Run the cell `source`, which ends with a view."""
    made = new_notebook(cells=[new_code_cell(source)], metadata=METADATA)
    nbformat.write(made, lab.root / "notebooks" / "frames.ipynb")
    open_notebook(page, "notebooks/frames.ipynb")
    run_all(page)


def measure(page: Page, name: str, steps: Steps) -> None:
    tell(name, page.locator(".inm").evaluate(TIMED, steps._asdict()))


def press(page: Page, name: str, button: str, times: int = 200) -> None:
    tell(name, page.locator(".inm").evaluate(PRESSED, [button, times]))


def tell(name: str, times: list[float]) -> None:
    middle, late = percentile(times, 0.5), percentile(times, 0.95)
    print(f"  {name:8} median {middle:5.1f} ms   95th percentile {late:5.1f} ms", end="")
    print(f"   slowest {max(times):5.1f} ms   (a frame: {FRAME_MS:.1f} ms)")


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
                show(page, lab, SHOW.format(model=model))
                measure(page, "select", SELECT)
                measure(page, "fold", FOLD)
            print("a trace of more than 2,000 steps")
            show(page, lab, BUILD)
            last = int(page.locator(".inm input").first.get_attribute("max"))
            keys = [*last * ["ArrowRight"], *last * ["ArrowLeft"]]
            measure(page, "step", Steps(".inm-player-source", "[aria-current]", keys))
            print("a checkpoint of 1,000 keys, and a grid of 60 tensors and 5 calls")
            show(page, lab, CHECKPOINT)
            press(page, "apply", "[data-stage]")
            press(page, "fold", "[data-fold]")
            show(page, lab, QUESTION)
            press(page, "mark", ".inm-grid-cell")
            press(page, "reveal", ".inm-bar button")
        finally:
            lab.stop()


if __name__ == "__main__":
    main()
