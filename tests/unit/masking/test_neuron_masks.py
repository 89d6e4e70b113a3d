"""Rows that keep some inputs, and neurons that go whole: by hand, as properties, and on four kinds of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import MatrixInfo, Statistics
from gaprune_viz.config import Allocation, CalibrationSpec, MaskSpec, ModelSpec, RunSpec, Sampling, ScoreSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.masks import count_of, make_masks, make_masks_streaming, zeros_of
from gaprune_viz.masking.neuron_masks import GONE, WholeNeurons, capped, rows_gone, waking
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.mlps import mlps_of

NEURONS, IN, OUT = 6, 24, 5
UP = MatrixInfo("up", 0, "up", "mlp", NEURONS, IN)
GATE = MatrixInfo("gate", 0, "gate", "mlp", NEURONS, IN)
FUSED = MatrixInfo("fused", 0, "fused_gate_up", "mlp", 2 * NEURONS, IN)
DOWN = MatrixInfo("down", 0, "down", "mlp", OUT, NEURONS)
seeds = st.integers(0, 10_000)


def scores_of(seed: int, *matrices: MatrixInfo, levels: int = 0) -> dict[str, torch.Tensor]:
    """Random scores, rows of very different size; of a few levels where ties are wanted."""
    rng = np.random.default_rng(seed)
    found = {}
    for info in matrices:
        values = rng.lognormal(0, 1, (info.rows, info.columns)) * rng.lognormal(0, 3, (info.rows, 1))
        values = np.floor(values * levels) if levels else values
        found[info.name] = torch.from_numpy(values.astype(np.float32))
    return found


def whole_masks(scores: dict[str, torch.Tensor], matrices: tuple[MatrixInfo, ...], sparsity: float):
    whole = WholeNeurons(scores.__getitem__, matrices)
    changed = {name: torch.from_numpy(whole(name, values.numpy())) for name, values in scores.items()}
    return make_masks(changed, dict.fromkeys(scores, 0), MaskSpec(sparsity=sparsity)).masks


def test_the_highest_of_a_row_stay() -> None:
    values = np.array([[1.0, 3.0, 2.0, 3.0], [4.0, 1.0, 1.0, 1.0]], dtype=np.float32)
    inf = np.inf
    # Of the two threes the later one stays; of the ones likewise.
    assert capped(values, 3).tolist() == [[1, 3, 2, inf], [inf, 1, 1, 1]]
    assert capped(values, 2).tolist() == [[1, inf, 2, inf], [inf, 1, 1, inf]]
    assert capped(values, 4) is values


@given(seeds, st.sampled_from([0.0, 0.2, 0.5, 0.7, 0.8]), st.sampled_from([0.8, 0.9]), st.sampled_from([0, 2]))
def test_no_row_loses_more_than_its_ceiling_and_the_sparsity_is_exact(
    seed: int, sparsity: float, ceiling: float, levels: int
) -> None:
    scores = scores_of(seed, UP, DOWN, levels=levels)
    masks = make_masks(scores, dict.fromkeys(scores, 0), MaskSpec(sparsity=sparsity, row_ceiling=ceiling)).masks
    room = sum(info.rows * count_of(ceiling, info.columns) for info in (UP, DOWN))
    assert zeros_of(masks) == min(count_of(sparsity, UP.size + DOWN.size), room)
    for info in (UP, DOWN):
        assert int((~masks[info.name]).sum(1).max()) <= count_of(ceiling, info.columns)


@given(seeds, st.sampled_from([0.3, 0.55, 0.7]), st.sampled_from([0.0, 0.05]))
def test_a_floor_that_rows_have_no_room_for_gives_way(seed: int, bound: float, above: float) -> None:
    scores = scores_of(seed, UP, DOWN)
    spec = MaskSpec(sparsity=bound, floor=bound, row_ceiling=bound + above)
    masks = make_masks(scores, dict.fromkeys(scores, 0), spec).masks
    for info in (UP, DOWN):
        room = info.rows * count_of(bound + above, info.columns)
        assert int((~masks[info.name]).sum()) >= min(count_of(bound, info.size), room)
        assert int((~masks[info.name]).sum(1).max()) <= count_of(bound + above, info.columns)


@given(seeds, st.sampled_from([0, 2]), st.sampled_from([{"row_ceiling": 0.9}, {}]))
def test_masks_with_bounds_are_nested_in_sparsity(seed: int, levels: int, bounds: dict[str, float]) -> None:
    scores = scores_of(seed, UP, DOWN, levels=levels)
    before: dict[str, torch.Tensor] | None = None
    for sparsity in (0.1, 0.3, 0.5, 0.6, 0.75, 0.85):
        if bounds:
            masks = make_masks(scores, dict.fromkeys(scores, 0), MaskSpec(sparsity=sparsity, row_ceiling=0.9)).masks
        else:
            masks = whole_masks(scores, (UP, DOWN), sparsity)
        if before is not None:
            assert all(bool((masks[name] <= before[name]).all()) for name in masks)
        before = masks


def test_a_neuron_goes_whole_by_hand() -> None:
    """Two neurons of twenty inputs. The first loses its twentieth at 19 of 20 gone; its column goes a hair before."""
    up = torch.arange(1, 41, dtype=torch.float32).view(2, 20)
    up[0, 19] = 1000.0
    down = torch.tensor([[500.0, 600.0], [700.0, 800.0]])
    matrices = (MatrixInfo("up", 0, "up", "mlp", 2, 20), MatrixInfo("down", 0, "down", "mlp", 2, 2))
    whole = WholeNeurons({"up": up, "down": down}.__getitem__, matrices)
    # More than 0.95 of 20 is all 20: the end of the first is its last score, that of the second 40.
    assert whole.ends(mlps_of(matrices)[0]).tolist() == [1000.0, 40.0]
    wide = torch.cat([up, torch.full((2, 20), 2000.0)], dim=1)
    wide[0, 20:38] = 0.5
    wide[1, 20:38] = 3000.0
    matrices = (MatrixInfo("up", 0, "up", "mlp", 2, 40), matrices[1])
    whole = WholeNeurons({"up": wide, "down": down}.__getitem__, matrices)
    # 39 of 40: of the first 18 halves, 1 to 19, 1000 and one of the two 2000; of the second two 2000 after 21 to 40.
    assert whole.ends(mlps_of(matrices)[0]).tolist() == [2000.0, 3000.0]
    changed = whole("down", down.numpy())
    assert changed.tolist() == [[500.0, 600.0], [700.0, 800.0]]
    low = WholeNeurons({"up": wide / 1000, "down": down}.__getitem__, matrices)
    assert low("down", down.numpy()) == pytest.approx(np.array([[2.0, 3.0], [2.0, 3.0]]))
    assert (low("down", down.numpy()) < np.array([2.0, 3.0], dtype=np.float32)).all()
    assert low("up", (wide / 1000).numpy()).max() == 3.0


@given(seeds, st.sampled_from([(UP, DOWN), (GATE, UP, DOWN), (FUSED, DOWN)]), st.sampled_from([0.3, 0.5, 0.7, 0.9]))
def test_at_most_the_neuron_at_the_threshold_wakes(
    seed: int, matrices: tuple[MatrixInfo, ...], sparsity: float
) -> None:
    scores = scores_of(seed, *matrices)
    masks = whole_masks(scores, matrices, sparsity)
    assert zeros_of(masks) == count_of(sparsity, sum(info.size for info in matrices))
    assert int(waking(masks, matrices)["down"].sum()) <= 1
    # A neuron whose output is gone whole and whose input is not is nobody's: no other weight went for it.
    silent = ~masks["down"].any(dim=0)
    gone = torch.stack([rows_gone(masks[m.name], NEURONS) for m in matrices if m.name != "down"]).any(dim=0)
    plain = make_masks(scores, dict.fromkeys(scores, 0), MaskSpec(sparsity=sparsity)).masks
    assert bool((silent >= (gone & ~waking(masks, matrices)["down"])).all())
    assert zeros_of(plain) == zeros_of(masks)


def test_a_row_is_all_but_gone_above_the_share() -> None:
    mask = torch.ones(2, 100, dtype=torch.bool)
    mask[0, : int(GONE * 100) + 1] = False
    mask[1, : int(GONE * 100)] = False
    assert rows_gone(mask, 2).tolist() == [True, False]
    # In a fused matrix one of the two rows of a neuron is enough.
    assert rows_gone(torch.cat([torch.ones(2, 100, dtype=torch.bool), mask]), 2).tolist() == [True, False]


def test_what_is_no_whole_mlp_is_left_alone() -> None:
    assert mlps_of([UP]) == []
    assert mlps_of([DOWN]) == []
    assert mlps_of([UP, MatrixInfo("down", 0, "down", "mlp", OUT, NEURONS + 1)]) == []
    experts = [MatrixInfo(f"{i}.{m.name}", 0, m.role, "mlp", m.rows, m.columns) for i in (0, 1) for m in (UP, DOWN)]
    assert [(mlp.feeders, mlp.down) for mlp in mlps_of(experts)] == [(("0.up",), "0.down"), (("1.up",), "1.down")]
    values = np.ones((3, 3), dtype=np.float32)
    assert WholeNeurons({}.__getitem__, [UP])("up", values) is values


@pytest.mark.parametrize(
    "values",
    [{"sparsity": 0.95, "row_ceiling": 0.9}, {"pattern": "1:4", "row_ceiling": 0.5}, {"row_ceiling": 0.01}],
)
def test_a_bound_that_leaves_no_room_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(GapruneError, match="row-ceiling"):
        MaskSpec.parse(dict(values))


def test_whole_neurons_do_not_go_with_counting_each_matrix_apart() -> None:
    with pytest.raises(GapruneError, match="Whole neurons span two matrices"):
        MaskSpec.parse({"whole_neurons": True, "allocation": Allocation.MATRIX})


@pytest.mark.parametrize("family", ["bert", "modernbert", "qwen3", "gpt2"])
def test_on_models_no_neuron_is_left_without_input_but_with_output(
    family: str, tiny_model_folder: Callable[..., Path], tiny_triplets: tuple[Path, Path], tmp_path: Path
) -> None:
    """Biased (BERT, GPT-2) or not (ModernBERT, Qwen3), plain, fused or gated, Linear or Conv1D."""
    domain, general = map(str, tiny_triplets)
    spec = ModelSpec(model=str(tiny_model_folder(family)), device="cpu")
    calibration = CalibrationSpec(domain=domain, general=general, samples=12, sampling=Sampling.ALL)
    folder = drain(analyze(RunSpec(model=spec, calibration=calibration), tmp_path / "analysis"))
    statistics = Statistics.open(folder)
    scope, _ = exact_scope(statistics, load_model(spec))
    assert len(mlps_of(statistics.matrices)) == 2
    for sparsity in (0.5, 0.8, 0.95):
        settings = Settings(
            score=ScoreSpec(criterion="obd_joint"), mask=MaskSpec(sparsity=sparsity, whole_neurons=True)
        )
        result = scope.masks(settings)
        assert zeros_of(result.masks) == count_of(sparsity, sum(m.size for m in statistics.matrices))
        found = scope.diagnostics(settings, result)
        assert found.waking == sum(int(n.sum()) for n in waking(result.masks, statistics.matrices).values()) <= 1
        by_hand = make_masks_streaming(scope.scores_of(settings), scope.shapes, scope.layers, settings.mask)
        assert all(torch.equal(by_hand.masks[name], result.masks[name]) for name in result.masks)
    bounded = Settings(score=ScoreSpec(criterion="obd_joint"), mask=MaskSpec(sparsity=0.8, row_ceiling=0.9))
    result = scope.masks(bounded)
    assert scope.diagnostics(bounded, result).waking == 0
