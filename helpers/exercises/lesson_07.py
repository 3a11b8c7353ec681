"""Checkers for lesson 07: one script of actions is run on the learner's class and on torch's, line
by line.

The scripts stand in `scripts_07.md`: the name of a mistake, then lines that a class with that
mistake fails. Each such part starts anew with the objects of `_SCENE`. The first line after which
the two sides differ, in what it returned, in the kind of error or in what the modules hold, is
told. Wording, types of containers and private names are not compared."""

from __future__ import annotations

import copy
import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from helpers.exercises.old_engine import Unsolved, describe, expect, in_words, listed

_BOXES = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
_SCENE = """
m, child, second, kin = Module(), Module(), Module(), Kin()
early = Module.__new__(Module)
parameter, other = nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(3))
tensor, count = torch.ones(2), torch.tensor([3, 4])
buffer, hidden = nn.Buffer(torch.zeros(2)), nn.Buffer(torch.zeros(2), persistent=False)
result = nn.Parameter(torch.zeros(2), requires_grad=False).add_(torch.ones(2, requires_grad=True))
assigned = []
class Noting(Module):
    def __setattr__(self, name, value):
        assigned.append(name)
        super().__setattr__(name, value)
class Registering(Module):
    def register_parameter(self, name, param):
        assigned.append(name)
        super().register_parameter(name, param)
    def register_buffer(self, name, tensor, persistent=True):
        assigned.append(name)
        super().register_buffer(name, tensor, persistent)
class Checking(Module):
    def register_parameter(self, name, param):
        if name in {**vars(self), **self._buffers, **self._modules}:
            raise KeyError(name)
        super().register_parameter(name, param)
    def register_buffer(self, name, tensor, persistent=True):
        if name in {**vars(self), **self._parameters, **self._modules}:
            raise KeyError(name)
        super().register_buffer(name, tensor, persistent)
class Halving(Module):
    half = property(lambda self: self.whole / 2, lambda self, value: setattr(self, "whole", 2 * value))
class Doubling(Module):
    def forward(self, x, plus=0):
        return 2 * x + plus
    def extra_repr(self):
        return "twice"
"""


class Side:
    """One of the two classes, with the objects that a script works on."""

    def __init__(self, kind: type, kin: type) -> None:
        self.root = kin
        tools = {"torch": torch, "nn": nn, "copy": copy, "ChainMap": ChainMap}
        self.space = {
            "Module": kind,
            "Kin": kin,
            "complaints": _complaints,
            "words": partial(_words, kind),
            **tools,
        }
        exec(_SCENE, self.space)
        parts = (torch.Tensor, kin)
        self.names = {
            id(value): name for name, value in self.space.items() if isinstance(value, parts)
        }

    def run(self, line: str) -> tuple[str, Exception | None]:
        """What `line` returns, in words, and the error that it raises, if it does."""
        try:
            try:
                code = compile(line, "<script>", "eval")
            except SyntaxError:
                exec(compile(line, "<script>", "exec"), self.space)
                return "", None
            return self.shown(eval(code, self.space)), None
        except Exception as error:
            return "", error

    def shown(self, value: object) -> str:
        """`value` in words that are equal on both sides if the values are: a name of the scene,
        numbers, a kind.
        """
        name = self.names.get(id(value), "")
        if isinstance(value, torch.Tensor):
            kind = "a parameter" if isinstance(value, nn.Parameter) else "a tensor"
            grad = value.grad if value.is_leaf else None
            small = value.numel() < 20 and not value.is_meta
            numbers = value.detach().tolist() if small else tuple(value.shape)
            marks = [
                str(value.dtype)[6:] * (value.dtype != torch.float32),
                "on meta" * value.is_meta,
                "that requires a gradient" * (value.requires_grad and kind == "a tensor"),
                "frozen" * (not value.requires_grad and kind == "a parameter"),
                "" if grad is None else f"with the gradient {self.shown(grad)}",
            ]
            return " ".join([name or kind, str(numbers), *filter(None, marks)])
        if isinstance(value, self.root):
            return name or "a module"
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(self.shown, value[:30]))}]"
        if isinstance(value, Mapping):
            return f"{{{', '.join(f'{key}: {self.shown(one)}' for key, one in list(value.items())[:30])}}}"
        return describe(value).strip("`")

    def held(self) -> dict[tuple[str, str], dict[str, str]]:
        """For each module of the scene and each container the names in it, in order, with their
        values in words.
        """
        found = {}
        for name, module in list(self.space.items()):
            if isinstance(module, self.root) and name != "kin":
                own = vars(module)
                for box in _BOXES:
                    content = own.get(box, ())
                    content = (
                        content if isinstance(content, Mapping) else dict.fromkeys(sorted(content))
                    )
                    found[name, box] = {key: self.shown(value) for key, value in content.items()}
                plain = {key: value for key, value in own.items() if not key.startswith("_")}
                found[name, "__dict__"] = {key: self.shown(plain[key]) for key in sorted(plain)}
        return found


def difference(line: str, torchs: Side, yours: Side) -> tuple[str, str] | None:
    """Run `line` on both sides; what torch does and yours does not, in words, or None if they
    agree.
    """
    (returned, raised), (found, error) = torchs.run(line), yours.run(line)
    if raised or error:
        alike = raised and isinstance(error, type(raised)) and not isinstance(error, RecursionError)
        if not alike:
            wanted = f"raises `{type(raised).__name__}`" if raised else "raises nothing"
            return wanted, f"raises {in_words(error)}" if error else "raises nothing"
    elif returned != found:
        return f"gives {returned}", f"gives {found}"
    return next(_elsewhere(torchs.held(), yours.held()), None)


def _elsewhere(torchs: dict, yours: dict) -> Iterator[tuple[str, str]]:
    """Each difference in what the modules hold: a name in another home, another order, another
    value.
    """
    places = {
        (one, name): None
        for held in (torchs, yours)
        for (one, _), names in held.items()
        for name in names
    }
    for one, name in places:
        homes = [
            [f"`{box}`" for (owner, box), names in held.items() if owner == one and name in names]
            for held in (torchs, yours)
        ]
        if homes[0] != homes[1]:
            wanted, found = (" and ".join(home) or "no container" for home in homes)
            yield f"has `{name}` of `{one}` in {wanted}", f"has it in {found}"
    for (one, box), names in torchs.items():
        if list(names) != list(yours[one, box]):
            yield (
                f"has the order {listed(names)} in `{box}` of `{one}`",
                f"has {listed(yours[one, box])}",
            )
        for name, value in names.items():
            if value != yours[one, box][name]:
                yield f"holds {value} as `{name}` of `{one}`", f"holds {yours[one, box][name]}"


def _complaints(module: object, state: dict, strict: bool = True) -> list[str]:
    """The keys that the error of a load names, in whatever words."""
    keys = {*state, *module.state_dict()}
    try:
        module.load_state_dict(state, strict=strict)
    except RuntimeError as error:
        return sorted(
            key for key in keys if re.search(rf"(?<![\w.]){re.escape(key)}(?!\w|\.\w)", str(error))
        )
    return ["nothing raised"]


def _words(kind: type, module: object) -> list[str]:
    """The words of a module's repr, without layout."""
    return re.sub(
        rf"\b{re.escape(kind.__name__)}\b", "Module", " ".join(re.findall(r"\w+", repr(module)))
    ).split()


def _checked(script: dict[str, list[str]], tried: str, answer: object) -> str:
    expect(isinstance(answer, type), "an-instance", "the class `Module`", describe(answer))
    expect(
        not issubclass(answer, nn.Module),
        "torchs-own",
        "a class of your own",
        "a class made from `nn.Module`",
    )
    if not any(callable(value) for value in vars(answer).values()):
        raise Unsolved
    kin = next((one for one in answer.__mro__ if one.__name__ == "Base"), None)
    expect(
        kin is not None,
        "torchs-own",
        "a class made from `Base`, or from the step before",
        "one that is not",
    )
    try:
        Side(answer, kin)
    except Exception as error:
        expect(False, "cannot-be-made", "`Module()` makes a module", f"it raised {in_words(error)}")
    for slip, lines in script.items():
        torchs, yours = Side(nn.Module, nn.Module), Side(answer, kin)
        done: list[str] = []  # the lines that made or changed something
        for line in lines:
            before, told = torchs.held(), difference(line, torchs, yours)
            if told:
                after = ", ".join(f"`{one}`" for one in [*done, line])
                expect(False, slip, f"after {after}, torch {told[0]}", f"yours {told[1]}")
            if " = " in line or torchs.held() != before:
                done.append(line)
    return tried


def _scripts() -> Iterator[tuple[str, Callable[[object], str]]]:
    text = Path(__file__).with_name("scripts_07.md").read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        head, *parts = section.split("\n### ")
        key, tried = head.strip().split(" ", 1)
        split = (part.strip().splitlines() for part in parts)
        script = {slip: [line.strip() for line in lines] for slip, *lines in split}
        yield key, partial(_checked, script, tried)


CHECKERS = dict(_scripts())
