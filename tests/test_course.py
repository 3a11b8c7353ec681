"""README, teacher's guide and lessons say the same: times, sections, questions, exercises,
commands, names.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

import helpers
from tests.lesson_kernel import ROOT
from tests.notebook_files import lessons, read, text

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "notebooks" / "TEACHING.md").read_text(encoding="utf-8")
START = "00_start_here"
STEMS = [path.stem for path in lessons()]
BELIEFS = "Beliefs, and the cell that settles each"
PARTS = ["45 minutes", "90 minutes", "Before each reveal", BELIEFS, "On the projector", "Homework"]
CELL_LINK = re.compile(r"\[([^\]]+)\]\((\d\d_\w+)\.ipynb#cell-id=([\w-]+)\)")


@cache
def cells(stem: str) -> dict[str, str]:
    """The source of each cell of a lesson, by the cell's id."""
    return {
        cell["id"]: text(cell["source"])
        for cell in read(ROOT / "notebooks" / f"{stem}.ipynb")["cells"]
    }


def headings(source: str) -> list[str]:
    return re.findall(r"^#+ +(.+?) *$", source, re.MULTILINE)


def parts(words: str, mark: str) -> dict[str, str]:
    """The parts of a Markdown text that begin with a heading of this level, by its words; what
    comes before is left.
    """
    pieces = re.split(rf"^{mark} (.+)$", words, flags=re.MULTILINE)[1:]
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def rows(words: str) -> list[list[str]]:
    """The rows of the tables in `words` without their heads: the text of each cell."""
    lines = [
        line.strip().strip("|").split(" | ") for line in words.splitlines() if line.startswith("|")
    ]
    rules = [place for place, line in enumerate(lines) if set("".join(line)) <= set("-:|")]
    heads = {place - 1 for place in rules}
    return [
        [one.strip() for one in line]
        for at, line in enumerate(lines)
        if at not in heads | set(rules)
    ]


def guide(stem: str) -> dict[str, str]:
    """What the guide says about a lesson, by the heading of the part; "" is what stands before the
    first.
    """
    (words,) = [words for title, words in parts(GUIDE, "##").items() if title.endswith(f"`{stem}`")]
    return {"": words.partition("\n### ")[0]} | parts(words, "###")


def minutes(stem: str) -> int:
    """The time of a lesson, as the lesson itself states it in its opening."""
    found = re.findall(r"\*\*Time\.\*\*.*?[Aa]bout (\d+)", "\n".join(cells(stem).values()))
    assert len(found) == 1, (
        f"the opening of {stem} says once `**Time.** About N minutes`; found {found}"
    )
    return int(found[0])


def stated(row: list[str]) -> int:
    """The first number of minutes in a row of a table."""
    return int(re.search(r"(\d+) min", " | ".join(row))[1])


def about(stem: str, words: str) -> list[list[str]]:
    """The rows of the tables in `words` that begin with a link to a lesson."""
    return [row for row in rows(words) if f"{stem}.ipynb)" in row[0]]


@cache
def exercises(stem: str) -> set[str]:
    """The numbers of the exercises of a lesson."""
    marks = (
        cell["metadata"].get("exercise")
        for cell in read(ROOT / "notebooks" / f"{stem}.ipynb")["cells"]
    )
    return {mark for mark in marks if mark}


# --- the README ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", STEMS)
def test_the_readme_states_the_time_that_the_lesson_states(stem):
    (row,) = about(stem, README)
    assert stated(row) == minutes(stem)


def test_the_first_command_of_the_readme_opens_the_first_notebook():
    bash, powershell = (
        re.search(rf"```{name}\n(.*?)```", README, re.DOTALL)[1] for name in ("bash", "powershell")
    )
    assert bash.rstrip().endswith(f"jupyter lab --notebook-dir=. notebooks/{START}.ipynb")
    assert powershell.rstrip(" }\n").endswith(
        rf"jupyter lab --notebook-dir=. notebooks\{START}.ipynb"
    )


def test_the_readme_lists_every_name_of_the_package_once_and_no_other():
    table = rows(parts(README, "##")["On your own model"])
    assert sorted(re.findall(r"`(\w+)`", " ".join(" ".join(row[1:]) for row in table))) == sorted(
        helpers.__all__
    )


def test_every_picture_is_shown_in_the_readme():
    kept = {f"notebooks/images/{path.name}" for path in (ROOT / "notebooks" / "images").iterdir()}
    assert set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)) == kept


# --- the guide -----------------------------------------------------------------------------------------------------


def test_the_guide_has_every_lesson_in_order_and_the_same_parts_for_each():
    told = re.findall(r"^## Lesson \d · `(\w+)`$", GUIDE, re.MULTILINE)
    assert told == STEMS
    assert {stem: list(guide(stem)) for stem in told} == {stem: ["", *PARTS] for stem in told}


@pytest.mark.parametrize("stem", STEMS)
def test_the_guide_states_the_time_that_the_lesson_states(stem):
    assert int(re.search(r"About (\d+) minutes", guide(stem)[""])[1]) == minutes(stem)


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("whole", [45, 90])
def test_the_minutes_of_a_plan_add_up_and_each_row_names_a_place(stem, whole):
    plan = rows(guide(stem)[f"{whole} minutes"])
    assert sum(int(row[0]) for row in plan) == whole
    assert [row for row in plan if not CELL_LINK.match(row[1]) or not row[2]] == []


def test_the_plan_for_one_class_in_all_adds_up():
    plan = rows(parts(parts(GUIDE, "##")["Which plan"], "###")["One class of 45 minutes in all"])
    assert sum(int(row[0]) for row in plan) == 45


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem != START])
def test_the_short_plan_takes_the_sections_that_the_lesson_names_for_a_class(stem):
    opening = "\n".join(cells(stem).values())
    (named,) = re.findall(
        r"\*\*In class\*\* \(45 minutes\)\. (?:Sections|Patients) ([^;.]+)", opening
    )
    wanted = set()
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", named):
        wanted |= set(range(int(first), int(last or first) + 1))
    found = re.findall(
        r"^\| \d+ \| \[(?:Section|Patient) (\d+)\b", guide(stem)["45 minutes"], re.MULTILINE
    )
    assert set(map(int, found)) == wanted


@pytest.mark.parametrize("stem", STEMS)
def test_a_link_of_the_guide_leads_to_the_section_question_or_cell_that_it_names(stem):
    wrong = [
        link
        for link in re.findall(r"\]\((\w+\.ipynb[^)]*)\)", GUIDE)
        if not re.match(rf"({'|'.join(STEMS)})\.ipynb#cell-id=.", link)
    ]
    for words, _, cell in (found for found in CELL_LINK.findall(GUIDE) if found[1] == stem):
        source, name = cells(stem).get(cell, ""), re.fullmatch(r"`([\w-]+)`", words)
        if name:
            fits = source and (name[1] == cell or f'quiz("{name[1]}")' in source)
        else:
            fits = words in headings(source) or (words, cell) == ("opening", "title")
        wrong += [] if fits else [f"{words} is not in the cell {cell}"]
    assert wrong == []


@pytest.mark.parametrize("stem", STEMS)
def test_the_guide_has_a_question_to_ask_before_each_quiz_of_the_lesson_and_a_cell_to_run(stem):
    table = rows(guide(stem)["Before each reveal"])
    asked = [found[1] for row in table if (found := re.match(r"\[`([\w-]+)`\]", row[0]))]
    in_order = re.findall(r'^quiz\("([\w-]+)"\)', "\n".join(cells(stem).values()), re.MULTILINE)
    if table:
        assert asked == in_order
    assert [
        row
        for row in table
        if not row[1].strip('"').endswith((".", "?")) or not CELL_LINK.match(row[2])
    ] == []
    assert set(in_order) <= set(re.findall(r"\[`([\w-]+)`\]", guide(stem)["Before each reveal"]))


@pytest.mark.parametrize("stem", STEMS)
def test_each_belief_is_settled_by_a_cell(stem):
    table = rows(guide(stem)[BELIEFS])
    assert len(table) >= 3, f"the guide names three beliefs or more for {stem}, not {len(table)}"
    assert [
        row
        for row in table
        if not re.search(r"\[`[\w-]+`\]\(", row[1]) or row[0][0] + row[0][-1] != '""'
    ] == []


@pytest.mark.parametrize("stem", STEMS)
def test_the_guide_gives_every_exercise_of_the_lesson_as_homework_and_names_no_other(stem):
    number = int(stem[:2])
    assert set(re.findall(rf"\b{number}\.\d\b", guide(stem)["Homework"])) == exercises(stem)
    every = {one for other in STEMS for one in exercises(other)}
    words = re.sub(CELL_LINK, "", "".join(guide(stem).values()))
    named = re.findall(r"exercises? ((?:\d\.\d+(?:, | and )?)+)", words)
    assert set(re.findall(r"\d\.\d+", " ".join(named))) <= every


@pytest.mark.parametrize("stem", STEMS)
def test_the_sections_that_the_guide_names_by_number_are_there(stem):
    there = set(re.findall(r"^## Section (\d+) ", "\n".join(cells(stem).values()), re.MULTILINE))
    words = re.sub(CELL_LINK, "", "".join(guide(stem).values()))
    named = re.findall(r"sections? ((?:\d+(?:, | and | to )?)+)", words)
    assert set(re.findall(r"\d+", " ".join(named))) <= there


# --- notebook 00 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem != START])
def test_the_map_of_the_course_states_the_time_that_the_lesson_states(stem):
    (row,) = about(stem, "\n".join(cells(START).values()))
    assert stated(row) == minutes(stem)
