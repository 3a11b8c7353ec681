"""The front end of a view in one piece: what its files import, each file once, and then the view.

anywidget takes one text of JavaScript and one of CSS, and a learner has no Node. Yet the files are
real modules and style sheets, which a linter reads. Of both languages the few top-level forms below
are understood; anything else is refused, with the file and the line. Comments, indentation and
most ends of lines stay behind, which are a quarter of it: it travels with every view.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_SCRIPT_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\./\w+\.js)";$', re.MULTILINE)
_STYLE_IMPORT = re.compile(r'^@import (")(\./\w+\.css)";$', re.MULTILINE)
_LATE_IMPORT = re.compile(r"\bimport\s*[(.]")
_DECLARED = r"(export )?(?:class|const|let|(?:async )?function\*?) (\w+)\b"
_DECLARATION = re.compile(rf"^{_DECLARED}", re.MULTILINE)
# Of CSS, and of JavaScript: one that has a line to itself, or ends one after a mark that ends code.
_COMMENT = re.compile(r"/\*.*?\*/|(?:^ *|(?<=[;,{\[(]) )// [^\n]*$", re.DOTALL | re.MULTILINE)
_SPACES = re.compile(r'(?P<quoted>"[^"\n]*")|(?<=[:,>]) | (?=[{>])|(?<=})\n|;(?=})')
_DEFAULT = "export default { render };"
# The formatter indents whatever is inside another thing, so a line that is not indented begins a
# statement, ends one, or is a comment.
_TOP_LEVEL = re.compile(rf"{_DECLARED}|{re.escape(_DEFAULT)}$|//|[}})\]]|\s|$")


@dataclass(frozen=True)
class _Part:
    """One file: `imports` has the names that it takes from others, `text` its own lines."""

    name: str
    imports: dict[Path, set[str]]
    declared: dict[str, bool]  # name -> whether it is exported
    text: str


def front_end(view: str, **properties: str) -> tuple[str, str]:
    """The JavaScript and the CSS of `view`, such as "state_map", with all that they import.

    `properties` are custom ones of the view: what the style sheet has as var(--inm-right) is its
    `right`."""
    given = "".join(f"--inm-{name}:{value};" for name, value in properties.items())
    style = bundle(_HERE / f"{view}.css")
    return bundle(_HERE / f"{view}.js"), f".inm{{{given}}}{style}" if given else style


def bundle(path: Path) -> str:
    """The file at `path`, JavaScript or CSS, after the files that it imports.

    ValueError: a form that is not understood, a circle of imports, a name that is imported and not
    exported, or one that two files declare.
    """
    parts: dict[Path, _Part] = {}
    _collect(path, parts, ())
    owners: dict[str, str] = {}
    for part in parts.values():
        for source, names in part.imports.items():
            exported = {name for name, is_exported in parts[source].declared.items() if is_exported}
            if missing := sorted(names - exported):
                raise ValueError(f"{part.name}: {source.name} does not export {missing[0]}")
        for name in part.declared:
            if name in owners:
                raise ValueError(f"{name} is declared in {owners[name]} and in {part.name}")
            owners[name] = part.name
    packed = "".join(_packed(part.text) for part in parts.values())
    return _closed_up(packed) if path.suffix == ".css" else packed


@cache  # most files belong to several views
def _packed(text: str) -> str:
    """The lines of `text` without indentation and comments, as few as can be."""
    code = _COMMENT.sub("", text)
    lines = "".join(f"{line.strip()}\n" for line in code.splitlines() if line.strip())
    return re.sub(r"(?<=[;,{(\[])\n|\n(?=[)}\]])", "", lines)


def _closed_up(style: str) -> str:
    """CSS without what means nothing: a space after a colon or a comma, before "{" and around
    ">", a semicolon before "}", a line's end after it. What stands in quotes is left as it is.
    """
    return _SPACES.sub(lambda found: found["quoted"] or "", style)


def _collect(path: Path, parts: dict[Path, _Part], under_way: tuple[Path, ...]) -> None:
    """Put the file at `path` into `parts`, after all that it imports."""
    if path in under_way:
        raise ValueError(f"{path.name} imports itself, by way of {under_way[-1].name}")
    if path in parts:
        return
    read = _script if path.suffix == ".js" else _style
    part = read(path, path.read_text(encoding="utf-8"), is_entry=not under_way)
    for source in part.imports:
        _collect(source, parts, (*under_way, path))
    parts[path] = part


@cache
def _script(path: Path, text: str, is_entry: bool) -> _Part:
    imports = {
        path.parent / source: {name.strip() for name in names.split(",") if name.strip()}
        for names, source in _SCRIPT_IMPORT.findall(text)
    }
    own = _SCRIPT_IMPORT.sub("", text)
    for line in own.splitlines():
        if not _TOP_LEVEL.match(line) or _LATE_IMPORT.search(line):
            raise ValueError(f"{path.name}: not understood: {line}")
        if line == _DEFAULT and not is_entry:
            raise ValueError(f"{path.name}: only a view has a default export")
    declared = {name: bool(exported) for exported, name in _DECLARATION.findall(own)}
    return _Part(path.name, imports, declared, re.sub(r"^export (?!default)", "", own, flags=re.M))


@cache
def _style(path: Path, text: str, is_entry: bool) -> _Part:
    imports = {path.parent / source: set() for _, source in _STYLE_IMPORT.findall(text)}
    own = _STYLE_IMPORT.sub("", text).strip("\n") + "\n"
    if "@import" in own:
        raise ValueError(f"{path.name}: not understood: an @import")
    return _Part(path.name, imports, {}, own)
