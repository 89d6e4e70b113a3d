"""Calibrate both sides of a run and write the statistics as they come, a group of targets at a time.

All targets are one group where memory allows. Otherwise the groups are calibrated in turn: the same texts go through
the model once for each, and no more than one group's sums of one side are ever held. Where memory runs out all the
same, smaller batches are tried.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gaprune_viz.calibration.batching import Given, Step, steps_of, tokens_of
from gaprune_viz.calibration.distributed import Workers
from gaprune_viz.calibration.domain_pass import DomainStatistics, calibrate
from gaprune_viz.calibration.fisher_kinds import Estimate
from gaprune_viz.calibration.neuron_activity import gates_of
from gaprune_viz.calibration.progress import Progress, relayed
from gaprune_viz.calibration.statistics import METADATA, TENSOR_FILE, tensor_shapes
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.memory import less, plain_kernels, recover
from gaprune_viz.models.targets import Target
from gaprune_viz.storage.tensor_file import TensorFile


@dataclass(frozen=True)
class Side:
    """The samples of one side (`domain` or `general`), and what to call them."""

    label: str
    samples: Sequence[Given]


@dataclass(frozen=True)
class SideResult:
    """What one side leaves beside its tensors.

    Attributes:
        losses: float64 [samples]; NaN for plain texts.
        effective: how many samples the Fisher information rests on.
        tokens: real tokens of one pass.
        weights: float64 [samples], of a side that is a mixture of sources; None where all samples count alike.
    """

    losses: np.ndarray
    effective: float
    tokens: int
    weights: np.ndarray | None = None

    @property
    def loss(self) -> float:
        """The mean loss; NaN for plain texts."""
        return float(np.average(self.losses, weights=self.weights))


def collect(
    model: EmbeddingModel,
    groups: Sequence[Sequence[Target]],
    sides: Mapping[str, Side],
    folder: Path | None,
    *,
    estimate: Estimate,
    token_budget: int,
    workers: Workers,
    file: str = TENSOR_FILE,
    afterwards: float = 0.0,
) -> Generator[Progress, None, tuple[dict[str, SideResult], list[str], Progress]]:
    """Calibrate both sides and write `statistics.safetensors`; with half the token budget where memory runs out.

    Args:
        groups: the targets, in groups that are calibrated in turn.
        sides: the samples of each side; or of each source, by its number.
        folder: where the file goes; None in processes that do not write.
        file: its name.
        estimate: as `calibrate`.
        token_budget: most tokens of a batch.
        afterwards: seconds of what the caller does with the result, as part of the same job.

    Yields:
        Progress over both sides and all groups, in tokens, and the tokens that would take as long as what comes
        afterwards, at the pace up to then.

    Returns:
        what each side leaves; for each time that memory ran out a sentence that says so; and how far the job is.

    Raises:
        GapruneError: as `calibrate`; or memory is too short for the smallest batch.
    """
    # Once: a tokenizer that gets no memory ends the process, or waits for ever.
    tokens = {side: tokens_of(model, data.samples) for side, data in sides.items()}
    told: list[str] = []
    share, padded = (workers.rank, workers.count), not model.padding_dependent
    while True:
        plans = {side: steps_of(tokens[side], token_budget, share, padded=padded) for side in sides}
        try:
            with plain_kernels() if told else nullcontext():
                place = None if folder is None else folder / file
                work = _Work(sum(s.tokens for steps in plans.values() for s in steps) * len(groups), afterwards)
                results = yield from _collect(model, groups, sides, plans, place, estimate, workers, work)
            return results, told, work.progress(Progress("", 0, 0, 0.0))
        except (MemoryError, RuntimeError) as error:
            # A batch may have been taken in by half, so all begins anew; the longest samples come first.
            full, token_budget = token_budget, less(error, token_budget, alone=workers.count == 1)
        recover()
        told.append(f"Memory ran out with batches of {full} tokens; {token_budget} were used.")
        yield Progress(told[-1], 0, 0, 0.0)


def _collect(
    model: EmbeddingModel,
    groups: Sequence[Sequence[Target]],
    sides: Mapping[str, Side],
    plans: Mapping[str, Sequence[Step]],
    place: Path | None,
    estimate: Estimate,
    workers: Workers,
    work: _Work,
) -> Generator[Progress, None, dict[str, SideResult]]:
    results: dict[str, SideResult] = {}
    targets = [target for group in groups for target in group]
    # A gate may be in another group than its `down`.
    gates = gates_of(targets)
    downs = {t.name for t in targets if t.role == "down"}
    shapes = tensor_shapes({t.name: t.shape for t in targets}, downs, tuple(sides))
    writing = nullcontext() if place is None else TensorFile(place, shapes, METADATA)
    with writing as file:
        for group in groups:
            yield from _group(model, group, gates, sides, plans, results, file, work, estimate, workers)
    return results


class _Work:
    """Tokens done in all passes, and since when."""

    def __init__(self, tokens: int, afterwards: float) -> None:
        self.tokens, self.afterwards = tokens, afterwards
        self.before, self.began = 0, time.monotonic()

    def progress(self, step: Progress) -> Progress:
        done, seconds = self.before + step.done, time.monotonic() - self.began
        # Two threads, or an accelerator, quicken the passes and not what comes after them.
        rest = round(self.afterwards * done / max(seconds, 1e-3))
        return Progress(step.stage, done, self.tokens + rest, seconds)


def _group(
    model: EmbeddingModel,
    group: Sequence[Target],
    gates: Mapping[str, Target],
    sides: Mapping[str, Side],
    plans: Mapping[str, Sequence[Step]],
    results: dict[str, SideResult],
    file: TensorFile | None,
    work: _Work,
    estimate: Estimate,
    workers: Workers,
) -> Generator[Progress, None, None]:
    for side, data in sides.items():
        passing = calibrate(
            model,
            group,
            data.samples,
            estimate=estimate,
            stage=f"Calibrating: {data.label}",
            steps=plans[side],
            workers=workers,
            gates=gates,
        )
        found: DomainStatistics = yield from relayed(passing, work.progress)
        work.before += sum(step.tokens for step in plans[side])
        results[side] = SideResult(found.losses, found.effective, found.tokens)
        if file is not None:
            _write(file, side, found)
        # Let go of before the next pass makes its own.
        del found


def _write(file: TensorFile, side: str, found: DomainStatistics) -> None:
    for name in found.fisher:
        file.write(f"{name}:fisher_{side}", found.fisher[name])
        file.write(f"{name}:grad_{side}", found.grad[name])
        file.write(f"{name}:act_{side}", found.act[name])
    for name in found.mean:
        file.write(f"{name}:mean_{side}", found.mean[name])
        file.write(f"{name}:on_{side}", found.on[name])
        file.write(f"{name}:cut_{side}", found.cut[name])
