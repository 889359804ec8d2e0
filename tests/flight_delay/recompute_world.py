"""The raw files read anew for the recomputation: arrays of flights by key, every clock in epoch minutes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
MINUTE = pd.Timedelta(minutes=1)
EPOCH = pd.Timestamp(0, tz="UTC")
ORDER = ["year", "month", "day", "origin", "carrier", "flight"]
UNLISTED_ZONE = "America/Puerto_Rico"


@dataclass(frozen=True)
class Flights:
    """Flights of one key, by `example_id`. NaN: not known to have happened. `hour` is the published one."""

    scheduled: Array
    due: Array
    departed: Array
    arrived: Array
    dep_delay: Array
    arr_delay: Array
    hour: Array

    def __len__(self) -> int:
        return len(self.scheduled)

    def around(self, instant: float) -> "Flights":
        """Return the flights published within four days of the instant: none was ever later than two."""
        return self.where(np.abs(self.scheduled - instant) < 4 * 1440)

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Flights":
        """Return the chosen flights, by mask or in the order of an index."""
        return Flights(*(getattr(self, field.name)[chosen] for field in fields(self)))


NO_FLIGHTS = Flights(*(np.empty(0) for _ in fields(Flights)))


@dataclass(frozen=True)
class World:
    """Everything in the raw files. Flights are grouped by a key's columns when first asked for."""

    flights: pd.DataFrame
    weather: Mapping[str, pd.DataFrame]
    planes: Mapping[str, Mapping[str, object]]
    zones: Mapping[str, str]
    carriers: frozenset[str]

    @cached_property
    def _grouped(self) -> dict[tuple[str, ...], dict[object, Flights]]:
        return {}

    @cached_property
    def everything(self) -> Flights:
        """All flights of all origins."""
        return Flights(*(self.flights[field.name].to_numpy(dtype=np.float64) for field in fields(Flights)))

    @cached_property
    def season(self) -> tuple[float, float]:
        """The first and the last published departure."""
        return float(self.everything.scheduled.min()), float(self.everything.scheduled.max())

    def of(self, **key: object) -> Flights:
        """Return the flights with these values in these columns; none when there are none."""
        columns = tuple(key)
        if columns not in self._grouped:
            keys = list(columns) if len(columns) > 1 else columns[0]
            rows = self.flights.groupby(keys, sort=False).indices
            self._grouped[columns] = {
                name: self.everything.where(np.asarray(index)) for name, index in rows.items()
            }
        wanted = tuple(key.values())
        return self._grouped[columns].get(wanted if len(wanted) > 1 else wanted[0], NO_FLIGHTS)


def read_world(raw: Path) -> World:
    """Read the raw files of a folder."""
    airports = pd.read_csv(raw / "airports.csv")
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True))
    weather = pd.read_csv(raw / "weather.csv", parse_dates=["time_hour"])
    weather["known"] = minutes(weather["time_hour"]) + 60  # an hour's weather is known when the hour is over
    planes: Any = pd.read_csv(raw / "planes.csv").set_index("tailnum")
    return World(
        flights=_read_flights(raw, zones),
        weather={str(origin): rows.sort_values("known") for origin, rows in weather.groupby("origin")},
        planes=planes.to_dict("index"),
        zones={code: zone if isinstance(zone, str) else UNLISTED_ZONE for code, zone in zones.items()},
        carriers=frozenset(pd.read_csv(raw / "airlines.csv")["carrier"]),
    )


def minutes(instants: pd.Series) -> pd.Series:
    """Turn zoned timestamps into minutes since 1970 UTC."""
    return (instants - EPOCH) / MINUTE


def local_offset(minute: float, zone: str) -> float:
    """Return how many minutes the zone's clock is ahead of UTC at that minute."""
    moment = (EPOCH + minute * MINUTE).to_pydatetime()
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    return np.nan if offset is None else offset.total_seconds() / 60


def _read_flights(raw: Path, zones: Mapping[str, object]) -> pd.DataFrame:
    flights = pd.read_csv(raw / "flights.csv.zip", parse_dates=["time_hour"])
    flights["scheduled"] = minutes(flights["time_hour"]) + flights["minute"]
    flights["due"] = _published_arrivals(flights, zones)
    flights["departed"] = flights["scheduled"] + flights["dep_delay"]
    flights["arrived"] = flights["due"] + flights["arr_delay"]
    return flights.sort_values(ORDER, ignore_index=True)


def _published_arrivals(flights: pd.DataFrame, zones: Mapping[str, object]) -> pd.Series:
    """The first time, half an hour after leaving or later, that the destination's clock shows the arrival."""
    clock = flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100
    local = pd.to_datetime(flights[["year", "month", "day"]]) + clock * MINUTE
    zone = flights["dest"].map(zones).fillna(UNLISTED_ZONE)
    today = local.groupby(zone, group_keys=False).apply(_to_utc)
    tomorrow = (local + pd.Timedelta(days=1)).groupby(zone, group_keys=False).apply(_to_utc)
    return minutes(today).where(minutes(today) >= flights["scheduled"] + 30, minutes(tomorrow))


def _to_utc(local: pd.Series) -> pd.Series:
    zoned = local.dt.tz_localize(str(local.name), ambiguous=False, nonexistent="shift_forward")
    return zoned.dt.tz_convert("UTC")
