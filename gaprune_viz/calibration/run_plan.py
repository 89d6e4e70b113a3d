"""Plans of actual runs: of a loaded model before it is calibrated, and of a model whose weights are not even read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gaprune_viz.calibration.batching import Given, steps_of, tokens_of
from gaprune_viz.calibration.estimates import Estimate
from gaprune_viz.calibration.memory_plan import Passes, Plan, measure_speed, passes_of, plan
from gaprune_viz.config import RunSpec
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.skeleton import Shape, Skeleton
from gaprune_viz.models.targets import Target

GIB = 2**30


def grouped(
    run: RunSpec, model: EmbeddingModel, targets: Sequence[Target], triplets: Mapping[str, Sequence[Given]]
) -> tuple[list[list[Target]], int]:
    """The groups of targets that are calibrated in turn, and the token budget, within the run's memory.

    Raises:
        GapruneError: the memory is too little for any grouping.
    """
    spec = run.calibration
    if spec.memory is None:
        return [list(targets)], spec.token_budget
    found = plan_of(run, model, {t.name: t.shape for t in targets}, triplets)
    by_name = {t.name: t for t in targets}
    return [[by_name[name] for name in group] for group in found.groups], found.token_budget


def plan_of(
    run: RunSpec,
    model: EmbeddingModel,
    targets: Mapping[str, Shape] | None,
    triplets: Mapping[str, Sequence[Given]],
    *,
    timed: bool = False,
) -> Plan:
    """What a run will take.

    Args:
        model: loaded, or an outline without weights.
        targets: [out, in] of each, by name; None for those that the usual names tell.
        triplets: the samples of each side.
        timed: whether to measure this machine for a prediction of seconds.

    Raises:
        GapruneError: the run's memory is too little.
    """
    spec = run.calibration
    backbone = model.backbone
    weight = next(p for p in backbone.parameters() if p.ndim == 2)
    skeleton = Skeleton(backbone.config, weight.dtype, type(backbone))  # type: ignore[arg-type]

    tokens = {side: tokens_of(model, samples) for side, samples in triplets.items()}

    def passes_at(budget: int) -> Passes:
        steps = {
            side: steps_of(samples, budget, padded=not model.padding_dependent) for side, samples in tokens.items()
        }
        return passes_of(steps, Estimate.of(spec))

    return plan(
        skeleton,
        targets or skeleton.targets(spec.scope.value),
        passes_at,
        spec.token_budget,
        None if spec.memory is None else int(spec.memory * GIB),
        measure_speed() if timed else None,
    )
