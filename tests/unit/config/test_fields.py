"""What a page and a command line say of a field: words for people, bounds and choices that the spec enforces."""

from __future__ import annotations

import inspect

import pytest

from gaprune_viz import config
from gaprune_viz.config import (
    Alignment,
    CalibrationSpec,
    ExecutorSpec,
    FrontierSpec,
    MaskSpec,
    ModelSpec,
    RecommendSpec,
    RefitSpec,
    RetrainSpec,
    RunSpec,
    ScoreSpec,
    ServeSpec,
    Settings,
    Spec,
    StructureSpec,
    StudySpec,
    TransferSpec,
    help_text,
    presets,
)
from gaprune_viz.config.fields import field_info
from gaprune_viz.config.presets import Preset
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
