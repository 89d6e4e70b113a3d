"""What is loaded before anybody asks: who asks meanwhile waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.errors import Cancelled


class Preparation:
    """Whether something is being prepared, and whether somebody waits for it."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._over.set()
        self._waiting = 0
        self._lock = threading.Lock()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """For as long as it takes."""
        self._over.clear()
        try:
            yield
        finally:
            self._over.set()

    def is_awaited(self) -> bool:
        """Whether somebody waits."""
        return self._waiting > 0

    def waited(self, stopped: Callable[[], bool], every: float) -> Iterator[Progress]:
        """Wait until it is over, with news every so many seconds.

        Raises:
            Cancelled: `stopped` said so.
        """
        began = time.monotonic()
        with self._lock:
            self._waiting += 1
        try:
            while not self._over.wait(every):
                if stopped():
                    raise Cancelled
                yield Progress("Loading the model", 0, 0, time.monotonic() - began)
        finally:
            with self._lock:
                self._waiting -= 1
