"""Online equals offline: what is served at an example's instant is what history retrieves for it, exactly."""

from pathlib import Path

from features.offline.historical import historical_features
from features.repository.feature_store import open_store
from tests.features.served_in_time import assert_equal, count_statuses, serve_in_time
from tests.features.small_world import build_world, make_examples


def test_every_served_value_is_the_historical_one(tmp_path: Path) -> None:
    # given
    settings = build_world(tmp_path)
    examples = make_examples(rows=600).sort_values(["event_timestamp", "example_id"])
    # when
    served = serve_in_time(settings, "small_v1", examples)
    retrieved = historical_features(open_store(settings), "small_v1", examples)
    # then
    assert_equal(served, retrieved)
    assert min(count_statuses(served)[status] for status in ("present", "missing", "stale")) >= 100


def test_a_view_under_two_aliases_is_served_under_both(tmp_path: Path) -> None:
    # given: devices that send and receive, some the same
    settings = build_world(tmp_path)
    examples = make_examples(rows=600).sort_values(["event_timestamp", "example_id"])
    examples = examples.rename(columns={"device": "sender"})
    examples = examples.assign(receiver=examples["sender"].sample(frac=1, random_state=3).array)
    # when
    served = serve_in_time(settings, "transfer_v1", examples)
    retrieved = historical_features(open_store(settings), "transfer_v1", examples)
    # then
    assert_equal(served, retrieved)
    assert all(retrieved[name].notna().sum() >= 50 for name in ("level", "mode", "count"))
