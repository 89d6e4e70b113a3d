"""Triplets, or plain texts, from any source a person may name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from gaprune_viz.config import STARTER_DOMAINS, CalibrationSpec, Fisher, column_mapping
from gaprune_viz.data.beir import is_beir, read_beir
from gaprune_viz.data.columns import check_mapping, pick, pick_object, resolve
from gaprune_viz.data.files import unreadable
from gaprune_viz.data.hub import open_hub, parse_hub
from gaprune_viz.data.mining import mine_rows
from gaprune_viz.data.ontologies import ONTOLOGIES, ontology_triplets
from gaprune_viz.data.plain import TextSet, read_texts, refuse_plain, text_columns
from gaprune_viz.data.readers.opening import SUFFIXES, open_table
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.schema import Embed, Notes, RawRow, ReadReport, Triplet, TripletSet, assemble
from gaprune_viz.data.starter import starter_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.workspace import UPLOAD_PREFIX, upload_path

__all__ = [
    "Embed",
    "ReadReport",
    "TextSet",
    "Triplet",
    "TripletSet",
    "calibration_samples",
    "calibration_triplets",
    "check_source",
    "load_samples",
    "load_triplets",
]


def load_triplets(
    source: str, *, columns: dict[str, str] | None = None, embed: Embed | None = None, seed: int = 0
) -> TripletSet:
    """Read, check and count triplets.

    Args:
        source: a starter name (`chemistry`), a .json, .jsonl, .csv, .tsv or .parquet file, a BEIR folder,
            `hub:org/name:config:split`, `ontology:chebi`, `ontology:mondo`, or `upload:TOKEN/NAME` from the page.
        columns: for files and the Hub, which column is the `query`, the `positive` and the `negative`
            (several of these, separated by commas).
        embed: embeds texts with the model; needed for BEIR folders, whose hard negatives are mined.
        seed: draws the positive where a BEIR query has several equally relevant passages.

    Raises:
        GapruneError: naming the file, the line and the field, and what to do; or the source holds plain texts.
    """
    return refuse_plain(load_samples(source, columns=columns, embed=embed, seed=seed))


def load_samples(
    source: str, *, columns: dict[str, str] | None = None, embed: Embed | None = None, seed: int = 0
) -> TripletSet | TextSet:
    """Read, check and count triplets or plain texts (`data/plain.py` says which is which).

    Args:
        source: as `load_triplets`; also a .txt file of one text a line, and the corpus.jsonl of a BEIR folder.
        columns: as `load_triplets`; or which column is the `text`.
        embed, seed: as `load_triplets`.

    Raises:
        GapruneError: naming the file, the line and the field, and what to do.
    """
    if source in STARTER_DOMAINS:
        _refuse_columns(columns, source)
        return _assemble_ready(source, f"starter collection, {source}", starter_triplets(source))
    if source.startswith("ontology:"):
        _refuse_columns(columns, source)
        name = source.removeprefix("ontology:").lower()
        return _assemble_ready(name, f"{ONTOLOGIES.get(name, name)} definitions", ontology_triplets(name))
    if source.startswith("hub:"):
        return load_table(source, source.removeprefix("hub:"), open_hub(source), columns)
    path = _place(source)
    if path.is_dir():
        _refuse_columns(columns, path.name)
        return _load_beir(path, embed, seed)
    table = open_table(path)
    return load_table(f"{path.name} ({table.kind})", path.name, table, columns)


def check_source(source: str) -> None:
    """Refuse a name that stands for no data, before a model is loaded for it. Nothing is read.

    Raises:
        GapruneError: as `load_triplets`.
    """
    if source in STARTER_DOMAINS or source.startswith("ontology:"):
        return
    if source.startswith("hub:"):
        parse_hub(source)
    else:
        _place(source)


def calibration_samples(spec: CalibrationSpec, side: str, embed: Embed | None = None) -> TripletSet | TextSet:
    """All triplets, or plain texts, of one side of a run, `domain` or `general`: what its samples are chosen from.

    Raises:
        GapruneError: as `load_samples`; or these are plain texts, and the run's Fisher information needs triplets.
    """
    columns = column_mapping(getattr(spec, f"{side}_columns"))
    found = load_samples(getattr(spec, side), columns=columns, embed=embed, seed=spec.seed)
    return found if spec.fisher is Fisher.EMBEDDING else refuse_plain(found)


def calibration_triplets(spec: CalibrationSpec, side: str, embed: Embed | None = None) -> TripletSet:
    """All triplets of one side of a run: what retraining learns from.

    Raises:
        GapruneError: as `calibration_samples`; or these are plain texts.
    """
    return refuse_plain(calibration_samples(spec, side, embed))


def load_table(source: str, name: str, table: Table, columns: dict[str, str] | None) -> TripletSet | TextSet:
    """The triplets, or the plain texts, of an open table.

    Raises:
        GapruneError: for missing columns, and as `assemble` and `assemble_texts`.
    """
    mapping = check_mapping(columns)
    if texts := text_columns(mapping, table):
        return read_texts(source, name, table, texts)
    if table.columns is None:
        rows: Iterator[RawRow] = (pick_object(place, values, mapping) for place, values in table.rows(None))
    else:
        wanted = resolve(mapping, table.columns, name)
        rows = (pick(place, values, wanted) for place, values in table.rows(wanted.all))
    return assemble(name, source, rows)


def _place(source: str) -> Path:
    return upload_path(source) if source.startswith(UPLOAD_PREFIX) else local_path(source)


def local_path(source: str) -> Path:
    """The file or folder that a person named.

    Raises:
        GapruneError: when there is none, listing what may be given instead.
    """
    path = Path(source)
    try:
        if source.strip() and path.exists():
            return path
    except OSError as error:
        raise unreadable(path, error) from error
    near = difflib.get_close_matches(source, [*STARTER_DOMAINS, *(f"ontology:{name}" for name in ONTOLOGIES)], 1)
    raise GapruneError(
        f"There is no starter domain, file or folder {source!r}." + (f" Did you mean {near[0]}?" if near else ""),
        f"Starter domains are {', '.join(STARTER_DOMAINS)}; otherwise give a file ({', '.join(SUFFIXES)}), "
        f"a BEIR folder, hub:org/name:config:split, or {' or '.join(f'ontology:{name}' for name in ONTOLOGIES)}.",
    )


def _assemble_ready(name: str, source: str, triplets: tuple[Triplet, ...]) -> TripletSet:
    rows = (
        RawRow(f"triplet {number}", triplet.query, triplet.positive, triplet.negatives)
        for number, triplet in enumerate(triplets, 1)
    )
    return assemble(name, source, rows)


def _load_beir(folder: Path, embed: Embed | None, seed: int) -> TripletSet:
    name = folder.resolve().name
    if not is_beir(folder):
        raise GapruneError(
            f"{name} is a folder, but not in BEIR form.",
            "A BEIR folder holds corpus.jsonl, queries.jsonl and qrels/train.tsv (or dev.tsv, test.tsv); "
            "to use a file in a folder, give the file.",
        )
    if embed is None:
        raise GapruneError(
            f"{name} is a BEIR folder, and its hard negatives are found with a model.",
            "Choose a model first, or give a file of triplets.",
        )
    data = read_beir(folder)
    notes = Notes()
    rows = mine_rows(data, embed, notes, seed=seed)
    return assemble(name, f"{name} (BEIR, split {data.split}, mined hard negatives)", rows, notes)


def _refuse_columns(columns: dict[str, str] | None, source: str) -> None:
    if check_mapping(columns):
        raise GapruneError(
            f"{source} has no columns to map.", "Leave the mapping out; it is for files and Hub datasets."
        )
