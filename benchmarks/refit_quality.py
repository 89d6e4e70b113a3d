"""What a refit gives back, and which ridge and share of the domain: `python benchmarks/refit_quality.py --write FILE`.

Calibrates on each source, prunes, refits, and measures retrieval on that source and on general texts. Queries are split
by topic: ridge, then share, are chosen for each sparsity on the *validation* queries of one calibration seed, and
everything is reported on the *test* queries, over all seeds. Cells are kept in a folder: a run that was stopped goes
on. Every cell prints a line with its seconds and an estimate of the time that is left.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._refit_quality_document import into, render
from benchmarks._robust_cells import LONGEST, Bench, tasks_of
from benchmarks._robust_sources import Source, sources
from benchmarks.robust import line
from gaprune_viz.config import SIDES, RefitSpec, ScoreSpec, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.evaluation.significance import paired_bootstrap
from gaprune_viz.evaluation.splits import split_by_topic
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.cells import rounded

FORMAT = 2
RESULTS = Path("docs/benchmarks/refit_quality.json")
ROWS: dict[str, Settings] = {
    **{name: PRESETS[name].settings for name in ("robust", "balanced", "magnitude")},
    "sparsegpt": Settings(score=ScoreSpec(criterion="sparsegpt")),
}
"""`sparsegpt` moves the weights that stay as it chooses; its refit is over its mask, in place of that."""
CHOSEN_ON = "robust"
RIDGES, SHARES = (0.03, 0.1, 0.3, 1.0, 3.0), (0.25, 0.5, 0.75)
FIRST_SHARE = 0.5
"""Of the domain, where ridges are compared: no side is preferred."""
VALIDATION = 0.5
USUAL_SPEC = RefitSpec(refit=True)
USUAL = f"refit, ridge {USUAL_SPEC.ridge:g}, share {USUAL_SPEC.domain_share:g}"
MASK_ONLY, CHOSEN = "mask only", "refit, chosen"
Percents = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Halves:
    """One side of one source: the dense scores, and which queries are reported on.

    Attributes:
        dense: nDCG@10 of every query.
        test: bool [queries]; the others are for validation, and of other topics.
        clusters: [queries], which have the same answers.
    """

    dense: np.ndarray
    test: np.ndarray
    clusters: np.ndarray

    @classmethod
    def of(cls, task: RetrievalTask, dense: Sequence[float] | np.ndarray) -> Halves:
        reported = set(split_by_topic(task, VALIDATION)[1].queries)
        test = np.array([query in reported for query in task.judged])
        return cls(np.asarray(dense, dtype=np.float64), test, task.clusters(task.judged))

    def percent(self, scores: np.ndarray, test: bool) -> float:
        """Of the dense model's mean, over one half of the queries."""
        chosen = self.test if test else ~self.test
        return 100 * float(scores[chosen].mean() / self.dense[chosen].mean())

    def difference(self, scores: np.ndarray, other: np.ndarray) -> list[float]:
        """Mean, lower and upper end (95 %) of a paired difference on the test half, in percent of dense."""
        scale = 100 / self.dense[self.test].mean()
        found = (scores - other)[self.test]
        low, high = paired_bootstrap(found, clusters=self.clusters[self.test])
        return [scale * float(found.mean()), scale * low, scale * high]


@dataclass
class Measuring:
    """The cells: from disk where they are there.

    Attributes:
        seeds: of the calibration; ridge and share are chosen on the first.
        kept: measure nothing but the dense model.
        planned: how many cells there are at most, for the estimate of time.
    """

    bench: Bench
    sources: Sequence[Source]
    samples: int
    seeds: Sequence[int]
    sparsities: Sequence[float]
    kept: bool = False
    rows: dict[str, Settings] = field(default_factory=lambda: dict(ROWS))
    asked: int = 0
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.halves = {
            source.name: {
                side: Halves.of(task, self.bench.dense(source)[side]) for side, task in tasks_of(source).items()
            }
            for source in self.sources
        }
        tried = len(RIDGES) + len(SHARES) - 1
        reported = 2 * len(self.rows) + (CHOSEN_ON in self.rows)
        places = len(self.sources) * len(self.sparsities)
        self.planned = places * ((CHOSEN_ON in self.rows) * tried + len(self.seeds) * reported)

    def scores(self, source: Source, seed: int, name: str, settings: Settings) -> dict[str, np.ndarray] | None:
        """nDCG@10 of every query by side; None where the cell is not kept and nothing is to be measured."""
        self.asked += 1
        found = self.bench.known(source, self.samples, seed, settings)
        if found is None and not self.kept:
            began = time.monotonic()
            found = self.bench.cell(source, self.samples, seed, settings)
            self.seconds.append(time.monotonic() - began)
            self._tell(source, seed, name, settings, found)
        return None if found is None else {side: np.asarray(found["scores"][side]) for side in SIDES}

    def _tell(self, source: Source, seed: int, name: str, settings: Settings, found: Mapping[str, Any]) -> None:
        halves = self.halves[source.name]
        kept = {s: 100 * float(np.mean(found["scores"][s]) / halves[s].dense.mean()) for s in SIDES}
        about = {"source": source.name, "samples": self.samples, "seed": seed, "settings": name, "kept": kept}
        row = {**found, **about, "sparsity": settings.mask.sparsity}
        left = statistics.median(self.seconds) * max(0, self.planned - self.asked) / 60
        print(
            f"{self.asked:>4} of at most {self.planned}, {left:.0f} min left at most  {line(row)}",
            file=sys.stderr,
            flush=True,
        )


def tried(measuring: Measuring, sparsity: float, specs: Sequence[RefitSpec]) -> Iterator[dict[str, Any]]:
    """Each refit of the preset on which it is chosen: percent of dense by half and side, the mean over sources."""
    base = measuring.rows[CHOSEN_ON].at(sparsity)
    for spec in specs:
        percents: dict[str, dict[str, list[float]]] = {h: {s: [] for s in SIDES} for h in ("validation", "test")}
        for source in measuring.sources:
            name = f"{CHOSEN_ON} + refit, ridge {spec.ridge:g}, share {spec.domain_share:g}"
            found = measuring.scores(source, measuring.seeds[0], name, base.with_(refit=spec))
            if found is None:
                break
            for half, sides in percents.items():
                for side in SIDES:
                    sides[side].append(measuring.halves[source.name][side].percent(found[side], half == "test"))
        else:
            means = {half: {s: float(np.mean(v)) for s, v in sides.items()} for half, sides in percents.items()}
            yield {"ridge": spec.ridge, "share": spec.domain_share, **means}


def smaller(row: Mapping[str, Any]) -> float:
    """What a choice makes as large as it can: the smaller side, on the validation queries."""
    return min(row["validation"][side] for side in SIDES)


def choose(measuring: Measuring, sparsity: float) -> dict[str, Any] | None:
    """The ridge at equal shares, then the share at that ridge; None where nothing is measured."""
    usual = RefitSpec(refit=True, domain_share=FIRST_SHARE)
    found = list(tried(measuring, sparsity, [usual.with_(ridge=ridge) for ridge in RIDGES]))
    if not found:
        return None
    ridge = max(found, key=smaller)["ridge"]
    shares = [share for share in SHARES if share != usual.domain_share]
    found += tried(measuring, sparsity, [usual.with_(ridge=ridge, domain_share=share) for share in shares])
    best = max(found, key=smaller)
    return {"tried": found, "ridge": best["ridge"], "share": best["share"]}


def for_all(choices: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """One ridge and share for all sparsities: the largest mean of what each is chosen by, of those tried at all."""
    by_place: dict[tuple[float, float], list[float]] = {}
    for choice in choices.values():
        for row in choice["tried"]:
            by_place.setdefault((row["ridge"], row["share"]), []).append(smaller(row))
    means = {place: float(np.mean(v)) for place, v in by_place.items() if len(v) == len(choices)}
    if not means:
        return None
    ridge, share = max(means, key=lambda place: means[place])
    return {"ridge": ridge, "share": share}


def reported(measuring: Measuring, sparsity: float, choice: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """What is left on the test queries of each source, the mean over seeds: mask only, refitted, and as chosen."""
    for name, settings in measuring.rows.items():
        refits = {MASK_ONLY: RefitSpec(), USUAL: USUAL_SPEC}
        if choice is not None and name == CHOSEN_ON:
            chosen = refits[USUAL].with_(ridge=choice["ridge"], domain_share=choice["share"])
            if chosen != refits[USUAL]:
                refits[CHOSEN] = chosen
        for source in measuring.sources:
            by_refit = {}
            for what, spec in refits.items():
                at = settings.at(sparsity).with_(refit=spec)
                own = {s: measuring.scores(source, s, f"{name}, {what}", at) for s in measuring.seeds}
                by_refit[what] = {seed: scores for seed, scores in own.items() if scores is not None}
            seeds = [s for s in measuring.seeds if all(s in own for own in by_refit.values())]
            if seeds:
                at_seeds = {what: [own[s] for s in seeds] for what, own in by_refit.items()}
                for what, sides in _sides(measuring.halves[source.name], at_seeds).items():
                    yield {"row": name, "refit": what, "source": source.name, "seeds": seeds, "sides": sides}


def _sides(
    halves: Mapping[str, Halves], scores: Mapping[str, Sequence[Mapping[str, np.ndarray]]]
) -> dict[str, dict[str, Any]]:
    """By refit and side: `of_dense` with its interval, and `gain` on the mask alone, also seed by seed."""
    found: dict[str, dict[str, Any]] = {}
    for what, by_seed in scores.items():
        found[what] = {}
        for side, half in halves.items():
            own, plain = (np.mean([s[side] for s in at], axis=0) for at in (by_seed, scores[MASK_ONLY]))
            lost = half.difference(own, half.dense)
            told: dict[str, Any] = {"of_dense": [100 + value for value in lost]}
            if what != MASK_ONLY:
                pairs = zip(by_seed, scores[MASK_ONLY], strict=True)
                told["gain"] = half.difference(own, plain)
                told["gain_by_seed"] = [half.difference(a[side], b[side])[0] for a, b in pairs]
            found[what][side] = told
    return found


def results(measuring: Measuring) -> dict[str, Any]:
    """What the document is written from; measures what is missing."""
    choices: dict[str, Any] = {}
    if CHOSEN_ON in measuring.rows:
        found = {str(s): choose(measuring, s) for s in measuring.sparsities}
        choices = {s: choice for s, choice in found.items() if choice is not None}
    given_back = {str(s): list(reported(measuring, s, choices.get(str(s)))) for s in measuring.sparsities}
    halves = next(iter(measuring.halves.values()))
    return {
        "format": FORMAT,
        "conditions": {
            "model": measuring.bench.model.label,
            "max_length": LONGEST,
            "samples": measuring.samples,
            "chosen_on": CHOSEN_ON,
            "choosing_seed": measuring.seeds[0],
            "queries": {
                source: {side: [int((~h.test).sum()), int(h.test.sum())] for side, h in sides.items()}
                for source, sides in measuring.halves.items()
            },
        },
        "choices": choices,
        "for_all": for_all(choices) if len(choices) > 1 else None,
        "sides": list(halves),
        "given_back": given_back,
    }


def main() -> None:
    """Measure what is asked for and not yet kept; write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/robust"), help="analyses and cells")
    parser.add_argument("--sources", nargs="*", default=["chebi", "chemistry", "finance"])
    parser.add_argument("--samples", type=int, default=128, help="calibration triplets a side")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2], help="of calibration; the first chooses")
    parser.add_argument("--sparsities", nargs="*", type=float, default=[0.5, 0.7])
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=ROWS, metavar="ROW")
    parser.add_argument("--kept", action="store_true", help="measure nothing; tell what the kept cells give")
    parser.add_argument("--write", type=Path, default=None, help="write the section into this file: docs/refit.md")
    asked = parser.parse_args()
    bench, given = Bench(asked.folder), sources(asked.folder / "texts", asked.sources)
    rows = {name: ROWS[name] for name in asked.rows}
    measuring = Measuring(bench, given, asked.samples, asked.seeds, asked.sparsities, asked.kept, rows)
    found = rounded(results(measuring), 3)
    section = render(found)
    if asked.write is None:
        print(section)
        return
    asked.write.write_text(into(asked.write.read_text(encoding="utf-8"), section), encoding="utf-8")
    RESULTS.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
