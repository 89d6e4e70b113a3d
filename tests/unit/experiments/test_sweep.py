"""Sweeps: cells as by hand, resumed without computing anything twice, drawn, and on the command line."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import Allocation, MaskSpec, ScoreSpec, Settings
from gaprune_viz.experiments.cells import SWEEP_CELLS
from gaprune_viz.experiments.sweep import COLUMNS, SweepPlan, sweep
from gaprune_viz.figures.experiments.sweep_grid import sweep_map_html
from gaprune_viz.figures.experiments.sweep_plots import places_of, sweep_curves, sweep_map, sweep_table
from gaprune_viz.figures.experiments.sweep_words import sweep_sentences
from tests.commands import Run
from tests.unit.experiments.sweeping import cells, criteria_plan, traces


@pytest.fixture(scope="module")
def swept(tiny_analysis: Path, tasks: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """A finished criteria sweep."""
    folder = Path(shutil.copytree(tiny_analysis, tmp_path_factory.mktemp("swept") / "analysis"))
    return drain(sweep(folder, criteria_plan(tasks)))


@pytest.fixture(scope="module")
def alpha_swept(tiny_analysis: Path, tasks: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """A finished alpha sweep."""
    folder = Path(shutil.copytree(tiny_analysis, tmp_path_factory.mktemp("swept") / "analysis"))
    return drain(sweep(folder, SweepPlan("alpha", (0.0, 0.5, 1.0), (0.5, 0.8), tasks)))


def test_a_cell_is_what_pruning_exporting_and_comparing_by_hand_gives(
    analysis: Path, tasks: tuple[str, str], tmp_path: Path, swept: pd.DataFrame
) -> None:
    from gaprune_viz.evaluation.comparison import compare_models, load_pair
    from gaprune_viz.evaluation.task_sources import load_task
    from gaprune_viz.pruning.export import prune

    settings = Settings(score=ScoreSpec(criterion="random"), mask=MaskSpec(sparsity=0.9))
    prune(analysis, settings, tmp_path / "model")
    pair = load_pair(tmp_path / "model")
    for side, source in zip(("domain", "general"), tasks, strict=True):
        found, dense, _ = compare_models(pair, load_task(source))
        chosen = swept[(swept["row"] == "random") & (swept["sparsity"] == 0.9) & (swept["side"] == side)]
        assert len(chosen) == 1
        cell = chosen.iloc[0]
        for metric in ("ndcg_at_10", "mrr_at_10", "recall_at_10"):
            assert cell[metric] == pytest.approx(found.pruned[metric], abs=1e-12)
        assert cell["dense_ndcg_at_10"] == pytest.approx(dense.means["ndcg_at_10"], abs=1e-12)
        assert cell["of_dense"] == pytest.approx(found.pruned["ndcg_at_10"] / found.dense["ndcg_at_10"])
        assert (cell["low"], cell["high"]) == pytest.approx(found.intervals["ndcg_at_10"], abs=1e-12)
        assert cell["p"] == found.p_values["ndcg_at_10"]
        assert found.delta["ndcg_at_10"] != 0


def test_the_frame_is_tidy_and_in_the_order_of_the_plan(swept: pd.DataFrame) -> None:
    assert tuple(swept.columns) == COLUMNS
    assert not swept.isna().any().any()
    places = list(swept[["row", "column", "side"]].itertuples(index=False, name=None))
    assert (swept["column"] == swept["sparsity"]).all()
    assert set(swept["kind"]) == {"criteria"}
    assert places == [
        (row, sparsity, side)
        for row in ("magnitude", "dai", "random")
        for sparsity in (0.5, 0.9)
        for side in ("domain", "general")
    ]
    assert set(swept.loc[swept["side"] == "domain", "task"]) == {"near"}
    assert set(swept.loc[swept["side"] == "general", "task"]) == {"far"}


def test_alpha_reaches_the_masks(alpha_swept: pd.DataFrame, analysis: Path, tasks: tuple[str, str]) -> None:
    plan = SweepPlan("alpha", (0.0, 1.0), (0.5,), tasks, Settings(score=ScoreSpec(beta=0.25)))
    assert plan.settings(1.0, 0.5).score == ScoreSpec(alpha=1.0, beta=0.25)
    assert plan.settings(1.0, 0.5).mask == MaskSpec(sparsity=0.5, allocation=Allocation.GLOBAL)
    assert list(dict.fromkeys(alpha_swept["row"])) == [0.0, 0.5, 1.0]
    drain(sweep(analysis, plan))
    stored = [
        json.loads((analysis / SWEEP_CELLS / name).read_text()) for name in cells(analysis) if "dense" not in name
    ]
    assert sorted(document["settings"]["score"]["alpha"] for document in stored) == [0, 0, 1, 1]


def test_a_stopped_sweep_goes_on_where_it_was(analysis: Path, tasks: tuple[str, str], swept: pd.DataFrame) -> None:
    work = sweep(analysis, criteria_plan(tasks))
    # Before the cells the model is loaded, and measured on both tasks.
    done = [next(work).done for _ in range(6)]
    work.close()
    assert done == [0, *(13 * texts for texts in (1, 2, 4, 6, 8))]
    before = cells(analysis)
    assert len(before) == 3 * 2 + 2
    frame = drain(sweep(analysis, criteria_plan(tasks)))
    after = cells(analysis)
    assert {name: after[name] for name in before} == before
    assert len(after) == 12 + 2
    pd.testing.assert_frame_equal(frame, swept, check_exact=True)
    again = drain(sweep(analysis, criteria_plan(tasks)))
    assert cells(analysis) == after
    pd.testing.assert_frame_equal(again, frame, check_exact=True)


def test_the_model_is_dense_again_after_every_cell(analysis: Path, tasks: tuple[str, str]) -> None:
    from gaprune_viz.analysis.exact_scores import load_dense
    from gaprune_viz.calibration.statistics import Statistics

    model = load_dense(Statistics.open(analysis))
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    steps = 0
    for _ in sweep(analysis, criteria_plan(tasks), model=model):
        steps += 1
        assert all(value.equal(before[name]) for name, value in model.backbone.state_dict().items())
    assert steps == 1 + 2 + 6


@pytest.mark.parametrize("side", ["domain", "general"])
def test_curves_hold_every_cell_its_band_and_the_dense_line(swept: pd.DataFrame, side: str) -> None:
    figure = sweep_curves(swept, side)
    drawn = traces(figure)
    lines = {trace.name: trace for trace in drawn if trace.name}
    assert list(lines) == ["Magnitude", "DAI", "Random", "dense"]
    assert set(lines["dense"].y) == {100}
    assert len([trace for trace in drawn if trace.fill == "toself"]) == 3
    chosen = swept[(swept["side"] == side) & (swept["row"] == "dai")]
    assert list(lines["DAI"].x) == [0.5, 0.9]
    assert list(lines["DAI"].y) == pytest.approx((100 * chosen["of_dense"]).tolist())
    band = next(t for t in drawn if t.fill == "toself" and t.legendgroup == "DAI")
    dense = chosen["dense_ndcg_at_10"].iloc[0]
    assert band.y[0] == pytest.approx(100 + 100 * chosen["high"].iloc[0] / dense)
    assert band.y[-1] == pytest.approx(100 + 100 * chosen["low"].iloc[0] / dense)


def test_the_map_labels_every_cell(alpha_swept: pd.DataFrame) -> None:
    heatmap, labels = traces(sweep_map(alpha_swept, "domain"))
    assert list(heatmap.x) == ["50 %", "80 %"]
    assert list(heatmap.y) == ["α = 0", "α = 0.5", "α = 1"]
    wanted = alpha_swept.loc[alpha_swept["side"] == "domain", "of_dense"].to_numpy().reshape(3, 2)
    assert [list(row) for row in heatmap.z] == [pytest.approx(list(100 * row)) for row in wanted]
    assert list(labels.text) == [f"{100 * value:.1f} %" for value in wanted.reshape(-1)]
    assert list(zip(labels.y, labels.x, strict=True)) == [(y, x) for y in heatmap.y for x in heatmap.x]
    assert heatmap.zmin + heatmap.zmax == pytest.approx(200)


def test_figures_say_so_where_there_is_nothing(swept: pd.DataFrame) -> None:
    for draw in (sweep_curves, sweep_map):
        figure = draw(swept[:0], "domain")
        assert not traces(figure)
        assert "no cells" in figure.to_plotly_json()["layout"]["annotations"][0]["text"]


def test_the_clickable_map_holds_every_cell(swept: pd.DataFrame) -> None:
    html = sweep_map_html(swept, "domain", selected=2)
    assert html.count('data-name="cell-') == 6
    assert html.count('tabindex="0"') == html.count('aria-selected="true"') == 1
    (chosen,) = re.findall(r"<span[^>]*aria-selected=\"true\"[^>]*>", html)
    assert 'data-name="cell-2"' in chosen
    assert 'data-where="DAI, 50 %"' in chosen
    assert places_of(swept)[2] == ("dai", 0.5)
    shares = swept.loc[swept["side"] == "domain", "of_dense"]
    assert re.findall(r"<span>(\d+\.\d)</span></span>", html) == [f"{100 * value:.1f}" for value in shares]
    assert sweep_map_html(swept, "domain", selected=99).count('tabindex="0"') == 1
    assert sweep_map_html(swept[:0], "domain") == ""


def test_the_line_under_the_chart_says_where_retrieval_falls(swept: pd.DataFrame) -> None:
    frame = swept.assign(of_dense=[1.0, 0.97, 0.94, 0.9, 0.96, 0.95, 0.98, 0.2, 0.99, 1.0, 1.0, 0.96])
    assert sweep_sentences(frame) == [
        "Domain (near): falls below 95 % of dense from 90 % on with Magnitude; nowhere up to 90 % with DAI and Random.",
        "General (far): falls below 95 % of dense from 90 % on with Magnitude and DAI; nowhere up to 90 % with Random.",
    ]


def test_the_table_has_every_cell(swept: pd.DataFrame, alpha_swept: pd.DataFrame) -> None:
    table = sweep_table(swept)
    assert len(table) == len(swept)
    assert table["Side"].tolist()[:2] == ["Domain: near", "General: far"]
    assert table["nDCG@10"].tolist() == [f"{value:.3f}" for value in swept["ndcg_at_10"]]
    assert table["Sparsity"].tolist()[:4] == ["50 %", "50 %", "90 %", "90 %"]
    assert sweep_table(alpha_swept)["Alignment weight α"].tolist()[2] == "α = 0"
    assert sweep_table(swept[:0]).empty


def test_the_command_prints_one_object(run: Run, analysis: Path, tasks: tuple[str, str], swept: pd.DataFrame) -> None:
    lists = ["--criteria", "magnitude, dai,random", "--sparsities", "0.5,0.9"]
    status, out, err = run("sweep", analysis, *lists, "--task", tasks[0], "--general", tasks[1], "--json")
    assert status == 0, err
    assert out.count("\n") == 1
    document = json.loads(out)
    assert (document["kind"], document["rows"]) == ("criteria", ["magnitude", "dai", "random"])
    pd.testing.assert_frame_equal(pd.DataFrame(document["cells"]), swept, check_exact=True)


def test_the_command_writes_a_table(run: Run, analysis: Path, tasks: tuple[str, str], tmp_path: Path) -> None:
    own = ["--task", tasks[0], "--general", tasks[1], "--sparsities", 0.5]
    flags = ["--kind", "alpha", "--alphas", "0,1", "--beta", 0.5, *own]
    status, out, err = run("sweep", analysis, *flags, "--csv", tmp_path / "cells.csv")
    assert status == 0, err
    assert out == f"4 rows written to {tmp_path / 'cells.csv'}.\n"
    with (tmp_path / "cells.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["row"] for row in rows] == ["0.0", "0.0", "1.0", "1.0"]
    status, out, _ = run("sweep", analysis, *flags)
    assert status == 0
    assert "α = 1" in out
    assert "Domain (near): falls below 95 % of dense" in out
