"""The statistics of one batched pass equal those of one backward per sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from gaprune_viz.calibration.domain_pass import DomainStatistics, calibrate
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import Dtype, ModelSpec, Scope
from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.starter import starter_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import find_targets, inventory
from tests.conformance.reference import Reference, naive, worst
from tests.tiny_models import BUILDERS, CAUSAL, FAMILIES, make_tokenizer, randomize

TAU = 0.05
BUDGET = 4_096
EXACT = 1e-4
SAME = 1e-5


def statistics(model: EmbeddingModel, triplets: Sequence[Triplet], budget: int = BUDGET) -> DomainStatistics:
    targets = find_targets(model, Scope.LINEAR)
    return drain(calibrate(model, targets, triplets, temperature=TAU, token_budget=budget, stage="test"))


def assert_equal(found: DomainStatistics, expected: Reference | DomainStatistics, tolerance: float) -> None:
    for quantity in ("fisher", "grad", "act"):
        gap, name = worst(getattr(found, quantity), getattr(expected, quantity))
        assert gap <= tolerance, f"{quantity} of {name}: {gap:.2e}"
    np.testing.assert_allclose(found.losses, expected.losses, rtol=tolerance, atol=tolerance)
    assert found.tokens == expected.tokens


@pytest.fixture(scope="module")
def expected(tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]) -> Callable[[str], Reference]:
    """The reference of a family, computed once."""
    made: dict[str, Reference] = {}

    def of(family: str) -> Reference:
        if family not in made:
            model = tiny_model(family)
            pooling = "last" if family in CAUSAL else "mean"
            made[family] = naive(model, inventory(model).targets, triplets, TAU, pooling)
        return made[family]

    return of


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_equals_one_backward_per_sample(
    family: str,
    side: str,
    tiny_model: Callable[..., EmbeddingModel],
    expected: Callable[[str], Reference],
    triplets: tuple[Triplet, ...],
) -> None:
    assert_equal(statistics(tiny_model(family, side), triplets), expected(family), EXACT)


# 64 tokens split the samples into several steps; with 1 token every sample is a step of its own.
@pytest.mark.parametrize("budget", [64, 1])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_token_budget_changes_nothing(
    family: str, budget: int, tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    model = tiny_model(family)
    assert_equal(statistics(model, triplets, budget), statistics(model, triplets), SAME)


@pytest.mark.minilm
def test_the_default_model_equals_one_backward_per_sample(minilm: EmbeddingModel) -> None:
    triplets = starter_triplets("chemistry")[:8]
    reference = naive(minilm, inventory(minilm).targets, triplets, TAU, "mean")
    assert_equal(statistics(minilm, triplets), reference, EXACT)
    assert_equal(statistics(minilm, triplets, 256), reference, EXACT)


def test_a_sample_alone_has_the_square_of_its_gradient(
    tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    found = statistics(tiny_model("bert"), triplets[1:2])
    for name, fisher in found.fisher.items():
        torch.testing.assert_close(fisher, found.grad[name].square())


def test_the_fisher_information_is_never_the_square_of_the_mean(
    tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    found = statistics(tiny_model("bert"), triplets)
    alone = [statistics(tiny_model("bert"), [triplet]) for triplet in triplets]
    for name, fisher in found.fisher.items():
        mean = torch.stack([one.fisher[name] for one in alone]).mean(0)
        torch.testing.assert_close(fisher, mean, rtol=1e-3, atol=1e-5 * float(mean.max()))
        # Cauchy-Schwarz, strict because the samples differ.
        assert float(found.grad[name].square().sum()) < 0.9 * float(fisher.sum())


@pytest.fixture(scope="module")
def albert(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingModel:
    """A tiny ALBERT: three passes through one block, embeddings narrower than the states."""
    tokenizer = make_tokenizer(BUILDERS["bert"][1])
    config = transformers.AlbertConfig(
        vocab_size=len(tokenizer),
        embedding_size=16,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=128,
        pad_token_id=0,
    )
    backbone = transformers.AlbertModel(config).eval()
    randomize(backbone, 0)
    folder: Path = tmp_path_factory.mktemp("models") / "tiny-albert"
    backbone.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load_model(ModelSpec(model=str(folder), device="cpu"))


def test_weights_shared_by_all_layers_count_once(albert: EmbeddingModel, triplets: tuple[Triplet, ...]) -> None:
    found = inventory(albert)
    assert [(t.layer, t.role) for t in found.targets] == [
        (0, role) for role in ("query", "key", "value", "attention_output", "up", "down")
    ]
    assert found.notes == ()
    assert found.refused["encoder.embedding_hidden_mapping_in.weight"] == "outside the transformer blocks"
    expected = naive(albert, found.targets, triplets, TAU, "mean")
    assert_equal(statistics(albert, triplets), expected, EXACT)
    assert_equal(statistics(albert, triplets, 64), expected, EXACT)


def test_two_layers_with_one_weight_give_the_sum_of_their_gradients(
    tiny_model_folder: Callable[..., Path], triplets: tuple[Triplet, ...]
) -> None:
    model = load_model(ModelSpec(model=str(tiny_model_folder("bert")), device="cpu"))
    first, second = (model.backbone.get_submodule(f"encoder.layer.{i}.intermediate.dense") for i in (0, 1))
    second.weight = first.weight
    targets = inventory(model).targets
    assert len(targets) == 11
    assert_equal(statistics(model, triplets), naive(model, targets, triplets, TAU, "mean"), EXACT)


@pytest.fixture(scope="module")
def half(tiny_model_folder: Callable[..., Path]) -> Callable[[Dtype], EmbeddingModel]:
    """The tiny BERT in a number format of two bytes."""

    def load(dtype: Dtype) -> EmbeddingModel:
        model = load_model(ModelSpec(model=str(tiny_model_folder("bert")), device="cpu", dtype=dtype))
        assert {p.dtype for p in model.backbone.parameters()} == {getattr(torch, dtype.value)}
        return model

    return load


@pytest.mark.parametrize("dtype", [Dtype.BFLOAT16, Dtype.FLOAT16])
def test_half_precision_gradients_point_where_those_of_float32_do(
    dtype: Dtype,
    half: Callable[[Dtype], EmbeddingModel],
    tiny_model: Callable[..., EmbeddingModel],
    triplets: tuple[Triplet, ...],
) -> None:
    found, exact = statistics(half(dtype), triplets), statistics(tiny_model("bert"), triplets)
    for quantity in ("fisher", "grad", "act"):
        for name, value in getattr(found, quantity).items():
            assert value.dtype == torch.float32
            cosine = torch.cosine_similarity(value.flatten(), getattr(exact, quantity)[name].flatten(), dim=0)
            assert float(cosine) > 0.98, f"{quantity} of {name}"


def test_the_sums_of_a_bfloat16_model_do_not_stand_still(
    half: Callable[[Dtype], EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    model = half(Dtype.BFLOAT16)
    one = statistics(model, triplets[4:5], budget=1)
    # A sum kept in bfloat16 stops growing after 256 equal summands.
    many = statistics(model, triplets[4:5] * 320, budget=1)
    for quantity in ("fisher", "grad", "act"):
        gap, name = worst(getattr(many, quantity), getattr(one, quantity))
        assert gap <= SAME, f"{quantity} of {name}: {gap:.2e}"


def test_losses_are_those_of_the_formula_in_the_order_of_the_triplets(
    tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    model = tiny_model("bert")
    found = statistics(model, triplets, budget=64)
    for loss, triplet in zip(found.losses, triplets, strict=True):
        query = model.encode([triplet.query], "query")[0].astype(np.float64)
        good, *bad = model.encode([triplet.positive, *triplet.negatives]).astype(np.float64) @ query
        expected = -math.log(math.exp(good / TAU) / (math.exp(good / TAU) + sum(math.exp(b / TAU) for b in bad)))
        assert loss == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_loss_that_is_not_a_number_names_its_sample(
    tiny_model_folder: Callable[..., Path], triplets: tuple[Triplet, ...]
) -> None:
    model = load_model(ModelSpec(model=str(tiny_model_folder("bert")), device="cpu"))
    table = model.backbone.get_input_embeddings().weight.detach()  # type: ignore[operator]
    # Only the fourth triplet holds this word.
    table[model.tokenizer.convert_tokens_to_ids("rain")] = math.inf
    with pytest.raises(GapruneError, match=r"loss of sample 4 is nan \(query: 'risk'\)"):
        statistics(model, triplets)


def test_gradients_beyond_float32_are_refused(
    tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    model = tiny_model("bert")
    targets = find_targets(model, Scope.LINEAR)
    with pytest.raises(GapruneError, match=r"gradients of .* are not finite"):
        drain(calibrate(model, targets, triplets, temperature=1e-25, token_budget=BUDGET, stage="test"))


def test_calibration_leaves_the_model_as_it_was(
    tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    model = tiny_model("gpt2")
    before = {name: p.detach().clone() for name, p in model.backbone.named_parameters()}
    first = model.encode([t.query for t in triplets])
    work = calibrate(model, find_targets(model, Scope.LINEAR), triplets, temperature=TAU, token_budget=1, stage="test")
    next(work)
    next(work)
    work.close()
    assert not any(p.requires_grad for p in model.backbone.parameters())
    assert all(torch.equal(p, before[name]) for name, p in model.backbone.named_parameters())
    assert all(p.grad is None for p in model.backbone.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.backbone.modules())
    np.testing.assert_array_equal(model.encode([t.query for t in triplets]), first)


def test_progress_counts_real_tokens(tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]) -> None:
    model = tiny_model("bert")
    targets = find_targets(model, Scope.LINEAR)
    seen = list(calibrate(model, targets, triplets, temperature=TAU, token_budget=1, stage="test"))
    texts = [text for t in triplets for text in (t.query, t.positive, *t.negatives)]
    tokens = sum(len(model.tokenizer(text)["input_ids"]) for text in texts)
    assert [p.total for p in seen] == [tokens] * 6
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[0].done, seen[-1].fraction) == (0, 1.0)
