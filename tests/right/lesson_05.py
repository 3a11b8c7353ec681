"""Right answers to the exercises of lesson 05."""

import copy
from collections import OrderedDict

import torch
from torch import nn

from helpers.exercises.exercise import edited
from helpers.exercises.lesson_05 import (
    MISSING,
    UNEXPECTED,
    Gain,
    load_what_fits,
    resume_from,
    save_checkpoint,
)
from tests.right import source

PREFIXES = ("module.", "_orig_mod.")


def by_loop(state_dict):
    result, changed = OrderedDict(state_dict), True
    while changed and result:
        changed = False
        for prefix in PREFIXES:
            if all(key.startswith(prefix) for key in result):
                result = OrderedDict((key[len(prefix) :], value) for key, value in result.items())
                changed = True
    return result


def by_first_key(state_dict):
    first = next(iter(state_dict), "").split(".")[0] + "."
    if first not in PREFIXES or not all(key.startswith(first) for key in state_dict):
        return dict(state_dict)
    return by_first_key({key.removeprefix(first): value for key, value in state_dict.items()})


def by_torch(state_dict):
    result = dict(state_dict)
    for prefix in PREFIXES * max(map(len, result), default=0):
        if all(key.startswith(prefix) for key in result):
            nn.modules.utils.consume_prefix_in_state_dict_if_present(result, prefix)
    return result


def fitting(model, state_dict):
    own = model.state_dict()
    return {
        key: value
        for key, value in state_dict.items()
        if key in own and getattr(own[key], "shape", "none") == getattr(value, "shape", "none")
    }


def by_missing_keys(model, state_dict):
    fits = fitting(model, state_dict)
    kept, _ = model.load_state_dict(copy.deepcopy(fits), strict=False)
    kept += [key for key in model.state_dict() if key not in fits and key not in kept]
    return kept, [key for key in state_dict if key not in fits]


def by_copy(model, state_dict):
    own, fits = model.state_dict(), fitting(model, state_dict)
    with torch.no_grad():
        for key, value in fits.items():
            if "_extra_state" in key:
                model.get_submodule(key.rpartition(".")[0]).set_extra_state(value)
            else:
                own[key].copy_(value)
    return [key for key in own if key not in fits], [key for key in state_dict if key not in fits]


def by_union(model, state_dict):
    fits = fitting(model, state_dict)
    own = model.state_dict()
    model.load_state_dict({**own, **fits})
    return sorted(own.keys() - fits.keys()), sorted(state_dict.keys() - fits.keys())


class ByHook(edited(Gain, ("if old in state_dict and new not in state_dict:", "if False:"))):
    def __init__(self, width):
        super().__init__(width)
        self._register_load_state_dict_pre_hook(self.rename)

    @staticmethod
    def rename(state_dict, prefix, *rest):
        if prefix + "gain" not in state_dict and prefix + "scale" in state_dict:
            state_dict[prefix + "gain"] = state_dict.pop(prefix + "scale")


def save_list(path, *parts):
    *objects, generator, step = parts
    random = [generator.get_state(), torch.random.get_rng_state()]
    torch.save([*(part.state_dict() for part in objects), *random, step], str(path))
    return path


def resume_list(path, model, optimizer, generator):
    weights, moments, own, random, step = torch.load(str(path), weights_only=True)
    model.load_state_dict(weights, assign=False)
    optimizer.load_state_dict(moments)
    generator.set_state(own), torch.random.set_rng_state(random)
    return step


class Saver:
    """A learner may keep both in a class."""

    def save(self, path, model, optimizer, generator, step):
        unfinished = path.with_suffix(".tmp")
        save_checkpoint(unfinished, model, optimizer, generator, step)
        unfinished.replace(path)

    def resume(self, *given):
        return resume_from(*given)


# Its hook cannot be pickled where the class is not found by its name.
STATIC_HOOK = """
class Gain(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.register_load_state_dict_pre_hook(Gain.rename)

    @staticmethod
    def rename(module, state_dict, prefix, *rest):
        if prefix + "scale" in state_dict and prefix + "gain" not in state_dict:
            state_dict[prefix + "gain"] = state_dict.pop(prefix + "scale")

    def forward(self, x):
        return x * self.gain
"""

RIGHT = {
    "5.1": [
        [tuple(MISSING), tuple(reversed(UNEXPECTED))],
        (set(MISSING), frozenset(UNEXPECTED)),
    ],
    "5.2": [by_loop, by_first_key, by_torch],
    "5.3": [by_missing_keys, by_copy, by_union, lambda *given: list(load_what_fits(*given))],
    "5.4": [
        ByHook,
        edited(
            Gain,
            (
                "state_dict[new] = state_dict.pop(old)",
                "state_dict = {new if k == old else k: v for k, v in state_dict.items()}",
            ),
        ),
        edited(Gain, ("return x * self.gain", "return torch.mul(self.gain, x)")),
        # By a number of its own, which the notes of old files do not have.
        edited(
            Gain,
            ("def __init__", "_version = 2\n\n    def __init__"),
            ("if old in", 'if rest[0].get("version", 1) < 2 and old in'),
        ),
        source(STATIC_HOOK, "Gain"),
    ],
    "5.5": [(save_list, resume_list), (Saver().save, Saver().resume)],
}
