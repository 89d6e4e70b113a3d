"""Statistics of a run: tensors on disk, read lazily; a summary row per matrix; histograms on fixed bins.

A folder holds `spec.json`, `statistics.safetensors` (`NAME:fisher_domain`, `NAME:fisher_general`, `NAME:grad_domain`,
`NAME:grad_general` float32 [out, in]; `NAME:act_domain`, `NAME:act_general` float32 [in]; of `down` matrices also
`NAME:mean_domain`, `NAME:on_domain`, `NAME:cut_domain`, and the same of general, float32 [in]), `histograms.npz` and
`sketch.npz`. In place of the tensors there may be `compact.npz`, from which they are decoded, nearly as they were.
Analyses from before these were measured lack those of the neurons. Every matrix is in the orientation [out, in], also
where the layer's parameter is [in, out].
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from gaprune_viz.calibration.compact.file import COMPACT_FILE, CompactStatistics
from gaprune_viz.calibration.description import check_described, gradients_of, resting_on
from gaprune_viz.config import SIDES, RunSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.checksums import check, check_tensor
from gaprune_viz.storage.folder_swap import bring_back
from gaprune_viz.storage.json_files import stored_json

FORMAT = 1
SPEC_FILE = "spec.json"
TENSOR_FILE = "statistics.safetensors"
HISTOGRAM_FILE = "histograms.npz"
SKETCH_FILE = "sketch.npz"
SUMMARY_FILE = "summary.parquet"
METADATA = {"format": "gaprune_viz", "version": "1"}
FIELDS = ("fisher_domain", "fisher_general", "grad_domain", "grad_general", "act_domain", "act_general")
NEURON_FIELDS = ("mean_domain", "on_domain", "mean_general", "on_general")
# Mean squared change of the loss, to first order, where a neuron is taken out.
CUT_FIELDS = ("cut_domain", "cut_general")


@dataclass(frozen=True)
class MatrixInfo:
    """Where one matrix stands: parameter name, layer index, role, scope, rows (out) and columns (in)."""

    name: str
    layer: int
    role: str
    scope: str
    rows: int
    columns: int

    @property
    def size(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True)
class MatrixStatistics:
    """Everything about one matrix; float32 [out, in], `act_*` [in]."""

    theta: Tensor
    fisher_domain: Tensor
    fisher_general: Tensor
    grad_domain: Tensor
    grad_general: Tensor
    act_domain: Tensor
    act_general: Tensor


@dataclass(frozen=True)
class NeuronStatistics:
    """What the neurons of one `down` matrix do; float32 [in].

    Attributes:
        mean_domain, mean_general: mean activation over tokens.
        on_domain, on_general: share of tokens where the neuron is on (`calibration/neuron_activity.py`), 0 to 1.
    """

    mean_domain: Tensor
    on_domain: Tensor
    mean_general: Tensor
    on_general: Tensor


def tensor_shapes(
    matrices: Mapping[str, tuple[int, int]], downs: Collection[str] = (), sides: Sequence[str] = SIDES
) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor in `statistics.safetensors`, in the order of the file.

    Args:
        matrices: [out, in] by name.
        downs: names of those whose inputs are neurons.
        sides: whose statistics they are; or the numbers of sources.
    """
    return {
        f"{name}:{field}": shape if field.startswith(("fisher_", "grad_")) else (shape[1],)
        for name, shape in matrices.items()
        for field in fields_of("down" if name in downs else "", sides)
    }


def fields_of(role: str, sides: Sequence[str] = SIDES) -> tuple[str, ...]:
    """What is kept of a matrix of some role."""
    fields = [f"{kind}_{side}" for kind in ("fisher", "grad", "act") for side in sides]
    if role == "down":
        fields += [f"{kind}_{side}" for side in sides for kind in ("mean", "on")] + [f"cut_{side}" for side in sides]
    return tuple(fields)


class Statistics:
    """A finished analysis on disk. Tensors are memory-mapped and read when asked for."""

    def __init__(self, folder: Path, document: dict[str, Any]) -> None:
        self.folder = folder
        self._checked: set[str] = set()
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']} is not {FORMAT}, the one this version reads")
        check_described(document)
        self.document = document
        self.run = RunSpec.parse(document["run"])
        self.matrices = tuple(MatrixInfo(**row) for row in document["matrices"])
        self.medians: dict[str, float] = document["medians"]
        self.scales: dict[str, float] = {**document.get("scales", {}), **self.medians}
        # Of plain texts there are none: what is stored is 0.
        self.gradients = gradients_of(document)
        # How many samples the Fisher information of each side rests on; not known of analyses of before.
        self.effective_samples: dict[str, float] | None = document.get("effective_samples")
        self._file: Any = None
        shapes = {info.name: (info.rows, info.columns) for info in self.matrices}
        self._compact = CompactStatistics(folder / COMPACT_FILE, shapes)

    @classmethod
    def open(cls, folder: Path) -> Statistics:
        """Open an analysis.

        Raises:
            GapruneError: the folder is not there, is not an analysis, or a part is damaged.
        """
        path = folder / SPEC_FILE
        if not path.is_file():
            bring_back(folder.parent, folder.name)
        if not path.is_file():
            raise GapruneError(f"There is no analysis in {folder}.", "Make one: `gaprune-viz analyze --out DIR`.")
        try:
            document = stored_json(path)
            statistics = cls(folder, document)
        except (ValueError, KeyError, TypeError, AttributeError, GapruneError) as error:
            raise GapruneError(f"{path} is damaged: {error}.", "Run the analysis again.") from error
        check(document, folder)
        return statistics

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(m.name for m in self.matrices)

    def samples(self, side: str) -> float:
        """On how many independent samples a side's Fisher information rests: as `resting_on`."""
        return resting_on(self.document, side)

    @property
    def exact(self) -> bool:
        """Whether the tensors are there as they were measured."""
        return (self.folder / TENSOR_FILE).is_file()

    @property
    def has_tensors(self) -> bool:
        """Whether there are statistics of every weight: measured, or compact ones, as of the bundled analysis."""
        return self.exact or (self.folder / COMPACT_FILE).is_file()

    @property
    def off(self) -> float | None:
        """Of compact statistics, the largest share of the pruned weights in which a mask differed from the exact one,
        over every criterion and preset, when they were made; None where the tensors are there."""
        if self.exact:
            return None
        found = self.document.get("compact")
        return float(found["largest_difference"]) if found else None

    def keep_decoded(self, most: int) -> None:
        """From now on keep what is decoded of compact statistics in memory.

        Args:
            most: bytes.
        """
        self._compact.keeping = most

    def check_compact(self) -> None:
        """Compare compact statistics with their checksum; nothing where the tensors are there.

        Raises:
            GapruneError: they were altered.
        """
        if not self.exact and not self._compact.checked:
            check(self.document, self.folder, whole=True)
            self._compact.checked = True

    @cached_property
    def has_neurons(self) -> bool:
        """Whether it holds what the neurons do. False for a sketch alone, for a scope without `down` matrices, and for
        analyses that were made before this was measured."""
        if not self.exact:
            return self.has_tensors and any(matrix.role == "down" for matrix in self.matrices)
        return any(key.endswith(f":{NEURON_FIELDS[0]}") for key in list(_mapped(self.folder).keys()))

    @cached_property
    def has_cuts(self) -> bool:
        """Whether it holds what the loss changes by where a neuron is taken out. False where the tensors are not there
        as they were measured, for a scope without `down` matrices, and for analyses that were made before."""
        return self.exact and any(key.endswith(f":{CUT_FIELDS[0]}") for key in list(_mapped(self.folder).keys()))

    def neurons(self, name: str) -> NeuronStatistics:
        """What the neurons of a `down` matrix do.

        Raises:
            GapruneError: as `tensor`.
        """
        return NeuronStatistics(*(self.tensor(name, field) for field in NEURON_FIELDS))

    def tensor(self, name: str, field: str) -> Tensor:
        """One tensor of one matrix.

        Raises:
            GapruneError: the file is missing, damaged, or lacks the tensor.
        """
        from safetensors import SafetensorError

        if not self.exact:
            self.check_compact()
            return self._compact.tensor(name, field)
        try:
            if self._file is None:
                self._file = _mapped(self.folder)
            tensor: Tensor = self._file.get_tensor(f"{name}:{field}")
        except (OSError, SafetensorError) as error:
            raise GapruneError(
                f"{field} of {name} cannot be read from this analysis: {error}.", "Run the analysis again."
            ) from error
        # Once: reading it again costs nothing then.
        if (key := f"{name}:{field}") not in self._checked:
            check_tensor(self.document, self.folder, key, tensor)
            self._checked.add(key)
        return tensor

    def matrix(self, name: str, theta: Tensor) -> MatrixStatistics:
        """All statistics of one matrix, with the weight that the model holds."""
        return MatrixStatistics(theta, *(self.tensor(name, field) for field in FIELDS))


def read_matrix(folder: Path, name: str, theta: Tensor) -> MatrixStatistics:
    """All statistics of one matrix, mapped for as long as they are held: reading one after another fills no memory."""
    return MatrixStatistics(theta, *(read_tensor(folder, name, field) for field in FIELDS))


def read_tensor(folder: Path, name: str, field: str) -> Tensor:
    """One tensor of a file that is known to be whole, mapped for as long as it is held."""
    return _mapped(folder).get_tensor(f"{name}:{field}")


def _mapped(folder: Path) -> Any:
    from safetensors import safe_open

    return safe_open(str(folder / TENSOR_FILE), framework="pt")
