"""The specs: bounds, defaults, presets, and what a person is told about a wrong value."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gaprune_viz.config import (
    Alignment,
    Allocation,
    CalibrationSpec,
    MaskSpec,
    ModelSpec,
    Pooling,
    RecommendSpec,
    RetrainSpec,
    RunSpec,
    Sampling,
    Scope,
    ScoreSpec,
    ServeSpec,
    Settings,
    Spec,
    StudySpec,
    column_mapping,
    help_text,
)
from gaprune_viz.config.presets import PRESETS, preset
from gaprune_viz.errors import GapruneError

WRONG: list[tuple[type[Spec], str, Any]] = [
    (ModelSpec, "model", ""),
    (ModelSpec, "model", "x" * 513),
    (ModelSpec, "pooling", "max"),
    (ModelSpec, "max_length", 7),
    (ModelSpec, "max_length", 32_769),
    (ModelSpec, "dtype", "int8"),
    (ModelSpec, "device", "gpu"),
    (ModelSpec, "device", "cuda:"),
    (CalibrationSpec, "domain", ""),
    (CalibrationSpec, "domain_columns", "q=a"),
    (CalibrationSpec, "domain_columns", "query"),
    (CalibrationSpec, "general_columns", "query=a,"),
    (CalibrationSpec, "samples", 1),
    (CalibrationSpec, "samples", 100_001),
    (CalibrationSpec, "samples", 2.5),
    (CalibrationSpec, "sampling", "some"),
    (CalibrationSpec, "seed", -1),
    (CalibrationSpec, "seed", 2**31),
    (CalibrationSpec, "temperature", 0),
    (CalibrationSpec, "temperature", 10.1),
    (CalibrationSpec, "temperature", math.nan),
    (CalibrationSpec, "scope", "everything"),
    (CalibrationSpec, "token_budget", 63),
    (CalibrationSpec, "left_out", -0.01),
    (CalibrationSpec, "left_out", 0.51),
    (ScoreSpec, "criterion", "DAI"),
    (ScoreSpec, "criterion", "../dai"),
    (ScoreSpec, "alignment", "cosine"),
    (ScoreSpec, "alpha", -0.01),
    (ScoreSpec, "alpha", 1.01),
    (ScoreSpec, "alpha", math.nan),
    (ScoreSpec, "beta", -1.01),
    (ScoreSpec, "beta", 2.01),
    (ScoreSpec, "gamma", 4.01),
    (ScoreSpec, "gamma", math.inf),
    (ScoreSpec, "fisher_scale", "much"),
    (ScoreSpec, "fisher_scale", -1),
    (ScoreSpec, "fisher_scale", math.nan),
    (ScoreSpec, "fisher_scale", math.inf),
    (ScoreSpec, "fisher_scale", 1.1e12),
    (ScoreSpec, "fisher_power", 0.7),
    (MaskSpec, "sparsity", -0.01),
    (MaskSpec, "sparsity", 0.96),
    (MaskSpec, "sparsity", "half"),
    (MaskSpec, "sparsity", math.nan),
    (MaskSpec, "allocation", "column"),
    (MaskSpec, "pattern", "2-4"),
    (MaskSpec, "pattern", "0:4"),
    (MaskSpec, "pattern", "4:4"),
    (MaskSpec, "floor", -0.1),
    (MaskSpec, "ceiling", 0.04),
    (MaskSpec, "ceiling", 1.1),
    (MaskSpec, "row_ceiling", 0.04),
    (MaskSpec, "row_ceiling", 1.1),
    (MaskSpec, "whole_neurons", "some"),
    (RetrainSpec, "steps", 0),
    (RetrainSpec, "batch_size", 1),
    (RetrainSpec, "learning_rate", 0),
    (RetrainSpec, "learning_rate", math.nan),
    (RetrainSpec, "weight_decay", -0.1),
    (RetrainSpec, "warmup", -1),
    (RetrainSpec, "temperature", 0),
    (RetrainSpec, "max_length", 7),
    (RetrainSpec, "clip", 0),
    (RetrainSpec, "seed", -1),
    (ServeSpec, "models", ""),
    (ServeSpec, "upload_mb", 257),
    (ServeSpec, "job_seconds", 4),
    (ServeSpec, "pages_per_address", 0),
    (ServeSpec, "workspace_gb", math.nan),
    (ServeSpec, "root_path", "pruning"),
    (ServeSpec, "root_path", '/a"onload='),
    (RecommendSpec, "sparsity", 0),
    (RecommendSpec, "trials", 1),
    (RecommendSpec, "general_weight", 1.1),
    (StudySpec, "task", ""),
    (StudySpec, "rows", ()),
    (StudySpec, "rows", ("magnitude", "magnitude")),
    (StudySpec, "sparsities", ()),
    (StudySpec, "sparsities", (0.5, 0.96)),
    (StudySpec, "sample_sizes", (1,)),
]
EDGES: list[tuple[type[Spec], dict[str, Any]]] = [
    (ModelSpec, {"max_length": 8, "device": "cuda:3"}),
    (ModelSpec, {"max_length": 32_768, "device": "mps"}),
    (CalibrationSpec, {"samples": 2, "seed": 0, "temperature": 1e-3, "token_budget": 64}),
    (CalibrationSpec, {"samples": 100_000, "seed": 2**31 - 1, "temperature": 10, "token_budget": 1_048_576}),
    (CalibrationSpec, {"domain_columns": "query=title,positive=body,negative=a,negative=b"}),
    (ScoreSpec, {"beta": -1}),
    (ScoreSpec, {"alpha": 0, "beta": 0, "gamma": 0, "fisher_scale": 0, "fisher_power": 0.5}),
    (ScoreSpec, {"alpha": 1, "beta": 2, "gamma": 4, "fisher_scale": 1e12, "fisher_power": 1}),
    (ScoreSpec, {"fisher_scale": "auto"}),
    (MaskSpec, {"sparsity": 0}),
    (MaskSpec, {"sparsity": 0.95}),
    (MaskSpec, {"sparsity": 0.5, "floor": 0.5, "ceiling": 0.5}),
    (MaskSpec, {"pattern": "1:4", "sparsity": 0.1, "floor": 0.2}),
    (ServeSpec, {"models": ("default", "intfloat/e5-small-v2"), "upload_mb": 256, "root_path": "/pruning"}),
]


@pytest.mark.parametrize(("spec", "field", "value"), WRONG, ids=lambda x: getattr(x, "__name__", repr(x)[:24]))
def test_a_wrong_value_is_refused_by_the_name_of_its_field(spec: type[Spec], field: str, value: Any) -> None:
    with pytest.raises(GapruneError) as caught:
        spec.parse({field: value})
    words = field.replace("_", " ")
    assert caught.value.message.replace("-", " ").lower().startswith((f"{words}: ", f"{words} "))
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert "Value error" not in caught.value.message


@pytest.mark.parametrize(("spec", "values"), EDGES, ids=lambda x: getattr(x, "__name__", str(x)[:40]))
def test_the_bounds_themselves_are_allowed(spec: type[Spec], values: dict[str, Any]) -> None:
    parsed = spec.parse(values)
    assert {name: getattr(parsed, name) for name in values} == values


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sparsity": 0.5, "floor": 0.6}, "floor"),
        ({"sparsity": 0.5, "ceiling": 0.4}, "ceiling"),
        ({"sparsity": 0.5, "floor": 0.6, "ceiling": 0.4}, "(?i)floor is above ceiling"),
    ],
)
def test_floor_sparsity_and_ceiling_must_be_in_order(values: dict[str, float], said: str) -> None:
    with pytest.raises(GapruneError, match=said):
        MaskSpec.parse(values)


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    with pytest.raises(GapruneError, match=r"^sparcity") as caught:
        MaskSpec.parse({"sparcity": 0.5})
    assert "sparsity" in caught.value.hint
    assert help_text(CalibrationSpec, "token") == help_text(CalibrationSpec, "budget")
    assert "token-budget" in help_text(CalibrationSpec, "token")


def test_a_wrong_value_inside_another_spec_is_named_too() -> None:
    with pytest.raises(GapruneError, match="device"):
        RunSpec.parse({"model": {"device": "gpu"}})


def test_a_spec_cannot_be_changed_and_a_copy_is_checked_again() -> None:
    spec = MaskSpec()
    with pytest.raises(ValueError, match="frozen"):
        spec.sparsity = 0.9  # type: ignore[misc]
    assert spec.with_(sparsity=0.9) == MaskSpec(sparsity=0.9)
    assert spec == MaskSpec()
    with pytest.raises(GapruneError, match="sparsity"):
        spec.with_(sparsity=0.99)


def test_the_defaults_are_the_papers() -> None:
    score, mask = ScoreSpec(), MaskSpec()
    assert (score.criterion, score.alignment) == ("dai", Alignment.SIGN)
    assert (score.alpha, score.beta, score.gamma, score.fisher_scale, score.fisher_power) == (0.2, 1, 0.5, 1, 1)
    assert (mask.sparsity, mask.allocation, mask.pattern) == (0.5, Allocation.AUTO, "unstructured")
    assert (mask.row_ceiling, mask.whole_neurons) == (1, False)
    assert (CalibrationSpec().temperature, CalibrationSpec().scope) == (0.05, Scope.MLP)
    assert (CalibrationSpec().sampling, ModelSpec().pooling) == (Sampling.KMEANS, Pooling.AUTO)


def test_the_presets_are_those_that_are_documented() -> None:
    paper = Settings()
    assert {name: preset(name).settings for name in PRESETS} == {
        "paper": paper,
        "paper-30": paper.with_(mask=MaskSpec(sparsity=0.3)),
        "balanced": paper.with_(
            score=ScoreSpec(
                alignment=Alignment.CORRELATION, alpha=0.2, beta=0.3, gamma=1, fisher_scale="auto", fisher_power=0.5
            )
        ),
        "robust": paper.with_(
            score=ScoreSpec(
                criterion="joint",
                gamma=1,
                fisher_scale="auto",
                fisher_power=0.5,
            ),
            mask=MaskSpec(whole_neurons=True),
        ),
        "magnitude": paper.with_(score=ScoreSpec(criterion="magnitude")),
        "obd": paper.with_(score=ScoreSpec(criterion="obd_joint")),
        "nm-2-4": paper.with_(mask=MaskSpec(pattern="2:4")),
    }
    assert [PRESETS[name].name for name in PRESETS] == list(PRESETS)
    assert len({p.label for p in PRESETS.values()}) == len(PRESETS)
    assert all(p.sentence.endswith(".") for p in PRESETS.values())


def test_an_unknown_preset_is_answered_with_the_known_ones() -> None:
    with pytest.raises(GapruneError, match="papr") as caught:
        preset("papr")
    assert all(name in caught.value.hint for name in PRESETS)


def test_every_criterion_of_a_preset_exists() -> None:
    from gaprune_viz.criteria.registry import criterion

    found = {criterion(p.settings.score.criterion).name for p in PRESETS.values()}
    assert found == {"dai", "joint", "magnitude", "obd_joint"}


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        (None, None),
        ("", None),
        ("query=title", {"query": "title"}),
        ("query=a,positive=b,negative=c", {"query": "a", "positive": "b", "negative": "c"}),
        ("negative=b,negative=c,query= a b ", {"negative": "b,c", "query": "a b"}),
    ],
)
def test_column_mapping(text: str | None, mapping: dict[str, str] | None) -> None:
    assert CalibrationSpec.parse({"domain_columns": text or None}).domain_columns == (text or None)
    assert column_mapping(text) == mapping


def test_an_n_m_pattern_is_read() -> None:
    assert MaskSpec(pattern="2:4").n_m == (2, 4)
    assert MaskSpec(pattern="10:16").n_m == (10, 16)
    assert MaskSpec().n_m == (0, 0)
