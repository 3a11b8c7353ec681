"""Times a traced assignment beside the bare one, and beside one under a trace function that does
nothing.

python -m tests.benchmarks.tracing
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

from helpers import trace

RUNS = 300


def milliseconds(assign: Callable[[nn.Module, nn.Parameter], None]) -> float:
    """Median time of `assign` on a fresh layer."""
    times = []
    for _ in range(RUNS):
        module, value = nn.Linear(8, 8), nn.Parameter(torch.ones(3))
        start = time.perf_counter()
        assign(module, value)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def bare(module: nn.Module, value: nn.Parameter) -> None:
    module.scale = value


def watched(module: nn.Module, value: nn.Parameter) -> None:
    def look(frame, event, arg):
        return look

    sys.settrace(look)
    try:
        module.scale = value
    finally:
        sys.settrace(None)


def traced(module: nn.Module, value: nn.Parameter) -> None:
    with trace(module):
        module.scale = value


def traced_and_read(module: nn.Module, value: nn.Parameter) -> None:
    with trace(module) as steps:
        module.scale = value
    list(steps)


def main() -> None:
    print(f"`module.scale = parameter` on nn.Linear(8, 8), median of {RUNS} (aim: under 5 ms)")
    start = time.perf_counter()
    traced_and_read(nn.Linear(8, 8), nn.Parameter(torch.ones(3)))
    first = (time.perf_counter() - start) * 1000
    print(f"  {first:7.3f} ms  the first one, traced and read: the file is parsed")
    ways = {
        "bare": bare,
        "under a trace function that does nothing": watched,
        "traced": traced,
        "traced, and its steps read": traced_and_read,
    }
    for words, assign in ways.items():
        print(f"  {milliseconds(assign):7.3f} ms  {words}")


if __name__ == "__main__":
    main()
