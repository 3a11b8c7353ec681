"""Proofs for the questions of lesson 08: each is asked of two real processes."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

from helpers.ranks import Ranks
from tests.proofs import the_true_one

_BEGIN = """
import json

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

try:
    from torch.distributed.fsdp import fully_shard
except ImportError:
    from torch.distributed._composable.fsdp import fully_shard

store = dist.FileStore(str(folder / "meeting-point"), ranks)
dist.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
told = {}
"""

_BUFFERS = """
norm = nn.BatchNorm1d(1, momentum=0.5)
wrapped = nn.parallel.DistributedDataParallel(norm)
optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
for _ in range(3):
    wrapped(torch.tensor([[0.0], [2.0]]) + 8 * rank).square().sum().backward()
    optimizer.step()
told["buffers"] = norm.running_mean.item()
"""

_SHARDED = """
sharded = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
whole = {key: tuple(value.shape) for key, value in sharded.state_dict().items()}
fully_shard(sharded, mesh=init_device_mesh("cpu", (ranks,)))
state = sharded.state_dict()
laid_out = {key: value for key, value in state.items() if isinstance(value, DTensor)}
told["keys"] = list(state) == list(whole)
told["classes"] = laid_out.keys() == dict(sharded.named_parameters()).keys()
told["shapes"] = all(tuple(value.shape) == whole[key] for key, value in state.items())
told["halves"] = all(2 * one.to_local().numel() == one.numel() for one in laid_out.values())
"""

_LOAD = """
dcp.save(state, checkpoint_id=folder / "step-0")
empty = {}
try:
    dcp.load(empty, checkpoint_id=folder / "step-0")
    told["raised"] = False
except dcp.CheckpointException:
    told["raised"] = True
told["loaded"] = {key: type(value).__name__ for key, value in empty.items()}
"""

_FAILED = """
class FullDisk(dcp.FileSystemWriter):
    def write_data(self, plan, planner):
        if rank == 1:
            raise OSError("no space left on device")
        return super().write_data(plan, planner)

def fill(number):
    for parameter in sharded.parameters():
        parameter.to_local().detach().fill_(number)
    return sharded.state_dict()

dcp.save(fill(0), checkpoint_id=folder / "latest")
try:
    dcp.save(fill(1), storage_writer=FullDisk(folder / "latest"))
    told["saved"] = True
except dcp.CheckpointException:
    told["saved"] = False
mixture = {"0.bias": torch.full((8,), 5.0)}
try:
    dcp.load(mixture, checkpoint_id=folder / "latest")
except dcp.CheckpointException:
    mixture = {"0.bias": None}
told["mixture"] = mixture["0.bias"] if mixture["0.bias"] is None else mixture["0.bias"].tolist()
(folder / f"told-{rank}.json").write_text(json.dumps(told))
"""


@cache
def _told() -> list[dict]:
    """What rank 0 and rank 1 have found, in one run for all questions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pair = Ranks(2, seconds=120, folder=folder)
        try:
            for code in (_BEGIN, _BUFFERS, _SHARDED, _LOAD, _FAILED):
                pair.run(code)
        finally:
            pair.close()
        return [json.loads((folder / f"told-{rank}.json").read_text()) for rank in range(2)]


def _alone(mean: float) -> float:
    """The running mean after three batches with this mean, in one process."""
    running = 0.0
    for _ in range(3):
        running = 0.5 * running + 0.5 * mean
    return running


def _buffers() -> int:
    mine, other = (one["buffers"] for one in _told())
    assert other == 0.5 * 0.75 + 0.5 * 9 == 4.875  # as the reply to the third option says
    return the_true_one(
        mine == _alone(5) == 4.375, mine == _alone(1) == 0.875, mine == 4.875, mine == 0
    )


def _sharded() -> int:
    mine = _told()[0]
    keys, laid_out = mine["keys"], mine["classes"]
    return the_true_one(
        not keys,
        keys and not laid_out,
        keys and laid_out and mine["shapes"] and mine["halves"],
        keys and laid_out and mine["shapes"] and not mine["halves"],
    )


def _load() -> int:
    mine = _told()[0]
    loaded, raised = mine["loaded"], mine["raised"]
    plain = "Tensor" in loaded.values()
    return the_true_one(
        plain, bool(loaded) and not plain, not loaded and raised, not loaded and not raised
    )


def _failed() -> int:
    mine = _told()[0]
    assert not mine["saved"]
    numbers = mine["mixture"]
    return the_true_one(
        numbers == [1] * 4 + [0] * 4, numbers == [0] * 8, numbers is None, numbers == [1] * 8
    )


PROOFS = {
    "08-buffers": _buffers,
    "08-sharded": _sharded,
    "08-load": _load,
    "08-failed": _failed,
}
