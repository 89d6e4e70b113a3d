"""From the statistics of sources to those of the two sides: weighted mixtures, one matrix at a time.

Fisher information, mean gradients, mean activations, how often a neuron is on and what it is worth are means over
samples or tokens, and so the mixture's are weighted means of the sources'. An activation norm is the root of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.calibration.collecting import SideResult
from gaprune_viz.calibration.sources.source_statistics import mapped
from gaprune_viz.calibration.statistics import METADATA, TENSOR_FILE, fields_of, tensor_shapes
from gaprune_viz.config import SIDES
from gaprune_viz.models.targets import Target
from gaprune_viz.storage.tensor_file import TensorFile


@dataclass(frozen=True)
class Share:
    """Of which side a source is, and its weight there; the weights of a side add up to 1."""

    side: str
    weight: float


def mix_tensors(folder: Path, targets: Sequence[Target], shares: Sequence[Share]) -> list[float]:
    """Write `statistics.safetensors` from `sources.safetensors`; no more than one matrix is held.

    Args:
        targets: the calibrated weights.
        shares: of each source, in the order of the file.

    Returns:
        the mean of each source's Fisher information over all targets.
    """
    downs = {t.name for t in targets if t.role == "down"}
    shapes = tensor_shapes({t.name: t.shape for t in targets}, downs)
    sums = np.zeros(len(shares))
    with TensorFile(folder / TENSOR_FILE, shapes, METADATA) as file:
        for target in targets:
            # Opened anew: pages that were read are let go of with it.
            source = mapped(folder)
            for field in fields_of("down" if target.name in downs else ""):
                kind, side = field.split("_")
                parts = [(n, share.weight) for n, share in enumerate(shares) if share.side == side]
                found = [(source.get_tensor(f"{target.name}:{kind}_{n}"), weight) for n, weight in parts]
                file.write(f"{target.name}:{field}", mixture(found, root=kind == "act"))
                if kind == "fisher":
                    for (n, _), (tensor, _) in zip(parts, found, strict=True):
                        sums[n] += float(tensor.sum(dtype=torch.float64))
    size = sum(rows * columns for rows, columns in (t.shape for t in targets))
    return (sums / size).tolist()


def mixture(parts: Sequence[tuple[Tensor, float]], *, root: bool = False) -> Tensor:
    """The weighted mean of some statistic, float32; of what is the root of a mean, the root of that of the squares.

    Args:
        parts: statistic and weight of each source; the weights add up to 1.
    """
    if len(parts) == 1:
        return parts[0][0]
    total = torch.zeros_like(parts[0][0])
    for values, weight in parts:
        total.add_(values.square() if root else values, alpha=weight)
    return total.sqrt_() if root else total


def mix_results(results: Mapping[str, SideResult], shares: Sequence[Share]) -> dict[str, SideResult]:
    """What the sides leave beside their tensors.

    The number of samples that a mixture rests on is Kish's: 1 / sum(w_s^2 / n_s) over its sources.

    Args:
        results: of each source by its number.
    """
    found = {}
    for side in SIDES:
        parts = [(results[str(n)], share.weight) for n, share in enumerate(shares) if share.side == side]
        # A source that carries nothing adds nothing to what the others rest on.
        carrying = [(part.effective, weight) for part, weight in parts if part.effective > 0]
        found[side] = SideResult(
            losses=np.concatenate([part.losses for part, _ in parts]),
            effective=1 / sum(weight**2 / number for number, weight in carrying) if carrying else 0.0,
            tokens=sum(part.tokens for part, _ in parts),
            weights=np.concatenate([np.full(len(part.losses), weight / len(part.losses)) for part, weight in parts]),
        )
    return found
