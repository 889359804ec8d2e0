"""What the service asks of the process that tries a version out, and what that reports: lines of JSON."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from contracts.bundle.runtime import NetworkRuntime

# More would wait for a reader, who comes when the process has ended.
LONGEST_TEXT: Final = 4_000


class Message(BaseModel):
    """Base of both."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialRequest(Message):
    """A bundle, and the rows to score: how many, with how long a text for each category."""

    folder: Path
    digest: str
    network_runtime: NetworkRuntime
    rows: int
    text: int


class TrialReport(Message):
    """The name and the message of the error that was raised; no name where none was."""

    error: str | None = None
    message: str = ""

    @classmethod
    def of(cls, error: BaseException) -> "TrialReport":
        """Report an error."""
        return cls(error=type(error).__name__, message=str(error)[:LONGEST_TEXT])
