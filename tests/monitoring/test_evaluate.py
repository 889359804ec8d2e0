"""One evaluation end to end: real log, real labels, real bundle, Evidently's verdict, the record."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pandas as pd
import pytest

from contracts.registry import open_client
from inference.prediction_log.errors import UnknownLogVersionError
from inference.prediction_log.schema import log_folder
from monitoring.ml.decisions.record import Decision
from monitoring.ml.decisions.signals import Signal
from monitoring.ml.errors import NoChampionError
from monitoring.ml.monitor import Monitor
from monitoring.ml.settings import MonitoringSettings
from tests.monitoring.orders import POLICY, PROBLEM, START, WEEK, draw_orders
from tests.monitoring.world import (
    add_champion,
    live_through,
    log_predictions,
    write_outcomes,
)

OpenMonitor = Callable[[MonitoringSettings], Monitor]
ORDERS = 1_200
pytestmark = pytest.mark.usefixtures("no_orchestrator")


def week(number: int, **drift: float) -> pd.DataFrame:
    return draw_orders(START + number * WEEK, ORDERS, seed=20 + number, **drift)


def end_of(number: int) -> datetime:
    return START + (number + 1) * WEEK


def signals_of(decision: Decision) -> dict[str, Signal]:
    return {signal.name: signal for signal in decision.signals}


def test_weeks_like_the_reference_are_held(settings: MonitoringSettings, open_monitor: OpenMonitor) -> None:
    live_through(settings, [week(0), week(1)])
    monitor = open_monitor(settings)

    decisions = [monitor.evaluate(end_of(number)) for number in range(2)]

    assert [decision.verdict for decision in decisions] == ["hold", "hold"]
    assert all(decision.sample == ORDERS for decision in decisions)
    assert 0 < decisions[0].labelled < ORDERS
    assert decisions[0].metrics["log_loss"] > 0


def test_labels_that_are_delivered_twice_count_once(
    settings: MonitoringSettings, open_monitor: OpenMonitor
) -> None:
    live_through(settings, [week(0)])
    once = open_monitor(settings).evaluate(end_of(0))
    settings.decisions_file.unlink()
    outcomes = settings.features.tables / "outcomes.parquet"
    known = pd.read_parquet(outcomes)
    pd.concat([known, known]).to_parquet(outcomes, index=False)

    twice = open_monitor(settings).evaluate(end_of(0))

    assert (twice.labelled, twice.evaluated, twice.metrics) == (once.labelled, once.evaluated, once.metrics)


def test_moved_features_ask_for_retraining_after_enough_weeks(
    settings: MonitoringSettings, open_monitor: OpenMonitor
) -> None:
    live_through(settings, [week(0), week(1, bigger=1.5), week(2, bigger=1.5), week(3, bigger=1.5)])
    monitor = open_monitor(settings)

    decisions = [monitor.evaluate(end_of(number)) for number in range(4)]

    assert [decision.verdict for decision in decisions] == ["hold", "drifting", "retrain", "drifting"]
    moved = signals_of(decisions[2])["feature_drift"]
    assert moved.drifting
    assert moved.value == 0.5
    assert moved.threshold == POLICY.feature_share
    assert any("feature_drift" in reason and "amount" in reason for reason in decisions[2].reasons)
    assert "weekday" not in decisions[2].feature_psi


def test_labels_that_change_alone_ask_for_retraining(
    settings: MonitoringSettings, open_monitor: OpenMonitor
) -> None:
    """No feature moves: only the labels tell, as soon as enough of them have arrived."""
    live_through(settings, [week(0, worse=1.2), week(1, worse=1.2)])
    monitor = open_monitor(settings)

    decisions = [monitor.evaluate(end_of(number)) for number in range(2)]

    assert [decision.verdict for decision in decisions] == ["drifting", "retrain"]
    drifting = {name for name, signal in signals_of(decisions[1]).items() if signal.drifting}
    assert "calibration_gap" in drifting
    assert not drifting & {"feature_drift", "prediction_drift"}


def test_a_tiny_window_decides_nothing_and_says_so(
    settings: MonitoringSettings, open_monitor: OpenMonitor
) -> None:
    live_through(settings, [draw_orders(START, POLICY.minimum_sample - 1, seed=5, bigger=5.0, worse=5.0)])

    decision = open_monitor(settings).evaluate(end_of(0))

    assert decision.verdict == "insufficient"
    assert not any(signal.drifting for signal in decision.signals)


def test_nothing_from_after_as_of_is_seen(settings: MonitoringSettings, open_monitor: OpenMonitor) -> None:
    """The same moment, asked before and after the world went on."""
    first, later = week(0), week(1, bigger=3.0, worse=3.0)
    live_through(settings, [first])
    outcomes = settings.features.tables / "outcomes.parquet"
    known = pd.read_parquet(outcomes)
    known[known["known_at"] <= end_of(0)].to_parquet(outcomes, index=False)
    then = open_monitor(settings).evaluate(end_of(0))

    settings.decisions_file.unlink()
    log_predictions(settings, later)
    write_outcomes(settings, [first, later])
    now = open_monitor(settings).evaluate(end_of(0))

    assert now.model_copy(update={"decision_id": then.decision_id}) == then


def test_the_same_window_is_decided_once(settings: MonitoringSettings, open_monitor: OpenMonitor) -> None:
    live_through(settings, [week(0)])

    first = open_monitor(settings).evaluate(end_of(0))
    live_through(settings, [week(0), draw_orders(START, 900, seed=99, bigger=4.0)])
    again = open_monitor(settings).evaluate(end_of(0).astimezone(tz=None))

    assert again == first
    assert len(settings.decisions_file.read_text().splitlines()) == 1


def test_a_request_that_cannot_be_made_stays_open(
    settings: MonitoringSettings, open_monitor: OpenMonitor
) -> None:
    live_through(settings, [week(0, bigger=1.5), week(1, bigger=1.5)])
    monitor = open_monitor(settings)
    monitor.evaluate(end_of(0))

    decision = monitor.evaluate(end_of(1))
    repeated = monitor.evaluate(end_of(1))

    assert (decision.verdict, decision.flow_run_id) == ("retrain", None)
    assert decision.trigger_error is not None
    assert "prefect server start" in decision.trigger_error
    assert repeated == decision


def test_missing_features_and_labels_are_told_but_do_not_retrain(
    settings: MonitoringSettings, open_monitor: OpenMonitor
) -> None:
    silent = week(0, unrated=0.7)
    silent["known_at"] = silent["known_at"].where(silent.index % 2 == 0)
    live_through(settings, [silent])

    decision = open_monitor(settings).evaluate(end_of(0))

    signals = signals_of(decision)
    assert decision.verdict == "hold"
    assert signals["missing_share"].drifting
    assert "rating" in signals["missing_share"].detail
    assert signals["unlabelled_share"].drifting
    assert decision.overdue_share == pytest.approx(0.5, abs=0.1)


def test_a_new_champion_is_compared_with_its_own_reference(
    settings: MonitoringSettings, open_monitor: OpenMonitor
) -> None:
    live_through(settings, [week(0)])
    monitor = open_monitor(settings)
    before = monitor.evaluate(end_of(0))
    version = add_champion(settings, seed=2)
    log_predictions(settings, week(1), version)

    after = monitor.evaluate(end_of(1))

    assert (before.champion, after.champion) == ("1", version)
    assert (
        after.evaluated == 0
    )  # the labels that arrived belong to the former champion's predictions or are not there
    assert signals_of(after)["prediction_drift"].value is not None


def test_without_a_champion_the_error_says_what_to_do(
    open_monitor: OpenMonitor, settings: MonitoringSettings
) -> None:
    open_client(settings.registry).delete_registered_model_alias(PROBLEM.name, "champion")

    with pytest.raises(NoChampionError, match="training train"):
        open_monitor(settings).evaluate(end_of(0))
    assert not settings.decisions_file.exists()


def test_an_unknown_log_version_decides_nothing(
    settings: MonitoringSettings, open_monitor: OpenMonitor
) -> None:
    live_through(settings, [week(0)])
    part = next(log_folder(settings).glob(f"date={(START + timedelta(days=1)):%Y-%m-%d}/*.parquet"))
    pd.read_parquet(part).to_parquet(part)

    with pytest.raises(UnknownLogVersionError):
        open_monitor(settings).evaluate(end_of(0))
    assert not settings.decisions_file.exists()
