"""From a spec to an analysis on disk. The app and the command line both call this, and nothing deeper."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from gaprune_viz.analysis.contents import describe, write, writing_seconds
from gaprune_viz.analysis.samples import ChosenData, choose_data
from gaprune_viz.analysis.sources.calibrating import Passed, mixed, passes_of, texts_of
from gaprune_viz.calibration.collecting import collect
from gaprune_viz.calibration.distributed import workers
from gaprune_viz.calibration.fisher_kinds import Estimate
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.run_plan import grouped
from gaprune_viz.calibration.statistics import FORMAT, SPEC_FILE, Statistics
from gaprune_viz.config import SIDES, SKETCH_CAP, RunSpec
from gaprune_viz.data.sources.naming import places_of
from gaprune_viz.data.triplets import check_source
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.memory import enough_memory, release
from gaprune_viz.models.sources import refuse_changed
from gaprune_viz.models.targets import in_scope, inventory
from gaprune_viz.storage.workspace import alone, clean, whole_folder, workspace

WRITING = "Writing"
DEMO_SKETCH_CAP = 65_536
WAIT_SECONDS = 0.5


def analyze(
    run: RunSpec,
    out: Path | None = None,
    *,
    model: EmbeddingModel | None = None,
    sketch_cap: int = SKETCH_CAP,
) -> Generator[Progress, None, Path]:
    """Run an analysis, batch by batch. Closing the generator stops it and leaves no trace.

    Args:
        run: model and data.
        out: folder of the result; None for the workspace, where the same run is found again by its content.
        model: the model of `run.model`, where it is loaded already.
        sketch_cap: most weights of the sketch.

    Yields:
        Progress; the last stage is "Writing".

    Raises:
        GapruneError: whatever a person can put right.
    """
    began, peers = time.monotonic(), workers()
    for place in places_of(run.calibration):
        check_source(place)
    yield Progress("Loading the model", 0, 1, 0.0)
    model = model or load_model(run.model)
    found = inventory(model)
    targets = in_scope(found, run.calibration.scope, model.label)
    yield Progress("Choosing samples", 0, 1, time.monotonic() - began)
    # One process chooses: the others might round otherwise.
    sides = {side: choose_data(run, side, model, peers) for side in SIDES}
    passes = passes_of(sides)
    key = analysis_key(run, model, sides, passes)
    place = out or workspace() / f"analysis-{key}"
    lock = alone(place) if out is None and peers.is_main else nullcontext(lambda: True)
    with lock as take:
        yield from _waited(take, began)
        if out is None and peers.share(_is_whole(place)):
            place.touch()
            return place
        groups, budget = grouped(run, model, targets, {side: data.samples for side, data in sides.items()})
        texts, file = texts_of(sides, passes)
        with whole_folder(place, marker=SPEC_FILE) if peers.is_main else nullcontext() as folder:
            results, told, far = yield from collect(
                model,
                groups,
                texts,
                folder,
                estimate=Estimate.of(run.calibration),
                token_budget=budget,
                workers=peers,
                file=file,
                afterwards=sum(writing_seconds(targets)),
            )
            if folder is not None:
                yield replace(far, stage=WRITING)
                refuse_changed(model)
                if told:
                    release()
                with enough_memory("while the result was written"):
                    sources = []
                    if passes:
                        results, sources = mixed(folder, targets, passes, results, run.calibration.samples)
                    document = describe(run, model, found, targets, sides, results, key)
                    document |= {"sources": sources} if sources else {}
                    document |= {"processes": peers.count} if peers.count > 1 else {}
                    document["notes"] += told
                    for share in write(folder, document, targets, run.calibration.seed, sketch_cap, began):
                        done = far.done + round(share * (far.total - far.done))
                        yield Progress(WRITING, done, far.total, time.monotonic() - began)
    peers.wait()
    if out is None and peers.is_main:
        clean(place.parent, keep=place)
    return place


def analyze_once(
    place: Path, is_made: Callable[[], bool], run: Callable[[], RunSpec], model: EmbeddingModel
) -> Generator[Progress, None, Path]:
    """The analysis in a folder that several processes want: made where it is not there, by one of them at a time.

    Args:
        is_made: whether it is there.
        run: what it is of, asked for where it is to be made.

    Raises:
        GapruneError: as `analyze`.
    """
    with alone(place) as take:
        yield from _waited(take, time.monotonic(), is_made)
        if not is_made():
            yield from analyze(run(), place, model=model)
    return place


def _waited(
    take: Callable[[], bool], began: float, is_made: Callable[[], bool] = lambda: False
) -> Generator[Progress, None, None]:
    """Wait until this process may make what others want, or one of them has made it."""
    while not is_made() and not take():
        yield Progress("Waiting: another process makes the same analysis", 0, 0, time.monotonic() - began)
        time.sleep(WAIT_SECONDS)


def _is_whole(place: Path) -> bool:
    """Whether a finished analysis is there, as it was written."""
    try:
        Statistics.open(place)
    except GapruneError:
        # Not there; or damaged: it is made again, and replaced.
        return False
    return True


def analysis_key(
    run: RunSpec, model: EmbeddingModel, sides: dict[str, ChosenData], passes: Sequence[Passed] = ()
) -> str:
    """A hash of all that determines the numbers: weights, texts, settings, the version of the format."""
    content = {
        "format": FORMAT,
        "weights": model.weight_hash,
        "pooling": str(model.pooling),
        "prompts": [model.query_prompt, model.passage_prompt],
        "max_length": model.max_length,
        "dtype": run.model.dtype.value,
        "calibration": run.calibration.determining(),
        "data": {side: data.source.content_hash for side, data in sides.items()},
        **model.determining(),
    }
    if passes:
        content["sources"] = [[p.share.side, p.name, p.share.weight, p.data.source.content_hash] for p in passes]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
