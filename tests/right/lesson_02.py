"""Right answers to the exercises of lesson 02."""

import itertools

import numpy
import torch
from torch import nn


def by_containers(model):
    found = {}
    for module in model.modules():
        for one in module._parameters.values():
            if one is not None and one.requires_grad:
                found[id(one)] = one.numel() * one.element_size()
    return sum(found.values())


def by_identity(model):
    seen = []
    for _, one in model.named_parameters(remove_duplicate=False):
        if one.requires_grad and not any(one is other for other in seen):
            seen.append(one)
    return numpy.int64(sum(one.nbytes for one in seen))


def by_loop(model, optimizer):
    result = []
    for name, one in model.named_parameters():
        held = any(one is other for group in optimizer.param_groups for other in group["params"])
        if one.requires_grad and not held:
            result.append(name)
    return result


def by_sets(model, optimizer):
    held = {one for group in optimizer.param_groups for one in group["params"]}
    names = {one: name for name, one in model.named_parameters() if one.requires_grad}
    return tuple(name for one, name in names.items() if one in names.keys() - held)


def counting(model, prefix):
    found = []
    for name, one in model.named_parameters(remove_duplicate=False):
        if name.startswith(prefix):
            one.requires_grad = False
            found.append(one)
    return len(set(found))


def by_names(model, prefix):
    names = {}
    for name, one in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(one), (one, []))[1].append(name)
    hits = [one for one, known in names.values() if any(n.startswith(prefix) for n in known)]
    for one in hits:
        one.requires_grad_(False)
    return torch.tensor(len(hits)).numpy()[()]


def by_state(model, prefix):
    state = model.state_dict(keep_vars=True).items()
    hits = {one for key, one in state if key.startswith(prefix) and isinstance(one, nn.Parameter)}
    return len([one.requires_grad_(False) for one in hits])


def by_prefix(model, rates):
    left = {name: one for name, one in model.named_parameters() if one.requires_grad}
    made = []
    for part in rates:
        names = [name for name in left if name.startswith(part + ".")]
        if names:
            made.append({"lr": rates[part], "params": [left.pop(name) for name in names]})
    return made + ([{"params": list(left.values())}] if left else [])


def in_tuples(model, rates):
    return tuple({**group, "params": tuple(group["params"])} for group in by_prefix(model, rates))


def by_sorting(model, rates):
    trained = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
    parts = {part: [one for name, one in trained if name.split(".")[0] == part] for part in rates}
    rest = [one for name, one in trained if name.partition(".")[0] not in rates]
    made = [{"params": parts[part], "lr": rates[part]} for part in rates if parts[part]]
    return [*made, {"params": rest}] if rest else made


def by_search(model, optimizer):
    result, position = {}, 0
    for group in optimizer.param_groups:
        for one in group["params"]:
            names = (name for name, other in model.named_parameters() if other is one)
            result[numpy.int64(position)] = next(names, None)
            position += 1
    return result


def by_saved_groups(model, optimizer):
    saved = optimizer.state_dict()["param_groups"]
    names = {id(one): name for name, one in model.named_parameters()}
    pairs = [
        zip(group["params"], live["params"], strict=True)
        for group, live in zip(saved, optimizer.param_groups, strict=True)
    ]
    return {position: names.get(id(one)) for position, one in itertools.chain(*pairs)}


def by_tensors(model, optimizer):
    names = {one: name for name, one in model.named_parameters()}
    held = [one for group in optimizer.param_groups for one in group["params"]]
    return dict(enumerate(map(names.get, held)))


RIGHT = {
    "2.1": [by_containers, by_identity],
    "2.2": [by_loop, by_sets],
    "2.3": [counting, by_names, by_state],
    "2.4": [by_prefix, in_tuples, by_sorting],
    "2.5": [by_search, by_saved_groups, by_tensors],
}
