"""What a matrix does in its block is told by what it reads and feeds, whatever its name says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaprune_viz.models.blocks import is_linear
from gaprune_viz.models.roles import BlockProbe, reads_tokens, role_by_name

# The structure decides: blocks with names that say nothing, or the wrong thing.


class Attention(nn.Module):
    """Grouped-query attention whose layers are named after something else."""

    def __init__(self, heads: int = 4, groups: int = 2, width: int = 32) -> None:
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        # The query is called value, and so on.
        self.value_proj = nn.Linear(width, width)
        self.query = nn.Linear(width, groups * self.size)
        self.blue = nn.Linear(width, groups * self.size)
        self.gate_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        def split(t: Tensor, n: int) -> Tensor:
            return t.view(*t.shape[:2], n, self.size).transpose(1, 2).repeat_interleave(self.heads // n, 1)

        v, k = split(self.query(x), self.groups), split(self.blue(x), self.groups)
        q = split(self.value_proj(x), self.heads)
        mixed = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(self.size), -1) @ v
        return self.gate_proj(mixed.transpose(1, 2).reshape(x.shape))


class OddBlock(nn.Module):
    """A gated MLP that runs before the attention; the two halves of the gate are named the wrong way round."""

    def __init__(self, width: int = 32, wide: int = 80) -> None:
        super().__init__()
        self.query = nn.LayerNorm(width)
        self.a = nn.Linear(width, wide)
        self.b = nn.Linear(width, wide)
        self.key = nn.Linear(wide, width)
        self.mix = Attention(width=width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.key(F.silu(self.b(self.query(x))) * self.a(self.query(x)))
        return x + self.mix(x)


class ParallelBlock(nn.Module):
    """Attention and a plain MLP side by side, with one fused matrix for query, key and value."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.one = nn.Linear(width, 3 * width)
        self.two = nn.Linear(width, width)
        self.three = nn.Linear(width, 4 * width)
        self.four = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.one(x).chunk(3, -1)
        return x + self.two(F.scaled_dot_product_attention(q, k, v)) + self.four(F.gelu(self.three(x)))


class FusedBlock(nn.Module):
    """Keys and values from one matrix, gate and up from one matrix, and a bottleneck before the MLP."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.narrow = nn.Linear(width, width // 2)
        self.ask = nn.Linear(width, width)
        self.tell = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width // 2)
        self.wide = nn.Linear(width // 2, 2 * 48)
        self.back = nn.Linear(48, width)

    def forward(self, x: Tensor) -> Tensor:
        low = self.narrow(x)
        k, v = self.tell(x).chunk(2, -1)
        low = low + self.out(F.scaled_dot_product_attention(self.ask(x), k, v))
        gate, up = self.wide(low).chunk(2, -1)
        return x + self.back(F.silu(gate) * up)


def probe(block: nn.Module) -> dict[str, str]:
    torch.manual_seed(0)
    for p in block.parameters():
        nn.init.normal_(p, std=0.3)
    linears = {name: module for name, module in block.named_modules() if is_linear(module)}
    with torch.no_grad():
        return BlockProbe(block.eval(), linears, (torch.randn(1, 6, 32),), {}).roles()


def test_odd_names_do_not_decide() -> None:
    assert probe(OddBlock()) == {
        "b": "gate",
        "a": "up",
        "key": "down",
        "mix.query": "value",
        "mix.blue": "key",
        "mix.value_proj": "query",
        "mix.gate_proj": "attention_output",
    }


def test_attention_and_mlp_side_by_side() -> None:
    assert probe(ParallelBlock()) == {"one": "fused_qkv", "two": "attention_output", "three": "up", "four": "down"}


def test_fused_matrices_and_what_is_neither() -> None:
    assert probe(FusedBlock()) == {
        "narrow": "other",
        "ask": "query",
        "tell": "fused_qkv",
        "out": "attention_output",
        "wide": "fused_gate_up",
        "back": "down",
    }


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("layers.3.self_attn.qkv_proj.weight", "fused_qkv"),
        ("encoder.layer.0.attention.output.dense.weight", "attention_output"),
        ("encoder.layer.0.output.dense.weight", "down"),
        ("h.1.mlp.c_proj.weight", "down"),
        ("blocks.2.something.else.weight", None),
    ],
)
def test_usual_names(name: str, role: str | None) -> None:
    assert role_by_name(name) == role


@pytest.mark.parametrize(
    ("shape", "reads"),
    [((2, 6, 8), True), ((12, 8), True), ((6, 2, 8), False), ((1, 512, 8), False), ((5, 8), False)],
)
def test_layers_that_read_more_than_tokens_are_known_by_shape(shape: tuple[int, ...], reads: bool) -> None:
    assert reads_tokens(torch.zeros(shape), 2, 6) is reads
