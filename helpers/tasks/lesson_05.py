"""Checkers for the exercises of lesson 05. Torch judges: an answer's files and dictionaries are loaded, strictly."""

from __future__ import annotations

import copy
import tempfile
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from helpers.tasks import Mistake, Unsolved, ask, built, describe, entries, expect, holding, listed, same, want_function


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
    fits = isinstance(answer, (tuple, list)) and len(answer) == 2
    expect(fits, slip, wanted, describe(answer))
    if ... in [part if part is ... else None for part in answer]:
        raise Unsolved
    for part in answer:
        expect(isinstance(part, kinds), slip, wanted, f"{describe(part)} as one of them")
    return tuple(answer)


def _two_lists(answer: object) -> str:
    missing, unexpected = _pair(answer, "not-two-lists", "two lists of texts", (list, tuple, set))
    texts = all(isinstance(key, str) for key in [*missing, *unexpected])
    expect(texts, "not-two-lists", "two lists of texts", "something else is in them")
    teacher, student = _Teacher().state_dict(), _Student()
    right = student.load_state_dict(teacher, strict=False)
    wanted = (set(right.missing_keys), set(right.unexpected_keys))
    turned = (set(unexpected), set(missing)) == wanted
    expect(not turned, "swapped", "`missing` is what the student misses", "the lists of the teacher")
    expect("mean" not in missing, "not-persistent", "`missing` without `mean`", listed(missing))
    for key in [*missing, *unexpected]:
        both = key in teacher and key in student.state_dict()
        expect(not both, "in-both", "keys that one of the two has", f"{describe(key)}, which both have")
    slips = {"scale": "own-parameter", "mean": "still-unexpected", "head.bias": "bias"}
    for name, given, keys in (("missing", missing, wanted[0]), ("unexpected", unexpected, wanted[1])):
        odd = [key for key in given if key not in keys]
        expect(not odd, "no-such-key", f"keys that belong into `{name}`", listed(odd))
        for key in right.missing_keys + right.unexpected_keys:
            held = key not in keys or key in given
            expect(held, slips.get(key, "statistics"), f"{len(keys)} keys in `{name}`", f"{listed(given)}: one lacks")
    return "one key that the student misses, and five that it has no place for"


_KEYS = ["body.weight", "submodule.weight", "modules.0.bias", "_orig_mod.weight", "body.module.weight"]


def _under(*prefixes: str, keys: list[str] = _KEYS) -> OrderedDict:
    return OrderedDict(("".join(prefixes) + key, torch.zeros(1)) for key in keys)


def _unwrapped(answer: object) -> str:
    want_function(answer, "unwrapped")
    comp, par = "_orig_mod.", "module."
    cases = [
        (_under(par), _KEYS, "left-on"), (_under(comp), _KEYS, "left-on"), (_under(par, comp), _KEYS, "other-order"),
        (_under(comp, par), _KEYS, "other-order"), (_under(par, comp, par), _KEYS, "other-order"),
        (_under(), _KEYS, "too-much"), (_under(keys=["module.weight", "bias"]), ["module.weight", "bias"], "some-keys"),
        (_under(par, keys=["module.weight", "head.bias"]), ["module.weight", "head.bias"], "some-keys"),
        (_under(keys=["module_a.weight", "module_b.weight"]), ["module_a.weight", "module_b.weight"], "too-much"),
        (_under(keys=["modules.0.weight", "modules.1.weight"]), ["modules.0.weight", "modules.1.weight"], "too-much"),
        (_under(keys=[]), [], "empty"),
    ]  # fmt: skip
    for given, wanted, slip in cases:
        before = list(given.items())
        call = f"unwrapped({{{', '.join(map(repr, list(given)[:2]))}, …}})"
        result = entries(ask(call, answer, given, mistake="raises" if given else "empty"), call)
        kept = list(given) == [key for key, _ in before]
        expect(kept, "changes-the-given", "the dictionary that was given stays", f"it has {listed(list(given)[:3])} …")
        broken = {key.replace(par, "").replace(comp, "") for key in wanted} - set(wanted)
        slip = "not-a-prefix" if broken & set(result) and slip != "some-keys" else slip
        expect(sorted(result) == sorted(wanted), slip, listed(wanted), listed(result))
        intact = list(result) == wanted and all(result[key] is one[1] for key, one in zip(wanted, before, strict=True))
        expect(intact, "other-values", "the same tensors under their names, in order", "other tensors, or another order")
    return "eleven dictionaries: both wrappers in every order, and names that only look like one"


class _Net(nn.Module):
    def __init__(self, classes: int = 3, width: int = 4) -> None:
        super().__init__()
        self.body, self.norm = nn.Linear(2, width), nn.BatchNorm1d(width)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.norm(self.body(x)).relu()))


def _numbers(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().clone() for key, value in model.state_dict().items()}


def _load_what_fits(answer: object) -> str:
    want_function(answer, "load_what_fits")
    smaller = {f"{'' if key != 'body.bias' else 'old.'}{key}": value + 5 for key, value in _numbers(_Net()).items()}
    del smaller["norm.running_var"]
    turned = {key: value + 5 for key, value in _numbers(nn.Linear(3, 2)).items()}
    for model, given in ((_Net(5), smaller), (nn.Linear(2, 2), turned), (_Net(), {}), (nn.ReLU(), dict(turned))):
        own, before, objects = _numbers(model), dict(given), [id(one) for one in model.parameters()]
        fits = [key for key in own if key in given and own[key].shape == given[key].shape]
        call = "load_what_fits(model, state_dict)"
        result = ask(call, answer, model, given)
        shaped = isinstance(result, (tuple, list)) and len(result) == 2
        shaped = shaped and all(isinstance(part, (tuple, list)) for part in result)
        expect(shaped, "not-two-lists", f"`{call}` returns two lists", describe(result))
        stays = list(given) == list(before) and all(given[key] is before[key] for key in before)
        expect(stays, "changes-the-given", "the dictionary that was given stays", "it was changed")
        expect(objects == [id(one) for one in model.parameters()], "replaced", "the parameters that it had", "new ones")
        for key, value in _numbers(model).items():
            if key in fits:
                expect(same(value, given[key]), "not-loaded", f"the numbers of {describe(key)}", "the model's own")
            else:
                expect(same(value, own[key]), "half-loaded", f"{describe(key)} as it was", "other numbers")
        for part, keys, slip in ((result[0], own, "kept-wrong"), (result[1], given, "unused-wrong")):
            wanted = [key for key in keys if key not in fits]
            expect(sorted(map(str, part)) == sorted(wanted), slip, listed(wanted), listed(part))
    return "four pairs: other names, other shapes, an empty dictionary, a model without entries"


def _refused(model: nn.Module, state: dict) -> str:
    """The first line of what a strict load says, "" if it loads."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        return str(error).splitlines()[-1].strip()
    except Exception as error:
        raise Mistake("raises", "`load_state_dict` calls the method", f"it raised `{type(error).__name__}`") from None
    return ""


def _gain(answer: object) -> str:
    model, call = built(answer, "Gain", 2), "Gain(2)"
    gain = dict(model.named_parameters()).get("gain")
    fits = gain is not None and list(model.state_dict()) == ["gain"] and gain.tolist() == [1, 1]
    expect(fits, "no-gain", f"`{call}` has the parameter `gain`, ones", listed(model.state_dict()))
    x = torch.tensor([3.0, 4.0])
    number = torch.tensor([2.0, 5.0])
    for name, slip in (("gain", "new-refused"), ("scale", "old-refused")):
        for path in ("", "inner.", "outer.inner."):
            fresh = built(answer, "Gain", 2)
            part = fresh if not path else holding(inner=fresh) if path == "inner." else holding(
                outer=holding(inner=fresh))  # fmt: skip
            state = OrderedDict({path + name: number.clone()})
            said = _refused(part, state)
            expect(not said, "prefix" if path and slip == "old-refused" else slip, f"{describe(path + name)} loads", said)
            expect(same(fresh.gain.detach(), number), "not-loaded", "the numbers of the file", "others")
            kept = list(state) == [path + name] and same(state[path + name], number)
            expect(kept, "changes-the-given", "the dictionary stays as it is", listed(state))
            result = ask("gain(x)", fresh, x)
            expect(same(result.detach(), x * number), "wrong-numbers", "`x * gain`", describe(result))
    for state in ({}, {"gain": number, "scale": number}):
        said = _refused(built(answer, "Gain", 2), state)
        expect(bool(said), "too-kind", f"a state_dict with {listed(state)} is refused", "it was loaded")
    return "both names, alone and two levels deep; neither name and both at once are refused"


def _new_run() -> tuple:
    torch.manual_seed(0)
    model = _Net()
    return model, torch.optim.Adam(model.parameters(), lr=0.05), torch.Generator().manual_seed(3)


def _train(run: tuple, steps: int) -> list[torch.Tensor]:
    """The losses of some steps: batches from the run's generator, dropout from torch's own random numbers."""
    model, optimizer, generator = run
    losses = []
    for _ in range(steps):
        x = torch.randn(8, 2, generator=generator)
        loss = nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def _checkpoint(answer: object) -> str:
    wanted = "`save_checkpoint` and `resume_from`"
    save, resume = _pair(answer, "not-two-functions", wanted, object)
    for part in (save, resume):
        plain = callable(part) and not isinstance(part, (type, nn.Module))
        expect(plain, "not-two-functions", wanted, f"{describe(part)} as one of them")
    run = _new_run()
    whole = _train(run, 9)
    with tempfile.TemporaryDirectory() as folder:
        path, run = Path(folder) / "checkpoint.pt", _new_run()
        _train(run, 4)
        ask("save_checkpoint(...)", lambda: save(path, *run, 4) or True)
        call = "resume_from(path, model, optimizer, generator)"
        if not path.exists():
            ask(call, lambda: resume(path, *run) or True, mistake="no-file")  # `Unsolved` for the stub
        expect(path.exists(), "no-file", "a file at `path`", "there is none")
        _readable(path)
        state = _state(run)
        rest = _train(run, 5)
        expect(all(map(same, rest, whole[4:])), "save-disturbs", "the run goes on after the save", "it is another run")
        run = _new_run()
        step = ask(call, resume, path, *run)
        expect(type(step) is int and step == 4, "wrong-step", "`4`", describe(step))
    for part, resumed in _state(run).items():
        held = len(resumed) == len(state[part]) and all(map(same, resumed, state[part]))
        expect(held, f"{part}-lost", f"the {part} is where it was saved", "it is not")
    right = all(map(same, _train(run, 5), whole[4:]))
    expect(right, "optimizer-lost", "five more steps as in the run that never stopped", "other losses")
    return "nine steps, stopped after four: weights, moments and both random states are equal, and so are all losses"


def _readable(path: Path) -> None:
    try:
        torch.load(path, weights_only=True)
    except Exception as error:
        found = f"it raised `{type(error).__name__}`"
        raise Mistake("not-weights-only", "`torch.load(path, weights_only=True)` reads it", found) from None


def _state(run: tuple) -> dict[str, list[torch.Tensor]]:
    """Copies of everything that a step reads and changes, by the part that holds it."""
    model, optimizer, generator = run
    moments = [value for state in optimizer.state_dict()["state"].values() for value in state.values()]
    parts = {"model": list(model.state_dict().values()), "optimizer": moments,
             "generator": [generator.get_state()], "random": [torch.get_rng_state()]}  # fmt: skip
    return copy.deepcopy(parts)


CHECKERS = {"5.1": _two_lists, "5.2": _unwrapped, "5.3": _load_what_fits, "5.4": _gain, "5.5": _checkpoint}
