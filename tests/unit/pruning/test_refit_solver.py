"""Least squares under a mask: held against one Cholesky factorisation a row; never a NaN."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gaprune_viz.data.starter import starter_passages
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.refit.gram import CrossSum, GramSum, Rows, lost
from gaprune_viz.pruning.refit.solver import row_block, solve
from tests.conformance.refit_reference import exact, objective

TOLERANCE = 1e-3
CLOSE = 1e-4


def problem(seed: int, rows: int, columns: int, tokens: int, kept: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gram matrix, what is wanted, a mask, and the squared error of the mask alone; inputs of very unequal power."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(tokens, 1, generator=generator).double()
    x = torch.randn(tokens, columns, generator=generator).double() + 2 * shared
    x *= torch.logspace(-1, 1, columns).double()[torch.randperm(columns, generator=generator)]
    keep = torch.rand(rows, columns, generator=generator) < kept
    weight = torch.randn(rows, columns, generator=generator).double()
    error = x @ weight.masked_fill(keep, 0).t()
    return x.t() @ x, error.t() @ x, keep, error.square().sum(0)


def check(gram: Tensor, wanted: Tensor, keep: Tensor, before: Tensor, ridge: float, tolerance: float) -> None:
    """All in float64; the solver gets float32."""
    pull = ridge * float(gram.diagonal().mean())
    found = solve(gram.float(), wanted.float(), keep, pull, tolerance).change
    assert not found[~keep].any()
    best = objective(exact(gram, wanted, keep, pull), gram, wanted, before, pull)
    ours = objective(found.double(), gram, wanted, before, pull)
    assert bool((ours <= before * (1 + 1e-6)).all()), "never worse than the mask alone"
    assert float(ours.sum()) <= float(best.sum()) * (1 + CLOSE)


@given(
    seed=st.integers(0, 2**16),
    rows=st.integers(1, 50),
    columns=st.integers(1, 60),
    tokens=st.integers(1, 200),
    kept=st.floats(0, 1),
    ridge=st.sampled_from([0.01, 0.1, 0.3, 3.0]),
)
def test_random_problems_are_solved(seed: int, rows: int, columns: int, tokens: int, kept: float, ridge: float) -> None:
    check(*problem(seed, rows, columns, tokens, kept), ridge, TOLERANCE)


@pytest.mark.parametrize("ridge", [0.01, 0.3])
def test_more_rows_than_a_block_are_solved(ridge: float) -> None:
    rows = 2 * row_block(40) + 3
    check(*problem(0, rows, 40, 300, 0.4), ridge, TOLERANCE)


@pytest.mark.minilm
@pytest.mark.parametrize(("role", "ridge"), [("query", 0.3), ("up", 0.3), ("query", 0.03), ("down", 0.3)])
def test_layers_of_the_default_model_are_solved(minilm: EmbeddingModel, role: str, ridge: float) -> None:
    target = next(t for t in inventory(minilm).targets if t.layer == 2 and t.role == role)
    inputs: list[Tensor] = []
    handle = target.module.register_forward_pre_hook(lambda m, args: inputs.append(args[0].flatten(0, 1).double()))
    try:
        minilm.encode([p.text for p in starter_passages("chemistry")[:40]])
    finally:
        handle.remove()
    x, weight = torch.cat(inputs), target.weight.double()[::12]
    keep = weight.abs() > weight.abs().median()
    error = x @ weight.masked_fill(keep, 0).t()
    check(x.t() @ x, error.t() @ x, keep, error.square().sum(0), ridge, TOLERANCE)


def test_an_empty_row_and_inputs_that_are_always_zero_stay_as_they_are() -> None:
    gram, wanted, keep, _ = problem(1, 4, 6, 30, 0.7)
    keep[2] = False
    gram[:, 4] = gram[4] = 0
    wanted[:, 4] = 0
    for ridge in (0.0, 0.3):
        change = solve(gram.float(), wanted.float(), keep, ridge, 1e-4).change
        assert not change[2].any()
        assert not change[:, 4].any()
        assert bool(torch.isfinite(change).all())


def test_nothing_to_go_by_changes_nothing() -> None:
    found = solve(torch.zeros(5, 5), torch.zeros(3, 5), torch.ones(3, 5, dtype=torch.bool), 0.0, 1e-3)
    assert not found.change.any()
    assert (found.iterations, found.residual) == (0, 0.0)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_inputs_that_are_all_alike_give_finite_weights(scale: float) -> None:
    x = scale * torch.ones(10, 8)
    gram, keep = x.t() @ x, torch.ones(3, 8, dtype=torch.bool)
    keep[:, ::2] = False
    wanted = torch.ones(3, 8) * gram[0]
    found = solve(gram, wanted, keep, 1e-6 * float(gram.diagonal().mean()), 1e-4)
    assert bool(torch.isfinite(found.change).all())
    assert torch.allclose(found.change.sum(1), torch.full((3,), 1.0), rtol=1e-2)


def test_it_stops_when_the_residual_is_small_enough() -> None:
    gram, wanted, keep, _ = problem(2, 20, 40, 100, 0.5)
    loose, tight = (solve(gram.float(), wanted.float(), keep, 1.0, t) for t in (1e-1, 1e-4))
    assert loose.iterations < tight.iterations
    assert loose.residual <= 1e-1
    assert tight.residual <= 1e-4


@pytest.mark.parametrize("width", [1, 7, 191, 384, 400])
def test_a_gram_matrix_is_whole_though_half_is_computed(width: int) -> None:
    x = torch.randn(50, width)
    sums = GramSum(width, x.device)
    sums.add(x[:30])
    sums.add(x[30:])
    assert torch.allclose(sums.finish(), (x.double().t() @ x.double()).float(), rtol=1e-4, atol=1e-3)


def test_what_is_lost_is_counted_as_the_difference_of_outputs() -> None:
    dense, now, weight = torch.randn(40, 6), torch.randn(40, 6), torch.randn(5, 6)
    keep = torch.rand(5, 6) < 0.5
    gram, cross = GramSum(6, now.device), CrossSum(6, 6, now.device)
    gram.add(now)
    cross.add(dense - now, now)
    error = dense @ weight.t() - now @ (weight * keep).t()
    assert torch.allclose(lost(weight, keep, gram.finish(), cross.finish()), error.t() @ now, atol=1e-3)


def test_only_real_tokens_count_and_by_their_weight() -> None:
    rows = Rows(torch.tensor([0, 1, 3]), torch.tensor([[1.0], [2.0], [0.5]]))
    padded = torch.arange(8.0).reshape(2, 2, 2)
    x = rows.of(padded)
    assert x.tolist() == [[0, 1], [2, 3], [6, 7]]
    weighted = rows.weighted(x)
    assert torch.allclose(weighted.t() @ weighted, x.t() @ torch.diag(torch.tensor([1.0, 4.0, 0.25])) @ x)
