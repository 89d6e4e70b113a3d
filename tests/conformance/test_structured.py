"""A model without some of its neurons, heads or layers is the dense model in which those say nothing; its folder is a
plain one, which loads anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from gaprune_viz.calibration.domain_pass import calibrate
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import ModelSpec, Scope, Structure, StructureSpec
from gaprune_viz.data.schema import Triplet
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import find_blocks
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import find_targets, inventory
from gaprune_viz.pruning.model_folder import save_model
from gaprune_viz.pruning.structured.biases import biased, correct_biases
from gaprune_viz.pruning.structured.cutting import Cut, kept_units, masks_of, plan_cut
from gaprune_viz.pruning.structured.finishing import smaller
from tests import tiny_models
from tests.conformance.reference import embed_alone
from tests.tiny_models import INTERMEDIATE, texts

SAME = 1e-6
FAMILIES = ("bert", "modernbert", "qwen3", "gpt2")
WIDTH = {"gpt2": "n_inner"}
# Reads the folders and writes embeddings: what anybody would run who never heard of this package.
ELSEWHERE = """
import json, sys
import numpy as np
from sentence_transformers import SentenceTransformer
folders, texts = json.load(sys.stdin)
for folder in folders:
    np.save(folder + "/seen.npy", SentenceTransformer(folder, device="cpu").encode(texts, normalize_embeddings=True))
print(sorted(name for name in sys.modules if name.startswith("gaprune")))
"""


def planned(model: EmbeddingModel, structure: Structure, sparsity: float = 0.4, multiple: int = 1) -> Cut:
    spec = StructureSpec(structure=structure, multiple=multiple)
    return plan_cut(model, inventory(model).targets, spec, sparsity)


def at_random(cut: Cut, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return kept_units(cut, [torch.rand(group.units, generator=generator) for group in cut.groups])


@contextmanager
def silenced(cut: Cut, kept: Sequence[Tensor]) -> Iterator[None]:
    """The dense model while some units give zero: what `down` or the attention's output reads of them."""

    def silence(owner: Tensor, stays: Tensor) -> Any:
        return lambda module, args: (args[0] * stays[owner].to(args[0]),)

    handles = [
        slab.target.module.register_forward_pre_hook(silence(slab.owner, stays))
        for group, stays in zip(cut.groups, kept, strict=True)
        for slab in group.slabs
        if not slab.rows
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_model: Callable[..., EmbeddingModel]) -> dict[str, Path]:
    """Cut models of every kind, saved and read in one process that knows nothing of this package."""
    found = {}
    cuts = [(family, Structure.NEURONS) for family in FAMILIES]
    cuts += [("qwen3", Structure.HEADS), ("gemma", Structure.HEADS)]
    cuts += [(family, Structure.LAYERS) for family in (*FAMILIES, "gemma")]
    for family, structure in cuts:
        model = tiny_model(family)
        cut = planned(model, structure)
        less, folder = smaller(model, cut, at_random(cut)), tmp_path_factory.mktemp(f"{family}-{structure.value}")
        save_model(folder, less)
        np.save(folder / "ours.npy", less.directions(texts()))
        found[f"{family}-{structure.value}"] = folder
    given = json.dumps([[str(folder) for folder in found.values()], list(texts())])
    ran = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], input=given, cwd="/", capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip().splitlines()[-1] == "[]"
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_neurons_that_are_gone_say_nothing(family: str, tiny_model: Callable[..., EmbeddingModel]) -> None:
    model = tiny_model(family)
    before = {name: p.clone() for name, p in model.backbone.named_parameters()}
    cut = planned(model, Structure.NEURONS)
    assert (cut.before, cut.after, len(cut.groups)) == (INTERMEDIATE, 29, 2)
    kept = at_random(cut)
    less = smaller(model, cut, kept)
    with silenced(cut, kept):
        expected = model.encode(texts())
    assert np.abs(expected - model.encode(texts())).max() > 1e-3
    np.testing.assert_allclose(less.encode(texts()), expected, atol=SAME)
    # The dense model is as it was, and the smaller one really has fewer weights.
    assert all(torch.equal(p, before[name]) for name, p in model.backbone.named_parameters())
    fewer = sum(p.numel() for p in less.backbone.parameters())
    gone = sum(int((~mask).sum()) for mask in masks_of(cut, kept).values())
    assert 0 <= sum(p.numel() for p in before.values()) - fewer - gone <= 2 * 19 * 2


@pytest.mark.parametrize("family", ["qwen3", "gemma"])
def test_heads_that_are_gone_say_nothing(family: str, tiny_model: Callable[..., EmbeddingModel]) -> None:
    model = tiny_model(family)
    cut = planned(model, Structure.HEADS)
    assert (cut.before, cut.after) == (2, 1)
    kept = at_random(cut)
    with silenced(cut, kept):
        expected = model.encode(texts())
    assert np.abs(expected - model.encode(texts())).max() > 1e-3
    np.testing.assert_allclose(smaller(model, cut, kept).encode(texts()), expected, atol=SAME)


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_layers_that_are_gone_pass_everything_on(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_models, "LAYERS", 4)
    model = load_model(ModelSpec(model=str(tiny_models.build(tmp_path / family, family)), device="cpu"))
    cut = planned(model, Structure.LAYERS, 0.5)
    # The first stays, whatever it scores.
    kept = kept_units(cut, [torch.tensor([0.0, 1.0, 3.0, 2.0])])
    assert kept[0].tolist() == [True, False, True, False]
    less = smaller(model, cut, kept)
    assert len(find_blocks(less.backbone)) == less.backbone.config.num_hidden_layers == 2
    blocks = [block for _, block in find_blocks(model.backbone)]
    handles = [blocks[i].register_forward_hook(lambda module, args, out: args[0]) for i in (1, 3)]
    expected = model.encode(texts())
    for handle in handles:
        handle.remove()
    np.testing.assert_allclose(less.encode(texts()), expected, atol=SAME)
    save_model(tmp_path / "less", less)
    again = load_model(ModelSpec(model=str(tmp_path / "less"), device="cpu"))
    np.testing.assert_allclose(again.encode(texts()), expected, atol=SAME)


def test_a_folder_is_a_plain_one_that_loads_anywhere(folders: dict[str, Path]) -> None:
    for name, folder in folders.items():
        family, structure = name.rsplit("-", 1)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if structure == "neurons":
            assert config[WIDTH.get(family, "intermediate_size")] == 29, name
        elif structure == "heads":
            assert (config["num_attention_heads"], config["num_key_value_heads"]) == (2, 1), name
        else:
            assert config.get("num_hidden_layers", config.get("n_layer")) == 1, name
        np.testing.assert_allclose(np.load(folder / "seen.npy"), np.load(folder / "ours.npy"), atol=SAME, err_msg=name)
        with safe_open(str(folder / "model.safetensors"), framework="pt") as file:
            assert len(list(file.keys())) > 5
        assert load_model(ModelSpec(model=str(folder), device="cpu")).max_length > 0


@pytest.mark.parametrize(
    ("family", "structure", "sparsity", "multiple", "said"),
    [
        ("bert", Structure.HEADS, 0.5, 1, "no head size of its own"),
        # Its relative positions have a column for each head.
        ("t5", Structure.HEADS, 0.5, 1, r"relative_attention_bias.weight would be \[32, 2\] and has to be \[32, 4\]"),
        ("llama", Structure.NEURONS, 0.01, 32, "none would go"),
        ("llama", Structure.NEURONS, 0.9, 32, "rounded to a multiple of 32: none would stay"),
        ("llama", Structure.LAYERS, 0.95, 1, "none would stay"),
        ("gpt_neox", Structure.HEADS, 0.5, 1, "no head size of its own"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    family: str,
    structure: Structure,
    sparsity: float,
    multiple: int,
    said: str,
    tiny_model: Callable[..., EmbeddingModel],
) -> None:
    with pytest.raises(GapruneError, match=said):
        planned(tiny_model(family), structure, sparsity, multiple)


def test_a_configuration_that_gives_other_shapes_is_refused(tiny_model: Callable[..., EmbeddingModel]) -> None:
    """A head size that is computed from the number of heads: the residual shapes stay, all other heads change."""
    model = tiny_model("bert")
    config = model.backbone.config
    config.head_dim = config.hidden_size // config.num_attention_heads
    try:
        with pytest.raises(GapruneError, match="cannot express this cut: with num_attention_heads 2"):
            planned(model, Structure.HEADS, 0.5)
    finally:
        del config.head_dim


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2"])
def test_the_worth_of_a_neuron_is_that_of_one_backward_per_sample(
    family: str, tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    model = tiny_model(family)
    targets = find_targets(model, Scope.MLP)
    found = drain(calibrate(model, targets, triplets, temperature=0.05, token_budget=64, stage="test")).cut
    for down in (t for t in targets if t.role == "down"):
        total = torch.zeros(down.columns, dtype=torch.float64)
        down.parameter.requires_grad_(True)
        try:
            for triplet in triplets:
                query, positive, *others = (
                    embed_alone(model, text, model.pooling.value)
                    for text in (triplet.query, triplet.positive, *triplet.negatives)
                )
                logits = torch.stack([query @ other for other in (positive, *others)]) / 0.05
                loss = -torch.log_softmax(logits, dim=0)[0]
                (gradient,) = torch.autograd.grad(loss, [down.parameter])
                total += (gradient * down.parameter).detach().double().sum(1 if down.transposed else 0).square()
        finally:
            down.parameter.requires_grad_(False)
        expected = total / len(triplets)
        assert found[down.name].dtype is torch.float32
        torch.testing.assert_close(found[down.name].double(), expected, rtol=1e-4, atol=1e-9)
        assert float(expected.max()) > 4 * float(expected.median())


def test_biases_give_the_stream_its_mean_back(tiny_model: Callable[..., EmbeddingModel]) -> None:
    """What the last block gives before its norm has the dense model's mean, though earlier layers lost theirs."""
    model = tiny_model("bert")
    cut = planned(model, Structure.NEURONS)
    less = smaller(model, cut, at_random(cut))
    downs = biased(less, [group.down for group in cut.groups])
    assert len(downs) == 2
    seen: dict[str, list[Tensor]] = {"dense": [], "less": []}

    def heard(name: str) -> Any:
        return lambda module, args: seen[name].append(args[0].reshape(-1, args[0].shape[-1]).double())

    def means() -> tuple[Tensor, Tensor]:
        handles = []
        for name, each in (("dense", model), ("less", less)):
            norm = each.backbone.encoder.layer[-1].output.LayerNorm
            handles.append(norm.register_forward_pre_hook(heard(name)))
        seen["dense"], seen["less"] = [], []
        for each in (model, less):
            for text in texts():
                each.encode([text])
        for handle in handles:
            handle.remove()
        return torch.cat(seen["dense"]).mean(0), torch.cat(seen["less"]).mean(0)

    dense, cut_alone = means()
    drain(correct_biases(model, less, downs, texts()))
    again, corrected = means()
    torch.testing.assert_close(again, dense)
    assert float((corrected - dense).abs().max()) < 1e-5 < 1e-2 < float((cut_alone - dense).abs().max())
    assert not biased(tiny_model("qwen3"), [g.down for g in planned(tiny_model("qwen3"), Structure.NEURONS).groups])
