"""check on lesson 07: any class that behaves like torch's passes, and each near miss is told where
it parts.
"""

import re

import pytest
from torch import nn

from helpers.exercises import feedback
from helpers.exercises.feedback import check
from helpers.exercises.lesson_07 import Side, difference
from helpers.exercises.old_engine import all_tasks
from tests.notebook_files import read, text
from tests.own_module import PATH, STEPS, folded, space

IDS = [f"7.{number}" for number in STEPS]
CELLS = {cell["id"]: cell for cell in read(PATH)["cells"]}


def solution(key: str) -> str:
    """The given version of a step as a reader could have written it: the class is called `Module`."""
    number = key[-1]
    cells = [
        text(cell["source"])
        for name, cell in CELLS.items()
        if name.startswith(f"solution-7-{number}")
    ]
    return (
        "\n".join(cells)
        .split(f"\nStep{number} =")[0]
        .replace(f"class Given{number}(", "class Module(")
    )


def typed(source: str) -> type:
    """The class `Module` that `source` defines, in a notebook where every step is given."""
    names = dict(space())
    exec(source, names)
    return names["Module"]


def changed(key: str, *pairs: tuple[str, str]) -> type:
    source = solution(key)
    for old, new in pairs:
        assert old in source, (key, old)
        source = source.replace(old, new)
    return typed(source)


def torchs(base: str, names: str) -> type:
    """A class with methods of torch's own."""
    return type("Module", (space()[base],), {name: vars(nn.Module)[name] for name in names.split()})


# A second answer to each step, in another style than the given one.
OWN = {
    "7.1": """class Module(Base):
    def __init__(self):
        self.__dict__.update(training=True, _parameters={}, _buffers={}, _modules={},
                             _non_persistent_buffers_set=set(), _more=[])
""",
    "7.2": """class Module(Unchecked):
    def __setattr__(self, name, value):
        params = self.__dict__.get("_parameters")
        modules = self.__dict__.get("_modules")
        buffers = self.__dict__.get("_buffers")

        def forget(*places):
            for place in places:
                if name in place:
                    place.pop(name) if isinstance(place, dict) else place.discard(name)

        if isinstance(value, nn.Parameter):
            if params is None:
                raise AttributeError("no containers")
            forget(self.__dict__, buffers, modules, self._non_persistent_buffers_set)
            self.register_parameter(name, value)
        elif params is not None and name in params:
            if value is not None:
                raise TypeError("parameter expected")
            self.register_parameter(name, None)
        elif isinstance(value, Base):
            if modules is None:
                raise AttributeError("no containers")
            forget(self.__dict__, params, buffers, self._non_persistent_buffers_set)
            modules[name] = value
        elif modules is not None and name in modules:
            if value is not None:
                raise TypeError("module expected")
            modules[name] = None
        elif isinstance(value, nn.Buffer):
            self._buffers
            self.register_buffer(name, value, persistent=value.persistent)
        elif buffers is not None and name in buffers:
            if value is not None and not isinstance(value, torch.Tensor):
                raise TypeError("tensor expected")
            self.register_buffer(name, value, name not in self._non_persistent_buffers_set)
        else:
            object.__setattr__(self, name, value)
""",
    "7.3": """from collections import ChainMap
class Module(Step2):
    def __getattr__(self, name):
        found = ChainMap(*(self.__dict__.get(box, {}) for box in ("_parameters", "_buffers", "_modules")))
        try:
            return found[name]
        except KeyError:
            raise AttributeError(name) from None
    def __delattr__(self, name):
        home = next((box for box in (self._parameters, self._buffers, self._modules) if name in box), None)
        if home is None:
            object.__delattr__(self, name)
        else:
            home.pop(name)
            self._non_persistent_buffers_set -= {name}
""",
    "7.4": """def good(module, name, box, value, kind):
    home = vars(module).get(box)
    if home is None:
        raise AttributeError("__init__ first")
    if type(name) is not str or not (value is None or isinstance(value, kind)):
        raise TypeError(name)
    if not name or "." in name or (name not in home and hasattr(module, name)):
        raise KeyError(name)
    return home

class Module(Step3):
    def register_parameter(self, name, param):
        home = good(self, name, "_parameters", param, nn.Parameter)
        if param is not None and not param.is_leaf:
            raise ValueError(name)
        home[name] = param
    def register_buffer(self, name, tensor, persistent=True):
        good(self, name, "_buffers", tensor, torch.Tensor)[name] = tensor
        hidden = self._non_persistent_buffers_set
        hidden.discard(name) if persistent else hidden.add(name)
""",
    "7.5": """class Module(Step4):
    def add_module(self, name, module):
        if module is not None and not isinstance(module, Base):
            raise TypeError(type(module))
        if not isinstance(name, str):
            raise TypeError(name)
        if name == "" or "." in name or hasattr(self, name) and name not in self._modules:
            raise KeyError(name)
        self._modules[name] = module
    def named_children(self):
        found = {}
        for name, module in self._modules.items():
            if module is not None and not any(module is one for one in found.values()):
                found[name] = module
        return list(found.items())
    def children(self):
        return [module for _, module in self.named_children()]
    def get_submodule(self, target):
        if target == "":
            return self
        first, _, rest = target.partition(".")
        if self._modules.get(first) is None:
            raise AttributeError(first)
        return self._modules[first].get_submodule(rest)
""",
    "7.6": """class Module(Values):
    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        memo = {} if memo is None else memo
        if id(self) in memo:
            return []
        if remove_duplicate:
            memo[id(self)] = self
        found = [(prefix, self)]
        for name, module in self._modules.items():
            if module is not None:
                found += module.named_modules(memo, (prefix + "." if prefix else "") + name, remove_duplicate)
        return found
    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True, box="_parameters"):
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        pairs = [(joined(path, name), value) for path, module in modules
                 for name, value in getattr(module, box).items() if value is not None]
        if not remove_duplicate:
            return pairs
        first = {}
        for name, value in pairs:
            first.setdefault(id(value), (name, value))
        return list(first.values())
    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        return self.named_parameters(prefix, recurse, remove_duplicate, "_buffers")
""",
    "7.7": """from collections import OrderedDict
class Module(Step6):
    def state_dict(self, prefix="", keep_vars=False, state=None):
        state = OrderedDict() if state is None else state
        own = dict(self._parameters)
        own.update({n: b for n, b in self._buffers.items() if n not in self._non_persistent_buffers_set})
        for name, value in own.items():
            if value is not None:
                state[f"{prefix}{name}"] = value if keep_vars else value.detach()
        for name, module in self._modules.items():
            if module:
                module.state_dict(f"{prefix}{name}.", keep_vars, state)
        return state
""",
    "7.8": """class Module(Step7):
    @torch.no_grad()
    def load_state_dict(self, state_dict, strict=True):
        if not isinstance(state_dict, Mapping):
            raise TypeError("no mapping")
        left, missing, wrong = dict(state_dict), [], []
        for key, value in self.state_dict().items():
            new = left.pop(key, None)
            if new is None:
                missing.append(key)
            elif new.size() != value.size():
                wrong.append(key)
            else:
                value[...] = new
        if wrong or strict and (left or missing):
            raise RuntimeError({"wrong": wrong, "missing": missing * strict, "unexpected": list(left) * strict})
        return missing, list(left)
""",
    "7.9": """class Module(Step8):
    def _apply(self, fn):
        for _, module in self.named_modules():
            for parameter in module._parameters.values():
                if parameter is not None:
                    with torch.no_grad():
                        parameter.data = fn(parameter)
                        if parameter.grad is not None:
                            parameter.grad.data = fn(parameter.grad)
            for name in module._buffers:
                if module._buffers[name] is not None:
                    module._buffers[name] = fn(module._buffers[name])
        return self
    def to(self, *args, **kwargs):
        device, dtype, *_ = torch._C._nn._parse_to(*args, **kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(dtype)
        return self._apply(lambda one: one.to(device, dtype if one.is_floating_point() else None))
    def train(self, mode=True):
        for module in self.modules():
            module.training = mode
        return self
    def eval(self):
        return self.train(mode=False)
    def __call__(self, *args, **kwargs):
        if not hasattr(self, "forward"):
            raise NotImplementedError
        return self.forward(*args, **kwargs)
    def extra_repr(self):
        return ""
    def __repr__(self):
        inside = [self.extra_repr(), *(f"{name}={module!r}" for name, module in self._modules.items())]
        return f"<{type(self).__name__} {', '.join(inside)}>"
""",
}

RIGHT = {
    "7.1": [
        lambda: typed(solution("7.1")),
        lambda: typed(OWN["7.1"]),
        lambda: typed("""from collections import OrderedDict
class Module(Base):
    def __init__(self):
        for name in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, name, OrderedDict())
        object.__setattr__(self, "_non_persistent_buffers_set", set())
        object.__setattr__(self, "training", True)"""),
    ],
    "7.2": [
        lambda: typed(solution("7.2")),
        lambda: typed(OWN["7.2"]),
        lambda: changed(
            "7.2",
            ("super().__setattr__(name, value)", "object.__setattr__(self, name, value)"),
            ("vars(self), container_for", "self.__dict__, container_for"),
        ),
    ],
    "7.3": [
        lambda: typed(solution("7.3")),
        lambda: typed("""class Module(Step2):
    __getattr__ = nn.Module.__getattr__
    def __delattr__(self, name):
        if name in vars(self):
            vars(self).pop(name)
            return
        try:
            getattr(self, name)
        except AttributeError:
            raise
        [self.__dict__[box].pop(name, None) for box in ("_parameters", "_buffers", "_modules")]
        self._non_persistent_buffers_set.discard(name)"""),
        lambda: typed(OWN["7.3"]),
    ],
    "7.4": [
        lambda: typed(solution("7.4")),
        lambda: torchs("Step3", "register_parameter register_buffer"),
        lambda: typed(OWN["7.4"]),
    ],
    "7.5": [
        lambda: typed(solution("7.5")),
        lambda: typed(OWN["7.5"]),
        lambda: changed(
            "7.5",
            ("seen = set()", "seen = []"),
            ("seen.add", "seen.append"),
            (
                "        for _, module in self.named_children():\n            yield module",
                "        return dict.fromkeys(one for one in self._modules.values() if one is not None)",
            ),
        ),
    ],
    "7.6": [
        lambda: typed(solution("7.6")),
        lambda: torchs("Values", "named_modules _named_members named_parameters named_buffers"),
        lambda: typed(OWN["7.6"]),
    ],
    "7.7": [
        lambda: typed(solution("7.7")),
        lambda: typed(OWN["7.7"]),
        lambda: typed("""class Module(Step6):
    def state_dict(self, prefix="", keep_vars=False):
        state = {}
        for path, module in self.named_modules(remove_duplicate=False):
            for box in ("_parameters", "_buffers"):
                for name, value in getattr(module, box).items():
                    hidden = box == "_buffers" and name in module._non_persistent_buffers_set
                    if value is not None and not hidden:
                        state[prefix + joined(path, name)] = value if keep_vars else value.data
        return state"""),
    ],
    "7.8": [
        lambda: typed(solution("7.8")),
        lambda: typed(OWN["7.8"]),
        lambda: changed(
            "7.8",
            ("own[key].copy_(state_dict[key])", "own[key].data.copy_(state_dict[key])"),
            ("with torch.no_grad()", "if True"),
        ),
    ],
    "7.9": [
        lambda: typed(solution("7.9")),
        lambda: typed(OWN["7.9"]),
        lambda: changed(
            "7.9",
            ("parameter.data = fn(parameter.data)", "parameter.data = fn(parameter)"),
            ("convert(tensor)", "convert(tensor, keep=False)"),
        ),
        lambda: changed(
            "7.9",
            ("module.train(mode)", "module.eval() if not mode else module.train()"),
            ("self._buffers[name] = fn(buffer)", "setattr(self, name, fn(buffer))"),
        ),
    ],
}

WRONG = {
    "7.1": [
        ("containers", [('        own["_buffers"] = {}\n', "")]),
        ("containers", [('"_modules"', '"_children"')]),
        ("not-dicts", [('own["_buffers"] = {}', 'own["_buffers"] = []')]),
        ("not-a-set", [("= set()", "= {}")]),
        ("new", [('"_parameters"] = {}', '"_parameters"] = {"weight": 1}')]),
        ("new", [('        own["training"] = True\n', "")]),
        ("new", [("= True", "= False")]),
        (
            "shared",
            [
                ("def __init__(self):", "def __init__(self, box={}):"),
                ('"_buffers"] = {}', '"_buffers"] = box'),
            ],
        ),
        ("shared", [('own["_buffers"] = {}', 'own["_buffers"] = own["_parameters"]')]),
        ("runs-setattr", [('own["_parameters"] =', "self._parameters =")]),
        ("runs-setattr", [('own["training"] =', "self.training =")]),
        ("cannot-be-made", [("vars(self)", "vars(self, 1)")]),
    ],
    "7.2": [
        ("plain", [("super().__setattr__(name, value)", "None")]),
        ("property", [("super().__setattr__(name, value)", "own.__setitem__(name, value)")]),
        (
            "stored-first",
            [
                (
                    '        if box != "_buffers":\n',
                    "        if box == '_parameters':\n            "
                    "self.register_parameter(name, value)\n        if box != '_buffers':\n",
                )
            ],
        ),
        (
            "buffer-clears",
            [
                (
                    '        if box != "_buffers":\n',
                    "        if box == '_buffers':\n            "
                    "own.pop(name, None)\n        else:\n",
                )
            ],
        ),
        (
            "module-slot",
            [
                (
                    "    if isinstance(value, Base) or taken",
                    "    if isinstance(value, nn.Buffer):\n        "
                    "return '_buffers'\n    if isinstance(value, Base) or taken",
                )
            ],
        ),
        (
            "persistence",
            [
                (
                    'getattr(value, "persistent", as_before)',
                    'getattr(value, "persistent", as_before or value is None)',
                )
            ],
        ),
        ("parameter", [('"_parameters": nn.Parameter', '"_parameters": nn.Module')]),
        ("module", [("isinstance(value, Base) or ", "")]),
        ("kin", [("isinstance(value, Base)", "isinstance(value, Module)")]),
        ("buffer", [("isinstance(value, nn.Buffer) or ", "")]),
        (
            "one-home",
            [
                (
                    "(own, *(own[one] for one in KINDS if one != box))",
                    "[own[one] for one in KINDS if one != box]",
                )
            ],
        ),
        ("one-home", [("(own, *(own[one] for one in KINDS if one != box))", "[own]")]),
        ("forgotten-set", [("            self._non_persistent_buffers_set.discard(name)\n", "")]),
        (
            "parameter-slot",
            [
                (
                    "if not (value is None or isinstance(value, KINDS[box])):",
                    "if box == '_buffers' and not "
                    "(value is None or isinstance(value, KINDS[box])):",
                )
            ],
        ),
        ("parameter-slot", [(' or taken("_parameters")', "")]),
        (
            "empty-slot",
            [
                (
                    "        if box is None:",
                    "        if value is None and box:\n            return "
                    "own[box].pop(name)\n"
                    "        if box is None:",
                )
            ],
        ),
        ("module-slot", [(' or taken("_modules")', "")]),
        ("buffer-slot", [(' or taken("_buffers")', "")]),
        (
            "persistence",
            [('getattr(value, "persistent", as_before)', 'getattr(value, "persistent", True)')],
        ),
        (
            "persistence",
            [
                (
                    'getattr(value, "persistent", as_before)',
                    'as_before and getattr(value, "persistent", True)',
                )
            ],
        ),
        (
            "past-register",
            [("self.register_parameter(name, value)", "self._parameters[name] = value")],
        ),
        (
            "early",
            [("if box not in own:", "if box not in own and own.setdefault(box, {}) is None:")],
        ),
        ("early", [('raise AttributeError("Module', 'raise RuntimeError("Module')]),
    ],
    "7.3": [
        ("read", [('("_parameters", "_buffers", "_modules")', '("_parameters", "_buffers")')]),
        ("read-none", [("if name in found:", "if found.get(name) is not None:")]),
        (
            "not-found",
            [
                (
                    'raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")',
                    "return None",
                )
            ],
        ),
        ("not-found", [('raise AttributeError(f"{type(self)', 'raise KeyError(f"{type(self)')]),
        ("early", [("vars(self).get(box, {})", "vars(self)[box]")]),
        ("early", [("vars(self).get(box, {})", "getattr(self, box)")]),
        (
            "early",
            [
                (
                    "(self._parameters, self._buffers, self._modules)",
                    "(vars(self)[one] for one in ('_parameters', '_buffers', '_modules'))",
                )
            ],
        ),
        ("delete", [("                del box[name]\n", "")]),
        ("delete", [("                del box[name]\n", "                box[name] = None\n")]),
        (
            "delete-hidden",
            [("                self._non_persistent_buffers_set.discard(name)\n", "")],
        ),
        (
            "delete-plain",
            [("        super().__delattr__(name)", "        raise AttributeError(name)")],
        ),
        (
            "delete-missing",
            [("        super().__delattr__(name)", "        vars(self).pop(name, None)")],
        ),
        ("delete-missing", [("        super().__delattr__(name)", "        del vars(self)[name]")]),
        (
            "copied",
            [
                (
                    "    def __delattr__",
                    "    def __copy__(self):\n        return type(self)()\n\n    def __delattr__",
                )
            ],
        ),
    ],
    "7.4": [
        ("register", [("        super().register_parameter(name, param)\n", "")]),
        ("register", [(" and name not in vars(self)[box]", "")]),
        ("no-text", [("if not isinstance(name, str):", "name = str(name)\n        if False:")]),
        ("no-text", [('raise TypeError("a name', 'raise KeyError("a name')]),
        ("dotted", [(' or "." in name', "")]),
        ("empty-name", [('name == "" or ', "")]),
        (
            "dotted",
            [('raise KeyError(f"{name!r} is no name', 'raise ValueError(f"{name!r} is no name')],
        ),
        ("taken", [("hasattr(self, name)", "name in dir(type(self))")]),
        ("taken", [('is taken")', 'is taken")'), ("hasattr(self, name)", "name in vars(self)")]),
        (
            "taken",
            [
                (
                    "hasattr(self, name) and",
                    "(hasattr(type(self), name) or name in {**vars(self), "
                    "**self._parameters, **self._modules}) and",
                )
            ],
        ),
        (
            "taken-by-class",
            [
                (
                    "hasattr(self, name)",
                    "(name in vars(self) or any(name in vars(self)[one] for one in "
                    "('_parameters', '_buffers', '_modules')))",
                )
            ],
        ),
        ("wrong-value", [("isinstance(param, nn.Parameter)", "isinstance(param, torch.Tensor)")]),
        ("wrong-value", [("isinstance(tensor, torch.Tensor)", "True")]),
        ("wrong-value", [("isinstance(tensor, torch.Tensor)", "type(tensor) is torch.Tensor")]),
        ("none", [("param is None or ", "")]),
        ("none", [("tensor is None or ", "")]),
        ("not-a-leaf", [("if param is not None and param.grad_fn is not None:", "if False:")]),
        (
            "persistence",
            [
                (
                    "super().register_buffer(name, tensor, persistent)",
                    "super().register_buffer(name, tensor, "
                    "persistent and name not in self._non_persistent_buffers_set)",
                )
            ],
        ),
        (
            "assigned",
            [
                (
                    "    def register_parameter",
                    "    def __setattr__(self, name, value):\n        if "
                    "isinstance(value, "
                    "nn.Parameter):\n            self._parameters[name] = value\n        else:\n            "
                    "super().__setattr__(name, value)\n\n    def register_parameter",
                )
            ],
        ),
        ("early", [('raise AttributeError("Module', 'raise RuntimeError("Module')]),
    ],
    "7.5": [
        ("add", [("module is None or ", "")]),
        ("add", [("        self._modules[name] = module\n", "")]),
        ("wrong-value", [("isinstance(module, Base)", "True")]),
        (
            "wrong-value",
            [
                (
                    "isinstance(module, Base)",
                    "hasattr(module, '__dict__') and not isinstance(module, torch.Tensor)",
                )
            ],
        ),
        ("wrong-name", [('name == "" or "." in name or ', "")]),
        ("taken", [("hasattr(self, name)", "name in vars(self)")]),
        ("add", [(" and name not in self._modules", "")]),
        ("children", [("yield module", "yield _, module")]),
        ("children", [("in self._modules.items()", "in sorted(self._modules.items())")]),
        (
            "empty-slot",
            [("if module is not None and module not in seen:", "if module not in seen:")],
        ),
        ("twice", [("module is not None and module not in seen", "module is not None")]),
        (
            "one-level",
            [
                (
                    "                yield name, module\n",
                    "                yield name, module\n"
                    "                yield from module.named_children()\n",
                )
            ],
        ),
        ("path", [('target.split(".") if target else ()', "[target] if target else ()")]),
        ("path", [(" if target else ()", "")]),
        ("no-path", [("getattr(module, name)", "getattr(module, name, module)")]),
        ("no-path", [("if not isinstance(module, Base):", "if False:")]),
        ("no-path", [("getattr(module, name)", "module._modules[name]")]),
        (
            "no-path",
            [
                (
                    "module = getattr(module, name)",
                    "module = getattr(module, name)\n            if name in "
                    "self._modules:\n                continue",
                )
            ],
        ),
        (
            "taken",
            [("hasattr(self, name) and", "(name in dir(self) or name in self._parameters) and")],
        ),
    ],
    "7.6": [
        ("modules", [("            yield prefix, self\n", "")]),
        (
            "modules",
            [
                ("            yield prefix, self\n", ""),
                (
                    "                    yield from module.named_modules(memo, joined(prefix, name), "
                    "remove_duplicate)",
                    "                    yield from module.named_modules(memo, joined(prefix, name), "
                    "remove_duplicate)\n"
                    "            yield prefix, self",
                ),
            ],
        ),
        ("deeper", [("memo, joined(prefix, name)", "memo, name")]),
        ("deeper", [("yield joined(path, name), value", "yield name, value")]),
        ("own", [("vars(module)[box].items()", "sorted(vars(module)[box].items(), reverse=True)")]),
        ("own", [('self._named("_buffers"', 'self._named("_parameters"')]),
        ("empty-slot", [("if value is not None and value not in memo:", "if value not in memo:")]),
        ("empty-slot", [("                if module is not None:", "                if True:")]),
        ("not-recursive", [("if recurse else [(prefix, self)]", "if True else []")]),
        ("prefix", [("named_modules(prefix=prefix, ", "named_modules(")]),
        ("prefix", [("else [(prefix, self)]", 'else [("", self)]')]),
        ("tied", [("memo.add(value)", "pass")]),
        ("shared-module", [("memo.add(self)", "memo.add((prefix, self))")]),
        (
            "by-value",
            [
                (
                    "value not in memo",
                    "not any(one.shape == value.shape and one.eq(value).all() for one in memo)",
                )
            ],
        ),
        (
            "by-value",
            [
                ("        memo = set()\n", "        memo = []\n"),
                ("memo.add(value)", "memo.append(value)"),
            ],
        ),
        (
            "by-value",
            [
                ("value not in memo", "value.data_ptr() not in memo"),
                ("memo.add(value)", "memo.add(value.data_ptr())"),
            ],
        ),
        (
            "buffers-by-value",
            [
                (
                    "        memo = set()\n        for path",
                    "        memo = set() if box == '_parameters' else []\n        for path",
                ),
                ("memo.add(value)", "(memo.append if isinstance(memo, list) else memo.add)(value)"),
            ],
        ),
        (
            "hidden-buffers",
            [
                (
                    "if value is not None and value not in memo:",
                    "if value is not None and value not in "
                    "memo and name not in module._non_persistent_buffers_set:",
                )
            ],
        ),
        (
            "duplicates",
            [
                (
                    "if remove_duplicate:\n                        memo.add(value)",
                    "if True:\n                        memo.add(value)",
                )
            ],
        ),
        (
            "duplicates",
            [
                (
                    "            if remove_duplicate:\n                memo.add(self)",
                    "            memo.add(self)",
                )
            ],
        ),
        (
            "cycle",
            [
                ("            if remove_duplicate:\n                memo.add(self)\n", ""),
                (
                    "joined(prefix, name), remove_duplicate)",
                    "joined(prefix, name), remove_duplicate)\n"
                    "            if remove_duplicate:\n                memo.add(self)",
                ),
            ],
        ),
    ],
    "7.7": [
        (
            "keys",
            [
                (
                    "[*self._parameters.items(), *self._buffers.items()]",
                    "[*self._buffers.items(), *self._parameters.items()]",
                )
            ],
        ),
        ("keys", [("prefix + name]", "name + prefix + '.']")]),
        ("nested", [('prefix + name + ".", keep_vars', 'name + ".", keep_vars')]),
        (
            "nested",
            [
                (
                    'state.update(module.state_dict(prefix + name + ".", keep_vars))',
                    'state = {**module.state_dict(prefix + name + ".", keep_vars), **state}',
                )
            ],
        ),
        ("hidden", [(" and name not in self._non_persistent_buffers_set", "")]),
        (
            "frozen",
            [
                (
                    "if value is not None and",
                    "if value is not None and (value.requires_grad or name in self._buffers) and",
                )
            ],
        ),
        (
            "hidden",
            [
                (
                    'def state_dict(self, prefix="", keep_vars=False)',
                    "def state_dict(self, prefix='', keep_vars=False, hidden=None)",
                ),
                (
                    "        state = {}\n",
                    "        state = {}\n        hidden = "
                    "self._non_persistent_buffers_set if hidden is None else hidden\n",
                ),
                ("name not in self._non_persistent_buffers_set", "name not in hidden"),
                ('".", keep_vars', '".", keep_vars, hidden'),
            ],
        ),
        (
            "not-detached",
            [("value.detach()", "value.detach() if isinstance(value, nn.Parameter) else value")],
        ),
        ("empty-slot", [("if value is not None and", "if")]),
        ("empty-slot", [("if module is not None:", "if True:")]),
        (
            "tied",
            [
                (
                    "        return state",
                    "        seen = {}\n        return {key: seen.setdefault(id(one), one) for "
                    "key, "
                    "one in state.items() if one.data_ptr() not in [two.data_ptr() for two in seen.values()]}",
                )
            ],
        ),
        ("not-detached", [("value if keep_vars else value.detach()", "value")]),
        ("copied", [("value.detach()", "value.detach().clone()")]),
        ("keep-vars", [("value if keep_vars else value.detach()", "value.detach()")]),
        ("keep-vars", [('name + ".", keep_vars', 'name + "."')]),
        (
            "prefix",
            [
                (
                    "def state_dict",
                    "def state_dict(self, prefix='', keep_vars=False):\n        prefix += '.' * "
                    "(bool("
                    "prefix) and prefix[-1] != '.')\n        state = {}\n        return self._walk('.' + prefix if "
                    "prefix "
                    "else prefix, keep_vars)\n\n    def _walk",
                ),
                ("module.state_dict(", "module._walk("),
            ],
        ),
    ],
    "7.8": [
        ("loads", [("own[key].copy_(state_dict[key])", "own[key].copy_(own[key])")]),
        ("loads", [("return missing, unexpected", "return list(own), unexpected")]),
        ("loads", [("with torch.no_grad()", "if True")]),
        (
            "loads",
            [
                (
                    "own[key].copy_(state_dict[key])",
                    "self.get_submodule(key.rpartition('.')[0])._parameters[key."
                    "rpartition('.')[2]] = nn.Parameter(state_dict[key])",
                )
            ],
        ),
        (
            "other-dtype",
            [("own[key].copy_(state_dict[key])", "own[key].data = state_dict[key].clone()")],
        ),
        (
            "dict-changed",
            [
                (
                    "own[key].copy_(state_dict[key])",
                    "own[key].data = state_dict[key].to(own[key].dtype)",
                )
            ],
        ),
        (
            "dict-changed",
            [("        return missing", "        state_dict.clear()\n        return missing")],
        ),
        (
            "dict-changed",
            [
                (
                    "        if errors:\n",
                    "        if not strict:\n            [state_dict.pop(key) for key "
                    "in unexpected]\n        if errors:\n",
                )
            ],
        ),
        (
            "memory",
            [
                (
                    "own[key].copy_(state_dict[key])",
                    "own[key].data = state_dict[key].to(own[key].dtype).clone()",
                )
            ],
        ),
        ("no-mapping", [("isinstance(state_dict, Mapping)", "isinstance(state_dict, dict)")]),
        ("no-mapping", [("if not isinstance(state_dict, Mapping):", "if False:")]),
        (
            "missing",
            [('errors = [f"missing {key}" for key in missing] if strict else []', "errors = []")],
        ),
        (
            "unexpected",
            [
                (
                    'errors += [f"unexpected {key}" for key in unexpected] if strict else []',
                    "errors += []",
                )
            ],
        ),
        (
            "hidden",
            [
                (
                    "own = self.state_dict(keep_vars=True)",
                    "own = {**dict(self.named_parameters()), **dict(self.named_buffers())}",
                )
            ],
        ),
        (
            "shape",
            [
                (
                    "own[key].shape != state_dict[key].shape",
                    "own[key].dim() != state_dict[key].dim()",
                )
            ],
        ),
        (
            "shape",
            [
                (
                    "own[key].shape != state_dict[key].shape",
                    "own[key].numel() != state_dict[key].numel()",
                )
            ],
        ),
        (
            "not-strict",
            [("        return missing, unexpected", "        return unexpected, missing")],
        ),
        ("not-strict", [("if errors:", "if missing or unexpected or errors:")]),
        ("shape-forgiven", [("if errors:", "if errors and strict:")]),
        ("stopped", [('errors.append(f"another shape under {key}")', "raise RuntimeError(key)")]),
        (
            "missing",
            [
                (
                    "        for key in filter",
                    "        if errors:\n            raise RuntimeError(str(errors))\n"
                    "        for key in filter",
                )
            ],
        ),
        ("collected", [('"; ".join(errors)', "errors[0]")]),
        ("collected", [('f"unexpected {key}"', '"unexpected"')]),
        (
            "tied",
            [
                (
                    "for key in filter(state_dict.__contains__, own):",
                    "for key in reversed([*filter(state_dict.__contains__, own)]):",
                )
            ],
        ),
    ],
    "7.9": [
        (
            "apply",
            [("        for module in self.children():\n            module._apply(fn)\n", "")],
        ),
        (
            "apply",
            [("                self._buffers[name] = fn(buffer)\n", "                pass\n")],
        ),
        (
            "apply",
            [
                (
                    "                self._buffers[name] = fn(buffer)\n        return self",
                    "                self._buffers[name] = fn(buffer)",
                )
            ],
        ),
        ("apply", [("parameter.data = fn(parameter.data)", "fn(parameter.data)")]),
        (
            "empty-slot",
            [
                (
                    "            if buffer is not None:\n                self._buffers",
                    "            if True:\n                self._buffers",
                )
            ],
        ),
        (
            "to",
            [
                (
                    "return tensor if keep else tensor.to(target)",
                    "return tensor if keep or not to_dtype else "
                    "tensor.double() if target == torch.float16 else tensor.half()",
                )
            ],
        ),
        ("to", [("tensor.to(target)", "tensor.to(target) if to_dtype else tensor")]),
        ("to", [("keep = to_dtype and not", "keep = not")]),
        (
            "empty-slot",
            [
                (
                    "        for module in self.children():\n            module.train(mode)",
                    "        for module in self._modules.values():\n            module.train(mode)",
                )
            ],
        ),
        (
            "gradient",
            [
                (
                    "            if parameter.grad is not None:\n                parameter.grad.data = "
                    "fn(parameter.grad.data)\n",
                    "",
                )
            ],
        ),
        ("to", [("return self._apply(convert)", "self._apply(convert)")]),
        (
            "integers",
            [("return tensor if keep else tensor.to(target)", "return tensor.to(target)")],
        ),
        ("refused", [("if to_dtype and not", "if False and not")]),
        ("gradient", [("parameter.grad.data = fn(parameter.grad.data)", "parameter.grad = None")]),
        ("mode", [("            module.train(mode)\n", "            pass\n")]),
        ("mode", [("return self.train(False)", "self.train(False)")]),
        ("mode", [("mode=True", "mode=False")]),
        ("call", [("return self.forward(*args, **kwargs)", "return self.forward(*args)")]),
        ("call", [("return self.forward(*args, **kwargs)", "self.forward(*args, **kwargs)")]),
        (
            "no-forward",
            [('raise NotImplementedError(f"{type(self).__name__} has no forward")', "return None")],
        ),
        ("repr", [("[self.extra_repr(), *children]", "children")]),
        ("repr", [("{type(self).__name__}(", "Net(")]),
        ("repr", [('f"({name}): {module!r}"', 'f"({name})"')]),
    ],
}


RIGHT = {key: [make() for make in makers] for key, makers in RIGHT.items()}
WRONG = {
    key: [(mistake, changed(key, *pairs)) for mistake, pairs in cases]
    for key, cases in WRONG.items()
}


@pytest.mark.parametrize("key", IDS)
def test_the_stub_is_not_solved_yet_and_does_not_count(key):
    stub = typed(text(CELLS[f"ex-7-{key[-1]}"]["source"]))
    assert check(key, stub).status == check(key, stub).status == "unsolved"
    assert feedback._shown == {}


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (3, "an-instance"),
        (type("Module", (), {"__init__": object.__init__}), "torchs-own"),
        (nn.Linear(1, 1), "an-instance"),
        (nn.Module, "torchs-own"),
        (nn.Linear, "torchs-own"),
    ],
)
def test_what_is_no_class_of_your_own_is_told(answer, mistake):
    assert [check(key, answer).mistake for key in IDS] == [mistake] * 9


def test_the_first_difference_is_one_sentence_with_the_action_and_both_homes():
    feedback = check(
        "7.2",
        typed(
            "class Module(Unchecked):\n    __setattr__ = lambda self, *given: "
            "object.__setattr__(self, *given)"
        ),
    )
    assert feedback.expected == "after `m.b = parameter`, torch has `b` of `m` in `_parameters`"
    assert feedback.found == "yours has it in `__dict__`"


def test_a_kind_of_error_is_compared_and_its_words_are_not():
    wrong = changed("7.3", ('raise AttributeError(f"{type(self)', 'raise KeyError(f"{type(self)'))
    feedback = check("7.3", wrong)
    assert feedback.expected == "after `m.a`, torch raises `AttributeError`"
    assert feedback.found.startswith("yours raises `KeyError`")


def test_the_actions_that_are_told_are_those_that_made_a_difference():
    wrong = changed("7.4", ("hasattr(self, name)", "name in dir(type(self))"))
    setup, action = (
        "`m.a, m.b, m.c, m.d = 3, parameter, child, buffer`",
        '`m.register_parameter("a", parameter)`',
    )
    assert check("7.4", wrong).expected == f"after {setup}, {action}, torch raises `KeyError`"
    wrong = changed("7.2", ('"persistent", as_before)', '"persistent", True)'))
    told = check("7.2", wrong).expected
    assert told.startswith(
        "after `m.a = hidden`, `m.a = tensor`, torch has `a` of `m` in `_buffers` and"
    )


def test_torch_does_not_differ_from_itself():
    for task in IDS:
        (script, _) = all_tasks()[task].check.args
        for lines in script.values():
            one, two = Side(nn.Module, nn.Module), Side(nn.Module, nn.Module)
            assert [difference(line, one, two) for line in lines] == [None] * len(lines)


def test_the_solutions_are_folded_and_stand_below_their_checks():
    order = list(CELLS)
    hidden = {
        name
        for name, cell in CELLS.items()
        if cell["metadata"].get("jupyter", {}).get("source_hidden")
    }
    assert hidden == {name for name in CELLS if name.startswith("solution-")}
    assert len(hidden) == len(folded()) == 11
    for name in hidden:
        number = re.search(r"solution-7-(\d)", name)[1]
        assert order.index(f"ex-7-{number}") < order.index(f"check-7-{number}") < order.index(name)
        assert text(CELLS[name]["source"]).startswith(f"# Step {number}, given")
    words = [text(cell["source"]) for name, cell in CELLS.items() if name.startswith("why-")]
    assert len(words) == 9 and all(one.startswith("<details><summary>") for one in words)


@pytest.mark.parametrize("solved", [*([number] for number in STEPS), [*STEPS]], ids=str)
def test_a_step_of_the_readers_own_works_with_the_given_others(solved, capsys):
    """The stubs are replaced by answers that are not the given ones, and the whole lesson runs to
    its end.
    """
    names, made = {}, []
    for name, cell in CELLS.items():
        if cell["cell_type"] == "code":
            step = int(name[-1]) if name.startswith("ex-7-") else None
            exec(OWN[f"7.{step}"] if step in solved else text(cell["source"]), names)
            made += [names["Module"]] if step in solved else []
    assert f"your own steps: {' '.join(map(str, solved))}\n" in capsys.readouterr().out
    family = names["OurNet"].__mro__
    assert set(made) <= set(family)
    assert [check(key, names["Step9"]).status for key in IDS] == ["right"] * 9
    given = {one.__name__ for one in family if one.__name__.startswith("Given")}
    assert given == {f"Given{number}" for number in STEPS if number not in solved}
