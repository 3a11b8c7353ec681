"""Let me see and touch it: the views, and what they share.

Each view has an ES module and a style sheet beside it, and three faces. It takes data and knows
nothing of torch's rules.

Imports: `state`, `tracing`, `checkpoints`.
"""

from __future__ import annotations

import os
from pathlib import Path

from IPython import get_ipython

_HERE = Path(__file__).parent
_LIVE = "application/vnd.jupyter.widget-view+json"


def front_end(name: str) -> tuple[str, str]:
    """The JavaScript and the CSS of the view `name`, each after what all views share."""
    return tuple(
        "\n".join(
            (_HERE / f"{part}.{kind}").read_text(encoding="utf-8") for part in ("common", name)
        )
        for kind in ("js", "css")
    )


class ThreeFaces:
    """A widget with two more faces: HTML that its `static_face()` gives, and its repr, one line of
    text.

    Run by `jupyter nbconvert --execute` it shows these two alone: nbconvert would prefer the live
    face, and the page has no kernel behind it."""

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        live = super()._repr_mimebundle_(**kwargs)
        data, metadata = (
            live if isinstance(live, tuple) else (live, {})
        )  # of an anywidget, of a plain widget
        data = {**data, "text/plain": repr(self), "text/html": self.static_face()}
        if _nobody_is_there():
            data.pop(_LIVE, None)
        return data, metadata


def _nobody_is_there() -> bool:
    """Whether the running cell was sent by a program that cannot answer input(), and so has no
    reader at hand.

    Voila runs a notebook in this way too, and then shows it to a reader, with the kernel behind it.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if not hasattr(kernel, "get_parent") or os.environ.get("SERVER_SOFTWARE", "").startswith(
        "voila/"
    ):
        return False
    request = kernel.get_parent("shell") or {}
    return request.get("content", {}).get("allow_stdin") is False
