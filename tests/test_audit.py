"""`audit`: patients with their findings and healthy twins, each cure applied and proved by torch,
clean modules of every kind."""

from __future__ import annotations

import ast
import copy
import gc
import io
import pickle
import warnings
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import fx, nn
from torch.nn.utils import parametrizations, prune

import helpers
from helpers import Finding, audit
from helpers.state import memory
from helpers.state.class_rules import MOVING
from helpers.state.findings import CODES, rule
from helpers.state.graphs import leaves
from helpers.views.signs import SIGNS
from tests.html_page import Page
from tests.modules import NAMES, Hostile, database, fingerprint, hostile_module, modules
from tests.patients import (
    PATIENTS,
    Metric,
    Muscle,
    Net,
    adam,
    block,
    buffered,
    called,
    gan,
    in_two_optimizers,
    made,
    parameter,
    put,
    registers,
    same,
    sgd,
    stepped,
    with_class_body,
)
from tests.told import assert_told


def patient(build: Callable) -> tuple:
    """The model and its optimizers."""
    built = build()
    return built if isinstance(built, tuple) else (built,)


def photo(module: nn.Module) -> list:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # to read .grad of what is no leaf
        return fingerprint(module)


def seen(found: list[Finding]) -> set[tuple[str, str]]:
    return {(one.code, one.path) for one in found}


def alarms(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.severity != "info"]


named = pytest.mark.parametrize("name", PATIENTS)
each_finding = pytest.mark.parametrize(
    ("name", "code", "path"),
    [(name, *found) for name, one in PATIENTS.items() for found in sorted(one.findings)],
)


@named
def test_every_patient_has_its_findings_each_once_and_no_other(name):
    module, *optimizers = patient(PATIENTS[name].build)
    before = photo(module)
    found = audit(module, *optimizers)
    assert seen(found) == PATIENTS[name].findings and len(found) == len(PATIENTS[name].findings)
    assert photo(module) == before


@named
def test_the_healthy_twin_has_neither_the_finding_nor_an_alarm(name):
    found = audit(*patient(PATIENTS[name].twin))
    assert not alarms(found)
    assert not {one.code for one in found} & {code for code, _ in PATIENTS[name].findings}


def test_the_patients_show_every_code_and_are_many():
    assert {code for one in PATIENTS.values() for code, _ in one.findings} == set(CODES)
    assert len(PATIENTS) >= 110


def words_of(findings: list[Finding]) -> list[str]:
    lines = [f"    {findings!r}"]
    for one in findings:
        lines += [f"  {one.severity} {one.code} at {one.path!r}", f"    {one.message}"]
        lines += [f"    {one.fix}"]
    return lines


def test_findings_are_told_word_for_word_as_they_were_read():
    lines = []
    for name, one in PATIENTS.items():
        lines += [name, *words_of(audit(*patient(one.build)))]
    for name, model in in_other_words().items():
        lines += [name, *words_of(audit(model))]
    assert_told("audit", lines)


class Chooses(nn.Module):
    """Lists and switches what it hides by rules of its own."""

    def __init__(self):
        super().__init__()
        self.layers, self.own = [nn.Linear(1, 1)], [parameter()]

    def parameters(self, recurse=True):
        return iter([*self.layers[0].parameters(), *self.own])

    def train(self, mode=True):
        self.layers[0].train(mode)
        return super().train(mode)


def in_other_words() -> dict[str, nn.Module]:
    """Models of which a finding is told in words that it has for few."""
    weight, whole = parameter(), nn.Parameter(torch.ones(2, dtype=torch.int8), requires_grad=False)
    both, deep, known = made(weight=weight), nn.Linear(1, 1), nn.Linear(1, 1)
    both.register_buffer("again", weight)
    known.weight = deep.weight
    return {
        "a Parameter under four names": made(**dict.fromkeys("abcd", parameter())),
        "a Parameter under five": made(**dict.fromkeys("abcde", parameter())),
        "a Parameter and a buffer": both,
        "a Parameter of whole numbers": made(whole=whole),
        "complex numbers that are not saved": buffered(False, t=torch.ones(2) * 1j),
        "rules of its own": Chooses(),
        "rules of its own in a part": made(part=Chooses()),
        "a move of its own for the whole model": Muscle(),
        "a part of it known": put(nn.Sequential(known), plain=[deep]),
        "results in a set": put(nn.Linear(1, 1), kept={parameter() * 2}),
        "results in a dict": put(nn.Linear(1, 1), kept={"a": parameter() * 2, "b": parameter()}),
        "names that are no words": put(nn.Linear(1, 1), **{"a b": torch.ones(1), "class": [deep]}),
    }


# --- what torch says of a symptom: nothing here asks audit ---


def items_of(value: object) -> list:
    """The tensors and modules in `value`: the tests' own reading, for containers that do not hold
    themselves."""
    if isinstance(value, (torch.Tensor, nn.Module)):
        return [value]
    if not isinstance(value, (dict, list, tuple, set, deque)):
        return []
    inside = value.values() if isinstance(value, dict) else value
    return [part for item in inside if item is not value for part in items_of(item)]


def tensors_of(things: Iterable) -> list[torch.Tensor]:
    """The tensors among `things`, and those of the modules among them."""
    found = []
    for one in things:
        found += [*one.parameters(), *one.buffers()] if isinstance(one, nn.Module) else [one]
    return found


def addresses(tensors: Iterable[torch.Tensor]) -> set[int]:
    return {one.data_ptr() for one in tensors}


def everything(module: nn.Module) -> list[torch.Tensor]:
    """All tensors that the modules have, registered or not."""
    kept = [items_of(value) for one in module.modules() for value in vars(one).values()]
    return tensors_of(item for items in kept for item in items)


def ids(things: Iterable) -> set[int]:
    return {id(one) for one in things}


def a_step(module: nn.Module, optimizers: Iterable = ()) -> None:
    """One step with a gradient of 1 for each parameter, of these optimizers or one for them all."""
    trained = [one for one in module.parameters() if one.requires_grad]
    for one in trained:
        one.grad = torch.ones_like(one)
    for optimizer in optimizers or [sgd(one) for one in trained]:
        optimizer.step(lambda: sum(one.sum() for one in module.parameters()))


def raises(*errors: type) -> Callable:
    def tried(call: Callable) -> bool:
        try:
            call()
        except errors:
            return True
        return False

    return tried


KINDS = {
    "plain-tensor": torch.Tensor,
    "hidden-parameter": nn.Parameter,
    "hidden-module": nn.Module,
}


class Ward:
    """A patient, and what its attribute held when it came. `sick()` asks torch; it may change the
    patient, so it is asked once."""

    def __init__(self, build: Callable, code: str, path: str) -> None:
        self.model, *self.optimizers = patient(build)
        self.code, self.path = code, path
        found = audit(self.model, *self.optimizers)
        (self.finding,) = [one for one in found if (one.code, one.path) == (code, path)]
        where, _, self.name = path.rpartition(".")
        self.owner = self.model
        if "param_groups" not in path:
            self.owner = self.model.get_submodule(where)
        kind = KINDS.get(code, object)
        held = items_of(vars(self.owner).get(self.name))
        self.held = [one for one in held if isinstance(one, kind)]
        if code == "plain-tensor":
            self.held = [one for one in self.held if not isinstance(one, nn.Parameter)]
        self.slots = self.registered()
        self.first = self.slots.get(self.name)
        self.names = self.all_names()
        self.line = self.finding.fix.removeprefix("if not meant: ")
        self.line = self.line.removeprefix("if it should be saved: ")
        self.line = self.line.removeprefix("if the file grows too large: ")

    def registered(self) -> dict:
        return {**self.owner._parameters, **self.owner._buffers, **self.owner._modules}

    def all_names(self) -> list[str]:
        """The names of the first tensor at or below the path that has several."""
        if self.code not in ("tied-parameter", "shared-state"):
            return []
        tensors = [
            *self.model.named_parameters(remove_duplicate=False),
            *self.model.named_buffers(remove_duplicate=False),
        ]
        below = [one for name, one in tensors if f"{name}.".startswith(f"{self.path}.")]
        return [name for name, one in tensors if one is below[-1]]

    def sick(self) -> bool:
        return SYMPTOMS[self.code](self)


def out_of_reach(ward: Ward) -> bool:
    """Is something of what the attribute held not saved, not trained, or not moved?"""
    module, tensors = ward.model, tensors_of(ward.held)
    lacking = not addresses(tensors) <= addresses(module.state_dict().values())
    before = [one.detach().clone() for one in tensors]
    a_step(module)
    for one, old in zip(tensors, before, strict=True):
        lacking |= one.requires_grad and torch.equal(one, old)
    module.eval()
    lacking |= any(one.training for one in ward.held if isinstance(one, nn.Module))
    module.to("meta")
    return lacking or any(one.device.type == "cpu" for one in everything(ward.owner))


def keeps_a_graph(ward: Ward) -> bool:
    if "in no module" in ward.finding.message:
        return out_of_reach(ward)
    refused = raises(RuntimeError)(lambda: copy.deepcopy(ward.model))
    return refused or any(
        one.grad_fn for one in tensors_of(items_of(vars(ward.owner).get(ward.name)))
    )


def is_an_alias(ward: Ward) -> bool:
    """Does a load into the model change what the attribute has?"""
    state = {key: torch.full_like(one, 7) for key, one in ward.model.state_dict().items()}
    held = tensors_of(items_of(vars(ward.owner).get(ward.name)))
    before = [one.detach().clone() for one in held]
    ward.model.load_state_dict(state)
    return any(not torch.equal(one, old) for one, old in zip(held, before, strict=True))


def hides_it(ward: Ward) -> bool:
    """Is what was registered read under no name of its module?"""
    names = [name for name, one in ward.registered().items() if one is ward.first]
    return not any(getattr(ward.owner, name) is ward.first for name in names)


def is_one_tensor(ward: Ward) -> bool:
    state = ward.model.state_dict(keep_vars=True)
    first, *others = [state[name] for name in ward.names]
    with torch.no_grad():
        first.fill_(5)
    return any(bool((one == 5).all()) for one in others)


def shares_memory(ward: Ward) -> bool:
    """Does writing into it change another tensor of the model?"""
    own = ward.registered()[ward.name]
    others = [one for one in [*ward.model.parameters(), *ward.model.buffers()] if one is not own]
    before = [one.detach().clone() for one in others]
    with torch.no_grad():
        own.fill_(5)
    return any(not torch.equal(one, old) for one, old in zip(others, before, strict=True))


def cannot_be_written(ward: Ward) -> bool:
    state = {key: one.clone() for key, one in ward.model.state_dict().items()}
    refused = raises(RuntimeError)
    return refused(lambda: ward.model.load_state_dict(state)) or refused(lambda: a_step(ward.model))


def is_saved_whole(ward: Ward) -> bool:
    buffer = io.BytesIO()
    torch.save(ward.model.state_dict()[ward.path], buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=True)
    return loaded.untyped_storage().nbytes() > loaded.nbytes


def was_made_for_inference(ward: Ward) -> bool:
    weight = torch.ones(1, requires_grad=True)
    kept = tensors_of(items_of(vars(ward.owner).get(ward.name)))
    refused = raises(RuntimeError)
    return refused(lambda: a_step(ward.model)) or any(
        refused(lambda one=one: (weight * one).sum().backward()) for one in kept
    )


def has_no_numbers(ward: Ward) -> bool:
    refused = raises(NotImplementedError)(lambda: ward.model.to("cpu"))
    return refused or any(one.is_meta for one in everything(ward.model))


def is_on_several_devices(ward: Ward) -> bool:
    return len({one.device for one in ward.model.parameters()}) > 1


def does_not_end(ward: Ward) -> bool:
    model, endless = ward.model, raises(RecursionError)
    calls = (lambda: model.to("cpu"), model.eval, model.state_dict, lambda: repr(model))
    return any(map(endless, calls))


def is_missed(ward: Ward) -> bool:
    """Is there a parameter at or below the path that a step of the optimizers leaves as it is?"""
    below = [
        one
        for name, one in ward.model.named_parameters()
        if f"{name}.".startswith(f"{ward.path}.") and one.requires_grad
    ]
    before = [one.detach().clone() for one in below]
    a_step(ward.model, ward.optimizers)
    return any(torch.equal(one, old) for one, old in zip(below, before, strict=True))


def holds_strangers(ward: Ward) -> bool:
    held = [one for opt in ward.optimizers for group in opt.param_groups for one in group["params"]]
    return not ids(held) <= ids(ward.model.parameters())


def steps_twice(ward: Ward) -> bool:
    before = ward.model.get_parameter(ward.path).detach().clone()
    a_step(ward.model, ward.optimizers)
    return not torch.allclose(ward.model.get_parameter(ward.path), before - 0.5)


def remembers_otherwise(ward: Ward) -> bool:
    (optimizer,) = ward.optimizers
    refused = raises(RuntimeError)(lambda: a_step(ward.model, ward.optimizers))
    memory = [(one, note) for one, notes in optimizer.state.items() for note in notes.values()]
    return refused or any(note.dim() and note.dtype != one.dtype for one, note in memory)


SYMPTOMS = {
    "plain-tensor": out_of_reach,
    "hidden-parameter": out_of_reach,
    "hidden-module": out_of_reach,
    "kept-graph": keeps_a_graph,
    "stale-alias": is_an_alias,
    "shadowed-name": hides_it,
    "tied-parameter": is_one_tensor,
    "shared-state": is_one_tensor,
    "unsaved-buffer": lambda ward: ward.path not in ward.model.state_dict(),
    "frozen-parameter": lambda ward: not ward.model.get_parameter(ward.path).requires_grad,
    "uninitialized": lambda ward: raises(ValueError, RuntimeError)(
        lambda: sum(one.numel() for one in ward.model.parameters())
    ),
    "buffer-needs-grad": lambda ward: (
        ward.registered()[ward.name].requires_grad
        and not ids([ward.registered()[ward.name]]) & ids(ward.model.parameters())
    ),
    "shared-memory": shares_memory,
    "expanded-tensor": cannot_be_written,
    "part-of-storage": is_saved_whole,
    "inference-tensor": was_made_for_inference,
    "left-on-meta": has_no_numbers,
    "mixed-device": is_on_several_devices,
    "mixed-dtype": lambda ward: len({one.dtype for one in everything(ward.model)}) > 1,
    "part-of-itself": does_not_end,
    "no-super": lambda ward: all(
        raises(AttributeError)(call)
        for call in (
            ward.model.state_dict,
            lambda: list(ward.model.parameters()),
            lambda: ward.model.to("cpu"),
        )
    ),
    "unhashable-module": lambda ward: raises(TypeError)(lambda: list(ward.model.parameters())),
    "optimizer-misses": is_missed,
    "optimizer-stale": holds_strangers,
    "optimizer-twice": steps_twice,
    "optimizer-state": remembers_otherwise,
}


# --- the cure: the printed line, applied ---

# What these four print belongs into the body of a class: see the tests below.
OF_A_CLASS = {"class-attribute", "default-argument", "own-rules", "no-super"}
of_an_instance = pytest.mark.parametrize(
    ("name", "code", "path"),
    [
        (name, *found)
        for name, one in PATIENTS.items()
        for found in sorted(one.findings)
        # Tensors that only say that they are on a GPU cannot be moved.
        if found[0] not in OF_A_CLASS and name != "on two devices"
    ],
)


def scope_of(ward: Ward) -> dict:
    """What the words of a line stand for."""
    return {
        "self": ward.owner,
        "model": ward.model,
        "optimizer": ward.optimizers[0] if ward.optimizers else None,
        "optimizers": list(ward.optimizers),
        "batch": torch.ones(1, 2),
        "device": "cpu",
    } | {"torch": torch, "nn": nn, "copy": copy, "audit": audit}


def apply(ward: Ward) -> None:
    """Write the line into the model, or run it in the script."""
    line, scope = ward.line, scope_of(ward)
    if line.startswith("audit("):
        audit_with_more(ward, scope)
    elif line.startswith("register copy.deepcopy"):
        part = ward.model.get_submodule(ward.path.removesuffix(".weight").removesuffix(".bias"))
        names = ward.model.named_modules(remove_duplicate=False)
        second = [name for name, one in names if one is part][-1]
        ward.model.set_submodule(second, copy.deepcopy(part))
    elif line.startswith("__hash__ = "):
        kind = type(ward.model.get_submodule(ward.path))
        kind.__hash__ = eval(line.removeprefix("__hash__ = "), scope)
    elif "in place of" in line:
        in_place_of(ward, scope)
    else:
        if "state_dict, " in line:
            file = ward.model.state_dict().items()
            scope["state_dict"] = {name: torch.ones(one.shape) for name, one in file}
        if ward.code == "left-on-meta":
            scope["tensor"] = torch.ones(ward.first.shape)
        exec(line.replace("lr=...", "lr=0.5").replace("part.", "model.discriminator."), scope)
        ward.model = scope["model"]
        if ward.optimizers:
            ward.optimizers = scope["optimizers"]
            if len(ward.optimizers) == 1:
                ward.optimizers = [scope["optimizer"]]


def in_place_of(ward: Ward, scope: dict) -> None:
    """The line stands where the attribute was set: each thing that it held is given to the line."""
    for slots in (vars(ward.owner), *(vars(ward.owner)[box] for box in BOXES)):
        slots.pop(ward.name, None)
    things = ward.held or [ward.first]
    if ward.code == "left-on-meta":
        things = [torch.ones(one.shape) for one in things]
    if isinstance(ward.owner, Metric):  # "with no Metric.state_dict"
        ward.owner.__class__ = type("Metric", (Metric,), {"state_dict": nn.Module.state_dict})
    for number, thing in enumerate(things):
        line = ward.line.replace("_0'", f"_{number}'").replace("_key'", f"_{number}'")
        exec(line, {**scope, **dict.fromkeys(("tensor", "parameter", "module"), thing)})


BOXES = ("_parameters", "_buffers", "_modules")


def audit_with_more(ward: Ward, scope: dict) -> None:
    """The line calls audit with what it was not told of, and finds the model in health."""
    scope["other"] = other = made(margin=nn.Parameter(torch.ones(0)))
    known = ids(ward.model.parameters())
    groups = [group["params"] for one in ward.optimizers for group in one.param_groups]
    other.more = nn.ParameterList(
        [one for group in groups for one in group if id(one) not in known]
    )
    if ward.code == "optimizer-misses":
        part = ward.model.get_submodule(ward.path)
        scope["its_optimizer"] = sgd(*part.parameters())
        ward.optimizers.append(scope["its_optimizer"])
    else:
        del other.margin
        ward.model = nn.ModuleList([ward.model, other])
    assert ward.code not in {one.code for one in eval(ward.line, scope)}


@of_an_instance
def test_torch_shows_the_symptom_and_after_the_printed_line_it_is_gone(name, code, path):
    assert Ward(PATIENTS[name].build, code, path).sick()
    ward = Ward(PATIENTS[name].build, code, path)
    apply(ward)
    found = audit(ward.model, *ward.optimizers)
    assert (code, path) not in seen(found)
    assert not ward.sick()


def cure_of(name: str, code: str) -> str:
    """The line for the one finding of this code that a patient has."""
    (line,) = [one.fix for one in audit(*patient(PATIENTS[name].build)) if one.code == code]
    return line


def written(line: str, **scope) -> dict:
    """What the names stand for after the line was run."""
    scope |= {"torch": torch, "nn": nn, "copy": copy}
    exec(line, scope)
    return scope


@pytest.mark.parametrize(
    ("name", "attribute", "word", "make"),
    [
        ("a Parameter on the class", "scale", "parameter", parameter),
        ("a tensor on the class", "mean", "tensor", lambda: torch.ones(2)),
        ("a layer on the class", "layer", "module", lambda: nn.Linear(2, 2)),
        ("layers in a list on the class", "layers", "module", lambda: nn.Linear(2, 2)),
    ],
)
def test_what_stands_on_a_class_is_shared_and_unsaved_and_made_in_init_it_is_neither(
    name, attribute, word, make
):
    sick = type(patient(PATIENTS[name].build)[0])
    assert getattr(sick(), attribute) is getattr(sick(), attribute)
    assert not sick().state_dict() and not list(sick().parameters())
    line = cure_of(name, "class-attribute")

    class Healed(nn.Module):
        def __init__(self):
            super().__init__()
            written(line, self=self, **{word: make()})

    one, other = Healed(), Healed()
    assert not addresses(everything(one)) & addresses(everything(other))
    assert one.state_dict() and audit(one) == []
    assert all(tensor.is_meta for tensor in everything(one.to("meta")))


@pytest.mark.parametrize(
    "name", [name for name in PATIENTS if name.endswith("as a default argument")]
)
def test_a_default_argument_is_shared_and_its_copy_is_not(name):
    sick = type(
        next(
            one
            for one in patient(PATIENTS[name].build)[0].modules()
            if vars(one).keys() & {"part"}
            or "part" in {**one._parameters, **one._buffers, **one._modules}
        )
    )
    assert addresses(everything(sick())) & addresses(everything(sick()))
    line = cure_of(name, "default-argument")
    healed = block(lambda part: written(line, part=part)["part"], sick.__init__.__defaults__[0])
    assert not addresses(everything(healed())) & addresses(everything(healed()))
    assert healed().state_dict().keys() == sick().state_dict().keys()
    healed().load_state_dict(sick().state_dict())


def test_a_part_moves_with_the_model_by_the_rule_that_is_printed():
    line = cure_of("a part with a to() of its own", "own-rules").replace("self.x", "self.scratch")
    assert made(muscle=Muscle()).to("meta").muscle.scratch.device.type == "cpu"
    healed = type("Muscle", (Muscle,), {"to": nn.Module.to})
    # super() without arguments needs the class around it.
    space = written(line.replace("super()", "super(kind, self)"), kind=healed)
    healed._apply = space["_apply"]
    assert made(muscle=healed()).to("meta").muscle.scratch.is_meta


def test_a_part_is_saved_with_the_model_by_the_rule_that_is_printed():
    line = cure_of("a part with a state_dict() of its own", "own-rules")
    assert list(made(metric=Metric()).state_dict()) == []

    class Healed(Metric):
        def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
            given = {"destination": destination, "prefix": prefix, "keep_vars": keep_vars}
            call = line.partition("  #")[0].replace("super()", "super(Metric, self)")
            found = eval(call, {"Metric": Metric, "self": self, "args": args, **given})
            found[prefix + "correct"] = self.correct
            return found

    assert list(made(metric=Healed()).state_dict()) == ["metric.correct"]
    assert list(Healed().state_dict()) == ["correct"]


def test_a_part_is_loaded_with_the_model_by_the_hook_that_is_printed():
    model, healed = (
        patient(PATIENTS["a part with a load_state_dict() of its own"].build)[0],
        patient(PATIENTS["a part with a load_state_dict() of its own"].twin)[0],
    )
    assert "register_load_state_dict_pre_hook" in cure_of(
        "a part with a load_state_dict() of its own", "own-rules"
    )
    old = {"layer.w": torch.ones(2, 2), "layer.b": torch.ones(2)}
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict(dict(old))
    healed.load_state_dict(dict(old))
    assert torch.equal(healed.layer.weight, old["layer.w"])


@pytest.mark.parametrize("method", MOVING)
def test_torch_calls_none_of_these_methods_of_a_part_when_the_whole_moves(method):
    ran = []

    def own(self, *given, **options):
        ran.append(method)
        return getattr(nn.Module, method)(self, *given, **options)

    model = made(part=type("Part", (nn.Linear,), {method: own})(1, 1))
    arguments = {"to": [torch.float64], "type": [torch.float64]}.get(method, [])
    if method == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    getattr(model, method)(*arguments)
    assert ran == []


def test_a_class_that_does_not_call_super_has_its_containers_by_the_line_that_is_printed():
    line = cure_of("a class that does not call super", "no-super")
    assert line.endswith("first in __init__ of the class Forgetful")

    def init(self):
        written(line.replace("super()", "super(kind, self)"), kind=healed, self=self)
        self.width = 2

    healed = type("Healed", (nn.Module,), {"__init__": init})
    assert list(made(layer=nn.Linear(2, 2), odd=healed()).state_dict()) == [
        "layer.weight",
        "layer.bias",
    ]


def test_all_lines_for_what_two_optimizers_hold_leave_each_parameter_in_one_and_their_memory():
    model, *optimizers = in_two_optimizers(second_from=1, kind=torch.optim.Adam)
    for found in audit(model, *optimizers):
        written(found.fix, model=model, optimizers=optimizers)
    assert audit(model, *optimizers) == []
    held = [ids(one.param_groups[0]["params"]) for one in optimizers]
    assert held[0] | held[1] == ids(model.parameters()) and not held[0] & held[1]
    for one in optimizers:
        stepped(model, one)
        assert len(one.state_dict()["state"]) == len(one.param_groups[0]["params"])


def test_an_optimizer_that_is_given_twice_or_in_a_wrapper_too_is_read_once():
    class Wrapper:
        def __init__(self, optimizer):
            self.optimizer = optimizer

        @property
        def param_groups(self):
            return self.optimizer.param_groups

    model = nn.Linear(2, 2)
    optimizer = adam(model)
    assert audit(model, optimizer, optimizer) == audit(model, Wrapper(optimizer), optimizer) == []


def test_an_optimizer_that_keeps_more_lists_is_to_be_made_anew():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    both = torch.optim.LBFGS(model.parameters()), torch.optim.LBFGS(model[1].parameters())
    (line,) = {one.fix for one in audit(model, *both)}
    assert line.startswith("optimizers[1] = type(optimizers[1])(part.parameters(), lr=...)")


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_added_to_an_optimizer_with_names_has_names(whole):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    try:
        optimizer = torch.optim.Adam((model[0] if whole else model).named_parameters())
    except TypeError:
        pytest.skip("this torch takes no names")
    if not whole:
        model[1].weight = nn.Parameter(torch.ones(2, 2))
    for found in audit(model, optimizer):
        if found.code == "optimizer-misses":
            line = found.fix.partition("a part that was frozen: ")[2].partition("; ")[0]
            written(line or found.fix.partition("  #")[0], model=model, optimizer=optimizer)
    assert "optimizer-misses" not in {one.code for one in audit(model, optimizer)}
    for group in optimizer.param_groups:
        assert len(group["param_names"]) == len(group["params"])
    assert optimizer.param_groups[-1]["param_names"][0] == "1.weight"


@pytest.mark.parametrize("late", [True, False])
def test_with_a_scheduler_the_line_says_that_it_is_to_be_made_anew(late):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimizer = adam(model[0] if late else model)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    if not late:
        model[1].weight = nn.Parameter(torch.ones(2, 2))
    fixes = [one.fix for one in audit(model, optimizer) if one.code == "optimizer-misses"]
    assert fixes and all("make its scheduler anew" in fix for fix in fixes)


def test_a_transposed_tie_is_no_tie():
    """In one memory, with as many numbers in another order: tied, it would compute otherwise."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = nn.Parameter(model[0].weight.t())
    (found,) = audit(model)
    assert found.code == "shared-memory" and "to tie them" not in found.fix
    model[1].weight = nn.Parameter(model[0].weight.detach())
    (found,) = audit(model)
    assert "to tie them" in found.fix


# --- the cure that the comment of a line gives for the other case ---


def other_line(name: str, code: str, after: str) -> str:
    return cure_of(name, code).rpartition(after)[2]


def test_the_other_cure_of_an_alias_gives_it_numbers_of_its_own():
    ward = Ward(PATIENTS["a buffer under a second, plain name"].build, "stale-alias", "kept")
    ward.line = ward.line.rpartition("for numbers of its own: ")[2]
    apply(ward)
    assert not ward.sick() and torch.equal(ward.model.kept, torch.zeros(2))


@pytest.mark.parametrize(
    "take",
    [
        nn.Module.state_dict,
        lambda model: {name: one.data for name, one in model.named_parameters()},
        lambda model: [model.weight.data, model.weight.clone().detach()],
        lambda model: (model.weight.data,),
        lambda model: {"a": [model.weight.data]},
    ],
    ids=["a state_dict", "an EMA's shadow", "beside a copy", "a tuple", "nested"],
)
def test_the_other_cure_of_aliases_in_a_container_gives_them_numbers_of_their_own(take):
    model = nn.Linear(2, 2)
    model.kept = take(model)
    kind, many = type(model.kept), len(model.kept)
    line = audit(model)[0].fix.partition("for numbers of its own: ")[2]
    exec(line, {"self": model, "copy": copy})
    assert "stale-alias" not in {one.code for one in audit(model)}
    assert type(model.kept) is kind and len(model.kept) == many


def test_no_copy_is_advised_of_results_that_torch_does_not_copy():
    model = nn.Linear(2, 2)
    model.kept = {"a": [model.weight[0]]}  # a view, with a graph
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(model.kept)
    assert audit(model)[0].fix.endswith("from the model where it is used")


def test_the_other_cure_of_two_parameters_around_one_memory_parts_them():
    name = "two Parameters around one memory"
    ward = Ward(PATIENTS[name].build, "shared-memory", "b.weight")
    ward.line = ward.line.rpartition("for numbers of its own: ")[2]
    apply(ward)
    assert ward.model.b.weight is not ward.model.a.weight
    assert not ward.sick() and ward.model.b.weight.requires_grad


@pytest.mark.parametrize(
    ("name", "path"),
    [("a buffer that wants gradients", "mean"), ("a buffer computed from a Parameter", "scale")],
)
def test_a_buffer_that_wants_gradients_is_cured_for_training_and_for_not(name, path):
    for after in ("train it: ", ""):
        ward = Ward(PATIENTS[name].build, "buffer-needs-grad", path)
        line, _, other = ward.line.partition("  # ")
        ward.line = other.partition(after)[2] if after else line
        apply(ward)
        assert not ward.sick() and path in ward.model.state_dict()
        copy.deepcopy(ward.model)


def test_a_part_that_is_not_to_be_trained_is_frozen_by_the_other_cure():
    ward = Ward(PATIENTS["a target network"].build, "optimizer-misses", "target")
    ward.line = ward.line.rpartition("if none is to: ")[2]
    apply(ward)
    assert not alarms(audit(ward.model, *ward.optimizers))
    assert not any(one.requires_grad for one in ward.model.target.parameters())
    assert all(one.requires_grad for one in ward.model.online.parameters())


def test_no_line_hands_an_untouched_part_to_the_optimizer_of_another():
    model = put(gan(), target=copy.deepcopy(gan()))
    found = audit(model, adam(model.generator))
    assert [(one.severity, one.path) for one in found] == [
        ("warning", "discriminator"),
        ("warning", "target"),
    ]
    before = "  # if another trains it; if this one is to, as of a part that was frozen: "
    for one in found:  # that of another is one of three cures, and none of two optimizers has it
        call, _, rest = one.fix.partition(before)
        assert call == "audit(model, optimizer, its_optimizer)"
        line = f"model.get_submodule({one.path!r}).parameters()"
        assert rest.startswith(f"optimizer.add_param_group({{'params': {line}}}); if none is to: ")
    several = audit(model, adam(model.generator), adam(model.discriminator))
    assert not any("add_param_group" in one.fix for one in several)


def test_a_part_that_is_unfrozen_late_is_handed_over_by_the_cure_for_it():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    optimizer = sgd(*model[0].parameters())
    model[1].requires_grad_(True)
    (one,) = audit(model, optimizer)
    line = one.fix.partition("as of a part that was frozen: ")[2].partition("; if none")[0]
    exec(line, {"optimizer": optimizer, "model": model})
    assert audit(model, optimizer) == []
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2]
    for kind in (torch.optim.LBFGS, *filter(None, [getattr(torch.optim, "Muon", None)])):
        alone = kind([model[0].weight])  # that takes no second group, or no bias
        model[0].bias.requires_grad_(False)
        assert "add_param_group" not in audit(model, alone)[0].fix


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_no_line_hands_muon_what_is_no_matrix():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    muon = torch.optim.Muon([model[0].weight], lr=0.1)
    rest = torch.optim.SGD([model[1].bias], lr=0.1)
    lines = {one.path: one.fix for one in audit(model, muon, rest) if one.severity == "error"}
    assert lines["0.bias"].startswith("optimizers[1].add_param_group(")
    alone = {one.path: one.fix for one in audit(model[0], muon)}
    assert alone["bias"].startswith("audit(model, optimizer, its_optimizer)  # ")

    muon.add_param_group({"params": [model[0].bias]})  # which it takes, and then:
    model(torch.ones(1, 2)).sum().backward()
    with pytest.raises(ValueError, match="2D matrix"):
        muon.step()

    stale = nn.Sequential(nn.Linear(2, 2))
    optimizer = torch.optim.Muon([stale[0].weight], lr=0.1)
    stale[0] = nn.Linear(2, 2)
    line = next(one.fix for one in audit(stale, optimizer) if one.code == "optimizer-stale")
    space = {"model": stale, "optimizer": optimizer}
    exec(line.partition("  #")[0].replace("lr=...", "lr=0.1"), space)
    assert space["optimizer"].param_groups[0]["params"] == [stale[0].weight]


def test_a_parameter_beside_those_of_one_optimizer_is_handed_to_that_one():
    model = gan()
    optimizers = sgd(model.generator.weight), sgd(*model.discriminator.parameters())
    (one,) = audit(model, *optimizers)
    assert (one.severity, one.path) == ("error", "generator.bias")
    exec(one.fix, {"optimizers": optimizers, "model": model})
    assert audit(model, *optimizers) == []
    assert [len(opt.param_groups) for opt in optimizers] == [2, 1]


def test_a_layer_of_many_that_is_in_no_optimizer_is_named_as_a_whole_once():
    model = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) for _ in range(4)])
    (one,) = audit(model, adam(model[0], model[1], model[3]))
    assert (one.severity, one.code, one.path) == ("warning", "optimizer-misses", "2")
    assert "its 4 trainable Parameters" in one.message


def test_the_message_names_the_loss_of_a_rounded_buffer_which_torch_shows():
    table = 1 / 10_000 ** (torch.arange(8.0) / 8)
    rounded = buffered(False, table=table.clone()).to(torch.bfloat16).float().table
    assert not torch.equal(rounded, table)
    assert "rounds it" in audit(buffered(False, table=table))[0].message
    assert "rounds it" not in audit(buffered(False, table=torch.arange(3)))[0].message
    turned = buffered(False, table=torch.polar(torch.ones(2), torch.ones(2)))
    assert "imaginary part" in audit(turned)[0].message
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not turned.to(torch.bfloat16).table.is_complex()


def test_a_cured_activation_can_be_copied_and_one_that_a_loss_needs_is_told_of():
    model = called(Net())
    (one,) = audit(model)
    assert "return it from forward" in one.fix and "register_buffer" not in one.fix


def test_an_integer_parameter_is_not_told_to_want_gradients():
    model = nn.Module()
    model.steps = nn.Parameter(torch.ones(1, dtype=torch.int64), requires_grad=False)
    (one,) = audit(model)
    assert one.code == "frozen-parameter" and "requires_grad_" not in one.fix
    steps = model._parameters.pop("steps")
    exec(one.fix.removeprefix("if not meant: "), {"self": model, "tensor": steps.detach()})
    assert audit(model) == []


@pytest.mark.parametrize("trains", [True, False])
def test_a_frozen_parameter_stays_frozen_when_it_is_untied(trains):
    model = made(a=parameter(trains=trains))
    model.b = model.a
    fix = next(one.fix for one in audit(model) if one.code == "tied-parameter")
    exec(fix.removeprefix("if not meant: "), {"self": model, "nn": nn})
    assert model.a is not model.b and model.a.requires_grad == model.b.requires_grad == trains


def test_no_optimizer_is_as_none_and_each_further_one_is_checked():
    model = nn.Linear(1, 1)
    assert audit(model, None) == audit(model) == []
    assert audit(model, None, sgd(*model.parameters())) == []
    for before, which in enumerate(("second", "third", "fourth", "5th", "6th")):
        with pytest.raises(TypeError, match=f"as its {which} argument an optimizer"):
            audit(model, *[sgd(*model.parameters())] * before, "adam")


class Wraps:
    """Hands on what it is asked for, as a wrapper of an optimizer does."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_an_optimizer_is_found_within_three_wrappers_and_no_more():
    model = nn.Linear(1, 1)
    wrapped = Wraps(Wraps(Wraps(sgd(model.weight))))
    assert [one.path for one in audit(model, wrapped)] == ["bias"]
    with pytest.raises(TypeError, match="got Wraps"):
        audit(model, Wraps(wrapped))


def test_many_parameters_in_one_storage_are_compared_in_one_pass(monkeypatch):
    from helpers.state import audit_registered

    flat = torch.ones(4_000)
    model = made(**{f"p{at}": nn.Parameter(flat[at : at + 4]) for at in range(0, 4_000, 4)})
    calls = Counter()
    monkeypatch.setattr(
        audit_registered, "overlap", lambda *spans: calls.update(n=1) or real(*spans)
    )
    real = memory.overlap
    assert seen(audit(model)) == {("part-of-storage", "p0")} and calls["n"] == 0


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.AdamW, torch.optim.Adadelta])
@pytest.mark.parametrize("shape", [(2, 2), ()])
def test_what_an_optimizer_remembers_is_told_by_dtype_and_its_counts_are_not(make, shape):
    model = made(weight=nn.Parameter(torch.ones(shape)))
    optimizer = make(model.parameters())
    a_step(model, [optimizer])
    assert audit(model, optimizer) == []
    model.to(torch.float64)
    assert seen(audit(model, optimizer)) == {("optimizer-state", "weight")}


EVERY_OPTIMIZER = [
    one
    for one in vars(torch.optim).values()
    if isinstance(one, type)
    and issubclass(one, torch.optim.Optimizer)
    and one.__name__ not in ("Optimizer", "SparseAdam", "Muon")
]


@pytest.mark.parametrize("make", EVERY_OPTIMIZER)
def test_no_optimizer_of_torch_is_told_for_the_shape_of_what_it_remembers(make):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2, bias=False))
    optimizer = make(model.parameters())
    for _ in range(2):
        optimizer.step(lambda: model(torch.ones(2, 3)).square().sum())
    a_step(model, [] if make is torch.optim.LBFGS else [optimizer])
    assert audit(model, optimizer) == []


def test_the_memory_of_another_parameter_is_told_by_its_shape_and_dropped():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    saved = adam(model[1], model[0])
    a_step(model, [saved])
    optimizer = adam(model)
    optimizer.load_state_dict(saved.state_dict())  # torch compares the sizes of groups alone
    with pytest.raises(RuntimeError, match="must match"):
        a_step(model, [optimizer])
    (one,) = audit(model, optimizer)
    assert (one.severity, one.code, one.path) == ("error", "optimizer-state", "0.weight")
    assert one.message.startswith(
        "is (2, 3), and what optimizer remembers of it ('exp_avg') is (2, 2), and so for 1 more: a "
        "load goes by the order of the Parameters"
    )
    exec(one.fix, {"optimizer": optimizer})
    a_step(model, [optimizer])
    assert audit(model, optimizer) == []


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_master_copy_of_a_model_in_a_shorter_dtype_is_a_note_and_another_is_an_error(dtype, flat):
    model = nn.Sequential(nn.Linear(3, 2).to(dtype), nn.LayerNorm(2))
    copies = [one.detach().float() for one in model[0].parameters()]
    if flat:
        copies = [torch.cat([one.flatten() for one in copies])]
    masters = [nn.Parameter(one) for one in copies]
    optimizer = sgd(*masters, *model[1].parameters())
    (note,) = alarmless = [one for one in audit(model, optimizer) if one.code != "mixed-dtype"]
    assert not alarms(alarmless)
    assert (note.code, note.path) == ("optimizer-stale", "param_groups[0]['params'][0]")
    assert "as a master copy has" in note.message and "of an earlier model: optimizer" in note.fix
    first = model[0].weight.detach().clone()
    masters[0].grad = torch.ones_like(masters[0])
    optimizer.step()
    assert torch.equal(model[0].weight, first)  # it follows once it is copied back

    model.append(nn.Linear(2, 2).to(dtype).requires_grad_(False))
    assert not alarms(audit(model, optimizer))
    copies += [one.float() for one in model[2].parameters()]
    if flat:
        copies[1:] = [torch.cat([one.flatten() for one in copies[1:]])]
    all_of_them = sgd(*map(nn.Parameter, copies), *model[1].parameters())  # in several rows, if so
    assert not alarms(audit(model, all_of_them))

    fewer = sgd(*[nn.Parameter(one[:1]) for one in copies], *model[1].parameters())
    other = sgd(*[nn.Parameter(one.to(dtype)) for one in copies], *model[1].parameters())
    for wrong in (fewer, other):
        assert {one.severity for one in audit(model, wrong) if "optimizer" in one.code} == {"error"}


def test_an_optimizer_with_a_step_of_its_own_may_remember_in_any_dtype():
    class Short(torch.optim.SGD):
        def step(self, closure=None):
            for one in self.param_groups[0]["params"]:
                self.state[one]["memory"] = one.grad.to(torch.bfloat16)

    model = nn.Linear(2, 2)
    optimizer = Short(model.parameters(), lr=1)
    a_step(model, [optimizer])
    assert audit(model, optimizer) == []


# --- clean modules ---


def jit(make, *given) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*given)


def quantized(convert: bool) -> nn.Module:
    from torch.ao import quantization as ao

    model = nn.Sequential(ao.QuantStub(), nn.Conv2d(1, 2, 1), nn.ReLU(), ao.DeQuantStub()).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.qconfig = ao.default_qconfig
        ao.prepare(model, inplace=True)
        model(torch.ones(1, 1, 2, 2))
        return ao.convert(model) if convert else model


def old_norm(make, module: nn.Module, **options) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(module, **options)


class OwnLSTM(nn.LSTM):
    """A learner's class over torch's: what torch keeps there stays torch's."""

    def __init__(self):
        super().__init__(2, 3, num_layers=2)
        self.note = "mine"


class OwnPruning(prune.BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask


def ran(module: nn.Module, *inputs) -> nn.Module:
    module(*inputs)
    return module


def child_that_knows_its_parent() -> nn.Module:
    model = made(child=nn.Linear(1, 1), other=nn.ReLU())
    model.child.parents, model.child.peers = [model], {"other": model.other}
    vars(model.other)["owner"] = model
    model.other.ref = weakref.ref(model)
    return model


def in_a_group_of_one(wrap: Callable) -> nn.Module:
    """Over a backend that sends nothing."""
    from torch import distributed
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return wrap(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.LSTM(3, 3)))
    finally:
        distributed.destroy_process_group()


def fully_sharded(model: nn.Module, **options) -> nn.Module:
    from torch.distributed import fsdp

    return fsdp.FullyShardedDataParallel(model, device_id=torch.device("cpu"), **options)


def stacked() -> nn.Module:
    """As `torch.func` uses a model: called with other weights, its own are back afterwards."""
    model = nn.Linear(2, 2)
    batched, _ = torch.func.stack_module_state([model, nn.Linear(2, 2)])
    torch.func.functional_call(
        model, {name: value[0] for name, value in batched.items()}, torch.ones(1, 2)
    )
    return model


class Counting(nn.Module):
    """As the metrics of a public library: plain tensors, with rules for moving and saving them."""

    def __init__(self):
        super().__init__()
        self.total = torch.zeros(1)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.total = fn(self.total)
        return self

    def get_extra_state(self):
        return self.total

    def set_extra_state(self, state):
        self.total = state


class Announcing(nn.Linear):
    def to(self, *args, **kwargs):
        print("moved")
        return super().to(*args, **kwargs)


def twice_in_a_row(activation: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 2), activation, nn.Linear(2, 2), activation)


CLEAN = {
    "empty": nn.Module,
    "linear": lambda: nn.Linear(2, 3),
    "without bias": lambda: nn.Linear(2, 3, bias=False),
    "batch norm": lambda: nn.BatchNorm2d(3),
    "embedding bag": lambda: nn.EmbeddingBag(5, 2),
    "multi-head attention": lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
    "transformer": lambda: nn.Transformer(8, 2, 1, 1, 16),
    "an LSTM after a run": lambda: ran(
        nn.LSTM(2, 3, 2, bidirectional=True, proj_size=2), torch.ones(1, 1, 2)
    ),
    "a GRU, moved": lambda: nn.GRU(2, 3).double(),
    "a learner's LSTM": OwnLSTM,
    "an LSTM with an assigned state": lambda: _with_assigned_state(nn.LSTM(2, 3)),
    "a copied RNN": lambda: copy.deepcopy(nn.RNN(2, 3)),
    "containers": lambda: nn.Sequential(
        nn.ModuleList([nn.ReLU()]), nn.ModuleDict({"a": nn.Linear(1, 1)})
    ),
    "parameter containers": lambda: made(
        a=nn.ParameterList([torch.ones(2), 3]), b=nn.ParameterDict({"k": parameter()})
    ),
    "weight_norm": lambda: parametrizations.weight_norm(nn.Linear(2, 3)),
    "spectral_norm": lambda: ran(parametrizations.spectral_norm(nn.Linear(2, 3)), torch.ones(1, 2)),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(3, 3)),
    "weight_norm on an LSTM": lambda: parametrizations.weight_norm(nn.LSTM(2, 3), "weight_hh_l0"),
    "the old weight_norm": lambda: ran(
        old_norm(nn.utils.weight_norm, nn.Linear(2, 3)), torch.ones(1, 2)
    ),
    "the old weight_norm on an LSTM": lambda: old_norm(
        nn.utils.weight_norm, nn.LSTM(2, 3), name="weight_ih_l0"
    ),
    "the old spectral_norm": lambda: old_norm(nn.utils.spectral_norm, nn.Linear(2, 3)),
    "the old spectral_norm after a run": lambda: ran(
        old_norm(nn.utils.spectral_norm, nn.Linear(2, 3)), torch.ones(1, 2)
    ),
    "pruned": lambda: prune.l1_unstructured(nn.Linear(2, 3), "weight", 1),
    "pruned twice": lambda: prune.random_unstructured(
        prune.l1_unstructured(nn.Linear(2, 3), "weight", 1), "weight", 1
    ),
    "pruned by a learner's method": lambda: _pruned_by(OwnPruning, nn.Linear(2, 3)),
    "pruned for good": lambda: prune.remove(
        prune.l1_unstructured(nn.Linear(2, 3), "bias", 1), "bias"
    ),
    "lazy": lambda: nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()),
    "lazy, materialised": lambda: ran(
        nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()), torch.ones(4, 2)
    ),
    "compiled": lambda: torch.compile(nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 3))),
    "fx-traced": lambda: fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))),
    "exported": lambda: torch.export.export(
        nn.Sequential(nn.Linear(2, 3)), (torch.ones(4, 2),)
    ).module(),
    "data parallel": lambda: nn.DataParallel(nn.LSTM(2, 3)),
    "distributed data parallel": lambda: in_a_group_of_one(nn.parallel.DistributedDataParallel),
    "fully sharded": lambda: in_a_group_of_one(fully_sharded),
    "fully sharded, with its own parameters": lambda: in_a_group_of_one(
        lambda model: fully_sharded(model, use_orig_params=True)
    ),
    "scripted": lambda: jit(torch.jit.script, nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 3))),
    "traced": lambda: jit(
        torch.jit.trace, nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), torch.ones(4, 2)
    ),
    "averaged": lambda: torch.optim.swa_utils.AveragedModel(
        nn.Sequential(nn.Linear(2, 3), nn.GRU(3, 3))
    ),
    "observed for quantization": lambda: quantized(False),
    "quantized": lambda: quantized(True),
    "called with other weights": stacked,
    "a child that knows its parent": child_that_knows_its_parent,
    "frozen": lambda: nn.Linear(2, 3).requires_grad_(False),
    "on the meta device": lambda: nn.Linear(2, 3, device="meta"),
    "numbers and words": lambda: made(
        lr=0.1, names=["a", "b"], table={"k": [1, (2, None)]}, when=len, size=torch.Size([2])
    ),
    "objects with tensors inside are not entered": lambda: made(
        optimizer=sgd(parameter()), call=torch.ones(2).add
    ),
    "an activation function in several places": lambda: twice_in_a_row(nn.ReLU()),
    "an activation function as a default argument": lambda: block(same, nn.ReLU())(),
    "a property that reads the containers": lambda: with_class_body(
        registers("scale", parameter()),
        scale=property(lambda self: self._parameters["scale"].abs()),
    ),
    "numbers and functions on the class": lambda: with_class_body(
        same, rate=0.1, names=["a"], make=staticmethod(nn.Linear), kind=nn.Linear
    ),
    "a class attribute that the instance has, too": lambda: with_class_body(
        lambda module: setattr(module, "mask", None), mask=torch.ones(2)
    ),
    "a metric that moves and saves its own": lambda: made(metric=Counting()),
    "a part that moves by a buffer and has a to()": lambda: made(part=Announcing(2, 2)),
    "columns of one tensor": lambda: (lambda whole: buffered(a=whole[:, 0], b=whole[:, 1]))(
        torch.ones(3, 2)
    ),
    "a transposed weight": lambda: made(w=nn.Parameter(torch.ones(2, 3).t())),
    "an expanded table that is not saved": lambda: buffered(
        False, table=torch.arange(3).expand(2, -1)
    ),
    "windows that overlap, which torch writes into": lambda: buffered(
        windows=torch.arange(5.0).as_strided((4, 2), (1, 1))
    ),
    "positions as a batch of one": lambda: buffered(ids=torch.arange(3).expand(1, -1)),
    "weights that accelerate holds elsewhere": lambda: made(
        here=nn.Linear(2, 2), there=put(nn.Linear(2, 2, device="meta"), _hf_hook=object())
    ),
    "a model that waits for its file": lambda: made(
        layers=nn.Transformer(4, 1, 1, 1, 4, device="meta"), table=buffered(t=torch.ones(2))
    ),
    "identities in a list": lambda: made(skips=[nn.Identity(), nn.Sequential()]),
    "an activation that is detached and not kept": lambda: called(Net(lambda output: None)),
    "an empty slot": lambda: put(buffered(mean=None), bias=None),
}


def _with_assigned_state(module: nn.Module) -> nn.Module:
    module.load_state_dict(copy.deepcopy(module).state_dict(), assign=True)
    return module


def _pruned_by(method, module: nn.Module) -> nn.Module:
    method.apply(module, "weight")
    return module


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_module_raises_no_alarm(name):
    module = CLEAN[name]()
    assert not alarms(audit(module))


@pytest.mark.parametrize(
    "module", [nn.LSTM(2, 3), OwnLSTM(), nn.TransformerEncoderLayer(4, 2), nn.Sequential()]
)
def test_what_a_learner_adds_to_torchs_own_modules_is_judged(module):
    module.kept, module.tensor, module.layers = (
        [next(module.parameters(), parameter())],
        torch.ones(1),
        [nn.ReLU()],
    )
    module._mine = torch.ones(1)
    codes = {
        "kept": "stale-alias" if next(module.parameters(), None) is not None else "hidden-parameter"
    }
    codes |= {"tensor": "plain-tensor", "layers": "hidden-module", "_mine": "plain-tensor"}
    assert seen(audit(module)) == {(code, name) for name, code in codes.items()}


def test_the_clean_modules_are_many():
    assert len(CLEAN) >= 30


def test_no_instance_of_torchs_own_database_raises_an_alarm_alone_or_with_its_optimizer():
    for name, module in database():
        parameters = list(module.parameters())
        assert not alarms(audit(module)), name
        assert not (parameters and alarms(audit(module, sgd(*parameters)))), name


@given(modules())
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_on_generated_modules_it_changes_nothing_and_agrees_with_torch(module):
    before = fingerprint(module)
    found = audit(module)
    assert fingerprint(module) == before
    assert [one.severity for one in found] == sorted(
        (one.severity for one in found), key=["error", "warning", "info"].index
    )
    if _walkable(module):
        assert_agrees(module, found)


def _walkable(module: nn.Module) -> bool:
    """Do torch's own walks come to an end soon, over modules that have all their containers?"""
    pending, steps = [(module, ())], 0
    while pending:
        one, above = pending.pop()
        steps += 1
        whole = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"} <= vars(
            one
        ).keys()
        if id(one) in above or not whole or steps > 500:
            return False
        pending += [
            (child, (*above, id(one))) for child in one._modules.values() if child is not None
        ]
    return True


def assert_agrees(module: nn.Module, found: list[Finding]) -> None:
    """Codes that torch's own calls can answer for, found without reading a dictionary."""

    def paths(code: str) -> list[str]:
        return [one.path for one in found if one.code == code]

    everywhere = list(module.named_parameters(remove_duplicate=False))
    counts = Counter(id(tensor) for _, tensor in everywhere)
    distinct = list(module.named_parameters())
    assert paths("tied-parameter") == [name for name, tensor in distinct if counts[id(tensor)] > 1]
    assert paths("frozen-parameter") == [
        name for name, tensor in distinct if not tensor.requires_grad
    ]
    unsaved = []
    for path, one in module.named_modules():
        saved = {}
        one._save_to_state_dict(saved, "", True)
        names = [
            name
            for name, value in one._buffers.items()
            if value is not None and saved.get(name) is not value
        ]
        unsaved += [f"{path}.{name}" if path else name for name in names]
    assert sorted(paths("unsaved-buffer")) == sorted(unsaved)
    dtypes = {
        tensor.dtype
        for tensor in (*module.parameters(), *module.buffers())
        if tensor.is_floating_point()
    }
    assert bool(paths("mixed-dtype")) == (len(dtypes) > 1)
    registered = ids([*module.parameters(), *module.buffers()])
    plain = [
        one for one in found if one.code in ("plain-tensor", "hidden-parameter", "stale-alias")
    ]
    held = [
        tensor
        for one in module.modules()
        for key, value in vars(one).items()
        if key not in vars(nn.Module())
        for tensor in _flat(value)
        if isinstance(tensor, torch.Tensor)
    ]
    shadowed = bool(paths("shadowed-name"))
    assert bool(plain) == bool(held) or shadowed
    assert bool(paths("stale-alias")) >= bool(ids(held) & registered) or shadowed


def _flat(value: object, above: tuple = ()) -> list:
    if id(value) in above:
        return []
    if type(value) in (list, tuple, set, dict):
        items = value.values() if type(value) is dict else value
        return [part for item in items for part in _flat(item, (*above, id(value)))]
    return [value] if issubclass(type(value), torch.Tensor) else []


@given(modules())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_an_optimizer_misses_and_keeps_is_told_by_identity(module):
    if not _walkable(module):
        return
    stray = parameter()
    chosen = list(module.parameters())[::2]
    optimizer = torch.optim.SGD([{"params": [stray]}, {"params": chosen}], lr=1)
    found = audit(module, optimizer)
    missed = [
        name
        for name, one in module.named_parameters()
        if one.requires_grad and id(one) not in ids(chosen)
    ]
    # The stray tensor makes an error of each that is missed; without one, the stray is a question.
    assert [one.path for one in found if one.code == "optimizer-misses"] == missed
    (stale,) = [one for one in found if one.code == "optimizer-stale"]
    assert stale.path == "param_groups[0]['params'][0]"
    assert stale.severity == ("error" if missed else "warning")


def test_it_runs_none_of_the_modules_code():
    module = hostile_module()
    before = fingerprint(module)
    found = audit(module)
    assert seen(found) == {("unsaved-buffer", "mean"), ("plain-tensor", "tensor")}
    assert fingerprint(module) == before


class Wrapper:
    """As a training library wraps an optimizer: the groups are a property, which must not run."""

    def __init__(self, inner):
        self.inner = inner

    @property
    def param_groups(self):
        raise AssertionError("ran")


class Passing:
    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        raise AssertionError("ran")


class Bare:
    def __init__(self, groups):
        self.param_groups = groups


@pytest.mark.parametrize(
    "wrap",
    [Wrapper, Passing, lambda one: Wrapper(Wrapper(one)), lambda one: Bare(one.param_groups)],
)
def test_a_wrapper_is_read_as_the_optimizer_it_wraps(wrap):
    model = nn.Linear(2, 3)
    assert not audit(model, wrap(sgd(*model.parameters())))
    assert seen(audit(model, wrap(sgd(model.bias)))) == {("optimizer-misses", "weight")}


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.LBFGS, torch.optim.Adagrad])
def test_any_optimizer_of_torch_will_do_after_steps_with_a_closure_too(make):
    model = nn.Linear(2, 1)
    optimizer = make(model.parameters())

    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(1, 2)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert not audit(model, optimizer)


def test_one_finding_for_a_tensor_that_two_groups_keep():
    model, stray = nn.Linear(2, 2, bias=False), parameter()
    optimizer = sgd(model.weight, stray)
    optimizer.param_groups.append({"params": [stray]})
    assert seen(audit(model, optimizer)) == {("optimizer-stale", "param_groups[0]['params'][1]")}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("adam", "got str."),
        (torch.optim.Adam, "got the class Adam; pass an instance."),
        (sgd(parameter()).state_dict(), "got dict."),
        (nn.Linear(1, 1), "got Linear."),
        ([parameter()], "got list."),
        (torch.optim.lr_scheduler.StepLR(sgd(parameter()), 1), "got StepLR."),
        (Hostile, "got Hostile."),
        (put(nn.Module(), optimizer=sgd(parameter())), "got Module."),
    ],
)
def test_what_is_no_optimizer_is_named(given, said):
    given = given() if given is Hostile else given  # pytest would look into an instance
    with pytest.raises(TypeError) as raised:
        audit(nn.Linear(1, 1), given)
    takes = "an optimizer, such as torch.optim.SGD(model.parameters(), lr=0.1)"
    assert str(raised.value) == f"audit() takes as its second argument {takes}, {said}"


@pytest.mark.parametrize("given", [nn.Linear, {"weight": torch.ones(1)}, None, 3, "model", Hostile])
def test_what_is_no_module_is_named(given):
    given = given() if given is Hostile else given
    with pytest.raises(TypeError, match=r"audit\(\) takes an nn.Module instance"):
        audit(given)


def test_half_initialised_and_broken_modules_give_findings_or_none():
    assert audit(nn.Module.__new__(nn.Linear)) == []
    for lost in (
        "_parameters",
        "_buffers",
        "_modules",
        "_non_persistent_buffers_set",
        "_forward_pre_hooks",
        "training",
    ):
        module = put(nn.Linear(2, 3), mask=torch.ones(2))
        del vars(module)[lost]
        assert ("plain-tensor", "mask") in seen(audit(module))
    odd = nn.Module()
    vars(odd).update(
        _parameters=[1],
        _buffers={3: torch.ones(1), "b": 5},
        _modules={"m": 7, None: nn.ReLU()},
        x={1: {}},
    )
    assert audit(odd) == []
    vars(odd).update({7: torch.ones(1)})
    assert seen(audit(odd)) == {("plain-tensor", "7")}


def test_depth_sharing_and_recursion_do_no_harm():
    deep = nn.Module()
    for _ in range(3000):
        deep = made(child=deep)
    assert audit(deep) == []
    value = [torch.ones(1)]
    for _ in range(5000):
        value = [value]
    assert seen(audit(made(value=value))) == {("plain-tensor", "value")}
    value = frozenset([torch.ones(1)])
    for _ in range(3000):
        value = frozenset([value])
    assert seen(audit(made(value=value))) == {("plain-tensor", "value")}
    shared = nn.Linear(1, 1, bias=False)
    for _ in range(60):  # 2**60 paths
        shared = made(a=shared, b=shared)
    assert seen(audit(shared)) == {("tied-parameter", ".".join("a" * 60) + ".weight")}
    for _ in range(60):
        value = [value, value]
    assert seen(audit(made(value=value))) == {("plain-tensor", "value")}


def test_the_work_grows_with_the_model_however_its_parts_are_shared(monkeypatch):
    """Counted, not timed: how many containers and modules are read when a list is held by every
    module.
    """
    from helpers.state import holders, walk

    def reads(size: int) -> int:
        cache = [torch.ones(1) for _ in range(size)]
        model = nn.ModuleList([made(cache=cache, more=[cache, cache]) for _ in range(size)])
        count = Counter()
        for home, name in ((holders, "contents"), (holders, "span_of"), (walk, "read")):
            real = getattr(home, name)
            monkeypatch.setattr(
                home, name, lambda *a, real=real, **k: (count.update(n=1), real(*a, **k))[1]
            )
        audit(model)
        monkeypatch.undo()
        return count["n"]

    assert reads(80) < 2.2 * reads(40)


def test_it_keeps_nothing_alive():
    module = made(layers=[nn.Linear(2, 2)], mask=torch.ones(2), fc=nn.Linear(2, 2))
    optimizer = sgd(parameter())
    alive = [
        weakref.ref(module),
        weakref.ref(module.mask),
        weakref.ref(module.layers[0]),
        weakref.ref(optimizer),
    ]
    found = audit(module, optimizer)
    found._repr_html_()
    del module, optimizer
    gc.collect()
    assert [one() for one in alive] == [None] * 4 and len(found) == 5


def test_errors_come_first_then_warnings_then_notes_each_in_the_order_of_the_model():
    inner = put(buffered(False, late=torch.ones(2)), x=torch.ones(1), layers=[nn.ReLU()])
    model = made(frozen=parameter(trains=False), inner=inner, layers=[nn.ReLU()], y=torch.ones(1))
    found = audit(model, sgd(parameter()))
    assert [(one.severity, one.path) for one in found] == [
        ("error", "layers"),
        ("error", "inner.layers"),
        ("warning", "y"),
        ("warning", "inner.x"),
        ("warning", "param_groups[0]['params'][0]"),
        ("info", "frozen"),
        ("info", "inner.late"),
    ]


def test_a_finding_is_frozen_and_the_findings_are_a_list():
    found = audit(made(mask=torch.ones(2)))
    assert (
        type(found[0]) is Finding
        and isinstance(found, list)
        and found == [found[0]]
        and len(found) == 1
    )
    with pytest.raises(AttributeError):
        found[0].code = "other"
    assert [*Finding.__dataclass_fields__] == ["code", "severity", "path", "message", "fix"]
    assert all(isinstance(getattr(found[0], name), str) for name in Finding.__dataclass_fields__)
    assert helpers.audit is audit


def test_a_kept_result_loses_its_graph_before_a_copy_where_a_layer_of_torchs_reads_that_name():
    def fix(name: str) -> str:
        layer = nn.GRU(2, 3)
        layer._parameters.pop(name, None)
        vars(layer)[name] = layer.weight_ih_l0 * 2
        return next(one.fix for one in audit(layer) if one.code == "kept-graph")

    cut = "self.weight_hh_l0 = self.weight_hh_l0.detach()  # before a copy"
    assert fix("weight_hh_l0").startswith(cut)
    assert fix("memory").startswith("self.memory = self.memory.detach()  # if its numbers")


def test_a_recurrent_layer_with_a_computed_weight_can_be_copied_after_the_line_and_called():
    layer = nn.GRU(2, 3)
    raw = layer._parameters.pop("weight_hh_l0")
    layer.register_parameter("weight_hh_l0_raw", raw)
    layer.weight_hh_l0 = raw * 2  # as a wrapper does before each call; a list has it as well
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(layer)
    (one,) = audit(layer)
    exec(one.fix, {"self": layer})
    twin = copy.deepcopy(layer)
    assert audit(twin)[0].code == "plain-tensor"
    twin.weight_hh_l0 = twin.weight_hh_l0_raw * 2
    twin(torch.ones(1, 1, 2))[0].sum().backward()
    assert twin.weight_hh_l0_raw.grad is not None


def test_a_result_whose_own_parameter_no_module_has_is_wrapped_last():
    lost, kept = parameter(), parameter()
    assert set(map(id, leaves(lost * kept * 2))) == {id(lost), id(kept)}
    (one,) = audit(made(scale=lost * 2))
    assert one.message.startswith("the result of a computation on a Parameter, which is itself in")
    assert one.fix.startswith("self.scale = nn.Parameter(self.scale.detach())  # wrap last")
    fixes = {one.path: one.fix for one in audit(made(kept=kept, scale=kept * 2))}
    assert fixes["scale"].startswith("self.scale = self.scale.detach()  # if its numbers")


def test_what_a_container_on_a_class_holds_gets_a_numbered_name_each():
    def fix(value: object) -> str:
        return audit(with_class_body(same, x=value))[0].fix.partition(" = ... ")[0]

    made_in = "made in __init__, in place of x"
    assert fix([nn.ReLU()]) == f"self.x_0 = module  # {made_in}"
    assert fix([parameter()]) == f"self.x_0 = parameter  # {made_in}"
    assert fix([torch.ones(1)]) == f"self.register_buffer('x_0', tensor)  # {made_in}"
    assert fix(nn.ReLU()) == f"self.x = module  # {made_in}"


def test_the_message_counts_in_grammar_and_speaks_of_a_graph_only_where_there_is_one():
    one, many = (
        audit(put(nn.Module(), x=[nn.ReLU()])),
        audit(put(nn.Module(), x=[nn.ReLU(), nn.ReLU()])),
    )
    assert one[0].message.startswith("a plain list holds 1 module that is registered nowhere")
    assert many[0].message.startswith("a plain list holds 2 modules that are registered nowhere")
    leaf, computed = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True) * 2
    found = audit(buffered(True, leaf=leaf, computed=computed))
    assert [(one.path, "graph" in one.message) for one in found] == [
        ("leaf", False),
        ("computed", True),
    ]


def test_a_stale_tensor_is_changed_or_passed_over_as_the_message_says():
    model, stale = nn.Linear(1, 1), [nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))]
    optimizer = torch.optim.SGD([model.weight, *stale], lr=0.1)
    stale[1].grad = torch.ones(1)
    optimizer.step()
    assert [one.item() != 1 for one in stale] == [False, True]
    found = [one for one in audit(model, optimizer) if one.code == "optimizer-stale"]
    assert len(found) == 2
    assert all("passes over it for want of a gradient" in one.message for one in found)


def told(module: nn.Module, code: str) -> str:
    return next(one.message for one in audit(module) if one.code == code)


def test_a_layer_at_two_places_stays_one_when_tensors_are_assigned_and_two_tied_layers_part():
    tied = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    tied[1].weight = tied[0].weight
    for model, parted in ((nn.Sequential(*2 * [nn.Linear(1, 1)]), False), (tied, True)):
        assert ("assign=True parts them" in told(model, "tied-parameter")) is parted
        model.load_state_dict(copy.deepcopy(model.state_dict(keep_vars=True)), assign=True)
        assert model[0].weight is model[1].weight
        model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
        assert (model[0].weight is not model[1].weight) is parted


def test_what_a_copy_a_pickle_and_a_walk_do_is_said_as_torch_does_it():
    kept = put(nn.Module(), result=torch.ones(1, requires_grad=True) * 2)
    assert "deepcopy() refuses" in told(kept, "kept-graph")
    with pytest.raises(RuntimeError):
        copy.deepcopy(kept)
    assert pickle.loads(pickle.dumps(kept)).result.item() == 2

    lazy = nn.LazyLinear(1)
    assert "cannot be counted before" in told(lazy, "uninitialized")
    with pytest.raises(ValueError):
        lazy.weight.numel()
    assert type(copy.deepcopy(lazy).weight) is type(lazy.weight)

    circle = nn.Sequential(nn.Sequential())
    circle[0].append(circle)
    assert len(list(circle.modules())) == 2 and "walk" not in told(circle, "part-of-itself")
    for call in (circle.train, circle.eval, circle.double, circle.state_dict):
        with pytest.raises(RecursionError):
            call()


def test_the_other_name_that_is_proposed_is_free():
    hides = property(lambda self: 2)
    build = registers("scale", parameter())
    for taken, free in (({}, "scale_"), ({"scale_": 1}, "scale__")):
        model = with_class_body(build, scale=hides, **taken)
        assert f"self.{free} = parameter  # in place of" in audit(model)[0].fix
    model.scale__ = nn.Linear(1, 1)
    assert "self.scale___ = parameter" in audit(model)[0].fix


def test_what_is_on_the_class_and_registered_too_is_hidden_by_nothing():
    layer = nn.Linear(1, 1)
    model = with_class_body(same, layer=layer)
    assert told(model, "class-attribute")
    model.layer = layer
    assert model.layer is layer and audit(model) == []


def test_memory_on_another_device_is_told_by_the_devices():
    model = nn.Linear(2, 2)
    optimizer = adam(model)
    stepped(model, optimizer)
    notes = optimizer.state[model.weight]
    notes["exp_avg"] = notes["exp_avg"].to("meta")
    (one,) = audit(model, optimizer)
    assert one.code == "optimizer-state" and one.message.startswith(
        "is cpu, and what optimizer remembers of it ('exp_avg') is meta"
    )


def test_of_the_whole_model_a_rule_of_its_own_is_said_to_decide():
    assert "and whether .to() moves it is for Muscle.to to say" in told(Muscle(), "plain-tensor")
    assert "since that never calls Muscle.to" in told(made(part=Muscle()), "plain-tensor")

    class Lists(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = [parameter()]

        def parameters(self, recurse=True):
            yield from self.hidden

    assert len(list(Lists().parameters())) == 1
    told_ = told(Lists(), "hidden-parameter")
    assert "whether parameters() has it is for Lists.parameters to say" in told_
    whole = nn.Sequential(Lists())  # which asks no part what it lists
    assert list(whole.parameters()) == []
    assert "not in parameters()" in told(whole, "hidden-parameter")


def test_each_tensor_of_a_container_has_a_line_of_its_own():
    model = put(nn.Linear(2, 2), masks=[torch.ones(2, device="meta")])
    line = "self.register_buffer('masks_0', tensor, persistent=False)  # computed anew, each, in"
    assert audit(model)[0].fix == f"{line} place of the list"
    model = put(nn.Linear(2, 2), scales=[torch.ones(2, requires_grad=True)])
    exec(audit(model)[0].fix, {"self": model, "nn": nn})
    assert audit(model) == [] and len(list(model.parameters())) == 3


class MadeOddly(nn.Module):
    """Its `__init__` is no function."""

    class Init:
        def __get__(self, module, kind):
            return lambda: nn.Module.__init__(module)

    __init__ = Init()


def test_an_init_that_is_no_function_has_no_defaults():
    assert audit(MadeOddly()) == []


def test_a_class_that_no_module_names_is_a_learners():
    space = {"nn": nn, "torch": torch}
    exec("Net = type('Net', (nn.Module,), {'table': torch.ones(2)})", space)
    assert not hasattr(space["Net"], "__module__")
    assert "in the body of the class Net" in told(space["Net"](), "class-attribute")


def test_a_graph_that_is_too_large_to_be_read_tells_no_leaves():
    start = parameter()
    near = far = start
    for _ in range(1_000):
        far = far + 1
    for _ in range(900):
        near = near + 1
    assert leaves(near) == [start] and leaves(far) is None
    assert "of a computation on a Parameter" in told(put(nn.Module(), x=near), "kept-graph")
    assert "kept with its graph" in told(put(nn.Module(), x=far), "kept-graph")


@pytest.mark.parametrize("says", [torch.device("cpu"), torch.float32, "cuda:0", "meta"])
def test_a_part_with_a_device_or_a_dtype_of_its_own_has_something_that_moves(says):
    class Placed(nn.Module):
        def __init__(self, where):
            super().__init__()
            self.where = where

        def to(self, *args, **kwargs):
            return super().to(*args, **kwargs)

    found = [[one.code for one in audit(made(part=Placed(one)))] for one in (says, "a device")]
    assert found == [["own-rules"], []]


def test_what_a_default_argument_shares_depends_on_what_it_is():
    zeros, once = torch.zeros(2), nn.Linear(1, 1)

    class Table(nn.Module):
        def __init__(self, table=zeros):
            super().__init__()
            self.register_buffer("table", table)

    class Layer(nn.Module):
        def __init__(self, layer=once):
            super().__init__()
            self.layer = layer

    for kind, moved_too in ((Layer, True), (Table, False)):
        one, other = kind(), kind()
        assert ("moves" in told(one, "default-argument")) is moved_too
        one.load_state_dict({key: value + 1 for key, value in one.state_dict().items()})
        same = map(torch.equal, one.state_dict().values(), other.state_dict().values())
        assert all(same)
        one.double()
        dtypes = {value.dtype for value in other.state_dict().values()}
        assert (dtypes == {torch.float64}) is moved_too


def test_a_buffer_that_is_hidden_is_said_to_be_saved_and_moved_as_far_as_it_is():
    slots = {
        "saves, moves and lists": nn.Parameter(torch.ones(1)),
        "saves and moves": nn.Buffer(torch.ones(1)),
        "moves": nn.Buffer(torch.ones(1), persistent=False),
        "has an empty slot": None,
    }
    for words, value in slots.items():
        model = nn.Module()
        model.register_buffer("x", None) if value is None else setattr(model, "x", value)
        vars(model)["x"] = 3
        assert f"torch {words}" in told(model, "shadowed-name")
        assert ("x" in model.state_dict()) is ("saves" in words)
        assert ("x" in dict(model.named_parameters())) is ("lists" in words)


def test_a_module_without_the_set_of_what_is_not_saved_is_audited_all_the_same():
    model = put(nn.Module(), x=nn.Buffer(torch.ones(1), persistent=False))
    vars(model)["x"] = 3
    vars(model)["_non_persistent_buffers_set"] = None
    assert "torch saves and moves" in told(model, "shadowed-name")


def test_a_parameter_that_an_entry_of_the_instance_hides_is_listed_and_not_trained():
    model = put(nn.Linear(1, 1, bias=False))
    vars(model)["weight"] = torch.ones(1, 1, requires_grad=True)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1)).sum().backward()
    optimizer.step()
    assert torch.equal(model.state_dict()["weight"], before["weight"])
    assert "trains" not in told(model, "shadowed-name")


def test_a_buffer_that_is_a_parameter_too_is_said_to_be_trained_under_that_name():
    model = put(nn.Module(), weight=nn.Parameter(torch.ones(1)))
    model.register_buffer("mean", model.weight)
    assert "the Parameter 'weight' as well" in told(model, "buffer-needs-grad")
    model.weight.grad = torch.ones(1)
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert model.mean.item() == 0
    model.mean = model.mean.detach().clone()
    assert audit(model) == []


def test_of_two_parameters_in_one_memory_a_frozen_one_is_not_said_to_be_stepped_on():
    for frozen in (False, True):
        model = put(nn.Module(), x=nn.Parameter(torch.ones(1)))
        model.y = nn.Parameter(model.x.data, requires_grad=not frozen)
        assert ("steps on the numbers twice" in told(model, "shared-memory")) is not frozen
        (model.x + model.y).sum().backward()
        torch.optim.SGD(model.parameters(), lr=0.25).step()
        assert model.x.item() == (0.75 if frozen else 0.5)


def test_memory_that_an_optimizer_has_from_the_beginning_is_told_without_a_step():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.Adagrad(model.parameters())
    model.double()
    (found,) = audit(model, optimizer)
    assert found.code == "optimizer-state" and "a step or a load" not in found.message


def test_a_parameter_whose_numbers_have_an_alias_stays_the_object_that_it_is():
    model = put(nn.Module(), x=nn.Parameter(torch.ones(1)))
    model.alias, x = model.x.data, model.x
    assert "has other memory there" in told(model, "stale-alias")
    assert model.double().x is x and model.alias.data_ptr() != x.data_ptr()


def test_whole_numbers_are_parted_by_another_device_alone():
    for dtype, words in ((torch.int64, ".to() another device"), (torch.float32, "another dtype")):
        model = buffered(True, x=torch.ones(2, dtype=dtype))
        model.alias = model.x
        assert words in told(model, "stale-alias")
        assert (model.double().alias is model.x) is (dtype == torch.int64)
        assert model.to("meta").alias is not model.x


def test_no_load_parts_an_alias_from_a_buffer_that_is_not_saved():
    for persistent in (True, False):
        model = buffered(persistent, x=torch.ones(2))
        model.alias = model.x
        assert ("load" in told(model, "stale-alias")) is persistent
        model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
        assert (model.alias is model.x) is not persistent


def test_each_name_under_which_a_buffer_is_not_saved_is_told_however_many_it_has():
    shared = torch.ones(1)
    model = nn.Sequential(buffered(False, a=shared, b=shared), buffered(True, c=shared))
    model.again = model[0]
    unsaved = [one.path for one in audit(model) if one.code == "unsaved-buffer"]
    assert unsaved == ["0.a", "0.b"] and list(model.state_dict()) == ["1.c"]
    for layer, name in ((model[0], "a"), (model[0], "b")):  # the line for one name saves that one
        layer.register_buffer(name, getattr(layer, name))
        assert f"0.{name}" in model.state_dict()
    assert "unsaved-buffer" not in {one.code for one in audit(model)}


def test_an_inference_tensor_that_is_not_saved_stops_no_load_and_may_be_added():
    model = put(nn.Module(), layer=nn.Linear(2, 2))
    with torch.inference_mode():
        model.register_buffer("x", torch.ones(2), persistent=False)
    assert "as a product needs" in told(model, "inference-tensor")
    model.load_state_dict(model.state_dict())
    (model.layer(torch.ones(2)) + model.x).sum().backward()
    with pytest.raises(RuntimeError):
        (model.layer(torch.ones(2)) * model.x).sum().backward()
    with pytest.raises(RuntimeError):
        model.x.add_(1)


def test_a_step_passes_over_a_parameter_and_may_write_into_its_memory_all_the_same():
    layer, flat = nn.Linear(2, 1, bias=False), nn.Parameter(torch.zeros(2))
    layer.weight = nn.Parameter(flat.data.view(1, 2))
    optimizer = torch.optim.SGD([flat], lr=1)
    (missed,) = (one for one in audit(layer, optimizer) if one.code == "optimizer-misses")
    assert missed.message.endswith("passes over it")
    flat.grad = torch.ones(2)
    optimizer.step()
    assert layer.weight.tolist() == [[-1, -1]]


@pytest.mark.parametrize("code", ["expanded-tensor", "inference-tensor"])
def test_a_step_is_refused_if_it_is_not_fused(code):
    with torch.inference_mode(code == "inference-tensor"):
        layer = nn.Linear(2, 2)
    if code == "expanded-tensor":
        layer.weight = nn.Parameter(torch.ones(1, 2).expand(2, 2))
    assert "a step that is not fused" in told(layer, code)
    for one in layer.parameters():
        one.grad = torch.ones_like(one)
    before = layer.weight.tolist()
    for fused in (False, True):
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, fused=fused)
        assert raises(RuntimeError)(optimizer.step) is not fused
    assert layer.weight.tolist() != before


def test_where_a_module_has_rules_of_its_own_a_finding_does_not_foretell_against_them():
    class Renewing(nn.Module):
        """Renews its list after a move, saves a buffer by its own rule, and ties again."""

        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.ones(1))
            self.register_buffer("hidden", torch.ones(1), persistent=False)
            self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 1)
            self.all = [self.mean]
            self.tie()
            self.register_load_state_dict_post_hook(lambda *_: self.tie())

        def tie(self):
            self.second.weight = self.first.weight

        def _apply(self, fn, recurse=True):
            super()._apply(fn, recurse)
            self.all = [self.mean]
            return self

        def get_extra_state(self):
            return self.hidden

        def set_extra_state(self, state):
            self.hidden = state

    model = Renewing()
    assert "unless Renewing._apply renews it" in told(model, "stale-alias")
    assert "unless Renewing._apply renews it" in told(nn.Sequential(model), "stale-alias")
    said = told(model, "unsaved-buffer")
    assert "whether it is saved is for Renewing.get_extra_state to say" in said
    assert "whether .to() moves it is for Renewing._apply to say" in said
    assert "unless the model ties them again" in told(model, "tied-parameter")
    model.to(torch.float64)
    assert model.all[0] is model.mean
    model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    assert model.first.weight is model.second.weight


def test_a_copy_refuses_the_result_that_is_kept_and_not_always_the_module():
    class Dropping(nn.Module):
        def __getstate__(self):
            return {**vars(self), "cache": None}

    model = Dropping()
    model.weight = nn.Parameter(torch.ones(1))
    model.cache = 2 * model.weight
    assert "copy.deepcopy() refuses such a tensor" in told(model, "kept-graph")
    assert raises(RuntimeError)(lambda: copy.deepcopy(model.cache))
    assert copy.deepcopy(model).cache is None


def test_a_layer_without_numbers_may_give_what_stood_in_memory():
    layer = nn.Linear(3, 2, bias=False, device="meta")
    model = nn.Sequential(nn.Linear(3, 3), layer)
    assert "whatever stood in memory" in told(model, "left-on-meta")
    assert not model(torch.ones(1, 3)).is_meta


def test_a_frozen_parameter_with_an_older_gradient_is_stepped_on():
    layer = nn.Linear(1, 1)
    layer(torch.ones(1)).sum().backward()
    before = layer.requires_grad_(False).bias.item()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    optimizer.step()
    after = layer.bias.item()
    optimizer.zero_grad()
    optimizer.step()
    assert layer.bias.item() == after != before
    assert "a step without one passes over it" in told(layer, "frozen-parameter")


def test_hidden_modules_and_keys_without_a_prefix_are_told_by_the_rules_of_the_class():
    class Reaching(nn.Module):
        def _apply(self, fn, recurse=True):
            [layer._apply(fn) for layer in self.layers]
            return super()._apply(fn, recurse)

    class Short(nn.Module):
        def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
            destination["note"] = torch.ones(1)
            return destination

    class Listing(nn.Module):
        def parameters(self, recurse=True):
            return self.layers[0].parameters()

        def train(self, mode=True):
            self.layers[0].train(mode)
            return super().train(mode)

    reaching = put(Reaching(), layers=[nn.Linear(1, 1)])
    assert "for Reaching._apply to say" in told(reaching, "hidden-module")
    assert reaching.double().layers[0].weight.dtype == torch.float64
    listing = put(Listing(), layers=[nn.Linear(1, 1)])
    assert "has what it holds is for Listing.parameters to say" in told(listing, "hidden-module")
    assert "reaches it is for Listing.train to say" in told(listing, "hidden-module")
    assert len(list(listing.parameters())) == 2 and not listing.eval().layers[0].training
    model = put(nn.Module(), part=Short())
    assert "without the prefix has a wrong key" in told(model, "own-rules")
    assert list(model.state_dict()) == ["note"]


def test_a_hidden_layer_whose_tensors_are_registered_is_not_said_to_be_left_out():
    model = put(nn.Module(), body=nn.Embedding(2, 2))
    head = nn.Linear(2, 2, bias=False)
    head.weight = model.body.weight
    model.heads = [head]
    assert told(model, "hidden-module").endswith(
        "its tensors are, under other names, but train() and eval() do not reach it"
    )
    assert "leaves out" in told(put(nn.Module(), layers=[nn.Dropout()]), "hidden-module")
    assert head.weight is next(model.double().parameters()) and model.eval().heads[0].training


def test_of_a_hidden_layer_with_a_tied_weight_a_part_is_said_to_be_left_out():
    model = put(nn.Module(), body=nn.Embedding(2, 2))
    head = nn.Linear(2, 2)
    head.weight = model.body.weight
    model.heads = [head]
    assert told(model, "hidden-module").endswith(
        "; parameters() leaves out a part of what it holds: state_dict() does not save it and "
        ".to() leaves it where it is"
    )
    assert [one is head.weight for one in model.double().parameters()] == [True]
    assert (head.weight.dtype, head.bias.dtype) == (torch.float64, torch.float32)


def test_the_summary_counts_in_words():
    assert repr(audit(nn.Linear(1, 1))) == "nothing found"
    model = put(
        buffered(False, a=torch.ones(1), b=torch.ones(1)), layers=[nn.ReLU()], mask=torch.ones(1)
    )
    assert repr(audit(model)) == "1 error, 1 warning, 2 notes"
    assert repr(audit(made(x=[nn.ReLU()], y=[nn.ReLU()]))) == "2 errors"


def test_the_table_has_a_row_for_each_finding_and_says_what_is_left_out():
    found = audit(made(**{f"t{number}": torch.ones(1) for number in range(70)}))
    page = Page(found._repr_html_())
    assert len(page.rows) == 1 + 60
    assert "70 warnings" in page.words and "… and 10 more" in page.words
    assert "nothing found" in Page(audit(nn.ReLU())._repr_html_()).words


def test_two_rules_of_one_code_are_about_the_same_kind_of_thing():
    with pytest.raises(ValueError, match="left-on-meta is about a plain value, and cannot be"):
        rule("left-on-meta", "error", "buffer")
    assert CODES["left-on-meta"] == "plain value" and set(CODES.values()) <= set(SIGNS)


@named
def test_the_table_shows_the_whole_finding_with_the_designs_sign(name):
    found = audit(*patient(PATIENTS[name].build))
    _, *rows = Page(found._repr_html_()).rows
    for one, (where, severity, what) in zip(found, rows, strict=True):
        sign = SIGNS[CODES[one.code]]
        assert severity == {"info": "note"}.get(one.severity, one.severity)
        assert where == f"{sign.glyph}{one.path or 'the model'}{one.code}"
        assert what == one.message + one.fix
    assert found._repr_html_() == audit(*patient(PATIENTS[name].build))._repr_html_()
    assert "0x" not in found._repr_html_()


@pytest.mark.parametrize("name", [*NAMES, "</td><b>", "a'b\"c", "\ud800", "class", "__private"])
def test_hostile_names_stay_text_and_the_line_to_write_still_parses(name):
    module = nn.Module()
    child = nn.Linear(1, 1, bias=False)
    vars(module)[name] = [torch.ones(1), nn.ReLU(), parameter()]
    vars(module)[name + "2"] = torch.ones(1)
    vars(module)[name + "3"] = [child.weight]
    module._modules[name + "4"] = child
    module._modules[name + "5"] = child
    module._buffers[name + "6"] = torch.ones(2, requires_grad=True)
    module._non_persistent_buffers_set.add(name + "6")
    found = audit(module, sgd(parameter()))
    assert {one.code for one in found} == {
        "plain-tensor",
        "hidden-module",
        "hidden-parameter",
        "stale-alias",
        "tied-parameter",
        "unsaved-buffer",
        "buffer-needs-grad",
        "optimizer-misses",
        "optimizer-stale",
    }
    for one in found:
        line = one.fix.removeprefix("if not meant: ").removeprefix("if it should be saved: ")
        if not line.startswith("register copy.deepcopy"):
            assert len(ast.parse(line).body) == 1
    plain = Page(audit(made(a=torch.ones(1)))._repr_html_())
    page = Page(found._repr_html_())
    assert (page.elements, page.attributes) == (plain.elements, plain.attributes)
    assert len(page.rows) == len(found) + 1


def test_it_reads_tensors_that_answer_for_little():
    odd = made(
        sparse=torch.eye(2).to_sparse(),
        meta=torch.ones(2, device="meta"),
        nested=torch.nested.nested_tensor([torch.ones(1), torch.ones(2)], layout=torch.jagged),
    )
    odd.register_buffer("held", torch.eye(2).to_sparse())
    assert seen(audit(odd)) == {
        ("plain-tensor", "sparse"),
        ("left-on-meta", "meta"),
        ("plain-tensor", "nested"),
    }
    part = torch.ones(4, device="meta")
    module = put(buffered(whole=part), part=part[1:])
    assert seen(audit(module)) == {("stale-alias", "part")}


class Tagged(torch.Tensor):
    """A tensor class of a learner, all of whose functions would complain."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(func)


def test_a_parameter_of_a_learners_tensor_class_is_hidden_too():
    mark = torch.ones(2).as_subclass(Tagged)
    mark._is_param = True  # as nn.Parameter marks a tensor that keeps its own class
    assert isinstance(mark, nn.Parameter)
    assert seen(audit(made(kept=[mark]))) == {("hidden-parameter", "kept")}
    assert seen(audit(made(kept=[torch.ones(2).as_subclass(Tagged)]))) == {("plain-tensor", "kept")}


def test_every_holder_of_a_shared_container_is_named_however_many():
    cache = [torch.ones(1)]
    model = nn.ModuleList([made(cache=cache) for _ in range(9)])
    assert seen(audit(model)) == {("plain-tensor", f"{number}.cache") for number in range(9)}


def test_a_path_is_the_one_that_torch_writes_for_empty_names_too():
    model = nn.Module()
    model._modules[""] = nn.Linear(1, 1, bias=False).requires_grad_(False)
    assert (
        [one.path for one in audit(model)]
        == [name for name, _ in model.named_parameters()]
        == ["weight"]
    )


def test_a_plain_tensor_in_the_place_of_torchs_own_parameter_is_found():
    module = nn.Linear(2, 3)
    del module.weight
    module.weight = torch.ones(3, 2)
    assert seen(audit(module)) == {("plain-tensor", "weight")}


@pytest.mark.parametrize(
    ("value", "done"),
    [
        (torch.ones(2), "self.register_buffer('x', tensor)"),
        (torch.ones(2, requires_grad=True), "self.x = nn.Parameter(self.x)"),
        ([nn.Parameter(torch.ones(2))], "self.x = nn.ParameterList(self.x)"),
        ([nn.ReLU()], "self.x = nn.ModuleList(self.x)"),
        (nn.Parameter(torch.ones(2)) * 2, "self.x = nn.Parameter(self.x.detach())"),
    ],
    ids=["buffer", "parameter", "parameters", "modules", "wrapped last"],
)
def test_a_name_that_the_class_has_is_refused_or_hidden_and_the_line_says_so(value, done):
    free, taken = nn.Module(), with_class_body(same, x=None)
    for module in (free, taken):
        vars(module)["x"] = value
        (one,) = audit(module)
        assert one.fix.startswith(done)
        assert ("; with no 'x' in the class" in one.fix.replace("#", ";")) == (module is taken)

    vars(taken).pop("x")
    line = done.replace("self.x)", "value)").replace("self.x.", "value.")
    scope = {"self": taken, "nn": nn, "value": value, "tensor": value}
    try:
        exec(line, scope)
    except KeyError as refused:
        assert "attribute 'x' already exists" in str(refused)
    else:
        assert taken.x is None and "x" in taken._modules  # the class is asked first
    (of_torch,) = [one.fix for one in audit(put(nn.Module(), half=torch.ones(2)))]
    assert of_torch.endswith("; under another name, as the class Module has 'half'")


def test_complex_tensors_keep_their_imaginary_part_whatever_is_advised_of_dtypes():
    model = made(
        spectral=nn.Parameter(torch.ones(2, dtype=torch.complex64)),
        lift=nn.Linear(2, 2),
        out=nn.Linear(2, 2).double(),
    )
    (one,) = audit(model)
    line = one.fix.removeprefix("if not meant: ")
    assert line.startswith("part.to(torch.float32)  # of each part that has no complex tensor")
    exec(line, {"part": model.out, "torch": torch})
    assert audit(model) == [] and model.spectral.is_complex()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not model.to(torch.float32).spectral.is_complex()


def test_what_stayed_on_meta_may_be_tied_again_where_one_parameter_has_its_shape():
    def loaded(**more: nn.Module) -> nn.Module:
        with torch.device("meta"):
            model = made(embed=nn.Embedding(4, 2), mid=nn.Linear(2, 2), head=nn.Linear(2, 4, False))
        file = {"embed.weight": torch.ones(4, 2), "mid.weight": torch.ones(2, 2)}
        model.load_state_dict({**file, "mid.bias": torch.ones(2)}, strict=False, assign=True)
        return put(model, **more)

    model = loaded()
    (one,) = audit(model)
    assert (one.code, one.path) == ("left-on-meta", "head.weight")
    exec(one.fix.partition("if it is to be 'embed.weight': ")[2], {"model": model})
    assert model.head.weight is model.embed.weight and not alarms(audit(model))
    (one,) = audit(loaded(second=nn.Embedding(4, 2)))  # nobody knows which
    assert one.fix.endswith("# of a file that has it")


def test_several_tensors_want_gradients_and_one_wants_them():
    def message(count: int) -> str:
        return audit(made(x=[torch.ones(1, requires_grad=True) for _ in range(count)]))[0].message

    assert message(1).startswith("a plain list holds 1 tensor that wants gradients")
    assert message(2).startswith("a plain list holds 2 tensors that want gradients")


def test_the_line_to_write_fits_the_name_and_the_tensor():
    def fix(**held) -> str:
        return audit(made(**held))[0].fix

    leaf = torch.ones(1, requires_grad=True)
    assert fix(scale=leaf) == "self.scale = nn.Parameter(self.scale)"
    assert fix(last=leaf * 2).startswith("self.last = self.last.detach()  # if its numbers")
    assert fix(mask=torch.ones(1)) == (
        "self.register_buffer('mask', tensor)  # in place of self.mask = tensor; "
        "persistent=False keeps it out of the file"
    )
    assert fix(**{"class": leaf}) == "setattr(self, 'class', nn.Parameter(getattr(self, 'class')))"
    assert fix(layers=[nn.ReLU()]) == "self.layers = nn.ModuleList(self.layers)"
    assert fix(scales={"a": parameter()}) == "self.scales = nn.ParameterDict(self.scales)"


def test_a_buffer_is_kept_out_of_the_file_only_as_far_as_the_module_saves_by_no_rule_of_its_own():
    class Keeping(nn.Module):
        """Saves all that it holds, registered or not."""

        def get_extra_state(self):
            return dict(vars(self), **self._buffers)

    class Writing(nn.Module):
        def _save_to_state_dict(self, destination, prefix, keep_vars):
            destination[f"{prefix}mask"] = self.mask

    hooked = nn.Module()
    hooked.register_state_dict_post_hook(lambda one, saved, *_: saved.update(mask=one.mask))
    rules = {
        "Keeping.get_extra_state": Keeping(),
        "Writing._save_to_state_dict": Writing(),
        "its hook on state_dict()": hooked,
    }
    for words, module in rules.items():
        module.mask = torch.ones(2)
        (finding,) = audit(module)
        assert f"whether it is saved is for {words} to say" in finding.message
        assert finding.fix.endswith(
            f"persistent=False keeps it out of the file, unless {words} puts it there"
        )
        del module.mask
        module.register_buffer("mask", torch.ones(2), persistent=False)
        saved = module.state_dict()
        assert "mask" in {**saved, **saved.get("_extra_state", {})}  # as torch really saves it


def test_what_is_set_on_a_module_in_place_of_a_method_decides_as_one_of_its_class_does():
    module = nn.Linear(2, 2)
    module.mean = torch.zeros(2)
    module.type = "a text, which stands in place of no method"
    (plain,) = audit(module)
    assert plain.message.startswith("a plain tensor: state_dict() does not save it and .to()")
    module.state_dict = lambda *_, **__: {"mean": module.mean}
    (saved,) = audit(module)
    assert "whether it is saved is for Linear.state_dict to say" in saved.message
    del module.state_dict
    module._apply = lambda *_: module
    (moved,) = audit(module)
    assert "whether .to() moves it is for Linear._apply to say" in moved.message
