"""What a study will take: its cells counted, its texts weighed, and this machine timed for a moment."""

from __future__ import annotations

from gaprune_viz.analysis.cost_estimate import Outline, outlined, predict
from gaprune_viz.calibration.memory_plan import Plan
from gaprune_viz.config import RunSpec, StudySpec
from gaprune_viz.evaluation.mteb.estimate import measure_speed
from gaprune_viz.evaluation.splits import validation_and_test
from gaprune_viz.experiments.cost_estimate import CELL_BYTES, QUERY_BYTES, Foreseen, seconds_a_mask, seconds_a_text
from gaprune_viz.experiments.study.plan import Cell, calibration_of, cells
from gaprune_viz.experiments.tracked_retraining import texts_of, training_texts
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import in_scope, inventory
from gaprune_viz.pruning.refit.cost_estimate import foresee


def foresee_study(spec: StudySpec) -> Foreseen:
    """Count, weigh and time. It loads the model, and measures it on some texts of the starter collection.

    Raises:
        GapruneError: whatever a person can put right.
    """
    planned = _distinct(spec)
    tasks = [validation_and_test(source)[1] for source in (spec.task, spec.general_task)]
    model = load_model(spec.model)
    speed = measure_speed(model)
    texts = sum(map(texts_of, tasks))
    each = seconds_a_text(tasks, speed)
    weights = sum(target.weight.numel() for target in in_scope(inventory(model), spec.calibration.scope, model.label))
    mask = seconds_a_mask(weights)
    trained = sum(training_texts(cell.retrain, {}) for cell in planned if cell.retrain is not None)
    masks = sum(cell.settings is not None for cell in planned)
    analyses, seconds, disk = _of_samples(spec, planned)
    queries = sum(len(task.queries) for task in tasks)
    return Foreseen(
        cells=len(planned),
        analyses=analyses,
        seconds=seconds + each * (texts * len(planned) + trained) + mask * masks,
        disk_bytes=disk + len(planned) * (CELL_BYTES + QUERY_BYTES * queries),
    )


def _distinct(spec: StudySpec) -> list[Cell]:
    """The cells without those that several rows share, such as the base of an ablation."""

    def content(cell: Cell) -> tuple[str, str, str]:
        settings = "" if cell.settings is None else cell.settings.key()
        retrain = "" if cell.retrain is None else cell.retrain.key()
        return settings, retrain, "" if cell.settings is None else calibration_of(spec, cell).key()

    return list({content(cell): cell for cell in cells(spec)}.values())


def _of_samples(spec: StudySpec, planned: list[Cell]) -> tuple[int, float, int]:
    """What hangs on the samples: how many analyses there are, their seconds with those of all refits, their bytes.

    Those that differ in their seed take the same.
    """
    known: dict[int, tuple[Outline, Plan]] = {}
    refits: dict[tuple[int, str], float] = {}
    analyses: dict[str, int] = {}
    seconds = 0.0
    for cell in planned:
        if cell.settings is None:
            continue
        calibration, refit = calibration_of(spec, cell), cell.settings.refit
        run, samples = RunSpec(model=spec.model, calibration=calibration), calibration.samples
        if samples not in known:
            outline = outlined(run)
            known[samples] = outline, predict(run, timed=True, outline=outline)
        analyses[calibration.key()] = samples
        if refit.refit:
            key = (samples, refit.key())
            if key not in refits:
                refits[key] = foresee(run, refit, known[samples][0]).seconds
            seconds += refits[key]
    plans = [known[samples][1] for samples in analyses.values()]
    seconds += sum(plan.seconds or 0.0 for plan in plans)
    return len(analyses), seconds, sum(plan.disk_bytes for plan in plans)
