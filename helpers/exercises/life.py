"""The life of a module that the learner wrote: what happens to any module, and a call after each.

`living("Scaler", 2, calls=...)` is an experiment. Each of its cases is one event, told with all
that can be seen from outside: keys, parameters, buffers, results, gradients. A tensor that is kept
where torch does not know it (a list, a second attribute) shows itself after an event that replaces
or fills the registered one.
"""

from __future__ import annotations

import copy
import io
import pickle
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from helpers.exercises.exercise import Experiment
from helpers.exercises.facts import FINE, FREE, NEAR, Facts, Known, Numbers, Raised, facts, numbers
from helpers.exercises.menagerie import fill, numbers_for, tensors_of, train_on
from helpers.state.torch_private import CONTAINERS, METADATA

_SEED = 12345  # of the random numbers, where a module is made


class Life:
    """One instance on its way, and a twin of which nobody should hear."""

    def __init__(
        self,
        make: Callable[[], nn.Module],
        look: Mapping[str, Callable],
        begins: tuple[str, ...],
        own: Collection[str] | None,
        beside: Callable[[], object],
    ) -> None:
        self.make, self.look, self.begins, self.own = make, look, begins, own
        self.beside = beside
        self.module = self.twin = self.kept = self.old = self.result = None
        self.replaced: list[str] = []  # the parameters that the last load has put others for

    def begin(self, event: str) -> None:
        if self.kept is not None:
            self.module, self.kept = self.kept, None
        {**EVENTS, **LAST}[event](self)

    def made(self) -> None:
        torch.default_generator.manual_seed(_SEED)
        self.twin, self.module = self.make(), self.make()
        self.seeds = torch.initial_seed() != _SEED
        self.beside()

    def filled(self) -> None:
        self.module.train()
        fill(self.module, self.own)

    def used(self) -> None:
        self.module.train()

    def in_eval(self) -> None:
        self.module.eval()

    def stepped(self) -> None:
        self.module.train()
        trained = [one for one in self.module.parameters() if one.grad is not None]
        if trained:
            torch.optim.SGD(trained, lr=0.1).step()

    def copied(self) -> None:
        self.old, self.module = self.module, copy.deepcopy(self.module)
        train_on(self.old)
        self._of_old = self._all_of(self.old)

    def pickled(self) -> None:
        old, file = self.module, io.BytesIO()
        try:
            _Pickler(file, type(old)).dump(old)
        except Exception:
            return  # nobody said that it can be pickled
        file.seek(0)
        self.module = _Unpickler(file, type(old)).load()
        train_on(old)

    def reloaded(self, whole: Callable[[nn.Module], nn.Module] = lambda module: module) -> None:
        file = io.BytesIO()
        torch.save(whole(self.module).state_dict(), file)
        file.seek(0)
        self.module = self.make()
        held = dict(self.module.named_parameters())
        whole(self.module).load_state_dict(torch.load(file, weights_only=True))
        now = dict(self.module.named_parameters())
        mine = held if self.own is None else held.keys() & self.own
        self.replaced = [name for name in mine if now.get(name) is not held[name]]

    def reloaded_as_a_part(self) -> None:
        self.reloaded(lambda module: nn.ModuleDict({"part": module}))

    def reloaded_from_memory(self) -> None:
        """The state as it is handed over, without a file: what is no tensor may be shared."""
        self.old, self.module = self.module, self.make()
        self.module.load_state_dict(self.old.state_dict())
        train_on(self.old)
        self._of_old = self._all_of(self.old)

    def assigned(self) -> None:
        state = self.module.state_dict()
        for key in state if self.own is None else self.own:
            state[key] = numbers_for(f"new {key}", state[key])
        self.module.load_state_dict(state, assign=True)

    def as_float64(self) -> None:
        self.module.to(torch.float64)

    def in_both_modes(self) -> None:
        self.module.eval()
        self.module.train()

    def frozen(self) -> None:
        self.module.requires_grad_(False)

    def not_frozen(self) -> None:
        self.module.requires_grad_(True)

    def as_float32(self) -> None:
        self.module.to(torch.float32)

    def copied_to_float16(self) -> None:
        """For one event: what was rounded would not be the same again in `float32`."""
        self.kept, self.module = self.module, copy.deepcopy(self.module).to(torch.float16)

    def on_meta(self) -> None:
        self.module.to("meta")

    def emptied(self) -> None:
        self.module.to_empty(device="cpu")
        fill(self.module, self.own)

    def in_double(self) -> None:
        self.module = self.make()
        names = tensors_of(self.module) if self.own is None else self.own
        self.module.to(torch.float64)
        fill(self.module, {*names} - {*self.begins})

    def seen(self, event: str, given: tuple, free: Collection[str]) -> Facts:
        """What can be seen after `event`, and after a call with the inputs `given`, if any."""
        if event == "made":
            known = Known()
            known.add(second=_face(self.twin))
            seen = {f"`{name}` is kept as": _home(self.module, name) for name in self.begins}
            seed = "set anew" if self.seeds else "left alone"
            seen["the seed of torch's random numbers is"] = seed
            seen |= self._facts({*free, "numbers"}, known)
            for name in self.begins:
                tensor = _face(self.module).get(name)
                if tensor is not None:
                    seen[f"at first the numbers of `{name}` are"] = numbers(tensor)
            fill(self.twin, self.own)
            self._of_twin = self._all_of(self.twin)
            return seen | self._looked(self.module)
        how = "in a graph" if self.module.training else "a leaf"
        how = "alone" if event in ("called again", "eval()") else how
        if event == "eval() at once" and not self.begins:
            free = {*free, "numbers"}  # the first ones, which nobody asks for
        seen = self._call(given, free, how) if given else {}
        seen |= self._facts(free) | self._looked(self.module) | self._others()
        if event.startswith("saved"):
            seen["the parameters that the load has replaced are"] = _names(self.replaced)
        if event in LAST:
            seen = {words: _finely(one) for words, one in seen.items()}
        return seen

    def after(self, line: str, given: tuple, free: Collection[str]) -> Facts:
        """What can be seen after `line` of code, and after a call with the inputs `given`."""
        known, space = Known(), {}
        known.add(before=_face(self.module))
        try:
            exec(line, {"torch": torch, "nn": nn, "copy": copy, "module": self.module}, space)
            seen = {f"`{line}`": "raises nothing"}
        except Exception as error:
            seen = {f"`{line}`": Raised.of(error)}
        known.add(**space)
        for name in re.findall(r"module\.(\w+)", line)[:1]:
            seen[f"`{name}` is kept as"] = _home(self.module, name)
        seen |= self._facts(free, known) | self._looked(self.module) | self._others()
        try:
            asked = {"the call after it": "raises nothing"}
            return seen | asked | self._call(given, free, "in a graph")
        except Exception as error:
            return {**seen, "the call after it": Raised.of(error)}

    def after_in_eval(self, line: str, given: tuple, free: Collection[str]) -> Facts:
        """The same for a copy in eval mode, in which nothing but the line and the call happens."""
        kept, self.module = self.module, copy.deepcopy(self.module).eval()
        try:
            return self.after(line, given, free)
        finally:
            self.module = kept

    def _facts(self, free: Collection[str], known: Known | None = None) -> Facts:
        return _facts_of(self.module, free, known, self.own)

    def _others(self) -> Facts:
        """Whether another instance, which nobody has used, and the one that was copied, or whose
        state was, are as they were."""
        same = self._all_of(self.twin) == self._of_twin
        seen = {"another one, which nobody has used, is": "as it was" if same else "changed"}
        if self.old is not None:
            same = self._all_of(self.old) == self._of_old
            seen["the one of which it has the state is"] = "as it was" if same else "changed"
        return seen

    def _all_of(self, module: nn.Module) -> Facts:
        state = module.state_dict()
        notes = {key: one for key, one in state.items() if not isinstance(one, torch.Tensor)}
        seen = _facts_of(module, (), state=state)
        return seen | facts("notes", notes) | self._looked(module)

    def _looked(self, module: nn.Module) -> Facts:
        seen = {}
        for path, look in self.look.items():
            try:
                seen |= facts(path, look(module))
            except Exception as error:
                seen[f"`{path}` is"] = Raised.of(error)
        return seen

    def _call(self, given: tuple, free: Collection[str], how: str) -> Facts:
        inputs = [_like(self.module, value, how) for value in given]
        tensors = [value for value in inputs if isinstance(value, torch.Tensor)]
        before = [(numbers(value), value.requires_grad) for value in tensors]
        face = _face(self.module)
        self.module.zero_grad()
        with torch.set_grad_enabled(how != "alone"):
            result = self.module(*inputs)
            switched = torch.is_grad_enabled() != (how != "alone")
        known = Known()
        known.add(x=tensors, module=face)  # now: a call may give its tensors other memory
        seen = facts("result", result, known, free)
        seen["afterwards gradients are for the caller"] = "switched" if switched else "as before"
        if "memory" not in free:
            seen["the result of the call before is"] = self._kept_as_it_was()
            self.result = (result, facts("result", result))
        if isinstance(result, torch.Tensor) and result.requires_grad:
            (result * numbers_for("result", result)).sum().backward()
        for i, value in enumerate(tensors):
            seen[f"after the call the input `x[{i}]` is"] = (
                "as it was" if (numbers(value), value.requires_grad) == before[i] else "changed"
            )
            if value.grad is not None and not value.is_meta:
                arrived = "there" if "numbers" in free else numbers(value.grad)
                seen[f"the gradient of the input `x[{i}]` is"] = arrived
        return seen if "memory" in free else seen | self._shared(tensors, result)

    def _kept_as_it_was(self) -> str:
        """Whether the result that the caller still has from the call before is what it was."""
        result, before = self.result or (None, facts("result", None))
        return "as it was" if facts("result", result) == before else "changed"

    def _shared(self, inputs: list[torch.Tensor], result: object) -> Facts:
        """Which tensors of the module lie in the memory of an input, or of the result.

        Who changes that one in place would change the module with it."""
        others = {f"the input `x[{i}]`": value for i, value in enumerate(inputs)}
        others["the result"] = result
        places = {words: _storage(value) for words, value in others.items()}
        seen = {}
        for name, tensor in _face(self.module).items():
            if self.own is None or name in self.own:
                found = [words for words, place in places.items() if place == _storage(tensor) != 0]
                seen[f"after the call `{name}` shares memory with"] = " and ".join(found) or "none"
        return seen


# The events in their order, each with the words for it.
EVENTS = {
    "made": Life.made,
    "eval() at once": Life.in_eval,
    "its numbers set": Life.filled,
    "saved and loaded into a fresh one": Life.reloaded,
    "called in training mode": Life.used,
    "called again": Life.used,
    "an optimizer's step": Life.stepped,
    "copy.deepcopy": Life.copied,
    "pickle": Life.pickled,
    "its state_dict loaded into a fresh one": Life.reloaded_from_memory,
    "saved and loaded as a part of a model": Life.reloaded_as_a_part,
    "load_state_dict(assign=True)": Life.assigned,
    "eval()": Life.in_eval,
    "load_state_dict(assign=True) in eval mode": Life.assigned,
    "train()": Life.used,
    ".to(torch.float64)": Life.as_float64,
    "eval() and train()": Life.in_both_modes,
    "requires_grad_(False)": Life.frozen,
    "requires_grad_(True)": Life.not_frozen,
    ".to(torch.float32)": Life.as_float32,
    "a copy in torch.float16": Life.copied_to_float16,
    '.to("meta")': Life.on_meta,
    "to_empty and new numbers": Life.emptied,
    "saved and loaded at last": Life.reloaded,
}
# After all others, for a module without a past.
LAST = {"a new one, `.to(torch.float64)`": Life.in_double}


def living(
    name: str,
    *args: object,
    calls: tuple[tuple, ...] = (),
    look: Mapping[str, Callable[[nn.Module], object]] | None = None,
    begins: tuple[str, ...] = (),
    lines: tuple[str, ...] = (),
    own: Collection[str] | None = None,
    beside: Callable[[type], object] = lambda kind: None,
    free: Collection[str] = (),
    **named: object,
) -> Experiment:
    """The experiment in which `name(*args, **named)` lives, and is called with each of `calls`.

    `begins` names the tensors whose first numbers are asked for. `look` has more questions to ask
    of the module at each event: words, and a function. `lines` of code, such as `module.scale = 3`,
    are more events, at the end, for a copy; what they assign to names of their own is known under
    these. `own` are the tensors that the docstring names, where the others are the learner's
    affair: nobody sets these, or asks for them. `beside` makes one more of the class, from other
    arguments, of which the first should not hear. `free` says what nobody asked for: names of
    `facts.FREE`, "keys" (of the state_dict), and events that are left out."""
    assert set(free) <= {*FREE, "keys", *EVENTS, *LAST}, free
    given = [*map(repr, args), *(f"{key}={one!r}" for key, one in named.items())]
    words = f"{name}({', '.join(given)})"

    def experiment(answer: type) -> Iterator[tuple[str, Callable[[], Facts]]]:
        make = partial(_made, answer, args, named)
        life = Life(make, look or {}, begins, own, partial(beside, answer))
        # Every other event begins with the input with which the one before has ended.
        turned = [event for event in (*EVENTS, *LAST) if event not in free][::2]

        def case(event: str, number: int) -> Facts:
            if number == 0:
                life.begin(event)
            order = calls[::-1] if event in turned else calls
            given = order[number] if number < len(calls) else ()
            return life.seen(event, given, free)

        def cases(event: str) -> Iterator[tuple[str, Callable[[], Facts]]]:
            often = 1 if event == "made" else max(1, len(calls))
            for number in range(often if event not in free else 0):
                which = f", call {number + 1}" * (often > 1)
                yield f"`{words}`, {event}{which}", partial(case, event, number)

        for event in EVENTS:
            yield from cases(event)
        if lines:
            yield f"`{words}`, copied once more", partial(case, "copy.deepcopy", 0)
        for line in lines:
            given = calls[0] if calls else ()
            in_eval = partial(life.after_in_eval, line, given, free)
            yield f"`{words}`, after `{line}` in eval mode", in_eval
            yield f"`{words}`, after `{line}`", partial(life.after, line, given, free)
        for event in LAST:
            yield from cases(event)

    return experiment


def _made(answer: type, args: tuple, named: dict) -> nn.Module:
    """An instance made from a copy of the arguments. ValueError: it has changed them."""
    given = copy.deepcopy(args)
    module = answer(*given, **named)
    if repr(given) != repr(args):
        raise ValueError(f"the arguments were {args!r}, and have become {given!r}")
    return module


def in_turn(*experiments: Experiment) -> Experiment:
    """One experiment after the other."""

    def experiment(answer: object) -> Iterator[tuple[str, Callable[[], Facts]]]:
        for one in experiments:
            yield from one(answer)

    return experiment


def _face(module: nn.Module) -> dict[str, torch.Tensor]:
    return {**_all_parameters(module), **_all_buffers(module)}


def _all_parameters(module: nn.Module) -> dict[str, torch.Tensor]:
    return dict(module.named_parameters(remove_duplicate=False))


def _all_buffers(module: nn.Module) -> dict[str, torch.Tensor]:
    return dict(module.named_buffers(remove_duplicate=False))


def _home(module: nn.Module, path: str) -> str:
    """What the name at `path` is to the module that holds it."""
    *parts, name = path.split(".")
    owner = dict(module.named_modules()).get(".".join(parts))
    if owner is None:
        return "nothing"
    words = ("parameter", "buffer", "submodule")
    kinds = {kind: vars(owner)[box] for kind, box in zip(words, CONTAINERS, strict=True)}
    homes = [
        f"a {kind}" if slots[name] is not None else f"an empty slot of a {kind}"
        for kind, slots in kinds.items()
        if name in slots
    ]
    homes += ["a plain attribute"] if name in vars(owner) else []
    return " and ".join(homes) or "nothing"


def _facts_of(
    module: nn.Module,
    free: Collection[str],
    known: Known | None = None,
    own: Collection[str] | None = None,
    state: Mapping[str, object] | None = None,
) -> Facts:
    """Parameters, buffers and keys of `module`, of the tensors those in `own`: torch's answers.

    `state` is its state_dict, where that is at hand."""
    known, seen = known or Known(), {}
    parameters = _all_parameters(module)
    if "keys" not in free:
        state = module.state_dict() if state is None else state
        seen["the keys of the `state_dict` are"] = _names(state)
        noted = "" in getattr(state, METADATA, ())
        seen["the notes in `state_dict()._metadata` are"] = "there" if noted else "lost"
    seen["the parameters are"] = _names(parameters)
    free = frozenset({*free, "marks"})  # they are the learner's own
    for name, tensor in (parameters | _all_buffers(module)).items():
        if tensor is not None and (own is None or name in own):
            seen |= facts(name, tensor, known, free)
    return seen


def _finely(value: object) -> object:
    """`value`; numbers that a computation in double precision gave are compared as finely."""
    is_numbers = isinstance(value, Numbers) and value.near == NEAR
    return replace(value, near=FINE) if is_numbers else value


def _names(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


def _storage(value: object) -> int:
    """Where the memory of a tensor begins; 0 where there is none."""
    if not isinstance(value, torch.Tensor) or value.is_meta or not value.numel():
        return 0
    return value.untyped_storage().data_ptr()


def _like(module: nn.Module, value: object, how: str) -> object:
    """A fresh input, with the dtype and on the device of the module's own tensors; another dtype
    than `float32` it keeps.

    `how` says whether autograd knows it: "in a graph", "a leaf", or "alone", with gradients off."""
    if not isinstance(value, torch.Tensor):
        return value
    own = [one for one in _face(module).values() if one.is_floating_point()]
    if own and value.is_floating_point():
        dtype = own[0].dtype if value.dtype == torch.float32 else value.dtype
        value = value.to(own[0].device, dtype)
    value = value.detach().clone()
    if how == "alone" or not value.is_floating_point():
        return value
    value.requires_grad_()
    if how == "in a graph":
        value = value * 1  # who keeps it keeps a graph
        value.retain_grad()
    return value


class _Pickler(pickle.Pickler):
    """Pickles an instance whose class need not be found by its name: a notebook's, or a test's."""

    def __init__(self, file: io.BytesIO, kind: type) -> None:
        super().__init__(file)
        self.kind = kind

    def persistent_id(self, value: object) -> str | None:
        return "the class" if value is self.kind else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, kind: type) -> None:
        super().__init__(file)
        self.kind = kind

    def persistent_load(self, _: str) -> type:
        return self.kind
