"""A criterion with an update on an analysis: exact counts, sparsity, what is refused, what an export says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import Allocation, MaskSpec, RefitSpec, ScoreSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.masks import count_of
from gaprune_viz.pruning.export import prune
from gaprune_viz.pruning.mask_and_refit import Pruned, pruned

SPARSEGPT = ScoreSpec(criterion="sparsegpt")


@pytest.fixture(scope="module")
def made(tiny_analysis: Path):  # type: ignore[no-untyped-def]
    statistics = Statistics.open(tiny_analysis)
    model = load_dense(statistics)
    scope, targets = exact_scope(statistics, model)

    def make(**settings: object) -> Pruned:
        return drain(pruned(statistics, model, scope, targets, Settings(score=SPARSEGPT, **settings)))  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize("allocation", [*Allocation])
@pytest.mark.parametrize("sparsity", [0.0, 0.37, 0.9])
def test_sparsity_is_exact_in_every_group(made, allocation: Allocation, sparsity: float) -> None:  # type: ignore[no-untyped-def]
    found = made(mask=MaskSpec(sparsity=sparsity, allocation=allocation))
    sizes, gone = ({n: f(m) for n, m in found.masks.items()} for f in (torch.numel, lambda m: int((~m).sum())))
    if allocation is Allocation.ROW:
        for mask in found.masks.values():
            assert set((~mask).sum(dim=1).tolist()) == {count_of(sparsity, mask.shape[1])}
    elif allocation in (Allocation.AUTO, Allocation.MATRIX):
        assert gone == {name: count_of(sparsity, size) for name, size in sizes.items()}
    elif allocation is Allocation.GLOBAL:
        assert sum(gone.values()) == count_of(sparsity, sum(sizes.values()))
    weights = found.weights
    assert weights is not None
    for name, mask in found.masks.items():
        assert not weights[name][~mask].any() and torch.isfinite(weights[name]).all()


def test_n_of_m_is_exact_and_at_sparsity_0_nothing_moves(made, tiny_analysis: Path) -> None:  # type: ignore[no-untyped-def]
    for mask in made(mask=MaskSpec(pattern="2:4")).masks.values():
        assert bool((mask.view(len(mask), -1, 4).sum(dim=2) == 2).all())
    model = load_dense(Statistics.open(tiny_analysis))
    dense = dict(model.backbone.named_parameters())
    whole = made(mask=MaskSpec(sparsity=0.0))
    assert all(torch.equal(weight, dense[name]) for name, weight in whole.weights.items())


def test_a_refit_goes_over_its_mask(made) -> None:  # type: ignore[no-untyped-def]
    mask = MaskSpec(sparsity=0.5)
    plain, both = made(mask=mask), made(mask=mask, refit=RefitSpec(refit=True))
    assert all(torch.equal(plain.masks[name], both.masks[name]) for name in plain.masks)
    name = next(iter(plain.masks))
    assert both.refit is not None and not torch.equal(plain.weights[name], both.weights[name])


def test_what_it_does_not_keep_to_is_one_line(made) -> None:  # type: ignore[no-untyped-def]
    for mask in (MaskSpec(allocation=Allocation.GLOBAL, whole_neurons=True), MaskSpec(row_ceiling=0.9)):
        with pytest.raises(GapruneError, match="SparseGPT chooses weights while it goes through the layers"):
            made(mask=mask)


def test_an_export_holds_the_moved_weights_and_says_so(tiny_analysis: Path, tmp_path: Path) -> None:
    document = prune(tiny_analysis, Settings(score=SPARSEGPT), tmp_path / "out")
    assert document["update"]["criterion"] == "sparsegpt" and document["update"]["tokens"] > 0
    assert "SparseGPT decides in the end layer by layer" in document["sentence"]
    assert "moved by `sparsegpt` as it chose" in (tmp_path / "out" / "README.md").read_text()
    masks = load_file(tmp_path / "out" / "mask.safetensors")
    weights = load_file(tmp_path / "out" / "model.safetensors")
    dense = dict(load_dense(Statistics.open(tiny_analysis)).backbone.named_parameters())
    moved = 0
    for name, mask in masks.items():
        weight = next(w for key, w in weights.items() if key.endswith(name))
        assert not weight[~mask].any()
        moved += int((weight[mask] != dense[name][mask]).sum())
    assert moved > 0
    assert json.loads((tmp_path / "out" / "gaprune.json").read_text())["update"] == document["update"]
