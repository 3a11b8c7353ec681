"""One quiz question on the screen: choose, check, read why. It is given a question and knows no
torch.
"""

from __future__ import annotations

from collections.abc import Iterable

import anywidget
from traitlets import Int, List, Unicode

from helpers.views import ThreeFaces, front_end, page
from helpers.views.markup import ACCENT, BOX, SOFT, Markup, prose, tag

RIGHT, WRONG = "#009e73", "#cc4488"
TO_ANSWER = "Run this cell to answer."


class QuizCard(ThreeFaces, anywidget.AnyWidget):
    """A question whose options, explanations and answer travel to the browser once; nothing comes
    back.

    The static face (`text/html`) shows the question and its options, never the answer nor an
    explanation."""

    _esm, _css = front_end("quiz_card", right=RIGHT, wrong=WRONG)

    prompt = Unicode().tag(sync=True)
    code = Unicode().tag(sync=True)
    options = List().tag(sync=True)
    answer = Int().tag(sync=True)
    solved = Unicode().tag(sync=True)  # "right" or "shown", where a browser remembers it

    def __init__(
        self, key: str, prompt: str, options: Iterable[tuple[str, str]], answer: int, code: str = ""
    ) -> None:
        """`options` are pairs: what an option says, and why; `answer` is the position of the right
        one."""
        self._key = key
        pairs = [{"text": words, "why": why} for words, why in options]
        super().__init__(prompt=prompt, code=code, options=pairs, answer=answer)

    def on_page(self) -> list[dict]:
        return [page.mounted(self, memory={"key": self._key, "names": ["solved"]})]

    def title(self) -> str:
        return f"Quiz {self._key}: {self.prompt}"

    def static_face(self) -> Markup:
        letters = (
            tag("b", chr(65 + i), style="margin-right:0.6em") for i in range(len(self.options))
        )
        rows = (
            tag("li", letter, " ", prose(option["text"]), style="margin:0.35em 0")
            for letter, option in zip(letters, self.options, strict=True)
        )
        return tag(
            "div",
            tag("div", "Predict", style=f"{SOFT};font-weight:600"),
            tag("p", tag("b", prose(self.prompt)), style="margin:0.4em 0"),
            tag("pre", tag("code", self.code), style="margin:0.6em 0") if self.code else "",
            tag("ul", *rows, style="list-style:none;margin:0;padding:0"),
            tag("p", TO_ANSWER, style=f"{SOFT};margin:0.6em 0 0"),
            class_="inm-quiz-static",
            style=f"{BOX};border-left:4px solid {ACCENT}",
        )
