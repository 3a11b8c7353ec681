"""A weight that is saved as the parts it is computed from: torch's own names for the parts, and the
formulas by which one form becomes the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from helpers.checkpoints.case import Case, Proposal, as_comment, keys_said, renaming
from helpers.checkpoints.names import is_parametrized
from helpers.state.objects import bases
from helpers.state.torch_private import NORMS


class Form(NamedTuple):
    """One way to save a weight: which function of torch.nn.utils makes it, and the names of the
    parts, where {} stands for the name of the weight."""

    maker: str
    parts: tuple[str, ...]


# Any parametrization of two parts calls them so: in a file they do not say that it is this one.
_ANY_TWO = Form("weight_norm", ("parametrizations.{}.original0", "parametrizations.{}.original1"))
FORMS = (
    Form("weight_norm", ("{}_g", "{}_v")),
    _ANY_TWO,
    Form("spectral_norm", ("{}_orig", "{}_u", "{}_v")),
    Form(
        "spectral_norm",
        ("parametrizations.{}.original", "parametrizations.{}.0._u", "parametrizations.{}.0._v"),
    ),
    Form("prune", ("{}_orig", "{}_mask")),
)

# How a weight is computed from its parts: for the reader, the parts, and as code.
_FORMULAS = {
    "weight_norm": ("g·v/‖v‖", "g, v", "g * v / v.double().square().sum_to_size(g.shape).sqrt()"),
    "spectral_norm": ("w/(u·Wv)", "w, u, v", "w / (u @ w{turn}.flatten(1) @ v)"),
    "prune": ("weight·mask", "w, mask", "w * mask"),
}
# How the parts are computed from a weight, where that has one answer.
_INVERSES = {
    "weight_norm": "w.double().square().sum_to_size(own[{first!r}].shape).sqrt(), w",
    "prune": "w, own[{last!r}]",
}
# They have their inputs where other layers have their outputs.
TRANSPOSED = {nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d}


def conversions(case: Case) -> Iterator[Proposal]:
    """Proposals for weights that file and model keep in different forms."""
    left, missing = case.left, case.missing
    for form in FORMS:
        saved = _alone(_weights(form, left), case.file.shapes)
        for target in FORMS:
            if form != target and form.maker == target.maker:
                yield from _renaming(form.maker, saved, _known(target, case))
        yield from _joining(form, {key: saved[key] for key in saved if key in missing}, case)
        wanted = _known(form, case)
        yield from _splitting(form.maker, {key: wanted[key] for key in wanted if key in left})


def _known(form: Form, case: Case) -> dict[str, list[str]]:
    """The weights of this form in the model; where parametrizations compute them, those that one
    of this class computes, and no other after it."""
    found, classes = _weights(form, case.missing), case.model.classes
    if not is_parametrized(form.parts[0]):
        return found
    places = {key: _place_of(parts) for key, parts in found.items()}
    return {
        key: found[key]
        for key, place in places.items()
        if f"{place}1." not in classes and classes.get(f"{place}0.") is NORMS.get(form.maker, key)
    }


def _alone(weights: dict[str, list[str]], keys: dict) -> dict[str, list[str]]:
    """Those of these weights to which no second parametrization does something, as far as `keys`
    say: one that has no tensor leaves no key."""
    stacked = {match[0] for key in keys if (match := _STACKED.match(key))}
    return {
        key: parts
        for key, parts in weights.items()
        if not (is_parametrized(parts[0]) and f"{_place_of(parts)}1." in stacked)
    }


_STACKED = re.compile(r"(?:.*\.)?parametrizations\.[^.]+\.1\.", re.DOTALL)


def _place_of(parts: list[str]) -> str:
    """The prefix under which the parts of a parametrized weight stand."""
    return parts[0][: parts[0].rfind(".") + 1]


def _weights(form: Form, keys: dict) -> dict[str, list[str]]:
    """{the key that a weight would have: the keys of its parts} for all weights of this form."""
    first = re.escape(form.parts[0]).replace(r"\{\}", r"(?P<name>[^.]+)")
    found = {}
    for key in keys:
        match = re.fullmatch(rf"(?P<path>(?:.*\.)?){first}", key, re.DOTALL)
        parts = [match["path"] + part.format(match["name"]) for part in form.parts] if match else []
        if parts and all(part in keys for part in parts):
            found[match["path"] + match["name"]] = parts
    return found


def parts_of_weights(keys: dict) -> set[str]:
    """The keys of all parts, whose sizes say how a weight is kept, and not how it lies."""
    return {one for form in FORMS for parts in _weights(form, keys).values() for one in parts}


def _renaming(maker: str, saved: dict, wanted: dict) -> Iterator[Proposal]:
    both = [key for key in saved if key in wanted]
    names = {old: new for key in both for old, new in zip(saved[key], wanted[key], strict=True)}
    if names:
        makers = f"torch.nn.utils.{maker} and torch.nn.utils.parametrizations.{maker}"
        is_kept = keys_said(both, "is kept in parts", "are kept in parts")
        words = f"{is_kept}, which {makers} name differently."
        yield Proposal("reparametrized", words, renaming(names))


def _joining(form: Form, saved: dict, case: Case) -> Iterator[Proposal]:
    if not saved:
        return
    maker = form.maker
    shown, letters, formula = _FORMULAS[maker]
    lines = ["state_dict = dict(state_dict)"]
    for key, parts in saved.items():
        taken = ", ".join(f"state_dict.pop({part!r})" for part in parts)
        lines.append(f"{letters} = {taken}")
        lines.append(f"state_dict[{key!r}] = {formula.format(turn=_turn(case, key))}")
    code = "\n".join(lines)
    if form == _ANY_TWO:
        words = keys_said(saved, "is kept", "are kept")
        words += " in the file as the two parts of a parametrization, which does not say which one"
        words += f" it is. If it is {maker}, and no other after it, the weight is {shown}, as here."
        words += " If not, put the same on the model, load, and then remove it."
        yield Proposal("reparametrized", words, as_comment(code), if_so=code)
    else:
        words = keys_said(saved, "is kept", "are kept")
        words += f" in the file as the parts of {maker}; the weight is {shown}."
        yield Proposal("reparametrized", words, code)


def _turn(case: Case, key: str) -> str:
    """What brings the outputs of a weight to the front, as torch's spectral_norm does."""
    return ".transpose(0, 1)" if TRANSPOSED.intersection(bases(case.class_around(key))) else ""


def _splitting(maker: str, wanted: dict) -> Iterator[Proposal]:
    if not wanted:
        return
    is_one = keys_said(wanted, "is one tensor", "are one tensor each")
    words = f"{is_one} in the file, and in the model the parts of {maker}."
    if maker == "prune":
        words += " The mask is the model's own: what it cuts stays cut. For the whole weight, fill"
        words += " it with ones after the load."
    if maker not in _INVERSES:
        advice = f"# Load the file first, and put {maker} on the layers afterwards."
        yield Proposal("reparametrized", words, advice)
        return
    lines = ["own = module.state_dict()", "state_dict = dict(state_dict)"]
    for key, parts in wanted.items():
        lines.append(f"w = state_dict.pop({key!r})")
        targets = ", ".join(f"state_dict[{part!r}]" for part in parts)
        lines.append(f"{targets} = {_INVERSES[maker].format(first=parts[0], last=parts[-1])}")
    yield Proposal("reparametrized", words, "\n".join(lines))


def parametrized(case: Case) -> Iterator[Proposal]:
    """What other parametrizations compute a weight from: there is no one formula for it."""
    guessed = _alone(_weights(_ANY_TWO, case.left), case.file.shapes)  # of these it was said
    told = {part for key in guessed if key in case.missing for part in guessed[key]}
    left = [key for key in case.left if key not in told]
    # Torch itself finds some in a file that has them under old names.
    missing = [key for key in case.missing if key in case.report.missing]
    for keys, there, advice in (
        (left, "file", "Put the same parametrization on the model, load, and then remove it."),
        (missing, "model", "Load the file first, and put the parametrization on afterwards."),
    ):
        parts = [key for key in keys if is_parametrized(key)]
        if parts:
            words = keys_said(parts, "is", "are")
            words += f" of a parametrization, which only the {there} has."
            yield Proposal("parametrized", words, f"# {advice}")
