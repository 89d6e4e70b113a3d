"""What is looked at in the tab: which map, which of its tables, which cell. It stands in the address as one part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from gaprune_viz.config import digits
from gaprune_viz.experiments.transfer.findings import rows_of

SEPARATOR = "~"
LONGEST = 200
CELL = re.compile(r"[0-7]-[0-7]")
FILE = "file"
"""Stands for a file that was uploaded: an address cannot bring it back."""
MASK, REFIT = "mask", "refit"
REAL, SHUFFLED = "real", "shuffled"


@dataclass(frozen=True)
class Place:
    """Where one looks.

    Attributes:
        name: id of the map; `file` for an uploaded one.
        row, sparsity: of the table; empty for the first row, and for the largest sparsity.
        kept: `mask`, or `refit` for refitted weights.
        texts: `real`, or `shuffled` for the control.
        cell: `2-0`, calibrated on the third source and measured on the first; empty for none.
    """

    name: str = ""
    row: str = ""
    sparsity: str = ""
    kept: str = MASK
    texts: str = REAL
    cell: str = ""

    @property
    def text(self) -> str:
        """As an address has it."""
        return SEPARATOR.join((self.name, self.row, self.sparsity, self.kept, self.texts, self.cell))

    @classmethod
    def of(cls, text: str) -> Self:
        """What an address asks for; what it leaves out is as usual. Browsers may send anything."""
        parts = text[:LONGEST].split(SEPARATOR)
        usual = cls()
        given = dict(zip(("name", "row", "sparsity", "kept", "texts", "cell"), parts, strict=False))
        return replace(usual, **{name: value for name, value in given.items() if value})

    def within(self, document: Mapping[str, Any]) -> Place:
        """The same, as far as a map has it: what it has not is as usual."""
        rows, maps = rows_of(document), document["maps"]
        row = self.row if self.row in rows else rows[0]
        known = {(SHUFFLED if one["shuffled"] else REAL, REFIT if one["refit"] else MASK) for one in maps}
        texts = self.texts if (self.texts, MASK) in known else REAL
        sparsities = sparsities_of(document)
        calibrated, _, measured = self.cell.partition("-") if CELL.fullmatch(self.cell) else ("9", "", "9")
        inside = max(int(calibrated), int(measured)) < len(document["sources"])
        return replace(
            self,
            row=row,
            sparsity=self.sparsity if self.sparsity in sparsities else sparsities[-1],
            kept=self.kept if (texts, self.kept) in known else MASK,
            texts=texts,
            cell=self.cell if inside else "",
        )

    @property
    def sources(self) -> tuple[int, int] | None:
        """The source that is calibrated on, and the one that is measured; None where no cell is chosen."""
        if not self.cell:
            return None
        calibrated, measured = self.cell.split("-")
        return int(calibrated), int(measured)


def sparsities_of(document: Mapping[str, Any]) -> list[str]:
    """The sparsities of a map as an address has them, the smallest first."""
    return [digits(value) for value in sorted({one["sparsity"] for one in document["maps"]})]
