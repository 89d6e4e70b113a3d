"""From the rows of the grid to the numbers of the document: worst and mean, choices with a source left out, steps."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gaprune_viz.config import SIDES

Row = Mapping[str, Any]
Place = tuple[str, int, str]
"""Source, calibration triplets a side, side: what a percentage belongs to once seeds are averaged."""
RESAMPLES = 2_000
BASELINES = ("magnitude", "balanced")


@dataclass(frozen=True)
class Measured:
    """One side of one source: what its intervals need beside the scores of the cells.

    Attributes:
        task: hash of the task; sides with the same one are of the same queries.
        dense: nDCG@10 of the dense model, in 0..1.
        clusters: [queries], which queries have the same relevant passages.
    """

    task: str
    dense: float
    clusters: Sequence[int]


Sides = Mapping[str, Mapping[str, Measured]]
"""By source and side."""


def summarise(rows: Sequence[Row], sides: Sides, partners: Mapping[str, str], steps: Sequence[str]) -> dict[str, Any]:
    """Everything the document says of the cells.

    Args:
        rows: as `grid` yields them; settings that lack a cell which others have are told apart, as `partly` measured.
        sides: of every source in the rows.
        partners: by source, the source that its general side is of.
        steps: of the ablation; those that were not measured are passed over.

    Returns:
        by sparsity (as text): `settings`, `left_out`, `steps`, `partly`; and `seeds`, `sizes`, `sources`; `runs`: by
        source, the seeds of each size.
    """
    found: dict[str, Any] = {name: _different(rows, key) for name, key in _AXES}
    found["runs"] = _runs(rows)
    found["by_sparsity"] = {}
    for sparsity in _different(rows, "sparsity"):
        by_settings, partly = _whole([row for row in rows if row["sparsity"] == sparsity])
        percents = {name: percent(own) for name, own in by_settings.items()}
        found["by_sparsity"][str(sparsity)] = {
            "settings": [{"settings": name, **standing(own)} for name, own in by_settings.items()],
            "left_out": leave_one_out(percents, partners),
            "steps": ablation(by_settings, [name for name in steps if name in by_settings], sides),
            "partly": [{"settings": name, **_part(own)} for name, own in partly.items()],
        }
    return found


_AXES = (("sources", "source"), ("sizes", "samples"), ("seeds", "seed"))


def finished(rows: Sequence[Row]) -> list[Row]:
    """The rows of those runs (a source, a size, a seed) that have all the cells which most runs have."""
    cells: dict[tuple[str, int, int], set[tuple[str, float]]] = defaultdict(set)
    for row in rows:
        cells[_run(row)].add((row["settings"], row["sparsity"]))
    counts = Counter(cell for own in cells.values() for cell in own)
    usual = {cell for cell, count in counts.items() if 2 * count > len(cells)}
    return [row for row in rows if cells[_run(row)] >= usual]


def _run(row: Row) -> tuple[str, int, int]:
    return row["source"], row["samples"], row["seed"]


def _runs(rows: Iterable[Row]) -> dict[str, dict[str, list[int]]]:
    """By source and size, the seeds."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        seeds = found[row["source"]][str(row["samples"])]
        if row["seed"] not in seeds:
            seeds.append(row["seed"])
    return {source: dict(sizes) for source, sizes in found.items()}


def _different(rows: Iterable[Row], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in rows))


def _whole(rows: Sequence[Row]) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """Rows by settings, of those settings that have every cell that any has; and of the others."""
    by_settings: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_settings[row["settings"]].append(row)
    cells = {name: {(r["source"], r["samples"], r["seed"]) for r in own} for name, own in by_settings.items()}
    every = set().union(*cells.values())
    kept = {name: own for name, own in by_settings.items() if cells[name] == every}
    return kept, {name: own for name, own in by_settings.items() if name not in kept}


def _part(rows: Sequence[Row]) -> dict[str, Any]:
    """What is told of settings that were measured in a part of the places."""
    told = standing(rows)
    places = {"sources": list(told["sources"]), "sizes": list(told["sizes"]), "seeds": _different(rows, "seed")}
    return {"worst": told["worst"], "mean": told["mean"], "waking": told["waking"], **places}


def percent(rows: Iterable[Row]) -> dict[Place, float]:
    """Percent of the dense nDCG@10, the mean over seeds, of one settings entry at one sparsity."""
    return {place: float(np.mean(values)) for place, values in _by_place(rows).items()}


def _by_place(rows: Iterable[Row]) -> dict[Place, list[float]]:
    found: dict[Place, list[float]] = defaultdict(list)
    for row in rows:
        for side in SIDES:
            found[row["source"], row["samples"], side].append(row["kept"][side])
    return found


def standing(rows: Sequence[Row]) -> dict[str, Any]:
    """One settings entry at one sparsity.

    Returns:
        `worst` by side: the smallest percentage and where it is; `mean` by side, over sources and sizes; `deviation`:
        root mean square over all places of the standard deviation over seeds, None with one seed; `sources`: percent
        by source and side, over sizes; `sizes`: smallest and mean percent by size; `waking`: neurons, at most.
    """
    by_place, means = _by_place(rows), percent(rows)
    spread = [np.var(values, ddof=1) for values in by_place.values() if len(values) > 1]

    def over(**wanted: Any) -> list[float]:
        names = ("source", "samples", "side")
        return [v for place, v in means.items() if wanted.items() <= dict(zip(names, place, strict=True)).items()]

    worst = {side: min((v, place) for place, v in means.items() if place[2] == side) for side in SIDES}
    return {
        "worst": {side: {"percent": v, "source": at[0], "samples": at[1]} for side, (v, at) in worst.items()},
        "mean": {side: float(np.mean(over(side=side))) for side in SIDES},
        "deviation": float(np.sqrt(np.mean(spread))) if spread else None,
        "sources": {
            source: {side: float(np.mean(over(source=source, side=side))) for side in SIDES}
            for source in _different(rows, "source")
        },
        "sizes": {
            str(size): {"worst": min(over(samples=size)), "mean": float(np.mean(over(samples=size)))}
            for size in sorted(_different(rows, "samples"))
        },
        "waking": max(row["waking"] for row in rows),
    }


def leave_one_out(percents: Mapping[str, Mapping[Place, float]], partners: Mapping[str, str]) -> dict[str, Any]:
    """Choose by the smallest percentage over all sources but one, and say what the choice gives on that one.

    A source that is left out is left out wholly: those that have its texts as their general side go with it. One that
    all others have there cannot be left out.

    Args:
        percents: by settings, all of the same places.
        partners: by source, the source that its general side is of.

    Returns:
        `chosen` and `percent` with no source left out; `stays`: sources that cannot be left out; `rows`, one for each
        other source: what was `chosen`, its smallest percentage on the `others`, on the source its `domain` and
        `general` (over sizes) and its smallest percentage, `own`; the `best` that any entry reaches there; and that of
        the `baselines`.
    """
    if not percents:
        return {"chosen": None, "percent": None, "rows": [], "stays": []}
    sources = list(dict.fromkeys(place[0] for place in next(iter(percents.values()))))
    apart = {source: [s for s in sources if source not in (s, partners[s])] for source in sources}
    chosen, least = _choice(percents, sources)
    return {
        "chosen": chosen,
        "percent": least,
        "stays": [source for source in sources if not apart[source]],
        "rows": [_left_out(percents, source, others) for source, others in apart.items() if others],
    }


def _left_out(percents: Mapping[str, Mapping[Place, float]], source: str, others: Sequence[str]) -> dict[str, Any]:
    chosen, least = _choice(percents, others)
    own = {name: _least(values, [source]) for name, values in percents.items()}
    here = {
        side: float(np.mean([v for at, v in percents[chosen].items() if (at[0], at[2]) == (source, side)]))
        for side in SIDES
    }
    baselines = {name: own[name] for name in BASELINES if name in own}
    row = {"source": source, "chosen": chosen, "others": least, **here, "own": own[chosen]}
    return {**row, "best": max(own.values()), "baselines": baselines}


def _choice(percents: Mapping[str, Mapping[Place, float]], sources: Sequence[str]) -> tuple[str, float]:
    """The entry with the largest smallest percentage; of equals the first, as entries are listed simplest first."""
    least = {name: _least(values, sources) for name, values in percents.items()}
    chosen = max(least, key=lambda name: least[name])
    return chosen, least[chosen]


def _least(values: Mapping[Place, float], sources: Sequence[str]) -> float:
    return min(v for place, v in values.items() if place[0] in sources)


def ablation(by_settings: Mapping[str, Sequence[Row]], steps: Sequence[str], sides: Sides) -> list[dict[str, Any]]:
    """Each step against the one before, query by query.

    Returns:
        for each step but the first: `settings`, `before`; by side the `change` in points of the dense score, the mean
        over sources, with its `low` and `high` end; `sources`: the same of every source on its own.
    """
    found = []
    for before, after in itertools.pairwise(steps):
        row: dict[str, Any] = {"settings": after, "before": before}
        for side in SIDES:
            changes = _changes(by_settings[before], by_settings[after], side, sides)
            row[side] = interval(list(changes.values()))
            row[side]["sources"] = {source: interval([change]) for source, change in changes.items()}
        found.append(row)
    return found


Change = tuple[str, np.ndarray, Sequence[int]]
"""Hash of the task; change of each query in points of the dense score; clusters of the queries."""


def _changes(before: Sequence[Row], after: Sequence[Row], side: str, sides: Sides) -> dict[str, Change]:
    """By source, the mean change of each query over sizes and seeds."""

    def scores(rows: Sequence[Row], source: str) -> np.ndarray:
        return np.mean([row["scores"][side] for row in rows if row["source"] == source], axis=0)

    found = {}
    for source in _different(before, "source"):
        about = sides[source][side]
        points = 100 * (scores(after, source) - scores(before, source)) / about.dense
        found[source] = (about.task, points, about.clusters)
    return found


def interval(changes: Sequence[Change], seed: int = 0) -> dict[str, float]:
    """Mean of the means of sources with a 95 % percentile bootstrap interval over queries.

    Queries with the same relevant passages are drawn together. Sources that are measured on one task (as the general
    side of nearly all is) are first averaged query by query: their queries are the same, and say nothing new. The
    score of the dense model is taken as fixed.

    Returns:
        `change`, `low`, `high`, in points of the dense score.
    """
    by_task: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_task[change[0]].append(change)
    rng = np.random.default_rng(seed)
    mean, drawn = 0.0, np.zeros(RESAMPLES)
    for shared in by_task.values():
        values = np.mean([points for _, points, _ in shared], axis=0)
        share = len(shared) / len(changes)
        mean += share * float(values.mean())
        drawn += share * _resampled(values, shared[0][2], rng)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"change": mean, "low": float(low), "high": float(high)}


def _resampled(values: np.ndarray, clusters: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Means of whole clusters drawn with replacement, float64 [RESAMPLES]."""
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    sums, sizes = np.bincount(place, weights=values), np.bincount(place)
    drawn = rng.integers(0, len(sums), size=(RESAMPLES, len(sums)))
    return sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
