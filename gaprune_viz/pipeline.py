"""From specs to results: analyse, prune, compare. The app and the command line both call this, and nothing deeper."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gaprune_viz import __version__
from gaprune_viz.config import SKETCH_CAP, RunSpec, column_mapping
from gaprune_viz.core.batching import Step, plan_steps
from gaprune_viz.core.calibration import DomainStatistics, Progress, calibrate
from gaprune_viz.core.encoder import EmbeddingModel
from gaprune_viz.core.exact import ExactScope
from gaprune_viz.core.live import LiveScope
from gaprune_viz.core.loading import load_model
from gaprune_viz.core.sketch import Sketch, SketchBuilder
from gaprune_viz.core.statistics import (
    DAMAGED,
    FORMAT,
    HISTOGRAM_FILE,
    SKETCH_FILE,
    SPEC_FILE,
    SUMMARY_FILE,
    MatrixInfo,
    Statistics,
    histogram_rows,
    join,
    save_histograms,
    save_tensors,
    scope_medians,
    summary_row,
)
from gaprune_viz.core.targets import Inventory, Target, in_scope, inventory
from gaprune_viz.data.sampling import choose
from gaprune_viz.data.triplets import Triplet, TripletSet, load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.cached import EmbeddingCache
from gaprune_viz.workspace import clean, whole_folder, workspace

if TYPE_CHECKING:
    import pandas as pd

DEMO_SKETCH_CAP = 65_536
VERSIONED = ("torch", "transformers", "sentence-transformers", "numpy", "scikit-learn")


@dataclass(frozen=True)
class ChosenData:
    """The samples of one side of a run."""

    source: TripletSet
    chosen: tuple[int, ...]

    @property
    def triplets(self) -> tuple[Triplet, ...]:
        return tuple(self.source.triplets[i] for i in self.chosen)

    def describe(self, asked: int) -> tuple[dict[str, Any], list[str]]:
        """What goes into `spec.json`, and what a person should be told."""
        notes = list(self.source.report.dropped)
        if len(self.chosen) < asked:
            notes.append(
                f"{self.source.name}: {asked} samples were asked for and {len(self.chosen)} are there; all are used."
            )
        document = {
            "name": self.source.name,
            "content_hash": self.source.content_hash,
            "available": len(self.source.triplets),
            "samples": len(self.chosen),
            "duplicates": self.source.report.duplicates,
            "dropped": len(self.source.report.dropped),
        }
        return document, notes


@dataclass(frozen=True)
class Analysis:
    """A finished run, opened: everything but the model and the large tensors is in memory."""

    folder: Path
    statistics: Statistics
    summary: pd.DataFrame
    histograms: dict[str, np.ndarray]
    live: LiveScope

    @property
    def run(self) -> RunSpec:
        return self.statistics.run

    @property
    def key(self) -> str:
        return str(self.statistics.document["key"])


def analyze(
    run: RunSpec,
    out: Path | None = None,
    *,
    model: EmbeddingModel | None = None,
    sketch_cap: int = SKETCH_CAP,
    keep_tensors: bool = True,
) -> Generator[Progress, None, Path]:
    """Run an analysis, batch by batch. Closing the generator stops it and leaves no trace.

    Args:
        run: model and data.
        out: folder of the result; None for the workspace, where the same run is found again by its content.
        model: the model of `run.model`, where it is loaded already.
        sketch_cap: most weights of the sketch.
        keep_tensors: False keeps the sketch only, as the bundled demo does.

    Yields:
        Progress; the last stage is "Writing".

    Raises:
        GapruneError: whatever a person can put right.
    """
    began = time.monotonic()
    yield Progress("Loading the model", 0, 1, 0.0)
    model = model or load_model(run.model)
    found = inventory(model)
    targets = in_scope(found, run.calibration.scope, model.label)
    yield Progress("Choosing samples", 0, 1, time.monotonic() - began)
    sides = {side: choose_data(run, side, model) for side in ("domain", "general")}
    key = analysis_key(run, model, sides)
    place = out or workspace() / f"analysis-{key}"
    if out is None and (place / SPEC_FILE).is_file():
        place.touch()
        return place
    results = yield from _calibrate_sides(run, model, targets, sides)
    yield Progress("Writing", 0, 1, 0.0)
    document = _document(run, model, found, targets, sides, results, key, time.monotonic() - began)
    with whole_folder(place, marker=SPEC_FILE) as folder:
        _write(folder, document, targets, results, run.calibration.seed, sketch_cap, keep_tensors)
    if out is None:
        clean(place.parent, keep=place)
    return place


def choose_data(run: RunSpec, side: str, model: EmbeddingModel) -> ChosenData:
    """Read one side's triplets and choose the samples."""
    spec = run.calibration
    source = load_triplets(
        getattr(spec, side),
        columns=column_mapping(getattr(spec, f"{side}_columns")),
        embed=model.encode,
        seed=spec.seed,
    )
    return ChosenData(source, tuple(choose(source.triplets, spec.samples, spec.sampling, spec.seed, model.encode)))


def analysis_key(run: RunSpec, model: EmbeddingModel, sides: dict[str, ChosenData]) -> str:
    """A hash of all that determines the numbers: weights, texts, settings, the version of the format."""
    # The batch budget and the device change the time, not the numbers; names are replaced by what they stand for.
    calibration = run.calibration.model_dump(mode="json", exclude={"token_budget", "domain", "general"})
    content = {
        "format": FORMAT,
        "weights": model.weight_hash,
        "pooling": str(model.pooling),
        "prompts": [model.query_prompt, model.passage_prompt],
        "max_length": model.max_length,
        "dtype": run.model.dtype.value,
        "calibration": calibration,
        "data": {side: data.source.content_hash for side, data in sides.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _calibrate_sides(
    run: RunSpec, model: EmbeddingModel, targets: Sequence[Target], sides: dict[str, ChosenData]
) -> Generator[Progress, None, dict[str, DomainStatistics]]:
    """Calibrate both sides, with one progress over both."""
    spec = run.calibration
    plans: dict[str, list[Step]] = {
        side: plan_steps(model, data.triplets, spec.token_budget) for side, data in sides.items()
    }
    tokens = {side: sum(step.tokens for step in steps) for side, steps in plans.items()}
    total, before, began = sum(tokens.values()), 0, time.monotonic()
    results: dict[str, DomainStatistics] = {}
    for side, data in sides.items():
        work = calibrate(
            model,
            targets,
            data.triplets,
            temperature=spec.temperature,
            token_budget=spec.token_budget,
            stage=f"Calibrating: {data.source.name}",
            steps=plans[side],
        )
        try:
            while True:
                step = next(work)
                yield Progress(step.stage, before + step.done, total, time.monotonic() - began)
        except StopIteration as stop:
            results[side] = stop.value
        finally:
            work.close()
        before += tokens[side]
    return results


def _document(
    run: RunSpec,
    model: EmbeddingModel,
    found: Inventory,
    targets: Sequence[Target],
    sides: dict[str, ChosenData],
    results: dict[str, DomainStatistics],
    key: str,
    seconds: float,
) -> dict[str, Any]:
    data, notes = {}, list(found.notes)
    for side, chosen in sides.items():
        data[side], told = chosen.describe(run.calibration.samples)
        notes += told
        losses = results[side].losses
        data[side] |= {"mean_loss": float(losses.mean()), "tokens": results[side].tokens}
    infos = [MatrixInfo(t.name, t.layer, t.role, t.scope, *t.shape) for t in targets]
    medians = scope_medians(
        {t.name: t.weight.float().cpu() for t in targets}, {t.name: results["domain"].fisher[t.name] for t in targets}
    )
    return {
        "format": FORMAT,
        "key": key,
        "run": run.model_dump(mode="json"),
        "model": {
            "label": model.label,
            "weight_hash": model.weight_hash,
            "pooling": model.pooling.value,
            "query_prompt": model.query_prompt,
            "passage_prompt": model.passage_prompt,
            "max_length": model.max_length,
            "parameters": sum(p.numel() for p in model.backbone.parameters()),
        },
        "data": data,
        "matrices": [asdict(info) for info in infos],
        "medians": medians,
        "refused": found.refused,
        "notes": notes,
        "seconds": round(seconds, 2),
        "versions": versions(),
    }


def _write(
    folder: Path,
    document: dict[str, Any],
    targets: Sequence[Target],
    results: dict[str, DomainStatistics],
    seed: int,
    sketch_cap: int,
    keep_tensors: bool,
) -> None:
    import pandas as pd

    infos = [MatrixInfo(**row) for row in document["matrices"]]
    builder, rows, histograms = SketchBuilder(infos, seed, sketch_cap), [], []
    for target, info in zip(targets, infos, strict=True):
        stats = join(target.weight.float().cpu().contiguous(), target.name, results["domain"], results["general"])
        rows.append(summary_row(info, stats))
        histograms.append(histogram_rows(stats))
        builder.add(stats)
    if keep_tensors:
        save_tensors(folder, results["domain"], results["general"])
    builder.build().save(folder / SKETCH_FILE)
    save_histograms(folder, histograms)
    pd.DataFrame(rows).to_parquet(folder / SUMMARY_FILE, index=False)
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (folder / SPEC_FILE).write_text(text + "\n", encoding="utf-8")


def open_analysis(folder: Path) -> Analysis:
    """Open a finished analysis.

    Raises:
        GapruneError: it is not there, or a part of it is damaged.
    """
    import pandas as pd

    statistics = Statistics.open(folder)
    try:
        summary = pd.read_parquet(folder / SUMMARY_FILE)
        # Opened here, because numpy leaves a damaged file open.
        with (folder / HISTOGRAM_FILE).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            histograms = {name: file[name] for name in file.files}
    except DAMAGED as error:
        raise GapruneError(f"The analysis in {folder.name} is damaged: {error}.", "Run it again.") from error
    live = LiveScope(Sketch.load(folder / SKETCH_FILE), statistics.matrices, statistics.medians)
    return Analysis(folder, statistics, summary, histograms, live)


def load_dense(statistics: Statistics) -> EmbeddingModel:
    """The dense model of an analysis.

    Raises:
        GapruneError: it is gone, or its weights are no longer those that were analysed.
    """
    model = load_model(statistics.run.model)
    expected = statistics.document["model"]["weight_hash"]
    if model.weight_hash != expected:
        raise GapruneError(
            f"The weights of {model.label} have changed since the analysis was made.", "Run the analysis again."
        )
    return model


def exact_scope(statistics: Statistics, model: EmbeddingModel) -> tuple[ExactScope, tuple[Target, ...]]:
    """Scores over all weights of an analysis, and the targets in the model that its masks go on."""
    wanted = {m.name for m in statistics.matrices}
    targets = tuple(t for t in inventory(model).targets if t.name in wanted)
    if len(targets) != len(wanted):
        raise GapruneError("The model does not have the weights that were analysed.", "Run the analysis again.")
    if not statistics.has_tensors:
        raise GapruneError("This analysis holds a sketch only.", "Run it to get the exact mask.")
    by_name = {t.name: t for t in targets}

    def theta_of(name: str) -> Any:
        return by_name[name].weight.float().cpu().contiguous()

    return ExactScope(statistics, theta_of), targets


def embedding_cache() -> EmbeddingCache:
    """Embeddings of evaluations, kept in the workspace; without one, nothing is kept."""
    try:
        return EmbeddingCache(workspace() / "embeddings")
    except GapruneError:
        return EmbeddingCache(None)


def drain(work: Generator[Progress, None, Any]) -> Any:
    """Run a generator to its end and give what it returns."""
    for _ in iterate(work, box := []):
        pass
    return box[0]


def iterate(work: Generator[Progress, None, Any], box: list[Any]) -> Iterator[Progress]:
    """Pass on a generator's progress; its return value is put into `box`."""
    box.append((yield from work))


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"gaprune-viz": __version__}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
