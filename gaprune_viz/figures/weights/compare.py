"""Settings side by side: a table of what they do, small multiples of the atlas, and the difference of two."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import pandas as pd

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import percent, signed
from gaprune_viz.figures.kit.metrics import METRICS, ROLE_LABELS, ROLE_ORDER, scale_of

Place = tuple[int, str]
Say = Callable[[float], str]


@dataclass(frozen=True)
class Column:
    """One setting in the comparison.

    Attributes:
        title: `A`, `B`, ...
        note: what the setting is.
        query: the address that loads it.
        facts: label -> value, the same labels in every column; none where nothing is known of it.
        table: its matrices: `layer`, `role`, `size` and the metrics; None where nothing is known of it.
    """

    title: str
    note: str
    query: str
    facts: Mapping[str, str] = field(default_factory=dict)
    table: pd.DataFrame | None = None


def board_html(columns: Sequence[Column], metric: str) -> str:
    """The pinned settings: one column each, the facts below one another, and a small atlas each on one scale."""
    heads = "".join(
        f'<th scope="col"><b>{escape(c.title)}</b><span>{escape(c.note)}</span>'
        f'<span class="gv-pin-acts"><button type="button" class="gv-tool" data-gv="load" '
        f'data-query="{escape(c.query, quote=True)}" aria-label="Load {escape(c.title)}">Load</button>'
        f'<button type="button" class="gv-tool" data-drop="{i}" aria-label="Unpin {escape(c.title)}">Unpin</button>'
        "</span></th>"
        for i, c in enumerate(columns)
    )
    labels = next((list(c.facts) for c in columns if c.facts), [])
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{escape(c.facts.get(label, '-'))}</td>" for c in columns)
        + "</tr>"
        for label in labels
    )
    return (
        '<section class="gv-panel gv-board"><div class="gv-scroll" tabindex="0" role="region" '
        'aria-label="Pinned settings"><table><thead><tr><th scope="col">Setting</th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>{multiples_html(columns, metric)}"
    )


def difference_html(one: pd.DataFrame, other: pd.DataFrame, metric: str, titles: tuple[str, str]) -> str:
    """B minus A of a metric by layer and role, where both have the place."""
    frame = difference(one, other, metric)
    unit = METRICS[metric]
    values = _placed(frame, "b-a")
    if not any(math.isfinite(v) for v in values.values()):
        text = "The two have no matrix in common of which this is known."
        return f'<div class="gv-empty"><h3>Nothing to compare</h3><p>{text}</p></div>'
    reach = max(abs(v) for v in values.values() if math.isfinite(v)) or 1.0
    colors = scales.Scale(scales.DIVERGING, -reach, reach)
    text = _points if unit.kind in ("fraction", "agreement") else signed_short
    return (
        f'<section class="gv-panel"><h3>{escape(unit.label)}: {escape(titles[1])} minus {escape(titles[0])}</h3>'
        f'<p class="gv-sub">Blue: more in {escape(titles[1])}. Orange: more in {escape(titles[0])}. The colours reach '
        f"from {escape(text(-reach))} to {escape(text(reach))}.</p>"
        f"{_grid(values, colors, text, f'{unit.label}, difference')}</section>"
    )


def difference(one: pd.DataFrame, other: pd.DataFrame, metric: str) -> pd.DataFrame:
    """`layer`, `role`, `a`, `b`, `b-a` of a metric, size-weighted where a place has several matrices."""
    sides = []
    for table in (one, other):
        known = table.assign(weighted=table[metric] * table["size"])
        grouped = known.groupby(["layer", "role"], sort=True)[["weighted", "size"]].sum(min_count=1)
        sides.append(grouped["weighted"] / grouped["size"])
    frame = pd.concat(sides, axis=1, keys=["a", "b"], join="inner").reset_index()
    return frame.assign(**{"b-a": frame["b"] - frame["a"]})


def difference_table(one: pd.DataFrame, other: pd.DataFrame, metric: str, titles: tuple[str, str]) -> pd.DataFrame:
    """The table beside `difference_html`, largest difference first."""
    frame = difference(one, other, metric)
    order = frame["b-a"].abs().sort_values(ascending=False, kind="stable").index
    frame = frame.loc[order]
    return pd.DataFrame(
        {
            "Layer": frame["layer"].to_numpy(),
            "Role": [ROLE_LABELS.get(role, role) for role in frame["role"]],
            **{
                title: [float(f"{value:.4g}") for value in frame[key]]
                for title, key in ((titles[0], "a"), (titles[1], "b"), ("Difference", "b-a"))
            },
        }
    )


def signed_short(value: float) -> str:
    """A difference of any size: `+0.12`, `−3.1e−05`."""
    if value == 0 or abs(value) >= 5e-3:
        return signed(value, 2)
    return f"{value:+.1e}".replace("-", "−")


def _points(value: float) -> str:
    return f"{signed(100 * value, 1)} pts"


def multiples_html(columns: Sequence[Column], metric: str) -> str:
    known = [(column, column.table) for column in columns if column.table is not None]
    if not known:
        return ""
    chosen = METRICS[metric]
    every = [v for _, table in known for v in table[metric].astype(float)]
    colors, log = scale_of(chosen, every)
    parts = []
    for column, table in known:
        merged = difference(table, table, metric)
        values = {
            (int(a), str(b)): float(v) for a, b, v in zip(merged["layer"], merged["role"], merged["a"], strict=True)
        }
        placed = {place: math.log10(v) if log and v > 0 else v for place, v in values.items()}
        grid = _grid(placed, colors, _text(chosen.kind, log), f"{chosen.label}, {column.title}")
        parts.append(
            f"<figure><figcaption><b>{escape(column.title)}</b> {escape(column.note)}</figcaption>{grid}</figure>"
        )
    return (
        f'<section class="gv-panel gv-multiples"><h3>{escape(chosen.label)}, all on one scale</h3>'
        f'<p class="gv-sub">{escape(chosen.help)}</p><div class="gv-multiples-row">{"".join(parts)}</div></section>'
    )


def _placed(frame: pd.DataFrame, key: str) -> dict[Place, float]:
    return {(int(a), str(b)): float(v) for a, b, v in zip(frame["layer"], frame["role"], frame[key], strict=True)}


def _text(kind: str, log: bool) -> Say:
    if kind in ("fraction", "agreement"):
        return lambda v: percent(v, 0).replace(" ", "\u202f")
    return (lambda v: signed_short(10.0**v).lstrip("+")) if log else (lambda v: signed_short(v))


def _grid(values: Mapping[Place, float], colors: scales.Scale, text: Say, label: str) -> str:
    """A quiet heatmap as a table: roles down, layers across."""
    layers = sorted({layer for layer, _ in values})
    roles = [r for r in ROLE_ORDER if any(r == role for _, role in values)]
    roles += sorted({role for _, role in values} - set(roles))
    head = "".join(f'<th scope="col">{layer}</th>' for layer in layers)
    rows = "".join(
        f'<tr><th scope="row">{escape(ROLE_LABELS.get(role, role))}</th>'
        + "".join(_cell(values.get((layer, role), math.nan), colors, text) for layer in layers)
        + "</tr>"
        for role in roles
    )
    many = " gv-mini-many" if len(layers) > 12 else ""
    return (
        f'<div class="gv-scroll" tabindex="0" role="region" aria-label="{escape(label, quote=True)}">'
        f'<table class="gv-mini{many}"><thead><tr><th scope="col">Layer</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(value: float, colors: scales.Scale, text: Say) -> str:
    if not np.isfinite(value):
        return "<td>–</td>"
    color = colors.at(value)
    return f'<td style="background-color:{color};color:{scales.text_on(color)}">{escape(text(value))}</td>'
