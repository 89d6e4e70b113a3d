"""Memory that runs out, told apart from other errors, whatever raises it; and memory that is given back."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gaprune_viz.errors import GapruneError

LEAST_BUDGET = 64
TRIM_THRESHOLD = "MALLOC_TRIM_THRESHOLD_"
# Of malloc.h; the largest size that glibc takes for the first.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, MOST_MMAP_BYTES = -1, -3, 32 * 2**20
# The last three are what oneDNN says, the C++ library through torch, and safetensors where a file is mapped.
_WORDS = re.compile(
    r"out of memory|not enough memory|can't allocate memory|failed to allocate|could not create a primitive|bad_alloc"
    r"|cannot allocate memory",
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


def reuse() -> None:
    """Have glibc keep freed blocks for the next batch, where its surroundings have it give each back at once.

    Dask starts its workers so (`MALLOC_TRIM_THRESHOLD_`): every large tensor is then mapped anew and its pages are
    zeroed, which takes the system a quarter of the time. The thresholds are those that glibc comes to by itself.
    """
    if sys.platform == "linux" and os.environ.get(TRIM_THRESHOLD):
        options = getattr(ctypes.CDLL(None), "mallopt", None)
        if options is not None:
            options(M_MMAP_THRESHOLD, MOST_MMAP_BYTES)
            options(M_TRIM_THRESHOLD, 2 * MOST_MMAP_BYTES)


def recover() -> None:
    """Give back what the batch held in which memory ran out; in its thread, when the error, which holds it, is gone.

    On processors a backward that fails keeps the graph of its batch until the next backward of the same thread, which
    may come too late: an empty one comes here.
    """
    with torch.enable_grad():
        torch.zeros((), requires_grad=True).clone().backward()
    release()


def less(error: MemoryError | RuntimeError, budget: int, *, alone: bool) -> int:
    """Half the token budget after memory ran out; any other error is raised again.

    Call `recover` after it, when the error is gone.

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
    return budget // 2


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Compute without oneDNN, with PyTorch's own kernels, for what comes after memory ran out.

    Where oneDNN gets no memory for a kernel, Xbyak, which writes it, keeps the error for the thread, and every later
    kernel of that thread fails by it, however much memory there is by then.
    """
    onednn: Any = torch.backends.mkldnn
    before, onednn.enabled = onednn.enabled, False
    try:
        yield
    finally:
        onednn.enabled = before


@contextmanager
def enough_memory(doing: str = "") -> Iterator[None]:
    """Around work that smaller batches would not help.

    Args:
        doing: what was done when memory ran out, for people: "while the result was written".

    Raises:
        GapruneError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise GapruneError(
            f"Memory ran out {doing}".rstrip() + ".",
            "Set a smaller scope, use a smaller model, or give the process more memory.",
        ) from error
