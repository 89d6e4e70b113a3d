"""An analysis of several sources: its sides are mixtures, its order is none, and every criterion is served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gaprune_viz.analysis.compacting import compacted
from gaprune_viz.analysis.cost_estimate import predict
from gaprune_viz.analysis.exact_scores import diagnose, exact_scope, load_dense
from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.opening import open_analysis, verify_analysis
from gaprune_viz.analysis.sources.alignment import reweighed, source_alignment
from gaprune_viz.calibration.description import resting_on
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.sources.source_statistics import SOURCES_FILE, SourceStatistics
from gaprune_viz.calibration.statistics import TENSOR_FILE, Statistics
from gaprune_viz.config import CalibrationSpec, Fisher, ModelSpec, RunSpec, Sampling, Scope, ScoreSpec, Settings
from gaprune_viz.criteria.sources.source_moments import OVER_SOURCES
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.workspace import folder_bytes
from tests.conftest import DOMAIN_TRIPLETS, GENERAL_TRIPLETS, write_triplets

KEPT = Path(__file__).parents[2] / "fixtures" / "kept" / "analysis"
NAMES = ("gga", "dsp", "fisher_worst")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The triplets of the tiny analysis, each side in parts that share none."""
    folder = tmp_path_factory.mktemp("sources")
    cut = {"a": DOMAIN_TRIPLETS[:4], "b": DOMAIN_TRIPLETS[4:], "c": GENERAL_TRIPLETS[:7], "d": GENERAL_TRIPLETS[7:]}
    return {name: write_triplets(folder / f"{name}.jsonl", rows) for name, rows in cut.items()}


def run_of(model: Path, domain: str, general: str, **changes: Any) -> RunSpec:
    spec = CalibrationSpec(
        domain=domain, general=general, samples=12, sampling=Sampling.ALL, scope=Scope.LINEAR
    )  # the tiny analysis is the same, of whole files
    return RunSpec(model=ModelSpec(model=str(model), device="cpu"), calibration=spec.with_(**changes))


@pytest.fixture(scope="module")
def run(tiny_bert: Path, files: dict[str, Path]) -> RunSpec:
    return run_of(tiny_bert, f"{files['b']} + {files['a']}", f"{files['c']} + {files['d']}")


@pytest.fixture(scope="module")
def folder(run: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drain(analyze(run, tmp_path_factory.mktemp("several") / "analysis"))


def relative(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-30))


def test_parts_of_the_data_are_the_data(folder: Path, tiny_analysis: Path) -> None:
    """Cut into sources, the statistics of both sides, and the number of samples, are what they are in one."""
    found, whole = load_file(folder / TENSOR_FILE), load_file(tiny_analysis / TENSOR_FILE)
    assert list(found) == list(whole)
    for key, values in whole.items():
        if ":act_" in key or ":mean_" in key or ":on_" in key:
            # Means over tokens, which the samples of the parts do not share evenly.
            assert relative(found[key], values) < 0.2
        else:
            assert relative(found[key], values) < 2e-5, key
    one, other = Statistics.open(folder).document, Statistics.open(tiny_analysis).document
    for side in ("domain", "general"):
        assert one["data"][side]["mean_loss"] == pytest.approx(other["data"][side]["mean_loss"], rel=1e-5)
        assert one["data"][side]["samples"] == other["data"][side]["samples"]
        assert one["data"][side]["tokens"] == other["data"][side]["tokens"]
    assert "sources" not in other
    assert [(s["name"], s["side"]) for s in one["sources"]] == [
        (n, "domain" if n in "ab" else "general") for n in "abcd"
    ]
    assert [s["weight"] for s in one["sources"]] == pytest.approx([1 / 3, 2 / 3, 7 / 12, 5 / 12])


def test_the_order_of_sources_does_not_matter(
    folder: Path, run: RunSpec, files: dict[str, Path], tmp_path: Path
) -> None:
    domain, general = f"{files['a']} + {files['b']}", f"d={files['d']} + c={files['c']}"
    again = drain(analyze(run.with_(calibration=run.calibration.with_(domain=domain, general=general)), tmp_path / "x"))
    assert Statistics.open(again).document["key"] == Statistics.open(folder).document["key"]
    for name in (TENSOR_FILE, SOURCES_FILE):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_given_weights_are_the_shares_of_the_mixture(run: RunSpec, files: dict[str, Path], tmp_path: Path) -> None:
    domain = f"{files['a']}@3 + {files['b']}@1"
    place = drain(analyze(run.with_(calibration=run.calibration.with_(domain=domain)), tmp_path / "x"))
    sides, sources = load_file(place / TENSOR_FILE), load_file(place / SOURCES_FILE)
    name = "encoder.layer.1.output.dense.weight"
    for kind in ("fisher", "grad", "cut", "on"):
        expected = 0.75 * sources[f"{name}:{kind}_0"] + 0.25 * sources[f"{name}:{kind}_1"]
        assert relative(sides[f"{name}:{kind}_domain"], expected) < 1e-6
    squares = 0.75 * sources[f"{name}:act_0"] ** 2 + 0.25 * sources[f"{name}:act_1"] ** 2
    assert relative(sides[f"{name}:act_domain"], squares.sqrt()) < 1e-6
    # Kish: 1 / (0.75^2 / n_a + 0.25^2 / n_b), and the loss is weighed alike.
    document = Statistics.open(place).document
    a, b = document["sources"][:2]
    rests = 1 / (0.75**2 / a["effective_samples"] + 0.25**2 / b["effective_samples"])
    assert document["effective_samples"]["domain"] == pytest.approx(rests, rel=1e-3)
    assert document["data"]["domain"]["mean_loss"] == pytest.approx(0.75 * a["mean_loss"] + 0.25 * b["mean_loss"])


@pytest.mark.parametrize("name", NAMES)
def test_masks_by_hand_and_their_preview(folder: Path, name: str) -> None:
    """The exact mask keeps the highest scores, worked here from what each source left; so does the preview."""
    analysis, settings = open_analysis(folder), Settings(score=ScoreSpec(criterion=name)).at(0.4)
    scope, _ = exact_scope(analysis.statistics, load_dense(analysis.statistics))
    result = scope.masks(settings)
    sources = load_file(folder / SOURCES_FILE)
    names = analysis.statistics.names
    masses = [np.mean(np.concatenate([sources[f"{m}:fisher_{i}"].double().ravel() for m in names])) for i in range(4)]
    scores = []
    for matrix in names:
        signs = sum(np.sign(sources[f"{matrix}:grad_{i}"].numpy()) for i in range(4))
        fishers = np.stack([sources[f"{matrix}:fisher_{i}"].double().numpy() / masses[i] for i in range(4)])
        theta = np.abs(scope.theta_of(matrix).double().numpy())
        scores.append(
            {
                "gga": lambda s=signs, t=theta: np.abs(s) / 4 + t / (1 + t) / 16,
                "dsp": lambda f=fishers, t=theta: t**2 * (f.mean(0) - f.std(0)),
                "fisher_worst": lambda f=fishers: f.min(0),
            }[name]().ravel()
        )
    flat = np.concatenate(scores)
    keep = np.concatenate([result.masks[matrix].numpy().ravel() for matrix in names])
    goes = np.zeros(len(flat), dtype=bool)
    goes[np.argsort(flat, kind="stable")[: int(0.4 * len(flat))]] = True
    assert (goes == ~keep).mean() > 0.9999
    exact = [1 - float(result.masks[matrix].float().mean()) for matrix in names]
    # The tiny model fits into the sketch whole.
    assert analysis.live.preview(settings).pruned_fraction.tolist() == pytest.approx(exact, abs=2e-3)


def test_two_sides_are_two_sources(tiny_analysis: Path) -> None:
    analysis = open_analysis(tiny_analysis)
    assert SourceStatistics(analysis.statistics).names == ("domain", "general")
    table, found = analysis.summary, source_alignment(analysis)
    for layer, cosines in zip(found.layers, found.by_layer, strict=True):
        here = table[table["layer"] == layer]["alignment_cosine"]
        assert here.min() <= cosines[0, 1] <= here.max()
        assert cosines.diagonal() == pytest.approx([1, 1])
    assert found.to_domain.tolist() == pytest.approx([1.0, found.whole[0, 1]])
    # Where no gradient is 0, all of two agree where their signs do.
    assert analysis.live.agreement == pytest.approx(table["sign_agreement"].to_numpy(), abs=1e-6)
    for name in NAMES:
        assert diagnose(tiny_analysis, Settings(score=ScoreSpec(criterion=name)))["sparsity"] == pytest.approx(
            0.5, abs=1e-4
        )


def test_an_analysis_of_before_opens(folder: Path) -> None:
    """It has two sources; what it kept of them serves what it can, and says what it cannot in one line."""
    analysis = open_analysis(KEPT)
    assert analysis.live.preview(Settings(score=ScoreSpec(criterion="gga"))).pruned_fraction.mean() > 0
    with pytest.raises(GapruneError, match="needs source_mean and source_spread, which is not in this run"):
        analysis.live.preview(Settings(score=ScoreSpec(criterion="dsp")))
    assert set(analysis.live.overlaps(Settings()).overlap) >= {"gga", "dai"}


def test_a_sketch_without_the_sources_says_so(folder: Path, tmp_path: Path) -> None:
    """Of a run of several sources, the two sides cannot stand for them."""
    copy = Path(shutil.copytree(folder, tmp_path / "old"))
    with np.load(copy / "sketch.npz") as file:
        kept = {name: file[name] for name in file.files if name.split(":")[-1] not in OVER_SOURCES}
    np.savez(copy / "sketch.npz", **kept)
    _unsealed(copy)
    live = open_analysis(copy).live
    assert np.isnan(live.agreement).all()
    with pytest.raises(GapruneError, match="needs source_agreement, which is not in this run"):
        live.preview(Settings(score=ScoreSpec(criterion="gga")))


def test_how_sources_agree_and_a_run_with_those_weights(folder: Path, run: RunSpec) -> None:
    found = source_alignment(open_analysis(folder))
    assert (found.names, found.sides) == (("a", "b", "c", "d"), ("domain", "domain", "general", "general"))
    assert found.by_layer.shape == (2, 4, 4)
    sources = load_file(folder / SOURCES_FILE)
    flat = [torch.cat([sources[k].ravel() for k in sources if k.endswith(f":grad_{i}")]).double() for i in range(4)]
    assert found.whole[0, 1] == pytest.approx(float(torch.cosine_similarity(flat[0], flat[1], dim=0)))
    domain = flat[0] / 3 + 2 * flat[1] / 3
    assert found.to_domain[2] == pytest.approx(float(torch.cosine_similarity(flat[2], domain, dim=0)))
    assert found.to_domain[0] == pytest.approx(found.whole[0, 1])
    again = reweighed(run, folder)
    told = again.calibration.domain.split(" + ")
    assert [part.split("=")[0] for part in told] == ["a", "b"]
    assert float(told[0].rsplit("@", 1)[1]) == pytest.approx(found.weights[0], rel=1e-4)
    with pytest.raises(GapruneError, match="has no domain source 'chemistry'"):
        reweighed(run.with_(calibration=run.calibration.with_(domain="other=finance + chemistry")), folder)
    with pytest.raises(GapruneError, match="one source, which weighs all"):
        reweighed(RunSpec(), folder)


def test_a_plan_states_what_the_sources_take(folder: Path, run: RunSpec) -> None:
    found = predict(run)
    assert found.samples == 24
    assert any(note.startswith("4 sources, each gone through once") for note in found.notes)
    assert found.disk_bytes == pytest.approx(folder_bytes(folder), rel=0.15)
    alone = predict(run.with_(calibration=run.calibration.with_(domain="chemistry", general="general", samples=4)))
    assert not any("sources" in note for note in alone.notes)


def test_every_byte_is_sealed_and_damage_is_told(folder: Path, tmp_path: Path) -> None:
    counted = verify_analysis(folder)
    assert counted["tensors"] == len(load_file(folder / TENSOR_FILE)) + len(load_file(folder / SOURCES_FILE))
    copy = Path(shutil.copytree(folder, tmp_path / "torn"))
    (copy / SOURCES_FILE).unlink()
    _unsealed(copy)
    with pytest.raises(GapruneError, match="statistics of the sources are not in this analysis"):
        source_alignment(open_analysis(copy))


def _unsealed(folder: Path) -> None:
    """Without its checksums, as an earlier version wrote it."""
    path = folder / "spec.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["checksums"]
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda sources: sources.pop(),
        lambda sources: sources[0].update(weight=0),
        lambda sources: sources[0].update(name="b"),
        lambda sources: sources[0].update(side="both"),
        lambda sources: [s.update(side="domain") for s in sources],
        lambda sources: sources[0].pop("mass"),
    ],
    ids=["unread", "weight", "name", "side", "one-sided", "mass"],
)
def test_a_description_of_sources_that_cannot_be_is_refused(
    folder: Path, tmp_path: Path, change: Callable[[list[dict[str, Any]]], object]
) -> None:
    document = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    del document["checksums"]
    change(document["sources"])
    if len(document["sources"]) == 3:
        document["sources"] = document["sources"][:2]
    (tmp_path / "spec.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(GapruneError, match="is damaged: sources"):
        Statistics.open(tmp_path)


def test_it_can_be_made_compact(folder: Path, tmp_path: Path) -> None:
    drain(compacted(folder, tmp_path / "small", load_dense(Statistics.open(folder))))
    small = open_analysis(tmp_path / "small")
    assert small.live.preview(Settings(score=ScoreSpec(criterion="gga"))).pruned_fraction.mean() > 0
    with pytest.raises(GapruneError, match="statistics of the sources"):
        source_alignment(small)


def test_plain_texts_have_no_agreement(tiny_bert: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        text = "".join(f"{name} text of number {n} about water\n" for n in range(5))
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    general = write_triplets(tmp_path / "general.jsonl", GENERAL_TRIPLETS)
    domain = f"{tmp_path / 'one.txt'} + {tmp_path / 'two.txt'}"
    run = run_of(tiny_bert, domain, str(general), fisher=Fisher.EMBEDDING, projections=1)
    place = drain(analyze(run, tmp_path / "analysis"))
    live = open_analysis(place).live
    assert live.preview(Settings(score=ScoreSpec(criterion="dsp"))).pruned_fraction.mean() > 0
    with pytest.raises(GapruneError, match="analyse triplets"):
        live.preview(Settings(score=ScoreSpec(criterion="gga")))
    with pytest.raises(GapruneError, match="alignment is off"):
        source_alignment(open_analysis(place))


def test_a_source_that_weighs_next_to_nothing_adds_next_to_nothing_to_what_a_side_rests_on() -> None:
    sources = [
        {"side": "domain", "weight": 0.99, "samples": 32, "mass": 1.0},
        {"side": "domain", "weight": 0.01, "samples": 4_096, "mass": 1.0},
        {"side": "general", "weight": 1.0, "samples": 64, "queries": 50, "mass": 1.0},
    ]
    document = {"data": {"domain": {"samples": 4_128}, "general": {"samples": 64}}, "sources": sources}
    assert resting_on(document, "domain") == pytest.approx(1 / (0.99**2 / 32 + 0.01**2 / 4_096))
    assert resting_on(document, "general") == 50
    assert resting_on({"data": document["data"]}, "domain") == 4_128
