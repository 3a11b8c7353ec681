"""The exercises of lesson 04, `__setattr__` and registration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from helpers.exercises.exercise import Exercise
from helpers.exercises.facts import (
    Facts,
    Raised,
    Unsolved,
    called,
    facts,
    is_a,
    listed,
    plain_text,
)
from helpers.exercises.life import in_turn, living
from helpers.exercises.menagerie import MODELS, menagerie
from helpers.exercises.stopping import TimeUp

_WORDS = "plain parameter plain buffer buffer plain parameter parameter submodule buffer"
HOMES = dict(zip("abcdefghij", _WORDS.split(), strict=True))


def _ten_homes(answer: object) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """One question after the other, none of which tells a home."""
    given = dict(answer) if is_a(answer, Mapping) else {}
    kind = "a dict" if is_a(answer, Mapping) else plain_text(answer)
    yield "`homes`", lambda: {"is": kind}
    lost = listed(name for name in HOMES if name not in given)
    yield "`homes`", lambda: {"lacks": lost}
    yield "`homes`", lambda: {"has": f"{len(given)} names"}
    words = {*HOMES.values()}
    odd = [home for home in given.values() if not is_a(home, str) or home not in words]
    yield "`homes`", lambda: {"holds, though it is no home:": listed(odd[:1])}
    for name, home in HOMES.items():
        found = "right" if given.get(name) == home else "wrong"
        yield f"what you say of `{name}`", partial(dict, {"is": found})


TEN_HOMES = Exercise(
    "4.1",
    HOMES,
    _ten_homes,
    """
    `homes` is a dict that names the home of each of the ten names `a` to `j` of `Ten()`

    1. Ask the five questions of `__setattr__` for each line in order: the value, then the name.
    2. What is no `Parameter`, no `Module` and no `nn.Buffer`, and has a free name, is plain.
    3. Nearly there: three are plain, three parameters (one frozen, one late, one empty), three
       buffers, one a submodule.

    - no-such-home: The homes are "parameter", "buffer", "submodule" and "plain".
        HOMES | {"a": "tensor"}
    - early: Before `super().__init__()` there is no container. A plain tensor needs none.
        HOMES | {"a": "buffer"}
    - frozen: `__setattr__` does not ask for `requires_grad`. The value is a `Parameter`.
        HOMES | {"b": "buffer"}
    - result: A sum of a parameter and a number is a tensor, not a `Parameter`.
        HOMES | {"c": "parameter"}
    - buffer: An `nn.Buffer` is registered by assignment, like a parameter.
        HOMES | {"d": "plain"}
    - label: `self.d` is the tensor that `nn.Buffer` made, label and all. An assignment reads it.
        HOMES | {"e": "plain"}
    - in-a-list: A list is neither a `Module` nor a `Parameter`. Nobody looks into it.
        HOMES | {"f": "submodule"}
    - late: `None` on a free name is plain. A parameter takes over the name of what is plain.
        HOMES | {"g": "plain"}
    - empty-slot: `None` empties the slot of a parameter. The name stays where it is.
        HOMES | {"h": "plain"}
    - taken-over: A module takes over the name of a buffer.
        HOMES | {"i": "buffer"}
    - filled-slot: `register_buffer` with `None` registers the name. A tensor then fills the slot.
        HOMES | {"j": "plain"}
    """,
)


def registered(build):
    log = []

    def note(module, name, parameter):
        log.append((type(module).__name__, name, tuple(parameter.shape)))

    handle = nn.modules.module.register_module_parameter_registration_hook(note)
    try:
        build()
    finally:
        handle.remove()
    return log


class Twice(nn.Module):
    """Registers one name twice, by both ways, an empty slot, and a frozen parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.register_parameter("bias", None)
        self.register_parameter("scale", nn.Parameter(torch.ones(1)))
        self.scale = None
        self.fixed = nn.Parameter(torch.ones(2), requires_grad=False)


def _stepped() -> nn.Module:
    """A model that takes a step while it is built."""
    model = nn.Linear(2, 2)
    model(torch.ones(1, 2)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return model


def _hooked() -> nn.Module:
    """A model whose maker leaves a hook behind."""
    register_module_parameter_registration_hook(lambda *found: None)
    return nn.Linear(2, 2)


def _of_a_local_class() -> nn.Module:
    class Local(nn.Linear):
        def _get_name(self) -> str:
            return "another name"

    return Local(2, 2)


def _refused() -> nn.Module:
    """A model that goes on after two registrations that torch has refused."""
    model = nn.Linear(2, 2)
    with suppress(KeyError):
        model.register_parameter("a.b", nn.Parameter(torch.ones(1)))
    with suppress(KeyError):
        model.forward = nn.Parameter(torch.ones(1))
    return model


def _cut() -> nn.Module:
    """A model whose weight is made smaller after it has been registered."""
    model = nn.Linear(3, 2)
    model.weight.data = model.weight.data[:, :2]
    return model


def _parametrized() -> nn.Module:
    """A model whose layer gets another class on the way."""
    return nn.Sequential(nn.utils.parametrizations.orthogonal(nn.Linear(2, 2)))


class Refusal(Exception):
    pass


class Stop(BaseException):
    pass


def _raising(error: BaseException) -> nn.Module:
    nn.Linear(1, 1)
    raise error


def _builds() -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """What builds a model, in words. A part of one is there before, and one part is thrown away."""
    yield "a name that is registered twice", Twice
    yield from ((words, make) for words, make in MODELS.items() if words != "a lazy layer")
    yield "a step that is taken meanwhile", _stepped
    yield "a class that is made in a function", _of_a_local_class
    yield "a `build` that leaves a hook of its own", _hooked
    ready = nn.Linear(4, 4)
    yield "a part that was there before", lambda: nn.Sequential(ready, nn.Linear(1, 1))
    yield "a part that is thrown away", lambda: [nn.Linear(1, 2), nn.Linear(2, 3)][1]
    yield "two registrations that are refused", _refused
    yield "a weight that is cut afterwards", _cut
    yield "a layer that gets another class afterwards", _parametrized
    for error in (Refusal("no such model"), Stop(), RuntimeError("no memory"), KeyError("width")):
        yield f"a `build` that raises `{type(error).__name__}`", partial(_raising, error)
    yield "a linear layer, after a `build` that has raised", lambda: nn.Linear(2, 1)


@contextmanager
def _observed() -> Iterator[tuple[list, dict]]:
    """Gives a list that a hook of another fills with the parameters that are registered, and all
    hooks of this kind. Afterwards the hooks and `nn.Module` are as they were."""
    given, methods = [], dict(vars(nn.Module))
    other = register_module_parameter_registration_hook(lambda *found: given.append(found[2]))
    hooks = other.hooks_dict_ref()
    before = dict(hooks)
    try:
        yield given, hooks
    finally:
        hooks.clear()
        hooks.update(before)
        other.remove()
        for name in ("__setattr__", "__init__", "register_parameter"):
            setattr(nn.Module, name, methods[name])


def _watched(answer: Callable, make: Callable[[], nn.Module]) -> Facts:
    """What `answer` returns, and what became of the model and of the hooks of others."""
    built, own, methods = [], set(), dict(vars(nn.Module))

    def build() -> nn.Module:
        there = {*hooks}
        built.append(None)
        built[-1] = make()
        own.update({*hooks} - there)
        return built[-1]

    with _observed() as (given, hooks):
        before = {*hooks}
        try:
            seen = {"the call": "returns"} | facts("result", answer(build), free=("identity",))
        except (KeyboardInterrupt, TimeUp, Unsolved):
            raise
        except BaseException as error:
            seen = {"the call": Raised.of(error)}
        seen["hooks of others that are gone:"] = plain_text(len((before | own) - {*hooks}))
        seen["hooks that are left:"] = plain_text(len({*hooks} - before - own))
        changed = [key for key, value in methods.items() if vars(nn.Module)[key] is not value]
    seen["methods of `nn.Module` that are changed:"] = listed(changed)
    seen["`build` is called"] = f"{len(built)} times"
    for model in built:
        seen |= facts("model", model)
        parameters = [] if model is None else model.parameters()
        others = sum(all(one is not own for own in given) for one in parameters)
        seen["parameters of `model` that nobody has registered:"] = plain_text(others)
    return seen


def _on_builds(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    for words, make in _builds():
        yield f"`registered(build)` for {words}", partial(_watched, answer, make)


REGISTERED = Exercise(
    "4.2",
    registered,
    _on_builds,
    """
    `registered(build)` calls `build()` and returns a list of (class name, parameter name, shape) of
    what is registered meanwhile

    1. `register_module_parameter_registration_hook` takes a function of module, name, parameter.
    2. Append to a list in the hook, and take the hook away in a `finally`.
    3. Nearly there: `handle = register_module_parameter_registration_hook(note)`,
       `try: build()`, `finally: handle.remove()`.

    - entry: Each entry is a tuple `(type(module).__name__, name, tuple(parameter.shape))`.
        type(module).__name__ → type(module)
    - in-the-end: What is registered while `build` runs counts, not what is there in the end.
        named = lambda one: one.named_parameters(recurse=False)
        parts = [(type(one).__name__, *item) for one in build().modules() for item in named(one)]
        return [(kind, name, tuple(value.shape)) for kind, name, value in parts]
    - no-repeats: Each registration is in the list: the same name once more, what is frozen, and
      what comes by `register_parameter`.
        return log → return list(dict.fromkeys(log))
    - replaced: The model is another one than `build` makes alone. A hook that only notes returns
      `None`, and changes nothing.
        (parameter.shape))) → (parameter.shape))); return nn.Parameter(parameter.data.clone())
    - no-elements: A parameter without elements is registered like any other.
        log.append( → if parameter.numel(): log.append(
    - hook-left: Your hook is still there afterwards. `handle.remove()` takes it away.
        handle.remove() → pass
    - left-after-error: `build` raised, and your hook is still there. `finally` runs then, too.
        try: → if True:
        finally: → if True:
    - error-lost: `build` raised an error, and it did not reach the caller.
        finally: → except BaseException:
        return log → handle.remove(); return log
    - refused: A registration that torch refuses is none. A hook is called after the checks.
        original, log = nn.Module.register_parameter, []
        def noting(self, name, param):
            if param is not None:
                log.append((type(self).__name__, name, tuple(param.shape)))
            original(self, name, param)
        nn.Module.register_parameter = noting
        try:
            build()
        finally:
            nn.Module.register_parameter = original
        return log
    - later: Note each parameter when it is registered: class and shape can be others afterwards.
        (type(module).__name__, name, tuple(parameter.shape)) → (module, name, parameter)
        return log → return [(type(one).__name__, name, tuple(of.shape)) for one, name, of in log]
    - built-twice: Call `build()` once.
        build() → build(); build()
    """,
)


class Found(nn.Module):
    def __init__(self):
        super().__init__()
        self.__dict__["names"] = []
        self.scale = nn.Parameter(torch.ones(2))
        self.body = nn.Linear(2, 2)

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        self.names.append(name)

    def forward(self, x):
        return self.body(self.scale * x)


def _names_of_buffers(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_buffers()]


FOUND = Exercise(
    "4.3",
    Found,
    living(
        "Found",
        calls=((torch.tensor([[1.0, 2.0]]),),),
        begins=("scale", "body.weight"),
        look={"module.names": lambda module: module.names, "the buffers": _names_of_buffers},
        lines=(
            "module.factor = 3",
            "module._factor = 3",
            "new = nn.Parameter(torch.zeros(2)); module.scale = new",
            "module.act = nn.ReLU()",
            "module.factor = 4",
            "new = nn.Parameter(torch.ones(1)); module.factor = new",
            "module.mean = nn.Buffer(torch.zeros(2))",
            "new = torch.ones(2); module.mean = new",
            "module.mean = nn.Buffer(torch.ones(3))",
            "module.mask = nn.Buffer(torch.ones(2), persistent=False)",
            "module.mask = None",
            "module.mask = torch.zeros(2)",
            "new = nn.Parameter(torch.ones(2)); module.mask = new",
            "module.mean = nn.Buffer(torch.ones(3), persistent=False)",
            "module.mean = nn.Linear(1, 1)",
            "module.mean = nn.Parameter(torch.ones(3))",
            "module.__class__ = type('Marked', (type(module),), {'size': property(id)})",
            "module.size = 3",
            "module.gain = (module.scale * 2).as_subclass(nn.Parameter)",
            "module.scale = 3.0",
            "module.act = None",
            "setattr(module, 'a.b', nn.Parameter(torch.ones(1)))",
            "module.register_buffer('seen', torch.zeros(2))",
            "module.register_parameter('gain', nn.Parameter(torch.ones(1)))",
            "module.add_module('more', nn.ReLU())",
            "new = nn.Tanh(); module.body = new",
            "del module.mean",
            "del module.factor",
            "module.body.register_forward_hook(lambda *_: torch.ones(2))",
        ),
    ),
    """
    `Found()` registers what `Watched` stores past the registration, and keeps `names`

    1. Which line of `Watched` stores the value? Which method should decide where it goes?
    2. `super().__setattr__(name, value)` makes all five decisions. Note the name afterwards.
    3. Nearly there: only the last line of `__setattr__` changes, and it comes first:
       `super().__setattr__(name, value)`.

    - not-registered: `scale` and `body` are in no container. Let `super().__setattr__` store them.
        super().__setattr__(name, value) → self.__dict__[name] = value
    - two-homes: Store the value once, by `super().__setattr__`.
        self.names.append(name) → self.names.append(name); vars(self)[name] = value
    - names-named: Putting the list in place is none of the assignments: write it into `__dict__`.
        self.__dict__["names"] = → self.names =
    - shared-names: All instances have one list. Make it in `__init__`.
        def __init__(self): → def __init__(self, names=[]):
        ["names"] = [] → ["names"] = names
    - no-repeats: Each assignment adds its name, repeated ones too.
        self.names.append(name) → self.names.append(name) if name not in self.names else None
    - refused-names: What raised is noted. Note the name after `super().__setattr__` has come back.
        self.names.append(name) → pass
        super().__setattr__(name, value) → self.names.append(name); super().__setattr__(name, value)
    - by-hand: `nn.Module.__setattr__` knows more than a few kinds: what is not persistent, what has
      the name already, a property. Let `super()` decide.
        super().__setattr__(name, value) → box = {nn.Parameter: self.register_parameter}
        self.names.append(name) → box.get(type(value), self.__dict__.__setitem__)(name, value)
    - weights-alone: Another layer may stand in `body`, one without a weight. Call the layer.
        self.body(self.scale * x) → nn.functional.linear(self.scale * x, *self.body.parameters())
    - not-refused: A number in a parameter's slot is a `TypeError`, and has to stay one.
        __(name, value) → __(name, nn.Parameter(torch.ones(2)) if type(value) is float else value)
    """,
)


class Sealed(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def __setattr__(self, name, value):
        if name == "weight" and name in self._parameters:
            raise AttributeError("weight is not to be replaced")
        super().__setattr__(name, value)

    def __delattr__(self, name):
        if name == "weight":
            raise AttributeError("weight is not to be deleted")
        super().__delattr__(name)

    def forward(self, x):
        return self.weight * x


_SEALED = partial(
    living,
    "Sealed",
    begins=("weight",),
    # It assigns, and the docstring says nothing of it.
    free=("load_state_dict(assign=True)", "load_state_dict(assign=True) in eval mode"),
)

SEALED = Exercise(
    "4.4",
    Sealed,
    in_turn(
        _SEALED(2, calls=((torch.tensor([1.0, -2.0]),), (torch.tensor([1, 2]),))),
        _SEALED(
            3,
            calls=((torch.arange(3.0),), (torch.ones(2, 3),)),
            lines=(
                "module.weight = nn.Parameter(torch.zeros(3))",
                "type(module)(-1)",  # which is not made, and the others are sealed all the same
                "module.weight = torch.zeros(3)",
                "module.weight = None",
                "module.weight = 3.0",
                "module.weight = nn.ReLU()",
                "module.weight = nn.Buffer(torch.zeros(3))",
                "module.weight = module.weight",
                "with torch.no_grad(): module.weight = nn.Parameter(torch.zeros(3))",
                "module.training = False",
                "module.weight = nn.Parameter(torch.ones(3))",
                "module.training = True",
                "del module.weight",
                "new = nn.Parameter(torch.ones(1)); module.scale = new",
                "new = nn.Parameter(torch.zeros(1)); module.scale = new",
                "module.weights = 3.0",
                "module.own_weight = 3.0",
                "module.weights = nn.Parameter(torch.ones(1))",
                "module.weights = nn.Linear(1, 1)",
                "module.scale = None",
                "del module.scale",
                "del module.weights",
                "module.mean = nn.Buffer(torch.ones(1))",
                "module.mean = torch.zeros(1)",
                "module.mean = nn.Buffer(torch.ones(2), persistent=False)",
                "del module.mean",
                "del module.never_there",
            ),
        ),
    ),
    """
    `Sealed(width)` has a parameter `weight` that no assignment replaces and no `del` deletes, and
    that is trained, moved and loaded

    1. An assignment runs `__setattr__`, a `del` runs `__delattr__`. Let everything else through.
    2. The first assignment has to pass: ask whether `weight` is in `self._parameters` already.
    3. Nearly there: `if name == "weight" and name in self._parameters: raise AttributeError(...)`,
       and then `super()`.

    - replaced: An assignment to `weight` went through. Refuse it, whatever the value is.
        if name == "weight" and name in self._parameters: → if False:
    - ignored: The assignment did nothing, and said nothing. It has to raise an `AttributeError`.
        raise AttributeError("weight is not to be replaced") → return
    - parameters-only: Whatever the value is, a tensor and `None` too, it is an `AttributeError`.
        in self._parameters: → in self._parameters and isinstance(value, nn.Parameter):
    - too-late: An error was raised, and `weight` is another. Refuse before anything is done.
        name in self._parameters: → [name in self._parameters, super().__setattr__(name, value)][0]:
    - wrong-error: What is refused raises an `AttributeError`.
        raise AttributeError("weight is not to be replaced") → raise TypeError(name)
    - deleted: `del sealed.weight` went through. It runs `__delattr__`.
        raise AttributeError("weight is not to be deleted") → pass
    - others-refused: Other attributes are set, replaced and deleted as in any module.
        if name == "weight" and name in self._parameters: → if name in self._parameters:
    - not-registered: What goes to another name is registered as ever: `super().__setattr__`.
        super().__setattr__(name, value) → object.__setattr__(self, name, value)
    """,
)


def to_buffer(module, name):
    value = getattr(module, name).detach()
    delattr(module, name)
    module.register_buffer(name, value)
    return value


def _turned(answer: Callable, model: nn.Module, path: str, name: str) -> Facts:
    """What becomes of the model whose submodule at `path` has the parameter, and of all in it."""
    module = model.get_submodule(path)
    before = getattr(module, name)
    was = facts("old", before)
    seen = called(answer, module=module, name=name)
    same = facts("old", before) == was
    seen["the parameter of before is"] = "as it was" if same else "changed"
    return seen | facts("model", model)


def _many_names() -> nn.Module:
    model = nn.Linear(2, 2)
    model.part = nn.Linear(2, 2)
    model.again = model.part.weight = model.weight
    return model


def _own_parameters(answer: Callable) -> Iterator[tuple[str, Callable[[], Facts]]]:
    models = [*menagerie(without=("a lazy layer",)), ("a weight of three names", _many_names())]
    for words, model in models:
        paths = [
            (path, name)
            for path, part in model.named_modules()
            for name, one in part._parameters.items()
            if one is not None
        ]
        for path, name in paths:
            where = f"`model.{path}`, from {words}" if path else words
            ask = partial(_turned, answer, model, path, name)
            yield f'`to_buffer(module, "{name}")` for {where}', ask


TO_BUFFER = Exercise(
    "4.5",
    to_buffer,
    _own_parameters,
    """
    `to_buffer(module, name)` makes a parameter a buffer, with the same memory and the same key

    1. No assignment leads from a parameter to a buffer: free the name first.
    2. `detach()` gives a plain tensor with the same memory.
    3. Nearly there: keep `getattr(module, name).detach()`, then `delattr(module, name)`, then
       `module.register_buffer`.

    - taken: The name is still taken by the parameter. `delattr(module, name)` frees it.
        delattr(module, name) → pass
    - frozen: A frozen parameter is a `Parameter` still. A buffer is a plain tensor in its own slot.
        return getattr(module, name).requires_grad_(False)
    - plain: A plain tensor that is assigned to a free name is a plain attribute. Register it.
        module.register_buffer(name, value) → setattr(module, name, value)
    - parameter-object: The object in the slot is a `Parameter`. `detach()` gives a plain tensor.
        .detach() →
    - not-saved: The buffer is not in the `state_dict`. It has to be persistent.
        register_buffer(name, value) → register_buffer(name, value, persistent=False)
    - copied: The numbers were copied. The buffer looks at the memory of the parameter.
        detach() → detach().clone()
    - not-the-buffer: Return the new buffer itself, the object that the module holds.
        return value → return value.detach()
    - parameter-changed: Others may still hold the parameter: leave it as it is.
        value = getattr(module, name).detach() → value = getattr(module, name).detach_()
    - changed: Leave all else as it is: the other parameters, and the mode.
        return value → module.eval(); return value
    """,
)
