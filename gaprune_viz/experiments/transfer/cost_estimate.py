"""What a transfer map will take: its cells counted, its texts weighed, and this machine timed for a moment."""

from __future__ import annotations

from collections.abc import Sequence

from gaprune_viz.analysis.cost_estimate import Outline, StandIn, predict
from gaprune_viz.calibration.memory_plan import Plan
from gaprune_viz.config import RunSpec, TransferSpec
from gaprune_viz.evaluation.mteb.estimate import Speed, measure_speed
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.cost_estimate import CELL_BYTES, QUERY_BYTES, Foreseen, seconds_a_mask, seconds_a_text
from gaprune_viz.experiments.tracked_retraining import texts_of
from gaprune_viz.experiments.transfer.by_workers import OVERLAP_COST
from gaprune_viz.experiments.transfer.plan import Cell, cells, reads_texts, seeds_of, settings_of
from gaprune_viz.experiments.transfer.sources import Drawn, drawn, names_of, open_sources, open_tasks
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import in_scope, inventory
from gaprune_viz.pruning.refit.cost_estimate import foresee


def foresee_transfer(spec: TransferSpec) -> Foreseen:
    """Count, weigh and time. It loads the model, and measures it on some texts of the starter collection.

    Masks and refits are those of one process, which makes each once for all tasks.

    Raises:
        GapruneError: whatever a person can put right.
    """
    planned, opened = distinct(spec), open_tasks(spec)
    model, tasks = load_model(spec.model), [task for _, task in opened]
    # Negatives are mined and samples chosen with no more than the lengths of texts.
    read = StandIn(model)
    sources, general = open_sources(spec, opened, read)
    mined = read.tokens
    texts = drawn(sources, general, spec, spec.calibration.seed, read)
    speed = measure_speed(model)
    seconds = (mined + (read.tokens - mined) * len(seeds_of(spec))) / speed.tokens_per_second

    weights = sum(target.weight.numel() for target in in_scope(inventory(model), spec.calibration.scope, model.label))
    analyses = {(cell.seed, cell.shuffled, place) for cell in planned for place in cell.calibrated}
    masks, refits = (
        {
            (cell.row, cell.sparsity, cell.seed, cell.shuffled, place)
            for cell in planned
            for place in cell.calibrated
            if cell.refit or not refit
        }
        for refit in (False, True)
    )
    plans, refitting = _by_source(spec, model, texts)
    seconds += _reading(planned, tasks, speed) + seconds_a_mask(weights) * len(masks)
    seconds += sum(refitting[place] for *_, place in refits)
    seconds += sum(plans[place].seconds or 0.0 for *_, place in analyses)
    queries = sum(len(tasks[cell.task].queries) for cell in planned if cell.task is not None)
    return Foreseen(
        cells=len(planned),
        analyses=len(analyses),
        seconds=seconds,
        disk_bytes=sum(plans[place].disk_bytes for *_, place in analyses)
        + len(planned) * CELL_BYTES
        + queries * QUERY_BYTES,
    )


def distinct(spec: TransferSpec) -> list[Cell]:
    """The first of all cells that are one on disk: what the weights alone decide is, whatever it is calibrated on.

    Raises:
        GapruneError: as `cells`.
    """
    found: dict[tuple[object, ...], Cell] = {}
    for cell in cells(spec):
        content: tuple[object, ...] = (cell.kind, cell.task)
        if cell.kind != "dense":
            read = (cell.calibrated, cell.seed, cell.shuffled) if reads_texts(spec, cell) else None
            content += (settings_of(spec, cell.row, cell.sparsity, refit=cell.refit).key(), read)
        found.setdefault(content, cell)
    return list(found.values())


def _reading(planned: Sequence[Cell], tasks: Sequence[RetrievalTask], speed: Speed) -> float:
    """Seconds to encode the tasks of all cells, and to hold masks against each other."""
    whole = [seconds_a_text([task], speed) * texts_of(task) for task in tasks]
    overlap = OVERLAP_COST * seconds_a_text(tasks, speed)
    return sum(overlap if cell.task is None else whole[cell.task] for cell in planned)


def _by_source(spec: TransferSpec, model: EmbeddingModel, texts: Drawn) -> tuple[list[Plan], list[float]]:
    """The plan of each source's analysis, and the seconds of a refit on its texts; those of every arm take the same."""
    calibration = spec.calibration.with_(general=names_of(spec.calibration.general).triplets)
    run, plans, refitting = RunSpec(model=spec.model, calibration=calibration), list[Plan](), list[float]()
    for domain in texts[:-1]:
        # The map has loaded the model and read the data by then.
        outline = Outline(model, {"domain": list(domain), "general": list(texts[-1])}, 0, 0.0)
        plans.append(predict(run, timed=True, outline=outline))
        refitting.append(foresee(run, spec.refit, outline).seconds if spec.refit.refit else 0.0)
    return plans, refitting
