"""Judgements: BEIR's three columns, TREC's four, and JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gaprune_viz.data.collections.tables import Told
from gaprune_viz.data.readers.by_ending import open_table
from gaprune_viz.data.readers.limits import MAX_ROWS
from gaprune_viz.data.readers.streams import plain_ending
from gaprune_viz.data.skipped_rows import Leaving
from gaprune_viz.data.text_files import parse_json, text_lines, too_many_rows, whole_text
from gaprune_viz.errors import GapruneError

MAX_JUDGEMENTS = 10 * MAX_ROWS
_GRADE = re.compile(r"([+-]?\d{1,9})(\.0*)?")
_FIELDS = {
    "query": ("query-id", "query_id", "qid", "query"),
    "passage": ("corpus-id", "corpus_id", "docid", "doc_id", "pid", "passage_id", "passage"),
    "grade": ("score", "relevance", "rel", "grade", "label"),
}


class Judgement(NamedTuple):
    """One line, unchecked; `first`: it may be a header."""

    place: str
    query: str
    passage: str
    grade: str
    first: bool = False


class Qrels(NamedTuple):
    """Checked judgements.

    Attributes:
        grades: query id -> passage id -> grade, only of queries with a grade above 0.
        missing: passages that they name and the corpus lacks.
    """

    grades: dict[str, dict[str, int]]
    missing: int


def read_qrels(path: Path, queries: Mapping[str, str], corpus: Mapping[str, object], told: Told) -> Qrels:
    """Judgements of known queries.

    A few of passages that the corpus lacks are kept: they are relevant and cannot be found, as in trec_eval. A few of
    unknown queries are left out. Both are told, once.

    Raises:
        GapruneError: naming the line, for a form or a grade that is none, two grades of one pair, too many unknown
            queries or passages, and where nothing is relevant.
    """
    grades: dict[str, dict[str, int]] = {}
    unknown = _Unknown("query", "queries.jsonl", queries, told.share)
    missing = _Unknown("passage", "corpus.jsonl", corpus, told.share)
    for line in judgements(path, told):
        match = _GRADE.fullmatch(line.grade)
        if match is None:
            if line.first:
                continue
            raise GapruneError(
                f"{line.place}: the score {line.grade!r} is no whole number.", "Use 0 for not relevant, 1 for relevant."
            )
        if line.query in told.left_out or not unknown.has(line.query, line.place):
            continue
        missing.has(line.passage, line.place)
        if grades.setdefault(line.query, {}).setdefault(line.passage, int(match[1])) != int(match[1]):
            raise GapruneError(
                f"{line.place}: {line.query!r} and {line.passage!r} were given another score above.",
                "Keep one of them.",
            )
    unknown.check()
    missing.check()
    if unknown.names:
        told.remarks.append(
            f"{_place(path)}: judgements of {len(unknown.names):,} queries that are not there were left out "
            f"({_some(unknown.names)})"
        )
    if missing.names:
        told.remarks.append(
            f"{_place(path)}: {len(missing.names):,} judged passages are not in the corpus ({_some(missing.names)}); "
            "they count as relevant and cannot be found, as in trec_eval"
        )
    relevant = {query: found for query, found in grades.items() if max(found.values()) > 0}
    if not relevant:
        raise GapruneError(f"{_place(path)} names no relevant passage.", "At least one score must be above 0.")
    return Qrels(relevant, len(missing.names))


def judgements(path: Path, told: Told) -> Iterator[Judgement]:
    """The lines of a file of judgements.

    Raises:
        GapruneError: naming the line that has another form; and for more than `MAX_JUDGEMENTS`.
    """
    ending = plain_ending(path)
    if ending == ".json":
        found = _of_document(path, told)
    elif ending in (".jsonl", ".csv", ".parquet"):
        found = _of_table(path, told)
    else:
        found = _of_lines(path, told)
    for count, line in enumerate(found, 1):
        if count > MAX_JUDGEMENTS:
            raise too_many_rows(path)
        yield line


def _of_lines(path: Path, told: Told) -> Iterator[Judgement]:
    """Lines of `query passage grade` or `query iteration passage grade`; tabs, or blanks where the first has no tab."""
    mark, wanted = "\t", 3
    for position, (number, line) in enumerate(text_lines(path, told.remarks)):
        if position == 0:
            mark = "\t" if "\t" in line else None
            wanted = 4 if len(line.split(mark)) == 4 else 3
        fields = [field.strip() for field in line.split(mark)]
        place = f"{_place(path)}, line {number}"
        if len(fields) != wanted:
            raise GapruneError(
                f"{place}: {len(fields)} fields where {wanted} were expected.",
                "Each line holds query-id, corpus-id and score, separated by tabs; or TREC's four columns.",
            )
        yield Judgement(place, fields[0], fields[-2], fields[-1], position == 0)


def _of_table(path: Path, told: Told) -> Iterator[Judgement]:
    table = open_table(path)
    for where, values in table.rows(None):
        place = f"{_place(path)}, {where}"
        query, passage, grade = (
            next((values[name] for name in names if name in values), None) for names in _FIELDS.values()
        )
        if query is None or passage is None or grade is None:
            raise GapruneError(
                f"{place}: query-id, corpus-id or score is missing.", "Give every row a query-id, a corpus-id, a score."
            )
        yield Judgement(place, _plain(query), _plain(passage), _plain(grade))
    told.remarks += table.remarks


def _of_document(path: Path, told: Told) -> Iterator[Judgement]:
    """{"query": {"passage": grade}}, or {"query": ["passage", ...]} of relevant ones; or a list of rows."""
    text = whole_text(path, told.remarks)
    if text.lstrip().startswith("["):
        yield from _of_table(path, told)
        return
    value: Any = parse_json(text, _place(path))
    if not isinstance(value, dict):
        raise GapruneError(f"{_place(path)} is no object.", 'Give {"query-id": {"corpus-id": 1}}.')
    for query, judged in value.items():
        place = f"{_place(path)}, query {query[:80]!r}"
        if isinstance(judged, list):
            judged = {passage: 1 for passage in judged if isinstance(passage, (str, int))}
        if not isinstance(judged, dict):
            raise GapruneError(f"{place}: its judgements are no object.", 'Give {"query-id": {"corpus-id": 1}}.')
        for passage, grade in judged.items():
            yield Judgement(place, query.strip(), _plain(passage), _plain(grade))


def _plain(value: object) -> str:
    """An id or a grade as text; a truth value is neither."""
    return str(value).strip() if not isinstance(value, bool) else repr(value)


def _place(path: Path) -> str:
    return f"qrels/{path.name}" if path.parent.name == "qrels" else path.name


def _some(names: dict[str, None]) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:3])
    return shown if len(names) <= 3 else f"{shown}, ..."


class _Unknown:
    """Ids that judgements name and a file lacks: a few are told, many are refused."""

    def __init__(self, kind: str, file: str, known: Mapping[str, object], share: float) -> None:
        self.kind, self.file, self.known, self.leaving = kind, file, known, Leaving(share)
        self.names: dict[str, None] = {}
        self.seen: set[str] = set()

    def has(self, name: str, place: str) -> bool:
        self.seen.add(name)
        if name in self.known:
            return True
        if name not in self.names:
            self.names[name] = None
            zeros = self._other_zeros(name)
            self.leaving.add(
                GapruneError(
                    f"{place}: the {self.kind} {name!r} is not in {self.file}.",
                    f"There is {zeros!r}: give both the same leading zeros."
                    if zeros
                    else "Add it there, or remove this line.",
                )
            )
        return False

    def check(self) -> None:
        self.leaving.check(len(self.seen))

    def _other_zeros(self, name: str) -> str:
        """A known id that differs in leading zeros alone; empty where there is none."""
        if not name.isdigit():
            return ""
        forms = (name.lstrip("0") or "0", *(name.lstrip("0").zfill(width) for width in range(1, 13)))
        return next((form for form in forms if form in self.known), "")
