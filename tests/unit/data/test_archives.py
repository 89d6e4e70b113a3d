"""Archives of collections that mean harm: paths and links that lead outside, and more than may be unpacked."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from gaprune_viz.data.collections import archives
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.task_sources import load_task
from tests.unit.data.sea import zipped


def climbing(name: str) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("sea/corpus.jsonl", b"{}")
        archive.writestr(name, b"x")
    return box.getvalue()


@pytest.mark.parametrize("name", ["../x", "sea/../../x", "/etc/x", "C:/x", "sea\\..\\x", "sea/qrels/../../../x"])
def test_an_archive_with_a_path_that_leads_outside(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(climbing(name))
    with pytest.raises(GapruneError, match="leads outside"):
        load_task(str(tmp_path / "a.zip"))
    assert [f.name for f in tmp_path.iterdir()] == ["a.zip"]


def test_an_archive_with_a_link(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("sea/corpus.jsonl")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(GapruneError, match="a link"):
        load_task(str(tmp_path / "a.zip"))


def test_an_archive_that_gets_too_large_is_stopped_as_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped(tmp_path / "sea.zip")
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 500)
    with pytest.raises(GapruneError, match="when unpacked"):
        load_task(str(tmp_path / "sea.zip"))
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MAX_UNCOMPRESSED_BYTES", 2_000)
    with pytest.raises(GapruneError, match="when unpacked"):
        load_task(str(tmp_path / "sea.zip"))


def test_an_archive_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(tmp_path / "sea.zip")
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(GapruneError, match="more than 2 files"):
        load_task(str(tmp_path / "sea.zip"))
    monkeypatch.setattr(archives, "_DIRECTORY_BYTES", 100)
    with pytest.raises(GapruneError, match="lists more files"):
        load_task(str(tmp_path / "sea.zip"))
