"""Steps that make a state_dict fit: found by keys and shapes, each tried on the stand-in before it
is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import NamedTuple

import torch
from torch import nn

from helpers.checkpoints.rehearsal import Reply, StandIn, rehearse
from helpers.state.objects import brief


class Advice(NamedTuple):
    """One step towards a state_dict that fits: `words` say what was seen, `code` does something
    about it.

    `code` is lines of Python in which the state_dict is called `state_dict` and the model `module`;
    it binds `state_dict` to a new dict and leaves the old one alone. The steps of a comparison
    follow one another. `enough` says that after this one, and those before it,
    `module.load_state_dict(state_dict)` loads strictly."""

    kind: str
    words: str
    code: str
    enough: bool


Step = tuple[str, str, str]  # the first three fields of an Advice
_MAPPINGS, _PAIRINGS = (
    200,
    250_000,
)  # how many are looked at in a checkpoint, and in a search for other names


def advise(model: StandIn, given: Mapping, reply: Reply) -> list[Advice]:
    """The steps for `given`, to which torch gave `reply`: each finder in its turn, on what those
    before it made.
    """
    steps = []
    for find in (_nested, _prefix, _renamed, _transposed, _transient, _strange, _kept):
        if any(reply):
            for kind, words, code in find(model, given, reply):
                space = {"state_dict": given, "module": model.twin}
                exec(code, space)  # the code shown is the code tried; every name in it is a repr
                given = space["state_dict"]
                reply = rehearse(model.twin, given)
                steps.append(Advice(kind, words, code, not any(reply)))
    return steps


def _nested(model: StandIn, given: Mapping, reply: Reply) -> Iterator[Step]:
    """The state_dict stands under a key, at any depth."""
    paths, pending = {(): _promise(model, given)}, [((), given)]
    for path, mapping in pending:
        inner = [
            ((*path, key), one)
            for key, one in mapping.items()
            if isinstance(one, dict) and type(key) is str
        ]
        inner = inner[: _MAPPINGS - len(pending)]
        paths.update((place, _promise(model, one)) for place, one in inner)
        pending += inner
    best = max(paths, key=paths.get)
    if best:
        places = [
            "".join(f"[{key!r}]" for key in path) for path in paths if paths[path] == paths[best]
        ]
        also = f" So is what stands under {' and '.join(places[1:])}." if places[1:] else ""
        words = f"This is a whole checkpoint: what stands under {places[0]} is for the model.{also}"
        yield "nested", words, f"state_dict = state_dict{places[0]}"


def _promise(model: StandIn, given: Mapping) -> tuple[int, int]:
    """How many entries fit with the best prefix; then, for those that have other names, by last
    name and shape.
    """
    lasts = [
        Counter((key.rpartition(".")[2], shape) for key, shape in side)
        for side in (
            ((key, _shape_of(one)) for key, one in _tensors(given).items()),
            ((key, one.shape) for key, one in model.expected.items()),
        )
    ]
    return _best_prefix(model, given)[0], (lasts[0] & lasts[1]).total()


_WRAPPERS = ("_orig_mod.", "module.", "_checkpoint_wrapped_module.", "_fsdp_wrapped_module.")


def _best_prefix(model: StandIn, given: Mapping) -> tuple[int, str, str]:
    """(entries that fit, "strip" or "add" or "remove", prefix) for the best prefix; the prefix is
    "" for none.
    """
    tensors, expected = (
        {key: _shape_of(one) for key, one in _tensors(given).items()},
        model.expected,
    )
    if not tensors:
        return 0, "none", ""

    def fit(key: str, place: str) -> bool:
        """Could the tensor under `key` go to `place` of the model, as it is or transposed?"""
        if place not in expected or key not in tensors:
            return False
        wanted, shape = expected[place].shape, tensors[key]
        return wanted in (None, shape) or bool(shape) and wanted == shape[::-1]

    counts = Counter({("none", ""): sum(fit(key, key) for key in tensors)})
    counts.update(("strip", key[:at]) for key in tensors for at in _dots(key) if fit(key, key[at:]))
    counts.update(("add", key[:at]) for key in expected for at in _dots(key) if fit(key[at:], key))
    counts.update(
        ("remove", one)
        for one in _WRAPPERS
        for key in tensors
        if one in key and fit(key, key.replace(one, ""))
    )
    (kind, prefix), best = counts.most_common(1)[0]
    rivals = [one for one in counts if counts[one] == best and one[0] == kind]
    some = 2 * best >= min(len(tensors), len(expected))
    return (best, kind, prefix) if len(rivals) == 1 and some else (counts["none", ""], "none", "")


def _tensors(given: Mapping) -> dict[str, torch.Tensor]:
    return {
        key: one
        for key, one in given.items()
        if isinstance(key, str) and isinstance(one, torch.Tensor)
    }


def _dots(key: str) -> list[int]:
    """The places behind the dots of a key."""
    return [place + 1 for place, letter in enumerate(key) if letter == "."]


_PAIRS = "for key, value in state_dict.items()"


def _prefix(model: StandIn, given: Mapping, reply: Reply) -> Iterator[Step]:
    """Every key has a prefix too many, or lacks one."""
    _, kind, prefix = _best_prefix(model, given)
    shown = brief(prefix)
    if kind == "strip" and all(isinstance(key, str) for key in given):
        others = [key for key in given if not key.startswith(prefix)]
        words, only = f"The keys begin with {shown}, those of the model do not.", ""
        if others and not any(key in model.expected for key in others):
            words, only = (
                f"The model is what stands under {shown}; {len(others):,} other entries are left out.",
                (f" if key.startswith({prefix!r})"),
            )
        yield (
            "prefix",
            words,
            f"state_dict = {{key.removeprefix({prefix!r}): value {_PAIRS}{only}}}",
        )
    elif kind == "add":
        words = f"The keys of the model begin with {shown}, those of the state_dict do not."
        yield "prefix", words, f"state_dict = {{{prefix!r} + key: value {_PAIRS}}}"
    elif kind == "remove":
        words = f"The keys have {shown} in them, those of the model do not."
        yield "prefix", words, f'state_dict = {{key.replace({prefix!r}, ""): value {_PAIRS}}}'


def _renamed(model: StandIn, given: Mapping, reply: Reply) -> Iterator[Step]:
    """Missing and unexpected keys of one shape and one ending; only pairs for which there is no
    second choice.
    """
    tensors = _tensors(given)
    # Not reply.missing: under a new name a BatchNorm has no version, and torch fills in a count
    # that is lacking.
    missing = [key for key, one in model.expected.items() if one.dtype and key not in given]
    found, left = {}, [key for key in reply.unexpected if key in tensors]
    while pairs := _clear_pairs(model, tensors, missing, left):
        found |= pairs
        missing = [key for key in missing if key not in pairs.values()]
        left = [key for key in left if key not in pairs]
    if found:
        lines = "".join(f"    {old!r}: {new!r},\n" for old, new in found.items())
        words = f"{_entries_of(found)} under another name: ending and shape fit. See that they mean the same."
        yield (
            "renamed",
            words,
            f"names = {{\n{lines}}}\nstate_dict = {{names.get(key, key): value {_PAIRS}}}",
        )


def _clear_pairs(
    model: StandIn, tensors: dict, missing: list[str], left: list[str]
) -> dict[str, str]:
    """{unexpected key: missing key} of those that like each other best, and nobody else as much."""
    if len(missing) * len(left) > _PAIRINGS:
        return {}
    likes = {}
    for new in missing:
        shape = model.expected[new].shape
        for old in left:
            ending, start, given = (
                _alike(new, old, -1),
                _alike(new, old, 1),
                _shape_of(tensors[old]),
            )
            turned = shape and given == shape[::-1]
            if (ending or start >= new.count(".") == old.count(".")) and (given == shape or turned):
                likes[new, old] = ending, start, given == shape
    best = [{}, {}]
    for pair, how in likes.items():
        for side, one in enumerate(pair):
            best[side].setdefault(one, []).append((how, pair))
    first = [
        {one: [pair for how, pair in liked if how == max(liked)[0]] for one, liked in side.items()}
        for side in best
    ]
    return {old: new for new, old in likes if first[0][new] == first[1][old] == [(new, old)]}


def _shape_of(tensor: torch.Tensor) -> tuple[int, ...] | None:
    return None if nn.parameter.is_lazy(tensor) else tuple(tensor.shape)


def _alike(one: str, other: str, step: int) -> int:
    """How many parts of two dotted names are the same from the start (step 1) or from the end (step
    -1).
    """
    pairs = zip(one.split(".")[::step], other.split(".")[::step], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _transposed(model: StandIn, given: Mapping, reply: Reply) -> Iterator[Step]:
    keys = [key for key, wanted, shape in reply.sizes if len(shape) == 2 and shape == wanted[::-1]]
    if keys and set(keys) <= given.keys():
        words = f"{_entries_of(keys)} transposed, as other frameworks keep a weight. A square one would not show it."
        code = f"turned = {keys!r}\nstate_dict = {{key: value.t() if key in turned else value {_PAIRS}}}"
        yield "transposed", words, code


def _transient(model: StandIn, given: Mapping, reply: Reply) -> Iterator[Step]:
    keys = [key for key in dict.fromkeys(reply.unexpected) if key in model.transient]
    if keys:
        yield (
            "non-persistent",
            f"{_entries_of(keys)} a buffer that is now non-persistent: not loaded.",
            _without(keys),
        )


def _strange(model: StandIn, given: Mapping, reply: Reply) -> Iterator[Step]:
    keys = [
        key
        for key in dict.fromkeys(reply.unexpected)
        if key in given and not isinstance(given[key], torch.Tensor | dict)
    ]
    if keys and _belongs(model, given):
        yield (
            "non-tensor",
            f"{_entries_of(keys)} no tensor, and nothing of the model.",
            _without(keys),
        )


def _belongs(model: StandIn, given: Mapping) -> bool:
    """Does any tensor here fit the model? Else it is not its state_dict, and to add or drop a few
    keys helps nobody.
    """
    tensors = _tensors(given)
    return any(key in tensors for key in model.expected)


def _without(keys: list[str]) -> str:
    return f"left_out = {keys!r}\nstate_dict = {{key: value {_PAIRS} if key not in left_out}}"


def _kept(model: StandIn, given: Mapping, reply: Reply) -> Iterator[Step]:
    """Missing buffers of modules that lack no parameter: they were not persistent when the file was
    written.
    """
    homes = {key.rpartition(".")[0] for key in reply.missing if key not in model.buffers}
    keys = [
        key for key in reply.missing if key in model.buffers and key.rpartition(".")[0] not in homes
    ]
    if keys and _belongs(model, given):
        words = (
            f"{_entries_of(keys)} a buffer that was not saved: keep the value that the model has."
        )
        code = f"own = module.state_dict()\nstate_dict = {{**state_dict, **{{key: own[key] for key in {keys!r}}}}}"
        yield "persistent", words, code


def _entries_of(keys: Iterable[str]) -> str:
    first, *rest = keys
    return f"{brief(first)} is" if not rest else f"{brief(first)} and {len(rest):,} more are"
