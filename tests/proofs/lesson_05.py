"""Proofs for the questions of lesson 05: each runs the experiment that its question talks about."""

from __future__ import annotations

import pickle
import tempfile
import warnings
import zipfile
from pathlib import Path

import torch
from torch import nn

from tests.proofs import the_true_one


class _Classifier(nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.norm(self.body(x)).relu()))


def _numbers(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def _loads(model: nn.Module, state: dict, **options: bool) -> tuple[bool, list[str], list[str]]:
    """Whether the load raised, the keys that have the numbers of `state`, and those as before."""
    before = _numbers(model)
    try:
        model.load_state_dict(state, **options)
        raised = False
    except RuntimeError:
        raised = True
    now = _numbers(model)
    taken = [key for key, value in now.items() if key in state and torch.equal(value, state[key])]
    return raised, taken, [key for key, value in now.items() if torch.equal(value, before[key])]


def _suffix() -> int:
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"weights{suffix}" for suffix in (".pt", ".pth", ".pkl", ".pt")]
        files = []
        for path in paths:
            torch.save(
                _Classifier().state_dict()
                if not files
                else torch.load(paths[0], weights_only=True),
                path,
            )
            files.append(path.read_bytes())
        zips, stable = [zipfile.is_zipfile(path) for path in paths], files[3] == files[0]
    same = files[0] == files[1] == files[2]
    return the_true_one(zips != [True] * 4, same, not same and stable, not same and not stable)


def _whole() -> int:
    with tempfile.TemporaryDirectory() as name:
        torch.save(_Classifier(), Path(name) / "whole.pt")
        with zipfile.ZipFile(Path(name) / "whole.pt") as archive:
            data = archive.read("whole/data.pkl")
        oldest = Path(name) / "oldest.pt"
        torch.save(_Classifier(), oldest, _use_new_zipfile_serialization=False)
        assert b"def forward" in oldest.read_bytes()  # as the reply to the first option says
    source, compiled = (
        b"def forward" in data,
        b"relu" in data and b"def forward" not in data,
    )  # `forward` calls relu
    named = b"_Classifier" in data and __name__.encode() in data
    return the_true_one(source, compiled, not named, named and not source and not compiled)


def _refused() -> int:
    state = _numbers(_Classifier())
    keys = list(state)
    state["head.offset"] = state.pop("head.bias")
    raised, taken, kept = _loads(_Classifier(), state)
    everything = [key for key in keys if key != "head.bias"]
    return the_true_one(
        raised and kept == keys,
        raised and taken != everything and taken == everything[: len(taken)] and kept != keys,
        raised and taken == everything and "head.bias" in kept,
        raised and "head.bias" not in kept,
    )


def _shape() -> int:
    state, larger = _numbers(_Classifier()), _Classifier(classes=5)
    own = larger.head.weight
    assert _loads(_Classifier(classes=5), state, strict=False, assign=True)[0]
    raised, _, kept = _loads(larger, state, strict=False)
    replaced = larger.head.weight is not own
    part = not raised and not replaced and "head.weight" not in kept
    return the_true_one(raised, not raised and "head.weight" in kept, part, replaced)


def _unseen() -> int:
    state = {f"module.{key}": value for key, value in _numbers(_Classifier()).items()}
    fresh = _Classifier()
    keys = list(fresh.state_dict())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raised, _, kept = _loads(fresh, state, strict=False)
    none = kept == keys and not raised and not caught
    return the_true_one(not raised and kept != keys and not caught, raised, none, bool(caught))


def _assign() -> int:
    model, state = _Classifier(), _numbers(_Classifier())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.load_state_dict(state, assign=True)
    model(torch.randn(8, 4)).sum().backward()
    before = model.head.bias.detach().clone()
    try:
        optimizer.step()
        raised = False
    except RuntimeError:
        raised = True
    changed = not torch.equal(model.head.bias, before)
    shared = torch.equal(state["head.bias"], model.head.bias)
    idle = not any(one.grad is not None for one in optimizer.param_groups[0]["params"])
    return the_true_one(
        changed and not shared, changed and shared, raised, not changed and not raised and idle
    )


def _run(leave_out: str | None = None) -> list[torch.Tensor]:
    """The weights of a run that is stopped after 5 of 12 steps and goes on from a file without one
    part.
    """
    points, targets = (
        torch.randn(20, 4, generator=torch.Generator().manual_seed(1)),
        torch.arange(20) % 3,
    )

    def start():
        torch.manual_seed(0)
        model = _Classifier()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)

    def train(parts, first, last):
        model, optimizer, scheduler = parts
        for _ in range(first, last):
            rows = torch.randint(0, 20, (8,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(points[rows]), targets[rows]).backward()
            optimizer.step()
            scheduler.step()

    parts = start()
    train(parts, 0, 5 if leave_out is not None else 12)
    if leave_out is not None:
        saved = pickle.loads(pickle.dumps([part.state_dict() for part in parts]))
        random, parts = torch.get_rng_state(), start()
        for name, part, state in zip(
            ("model", "optimizer", "scheduler"), parts, saved, strict=True
        ):
            if name != leave_out:
                part.load_state_dict(state)
        if leave_out != "random":
            torch.set_rng_state(random)
        train(parts, 0 if leave_out == "step" else 5, 12)
    return list(_numbers(parts[0]).values())


def _resume() -> int:
    with torch.random.fork_rng(devices=()):
        whole = _run()

        def equal(leave_out: str) -> bool:
            return all(map(torch.equal, whole, _run(leave_out)))

        if not equal(""):
            raise ValueError("the full checkpoint was expected to go on bit for bit")
        free = [
            part for part in ("scheduler", "random", "optimizer", "model", "step") if equal(part)
        ]
    return the_true_one(
        free == ["scheduler"], free == ["random"], free == ["optimizer"], free == []
    )


PROOFS = {
    "05-suffix": _suffix,
    "05-whole": _whole,
    "05-refused": _refused,
    "05-shape": _shape,
    "05-unseen": _unseen,
    "05-assign": _assign,
    "05-resume": _resume,
}
