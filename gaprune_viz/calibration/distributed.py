"""More than one process, each with its share of the samples.

`accelerate launch -m gaprune_viz analyze ...` starts several on cards; on processors, `torchrun` does.
With a single process everything here does nothing. Processes must meet at the same calls in the same order, so an error
of one is told to all before any of them goes on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.device_placement import own_device, process_state

T = TypeVar("T")


@dataclass(frozen=True)
class Workers:
    """This process among its peers.

    Attributes:
        rank: its number, from 0; process 0 writes and prints.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def add_up(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.count == 1:
            return values
        import torch.distributed as dist

        dist.all_reduce(values)
        return values

    def add_up_array(self, values: np.ndarray) -> np.ndarray:
        """The sum over all processes; float64 of any shape."""
        if self.count == 1:
            return values
        device = own_device() or torch.device("cpu")
        # Apple's GPU has no float64, and no launcher starts several processes on it.
        return self.add_up(torch.from_numpy(values.copy()).to(device)).cpu().numpy()

    def share(self, value: T) -> T:
        """The main process's value, in every process."""
        if self.count == 1:
            return value
        import torch.distributed as dist

        box: list[Any] = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def agree(self, error: GapruneError | None) -> None:
        """Raise in every process what went wrong in any of them.

        Raises:
            GapruneError: the first process's error.
        """
        errors: list[Any] = [error and (error.message, error.hint)]
        if self.count > 1:
            import torch.distributed as dist

            own, errors = errors[0], [None] * self.count
            dist.all_gather_object(errors, own)
        found = next((e for e in errors if e is not None), None)
        if found is not None:
            raise error or GapruneError(*found)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier()


def workers() -> Workers:
    """This process among those that a launcher started; alone where none did.

    The first call joins the others, over NCCL between GPUs and over gloo between CPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Workers()
    state = process_state()
    return Workers(state.process_index, state.num_processes)
