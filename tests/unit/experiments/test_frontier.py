"""A frontier measures every row in a process that knows nothing of this package, goes on where it was stopped, and is
one table and one picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Generator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.calibration.progress import Progress, drain
from gaprune_viz.config import (
    SIDES,
    CalibrationSpec,
    Dtype,
    ExecutorSpec,
    FrontierSpec,
    ModelSpec,
    RunSpec,
    Sampling,
    Scope,
)
from gaprune_viz.config.frontier import FRONTIER_ROWS
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import encode_task
from gaprune_viz.experiments.frontier.bench import FrontierBench
from gaprune_viz.experiments.frontier.rows import rows_of
from gaprune_viz.experiments.frontier.runner import run_frontier
from gaprune_viz.experiments.frontier.static_model import SIF, save_static, static_vectors
from gaprune_viz.models.loading import load_model
from tests.beir_folders import write_beir
from tests.commands import Run

ROOT = Path(__file__).parents[3]
ROWS = ("dense", "neurons-25", "neurons-25-int8", "weights-70")


@pytest.fixture(scope="module")
def analysis(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of forty triplets, so that some can be held out."""
    folder = tmp_path_factory.mktemp("frontier")
    words = ("salt", "water", "metal", "bond", "price", "river", "moon", "carbon")
    rows = [
        {
            "query": f"{words[i % 8]} {i}",
            "positive": f"the {words[i % 8]} of {i}",
            "negative": f"{words[(i + 3) % 8]} {i}",
        }
        for i in range(40)
    ]
    (folder / "domain.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = str(folder / "domain.jsonl")
    spec = CalibrationSpec(domain=source, general=source, samples=40, sampling=Sampling.ALL, scope=Scope.LINEAR)
    run = RunSpec(model=ModelSpec(model=str(tiny_bert), device="cpu"), calibration=spec)
    return drain(analyze(run, folder / "run"))


def stopped_after(work: Generator[Progress, None, Any], stage: str) -> None:
    """Close a run where it first says that it does something."""
    for step in work:
        if step.stage.startswith(stage):
            work.close()
            return
    raise AssertionError(f"it never came to {stage}")


@pytest.mark.slow
def test_a_frontier_goes_on_and_every_folder_gives_its_score(run: Run, analysis: Path, tmp_path: Path) -> None:
    task = str(write_beir(tmp_path / "small", 1))
    out, words = tmp_path / "out", tmp_path / "frontier.md"
    spec = FrontierSpec(task=task, general_task=task, steps=2, rounds=1, rows=ROWS)
    stopped_after(run_frontier(analysis, spec, out), "25% of the neurons out, int8")
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    assert len(kept) == 2
    flags: list[object] = ["--task", task, "--general-task", task, "--steps", 2, "--rounds", 1, "--out", out]
    flags += ["--rows", ",".join(ROWS[1:]), "--markdown", words]
    document = run("frontier", analysis, *flags, "--json").json()
    assert {name: (out / "cells" / name).stat().st_mtime_ns for name in kept} == kept
    rows = {row["row"]: row for row in document["rows"]}
    assert tuple(rows) == ROWS
    assert rows["dense"]["of_dense"] == {"domain": 1.0, "general": 1.0}
    assert rows["dense"]["speed"] == dict.fromkeys(("short-1", "short-32", "long-1", "long-32"), 1.0)
    loaded = load_task(task)
    for name in ("dense", "neurons-25", "weights-70"):
        model = load_model(ModelSpec(model=str(out / "models" / name), device="cpu"))
        again = evaluate(loaded, *encode_task(model, loaded)).means["ndcg_at_10"]
        assert rows[name]["ndcg_at_10"]["domain"] == pytest.approx(again, abs=1e-6)
    assert rows["neurons-25"]["bytes"] < rows["dense"]["bytes"]
    assert rows["weights-70"]["packed_bytes"] < 0.7 * rows["weights-70"]["bytes"]
    assert rows["neurons-25"]["kept"] and not rows["weights-70"]["kept"]
    for side in SIDES:
        low, high = rows["weights-70"]["interval"][side]
        assert low <= rows["weights-70"]["of_dense"][side] <= high
    assert rows["dense"]["interval"] == {"domain": [1.0, 1.0], "general": [1.0, 1.0]}
    assert document["calibration"] == {"samples": 40, "seed": 0}
    text = words.read_text(encoding="utf-8")
    assert text.count("\n| ") == 2 * (1 + len(ROWS))
    assert "](frontier.svg)" in text
    circles = ET.parse(tmp_path / "frontier.svg").getroot().findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(ROWS)
    # All is there: nothing is measured again.
    again = run("frontier", analysis, *flags, "--json").json()
    assert again["rows"] == document["rows"]
    # Two processes make the same models; eight bits are made of a folder that one of them writes.
    few = spec.with_(rows=ROWS[:3])
    there = drain(run_frontier(analysis, few, tmp_path / "there", executor=ExecutorSpec(jobs=2)))
    measured = ("row", "ndcg_at_10", "interval", "bytes", "packed_bytes", "kept")
    assert [[row[name] for name in measured] for row in there["rows"]] == [
        [row[name] for name in measured] for row in document["rows"][:3]
    ]


def test_static_vectors_are_those_of_single_tokens(tiny_bert: Path, tmp_path: Path) -> None:
    """All components are kept here, so that distances between words are those of the model, up to their rarity."""
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    count = len(model.tokenizer)
    vectors = static_vectors(model, count)
    assert vectors.shape == (count, 32)
    assert not vectors[model.tokenizer.all_special_ids].any()
    words = ["water", "salt", "moon"]
    ids = model.tokenizer.convert_tokens_to_ids(words)
    zipf = 1 / np.arange(2, count + 2)
    weights = SIF / (SIF + zipf / zipf.sum())
    plain, alone = vectors[ids] / weights[ids, None], model.encode(words)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(plain[i] - plain[j]) == pytest.approx(np.linalg.norm(alone[i] - alone[j]), rel=1e-4)
    save_static(model, tmp_path)
    static = SentenceTransformer(str(tmp_path), device="cpu").encode(["moon", "water and salt", "salt and water"])
    np.testing.assert_allclose(static[0], vectors[ids[2]], atol=1e-6)
    np.testing.assert_allclose(static[1], static[2], atol=1e-6)


def test_where_torch_has_no_engine_it_is_one_line(
    run: Run, analysis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(type(torch.backends.quantized), "supported_engines", ["none"], raising=False)
    line = run("frontier", analysis, "--task", "chemistry", "--out", tmp_path / "out").refusal()
    assert "cannot multiply in eight bits" in line
    line = run("frontier", analysis, "--rows", "dense,int4", "--out", tmp_path / "out").refusal()
    assert "int4" in line and "neurons-50-int8" in line
    assert not (tmp_path / "out").exists()


def test_rows_are_of_one_analysis_and_one_spec(analysis: Path, tmp_path: Path) -> None:
    task = str(write_beir(tmp_path / "small", 1))
    few, many = (FrontierSpec(task=task, general_task=task, steps=steps) for steps in (0, 5))
    benches = [FrontierBench(analysis, spec, tmp_path / "out") for spec in (few, many)]
    keys = [{row.name: bench.key(row) for row in rows_of(bench.spec)} for bench in benches]
    assert keys[0].keys() == keys[1].keys() == set(FRONTIER_ROWS)
    cut = {"neurons-25", "neurons-25-int8", "neurons-50", "neurons-50-int8", "layers"}
    assert {name for name in FRONTIER_ROWS if keys[0][name] != keys[1][name]} == cut


def test_a_model_is_ranked_by_its_own_similarity_and_an_empty_prompt_stays_empty(
    analysis: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    folder, task = tmp_path / "dotted", str(write_beir(tmp_path / "small", 1))
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    st.similarity_fn_name = "dot"
    loud: dict[str, str | None] = {"loud": "salt and water and metal: "}
    st.prompts, st.default_prompt_name = loud, "loud"
    st.save_pretrained(str(folder), create_model_card=False)
    calibration = open_analysis(analysis).run.calibration
    model = ModelSpec(model=str(folder), device="cpu", query_prompt="", passage_prompt="")
    run = drain(analyze(RunSpec(model=model, calibration=calibration), tmp_path / "run"))
    spec = FrontierSpec(task=task, general_task=task, steps=0, rounds=1, rows=("dense", "static"))
    bench = FrontierBench(run, spec, tmp_path / "out")
    found = drain(bench.measured(rows_of(spec)[0]))["per_query"]["domain"]
    loaded = load_task(task)
    own = encode_task(bench.dense, loaded)
    assert own.similarity == "dot"
    np.testing.assert_allclose(found, evaluate(loaded, *own).scores["ndcg_at_10"], atol=1e-6)
    assert [bench.similarity(row) for row in rows_of(spec)] == ["dot", "cosine"]


def test_a_model_in_half_precision_is_called_so_and_multiplies_in_eight_bits(
    analysis: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    task = str(write_beir(tmp_path / "small", 1))
    model = ModelSpec(model=str(tiny_bert), device="cpu", dtype=Dtype.BFLOAT16)
    run = drain(analyze(RunSpec(model=model, calibration=open_analysis(analysis).run.calibration), tmp_path / "run"))
    spec = FrontierSpec(task=task, general_task=task, steps=0, rounds=1, rows=("dense", "dense-int8"))
    document = drain(run_frontier(run, spec, tmp_path / "out"))
    assert [row["label"] for row in document["rows"]] == ["dense, bf16", "dense, int8"]
    # A cell that was written under another label is found, and its row is called as it should be.
    bench = FrontierBench(run, spec, tmp_path / "out")
    assert rows_of(spec)[0].label == "dense, fp32"
    cell = tmp_path / "out" / "cells" / f"{bench.key(rows_of(spec)[0])}.json"
    cell.write_text(cell.read_text(encoding="utf-8").replace("dense, bf16", "dense, fp32"), encoding="utf-8")
    assert drain(run_frontier(run, spec, tmp_path / "out"))["rows"] == document["rows"]


def test_seeds_of_a_source_are_told_together(run: Run, tmp_path: Path) -> None:
    """The bundled frontier three times: with two seeds, and of another source with one."""
    first = json.loads((ROOT / "assets" / "frontier" / "chemistry.json").read_text(encoding="utf-8"))
    other, elsewhere = deepcopy(first), deepcopy(first)
    first["calibration"], other["calibration"] = ({"samples": 128, "seed": seed} for seed in (0, 7))
    cut = next(row for row in other["rows"] if row["row"] == "neurons-50")
    cut["of_dense"], cut["kept"] = {"domain": 0.9, "general": 0.8}, "as cut"
    other["rows"] = [other["rows"][0], cut]
    elsewhere["tasks"]["domain"]["name"] = "chebi"
    elsewhere["rows"][4]["of_dense"]["domain"] = 1.2
    elsewhere["rows"][4]["interval"] = {"domain": [1.1, 1.25], "general": None}
    for name, document in {"first": first, "other": other, "elsewhere": elsewhere}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "frontier.json").write_text(json.dumps(document), encoding="utf-8")
    words = tmp_path / "frontier.md"
    run("frontier-report", *(tmp_path / name for name in ("first", "other", "elsewhere")), "--markdown", words)
    text = words.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("| 50% of the neurons out |"))
    mine = {side: [100 * d["rows"][place]["of_dense"][side] for d, place in ((first, 4), (other, 1))] for side in SIDES}
    told = {side: f"{sum(v) / 2:.1f} ({min(v):.1f} to {max(v):.1f})" for side, v in mine.items()}
    general = 100 * elsewhere["rows"][4]["of_dense"]["general"]
    assert line == (
        f"| 50% of the neurons out | {told['domain']} / {told['general']} | 120.0 [110.0, 125.0] / {general:.1f} |"
    )
    assert "calibration seeds 0, 7." in text and "*as cut* (1)" in text
    assert "over calibration seeds" in text and "paired with dense" in text
    assert (tmp_path / "frontier.svg").is_file()
    assert "There is no frontier" in run("frontier-report", tmp_path, "--markdown", words).refusal()
    short = json.dumps({**first, "rows": [{**row, "milliseconds": {"new-8": 1.0}} for row in first["rows"]]})
    (tmp_path / "first" / "frontier.json").write_text(short, encoding="utf-8")
    assert "not timed with long texts" in run("frontier-report", tmp_path / "first", "--markdown", words).refusal()
    later = {**first, "spec": {**first["spec"], "more": 1}, "rows": first["rows"][:2]}
    (tmp_path / "first" / "frontier.json").write_text(json.dumps(later), encoding="utf-8")
    run("frontier-report", tmp_path / "first", "--markdown", words)
    assert "100 steps of retraining were tried" in words.read_text(encoding="utf-8")
