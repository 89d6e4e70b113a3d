"""Many settings on the same tasks, domain beside general: what is swept, the cells, and the difference of any two."""

from gaprune_viz.experiments.sweep.bench import Cell
from gaprune_viz.experiments.sweep.by_workers import COLUMNS
from gaprune_viz.experiments.sweep.collapse import LEVELS, Collapse, collapses
from gaprune_viz.experiments.sweep.differences import CellDifference, difference
from gaprune_viz.experiments.sweep.plan import SweepPlan
from gaprune_viz.experiments.sweep.runner import sweep

__all__ = [
    "COLUMNS",
    "LEVELS",
    "Cell",
    "CellDifference",
    "Collapse",
    "SweepPlan",
    "collapses",
    "difference",
    "sweep",
]
