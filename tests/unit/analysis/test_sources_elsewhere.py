"""Several sources of other kinds of models, and what is made of such an analysis afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import TENSOR_FILE
from gaprune_viz.config import CalibrationSpec, ModelSpec, RefitSpec, RunSpec, Sampling, ScoreSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.pruning.export import prune
from tests.conftest import DOMAIN_TRIPLETS, GENERAL_TRIPLETS, write_triplets


def run_of(model: Path, folder: Path) -> tuple[RunSpec, RunSpec]:
    """A run of two sources of domain data, and one of both together."""
    one, two = (write_triplets(folder / f"{n}.jsonl", DOMAIN_TRIPLETS[a:b]) for n, a, b in (("a", 0, 6), ("b", 6, 12)))
    whole = write_triplets(folder / "whole.jsonl", DOMAIN_TRIPLETS)
    general = write_triplets(folder / "general.jsonl", GENERAL_TRIPLETS)
    spec = CalibrationSpec(domain=f"{one} + {two}", general=str(general), samples=12, sampling=Sampling.ALL)
    run = RunSpec(model=ModelSpec(model=str(model), device="cpu"), calibration=spec)
    return run, run.with_(calibration=spec.with_(domain=str(whole)))


@pytest.mark.parametrize("family", ["qwen3", "gpt2", "modernbert"])
def test_parts_of_the_data_are_the_data(tiny_model_folder: Callable[..., Path], family: str, tmp_path: Path) -> None:
    several, one = run_of(tiny_model_folder(family), tmp_path)
    found = load_file(drain(analyze(several, tmp_path / "several")) / TENSOR_FILE)
    whole = load_file(drain(analyze(one, tmp_path / "one")) / TENSOR_FILE)
    for key, values in whole.items():
        if ":fisher_" in key or ":grad_" in key or ":cut_" in key:
            assert float((found[key] - values).abs().max()) <= 5e-5 * float(values.abs().max()), key


def test_a_refit_reads_all_texts_of_a_side_and_refuses_other_ones(tiny_bert: Path, tmp_path: Path) -> None:
    several, _ = run_of(tiny_bert, tmp_path)
    place = drain(analyze(several, tmp_path / "several"))
    settings = Settings(score=ScoreSpec(criterion="dsp"), refit=RefitSpec(refit=True, samples=8))
    document = prune(place, settings, tmp_path / "pruned")
    assert document["refit"]["tokens"] > 0
    write_triplets(tmp_path / "b.jsonl", DOMAIN_TRIPLETS[6:11])
    with pytest.raises(GapruneError, match=r"The domain data \(a \+ b\) have changed"):
        prune(place, settings, tmp_path / "again")
