"""The views: one anywidget class each, with a small ES module and a style sheet beside it."""

from pathlib import Path

_HERE = Path(__file__).parent


def front_end(name: str) -> tuple[str, str]:
    """The JavaScript and the CSS of the view `name`, each after what all views share."""
    return tuple(
        "\n".join((_HERE / f"{part}.{kind}").read_text(encoding="utf-8") for part in ("common", name))
        for kind in ("js", "css")
    )
