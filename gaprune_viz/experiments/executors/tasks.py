"""What a worker is asked for, what it answers, and what an experiment has to offer for it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.cells import STUDY_CELLS

TOKEN = ".executor-"


@dataclass(frozen=True)
class Task:
    """Something that any worker can do: a cell, or what several cells need.

    Attributes:
        name: a hash of all that determines it. Two tasks of one name are one.
        label: for people.
        cost: what it is expected to take, in any unit.
        argument: what of the experiment it is, as the experiment's own bench understands it.
        needs: names of the tasks that have to be done before.
        together: a word for what a worker makes for its first task of that word and has at hand for the next, such as a
            mask. Such tasks are done one after another where there is other work; empty where nothing is shared.
    """

    name: str
    label: str
    cost: float
    argument: Any
    needs: tuple[str, ...] = ()
    together: str = ""


class Bench(Protocol):
    """An experiment as a worker has it: opened once, then asked for one task after another."""

    def name(self, argument: Any) -> str:
        """The name of a task, from what this process reads: another one than asked for says that it reads otherwise."""
        ...

    def known(self, argument: Any) -> dict[str, Any] | None:
        """What is on disk; None where it is to be done."""
        ...

    def done(self, argument: Any) -> Generator[Progress, None, dict[str, Any]]:
        """Do it. Returns plain values, not kept yet."""
        ...

    def keep(self, argument: Any, document: dict[str, Any]) -> dict[str, Any]:
        """Put on disk what `done` returned, once, whoever did it; what is kept.

        Raises:
            GapruneError: it cannot be written now.
        """
        ...


@dataclass(frozen=True)
class Source:
    """How a worker opens the bench.

    Attributes:
        open: a function of a module; it goes to the workers by its name.
        given: its arguments, plain values.
    """

    open: Callable[..., Bench]
    given: dict[str, Any]


@dataclass(frozen=True)
class Sight:
    """A file in each of some folders, by which a worker knows that it sees the same ones as whoever asks.

    Attributes:
        workspace: the one of them where workers look for results beyond those of the experiment; empty for their own.
        working: the working folder of whoever asks, from which names of files are meant.
    """

    folders: tuple[str, ...]
    workspace: str = ""
    working: str = field(default_factory=os.getcwd)
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def place(self, folder: str) -> Path:
        """The file in a folder."""
        return Path(folder) / f"{TOKEN}{self.token}"

    def hidden(self) -> str | None:
        """The first folder that is not to be seen here; None where all are."""
        return next((folder for folder in self.folders if not self.place(folder).is_file()), None)


@dataclass(frozen=True)
class Seen:
    """What a worker says of itself.

    Attributes:
        host, pid: the process.
        versions: of what numbers depend on.
        hidden: the first folder that it does not see; None where it sees all.
    """

    host: str
    pid: int
    versions: dict[str, str]
    hidden: str | None


@dataclass(frozen=True)
class Answer:
    """What came of a task.

    Attributes:
        document: what it gives; None where it failed.
        kept: whether that is on disk.
        error: why it failed, for people.
        final: whether doing it again would fail as well.
    """

    document: dict[str, Any] | None
    kept: bool = True
    error: str = ""
    final: bool = False


@dataclass(frozen=True)
class Failure:
    """A task that was given up."""

    label: str
    error: str


def refuse_failed(failed: dict[str, Failure], planned: int) -> None:
    """For experiments that say nothing with cells missing.

    Raises:
        GapruneError: there are some.
    """
    if failed:
        first = next(iter(failed.values()))
        many = "1 cell" if len(failed) == 1 else f"{len(failed):,} cells"
        raise GapruneError(
            f"{many} of {planned:,} could not be measured; {first.label}: {first.error}",
            "What is finished is kept: run it again to try the rest.",
        )


def refuse_other(folder: Path, what: str) -> None:
    """Leave alone a folder that holds something else than an experiment with cells.

    Args:
        what: it has to be, in words: `a study`.

    Raises:
        GapruneError: it does.
    """
    if not folder.exists():
        return
    if not folder.is_dir() or (
        any(not path.name.startswith(TOKEN) for path in folder.iterdir()) and not (folder / STUDY_CELLS).is_dir()
    ):
        raise GapruneError(f"{folder} exists and is not {what}.", "Choose another folder with --out.")


def unique(tasks: Sequence[Task]) -> list[Task]:
    """The first task of each name, in their order."""
    found: dict[str, Task] = {}
    for task in tasks:
        found.setdefault(task.name, task)
    return list(found.values())
