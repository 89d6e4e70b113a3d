"""An analysis with compact statistics: its masks, what it says of them, and what happens when it was altered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gaprune_viz.analysis.compacting import compacted, difference
from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.analysis.opening import open_analysis, verify_analysis
from gaprune_viz.calibration.compact.file import COMPACT_FILE, STEPS
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import TENSOR_FILE, Statistics
from gaprune_viz.config import MaskSpec, ScoreSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.pruning.export import prune
from gaprune_viz.storage.paths import assets


@pytest.fixture(scope="module")
def folder(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compacted") / "analysis"
    drain(compacted(tiny_analysis, out, load_dense(Statistics.open(tiny_analysis))))
    return out


def test_masks_are_as_near_as_it_says(tiny_analysis: Path, folder: Path) -> None:
    exact, near = Statistics.open(tiny_analysis), Statistics.open(folder)
    assert exact.off is None and exact.exact
    assert not near.exact and near.has_tensors and near.has_neurons
    assert near.off is not None and 0 < near.off < 0.03
    assert not (folder / TENSOR_FILE).exists()
    model = load_dense(exact)
    one, other = (exact_scope(statistics, model)[0] for statistics in (exact, near))
    for name in ("obd_joint", "dai", "taylor_domain"):
        settings = Settings(score=ScoreSpec(criterion=name), mask=MaskSpec(sparsity=0.7))
        assert difference(one.masks(settings).masks, other.masks(settings).masks) <= near.off
    magnitude = Settings(score=ScoreSpec(criterion="magnitude"))
    assert difference(one.masks(magnitude).masks, other.masks(magnitude).masks) == 0


def test_an_export_says_it(folder: Path, tiny_analysis: Path, tmp_path: Path) -> None:
    document = prune(folder, Settings(), tmp_path / "near")
    assert document["compact"]["largest_difference"] == Statistics.open(folder).off
    assert "from compact statistics: at most" in (tmp_path / "near" / "README.md").read_text(encoding="utf-8")
    assert "compact" not in prune(tiny_analysis, Settings(), tmp_path / "exact")


def test_what_was_altered_is_refused_when_it_is_read(folder: Path) -> None:
    path = folder / COMPACT_FILE
    before = path.read_bytes()
    middle = len(before) // 2
    try:
        path.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
        statistics = Statistics.open(folder) if len(before) > 16 * 2**20 else None
        with pytest.raises(GapruneError, match="altered or is damaged"):
            (statistics or Statistics.open(folder)).check_compact()
        path.unlink()
        with pytest.raises(GapruneError, match="altered or is damaged"):
            Statistics.open(folder)
    finally:
        path.write_bytes(before)
    assert verify_analysis(folder)["files"] == 4


def test_a_description_with_a_wrong_number_is_refused(folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    document["compact"]["largest_difference"] = "little"
    del document["checksums"]
    (tmp_path / "spec.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(GapruneError, match="largest_difference"):
        Statistics.open(tmp_path)


def test_the_bundled_statistics_are_those_of_its_sketch() -> None:
    """The sketch holds what was measured of a sample of the weights."""
    bundled = open_analysis(assets() / "demo")
    assert bundled.statistics.off is not None and bundled.statistics.off <= 0.005
    sample = bundled.live.sketch.scattered
    for index, info in enumerate(bundled.statistics.matrices):
        here = sample.matrix == index
        places = sample.flat[here].numpy()
        for side in ("domain", "general"):
            measured = {field: getattr(sample, f"{field}_{side}")[here].numpy() for field in ("fisher", "grad")}
            decoded = {
                field: bundled.statistics.tensor(info.name, f"{field}_{side}").numpy().ravel()[places]
                for field in measured
            }
            known = measured["fisher"] > 0
            off = np.abs(np.log(decoded["fisher"][known]) - np.log(measured["fisher"][known]))
            assert off.max() <= STEPS[f"fisher_{side}"] / 2 * 1.01
            assert (np.sign(decoded["grad"]) == np.sign(measured["grad"])).all()


def test_the_assets_stay_small() -> None:
    assert sum(path.stat().st_size for path in assets().rglob("*") if path.is_file()) < 25 * 2**20
