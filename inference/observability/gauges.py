"""What is read off the follower and the log whenever figures are published."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from inference.model_loading.model_follower import ModelFollower
    from inference.prediction_log.writer import PredictionLog

# How the workers' values become one, in prometheus_client's words.
GaugeMode = Literal["livemax", "livesum", "sum"]


class LiveGauge(NamedTuple):
    """A gauge's name and meaning, how the workers' values become one, and where its value is read."""

    name: str
    description: str
    mode: GaugeMode
    read: "Callable[[ModelFollower, PredictionLog], float]"


WATCHED: Final = (
    LiveGauge(
        "follower_failures",
        "Failures of following the alias since the start",
        "sum",
        lambda follower, _: follower.state.failures_total,
    ),
    LiveGauge(
        "follower_failing",
        "1 while the alias cannot be followed",
        "livemax",
        lambda follower, _: float(follower.trouble is not None),
    ),
    LiveGauge(
        "online_store_away",
        "1 while features cannot be read",
        "livemax",
        lambda follower, _: float(bool(follower.served and follower.served.reader.trouble)),
    ),
    LiveGauge(
        "log_unsealed_segments",
        "Closed journal segments that wait to be sealed",
        "livesum",
        lambda _, log: log.unsealed_segments,
    ),
    LiveGauge(
        "log_torn_segments",
        "Segments set aside, since a crash of the machine left no whole line in them",
        "livemax",
        lambda _, log: log.torn_segments,
    ),
    LiveGauge("log_lines", "Journal lines written since the start", "sum", lambda _, log: log.lines),
    LiveGauge(
        "log_sealing_failures",
        "Failures of sealing since the start",
        "sum",
        lambda _, log: log.failures,
    ),
    LiveGauge(
        "log_failing",
        "1 while a segment cannot be sealed",
        "livemax",
        lambda _, log: float(log.last_error is not None),
    ),
)
