"""What each linear layer of a transformer block does, found by what feeds what.

Names differ between families; the flow does not. Each layer's output is changed in turn at one position of a short
probe, and what then changes at the inputs of the other layers tells its role:

- the first layer whose input changes at *other* positions than the changed one reads the attention's output;
- of the layers that feed it, a query moves its own position only; keys and values move others;
- flipping the sign of a value flips what comes out of the attention (it is linear); flipping a key does not;
- in an MLP, flipping `up` flips the input of `down`; `gate` goes through the activation, so flipping it does not. In a
  fused matrix the half that does not flip it is the gate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import is_linear, multiplies
from gaprune_viz.models.encoder import EmbeddingModel

ATTENTION_ROLES = ("query", "key", "value", "fused_qkv", "attention_output")
MLP_ROLES = ("gate", "up", "fused_gate_up", "down")
ROLES = (*ATTENTION_ROLES, *MLP_ROLES, "other")

PROBE_LENGTH = 6
PROBE_POSITION = 2

# The usual names, a cross-check only: the structure decides.
FAMILY_NAMES: tuple[tuple[str, str], ...] = (
    (r"attention\.self\.query|attn\.q|q_lin|q_proj|SelfAttention\.q", "query"),
    (r"attention\.self\.key|attn\.k|k_lin|k_proj|SelfAttention\.k", "key"),
    (r"attention\.self\.value|attn\.v|v_lin|v_proj|SelfAttention\.v", "value"),
    (
        r"attention\.output\.dense|attn\.o|out_lin|o_proj|SelfAttention\.o|attn\.Wo|attn\.c_proj|attention\.dense",
        "attention_output",
    ),
    (r"attn\.Wqkv|attn\.c_attn|query_key_value|qkv_proj", "fused_qkv"),
    (r"mlp\.Wi|gate_up_proj", "fused_gate_up"),
    (r"gate_proj|wi_0", "gate"),
    (r"intermediate\.dense|lin1|up_proj|wi_1|DenseReluDense\.wi|mlp\.c_fc|dense_h_to_4h", "up"),
    (r"(?<!attention\.)output\.dense|lin2|down_proj|DenseReluDense\.wo|mlp\.Wo|mlp\.c_proj|dense_4h_to_h", "down"),
)


def role_by_name(name: str) -> str | None:
    """The role that the usual names of the known families suggest; None for an unknown name."""
    stem = name.removesuffix(".weight")
    return next((role for pattern, role in FAMILY_NAMES if re.search(rf"(?<![^.])(?:{pattern})$", stem)), None)


@torch.no_grad()
def detect_roles(
    model: EmbeddingModel, blocks: Sequence[tuple[str, nn.Module]]
) -> tuple[dict[str, str], dict[str, bool], dict[str, bool]]:
    """Probe the blocks of a model. Blocks of one shape are probed once.

    Returns:
        role of each executed weight, by parameter name; the executed weights in order of execution, False for
        those that read anything but the tokens of a text in their order, which get no role; and for each fused gate
        and up, whether the first half of its rows is the gate.
    """
    calls, order = _record_probe(model, blocks)
    roles: dict[str, str] = {}
    halves: dict[str, bool] = {}
    known: dict[tuple[Any, ...], tuple[dict[str, str], dict[str, bool]]] = {}
    for block_name, block in blocks:
        if block_name not in calls:
            continue
        linears = {
            relative: module
            for relative, module in block.named_modules()
            if is_linear(module) and order.get(f"{block_name}.{relative}.weight")
        }
        shape = (type(block), *((relative, module.weight.shape) for relative, module in linears.items()))
        if shape not in known:
            args, kwargs = calls[block_name]
            probe = BlockProbe(block, linears, args, kwargs)
            known[shape] = probe.roles(), probe.gate_first
        found, gate_first = known[shape]
        roles |= {f"{block_name}.{relative}.weight": role for relative, role in found.items()}
        halves |= {f"{block_name}.{relative}.weight": first for relative, first in gate_first.items()}
    return roles, order, halves


def _record_probe(
    model: EmbeddingModel, blocks: Sequence[tuple[str, nn.Module]]
) -> tuple[dict[str, tuple[tuple[Any, ...], dict[str, Any]]], dict[str, bool]]:
    """Run a short probe; keep each block's arguments, and which linear layers run in which order on what."""
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
    order: dict[str, bool] = {}
    handles = []
    for block_name, block in blocks:

        def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], name: str = block_name) -> None:
            calls.setdefault(name, (tuple(map(without_cache, args)), {k: without_cache(v) for k, v in kwargs.items()}))

        handles.append(block.register_forward_pre_hook(keep, with_kwargs=True))
        for relative, module in block.named_modules():
            if is_linear(module):

                def begin(module: nn.Module, args: Any, name: str = f"{block_name}.{relative}.weight") -> None:
                    order[name] = order.get(name, True) and reads_tokens(args[0], 1, PROBE_LENGTH)

                def end(module: nn.Module, args: Any, out: Any, name: str = f"{block_name}.{relative}.weight") -> None:
                    order[name] = order[name] and multiplies(module, args[0], out)

                handles += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    vocabulary = int(getattr(model.backbone.config, "vocab_size", 64))  # type: ignore[union-attr, arg-type]
    ids = [(7 * i + 5) % vocabulary for i in range(PROBE_LENGTH)]
    try:
        vector = model.embed(model.features([ids], "passage"))
    finally:
        for handle in handles:
            handle.remove()
    if not bool(torch.isfinite(vector).all()):
        raise GapruneError(
            f"{model.label} answers a short text with numbers that are not finite.",
            "Its files may be damaged: copy or download it again. In half precision, use float32.",
        )
    return calls, order


def reads_tokens(inputs: Tensor, texts: int, longest: int) -> bool:
    """Whether a layer's input holds one row per token, text after text: [texts, longest, in] or flattened.

    Some layers read relative positions, or time before batch: their rows cannot be told apart by text.
    """
    if inputs.ndim > 2 and tuple(inputs.shape[:2]) != (texts, longest):
        return False
    return inputs.numel() == texts * longest * inputs.shape[-1]


def without_cache(argument: Any) -> Any:
    """A cache of keys and values would grow with every replay."""
    from transformers import Cache

    return None if isinstance(argument, Cache) else argument


class BlockProbe:
    """Interventions on one block, replayed with recorded arguments."""

    def __init__(
        self, block: nn.Module, linears: dict[str, nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.block, self.linears, self.args, self.kwargs = block, linears, args, kwargs
        self.gate_first: dict[str, bool] = {}
        self.order: list[str] = []
        self.base = self._inputs(None, None)
        # Rounding moves every input a little; a real effect is far above that.
        self.noise = {name: 1e-3 * float(x.abs().mean()) + 1e-9 for name, x in self.base.items()}

    def roles(self) -> dict[str, str]:
        """Role of each linear layer of the block, by its name in the block."""
        reach = {name: self._reach(name) for name in self.order}
        roles = dict.fromkeys(self.order, "other")
        mixed = [next((m for m in self.order if m in others), None) for _, others in reach.values()]
        output = next((name for name in self.order if name in mixed), None)
        first = {name: next((m for m in self.order if m in same), None) for name, (same, _) in reach.items()}
        if output is not None:
            roles[output] = "attention_output"
            readers = [name for name in self.order if first[name] == output]
            roles.update(self._attention_roles(readers, output, reach))
        for down in self.order:
            feeders = [name for name in self.order if first[name] == down]
            # What attention or an MLP feeds begins something new: it does not end an MLP.
            if feeders and all(roles[name] == "other" for name in (down, *feeders)):
                roles[down] = "down"
                roles.update(self._mlp_roles(feeders, down))
        return roles

    def _attention_roles(
        self, readers: list[str], output: str, reach: dict[str, tuple[set[str], set[str]]]
    ) -> dict[str, str]:
        if len(readers) == 1:
            width = self.base[output].shape[-1]
            return {readers[0]: "fused_qkv" if _outputs(self.linears[readers[0]]) > width else "value"}
        roles: dict[str, str] = {}
        for name in readers:
            if output not in reach[name][1]:
                roles[name] = "query"
            else:
                roles[name] = "value" if self._flips(name, output) else "key"
        if "value" not in roles.values():
            # Keys and values come from one matrix: nothing in it can be told apart.
            return {name: "query" if role == "query" else "fused_qkv" for name, role in roles.items()}
        return roles

    def _mlp_roles(self, feeders: list[str], down: str) -> dict[str, str]:
        if len(feeders) == 1:
            wide = self.linears[feeders[0]]
            narrow = self.base[down].shape[-1]
            if _outputs(wide) != 2 * narrow:
                return {feeders[0]: "up"}
            self.gate_first[feeders[0]] = not self._flips(feeders[0], down, narrow)
            return {feeders[0]: "fused_gate_up"}
        flips = {name: self._flips(name, down) for name in feeders}
        return {name: "up" if flips[name] else "gate" for name in feeders}

    def _reach(self, name: str) -> tuple[set[str], set[str]]:
        """Layers whose inputs move when one position of a layer's output does: anywhere, and at other positions."""

        def nudge(out: Tensor) -> Tensor:
            out = out.clone()
            row = out.view(-1, out.shape[-1])[PROBE_POSITION]
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn(row.shape, generator=generator).to(row)
            row += noise * (row.float().std() + 1.0).to(row)
            return out

        after = self._inputs(name, nudge)
        anywhere, elsewhere = set(), set()
        for other, x in after.items():
            if other == name or other not in self.base:
                continue
            moved = (x - self.base[other]).abs().amax(dim=-1) > self.noise[other]
            if bool(moved.any()):
                anywhere.add(other)
            moved[PROBE_POSITION] = False
            if bool(moved.any()):
                elsewhere.add(other)
        return anywhere, elsewhere

    def _flips(self, name: str, reader: str, outputs: int | None = None) -> bool:
        """Whether negating a layer's output, or the first few of its outputs, negates what another layer reads."""

        def negate(out: Tensor) -> Tensor:
            count = out.shape[-1] if outputs is None else outputs
            return torch.cat([-out[..., :count], out[..., count:]], dim=-1)

        after = self._inputs(name, negate)[reader]
        gap = (after + self.base[reader]).abs().max()
        return bool(gap < 1e-2 * self.base[reader].abs().max())

    def _inputs(self, changed: str | None, change: Callable[[Tensor], Tensor] | None) -> dict[str, Tensor]:
        """Inputs of every linear layer, float32 [positions, in], with one layer's output changed."""
        inputs: dict[str, Tensor] = {}
        with _hooks(self.linears, inputs, changed, change):
            self.block(*self.args, **self.kwargs)
        if not self.order:
            self.order = list(inputs)
        return inputs


def _outputs(module: nn.Module) -> int:
    return int(getattr(module, "out_features", 0) or module.nf)  # type: ignore[arg-type]


def _changed_by(change: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, Any, Any], Any]:
    return lambda module, args, out: change(out)


@contextmanager
def _hooks(
    linears: dict[str, nn.Module],
    inputs: dict[str, Tensor],
    changed: str | None,
    change: Callable[[Tensor], Tensor] | None,
) -> Iterator[None]:
    handles: list[Any] = []
    for name, module in linears.items():

        def keep(module: nn.Module, args: tuple[Tensor, ...], name: str = name) -> None:
            inputs.setdefault(name, args[0].detach().float().reshape(-1, args[0].shape[-1]))

        handles.append(module.register_forward_pre_hook(keep))
        if name == changed and change is not None:
            handles.append(module.register_forward_hook(_changed_by(change)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
