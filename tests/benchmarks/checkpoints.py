"""Times `compare_checkpoint` beside torch's own `load_state_dict` of the same pair, in one run.

python -m tests.benchmarks.checkpoints"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from helpers import compare_checkpoint
from tests.benchmarks.state import best_of, model_of


class Block(nn.Module):
    """Six modules and eleven keys, as in a real network."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(8, 8), nn.BatchNorm1d(8)
        self.rest = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))


def nested(groups: int) -> nn.Module:
    """A model whose modules stand in one another, ten blocks in a group."""
    return nn.ModuleDict(
        {"groups": nn.ModuleList(nn.ModuleList(Block() for _ in range(10)) for _ in range(groups))}
    )


MODELS: dict[str, Callable[[], nn.Module]] = {
    "a layer": lambda: nn.Linear(2, 3),
    "a Transformer": lambda: nn.Transformer(batch_first=True, device="meta"),
    "602 modules, nested": lambda: nested(10),
    "867 modules in a row": lambda: model_of(867),
}


def measure(model: nn.Module) -> dict[str, float]:
    """ms for a load, and for comparisons of a file that fits and of three that do not."""
    fits = model.state_dict()
    prefixed = {f"module.{key}": value for key, value in fits.items()}
    renamed = {key.replace("weight", "kernel"): value for key, value in fits.items()}
    files = {"fits": fits, "prefix": prefixed, "nested": {"model": prefixed}, "renamed": renamed}
    times = {"load": best_of(lambda: model.load_state_dict(fits))}
    for name, file in files.items():
        times[name] = best_of(lambda file=file: compare_checkpoint(model, file))
    return times


def main() -> None:
    print(f"{'ms':22}" + "".join(f"{name:>9}" for name in measure(nn.Linear(1, 1))))
    for name, make in MODELS.items():
        print(f"{name:22}" + "".join(f"{one:9.2f}" for one in measure(make()).values()))


if __name__ == "__main__":
    main()
