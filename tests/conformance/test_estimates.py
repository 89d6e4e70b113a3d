"""Each kind of Fisher information equals what its definition says, computed one text and one backward at a time."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gaprune_viz.calibration.batching import Given
from gaprune_viz.calibration.domain_pass import DomainStatistics, calibrate
from gaprune_viz.calibration.fisher_kinds import Estimate, effective_samples
from gaprune_viz.calibration.hooks import Recorder
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import Fisher, Scope
from gaprune_viz.data.schema import PlainText, Triplet
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import find_targets
from tests.conformance.reference import embed_alone, naive, worst

TAU = 0.05
# A higher temperature, at which no answer is certain: the model's own Fisher information is not all but zero.
WARM = 0.5
EXACT = 1e-4
Gradients = dict[str, Tensor]


def statistics(
    model: EmbeddingModel, samples: Sequence[Given], estimate: Estimate, budget: int = 4_096
) -> DomainStatistics:
    targets = find_targets(model, Scope.LINEAR)
    return drain(calibrate(model, targets, samples, stage="test", estimate=estimate, token_budget=budget))


class Slow:
    """Autograd on the weights of a tiny BERT, text by text."""

    def __init__(self, model: EmbeddingModel) -> None:
        self.model = model
        self.weights = {t.name: t.parameter for t in find_targets(model, Scope.LINEAR)}

    def __enter__(self) -> Slow:
        for weight in self.weights.values():
            weight.requires_grad_(True)
        return self

    def __exit__(self, *exc: object) -> None:
        for weight in self.weights.values():
            weight.requires_grad_(False)

    def embed(self, text: str) -> Tensor:
        return embed_alone(self.model, text, "mean")

    def logits(self, triplet: Triplet, temperature: float) -> Tensor:
        query = self.embed(triplet.query)
        return torch.stack([query @ self.embed(t) for t in (triplet.positive, *triplet.negatives)]) / temperature

    def gradient(self, value: Tensor) -> Gradients:
        found = torch.autograd.grad(value, list(self.weights.values()), retain_graph=True)
        return {name: g.double() for name, g in zip(self.weights, found, strict=True)}


def mean_of(parts: Sequence[Gradients]) -> Gradients:
    return {name: torch.stack([part[name] for part in parts]).mean(0) for name in parts[0]}


def expected_over_answers(slow: Slow, triplet: Triplet, temperature: float) -> Gradients:
    """The sum over answers y of p_y (d log p_y)^2."""
    log_p = torch.log_softmax(slow.logits(triplet, temperature), dim=0)
    total: Gradients = {}
    for value in log_p:
        share = float(value.detach().exp())
        for name, g in slow.gradient(value).items():
            total[name] = total.get(name, torch.zeros_like(g)) + share * g.square()
    return total


@pytest.fixture(scope="module")
def bert(tiny_model: Callable[..., EmbeddingModel]) -> EmbeddingModel:
    return tiny_model("bert")


@pytest.fixture(scope="module")
def single(triplets: tuple[Triplet, ...]) -> list[Triplet]:
    return [Triplet(t.query, t.positive, t.negatives[:1]) for t in triplets]


@pytest.mark.parametrize("temperature", [TAU, WARM])
@pytest.mark.parametrize("budget", [4_096, 1])
def test_with_one_negative_the_models_own_fisher_is_exact(
    budget: int, temperature: float, bert: EmbeddingModel, single: list[Triplet]
) -> None:
    found = statistics(bert, single, Estimate(Fisher.MODEL, temperature), budget)
    with Slow(bert) as slow:
        over_answers = mean_of([expected_over_answers(slow, t, temperature) for t in single])
        closed = []
        for t in single:
            positive, negative = slow.logits(t, temperature)
            p = float(torch.sigmoid(positive - negative).detach())
            closed.append({n: p * (1 - p) * g.square() for n, g in slow.gradient(negative - positive).items()})
    assert worst(found.fisher, over_answers)[0] < EXACT
    assert worst(found.fisher, mean_of(closed))[0] < EXACT
    # The mean gradient is that of the loss all the same, and so are the losses.
    plain = statistics(bert, single, Estimate(temperature=temperature))
    assert worst(found.grad, plain.grad)[0] < EXACT
    np.testing.assert_allclose(found.losses, plain.losses, rtol=1e-5, atol=1e-7)
    assert worst(found.fisher, plain.fisher)[0] > 0.1


def test_a_certain_model_loses_no_digits(bert: EmbeddingModel, single: list[Triplet]) -> None:
    """At a temperature where p is 1 to many digits, factors are tiny and gradients are not."""
    found = statistics(bert, single, Estimate(Fisher.MODEL, 0.02))
    reference = naive(bert, find_targets(bert, Scope.LINEAR), single, 0.02, "mean")
    assert worst(found.grad, reference.grad)[0] < 1e-3
    assert all(bool(torch.isfinite(f).all()) for f in found.fisher.values())


def test_with_more_negatives_the_draws_are_right_on_average(
    bert: EmbeddingModel, triplets: tuple[Triplet, ...]
) -> None:
    two = [t for t in triplets if len(t.negatives) == 2]
    two = [two[0], Triplet(two[1].query, two[1].positive, (*two[1].negatives, "a liquid", "all of the moon"))]
    with Slow(bert) as slow:
        exact = mean_of([expected_over_answers(slow, t, WARM) for t in two])
    runs = 240
    drawn = [statistics(bert, two, Estimate(Fisher.MODEL, WARM, seed=seed)) for seed in range(runs)]
    few, many = ({n: torch.stack([d.fisher[n] for d in drawn[:k]]).mean(0) for n in exact} for k in (15, runs))
    # The error of a mean falls with the root of how many there are: here by four.
    assert worst(many, exact)[0] < 0.12
    assert worst(many, exact)[0] < 0.6 * worst(few, exact)[0]
    for name, value in exact.items():
        assert float(many[name].sum()) == pytest.approx(float(value.sum()), rel=0.08), name
    # No draw touches the mean gradient.
    assert worst(drawn[0].grad, statistics(bert, two, Estimate(temperature=WARM)).grad)[0] < 1e-5
    assert worst(drawn[0].fisher, drawn[1].fisher)[0] > 0.01


def test_samples_with_one_negative_stay_exact_beside_others(
    bert: EmbeddingModel, triplets: tuple[Triplet, ...]
) -> None:
    """Of a batch with both kinds, what is left without the drawn ones is the exact Fisher of the rest."""
    one, two = triplets[0], triplets[1]
    n = 2
    both = statistics(bert, [one, two], Estimate(Fisher.MODEL, WARM, seed=3))
    alone = statistics(bert, [two, one], Estimate(Fisher.MODEL, WARM, seed=3), 1)
    with Slow(bert) as slow:
        exact = expected_over_answers(slow, one, WARM)
    lone = statistics(bert, [one], Estimate(Fisher.MODEL, WARM, seed=9))
    assert worst(lone.fisher, exact)[0] < EXACT
    assert both.losses.tolist() == pytest.approx(alone.losses[::-1].tolist(), rel=1e-5)
    for name, value in both.fisher.items():
        # What the drawn sample gave is a square, so nothing is below what the exact one gives.
        assert bool((n * value.double() >= exact[name] * (1 - 1e-3) - 1e-9).all()), name


def signs(*numbers: int, count: int) -> Tensor:
    return torch.from_numpy(2.0 * np.random.default_rng(numbers).integers(0, 2, count) - 1.0).float()


@pytest.mark.parametrize("budget", [4_096, 1])
def test_embeddings_are_projected_text_by_text(
    budget: int, bert: EmbeddingModel, triplets: tuple[Triplet, ...]
) -> None:
    estimate = Estimate(Fisher.EMBEDDING, TAU, projections=2, seed=5)
    found = statistics(bert, triplets, estimate, budget)
    squares = []
    with Slow(bert) as slow:
        for number, t in enumerate(triplets):
            for place, text in enumerate((t.query, t.positive, *t.negatives)):
                vector = slow.embed(text)
                for draw in range(2):
                    value = signs(5, 2, number, place, draw, count=len(vector)) @ vector
                    squares.append({n: g.square() for n, g in slow.gradient(value).items()})
    assert worst(found.fisher, mean_of(squares))[0] < EXACT
    plain = statistics(bert, triplets, Estimate(temperature=TAU))
    assert worst(found.grad, plain.grad)[0] < EXACT
    assert worst(found.act, plain.act)[0] < 1e-6
    assert worst(found.on, plain.on)[0] < 1e-6
    np.testing.assert_allclose(found.losses, plain.losses, rtol=1e-5, atol=1e-7)
    assert found.effective == len(squares)


def test_projections_are_the_whole_derivative_on_average(bert: EmbeddingModel) -> None:
    texts = [PlainText("water is a liquid"), PlainText("the price of a bond")]
    with Slow(bert) as slow:
        whole = []
        for text in texts:
            parts = [slow.gradient(value) for value in slow.embed(text.text)]
            whole.append({n: torch.stack([p[n].square() for p in parts]).sum(0) for n in parts[0]})
    exact = mean_of(whole)
    runs = [statistics(bert, texts, Estimate(Fisher.EMBEDDING, projections=16, seed=s)) for s in range(20)]
    many = {n: torch.stack([r.fisher[n] for r in runs]).mean(0) for n in exact}
    assert worst(many, exact)[0] < 0.12
    for name, value in exact.items():
        assert float(many[name].sum()) == pytest.approx(float(value.sum()), rel=0.06), name
    # Sixteen draws at a time are four times closer than one.
    ones = [statistics(bert, texts, Estimate(Fisher.EMBEDDING, projections=1, seed=s)) for s in range(20)]

    def typical(found: list[DomainStatistics]) -> float:
        return float(np.median([worst(one.fisher, exact)[0] for one in found]))

    assert typical(runs) < 0.5 * typical(ones)


@pytest.mark.parametrize("family", ["modernbert", "qwen3", "gpt2"])
def test_plain_texts_have_a_fisher_and_no_gradient(
    family: str, tiny_model: Callable[..., EmbeddingModel], triplets: tuple[Triplet, ...]
) -> None:
    model = tiny_model(family)
    texts = [PlainText(t.positive) for t in triplets]
    estimate = Estimate(Fisher.EMBEDDING, projections=3, seed=1)
    one, other = (statistics(model, texts, estimate, budget) for budget in (4_096, 1))
    for name, fisher in one.fisher.items():
        assert float(fisher.sum()) > 0
        assert not bool(one.grad[name].any())
    assert worst(one.fisher, other.fisher)[0] < 1e-5
    assert np.isnan(one.losses).all()
    assert (one.effective, one.tokens) == (15.0, other.tokens)


def test_each_kind_says_how_many_samples_count(bert: EmbeddingModel, single: list[Triplet]) -> None:
    plain = statistics(bert, single, Estimate(temperature=WARM))
    p = np.exp(-plain.losses)
    empirical, own = (1 - p) ** 2, p * (1 - p)
    assert plain.effective == pytest.approx(empirical.sum() ** 2 / (empirical**2).sum(), rel=1e-5)
    model = statistics(bert, single, Estimate(Fisher.MODEL, WARM))
    assert model.effective == pytest.approx(own.sum() ** 2 / (own**2).sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1, 1, 1, 1], 4.0),
        ([1, 0, 0, 0], 1.0),
        ([2, 1], 9 / 5),
        ([0, 0], 0.0),
        ([1e-200, 1e-200, 0], 2.0),
        ([], 0.0),
    ],
)
def test_the_effective_number_of_samples(weights: list[float], expected: float) -> None:
    assert effective_samples(np.array(weights, dtype=float)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("weights", "clusters", "expected"),
    [
        ([1, 1, 1, 1], [0, 0, 1, 1], 2.0),
        ([1, 1, 2], [0, 0, 1], 2.0),
        ([1, 1, 1], [0, 0, 1], 9 / 5),
        ([1, 2, 3], [0, 1, 2], 36 / 14),
        ([0, 0, 5], [0, 0, 1], 1.0),
    ],
)
def test_samples_of_one_cluster_count_as_one(weights: list[float], clusters: list[int], expected: float) -> None:
    assert effective_samples(np.array(weights, dtype=float), np.array(clusters)) == pytest.approx(expected)


@pytest.mark.parametrize("kind", list(Fisher))
def test_a_batch_is_let_go_of_at_once(
    kind: Fisher, bert: EmbeddingModel, triplets: tuple[Triplet, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the garbage collector comes, which knows nothing of the size of tensors."""
    left: list[weakref.ref[Recorder]] = []

    class Watched(Recorder):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            left.append(weakref.ref(self))

    monkeypatch.setattr("gaprune_viz.calibration.domain_pass.Recorder", Watched)
    gc.collect()
    gc.disable()
    try:
        statistics(bert, triplets, Estimate(kind), budget=1)
        assert len(left) == len(triplets)
        assert not any(reference() for reference in left)
    finally:
        gc.enable()
