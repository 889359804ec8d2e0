"""Opens the stream that a feature repository declares in its `stream.py`."""

import importlib.util
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import NoStreamError, RepositoryError
from features.settings import FeatureSettings

if TYPE_CHECKING:
    from features.events.stream import EventStream, StreamDefinition

STREAM_FILE = "stream.py"
STREAM = "STREAM"


def load_stream(settings: FeatureSettings) -> "EventStream":
    """Open the stream of `settings.feature_repo`; what its journal holds is taken in again.

    Raises:
        NoStreamError: the repository has no `stream.py`.
        RepositoryError: `stream.py` has no `STREAM`, or the repository was never applied.
        EventJournalError: another process takes its events in.
    """
    from features.events.stream import EventStream  # imports Feast, which takes seconds

    return EventStream(settings, read_definition(settings))


def read_definition(settings: FeatureSettings) -> "StreamDefinition":
    """Return what `stream.py` declares; opens nothing.

    Raises:
        NoStreamError: the repository has no `stream.py`.
        RepositoryError: `stream.py` has no `STREAM`.
    """
    path = settings.feature_repo / STREAM_FILE
    if not path.is_file():
        raise NoStreamError(f"this feature repository takes no events: it has no {STREAM_FILE}")
    from features.events.stream import StreamDefinition

    definition = _read_declared(path)
    if not isinstance(definition, StreamDefinition):
        raise RepositoryError(f"{path} must say `{STREAM} = StreamDefinition(events=..., engine=...)`")
    return definition


def _read_declared(path: Path) -> Any:
    name = f"feature_stream_{sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RepositoryError(f"{path} cannot be imported; it must be a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, STREAM, None)
