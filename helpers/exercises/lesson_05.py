"""The exercises of lesson 05, save and load."""

from __future__ import annotations

import copy
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from helpers.exercises.exercise import Exercise
from helpers.exercises.facts import (
    Facts,
    Known,
    Raised,
    called,
    facts,
    is_a,
    listed,
    plain,
    solved,
    told,
)
from helpers.exercises.life import in_turn, living
from helpers.exercises.menagerie import (
    TO_CHANGE,
    holding,
    made,
    menagerie,
    rename,
    train_on,
)

MISSING = ["scale"]
STATISTICS = [f"encoder.1.{name}" for name in ("running_mean", "running_var")]
STATISTICS.append("encoder.1.num_batches_tracked")
UNEXPECTED = ["mean", *STATISTICS, "head.bias"]
_IN_BOTH = {"encoder.0.weight", "encoder.0.bias", "head.weight"}
# Each list with its keys by the kind of tensor.
_LISTS = {
    "missing": {"parameters": MISSING},
    "unexpected": {"buffers": ["mean"], "statistics": STATISTICS, "parameters": ["head.bias"]},
}


def _two_lists(answer: object) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """One question after the other, none of which gives a key away."""
    given = [solved(part) for part in answer] if is_a(answer, (list, tuple)) else []
    fits = len(given) == 2 and all(map(_is_a_list_of_texts, given))
    yield "`missing` and `unexpected`", lambda: {"are": "two lists" if fits else "something else"}
    both = any(key in _IN_BOTH for keys in given for key in keys)
    yield "`missing` and `unexpected`", lambda: {"hold keys that both models have:": _some(both)}
    for (name, kinds), keys in zip(_LISTS.items(), given, strict=False):
        wanted = [key for some in kinds.values() for key in some]
        strange = sorted((key for key in keys if key not in wanted), key=str)
        yield f"`{name}`", partial(dict, {"holds, though it is wrong there:": listed(strange[:1])})
        for kind, some in kinds.items():
            lacks = any(key not in keys for key in some)
            yield f"`{name}`", partial(dict, {f"lacks {kind}:": _some(lacks)})
        yield f"`{name}`", partial(dict, {"has": f"{len(keys)} entries"})


def _is_a_list_of_texts(value: object) -> bool:
    kinds = (list, tuple, set, frozenset)
    return is_a(value, kinds) and all(type(key) is str for key in value)


def _some(there_are: bool) -> str:
    return "some" if there_are else "none"


TWO_LISTS = Exercise(
    "5.1",
    (MISSING, UNEXPECTED),
    _two_lists,
    """
    `missing` and `unexpected` are the two lists of keys that the load returns, in any order

    1. Write down the keys of both `state_dict`s. Missing: only the student has it. Unexpected: only
       the teacher has it.
    2. What has no entry: a non-persistent buffer, a `ReLU`, a bias that was switched off. What has:
       the buffers of a batch norm.
    3. Nearly there: one missing key, a parameter of the student's own; five unexpected, three of
       them of one batch norm.

    - not-two-lists: Two lists of strings: `missing = ["...", ...]`, `unexpected = ["...", ...]`.
        MISSING
    - in-both: A key that both have is neither missing nor unexpected.
        [*MISSING, "head.weight"], UNEXPECTED
    - swapped: It is the other way round. Missing is what the *model* misses in the dictionary.
        UNEXPECTED, MISSING
    - not-persistent: The student's `mean` is not persistent: the load does not ask for it.
        [*MISSING, "mean"], UNEXPECTED
    - own-parameter: The student has a parameter that the teacher does not have.
        [], UNEXPECTED
    - still-unexpected: The teacher's `mean` is persistent, and the student has no entry for it.
        MISSING, UNEXPECTED[1:]
    - statistics: The three buffers of a batch norm are in the dictionary, whatever `affine` says.
        MISSING, ["mean", "head.bias"]
    - bias: The teacher's head has a bias. The student's head was made without one.
        MISSING, UNEXPECTED[:-1]
    """,
)


def unwrapped(state_dict):
    for prefix in ("module.", "_orig_mod."):
        if state_dict and all(key.startswith(prefix) for key in state_dict):
            return unwrapped({key.removeprefix(prefix): value for key, value in state_dict.items()})
    return dict(state_dict)


# Keys that a wrapper's prefix is only a part of, or that not all have.
_NEARLY = [
    ("body.module.weight", "body.module.bias"),
    ("submodule.weight", "body_orig_mod.weight"),
    ("module.weight", "bias"),
    ("module.weight", "_orig_mod.bias"),
    ("module.module.weight", "module.bias"),
    ("module_a.weight", "module_b.weight"),
    ("modules.0.bias", "modules.1.bias"),
    ("_orig_modules.weight",),
    ("body._orig_mod.weight", "head.weight"),
    ("model.weight", "model.bias"),
    ("module",),
    ("module", "_orig_mod"),
]


def _behind(prefix: str, state: dict) -> dict:
    """`state` with the prefix before each key, and with its notes if it has them."""
    given = OrderedDict((prefix + key, value) for key, value in state.items())
    if hasattr(state, "_metadata"):
        given._metadata = copy.deepcopy(state._metadata)
    return given


_PREFIXES = ("", "module.", "_orig_mod.module.", "module._orig_mod.", "module." * 3)
_PREFIXES += ("_orig_mod.module." * 3,)


def _wrapped(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """The state of each model behind no prefix, one, and several in any order."""
    states = [(f"a state_dict of {words}", model.state_dict()) for words, model in menagerie()]
    states += [(f"the keys {listed(keys)}", dict.fromkeys(keys, torch.ones(1))) for keys in _NEARLY]
    for prefix in _PREFIXES:
        for words, state in states:
            behind = f" behind `{prefix}`" * bool(prefix)
            given, twice = _behind(prefix, state), prefix == "module."
            ask = partial(called, answer, state_dict=given, free=("metadata",), again=twice)
            yield f"`unwrapped(state_dict)` for {words}{behind}", ask
    for words, state in states:
        for bare in state if len(state) > 1 else ():
            given = {key if key == bare else f"module.{key}": one for key, one in state.items()}
            ask = partial(called, answer, state_dict=given)
            yield f"`unwrapped(state_dict)` for {words} behind `module.`, but for `{bare}`", ask
    given = {"module.weight": torch.ones(1), "module.bias": torch.ones(1)}
    more = partial(given.update, {"head": torch.ones(2), "module.bias": torch.ones(2)})
    ask = partial(called, answer, state_dict=given, once=more)
    yield "`unwrapped(state_dict)` for one that has got more keys since it was called before", ask


UNWRAPPED = Exercise(
    "5.2",
    unwrapped,
    _wrapped,
    """
    `unwrapped(state_dict)` takes wrappers' prefixes off, wherever every key has them, and nothing
    else

    1. `key.removeprefix("module.")` takes off the front. When may it be taken off?
    2. `all(key.startswith(prefix) for key in state_dict)` asks every key. There may be two
       prefixes, in either order.
    3. Nearly there: repeat `{key.removeprefix(prefix): value ...}` for both prefixes for as long as
       all keys have one.

    - one-wrapper: There are two wrappers, and each has a prefix of its own.
        ("module.", "_orig_mod.") → ("module.",)
    - once: Wrappers may stand in either order, or twice. Go on until nothing changes.
        return unwrapped( → state_dict = (
    - anywhere: Only the front of a key is taken off. `replace` reaches into the middle of a name.
        items = state_dict.items()
        return {k.replace("module.", "").replace("_orig_mod.", ""): value for k, value in items}
    - some-keys: Where only a part of the keys begins so, it is a name in the model. Ask all.
        all( → any(
    - no-dot: A prefix is a whole step of the path, with its dot. `modules` begins in the same way.
        ("module.", "_orig_mod.") → ("module", "_orig_mod")
    - all-tensors: An entry that is no tensor, such as an extra state, has a key like any other.
        all(key. → all(not isinstance(state_dict[key], torch.Tensor) or key.
    - given-changed: The dictionary that was given has changed. Build a new one.
        prefixed = state_dict and all(key.startswith("module.") for key in state_dict)
        return {key[7:] if prefixed else key: state_dict.pop(key) for key in [*state_dict]}
    - copies: The tensors stay the ones that they are, under their new names.
        return dict(state_dict) → return copy.deepcopy(dict(state_dict))
    """,
)


def load_what_fits(model, state_dict):
    wanted = {key: getattr(value, "shape", None) for key, value in model.state_dict().items()}
    fitting = {
        key: value
        for key, value in state_dict.items()
        if key in wanted and wanted[key] == getattr(value, "shape", None)
    }
    model.load_state_dict(fitting, strict=False)
    return (
        [key for key in wanted if key not in fitting],
        [key for key in state_dict if key not in fitting],
    )


def _in_another_shape(value: torch.Tensor, way: int) -> torch.Tensor:
    """With one more dimension, longer, or, where that is another shape, with its sides swapped."""
    if way == 2 and value.dim() == 2 and len({*value.shape}) == 2:
        return value.t()
    return torch.cat([value, value]) if way and value.dim() else value[None]


def _states_for(words: str) -> Iterator[tuple[str, dict[str, object]]]:
    """State_dicts for a model of this kind: all of it, and parts of it beside other entries."""
    twin = made(words)
    train_on(twin)
    state = twin.state_dict()
    every = {**dict(twin.named_buffers()), **state}
    tensors = {key: one for key, one in every.items() if is_a(one, torch.Tensor)}
    in_double = {
        key: one.to(torch.promote_types(one.dtype, torch.float64)) for key, one in tensors.items()
    }
    yield "its whole state, and all buffers", {**every, **in_double}
    yield "its state with `keep_vars=True`", twin.state_dict(keep_vars=True)
    swapped = {
        key: one.tolist() if is_a(one, torch.Tensor) and not one.is_meta else torch.ones(2)
        for key, one in state.items()
    }
    yield "lists for tensors, and tensors for what is none", swapped
    for start in range(3):
        part = {}
        for number, (key, value) in enumerate(state.items(), start):
            if number % 3 == 1:
                part[f"old.{key}"] = value
            else:
                other = number % 3 == 2 and is_a(value, torch.Tensor)
                part[key] = _in_another_shape(value, start) if other else value
        yield f"a part of its state, from entry {start}, and other shapes", part


def _in_any_order(answer: Callable) -> Callable:
    """`answer` with its two lists sorted, since nobody asked for an order."""

    def sorting(*given: object) -> object:
        result = answer(*given)
        if not is_a(result, (list, tuple)):
            return result
        return [sorted(part, key=str) if is_a(part, (list, tuple)) else part for part in result]

    return sorting


def _what_fits(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    for words, _ in menagerie(without=("a model on meta", "a lazy layer")):
        for holds, state in _states_for(words):
            ask = partial(called, _in_any_order(answer), model=made(words), state_dict=state)
            yield f"`load_what_fits(model, state_dict)` for {words} and {holds}", ask
    for words in TO_CHANGE:
        model = made(words)
        state = copy.deepcopy(model.state_dict())
        once = partial(_exchanged, model, state)
        ask = partial(called, _in_any_order(answer), model=model, state_dict=state, once=once)
        yield (
            f"`load_what_fits(model, state_dict)` for {words}, called again once names of the "
            "model and values of the state_dict have changed",
            ask,
        )


def _exchanged(model: nn.Module, state: dict) -> None:
    rename(model)
    last = list(state)[-1]
    state[last] = state[last][None]


LOAD_WHAT_FITS = Exercise(
    "5.3",
    load_what_fits,
    _what_fits,
    """
    `load_what_fits(model, state_dict)` loads what fits and returns the keys under which nothing was
    loaded and those not used

    1. Ask `model.state_dict()` for its keys and shapes, and build a dictionary of what fits.
    2. Load that dictionary with `strict=False`, and make the two lists with the names that are not
       in it.
    3. Nearly there: `value.shape == wanted[key].shape`, guarded by `key in wanted`, decides what
       fits; an entry without a shape fits where the model has none either.

    - not-loaded: An entry fits in name and shape, and the model does not have its numbers.
        model.load_state_dict(fitting, strict=False) →
    - replaced: The model's tensors are other objects now. Copy the numbers, do not assign.
        strict=False → strict=False, assign=True
    - missing-keys: `missing_keys` may lack a `num_batches_tracked`. Ask `model.state_dict()`.
        model.load_state_dict(fitting → kept, _ = model.load_state_dict(fitting
        [key for key in wanted if key not in fitting] → kept
    - no-tensor: Not every entry has a shape: an extra state may be no tensor.
        wanted[key] == getattr(value, "shape", None) → wanted[key] == value.shape
    - other-sort: What has no shape fits only where the model's own entry has none either.
        wanted[key] == getattr(value, "shape", None) → wanted[key] == \
getattr(value, "shape", wanted[key])
    - shapes: Keys of the dictionary that were not used: those with another shape belong to them.
        for key in state_dict if key not in fitting → for key in state_dict if key not in wanted
    - given-changed: The dictionary that was given has changed. Build a new one.
        strict=False) → strict=False); [state_dict.pop(key) for key in fitting]
    """,
)


class Gain(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * self.gain

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        old, new = prefix + "scale", prefix + "gain"
        if old in state_dict and new not in state_dict:
            state_dict[new] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class _File(NamedTuple):
    """What is loaded: names under the path of a Gain, how many numbers, and how, into a model in
    which mode."""

    names: tuple[str, ...]
    strict: bool = True
    in_eval: bool = False
    width: int = 2
    notes: bool = False  # whether it has those of a class without versions


def _loaded(answer: type, path: str, file: _File) -> Facts:
    """What a load of this file does where a Gain stands at `path`, beside others."""
    gain = model = answer(2)
    for name in path.split(".")[-2::-1]:
        model = holding(**{name: model, "other": answer(2)})
    others = [key for key in model.state_dict() if "other" in key]
    state = OrderedDict((key, torch.tensor([7.0, 8.0])) for key in others)
    for name in file.names:
        state[path + name] = torch.arange(file.width) + float(len(name))
    if file.notes:
        state._metadata = {name: {"version": 1} for name, _ in model.named_modules()}
    held = dict(model.named_parameters())
    model.train(not file.in_eval)

    def load(state_dict: dict) -> dict:
        missing, unexpected = model.load_state_dict(state_dict, strict=file.strict)
        return {"missing_keys": sorted(missing), "unexpected_keys": sorted(unexpected)}

    seen = called(load, state_dict=state, again=True)
    seen |= facts("model.state_dict()", model.state_dict(), free=("identity", "metadata"))
    for name, one in model.named_parameters():
        kept = held.get(name) is one
        seen[f"as an object `{name}` is"] = "the one of before" if kept else "another one"
    return seen | facts("gain(x)", gain(torch.tensor([3.0, 4.0])), free=("identity",))


_NAMES = [("gain",), ("scale",), (), ("gain", "scale"), ("scale", "offset"), ("rescale",)]
_NAMES += [("gain", "sub.scale")]


def _files(answer: type) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """Old and new files, and some that are neither, for a Gain alone and two levels deep."""
    ways = ({"strict": True}, {"strict": False, "in_eval": True})
    files = [_File(names, **way) for names in _NAMES for way in ways]
    files += [_File(names, width=3) for names in _NAMES]
    files += [_File((name,), **way, width=1) for name in ("gain", "scale") for way in ways]
    files += [_File((name,), notes=True) for name in ("gain", "scale")]
    for path in ("", "inner.", "outer.scale."):
        for file in files:
            keys = listed(path + name for name in file.names)
            words = f"`load_state_dict(..., strict={file.strict})` with the keys {keys}"
            words += {1: " and one number", 3: " and three numbers"}.get(file.width, "")
            words += " and notes in `_metadata`" * file.notes
            words += ", in eval mode" * file.in_eval
            yield words, partial(_loaded, answer, path, file)


GAIN = Exercise(
    "5.4",
    Gain,
    in_turn(
        living("Gain", 2, calls=((torch.tensor([[3.0, 4.0], [5.0, 1.0]]),),), begins=("gain",)),
        living("Gain", 3, calls=((torch.tensor([3, 4, 5]),),), begins=("gain",)),
        _files,
    ),
    """
    `Gain(width)` returns x * gain, and loads strictly from files that call the parameter `gain` or
    `scale`

    1. `_load_from_state_dict` gets the entries under this module's path, with their full keys, and
       the prefix; nothing was looked for yet.
    2. Under `prefix + "scale"` stands what belongs under `prefix + "gain"`. Move it, and then call
       `super()`.
    3. Nearly there: `state_dict[prefix + "gain"] = state_dict.pop(prefix + "scale")`, if the old
       key is there and the new is not.

    - old-name: The parameter is called `gain`, and so is the only entry of the state_dict.
        self.gain = → self.scale =
        x * self.gain → x * self.scale
    - old-refused: A file that says `scale` was refused. Move its entry, then call `super()`.
        if old in state_dict and new not in state_dict: → if False:
    - left-behind: An old name that stays behind is unexpected. Move the entry with `pop`.
        state_dict.pop(old) → state_dict[old]
    - no-prefix: As a part of a larger model it does not load: there the keys have a prefix.
        prefix + "scale", prefix + "gain" → "scale", "gain"
    - in-the-path: The path may contain `scale` itself. Only the last name is another one.
        prefix + "gain" → (prefix + "scale").replace("scale", "gain")
    - by-its-notes: Old files have no notes, or those of a class without versions. Look at the keys.
        if old in state_dict and → if rest[0].get("version") is None and old in state_dict and
    - always-moved: A file may say `gain`, or neither. Ask whether the old name is there.
        if old in state_dict and new not in state_dict: → if True:
    - both: A file with both names is refused, as one with a key too many. Leave it as it is.
        and new not in state_dict →
    - in-training: A model may be in eval mode when it loads.
        if old in state_dict and → if self.training and old in state_dict and
    - once: A model may load more than once. Do the same each time.
        if old in state_dict and → if "done" not in vars(self) and old in state_dict and
        super()._load → self.done = True; super()._load
    - another-parameter: The parameter is another object now, which no optimizer holds. Let
      `super()` copy the numbers into it.
        super()._load → self.gain = nn.Parameter(self.gain.detach().clone()); super()._load
    - too-kind: A file with neither name has to be refused, as always.
        super()._load → state_dict.setdefault(new, self.gain); super()._load
    """,
)


def save_checkpoint(path, model, optimizer, generator, step):
    saved = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": generator.get_state(),
        "random": torch.get_rng_state(),
        "step": step,
    }
    torch.save(saved, path)


def resume_from(path, model, optimizer, generator):
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    generator.set_state(saved["generator"])
    torch.set_rng_state(saved["random"])
    return saved["step"]


class _Counting(nn.Linear):
    """A layer whose calls are counted, in an extra state, and play a part."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(x) / self.calls

    def get_extra_state(self) -> int:
        return self.calls

    def set_extra_state(self, state: int) -> None:
        self.calls = state


class _Run(NamedTuple):
    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator


_OPTIMIZERS = {
    "Adam": lambda model: torch.optim.Adam(model.parameters(), lr=0.05),
    "SGD with two groups": lambda model: torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[1:].parameters()}],
        lr=0.02,
        momentum=0.9,
    ),
    "RMSprop in double precision": lambda model: torch.optim.RMSprop(model.parameters()),
}


def _new_run(kind: str, seed: int) -> _Run:
    """A run from its start; the one in double precision has a norm in eval and an extra state."""
    torch.default_generator.manual_seed(seed)
    double = "double" in kind
    last = (_Counting if double else nn.Linear)(4, 3)
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.3), last)
    model[4].bias.requires_grad_(False)
    if double:
        model.double()[1].eval()
    return _Run(model, _OPTIMIZERS[kind](model), torch.Generator().manual_seed(seed))


def _train(run: _Run, steps: int) -> list[torch.Tensor]:
    """The losses: batches from the run's generator, dropout from torch's own random numbers."""
    losses = []
    for _ in range(steps):
        x = torch.randn(8, 2, generator=run.generator).to(run.model[0].weight.dtype)
        loss = nn.functional.cross_entropy(run.model(x), (x[:, 0] > 0).long())
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        for group in run.optimizer.param_groups:
            group["lr"] *= 0.8
            group["weight_decay"] += 0.01
        losses.append(loss.detach())
    return losses


def _state(run: _Run) -> dict[str, list[object]]:
    """Copies of all that a step reads and changes."""
    kept = run.optimizer.state_dict()
    return copy.deepcopy(
        {
            "model": [*run.model.state_dict().values()],
            "optimizer's state": [one for part in kept["state"].values() for one in part.values()],
            "optimizer's groups": [one for part in kept["param_groups"] for one in part.values()],
            "generator": [run.generator.get_state()],
            "random state of torch": [torch.get_rng_state()],
        }
    )


def _bit_for_bit(left: list[object], right: list[object]) -> str:
    def same(one: object, other: object) -> bool:
        return torch.equal(one, other) if is_a(one, torch.Tensor) else one == other

    alike = len(left) == len(right) and all(map(same, left, right))
    return "the same bit for bit" if alike else "another one"


_RAN = []


class _Trap:
    """What runs code when it is read without `weights_only=True`."""

    def __reduce__(self) -> tuple:
        return _run_code, ()


def _run_code() -> None:
    _RAN.append(1)


def _readable(path: Path) -> str | Raised:
    try:
        torch.load(path, weights_only=True)
    except Exception as error:
        return Raised.of(error)
    return "reads it"


def _resumed(answer: tuple[Callable, Callable], kind: str, steps: int) -> Facts:
    """A run that is saved and goes on, and a fresh one that resumes from the file alone."""
    save, resume = answer
    whole = _train(_new_run(kind, 0), steps + 3)
    with tempfile.TemporaryDirectory() as folder:
        path, moved = Path(folder) / "run.1", Path(folder) / "moved.pt"
        save(path, *_new_run(kind, 1), 9)  # which the next one overwrites
        run, known = _new_run(kind, 0), Known()
        _train(run, steps)
        known.add(model=run.model)
        before = facts("model", run.model, known)
        save(path, *run, steps + 1000)
        changes = _changes(before, facts("model", run.model, known))
        if not path.is_file():
            with suppress(Exception):
                solved(resume(path, *run))
            return {"`path` is": "no file"}
        state, rest = _state(run), _train(run, 3)
        path.rename(moved)
        save(path, *_new_run(kind, 3), 7)  # which has a file of its own
        seen = {"`path` is": "a file", "`torch.load(path, weights_only=True)`": _readable(moved)}
        run, written = _new_run(kind, 2), moved.read_bytes()
        _train(run, 0 if steps else 2)
        seen["`resume_from(...)` returns"] = plain(solved(resume(moved, *run)))
        left = moved.read_bytes() if moved.is_file() else b""
        same = "as it was" if left == written else "another one"
        seen["after `resume_from` the file is"] = same if left else "gone"
    for part, resumed in _state(run).items():
        seen[f"after `resume_from` the {part} is"] = _bit_for_bit(state[part], resumed)
    seen["after `resume_from` the optimizer holds"] = _holds(run)
    modes = [name or "model" for name, part in run.model.named_modules() if not part.training]
    seen["after `resume_from` the modules in eval mode are"] = listed(modes)
    seen["what `save_checkpoint` has changed in the model is"] = changes
    seen["the run that goes on after `save_checkpoint` is"] = _bit_for_bit(whole[steps:], rest)
    seen["the run that resumes is"] = _bit_for_bit(whole[steps:], _train(run, 3))
    return seen


def _changes(before: Facts, after: Facts) -> str:
    """The first fact that is another one afterwards, in words."""
    other = (words for words in {**before, **after} if before.get(words) != after.get(words))
    words = next(other, None)
    if words is None:
        return "nothing"
    was, now = told(before.get(words), after.get(words))
    return f"this: {words} {was} before, and {now} after"


def _holds(run: _Run) -> str:
    held = [one for group in run.optimizer.param_groups for one in group["params"]]
    same = {*map(id, held)} == {*map(id, run.model.parameters())}
    return "the parameters of the model" if same else "other tensors"


def _trapped(resume: Callable) -> Facts:
    """What becomes of a file that would run code."""
    _RAN.clear()
    with tempfile.TemporaryDirectory() as folder, suppress(Exception):
        torch.save(_Trap(), Path(folder) / "trap.pt")
        resume(Path(folder) / "trap.pt", *_new_run("Adam", 0))
    return {"the code in it": "ran" if _RAN else "does not run"}


def _checkpoints(answer: tuple) -> Iterator[tuple[str, Callable[[], Facts]]]:
    for kind in _OPTIMIZERS:
        for steps in (4, 0):
            words = f"a run with {kind}, saved after {steps} steps"
            words += "" if steps else ", and resumed by one that has gone on"
            yield words, partial(_resumed, answer, kind, steps)
    yield "`resume_from(...)` with a file that holds code", partial(_trapped, answer[1])


CHECKPOINT = Exercise(
    "5.5",
    (save_checkpoint, resume_from),
    _checkpoints,
    """
    after `save_checkpoint` and `resume_from` the training goes on bit for bit

    1. What changes in a step, and plays a part in the next one? Five things here; two of them are
       random states.
    2. `state_dict()` of model and optimizer, `get_state()` of the generator,
       `torch.get_rng_state()`, and the step.
    3. Nearly there: one dictionary of these five for `torch.save`, and in `resume_from` a line for
       each of them.

    - no-file: There has to be a file at `path`: the new process has nothing else.
        torch.save(saved, path) →
    - whole-objects: Save state_dicts, tensors and numbers, and no objects.
        optimizer.state_dict() → optimizer
    - no-step: `resume_from` returns the step that was saved.
        return saved["step"] → return 0
    - model-lost: The model is not where it was: parameters or buffers have other numbers.
        model.load_state_dict(saved["model"]) →
    - rate-alone: A loop may change any option of a group, the learning rate and others. Bring all
      of them back.
        optimizer.load_state_dict(saved["optimizer"]) → saved["optimizer"]["param_groups"] = [ \
{**now, "lr": old["lr"]} for now, old in zip(optimizer.state_dict()["param_groups"], \
saved["optimizer"]["param_groups"])]; optimizer.load_state_dict(saved["optimizer"])
    - fresh-alone: An optimizer that has taken steps is brought back as well.
        optimizer.load_state_dict(saved["optimizer"]) → \
optimizer.state or optimizer.load_state_dict(saved["optimizer"])
    - optimizer-lost: The optimizer has forgotten its moments and its learning rate.
        optimizer.load_state_dict(saved["optimizer"]) →
    - generator-lost: The batches are others. The generator has `get_state()` and `set_state(...)`,
      and neither of the two functions is to draw from it.
        generator.set_state(saved["generator"]) →
    - random-lost: Dropout draws other numbers. Set torch's own random state again, and draw nothing
      in the two functions.
        torch.set_rng_state(saved["random"]) →
    - assigned: The optimizer holds the parameters of before. Copy the numbers into them: load the
      model without `assign=True`.
        saved["model"]) → saved["model"], assign=True)
    - eval-mode: Going on means training: leave the model in the mode that it had.
        model.load_state_dict( → model.eval().load_state_dict(
    - train-mode: A part of a model may be in eval mode while the rest is trained. Leave the modes.
        model.load_state_dict( → model.train().load_state_dict(
    - tensors-alone: Save `model.state_dict()`: it has more than the named tensors, an extra state.
        model.state_dict() → dict([*model.named_parameters(), *model.named_buffers()])
        load_state_dict(saved["model"]) → load_state_dict(saved["model"], strict=False)
    - gradients-lost: The run that is saved goes on: its gradients have to stay.
        torch.save(saved, path) → torch.save(saved, path); optimizer.zero_grad()
    """,
)
