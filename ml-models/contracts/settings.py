"""Where runs, models and the registry live: configuration of all who read or write it, read when used."""

import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import Field

from features.settings import AbsolutePath, Settings

SQLITE = re.compile(r"sqlite(\+\w+)?:///")


def sqlite_uri(database: Path, driver: str | None = None) -> str:
    """Return the address of a SQLite file as SQLAlchemy reads it: from `?` on come options, `%41` is an A.

    A driver is named wherever something is quoted, since MLflow would make a folder of a quoted `sqlite:///`.
    """
    quoted = str(database).replace("%", "%25").replace("?", "%3F")
    if driver is None and quoted != str(database):
        driver = "pysqlite"
    return f"sqlite+{driver}:///{quoted}" if driver else f"sqlite:///{quoted}"


def _default_tracking_uri(values: dict[str, Any]) -> str:
    return sqlite_uri(values["var"] / "mlflow" / "mlflow.db")


def _default_artifact_root(values: dict[str, Any]) -> Path:
    return Path(values["var"] / "mlflow" / "artifacts")


class RegistrySettings(Settings):
    """The tracking server, the artifacts, and how an accepted version takes over.

    With the defaults both lie under `var`. With a tracking URI that is not SQLite, artifacts travel through
    that server.
    """

    tracking_uri: str = Field(
        default_factory=_default_tracking_uri, description="MLflow's address; SQLite under var if not set."
    )
    artifact_root: AbsolutePath = Field(
        default_factory=_default_artifact_root,
        description="The folder that artifact locations are relative to; under var if not set.",
    )
    promotion: Literal["direct", "shadow", "canary"] = Field(
        default="direct",
        description="How an accepted version replaces a champion: at once, or by such a rollout.",
    )

    @property
    def tracking_db(self) -> Path | None:
        """The SQLite file behind `tracking_uri`; None when it is a server."""
        scheme = SQLITE.match(self.tracking_uri)
        return Path(unquote(self.tracking_uri[scheme.end() :].partition("?")[0])) if scheme else None

    @property
    def staging(self) -> Path:
        """The folder of what runs that are under way have not delivered yet."""
        return self.var / "staging"

    @property
    def locks(self) -> Path:
        """The folder of the lock files: they order writers of the registry and tell which runs are alive."""
        return self.var / "locks"
