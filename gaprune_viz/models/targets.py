"""Which weights may be pruned: the Linear layers inside transformer blocks, each with layer index and role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gaprune_viz.config import Scope
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import find_blocks, has_own_forward, is_conv1d, is_linear
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.roles import ATTENTION_ROLES, MLP_ROLES, detect_roles, role_by_name


@dataclass(frozen=True, eq=False)
class Target:
    """One prunable weight matrix.

    Attributes:
        name: of the parameter in `backbone.named_parameters()`.
        module: the layer that owns it.
        layer: index of its transformer block.
        role: what it does there, for example `query` or `down`.
        transposed: True for GPT-2 style Conv1D, whose parameter is [in, out].
        gate_first: of a fused gate and up, whether the first half of its rows is the gate.
    """

    name: str
    module: nn.Module
    layer: int
    role: str
    transposed: bool
    gate_first: bool = True

    @property
    def parameter(self) -> nn.Parameter:
        return self.module.weight  # type: ignore[return-value]

    @property
    def weight(self) -> Tensor:
        """View of the weight as [out, in], whatever the layer's own layout."""
        data = self.parameter.detach()
        return data.t() if self.transposed else data

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.weight.shape
        return int(rows), int(columns)

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def columns(self) -> int:
        return self.shape[1]

    @property
    def size(self) -> int:
        return self.parameter.numel()

    @property
    def scope(self) -> str:
        """`attention` or `mlp`; `other` where the role is unknown."""
        if self.role in ATTENTION_ROLES:
            return "attention"
        return "mlp" if self.role in MLP_ROLES else "other"


@dataclass(frozen=True)
class Inventory:
    """What can be pruned and what cannot.

    Attributes:
        targets: every prunable matrix, in order of layer and execution.
        refused: parameter name -> why it is not prunable.
        notes: where structure and the family's usual names disagree, one line each.
    """

    targets: tuple[Target, ...]
    refused: dict[str, str]
    notes: tuple[str, ...]


def inventory(model: EmbeddingModel) -> Inventory:
    """List what is prunable, found by structure: which layer feeds which.

    Raises:
        GapruneError: the model has no linear layer inside a transformer block.
    """
    backbone = model.backbone
    blocks = find_blocks(backbone)
    roles, executed, halves = detect_roles(model, blocks)
    targets: list[Target] = []
    notes: list[str] = []
    seen: set[int] = set()
    for layer, (block_name, block) in enumerate(blocks):
        for relative, module in block.named_modules():
            name = f"{block_name}.{relative}.weight" if relative else f"{block_name}.weight"
            if not is_linear(module) or id(module.weight) in seen or not executed.get(name):
                continue
            seen.add(id(module.weight))
            role = roles[name]
            usual = role_by_name(name)
            if usual is not None and usual != role:
                notes.append(f"{name}: works as {role}, although its name says {usual}.")
            targets.append(Target(name, module, layer, role, is_conv1d(module), halves.get(name, True)))
    order = {name: i for i, name in enumerate(executed)}
    targets.sort(key=lambda t: (t.layer, order[t.name]))
    if not targets:
        reason = "its layers do not read one text's tokens at a time" if executed else "no block holds a linear layer"
        raise GapruneError(
            f"{model.label} has no prunable weights: {reason}.", "Choose a transformer model such as the default one."
        )
    _refuse_random(targets, model.label)
    refused = _refusals(backbone, {t.name for t in targets}, [name for name, _ in blocks], executed)
    return Inventory(tuple(targets), refused, tuple(notes))


def _refuse_random(targets: Sequence[Target], label: str) -> None:
    """Refuse weights that were not in the model's files: transformers fills them with random numbers and goes on.

    transformers marks what it loaded; where it marks nothing at all, nothing can be said.

    Raises:
        GapruneError: naming the first missing weight.
    """
    missing = [t.name for t in targets if not getattr(t.parameter, "_is_hf_initialized", False)]
    if missing and len(missing) < len(targets):
        raise GapruneError(
            f"The files of {label} lack {len(missing)} weights, for example {missing[0]}.",
            "Copy or download the model again; random weights are not analysed.",
        )


def find_targets(model: EmbeddingModel, scope: Scope) -> tuple[Target, ...]:
    """The prunable matrices of a scope.

    Raises:
        GapruneError: there is none.
    """
    return in_scope(inventory(model), scope, model.label)


def in_scope(found: Inventory, scope: Scope, label: str) -> tuple[Target, ...]:
    """Those targets of an inventory that a scope names; `linear` takes them all."""
    chosen = tuple(t for t in found.targets if scope is Scope.LINEAR or t.scope == scope.value)
    if not chosen:
        raise GapruneError(f"{label} has no prunable weights in the scope {scope.value}.", "Try the scope `linear`.")
    return chosen


def _refusals(
    backbone: nn.Module, chosen: set[str], blocks: Iterable[str], executed: Mapping[str, bool]
) -> dict[str, str]:
    """Why each other parameter stays as it is."""
    prefixes = tuple(f"{name}." for name in blocks)
    owners = {
        f"{n}.{p}" if n else p: m for n, m in backbone.named_modules() for p, _ in m.named_parameters(recurse=False)
    }
    reasons: dict[str, str] = {}
    for name, parameter in backbone.named_parameters():
        if name in chosen:
            continue
        owner = owners[name]
        if isinstance(owner, nn.Embedding):
            reasons[name] = "an embedding table: every row is a word or position"
        elif parameter.ndim < 2:
            reasons[name] = "a bias or a normalisation: too small to matter, too sensitive to cut"
        elif parameter.ndim > 2:
            reasons[name] = "a stack of experts: not a plain matrix"
        elif not name.startswith(prefixes):
            reasons[name] = "outside the transformer blocks"
        elif name in executed and has_own_forward(owner):
            reasons[name] = f"a layer with a computation of its own ({type(owner).__name__})"
        elif name in executed:
            reasons[name] = "reads more than the tokens of a text: its gradient cannot be told apart by sample"
        elif is_linear(owner):
            reasons[name] = "not used when a text is embedded"
        else:
            reasons[name] = f"not a linear layer ({type(owner).__name__})"
    return reasons


def weights_of(targets: Iterable[Target]) -> dict[str, Tensor]:
    """Copies of the weights, float32 [out, in], by name."""
    return {t.name: t.weight.to(torch.float32).contiguous() for t in targets}
