"""What does it look like? Figures of a model's state and of a run, and the cost they measure.

Hands out one function a figure: it takes data, such as a `Snapshot`, and returns one matplotlib
`Figure`. No figure goes through `pyplot`: nothing is opened, shown or remembered, and no setting of
matplotlib is changed. matplotlib itself is imported when the first figure is asked for.

`bytes_held` draws where the bytes of a module are, `over_time` the curves of a run and pictures of
tensors. `cost` measures what it costs to read parameters, `cost_figures` draws it. `figure` has
what all share: size, colours, and labels beside their lines. `numbers` reads what was given, or
says what came.

Imports: `state`, `views.signs`.
"""

from helpers.plots.bytes_held import bars_of, where_the_bytes_are
from helpers.plots.cost_figures import cost_of_access, cost_of_reading
from helpers.plots.over_time import curves, images, resumed, running_means

__all__ = [
    "bars_of",
    "cost_of_access",
    "cost_of_reading",
    "curves",
    "images",
    "resumed",
    "running_means",
    "where_the_bytes_are",
]
