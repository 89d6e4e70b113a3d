"""The walk through a study: one question after the other, each with a text and two figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.experiments.study.comparisons import verdicts
from gaprune_viz.experiments.study.findings import all_steps, dense_row, findings, repairs
from gaprune_viz.experiments.study.plan import ABLATION_BASES
from gaprune_viz.experiments.study.tables import frame
from gaprune_viz.figures.experiments.study import (
    ablation_figure,
    loss_figure,
    samples_figure,
    study_curves,
    study_table,
)
from gaprune_viz.figures.kit import panels

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Stop:
    """One stop of the walk: its name, what to look at, and its two figures."""

    label: str
    text: Callable[[Document], str]
    figures: Callable[[Document, pd.DataFrame], tuple[go.Figure | None, go.Figure | None]]


def _facts(document: Document) -> str:
    tasks, spec, data = document["tasks"], document["spec"], document["data"]
    calibration = spec["calibration"]
    dense = dense_row(document, 0)
    cards = [
        panels.Card("Model", document["model"]["label"], f"scope {calibration['scope']}"),
        panels.Card(
            "Calibrated on", f"{calibration['samples']} + {calibration['samples']}", "triplets at most, a side"
        ),
        *(
            panels.Card(
                f"{side.capitalize()} queries",
                f"{task['queries']:,}",
                f"{task['name']}"
                + (f", dense nDCG@10 {dense['sides'][side]['means']['ndcg_at_10']:.3f}" if dense else ""),
            )
            for side, task in tasks.items()
        ),
        panels.Card("Cells", f"{document['cells']['measured']} of {document['cells']['planned']}", "measured"),
    ]
    note = f"{data['domain']['source']} against {data['general']['source']}"
    gone = [f"Not measured: {cell['label']}: {cell['error']}" for cell in document.get("failed", ())]
    told = panels.sentence_list(gone) if gone else ""
    return panels.section_title("What was measured", note) + panels.stat_cards(cards) + told


def _says(document: Document, retrained: bool) -> str:
    """The findings of one half of the study: one-shot, or after retraining."""
    told = [s for s in (*findings(document), *verdicts(document)) if ("one-shot" in s) != retrained]
    return panels.sentence_list(told) if told else ""


def _curves(steps: Callable[[Document], int | None]) -> Callable[..., tuple[go.Figure | None, go.Figure | None]]:
    def draw(document: Document, table: pd.DataFrame) -> tuple[go.Figure | None, go.Figure | None]:
        chosen = steps(document)
        if chosen is None:
            return None, None
        return study_curves(table, "domain", chosen), study_curves(table, "general", chosen)

    return draw


def _retraining(document: Document) -> int | None:
    return next((steps for steps in all_steps(document) if steps > 0), None)


def _losses(document: Document, table: pd.DataFrame) -> tuple[go.Figure | None, go.Figure | None]:
    found = sorted({r["sparsity"] for r in document["rows"] if r["curve"] and r["row"] != "dense"})
    figures = [loss_figure(document["rows"], sparsity) for sparsity in (found[:1] + found[-1:] if found else [])]
    return (figures[0] if figures else None), (figures[1] if len(found) > 1 else None)


def _if_there(
    part: str, table: pd.DataFrame, left: go.Figure, right: go.Figure | None
) -> tuple[go.Figure | None, go.Figure | None]:
    return (left, right) if (table["part"] == part).any() else (None, None)


FIRST = "1 What was measured"
STOPS: dict[str, Stop] = {
    stop.label: stop
    for stop in (
        Stop(FIRST, _facts, lambda document, table: (None, None)),
        Stop(
            "2 One-shot",
            lambda document: (
                panels.section_title("What does each criterion keep, without any training?", "100 % is the dense model")
                + _says(document, retrained=False)
            ),
            _curves(lambda document: 0),
        ),
        Stop(
            "3 Retrained",
            lambda document: (
                panels.section_title(
                    "What do some steps of training repair?", "The dense model, trained as long, is the dashed line"
                )
                + panels.sentence_list(repairs(document))
                + _says(document, retrained=True)
            ),
            _curves(_retraining),
        ),
        Stop(
            "4 Learning",
            lambda document: panels.section_title(
                "How fast does the loss fall?", "The gentlest and the hardest sparsity of this study"
            ),
            _losses,
        ),
        Stop(
            "5 Ablation",
            lambda document: panels.section_title(
                "Which constant matters?", "One is moved, the others stay, from the paper's setting and from balanced"
            ),
            lambda document, table: _if_there("ablation", table, *(ablation_figure(table, b) for b in ABLATION_BASES)),
        ),
        Stop(
            "6 Samples",
            lambda document: panels.section_title("How many calibration samples are enough?"),
            lambda document, table: _if_there("samples", table, samples_figure(table), None),
        ),
    )
}


def stop_of(document: Document, label: str) -> tuple[str, go.Figure | None, go.Figure | None]:
    """Text and figures of one stop of the walk."""
    stop = STOPS[label]
    left, right = stop.figures(document, frame(document))
    missing = "" if label == FIRST or left is not None else panels.notice("This study has no such part.")
    return stop.text(document) + missing, left, right


def table_of(document: Document) -> pd.DataFrame:
    """Every cell on one line."""
    return study_table(frame(document))
