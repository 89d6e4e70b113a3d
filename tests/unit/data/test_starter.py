"""The starter collection: its shape, and that it is neither too easy nor too hard."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from gaprune_viz.config import STARTER_DOMAINS, MaskSpec, Scope
from gaprune_viz.data.starter import SPLITS, StarterPassage, starter_passages, starter_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.embedding_cache import CachedEncoder
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import encode_task
from gaprune_viz.masking.masks import make_masks
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import find_targets
from gaprune_viz.pruning.applying import masked

EVERYTHING = [passage for domain in STARTER_DOMAINS for passage in starter_passages(domain)]


def topics(domain: str) -> dict[str, list[StarterPassage]]:
    found: dict[str, list[StarterPassage]] = defaultdict(list)
    for passage in starter_passages(domain):
        found[passage.topic].append(passage)
    return found


@pytest.mark.parametrize("domain", STARTER_DOMAINS)
def test_size_and_topics(domain: str) -> None:
    found = topics(domain)
    assert len(starter_passages(domain)) >= 160
    assert len(found) >= 40
    assert {name: len(siblings) for name, siblings in found.items() if not 3 <= len(siblings) <= 5} == {}
    splits = {name: {passage.split for passage in siblings} for name, siblings in found.items()}
    assert {name: split for name, split in splits.items() if len(split) != 1} == {}
    assert set().union(*splits.values()) == set(SPLITS)


@pytest.mark.parametrize("domain", STARTER_DOMAINS)
def test_passages_and_queries(domain: str) -> None:
    passages = starter_passages(domain)
    lengths = {passage.id: len(passage.text.split()) for passage in passages}
    assert {id_: words for id_, words in lengths.items() if not 40 <= words <= 90} == {}
    assert [passage.id for passage in passages if len(passage.queries) != 2] == []
    texts = [text for passage in passages for text in (passage.title, passage.text, *passage.queries)]
    assert [text for text in texts if text != text.strip() or not text] == []


@pytest.mark.parametrize("what", ["ids", "topics", "texts", "queries"])
def test_nothing_is_repeated_in_or_between_domains(what: str) -> None:
    values = {
        "ids": [passage.id for passage in EVERYTHING],
        "topics": [topic for domain in STARTER_DOMAINS for topic in topics(domain)],
        "texts": [passage.text.casefold() for passage in EVERYTHING],
        "queries": [query.casefold() for passage in EVERYTHING for query in passage.queries],
    }[what]
    assert [value for value, count in Counter(values).items() if count > 1] == []


@pytest.mark.parametrize("domain", STARTER_DOMAINS)
@pytest.mark.parametrize("split", SPLITS)
def test_triplets(domain: str, split: str) -> None:
    triplets = starter_triplets(domain, split)
    by_text = {passage.text: passage for passage in starter_passages(domain)}
    wanted = Counter(
        query for passage in starter_passages(domain) if passage.split == split for query in passage.queries
    )
    assert Counter(triplet.query for triplet in triplets) == wanted
    siblings = defaultdict(list)
    for triplet in triplets:
        positive, negative = by_text[triplet.positive], by_text[triplet.negatives[0]]
        assert len(triplet.negatives) == 1
        assert triplet.query in positive.queries
        assert positive.id != negative.id
        assert positive.topic == negative.topic
        assert positive.split == negative.split == split
        siblings[positive.id].append(negative.id)
    assert all(len(set(chosen)) == 2 for chosen in siblings.values())
    assert triplets == starter_triplets(domain, split)


def test_unknown_names() -> None:
    with pytest.raises(GapruneError, match="general, finance, chemistry"):
        starter_passages("physics")
    with pytest.raises(GapruneError, match="calibration, evaluation"):
        starter_triplets("finance", "test")


@pytest.mark.minilm
@pytest.mark.parametrize("domain", STARTER_DOMAINS)
def test_hard_enough_to_measure_with_the_default_model(domain: str, dense_minilm: CachedEncoder) -> None:
    task = load_task(domain)
    dense = evaluate(task, *encode_task(dense_minilm, task)).means["ndcg_at_10"]
    assert 0.6 <= dense <= 0.95


@pytest.mark.minilm
def test_pruning_by_magnitude_costs_retrieval(minilm: EmbeddingModel, dense_minilm: CachedEncoder) -> None:
    task = load_task("chemistry")
    dense = evaluate(task, *encode_task(dense_minilm, task)).means["ndcg_at_10"]
    targets = find_targets(minilm, Scope.LINEAR)
    scores = {t.name: t.weight.abs() for t in targets}
    masks = make_masks(scores, {t.name: t.layer for t in targets}, MaskSpec(sparsity=0.7)).masks
    with masked(minilm, targets, masks):
        pruned = evaluate(task, *encode_task(minilm, task)).means["ndcg_at_10"]
    assert pruned < dense - 0.05
