"""The texts of a refit: each once, in batches of like length that do not hang on the order in which they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from gaprune_viz.calibration.batching import Given, tokens_of
from gaprune_viz.config import SIDES, RefitSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel, token_batches
from gaprune_viz.pruning.refit.gram import Rows

TOKEN_BUDGET = 1_024
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Texts that go through a block together.

    Attributes:
        ids: token ids of each text.
        weights: how much each of a text's tokens counts.
    """

    ids: tuple[Ids, ...]
    weights: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.ids), max(map(len, self.ids))

    @property
    def tokens(self) -> int:
        return sum(map(len, self.ids))

    @property
    def padded(self) -> int:
        texts, longest = self.shape
        return texts * longest

    def rows(self) -> Rows:
        """Where the real tokens are in the padded batch, and their weights."""
        _, longest = self.shape
        index = [i * longest + k for i, row in enumerate(self.ids) for k in range(len(row))]
        roots = [w**0.5 for row, w in zip(self.ids, self.weights, strict=True) for _ in row]
        same = all(w == 1 for w in self.weights)
        return Rows(
            None if len(index) == self.padded else torch.tensor(index),
            None if same else torch.tensor(roots, dtype=torch.float32)[:, None],
        )


def batches_of(
    model: EmbeddingModel, triplets: Mapping[str, Sequence[Given]], spec: RefitSpec, token_budget: int = TOKEN_BUDGET
) -> list[Batch]:
    """The distinct texts of both sides, so weighted that each side's tokens together count as `domain_share` says.

    The mean weight of a token is 1. A side of weight 0 is left out.

    Args:
        triplets: of each side; at most `spec.samples` of them are read, evenly over the list.
        token_budget: most padded tokens of a batch; a longer text is a batch of its own.

    Raises:
        GapruneError: a side that counts has no triplets.
    """
    shares: dict[str, float] = {"domain": spec.domain_share, "general": 1 - spec.domain_share}
    texts = {side: _distinct(model, side, triplets.get(side, ()), spec.samples) for side in SIDES if shares[side]}
    counts = {side: sum(map(len, ids)) for side, ids in texts.items()}
    weighted = [
        (ids, shares[side] * sum(counts.values()) / counts[side]) for side, found in texts.items() for ids in found
    ]
    weighted.sort(key=lambda text: (-len(text[0]), text))
    return [
        Batch(tuple(weighted[i][0] for i in batch), tuple(weighted[i][1] for i in batch))
        for batch in token_batches([len(ids) for ids, _ in weighted], token_budget)
    ]


def _distinct(model: EmbeddingModel, side: str, triplets: Sequence[Given], samples: int) -> set[Ids]:
    if not triplets:
        raise GapruneError(
            f"There are no {side} texts to refit with.",
            "Give triplets of that side, or a domain share of 1 (domain only) or 0 (general only).",
        )
    count = min(samples, len(triplets))
    chosen = [triplets[i * len(triplets) // count] for i in range(count)]
    return {ids for found in tokens_of(model, chosen) for ids in (found.query, *found.passages) if ids}
