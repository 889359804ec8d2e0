"""The service's own log as JSON lines that carry the id of the request they belong to."""

import logging
from datetime import UTC, datetime
from typing import Final

import msgspec

from inference.observability.request_ids import current_request_id

_encode: Final = msgspec.json.Encoder().encode


class JsonFormatter(logging.Formatter):
    """One JSON object a line: timestamp (UTC), level, logger, message, request_id, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; what is not known is left out."""
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": current_request_id.get(),
            "exception": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return _encode({name: value for name, value in line.items() if value is not None}).decode()


def log_as_json() -> None:
    """Write what this process logs, uvicorn's own lines too, to stderr as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
