"""How far long work is: generators that yield it, and what is done with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

News = TypeVar("News")
Told = TypeVar("Told")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Progress:
    """How far a long job is.

    Attributes:
        stage: what is being done, for people.
        done, total: of the whole job where that is known, in units of expected cost (tokens for calibration). A total
            of 0 or 1 says that the length of the stage is not known.
        seconds: since the stage began.
    """

    stage: str
    done: int
    total: int
    seconds: float

    @property
    def fraction(self) -> float:
        return self.done / self.total if self.total else 1.0


class Phases:
    """Several pieces of work as one job, whose costs are known beforehand.

    Args:
        costs: the expected cost of each piece by its name, in any one unit, in the order in which they are done.
    """

    def __init__(self, costs: Mapping[str, float]) -> None:
        self.costs = dict(costs)
        self.total = max(2, round(sum(self.costs.values())))
        self.began = time.monotonic()
        ahead, self._before = 0.0, dict[str, float]()
        for name, cost in self.costs.items():
            self._before[name] = ahead
            ahead += cost

    def at(self, name: str, stage: str, fraction: float = 0.0) -> Progress:
        """The job with a piece done in part, and all before it."""
        done = round(self._before[name] + self.costs[name] * min(1.0, fraction))
        return Progress(stage, min(done, self.total), self.total, time.monotonic() - self.began)

    def reporting(self, name: str, report: Callable[..., None]) -> Callable[..., None]:
        """For work that calls `report(stage, done, total)`: the same, told as a piece of the job."""

        def told(stage: str, done: int, total: int, seconds: float | None = None) -> None:
            step = self.at(name, stage, done / total) if total > 1 else Progress(stage, 0, 0, 0.0)
            report(step.stage, step.done, step.total, time.monotonic() - self.began)

        return told

    def of(self, name: str, work: Generator[Progress, None, Result]) -> Generator[Progress, None, Result]:
        """A piece of work, whose progress is told as that of the job; what it returns is returned."""
        far = 0.0

        def told(step: Progress) -> Progress:
            nonlocal far
            far = max(far, step.fraction) if step.total > 1 else far
            return self.at(name, step.stage, far)

        return (yield from relayed(work, told))


def relayed(work: Generator[News, None, Result], change: Callable[[News], Told]) -> Generator[Told, None, Result]:
    """Pass on what a generator yields in another form; what it returns is returned, and closing this closes it."""
    try:
        while True:
            yield change(next(work))
    except StopIteration as end:
        return end.value
    finally:
        work.close()


def drain(work: Generator[Progress, None, Any]) -> Any:
    """Run a generator to its end and give what it returns."""
    for _ in iterate(work, box := []):
        pass
    return box[0]


def iterate(work: Generator[Progress, None, Any], box: list[Any]) -> Generator[Progress, None, None]:
    """Pass on a generator's progress; its return value is put into `box`."""
    box.append((yield from work))
