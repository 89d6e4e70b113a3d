"""The atlas: a layer by role heatmap that can be clicked and walked with the arrow keys, and the table beside it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import MINUS, number, percent, signed
from gaprune_viz.figures.kit.metrics import BLOCKS, METRICS, ROLE_LABELS, ROLE_ORDER, Metric, scale_of

SCALES = ("auto", "linear", "log", "rank")
GROUPINGS = ("role", "block")
MLP = "mlp"
SHARES = ("fraction", "agreement")
TICKS = 5
MANY_LAYERS = 12
FIGURES_IN_TABLE = 4

Place = tuple[int, str]


@dataclass(frozen=True)
class Cell:
    """What one (layer, role) holds.

    Attributes:
        value: the metric; the mean over the matrices of this place, weighted with their sizes. nan where unknown.
        name: the matrix that a click selects: the first of this place.
        names: all matrices of this place (experts have several).
        shape: `1536 × 384`, or how many matrices there are.
    """

    value: float
    name: str
    names: tuple[str, ...]
    shape: str


@dataclass(frozen=True)
class Look:
    """How numbers become colours and text in one drawing."""

    metric: Metric
    label: str
    colors: scales.Scale
    log: bool
    ranked: bool

    def position(self, shown: float) -> float:
        """Place of a number on the colour scale: 0 left, 1 right; nan where it has none."""
        if not math.isfinite(shown) or (self.log and shown <= 0):
            return math.nan
        value, span = math.log10(shown) if self.log else shown, self.colors.high - self.colors.low
        return min(1.0, max(0.0, (value - self.colors.low) / span))

    def color(self, shown: float) -> str:
        """`#rrggbb` of a number; grey for what has no place on the scale."""
        place = self.position(shown)
        return self.colors.at(self.colors.low + place * (self.colors.high - self.colors.low))


def heatmap_html(
    table: pd.DataFrame,
    metric: str,
    *,
    selected: str | None = None,
    scale: str = "auto",
    grouping: str = "role",
    score_label: str = "DAI",
    gone: Collection[int] = (),
) -> str:
    """An accessible grid: roles down, layers across, a legend and one line of help.

    Args:
        table: one row per matrix, with `name`, `layer`, `role`, `size` and the metric's column.
        metric: a key of METRICS.
        selected: name of the selected matrix.
        scale: `auto` (the metric's own), `linear`, `log` (where all values allow it), or `rank` within each role.
        grouping: `role`, or `block`: all of a layer's attention and all of its MLP together.
        score_label: what the score is called.
        gone: layers that are cut out whole: they are greyed.

    Raises:
        KeyError: there is no such metric, or the table has no column of it.
        ValueError: there is no such scale or grouping.
    """
    chosen = METRICS[metric]
    if grouping not in GROUPINGS:
        raise ValueError(f"no grouping {grouping!r}; there are {', '.join(GROUPINGS)}")
    if grouping == "block":
        table = table.assign(role=[BLOCKS.get(role, MLP) for role in table["role"]])
    if scale not in SCALES:
        raise ValueError(f"no scale {scale!r}; there are {', '.join(SCALES)}")
    cells = _cells(table, metric)
    shown = _ranks(cells) if scale == "rank" else {place: cell.value for place, cell in cells.items()}
    look = _look(chosen, list(shown.values()), scale, _label(metric, score_label))
    roles = [role for role in (*ROLE_ORDER, "attention", MLP) if any(r == role for _, r in cells)]
    roles += sorted({r for _, r in cells} - set(roles))
    layers = sorted({layer for layer, _ in cells})
    here = next((place for place, cell in cells.items() if selected in cell.names), None)
    # One cell takes the tab key: the selected one, or the first.
    stop = here or next(((layer, role) for role in roles for layer in layers if (layer, role) in cells), None)
    rows = "".join(
        f'<div role="row" class="gv-hm-row"><span role="rowheader" class="gv-hm-role{_on(here, 1, role)}">'
        f"{escape(_role(role))}</span>"
        + "".join(_greyed(_cell(cells, shown, (layer, role), look, here, stop), layer in gone) for layer in layers)
        + "</div>"
        for role in roles
    )
    marker = look.position(shown[here]) if here else math.nan
    return (
        f'<div class="gv-hm{" gv-hm-many" if len(layers) > MANY_LAYERS else ""}" style="--gv-n:{max(1, len(layers))}">'
        f'<div class="gv-hm-top">'
        f'<p class="gv-hm-help"><b>{escape(look.label)}</b> {escape(chosen.help)}</p>{_legend(look, marker)}</div>'
        f'<div role="grid" class="gv-hm-grid" aria-label="{escape(look.label, quote=True)} by role and layer" '
        f'aria-rowcount="{len(roles) + 1}" aria-colcount="{len(layers) + 1}">'
        f'<div role="row" class="gv-hm-row"><span role="columnheader" class="gv-hm-corner">Layer</span>'
        f"{''.join(_column(layer, here, len(layers)) for layer in layers)}</div>{rows}</div>"
        '<p class="gv-hm-keys">Click a cell, or walk with the arrow keys and press Enter, to look into its matrix.</p>'
        "</div>"
    )


def atlas_table(table: pd.DataFrame, score_label: str = "DAI") -> pd.DataFrame:
    """The same numbers as a table: one row per matrix, columns named for people, four figures."""
    frame = pd.DataFrame(
        {
            "Layer": table["layer"].to_numpy(),
            "Role": [_role(role) for role in table["role"]],
            "Rows": table["rows"].to_numpy(),
            "Columns": table["columns"].to_numpy(),
        }
    )
    for key in METRICS:
        # A column of which nothing is known says nothing.
        if key in table and table[key].notna().any():
            frame[_label(key, score_label)] = [float(f"{value:.{FIGURES_IN_TABLE}g}") for value in table[key]]
    frame["Name"] = table["name"].to_numpy()
    return frame


def _cells(table: pd.DataFrame, metric: str) -> dict[Place, Cell]:
    columns = zip(
        table["layer"], table["role"], table["name"], table["size"], table[metric], *_shapes(table), strict=True
    )
    groups: dict[Place, list[tuple[str, float, float, str]]] = {}
    for layer, role, name, size, value, shape in columns:
        groups.setdefault((int(layer), str(role)), []).append((str(name), float(size), float(value), shape))
    return {place: _merged(group) for place, group in groups.items()}


def _shapes(table: pd.DataFrame) -> list[list[str]]:
    if "rows" not in table or "columns" not in table:
        return [[""] * len(table)]
    return [[f"{rows:,} × {columns:,}" for rows, columns in zip(table["rows"], table["columns"], strict=True)]]


def _merged(group: list[tuple[str, float, float, str]]) -> Cell:
    if len(group) == 1:
        name, size, value, shape = group[0]
        return Cell(value if size > 0 and math.isfinite(value) else math.nan, name, (name,), shape)
    names, sizes, values, _ = zip(*group, strict=True)
    known, weights = np.array(values), np.array(sizes)
    finite = np.isfinite(known) & (weights > 0)
    mean = float(np.average(known[finite], weights=weights[finite])) if finite.any() else math.nan
    return Cell(mean, names[0], names, f"mean of {len(group)} matrices")


def _ranks(cells: Mapping[Place, Cell]) -> dict[Place, float]:
    """Rank of each value within its role, lowest 0, highest 1; equal values share one rank."""
    values = pd.Series([cell.value for cell in cells.values()], index=list(range(len(cells))), dtype=float)
    by_role = values.groupby([role for _, role in cells])
    rank, known = by_role.rank(method="average"), by_role.transform("count")
    place = ((rank - 1) / (known - 1).clip(lower=1)).where(known > 1, rank - 0.5)
    return dict(zip(cells, (float(p) for p in place), strict=True))


def _look(metric: Metric, values: list[float], scale: str, label: str) -> Look:
    if scale == "rank":
        return Look(metric, label, scales.Scale(scales.SEQUENTIAL, 0.0, 1.0), False, True)
    can_log = metric.kind == "sequential" and all(v > 0 for v in values if math.isfinite(v))
    colors, log = scale_of(metric, values, log={"linear": False, "log": can_log}.get(scale))
    return Look(metric, label, colors, log, False)


def _cell(
    cells: Mapping[Place, Cell],
    shown: Mapping[Place, float],
    place: Place,
    look: Look,
    here: Place | None,
    stop: Place | None,
) -> str:
    layer, role = place
    where = f"Layer {layer}, {_role(role)}"
    if place not in cells:
        return (
            f'<span role="gridcell" class="gv-hm-cell gv-hm-none" aria-label="{escape(where)}: no such matrix"></span>'
        )
    cell = cells[place]
    color = look.color(shown[place])
    says = _long(look.metric, cell.value)
    rank = f", rank {shown[place]:.2f} in its role" if look.ranked and math.isfinite(shown[place]) else ""
    shape = cell.shape if len(cell.names) == 1 else f"{cell.shape}; a click selects the first"
    data = {"name": cell.name, "where": where, "value": f"{look.label}: {says}{rank}", "shape": shape}
    label = f"{where}: {_in_sentence(look.label)} {says}{rank}" + (f", {cell.shape}" if len(cell.names) > 1 else "")
    text, unit = _short(look.metric, cell.value)
    # Who speaks to the page says what stands there: the name holds it (WCAG 2.5.3).
    label += "" if text in label else f", shown as {text}{unit}"
    return (
        f'<span role="gridcell" class="gv-hm-cell gv-hm-fit{min(6, len(text))}" '
        + "".join(f'data-{key}="{escape(value, quote=True)}" ' for key, value in data.items())
        + f'aria-label="{escape(label, quote=True)}" aria-selected="{"true" if place == here else "false"}" '
        f'tabindex="{0 if place == stop else -1}" style="background-color:{color};color:{scales.text_on(color)}">'
        f"<span>{escape(text)}{f'<i>{unit}</i>' if unit else ''}</span></span>"
    )


def _greyed(cell: str, gone: bool) -> str:
    return cell.replace('class="gv-hm-cell', 'class="gv-hm-cell gv-hm-gone', 1) if gone else cell


def _column(layer: int, here: Place | None, count: int) -> str:
    # Where columns are narrow only every fourth number is drawn; a reader of the screen hears all of them.
    minor = " gv-hm-minor" if layer % 4 and count > MANY_LAYERS else ""
    return (
        f'<span role="columnheader" class="gv-hm-layer{minor}{_on(here, 0, layer)}" aria-label="Layer {layer}">'
        f"<span>{layer}</span></span>"
    )


def _on(here: Place | None, part: int, value: int | str) -> str:
    return " gv-hm-on" if here is not None and here[part] == value else ""


def _legend(look: Look, marker: float) -> str:
    stops = ", ".join(look.colors.colors)
    texts = [_tick(look, value) for value in look.colors.ticks(TICKS)]
    ticks = "".join(f"<span>{escape(text)}</span>" for text in texts)
    long = " gv-ticks-long" if max(map(len, texts)) > 6 else ""
    unit = "rank within the role" if look.ranked else look.metric.unit + (", log scale" if look.log else "")
    pointer = f'<i style="left:{100 * marker:.1f}%"></i>' if math.isfinite(marker) else ""
    return (
        f'<div class="gv-legend"><div class="gv-ramp" style="background-image:linear-gradient(90deg, {stops})">'
        f'{pointer}</div><div class="gv-ticks{long}">{ticks}</div><p>{escape(unit)}</p></div>'
    )


def _tick(look: Look, value: float) -> str:
    if look.ranked:
        return {0.0: "lowest", 1.0: "highest"}.get(value, f"{value:.2f}")
    if look.metric.kind in SHARES:
        return f"{100 * value:.0f} %"
    return signed(value, 2) if look.metric.kind == "diverging" else number(10**value if look.log else value)


def _long(metric: Metric, value: float) -> str:
    """`52.0 % of the weights`, `6.1 × 10⁻⁵ (squared gradient)`, `+0.065`."""
    if not math.isfinite(value):
        return "not known"
    if metric.kind in SHARES:
        return f"{percent(value)} {metric.unit}"
    text = signed(value) if metric.kind == "diverging" else number(value)
    return text if metric.unit in metric.label.lower() else f"{text} ({metric.unit})"


def _short(metric: Metric, value: float) -> tuple[str, str]:
    """At most six characters for inside a cell, and a unit that is drawn where there is room."""
    if not math.isfinite(value):
        return "–", ""
    if metric.kind in SHARES:
        if 0 < value < 0.005:
            return "<1", "%"
        return (">99", "%") if 0.995 <= value < 1 else (f"{100 * value:.0f}", "%")
    if metric.kind == "diverging":
        return signed(value, 2), ""
    text = number(value)
    if len(text) <= 6 and "×" not in text:
        return text, ""
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS), ""


def _label(metric: str, score_label: str) -> str:
    return f"Mean {score_label}" if metric == "score_mean" else METRICS[metric].label


def _in_sentence(label: str) -> str:
    return label if label.startswith("Fisher") else label[0].lower() + label[1:]


def _role(role: str) -> str:
    return ROLE_LABELS.get(role, role.replace("_", " "))
