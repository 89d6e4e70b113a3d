"""Validation and test parts share no topic; ontology tasks are made of whole classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.data.ontologies import ontology_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.splits import split_by_topic, validation_and_test
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask

pytestmark = pytest.mark.slow


@given(
    st.lists(st.tuples(st.sets(st.integers(0, 30), min_size=1, max_size=3)), min_size=2, max_size=25),
    st.floats(0.1, 0.9),
)
def test_linked_queries_stay_together(answers: list[tuple[set[int]]], share: float) -> None:
    corpus = [Passage(f"p{i}", f"text {i}", topic=f"t{i // 2}") for i in range(31)]
    queries = {f"q{i}": f"query {i}" for i in range(len(answers))}
    qrels = {f"q{i}": {f"p{j}": 1 for j in found[0]} for i, found in enumerate(answers)}
    task = RetrievalTask.of("some", corpus, queries, qrels)
    try:
        parts = split_by_topic(task, share)
    except GapruneError as error:
        assert "too few topics" in str(error)
        return
    topics = [{f"t{int(id[1:]) // 2}" for q in part.queries for id in part.relevant(q)} for part in parts]
    assert not topics[0] & topics[1]
    assert {*parts[0].queries, *parts[1].queries} == set(queries)
    assert all(part.corpus == task.corpus for part in parts)


@pytest.mark.parametrize("domain", ["finance", "chemistry", "general"])
def test_the_parts_of_a_starter_task(domain: str) -> None:
    validation, test = validation_and_test(domain)
    whole = load_task(domain)
    topic_of = {p.id: p.topic for p in whole.corpus}
    topics = [{topic_of[id] for q in part.queries for id in part.relevant(q)} for part in (validation, test)]
    assert not topics[0] & topics[1]
    assert len(validation.queries) + len(test.queries) == len(whole.queries)
    assert len(test.queries) >= 90


def test_ontology_tasks_are_of_classes_that_calibration_does_not_see() -> None:
    validation, test = validation_and_test("ontology:chebi:300")
    assert 300 <= len(test.corpus) <= 450 and len(test.queries) == len(test.corpus)
    classes = [{p.topic for p in part.corpus} for part in (validation, test)]
    assert not classes[0] & classes[1]
    seen = {t.positive for t in ontology_triplets("chebi")}
    assert not seen & {p.text for p in (*validation.corpus, *test.corpus)}
    labels = {p.id: p.title for p in test.corpus}
    assert all(test.queries[q] == labels[next(iter(test.relevant(q)))] for q in test.queries)
    assert test.corpus[0].embedding_text == test.corpus[0].text, "the title would give the answer away"


@pytest.mark.parametrize(
    ("source", "passages"),
    [("ontology:mondo:3000", 1_835), ("ontology:chebi:4000", 3_032), ("ontology:chebi:300", 301)],
)
def test_a_large_ontology_task_leaves_its_classes_out_of_validation(source: str, passages: int) -> None:
    validation, test = validation_and_test(source)
    assert not validation.queries.keys() & test.queries.keys()
    assert not {p.topic for p in validation.corpus} & {p.topic for p in test.corpus}
    assert test.queries == load_task(source).queries
    assert len(validation.queries) == passages


def test_an_ontology_task_of_all_passages_leaves_none_to_choose_on() -> None:
    with pytest.raises(GapruneError, match=r"ontology:mondo:6000 leaves 0 of 4,839 passages") as caught:
        validation_and_test("ontology:mondo:6000")
    assert "ontology:mondo:2419" in caught.value.hint
    assert len(load_task("ontology:mondo:6000").queries) == 4_839


@pytest.mark.parametrize("source", ["ontology:", "ontology:chebi:3", "ontology:chebi:x", "ontology:chebi:100:200"])
def test_a_form_that_is_not_known(source: str) -> None:
    with pytest.raises(GapruneError, match="not an ontology task"):
        load_task(source)


def test_an_ontology_that_is_not_there() -> None:
    with pytest.raises(GapruneError, match="no ontology 'gene'"):
        load_task("ontology:gene")
