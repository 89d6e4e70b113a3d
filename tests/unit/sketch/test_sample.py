"""The sample behind the sliders: sizes, weights, values, and that it comes back as it was saved."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.calibration.statistics import MatrixInfo, MatrixStatistics
from gaprune_viz.config import SKETCH_CAP, SKETCH_PER_MATRIX, Alignment
from gaprune_viz.criteria.alignment import align
from gaprune_viz.criteria.sources.source_moments import over_sources
from gaprune_viz.errors import GapruneError
from gaprune_viz.sketch.building import SEGMENT, SketchBuilder, allot
from gaprune_viz.sketch.sample import Sample, Sketch

SHAPES = ((96, 128), (40, 64), (8, 64), (300, 200))


def info(index: int, rows: int, columns: int) -> MatrixInfo:
    return MatrixInfo(f"block.{index}.weight", index, "up", "mlp", rows, columns)


def random_statistics(rows: int, columns: int, seed: int) -> MatrixStatistics:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    grads = normal(rows, columns), normal(rows, columns)
    return MatrixStatistics(
        theta=normal(rows, columns),
        fisher_domain=grads[0].square() * (1 + normal(rows, columns).square()),
        fisher_general=grads[1].square() * (1 + normal(rows, columns).square()),
        grad_domain=grads[0],
        grad_general=grads[1],
        act_domain=normal(columns).abs(),
        act_general=normal(columns).abs(),
    )


MATRICES = [random_statistics(*shape, seed) for seed, shape in enumerate(SHAPES)]
INFOS = [info(i, *shape) for i, shape in enumerate(SHAPES)]


def build(seed: int = 0, cap: int = 16_384) -> Sketch:
    builder = SketchBuilder(INFOS, seed, cap)
    for stats in MATRICES:
        grads = (stats.grad_domain, stats.grad_general, -stats.grad_domain)
        fishers = (stats.fisher_domain, stats.fisher_general, stats.fisher_domain * 2)
        builder.add(stats, over_sources(fishers, grads, (1.0, 2.0, 3.0)))
    return builder.build()


SKETCH = build()
SIDES = pytest.mark.parametrize("sample", [SKETCH.scattered, SKETCH.segments], ids=["scattered", "segments"])


def same(a: Sample, b: Sample) -> bool:
    return all(torch.equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Sample))


def test_every_matrix_gives_enough_and_the_whole_stays_within_the_cap() -> None:
    assert len(SKETCH.scattered) + len(SKETCH.segments) <= 16_384
    counts = torch.bincount(SKETCH.scattered.matrix, minlength=4).tolist()
    for count, matrix in zip(counts, INFOS, strict=True):
        assert count >= min(matrix.size, SKETCH_PER_MATRIX)
    # The small one gives all of itself, and a larger one gives more.
    assert counts[2] == 8 * 64
    assert counts[3] == max(counts)
    assert len(SKETCH.segments) >= 4 * SEGMENT


def test_a_scope_that_fits_is_taken_whole() -> None:
    sketch = build(cap=10**6)
    assert len(sketch.scattered) == sum(m.size for m in INFOS)
    assert bool((sketch.scattered.weight == 1).all())


@given(sizes=st.lists(st.integers(1, 400_000), min_size=1, max_size=300))
def test_allotments_add_up(sizes: list[int]) -> None:
    counts = allot(sizes, SKETCH_CAP, SKETCH_PER_MATRIX)
    assert sum(counts) <= SKETCH_CAP
    least = min(SKETCH_PER_MATRIX, SKETCH_CAP // len(sizes))
    assert all(min(size, least) <= count <= size for size, count in zip(sizes, counts, strict=True))
    if sum(sizes) > SKETCH_CAP:
        # Nothing is given away: what rounding leaves is less than one weight a matrix.
        assert sum(counts) > SKETCH_CAP - len(sizes)
    else:
        assert counts == sizes


def test_models_with_many_matrices_still_give_a_thousand_each() -> None:
    # 36 layers of 7 matrices, as in a decoder of four billion weights.
    matrices = [info(i, 2_560, 2_560) for i in range(252)]
    builder = SketchBuilder(matrices, 0)
    both = [c + s * builder.length for c, s in zip(builder.counts, builder.segment_counts, strict=True)]
    assert min(both) >= SKETCH_PER_MATRIX
    assert sum(both) <= SKETCH_CAP


@SIDES
def test_sampling_weights_add_up_to_the_matrices(sample: Sample) -> None:
    for i, matrix in enumerate(INFOS):
        total = float(sample.weight[sample.matrix == i].double().sum())
        assert total == pytest.approx(matrix.size, rel=1e-6)


@SIDES
def test_values_are_those_of_the_matrices(sample: Sample) -> None:
    assert torch.equal(sample.matrix, sample.matrix.sort().values)
    for i, stats in enumerate(MATRICES):
        here = sample.matrix == i
        flat = sample.flat[here]
        assert len(flat.unique()) == len(flat)
        rows, columns = flat // SHAPES[i][1], flat % SHAPES[i][1]
        for name in ("theta", "fisher_domain", "fisher_general", "grad_domain", "grad_general"):
            assert torch.equal(getattr(sample, name)[here], getattr(stats, name)[rows, columns]), name
        assert torch.equal(sample.act_domain[here], stats.act_domain[columns])
        for kind in Alignment:
            whole = align(kind, stats.grad_domain, stats.grad_general, stats.fisher_domain, stats.fisher_general)
            expected = whole.broadcast_to(SHAPES[i])[rows, columns]
            torch.testing.assert_close(sample.alignment(kind)[here], expected)
    numbers = sample.statistics(Alignment.ROW)
    assert numbers.flat_index is sample.flat
    assert numbers.alignment is sample.s_row


def test_segments_are_stretches_of_one_row() -> None:
    assert SKETCH.segment_length == SEGMENT == 64
    flat = SKETCH.segments.flat.view(-1, SEGMENT)
    assert torch.equal(flat, flat[:, :1] + torch.arange(SEGMENT))
    matrix = SKETCH.segments.matrix.view(-1, SEGMENT)
    assert bool((matrix == matrix[:, :1]).all())
    columns = torch.tensor([shape[1] for shape in SHAPES])[matrix[:, 0]]
    assert torch.equal(flat[:, 0] // columns, flat[:, -1] // columns)
    # N:M groups begin where a segment does.
    assert bool((flat[:, 0] % columns % SEGMENT == 0).all())


def test_segments_are_as_short_as_the_narrowest_matrix() -> None:
    builder = SketchBuilder([info(0, 48, 32), info(1, 32, 48)], 0, 1_024)
    for shape in ((48, 32), (32, 48)):
        builder.add(random_statistics(*shape, 0))
    sketch = builder.build()
    assert sketch.segment_length == 32
    flat = sketch.segments.flat.view(-1, 32)
    assert torch.equal(flat, flat[:, :1] + torch.arange(32))


@pytest.mark.parametrize("field", ["theta", "fisher_domain"])
def test_quantiles_are_those_of_the_whole(field: str) -> None:
    for i, stats in enumerate(MATRICES):
        sampled = getattr(SKETCH.scattered, field)[SKETCH.scattered.matrix == i].abs()
        whole = getattr(stats, field).abs().flatten()
        for q in (0.1, 0.5, 0.9):
            share = float((whole <= sampled.quantile(q)).float().mean())
            assert share == pytest.approx(q, abs=0.02)


def test_the_seed_decides() -> None:
    again, other = build(), build(seed=1)
    assert same(again.scattered, SKETCH.scattered)
    assert same(again.segments, SKETCH.segments)
    assert not torch.equal(other.scattered.flat, SKETCH.scattered.flat)
    assert not torch.equal(other.segments.flat, SKETCH.segments.flat)


def test_it_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    SKETCH.save(tmp_path / "sketch.npz")
    back = Sketch.load(tmp_path / "sketch.npz")
    assert same(back.scattered, SKETCH.scattered)
    assert same(back.segments, SKETCH.segments)
    assert back.segment_length == SKETCH.segment_length
    assert {getattr(back.scattered, f.name).dtype for f in fields(Sample)} == {torch.int64, torch.float32}


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sketch.npz"
    with pytest.raises(GapruneError, match=r"sketch\.npz cannot be read"):
        Sketch.load(path)
    SKETCH.save(path)
    whole = path.read_bytes()
    for length in (0, 10, 1_000, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:length])
        with pytest.raises(GapruneError, match=r"sketch\.npz cannot be read"):
            Sketch.load(path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(GapruneError, match=r"sketch\.npz cannot be read"):
        Sketch.load(path)
    np.savez(path, segment_length=np.array(64))
    with pytest.raises(GapruneError, match=r"sketch\.npz cannot be read"):
        Sketch.load(path)


def test_pickled_arrays_are_not_run(tmp_path: Path) -> None:
    path = tmp_path / "sketch.npz"
    np.savez(path, **{"segment_length": np.array([object()], dtype=object)}, allow_pickle=True)
    with pytest.raises(GapruneError, match="cannot be read"):
        Sketch.load(path)


def test_altered_bytes_are_refused_or_harmless(tmp_path: Path) -> None:
    build().save(tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        altered = bytearray(whole)
        altered[random.integers(len(altered))] ^= int(random.integers(1, 256))
        (tmp_path / "altered.npz").write_bytes(altered)
        try:
            Sketch.load(tmp_path / "altered.npz")
        except GapruneError:
            refused += 1
    assert refused > 100
