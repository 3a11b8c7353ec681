"""README, teacher's guide and lessons agree: times, links, exercises, names."""

from __future__ import annotations

import builtins
import json
import os
import re
import shlex
import subprocess
import symtable
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise

import pytest

import helpers
from helpers.state.findings import CODES
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons, read, text

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "notebooks" / "TEACHING.md").read_text(encoding="utf-8")
START = "00_start_here"
STEMS = [path.stem for path in lessons()]
BELIEFS = "Beliefs, and the cell that settles each"
PARTS = ["45 minutes", "90 minutes", "Before each reveal", BELIEFS, "On the projector", "Homework"]
CELL_LINK = re.compile(r"\[([^\]]+)\]\((\d\d_\w+)\.ipynb#cell-id=([\w-]+)\)")
each_lesson = pytest.mark.parametrize("stem", STEMS)


@cache
def cells(stem: str) -> dict[str, dict]:
    """The cells of a lesson, by their ids."""
    return {cell["id"]: cell for cell in read(ROOT / "notebooks" / f"{stem}.ipynb")["cells"]}


def source(stem: str) -> str:
    return "\n".join(text(cell["source"]) for cell in cells(stem).values())


def parts(words: str, mark: str) -> dict[str, str]:
    """The parts of a Markdown text that begin with a heading of this level, by its words."""
    _, *pieces = re.split(rf"^{mark} (.+)$", words, flags=re.MULTILINE)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def rows(words: str) -> list[list[str]]:
    """The rows of the tables in `words` without their heads: the text of each cell."""
    tables = re.findall(r"(?:^\|.*\n)+", words + "\n", re.MULTILINE)
    bodies = [line for table in tables for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in bodies]


def whole_guide(stem: str) -> str:
    (words,) = [words for title, words in parts(GUIDE, "##").items() if title.endswith(f"`{stem}`")]
    return words


def guide(stem: str) -> dict[str, str]:
    """What the guide says about a lesson, by the heading of the part."""
    return parts(whole_guide(stem), "###")


def minutes(stem: str) -> int:
    """The time of a lesson, as the lesson itself states it in its opening."""
    found = re.findall(r"\*\*Time\.\*\*.*?[Aa]bout (\d+)", source(stem))
    assert len(found) == 1, f"{stem} says once `**Time.** About N minutes`; found {found}"
    return int(found[0])


def stated(stem: str, words: str) -> int:
    """The minutes in the one row of the tables in `words` that begins with a link to the lesson."""
    (row,) = [row for row in rows(words) if f"{stem}.ipynb)" in row[0]]
    return int(re.search(r"(\d+) min", " ".join(row))[1])


# --- times ---


@each_lesson
def test_the_readme_states_the_time_that_the_lesson_states(stem):
    assert stated(stem, README) == minutes(stem)


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem != START])
def test_the_map_of_the_course_states_the_time_that_the_lesson_states(stem):
    assert stated(stem, source(START)) == minutes(stem)


@each_lesson
def test_the_guide_states_the_time_that_the_lesson_states(stem):
    opening = whole_guide(stem).partition("\n### ")[0]
    assert int(re.search(r"About (\d+) minutes", opening)[1]) == minutes(stem)


@each_lesson
@pytest.mark.parametrize("whole", [45, 90])
def test_the_minutes_of_a_plan_add_up_and_each_row_names_a_place(stem, whole):
    plan = rows(guide(stem)[f"{whole} minutes"])
    assert sum(int(row[0]) for row in plan) == whole
    assert [row for row in plan if not CELL_LINK.match(row[1])] == []


def test_the_plan_for_one_class_in_all_adds_up():
    plan = rows(parts(parts(GUIDE, "##")["Which plan"], "###")["One class of 45 minutes in all"])
    assert sum(int(row[0]) for row in plan) == 45


# --- plans that run ---

ALL_ABOVE = "*Run All Above"
OF_IPYTHON = {"get_ipython", "display", "rank", "ranks"}  # the last two are those of `%%both`


def named(words: str) -> list[tuple[str, str]]:
    """(lesson, cell) of each link into a lesson in `words`."""
    return [(stem, cell) for _, stem, cell in CELL_LINK.findall(words)]


def run_by(plan: list[list[str]], before: list[list[str]] = ()) -> Iterator[tuple[str, str]]:
    """(lesson, cell) of each code cell that the rows of a plan run, as the guide says it: the first
    one, and each section down to the last cell that its row names, or, after *Run All Above*, the
    lesson down to there. *As above* are the rows `before`."""
    earlier = {named(row[1])[0]: named(row[2]) for row in before}
    started = set()
    for _, place, words in plan:
        stem, section = named(place)[0]
        told = [cell for lesson, cell in named(words) if lesson == stem]
        if "As above" in words:
            told += [cell for _, cell in earlier.get((stem, section), [])]
        code = [name for name, cell in cells(stem).items() if cell["cell_type"] == "code"]
        if stem not in started:
            started.add(stem)
            yield stem, code[0]
        order = list(cells(stem))
        if told:
            start = 0 if ALL_ABOVE in words else order.index(section)
            last = max(map(order.index, told))
            yield from ((stem, name) for name in order[start : last + 1] if name in code)


def unknown(run: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(cell, name) of each name that a cell reads and no cell before it has made."""
    known: dict[str, set[str]] = {}
    found = []
    for stem, cell in run:
        lines = text(cells(stem)[cell]["source"])
        table = symtable.symtable(re.sub(r"^[%!].*$", "", lines, flags=re.MULTILINE), cell, "exec")
        makes = {one.get_name() for one in table.get_symbols() if one.is_local()}
        there = known.setdefault(stem, set(vars(builtins)) | OF_IPYTHON)
        there |= makes
        found += [(cell, name) for name in sorted(read_by(table) - there)]
    return found


def read_by(table: symtable.SymbolTable) -> set[str]:
    """The names of the module that are read in a piece of code, and in its functions."""
    own = table.get_type() == "module"
    here = (one for one in table.get_symbols() if one.is_referenced() and (own or one.is_global()))
    inner = (read_by(child) for child in table.get_children())
    return {one.get_name() for one in here}.union(*inner)


@each_lesson
@pytest.mark.parametrize("whole", [45, 90])
def test_each_cell_of_a_plan_finds_what_it_needs(stem, whole):
    plans = {minutes: rows(guide(stem)[f"{minutes} minutes"]) for minutes in (45, 90)}
    assert unknown(run_by(plans[whole], plans[45])) == []


def test_each_cell_of_the_plan_for_one_class_in_all_finds_what_it_needs():
    plan = rows(parts(parts(GUIDE, "##")["Which plan"], "###")["One class of 45 minutes in all"])
    run = list(run_by(plan))
    assert unknown(run) == []
    without = [one for one in run if one[1] != "five-cell"]
    assert ("listed-cell", "Five") in unknown(without)


# --- links ---


def test_the_guide_has_every_lesson_in_order_and_the_same_parts_for_each():
    told = re.findall(r"^## Lesson \d · `(\w+)`$", GUIDE, re.MULTILINE)
    assert told == STEMS
    assert {stem: list(guide(stem)) for stem in told} == dict.fromkeys(told, PARTS)


def test_a_link_of_the_guide_into_a_lesson_names_a_cell():
    named = re.findall(r"\]\((\w+)\.ipynb([^)]*)\)", GUIDE)
    wrong = [
        f"{stem}{cell}" for stem, cell in named if stem not in STEMS or "#cell-id=" not in cell
    ]
    assert wrong == []


@each_lesson
def test_a_link_of_the_guide_leads_to_the_section_question_or_cell_that_it_names(stem):
    links = [(words, cell) for words, lesson, cell in CELL_LINK.findall(GUIDE) if lesson == stem]
    assert [link for link in links if not leads_there(stem, *link)] == []


def leads_there(stem: str, words: str, cell: str) -> bool:
    """Whether the cell is there and is what the words of the link say: its own name or that of a
    quiz in it (as code), a heading in it, or the opening of the lesson."""
    if cell not in cells(stem):
        return False
    inside = text(cells(stem)[cell]["source"])
    if words.startswith("`"):
        name = words.strip("`")
        return name == cell or f'quiz("{name}")' in inside
    headings = re.findall(r"^#+ +(.+?) *$", inside, re.MULTILINE)
    return words in headings or (words, cell) == ("opening", "title")


@each_lesson
def test_the_guide_has_a_row_for_each_quiz_of_the_lesson_and_a_cell_that_settles_each_belief(stem):
    asked = re.findall(r'^quiz\("([\w-]+)"\)', source(stem), re.MULTILINE)
    linked = {
        words.strip("`") for words, *_ in CELL_LINK.findall(guide(stem)["Before each reveal"])
    }
    assert set(asked) <= linked
    beliefs = rows(guide(stem)[BELIEFS])
    assert beliefs and all(CELL_LINK.search(row[1]) for row in beliefs)


def test_every_picture_is_shown_in_the_readme():
    kept = {f"notebooks/images/{path.name}" for path in (ROOT / "notebooks" / "images").iterdir()}
    assert set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)) == kept


# --- names ---


@each_lesson
def test_the_guide_gives_every_exercise_of_the_lesson_as_homework(stem):
    exercises = {cell["metadata"].get("exercise") for cell in cells(stem).values()} - {None}
    assert set(re.findall(rf"\b{int(stem[:2])}\.\d\b", guide(stem)["Homework"])) == exercises


def test_the_readme_lists_every_name_of_the_package_once_and_no_other():
    table = rows(parts(README, "##")["On your own model"])
    listed = re.findall(r"`(\w+)`", " ".join(" ".join(row[1:]) for row in table))
    assert sorted(listed) == sorted(helpers.__all__)


# --- the clinic ---

CLINIC = "06_clinic"
VISITS = [*(f"p{number}" for number in range(1, 14)), *(f"v{number}" for number in range(1, 6))]
VISITS.append("practice")
CURES = {1: "ModuleList", 2: "ParameterDict", 3: "add_param_group", 4: "model.parameters(), lr=lr"}


def between(first: str, last: str) -> list[dict]:
    """The cells of the clinic from the one called `first` up to the one called `last`."""
    every, ids = cells(CLINIC), list(cells(CLINIC))
    return [every[name] for name in ids[ids.index(first) : ids.index(last)]]


def test_the_proofs_that_hold_a_cure_are_folded_and_no_other_cell_is():
    kept = {name: one["metadata"].get("jupyter", {}) for name, one in cells(CLINIC).items()}
    folded = {name for name, said in kept.items() if said.get("source_hidden")}
    assert folded == {f"p{number}-proof" for number in range(1, 10)}


@pytest.mark.parametrize("number", range(1, 14))
def test_every_patient_asks_before_it_answers_and_has_a_link(number):
    patient = between(f"p{number}", f"p{number}-proof")
    (asked,) = [at for at, one in enumerate(patient) if one["id"].startswith("quiz-")]
    patient.append(cells(CLINIC)[f"p{number}-proof"])
    link = "](https://github.com/"
    linked = [at for at, one in enumerate(patient) if link in text(one["source"])]
    assert linked and min(linked) > asked


def test_no_advice_is_shown_before_the_learner_has_written_the_repair():
    for number in range(1, 10):
        before = between(f"p{number}", f"ex-6-{number}")
        shown = json.dumps([one.get("outputs", []) for one in before])
        assert "the line to write" not in shown and "state_dict = {" not in shown, number
        assert number not in CURES or CURES[number] not in json.dumps(before), number
    later = json.dumps(list(cells(CLINIC).values()))
    assert "the line to write" in later and "state_dict = {" in later


def test_the_table_of_findings_has_every_code():
    told = re.findall(r"`([a-z-]+)`", text(cells(CLINIC)["own-table"]["source"]))
    assert set(told) >= set(CODES)


@pytest.mark.parametrize(("first", "last"), list(pairwise(VISITS)))
def test_a_patient_can_be_read_without_the_others(first, last):
    space: dict = {}
    for one in [cells(CLINIC)["setup"], *between(first, last)]:
        if one["cell_type"] == "code":
            exec(text(one["source"]), space)


# --- commands ---


def test_the_address_that_the_first_command_prints_opens_the_first_notebook(tmp_path):
    first = re.search(r"bin/jupyter (lab .*)", README)[1]
    options = ["--no-browser", "--allow-root", "--port=0"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", *shlex.split(first), *options],
        cwd=ROOT,
        env=os.environ
        | {"JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(line for line in server.stderr if "http" in line)
    finally:
        server.terminate()
        server.communicate()
    assert f"/lab/tree/notebooks/{START}.ipynb?token=" in address
