"""The online reader: status, age and TTL at the request's own instant; nothing later is seen."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.errors import OnlineStoreError
from features.online.reader import OnlineReader, ServedFeatures
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.small_world import REPOSITORY, START, build_world

NOON = START + timedelta(hours=12)
ASKED = {"device": "d0", "site": 1, "due_at": NOON, "amount": 6, "note": "urgent"}
Write = Callable[..., None]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FeatureSettings:
    """Stored: a reading of d0 at noon, and the load of site 1 (with `open` null) an hour before."""
    settings = build_world(tmp_path_factory.mktemp("world"))
    store = open_store(settings)
    reading = {
        "device": "d0",
        "observed_at": NOON,
        "created_at": NOON,
        "level": 1.5,
        "mode": "low",
        "count": 2,
    }
    store.write_to_online_store("readings", pd.DataFrame([reading]))
    load = {"site": 1, "event_timestamp": NOON - timedelta(hours=1), "load": 0.5, "open": None}
    store.write_to_online_store("site_load", pd.DataFrame([load]))
    return settings


@pytest.fixture(scope="module")
def reader(settings: FeatureSettings) -> OnlineReader:
    return OnlineReader(settings, "small_v1")


def read(reader: OnlineReader, as_of: datetime, **changes: object) -> ServedFeatures:
    return reader.read([ASKED | changes], [as_of])[0]


def test_what_is_known_is_present_with_its_age(reader: OnlineReader) -> None:
    served = read(reader, NOON + timedelta(minutes=10))
    assert (served.values["level"], served.values["mode"], served.values["count"]) == (1.5, "low", 2.0)
    assert served.status["level"] == "present"
    assert served.age_seconds["level"] == 600.0
    assert list(served.values) == [column.name for column in reader.columns]
    assert isinstance(served.values["count"], float)


def test_a_null_is_missing_and_has_an_age(reader: OnlineReader) -> None:
    served = read(reader, NOON)
    assert (served.values["open"], served.status["open"]) == (None, "missing")
    assert served.age_seconds["open"] == 3600.0


@pytest.mark.parametrize("keys", [{"device": "new"}, {"device": None}, {"device": 7}])
def test_an_unknown_key_is_missing(reader: OnlineReader, keys: dict[str, object]) -> None:
    served = read(reader, NOON, **keys)
    assert (served.values["level"], served.status["level"]) == (None, "missing")
    assert served.age_seconds["level"] is None
    assert (served.values["load_step"], served.status["load_step"]) == (2.0, "present")


def test_past_its_ttl_a_value_is_stale_and_not_served(reader: OnlineReader) -> None:
    last = NOON + timedelta(hours=1)
    assert read(reader, last).status["level"] == "present"
    served = read(reader, last + timedelta(microseconds=1))
    assert (served.values["level"], served.status["level"]) == (None, "stale")
    assert served.age_seconds["level"] == pytest.approx(3600, abs=1e-3)


def test_what_became_known_later_is_not_seen(reader: OnlineReader) -> None:
    served = read(reader, NOON - timedelta(microseconds=1))
    assert (served.values["level"], served.status["level"]) == (None, "missing")


def test_an_on_demand_value_is_present_and_as_old_as_its_oldest_input(reader: OnlineReader) -> None:
    served = read(reader, NOON)
    assert (served.values["amount_per_level"], served.age_seconds["amount_per_level"]) == (4.0, 3600.0)
    assert (served.values["due_hour"], served.age_seconds["due_hour"]) == (12.0, None)
    assert (served.values["short_note"], served.status["short_note"]) == ("urg", "present")


def test_an_on_demand_value_that_cannot_be_had_takes_its_inputs_status(reader: OnlineReader) -> None:
    stale = read(reader, NOON + timedelta(hours=2))
    assert (stale.values["amount_per_level"], stale.status["amount_per_level"]) == (None, "stale")
    assert (stale.values["has_level"], stale.status["has_level"]) == (0.0, "present")
    absent = read(reader, NOON, device="new")
    assert absent.status["amount_per_level"] == "missing"
    unasked = read(reader, NOON, due_at=None, note=None)
    assert (unasked.values["due_hour"], unasked.status["due_hour"]) == (None, "missing")


def test_request_fields_may_come_as_a_caller_writes_them(reader: OnlineReader) -> None:
    expected = read(reader, NOON).values
    assert read(reader, NOON, due_at="2024-03-01T13:00:00+01:00", amount=6.0).values == expected
    assert read(reader, NOON, due_at=pd.Timestamp(NOON)).values == expected


def test_a_batch_answers_each_row_as_alone(reader: OnlineReader) -> None:
    # given
    moments = [NOON + timedelta(minutes=20 * step) for step in range(-3, 6)]
    rows = [
        ASKED | {"device": name, "amount": number} for number, name in enumerate(["d0", "new", "d0"] * 3, 1)
    ]
    # when
    together = reader.read(rows, moments)
    # then
    assert together == [reader.read([row], [moment])[0] for row, moment in zip(rows, moments, strict=True)]
    assert reader.read([], []) == []


def test_many_keys_are_read_in_one_call(reader: OnlineReader) -> None:
    rows = [ASKED | {"device": f"d{number}"} for number in range(1500)]
    served = reader.read(rows, [NOON] * len(rows))
    assert [answer.status["level"] for answer in served] == ["present"] + ["missing"] * 1499


def test_threads_share_a_reader(reader: OnlineReader) -> None:
    # given
    expected, answers = read(reader, NOON), list[ServedFeatures]()

    def ask() -> None:
        answers.extend(read(reader, NOON) for _ in range(50))

    # when
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then
    assert answers == [expected] * 400


def test_an_absent_database_says_what_to_do(tmp_path: Path) -> None:
    # given
    settings = build_world(tmp_path)
    reader = OnlineReader(settings, "small_v1")
    # when
    for path in settings.features_dir.glob("online.db*"):
        path.unlink()
    # then
    with pytest.raises(OnlineStoreError, match="python -m features apply"):
        read(reader, NOON)


def test_a_row_of_any_age_is_materialised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a site that was measured once, long before 1970
    settings = build_world(tmp_path)
    table = settings.tables / "site_load.parquet"
    measured = pd.read_parquet(table)
    long_ago = measured.head(1).assign(site=4, event_timestamp=datetime(1955, 11, 5, tzinfo=UTC), open=True)
    pd.concat([measured, long_ago]).to_parquet(table, coerce_timestamps="us")
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    monkeypatch.setenv("ROUNDTRIP_FEATURE_REPO", str(REPOSITORY))
    # when
    ran = CliRunner().invoke(app, ["materialize", "--as-of", NOON.isoformat()])
    # then
    assert ran.exit_code == 0, ran.output
    assert read(OnlineReader(settings, "small_v1"), NOON, site=4).values["open"] is not None
