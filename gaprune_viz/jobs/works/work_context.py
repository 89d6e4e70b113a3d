"""What a work is given beside its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gaprune_viz.jobs.watched_work import Report

Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Desk:
    """Where a work says how far it is.

    Attributes:
        report: called with stage, done, total. Raises `Cancelled` where the work is to stop.
        stopped: whether it is.
        tell: called with a part of the result that is there already.
    """

    report: Report
    stopped: Stopped
    tell: Callable[[Any], None]


def quiet(*_: object) -> None:
    """For whoever does not want to know."""
