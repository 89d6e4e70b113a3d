"""One weight matrix from outside to inside: blocks of it, its rows, columns and heads, and its single weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.config import Settings
from gaprune_viz.criteria.alignment import correlation
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.masking.masks import MaskResult

QUANTITIES = ("pruned", "score", "theta", "fisher_domain", "fisher_general", "fisher_ratio", "alignment")
HEADS_BY_ROW = ("query", "key", "value", "fused_qkv")
HEADS_BY_COLUMN = ("attention_output",)


@dataclass(frozen=True)
class Window:
    """A rectangle of a matrix: rows `top` to `bottom` and columns `left` to `right`, ends left out."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left


@dataclass(frozen=True)
class Blocks:
    """A window cut into a grid.

    Attributes:
        values: float64 [m, n], mean of each block.
        rows, columns: int64 [m + 1] and [n + 1], where the blocks begin and the last ones end.
    """

    values: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    @property
    def exact(self) -> bool:
        """Whether every block is a single weight."""
        return len(self.rows) - 1 == self.rows[-1] - self.rows[0] and (
            len(self.columns) - 1 == self.columns[-1] - self.columns[0]
        )


def quantity(scope: ExactScope, name: str, settings: Settings, what: str, result: MaskResult) -> Tensor:
    """One number of every weight of a matrix, float32 [out, in].

    Args:
        what: of QUANTITIES: `pruned` is 1 where the mask has a zero, `theta` is |theta|, `fisher_ratio` log10 of domain
            over general (nan where either is 0), `alignment` the gradient correlation (nan without gradients).

    Raises:
        GapruneError: there is no such quantity.
    """
    read = scope.statistics.tensor
    if what == "pruned":
        return (~result.masks[name]).float()
    if what == "score":
        return scope.scores(name, settings.score).float()
    if what == "theta":
        return scope.theta_of(name).abs()
    if what in ("fisher_domain", "fisher_general"):
        return read(name, what)
    if what == "fisher_ratio":
        ratio = (read(name, "fisher_domain").double() / read(name, "fisher_general").double()).log10()
        return torch.where(ratio.isfinite(), ratio, torch.nan).float()
    if what == "alignment" and not scope.aligned:
        return torch.full_like(scope.theta_of(name), torch.nan)
    if what == "alignment":
        grads = read(name, "grad_domain"), read(name, "grad_general")
        return correlation(*grads, read(name, "fisher_domain"), read(name, "fisher_general"))
    raise GapruneError(f"There is no quantity {what!r}.", f"Known: {', '.join(QUANTITIES)}.")


def blocks(values: Tensor, window: Window, most_rows: int, most_columns: int) -> Blocks:
    """Means over a grid of blocks as equal as whole weights allow; nan counts as absent."""
    rows = _edges(window.top, window.bottom, most_rows)
    columns = _edges(window.left, window.right, most_columns)
    part = values[window.top : window.bottom, window.left : window.right].double().numpy()
    known = np.isfinite(part)
    sums = _reduced(np.where(known, part, 0.0), rows, columns)
    counts = _reduced(known.astype(np.float64), rows, columns)
    return Blocks(np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0), rows, columns)


def zoomed(window: Window, row: int, column: int, shape: tuple[int, int], least: tuple[int, int]) -> Window:
    """A window of a quarter of the height and width about one weight, inside the matrix, not below a least size."""
    top, bottom = _about(row, max(least[0], (window.bottom - window.top) // 4), shape[0])
    left, right = _about(column, max(least[1], (window.right - window.left) // 4), shape[1])
    return Window(top, bottom, left, right)


def widened(window: Window, shape: tuple[int, int]) -> Window:
    """A window of four times the height and width about the same place."""
    height, width = window.shape
    top, bottom = _about((window.top + window.bottom) // 2, height * 4, shape[0])
    left, right = _about((window.left + window.right) // 2, width * 4, shape[1])
    return Window(top, bottom, left, right)


def extremes(scores: Tensor, count: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Places of the least and of the most important weights of a matrix, each with the most extreme first."""
    flat, width = scores.reshape(-1), scores.shape[1]
    count = min(count, flat.numel())

    def places(largest: bool) -> list[tuple[int, int]]:
        found = flat.topk(count, largest=largest, sorted=True).indices.tolist()
        return [(index // width, index % width) for index in found]

    return places(False), places(True)


def unit_means(values: Tensor, role: str, head_size: int | None) -> dict[str, np.ndarray]:
    """Means by output neuron (row), input feature (column) and, in attention, by head; float64 each.

    Args:
        role: of the matrix.
        head_size: rows (of query, key, value) or columns (of the attention output) of one head; None: unknown.
    """
    wide = values.double()
    found = {"rows": wide.nanmean(1).numpy(), "columns": wide.nanmean(0).numpy()}
    side = "rows" if role in HEADS_BY_ROW else "columns" if role in HEADS_BY_COLUMN else ""
    if side and head_size and len(found[side]) % head_size == 0:
        found["heads"] = found[side].reshape(-1, head_size).mean(1)
    return found


def head_size_of(config: object) -> int | None:
    """Width of an attention head, from a model's configuration."""
    size = getattr(config, "head_dim", None)
    heads, hidden = getattr(config, "num_attention_heads", None), getattr(config, "hidden_size", None)
    if isinstance(size, int) and size > 0:
        return size
    return hidden // heads if isinstance(heads, int) and isinstance(hidden, int) and heads > 0 else None


def _edges(start: int, stop: int, most: int) -> np.ndarray:
    return np.linspace(start, stop, min(most, stop - start) + 1).round().astype(np.int64)


def _reduced(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    by_row = np.add.reduceat(values, rows[:-1] - rows[0], axis=0)
    return np.add.reduceat(by_row, columns[:-1] - columns[0], axis=1)


def _about(middle: int, size: int, end: int) -> tuple[int, int]:
    size = min(size, end)
    start = min(max(0, middle - size // 2), end - size)
    return start, start + size


def whole(shape: Sequence[int]) -> Window:
    """All of a matrix."""
    return Window(0, int(shape[0]), 0, int(shape[1]))


def silent_neurons(masks: Mapping[str, Tensor], matrices: Sequence[MatrixInfo]) -> dict[int, int]:
    """MLP neurons of each layer whose whole outgoing column is pruned; what they compute reaches nothing.

    Args:
        masks: bool [out, in] by matrix, True = kept.
        matrices: of the scope; only those of the role `down` have neurons as columns. Experts of a layer add up.
    """
    found: dict[int, int] = {}
    for info in matrices:
        if info.role == "down":
            silent = int((~masks[info.name].any(dim=0)).sum())
            found[info.layer] = found.get(info.layer, 0) + silent
    return found
