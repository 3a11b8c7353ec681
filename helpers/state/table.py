"""Rows that are told once, and referred to by their numbers."""

from __future__ import annotations


class Table(dict):
    """Distinct rows, numbered in the order in which they came."""

    def __missing__(self, row: object) -> int:
        return self.setdefault(row, len(self))
