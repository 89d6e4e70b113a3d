"""How far long work is: generators that yield it, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable, Generator
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
        done, total: in units of work (tokens for calibration).
        seconds: since the stage began.
    """

    stage: str
    done: int
    total: int
    seconds: float

    @property
    def fraction(self) -> float:
        return self.done / self.total if self.total else 1.0

    @property
    def eta(self) -> float | None:
        """Seconds that remain, at the pace so far."""
        return self.seconds * (self.total - self.done) / self.done if self.done else None


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
