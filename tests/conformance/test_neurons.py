"""What the neurons do equals a plain loop over tokens, written out for each family by the names of its layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.collecting import Side, collect
from gaprune_viz.calibration.distributed import Workers
from gaprune_viz.calibration.domain_pass import DomainStatistics, calibrate
from gaprune_viz.calibration.fisher_kinds import Estimate
from gaprune_viz.calibration.neuron_activity import gates_of
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import NEURON_FIELDS, Statistics, tensor_shapes
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Sampling, Scope
from gaprune_viz.data.schema import Triplet
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import is_linear
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.roles import BlockProbe
from gaprune_viz.models.targets import Target, find_targets
from tests.tiny_models import INTERMEDIATE


@dataclass(frozen=True)
class Layers:
    """Where a family keeps its MLP: what `down` is called, and whose first outputs say whether a neuron is on."""

    down: str
    judge: str
    columns: int = INTERMEDIATE


FAMILIES = {
    "bert": Layers("encoder.layer.{}.output.dense", "encoder.layer.{}.intermediate.dense"),
    # ModernBERT calls the half that goes through the activation `input`, and it comes first.
    "modernbert": Layers("layers.{}.mlp.Wo", "layers.{}.mlp.Wi"),
    "qwen3": Layers("layers.{}.mlp.down_proj", "layers.{}.mlp.gate_proj"),
    "gpt2": Layers("h.{}.mlp.c_proj", "h.{}.mlp.c_fc"),
    "t5": Layers("encoder.block.{}.layer.1.DenseReluDense.wo", "encoder.block.{}.layer.1.DenseReluDense.wi_0"),
}


def keep_read(seen: dict[str, Tensor], module: nn.Module, args: tuple[Tensor, ...]) -> None:
    seen["read"] = args[0]


def keep_judged(seen: dict[str, Tensor], module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
    seen["judged"] = out


def by_hand(model: EmbeddingModel, layers: Layers, triplets: Sequence[Triplet]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and share of every neuron, one text and one token at a time; float64 [in] each, by parameter name."""
    found = {}
    for layer in range(2):
        down = layers.down.format(layer)
        judge = model.backbone.get_submodule(layers.judge.format(layer))
        total, on, tokens = torch.zeros(INTERMEDIATE).double(), torch.zeros(INTERMEDIATE).double(), 0
        seen: dict[str, Tensor] = {}
        handles = [
            model.backbone.get_submodule(down).register_forward_pre_hook(partial(keep_read, seen)),
            judge.register_forward_hook(partial(keep_judged, seen)),
        ]
        for text in [text for t in triplets for text in (t.query, t.positive, *t.negatives)]:
            ids = torch.tensor([model.tokenizer(text)["input_ids"]])
            with torch.no_grad():
                model.backbone(input_ids=ids, attention_mask=torch.ones_like(ids))
            for token in range(ids.shape[1]):
                total += seen["read"].reshape(-1, INTERMEDIATE)[token].double()
                judged = seen["judged"].reshape(ids.shape[1], -1)[token, : layers.columns]
                on += torch.tensor([1.0 if value > 0 else 0.0 for value in judged.tolist()]).double()
                tokens += 1
        for handle in handles:
            handle.remove()
        found[f"{down}.weight"] = total / tokens, on / tokens
    return found


def statistics(model: EmbeddingModel, triplets: Sequence[Triplet], budget: int = 4_096) -> DomainStatistics:
    targets = find_targets(model, Scope.LINEAR)
    return drain(calibrate(model, targets, triplets, temperature=0.05, token_budget=budget, stage="test"))


@pytest.mark.parametrize(("budget", "side"), [(4_096, "right"), (64, "left")])
@pytest.mark.parametrize("family", FAMILIES)
def test_neurons_equal_a_loop_over_tokens(
    family: str, budget: int, side: str, tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    model = tiny_model(family, side)
    expected = by_hand(model, FAMILIES[family], triplets)
    found = statistics(model, triplets, budget)
    assert found.mean.keys() == found.on.keys() == expected.keys()
    for name, (mean, on) in expected.items():
        torch.testing.assert_close(found.mean[name].double(), mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.on[name].double(), on, rtol=0, atol=1e-6)
        assert found.mean[name].dtype is found.on[name].dtype is torch.float32
        # Random weights: neither all on nor all off.
        assert 0.3 < float(on.mean()) < 0.7


def test_the_sign_of_a_product_would_say_something_else(
    tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    """In a gated MLP, the share of tokens where the product is positive is another one."""
    model = tiny_model("qwen3")
    name = "layers.0.mlp.down_proj.weight"
    plain = drain(
        calibrate(
            model, find_targets(model, Scope.MLP), triplets, temperature=0.05, token_budget=64, stage="test", gates={}
        )
    )
    assert float((plain.on[name] - statistics(model, triplets).on[name]).abs().max()) > 0.2


class Half(nn.Module):
    """An MLP with one matrix for gate and up, either first."""

    def __init__(self, gate_first: bool, width: int = 32) -> None:
        super().__init__()
        self.gate_first = gate_first
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.back = nn.Linear(width, 2 * 48), nn.Linear(48, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v))
        first, second = self.wide(x).chunk(2, -1)
        gate, up = (first, second) if self.gate_first else (second, first)
        return x + self.back(F.silu(gate) * up)


@pytest.mark.parametrize("gate_first", [True, False])
def test_the_half_of_a_fused_matrix_that_is_the_gate_is_found_out(gate_first: bool) -> None:
    torch.manual_seed(0)
    block = Half(gate_first).eval()
    for p in block.parameters():
        nn.init.normal_(p, std=0.3)
    linears: dict[str, nn.Module] = {name: module for name, module in block.named_modules() if is_linear(module)}
    with torch.no_grad():
        probe = BlockProbe(block, linears, (torch.randn(1, 6, 32),), {})
        assert probe.roles()["wide"] == "fused_gate_up"
    assert probe.gate_first == {"wide": gate_first}


def test_a_gate_in_another_group_is_heard(
    tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...], tmp_path: Path
) -> None:
    """Groups that are calibrated in turn give what one pass gives."""
    model = tiny_model("qwen3")
    targets = find_targets(model, Scope.MLP)
    assert {gate.role for gate in gates_of(targets).values()} == {"gate"}
    sides = {side: Side(side, triplets) for side in ("domain", "general")}
    groups: dict[str, list[list[Target]]] = {"one": [list(targets)], "many": [[target] for target in targets]}
    files = {}
    for name, split in groups.items():
        (tmp_path / name).mkdir()
        work = collect(model, split, sides, tmp_path / name, estimate=Estimate(), token_budget=4_096, workers=Workers())
        drain(work)
        files[name] = load_file(tmp_path / name / "statistics.safetensors")
    downs = {t.name for t in targets if t.role == "down"}
    assert files["one"].keys() == tensor_shapes({t.name: t.shape for t in targets}, downs).keys()
    for key, value in files["one"].items():
        torch.testing.assert_close(files["many"][key], value, rtol=1e-5, atol=1e-9, msg=key)


def test_an_analysis_says_whether_it_holds_neurons(tiny_analysis: Path, tmp_path: Path) -> None:
    opened = Statistics.open(tiny_analysis)
    assert opened.has_neurons
    (down, *_) = (m for m in opened.matrices if m.role == "down")
    neurons = opened.neurons(down.name)
    assert all(getattr(neurons, field).shape == (down.columns,) for field in NEURON_FIELDS)
    with pytest.raises(GapruneError, match="mean_domain"):
        opened.neurons(next(m.name for m in opened.matrices if m.role == "up"))
    # One from before: the same without them, and without checksums.
    for name in ("spec.json", "histograms.npz", "sketch.npz", "summary.parquet"):
        (tmp_path / name).write_bytes((tiny_analysis / name).read_bytes())
    tensors = load_file(tiny_analysis / "statistics.safetensors")
    kept = {key: value for key, value in tensors.items() if key.rsplit(":", 1)[1] not in NEURON_FIELDS}
    assert len(kept) == len(tensors) - 2 * len(NEURON_FIELDS)
    save_file(kept, tmp_path / "statistics.safetensors")
    old = Statistics(tmp_path, opened.document)
    assert not old.has_neurons
    assert torch.equal(old.tensor(down.name, "fisher_domain"), opened.tensor(down.name, "fisher_domain"))


def test_a_scope_without_mlps_holds_none(tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path) -> None:
    domain, general = map(str, tiny_triplets)
    spec = CalibrationSpec(domain=domain, general=general, sampling=Sampling.ALL, scope=Scope.ATTENTION)
    run = RunSpec(model=ModelSpec(model=str(tiny_bert), device="cpu"), calibration=spec)
    assert not Statistics.open(drain(analyze(run, tmp_path / "attention"))).has_neurons
