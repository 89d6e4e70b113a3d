"""What a slider's move is answered with: the preview of a mask, and what is drawn beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gaprune_viz.config import Settings


@dataclass(frozen=True)
class Density:
    """How values spread in every layer.

    Attributes:
        edges: float64 [bins + 1].
        counts: float64 [layers, bins], in weights of the model.
    """

    edges: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Preview:
    """The answer to a slider move.

    Attributes:
        settings: what was asked.
        kappa: the Fisher scale in force.
        pruned_fraction: float64 [matrices].
        score_mean: float64 [matrices].
        thresholds: float64 [matrices]; nan where there is no common one.
        term_shares: share of each term in the variance of the score.
        overlap_with_magnitude: share of the pruned weights that magnitude would prune at the same settings.
        rank_correlation: Spearman's, of the score with |theta|; nan where the score is constant.
        disagreement: fraction of weights whose domain and general gradients point apart; nan without gradients.
        starved: matrices of which more than 95 % would go.
        sentence: what decides, in plain words.
    """

    settings: Settings
    kappa: float
    pruned_fraction: np.ndarray
    score_mean: np.ndarray
    thresholds: np.ndarray
    term_shares: dict[str, float]
    overlap_with_magnitude: float
    rank_correlation: float
    disagreement: float
    starved: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Overlaps:
    """How far a mask prunes the weights that each criterion would at the same settings, by its name.

    Attributes:
        overlap: share of the mask's pruned weights.
        jaccard: share of the weights that either of the two prunes.
    """

    overlap: dict[str, float]
    jaccard: dict[str, float]


@dataclass(frozen=True)
class Points:
    """Some sampled weights: the two parts of DAI before alignment, float64 [n], and whether they would go, bool [n].

    `matrix` and `flat` (row * in + column), int64 [n], say which weights they are; `score`, float64 [n], is that of the
    criterion in use.
    """

    magnitude: np.ndarray
    fisher: np.ndarray
    pruned: np.ndarray
    matrix: np.ndarray
    flat: np.ndarray
    score: np.ndarray
