"""Right answers to the exercises of lesson 01."""

import copy
import io
from collections import OrderedDict
from functools import partial

import torch

from helpers.exercises.lesson_01 import Scaled
from tests.right import source


class Cutting:
    def __call__(self, state_dict):
        return {key[8:]: value for key, value in state_dict.items() if key[:8] == "encoder."}


def by_parts(state_dict):
    result = OrderedDict()
    for key in state_dict:
        first, *rest = key.split(".")
        if first == "encoder":
            result[".".join(rest)] = copy.deepcopy(state_dict[key])
    return result


def cloned(state_dict):
    return {
        key.removeprefix("encoder."): copy.deepcopy(value)
        if not isinstance(value, torch.Tensor)
        else value.detach().clone()
        for key, value in state_dict.items()
        if key.startswith("encoder.")
    }


def clones(model):
    return {
        key: value.clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
        for key, value in model.state_dict().items()
    }


def on_the_cpu(model):
    return {
        key: value.cpu().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
        for key, value in model.state_dict().items()
    }


def through_a_file(model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=False)  # torch 2.5 takes no set otherwise


def scaled(*lines, signature="factor=2.0"):
    body = "".join(f"\n        {line}" for line in lines)
    text = f"class Scaled(nn.Module):\n    def __init__(self, {signature}):{body}"
    return source(text, "Scaled")


class Inherited(Scaled):
    pass


SUPER, FACTOR = "super().__init__()", "self.factor = factor"
SCALE = "self.scale = nn.Parameter(torch.ones(1))"
INNER = "self.inner = nn.Linear(3, 3, bias=False)"


def by_identity(model):
    seen, total = set(), 0
    for value in model.state_dict(keep_vars=True).values():
        if isinstance(value, torch.Tensor) and id(value) not in seen:
            seen.add(id(value))
            total += value.numel() * value.element_size()
    return total


def by_hash(model):
    state = model.state_dict(keep_vars=True).values()
    distinct = {value for value in state if type(value).__hash__ is torch.Tensor.__hash__}
    return sum(value.numel() * value.dtype.itemsize for value in distinct)


def without_keep_vars(model):
    """Tensors of a state_dict without `keep_vars` are other objects; their names are not."""
    values, saved = model.state_dict(), [*model.parameters()]
    for name, one in model.named_buffers():
        saved += [one] if name in values else []
    extra = [one for key, one in values.items() if key.split(".")[-1] == "_extra_state"]
    return sum(one.nbytes for one in saved + [one for one in extra if torch.is_tensor(one)])


def by_search(model, saved, name):
    wanted = model.get_parameter(name)
    positions = saved["param_groups"][0]["params"]
    for position, parameter in zip(positions, model.parameters(), strict=True):
        if parameter is wanted:
            return saved["state"][position]["exp_avg"].clone()


def by_names(model, saved, name):
    named = dict(model.named_parameters(remove_duplicate=False))
    positions = {parameter: at for at, parameter in enumerate(model.parameters())}
    return saved["state"][positions[named[name]]]["exp_avg"]


def by_an_optimizer(model, saved, name):
    """Another optimizer, which loads it, keeps it by the parameters themselves."""
    other = torch.optim.Adam(model.parameters())
    other.load_state_dict(copy.deepcopy(saved))
    return other.state[model.get_parameter(name)]["exp_avg"]


RIGHT = {
    "1.1": [
        lambda s: {k.removeprefix("encoder."): v for k, v in s.items() if k.startswith("encoder.")},
        lambda s: {
            k.replace("encoder.", "", 1): v for k, v in s.items() if k.startswith("encoder.")
        },
        by_parts,
        cloned,
        Cutting(),
        partial(lambda n, s: {k[n:]: v for k, v in s.items() if k.split(".")[0] == "encoder"}, 8),
    ],
    "1.2": [lambda model: copy.deepcopy(model).state_dict(), clones, on_the_cpu, through_a_file],
    "1.3": [
        scaled(
            SUPER,
            FACTOR,
            INNER,
            "self.scale = nn.Parameter(torch.tensor(factor))",
            signature="*, factor=2.0",
        ),
        scaled(
            SUPER,
            "self.register_parameter('scale', nn.Parameter(torch.zeros(1, 1)))",
            "self.add_module('inner', nn.Linear(3, 3, False))",
            FACTOR,
        ),
        scaled("nn.Module.__init__(self)", FACTOR, INNER, SCALE),
        scaled(SUPER, FACTOR, SCALE, "self.inner = nn.Linear(3, 3)", "self.inner.bias = None"),
        scaled(
            SUPER,
            FACTOR,
            INNER,
            "flat = torch.ones(10)",
            "self.scale = nn.Parameter(flat[:1])",
            "self.inner.weight = nn.Parameter(flat[1:].view(3, 3))",
        ),
        Inherited,
    ],
    "1.4": [
        by_identity,
        by_hash,
        without_keep_vars,
    ],
    "1.5": [by_search, by_names, by_an_optimizer],
}
