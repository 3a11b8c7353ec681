"""`Redraw`: the handler called as the slider calls it, without a browser."""

import base64

import pytest

from helpers import Redraw, plots

WIDGET = "application/vnd.jupyter.widget-view+json"


def line(value):
    if value > 2:
        raise ValueError("<b>too far</b>")
    return plots.curves(
        {"a": [0, value]}, kinds={"a": "buffer"}, title=f"Up to {value} & on", x="step", y="m"
    )


@pytest.fixture
def view():
    return Redraw(line, label="height", values=[1, 2, 3], start=1)


def test_the_first_figure_is_drawn_at_once_with_its_title_as_the_text_for_who_does_not_see(view):
    picture = base64.b64encode(line(1)._repr_png_()[0]).decode()
    assert picture in view.picture.value and 'alt="Up to 1 &amp; on"' in view.picture.value
    assert view.busy.value == ""


def test_a_move_of_the_slider_draws_anew(view):
    seen = []
    view.busy.observe(lambda change: seen.append(change["new"]), names="value")
    view.slider.value = 2
    assert 'alt="Up to 2 &amp; on"' in view.picture.value
    assert seen == ["running …", ""]


def test_what_the_handler_raises_is_shown_as_text(view):
    view.slider.value = 3
    assert view.picture.value == "<b>ValueError: &lt;b&gt;too far&lt;/b&gt;</b>"
    view.slider.value = 1
    assert "img" in view.picture.value


def test_it_has_three_faces_and_two_of_them_never_change(view):
    bundle, _ = view._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", WIDGET}
    assert bundle["text/plain"] == repr(view) == "Redraw: a slider for height, from 1 to 3"
    assert "Run this cell to move it." in bundle["text/html"] and "<img" not in bundle["text/html"]
    view.slider.value = 2
    assert view._repr_mimebundle_()[0] == bundle
