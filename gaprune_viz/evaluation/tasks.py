"""Retrieval tasks: passages to search, queries, and which passages answer them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from gaprune_viz.data.beir import passage_text
from gaprune_viz.errors import GapruneError

COSINE = "cosine"
Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Passage:
    """One text of a corpus.

    Attributes:
        topic: what the passage is about, where the collection says so.
        title_is_searched: whether the title is embedded with the text. BEIR and mteb do so. The starter collection
            does not: its titles name the answer, and calibration reads the text alone.
    """

    id: str
    text: str
    title: str = ""
    topic: str = ""
    title_is_searched: bool = True

    @property
    def embedding_text(self) -> str:
        """What the model reads: title and text, as in BEIR, or the text alone."""
        return passage_text(self.title, self.text) if self.title_is_searched else self.text


@dataclass(frozen=True)
class RetrievalTask:
    """A corpus with judged queries. Build it with `RetrievalTask.of`.

    Attributes:
        corpus: the passages; row i of every corpus embedding belongs to passage i.
        queries: query id -> text; row i of every query embedding belongs to the i-th entry.
        qrels: query id -> passage id -> grade. A grade above 0 means relevant.
        content_hash: SHA-256 over passages, queries and judgements, in order, and over what is left out. The name has
            no part in it.
        ignore_identical_ids: never return the passage whose id is the query's own. Whatever is measured of this task
            follows it.
        notes: one line for each thing a person should know of the collection.
        missing_documents: judged passages that the corpus lacks: relevant, and never found.
    """

    name: str
    corpus: tuple[Passage, ...]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    content_hash: str
    ignore_identical_ids: bool = False
    notes: tuple[str, ...] = ()
    missing_documents: int = 0

    @property
    def letters(self) -> int:
        """The length of all that has to be encoded: what that takes grows with it, and not with the number of texts."""
        return sum(map(len, self.queries.values())) + sum(len(passage.embedding_text) for passage in self.corpus)

    @classmethod
    def of(
        cls,
        name: str,
        corpus: Iterable[Passage],
        queries: Mapping[str, str],
        qrels: Mapping[str, Mapping[str, int]],
        *,
        ignore_identical_ids: bool = False,
        notes: Sequence[str] = (),
        missing_documents: int = 0,
    ) -> RetrievalTask:
        """A task with its hash.

        Raises:
            GapruneError: where there is nothing to search or nothing to ask.
            ValueError: where two passages have one id, or judgements belong to no query.
        """
        passages, asked = tuple(corpus), dict(queries)
        judged = {query_id: dict(grades) for query_id, grades in qrels.items()}
        if not passages or not asked:
            missing = "passages" if not passages else "queries with judgements"
            raise GapruneError(f"Empty evaluation: {name!r} has no {missing}.", BEIR_FOLDER)
        if len({passage.id for passage in passages}) < len(passages):
            raise ValueError(f"task {name!r}: two passages have the same id")
        if strangers := judged.keys() - asked.keys():
            raise ValueError(f"task {name!r}: judgements without a query: {sorted(strangers)[:5]}")
        digest = _content_hash(passages, asked, judged, ignore_identical_ids)
        return cls(name, passages, asked, judged, digest, ignore_identical_ids, tuple(notes), missing_documents)

    def part(self, name: str, queries: Mapping[str, str]) -> RetrievalTask:
        """Some of the queries over the same corpus, measured in the same way.

        Raises:
            GapruneError: as `of`.
        """
        return RetrievalTask.of(
            name,
            self.corpus,
            queries,
            {query_id: self.qrels[query_id] for query_id in queries},
            ignore_identical_ids=self.ignore_identical_ids,
            notes=self.notes,
            missing_documents=self.missing_documents,
        )

    @property
    def own_passages(self) -> frozenset[str]:
        """Ids of the queries whose own passage is left out of what they find."""
        ids = {passage.id for passage in self.corpus} if self.ignore_identical_ids else set()
        return frozenset(ids & self.queries.keys())

    def relevant(self, query_id: str) -> frozenset[str]:
        """Ids of the passages that answer a query."""
        return frozenset(id for id, grade in self.qrels.get(query_id, {}).items() if grade > 0)

    @property
    def judged(self) -> tuple[str, ...]:
        """Ids of the queries that something is relevant to, in their order: those that are measured."""
        return tuple(query_id for query_id in self.queries if self.relevant(query_id))

    def clusters(self, query_ids: Iterable[str]) -> np.ndarray:
        """Which queries cannot be taken as independent: those with the very same relevant passages.

        Queries that share only some are kept apart, as is usual; where judgements are dense, chains of shared passages
        would join all queries to one.

        Returns:
            int64 [queries], a label per query; 0, 1, 2, ... in the order of first appearance.
        """
        numbers: dict[frozenset[str], int] = {}
        return np.array([numbers.setdefault(self.relevant(id), len(numbers)) for id in query_ids], dtype=np.int64)


BEIR_FOLDER = (
    "A BEIR folder holds corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and "
    "qrels/test.tsv (query-id, corpus-id, score)."
)


def _content_hash(
    corpus: Sequence[Passage],
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    ignore_identical_ids: bool,
) -> str:
    digest = hashlib.sha256()

    def add(*values: object) -> None:
        digest.update(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
        digest.update(b"\n")

    for p in corpus:
        add("passage", p.id, p.title, p.text, p.topic, p.title_is_searched)
    for query_id, text in queries.items():
        add("query", query_id, text)
        add("qrels", sorted(qrels.get(query_id, {}).items()))
    if ignore_identical_ids:
        add("identical ids", "left out")
    return digest.hexdigest()


class Encodes(Protocol):
    """Anything that embeds texts as `EmbeddingModel` does."""

    def encode(
        self,
        texts: Sequence[str],
        kind: str = "passage",
        *,
        progress: Progress | None = None,
        stop: Stop | None = None,
    ) -> np.ndarray: ...


class TaskEmbeddings(NamedTuple):
    """The texts of a task, float32: queries [q, d] in their order, corpus [p, d] in its order.

    Attributes:
        similarity: by which they are compared: `cosine`, with rows of unit length; `dot`, `euclidean`, `manhattan`.
    """

    queries: np.ndarray
    corpus: np.ndarray
    similarity: str = COSINE

    @property
    def directions(self) -> TaskEmbeddings:
        """The same with rows of unit length: for measures of a space that are made of cosines."""
        if self.similarity == COSINE:
            return self
        return TaskEmbeddings(_unit(self.queries), _unit(self.corpus))


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)


def encode_task(
    model: Encodes, task: RetrievalTask, *, progress: Progress | None = None, stop: Stop | None = None
) -> TaskEmbeddings:
    """Embed the queries and the passages of a task, each with its own prompt.

    Args:
        progress: called with (texts done, texts in all); queries and passages count together.
        stop: asked by the model before each batch.

    Raises:
        GapruneError: naming the first text whose embedding is not finite.
        Cancelled: when `stop` says so.
    """
    total = len(task.queries) + len(task.corpus)
    queries = model.encode(list(task.queries.values()), "query", progress=_after(0, total, progress), stop=stop)
    texts = [passage.embedding_text for passage in task.corpus]
    corpus = model.encode(texts, "passage", progress=_after(len(queries), total, progress), stop=stop)
    embeddings = TaskEmbeddings(queries, corpus, getattr(model, "similarity", COSINE))
    check_embeddings(task, embeddings)
    return embeddings


def _after(start: int, total: int, progress: Progress | None) -> Progress | None:
    """Progress of one part of the work, told as progress of the whole."""
    return progress and (lambda done, _: progress(start + done, total))


def check_embeddings(task: RetrievalTask, embeddings: TaskEmbeddings) -> None:
    """Refuse embeddings that do not belong to a task or are not numbers: they would score near chance in silence.

    Raises:
        GapruneError: naming the first text whose embedding is not finite.
        ValueError: where shapes do not fit the task, or rows are neither of unit length nor zero.
    """
    # torch comes with it: not wanted by those who only read a task.
    from gaprune_viz.models.encoder import check_finite

    queries, corpus, similarity = embeddings
    if queries.ndim != 2 or corpus.ndim != 2 or queries.shape[1] != corpus.shape[1]:
        raise ValueError(f"embeddings must be [n, d] of one dimension, got {queries.shape} and {corpus.shape}")
    if len(queries) != len(task.queries) or len(corpus) != len(task.corpus):
        raise ValueError(
            f"task has {len(task.queries)} queries and {len(task.corpus)} passages, "
            f"embeddings have {len(queries)} and {len(corpus)}"
        )
    texts = (list(task.queries.values()), [passage.embedding_text for passage in task.corpus])
    for vectors, kind in zip((queries, corpus), texts, strict=True):
        check_finite(vectors, kind)
        if similarity != COSINE:
            continue
        norms = np.linalg.norm(vectors, axis=1)
        # A model pruned to death may embed a text as zero: that is a result, not a mistake.
        if np.any((np.abs(norms - 1) > 1e-2) & (norms > 0)):
            raise ValueError("embeddings must have rows of unit length")
