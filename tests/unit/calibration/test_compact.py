"""Compact statistics: near what was measured, zeros and signs exact, nothing damaged taken for numbers."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gaprune_viz.calibration.compact import log_quantization
from gaprune_viz.calibration.compact.file import COMPACT_FILE, STEPS, CompactStatistics, write_compact
from gaprune_viz.calibration.statistics import FIELDS, Statistics
from gaprune_viz.errors import GapruneError

STEP_COUNTS = arrays(np.float64, st.integers(1, 300), elements=st.floats(-40_000, 40_000))


@given(STEP_COUNTS, st.randoms(use_true_random=False))
def test_numbers_of_steps_come_back_rounded(steps: np.ndarray, chance: object) -> None:
    zeros = np.array([chance.random() < 0.2 for _ in steps])  # type: ignore[attr-defined]
    found, told = log_quantization.unpack(log_quantization.pack(steps, zeros), len(steps))
    assert (told == zeros).all()
    expected = np.clip(np.rint(steps), -log_quantization.FARTHEST, log_quantization.FARTHEST)
    assert (found[~zeros] == expected[~zeros]).all()


def test_small_numbers_take_a_byte_or_less() -> None:
    rng = np.random.default_rng(0)
    packed = log_quantization.pack(rng.normal(0, 8, 100_000), np.zeros(100_000, bool))
    assert not len(packed.others) and not len(packed.zeros)
    # The entropy of a normal of 8 steps: log2(8 * sqrt(2 pi e)) = 5.05 bits.
    assert len(packed.body) / 100_000 * 8 == pytest.approx(5.05, abs=0.1)


def test_signs_come_back() -> None:
    values = np.random.default_rng(1).normal(size=1_003)
    assert (log_quantization.unpacked_signs(log_quantization.packed_signs(values), 1_003) == np.sign(values)).all()


def test_the_rank_one_form_is_in_logarithms() -> None:
    values = np.outer([1.0, 2.0, 0.0], [3.0, 1.0])
    rows, columns = log_quantization.rank_one(values)
    assert np.exp(rows[:2, None] + columns) == pytest.approx(values[:2])
    assert rows[2] == 0


@pytest.mark.parametrize("body", [b"", b"no deflate at all", zlib.compress(bytes(100))])
def test_damaged_parts_are_refused(body: bytes) -> None:
    packed = log_quantization.pack(np.arange(10.0), np.zeros(10, bool))
    wrong = log_quantization.Packed(np.frombuffer(body, np.uint8), packed.others, packed.zeros)
    with pytest.raises(GapruneError, match="compact statistics are damaged"):
        log_quantization.unpack(wrong, 10)


def test_more_than_there_may_be_is_not_unpacked() -> None:
    press = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = np.frombuffer(press.compress(bytes(50_000_000)) + press.flush(), np.uint8)
    with pytest.raises(GapruneError, match="damaged"):
        log_quantization.unpack(log_quantization.Packed(bomb, np.empty(0, np.int16), np.empty(0, np.uint8)), 1_000)


@pytest.fixture(scope="module")
def both(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Statistics, CompactStatistics]:
    statistics = Statistics.open(tiny_analysis)
    shapes = {info.name: (info.rows, info.columns) for info in statistics.matrices}
    path = tmp_path_factory.mktemp("compact") / COMPACT_FILE
    plain = dict.fromkeys(shapes, tuple(field for field in FIELDS if field not in STEPS))
    write_compact(path, shapes, statistics.tensor, plain)
    return statistics, CompactStatistics(path, shapes)


def test_statistics_are_within_half_a_step(both: tuple[Statistics, CompactStatistics]) -> None:
    exact, compact = both
    for info in exact.matrices:
        for side in ("domain", "general"):
            fisher, found = (which.tensor(info.name, f"fisher_{side}") for which in both)
            assert torch.equal(fisher == 0, found == 0)
            known = fisher > 0
            off = (found[known].log() - fisher[known].log()).abs().max()
            assert off <= STEPS[f"fisher_{side}"] / 2 * 1.01
            grad, near = (which.tensor(info.name, f"grad_{side}") for which in both)
            assert torch.equal(grad.sign(), near.sign())
            # Its share of the root of the Fisher information is half a step off, the root a quarter of its own.
            large = grad.abs() > 1e-5 * fisher.sqrt()
            off = (near[large].abs().log() - grad[large].abs().log()).abs().max()
            assert off <= STEPS[f"grad_{side}"] / 2 + STEPS[f"fisher_{side}"] / 2 + 1e-3
            assert torch.equal(exact.tensor(info.name, f"act_{side}"), compact.tensor(info.name, f"act_{side}"))


def test_matrices_may_be_asked_for_in_any_order(both: tuple[Statistics, CompactStatistics]) -> None:
    _, compact = both
    names = list(compact.shapes)
    first = compact.tensor(names[0], "fisher_general")
    compact.tensor(names[1], "grad_general")
    assert torch.equal(compact.tensor(names[0], "fisher_general"), first)


def test_what_is_kept_decoded_is_the_same_and_nobody_elses(both: tuple[Statistics, CompactStatistics]) -> None:
    _, plain = both
    keeping = CompactStatistics(plain.path, plain.shapes)
    first, second, *_ = plain.shapes
    keeping.keeping = 4 * plain.shapes[first][0] * plain.shapes[first][1]
    for name in (first, second, first, second):
        found = keeping.tensor(name, "grad_domain")
        assert torch.equal(found, plain.tensor(name, "grad_domain"))
        found.zero_()
    assert set(keeping._kept) == {(first, "grad_domain")}


def test_a_file_that_is_none_is_refused(both: tuple[Statistics, CompactStatistics], tmp_path: Path) -> None:
    (tmp_path / COMPACT_FILE).write_bytes(b"PK no zip")
    wrong = CompactStatistics(tmp_path / COMPACT_FILE, both[1].shapes)
    with pytest.raises(GapruneError, match="cannot be read from the compact statistics"):
        wrong.tensor(next(iter(wrong.shapes)), "fisher_domain")
    with pytest.raises(GapruneError, match="cannot be read"):
        CompactStatistics(tmp_path / "absent.npz", both[1].shapes).tensor(next(iter(wrong.shapes)), "act_domain")
