"""Rollouts over HTTP: a better challenger becomes champion, a worse one goes, callers notice neither."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from uuid import uuid4

import httpx
import numpy as np
import pandas as pd
import pytest

from inference.prediction_log.reader import read_predictions, read_shadows
from inference.rollout.actions import history, start, under_way
from inference.rollout.judge import act, look
from inference.rollout.record import Entry
from inference.rollout.split import Mode
from inference.rollout.verdict import ROLLED_BACK_WITHIN
from inference.settings import InferenceSettings
from tests.inference.parking import PROBLEM
from tests.inference.rollout_world import NAME, champion_of, policy_of, promote_version
from tests.inference.running import PATIENCE, ServerProcess, wait_until
from tests.inference.world import NOON, SITES, add_version, instance, world_settings

GOOD, BAD, NOISE = 2.0, 2.8, 0.3
SETTLE = 0.7
# A busy machine may follow a step later than that; what the champion then still answers is no failure here.
LENIENT = 0.9
BURST = 40


class Traffic:
    """Asks a server, checks each answer against the version that it names, and later learns what happened."""

    def __init__(self, settings: InferenceSettings, url: str) -> None:
        self._settings, self._client = settings, httpx.Client(base_url=url, timeout=30)
        self._random = np.random.default_rng(31)
        self._outcomes: list[pd.DataFrame] = []
        self.levels: dict[str, float] = {}
        self.roles: list[str] = []

    def add_version(self, level: float) -> str:
        version = add_version(self._settings, level)
        self.levels[version] = level
        return version

    def ask(self) -> None:
        """One burst of requests, all answered, and the labels of all."""
        sites = self._random.choice(SITES, BURST)
        asked = [instance(site, request_id=uuid4().hex) for site in sites]
        response = self._client.post("/v1/predict", json={"instances": asked})
        assert response.status_code == 200, response.text
        answers = response.json()["predictions"]
        for answer, site in zip(answers, sites, strict=True):
            expected = self.levels[answer["model_version"]] + CARS[site] / 1_000
            assert answer["prediction"] == pytest.approx(expected, abs=1e-4)
            assert not answer["degraded"]
        self.roles += [answer["role"] for answer in answers]
        self._learn([item["request_id"] for item in asked], sites)

    def served_version(self) -> str:
        return str(self._client.get("/v1/model").json()["version"])

    def _learn(self, requests: list[str], sites: np.ndarray) -> None:
        truth = GOOD + np.array([CARS[site] for site in sites]) / 1_000
        noisy = truth + NOISE * self._random.standard_normal(len(sites))
        outcome = pd.DataFrame({"example_id": requests, "cars": 100 * noisy})
        stamped = outcome.assign(known_at=pd.Timestamp(datetime.now(UTC)).as_unit("us"))
        self._outcomes.append(stamped)
        target = self._settings.features.tables / "outcomes.parquet"
        pd.concat(self._outcomes).to_parquet(draft := target.with_suffix(".draft"), index=False)
        draft.replace(target)


CARS = {"north": 125.0, "south": 0.0, "east": 124.0}


@pytest.fixture(scope="module")
def traffic(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    """A served process that many rollouts go through, one after the other, as in a real service's life."""
    var = tmp_path_factory.mktemp("rollouts") / "var"
    shutil.copytree(built_world, var)
    settings = world_settings(var)
    first = add_version(settings, 1.0)
    promote_version(settings, first)
    server = ServerProcess(settings)
    try:
        server.wait_until_ready()
        traffic = Traffic(settings, server.url)
        traffic.levels[first] = 1.0
        yield traffic
    finally:
        server.kill()


@pytest.fixture
def settings(traffic: Traffic) -> InferenceSettings:
    return traffic._settings


def roll_out(
    traffic: Traffic, settings: InferenceSettings, mode: Mode, champion: float, challenger: float
) -> Entry:
    """Let two fresh versions meet under traffic until the judge is done; its last decision."""
    incumbent, rival = traffic.add_version(champion), traffic.add_version(challenger)
    promote_version(settings, incumbent)
    wait_until(lambda: traffic.served_version() == incumbent, f"version {incumbent}")
    traffic.roles.clear()
    start(
        settings.registry,
        NAME,
        rival,
        policy_of(mode, settle_seconds=SETTLE, error_share=LENIENT),
        "in a test",
    )
    for _ in range(int(PATIENCE)):
        traffic.ask()
        seen = look(settings, PROBLEM)
        if seen is None:
            break
        act(settings.registry, PROBLEM, seen)
        sleep(0.2)
    assert under_way(settings.registry, NAME) is None
    return history(settings.registry, NAME)[-1]


def logged_roles(settings: InferenceSettings, version: str) -> set[str]:
    """The roles in which the log has the version."""
    rows = pd.concat(
        [read(settings, NOON, NOON + pd.Timedelta(days=1)) for read in (read_predictions, read_shadows)]
    )
    return set(rows.loc[rows["model_version"] == version, "role"])


@pytest.mark.parametrize(
    "mode", ["canary", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("shadow", "ab"))]
)
def test_a_better_challenger_becomes_champion(
    traffic: Traffic, settings: InferenceSettings, mode: Mode
) -> None:
    entry = roll_out(traffic, settings, mode, champion=BAD, challenger=GOOD)

    assert (entry.action, champion_of(settings)) == ("promote", entry.challenger)
    assert "it is better" in entry.reason
    wait_until(lambda: traffic.served_version() == entry.challenger, "the new champion")
    traffic.ask()
    role = "shadow" if mode == "shadow" else "challenger"
    assert logged_roles(settings, entry.challenger) >= {role}
    assert set(traffic.roles) == ({"champion"} if mode == "shadow" else {"champion", "challenger"})


@pytest.mark.parametrize("mode", ["shadow", "ab", pytest.param("canary", marks=pytest.mark.slow)])
def test_a_worse_challenger_is_rolled_back_within_the_stated_labels(
    traffic: Traffic, settings: InferenceSettings, mode: Mode
) -> None:
    entry = roll_out(traffic, settings, mode, champion=GOOD, challenger=BAD)

    assert (entry.action, champion_of(settings)) == ("roll_back", entry.champion)
    assert "it is worse" in entry.reason
    assert entry.figures is not None
    assert entry.figures.labels[1] <= ROLLED_BACK_WITHIN
    traffic.roles.clear()
    wait_until(lambda: asks_champions_only(traffic), "the champion alone")


def asks_champions_only(traffic: Traffic) -> bool:
    traffic.roles.clear()
    traffic.ask()
    return set(traffic.roles) == {"champion"}
