"""Rankings go by the model's own similarity, as sentence-transformers counts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.embedding_cache import CachedEncoder, EmbeddingCache
from gaprune_viz.evaluation.geometry import measure
from gaprune_viz.evaluation.ranking import similarity
from gaprune_viz.evaluation.retrieval import Passage, RetrievalTask, TaskEmbeddings, encode_task, evaluate
from gaprune_viz.evaluation.spacemap import task_map
from gaprune_viz.models.loading import load_model
from tests.conformance.test_models import having, made

NAMES = ("cosine", "dot", "euclidean", "manhattan")
WORDS = [
    "water",
    "salt",
    "bond",
    "risk",
    "tax",
    "moon",
    "cash",
    "proton",
    "river",
    "planet",
    "market",
    "energy",
    "carbon",
    "metal",
    "interest",
]


@pytest.fixture(scope="module")
def task() -> RetrievalTask:
    corpus = [Passage(f"p{i:02}", f"{word} and {WORDS[(i + 3) % 15]} " * (1 + i % 4)) for i, word in enumerate(WORDS)]
    queries = {f"q{i:02}": f"what is {word}" for i, word in enumerate(WORDS)}
    return RetrievalTask.of("words", corpus, queries, {f"q{i:02}": {f"p{i:02}": 1} for i in range(15)})


@pytest.mark.parametrize("name", NAMES)
def test_rankings_are_those_of_sentence_transformers(
    name: str, task: RetrievalTask, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = made(tiny_bert, having(similarity_fn_name=name), tmp_path / name)
    model = load_model(ModelSpec(model=str(folder), device="cpu"))
    st = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    cached = CachedEncoder(model, EmbeddingCache(tmp_path / "cache"))
    embeddings = encode_task(cached, task)
    assert embeddings.similarity == name
    expected = st.similarity(
        st.encode_query(list(task.queries.values())), st.encode_document([p.embedding_text for p in task.corpus])
    ).numpy()
    found = similarity(*embeddings)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)
    rankings = evaluate(task, *embeddings).rankings
    for row, ranking in enumerate(rankings.values()):
        assert [id for id, _ in ranking] == [task.corpus[i].id for i in np.argsort(-found[row], kind="stable")]
        np.testing.assert_allclose([score for _, score in ranking], sorted(expected[row])[::-1], atol=1e-4, rtol=1e-4)
    # Measures of a space are made of cosines, whatever the model compares by.
    assert measure(task, embeddings, embeddings).drift.mean == pytest.approx(0, abs=1e-6)
    assert task_map(task, embeddings, embeddings).points["drift"].max() == pytest.approx(0, abs=1e-6)
    norms = np.linalg.norm(embeddings.directions.corpus, axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-6)
    assert (np.abs(np.linalg.norm(embeddings.corpus, axis=1) - 1).max() < 1e-5) == (name == "cosine")


def test_vectors_of_one_similarity_are_not_those_of_another(tiny_bert: Path, tmp_path: Path) -> None:
    keys = set()
    for name in NAMES:
        folder = made(tiny_bert, having(similarity_fn_name=name), tmp_path / name)
        model = load_model(ModelSpec(model=str(folder), device="cpu"))
        keys.add(CachedEncoder(model, EmbeddingCache(None)).key(["water"], "query"))
    assert len(keys) == len(NAMES)


def test_mteb_compares_as_the_model_does(tiny_bert: Path, tmp_path: Path) -> None:
    from gaprune_viz.evaluation.mteb.encoder import encoder_for
    from gaprune_viz.evaluation.mteb.model_versions import whole

    folder = made(tiny_bert, having(similarity_fn_name="dot"), tmp_path / "dot")
    encoder = encoder_for(whole("dense", load_model(ModelSpec(model=str(folder), device="cpu"))))
    found = encoder.similarity(np.array([[2.0, 0.0]]), np.array([[3.0, 4.0]]))
    assert float(np.asarray(found).ravel()[0]) == pytest.approx(6.0)


def test_an_unknown_similarity() -> None:
    with pytest.raises(ValueError, match="no similarity is called"):
        similarity(np.ones((1, 2)), np.ones((1, 2)), "nearness")


def test_vectors_of_any_length_have_to_be_numbers(task: RetrievalTask) -> None:
    vectors = np.full((15, 4), 7.0, dtype=np.float32)
    evaluate(task, vectors, vectors, "dot")
    with pytest.raises(ValueError, match="unit length"):
        evaluate(task, vectors, vectors)
    vectors = vectors.copy()
    vectors[3, 0] = np.nan
    with pytest.raises(GapruneError, match="is not finite"):
        evaluate(task, vectors, vectors, "dot")
    assert TaskEmbeddings(vectors, vectors).similarity == "cosine"
