"""Hands tasks out, takes answers in, and gives up on what fails again and again; all that is finished is kept."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors import worker
from gaprune_viz.experiments.executors.from_address import Team
from gaprune_viz.experiments.executors.tasks import Answer, Bench, Failure, Source, Task, unique

POLL_SECONDS = 0.5
TRIES = 3
# Before the second try and before the third: a disk that is away for a moment is back by then.
AGAIN_SECONDS = (1.0, 10.0)
# How long a finished cell that cannot be written is held.
KEEP_SECONDS = 120.0


def ran(
    team: Team, source: Source, bench: Bench, tasks: Sequence[Task]
) -> Generator[Progress, None, dict[str, Failure]]:
    """Have some workers do tasks. Closing the generator stops them; what is finished is on disk.

    Args:
        source: how a worker opens the bench.
        bench: the same in this process, which keeps what a worker could not write.
        tasks: in the order in which they are best begun.

    Yields:
        Progress, in the unit of the tasks' costs.

    Returns:
        what was given up, by name; a task that needs it is given up with it.

    Raises:
        GapruneError: what is finished cannot be written.
    """
    return (yield from _Coordinator(team, source, bench, unique(tasks)).run())


class _Coordinator:
    def __init__(self, team: Team, source: Source, bench: Bench, tasks: list[Task]) -> None:
        self.pool, self.sight, self.source, self.bench = team.pool, team.sight, source, bench
        names = {task.name for task in tasks}
        self.ready: deque[Task] = deque()
        # What is not among them is there already.
        self.outstanding = {task.name: needs for task in tasks if (needs := names & set(task.needs))}
        self.blocked: dict[str, list[Task]] = {}
        for task in tasks:
            if task.name not in self.outstanding:
                self.ready.append(task)
            for need in self.outstanding.get(task.name, ()):
                self.blocked.setdefault(need, []).append(task)
        self.flying: dict[Future[Answer], Task] = {}
        # What an executor accuses of ending workers is tried once more with nothing beside it.
        self.accused: deque[Task] = deque()
        self.alone: set[str] = set()
        self.waiting: list[tuple[float, Task]] = []
        self.unkept: list[tuple[float, Task, dict[str, Any]]] = []
        self.tries: dict[str, int] = {}
        self.failed: dict[str, Failure] = {}
        self.total = max(2, round(sum(task.cost for task in tasks)))
        self.count, self.done, self.finished = len(tasks), 0.0, 0
        self.began, self.label, self.together = time.monotonic(), "Starting the workers", ""

    def run(self) -> Generator[Progress, None, dict[str, Failure]]:
        try:
            yield self._progress()
            while self.ready or self.flying or self.waiting or self.unkept or self.accused:
                self._hand_out()
                lost = self._take_in()
                self._keep()
                if lost:
                    self._mend()
                yield self._progress()
            return self.failed
        finally:
            for future in self.flying:
                future.cancel()

    def _progress(self) -> Progress:
        gone = f", {len(self.failed)} failed" if self.failed else ""
        stage = f"{self.label} ({self.finished} of {self.count}{gone}; {self.pool.label})"
        return Progress(stage, min(round(self.done), self.total), self.total, time.monotonic() - self.began)

    def _hand_out(self) -> None:
        now = time.monotonic()
        self.ready.extend(task for when, task in self.waiting if when <= now)
        self.waiting = [(when, task) for when, task in self.waiting if when > now]
        if self.accused:
            if not self.flying:
                self._submit(self.accused.popleft())
            return
        if self.alone.isdisjoint(task.name for task in self.flying.values()):
            for _ in range(min(len(self.ready), self.pool.room())):
                self._submit(self._next())

    def _next(self) -> Task:
        """The first one that goes on with what a worker has just made; else the first that shares nothing with what
        others are at, whose workers go on with it themselves; else the first."""
        under_way = {task.together for task in self.flying.values()} - {""}
        free = [task for task in self.ready if task.together not in under_way]
        going_on = (task for task in free if task.together and task.together == self.together)
        task = next(going_on, (free or self.ready)[0])
        self.ready.remove(task)
        return task

    def _submit(self, task: Task) -> None:
        self.flying[self.pool.submit(worker.answer, self.source, self.sight, task)] = task

    def _take_in(self) -> bool:
        """Whether a worker, or the way to it, was lost."""
        if not self.flying:
            time.sleep(POLL_SECONDS if self.waiting or self.unkept else 0)
            return False
        lost = False
        for future in wait(self.flying, POLL_SECONDS, FIRST_COMPLETED).done:
            task = self.flying.pop(future)
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                self._heard(task, future.result())
            else:
                lost = True
                words, accused = self.pool.verdict(error)
                if accused and task.name not in self.alone:
                    self.alone.add(task.name)
                    self.accused.append(task)
                else:
                    self._again(task, words, accused)
        return lost

    def _heard(self, task: Task, answer: Answer) -> None:
        if answer.document is None:
            self._again(task, answer.error, answer.final)
        elif answer.kept and self.bench.known(task.argument) is not None:
            self._end(task)
        else:
            # A shared disk may show it here a while after it was written there.
            self.unkept.append((time.monotonic(), task, answer.document))

    def _again(self, task: Task, error: str, final: bool) -> None:
        self.tries[task.name] = tries = self.tries.get(task.name, 0) + 1
        if final or tries >= TRIES:
            self._give_up(task, error if final else f"{error} (tried {tries} times)")
        else:
            self.waiting.append((time.monotonic() + AGAIN_SECONDS[tries - 1], task))

    def _give_up(self, task: Task, error: str) -> None:
        self.failed[task.name] = Failure(task.label, error)
        self.done += task.cost
        for other in self.blocked.pop(task.name, ()):
            # What needs two tasks may have been given up with the other one.
            if self.outstanding.pop(other.name, None) is not None:
                self._give_up(other, error)

    def _end(self, task: Task) -> None:
        self.together = task.together
        self.label, self.done, self.finished = task.label, self.done + task.cost, self.finished + 1
        for other in self.blocked.pop(task.name, ()):
            needs = self.outstanding.get(other.name, set())
            needs.discard(task.name)
            if not needs and self.outstanding.pop(other.name, None) is not None:
                self.ready.append(other)

    def _keep(self) -> None:
        """Write what a worker could not."""
        unkept, self.unkept = self.unkept, []
        for since, task, document in unkept:
            try:
                self.bench.keep(task.argument, document)
            except GapruneError:
                if time.monotonic() - since > KEEP_SECONDS:
                    raise
                self.unkept.append((since, task, document))
                continue
            self._end(task)

    def _mend(self) -> None:
        try:
            self.pool.mend()
        except GapruneError as error:
            self.ready.extend([*self.flying.values(), *self.accused, *(task for _, task in self.waiting)])
            self.flying.clear()
            self.accused.clear()
            self.waiting.clear()
            # One that has ended makes ready what needs it.
            while self.ready:
                task = self.ready.popleft()
                # A worker may have kept it and found nobody to tell.
                if self.bench.known(task.argument) is not None:
                    self._end(task)
                else:
                    self._give_up(task, str(error))
