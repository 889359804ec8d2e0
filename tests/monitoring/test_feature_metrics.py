"""Figures of the feature tables: those of each view's last check, and one for a record that is damaged."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.utils import floatToGoString

from features.quality.measure import TableMeasure
from features.quality.record import QualityRecord, append_records, make_record
from monitoring.ml.server.feature_metrics import FeatureQualityCollector

CHECKED = datetime(2024, 5, 6, tzinfo=UTC)
LIMIT = timedelta(hours=1).total_seconds()


def checked(view: str, age: timedelta, missing: float, at: datetime = CHECKED) -> QualityRecord:
    measure = TableMeasure(rows=10, newest=at - age, largest_gap_seconds=60.0, null_rate={"level": missing})
    return make_record(view, "build", at, measure, LIMIT, {"level": 0.5})


def scrape(file: Path) -> str:
    registry = CollectorRegistry()
    registry.register(FeatureQualityCollector(file))
    return generate_latest(registry).decode()


def test_each_views_last_check_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "features" / "quality.jsonl"
    append_records(file, [checked("meters", timedelta(hours=3), 0.9), checked("sites", timedelta(0), 0.0)])
    append_records(file, [checked("meters", timedelta(minutes=5), 0.25, CHECKED + timedelta(days=1))])

    text = scrape(file)

    assert 'roundtrip_feature_freshness_seconds{view="meters"} 300.0' in text
    assert f'roundtrip_feature_freshness_limit_seconds{{view="meters"}} {LIMIT}' in text
    assert 'roundtrip_feature_freshness_seconds{view="sites"} 0.0' in text
    assert (
        f'roundtrip_feature_newest_timestamp_seconds{{view="sites"}} {floatToGoString(CHECKED.timestamp())}'
        in text
    )
    assert 'roundtrip_feature_null_rate{feature="level",view="meters"} 0.25' in text
    assert 'roundtrip_feature_null_rate_limit{feature="level",view="meters"} 0.5' in text
    assert "roundtrip_feature_record_readable 1.0" in text


def test_a_later_check_shows_at_the_next_scrape(tmp_path: Path) -> None:
    file = tmp_path / "quality.jsonl"
    append_records(file, [checked("meters", timedelta(minutes=5), 0.1)])
    collector = FeatureQualityCollector(file)
    registry = CollectorRegistry()
    registry.register(collector)
    generate_latest(registry)

    append_records(file, [checked("meters", timedelta(minutes=50), 0.1)])

    assert 'freshness_seconds{view="meters"} 3000.0' in generate_latest(registry).decode()


def test_before_any_check_there_is_nothing_to_show(tmp_path: Path) -> None:
    text = scrape(tmp_path / "quality.jsonl")
    assert "roundtrip_feature_record_readable 1.0" in text
    assert "view=" not in text


@pytest.mark.parametrize(
    ("added", "readable"),
    [("not a record\n", 0.0), ('{"view": "half a li', 1.0)],
    ids=["damaged", "unfinished"],
)
def test_a_damaged_line_is_a_figure_and_an_unfinished_one_waits(
    tmp_path: Path, added: str, readable: float
) -> None:
    file = tmp_path / "quality.jsonl"
    append_records(file, [checked("meters", timedelta(minutes=5), 0.1)])
    with file.open("a") as stream:
        stream.write(added)

    text = scrape(file)

    assert f"roundtrip_feature_record_readable {readable}" in text
    assert ('view="meters"' in text) == bool(readable)
