"""The page's paths through code that is not the same on every system, with the other systems' branches taken."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from gaprune_viz.app.session import downloads
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
