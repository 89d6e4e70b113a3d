"""Embeddings on disk: found by content, never stale, bounded, and no harm where the disk is broken."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gaprune_viz.config import ModelSpec
from gaprune_viz.evaluation.embedding_cache import CachedEncoder, EmbeddingCache, mask_hash
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import encode_task
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target, inventory

TEXTS = ["salt in water", "a bond of two atoms", ""]


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path / "embeddings")


@pytest.fixture(scope="module")
def model(tiny_bert: Path) -> EmbeddingModel:
    return load_model(ModelSpec(model=str(tiny_bert), device="cpu", query_prompt="ask: "))


@pytest.fixture(scope="module")
def targets(model: EmbeddingModel) -> tuple[Target, ...]:
    return inventory(model).targets


def masks_of(targets: Sequence[Target], keep: float, seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {t.name: torch.rand(t.weight.shape, generator=draw) < keep for t in targets}


def counted(model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Batches that the model embeds from now on."""
    batches: list[int] = []
    embed = EmbeddingModel.embed

    def counting(self: EmbeddingModel, features: dict[str, Any]) -> torch.Tensor:
        batches.append(len(features["input_ids"]))
        return embed(self, features)

    monkeypatch.setattr(EmbeddingModel, "embed", counting)
    return batches


def test_the_second_run_encodes_nothing(
    model: EmbeddingModel, targets: tuple[Target, ...], cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, masks = load_task("chemistry"), masks_of(targets, 0.5)
    first = [
        encode_task(encoder, task)
        for encoder in (CachedEncoder(model, cache), CachedEncoder(model, cache, targets, masks))
    ]
    batches = counted(model, monkeypatch)
    told: list[tuple[int, int]] = []
    fresh = EmbeddingCache(cache.folder)
    for found, encoder in zip(
        first, (CachedEncoder(model, fresh), CachedEncoder(model, fresh, targets, masks)), strict=True
    ):
        again = encode_task(encoder, task, progress=lambda *at: told.append(at))
        assert np.array_equal(found.queries, again.queries)
        assert np.array_equal(found.corpus, again.corpus)
    assert batches == []
    whole = len(task.queries) + len(task.corpus)
    assert told == [(len(task.queries), whole), (whole, whole)] * 2
    assert not np.array_equal(first[0].corpus, first[1].corpus)


def test_vectors_are_those_of_the_model_under_the_mask(
    model: EmbeddingModel, targets: tuple[Target, ...], cache: EmbeddingCache
) -> None:
    masks = masks_of(targets, 0.3)
    dense = model.encode(TEXTS)
    before = [t.weight.clone() for t in targets]
    pruned = CachedEncoder(model, cache, targets, masks).encode(TEXTS)
    assert all(torch.equal(a, t.weight) for a, t in zip(before, targets, strict=True))
    for target in targets:
        target.weight.mul_(masks[target.name])
    by_hand = model.encode(TEXTS)
    for target, weight in zip(targets, before, strict=True):
        target.weight.copy_(weight)
    assert np.array_equal(pruned, by_hand)
    assert np.array_equal(CachedEncoder(model, cache).encode(TEXTS), dense)


def test_whatever_changes_the_vectors_changes_the_key(
    model: EmbeddingModel, targets: tuple[Target, ...], cache: EmbeddingCache, tiny_bert: Path
) -> None:
    masks = masks_of(targets, 0.5)
    other = load_model(ModelSpec(model=str(tiny_bert), device="cpu", query_prompt="ask: ", max_length=16))
    keys = [
        CachedEncoder(model, cache).key(TEXTS, "passage"),
        CachedEncoder(model, cache).key(TEXTS, "query"),
        CachedEncoder(model, cache).key(TEXTS[::-1], "passage"),
        CachedEncoder(model, cache).key(["".join(TEXTS)], "passage"),
        CachedEncoder(other, cache).key(TEXTS, "passage"),
        CachedEncoder(model, cache, targets, masks).key(TEXTS, "passage"),
        CachedEncoder(model, cache, targets, masks_of(targets, 0.5, 1)).key(TEXTS, "passage"),
    ]
    assert len(set(keys)) == len(keys)
    assert CachedEncoder(model, cache, targets, dict(reversed(masks.items()))).key(TEXTS, "passage") == keys[5]


def test_one_bit_changes_the_hash_of_a_mask() -> None:
    mask = {"a": torch.ones(3, 5, dtype=torch.bool), "b": torch.ones(2, 2, dtype=torch.bool)}
    first = mask_hash(mask)
    mask["a"][2, 4] = False
    assert mask_hash(mask) != first
    assert mask_hash({"a": torch.ones(5, 3, dtype=torch.bool), "b": mask["b"]}) != first


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00", b"{}", "short", "nan", "double", "pickle"])
def test_a_damaged_file_is_computed_again(
    model: EmbeddingModel, cache: EmbeddingCache, damage: bytes | str, tmp_path: Path
) -> None:
    encoder = CachedEncoder(model, cache)
    vectors = encoder.encode(TEXTS)
    assert cache.folder is not None
    place = cache.folder / f"{encoder.key(TEXTS, 'passage')}.npy"
    assert place.is_file()
    if isinstance(damage, bytes):
        place.write_bytes(damage)
    else:
        bad = {
            "short": vectors[:2],
            "nan": np.full_like(vectors, np.nan),
            "double": vectors.astype(np.float64),
            "pickle": np.array([object()] * 3),
        }[damage]
        np.save(place, bad, allow_pickle=damage == "pickle")
    assert cache.read(place.stem, len(TEXTS)) is None
    assert np.array_equal(encoder.encode(TEXTS), vectors)
    assert np.array_equal(cache.read(place.stem, len(TEXTS)), vectors)  # type: ignore[arg-type]


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    vectors = np.ones((10, 64), np.float32)
    cache = EmbeddingCache(tmp_path, largest=3 * (vectors.nbytes + 128))
    for age, key in enumerate("abc"):
        cache.write(key, vectors)
        os.utime(tmp_path / f"{key}.npy", (1_000 + age, 1_000 + age))
    assert cache.read("a", 10) is not None
    stale = tmp_path / "left.tmp"
    stale.write_bytes(b"x")
    os.utime(stale, (1_000, 1_000))
    cache.write("d", vectors)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.npy", "c.npy", "d.npy"]


def test_what_is_too_large_or_no_number_is_not_kept(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, largest=100)
    cache.write("large", np.ones((10, 64), np.float32))
    EmbeddingCache(tmp_path).write("nan", np.full((2, 2), np.nan, np.float32))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_only_costs_time(model: EmbeddingModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    expected = model.encode(TEXTS)
    for folder in (tmp_path / "file", None):
        assert np.array_equal(CachedEncoder(model, EmbeddingCache(folder)).encode(TEXTS), expected)
