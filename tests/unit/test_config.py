"""The specs: bounds, presets, keys, and what a person reads when a value is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gaprune_viz.config import (
    PRESETS,
    Alignment,
    Allocation,
    CalibrationSpec,
    MaskSpec,
    ModelSpec,
    RunSpec,
    Sampling,
    Scope,
    ScoreSpec,
    Settings,
    Spec,
    column_mapping,
    field_info,
    help_text,
    preset,
)
from gaprune_viz.errors import GapruneError

SPECS: tuple[type[Spec], ...] = (ModelSpec, CalibrationSpec, ScoreSpec, MaskSpec)
FIELDS = [(spec, name) for spec in SPECS for name in spec.model_fields]
FIELD_IDS = [f"{spec.__name__}.{name}" for spec, name in FIELDS]


def test_the_paper_is_the_default() -> None:
    score, mask, calibration = ScoreSpec(), MaskSpec(), CalibrationSpec()
    assert (score.criterion, score.alignment) == ("dai", Alignment.SIGN)
    assert (score.alpha, score.beta, score.gamma) == (0.2, 1.0, 0.5)
    assert (score.fisher_scale, score.fisher_power) == (1.0, 1.0)
    assert (mask.sparsity, mask.allocation, mask.pattern) == (0.5, Allocation.GLOBAL, "unstructured")
    assert (mask.floor, mask.ceiling) == (0.0, 1.0)
    assert (calibration.temperature, calibration.scope) == (0.05, Scope.MLP)


@pytest.mark.parametrize(
    ("name", "score", "mask"),
    [
        ("paper", {}, {}),
        ("paper-30", {}, {"sparsity": 0.3}),
        (
            "balanced",
            {
                "fisher_power": 0.5,
                "fisher_scale": "auto",
                "beta": 0.3,
                "gamma": 1.0,
                "alpha": 0.2,
                "alignment": Alignment.CORRELATION,
            },
            {},
        ),
        ("magnitude", {"criterion": "magnitude"}, {}),
        ("obd", {"criterion": "obd_joint"}, {}),
        ("nm-2-4", {}, {"pattern": "2:4"}),
    ],
)
def test_presets_are_those_of_the_design(name: str, score: dict[str, Any], mask: dict[str, Any]) -> None:
    settings = preset(name).settings
    assert settings.score == ScoreSpec(**score)
    assert settings.mask == MaskSpec(**mask)


def test_presets_have_names_and_sentences() -> None:
    assert list(PRESETS) == ["paper", "paper-30", "balanced", "magnitude", "obd", "nm-2-4"]
    assert all(name == item.name and item.label and item.sentence.endswith(".") for name, item in PRESETS.items())
    assert len({item.settings.key() for item in PRESETS.values()}) == len(PRESETS)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(GapruneError, match="'papre'") as caught:
        preset("papre")
    assert all(name in caught.value.hint for name in PRESETS)


@pytest.mark.parametrize(
    ("spec", "field", "lowest", "below"),
    [
        (ModelSpec, "max_length", 8, 7),
        (CalibrationSpec, "samples", 2, 1),
        (CalibrationSpec, "seed", 0, -1),
        (CalibrationSpec, "temperature", 1e-6, 0),
        (CalibrationSpec, "token_budget", 64, 63),
        (ScoreSpec, "alpha", 0, -0.01),
        (ScoreSpec, "beta", 0, -0.01),
        (ScoreSpec, "gamma", 0, -0.01),
        (ScoreSpec, "fisher_scale", 0, -1),
        (ScoreSpec, "seed", 0, -1),
        (MaskSpec, "sparsity", 0, -0.01),
        (MaskSpec, "floor", 0, -0.01),
        (MaskSpec, "ceiling", 0.5, 0.04),
    ],
)
def test_lower_bounds(spec: type[Spec], field: str, lowest: float, below: float) -> None:
    assert getattr(spec.parse({field: lowest}), field) == lowest
    with pytest.raises(GapruneError):
        spec.parse({field: below})


@pytest.mark.parametrize(
    ("spec", "field", "highest", "above"),
    [
        (ModelSpec, "max_length", 32_768, 32_769),
        (CalibrationSpec, "samples", 100_000, 100_001),
        (CalibrationSpec, "seed", 2**31 - 1, 2**31),
        (CalibrationSpec, "temperature", 10, 10.1),
        (ScoreSpec, "alpha", 1, 1.01),
        (ScoreSpec, "beta", 2, 2.01),
        (ScoreSpec, "gamma", 4, 4.01),
        (ScoreSpec, "fisher_scale", 1e12, 1e13),
        (MaskSpec, "sparsity", 0.95, 0.96),
        (MaskSpec, "ceiling", 1, 1.01),
    ],
)
def test_upper_bounds(spec: type[Spec], field: str, highest: float, above: float) -> None:
    assert getattr(spec.parse({field: highest}), field) == highest
    with pytest.raises(GapruneError):
        spec.parse({field: above})


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        (ScoreSpec, {"alpha": float("nan")}),
        (ScoreSpec, {"fisher_scale": float("inf")}),
        (ScoreSpec, {"fisher_scale": float("nan")}),
        (ScoreSpec, {"fisher_scale": "large"}),
        (ScoreSpec, {"fisher_power": 0.7}),
        (ScoreSpec, {"alignment": "sideways"}),
        (ScoreSpec, {"criterion": "../dai"}),
        (ScoreSpec, {"criterion": ""}),
        (MaskSpec, {"sparsity": "half"}),
        (MaskSpec, {"pattern": "4:4"}),
        (MaskSpec, {"pattern": "5:4"}),
        (MaskSpec, {"pattern": "0:4"}),
        (MaskSpec, {"pattern": "2-4"}),
        (MaskSpec, {"floor": 0.8, "ceiling": 0.2}),
        (MaskSpec, {"sparsity": 0.5, "floor": 0.6}),
        (MaskSpec, {"sparsity": 0.5, "ceiling": 0.4}),
        (CalibrationSpec, {"domain": ""}),
        (CalibrationSpec, {"domain_columns": "title"}),
        (CalibrationSpec, {"domain_columns": "answer=body"}),
        (CalibrationSpec, {"sampling": "some"}),
        (ModelSpec, {"device": "gpu"}),
        (ModelSpec, {"model": ""}),
        (ModelSpec, {"trust_remote_code": True}),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(spec: type[Spec], values: dict[str, Any]) -> None:
    with pytest.raises(GapruneError) as caught:
        spec.parse(values)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_the_error_names_the_flag_and_the_value() -> None:
    with pytest.raises(GapruneError) as caught:
        CalibrationSpec.parse({"token_budget": 7})
    assert caught.value.message.startswith("token-budget: ")
    assert "64" in caught.value.message
    assert "7" in caught.value.message
    assert caught.value.hint == help_text(CalibrationSpec, "token_budget")


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    with pytest.raises(GapruneError) as caught:
        MaskSpec.parse({"sparseness": 0.5})
    assert all(name in caught.value.hint for name in MaskSpec.model_fields)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_no_value_causes_another_error(value: Any) -> None:
    for spec, name in FIELDS:
        try:
            found = spec.parse({name: value})
        except GapruneError as error:
            assert error.message
        else:
            assert spec.model_validate_json(found.model_dump_json()) == found


def test_specs_are_frozen() -> None:
    mask = MaskSpec()
    with pytest.raises(ValidationError):
        mask.sparsity = 0.9  # type: ignore[misc]
    assert mask.sparsity == 0.5


def test_a_change_is_a_validated_copy() -> None:
    mask = MaskSpec()
    assert mask.with_(sparsity=0.7) == MaskSpec(sparsity=0.7)
    assert mask == MaskSpec()
    with pytest.raises(GapruneError):
        mask.with_(sparsity=0.99)


@pytest.mark.parametrize(
    ("pattern", "kept", "group"), [("unstructured", 0, 0), ("2:4", 2, 4), ("4:8", 4, 8), ("1:16", 1, 16)]
)
def test_n_of_m(pattern: str, kept: int, group: int) -> None:
    assert MaskSpec(pattern=pattern).n_m == (kept, group)


def test_a_pattern_sets_the_sparsity_itself() -> None:
    assert MaskSpec(pattern="2:4", sparsity=0.1, floor=0.4).pattern == "2:4"


def test_column_mappings() -> None:
    assert column_mapping(None) is None
    assert column_mapping("") is None
    assert column_mapping("query=a,positive= b ,negative=c,negative=d") == {
        "query": "a",
        "positive": "b",
        "negative": "c,d",
    }


KEYS = {
    "run": (RunSpec(), "adcbdc88c3ac60af"),
    "settings": (Settings(), "97dcfe90ada0ccd3"),
    "balanced": (PRESETS["balanced"].settings, "e030080f3c0c1aac"),
}


@pytest.mark.parametrize(("spec", "key"), KEYS.values(), ids=KEYS)
def test_keys_of_stored_results_stay(spec: Spec, key: str) -> None:
    """A changed default or a new field makes earlier results unfindable: it has to be meant."""
    assert spec.key() == key


def test_keys_are_the_same_in_another_process() -> None:
    code = "from gaprune_viz.config import RunSpec; print(RunSpec().key())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == RunSpec().key()


def test_every_field_counts_in_the_key() -> None:
    others = (
        RunSpec(model=ModelSpec(model="another")),
        RunSpec(calibration=CalibrationSpec(samples=64)),
        RunSpec(calibration=CalibrationSpec(seed=1)),
        RunSpec(calibration=CalibrationSpec(sampling=Sampling.RANDOM)),
    )
    assert len({RunSpec().key(), *(spec.key() for spec in others)}) == 5


@given(
    st.builds(ScoreSpec, alpha=st.floats(0, 1), beta=st.floats(0, 2), gamma=st.floats(0, 4), seed=st.integers(0, 99)),
    st.builds(MaskSpec, sparsity=st.floats(0, 0.95), allocation=st.sampled_from(Allocation)),
)
def test_json_there_and_back_keeps_spec_and_key(score: ScoreSpec, mask: MaskSpec) -> None:
    settings = Settings(score=score, mask=mask)
    again = Settings.parse(json.loads(settings.model_dump_json()))
    assert again == settings
    assert again.key() == settings.key()


@pytest.mark.parametrize(("spec", "name"), FIELDS, ids=FIELD_IDS)
def test_every_field_can_be_shown(spec: type[Spec], name: str) -> None:
    info = field_info(spec, name)
    assert info["label"]
    assert len(info["help"]) > 10
    assert info["help"].endswith(".")
    assert info["help"] == help_text(spec, name)
    if info["choices"] is not None:
        assert info["default"] in info["choices"]
        assert all(spec.parse({name: choice}) for choice in info["choices"])
    if info["minimum"] is not None and isinstance(info["default"], int | float):
        assert info["minimum"] <= info["default"] <= info["maximum"]
        assert info["ui_maximum"] <= info["maximum"]
