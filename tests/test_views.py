"""Which faces a view shows, by who sent the running cell."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch import nn

import helpers.views
from helpers import Placement, StateMap
from tests.notebook_files import WIDGET_VIEW


@pytest.mark.parametrize("make", [lambda: StateMap(nn.Linear(1, 1)), Placement])
@pytest.mark.parametrize(
    "parent,server,live",
    [
        ({"content": {"allow_stdin": True}}, "", True),
        ({"content": {"allow_stdin": False}}, "", False),
        ({"content": {"allow_stdin": False}}, "voila/0.5", True),
        ({"content": {"data": {}}}, "", True),  # a message of a widget
        ({}, "", True),
        (None, "", True),
    ],
)
def test_a_view_is_alive_unless_a_program_runs_the_cell_that_nobody_sits_at(
    monkeypatch, make, parent, server, live
):
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda channel: parent))
    monkeypatch.setattr(helpers.views, "get_ipython", lambda: shell)
    monkeypatch.setenv("SERVER_SOFTWARE", server)
    bundle, _ = make()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"} | ({WIDGET_VIEW} if live else set())


@pytest.mark.parametrize(
    "shell", [None, SimpleNamespace(), SimpleNamespace(kernel=SimpleNamespace())]
)
def test_outside_a_kernel_a_view_has_all_three_faces(monkeypatch, shell):
    monkeypatch.setattr(helpers.views, "get_ipython", lambda: shell)
    assert len(Placement()._repr_mimebundle_()[0]) == 3
