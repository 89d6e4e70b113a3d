"""The page's paths through code that is not the same on every system, with the other systems' branches taken."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from gaprune_viz.app.session import downloads
from gaprune_viz.errors import GapruneError
from gaprune_viz.jobs import host


def test_downloads_where_users_have_no_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(downloads.tempfile, "tempdir", str(tmp_path))
    monkeypatch.delattr(os, "getuid", raising=False)
    path = Path(downloads.written("table.csv", "a,b\n"))
    assert path.read_text() == "a,b\n"
    assert path.parent.parent == tmp_path / "gaprune-viz-downloads-mine"
    button = downloads.csv_button("table.csv", pd.DataFrame({"a": [1]}))
    assert Path(button["value"]).read_text().startswith("a")
    assert downloads.new_zip().startswith(str(tmp_path / "gaprune-viz-downloads-mine"))


def test_a_system_without_priorities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "nice", raising=False)
    host._give_way(host.LAST)


@pytest.mark.parametrize("kind", ["link", "file", "nowhere"])
def test_downloads_where_somebody_else_has_taken_the_place(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    (victim / "letters").mkdir(parents=True)
    os.utime(victim / "letters", (1, 1))
    shared.mkdir()
    place = shared / f"gaprune-viz-downloads-{os.getuid()}"
    if kind == "file":
        place.write_text("")
    else:
        place.symlink_to(victim if kind == "link" else tmp_path / "nowhere")
    monkeypatch.setattr(downloads.tempfile, "tempdir", str(shared))
    downloads._own_base.cache_clear()
    path = Path(downloads.written("table.csv", "a,b\n"))
    assert path.read_text() == "a,b\n"
    assert place not in path.parents
    assert list(victim.iterdir()) == [victim / "letters"]
    downloads._own_base.cache_clear()


def test_downloads_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(downloads.tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(GapruneError, match=r"table\.csv cannot be written"):
        downloads.written("table.csv", "a,b\n")
