"""Plans of actual runs: of a loaded model before it is calibrated, and of a model whose weights are not even read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gaprune_viz.calibration.batching import Given, steps_of, tokens_of
from gaprune_viz.calibration.fisher_kinds import Estimate
from gaprune_viz.calibration.memory_plan import Passes, Plan, measure_speed, passes_of, plan
from gaprune_viz.calibration.sources.source_statistics import sources_bytes
from gaprune_viz.config import SIDES, SKETCH_CAP, RunSpec
from gaprune_viz.errors import readable
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.roles import role_by_name
from gaprune_viz.models.skeleton import Shape, Skeleton
from gaprune_viz.models.targets import Target

GIB = 2**30
# Bytes on disk, for each sketched weight, of what the sources say together.
OVER_SOURCES_DISK = 20


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
    sources: int = len(SIDES),
) -> Plan:
    """What a run will take.

    Args:
        model: loaded, or an outline without weights.
        targets: [out, in] of each, by name; None for those that the usual names tell.
        triplets: the samples of each side.
        timed: whether to measure this machine for a prediction of seconds.
        sources: how many both sides have.

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

    shapes = targets or skeleton.targets(spec.scope.value)
    found = plan(
        skeleton,
        shapes,
        passes_at,
        spec.token_budget,
        None if spec.memory is None else int(spec.memory * GIB),
        measure_speed() if timed else None,
    )
    return found if sources == len(SIDES) else _with_sources(found, shapes, sources)


def _with_sources(found: Plan, shapes: Mapping[str, Shape], sources: int) -> Plan:
    """The plan of a run of several sources, whose own statistics are kept beside those of the sides."""
    downs = {name for name in shapes if role_by_name(name) == "down"}
    own = sources_bytes(shapes, downs, sources) + OVER_SOURCES_DISK * min(found.weights, SKETCH_CAP)
    said = (
        f"{sources} sources, each gone through once: their own statistics take {readable(own)} of the disk, and no "
        "more memory, for they are written and read one matrix at a time."
    )
    return replace(found, disk_bytes=found.disk_bytes + own, notes=(*found.notes, said))
