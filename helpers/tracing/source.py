"""The source of torch's `nn/modules/module.py` as it is installed, by line: the function that a
line is in, and whether it decides which line is next."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

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
class Fork:
    """The test of one `if` or `while`, or the head of one `for`: it decides which line is next."""

    node: ast.If | ast.While | ast.For

    @property
    def loop(self) -> bool:
        """Whether it is the head of a `for`."""
        return isinstance(self.node, ast.For)

    @cached_property
    def lines(self) -> range:
        """The lines that it stands on."""
        head = self.node.iter if self.loop else self.node.test
        return range(self.node.lineno, head.end_lineno + 1)

    @cached_property
    def body(self) -> range:
        """The lines that it guards."""
        return range(self.node.body[0].lineno, self.node.body[-1].end_lineno + 1)

    @cached_property
    def text(self) -> str:
        """The test, or the head of the loop, on one line."""
        if not self.loop:
            return ast.unparse(self.node.test)
        alone = ast.For(self.node.target, self.node.iter, [ast.Pass()], [], lineno=0)
        return ast.unparse(alone).partition(":\n")[0]

    @property
    def condition(self) -> str:
        """The text of a test; "" for the head of a loop."""
        return "" if self.loop else self.text


@dataclass(frozen=True)
class Source:
    """The file by line number: `lines`, and the innermost function and the fork of each line."""

    lines: tuple[str, ...]
    functions: dict[int, Function]
    forks: dict[int, Fork]

    def function(self, line: int) -> Function:
        """The innermost function around `line`; the whole file where there is none."""
        return self.functions.get(line) or Function("<module>", 1, len(self.lines))

    def code(self, line: int) -> str:
        """Line `line` without its indentation; empty past the end."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""


@cache
def source_lines() -> tuple[str, ...]:
    """The lines of the installed file. RuntimeError if torch is here without its source."""
    lines = tuple(line.rstrip("\n") for line in linecache.getlines(FILE))
    if not lines:
        missing = f"there is no {FILE}, so no line of it can be shown"
        raise RuntimeError(f"the source of torch is not installed: {missing}")
    return lines


@cache
def module_source() -> Source:
    """The installed file, parsed once. RuntimeError as in `source_lines`."""
    lines = source_lines()
    functions: dict[int, Function] = {}
    forks: dict[int, Fork] = {}
    for node, name in _statements(ast.parse("\n".join(lines))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            around = range(first, node.end_lineno + 1)
            functions |= dict.fromkeys(around, Function(name, first, node.end_lineno))
        elif isinstance(node, (ast.If, ast.While, ast.For)):
            fork = Fork(node)
            if fork.body.start not in fork.lines:  # else one line for both, and no event tells
                forks |= dict.fromkeys(fork.lines, fork)
    return Source(lines, functions, forks)


def _statements(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every statement with the name of the function or class that it makes, or stands in.

    Breadth first: an inner function comes after the one around it, and wins its lines."""
    pending: list[tuple[ast.AST, str, str]] = [(tree, "", "")]
    for node, prefix, name in pending:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = prefix + node.name
            prefix = f"{name}." if isinstance(node, ast.ClassDef) else f"{name}.<locals>."
        yield node, name
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.expr):
                pending.append((child, prefix, name))
