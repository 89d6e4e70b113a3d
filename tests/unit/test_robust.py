"""The benchmark of settings by their worst source: what is kept, what is said of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import _robust_cells, _robust_document, _robust_results, _robust_sources, robust
from benchmarks._robust_results import Measured
from benchmarks._robust_settings import ABLATION, CANDIDATES
from gaprune_viz.config import ModelSpec
from gaprune_viz.models.loading import load_model

PARTNERS = {"general": "finance", "finance": "general", "chebi": "general"}


@pytest.mark.slow
def test_a_new_entry_measures_its_own_cells_only(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    bench = _robust_cells.Bench(tmp_path, model)
    given = _robust_sources.sources(tmp_path / "texts", ["finance"])

    def rows(names: Iterable[str], **more: bool) -> list[dict[str, Any]]:
        chosen = {name: CANDIDATES[name] for name in names}
        return list(_robust_cells.grid(bench, given, [4], [0], [0.5, 0.7], chosen, **more))

    first = rows(["magnitude"])
    assert [row["sparsity"] for row in first] == [0.5, 0.7]
    assert first[0]["kept"]["domain"] > 0 and len(first[0]["scores"]["general"]) == len(given[0].task.judged)
    measured: list[str] = []
    keep = bench._measure
    monkeypatch.setattr(bench, "_measure", lambda source, key, masks: measured.append(key) or keep(source, key, masks))
    assert [row["settings"] for row in rows(["magnitude", "obd_joint"], kept_only=True)] == ["magnitude"] * 2
    assert not measured
    both = rows(["magnitude", "obd_joint"])
    assert both[:2] == first and len(measured) == 2
    bench.again = True
    again = rows(["magnitude"])
    assert len(measured) == 4 and [row["scores"] for row in again] == [row["scores"] for row in first]
    found = robust.results(bench, given, both)
    assert found["about"]["finance"]["queries"] == len(given[0].task.judged)
    assert "criterion=obd_joint" in found["entries"]["obd_joint"]
    assert _robust_document.render(json.loads(json.dumps(found))).count("| magnitude |") >= 3


def row(source: str, settings: str, domain: float, general: float, seed: int = 0, size: int = 64) -> dict[str, Any]:
    kept = {"domain": domain, "general": general}
    scores = {side: [value / 100, value / 100, 0.0, value / 50] for side, value in kept.items()}
    place = {"source": source, "samples": size, "seed": seed, "settings": settings, "sparsity": 0.5}
    return {**place, "kept": kept, "scores": scores, "waking": 3, "seconds": 1.0}


def sides() -> dict[str, dict[str, Measured]]:
    return {
        source: {side: Measured(name, 1.0, [0, 0, 1, 2]) for side, name in (("domain", source), ("general", other))}
        for source, other in PARTNERS.items()
    }


def rows_of(**entries: list[tuple[float, float]]) -> list[dict[str, Any]]:
    return [
        row(source, name, *kept)
        for name, every in entries.items()
        for source, kept in zip(PARTNERS, every, strict=True)
    ]


def summary(rows: list[dict[str, Any]], steps: tuple[str, ...] = ()) -> dict[str, Any]:
    return _robust_results.summarise(rows, sides(), PARTNERS, steps)["by_sparsity"]["0.5"]


def test_worst_mean_and_deviation_by_hand() -> None:
    rows = [row("general", "a", 90, 80), row("general", "a", 94, 80, seed=1)]
    rows += [row("chebi", "a", 70, 85), row("chebi", "a", 70, 87, seed=1)]
    (found,) = summary(rows)["settings"]
    assert found["worst"] == {
        "domain": {"percent": 70.0, "source": "chebi", "samples": 64},
        "general": {"percent": 80.0, "source": "general", "samples": 64},
    }
    assert found["mean"] == {"domain": 81.0, "general": 83.0}
    # Variances over two seeds: 8, 0, 0 and 2.
    assert found["deviation"] == pytest.approx(2.5**0.5)
    assert found["sizes"]["64"] == {"worst": 70.0, "mean": 82.0} and found["waking"] == 3


def test_sizes_are_places_of_their_own() -> None:
    rows = [row("chebi", "a", 90, 90), row("chebi", "a", 60, 95, size=256)]
    (found,) = summary(rows)["settings"]
    assert found["worst"]["domain"] == {"percent": 60.0, "source": "chebi", "samples": 256}
    assert found["sources"]["chebi"] == {"domain": 75.0, "general": 92.5} and found["deviation"] is None


def test_an_entry_that_lacks_a_cell_is_named_and_not_compared() -> None:
    rows = [row("general", "a", 90, 90), row("chebi", "a", 80, 80), row("general", "b", 99, 99)]
    found = summary(rows)
    assert [one["settings"] for one in found["partly"]] == ["b"] and [one["settings"] for one in found["settings"]] == [
        "a"
    ]
    assert found["left_out"]["chosen"] == "a"


def test_a_source_left_out_has_no_part_in_the_choice() -> None:
    found = summary(rows_of(a=[(90, 90), (60, 90), (90, 90)], b=[(80, 80), (80, 80), (70, 80)]))["left_out"]
    assert (found["chosen"], found["percent"]) == ("b", 70.0) and found["stays"] == ["general"]
    finance, chebi = found["rows"]
    # `general` has finance as its other side, and goes with it: chebi alone chooses a, which finance does not like.
    assert (finance["source"], finance["chosen"], finance["others"]) == ("finance", "a", 90.0)
    assert (finance["domain"], finance["own"], finance["best"]) == (60.0, 60.0, 80.0)
    assert (chebi["source"], chebi["chosen"], chebi["own"], chebi["best"]) == ("chebi", "b", 70.0, 90.0)
    assert chebi["baselines"] == {}


def test_equal_entries_give_the_first() -> None:
    found = summary(rows_of(magnitude=[(80, 80)] * 3, z=[(80, 80)] * 3))["left_out"]
    assert found["chosen"] == "magnitude" and found["rows"][0]["baselines"] == {"magnitude": 80.0}


def test_steps_are_paired_by_query() -> None:
    rows = rows_of(a=[(50, 50), (50, 50), (50, 50)], b=[(60, 50), (60, 50), (60, 40)])
    (step,) = summary(rows, ("a", "not measured", "b"))["steps"]
    # Scores are x, x, 0 and 2 x of 100: a change of 10 in x is 10 in their mean.
    assert (step["before"], step["settings"]) == ("a", "b") and step["domain"]["change"] == pytest.approx(10)
    assert step["domain"]["low"] < 10 < step["domain"]["high"]
    # One of three sources lost 10 on the general side.
    assert step["general"]["change"] == pytest.approx(-10 / 3)
    assert step["general"]["sources"]["general"] == {"change": 0.0, "low": 0.0, "high": 0.0}


def test_queries_that_sources_share_are_counted_once() -> None:
    values, clusters = np.random.default_rng(0).normal(size=200), list(range(200))
    alone = _robust_results.interval([("task", values, clusters)])
    shared = _robust_results.interval([("task", values, clusters)] * 6)
    apart = _robust_results.interval([(f"task {i}", values, clusters) for i in range(6)])
    assert shared == pytest.approx(alone) and apart["change"] == pytest.approx(alone["change"])
    assert apart["high"] - apart["low"] < 0.6 * (alone["high"] - alone["low"])
    together = _robust_results.interval([("task", np.repeat(values[:50], 4), np.repeat(range(50), 4).tolist())])
    spread = _robust_results.interval([("task", np.repeat(values[:50], 4), clusters)])
    assert together["high"] - together["low"] > 1.5 * (spread["high"] - spread["low"])


def document(rows: list[dict[str, Any]], steps: tuple[str, ...] = ()) -> str:
    about = {
        source: {
            "kind": "made up",
            "general": other,
            "triplets": 40,
            "passages": 4,
            "passage_words": 5.0,
            "queries": 4,
            "query_words": 2.0,
            "dense": {"domain": 0.5, "general": 0.6},
        }
        for source, other in PARTNERS.items()
    }
    conditions = {
        "model": "tiny",
        "weight_hash": "0" * 64,
        "max_length": 256,
        "scope": "linear",
        "sampling": "kmeans",
        "cells": len(rows),
        "median_seconds": 1.0,
        "versions": {"Python": "3.11"},
    }
    entries = dict.fromkeys(dict.fromkeys(row["settings"] for row in rows), "criterion=made")
    found = {"conditions": conditions, "about": about, "entries": entries}
    return _robust_document.render(found | _robust_results.summarise(rows, sides(), PARTNERS, steps))


def test_the_document_says_what_the_numbers_say() -> None:
    rows = rows_of(a=[(90, 90), (60, 90), (90, 90)], b=[(80, 80), (80, 80), (70, 80)])
    text = document(rows, ("a", "b"))
    assert "## At 50 %" in text and "| b | 70.0 (`chebi`) | 80.0 (`chebi`) | 76.7 | 80.0 |  | 3 |" in text
    assert text.index("| b | 70.0") < text.index("| a | 60.0")
    assert "the rule chooses **b** (worst case 70.0 %); it is the choice in 1 of 2 cases" in text
    assert "`general` is the other side of all, and cannot be left out." in text
    assert "`general`, `finance` and `chebi`: fewer triplets than the largest calibration asks for" in text
    assert "b loses on the general side" in text and "gains on" not in text
    assert "By calibration size" not in text and " nan" not in text


def test_the_documents_words_follow_the_numbers() -> None:
    low, high = [(70, 70)] * 3, [(90, 90)] * 3
    assert "other gains on the domain side" in document(rows_of(first=low, other=high), ("first", "other"))
    assert "other loses on the domain side" in document(rows_of(first=high, other=low), ("first", "other"))
    assert "(its interval leaves 0 out): none." in document(rows_of(first=low, other=low), ("first", "other"))
    kept = "balanced keeps 70.0 % on average and 70.0 % at least, and less than the choice in {} of 2"
    assert kept.format(2) in document(rows_of(balanced=low, other=high))
    assert kept.format(0) in document(rows_of(balanced=low, other=low))


def test_steps_of_the_ablation_are_entries() -> None:
    assert set(ABLATION) <= set(CANDIDATES)


def test_a_run_under_way_is_left_out() -> None:
    whole = [row(source, name, 90, 90) for source in ("general", "finance", "chebi") for name in ("a", "b")]
    rare = row("general", "c", 80, 80)
    begun = row("chebi", "a", 70, 70, seed=1)
    assert _robust_results.finished([*whole, rare, begun]) == [*whole, rare]


def test_runs_that_differ_are_told() -> None:
    rows = [row("general", "a", 90, 90), row("chebi", "a", 90, 90), row("chebi", "a", 91, 91, seed=1)]
    text = document(rows, ("a",))
    assert "Runs by source: `general` 64 triplets with seed 0; `chebi` 64 triplets with seeds 0 and 1." in text
    assert "Not all is measured yet" not in document(rows[:2], ("a",))
