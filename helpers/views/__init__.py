"""The views: one anywidget class each, with a small ES module and a style sheet beside it."""

from pathlib import Path

_HERE = Path(__file__).parent


def front_end(name: str) -> tuple[str, str]:
    """The JavaScript and the CSS of the view `name`, each after what all views share."""
    return tuple(
        "\n".join((_HERE / f"{part}.{kind}").read_text(encoding="utf-8") for part in ("common", name))
        for kind in ("js", "css")
    )


class ThreeFaces:
    """A widget with two more faces: HTML that its `static_face()` gives, and its repr, one line of text."""

    def _repr_mimebundle_(self, **kwargs: object) -> dict | tuple[dict, dict]:
        live, faces = super()._repr_mimebundle_(**kwargs), {"text/plain": repr(self), "text/html": self.static_face()}
        # A plain widget gives its data, an anywidget its metadata too.
        return ({**live[0], **faces}, live[1]) if isinstance(live, tuple) else {**live, **faces}
