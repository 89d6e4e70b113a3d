"""Masks of any scores: exact counts, ties and limits, N:M, nesting; the streaming path against a plain greedy one."""

from __future__ import annotations

from math import floor, inf, isnan
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.config import Allocation, MaskSpec
from gaprune_viz.masking import masks
from gaprune_viz.masking.masks import allocation_groups, count_of, make_masks, make_masks_streaming, rank_of, zeros_of
from tests.unit.masking.small_scores import LAYERS, Scores, as_lists


def greedy(scores: Scores, spec: MaskSpec) -> dict[str, list[list[bool]]]:
    """The definition, word for word and slowly: sort by (score, position), take the floors, then the rest."""
    kept = {name: np.ones(score.numel(), dtype=bool) for name, score in scores.items()}

    def take(entries: list[tuple[float, int, str, int]], count: int, room: dict[str, int]) -> None:
        for _, _, name, index in sorted(entries):
            if count == 0:
                return
            if kept[name][index] and room[name] > 0:
                kept[name][index] = False
                room[name] -= 1
                count -= 1

    for group in allocation_groups(scores, LAYERS, spec.allocation):
        entries = [
            (float(value), order, name, index)
            for order, name in enumerate(group)
            for index, value in enumerate(scores[name].flatten().tolist())
        ]
        if spec.allocation is Allocation.ROW:
            (name,) = group
            width = scores[name].shape[1]
            for start in range(0, scores[name].numel(), width):
                take(entries[start : start + width], count_of(spec.sparsity, width), {name: width})
            continue
        sizes = {name: scores[name].numel() for name in group}
        for name in group:
            least = count_of(spec.floor, sizes[name])
            take([entry for entry in entries if entry[2] == name], least, {name: least})
        room = {name: count_of(spec.ceiling, sizes[name]) - count_of(spec.floor, sizes[name]) for name in group}
        given_away = sum(count_of(spec.floor, size) for size in sizes.values())
        take(entries, count_of(spec.sparsity, sum(sizes.values())) - given_away, room)
    return {name: mask.reshape(scores[name].shape).tolist() for name, mask in kept.items()}


many_ties = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1.0000001, 1e-45, -1e-45, inf, -inf, 3e38, -3e38, 0.5])
any_float = st.floats(allow_nan=False, width=32)


@st.composite
def score_sets(draw: st.DrawFn) -> Scores:
    """One to four small matrices, with many equal scores or with any."""
    elements = draw(st.sampled_from([many_ties, any_float, many_ties | any_float]))
    scores = {}
    for name in "abcd"[: draw(st.integers(1, 4))]:
        rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 6))
        values = draw(st.lists(elements, min_size=rows * columns, max_size=rows * columns))
        scores[name] = torch.tensor(values, dtype=torch.float32).view(rows, columns)
    return scores


@st.composite
def specs(draw: st.DrawFn) -> MaskSpec:
    hundredths = sorted(draw(st.tuples(*[st.integers(0, 95)] * 3)))
    limited = draw(st.booleans())
    return MaskSpec(
        sparsity=hundredths[1] / 100,
        allocation=draw(st.sampled_from(list(Allocation))),
        floor=hundredths[0] / 100 if limited else 0.0,
        ceiling=max(hundredths[2] / 100, 0.05) if limited else 1.0,
    )


@given(score_sets(), specs())
def test_streamed_masks_are_the_greedy_definition(scores: Scores, spec: MaskSpec) -> None:
    calls: list[str] = []

    def score_of(name: str) -> torch.Tensor:
        calls.append(name)
        return scores[name].clone()

    shapes = {name: (score.shape[0], score.shape[1]) for name, score in scores.items()}
    with patch.object(masks, "HELD_TOGETHER", 0):
        streamed = make_masks_streaming(score_of, shapes, LAYERS, spec)
    assert as_lists(streamed) == greedy(scores, spec)
    assert max(calls.count(name) for name in scores) <= 3
    at_hand = make_masks(scores, LAYERS, spec)
    assert as_lists(at_hand) == as_lists(streamed)
    assert str(at_hand.thresholds) == str(streamed.thresholds)
    calls.clear()
    make_masks_streaming(score_of, shapes, LAYERS, spec)
    assert max(calls.count(name) for name in scores) == 1


@given(score_sets(), specs())
def test_each_group_is_exact_within_its_limits(scores: Scores, spec: MaskSpec) -> None:
    masks = make_masks(scores, LAYERS, spec).masks
    if spec.allocation is Allocation.ROW:
        for mask in masks.values():
            assert set((~mask).sum(1).tolist()) == {count_of(spec.sparsity, mask.shape[1])}
        return
    for group in allocation_groups(masks, LAYERS, spec.allocation):
        size = sum(masks[name].numel() for name in group)
        room = sum(count_of(spec.ceiling, masks[name].numel()) for name in group)
        assert zeros_of({name: masks[name] for name in group}) == min(count_of(spec.sparsity, size), room)
        for name in group:
            pruned, n = zeros_of({name: masks[name]}), masks[name].numel()
            assert count_of(spec.floor, n) <= pruned <= count_of(spec.ceiling, n)


@given(score_sets(), specs(), st.integers(0, 95))
def test_masks_are_nested_as_sparsity_grows(scores: Scores, spec: MaskSpec, other: int) -> None:
    low, high = sorted([spec.sparsity, min(max(other / 100, spec.floor), spec.ceiling)])
    less = make_masks(scores, LAYERS, spec.with_(sparsity=low)).masks
    more = make_masks(scores, LAYERS, spec.with_(sparsity=high)).masks
    for name in scores:
        assert not (more[name] & ~less[name]).any()


@given(score_sets(), specs())
def test_without_limits_the_threshold_divides_kept_from_pruned(scores: Scores, spec: MaskSpec) -> None:
    result = make_masks(scores, LAYERS, spec.with_(floor=0.0, ceiling=1.0))
    for group in allocation_groups(scores, LAYERS, spec.allocation):
        pruned = torch.cat([scores[name][~result.masks[name]] for name in group])
        for name in group:
            line = result.thresholds[name]
            if spec.allocation is Allocation.ROW or not pruned.numel():
                assert isnan(line)
            else:
                assert line == pruned.max().item()
                assert (scores[name][result.masks[name]] >= line).all()


@given(score_sets(), specs())
def test_rank_is_the_order_of_pruning(scores: Scores, spec: MaskSpec) -> None:
    spec = spec.with_(floor=0.0, ceiling=1.0)
    masks = make_masks(scores, LAYERS, spec).masks
    shapes = {name: (score.shape[0], score.shape[1]) for name, score in scores.items()}
    ranks: dict[tuple[object, ...], list[int]] = {}
    for name, (rows, columns) in shapes.items():
        group = next(i for i, g in enumerate(allocation_groups(scores, LAYERS, spec.allocation)) if name in g)
        for row in range(rows):
            for column in range(columns):
                rank, size = rank_of(scores.__getitem__, shapes, LAYERS, spec, name, row, column)
                assert bool(masks[name][row, column]) == (rank > count_of(spec.sparsity, size))
                ranks.setdefault((group, row if spec.allocation is Allocation.ROW else None), []).append(rank)
    for found in ranks.values():
        assert sorted(found) == list(range(1, len(found) + 1))


@given(
    st.sampled_from(["1:2", "2:4", "1:4", "4:8", "3:5"]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 1000),
)
def test_n_m_keeps_the_highest_n_of_each_m(pattern: str, rows: int, groups: int, seed: int) -> None:
    kept, group = (int(part) for part in pattern.split(":"))
    values = torch.from_numpy(np.random.default_rng(seed).integers(-2, 3, (rows, groups * group))).float()
    mask = make_masks({"a": values}, LAYERS, MaskSpec(pattern=pattern)).masks["a"].view(-1, group)
    assert (mask.sum(1) == kept).all()
    for chosen, scores in zip(mask.tolist(), values.view(-1, group).tolist(), strict=True):
        order = sorted(range(group), key=lambda i: (scores[i], i))
        assert chosen == [i in order[group - kept :] for i in range(group)]


@pytest.mark.parametrize("allocation", list(Allocation))
def test_large_matrices_are_exact(allocation: Allocation) -> None:
    """Beyond one counting block, with scores rounded so that thousands tie, against a full sort."""
    rng = np.random.default_rng(0)
    scores = {
        name: torch.from_numpy(np.round(rng.standard_normal((300, 700)), 2).astype(np.float32)) for name in "abcd"
    }
    spec = MaskSpec(sparsity=0.37, allocation=allocation)
    masks = make_masks(scores, LAYERS, spec).masks
    for group in allocation_groups(scores, LAYERS, allocation):
        flat = np.concatenate([scores[name].numpy().reshape(-1) for name in group])
        rows = flat.reshape(-1, 700) if allocation is Allocation.ROW else flat[None]
        expected = np.ones(rows.shape, dtype=bool)
        count = floor(37 * rows.shape[1] / 100)
        np.put_along_axis(expected, np.argsort(rows, axis=1, kind="stable")[:, :count], False, axis=1)
        got = np.concatenate([masks[name].numpy().reshape(-1) for name in group])
        assert np.array_equal(got, expected.reshape(-1))
