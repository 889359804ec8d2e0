"""The judge takes labels in the order in which it could know them: no later look rewrites an earlier one."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from msgspec.structs import replace

from inference.rollout.comparison import labelled_rows
from inference.rollout.evidence import gather_evidence
from inference.rollout.record import Rollout
from inference.settings import InferenceSettings
from tests.inference.logged_lines import DAY, LAYOUT, entry, open_log
from tests.inference.parking import PROBLEM
from tests.inference.rollout_world import policy_of

HOUR = timedelta(hours=1)
NOW = DAY + 24 * HOUR
# Request, hour at which it was logged, at which its label was known, and at which that was ingested.
ARRIVALS = [("early", 1, 3, 4), ("late", 1, 2, 9), ("asked afterwards", 6, 2, 2), ("last", 1, 10, 10)]


@pytest.fixture
def settings(tmp_path: Path) -> InferenceSettings:
    settings = InferenceSettings(var=tmp_path, replay=True)
    log = open_log(settings)
    scored = [replace(entry("first", version="2"), role="shadow", logged_at=DAY)]
    log.append_shadows(scored, LAYOUT)
    log.append([replace(entry(name), logged_at=DAY + at * HOUR) for name, at, _, _ in ARRIVALS], LAYOUT)
    log.close()
    settings.features.tables.mkdir(parents=True, exist_ok=True)
    return settings


def judged(settings: InferenceSettings, with_ingestion: bool, until: int) -> list[str]:
    """The labelled requests as a judge sees them at an hour."""
    there = [(name, known, ingested) for name, _, known, ingested in ARRIVALS if ingested <= until]
    outcomes = pd.DataFrame(there, columns=["example_id", "known_at", "ingested_at"]).assign(cars=50)
    for column in ("known_at", "ingested_at"):
        outcomes[column] = (pd.Timestamp(DAY) + outcomes[column] * HOUR).astype("datetime64[us, UTC]")
    kept = outcomes if with_ingestion else outcomes.drop(columns="ingested_at")
    kept.to_parquet(settings.features.tables / "outcomes.parquet", index=False)
    rollout = Rollout(
        id=1, champion="1", challenger="2", promotions=0, policy=policy_of("shadow"), steps_began=(DAY,)
    )
    answers = gather_evidence(settings, PROBLEM, rollout, NOW, NOW).answers
    return [*labelled_rows(answers)["request_id"]]


def test_a_label_that_is_ingested_late_comes_after_those_that_were_judged(
    settings: InferenceSettings,
) -> None:
    before = judged(settings, with_ingestion=True, until=8)
    assert before == ["early", "asked afterwards"]
    assert judged(settings, with_ingestion=True, until=10) == [*before, "late", "last"]


def test_without_a_word_on_ingestion_a_label_is_knowable_once_known_and_asked_for(
    settings: InferenceSettings,
) -> None:
    assert judged(settings, with_ingestion=False, until=10) == ["late", "early", "asked afterwards", "last"]
