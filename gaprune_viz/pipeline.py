"""From specs to results: analyse, prune, compare. The app and the command line both call this, and nothing deeper."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gaprune_viz import __version__
from gaprune_viz.chosen import ChosenData, choose_data
from gaprune_viz.config import SIDES, SKETCH_CAP, RunSpec, Sampling
from gaprune_viz.core.arrays import DAMAGED
from gaprune_viz.core.calibration import Progress
from gaprune_viz.core.checksums import check, seal, tensor_digest
from gaprune_viz.core.collecting import Side, SideResult, collect
from gaprune_viz.core.encoder import EmbeddingModel
from gaprune_viz.core.exact import ExactScope
from gaprune_viz.core.live import LiveScope
from gaprune_viz.core.loading import load_model, refuse_changed
from gaprune_viz.core.memory import enough_memory, release
from gaprune_viz.core.plan import Plan
from gaprune_viz.core.planning import grouped, plan_of
from gaprune_viz.core.sketch import Sketch, SketchBuilder
from gaprune_viz.core.statistics import (
    FIELDS,
    FORMAT,
    HISTOGRAM_FILE,
    SKETCH_FILE,
    SPEC_FILE,
    SUMMARY_FILE,
    TENSOR_FILE,
    MatrixInfo,
    Statistics,
    histogram_rows,
    read_matrix,
    read_tensor,
    save_histograms,
    scope_medians,
    summary_row,
)
from gaprune_viz.core.targets import Inventory, Target, in_scope, inventory
from gaprune_viz.core.workers import workers
from gaprune_viz.data.sampling import choose
from gaprune_viz.data.triplets import calibration_triplets, check_source
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.cached import EmbeddingCache
from gaprune_viz.parts import read_histograms, read_summary
from gaprune_viz.workspace import alone, clean, whole_folder, workspace

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

DEMO_SKETCH_CAP = 65_536
WAIT_SECONDS = 0.5
VERSIONED = ("torch", "transformers", "sentence-transformers", "numpy", "scikit-learn")


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
    began, peers = time.monotonic(), workers()
    for side in SIDES:
        check_source(getattr(run.calibration, side))
    yield Progress("Loading the model", 0, 1, 0.0)
    model = model or load_model(run.model)
    found = inventory(model)
    targets = in_scope(found, run.calibration.scope, model.label)
    yield Progress("Choosing samples", 0, 1, time.monotonic() - began)
    # One process chooses: the others might round otherwise.
    sides = {side: choose_data(run, side, model, peers) for side in SIDES}
    key = analysis_key(run, model, sides)
    place = out or workspace() / f"analysis-{key}"
    lock = alone(place) if out is None and peers.is_main else nullcontext(lambda: True)
    with lock as take:
        while not take():
            yield Progress("Waiting: another process makes the same analysis", 0, 0, time.monotonic() - began)
            time.sleep(WAIT_SECONDS)
        if out is None and peers.share(_is_whole(place)):
            place.touch()
            return place
        groups, budget = grouped(run, model, targets, {side: data.triplets for side, data in sides.items()})
        texts = {side: Side(data.source.name, data.triplets) for side, data in sides.items()}
        with whole_folder(place, marker=SPEC_FILE) if peers.is_main else nullcontext() as folder:
            results, told = yield from collect(
                model,
                groups,
                texts,
                folder,
                temperature=run.calibration.temperature,
                token_budget=budget,
                workers=peers,
            )
            if folder is not None:
                yield Progress("Writing", 0, 1, 0.0)
                refuse_changed(model)
                if told:
                    release()
                with enough_memory("while the result was written"):
                    document = _document(run, model, found, targets, sides, results, key)
                    document["notes"] += told
                    _write(folder, document, targets, run.calibration.seed, sketch_cap, keep_tensors, began)
    peers.wait()
    if out is None and peers.is_main:
        clean(place.parent, keep=place)
    return place


def _is_whole(place: Path) -> bool:
    """Whether a finished analysis is there, as it was written."""
    try:
        Statistics.open(place)
    except GapruneError:
        # Not there; or damaged: it is made again, and replaced.
        return False
    return True


def predict(run: RunSpec, *, timed: bool = False) -> Plan:
    """What an analysis will take, from the texts and the shapes alone: no weight is read.

    The samples are drawn at random where the run would take them by k-means, which needs the model.

    Args:
        timed: whether to measure this machine for half a second, for a prediction of seconds.

    Raises:
        GapruneError: whatever a person can put right; also, the run's memory is too little.
    """
    model = load_model(run.model, weights=False)
    spec = run.calibration
    sides = {}
    for side in SIDES:
        source = calibration_triplets(spec, side, _arbitrary)
        sampling = Sampling.RANDOM if spec.sampling is Sampling.KMEANS else spec.sampling
        chosen = choose(source.triplets, spec.samples, sampling, spec.seed, _arbitrary)
        sides[side] = [source.triplets[i] for i in chosen]
    return plan_of(run, model, None, sides, timed=timed)


def _arbitrary(texts: Sequence[str], kind: str) -> np.ndarray:
    """Directions without meaning: to mine some negative for each query, whose length is all that a plan asks for."""
    return np.random.default_rng(0).standard_normal((len(texts), 8)).astype(np.float32)


def analysis_key(run: RunSpec, model: EmbeddingModel, sides: dict[str, ChosenData]) -> str:
    """A hash of all that determines the numbers: weights, texts, settings, the version of the format."""
    # The batch budget, the memory and the device change the time, not the numbers; names are replaced by what they
    # stand for.
    calibration = run.calibration.model_dump(mode="json", exclude={"token_budget", "memory", "domain", "general"})
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


def _document(
    run: RunSpec,
    model: EmbeddingModel,
    found: Inventory,
    targets: Sequence[Target],
    sides: dict[str, ChosenData],
    results: Mapping[str, SideResult],
    key: str,
) -> dict[str, Any]:
    data, notes = {}, list(found.notes)
    for side, chosen in sides.items():
        data[side], told = chosen.describe(run.calibration.samples)
        notes += told
        losses = results[side].losses
        data[side] |= {"mean_loss": float(losses.mean()), "tokens": results[side].tokens}
    infos = [MatrixInfo(t.name, t.layer, t.role, t.scope, *t.shape) for t in targets]
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
        "refused": found.refused,
        "notes": notes,
        "versions": versions(),
    }


def _write(
    folder: Path,
    document: dict[str, Any],
    targets: Sequence[Target],
    seed: int,
    sketch_cap: int,
    keep_tensors: bool,
    began: float,
) -> None:
    import pandas as pd

    infos = [MatrixInfo(**row) for row in document["matrices"]]

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for target in targets:
            yield target.weight.float().cpu().contiguous(), read_tensor(folder, target.name, "fisher_domain")

    medians = scope_medians(pairs, sum(info.size for info in infos))
    builder, rows, histograms = SketchBuilder(infos, seed, sketch_cap, medians), [], []
    for target, info in zip(targets, infos, strict=True):
        stats = read_matrix(folder, target.name, target.weight.float().cpu().contiguous())
        rows.append(summary_row(info, stats))
        histograms.append(histogram_rows(stats))
        builder.add(stats)
    digests = {}
    if keep_tensors:
        names = ((info.name, field) for info in infos for field in FIELDS)
        digests = {f"{name}:{field}": tensor_digest(read_tensor(folder, name, field)) for name, field in names}
    else:
        (folder / TENSOR_FILE).unlink()
    builder.build().save(folder / SKETCH_FILE)
    save_histograms(folder, histograms)
    pd.DataFrame(rows).to_parquet(folder / SUMMARY_FILE, index=False)
    document |= {"medians": medians, "seconds": round(time.monotonic() - began, 2)}
    parts = (TENSOR_FILE, SKETCH_FILE, HISTOGRAM_FILE, SUMMARY_FILE)
    text = json.dumps(seal(document, folder, parts, digests), indent=2, ensure_ascii=False)
    (folder / SPEC_FILE).write_text(text + "\n", encoding="utf-8")


def open_analysis(folder: Path) -> Analysis:
    """Open a finished analysis.

    Raises:
        GapruneError: it is not there, or a part of it is damaged.
    """
    statistics = Statistics.open(folder)
    try:
        summary = read_summary(folder / SUMMARY_FILE, statistics.matrices)
        histograms = read_histograms(folder / HISTOGRAM_FILE, statistics.matrices)
    except DAMAGED as error:
        raise GapruneError(f"The analysis in {folder.name} is damaged: {error}.", "Run it again.") from error
    live = LiveScope(Sketch.load(folder / SKETCH_FILE, statistics.matrices), statistics.matrices, statistics.medians)
    return Analysis(folder, statistics, summary, histograms, live)


def verify_analysis(folder: Path) -> dict[str, int]:
    """Compare every byte of an analysis with its checksums, and open it.

    Returns:
        `files`, `tensors` and `bytes` that were compared.

    Raises:
        GapruneError: a part is missing, damaged or altered; or there are no checksums.
    """
    statistics = open_analysis(folder).statistics
    sums = statistics.document.get("checksums")
    if sums is None:
        raise GapruneError(f"The analysis in {folder.name} is from a version without checksums.", "Run it again.")
    check(statistics.document, folder, whole=True)
    size = sum(record["bytes"] for record in sums["files"].values())
    return {"files": len(sums["files"]), "tensors": len(sums["tensors"]), "bytes": size}


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


def iterate(work: Generator[Progress, None, Any], box: list[Any]) -> Generator[Progress, None, None]:
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
