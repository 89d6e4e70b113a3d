"""Prune an analysed model, export it, and compare it with its dense origin."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaprune_viz.analysis import exact_scope, load_dense
from gaprune_viz.config import ModelSpec, RunSpec, Settings
from gaprune_viz.core.encoder import EmbeddingModel
from gaprune_viz.core.live import STARVED
from gaprune_viz.core.loading import load_model
from gaprune_viz.core.pruning import MASK_FILE, RESULT_FILE, census, export
from gaprune_viz.core.scoring import criteria
from gaprune_viz.core.statistics import Statistics
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.cached import CachedEncoder, EmbeddingCache
from gaprune_viz.stored import stored_json
from gaprune_viz.swap import bring_back
from gaprune_viz.versions import versions
from gaprune_viz.workspace import whole_folder, workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from gaprune_viz.evaluation.retrieval import Comparison, Evaluation, RetrievalTask

COMPARED = ("ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map")
PAPER = "Tang and Yang, GAPrune: Gradient-Alignment Pruning for Domain-Aware Embeddings, arXiv 2509.10844"


def prune(analysis: Path, settings: Settings, out: Path, *, model: EmbeddingModel | None = None) -> dict[str, Any]:
    """Make the exact mask of some settings and export the pruned model.

    Args:
        analysis: folder of a finished analysis.
        out: folder of the pruned model; an earlier export there is replaced.
        model: the dense model, where it is loaded already.

    Returns:
        what is in `gaprune.json`.

    Raises:
        GapruneError: whatever a person can put right.
    """
    statistics = Statistics.open(analysis)
    model = model or load_dense(statistics)
    scope, targets = exact_scope(statistics, model)
    result = scope.masks(settings)
    diagnostics = scope.diagnostics(settings, result)
    document: dict[str, Any] = {
        "format": 1,
        "run": statistics.run.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "dense": statistics.document["model"],
        "analysis": statistics.document["key"],
        "data": statistics.document["data"],
        **census(model, result.masks),
        "kappa": diagnostics.kappa,
        "term_shares": diagnostics.term_shares,
        "overlap_with_magnitude": diagnostics.overlap["magnitude"],
        "sentence": diagnostics.sentence,
        "pruned_fraction": diagnostics.pruned_fraction,
        "versions": versions(),
    }
    with whole_folder(out, marker=RESULT_FILE) as folder:
        export(folder, model, targets, result.masks, document, model_card(document))
    return document


def diagnose(analysis: Path, settings: Settings) -> dict[str, Any]:
    """What decides the exact mask of some settings, counted over every weight.

    Returns:
        plain values: sparsity, zeros, term shares, overlap and Jaccard index with every criterion at the same mask
        settings, rank correlation with magnitude, pruned fraction per matrix and layer, starved matrices, conflict of
        the two gradients, the plain sentence.

    Raises:
        GapruneError: whatever a person can put right.
    """
    statistics = Statistics.open(analysis)
    scope, _ = exact_scope(statistics, load_dense(statistics))
    result = scope.masks(settings)
    found = scope.diagnostics(settings, result, tuple(criteria()))
    correlation = scope.rank_correlation(settings.score)
    layers: dict[int, list[float]] = {}
    for info in statistics.matrices:
        pruned, size = layers.setdefault(info.layer, [0.0, 0.0])
        layers[info.layer] = [pruned + found.pruned_fraction[info.name] * info.size, size + info.size]
    return {
        "settings": settings.model_dump(mode="json"),
        **asdict(found),
        "rank_correlation_with_magnitude": correlation if math.isfinite(correlation) else None,
        "pruned_fraction_by_layer": {str(layer): pruned / size for layer, (pruned, size) in layers.items()},
        "starved": [name for name, fraction in found.pruned_fraction.items() if fraction > STARVED],
    }


@dataclass(frozen=True)
class PrunedPair:
    """A pruned export and the dense model that it was made from."""

    dense: EmbeddingModel
    pruned: EmbeddingModel
    document: dict[str, Any]


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
    if not path.is_file() or not (folder / MASK_FILE).is_file():
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
        query_prompt=dense.query_prompt or None,
        passage_prompt=dense.passage_prompt or None,
        max_length=dense.max_length,
    )


def compare_models(
    pair: PrunedPair, task: RetrievalTask, progress: Callable[[str, int, int], None] | None = None
) -> tuple[Comparison, Evaluation, Evaluation]:
    """Encode a task with both models and compare their rankings."""
    from gaprune_viz.evaluation.retrieval import compare, encode_task, evaluate

    cache, evaluations = embedding_cache(), []
    for label, model in (("dense", pair.dense), ("pruned", pair.pruned)):

        def tell(done: int, total: int, label: str = label) -> None:
            if progress is not None:
                progress(f"Encoding, {label}", done, total)

        embeddings = encode_task(CachedEncoder(model, cache), task, progress=tell)
        evaluations.append(evaluate(task, *embeddings))
    return compare(task, *evaluations), evaluations[0], evaluations[1]


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
    }


def model_card(document: dict[str, Any]) -> str:
    """README.md of a pruned export."""
    run, settings = document["run"], document["settings"]
    score, mask = settings["score"], settings["mask"]
    label = document["dense"]["label"]
    base = f"base_model: {run['model']['model']}\n" if "/" in run["model"]["model"] else ""
    data = "\n".join(
        f"| {side} | {d['name']} | {d['samples']} | {d['mean_loss']:.4f} |" for side, d in document["data"].items()
    )
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
{base}tags:
- sentence-transformers
- pruning
- gaprune
---

# {label}, pruned to {document["scope_sparsity"]:.1%} sparsity

Made with gaprune_viz after {PAPER}.

{document["sentence"]}

| | |
|---|---|
| criterion | `{score["criterion"]}` (alignment `{score["alignment"]}`, alpha {score["alpha"]}, beta {score["beta"]}, \
gamma {score["gamma"]}, kappa {document["kappa"]:g}, Fisher power {score["fisher_power"]:g}) |
| mask | {mask["pattern"]}, allocation `{mask["allocation"]}` |
| zeros | {document["zeros"]:,} of {document["scope_weights"]:,} weights in scope `{run["calibration"]["scope"]}` |
| sparsity of the whole model | {document["model_sparsity"]:.1%} of {document["model_weights"]:,} parameters |
| longest text | {document["dense"]["max_length"]} tokens, here and in every comparison |
| same weights as magnitude pruning | {document["overlap_with_magnitude"]:.2%} of the pruned ones |

Calibration:

| side | data | samples | mean loss |
|---|---|---|---|
{data}

The zeros are stored as zeros: this model is as large and as fast as the dense one. `mask.safetensors` holds the mask
(True = kept), `gaprune.json` every setting.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
```
"""


def embedding_cache() -> EmbeddingCache:
    """Embeddings of evaluations, kept in the workspace; without one, nothing is kept."""
    try:
        return EmbeddingCache(workspace() / "embeddings")
    except GapruneError:
        return EmbeddingCache(None)
