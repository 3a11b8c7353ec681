"""Would a strict load succeed? Three answers: yes, no, and that it cannot be foretold."""

from __future__ import annotations

from helpers.checkpoints.names import is_extra_state
from helpers.checkpoints.stand_in import OwnRule, StandIn, where
from helpers.checkpoints.twin import LoadReport
from helpers.state.torch_private import LOAD_POST_HOOKS, LOAD_PRE_HOOKS

_HOOKS = {LOAD_PRE_HOOKS: "a hook before the load", LOAD_POST_HOOKS: "a hook after the load"}


def verdict(model: StandIn, report: LoadReport) -> bool | None:
    """Does a strict load succeed? None: it cannot be foretold, since `doubts` has reasons.

    A rule on a part of the model decides about the keys of that part alone. A hook after the load
    gets the lists of missing and unexpected keys of all parts."""
    before = [rule.prefix for rule in model.rules if rule.name != LOAD_POST_HOOKS]
    lists = len(before) < len(model.rules)
    keys = [one.key for one in report.mismatched] + report.refused
    keys += [] if lists else report.missing + report.unexpected
    certain = [key for key in keys if not key.startswith(tuple(before))]
    if certain or (report.crash and "" not in before):
        return False
    if doubts(model, report):
        return None
    return not any(report.trouble)


def doubts(model: StandIn, report: LoadReport) -> list[str]:
    """Why the rules of torch's own classes are not all that decides; [] where they are."""
    found = [f"{one.owner}{where(one.prefix)} has {_name(one)} of its own" for one in model.rules]
    found += [f"{key!r} is {what}" for key, what in report.odd.items()]
    extra = [key for key in report.loaded if is_extra_state(key)]
    found += [f"set_extra_state() has {key!r} to judge" for key in extra]
    return list(dict.fromkeys(found))


def _name(rule: OwnRule) -> str:
    return _HOOKS.get(rule.name, f"{rule.name}()")
