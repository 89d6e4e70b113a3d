"""What an experiment will take, before it begins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaprune_viz.errors import readable

if TYPE_CHECKING:
    from gaprune_viz.evaluation.mteb.estimate import Speed
    from gaprune_viz.evaluation.tasks import RetrievalTask

# Of a cell: what it holds of each query, and the rest.
QUERY_BYTES, CELL_BYTES = 10, 1_500
PROBED_WEIGHTS = 2**20
# Scoring weights and finding where to cut them is taken to cost as much as sorting as many numbers so many times.
SORTS_A_MASK = 2.0


@dataclass(frozen=True)
class Foreseen:
    """What an experiment will take.

    Attributes:
        cells: how many there are, each counted once.
        analyses: that are made for them.
        seconds: of one worker on this machine as it is now, by a short probe.
        disk_bytes: of analyses and cells.
    """

    cells: int
    analyses: int
    seconds: float
    disk_bytes: int

    def sentence(self, workers: int = 1) -> str:
        """All of it in words; the time for so many workers, 0 for a cluster, whose speed is not known here."""
        minutes = self.seconds / 60 / max(1, workers)
        if workers == 0:
            time = f"about {_long(minutes)} of one processor like this machine's, shared by the workers of the cluster"
        else:
            time = f"about {_long(minutes)} on this machine as busy as it is now"
        analyses = "1 analysis" if self.analyses == 1 else f"{self.analyses} analyses"
        return f"{self.cells:,} cells, {analyses}: {time}, {readable(self.disk_bytes)} of disk."


def seconds_a_text(tasks: Sequence[RetrievalTask], speed: Speed) -> float:
    """To encode a text of some tasks, in the mean."""
    texts = [text for task in tasks for text in (*task.queries.values(), *(p.embedding_text for p in task.corpus))]
    tokens = sum(min(max(1.0, len(text) / speed.characters_per_token), speed.max_length) for text in texts)
    return tokens / max(1, len(texts)) / speed.tokens_per_second


def seconds_a_mask(weights: int) -> float:
    """To score so many weights and to cut them, by a probe."""
    # The page reads of experiments and needs no torch for it.
    import torch

    numbers = torch.rand(PROBED_WEIGHTS)
    began = time.perf_counter()
    numbers.sort()
    return SORTS_A_MASK * (time.perf_counter() - began) * weights / PROBED_WEIGHTS


def _long(minutes: float) -> str:
    if minutes < 90:
        return f"{max(0.1, minutes):.1f} minutes"
    return f"{minutes / 60:.1f} hours"
