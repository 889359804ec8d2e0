"""Opens the stream that a feature repository declares in its `stream.py`."""

from typing import TYPE_CHECKING

from features.declarations import read_declared
from features.errors import NoStreamError
from features.settings import FeatureSettings
from features.streaming.definition import StreamDefinition

if TYPE_CHECKING:
    from features.streaming.stream import EventStream

STREAM_FILE = "stream.py"


def load_stream(settings: FeatureSettings) -> "EventStream":
    """Open the stream of `settings.feature_repo`; what its journal holds is taken in again.

    Raises:
        NoStreamError: the repository has no `stream.py`.
        RepositoryError: `stream.py` has no `STREAM`, or the repository was never applied.
        EventJournalError: another process takes its events in.
    """
    from features.streaming.stream import EventStream  # imports Feast, which takes seconds

    return EventStream(settings, read_definition(settings))


def read_definition(settings: FeatureSettings) -> StreamDefinition:
    """Return what `stream.py` declares; opens nothing.

    Raises:
        NoStreamError: the repository has no `stream.py`.
        RepositoryError: `stream.py` has no `STREAM`.
    """
    path = settings.feature_repo / STREAM_FILE
    if not path.is_file():
        raise NoStreamError(f"this feature repository takes no events: it has no {STREAM_FILE}")
    return read_declared(path, "STREAM", StreamDefinition)
