"""The cost of reading: what a copy allocates is seen, what only refers is not counted, and nothing
is left switched.
"""

import tracemalloc

import pytest
import torch
from torch import nn

from helpers.plots.cost import reading_costs
from tests.modules import fingerprint

READING = ["_parameters", "named_parameters()", "parameters()"]


def flat(count, width):
    return nn.ParameterList([torch.zeros(width, width) for _ in range(count)])


def test_each_model_is_measured_in_each_way_with_its_true_size():
    models = [flat(3, 2), nn.Linear(4, 5)]
    found = reading_costs(models, runs=1)
    assert [cost.way for cost in found] == [*READING, "copying each"] * 2
    assert [(cost.tensors, cost.nbytes) for cost in found] == [(3, 48)] * 4 + [(2, 100)] * 4
    assert all(cost.seconds > 0 for cost in found)


def test_a_copy_is_seen_with_all_its_bytes_and_reading_is_not_charged_for_the_tensors():
    found = {cost.way: cost for cost in reading_costs([flat(4, 500)], runs=3)}
    assert found["copying each"].allocated > found["copying each"].nbytes == 4_000_000
    for way in READING:
        assert 0 <= found[way].allocated < 10_000


def test_a_tied_parameter_counts_once():
    tied = nn.ModuleList([nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)])
    tied[1].weight = tied[0].weight
    assert {(cost.tensors, cost.nbytes) for cost in reading_costs([tied], runs=1)} == {(1, 36)}


@pytest.mark.parametrize("on", [True, False])
def test_nothing_is_left_switched_on_or_off(on):
    model, threads = nn.Linear(2, 2), torch.get_num_threads()
    before = fingerprint(model)
    if on:
        tracemalloc.start()
    try:
        reading_costs([model], runs=1)
        with pytest.raises(AttributeError):
            reading_costs([None], runs=1)
        assert tracemalloc.is_tracing() is on
    finally:
        tracemalloc.stop()
    assert torch.get_num_threads() == threads and fingerprint(model) == before


def test_too_few_runs_are_refused():
    with pytest.raises(ValueError, match="runs must be at least 1, got 0"):
        reading_costs([nn.Linear(1, 1)], runs=0)
