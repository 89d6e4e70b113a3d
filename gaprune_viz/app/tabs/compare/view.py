"""Pinned settings side by side, and the difference between two choices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gaprune_viz.app.frame.address import query_of
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import Live, Shown, View, live, matrix_label
from gaprune_viz.app.tuning.controls import CUSTOM, listed, nearest_preset, preset_of
from gaprune_viz.config import Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.formatting import count, number, percent
from gaprune_viz.figures.kit.metrics import METRICS
from gaprune_viz.figures.weights import compare

MOST = 4
NAMES = "ABCD"
NOW = "now"
Pin = dict[str, Any]

EMPTY = panels.empty_state(
    "Nothing pinned yet",
    "Press Pin in the bar above to keep the settings of the moment. Pin up to four, and they stand here side by side.",
)


def pinned(pins: list[Pin], view: View, settings: Settings) -> list[Pin]:
    """The pins with one more.

    Raises:
        GapruneError: there are four, or this one is there already.
    """
    new = {"analysis": view.analysis, "settings": settings.model_dump(mode="json")}
    if new in pins:
        raise GapruneError("These settings are pinned already.", "Change something first.")
    if len(pins) >= MOST:
        raise GapruneError(f"{MOST} settings are pinned already.", "Unpin one in the Compare tab.")
    return [*pins, new]


def choices_of(pins: list[Pin], runs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What can be compared: the settings now, the pins, the presets, and the same settings on another analysis."""
    return [
        ("The settings now", NOW),
        *((f"{NAMES[i]}: {describe(_settings(pin))}", f"pin:{i}") for i, pin in enumerate(pins)),
        *((p.label, f"preset:{p.name}") for p in PRESETS.values()),
        *((f"Run {label}", f"run:{name}") for name, label in runs),
    ]


def describe(settings: Settings) -> str:
    """Settings in a few words: the nearest preset and what differs."""
    name = preset_of(settings)
    if name != CUSTOM:
        return PRESETS[name].label
    base, changes = nearest_preset(settings)
    return f"{PRESETS[base].label}, {listed(changes)}"


def board_html(pins: list[Pin], metric: str) -> str:
    """The pinned settings side by side."""
    if not pins:
        return EMPTY
    columns, first = [], pins[0]
    for index, pin in enumerate(pins):
        view, settings = View(analysis=pin["analysis"]), _settings(pin)
        note, query = describe(settings), query_of(settings, view, ())
        try:
            now = live(view, settings)
            same = pin["analysis"] == first["analysis"]
            shared = _shared(now, _settings(first), settings) if same else "another analysis"
            columns.append(compare.Column(NAMES[index], note, query, _facts(now, shared), now.table))
        except GapruneError as error:
            # Its run may have been deleted: the other pins are compared all the same.
            columns.append(compare.Column(NAMES[index], f"{note}. {error.message}", query))
    return compare.board_html(columns, metric if metric in METRICS else "pruned_fraction")


def difference_of(pins: list[Pin], one: str, other: str, metric: str, shown: Shown) -> tuple[str, pd.DataFrame]:
    """The difference between two choices, drawn and as a table.

    Raises:
        GapruneError: one of them is not there any more.
    """
    tables, titles = [], []
    for choice in (one, other):
        at, chosen, title = _resolved(choice, pins, shown.view, shown.settings)
        tables.append(live(at, chosen).table)
        titles.append(title)
    pair = (titles[0], titles[1] if titles[1] != titles[0] else f"{titles[1]} ")
    metric = metric if metric in METRICS else "pruned_fraction"
    return compare.difference_html(tables[0], tables[1], metric, pair), compare.difference_table(
        tables[0], tables[1], metric, pair
    )


def _resolved(choice: str, pins: list[Pin], view: View, settings: Settings) -> tuple[View, Settings, str]:
    kind, _, rest = str(choice or NOW).partition(":")
    if kind == "pin" and rest.isdigit() and int(rest) < len(pins):
        pin = pins[int(rest)]
        return View(analysis=pin["analysis"]), _settings(pin), NAMES[int(rest)]
    if kind == "preset" and rest in PRESETS:
        return view, PRESETS[rest].settings, PRESETS[rest].label
    if kind == "run":
        data = STORE.analysis(rest).statistics.document["data"]
        return View(analysis=rest), settings, f"{data['domain']['name']} run"
    if kind == NOW:
        return view, settings, "now"
    raise GapruneError("What was chosen to compare is gone.", "Choose something else.")


def _settings(pin: Pin) -> Settings:
    return Settings.parse(pin["settings"])


def _shared(now: Live, one: Settings, other: Settings) -> str:
    """How much of two masks is common; whole structures are compared by nothing that a sketch knows."""
    if one.structure.whole or other.structure.whole:
        return "the same" if one == other else "not counted: whole structures go"
    return percent(now.analysis.live.common(one, other))


def _facts(now: Live, shared: str) -> dict[str, str]:
    preview, sizes = now.preview, now.analysis.live.sizes
    zeros = float((preview.pruned_fraction * sizes).sum())
    strongest = max(preview.term_shares, key=lambda name: preview.term_shares[name], default="")
    name = panels.term_label(strongest)
    deciding = f"{name} {percent(preview.term_shares[strongest])}"
    label = now.analysis.statistics.document["data"]["domain"]["name"]
    return {
        "Analysis": f"{now.analysis.statistics.document['model']['label']}, {label}",
        "Sparsity of the scope": percent(zeros / float(sizes.sum())),
        "Zeros": count(zeros) if now.cut is None else "none: cut out",
        "Parameters": count(now.cut.parameters if now.cut else now.analysis.statistics.document["model"]["parameters"]),
        "Structures kept": "all" if now.cut is None else f"{now.cut.after:,} of {now.cut.before:,} {now.cut.noun}",
        "Same weights as A (Jaccard)": shared,
        "Same as magnitude": percent(preview.overlap_with_magnitude),
        "Spearman with |θ|": number(preview.rank_correlation),
        "Largest term": deciding if np.isfinite(preview.term_shares.get(strongest, np.nan)) else "-",
        "Fisher scale κ": number(preview.kappa),
        "Most pruned matrix": _most_pruned(now),
        "Starved matrices": str(len(preview.starved)),
        "Starved rows": count(sum(now.losses.rows.values())) if now.losses else "-",
    }


def _most_pruned(now: Live) -> str:
    row = now.table.iloc[int(now.table["pruned_fraction"].to_numpy().argmax())].to_dict()
    return f"{matrix_label(row)}, {percent(row['pruned_fraction'])}"
