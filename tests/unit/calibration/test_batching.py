"""Batches of calibration hold every text once, keep samples whole, and waste little on padding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.calibration.batching import LEAST_CHUNK, LEAST_FILL, Step, plan_steps
from gaprune_viz.calibration.contrastive import info_nce
from gaprune_viz.config import ModelSpec
from gaprune_viz.data.schema import Triplet
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model


@pytest.fixture(scope="module")
def model(tiny_bert: Path) -> EmbeddingModel:
    return load_model(ModelSpec(model=str(tiny_bert), device="cpu", query_prompt="why ", passage_prompt="this is "))


def words(n: int, word: str = "water") -> str:
    return " ".join([word] * n)


def some(count: int) -> list[Triplet]:
    """Triplets of all lengths; every text is different."""
    return [
        Triplet(
            words(1 + (7 * i) % 23, "salt") + f" {i}",
            words(1 + (11 * i) % 37, "bond") + f" {i}",
            tuple(words(1 + (5 * i + 3 * n) % 31, "moon") + f" {i} {n}" for n in range(1 + i % 3)),
        )
        for i in range(count)
    ]


def texts_in_order(model: EmbeddingModel, step: Step, triplets: list[Triplet]) -> list[list[int]]:
    """The ids of a step's queries, then positives, then negatives, as they should be."""
    chosen = [triplets[i] for i in step.samples]
    return [
        *model.token_ids([t.query for t in chosen], "query"),
        *model.token_ids([t.positive for t in chosen], "passage"),
        *model.token_ids([n for t in chosen for n in t.negatives], "passage"),
    ]


@pytest.mark.parametrize("budget", [1, 64, 300, 10**6])
def test_every_text_is_there_once_and_where_it_belongs(budget: int, model: EmbeddingModel) -> None:
    triplets = some(17)
    steps = plan_steps(model, triplets, budget)
    assert sorted(i for step in steps for i in step.samples) == list(range(17))
    for step in steps:
        outputs = [list(ids) for chunk in step.chunks for ids in chunk.ids]
        assert [outputs[k] for k in step.order] == texts_in_order(model, step, triplets)
        assert sorted(step.order) == list(range(len(outputs)))
        owners = [s for s, i in enumerate(step.samples) for _ in triplets[i].negatives]
        assert list(step.owner) == owners
        samples = [s for chunk in step.chunks for s in chunk.samples]
        n = len(step.samples)
        assert [samples[k] for k in step.order] == [*range(n), *range(n), *owners]
        assert step.tokens == sum(map(len, outputs))


def test_the_budget_bounds_a_step_of_several_samples(model: EmbeddingModel) -> None:
    triplets = some(30)
    steps = plan_steps(model, triplets, 200)
    assert all(step.tokens <= 200 or len(step.samples) == 1 for step in steps)
    assert 1 < len(steps) < 30
    assert len(plan_steps(model, triplets, 1)) == 30
    assert len(plan_steps(model, triplets, 10**6)) == 1


def test_the_longest_samples_come_first(model: EmbeddingModel) -> None:
    sizes = [step.tokens for step in plan_steps(model, some(12), 1)]
    assert sizes == sorted(sizes, reverse=True)


def test_queries_and_passages_do_not_share_a_batch(model: EmbeddingModel) -> None:
    prompts = {kind: model.token_ids([""], kind)[0][1] for kind in ("query", "passage")}
    (step,) = plan_steps(model, some(9), 10**6)
    assert {chunk.kind for chunk in step.chunks} == {"query", "passage"}
    for chunk in step.chunks:
        assert {ids[1] for ids in chunk.ids} == {prompts[chunk.kind]}


def test_padding_is_bounded(model: EmbeddingModel) -> None:
    (step,) = plan_steps(model, some(60), 10**6)
    for chunk in step.chunks:
        lengths = [len(ids) for ids in chunk.ids]
        assert lengths == sorted(lengths, reverse=True)
        assert all(n >= LEAST_FILL * lengths[0] for n in lengths[LEAST_CHUNK:])
    padded = sum(len(chunk.ids) * len(chunk.ids[0]) for chunk in step.chunks)
    assert padded < 1.25 * step.tokens


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    temperature=st.sampled_from([0.02, 0.05, 1.0]),
    seed=st.integers(0, 99),
)
def test_the_loss_is_that_of_the_formula(counts: list[int], temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def unit(n: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(n, 8, generator=generator, dtype=torch.float64), dim=-1)

    queries, positives, negatives = unit(len(counts)), unit(len(counts)), unit(sum(counts))
    owner = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    found = info_nce(queries, positives, negatives, owner, temperature)
    for i, loss in enumerate(found):
        good = torch.exp(queries[i] @ positives[i] / temperature)
        bad = sum(torch.exp(queries[i] @ n / temperature) for n in negatives[owner == i])
        torch.testing.assert_close(loss, -torch.log(good / (good + bad)))
    # Own negatives only: another sample's texts change nothing.
    alone = info_nce(
        queries[:1], positives[:1], negatives[: counts[0]], torch.zeros(counts[0], dtype=torch.long), temperature
    )
    torch.testing.assert_close(found[:1], alone)


def test_the_loss_stays_finite_where_exponentials_do_not() -> None:
    one = torch.tensor([[1.0, 0.0]])
    loss = info_nce(one, -one, one, torch.zeros(1, dtype=torch.long), 0.01)
    assert float(loss) == pytest.approx(200.0)
