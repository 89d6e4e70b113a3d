"""An analysis of which a part is missing, cut short or damaged is refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.errors import GapruneError
from tests.unit.calibration.test_statistics import FILES


@pytest.fixture
def copy(tiny_analysis: Path, tmp_path: Path) -> Path:
    """A copy of the analysis that a test may spoil."""
    return shutil.copytree(tiny_analysis, tmp_path / "analysis")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("left", [None, 0, 0.5, 0.98])
def test_missing_and_truncated_files_are_told_plainly(name: str, left: float | None, copy: Path) -> None:
    path = copy / name
    if left is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
    with pytest.raises(GapruneError) as raised:
        analysis = open_analysis(copy)
        analysis.statistics.tensor(analysis.statistics.names[0], "fisher_domain")
    assert "\n" not in str(raised.value)
    assert raised.value.hint


def test_a_folder_without_an_analysis(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(GapruneError, match="There is no analysis in"):
            Statistics.open(place)


@pytest.mark.parametrize("change", ["run", "matrices", "medians", "everything", "field", "other"])
def test_a_spec_that_lacks_something(change: str, copy: Path) -> None:
    path = copy / "spec.json"
    document = json.loads(path.read_text())
    if change == "everything":
        document = [1, 2, 3]
    elif change == "field":
        del document["matrices"][0]["layer"]
    elif change == "other":
        document["run"]["calibration"]["scope"] = "everything"
    else:
        del document[change]
    path.write_text(json.dumps(document))
    with pytest.raises(GapruneError):
        Statistics.open(copy)
