"""Settings by their worst source: `python benchmarks/robust.py --write docs/robust.md`.

Calibrates on each source, prunes, and measures what is left of retrieval on that source and on general texts. Cells are
kept in a folder, so that it goes on where it was stopped, and a new settings entry costs its own cells only.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._robust_cells import LONGEST, Bench, grid, tasks_of
from benchmarks._robust_document import render
from benchmarks._robust_results import Measured, finished, summarise
from benchmarks._robust_settings import ABLATION, CALIBRATED, CANDIDATES
from benchmarks._robust_sources import PACKAGES, Source, sources
from gaprune_viz.config import SIDES, CalibrationSpec, Scope
from gaprune_viz.criteria.registry import criterion, settled
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.experiments.cells import rounded
from gaprune_viz.versions import versions

FORMAT = 2
RESULTS = Path("docs/benchmarks/robust.json")
DIGITS = 3


def main() -> None:
    """Measure what is asked for and not yet kept; write what was found."""
    asked = _options()
    chosen = {name: CANDIDATES[name] for name in asked.settings}
    bench, given = Bench(asked.folder, again=asked.again), sources(asked.folder / "texts", asked.sources)
    rows = []
    for row in grid(bench, given, asked.sizes, asked.seeds, asked.sparsities, chosen, CALIBRATED, kept_only=asked.kept):
        rows.append(row)
        print(line(row), file=sys.stderr, flush=True)
    rows = finished(rows)
    if not rows:
        sys.exit("Nothing of this is measured yet: run it without --kept.")
    measured = [source for source in given if any(row["source"] == source.name for row in rows)]
    found = rounded(results(bench, measured, rows), DIGITS)
    out = asked.out or (RESULTS if asked.write else None)
    if out is not None:
        found["written"] = {"by": _by(), "numbers": str(out)}
        out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if asked.write is not None:
        asked.write.write_text(render(found), encoding="utf-8")


def _by() -> str:
    """The arguments, without those that change no number."""
    given, kept = iter(sys.argv[1:]), list[str]()
    for word in given:
        if word == "--folder":
            next(given, None)
        elif word not in ("--kept", "--again"):
            kept.append(word)
    return shlex.join(kept)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/robust"), help="analyses and cells")
    parser.add_argument("--sources", nargs="*", default=[], help="all where none is named")
    parser.add_argument("--sizes", nargs="*", type=int, default=[64, 256], help="calibration triplets a side")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--sparsities", nargs="*", type=float, default=[0.5, 0.7])
    parser.add_argument(
        "--settings", nargs="*", default=list(CANDIDATES), choices=CANDIDATES, metavar="ENTRY", help="names of entries"
    )
    parser.add_argument("--again", action="store_true", help="measure kept cells once more: masks are made otherwise")
    parser.add_argument("--kept", action="store_true", help="measure nothing; tell what the kept cells give")
    parser.add_argument("--out", type=Path, default=None, help=f"JSON of the results; with --write {RESULTS}")
    parser.add_argument("--write", type=Path, default=None, help="write the document there, such as docs/robust.md")
    return parser.parse_args()


def line(row: dict[str, Any]) -> str:
    """One cell, for the terminal."""
    kept = row["kept"]
    return (
        f"{row['source']:<11} {row['samples']:>4} {row['seed']} {row['sparsity']:.1f} "
        f"{kept['domain']:6.1f} {kept['general']:6.1f} {row['waking']:>5} {row['seconds']:>6} s  {row['settings']}"
    )


def results(bench: Bench, given: Sequence[Source], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the document is written from: conditions, sources, entries, and the summary of the rows."""
    about = {source.name: _about(bench, source) for source in given}
    sides = {
        source.name: {
            side: Measured(task.content_hash, about[source.name]["dense"][side], task.clusters(task.judged).tolist())
            for side, task in tasks_of(source).items()
        }
        for source in given
    }
    conditions = {
        "model": bench.model.label,
        "weight_hash": bench.model.weight_hash,
        "max_length": LONGEST,
        "scope": Scope.LINEAR.value,
        "sampling": CalibrationSpec().sampling.value,
        "cells": len(rows),
        "median_seconds": statistics.median(row["seconds"] for row in rows),
        "versions": {"Python": platform.python_version(), **versions(), **_packages()},
    }
    summary = summarise(rows, sides, {source.name: source.general for source in given}, ABLATION)
    told = [one["settings"] for at in summary["by_sparsity"].values() for one in at["settings"]]
    entries = {name: _told(name) for name in dict.fromkeys(told)}
    return {"format": FORMAT, "conditions": conditions, "about": about, "entries": entries, **summary}


def _about(bench: Bench, source: Source) -> dict[str, Any]:
    task = source.task
    dense = bench.dense(source)
    return {
        "kind": source.kind,
        "general": source.general,
        "triplets": len(load_triplets(source.calibration).samples),
        "passages": len(task.corpus),
        "passage_words": statistics.mean(len(p.embedding_text.split()) for p in task.corpus),
        "queries": len(task.judged),
        "query_words": statistics.mean(len(q.split()) for q in task.queries.values()),
        "dense": {side: statistics.mean(dense[side]) for side in SIDES},
    }


def _told(name: str) -> str:
    """The settings of an entry: what its criterion reads, and the mask but for the sparsity."""
    settings = settled(CANDIDATES[name])
    score, mask = settings.score.content(), settings.mask.content()
    knobs = criterion(settings.score.criterion).knobs
    shown = {"criterion": score["criterion"], **{k: score[k] for k in knobs if k in score}}
    plain = type(settings.mask)().content()
    shown |= {k: v for k, v in mask.items() if k != "sparsity" and (k == "allocation" or v != plain.get(k))}
    shown |= CALIBRATED.get(name, {})
    return ", ".join(f"{key}={value}" for key, value in shown.items())


def _packages() -> dict[str, str]:
    """Versions of the packages whose texts are read."""
    found = importlib.metadata.packages_distributions()
    names = {found[package][0] for package in PACKAGES if package in found} | {"cellxgene-ontology-guide"}
    return {name: importlib.metadata.version(name) for name in sorted(names - set(versions()))}


if __name__ == "__main__":
    main()
