"""Which files of a folder hold the corpus, the queries and the judgements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gaprune_viz.data.readers.streams import packing, plain_ending
from gaprune_viz.errors import GapruneError

CORPUS, QUERIES, QRELS = ("corpus", "collection", "documents"), ("queries",), ("qrels",)
TABLES = (".jsonl", ".tsv", ".parquet", ".json", ".csv", ".arrow", ".feather")
JUDGEMENTS = (".tsv", ".txt", ".trec", ".qrels", ".qrel", ".json", ".jsonl", ".csv", ".parquet")
NEEDED = (
    "A BEIR folder holds corpus.jsonl, queries.jsonl and qrels/train.tsv (or dev.tsv, test.tsv); docs/data.md lists "
    "what else these may be."
)


def stem(path: Path) -> str:
    """The name without ending and packing: `corpus` of corpus.jsonl.gz."""
    return Path(path.stem).stem if packing(path) else path.stem


def find(folder: Path, stems: Sequence[str], endings: Sequence[str]) -> Path | None:
    """The file of a folder that has one of these names and one of these endings, packed or not; None where none has.

    The first name wins, then the first ending, then what is not packed.
    """
    try:
        files = [f for f in folder.iterdir() if stem(f) in stems and plain_ending(f) in endings and f.is_file()]
    except OSError:
        return None
    return min(
        files, key=lambda f: (stems.index(stem(f)), endings.index(plain_ending(f)), packing(f), f.name), default=None
    )


def find_table(folder: Path, stems: Sequence[str]) -> Path:
    """The corpus, or the queries, of a folder.

    Raises:
        GapruneError: there is none.
    """
    found = find(folder, stems, TABLES)
    if found is None:
        raise GapruneError(f"{folder.name} has no {stems[0]}.jsonl.", NEEDED)
    return found


def find_qrels(folder: Path, splits: Sequence[str]) -> tuple[Path, str]:
    """The judgements of the first of these splits that is there, and its name.

    They lie in qrels/, or beside the corpus as qrels.tsv, which counts as `test`, or qrels.test.tsv.

    Raises:
        GapruneError: a split is no name, or there is none of them.
    """
    for split in splits:
        if not re.fullmatch(r"\w[\w.-]*", split):
            raise GapruneError(f"{split!r} is no name of a split.", "Use train, dev or test.")
        beside = [f"qrels.{split}", f"qrels-{split}", f"qrels_{split}", *(["qrels"] if split == "test" else [])]
        found = find(folder / "qrels", [split], JUDGEMENTS) or find(folder, beside, JUDGEMENTS)
        if found is not None:
            return found, split
    there = ", ".join(sorted(path.name for path in folder.glob("qrels/*.*"))) or "nothing"
    wanted = ", ".join(f"{split}.tsv" for split in splits)
    raise GapruneError(
        f"{folder.name}/qrels has none of {wanted}; it holds {there}.", "Add one, or name another split."
    )
