"""What Prometheus scrapes of the feature tables: freshness and missing shares, as last checked."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from features.errors import QualityRecordError
from features.quality.record import QualityRecord, read_newest_records

PREFIX = "roundtrip_feature_"
Records = dict[str, QualityRecord]
Reading = Callable[[QualityRecord], float | None]

PER_VIEW: dict[str, tuple[str, Reading]] = {
    "freshness_seconds": (
        "Age of the view's newest row when it was last checked.",
        lambda record: record.freshness_seconds,
    ),
    "freshness_limit_seconds": (
        "How old that row may be.",
        lambda record: record.freshness_limit_seconds,
    ),
    "largest_gap_seconds": (
        "The longest time without any row, up to that check.",
        lambda record: record.largest_gap_seconds,
    ),
    "newest_timestamp_seconds": (
        "The view's newest row, in seconds since 1970.",
        lambda record: record.newest.timestamp() if record.newest else None,
    ),
    "rows": ("Rows known at that check.", lambda record: float(record.rows)),
    "checked_timestamp_seconds": (
        "The moment of that check, in seconds since 1970.",
        lambda record: record.as_of.timestamp(),
    ),
}


class FeatureQualityCollector(Collector):
    """Reads the record of table checks when it has changed since the last scrape."""

    def __init__(self, record_file: Path) -> None:
        self._file = record_file
        self._seen: tuple[int, int] | None = None
        self._records: Records = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing: there need not have been a check when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the newest check of every view; a damaged record is a figure of its own."""
        try:
            records = self._read()
        except QualityRecordError:
            records = {}
            yield _readable(0)
        else:
            yield _readable(1)
        for name, (meaning, read) in PER_VIEW.items():
            yield _by_view(name, meaning, records, read)
        yield _by_feature(
            "null_rate", "Share of missing values of a feature.", records, lambda it: it.null_rate
        )
        yield _by_feature("null_rate_limit", "How large it may be.", records, lambda it: it.null_limit)

    def _read(self) -> Records:
        stat = self._file.stat() if self._file.is_file() else None
        seen = (stat.st_mtime_ns, stat.st_size) if stat else None
        if seen != self._seen:
            self._records = read_newest_records(self._file)
            self._seen = seen
        return self._records


def _readable(value: float) -> Metric:
    meaning = "0 when the record of table checks cannot be read."
    return GaugeMetricFamily(f"{PREFIX}record_readable", meaning, value=value)


def _by_view(name: str, meaning: str, records: Records, read: Reading) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, meaning, labels=["view"])
    for view, record in records.items():
        value = read(record)
        if value is not None:
            family.add_metric([view], value)
    return family


def _by_feature(
    name: str, meaning: str, records: Records, read: Callable[[QualityRecord], dict[str, float]]
) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, meaning, labels=["view", "feature"])
    for view, record in records.items():
        for feature, value in read(record).items():
            family.add_metric([view, feature], value)
    return family
