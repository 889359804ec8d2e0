"""The service's own log as JSON lines that carry the id of the request they belong to."""

import logging
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from uvicorn.config import LOGGING_CONFIG

from inference.observability.request_ids import current_request_id

LogFormat = Literal["text", "json"]

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


def log_as(log_format: LogFormat) -> None:
    """Have this process, and those forked off it, log to stderr in a format."""
    if log_format == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def uvicorn_log_config(log_format: LogFormat) -> dict[str, Any] | None:
    """What uvicorn's `log_config` is to be, so that its lines are in the same format."""
    return LOGGING_CONFIG if log_format == "text" else None
