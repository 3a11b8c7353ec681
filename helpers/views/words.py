"""Sizes in words, for every view and plot; the browser gets the words and makes none of its own.

A tensor in words is for `state.objects.tensor_in_words`, sent in the same way."""

from __future__ import annotations


def bytes_in_words(nbytes: int, *, exact: bool = False) -> str:
    """`nbytes` for a reader: exact up to 9,999 bytes, then three digits of KiB, MiB, GiB or TiB.

    With `exact`, the number of bytes follows in brackets where it was rounded."""
    unit, size = unit_of(nbytes)
    if size == 1:
        return f"{nbytes:,} {unit}"
    number = f"{nbytes / size:.3g}" if nbytes < 1000 * size else f"{nbytes / size:,.0f}"
    rounded = f"{number} {unit}"
    return f"{rounded} ({nbytes:,} bytes)" if exact else rounded


def unit_of(nbytes: int) -> tuple[str, int]:
    """The unit in which so many bytes are told, and how many bytes it has."""
    if nbytes < 10_000:
        return "bytes", 1
    power = next((i for i in range(1, 5) if nbytes < 1000 * 1024**i), 4)
    return ("KiB", "MiB", "GiB", "TiB")[power - 1], 1024**power
