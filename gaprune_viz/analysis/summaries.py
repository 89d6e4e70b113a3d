"""The table and the histograms of an analysis, held against its description: whatever is opened can be shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.criteria.alignment import align_matrix
from gaprune_viz.storage.array_files import read_arrays

if TYPE_CHECKING:
    import pandas as pd
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from gaprune_viz.calibration.statistics import HISTOGRAM_FILE, MatrixStatistics
from gaprune_viz.config import Alignment
from gaprune_viz.masking.order_statistics import median_of_streamed

# The columns that say which matrix a row is of, and those that say how it is; `summary_row` makes both.
NAMED = ("name", "layer", "role", "scope", "rows", "columns", "size")
MEASURED = (
    "theta_abs_mean",
    "theta_abs_median",
    "fisher_domain_mean",
    "fisher_general_mean",
    "fisher_domain_median",
    "fisher_general_median",
    "fisher_ratio_log10",
    "alignment_cosine",
    "sign_agreement",
    "sign_disagreement",
    "correlation_mean",
    "act_domain_mean",
)
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


def read_summary(path: Path, matrices: Sequence[MatrixInfo]) -> pd.DataFrame:
    """The table of an analysis, one row for each of its matrices.

    Raises:
        one of DAMAGED: the file is missing or damaged, or is the table of others.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # In this thread: where memory is too short to start threads, pyarrow waits for ever.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            if file.metadata.num_rows != len(matrices):
                raise ValueError(f"{path.name} has {file.metadata.num_rows} rows for {len(matrices)} matrices")
            read = file.read(use_threads=False)
        # Texts that are no UTF-8 would else be found when they are first looked at.
        read.validate(full=True)
        table = read.to_pandas(use_threads=False)
    except pa.ArrowException as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    columns = list(table.columns)
    for name in (*NAMED, *MEASURED):
        if columns.count(name) != 1:
            raise ValueError(f"{path.name} has no column {name}")
    for name in NAMED:
        known = [getattr(matrix, name) for matrix in matrices]
        if table[name].tolist() != known:
            raise ValueError(f"{path.name} is of other matrices")
        # What is equal may still be of another kind: a number with a point, a list of one text.
        table[name] = known
    if any(table[name].dtype.kind != "f" for name in MEASURED):
        raise ValueError(f"{path.name} holds something that is no number")
    return table


def read_histograms(path: Path, matrices: Sequence[MatrixInfo]) -> dict[str, np.ndarray]:
    """Counts int64 [matrices, bins] and edges float64 [bins + 1] of each quantity.

    Raises:
        one of DAMAGED: the file is missing or damaged, or holds other arrays.
    """
    found = read_arrays(path, [f"{name}{part}" for name in HISTOGRAM_EDGES for part in ("", "_edges")])
    for name, usual in HISTOGRAM_EDGES.items():
        counts, edges = found[name], found[f"{name}_edges"]
        if counts.shape != (len(matrices), len(usual) - 1) or counts.dtype.kind != "i" or (counts < 0).any():
            raise ValueError(f"{name} of {path.name} holds no counts of these matrices")
        if edges.shape != usual.shape or edges.dtype.kind != "f" or not np.allclose(edges, usual):
            raise ValueError(f"{name}_edges of {path.name} are no edges of its bins")
    return found


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


def summary_row(info: MatrixInfo, stats: MatrixStatistics, aligned: bool = True) -> dict[str, Any]:
    """One row of the per-matrix summary: means, medians, agreement of the two domains.

    Args:
        aligned: whether both sides have gradients; else their agreement is not known (nan).
    """
    signs = torch.sign(stats.grad_domain) * torch.sign(stats.grad_general)
    means = {side: float(getattr(stats, f"fisher_{side}").double().mean()) for side in ("domain", "general")}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.log10(np.float64(means["domain"]) / np.float64(means["general"])))
    agreement = {
        "alignment_cosine": float(align_matrix(Alignment.MATRIX, stats).reshape(-1)[0]),
        "sign_agreement": float((signs > 0).double().mean()),
        "sign_disagreement": float((signs < 0).double().mean()),
        "correlation_mean": float(align_matrix(Alignment.CORRELATION, stats).double().mean()),
    }
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
        **(agreement if aligned else dict.fromkeys(agreement, float("nan"))),
        "act_domain_mean": float(stats.act_domain.double().mean()),
    }


def histogram_rows(stats: MatrixStatistics, aligned: bool = True) -> dict[str, np.ndarray]:
    """Counts of one matrix on the fixed bins; the first bin also takes what lies below it (exact zeros included).

    Args:
        aligned: whether both sides have gradients; else nothing is counted of their correlation.
    """
    together = _counts(align_matrix(Alignment.CORRELATION, stats), UNIT_EDGES)
    return {
        "fisher_domain": _log_counts(stats.fisher_domain, LOG10_FISHER_EDGES),
        "fisher_general": _log_counts(stats.fisher_general, LOG10_FISHER_EDGES),
        "theta": _log_counts(stats.theta.abs(), LOG10_THETA_EDGES),
        "correlation": together if aligned else np.zeros_like(together),
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
