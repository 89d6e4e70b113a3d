"""An upload is shown, mapped and used; one that cannot be read is said to be."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from pathlib import Path

import pytest

from gaprune_viz.app.page import Page
from gaprune_viz.app.tabs.data.events import SideEvents
from gaprune_viz.app.tabs.data.view import FIELDS
from gaprune_viz.config import CalibrationSpec, Fisher, column_mapping
from gaprune_viz.data.triplets import calibration_samples, load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.task_sources import load_task
from tests.app.conftest import Held, plain
from tests.beir_folders import write_beir


def test_an_upload_is_shown_mapped_and_used(page: Page, held: Held, tmp_path: Path, tiny_bert: Path) -> None:
    tab, path = page.tabs["data"].parts["domain"], tmp_path / "own.csv"
    events, sidebar = SideEvents(tab, page.frame, "domain"), page.frame.sidebar
    path.write_text("question,answer,other\n" + "".join(f"what is {i},it is {i},it is not {i}\n" for i in range(4)))
    given = {tab.upload: str(path), sidebar.controls["model"]: str(tiny_bert)}
    shown = events.upload(held(others=given))
    pickers = [shown.pop(column) for column in tab.columns.values()]
    assert set(shown) == {tab.report, tab.rows, tab.use}
    assert [p["choices"] for p in pickers] == [["question", "answer", "other"]] * len(FIELDS)
    given |= dict(zip(tab.columns.values(), ("question", "answer", ["other"], []), strict=True))
    shown = events.map_columns(held(others=given))
    report, rows, button = (shown[place] for place in (tab.report, tab.rows, tab.use))
    assert "4" in plain(report)
    assert "median" in plain(report)
    assert list(rows["value"].columns) == ["question", "answer", "other"]
    assert button["interactive"] is True
    used = events.use(held(others=given))
    assert set(used) == {*sidebar.source("domain"), tab.report}
    source, columns = (used[place] for place in sidebar.source("domain"))
    assert re.fullmatch(r"upload:[\w-]{22}/own\.csv", source["value"])
    assert columns == "query=question,positive=answer,negative=other"
    spec = CalibrationSpec(domain=source["value"], domain_columns=columns)
    path.unlink()
    assert load_triplets(spec.domain, columns=column_mapping(columns)).report.kept == 4


def test_pairs_in_a_packed_file_are_checked_and_used(page: Page, held: Held, tmp_path: Path, tiny_bert: Path) -> None:
    tab, path = page.tabs["data"].parts["domain"], tmp_path / "own.jsonl.gz"
    events, sidebar = SideEvents(tab, page.frame, "domain"), page.frame.sidebar
    rows = [json.dumps({"anchor": f"what is {i}", "positive": f"it is {i}"}) for i in range(4)]
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    given = {tab.upload: str(path), sidebar.controls["model"]: str(tiny_bert), page.frame.collection: "chemistry"}
    shown = events.upload(held(others=given))
    said = " ".join(plain(shown[tab.report]).split())
    assert "Pairs 4 of 4 rows" in said
    assert "the model finds hard negatives" in said
    assert "Latin 100" in said
    assert "Shared with chemistry" in said
    assert "0 queries and 0 passages" in said
    used = events.use(held(others={**given, tab.columns["query"]: "anchor", tab.columns["positive"]: "positive"}))
    source, columns = (used[place] for place in sidebar.source("domain"))
    assert columns == "query=anchor,positive=positive"
    with pytest.raises(GapruneError, match="found with a model"):
        load_triplets(source["value"], columns=column_mapping(columns))


def test_a_zip_of_a_collection_is_shown_and_used(page: Page, held: Held, tmp_path: Path, tiny_bert: Path) -> None:
    tab, path = page.tabs["data"].parts["domain"], tmp_path / "sea.zip"
    events, sidebar = SideEvents(tab, page.frame, "domain"), page.frame.sidebar
    folder = write_beir(tmp_path / "sea", 0)
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, f"sea/{file.relative_to(folder)}")
    given = {tab.upload: str(path), sidebar.controls["model"]: str(tiny_bert)}
    said = " ".join(plain(events.upload(held(others=given))[tab.report]).split())
    assert "Judged queries 5 of 5 rows, BEIR" in said
    source, columns = (events.use(held(others=given))[place] for place in sidebar.source("domain"))
    assert re.fullmatch(r"upload:[\w-]{22}/sea\.zip", source["value"])
    assert columns == ""
    assert load_task(source["value"]).judged == ("q0", "q1", "q2", "q3", "q4")


def test_plain_texts_are_uploaded_and_used(page: Page, held: Held, tmp_path: Path, tiny_bert: Path) -> None:
    tab, path = page.tabs["data"].parts["domain"], tmp_path / "own.txt"
    events, sidebar = SideEvents(tab, page.frame, "domain"), page.frame.sidebar
    path.write_text("water is a liquid\n\nthe moon goes round\na bond pays\n")
    given = {tab.upload: str(path), sidebar.controls["model"]: str(tiny_bert)}
    shown = events.upload(held(others=given))
    said = " ".join(plain(shown[tab.report]).split())
    assert "Plain texts 3 of 4 rows" in said
    assert "1 empty text was passed over" in said
    assert {field: shown[column]["value"] for field, column in tab.columns.items()} == {
        "query": None,
        "positive": None,
        "negative": [],
        "text": ["text"],
    }
    used = events.use(held(others={**given, tab.columns["text"]: ["text"]}))
    source, columns = (used[place] for place in sidebar.source("domain"))
    assert columns == "text=text"
    spec = CalibrationSpec(domain=source["value"], domain_columns=columns, fisher=Fisher.EMBEDDING)
    assert len(calibration_samples(spec, "domain").samples) == 3


def test_an_upload_that_cannot_be_read_is_one_alert(page: Page, held: Held, tmp_path: Path) -> None:
    path, tab = tmp_path / "own.jsonl", page.tabs["data"].parts["domain"]
    path.write_text("{not json}\n")
    events, model = SideEvents(tab, page.frame, "domain"), {page.frame.sidebar.controls["model"]: "default"}
    shown = events.upload(held(others={tab.upload: str(path), **model}))
    assert 'role="alert"' in shown[tab.report]
    assert shown[tab.use]["interactive"] is False
    assert events.upload(held(others={tab.upload: None, **model}))[tab.use]["interactive"] is False
