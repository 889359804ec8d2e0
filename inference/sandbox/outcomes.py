"""How versions did when they were tried out, kept on file: by other workers, and before a restart."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from features.atomic_file import write_atomically
from inference.sandbox.errors import LimitError
from inference.sandbox.limits import Limits

# What takes more than it may will do so again, unless the machine was busy.
TRY_AGAIN_AFTER: Final = timedelta(minutes=10)


class Outcome(BaseModel):
    """When a version was tried out, within which limits, and what it was refused for if it met one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ended_at: AwareDatetime
    memory: int
    seconds: float
    refusal: str | None = None


class KeptOutcome:
    """The file of one version. It is trusted, as `serving.last_deployment` trusts the one it keeps."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits

    def has_passed(self) -> bool:
        """Whether it passed, so that it need not be tried again.

        Raises:
            LimitError: it met one of these limits a short time ago.
        """
        try:
            kept = Outcome.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return False
        if kept.refusal is None:
            return True
        recent = datetime.now(UTC) - kept.ended_at < TRY_AGAIN_AFTER
        if recent and Limits(kept.memory, kept.seconds) == self._limits:
            raise LimitError(kept.refusal)
        return False

    def keep(self, refusal: str | None = None) -> None:
        """Keep that it passed, or why not; where nothing may be written it is tried again next time."""
        limits = self._limits
        outcome = Outcome(
            ended_at=datetime.now(UTC), memory=limits.memory, seconds=limits.seconds, refusal=refusal
        )
        with suppress(OSError):
            write_atomically(self._path, outcome.model_dump_json())
