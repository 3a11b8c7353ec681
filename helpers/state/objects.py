"""Reading a stranger's object without running its code: dictionaries, containers, tensors, short
text.
"""

from __future__ import annotations

import gc
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import GetSetDescriptorType
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.state.torch_private import (
    PARAMETER_MARK,
    device_of,
    dtype_of,
    is_lazy,
    nbytes_of,
    numel_of,
    piece_of,
    requires_grad_of,
    shape_of,
    without_torch_function,
)

# Module and its subclasses may define properties, __getattribute__ or even a property called
# __dict__. This descriptor reads the instance dictionary beneath all of them.
instance_dict = nn.Module.__dict__["__dict__"].__get__
# The same for a class, whose metaclass may define them too.
class_dict = type.__dict__["__dict__"].__get__
class_name = type.__dict__["__name__"].__get__
bases = type.__dict__[
    "__mro__"
].__get__  # of a class, itself first; what type.mro() would compute anew

ATOMS = frozenset({bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device})
COLLECTIONS = (dict, list, tuple, set, frozenset, deque)
_WORTH_ENTERING = (torch.Tensor, nn.Module, *COLLECTIONS)


def type_name(value: object) -> str:
    """The name of `value`'s class, read without running code of that class or its metaclass."""
    return str.__str__(class_name(type(value)))


def require_module(module: object, caller: str) -> None:
    """Raise the TypeError of every helper that takes a module, if `module` is not an `nn.Module`
    instance.
    """
    if issubclass(type(module), nn.Module):
        return
    if issubclass(type(module), type):
        name = class_name(module)
        advice = f"got the class {name}; pass an instance, such as {caller}({name}(...))"
    elif issubclass(type(module), dict):
        advice = f"got a dict ({type_name(module)}); pass the model itself, not its state_dict()"
    else:
        advice = f"got {type_name(module)}; pass a model, such as {caller}(nn.Linear(2, 3))"
    raise TypeError(f"{caller}() takes an nn.Module instance, {advice}.")


def inside(value: Any, path: str, longest: int = 60) -> Iterator[tuple[str, Any]]:
    """`value` at `path`; if it is a container, then the tensors and modules in it, as
    `cache['k'][0]`, any depth. Of a key `longest` characters are shown.
    """
    pending, entered = [(path, value)], set()
    while pending:
        path, value = pending.pop()
        container = issubclass(type(value), COLLECTIONS)
        if not (
            container and entered
        ):  # the outermost container has an entry, those nested in it have none
            yield path, value
        if not container or id(value) in entered:
            continue
        entered.add(id(value))
        items = reversed(contents(value))
        pending.extend((f"{path}[{brief(key, longest)}]", item) for key, item in items)


def contents(container: Any, *, lasting_order: bool = True) -> list[tuple[object, Any]]:
    """(key or position, item) of the tensors, modules and containers in a container, read beneath
    any override.

    A set has no order that lasts: its items come in the order of their facts, or as they stand if
    that is not needed."""
    base = next(base for base in COLLECTIONS if issubclass(type(container), base))
    items = list(dict.values(container) if base is dict else base.__iter__(container))
    # Most containers hold numbers: one pass over the types tells, however long they are.
    if not any(issubclass(kind, _WORTH_ENTERING) for kind in set(map(type, items))):
        return []
    if lasting_order and base in (set, frozenset):
        items.sort(
            key=lambda item: (type_name(item), str([facts(part) for _, part in inside(item, "")]))
        )
    keys = list(dict.keys(container)) if base is dict else range(len(items))
    pairs = zip(keys, items, strict=True)
    return [(key, item) for key, item in pairs if issubclass(type(item), _WORTH_ENTERING)]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Hold Python's cyclic collector: it would walk the growing list of entries again and again for
    nothing.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def attributes(thing: object) -> dict:
    """The instance dictionary of any object, read without running code of its class; {} if it has
    none.
    """
    for base in bases(type(thing)):
        getter = class_dict(base).get("__dict__")
        if type(getter) is GetSetDescriptorType:
            own = getter.__get__(thing)
            return own if type(own) is dict else {}
    return {}


def hooks_in(own: dict, name: str) -> list:
    """The hooks that stand under `name` in an instance dictionary, as they were registered."""
    hooks = own.get(name)
    if not issubclass(type(hooks), dict) or not dict.__len__(hooks):
        return []
    return list(dict.values(hooks))


def _is_short(values: tuple | list) -> bool:
    return len(values) <= 8 and all(type(item) in ATOMS for item in values)


def _brief_sequence(values: tuple | list) -> str:
    shown = ", ".join(brief(item, 12) for item in values)
    if type(values) is list:
        return f"[{shown}]"
    return f"({shown},)" if len(values) == 1 else f"({shown})"


def brief(value: object, limit: int = 60) -> str:
    """`value` in at most about `limit` characters. No `__repr__` runs but those of Python's and
    torch's atoms.
    """
    kind = type(value)
    if kind is int and value.bit_length() > 256:
        return f"int of {value.bit_length()} bits"
    if kind is str or kind is bytes:
        shown = repr(value[:limit])
        return shown if len(value) <= limit else f"{shown}… ({len(value)} in all)"
    if kind in ATOMS:
        return repr(value)
    if kind in (tuple, list, torch.Size) and _is_short(value):
        return _brief_sequence(value)
    name = type_name(value)
    size = ""
    if issubclass(kind, COLLECTIONS):
        base = next(base for base in COLLECTIONS if issubclass(kind, base))
        size = f" of {base.__len__(value)}"
    elif kind is type(brief):
        return f"function {writable(str.__str__(value.__name__)[:limit])}"
    return f"{name[:limit]}{'…' if len(name) > limit else ''}{size}"


def text(name: object) -> str:
    """A dictionary key as exact text; a str subclass loses its overrides, another type is
    described.
    """
    if type(name) is str:
        return name
    return str.__str__(name) if issubclass(type(name), str) else brief(name)


def writable(words: str) -> str:
    """`words` as UTF-8 can hold it: half of a surrogate pair, which Python allows in a str, is
    written as \\ud800.
    """
    return words.encode("utf-8", "backslashreplace").decode("utf-8")


def clip(words: str, limit: int = 300) -> str:
    """`words` as UTF-8 can hold them, their middle left out if they are longer than a reader would
    read.
    """
    words, tail = writable(words), min(60, limit // 2)
    return words if len(words) <= limit else f"{words[: limit - tail]}…{words[1 - tail :]}"


def plural(number: int, one: str, many: str = "") -> str:
    """`one` for 1, else `many`, which is `one` with an s where it is not given."""
    return one if number == 1 else many or f"{one}s"


def first_of(words: list[str], most: int) -> str:
    """The first `most` of some words, and how many more there are: "a, b and 3 more"."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more:,} more" if more > 0 else "")


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things in words, as every sentence has it: "1 tensor", "2,000 tensors"."""
    return f"{number:,} {plural(number, one, many)}"


def from_torch(kind: type, package: str = "torch") -> bool:
    """Is this class torch's own? Its methods may run; a learner's may not."""
    try:
        module = type.__getattribute__(kind, "__module__")
    except AttributeError:  # a class that `exec` has made among names without a `__name__`
        return False
    return type(module) is str and f"{module}.".startswith(f"{package}.")


def _guarded(read: Any, tensor: torch.Tensor) -> Any:
    """`read(tensor)`, or None where the tensor cannot tell: some subclasses and layouts raise for
    some facts.
    """
    try:
        return read(tensor)
    except Exception:
        return None


class Facts(NamedTuple):
    """What a tensor says of itself, without its numbers; None for each fact it cannot tell."""

    shape: torch.Size | None
    dtype: torch.dtype | None
    device: torch.device | None
    requires_grad: bool | None
    numel: int | None
    nbytes: int | None


_NO_FACTS = Facts(None, None, None, None, None, None)
_READERS = (shape_of, dtype_of, device_of, requires_grad_of, numel_of, nbytes_of)
# Classes whose tensors tell all their facts at once.
ORDINARY = frozenset({torch.Tensor, nn.Parameter})
META = torch.device("meta")
_new = tuple.__new__  # Facts(...) takes twice as long, and a large model has a million


def facts(tensor: object) -> Facts:
    """The `Facts` of a tensor; all None for what is no tensor.

    The tensor's class runs nothing, with one exception that torch gives no way around: a wrapper
    subclass that asks to dispatch its sizes or its device answers for them in its own
    `__torch_dispatch__`."""
    kind = type(tensor)
    if kind in ORDINARY:
        try:  # all at once, as most tensors answer: a call for each fact takes most of the time
            t = tensor
            shown = (t.shape, t.dtype, t.device, t.requires_grad, t.numel(), t.nbytes)
            return _new(Facts, shown)
        except Exception:  # a sparse tensor has no nbytes, a nested one no shape
            pass
    if not issubclass(kind, torch.Tensor):
        return _NO_FACTS
    readers = _READERS
    if is_lazy(tensor):
        readers = (_unknown, dtype_of, device_of, requires_grad_of, _unknown, _unknown)
    elif from_torch(kind):  # a fake tensor names its device in Python, in torch's own code
        readers = (shape_of, dtype_of, _device, requires_grad_of, numel_of, nbytes_of)
    return Facts(*(_guarded(read, tensor) for read in readers))


def _unknown(tensor: torch.Tensor) -> None:
    """A lazy tensor has no shape yet; its base class would answer as if it were empty."""


def _device(tensor: torch.Tensor) -> torch.device:
    return tensor.device


def is_parameter(value: object) -> bool:
    """isinstance(…, nn.Parameter), without running code of the class. A Parameter around a tensor
    of another class keeps that class and carries a mark."""
    kind = type(value)
    return issubclass(kind, nn.Parameter) or (
        kind is not torch.Tensor
        and issubclass(kind, torch.Tensor)
        and attributes(value).get(PARAMETER_MARK) is True
    )


def differentiable(dtype: torch.dtype | None) -> bool:
    """Can a tensor of this dtype want a gradient? Whole numbers cannot; of None it is not known."""
    return dtype is None or dtype.is_floating_point or dtype.is_complex


def shape_in_words(shape: Iterable[int] | None) -> str:
    """The sizes of a tensor: "2 × 3", "scalar", or "no shape yet" for a lazy one."""
    return "no shape yet" if shape is None else " × ".join(map(str, shape)) or "scalar"


def dtype_in_words(dtype: torch.dtype | None) -> str:
    """The dtype of a tensor as a reader sees it: "float32"."""
    return str(dtype).removeprefix("torch.")


def tensor_in_words(tensor: Any, kind: str = "", here: Iterable[int] | None = None) -> str:
    """A tensor in one line, as every view has it: "2 × 3, float32", "frozen" for a parameter that
    asks for no gradient, where it is if that is not the CPU, and the shape of what is `here` of one
    that several processes hold.

    `tensor` is its `Facts`, or another record with a shape, a dtype and a device; `kind` the one of
    `walk.KINDS` that it has where it stands."""
    words = [shape_in_words(tensor.shape), dtype_in_words(tensor.dtype)]
    if kind == "parameter" and not tensor.requires_grad:
        words.append("frozen")
    if tensor.device is not None and tensor.device.type != "cpu":
        words.append(str(tensor.device))
    if here is not None:
        words.append(f"here {shape_in_words(here)}")
    return ", ".join(words)


def bytes_in_words(nbytes: int, *, exact: bool = False) -> str:
    """`nbytes` for a reader: exact up to 9,999 bytes, then three digits of KiB, MiB, GiB or TiB.

    With `exact`, the number of bytes follows in brackets where it was rounded."""
    unit, size = unit_of(nbytes)
    if size == 1:
        return f"{nbytes:,} {unit}"
    number = f"{nbytes / size:.3g}" if nbytes < 1000 * size else f"{nbytes / size:,.0f}"
    rounded = f"{number} {unit}"
    return f"{rounded} ({nbytes:,} bytes)" if exact else rounded


def share_in_words(part: int, whole: int) -> str:
    """How much of `whole` a part is, in per cent."""
    return f"{part / whole:.0%}" if 100 * part >= whole else "under 1%"


def unit_of(nbytes: int) -> tuple[str, int]:
    """The unit in which so many bytes are told, and how many bytes it has."""
    if nbytes < 10_000:
        return "bytes", 1
    power = next((i for i in range(1, 5) if nbytes < 1000 * 1024**i), 4)
    return ("KiB", "MiB", "GiB", "TiB")[power - 1], 1024**power


def message_of(error: BaseException) -> str:
    """The first line of an exception's text, without addresses, even if its `__str__` raises, and
    as UTF-8 can hold it."""
    try:
        line = (str(error).splitlines() or [""])[0]
        return writable(re.sub(r" at 0x[0-9a-fA-F]+", "", line)[:200])
    except KeyboardInterrupt:
        raise
    except BaseException as second:
        return f"(its message could not be read: {type_name(second)})"


def error_in_words(error: BaseException) -> str:
    """Class and message of an exception."""
    return f"{type_name(error)}: {message_of(error)}"


def why_no_numbers(tensor: torch.Tensor) -> str:
    """Why there are no numbers to show: a lazy, meta or empty tensor, or one of a class of its own.
    "" if there are some."""
    if is_lazy(tensor):
        return "no numbers yet: the tensor is lazy"
    if not (issubclass(type(tensor), torch.Tensor) and from_torch(type(tensor))):
        return f"no preview for the class {clip(type_name(tensor), 60)}"
    with without_torch_function():
        if tensor.device.type == "meta":
            return "no numbers: the tensor is on the meta device"
        return "" if tensor.numel() else "no numbers: the tensor is empty"


def preview(tensor: torch.Tensor) -> str:
    """The first numbers of `tensor` as text: at most 3 × 6 of its first matrix, four digits each.
    Of a tensor that is laid out over several processes, those of the piece that is here.

    Says why where there are none to show."""
    try:
        if words := why_no_numbers(tensor):
            return words
        with without_torch_function(), torch.no_grad():
            piece = piece_of(tensor)
            tensor = tensor if piece is None else piece  # the others would have to be asked
            part = tensor.detach()
            while part.dim() > 2:
                part = part[0]
            part = part[:3, :6] if part.dim() == 2 else part.reshape(1, -1)[:, :6]
            lines, cut = part.tolist(), part.numel() < tensor.numel()
    except Exception as error:
        return f"no preview: {type_name(error)}"
    return "\n".join("  ".join(_number(number) for number in line) for line in lines) + (
        "  …" if cut else ""
    )


def first_numbers(tensor: torch.Tensor, most: int) -> tuple[str, ...]:
    """At most the first `most` numbers of `tensor`, as `preview` writes them; a large one is not
    copied. Raises what torch raises where there are none."""
    with without_torch_function(), torch.no_grad():
        part = tensor.detach()
        while part.dim() > 1 and part[0].numel() >= most:
            part = part[0]
        part = part[:most] if part.dim() else part
        return tuple(map(_number, part.reshape(-1)[:most].tolist()))


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
