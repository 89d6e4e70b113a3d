"""Rows of a study held against each other, query by query: what a refit adds, and whether it beats the baselines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gaprune_viz.evaluation.significance import paired_bootstrap, sign_flip_test
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.study.plan import DENSE, REFITTED, Cell

METRIC = "ndcg_at_10"
RIVALS = ("sparsegpt", f"magnitude{REFITTED}")
"""What DAI with a refit is held against."""
CHALLENGERS = tuple(f"{row}{REFITTED}" for row in ("paper", "balanced", "robust"))
Measured = tuple[Cell, dict[str, Any]]
Place = tuple[str, float, int]
"""Row, sparsity, steps."""


def comparisons(measured: Sequence[Measured], tasks: Mapping[str, RetrievalTask]) -> list[dict[str, Any]]:
    """Paired differences in percent of dense, the mean over the seeds that both rows have.

    Returns:
        one entry a pair, sparsity and number of steps: `one`, `other`, `sparsity`, `steps`, `seeds` (how many), and by
        side `points`, the 95 % interval `low` and `high`, `p`, and `apart`: the difference of each seed.
    """
    dense = next(found for cell, found in measured if cell.row == DENSE and cell.retrain is None)
    by_place: dict[Place, dict[int | None, dict[str, Any]]] = {}
    for cell, found in measured:
        if cell.part in ("main", "seeds") and cell.row != DENSE:
            steps = cell.retrain.steps if cell.retrain else 0
            by_place.setdefault((cell.row, cell.sparsity, steps), {})[cell.seed] = found
    told = []
    for one, other in _pairs(by_place):
        seeds = [seed for seed in by_place[one] if seed in by_place[other]]
        if seeds:
            cells = [(by_place[one][seed], by_place[other][seed]) for seed in seeds]
            sides = {side: _difference(cells, dense, side, task) for side, task in tasks.items()}
            place = {"one": one[0], "other": other[0], "sparsity": one[1], "steps": one[2]}
            told.append({**place, "seeds": len(seeds), "sides": sides})
    return told


def _pairs(places: Mapping[Place, Any]) -> Iterator[tuple[Place, Place]]:
    """Every refitted row with its mask alone, then challengers with rivals."""
    for row, sparsity, steps in places:
        if row.endswith(REFITTED) and (plain := (row.removesuffix(REFITTED), sparsity, steps)) in places:
            yield (row, sparsity, steps), plain
    for row, sparsity, steps in places:
        for rival in RIVALS:
            if row in CHALLENGERS and (rival, sparsity, steps) in places:
                yield (row, sparsity, steps), (rival, sparsity, steps)


def _difference(
    cells: Sequence[tuple[dict[str, Any], dict[str, Any]]], dense: dict[str, Any], side: str, task: RetrievalTask
) -> dict[str, Any]:
    mean = _values(dense, side).mean()
    scale = 100 / mean if mean > 0 else math.nan
    by_seed = [_values(one, side) - _values(other, side) for one, other in cells]
    found = np.mean(by_seed, axis=0)
    clusters = task.clusters(task.judged)
    low, high = paired_bootstrap(found, clusters=clusters)
    numbers = {"points": found.mean() * scale, "low": low * scale, "high": high * scale}
    return {
        **{key: float(value) if math.isfinite(value) else None for key, value in numbers.items()},
        "p": sign_flip_test(found, clusters=clusters),
        "apart": [float(v.mean() * scale) if math.isfinite(scale) else None for v in by_seed],
    }


def _values(found: dict[str, Any], side: str) -> np.ndarray:
    return np.asarray(found["scores"][side][METRIC], dtype=np.float64)


def gains(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The comparisons of refitted rows with their masks alone."""
    return [c for c in document.get("comparisons", ()) if c["one"] == f"{c['other']}{REFITTED}"]


def contests(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The comparisons of challengers with rivals."""
    return [c for c in document.get("comparisons", ()) if c["one"] != f"{c['other']}{REFITTED}"]


def verdicts(document: Mapping[str, Any]) -> list[str]:
    """One sentence for each rival, sparsity and number of steps: who is better, worse or not told apart from it on
    either side, by the interval."""
    groups: dict[tuple[float, int, str, int], list[Mapping[str, Any]]] = {}
    for contest in contests(document):
        place = (contest["sparsity"], contest["steps"], contest["other"], contest["seeds"])
        groups.setdefault(place, []).append(contest)
    return [_verdict(*place, group) for place, group in groups.items()]


def _verdict(sparsity: float, steps: int, rival: str, seeds: int, group: Sequence[Mapping[str, Any]]) -> str:
    when = "one-shot" if steps == 0 else f"after {steps} steps"
    drawn = f", {seeds} calibration seeds" if seeds > 1 else ""
    words: dict[str, list[str]] = {}
    for contest in group:
        numbers = " / ".join(interval(told) for told in contest["sides"].values())
        words.setdefault(_words(contest), []).append(f"`{contest['one']}` ({numbers})")
    told = "; ".join(f"{word}: {', '.join(rows)}" for word, rows in words.items())
    return f"At {100 * sparsity:g} %, {when}{drawn}, beside `{rival}`: {told}."


def _words(contest: Mapping[str, Any]) -> str:
    """What the intervals say of either side, in one phrase where they say the same."""
    found = {side: _word(told) for side, told in contest["sides"].items()}
    if len(set(found.values())) == 1:
        word = next(iter(found.values()))
        return f"{word} on either side" if word == "not told apart" else f"{word} on both sides"
    return ", ".join(f"{word} on {_side(side)}" for side, word in found.items())


def _side(side: str) -> str:
    return "the domain" if side == "domain" else "general data"


def _word(told: Mapping[str, Any]) -> str:
    if told["low"] is None or told["high"] is None or told["low"] <= 0 <= told["high"]:
        return "not told apart"
    return "better" if told["low"] > 0 else "worse"


def interval(told: Mapping[str, Any]) -> str:
    """`+1.2 [+0.1, +2.3]`, in points of percent of dense."""
    if told["points"] is None:
        return "–"
    around = "" if told["low"] is None else f" [{told['low']:+.1f}, {told['high']:+.1f}]"
    return f"{told['points']:+.1f}{around}"
