"""Sizes in words, for every view and plot; the browser gets the words and makes none of its own."""

from __future__ import annotations


def bytes_in_words(nbytes: int, *, exact: bool = False) -> str:
    """`nbytes` for a reader: exact up to 9,999 bytes, then three digits of KiB, MiB, GiB or TiB.

    With `exact`, the number of bytes follows in brackets where it was rounded."""
    if nbytes < 10_000:
        return f"{nbytes:,} bytes"
    units = ("KiB", "MiB", "GiB", "TiB")
    power = next((i for i in range(1, 5) if nbytes < 1000 * 1024**i), 4)
    size = nbytes / 1024**power
    number = f"{size:.3g}" if size < 1000 else f"{size:,.0f}"
    rounded = f"{number} {units[power - 1]}"
    return f"{rounded} ({nbytes:,} bytes)" if exact else rounded
