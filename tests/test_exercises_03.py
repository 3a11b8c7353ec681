"""check on lesson 03: right answers of any style pass, and each near miss meets its own hint."""

import json

import torch
from torch import nn

from helpers.exercises.lesson_03 import _Guess
from tests.lesson_kernel import ROOT
from tests.test_exercises import function, raising, source

IDS = ["3.1", "3.2", "3.3", "3.4", "3.5"]
NAMES = dict(zip(IDS, ["keys", "Positions", "Memory", "Scaler", "freeze_statistics"], strict=True))
CELLS = json.loads((ROOT / "notebooks" / "03_buffers.ipynb").read_text(encoding="utf-8"))["cells"]
SUPER = "super().__init__()"


def cell(name):
    return next("".join(one["source"]) for one in CELLS if one["id"] == name)


LOST, FORGETFUL = source(cell("lost"), "LostPositions"), source(cell("forgetful"), "Forgetful")
KEYS = ["scale", "offset", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]


def made(name, init, forward, *, takes, call="x", base="nn.Module", **given):
    """The class `name` with these lines in `__init__(self, takes)` and in `forward(self, call)`."""
    lines = "".join(f"\n        {line}" for line in [SUPER, *init])
    body = "".join(f"\n        {line}" for line in forward)
    text = f"class {name}({base}):\n    def __init__(self, {takes}):{lines}\n    def forward(self, {call}):{body}"
    return source(text, name, **given)


TABLE = "table = LostPositions(length, width).table"
ADD = "return x + self.table[:x.shape[-2]]"


def positions(*init, forward=(ADD,)):
    return made("Positions", [TABLE, *init], forward, takes="length, width", LostPositions=LOST)


class Subclass(LOST):
    def __init__(self, length, width):
        super().__init__(length, width)
        table = self.table
        del self.table
        self.register_buffer("table", table, persistent=False)


EMPTY = "torch.empty(0, width)"
SEEN = f"self.register_buffer('seen', {EMPTY}, persistent=False)"
KEEP = "self.seen = torch.cat([self.seen, rows.detach()])"
BEST = "return self.seen.amax(0)"


def memory(*init, forward=(KEEP, BEST)):
    return made(
        "Memory", init or [SEEN], forward, takes="width", call="rows", SHARED=torch.empty(0, 2)
    )


LOW, HIGH = (
    "self.register_buffer('low', torch.zeros(width))",
    "self.register_buffer('high', torch.ones(width))",
)
MOMENTUM = "self.momentum = m = momentum"
SCALE = "return (x - self.low) / (self.high - self.low)"
TRAIN = (
    "if self.training:",
    "    self.low = (1 - self.momentum) * self.low + self.momentum * x.detach().amin(0)",
    "    self.high = (1 - self.momentum) * self.high + self.momentum * x.detach().amax(0)",
)


def scaler(*init, forward=(*TRAIN, SCALE)):
    return made("Scaler", [MOMENTUM, *(init or (LOW, HIGH))], forward, takes="width, momentum=0.1")


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def by_modules(model):
    for module in model.modules():
        if isinstance(module, NORMS):
            module.eval()
    return model


def by_apply(model):
    return model.apply(lambda module: module.eval() if isinstance(module, NORMS) else None)


def undone(model):
    """`apply` comes to the children first, and `train()` of their parent sets them back."""
    return model.apply(lambda module: module.train(not isinstance(module, NORMS)))


def by_flag(model):
    for module in model.modules():
        if isinstance(module, NORMS):
            module.track_running_stats = False
    return model


def recursive(model):
    if isinstance(model, NORMS):
        model.training = False
    for child in model.children():
        recursive(child)
    return model


def over(modules, change):
    def answer(model):
        for module in modules(model):
            if isinstance(module, NORMS):
                change(module)
        return model

    return answer


def without_statistics(norm):
    norm.running_mean = norm.running_var = norm.num_batches_tracked = None


RIGHT = {
    "3.1": [KEYS, tuple(KEYS), list(_Guess().state_dict())],
    "3.2": [
        positions("self.register_buffer('table', table, persistent=False)"),
        positions(
            "self.table = nn.Buffer(table, persistent=False)",
            forward=("return self.table[:x.size(-2)] + x",),
        ),
        positions("self.register_buffer('table', None, persistent=False)", "self.table = table"),
        Subclass,
    ],
    "3.3": [
        memory(),
        memory(
            f"self.seen = nn.Buffer({EMPTY}, persistent=False)",
            forward=(
                "with torch.no_grad():",
                "    self.seen = torch.vstack((self.seen, rows))",
                BEST,
            ),
        ),
        memory(
            SEEN,
            forward=(
                "self.seen = torch.cat([self.seen, rows]).detach()",
                "return self.seen.max(dim=0).values",
            ),
        ),
        memory("self.register_buffer('seen', None, persistent=False)", f"self.seen = {EMPTY}"),
    ],
    "3.4": [
        scaler(),
        scaler(
            LOW,
            HIGH,
            forward=(
                "if self.training:",
                "    with torch.no_grad():",
                "        self.low.lerp_(x.amin(0), self.momentum)",
                "        self.high.lerp_(x.amax(0), self.momentum)",
                SCALE,
            ),
        ),
        scaler("self.low, self.high = nn.Buffer(torch.zeros(width)), nn.Buffer(torch.ones(width))"),
        scaler(
            LOW,
            HIGH,
            forward=(
                "if self.training:",
                "    for name, far in (('low', x.amin(0)), ('high', x.amax(0))):",
                "        old = getattr(self, name)",
                "        setattr(self, name, old + self.momentum * (far.detach() - old))",
                SCALE,
            ),
        ),
    ],
    "3.5": [by_modules, by_apply, by_flag, recursive],
}


def swapped(index, value):
    return [*KEYS[:index], value, *KEYS[index + 1 :]]


LIST_ROWS = ("self.rows.append(rows.detach())", "return torch.cat(self.rows).amax(0)")
FREED = (
    "if self.training:",
    "    self.low = (1 - self.momentum) * self.low + self.momentum * x.amin(0)",
    "    self.high = (1 - self.momentum) * self.high + self.momentum * x.amax(0)",
    SCALE,
)
WRONG = {
    "3.1": [
        ("not-a-list", {"scale": 1}),
        ("not-a-list", "scale"),
        ("not-a-list", [1, 2]),
        ("plain-tensor", swapped(0, "shift")),
        ("not-persistent", [*KEYS, "mask"]),
        ("empty-slot", swapped(1, "last")),
        ("affine", swapped(2, "norm.weight")),
        ("affine", [*KEYS, "norm.bias"]),
        ("short-path", swapped(3, "running_var")),
        ("no-such-key", swapped(2, "norm")),
        ("frozen", KEYS[1:]),
        ("filled-slot", [KEYS[0], *KEYS[2:]]),
        ("statistics", KEYS[:4]),
        ("twice", [*KEYS, KEYS[0]]),
        ("order", [*KEYS[2:], *KEYS[:2]]),
        ("order", [KEYS[1], KEYS[0], *KEYS[2:]]),
    ],
    "3.2": [
        ("stays-behind", LOST),
        ("stays-behind", positions("self.table = table")),
        ("trained", positions("self.table = nn.Parameter(table)")),
        ("trained", positions("self.table = nn.Parameter(table, requires_grad=False)")),
        ("saved", positions("self.register_buffer('table', table)")),
        (
            "name-taken",
            positions(
                "self.table = table", "self.register_buffer('table', self.table, persistent=False)"
            ),
        ),
        (
            "no-table",
            positions(
                "self.register_buffer('positions', table, persistent=False)",
                forward=("return x + self.positions[:x.shape[-2]]",),
            ),
        ),
        (
            "no-table",
            positions(
                "self.register_buffer('table', table[None], persistent=False)",
                forward=("return x + self.table[0, :x.shape[-2]]",),
            ),
        ),
        ("wrong-numbers", positions("self.register_buffer('table', table * 2, persistent=False)")),
        (
            "wrong-numbers",
            positions(
                "self.register_buffer('table', table, persistent=False)",
                forward=("return x + self.table[-x.shape[-2]:]",),
            ),
        ),
        (
            "stays-behind",
            positions(
                "self.lost = table",
                "self.register_buffer('table', None, persistent=False)",
                "type(self).table = property(lambda self: self.lost)",
            ),
        ),
        (
            "not-converted",
            positions(
                "self.register_buffer('table', table, persistent=False)",
                forward=("return (x + self.table[:x.shape[-2]]).float()",),
            ),
        ),
        (
            "raises",
            positions(
                "self.register_buffer('table', table, persistent=False)",
                forward=("return x + self.table",),
            ),
        ),
        ("raises", positions("self.register_buffer(table, 'table')")),
        (
            "nothing-returned",
            positions("self.register_buffer('table', table, persistent=False)", forward=("x + 1",)),
        ),
        (
            "no-super",
            source(
                "class Positions(nn.Module):\n    def __init__(self, length, width):\n"
                "        self.register_buffer('table', torch.zeros(length, width))",
                "Positions",
            ),
        ),
        ("an-instance", nn.Linear(2, 2)),
        ("not-a-module", 3),
        ("not-a-module", dict),
    ],
    "3.3": [
        ("stays-behind", memory(f"self.seen = {EMPTY}")),
        ("stays-behind", memory("self.seen = []")),
        ("trained", memory(f"self.seen = nn.Parameter({EMPTY})")),
        ("saved", memory(f"self.register_buffer('seen', {EMPTY})")),
        (
            "saved-later",
            memory(
                SEEN,
                forward=(
                    "self.register_buffer('seen', torch.cat([self.seen, rows.detach()]))",
                    BEST,
                ),
            ),
        ),
        (
            "no-seen",
            memory("self.register_buffer('seen', torch.zeros(1, width), persistent=False)"),
        ),
        (
            "no-seen",
            memory(
                "self.register_buffer('rows', torch.empty(0, width), persistent=False)",
                forward=(
                    "self.rows = torch.cat([self.rows, rows.detach()])",
                    "return self.rows.amax(0)",
                ),
            ),
        ),
        ("no-seen", memory("self.register_buffer('seen', None, persistent=False)")),
        ("no-seen", memory("self.rows = []", forward=LIST_ROWS)),
        (
            "wrong-rows",
            memory(SEEN, forward=("self.seen = torch.cat([rows.detach(), self.seen])", BEST)),
        ),
        ("wrong-rows", memory(SEEN, forward=("self.seen = rows.detach()", BEST))),
        ("wrong-result", memory(SEEN, forward=(KEEP, "return self.seen.amax(1)"))),
        ("wrong-result", memory(SEEN, forward=(KEEP, "return self.seen.mean(0)"))),
        ("wrong-result", memory(SEEN, forward=(KEEP, "return self.seen.max(0)"))),
        (
            "holds-the-graph",
            memory(SEEN, forward=("self.seen = torch.cat([self.seen, rows])", BEST)),
        ),
        (
            "shared",
            source(
                "class Memory(nn.Module):\n    rows = []\n    def __init__(self, width):\n"
                "        super().__init__()\n        self.width = width\n"
                "        self.register_buffer('own', torch.empty(0, width), persistent=False)\n"
                "    def named_buffers(self, *a, **k):\n        return iter([('seen', self.seen)])\n"
                "    @property\n    def seen(self):\n"
                "        return torch.cat([torch.empty(0, self.width), *self.rows])\n"
                "    def forward(self, rows):\n"
                "        self.rows.append(rows.detach())\n        return self.seen.amax(0)",
                "Memory",
            ),
        ),
        (
            "rows-changed",
            memory(SEEN, forward=(KEEP, "with torch.no_grad():", "    rows.zero_()", BEST)),
        ),
        ("raises", memory(SEEN, forward=("self.seen.append(rows)", BEST))),
        (
            "stays-behind",
            source(
                "class Memory(nn.Module):\n    def __init__(self, width):\n"
                "        super().__init__()\n"
                f"        {SEEN}\n"
                "    def forward(self, rows):\n"
                "        self.seen = torch.cat([self.seen.float(), rows.detach().float()])\n"
                "        return self.seen.amax(0)",
                "Memory",
            ),
        ),
        ("nothing-returned", memory(SEEN, forward=(KEEP,))),
        ("not-a-module", raising(ValueError("no"))),
    ],
    "3.4": [
        ("stays-behind", FORGETFUL),
        ("extra", scaler(LOW, HIGH, "self.register_buffer('steps', torch.tensor(0))")),
        ("forgets", made("Scaler", [MOMENTUM], (SCALE,), takes="width, momentum=0.1")),
        (
            "not-persistent",
            scaler(
                LOW,
                HIGH.replace(")))", ")), persistent=False)").replace(
                    "torch.ones(width))", "torch.ones(width), persistent=False)"
                ),
            ),
        ),
        ("trained", scaler("self.low = nn.Parameter(torch.zeros(width))", HIGH)),
        ("trained", scaler(LOW, HIGH, "self.gain = nn.Parameter(torch.ones(width))")),
        ("no-update", scaler(LOW, HIGH, forward=(SCALE,))),
        ("no-update", scaler(LOW, HIGH, forward=("if not self.training:", *TRAIN[1:], SCALE))),
        ("wrong-numbers", scaler("self.momentum = 0.1", LOW, HIGH)),
        ("wrong-numbers", scaler("self.momentum = 1 - momentum", LOW, HIGH)),
        (
            "wrong-numbers",
            scaler(
                LOW,
                HIGH,
                forward=(
                    "low, high = self.low, self.high",
                    *TRAIN,
                    "return (x - low) / (high - low)",
                ),
            ),
        ),
        ("updates-in-eval", scaler(LOW, HIGH, forward=(*("if True:", *TRAIN[1:]), SCALE))),
        ("holds-the-graph", scaler(LOW, HIGH, forward=FREED)),
        (
            "holds-the-graph",
            scaler(
                LOW,
                HIGH,
                forward=(
                    "if not self.training:",
                    f"    {SCALE}",
                    "m = self.momentum",
                    "low, high = (1 - m) * self.low + m * x.amin(0), (1 - m) * self.high + m * x.amax(0)",
                    "self.low, self.high = low.detach(), high.detach()",
                    "return (x - low) / (high - low)",
                ),
            ),
        ),
        (
            "gradient-lost",
            scaler(
                LOW,
                HIGH,
                forward=(
                    "with torch.no_grad():",
                    *(f"    {line}" for line in TRAIN),
                    f"    {SCALE}",
                ),
            ),
        ),
        (
            "stays-behind",
            source(
                "class Scaler(nn.Module):\n    def __init__(self, width, momentum=0.1):\n"
                f"        {SUPER}\n        {MOMENTUM}\n        {LOW}\n        {HIGH}\n"
                "    def _apply(self, fn):\n        return self\n"
                "    def forward(self, x):\n"
                + "".join(f"        {line}\n" for line in (*TRAIN, SCALE)),
                "Scaler",
            ),
        ),
        ("raises", made("Scaler", [LOW, HIGH], (SCALE,), takes="width")),
        ("nothing-returned", scaler(LOW, HIGH, forward=TRAIN)),
        ("an-instance", FORGETFUL(2)),
    ],
    "3.5": [
        ("nothing-returned", function("freeze_statistics(m): m.eval()", nn=nn)),
        ("not-the-model", lambda m: by_modules(m).state_dict()),
        ("all-eval", lambda m: m.eval()),
        ("still-runs", lambda m: m),
        ("still-runs", lambda m: m.train()),
        ("still-runs", undone),
        (
            "frozen-parameters",
            over(nn.Module.modules, lambda norm: norm.requires_grad_(False).eval()),
        ),
        ("frozen-parameters", lambda m: m.requires_grad_(False)),
        ("some-run", lambda m: over(nn.Module.children, nn.Module.eval)(m)),
        (
            "some-run",
            lambda m: [one.eval() for one in m.modules() if type(one) is nn.BatchNorm1d] and m or m,
        ),
        (
            "some-run",
            lambda m: [one.eval() for one in m.modules() if isinstance(one, NORMS[:2])] and m or m,
        ),
        ("root-runs", lambda m: over(lambda m: list(m.modules())[1:], nn.Module.eval)(m)),
        ("counter-runs", over(nn.Module.modules, lambda norm: setattr(norm, "momentum", 0.0))),
        ("keys-changed", over(nn.Module.modules, without_statistics)),
        ("keys-changed", over(nn.Module.modules, lambda norm: norm.eval().running_mean.add_(1))),
        ("raises", lambda model, extra: model),
        ("raises", raising(ValueError("no"))),
        ("not-a-function", nn.Linear(2, 2)),
        ("not-a-function", 3),
    ],
}


def test_the_module_whose_keys_are_guessed_is_the_one_of_the_lesson():
    assert (
        list(source(cell("guess"), "Guess")().state_dict()) == list(_Guess().state_dict()) == KEYS
    )
