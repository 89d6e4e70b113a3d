"""What pruning does to search: two rankings side by side, measures with intervals, every query's change.

Works on the objects of `gaprune_viz.evaluation.retrieval`; nothing of it is loaded at run time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures import scales
from gaprune_viz.figures.formatting import MISSING, number, p_value, percent, shortened, signed
from gaprune_viz.figures.frame import axis, empty, framed, plain

if TYPE_CHECKING:
    from gaprune_viz.evaluation.retrieval import Comparison, RankedPassage, SideBySide

MEASURES = {
    "ndcg_at_10": "nDCG@10",
    "mrr_at_10": "MRR@10",
    "recall_at_10": "Recall@10",
    "recall_at_100": "Recall@100",
    "map": "MAP",
}
SIDES = {"dense": ("Dense model", scales.DENSE), "pruned": ("Pruned model", scales.PRUNED)}
TITLE_LENGTH = 110


def ranking_html(query: str, sides: SideBySide, *, k: int = 10, note: str = "") -> str:
    """Dense and pruned top k side by side; on a phone one below the other. All text is escaped.

    Args:
        note: what the lists are, where they are not rankings of the whole collection.
    """
    dense, pruned = list(sides.dense)[:k], list(sides.pruned)[:k]
    both = len({p.id for p in dense} & {p.id for p in pruned})
    said = f"{both} of {max(len(dense), len(pruned))} passages are in both lists"
    if not any(p.relevant for p in (*dense, *pruned)):
        said += "; none of them is known to answer the query"
    told = f'<p class="gv-live" role="status">{escape(note)}</p>' if note else ""
    lists = "".join(_list(side, passages) for side, passages in (("dense", dense), ("pruned", pruned)))
    return (
        f'<section class="gv-panel gv-search"><header><p class="gv-asked">{escape(query)}</p><p>{said}</p>{told}'
        f'</header><div class="gv-lists">{lists}</div></section>'
    )


def ranking_table(sides: SideBySide, *, k: int = 10) -> pd.DataFrame:
    """The table beside `ranking_html`: every passage of either list with both ranks and cosines."""
    seen: dict[str, RankedPassage] = {p.id: p for p in (*list(sides.dense)[:k], *list(sides.pruned)[:k])}
    rows = [
        {
            "Passage": p.title or shortened(p.text, TITLE_LENGTH),
            "Topic": p.topic,
            "Relevant": "yes" if p.relevant else "",
            "Dense rank": p.dense_rank,
            "Pruned rank": p.pruned_rank,
            "Dense cosine": round(p.dense_score, 4),
            "Pruned cosine": round(p.pruned_score, 4),
            "Id": p.id,
        }
        for p in sorted(seen.values(), key=lambda p: (p.dense_rank, p.id))
    ]
    return pd.DataFrame(rows)


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
    if 0 < comparison.clusters < comparison.queries:
        said += (
            f". Queries with one and the same answer count as one group: the intervals draw {comparison.clusters:,} "
            "groups, and p turns the signs of whole groups"
        )
    heads = ("Measure", "Dense above pruned", "Difference", "with 95 % interval", "Of dense", "p")
    header = "".join(f'<th scope="col">{h}</th>' for h in heads)
    return (
        f'<section class="gv-panel gv-measures"><h3>{escape(title)}</h3><p class="gv-sub">{escape(said)}</p>'
        f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></section>"
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


def sides_html(sides: Sequence[tuple[str, Comparison]], panels: Sequence[str]) -> str:
    """What the domain keeps and what general data lose in one line, and below it their panels side by side.

    Args:
        sides: names and comparisons; names are escaped here.
        panels: HTML, one for each side.
    """
    said = "; ".join(f"{name} {_kept(comparison)}" for name, comparison in sides)
    columns = "".join(f"<div>{panel}</div>" for panel in panels)
    return f'<p class="gv-sentence" role="status">{escape(said)}.</p><div class="gv-sides">{columns}</div>'


def _kept(comparison: Comparison, measure: str = "ndcg_at_10") -> str:
    """`keeps 97.5 % of dense nDCG@10 (−0.018, 95 % −0.035 to −0.002, p 0.031)`."""
    before, after = comparison.dense[measure], comparison.pruned[measure]
    low, high = comparison.intervals[measure]
    span = f", 95 % {signed(low)} to {signed(high)}" if math.isfinite(low) and math.isfinite(high) else ""
    kept = percent(after / before) if before > 0 else MISSING
    p = p_value(comparison.p_values[measure])
    return f"keeps {kept} of dense {MEASURES[measure]} ({signed(comparison.delta[measure])}{span}, p {p})"


def per_query_figure(
    per_query: pd.DataFrame, *, measure: str = "ndcg_at_10", name: str = "", source: str = ""
) -> go.Figure:
    """Change of every query, worst first.

    Args:
        name: of the collection.
        source: where the collection is from; with it, a click on a bar opens its query.
        per_query: `query`, `dense_<measure>`, `pruned_<measure>`, `delta_<measure>`; one row per query.
    """
    label = MEASURES[measure]
    title = f"Change of every query, {label}" + (f": {name}" if name else "")
    column = f"delta_{measure}"
    rows = per_query.dropna(subset=[column]).sort_values(column, kind="stable")
    if rows.empty:
        return empty(title, "No query was measured yet.")
    delta = rows[column].to_numpy(float)
    worse, better = int((delta < 0).sum()), int((delta > 0).sum())
    note = f"{worse:,} worse, {len(delta) - worse - better:,} unchanged, {better:,} better"
    figure = framed(310, title, note)
    click = "<br>click: compare this query" if source else ""
    hover = [
        [
            f"<b>{plain(shortened(str(query), 70))}</b><br>dense {a:.3f}, pruned {b:.3f} {label}"
            f"<br>change {signed(d)}{click}",
            f"query={qid}" if source else "",
            source,
        ]
        for qid, query, a, b, d in zip(
            rows["qid"],
            rows["query"],
            rows[f"dense_{measure}"],
            rows[f"pruned_{measure}"],
            delta.tolist(),
            strict=True,
        )
    ]
    figure.add_trace(
        go.Bar(
            x=np.arange(1, len(delta) + 1),
            y=delta,
            marker={"color": [scales.PRUNED if d < 0 else scales.KEPT for d in delta], "line": {"width": 0}},
            customdata=hover,
            hovertemplate="%{customdata[0]}<extra></extra>",
        )
    )
    reach = max(0.1, float(np.abs(delta).max())) * 1.05
    figure.update_layout(bargap=0 if len(delta) > 60 else 0.15)
    figure.layout.xaxis = axis("Queries, from most harmed to most helped", showgrid=False, nticks=6)
    figure.layout.yaxis = axis("pruned less dense", range=[-reach, reach], nticks=5, tickformat="+.2~f")
    figure.add_hline(y=0, line={"color": scales.INK, "width": 1})
    return figure


def per_query_table(tasks: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The table beside `per_query_figure`, worst first.

    Args:
        tasks: name of a collection -> its queries.
    """
    parts = [frame.assign(task=name) for name, frame in tasks.items()]
    order = pd.concat(parts, ignore_index=True).sort_values("delta_ndcg_at_10", kind="stable")
    columns = {
        "task": "Collection",
        "query": "Query",
        "dense_ndcg_at_10": "Dense nDCG@10",
        "pruned_ndcg_at_10": "Pruned nDCG@10",
        "delta_ndcg_at_10": "Change",
        "overlap_at_10": "Overlap@10",
        "dense_first_relevant": "First hit, dense",
        "pruned_first_relevant": "First hit, pruned",
    }
    table = order[[c for c in columns if c in order]].rename(columns=columns)
    numeric = [c for c in table if c in ("Dense nDCG@10", "Pruned nDCG@10", "Change", "Overlap@10")]
    return table.round(dict.fromkeys(numeric, 4)).reset_index(drop=True)


def _list(side: str, passages: Sequence[RankedPassage]) -> str:
    items = "".join(_hit(side, passage, len(passages)) for passage in passages)
    body = f"<ol>{items}</ol>" if items else '<p class="gv-sub">No passages.</p>'
    title, color = SIDES[side]
    return f'<section class="gv-list" style="--gv-side:{color}"><h3>{title}</h3>{body}</section>'


def _hit(side: str, passage: RankedPassage, length: int) -> str:
    rank = passage.dense_rank if side == "dense" else passage.pruned_rank
    score = passage.dense_score if side == "dense" else passage.pruned_score
    title = passage.title or shortened(passage.text, TITLE_LENGTH)
    change = ""
    if side == "pruned":
        change = f"<small>{signed(passage.pruned_score - passage.dense_score)}</small>"
    tags = '<span class="gv-chip gv-tag-good">✓ relevant</span>' if passage.relevant else ""
    if passage.topic:
        tags += f'<span class="gv-chip">{escape(passage.topic)}</span>'
    relevant = "yes" if passage.relevant else "no"
    below = f'<span class="gv-hit-tags">{tags}</span>' if tags else ""
    return (
        f'<li class="gv-hit" data-relevant="{relevant}">'
        f'<span class="gv-rank"><span class="gv-hidden">rank </span>{rank}</span>'
        f"<details><summary>{escape(title)}</summary><p>{escape(passage.text)}</p></details>"
        f'<span class="gv-hit-side"><span class="gv-cosine"><span class="gv-hidden">cosine </span>'
        f"{_cosine(score)}{change}</span>{_move(side, passage, length)}</span>{below}</li>"
    )


def _move(side: str, passage: RankedPassage, length: int) -> str:
    """Where pruning moved a passage: an arrow, the number of places, and where the other list has it.

    A passage beyond the end of the other list is named so, with its true rank there.
    """
    gained = passage.dense_rank - passage.pruned_rank
    other = passage.pruned_rank if side == "dense" else passage.dense_rank
    to, arrow, word = ("up", "▲", "up") if gained > 0 else ("down", "▼", "down")
    if gained == 0:
        return '<span class="gv-move" data-to="same"><span aria-hidden="true">=</span> same</span>'
    if other > length:
        said = f"out: now {other:,}" if side == "dense" else f"new: was {other:,}"
        return f'<span class="gv-move" data-to="{to}"><span aria-hidden="true">{arrow}</span> {said}</span>'
    places = f"{word} {abs(gained)} place{'' if abs(gained) == 1 else 's'}"
    where = f"now {other:,}" if side == "dense" else f"was {other:,}"
    return (
        f'<span class="gv-move" data-to="{to}"><span aria-hidden="true">{arrow} {abs(gained)}</span>'
        f'<span class="gv-hidden">{places}, {where}</span></span>'
    )


def _cosine(score: float) -> str:
    return f"{score:.3f}".replace("-", "−") if math.isfinite(score) else MISSING


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
