"""BEIR folders: corpus.jsonl, queries.jsonl and qrels/<split>.tsv."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gaprune_viz.data.files import json_kind, jsonl_objects, text_lines
from gaprune_viz.errors import GapruneError

CALIBRATION_SPLITS = ("train", "dev", "test")
EVALUATION_SPLITS = ("test", "dev", "train")


@dataclass(frozen=True)
class BeirData:
    """A retrieval collection.

    Attributes:
        corpus: passage id -> (title, text), in the order of the file.
        queries: query id -> text, in the order of the file; includes queries without relevant passages.
        qrels: query id -> {passage id: grade}, only for queries with at least one grade above 0.
        split: name of the qrels file that was read.
    """

    corpus: dict[str, tuple[str, str]]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    split: str


def is_beir(folder: Path) -> bool:
    """Whether a folder looks like a BEIR collection."""
    return (folder / "corpus.jsonl").is_file() and (folder / "queries.jsonl").is_file()


def passage_text(title: str, text: str) -> str:
    """What is embedded for a passage: its title, a space, its text."""
    return f"{title} {text}".strip()


def read_beir(folder: Path | str, split: str | Sequence[str] = CALIBRATION_SPLITS) -> BeirData:
    """Read a BEIR folder.

    Args:
        folder: holds corpus.jsonl, queries.jsonl and qrels/.
        split: name of the qrels file without its ending, or several of which the first that exists is read.

    Raises:
        GapruneError: naming file and line, for missing files, broken lines, repeated ids, qrels that name unknown
            ids, and qrels in which no query has a relevant passage.
    """
    folder = Path(folder)
    qrels_file = _find_qrels(folder, (split,) if isinstance(split, str) else tuple(split))
    corpus = _read_corpus(folder / "corpus.jsonl")
    queries = _read_queries(folder / "queries.jsonl")
    qrels = _read_qrels(qrels_file, queries, corpus)
    return BeirData(corpus=corpus, queries=queries, qrels=qrels, split=qrels_file.stem)


def _find_qrels(folder: Path, splits: tuple[str, ...]) -> Path:
    for name in ("corpus.jsonl", "queries.jsonl"):
        if not (folder / name).is_file():
            raise GapruneError(
                f"{folder.name} has no {name}.",
                "A BEIR folder holds corpus.jsonl, queries.jsonl and qrels/train.tsv (or dev.tsv, test.tsv).",
            )
    for split in splits:
        if not re.fullmatch(r"\w[\w.-]*", split):
            raise GapruneError(f"{split!r} is no name of a split.", "Use train, dev or test.")
        if (folder / "qrels" / f"{split}.tsv").is_file():
            return folder / "qrels" / f"{split}.tsv"
    there = ", ".join(sorted(path.name for path in folder.glob("qrels/*.tsv"))) or "nothing"
    wanted = ", ".join(f"{split}.tsv" for split in splits)
    raise GapruneError(
        f"{folder.name}/qrels has none of {wanted}; it holds {there}.", "Add one, or name another split."
    )


def _read_corpus(path: Path) -> dict[str, tuple[str, str]]:
    corpus: dict[str, tuple[str, str]] = {}
    for number, row in jsonl_objects(path):
        place = f"{path.name}, line {number}"
        title = "" if row.get("title") is None else _text(row, "title", place)
        corpus[_new_id(row, corpus, place)] = (title, _text(row, "text", place))
    if not corpus:
        raise GapruneError(f"{path.name} holds no passages.", "Give one object with _id, title and text on each line.")
    return corpus


def _read_queries(path: Path) -> dict[str, str]:
    queries: dict[str, str] = {}
    for number, row in jsonl_objects(path):
        place = f"{path.name}, line {number}"
        text = _text(row, "text", place)
        if not text:
            raise GapruneError(f"{place}: the query is empty.", "Give it a text, or leave the line out.")
        queries[_new_id(row, queries, place)] = text
    if not queries:
        raise GapruneError(f"{path.name} holds no queries.", "Give one object with _id and text on each line.")
    return queries


def _new_id(row: Mapping[str, object], known: Mapping[str, object], place: str) -> str:
    value = row.get("_id")
    name = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(name, str) or not name.strip():
        raise GapruneError(f"{place}: _id is missing, empty or not a text.", "Give every line its own _id.")
    # Qrels are split at tabs and stripped, so an id with outer blanks could never be named there.
    name = name.strip()
    if name in known:
        raise GapruneError(f"{place}: the _id {name!r} is used twice.", "Give every line its own _id.")
    return name


def _text(row: Mapping[str, object], field: str, place: str) -> str:
    value = row.get(field)
    if not isinstance(value, str):
        what = f"is {json_kind(value)}" if field in row else "is missing"
        raise GapruneError(f"{place}: {field} {what}; a text was expected.", "Mend that line, or leave it out.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise GapruneError(f"{place}: {field} holds half a character (a lone surrogate).", "Mend that line.")
    return value.strip()


def _read_qrels(path: Path, queries: Mapping[str, str], corpus: Mapping[str, object]) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for position, (number, line) in enumerate(text_lines(path)):
        place = f"qrels/{path.name}, line {number}"
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 3:
            raise GapruneError(
                f"{place}: {len(fields)} fields where 3 were expected.",
                "Each line holds query-id, corpus-id and score, separated by tabs.",
            )
        query, passage, grade = fields
        if re.fullmatch(r"[+-]?\d{1,9}", grade) is None:
            if position == 0:
                continue
            raise GapruneError(
                f"{place}: the score {grade!r} is no whole number.", "Use 0 for not relevant, 1 for relevant."
            )
        for kind, name, known in (("query", query, queries), ("passage", passage, corpus)):
            if name not in known:
                file = "queries.jsonl" if kind == "query" else "corpus.jsonl"
                raise GapruneError(
                    f"{place}: the {kind} {name!r} is not in {file}.", "Add it there, or remove this line."
                )
        if grades.setdefault(query, {}).setdefault(passage, int(grade)) != int(grade):
            raise GapruneError(
                f"{place}: {query!r} and {passage!r} were given another score above.", "Keep one of them."
            )
    relevant = {query: found for query, found in grades.items() if max(found.values()) > 0}
    if not relevant:
        raise GapruneError(f"qrels/{path.name} names no relevant passage.", "At least one score must be above 0.")
    return relevant
