"""The one error that a person can cause, with what to do about it."""

from __future__ import annotations


class GapruneError(Exception):
    """Something a person can put right.

    The app shows it in place; the command line prints it in one line and exits with status 2.

    Args:
        message: what happened, in one sentence.
        hint: what to do next, in one sentence. May be empty only where the message says it already.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = " ".join(message.split())
        self.hint = " ".join(hint.split())
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Cancelled(Exception):
    """A person stopped the work. Not an error: what was there before is kept."""


def readable(size: float) -> str:
    """Bytes for people.

    >>> readable(1536 * 2**20)
    '1.5 GiB'
    """
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
