"""The sources of a run: what is said of each, and its statistics.

A run with one source on each side has two, its sides, and `statistics.safetensors` holds theirs. A run with more has
`sources.safetensors` beside it: the same tensors, with the number of the source in place of the side's name
(`NAME:fisher_0`, `NAME:grad_0`, ...), so that no name of a person's is part of a key. They are mapped, never loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gaprune_viz.calibration.description import independent
from gaprune_viz.calibration.statistics import METADATA, Statistics, fields_of, tensor_shapes
from gaprune_viz.config import SIDES
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.checksums import check_tensor, tensor_digest
from gaprune_viz.storage.tensor_file import file_bytes

SOURCES_FILE = "sources.safetensors"
Read = tuple[list[Tensor], list[Tensor], Sequence[float]]
"""Fisher information and mean gradient of every source, the latter empty where one has none, and the masses."""


@dataclass(frozen=True)
class SourceInfo:
    """One source of a run.

    Attributes:
        name, side: what it is called, and of which side it is.
        weight: its share of its side, above 0; those of a side add up to 1.
        samples: how many independent samples it gave.
        mass: mean of its Fisher information over the scope; nan where an earlier version did not keep it.
        loss: mean contrastive loss; nan for plain texts, which have no gradients either.
    """

    name: str
    side: str
    weight: float
    samples: float
    mass: float
    loss: float

    @property
    def aligned(self) -> bool:
        """Whether it has gradients."""
        return math.isfinite(self.loss)


class SourceStatistics:
    """The statistics of each source of an analysis, in the order of `infos`.

    Args:
        statistics: of the analysis.
    """

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics
        self.infos = infos_of(statistics.document, statistics.scales)
        self.several = "sources" in statistics.document
        self._checked: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(info.name for info in self.infos)

    @property
    def masses(self) -> tuple[float, ...]:
        return tuple(info.mass for info in self.infos)

    @property
    def aligned(self) -> bool:
        """Whether every source has gradients."""
        return all(info.aligned for info in self.infos)

    def tensors(self, name: str, kind: str) -> list[Tensor]:
        """A statistic of one matrix from every source, mapped.

        Args:
            name: of the matrix.
            kind: `fisher`, `grad` or `act`.

        Raises:
            GapruneError: the file is missing or damaged.
        """
        if not self.several:
            return [self.statistics.tensor(name, f"{kind}_{side}") for side in SIDES]
        from safetensors import SafetensorError

        folder, keys = self.statistics.folder, [f"{name}:{kind}_{number}" for number in range(len(self.infos))]
        try:
            file = mapped(folder)
            found = {key: file.get_tensor(key) for key in keys}
        except (OSError, SafetensorError) as error:
            raise GapruneError(
                f"The statistics of the sources are not in this analysis, or are damaged: {error}.",
                "Run the analysis again.",
            ) from error
        for key in found.keys() - self._checked:
            check_tensor(self.statistics.document, folder, key, found[key])
            self._checked.add(key)
        return list(found.values())

    def read(self, name: str) -> Read:
        """What `over_sources` takes of one matrix.

        Raises:
            GapruneError: as `tensors`.
        """
        return self.tensors(name, "fisher"), self.tensors(name, "grad") if self.aligned else [], self.masses


def infos_of(document: Mapping[str, Any], scales: Mapping[str, float]) -> tuple[SourceInfo, ...]:
    """The sources that a description tells of; of one that tells of none, the two sides.

    Args:
        document: a checked description.
        scales: of the run, with the masses of the sides.
    """
    if "sources" in document:
        return tuple(
            SourceInfo(s["name"], s["side"], s["weight"], independent(s), s["mass"], _number(s.get("mean_loss")))
            for s in document["sources"]
        )
    data = document["data"]
    return tuple(
        SourceInfo(
            side,
            side,
            1.0,
            independent(data[side]),
            scales.get(f"mass_{side}", math.nan),
            _number(data[side].get("mean_loss")) if document.get("gradients", {}).get(side, True) else math.nan,
        )
        for side in SIDES
    )


def read_sources(folder: Path, name: str, infos: Sequence[SourceInfo]) -> Read:
    """The same as `SourceStatistics.read` of a file that is known to be whole."""
    file = mapped(folder)
    kinds = ("fisher", "grad") if all(info.aligned for info in infos) else ("fisher",)
    found = [[file.get_tensor(f"{name}:{kind}_{number}") for number in range(len(infos))] for kind in kinds]
    return found[0], found[1] if len(found) > 1 else [], [info.mass for info in infos]


def source_digests(folder: Path, roles: Mapping[str, str], count: int) -> dict[str, str]:
    """The checksum of every tensor of so many sources.

    Args:
        roles: of the matrices, by name.
    """
    found = {}
    for name, role in roles.items():
        # Opened anew: pages that were read are let go of with it.
        file = mapped(folder)
        for field in fields_of(role, numbers(count)):
            found[f"{name}:{field}"] = tensor_digest(file.get_tensor(f"{name}:{field}"))
    return found


def sources_bytes(matrices: Mapping[str, tuple[int, int]], downs: set[str], count: int) -> int:
    """What the statistics of so many sources take on disk."""
    return file_bytes(tensor_shapes(matrices, downs, numbers(count)), METADATA)


def numbers(count: int) -> tuple[str, ...]:
    """What so many sources are called in the file."""
    return tuple(map(str, range(count)))


def mapped(folder: Path) -> Any:
    """The file, open: tensors are read as they are asked for."""
    from safetensors import safe_open

    return safe_open(str(folder / SOURCES_FILE), framework="pt")


def _number(loss: float | None) -> float:
    return math.nan if loss is None else float(loss)
