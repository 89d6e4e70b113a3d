"""Statistics of a run: tensors on disk, read lazily; a summary row per matrix; histograms on fixed bins.

A folder holds `spec.json`, `statistics.safetensors` (`NAME:fisher_domain`, `NAME:fisher_general`, `NAME:grad_domain`,
`NAME:grad_general` float32 [out, in]; `NAME:act_domain`, `NAME:act_general` float32 [in]), `histograms.npz` and
`sketch.npz`. Every matrix is in the orientation [out, in], also where the layer's parameter is [in, out].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.config import Alignment, RunSpec
from gaprune_viz.core.alignment import align
from gaprune_viz.core.checksums import check, check_tensor
from gaprune_viz.core.described import check_described
from gaprune_viz.core.selection import median_of_streamed
from gaprune_viz.errors import GapruneError
from gaprune_viz.stored import stored_json
from gaprune_viz.swap import bring_back

FORMAT = 1
SPEC_FILE = "spec.json"
TENSOR_FILE = "statistics.safetensors"
HISTOGRAM_FILE = "histograms.npz"
SKETCH_FILE = "sketch.npz"
SUMMARY_FILE = "summary.parquet"
METADATA = {"format": "gaprune_viz", "version": "1"}
FIELDS = ("fisher_domain", "fisher_general", "grad_domain", "grad_general", "act_domain", "act_general")

LOG10_FISHER_EDGES = np.round(np.arange(-24.0, 4.0001, 0.1), 3)
LOG10_THETA_EDGES = np.round(np.arange(-10.0, 2.0001, 0.05), 3)
UNIT_EDGES = np.round(np.linspace(-1, 1, 201), 3)
HISTOGRAM_EDGES = {
    "fisher_domain": LOG10_FISHER_EDGES,
    "fisher_general": LOG10_FISHER_EDGES,
    "theta": LOG10_THETA_EDGES,
    "correlation": UNIT_EDGES,
}

# Above this many weights the medians behind kappa are taken over every k-th weight.
MEDIAN_CAP = 2**26


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

    def alignment(self, kind: Alignment) -> Tensor:
        """s_j of a definition, broadcastable to [out, in]."""
        return align(kind, self.grad_domain, self.grad_general, self.fisher_domain, self.fisher_general)


def tensor_shapes(matrices: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor in `statistics.safetensors`, in the order of the file."""
    return {
        f"{name}:{field}": (shape[1],) if field.startswith("act_") else shape
        for name, shape in matrices.items()
        for field in FIELDS
    }


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
        self._file: Any = None

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

    @property
    def has_tensors(self) -> bool:
        """False for the bundled demo, which holds a sketch only."""
        return (self.folder / TENSOR_FILE).is_file()

    def tensor(self, name: str, field: str) -> Tensor:
        """One tensor of one matrix.

        Raises:
            GapruneError: the file is missing, damaged, or lacks the tensor.
        """
        from safetensors import SafetensorError

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


def scope_medians(pairs: Callable[[], Iterable[tuple[Tensor, Tensor]]], total: int) -> dict[str, float]:
    """The medians behind kappa = auto, over the whole scope (DESIGN: kappa = median sqrt|theta| / median F^p |theta|).

    Args:
        pairs: gives (theta, fisher_domain) of each matrix anew at each call, so that they are never held together.
        total: weights of the scope; above MEDIAN_CAP every k-th of each matrix is read.

    Returns:
        `sqrt_theta`; `fisher_theta_1.0` and `fisher_theta_0.5` for the two powers.
    """
    stride = max(1, -(-total // MEDIAN_CAP))

    def thinned() -> Iterator[tuple[Tensor, Tensor]]:
        for theta, fisher in pairs():
            yield theta.reshape(-1)[::stride].abs(), fisher.reshape(-1)[::stride]

    size = sum(theta.numel() for theta, _ in thinned())
    quantities: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "sqrt_theta": lambda theta, fisher: theta.sqrt(),
        "fisher_theta_1.0": lambda theta, fisher: fisher * theta,
        "fisher_theta_0.5": lambda theta, fisher: fisher.sqrt().mul_(theta),
    }

    def values_of(quantity: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], Iterator[np.ndarray]]:
        return lambda: (quantity(theta, fisher).numpy() for theta, fisher in thinned())

    return {name: median_of_streamed(values_of(quantity), size) for name, quantity in quantities.items()}


def _median(values: Tensor) -> float:
    return float(np.median(values.numpy()))


def summary_row(info: MatrixInfo, stats: MatrixStatistics) -> dict[str, Any]:
    """One row of the per-matrix summary: means, medians, agreement of the two domains."""
    signs = torch.sign(stats.grad_domain) * torch.sign(stats.grad_general)
    means = {side: float(getattr(stats, f"fisher_{side}").double().mean()) for side in ("domain", "general")}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.log10(np.float64(means["domain"]) / np.float64(means["general"])))
    return {
        "name": info.name,
        "layer": info.layer,
        "role": info.role,
        "scope": info.scope,
        "rows": info.rows,
        "columns": info.columns,
        "size": info.size,
        "theta_abs_mean": float(stats.theta.abs().double().mean()),
        "theta_abs_median": _median(stats.theta.abs()),
        "fisher_domain_mean": means["domain"],
        "fisher_general_mean": means["general"],
        "fisher_domain_median": _median(stats.fisher_domain),
        "fisher_general_median": _median(stats.fisher_general),
        "fisher_ratio_log10": ratio,
        "alignment_cosine": float(stats.alignment(Alignment.MATRIX).reshape(-1)[0]),
        "sign_agreement": float((signs > 0).double().mean()),
        "sign_disagreement": float((signs < 0).double().mean()),
        "correlation_mean": float(stats.alignment(Alignment.CORRELATION).double().mean()),
        "act_domain_mean": float(stats.act_domain.double().mean()),
    }


def histogram_rows(stats: MatrixStatistics) -> dict[str, np.ndarray]:
    """Counts of one matrix on the fixed bins; the first bin also takes what lies below it (exact zeros included)."""
    return {
        "fisher_domain": _log_counts(stats.fisher_domain, LOG10_FISHER_EDGES),
        "fisher_general": _log_counts(stats.fisher_general, LOG10_FISHER_EDGES),
        "theta": _log_counts(stats.theta.abs(), LOG10_THETA_EDGES),
        "correlation": _counts(stats.alignment(Alignment.CORRELATION), UNIT_EDGES),
    }


def save_histograms(folder: Path, rows: Sequence[dict[str, np.ndarray]]) -> None:
    """Write `histograms.npz`: counts int64 [matrices, bins] and edges for each quantity."""
    arrays = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    edges = {f"{key}_edges": values for key, values in HISTOGRAM_EDGES.items()}
    np.savez_compressed(folder / HISTOGRAM_FILE, **arrays, **edges)  # pyright: ignore[reportArgumentType]


def _log_counts(values: Tensor, edges: np.ndarray) -> np.ndarray:
    return _counts(values.clamp_min(10.0 ** float(edges[0])).log10(), edges)


def _counts(values: Tensor, edges: np.ndarray) -> np.ndarray:
    low, high = float(edges[0]), float(edges[-1])
    return torch.histc(values.float().clamp(low, high), bins=len(edges) - 1, min=low, max=high).long().numpy()
