"""Online equals offline over real flights."""

from datetime import UTC, datetime
from pathlib import Path

from features.apply import apply_repository
from features.contract import read_examples
from features.offline.historical import historical_features
from features.repository.build import run_build
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.served_in_time import assert_equal, count_statuses, serve_in_time

REAL_DAYS = (datetime(2013, 2, 6, tzinfo=UTC), datetime(2013, 2, 10, tzinfo=UTC))


def test_what_is_served_is_what_history_retrieves(tmp_path: Path) -> None:
    # given: four days of the year, some flights with an aircraft or an airline that nobody knows
    settings = FeatureSettings(var=tmp_path)
    run_build(settings, *REAL_DAYS)
    apply_repository(settings)
    examples = read_examples(settings.tables, *REAL_DAYS).sample(400, random_state=5)
    columns = list(examples.columns)
    examples.iloc[:40, columns.index("tailnum")] = "N0NE"
    examples.iloc[40:80, columns.index("carrier")] = "??"
    examples = examples.sort_values(["event_timestamp", "example_id"])
    # when
    served = serve_in_time(settings, "flight_delay_v1", examples)
    retrieved = historical_features(open_store(settings), "flight_delay_v1", examples)
    # then
    assert_equal(served, retrieved)
    assert min(count_statuses(served)[status] for status in ("present", "missing")) >= 100
