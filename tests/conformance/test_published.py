"""Where the released procedure agrees with the definition, and by how much it departs, on a tiny BERT.

docs/fidelity.md gives the same quantities for the default model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gaprune_viz.calibration.domain_pass import DomainStatistics, calibrate
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import Alignment, MaskSpec, ModelSpec, Scope
from gaprune_viz.criteria.alignment import align
from gaprune_viz.criteria.criterion import ResolvedScore, WeightStatistics
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.criteria.scoring import score_weights
from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.masking.from_statistics import mask_overlap
from gaprune_viz.masking.masks import make_masks
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target, find_targets
from tests.conformance import published

SIDES = ("domain", "general")


@dataclass(frozen=True)
class Tiny:
    """A tiny model, one-negative triplets of both sides, and what the engine computes from them."""

    model: EmbeddingModel
    targets: tuple[Target, ...]
    triplets: dict[str, list[Triplet]]
    exact: dict[str, DomainStatistics]


@pytest.fixture(scope="module")
def tiny(tiny_bert: Path, tiny_triplets: tuple[Path, Path]) -> Tiny:
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    targets = find_targets(model, Scope.LINEAR)
    triplets = {
        side: [Triplet(t.query, t.positive, t.negatives[:1]) for t in load_triplets(str(path)).triplets]
        for side, path in zip(SIDES, tiny_triplets, strict=True)
    }
    return Tiny(model, targets, triplets, {side: engine(model, targets, triplets[side]) for side in SIDES})


def engine(model: EmbeddingModel, targets: tuple[Target, ...], triplets: list[Triplet]) -> DomainStatistics:
    return drain(calibrate(model, targets, triplets, temperature=0.05, token_budget=4_096, stage="tiny"))


def worst(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Largest relative error of a matrix, in the Frobenius norm."""
    return max(float((found[name].float() - expected[name]).norm() / expected[name].norm()) for name in expected)


def flat(tensors: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([values.reshape(-1).float() for values in tensors.values()])


def exact_scores(tiny: Tiny, name: str, kind: Alignment = Alignment.SIGN) -> dict[str, Tensor]:
    """The engine's scores at the paper's constants, by matrix."""
    domain, general = (tiny.exact[side] for side in SIDES)
    found: dict[str, Tensor] = {}
    for target in tiny.targets:
        gradients = (domain.grad[target.name], general.grad[target.name])
        fishers = (domain.fisher[target.name], general.fisher[target.name])
        weights = WeightStatistics(
            theta=target.weight, fisher_domain=fishers[0], fisher_general=fishers[1],
            alignment=align(kind, *gradients, *fishers),
        )  # fmt: skip
        found[target.name] = score_weights(criterion(name), weights, ResolvedScore())
    return found


def overlap(a: Mapping[str, Tensor], b: Mapping[str, Tensor], sparsity: float = 0.5) -> float:
    """Share of the weights pruned by scores `a` that scores `b` prune too."""
    layers = dict.fromkeys(a, 0)
    first, second = (make_masks(scores, layers, MaskSpec(sparsity=sparsity)).masks for scores in (a, b))
    return mask_overlap(first, second)[0]


@pytest.mark.parametrize("side", SIDES)
def test_micro_batches_of_one_are_the_definition(tiny: Tiny, side: str) -> None:
    found = list(
        published.batch_gradients(tiny.model, tiny.targets, tiny.triplets[side], micro_batch=1, in_batch=False)
    )
    assert worst(published.fisher(found, accumulate=torch.float32), tiny.exact[side].fisher) < 1e-4
    assert worst(published.mean_gradient(found), tiny.exact[side].grad) < 1e-4


@pytest.mark.parametrize("side", SIDES)
def test_squares_of_batch_means_lose_fisher_information(tiny: Tiny, side: str) -> None:
    found = list(published.batch_gradients(tiny.model, tiny.targets, tiny.triplets[side], in_batch=False))
    squares = published.fisher(found, accumulate=torch.float32, divide_by_samples=False)
    exact = tiny.exact[side].fisher
    # Jensen: the square of a mean is at most the mean of the squares, weight by weight.
    assert all(bool((squares[name] <= exact[name] * 1.0001 + 1e-12).all()) for name in exact)
    # (1 + 3 rho) / 4, where rho, the mean correlation of the gradients within a micro-batch, is small but not 0.
    ratio = published.total(squares) / published.total(exact)
    assert 0.25 <= ratio < 0.5
    # The mean gradient, which alignment is made of, loses nothing.
    assert worst(published.mean_gradient(found), tiny.exact[side].grad) < 1e-4


def test_batch_gradient_is_the_mean_of_sample_gradients(tiny: Tiny) -> None:
    samples = tiny.triplets["domain"][:4]
    ((_, together),) = published.batch_gradients(tiny.model, tiny.targets, samples, in_batch=False)
    alone = published.batch_gradients(tiny.model, tiny.targets, samples, micro_batch=1, in_batch=False)
    assert worst(together, published.mean_gradient(alone)) < 1e-4


def test_dividing_by_samples_takes_another_factor_of_four(tiny: Tiny) -> None:
    found = list(published.batch_gradients(tiny.model, tiny.targets, tiny.triplets["domain"]))
    by_samples = published.fisher(found, accumulate=torch.float32)
    by_batches = published.fisher(found, accumulate=torch.float32, divide_by_samples=False)
    assert worst({name: 4 * values for name, values in by_samples.items()}, by_batches) < 1e-6
    # Both together leave between a sixteenth and a quarter of the mass; in-batch negatives put some back.
    ratio = published.total(by_samples) / published.total(tiny.exact["domain"].fisher)
    assert 1 / 16 <= ratio < 1 / 4


def test_in_batch_negatives_are_another_loss(tiny: Tiny) -> None:
    """More candidates, a larger loss: the gradient is not that of the per-sample definition."""
    both = [
        published.mean_gradient(
            published.batch_gradients(tiny.model, tiny.targets, tiny.triplets["domain"], in_batch=in_batch)
        )
        for in_batch in (True, False)
    ]
    assert worst(both[0], both[1]) > 0.2


def test_running_sum_in_bfloat16_rounds_and_then_stands_still(tiny: Tiny) -> None:
    found = list(published.batch_gradients(tiny.model, tiny.targets, tiny.triplets["domain"]))
    exact = published.fisher(found, accumulate=torch.float32)
    # Three micro-batches: an error of the size of bfloat16's 8 bits.
    assert 5e-4 < worst(published.fisher(found), exact) < 2e-2
    # The paper's 1,250 micro-batches: a sum 512 times as large as its next term does not grow any more.
    many = [found[i % len(found)] for i in range(1_250)]
    left = published.total(published.fisher(many)) / published.total(published.fisher(many, accumulate=torch.float32))
    assert 0.3 < left < 0.9


def test_float16_storage_flushes_small_values(tiny: Tiny) -> None:
    # Samples that the model already gets right, as a trained one does: their gradients are small.
    easy = [Triplet(t.query, t.query, t.negatives) for t in tiny.triplets["domain"]]
    losses = engine(tiny.model, tiny.targets, easy).losses
    easiest = [easy[i] for i in losses.argsort()[:4]]
    values = flat(engine(tiny.model, tiny.targets, easiest).fisher)
    gone = published.stored(values) == 0
    assert float(gone.float().mean()) == float((values <= published.FLUSHED).float().mean())
    assert 0.01 < float(gone.float().mean()) < 0.99
    assert float(values.min()) > 0
    # Adding 1e-8 first rescues what lies just under the edge and flushes the rest all the same.
    shifted = published.stored_fisher(values) == 0
    assert 0 < int(shifted.sum()) <= int(gone.sum())


def test_padding_to_a_fixed_length_changes_the_time_only(tiny: Tiny) -> None:
    samples = tiny.triplets["domain"][:4]
    ((_, short),) = published.batch_gradients(tiny.model, tiny.targets, samples)
    ((_, padded),) = published.batch_gradients(tiny.model, tiny.targets, samples, pad_to=128)
    assert worst(padded, short) < 1e-4


def test_unit_product_is_of_the_size_of_one_over_n(tiny: Tiny) -> None:
    domain, general = (tiny.exact[side] for side in SIDES)
    for name, gradient in domain.grad.items():
        theirs = published.alignment(gradient, general.grad[name])
        ours = align(Alignment.UNIT_PRODUCT, gradient, general.grad[name], domain.fisher[name], general.fisher[name])
        torch.testing.assert_close(theirs[1:-1, 1:-1], ours[1:-1, 1:-1], rtol=1e-4, atol=1e-9)
        # They count zeros outside the matrix: 6 of 9 entries on an edge, 4 of 9 in a corner.
        torch.testing.assert_close(theirs[0, 1:-1], ours[0, 1:-1] * 6 / 9, rtol=1e-4, atol=1e-9)
        torch.testing.assert_close(theirs[-1, -1], ours[-1, -1] * 4 / 9, rtol=1e-4, atol=1e-9)
        # Cauchy-Schwarz: the unsmoothed entries add up to at most 1 in absolute value, so their mean is at most 1/n.
        assert float(theirs.abs().mean()) <= 1.0001 / theirs.numel()
        # On these matrices of about a thousand weights the factor 1 + 0.2 s is 1 to within 0.3 %.
        assert float((0.2 * theirs).abs().max()) < 3e-3


def test_released_dai_is_magnitude_and_signed_dai_is_not(tiny: Tiny) -> None:
    magnitude = exact_scores(tiny, "magnitude")
    released = exact_scores(tiny, "dai_released", Alignment.UNIT_PRODUCT)
    assert overlap(released, magnitude) > 0.99
    assert overlap(exact_scores(tiny, "dai"), magnitude) < 0.90


def test_engine_scores_as_the_released_formula(tiny: Tiny) -> None:
    """The formula written twice gives the same mask, given the same statistics."""
    domain, general = (tiny.exact[side] for side in SIDES)
    ours = exact_scores(tiny, "dai_released", Alignment.UNIT_PRODUCT)
    theirs = {
        t.name: published.scores(
            t.weight,
            domain.fisher[t.name],
            general.fisher[t.name],
            align(
                Alignment.UNIT_PRODUCT, domain.grad[t.name], general.grad[t.name],
                domain.fisher[t.name], general.fisher[t.name],
            ),
        )
        for t in tiny.targets
    }  # fmt: skip
    assert worst(theirs, ours) < 1e-6
    # Two ways to round softplus may swap weights whose scores are equal to the last digit.
    mask = make_masks(ours, dict.fromkeys(ours, 0), MaskSpec(sparsity=0.5)).masks
    assert mask_overlap(mask, published.masks(theirs, 0.5))[0] > 0.999


def test_softplus_changes_no_mask(tiny: Tiny) -> None:
    domain, general = (tiny.exact[side] for side in SIDES)

    def mask(softplus: bool) -> dict[str, Tensor]:
        scored = {
            # float64, in which a monotone function keeps apart what float32 scores keep apart.
            t.name: published.scores(
                t.weight, domain.fisher[t.name], general.fisher[t.name], torch.zeros(t.shape), softplus=False
            ).double()
            for t in tiny.targets
        }
        return published.masks({n: torch.nn.functional.softplus(s) if softplus else s for n, s in scored.items()}, 0.5)

    with_it, without = mask(True), mask(False)
    assert all(torch.equal(with_it[name], without[name]) for name in without)


def test_whole_published_pipeline_prunes_by_magnitude(tiny: Tiny) -> None:
    """Fisher, alignment, float16 storage, score and threshold as released: 99 % of the mask is that of |theta|."""
    fishers, gradients = {}, {}
    for side in SIDES:
        batches = published.batch_gradients(tiny.model, tiny.targets, tiny.triplets[side])
        fishers[side] = {name: published.stored_fisher(v) for name, v in published.fisher(batches).items()}
        gradients[side] = published.mean_gradient(
            published.batch_gradients(tiny.model, tiny.targets, tiny.triplets[side], micro_batch=published.PAIRED_BATCH)
        )
    scored = {
        t.name: published.scores(
            published.stored(t.weight),
            fishers["domain"][t.name],
            fishers["general"][t.name],
            published.stored(published.alignment(gradients["domain"][t.name], gradients["general"][t.name])),
        )
        for t in tiny.targets
    }
    found = published.masks(scored, 0.5)
    layers = dict.fromkeys(found, 0)
    magnitude = make_masks({t.name: t.weight.abs() for t in tiny.targets}, layers, MaskSpec(sparsity=0.5)).masks
    signed = make_masks(exact_scores(tiny, "dai"), layers, MaskSpec(sparsity=0.5)).masks
    assert mask_overlap(found, magnitude)[0] > 0.99
    assert mask_overlap(found, signed)[0] < 0.90
