"""Whether a model's configuration can say what is left after a cut, found out before any work.

A plain transformers folder is rebuilt from its `config.json`. So the configuration with the new numbers is built
without weights, and every weight has to have the shape there that the cut gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gaprune_viz.config import Structure
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import find_blocks
from gaprune_viz.models.encoder import EmbeddingModel

Shape = tuple[int, ...]

# What the families call the width of an MLP, the numbers of heads, and of layers.
WIDTHS = ("intermediate_size", "hidden_dim", "ffn_dim", "d_ff", "n_inner")
HEADS = ("num_attention_heads", "num_key_value_heads")
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
# Lists with an entry for each layer.
BY_LAYER = ("layer_types", "mlp_layer_types", "no_rope_layers")


def changes_of(structure: Structure, model: EmbeddingModel, before: int, kept: Tensor) -> dict[str, Any]:
    """What a cut changes in the configuration.

    Args:
        before: units of each group.
        kept: bool [units], of a group; of neurons and heads only their number matters.

    Raises:
        GapruneError: the configuration has no number for it.
    """
    config, after = model.backbone.config, int(kept.sum())
    if structure is Structure.NEURONS:
        name = next((n for n in WIDTHS if getattr(config, n, None) == before), None)
        if name is None and getattr(config, "n_inner", 0) is None:
            # GPT-2 writes nothing where it is four times the hidden size.
            name = "n_inner"
        return {_known(name, model, "the width of its MLPs"): after}
    if structure is Structure.HEADS:
        heads = {name: getattr(config, name, None) for name in HEADS}
        plain = {name: int(count) * after // before for name, count in heads.items() if isinstance(count, int)}
        return plain or {_known(None, model, "how many heads it has"): 0}
    name = next((n for n in LAYERS if getattr(config, n, None) == before), None)
    found: dict[str, Any] = {_known(name, model, "how many layers it has"): after}
    for name in BY_LAYER:
        values = getattr(config, name, None)
        if isinstance(values, (list, tuple)) and len(values) == before:
            found[name] = [value for value, stays in zip(values, kept.tolist(), strict=True) if stays]
    return found


def refuse_inexpressible(model: EmbeddingModel, changes: Mapping[str, Any], shapes: Mapping[str, Shape]) -> None:
    """Refuse a cut after which the configuration would not give the same weights.

    Args:
        shapes: of every parameter after the cut, by its name then.

    Raises:
        GapruneError: naming the first weight that would not fit, or what the configuration says.
    """
    from huggingface_hub.errors import StrictDataclassError

    config: Any = model.backbone.config
    said = ", ".join(f"{name} {value}" for name, value in changes.items())
    try:
        with torch.device("meta"):
            built = type(model.backbone)(type(config).from_dict({**config.to_dict(), **changes}))
    except (StrictDataclassError, ValueError, TypeError, AttributeError, LookupError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise GapruneError(
            f"The configuration of {model.label} cannot say {said}: {lines[-1] if lines else type(error).__name__}",
            "Choose another sparsity, or another structure.",
        ) from error
    found = {name: tuple(parameter.shape) for name, parameter in built.named_parameters()}
    inside = tuple(f"{name}." for name, _ in find_blocks(built))
    wrong = next((name for name, shape in shapes.items() if found.get(name) != shape), None)
    wrong = wrong or next((name for name in found if name not in shapes and name.startswith(inside)), None)
    if wrong is not None:
        raise GapruneError(
            f"The configuration of {model.label} cannot express this cut: with {said}, {wrong} would be "
            f"{list(found[wrong]) if wrong in found else 'missing'} and has to be "
            f"{list(shapes[wrong]) if wrong in shapes else 'missing'}.",
            "Choose another structure, or prune single weights.",
        )


def _known(name: str | None, model: EmbeddingModel, what: str) -> str:
    if name is None:
        raise GapruneError(
            f"The configuration of {model.label} does not say {what}.",
            "Choose another structure, or prune single weights.",
        )
    return name
