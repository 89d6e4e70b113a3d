"""The state of a training run on disk: weights and optimizer in one safetensors file, replaced whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gaprune_viz.config import RetrainSpec
from gaprune_viz.errors import GapruneError

MOMENTS = ("exp_avg", "exp_avg_sq")


def save_checkpoint(
    place: Path,
    trained: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    spec: RetrainSpec,
    masks: Mapping[str, Tensor],
    step: int,
) -> None:
    """Write the state after a step.

    Raises:
        GapruneError: it cannot be written.
    """
    from safetensors.torch import save_file

    tensors = {f"weight:{name}": p.detach().contiguous() for name, p in trained.items()}
    for name, p in trained.items():
        state = optimizer.state.get(p, {})
        tensors |= {f"{moment}:{name}": state[moment].contiguous() for moment in MOMENTS if moment in state}
    beside = place.with_name(f"{place.name}.{os.getpid()}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, beside, metadata={"step": str(step), "content": content_of(spec, masks)})
        beside.replace(place)
    except OSError as error:
        raise GapruneError(f"Writing {place} failed: {error.strerror}.", "Check free space and permissions.") from error
    finally:
        beside.unlink(missing_ok=True)


@torch.no_grad()
def load_checkpoint(
    place: Path,
    trained: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    spec: RetrainSpec,
    masks: Mapping[str, Tensor],
) -> int:
    """Take up the state of a checkpoint.

    Returns:
        steps that are done; 0 where there is no checkpoint of this spec and these masks that can be read whole.
    """
    from safetensors import SafetensorError, safe_open

    if not place.is_file():
        return 0
    try:
        with safe_open(str(place), framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("content") != content_of(spec, masks):
                return 0
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        step = int(metadata["step"])
        if any(tensors[f"weight:{name}"].shape != p.shape for name, p in trained.items()):
            return 0
    except (OSError, SafetensorError, KeyError, ValueError):
        # A damaged checkpoint costs its steps, nothing else.
        return 0
    for name, p in trained.items():
        p.copy_(tensors[f"weight:{name}"])
        moments = {m: tensors[f"{m}:{name}"].to(p.device) for m in MOMENTS if f"{m}:{name}" in tensors}
        if len(moments) == len(MOMENTS):
            optimizer.state[p] = {"step": torch.tensor(float(step), device=p.device), **moments}
    return step


def content_of(spec: RetrainSpec, masks: Mapping[str, Tensor]) -> str:
    """A hash of what a checkpoint belongs to."""
    digest = hashlib.sha256(spec.key().encode())
    for name in sorted(masks):
        digest.update(name.encode())
        digest.update(masks[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
