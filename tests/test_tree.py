"""The tree behind the map: rows agree with `snapshot`, opened whole or step by step, and a filter
finds by path.
"""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from helpers.state import tree, walk
from helpers.state.objects import brief, clip, facts, preview
from helpers.state.snapshot import snapshot
from helpers.state.visibility import Seen, visibility
from tests.modules import Hostile, LongRepr, fingerprint, hostile_module, modules

NO_FACTS = facts(None)


def every_row(module: nn.Module, page: int = 7) -> list[tree.Row]:
    """All rows, asked for page by page as a reader would open them, in the order of the tree."""

    def below(row: tree.Row):
        yield row
        if not row.enterable:
            return
        start, more = 0, 1
        while more:
            inside = tree.children(module, row.id, row.path, start, page)
            for child in inside.rows:
                yield from below(child)
            start, more = start + len(inside.rows), inside.more

    return list(below(tree.root(module).row))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_opened_step_by_step_the_tree_has_every_entry_of_the_snapshot(module):
    before = fingerprint(module)
    rows, found = every_row(module), snapshot(module)
    assert fingerprint(module) == before
    assert len({row.id for row in rows}) == len(rows)
    assert sum(row.empty for row in rows) == len(found.empty)
    expected = [(clip(one.path), *one[2:6], *one[7:9]) for one in found.entries]
    listed = [(row.path, *(row.tensor or NO_FACTS)) for row in rows if not row.empty]
    assert sorted(map(repr, listed)) == sorted(map(repr, expected))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_opened_at_once_the_tree_is_the_same_as_step_by_step(module):
    found = tree.opened(module, 100_000, 100_000)
    assert found.whole and found.totals == snapshot(module).totals
    rows = sorted(found.rows, key=lambda row: row.positions)
    # Facts of one tensor may differ in identity, as symbolic sizes do: their words tell.
    assert repr(rows) == repr(every_row(module))


@pytest.mark.parametrize("budget", [1, 5, 20, 60])
def test_a_budget_cuts_the_rows_and_counts_what_is_left_out(budget):
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(500)))
    found = tree.opened(model, budget, 50)
    assert not found.whole and len(found.rows) <= max(budget, 51)
    ids, more = found.children[""]
    assert more == 501 - 50 and len(ids) == 50
    assert [row.path for row in found.rows[1:3]] == ["training", "0"]


def test_the_index_finds_what_a_plain_search_finds_with_the_rows_around_it():
    model = nn.Transformer(8, 2, 2, 2, 8, batch_first=True)
    rows = every_row(model)
    found = tree.Index(model).matches("OUT_proj.w", 1_000)
    expected = [row.id for row in rows if "out_proj.w" in row.path]
    assert found.matches == expected and found.more == 0 and len(expected) == 6
    around = {".".join(one.split(".")[:depth]) for one in expected for depth in range(20)}
    assert {row.id for row in found.rows} == around
    order = [row.id for row in rows]
    assert [row.id for row in found.rows] == [one for one in order if one in around]
    few = tree.Index(model).matches("weight", 3)
    assert len(few.matches) == 3
    assert few.more == sum("weight" in row.path for row in rows) - 3


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_the_index_has_every_row_of_any_module_with_the_id_that_it_has_in_the_tree(module):
    found = tree.Index(module).matches("", 100_000)
    assert found.more == 0
    assert repr(found.rows) == repr(every_row(module))


def test_each_module_of_a_small_model_is_read_once_to_show_its_map(monkeypatch):
    model = nn.Transformer(8, 2, 4, 4, 8, batch_first=True)
    reads = Counter()
    original = walk.instance_dict

    def counted(module):
        reads[id(module)] += 1
        return original(module)

    monkeypatch.setattr(walk, "instance_dict", counted)
    found = tree.opened(model, 100_000, 100_000)
    assert found.whole and found.totals.modules == len(list(model.modules()))
    assert set(reads.values()) == {1} and len(reads) == found.totals.modules


def test_a_row_that_no_longer_fits_the_module_is_stale():
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    row = next(row for row in every_row(model) if row.path == "0.bias")
    assert tree.find(model, row.id, "0.bias").slot.value is model[0].bias
    model.register_parameter("first", nn.Parameter(torch.ones(1)))
    with pytest.raises(tree.Stale):
        tree.find(model, row.id, "0.bias")
    with pytest.raises(tree.Stale):
        tree.find(model, "99.0", "0.bias")


def test_names_and_totals_are_told_of_what_is_asked():
    model = nn.ModuleDict({"one": nn.Linear(2, 2), "two": nn.Linear(2, 2)})
    model.two.weight = model.one.weight
    ids = {row.path: row.id for row in every_row(model)}
    both = ["one.weight", "two.weight"]
    assert tree.about(model, ids["two.weight"], "two.weight").names == both
    assert tree.about(model, ids["one.bias"], "one.bias").names == []
    assert tree.about(model, ids["two"], "two").parameters == 6


SEES = Seen._fields[:5]  # those of a `Sight`; the last one asks for the tensor and not for the name


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_the_map_and_visibility_tell_the_same_of_any_tensor_sent_at_once_or_asked_for(module):
    found = tree.opened(module, 100_000, 100_000)
    rows = [row for row in sorted(found.rows, key=lambda row: row.positions) if row.tensor]
    told = [[getattr(sight, call) for call in SEES] for sight in visibility(module)]
    assert [list(found.about[row.id].seen[:5]) for row in rows] == told
    for row in rows[:5]:
        asked = tree.about(module, row.id, row.path)
        assert sorted(asked.names) == sorted(found.about[row.id].names)
        assert asked.seen == found.about[row.id].seen


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_whether_an_optimizer_holds_a_tensor_is_what_parameters_says_of_the_very_object(module):
    try:
        held = {id(parameter) for parameter in module.parameters()}
    except (AttributeError, KeyError, RecursionError, TypeError):
        return  # torch itself cannot walk it
    for row in tree.opened(module, 100_000, 100_000).rows:
        if row.tensor:
            tensor = tree.find(module, row.id, row.path).slot.value
            about = tree.about(module, row.id, row.path)
            assert about.seen.held_by_optimizer == (id(tensor) in held), row.path


def test_an_alias_of_a_parameter_moves_and_is_held_by_an_optimizer_as_torch_has_it():
    model = nn.Linear(2, 2)
    model.alias = [model.weight]
    found = tree.opened(model, 100, 100)
    row = next(row for row in found.rows if row.path == "alias[0]")
    seen = found.about[row.id].seen
    assert seen.moves_with_to and seen.held_by_optimizer and not seen.in_parameters
    optimizer = torch.optim.SGD(model.parameters())
    assert any(one is model.alias[0] for one in optimizer.param_groups[0]["params"])
    assert model.to(torch.float64).alias[0].dtype == torch.float64


def test_the_rows_of_a_hostile_module_run_none_of_its_code():
    assert [row.name for row in every_row(hostile_module())][:3] == ["model", "scale", "mean"]


BRIEF = [
    (None, "None"),
    (True, "True"),
    (1e-5, "1e-05"),
    ("a" * 100, "'" + "a" * 60 + "'… (100 in all)"),
    (10**5000, "int of 16610 bits"),
    ((3, 3), "(3, 3)"),
    ((1,), "(1,)"),
    ([1, "b"], "[1, 'b']"),
    ([Hostile()], "list of 1"),
    ({"k": 1}, "dict of 1"),
    ({1, 2}, "set of 2"),
    (Hostile(), "Hostile"),
    (LongRepr(), "LongRepr"),
    (torch.float32, "torch.float32"),
    (len, "builtin_function_or_method"),
    (torch.Size([2, 3]), "(2, 3)"),
    (torch.Size([1] * 9), "Size of 9"),
    (every_row, "function every_row"),
    (nn.ReLU(), "ReLU"),
    (range(3), "range"),
]


@pytest.mark.parametrize("place", range(len(BRIEF)))
def test_a_plain_value_is_described_without_its_repr(place):
    value, words = BRIEF[place]
    assert brief(value) == words


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.tensor(2.5), "2.5"),
        (torch.arange(3), "0  1  2"),
        (torch.arange(100.0), "0  1  2  3  4  5  …"),
        (torch.tensor([[1.0, 2.0], [3.0, 1 / 3]]), "1  2\n3  0.3333"),
        (torch.ones(2, 2, 2), "1  1\n1  1  …"),
        (torch.zeros(0), "no numbers: the tensor is empty"),
        (torch.zeros(2, 0), "no numbers: the tensor is empty"),
        (torch.zeros(2, device="meta"), "no numbers: the tensor is on the meta device"),
        (nn.LazyLinear(1).weight, "no numbers yet: the tensor is lazy"),
        (torch.tensor([True]), "True"),
        (nn.Parameter(torch.ones(1)), "1"),
        (torch.tensor([float("nan"), float("inf")]), "nan  inf"),
        (torch.ones(2, dtype=torch.complex64), "(1+0j)  (1+0j)"),
    ],
)
def test_a_preview_shows_the_first_numbers_or_why_there_are_none(tensor, words):
    assert preview(tensor) == words


def test_a_preview_of_a_class_of_the_learners_own_runs_none_of_its_code():
    class Mine(torch.Tensor):
        @classmethod
        def __torch_function__(cls, *args, **kwargs):
            raise AssertionError("code of the guest ran")

    assert (
        preview(torch.Tensor._make_subclass(Mine, torch.zeros(2)))
        == "no preview for the class Mine"
    )
