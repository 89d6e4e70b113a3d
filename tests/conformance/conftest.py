"""Tiny models and triplets of the conformance tests, each made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gaprune_viz.config import ModelSpec
from gaprune_viz.data.schema import Triplet
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model


@pytest.fixture(scope="session")
def tiny_model(tiny_model_folder: Callable[..., Path]) -> Callable[..., EmbeddingModel]:
    """`tiny_model(family, padding_side="right")`: the loaded model. Whoever changes its weights puts them back."""
    loaded: dict[tuple[str, str], EmbeddingModel] = {}

    def model(family: str, padding_side: str = "right") -> EmbeddingModel:
        key = (family, padding_side)
        if key not in loaded:
            folder = tiny_model_folder(family, padding_side)
            loaded[key] = load_model(ModelSpec(model=str(folder), device="cpu"))
        return loaded[key]

    return model


@pytest.fixture(scope="session")
def triplets() -> tuple[Triplet, ...]:
    """Five triplets of very different lengths; two have two negatives."""
    return (
        Triplet("water", "a liquid", ("a solid metal of high density",)),
        Triplet(
            "why is the yield of a bond higher than its coupon when the price is low",
            "the yield is the interest over the price, and so a low price makes it high",
            ("the coupon is fixed", "the price of a share is not the price of a bond"),
        ),
        Triplet("charge of a proton", "a proton has one positive charge in all atoms of the cell", ("electrons",)),
        Triplet("risk", "risk and return go from low to high", ("rain", "the river of salt water")),
        Triplet("how long is a cycle of the moon", "the moon has a cycle of less than a month", ("the sun is a star",)),
    )
