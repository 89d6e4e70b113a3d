"""What a saliency criterion is: a pure function of what is known of some weights; a higher score means keep.

Every function is element by element and broadcasts, so the same one scores a whole matrix [out, in] and a sample of
its weights [n]. To add a criterion, write its function and its `Criterion` in a module of this room, and append it to
`BUILT_IN` of `registry`; nothing else changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from gaprune_viz.config import Alignment, Allocation
from gaprune_viz.errors import GapruneError

KNOBS = ("alpha", "beta", "gamma", "fisher_scale", "fisher_power", "fisher_estimate", "alignment", "seed")
"""Fields of `ScoreSpec` that a criterion may depend on."""

PAPER = "Tang and Yang, GAPrune, arXiv 2509.10844"
# Typed as if it were there: a criterion is called only when what it needs is, and so reads it without a check.
_ABSENT: Any = None


@dataclass(frozen=True)
class WeightStatistics:
    """What is known of some weights: a whole matrix [out, in], or a sample [n] of weights. All float32.

    A field that is not known is None.

    Attributes:
        theta: the weights. A sample may hold |theta|: no criterion reads the sign.
        fisher_domain: mean squared per-sample gradient on domain data.
        fisher_general: the same on general data.
        alignment: s in [-1, 1].
        grad_domain: mean gradient on domain data.
        act_domain: root mean square of the input feature on domain data: [in] beside a matrix, [n] beside a sample.
        source_agreement, source_least, source_mean, source_spread: over the sources (`sources/source_moments.py`).
        flat_index: int64 position (row * in + column) of each weight; may be None for a whole matrix.
        matrix_index: position of the matrix in the scope: one number, or int64 [n] beside a sample of many matrices.
    """

    theta: Tensor = _ABSENT
    fisher_domain: Tensor = _ABSENT
    fisher_general: Tensor = _ABSENT
    alignment: Tensor = _ABSENT
    grad_domain: Tensor = _ABSENT
    act_domain: Tensor = _ABSENT
    source_agreement: Tensor = _ABSENT
    source_least: Tensor = _ABSENT
    source_mean: Tensor = _ABSENT
    source_spread: Tensor = _ABSENT
    flat_index: Tensor | None = None
    matrix_index: int | Tensor = 0

    def at(self, row: int, column: int) -> WeightStatistics:
        """The statistics of one weight of a whole matrix, each of shape [1].

        Raises:
            ValueError: these are not the statistics of a whole matrix.
        """
        if self.theta is None or self.theta.dim() != 2:
            raise ValueError("one weight can be picked from a whole matrix [out, in] only")
        shape = self.theta.shape
        known = {name: values for name in STATISTICS if (values := getattr(self, name)) is not None}
        picked = {name: values.broadcast_to(shape)[row, column].reshape(1) for name, values in known.items()}
        return WeightStatistics(
            **picked,
            flat_index=torch.tensor([row * shape[1] + column]),
            matrix_index=self.matrix_index,
        )


STATISTICS = tuple(field.name for field in fields(WeightStatistics) if field.name not in ("flat_index", "matrix_index"))
"""Fields of `WeightStatistics` that a criterion may need."""


@dataclass(frozen=True)
class ResolvedScore:
    """The numbers a criterion computes with: a `ScoreSpec` in which kappa is a number.

    The masses are the means of each side's Fisher information over the scope, for criteria that weigh both alike.
    """

    alpha: float = 0.2
    beta: float = 1.0
    gamma: float = 0.5
    kappa: float = 1.0
    power: float = 1.0
    seed: int = 0
    mass_domain: float = 1.0
    mass_general: float = 1.0


@dataclass(frozen=True)
class Quota:
    """How many weights of one matrix an update is to prune.

    Attributes:
        zeros: int64, of each row [out], or of all rows together [1].
        n_m: (N, M) of an N:M pattern, which then decides instead; (0, 0) where there is none.
    """

    zeros: Tensor
    n_m: tuple[int, int] = (0, 0)

    def between(self, start: int, end: int, columns: int) -> Tensor:
        """How many go in columns start..end: shares add up to `zeros` over all columns."""
        return self.zeros * end // columns - self.zeros * start // columns


Score = Callable[[WeightStatistics, ResolvedScore], Tensor]
Update = Callable[[Tensor, Tensor, Quota], tuple[Tensor, ...]]
"""From a dense weight [out, in], the Gram matrix of its inputs [in, in] and a quota: keep (bool) and the new weight."""
Terms = Callable[[WeightStatistics, ResolvedScore], dict[str, Tensor]]


@dataclass(frozen=True)
class Criterion:
    """A saliency criterion.

    Attributes:
        name: what flags, URLs and files call it: lower case letters, digits and underscores.
        label: what the page calls it.
        formula: LaTeX.
        needs: fields of `WeightStatistics` that must be there.
        source: where the criterion comes from.
        score: the pure function; element by element; higher means keep.
        removes: which weights have the lowest scores, as a noun phrase for a sentence.
        uses: the knobs (of `KNOBS`) that change its scores.
        terms: additive terms, where the score is a sum; None: one term, the score itself.
        terms_of: what the terms add up to, as a noun phrase.
        fixed_alignment: the alignment it is defined with, whatever the settings say; None: the settings decide.
        scaled: name of the median that kappa auto brings to the size of sqrt|theta|; see `scoring.kappa_of`.
        equal_sides: whether it divides each side's Fisher information by its mass.
        group: where its authors compare weights with each other; what allocation `auto` stands for.
        update: for a criterion that chooses weights and moves those that stay in one go: exact masks are made by it,
            layer by layer, with inputs of the layers pruned before; the score is what a preview reads, and says how
            many weights go where. None: the score decides.

    Raises:
        GapruneError: a name, need or knob that does not exist.
    """

    name: str
    label: str
    formula: str
    needs: tuple[str, ...]
    source: str
    score: Score
    removes: str = ""
    uses: tuple[str, ...] = ()
    terms: Terms | None = None
    terms_of: str = "the score"
    fixed_alignment: Alignment | None = None
    scaled: str = "fisher_theta"
    equal_sides: bool = False
    group: Allocation = Allocation.GLOBAL
    update: Update | None = None

    @property
    def knobs(self) -> tuple[str, ...]:
        """The knobs that change its scores: those it names, and the estimate of what Fisher information it needs."""
        reads_fisher = any(need.startswith("fisher_") for need in self.needs)
        return (*self.uses, "fisher_estimate") if reads_fisher else self.uses

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", self.name):
            raise GapruneError(
                f"A criterion cannot be named {self.name!r}.",
                "Use lower case letters, digits and underscores, at most 64, starting with a letter.",
            )
        for given, known, what in ((self.needs, STATISTICS, "needs"), (self.uses, KNOBS, "uses")):
            wrong = [name for name in given if name not in known]
            if wrong:
                raise GapruneError(
                    f"Criterion {self.name!r} {what} {', '.join(wrong)}, which does not exist.",
                    f"It can be: {', '.join(known)}.",
                )
        if not self.removes:
            object.__setattr__(self, "removes", f"the weights that {self.label} scores lowest")
