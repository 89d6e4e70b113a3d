"""A result that a killed process had moved away is put back or found, and never taken for another."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gaprune_viz.analysis.catalogue import kept_runs
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import load_pair
from gaprune_viz.storage.folder_swap import UNFINISHED, WASTE, bring_back
from gaprune_viz.storage.workspace import clean, whole_folder
from tests.unit.storage.results import MARKER, names, write

# As `whole_folder` calls what it moves away.
MOVED = f"{UNFINISHED}result-abcd_123-old0"


def moved(folder: Path, text: str = "old") -> Path:
    """A result as a killed process leaves it between the two steps."""
    folder.mkdir(parents=True)
    (folder / MARKER).write_text(text)
    return folder


def test_whoever_writes_again_puts_the_earlier_result_back_first(tmp_path: Path) -> None:
    moved(tmp_path / MOVED)
    with pytest.raises(KeyError), whole_folder(tmp_path / "result", marker=MARKER):
        assert (tmp_path / "result" / MARKER).read_text() == "old"
        raise KeyError
    assert names(tmp_path) == ["result"]


def test_what_was_moved_away_is_never_taken_for_another_name(tmp_path: Path) -> None:
    longer = moved(tmp_path / f"{UNFINISHED}result-2-abcd_123-old0")
    bring_back(tmp_path, "result")
    assert names(tmp_path) == [longer.name]
    bring_back(tmp_path)
    assert names(tmp_path) == ["result-2"]


def test_what_has_a_successor_is_deleted(tmp_path: Path) -> None:
    write(tmp_path / "result", "new")
    moved(tmp_path / MOVED)
    moved(tmp_path / f"{UNFINISHED}else-abcd_123{WASTE}")
    assert clean(tmp_path) == [f"{UNFINISHED}else-abcd_123{WASTE}"]
    assert names(tmp_path) == ["result"]
    assert (tmp_path / "result" / MARKER).read_text() == "new"


def test_an_old_result_that_was_moved_away_outlives_a_day(tmp_path: Path) -> None:
    old = moved(tmp_path / MOVED)
    os.utime(old, (10**9, 10**9))
    # What is in its place is no folder: it stays where it is.
    (tmp_path / "result").write_text("x")
    clean(tmp_path)
    assert (old / MARKER).read_text() == "old"


def test_an_analysis_that_was_moved_away_is_found(tiny_analysis: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_analysis, tmp_path / f"{UNFINISHED}analysis-1-abcd_123-old0")
    assert Statistics.open(tmp_path / "analysis-1").names
    (tmp_path / "analysis-1").rename(tmp_path / f"{UNFINISHED}analysis-1-abcd_123-old3")
    assert [run.id for run in kept_runs(tmp_path)] == ["analysis-1"]


def test_a_pruned_model_that_was_moved_away_is_found(tmp_path: Path) -> None:
    moved(tmp_path / f"{UNFINISHED}export-abcd_123-old0")
    with pytest.raises(GapruneError, match="is not a pruned model"):
        load_pair(tmp_path / "export")
