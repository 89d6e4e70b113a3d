"""The lesson on masks that wake neurons, measured: Fisher information alone, then such neurons cut whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.config import Allocation, MaskSpec, ScoreSpec, Settings
from gaprune_viz.evaluation.ranking import SideBySide
from gaprune_viz.evaluation.retrieval import Comparison
from gaprune_viz.jobs.works import searching as search
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.jobs.works.work_context import Report, Stopped
from gaprune_viz.masking.neuron_masks import Losses, mlps_of, waking

FISHER_ALONE = Settings(
    score=ScoreSpec(criterion="obd_joint"), mask=MaskSpec(sparsity=0.5, allocation=Allocation.GLOBAL)
)
"""Step 1: Fisher information times θ², one threshold for all, and nobody looks at neurons."""
CUT_WHOLE = FISHER_ALONE.with_(mask=FISHER_ALONE.mask.with_(whole_neurons=True))
"""Step 2: the same, and a neuron without input goes whole."""


@dataclass(frozen=True)
class Searched:
    """One mask on every sample query, and on one of them.

    Attributes:
        losses: what the mask does to neurons.
        scores: nDCG@10 of the one query, dense and pruned.
        sides: its rankings.
    """

    comparison: Comparison
    losses: Losses
    scores: tuple[float, float]
    sides: SideBySide


@dataclass(frozen=True)
class Trial:
    """What the lesson measured.

    Attributes:
        task: what was searched, in words.
        query: the query that the first mask changed most.
        alone: the first mask: Fisher information alone.
        by_layer: how many neurons it wakes in each layer.
        loudest: the one of them that keeps most outputs: layer, neuron, outputs, of how many; None where none wakes.
        neurons: whether the scope has a whole MLP.
        biased: whether its neurons have a bias.
        whole: the second mask: neurons cut whole; None before step 2.
        differ: in how many weights the two masks differ, of how many.
    """

    task: str
    query: str
    alone: Searched
    by_layer: dict[int, int]
    loudest: tuple[int, int, int, int] | None
    neurons: bool
    biased: bool
    whole: Searched | None = None
    differ: tuple[int, int] = (0, 0)


def tried(analysis: Analysis, report: Report, stopped: Stopped, *, whole: bool) -> Trial:
    """Search with the first mask, and with the second where `whole`."""
    source = search.collection_of(analysis)
    first = search.measure_tasks(analysis, FISHER_ALONE, [source], report, stopped)[0]
    query = search.most_changed_query(first.comparison)
    text, alone = _searched(analysis, FISHER_ALONE, first, query, report, stopped)
    losses, matrices = alone.losses, analysis.statistics.matrices
    trial = Trial(
        task=first.name,
        query=text,
        alone=alone,
        by_layer=losses.waking_by_layer(matrices),
        loudest=_loudest(analysis),
        neurons=bool(losses.waking),
        biased=_biased(analysis),
    )
    if not whole:
        return trial
    second = search.measure_tasks(analysis, CUT_WHOLE, [source], report, stopped)[0]
    _, cut = _searched(analysis, CUT_WHOLE, second, query, report, stopped)
    one, other = (KEPT.masks(analysis, settings).masks for settings in (FISHER_ALONE, CUT_WHOLE))
    differ = sum(int((one[name] != other[name]).sum()) for name in one)
    return replace(trial, whole=cut, differ=(differ, sum(m.size for m in matrices)))


def _searched(
    analysis: Analysis, settings: Settings, measured: search.Measured, query: str, report: Report, stopped: Stopped
) -> tuple[str, Searched]:
    text, sides, _ = search.compare_query(analysis, settings, measured.source, query, "", report, stopped)
    table = measured.comparison.per_query
    row = table[table["qid"] == query].iloc[0].to_dict()
    scores = (float(row["dense_ndcg_at_10"]), float(row["pruned_ndcg_at_10"]))
    return text, Searched(measured.comparison, KEPT.losses(analysis, settings), scores, sides)


def _loudest(analysis: Analysis) -> tuple[int, int, int, int] | None:
    """The woken neuron that keeps most outputs: layer, neuron, outputs, of how many; None where none wakes."""
    masks, matrices = KEPT.masks(analysis, FISHER_ALONE).masks, analysis.statistics.matrices
    layer_of = {matrix.name: matrix.layer for matrix in matrices}
    found = []
    for down, woken in waking(masks, matrices).items():
        kept = masks[down].sum(dim=0) * woken
        neuron = int(kept.argmax())
        found.append((int(kept[neuron]), layer_of[down], neuron, len(masks[down])))
    kept, layer, neuron, of = max(found, default=(0, 0, 0, 0))
    return (layer, neuron, kept, of) if kept else None


def _biased(analysis: Analysis) -> bool:
    """Whether neurons of the scope have a bias of their own."""
    feeders = {name for mlp in mlps_of(analysis.statistics.matrices) for name in mlp.feeders}
    _, targets = KEPT.scope(analysis)
    return any(getattr(target.module, "bias", None) is not None for target in targets if target.name in feeders)
