"""The class that lesson 07 builds, as the notebook has it: its given classes are those of the
exercises, and follow torch on more lines than a check runs; whatever a reader writes in a step, the
lesson runs to its end.
"""

import re

import pytest
from torch import nn

from helpers.exercises import beside_torch, lesson_07
from helpers.exercises.engine import Run, all_exercises
from helpers.exercises.exercise import edited, source_of
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


# Wrong answers that a few examples do not show: a piece of the given step, and what stands there.
NEAR = {
    "a class below the one that notes": (
        *(1, 'own["_modules"] = {}'),
        'super(type(self), self).__setattr__("_modules", {})',
    ),
    "a nought in a slot": (
        *(2, "if value is not None:"),
        "if not (value is None or isinstance(value, int) and value == 0):",
    ),
    "an empty slot of a module": (
        *(3, "if name in found:"),
        "if name in found and (found[name] is not None or box != '_modules'):",
    ),
    "del of an empty buffer": (
        *(3, "del box[name]"),
        "if box.pop(name) is None:\n                    return",
    ),
    "del of one name of two": (
        *(3, "del box[name]"),
        "gone = box[name]\n                [box.pop(key) for key in [*box] if box[key] is gone]",
    ),
    "the name of a property": (
        *(4, "hasattr(self, name)"),
        "hasattr(self, name) and not isinstance(getattr(type(self), name, None), property)",
    ),
    "the containers before the name": (
        *(5, "if not (module is None"),
        "self._modules\n        if not (module is None",
    ),
    "a path of three names": (5, 'target.split(".")', 'target.split(".")[:2]'),
    "a module that is added to itself": (
        *(5, "self._modules[name] = module"),
        "self._modules[name] = None if module is self else module",
    ),
    "one name in two modules": (
        *(6, "if value is not None and value not in memo:"),
        "if value is not None and (value if box == '_parameters' else name) not in memo:\n"
        "                    remove_duplicate and memo.add(name)",
    ),
    "a buffer of one number": (
        *(6, "value is not None and"),
        "value is not None and (value.dim() or box == '_parameters') and",
    ),
    "the parameter that was there before": (
        *(6, 'return self._named("_parameters", prefix, recurse, remove_duplicate)'),
        'now = list(self._named("_parameters", prefix, recurse, remove_duplicate))\n'
        "        key = f'_now {prefix, recurse, remove_duplicate, len(now)}'\n"
        "        return vars(self).setdefault(key, now)",
    ),
    "a matrix that is not detached": (
        *(7, "if keep_vars"),
        "if keep_vars or value.dim() == 2 and not value.requires_grad",
    ),
    "a matrix that is turned": (
        *(7, "value.detach()"),
        "(value.detach().contiguous() if value.dim() > 1 else value.detach())",
    ),
    "a buffer that requires a gradient": (
        *(7, "if keep_vars"),
        "if keep_vars or value.requires_grad and not isinstance(value, nn.Parameter)",
    ),
    "the objects, three deep": (
        *(7, "keep_vars))"),
        "keep_vars and prefix.count('.') < 2))",
    ),
    "a state that is asked for twice": (
        *(7, "state = {}"),
        "state = vars(self).setdefault('_state', {})\n        state.clear()",
    ),
    "a mapping without a copy": (
        *(8, "own = self"),
        "state_dict = state_dict.copy()\n        own = self",
    ),
    "a turned matrix that is loaded": (
        *(8, "own[key].copy_(state_dict[key])"),
        "own[key].data.contiguous().view(-1).copy_(state_dict[key].reshape(-1))",
    ),
    "one number that is loaded": (8, "own[key].copy_(", "own[key].dim() and own[key].copy_("),
    "another shape without elements": (
        *(8, "if own[key].shape"),
        "if own[key].numel() and own[key].shape",
    ),
    "one number that moves": (
        *(9, "None if buffer is None"),
        "buffer if buffer is None or not buffer.dim()",
    ),
    "the gradient of a matrix": (
        *(9, "parameter.grad is not None"),
        "parameter.grad is not None and parameter.dim() < 2",
    ),
    "a mode, three deep": (
        *(9, "self.modules()"),
        "[one for name, one in self.named_modules() if name.count('.') < 2]",
    ),
    "what came after a move": (
        *(9, "return self._apply(convert)"),
        "again = vars(self).setdefault('_moved', []).count(target)\n"
        "        self._moved.append(target)\n"
        "        return self if again else self._apply(convert)",
    ),
}


@pytest.mark.parametrize("name", NEAR)
def test_a_step_that_is_wrong_only_sometimes_is_wrong(name):
    step, piece, other = NEAR[name]
    answer = edited(getattr(lesson_07, f"Given{step}"), (piece, other))
    assert check(f"7.{step}", answer).status == "wrong"


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
