"""The class that lesson 07 builds behaves like torch's: random sequences of actions run on both and
are compared.

The class is put together from the folded solutions of the notebook, so it is what a reader is
given."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from torch import nn

from tests.own_module import reference

BOXES = ("_parameters", "_buffers", "_modules")
# Names that are free, that an object or its class has (a method that no other method calls), and
# that are no names.
NAMES = st.sampled_from(["a", "b", "c", "a", "b", "c", "training", "add_module", "", "a.b"])
PLAIN_NAMES = st.sampled_from(["a", "b", "c", "d", "training"])
KINDS = st.sampled_from(
    [
        "parameter",
        "frozen",
        "old parameter",
        "result",
        "tensor",
        "integers",
        "buffer",
        "hidden",
        "old buffer",
        "module",
        "none",
        "number",
        "text",
    ]
)
MODULES = st.integers(0, 3)
KINDS_OF_ERROR = (
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)
sequences = 0


class OwnModule(RuleBasedStateMachine):
    """Two families of four modules, torch's and ours; tensors are pairs, one for each side."""

    def __init__(self) -> None:
        super().__init__()
        global sequences
        sequences += 1
        self.sides = [[kind() for _ in range(4)] for kind in (nn.Module, reference())]
        # What was made so far, in the same order on both sides.
        self.tensors: tuple[list, list] = ([], [])
        self.saved: list[tuple[dict, dict]] = []
        self.made = 0.0

    def both(self, act) -> None:
        """Run `act(modules, tensors)` on both sides; the same result in words, or the same kind of
        error.
        """
        found = []
        for modules, tensors in zip(self.sides, self.tensors, strict=True):
            labels = {id(one): f"module {number}" for number, one in enumerate(modules)}
            labels |= {id(one): f"tensor {number}" for number, one in enumerate(tensors)}
            try:
                found.append(("returned", words(act(modules, tensors), labels)))
            except RecursionError:
                raise
            except KINDS_OF_ERROR as error:
                found.append(("raised", type(error).__name__))
        assert found[0] == found[1], f"torch {found[0]}, ours {found[1]}"

    def value(self, kind: str, child: int, pick: int, size: int):
        """A function that gives one side its value of this kind."""
        self.made += 1
        number, position = self.made, pick

        def fresh(tensor):
            return lambda modules, tensors: tensors.append(tensor()) or tensors[-1]

        def old(kind):
            def one(modules, tensors):
                there = [tensor for tensor in tensors if isinstance(tensor, kind)]
                return there[position % len(there)] if there else None

            return one

        return {
            "parameter": fresh(lambda: nn.Parameter(torch.full((size,), number))),
            "frozen": fresh(lambda: nn.Parameter(torch.full((size,), number), requires_grad=False)),
            "old parameter": old(nn.Parameter),
            "result": fresh(
                lambda: nn.Parameter(torch.ones(size), False).add_(
                    torch.ones(size, requires_grad=True)
                )
            ),
            "tensor": fresh(lambda: torch.full((size,), number)),
            "integers": fresh(lambda: torch.full((size,), int(number))),
            "buffer": fresh(lambda: nn.Buffer(torch.full((size,), number))),
            "hidden": fresh(lambda: nn.Buffer(torch.full((size,), number), persistent=False)),
            "old buffer": old(torch.Tensor),
            "module": lambda modules, tensors: modules[child],
            "none": lambda modules, tensors: None,
            "number": lambda modules, tensors: 3,
            "text": lambda modules, tensors: "text",
        }[kind]

    @initialize(
        values=st.lists(st.tuples(MODULES, KINDS), min_size=2, max_size=6), nested=st.integers(0, 3)
    )
    def begin_with_some(self, values, nested):
        for number, (owner, kind) in enumerate(values):
            give = self.value("tensor" if kind == "module" else kind, 3, 0, 2)
            name = "abc"[number % 3]
            self.both(
                lambda modules, tensors, give=give, owner=owner, name=name: setattr(
                    modules[owner], name, give(modules, tensors)
                )
            )
        for owner in range(nested):
            self.both(
                lambda modules, tensors, owner=owner: setattr(
                    modules[owner], "d", modules[owner + 1]
                )
            )

    @rule(
        owner=MODULES,
        name=NAMES,
        kind=KINDS,
        child=MODULES,
        pick=st.integers(0, 9),
        size=st.integers(1, 2),
    )
    def assign(self, owner, name, kind, child, pick, size):
        if (
            kind == "module" and child <= owner
        ):  # no circles: they have no state_dict on either side
            kind = "none"
        give = self.value(kind, child, pick, size)
        self.both(lambda modules, tensors: setattr(modules[owner], name, give(modules, tensors)))

    @rule(owner=MODULES, name=NAMES, kind=KINDS, pick=st.integers(0, 9), size=st.integers(1, 2))
    def register_parameter(self, owner, name, kind, pick, size):
        give = self.value(kind, 3, pick, size)
        self.both(
            lambda modules, tensors: modules[owner].register_parameter(name, give(modules, tensors))
        )

    @rule(
        owner=MODULES,
        name=NAMES,
        kind=KINDS,
        pick=st.integers(0, 9),
        size=st.integers(1, 2),
        kept=st.booleans(),
    )
    def register_buffer(self, owner, name, kind, pick, size, kept):
        give = self.value(kind, 3, pick, size)
        self.both(
            lambda modules, tensors: modules[owner].register_buffer(
                name, give(modules, tensors), kept
            )
        )

    @rule(owner=MODULES, name=NAMES, kind=KINDS, child=MODULES, pick=st.integers(0, 9))
    def add_module(self, owner, name, kind, child, pick):
        if child > owner:
            kind = "module"
        elif kind == "module":  # which would close a circle
            kind = "none"
        give = self.value(kind, child, pick, 1)
        self.both(lambda modules, tensors: modules[owner].add_module(name, give(modules, tensors)))

    @rule(owner=MODULES, other=MODULES, name=PLAIN_NAMES, source=PLAIN_NAMES)
    def tie(self, owner, other, name, source):
        def act(modules, tensors):
            value = getattr(modules[other], source)
            if isinstance(value, torch.Tensor) or value in modules[owner + 1 :]:
                setattr(modules[owner], name, value)

        self.both(act)

    @rule(owner=MODULES, name=PLAIN_NAMES)
    def empty(self, owner, name):
        self.both(lambda modules, tensors: setattr(modules[owner], name, None))

    @rule(owner=MODULES, name=NAMES)
    def delete(self, owner, name):
        self.both(lambda modules, tensors: delattr(modules[owner], name))

    @rule(owner=MODULES, name=PLAIN_NAMES)
    def read(self, owner, name):
        self.both(
            lambda modules, tensors: [getattr(modules[owner], name), hasattr(modules[owner], name)]
        )

    @rule(owner=MODULES, path=st.sampled_from(["", "a", "b", "a.b", "b.c.a", "a.a.a"]))
    def get_submodule(self, owner, path):
        self.both(lambda modules, tensors: modules[owner].get_submodule(path))

    @rule(
        owner=MODULES,
        prefix=st.sampled_from(["", "net"]),
        recurse=st.booleans(),
        once=st.booleans(),
    )
    def names(self, owner, prefix, recurse, once):
        def act(modules, tensors):
            module = modules[owner]
            listed = [
                list(call(prefix=prefix, recurse=recurse, remove_duplicate=once))
                for call in (module.named_parameters, module.named_buffers)
            ]
            walked = list(module.named_modules(prefix=prefix, remove_duplicate=once))
            return [
                listed,
                walked,
                list(module.named_children()),
                list(module.modules()),
                list(module.parameters()),
            ]

        self.both(act)

    @rule(owner=MODULES, prefix=st.sampled_from(["", "net."]), keep_vars=st.booleans())
    def save(self, owner, prefix, keep_vars):
        self.both(
            lambda modules, tensors: modules[owner].state_dict(prefix=prefix, keep_vars=keep_vars)
        )
        states = [modules[owner].state_dict() for modules in self.sides]
        self.saved.append(
            tuple({key: value.clone() for key, value in state.items()} for state in states)
        )

    @rule(
        owner=MODULES,
        pick=st.integers(0, 9),
        own=st.booleans(),
        strict=st.booleans(),
        spoil=st.sampled_from(["", "less", "more", "shape"]),
    )
    def load(self, owner, pick, own, strict, spoil):
        if own or not self.saved:
            states = [
                {key: value + 1 for key, value in side[owner].state_dict().items()}
                for side in self.sides
            ]
        else:
            states = [dict(state) for state in self.saved[pick % len(self.saved)]]
        for state in states:
            last = list(state)[pick % len(state)] if state else "a"
            if spoil == "more":
                state[f"{last}.more"] = torch.ones(1)
            elif spoil == "less":
                state.pop(last, None)
            elif spoil == "shape":
                state[last] = torch.ones(3 - state[last].numel() if last in state else 1)

        def act(modules, tensors):
            state = states[modules is self.sides[1]]
            return [sorted(keys) for keys in modules[owner].load_state_dict(state, strict=strict)]

        self.both(act)

    @rule(owner=MODULES, to=st.sampled_from([torch.float64, torch.float32, torch.int64, "cpu"]))
    def move(self, owner, to):
        self.both(lambda modules, tensors: modules[owner].to(to))

    @rule(owner=MODULES, mode=st.booleans())
    def switch(self, owner, mode):
        self.both(
            lambda modules, tensors: modules[owner].train() if mode else modules[owner].eval()
        )
        self.both(lambda modules, tensors: modules[owner](mode))  # there is no forward

    @invariant()
    def both_hold_the_same(self):
        self.both(lambda modules, tensors: [contents(module) for module in modules])


def contents(module) -> list:
    own = vars(module)
    boxes = [[(name, own[box][name]) for name in own[box]] for box in BOXES]
    plain = sorted((name, value) for name, value in own.items() if not name.startswith("_"))
    return [*boxes, sorted(own["_non_persistent_buffers_set"]), plain]


def words(value, labels) -> str:
    """`value` as a text that is the same on both sides if the value is."""
    if isinstance(value, torch.Tensor):
        name = labels.get(id(value), "another tensor")
        kind = "parameter" if isinstance(value, nn.Parameter) else "tensor"
        return f"{name}: {kind} {value.dtype} {value.requires_grad} {value.detach().tolist()}"
    if id(value) in labels:
        return labels[id(value)]
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {words(one, labels)}' for key, one in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(words(one, labels) for one in value)}]"
    if callable(value):
        return "something of the class"
    return repr(value)


SETTINGS = settings(
    max_examples=400,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_four_hundred_sequences_of_actions_end_alike_on_both_classes():
    global sequences
    sequences = 0
    run_state_machine_as_test(OwnModule, settings=SETTINGS)
    assert sequences >= 400


def keeps_the_hidden_name(self, name):
    box = next(
        (box for box in (self._parameters, self._buffers, self._modules) if name in box), vars(self)
    )
    del box[name]


def finds_children_twice(self):
    return iter([pair for pair in self._modules.items() if pair[1] is not None])


def saves_what_is_listed(self, prefix="", keep_vars=False):
    return {
        prefix + name: one if keep_vars else one.detach() for name, one in self.named_parameters()
    }


def loads_any_shape(self, state_dict, strict=True):
    own = self.state_dict()
    for key in own.keys() & state_dict.keys():
        own[key].copy_(state_dict[key])
    wrong = [[*(own.keys() - state_dict.keys())], [*(state_dict.keys() - own.keys())]]
    if strict and any(wrong):
        raise RuntimeError
    return wrong


def looks_at_buffers_first(self, name):
    for box in ("_modules", "_buffers", "_parameters"):
        if vars(self).get(box, {}).get(name) is not None:
            return vars(self)[box][name]
    raise AttributeError(name)


FAULTS = {
    "__delattr__": keeps_the_hidden_name,
    "named_children": finds_children_twice,
    "state_dict": saves_what_is_listed,
    "load_state_dict": loads_any_shape,
    "__getattr__": looks_at_buffers_first,
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_sequences_find_a_class_with_one_fault(name, monkeypatch):
    monkeypatch.setattr(reference(), name, FAULTS[name], raising=False)
    once = settings(SETTINGS, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(OwnModule, settings=once)
