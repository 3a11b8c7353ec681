"""check on lesson 05: right answers of any style pass, and each near miss meets its own hint."""

import copy
import json
from collections import OrderedDict

import pytest
import torch
from torch import nn

from helpers.exercises.lesson_05 import _Student, _Teacher
from tests.lesson_kernel import ROOT
from tests.right import raising, source

IDS = ["5.1", "5.2", "5.3", "5.4", "5.5"]
CELLS = json.loads((ROOT / "notebooks" / "05_save_and_load.ipynb").read_text(encoding="utf-8"))[
    "cells"
]


def cell(name):
    return next("".join(one["source"]) for one in CELLS if one["id"] == name)


MISSING = ["scale"]
STATISTICS = [
    f"encoder.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
]
UNEXPECTED = ["mean", *STATISTICS, "head.bias"]


# 5.2


def by_loop(state_dict):
    result = OrderedDict(state_dict)
    changed = True
    while changed and result:
        changed = False
        for prefix in ("module.", "_orig_mod."):
            if all(key.startswith(prefix) for key in result):
                result = OrderedDict((key[len(prefix) :], value) for key, value in result.items())
                changed = True
    return result


def by_recursion(state_dict):
    first = next(iter(state_dict), "").split(".")[0] + "."
    if first not in ("module.", "_orig_mod.") or not all(
        key.startswith(first) for key in state_dict
    ):
        return dict(state_dict)
    return by_recursion({key.removeprefix(first): value for key, value in state_dict.items()})


def by_torch(state_dict):
    result = dict(state_dict)
    while result and any(
        all(key.startswith(one) for key in result) for one in ("module.", "_orig_mod.")
    ):
        prefix = next(
            one for one in ("module.", "_orig_mod.") if all(key.startswith(one) for key in result)
        )
        nn.modules.utils.consume_prefix_in_state_dict_if_present(result, prefix)
    return result


def stripped(prefixes, state, how=all):
    for prefix in prefixes:
        if state and how(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


MANY = ("module.", "_orig_mod.") * 3


def in_place(state_dict):
    for key, value in stripped(MANY, dict(state_dict)).items():
        state_dict[key] = value
    for key in [key for key in state_dict if key not in stripped(MANY, dict(state_dict))]:
        del state_dict[key]
    return state_dict


def anywhere(state_dict):
    for prefix in ("module.", "_orig_mod."):
        while state_dict and all(prefix in key for key in state_dict):
            state_dict = {key.split(prefix, 1)[1]: one for key, one in state_dict.items()}
    return by_loop(state_dict)


def endless_on_nothing(state_dict):
    while all(
        key.startswith("module.") or next(iter(state_dict)).startswith("_orig_mod.")
        for key in state_dict
    ):
        prefix = "module." if next(iter(state_dict)).startswith("module.") else "_orig_mod."
        if not all(key.startswith(prefix) for key in state_dict):
            break
        state_dict = {key.removeprefix(prefix): value for key, value in state_dict.items()}
    return state_dict


# 5.3


def fitting(model, state_dict):
    own = model.state_dict()
    return {
        key: value
        for key, value in state_dict.items()
        if key in own and own[key].shape == value.shape
    }


def left(model, state_dict):
    fits = fitting(model, state_dict)
    return [key for key in model.state_dict() if key not in fits], [
        key for key in state_dict if key not in fits
    ]


def by_strict_false(model, state_dict):
    fits = fitting(model, state_dict)
    kept, _ = model.load_state_dict(fits, strict=False)
    kept += [key for key in model.state_dict() if key not in fits and key not in kept]
    return kept, [key for key in state_dict if key not in fits]


def by_copy(model, state_dict):
    kept, unused = left(model, state_dict)
    own = model.state_dict()
    with torch.no_grad():
        for key in own.keys() - set(kept):
            own[key].copy_(state_dict[key])
    return kept, tuple(unused)


def by_union(model, state_dict):
    model.load_state_dict({**model.state_dict(), **fitting(model, state_dict)})
    return list(left(model, state_dict))


def loading(load, answer=left):
    def answered(model, state_dict):
        result = answer(model, state_dict)
        load(model, state_dict)
        return result

    return answered


def fill(model, state_dict):
    model.load_state_dict(fitting(model, state_dict), strict=False)


def only_parameters(model, state_dict):
    names = dict(model.named_parameters())
    model.load_state_dict(
        {key: one for key, one in fitting(model, state_dict).items() if key in names}, strict=False
    )


def assigned(model, state_dict):
    model.load_state_dict(fitting(model, state_dict), strict=False, assign=True)


def partly(model, state_dict):
    fill(model, state_dict)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key in state_dict and value.shape != state_dict[key].shape:
                value[:1] = state_dict[key].flatten()[0]


def popped(model, state_dict):
    result = left(model, state_dict)
    for key in result[1]:
        state_dict.pop(key)
    fill(model, state_dict)
    return result


def by_data(model, state_dict):
    """The model's tensors become the dictionary's own memory."""
    for key, value in fitting(model, state_dict).items():
        place, _, name = key.rpartition(".")
        getattr(model.get_submodule(place), name).data = value


def zeroed(model, state_dict):
    for value in fitting(model, state_dict).values():
        value.zero_()
    fill(model, state_dict)


def by_count(model, state_dict):
    own = model.state_dict()
    fits = {
        key: one
        for key, one in state_dict.items()
        if key in own and own[key].numel() == one.numel()
    }
    try:
        model.load_state_dict(fits, strict=False)
    except RuntimeError:
        pass
    return [key for key in own if key not in fits], [key for key in state_dict if key not in fits]


def only_missing(model, state_dict):
    """Without notes a batch norm forgives that its counter is missing."""
    kept, _ = model.load_state_dict(fitting(model, state_dict), strict=False)
    return kept, left(model, state_dict)[1]


def by_sets(model, state_dict):
    fill(model, state_dict)
    fits = fitting(model, state_dict).keys()
    return model.state_dict().keys() - fits, state_dict.keys() - fits


def forgets_statistics(model, state_dict):
    kept, unused = left(model, state_dict)
    fill(model, state_dict)
    return [key for key in kept if "running" not in key], unused


def forgets_shapes(model, state_dict):
    fill(model, state_dict)
    own = model.state_dict()
    return left(model, state_dict)[0], [key for key in state_dict if key not in own]


# 5.4

LOAD = "def _load_from_state_dict(self, state_dict, prefix, *rest):"
SUPER = "super()._load_from_state_dict(state_dict, prefix, *rest)"
MOVE = "state_dict[prefix + 'gain'] = state_dict.pop(prefix + 'scale')"
IF = "if prefix + 'scale' in state_dict and prefix + 'gain' not in state_dict:"


def gain(
    *load,
    forward="return x * self.gain",
    init=("self.gain = nn.Parameter(torch.ones(width))",),
    head=LOAD,
):
    lines = "".join(f"\n        {line}" for line in init)
    text = f"class Gain(nn.Module):\n    def __init__(self, width):\n        super().__init__(){lines}\n"
    text += f"    def forward(self, x):\n        {forward}\n"
    return source(
        text + (f"    {head}\n" + "".join(f"        {line}\n" for line in load) if load else ""),
        "Gain",
    )


class ByHook(gain()):
    def __init__(self, width):
        super().__init__(width)
        self._register_load_state_dict_pre_hook(self.rename)

    @staticmethod
    def rename(state_dict, prefix, *rest):
        if prefix + "gain" not in state_dict and prefix + "scale" in state_dict:
            state_dict[prefix + "gain"] = state_dict.pop(prefix + "scale")


CHANGES = """class Gain(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
    def forward(self, x):
        return x * self.gain
    def load_state_dict(self, state_dict, *rest, **named):
        if 'scale' in state_dict and 'gain' not in state_dict:
            state_dict['gain'] = state_dict.pop('scale')
        return super().load_state_dict(state_dict, *rest, **named)
"""


# 5.5


def save_all(path, model, optimizer, generator, step, **more):
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "generator": generator.get_state(),
            "random": torch.get_rng_state(),
            "step": step,
            **more,
        },
        path,
    )


def resume_all(path, model, optimizer, generator, without=()):
    saved = torch.load(path, weights_only=True)
    for name, load in (
        ("model", model.load_state_dict),
        ("optimizer", optimizer.load_state_dict),
        ("generator", generator.set_state),
        ("random", torch.set_rng_state),
    ):
        if name not in without:
            load(saved[name])
    return saved["step"]


def without(*names):
    return save_all, lambda *given: resume_all(*given, without=names)


def save_list(path, *parts):
    *objects, generator, step = parts
    torch.save(
        [
            *(part.state_dict() for part in objects),
            generator.get_state(),
            torch.random.get_rng_state(),
            step,
        ],
        str(path),
    )
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
        save_all(unfinished, model, optimizer, generator, step)
        unfinished.replace(path)

    def resume(self, *given):
        return resume_all(*given)


def save_model_too(path, model, optimizer, generator, step):
    save_all(path, model, optimizer, generator, step, whole=optimizer)


def save_eval(path, model, *given):
    save_all(path, model.eval(), *given)


def save_drawing(path, *given):
    save_all(path, *given)
    torch.rand(1)


def only_parameters_resumed(path, model, *given):
    buffers = {key: value.clone() for key, value in model.named_buffers()}
    step = resume_all(path, model, *given)
    model.load_state_dict(buffers, strict=False)
    return step


def left_in_eval(path, model, *given):
    step = resume_all(path, model, *given)
    model.eval()
    return step


def forgets_the_rate(path, model, optimizer, generator):
    groups = optimizer.state_dict()["param_groups"]
    step = resume_all(path, model, optimizer, generator)
    optimizer.load_state_dict({"state": optimizer.state_dict()["state"], "param_groups": groups})
    return step


def forgets_moments(path, model, optimizer, generator):
    step = resume_all(path, model, optimizer, generator)
    optimizer.state.clear()
    return step


KEPT = {}


RIGHT = {
    "5.1": [
        (MISSING, UNEXPECTED),
        [tuple(MISSING), tuple(reversed(UNEXPECTED))],
        (set(MISSING), set(UNEXPECTED)),
        (frozenset(MISSING), dict.fromkeys(UNEXPECTED).keys()),
        tuple(_Student().load_state_dict(_Teacher().state_dict(), strict=False)),
    ],
    "5.2": [by_loop, by_recursion, by_torch, lambda state: stripped(MANY, state)],
    "5.3": [loading(fill), by_strict_false, by_copy, by_union, by_sets],
    "5.4": [
        gain(IF, f"    {MOVE}", SUPER),
        ByHook,
        gain(
            "old, new = (prefix + name for name in ('scale', 'gain'))",
            "if old in state_dict and new not in state_dict:",
            "    state_dict = {new if key == old else key: one for key, one in state_dict.items()}",
            SUPER,
        ),
    ],
    "5.5": [(save_all, resume_all), (save_list, resume_list), (Saver().save, Saver().resume)],
}
WRONG = {
    "5.1": [
        ("not-two-lists", MISSING),
        ("not-two-lists", ("scale", UNEXPECTED)),
        ("not-two-lists", (MISSING, [1])),
        ("swapped", (UNEXPECTED, MISSING)),
        ("in-both", (["scale", "head.weight"], UNEXPECTED)),
        ("in-both", (MISSING, [*UNEXPECTED, "encoder.0.bias"])),
        ("not-persistent", (["scale", "mean"], UNEXPECTED)),
        ("still-unexpected", (MISSING, UNEXPECTED[1:])),
        ("statistics", (MISSING, ["mean", "head.bias"])),
        ("statistics", (MISSING, [*UNEXPECTED[:3], "head.bias"])),
        ("own-parameter", ([], UNEXPECTED)),
        ("bias", (MISSING, UNEXPECTED[:-1])),
        ("no-such-key", (MISSING, [*UNEXPECTED, "encoder.1.weight"])),
        ("no-such-key", (["scale", "head.bias"], UNEXPECTED)),
    ],
    "5.2": [
        ("raises", raising(KeyError("x"))),
        ("raises", dict),
        ("nothing-returned", lambda state: None),
        ("not-a-dict", lambda state: list(state)),
        ("not-a-function", {"a": 1}),
        ("left-on", lambda state: dict(state)),
        ("left-on", lambda state: stripped(["module."], state)),
        ("other-order", lambda state: stripped(["module.", "_orig_mod."], state)),
        ("other-order", lambda state: stripped(["module.", "_orig_mod.", "module."], state)),
        (
            "not-a-prefix",
            lambda state: {
                key.replace("module.", "").replace("_orig_mod.", ""): one
                for key, one in state.items()
            },
        ),
        (
            "some-keys",
            lambda state: (
                {
                    key.removeprefix("module.")
                    .removeprefix("_orig_mod.")
                    .removeprefix("module."): one
                    for key, one in state.items()
                }
                if "_orig_mod.weight" not in state
                else state
            ),
        ),
        ("some-keys", lambda state: stripped(MANY, state, how=any)),
        (
            "too-much",
            lambda state: {
                key.removeprefix("module_a.").removeprefix("module_b."): one
                for key, one in stripped(MANY, state).items()
            },
        ),
        (
            "too-much",
            lambda state: (
                {key.removeprefix("modules."): one for key, one in stripped(MANY, state).items()}
                if len(state) == 2
                else stripped(MANY, state)
            ),
        ),
        (
            "other-values",
            lambda state: {key: one.clone() for key, one in stripped(MANY, state).items()},
        ),
        ("other-values", lambda state: dict(sorted(stripped(MANY, state).items()))),
        ("not-a-prefix", anywhere),
        ("changes-the-given", in_place),
        ("empty", endless_on_nothing),
    ],
    "5.3": [
        ("raises", lambda model, state: model.load_state_dict(state)),
        ("not-a-function", 3),
        ("raises", lambda model, state: model.load_state_dict(state, strict=False)),
        ("not-two-lists", lambda model, state: loading(fill)(model, state)[0]),
        ("not-two-lists", lambda model, state: ("body.weight", "head.weight")),
        ("not-loaded", left),
        ("not-loaded", loading(only_parameters)),
        ("half-loaded", loading(partly)),
        ("kept-wrong", forgets_statistics),
        ("kept-wrong", lambda *g: loading(fill)(*g)[::-1]),
        ("unused-wrong", forgets_shapes),
        ("replaced", loading(assigned)),
        ("shared", loading(by_data)),
        ("changes-the-given", loading(zeroed)),
        ("kept-wrong", by_count),
        ("kept-wrong", only_missing),
        ("changes-the-given", popped),
        ("nothing-returned", fill),
    ],
    "5.4": [
        ("raises", gain("state_dict.pop(prefix + 'nothing')", SUPER)),
        ("not-a-module", 3),
        ("an-instance", nn.ReLU()),
        (
            "no-gain",
            gain(
                init=("self.scale = nn.Parameter(torch.ones(width))",),
                forward="return x * self.scale",
            ),
        ),
        ("no-gain", gain(init=("self.gain = nn.Parameter(torch.zeros(width))",))),
        (
            "no-gain",
            gain(
                init=(
                    "self.gain = nn.Parameter(torch.ones(width))",
                    "self.scale = nn.Parameter(torch.ones(width))",
                )
            ),
        ),
        ("wrong-numbers", gain(IF, f"    {MOVE}", SUPER, forward="return x + self.gain")),
        (
            "new-refused",
            gain(
                "if prefix + 'scale' not in state_dict:",
                "    state_dict.clear()",
                "else:",
                f"    {MOVE}",
                SUPER,
            ),
        ),
        ("raises", gain(MOVE, SUPER)),
        ("old-refused", gain()),
        (
            "old-refused",
            gain(IF, "    state_dict[prefix + 'gain'] = state_dict[prefix + 'scale']", SUPER),
        ),
        ("old-refused", gain(SUPER, IF, f"    {MOVE}")),
        (
            "prefix",
            gain(
                "if 'scale' in state_dict:",
                "    state_dict['gain'] = state_dict.pop('scale')",
                SUPER,
            ),
        ),
        (
            "not-loaded",
            gain(
                IF, "    state_dict[prefix + 'gain'] = 0 * state_dict.pop(prefix + 'scale')", SUPER
            ),
        ),
        (
            "not-loaded",
            gain(
                "state_dict.pop(prefix + 'scale', None)",
                "state_dict.setdefault(prefix + 'gain', self.gain)",
                SUPER,
            ),
        ),
        ("too-kind", gain("if prefix + 'scale' in state_dict:", f"    {MOVE}", SUPER)),
        (
            "too-kind",
            gain(IF, f"    {MOVE}", "state_dict.setdefault(prefix + 'gain', self.gain)", SUPER),
        ),
        ("too-kind", gain(IF, f"    {MOVE}", "    rest = (rest[0], False, *rest[2:])", SUPER)),
        (
            "no-gain",
            gain(IF, f"    {MOVE}", SUPER, init=("self.gain = nn.Parameter(torch.ones(2))",)),
        ),
        ("changes-the-given", source(CHANGES, "Gain")),
        (
            "no-super",
            source(
                "class Gain(nn.Module):\n    def __init__(self, width):\n"
                "        self.gain = nn.Parameter(torch.ones(width))",
                "Gain",
            ),
        ),
    ],
    "5.5": [
        ("not-two-functions", save_all),
        ("not-two-functions", (save_all, None)),
        ("raises", (lambda path: None, resume_all)),
        ("raises", (save_all, lambda path: 4)),
        ("no-file", (lambda *given: KEPT.update(given=copy.deepcopy(given[1:])), lambda *given: 4)),
        ("not-weights-only", (save_model_too, resume_all)),
        ("wrong-step", (save_all, lambda *g: resume_all(*g) + 1)),
        ("wrong-step", (save_all, lambda *given: torch.tensor(resume_all(*given)))),
        ("nothing-returned", (save_all, lambda *given: resume_all(*given) and None)),
        ("model-lost", without("model")),
        ("model-lost", (save_all, only_parameters_resumed)),
        ("optimizer-lost", without("optimizer")),
        ("optimizer-lost", (save_all, forgets_moments)),
        ("optimizer-lost", (save_all, forgets_the_rate)),
        ("mode-changed", (save_all, left_in_eval)),
        ("generator-lost", without("generator")),
        ("random-lost", without("random")),
        ("save-disturbs", (save_eval, resume_all)),
        ("save-disturbs", (save_drawing, resume_all)),
    ],
}


def test_the_models_whose_keys_are_guessed_are_those_of_the_lesson():
    for ours, name in ((_Teacher, "Teacher"), (_Student, "Student")):
        assert list(source(cell("teacher"), name)().state_dict()) == list(ours().state_dict())


NAMES = {
    "5.1": ("missing", "unexpected"),
    "5.2": "unwrapped",
    "5.3": "load_what_fits",
    "5.4": "Gain",
    "5.5": ("save_checkpoint", "resume_from"),
}


def run_of_the_lesson(folder, scale):
    """The cells of section 8, as they stand, on a model and batches `scale` times as large."""
    larger = {
        "(4, 8)": f"(4, {8 * scale})",
        "1d(8)": f"1d({8 * scale})",
        "(8, classes)": f"({8 * scale}, classes)",
        "randn(200,": f"randn({200 * scale},",
        "(0, 200, (32,))": f"(0, {200 * scale}, ({32 * scale},))",
    }
    space = {"torch": torch, "nn": nn, "folder": folder}
    for name in ("classifier", "run", "train", "resume-cell"):
        text = cell(name)
        for old, new in larger.items():
            text = text.replace(old, new)
        exec(text, space)
    assert (
        space["start"]()["model"].body.out_features == 8 * scale
        and len(space["points"]) == 200 * scale
    )
    return space


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("scale", [1, 16])
def test_the_resumed_run_of_the_lesson_is_the_one_that_never_stopped_bit_for_bit(
    tmp_path, threads, scale
):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=()):
            space = run_of_the_lesson(tmp_path, scale)
            start, train, save, resume = (
                space[name] for name in ("start", "train", "save", "resume")
            )
            whole = start()
            never_stopped = train(whole, 0, 14)
            stopped = start()
            train(stopped, 0, 8)
            save(stopped, 8, tmp_path / "checkpoint.pt")
            resumed, step = resume(tmp_path / "checkpoint.pt")
            assert train(resumed, step, 14) == never_stopped[8:]
            for key, value in whole["model"].state_dict().items():
                assert torch.equal(value, resumed["model"].state_dict()[key])
            half, step = resume(
                tmp_path / "checkpoint.pt", without=("optimizer", "scheduler", "random")
            )
            assert train(half, step, 14) != never_stopped[8:]
    finally:
        torch.set_num_threads(before)
