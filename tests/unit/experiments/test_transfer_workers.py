"""A transfer map by several processes is that of one, byte for byte; and what it will take is known before."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gaprune_viz.analysis.cost_estimate import Outline
from gaprune_viz.calibration.progress import drain
from gaprune_viz.cli.transfer import transfer_spec
from gaprune_viz.config import ExecutorSpec, RefitSpec, RunSpec, TransferSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors import coordinator
from gaprune_viz.experiments.registry import EXPERIMENTS
from gaprune_viz.experiments.transfer import cost_estimate
from gaprune_viz.experiments.transfer.bench import Bench
from gaprune_viz.experiments.transfer.by_workers import tasks_of
from gaprune_viz.experiments.transfer.calibrations import Arm
from gaprune_viz.experiments.transfer.cost_estimate import distinct, foresee_transfer
from gaprune_viz.experiments.transfer.document import TRANSFER_FILE, open_transfer
from gaprune_viz.experiments.transfer.plan import Cell, cells
from gaprune_viz.experiments.transfer.runner import run_transfer
from tests.beir_folders import write_beir
from tests.commands import Run
from tests.conftest import DOMAIN_TRIPLETS, GENERAL_TRIPLETS, write_triplets


@pytest.fixture(scope="module")
def given(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Flags of two sources, of which the second is the general data; magnitude reads no texts."""
    place, sources = tmp_path_factory.mktemp("sources"), []
    for shift, (name, rows) in enumerate((("near", DOMAIN_TRIPLETS), ("far", GENERAL_TRIPLETS))):
        sources.append(f"{write_triplets(place / f'{name}.jsonl', rows)}@{write_beir(place / name, shift)}")
    return {
        "model": str(tiny_bert),
        "device": "cpu",
        "samples": "4",
        "sources": ",".join(sources),
        "general": sources[1].partition("@")[0],
        "criteria": "magnitude,balanced",
        "sparsities": "0.5",
    }


@pytest.fixture(scope="module")
def spec(given: dict[str, str]) -> TransferSpec:
    return transfer_spec({**given, "refit": True})


@pytest.fixture(scope="module")
def alone(spec: TransferSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of one process."""
    folder = tmp_path_factory.mktemp("maps") / "alone"
    drain(run_transfer(spec, folder))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """The cells and the map."""
    return {place.name: place.read_bytes() for place in (folder / TRANSFER_FILE, *folder.glob("cells/*"))}


@pytest.mark.slow
def test_two_processes_make_the_map_of_one(given: dict[str, str], run: Run, alone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "map"
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    document = run("transfer", "--out", folder, *words, "--refit", "--jobs", "2", "--json").json()
    assert files(folder) == files(alone) and document == open_transfer(alone)
    analyses = [sorted(place.name for place in each.glob("analysis-*")) for each in (folder, alone)]
    assert analyses[0] == analyses[1] and len(analyses[0]) == 4
    assert not list(folder.glob(".executor-*"))


@pytest.mark.slow
def test_what_workers_gave_up_is_told_and_the_rest_is_kept(
    given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "AGAIN_SECONDS", (0.0, 0.0))
    spec = transfer_spec({**given, "criteria": "balanced", "control": False})
    here, folder = tmp_path / "here", tmp_path / "map"
    drain(run_transfer(spec, here))
    bench = Bench(spec, folder)
    in_the_way = bench.calibrations.folder_of(Arm(0, False), 1)
    in_the_way.write_text("mine")
    with pytest.raises(GapruneError, match="4 cells of 9 could not be measured; Calibrating on far, seed 0: "):
        drain(run_transfer(spec, folder, executor=ExecutorSpec(jobs=2)))
    # Both tasks dense, and the two cells of the source whose analysis could be made.
    assert len(list(folder.glob("cells/*"))) == 4 and not (folder / TRANSFER_FILE).exists()
    in_the_way.unlink()
    drain(run_transfer(spec, folder))
    assert files(folder) == files(here)


@pytest.mark.slow
def test_an_analysis_comes_before_the_cells_that_need_it(spec: TransferSpec, alone: Path, tmp_path: Path) -> None:
    bench = Bench(spec, tmp_path)
    tasks = tasks_of(bench, cells(spec))
    place = {task.name: i for i, task in enumerate(tasks)}
    assert len(place) == len(tasks) == 27
    for task in tasks:
        assert all(place[need] < place[task.name] for need in task.needs)
    assert sorted({len(task.needs) for task in tasks}) == [0, 1, 2]
    # One mask is measured everywhere, with and without a refit, before a worker makes another.
    shared = {task.together for task in tasks if isinstance(task.argument, Cell) and task.argument.kind == "score"}
    groups = [[task.argument for task in tasks if task.together == word] for word in shared - {""}]
    assert sum(map(len, groups)) == sum(isinstance(t.argument, Cell) and t.argument.kind == "score" for t in tasks)
    assert all(len({(c.row, c.calibrated, c.sparsity, c.seed, c.shuffled) for c in group}) == 1 for group in groups)
    # What the weights alone decide needs an analysis as well: its scope.
    first = next(task for task in tasks if task.label.startswith("magnitude"))
    assert first.needs == (bench.calibrations.folder_of(Arm(0, False), 0).name,)
    assert tasks_of(Bench(spec, alone), cells(spec)) == []


@pytest.mark.slow
def test_cells_say_what_they_are_and_those_that_do_not_count_as_well(spec: TransferSpec, alone: Path) -> None:
    row, before = EXPERIMENTS["transfer"].row, files(alone)
    stored = {place: json.loads(place.read_text()) for place in alone.glob("cells/*")}
    rows = [row(cell) for cell in stored.values()]
    told = {(line["Row"], line["Calibrated on"], line["Measured on"]) for line in rows}
    assert len(told) == len(rows) and ("dense", "", "near") in told
    assert ("balanced + refit", "near, seed 0", "far") in told
    assert ("balanced", "near and far, seed 0", "") in told and ("magnitude", "", "far") in told
    for line in rows:
        assert (line["nDCG@10"] == "") == (line["Measured on"] == "") != (line["Masks in common"] == "")
    for place, cell in stored.items():
        place.write_text(json.dumps({name: value for name, value in cell.items() if name != "of"}))
    assert all(row(json.loads(place.read_text())).keys() == rows[0].keys() for place in stored)
    drain(run_transfer(spec, alone))
    assert (alone / TRANSFER_FILE).read_bytes() == before[TRANSFER_FILE]
    for place in stored:
        place.write_bytes(before[place.name])


@pytest.mark.parametrize("cell", [{}, {"places": 7}, {"ndcg_at_10": ["x"]}, {"ndcg_at_10": [], "of": []}])
def test_a_file_of_somebody_else_is_no_row(cell: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, IndexError)):
        EXPERIMENTS["transfer"].row(cell)


@pytest.mark.slow
def test_what_a_map_takes_is_what_it_took(spec: TransferSpec, alone: Path) -> None:
    found = foresee_transfer(spec)
    assert found.cells == len(distinct(spec)) == len(list(alone.glob("cells/*"))) == 23
    analyses = list(alone.glob("analysis-*"))
    assert found.analyses == len(analyses) == 4
    made = [place for folder in (alone / "cells", *analyses) for place in folder.rglob("*") if place.is_file()]
    assert found.disk_bytes == pytest.approx(sum(place.stat().st_size for place in made), rel=0.5)
    assert found.seconds > 0


@pytest.mark.slow
def test_a_map_that_no_texts_decide_has_the_analyses_of_its_first_masks(spec: TransferSpec, tmp_path: Path) -> None:
    blind = spec.with_(criteria=("magnitude",), refit=RefitSpec())
    found = foresee_transfer(blind)
    drain(run_transfer(blind, tmp_path / "map"))
    assert found.cells == len(list((tmp_path / "map" / "cells").iterdir())) == 2 + 2 + 1
    assert found.analyses == len(list((tmp_path / "map").glob("analysis-*"))) == 2


def test_what_a_map_takes_counts_its_refits(spec: TransferSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[RefitSpec]()

    def foresee(run: RunSpec, spec: RefitSpec, outline: Outline) -> SimpleNamespace:
        asked.append(spec)
        assert {len(samples) for samples in outline.sides.values()} == {4}
        return SimpleNamespace(seconds=1e6)

    monkeypatch.setattr(cost_estimate, "foresee", foresee)
    assert foresee_transfer(spec.with_(refit=RefitSpec())).seconds < 1e6 and asked == []
    # Of both criteria, calibrated on both sources; the control is of masks alone.
    assert 4e6 <= foresee_transfer(spec).seconds < 5e6
    assert asked == [spec.refit, spec.refit]


@pytest.mark.slow
def test_the_command_says_what_it_will_take(given: dict[str, str], run: Run, tmp_path: Path) -> None:
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    words += ["--out", str(tmp_path / "map"), "--no-control"]
    told = run("transfer", *words, "--plan")
    assert told.status == 0 and told.out.startswith("10 cells, 2 analyses: about ")
    assert run("transfer", *words, "--plan", "--json").json()["cells"] == 10
    told = run("transfer", *words, "--plan", "--cluster", "dask://somewhere:8786")
    assert "of one processor like this machine's" in told.out and not (tmp_path / "map").exists()
