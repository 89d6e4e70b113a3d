"""What decides between ways of finishing a cut: who is asked, by which similarity, and what is no answer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gaprune_viz.analysis.samples import choose_data
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Sampling
from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.loading import load_model
from gaprune_viz.pruning.structured.holdout_choice import Judge, split_texts


def written(path: Path, word: str, count: int) -> str:
    rows = [
        {"query": f"{word} {n}", "positive": f"{word} is {n}", "negatives": [f"no {word} {n}"]} for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_every_source_of_a_side_is_among_what_decides(tiny_bert: Path, tmp_path: Path) -> None:
    domain = f"{written(tmp_path / 'a.jsonl', 'salt', 24)} + {written(tmp_path / 'b.jsonl', 'bond', 24)}"
    general = written(tmp_path / "c.jsonl", "river", 24)
    run = RunSpec(
        model=ModelSpec(model=str(tiny_bert), device="cpu"),
        calibration=CalibrationSpec(domain=domain, general=general, samples=24, sampling=Sampling.ALL),
    )
    model = load_model(run.model)
    hashes = {side: choose_data(run, side, model).source.content_hash for side in ("domain", "general")}
    texts = split_texts(run, hashes, model)
    words = [str(getattr(sample, "query", "")).split()[0] for sample in texts.held["domain"]]
    assert words.count("salt") == words.count("bond") == 6
    assert [getattr(sample, "query", "") for sample in texts.held["general"]] == [f"river {n}" for n in range(18, 24)]
    for side, held in texts.held.items():
        assert not {s.query for s in held if isinstance(s, Triplet)} & {
            s.query for s in texts.learned[side] if isinstance(s, Triplet)
        }


class Spoilt:
    """A model that gives what a test says."""

    def __init__(self, model: Any, change: Any) -> None:
        self.model, self.change = model, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def encode(self, texts: Any, kind: str = "passage") -> np.ndarray:
        return self.change(self.model.encode(texts, kind))


def test_a_way_that_gives_no_numbers_answers_nothing(tiny_bert: Path) -> None:
    dense = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    judge = Judge(dense, {"domain": load_triplets("chemistry").triplets[:12]})
    assert judge.of_dense(dense) == {"domain": 1.0}
    for wrong in (np.nan, np.inf):
        spoilt: Any = Spoilt(dense, lambda vectors, wrong=wrong: np.full_like(vectors, wrong))
        assert judge.of_dense(spoilt) == {"domain": 0.0}
        with pytest.raises(GapruneError, match="not finite"):
            Judge(spoilt, judge.held)


def test_a_model_is_judged_by_its_own_similarity(tiny_bert: Path) -> None:
    dense = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    held = {"domain": load_triplets("chemistry").triplets[:12]}
    assert Judge(dense, held)._value(dense, "domain") == pytest.approx(_rank(dense, held["domain"]))
    dense.st.similarity_fn_name = "dot"
    dotted: Any = Spoilt(dataclasses.replace(dense, similarity="dot"), _longer)
    by_product = Judge(dotted, held)._value(dotted, "domain")
    assert by_product == pytest.approx(_rank(dotted, held["domain"]))
    # Of one length there is nothing that a product and a cosine could differ in.
    assert by_product != pytest.approx(_rank(dense, held["domain"]))


def _longer(vectors: np.ndarray) -> np.ndarray:
    """Each vector longer than the one before."""
    return vectors * np.linspace(1, 9, len(vectors), dtype=np.float32)[:, None]


def _rank(model: Any, triplets: Any) -> float:
    """Mean reciprocal rank, one query after another."""
    passages = list(dict.fromkeys(text for t in triplets for text in (t.positive, *t.negatives)))
    queries, found = model.encode([t.query for t in triplets], "query"), model.encode(passages)
    ranks = []
    for query, triplet in zip(queries, triplets, strict=True):
        scores = found @ query
        ranks.append(1 / (scores >= scores[passages.index(triplet.positive)]).sum())
    return float(np.mean(ranks))
