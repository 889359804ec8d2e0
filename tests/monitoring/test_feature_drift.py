"""Weekly drift of a real feature service: quiet weeks stay quiet, the week of the change stands out."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.contract import read_examples
from features.offline.historical import historical_features
from features.repository.feature_store import open_store
from features.schema.service_columns import feature_columns
from monitoring.ml.__main__ import app
from monitoring.ml.drift.feature_drift import WEEK, WeeklyDrift, measure_weekly_drift
from monitoring.ml.drift.feature_drift_report import HISTORY_FILE, MATRIX_FILE, PAGE_FILE
from monitoring.ml.drift.population_stability import column_psi
from monitoring.ml.settings import MonitoringSettings
from tests.second_problem.problem import PROBLEM
from tests.second_problem.tables import DAYS, HORIZON, SHIFT, START
from tests.second_problem.world import PROBLEM_PATH, build_docks, dock_environment, dock_settings

# The demand changes at a week's start, so that one week is wholly after it and its reference wholly before.
FIRST = SHIFT - 4 * WEEK
END = START + timedelta(days=DAYS)
CHANGED, UNMOVED = "rides_last_hour", "docks"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> MonitoringSettings:
    var = tmp_path_factory.mktemp("docks") / "var"
    build_docks(var)
    return watch_docks(var)


def watch_docks(var: Path) -> MonitoringSettings:
    return MonitoringSettings(var=var, problem=PROBLEM_PATH, features=dock_settings(var).features)


@pytest.fixture(scope="module")
def drift(settings: MonitoringSettings) -> WeeklyDrift:
    return measure_weekly_drift(settings.features, PROBLEM, FIRST, END, reference_weeks=2)


def test_every_feature_of_the_service_is_compared_in_every_week(
    settings: MonitoringSettings, drift: WeeklyDrift
) -> None:
    names = {
        column.name for column in feature_columns(open_store(settings.features), PROBLEM.feature_service)
    }
    assert set(drift.matrix.index) == names
    assert list(drift.matrix.columns) == [FIRST + number * WEEK for number in range((END - FIRST) // WEEK)]
    assert drift.matrix.notna().all(axis=None)


def test_the_change_shows_in_its_week_and_not_before(drift: WeeklyDrift) -> None:
    changed = drift.matrix.loc[CHANGED]
    assert changed[SHIFT] > drift.threshold
    assert changed[changed.index < SHIFT].max() < drift.threshold
    assert drift.matrix.loc[UNMOVED].max() == 0
    assert list(drift.matrix.max(axis=1)) == sorted(drift.matrix.max(axis=1), reverse=True)


def test_the_index_is_the_one_that_the_monitor_decides_by(
    settings: MonitoringSettings, drift: WeeklyDrift
) -> None:
    # Given every example of the week of the change and of its reference, features read independently
    store = open_store(settings.features)

    def values(start: datetime, end: datetime) -> pd.Series:
        examples = read_examples(settings.features.tables, start, end)
        return historical_features(store, PROBLEM.feature_service, examples)[CHANGED]

    before, now = values(SHIFT - 2 * WEEK, SHIFT), values(SHIFT, SHIFT + WEEK)
    assert drift.matrix.loc[CHANGED, SHIFT] == column_psi(before, now, "numeric")  # type: ignore[index]


def test_fewer_rows_a_week_say_the_same_every_time(settings: MonitoringSettings) -> None:
    sampled = [
        measure_weekly_drift(settings.features, PROBLEM, SHIFT, END, 2, weekly_rows=200) for _ in range(2)
    ]
    pd.testing.assert_frame_equal(sampled[0].history, sampled[1].history)
    assert sampled[0].history["rows"].max() == 200
    assert sampled[0].matrix.loc[CHANGED, SHIFT] > sampled[0].threshold  # type: ignore[index]


def run(settings: MonitoringSettings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    for name, value in dock_environment(settings.var).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["feature-drift", *arguments])
    return done.exit_code, done.output


def test_the_command_prints_worst_first_and_leaves_a_history(
    settings: MonitoringSettings, drift: WeeklyDrift, monkeypatch: pytest.MonkeyPatch
) -> None:
    period = ["--start", FIRST.isoformat(), "--end", END.isoformat(), "--reference-weeks", "2"]

    code, output = run(settings, monkeypatch, *period)

    assert code == 0, output
    folder = settings.feature_drift_dir
    rows = [line.split()[0] for line in output.splitlines() if not line.startswith(str(folder))]
    assert rows[2:] == list(drift.matrix.index)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / HISTORY_FILE), drift.history)
    assert json.loads((folder / MATRIX_FILE).read_text())["index"] == list(drift.matrix.index)
    assert all(name in (folder / PAGE_FILE).read_text() for name in drift.matrix.index)


@pytest.mark.parametrize(
    ("start", "end", "code", "said"),
    [
        ("2020-01-06T00:00:00Z", "2020-02-03T00:00:00Z", 1, "choose --start and --end in the data"),
        ((START - HORIZON).isoformat(), (START + WEEK).isoformat(), 1, "choose a later --start"),
        ("2024-04-01", "2024-05-01", 2, "zone"),
    ],
)
def test_a_period_that_cannot_be_compared_is_said(
    settings: MonitoringSettings,
    monkeypatch: pytest.MonkeyPatch,
    start: str,
    end: str,
    code: int,
    said: str,
) -> None:
    ended, output = run(settings, monkeypatch, "--start", start, "--end", end)
    assert ended == code
    assert said in " ".join(output.split())


def test_a_folder_that_cannot_be_written_is_named(
    settings: MonitoringSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = watch_docks(tmp_path / "var")
    build_docks(blocked.var)
    (blocked.var / "monitoring").write_text("a file where the folder should be")

    code, output = run(blocked, monkeypatch, "--start", FIRST.isoformat(), "--end", END.isoformat())

    assert code == 1
    assert str(blocked.feature_drift_dir) in output.replace("\n", "")
