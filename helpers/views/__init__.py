"""Let me see and touch it: the views, and what they share.

Each view has an ES module and a style sheet beside it, and three faces. It takes data and knows
nothing of torch's rules. Where the module is in several files, their names begin with the same
word, and the first lines of each say what it is for. `state_map` draws the tree of a module, under
the `byte_strip` of its parts; `visibility_table` says who sees a tensor, `visibility_grid` asks it
first; `parameter_ways` has the ways to list parameters, `memory_map` names and memory,
`findings_table` what `audit` found. `trace_player` steps through a trace, with the `river` of its
questions; `outcome_table` and `playground` show attempts. `checkpoint_table` shows how a checkpoint
fits, and `checkpoint_wires` which keys are joined. `quiz_card` asks a question, `redraw` is a
slider over a figure.

`signs` has the glyph and the colours of a kind of state, in both themes, `markup` the parts of a
still face. `bundle` joins the files of a live one; these share elements (`dom.js`), counts
(`words.js`), how a view comes and goes (`life.js`), keys (`roving.js`, `scrub.js`), movement
(`motion.js`), drawings (`svg.js`) and tables from Python (`records.js`). `page` is how the live one
comes onto a page without a kernel; there `host.js` stands in for Python, and remembers answers.
`lesson_slides` decides what of a lesson goes onto which slide, and `exported` has the templates and
the looks of pages and slides.

Imports: `state`, `tracing`, `checkpoints`.
"""

from __future__ import annotations

from helpers.views import page
from helpers.views.bundle import front_end

__all__ = ["TwoFaces", "ThreeFaces", "front_end"]


class TwoFaces:
    """What shows itself: its `title()` is one line of text, its `static_face()` is HTML."""

    def __repr__(self) -> str:
        return " ".join(self.title().split())

    def _repr_html_(self) -> str:
        return self.static_face()


class ThreeFaces(TwoFaces):
    """A widget with the two faces for where nothing runs.

    On a page without a kernel it runs from what `on_page()` gives: parts, as `page.mounted` makes
    them. A view gives its own where Python would be asked for more than its state."""

    def on_page(self) -> list[dict]:
        return page.parts_on_page(self)

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        live = super()._repr_mimebundle_(**kwargs)
        # Of an anywidget, and of a plain widget.
        data, metadata = live if isinstance(live, tuple) else (live, {})
        data = {**data, "text/plain": repr(self), "text/html": self.static_face()}
        if page.is_wanted():
            data[page.KIND] = page.bundle_of(self.on_page())
        return data, metadata
