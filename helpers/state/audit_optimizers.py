"""The rules of `audit` for a model and its optimizers: what is trained, by which, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import torch

from helpers.state.findings import Symptom, rule
from helpers.state.holders import Holders, Registered
from helpers.state.objects import Facts, facts
from helpers.state.optimizers import (
    INITIAL_RATE,
    NAMES,
    Optimizers,
    Position,
    steps_as_torch_does,
)
from helpers.state.places import Place

_SHORT = (torch.float16, torch.bfloat16)


class Training:
    """A model and its optimizers: who holds which Parameter, and which part of the model."""

    def __init__(self, model: Holders, optimizers: Optimizers) -> None:
        self.model, self.optimizers = model, optimizers

    @property
    def missed(self) -> list[Registered]:
        """The trainable Parameters that no optimizer holds, nor a master copy of them."""
        return [] if self.masters else self._absent

    @property
    def strangers(self) -> list[Position]:
        """The first position of each tensor that the model has nowhere: it is of a part that was
        replaced, or of something else that is trained as well."""
        return [] if self.masters else self._foreign

    @cached_property
    def masters(self) -> list[Position]:
        """The positions of tensors in float32 for all of the Parameters in a shorter dtype that no
        optimizer holds, with the frozen ones or without: of the same shapes, or in rows that have
        many together. So does mixed precision."""
        foreign, trained = set(self._foreign), [facts(one.tensor) for one in self._absent]
        numbers = range(len(self.optimizers.read))
        held = [pair for number in numbers for pair in self.optimizers.tensors(number)]
        copies = [facts(tensor) for position, tensor in held if position in foreign]
        if {one.dtype for one in copies} != {torch.float32} or not trained:
            return []
        shorter = [one for one in (facts(two.tensor) for two in self._left) if one.dtype in _SHORT]
        if any(one.dtype not in _SHORT for one in trained):
            return []
        return self._foreign if any(_stand_for(copies, one) for one in (trained, shorter)) else []

    @cached_property
    def _left(self) -> list[Registered]:
        held = self.optimizers.held
        return [one for one in self.model.parameters if id(one.tensor) not in held]

    @cached_property
    def _absent(self) -> list[Registered]:
        return [one for one in self._left if facts(one.tensor).requires_grad]

    @cached_property
    def _foreign(self) -> list[Position]:
        known = self.model.registered.keys() | self.model.in_plain_attributes
        return [places[0] for key, places in self.optimizers.held.items() if key not in known]

    @cached_property
    def holders(self) -> dict[int, set[int]]:
        """id of a module -> the numbers of the optimizers that hold a Parameter of it, or of one
        below it."""
        found: dict[int, set[int]] = {}
        for key, positions in self.optimizers.held.items():
            numbers = {position.optimizer for position in positions}
            for node in self.model.owners_of(key):
                for above in self.model.up_from(node):
                    known = found.setdefault(above, set())
                    if known >= numbers:
                        break
                    known |= numbers
        return found

    def untouched(self, one: Registered) -> int | None:
        """The node of the largest part around a Parameter of which no optimizer holds anything;
        None if one holds something of its own module, or none anything of the whole model."""
        if self.has_neighbours(one):
            return None
        largest = None
        node = one.place.node
        while node >= 0 and self.model.owners[node] not in self.holders:
            largest = node
            node = self.model.nodes[node].node
        return largest or None  # 0 is the root: they hold nothing of the whole model

    def has_neighbours(self, one: Registered) -> bool:
        """Does an optimizer hold something of a module that the Parameter is in, or below it?"""
        owners = (self.model.owners[node] for node, _ in self.model.names(one))
        return any(owner in self.holders for owner in owners)

    def nearest(self, one: Registered) -> set[int]:
        """The optimizers that hold something of the smallest part around a Parameter."""
        around = (self.holders.get(above, set()) for above in self.model.up_from(one.place.node))
        return next(filter(None, around), set())


def _stand_for(copies: list[Facts], originals: list[Facts]) -> bool:
    """Have they the same shapes, or are they rows with as many numbers?"""
    rows = all(len(one.shape or ()) == 1 for one in copies)
    count, wanted = (sum(one.numel or 0 for one in some) for some in (copies, originals))
    shapes, others = (Counter(one.shape for one in some) for some in (copies, originals))
    return shapes == others or (rows and count == wanted)


@rule("optimizer-misses", "error", "parameter")
def missed_parameter(training: Training) -> Iterator[Symptom]:
    """Beside Parameters that an optimizer holds, or while one holds what is not the model's."""
    message = "wants gradients and is in none of the optimizers: each step() passes over it"
    if len(training.optimizers.read) == 1:
        message = "wants gradients and is not in the optimizer: optimizer.step() passes over it"
    for one in training.missed:
        if training.strangers or training.untouched(one) is None:
            yield Symptom(one.place, message, _added(training, one))


def _added(training: Training, one: Registered) -> str:
    """The line that hands a Parameter to the optimizer of its neighbours. One that has none may as
    well be another optimizer's."""
    optimizers, nearest = training.optimizers, training.nearest(one) or {0}
    takers = {at for at, read in enumerate(optimizers.read) if _takes(read.kind, one.tensor)}
    if not takers:
        note = "with one that takes it: Muon steps on matrices alone"
        return f"{_with_its_own(optimizers)}  # {note}"
    numbers = nearest & takers or {min(takers)}
    number = min(numbers)
    # It steps on its first group alone.
    if issubclass(optimizers.read[number].kind, torch.optim.LBFGS):
        return _made_anew(optimizers, number)
    path = training.model.path(one.place)
    given = f"model.get_parameter({path!r})"
    if optimizers.groups_have(number, NAMES):  # then it takes names alone
        given = f"({path!r}, {given})"
    line = f"{optimizers.name(number)}.add_param_group({{'params': [{given}]}})"
    notes = _of_a_scheduler(optimizers, number)
    if not training.has_neighbours(one):
        other = _with_its_own(optimizers)
        notes = [f"if it replaced one there; if another optimizer trains it: {other}", *notes]
    elif len(numbers) > 1:
        others = ", ".join(map(optimizers.name, sorted(numbers - {number})))
        notes = [f"or, if that is to train it, to {others}", *notes]
    return line + (f"  # {'; '.join(notes)}" if notes else "")


def _of_a_scheduler(optimizers: Optimizers, number: int) -> list[str]:
    """What is to be done about the scheduler that an optimizer has, in words; nothing for none."""
    has_one = optimizers.groups_have(number, INITIAL_RATE)
    return ["then make its scheduler anew: it counts on the groups there were"] if has_one else []


def _with_its_own(optimizers: Optimizers) -> str:
    """The call of `audit` with one optimizer more, which trains what the others leave out."""
    return f"audit(model, {optimizers.names()}, its_optimizer)"


# It takes matrices alone, and raises for anything else. A release may lack it.
_MUON = getattr(torch.optim, "Muon", ())


def _takes(kind: type, tensor: torch.Tensor) -> bool:
    """Can an optimizer of this class step on the tensor?"""
    return not issubclass(kind, _MUON) or len(facts(tensor).shape or ()) == 2


def _made_anew(optimizers: Optimizers, number: int) -> str:
    name = optimizers.name(number)
    after = "after the last change to the model"
    source, note = "part", f"of its part, {after}"
    if len(optimizers.read) == 1:
        source, note = "model", after
    given = f"{source}.parameters()"
    if issubclass(optimizers.read[number].kind, _MUON):
        given = f"[one for one in {given} if one.ndim == 2]"
    return f"{name} = type({name})({given}, lr=...)  # {note}"


@rule("optimizer-misses", "warning", "parameter")
def untouched_module(training: Training) -> Iterator[Symptom]:
    """A part of which no optimizer holds anything: another does, or it is not to be trained."""
    model, parts = training.model, {}
    for one in [] if training.strangers else training.missed:
        node = training.untouched(one)
        if node is not None:
            parts.setdefault(node, []).append(one)
    for node, missed in parts.items():
        what, them = "its Parameter is", "it"
        if len(missed) > 1:
            what, them = f"its {len(missed):,} trainable Parameters are", "them"
        each = f"so each step() of these passes over {them}"
        message = f"{what} in no optimizer given to audit(), {each}"
        place = model.nodes[node]
        frozen = f"model.get_submodule({model.path(place)!r}).requires_grad_(False)"
        line = _with_its_own(training.optimizers)
        taken = _taken_in(training, place, missed)
        fix = f"{line}  # if another trains it; {taken}if none is to: {frozen}"
        yield Symptom(place, message, fix)


def _taken_in(training: Training, place: Place, missed: list[Registered]) -> str:
    """The line that hands a part to the one optimizer there is, in case it was unfrozen late."""
    optimizers = training.optimizers
    kinds = [read.kind for read in optimizers.read]
    takes = len(kinds) == 1 and all(_takes(kinds[0], one.tensor) for one in missed)
    if not takes or issubclass(kinds[0], torch.optim.LBFGS):
        return ""
    path = training.model.path(place)
    part = f"model.get_submodule({path!r}).parameters()"
    if optimizers.groups_have(0, NAMES):  # then it takes names alone
        part = f"model.get_submodule({path!r}).named_parameters(prefix={path!r})"
    line = f"{optimizers.names()}.add_param_group({{'params': {part}}})"
    scheduler = "".join(f", and {one}" for one in _of_a_scheduler(optimizers, 0))
    return f"if this one is to, as of a part that was frozen: {line}{scheduler}; "


@rule("optimizer-stale", "error", "plain tensor")
def stale_tensor(training: Training) -> Iterator[Symptom]:
    """A tensor that is in an optimizer and not in the model, while one of the model is in none."""
    message = (
        "no parameter of the model: optimizer.step() changes a tensor that parameters() does not "
        "list, or passes over it for want of a gradient"
    )
    for position in training.strangers if training.missed else []:
        made = _made_anew(training.optimizers, position.optimizer)
        fix = f"{made}; if it is of something else that is trained: {_with_other(training)}"
        yield Symptom(training.optimizers.path(position), message, fix)


@rule("optimizer-stale", "warning", "plain tensor")
def foreign_tensors(training: Training) -> Iterator[Symptom]:
    """The same, while all of the model is held: of a loss or a second model, or left over."""
    if training.missed or not training.strangers:
        return
    first, count = training.strangers[0], len(training.strangers)
    more = f", and {count - 1:,} more" if count > 1 else ""
    message = (
        f"no parameter of the model{more}: of something else that is trained with it, as a loss, "
        "or left over from a part that was replaced"
    )
    made = _made_anew(training.optimizers, first.optimizer).partition("  #")[0]
    fix = f"{_with_other(training)}  # with what they are of; if they are left over: {made}"
    yield Symptom(training.optimizers.path(first), message, fix)


@rule("optimizer-stale", "info", "plain tensor")
def master_copies(training: Training) -> Iterator[Symptom]:
    if training.masters:
        first, many = training.masters[0], len(training.masters) > 1
        message = (
            f"{'tensors' if many else 'a tensor'} in torch.float32 with as many numbers as the "
            "Parameters in a shorter dtype that are in no optimizer, as a master copy has, for "
            "mixed precision: then a step changes the copy, and the model follows once it is "
            "copied back"
        )
        made = _made_anew(training.optimizers, first.optimizer)
        fix = f"if it is none, but of an earlier model: {made}"
        yield Symptom(training.optimizers.path(first), message, fix)


def _with_other(training: Training) -> str:
    return f"audit(nn.ModuleList([model, other]), {training.optimizers.names()})"


@rule("optimizer-twice", "warning", "parameter")
def held_twice(training: Training) -> Iterator[Symptom]:
    optimizers = training.optimizers
    for one in training.model.parameters:
        positions = optimizers.held.get(id(one.tensor), ())
        if len(positions) > 1:
            places = ", ".join(map(optimizers.line, positions))
            message = (
                f"{len(positions)} times in the optimizers, and stepped on each time: {places}"
            )
            yield Symptom(one.place, message, _held_once(training, one, positions))


def _held_once(training: Training, one: Registered, positions: list[Position]) -> str:
    """The line that leaves a Parameter in one of its places, and the others as they are. It names
    no position: an earlier line may have moved all that come after."""
    optimizers, first, last = training.optimizers, positions[0], positions[-1]
    holder = optimizers.name(last.optimizer)
    group = f"{holder}.param_groups[{last.group}]"
    if _keeps_more_lists(optimizers, last.optimizer):
        return f"{_made_anew(optimizers, last.optimizer)}, with each Parameter once"
    if (first.optimizer, first.group) == (last.optimizer, last.group):
        return f"{group}['params'] = list(dict.fromkeys({group}['params']))"
    parameter = f"model.get_parameter({training.model.path(one.place)!r})"
    rest = f"[one for one in {group}['params'] if one is not {parameter}]"
    memory = "" if first.optimizer == last.optimizer else f"{holder}.state.pop({parameter}, None)"
    return f"{group}['params'] = {rest}" + (f"; {memory}" if memory else "")


class Misfit(NamedTuple):
    """What an optimizer remembers of a Parameter in another dtype, or on another device."""

    parameter: Registered
    name: str
    memory: Facts


def _keeps_more_lists(optimizers: Optimizers, number: int) -> bool:
    """Does an optimizer keep a list beside that of its Parameters, which is to fit it?"""
    named = optimizers.groups_have(number, NAMES)
    return named or issubclass(optimizers.read[number].kind, torch.optim.LBFGS)


@rule("optimizer-state", "error", "parameter")
def misfit_memory(training: Training) -> Iterator[Symptom]:
    """One finding for an optimizer: a move takes all of a model, or of a memory."""
    optimizers = training.optimizers
    for number in range(len(optimizers.read)):
        misfits = _misfits(training, number)
        if not misfits:
            continue
        one, name, memory = misfits[0]
        own, holder = facts(one.tensor), optimizers.name(number)
        others = len({id(misfit.parameter.tensor) for misfit in misfits}) - 1
        also = f", and so for {others:,} more" if others else ""
        different = (own.dtype, memory.dtype)
        cause = "one of the two was moved since, and step() raises, or goes on in that dtype"
        fix = f"{holder}.load_state_dict({holder}.state_dict())  # which brings it along"
        if own.shape != memory.shape:
            different = (tuple(own.shape), tuple(memory.shape))
            cause = "a load goes by the order of the Parameters, and theirs was another, or this "
            cause += "one has another size since; step() raises, or mixes up their numbers"
            fix = f"{holder}.state.clear()  # it begins anew; or load into one of the saved order"
        elif own.device != memory.device:
            different = (own.device, memory.device)
        message = (
            f"is {different[0]}, and what {holder} remembers of it ({name!r}) is "
            f"{different[1]}{also}: {cause}"
        )
        yield Symptom(one.place, message, fix)


def _misfits(training: Training, number: int) -> list[Misfit]:
    optimizers, found = training.optimizers, []
    kind = optimizers.read[number].kind
    if not steps_as_torch_does(kind):
        return []
    sized = not issubclass(kind, _OF_OTHER_SHAPES)
    for tensor, name, note in optimizers.memory(number):
        one = training.model.registered.get(id(tensor))
        memory = facts(note)
        if one and _differ(facts(one.tensor), memory, sized):
            found.append(Misfit(one, name, memory))
    return found


# They remember of a Parameter what has not its shape: sums over rows, all steps in one row.
_OF_OTHER_SHAPES = (torch.optim.LBFGS, getattr(torch.optim, "Adafactor", torch.optim.LBFGS))


def _differ(own: Facts, memory: Facts, sized: bool) -> bool:
    if sized and None not in (own.shape, memory.shape) and own.shape != memory.shape:
        return True
    floating = memory.dtype is not None and memory.dtype.is_floating_point
    return memory.device != own.device or (floating and memory.dtype != own.dtype)
