"""The specs: bounds, presets, keys, and what a person is told about a wrong value."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz import config
from gaprune_viz.config import (
    Alignment,
    Allocation,
    CalibrationSpec,
    ExecutorSpec,
    Fisher,
    FisherEstimate,
    FrontierSpec,
    MaskSpec,
    ModelSpec,
    Pooling,
    RecommendSpec,
    RefitSpec,
    RetrainSpec,
    RunSpec,
    Sampling,
    Scope,
    ScoreSpec,
    ServeSpec,
    Settings,
    Spec,
    StructureSpec,
    StudySpec,
    TransferSpec,
    column_mapping,
    help_text,
    presets,
)
from gaprune_viz.config.fields import field_info
from gaprune_viz.config.presets import PRESETS, Preset, preset
from gaprune_viz.errors import GapruneError

SPECS: tuple[type[Spec], ...] = (
    ModelSpec,
    CalibrationSpec,
    ScoreSpec,
    MaskSpec,
    RefitSpec,
    RetrainSpec,
    RecommendSpec,
    ServeSpec,
    StructureSpec,
    ExecutorSpec,
)
FIELDS = [(spec, name) for spec in SPECS for name in spec.model_fields]
FIELD_IDS = [f"{spec.__name__}.{name}" for spec, name in FIELDS]

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


@pytest.mark.parametrize("spec", [ModelSpec(), CalibrationSpec(), ScoreSpec(), MaskSpec(), Settings(), RunSpec()])
def test_a_spec_survives_json(spec: Spec) -> None:
    again = type(spec).parse(json.loads(spec.model_dump_json()))
    assert again == spec
    assert again.key() == spec.key()


def test_a_key_is_a_hash_of_the_fields_as_json() -> None:
    text = b'{"allocation":"global","ceiling":1.0,"floor":0.0,"pattern":"unstructured","sparsity":0.5}'
    assert MaskSpec(allocation=Allocation.GLOBAL).key() == hashlib.sha256(text).hexdigest()[:16]


def test_what_was_kept_before_a_field_was_there_is_found_under_the_same_key() -> None:
    """`row_ceiling`, `whole_neurons` and `fisher_estimate` came later: at their defaults they are no part of a key."""
    before = MaskSpec(allocation=Allocation.GLOBAL)
    later = {before.with_(row_ceiling=0.9).key(), before.with_(whole_neurons=True).key()}
    assert len(later | {before.key()}) == 3
    assert ScoreSpec(fisher_estimate=FisherEstimate.SHRUNK).key() != ScoreSpec().key()
    score = (
        '{"alignment":"sign","alpha":0.2,"beta":1.0,"criterion":"dai","fisher_power":1.0,"fisher_scale":1.0,'
        '"gamma":0.5,"seed":0}'
    )
    mask = '{"allocation":"global","ceiling":1.0,"floor":0.0,"pattern":"unstructured","sparsity":0.5}'
    whole = f'{{"mask":{mask},"score":{score}}}'.encode()
    assert Settings(mask=before).key() == hashlib.sha256(whole).hexdigest()[:16]


def test_keys_of_runs_are_those_of_before_there_were_kinds_of_fisher_information() -> None:
    """Written down when CalibrationSpec had neither `fisher` nor `projections`."""
    other = CalibrationSpec(domain="finance", samples=64, seed=3, memory=2.5)
    assert CalibrationSpec().key() == "c8e0d25ff210a313"
    assert RunSpec().key() == "d9a7d5e007e8ce3c"
    assert RunSpec(model=ModelSpec(model="m", max_length=64), calibration=other).key() == "0fa7b314c0723927"
    assert StudySpec().key() == "2cbdb3b0b8ba5356"
    assert CalibrationSpec().content().keys() & {"fisher", "projections"} == set()


def test_a_key_follows_every_field() -> None:
    base = CalibrationSpec()
    changes: dict[str, Any] = {
        "domain": "finance",
        "general": "finance",
        "domain_columns": "query=a",
        "general_columns": "query=a",
        "samples": 64,
        "sampling": Sampling.ALL,
        "seed": 1,
        "temperature": 0.1,
        "scope": Scope.LINEAR,
        "token_budget": 64,
        "memory": 2.0,
        "fisher": Fisher.MODEL,
        "projections": 3,
        "left_out": 0.1,
    }
    assert set(changes) == set(CalibrationSpec.model_fields)
    keys = {base.with_(**{name: value}).key() for name, value in changes.items()}
    assert len(keys | {base.key()}) == len(changes) + 1


@given(alpha=st.floats(0, 1), sparsity=st.floats(0, 0.95), auto=st.booleans())
def test_equal_settings_have_equal_keys_and_others_differ(alpha: float, sparsity: float, auto: bool) -> None:
    score = ScoreSpec(alpha=alpha, fisher_scale="auto" if auto else 1)
    settings = Settings(score=score, mask=MaskSpec(sparsity=sparsity))
    same = Settings.parse(json.loads(settings.model_dump_json()))
    assert same.key() == settings.key()
    other = settings.with_(score=score.with_(fisher_scale=1 if auto else "auto"))
    assert other.key() != settings.key()


def test_whole_numbers_have_one_key() -> None:
    assert ScoreSpec(beta=1).key() == ScoreSpec(beta=1.0).key()
    assert ScoreSpec(fisher_scale=1).key() == ScoreSpec(fisher_scale=1.0).key()


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


@pytest.mark.parametrize(("spec", "field"), FIELDS, ids=FIELD_IDS)
def test_every_field_has_words_for_people(spec: type[Spec], field: str) -> None:
    info = field_info(spec, field)
    assert info["label"]
    assert info["label"] != field
    assert len(info["help"]) >= 15
    assert help_text(spec, field) == info["help"]
    assert spec.parse({field: info["default"]}) == spec()


@pytest.mark.parametrize(("spec", "field"), FIELDS, ids=FIELD_IDS)
def test_the_bounds_of_a_field_are_what_the_spec_enforces(spec: type[Spec], field: str) -> None:
    info = field_info(spec, field)
    if info["choices"] is not None:
        for choice in info["choices"]:
            assert getattr(spec.parse({field: choice}), field) == choice
    if info["maximum"] is not None:
        with pytest.raises(GapruneError):
            spec.parse({field: info["maximum"] + 1})
        assert info["minimum"] is not None
        assert info["ui_maximum"] <= info["maximum"]
    if info["minimum"] is not None:
        with pytest.raises(GapruneError):
            spec.parse({field: info["minimum"] - 1})


def test_field_info_of_a_slider() -> None:
    info = field_info(MaskSpec, "sparsity")
    assert (info["minimum"], info["maximum"], info["step"], info["default"]) == (0, 0.95, 0.01, 0.5)
    assert field_info(CalibrationSpec, "samples")["ui_maximum"] == 512
    assert field_info(CalibrationSpec, "samples")["unit"] == "triplets"
    assert field_info(ScoreSpec, "alignment")["choices"] == [a.value for a in Alignment]


def test_no_spec_is_left_out_of_these_tests() -> None:
    found = {
        member
        for module in (config, presets)
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Spec) and member is not Spec
    }
    assert found == {*SPECS, FrontierSpec, Settings, RunSpec, StudySpec, TransferSpec, Preset}
