"""The front end as files: joined into one piece, formatted and linted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.views.bundle import bundle, front_end
from helpers.views.markup import ACCENT, PROSE
from helpers.views.quiz_card import QuizCard
from tests.lesson_kernel import ROOT

VIEWS = ROOT / "helpers" / "views"
FILES = sorted(path for path in VIEWS.iterdir() if path.suffix in (".js", ".css"))
EXPORTED = [path for kind in ("css", "json", "js") for path in VIEWS.glob(f"exported/**/*.{kind}")]
TIDY = [*FILES, *EXPORTED]
# What is not imported by another is the front end of a view.
ENTRIES = sorted(path.stem for path in VIEWS.glob("*.js") if path.with_suffix(".css").exists())
NO_PACKAGES = "the linters of the front end need npm, and a network from which it gets them"


def written(folder: Path, **files: str) -> Path:
    """The folder with `files`, each under its name with a dot for "__"; the first one's path."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder / next(iter(files)).replace("__", ".")


VIEW = "\nexport default { render };\n"


def test_each_import_comes_once_and_before_what_needs_it(tmp_path):
    view = written(
        tmp_path,
        view__js='import { a } from "./a.js";\nimport {\n  b,\n} from "./b.js";\nconst c = a + b;'
        + VIEW,
        a__js='import { b } from "./b.js";\n\nexport const a = b;\n',
        b__js="// The ground.\nexport const b =\n  1; // One.\n",
    )
    parts = ["const b =\n1;", "const a = b;", "const c = a + b;", "export default { render };"]
    assert bundle(view) == "".join(parts)


def test_a_style_sheet_is_joined_in_the_same_way(tmp_path):
    view = written(
        tmp_path,
        view__css='@import "./base.css";\n@import "./more.css";\n\n.view {\n}\n',
        more__css='@import "./base.css";\n\n.more {\n}\n',
        base__css='/* The\n   ground. */\n.base {\n  top: 0; /* here */\n  content: "a: b {";\n}\n'
        ".base > a {\n}\n",
    )
    assert bundle(view).startswith('.base{top:0;content:"a: b {"}.base>a{}.more{')
    assert re.findall(r"\.\w+", bundle(view)) == [".base", ".base", ".more", ".view"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"view__js": 'import a from "./a.js";'}, "view.js: not understood: import a from"),
        ({"view__js": 'import "./a.js";'}, "view.js: not understood: import"),
        ({"view__js": 'export { a } from "./a.js";'}, "view.js: not understood: export"),
        ({"view__js": 'function a() {\n  import("./a.js");\n}'}, "view.js: not understood:   imp"),
        ({"view__js": "start();"}, r"view.js: not understood: start\(\);"),
        ({"view__js": "const { a, b } = c;"}, "view.js: not understood: const { a"),
        (
            {"view__js": 'import { a as b } from "./a.js";', "a__js": "export const a = 1;"},
            "view.js: a.js does not export a as b",
        ),
        (
            {"view__js": 'import { a } from "./a.js";', "a__js": "const a = 1;"},
            "view.js: a.js does not export a",
        ),
        (
            {
                "view__js": 'import { a } from "./a.js";\nlet b;',
                "a__js": "export class a {}\nlet b;",
            },
            "b is declared in a.js and in view.js",
        ),
        (
            {
                "view__js": 'import { a } from "./a.js";\nexport let b;',
                "a__js": 'import { b } from "./view.js";\nexport let a;',
            },
            "view.js imports itself, by way of a.js",
        ),
        (
            {"view__js": 'import { a } from "./a.js";', "a__js": "export const a = 1;" + VIEW},
            "a.js: only a view has a default export",
        ),
        ({"view__css": '@import url("a.css");'}, "view.css: not understood: an @import"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, files, words):
    with pytest.raises(ValueError, match=words):
        bundle(written(tmp_path, **files))


@pytest.mark.parametrize("name", ENTRIES)
def test_a_view_comes_whole_and_asks_for_nothing_more(name):
    script, style = front_end(name)
    assert script.count("export default { render };") == 1
    assert not re.search(r"^(import|export (?!default))", script, re.MULTILINE)
    assert "@import" not in style and "url(" not in style
    script = script.replace('"http://www.w3.org/2000/svg"', "")  # a name, which nobody fetches
    assert not re.search(r"https?:|innerHTML|insertAdjacentHTML|eval\(", script)


def test_what_is_left_out_of_a_view_is_comments_and_indentation():
    """A text in a program may look like a comment, and none may go over two lines."""
    comment = "(?<!http:)//"
    for path in FILES:
        text, packed = path.read_text(encoding="utf-8"), bundle(path)
        if path.suffix == ".js":
            assert not re.search(rf"`[^`\n]*\$\{{[^}}`]*\n|{comment}", packed), path.name
            code = re.sub(rf"{comment}.*|^import .*", "", text, flags=re.MULTILINE)
            words = set(re.findall(r'"[^"\n]+"', code))
            assert all(word in packed for word in words), path.name


def test_every_file_belongs_to_a_view():
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    imported = set(re.findall(r'"\./(\w+\.\w+)"', text))
    entries = {f"{name}{kind}" for name in ENTRIES for kind in (".js", ".css")}
    assert {path.name for path in FILES} == imported | entries
    # A view that holds another one brings the whole of its style sheet.
    assert imported & entries == {"trace_player.css"}


def test_a_rule_of_a_view_is_never_less_than_a_shared_one():
    """All rules of a view stand inside one with two classes of its root, shared ones do not."""
    for path in FILES:
        if path.suffix == ".css":
            heads = re.findall(r"^[^\s@}/].*", path.read_text(encoding="utf-8"), re.MULTILINE)
            own = [head for head in heads if re.match(r"\.inm\.inm-\w+", head)]
            assert own == (heads if path.stem in ENTRIES else []), path.name


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the formatter and the linter, in the versions that `front_end` names."""
    folder, npm = tmp_path_factory.mktemp("front_end"), shutil.which("npm")
    shutil.copytree(ROOT / "tests" / "front_end", folder, dirs_exist_ok=True)
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline")
    command = [npm, "install", "--fetch-retries=0", *quiet]
    done = npm and subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if not done or done.returncode:
        words = NO_PACKAGES + (f"\n{done.stderr}" if done else "")
        (pytest.fail if os.environ.get("INM_REQUIRE_BROWSER") else pytest.skip)(words)
    return folder


def told(tools: Path, tool: str, *arguments: str | Path) -> str:
    """What `tool` finds wrong; nothing if it is content."""
    program = tools / "node_modules" / ".bin" / tool
    run = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True)
    return run.stdout + run.stderr if run.returncode else ""


def lint(tools: Path, *paths: str | Path) -> str:
    return told(tools, "eslint", "--config", tools / "eslint.config.mjs", *paths)


def style(tools: Path, *paths: str | Path) -> str:
    return told(tools, "prettier", "--config", ROOT / ".prettierrc.json", "--check", *paths)


def test_the_formatter_would_change_nothing(tools):
    assert style(tools, *TIDY, ROOT / "tests" / "front_end") == ""
    assert not [path for path in FILES if "prettier-ignore" in path.read_text(encoding="utf-8")]


def test_the_linter_finds_nothing(tools):
    assert lint(tools, *(path for path in TIDY if path.suffix == ".js")) == ""


def test_no_line_is_longer_than_a_hundred_characters():
    lines = [(path, line) for path in FILES for line in path.read_text("utf-8").splitlines()]
    assert [f"{path.name}: {line}" for path, line in lines if len(line) > 100] == []


def test_a_fault_is_noticed(tools):
    """A long function, a name that nobody declared, and a file that is not formatted."""
    path = VIEWS / "life.js"
    long = "export function long() {\n" + "  undeclared();\n" * 60 + "}\n"
    command = [tools / "node_modules" / ".bin" / "eslint", "--config", tools / "eslint.config.mjs"]
    run = subprocess.run(
        [*command, "--stdin", "--stdin-filename", path],
        cwd=ROOT,
        input=long,
        capture_output=True,
        text=True,
    )
    assert "max-lines-per-function" in run.stdout and "no-undef" in run.stdout
    untidy = tools / "untidy.js"
    untidy.write_text("const a = { b : 1 }")
    assert "untidy.js" in style(tools, untidy)


def test_lines_of_words_are_as_long_on_a_still_face_as_on_a_live_one():
    assert f"{PROSE.replace(':', ': ')};" in (VIEWS / "base.css").read_text(encoding="utf-8")


def test_the_legend_of_a_player_has_each_sign_that_its_sheet_draws_beside_a_line():
    sheet = (VIEWS / "trace_player.css").read_text(encoding="utf-8")
    signs = re.findall(r'data-sign="\w+"\]::before \{[^}]*content: "(.)"', sheet)
    legend = (VIEWS / "trace_player_whole.js").read_text(encoding="utf-8")
    assert len(signs) == 4 and all(f"{sign} " in legend for sign in signs)


def test_the_blue_is_the_same_on_a_still_face_a_live_one_and_a_page():
    live = (VIEWS / "base.css").read_text(encoding="utf-8")
    page = (VIEWS / "exported" / "inside-nn-module" / "look.css").read_text(encoding="utf-8")
    assert f"--inm-accent: var(--jp-brand-color1, {ACCENT});" in live
    assert f"--jp-brand-color1: {ACCENT};" in page
    card = QuizCard("1", "?", [("a", "b")], 0)
    assert re.findall(r"border-left:4px solid (#\w+)", card.static_face()) == [ACCENT]
