"""MLP neurons in masks: rows that lose nearly all their inputs, and neurons that are cut whole.

A neuron of an MLP is a row of `up` (and of `gate`) and a column of `down`. One whose row is all but gone computes the
same for every text: with a bias and GELU, `gelu(bias)`, which its column adds to every token. A Fisher score prunes
such rows first, because a neuron that is always off has no gradient; a few hundred of them wake up and halve retrieval.
Without a bias the neuron answers 0, as it does where `gate` is gone: then what is left of it only costs sparsity.

Both remedies change scores and nothing else, whatever the sparsity: masks stay exact, nested in sparsity, and decided
by flat index where scores are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.models.mlps import Mlp, Placed, mlps_of

GONE = 0.95
"""Share of a row that has to be pruned for it to be all but gone."""

ScoreOf = Callable[[str], Tensor]


def rows_gone(mask: Tensor, neurons: int) -> Tensor:
    """Neurons of which a row of a feeder is all but gone, bool [neurons].

    Args:
        mask: bool [neurons, in], or [2 neurons, in] of a fused feeder; True = kept.
    """
    share = 1 - mask.float().mean(dim=1)
    return (share > GONE).view(-1, neurons).any(dim=0)


def waking(masks: Mapping[str, Tensor], matrices: Sequence[Placed]) -> dict[str, Tensor]:
    """Neurons that a mask leaves without input but not without output, bool [neurons] by the name of their `down`.

    Args:
        masks: bool [out, in] by matrix, True = kept.
    """
    found = {}
    for mlp in mlps_of(matrices):
        gone = torch.stack([rows_gone(masks[name], mlp.neurons) for name in mlp.feeders]).any(dim=0)
        found[mlp.down] = gone & masks[mlp.down].any(dim=0)
    return found


def waking_count(masks: Mapping[str, Tensor], matrices: Sequence[Placed]) -> int:
    """How many neurons `waking` finds."""
    return sum(int(neurons.sum()) for neurons in waking(masks, matrices).values())


@dataclass(frozen=True)
class Losses:
    """What exact masks do to rows and neurons.

    Attributes:
        rows: how many output rows of each matrix are all but gone.
        waking: how many neurons wake, by the name of their `down`.
    """

    rows: dict[str, int]
    waking: dict[str, int]

    @property
    def woken(self) -> int:
        """How many neurons wake in all."""
        return sum(self.waking.values())

    def waking_by_layer(self, matrices: Sequence[Placed]) -> dict[int, int]:
        """How many neurons wake in each layer that has an MLP; experts of a layer add up."""
        layer_of = {matrix.name: matrix.layer for matrix in matrices}
        found: dict[int, int] = {}
        for down, woken in self.waking.items():
            found[layer_of[down]] = found.get(layer_of[down], 0) + woken
        return found


def losses_of(masks: Mapping[str, Tensor], matrices: Sequence[Placed]) -> Losses:
    """Rows that are all but gone, and neurons that wake.

    Args:
        masks: bool [out, in] by matrix, True = kept.
    """
    rows = {name: int(rows_gone(mask, len(mask)).sum()) for name, mask in masks.items()}
    return Losses(rows, {down: int(neurons.sum()) for down, neurons in waking(masks, matrices).items()})


def woken_neuron(
    masks: Mapping[str, Tensor], matrices: Sequence[Placed], name: str, row: int, column: int
) -> int | None:
    """The neuron that a weight belongs to, where the masks wake it; None where not, or where it belongs to none."""
    for mlp in mlps_of(matrices):
        if name == mlp.down or name in mlp.feeders:
            neuron = column if name == mlp.down else row % mlp.neurons
            return neuron if bool(waking(masks, matrices)[mlp.down][neuron]) else None
    return None


def capped(values: np.ndarray, most: int) -> np.ndarray:
    """Scores in which the highest of every row can never go, so that no row loses more than `most`; float32 [out, in].

    Of equal scores those at later positions stay.
    """
    columns = values.shape[1]
    if most >= columns:
        return values
    order = np.argsort(values, axis=1, kind="stable")
    out = values.copy()
    np.put_along_axis(out, order[:, most:], np.float32(np.inf), axis=1)
    return out


class WholeNeurons:
    """Scores in which a neuron goes whole as soon as a row of it is all but gone.

    The score at which GONE of a row has been pruned is the neuron's end. The rest of its rows, and its column, count no
    more than that, the column a hair less: it goes first, so that a neuron at the threshold says nothing.
    """

    def __init__(self, score_of: ScoreOf, matrices: Sequence[Placed]) -> None:
        self.score_of = score_of
        self.mlps = {name: mlp for mlp in mlps_of(matrices) for name in (*mlp.feeders, mlp.down)}
        self._ends: dict[str, np.ndarray] = {}

    def __call__(self, name: str, values: np.ndarray) -> np.ndarray:
        """The scores of a matrix, float32 [out, in], changed."""
        mlp = self.mlps.get(name)
        if mlp is None:
            return values
        ends = self.ends(mlp)
        if name == mlp.down:
            return np.minimum(values, np.nextafter(ends, np.float32(-np.inf))[None, :])
        return np.minimum(values, np.tile(ends, len(values) // mlp.neurons)[:, None])

    def ends(self, mlp: Mlp) -> np.ndarray:
        """The score at which each neuron is all but gone, float32 [neurons]."""
        if mlp.down not in self._ends:
            self._ends[mlp.down] = np.min([_end_of_rows(self.score_of(n), mlp.neurons) for n in mlp.feeders], axis=0)
        return self._ends[mlp.down]


def _end_of_rows(scores: Tensor, neurons: int) -> np.ndarray:
    """The score with which more than GONE of a row has been pruned; the lower of two rows of a fused feeder."""
    values = scores.detach().to("cpu", torch.float32).numpy()
    count = int(GONE * values.shape[1]) + 1
    last = np.partition(values, count - 1, axis=1)[:, count - 1] if count <= values.shape[1] else values.max(axis=1)
    return last.reshape(-1, neurons).min(axis=0)
