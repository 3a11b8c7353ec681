"""Right answers to the exercises of lesson 06."""

import copy
import re

from torch import nn
from torch.optim import SGD

from helpers.exercises.exercise import edited
from helpers.exercises.lesson_06 import Average, FilterBank, Rolling, Scales, Stack
from tests.right import source

LIST = "nn.ModuleList(nn.Linear(4, 4) for _ in range(depth))"
HEAD, LAYERS = "self.head = nn.Linear(4, 1)", f"self.layers = {LIST}"
ADDED = "nn.Module(); [self.layers.add_module(str(i), nn.Linear(4, 4)) for i in range(depth)]"
DICT = "nn.ParameterDict({name: nn.Parameter(torch.ones(1)) for name in names})"
MODULE = (
    "nn.Module(); "
    "[self.scale.register_parameter(name, nn.Parameter(torch.ones(1))) for name in names]"
)


def in_place(model, optimizer, head):
    model.head = head
    own = {id(one) for one in model.parameters()}
    for gone in [one for one in optimizer.state if id(one) not in own]:
        del optimizer.state[gone]
    for group in optimizer.param_groups:
        group["params"] = [one for one in group["params"] if id(one) in own]
        own -= {id(one) for one in group["params"]}
    optimizer.add_param_group({"params": [one for one in model.parameters() if id(one) in own]})
    optimizer.param_groups[-1]["lr"] = optimizer.param_groups[0]["lr"]
    return optimizer


def two_groups(model, optimizer, head):
    model.add_module("head", head)
    groups = [{"params": [one]} for one in model.parameters()]
    return optimizer.__class__(groups, lr=optimizer.param_groups[0]["lr"])


def all_options(model, optimizer, head):
    model.head = head
    options = {**optimizer.defaults, "lr": optimizer.param_groups[0]["lr"]}
    return type(optimizer)(model.parameters(), **options)


def copied_where_numbers_are(model, state_dict, lr):
    on_meta = any(one.is_meta for one in model.parameters())
    model.load_state_dict(state_dict, assign=on_meta)
    return SGD([{"params": [one]} for one in model.parameters()], lr)


def in_a_group(model, state_dict, lr):
    model.load_state_dict(state_dict, assign=True)
    return SGD([{"params": list(model.parameters())}], lr=lr)


def handed_over(model, state_dict, lr):
    optimizer = SGD(list(model.parameters()), lr=lr)
    model.load_state_dict(copy.deepcopy(state_dict), assign=True)
    optimizer.param_groups[0]["params"] = list(model.parameters())
    return optimizer


NAMED = '[getattr(self, f"filter_{i}") for i in range(self.count)]'
STACK = "torch.stack([(x * one).sum(-1) for one in filters], dim=-1)"


def other_way(model, state_dict):
    model.load_state_dict(state_dict, assign=True)
    model.embed.weight = model.head.weight
    return model


def registered(model, state_dict):
    model.load_state_dict(copy.copy(state_dict), assign=True)
    model.head.register_parameter("weight", model.embed.weight)
    return model


def one_for_all(model, state_dict):
    weight = nn.Parameter(state_dict["embed.weight"])
    twice = dict.fromkeys(("embed.weight", "head.weight"), weight)
    state = copy.copy(state_dict)
    state.update((key, weight) for key in twice if key in state)
    model.load_state_dict(state, assign=True)
    return model


def by_pattern(state_dict):
    result = type(state_dict)(
        (re.sub(r"(^|\.)std$", r"\1scale", key), value)
        for key, value in state_dict.items()
        if not re.search(r"(^|\.)positions$", key)
    )
    if hasattr(state_dict, "_metadata"):
        result._metadata = copy.deepcopy(state_dict._metadata)
    return result


def by_split(state_dict):
    state = copy.copy(state_dict)
    for key in list(state):
        *path, last = key.split(".")
        if last == "std":
            state[".".join([*path, "scale"])] = state.pop(key)
        elif last == "positions":
            del state[key]
    return state


ADD = "self.total = self.total + x.detach().sum(0)"
COUNT = "self.count = self.count + len(x)"
MEAN = "; self.total = self.total + (x.detach() - self.total).sum(0) / self.count"
REGISTERED = 'self.register_buffer("count", torch.tensor(0))'
EXTRA = """
class Average(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.total, self.count = nn.Buffer(torch.zeros(width)), 0

    def get_extra_state(self):
        return self.count

    def set_extra_state(self, count):
        self.count = count

    def forward(self, x):
        with torch.no_grad():
            self.total += x.sum(0)
        self.count += x.shape[0]
        return self.layer(x) - self.total / self.count
"""
PAST = 'self.register_buffer("past", torch.zeros(length))'
ROLL, WRITE = "self.past = self.past.roll(-1)", "self.past[-1] = x.detach()"

RIGHT = {
    "6.1": [
        edited(Stack, (LIST, f"nn.Sequential(*{LIST})")),
        edited(Stack, (LIST, ADDED), ("self.layers:", "self.layers._modules.values():")),
        edited(Stack, ("layer(x).relu()", "torch.relu(layer(x))")),
        edited(Stack, (HEAD, "pass"), (LAYERS, f"{HEAD}; {LAYERS}")),
    ],
    "6.2": [
        edited(Scales, (DICT, MODULE), ("self.scale[name]", "getattr(self.scale, name)")),
        edited(Scales, (DICT, "nn.ParameterDict({name: torch.ones(1) for name in names})")),
    ],
    "6.3": [in_place, two_groups, all_options],
    "6.4": [copied_where_numbers_are, in_a_group, handed_over],
    "6.5": [
        edited(FilterBank, (NAMED, "list(self._buffers.values())")),
        edited(FilterBank, (NAMED, "self.state_dict().values()")),
        edited(FilterBank, (STACK, "(x.unsqueeze(-1) * torch.stack(filters, dim=1)).sum(-2)")),
    ],
    "6.6": [other_way, registered, one_for_all],
    "6.7": [by_pattern, by_split],
    "6.8": [
        source(EXTRA, "Average"),
        edited(
            Average,
            (COUNT, COUNT + MEAN),
            (ADD, "pass"),
            ("self.total / self.count", "self.total"),
        ),
        edited(Average, (REGISTERED, "self.count = nn.Buffer(torch.zeros(1))")),
        edited(
            Average,
            ("torch.zeros(width)", "torch.zeros(width, dtype=torch.float64)"),
            ("self.total / self.count", "(self.total / self.count).to(x.dtype)"),
        ),
        edited(
            Average, ("torch.zeros(width)", "torch.zeros(1, width)"), ("sum(0)", "sum(0, True)")
        ),
    ],
    "6.9": [
        edited(
            Rolling,
            (ROLL, "self.past = torch.cat([self.past[1:], x.detach().reshape(1).to(self.past)])"),
            (WRITE, "pass"),
        ),
        edited(Rolling, (ROLL, "self.past.copy_(self.past.roll(-1))")),
        edited(Rolling, (WRITE, "self.past[-1] = x.item()")),
        edited(Rolling, (PAST, "self.past = nn.Buffer(torch.zeros(length))")),
    ],
}
