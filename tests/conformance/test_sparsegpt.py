"""SparseGPT against the optimal brain surgeon done column by column, in float64, with an inverse for every column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import SIDES, Allocation, MaskSpec, ModelSpec, RefitSpec, ScoreSpec, Settings
from gaprune_viz.criteria.criterion import Quota
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.criteria.sparsegpt import DAMP, obs_update
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.refit.batches import batches_of
from gaprune_viz.pruning.refit.sequential_pruning import Updated, update

SPARSEGPT = criterion("sparsegpt")


def naive(weight: Tensor, gram: Tensor, quota: Quota, damp: float, block: int) -> tuple[Tensor, Tensor]:
    """The same by its definition: the inverse of what is left of H at every column, one row at a time."""
    new, hessian = weight.double().clone(), gram.double().clone()
    rows, columns = new.shape
    hessian += damp * hessian.diagonal().mean() * torch.eye(columns, dtype=torch.float64)
    inverses = [torch.linalg.inv(hessian[j:, j:]) for j in range(columns)]
    price = torch.stack([inverse[0, 0] for inverse in inverses])
    keep = torch.ones(rows, columns, dtype=torch.bool)
    m = quota.n_m[1]
    for j in range(columns):
        if m and j % m == 0:
            for i in range(rows):
                costs = new[i, j : j + m] ** 2 / price[j : j + m]
                for place in sorted(range(m), key=lambda k: (float(costs[k]), k))[: m - quota.n_m[0]]:
                    keep[i, j + place] = False
        elif not m and j % block == 0:
            end = min(j + block, columns)
            costs = (new[:, j:end] ** 2 / price[j:end]).tolist()
            counts = (quota.zeros * end // columns - quota.zeros * j // columns).tolist()
            places = [(costs[i][k], i, k) for i in range(rows) for k in range(end - j)]
            for group, count in enumerate(counts):
                own = places if len(counts) == 1 else [p for p in places if p[1] == group]
                for _, i, k in sorted(own)[:count]:
                    keep[i, j + k] = False
        for i in range(rows):
            if not keep[i, j]:
                new[i, j:] -= new[i, j] / inverses[j][0, 0] * inverses[j][:, 0]
    return keep, new * keep


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 6),
    columns=st.sampled_from([4, 8, 12, 24]),
    block=st.sampled_from([4, 8, 128]),
    share=st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]),
    way=st.sampled_from(["matrix", "row", "2:4", "1:4"]),
    damp=st.sampled_from([0.0, 0.01, 0.3]),
)
def test_it_is_the_surgeon_column_by_column(
    seed: int, rows: int, columns: int, block: int, share: float, way: str, damp: float
) -> None:
    torch.manual_seed(seed)
    weight = torch.randn(rows, columns, dtype=torch.float64)
    inputs = torch.randn(3 * columns, columns, dtype=torch.float64) @ torch.randn(columns, columns, dtype=torch.float64)
    gram = inputs.T @ inputs
    per_row = torch.full((rows,), int(share * columns))
    quota = {
        "matrix": Quota(torch.tensor([int(share * rows * columns)])),
        "row": Quota(per_row),
        "2:4": Quota(per_row, (2, 4)),
        "1:4": Quota(per_row, (1, 4)),
    }[way]
    keep, new = obs_update(weight, gram, quota, damp, block)
    expected_keep, expected = naive(weight, gram, quota, damp, block)
    assert torch.equal(keep, expected_keep)
    assert torch.allclose(new, expected, rtol=1e-6, atol=1e-8)
    assert not new[~keep].any()
    gone = (~keep).sum(dim=1)
    if way == "matrix":
        assert int(gone.sum()) == int(quota.zeros)
    elif way == "row":
        assert torch.equal(gone, per_row)
    else:
        assert bool(((~keep).view(rows, -1, 4).sum(dim=2) == 4 - quota.n_m[0]).all())


def test_by_hand() -> None:
    # [H^-1]_00 = 2/3 and, the first column settled, 1/2: the prices are 1.5 and 2, so the first goes, and the second
    # takes over what it gave: 1 + 1 * H_01 / H_11 = 1.5.
    gram = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    keep, new = obs_update(torch.ones(1, 2), gram, Quota(torch.tensor([1])), damp=0.0)
    assert keep.tolist() == [[False, True]]
    assert new.tolist() == [[0.0, pytest.approx(1.5)]]
    # With the mean of the diagonal added as damping H is [[4, 1], [1, 4]], and 1.25 is left.
    assert obs_update(torch.ones(1, 2), gram, Quota(torch.tensor([1])), damp=1.0)[1][0, 1].item() == 1.25
    # What is settled is not moved any more: the last column goes, and nothing is right of it.
    keep, new = obs_update(torch.tensor([[2.0, 1.0]]), gram, Quota(torch.tensor([1])), damp=0.0)
    assert new.tolist() == [[2.0, 0.0]]


def test_dead_inputs_go_first_and_nothing_is_ever_nan() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(40, 16)
    inputs[:, [3, 9]] = 0
    weight = torch.randn(5, 16)
    keep, new = obs_update(weight, inputs.T @ inputs, Quota(torch.tensor([20])), block=8)
    assert not keep[:, [3, 9]].any() and int((~keep).sum()) == 20
    keep, new = obs_update(weight, inputs.T @ inputs, Quota(torch.tensor([4])), block=16)
    assert torch.equal(new[keep & (torch.arange(16) == 3)].float(), weight[keep & (torch.arange(16) == 3)])
    # One direction only, none at all, and numbers near the ends of float32.
    for gram in (torch.ones(16, 16), torch.zeros(16, 16), 1e-36 * torch.ones(16, 16), 1e36 * torch.eye(16)):
        keep, new = obs_update(weight, gram, Quota(torch.full((5,), 8)))
        assert torch.isfinite(new).all() and torch.equal((~keep).sum(dim=1), torch.full((5,), 8))


def test_it_loses_less_than_its_mask_alone_and_than_wanda() -> None:
    torch.manual_seed(1)
    inputs = torch.randn(600, 96) + torch.randn(600, 8) @ torch.randn(8, 96)
    gram, weight = inputs.T @ inputs, torch.randn(64, 96)

    def lost(new: Tensor) -> float:
        return float(((new - weight).double() @ gram.double() * (new - weight)).sum())

    keep, new = obs_update(weight, gram, Quota(torch.full((64,), 48)))
    scores = weight.abs() * gram.diagonal().sqrt()
    wanda = weight * (scores > scores.median(dim=1, keepdim=True).values)
    assert lost(new) < lost(weight * keep) and lost(new) < lost(wanda)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "modernbert", "qwen3", "gpt2"])
def test_layers_are_pruned_in_order_with_what_the_pruned_ones_give(
    family: str, tiny_model_folder: Callable[..., Path], tiny_triplets: tuple[Path, Path]
) -> None:
    """Every layer's Gram matrix is that of a whole model in which all layers before it are pruned already."""
    model: EmbeddingModel = load_model(ModelSpec(model=str(tiny_model_folder(family)), device="cpu"))
    triplets = {s: load_triplets(str(p)).triplets for s, p in zip(SIDES, tiny_triplets, strict=True)}
    spec = RefitSpec(domain_share=0.7, samples=4)
    targets = inventory(model).targets
    before = {t.name: t.weight.clone() for t in targets}
    quotas = {t.name: Quota(torch.tensor([t.size // 2])) for t in targets}
    found: Updated = drain(update(model, targets, quotas, triplets, SPARSEGPT, spec, token_budget=128))
    assert all(torch.equal(before[t.name], t.weight) for t in targets)
    texts = {ids: w for b in batches_of(model, triplets, spec) for ids, w in zip(b.ids, b.weights, strict=True)}
    inputs: dict[str, list[Tensor]] = {}
    try:
        for t in targets:
            grams = []

            def keep(_: object, args: tuple[Tensor, ...], grams: list[Tensor] = grams) -> None:
                grams.append(args[0].detach().reshape(-1, args[0].shape[-1]).double())

            handle = t.module.register_forward_pre_hook(keep)
            with torch.no_grad():
                for ids in texts:
                    features = {k: v for k, v in model.features([ids], "passage").items() if k != "prompt_length"}
                    model.backbone(**features)
            handle.remove()
            inputs[t.name] = grams
            gram = sum(w * x.T @ x for w, x in zip(texts.values(), grams, strict=True))
            assert isinstance(gram, Tensor)
            mask, new = obs_update(before[t.name], gram, quotas[t.name], DAMP)
            same = (mask == found.masks[t.name]).float().mean()
            assert same > 0.995, t.name
            assert float((found.weights[t.name] - new).norm() / new.norm()) < 0.05, t.name
            # Followed by what was found, so that one near tie does not spread.
            t.weight.copy_(found.weights[t.name])
    finally:
        for t in targets:
            t.weight.copy_(before[t.name])


def test_settings_say_where_it_is_counted() -> None:
    from gaprune_viz.criteria.registry import settled

    asked = Settings(score=ScoreSpec(criterion="sparsegpt"), mask=MaskSpec(whole_neurons=True))
    assert settled(asked).mask.allocation is Allocation.MATRIX and not settled(asked).mask.whole_neurons
    texts = asked.with_(refit=RefitSpec(samples=7, ridge=0.9))
    assert settled(texts).refit == RefitSpec(samples=7)
    other = texts.with_(score=ScoreSpec(criterion="wanda"))
    assert settled(other).refit == RefitSpec()
