"""Measures of search for both models: differences with intervals, and what is kept in one line.

Works on the objects of `gaprune_viz.evaluation.retrieval`; nothing of it is loaded at run time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import MISSING, number, p_value, percent, signed
from gaprune_viz.figures.kit.protocols import Comparison

MEASURES = {
    "ndcg_at_10": "nDCG@10",
    "mrr_at_10": "MRR@10",
    "recall_at_10": "Recall@10",
    "recall_at_100": "Recall@100",
    "map": "MAP",
}
SIDES = {
    "dense": ("Dense model", scales.DENSE),
    "pruned": ("Pruned model", scales.PRUNED),
    "mask_only": ("Mask only", scales.PRUNED),
    "refitted": ("Refitted model", scales.REFITTED),
}


def measures_html(comparison: Comparison, title: str, mask_only: Comparison | None = None) -> str:
    """The measures of a pruned model; of a refitted one also those of its mask alone, below."""
    if mask_only is None:
        return metrics_html(comparison, title)
    return metrics_html(comparison, f"{title}, refitted") + metrics_html(mask_only, f"{title}, mask only")


def metrics_html(comparison: Comparison, title: str, *, measures: Sequence[str] = tuple(MEASURES)) -> str:
    """Measures of both models, the difference with its 95 % interval, and the p value."""
    reach = _reach(comparison, measures)
    rows = "".join(_measure_row(comparison, measure, reach) for measure in measures)
    left_out = comparison.excluded
    said = (
        f"{comparison.queries:,} queries over {comparison.passages:,} passages; "
        f"{percent(comparison.overlap_at_10)} of the dense top 10 stay in the pruned top 10"
        + (f"; {left_out:,} queries without a relevant passage are left out" if left_out else "")
    )
    if comparison.own_left_out:
        said += (
            f"; {comparison.own_left_out:,} queries are passages of the collection too, and their own passage is left "
            "out of what they find"
        )
    if 0 < comparison.clusters < comparison.queries:
        said += (
            f". Queries with one and the same answer count as one group: the intervals draw {comparison.clusters:,} "
            "groups, and p turns the signs of whole groups"
        )
    remarks = "".join(f'<p class="gv-sub gv-remark" role="note">{escape(text)}</p>' for text in comparison.remarks)
    heads = ("Measure", "Dense above pruned", "Difference", "with 95 % interval", "Of dense", "p")
    header = "".join(f'<th scope="col">{h}</th>' for h in heads)
    return (
        f'<section class="gv-panel gv-measures"><h3>{escape(title)}</h3><p class="gv-sub">{escape(said)}</p>'
        f"{remarks}<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def metrics_table(comparison: Comparison) -> pd.DataFrame:
    """The table beside `metrics_html`, with every measure."""
    rows = []
    for measure, label in MEASURES.items():
        if measure not in comparison.dense:
            continue
        low, high = comparison.intervals.get(measure, (math.nan, math.nan))
        rows.append(
            {
                "Measure": label,
                "Dense": round(comparison.dense[measure], 4),
                "Pruned": round(comparison.pruned[measure], 4),
                "Difference": round(comparison.delta[measure], 4),
                "95 % from": round(low, 4),
                "95 % to": round(high, 4),
                "p": p_value(comparison.p_values.get(measure, math.nan)),
            }
        )
    return pd.DataFrame(rows)


def sides_html(sides: Sequence[tuple[str, Comparison, Comparison | None]], panels: Sequence[str]) -> str:
    """What the domain keeps and what general data lose in one line, and below it their panels side by side.

    Args:
        sides: names and comparisons, of a refitted model also that of its mask alone; names are escaped here.
        panels: HTML, one for each side.
    """
    said = "; ".join(f"{name} {_kept(comparison)}{_alone(mask_only)}" for name, comparison, mask_only in sides)
    columns = "".join(f"<div>{panel}</div>" for panel in panels)
    return f'<p class="gv-sentence" role="status">{escape(said)}.</p><div class="gv-sides">{columns}</div>'


def _alone(mask_only: Comparison | None, measure: str = "ndcg_at_10") -> str:
    """`, refitted, where the mask alone keeps 91.2 %`; nothing where there is no refit."""
    if mask_only is None or mask_only.dense[measure] <= 0:
        return ""
    return f", refitted, where the mask alone keeps {percent(mask_only.pruned[measure] / mask_only.dense[measure])}"


def _kept(comparison: Comparison, measure: str = "ndcg_at_10") -> str:
    """`keeps 97.5 % of dense nDCG@10 (−0.018, 95 % −0.035 to −0.002, p 0.031)`."""
    before, after = comparison.dense[measure], comparison.pruned[measure]
    low, high = comparison.intervals[measure]
    span = f", 95 % {signed(low)} to {signed(high)}" if math.isfinite(low) and math.isfinite(high) else ""
    kept = percent(after / before) if before > 0 else MISSING
    p = p_value(comparison.p_values[measure])
    return f"keeps {kept} of dense {MEASURES[measure]} ({signed(comparison.delta[measure])}{span}, p {p})"


def _measure_row(comparison: Comparison, measure: str, reach: float) -> str:
    before, after = comparison.dense[measure], comparison.pruned[measure]
    delta = comparison.delta[measure]
    low, high = comparison.intervals.get(measure, (math.nan, math.nan))
    known = math.isfinite(low) and math.isfinite(high)
    span = f"{signed(low)} to {signed(high)}" if known else "no interval: too few queries"
    verdict = _verdict(low, high)
    bars = "".join(
        f'<i aria-hidden="true" style="width:{100 * min(1.0, max(0.0, value)):.1f}%;background-color:{color}"></i>'
        f'<span aria-hidden="true">{value:.3f}</span>'
        for value, (_, color) in ((before, SIDES["dense"]), (after, SIDES["pruned"]))
    )
    kept = percent(after / before) if before > 0 else MISSING
    p = p_value(comparison.p_values.get(measure, math.nan))
    said = f"{MEASURES[measure]}: dense {number(before)}, pruned {number(after)}"
    return (
        f'<tr><th scope="row">{MEASURES[measure]}</th>'
        f'<td class="gv-wide-cell"><span class="gv-pair"><span class="gv-hidden">{said}</span>{bars}</span></td>'
        f'<td class="gv-wide-cell">{_interval(delta, low, high, reach)}</td>'
        f'<td class="gv-number gv-wide-cell"><b>{signed(delta)}</b> <span>{span}</span><small>{verdict}</small></td>'
        f'<td class="gv-number"><span class="gv-only-phone">of dense </span>{kept}</td>'
        f'<td class="gv-number"><span class="gv-only-phone">p </span>{p}</td></tr>'
    )


def _verdict(low: float, high: float) -> str:
    """What the interval shows, in words."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "one query shows nothing"
    if low > 0:
        return "better: the interval lies above 0"
    return "worse: the interval lies below 0" if high < 0 else "no difference shown: it includes 0"


def _interval(delta: float, low: float, high: float, reach: float) -> str:
    """The difference as a dot and its interval as a bar, on an axis that is symmetric about 0."""

    def place(value: float) -> float:
        return 50 + 50 * min(1.0, max(-1.0, value / reach))

    known = math.isfinite(low) and math.isfinite(high)
    # Coloured only where the interval leaves 0 out.
    to = "none"
    if known and (low > 0 or high < 0):
        to = "up" if low > 0 else "down"
    bar = f'<u style="left:{place(low):.1f}%;width:{place(high) - place(low):.1f}%"></u>' if known else ""
    dot = f'<i style="left:{place(delta):.1f}%"></i>' if math.isfinite(delta) else ""
    return f'<span class="gv-interval" data-to="{to}" aria-hidden="true"><s style="left:50%"></s>{bar}{dot}</span>'


def _reach(comparison: Comparison, measures: Sequence[str]) -> float:
    """Half the width of the common axis of differences."""
    intervals: Mapping[str, tuple[float, float]] = comparison.intervals
    ends = [abs(comparison.delta[m]) for m in measures]
    ends += [abs(end) for m in measures for end in intervals.get(m, ())]
    return 1.15 * max([e for e in ends if math.isfinite(e)], default=0.0) or 1.0
