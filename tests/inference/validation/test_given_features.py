"""Features given by the caller: checked against the contract, scored as looked-up ones are, logged so."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from jsonschema import Draft202012Validator

from inference.documents import ErrorDocument
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from inference.validation.given_features import LARGEST
from inference.validation.limits import FEATURES, LONGEST_TEXT
from tests.inference.bundles import COLUMNS
from tests.inference.parking import PROBLEM
from tests.inference.running import running_server
from tests.inference.world import NOON, instance

GIVEN: dict[str, str | float | None] = {
    "cars": 125.0,
    "trend": None,
    "capacity": 200,
    "district": "hill",
    "hour": 13.0,
    "free_share": 0.2,
}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"cars": ...}, "features.cars", "missing_field"),
    ({"colour": "red"}, "features.colour", "unknown_field"),
    ({"cars": "125"}, "features.cars", "wrong_type"),
    ({"cars": True}, "features.cars", "wrong_type"),
    ({"cars": [1]}, "features.cars", "wrong_type"),
    ({"cars": 2 * LARGEST}, "features.cars", "out_of_range"),
    ({"cars": 10**400}, "features.cars", "out_of_range"),
    ({"district": 7}, "features.district", "wrong_type"),
    ({"district": "x" * (LONGEST_TEXT + 1)}, "features.district", "out_of_range"),
]


def features(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (GIVEN | changes).items() if value is not ...}


def given(request_id: str | None = None, **changes: Any) -> dict[str, Any]:
    return {FEATURES: features(**changes), **({"request_id": request_id} if request_id else {})}


def ask(service: httpx.Client, document: Any) -> list[dict[str, Any]]:
    response = service.post("/v1/predict", json=document)
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()["predictions"]
    return answers


def test_given_features_are_scored_and_nothing_is_looked_up(shared_service: httpx.Client) -> None:
    (answer,) = ask(shared_service, given("given-bare"))

    assert answer == {
        "request_id": "given-bare",
        "prediction": pytest.approx(1.125),
        "model_version": "1",
        "missing": ["trend"],
        "stale": [],
        "defaulted": [],
        "degraded": False,
        "role": "champion",
    }


def test_given_and_looked_up_instances_may_stand_side_by_side(shared_service: httpx.Client) -> None:
    asked = [given(cars=float(number)) if number % 2 else instance() for number in range(40)]

    answers = ask(shared_service, {"instances": asked})

    expected = [1 + number / 1_000 if number % 2 else 1.125 for number in range(40)]
    assert [answer["prediction"] for answer in answers] == pytest.approx(expected)


def test_what_was_given_is_logged_with_the_fields_that_came_along(
    settings: InferenceSettings, champion: str
) -> None:
    live = settings.model_copy(update={"replay": False})
    start = datetime.now(UTC)
    with running_server(live) as service:
        ask(service, given("alone", district=""))
        ask(service, {**given("along"), "site": "north", "opens_at": "2024-05-01T13:00:00Z"})

    logged: Any = read_predictions(live, start, start + timedelta(hours=1)).set_index("request_id")
    assert set(logged["source"]) == {"given"}
    assert logged.loc["along", "key.site"] == "north"
    assert logged.loc["along", "key.opens_at"] == NOON + timedelta(hours=1)
    assert logged.loc["alone", [f"key.{field.name}" for field in PROBLEM.fields]].isna().all()
    assert logged.loc["alone", ["status.cars", "status.trend", "status.district"]].tolist() == [
        "present",
        "missing",
        "missing",
    ]
    assert logged.loc["along", ["feature.cars", "feature.capacity", "feature.district"]].tolist() == [
        125.0,
        200.0,
        "hill",
    ]
    assert logged[[f"age.{column.name}" for column in COLUMNS]].isna().all(axis=None)


@pytest.mark.parametrize(("changes", "field", "code"), WRONG)
def test_features_that_the_model_does_not_read_so_are_named(
    shared_service: httpx.Client, changes: dict[str, Any], field: str, code: str
) -> None:
    for index, document in ((0, given(**changes)), (1, {"instances": [instance(), given(**changes)]})):
        response = shared_service.post("/v1/predict", json=document)

        assert response.status_code == 422, response.text
        (item,) = msgspec.json.decode(response.content, type=ErrorDocument).error.items
        assert (item.index, item.field) == (index, field)
        assert item.code in (code, "wrong_type")
        assert item.message


def test_one_wrong_instance_leaves_nothing_in_the_log(
    settings: InferenceSettings, service: httpx.Client
) -> None:
    wrong = service.post("/v1/predict", json={"instances": [given("right"), given("wrong", cars="many")]})

    assert wrong.status_code == 422
    assert read_predictions(settings, NOON, datetime.now(UTC) + timedelta(hours=1)).empty


def test_a_retry_gets_its_answer_again_and_other_features_do_not(
    settings: InferenceSettings, service: httpx.Client
) -> None:
    first, again = ask(service, given("one")), ask(service, given("one"))
    other = service.post("/v1/predict", json=given("one", cars=1.0))

    assert first == again
    assert other.status_code == 409
    assert len(read_predictions(settings, NOON, datetime.now(UTC) + timedelta(hours=1))) == 1


def test_the_description_says_which_features_may_be_given(shared_service: httpx.Client) -> None:
    document = shared_service.get("/openapi.json").json()
    content = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]
    validator = Draft202012Validator({**content["schema"], "components": document["components"]})

    assert validator.is_valid(given())
    assert validator.is_valid({"instances": [given("a"), instance()]})
    for changes, _, _ in WRONG:
        assert not validator.is_valid(given(**changes)), changes
