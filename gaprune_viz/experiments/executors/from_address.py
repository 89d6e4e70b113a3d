"""From an address to workers, and every refusal that can be made before any work."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gaprune_viz.config import ExecutorSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors.protocol import Pool
from gaprune_viz.experiments.executors.tasks import Sight
from gaprune_viz.versions import versions


def _dask(address: str) -> Pool:
    from gaprune_viz.experiments.executors.dask_cluster import DaskPool

    return DaskPool(address)


def _ray(address: str) -> Pool:
    from gaprune_viz.experiments.executors.ray_cluster import RayPool

    return RayPool(address)


@dataclass(frozen=True)
class Team:
    """Workers, and what they all see."""

    pool: Pool
    sight: Sight


CLUSTERS: dict[str, Callable[[str], Pool]] = {"dask": _dask, "ray": _ray}


@contextmanager
def opened(spec: ExecutorSpec, folders: tuple[Path, ...], workspace: Path | None = None) -> Iterator[Team | None]:
    """The workers that a spec asks for, which all see some folders; None where this process is to do all by itself.

    Args:
        folders: made where they are not there yet.
        workspace: the one of them where workers look for results beyond those of the experiment.

    Raises:
        GapruneError: there are no workers; or one does not see what this process sees, or runs other versions.
    """
    pool: Pool | None = None
    if spec.cluster:
        scheme, _, address = spec.cluster.partition("://")
        pool = CLUSTERS[scheme](address)
    elif spec.jobs > 1:
        from gaprune_viz.experiments.executors.local import LocalPool

        pool = LocalPool(spec.jobs)
    if pool is None:
        yield None
        return
    try:
        with _marked(folders, workspace) as sight:
            _check(pool, sight)
            yield Team(pool, sight)
    finally:
        pool.close()


@contextmanager
def _marked(folders: tuple[Path, ...], workspace: Path | None) -> Iterator[Sight]:
    """Have a file in each of some folders for a while."""
    sight = Sight(tuple(str(folder.resolve()) for folder in folders), str(workspace.resolve()) if workspace else "")
    made = [Path(folder) for folder in sight.folders if not Path(folder).is_dir()]
    try:
        for folder in sight.folders:
            Path(folder).mkdir(parents=True, exist_ok=True)
            sight.place(folder).touch()
    except OSError as error:
        raise GapruneError(
            f"{error.filename} cannot be written: {error.strerror}.", "Choose a folder you own."
        ) from error
    try:
        yield sight
    finally:
        for folder in sight.folders:
            # A disk may be away just now: the file is empty.
            with suppress(OSError):
                sight.place(folder).unlink(missing_ok=True)
        for place in made:
            # Where nothing came into it.
            with suppress(OSError):
                place.rmdir()


def _check(pool: Pool, sight: Sight) -> None:
    ours = {**versions(), "python": ".".join(platform.python_version_tuple()[:2])}
    for worker in pool.look(sight):
        if worker.hidden is not None:
            raise GapruneError(
                f"The worker on {worker.host} does not see {worker.hidden}.",
                "Give a folder on a disk that all machines share, under the same path.",
            )
        other = next((name for name in ours if worker.versions.get(name) != ours[name]), None)
        if other is not None:
            theirs = worker.versions.get(other, "not at all")
            raise GapruneError(
                f"The worker on {worker.host} has {other} {theirs}, not {ours[other]}.",
                "Install the same versions there: their numbers could differ.",
            )
