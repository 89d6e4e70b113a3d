"""What data are, before they are used: their kind, texts, lengths, scripts, what is left out, and what they share.

Nothing is embedded: where negatives would be mined, the texts that they would be mined from are told.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from gaprune_viz.config import LEFT_OUT, STARTER_DOMAINS
from gaprune_viz.data.beir import EVALUATION_SPLITS, BeirData, queries_are_passages, read_beir
from gaprune_viz.data.collections.archives import collection_folder, is_collection
from gaprune_viz.data.columns import check_mapping
from gaprune_viz.data.hub import open_hub
from gaprune_viz.data.plain_texts import TextSet, text_columns
from gaprune_viz.data.readers.by_ending import open_table
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.schema import Notes, TripletSet
from gaprune_viz.data.shapes.pairs import collected
from gaprune_viz.data.shapes.passages import passage_text
from gaprune_viz.data.shapes.rows import rows_of
from gaprune_viz.data.sources.overlap import folded
from gaprune_viz.data.triplets import load_samples, load_table, source_place
from gaprune_viz.errors import GapruneError

SCRIPT_TEXTS = 5_000
_LEAST_SCRIPT = 0.001

TextPair = tuple[Sequence[str], Sequence[str]]
"""Queries and passages."""
TokenCounts = Callable[[Sequence[str], str], tuple[Sequence[int], int]]
"""(texts, kind) -> tokens of each text before it is cut, and where a model cuts."""


class Lengths(BaseModel):
    """Characters of some texts: middle, 95th percentile and longest; tokens and the share that is cut, by a model."""

    model_config = ConfigDict(frozen=True)

    texts: int
    median: float
    p95: float
    longest: int
    tokens: float | None = None
    cut: float | None = None


class Leakage(BaseModel):
    """Texts that are in the data and in a task, blanks and case aside."""

    model_config = ConfigDict(frozen=True)

    task: str
    queries: int
    passages: int


class IdenticalIdsFound(BaseModel):
    """Queries that have the id of a passage, and whether an evaluation leaves that passage out of what they find."""

    model_config = ConfigDict(frozen=True)

    shared: int
    left_out: bool


class DataReport(BaseModel):
    """What data are.

    Attributes:
        kind: triplets, pairs, plain texts or collection.
        format: how they are kept, in words.
        rows: found. kept: triplets, pairs, texts or judged queries that can be used.
        duplicates: rows left out because the same came before. left_out: rows that cannot be used.
        different_queries: triplets of one query are no independent samples.
        lengths: by `query` and `passage`.
        scripts: share of the letters, by script, largest first.
        needs_model: negatives are mined with a model.
        notes: a line for each thing to know, and for each row left out.
        identical_ids, missing_documents: of collections.
        leakage: what tasks share with them.
    """

    model_config = ConfigDict(frozen=True)

    usable: bool = True
    name: str
    kind: str
    format: str
    rows: int
    kept: int
    duplicates: int
    left_out: int
    different_queries: int
    lengths: dict[str, Lengths]
    scripts: dict[str, float]
    needs_model: bool
    notes: tuple[str, ...]
    identical_ids: IdenticalIdsFound | None = None
    missing_documents: int = 0
    leakage: tuple[Leakage, ...] = ()


class _Found(NamedTuple):
    """What was read: its texts, and the report without what the texts say."""

    queries: Sequence[str]
    passages: Sequence[str]
    known: dict[str, object]


def check_data(
    source: str,
    *,
    columns: dict[str, str] | None = None,
    left_out: float = LEFT_OUT,
    against: Mapping[str, TextPair] | None = None,
    tokens: TokenCounts | None = None,
) -> DataReport:
    """Look at data as a run would, without a model.

    Args:
        source, columns, left_out: as `load_samples`.
        against: tasks by name, whose texts should not be among the data.
        tokens: counts tokens, for the share of the texts that a model cuts.

    Raises:
        GapruneError: they cannot be used, and why.
    """
    found = _read(source, columns, left_out)
    texts = {"query": found.queries, "passage": found.passages}
    lengths = {kind: _lengths(some, kind, tokens) for kind, some in texts.items() if some}
    leakage = tuple(leakage_of(found.queries, found.passages, name, task) for name, task in (against or {}).items())
    scripts = scripts_of([*found.queries, *found.passages])
    return DataReport(**found.known, lengths=lengths, scripts=scripts, leakage=leakage)  # type: ignore[arg-type]


def texts_of(source: str, *, columns: dict[str, str] | None = None, left_out: float = LEFT_OUT) -> TextPair:
    """The queries and the passages of data, each once, in their order.

    Raises:
        GapruneError: as `check_data`.
    """
    found = _read(source, columns, left_out)
    return found.queries, found.passages


def _read(source: str, columns: dict[str, str] | None, left_out: float) -> _Found:
    if source in STARTER_DOMAINS or source.startswith("ontology:"):
        return _of_samples(load_samples(source, columns=columns), "built in")
    if source.startswith("hub:"):
        return _of_table(source, source.removeprefix("hub:"), open_hub(source), columns, left_out)
    path = source_place(source)
    if is_collection(path):
        with collection_folder(path) as folder:
            data = read_beir(folder, EVALUATION_SPLITS, left_out=left_out)
            return _of_collection(data, folder.resolve().name)
    return _of_table(source, path.name, open_table(path), columns, left_out)


def _of_table(source: str, name: str, table: Table, columns: dict[str, str] | None, left_out: float) -> _Found:
    mapping = check_mapping(columns)
    if not text_columns(mapping, table):
        rows, pairs = rows_of(table, mapping, name)
        if pairs:
            notes = Notes()
            data, left = collected(name, rows, notes, left_out)
            kept = sum(map(len, data.qrels.values()))
            mined = "pairs without negatives: hard negatives are mined with the model among their own passages"
            told = (mined, *table.remarks, *notes.all())
            known = _known(name, "pairs", table.kind, kept + left, kept, 0, left, len(data.queries), told, True)
            return _Found(list(data.queries.values()), [text for _, text in data.corpus.values()], known)
    return _of_samples(load_table(source, name, table, columns, left_out=left_out), table.kind)


def _of_samples(found: TripletSet | TextSet, form: str) -> _Found:
    report = found.report
    notes = (*report.remarks, *report.dropped)
    counts = (report.rows, report.kept, report.duplicates, report.left_out)
    if isinstance(found, TextSet):
        notes = ("plain texts: for --fisher embedding alone", *notes)
        known = _known(found.name, "plain texts", form, *counts, 0, notes, False)
        return _Found([], [text.text for text in found.texts], known)
    queries = list(dict.fromkeys(t.query for t in found.triplets))
    passages = dict.fromkeys(text for t in found.triplets for text in (t.positive, *t.negatives))
    return _Found(queries, list(passages), _known(found.name, "triplets", form, *counts, len(queries), notes, False))


def _of_collection(data: BeirData, name: str) -> _Found:
    shared = sum(query in data.corpus for query in data.qrels)
    form, judged = f"BEIR, split {data.split}", len(data.qrels)
    known = _known(name, "collection", form, judged, judged, 0, 0, judged, data.notes, True)
    known["missing_documents"] = data.missing_documents
    known["identical_ids"] = IdenticalIdsFound(shared=shared, left_out=queries_are_passages(data.qrels, data.corpus))
    queries = [text for query, text in data.queries.items() if query in data.qrels]
    return _Found(queries, [passage_text(*passage) for passage in data.corpus.values()], known)


def _known(
    name: str,
    kind: str,
    form: str,
    rows: int,
    kept: int,
    duplicates: int,
    left_out: int,
    queries: int,
    notes: Sequence[str],
    needs_model: bool,
) -> dict[str, object]:
    return {
        "name": name,
        "kind": kind,
        "format": form,
        "rows": rows,
        "kept": kept,
        "duplicates": duplicates,
        "left_out": left_out,
        "different_queries": queries,
        "notes": tuple(notes),
        "needs_model": needs_model,
    }


def _lengths(texts: Sequence[str], kind: str, tokens: TokenCounts | None) -> Lengths:
    characters = np.array([len(text) for text in texts])
    counted: dict[str, float] = {}
    if tokens is not None:
        counts, longest = tokens(texts, kind)
        found = np.array(counts)
        counted = {"tokens": float(np.median(found)), "cut": float((found > longest).mean())}
    return Lengths(
        texts=len(texts),
        median=float(np.median(characters)),
        p95=float(np.quantile(characters, 0.95)),
        longest=int(characters.max()),
        **counted,
    )


def scripts_of(texts: Iterable[str]) -> dict[str, float]:
    """Share of the letters by script ("Latin", "Cyrillic", "Cjk"), largest first; below a thousandth left out."""
    letters: Counter[str] = Counter()
    for text, _ in zip(texts, range(SCRIPT_TEXTS), strict=False):
        letters.update(text)
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        if letter.isalpha():
            scripts[unicodedata.name(letter, "other").split()[0].capitalize()] += count
    total = sum(scripts.values())
    return {name: round(n / total, 4) for name, n in scripts.most_common() if n >= _LEAST_SCRIPT * total}


def leakage_of(queries: Iterable[str], passages: Iterable[str], name: str, task: TextPair) -> Leakage:
    """How many different queries, and passages, of a task are among some data."""
    own = [set(map(folded, texts)) for texts in (queries, passages)]
    theirs = [set(map(folded, texts)) for texts in task]
    return Leakage(task=name, queries=len(own[0] & theirs[0]), passages=len(own[1] & theirs[1]))


def refusal(error: GapruneError) -> dict[str, object]:
    """What there is to say, as JSON, of data or a model that cannot be used."""
    return {"usable": False, "problem": error.message, "hint": error.hint}
