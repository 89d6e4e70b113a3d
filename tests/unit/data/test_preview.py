"""What the page shows of a file before it is used: columns that are suggested, first rows, and the problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaprune_viz.data.columns import negative_columns, suggest
from gaprune_viz.data.preview import PREVIEW_CELL, inspect_upload
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from tests.unit.data.loading import LINE, write_parquet


class TestColumns:
    def test_suggestions(self) -> None:
        assert suggest(["anchor", "positive", "negative"]) == {
            "query": "anchor",
            "positive": "positive",
            "negative": "negative",
        }
        assert suggest(["Question", "Answer", "neg_1", "neg_2"]) == {
            "query": "Question",
            "positive": "Answer",
            "negative": "neg_1,neg_2",
        }
        assert suggest(["id", "body"]) == {}

    def test_a_column_whose_name_has_a_comma(self) -> None:
        assert negative_columns("a, b", ["a, b", "c"]) == ("a, b",)
        assert negative_columns("a, b", ["a", "b"]) == ("a", "b")


class TestPreview:
    def test_ready_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text(
            "anchor,positive,negative\n" + "".join(f"a{i},b,c{'x' * 300}\n" for i in range(9)) + "a0,b,c" + "x" * 300
        )
        preview = inspect_upload(path)
        assert preview.columns == ("anchor", "positive", "negative")
        assert preview.mapping == {"query": "anchor", "positive": "positive", "negative": "negative"}
        assert (preview.rows, preview.kept, preview.duplicates, preview.problem) == (10, 9, 1, "")
        assert len(preview.table) == 5
        assert preview.table[0][0] == "a0"
        assert len(preview.table[0][2]) == PREVIEW_CELL
        assert preview.table[0][2].endswith("…")
        assert not preview.needs_mapping
        assert load_triplets(str(path), columns=preview.mapping).report.kept == 9

    def test_columns_that_nobody_can_guess(self, tmp_path: Path) -> None:
        path = tmp_path / "x.parquet"
        write_parquet(path, {"one": ["a", "b"], "two": ["c", "d"], "three": [["e"], None]})
        preview = inspect_upload(path)
        assert preview.needs_mapping
        assert "no column 'query'" in preview.problem
        assert preview.table == (("a", "c", "e"), ("b", "d", ""))
        preview = inspect_upload(path, {"query": "one", "positive": "two", "negative": "three"})
        assert "row 2: negative is missing" in preview.problem

    def test_late_error_is_the_problem_and_early_rows_are_shown(self, tmp_path: Path) -> None:
        path = tmp_path / "x.jsonl"
        path.write_text(LINE + "\n" + '{"query": "\\ud800", "positive": "b", "negative": "c"}\nnonsense')
        preview = inspect_upload(str(path))
        assert preview.kind == "JSON Lines"
        assert preview.columns == ("query", "positive", "negative")
        assert preview.table == (("a", "b", "c"), ("?", "b", "c"))
        assert "line 2" in preview.problem

    def test_nothing_to_show(self, tmp_path: Path) -> None:
        (tmp_path / "x.jsonl").write_text("nonsense")
        with pytest.raises(GapruneError, match="line 1"):
            inspect_upload(tmp_path / "x.jsonl")
        with pytest.raises(GapruneError):
            inspect_upload(tmp_path / "absent.jsonl")
