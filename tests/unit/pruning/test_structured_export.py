"""From an analysis to a smaller model: what is ranked, what is kept, what is said, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gaprune_viz.analysis.exact_scores import diagnose
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import Evidence, MaskSpec, ScoreSpec, Settings, Structure, StructureSpec
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import load_pair
from gaprune_viz.evaluation.latency import measure_speed
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.export import prune, read_masks
from tests.commands import Run
from tests.tiny_models import INTERMEDIATE, texts

NEURONS = StructureSpec(structure=Structure.NEURONS, multiple=8)


def test_the_neurons_with_the_lowest_sums_go(tiny_analysis: Path, tmp_path: Path) -> None:
    settings = Settings(score=ScoreSpec(criterion="magnitude"), mask=MaskSpec(sparsity=0.5), structure=NEURONS)
    document = prune(tiny_analysis, settings, tmp_path / "less")
    assert document["structure"] | {"tried": None} == {
        "structure": "neurons",
        "where": " in every layer",
        "before": INTERMEDIATE,
        "after": 24,
        "ranked_by": "the sum of Magnitude over all weights of one of the neurons",
        "tried": None,
        "kept": "as cut",
        "held_out": 0,
    }
    pair = load_pair(tmp_path / "less")
    dense, less = (dict(model.backbone.named_parameters()) for model in (pair.dense, pair.pruned))
    for layer in range(2):
        up, down = (f"encoder.layer.{layer}.{part}.dense" for part in ("intermediate", "output"))
        sums = dense[f"{up}.weight"].abs().sum(1) + dense[f"{down}.weight"].abs().sum(0)
        stays = sums.argsort(descending=True)[:24].sort().values
        assert torch.equal(less[f"{up}.weight"], dense[f"{up}.weight"][stays])
        assert torch.equal(less[f"{up}.bias"], dense[f"{up}.bias"][stays])
        assert torch.equal(less[f"{down}.weight"], dense[f"{down}.weight"][:, stays])
    files = {path.name for path in (tmp_path / "less").iterdir()}
    assert {"model.safetensors", "gaprune.json", "README.md"} <= files
    assert "mask.safetensors" not in files
    assert read_masks(tmp_path / "less") == {}
    assert document["bytes"] == (tmp_path / "less" / "model.safetensors").stat().st_size
    assert f"{document['model_weights']:,}" in (tmp_path / "less" / "README.md").read_text(encoding="utf-8")


def test_the_samples_rank_otherwise_and_older_analyses_say_what_they_lack(
    run: Run, tiny_analysis: Path, tmp_path: Path
) -> None:
    spec = NEURONS.with_(evidence=Evidence.SAMPLES)
    prune(tiny_analysis, Settings(structure=spec), tmp_path / "less")
    statistics = Statistics.open(tiny_analysis)
    less = load_file(tmp_path / "less" / "model.safetensors")
    names = [m.name for m in statistics.matrices if m.role == "down"]
    totals = {side: torch.cat([statistics.tensor(n, f"cut_{side}") for n in names]) for side in ("domain", "general")}
    for name in names:
        worth = sum(statistics.tensor(name, f"cut_{side}") / totals[side].mean() for side in totals)
        assert isinstance(worth, torch.Tensor)
        stays = worth.argsort(descending=True)[:24].sort().values
        dense = dict(load_pair(tmp_path / "less").dense.backbone.named_parameters())[name]
        assert torch.equal(less[name], dense[:, stays])
    # One that an earlier version wrote.
    old = Path(__file__).parents[2] / "fixtures" / "kept" / "analysis"
    flags = ["--structure", "neurons", "--structure-evidence", "samples", "--out", tmp_path / "no"]
    assert "lacks what the loss changes by" in run("prune", old, *flags).refusal()
    assert not (tmp_path / "no").exists()


def test_what_is_best_on_held_out_queries_is_kept_and_told(run: Run, tiny_analysis: Path, tmp_path: Path) -> None:
    out = tmp_path / "less"
    flags = ["--structure", "neurons", "--structure-multiple", 8, "--sparsity", 0.5, "--refit", "--out", out]
    said = run("prune", tiny_analysis, *flags, "--structure-steps", 2, "--refit-samples", 8)
    # Twelve samples a side hold out three: too few to decide.
    assert "too few to hold out" in said.refusal()
    domain = tmp_path / "domain.jsonl"
    rows = [{"query": f"q {i} salt", "positive": f"p {i} water", "negative": f"n {i} metal"} for i in range(40)]
    domain.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    model = Statistics.open(tiny_analysis).run.model.model
    given = ["--model", model, "--domain", domain, "--general", domain, "--samples", 40, "--scope", "linear"]
    run("analyze", *given, "--sampling", "all", "--out", tmp_path / "run", "--json").json()
    result = run("prune", tmp_path / "run", *flags, "--structure-steps", 2, "--refit-samples", 8)
    assert result.status == 0, result.err
    document = json.loads((out / "gaprune.json").read_text(encoding="utf-8"))
    found = document["structure"]
    names = [row["name"] for row in found["tried"]]
    assert names[:4] == ["as cut", "with biases", "refitted", "refitted, with biases"]
    assert "retrained for 2 steps" in names[4]
    values = [sum(row["of_dense"].values()) for row in found["tried"]]
    assert found["kept"] == names[int(np.argmax(values))]
    assert found["held_out"] == 20
    assert f"Kept: {found['kept']}." in result.out
    assert found["kept"] in (out / "README.md").read_text(encoding="utf-8")
    assert f"{values[0] / 2:.1%}"[:-2] in result.out


def test_a_smaller_model_is_compared_and_measured_like_any_other(run: Run, tiny_analysis: Path, tmp_path: Path) -> None:
    out = tmp_path / "less"
    document = run("prune", tiny_analysis, "--structure", "layers", "--sparsity", 0.5, "--out", out, "--json").json()
    assert (document["structure"]["before"], document["structure"]["after"]) == (2, 1)
    assert document["settings"]["structure"]["structure"] == "layers"
    found = measure_speed(out, texts(), rounds=1)
    assert found["pruned"]["bytes"] < found["dense"]["bytes"]
    assert "1 of 2 layers stayed" in found["sentences"][0]
    model = load_model(load_pair(out).dense.spec.with_(model=str(out)))
    assert len({t.layer for t in inventory(model).targets}) == 1
    assert "no mask says what a refit should keep" in run("compare", out, "--task", "chemistry", "--refit").refusal()
    with pytest.raises(GapruneError, match="single weights"):
        diagnose(tiny_analysis, Settings(structure=NEURONS))
    flags = ["--steps", 2, "--batch-size", 4, "--out", tmp_path / "taught"]
    assert run("retrain", out, *flags, "--json").json()["triplets"] == 12
    taught = load_pair(tmp_path / "taught")
    assert taught.document["structure"] == document["structure"]
    assert not np.allclose(taught.pruned.encode(texts()), model.encode(texts()), atol=1e-4)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--structure", "neurons", "--pattern", "2:4"], "structures go whole, without the pattern 2:4"),
        (["--structure", "neurons", "--floor", 0.1], "without a floor or ceiling"),
        (["--structure", "neurons", "--allocation", "global"], "a plain configuration holds one width for all layers"),
        (["--structure", "heads", "--sparsity", 0.5], "no head size of its own"),
        (["--structure", "layers", "--refit"], "no layer left that could make good"),
        (["--structure", "layers", "--structure-evidence", "samples"], "measured of neurons, not of layers"),
        (["--structure", "neurons", "--sparsity", 0.95], "none would stay"),
        (["--structure", "rows"], "structure: "),
        (["--structure-multiple", 0], "structure-multiple"),
    ],
)
def test_what_cannot_be_is_one_line(
    run: Run, tiny_analysis: Path, tmp_path: Path, flags: list[object], said: str
) -> None:
    line = run("prune", tiny_analysis, *flags, "--out", tmp_path / "less").refusal()
    assert said.replace("structure-multiple", "multiple").lower() in line.lower()
    assert list(tmp_path.iterdir()) == []


def test_structures_that_are_off_change_no_key() -> None:
    usual = Settings()
    assert usual.content().keys() == {"score", "mask"}
    idle = usual.with_(structure=StructureSpec(multiple=8, steps=5))
    assert settled(idle).key() == settled(usual).key()
    assert settled(usual.with_(structure=NEURONS)).key() != settled(usual).key()
    assert usual.with_(structure=NEURONS).at(0.3).structure == StructureSpec()
