"""How a model's time on this machine falls as more of a structure goes: measured at a few widths, told between them.

Operations alone do not tell: a narrow matrix keeps a processor less busy than a wide one, and what is not cut takes its
time as before. Which units go does not matter here, so that the first ones stay.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from gaprune_viz.config import Spec, Structure
from gaprune_viz.evaluation.timing.workloads import Milliseconds, milliseconds, starter_texts
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.structured.cutting import uncut
from gaprune_viz.pruning.structured.finishing import smaller
from gaprune_viz.pruning.structured.outline import Units

SHARES = (2 / 3, 1 / 3)
# Models above this are held as few at a time as can be.
LARGE_BYTES = 2**30
ROUNDS = 3
# Of neurons, the narrowest that is timed; below it nothing of a layer's time is left to save.
NARROWEST = 32


class Curve(Spec):
    """A model's time by how many units of a structure stay.

    Attributes:
        after: numbers of units that stay, rising; the last one is the dense model.
        milliseconds: a text, by workload, for each of them.
        threads: of torch.
        machine: the name of what it was measured on.
    """

    structure: Structure
    after: tuple[int, ...]
    milliseconds: dict[str, tuple[float, ...]]
    threads: int
    machine: str

    def expected(self, after: int) -> Milliseconds:
        """The time at a number of units, between those measured. A smaller model never takes longer: where noise says
        so, neighbours are averaged (isotonic regression)."""
        from sklearn.isotonic import isotonic_regression

        return {
            load: float(np.interp(after, self.after, isotonic_regression(np.array(times), y_min=0)))
            for load, times in self.milliseconds.items()
        }


def measure_curve(
    dense: EmbeddingModel, units: Units, tick: Callable[[int, int], None] | None = None, rounds: int = ROUNDS
) -> Curve:
    """Time a model at a few widths, in turn with itself.

    Args:
        units: of the structure, some of which can go.
        tick: as for `milliseconds`.
    """
    whole = uncut(dense, inventory(dense).targets, units.structure)
    size = sum(p.numel() * p.element_size() for p in dense.backbone.parameters())
    models = {str(units.before): dense.st}
    for after in widths(units, () if size > LARGE_BYTES else SHARES):
        kept = [torch.arange(group.units) < after for group in whole.groups]
        models[str(after)] = smaller(dense, replace(whole, after=after), kept).st
    texts = starter_texts()
    with dense.lock:
        found = milliseconds(models, texts, rounds, tick)
    order = sorted(models, key=int)
    return Curve(
        structure=units.structure,
        after=tuple(map(int, order)),
        milliseconds={load: tuple(found[name][load] for name in order) for load in found[order[0]]},
        threads=torch.get_num_threads(),
        machine=platform.node(),
    )


def widths(units: Units, shares: Sequence[float]) -> list[int]:
    """Numbers of units to time beside all of them: the fewest, and some shares; none that the model cannot have."""
    step = NARROWEST if units.structure is Structure.NEURONS and units.before > 2 * NARROWEST else 1
    least = max(step, units.fixed)
    wanted = {least, *(max(least, round(share * units.before / step) * step) for share in shares)}
    return sorted(after for after in wanted if after < units.before and after not in units.refused)
