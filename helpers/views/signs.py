"""One vocabulary of signs for every view, plot and table: glyph, colour and label of each kind of
state.

The colours are the blue, orange and vermillion of the Okabe-Ito palette, told apart by colour-blind
readers, in shades that have a contrast of at least 3 : 1 with their ground. A glyph never stands
for its kind alone: the label is beside it or in its title."""

from __future__ import annotations

from dataclasses import asdict, dataclass

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


_BLUE = ("#0072B2", {"dark": "#56A3DC"})
_ORANGE = ("#C58800", {"light": "#B27A00", "dark": "#E69F00"})
_VERMILLION = ("#D55E00", {"dark": "#F07A3C"})
_GREY = (GREY, {"dark": "#9A9A9A"})


def _sign(glyph: str, label: str, shades: tuple[str, dict[str, str]], **more: bool) -> Sign:
    colour, themes = shades
    return Sign(glyph, colour, label, **themes, **more)


SIGNS: dict[str, Sign] = {
    "parameter": _sign("■", "parameter", _BLUE),
    "buffer": _sign("●", "buffer", _ORANGE),
    "non-persistent buffer": _sign("○", "non-persistent buffer", _ORANGE, hollow=True),
    "module": _sign("▣", "submodule", _GREY),
    "plain tensor": _sign("✕", "plain tensor", _VERMILLION),
    "plain value": _sign("·", "plain value", _GREY),
}

AS_JSON = {kind: sign.as_json() for kind, sign in SIGNS.items()}
