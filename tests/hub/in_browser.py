"""A learner in Chromium: follows the link, signs in, runs the lesson, answers a quiz, solves an
exercise, saves; and may not look at another's work."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field

from playwright.sync_api import Page, expect

from helpers.exercises.questions import all_questions
from tests.browser import jupyterlab
from tests.hub.memory import Held, held_in
from tests.hub.server import COPY, Hub
from tests.notebook_files import read, text

LESSON, QUIZ = "01_state_dict", "01-keys"
EXERCISES = ["1.1", "1.2", "1.3", "1.4", "1.5"]
WAIT_MS = 180_000  # a class that comes all at once keeps each other waiting

# A cell of the notebook in front by its id, written and run as a learner does.
_CELL = """([id, source]) => {
    const panel = window.jupyterapp.shell.currentWidget, cells = panel.content.widgets;
    panel.content.activeCellIndex = cells.findIndex(cell => cell.model.id === id);
    const cell = panel.content.activeCell;
    if (source) cell.model.sharedModel.setSource(source);
    cell.node.classList.add(`tried-${id}`);
    return window.jupyterapp.commands.execute('notebook:run-cell').then(() => true);
}"""


@dataclass
class Visit:
    """What one learner waited for, in seconds, and what their processes held."""

    name: str
    exercise: str
    seconds: dict[str, float] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)


def cell_id(kind: str, exercise: str) -> str:
    """The id of a cell that belongs to an exercise."""
    return f"{kind}-{exercise.replace('.', '-')}"


def solution(exercise: str) -> str:
    """The code of the solution that the lesson has folded away."""
    cells = read(jupyterlab.ROOT / "notebooks" / f"{LESSON}.ipynb")["cells"]
    (words,) = [text(c["source"]) for c in cells if c["id"] == cell_id("solution", exercise)]
    return re.search(r"```python\n(.*?)\n```", words, re.DOTALL)[1]


def visit(hub: Hub, name: str, exercise: str) -> Visit:
    """One learner's whole class, in a browser of their own."""
    seen = Visit(name, exercise)
    with jupyterlab.chromium(jupyterlab.find_browser()) as browser:
        page = browser.new_page(viewport=jupyterlab.DESKTOP)
        page.set_default_timeout(WAIT_MS)
        begin = time.monotonic()

        def reached(place: str) -> None:
            seen.seconds[place] = time.monotonic() - begin
            seen.held[place] = held_in(hub.home(name))

        sign_in(page, hub, name)
        page.wait_for_url(re.compile(rf"/user/{name}/(git-pull|lab)"), wait_until="commit")
        reached("server started")
        page.wait_for_url(re.compile(rf"/user/{name}/lab/tree/"), wait_until="commit")
        jupyterlab.wait_until_open(page)
        reached("lesson open")
        run_all(page, reached)
        answer_quiz(page)
        solve(page, exercise)
        reached("exercise solved")
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        keep_out(page, hub, name)
    return seen


def sign_in(page: Page, hub: Hub, name: str) -> None:
    """Follow the link of the class, and give name and password."""
    page.goto(f"{hub.url}/hub/user-redirect/git-pull?{hub.pull_query(LESSON)}")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", hub.password)
    page.click("input[type=submit]", no_wait_after=True)


def run_all(page: Page, reached) -> None:
    """Run every cell, and note when the first view lives and when all have run."""
    page.evaluate(
        "() => { const all = window.jupyterapp.commands.execute('notebook:run-all-cells');"
        " window.all = all.then(() => true); }"
    )
    page.wait_for_selector(jupyterlab.LIVE_VIEWS, state="visible")
    reached("first live view")
    page.evaluate("() => window.all")
    jupyterlab.wait_until_drawn(page)
    reached("all cells run")
    assert jupyterlab.errors(page) == []
    dead = [view for view in jupyterlab.widget_outputs(page) if view.startswith("fault: ")]
    assert dead == []


def answer_quiz(page: Page) -> None:
    """Choose the right option of the first card, and read that it is right."""
    card = page.locator(".inm-quiz").first
    card.locator("input[type=radio]").nth(all_questions()[QUIZ].answer).click()
    card.get_by_role("button", name="Check", exact=True).click()
    expect(card.locator(".inm-quiz-feedback")).to_contain_text("Right")


def solve(page: Page, exercise: str) -> None:
    """Write the solution into the cell of the exercise, and have it checked."""
    page.evaluate(_CELL, [cell_id("ex", exercise), solution(exercise)])
    check = cell_id("check", exercise)
    page.evaluate(_CELL, [check, ""])
    expect(page.locator(f".tried-{check}")).to_contain_text("✓ Right", timeout=WAIT_MS)


def keep_out(page: Page, hub: Hub, name: str) -> None:
    """With the cookies of this learner, no page and no file of another learner is served."""
    own = page.request.get(f"{hub.url}/user/{name}/api/contents/{COPY}/notebooks")
    assert own.status == 200, own.status
    for other in {home.name for home in hub.home(name).parent.iterdir()} - {name}:
        for path in (f"api/contents/{COPY}/notebooks/{LESSON}.ipynb", "lab", "api/kernels"):
            answer = page.request.get(f"{hub.url}/user/{other}/{path}")
            assert answer.status in (403, 404), f"{name} sees {path} of {other}: {answer.status}"


def assert_each_has_their_own(hub: Hub, visits: list[Visit]) -> None:
    """The files: each has the learner's own exercise solved, and no other."""
    for one in visits:
        path = hub.home(one.name) / COPY / "notebooks" / f"{LESSON}.ipynb"
        cells = {cell["id"]: text(cell["source"]) for cell in json.loads(path.read_text())["cells"]}
        solved = [
            exercise
            for exercise in EXERCISES
            if cells[cell_id("ex", exercise)].strip() == solution(exercise).strip()
        ]
        assert solved == [one.exercise], f"{one.name} has {solved}, not [{one.exercise}]"
