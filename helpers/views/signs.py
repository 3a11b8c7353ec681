"""One vocabulary of signs for every view, plot and table: glyph, colour and label of each kind of
state.

The colours are the blue, orange and vermillion of the Okabe-Ito palette, told apart by colour-blind
readers, in shades that have a contrast of at least 3 : 1 with their ground. A glyph never stands for its kind alone: the label is beside it or in its title."""

from __future__ import annotations

from dataclasses import asdict, dataclass

GREY = "#767676"


@dataclass(frozen=True)
class Sign:
    """How one kind of state looks: `glyph` one character, `label` in words.

    Each colour is #rrggbb. `colour` stands out from white and from black, for what cannot know its
    ground: a static face, a figure. `light` and `dark` stand out in JupyterLab's themes, on a
    selected row too; "" for the same."""

    glyph: str
    colour: str
    label: str
    light: str = ""
    dark: str = ""


_BLUE = ("#0072B2", {"dark": "#56A3DC"})
_ORANGE = ("#C58800", {"light": "#B27A00", "dark": "#E69F00"})
_VERMILLION = ("#D55E00", {"dark": "#F07A3C"})
_GREY = (GREY, {"dark": "#9A9A9A"})


def _sign(glyph: str, label: str, shades: tuple[str, dict[str, str]]) -> Sign:
    colour, themes = shades
    return Sign(glyph, colour, label, **themes)


SIGNS: dict[str, Sign] = {
    "parameter": _sign("■", "parameter", _BLUE),
    "buffer": _sign("●", "buffer", _ORANGE),
    "non-persistent buffer": _sign("○", "non-persistent buffer", _ORANGE),
    "module": _sign("▣", "submodule", _GREY),
    "plain tensor": _sign("✕", "plain tensor", _VERMILLION),
    "plain value": _sign("·", "plain value", _GREY),
}

# The same for the browser, which takes no dataclass.
AS_JSON: dict[str, dict[str, str]] = {kind: asdict(sign) for kind, sign in SIGNS.items()}

# What each call of torch does with a name of each kind, in words. A test asks the installed torch
# for every line.
WHO_SEES: dict[str, tuple[tuple[bool, str], ...]] = {
    "parameter": (
        (True, "parameters() lists it: an optimizer made from them holds it"),
        (False, "buffers() does not list it"),
        (True, "state_dict() has it: it is saved and loaded"),
        (True, ".to() moves it"),
    ),
    "buffer": (
        (False, "parameters() does not list it: no optimizer holds it"),
        (True, "buffers() lists it"),
        (True, "state_dict() has it: it is saved and loaded"),
        (True, ".to() moves it"),
    ),
    "non-persistent buffer": (
        (False, "parameters() does not list it: no optimizer holds it"),
        (True, "buffers() lists it"),
        (False, "state_dict() leaves it out: it is not saved"),
        (True, ".to() moves it"),
    ),
    "plain tensor": (
        (False, "parameters() does not list it: no optimizer holds it"),
        (False, "buffers() does not list it"),
        (False, "state_dict() leaves it out: it is not saved"),
        (False, ".to() leaves it where it is"),
    ),
    "plain value": (
        (False, "state_dict() leaves it out: it is not saved"),
        (False, ".to() leaves it as it is"),
    ),
    "module": (
        (True, "modules() lists it: every walk over the model passes through it"),
        (True, "state_dict() has what it holds, under its name and a dot"),
        (True, ".to(), train() and eval() reach it"),
    ),
    "empty": (
        (True, "the name is taken: hasattr() is true and the value is None"),
        (False, "parameters(), buffers() and modules() pass over it"),
        (False, "state_dict() has no entry for it"),
    ),
}

# The same, by the tensor's requires_grad.
GRADIENT: dict[str, tuple[bool, str]] = {
    "true": (True, "requires_grad is True: autograd tracks it, backward() reaches it"),
    "false": (False, "requires_grad is False: it gets no gradient"),
}


def bytes_in_words(nbytes: int) -> str:
    """`nbytes` for a reader: exact up to 9,999 bytes, then three digits of KiB, MiB, GiB or TiB."""
    if nbytes < 10_000:
        return f"{nbytes:,} bytes"
    units = ("KiB", "MiB", "GiB", "TiB")
    power = next((i for i in range(1, 5) if nbytes < 1000 * 1024**i), 4)
    size = nbytes / 1024**power
    return f"{size:.3g} {units[power - 1]}" if size < 1000 else f"{size:,.0f} {units[power - 1]}"
