"""What is so, in plain facts: made once from any value, compared, and told.

`facts("result", value)` says what `value` is, and everything in it, under words that a learner
reads: {"`result['weight']` is": "a `float32` tensor of shape `(2, 3)`", ...}.
"""

from __future__ import annotations

import math
import reprlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from numbers import Integral, Real

import numpy
import torch
from torch import nn

from helpers.exercises.stopping import TimeUp
from helpers.state.objects import dtype_in_words, message_of
from helpers.state.torch_private import (
    BUFFERS,
    INIT_NAMES,
    METADATA,
    MODULES,
    NAMES_ON_TENSORS,
    NON_PERSISTENT,
    PARAMETERS,
    has_hook,
    is_lazy,
    names_on_optimizers,
)

# What an exercise may leave out of the facts about a result, if nobody asked for it.
FREE = frozenset(
    {"shape", "grad", "identity", "memory", "numbers", "order", "kind", "metadata"}
    | {"marks"}  # what somebody hangs on a tensor, and that it has no gradient
    | {"among"}  # which objects in the result are the same
)
_MOST = 1000  # entries of a container, numbers of a tensor
_DEEPEST = 20
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_HOOKS = [name for name in INIT_NAMES if "_hooks" in name]
_SLOTS = {"parameters": PARAMETERS, "buffers": BUFFERS, "submodules": MODULES}


# How far apart equal numbers may be, and those of a computation in double precision from its
# beginning.
NEAR, FINE = 1e-5, 1e-9


class Unsolved(BaseException):
    """The answer is still the stub: it has given `...`."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of a tensor or a float, equal as near as rounding leaves them; whole ones are
    equal or not."""

    values: tuple[float, ...]
    alone: bool = False  # a float, which stands in no tensor
    near: float = NEAR  # how far apart equal ones may be

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Numbers) or self.alone != other.alone:
            return False
        if self.values == other.values:  # as nearly always, and told in one step
            return True
        if len(self.values) != len(other.values):
            return False
        return self.differ_at(other) == len(self.values)

    def differ_at(self, other: Numbers) -> int:
        """The first position where two of a length differ; the length, if none does."""
        pairs = enumerate(zip(self.values, other.values, strict=False))
        far = max(self.near, other.near)
        return next((i for i, pair in pairs if not _near(*pair, far)), len(self.values))

    def text(self, start: int = 0) -> str:
        """Six numbers from `start`, where a reader shall look."""
        if self.alone:
            return f"`{self.values[0]!r}`"
        digits = 12 if self.near < NEAR else 6
        numbers = self.values[start : start + 6]
        some = ", ".join(f"{one:.{digits}g}" if self.near else str(one) for one in numbers)
        left, right = "… " * (start > 0), " …" * (len(self.values) > start + 6)
        return f"`[{left}{some}{right}]`"


def _near(left: float, right: float, far: float) -> bool:
    if not far:
        return left == right
    same = math.isclose(left, right, rel_tol=far, abs_tol=far / 10)
    return same or left != left and right != right


@dataclass(frozen=True, eq=False)
class Raised:
    """An exception, equal to one of its kind; the message is told and not compared."""

    kinds: tuple[str, ...]
    message: str

    @classmethod
    def of(cls, error: BaseException) -> Raised:
        kinds = tuple(kind.__name__ for kind in type(error).__mro__)
        return cls(kinds, message_of(error))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Raised):
            return False
        return self.kinds[0] in other.kinds or other.kinds[0] in self.kinds

    def text(self) -> str:
        return f"raises `{self.kinds[0]}`" + (f": {self.message}" if self.message else "")


Facts = dict[str, "str | Numbers | Raised"]


def told(expected: object, found: object) -> tuple[str, str]:
    """Two facts in words, at the place where they differ; None is no such fact."""
    if isinstance(expected, Numbers) and isinstance(found, Numbers):
        at = expected.differ_at(found)
        start = 0 if at < 6 else at
        return expected.text(start), found.text(start)
    return _told(expected), _told(found)


def _told(fact: str | Numbers | Raised | None) -> str:
    if fact is None:
        return "nothing of the kind"
    words = fact if isinstance(fact, str) else fact.text()
    return words if len(words) < 300 else f"{words[:280]} …"


class Known:
    """The objects that are known so far, each by its path: by identity, and by memory.

    Both are held: what is let go is given to the next one, which would be taken for it."""

    def __init__(self) -> None:
        self._objects: dict[int, tuple[object, str, int]] = {}
        self._memory: dict[int, str] = {}
        self._held: list[torch.UntypedStorage] = []

    def meet(self, value: object, path: str, among: str | None = None) -> str:
        """As what `value` is known; a new one is known as `path` from now on.

        What is known under a path that begins with `among` is not told."""
        place, met = _place(value), self._objects.get(id(value))
        if met is None:
            self._objects[id(value)] = (value, path, place)
            words, other = "another tensor with the memory of", self._memory.get(place)
        else:
            _, other, memory = met
            words = "the same object as" if place == memory else "with other memory the object of"
        if place:
            self._memory.setdefault(place, path)
            self._held.append(value.untyped_storage())
        if other is None or among is not None and other.startswith(among):
            return "an object of its own"
        return f"{words} before" if other == path else f"{words} `{other}`"

    def path_of(self, value: object) -> str | None:
        met = self._objects.get(id(value))
        return None if met is None else met[1]

    def add(self, **values: object) -> None:
        """Know each of `values`, and everything in it, under its name."""
        for path, value in values.items():
            _Reader(path, self, frozenset(), tells=False).read(path, solved(value))


def _place(value: object) -> int:
    """Where the numbers of a tensor begin; 0 where there is no such place."""
    if not is_a(value, torch.Tensor) or is_lazy(value) or value.is_meta or not value.numel():
        return 0
    return value.data_ptr()


def is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    """`isinstance` that does not ask the value, which may lie about its class."""
    return issubclass(type(value), kind)


def facts(path: str, value: object, known: Known | None = None, free: Iterable[str] = ()) -> Facts:
    """What `value` is and all that is in it, without what is in `free` (names of `FREE`).

    `path` is what it is called. Objects are told apart by what is `known`."""
    reader = _Reader(path, known or Known(), frozenset(free))
    reader.read(path, solved(value))
    return reader.seen


def solved(value: object) -> object:
    """`value`, which an answer has given. `Unsolved`: it is the `...` of the stub."""
    if value is ...:
        raise Unsolved
    return value


_SIMPLE = frozenset({bool, int, float, str, type(None)})


class _Reader:
    """Goes through one value and all that is in it, and makes each object known; what it `tells`,
    is in `seen`. `inside` are the objects on the way, so that a circle ends."""

    def __init__(
        self, root: str, known: Known, free: frozenset[str], *, tells: bool = True
    ) -> None:
        self.root, self.known, self.free, self.tells = root, known, free, tells
        self.seen: Facts = {}
        self.inside: set[int] = set()

    def read(self, path: str, value: object) -> None:
        if id(value) in self.inside or len(self.inside) > _DEEPEST:
            self.seen[f"`{path}` is"] = "what it is in"
            return
        if type(value) in _SIMPLE:  # most are, and need not be asked for all that they may be
            self.seen[f"`{path}` is"] = plain(value)
            return
        self.inside.add(id(value))
        read = _READ.get(type(value)) or next(
            (one for kind, one in _READ.items() if is_a(value, kind)), _Reader._read_other
        )
        read(self, path, value)
        self.inside.discard(id(value))

    def _read_tensor(self, path: str, value: torch.Tensor) -> None:
        if is_lazy(value):
            self.seen[f"`{path}` is"] = "a lazy tensor"
            return
        met, grad = self._meet(path, value), _grad_of(value)
        if self.tells:
            self._tell_tensor(path, value, met, grad is not None)
        if grad is not None:
            self.read(f"{path}.grad", grad)

    def _tell_tensor(self, path: str, value: torch.Tensor, met: str, has_grad: bool) -> None:
        seen, free = self.seen, self.free
        words = f"a `{dtype_in_words(value.dtype)}` tensor"
        if "shape" not in free:
            words += f" of shape `{tuple(value.shape)}`"
        if not value.is_cpu:
            words += f" on `{value.device.type}`"
        seen[f"`{path}` is"] = words
        if "grad" not in free:
            kind = "a parameter" if is_a(value, nn.Parameter) else "a plain tensor"
            trains = "that requires a gradient" if value.requires_grad else "without a gradient"
            hooked = ", with a hook" if has_hook(value) else ""
            seen[f"for autograd `{path}` is"] = f"{kind} {trains}{hooked}"
        if "marks" not in free:
            seen[f"the gradient of `{path}` is"] = "there" if has_grad else "none"
            seen[f"what hangs on `{path}` is"] = _marks(value)
        self._tell_identity(path, met)
        if "numbers" not in free and not value.is_meta:
            seen[f"the numbers of `{path}` are"] = numbers(value)

    def _meet(self, path: str, value: object) -> str:
        met = self.known.meet(value, path, self.root if "among" in self.free else None)
        # Nobody can change a tuple, and Python has a single empty one.
        return "an object of its own" if is_a(value, tuple) else met

    def _tell_identity(self, path: str, met: str) -> None:
        if "identity" not in self.free:
            self.seen[f"as an object `{path}` is"] = met

    def _read_module(self, path: str, value: nn.Module) -> None:
        kind, met = self.known.meet(type(value), f"type({path})"), self._meet(path, value)
        if self.tells:
            self._tell_module(path, value, kind, met)
        for name, item in _attributes(value).items():
            self.read(f"{path}.{name}", item)

    def _tell_module(self, path: str, value: nn.Module, kind: str, met: str) -> None:
        seen, own = self.seen, vars(value)
        mode = "training" if value.training else "eval"
        seen[f"`{path}` is"] = f"a `{type(value).__name__}` in {mode} mode"
        seen[f"the class of `{path}` is"] = kind
        self._tell_identity(path, met)
        for words, slot in _SLOTS.items():
            seen[f"the {words} of `{path}` are"] = listed(own[slot])
        hidden = own[NON_PERSISTENT]
        seen[f"the non-persistent buffers of `{path}` are"] = listed(sorted(hidden))
        hooks = [key for key in _HOOKS for _ in own.get(key, ())]
        seen[f"the hooks of `{path}` are"] = listed(hooks)
        others = listed(sorted(_plain_attributes(value)))
        seen[f"the other attributes of `{path}` are"] = others

    def _read_optimizer(self, path: str, value: torch.optim.Optimizer) -> None:
        self.seen[f"`{path}` is"] = f"an optimizer `{type(value).__name__}`"
        self.seen[f"what hangs on `{path}` is"] = _marks(value)
        self._container(path, value)
        self.read(f"{path}.param_groups", value.param_groups)
        self.read(f"{path}.state", value.state)

    def _read_mapping(self, path: str, value: Mapping) -> None:
        if self.tells:
            plain_one = is_a(value, dict)
            words = "a dict" if plain_one else f"a mapping `{type(value).__name__}`"
            self.seen[f"`{path}` is"] = words
            keys = [self._key(key) for key in islice(value, _MOST)]
            keys = sorted(keys) if "order" in self.free else keys
            words = ", ".join(f"`{key}`" for key in keys) or "none"
            self.seen[f"the keys of `{path}` are"] = words
        self._container(path, value)
        items = [(self._key(key), item) for key, item in islice(value.items(), _MOST)]
        for key, item in items:
            self.read(f"{path}[{key}]", item)

    def _key(self, key: object) -> str:
        return self.known.path_of(key) or plain_text(key).strip("`")

    def _read_sequence(self, path: str, value: list | tuple) -> None:
        kind = "a list" if is_a(value, list) else "a tuple"
        kind = "a sequence" if "kind" in self.free else kind
        self.seen[f"`{path}` is"] = f"{kind} of {len(value)}"
        self._container(path, value)
        for i, item in enumerate(value[:_MOST]):
            self.read(f"{path}[{i}]", item)

    def _container(self, path: str, value: object) -> None:
        self._tell_identity(path, self._meet(path, value))
        metadata = getattr(value, METADATA, None)
        if is_a(metadata, Mapping) and "metadata" not in self.free:
            self.seen[f"`{path}.{METADATA}` is"] = f"`{dict(metadata)!r}`"

    def _read_other(self, path: str, value: object) -> None:
        if type(value) is numpy.ndarray:
            self.seen[f"`{path}` is"] = f"an array `{value.dtype}` of shape `{value.shape}`"
            self.seen[f"the numbers of `{path}` are"] = _numbers_in(value)
        else:
            self.seen[f"`{path}` is"] = plain(value)


# How a value is read, by its class, or by the first of these that it is.
_READ: dict[type, Callable[[_Reader, str, object], None]] = {
    torch.Tensor: _Reader._read_tensor,
    nn.Parameter: _Reader._read_tensor,
    nn.Module: _Reader._read_module,
    torch.optim.Optimizer: _Reader._read_optimizer,
    dict: _Reader._read_mapping,
    OrderedDict: _Reader._read_mapping,  # a state_dict
    Mapping: _Reader._read_mapping,
    list: _Reader._read_sequence,
    tuple: _Reader._read_sequence,
}


def _attributes(module: nn.Module) -> dict[str, object]:
    own = vars(module)
    slots = [own[slot] for slot in _SLOTS.values()]
    return {**slots[0], **slots[1], **slots[2], **_plain_attributes(module)}


def _plain_attributes(module: nn.Module) -> dict[str, object]:
    return {key: value for key, value in vars(module).items() if key not in INIT_NAMES}


def _marks(value: object) -> str:
    """The names of what somebody has put on a tensor or an optimizer, and of the hooks there."""
    own = getattr(value, "__dict__", {})
    if not own:
        return "none"
    hooks = [name for name in own if "_hooks" in name for _ in own[name]]
    tensor = is_a(value, torch.Tensor)
    of_torch = NAMES_ON_TENSORS if tensor else names_on_optimizers()
    return listed(sorted([*hooks, *(own.keys() - of_torch)]))


def _grad_of(tensor: torch.Tensor) -> torch.Tensor | None:
    """The gradient, if there is one; one that has a graph itself would warn when it is asked."""
    return tensor.grad if tensor.is_leaf else None


def numbers(tensor: torch.Tensor) -> Numbers | str:
    """The first thousand numbers of `tensor`, whatever its dtype."""
    try:
        flat = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        flat = flat.detach().flatten()
        if flat.numel() > _MOST:
            flat = flat[:_MOST]
        if not flat.is_floating_point():
            return Numbers(tuple(map(int, flat.tolist())), near=0.0)
        return Numbers(tuple(flat.tolist()), near=_near_in(tensor.dtype))
    except (RuntimeError, TypeError, NotImplementedError):
        return "numbers that cannot be read"


@cache
def _near_in(dtype: torch.dtype) -> float:
    """How far apart equal numbers of `dtype` may be."""
    rounding = torch.finfo(dtype).eps if dtype.is_floating_point else 0.0
    return max(NEAR, 8 * rounding)


def _numbers_in(array: numpy.ndarray) -> Numbers | str:
    try:
        return numbers(torch.from_numpy(array))
    except (TypeError, ValueError):
        return "numbers that cannot be read"


def plain(value: object) -> str | Numbers:
    """The fact of a value that holds no others: an integer is one, whatever its class."""
    if is_a(value, Real) and not is_a(value, Integral):
        return Numbers((float(value),), alone=True)
    return plain_text(value)


def plain_text(value: object) -> str:
    """`value` in a few words, with no address and without running code of its class."""
    kind = type(value)
    if kind in (bool, str, bytes, bytearray, type(None)):
        return f"`{_SHORT.repr(value)}`" if kind is not str else f"`{value!r}`"
    if is_a(value, Integral):
        return f"`{int.__index__(value) if is_a(value, int) else int(value)}`"
    if kind in (torch.dtype, torch.device, torch.Size, float):
        return f"`{value!r}`"
    if kind in (set, frozenset):
        return f"a {kind.__name__} of {', '.join(sorted(map(plain_text, value))) or 'nothing'}"
    if is_a(value, torch.Tensor):
        return f"a `{value.dtype}` tensor of shape `{tuple(value.shape)}`"
    is_class = is_a(value, type)
    return f"the class `{value.__name__}`" if is_class else f"an object of type `{kind.__name__}`"


def listed(names: Iterable[object]) -> str:
    """The names in a few words, "none" if there are none."""
    return ", ".join(plain_text(name) for name in names) or "none"


def called(
    answer: Callable,
    *,
    free: Iterable[str] = (),
    again: bool = False,
    once: Callable[[], object] | None = None,
    **given,
) -> Facts:
    """What `answer(*given)` does: what it returns or raises, and what it leaves of `given`.

    `given` has a name for each argument, for the words; they are passed by position. `free` says
    which facts about the result nobody asked for. With `again`, it is called twice. With `once`, it
    was called before, and `once()` has changed what is given since: what was found then is old."""
    if once is not None:
        with suppress(Exception):  # the case that asks for that call tells of it
            answer(*given.values())
        once()
    known, seen, first = Known(), {}, None
    known.add(**given)
    results = {"the call": "result", "the second call": "second_result"}
    for call, name in list(results.items())[: 1 + again]:
        try:
            result = answer(*given.values())
        except (KeyboardInterrupt, TimeUp):
            raise
        except BaseException as error:
            seen[call] = Raised.of(error)
        else:
            seen[call] = "returns"
            if call == "the second call":  # a list or dict that changes under its holder's hands
                same = result is first and is_a(result, (dict, list))
                seen["what it gives is"] = "what the first call gave" if same else "new"
            first = result
            seen |= facts(name, result, known, free)
    for name, value in given.items():
        seen |= facts(name, value, known)
    return seen
