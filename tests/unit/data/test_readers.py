"""JSON and CSV files as people really write them: limits, encodings, columns, and errors that name the line."""

from __future__ import annotations

import collections
import json
from pathlib import Path

import pytest

from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.text_files import jsonl_objects
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from tests.unit.data.loading import AS_TRIPLETS, GOOD, LINE, load, refused


class TestJsonLines:
    def test_blank_lines_are_ignored_but_counted(self, tmp_path: Path) -> None:
        text = "\n" + LINE + "\r\n  \n" + json.dumps(GOOD[1]) + "\n\n"
        assert load(tmp_path / "x.jsonl", text).triplets == AS_TRIPLETS
        error = refused(tmp_path / "x.jsonl", text + '{"query": "a", "positive": "b"}')
        assert "line 6: negative is missing" in error.message

    def test_byte_order_mark(self, tmp_path: Path) -> None:
        text = "\ufeff" + LINE + "\n" + json.dumps(GOOD[1])
        assert load(tmp_path / "x.jsonl", text).triplets == AS_TRIPLETS

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ('{"query": "a", ', "not valid JSON"),
            ("nonsense", "not valid JSON"),
            ('["a"]', "a list where an object was expected"),
            ('"a"', "a text where an object was expected"),
            ("null", "null where an object was expected"),
            ('{"query": ' + "9" * 5000 + "}", "not valid JSON"),
            ('{"x": ' + "[" * 40 + "]" * 40 + "}", "nested deeper than 32"),
            ('{"x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested deeper than 32"),
            ("[" * 100_000, "nested deeper than 32"),
        ],
    )
    def test_bad_line(self, tmp_path: Path, line: str, words: str) -> None:
        error = refused(tmp_path / "x.jsonl", LINE + "\n\n" + line + "\n" + LINE)
        assert error.message.startswith("x.jsonl, line 3: ")
        assert words in error.message

    def test_nesting_of_exactly_the_limit(self, tmp_path: Path) -> None:
        def line(depth: int) -> str:
            return json.dumps(GOOD[1])[:-1] + ', "x": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"

        assert load(tmp_path / "x.jsonl", LINE + "\n" + line(32)).triplets == AS_TRIPLETS
        assert "nested deeper" in refused(tmp_path / "x.jsonl", LINE + "\n" + line(33)).message

    def test_not_utf8(self, tmp_path: Path) -> None:
        greek = LINE.replace("b", "αλφα").encode("iso8859-7")
        error = refused(tmp_path / "x.jsonl", LINE.encode() + b"\n" + greek)
        assert error.message == "x.jsonl, line 2: not UTF-8 text (byte 0xe1)."
        assert "UTF-8" in refused(tmp_path / "x.jsonl", LINE.encode("utf-16-le")).hint

    def test_long_line(self, tmp_path: Path) -> None:
        assert (
            "line 2: longer than 1 MiB" in refused(tmp_path / "x.jsonl", LINE + "\n" + "x" * (1024 * 1024 + 1)).message
        )

    def test_large_file_is_refused_unread(self, tmp_path: Path) -> None:
        with (tmp_path / "x.jsonl").open("wb") as stream:
            stream.truncate(256 * 1024 * 1024 + 1)
        with pytest.raises(GapruneError, match="the limit is 256 MiB"):
            load_triplets(str(tmp_path / "x.jsonl"))

    def test_too_many_rows(self, tmp_path: Path) -> None:
        (tmp_path / "x.jsonl").write_text("{}\n" * 200_001)
        with pytest.raises(GapruneError, match="more than 200,000 rows"):
            collections.deque(jsonl_objects(tmp_path / "x.jsonl"), maxlen=0)

    def test_empty_and_blank_files(self, tmp_path: Path) -> None:
        assert "is empty" in refused(tmp_path / "x.jsonl", "").message
        assert "at least 2" in refused(tmp_path / "x.jsonl", "\n\n").message

    def test_mapping(self, tmp_path: Path) -> None:
        rows = [{"q": f"a{i}", "pos": "b", "n1": "c", "n2": ["d"], "query": "no"} for i in range(2)]
        text = "\n".join(map(json.dumps, rows))
        found = load(tmp_path / "x.jsonl", text, columns={"query": "q", "positive": "pos", "negative": "n1, n2"})
        assert found.triplets[0] == Triplet("a0", "b", ("c", "d"))
        with pytest.raises(GapruneError, match="no field 'passage'"):
            load(tmp_path / "x.jsonl", text, columns={"passage": "pos"})

    def test_numbered_negatives(self, tmp_path: Path) -> None:
        rows = [{"query": f"a{i}", "positive": "b", "negative_1": "c", "negative_2": ""} for i in range(2)]
        assert load(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows))).triplets[0].negatives == ("c",)

    def test_a_folder_of_that_name(self, tmp_path: Path) -> None:
        (tmp_path / "x.jsonl").mkdir()
        with pytest.raises(GapruneError, match="not in BEIR form"):
            load_triplets(str(tmp_path / "x.jsonl"))


class TestJson:
    def test_list(self, tmp_path: Path) -> None:
        assert load(tmp_path / "x.json", json.dumps(GOOD, indent=2)).triplets == AS_TRIPLETS
        assert load(tmp_path / "x.json", "\ufeff\n" + json.dumps(GOOD) + "\n").triplets == AS_TRIPLETS

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (LINE + "\n" + LINE, "does not hold a JSON list"),
            ("   ", "does not hold a JSON list"),
            (f"[{LINE},\n 3]", "item 2: a number where an object was expected"),
            (f"[{LINE},\n\n{{'query': 1}}]", "item 2: not valid JSON at line 3"),
            (f"[{LINE}\n{LINE}]", "not valid JSON at line 2"),
            (f"[{LINE},]", "not valid JSON at line 1"),
            (f"[{LINE}, {LINE}", "not valid JSON"),
            (f"[{LINE}, ", "not valid JSON"),
            (f"[{LINE}]\n{LINE}", "not valid JSON at line 2"),
            (f"[{LINE}, {json.dumps(dict(GOOD[0], query=''))}]", "item 2: query is empty"),
            ("[" * 100_000, "nested deeper"),
            ("[" + '{"x":' * 50_000, "nested deeper"),
            ("[]", "at least 2"),
            ("[{}]", "item 1: query is missing"),
            (f"[{LINE}, " + '{"x": ' + "9" * 5000 + "}]", "item 2: not valid JSON"),
        ],
    )
    def test_bad(self, tmp_path: Path, text: str, words: str) -> None:
        assert words in refused(tmp_path / "x.json", text).message

    def test_not_utf8(self, tmp_path: Path) -> None:
        assert "not UTF-8" in refused(tmp_path / "x.json", b'[{"query": "\xff\x81"}]').message


class TestCsv:
    def test_quotes_line_breaks_and_byte_order_mark(self, tmp_path: Path) -> None:
        text = '\ufeffquery,positive,negative\r\n"a, x","b\r\nb",c\r\n\r\nd,"say ""e""",f\r\n'
        assert load(tmp_path / "x.csv", text).triplets == (
            Triplet("a, x", "b\r\nb", ("c",)),
            Triplet("d", 'say "e"', ("f",)),
        )

    @pytest.mark.parametrize("mark", [";", "\t"])
    def test_other_delimiters(self, tmp_path: Path, mark: str) -> None:
        text = f"query{mark}positive{mark}negative\na, x{mark}b{mark}c\nd{mark}e{mark}f"
        assert load(tmp_path / "x.csv", text).triplets[0] == Triplet("a, x", "b", ("c",))

    def test_line_of_an_error_after_a_long_record(self, tmp_path: Path) -> None:
        text = 'query,positive,negative\n"a\na\na",b,c\nd,,f\n'
        assert "x.csv, line 5: positive is empty" in refused(tmp_path / "x.csv", text).message

    def test_missing_columns_are_listed(self, tmp_path: Path) -> None:
        error = refused(tmp_path / "x.csv", "input,response,other\na,b,c\nd,e,f\n")
        assert "no column 'query' and no column 'positive' and no column 'negative'" in error.message
        assert "input, response, other" in error.message
        assert "query=input" in error.hint
        assert "positive=response" in error.hint
        error = refused(tmp_path / "x.csv", "a,b\n1,2\n", columns={"query": "zz"})
        assert "'zz'" in error.message

    def test_mapping_and_several_negatives(self, tmp_path: Path) -> None:
        text = "q,p,negative_1,negative_2,other\na,b,c,d,1\ne,f,,g,2\n"
        found = load(tmp_path / "x.csv", text, columns={"query": "q", "positive": "p"})
        assert found.triplets == (Triplet("a", "b", ("c", "d")), Triplet("e", "f", ("g",)))
        mapping = {"query": "q", "positive": "p", "negative": "negative_2"}
        assert load(tmp_path / "x.csv", text, columns=mapping).triplets[0].negatives == ("d",)
        error = refused(tmp_path / "x.csv", text + "h,i,,,3", columns={"query": "q", "positive": "p"})
        assert "line 4: negative is missing" in error.message

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("query,positive,negative\na,b,c,d\n", "line 2: 4 fields, but the header has 3"),
            ("query,positive,negative\na,b\n", "line 2: negative is missing"),
            ('query,positive,negative\na,"b,c\nd,e,f\n', "line 2: not valid CSV"),
            ("query,query,negative\na,b,c\n", "two columns called 'query'"),
            ("\n\n", "its columns are: none"),
            ("query,positive,negative\n", "at least 2"),
            (b"query,positive,negative\na,b,c\n\xff\x00,b,c\n", "line 3: not UTF-8"),
        ],
    )
    def test_bad(self, tmp_path: Path, text: str | bytes, words: str) -> None:
        assert words in refused(tmp_path / "x.csv", text).message
