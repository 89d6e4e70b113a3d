"""The table and the histograms of an analysis, held against its description: whatever is opened can be shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gaprune_viz.core.arrays import read_arrays
from gaprune_viz.core.statistics import HISTOGRAM_EDGES, MatrixInfo

if TYPE_CHECKING:
    import pandas as pd

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
