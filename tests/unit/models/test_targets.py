"""Which weights may be pruned, in which layer they are, and what they do there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D

from gaprune_viz.config import ModelSpec, Scope
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.roles import role_by_name
from gaprune_viz.models.targets import Inventory, find_targets, inventory, weights_of
from tests.tiny_models import BUILDERS, FAMILIES, LAYERS, make_tokenizer, randomize

BERT_LAYER = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attention_output",
    "intermediate.dense": "up",
    "output.dense": "down",
}
LLAMA_LAYER = {
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.o_proj": "attention_output",
    "mlp.gate_proj": "gate",
    "mlp.up_proj": "up",
    "mlp.down_proj": "down",
}
# family -> (the name of a layer, the roles of its matrices in the order in which they run)
EXPECTED: dict[str, tuple[str, dict[str, str]]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta"), ("encoder.layer.{}.", BERT_LAYER)),
    **dict.fromkeys(("qwen2", "qwen3", "llama", "mistral", "gemma", "embeddinggemma"), ("layers.{}.", LLAMA_LAYER)),
    "mpnet": (
        "encoder.layer.{}.",
        {
            "attention.attn.q": "query",
            "attention.attn.k": "key",
            "attention.attn.v": "value",
            "attention.attn.o": "attention_output",
            "intermediate.dense": "up",
            "output.dense": "down",
        },
    ),
    "distilbert": (
        "transformer.layer.{}.",
        {
            "attention.q_lin": "query",
            "attention.k_lin": "key",
            "attention.v_lin": "value",
            "attention.out_lin": "attention_output",
            "ffn.lin1": "up",
            "ffn.lin2": "down",
        },
    ),
    "modernbert": (
        "layers.{}.",
        {"attn.Wqkv": "fused_qkv", "attn.Wo": "attention_output", "mlp.Wi": "fused_gate_up", "mlp.Wo": "down"},
    ),
    "gpt2": (
        "h.{}.",
        {"attn.c_attn": "fused_qkv", "attn.c_proj": "attention_output", "mlp.c_fc": "up", "mlp.c_proj": "down"},
    ),
    "gpt_neox": (
        "layers.{}.",
        {
            "attention.query_key_value": "fused_qkv",
            "attention.dense": "attention_output",
            "mlp.dense_h_to_4h": "up",
            "mlp.dense_4h_to_h": "down",
        },
    ),
    "t5": (
        "encoder.block.{}.layer.",
        {
            "0.SelfAttention.q": "query",
            "0.SelfAttention.k": "key",
            "0.SelfAttention.v": "value",
            "0.SelfAttention.o": "attention_output",
            "1.DenseReluDense.wi_0": "gate",
            "1.DenseReluDense.wi_1": "up",
            "1.DenseReluDense.wo": "down",
        },
    ),
}


@pytest.fixture(scope="module")
def found(tiny_model_folder: Callable[..., Path]) -> Callable[[str], Inventory]:
    made: dict[str, Inventory] = {}

    def of(family: str) -> Inventory:
        if family not in made:
            made[family] = inventory(load_model(ModelSpec(model=str(tiny_model_folder(family)), device="cpu")))
        return made[family]

    return of


def test_every_family_has_an_expectation() -> None:
    assert set(EXPECTED) == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_and_roles_of_every_family(family: str, found: Callable[[str], Inventory]) -> None:
    prefix, roles = EXPECTED[family]
    targets = found(family).targets
    expected = [(i, f"{prefix.format(i)}{name}.weight", role) for i in range(LAYERS) for name, role in roles.items()]
    assert sorted((t.layer, t.name, t.role) for t in targets) == sorted(expected)
    assert [t.layer for t in targets] == sorted(t.layer for t in targets)
    # In order of execution: what reads comes before what is read.
    order = [t.role for t in targets if t.layer == 0]
    assert order.index("attention_output") > max(order.index(r) for r in ("query", "value", "fused_qkv") if r in order)
    assert order.index("down") > max(order.index(r) for r in ("gate", "up", "fused_gate_up") if r in order)
    # The names say the same: the cross-check has nothing to tell.
    assert found(family).notes == ()
    assert all(role_by_name(t.name) == t.role for t in targets)


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_else_is_refused_with_its_reason(family: str, found: Callable[[str], Inventory]) -> None:
    inventory = found(family)
    chosen = {t.name for t in inventory.targets}
    assert not chosen & set(inventory.refused)
    for name, reason in inventory.refused.items():
        if name.endswith("bias") or "norm" in name.lower() or ".ln_" in name or name.startswith("ln_f"):
            assert "bias or a normalisation" in reason, name
        elif name.startswith("pooler"):
            assert reason == "outside the transformer blocks"
        else:
            assert "embedding table" in reason, name


def test_every_parameter_is_a_target_or_refused(found: Callable[[str], Inventory]) -> None:
    for family in FAMILIES:
        inventory = found(family)
        prefix = EXPECTED[family][0].split("{")[0]
        assert all(t.name.startswith(prefix) for t in inventory.targets)
        assert any(not name.startswith(prefix) for name in inventory.refused)
        assert all(inventory.refused.values())


def test_weights_are_out_by_in_whatever_the_layer_stores(found: Callable[[str], Inventory]) -> None:
    for family in FAMILIES:
        for target in found(family).targets:
            assert target.transposed == (family == "gpt2")
            if isinstance(target.module, nn.Linear):
                assert target.shape == (target.module.out_features, target.module.in_features)
            else:
                assert isinstance(target.module, Conv1D)
                assert target.shape == (target.module.nf, target.module.nx)
            x = torch.randn(2, target.shape[1])
            bias = target.module.bias if target.module.bias is not None else torch.zeros(target.shape[0])
            torch.testing.assert_close(F.linear(x, target.weight) + bias, target.module(x))
    copies = weights_of(found("gpt2").targets)
    target = found("gpt2").targets[0]
    assert copies[target.name].is_contiguous()
    assert torch.equal(copies[target.name], target.parameter.detach().t())
    assert copies[target.name].data_ptr() != target.parameter.data_ptr()


@pytest.mark.parametrize(
    ("scope", "roles"),
    [
        (Scope.MLP, {"gate", "up", "down"}),
        (Scope.ATTENTION, {"query", "key", "value", "attention_output"}),
        (Scope.LINEAR, {"gate", "up", "down", "query", "key", "value", "attention_output"}),
    ],
)
def test_scopes(scope: Scope, roles: set[str], tiny_qwen3: Path) -> None:
    model = load_model(ModelSpec(model=str(tiny_qwen3), device="cpu"))
    assert {t.role for t in find_targets(model, scope)} == roles


@pytest.mark.minilm
def test_the_default_model(minilm) -> None:
    found = inventory(minilm)
    assert [(t.layer, t.role) for t in found.targets] == [(i, r) for i in range(6) for r in BERT_LAYER.values()]
    assert found.notes == ()
    assert sum(t.size for t in found.targets if t.scope == "mlp") == 6 * 2 * 384 * 1536


def save(folder: Path, backbone: transformers.PreTrainedModel) -> ModelSpec:
    randomize(backbone, 0)
    backbone.save_pretrained(folder)
    make_tokenizer(BUILDERS["bert"][1]).save_pretrained(folder)
    return ModelSpec(model=str(folder), device="cpu")


SIZES: dict[str, Any] = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}


def test_layers_that_read_relative_positions_are_refused(tmp_path: Path) -> None:
    positions: dict[str, Any] = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "share_att_key": True}
    config = transformers.DebertaV2Config(**SIZES, num_hidden_layers=2, **positions)
    found = inventory(load_model(save(tmp_path, transformers.DebertaV2Model(config))))
    assert [t.role for t in found.targets if t.layer == 0] == ["value", "attention_output", "up", "down"]
    for name in ("query_proj", "key_proj"):
        assert found.refused[f"encoder.layer.1.attention.self.{name}.weight"].startswith("reads more than the tokens")


def test_a_model_without_attention_has_no_attention_scope(tmp_path: Path) -> None:
    config = transformers.FNetConfig(**{k: v for k, v in SIZES.items() if "heads" not in k}, num_hidden_layers=2)
    model = load_model(save(tmp_path, transformers.FNetModel(config)))
    assert {t.role for t in find_targets(model, Scope.LINEAR)} == {"up", "down"}
    with pytest.raises(GapruneError, match="no prunable weights in the scope attention"):
        find_targets(model, Scope.ATTENTION)


def test_a_model_without_blocks_is_refused(tmp_path: Path) -> None:
    config = transformers.BertConfig(**SIZES, num_hidden_layers=0)
    model = load_model(save(tmp_path, transformers.BertModel(config)))
    with pytest.raises(GapruneError, match="no prunable weights"):
        inventory(model)


def test_a_model_that_reads_time_before_batch_is_refused(tmp_path: Path) -> None:
    config = transformers.LongformerConfig(**SIZES, num_hidden_layers=1, attention_window=8)
    model = load_model(save(tmp_path, transformers.LongformerModel(config)))
    with pytest.raises(GapruneError, match="one text's tokens at a time"):
        inventory(model)


def test_models_with_experts_keep_their_attention(tmp_path: Path) -> None:
    config = transformers.MixtralConfig(
        **SIZES, num_hidden_layers=2, num_key_value_heads=2, num_local_experts=4, pad_token_id=0
    )
    model = load_model(save(tmp_path, transformers.MixtralModel(config)))
    # Rounding differs with the routing: causality must be seen all the same.
    assert model.pooling.value == "last"
    found = inventory(model)
    assert {t.role for t in found.targets} == {"query", "key", "value", "attention_output"}
    assert any("experts" in reason for reason in found.refused.values())
