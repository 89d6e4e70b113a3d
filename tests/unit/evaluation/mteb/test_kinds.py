"""Every kind of task that ChemTEB and FinMTEB have, through the real classes and the real loaders."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import mteb
import pytest

from gaprune_viz.config import ModelSpec
from gaprune_viz.evaluation.mteb import catalogue, finmteb
from gaprune_viz.evaluation.mteb.catalogue import BenchmarkTask
from gaprune_viz.evaluation.mteb.model_versions import whole
from gaprune_viz.evaluation.mteb.running import Failure, run
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from tests.benchmarking import half_pruned, own_path, scores_of, smaller
from tests.hub_folders import pointed_at, write_repository, write_retrieval

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tiny_bert: Path) -> EmbeddingModel:
    return load_model(ModelSpec(model=str(tiny_bert), device="cpu"))


WET = ["water and rain", "a river and the sea", "salt water", "rain is fresh water", "the sea is salt", "wind and rain"]
DRY = ["a loan and its interest", "the bond market", "a coupon of a bond", "stock and share", "tax and debt", "a bank"]
LABELLED = [{"text": text, "label": label} for label, side in enumerate((WET, DRY)) for text in side]
LABELLED_SENTENCES = [{"sentence": row["text"], "label": row["label"]} for row in LABELLED]
PAIRS = [(a, b, 1) for a, b in pairwise(WET)] + [(a, b, 0) for a, b in zip(WET, DRY, strict=True)]


def chem(name: str, configs: dict[str, Any], folder: Path) -> BenchmarkTask:
    return pointed_at(write_repository(folder, configs), mteb.get_task(name))


def fin(name: str, splits: dict[str, Any], folder: Path) -> BenchmarkTask:
    return pointed_at(write_repository(folder, {"default": splits}), finmteb.finmteb_task(name))


def test_classification(tiny: EmbeddingModel, tmp_path: Path) -> None:
    splits, renamed = ({"train": rows, "test": rows} for rows in (LABELLED, LABELLED_SENTENCES))
    chemistry = chem("WikipediaLuminescenceClassification", {"default": splits}, tmp_path)
    finance = fin("FOMCClassification", renamed, tmp_path)
    dense, pruned, other, _ = scores_of(chemistry, finance, variants=[whole("dense", tiny), half_pruned(tiny)])
    assert dense.metric == "accuracy"
    # It is tested on what it was trained on, so that even a random model tells water from money.
    assert dense.score > 0.8
    assert other.score == dense.score
    assert 0 <= pruned.score <= 1
    assert dense.per_query == {}


def test_clustering(tiny: EmbeddingModel, tmp_path: Path) -> None:
    rows = [{"sentences": WET + DRY, "labels": ["wet"] * len(WET) + ["dry"] * len(DRY)}]
    chemistry = chem("WikipediaSpecialtiesInChemistryClustering", {"default": {"test": rows}}, tmp_path)
    finance = fin("MInDS14EnClustering", {"test": rows}, tmp_path)
    dense, other = scores_of(chemistry, finance, variants=[whole("dense", tiny)])
    assert dense.metric == "v_measure"
    assert 0 <= dense.score <= 1
    assert other.score == pytest.approx(dense.score)


def test_pair_classification(tiny: EmbeddingModel, tmp_path: Path) -> None:
    named = [("title", "synonyms", "labels"), ("sent1", "sent2", "labels")]
    one, two = ([dict(zip(names, pair, strict=True)) for pair in PAIRS] for names in named)
    chemistry = chem("PubChemSynonymPC", {"default": {"test": one}}, tmp_path)
    finance = fin("HeadlinePDUPairClassification", {"test": two}, tmp_path)
    dense, other = scores_of(chemistry, finance, variants=[whole("dense", tiny)])
    assert dense.metric == other.metric == "max_ap"
    assert 0 < dense.score <= 1
    assert other.score == pytest.approx(dense.score)


def test_bitext_mining_over_several_subsets(tiny: EmbeddingModel, tmp_path: Path) -> None:
    names = import_module(type(mteb.get_task("PubChemSMILESBitextMining")).__module__).COL_MAPPING
    subsets = {subset: {"test": [dict.fromkeys(columns, text) for text in WET]} for subset, columns in names.items()}
    [dense] = scores_of(chem("PubChemSMILESBitextMining", subsets, tmp_path), variants=[whole("dense", tiny)])
    assert (dense.metric, dense.score) == ("f1", 1.0)


def test_similarity_and_summaries(tiny: EmbeddingModel, tmp_path: Path) -> None:
    from scipy.stats import spearmanr

    pairs = [(a, b, i / len(WET)) for i, (a, b) in enumerate(zip(WET, DRY, strict=True))]
    sts = [dict(zip(("sentence1", "sentence2", "score"), pair, strict=True)) for pair in pairs]
    summaries = [dict(zip(("text", "summary", "score"), pair, strict=True)) for pair in pairs]
    one, two = fin("FinSTS", {"test": sts}, tmp_path), fin("Ectsum", {"test": summaries}, tmp_path)
    dense, other = scores_of(one, two, variants=[whole("dense", tiny)])
    a, b = (tiny.encode([pair[side] for pair in pairs], "query") for side in (0, 1))
    expected = float(spearmanr((a * b).sum(axis=1), [pair[2] for pair in pairs])[0])
    assert dense.score == pytest.approx(expected, abs=1e-6)
    assert other.score == pytest.approx(expected, abs=1e-6)


def test_reranking_among_the_candidates_of_each_query(tiny: EmbeddingModel, tmp_path: Path) -> None:
    rows = [{"query": q, "positive": [q], "negative": [n, "the moon"]} for q, n in zip(WET, DRY, strict=True)]
    [dense] = scores_of(fin("HC3Reranking", {"test": rows}, tmp_path), variants=[whole("dense", tiny)])
    assert (dense.metric, dense.score) == ("map_at_1000", 1.0)
    assert len(dense.per_query) == len(rows)


def test_retrieval_of_finmteb(tiny: EmbeddingModel, tmp_path: Path) -> None:
    task = smaller(load_task("finance"), 40, 30)
    real = pointed_at(write_retrieval(tmp_path, task, "train"), finmteb.finmteb_task("TATQARetrieval"))
    [dense] = scores_of(real, variants=[whole("dense", tiny)])
    assert dense.score == pytest.approx(own_path(whole("dense", tiny), task).means["ndcg_at_10"], abs=1e-6)


def test_every_class_of_finmteb_can_be_made() -> None:
    for name, found in finmteb.SETS.items():
        metadata = finmteb.finmteb_task(name).metadata
        assert (metadata.name, metadata.type) == (name, found.kind)
        assert metadata.dataset["path"].startswith("FinanceMTEB/")
        assert len(metadata.dataset["revision"]) == 40
        assert metadata.main_score == finmteb.MAIN_SCORES[found.kind]
    assert len({(f.repository, f.kind) for f in finmteb.SETS.values()}) == len(finmteb.SETS)


def test_the_list_of_chemteb_is_that_of_mteb() -> None:
    tasks = mteb.get_benchmark(catalogue.CHEMTEB).tasks
    assert {t.metadata.name: t.metadata.type for t in tasks} == catalogue.CHEMTEB_TASKS
    for name, kind in catalogue.FINANCE_TASKS.items():
        assert mteb.get_task(name).metadata.type == kind


def test_data_in_another_form_is_one_line(tiny: EmbeddingModel, tmp_path: Path) -> None:
    rows = [{"headline": text, "label": 0} for text in WET]
    [failure] = run([fin("FOMCClassification", {"test": rows}, tmp_path)], [whole("dense", tiny)])
    assert isinstance(failure, Failure)
    assert "FOMCClassification" in failure.error.message
    assert "\n" not in str(failure.error)
