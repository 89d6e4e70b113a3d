"""Small matrices of scores, the layers they are in, and masks as lists."""

from __future__ import annotations

import torch

from gaprune_viz.masking.masks import MaskResult

Scores = dict[str, torch.Tensor]
LAYERS = {"a": 0, "b": 1, "c": 0, "d": 1}


def matrix(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def as_lists(result: MaskResult) -> dict[str, list[list[bool]]]:
    return {name: mask.tolist() for name, mask in result.masks.items()}
