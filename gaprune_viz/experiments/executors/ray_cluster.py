"""Workers of a Ray cluster: https://docs.ray.io."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors import worker
from gaprune_viz.experiments.executors.protocol import Verdict
from gaprune_viz.experiments.executors.tasks import Seen, Sight

LOOK_SECONDS = 60


class RayPool:
    """The workers of a Ray cluster, one processor each, and one GPU where the cluster has any.

    Args:
        address: host and port of its client server; `local` starts one on this machine.

    Raises:
        GapruneError: `ray` is not installed, or nobody answers there.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray  # type: ignore[import-not-found]
        except ImportError as error:
            raise GapruneError(
                "--cluster ray:// needs the package ray.", "Install it: pip install 'gaprune-viz[ray]'."
            ) from error
        self._ray, self.label = ray, f"Ray at {address}"
        try:
            where = None if address == "local" else f"ray://{address}"
            with warnings.catch_warnings():
                # What it warns of is said below.
                warnings.simplefilter("ignore")
                ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise GapruneError(
                f"Nobody answers as a Ray cluster at {address}: {' '.join(str(error).split())[:160]}.",
                "Start one (ray start --head), or correct --cluster.",
            ) from error
        self._flying: dict[Future[Any], Any] = {}

    def room(self) -> int:
        self._flying = {future: ref for future, ref in self._flying.items() if not future.done()}
        return max(2, 2 * self._width()) - len(self._flying)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        # Its own tries would come on top of ours.
        remote = self._ray.remote(function).options(num_cpus=1, num_gpus=1 if self._gpus() else 0, max_retries=0)
        ref = remote.remote(*arguments)
        future: Future[Any] = ref.future()
        self._flying[future] = ref
        return future

    def look(self, sight: Sight) -> list[Seen]:
        futures = [self.submit(worker.look, sight) for _ in range(max(1, self._width()))]
        try:
            return [future.result(LOOK_SECONDS) for future in futures]
        except (self._ray.exceptions.RayError, TimeoutError) as error:
            raise GapruneError(
                f"A worker of the Ray cluster cannot run gaprune-viz: {' '.join(str(error).split())[-200:]}",
                "Install the same version there.",
            ) from error

    def verdict(self, error: BaseException) -> Verdict:
        if isinstance(error, self._ray.exceptions.WorkerCrashedError):
            return Verdict("The system ended its worker, or memory ran out.")
        return Verdict(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")

    def mend(self) -> None:
        if not self._ray.is_initialized():
            raise GapruneError("The Ray cluster is gone.", "Start it, and run the same again.")

    def close(self) -> None:
        for ref in self._flying.values():
            self._ray.cancel(ref, force=True)
        self._ray.shutdown()

    def _width(self) -> int:
        found = self._ray.cluster_resources()
        return int(found.get("GPU", 0) or found.get("CPU", 1))

    def _gpus(self) -> bool:
        return bool(self._ray.cluster_resources().get("GPU", 0))
