"""The source of torch's `nn/modules/module.py` as it is installed: its functions and its
conditions, by line.
"""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass
from functools import cache

from torch import nn

# Asked of a function, not of the module object: a frame names its file in the same way.
FILE = nn.Module.__init__.__code__.co_filename


@dataclass(frozen=True)
class Function:
    """One function: its `name` as Python qualifies it, and its first and last line."""

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class Condition:
    """The test of one `if` or `while`: its text on one line, the lines it stands on, the lines of
    what it guards.
    """

    text: str
    first: int
    last: int
    body: tuple[int, int]


@dataclass(frozen=True)
class Source:
    """The file by line number: `lines`, and the innermost function and the condition that a line
    belongs to.
    """

    lines: tuple[str, ...]
    functions: dict[int, Function]
    conditions: dict[int, Condition]

    def function(self, line: int) -> Function:
        """The innermost function around `line`; the whole file where there is none."""
        return self.functions.get(line) or Function("<module>", 1, len(self.lines))

    def text(self, line: int) -> str:
        """Line `line` without its indentation; empty past the end."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""


@cache
def source_lines() -> tuple[str, ...]:
    """The lines of the installed file. RuntimeError if torch is here without its source."""
    lines = tuple(line.rstrip("\n") for line in linecache.getlines(FILE))
    if not lines:
        raise RuntimeError(
            f"the source of torch is not installed: there is no {FILE}, so no line of it can be shown"
        )
    return lines


@cache
def module_source() -> Source:
    """The installed file, parsed once. RuntimeError as in `source_lines`."""
    lines, functions, conditions = source_lines(), {}, {}
    pending: list[tuple[ast.AST, str]] = [(ast.parse("\n".join(lines)), "")]
    for (
        node,
        inside,
    ) in (
        pending
    ):  # breadth first: an inner function comes after the one around it, and wins its lines
        if isinstance(node, ast.ClassDef):
            inside += f"{node.name}."
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            made = Function(inside + node.name, first, node.end_lineno)
            functions |= dict.fromkeys(range(first, node.end_lineno + 1), made)
            inside += f"{node.name}.<locals>."
        elif isinstance(node, (ast.If, ast.While)) and node.body[0].lineno > node.test.end_lineno:
            test = node.test
            body = (node.body[0].lineno, node.body[-1].end_lineno)
            made = Condition(ast.unparse(test), node.lineno, test.end_lineno, body)
            conditions |= dict.fromkeys(range(node.lineno, test.end_lineno + 1), made)
        pending += [
            (child, inside)
            for child in ast.iter_child_nodes(node)
            if not isinstance(child, ast.expr)
        ]
    return Source(lines, functions, conditions)
