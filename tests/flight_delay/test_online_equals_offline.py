"""A thousand flights over HTTP at their own instants: served = historical = worked out from the raw files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from contracts.bundle.reader import read_bundle
from contracts.matrix import to_matrix
from contracts.registry import current, fetch_bundle
from experiments.processes import Service, Supervisor
from experiments.replay.services import Services
from experiments.replay.traffic import PredictionClient, moments
from features.apply import apply_repository
from features.contract import read_examples
from features.flight_delay.raw import find_raw_dir
from features.offline.historical import historical_features
from features.online.feed import OnlineFeed
from features.repository.build import run_build
from features.repository.feature_store import open_store
from features.schema.feature_column import FeatureColumn
from features.schema.service_columns import feature_columns
from flight_delay.problem import PROBLEM
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from tests.flight_delay import quick_problem
from tests.flight_delay.hard_cases import MONTHS, TOTAL, choose_cases
from tests.flight_delay.recompute import Recomputed, recompute
from tests.flight_delay.recompute_world import read_world
from training.outcome import TrainingRequest
from training.pipeline import train
from training.settings import TrainingSettings

pytestmark = pytest.mark.timeout(600)

SERVICE = PROBLEM.feature_service
ALWAYS = (datetime(2012, 1, 1, tzinfo=UTC), datetime(2015, 1, 1, tzinfo=UTC))
AT_LEAST = 100
PER_MONTH = 60
RELATIVE, ABSOLUTE = 1e-9, 1e-9
MEASURED = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")


@dataclass(frozen=True)
class Year:
    """The same examples three times, row by row: logged when served, retrieved historically, worked out."""

    columns: tuple[FeatureColumn, ...]
    cases: pd.DataFrame
    log: pd.DataFrame
    history: pd.DataFrame
    recomputed: Recomputed

    def served(self, part: str) -> pd.DataFrame:
        """The log's `feature`, `status` or `age` columns under the features' own names."""
        return pd.DataFrame({column.name: self.log[f"{part}.{column.name}"] for column in self.columns})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    """A year of feature tables, an applied repository and a small registered champion."""
    settings = InferenceSettings(var=tmp_path_factory.mktemp("year"), replay=True)
    run_build(settings.features)
    apply_repository(settings.features)
    request = TrainingRequest(as_of=quick_problem.AS_OF, reason="something to serve")
    train(TrainingSettings(var=settings.var), quick_problem.PROBLEM, request)
    return settings


@pytest.fixture(scope="module")
def service(settings: InferenceSettings) -> Iterator[Service]:
    """The service itself, in replay mode, in a process of its own; it may not answer yet."""
    with Supervisor(settings.var / "logs") as supervisor:
        yield Services(supervisor, settings.features).start_service()


@pytest.fixture(scope="module")
def year(settings: InferenceSettings, service: Service) -> Year:
    """The cases chosen, served in time order with the online store fed along, and looked up again."""
    world = read_world(find_raw_dir())
    cases = choose_cases(read_examples(settings.features.tables, *ALWAYS), world)
    _serve(settings, service, cases)
    log = read_predictions(settings, *ALWAYS).set_index("request_id")
    store = open_store(settings.features)
    return Year(
        columns=feature_columns(store, SERVICE),
        cases=cases,
        log=log.reindex(cases["example_id"]).reset_index(),
        history=historical_features(store, SERVICE, cases),
        recomputed=recompute(world, cases),
    )


def _serve(settings: InferenceSettings, service: Service, cases: pd.DataFrame) -> None:
    feed = OnlineFeed(settings.features, SERVICE, cases)
    service.wait_for_answer("/health/ready")
    client = PredictionClient(service.url)
    for moment in moments(PROBLEM, cases):
        feed.advance(moment.as_of.to_pydatetime())
        client.predict(moment.instances)
    client.close()


def _expired(year: Year) -> pd.Series:
    return (year.served("status") == "stale").any(axis="columns")


def _null(year: Year) -> pd.Series:
    """No aircraft named, or a measurement missing from weather that was there."""
    statuses = year.served("status")[[*MEASURED]]
    observed = year.recomputed.rows["weather"] == "present"
    return year.cases["tailnum"].isna() | (observed & (statuses == "missing").any(axis="columns"))


def _unknown_aircraft(year: Year) -> pd.Series:
    """An aircraft is named, and neither the register nor any flight before has it."""
    rows = year.recomputed.rows[["aircraft_legs", "aircraft_facts"]]
    status = year.served("status")["aircraft_status"]
    return year.cases["tailnum"].notna() & (rows == "missing").all(axis="columns") & (status == "missing")


def _empty_window(year: Year) -> pd.Series:
    """Nothing left the origin in two hours, and the answer says so: a count of 0 and no mean."""
    values, statuses = year.served("feature"), year.served("status")
    counted = (values["departures_2h"] == 0) & (statuses["departures_2h"] == "present")
    return counted & (statuses["departure_delay_2h"] == "missing")


@pytest.mark.parametrize("kind", [_expired, _null, _unknown_aircraft, _empty_window])
def test_each_hard_case_comes_up_often(year: Year, kind: Callable[[Year], pd.Series]) -> None:
    """What was served, and what was worked out, says which cases the comparison really covers."""
    assert kind(year).sum() >= AT_LEAST


def test_every_flight_was_served_at_its_own_instant(year: Year) -> None:
    months = year.cases["scheduled_departure"].dt.tz_convert("America/New_York").dt.month

    assert year.cases["example_id"].is_unique
    assert len(year.cases) == TOTAL
    assert months.value_counts().reindex(range(1, MONTHS + 1), fill_value=0).min() >= PER_MONTH
    assert year.log["prediction_time"].tolist() == year.cases["event_timestamp"].tolist()
    assert year.log["source"].eq("online").all()


def test_served_features_are_the_historical_ones(year: Year) -> None:
    """Exactly: the same float64, not a rounded one."""
    names = [column.name for column in year.columns]

    pd.testing.assert_frame_equal(
        year.served("feature"), year.history[names], check_exact=True, check_column_type=False
    )


@pytest.mark.parametrize("answers", ["served", "historical"])
def test_features_are_what_the_raw_files_say(year: Year, answers: str) -> None:
    given = year.served("feature") if answers == "served" else year.history
    different = {
        c.name: _differences(given[c.name], year.recomputed.values[c.name], c.kind) for c in year.columns
    }

    assert {
        name: year.cases["example_id"][rows].tolist()[:3] for name, rows in different.items() if rows.any()
    } == {}


def test_statuses_are_what_the_raw_files_say(year: Year) -> None:
    served = year.served("status")
    different = {name: (served[name] != year.recomputed.statuses[name]).to_numpy() for name in served}

    assert {
        name: year.cases["example_id"][rows].tolist()[:3] for name, rows in different.items() if rows.any()
    } == {}


def test_predictions_are_the_models_on_historical_features(year: Year, settings: InferenceSettings) -> None:
    champion = current(settings.registry, PROBLEM.name)
    assert champion is not None
    bundle = read_bundle(fetch_bundle(settings.registry, champion))

    expected = bundle.scorer().score_matrix(to_matrix(year.history, bundle.contract.columns))

    assert year.log["prediction"].to_numpy() == pytest.approx(expected, abs=1e-6)


def _differences(
    given: pd.Series, expected: pd.Series, kind: str
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    if kind == "categorical":
        return (given.fillna("") != expected.fillna("")).to_numpy()
    numbers = given.to_numpy(np.float64), expected.to_numpy(np.float64)
    return ~np.isclose(*numbers, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
