"""Right answers to the exercises of lesson 07, and `OWN`: a whole second answer to each step."""

from torch import nn

from helpers.exercises import lesson_07
from helpers.exercises.exercise import edited
from helpers.exercises.lesson_07 import Given2, Given5, Given8, Given9, Step3, Values
from tests.right import source

OWN = {
    "7.1": """class Module(Base):
    def __init__(self):
        self.__dict__.update(training=True, _parameters={}, _buffers={}, _modules={},
                             _non_persistent_buffers_set=set(), _more=[])
""",
    "7.2": """class Module(Homes):
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
        boxes = ("_parameters", "_buffers", "_modules")
        found = ChainMap(*(self.__dict__.get(box, {}) for box in boxes))
        try:
            return found[name]
        except KeyError:
            raise AttributeError(name) from None
    def __delattr__(self, name):
        boxes = (self._parameters, self._buffers, self._modules)
        home = next((box for box in boxes if name in box), None)
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
    if type(name) is not str:
        raise TypeError(name)
    if not name or "." in name or (name not in home and hasattr(module, name)):
        raise KeyError(name)
    if not (value is None or isinstance(value, kind)):
        raise TypeError(name)
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
        first, dot, rest = target.partition(".")
        if self._modules.get(first) is None or dot and not rest:
            raise AttributeError(target)
        return self._modules[first].get_submodule(rest)
""",
    "7.6": """class Module(Values):
    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        memo = set() if memo is None else memo
        if self in memo:
            return []
        if remove_duplicate:
            memo |= {self}
        found = [(prefix, self)]
        for name, module in self._modules.items():
            if module is not None:
                found += module.named_modules(memo, joined(prefix, name), remove_duplicate)
        return found
    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True, box="_parameters"):
        modules = [(prefix, self)]
        if recurse:
            modules = self.named_modules(None, prefix, remove_duplicate)
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
        hidden = self._non_persistent_buffers_set
        own.update({name: one for name, one in self._buffers.items() if name not in hidden})
        for name, value in own.items():
            if value is not None:
                state[f"{prefix}{name}"] = value if keep_vars else value.detach()
        for name, module in self._modules.items():
            if module is not None:
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
            raise RuntimeError(wrong, missing * strict, list(left) * strict)
        return missing, list(left)
""",
    "7.9": """class Module(Shown):
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
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(dtype)
        number = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64)
        return self._apply(lambda one: one.to(device, dtype if one.dtype in number else None))
    def train(self, mode=True):
        for module in self.modules():
            module.training = mode
        return self
    def __call__(self, *args, **kwargs):
        if not hasattr(self, "forward"):
            raise NotImplementedError
        return self.forward(*args, **kwargs)
""",
}
ORDERED = """from collections import OrderedDict
class Module(Base):
    def __init__(self):
        for name in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, name, OrderedDict())
        object.__setattr__(self, "_non_persistent_buffers_set", set())
        object.__setattr__(self, "training", True)
"""
LIKE_TORCHS = """class Module(Step2):
    __getattr__ = nn.Module.__getattr__

    def __delattr__(self, name):
        boxes = [self._parameters, self._buffers, self._modules]
        if not any(name in box for box in boxes):
            return object.__delattr__(self, name)
        [box.pop(name, None) for box in boxes]
        self._non_persistent_buffers_set.discard(name)
"""
ON_THE_WALK = """class Module(Step6):
    def state_dict(self, prefix="", keep_vars=False):
        state = {}
        for path, module in self.named_modules(remove_duplicate=False):
            for box in ("_parameters", "_buffers"):
                for name, value in getattr(module, box).items():
                    hidden = box == "_buffers" and name in module._non_persistent_buffers_set
                    if value is not None and not hidden:
                        state[prefix + joined(path, name)] = value if keep_vars else value.data
        return state
"""


def typed(text: str) -> type:
    """The class `Module` of `text`, typed where the other steps are given."""
    return source(text, "Module", **vars(lesson_07))


def torchs(base: type, names: str) -> type:
    """A class with methods of torch's own."""
    return type("Module", (base,), {name: vars(nn.Module)[name] for name in names.split()})


_WALK = "named_modules _named_members named_parameters named_buffers"
MORE = {
    "7.1": [typed(ORDERED)],
    "7.2": [edited(Given2, ("super().__setattr__(", "object.__setattr__(self, "))],
    "7.3": [typed(LIKE_TORCHS)],
    "7.4": [torchs(Step3, "register_parameter register_buffer")],
    "7.5": [edited(Given5, ("seen = set()", "seen = []"), ("seen.add", "seen.append"))],
    "7.6": [torchs(Values, _WALK)],
    "7.7": [typed(ON_THE_WALK)],
    "7.8": [
        edited(
            Given8, ("with torch.no_grad():", "if True:"), ("own[key].copy_", "own[key].data.copy_")
        ),
        # Of two keys of one tensor either may come last.
        edited(Given8, ("filter(state_dict.__contains__, own)", "own.keys() & state_dict.keys()")),
        edited(
            Given8, ("filter(state_dict.__contains__, own)", "[*state_dict.keys() & own][::-1]")
        ),
    ],
    "7.9": [edited(Given9, ("fn(parameter.data)", "fn(parameter).detach()"))],
}
RIGHT = {key: [typed(OWN[key]), *answers] for key, answers in MORE.items()}
