"""Times `snapshot` and `StateMap` beside torch's own walks, torchinfo and treescope, in one run.

python -m tests.benchmarks.state [--all | --growth]

--all: peers on the large models too, where they take minutes; --growth: the instruments alone, on
trees of a thousand to a million modules, in time for each module; it takes minutes and 10 GB"""

from __future__ import annotations

import argparse
import gc
import time
import warnings
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from helpers import StateMap, audit, compare_checkpoint, snapshot
from helpers.state.totals import totals

SIZES = (867, 9_003, 90_003)
LEVELS = (3, 4, 5, 6)  # of the trees that grow: ten modules in each, down to so many levels
PEERS_UP_TO = {"torchinfo": 9_003, "treescope": 867}


def model_of(modules: int) -> nn.Module:
    """A model of exactly `modules` modules, an odd number: pairs of Linear and ReLU in one
    Sequential.
    """
    layers = [layer for _ in range((modules - 1) // 2) for layer in (nn.Linear(4, 4), nn.ReLU())]
    return nn.Sequential(*layers)


def tree_of(levels: int) -> nn.Module:
    """A model of ten parts, each of ten parts, and so on; the innermost are Linear."""
    if not levels:
        return nn.Linear(1, 1)
    return nn.Sequential(*(tree_of(levels - 1) for _ in range(10)))


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


def treescope_html(model: nn.Module, *, ignore_exceptions: bool = True) -> None:
    import treescope

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each tensor that it cannot show, with a traceback
        treescope.render_to_html(model, ignore_exceptions=ignore_exceptions)


def state_map_with_faces(model: nn.Module) -> None:
    view = StateMap(model)
    view._repr_mimebundle_()
    view.close()


OURS: dict[str, Callable[[nn.Module], object]] = {
    "walk": lambda model: sum(1 for _ in model.named_modules()),
    "state_dict": lambda model: model.state_dict(),
    "snapshot": lambda model: list(snapshot(model).entries),
    "audit": audit,
    "totals": totals,
    "StateMap": lambda model: StateMap(model).close(),
    "StateMap + faces": state_map_with_faces,
}
PEERS = {"torchinfo": torchinfo_summary, "treescope": treescope_html}
GROWTH = {name: OURS[name] for name in ("state_dict", "snapshot", "audit", "totals", "StateMap")}
GROWTH["load_state_dict"] = lambda model: model.load_state_dict(model.state_dict())
GROWTH["compare_checkpoint"] = lambda model: compare_checkpoint(model, model.state_dict())
RATIOS = {"snapshot": "state_dict", "StateMap": "walk"}


def measure(modules: int, peers_everywhere: bool) -> dict[str, float | None]:
    """ms for each column; None for a peer that was left out."""
    model = model_of(modules)
    assert sum(1 for _ in model.modules()) == modules
    times: dict[str, float | None] = {
        name: best_of(partial(call, model)) for name, call in OURS.items()
    }
    for name, call in PEERS.items():
        run = peers_everywhere or modules <= PEERS_UP_TO[name]
        times[name] = best_of(partial(call, model), at_most=3) if run else None
    return times


def broken() -> str:
    """What treescope says of a parameter, where it cannot show one on this torch."""
    try:
        treescope_html(nn.Linear(1, 1), ignore_exceptions=False)
    except Exception as error:
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        return f"treescope fails on torch {torch.__version__} ({words}); it is timed all the same\n"
    return ""


def row(modules: int, times: dict[str, float | None]) -> list[str]:
    measured = ["-" if value is None else f"{value:,.1f}" for value in times.values()]
    ratios = [f"{times[one] / times[other]:.2f} x {other}" for one, other in RATIOS.items()]
    return [f"{modules:,}", *measured, *ratios]


def print_growth() -> None:
    print("best times in µs for each module; what grows faster than the model grows here")
    print(*(f"{head:>19}" for head in ["modules", *GROWTH]))
    for levels in LEVELS:
        model = tree_of(levels)
        modules = sum(1 for _ in model.modules())
        times = [best_of(partial(call, model), at_most=5) for call in GROWTH.values()]
        cells = [f"{modules:,}", *(f"{1000 * one / modules:.2f}" for one in times)]
        print(*(f"{cell:>19}" for cell in cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="peers on the large models too")
    parser.add_argument("--growth", action="store_true", help="a thousand to a million modules")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.growth:
        print_growth()
        return
    print(
        "best times in ms; a walk is one pass of named_modules(); - means left out (--all runs it)"
    )
    print(broken())
    heads = ["modules", *OURS, *PEERS, *RATIOS]
    print(*(f"{head:>17}" for head in heads))
    for modules in SIZES:
        cells = row(modules, measure(modules, given.all))
        print(*(f"{cell:>17}" for cell in cells), flush=True)
    print("\naims: snapshot at most 1.5 x state_dict, StateMap at most 3 x walk")


if __name__ == "__main__":
    main()
