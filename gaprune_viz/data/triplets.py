"""Triplets, or plain texts, from any source a person may name."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

from gaprune_viz.config import LEFT_OUT, STARTER_DOMAINS, CalibrationSpec, Fisher, column_mapping
from gaprune_viz.data.beir import read_beir
from gaprune_viz.data.collections.archives import collection_folder, is_collection
from gaprune_viz.data.columns import check_mapping
from gaprune_viz.data.hub import open_hub, parse_hub
from gaprune_viz.data.mining import mine_rows
from gaprune_viz.data.ontologies import ONTOLOGIES, ontology_triplets
from gaprune_viz.data.plain_texts import TextSet, read_texts, refuse_plain, text_columns
from gaprune_viz.data.readers.by_ending import SUFFIXES, open_table
from gaprune_viz.data.readers.encodings import tell
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.schema import Embed, Notes, RawRow, ReadReport, Triplet, TripletSet, assemble
from gaprune_viz.data.shapes.pairs import collected
from gaprune_viz.data.shapes.rows import rows_of
from gaprune_viz.data.sources.joining import Read, joined, refuse_small
from gaprune_viz.data.sources.naming import sides_of
from gaprune_viz.data.starter import starter_triplets
from gaprune_viz.data.text_files import unreadable
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.workspace import UPLOAD_PREFIX, upload_path

__all__ = [
    "Embed",
    "ReadReport",
    "TextSet",
    "Triplet",
    "TripletSet",
    "calibration_samples",
    "calibration_sources",
    "calibration_triplets",
    "check_source",
    "load_samples",
    "load_triplets",
]


def load_triplets(
    source: str,
    *,
    columns: dict[str, str] | None = None,
    embed: Embed | None = None,
    seed: int = 0,
    left_out: float = LEFT_OUT,
) -> TripletSet:
    """Read, check and count triplets.

    Args:
        source: a starter name (`chemistry`), a file of any shape that docs/data.md lists, a BEIR folder or a .zip of
            one, a folder that `datasets` saved,
            `hub:org/name:config:split`, `ontology:chebi`, `ontology:mondo`, or `upload:TOKEN/NAME` from the page.
        columns: for files and the Hub, which column is the `query`, the `positive` and the `negative`
            (several of these, separated by commas).
        embed: embeds texts with the model; needed for BEIR folders and for pairs, whose hard negatives are mined.
        seed: draws the positive where a BEIR query has several equally relevant passages.
        left_out: share of the rows that may be left out because they cannot be used.

    Raises:
        GapruneError: naming the file, the line and the field, and what to do; or the source holds plain texts.
    """
    return refuse_plain(load_samples(source, columns=columns, embed=embed, seed=seed, left_out=left_out))


def load_samples(
    source: str,
    *,
    columns: dict[str, str] | None = None,
    embed: Embed | None = None,
    seed: int = 0,
    left_out: float = LEFT_OUT,
) -> TripletSet | TextSet:
    """Read, check and count triplets or plain texts (`data/plain_texts.py` says which is which).

    Args:
        source: as `load_triplets`; also a .txt file of one text a line, and the corpus.jsonl of a BEIR folder.
        columns: as `load_triplets`; or which column is the `text`.
        embed, seed, left_out: as `load_triplets`.

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
        table = open_hub(source)
        return load_table(source, source.removeprefix("hub:"), table, columns, embed, seed=seed, left_out=left_out)
    path = source_place(source)
    if is_collection(path):
        _refuse_columns(columns, path.name)
        return _load_beir(path, embed, seed, left_out)
    table = open_table(path)
    label = f"{path.name} ({table.kind})"
    return load_table(label, path.name, table, columns, embed, seed=seed, left_out=left_out)


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
        source_place(source)


def calibration_samples(spec: CalibrationSpec, side: str, embed: Embed | None = None) -> TripletSet | TextSet:
    """All triplets, or plain texts, of one side of a run, `domain` or `general`: what its samples are chosen from.

    Raises:
        GapruneError: as `calibration_sources`; or its sources are of two kinds.
    """
    return joined(calibration_sources(spec, side, embed))


def calibration_sources(spec: CalibrationSpec, side: str, embed: Embed | None = None) -> list[Read]:
    """All triplets, or plain texts, of each source of one side of a run.

    Raises:
        GapruneError: as `sides_of` and `load_samples`; or these are plain texts, and the run's Fisher information needs
            triplets; or a source of several is too small.
    """
    columns = column_mapping(getattr(spec, f"{side}_columns"))
    found: list[Read] = []
    sides = sides_of(spec)
    for source in sides[side]:
        read = load_samples(source.place, columns=columns, embed=embed, seed=spec.seed, left_out=spec.left_out)
        found.append((source, read if spec.fisher is Fisher.EMBEDDING else refuse_plain(read)))
    if sum(map(len, sides.values())) > len(sides):
        refuse_small(found)
    return found


def calibration_triplets(spec: CalibrationSpec, side: str, embed: Embed | None = None) -> TripletSet:
    """All triplets of one side of a run: what retraining learns from.

    Raises:
        GapruneError: as `calibration_samples`; or these are plain texts.
    """
    return refuse_plain(calibration_samples(spec, side, embed))


def load_table(
    source: str,
    name: str,
    table: Table,
    columns: dict[str, str] | None,
    embed: Embed | None = None,
    *,
    seed: int = 0,
    left_out: float = LEFT_OUT,
) -> TripletSet | TextSet:
    """The triplets, or the plain texts, of an open table; of pairs without negatives, which are mined.

    Raises:
        GapruneError: for missing columns, for pairs without a model, and as `assemble` and `assemble_texts`.
    """
    mapping = check_mapping(columns)
    if texts := text_columns(mapping, table):
        return read_texts(source, name, table, texts, left_out)
    rows, pairs = rows_of(table, mapping, name)
    if not pairs:
        return assemble(name, source, rows, left_out=left_out, remarks=table.remarks)
    if embed is None:
        raise GapruneError(
            f"{name} holds pairs without negatives, which are found with a model.",
            "Choose a model first, or give a file of triplets.",
        )
    notes = Notes()
    data, left = collected(name, rows, notes, left_out)
    tell(
        table.remarks,
        f"{name} holds pairs without negatives: hard negatives were mined with the model among the "
        f"{len(data.corpus):,} passages of the pairs",
    )
    mined = mine_rows(data, embed, notes, seed=seed, every_positive=True)
    found = assemble(
        name, f"{source}, pairs, mined hard negatives", mined, notes, left_out=left_out, remarks=table.remarks
    )
    return replace(found, report=replace(found.report, left_out=found.report.left_out + left))


def source_place(source: str) -> Path:
    """The file or folder behind a path or an upload.

    Raises:
        GapruneError: as `local_path` and `upload_path`.
    """
    return upload_path(source) if source.startswith(UPLOAD_PREFIX) else local_path(source)


def local_path(source: str) -> Path:
    """The file or folder that a person named.

    Raises:
        GapruneError: when there is none, listing what may be given instead.
    """
    path = Path(source)
    try:
        path = path.expanduser()
        if source.strip() and path.exists():
            return path
    except OSError as error:
        raise unreadable(path, error) from error
    except RuntimeError:
        # `~somebody`, who is not here.
        pass
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


def _load_beir(path: Path, embed: Embed | None, seed: int, left_out: float) -> TripletSet:
    with collection_folder(path) as folder:
        name = folder.resolve().name
        if embed is None:
            raise GapruneError(
                f"{name} is a BEIR folder, and its hard negatives are found with a model.",
                "Choose a model first, or give a file of triplets.",
            )
        data = read_beir(folder, left_out=left_out)
    notes = Notes()
    rows = mine_rows(data, embed, notes, seed=seed)
    label = f"{name} (BEIR, split {data.split}, mined hard negatives)"
    return assemble(name, label, rows, notes, left_out=left_out, remarks=data.notes)


def _refuse_columns(columns: dict[str, str] | None, source: str) -> None:
    if check_mapping(columns):
        raise GapruneError(
            f"{source} has no columns to map.", "Leave the mapping out; it is for files and Hub datasets."
        )
