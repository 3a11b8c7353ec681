"""The source of a function as a player shows it: in tokens, and by the statements that run."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import NamedTuple

from pygments.lexers.python import PythonLexer
from pygments.token import Token

from helpers.tracing.trace import Step, Trace

BLOCK = "the block"

_CLASSES = {
    Token.Comment: "c",
    Token.Literal.String.Doc: "c",
    Token.Literal.String: "s",
    Token.Keyword: "k",
    Token.Operator.Word: "k",
    Token.Name.Function: "f",
}


class Guarded(NamedTuple):
    """What a test or the head of a loop decides: the line of its statement, the first and the last
    line that it guards, and of its `else`, 0 and 0 where there is none."""

    head: int
    first: int
    last: int
    other: int
    end: int


class Listing(NamedTuple):
    """The source of one function: its name, the number of its first line, of each line the tokens,
    as class, text, class, text, … with tabs between, and the number of the line at which its
    statement begins; 0 for a line that does not run. `blocks`: outer ones before those inside."""

    name: str
    first: int
    tokens: list[str]
    statements: list[int]
    blocks: list[Guarded]


def listings_of(*traces: Trace) -> list[Listing]:
    """The sources that are shown: of each function that ran, unless it stands in that of another,
    and at the end the lines of the blocks that raised."""
    functions: dict[str, tuple[int, tuple[str, ...]]] = {}
    for steps in traces:
        functions |= steps.functions()
    ranges = [range(first, first + len(text)) for first, text in functions.values()]
    found = []
    for name, (first, text) in functions.items():
        if sum(first in one for one in ranges) == 1:
            found.append(_listing(name, first, text))
    blocks = [listing_of_block(steps[-1]) for steps in traces if steps and not steps[-1].stack]
    return found + [one for at, one in enumerate(blocks) if one not in blocks[:at]]


def listing_of_block(step: Step) -> Listing:
    """The line of the block itself that raised."""
    return Listing(BLOCK, step.line, [_joined(["", step.source])], [0], [])


@lru_cache(maxsize=64)  # the same few functions run in trace after trace
def _listing(name: str, first: int, text: tuple[str, ...]) -> Listing:
    indent = len(text[0]) - len(text[0].lstrip())
    lines = [line if line[:indent].strip() else line[indent:] for line in text]
    tree = ast.parse("\n".join(lines))
    ast.increment_lineno(tree, first - 1)
    statements = _statements(tree, lines, first)
    return Listing(name, first, _tokens(lines), statements, _blocks(tree))


def _blocks(tree: ast.Module) -> list[Guarded]:
    forks = [node for node in ast.walk(tree) if isinstance(node, (ast.If, ast.While, ast.For))]
    found = []
    for node in sorted(forks, key=lambda node: node.lineno):
        other = (node.orelse[0].lineno, node.orelse[-1].end_lineno) if node.orelse else (0, 0)
        found.append(Guarded(node.lineno, node.body[0].lineno, node.body[-1].end_lineno, *other))
    return found


def _tokens(lines: list[str]) -> list[str]:
    found: list[list[str]] = [[] for _ in lines]
    at = 0
    for kind, words in PythonLexer(stripnl=False, ensurenl=False).get_tokens("\n".join(lines)):
        name = next((name for family, name in _CLASSES.items() if kind in family), "")
        for i, part in enumerate(words.split("\n")):
            at += i > 0
            line = found[at]
            if line and (line[-2] == name or part.isspace()):
                line[-1] += part
            elif line and part and line[-1].isspace():  # the indentation goes with what follows
                line[-2:] = [name, line[-1] + part]
            elif part:
                line += [name, part]
    return [_joined(line) for line in found]


def _joined(tokens: list[str]) -> str:
    return "\t".join(one.replace("\t", " ") for one in tokens)


def _statements(tree: ast.Module, lines: list[str], first: int) -> list[int]:
    """For each line that at which its statement begins; 0 for the head, blank lines and comments:
    they do not run."""
    kinds = (ast.stmt, ast.excepthandler)
    head, *inner = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    starts: dict[int, int] = {}
    for node in inner:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        end = node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno
        starts |= dict.fromkeys(range(node.lineno, end + 1), 0 if docstring else node.lineno)
    starts |= dict.fromkeys(range(first, head.body[0].lineno), 0)
    found, following = [], 0
    for number, line in reversed(list(enumerate(map(str.strip, lines), first))):
        if not line or line.startswith("#"):
            found.append(0)
            continue
        # else, try and finally: what follows tells whether they are reached.
        following = starts.get(number, following)
        found.append(following)
    return found[::-1]
