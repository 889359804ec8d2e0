"""A service and the challenger beside its champion: a bad one harms nobody, nor does a lost registry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Timer
from uuid import uuid4

import httpx
import numpy as np
import onnx
import pandas as pd
import pytest

from contracts.bundle.contract import MODEL_FILE
from contracts.encoders.onnx_graphs import NUMERIC_INPUT, GraphBuilder
from contracts.registry import BUNDLE_ARTIFACT, DIGEST_TAG, deployed, open_client
from features.schema.feature_column import FeatureColumn
from inference.rollout.actions import history, start, under_way
from inference.rollout.errors import OutcomesUnreadableError
from inference.rollout.intent import carry_out, plan
from inference.rollout.judge import act, look, watch
from inference.rollout.record import Rollout, count_promotions
from inference.rollout.split import Mode
from inference.settings import InferenceSettings
from tests.inference.bundles import AS_OF, COLUMNS, LevelModel, write_level_bundle
from tests.inference.parking import PROBLEM
from tests.inference.rollout_world import NAME, policy_of, promote_version
from tests.inference.running import wait_until
from tests.inference.world import add_version, bundle_folder, instance

ASKED = 20


def test_outcomes_that_cannot_be_read_are_looked_at_again(settings: InferenceSettings, champion: str) -> None:
    start(settings.registry, NAME, add_version(settings, 2.0), policy_of("ab"), "in a test")
    outcomes = settings.features.tables / "outcomes.parquet"
    outcomes.write_bytes(b"half a file")
    with pytest.raises(OutcomesUnreadableError, match="try again"):
        look(settings, PROBLEM)
    whole = Timer(0.5, outcomes.unlink)
    whole.start()

    seen, _ = next(watch(settings, PROBLEM, seconds=0.2))

    whole.join()
    assert seen.verdict.action == "wait"


def test_labels_that_arrive_twice_are_read_and_those_that_differ_are_named(
    settings: InferenceSettings, champion: str
) -> None:
    start(settings.registry, NAME, add_version(settings, 2.0), policy_of("ab"), "in a test")
    row = {"example_id": "r", "cars": 50, "known_at": pd.Timestamp(AS_OF)}
    outcomes = settings.features.tables / "outcomes.parquet"
    pd.DataFrame([row, row]).to_parquet(outcomes, index=False, coerce_timestamps="us")
    assert look(settings, PROBLEM) is not None
    pd.DataFrame([row, row | {"cars": 75}]).to_parquet(outcomes, index=False, coerce_timestamps="us")

    with pytest.raises(OutcomesUnreadableError, match="different things of 1 example_id, such as r"):
        look(settings, PROBLEM)


def ask(service: httpx.Client, site: str = "north") -> list[tuple[str, str, float]]:
    """Role, version and rounded prediction of each answer to a burst of requests."""
    asked = [instance(site, request_id=uuid4().hex) for _ in range(ASKED)]
    response = service.post("/v1/predict", json={"instances": asked})
    assert response.status_code == 200, response.text
    return [
        (answer["role"], answer["model_version"], round(answer["prediction"], 3))
        for answer in response.json()["predictions"]
    ]


def roles(service: httpx.Client) -> set[str]:
    return {role for role, _, _ in ask(service)}


def roll_out(settings: InferenceSettings, version: str) -> Rollout:
    return start(settings.registry, NAME, version, policy_of("ab"), "in a test")


def put_under_way(settings: InferenceSettings, version: str) -> None:
    """A rollout as a start leaves it, which would have refused a bundle that is damaged already."""
    deployment = deployed(settings.registry, NAME)
    assert deployment.serving is not None
    rollout = Rollout(
        id=1,
        champion=deployment.serving.version,
        challenger=version,
        promotions=count_promotions(deployment.tags),
        policy=policy_of("ab"),
        steps_began=(datetime.now(UTC),),
    )
    carry_out(settings.registry, NAME, plan(deployment, rollout, "start", "in a test", None, rollout))


def wait_for_both(service: httpx.Client) -> None:
    wait_until(lambda: roles(service) == {"champion", "challenger"}, "the challenger's answers")


def _truncate(settings: InferenceSettings, version: str) -> None:
    model = bundle_folder(settings, version) / MODEL_FILE
    model.write_bytes(model.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("contract", "damage", "said"),
    [
        ({}, _truncate, "digest"),
        ({"columns": (*COLUMNS, FeatureColumn(name="weekday", kind="numeric"))}, None, "weekday"),
        ({"feature_service": "parking_v2"}, None, "parking_v2"),
    ],
)
def test_a_challenger_that_cannot_be_served_stops_its_rollout(
    settings: InferenceSettings,
    champion: str,
    service: httpx.Client,
    contract: dict[str, object],
    damage: Callable[[InferenceSettings, str], None] | None,
    said: str,
) -> None:
    version = add_version(settings, 2.0, **contract)
    if damage:
        damage(settings, version)
    put_under_way(settings, version)

    wait_until(lambda: under_way(settings.registry, NAME) is None, "the end of the rollout")

    entry = history(settings.registry, NAME)[-1]
    assert entry.action == "stop"
    assert said in entry.reason
    assert ask(service) == [("champion", champion, 1.125)] * ASKED
    wait_until(lambda: service.get("/health/ready").json()["warnings"] == [], "calm")


def test_challenger_and_champion_go_on_without_the_registry(
    settings: InferenceSettings, champion: str, service: httpx.Client
) -> None:
    roll_out(settings, add_version(settings, 2.0))
    wait_for_both(service)
    database = settings.registry.tracking_db
    assert database is not None

    database.rename(database.with_suffix(".kept"))
    wait_until(lambda: service.get("/health/ready").json()["warnings"], "the loss being said")

    assert roles(service) == {"champion", "challenger"}
    counted = service.get("/metrics").text
    assert all(f'role="{role}"' in counted for role in ("champion", "challenger"))


@pytest.mark.parametrize("mode", ["shadow", "canary", "ab"])
def test_the_judge_waits_where_nothing_is_logged_and_outlives_a_registry_that_is_away(
    settings: InferenceSettings, champion: str, mode: Mode
) -> None:
    start(settings.registry, NAME, add_version(settings, 2.0), policy_of(mode), "in a test")
    database = settings.registry.tracking_db
    assert database is not None
    database.rename(kept := database.with_suffix(".kept"))
    back = Timer(0.5, lambda: kept.rename(database))
    back.start()

    seen, decided = next(watch(settings, PROBLEM, seconds=0.2))

    back.join()
    assert (seen.verdict.action, seen.figures.requests, decided) == ("wait", (0, 0), None)


def test_a_promotion_takes_the_challenger_off_at_once(
    settings: InferenceSettings, champion: str, service: httpx.Client
) -> None:
    roll_out(settings, add_version(settings, 2.0))
    wait_for_both(service)

    promote_version(settings, newer := add_version(settings, 3.0), "trained on May")

    wait_until(lambda: ask(service) == [("champion", newer, 3.125)] * ASKED, "the new champion alone")
    assert under_way(settings.registry, NAME) is None
    assert "trained on May" in history(settings.registry, NAME)[-1].reason


def test_what_a_challenger_fails_at_the_champion_answers_and_the_judge_sees(
    settings: InferenceSettings, champion: str, service: httpx.Client
) -> None:
    roll_out(settings, add_failing_version(settings))
    wait_for_both_on(service, "south")

    answers = [answer for _ in range(5) for answer in ask(service, "north")]

    assert answers == [("champion", champion, 1.125)] * len(answers)
    seen = wait_until(lambda: rolled_back(settings), "the verdict")
    assert "fails too often" in seen
    assert under_way(settings.registry, NAME) is None


def rolled_back(settings: InferenceSettings) -> str | None:
    seen = look(settings, PROBLEM)
    if seen is None or seen.verdict.action != "roll_back":
        return None
    entry = act(settings.registry, PROBLEM, seen)
    return None if entry is None else entry.reason


def wait_for_both_on(service: httpx.Client, site: str) -> None:
    wait_until(
        lambda: {role for role, _, _ in ask(service, site)} == {"champion", "challenger"}, "the challenger"
    )


@dataclass(frozen=True)
class FailingModel(LevelModel):
    """Answers no number for more than 124.5 cars."""

    def to_onnx(self) -> onnx.ModelProto:
        graph = GraphBuilder(categorical=1, numeric=len(self.columns) - 1)
        first = graph.add("Gather", NUMERIC_INPUT, graph.constant(np.asarray(0, dtype=np.int64)), axis=1)
        known = graph.add("Where", graph.add("IsNaN", first), graph.number(0.0), first)
        return graph.build(graph.add("Log", graph.add("Sub", graph.number(124.5), known)))


def add_failing_version(settings: InferenceSettings) -> str:
    location = f"1/failing/{BUNDLE_ARTIFACT}"
    digest = write_level_bundle(settings.registry.artifact_root / location, FailingModel(2.0))
    source = f"mlflow-artifacts:/{location}"
    client = open_client(settings.registry)
    return str(client.create_model_version(NAME, source, tags={DIGEST_TAG: digest}).version)
