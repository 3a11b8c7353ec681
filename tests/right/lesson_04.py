"""Right answers to the exercises of lesson 04."""

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from helpers.exercises.exercise import edited
from helpers.exercises.lesson_04 import HOMES, Found, Sealed, to_buffer
from tests.right import source


def entry(module, name, parameter):
    return type(module).__name__, name, tuple(parameter.shape)


def by_context(build):
    """A handle is a context manager, too."""
    log = []
    with register_module_parameter_registration_hook(lambda *found: log.append(entry(*found))):
        build()
    return log


def by_patch(build):
    """Not the sanctioned way, and it does what is asked."""
    log, original = [], nn.Module.register_parameter

    def noting(self, name, param):
        original(self, name, param)
        if param is not None:
            log.append(entry(self, name, param))

    nn.Module.register_parameter = noting
    try:
        build()
    finally:
        nn.Module.register_parameter = original
    return log


BASE = """
class Base(nn.Module):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if "names" in vars(self):
            vars(self)["names"].append(name)

class Found(Base):
    def __init__(self):
        super().__init__()
        vars(self)["names"] = []
        self.scale = nn.Parameter(torch.ones(2))
        self.body = nn.Linear(2, 2)

    def forward(self, x):
        return self.body(self.scale * x)
"""
PROPERTY = "names = property(lambda self: self.__dict__['_log'])"
NOTE, LIST = "self.names.append(name)", 'self.__dict__["names"] = []'
STORE = "super().__setattr__(name, value)"
IF = 'if name == "weight" and name in self._parameters:'

RIGHT = {
    "4.1": [dict(reversed(HOMES.items()))],
    "4.2": [by_context, by_patch],
    "4.3": [
        source(BASE, "Found"),
        edited(Found, (STORE, "nn.Module.__setattr__(self, name, value)")),
        edited(Found, (NOTE, "self.__dict__['names'] = [*self.names, name]")),
        edited(
            Found,
            (NOTE, "self._log.append(name)"),
            (LIST, "object.__setattr__(self, '_log', [])"),
            ("def __init__(self):", f"{PROPERTY}\n\n    def __init__(self):"),
        ),
    ],
    "4.4": [
        edited(Sealed, (IF, 'if name == "weight" and getattr(self, "weight", None) is not None:')),
        edited(
            Sealed,
            (IF, "if name in vars(self).get('sealed', ()):"),
            ("torch.ones(width))", "torch.ones(width)); self.__dict__['sealed'] = {'weight'}"),
            ('if name == "weight":', "if name in self.sealed:"),
        ),
        edited(Sealed, (IF, 'if name == "weight" and hasattr(self, "weight"):')),
    ],
    "4.5": [
        edited(
            to_buffer,
            ("value = getattr(module, name).detach()", "value = module._parameters.pop(name).data"),
            ("delattr(module, name)", "pass"),
        ),
        edited(
            to_buffer,
            ("getattr(module, name).detach()", "nn.Buffer(getattr(module, name).detach())"),
            ("module.register_buffer(name, value)", "setattr(module, name, value)"),
            ("return value", "return module.get_buffer(name)"),
        ),
    ],
}
