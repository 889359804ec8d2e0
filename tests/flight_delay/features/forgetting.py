"""Raw data as it was known at an instant: everything that became known later is deleted."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa

from features.flight_delay.raw import RawTables

ASSIGNED_BEFORE = timedelta(hours=2)


def forget(raw: RawTables, tables: Path, instant: datetime) -> RawTables:
    """Blank departures, arrivals and aircraft not known by `instant`; drop weather whose hour had not ended.

    The published schedule stays: it is known ahead. An aircraft is taken as assigned when the flight is asked
    about. Arrival instants are those of `outcomes.parquet` in `tables`.
    """
    flights, weather = raw.flights.to_pandas(), raw.weather.to_pandas()
    scheduled = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    departed = scheduled + pd.to_timedelta(flights["dep_delay"], unit="min")
    flights.loc[~(departed <= instant), "dep_delay"] = float("nan")
    flights.loc[~(_arrivals(flights, tables) <= instant), "arr_delay"] = float("nan")
    flights.loc[scheduled - ASSIGNED_BEFORE > instant, "tailnum"] = None
    weather = weather[weather["time_hour"] + timedelta(hours=1) <= instant]
    return replace(
        raw, flights=_like(flights, raw.flights.schema), weather=_like(weather, raw.weather.schema)
    )


def _arrivals(flights: pd.DataFrame, tables: Path) -> pd.Series:
    known_at = pd.read_parquet(tables / "outcomes.parquet").set_index("example_id")["known_at"]
    date = flights["year"] * 10_000 + flights["month"] * 100 + flights["day"]
    parts = [date.astype(str), flights["origin"], flights["carrier"], flights["flight"].astype(str)]
    example_id = parts[0].str.cat(parts[1:], sep="-")  # type: ignore[arg-type]
    return known_at.reindex(example_id).set_axis(flights.index)


def _like(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
