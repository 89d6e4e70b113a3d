"""Parquet files as people really write them: kinds of text, limits, and errors that name the row."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from tests.unit.data.loading import AS_TRIPLETS, refused, write_parquet


class TestParquet:
    def test_list_of_negatives(self, tmp_path: Path) -> None:
        table = {"query": ["a", "d"], "positive": ["b", "e"], "negative": [["c"], ["f", "g"]], "score": [1.0, 2.0]}
        assert load_triplets(write_parquet(tmp_path / "x.parquet", table)).triplets == AS_TRIPLETS

    @pytest.mark.parametrize("text_type", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
    def test_text_types(self, tmp_path: Path, text_type: pa.DataType) -> None:
        table = {
            name: pa.array([f"{name}{i}" for i in range(3000)]).cast(text_type)
            for name in ("query", "positive", "negative")
        }
        found = load_triplets(write_parquet(tmp_path / "x.parquet", table))
        assert found.triplets[2999] == Triplet("query2999", "positive2999", ("negative2999",))

    def test_errors_name_the_row(self, tmp_path: Path) -> None:
        table = {"query": ["a", None], "positive": ["b", "e"], "negative": ["c", "f"]}
        with pytest.raises(GapruneError, match=r"x.parquet, row 2: query is missing"):
            load_triplets(write_parquet(tmp_path / "x.parquet", table))
        table["query"] = [1, 2]
        with pytest.raises(GapruneError, match=r"row 1: query is a number"):
            load_triplets(write_parquet(tmp_path / "x.parquet", table))

    def test_invalid_utf8_inside(self, tmp_path: Path) -> None:
        broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff\xfe"], pa.binary()).buffers())
        table = {"query": broken, "positive": ["b", "e"], "negative": ["c", "f"]}
        with pytest.raises(GapruneError, match=r"row 2: cannot be read"):
            load_triplets(write_parquet(tmp_path / "x.parquet", table))

    def test_missing_columns(self, tmp_path: Path) -> None:
        with pytest.raises(GapruneError, match="its columns are: title, positive"):
            load_triplets(write_parquet(tmp_path / "x.parquet", {"title": ["a"], "positive": ["b"]}))

    @pytest.mark.parametrize("content", [b"PAR1", b"not parquet at all", b"PAR1" + b"\0" * 100 + b"PAR1"])
    def test_broken(self, tmp_path: Path, content: bytes) -> None:
        assert "not a readable Parquet file" in refused(tmp_path / "x.parquet", content).message

    def test_cut_short(self, tmp_path: Path) -> None:
        source = write_parquet(
            tmp_path / "y.parquet", {name: ["a" * 999] * 9 for name in ("query", "positive", "negative")}
        )
        content = bytearray(Path(source).read_bytes())
        content[4:60] = b"\xff" * 56
        assert "not a readable Parquet file" in refused(tmp_path / "x.parquet", bytes(content)).message

    def test_footer_limits(self, tmp_path: Path) -> None:
        names = ("query", "positive", "negative")
        with pytest.raises(GapruneError, match="more than 200,000 rows"):
            load_triplets(write_parquet(tmp_path / "x.parquet", {name: ["a"] * 200_001 for name in names}))
        # A text that packs well: about a megabyte on disk, over a gigabyte when unpacked.
        huge = pa.array(["a" * (8 * 1024 * 1024)])
        with pq.ParquetWriter(
            tmp_path / "y.parquet", pa.schema([("query", pa.string())]), compression="zstd", use_dictionary=False
        ) as out:
            for _ in range(129):
                out.write_table(pa.table({"query": huge}))
        assert (tmp_path / "y.parquet").stat().st_size < 8 * 1024 * 1024
        with pytest.raises(GapruneError, match="when unpacked; the limit is 1024 MiB"):
            load_triplets(str(tmp_path / "y.parquet"))

    def test_one_huge_text_in_every_row_does_not_fill_the_memory(self, tmp_path: Path) -> None:
        names = ("query", "positive", "negative")
        table = pa.table({name: pa.DictionaryArray.from_arrays([0] * 1000, ["a" * 5_000_000]) for name in names})
        # Without the Arrow schema the file says plain strings: read as such, it is 5 GB a column.
        pq.write_table(table, tmp_path / "x.parquet", store_schema=False)
        with pytest.raises(GapruneError, match=r"row 1: query has 5,000,000 characters"):
            load_triplets(str(tmp_path / "x.parquet"))
        assert (pa.default_memory_pool().max_memory() or 0) < 1024**3
