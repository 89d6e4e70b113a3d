"""The tasks of an experiment one after another, in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from gaprune_viz.calibration.progress import Phases, Progress, relayed
from gaprune_viz.experiments.executors.tasks import Bench, Task, unique

Share = Callable[[Task, Progress], float]


def nothing(task: Task, step: Progress) -> float:
    """How much of a task is known to be done, where what it tells of is some part of it."""
    return 0.0


def done_in_turn(bench: Bench, tasks: Sequence[Task], share: Share = nothing) -> Generator[Progress, None, None]:
    """Do what is not on disk yet, and keep each as soon as it is done.

    Args:
        tasks: each after those that it needs.
        share: of a task, how much is done (0..1), from progress that says of how much it is.

    Yields:
        Progress over all tasks, by their costs; it never goes back.

    Raises:
        GapruneError: what a task raises.
    """
    tasks = unique(tasks)
    job = Phases({task.name: task.cost for task in tasks})
    for task in tasks:
        # What was made for another task may have been all that this one asks for.
        if bench.known(task.argument) is None:
            document = yield from relayed(bench.done(task.argument), _told(job, task, share))
            bench.keep(task.argument, document)
        yield job.at(task.name, task.label, 1.0)


def _told(job: Phases, task: Task, share: Share) -> Callable[[Progress], Progress]:
    far = 0.0

    def told(step: Progress) -> Progress:
        nonlocal far
        known = step.total > 1
        far = max(far, share(task, step)) if known else far
        inner = f", {step.fraction:.0%}" if known else ""
        stage = task.label if step.stage == task.label else f"{task.label}: {step.stage.lower()}{inner}"
        return job.at(task.name, stage, far)

    return told
