"""The words on who sees what: each line of `WHO_SEES` is asked of the installed torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.views.signs import GRADIENT, SIGNS, WHO_SEES, bytes_in_words


class Everything(nn.Module):
    """One name of each kind."""

    def __init__(self):
        super().__init__()
        self.parameter = nn.Parameter(torch.ones(1))
        self.register_buffer("buffer", torch.ones(1))
        self.register_buffer("non_persistent_buffer", torch.ones(1), persistent=False)
        self.plain_tensor = torch.ones(1)
        self.plain_value = 1.5
        self.module = nn.Linear(1, 1)
        self.register_parameter("empty", None)
        self.register_buffer("empty_buffer", None)
        self.add_module("empty_module", None)


def listed(model: nn.Module, walk: str, name: str) -> bool:
    return name in {path for path, _ in getattr(model, walk)()}


def moved(name: str) -> bool:
    model = Everything().to("meta")
    return getattr(getattr(model, name), "is_meta", False)


def reached(name: str) -> bool:
    """Do .to(), train() and eval() reach the submodule?"""
    model = Everything().to("meta").eval()
    off = not getattr(model, name).training
    return getattr(model, name).weight.is_meta and off and getattr(model.train(), name).training


def passed_over(name: str) -> bool:
    walks = ("named_parameters", "named_buffers", "named_modules")
    return not any(listed(Everything(), walk, name) for walk in walks)


# The beginning of each line of WHO_SEES -> what it claims, as a question to torch about the name.
CLAIMS = {
    "parameters() lists": lambda name: listed(Everything(), "named_parameters", name),
    "parameters() does not": lambda name: listed(Everything(), "named_parameters", name),
    "buffers() lists": lambda name: listed(Everything(), "named_buffers", name),
    "buffers() does not": lambda name: listed(Everything(), "named_buffers", name),
    "state_dict() has it": lambda name: name in Everything().state_dict(),
    "state_dict() leaves it out": lambda name: name in Everything().state_dict(),
    "state_dict() has no entry": lambda name: name in Everything().state_dict(),
    "state_dict() has what it holds": lambda name: f"{name}.weight" in Everything().state_dict(),
    ".to() moves it": moved,
    ".to() leaves it": moved,
    "modules() lists": lambda name: listed(Everything(), "named_modules", name),
    ".to(), train() and eval() reach": reached,
    "the name is taken": lambda name: (
        hasattr(Everything(), name) and getattr(Everything(), name) is None
    ),
    "parameters(), buffers() and modules() pass over": lambda name: not passed_over(name),
}
LINES = [(kind, seen, words) for kind, lines in WHO_SEES.items() for seen, words in lines]


@pytest.mark.parametrize(
    ("kind", "seen", "words"), LINES, ids=[f"{kind}: {words}" for kind, _, words in LINES]
)
def test_torch_does_what_the_line_says(kind, seen, words):
    claim = next(question for start, question in CLAIMS.items() if words.startswith(start))
    names = (
        ["empty", "empty_buffer", "empty_module"]
        if kind == "empty"
        else [kind.replace(" ", "_").replace("-", "_")]
    )
    assert [claim(name) for name in names] == [seen] * len(names)


def test_a_saved_buffer_is_loaded_and_an_optimizer_holds_the_parameters_alone():
    model, other = Everything(), Everything()
    with torch.no_grad():
        for one in (model.parameter, model.buffer, model.non_persistent_buffer, model.plain_tensor):
            one.fill_(7)
    other.load_state_dict(model.state_dict())
    values = [
        one.item()
        for one in (other.parameter, other.buffer, other.non_persistent_buffer, other.plain_tensor)
    ]
    assert values == [7, 7, 1, 1]
    held = torch.optim.SGD(model.parameters()).param_groups[0]["params"]
    assert [one is model.parameter for one in held] == [
        True,
        False,
        False,
    ]  # the other two are module's own


@pytest.mark.parametrize("requires_grad", [True, False])
def test_the_gradient_line_follows_requires_grad(requires_grad):
    seen, words = GRADIENT[str(requires_grad).lower()]
    tensor = nn.Parameter(torch.ones(1), requires_grad=requires_grad)
    (tensor * nn.Parameter(torch.ones(1))).sum().backward()
    assert (tensor.grad is not None) == seen == requires_grad
    assert str(requires_grad) in words


def test_every_kind_has_one_sign_of_its_own():
    assert len({(sign.glyph, sign.colour) for sign in SIGNS.values()}) == len(SIGNS)
    assert len({sign.glyph for sign in SIGNS.values()}) == len(SIGNS)  # told apart without colour
    assert all(len(sign.glyph) == 1 for sign in SIGNS.values())
    assert set(WHO_SEES) == {*SIGNS, "empty"}


# JupyterLab's own grounds of a page, of a view, of a selected row. A static face stands on the page.
GROUNDS = {
    "light": ("#ffffff", "#eeeeee"),
    "dark": ("#111111", "#212121", "#424242"),
    "colour": ("#ffffff", "#111111"),
}


def luminance(colour: str) -> float:
    """As the guidelines on accessible web content define it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("shade", GROUNDS)
@pytest.mark.parametrize("kind", SIGNS)
def test_a_sign_stands_out_from_every_ground(kind, shade):
    for ground in GROUNDS[shade]:
        own = getattr(SIGNS[kind], shade) or SIGNS[kind].colour
        low, high = sorted(map(luminance, (own, ground)))
        assert (high + 0.05) / (low + 0.05) >= 3


@pytest.mark.parametrize(
    ("nbytes", "words"),
    [
        (0, "0 bytes"),
        (9_999, "9,999 bytes"),
        (10_000, "9.77 KiB"),
        (1024**2 - 1, "1 MiB"),
        (176_562_176, "168 MiB"),
        (4 * 10**12, "3.64 TiB"),
        (10**16, "9,095 TiB"),
    ],
)
def test_bytes_are_said_exactly_or_with_three_digits(nbytes, words):
    assert bytes_in_words(nbytes) == words
