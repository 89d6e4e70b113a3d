"""Prune an analysed model, export it, and compare it with its dense origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaprune_viz.config import ModelSpec, RunSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.embedding_cache import CachedEncoder, embedding_cache
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.applying import masked
from gaprune_viz.pruning.export import MASK_FILE, RESULT_FILE, is_structured, read_masks
from gaprune_viz.storage.folder_swap import bring_back
from gaprune_viz.storage.json_files import stored_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from gaprune_viz.evaluation.retrieval import Comparison, Evaluation
    from gaprune_viz.evaluation.tasks import RetrievalTask

COMPARED = ("ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map")


@dataclass(frozen=True)
class PrunedPair:
    """A pruned export and the dense model that it was made from."""

    dense: EmbeddingModel
    pruned: EmbeddingModel
    document: dict[str, Any]

    @property
    def refitted(self) -> bool:
        """Whether the weights that the mask keeps were fitted anew."""
        return "refit" in self.document


def load_pair(folder: Path) -> PrunedPair:
    """Load a pruned export together with its dense origin.

    Raises:
        GapruneError: the folder is not an export, or the dense model is gone or changed.
    """
    path = folder / RESULT_FILE
    if not folder.is_dir():
        bring_back(folder.parent, folder.name)
    if not folder.is_dir():
        raise GapruneError(f"There is no folder {folder}.", "Make one: `gaprune-viz prune DIR --out MODEL_DIR`.")
    if not path.is_file() or not ((folder / MASK_FILE).is_file() or is_structured(folder)):
        raise GapruneError(
            f"{folder} is not a pruned model: {RESULT_FILE} or {MASK_FILE} is missing.",
            "Give the folder that `gaprune-viz prune DIR --out MODEL_DIR` wrote.",
        )
    try:
        document = stored_json(path)
        spec = RunSpec.parse(document["run"]).model
        expected = document["dense"]["weight_hash"]
    except (ValueError, KeyError, TypeError, GapruneError) as error:
        raise GapruneError(f"{path} is damaged: {error}.", "Prune again.") from error
    dense = load_model(spec)
    if dense.weight_hash != expected:
        raise GapruneError(
            f"The dense model {dense.label} has changed since it was pruned.", "Run the analysis and prune again."
        )
    return PrunedPair(dense, load_model(_same_texts(spec, dense, folder)), document)


def _same_texts(spec: ModelSpec, dense: EmbeddingModel, folder: Path) -> ModelSpec:
    """The spec of an export: its own weights, and everything about texts as in the dense model."""
    return spec.with_(
        model=str(folder),
        revision=None,
        query_prompt=dense.query_prompt,
        passage_prompt=dense.passage_prompt,
        max_length=dense.max_length,
    )


def compare_models(
    pair: PrunedPair, task: RetrievalTask, progress: Callable[[str, int, int], None] | None = None
) -> tuple[Comparison, Evaluation, Evaluation]:
    """Encode a task with both models and compare their rankings."""
    from gaprune_viz.evaluation.retrieval import compare, evaluate
    from gaprune_viz.evaluation.tasks import encode_task

    cache, evaluations = embedding_cache(), []
    for label, model in (("dense", pair.dense), ("pruned", pair.pruned)):

        def tell(done: int, total: int, label: str = label) -> None:
            if progress is not None:
                progress(f"Encoding, {label}", done, total)

        embeddings = encode_task(CachedEncoder(model, cache), task, progress=tell)
        evaluations.append(evaluate(task, *embeddings))
    return compare(task, *evaluations), evaluations[0], evaluations[1]


def mask_only(
    pair: PrunedPair, folder: Path, task: RetrievalTask, progress: Callable[[str, int, int], None] | None = None
) -> Evaluation:
    """How well the dense model answers under the mask of an export, its weights as they were: a refit's own baseline.

    Args:
        folder: of the export.
    """
    from gaprune_viz.evaluation.retrieval import evaluate
    from gaprune_viz.evaluation.tasks import encode_task

    masks = read_masks(folder)
    targets = [target for target in inventory(pair.dense).targets if target.name in masks]

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress("Encoding, mask only", done, total)

    with masked(pair.dense, targets, masks):
        return evaluate(task, *encode_task(pair.dense, task, progress=tell))


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain numbers, ready for JSON; what has no value is None."""

    def plain(value: float) -> float | None:
        return float(value) if math.isfinite(value) else None

    def kept(values: dict[str, Any]) -> dict[str, Any]:
        return {key: values[key] for key in COMPARED}

    return {
        "dense": kept(comparison.dense),
        "pruned": kept(comparison.pruned),
        "delta": kept(comparison.delta),
        "intervals_95": {key: [plain(v) for v in pair] for key, pair in kept(comparison.intervals).items()},
        "p_values": {key: plain(value) for key, value in kept(comparison.p_values).items()},
        "overlap_at_10": comparison.overlap_at_10,
        "queries": comparison.queries,
        "clusters": comparison.clusters,
        "excluded": comparison.excluded,
        "passages": comparison.passages,
        "identical_ids_left_out": comparison.own_left_out,
        "remarks": list(comparison.remarks),
    }
