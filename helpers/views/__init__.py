"""Views: what a reader sees and touches. Each is a widget with a front end of its own beside it, a
module of JavaScript and a style sheet, and has three faces.

They take data of `state`, `tracing` and `checkpoints`, and know nothing of torch's rules.
"""

from __future__ import annotations

from helpers.views.bundle import front_end

__all__ = ["ThreeFaces", "front_end"]


class ThreeFaces:
    """A widget with two more faces: its `title()`, one line of text, and `static_face()`, HTML that
    says the same where nothing runs."""

    def __repr__(self) -> str:
        return " ".join(self.title().split())

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        live = super()._repr_mimebundle_(**kwargs)
        # Of an anywidget, and of a plain widget.
        data, metadata = live if isinstance(live, tuple) else (live, {})
        return {**data, "text/plain": repr(self), "text/html": self.static_face()}, metadata
