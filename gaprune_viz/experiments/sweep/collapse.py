"""Where retrieval collapses: what the sweeps of an analysis have measured for some settings over sparsity.

The cells on disk are read, so that a sweep of the page, of the command line and of a colleague count alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.cells import SWEEP_CELLS, SWEEP_FORMAT, CellStore

LEVELS = (0.95, 0.8)
MOST_CELLS = 5_000
Point = tuple[float, float]


@dataclass(frozen=True)
class Collapse:
    """A measured curve and where it falls.

    Attributes:
        task: name of the collection.
        points: (sparsity, nDCG@10 as a share of the dense model's), rising in sparsity.
        below: level -> the sparsity from which on the curve is below it, by a straight line between the points; None
            where it never is.
    """

    task: str
    points: tuple[Point, ...]
    below: dict[float, float | None]


def collapses(analysis: Path, settings: Settings) -> list[Collapse]:
    """The measured curve of some settings on every collection where sweeps have two points of it or more."""
    folder = analysis / SWEEP_CELLS
    try:
        changed = folder.stat().st_mtime_ns
    except OSError:
        return []
    wanted, curves = _but_for_sparsity(settings), {}
    for task, sparsity, share, key in _measured(folder, changed):
        if key == wanted:
            curves.setdefault(task, {})[sparsity] = share
    found = [(task, tuple(sorted(points.items()))) for task, points in sorted(curves.items()) if len(points) > 1]
    return [Collapse(task, points, {level: crossing(points, level) for level in LEVELS}) for task, points in found]


def crossing(points: tuple[Point, ...], level: float) -> float | None:
    """The first sparsity at which the curve, drawn with straight lines from the dense model on, falls below a level."""
    before = (0.0, 1.0)
    for sparsity, share in points:
        if share < level:
            above, step = max(0.0, before[1] - level), before[1] - share
            return before[0] + (above / step if step > 0 else 0.0) * (sparsity - before[0])
        before = (sparsity, share)
    return None


@lru_cache(maxsize=8)
def _measured(folder: Path, changed: int) -> tuple[tuple[str, float, float, str], ...]:
    """Task, sparsity, share of dense and the settings' key of each finished cell; `changed` tells versions apart."""
    found, store = [], CellStore(folder, SWEEP_FORMAT)
    for path in sorted(folder.glob("*.json"))[:MOST_CELLS]:
        document = store.read(path.stem, "settings", "numbers", "task")
        if document is None:
            continue
        try:
            settings = Settings.parse(document["settings"])
        except GapruneError:
            # A setting of another version: its cell says nothing about those of this one.
            continue
        pruned, dense = document["numbers"].get("ndcg_at_10"), document["numbers"].get("dense_ndcg_at_10")
        if pruned is not None and dense:
            found.append((document["task"], settings.mask.sparsity, pruned / dense, _but_for_sparsity(settings)))
    return tuple(found)


def _but_for_sparsity(settings: Settings) -> str:
    document = settled(settings).content()
    del document["mask"]["sparsity"]
    return json.dumps(document, sort_keys=True)
