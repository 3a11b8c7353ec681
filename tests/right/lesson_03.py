"""Right answers to the exercises of lesson 03."""

from torch import nn

from helpers.exercises.exercise import edited
from helpers.exercises.lesson_03 import KEYS, Memory, Positions, Scaler
from tests.right import source

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
REGISTER = 'self.register_buffer("table", table, persistent=False)'
CAT = "torch.cat([self.seen, rows.detach()])"
# Ways to give the buffer other memory, and to let go of what it had.
OTHER_MEMORY = (
    f"self.seen.data = {CAT}",
    f"self.seen.set_({CAT})",
    "n = len(self.seen); "
    "self.seen.resize_(n + len(rows), rows.shape[1]); "
    "self.seen[n:] = rows.data",
)
LOW = "self.low = (1 - self.momentum) * self.low + self.momentum * seen.amin(0)"
HIGH = "self.high = (1 - self.momentum) * self.high + self.momentum * seen.amax(0)"
IN_TURN = """
class Scaler(nn.Module):
    def __init__(self, width, momentum=0.1):
        super().__init__()
        self.rate = momentum
        self.low = nn.Buffer(torch.zeros(width))
        self.high = nn.Buffer(torch.ones(width))

    def forward(self, x):
        if self.training:
            for name, far in (("low", x.amin(0)), ("high", x.amax(0))):
                old = getattr(self, name)
                setattr(self, name, old + self.rate * (far.detach() - old))
        return (x - self.low) / (self.high - self.low)
"""


class OldFiles(edited(Positions, (", persistent=False", ""))):
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
        edited(Positions, (REGISTER, "self.table = nn.Buffer(table, persistent=False)")),
        edited(
            Positions, (REGISTER, f"{REGISTER}; self.more = nn.Buffer(rates, persistent=False)")
        ),
        edited(Positions, ("x + self.table[: x.shape[-2]]", "self.table[: x.size(-2)] + x")),
    ],
    "3.3": [
        edited(Memory, (CAT, "torch.cat([self.seen, rows]).detach()")),
        edited(Memory, (CAT, "torch.vstack((self.seen, rows)).data"), (".amax(0)", ".max(0)[0]")),
        *(edited(Memory, (f"self.seen = {CAT}", line)) for line in OTHER_MEMORY),
    ],
    "3.4": [
        source(IN_TURN, "Scaler"),
        edited(
            Scaler,
            (LOW, "self.low.lerp_(seen.amin(0), self.momentum)"),
            (HIGH, "self.high.lerp_(seen.amax(0), self.momentum)"),
        ),
    ],
    "3.5": [by_apply, by_flag, recursive],
}
