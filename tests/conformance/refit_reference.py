"""The refit that its formula describes, done the slow way: whole models, one text at a time, float64, row by row.

Nothing of it is shared with what it checks: no block is replayed, no text is padded, every row is solved by its own
Cholesky factorisation on its kept columns.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gaprune_viz.models.blocks import is_conv1d
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target

# What the output of attention and of the MLP is added to, by family. A block's input, "in", or what the attention
# left on the stream: for a block that norms after it adds, what its MLP reads, "up". None: nothing that a layer sees.
PRE_NORM = {"attention_output": ("in",), "down": ("in", "attention_output")}
POST_NORM = {"attention_output": ("in",), "down": ("up",)}
NORMED = {"attention_output": (), "down": ()}
STREAMS: dict[str, dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "mpnet", "distilbert"), POST_NORM),
    **dict.fromkeys(("modernbert", "qwen2", "qwen3", "llama", "mistral", "gpt2", "t5"), PRE_NORM),
    **dict.fromkeys(("gemma", "embeddinggemma"), NORMED),
    "gpt_neox": {"attention_output": (), "down": ("attention_output",)},
}


class Watched:
    """A model in float64 that tells, text by text, what its layers read and give."""

    def __init__(self, model: EmbeddingModel, targets: Sequence[Target], blocks: Sequence[nn.Module]) -> None:
        names = {module: name for name, module in model.backbone.named_modules()}
        self.backbone = copy.deepcopy(model.backbone).double()
        modules = dict(self.backbone.named_modules())
        self.modules = {t.name: modules[names[t.module]] for t in targets}
        self.blocks = [modules[names[block]] for block in blocks]
        self.seen: dict[Any, Tensor] = {}
        for t in targets:
            self.modules[t.name].register_forward_hook(self._keep(t.name))
        for i, block in enumerate(self.blocks):
            block.register_forward_pre_hook(self._keep_states(i), with_kwargs=True)

    def _keep(self, name: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Tensor) -> None:
            self.seen[name, "reads"] = args[0].reshape(-1, args[0].shape[-1])
            self.seen[name, "gives"] = out.reshape(-1, out.shape[-1])

        return hook

    def _keep_states(self, layer: int) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            self.seen[layer, "in"] = args[0].reshape(-1, args[0].shape[-1])

        return hook

    @torch.no_grad()
    def read(self, ids: Sequence[int]) -> dict[Any, Tensor]:
        """What every layer reads and gives for one text, [tokens, ...]."""
        self.seen.clear()
        tokens = torch.tensor([list(ids)])
        self.backbone(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        return dict(self.seen)

    def weight(self, target: Target) -> Tensor:
        """[out, in]; a view."""
        module: Any = self.modules[target.name]
        return module.weight.data.t() if is_conv1d(module) else module.weight.data


def stream(seen: Mapping[Any, Tensor], target: Target, targets: Sequence[Target], family: str) -> Tensor | float:
    """What the output of a layer is added to; 0 where nothing is known."""
    total: Tensor | float = 0.0
    for part in STREAMS[family].get(target.role, ()):
        if part == "in":
            total = total + seen[target.layer, "in"]
        else:
            other = next(t for t in targets if t.layer == target.layer and t.role == part)
            total = total + seen[other.name, "reads" if part == "up" else "gives"]
    return total


def exact(gram: Tensor, wanted: Tensor, keep: Tensor, ridge: float) -> Tensor:
    """The change of the kept weights that minimises the objective, row by row; float64 [out, in]."""
    change = torch.zeros_like(wanted)
    for i, row in enumerate(keep):
        columns = row.nonzero()[:, 0]
        if len(columns):
            matrix = gram[columns][:, columns] + ridge * torch.eye(len(columns), dtype=gram.dtype)
            change[i, columns] = torch.cholesky_solve(wanted[i, columns, None], torch.linalg.cholesky(matrix))[:, 0]
    return change


def objective(change: Tensor, gram: Tensor, wanted: Tensor, before: Tensor, ridge: float) -> Tensor:
    """The squared error and the pull of each row, float64 [out]; `before` is the squared error without a change."""
    return before + ((change @ gram - 2 * wanted) * change).sum(1) + ridge * change.square().sum(1)


def reference(
    model: EmbeddingModel,
    family: str,
    targets: Sequence[Target],
    blocks: Sequence[nn.Module],
    masks: Mapping[str, Tensor],
    texts: Mapping[tuple[int, ...], float],
    ridge: float,
) -> tuple[dict[str, Tensor], dict[str, tuple[float, float]]]:
    """Refitted weights, float64 [out, in], and of each layer the squared error under the mask alone and refitted.

    Args:
        texts: token ids -> how much each of their tokens counts.
    """
    dense, student = Watched(model, targets, blocks), Watched(model, targets, blocks)
    for target in targets:
        student.weight(target).mul_(masks[target.name])
    expected = {ids: dense.read(ids) for ids in texts}
    errors: dict[str, tuple[float, float]] = {}
    for target in targets:
        rows, columns = target.shape
        gram, wanted = torch.zeros(columns, columns).double(), torch.zeros(rows, columns).double()
        before = torch.zeros(rows).double()
        for ids, weight in texts.items():
            now, then = student.read(ids), expected[ids]
            x = now[target.name, "reads"]
            lost = then[target.name, "gives"] - now[target.name, "gives"]
            lost = lost + stream(then, target, targets, family) - stream(now, target, targets, family)
            gram += weight * x.t() @ x
            wanted += weight * lost.t() @ x
            before += weight * lost.square().sum(0)
        pull = ridge * float(gram.diagonal().mean())
        change = exact(gram, wanted, masks[target.name], pull)
        errors[target.name] = float(before.sum()), float(objective(change, gram, wanted, before, 0.0).sum())
        student.weight(target).add_(change)
    return {t.name: student.weight(t).clone() for t in targets}, errors
