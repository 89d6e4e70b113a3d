"""The benchmark of what a refit gives back: on which queries it chooses, on which it reports, what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import _refit_quality_document, _robust_cells, _robust_sources, refit_quality
from benchmarks.refit_quality import Halves, Measuring
from gaprune_viz.config import SIDES, ModelSpec, RefitSpec, Settings
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.models.loading import load_model


def topics(task: RetrievalTask, chosen: np.ndarray) -> set[str]:
    topic_of = {p.id: p.topic for p in task.corpus}
    asked = [query for query, own in zip(task.judged, chosen, strict=True) if own]
    return {topic_of[id] for query in asked for id in task.relevant(query)}


def test_what_is_reported_shares_no_topic_with_what_is_chosen_on() -> None:
    task = load_task("finance")
    half = Halves.of(task, np.full(len(task.judged), 0.5))
    assert topics(task, half.test) and topics(task, ~half.test)
    assert not topics(task, half.test) & topics(task, ~half.test)
    scores = np.where(half.test, 0.4, 0.1)
    assert half.percent(scores, test=True) == pytest.approx(80)
    assert half.percent(scores, test=False) == pytest.approx(20)
    assert half.difference(scores, half.dense) == pytest.approx([-20, -20, -20])


@pytest.mark.slow
def test_it_chooses_on_validation_queries_and_goes_on_where_it_stopped(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(refit_quality, "RIDGES", (0.1, 0.3))
    monkeypatch.setattr(refit_quality, "SHARES", (0.0, 0.5))
    bench = _robust_cells.Bench(tmp_path, load_model(ModelSpec(model=str(tiny_bert), device="cpu")))
    given = _robust_sources.sources(tmp_path / "texts", ["finance"])

    def measuring(**more: Any) -> Measuring:
        return Measuring(bench, given, 4, [0], [0.6], rows={"robust": refit_quality.ROWS["robust"]}, **more)

    nothing = refit_quality.results(measuring(kept=True))
    assert not nothing["choices"] and nothing["given_back"] == {"0.6": []}
    found = refit_quality.results(measuring())
    assert capsys.readouterr().err.count(" of at most ") >= 4
    choice = found["choices"]["0.6"]
    assert len(choice["tried"]) == 3
    halves = measuring().halves["finance"]

    def validation(ridge: float, share: float) -> float:
        spec = RefitSpec(refit=True, ridge=ridge, domain_share=share)
        at: Settings = refit_quality.ROWS["robust"].at(0.6).with_(refit=spec)
        kept = bench.known(given[0], 4, 0, at)
        assert kept is not None
        scores = {side: np.asarray(kept["scores"][side]) for side in SIDES}
        return min(scores[s][~halves[s].test].mean() / halves[s].dense[~halves[s].test].mean() for s in SIDES)

    places = [(row["ridge"], row["share"]) for row in choice["tried"]]
    assert (choice["ridge"], choice["share"]) == max(places, key=lambda place: validation(*place))
    # Nothing is measured again.
    kept = measuring(kept=True)
    assert refit_quality.results(kept) == found and not kept.seconds
    section = _refit_quality_document.render(json.loads(json.dumps(found)))
    assert "`robust`, refit, chosen" in section and "### 60 % pruned" in section


def test_a_section_takes_the_place_of_the_one_before() -> None:
    before = "# A\n\nwords\n\n## What it gives back\n\nold\n\n### more\n\nold\n\n## Costs\n\nmuch\n"
    new = "## What it gives back\n\nnew\n"
    after = _refit_quality_document.into(before, new)
    assert after == "# A\n\nwords\n\n## What it gives back\n\nnew\n\n## Costs\n\nmuch\n"
    assert _refit_quality_document.into(after, new) == after
    assert _refit_quality_document.into("# A\n\nwords\n", new) == "# A\n\nwords\n\n" + new
