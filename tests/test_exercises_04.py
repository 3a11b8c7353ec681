"""check on lesson 04: right answers of any style pass, and each near miss meets its own hint."""

import json

from torch import nn
from torch.nn.modules import module as registry

from helpers.exercises.feedback import check
from helpers.exercises.lesson_04 import _homes_of, _Ten
from tests.lesson_kernel import ROOT
from tests.right import function, raising, source

IDS = ["4.1", "4.2", "4.3", "4.4", "4.5"]
NAMES = dict(zip(IDS, ["homes", "registered", "Found", "Sealed", "to_buffer"], strict=True))
CELLS = json.loads((ROOT / "notebooks" / "04_setattr.ipynb").read_text(encoding="utf-8"))["cells"]
HOOK = registry.register_module_parameter_registration_hook


def cell(name):
    return next("".join(one["source"]) for one in CELLS if one["id"] == name)


HOMES = {
    "a": "plain",
    "b": "parameter",
    "c": "plain",
    "d": "buffer",
    "e": "buffer",
    "f": "plain",
    "g": "parameter",
    "h": "parameter",
    "i": "submodule",
    "j": "buffer",
}


def entry(module, name, parameter):
    return type(module).__name__, name, tuple(parameter.shape)


def with_hook(
    build, note=lambda log, *args: log.append(entry(*args)), finish=lambda handle: handle.remove()
):
    log = []
    handle = HOOK(lambda *args: note(log, *args))
    try:
        build()
    finally:
        finish(handle)
    return log


def by_context(build):
    """A handle is a context manager, too."""
    log = []
    with HOOK(
        lambda module, name, value: log.append((type(module).__name__, name, tuple(value.size())))
    ):
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
    return tuple(log)


def returning_first(log, *args):
    log.append(entry(*args))
    return nn.Parameter(args[2].detach().clone())


def own_only(log, module, name, value):
    if type(module) is nn.Linear:
        log.append(entry(module, name, value))


def trained_only(log, *args):
    if args[2].requires_grad:
        log.append(entry(*args))


def freezing(log, *args):
    log.append(entry(*args))
    args[2].requires_grad_(False)


def emptying(log, *args):
    log.append(entry(*args))
    args[2].data.zero_()


def no_repeats(build):
    return list(dict.fromkeys(with_hook(build)))


def afterwards(build):
    model = build()
    return [
        entry(one, name, value)
        for one in model.modules()
        for name, value in one.named_parameters(recurse=False)
    ]


def clearing(build):
    log = with_hook(build)
    registry._global_parameter_registration_hooks.clear()
    return log


def leaving(build):
    return with_hook(build, finish=lambda handle: None)


def leaving_after_an_error(build):
    log = []
    handle = HOOK(lambda *args: log.append(entry(*args)))
    build()
    handle.remove()
    return log


def swallowing(build):
    try:
        return with_hook(build)
    except ValueError:
        return []


def wrapping(build):
    try:
        return with_hook(build)
    except ValueError as error:
        raise RuntimeError("build failed") from error


SUPER, LIST = "super().__init__()", "self.__dict__['names'] = []"
SCALE, BODY = "self.scale = nn.Parameter(torch.ones(2))", "self.body = nn.Linear(2, 2)"
STORE, NOTE = "super().__setattr__(name, value)", "self.names.append(name)"
USE = "return self.body(self.scale * x)"


def found(*setattr_lines, init=(SUPER, LIST, SCALE, BODY), forward=USE, head="pass", **given):
    lines, body = ("".join(f"\n        {line}" for line in some) for some in (init, setattr_lines))
    text = f"class Found(nn.Module):\n    {head}\n    def __init__(self):{lines}\n"
    text += f"    def __setattr__(self, name, value):{body}\n    def forward(self, x):\n        {forward}"
    return source(text, "Found", **given)


def by_hooks():
    """Without an override of its own: a list that a subclass of a subclass fills."""
    return source(
        "class Base(nn.Module):\n    def __setattr__(self, name, value):\n        super().__setattr__(name, value)\n"
        "        if 'names' in vars(self):\n            vars(self)['names'].append(name)\n"
        f"class Found(Base):\n    def __init__(self):\n        {SUPER}\n        vars(self)['names'] = []\n"
        f"        {SCALE}\n        {BODY}\n    def forward(self, x):\n        {USE}",
        "Found",
    )


PROPERTY = "names = property(lambda self: self.__dict__['_log'])"


def sealed(
    setattr_lines,
    delattr_lines=(
        "if name == 'weight':",
        "    raise AttributeError('sealed')",
        "super().__delattr__(name)",
    ),
    init=(SUPER, "self.weight = nn.Parameter(torch.ones(width))"),
    forward="return self.weight * x",
    more="",
):
    parts = (init, setattr_lines, delattr_lines)
    lines, on_set, on_del = ("".join(f"\n        {line}" for line in some) for some in parts)
    text = f"class Sealed(nn.Module):\n    def __init__(self, width):{lines}\n"
    text += f"    def __setattr__(self, name, value):{on_set}\n    def __delattr__(self, name):{on_del}\n"
    return source(f"{text}    def forward(self, x):\n        {forward}\n{more}", "Sealed")


AGAIN = "if name == 'weight' and 'weight' in self._parameters"
REFUSE = "    raise AttributeError('sealed')"
ONCE = (f"{AGAIN}:", REFUSE, STORE)
WEIGHT = "self.weight = nn.Parameter(torch.ones(width))"


def to_buffer(*lines):
    return source(
        "def to_buffer(module, name):" + "".join(f"\n    {line}" for line in lines), "to_buffer"
    )


VALUE, DELETE, REGISTER = (
    "value = getattr(module, name).detach()",
    "delattr(module, name)",
    "module.register_buffer(name, value)",
)
BACK = "return value"

RIGHT = {
    "4.1": [HOMES, dict(reversed(HOMES.items())), _homes_of(_Ten())],
    "4.2": [with_hook, by_context, by_patch],
    "4.3": [
        found(STORE, NOTE),
        found("result = nn.Module.__setattr__(self, name, value)", NOTE, "return result"),
        found(
            STORE,
            "self._log.append(name)",
            init=(SUPER, "object.__setattr__(self, '_log', [])", SCALE, BODY),
            head=PROPERTY,
        ),
        by_hooks(),
    ],
    "4.4": [
        sealed(ONCE),
        sealed(
            ("if name == 'weight' and getattr(self, 'weight', None) is not None:", REFUSE, STORE)
        ),
        sealed(
            ("if name in vars(self).get('sealed', ()):", REFUSE, STORE),
            ("if name in self.sealed:", REFUSE, "super().__delattr__(name)"),
            init=(SUPER, WEIGHT, "self.__dict__['sealed'] = {'weight'}"),
        ),
    ],
    "4.5": [
        to_buffer(VALUE, DELETE, REGISTER, BACK),
        to_buffer(
            "value = module._parameters.pop(name).data", REGISTER, "return module.get_buffer(name)"
        ),
        to_buffer(
            "buffer = nn.Buffer(getattr(module, name).detach())",
            DELETE,
            "setattr(module, name, buffer)",
            "return getattr(module, name)",
        ),
    ],
}


def changed(**homes):
    return HOMES | homes


WRONG = {
    "4.1": [
        ("not-a-dict", list(HOMES.values())),
        ("not-a-dict", "plain"),
        ("not-ten-names", {"a": "plain"}),
        ("not-ten-names", HOMES | {"k": "plain"}),
        ("no-such-home", changed(c="tensor")),
        ("no-such-home", changed(a=["plain"])),
        ("no-such-home", changed(a=...)),
        ("early", changed(a="buffer")),
        ("frozen", changed(b="buffer")),
        ("result", changed(c="parameter")),
        ("buffer", changed(d="plain")),
        ("label", changed(e="plain")),
        ("in-a-list", changed(f="submodule")),
        ("late-parameter", changed(g="plain")),
        ("empty-slot", changed(h="plain")),
        ("taken-over", changed(i="buffer")),
        ("filled-slot", changed(j="plain")),
    ],
    "4.2": [
        ("not-built", lambda build: []),
        ("not-built", lambda build: with_hook(build) and with_hook(build)),
        ("nothing-returned", function("registered(build): build()")),
        ("not-a-list", lambda build: len(with_hook(build))),
        (
            "wrong-entry",
            lambda build: with_hook(build, lambda log, m, n, p: log.append((n, tuple(p.shape)))),
        ),
        (
            "wrong-entry",
            lambda build: with_hook(build, lambda log, m, n, p: log.append((type(m), n, p.shape))),
        ),
        ("wrong-entry", lambda build: with_hook(build)[::-1]),
        ("missing", lambda build: with_hook(build, own_only)),
        ("once-each", no_repeats),
        ("not-registered-meanwhile", afterwards),
        ("once-each", lambda build: with_hook(build, trained_only)),
        ("built-otherwise", lambda build: with_hook(build, freezing)),
        ("built-otherwise", lambda build: with_hook(build, emptying)),
        ("replaced", lambda build: with_hook(build, returning_first)),
        ("hook-left", leaving),
        ("others-removed", clearing),
        ("hook-left-after-error", leaving_after_an_error),
        ("error-lost", swallowing),
        ("error-lost", wrapping),
        ("raises", raising(KeyError("x"))),
        ("not-a-function", [("Linear", "weight", (3, 2))]),
    ],
    "4.3": [
        ("not-registered", source(cell("watched"), "Watched")),
        ("not-registered", found("object.__setattr__(self, name, value)", NOTE)),
        ("two-homes", found(STORE, "self.__dict__[name] = value", NOTE)),
        (
            "saved",
            found(
                STORE,
                NOTE,
                init=(SUPER, LIST, SCALE, BODY, "self.register_buffer('count', torch.zeros(1))"),
            ),
        ),
        ("wrong-names", found(STORE)),
        (
            "no-names",
            found(
                STORE,
                "self.names.add(name)",
                init=(SUPER, "self.__dict__['names'] = set()", SCALE, BODY),
            ),
        ),
        ("names-named", found(STORE, NOTE, init=(SUPER, "self.names = []", SCALE, BODY))),
        ("wrong-names", found(STORE, "self.names.insert(0, name)")),
        ("wrong-names", found(STORE, "if name not in self.names:", f"    {NOTE}")),
        (
            "wrong-names",
            found(STORE, "if isinstance(value, (nn.Module, nn.Parameter)):", f"    {NOTE}"),
        ),
        ("refused-names", found(NOTE, STORE)),
        (
            "shared-names",
            found(
                STORE,
                "self.names[:] = [*self.names[-1:], name] if len(self.names) < 2 else "
                "[*self.names, name]",
                init=(SUPER, "self.__dict__['names'] = LOG", "LOG.clear()", SCALE, BODY),
                LOG=[],
            ),
        ),
        ("not-refused", found("try:", f"    {STORE}", "except TypeError:", "    return", NOTE)),
        (
            "not-refused",
            found(
                "if name in self._parameters and isinstance(value, float):",
                "    value = nn.Parameter(torch.tensor(value))",
                STORE,
                NOTE,
            ),
        ),
        (
            "not-registered",
            found(
                "if name == 'act':",
                "    self.__dict__[name] = value",
                "else:",
                f"    {STORE}",
                NOTE,
            ),
        ),
        (
            "not-registered",
            found(
                "if isinstance(value, nn.Parameter):",
                "    self.register_parameter(name, value)",
                "elif isinstance(value, nn.Module):",
                "    self._modules[name] = value",
                "elif name in self._parameters:",
                "    raise TypeError(name)",
                "else:",
                "    self.__dict__[name] = value",
                NOTE,
            ),
        ),
        (
            "not-registered",
            found("if value is None:", "    delattr(self, name)", "else:", f"    {STORE}", NOTE),
        ),
        (
            "not-deleted",
            found(
                STORE,
                NOTE,
                forward=f"{USE}\n    def __delattr__(self, name):\n        raise KeyError",
            ),
        ),
        (
            "not-deleted",
            found(
                STORE,
                NOTE,
                forward=f"{USE}\n    def __delattr__(self, name):\n"
                "        super().__delattr__(name)\n        self.names.remove(name)",
            ),
        ),
        ("wrong-result", found(STORE, NOTE, forward="return self.body(x)")),
        ("raises", found(STORE, NOTE, init=(SUPER, SCALE, BODY))),
        ("an-instance", nn.Linear(2, 2)),
        ("no-super", found(STORE, NOTE, init=(LIST, SCALE, SUPER, BODY))),
        ("not-a-module", dict),
    ],
    "4.4": [
        ("no-weight", sealed(ONCE, init=(SUPER,), forward="return x")),
        ("no-weight", sealed(ONCE, init=(SUPER, "self.weight = nn.Buffer(torch.ones(width))"))),
        ("no-weight", sealed(ONCE, init=(SUPER, "self.weight = nn.Parameter(torch.zeros(width))"))),
        (
            "no-weight",
            sealed(ONCE, init=(SUPER, WEIGHT, "self.bias = nn.Parameter(torch.zeros(width))")),
        ),
        (
            "no-weight",
            sealed(
                ONCE,
                init=(SUPER, "self.weight = nn.Parameter(torch.ones(width), requires_grad=False)"),
            ),
        ),
        ("no-weight", sealed(ONCE, init=(SUPER, "self.weight = nn.Parameter(torch.ones(3))"))),
        (
            "raises",
            sealed(
                ("if name == 'weight' and getattr(type(self), 'built', False):", REFUSE, STORE),
                init=(SUPER, WEIGHT, "type(self).built = True"),
            ),
        ),
        ("replaced", sealed((f"{AGAIN} and value is not self.weight:", REFUSE, STORE))),
        (
            "others-refused",
            sealed(
                ("if name.startswith('weight') and 'weight' in self._parameters:", REFUSE, STORE)
            ),
        ),
        ("wrong-result", sealed(ONCE, forward="return self.weight + x")),
        ("replaced", sealed((STORE,))),
        ("replaced", sealed((f"{AGAIN} and value is not None:", REFUSE, STORE))),
        ("replaced", sealed((f"{AGAIN}:", "    return", STORE))),
        ("wrong-error", sealed((f"{AGAIN} and isinstance(value, nn.Parameter):", REFUSE, STORE))),
        (
            "wrong-error",
            sealed(("assert name != 'weight' or 'weight' not in self._parameters", STORE)),
        ),
        ("deleted", sealed(ONCE, ("super().__delattr__(name)",))),
        (
            "changed-all-the-same",
            sealed(
                (
                    "first = 'weight' not in self._parameters",
                    STORE,
                    "if name == 'weight' and not first:",
                    REFUSE,
                )
            ),
        ),
        (
            "changed-all-the-same",
            sealed(ONCE, ("super().__delattr__(name)", "if name == 'weight':", REFUSE)),
        ),
        ("others-refused", sealed(("if 'weight' in self._parameters:", REFUSE, STORE))),
        ("others-refused", sealed(("if name in self._parameters:", REFUSE, STORE))),
        ("others-refused", sealed(ONCE, ("raise AttributeError('sealed')",))),
        (
            "not-registered",
            sealed(
                (
                    f"{AGAIN}:",
                    REFUSE,
                    "if name == 'weight':",
                    f"    {STORE}",
                    "else:",
                    "    self.__dict__[name] = value",
                )
            ),
        ),
        ("not-trained", sealed(ONCE, forward="return self.weight.detach() * x")),
        (
            "not-loaded",
            sealed(ONCE, more="    def load_state_dict(self, state, strict=True):\n        pass"),
        ),
        (
            "not-moved",
            sealed(ONCE, more="    def _apply(self, fn, recurse=True):\n        return self"),
        ),
        ("raises", sealed(("if name == 'weight':", REFUSE, STORE))),
        ("an-instance", nn.Linear(1, 1)),
        ("no-super", sealed(("super().__setattr__(name, value)",), init=(WEIGHT, SUPER))),
    ],
    "4.5": [
        ("taken", to_buffer(VALUE, REGISTER, BACK)),
        ("taken", to_buffer(VALUE, "setattr(module, name, value)", BACK)),
        ("still-a-parameter", to_buffer("return getattr(module, name).requires_grad_(False)")),
        ("still-a-parameter", to_buffer(VALUE, "module._buffers[name] = value", BACK)),
        ("not-a-buffer", to_buffer(VALUE, DELETE, "setattr(module, name, value)", BACK)),
        ("parameter-object", to_buffer("value = getattr(module, name)", DELETE, REGISTER, BACK)),
        (
            "parameter-object",
            to_buffer(
                "value = getattr(module, name).requires_grad_(False)", DELETE, REGISTER, BACK
            ),
        ),
        (
            "not-saved",
            to_buffer(VALUE, DELETE, "module.register_buffer(name, value, persistent=False)", BACK),
        ),
        (
            "other-memory",
            to_buffer("value = getattr(module, name).detach().clone()", DELETE, REGISTER, BACK),
        ),
        ("wants-gradient", to_buffer(f"{VALUE}.requires_grad_()", DELETE, REGISTER, BACK)),
        (
            "wants-gradient",
            to_buffer(
                "value = getattr(module, name)",
                "value = value.view_as(value)",
                DELETE,
                REGISTER,
                BACK,
            ),
        ),
        ("wrong-numbers", to_buffer(f"{VALUE}.flatten()[:1]", DELETE, REGISTER, "return value[0]")),
        ("wrong-numbers", to_buffer(VALUE, DELETE, REGISTER, "return value.zero_()")),
        ("not-the-buffer", to_buffer(VALUE, DELETE, REGISTER, "return module")),
        ("not-the-buffer", to_buffer(VALUE, DELETE, REGISTER, "return value.detach()")),
        (
            "others-changed",
            to_buffer(VALUE, DELETE, REGISTER, "module.requires_grad_(False)", BACK),
        ),
        ("others-changed", to_buffer(VALUE, DELETE, REGISTER, "module.old = value", BACK)),
        ("others-changed", to_buffer(VALUE, DELETE, REGISTER, "module.eval()", BACK)),
        (
            "others-changed",
            to_buffer(
                VALUE, DELETE, REGISTER, "[p.data.add_(1) for p in module.parameters()]", BACK
            ),
        ),
        (
            "others-changed",
            to_buffer(
                VALUE,
                DELETE,
                REGISTER,
                "for n, b in list(module._buffers.items()):",
                "    if n != name: module._buffers[n] = b.clone()",
                BACK,
            ),
        ),
        ("nothing-returned", to_buffer(VALUE, DELETE, REGISTER)),
        ("raises", raising(RuntimeError("no"))),
    ],
}


def test_the_ten_names_are_those_of_the_lesson():
    assert _homes_of(source(cell("ten"), "Ten")()) == _homes_of(_Ten()) == HOMES


def test_a_hook_that_the_learner_has_left_is_still_there_after_a_check():
    handle = HOOK(lambda *args: None)
    try:
        for answer in (with_hook, leaving, clearing, leaving_after_an_error):
            check("4.2", answer)
            assert list(registry._global_parameter_registration_hooks) == [handle.id]
    finally:
        handle.remove()
