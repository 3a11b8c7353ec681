"""What becomes of a name? Any value × any home × any route into a module, run and traced."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import nn

from helpers.state.objects import brief, message_of, type_name
from helpers.state.walk import NOT_SAVED, read
from helpers.tracing.trace import Trace, trace

NAME = "x"
BEFORE_INIT = "before Module.__init__"


def _not_a_leaf() -> nn.Parameter:
    """A frozen parameter to which a tensor with a graph was added in place: it is now a result of
    that tensor."""
    with torch.enable_grad():
        parameter = nn.Parameter(torch.zeros(2), requires_grad=False)
        return parameter.add_(torch.ones(2, requires_grad=True))


def _silent_buffer(module: nn.Module) -> None:
    module.register_buffer(NAME, torch.zeros(3), persistent=False)


VALUES: dict[str, Callable[[], object]] = {
    "Parameter": lambda: nn.Parameter(torch.ones(2)),
    "Tensor": lambda: torch.ones(2),
    "Buffer": lambda: nn.Buffer(torch.ones(2)),
    "Module": nn.ReLU,
    "None": lambda: None,
    "number": lambda: 3.0,
    "string": lambda: "text",
    "non-leaf Parameter": _not_a_leaf,
}
# Where the name already lives. Each is put there by torch's own call, except the last, which the
# class holds.
HOMES: dict[str, Callable[[nn.Module], object] | None] = {
    "nowhere": None,
    "plain": lambda module: setattr(module, NAME, torch.zeros(3)),
    "parameter": lambda module: module.register_parameter(NAME, nn.Parameter(torch.zeros(3))),
    "buffer": lambda module: module.register_buffer(NAME, torch.zeros(3)),
    NOT_SAVED: _silent_buffer,
    "submodule": lambda module: module.add_module(NAME, nn.Linear(3, 1)),
    "class attribute": None,
}
ROUTES: dict[str, Callable[[nn.Module, object], object]] = {
    "setattr": lambda module, value: setattr(module, NAME, value),
    "register_parameter": lambda module, value: module.register_parameter(NAME, value),
    "register_buffer": lambda module, value: module.register_buffer(NAME, value),
    "add_module": lambda module, value: module.add_module(NAME, value),
    "del": lambda module, value: delattr(module, NAME),
    BEFORE_INIT: lambda module, value: setattr(module, NAME, value),
}
_HOMES_OF_KINDS = {"plain tensor": "plain", "plain value": "plain", "module": "submodule"}
# There is no container yet before `__init__`, so the name can live in these homes alone.
EARLY_HOMES = ("nowhere", "plain", "class attribute")


@dataclass(frozen=True)
class Outcome:
    """What one attempt did. `value` is "" for `del`, which has none.

    `after`: the home of the name afterwards, one of `HOMES`. `kind`: its kind of state there, one
    of `walk.KINDS`; else "nowhere", "class attribute". `holds`: what stands there, "the new
    value" or "the old value"; "" where the name is nowhere. `hidden`: reading the name gives
    something else, the class attribute. `error` and `message`: class and text of the exception, ""
    where there was none. `steps`: the trace of the attempt."""

    value: str
    home: str
    route: str
    after: str
    kind: str
    holds: str
    hidden: bool
    error: str
    message: str
    steps: Trace

    @property
    def empty(self) -> bool:
        """Whether the name keeps a slot of a container that holds None."""
        return self.value == "None" and self.holds == "the new value" and self.after != "plain"

    @property
    def lost(self) -> bool:
        """Whether an error has cost the name its home."""
        return bool(self.error) and self.after != self.home


def run(value: str, home: str, route: str) -> Outcome:
    """Try it in a fresh module: bring `value` by `route` to the name `x`, which lives in `home`
    already.

    TypeError: an argument is not text. ValueError: it is none of `VALUES`, `HOMES` or `ROUTES`;
    `del` with a value other than "" (it takes none); a home that there is not yet before
    `Module.__init__`."""
    require_known("home", home, HOMES)
    require_known("route", route, ROUTES)
    if route != "del" or value != "":
        require_known("value", value, VALUES)
    if route == "del" and value:
        raise ValueError(f"del takes no value: pass '' in the place of {value!r}")
    if route == BEFORE_INIT and home not in EARLY_HOMES:
        known = f"There are: {', '.join(EARLY_HOMES)}"
        raise ValueError(f"{BEFORE_INIT} no name can live in {home!r}. {known}")
    module = _fresh(home, early=route == BEFORE_INIT)
    new = VALUES[value]() if value else None
    error: Exception | None = None
    try:
        with trace(module) as steps:
            ROUTES[route](module, new)
    except Exception as raised:  # whatever this torch raises is an outcome, and is shown as it is
        error = raised
    kind, found = _where(module)
    after = _HOMES_OF_KINDS.get(kind, kind)
    if after == "nowhere":
        holds = ""
    else:
        holds = "the new value" if found is new else "the old value"
    registered = after not in ("nowhere", "class attribute")
    return Outcome(
        value,
        home,
        route,
        after,
        kind,
        holds,
        hidden=registered and getattr(module, NAME) is not found,
        error="" if error is None else type_name(error),
        message="" if error is None else message_of(error),
        steps=steps,
    )


def require_known(what: str, word: object, known: Collection[str]) -> None:
    """Raise TypeError if `word` is no text, ValueError if it is none of `known`."""
    if not isinstance(word, str):
        example, name = next(iter(known)), type(word).__name__
        raise TypeError(f"{what} is a text, such as {example!r}; got {name}")
    if word not in known:
        names = ", ".join(map(repr, known))
        raise ValueError(f"there is no {what} {brief(word)}. There are: {names}")


def _fresh(home: str, *, early: bool) -> nn.Module:
    """A module in which the name lives in `home`, before its `__init__` if it is `early`."""
    fresh = type("Fresh", (nn.Module,), {NAME: "of the class"} if home == "class attribute" else {})
    module = fresh.__new__(fresh)
    if not early:
        module.__init__()
    put = HOMES[home]
    if put:
        put(module)
    return module


def _where(module: nn.Module) -> tuple[str, object]:
    """The kind of the name, and what stands there. A container counts before the class, which it
    does not change."""
    held = read(module)
    for slot in (*held.slots(), *held.submodules()):
        if slot.name == NAME:
            return slot.kind, slot.value
    if hasattr(type(module), NAME):
        return "class attribute", getattr(type(module), NAME)
    return "nowhere", None


def grid() -> list[Outcome]:
    """Every attempt that can be made, run now: by route, then by value, then by home.

    `del` has no value, so it is tried once for each home. Before `__init__` there are
    `EARLY_HOMES` alone."""
    found = []
    for route in ROUTES:
        homes = EARLY_HOMES if route == BEFORE_INIT else HOMES
        for value in [""] if route == "del" else VALUES:
            found += [run(value, home, route) for home in homes]
    return found
