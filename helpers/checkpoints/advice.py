"""Steps that make a state_dict fit: one function for each kind, in a list that is tried in order.

A step is tried on the stand-in before it is given: the code that is shown is the code that ran."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import nn

from helpers.checkpoints import lacking, naming, shaping, surplus
from helpers.checkpoints.case import Case, Proposal, as_comment
from helpers.checkpoints.comparison import Advice, Comparison, Tried
from helpers.checkpoints.fused import fused
from helpers.checkpoints.instead import mappings_in, whole_checkpoint
from helpers.checkpoints.names import (
    best_change,
    fit_after,
    in_common,
    keys_of,
    shapes_of,
    without_wrappers,
)
from helpers.checkpoints.optimizer import GROUPS, STATE
from helpers.checkpoints.reparametrized import conversions, parametrized
from helpers.checkpoints.telling import tried
from helpers.checkpoints.verdict import verdict


def advise(case: Case, fit: Comparison) -> list[Advice]:
    """The steps for a case, about which torch says `fit`: each kind in its turn, on what those
    before it made."""
    steps = []
    for find in WITHOUT_NAMES if case.model.has_names_of_its_own else IN_ORDER:
        asked = any(case.report.trouble) or find in OF_WHAT_LOADS
        for found in find(case) if asked else ():
            proposal, came = _of_what_is_loaded(case, found), None
            if proposal.is_remark:
                came = _supposed(case, proposal, fit)
                if case.model.renames and proposal.if_so and came is None:
                    proposal = proposal._replace(code=_OF_NO_USE)
            else:
                after = case.after(proposal.code)
                if after is None:
                    continue
                came = tried(case, after, fit)
                case, fit = after, came.fit
            enough = verdict(case.model, case.report)
            steps.append(Advice(proposal.kind, proposal.words, proposal.code, enough, came))
    return steps


# What code takes for the tensors of the model, and the same where state_dict() may give others: the
# parameters and buffers by the names that a load looks for, whatever a class lists.
_SAVED = re.compile(r"module\.state_dict\((keep_vars=True)?\)")
_LOADED = """import torch
places = {}
for listed in (torch.nn.Module.named_parameters, torch.nn.Module.named_buffers):
    places.update(listed(module, remove_duplicate=False))
"""


_OF_NO_USE = (
    "# No code: a hook of the model changes names in a load, and what was tried did not fit."
)


def _of_what_is_loaded(case: Case, proposal: Proposal) -> Proposal:
    """The proposal; where a class or a hook decides what `module.state_dict()` gives, with code
    that does not ask it. Only then is what is tried on the stand-in what will run."""
    code = proposal.if_so or proposal.code
    if not case.model.saved_by or not _SAVED.search(code):
        return proposal
    code = _LOADED + _SAVED.sub("places", code)
    words = f"{proposal.words} (What state_dict() of this model gives is decided by"
    words += f" {case.model.saved_by[0]}: the code asks the parameters and buffers themselves.)"
    if proposal.is_remark:
        return proposal._replace(words=words, code=as_comment(code), if_so=code)
    return proposal._replace(words=words, code=code, if_so="")


def _supposed(case: Case, remark: Proposal, fit: Comparison) -> Tried | None:
    """What would come of a remark if the reader says yes. The case stays as it is."""
    with case.unchanged():
        after = case.after(remark.if_so) if remark.if_so else None
        return after and tried(case, after, fit)


_OTHERS = {
    "an optimizer": {STATE, GROUPS},
    "a learning-rate scheduler": {"last_epoch", "_step_count"},
    "a gradient scaler": {"growth_factor", "_growth_tracker"},
}


def of_another(case: Case) -> Iterator[Proposal]:
    """The state_dict of something else than a module."""
    for owner, keys in _OTHERS.items():
        if keys <= case.given.keys() and not case.file.shapes:
            words = f"This is the state_dict of {owner}, and holds nothing for a model."
            yield Proposal("other", words, f"# {owner.split()[-1]}.load_state_dict(state_dict)")


def nested(case: Case) -> Iterator[Proposal]:
    """The state_dict, or the whole module, stands under a key, at any depth."""
    places, saved_by = mappings_in(case.given), {}
    for path, mapping in list(places.items()):
        for key, one in mapping.items():
            if type(key) is str and isinstance(one, nn.Module):
                places[f"{path}[{key!r}].state_dict()"] = one.state_dict()
                saved_by[f"{path}[{key!r}].state_dict()"] = one.saved_by
    promises = {place: _promise(case, mapping) for place, mapping in places.items()}
    best = max(promises, key=promises.get)
    joined = [one for path in places if (one := _parts(case, places, path))]
    promised = [_promise(case, one.whole) for one in joined]
    if joined and max(promised) > promises[best]:
        firsts = [
            one for one, found in zip(joined, promised, strict=True) if found == max(promised)
        ]
        yield firsts[0].proposal([one.path for one in firsts[1:]])
    elif best:
        also = [place for place in places if promises[place] == promises[best] and place != best]
        place = best.removesuffix(".state_dict()")
        what = "for the model" if place == best else "a whole module, and has it"
        if 2 * promises[best][0] <= len(case.own.shapes):
            what = "nearest to the model"
        words = whole_checkpoint(place, what)
        words += f" So is what stands under {' and '.join(also)}." if also else ""
        code = f"state_dict = state_dict{best}"
        if saved_by.get(best):
            words += f" What its state_dict() gives is decided by {saved_by[best][0]}, and is not"
            words += " known before it runs."
            yield Proposal("nested", words, as_comment(code))
        else:
            yield Proposal("nested", words, code)


class _Parts(NamedTuple):
    """The path, the names of several parts of the model that stand there, the names of tensors of
    the model beside them, and all that they hold, under the names that it has in the model."""

    path: str
    parts: list[str]
    beside: list[str]
    whole: dict

    def proposal(self, also: list[str]) -> Proposal:
        shown = " and ".join(f"{self.path}[{part!r}]" for part in self.parts)
        words = f"This is a whole checkpoint: what stands under {shown} are parts of the model."
        words += f" So are those under {' and '.join(also)}." if also else ""
        code = f"parts = {self.parts!r}\nwhole = state_dict{self.path}\nstate_dict = {{"
        code += "f'{part}.{key}': value for part in parts for key, value in whole[part].items()}"
        if self.beside:
            code += f"\nstate_dict |= {{key: whole[key] for key in {self.beside!r}}}"
        return Proposal("parts", words, code)


def _parts(case: Case, places: dict[str, Mapping], path: str) -> _Parts | None:
    keys = [key for name in case.own.shapes for key in (name, without_wrappers(name))]
    prefixes = {key.partition(".")[0] for key in keys if "." in key}
    inner = {key: places.get(f"{path}[{key!r}]") for key in places[path] if type(key) is str}
    parts = [key for key, one in inner.items() if one and key in prefixes]
    if len(parts) < 2:
        return None
    tensors = [key for key, one in places[path].items() if isinstance(one, torch.Tensor)]
    beside = [key for key in tensors if key in keys]
    whole = {f"{part}.{key}": one for part in parts for key, one in inner[part].items()}
    return _Parts(path, parts, beside, whole | {key: places[path][key] for key in beside})


def _promise(case: Case, given: dict) -> tuple[int, int]:
    """How many entries fit after the best change of prefix; then, by last name and shape."""
    file, own = keys_of(shapes_of(given)), case.own
    return fit_after(best_change(file, own), file, own).alike, in_common(file, own)


WITHOUT_NAMES = (of_another, nested, surplus.quantized)
IN_ORDER = (
    *WITHOUT_NAMES,
    shaping.arrays,
    naming.prefix,
    naming.spelled,
    naming.prefix,  # again: it may have stood before or behind a wrapper
    conversions,
    parametrized,
    naming.renamed,
    lacking.tied,
    fused,
    naming.one_of_several,
    naming.shifted,
    naming.alike,
    shaping.transposed,
    shaping.one_more,
    surplus.transient,
    surplus.statistics,
    surplus.empty_slot,
    surplus.plain_tensor,
    surplus.first_use,
    shaping.unwritable,
    shaping.grown,
    shaping.computed,
    shaping.learned_table,
    shaping.elsewhere,
    shaping.resized,
    lacking.extra_state,
    lacking.unsaved,
    lacking.untrained,
    surplus.whole_numbers,
    surplus.non_tensor,
    surplus.no_place,
    lacking.crowded,
)
OF_WHAT_LOADS = (lacking.crowded,)  # asked where nothing hinders the load, too
