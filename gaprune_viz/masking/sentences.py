"""Plain sentences about a mask. Every claim in them follows from the numbers given."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose, isnan
from typing import Any

from gaprune_viz.calibration.description import NO_LABELS
from gaprune_viz.config import Alignment, Allocation, MaskSpec, ScoreSpec
from gaprune_viz.criteria.criterion import STATISTICS, Criterion, ResolvedScore, WeightStatistics
from gaprune_viz.criteria.scoring import terms_of
from gaprune_viz.masking.masks import count_of

DECISIVE = 0.9
"""A term decides when it has this share of the variance or more, yet not so much more than the whole that another term
cancels it (at most 1 / DECISIVE). Otherwise the first term only has the largest say."""

OFF = f"Alignment is off: {NO_LABELS}."

TERM_LABELS = {
    "magnitude": "√|θ|",
    "fisher_domain": "domain Fisher information",
    "fisher_general": "general Fisher information",
    "fisher_joint": "Fisher information of both sides",
    "alignment": "gradient alignment",
    "source_mean": "mean sensitivity over the sources",
    "source_spread": "its spread over the sources",
}

_COUNTED = {
    Allocation.AUTO: "over the whole scope",
    Allocation.GLOBAL: "over the whole scope",
    Allocation.LAYER: "layer by layer",
    Allocation.MATRIX: "matrix by matrix",
    Allocation.ROW: "row by row",
}
_GROUP = {
    Allocation.AUTO: "the whole scope",
    Allocation.GLOBAL: "the whole scope",
    Allocation.LAYER: "its layer",
    Allocation.MATRIX: "its matrix",
}


def percent(fraction: float) -> str:
    """A percentage that never rounds to nothing or to all: 0.99996 is "more than 99.99 %", 1.0 is "100 %".

    >>> percent(0.5), percent(0.9999), percent(0.99996), percent(0.00001)
    ('50 %', '99.99 %', 'more than 99.99 %', 'less than 0.01 %')
    """
    if isclose(fraction, 1.0, rel_tol=1e-12):
        return "100 %"
    value = 100 * fraction
    text = f"{value:.2f}" if value < 1 or 99 < value < 101 else f"{value:.1f}"
    if float(text) == 100:
        return "more than 99.99 %" if value < 100 else "more than 100 %"
    if value > 0 and float(text) == 0:
        return "less than 0.01 %"
    return f"{text.rstrip('0').rstrip('.')} %"


def plain_sentence(
    criterion: Criterion,
    score: ScoreSpec,
    mask: MaskSpec,
    *,
    shares: Mapping[str, float],
    overlap_with_magnitude: float,
    pruned_fraction: float,
    aligned: bool = True,
) -> str:
    """What decides at the present settings, in one sentence; a second one says what to turn where √|θ| drowns the rest.

    Args:
        criterion: the criterion in use.
        score: its settings.
        mask: the settings of the mask.
        shares: from `term_shares` over the scope.
        overlap_with_magnitude: fraction of the pruned weights that magnitude pruning prunes under the same `mask`.
        pruned_fraction: fraction of the scope that is pruned.
        aligned: whether both sides have gradients; else the alignment is 0 everywhere, and a last sentence says why.

    Of a criterion with an update, a last sentence says what a preview leaves out.
    """
    text = _decides(
        criterion,
        score,
        mask,
        shares=shares,
        overlap_with_magnitude=overlap_with_magnitude,
        pruned_fraction=pruned_fraction,
        aligned=aligned,
    )
    if criterion.update is not None and pruned_fraction > 0:
        text = f"{text} {beyond_preview(criterion)}"
    return text if aligned or "alignment" not in criterion.needs else f"{text} {OFF}"


def beyond_preview(criterion: Criterion) -> str:
    """What a criterion with an update does beyond its score."""
    return (
        f"{criterion.label} decides in the end layer by layer, with what the layers pruned before it give, and moves "
        "the weights that stay: previews, single weights and single matrices show its score alone."
    )


def _decides(
    criterion: Criterion,
    score: ScoreSpec,
    mask: MaskSpec,
    *,
    shares: Mapping[str, float],
    overlap_with_magnitude: float,
    pruned_fraction: float,
    aligned: bool,
) -> str:
    if pruned_fraction <= 0:
        return "Nothing is pruned at these settings, so every weight is kept whatever its score."
    setting = _setting(mask, pruned_fraction)
    shared = f"{percent(overlap_with_magnitude)} of the pruned weights are those magnitude pruning would remove"
    if not any(shares.values()):
        return f"{setting}, every weight has the same score and only position decides: {shared}."
    if len(shares) > 1:
        return f"{setting}, {_leader(criterion, shares)}; {shared}.{_advice(criterion, score, shares, aligned)}"
    if criterion.name == "magnitude":
        return f"{setting}, magnitude alone decides: {criterion.removes} go, whatever the data say."
    if criterion.name == "random":
        return (
            f"{setting}, chance alone decides (seed {score.seed}): {shared}, "
            f"where unrelated choices share {percent(pruned_fraction)} on average."
        )
    return f"{setting}, {criterion.label} alone decides: {criterion.removes} go; {shared}."


def _setting(mask: MaskSpec, pruned_fraction: float) -> str:
    if mask.pattern != "unstructured":
        kept, group = mask.n_m
        return f"With the {mask.pattern} pattern, which prunes {group - kept} of every {group} consecutive inputs"
    text = f"With {percent(pruned_fraction)} of the weights pruned {_COUNTED[mask.allocation]}"
    bounds = [("a floor", mask.floor, mask.floor > 0), ("a ceiling", mask.ceiling, mask.ceiling < 1)]
    given = " and ".join(f"{what} of {percent(value)}" for what, value, is_set in bounds if is_set)
    notes = [f"{given} per matrix"] if given else []
    notes += [f"no row losing more than {percent(mask.row_ceiling)}"] if mask.row_ceiling < 1 else []
    notes += ["neurons without input cut whole"] if mask.whole_neurons else []
    return f"{text} ({'; '.join(notes)})" if notes and mask.allocation is not Allocation.ROW else text


def _leader(criterion: Criterion, shares: Mapping[str, float]) -> str:
    first, second, *_ = sorted(shares, key=lambda name: -shares[name])
    last = min(shares, key=lambda name: shares[name])
    share = shares[first]
    says = "decides" if DECISIVE <= share <= 1 / DECISIVE else "has the largest say"
    if 1 <= share <= 1 / DECISIVE:
        whole = f"all of the variance of {criterion.terms_of}, the other terms together none"
        return f"{_label(first)} {says}: it carries {whole}"
    text = f"{_label(first)} {says}: it carries {percent(share)} of the variance of {criterion.terms_of}"
    if share > 1:
        return f"{text}, more than the whole because {_label(last)} pulls against it with {percent(-shares[last])}"
    if share < DECISIVE and shares[second] > 0:
        return f"{text}, followed by {_label(second)} with {percent(shares[second])}"
    return text


def _label(term: str) -> str:
    return TERM_LABELS.get(term, term.replace("_", " "))


def _advice(criterion: Criterion, score: ScoreSpec, shares: Mapping[str, float], aligned: bool) -> str:
    """What to turn so that the data count, where the magnitude term decides. Names only knobs that have an effect."""
    if max(shares, key=lambda name: shares[name]) != "magnitude" or shares["magnitude"] < DECISIVE:
        return ""
    tips = []
    if "fisher_scale" in criterion.knobs:
        tips.append("lower γ" if score.fisher_scale == "auto" else "set κ to `auto`")
    else:
        tips.append("choose criterion `dai`, where κ scales the Fisher term,")
    if not aligned:
        pass
    elif "alignment" in criterion.knobs and score.alpha == 0:
        tips.append("raise α")
    elif "alignment" in criterion.knobs and score.alignment is not Alignment.SIGN:
        tips.append("choose alignment `sign`")
    text = " or ".join(tips)
    return f" {text[0].upper()}{text[1:]} to let the domain signal count."


def waking_sentence(neurons: int) -> str:
    """What neurons without input do; empty where there are none."""
    if not neurons:
        return ""
    one = neurons == 1
    which = "1 neuron: it loses nearly all its" if one else f"{neurons:,} neurons: they lose nearly all their"
    return (
        f"The mask wakes {which} inputs and will answer every text alike. Whole neurons cuts them with their outputs."
    )


def woken_sentence(neuron: int) -> str:
    """What it means for a weight that its neuron wakes."""
    return (
        f"It belongs to neuron {neuron:,}, which this mask wakes: nearly all its inputs are gone and some of its "
        "outputs are not, so that it answers every text alike."
    )


def explain_weight(
    criterion: Criterion,
    weight: WeightStatistics,
    numbers: ResolvedScore,
    mask: MaskSpec,
    *,
    score: float,
    rank: int,
    group_size: int,
    threshold: float,
    kept: bool,
) -> dict[str, Any]:
    """All about one weight, ready for JSON.

    Args:
        criterion: the criterion in use.
        weight: `WeightStatistics.at(row, column)`: every array of shape [1].
        numbers: the numbers of the criterion.
        mask: the settings of the mask.
        score: the weight's entry in the scores that were masked.
        rank, group_size: from `masking.rank_of`; rank 1 is the first to go.
        threshold: of its matrix in `MaskResult.thresholds`.
        kept: its entry in the mask.

    Returns:
        keys `values` and `terms` ({name: float}), `score`, `rank`, `group_size`, `threshold` (None where there is no
        common one), `kept`, `reason` (one sentence).
    """
    values = {name: getattr(weight, name) for name in STATISTICS}
    return {
        "values": {name: float(value.item()) for name, value in values.items() if value is not None},
        "terms": {name: float(term.item()) for name, term in terms_of(criterion, weight, numbers).items()},
        "score": score,
        "rank": rank,
        "group_size": group_size,
        "threshold": None if isnan(threshold) else threshold,
        "kept": kept,
        "reason": _reason(mask, score, rank, group_size, threshold, kept),
    }


def _reason(mask: MaskSpec, score: float, rank: int, group_size: int, threshold: float, kept: bool) -> str:
    verdict = "Kept" if kept else "Pruned"
    if mask.pattern != "unstructured":
        going = group_size - mask.n_m[0]
        return f"{verdict}: it is number {rank} from the lowest of {group_size} consecutive inputs, and {going} go."
    if mask.allocation is Allocation.ROW:
        going = count_of(mask.sparsity, group_size)
        return f"{verdict}: it is number {rank:,} from the lowest of the {group_size:,} in its row, and {going:,} go."
    if isnan(threshold):
        if not kept:
            return f"Pruned: it is among the lowest of its matrix, which must lose {percent(mask.floor)}."
        return "Kept: the floors use up the whole sparsity." if mask.floor else "Kept: nothing is pruned in its group."
    group = _GROUP[mask.allocation]
    own, line = _told_apart(score, threshold)
    if score == threshold:
        return f"{verdict}: its score {own} is at the threshold of {group}, where {_tie(mask, kept)}."
    text = f"{verdict}: its score {own} is {'above' if score > threshold else 'below'} {line}, the threshold of {group}"
    if kept and score < threshold:
        if mask.row_ceiling < 1 and mask.ceiling == 1:
            return f"{text}, but its row has reached its ceiling of {percent(mask.row_ceiling)}."
        return f"{text}, but its matrix has reached its ceiling of {percent(mask.ceiling)}."
    if not kept and score > threshold and mask.whole_neurons:
        return f"{text}, but its neuron has nearly no input left and goes whole."
    if not kept and score > threshold:
        return f"{text}, but its matrix must lose {percent(mask.floor)}."
    return f"{text}."


def _tie(mask: MaskSpec, kept: bool) -> str:
    if not kept:
        return "pruning ends"
    return "equal scores at earlier positions went first" + (", or its matrix is full" if mask.ceiling < 1 else "")


def _told_apart(a: float, b: float) -> tuple[str, str]:
    """Two numbers with as few digits as tell them apart; nine do for any two float32."""
    for digits in range(4, 9):
        if a == b or f"{a:.{digits}g}" != f"{b:.{digits}g}":
            return f"{a:.{digits}g}", f"{b:.{digits}g}"
    return f"{a:.9g}", f"{b:.9g}"
