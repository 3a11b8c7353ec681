"""One vocabulary of signs for every view, plot and table: glyph, colour and label of each kind of
state.

The colours are the blue, orange and vermillion of the Okabe-Ito palette, told apart by colour-blind
readers. A glyph never stands for its kind alone: the label is beside it or in its title."""

from __future__ import annotations

from dataclasses import asdict, dataclass

GREY = "#767676"


@dataclass(frozen=True)
class Sign:
    """How one kind of state looks: `glyph` one character, `colour` as #rrggbb, `label` in words."""

    glyph: str
    colour: str
    label: str


SIGNS: dict[str, Sign] = {
    "parameter": Sign("■", "#0072B2", "parameter"),
    "buffer": Sign("●", "#E69F00", "buffer"),
    "non-persistent buffer": Sign("○", "#E69F00", "non-persistent buffer"),
    "module": Sign("▣", GREY, "submodule"),
    "plain tensor": Sign("✕", "#D55E00", "plain tensor"),
    "plain value": Sign("·", GREY, "plain value"),
}

# The same for the browser, which takes no dataclass.
AS_JSON: dict[str, dict[str, str]] = {kind: asdict(sign) for kind, sign in SIGNS.items()}
