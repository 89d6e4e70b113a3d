"""The numbers of the default run, so that a dependency or a change that moves a result is noticed.

What may move them, and how far, decides the tolerances. Threads move nothing: sums are taken in a fixed order, and one
and two of them (`OMP_NUM_THREADS`) gave the same bits. Another processor or another BLAS adds in another order: with
torch's plainest kernels (`ATEN_CPU_CAPABILITY=default`) every number below stayed well inside its tolerance. A change
of the method does not: `test_a_change_is_noticed` makes two small ones.

When a number moves for a reason that is understood, it is changed here together with what caused it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.opening import Analysis, open_analysis
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Settings
from gaprune_viz.evaluation.embedding_cache import CachedEncoder
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import encode_task
from gaprune_viz.masking.from_statistics import ExactDiagnostics, ExactScope
from gaprune_viz.masking.masks import MaskResult
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.applying import masked
from gaprune_viz.storage.paths import assets

pytestmark = pytest.mark.minilm

# Half of the twelve matrices of 384 x 1,536 weights, rounded down: exact on every machine.
ZEROS = 3_538_944
# The default is 128 samples a side, and takes half a minute; so few show the same.
SAMPLES = 16
# A quarter of the default's batch: the numbers stay the same, and a quarter of the memory is enough.
TOKENS = 1_024

# Losses and thresholds are sums and single scores in float32: relative 1e-5 is a hundred times their rounding.
SUM = 1e-5
LOSS = {"domain": 0.4861219079, "general": 0.4095016122}
THRESHOLD = 0.0866027325
# Shares of weights: a score that is rounded otherwise moves a weight over the threshold, some in a million.
SHARE = 1e-4
OVERLAP_WITH_MAGNITUDE = 0.843356
CONFLICT = 0.493974
SPARSITY = (
    0.419998, 0.558487, 0.389913, 0.560859, 0.394964, 0.560859,
    0.422551, 0.583421, 0.433173, 0.575529, 0.455909, 0.644336,
)  # fmt: skip
# Of 160 queries each is worth 0.006: two that exchange their first and second passage move the mean by 0.0046.
QUERIES = 0.005
NDCG = {
    ("chemistry", "dense"): 0.763931,
    ("chemistry", "pruned"): 0.695027,
    ("finance", "dense"): 0.774972,
    ("finance", "pruned"): 0.767957,
}


@dataclass(frozen=True)
class DefaultRun:
    """A run of the default model with the default settings, on fewer samples."""

    analysis: Analysis
    scope: ExactScope
    targets: tuple[Target, ...]
    result: MaskResult
    diagnostics: ExactDiagnostics


def run_of(model: EmbeddingModel, folder: Path, settings: Settings, seed: int = 0) -> DefaultRun:
    spec = RunSpec(model=ModelSpec(), calibration=CalibrationSpec(samples=SAMPLES, seed=seed, token_budget=TOKENS))
    analysis = open_analysis(drain(analyze(spec, folder, model=model)))
    scope, targets = exact_scope(analysis.statistics, model)
    result = scope.masks(settings)
    return DefaultRun(analysis, scope, targets, result, scope.diagnostics(settings, result))


@pytest.fixture(scope="module")
def run(minilm: EmbeddingModel, tmp_path_factory: pytest.TempPathFactory) -> DefaultRun:
    return run_of(minilm, tmp_path_factory.mktemp("golden") / "default", Settings())


def moved(run: DefaultRun) -> set[str]:
    """Which of the numbers of the masks are not the ones above."""
    sides = run.analysis.statistics.document["data"]
    found = run.diagnostics
    shares = [found.pruned_fraction[matrix.name] for matrix in run.analysis.statistics.matrices]
    right = {
        "zeros": sum(int((~mask).sum()) for mask in run.result.masks.values()) == found.zeros == ZEROS,
        "loss": {side: sides[side]["mean_loss"] for side in LOSS} == pytest.approx(LOSS, rel=SUM),
        "threshold": sorted(set(run.result.thresholds.values())) == pytest.approx([THRESHOLD], rel=SUM),
        "overlap": found.overlap["magnitude"] == pytest.approx(OVERLAP_WITH_MAGNITUDE, abs=SHARE),
        "conflict": found.disagreement == pytest.approx(CONFLICT, abs=SHARE),
        "sparsity": shares == pytest.approx(SPARSITY, abs=SHARE),
    }
    return {name for name, held in right.items() if not held}


def test_the_masks_of_the_default_run(run: DefaultRun) -> None:
    assert moved(run) == set()


@pytest.mark.parametrize("domain", ["chemistry", "finance"])
def test_retrieval_of_the_default_run(
    run: DefaultRun, minilm: EmbeddingModel, dense_minilm: CachedEncoder, domain: str
) -> None:
    task = load_task(domain)
    found = {"dense": evaluate(task, *encode_task(dense_minilm, task)).means["ndcg_at_10"]}
    with masked(minilm, run.targets, run.result.masks):
        found["pruned"] = evaluate(task, *encode_task(minilm, task)).means["ndcg_at_10"]
    expected = {version: value for (name, version), value in NDCG.items() if name == domain}
    assert found == pytest.approx(expected, abs=QUERIES)


def test_a_change_is_noticed(run: DefaultRun, minilm: EmbeddingModel, tmp_path: Path) -> None:
    """Another Fisher scale moves the masks; another seed moves all but the count."""
    settings = Settings()
    scaled = settings.with_(score=settings.score.with_(fisher_scale=1_000.0).model_dump())
    result = run.scope.masks(scaled)
    other = DefaultRun(run.analysis, run.scope, run.targets, result, run.scope.diagnostics(scaled, result))
    assert "threshold" in moved(other)
    assert "loss" not in moved(other)
    assert moved(run_of(minilm, tmp_path / "other", settings, seed=1)) >= {"loss", "threshold", "overlap", "sparsity"}


def test_the_bundled_analysis_reads_as_it_was_made() -> None:
    """Nothing is computed but the preview from its sketch: no tolerance but that of a sum."""
    bundled = open_analysis(assets() / "demo")
    preview = bundled.live.preview(Settings())
    sides = bundled.statistics.document["data"]
    assert [sides[side]["mean_loss"] for side in ("domain", "general")] == pytest.approx(
        [0.2356019747, 0.2789654545], rel=SUM
    )
    assert preview.kappa == 1
    assert preview.thresholds[0] == pytest.approx(0.0876816064, rel=SUM)
    assert preview.overlap_with_magnitude == pytest.approx(0.8425765, abs=SUM)
    assert preview.disagreement == pytest.approx(0.4641574, abs=SUM)
    assert preview.rank_correlation == pytest.approx(0.9150084, abs=SUM)
