"""Analyses on a card that is lent for a moment: Hugging Face's ZeroGPU, where its package `spaces` is installed.

ZeroGPU runs a decorated function in a forked process that has the card, and sends back what it yields. So the function
takes and gives plain values only, loads its own model, and leaves its result on disk.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Generator
from typing import Any

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import Progress, relayed
from gaprune_viz.config import RunSpec

# The most that ZeroGPU lends at a time without asking for more.
LENT_SECONDS = 120


def available() -> bool:
    """Whether the package `spaces` is installed."""
    return importlib.util.find_spec("spaces") is not None


def lent(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a card lent to it where `spaces` is installed; the function itself elsewhere."""
    if not available():
        return function
    return importlib.import_module("spaces").GPU(duration=LENT_SECONDS)(function)


def steps_of(run: RunSpec) -> Generator[tuple[str, int, int, float] | str, None, None]:
    """An analysis as plain values: its steps, then the folder of its result."""
    yield str((yield from relayed(analyze(run), lambda step: (step.stage, step.done, step.total, step.seconds))))


# Decorated when the page is loaded, because ZeroGPU looks for such functions at the start.
on_card = lent(steps_of)


def analysis(run: RunSpec) -> Generator[Progress, None, str]:
    """Run an analysis on the card; returns its folder."""
    work = on_card(run)
    folder = ""
    for step in work:
        if isinstance(step, str):
            folder = step
        else:
            yield Progress(*step)
    return folder
