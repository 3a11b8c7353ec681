"""One vocabulary of signs for every view, plot and table: glyph, colour and label of each kind of
state.

The colours are the blue, orange and vermillion of the Okabe-Ito palette, told apart by colour-blind
readers, in shades that have a contrast of at least 3 : 1 with their ground. A glyph never stands
for its kind alone: the label is beside it or in its title."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from helpers.state.walk import NOT_SAVED

GREY = "#767676"


@dataclass(frozen=True)
class Sign:
    """How one kind of state looks: `glyph` one character, `label` in words.

    Each colour is #rrggbb. `colour` stands out from white and from black, for what cannot know its
    ground: a static face, a figure. `light` and `dark` stand out in JupyterLab's themes, on a
    selected row too; "" for the same. If it is `hollow`, so is what is drawn of its kind."""

    glyph: str
    colour: str
    label: str
    light: str = ""
    dark: str = ""
    hollow: bool = False

    def as_json(self) -> dict[str, str | bool]:
        """The same for the browser, which takes no dataclass: what is not so is left out."""
        return {name: value for name, value in asdict(self).items() if value}


_BLUE = {"colour": "#0072B2", "dark": "#56A3DC"}
_ORANGE = {"colour": "#C58800", "light": "#B27A00", "dark": "#E69F00"}
_VERMILLION = {"colour": "#D55E00", "dark": "#F07A3C"}
_GREY = {"colour": GREY, "dark": "#9A9A9A"}
SIGNS: dict[str, Sign] = {
    "parameter": Sign("■", label="parameter", **_BLUE),
    "buffer": Sign("●", label="buffer", **_ORANGE),
    NOT_SAVED: Sign("○", label=NOT_SAVED, **_ORANGE, hollow=True),
    "module": Sign("▣", label="submodule", **_GREY),
    "plain tensor": Sign("✕", label="plain tensor", **_VERMILLION),
    "plain value": Sign("·", label="plain value", **_GREY),
}
AS_JSON = {kind: sign.as_json() for kind, sign in SIGNS.items()}
