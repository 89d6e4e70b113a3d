"""Keys: a hash of the fields, the same for equal settings, for those of before, and after JSON."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.config import (
    Allocation,
    CalibrationSpec,
    Fisher,
    FisherEstimate,
    MaskSpec,
    ModelSpec,
    RunSpec,
    Sampling,
    Scope,
    ScoreSpec,
    Settings,
    Spec,
    StudySpec,
)


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
