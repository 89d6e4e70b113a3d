"""What a person sees of a file before it is used."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gaprune_viz.config import LEFT_OUT
from gaprune_viz.data.beir import read_beir
from gaprune_viz.data.collections.archives import collection_folder, is_collection
from gaprune_viz.data.columns import FIELDS, TEXT, check_mapping, suggest
from gaprune_viz.data.plain_texts import text_columns
from gaprune_viz.data.readers.by_ending import open_table
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.schema import Notes, RawRow, ReadReport
from gaprune_viz.data.shapes.pairs import collected
from gaprune_viz.data.shapes.rows import rows_of
from gaprune_viz.data.triplets import load_table, local_path
from gaprune_viz.errors import GapruneError

PREVIEW_ROWS = 5
PREVIEW_CELL = 200
_ROWS_FOR_KEYS = 50


@dataclass(frozen=True)
class UploadPreview:
    """The beginning of a file, and what would become of it.

    Attributes:
        name: name of the file or folder.
        kind: the format, in words.
        columns: names of the columns.
        table: the first rows, one text for each column, long texts cut.
        mapping: likely columns for query, positive and negative, or for plain texts; fields without a likely one are
            left out.
        rows: rows that were read; all of them unless `problem` says otherwise.
        kept: triplets, or plain texts, that the mapping gives; for a BEIR folder the queries from which they would be
            mined.
        duplicates: rows left out because the same triplet or text came before.
        dropped: one plain line for each row left out.
        problem: why it cannot be used as it is, and what to do; empty when it can.
        remarks: what a person should know of the file: its encoding, a missing header, negatives that are mined.
        pairs: whether these are pairs, whose negatives are mined with a model; `kept` counts them.
        passages: of a collection, all of which a model would embed.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    mapping: dict[str, str]
    rows: int
    kept: int
    duplicates: int
    dropped: tuple[str, ...]
    problem: str
    remarks: tuple[str, ...] = ()
    pairs: bool = False
    passages: int = 0

    @property
    def plain(self) -> bool:
        """Whether these are plain texts, not triplets."""
        return TEXT in self.mapping

    @property
    def needs_mapping(self) -> bool:
        """Whether a person has to say which columns to use."""
        ready = self.kind == "BEIR" or self.plain or self.pairs or bool(self.kept)
        return bool(self.columns) and not ready and len(self.mapping) < len(FIELDS)


def inspect_upload(path: Path | str, columns: dict[str, str] | None = None) -> UploadPreview:
    """Look at a file or a BEIR folder, and try the likely (or the given) columns on it.

    Raises:
        GapruneError: when nothing of it can be shown: it is missing, too large, or not of its format from the start.
    """
    path = local_path(str(path))
    if is_collection(path):
        return _inspect_beir(path)
    table = open_table(path)
    first = _first_rows(table)
    names = table.columns or tuple(dict.fromkeys(key for row in first for key in row))
    mapping = {field: name for field, name in (columns or _likely(table, names)).items() if name}
    shown = tuple(tuple(_cell(row.get(name)) for name in names) for row in first[:PREVIEW_ROWS])
    problem, pairs, report = "", False, ReadReport("", len(first), 0, 0, ())
    try:
        if not text_columns(check_mapping(mapping), table):
            rows, pairs = rows_of(table, check_mapping(mapping), path.name)
            report = _of_pairs(path.name, rows, table) if pairs else report
        if not pairs:
            report = load_table(path.name, path.name, table, mapping).report
    except GapruneError as error:
        problem = str(error)
    return UploadPreview(
        path.name,
        table.kind,
        names,
        shown,
        mapping,
        report.rows,
        report.kept,
        report.duplicates,
        report.dropped,
        problem,
        report.remarks,
        pairs,
    )


def _of_pairs(name: str, rows: Iterable[RawRow], table: Table) -> ReadReport:
    """What becomes of pairs, before a model mines their negatives."""
    notes = Notes()
    data, left = collected(name, rows, notes, LEFT_OUT)
    kept = sum(map(len, data.qrels.values()))
    mined = f"{name} holds pairs without negatives: the model finds hard negatives among their own passages"
    return ReadReport(name, kept + left, kept, 0, notes.all(), (*table.remarks, mined), left)


def _likely(table: Table, names: Sequence[str]) -> dict[str, str]:
    """Plain texts where they are plain to see, else the columns that look like those of triplets."""
    texts = text_columns({}, table)
    return {TEXT: ",".join(texts)} if texts else suggest(names)


def _first_rows(table: Table) -> list[Mapping[str, object]]:
    """The rows up to the first bad one; that one is then reported as the problem.

    Raises:
        GapruneError: when the very first row is bad.
    """
    first: list[Mapping[str, object]] = []
    try:
        for _, values in itertools.islice(table.rows(None), _ROWS_FOR_KEYS):
            first.append(values)
    except GapruneError:
        if not first:
            raise
    return first


def _inspect_beir(path: Path) -> UploadPreview:
    with collection_folder(path) as folder:
        name, data = folder.resolve().name, read_beir(folder)
    shown = tuple(
        (_cell(data.queries[query]), _cell(" ".join(next((data.corpus[p] for p in grades if p in data.corpus), ("",)))))
        for query, grades in itertools.islice(data.qrels.items(), PREVIEW_ROWS)
    )
    count = len(data.qrels)
    columns = ("query", "judged passage")
    return UploadPreview(
        name, "BEIR", columns, shown, {}, count, count, 0, (), "", data.notes, passages=len(data.corpus)
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = " | ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    text = " ".join(text[: 4 * PREVIEW_CELL].split()).encode("utf-8", "replace").decode()
    return text if len(text) <= PREVIEW_CELL else text[: PREVIEW_CELL - 1] + "…"
