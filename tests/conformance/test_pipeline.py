"""From triplets to a masked model and back, for every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.calibration.domain_pass import calibrate
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, MaskSpec, ModelSpec, RunSpec, Sampling, Scope, ScoreSpec, Settings
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.evaluation.comparison import compare_models, load_pair
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask, encode_task
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.applying import masked
from gaprune_viz.pruning.export import prune
from tests.tiny_models import FAMILIES, texts

HALF = Settings(mask=MaskSpec(sparsity=0.5))
OBD = Settings(score=ScoreSpec(criterion="obd_joint"), mask=MaskSpec(sparsity=0.5))


@pytest.mark.parametrize("family", FAMILIES)
def test_analyse_mask_and_restore(
    family: str,
    tiny_model: Callable[..., EmbeddingModel],
    tiny_triplets: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    model = tiny_model(family, "left")
    domain, general = map(str, tiny_triplets)
    run = RunSpec(
        model=ModelSpec(model=model.source, device="cpu"),
        calibration=CalibrationSpec(
            domain=domain, general=general, samples=12, sampling=Sampling.ALL, scope=Scope.LINEAR
        ),
    )
    analysis = open_analysis(drain(analyze(run, tmp_path / "analysis", model=model)))
    targets = inventory(model).targets
    size = sum(t.size for t in targets)
    assert analysis.statistics.names == tuple(t.name for t in targets)
    # Random weights guess, and that is all that is to be said of them.
    assert all("not clearly below that of guessing" in note for note in analysis.statistics.document["notes"])
    preview = analysis.live.preview(HALF)
    sizes = [m.size for m in analysis.statistics.matrices]
    assert float((preview.pruned_fraction * sizes).sum()) == pytest.approx(size / 2, rel=0.01)

    # What is on disk is what calibration found.
    found = drain(
        calibrate(model, targets, load_triplets(domain).triplets, temperature=0.05, token_budget=4_096, stage="again")
    )
    for name in analysis.statistics.names:
        assert torch.equal(analysis.statistics.tensor(name, "fisher_domain"), found.fisher[name])
        assert torch.equal(analysis.statistics.tensor(name, "grad_domain"), found.grad[name])

    scope, chosen = exact_scope(analysis.statistics, model)
    dense = model.encode(texts())
    seen = []
    for settings in (HALF, OBD):
        masks = scope.masks(settings).masks
        assert {name: tuple(mask.shape) for name, mask in masks.items()} == {t.name: t.shape for t in targets}
        assert sum(int((~mask).sum()) for mask in masks.values()) == size // 2
        with masked(model, chosen, masks):
            seen.append(model.encode(texts()))
            assert sum(int((t.parameter == 0).sum()) for t in targets) == size // 2
        assert np.isfinite(seen[-1]).all()
        assert np.abs(seen[-1] - dense).max() > 1e-2
        np.testing.assert_array_equal(model.encode(texts()), dense)
    assert np.abs(seen[0] - seen[1]).max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_analyse_prune_reload_compare(
    family: str,
    side: str,
    tiny_model_folder: Callable[..., Path],
    tiny_triplets: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    domain, general = map(str, tiny_triplets)
    run = RunSpec(
        model=ModelSpec(model=str(tiny_model_folder(family, side)), device="cpu"),
        calibration=CalibrationSpec(
            domain=domain, general=general, samples=12, sampling=Sampling.ALL, scope=Scope.LINEAR
        ),
    )
    folder = drain(analyze(run, tmp_path / "analysis"))
    document = prune(folder, OBD, tmp_path / "pruned")
    assert document["zeros"] == document["scope_weights"] // 2
    triplets = load_triplets(domain).triplets
    corpus = list(dict.fromkeys(text for t in triplets for text in (t.positive, *t.negatives)))
    task = RetrievalTask.of(
        "own",
        [Passage(str(i), text) for i, text in enumerate(corpus)],
        {str(i): t.query for i, t in enumerate(triplets)},
        {str(i): {str(corpus.index(t.positive)): 1} for i, t in enumerate(triplets)},
    )
    pair = load_pair(tmp_path / "pruned")
    comparison, dense, pruned = compare_models(pair, task)
    assert comparison.queries == len(triplets)
    assert comparison.passages == len(corpus)
    assert dense.rankings != pruned.rankings

    # The reloaded export ranks as the live masked model does.
    analysis = open_analysis(folder)
    scope, targets = exact_scope(analysis.statistics, pair.dense)
    with masked(pair.dense, targets, scope.masks(OBD).masks):
        live = evaluate(task, *encode_task(pair.dense, task))
    assert [[d for d, _ in r] for r in live.rankings.values()] == [[d for d, _ in r] for r in pruned.rankings.values()]
