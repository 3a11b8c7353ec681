"""check on lesson 06: right repairs of any style pass, and each near miss meets its own hint."""

import copy
import json
import re
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from helpers.state.findings import CODES
from tests.lesson_kernel import ROOT
from tests.right import raising, source

IDS = [f"6.{number}" for number in range(1, 10)]
WORDS = "Stack Scales swap_head resume FilterBank load_tied upgrade Average Rolling"
NAMES = dict(zip(IDS, WORDS.split(), strict=True))
CELLS = json.loads((ROOT / "notebooks" / "06_clinic.ipynb").read_text(encoding="utf-8"))["cells"]


def cell(name):
    return next("".join(one["source"]) for one in CELLS if one["id"] == name)


def patient(number, name):
    """The class of the lesson, without the lines below it that show the symptom."""
    text = re.search(rf"class {name}\(.*?\n(?=\S|\Z)", cell(f"p{number}-model") + "\n", re.DOTALL)[
        0
    ]
    return source(text, name)


DEEP, COLOURS, FILTERS = patient(1, "Deep"), patient(2, "Colours"), patient(5, "Filters")
RECALL, WINDOW = patient(8, "Recall"), patient(9, "Window")


def made(name, takes, init, forward, call="x", **given):
    """The class `name` with these lines in `__init__(self, takes)` and in `forward(self, call)`."""
    lines = "".join(f"\n        {line}" for line in ["super().__init__()", *init])
    body = "".join(f"\n        {line}" for line in forward)
    text = f"class {name}(nn.Module):\n    def __init__(self, {takes}):{lines}\n    def forward(self, {call}):{body}"
    return source(text, name, **given)


# --- 6.1 -------------------------------------------------------------------------------------------------------------
MANY, HEAD = "(nn.Linear(4, 4) for _ in range(depth))", "self.head = nn.Linear(4, 1)"
LOOP = ("for layer in self.layers:", "    x = layer(x).relu()", "return self.head(x)")


def stack(layers, head=HEAD, forward=LOOP, more=()):
    return made("Stack", "depth", [layers, head, *more], forward)


class Mended(DEEP):
    def __init__(self, depth):
        super().__init__(depth)
        self.layers = nn.ModuleList(self.layers)


# --- 6.2 -------------------------------------------------------------------------------------------------------------
BODY, TIMES = "self.body = nn.Linear(2, 2)", ("return self.body(x) * self.scale[name]",)
ONES = "{name: nn.Parameter(torch.ones(1)) for name in names}"


def scales(scale, forward=TIMES, more=(), **given):
    return made("Scales", "names", [scale, BODY, *more], forward, call="x, name", **given)


class MendedColours(COLOURS):
    def __init__(self, names):
        super().__init__(names)
        self.scale = nn.ParameterDict(self.scale)


# --- 6.3 and 6.4 -----------------------------------------------------------------------------------------------------
def swap(model, optimizer, head, *, make=None, params=None, lr=None):
    model.head = head
    kind, rate = make or type(optimizer), lr or optimizer.param_groups[0]["lr"]
    return kind((params or nn.Module.parameters)(model), lr=rate)


def in_place(model, optimizer, head):
    old = {id(one) for one in model.head.parameters()}
    model.head = head
    for group in optimizer.param_groups:
        group["params"] = [one for one in group["params"] if id(one) not in old]
    optimizer.add_param_group({"params": list(head.parameters())})
    return optimizer


def two_groups(model, optimizer, head):
    model.add_module("head", head)
    groups = [{"params": one.parameters()} for one in (model.body, model.head)]
    return optimizer.__class__(groups, lr=optimizer.defaults["lr"])


def too_early(model, optimizer, head):
    result = type(optimizer)(model.parameters(), lr=optimizer.param_groups[0]["lr"])
    model.head = head
    return result


def added(model, optimizer, head):
    model.head = head
    optimizer.add_param_group({"params": head.parameters()})
    return optimizer


def copied(model, optimizer, head):
    return swap(model, optimizer, copy.deepcopy(head))


def head_twice(model, optimizer, head):
    model.head = head
    optimizer.param_groups[0]["params"] = [*model.parameters(), *head.parameters()]
    return optimizer


def all_options(model, optimizer, head):
    model.head = head
    return type(optimizer)(model.parameters(), **optimizer.defaults)


def loaded_into(model, optimizer, head):
    model.head = nn.Linear(4, 2)
    model.head.load_state_dict(head.state_dict())
    return type(optimizer)(model.parameters(), lr=optimizer.param_groups[0]["lr"])


def reset(model, optimizer, head):
    with torch.no_grad():
        head.bias.zero_()
    return swap(model, optimizer, head)


def resume(model, state_dict, lr, *, kind=SGD, assign=True, params=nn.Module.parameters):
    model.load_state_dict(state_dict, assign=assign)
    return kind(params(model), lr=lr)


def emptied(model, state_dict, lr):
    model.to_empty(device="cpu")
    model.load_state_dict(state_dict)
    return torch.optim.SGD([{"params": [one]} for one in model.parameters()], lr)


def handed_over(model, state_dict, lr):
    optimizer = SGD(list(model.parameters()), lr=lr)
    model.load_state_dict(state_dict, assign=True)
    optimizer.param_groups[0]["params"] = list(model.parameters())
    return optimizer


def first_the_optimizer(model, state_dict, lr):
    optimizer = SGD(model.parameters(), lr=lr)
    model.load_state_dict(state_dict, assign=True)
    return optimizer


def both(model, state_dict, lr):
    old = list(model.parameters())
    model.load_state_dict(state_dict, assign=True)
    return SGD([*model.parameters(), *old], lr=lr)


def twice_in_one(optimizer):
    optimizer.param_groups[0]["params"] *= 2
    return optimizer


def frozen(model, state_dict, lr):
    model.requires_grad_(False)
    return resume(model, state_dict, lr)


def zeroed(model, state_dict, lr):
    optimizer = resume(model, state_dict, lr)
    with torch.no_grad():
        model.head.weight.zero_()
    return optimizer


def overwritten(model, state_dict, lr):
    optimizer = resume(model, dict(state_dict), lr)
    state_dict["head.bias"] = torch.zeros(1)
    return optimizer


def elsewhere(model, state_dict, lr):
    return resume(copy.deepcopy(model), state_dict, lr)


# --- 6.5 -------------------------------------------------------------------------------------------------------------
FILL = (
    "for i in range(count):",
    "    self.register_buffer(f'filter_{i}', torch.full((2,), float(i)))",
)
USED = "[getattr(self, f'filter_{i}') for i in range(self.count)]"
COLUMNS = "torch.stack([(x * one).sum(-1) for one in {}], dim=-1)"


def bank(*forward, fill=FILL, more=()):
    return made("FilterBank", "count", ["self.count = count", *fill, *more], forward)


def stacked(x):
    return f"return {COLUMNS.format(x)}"


MOVED = "    self._apply(lambda one: one)"


# --- 6.6 and 6.7 -----------------------------------------------------------------------------------------------------
def tie(model, state_dict, *, again=True, assign=True):
    model.load_state_dict(state_dict, assign=assign)
    if again:
        model.head.weight = model.embed.weight
    return model


def other_way(model, state_dict):
    model.load_state_dict(state_dict, assign=True)
    model.embed.weight = model.head.weight
    return model


def one_key(model, state_dict):
    rest = {key: value for key, value in state_dict.items() if key != "head.weight"}
    model.load_state_dict(rest, strict=False, assign=True)
    model.head.register_parameter("weight", model.embed.weight)
    return model


def one_for_all(model, state_dict):
    weight = nn.Parameter(state_dict["embed.weight"])
    model.load_state_dict(dict.fromkeys(state_dict, weight), assign=True)
    return model


def replaced_head(make):
    def answer(model, state_dict):
        model.load_state_dict(state_dict, assign=True)
        model.head = make(model)
        model.head.weight = model.embed.weight
        return model

    return answer


def popped(model, state_dict):
    del state_dict["head.weight"]
    model.load_state_dict(state_dict, strict=False, assign=True)
    model.head.weight = model.embed.weight
    return model


def tied_first(model, state_dict):
    model.head.weight = model.embed.weight
    return tie(model, state_dict, again=False)


def by_data(model, state_dict):
    tie(model, state_dict, again=False)
    model.head.weight.data = model.embed.weight.data
    return model


def tied_anew(model, state_dict):
    tie(model, state_dict, again=False)
    model.head.weight = nn.Parameter(model.embed.weight)
    return model


def tied_frozen(model, state_dict):
    weight = nn.Parameter(state_dict["embed.weight"], requires_grad=False)
    model.embed.weight = model.head.weight = weight
    return model


def tied_to_nothing(model, state_dict):
    model.embed.weight = model.head.weight = nn.Parameter(torch.zeros(5, 4))
    return model


def upgrade(state_dict, name=lambda key: key.rpartition(".")[2], new="scale", drop=True):
    result = {}
    for key, value in state_dict.items():
        if name(key) == "std":
            key = key[: len(key) - 3] + new
        if not (drop and name(key) == "positions"):
            result[key] = value
    return result


def by_pattern(state_dict):
    kept = {
        key: value for key, value in state_dict.items() if not re.search(r"(^|\.)positions$", key)
    }
    return {re.sub(r"(^|\.)std$", r"\1scale", key): value for key, value in kept.items()}


def by_split(state_dict):
    state = copy.copy(state_dict)
    for key in list(state):
        *path, last = key.split(".")
        if last == "std":
            state[".".join([*path, "scale"])] = state.pop(key)
        elif last == "positions":
            del state[key]
    return state


def flat(state_dict):
    names = {"std": "scale"}
    return {names.get(key, key): value for key, value in state_dict.items() if key != "positions"}


def spoiled(state_dict):
    result = upgrade(state_dict)
    state_dict.pop("positions", None)
    return result


# --- 6.8 and 6.9 -----------------------------------------------------------------------------------------------------
LAYER = "self.layer = nn.Linear(width, width)"
TOTAL, COUNT = (
    "self.register_buffer('total', torch.zeros(width))",
    "self.register_buffer('count', torch.tensor(0))",
)
ADD = ("self.total = self.total + x.detach().sum(0)", "self.count = self.count + len(x)")
MINUS = "return self.layer(x) - self.total / self.count"


def average(*init, forward=(*ADD, MINUS)):
    return made("Average", "width", [LAYER, *(init or (TOTAL, COUNT))], forward)


PAST = "self.register_buffer('past', torch.zeros(length))"
CAT, MEAN = (
    "self.past = torch.cat([self.past[1:], x.detach().reshape(1)])",
    "return self.past.mean()",
)


def rolling(*init, forward=(CAT, MEAN)):
    return made("Rolling", "length", init or [PAST], forward)


RIGHT = {
    "6.1": [
        stack(f"self.layers = nn.ModuleList{MANY}"),
        stack(f"self.layers = nn.Sequential(*{MANY})"),
        Mended,
        stack(
            "self.layers = nn.Module()",
            more=(
                "for i in range(depth):",
                "    self.layers.add_module(str(i), nn.Linear(4, 4))",
            ),
            forward=("for layer in self.layers.children():", *LOOP[1:]),
        ),
    ],
    "6.2": [
        scales(f"self.scale = nn.ParameterDict({ONES})"),
        MendedColours,
        scales(
            "self.scale = nn.Module()",
            more=(
                "for name in names:",
                "    self.scale.register_parameter(name, nn.Parameter(torch.ones(1)))",
            ),
            forward=("return getattr(self.scale, name) * self.body(x)",),
        ),
    ],
    "6.3": [swap, in_place, two_groups, all_options],
    "6.4": [resume, emptied, handed_over],
    "6.5": [
        bank(stacked(USED)),
        bank(stacked("self.buffers()")),
        bank(stacked("self.state_dict().values()")),
        bank("return x.to(self.filter_0.dtype) @ torch.stack(list(self.buffers()), dim=1)"),
    ],
    "6.6": [tie, other_way, one_key, one_for_all],
    "6.7": [upgrade, by_pattern, by_split],
    "6.8": [
        average(),
        average(
            "self.register_buffer('mean', torch.zeros(width))",
            COUNT,
            forward=(
                "n = self.count + len(x)",
                "self.mean = self.mean + (x.detach() - self.mean).sum(0) / n",
                "self.count = n",
                "return self.layer(x) - self.mean",
            ),
        ),
        average(
            TOTAL,
            "self.count = 0",
            "type(self).get_extra_state = lambda self: self.count",
            "type(self).set_extra_state = lambda self, count: setattr(self, 'count', count)",
        ),
        average(
            "self.total, self.count = nn.Buffer(torch.zeros(width)), nn.Buffer(torch.zeros(1))",
            forward=(
                "with torch.no_grad():",
                "    self.total += x.sum(0)",
                "    self.count += x.shape[0]",
                MINUS,
            ),
        ),
    ],
    "6.9": [
        rolling(),
        rolling("self.past = nn.Buffer(torch.zeros(length))"),
        rolling(
            PAST, forward=("self.past = self.past.roll(-1)", "self.past[-1] = x.detach()", MEAN)
        ),
        rolling(
            PAST,
            forward=(
                "with torch.no_grad():",
                "    self.past.copy_(self.past.roll(-1))",
                "    self.past[-1] = x",
                MEAN,
            ),
        ),
    ],
}

WRONG = {
    "6.1": [
        ("still-hidden", DEEP),
        ("still-hidden", stack(f"self.layers = tuple{MANY}")),
        (
            "other-keys",
            stack(
                "self.layers = nn.ModuleDict({f'layer_{i}': nn.Linear(4, 4) for i in range(depth)})",
                forward=("for layer in self.layers.values():", *LOOP[1:]),
            ),
        ),
        (
            "other-keys",
            stack(
                f"self.layers = nn.ModuleList{MANY}", more=("self.layers.append(nn.Linear(4, 4))",)
            ),
        ),
        (
            "still-hidden",
            stack(
                f"self.blocks = nn.ModuleList{MANY}",
                forward=("for layer in self.blocks:", *LOOP[1:]),
            ),
        ),
        ("one-layer", stack("self.layers = nn.ModuleList([nn.Linear(4, 4)] * depth)")),
        (
            "frozen",
            stack(
                f"self.layers = nn.ModuleList{MANY}", more=("self.layers.requires_grad_(False)",)
            ),
        ),
        (
            "other-result",
            stack(
                f"self.layers = nn.ModuleList{MANY}",
                forward=("for layer in self.layers:", "    x = layer(x)", "return self.head(x)"),
            ),
        ),
        (
            "other-result",
            stack(f"self.layers = nn.ModuleList{MANY}", head="self.head = nn.Linear(4, 2)"),
        ),
        (
            "no-gradient",
            stack(
                f"self.layers = nn.ModuleList{MANY}",
                forward=("with torch.no_grad():", *(f"    {line}" for line in LOOP)),
            ),
        ),
        (
            "no-gradient",
            stack(
                f"self.layers = nn.ModuleList{MANY}",
                forward=(*LOOP[:2], "return self.head(x.detach())"),
            ),
        ),
        ("raises", stack(f"self.layers = nn.ModuleList{MANY}", forward=("return self.layers(x)",))),
        ("raises", made("Stack", "", [], LOOP)),
        ("nothing-returned", stack(f"self.layers = nn.ModuleList{MANY}", forward=LOOP[:2])),
        ("an-instance", DEEP(2)),
        ("not-a-module", 3),
        (
            "no-super",
            source(
                "class Stack(nn.Module):\n    def __init__(self, depth):\n        self.head = "
                "nn.Linear(4, 1)",
                "Stack",
            ),
        ),
    ],
    "6.2": [
        ("still-hidden", COLOURS),
        ("still-hidden", scales(f"self.scale = list({ONES}.values())")),
        (
            "still-hidden",
            scales(
                "",
                more=(
                    "for name in names:",
                    "    setattr(self, f'scale_{name}', nn.Parameter(torch.ones(1)))",
                ),
                forward=("return self.body(x) * getattr(self, f'scale_{name}')",),
            ),
        ),
        (
            "other-keys",
            scales(
                f"self.scale = nn.ParameterDict({ONES})",
                more=("self.gain = nn.Parameter(torch.ones(1))",),
            ),
        ),
        (
            "other-keys",
            scales("self.scale = nn.ParameterList([nn.Parameter(torch.ones(1)) for _ in names])"),
        ),
        (
            "not-trained",
            scales(
                "self.scale = nn.Module()",
                more=("for name in names:", "    self.scale.register_buffer(name, torch.ones(1))"),
                forward=("return self.body(x) * getattr(self.scale, name)",),
            ),
        ),
        ("not-trained", scales(f"self.scale = nn.ParameterDict({ONES}).requires_grad_(False)")),
        (
            "shared",
            scales(
                "self.scale = nn.ParameterDict(dict.fromkeys(names, nn.Parameter(torch.ones(1))))"
            ),
        ),
        ("not-one", scales(f"self.scale = nn.ParameterDict({ONES.replace('ones', 'zeros')})")),
        ("not-one", scales(f"self.scale = nn.ParameterDict({ONES.replace('(1)', '(2)')})")),
        (
            "other-result",
            scales(
                f"self.scale = nn.ParameterDict({ONES})",
                forward=("return self.body(x) + self.scale[name]",),
            ),
        ),
        (
            "other-result",
            scales(
                f"self.scale = nn.ParameterDict({ONES})",
                forward=("return self.body(x) * self.scale['red']",),
            ),
        ),
        *(
            (
                "no-gradient",
                scales(
                    f"self.scale = nn.ParameterDict({ONES})",
                    forward=(f"return self.body(x) * {one}",),
                ),
            )
            for one in ("self.scale[name].item()", "self.scale[name].data")
        ),
        (
            "no-gradient",
            scales(
                f"self.scale = nn.ParameterDict({ONES})",
                forward=("return self.body(x).detach() * self.scale[name]",),
            ),
        ),
        (
            "stale",
            scales(
                f"self.scale = nn.ParameterDict({ONES})",
                more=("self.kept = dict(self.scale.items())",),
                forward=("return self.body(x) * self.kept[name]",),
            ),
        ),
        (
            "raises",
            scales(f"self.scale = nn.ParameterDict({ONES})", forward=("return self.scale(x)",)),
        ),
        (
            "raises",
            scales(
                "self.scale = nn.ModuleDict({name: nn.Parameter(torch.ones(1)) for name in names})"
            ),
        ),
    ],
    "6.3": [
        ("nothing-returned", lambda model, optimizer, head: setattr(model, "head", head)),
        ("misses", too_early),
        ("misses", lambda model, optimizer, head: setattr(model, "head", head) or optimizer),
        ("misses", lambda *given: swap(*given, params=lambda model: model.head.parameters())),
        ("stale", added),
        ("not-the-head", copied),
        ("not-the-head", loaded_into),
        ("not-the-head", lambda model, optimizer, head: optimizer),
        ("not-an-optimizer", lambda *given: swap(*given) and given[0]),
        (
            "extra",
            lambda *given: swap(
                *given, params=lambda model: [*model.parameters(), nn.Parameter(torch.ones(1))]
            ),
        ),
        ("other-class", lambda *given: swap(*given, make=Adam)),
        ("other-rate", lambda *given: swap(*given, lr=0.1)),
        ("twice", head_twice),
        ("changed", reset),
        ("raises", lambda model, head: None),
        ("raises", raising(ValueError("no"))),
        ("not-a-function", 3),
    ],
    "6.4": [
        ("twice", lambda *given: twice_in_one(resume(*given))),
        ("misses", first_the_optimizer),
        ("still-meta", lambda *given: quiet(resume, *given, assign=False)),
        (
            "still-meta",
            lambda model, state, lr: (
                SGD(model.parameters(), lr)
                if model.body.weight.is_meta
                else resume(model, state, lr)
            ),
        ),
        ("not-loaded", elsewhere),
        ("not-loaded", lambda model, state, lr: SGD(model.parameters(), lr)),
        (
            "not-loaded",
            lambda model, state, lr: SGD(
                model.to_empty(device="cpu").requires_grad_().parameters(), lr
            ),
        ),
        ("changed", overwritten),
        ("frozen", frozen),
        ("stale", both),
        ("not-an-optimizer", lambda *given: resume(*given) and given[0]),
        (
            "extra",
            lambda *given: resume(
                *given, params=lambda model: [*model.parameters(), torch.ones(1)]
            ),
        ),
        ("misses", lambda *given: resume(*given, params=lambda model: model.head.parameters())),
        ("other-class", lambda *given: resume(*given, kind=Adam)),
        ("other-rate", lambda model, state, lr: resume(model, state, 0.1)),
        ("nothing-returned", lambda *given: resume(*given) and None),
        ("raises", lambda model, state: model),
    ],
    "6.5": [
        ("stale", FILTERS),
        ("stale", bank(stacked("self.kept"), more=("self.kept = list(self.buffers())",))),
        (
            "stale",
            bank(
                "self.kept = getattr(self, 'kept', None) or list(self.buffers())",
                stacked("self.kept"),
            ),
        ),
        ("shared", bank(stacked("self.ask()"), more=("self.ask = lambda: list(self.buffers())",))),
        (
            "trained",
            bank(
                stacked(USED),
                fill=(
                    "for i in range(count):",
                    "    setattr(self, f'filter_{i}', nn.Parameter(torch.ones(2) * i))",
                ),
            ),
        ),
        (
            "not-saved",
            bank(stacked("self.buffers()"), fill=(FILL[0], f"{FILL[1][:-1]}, persistent=False)")),
        ),
        (
            "not-saved",
            bank(stacked("self.all"), fill=("self.register_buffer('all', torch.ones(3, 2))",)),
        ),
        (
            "other-keys",
            bank(
                stacked("self.buffers()"), more=("self.register_buffer('steps', torch.tensor(0))",)
            ),
        ),
        ("other-numbers", bank(stacked(USED), fill=(FILL[0], FILL[1].replace("float(i)", "1.0")))),
        ("other-result", bank(f"return {COLUMNS.format(USED)}.sum(-1)")),
        ("other-result", bank(f"return {COLUMNS.format(USED)} + 1")),
        ("other-result", bank(f"return {COLUMNS.format(USED)}.float()")),
        ("raises", bank("return x @ self.filters")),
        ("nothing-returned", bank("x + 1")),
    ],
    "6.6": [
        ("untied", lambda *given: tie(*given, again=False)),
        ("untied", tied_first),
        ("same-memory", by_data),
        ("same-memory", tied_anew),
        ("still-meta", lambda *given: quiet(tie, *given, assign=False)),
        ("not-loaded", tied_to_nothing),
        ("not-loaded", lambda model, state: model),
        ("frozen", tied_frozen),
        ("other-model", replaced_head(lambda model: model.embed)),
        ("other-model", replaced_head(lambda model: nn.Linear(4, 5))),
        ("changed", popped),
        ("not-the-model", lambda *given: tie(*given).head),
        ("nothing-returned", lambda *given: tie(*given) and None),
        ("raises", lambda model: model),
        ("not-a-function", "tie"),
    ],
    "6.7": [
        ("not-renamed", lambda state: upgrade(state, new="std")),
        ("not-renamed", flat),
        ("not-renamed", lambda state: dict(state)),
        ("not-dropped", lambda state: upgrade(state, drop=False)),
        (
            "too-much",
            lambda state: {
                key.replace("std", "scale"): value
                for key, value in state.items()
                if key.split(".")[-1] != "positions"
            },
        ),
        (
            "too-much",
            lambda state: {
                re.sub(r"\bstd\b", "scale", key): value
                for key, value in state.items()
                if "positions" not in key
            },
        ),
        (
            "too-much",
            lambda state: {
                f"{key[:-3]}scale" if key.endswith("std") else key: value
                for key, value in state.items()
                if not key.endswith("positions")
            },
        ),
        (
            "too-much",
            lambda state: {
                "scale" if key == "std" else key.replace(".std", ".scale"): value
                for key, value in state.items()
                if key.split(".")[-1] != "positions"
            },
        ),
        ("other-keys", lambda state: upgrade(state, new="sigma")),
        (
            "other-keys",
            lambda state: (
                {key.split(".")[-1]: value for key, value in by_pattern(state).items()}
                if any(key[:7] == "encoder" for key in state)
                else by_pattern(state)
            ),
        ),
        ("other-numbers", lambda state: {key: value + 1 for key, value in upgrade(state).items()}),
        ("changed", spoiled),
        ("not-a-dict", lambda state: list(upgrade(state))),
        ("nothing-returned", lambda state: state.clear()),
        ("raises", lambda state, model: state),
        ("not-a-function", {}),
    ],
    "6.8": [
        ("grows", RECALL),
        (
            "trained",
            average(
                "self.total = nn.Parameter(torch.zeros(width))",
                COUNT,
                forward=(
                    "with torch.no_grad():",
                    "    self.total += x.sum(0)",
                    "self.count = self.count + len(x)",
                    MINUS,
                ),
            ),
        ),
        ("forgets", average(TOTAL, "self.count = 0")),
        ("forgets", average(TOTAL.replace("width))", "width), persistent=False)"), COUNT)),
        (
            "forgets",
            average(
                "self.register_buffer('seen', torch.empty(0, width), persistent=False)",
                forward=(
                    "self.seen = torch.cat([self.seen, x.detach()])",
                    "return self.layer(x) - self.seen.mean(0)",
                ),
            ),
        ),
        (
            "other-result",
            average(
                TOTAL, COUNT, forward=(MINUS.replace("return", "result ="), *ADD, "return result")
            ),
        ),
        ("other-result", average(TOTAL, COUNT, forward=("return self.layer(x) - x.mean(0)",))),
        (
            "other-result",
            average(TOTAL, COUNT, forward=(*ADD, MINUS.replace("self.layer(x)", "x"))),
        ),
        (
            "holds-the-graph",
            average(TOTAL, COUNT, forward=(ADD[0].replace(".detach()", ""), ADD[1], MINUS)),
        ),
        ("holds-the-graph", average(TOTAL, COUNT, forward=("self.last = x", *ADD, MINUS))),
        ("other-result", average(TOTAL.replace("width)", "width, dtype=torch.float64)"), COUNT)),
        (
            "no-gradient",
            average(TOTAL, COUNT, forward=(*ADD, MINUS.replace("(x)", "(x).detach()"))),
        ),
        (
            "no-gradient",
            average(
                TOTAL,
                COUNT,
                forward=("with torch.no_grad():", *(f"    {line}" for line in (*ADD, MINUS))),
            ),
        ),
        ("not-loaded", average(TOTAL, COUNT, "type(self).get_extra_state = lambda self: 1")),
        (
            "stays-behind",
            average(
                TOTAL, COUNT, forward=(*ADD, MINUS.replace("return ", "return (") + ").float()")
            ),
        ),
        ("raises", average(TOTAL, forward=(*ADD, MINUS))),
        ("nothing-returned", average(TOTAL, COUNT, forward=ADD)),
    ],
    "6.9": [
        ("trained", WINDOW),
        ("trained", rolling("self.past = nn.Parameter(torch.zeros(length))")),
        ("not-saved", rolling(PAST.replace("))", "), persistent=False)"))),
        ("not-saved", rolling("self.past = torch.zeros(length)")),
        ("not-loaded", rolling("self.register_buffer('past', torch.zeros(1, length))")),
        (
            "wrong-window",
            rolling(PAST, forward=("self.past.roll(-1)", "self.past[-1] = x.detach()", MEAN)),
        ),
        (
            "wrong-window",
            rolling(
                PAST, forward=("self.past = self.past.roll(1)", "self.past[0] = x.detach()", MEAN)
            ),
        ),
        (
            "wrong-window",
            rolling(
                PAST, forward=("self.past = torch.cat([self.past, x.detach().reshape(1)])", MEAN)
            ),
        ),
        ("other-result", rolling(PAST, forward=(CAT, "return self.past.sum()"))),
        ("other-result", rolling(PAST, forward=(CAT, f"{MEAN}.float()"))),
        ("other-result", rolling(PAST, forward=("mean = self.past.mean()", CAT, "return mean"))),
        ("holds-the-graph", rolling(PAST, forward=(CAT.replace(".detach()", ""), MEAN))),
        ("stays-behind", rolling(PAST, forward=(f"{CAT}.float()", MEAN))),
        ("raises", rolling(PAST, forward=("self.past.append(x)", MEAN))),
        ("nothing-returned", rolling(PAST, forward=(CAT,))),
    ],
}


def quiet(function, *given, **named):
    """Without torch's warning that a copy into `meta` does nothing."""
    with pytest.warns(UserWarning) if given[0].head.weight.is_meta else nullcontext():
        return function(*given, **named)


def test_the_proofs_that_hold_a_cure_are_folded_and_no_other_cell_is():
    folded = {one["id"] for one in CELLS if one["metadata"].get("jupyter", {}).get("source_hidden")}
    assert folded == {f"p{number}-proof" for number in range(1, 10)}


def test_every_patient_asks_before_it_answers_and_has_a_link():
    ids = [one["id"] for one in CELLS]
    asked = [position for position, name in enumerate(ids) if name.startswith("quiz-")]
    for number in range(1, 14):
        first, proof = ids.index(f"p{number}"), ids.index(f"p{number}-proof")
        before = [position for position in asked if first < position < proof]
        assert len(before) == 1, number
        linked = [
            p
            for p in range(first, proof + 1)
            if "](https://github.com/" in "".join(CELLS[p]["source"])
        ]
        assert linked and min(linked) > before[0], number


def test_no_advice_is_shown_before_the_learner_has_written_the_repair():
    ids = [one["id"] for one in CELLS]
    for number in range(1, 10):
        before = CELLS[ids.index(f"p{number}") : ids.index(f"ex-6-{number}")]
        shown = json.dumps([one.get("outputs", []) for one in before])
        assert "the line to write" not in shown and "state_dict = {" not in shown, number
        cure = {
            1: "ModuleList",
            2: "ParameterDict",
            3: "add_param_group",
            4: "model.parameters(), lr=lr",
        }.get(number)
        assert cure is None or cure not in json.dumps(before), number
    later = json.dumps(CELLS)
    assert "the line to write" in later and "state_dict = {" in later


def test_the_table_of_findings_has_every_code():
    assert set(re.findall(r"`([a-z-]+)`", cell("own-table"))) >= set(CODES)


@pytest.mark.parametrize("number", range(1, 14))
def test_a_patient_can_be_read_without_the_others(number):
    ids = [one["id"] for one in CELLS]
    last = ids.index(f"p{number + 1}" if number < 13 else "own")
    space = {}
    for one in [CELLS[ids.index("setup")], *CELLS[ids.index(f"p{number}") : last]]:
        if one["cell_type"] == "code":
            exec("".join(one["source"]), space)
