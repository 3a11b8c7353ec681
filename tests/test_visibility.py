"""`visibility`, with torch as the judge: each answer is compared with the real call on the real
module.
"""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from torch import nn

from helpers import VisibilityTable
from helpers.state.objects import COLLECTIONS, contents
from helpers.state.snapshot import snapshot
from helpers.state.visibility import Sight, experiment, own_rules, visibility
from helpers.views import visibility_table
from tests.html_page import Page
from tests.modules import NAMES, database, fingerprint, hostile_module, modules, untouched

MADE_BY_INIT = set(vars(nn.Module()))


def is_a(value: object, kind: type | tuple) -> bool:
    """isinstance() without running a property `__class__` of the guest."""
    return issubclass(type(value), kind)


def tensors(module: nn.Module, above: tuple = ()) -> list[torch.Tensor]:
    """The tensors of `module` by a search of this test's own, in the order that torch walks in: its
    parameters, its buffers, what stands in plain attributes, then each submodule."""
    found = []
    own = vars(module).get("_actual_script_module", module)
    for box in ("_parameters", "_buffers"):
        held = vars(own).get(box, {})
        found += [value for _, value in held.items() if is_a(value, torch.Tensor)]
    for name, value in vars(own).items():
        if name not in MADE_BY_INIT:
            found += in_containers(value, ())
    for _, child in vars(own).get("_modules", {}).items():
        if is_a(child, nn.Module) and not any(child is one for one in (*above, module)):
            found += tensors(child, (*above, module))
    return found


def in_containers(value: object, above: tuple) -> list[torch.Tensor]:
    if is_a(value, torch.Tensor):
        return [value]
    if not is_a(value, COLLECTIONS) or any(value is one for one in above):
        return []
    found = []
    for _, item in contents(value):
        found += in_containers(item, (*above, value))
    return found


def answers(found: list[Sight], question: str) -> list[bool]:
    return [getattr(sight, question) for sight in found]


def assert_lists_agree(module: nn.Module, found: list[Sight]) -> None:
    """The names under parameters, buffers and state_dict are those of torch's own calls, in order."""
    parameters = [name for name, _ in module.named_parameters(remove_duplicate=False)]
    assert [sight.path for sight in found if sight.in_parameters] == parameters
    buffers = [name for name, _ in module.named_buffers(remove_duplicate=False)]
    assert [sight.path for sight in found if sight.in_buffers] == buffers
    assert [sight.path for sight in found if sight.in_state_dict] == list(
        module.state_dict(keep_vars=True)
    )


def assert_moves_agree(module: nn.Module, found: list[Sight]) -> None:
    """A real `.to` of floats to another dtype, then of everything to the meta device. Changes
    `module`.
    """
    floats = [one.is_floating_point() for one in tensors(module)]
    module.to(torch.float64)
    moved = [one.dtype == torch.float64 for one in tensors(module)]
    said = answers(found, "moves_with_to")
    assert [to for to, is_float in zip(moved, floats, strict=True) if is_float] == [
        to for to, is_float in zip(said, floats, strict=True) if is_float
    ]
    module.to("meta")
    # A parameter on the meta device is a new object, so that an alias of the old one is left
    # behind: that is so for "meta" alone. What is registered has moved, whatever its dtype.
    on_meta = [one.is_meta for one in tensors(module)]
    assert [m for m, s in zip(on_meta, found, strict=True) if s.kind != "plain tensor"] == [
        s.moves_with_to for s in found if s.kind != "plain tensor"
    ]


def assert_gradients_agree(module: nn.Module, found: list[Sight]) -> None:
    """A real backward pass from the sum of every tensor. Leaves gradients on `module`."""
    real = tensors(module)
    for one in real:
        one.grad = None
    loss = sum((one.double().sum() for one in real if one.requires_grad), torch.zeros(()))
    if loss.requires_grad:
        loss.backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a tensor that is no leaf
        assert [one.grad is not None for one in real] == answers(found, "gets_gradient")


def test_every_instance_of_torchs_module_database_is_seen_as_torch_sees_it():
    for name, module in database():
        with untouched(module, name):
            found = visibility(module)
        assert own_rules(module) == [], name
        assert [(sight.path, sight.kind) for sight in found] == [
            (entry.path, entry.kind)
            for entry in snapshot(module).entries
            if entry.dtype is not None and entry.kind != "plain value"
        ]
        assert_lists_agree(module, found)
        if not any(map(nn.parameter.is_lazy, tensors(module))):
            assert_gradients_agree(copy.deepcopy(module), found)
        assert_moves_agree(copy.deepcopy(module), found)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_generated_modules_are_seen_as_torch_sees_them_and_stay_unchanged(module):
    before = fingerprint(module)
    found = visibility(module)
    assert fingerprint(module) == before
    assert found == visibility(module)
    made = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training"}
    try:
        below = [(one, child) for one in module.modules() for child in one.children()]
    except (AttributeError, KeyError):
        return  # its __init__ failed half-way: torch itself cannot walk it
    assume(
        not any(one in child.modules() for one, child in below)
    )  # torch's own walks would never end
    assume(all(made <= set(vars(one)) for one in module.modules()))
    assert_gradients_agree(module, found)
    # Two dots of a hostile name may make two keys one, and "" is where torch's own walks differ.
    paths = [sight.path for sight in found]
    if not any("" in one._modules for one in module.modules()) and len(set(paths)) == len(paths):
        assert_lists_agree(module, found)
    assert_moves_agree(module, found)


class Five(nn.Module):
    """The same tensor kept five ways."""

    def __init__(self):
        super().__init__()
        self.learned = nn.Parameter(torch.ones(2))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.kept = nn.Buffer(torch.ones(2))
        self.scratch = nn.Buffer(torch.ones(2), persistent=False)
        self.plain = torch.ones(2)


def test_the_five_ways_of_keeping_a_tensor_differ_as_they_should():
    assert visibility(Five()) == [
        Sight("learned", "parameter", True, False, True, True, True),
        Sight("frozen", "parameter", True, False, True, True, False),
        Sight("kept", "buffer", False, True, True, True, False),
        Sight("scratch", "buffer", False, True, False, True, False),
        Sight("plain", "plain tensor", False, False, False, False, False),
    ]


def test_the_numbers_and_the_size_of_the_tensors_play_no_part():
    large = nn.Linear(200_000, 200_000, device="meta")  # 160 GB, were they there
    assert visibility(large) == visibility(nn.Linear(2, 2))
    integers = nn.Module()
    integers.count = nn.Buffer(torch.tensor(3))
    (sight,) = visibility(integers)
    assert sight.moves_with_to  # a change of dtype would not move it, a change of device does


def test_an_alias_of_a_parameter_moves_and_one_of_a_buffer_goes_stale():
    model = Five()
    model.aliases = [model.learned, model.kept]
    found = {sight.path: sight for sight in visibility(model)}
    assert found["aliases[0]"] == Sight(
        "aliases[0]", "plain tensor", False, False, False, True, True
    )
    assert found["aliases[1]"] == Sight(
        "aliases[1]", "plain tensor", False, False, False, False, False
    )
    assert_moves_agree(model, list(found.values()))


def test_a_buffer_or_a_plain_tensor_can_get_a_gradient_and_the_result_of_a_computation_keeps_none():
    model = Five()
    model.kept.requires_grad_()
    model.plain = torch.ones(1, requires_grad=True)
    model.result = model.learned * 2
    model.retained = model.learned * 2
    model.retained.retain_grad()
    found = visibility(model)
    seen = {sight.path: sight.gets_gradient for sight in found}
    assert seen == {
        "learned": True,
        "frozen": False,
        "kept": True,
        "scratch": False,
        "plain": True,
        "result": False,
        "retained": True,
    }
    assert_gradients_agree(model, found)


def test_tied_shared_recursive_and_half_made_modules():
    model = nn.ModuleDict({"embed": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
    model["head"].weight = model["embed"].weight
    model["again"] = model["head"]
    assert_lists_agree(model, visibility(model))
    assert len(visibility(model)) == 3
    model["self"] = model
    assert len(visibility(model)) == 3
    empty = nn.Module.__new__(nn.Module)
    vars(empty)["early"] = torch.ones(1)
    assert visibility(empty) == [Sight("early", "plain tensor", False, False, False, False, False)]
    assert (
        visibility(nn.ReLU())
        == []
        == visibility(nn.Linear(2, 2, bias=False).requires_grad_(False))[1:]
    )


def _made_by_torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
        yield nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
        yield nn.utils.weight_norm(nn.Linear(2, 3))
        yield nn.utils.parametrizations.orthogonal(nn.Linear(3, 3))
        yield torch.compile(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
        yield nn.DataParallel(nn.Linear(2, 3))
        yield nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
        yield torch.optim.swa_utils.AveragedModel(nn.BatchNorm1d(3), use_buffers=True)


@pytest.mark.parametrize("module", list(_made_by_torch()), ids=lambda module: type(module).__name__)
def test_what_torch_wraps_scripts_and_parametrizes_is_seen_as_torch_sees_it(module):
    found = visibility(module)
    assert_lists_agree(module, found)
    if not any(map(nn.parameter.is_lazy, tensors(module))):
        assert_gradients_agree(module, found)
    assert_moves_agree(module, found)


def test_a_lazy_parameter_is_judged_as_the_one_it_becomes():
    lazy = nn.LazyLinear(3)
    found = visibility(lazy)
    lazy(torch.ones(1, 2))
    assert visibility(lazy) == found
    assert_gradients_agree(lazy, found)


@pytest.mark.parametrize(
    "mode", [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")]
)
def test_the_answer_is_the_same_whatever_mode_the_caller_is_in(mode):
    expected, model = visibility(Five()), Five()
    seed, dtype = torch.get_rng_state(), torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with mode():
            assert visibility(model) == expected
    finally:
        torch.set_default_dtype(dtype)
    assert torch.equal(torch.get_rng_state(), seed)


def test_another_rule_of_torch_gives_another_answer(monkeypatch):
    """The experiment is one: where torch keeps buffers at home, or saves none, `visibility` says
    so.
    """
    original = nn.Module._apply

    def parameters_only(self, convert, recurse=True):
        held, self._buffers = self._buffers, {}
        try:
            return original(self, convert, recurse)
        finally:
            self._buffers = held

    experiment.cache_clear()
    monkeypatch.setattr(nn.Module, "_apply", parameters_only)
    assert answers(visibility(Five()), "moves_with_to") == [True, True, False, False, False]
    experiment.cache_clear()
    monkeypatch.setattr(nn.Module, "state_dict", lambda self, **_: dict(self.named_parameters()))
    assert answers(visibility(Five()), "in_state_dict") == [True, True, False, False, False]
    experiment.cache_clear()


def test_no_code_of_the_learner_runs():
    calls = []
    model = hostile_module()
    hook = nn.modules.module.register_module_buffer_registration_hook(
        lambda *_: calls.append("registered")
    )
    try:
        found = visibility(model)
    finally:
        hook.remove()
    assert calls == []
    assert [sight.path for sight in found] == [
        "scale",
        "mean",
        "tensor",
        "child.weight",
        "child.bias",
    ]
    assert own_rules(model) == [("HostileModule", "named_modules"), ("HostileModule", "state_dict")]


def test_rules_of_its_own_are_named_and_torchs_classes_are_not():
    class Quiet(nn.Linear):
        def _save_to_state_dict(self, *args):
            pass

    model = nn.Sequential(Quiet(1, 1), Quiet(1, 1), nn.LSTM(1, 1), nn.LazyLinear(1))
    assert own_rules(model) == [("Quiet", "_save_to_state_dict")]
    assert (
        visibility(model[0])[0].in_state_dict and list(model[0].state_dict()) == []
    )  # the stated limit
    plain = nn.Linear(1, 1)
    plain.register_state_dict_post_hook(lambda *_: None)
    assert own_rules(plain) == [("Linear", "_state_dict_hooks")]
    assert own_rules(nn.Transformer(batch_first=True, device="meta")) == []


@pytest.mark.parametrize("function", [visibility, own_rules, VisibilityTable])
def test_what_is_no_module_is_refused_by_name(function):
    for value in (nn.Linear, {"a": torch.ones(1)}, None, torch.ones(1)):
        with pytest.raises(
            TypeError, match=rf"^{function.__name__}\(\) takes an nn.Module instance, got "
        ):
            function(value)


def test_a_tree_deeper_than_torch_can_walk_is_answered_all_the_same():
    top = inner = nn.Module()
    for _ in range(3_000):
        inner.child = nn.Module()
        inner = inner.child
    inner.last = nn.Parameter(torch.ones(1))
    (sight,) = visibility(top)
    assert sight.in_parameters and sight.path.endswith("child.last")
    with pytest.raises(RecursionError):
        top.state_dict()


def test_the_table_says_what_visibility_says_with_words_and_signs():
    page = Page(VisibilityTable(Five())._repr_html_())
    head, *rows = page.rows
    assert head == [
        "tensor",
        "parameters()",
        "buffers()",
        "state_dict()",
        ".to() moves it",
        "gets a gradient",
    ]
    for row, sight in zip(rows, visibility(Five()), strict=True):
        assert row[1:] == ["✓ yes" if yes else "– no" for yes in sight[2:]]
    assert [row[0] for row in rows] == [
        "■learnedparameter",
        "■frozenparameter",
        "●keptbuffer",
        "○scratchnon-persistent buffer",
        "✕plainplain tensor",
    ]
    assert repr(VisibilityTable(Five())) == "Who sees the tensors of Five: 5 tensors, 5 calls"
    assert VisibilityTable(Five())._repr_html_() == VisibilityTable(Five())._repr_html_()


def test_the_table_of_an_experiment_of_ones_own_turns_when_it_gets_wide():
    names = ["learned", "frozen", "kept", "scratch", "plain"]
    outcomes = {
        f"call {i}": {name: (i + j) % 2 == 0 for j, name in enumerate(names)} for i in range(7)
    }
    page = Page(VisibilityTable(Five(), outcomes)._repr_html_())
    assert [row[0] for row in page.rows] == ["call", *outcomes]
    assert page.rows[1][1:] == ["✓ yes", "– no", "✓ yes", "– no", "✓ yes"]
    del outcomes["call 3"]["kept"]
    with pytest.raises(
        ValueError, match="the column 'call 3' says nothing about the tensor 'kept'"
    ):
        VisibilityTable(Five(), outcomes)


def test_a_large_an_empty_and_an_unusual_module_say_so():
    many = nn.ParameterList([torch.ones(1) for _ in range(1_234)])
    page = Page(VisibilityTable(many)._repr_html_())
    assert len(page.rows) == 1 + visibility_table._MOST and page.words.endswith(
        "… and 1,174 more tensors"
    )
    assert "This module holds no tensor." in Page(VisibilityTable(nn.ReLU())._repr_html_()).words
    assert (
        "not asked: HostileModule.named_modules"
        in Page(VisibilityTable(hostile_module())._repr_html_()).words
    )


def test_hostile_names_stay_text_in_the_table():
    model = type("</caption><script>alert(1)</script>", (nn.Module,), {})()
    for name in NAMES:
        vars(model)["_buffers"][name] = torch.zeros(1)
    table = VisibilityTable(model)
    page = Page(table._repr_html_())
    assert page.elements == {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "span"}
    assert page.attributes <= {"class", "style", "scope", "title"}
    assert any("<img src=x onerror=boom>" in row[0] for row in page.rows)
    assert len(table._repr_html_()) < 40_000 and len(repr(table).splitlines()) == 1
