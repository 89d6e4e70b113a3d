"""The slow, plain way to the statistics: one text at a time, one backward per sample, autograd on the weights.

Nothing here calls the engine: texts are tokenized alone, so there is no padding; pooling and loss are written out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gaprune_viz.data.schema import Triplet
from gaprune_viz.models.blocks import is_conv1d
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target


@dataclass(frozen=True)
class Reference:
    """What calibration must find, by parameter name; weights as [out, in]."""

    fisher: dict[str, Tensor]
    grad: dict[str, Tensor]
    act: dict[str, Tensor]
    losses: list[float]
    tokens: int


def embed_alone(model: EmbeddingModel, text: str, pooling: str) -> Tensor:
    """The unit embedding of one text, [d], without padding."""
    ids = torch.tensor([model.tokenizer(text, truncation=True, max_length=model.max_length)["input_ids"]])
    states = model.backbone(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
    vector = {"mean": lambda: states.mean(0), "last": lambda: states[-1], "cls": lambda: states[0]}[pooling]()
    return vector.float() / vector.float().norm()


def naive(
    model: EmbeddingModel, targets: Sequence[Target], triplets: Sequence[Triplet], temperature: float, pooling: str
) -> Reference:
    """Statistics by one backward per sample."""
    named = dict(model.backbone.named_parameters())
    weights = {t.name: named[t.name] for t in targets}
    flipped = {t.name: is_conv1d(t.module) for t in targets}
    squares = {name: torch.zeros(w.shape, dtype=torch.float64) for name, w in weights.items()}
    totals = {name: torch.zeros(w.shape, dtype=torch.float64) for name, w in weights.items()}
    inputs = {name: torch.zeros((), dtype=torch.float64) for name in weights}
    rows = dict.fromkeys(weights, 0)
    handles = []

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0].detach().reshape(-1, args[0].shape[-1]).double()
            inputs[name] = inputs[name] + x.square().sum(0)
            rows[name] += len(x)

        return hook

    for name, weight in weights.items():
        weight.requires_grad_(True)
        users = [m for m in model.backbone.modules() if getattr(m, "weight", None) is weight]
        handles += [user.register_forward_pre_hook(keep(name)) for user in users]
    losses, tokens = [], 0
    try:
        for triplet in triplets:
            texts = (triplet.query, triplet.positive, *triplet.negatives)
            tokens += sum(len(model.tokenizer(text)["input_ids"]) for text in texts)
            query, positive, *negatives = (embed_alone(model, text, pooling) for text in texts)
            good = torch.exp(query @ positive / temperature)
            loss = -torch.log(good / (good + sum(torch.exp(query @ n / temperature) for n in negatives)))
            losses.append(float(loss.detach()))
            found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
            for name, gradient in zip(weights, found, strict=True):
                if gradient is None:
                    continue
                squares[name] += gradient.double().square()
                totals[name] += gradient.double()
    finally:
        for handle in handles:
            handle.remove()
        for weight in weights.values():
            weight.requires_grad_(False)
    n = len(triplets)

    def canonical(name: str, value: Tensor) -> Tensor:
        return (value.t() if flipped[name] else value).div_(n)

    return Reference(
        fisher={name: canonical(name, value) for name, value in squares.items()},
        grad={name: canonical(name, value) for name, value in totals.items()},
        act={name: (value / rows[name]).sqrt() for name, value in inputs.items()},
        losses=losses,
        tokens=tokens,
    )


def difference(found: Tensor, expected: Tensor) -> float:
    """Frobenius norm of the difference over that of the expected; inf where the expected is zero and found is not."""
    gap, size = float((found.double() - expected.double()).norm()), float(expected.double().norm())
    return gap / size if size else (math.inf if gap else 0.0)


def worst(found: dict[str, Tensor], expected: dict[str, Tensor]) -> tuple[float, str]:
    """The largest relative difference over all matrices, and whose it is."""
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value.shape == expected[name].shape, name
    return max((difference(found[name], expected[name]), name) for name in found)
