"""Pushed events in every online store: what is served on the way is what history has, corrected or not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import SecretStr

from features.apply import apply_repository
from features.flight_delay.events.leg_events import Departed, LegEvent
from features.flight_delay.events.replay import read_legs, replay_events
from features.flight_delay.raw import RawTables
from features.offline.historical import historical_features
from features.online.reader import OnlineReader
from features.repository.feature_store import open_store
from features.streaming.loading import load_stream
from tests.features.online_servers import STORES, Servers
from tests.flight_delay.features import event_worlds as worlds

START, END = datetime(2013, 2, 8, 10, tzinfo=UTC), datetime(2013, 2, 8, 20, tzinfo=UTC)
RECEIVED = END + timedelta(days=1)
INSTANTS = [START + timedelta(hours=hours) for hours in (3, 6, 8, 10)]
ASKED, LATE_SHARE, SEED = 60, 0.2, 8


@pytest.fixture(scope="module")
def legs(raw_year: RawTables, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return worlds.with_delays(read_legs(raw_year.between(START, END), tmp_path_factory.mktemp("legs")))


def arrivals_of(events: list[LegEvent]) -> list[tuple[datetime, LegEvent]]:
    """When each event arrives: a fifth of the departures only up to an hour late, but before it is asked."""
    random = np.random.default_rng(SEED)
    arriving = []
    for event in events:
        late = isinstance(event, Departed) and random.random() < LATE_SHARE
        asked = next((instant for instant in INSTANTS if instant >= event.sent_at), RECEIVED)
        moment = event.sent_at + timedelta(hours=1) if late else event.sent_at
        arriving.append((min(moment, asked), event))
    return sorted(arriving, key=lambda item: item[0])


@pytest.mark.parametrize("kind", STORES)
def test_what_is_pushed_is_served_as_history_has_it(
    kind: str, servers: Servers, legs: pa.Table, tmp_path: Path
) -> None:
    # Given a repository that begins empty, over an online store of the kind
    built = worlds.BatchTables(legs.schema).build(legs)
    history = worlds.make_settings(tmp_path / "built", built)
    address = SecretStr(servers.fresh_address(kind, tmp_path))
    settings = worlds.make_settings(tmp_path / "streamed", worlds.emptied(built))
    settings = settings.model_copy(update={"online_store": address})
    apply_repository(settings)

    # When events arrive in disorder, published every quarter of an hour and read at some instants
    stream, reader = load_stream(settings), OnlineReader(settings, worlds.SERVICE)
    arriving = arrivals_of(replay_events(legs))
    for moment in worlds.every(timedelta(minutes=15), START, INSTANTS[-1]):
        if some := [event for arrived, event in arriving if arrived <= moment]:
            stream.accept(some, RECEIVED)
        arriving = arriving[len(some) :]
        stream.publish(moment)
        if moment in INSTANTS:
            keys = legs.to_pandas()[["origin", "carrier", "dest", "tailnum"]].sample(ASKED, random_state=SEED)
            questions = keys.assign(event_timestamp=pd.Timestamp(moment)).reset_index(drop=True)
            rows = questions.to_dict("records")
            served = pd.DataFrame([answer.values for answer in reader.read(rows, [moment] * ASKED)])
            expected = historical_features(open_store(history), worlds.SERVICE, questions)[list(served)]

            # Then
            same = (served == expected) | (served.isna() & expected.isna())
            assert same.all(axis=None), served.columns[~same.all()].tolist()
            assert expected["departures_2h"].gt(0).any()
    stream.close()
