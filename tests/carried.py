"""What a reader carries: the lines of each room, and of the chain of modules behind each view.

python -m tests.carried
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.lesson_kernel import ROOT

HELPERS = ROOT / "helpers"
FRONT_END = (".js", ".css")


def rooms() -> list[str]:
    return sorted(path.parent.name for path in HELPERS.glob("*/__init__.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every dotted name that the code imports, in its functions too: of `from a import b` both `a`
    and `a.b`, which may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path, *, everywhere: bool) -> set[str]:
    """What the module at `path` imports; without what its functions do, unless `everywhere`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = [tree] if everywhere else tree.body
    kept = [part for part in parts if everywhere or isinstance(part, ast.Import | ast.ImportFrom)]
    return {name for part in kept for name in imported(part)}


def tops(names: set[str]) -> set[str]:
    """The packages in which these dotted names are."""
    return {name.partition(".")[0] for name in names}


def file_of(name: str) -> Path | None:
    """The file of a module of `helpers`, by its dotted name; None for what is none."""
    path = ROOT.joinpath(*name.split("."))
    found = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()]
    return found[0] if name.startswith("helpers.") and found else None


def needed_by(path: Path) -> list[Path]:
    """The files of `helpers` that the file at `path` imports."""
    if path.suffix in FRONT_END:
        named = re.findall(r'"\./(\w+\.(?:js|css))"', path.read_text(encoding="utf-8"))
        return [path.parent / name for name in named]
    names = sorted(imports(path, everywhere=True))
    return [file for file in map(file_of, names) if file]


def chain(start: Path) -> list[Path]:
    """The file at `start` and all that stands behind it, each once."""
    found = [start]
    for path in found:  # which grows
        found += [file for file in dict.fromkeys(needed_by(path)) if file not in found]
    return found


def lines(paths: Iterable[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def views() -> dict[str, Path]:
    """The module of each view among the public names, by that name."""
    tree = ast.parse((HELPERS / "__init__.py").read_text(encoding="utf-8"))
    sources = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {
        alias.name: file_of(node.module)
        for node in sources
        if node.module.startswith("helpers.views.")
        for alias in node.names
    }


def front_end(view: Path) -> list[Path]:
    """The scripts and style sheets behind the view whose module is at `view`, each once."""
    own = [view.with_suffix(kind) for kind in FRONT_END]
    return list(dict.fromkeys(file for path in own if path.exists() for file in chain(path)))


def told_of_rooms() -> Iterator[str]:
    yield f"{'room':14}{'modules':>9}{'Python':>9}{'JS, CSS':>9}"
    for room in rooms():
        inside = [path for path in (HELPERS / room).rglob("*") if path.is_file()]
        python = [path for path in inside if path.suffix == ".py"]
        web = lines(path for path in inside if path.suffix in FRONT_END)
        yield f"{room:14}{len(python):9}{lines(python):9,}{web:9,}"
    outside = list(HELPERS.glob("*.py"))
    yield f"{'no room':14}{len(outside):9}{lines(outside):9,}{0:9}"


def told_of_views() -> Iterator[str]:
    yield f"{'view':17}{'Python':>9}{'JS, CSS':>9}{'both':>9}"
    for name, path in sorted(views().items()):
        python, web = chain(path), front_end(path)
        yield f"{name:17}{lines(python):9,}{lines(web):9,}{lines([*python, *web]):9,}"
        behind = ", ".join(f"{_named(file)} {lines([file])}" for file in [*python, *web])
        yield textwrap.fill(behind, 96, initial_indent="    ", subsequent_indent="    ")


def _named(path: Path) -> str:
    if path.suffix in FRONT_END:
        return path.name
    return ".".join(path.relative_to(HELPERS).with_suffix("").parts)


def main() -> None:
    print(*told_of_rooms(), "", *told_of_views(), sep="\n")


if __name__ == "__main__":
    main()
