"""What a process keeps between clicks stays of one piece when it makes room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gaprune_viz.config import ModelSpec
from gaprune_viz.jobs.works.cache import Cache
from gaprune_viz.jobs.works.kept import Kept


def test_targets_are_those_of_the_model_in_use_after_others_took_its_place(
    tiny_analysis: Path, tiny_model_folder: Callable[..., Path]
) -> None:
    store = Kept()
    analysis = store.analysis(str(tiny_analysis))

    def shared() -> bool:
        parameters = {id(p) for p in store.dense(analysis).backbone.parameters()}
        return all(id(target.parameter) in parameters for target in store.scope(analysis)[1])

    first = store.dense(analysis)
    assert shared()
    for family in ("qwen3", "bert"):
        store.model(ModelSpec(model=str(tiny_model_folder(family, "left")), device="cpu"))
    assert store.dense(analysis) is not first
    assert shared()


def test_a_cache_makes_once_and_forgets_the_oldest() -> None:
    made: list[int] = []
    cache: Cache[int] = Cache(2)
    for key in (1, 2, 1, 3, 1, 2):
        assert cache.get(key, lambda key=key: made.append(key) or key * 10) == key * 10
    assert made == [1, 2, 3, 2]
    with pytest.raises(ZeroDivisionError):
        cache.get(9, lambda: 1 // 0)
    assert cache.get(9, lambda: 90) == 90
    assert cache.peek(3) is None
