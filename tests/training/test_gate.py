"""The gate: every contestant is scored anew on one window, and only a real gain passes."""

import numpy as np
import pytest

from contracts.bundle.reader import read_bundle
from contracts.evaluate import Metrics
from contracts.matrix import to_matrix
from contracts.problem import GatePolicy, Guardrail
from contracts.registry import fetch_bundle, version_ref
from tests.second_problem.problem import PROBLEM
from tests.training.conftest import AFTER_THE_SHIFT, TrainedWorld
from training.dataset import build_training_set
from training.gain import Gain
from training.gate import GateVerdict, judge

POLICY = GatePolicy(
    margin_over_base_rate=1.0,
    margin_over_champion=0.5,
    probability_over_champion=0.0,
    minimum_sample=100,
    guardrails=(Guardrail(metric="mae", tolerance=0.25),),
)
STRICT = PROBLEM.model_copy(update={"gate": POLICY})


def metrics(rmse: float, mae: float = 1.0) -> Metrics:
    return {"rmse": rmse, "mae": mae, "r2": 0.0, "bias": 0.0, "mean_prediction": 1.0, "mean_label": 1.0}


def verdict(
    challenger: Metrics, champion: Metrics | None, base_rate: Metrics, sample: int = 100
) -> GateVerdict:
    rival = base_rate if champion is None else champion
    return judge(STRICT, sample, challenger, champion, base_rate, gain(rival["rmse"] - challenger["rmse"]))


def gain(point: float, probability: float | None = None) -> Gain:
    return Gain(point=point, low=point - 1, high=point + 1, probability=probability, days=7)


@pytest.mark.parametrize(
    ("rmse", "accepted"), [(8.9, True), (9.0, True), (9.1, False), (float("nan"), False)]
)
def test_the_first_model_must_beat_the_base_rate_by_the_margin(rmse: float, accepted: bool) -> None:
    assert verdict(metrics(rmse), None, base_rate=metrics(10.0)).accepted is accepted


@pytest.mark.parametrize(
    ("rmse", "accepted"), [(4.4, True), (4.5, False), (4.6, False), (float("nan"), False)]
)
def test_a_challenger_must_beat_the_champion_by_more_than_the_margin(rmse: float, accepted: bool) -> None:
    assert verdict(metrics(rmse), metrics(5.0), base_rate=metrics(10.0)).accepted is accepted


@pytest.mark.parametrize(("mae", "accepted"), [(1.25, True), (1.26, False), (float("nan"), False)])
def test_a_guardrail_refuses_what_the_primary_metric_would_accept(mae: float, accepted: bool) -> None:
    found = verdict(metrics(1.0, mae), metrics(5.0, 1.0), base_rate=metrics(10.0))
    assert found.accepted is accepted
    assert ("refused" in found.reasons[-1]) is not accepted


def test_too_few_labels_refuse_whatever_the_metrics_say() -> None:
    found = verdict(metrics(1.0), metrics(5.0), metrics(10.0), sample=POLICY.minimum_sample - 1)
    assert not found.accepted
    assert "refused" in found.reasons[0]


@pytest.mark.parametrize(
    ("probability", "accepted"), [(0.81, True), (0.8, True), (0.79, False), (None, False)]
)
def test_a_policy_may_ask_how_sure_a_gain_is(probability: float | None, accepted: bool) -> None:
    sure = STRICT.model_copy(update={"gate": POLICY.model_copy(update={"probability_over_champion": 0.8})})
    found = judge(sure, 100, metrics(4.0), metrics(5.0), metrics(10.0), gain(1.0, probability))
    assert found.accepted is accepted
    assert "0.8 needed" in found.reasons[2]


def test_the_verdict_says_how_sure_the_gain_is(world: TrainedWorld) -> None:
    found = world.second.verdict
    assert found.champion is not None
    assert found.gain.point == pytest.approx(found.champion["rmse"] - found.challenger["rmse"])
    assert found.gain.low is not None
    assert found.gain.high is not None
    assert found.gain.low < found.gain.point < found.gain.high
    assert found.gain.days == PROBLEM.windows.gate.days
    assert f"probability of a gain {found.gain.probability:.2f}" in found.reasons[1]


def test_reasons_name_each_contestants_own_number() -> None:
    found = verdict(metrics(4.25, 1.125), metrics(5.5, 1.0625), metrics(10.75))
    assert "4.2500" in found.reasons[1]
    assert "5.5000" in found.reasons[1]
    assert "1.1250" in found.reasons[2]
    assert "1.0625" in found.reasons[2]


def test_the_champion_is_rescored_on_the_challengers_window(world: TrainedWorld) -> None:
    # given the second training's gate window, read anew
    rows = build_training_set(
        world.settings.features, PROBLEM, AFTER_THE_SHIFT, start=AFTER_THE_SHIFT - PROBLEM.windows.gate
    )
    registry, expected = world.settings.registry, {}
    for version in (world.first.version, world.second.version):
        bundle = read_bundle(fetch_bundle(registry, version_ref(registry, PROBLEM.name, version)))
        prediction = bundle.scorer().score_matrix(to_matrix(rows.frame, bundle.contract.columns))
        expected[version] = float(np.sqrt(np.mean((prediction - rows.label) ** 2)))
    # then the verdict holds what each one's own graph answers there
    found = world.second.verdict
    assert found.champion is not None
    assert found.champion["rmse"] == pytest.approx(expected[world.first.version])
    assert found.challenger["rmse"] == pytest.approx(expected[world.second.version])
    # and none of the numbers could have been taken for another: not even what the champion logged once
    numbers = [found.challenger, found.champion, found.base_rate, world.first.verdict.challenger]
    assert len({round(each["rmse"], 6) for each in numbers}) == len(numbers)
    assert found.sample == len(rows.frame)


def test_the_first_model_is_gated_too(world: TrainedWorld) -> None:
    found = world.first.verdict
    assert found.champion is None
    assert found.base_rate["rmse"] - found.challenger["rmse"] >= PROBLEM.gate.margin_over_base_rate


def test_a_model_of_shuffled_labels_is_refused(world: TrainedWorld) -> None:
    found = world.shuffled.verdict
    assert not found.accepted
    assert found.champion is not None
    assert found.champion["rmse"] == pytest.approx(world.first.verdict.challenger["rmse"])
    # the gate window's labels are true: the champion of the same moment scores there as before
    assert found.sample == world.first.verdict.sample
