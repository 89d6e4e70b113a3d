"""Memory that runs out, told apart from other errors, whatever raises it; and memory that is given back."""

from __future__ import annotations

import ctypes
import gc
import re
import sys

import torch

from gaprune_viz.errors import GapruneError

LEAST_BUDGET = 64
# The last one is what oneDNN says.
_WORDS = re.compile(
    r"out of memory|not enough memory|can't allocate memory|failed to allocate|could not create a primitive",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: CUDA's own, the CPU allocator's RuntimeError, or Python's."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(_WORDS.search(str(error)))


def release() -> None:
    """Give back what is no longer used, to the card and to the system.

    glibc keeps freed blocks between those in use: after some fifty analyses they were more than what was in use.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def less(error: MemoryError | RuntimeError, budget: int, *, alone: bool) -> int:
    """Half the token budget after memory ran out; any other error is raised again.

    Args:
        alone: whether one process computes. Of several, the others could not know that one begins anew.

    Raises:
        GapruneError: half of it is less than a batch may have.
    """
    if not alone or not is_out_of_memory(error):
        raise error
    if budget // 2 < LEAST_BUDGET:
        raise GapruneError(
            f"Memory runs out even with batches of {budget} tokens.",
            "Set a smaller max-length or scope, use a smaller model, or give the process more memory.",
        ) from error
    release()
    return budget // 2
