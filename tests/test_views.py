"""What every view has: three faces."""

from __future__ import annotations

import pytest
from torch import nn

from helpers import ParameterWays, Placement, Playground, StateMap, quiz
from tests.notebook_files import WIDGET_VIEW

VIEWS = {
    "StateMap": lambda: StateMap(nn.Linear(1, 1)),
    "ParameterWays": lambda: ParameterWays(nn.Linear(1, 1)),
    "Placement": Placement,
    "Playground": Playground,
    "Quiz 01-live-view": lambda: quiz("01-live-view"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_alive_and_has_a_still_face_and_one_line_that_names_it(name):
    view = VIEWS[name]()
    bundle, _ = view._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", WIDGET_VIEW}
    assert bundle["text/plain"] == repr(view) and "\n" not in repr(view)
    assert repr(view).startswith(name)
    assert bundle["text/html"] == view.static_face()
