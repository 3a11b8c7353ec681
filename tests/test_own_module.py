"""The class that lesson 07 builds, as the notebook has it: its given classes are those of the
exercises, and follow torch on more lines than a check runs; whatever a reader writes in a step, the
lesson runs to its end.
"""

import re

import pytest
from torch import nn

from helpers.exercises import beside_torch, lesson_07
from helpers.exercises.engine import Run, all_exercises
from helpers.exercises.exercise import source_of
from helpers.exercises.feedback import check
from tests.lesson_kernel import ROOT
from tests.notebook_files import read, tags, text
from tests.right.lesson_07 import OWN

CELLS = {
    cell["id"]: cell
    for cell in read(ROOT / "notebooks" / "07_build_your_own_module.ipynb")["cells"]
}
STEPS = range(1, 10)


def lesson(answers: dict[int, str]) -> dict:
    """The names at the end of the lesson, in which the stubs of some steps have answers."""
    names = {}
    for name, cell in CELLS.items():
        if cell["cell_type"] == "code":
            step = int(name[-1]) if name.startswith("ex-7-") else None
            exec(answers.get(step, text(cell["source"])), names)
    return names


@pytest.mark.parametrize("name", ["Unchecked", "Homes", "Values", "Shown"])
def test_a_class_that_is_given_is_the_one_of_the_exercises(name):
    cells = [text(cell["source"]) for cell in CELLS.values() if "given" in tags(cell)]
    assert any(one.endswith(source_of(getattr(lesson_07, name)).rstrip()) for one in cells)


def test_the_solutions_are_folded_and_stand_below_their_checks():
    order = list(CELLS)
    for step in STEPS:
        cells = [f"ex-7-{step}", f"check-7-{step}", f"solution-7-{step}"]
        at = [order.index(name) for name in cells]
        solution = CELLS[cells[2]]
        assert at == sorted(at) and solution["metadata"]["jupyter"] == {"source_hidden": True}
        assert text(solution["source"]).startswith(f"# Step {step}, given")
        assert f"<details><summary>Step {step}</summary>" in text(CELLS["words"]["source"])


def test_the_given_steps_follow_torch_on_other_lines_too(monkeypatch):
    monkeypatch.setattr(beside_torch, "OWN", 400)
    beside_torch.sequences.cache_clear()
    try:
        for key in ("7.4", "7.6", "7.9"):
            exercise = all_exercises()[key]
            wanted = list(Run(exercise, nn.Module).cases())
            assert len(wanted) > 4000
            assert Run(exercise, exercise.reference).difference(wanted) is None
    finally:
        beside_torch.sequences.cache_clear()


@pytest.mark.parametrize("solved", [[1, 3, 5, 7, 9], [2, 4, 6, 8]], ids=str)
def test_a_step_of_the_readers_own_works_with_the_given_others(solved, capsys):
    names = lesson({step: OWN[f"7.{step}"] for step in solved})
    assert f"your own steps: {' '.join(map(str, solved))}\n" in capsys.readouterr().out
    family = [one.__name__ for one in names["OurNet"].__mro__]
    given = {name for name in family if name.startswith("Given")}
    assert given == {f"Given{number}" for number in STEPS if number not in solved}
    assert check("7.9", names["Step9"]).status == "right"
    first = solved[0]  # its cell runs again, after `Module` has become another step's
    exec(text(CELLS[f"solution-7-{first}"]["source"]), names)
    assert names[f"Step{first}"] is names[f"mine{first}"] is not names["Module"]


def test_a_wrong_step_is_never_built_on(capsys):
    """Each answer has a name that torch has not, and its base, and nothing that works."""
    wrong = {}
    for step in STEPS:
        head = re.search(r"class Module\(\w+\):", text(CELLS[f"ex-7-{step}"]["source"]))[0]
        body = "__init__ = __setattr__ = __getattr__ = children = to = lambda *given: 1 / 0"
        wrong[step] = f"{head}\n    {body}"
    names = lesson(wrong)
    assert "your own steps: none yet" in capsys.readouterr().out
    assert names["mine9"] not in names["OurNet"].__mro__
    assert [names[f"step{step}"].status for step in STEPS] == ["wrong"] * 9
