"""Plain texts are told from triplets, read from every kind of file, and refused where labels are needed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gaprune_viz.config import CalibrationSpec, Fisher, Sampling
from gaprune_viz.data.plain_texts import TextSet
from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.sampling import choose
from gaprune_viz.data.schema import PlainText
from gaprune_viz.data.triplets import calibration_samples, calibration_triplets, load_samples, load_triplets
from gaprune_viz.errors import GapruneError

TEXTS = ["water is a liquid", "a bond pays a coupon", "the moon goes round"]


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def texts_of(source: str, columns: dict[str, str] | None = None) -> list[str]:
    found = load_samples(source, columns=columns)
    assert isinstance(found, TextSet)
    assert found.samples == found.texts
    return [text.text for text in found.texts]


def test_a_text_file_holds_one_text_a_line(tmp_path: Path) -> None:
    source = written(tmp_path, "a.txt", "\ufeffwater is a liquid\n\n  \na bond pays a coupon \nwater is a liquid\n")
    found = load_samples(source)
    assert isinstance(found, TextSet)
    assert [t.text for t in found.texts] == TEXTS[:2]
    report = found.report
    assert (report.rows, report.kept, report.duplicates) == (5, 2, 1)
    assert report.dropped == ("line 5: the same text as line 1", "2 empty texts were passed over")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("mapped", [True, False])
def test_a_column_of_any_table(name: str, mapped: bool, tmp_path: Path) -> None:
    column = "abstract" if mapped else "text"
    rows = [{column: text, "year": "2020"} for text in TEXTS]
    path = tmp_path / name
    if name.endswith("parquet"):
        import pandas as pd

        pd.DataFrame(rows).to_parquet(path)
    elif "json" in name:
        lines = [json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) if name.endswith("l") else f"[{','.join(lines)}]")
    else:
        comma = "," if name.endswith("csv") else "\t"
        path.write_text("\n".join([f"{column}{comma}year", *(f"{r[column]}{comma}2020" for r in rows)]))
    assert texts_of(str(path), {"text": column} if mapped else None) == TEXTS


def test_a_beir_corpus_has_its_title_before_its_text(tmp_path: Path) -> None:
    rows = [{"_id": "1", "title": "Water", "text": "a liquid"}, {"_id": "2", "title": "", "text": "the moon"}]
    source = written(tmp_path, "corpus.jsonl", "\n".join(map(json.dumps, rows)))
    assert texts_of(source) == ["Water a liquid", "the moon"]
    assert texts_of(source, {"text": "text"}) == ["a liquid", "the moon"]
    assert texts_of(source, {"text": "text,title"}) == ["a liquid Water", "the moon"]


def test_triplets_with_a_column_text_are_triplets(tmp_path: Path) -> None:
    row = {"query": "q", "positive": "p", "negative": "n", "text": "t"}
    rows = [json.dumps({k: f"{v}{i}" for k, v in row.items()}) for i in range(3)]
    source = written(tmp_path, "a.jsonl", "\n".join(rows))
    assert len(load_triplets(source).triplets) == 3
    assert texts_of(source, {"text": "text"}) == ["t0", "t1", "t2"]


def test_the_hash_is_of_the_texts_whatever_the_file(tmp_path: Path) -> None:
    text = written(tmp_path, "a.txt", "\n".join(TEXTS))
    rows = written(tmp_path, "b.jsonl", "\n".join(json.dumps({"abstract": t}) for t in TEXTS))
    other = written(tmp_path, "c.txt", "\n".join(reversed(TEXTS)))
    hashes = [load_samples(s, columns=c).content_hash for s, c in ((text, None), (rows, {"text": "abstract"}))]
    assert hashes[0] == hashes[1] != load_samples(other).content_hash


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", r"gives 0 usable texts out of 3 rows \(3 of them empty in text\)"),
        (b"one\none\n", "gives 1 usable text out of 2 rows"),
        (b"one\n\xff\xfe\xfd\xfc\ntwo", r"line 2: not UTF-8"),
        (b"one\n" + b"a" * 20_001 + b"\ntwo", r"line 2: text has 20,001 characters"),
        (b"one\n" + b"a" * (2**20 + 1) + b"\ntwo", "line 2: longer than 1 MiB"),
    ],
)
def test_bad_text_files(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(GapruneError, match=said) as raised:
        load_samples(written(tmp_path, "a.txt", content))
    assert raised.value.hint
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": "abstract"}, "has no column 'abstract'; its columns are: body, note"),
        ({"text": "note"}, r"gives 0 usable texts out of 3 rows \(3 of them empty in note\)"),
        ({"text": "body", "query": "note"}, "text was mapped beside them"),
        ({"texts": "body"}, "no field 'texts'"),
    ],
)
def test_bad_columns(columns: dict[str, str], said: str, tmp_path: Path) -> None:
    source = written(tmp_path, "a.csv", "body,note\n" + "\n".join(f"{text}," for text in TEXTS))
    with pytest.raises(GapruneError, match=said):
        load_samples(source, columns=columns)


def test_a_text_that_is_no_text(tmp_path: Path) -> None:
    source = written(tmp_path, "a.jsonl", '{"text": "one"}\n{"text": 3}\n')
    with pytest.raises(GapruneError, match="line 2: text is a number"):
        load_samples(source)


@pytest.mark.parametrize("kind", list(Fisher))
def test_only_the_embedding_kind_takes_them(kind: Fisher, tmp_path: Path) -> None:
    spec = CalibrationSpec(domain=written(tmp_path, "a.txt", "\n".join(TEXTS)), fisher=kind)
    if kind is Fisher.EMBEDDING:
        assert len(calibration_samples(spec, "domain").samples) == 3
    else:
        with pytest.raises(GapruneError, match="plain texts have no positives") as raised:
            calibration_samples(spec, "domain")
        assert "--fisher embedding" in raised.value.hint
        assert "give triplets" in raised.value.hint
    with pytest.raises(GapruneError, match="plain texts have no positives"):
        calibration_triplets(spec, "domain")


def test_representative_texts_are_chosen_by_their_own_embeddings() -> None:
    texts = [PlainText(f"{kind} {i}") for kind in "ab" for i in range(10)]
    asked: list[str] = []

    def embed(batch: object, kind: str) -> np.ndarray:
        asked.append(kind)
        rows = [[1.0, 0.0] if text.startswith("a") else [0.0, 1.0] for text in batch]  # type: ignore[attr-defined]
        return np.array(rows, dtype=np.float32) + np.linspace(0, 0.01, len(rows), dtype=np.float32)[:, None]

    found = choose(texts, 2, Sampling.KMEANS, 0, embed)
    assert [texts[i].text[0] for i in found] == ["a", "b"]
    assert asked == ["passage"]


def test_an_upload_of_plain_texts_is_seen_as_such(tmp_path: Path) -> None:
    text = inspect_upload(written(tmp_path, "a.txt", "\n".join(["", *TEXTS])))
    assert (text.plain, text.kept, text.needs_mapping, text.problem) == (True, 3, False, "")
    assert (text.kind, text.mapping) == ("Plain text", {"text": "text"})
    table = inspect_upload(written(tmp_path, "a.csv", "body,year\n" + "\n".join(f"{t},1" for t in TEXTS)))
    assert (table.plain, table.needs_mapping) == (False, True)
    mapped = inspect_upload(tmp_path / "a.csv", {"text": "body"})
    assert (mapped.plain, mapped.kept, mapped.problem) == (True, 3, "")
