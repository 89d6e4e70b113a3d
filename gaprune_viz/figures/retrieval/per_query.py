"""What pruning did to every single query, as bars and as a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import shortened, signed
from gaprune_viz.figures.kit.plotly_frame import axis, empty, framed, plain
from gaprune_viz.figures.retrieval.measures import MEASURES


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
