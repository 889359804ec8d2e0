"""What a service answers: predictions, flags, the served model, its health and its figures."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import httpx
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

from features.offline.historical import historical_features
from features.repository.feature_store import open_store
from inference.prediction_log.reader import read_predictions
from inference.prediction_log.schema import SCHEMA_VERSION, arrow_schema
from inference.settings import InferenceSettings
from tests.inference.bundles import COLUMNS
from tests.inference.parking import PROBLEM
from tests.inference.running import running_server
from tests.inference.world import NOON, START, example_rows, instance


def predictions(response: httpx.Response) -> list[dict[str, object]]:
    assert response.status_code == 200, response.text
    answered: list[dict[str, object]] = response.json()["predictions"]
    return answered


def test_one_bare_instance_is_answered_by_the_champion(shared_service: httpx.Client) -> None:
    answered = predictions(shared_service.post("/v1/predict", json=instance(request_id="bare")))

    assert answered == [
        {
            "request_id": "bare",
            "prediction": pytest.approx(1.125),
            "model_version": "1",
            "missing": [],
            "stale": [],
            "defaulted": [],
            "degraded": False,
            "role": "champion",
        }
    ]


def test_each_of_many_instances_gets_its_own_answer_in_order(shared_service: httpx.Client) -> None:
    sites = ["north", "south", "east", "nowhere"] * 30  # beyond `inline_items`, so through a worker thread

    answered = predictions(
        shared_service.post("/v1/predict", json={"instances": [instance(site) for site in sites]})
    )

    expected = {"north": 1.125, "south": 1.0, "east": 1.124, "nowhere": 1.0}
    assert [item["prediction"] for item in answered] == pytest.approx([expected[site] for site in sites])
    assert len({item["request_id"] for item in answered}) == len(sites)


@pytest.mark.parametrize(
    ("changes", "missing", "stale"),
    [
        ({"site": "nowhere"}, ["cars", "trend", "capacity", "district", "free_share"], []),
        ({"site": ""}, ["cars", "trend", "capacity", "district", "free_share"], []),
        ({"site": "east"}, ["trend"], []),
        ({"site": "south"}, [], ["cars", "trend"]),
        ({"fee": None}, [], []),
        ({"fee": ...}, [], []),
        ({"prediction_time": (START - timedelta(days=1)).isoformat()},
         ["cars", "trend", "capacity", "district", "free_share"], []),
    ],
)  # fmt: skip
def test_what_is_unknown_is_served_and_flagged(
    shared_service: httpx.Client, changes: dict[str, object], missing: list[str], stale: list[str]
) -> None:
    (answered,) = predictions(shared_service.post("/v1/predict", json=instance(**changes)))

    assert (answered["missing"], answered["stale"]) == (missing, stale)


def test_online_answers_are_logged_with_the_features_that_history_gives(
    settings: InferenceSettings, service: httpx.Client
) -> None:
    examples = example_rows()
    rows: Iterable[Any] = examples.itertuples()
    asked = [
        instance(
            row.site,
            spaces=row.spaces,
            fee=None if row.fee != row.fee else row.fee,
            request_id=row.example_id,
        )
        for row in rows
    ]

    predictions(service.post("/v1/predict", json={"instances": asked}))

    logged = read_predictions(settings, NOON, NOON + timedelta(seconds=1)).set_index("request_id")
    history = historical_features(open_store(settings.features), PROBLEM.feature_service, examples).set_index(
        "example_id"
    )
    for column in COLUMNS:
        served, known = logged[f"feature.{column.name}"], history[column.name]
        pd.testing.assert_series_equal(served.loc[known.index], known, check_names=False)
    assert logged.columns.tolist() == arrow_schema(COLUMNS, PROBLEM).names[1:]
    assert logged.loc["example-south", "status.cars"] == "stale"
    assert logged.loc["example-south", "age.cars"] == timedelta(hours=4).total_seconds()


def test_the_model_is_described_with_its_card_and_contract(shared_service: httpx.Client) -> None:
    described = shared_service.get("/v1/model").json()

    assert (described["name"], described["version"], described["family"]) == ("parking", "1", "level")
    assert described["metrics"] == {"rmse": 1.0}
    assert [column["name"] for column in described["columns"]] == [column.name for column in COLUMNS]
    assert "About 1.0" in described["card"]
    assert described["schemas"]["prediction_log"] == SCHEMA_VERSION
    assert described["follower"]["error"] is None


def read_figures(service: httpx.Client) -> dict[tuple[str, ...], float]:
    """Every exported sample by its name and its labels' values."""
    families = text_string_to_metric_families(service.get("/metrics").text)
    return {(it.name, *it.labels.values()): it.value for family in families for it in family.samples}


def total(figures: dict[tuple[str, ...], float], *named: str) -> float:
    """The sum of the samples that have this name and these labels' values, whatever else labels them."""
    return sum(value for key, value in figures.items() if key[0] == named[0] and set(named) <= set(key))


def test_metrics_count_answers_flags_and_stages(service: httpx.Client) -> None:
    before = read_figures(service)
    predictions(service.post("/v1/predict", json=instance("south")))
    service.post("/v1/predict", content=b"{")
    after = read_figures(service)

    for counted in (
        ("roundtrip_predictions_total", "1", "champion", "roundtrip"),
        ("roundtrip_features_stale_total", "cars"),
        ("roundtrip_requests_total", "400", "/v1/predict"),
        ("roundtrip_stage_seconds_count", "features"),
    ):
        assert total(after, *counted) - total(before, *counted) == 1.0
    assert after["roundtrip_follower_failing",] == 0.0
    assert ("roundtrip_model_info", "2024-04-30T00:00:00+00:00", "level", "parking", "1") in after


def test_without_a_champion_the_service_lives_and_says_what_to_do(settings: InferenceSettings) -> None:
    with running_server(settings, ready=False) as client:
        refused = client.post("/v1/predict", json=instance())

        assert client.get("/health/live").status_code == 200
        for response in (refused, client.get("/health/ready"), client.get("/v1/model")):
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "no_model"


def test_outside_replay_the_present_counts(settings: InferenceSettings, champion: str) -> None:
    live = settings.model_copy(update={"replay": False})
    with running_server(live) as client:
        (answered,) = predictions(client.post("/v1/predict", json=instance(prediction_time=...)))
        refused = client.post("/v1/predict", json=instance())

    assert answered["stale"] == ["cars", "trend"]
    assert refused.status_code == 422
    (item,) = refused.json()["error"]["items"]
    assert (item["field"], item["code"]) == ("prediction_time", "prediction_time_outside_replay")
