"""Cut structures out of an analysed model and export what is left: a plain small folder."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import Evidence, Settings, Structure
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.pruning.model_folder import RESULT_FILE, save_model, weight_bytes, write_words
from gaprune_viz.pruning.structured.cutting import Cut
from gaprune_viz.pruning.structured.making import Made, Planned, plan
from gaprune_viz.pruning.structured.model_card import structured_card
from gaprune_viz.pruning.structured.preconditions import refuse_settings
from gaprune_viz.storage.workspace import whole_folder
from gaprune_viz.versions import versions


def cutting(
    analysis: Path, settings: Settings, out: Path, *, model: EmbeddingModel | None = None
) -> Generator[Progress, None, dict[str, Any]]:
    """Take structures out of a copy of the analysed model, finish it as the settings ask, and export it.

    Args:
        analysis: folder of a finished analysis.
        settings: with a structure.
        out: folder of the smaller model; an earlier export there is replaced.
        model: the dense model, where it is loaded already; it stays as it is.

    Yields:
        Progress.

    Returns:
        what is in `gaprune.json`.

    Raises:
        GapruneError: whatever a person can put right; what cannot be cut is refused before any work.
    """
    statistics = Statistics.open(analysis)
    refuse_settings(settings, statistics)
    yield Progress("Loading the model", 0, 1, 0.0)
    dense = model or load_dense(statistics)
    planned = plan(statistics, dense, exact_scope(statistics, dense)[0], settings)
    made = yield from planned.made(dense)
    with whole_folder(out, marker=RESULT_FILE) as folder:
        save_model(folder, made.tried.best)
        document = _document(planned, dense, made, weight_bytes(folder))
        write_words(folder, document, structured_card(document))
    return document


def _document(planned: Planned, dense: EmbeddingModel, made: Made, size: int) -> dict[str, Any]:
    statistics, settings, cut, tried = planned.statistics, planned.settings, planned.cut, made.tried
    before, after = (sum(p.numel() for p in model.backbone.parameters()) for model in (dense, tried.best))
    structure = {
        "structure": cut.noun,
        "where": "" if cut.structure is Structure.LAYERS else " in every layer",
        "before": cut.before,
        "after": cut.after,
        "ranked_by": _ranked(settings, cut),
        "tried": tried.rows,
        "kept": tried.kept,
        "held_out": made.queries,
    }
    return {
        "format": 1,
        "run": statistics.run.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "dense": statistics.document["model"],
        "analysis": statistics.document["key"],
        "data": statistics.document["data"],
        "structure": structure,
        "model_weights": after,
        "dense_weights": before,
        "bytes": size,
        "sentence": f"{cut.after} of {cut.before} {cut.noun}{structure['where']} stay; {1 - after / before:.1%} of all "
        f"parameters are gone. Kept: {tried.kept}.",
        "versions": versions(),
    }


def _ranked(settings: Settings, cut: Cut) -> str:
    if settings.structure.evidence is Evidence.SAMPLES:
        return "the squared change of the loss where one goes, mean over calibration samples"
    return f"the sum of {criterion(settings.score.criterion).label} over all weights of one of the {cut.noun}"
