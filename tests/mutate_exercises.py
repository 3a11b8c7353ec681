"""What does a check let pass? `python -m tests.mutate_exercises [KEY ...]` changes each reference
in one place at a time, asks for the verdict, and prints every mutant that is accepted.

Each survivor has to be equivalent to the reference, as far as its docstring asks, or to change a
message only; `EQUIVALENT` says of those that are known why.
"""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Iterator

from helpers.exercises.engine import all_exercises, examine
from helpers.exercises.exercise import Exercise, defined, parts_of, source_of
from helpers.exercises.facts import Unsolved
from helpers.exercises.stopping import own_room

_PAIRS = [
    (ast.Add, ast.Sub),
    (ast.Mult, ast.Div),
    (ast.Eq, ast.NotEq),
    (ast.Is, ast.IsNot),
    (ast.In, ast.NotIn),
    (ast.Lt, ast.GtE),
    (ast.Gt, ast.LtE),
    (ast.And, ast.Or),
    (ast.BitOr, ast.BitAnd),
]
_SWAPS = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
_NAMES = [
    ("amin", "amax"),
    ("zeros", "ones"),
    ("sin", "cos"),
    ("parameters", "buffers"),
    ("named_parameters", "named_buffers"),
    ("modules", "children"),
    ("eval", "train"),
    ("named_modules", "named_children"),
    ("append", "remove"),
    ("Parameter", "Buffer"),
    ("register_buffer", "register_parameter"),
    ("detach", "clone"),
    ("nbytes", "numel"),
    ("startswith", "endswith"),
    ("removeprefix", "removesuffix"),
    ("rpartition", "partition"),
    ("ModuleList", "ModuleDict"),
    ("ParameterDict", "ModuleDict"),
    ("SGD", "Adam"),
    ("ones", "empty"),
    ("any", "all"),
    ("min", "max"),
]


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(what was changed, the changed text) for each place of `source` and each change of it."""
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    messages = {id(one) for raised in ast.walk(tree) for one in _message(raised)}
    for index, node in enumerate(ast.walk(tree)):
        if id(node) in messages:
            continue
        for number in range(len(list(_changes(copy.deepcopy(node))))):
            twin = copy.deepcopy(tree)
            place = next(one for at, one in enumerate(ast.walk(twin)) if at == index)
            words, new = list(_changes(place))[number]
            changed = ast.unparse(_Put(place, new).visit(twin)) if new is not place else None
            changed = changed or ast.unparse(twin)
            if changed not in seen and _compiles(changed):
                seen.add(changed)
                yield f"line {getattr(node, 'lineno', 0)}: {words}", changed


def _message(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a `raise`: its words, which nobody asks for."""
    if isinstance(node, ast.Raise):
        yield from list(ast.walk(node))[1:]


class _Put(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def _compiles(text: str) -> bool:
    try:
        compile(text, "<mutant>", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _changes(node: ast.AST) -> list[tuple[str, ast.AST]]:
    """(words, new node) of each change; every new node is a copy."""
    kinds = {
        ast.Constant: _of_constant,
        ast.Call: _of_call,
        ast.Attribute: _of_attribute,
        ast.BinOp: _of_operator,
        ast.BoolOp: _of_operator,
        ast.Compare: _of_comparison,
        ast.Subscript: lambda one: [("drops a subscript", one.value)],
        ast.UnaryOp: lambda one: [("drops an operator", one.operand)],
        ast.IfExp: lambda one: [("takes one branch", one.body), ("takes the other", one.orelse)],
        ast.comprehension: _of_comprehension,
    }
    if type(node) in kinds:
        return list(kinds[type(node)](node))
    return list(_of_statement(node)) if isinstance(node, ast.stmt) else []


def _with(node: ast.AST, **fields: object) -> ast.AST:
    twin = copy.deepcopy(node)
    for name, value in fields.items():
        setattr(twin, name, value)
    return twin


def _of_constant(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    others: list[object] = []
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, (int, float)):
        others = [value + 1, value * 2, -value, 0]
    elif isinstance(value, str):
        others = [f"{value}x", value[:-1], ""]
    for other in others:
        yield f"{value!r} becomes {other!r}", ast.copy_location(ast.Constant(other), node)


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    for i in range(len(node.keywords)):
        kept = node.keywords[:i] + node.keywords[i + 1 :]
        yield f"drops {node.keywords[i].arg}=", _with(node, keywords=kept)
    for i in range(len(node.args)):
        yield f"drops argument {i}", _with(node, args=node.args[:i] + node.args[i + 1 :])
        yield f"argument {i} in place of {ast.unparse(node)}", node.args[i]
    if len(node.args) == 2:
        yield "turns its arguments", _with(node, args=node.args[::-1])
    if isinstance(node.func, ast.Attribute):
        yield f"drops .{node.func.attr}()", node.func.value


def _of_attribute(node: ast.Attribute) -> Iterator[tuple[str, ast.AST]]:
    for pair in _NAMES:
        if node.attr in pair:
            other = pair[1 - pair.index(node.attr)]
            yield f".{node.attr} becomes .{other}", _with(node, attr=other)


def _of_operator(node: ast.BinOp | ast.BoolOp) -> Iterator[tuple[str, ast.AST]]:
    if type(node.op) in _SWAPS:
        yield "another operator", _with(node, op=_SWAPS[type(node.op)]())
    sides = node.values if isinstance(node, ast.BoolOp) else [node.left, node.right]
    for side in sides:
        yield f"only {ast.unparse(side)}", side


def _of_comparison(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    if type(node.ops[0]) in _SWAPS:
        yield "another comparison", _with(node, ops=[_SWAPS[type(node.ops[0])]()])
    for value in (True, False):
        yield f"always {value}", ast.copy_location(ast.Constant(value), node)


def _of_comprehension(node: ast.comprehension) -> Iterator[tuple[str, ast.AST]]:
    for i, test in enumerate(node.ifs):
        rest = node.ifs[:i] + node.ifs[i + 1 :]
        yield "drops a condition", _with(node, ifs=rest)
        yield "negates a condition", _with(node, ifs=[*rest, ast.UnaryOp(ast.Not(), test)])


def _of_statement(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    here = ast.copy_location(ast.Pass(), node)
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        if node.decorator_list:
            yield "drops the decorators", _with(node, decorator_list=[])
        for i, default in enumerate(getattr(getattr(node, "args", None), "defaults", [])):
            yield f"drops default {ast.unparse(default)}", _without_default(node, i)
        yield f"drops {node.name}", here
        return
    yield f"drops {ast.unparse(node).splitlines()[0]}", here
    if isinstance(node, (ast.If, ast.While)):
        yield "negates the test", _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        yield "always", _with(node, test=ast.Constant(True))
    if isinstance(node, ast.For):
        yield "only the first", _with(node, body=[*node.body, ast.Break()])
        backwards = ast.parse(f"reversed(list({ast.unparse(node.iter)}))", mode="eval").body
        yield "backwards", _with(node, iter=backwards)
    if isinstance(node, ast.With):
        yield "without the with", _with(node, items=ast.parse("with open: pass").body[0].items)
    if isinstance(node, ast.Try) and node.finalbody:
        yield (
            "finally only after success",
            _with(
                node,
                finalbody=[],
                orelse=node.finalbody,
                handlers=ast.parse("try: pass\nexcept ZeroDivisionError: pass").body[0].handlers,
            ),
        )


def _without_default(node: ast.FunctionDef, index: int) -> ast.AST:
    twin = copy.deepcopy(node)
    del twin.args.defaults[index]
    return twin


# Mutants that are right, by exercise: what was changed, and why it makes no difference.
EQUIVALENT: dict[str, dict[str, str]] = {
    "1.3": {
        "line 5: .ones becomes .zeros": "the first number of `scale` is not asked for",
        "line 5: .ones becomes .empty": "the first number of `scale` is not asked for",
    },
    "1.4": {"line 3: argument 0 in place of id(value)": "a tensor's hash is its identity"},
    "1.5": {"line 3: backwards": "the position goes along with the parameter"},
    "2.3": {"line 7: backwards": "the order in which they are frozen plays no part"},
    "3.2": {"line 4: 1 becomes -1": "the last dimension of two is the second"},
    "3.3": {"line 4: .empty becomes .ones": "no rows have no numbers"},
    "3.5": {"line 2: backwards": "the order of the modules plays no part"},
    "4.2": {"line 5: argument 0 in place of tuple(parameter.shape)": "a `torch.Size` is a tuple"},
    "6.2": {
        f"line 4: {words}": "an `nn.ParameterDict` makes a parameter of any tensor"
        for words in (
            "argument 0 in place of nn.Parameter(torch.ones(1))",
            ".Parameter becomes .Buffer",
        )
    },
    "6.5": {"line 5: backwards": "`forward` goes by the names, whatever their order"},
    "6.7": {"line 3: backwards": "the order of the entries plays no part"},
    "5.2": {"line 2: backwards": "it goes on until nothing changes, in any order"},
    "5.5": {"line 13: drops weights_only=": "it is the default since torch 2.6"},
    "7.3": {"line 10: backwards": "a name has one home"},
    "8.2": {
        "line 3: turns its arguments": "the least of two numbers, in any order",
        "line 4: turns its arguments": "the least of two numbers, in any order",
    },
    "8.3": {
        "line 3: backwards": "the pieces do not overlap",
        "line 2: .empty becomes .ones": "the pieces cover the whole",
        "line 2: 1 becomes -1": "the last of two is the second",
        "line 4: turns its arguments": "a sum, in any order",
        "line 4: drops strict=": "an offset has as many numbers as its piece has dimensions",
        "line 4: True becomes False": "an offset has as many numbers as its piece has dimensions",
    },
    "8.4": {
        "line 5: backwards": "the order of the entries plays no part",
        "line 6: backwards": "the order of the entries plays no part",
        "line 5: drops strict=": "a state_dict has the groups of its optimizer",
        "line 5: True becomes False": "a state_dict has the groups of its optimizer",
        "line 6: drops strict=": "a group has as many positions as parameters",
        "line 6: True becomes False": "a group has as many positions as parameters",
    },
    "7.4": {
        "line 5: drops if not isinstance(name, str):": "`in` and `hasattr` raise the same",
        "line 6: drops raise TypeError('a name is a text')": "`in` and `hasattr` raise the same",
        "line 5: argument 1 in place of isinstance(name, str)": "`in` and `hasattr` raise the same",
    },
    "7.5": {
        "line 3: only not (module is None or isinstance(module, Base))": "`in` raises the same",
        "line 3: argument 1 in place of isinstance(name, str)": "`in` raises the same",
    },
    "7.8": {
        "line 5: drops keep_vars=": "a detached tensor has the same memory",
        "line 5: True becomes False": "a detached tensor has the same memory",
        "line 8: 'missing ' becomes ''": "a message",
        "line 9: 'unexpected ' becomes ''": "a message",
        "line 12: 'another shape under ' becomes ''": "a message",
        "line 10: backwards": "keys of one tensor have the same numbers",
    },
    "7.9": {
        "line 3: backwards": "each tensor is on its own",
        "line 5: backwards": "each tensor is on its own",
        "line 9: backwards": "each tensor is on its own",
        "line 25: backwards": "each module is on its own",
    },
}


def survivors(exercise: Exercise) -> tuple[int, list[tuple[str, str]]]:
    """How many mutants were asked, and (words, text) of each that was accepted."""
    if not parts_of(exercise.reference):
        return 0, []
    count, passed = 0, []
    for words, text in mutants(source_of(exercise.reference)):
        count += 1
        try:
            with own_room():
                right = examine(exercise, defined(text, exercise.reference)).right
        except Unsolved:
            right = False
        except Exception:  # it cannot even be defined
            continue
        if right:
            passed.append((words, text))
    return count, passed


def unmet(key: str, passed: list[tuple[str, str]]) -> list[str]:
    """What `EQUIVALENT` explains of an exercise, and none of the mutants that passed has."""
    met = {words for words, _ in passed}
    return [words for words in EQUIVALENT.get(key, {}) if words not in met]


def main(keys: list[str]) -> None:
    every = all_exercises()
    for key in EQUIVALENT.keys() - every.keys():
        print(f"*** EXPLAINED, AND NO EXERCISE: {key}")
    for key in keys or every:
        count, passed = survivors(every[key])
        known = EQUIVALENT.get(key, {})
        print(f"{key}: {count} mutants, {len(passed)} accepted")
        for words, text in passed:
            print(f"    {words}: {known.get(words, '*** NOT EXPLAINED')}")
            if words not in known:
                print("        " + text.replace("\n", "\n        "))
        for words in unmet(key, passed):
            print(f"    *** EXPLAINED, AND NOT MET: {words}")


if __name__ == "__main__":
    main(sys.argv[1:])
