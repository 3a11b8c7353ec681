"""The answer of torch to one load, as a `Comparison`; and the same after a step that was tried.

Records are made here. What a reader sees for each state of a key stands in
`views.checkpoint_wires.STATES`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from helpers.checkpoints.case import Case
from helpers.checkpoints.comparison import Comparison, Outline, Tried, conversions_of
from helpers.checkpoints.outlines import outline
from helpers.checkpoints.twin import LoadReport
from helpers.checkpoints.verdict import doubts, verdict
from helpers.state.objects import brief, text
from helpers.state.torch_private import storage_address


def comparison_of(
    name: str,
    case: Case,
    expected: dict[str, Outline],
    found: dict[str, Outline],
) -> Comparison:
    """The answer of torch, and beside it what only the two sides together tell, without advice:
    `expected` and `found` are the outlines of what stands in the module called `name` and in the
    file."""
    model, report = case.model, case.report
    loads = verdict(model, report)
    loaded = set(report.loaded)
    matched = [key for key in expected if key in found and key in loaded]
    taken = set(matched)  # what is packed there is no tensor, and is looked for
    return Comparison(
        type=name,
        loads=loads,
        doubts=_overwritten(case) if loads else doubts(model, report),
        matched=matched,
        missing=report.missing,
        unexpected=report.unexpected,
        mismatched=report.mismatched,
        refused=report.refused,
        silent=[] if report.crash else _passed_over(expected, found, report),
        non_tensors=[
            (key, one.type) for key, one in found.items() if not one.dtype and key not in taken
        ],
        **conversions_of(matched, expected, found),
        errors=report.errors + [report.crash] * bool(report.crash),
        own_rules=[(rule.owner, rule.name) for rule in model.rules],
        advice=[],
        expected=expected,
        found=found,
    )


def _overwritten(case: Case) -> list[str]:
    """What is lost in a load of which torch does not complain."""
    return [
        f"{one.words} in the model, and {'differ' if one.differ else 'may differ'} in the file:"
        f" the last, {brief(one.keys[-1])}, stays"
        for one in case.crowds
    ]


def _passed_over(expected: dict, found: dict, report: LoadReport) -> list[str]:
    """The keys of one side alone of which torch does not complain."""
    said = {one.key for one in report.mismatched}
    said.update(report.missing, report.unexpected, report.refused)
    alone = [key for key in expected if key not in found]
    alone += [key for key in found if key not in expected]
    return [key for key in alone if key not in said]


def tried(before: Case, after: Case, fit: Comparison) -> Tried:
    """What came of a step from one case to the next, whose answer before it was `fit`."""
    origins = _origins(before.given, after.given, after.model.twin)
    expected, found = _expected(after, fit.expected), {}
    for key, value in after.given.items():
        name, now = text(key), outline(value)._replace(device=None)
        then = fit.found.get(origins.get(name, ""))
        if then is not None and then.dtype:  # it says more than a blank does
            now = then._replace(shape=now.shape)
        if now.dtype and now.device is None and name in expected:
            now = now._replace(device=expected[name].device)
        found[name] = now
    return Tried(comparison_of(fit.type, after, expected, found), origins)


def _expected(case: Case, before: dict[str, Outline]) -> dict[str, Outline]:
    """What a load looks for now: a step may have given the module other places."""
    expected = dict(before)
    for key, value in nn.Module.state_dict(case.model.twin, keep_vars=True).items():
        now = outline(value)
        if now.dtype and (key not in before or now.shape != before[key].shape):
            expected[key] = now._replace(device=None)
    return expected


def _origins(before: Mapping, after: Mapping, own: nn.Module) -> dict[str, str]:
    """{key of `after`: the key of `before` that it comes from}. Left out are what the module gave,
    and what was computed from several."""
    sources: dict[object, list[str]] = {}
    for key, value in before.items():
        for mark in _marks(value):
            sources.setdefault(mark, []).append(text(key))
    lent, found = set(_marks(own)), {}
    for key, value in after.items():
        mark, name = next(_marks(value), None), text(key)
        keys = sources.get(mark, [])
        if name in keys or (key in before and not keys and mark not in lent):
            found[name] = name
        elif keys:  # a tensor may get several names; of equal numbers each is another's
            found[name] = keys[0] if isinstance(value, torch.Tensor) else keys.pop(0)
    return found


def _marks(value: object) -> Iterator[object]:
    """The same mark for the same memory: of a tensor, or of all that stand in a dict or a twin."""
    if isinstance(value, torch.Tensor):
        yield storage_address(value) or id(value)
    elif isinstance(value, dict | nn.Module):
        is_dict = isinstance(value, dict)
        inner = value if is_dict else nn.Module.state_dict(value, keep_vars=True)
        for one in inner.values():
            yield from _marks(one)
    else:
        yield id(value)
