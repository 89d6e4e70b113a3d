"""What a refit will take, before the analysis is even made: from shapes and texts alone, no weight is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from gaprune_viz.analysis.cost_estimate import Outline, outlined
from gaprune_viz.calibration.memory_plan import measure_speed
from gaprune_viz.calibration.run_plan import GIB
from gaprune_viz.config import RefitSpec, RunSpec
from gaprune_viz.errors import readable
from gaprune_viz.models.blocks import find_blocks, is_conv1d, is_linear
from gaprune_viz.models.roles import role_by_name
from gaprune_viz.models.skeleton import Skeleton
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.batches import batches_of
from gaprune_viz.pruning.refit.resource_plan import RefitPlan, plan_refit
from gaprune_viz.pruning.refit.stages import ENDING, Block, Layout, Part, Stage

# Layers of one of these groups read one tensor.
TOGETHER = (("query", "key", "value"), ("gate", "up"))
# Bytes of a token in the positions and masks that blocks are given, and of a pair of tokens in a mask of attention.
TOKEN_BYTES, PAIR_BYTES = 8, 4


@dataclass(frozen=True)
class ForeseenRefit:
    """What a refit will take.

    Attributes:
        plan: memory on top of the model, and work.
        seconds: on this machine, at the speed it had when asked.
    """

    plan: RefitPlan
    seconds: float

    @property
    def sentence(self) -> str:
        """For people."""
        seconds = self.seconds
        when = f"{max(1, round(seconds))} s" if seconds < 90 else f"{seconds / 60:.0f} min"
        return (
            f"A refit reads {self.plan.tokens:,} tokens: about {when} on this machine as busy as it is now, and "
            f"{readable(self.plan.peak_bytes)} of memory beside the model."
        )


def foresee(run: RunSpec, spec: RefitSpec, outline: Outline | None = None) -> ForeseenRefit:
    """What a refit of an analysis will take: by the usual names of layers, as the plan of the analysis is.

    Args:
        outline: of the run, where it is there already.

    Raises:
        GapruneError: as `predict`; or the run's memory is too little for the refit.
    """
    outline = outline or outlined(run)
    model = outline.model
    batches = batches_of(model, outline.sides, spec)
    weight = next(p for p in model.backbone.parameters() if p.ndim == 2)
    skeleton = Skeleton(model.backbone.config, weight.dtype, type(model.backbone))  # type: ignore[arg-type]
    own = sum(p.numel() * p.element_size() for p in model.backbone.parameters())
    budget = run.calibration.memory
    room = None if budget is None else max(0, int(budget * GIB) - own)
    layout = _layout(model.backbone, set(skeleton.targets(run.calibration.scope.value)))
    plan = plan_refit(layout, batches, weight.element_size(), room)
    return ForeseenRefit(plan, plan.work / measure_speed().products)


def _layout(backbone: nn.Module, names: set[str]) -> Layout:
    """The blocks of an outline, their layers in the order of its modules."""
    blocks = []
    for layer, (name, module) in enumerate(find_blocks(backbone)):
        linear = {f"{name}.{own}.weight": (own, m) for own, m in module.named_modules() if is_linear(m)}
        targets = [
            Target(full, m, layer, role_by_name(full) or "other", is_conv1d(m))
            for full, (_, m) in linear.items()
            if full in names
        ]
        stages = tuple(_stages(targets))
        position = {t.name: i for i, stage in enumerate(stages) for t in stage.targets}
        parts = tuple(
            Part(own, m, position.get(full, -1), Target(full, m, layer, "", is_conv1d(m)).shape[0])
            for full, (own, m) in linear.items()
        )
        weights = sum(m.weight.numel() for _, m in linear.values())  # type: ignore[union-attr, operator]
        blocks.append(Block(name, module, stages, parts, weights))
    last = max(i for i, block in enumerate(blocks) if block.stages)
    hidden = min(side for block in blocks for stage in block.stages for t in stage.targets for side in t.shape)
    config = getattr(backbone, "config", None)
    hidden = int(getattr(config, "hidden_size", None) or getattr(config, "d_model", None) or hidden)
    return Layout(tuple(blocks[: last + 1]), False, True, (TOKEN_BYTES, PAIR_BYTES), hidden)


def _stages(targets: list[Target]) -> Iterator[Stage]:
    """Layers that read one tensor, told by their roles."""
    left = list(targets)
    while left:
        group = next((roles for roles in TOGETHER if left[0].role in roles), ())
        together = [t for t in left if t is left[0] or t.role in group]
        left = [t for t in left if not any(t is one for one in together)]
        added = frozenset(t.name for t in together if t.role in ENDING)
        outputs = sum(t.shape[0] for t in together)
        yield Stage(tuple(together), added, bool(added) or outputs < together[0].shape[1])
