"""What becomes of a name? Any value × any home × any route into a module, run for real and traced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from helpers.state.objects import brief, instance_dict, message_of, type_name
from helpers.tracing.trace import Trace, trace

NAME = "x"
BEFORE_INIT = "before Module.__init__"


def _not_a_leaf() -> nn.Parameter:
    """A frozen parameter to which a tensor with a graph was added in place: it is now a result of
    that tensor.
    """
    with torch.enable_grad():
        parameter = nn.Parameter(torch.zeros(2), requires_grad=False)
        return parameter.add_(torch.ones(2, requires_grad=True))


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
    "non-persistent buffer": lambda module: module.register_buffer(
        NAME, torch.zeros(3), persistent=False
    ),
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
# There is no container yet before `__init__`, so the name can live in these homes alone.
EARLY_HOMES = ("nowhere", "plain", "class attribute")


@dataclass(frozen=True)
class Outcome:
    """What one attempt did. `value` is "" for `del`, which has none.

    `after`: the home of the name afterwards, one of `HOMES`. `holds`: what stands there, "the new
    value" or "the old value"; "" where the name is nowhere. `hidden`: reading the name gives
    something else, the class attribute. `error` and `message`: class and text of the exception, ""
    where there was none. `steps`: the trace of the attempt."""

    value: str
    home: str
    route: str
    after: str
    holds: str
    hidden: bool
    error: str
    message: str
    steps: Trace

    @property
    def kind(self) -> str:
        """The kind of state that the name is afterwards, as `Entry.kind` has it; else "nowhere",
        "class attribute".
        """
        tensor = self.holds == "the old value" or self.value == "Tensor"
        plain = "plain tensor" if tensor else "plain value"
        return {"submodule": "module", "plain": plain}.get(self.after, self.after)

    @property
    def empty(self) -> bool:
        """Whether the name keeps a slot of a container that holds None."""
        return self.value == "None" and self.holds == "the new value" and self.after != "plain"


def run(value: str, home: str, route: str) -> Outcome:
    """Try it in a fresh module: bring `value` by `route` to the name `x`, which lives in `home`
    already.

    TypeError: an argument is not text. ValueError: it is none of `VALUES`, `HOMES` or `ROUTES`;
    `del` with a value other than "" (it takes none); a home that there is not yet before
    `Module.__init__`."""
    for what, word, known in (
        ("value", value, VALUES),
        ("home", home, HOMES),
        ("route", route, ROUTES),
    ):
        if not isinstance(word, str):
            raise TypeError(
                f"{what} is a text, such as {next(iter(known))!r}; got {type(word).__name__}"
            )
        if word not in known and not (what == "value" and word == "" and route == "del"):
            raise ValueError(
                f"there is no {what} {brief(word)}. There are: {', '.join(map(repr, known))}"
            )
    if route == "del" and value:
        raise ValueError(f"del takes no value: pass '' in the place of {value!r}")
    if route == BEFORE_INIT and home not in EARLY_HOMES:
        raise ValueError(
            f"{BEFORE_INIT} no name can live in {home!r}. There are: {', '.join(EARLY_HOMES)}"
        )
    fresh = type("Fresh", (nn.Module,), {NAME: "of the class"} if home == "class attribute" else {})
    module = fresh.__new__(fresh)
    if route != BEFORE_INIT:
        module.__init__()
    if HOMES[home]:
        HOMES[home](module)
    old, new = getattr(module, NAME, None), VALUES[value]() if value else None
    error: Exception | None = None
    try:
        with trace(module) as steps:
            ROUTES[route](module, new)
    except (
        Exception
    ) as raised:  # every outcome is one: a torch that raises something else is shown as it is
        error = raised
    after, found = _where(module)
    whose = ((new, "the new value"), (old, "the old value"))
    holds = next((words for one, words in whose if found is one and after != "nowhere"), "")
    hidden = after not in ("nowhere", "class attribute") and getattr(module, NAME) is not found
    name, message = ("", "") if error is None else (type_name(error), message_of(error))
    return Outcome(value, home, route, after, holds, hidden, name, message, steps)


def _where(module: nn.Module) -> tuple[str, object]:
    """The home of the name, and what stands there. A container counts before the class, which it
    does not change.
    """
    own = instance_dict(module)
    boxes = {
        "plain": own,
        "parameter": own.get("_parameters", {}),
        "buffer": own.get("_buffers", {}),
        "submodule": own.get("_modules", {}),
    }
    for home, box in boxes.items():
        if NAME in box:
            silent = home == "buffer" and NAME in own["_non_persistent_buffers_set"]
            return "non-persistent buffer" if silent else home, box[NAME]
    return (
        ("class attribute", getattr(type(module), NAME))
        if hasattr(type(module), NAME)
        else ("nowhere", None)
    )


def grid() -> list[Outcome]:
    """Every attempt that can be made, run now: by route, then by value, then by home.

    `del` has no value, so it is tried once for each home. Before `__init__` there are three homes.
    Together with the four routes that take each of 8 values to each of 7 homes: 4 × 56 + 7 + 24 =
    255 attempts."""
    return [
        run(value, home, route)
        for route in ROUTES
        for value in ([""] if route == "del" else VALUES)
        for home in (EARLY_HOMES if route == BEFORE_INIT else HOMES)
    ]
