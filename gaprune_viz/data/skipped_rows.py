"""Rows that are left out: up to a share of them, each with its reason; above it, the first one is refused."""

from __future__ import annotations

from dataclasses import dataclass

from gaprune_viz.data.readers.limits import MAX_ROWS
from gaprune_viz.errors import GapruneError


@dataclass
class Leaving:
    """What may be left out of one file.

    Attributes:
        share: of its rows, from 0 to 1.
        left: rows left out so far.
        first: the reason of the first one.
    """

    share: float
    left: int = 0
    first: GapruneError | None = None

    def add(self, error: GapruneError) -> None:
        """Leave one row out.

        Raises:
            GapruneError: there are more than any file may leave out.
        """
        self.first = self.first or error
        self.left += 1
        if self.left > self.share * MAX_ROWS:
            self.check(self.left)

    def check(self, rows: int) -> None:
        """Refuse a file of which too much was left out.

        Args:
            rows: how many it has, with those.

        Raises:
            GapruneError: the first reason.
        """
        if self.first is None or self.left <= int(self.share * rows):
            return
        if self.left == 1:
            raise self.first
        raise GapruneError(
            self.first.message,
            f"{self.first.hint} {self.left:,} of {rows:,} rows cannot be used; {self.share:.0%} may be left out.",
        )
