"""A study on the tiny model: from end to end, killed in the middle and resumed, reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gaprune_viz
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import Allocation, StudySpec
from gaprune_viz.config.presets import preset
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.study.document import STUDY_FILE, open_study
from gaprune_viz.experiments.study.findings import findings
from gaprune_viz.experiments.study.html_report import write_report
from gaprune_viz.experiments.study.markdown import studies_markdown
from gaprune_viz.experiments.study.plan import cells, row_settings
from gaprune_viz.experiments.study.runner import run_study
from gaprune_viz.experiments.study.tables import frame
from tests.beir_folders import write_beir
from tests.commands import Run

pytestmark = pytest.mark.slow

Arguments = list[str]


@pytest.fixture(scope="module")
def arguments(tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Arguments:
    """Flags of a study with every part: 23 + 24 cells of the main table and its parts, two of them dense."""
    place = tmp_path_factory.mktemp("study-tasks")
    domain, general = (write_beir(place / name, shift) for name, shift in (("near", 0), ("far", 3)))
    return [
        *("--model", str(tiny_bert), "--device", "cpu", "--samples", "12", "--sampling", "all", "--scope", "linear"),
        *("--domain", str(tiny_triplets[0]), "--general", str(tiny_triplets[1])),
        *("--task", str(domain), "--general-task", str(general), "--rows", "random,magnitude,balanced"),
        *("--sparsities", "0.3,0.7", "--sample-sizes", "6", "--retrain-steps", "3", "--retrain-batch-size", "4"),
    ]


@pytest.fixture(scope="module")
def spec(arguments: Arguments) -> StudySpec:
    from gaprune_viz.cli.studies import study_spec

    flags = {arguments[i].removeprefix("--").replace("-", "_"): arguments[i + 1] for i in range(0, len(arguments), 2)}
    return study_spec(flags)


@pytest.fixture(scope="module")
def whole(spec: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study with its report."""
    folder = tmp_path_factory.mktemp("studies") / "whole"
    write_report(drain(run_study(spec, folder)), folder)
    return folder


def test_a_study_that_was_killed_goes_on_to_the_same_numbers(arguments: Arguments, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "gaprune_viz", "study", "--out", str(folder), *arguments]
    env = {**os.environ, "PYTHONPATH": str(Path(gaprune_viz.__file__).parents[1])}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while len(list((folder / "cells").glob("*.json"))) < 9:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / STUDY_FILE).exists()
    kept = {place.name: place.stat().st_mtime_ns for place in (folder / "cells").glob("*.json")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (folder / STUDY_FILE).read_bytes() == (whole / STUDY_FILE).read_bytes()
    assert (folder / "study.csv").read_bytes() == (whole / "study.csv").read_bytes()
    assert all((folder / "cells" / name).stat().st_mtime_ns == then for name, then in kept.items())
    assert not list(folder.glob("checkpoints/*"))


def test_every_planned_cell_is_measured(spec: StudySpec, whole: Path) -> None:
    document = open_study(whole)
    planned = cells(spec)
    assert document["cells"] == {"measured": len(planned), "planned": len(planned)}
    assert [(r["part"], r["row"], r["sparsity"], r["steps"]) for r in document["rows"]] == [
        (c.part, c.row, c.sparsity, c.retrain.steps if c.retrain else 0) for c in planned
    ]
    for row in document["rows"]:
        if row["row"] == "dense":
            assert row["zeros"] == 0
            assert row["steps"] or row["sides"]["domain"]["of_dense"] == pytest.approx(100)
        else:
            assert row["zeros"] / row["scope_weights"] == pytest.approx(row["sparsity"], abs=1e-3)
        assert (row["curve"] is not None) == (row["steps"] > 0)
        if row["steps"]:
            assert [step for step, _ in row["curve"]["losses"]] == [1, 2, 3]


def test_percent_of_dense_and_its_interval_come_from_the_cells(whole: Path) -> None:
    stored = [json.loads(place.read_text()) for place in (whole / "cells").glob("*.json")]
    dense = next(c for c in stored if c["row"] == "dense" and "curve" not in c)
    cell = next(c for c in stored if c["row"] == "magnitude" and c["sparsity"] == 0.7 and "curve" not in c)
    values = {name: np.array(c["scores"]["domain"]["ndcg_at_10"]) for name, c in (("dense", dense), ("cell", cell))}
    row = next(
        r
        for r in open_study(whole)["rows"]
        if (r["row"], r["sparsity"], r["steps"], r["part"]) == ("magnitude", 0.7, 0, "main")
    )
    side = row["sides"]["domain"]
    assert side["of_dense"] == pytest.approx(100 * values["cell"].mean() / values["dense"].mean(), abs=1e-3)
    assert side["low"] <= side["of_dense"] <= side["high"]
    assert side["over_baseline"] is None, "magnitude is not compared with itself"


def test_the_test_part_is_what_is_measured(spec: StudySpec, whole: Path) -> None:
    from gaprune_viz.evaluation.splits import validation_and_test

    validation, test = validation_and_test(spec.task)
    assert open_study(whole)["tasks"]["domain"]["queries"] == len(test.queries)
    assert not validation.queries.keys() & test.queries.keys()


def test_the_report_stands_alone(whole: Path) -> None:
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert page.count('class="plotly-graph-div"') == 4 + 2 + 2 + 1
    assert 'src="http' not in page
    assert "What it says" in page
    table = frame(open_study(whole))
    assert len(table) == 2 * len(open_study(whole)["rows"])


def test_the_markdown_has_every_row_and_says_who_wins(whole: Path) -> None:
    document = open_study(whole)
    text = studies_markdown([document])
    for row in ("random", "magnitude", "balanced"):
        assert text.count(f"| `{row}` |") >= 2
    assert "**One-shot**" in text and "**After 3 steps**" in text and "**Ablation**" in text
    best = max(
        (r for r in document["rows"] if (r["part"], r["sparsity"], r["steps"]) == ("main", 0.3, 0)),
        key=lambda r: r["sides"]["domain"]["of_dense"],
    )
    assert f"At 30 %, one-shot, `{best['row']}` keeps most" in findings(document)[0]
    assert all(sentence in text for sentence in findings(document))


def test_a_part_of_a_study_is_reported_as_such(spec: StudySpec, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "begun"
    work = run_study(spec, folder)
    while len(list((folder / "cells").glob("*.json"))) < 4:
        next(work)
    work.close()
    document = drain(run_study(spec, folder, partial=True))
    assert document["cells"]["measured"] == 4 < document["cells"]["planned"]
    assert "**Not finished.**" in studies_markdown([document])
    write_report(document, folder)
    again = {r["row"]: r["sides"] for r in open_study(whole)["rows"] if r["part"] == "main" and r["steps"] == 0}
    assert all(again[r["row"]] == r["sides"] or r["sparsity"] == 0.3 for r in document["rows"])


def test_a_wrong_word_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for words, told in (
        (["--rows", "magnitude,magnitud"], "magnitud"),
        (["--sparsities", "0.5,0.99"], "at most 0.95"),
        (["--sparsities", "0.5,0.5"], "twice"),
        (["--sample-sizes", "1"], "between 2"),
        (["--task", "nowhere"], "nowhere"),
        (["--retrain-steps", "0"], "steps"),
        (["--out", str(tmp_path)], "is not a study"),
    ):
        out = [] if "--out" in words else ["--out", str(tmp_path / "s")]
        assert told in run("study", *out, *words).refusal(), words


def test_rows_are_presets_and_criteria() -> None:
    assert row_settings("balanced", 0.7).score == preset("balanced").settings.score
    assert row_settings("balanced", 0.7).mask.sparsity == 0.7
    assert row_settings("wanda", 0.5).mask.allocation is Allocation.ROW
    assert row_settings("obd_joint", 0.5).mask.allocation is Allocation.GLOBAL
    with pytest.raises(GapruneError, match="no criterion"):
        row_settings("nothing", 0.5)


def test_a_study_that_is_not_there_or_damaged_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GapruneError, match="There is no study"):
        open_study(tmp_path)
    (tmp_path / STUDY_FILE).write_text('{"format": 1, ')
    with pytest.raises(GapruneError, match="damaged"):
        open_study(tmp_path)
