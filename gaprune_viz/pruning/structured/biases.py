"""Put back the mean of what was taken out: biases of the layers that end an MLP, one after another.

Neurons that go take their mean answer with them, which a bias can give as well. What is made good is the mean of the
residual stream after the layer, over the real tokens of calibration texts, in the model as corrected so far: so what
earlier layers lost counts too. (Of the layer alone, without the stream: FLAP, An et al., arXiv 2312.11983.)
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.models.encoder import ENCODE_TOKENS, EmbeddingModel, token_batches
from gaprune_viz.pruning.refit.replay import Sums, features_of

STAGE = "Correcting biases"
Ids = list[list[int]]


def biased(model: EmbeddingModel, names: Sequence[str]) -> list[str]:
    """Those of some matrices whose layers have a bias."""
    return [name for name in names if getattr(_module(model, name), "bias", None) is not None]


def correct_biases(
    dense: EmbeddingModel, smaller: EmbeddingModel, names: Sequence[str], texts: Sequence[str]
) -> Generator[Progress, None, None]:
    """Change biases of a model in place.

    Args:
        names: of the matrices of the layers, in the order in which they compute; each has a bias in both models.

    Yields:
        Progress, after every layer.
    """
    began = time.monotonic()
    rows = dense.token_ids(texts, "passage")
    groups = token_batches([len(row) for row in rows], ENCODE_TOKENS, padded=not dense.padding_dependent)
    batches = [[rows[i] for i in group] for group in groups]
    yield Progress(STAGE, 0, len(names) + 1, 0.0)
    wanted = _means(dense, names, batches)
    for done, name in enumerate(names, start=1):
        bias = _module(smaller, name).bias
        bias.data += (wanted[name] - _means(smaller, [name], batches)[name]).to(bias.dtype)
        yield Progress(STAGE, done + 1, len(names) + 1, time.monotonic() - began)


@torch.no_grad()
def _means(model: EmbeddingModel, names: Sequence[str], batches: Sequence[Ids]) -> dict[str, Tensor]:
    """Mean over real tokens of the residual stream once each layer is added to it, float64 [hidden]; of a layer whose
    output is not added as it is, of that output."""
    totals: dict[str, Tensor] = {}
    tokens = sum(len(row) for batch in batches for row in batch)
    for batch in batches:
        for name, states in _states(model, names, batch).items():
            states = states.reshape(len(batch), -1, states.shape[-1])
            real = [states[i, : len(row)] for i, row in enumerate(batch)]
            total = torch.cat(real).double().sum(0)
            totals[name] = totals[name] + total if name in totals else total
    return {name: total / tokens for name, total in totals.items()}


def _states(model: EmbeddingModel, names: Sequence[str], batch: Ids) -> dict[str, Tensor]:
    sums = Sums()
    outputs: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def heard(module: Any, args: Any, out: Tensor) -> None:
            outputs[name] = out
            sums.watch(name, out)

        return heard

    handles = [_module(model, name).register_forward_hook(hook(name)) for name in names]
    try:
        with model.lock, sums:
            model.backbone(**features_of(model, batch))
    finally:
        for handle in handles:
            handle.remove()
    return {**outputs, **sums.found}


def _module(model: EmbeddingModel, name: str) -> Any:
    return model.backbone.get_submodule(name.removesuffix(".weight"))
