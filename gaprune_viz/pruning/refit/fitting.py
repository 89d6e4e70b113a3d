"""One stage of a refit: the sums over all tokens, and the weights that they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.gram import CrossSum, GramSum, Rows, lost
from gaprune_viz.pruning.refit.passes import Seen
from gaprune_viz.pruning.refit.solver import solve
from gaprune_viz.pruning.refit.stages import Stage

# Without any ridge two inputs that are always alike would have no unique weights.
LEAST_RIDGE = 1e-6
# The ridge from which it is raised where tokens are fewer than inputs.
SHORT_RIDGE = 0.01


@dataclass(frozen=True)
class LayerFit:
    """How a layer was refitted.

    Attributes:
        gain: what the weighted squared error lost by it, in the units of the layer's output squared, a token.
        iterations: of conjugate gradients, in the block of rows that took most.
        products: of one row with the Gram matrix, in all.
        residual: relative, when they stopped.
        ridge: in units of the mean power of the inputs.
    """

    name: str
    gain: float
    iterations: int
    products: int
    residual: float
    ridge: float


class StageFit:
    """Sums of one stage.

    Args:
        same: whether both models read the very same states, so that inputs do not differ.
    """

    def __init__(self, stage: Stage, same: bool) -> None:
        self.stage, self.same = stage, same
        device = stage.targets[0].parameter.device
        self.tokens = 0
        self.gram = GramSum(stage.width, device)
        if stage.direct:
            self.cross = [CrossSum(t.shape[0], stage.width, device) for t in stage.targets]
        else:
            self.cross = [] if same else [CrossSum(stage.width, stage.width, device)]

    @torch.no_grad()
    def add(self, rows: Rows, now: Seen, before: Seen) -> None:
        """Take in a batch.

        Args:
            now: of the refitted model.
            before: of the dense one.
        """
        assert now.inputs is not None
        x = rows.of(now.inputs)
        weighted = rows.weighted(x)
        self.gram.add(weighted)
        self.tokens += len(x)
        if self.stage.direct:
            for cross, result, wanted in zip(self.cross, now.results, before.results, strict=True):
                cross.add(rows.weighted(rows.of(wanted.float() - result.float())), weighted)
        elif self.cross:
            assert before.inputs is not None
            self.cross[0].add(rows.weighted(rows.of(before.inputs) - x), weighted)

    def wanted(self, position: int, keep: Tensor, gram: Tensor) -> Tensor:
        """R of one target, float32 [out, in]: the sum of what it is to make good times its inputs."""
        if self.stage.direct:
            return self.cross[position].finish()
        weight = self.stage.targets[position].weight.float()
        return lost(weight, keep, gram, self.cross[0].finish() if self.cross else None)


@torch.no_grad()
def fit(
    target: Target, keep: Tensor, gram: Tensor, wanted: Tensor, ridge: float, tolerance: float, tokens: int
) -> tuple[Tensor, LayerFit]:
    """The refitted weight of one target, in its own dtype [out, in], exactly 0 where the mask is; and how it went.

    Args:
        gram: H, float32 [in, in].
        wanted: R, float32 [out, in].
        ridge: in units of the mean of H's diagonal.

    Raises:
        GapruneError: the sums are not finite.
    """
    ridge = max(ridge, LEAST_RIDGE)
    power = float(gram.diagonal().double().mean())
    if not bool(torch.isfinite(wanted).all()) or not torch.isfinite(torch.tensor(power)):
        raise GapruneError(
            f"What {target.name} reads or is to give is not finite.", "Use float32, or a lower sparsity."
        )
    found = solve(gram, wanted, keep, ridge * power, tolerance)
    weight = (target.weight.float() + found.change).masked_fill_(~keep, 0).to(target.parameter.dtype)
    if not bool(torch.isfinite(weight).all()):
        raise GapruneError(f"The refit of {target.name} is not finite.", "Use a larger ridge, or float32.")
    gain = float((found.change.double() * wanted).sum()) / max(tokens, 1)
    return weight, LayerFit(target.name, gain, found.iterations, found.products, found.residual, ridge)


def ridge_for(ridge: float, tokens: int, width: int) -> float:
    """The ridge for a layer of so many inputs: larger where there are fewer tokens than inputs."""
    return ridge if tokens >= width else max(ridge, SHORT_RIDGE) * width / max(tokens, 1)


def shortage(spec_ridge: float, tokens: int, stages: Sequence[Stage]) -> list[str]:
    """A line where the texts hold fewer tokens than the widest layer has inputs."""
    widest = max(stages, key=lambda stage: stage.width)
    if tokens >= widest.width:
        return []
    raised: Mapping[int, float] = {stage.width: ridge_for(spec_ridge, tokens, stage.width) for stage in stages}
    return [
        f"The texts of the refit hold {tokens:,} tokens, fewer than the {widest.width:,} inputs of "
        f"{widest.targets[0].name}: its ridge was raised from {spec_ridge:g} to {raised[widest.width]:.3g}. "
        "More texts would do better."
    ]
