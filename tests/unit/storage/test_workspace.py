"""Results appear whole or not at all, and never in place of something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.storage.workspace import (
    WORKSPACE_VARIABLE,
    clean,
    folder_bytes,
    keep_upload,
    upload_path,
    whole_folder,
    workspace,
)
from tests.unit.storage.results import MARKER, names, write


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "down" / "result"
    with whole_folder(place, marker=MARKER) as folder:
        assert folder.parent == place.parent
        (folder / MARKER).write_text("{}")
        (folder / "sub").mkdir()
        assert not place.exists()
    assert names(place) == [MARKER, "sub"]
    assert names(place.parent) == ["result"]
    assert place.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [KeyError("bug"), Cancelled(), KeyboardInterrupt(), GeneratorExit()])
def test_an_exception_in_the_middle_leaves_nothing(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)), whole_folder(tmp_path / "result", marker=MARKER) as folder:
        (folder / MARKER).write_text("{}")
        raise error
    assert names(tmp_path) == []


def test_an_exception_in_the_middle_keeps_the_earlier_result(tmp_path: Path) -> None:
    place = tmp_path / "result"
    write(place, "old")
    with pytest.raises(KeyError), whole_folder(place, marker=MARKER) as folder:
        (folder / MARKER).write_text("new")
        raise KeyError
    assert (place / MARKER).read_text() == "old"
    assert names(tmp_path) == ["result"]


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path: Path) -> None:
    place = tmp_path / "result"
    write(place, "old")
    (place / "left over").write_text("x")
    write(place, "new")
    assert names(place) == [MARKER]
    assert (place / MARKER).read_text() == "new"
    assert names(tmp_path) == ["result"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    place = tmp_path / "result"
    place.mkdir()
    write(place)
    assert names(place) == [MARKER]


def test_anything_else_is_left_alone(tmp_path: Path) -> None:
    folder, file = tmp_path / "thesis", tmp_path / "notes.txt"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    file.write_text("x")
    for place in (folder, file):
        with pytest.raises(GapruneError, match="is not an earlier result") as raised:
            write(place)
        assert raised.value.hint
    assert names(tmp_path) == ["notes.txt", "thesis"]
    assert (folder / "chapter.txt").read_text() == "years of work"
    assert file.read_text() == "x"


def test_a_place_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(GapruneError, match="cannot be written"):
        write(tmp_path / "file" / "result")


def test_a_full_disk_is_told_plainly(tmp_path: Path) -> None:
    with (
        pytest.raises(GapruneError, match=r"Writing .*result failed: No space left on device"),
        whole_folder(tmp_path / "result", marker=MARKER),
    ):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == []


def test_two_that_write_the_same_place_both_end_well(tmp_path: Path) -> None:
    place = tmp_path / "result"
    with whole_folder(place, marker=MARKER) as first:
        (first / MARKER).write_text("first")
        write(place, "second")
    assert (place / MARKER).read_text() == "first"
    assert names(tmp_path) == ["result"]


def test_the_workspace_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "a" / "b"))
    assert workspace() == tmp_path / "a" / "b"
    assert workspace().is_dir()
    monkeypatch.delenv(WORKSPACE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert workspace() == tmp_path / "cache" / "gaprune-viz"
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(GapruneError, match="cannot be made") as raised:
        workspace()
    assert WORKSPACE_VARIABLE in raised.value.hint


def test_the_longest_unused_analyses_go_first(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "middle", "old")):
        folder = tmp_path / f"analysis-{name}"
        folder.mkdir()
        (folder / "file").write_bytes(b"x" * 100)
        os.utime(folder, (10**9 - age, 10**9 - age))
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "file").write_bytes(b"x" * 1_000)
    assert folder_bytes(tmp_path / "analysis-new") == 100
    assert clean(tmp_path, largest=300) == []
    assert clean(tmp_path, largest=250) == ["analysis-old"]
    assert names(tmp_path) == ["analysis-middle", "analysis-new", "else"]
    assert sorted(clean(tmp_path, largest=0)) == ["analysis-middle", "analysis-new"]
    assert names(tmp_path) == ["else"]


@pytest.mark.parametrize("name", ["-train.jsonl", "..-train.jsonl", "é b.jsonl", "a" * 60 + "-" * 75 + ".csv", ".-"])
def test_an_upload_is_found_again_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x")
    kept = keep_upload(tmp_path / name, tmp_path)
    assert upload_path(kept, tmp_path).read_text() == "x"
    assert upload_path(kept, tmp_path).suffix == Path(name).suffix


def test_what_goes_while_it_is_counted_counts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").write_bytes(b"x" * 7)
    (tmp_path / "analysis-a").mkdir()
    found = [tmp_path / "there", tmp_path / "gone"]
    monkeypatch.setattr(Path, "rglob", lambda *_: iter(found))
    assert folder_bytes(tmp_path) == 7
    monkeypatch.setattr(Path, "is_dir", lambda _: True)
    monkeypatch.setattr(Path, "glob", lambda *_: iter([tmp_path / "analysis-gone"]))
    assert clean(tmp_path, largest=1_000) == []
