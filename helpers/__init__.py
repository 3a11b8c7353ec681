"""Inside nn.Module: helpers for the lessons. Each name below answers one question; see its
docstring.
"""

from helpers.checkpoints.compare import compare_checkpoint
from helpers.checkpoints.comparison import Advice, Comparison, Mismatch
from helpers.exercises.feedback import check, quiz
from helpers.exercises.placement import Placement
from helpers.ranks import Ranks
from helpers.state.findings import Finding
from helpers.state.snapshot import Entry, Snapshot, snapshot
from helpers.state.visibility import Sight, visibility
from helpers.tracing.parting import parting
from helpers.tracing.trace import Step, Trace, trace
from helpers.views.checkpoint_table import CheckpointTable
from helpers.views.findings_table import audit
from helpers.views.memory_map import MemoryMap
from helpers.views.outcome_table import OutcomeTable
from helpers.views.parameter_ways import ParameterWays
from helpers.views.playground import Playground
from helpers.views.redraw import Redraw
from helpers.views.state_map import StateMap
from helpers.views.trace_player import TracePlayer, compare
from helpers.views.visibility_table import VisibilityTable

__all__ = [
    "Advice",
    "CheckpointTable",
    "Comparison",
    "Entry",
    "Finding",
    "MemoryMap",
    "Mismatch",
    "OutcomeTable",
    "ParameterWays",
    "Placement",
    "Playground",
    "Ranks",
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
