"""Which way of finishing a cut is kept: what answers calibration queries best that no way has read.

A refit lowers every layer's error and may break retrieval all the same, so that nothing but retrieval decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gaprune_viz.analysis.samples import choose_data
from gaprune_viz.calibration.batching import Given, texts_in
from gaprune_viz.config import SIDES, RunSpec
from gaprune_viz.data.schema import PlainText
from gaprune_viz.data.sources.naming import sides_of
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import COSINE, EmbeddingModel

# Held out of each side: at most so many, and of a side that was calibrated whole this share.
MOST, SHARE, LEAST = 128, 0.25, 4


@dataclass(frozen=True)
class Texts:
    """The samples of an analysis, split for a cut.

    Attributes:
        calibrated: by side, those that were analysed, less what is held out.
        learned: by side, all that there are, less what is held out.
        held: by side, what decides. No passage of these is in the others.
    """

    calibrated: dict[str, Sequence[Given]]
    learned: dict[str, Sequence[Given]]
    held: dict[str, Sequence[Given]]

    @property
    def queries(self) -> int:
        """How many queries, or plain texts, decide."""
        return sum(len(samples) for samples in self.held.values())


def split_texts(run: RunSpec, hashes: Mapping[str, str], model: EmbeddingModel) -> Texts:
    """Split what an analysis read.

    Samples that were not analysed are held out where there are enough of them; else some that were.

    Args:
        hashes: of the data, by side, as they were analysed.

    Raises:
        GapruneError: the data have changed since, or are too few.
    """
    found = Texts({}, {}, {})
    for side in SIDES:
        data = choose_data(run, side, model)
        if data.source.content_hash != hashes[side]:
            raise GapruneError(
                f"The {side} data ({data.source.name}) have changed since the analysis was made.",
                "Run the analysis again, or cut without a refit and without retraining.",
            )
        every, chosen = list(data.source.samples), list(data.samples)
        taken = set(data.chosen)
        spare = [sample for i, sample in enumerate(every) if i not in taken]
        wanted = min(MOST, int(len(chosen) * SHARE))
        held = _held_out(spare if len(spare) >= wanted else chosen, wanted, len(sides_of(run.calibration)[side]))
        seen = {text for sample in held for text in _answers(sample)}
        found.held[side] = held
        found.calibrated[side] = [s for s in chosen if not seen.intersection(_answers(s))]
        found.learned[side] = [s for s in every if not seen.intersection(_answers(s))]
        if len(held) < LEAST or len(found.calibrated[side]) < LEAST:
            raise GapruneError(
                f"The {side} data ({data.source.name}) are too few to hold out queries that decide.",
                "Give more data, or cut without a refit and without retraining.",
            )
    return found


def _held_out(samples: Sequence[Given], wanted: int, sources: int) -> list[Given]:
    """The last of some samples; where several sources follow one another, as many at even distances."""
    if sources == 1 or not wanted:
        return list(samples[len(samples) - wanted :])
    return [samples[len(samples) - 1 - n * len(samples) // wanted] for n in reversed(range(wanted))]


def _answers(sample: Given) -> tuple[str, ...]:
    """What makes two samples one: the query and the passage that answers it; or the plain text."""
    return texts_in(sample)[:2]


class Judge:
    """Measures models on what is held out, in shares of the dense one."""

    def __init__(self, dense: EmbeddingModel, held: Mapping[str, Sequence[Given]]) -> None:
        self.held = held
        self._plain = {
            side: dense.directions([s.text for s in samples if isinstance(s, PlainText)])
            for side, samples in held.items()
            if isinstance(samples[0], PlainText)
        }
        self._dense = {side: self._value(dense, side) for side in held}
        if wrong := [side for side, value in self._dense.items() if not np.isfinite(value)]:
            raise GapruneError(
                f"Embeddings of the dense model are not finite on the {wrong[0]} side.", "Use float32, or other texts."
            )

    def of_dense(self, model: EmbeddingModel) -> dict[str, float]:
        """How well a model answers, by side: mean reciprocal rank over the dense model's; of plain texts the mean
        cosine with the dense model's embeddings. Embeddings that are not finite answer nothing."""
        values = {side: self._value(model, side) for side in self.held}
        return {
            side: value / max(self._dense[side], 1e-9) if np.isfinite(value) else 0.0 for side, value in values.items()
        }

    def _value(self, model: EmbeddingModel, side: str) -> float:
        """How well a model answers; nan where its embeddings are not finite."""
        samples = self.held[side]
        if side in self._plain:
            mine = model.directions([s.text for s in samples if isinstance(s, PlainText)])
            return float((mine * self._plain[side]).sum(1).mean()) if np.isfinite(mine).all() else np.nan
        texts = [texts_in(sample) for sample in samples]
        passages = list(dict.fromkeys(text for each in texts for text in each[1:]))
        place = {text: i for i, text in enumerate(passages)}
        scores = _likeness(model, model.encode([each[0] for each in texts], "query"), model.encode(passages))
        if not np.isfinite(scores).all():
            return np.nan
        own = scores[np.arange(len(texts)), [place[each[1]] for each in texts]]
        return float((1 / (scores >= own[:, None]).sum(1)).mean())


def _likeness(model: EmbeddingModel, queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
    """How like every query is to every passage, by the model's own similarity: [queries, passages]."""
    if model.similarity == COSINE:
        return queries @ passages.T
    return model.st.similarity(torch.from_numpy(queries), torch.from_numpy(passages)).numpy()
