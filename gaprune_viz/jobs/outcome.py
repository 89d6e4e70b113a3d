"""From the last answers of a process to a result or an error."""

from __future__ import annotations

import signal
from typing import Any

from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.jobs.messages import unpack


class Unforeseen(RuntimeError):
    """An error of the other process that nobody can put right from the page."""


def outcome(said: dict[str, Any]) -> Any:
    """What the work returned, or the error that ended it.

    Args:
        said: all its answers (`messages`), put together.

    Raises:
        Cancelled: it was asked to stop.
        GapruneError: it cannot be done, or the system ended the process.
        Unforeseen: any other error.
    """
    if "result" in said:
        return unpack(said["result"])
    if "stopped" in said:
        raise Cancelled
    if "refused" in said:
        raise GapruneError(*said["refused"])
    if "failed" in said:
        error = Unforeseen(said["failed"].strip().rsplit("\n", 1)[-1])
        error.add_note(said["failed"])
        raise error
    status = int(said["ended"])
    by = f"signal {-status}, {signal.strsignal(-status)}" if status < 0 else f"status {status}"
    raise GapruneError(
        f"The process that did this work was ended ({by}); earlier results and finished cells are kept.",
        "If memory ran out, use a smaller model, scope or max-length; else start it again.",
    )
