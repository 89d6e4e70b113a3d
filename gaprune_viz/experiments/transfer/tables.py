"""From the cells of a transfer map to its numbers: percent of dense, the advantage, the overlap of masks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from gaprune_viz.config import TransferSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.significance import paired_bootstrap
from gaprune_viz.experiments.cells import rounded
from gaprune_viz.experiments.transfer.advantage import Advantage, domain_advantage
from gaprune_viz.experiments.transfer.plan import Cell, arms_of, draws_of, seeds_of
from gaprune_viz.experiments.transfer.sources import Source

Found = Mapping[Cell, Mapping[str, Any]]
LONGEST_QUERY = 300


def transfer_numbers(spec: TransferSpec, found: Found, sources: Sequence[Source]) -> dict[str, Any]:
    """The numbers of `transfer.json`.

    Returns:
        `cells`; `sources`, each with its queries and the dense model's mean and ranks; `maps`: one for each row,
        sparsity, refit and arm, with `scores` [calibrated on][measured on], `advantage`, `shared` (Jaccard index of the
        pruned weights, by pair of sources) and, of the map itself, `ranks` of every query with the first seed.

    Raises:
        GapruneError: the dense model scores 0 on a task.
    """
    dense = [_values(found[Cell("dense", task=j)]) for j in range(len(sources))]
    for source, values in zip(sources, dense, strict=True):
        if values.mean() <= 0:
            raise GapruneError(
                f"{source.names.label}: the dense model has no answer among its first ten for any query, so nothing "
                "can be said in percent of it.",
                "Leave it out, or give a task that the model can answer.",
            )
    maps = [
        _map(spec, found, sources, dense, (row, sparsity, refit, shuffled))
        for shuffled, refit in arms_of(spec)
        for sparsity in spec.sparsities
        for row in spec.criteria
    ]
    return rounded(
        {
            "cells": len(found),
            "seeds": list(seeds_of(spec)),
            "sources": [
                _source(source, found[Cell("dense", task=j)], dense[j], spec) for j, source in enumerate(sources)
            ],
            "maps": maps,
        }
    )


def _source(source: Source, cell: Mapping[str, Any], dense: np.ndarray, spec: TransferSpec) -> dict[str, Any]:
    task = source.task
    return {
        "label": source.names.label,
        "task": task.name,
        "triplets": len(source.triplets.triplets),
        "samples": spec.calibration.samples,
        "passages": len(task.corpus),
        "hashes": {"triplets": source.triplets.content_hash, "task": task.content_hash},
        "ndcg_at_10": float(dense.mean()),
        "queries": [task.queries[query][:LONGEST_QUERY] for query in task.judged],
        "ranks": list(cell["rank"]),
    }


def _map(
    spec: TransferSpec,
    found: Found,
    sources: Sequence[Source],
    dense: Sequence[np.ndarray],
    place: tuple[str, float, bool, bool],
) -> dict[str, Any]:
    row, sparsity, refit, shuffled = place
    n, seeds = len(sources), draws_of(spec, shuffled=shuffled)
    clusters = [source.task.clusters(source.task.judged) for source in sources]

    def cell(i: int, j: int, seed: int) -> Mapping[str, Any]:
        return found[Cell("score", (i,), j, row, sparsity, refit, seed, shuffled)]

    # [tasks][seeds, sources, queries]
    by_seed = [np.array([[_values(cell(i, j, seed)) for i in range(n)] for seed in seeds]) for j in range(n)]
    tables, means = [values.mean(axis=0) for values in by_seed], [float(values.mean()) for values in dense]
    advantage = domain_advantage(tables, means, clusters)
    apart = [_points([values[s] for values in by_seed], means) for s in range(len(seeds))]
    first = cell(0, 0, seeds[0])
    told: dict[str, Any] = {
        "row": row,
        "sparsity": sparsity,
        "refit": refit,
        "shuffled": shuffled,
        "pruned": first["zeros"] / first["scope_weights"],
        "scores": [[_score(tables[j][i], dense[j], clusters[j]) for j in range(n)] for i in range(n)],
        "advantage": {**_advantage(advantage), "apart": apart},
        "shared": [
            _shared(pair, [found[Cell("overlap", pair, None, row, sparsity, False, seed, shuffled)] for seed in seeds])
            for pair in combinations(range(n), 2)
        ],
    }
    if not shuffled:
        told["ranks"] = [[list(cell(i, j, seeds[0])["rank"]) for j in range(n)] for i in range(n)]
    return told


def _points(tables: Sequence[np.ndarray], means: Sequence[float]) -> float:
    """The advantage of one seed alone."""
    gains = [
        100 / mean * (table[j].mean() - np.delete(table, j, axis=0).mean())
        for j, (table, mean) in enumerate(zip(tables, means, strict=True))
    ]
    return float(np.mean(gains))


def _score(values: np.ndarray, dense: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    scale = 100 / dense.mean()
    low, high = paired_bootstrap(values - dense, clusters=clusters)
    return {
        "ndcg_at_10": float(values.mean()),
        "of_dense": float(values.mean() * scale),
        "low": _plain(100 + low * scale),
        "high": _plain(100 + high * scale),
    }


def _advantage(found: Advantage) -> dict[str, Any]:
    def plain(numbers: Mapping[str, float]) -> dict[str, float | None]:
        return {name: _plain(value) for name, value in numbers.items()}

    return {
        **plain(asdict(found.whole)),
        "p": found.p,
        "reached": found.reached,
        "pairings": found.pairings,
        "by_task": [plain(asdict(gain)) for gain in found.by_task],
    }


def _shared(pair: tuple[int, int], cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How much two masks prune together, all in all and by layer and role; over all seeds."""
    counts = np.array([[place[2:] for place in cell["places"]] for cell in cells], dtype=np.float64).sum(axis=0)
    both, either = counts.sum(axis=0)
    return {
        "pair": list(pair),
        "jaccard": float(both / either) if either else 1.0,
        "places": [
            [layer, role, float(b / e) if e else 1.0]
            for (layer, role, *_), (b, e) in zip(cells[0]["places"], counts, strict=True)
        ],
    }


def _values(found: Mapping[str, Any]) -> np.ndarray:
    return np.asarray(found["ndcg_at_10"], dtype=np.float64)


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def shared_places(one: Mapping[str, Any], first: int, second: int) -> list[tuple[int, str, float]]:
    """What the masks of two sources prune together; of one source, what its mask has in common with the others.

    Args:
        one: a map of a document.
        first, second: places of the sources; the same twice for one source beside all others.

    Returns:
        (layer, role, Jaccard index), the mean over the pairs.
    """
    wanted = {first, second}
    pairs = [pair for pair in one["shared"] if wanted <= set(pair["pair"])]
    columns = zip(*(pair["places"] for pair in pairs), strict=True)
    return [(same[0][0], same[0][1], sum(place[2] for place in same) / len(same)) for same in columns]


def frame(document: Mapping[str, Any]) -> pd.DataFrame:
    """The maps as a flat table, one line for each calibration and task: for CSV and JSON."""
    labels = [source["label"] for source in document["sources"]]
    lines = []
    for one in document["maps"]:
        shared = {tuple(pair["pair"]): pair["jaccard"] for pair in one["shared"]}
        for i, calibrated in enumerate(labels):
            for j, measured in enumerate(labels):
                lines.append(
                    {
                        **{name: one[name] for name in ("row", "sparsity", "refit", "shuffled")},
                        "calibrated_on": calibrated,
                        "measured_on": measured,
                        **one["scores"][i][j],
                        "masks_shared": 1.0 if i == j else shared[min(i, j), max(i, j)],
                    }
                )
    return pd.DataFrame(lines)
