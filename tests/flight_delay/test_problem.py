"""The worked problem agrees with the feature repository that it is declared over."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from contracts.problem import load_problem
from features.contract import OUTCOMES, read_labels
from features.flight_delay import definitions
from flight_delay.problem import PROBLEM

FEAST_TYPES = {"string": "String", "integer": "Int64", "number": "Float64", "timestamp": "UnixTimestamp"}


def test_the_default_problem_loads():
    assert load_problem("flight_delay.problem:PROBLEM") is PROBLEM


def test_keys_are_the_repositorys_entities():
    declared = {key.name: FEAST_TYPES[key.dtype] for key in PROBLEM.entity_keys}
    assert declared == {name: str(dtype) for name, dtype in definitions.KEY_TYPES.items()}


def test_request_fields_are_the_request_sources():
    declared = {field.name: FEAST_TYPES[field.dtype] for field in PROBLEM.request_fields}
    assert declared == {field.name: str(field.dtype) for field in definitions.request.schema}


def test_the_service_exists():
    assert definitions.flight_delay_v1.name == PROBLEM.feature_service


def test_drift_ignores_known_features_only():
    names = {
        feature.name
        for view in definitions.flight_delay_v1.feature_view_projections
        for feature in view.features
    }
    assert set(PROBLEM.drift.ignored_features) <= names


def test_every_feature_has_its_words():
    names = {
        feature.name
        for view in definitions.flight_delay_v1.feature_view_projections
        for feature in view.features
    }
    assert set(PROBLEM.reasons) == names


@pytest.mark.parametrize(("arr_delay", "late"), [(14.0, False), (15.0, True), (-20.0, False)])
def test_late_begins_at_fifteen_minutes(arr_delay, late, tmp_path):
    known_at = datetime(2013, 5, 1, tzinfo=UTC)
    outcomes = pd.DataFrame(
        {"example_id": ["flown", "lost"], "arr_delay": [arr_delay, None], "known_at": [known_at, None]}
    )
    outcomes.astype({"known_at": "datetime64[us, UTC]"}).to_parquet(tmp_path / OUTCOMES)
    labels = read_labels(tmp_path, PROBLEM.label, known_at)
    assert dict(zip(labels["example_id"], labels["late"], strict=True)) == {"flown": late}


def test_examples_in_the_spec_fit_its_own_ranges():
    for field in PROBLEM.fields:
        if field.minimum is not None and field.maximum is not None:
            assert field.minimum <= float(field.example) <= field.maximum
        if field.dtype == "string":
            assert len(str(field.example)) <= field.max_length
