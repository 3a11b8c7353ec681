"""Ranks: cells run in processes of their own; an error or an end is told, and none is left."""

from __future__ import annotations

import os
import re
import time

import pytest

from helpers.ranks import Ranks


@pytest.fixture(scope="module")
def pair():
    ranks = Ranks(2, seconds=120, folder="there")
    yield ranks
    ranks.close()


def test_cells_run_in_both_keep_their_names_and_are_shown_by_rank(pair, capsys):
    pair.run("import os\nnumber = 10 * rank + ranks\nprint('id', os.getpid(), folder)")
    ids = re.findall(r"^rank ([01]) \| id (\d+) there$", capsys.readouterr().out, re.MULTILINE)
    assert [rank for rank, _ in ids] == ["0", "1"]
    assert len({*ids, ("", str(os.getpid()))}) == 3
    pair.run("print(number)\nprint('two\\nlines')")
    lines = [(rank, line) for rank in (0, 1) for line in (10 * rank + 2, "two", "lines")]
    shown = [f"rank {rank} | {line}\n" for rank, line in lines]
    assert capsys.readouterr().out == "".join(shown)
    assert repr(pair) == "Ranks: 2 of 2 processes are running"


def test_an_error_in_one_is_told_with_its_line_and_both_go_on(pair, capsys):
    with pytest.raises(
        RuntimeError, match=r"^rank 1: File .*line 2.*\n +assert rank == 0\n"
    ) as told:
        pair.run("print('before')\nassert rank == 0")
    assert "rank 0" not in str(told.value) and "AssertionError" in str(told.value)
    assert capsys.readouterr().out == "rank 0 | before\nrank 1 | before\n"
    with pytest.raises(
        RuntimeError, match=r'(?s)^rank 0: File "<cell.*SyntaxError.*rank 1: File "<cell'
    ):
        pair.run("1 +")
    pair.run("print(rank)")
    assert capsys.readouterr().out == "rank 0 | 0\nrank 1 | 1\n"


def test_what_one_displays_comes_back_as_its_still_faces(pair, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda faces, raw: shown.append((faces, raw)))
    pair.run("from helpers import StateMap\nimport torch\ndisplay(StateMap(torch.nn.Linear(2, 3)))")
    assert capsys.readouterr().out == "rank 0 | shows:\nrank 1 | shows:\n"
    assert [raw for _, raw in shown] == [True, True] and shown[0] == shown[1]
    assert shown[0][0]["text/plain"].startswith("StateMap of Linear")
    assert "<details" in shown[0][0]["text/html"]


def test_the_magic_runs_a_cell_here_as_well(pair, monkeypatch):
    class Shell:
        user_ns: dict = {}

    monkeypatch.setattr("IPython.get_ipython", Shell)
    pair.magic("--here", "def double(x):\n    return 2 * x")
    assert Shell.user_ns["double"](4) == 8
    pair.magic("", "assert double(rank) == 2 * rank")


def test_the_end_of_one_that_is_expected_is_shown_and_ends_all(capsys):
    ranks = Ranks(2)
    ranks.magic("--ends 1", "import os\nif rank == 1:\n    os._exit(7)\nprint('here')")
    ended = "rank 0 | here\nrank 1 | its process has ended, exit code 7\n"
    assert capsys.readouterr().out == ended and ranks.alive == []
    with pytest.raises(RuntimeError, match="Run the cells again, from the one that starts them"):
        ranks.run("")


def test_an_end_that_nobody_expected_and_one_that_does_not_come_are_errors():
    ranks = Ranks(1)
    with pytest.raises(RuntimeError, match="rank 0: it was expected to end"):
        ranks.run("", ends=[0])
    with pytest.raises(RuntimeError, match="exit code 3\nlast words"):
        ranks.run("import os, sys\nprint('last words', file=sys.stderr, flush=True)\nos._exit(3)")
    assert ranks.alive == []


def test_who_waits_for_one_that_failed_is_ended_and_so_is_who_takes_too_long(monkeypatch):
    monkeypatch.setattr("helpers.ranks._GRACE", 1)
    ranks = Ranks(2)
    start = time.monotonic()
    with pytest.raises(RuntimeError) as told:
        ranks.run("import time\nif rank:\n    raise OSError('first')\nelse:\n    time.sleep(1000)")
    assert "rank 0: no answer in time" in str(told.value) and "OSError: first" in str(told.value)
    assert ranks.alive == [] and time.monotonic() - start < 60
    ranks = Ranks(1, seconds=120)
    ranks.run("import time")
    ranks.seconds = 0.5
    with pytest.raises(RuntimeError, match="rank 0: no answer in time"):
        ranks.run("time.sleep(1000)")
    assert ranks.alive == []


def test_an_interrupt_ends_them(monkeypatch):
    ranks = Ranks(1)

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Ranks, "_outcomes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ranks.run("")
    assert ranks.alive == []


def test_none_at_all_is_refused():
    with pytest.raises(ValueError, match="one process or more, got 0"):
        Ranks(0)


SHARDED = """
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

try:
    from torch.distributed.fsdp import fully_shard
except ImportError:
    from torch.distributed._composable.fsdp import fully_shard

from helpers import StateMap, audit, compare_checkpoint, snapshot
from helpers.state import tree
from helpers.state.objects import preview

store = dist.FileStore(place + "/meeting-point", ranks)
dist.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
before = {entry.path for entry in snapshot(model).entries}
fully_shard(model, mesh=init_device_mesh("cpu", (ranks,)))
"""
LOOK = """
torch.manual_seed(0)
for one in model.parameters():
    one.to_local().detach().fill_(rank + 1)
rows = {row.path: row for row in tree.opened(model, 100, 100).rows}
assert rows["0.weight"].tensor.shape == (3, 2) and rows["0.weight"].piece == (2 - rank, 2)
assert rows["1.running_mean"].piece is None
paths = {entry.path for entry in snapshot(model).entries}
assert before < paths and not any("composable" in path for path in paths)
assert f"3 × 2, float32, here {2 - rank} × 2" in StateMap(model)._repr_html_()
assert StateMap(model)._repr_html_() == StateMap(model)._repr_html_()
assert not audit(model, torch.optim.SGD(model.parameters()))
if rank == 0:  # alone: nothing is asked of the other
    assert preview(model[0].bias) == "1  1"
    assert compare_checkpoint(model, model.state_dict()).loads is None
"""


def test_the_instruments_read_a_sharded_model_alone_and_say_what_is_here(pair, tmp_path):
    pair.run(f"place = {str(tmp_path)!r}")
    pair.run(SHARDED)
    pair.run(LOOK)
