"""mteb with a live model: the same numbers as our own evaluation, no stale ones, and every kind of task."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
import torch
from datasets import Dataset

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.mteb import catalogue, finmteb
from gaprune_viz.evaluation.mteb.catalogue import find_tasks, of_collection
from gaprune_viz.evaluation.mteb.encoder import encoder_for
from gaprune_viz.evaluation.mteb.estimate import estimate, measure_speed, size_of
from gaprune_viz.evaluation.mteb.model_versions import Variant, whole
from gaprune_viz.evaluation.mteb.report import COLUMNS, frame, records
from gaprune_viz.evaluation.mteb.running import Failure, Score, run
from gaprune_viz.evaluation.retrieval import METRICS, compare
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.applying import masked
from tests.benchmarking import half_pruned, own_path, scores_of, smaller
from tests.hub_folders import pointed_at, write_retrieval

pytestmark = pytest.mark.slow

DOMAIN = "chemistry"


@pytest.fixture(scope="module")
def tiny(tiny_bert: Path) -> EmbeddingModel:
    return load_model(ModelSpec(model=str(tiny_bert), device="cpu"))


def agree_with_our_own_path(model: EmbeddingModel, task: RetrievalTask, folder: Path) -> None:
    """mteb's ChemNQRetrieval, reading our passages through mteb's real loader, against `evaluate`."""
    real = pointed_at(write_retrieval(folder, task), mteb.get_task("ChemNQRetrieval"))
    variants = [whole("dense", model), half_pruned(model)]
    scores = scores_of(real, of_collection(task), variants=variants)
    assert [(s.task, s.variant) for s in scores] == [
        (name, side) for name in ("ChemNQRetrieval", task.name) for side in ("dense", "pruned")
    ]
    ours = {variant.name: own_path(variant, task) for variant in variants}
    for score in scores:
        expected = ours[score.variant]
        assert score.metric == "ndcg_at_10"
        assert score.score == pytest.approx(expected.means["ndcg_at_10"], abs=1e-6)
        # The means that mteb gives are rounded to five decimals.
        assert score.more == pytest.approx(expected.means, abs=5.1e-6)
        per_query = {f"test/default/{i}": value for i, value in expected.scores["ndcg_at_10"].items()}
        assert score.per_query == pytest.approx(per_query, abs=1e-6)
    assert ours["dense"].means["ndcg_at_10"] != ours["pruned"].means["ndcg_at_10"]


def test_mteb_gives_the_numbers_of_our_own_path(tiny: EmbeddingModel, tmp_path: Path) -> None:
    agree_with_our_own_path(tiny, load_task(DOMAIN), tmp_path)


@pytest.mark.parametrize("left_out", [True, False])
def test_a_query_that_is_a_passage_is_treated_alike(left_out: bool, tiny: EmbeddingModel) -> None:
    texts = [p.text for p in load_task(DOMAIN).corpus[:40]]
    task = RetrievalTask.of(
        "own",
        (Passage(f"t{i}", text) for i, text in enumerate(texts)),
        {f"t{i}": texts[i] for i in range(10)},
        {f"t{i}": {f"t{i + 20}": 1} for i in range(10)},
        ignore_identical_ids=left_out,
    )
    variant = whole("dense", tiny)
    (score,) = scores_of(of_collection(task), variants=[variant])
    ours = own_path(variant, task)
    assert score.more == pytest.approx(ours.means, abs=5.1e-6)
    first = {query: ranking[0][0] for query, ranking in ours.rankings.items()}
    assert all((passage == query) != left_out for query, passage in first.items())


@pytest.mark.minilm
def test_mteb_gives_the_numbers_of_our_own_path_with_the_default_model(minilm: EmbeddingModel, tmp_path: Path) -> None:
    agree_with_our_own_path(minilm, smaller(load_task(DOMAIN), 24, 16), tmp_path)


def test_an_open_mask_is_never_taken_for_the_dense_model(tiny: EmbeddingModel) -> None:
    """The dense model, the same pruned in place, and dense again: one process, one name, no stale result."""
    task = of_collection(smaller(load_task(DOMAIN), 40, 30))
    before = {name: p.clone() for name, p in tiny.backbone.named_parameters()}
    pruned = half_pruned(tiny)
    first, second, third = scores_of(task, variants=[whole("dense", tiny), pruned, whole("again", tiny)])
    assert first.score == third.score
    assert first.per_query == third.per_query
    assert second.per_query != first.per_query
    assert second.revision != first.revision == third.revision
    assert all(torch.equal(p, before[name]) for name, p in tiny.backbone.named_parameters())


def test_each_side_gets_its_own_prompt(tiny_bert: Path) -> None:
    spec = ModelSpec(model=str(tiny_bert), device="cpu", query_prompt="what is ", passage_prompt="it is ")
    model, task = load_model(spec), smaller(load_task(DOMAIN), 40, 30)
    [score] = scores_of(of_collection(task), variants=[whole("dense", model)])
    assert score.score == pytest.approx(own_path(whole("dense", model), task).means["ndcg_at_10"], abs=1e-6)
    assert score.prompts == {"query": "what is ", "passage": "it is "}
    metadata = mteb.get_task("STS12").metadata
    encoder: Any = encoder_for(whole("dense", model))
    same = encoder.encode([{"text": ["water"]}], task_metadata=metadata, hf_split="test", hf_subset="default")
    np.testing.assert_allclose(same, model.encode(["water"], "query"), atol=1e-6)


# What goes wrong.


def test_the_stop_flag_stops_in_the_middle_and_keeps_what_is_there(tiny: EmbeddingModel) -> None:
    tasks = [of_collection(smaller(load_task(domain), 60, 30)) for domain in ("chemistry", "finance")]
    seen: list[str] = []
    work = run(
        tasks,
        [whole("dense", tiny)],
        report=lambda stage, done, total: seen.append(stage),
        stop=lambda: any("finance" in stage for stage in seen),
    )
    first = next(work)
    assert isinstance(first, Score)
    with pytest.raises(Cancelled):
        next(work)
    assert seen[-1] == "Loading finance (2 of 2)"


def test_progress_comes_from_inside_the_encoding(tiny: EmbeddingModel) -> None:
    task = load_task(DOMAIN)
    seen: list[tuple[str, int, int]] = []
    list(run([of_collection(task)], [whole("dense", tiny)], report=lambda *step: seen.append(step)))
    inside = [(done, total) for stage, done, total in seen if stage == "Encoding, dense: chemistry"]
    assert {total for _, total in inside} == {len(task.queries), len(task.corpus)}
    assert sum(total == len(task.corpus) for _, total in inside) > 2
    assert inside[-1] == (len(task.corpus), len(task.corpus))


def test_an_embedding_that_is_not_finite_is_named_and_later_tasks_are_done(tiny: EmbeddingModel) -> None:
    task = smaller(load_task(DOMAIN), 20, 10)

    @contextmanager
    def broken() -> Iterator[None]:
        weight = tiny.backbone.get_parameter("encoder.layer.0.output.dense.weight")
        saved = weight.detach().clone()
        try:
            with torch.no_grad():
                weight.fill_(float("nan"))
            yield
        finally:
            with torch.no_grad():
                weight.copy_(saved)

    bad, good = (
        run([of_collection(task)], [Variant("broken", tiny, "x", broken)]),
        run([of_collection(task)], [whole("dense", tiny)]),
    )
    failure, score = next(bad), next(good)
    assert isinstance(failure, Failure)
    assert "is not finite" in failure.error.message
    assert next(iter(task.queries.values()))[:40] in failure.error.message
    assert isinstance(score, Score)


def test_a_hub_task_without_a_network_is_one_line_and_others_are_done(tiny: EmbeddingModel) -> None:
    failure, score = run(
        [*find_tasks(["ChemNQRetrieval"]), of_collection(smaller(load_task(DOMAIN), 20, 10))], [whole("dense", tiny)]
    )
    assert isinstance(failure, Failure)
    assert str(failure.error) == (
        "ChemNQRetrieval: the Hub cannot be reached for BASF-AI/ChemNQRetrieval. "
        "Check the network, or choose a starter collection or a BEIR folder."
    )
    assert isinstance(score, Score)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ChemNQRetrival", "Did you mean ChemNQRetrieval"),
        ("starter:chemisty", "Did you mean starter:chemistry"),
        ("finmteb:FinST", "Did you mean finmteb:FinSTS"),
        ("zzzzzz", "benchmark --list"),
        ("./nowhere", "BEIR folder"),
        ("CIFAR10ZeroShot", "not of texts alone"),
        (" , ", "No task is chosen|There is no task"),
        ("", "No task is chosen"),
    ],
)
def test_a_name_that_is_no_task(name: str, said: str) -> None:
    with pytest.raises(GapruneError) as caught:
        find_tasks([name])
    assert any(part in str(caught.value) for part in said.split("|")), str(caught.value)


def test_names_of_tasks(tmp_path: Path) -> None:
    names = [task.name for task in find_tasks(["chemistry", "starter:chemistry", "starter", "Finance"])]
    assert names[:3] == ["starter:chemistry", "starter:general", "starter:finance"]
    assert names[3:] == list(catalogue.FINANCE_TASKS)
    folder = tmp_path / "own"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "p", "title": "A", "text": "b"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "c"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp\t1\n")
    [task] = find_tasks([str(folder)])
    assert task.name == "own"
    assert task.local is not None


# What it costs, and what comes out.


def test_the_estimate_counts_what_is_read(tiny: EmbeddingModel) -> None:
    task = load_task(DOMAIN)
    texts = [*task.queries.values(), *(p.embedding_text for p in task.corpus)]
    size = size_of(of_collection(task))
    assert size is not None
    assert (size.texts, size.characters) == (len(texts), sum(map(len, texts)))
    assert (size.queries, size.passages) == (len(task.queries), len(task.corpus))
    found = estimate([of_collection(task)], 2, measure_speed(tiny))
    read = sum(len(ids) for ids in tiny.token_ids(texts, "passage"))
    assert found.tokens == pytest.approx(read, rel=0.25)
    assert found.seconds == pytest.approx(2 * found.tokens / found.speed.tokens_per_second)
    assert found.memory > size.passages * 32 * 4
    assert found.unknown == ()


def test_the_estimate_of_hub_tasks_comes_from_their_statistics(tiny: EmbeddingModel) -> None:
    [retrieval] = find_tasks(["ChemNQRetrieval"])
    size = size_of(retrieval)
    assert size is not None
    assert (size.texts, size.queries, size.passages) == (22_960, 27, 22_933)
    [classification] = find_tasks(["WikipediaLuminescenceClassification"])
    size = size_of(classification)
    assert size is not None
    # 82 to test; of 328 to train, 8 of each of two labels in each of ten draws at most.
    assert size.texts == 82 + 160
    [unknown] = find_tasks(["finmteb:FinSTS"])
    assert size_of(unknown) is None
    assert estimate([unknown], 2, measure_speed(tiny)).unknown == ("finmteb:FinSTS",)
    assert measure_speed(tiny).tokens_per_second > 0


def test_the_table_has_a_row_for_each_version_with_intervals_of_the_difference(tiny: EmbeddingModel) -> None:
    task, variants = load_task(DOMAIN), [whole("dense", tiny), half_pruned(tiny)]
    scores = scores_of(of_collection(task), variants=variants)
    table = frame(scores)
    assert tuple(table.columns) == COLUMNS
    dense, pruned = table.to_dict(orient="records")
    assert math.isnan(dense["difference"])
    assert pruned["difference"] == pytest.approx(pruned["score"] - dense["score"])
    ours = compare(task, *(own_path(variant, task) for variant in variants))
    assert (pruned["low"], pruned["high"]) == pytest.approx(ours.intervals["ndcg_at_10"], abs=1e-6)
    assert pruned["p_value"] == pytest.approx(ours.p_values["ndcg_at_10"], abs=1e-3)
    assert pruned["queries"] == 160
    assert set(METRICS) - {"ndcg_at_10"} <= set(COLUMNS)
    first, second = records(scores)
    assert "difference" not in first
    assert second["difference"] == pruned["difference"]


def test_masks_are_on_only_while_texts_are_encoded(tiny: EmbeddingModel) -> None:
    """A benchmark may take hours; others can use the model between its encodings."""
    pruned = half_pruned(tiny)
    targets = inventory(tiny).targets
    zeros: list[int] = []

    def count(stage: str, done: int, total: int) -> None:
        zeros.append(sum(int((t.weight == 0).sum()) for t in targets))

    list(run([of_collection(smaller(load_task(DOMAIN), 20, 10))], [pruned], report=count))
    assert zeros[0] == 0
    assert zeros[-1] > 0
    assert sum(int((t.weight == 0).sum()) for t in targets) == 0
    with masked(tiny, targets, {}):
        pass


def test_a_row_of_candidates_becomes_a_search_among_them() -> None:
    found = finmteb.candidates(Dataset.from_list([{"query": "a", "positive": ["b"], "negative": ["c", "d"]}]))
    assert found["top_ranked"] == {"q0": ["q0-positive-0", "q0-negative-0", "q0-negative-1"]}
    assert found["relevant_docs"] == {"q0": {"q0-positive-0": 1, "q0-negative-0": 0, "q0-negative-1": 0}}
    assert found["corpus"]["text"] == ["b", "c", "d"]
