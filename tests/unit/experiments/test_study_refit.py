"""Refit and SparseGPT in a study: their cells, seeds, and the answer to who is better, from cells that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gaprune_viz.analysis.cost_estimate import Outline
from gaprune_viz.calibration.progress import drain
from gaprune_viz.cli.studies import study_spec
from gaprune_viz.config import RefitSpec, RunSpec, StudySpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.splits import validation_and_test
from gaprune_viz.experiments.study import cost_estimate
from gaprune_viz.experiments.study.comparisons import contests, gains, verdicts
from gaprune_viz.experiments.study.cost_estimate import foresee_study
from gaprune_viz.experiments.study.document import check_study, open_study
from gaprune_viz.experiments.study.html_report import write_report
from gaprune_viz.experiments.study.markdown import studies_markdown
from gaprune_viz.experiments.study.plan import cells
from gaprune_viz.experiments.study.runner import run_study
from tests.beir_folders import write_beir

ROWS = "magnitude,sparsegpt,balanced"


def test_rows_with_refit_stand_beside_their_masks_with_every_seed() -> None:
    spec = study_spec({"rows": ROWS, "sparsities": "0.5", "refit": True, "refit_samples": 64, "seeds": "1,2"})
    assert spec.seeds == (1, 2)
    found = cells(spec)
    seeded = [cell for cell in found if cell.part == "seeds"]
    names = [f"{row}{more}" for more in ("", " + refit") for row in ROWS.split(",")]
    assert [(c.row, c.seed) for c in seeded] == [(name, seed) for seed in (1, 2) for name in names]
    assert all(cell.retrain is None for cell in seeded)
    sparsegpt = next(c for c in found if c.row == "sparsegpt").settings
    assert sparsegpt is not None and sparsegpt.refit == RefitSpec(samples=64)
    with pytest.raises(GapruneError, match="0 is the seed of the study itself"):
        cells(spec.with_(seeds=(0,)))
    assert StudySpec.parse({"seeds": ()}).key() == StudySpec().key()


@pytest.mark.slow
def test_what_a_study_takes_counts_every_refit(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[int, RefitSpec]]()

    def foresee(run: RunSpec, spec: RefitSpec, outline: Outline) -> SimpleNamespace:
        asked.append((run.calibration.samples, spec))
        assert {len(samples) for samples in outline.sides.values()} == {run.calibration.samples}
        return SimpleNamespace(seconds=1e6)

    monkeypatch.setattr(cost_estimate, "foresee", foresee)
    given = {
        **{"model": str(tiny_bert), "device": "cpu", "samples": 8, "sampling": "random", "scope": "linear"},
        **{"domain": str(tiny_triplets[0]), "general": str(tiny_triplets[1]), "task": str(write_beir(tmp_path, 0))},
        **{"rows": "magnitude,balanced", "sparsities": "0.5,0.7", "seeds": "1", "ablation": False},
        **{"sample_sizes": "4", "retrain_steps": 2, "retrain_batch_size": 4},
    }
    plain, spec = study_spec(given), study_spec({**given, "refit": True})
    refitted = [cell for cell in cells(spec) if cell.settings is not None and cell.settings.refit.refit]
    assert foresee_study(plain).seconds < 1e6 and asked == []
    # Four of the study's own seed, four of the other, and four that are retrained.
    assert len(refitted) == 12
    assert 12e6 <= foresee_study(spec).seconds < 13e6
    assert asked == [(8, spec.refit)]


@pytest.mark.slow
def test_a_study_says_who_is_better_and_says_it_again_from_its_cells(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path
) -> None:
    domain, general = (write_beir(tmp_path / name, shift) for name, shift in (("near", 0), ("far", 3)))
    spec = study_spec(
        {
            **{"model": str(tiny_bert), "device": "cpu", "samples": 8, "sampling": "random", "scope": "linear"},
            **{"domain": str(tiny_triplets[0]), "general": str(tiny_triplets[1])},
            **{"task": str(domain), "general_task": str(general), "rows": ROWS, "sparsities": "0.7"},
            **{"retrained": False, "ablation": False, "sample_sizes": "none", "refit": True, "seeds": "1"},
        }
    )
    folder = tmp_path / "study"
    document = drain(run_study(spec, folder))
    assert document["cells"] == {"measured": 13, "planned": 13}
    assert {(c["one"], c["other"]) for c in contests(document)} == {
        ("balanced + refit", "sparsegpt"),
        ("balanced + refit", "magnitude + refit"),
    }
    assert [c["other"] for c in gains(document)] == ROWS.split(",")
    assert all(c["seeds"] == 2 and len(c["sides"]["domain"]["apart"]) == 2 for c in document["comparisons"])
    stored = [json.loads(place.read_text()) for place in (folder / "cells").glob("*.json")]
    means = {
        row: np.mean([c["scores"]["domain"]["ndcg_at_10"] for c in stored if c["row"] == row])
        for row in ("dense", "balanced + refit", "sparsegpt")
    }
    contest = contests(document)[0]
    points = 100 * (means["balanced + refit"] - means["sparsegpt"]) / means["dense"]
    assert contest["sides"]["domain"]["points"] == pytest.approx(points, abs=1e-3)
    assert contest["sides"]["domain"]["low"] <= points + 1e-3
    again = drain(run_study(spec, folder, partial=True))
    assert again == document == open_study(folder)
    text = studies_markdown([document])
    assert "| `balanced + refit` − `sparsegpt` |" in text and "(2 seeds)" in text
    assert all(sentence in text for sentence in verdicts(document)) and len(verdicts(document)) == 2
    write_report(document, folder)
    assert "beside <code>sparsegpt</code>" in (folder / "report.html").read_text(encoding="utf-8")
    assert len(validation_and_test(spec.task)[1].queries) == document["tasks"]["domain"]["queries"]


def contest(one: str, other: str, domain: tuple[float, float], general: tuple[float, float]) -> dict[str, Any]:
    sides = {
        side: {"points": sum(ends) / 2, "low": ends[0], "high": ends[1], "p": 0.5, "apart": []}
        for side, ends in (("domain", domain), ("general", general))
    }
    return {"one": one, "other": other, "sparsity": 0.7, "steps": 0, "seeds": 3, "sides": sides}


def test_a_rival_has_one_sentence() -> None:
    found = [
        contest("paper + refit", "sparsegpt", (-3, 1), (-1, 1)),
        contest("balanced + refit", "sparsegpt", (1, 3), (2, 4)),
        contest("robust + refit", "sparsegpt", (2, 4), (3, 5)),
        contest("balanced + refit", "magnitude + refit", (-4, -2), (-1, 3)),
        contest("balanced + refit", "balanced", (1, 2), (1, 2)),
    ]
    assert verdicts({"comparisons": found}) == [
        "At 70 %, one-shot, 3 calibration seeds, beside `sparsegpt`: "
        "not told apart on either side: `paper + refit` (-1.0 [-3.0, +1.0] / +0.0 [-1.0, +1.0]); "
        "better on both sides: `balanced + refit` (+2.0 [+1.0, +3.0] / +3.0 [+2.0, +4.0]), "
        "`robust + refit` (+3.0 [+2.0, +4.0] / +4.0 [+3.0, +5.0]).",
        "At 70 %, one-shot, 3 calibration seeds, beside `magnitude + refit`: worse on the domain, not told apart on "
        "general data: `balanced + refit` (-3.0 [-4.0, -2.0] / +1.0 [-1.0, +3.0]).",
    ]


def test_a_study_of_before_has_no_comparisons_and_opens() -> None:
    place = Path(__file__).parents[3] / "docs" / "study" / "finance"
    before = json.loads((place / "study.json").read_text())
    opened = open_study(place)
    assert before.get("comparisons") is None and opened["comparisons"] == [] and verdicts(opened) == []
    assert "**Refit**" not in studies_markdown([opened])
    broken = {**before, "comparisons": [{"one": "a"}]}
    with pytest.raises(GapruneError, match="damaged at comparisons"):
        check_study(broken)
