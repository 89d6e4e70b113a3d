"""The schema, its checks and counts, and the dispatch on a source's name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import STARTER_DOMAINS, CalibrationSpec, ModelSpec, RunSpec
from gaprune_viz.data.hub import dataset_table, open_hub, parse_hub, refuse_large
from gaprune_viz.data.schema import MAX_NOTES, MAX_TEXT, RawRow, Triplet, assemble, check_triplet, content_hash
from gaprune_viz.data.sources.naming import sources_of
from gaprune_viz.data.triplets import load_table, load_triplets
from gaprune_viz.errors import GapruneError


def rows(*triplets: tuple[object, object, object]) -> list[RawRow]:
    return [RawRow(f"line {number}", *values) for number, values in enumerate(triplets, 1)]


def test_counts_and_order() -> None:
    result = assemble("x.jsonl", "x", rows(("a", "b", "c"), ("d", "e", ["f", "g"]), ("a", "b", ["c"])))
    assert result.triplets == (Triplet("a", "b", ("c",)), Triplet("d", "e", ("f", "g")))
    report = result.report
    assert (report.rows, report.kept, report.duplicates) == (3, 2, 1)
    assert report.dropped == ("line 3: the same triplet as line 1",)


def test_many_duplicates_give_a_short_report() -> None:
    report = assemble("x", "x", rows(("a", "b", "c"), ("d", "e", "f"), *[("a", "b", "c")] * 500)).report
    assert (report.rows, report.kept, report.duplicates) == (502, 2, 500)
    assert len(report.dropped) == MAX_NOTES + 1
    assert report.dropped[-1] == f"and {500 - MAX_NOTES} more rows"


def test_outer_blanks_and_repeated_negatives_do_not_count() -> None:
    triplet = check_triplet(RawRow("line 1", " a\n", "b ", ["c", " c", "d"]), "x")
    assert triplet == Triplet("a", "b", ("c", "d"))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((None, "b", "c"), "query is missing"),
        (("a", None, "c"), "positive is missing"),
        (("a", "b", None), "negative is missing"),
        (("", "b", "c"), "query is empty"),
        (("a", " \t", "c"), "positive is empty"),
        (("a", "b", []), "negative is an empty list"),
        (("a", "b", ["c", ""]), "negative is empty"),
        (("a", "b", ["c", None]), "negative is missing"),
        ((3, "b", "c"), "query is a number"),
        ((["a"], "b", "c"), "query is a list"),
        (("a", {"text": "b"}, "c"), "positive is an object"),
        (("a", "b", True), "negative is a truth value"),
        (("a", "b", [["c"]]), "negative is a list"),
        (("a", "b", "b "), "same text as the positive"),
        (("a", "b", ["c", "b"]), "same text as the positive"),
        (("a" * (MAX_TEXT + 1), "b", "c"), "20,001 characters"),
        (("a", "b\ud800", "c"), "lone surrogate"),
        (("a", "b", [f"n{number}" for number in range(101)]), "101 negatives"),
    ],
)
def test_bad_row_names_file_place_and_field(row: tuple[object, object, object], words: str) -> None:
    with pytest.raises(GapruneError) as caught:
        assemble("mine.jsonl", "x", rows(("a", "b", "c"), row))
    assert caught.value.message.startswith("mine.jsonl, line 2: ")
    assert words in caught.value.message
    assert caught.value.hint


def test_text_of_exactly_the_limit_is_accepted() -> None:
    assert len(check_triplet(RawRow("line 1", "a" * MAX_TEXT, "b", "c"), "x").query) == MAX_TEXT


@pytest.mark.parametrize("given_rows", [[], [("a", "b", "c")], [("a", "b", "c"), ("a", "b", "c")]])
def test_fewer_than_two_triplets(given_rows: list[tuple[object, object, object]]) -> None:
    with pytest.raises(GapruneError, match="at least 2 are needed"):
        assemble("x", "x", rows(*given_rows))


def test_too_many_rows() -> None:
    endless = (RawRow(f"line {number}", "a", "b", "c") for number in range(200_001))
    with pytest.raises(GapruneError, match="more than 200,000 rows"):
        assemble("x", "x", endless)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)


@given(st.lists(st.tuples(TEXT, TEXT, st.lists(TEXT, min_size=1, max_size=3)), min_size=2, max_size=6))
def test_content_hash_tells_texts_apart(texts: list[tuple[str, str, list[str]]]) -> None:
    first = [Triplet(query, positive, tuple(negatives)) for query, positive, negatives in texts]
    assert content_hash(first) == content_hash(list(first))
    changed = [*first[:-1], Triplet(first[-1].query, first[-1].positive, (*first[-1].negatives, "one more"))]
    assert content_hash(changed) != content_hash(first)
    # A text that moves from one field to the next must not go unnoticed.
    assert content_hash([Triplet("ab", "c", ("d",))]) != content_hash([Triplet("a", "bc", ("d",))])


@pytest.mark.parametrize("domain", STARTER_DOMAINS)
def test_starter_names(domain: str) -> None:
    result = load_triplets(domain)
    assert result.name == domain
    assert result.report.kept == result.report.rows == len(result.triplets) >= 128
    assert load_triplets(domain).content_hash == result.content_hash


@pytest.mark.parametrize("source", ["nowhere.jsonl", "", " ", "\0", "chemistri", "some/folder", "x" * 5000])
def test_missing_path_lists_what_may_be_given(source: str) -> None:
    with pytest.raises(GapruneError) as caught:
        load_triplets(source)
    if len(source) < 255:
        assert "chemistry" in caught.value.hint
        assert ".parquet" in caught.value.hint
        assert "BEIR" in caught.value.hint


@pytest.mark.parametrize("source", ["nothing", "./x.csv", "hub:a", "upload:x/y.csv"])
def test_a_source_that_is_not_there_is_refused_before_a_model_is_loaded(source: str) -> None:
    run = RunSpec(model=ModelSpec(model="./no-model"), calibration=CalibrationSpec(general=source))
    with pytest.raises(GapruneError) as late:
        load_triplets(source)
    with pytest.raises(GapruneError) as soon:
        drain(analyze(run))
    assert str(soon.value) == str(late.value)


def test_near_name_is_offered() -> None:
    with pytest.raises(GapruneError, match="Did you mean chemistry"):
        load_triplets("chemistri")


def test_unknown_ending_and_plain_folder(tmp_path: Path) -> None:
    (tmp_path / "x.docx").write_text("x")
    with pytest.raises(GapruneError, match=r"\.jsonl"):
        load_triplets(str(tmp_path / "x.docx"))
    with pytest.raises(GapruneError, match="not in BEIR form"):
        load_triplets(str(tmp_path))


def test_columns_for_a_source_without_columns() -> None:
    with pytest.raises(GapruneError, match="no columns to map"):
        load_triplets("finance", columns={"query": "q"})


def test_same_texts_give_the_same_hash_in_every_format(tmp_path: Path) -> None:
    import pandas as pd

    table = [{"query": f"q{i}", "positive": f"p{i}, x", "negative": f'n"{i}"'} for i in range(3)]
    (tmp_path / "x.json").write_text(json.dumps(table))
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(row) for row in table))
    pd.DataFrame(table).to_csv(tmp_path / "x.csv", index=False)
    pd.DataFrame(table).to_csv(tmp_path / "x.tsv", index=False, sep="\t")
    pd.DataFrame(table).to_parquet(tmp_path / "x.parquet")
    found = [load_triplets(str(tmp_path / f"x.{ending}")) for ending in ("json", "jsonl", "csv", "tsv", "parquet")]
    assert {item.content_hash for item in found} == {found[0].content_hash}
    assert found[0].triplets[1] == Triplet("q1", "p1, x", ('n"1"',))
    assert found[2].report.source == "x.csv (CSV)"


class TestHub:
    def test_names(self) -> None:
        assert parse_hub("hub:org/name") == ("org/name", None, "train")
        assert parse_hub("hub:org/name:triplet") == ("org/name", "triplet", "train")
        assert parse_hub("hub:org/name::test") == ("org/name", None, "test")
        assert parse_hub("hub:org/name:a:train[:50%]") == ("org/name", "a", "train[:50%]")

    @pytest.mark.parametrize(
        "source", ["hub:", "hub:csv", "hub:../x", "hub:a/b/c", "hub:/etc/x", "hub:a/b:c d", "hub:a/b::x;y"]
    )
    def test_bad_names(self, source: str) -> None:
        with pytest.raises(GapruneError, match="hub:org/name"):
            load_triplets(source)

    def test_a_local_folder_is_not_taken_for_the_hub(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "org" / "name").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(GapruneError, match="also a folder here"):
            open_hub("hub:org/name")

    def test_dataset_to_triplets(self) -> None:
        from datasets import Dataset

        data = Dataset.from_dict({"anchor": ["a", "b"], "good": ["c", "d"], "bad": [["e", "f"], ["g"]], "id": [1, 2]})
        mapping = {"query": "anchor", "positive": "good", "negative": "bad"}
        found = load_table("hub:o/n", "o/n", dataset_table(data, "hub:o/n"), mapping)
        assert found.triplets == (Triplet("a", "c", ("e", "f")), Triplet("b", "d", ("g",)))
        with pytest.raises(GapruneError, match="its columns are: anchor, good, bad, id"):
            load_table("hub:o/n", "o/n", dataset_table(data, "hub:o/n"), None)

    def test_too_many_rows_and_bytes(self) -> None:
        from datasets import Dataset, DatasetInfo

        with pytest.raises(GapruneError, match="200,001 rows"):
            dataset_table(Dataset.from_dict({"x": [0] * 200_001}), "hub:o/n")
        with pytest.raises(GapruneError, match="limit is 4,096 MiB"):
            refuse_large(DatasetInfo(download_size=5 * 1024**3), "hub:o/n")
        refuse_large(DatasetInfo(), "hub:o/n")

    def test_without_a_network(self) -> None:
        # In a process of its own: the library reads this variable once, when it is imported.
        code = (
            "from gaprune_viz.data.triplets import load_triplets\n"
            "from gaprune_viz.errors import GapruneError\n"
            "try: load_triplets('hub:sentence-transformers/all-nli:triplet:train')\n"
            "except GapruneError as error: print(error)\n"
        )
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.stdout.strip() == (
            "The Hub cannot be reached for sentence-transformers/all-nli. Check the network, or give a local file."
        ), done.stderr


def test_a_home_folder_is_where_it_is_for_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    lines = [json.dumps({"query": f"q{i}", "positive": f"p{i}", "negatives": [f"n{i}"]}) for i in range(4)]
    (tmp_path / "a=b@1.jsonl").write_text("\n".join(lines))
    assert len(load_triplets("~/a=b@1.jsonl").triplets) == 4
    assert [source.place for source in sources_of("~/a=b@1.jsonl")] == ["~/a=b@1.jsonl"]
    with pytest.raises(GapruneError, match="There is no starter"):
        load_triplets("~nobody-of-this-name/x.jsonl")
