"""A refit is what its formula says, in every family: against whole models, one text at a time, row by row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import ModelSpec, RefitSpec
from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.models.blocks import find_blocks
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.refit.batches import batches_of
from gaprune_viz.pruning.refit.refit import Refit, refit
from tests.conformance.refit_reference import reference
from tests.tiny_models import FAMILIES

SPEC = RefitSpec(ridge=0.1, samples=4, tolerance=1e-5, domain_share=0.7)
TOKENS = 128


@pytest.fixture(scope="module")
def triplets(tiny_triplets: tuple[Path, Path]) -> dict[str, tuple[Triplet, ...]]:
    return {s: load_triplets(str(p)).triplets for s, p in zip(("domain", "general"), tiny_triplets, strict=True)}


@pytest.fixture
def load(tiny_model_folder: Callable[..., Path]) -> Callable[[str], EmbeddingModel]:
    return lambda family: load_model(ModelSpec(model=str(tiny_model_folder(family)), device="cpu"))


def half(model: EmbeddingModel) -> dict[str, Tensor]:
    """The larger half of each matrix, and of the first no input at all for one row."""
    masks = {t.name: t.weight.abs() > t.weight.abs().median() for t in inventory(model).targets}
    next(iter(masks.values()))[3] = False
    return masks


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_refitted_as_whole_models_say(family: str, load, triplets) -> None:  # type: ignore[no-untyped-def]
    model = load(family)
    targets, masks = inventory(model).targets, half(model)
    found: Refit = drain(refit(model, targets, masks, triplets, SPEC, token_budget=TOKENS))
    texts = {ids: w for b in batches_of(model, triplets, SPEC) for ids, w in zip(b.ids, b.weights, strict=True)}
    blocks = [block for _, block in find_blocks(model.backbone)]
    expected, errors = reference(model, family, targets, blocks, masks, texts, SPEC.ridge)
    assert found.weights.keys() == expected.keys()
    for target in targets:
        weight, wanted, keep = found.weights[target.name], expected[target.name], masks[target.name]
        assert not weight[~keep].any()
        assert float((weight - wanted).norm() / wanted.norm()) < 1e-3, target.name
        masked, refitted = errors[target.name]
        assert refitted <= masked
        gain = next(layer.gain for layer in found.layers if layer.name == target.name) * found.tokens
        assert gain >= 0
    assert [layer.name for layer in found.layers] == [t.name for t in targets]


@pytest.mark.parametrize("family", FAMILIES)
def test_without_pruning_nothing_changes(family: str, load, triplets) -> None:  # type: ignore[no-untyped-def]
    model = load(family)
    targets = inventory(model).targets
    masks = {t.name: torch.ones(t.shape, dtype=torch.bool) for t in targets}
    found: Refit = drain(refit(model, targets, masks, triplets, SPEC, token_budget=TOKENS))
    for target in targets:
        assert float((found.weights[target.name] - target.weight).norm() / target.weight.norm()) <= 1e-5
    assert max(found.errors) <= 1e-5
