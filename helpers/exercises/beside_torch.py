"""Two classes beside each other: the learner's and torch's, through the same lines of Python.

`beside_torch(step, complete)` is an experiment. Its sequences of lines are made from random numbers
with a seed, so they are the same for every class and at every check. Each begins with new objects,
and is built of the templates below: lines about the step itself more often than others, and, last,
lines about all steps. Each of its cases is one line: what it gives or raises, and what the modules
hold afterwards.
"""

from __future__ import annotations

import copy
import random
import re
import warnings
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import islice
from operator import is_
from types import CodeType

import torch
from torch import nn

from helpers.exercises.exercise import Experiment
from helpers.exercises.facts import Facts, Raised, is_a, plain_text
from helpers.state.objects import dtype_in_words, message_of
from helpers.state.torch_private import CONTAINERS, NON_PERSISTENT

OWN, ALL = 160, 40  # sequences about a step, and about all of them
MODULE_NAMES = ("m", "child", "second", "last")  # one holds only those after it: no circles
OTHERS = ("kin", "foreign")  # which are no modules of the learner's class
THINGS = ("module", "parameter", "buffer")
NUMBERS_FROM = 7  # the first step in which numbers are looked at

# What stands in the place of a name in braces; `m` and `below` are modules.
FILLINGS = {
    "n": ("x", "x", "x", "y", "y", "z", "_w"),
    "p": ("parameter", "other", "frozen", "twin"),
    "b": ("buffer", "hidden", "cache"),
    "t": ("parameter", "other", "tensor", "buffer", "count"),
    "v": "parameter other frozen tensor count flag buffer hidden result None None 3".split()
    + ["'text'"],
    "any": "'x' 'y' 'z' 'x' 'y' 'training' 'children' 'x.y' '' 3 '0' 'lambda'".split(),
    "odd": ("x.y", "", "x", "0", "lambda"),
    "near": ("x_", "_x", "X", "x.y", "0", "w", "__x__"),
    "path": ("", "x", "y", "x.y", "y.x", "x.x.x", "training", ".x", "0", "children.__self__")
    + (" x", "x.y.z.w", "x.", "y.x."),
    "prefix": ("", "net", "net.", "a.b.c.d.e.f.g.h.i"),
    "yes": ("True", "False"),
    "once": ("True", "True", "False"),
    "spoilt": "less more longer stretched turned double wanting all".split() + [""],
    "to": "torch.float64 torch.float64 torch.float32 torch.float16 torch.bfloat16 torch.complex64"
    " torch.int64 torch.bool 'cpu' torch.device('cpu')".split(),
    "fn": ("torch.Tensor.double", "torch.zeros_like"),
}
BUILD = ("{m}.{n} = {p}", "{m}.{n} = {b}", "{m}.{n} = {below}", "{m}.{n} = {p}")
BUILD += ("{m}.register_buffer('{n}', count)", "{m}.register_buffer('{n}', None)")
BUILD += ("{m}.{n} = {below}", "{m}.{n} = {p}", "{m}.register_parameter('{n}', None)")
TREE = ("m.y = child", "child.x = second", "m.z = last")  # what a walk goes through
# Lines that change something, by step, and lines that do not.
WRITE = {
    1: ["{m}._parameters['{n}'] = {p}", "{m}._buffers['{n}'] = {b}", "{m}.training = False"]
    + ["{m}._modules['{n}'] = {below}", "{m}._non_persistent_buffers_set.add('{n}')"]
    + ["{m}.__init__()", "{m}.x = 3"],
    2: ["{m}.{n} = {v}", "{m}.{n} = {v}", "{m}.{n} = {below}", "{m}.{n} = {p}", "{m}.{n} = {b}"]
    + ["second.half = 3", "early.{n} = {v}", "early.{n} = child", "{m}.training = 3"],
    3: ["del {m}.{n}", "del {m}.{n}", "{m}.{n} += 1", "del early.w", "{m}.{n} = None"]
    + ["second.half = 3", "del second.half"],
    4: ["{m}.register_parameter({any}, {p})", "{m}.register_parameter({any}, {v})"]
    + ["{m}.register_buffer({any}, {b})", "{m}.register_buffer({any}, {v}, persistent={yes})"]
    + ["{m}.{n} = result", "setattr({m}, '{odd}', parameter)"]
    + ["early.register_parameter({any}, {p})", "early.register_buffer({any}, {b})"]
    + ["{m}.register_parameter(name={any}, param={p})"]
    + ["{m}.register_buffer(name={any}, tensor={b}, persistent={yes})"],
    5: ["{m}.add_module({any}, {below})", "{m}.add_module({any}, {v})", "{m}.{n} = {below}"]
    + ["{m}.add_module('{n}', None)", "{m}.add_module(name={any}, module={below})"],
    6: ["{m}.{n} = {below}", "{m}.{n} = {p}", "{m}.{n} = {b}", "{m}.{n} = None"],
    7: ["{m}.{n} = {below}", "{t}.data.fill_(7)"],
    8: ["{t}.data.fill_(7)", "[sorted(keys) for keys in {m}.load_state_dict(changed({m}))]"]
    + ["[sorted(keys) for keys in {m}.load_state_dict(changed({m}, '{spoilt}'))]"]
    + ["[sorted(keys) for keys in {m}.load_state_dict(changed({m}, '{spoilt}'), strict=False)]"]
    + ["{m}.load_state_dict(ChainMap(changed({m}))) and None"]
    + ["{m}.load_state_dict([*changed({m}).items()])", "{m}.load_state_dict(3)"]
    + ["{m}.load_state_dict(nn.ParameterDict())"]
    + ["[type(keys) is list for keys in {m}.load_state_dict(changed({m}), strict=False)]"]
    + ["named_in_error({m}, changed({m}, '{spoilt}'), strict={yes})"] * 2,
    9: ["{m}.to({to}) is {m}", "{m}.to({to}) is {m}", "{m}._apply({fn}) is {m}"]
    + ["{m}.train() is {m}", "{m}.eval() is {m}", "{m}.train({yes}) is {m}"]
    + ["{m}.{n}.sum().backward()", "{p}.requires_grad_({yes}) is {p}"]
    + ["({p} * 0).sum().backward()", "{m}._apply(fn={fn}) is {m}"],
}
READ = {
    1: [f"isinstance({{m}}.{box}, dict)" for box in CONTAINERS]
    + [f"type({{m}}.{NON_PERSISTENT}) is set"]
    + [f"{{m}}.{box}['gone']" for box in CONTAINERS]
    + ["type(m)(3)"],
    2: [],
    3: ["[{m}.{n}]", "[{m}.{n}]", "hasattr({m}, '{n}')", "getattr({m}, '{n}', 5)", "early.{n}"]
    + ["hasattr(early, '_parameters')", "[copy.copy({m}).{n}]", "hasattr({m}, '{near}')"],
    4: ["[{m}.{n}]"],
    5: ["list({m}.named_children())", "list({m}.children())", "{m}.get_submodule('{path}')"]
    + ["{m}.get_submodule(target='{path}')"],
    6: ["list({m}.named_modules())", "list({m}.modules())", "list({m}.parameters())"]
    + ["list({m}.named_modules(prefix='{prefix}', remove_duplicate={once}))"]
    + ["[[list({m}.named_modules(seen)), len(seen)] for seen in [set(), {{{below}}}]]"]
    + [
        f"list({{m}}.named_{what}s('{{prefix}}', recurse={{yes}}, remove_duplicate={{once}}))"
        for what in THINGS[1:]
    ]
    + ["list({m}.named_parameters())", "list({m}.named_buffers())", "list({m}.buffers({yes}))"],
    7: ["{m}.state_dict()", "{m}.state_dict()", "list({m}.state_dict(prefix='net.'))"]
    + ["list({m}.state_dict(prefix='net'))"]
    + ["{m}.state_dict(keep_vars=True)"],
    8: [],
    9: ["second(tensor)", "second(tensor, plus=1)", "second(tensor, 2)", "m(tensor)"],
}
# What chance does not bring about.
_TENSORS = ("second.x = parameter", "child.z = buffer", "second.y = hidden", "last.y = buffer")
_WALK = (*TREE, *_TENSORS, "last.x = other", "m.x = frozen")
# Empty slots in front of what is there, and tensors without elements.
_GAPS = ("m.register_parameter('w', None)", "m.x = parameter", "m.add_module('v', None)")
_GAPS += ("m.y = child", "child.x = buffer", "child.register_buffer('y', None)")
_GAPS += ("child.z = nn.Parameter(torch.ones(0, 2))", "child.register_buffer('w', torch.ones(0))")
# Four deep, with the same short names in two modules.
_DEEP = ("m.x = child", "child.y = second", "second.z = last", "last.w = parameter")
_DEEP += ("last.v = buffer", "child.w = frozen", "m.v = hidden")
# Deeper than the modules that have names here: `m.x.y.z.x.y` holds two of the tensors.
_BELOW = ("last.x = type(child)()", "last.x.y = type(child)()", "last.x.y.z = other")
_DEEPER = (*_DEEP, *_BELOW, "last.x.y.x = cache")
_SHAPED = ("cache", "cache.t()", "cache[None]", "cache[0, 0]")
_LOADED = "[sorted(keys) for keys in m.load_state_dict(changed(m))]"


def _in_turn(line: str, *objects: str) -> tuple[str, ...]:
    """`line` for each of `objects`, which follow one another under the same name."""
    return tuple(one for name in objects for one in (f"m.x = {name}", line))


FIRST = {
    1: [
        ("m.x = 3", "m.training = False", "m._parameters['x'] = other", "m._buffers['y'] = buffer")
        + ("m._modules['z'] = child", f"m.{NON_PERSISTENT}.add('y')", "m.__init__()"),
    ],
    2: [
        ("m.x = kin",),
        ("m.x = foreign", "m.y = child", "m.y = foreign"),
        ("last.x = parameter", "last.x = None", "last.x = other"),
    ]
    + [("last.x = hidden", "last.x = 3", "last.x = tensor")]
    + [
        (f"m.x = {one}", f"m.y = {other}", "m.x = None", f"m.x = {other}", f"m.y = {one}")
        for one, other in (("parameter", "other"), ("child", "second"), ("hidden", "buffer"))
    ]
    + [
        (f"m.x = {one}", "m.x = 0", "m.x = ''", "m.x = False")
        for one in ("parameter", "child", "buffer")
    ],
    3: [
        ("m._modules['x'] = child", "[m.x]", "m._buffers['x'] = buffer", "[m.x]")
        + ("m._parameters['x'] = parameter", "[m.x]"),
        ("second.half = 3", "del second.half", "del second.half"),
        *[
            (f"m.{name} = parameter", f"hasattr(m, '{near}')")
            for name, near in (("x", "x_"), ("x", "X"), ("x_", "x"))
        ],
        ("m.x = child", "child.y = parameter", "hasattr(m, 'x.y')", "hasattr(m, 'y')"),
        ("m.x = second", "second.half = 3", "hasattr(m, 'whole')"),
        ("m._parameters['x'] = parameter", "vars(m)['x'] = 3", "[m.x]", "del m.x", "[m.x]"),
        ("m.x = hidden", "m.y = cache", "m.z = parameter", "del m.x", "del m.z"),
        ("del second.forward",),
        ("m._x = parameter", "[m._x]", "m.__y__ = child", "[m.__y__]", "del m._x", "del m.__y__"),
        ("m.register_parameter('x', None)", "[m.x]", "hasattr(m, 'x')", "del m.x"),
        ("m.register_buffer('x', None, persistent=False)", "[m.x]", "hasattr(m, 'x')", "del m.x"),
        ("m.add_module('x', None)", "[m.x]", "hasattr(m, 'x')", "del m.x"),
        *[
            (f"m.x = {one}", f"m.y = {one}", "del m.x", "[m.y]", "hasattr(m, 'x')")
            for one in ("parameter", "child", "hidden")
        ],
    ],
    4: [("m.register_buffer('x', 3, persistent=False)", "m.x = hidden")]
    + [("early.register_parameter(3, parameter)",), ("early.register_buffer('', buffer)",)]
    + [("m.register_parameter('x')",), ("m.register_parameter('0', parameter)",)]
    + [("m.register_parameter(' ', parameter)", "m.register_buffer('a b/c', buffer)")]
    + [("m.x = hidden", "m.register_buffer('x', 3)", "m.register_buffer('x', None, False)")]
    + [("m.x = 3", "m.register_parameter('x', parameter)", "m.register_buffer('x', buffer)")]
    + [("m.register_parameter('x.', parameter)", "m.register_buffer('.', buffer)")]
    + [("m.register_buffer('x', buffer, 1)", "m.register_buffer('y', buffer, 0)")]
    + [("m.register_buffer('x.y.z', buffer)", "m.register_parameter('..', parameter)")]
    + [("m.register_buffer(None, buffer)",), ("m.register_parameter(b'', parameter)",)]
    + [("m.training = False", "m.register_parameter('x', result)", "m.x = result")]
    + [("m.register_parameter('x', 0)", "m.register_buffer('x', False)")]
    + [("second.half = 3", "second.register_buffer('half', buffer)")]
    # A tensor with a history is refused for its kind before it is for its history.
    + [("m.register_parameter('x', other * 2)", "m.register_parameter('', other * 2)")]
    + [("second.half = 3", "second.register_parameter('half', parameter)")]
    + [("(parameter * 3).sum().backward()", "m.x = parameter", "[m.x.grad]")],
    5: [("m.add_module('x', kin)", "m.add_module('y', foreign)"), ("m.add_module('a b/c', child)",)]
    + [("early.add_module('x', child)", "early.add_module('x', 3)")]
    + [("early.add_module('', child)", "early.add_module('x.y', child)")]
    + [("m.add_module('x', 0)", "m.add_module('x', '')")]
    + [("m.x = child", "m.x = None", "m.y = second", "list(m.children())")]
    + [("m.add_module('x', None)", "m.get_submodule('x')", "m.get_submodule(' x')")]
    + [("m.x = child", "m.get_submodule('x')", "m.x = second", "m.get_submodule('x')")]
    + [("m.x = m", "list(m.children())", "m.get_submodule('x.x.x.x.x')", "m.add_module('y', m)")]
    + [(*_DEEP, "last.x = child", "m.get_submodule('x.y.z')", "m.get_submodule('x.y.z.x')")]
    + [(*_DEEPER, "m.get_submodule('x.y.z.x.y') is last.x.y", "m.get_submodule('x.y.z.x.y.z')")]
    + [("m.x = last", "list(m.children())", "list(m.named_children())")]
    + [("m.x = child", "m.get_submodule('0')", "m.get_submodule('children.__self__')")]
    + [("m.x = child", "m.get_submodule('.x')", "m.y = second")]
    + [("m.x = child", "m.y = child", "m.z = second", "list(m.named_children())")]
    + [("m.x = child", "child.y = second", "m.get_submodule('x.y')", "m.get_submodule('')")],
    6: [
        _WALK + tuple(f"list(m.named_{what}s())" for what in THINGS),
        _GAPS + tuple(f"list(m.named_{what}s())" for what in THINGS),
        ("m.x = child", "m.y = parameter", "child.back = m", "list(m.named_modules())")
        + ("list(m.named_parameters())", "list(child.named_buffers())")
        + ("list(m.named_modules(prefix='net'))",),
        ("m.x = parameter", "m.register_buffer('y', parameter)", "list(m.named_parameters())")
        + ("list(m.named_buffers())",),
        ("m.x = nn.Parameter(torch.ones(2, device='meta'))", "list(m.named_parameters())"),
        ("m.x = child", "child.y = other", "list(m.named_parameters())", "m.x = second")
        + ("list(m.named_parameters())", "list(m.named_modules())"),
        (*TREE, "second.y = last", "last.w = parameter", "list(m.named_parameters())")
        + ("list(m.named_parameters(prefix='a.b.c.d.e.f.g.h.i'))",),
        ("m.x = child", "child.y = buffer", "m.z = child", "child.x = parameter")
        + tuple(f"list(m.named_{what}s('a', True, False))" for what in THINGS[1:])
        + ("list(m.named_modules(set(), 'a', False))", "list(m.named_modules({m}))"),
        ("child.x = parameter", "child.y = buffer", "m.x = child", "m.y = child")
        + tuple(f"list(m.named_{what}s(remove_duplicate=False))" for what in THINGS),
        (*_DEEP, *(f"list(m.named_{what}s())" for what in THINGS)),
        (*_DEEPER, *(f"[name for name, _ in m.named_{what}s()]" for what in THINGS)),
        ("m.x = parameter", "m.y = parameter", "m.z = hidden", "m.w = hidden")
        + tuple(f"list(m.named_{what}s(recurse=False))" for what in THINGS[1:]),
        ("m.register_buffer('x', cache)", "m.register_buffer('y', cache.detach())")
        + ("list(m.named_buffers())", "m.z = last", "list(m.named_modules())"),
        ("m.register_buffer('x', count)", "m.y = nn.Parameter(torch.tensor(1.5))")
        + ("list(m.named_buffers())", "list(m.named_parameters())"),
        _in_turn("list(m.named_modules())", "child", "second"),
        _in_turn("list(m.named_parameters())", "parameter", "other"),
        _in_turn("list(m.named_buffers())", "buffer", "hidden"),
    ],
    7: [(*_WALK, "list(m.state_dict())"), ("m.x = parameter", "m.state_dict()")]
    + [("m.register_buffer('x', flag)", "m.state_dict()")]
    + [(*_GAPS, "m.state_dict()")]
    + [("m.x = nn.Parameter(torch.ones(2, device='meta'))", "list(m.state_dict())")]
    + [("m.x = parameter", "m.y = parameter", "m.state_dict(keep_vars=True)")]
    + [("m.register_buffer('x', result)", "m.state_dict()")]
    + [("m.x = parameter", "m.state_dict()", "m.y = other", "m.x = None", "m.state_dict()")]
    + [("m.x = child", "m.y = child", "child.x = other", "m.state_dict(keep_vars=True)")]
    + [("m.register_buffer('x', tensor)", "m.state_dict()")]
    + [("m.register_buffer('x', other.detach()[::2])", "m.state_dict()")]
    + [
        ("m.x = buffer", "m.y = child", "child.x = hidden", "m.z = last", "last.x = parameter")
        + ("m.state_dict()",)
    ]
    + [("m.x = hidden", "m.y = child", "child.x = buffer", "m.state_dict()")]
    + [
        (f"m.register_buffer('x', {one})", f"child.y = nn.Parameter({one})", "m.z = child")
        + ("m.state_dict()", "m.state_dict(keep_vars=True)")
        for one in _SHAPED
    ]
    + [("tensor.requires_grad_() is tensor", "m.register_buffer('x', tensor)", "m.state_dict()")]
    + [("m.register_buffer('x', parameter * 2)", "m.state_dict()")]
    + [("(parameter * 3).sum().backward()", "m.x = parameter", "m.state_dict()")]
    + [("m.x = parameter", "[one is m.state_dict() for one in [m.state_dict()]]")]
    + [(*_DEEP, "m.state_dict()", "m.state_dict(keep_vars=True)")]
    + [(*_DEEPER, "m.state_dict()")]
    + [_in_turn("m.state_dict()", "parameter", "twin")]
    + [_in_turn("m.state_dict()", "buffer", "hidden")]
    + [("child.y = parameter", "second.y = twin", *_in_turn("m.state_dict()", "child", "second"))],
    8: [
        ("m.x = parameter", "(m.x * 3).sum().backward()")
        + ("[sorted(keys) for keys in m.load_state_dict(changed(m))]",),
        ("m.x = parameter", "m.y = buffer", "m.register_buffer('z', flag)")
        + ("[sorted(keys) for keys in m.load_state_dict(changed(m, 'wanting'))]",),
        ("m.load_state_dict(nn.ParameterDict())",),
        (*_GAPS, "[sorted(keys) for keys in m.load_state_dict(changed(m))]"),
        ("m.register_buffer('x', torch.ones(2, 2))",)
        + ("named_in_error(m, {'x': torch.zeros(2)}, strict=True)",),
        ("m.x = hidden", "m.y = buffer", "m.training = False")
        + ("[sorted(keys) for keys in m.load_state_dict(changed(m, 'more'), strict=False)]",),
        ("m.register_buffer('x', tensor)", "m.register_buffer('y', count)")
        + ("[sorted(keys) for keys in m.load_state_dict(changed(m))]",),
        ("m.register_buffer('x', torch.ones(2, 3))",)
        + ("named_in_error(m, {'x': torch.zeros(3, 2)}, strict=True)",),
        ("[sorted(keys) for keys in m.load_state_dict({'x': tensor}, False)]",),
        ("m.x = parameter", "torch.no_grad()(lambda: with_gradients_after_load(m))()"),
        ("m.x = parameter", "m.load_state_dict(Bare(changed(m))) and None"),
        ("m.x = nn.Parameter(torch.ones(0, 2))",)
        + ("named_in_error(m, {'x': torch.ones(0)}, strict=True)",),
        (*_DEEP, "[sorted(keys) for keys in m.load_state_dict({}, strict=False)]")
        + ("named_in_error(m, {}, strict=True)", _LOADED),
        (*_DEEPER, _LOADED),
        *[
            (f"m.register_buffer('x', {one})", f"child.y = nn.Parameter({one})", "m.z = child")
            + (_LOADED,)
            for one in _SHAPED
        ],
        ("m.register_buffer('x', count)", _LOADED),
        _in_turn(_LOADED, "parameter", "twin", "frozen"),
        _in_turn(_LOADED, "buffer", "tensor"),
    ],
    9: [
        ("m.register_buffer('x', tensor)", "m.register_buffer('y', tensor)")
        + ("m.to(torch.float32) is m",),
        ("m.x = child", "m.y = child", "child.x = parameter", "child.y = buffer")
        + ("m._apply(lambda one: one + 1) is m",),
        ("m.x = child", "child.y = second", "second.z = other", "second.x = buffer")
        + ("m._apply(lambda one: one + 1) is m",),
        ("m.x = parameter", "(m.x * 3).sum().backward()")
        + ("parameter.requires_grad_(False) is parameter", "m.to(torch.float64) is m"),
        ("m.x = parameter", "(m.x * 3).sum().backward()") + ("m._apply(lambda one: one + 1) is m",),
        ("m.x = other", "m.register_buffer('y', count)", "m.to(torch.float16) is m"),
        ("m.register_buffer('x', count)", "m.to(torch.float64) is m"),
        (*_GAPS, "m.to(torch.float64) is m", "m.eval() is m"),
        ("m.register_buffer('x', flag)", "m.to(torch.float64) is m"),
        ("m.register_buffer('x', torch.ones(2, dtype=torch.int16))", "m.to(torch.float64) is m")
        + ("m.to(torch.int64) is m", "m.to(torch.int16) is m", "m.to(torch.uint8) is m"),
        ("m.register_buffer('x', count)", "m.y = child", "m.to('meta') is m"),
        ("m.x = frozen", "m.y = None", "m.to(torch.complex64) is m", "m.to(torch.float64) is m"),
        ("m.x = parameter", "(m.x * 0).sum().backward()", "m.to(torch.float64) is m"),
        ("m.y = child", "child.x = other", "m.x = buffer", "m.z = hidden")
        + ("m._apply(lambda one: one + 1) is m",),
        (*_DEEP, "m.eval() is m", "m.train() is m", "m._apply(lambda one: one + 1) is m"),
        (*_DEEPER, "m.eval() is m", "[last.x.training, last.x.y.training]")
        + ("m._apply(lambda one: one + 1) is m", "[last.x.y.x]"),
        ("m.x = parameter", "m.to(torch.float64) is m", "m.to(torch.int64) is m"),
        *[
            (f"m.register_buffer('x', {one})", f"m.y = nn.Parameter({one})")
            + ("(m.y * 3).sum().backward()", "m.to(torch.float64) is m")
            for one in _SHAPED
        ],
        ("m.register_buffer('x', count)", "m.to(torch.device('meta')) is m"),
        ("m.x = parameter", "m.to(torch.complex128) is m"),
        _in_turn("m.to(torch.float64) is m", "parameter", "other"),
        _in_turn("m.to(torch.float64) is m", "buffer", "hidden"),
    ],
}


@cache
def sequences(step: int) -> list[list[tuple[str, bool]]]:
    """The sequences for `step`, short ones first: lines, and whether each may change something."""
    mine = [*WRITE[step], *READ[step]]
    before = [line for one in range(2, step) for line in WRITE[one] + READ[one]] or mine
    every = [line for one in range(2, 10) for line in WRITE[one] + READ[one]]
    reads = {line for lines in READ.values() for line in lines}
    found = [[(line, True) for line in lines] for lines in FIRST.get(step, [])]
    for number in range(OWN + ALL):
        chance = random.Random(f"{step}, {number}")
        length = min(number // 16, 5)
        templates = [chance.choice(BUILD) for _ in range(length if step > 1 else 0)]
        if step >= 5 and chance.random() < 0.5:
            templates = chance.sample([*templates, *TREE], len(templates) + len(TREE))
        for _ in range(2 + length):
            others = before if number < OWN else every
            usual = mine if chance.random() < 0.7 and number < OWN else others
            templates.append(chance.choice(usual))
        found.append([(_filled(one, chance), one not in reads) for one in templates])
    return found


def _filled(template: str, chance: random.Random) -> str:
    at = chance.choice((0, 0, 0, 1, 1, 2) if "{below}" in template else (0, 0, 0, 1, 1, 2, 3))
    filled = {name: chance.choice(values) for name, values in FILLINGS.items()}
    below = chance.choice(MODULE_NAMES[at + 1 :] or MODULE_NAMES)
    return template.format(m=MODULE_NAMES[at], below=below, **filled)


@cache
def _compiled(line: str) -> CodeType:
    try:
        return compile(line, "<line>", "eval")
    except SyntaxError:
        return compile(line, "<line>", "exec")


def beside_torch(step: int, complete: Callable[[type], tuple[type, type]]) -> Experiment:
    """The experiment for `step`: `complete(answer)` is its whole class, and the `Base` it is of."""

    def experiment(answer: type) -> Iterator[tuple[str, Callable[[], Facts]]]:
        warnings.simplefilter("ignore")  # torch's own, of complex numbers; `check` puts it back
        whole = cache(partial(complete, answer))
        for lines in sequences(step):
            scenes: list[Scene] = []
            yield "`m, child = Module(), Module()`", partial(_opened, whole, step, scenes)
            done: list[str] = []
            for line, writes in lines:
                after = f" after {', '.join(f'`{one}`' for one in done)}" if done else ""
                yield f"`{line}`{after}", lambda line=line, scenes=scenes: scenes[0].run(line)
                done += [line] * writes

    return experiment


def _opened(whole: Callable, step: int, scenes: list) -> Facts:
    scenes.append(Scene(*whole(), step))
    return scenes[0].held(" = ")


class Scene:
    """The objects that a sequence of lines works on, made of `kind`, a class of the `family`."""

    def __init__(self, kind: type, family: type, step: int) -> None:
        self.noted, self.deep = [], step >= NUMBERS_FROM
        modules = _modules(kind, family, self.noted)
        tensors = _tensors()
        self.modules = {name: one for name, one in modules.items() if name not in OTHERS}
        self.tensors = tensors
        self.boxes: dict[str, list] = {}  # the containers when last looked at
        self.names = {id(one): name for name, one in {**modules, **tensors}.items()}
        tools = {"torch": torch, "nn": nn, "copy": copy, "ChainMap": ChainMap}
        tools |= {"Bare": Bare, "changed": self._changed, "named_in_error": named_in_error}
        tools |= {"with_gradients_after_load": with_gradients_after_load}
        self.space, self.state = {**tools, **modules, **tensors}, {}

    def _changed(self, module: object, how: str = "") -> dict[str, torch.Tensor]:
        self.state = changed(module, how)
        return self.state

    def run(self, line: str) -> Facts:
        """What `line` does: what it gives or raises, and what is held afterwards."""
        self.noted.clear()
        seen = {}
        try:
            result = eval(_compiled(line), self.space)
        except Exception as error:
            seen["it"] = _raised(error)
        else:
            if result is not None:
                seen["it gives"] = self.shown(result)
        return {**seen, **self.held(line)}

    def held(self, line: str) -> Facts:
        """What the modules hold: names in their order, and objects by their names."""
        seen = {}
        for name, module in self.modules.items():
            own = vars(module)
            for box in CONTAINERS:
                seen[f"`{name}.{box}` is"] = self.shown(own.get(box))
            seen[f"the containers of `{name}` are"] = self._replaced(name, own)
            hidden = own.get(NON_PERSISTENT)
            names = sorted(map(str, hidden)) if is_a(hidden, set) else self.shown(hidden)
            seen[f"`{name}.{NON_PERSISTENT}` is"] = f"{names}"
            plain = sorted([key for key in own if key[:1] != "_" or key == "_w"])
            values = ", ".join([f"{key}: {self.shown(own[key])}" for key in plain])
            seen[f"the plain attributes of `{name}` are"] = values or "none"
        if " = " in line:
            seen["the methods that it called of `last` are"] = ", ".join(self.noted) or "none"
        if self.deep:
            seen |= {f"`{name}` is": self._tensor(one) for name, one in self.tensors.items()}
            seen["the last dictionary that `changed` gave is"] = self.shown(self.state)
        return seen

    def _replaced(self, name: str, own: Mapping[str, object]) -> str:
        """Whether its containers are the objects that they were when last looked at."""
        now = [own.get(box) for box in (*CONTAINERS, NON_PERSISTENT)]
        before = self.boxes.get(name, now)
        self.boxes[name] = now
        return "those of before" if all(map(is_, before, now)) else "other objects"

    def shown(self, value: object) -> str:
        """`value` in words that are equal for two classes if the values are."""
        if id(value) in self.names:
            return self.names[id(value)]
        if value is None or value is True or value is False:
            return str(value)
        if is_a(value, torch.Tensor):
            return self._tensor(value) + self._place(value)
        if is_a(value, (dict, Mapping)):  # whether it is a dict is told sooner
            pairs = islice(value.items(), 40)
            return "{" + ", ".join([f"{key}: {self.shown(one)}" for key, one in pairs]) + "}"
        if is_a(value, (list, tuple)):
            return "[" + ", ".join(map(self.shown, value[:60])) + "]"
        return plain_text(value).strip("`")

    def _tensor(self, value: torch.Tensor) -> str:
        kind = "a parameter" if isinstance(value, nn.Parameter) else "a tensor"
        numbers = "on meta" if value.is_meta else value.tolist()
        words = f"{kind} {numbers} ({dtype_in_words(value.dtype)})"
        words += " that requires a gradient" * value.requires_grad
        if value.is_leaf and value.grad is not None:
            words += f" and has {self._tensor(value.grad)}"
        return words

    def _place(self, value: torch.Tensor) -> str:
        if value.is_meta:
            return ""
        there = (n for n, one in self.tensors.items() if one.data_ptr() == value.data_ptr())
        name = next(there, None)
        return f" in the memory of {name}" if name else ""


def _raised(error: Exception) -> Raised:
    """`error` as one of the nearest kind that a docstring may ask for."""
    known = (AttributeError, KeyError, TypeError, NotImplementedError, RecursionError)
    known += (RuntimeError, ValueError)
    kind = next((one for one in type(error).__mro__ if one in known), type(error))
    return Raised((kind.__name__,), message_of(error))


def _modules(kind: type, family: type, noted: list[str]) -> dict[str, object]:
    class Layer(kind):
        half = property(lambda self: self.whole / 2)

        @half.setter
        def half(self, value):
            self.whole = 2 * value

        @half.deleter
        def half(self):
            del self.whole

        def __init__(self):
            super().__init__()

        def forward(self, x, plus=0):
            return 2 * x + plus

    class Noting(kind):
        def __setattr__(self, name, value):
            noted.append("__setattr__")
            super().__setattr__(name, value)

        def register_parameter(self, name, param):
            noted.append("register_parameter")
            super().register_parameter(name, param)

        def register_buffer(self, name, tensor, persistent=True):
            noted.append("register_buffer")
            super().register_buffer(name, tensor, persistent)

    class Last(Noting):  # the class of an object is not always the one with the method
        def __len__(self):
            return 0  # as an empty container of modules, which is a module for all that

    made = {"m": kind(), "child": Layer(), "second": Layer(), "last": Last()}
    foreign = object() if family is nn.Module else nn.Identity()  # of no `Base`, for either
    return {**made, "early": kind.__new__(kind), "kin": family(), "foreign": foreign}


class Bare(Mapping):
    """What every `Mapping` has, and no more: no `copy`, no `pop`."""

    def __init__(self, of: Mapping) -> None:
        self.of = of

    def __getitem__(self, key: object) -> object:
        return self.of[key]

    def __iter__(self) -> Iterator:
        return iter(self.of)

    def __len__(self) -> int:
        return len(self.of)


class Special(nn.Parameter):
    """A class made from `nn.Parameter`, whose instances are parameters as well."""


def _tensors() -> dict[str, torch.Tensor]:
    leaf = nn.Parameter(torch.zeros(2), requires_grad=False)
    parameter = nn.Parameter(torch.tensor([1.5, 2.5]))
    return {
        "parameter": parameter,
        "other": Special(torch.tensor([3.5, 4.5, 5.5])),
        "twin": nn.Parameter(parameter.data),
        "frozen": nn.Parameter(torch.tensor([[6.5, 7.5]]), requires_grad=False),
        "tensor": torch.tensor([8.5, 9.5], dtype=torch.float64),
        "count": torch.tensor(3),
        "flag": torch.tensor(False),
        "buffer": nn.Buffer(torch.tensor([0.5, -1.5])),
        "hidden": nn.Buffer(torch.tensor([-2.5, -3.5]), persistent=False),
        "cache": nn.Buffer(torch.tensor([[-2.5, -3.5], [4.5, 5.5]]), persistent=False),
        "result": leaf.add_(torch.ones(2, requires_grad=True)),
    }


# Numbers that no shorter dtype can hold.
_EXACT = {torch.float64: 2 + 1e-12, torch.int64: 2**24 + 1}


def changed(module: object, how: str = "") -> dict[str, torch.Tensor]:
    """The state of `module` with other numbers; a key less, some more, another shape.

    Keys of one tensor have the same numbers, as in any state: which comes last plays no part."""
    first, state = {}, {}
    for place, (key, value) in enumerate(module.state_dict().items()):
        memory = (value.data_ptr(), value.shape) if value.numel() else key
        number = first.setdefault(memory, place) + _EXACT.get(value.dtype, 2)
        state[key] = torch.full_like(value, number)
    keys = [*state] or ["x"]
    # Of a list torch takes the first number for a tensor that has one alone.
    alone = [key for key in state if not state[key].dim()]
    sized = [key for key in state if key not in alone] or ["more"]
    if how in ("less", "all"):
        state.pop(keys[-1], None)
    if how in ("more", "all"):
        state |= {f"{key}.more": torch.ones(1) for key in state}
        state |= {"x": torch.full((2,), 9.0)} if "x" not in alone else {}
    if how in ("longer", "all"):
        state[sized[0]] = torch.ones(5)
    if how == "stretched":
        state[sized[0]] = torch.ones(1)
    if how == "turned" and sized[0] in state:
        state[sized[0]] = state[sized[0]].unsqueeze(0)
    if how == "wanting":
        state = {key: one.requires_grad_(one.is_floating_point()) for key, one in state.items()}
    if how == "double":
        state = {key: value.double() for key, value in state.items()}
    return state


def named_in_error(module: object, state: dict, strict: bool) -> list[str]:
    """The keys that the error of a load names, in whatever words; for a line of `WRITE`."""
    keys = {*state, *module.state_dict()}
    try:
        module.load_state_dict(state, strict=strict)
    except RuntimeError as error:
        text = str(error)
        return sorted(
            key for key in keys if re.search(rf"(?<![\w.]){re.escape(key)}(?!\w|\.\w)", text)
        )
    return ["nothing raised"]


def with_gradients_after_load(module: object) -> bool:
    """Whether gradients are on after a load; for a line of `WRITE`."""
    module.load_state_dict(changed(module))
    return torch.is_grad_enabled()
