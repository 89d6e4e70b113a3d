"""A refit around its arithmetic: texts, order, threads, memory, stops, and what cannot be refitted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gaprune_viz.analysis.samples import choose_data
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, Dtype, ModelSpec, RefitSpec, RunSpec, Scope
from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.applying import masked
from gaprune_viz.pruning.refit.batches import batches_of
from gaprune_viz.pruning.refit.cost_estimate import foresee
from gaprune_viz.pruning.refit.refit import Refit, plan_of_refit, refit

SPEC = RefitSpec(refit=True, ridge=0.05)
SIDES = ("domain", "general")
Triplets = dict[str, tuple[Triplet, ...]]


@pytest.fixture(scope="module")
def triplets(tiny_triplets: tuple[Path, Path]) -> Triplets:
    return {side: load_triplets(str(path)).triplets for side, path in zip(SIDES, tiny_triplets, strict=True)}


@pytest.fixture
def model(tiny_bert: Path) -> EmbeddingModel:
    return load_model(ModelSpec(model=str(tiny_bert), device="cpu"))


def half(model: EmbeddingModel, kept: float = 0.5) -> dict[str, Tensor]:
    return {t.name: t.weight.abs() > t.weight.abs().float().quantile(1 - kept) for t in inventory(model).targets}


def refitted(model: EmbeddingModel, triplets: Triplets, spec: RefitSpec = SPEC, **options: object) -> Refit:
    options = {"token_budget": 128, **options}
    return drain(refit(model, inventory(model).targets, half(model), triplets, spec, **options))  # type: ignore[arg-type]


def gap(first: Refit, second: Refit) -> float:
    """Largest relative difference of a matrix."""
    return max(float((w - second.weights[name]).norm() / w.norm()) for name, w in first.weights.items())


def bits(model: EmbeddingModel) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.backbone.named_parameters()}


def assert_untouched(model: EmbeddingModel, before: dict[str, Tensor]) -> None:
    assert all(torch.equal(before[name], now) for name, now in bits(model).items())
    assert not any("forward" in module.__dict__ for module in model.backbone.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.backbone.modules())


def test_a_refitted_model_answers_more_like_the_dense_one(model: EmbeddingModel, triplets: Triplets) -> None:
    targets, masks, before = inventory(model).targets, half(model), bits(model)
    texts = [t.query for t in triplets["domain"]]
    found = refitted(model, triplets)
    dense = model.encode(texts)
    with masked(model, targets, masks):
        cut = model.encode(texts)
    with masked(model, targets, masks, found.weights):
        mended = model.encode(texts)
        assert all(not target.weight[~masks[target.name]].any() for target in targets)
    assert ((dense - mended) ** 2).sum() < 0.3 * ((dense - cut) ** 2).sum()
    assert_untouched(model, before)
    assert len(found.errors) == 2
    assert all(0 < error < 1 for error in found.errors)


def test_neither_order_nor_batches_nor_threads_matter(model: EmbeddingModel, triplets: Triplets) -> None:
    first = refitted(model, triplets)
    backwards = {side: tuple(reversed(rows)) for side, rows in triplets.items()}
    assert gap(first, refitted(model, backwards)) == 0
    assert gap(first, refitted(model, triplets, token_budget=40)) <= 1e-5
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert gap(first, refitted(model, triplets)) <= 1e-5
    finally:
        torch.set_num_threads(threads)


def test_little_memory_costs_time_and_changes_nothing(model: EmbeddingModel, triplets: Triplets) -> None:
    targets = inventory(model).targets
    plan = plan_of_refit(model, targets, triplets, SPEC, token_budget=128)
    lean = plan_of_refit(model, targets, triplets, SPEC, token_budget=128, memory=plan.peak_bytes - 1)
    assert plan.keeping
    assert not lean.keeping
    assert lean.peak_bytes < plan.peak_bytes
    assert lean.work > plan.work
    assert gap(refitted(model, triplets), refitted(model, triplets, memory=lean.peak_bytes)) == 0
    before = bits(model)
    with pytest.raises(GapruneError, match="too little for this refit") as told:
        refitted(model, triplets, memory=lean.peak_bytes - 1)
    assert "samples" in told.value.hint
    assert_untouched(model, before)


def test_progress_goes_to_the_end(model: EmbeddingModel, triplets: Triplets) -> None:
    told = list(refit(model, inventory(model).targets, half(model), triplets, SPEC, token_budget=128))
    fractions = [p.fraction for p in told]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    assert len(told) > 20


@pytest.mark.parametrize("steps", [1, 2, 9, 25])
def test_a_stop_leaves_the_model_as_it_was(model: EmbeddingModel, triplets: Triplets, steps: int) -> None:
    before = bits(model)
    work = refit(model, inventory(model).targets, half(model), triplets, SPEC, token_budget=128)
    for _ in range(steps):
        next(work)
    assert_untouched(model, before)
    assert model.lock.acquire(blocking=False)
    model.lock.release()
    work.close()
    assert_untouched(model, before)


def test_only_targets_with_a_mask_are_fitted(model: EmbeddingModel, triplets: Triplets) -> None:
    targets = inventory(model).targets
    masks = {name: mask for name, mask in half(model).items() if ".1.output.dense" in name or "0.intermediate" in name}
    found = drain(refit(model, targets, masks, triplets, SPEC))
    assert found.weights.keys() == masks.keys()
    assert len(masks) == 2


def test_weights_keep_the_format_of_the_model(tiny_bert: Path, triplets: Triplets) -> None:
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu", dtype=Dtype.BFLOAT16))
    masks = half(model)
    found = refitted(model, triplets)
    for name, weight in found.weights.items():
        assert weight.dtype is torch.bfloat16
        assert bool(torch.isfinite(weight).all())
        assert not weight[~masks[name]].any()
    assert found.errors[-1] < 0.5


def test_few_tokens_raise_the_ridge_and_say_so(model: EmbeddingModel, triplets: Triplets) -> None:
    few = {side: rows[:2] for side, rows in triplets.items()}
    short = {s: tuple(Triplet(t.query[:3], "salt", ("gas",)) for t in rows) for s, rows in few.items()}
    for ridge in (0.0, 0.3):
        found = refitted(model, short, SPEC.with_(ridge=ridge))
        assert all(bool(torch.isfinite(weight).all()) for weight in found.weights.values())
        (note,) = found.notes
        assert f"{found.tokens:,} tokens, fewer than the 48 inputs of" in note
        assert f"raised from {ridge:g} to " in note
        assert max(layer.ridge for layer in found.layers) > ridge
    assert refitted(model, triplets).notes == ()


def test_a_row_that_lost_everything_stays_empty(model: EmbeddingModel, triplets: Triplets) -> None:
    targets, masks = inventory(model).targets, half(model)
    masks[targets[0].name][5] = False
    masks[targets[4].name][:] = False
    found = drain(refit(model, targets, masks, triplets, SPEC))
    assert not found.weights[targets[0].name][5].any()
    assert not found.weights[targets[4].name].any()
    assert all(bool(torch.isfinite(weight).all()) for weight in found.weights.values())


@pytest.mark.parametrize(("share", "side"), [(1.0, "domain"), (0.0, "general")])
def test_a_side_without_weight_is_not_read(model: EmbeddingModel, triplets: Triplets, share: float, side: str) -> None:
    spec = SPEC.with_(domain_share=share)
    alone = refitted(model, {side: triplets[side]}, spec)
    assert gap(alone, refitted(model, triplets, spec)) == 0
    with pytest.raises(GapruneError, match=f"no {side} texts"):
        refitted(model, {s: rows for s, rows in triplets.items() if s != side}, SPEC)


def test_each_text_counts_once_and_sides_by_their_share(model: EmbeddingModel, triplets: Triplets) -> None:
    twice = {side: (*rows, *rows) for side, rows in triplets.items()}
    spec = SPEC.with_(domain_share=0.8)
    batches = batches_of(model, triplets, spec, 100)
    assert batches_of(model, twice, spec, 100) == batches
    weight: dict[float, float] = {}
    for batch in batches:
        assert batch.padded <= 100
        for ids, w in zip(batch.ids, batch.weights, strict=True):
            weight[w] = weight.get(w, 0) + w * len(ids)
    total = sum(batch.tokens for batch in batches)
    assert sorted(weight.values()) == pytest.approx([0.2 * total, 0.8 * total])


def test_so_many_samples_are_read(model: EmbeddingModel, triplets: Triplets) -> None:
    tokens = [sum(b.tokens for b in batches_of(model, triplets, SPEC.with_(samples=n))) for n in (2, 6, 12, 500)]
    assert tokens[0] < tokens[1] < tokens[2] == tokens[3]


def test_weights_that_are_no_numbers_are_refused(model: EmbeddingModel, triplets: Triplets) -> None:
    masks = half(model)
    inventory(model).targets[4].weight[0, 0] = float("nan")
    with pytest.raises(GapruneError, match="not finite"):
        drain(refit(model, inventory_before(model), masks, triplets, SPEC))


def inventory_before(model: EmbeddingModel) -> tuple:  # type: ignore[type-arg]
    """The targets of a model that no longer embeds."""
    weight = model.backbone.encoder.layer[0].intermediate.dense.weight  # type: ignore[union-attr, index]
    bad = weight.data[0, 0].clone()
    weight.data[0, 0] = 0
    found = inventory(model).targets
    weight.data[0, 0] = bad
    return found


def test_a_block_that_is_used_twice_is_refused(model: EmbeddingModel, triplets: Triplets) -> None:
    targets = inventory(model).targets
    layers = model.backbone.encoder.layer  # type: ignore[union-attr]
    layers[1] = layers[0]  # type: ignore[index, operator]
    before = bits(model)
    with pytest.raises(GapruneError, match="not called one after another") as told:
        drain(refit(model, targets[:6], half(model), triplets, SPEC))
    assert told.value.hint
    assert_untouched(model, before)


def test_a_weight_that_two_layers_share_is_refused(model: EmbeddingModel, triplets: Triplets) -> None:
    layers = model.backbone.encoder.layer  # type: ignore[union-attr]
    layers[1].intermediate.dense.weight = layers[0].intermediate.dense.weight  # type: ignore[index, union-attr]
    with pytest.raises(GapruneError, match="the weight of several layers"):
        drain(refit(model, inventory(model).targets, half(model), triplets, SPEC))


def test_blocks_with_something_between_them_are_refused(model: EmbeddingModel, triplets: Triplets) -> None:
    block = model.backbone.encoder.layer[0]  # type: ignore[union-attr, index]
    handle = block.register_forward_hook(  # type: ignore[union-attr]
        lambda m, args, out: out + torch.randn_like(out)
    )
    try:
        with pytest.raises(GapruneError, match="something else when it is run again"):
            refitted(model, triplets)
    finally:
        handle.remove()


def test_other_weights_come_off_to_the_bit(tiny_model_folder: Callable[..., Path]) -> None:
    model = load_model(ModelSpec(model=str(tiny_model_folder("gpt2")), device="cpu"))
    targets, before = inventory(model).targets, bits(model)
    with (
        pytest.raises(RuntimeError),
        masked(model, targets, half(model), {targets[1].name: torch.ones(targets[1].shape)}),
    ):
        assert bool((targets[1].weight == 1).all())
        raise RuntimeError
    assert_untouched(model, before)


def test_a_plan_from_shapes_alone_is_near_the_refit_itself(tiny_bert: Path, tiny_triplets: tuple[Path, Path]) -> None:
    domain, general = map(str, tiny_triplets)
    calibration = CalibrationSpec(domain=domain, general=general, samples=12, scope=Scope.LINEAR)
    run = RunSpec(model=ModelSpec(model=str(tiny_bert), device="cpu"), calibration=calibration)
    found = foresee(run, SPEC)
    model = load_model(run.model)
    triplets = {side: choose_data(run, side, model).samples for side in SIDES}
    plan = plan_of_refit(model, inventory(model).targets, triplets, SPEC)
    assert found.plan.tokens == plan.tokens
    assert found.plan.work == pytest.approx(plan.work, rel=0.1)
    assert found.plan.peak_bytes == pytest.approx(plan.peak_bytes, rel=0.25)
    assert found.seconds > 0 and f"{plan.tokens:,} tokens" in found.sentence
    with pytest.raises(GapruneError, match="too little for this refit"):
        foresee(run.with_(calibration=calibration.with_(memory=0.0001)), SPEC)
