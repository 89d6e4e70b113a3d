"""What a refit gives back, and which ridge and share of the domain: `python benchmarks/refit_quality.py --write FILE`.

Calibrates on each source, prunes, refits, and measures retrieval on that source and on general texts. Ridge and share
are chosen on one half of the queries and reported on the other. Cells are kept in a folder: a run that was stopped
goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._document_parts import table
from benchmarks._robust_cells import LONGEST, Bench, grid, tasks_of
from benchmarks._robust_sources import sources
from benchmarks.robust import line
from gaprune_viz.config import SIDES, RefitSpec, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.evaluation.significance import paired_bootstrap

RESULTS = Path("docs/benchmarks/refit_quality.json")
PRESET_ROWS = ("robust", "balanced", "magnitude")
RIDGES, SHARES = (0.03, 0.1, 0.3, 1.0), (0.25, 0.5, 0.75)
CHOSEN_ON = "robust"
Row = dict[str, Any]


def entries() -> dict[str, Settings]:
    """Every preset with its mask alone and with the default refit; one of them with other ridges and shares."""
    found: dict[str, Settings] = {}
    for name in PRESET_ROWS:
        plain = PRESETS[name].settings.at(0.5)
        found[name] = plain
        found[f"{name} + refit"] = plain.with_(refit=RefitSpec(refit=True))
    usual, base = RefitSpec(), PRESETS[CHOSEN_ON].settings.at(0.5)
    tried = [(ridge, usual.domain_share) for ridge in RIDGES] + [(usual.ridge, share) for share in SHARES]
    for ridge, share in dict.fromkeys(tried):
        if (ridge, share) != (usual.ridge, usual.domain_share):
            name = f"{CHOSEN_ON} + refit, ridge {ridge:g}, share {share:g}"
            found[name] = base.with_(refit=RefitSpec(refit=True, ridge=ridge, domain_share=share))
    return found


def main() -> None:
    """Measure what is asked for and not yet kept; write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/robust"), help="analyses and cells")
    parser.add_argument("--sources", nargs="*", default=["chebi", "chemistry", "finance"])
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--sparsities", nargs="*", type=float, default=[0.5, 0.7])
    parser.add_argument("--settings", nargs="*", default=list(entries()))
    parser.add_argument("--kept", action="store_true", help="measure nothing; tell what the kept cells give")
    parser.add_argument("--write", type=Path, default=None, help="write the document there, such as docs/refit.md")
    asked = parser.parse_args()
    bench, given = Bench(asked.folder), sources(asked.folder / "texts", asked.sources)
    chosen = {name: entries()[name] for name in asked.settings}
    rows = []
    for seed in asked.seeds:
        for row in grid(bench, given, [asked.samples], [seed], asked.sparsities, chosen, kept_only=asked.kept):
            rows.append(row)
            print(line(row), file=sys.stderr, flush=True)
    halves = {
        source.name: {side: _first_half(task.clusters(task.judged)) for side, task in tasks_of(source).items()}
        for source in given
    }
    dense = {source.name: {side: np.asarray(v) for side, v in bench.dense(source).items()} for source in given}
    document = render(rows, halves, dense, asked.samples)
    if asked.write is not None:
        asked.write.write_text(document, encoding="utf-8")
        RESULTS.write_text(json.dumps({"format": 1, "rows": [_short(row) for row in rows]}) + "\n", encoding="utf-8")
    else:
        print(document)


def _short(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "scores"}


def _first_half(clusters: Any) -> np.ndarray:
    """bool [queries]: every other group of queries with the same answer."""
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    return place % 2 == 0


def render(rows: Sequence[Row], halves: Any, dense: Any, samples: int) -> str:
    """The document."""
    return "\n\n".join([*_introduction(rows, samples), *_given_back(rows, dense), *_choice(rows, halves, dense)]) + "\n"


def _introduction(rows: Sequence[Row], samples: int) -> Iterator[str]:
    yield "## What it gives back"
    yield (
        f"Percent of the dense model's nDCG@10, domain / general; all-MiniLM-L6-v2, all linear weights, texts cut "
        f"after {LONGEST} tokens; {samples} + {samples} calibration triplets, mean over calibration seeds. Queries, "
        "and what answers them, are of topics or classes that calibration never sees. Neither training nor labels of "
        "the evaluation have a part. In brackets: what the refit adds to its mask on the same queries, with the 95 % "
        "interval of a paired bootstrap over them. Made by `benchmarks/refit_quality.py --write`."
    )


def _given_back(rows: Sequence[Row], dense: Any) -> Iterator[str]:
    for sparsity in sorted({row["sparsity"] for row in rows}):
        yield f"### {100 * sparsity:g} % pruned"
        names = list(dict.fromkeys(row["source"] for row in rows))
        lines = []
        for preset in PRESET_ROWS:
            for name in (preset, f"{preset} + refit"):
                cells = [_cell(rows, source, sparsity, name, preset, dense) for source in names]
                if all(cells):
                    seeds = {r["seed"] for r in rows if (r["settings"], r["sparsity"]) == (name, sparsity)}
                    lines.append((f"`{name}`", str(len(seeds)), *cells))
        yield table(("settings", "seeds", *names), lines)


def _cell(rows: Sequence[Row], source: str, sparsity: float, name: str, preset: str, dense: Any) -> str:
    own, plain = (_scores(rows, source, sparsity, one) for one in (name, preset))
    if own is None or plain is None:
        return ""
    parts = []
    for side in SIDES:
        scale = 100 / dense[source][side].mean()
        text = f"{scale * own[side].mean():.1f}"
        if name != preset:
            low, high = paired_bootstrap(own[side] - plain[side])
            gain = scale * (own[side] - plain[side]).mean()
            text += f" ({gain:+.1f} [{scale * low:+.1f}, {scale * high:+.1f}])"
        parts.append(text)
    return " / ".join(parts)


def _scores(rows: Sequence[Row], source: str, sparsity: float, name: str) -> dict[str, np.ndarray] | None:
    """By side, nDCG@10 of every query, the mean over seeds."""
    own = [r for r in rows if (r["source"], r["sparsity"], r["settings"]) == (source, sparsity, name)]
    return {side: np.mean([r["scores"][side] for r in own], axis=0) for side in SIDES} if own else None


def _choice(rows: Sequence[Row], halves: Any, dense: Any) -> Iterator[str]:
    """Ridge and share by the smaller side's mean over sources, on one half of the queries; told on the other."""
    yield "### Ridge and share of the domain"
    yield (
        f"`{CHOSEN_ON}`. For every setting the mean over sources of percent of dense on each half of the queries "
        "(split by groups with one answer): the one with the largest smaller side on the *first* half is chosen, and "
        "reported on the *second*."
    )
    for sparsity in sorted({row["sparsity"] for row in rows}):
        found: dict[str, dict[str, float]] = defaultdict(dict)
        # Of one seed, as the others were measured with the default alone.
        own = [r for r in rows if r["seed"] == rows[0]["seed"]]
        for name in dict.fromkeys(r["settings"] for r in own if r["settings"].startswith(f"{CHOSEN_ON} + refit")):
            for half in ("first", "second"):
                for side in SIDES:
                    values = [_half(own, s, sparsity, name, side, half, halves, dense) for s in dense]
                    if None not in values:
                        found[name][f"{half} {side}"] = float(np.mean([v for v in values if v is not None]))
        whole = {name: values for name, values in found.items() if len(values) == 4}
        if len(whole) < 2:
            continue
        best = max(whole, key=lambda name: min(whole[name][f"first {side}"] for side in SIDES))
        heads = [f"{half} half, {side}" for half in ("first", "second") for side in SIDES]
        lines = [
            (f"**{name}**" if name == best else name, *(f"{v:.1f}" for v in values.values()))
            for name, values in whole.items()
        ]
        yield f"At {100 * sparsity:g} %:"
        yield table(("settings", *heads), lines)


def _half(
    rows: Sequence[Row], source: str, sparsity: float, name: str, side: str, half: str, halves: Any, dense: Any
) -> float | None:
    found = _scores(rows, source, sparsity, name)
    if found is None:
        return None
    chosen = halves[source][side] if half == "first" else ~halves[source][side]
    return 100 * float(found[side][chosen].mean() / dense[source][side][chosen].mean())


if __name__ == "__main__":
    main()
