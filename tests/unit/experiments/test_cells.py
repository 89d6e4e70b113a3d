"""Cells on disk: written once, whoever made them, and told in words beforehand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.cells import CellStore
from gaprune_viz.experiments.cost_estimate import Foreseen
from gaprune_viz.storage import workspace
from gaprune_viz.storage.workspace import write_first


def test_the_first_to_finish_a_cell_has_it(tmp_path: Path) -> None:
    store = CellStore(tmp_path, 1, digits=2)
    assert store.write_once("a", {"value": 1.234}) == {"format": 1, "value": 1.23}
    assert store.write_once("a", {"value": 9.0}) == {"format": 1, "value": 1.23} == store.read("a")
    assert [place.name for place in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("before", ["{", '{"format": 0, "value": 1}', '{"format": 1}'])
def test_a_cell_that_is_damaged_or_of_another_kind_is_replaced(tmp_path: Path, before: str) -> None:
    (tmp_path / "a.json").write_text(before)
    assert CellStore(tmp_path, 1).write_once("a", {"value": 2}) == {"format": 1, "value": 2}
    assert json.loads((tmp_path / "a.json").read_text())["value"] == 2


def test_a_disk_without_second_names_keeps_a_cell_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert write_first(tmp_path / "a.json", "text")
    assert (tmp_path / "a.json").read_text() == "text" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_gone_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    for write in (write_first, workspace.write_whole):
        with pytest.raises(GapruneError, match="failed"):
            write(tmp_path / "gone" / "a.json", "text")


def test_what_it_takes_is_said_for_the_workers_there_are() -> None:
    found = Foreseen(cells=1_200, analyses=1, seconds=36_000.0, disk_bytes=3 * 2**30)
    assert found.sentence() == (
        "1,200 cells, 1 analysis: about 10.0 hours on this machine as busy as it is now, 3.0 GiB of disk."
    )
    assert "about 75.0 minutes" in found.sentence(8)
    assert "of one processor like this machine's" in found.sentence(0)
