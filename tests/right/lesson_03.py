"""Right answers to the exercises of lesson 03."""

from torch import nn

from helpers.exercises.engine import instead
from helpers.exercises.lesson_03 import KEYS, Memory, Positions, Scaler
from tests.right import source

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class OldFiles(instead(", persistent=False", "").of(Positions)):
    """Its table is saved, and an old file without it loads all the same."""

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        state_dict.setdefault(prefix + "table", self.table)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def by_apply(model):
    return model.apply(lambda module: module.eval() if isinstance(module, NORMS) else None)


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


RIGHT = {
    "3.1": [tuple(KEYS)],
    "3.2": [
        OldFiles,
        instead(
            'self.register_buffer("table", table, persistent=False)',
            "self.table = nn.Buffer(table, persistent=False)",
        ).of(Positions),
        instead(
            "self.reg", 'self.register_buffer("rates", rates, persistent=False)\n        self.reg'
        ).of(Positions),
        instead("x + self.table[: x.shape[-2]]", "self.table[: x.size(-2)].to(x) + x").of(
            Positions
        ),
    ],
    "3.3": [
        instead(
            "self.seen = torch.cat([self.seen, rows.detach()])",
            "with torch.no_grad():\n            self.seen = torch.vstack((self.seen, rows))",
        ).of(Memory),
        instead(
            "torch.cat([self.seen, rows.detach()])\n        return self.seen.amax(0)",
            "torch.cat([self.seen, rows]).detach()\n        return self.seen.max(dim=0).values",
        ).of(Memory),
    ],
    "3.4": [
        source(
            "class Scaler(nn.Module):\n    def __init__(self, width, momentum=0.1):\n"
            "        super().__init__()\n        self.rate = momentum\n"
            "        self.low = nn.Buffer(torch.zeros(width))\n"
            "        self.high = nn.Buffer(torch.ones(width))\n"
            "    def forward(self, x):\n        if self.training:\n"
            "            for name, far in (('low', x.amin(0)), ('high', x.amax(0))):\n"
            "                old = getattr(self, name)\n"
            "                setattr(self, name, old + self.rate * (far.detach() - old))\n"
            "        return (x - self.low) / (self.high - self.low)\n",
            "Scaler",
        ),
        instead(
            "self.low = (1 - self.momentum) * self.low + self.momentum * seen.amin(0)",
            "self.low.lerp_(seen.amin(0), self.momentum)",
            "self.high = (1 - self.momentum) * self.high + self.momentum * seen.amax(0)",
            "self.high.lerp_(seen.amax(0), self.momentum)",
        ).of(Scaler),
    ],
    "3.5": [by_apply, by_flag, recursive],
}
