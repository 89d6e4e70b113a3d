"""Exact masks and diagnostics from a run's statistics and the model's weights, one matrix at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.calibration.sources.source_statistics import SourceStatistics
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, Alignment, Allocation, ScoreSpec, Settings
from gaprune_viz.criteria.alignment import align_matrix
from gaprune_viz.criteria.criterion import STATISTICS, Criterion, ResolvedScore, WeightStatistics
from gaprune_viz.criteria.diagnostics import rank_correlation
from gaprune_viz.criteria.fisher_estimate import estimate
from gaprune_viz.criteria.registry import criterion, settled
from gaprune_viz.criteria.scoring import alignment_of, kappa_of, lacking, numbers_of, score_weights, terms_of
from gaprune_viz.criteria.sources.source_moments import OVER_SOURCES, over_sources
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.masks import MaskResult, make_masks_streaming, rank_of, sparsity_of, zeros_of
from gaprune_viz.masking.neuron_masks import WholeNeurons, waking_count
from gaprune_viz.masking.sentences import beyond_preview, explain_weight, plain_sentence


@dataclass(frozen=True)
class ExactDiagnostics:
    """What the mask of some settings is, counted over every weight of the scope.

    Attributes:
        sparsity: fraction of the scope that is pruned.
        zeros, weights: counts in the scope.
        pruned_fraction: per matrix.
        term_shares: share of each term in the variance of the score.
        overlap, jaccard: with other criteria's masks at the same mask settings.
        disagreement: fraction of weights whose two gradients point apart.
        kappa: the Fisher scale in force.
        sentence: what decides, in plain words.
        waking: MLP neurons that lose nearly all their inputs and keep an output: they answer every text alike.
    """

    sparsity: float
    zeros: int
    weights: int
    pruned_fraction: dict[str, float]
    term_shares: dict[str, float]
    overlap: dict[str, float]
    jaccard: dict[str, float]
    disagreement: float
    kappa: float
    sentence: str
    waking: int


class ExactScope:
    """Scores and masks over all weights of a run.

    Args:
        statistics: the run on disk.
        theta_of: the weight of a matrix, float32 [out, in], by name; the dense one.
    """

    def __init__(self, statistics: Statistics, theta_of: Callable[[str], Tensor]) -> None:
        self.statistics, self.theta_of = statistics, theta_of
        self.shapes = {m.name: (m.rows, m.columns) for m in statistics.matrices}
        self.layers = {m.name: m.layer for m in statistics.matrices}
        self.index = {m.name: i for i, m in enumerate(statistics.matrices)}
        self.aligned = all(statistics.gradients.values())
        self.lacks = lacking(statistics.gradients)
        self.sources = SourceStatistics(statistics)

    def kappa(self, spec: ScoreSpec) -> float:
        """The number behind kappa; GapruneError where "auto" has none."""
        return kappa_of(spec, self.statistics.scales)

    def numbers(self, spec: ScoreSpec) -> ResolvedScore:
        """What a criterion computes with."""
        return numbers_of(spec, self.statistics.scales)

    def weights(self, name: str, spec: ScoreSpec) -> WeightStatistics:
        """What a criterion takes, for one whole matrix; only what it needs is read."""
        chosen = criterion(spec.criterion)
        read: dict[str, Tensor] = {
            field: self.statistics.tensor(name, field)
            for field in ("fisher_domain", "fisher_general", "grad_domain", "act_domain")
            if field in chosen.needs and field not in self.lacks
        }
        for side in SIDES:
            if (field := f"fisher_{side}") in read:
                read[field] = estimate(spec.fisher_estimate, read[field], self.statistics.samples(side))
        theta = self.theta_of(name)
        if "alignment" in chosen.needs:
            read["alignment"] = align_matrix(alignment_of(chosen, spec), self.statistics.matrix(name, theta))
        return WeightStatistics(theta=theta, matrix_index=self.index[name], **read, **self._over(name, chosen))

    def _over(self, name: str, chosen: Criterion) -> dict[str, Tensor]:
        """What a criterion needs of what the sources say of a matrix's weights; float32 [out, in] each."""
        if not set(chosen.needs) & set(OVER_SOURCES):
            return {}
        found = over_sources(*self.sources.read(name))
        return {field: values for field, values in found.items() if field in chosen.needs}

    def scores(self, name: str, spec: ScoreSpec) -> Tensor:
        """Scores of one matrix, float32 [out, in]; higher means keep."""
        scores = score_weights(criterion(spec.criterion), self.weights(name, spec), self.numbers(spec))
        return scores.broadcast_to(self.shapes[name])

    def masks(self, settings: Settings) -> MaskResult:
        """The exact masks: True = kept.

        Raises:
            GapruneError: the settings cannot be met, or the run lacks what the criterion needs.
        """
        if settings.structure.whole:
            raise GapruneError(
                f"A mask is made of single weights, and these settings take out whole {settings.structure.structure}.",
                "Cut them with `prune`, or set structure to weights.",
            )
        mask = settled(settings).mask
        return make_masks_streaming(self.scores_of(settings), self.shapes, self.layers, mask)

    def scores_of(self, settings: Settings) -> Callable[[str], Tensor]:
        """The scores by which some settings prune: those of the criterion, a neuron counting as a whole if it shall.

        Under row allocation and N:M a row never loses nearly all of its weights, and the scores are the criterion's.
        """

        def plain(name: str) -> Tensor:
            return self.scores(name, settings.score)

        mask = settled(settings).mask
        within = mask.pattern != "unstructured" or mask.allocation is Allocation.ROW
        if not mask.whole_neurons or within:
            return plain
        whole = WholeNeurons(plain, self.statistics.matrices)
        return lambda name: torch.from_numpy(whole(name, plain(name).float().numpy()))

    def diagnostics(
        self, settings: Settings, result: MaskResult, others: tuple[str, ...] = ("magnitude",)
    ) -> ExactDiagnostics:
        """Count everything over all weights.

        Args:
            settings: those of `result`.
            result: from `masks`.
            others: criteria to compare with; () for none. Magnitude is needed for the sentence and always added; those
                that the run cannot serve are left out.
        """
        overlap, jaccard = {}, {}
        # Others are compared in the group of this criterion: the masks differ by their scores alone.
        settings = settled(settings)
        served = [name for name in others if not set(criterion(name).needs) & set(self.lacks)]
        for name in dict.fromkeys(("magnitude", *served)):
            other = settings.with_(score=settings.score.with_(criterion=name))
            overlap[name], jaccard[name] = mask_overlap(result.masks, self.masks(other).masks)
        shares = self.term_shares(settings.score)
        sparsity = sparsity_of(result.masks)
        return ExactDiagnostics(
            sparsity=sparsity,
            zeros=zeros_of(result.masks),
            weights=sum(m.size for m in self.statistics.matrices),
            pruned_fraction={n: 1 - int(mask.count_nonzero()) / mask.numel() for n, mask in result.masks.items()},
            term_shares=shares,
            overlap=overlap,
            jaccard=jaccard,
            disagreement=self.disagreement(),
            kappa=self.kappa(settings.score),
            waking=waking_count(result.masks, self.statistics.matrices),
            sentence=plain_sentence(
                criterion(settings.score.criterion),
                settings.score,
                settings.mask,
                shares=shares,
                overlap_with_magnitude=overlap["magnitude"],
                pruned_fraction=sparsity,
                aligned=self.aligned,
            ),
        )

    def term_shares(self, spec: ScoreSpec) -> dict[str, float]:
        """Cov(term, score) / Var(score) of every term, over all weights; they add up to 1 (all 0: a constant score)."""
        numbers = self.numbers(spec)
        chosen = criterion(spec.criterion)

        def terms(name: str) -> dict[str, np.ndarray]:
            found = terms_of(chosen, self.weights(name, spec), numbers)
            return {k: t.broadcast_to(self.shapes[name]).double().numpy().reshape(-1) for k, t in found.items()}

        count = sum(m.size for m in self.statistics.matrices)
        means: dict[str, float] = {}
        for name in self.statistics.names:
            for key, values in terms(name).items():
                means[key] = means.get(key, 0.0) + float(values.sum()) / count
        covariance = dict.fromkeys(means, 0.0)
        for name in self.statistics.names:
            centred = {key: values - means[key] for key, values in terms(name).items()}
            total = np.sum(list(centred.values()), axis=0)
            for key, values in centred.items():
                covariance[key] += float(values @ total)
        variance = sum(covariance.values())
        return {key: value / variance if variance > 0 else 0.0 for key, value in covariance.items()}

    def rank_correlation(self, spec: ScoreSpec) -> float:
        """Spearman's rank correlation of the score with |theta| over all weights; nan for a constant score.

        Holds a few arrays over the whole scope at once, unlike everything else here.
        """
        scores = np.concatenate([self.scores(name, spec).numpy().reshape(-1) for name in self.statistics.names])
        sizes = np.concatenate([self.theta_of(name).abs().numpy().reshape(-1) for name in self.statistics.names])
        return rank_correlation(scores, sizes)

    def disagreement(self) -> float:
        """Fraction of weights whose domain and general gradients have opposite signs; nan without gradients."""
        if not self.aligned:
            return nan
        apart = 0
        for name in self.statistics.names:
            domain, general = (self.statistics.tensor(name, f"grad_{side}") for side in ("domain", "general"))
            apart += int((domain.sign() * general.sign() < 0).sum())
        return apart / sum(m.size for m in self.statistics.matrices)

    def explain(
        self, name: str, row: int, column: int, settings: Settings, result: MaskResult | None = None
    ) -> dict[str, Any]:
        """Why one weight was pruned or kept: its values, terms, score, rank, threshold.

        Raises:
            GapruneError: there is no such weight.
        """
        if name not in self.shapes:
            raise GapruneError(
                f"There is no weight matrix {name!r} in this run.", f"For example: {self.statistics.names[0]}[0,0]."
            )
        settings = settled(settings)
        rows, columns = self.shapes[name]
        if not (0 <= row < rows and 0 <= column < columns):
            raise GapruneError(
                f"{name} has {rows} rows and {columns} columns; [{row},{column}] is outside.", "Count from 0."
            )
        result = result or self.masks(settings)
        weights = self.weights_for_card(name, settings.score)
        rank, size = rank_of(self.scores_of(settings), self.shapes, self.layers, settings.mask, name, row, column)
        answer = explain_weight(
            criterion(settings.score.criterion),
            weights.at(row, column),
            self.numbers(settings.score),
            settings.mask,
            score=float(self.scores(name, settings.score)[row, column]),
            rank=rank,
            group_size=size,
            threshold=result.thresholds[name],
            kept=bool(result.masks[name][row, column]),
        )
        chosen = criterion(settings.score.criterion)
        if chosen.update is not None:
            answer["reason"] = f"{answer['reason']} {beyond_preview(chosen)}"
        return {"weight": f"{name}[{row},{column}]", "layer": self.layers[name], **answer}

    def weights_for_card(self, name: str, spec: ScoreSpec) -> WeightStatistics:
        """Everything known of a matrix, needed or not: a card shows it all."""
        theta = self.theta_of(name)
        stats = self.statistics.matrix(name, theta)
        kind = alignment_of(criterion(spec.criterion), spec)
        known = {field: getattr(stats, field) for field in STATISTICS if hasattr(stats, field)}
        known |= {"alignment": align_matrix(Alignment(kind), stats), **self._over(name, criterion(spec.criterion))}
        return WeightStatistics(
            **{field: values for field, values in known.items() if field not in self.lacks},
            matrix_index=self.index[name],
        )


def mask_overlap(masks: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> tuple[float, float]:
    """|A and B| / |A| and the Jaccard index of the pruned weights of two masks; (1, 1) where neither prunes."""
    both = mine = theirs = 0
    for name, mask in masks.items():
        a, b = ~mask, ~others[name]
        both += int((a & b).sum())
        mine += int(a.sum())
        theirs += int(b.sum())
    if not mine + theirs:
        return 1.0, 1.0
    return (both / mine if mine else 0.0), both / (mine + theirs - both)
