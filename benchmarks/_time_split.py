"""Where the time of a calibration goes: forward, backward, per-sample products, accumulation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch

from gaprune_viz.calibration import accumulating
from gaprune_viz.models.encoder import EmbeddingModel

PARTS = ("forward", "backward", "per-sample products", "accumulation", "gathering")


class Clock:
    """Seconds by part. What is called inside another part is taken off that part."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._open: list[float] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began, self._open = time.perf_counter(), [*self._open, 0.0]
        try:
            yield
        finally:
            took = time.perf_counter() - began
            inner = self._open.pop()
            self.seconds[name] += took - inner
            if self._open:
                self._open[-1] += took

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return work(*args, **kwargs)

        return call


def time_split(calibrated: Callable[[], object]) -> dict[str, Any]:
    """Run a calibration with clocks on its parts.

    Returns:
        `seconds` of each part and of the `rest` (planning, loss, hooks), `total`, and each part's `share`. The clocks
        themselves take part of the time; that is in the rest and in the smaller parts.
    """
    clock = Clock()
    torch_mm, embed, add, backward = torch.mm, EmbeddingModel.embed, accumulating.Accumulator.add, torch.Tensor.backward
    products = accumulating.Accumulator._add_products

    def counted(*args: Any, **kwargs: Any) -> Any:
        # The products go into a buffer; everything else that is called `mm` does not.
        with clock.part("per-sample products"):
            return torch_mm(*args, **kwargs)

    with (
        patch.object(EmbeddingModel, "embed", clock.timed("forward", embed)),
        patch.object(torch.Tensor, "backward", clock.timed("backward", backward)),
        patch.object(accumulating.Accumulator, "add", clock.timed("gathering", add)),
        patch.object(accumulating.Accumulator, "_add_products", clock.timed("accumulation", products)),
        patch.object(torch, "mm", counted),
    ):
        began = time.perf_counter()
        calibrated()
        total = time.perf_counter() - began
    seconds = {**clock.seconds, "rest": total - sum(clock.seconds.values())}
    return {"seconds": seconds, "total_s": total, "share": {k: v / total for k, v in seconds.items()}}
