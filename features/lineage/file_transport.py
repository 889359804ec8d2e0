"""OpenLineage's transport to a file of bounded size; its own grows for ever, and tears lines."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from openlineage.client.client import Event
from openlineage.client.serde import Serde
from openlineage.client.transport.transport import Config, Transport

from features.lineage.event_files import append_event


@dataclass
class FileConfig(Config):
    """Which file, and how large it may become before it is set aside."""

    path: Path
    most_bytes: int

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> Self:
        """Read what `transport_config` says."""
        return cls(Path(params["path"]), params["most_bytes"])


class FileTransport(Transport):
    """Named by its path in `transport_config`, for OpenLineage's client and for Feast's."""

    kind = "file"
    config_class = FileConfig

    def __init__(self, config: FileConfig) -> None:
        self._config = config

    def emit(self, event: Event) -> None:
        """Append the event as one line of JSON.

        Raises:
            OSError: it cannot be written.
        """
        append_event(self._config.path, f"{Serde.to_json(event)}\n".encode(), self._config.most_bytes)
