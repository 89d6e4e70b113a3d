"""Many settings on the same tasks, domain beside general: what is swept, the cells, and the difference of any two."""

from gaprune_viz.sweep.cells import CELL_FOLDER, CELL_FORMAT, Cell
from gaprune_viz.sweep.collapse import LEVELS, Collapse, collapses
from gaprune_viz.sweep.differences import CellDifference, difference
from gaprune_viz.sweep.plan import SweepPlan
from gaprune_viz.sweep.run import COLUMNS, sweep

__all__ = [
    "CELL_FOLDER",
    "CELL_FORMAT",
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
