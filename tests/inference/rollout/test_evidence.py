"""The arms as the log shows them: who was whose, who failed, which labels count, how often that misleads."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from inference.prediction_log.label_join import LABEL
from inference.rollout.comparison import compare
from inference.rollout.evidence import KNOWABLE_AT, Evidence, assign_arms, since_settled
from inference.rollout.record import Rollout
from inference.rollout.split import Mode, position, unit_of
from inference.rollout.verdict import judge
from tests.inference.rollout_world import STEPS, policy_of

START = datetime(2024, 5, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def rollout_of(mode: Mode, *steps: datetime, **changes: Any) -> Rollout:
    return Rollout(
        id=1,
        champion="1",
        challenger="2",
        promotions=0,
        policy=policy_of(mode, **changes),
        steps_began=steps or (START,),
    )


def answered(number: int, rollout: Rollout, **changes: Any) -> dict[str, Any]:
    """An answer a second after the last, by whoever the split says, half of them with a label."""
    unit = unit_of(rollout.policy.key, f"r{number}", {rollout.policy.key: changes.get("key.site")})
    mine = rollout.policy.mode != "shadow" and position("test", unit) < rollout.split.share
    logged_at = pd.Timestamp(START) + (number + 1) * SECOND
    return {
        "request_id": f"r{number}",
        "caller": None,
        "logged_at": logged_at,
        "role": "challenger" if mine else "champion",
        "model_version": "2" if mine else "1",
        "prediction": 0.5,
        "latency_ms": 1.0,
        LABEL: 0.5 if number % 2 else np.nan,
        KNOWABLE_AT: logged_at + timedelta(hours=1),
    } | changes


def log_of(rollout: Rollout, count: int, **changes: Any) -> pd.DataFrame:
    return pd.DataFrame([answered(number, rollout, **changes) for number in range(count)])


def evidence_of(rollout: Rollout, rows: pd.DataFrame) -> Evidence:
    return Evidence(since_settled(assign_arms(rows, rollout), rollout), rows.iloc[:0])


def test_each_row_belongs_to_the_arm_that_the_servers_gave_it() -> None:
    rollout = rollout_of("ab")
    rows = assign_arms(log_of(rollout, 200), rollout)

    assert (rows["is_challengers"] == (rows["role"] == "challenger")).all()
    figures = compare(rollout, evidence_of(rollout, log_of(rollout, 200)))
    assert sum(figures.requests) > 190  # those before the challenger's first answer do not count
    assert abs(sum(figures.labels) - sum(figures.requests) / 2) <= 1
    assert figures.failures == 0


def test_what_the_champion_answers_for_the_challenger_is_a_failure() -> None:
    rollout = rollout_of("ab")
    rows = log_of(rollout, 200)
    last = rows.index[rows["role"] == "challenger"][-5:]
    rows.loc[last, ["role", "model_version"]] = ["champion", "1"]

    assert compare(rollout, evidence_of(rollout, rows)).failures == 5


def test_a_whole_number_beside_missing_ones_is_the_unit_it_was() -> None:
    rollout = rollout_of("ab", key="site")
    sites = [12, None, 7]
    rows = pd.concat(
        [log_of(rollout, 1, request_id=f"q{at}", **{"key.site": site}) for at, site in enumerate(sites)]
    )

    as_read = rows.astype({"key.site": float})

    assert assign_arms(as_read, rollout)["unit"].tolist() == ["site=12", "q1", "site=7"]


@pytest.mark.parametrize("mode", ["ab", "shadow"])
def test_each_unit_counts_with_its_first_label(mode: Mode) -> None:
    rollout = rollout_of(mode, key="site")
    sites = ("north", "south", "east")
    rows = pd.concat([log_of(rollout, 40, **{"key.site": site}) for site in sites], ignore_index=True)
    rows["request_id"] = rows["request_id"] + rows["key.site"]
    shadows = rows.assign(role="shadow", model_version="2").drop(columns=[LABEL, KNOWABLE_AT])

    figures = compare(rollout, Evidence(assign_arms(rows, rollout), shadows))

    assert set(figures.labels) == ({3} if mode == "shadow" else {1, 2})
    assert figures.units == figures.labels


def test_callers_who_come_back_let_a_canary_go_on() -> None:
    later = START + 100 * SECOND
    rollout = rollout_of("canary", START, later, key="site")
    sites = [f"s{number % 40}" for number in range(200)]
    rows = pd.DataFrame(
        [
            answered(at, rollout_of("canary", *steps, key="site"), **{"key.site": site})
            for at, site in enumerate(sites)
            for steps in [(START, later) if at >= 99 else (START,)]
        ]
    )

    figures = compare(rollout, evidence_of(rollout, rows))

    assert sum(figures.labels) <= 2 * 40  # a step draws anew for those that the champion had
    assert figures.labels_this_step > STEPS[1].labels


def test_requests_in_between_two_steps_are_not_counted() -> None:
    later = START + 100 * SECOND
    rollout = rollout_of("canary", START, later, settle_seconds=20.0)
    rows = assign_arms(log_of(rollout, 200), rollout)

    counted = since_settled(rows, rollout)

    logged = counted["logged_at"] - pd.Timestamp(START)
    assert logged.min() > 20 * SECOND
    assert not logged.between(100 * SECOND, 119 * SECOND).any()
    assert set(counted["step"]) == {0, 1}


def test_nothing_counts_until_a_challenger_answers() -> None:
    rollout = rollout_of("ab")
    rows = log_of(rollout, 50, role="champion", model_version="1")

    figures = compare(rollout, evidence_of(rollout, rows))

    assert figures.requests == (0, 0)
    assert judge(rollout, figures).action == "wait"


def test_a_shadow_is_compared_on_the_same_requests() -> None:
    rollout = rollout_of("shadow")
    answers = log_of(rollout, 100)
    shadows = answers.assign(role="shadow", model_version="2", prediction=0.9).iloc[:95]

    scored = shadows.drop(columns=[LABEL, KNOWABLE_AT])
    figures = compare(rollout, Evidence(assign_arms(answers, rollout), scored))

    assert figures.labels == (47, 47)
    assert figures.mean_loss == pytest.approx((0.0, 0.16))
    assert figures.failures == 5
    assert judge(rollout, figures).action == "roll_back"


BEGAN: dict[Mode, tuple[datetime, ...]] = {"ab": (START,), "canary": (START, START + 300 * SECOND)}
STEPS_OF: dict[Mode, dict[str, Any]] = {"ab": {}, "canary": {"steps": STEPS}}
FEW, MANY, LOOKS, REQUESTS, SITES, LIMIT = 40, 1_000, 2, 1_000, 50, 100.0


@pytest.mark.parametrize("runs", [FEW, pytest.param(MANY, marks=pytest.mark.nightly)])
@pytest.mark.parametrize(("mode", "key"), [("ab", "request_id"), ("ab", "site"), ("canary", "site")])
def test_rollouts_of_the_model_itself_judged_again_and_again(mode: Mode, key: str, runs: int) -> None:
    """Few callers come back, unequally often, foreseen and served unequally well: requests would mislead."""
    random = np.random.default_rng(21)
    ended = []
    for run in range(runs):
        rollout = rollout_of(
            mode,
            *BEGAN[mode],
            key=key,
            salt=f"run {run}",
            maximum_labels=10**6,
            slow_ms=LIMIT,
            **STEPS_OF[mode],
        )
        rows = aa_log(random, rollout)
        evidence = evidence_of(rollout, rows).answers
        looks = [evidence.iloc[: (look + 1) * len(evidence) // LOOKS] for look in range(LOOKS)]
        verdicts = {judge(rollout, compare(rollout, Evidence(seen, seen.iloc[:0]))).action for seen in looks}
        ended.append(verdicts & {"promote", "roll_back"})

    alpha = policy_of().alpha
    assert sum("roll_back" in verdicts for verdicts in ended) <= alpha * runs
    assert sum("promote" in verdicts for verdicts in ended) <= alpha * runs


def aa_log(random: np.random.Generator, rollout: Rollout) -> pd.DataFrame:
    """Answers of one model under two names; sites ask unequally often and are served unequally well."""
    often = random.pareto(1.0, SITES) + 0.1
    sites = random.choice(SITES, REQUESTS, p=often / often.sum())
    deviation, slowness = 0.1 + 0.9 * random.random(SITES)[sites], random.beta(0.3, 0.9, SITES)[sites]
    requests = [f"r{number}" for number in range(REQUESTS)]
    logged_at = pd.Timestamp(START) + pd.to_timedelta(np.arange(1, REQUESTS + 1), unit="s")
    rows = pd.DataFrame(
        {
            "request_id": requests,
            "logged_at": logged_at,
            "prediction": deviation * random.standard_normal(REQUESTS),
            "latency_ms": np.where(random.random(REQUESTS) < slowness, 2 * LIMIT, LIMIT / 2),
            "key.site": [f"s{site}" for site in sites],
            LABEL: 0.0,
            KNOWABLE_AT: logged_at + timedelta(hours=1),
        }
    )
    mine = assign_arms(rows, rollout)["is_challengers"].to_numpy()
    return rows.assign(role=np.where(mine, "challenger", "champion"), model_version=np.where(mine, "2", "1"))
