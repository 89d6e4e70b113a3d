"""The libraries that work on a model needs and that take seconds to load."""

from __future__ import annotations

import gc
import importlib
import sys

LIBRARIES = ("sentence_transformers", "sklearn.cluster", "pyarrow.parquet")
# macOS has fork, but its own libraries do not stand it.
FORKS = sys.platform == "linux"


def load() -> None:
    """Load them for good, in a process that works or that others are forked from.

    Nothing is garbage while they load, and they are not looked through for garbage afterwards: looking takes a fifth of
    their loading, a second of every full collection, and in a fork a copy of each page that is looked at.
    """
    looks = gc.isenabled()
    gc.disable()
    try:
        for name in LIBRARIES:
            importlib.import_module(name)
    finally:
        if looks:
            gc.enable()
    gc.freeze()
