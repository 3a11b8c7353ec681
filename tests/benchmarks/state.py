"""Times `snapshot` and `StateMap` beside torch's own walks, torchinfo and treescope, in one run.

python -m tests.benchmarks.state [--all]     --all: peers on the large models too, where they take
minutes"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable

import torch
from torch import nn

from helpers import StateMap, audit, snapshot
from helpers.state.totals import totals

SIZES = (867, 9_003, 90_003)
PEERS_UP_TO = {"torchinfo": 9_003, "treescope": 867}


def model_of(modules: int) -> nn.Module:
    """A model of exactly `modules` modules, an odd number: pairs of Linear and ReLU in one
    Sequential.
    """
    layers = [layer for _ in range((modules - 1) // 2) for layer in (nn.Linear(4, 4), nn.ReLU())]
    return nn.Sequential(*layers)


def best_of(call: Callable[[], object], seconds: float = 2.0, at_most: int = 15) -> float:
    """The shortest of several runs of `call`, in ms."""
    times, start = [], time.perf_counter()
    while not times or (len(times) < at_most and time.perf_counter() - start < seconds):
        gc.collect()
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def torchinfo_summary(model: nn.Module) -> None:
    import torchinfo

    str(torchinfo.summary(model, verbose=0))


def treescope_html(model: nn.Module) -> None:
    # It asks tensors for `names`, which newer torch has not: without this it shows nothing at all.
    import treescope

    treescope.render_to_html(model, ignore_exceptions=True)


def measure(modules: int, peers_everywhere: bool) -> dict[str, float | None]:
    """ms for each column; None for a peer that was left out."""
    model = model_of(modules)
    assert sum(1 for _ in model.modules()) == modules

    def faces() -> None:
        view = StateMap(model)
        view._repr_mimebundle_()
        view.close()

    times: dict[str, float | None] = {
        "walk": best_of(lambda: sum(1 for _ in model.named_modules())),
        "state_dict": best_of(model.state_dict),
        "snapshot": best_of(lambda: list(snapshot(model).entries)),
        "audit": best_of(lambda: audit(model)),
        "totals": best_of(lambda: totals(model)),
        "StateMap": best_of(lambda: StateMap(model).close()),
        "StateMap + faces": best_of(faces),
    }
    for name, call in (("torchinfo", torchinfo_summary), ("treescope", treescope_html)):
        run = peers_everywhere or modules <= PEERS_UP_TO[name]
        times[name] = best_of(lambda: call(model), at_most=3) if run else None  # noqa: B023
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--all", action="store_true", help="peers on the large models too, where they take minutes"
    )
    peers_everywhere = parser.parse_args().all
    torch.set_num_threads(1)
    print(
        "best times in ms; a walk is one pass of named_modules(); - means left out (--all runs it)\n"
    )
    heads: list[str] = []
    for modules in SIZES:
        times = measure(modules, peers_everywhere)
        if not heads:
            heads = list(times)
            print(
                f"{'modules':>8}",
                *(f"{head:>17}" for head in heads),
                f"{'snapshot':>17}",
                f"{'StateMap':>17}",
            )
        cells = ["-" if value is None else f"{value:,.1f}" for value in times.values()]
        by_dict, by_walk = (
            times["snapshot"] / times["state_dict"],
            times["StateMap"] / times["walk"],
        )
        ratios = f"{by_dict:.2f} x state_dict", f"{by_walk:.1f} x walk"
        print(
            f"{modules:>8,}",
            *(f"{cell:>17}" for cell in cells),
            *(f"{ratio:>17}" for ratio in ratios),
            flush=True,
        )
    print("\naims: snapshot at most 2 x state_dict, StateMap at most 5 x walk")


if __name__ == "__main__":
    main()
