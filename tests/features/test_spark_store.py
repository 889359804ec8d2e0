"""Feast's Spark store over the built tables: the answers of the as-of store, in the order of the question."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from feast import FeatureStore

from features.cluster.session import open_spark
from features.contract import read_examples
from features.historical import historical_features
from features.settings import FeatureSettings
from features.store import apply_repository, open_store
from tests.features.conftest import END, START

pytestmark = pytest.mark.spark

SERVICE = "flight_delay_v1"
QUESTIONS = 2_000


@pytest.fixture(scope="module")
def stores(
    days: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FeatureStore, FeatureStore]]:
    """The as-of store and the Spark store, over the same tables."""
    with pytest.MonkeyPatch.context() as environment:
        asof = _applied(days, tmp_path_factory.mktemp("asof"), "features", environment)
        spark = _applied(days, tmp_path_factory.mktemp("spark"), "features/spark", environment)
        with open_spark(FeatureSettings()):
            yield asof, spark


@pytest.fixture(scope="module")
def questions(days: Path) -> pd.DataFrame:
    return read_examples(days, START, END).sample(QUESTIONS, random_state=2013)


def test_every_view_answers_as_the_asof_store_does(
    stores: tuple[FeatureStore, FeatureStore], questions: pd.DataFrame
) -> None:
    asof, spark = stores
    for view in asof.list_feature_views():
        refs = [f"{view.name}:{field.name}" for field in view.features]
        keys = [column.name for column in view.entity_columns]
        rows = questions[[*keys, "event_timestamp"]]
        expected = asof.get_historical_features(rows, refs).to_df()[[ref.split(":")[1] for ref in refs]]
        answered = spark.get_historical_features(rows, refs).to_df()[expected.columns]
        pd.testing.assert_frame_equal(
            answered.fillna(float("nan")), expected.fillna(float("nan")), check_dtype=False, obj=view.name
        )


def test_a_service_with_on_demand_views_answers_alike(
    stores: tuple[FeatureStore, FeatureStore], questions: pd.DataFrame
) -> None:
    asof, spark = stores
    before = questions.copy()
    answered = historical_features(spark, SERVICE, questions)
    pd.testing.assert_frame_equal(answered, historical_features(asof, SERVICE, questions))
    pd.testing.assert_frame_equal(questions, before)


def _applied(days: Path, var: Path, repository: str, environment: pytest.MonkeyPatch) -> FeatureStore:
    (var / "features").mkdir()
    (var / "features" / "tables").symlink_to(days)
    environment.setenv("ROUNDTRIP_VAR", str(var))
    environment.setenv("ROUNDTRIP_FEATURE_REPO", repository)
    settings = FeatureSettings()
    apply_repository(settings)
    return open_store(settings)
