"""Retrieval collections: a corpus, queries, and which passages answer which query."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gaprune_viz.config import LEFT_OUT
from gaprune_viz.data.collections.file_discovery import CORPUS, QUERIES, TABLES, find, find_qrels, find_table
from gaprune_viz.data.collections.qrels import read_qrels
from gaprune_viz.data.collections.tables import Told, read_corpus, read_queries
from gaprune_viz.data.shapes.passages import passage_text

__all__ = [
    "CALIBRATION_SPLITS",
    "EVALUATION_SPLITS",
    "BeirData",
    "is_beir",
    "passage_text",
    "queries_are_passages",
    "read_beir",
]

CALIBRATION_SPLITS = ("train", "dev", "test")
EVALUATION_SPLITS = ("test", "dev", "train")


@dataclass(frozen=True)
class BeirData:
    """A retrieval collection.

    Attributes:
        corpus: passage id -> (title, text), in the order of the file.
        queries: query id -> text, in the order of the file; includes queries without relevant passages.
        qrels: query id -> {passage id: grade}, only for queries with at least one grade above 0. Passages that the
            corpus lacks are named there all the same.
        split: name of the qrels file that was read.
        notes: one line for each thing a person should know: rows left out, encodings, missing passages.
        missing_documents: passages that the qrels name and the corpus lacks.
    """

    corpus: dict[str, tuple[str, str]]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    split: str
    notes: tuple[str, ...] = ()
    missing_documents: int = 0


def is_beir(folder: Path) -> bool:
    """Whether a folder looks like a BEIR collection."""
    return find(folder, CORPUS, TABLES) is not None and find(folder, QUERIES, TABLES) is not None


def queries_are_passages(qrels: Mapping[str, Mapping[str, int]], corpus: Collection[str]) -> bool:
    """Whether queries are passages of the corpus too, as in ArguAna and Quora: a query and a passage have one id.

    Where such a passage is judged to answer its own query, equal ids are a coincidence.
    """
    shared = [query for query in qrels if query in corpus]
    return bool(shared) and all(qrels[query].get(query, 0) <= 0 for query in shared)


def read_beir(
    folder: Path | str, split: str | Sequence[str] = CALIBRATION_SPLITS, *, left_out: float = LEFT_OUT
) -> BeirData:
    """Read a BEIR folder.

    Args:
        folder: holds corpus.jsonl, queries.jsonl and qrels/, or what docs/data.md lists in their place.
        split: name of the qrels file without its ending, or several of which the first that exists is read.
        left_out: share of the queries, and of what qrels name, that may be left out or missing.

    Raises:
        GapruneError: naming file and line, for missing files, broken lines, ids with two texts or grades, too many
            empty queries or unknown ids, and qrels in which no query has a relevant passage.
    """
    folder, told = Path(folder), Told(left_out)
    corpus_file, queries_file = find_table(folder, CORPUS), find_table(folder, QUERIES)
    qrels_file, name = find_qrels(folder, (split,) if isinstance(split, str) else tuple(split))
    corpus = read_corpus(corpus_file, told)
    queries = read_queries(queries_file, told)
    qrels = read_qrels(qrels_file, queries, corpus, told)
    return BeirData(corpus, queries, qrels.grades, name, told.all(), qrels.missing)
