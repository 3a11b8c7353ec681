"""Checkers for the exercises of lesson 04. Torch judges: by containers, by hooks, by what is
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import nn
from torch.nn.modules import module as registry

from helpers.exercises.old_engine import (
    Mistake,
    ask,
    built,
    describe,
    expect,
    in_words,
    listed,
    photo,
    same,
    want_function,
)

_HOOK = registry.register_module_parameter_registration_hook


class _Ten(nn.Module):
    def __init__(self) -> None:
        self.a = torch.zeros(1)
        super().__init__()
        self.b = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.c = nn.Parameter(torch.zeros(1)) + 1
        self.d = nn.Buffer(torch.zeros(1))
        self.e = self.d
        self.f = [nn.ReLU()]
        self.g = None
        self.g = nn.Parameter(torch.zeros(1))
        self.h = nn.Parameter(torch.zeros(1))
        self.h = None
        self.register_buffer("i", torch.zeros(1))
        self.i = nn.ReLU()
        self.register_buffer("j", None)
        self.j = torch.zeros(1)


def _homes_of(module: nn.Module) -> dict[str, str]:
    boxes = {
        "parameter": module._parameters,
        "buffer": module._buffers,
        "submodule": module._modules,
    }
    found = {name: home for home, box in boxes.items() for name in box}
    return found | {name: "plain" for name in vars(module) if len(name) == 1}


def _ten(answer: object) -> str:
    right = _homes_of(_Ten())
    expect(
        isinstance(answer, Mapping), "not-a-dict", "a dict of ten names and homes", describe(answer)
    )
    expect(
        set(answer) == set(right),
        "not-ten-names",
        "the ten names `a` to `j`",
        listed(list(answer)[:12]),
    )
    slips = dict(
        zip(
            "abcdefghij",
            (
                "early",
                "frozen",
                "result",
                "buffer",
                "label",
                "in-a-list",
                "late-parameter",
                "empty-slot",
                "taken-over",
                "filled-slot",
            ),
            strict=True,
        )
    )
    known = set(right.values())
    for name, slip in slips.items():
        is_home = isinstance(answer[name], str) and answer[name] in known
        expect(is_home, "no-such-home", f"a home for `{name}`", describe(answer[name]))
        expect(
            answer[name] == right[name],
            slip,
            f"the home of `{name}` in `Ten()`",
            describe(answer[name]),
        )
    return "all ten, as the containers of `Ten()` have them"


class _Twice(nn.Module):
    """Registers one name twice, by both ways, and an empty slot."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.register_parameter("bias", None)
        self.scale = nn.Parameter(torch.ones(1))
        self.fixed = nn.Parameter(torch.ones(2), requires_grad=False)


def _registered(answer: object) -> str:
    want_function(answer, "registered")
    hooks, call = registry._global_parameter_registration_hooks, "registered(build)"
    before, right, seen = dict(hooks), [], []
    ready = nn.Linear(4, 4)
    cases: list[tuple[str, Callable[[], nn.Module]]] = [
        ("wrong-entry", lambda: nn.Linear(2, 3)),
        (
            "missing",
            lambda: nn.Sequential(nn.Linear(2, 3, bias=False), nn.Sequential(nn.BatchNorm1d(3))),
        ),
        ("not-registered-meanwhile", lambda: nn.Sequential(ready, nn.Linear(1, 1))),
        ("once-each", _Twice),
    ]
    theirs = _HOOK(
        lambda module, name, value: right.append(
            (type(module).__name__, name, tuple(value.shape), value)
        )
    )
    try:
        for slip, build in cases:
            seen.clear()

            def once(build: Callable = build) -> nn.Module:
                seen.append(build())
                return seen[-1]

            held, random = set(hooks), torch.get_rng_state()
            alone = _numbers(build())
            torch.set_rng_state(random)
            right.clear()
            result = ask(call, answer, once)
            expect(
                len(seen) == 1,
                "not-built",
                "`build()` is called once",
                f"it was called {len(seen)} times",
            )
            expect(
                held <= set(hooks),
                "others-removed",
                "hooks of others are still there",
                "one is gone",
            )
            expect(set(hooks) <= held, "hook-left", "your hook is gone", "it is still there")
            expect(
                isinstance(result, (list, tuple)),
                "not-a-list",
                "a list of tuples",
                describe(result),
            )
            wanted, found = [one[:3] for one in right], list(result)[:50]
            # What was given to be registered, the last under each name, is what the model has.
            given = {id(one[3]) for one in right} | {id(one) for one in ready.parameters()}
            intact = all(id(one) in given for one in seen[0].parameters())
            expect(
                intact, "replaced", "the parameters that `build` has made", "others in their place"
            )
            expect(
                _numbers(seen[0]) == alone,
                "built-otherwise",
                "the model that `build` makes without you",
                "other numbers, or another `requires_grad`",
            )
            expect(found == wanted, slip, _shown(wanted), _shown(found))
        _after_an_error(answer, call)
    finally:
        theirs.remove()
        hooks.clear()
        hooks.update(before)
    return "four models, with nested, replaced, empty and ready-made parts, and a build that raises"


def _numbers(model: nn.Module) -> list:
    return [(name, value.requires_grad, value.tolist()) for name, value in model.named_parameters()]


def _shown(found: list) -> str:
    return (
        ", ".join(f"`{one}`" if type(one) is tuple else describe(one) for one in found[:4])
        or "an empty list"
    )


def _after_an_error(answer: Callable, call: str) -> None:
    error, held = ValueError("no such model"), set(registry._global_parameter_registration_hooks)

    def fails() -> None:
        nn.Linear(1, 1)
        raise error

    try:
        answer(fails)
    except Exception as raised:
        expect(
            raised is error,
            "error-lost",
            f"the error of `build`: {in_words(error)}",
            in_words(raised),
        )
    else:
        raise Mistake("error-lost", f"`{call}` raises what `build` raises", "it raised nothing")
    left = set(registry._global_parameter_registration_hooks) - held
    expect(
        not left,
        "hook-left-after-error",
        "your hook is gone when `build` raises",
        "it is still there",
    )


def _raised(act: Callable) -> Exception | None:
    try:
        act()
    except Exception as error:
        return error
    return None


def _works(
    slip: str,
    wanted: str,
    act: Callable,
    holds: Callable = lambda: True,
    found: str = "it does not",
) -> None:
    """Go on if `act` raises nothing and `holds` afterwards."""
    error = _raised(act)
    expect(error is None and holds(), slip, wanted, in_words(error) if error else found)


def _found(answer: object) -> str:
    call = "Found()"
    model, other = built(answer, "Found"), built(answer, "Found")
    own = [name for name, _ in model.named_parameters()]
    wanted = ["scale", "body.weight", "body.bias"]
    expect(own == wanted, "not-registered", f"the parameters {listed(wanted)}", listed(own))
    twins = [name for name in vars(model) if name in model._parameters or name in model._modules]
    expect(
        not twins, "two-homes", "one home for each name", f"{listed(twins)} in the `__dict__`, too"
    )
    expect(list(model.state_dict()) == wanted, "saved", listed(wanted), listed(model.state_dict()))
    names = getattr(model, "names", None)
    expect(isinstance(names, list), "no-names", f"`{call}.names` is a list", describe(names))
    expect("names" not in names, "names-named", "`['scale', 'body']`", listed(names))
    expect(names == ["scale", "body"], "wrong-names", "`['scale', 'body']`", listed(names))
    expect(
        other.names is not names, "shared-names", "each instance has its own list", "they share one"
    )
    x = torch.tensor([[1.0, 2.0]])
    with torch.no_grad():
        model.scale.fill_(3)
        result = ask("found(x)", model, x)
        expect(
            same(result, model.body(3 * x)), "wrong-result", "`body(scale * x)`", describe(result)
        )
    later = [
        ("factor", 3),
        ("scale", nn.Parameter(torch.zeros(2))),
        ("act", nn.ReLU()),
        ("factor", 4),
        ("mean", nn.Buffer(torch.zeros(2))),
        ("mean", torch.ones(2)),
        ("act", None),
    ]
    for name, value in later:
        ask(
            f"found.{name} = ...",
            lambda name=name, value=value: setattr(model, name, value) or True,
        )
        kept = dict(
            model._parameters, **model._buffers, **model._modules, factor=vars(model).get("factor")
        )
        there = (
            name in kept and kept[name] is value and (name == "factor" or name not in vars(model))
        )
        expect(there, "not-registered", f"`{name}` is where torch puts it", "it is somewhere else")
    names = list(model.names)
    right = ["scale", "body", *(name for name, _ in later)]
    expect(names == right, "wrong-names", listed(right), listed(names))
    refused = _raised(lambda: setattr(model, "scale", 3.0))
    expect(
        isinstance(refused, TypeError),
        "not-refused",
        "a `TypeError` for `scale = 3.0`",
        in_words(refused) if refused else "nothing was raised",
    )
    expect(
        list(model.names) == right,
        "refused-names",
        "what was refused is not noted",
        listed(model.names),
    )
    expect(
        other.names == ["scale", "body"],
        "shared-names",
        "the other instance has its two",
        listed(other.names),
    )
    _works(
        "not-deleted",
        "`del found.mean` works, and is no assignment",
        lambda: delattr(model, "mean"),
        lambda: not hasattr(model, "mean") and list(model.names) == right,
    )
    return (
        "registered, refused and computed as ever, and every assignment that went through is noted"
    )


def _sealed(answer: object) -> str:
    small, model = built(answer, "Sealed", 2), built(answer, "Sealed", 3)
    weight = dict(model.named_parameters()).get("weight")
    fits = (
        list(model.state_dict()) == ["weight"]
        and isinstance(weight, nn.Parameter)
        and weight.requires_grad
    )
    expect(
        fits and same(weight.data, torch.ones(3)),
        "no-weight",
        "one parameter, `weight`, three ones",
        describe(weight) if fits else listed(model.state_dict()),
    )
    two = dict(small.named_parameters()).get("weight")
    expect(same(two, torch.ones(2)), "no-weight", "two ones in `Sealed(2)`", describe(two))
    result = ask("sealed(x)", model, torch.arange(3.0))
    expect(same(result, torch.arange(3.0)), "wrong-result", "`weight * x`", describe(result))
    values = (
        nn.Parameter(torch.zeros(3)),
        torch.zeros(3),
        None,
        nn.ReLU(),
        nn.Buffer(torch.zeros(3)),
    )
    attempts = [
        (
            "replaced",
            f"sealed.weight = {describe(value)}",
            lambda value=value: setattr(model, "weight", value),
        )
        for value in values
    ]
    attempts.append(
        ("replaced", "sealed.weight = sealed.weight", lambda: setattr(model, "weight", weight))
    )
    for slip, words, act in (
        *attempts,
        ("deleted", "del sealed.weight", lambda: delattr(model, "weight")),
    ):
        error, there = (
            _raised(act),
            getattr(model, "weight", None) is weight and "weight" in model._parameters,
        )
        expect(error is not None, slip, f"`{words}` is refused", "it went through")
        expect(
            isinstance(error, AttributeError),
            "wrong-error",
            f"an `AttributeError` for `{words}`",
            in_words(error),
        )
        expect(there, "changed-all-the-same", "`weight` is the same parameter", "it is not")
    others = (nn.Parameter(torch.ones(1)), nn.Linear(1, 1), nn.Parameter(torch.ones(2)), 3.0)
    boxes = {"scale": model._parameters, "body": model._modules, "weights": vars(model)}
    for name, value in zip(("scale", "body", "scale", "weights"), others, strict=True):
        _works(
            "others-refused", f"`sealed.{name} = ...` works", partial(setattr, model, name, value)
        )
        there = boxes[name].get(name) is value
        expect(there, "not-registered", f"`{name}` is where torch puts it", "it is somewhere else")
    for name in ("scale", "body", "weights"):
        _works(
            "others-refused",
            f"`del sealed.{name}` works",
            partial(delattr, model, name),
            lambda name=name: not hasattr(model, name),
            "it is still there",
        )
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    _works(
        "not-trained",
        "a step changes `weight`",
        lambda: (model(torch.ones(3)).sum().backward(), optimizer.step()),
        lambda: same(weight, torch.zeros(3)),
        "it is as before",
    )
    _works(
        "not-loaded",
        "`load_state_dict` works",
        lambda: model.load_state_dict({"weight": torch.full((3,), 5.0)}),
        lambda: weight.tolist() == [5, 5, 5],
        "the numbers are not those of the file",
    )
    _works(
        "not-moved",
        "`.to(torch.float64)` works",
        lambda: model.to(torch.float64),
        lambda: model.weight is weight and weight.dtype == torch.float64,
        describe(weight),
    )
    return "six values and a `del` are refused; it is trained, loaded and moved, and other names are free"


def _rest(module: nn.Module, name: str) -> tuple:
    """All of `module` but what `name` stands for: its modes, hooks, attributes and other tensors."""
    modes, tensors, _, _ = photo(module)
    return (
        modes,
        [one for one in tensors if one[0] != name],
        [*vars(module)],
        {*module.state_dict()},
    )


def _to_buffer(answer: object) -> str:
    want_function(answer, "to_buffer")
    mixed = nn.BatchNorm1d(2)
    mixed.note = "plain"
    for module, name in ((nn.Linear(2, 3), "weight"), (mixed, "bias"), (nn.PReLU(), "weight")):
        call, parameter = f'to_buffer(module, "{name}")', getattr(module, name)
        numbers = parameter.detach().clone()
        before = _rest(module, name)
        result = ask(
            call, answer, module, name, mistake={"already exists": "taken", "as parameter": "taken"}
        )
        buffer, of = module._buffers.get(name), f"`{name}` of a `{type(module).__name__}`"
        expect(
            name not in module._parameters,
            "still-a-parameter",
            f"{of} is no parameter",
            "it is one",
        )
        expect(
            buffer is not None, "not-a-buffer", f"{of} is a buffer", "it is not among the buffers"
        )
        expect(
            not isinstance(buffer, nn.Parameter),
            "parameter-object",
            "a plain tensor",
            "a `Parameter` object",
        )
        expect(not buffer.requires_grad, "wants-gradient", "no gradient is required", "it is")
        expect(
            same(buffer, numbers),
            "wrong-numbers",
            describe(numbers),
            f"{describe(buffer)} with other numbers",
        )
        shared = buffer.data_ptr() == parameter.data_ptr()
        expect(shared, "other-memory", "the memory of the parameter", "memory of its own")
        expect(
            name in module.state_dict(),
            "not-saved",
            f"`{name}` is in the `state_dict`",
            "it is not",
        )
        expect(
            result is buffer, "not-the-buffer", "the buffer that the module holds", describe(result)
        )
        expect(
            _rest(module, name) == before,
            "others-changed",
            "the rest of the module is as before",
            "it is not",
        )
    return "three modules: the same memory and the same key, and nothing else has changed"


CHECKERS = {"4.1": _ten, "4.2": _registered, "4.3": _found, "4.4": _sealed, "4.5": _to_buffer}
