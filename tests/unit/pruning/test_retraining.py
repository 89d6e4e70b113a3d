"""Masked fine-tuning: exact masks, a loss worked by hand, the same run twice, and a stop in the middle."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import MaskSpec, ModelSpec, RetrainSpec, Settings
from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.pruning.retraining import batch_loss, clone, own_targets, retrain
from gaprune_viz.pruning.retraining_batches import batches_of, lesson_of, positives_of

SPEC = RetrainSpec(steps=6, batch_size=4, learning_rate=1e-3, warmup=2)


@pytest.fixture(scope="module")
def model(tiny_bert: Path) -> EmbeddingModel:
    return load_model(ModelSpec(model=str(tiny_bert), device="cpu"))


@pytest.fixture(scope="module")
def triplets(tiny_triplets: tuple[Path, Path]) -> tuple[Triplet, ...]:
    return load_triplets(str(tiny_triplets[0])).triplets


@pytest.fixture(scope="module")
def pruned(tiny_analysis: Path, model: EmbeddingModel):  # type: ignore[no-untyped-def]
    """Targets of the model and their masks at 60 %."""
    scope, targets = exact_scope(Statistics.open(tiny_analysis), model)
    return targets, scope.masks(Settings(mask=MaskSpec(sparsity=0.6))).masks


def weights(model: EmbeddingModel) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.backbone.named_parameters()}


def trained(model: EmbeddingModel, pruned, triplets, spec=SPEC, **options):  # type: ignore[no-untyped-def]
    student = clone(model)
    targets = own_targets(student, pruned[0])
    losses = [s.loss for s in retrain(student, targets, pruned[1], triplets, spec, **options)]
    return student, losses[1:]


def test_pruned_weights_are_zero_before_and_after_every_step(model, pruned, triplets) -> None:  # type: ignore[no-untyped-def]
    student = clone(model)
    targets = own_targets(student, pruned[0])
    before = weights(student)
    for _ in retrain(student, targets, pruned[1], triplets, SPEC):
        for target in targets:
            assert not target.weight[~pruned[1][target.name]].any()
    after = weights(student)
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(moved) > len(targets), "biases and embeddings learn too"
    for target in targets:
        kept = pruned[1][target.name]
        assert (target.weight[kept] != 0).any()


def test_the_dense_model_is_left_alone(model, pruned, triplets) -> None:  # type: ignore[no-untyped-def]
    before = weights(model)
    trained(model, pruned, triplets)
    assert all(torch.equal(before[name], now) for name, now in weights(model).items())
    assert not any(p.requires_grad for p in model.backbone.parameters())


def test_the_loss_goes_down(model, pruned, triplets) -> None:  # type: ignore[no-untyped-def]
    _, losses = trained(model, pruned, triplets, SPEC.with_(steps=30, batch_size=12))
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(model, pruned, triplets) -> None:  # type: ignore[no-untyped-def]
    first, second, other = (weights(trained(model, pruned, triplets, SPEC.with_(seed=seed))[0]) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(model, pruned, triplets, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("gaprune_viz.pruning.retraining.CHECKPOINT_EVERY", 2)
    whole, _ = trained(model, pruned, triplets)
    place = tmp_path / "state.safetensors"
    student = clone(model)
    work = retrain(student, own_targets(student, pruned[0]), pruned[1], triplets, SPEC, checkpoint=place)
    while next(work).step < 5:
        pass
    work.close()
    assert not any(p.requires_grad or p.grad is not None for p in student.backbone.parameters())
    again = clone(model)
    steps = list(retrain(again, own_targets(again, pruned[0]), pruned[1], triplets, SPEC, checkpoint=place))
    assert [s.step for s in steps] == [4, 5, 6]
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(again).values(), strict=True))


@pytest.mark.parametrize("damage", ["truncated", "other spec", "other masks"])
def test_a_checkpoint_that_does_not_fit_costs_its_steps(model, pruned, triplets, tmp_path, damage) -> None:  # type: ignore[no-untyped-def]
    place = tmp_path / "state.safetensors"
    trained(model, pruned, triplets, checkpoint=place)
    spec, masks = SPEC, pruned[1]
    if damage == "truncated":
        place.write_bytes(place.read_bytes()[:1000])
    elif damage == "other spec":
        spec = SPEC.with_(learning_rate=2e-3)
    else:
        masks = {name: torch.ones_like(mask) for name, mask in masks.items()}
    student = clone(model)
    first = next(retrain(student, own_targets(student, pruned[0]), masks, triplets, spec, checkpoint=place))
    assert first.step == 0


def test_the_loss_is_worked_by_hand(model, triplets) -> None:  # type: ignore[no-untyped-def]
    batch = [*triplets[:3], Triplet(triplets[0].query, "another answer to the same", (triplets[1].positive,))]
    lesson = lesson_of(batch, positives_of(batch))
    queries = torch.from_numpy(model.encode(lesson.queries, "query"))
    passages = torch.from_numpy(model.encode(lesson.passages, "passage"))
    expected = []
    for row, t in enumerate(batch):
        scores = queries[row] @ passages.t() / 0.1
        wanted = lesson.passages.index(t.positive)
        rivals = [i for i, text in enumerate(lesson.passages) if text != t.positive]
        if t.query == batch[0].query:
            rivals = [i for i in rivals if lesson.passages[i] not in {batch[0].positive, batch[3].positive}]
        total = scores[wanted].exp() + sum(scores[i].exp() for i in rivals)
        expected.append(-(scores[wanted].exp() / total).log())
    with torch.no_grad():
        assert float(batch_loss(model, lesson, 0.1)) == pytest.approx(float(sum(expected) / 4), rel=1e-4)


def test_fewer_triplets_than_a_batch_are_refused(model, triplets) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GapruneError, match="at least one batch: there are 12 triplets and the batch size is 32"):
        next(retrain(clone(model), (), {}, triplets, RetrainSpec()))


def test_a_loss_that_is_no_number_stops_the_run(model, triplets) -> None:  # type: ignore[no-untyped-def]
    student = clone(model)
    with torch.no_grad():
        next(student.backbone.parameters()).fill_(float("nan"))
    with pytest.raises(GapruneError, match="loss of retraining is nan at step 1"):
        list(retrain(student, (), {}, triplets, SPEC))


names = st.integers(0, 8).map(lambda i: f"text {i}")
some_triplets = st.lists(
    st.builds(lambda q, p, n: Triplet(f"q {q}", p, (f"{n} not",)), st.integers(0, 5), names, names),
    min_size=2,
    max_size=24,
)


@given(some_triplets, st.integers(1, 6), st.integers(0, 3))
def test_every_triplet_is_seen_once_before_any_is_seen_twice(triplets: list[Triplet], rounds: int, seed: int) -> None:
    size = 2
    steps = rounds * len(triplets) // size
    order = [i for batch in batches_of(triplets, size, steps, seed) for i in batch]
    for start in range(0, len(order), len(triplets)):
        block = order[start : start + len(triplets)]
        assert max(Counter(block).values(), default=1) == 1
    assert order == [i for batch in batches_of(triplets, size, steps, seed) for i in batch]


@given(some_triplets)
def test_a_lesson_holds_each_passage_once_and_labels_the_positive(triplets: list[Triplet]) -> None:
    positives = positives_of(triplets)
    lesson = lesson_of(triplets, positives)
    assert len(set(lesson.passages)) == len(lesson.passages)
    for row, t in enumerate(triplets):
        assert lesson.passages[lesson.labels[row]] == t.positive
        left_out = {lesson.passages[c] for r, c in lesson.excluded if r == row}
        assert left_out == positives[t.query] - {t.positive}
