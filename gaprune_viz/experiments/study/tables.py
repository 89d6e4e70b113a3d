"""From the cells of a study to its tables: percent of dense, paired intervals, p-values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gaprune_viz.config import StudySpec
from gaprune_viz.evaluation.significance import paired_bootstrap, sign_flip_test
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.cells import rounded
from gaprune_viz.experiments.study.comparisons import METRIC, Measured, comparisons
from gaprune_viz.experiments.study.plan import DENSE, Cell

BASELINE = "magnitude"


def study_document(
    spec: StudySpec, measured: Sequence[Measured], tasks: Mapping[str, RetrievalTask], planned: int
) -> dict[str, Any]:
    """The numbers of `study.json`.

    Returns:
        `cells` (measured and planned) and `rows`: one a cell, with `part`, `row`, `sparsity`, `steps`, `samples`,
        `zeros`, `scope_weights`, `curve` where it was retrained, and by side: `means`, `of_dense` (percent of the
        dense model's nDCG@10), its 95 % interval `low` and `high`, `p_dense`, and `over_baseline`: difference to
        magnitude at the same sparsity, steps and seed in percent of dense, with interval and p-value. `comparisons`:
        see there.
    """
    dense = next(found for cell, found in measured if cell.row == DENSE and cell.retrain is None)
    baselines = {
        (cell.sparsity, _steps(cell), cell.seed): found
        for cell, found in measured
        if cell.part in ("main", "seeds") and cell.row == BASELINE
    }
    rows = []
    for cell, found in measured:
        row: dict[str, Any] = {
            "part": cell.part,
            "row": cell.row,
            "sparsity": cell.sparsity,
            "steps": _steps(cell),
            "samples": cell.samples,
            "zeros": found["zeros"],
            "scope_weights": found["scope_weights"],
            "sides": {
                side: _side(found, dense, baselines.get((cell.sparsity, _steps(cell), cell.seed)), side, task)
                for side, task in tasks.items()
            },
        }
        if cell.seed is not None:
            row["seed"] = cell.seed
        if "curve" in found:
            row["curve"] = found["curve"]
        rows.append(row)
    return {
        "cells": {"measured": len(measured), "planned": planned},
        "rows": rounded(rows),
        "comparisons": rounded(comparisons(measured, tasks)),
    }


def _side(
    found: dict[str, Any], dense: dict[str, Any], baseline: dict[str, Any] | None, side: str, task: RetrievalTask
) -> dict[str, Any]:
    values, reference = _values(found, side), _values(dense, side)
    clusters = task.clusters(task.judged)
    scale = 100 / reference.mean() if reference.mean() > 0 else math.nan
    low, high = paired_bootstrap(values - reference, clusters=clusters)
    side_row: dict[str, Any] = {
        "means": found["scores"][side]["means"],
        "of_dense": _plain(values.mean() * scale),
        "low": _plain(100 + low * scale),
        "high": _plain(100 + high * scale),
        "p_dense": sign_flip_test(values - reference, clusters=clusters),
    }
    if baseline is not None and baseline is not found:
        other = values - _values(baseline, side)
        low, high = paired_bootstrap(other, clusters=clusters)
        side_row["over_baseline"] = {
            "points": _plain(other.mean() * scale),
            "low": _plain(low * scale),
            "high": _plain(high * scale),
            "p": sign_flip_test(other, clusters=clusters),
        }
    return side_row


def _steps(cell: Cell) -> int:
    return cell.retrain.steps if cell.retrain else 0


def _values(found: dict[str, Any], side: str) -> np.ndarray:
    """nDCG@10 of every query, in the order of the task."""
    return np.asarray(found["scores"][side][METRIC], dtype=np.float64)


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def frame(document: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of a study as a flat table, one line a cell and side, for CSV and figures."""
    lines = []
    seeded = any(row.get("seed") is not None for row in document["rows"])
    for row in document["rows"]:
        seed = {"seed": row.get("seed")} if seeded else {}
        for side, numbers in row["sides"].items():
            over = numbers.get("over_baseline") or {}
            lines.append(
                {
                    **{key: row[key] for key in ("part", "row", "sparsity", "steps", "samples")},
                    **seed,
                    "side": side,
                    **numbers["means"],
                    **{key: numbers[key] for key in ("of_dense", "low", "high", "p_dense")},
                    **{f"over_{BASELINE}_{key}": over.get(key) for key in ("points", "low", "high", "p")},
                }
            )
    return pd.DataFrame(lines)
