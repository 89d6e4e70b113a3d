"""What the process keeps between clicks stays of one piece when it makes room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import Store
from gaprune_viz.config import ModelSpec


def test_targets_are_those_of_the_model_in_use_after_others_took_its_place(
    tiny_analysis: Path, tiny_model_folder: Callable[..., Path]
) -> None:
    store = Store()
    analysis = store.analysis(visitor().admit(tiny_analysis))

    def shared() -> bool:
        parameters = {id(p) for p in store.dense(analysis).backbone.parameters()}
        return all(id(target.parameter) in parameters for target in store.scope(analysis)[1])

    first = store.dense(analysis)
    assert shared()
    for family in ("qwen3", "bert"):
        store.model(ModelSpec(model=str(tiny_model_folder(family, "left")), device="cpu"))
    assert store.dense(analysis) is not first
    assert shared()
