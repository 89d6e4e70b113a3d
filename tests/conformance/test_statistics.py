"""The statistics of one batched pass equal those of one backward per sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from gaprune_viz.config import Dtype, ModelSpec, Scope
from gaprune_viz.core.calibration import DomainStatistics, calibrate
from gaprune_viz.core.encoder import EmbeddingModel
from gaprune_viz.core.loading import load_model
from gaprune_viz.core.targets import find_targets, inventory
from gaprune_viz.data.starter import starter_triplets
from gaprune_viz.data.triplets import Triplet
from gaprune_viz.errors import GapruneError
from gaprune_viz.pipeline import drain
from tests.conformance.reference import Reference, naive, worst
from tests.tiny_models import BUILDERS, CAUSAL, FAMILIES, make_tokenizer, randomize

TAU = 0.05
BUDGET = 4_096
EXACT = 1e-4
SAME = 1e-5


def statistics(model: EmbeddingModel, triplets: Sequence[Triplet], budget: int = BUDGET) -> DomainStatistics:
    targets = find_targets(model, Scope.LINEAR)
    return drain(calibrate(model, targets, triplets, temperature=TAU, token_budget=budget, stage="test"))


def assert_equal(found: DomainStatistics, expected: Reference | DomainStatistics, tolerance: float) -> None:
    for quantity in ("fisher", "grad", "act"):
        gap, name = worst(getattr(found, quantity), getattr(expected, quantity))
        assert gap <= tolerance, f"{quantity} of {name}: {gap:.2e}"
    np.testing.assert_allclose(found.losses, expected.losses, rtol=tolerance, atol=tolerance)
    assert found.tokens == expected.tokens


@pytest.fixture(scope="module")
def expected(tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]) -> Callable[[str], Reference]:
    """The reference of a family, computed once."""
    made: dict[str, Reference] = {}

    def of(family: str) -> Reference:
        if family not in made:
            model = tiny_model(family)
            pooling = "last" if family in CAUSAL else "mean"
            made[family] = naive(model, inventory(model).targets, triplets, TAU, pooling)
        return made[family]

    return of


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_equals_one_backward_per_sample(
    family: str,
    side: str,
    tiny_model: Callable[..., EmbeddingModel],
    expected: Callable[[str], Reference],
    triplets: tuple[Triplet, ...],
) -> None:
    assert_equal(statistics(tiny_model(family, side), triplets), expected(family), EXACT)


# 64 tokens split the samples into several steps; with 1 token every sample is a step of its own.
@pytest.mark.parametrize("budget", [64, 1])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_token_budget_changes_nothing(
    family: str, budget: int, tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    model = tiny_model(family)
    assert_equal(statistics(model, triplets, budget), statistics(model, triplets), SAME)


@pytest.mark.minilm
def test_the_default_model_equals_one_backward_per_sample(minilm: EmbeddingModel) -> None:
    triplets = starter_triplets("chemistry")[:8]
    reference = naive(minilm, inventory(minilm).targets, triplets, TAU, "mean")
    assert_equal(statistics(minilm, triplets), reference, EXACT)
    assert_equal(statistics(minilm, triplets, 256), reference, EXACT)
