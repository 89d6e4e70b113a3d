"""What a process keeps between clicks stays of one piece when it makes room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from gaprune_viz.analysis.making import analyze
from gaprune_viz.app.session.store import STORE
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Sampling
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.jobs.works.lru_cache import Cache
from gaprune_viz.jobs.works.memory_cache import Kept
from tests.beir_folders import write_beir


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


def test_a_model_whose_files_have_changed_is_loaded_anew(
    tiny_analysis: Path, tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    data = {name: str(path) for name, path in zip(("domain", "general"), tiny_triplets, strict=True)}
    run = RunSpec(
        model=ModelSpec(model=str(folder), device="cpu"),
        calibration=CalibrationSpec(**data, samples=4, sampling=Sampling.RANDOM),
    )
    store, task = Kept(), load_task("finance")
    first = store.analysis(str(drain(analyze(run))))
    before = store.dense(first)
    assert store.dense(first) is before
    dense = store.embeddings(first, task, None, lambda: before.encode(["a"], "query"))
    weights = {name: tensor + 1 for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    second = store.analysis(str(drain(analyze(run))))
    assert store.dense(second).weight_hash == second.weights != first.weights
    assert store.embeddings(second, task, None, lambda: None) is None is not dense
    with pytest.raises(GapruneError, match="changed"):
        store.dense(first)


def test_a_collection_whose_files_have_changed_is_read_anew(tmp_path: Path) -> None:
    write_beir(tmp_path / "own", 0)
    source = str(tmp_path / "own")
    for task in (Kept().task, STORE.task):
        before = task(source)
        assert task(source) is before
    store = Kept()
    before = store.task(source)
    shutil.rmtree(tmp_path / "own")
    write_beir(tmp_path / "own", 1)
    for qrels in (tmp_path / "own" / "qrels").iterdir():
        os.utime(qrels, ns=(1, 1))
    assert store.task(source).qrels != before.qrels
    assert STORE.task(source).qrels == store.task(source).qrels
