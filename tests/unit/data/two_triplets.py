"""Two triplets in every shape and every kind of file, read as the command line and as the page reads them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.schema import Triplet, TripletSet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from tests.unit.data.test_beir import bag_of_words

A, B = (
    ("why is the sea salt", "rivers carry salt into the sea", "a loan is paid back"),
    (
        "what is a loan",
        "a loan is money that is paid back",
        "salt melts ice",
    ),
)
TRIPLETS = tuple(Triplet(q, p, (n,)) for q, p, n in (A, B))


def lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def table(header: str, *rows: tuple[str, ...], mark: str = ",") -> bytes:
    return "\n".join([*([header] if header else []), *(mark.join(row) for row in rows)]).encode()


def named(*names: str) -> list[dict[str, str]]:
    return [dict(zip(names, row, strict=False)) for row in (A, B)]


def passed(found: TripletSet) -> None:
    assert found.triplets == TRIPLETS


def said(*words: str) -> Callable[[TripletSet], None]:
    def check(found: TripletSet) -> None:
        passed(found)
        assert all(word in " ".join(found.report.remarks) for word in words)

    return check


def check_both_ways(path: Path, expected: Callable[[TripletSet], None] | str) -> None:
    """The reader of the command line, and the page's look at the same file."""
    if isinstance(expected, str):
        with pytest.raises(GapruneError) as caught:
            load_triplets(str(path), embed=bag_of_words)
        assert expected in str(caught.value)
        assert caught.value.hint
        try:
            # The page tries what is likely, and shows it.
            assert expected in inspect_upload(path).problem or "perhaps" in expected
        except GapruneError as error:
            assert str(error) == str(caught.value)
        return
    found = load_triplets(str(path), embed=bag_of_words)
    expected(found)
    preview = inspect_upload(path)
    assert preview.problem == ""
    assert not preview.needs_mapping
    assert preview.pairs == ("mined" in found.report.source)
    if not preview.pairs:
        assert (preview.kept, preview.dropped) == (found.report.kept, found.report.dropped)
    again = load_triplets(str(path), columns=preview.mapping or None, embed=bag_of_words)
    assert again.content_hash == found.content_hash


def columns_of(rows: list[dict[str, str]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def parquet(path: Path) -> None:
    pq.write_table(columns_of(named("query", "positive", "negative")), path)


def stream(path: Path) -> None:
    whole = columns_of(named("query", "positive", "negative"))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, whole.schema) as out:
        out.write_table(whole)


def packed_feather(packing: str) -> Callable[[Path], None]:
    return lambda path: feather.write_feather(columns_of(named("query", "positive", "negative")), path, packing)  # type: ignore[arg-type]


def saved(splits: bool) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        from datasets import Dataset, DatasetDict

        data = Dataset.from_list(named("query", "positive", "negative"))
        (DatasetDict({"test": data, "train": data}) if splits else data).save_to_disk(str(path))

    return write


def excel(path: Path) -> None:
    import pandas as pd

    pd.DataFrame(named("query", "positive", "negative")).to_excel(path, index=False)


def packed(pack: Callable[[bytes], bytes], content: bytes = b"") -> Callable[[Path], None]:
    content = content or lines(*named("query", "positive", "negative"))
    return lambda path: _write(path, pack(content))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def zstd(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


def packed_parquet(path: Path) -> None:
    inner = path.with_suffix("")
    parquet(inner)
    path.write_bytes(gzip.compress(inner.read_bytes()))
    inner.unlink()


def content(data: bytes) -> Callable[[Path], None]:
    return lambda path: _write(path, data)
