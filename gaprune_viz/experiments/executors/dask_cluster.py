"""Workers of a Dask cluster: https://distributed.dask.org. Slurm, LSF and others start them through dask-jobqueue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors import worker
from gaprune_viz.experiments.executors.protocol import Verdict
from gaprune_viz.experiments.executors.tasks import Seen, Sight

CONNECT_SECONDS = 10
WORKERS_SECONDS = 30
# How long a scheduler that is gone is waited for, twice.
MEND_SECONDS = 20
# Workers are counted anew after so long.
COUNT_SECONDS = 1.0


class DaskPool:
    """The workers of a scheduler.

    Args:
        address: host and port, or a slash and the path of a scheduler file.

    Raises:
        GapruneError: `distributed` is not installed, nobody answers there, or there are no workers.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError as error:
            raise GapruneError(
                "--cluster dask:// needs the package distributed.", "Install it: pip install 'gaprune-viz[dask]'."
            ) from error
        # What it has to say of lost connections is said by whoever asks.
        for name in ("distributed", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.address, self.label = address, f"Dask at {address}"
        self._library = distributed
        self._client = self._connected()
        self._executor = self._client.get_executor(pure=False)
        self._flying: set[Future[Any]] = set()
        self._counted, self._workers = 0.0, 0
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except (TimeoutError, OSError) as error:
            self.close()
            raise GapruneError(
                f"The scheduler at {address} has no workers.", f"Start some: dask worker {address} --nthreads 1."
            ) from error

    def room(self) -> int:
        self._flying = {future for future in self._flying if not future.done()}
        # A call waits at each worker, so that none of them waits for us.
        return max(2, 2 * self._count()) - len(self._flying)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future = self._executor.submit(function, *arguments)
        self._flying.add(future)
        return future

    def look(self, sight: Sight) -> list[Seen]:
        found = []
        for name, seen in self._client.run(worker.look, sight, on_error="return").items():
            if not isinstance(seen, Seen):
                raise GapruneError(
                    f"The worker {name} cannot run gaprune-viz: {type(seen).__name__}: {seen}",
                    "Install the same version there.",
                )
            found.append(seen)
        return found

    def verdict(self, error: BaseException) -> Verdict:
        if isinstance(error, self._library.KilledWorker):
            return Verdict("Every worker that tried it was ended, or ran out of memory.", accused=True)
        if isinstance(error, CancelledError):
            return Verdict(f"The scheduler at {self.address} was lost.")
        return Verdict(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")

    def mend(self) -> None:
        for _ in range(2):
            until = time.monotonic() + MEND_SECONDS
            while time.monotonic() < until:
                if self._client.status == "running":
                    return
                if self._client.status == "closed":
                    break
                time.sleep(0.2)
            self._drop()
            with suppress(GapruneError):
                self._client = self._connected(max(1.0, until - time.monotonic()))
                self._executor = self._client.get_executor(pure=False)
                return
        raise GapruneError(f"The scheduler at {self.address} is gone.", "Start it, and run the same again.")

    def close(self) -> None:
        for future in self._flying:
            future.cancel()
        self._drop()

    def _connected(self, seconds: float = CONNECT_SECONDS) -> Any:
        where: dict[str, Any] = (
            {"scheduler_file": self.address} if self.address.startswith("/") else {"address": self.address}
        )
        try:
            if self.address.startswith("/") and not Path(self.address).is_file():
                # It would be waited for without an end.
                raise FileNotFoundError("there is no such scheduler file")
            return self._library.Client(**where, timeout=seconds, set_as_default=False)
        except (OSError, TimeoutError, ValueError, ImportError) as error:
            raise GapruneError(
                f"Nobody answers as a Dask scheduler at {self.address}: {' '.join(str(error).split())[:160]}.",
                "Start one (dask scheduler), or correct --cluster.",
            ) from error

    def _drop(self) -> None:
        # A scheduler that is gone does not say goodbye.
        with suppress(OSError, TimeoutError, RuntimeError):
            self._client.close(timeout=2)

    def _count(self) -> int:
        if time.monotonic() - self._counted > COUNT_SECONDS:
            self._counted = time.monotonic()
            with suppress(OSError, TimeoutError, RuntimeError):
                self._workers = len(self._client.scheduler_info(n_workers=-1)["workers"])
        return self._workers
