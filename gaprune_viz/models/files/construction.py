"""Making a model of its configuration or files, one at a time in a process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_alone = threading.RLock()


@contextmanager
def constructing() -> Iterator[None]:
    """Hold the one place in a process where models are made.

    While transformers makes a model, it takes functions out of its own classes (`PreTrainedModel.tie_weights`,
    those of `torch.nn.init`) and changes torch's default dtype, for all threads, and puts back afterwards what it
    found. Of two threads that do so at once the second finds the first one's empty functions and puts those back for
    good: from then on no tied weight of the process is tied (transformers 5.23, `initialization.no_tie_weights`).
    """
    with _alone:
        yield
