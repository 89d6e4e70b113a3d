"""A model without its numbers: shapes, names, and what a batch leaves in memory, computed without doing the work.

Everything runs under torch's FakeTensorMode: operators compute shapes and nothing else, so that a model of any size
is weighed in a second or two and takes no memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import find_blocks, is_conv1d, is_linear
from gaprune_viz.models.files.construction import constructing
from gaprune_viz.models.roles import ATTENTION_ROLES, MLP_ROLES, role_by_name

Shape = tuple[int, int]


@dataclass(frozen=True)
class Footprint:
    """What one batch needs.

    Attributes:
        saved: bytes that the forward pass leaves for the backward one.
        passing: most bytes that the backward pass holds beside them at a time.
        flops: floating-point operations of the forward pass.
        tokens: padded size.
    """

    saved: int
    passing: int
    flops: int
    tokens: int


class Skeleton:
    """A backbone of fake tensors.

    Args:
        config: of transformers; decides every shape.
        dtype: of the weights.
        kind: the class of the backbone; None for the one that transformers makes of the config.
    """

    def __init__(self, config: Any, dtype: torch.dtype = torch.float32, kind: type[nn.Module] | None = None) -> None:
        from torch._subclasses.fake_tensor import FakeTensorMode

        self.mode = FakeTensorMode()
        with self.mode:
            self.backbone = _of_config(config, kind, dtype).eval().requires_grad_(False)
        self.parameters = sum(p.numel() for p in self.backbone.parameters())
        self.bytes = _bytes_of([*self.backbone.parameters(), *self.backbone.buffers()])

    def targets(self, scope: str) -> dict[str, Shape]:
        """Name and [out, in] of the matrices of a scope (`mlp`, `attention`, `linear`), by the usual names.

        Raises:
            GapruneError: there is none.
        """
        roles = {"mlp": MLP_ROLES, "attention": ATTENTION_ROLES, "linear": (*MLP_ROLES, *ATTENTION_ROLES, None)}[scope]
        found: dict[str, Shape] = {}
        for block_name, block in find_blocks(self.backbone):
            for relative, module in block.named_modules():
                name = f"{block_name}.{relative}.weight"
                if is_linear(module) and role_by_name(name) in roles:
                    found[name] = _shape_of(module)
        if not found:
            raise GapruneError(f"The model has no prunable weights in the scope {scope}.", "Try the scope `linear`.")
        return found

    def footprint(self, batch: Iterable[Shape], targets: Collection[str]) -> Footprint:
        """Weigh one batch.

        Args:
            batch: (texts, tokens of the longest) of each forward pass.
            targets: names of the weights whose inputs are kept for the products.
        """
        from torch.utils.flop_counter import FlopCounterMode

        saved = _Saved(self.backbone)
        counter = FlopCounterMode(display=False)
        tokens = 0
        keeps = (torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(saved.keep, lambda x: x))
        with self.mode, counter, keeps[0], keeps[1], _recording(self.backbone, targets, saved):
            outputs = []
            for texts, longest in batch:
                ids = torch.zeros(texts, longest, dtype=torch.long)
                states = self.backbone(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
                outputs.append(states)
                tokens += texts * longest
        return Footprint(saved.bytes, _passing(self.backbone, targets, tokens), counter.get_total_flops(), tokens)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _of_config(config: Any, kind: type[nn.Module] | None, dtype: torch.dtype) -> Any:
    from transformers import AutoModel, T5EncoderModel

    if kind is None and config.model_type in ("t5", "mt5"):
        # sentence-transformers takes the encoder alone.
        kind = T5EncoderModel
    with constructing(), _default_dtype(dtype):
        return AutoModel.from_config(config) if kind is None else kind(config)


def _bytes_of(tensors: Iterable[Tensor]) -> int:
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def _shape_of(linear: nn.Module) -> Shape:
    """[out, in], whatever the layer's own layout."""
    rows, columns = map(int, linear.weight.shape)  # type: ignore[union-attr, arg-type]
    return (columns, rows) if is_conv1d(linear) else (rows, columns)


class _Saved:
    """Bytes of all tensors that are kept, each storage once, the model's own not at all."""

    def __init__(self, backbone: nn.Module) -> None:
        own = [*backbone.parameters(), *backbone.buffers()]
        self.own = {t.untyped_storage()._cdata for t in own}
        # The tensors are held, because the address of one that was let go of is given to the next.
        self.kept: dict[int, Tensor] = {}
        self.bytes = 0

    def keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.own and storage._cdata not in self.kept:
            self.kept[storage._cdata] = tensor
            self.bytes += storage.nbytes()
        return tensor


@contextmanager
def _recording(backbone: nn.Module, targets: Collection[str], saved: _Saved) -> Iterator[None]:
    """Keep the inputs of the targets, and begin the graph at the first of them, as calibration does."""

    def hook(module: nn.Module, args: tuple[Tensor, ...], out: Any) -> Any:
        # A layer that derives from Linear and gives something else is found out, and left out, once it runs.
        if not isinstance(out, Tensor):
            return out
        if not out.requires_grad:
            out = out.requires_grad_(True).clone()
        saved.keep(args[0].detach())
        return out

    handles = [m.register_forward_hook(hook) for n, m in backbone.named_modules() if f"{n}.weight" in targets]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _passing(backbone: nn.Module, targets: Collection[str], tokens: int) -> int:
    """Most bytes of a target's float32 inputs and output gradients, gathered by sample, and of the gradients that flow.

    Calibration gathers both, squares the inputs, and the backward holds the gradient on either side of the layer.
    """
    shapes = [_shape_of(m) for n, m in backbone.named_modules() if f"{n}.weight" in targets]
    return 4 * tokens * 2 * max((sum(shape) for shape in shapes), default=0)
