"""Sweeps that cannot be: each is refused in one line before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.config import Evidence, MaskSpec, ScoreSpec, Settings, Structure, StructureSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.cells import SWEEP_CELLS
from gaprune_viz.experiments.sweep import SweepPlan
from tests.commands import Run

BY_SAMPLES = Settings(structure=StructureSpec(structure=Structure.NEURONS, evidence=Evidence.SAMPLES))


def bad(**changes: Any) -> dict[str, Any]:
    plan = {"kind": "criteria", "rows": ("dai",), "columns": (0.5,), "tasks": ("chemistry", "general")}
    return plan | changes


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (bad(kind="beta"), "no sweep over 'beta'"),
        (bad(rows=()), "list of Criterion is empty"),
        (bad(columns=()), "list of Sparsity is empty"),
        (bad(columns=(0.5, 0.5)), "given twice"),
        (bad(columns=(0.99,)), "sparsity: "),
        (bad(columns=(-0.5,)), "sparsity: "),
        (bad(columns=(0.5, 70.0)), "70 is no fraction. Write 0.7 for 70 %"),
        (bad(rows=("magnitud",)), "There is no criterion 'magnitud'"),
        (bad(kind="alpha", rows=(1.5,)), "alpha: "),
        (bad(kind="alpha", rows=(0.5,), base=Settings(score=ScoreSpec(criterion="magnitude"))), "has no alpha"),
        (bad(base=Settings(mask=MaskSpec(pattern="2:4"))), "sets the sparsity itself"),
        (bad(base=BY_SAMPLES), "every row would be the same"),
        (bad(kind="kappa", rows=(1.0,), columns=(0.5,), base=BY_SAMPLES), "every row would be the same"),
        (bad(kind="kappa", rows=("auto", -1.0), columns=(1.0,)), "fisher-scale: "),
        (bad(kind="kappa", rows=("big",), columns=(1.0,)), "fisher-scale: "),
        (bad(kind="kappa", rows=("auto",), columns=(7.0,)), "beta: "),
        (bad(kind="kappa", rows=(1.0,), base=Settings(score=ScoreSpec(criterion="dai_released"))), "no fisher-scale"),
        (bad(kind="samples", rows=(1,), columns=(0,)), "samples: "),
        (bad(kind="samples", rows=(4.5,), columns=(0,)), "4.5 is no whole number"),
        (bad(kind="samples", rows=(8,), columns=(-1,)), "seed: "),
        (bad(kind="samples", rows=(8,), columns=(0,), base=Settings(score=ScoreSpec(criterion="magnitude"))), "same"),
    ],
)
def test_a_plan_without_sense_is_refused(plan: dict[str, Any], words: str) -> None:
    with pytest.raises(GapruneError, match=words):
        SweepPlan(**plan)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--kind", "beta"], "no sweep over 'beta'"),
        (["--sparsities", "0.3,half"], "'half' is not a number"),
        (["--sparsities", "0.3,,0.5"], "empty place"),
        (["--sparsities", "nan"], "'nan' is not a number"),
        (["--sparsities", "0.3,2"], "sparsity: 2 is no fraction"),
        (["--sparsities", "0.3,0.96"], "sparsity: "),
        (["--kind", "kappa", "--kappas", "1,much"], "--kappas: 'much' is not a number"),
        (["--kind", "kappa", "--beta", "0.3"], "--beta is what is swept here. Give the values as a list: --betas."),
        (["--kind", "kappa", "--sparsities", "0.5"], "--sparsities has no part in a sweep over kappa."),
        (["--kind", "samples"], "takes every sample"),
        (["--kind", "alpha", "--alphas", "0,-1"], "alpha: "),
        (["--criteria", "dai,magnitud"], "no criterion 'magnitud'"),
        (["--criteria", "dai,dai"], "given twice"),
        (["--sparsity", "0.3"], "--sparsity is what is swept here. Give the values as a list: --sparsities."),
        (["--kind", "alpha", "--alpha", "0.3"], "--alpha is what is swept here"),
        (["--task", "nowhere"], "'nowhere' is neither"),
    ],
)
def test_wrong_words_are_one_line(run: Run, analysis: Path, flags: list[str], words: str) -> None:
    status, out, err = run("sweep", analysis, *flags, "--json")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("gaprune-viz: ")
    assert words in err
    assert not (analysis / SWEEP_CELLS).exists()
