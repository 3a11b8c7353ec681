"""Inside nn.Module: helpers for the lessons. Each name below answers one question; see its docstring."""

from helpers.audit import audit
from helpers.checkpoints import Advice, Comparison, Mismatch, compare_checkpoint
from helpers.exercises import check, quiz
from helpers.findings import Finding
from helpers.state import Entry, Snapshot, snapshot
from helpers.tracing import Step, Trace, parting, trace
from helpers.views.checkpoint_table import CheckpointTable
from helpers.views.parameter_ways import ParameterWays
from helpers.views.placement import Placement
from helpers.views.playground import OutcomeTable, Playground
from helpers.views.redraw import Redraw
from helpers.views.state_map import StateMap
from helpers.views.trace_player import TracePlayer, compare
from helpers.views.visibility_table import VisibilityTable
from helpers.visibility import Sight, visibility

__all__ = [
    "Advice",
    "CheckpointTable",
    "Comparison",
    "Entry",
    "Finding",
    "Mismatch",
    "OutcomeTable",
    "ParameterWays",
    "Placement",
    "Playground",
    "Redraw",
    "Sight",
    "Snapshot",
    "StateMap",
    "Step",
    "Trace",
    "TracePlayer",
    "VisibilityTable",
    "audit",
    "check",
    "compare",
    "compare_checkpoint",
    "parting",
    "quiz",
    "snapshot",
    "trace",
    "visibility",
]
