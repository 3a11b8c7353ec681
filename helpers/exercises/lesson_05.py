"""Checkers for the exercises of lesson 05. Torch judges: an answer's files and dictionaries are
loaded, strictly.
"""

from __future__ import annotations

import copy
import tempfile
from collections import OrderedDict
from collections.abc import Set
from pathlib import Path

import torch
from torch import nn

from helpers.exercises.old_engine import (
    Mistake,
    Unsolved,
    ask,
    built,
    describe,
    entries,
    expect,
    holding,
    listed,
    same,
    want_function,
)


class _Teacher(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False))
        self.register_buffer("mean", torch.zeros(2))
        self.head = nn.Linear(2, 1)


class _Student(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        self.register_buffer("mean", torch.zeros(2), persistent=False)
        self.head = nn.Linear(2, 1, bias=False)
        self.scale = nn.Parameter(torch.ones(1))


def _pair(answer: object, slip: str, wanted: str, kinds: type | tuple) -> tuple:
    """The two parts of an answer. `Unsolved` if one is still `...`."""
    expect(isinstance(answer, (tuple, list)) and len(answer) == 2, slip, wanted, describe(answer))
    if any(part is ... for part in answer):
        raise Unsolved
    for part in answer:
        expect(isinstance(part, kinds), slip, wanted, f"{describe(part)} as one of them")
    return tuple(answer)


def _two_lists(answer: object) -> str:
    missing, unexpected = _pair(answer, "not-two-lists", "two lists of texts", (list, tuple, Set))
    texts = all(isinstance(key, str) for key in [*missing, *unexpected])
    expect(texts, "not-two-lists", "two lists of texts", "something else is in them")
    teacher, student = _Teacher().state_dict(), _Student()
    lacks, extra = student.load_state_dict(teacher, strict=False)
    turned = set(missing) == set(extra) and set(unexpected) == set(lacks)
    expect(
        not turned, "swapped", "`missing` is what the student misses", "the lists of the teacher"
    )
    expect("mean" not in missing, "not-persistent", "`missing` without `mean`", listed(missing))
    for key in [*missing, *unexpected]:
        both = key in teacher and key in student.state_dict()
        expect(
            not both, "in-both", "keys that one of the two has", f"{describe(key)}, which both have"
        )
    slips = {"scale": "own-parameter", "mean": "still-unexpected", "head.bias": "bias"}
    for name, given, keys in (("missing", missing, lacks), ("unexpected", unexpected, extra)):
        odd = [key for key in given if key not in keys]
        expect(not odd, "no-such-key", f"keys that belong into `{name}`", listed(odd))
        for key in keys:
            found = f"{listed(given)}: one lacks"
            expect(
                key in given, slips.get(key, "statistics"), f"{len(keys)} keys in `{name}`", found
            )
    return "one key that the student misses, and five that it has no place for"


_COMPILED, _PARALLEL = "_orig_mod.", "module."
_KEYS = [
    "body.weight",
    "submodule.weight",
    "modules.0.bias",
    "_orig_mod.weight",
    "body.module.weight",
]
_BOTH = "other-order"
# The prefixes in front, the keys behind them, and the mistake of whoever takes off something else.
_WRAPPED = [
    ([_PARALLEL], _KEYS, "left-on"),
    ([_COMPILED], _KEYS, "left-on"),
    ([_PARALLEL, _COMPILED], _KEYS, _BOTH),
    ([_COMPILED, _PARALLEL], _KEYS, _BOTH),
    ([_COMPILED, _PARALLEL] * 2, _KEYS, _BOTH),
    ([], _KEYS, "too-much"),
    ([], ["module.weight", "bias"], "some-keys"),
    ([_PARALLEL], ["module.weight", "head.bias"], "some-keys"),
    ([], ["module_a.weight", "module_b.weight"], "too-much"),
    ([], ["modules.0.bias", "modules.1.bias"], "too-much"),
    ([], ["a.module.weight", "a.module.bias"], "not-a-prefix"),
    ([], [], "empty"),
]


def _unwrapped(answer: object) -> str:
    want_function(answer, "unwrapped")
    for prefixes, wanted, slip in _WRAPPED:
        given = OrderedDict(("".join(prefixes) + key, torch.zeros(1)) for key in wanted)
        before, call = (
            list(given.items()),
            f"unwrapped({{{', '.join(map(repr, list(given)[:2]))}, …}})",
        )
        result = entries(ask(call, answer, given, mistake="raises" if given else "empty"), call)
        expect(
            list(given.items()) == before,
            "changes-the-given",
            "the dictionary that was given",
            "it was changed",
        )
        if wanted is _KEYS and {"subweight", "weight"} & set(result):
            slip = "not-a-prefix" if "subweight" in result else "some-keys"
        expect(sorted(map(str, result)) == sorted(wanted), slip, listed(wanted), listed(result))
        intact = [*result] == wanted and all(
            one is was for one, (_, was) in zip(result.values(), before, strict=True)
        )
        expect(
            intact,
            "other-values",
            "the same tensors under their names, in order",
            "others, or another order",
        )
    return "twelve dictionaries: both wrappers in every order, and names that only look like one"


class _Net(nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body, self.norm, self.drop, self.head = (
            nn.Linear(2, 4),
            nn.BatchNorm1d(4),
            nn.Dropout(0.3),
            nn.Linear(4, classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.norm(self.body(x)).relu()))


def _numbers(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().clone() for key, value in model.state_dict().items()}


def _load_what_fits(answer: object) -> str:
    want_function(answer, "load_what_fits")
    smaller = {
        f"{'' if key != 'body.bias' else 'old.'}{key}": value + 5
        for key, value in _numbers(_Net()).items()
    }
    del smaller["norm.running_var"]
    turned = {key: value + 5 for key, value in _numbers(nn.Linear(3, 2)).items()}
    flat = {
        "weight": torch.arange(4.0),
        "bias": torch.tensor([8.0, 9.0]),
    }  # as many numbers in another shape
    pairs = [
        (_Net(5), smaller),
        (nn.Linear(2, 2), turned),
        (nn.Linear(2, 2), flat),
        (_Net(), {}),
        (nn.ReLU(), flat),
    ]
    for model, given in pairs:
        own, before, objects = _numbers(model), dict(given), [id(one) for one in model.parameters()]
        numbers = {key: value.clone() for key, value in given.items()}
        fits = [key for key in own if key in given and own[key].shape == given[key].shape]
        result = ask("load_what_fits(model, state_dict)", answer, model, given)
        kept, unused = _pair(result, "not-two-lists", "two lists are returned", (tuple, list, Set))
        stays = [*given] == [*before] and all(
            given[key] is before[key] and same(before[key], numbers[key]) for key in before
        )
        expect(stays, "changes-the-given", "the dictionary that was given stays", "it was changed")
        expect(
            objects == [id(one) for one in model.parameters()],
            "replaced",
            "the parameters that it had",
            "new ones",
        )
        for key, value in _numbers(model).items():
            slip, right = ("not-loaded", given[key]) if key in fits else ("half-loaded", own[key])
            expect(
                same(value, right),
                slip,
                f"{describe(key)} {'loaded' if key in fits else 'as it was'}",
                "it is not",
            )
        places = {value.data_ptr() for value in model.state_dict().values()}
        apart = not places & {value.data_ptr() for value in given.values()}
        expect(
            apart, "shared", "a model with numbers of its own", "it shares them with the dictionary"
        )
        for part, keys, slip in ((kept, own, "kept-wrong"), (unused, given, "unused-wrong")):
            wanted = [key for key in keys if key not in fits]
            expect(sorted(map(str, part)) == sorted(wanted), slip, listed(wanted), listed(part))
    return "five pairs: other names, other shapes, an empty dictionary, a model without entries"


def _refused(model: nn.Module, state: dict) -> str:
    """What a strict load complains of, "" if it loads."""
    try:
        ask("load_state_dict(...)", model.load_state_dict, state)
    except Mistake as mistake:
        expect(
            "RuntimeError" in mistake.found, *mistake.args
        )  # the type of a refusal; any other is a bug
        return mistake.found
    return ""


def _gain(answer: object) -> str:
    for width in (3, 2):
        model = built(answer, "Gain", width)
        gain = dict(model.named_parameters()).get("gain")
        fits = (
            gain is not None
            and list(model.state_dict()) == ["gain"]
            and gain.tolist() == [1] * width
        )
        found = (
            listed(model.state_dict()) if gain is None else f"`gain` is {describe(gain.detach())}"
        )
        expect(
            fits,
            "no-gain",
            f"`Gain({width})` has the parameter `gain`, {width} ones, and nothing else",
            found,
        )
    x = torch.tensor([3.0, 4.0])
    number = torch.tensor([2.0, 5.0])
    for name, slip in (("gain", "new-refused"), ("scale", "old-refused")):
        for path in ("", "inner.", "outer.inner."):
            fresh = built(answer, "Gain", 2)
            part = fresh
            for step in path.split(".")[-2::-1]:
                part = holding(**{step: part})
            state = OrderedDict({path + name: number.clone()})
            said = _refused(part, state)
            where = "prefix" if path and name == "scale" else slip
            expect(not said, where, f"{describe(path + name)} loads strictly", said)
            expect(
                same(fresh.gain.detach(), number), "not-loaded", "the numbers of the file", "others"
            )
            kept = [*state] == [path + name] and same(state[path + name], number)
            expect(kept, "changes-the-given", "the dictionary stays as it is", listed(state))
            result = ask("gain(x)", fresh, x)
            expect(
                same(result.detach(), x * number), "wrong-numbers", "`x * gain`", describe(result)
            )
    for state in ({}, {"gain": number, "scale": number}, {"scale": number, "offset": number}):
        said = _refused(built(answer, "Gain", 2), state)
        expect(
            bool(said), "too-kind", f"a state_dict with {listed(state)} is refused", "it was loaded"
        )
    return "both names, alone and two levels deep; neither name, both at once and a key too many are refused"


def _new_run() -> tuple:
    torch.manual_seed(0)
    model = _Net()
    return model, torch.optim.Adam(model.parameters(), lr=0.05), torch.Generator().manual_seed(3)


def _train(run: tuple, steps: int) -> list[torch.Tensor]:
    """The losses of some steps: batches from the run's generator, dropout from torch's own random
    numbers.
    """
    model, optimizer, generator = run
    losses = []
    for _ in range(steps):
        x = torch.randn(8, 2, generator=generator)
        loss = nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        optimizer.param_groups[0]["lr"] *= 0.8
        losses.append(loss.detach())
    return losses


def _checkpoint(answer: object) -> str:
    wanted, whole = "`save_checkpoint` and `resume_from`", _train(_new_run(), 9)
    save, resume = _pair(answer, "not-two-functions", wanted, object)
    expect(
        callable(save) and callable(resume),
        "not-two-functions",
        wanted,
        f"{describe(save)}, {describe(resume)}",
    )
    with tempfile.TemporaryDirectory() as folder:
        path, run = Path(folder) / "checkpoint.pt", _new_run()
        _train(run, 4)
        ask("save_checkpoint(...)", lambda: save(path, *run, 4) or True)
        call = "resume_from(path, model, optimizer, generator)"
        if not path.exists():
            ask(
                call, lambda: resume(path, *run) or True, mistake="no-file"
            )  # `Unsolved` for the stub
        expect(path.exists(), "no-file", "a file at `path`", "there is none")
        _readable(path)
        state, rest = _state(run), _train(run, 5)
        expect(
            all(map(same, rest, whole[4:])),
            "save-disturbs",
            "the run goes on after the save",
            "it is another run",
        )
        run = _new_run()
        step = ask(call, resume, path, *run)
        expect(type(step) is int and step == 4, "wrong-step", "`4`", describe(step))
    for part, resumed in _state(run).items():
        held = len(resumed) == len(state[part]) and all(map(same, resumed, state[part]))
        expect(held, f"{part}-lost", f"the {part} is where it was saved", "it is not")
    expect(
        run[0].training,
        "mode-changed",
        "the model in training mode, as it was",
        "it is in eval mode",
    )
    right = all(map(same, _train(run, 5), whole[4:]))
    expect(
        right, "optimizer-lost", "five more steps as in the run that never stopped", "other losses"
    )
    return "nine steps, stopped after four: weights, moments and both random states are equal, and so are all losses"


def _readable(path: Path) -> None:
    try:
        torch.load(path, weights_only=True)
    except Exception as error:
        found = f"it raised `{type(error).__name__}`"
        raise Mistake(
            "not-weights-only", "`torch.load(path, weights_only=True)` reads it", found
        ) from None


def _state(run: tuple) -> dict[str, list[torch.Tensor]]:
    """Copies of everything that a step reads and changes, by the part that holds it."""
    model, optimizer, generator = run
    moments = [
        value for state in optimizer.state_dict()["state"].values() for value in state.values()
    ]
    parts = {
        "model": list(model.state_dict().values()),
        "optimizer": moments,
        "generator": [generator.get_state()],
        "random": [torch.get_rng_state()],
    }
    return copy.deepcopy(parts)


CHECKERS = {
    "5.1": _two_lists,
    "5.2": _unwrapped,
    "5.3": _load_what_fits,
    "5.4": _gain,
    "5.5": _checkpoint,
}
