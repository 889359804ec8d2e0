"""What was deployed when it was last looked up and served, kept on file for the next start.

A start then answers before the registry's client is imported, which takes longer than all the rest, and while
the registry is away. What the registry has changed meanwhile follows within seconds, as it does for every
server that runs. The file is trusted as the bundles beside it are: who may write there decides what is served
until then.
"""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.registry import Deployment
from features.atomic_file import write_atomically
from inference.settings import InferenceSettings


class KeptDeployment(BaseModel):
    """A deployment, and the digest of the registry's address that it was read at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: str
    deployment: Deployment


class LastDeployment:
    """The file of one model and alias under `var`; several workers may keep the same."""

    def __init__(self, settings: InferenceSettings, model: str) -> None:
        self._path = settings.var / "deployments" / f"{model}-{settings.alias}.json"
        self._registry = sha256(settings.registry.tracking_uri.encode()).hexdigest()
        self._kept: Deployment | None = None

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return self._path

    def recall(self) -> Deployment | None:
        """What was kept last of this registry; `None` where nothing was, or it cannot be read."""
        try:
            found = KeptDeployment.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None
        return found.deployment if found.registry == self._registry else None

    def keep(self, deployment: Deployment) -> None:
        """Keep what is served now; where nothing may be written, the next start waits for the registry."""
        if deployment == self._kept:
            return
        self._kept = deployment
        kept = KeptDeployment(registry=self._registry, deployment=deployment)
        with suppress(OSError):
            write_atomically(self._path, kept.model_dump_json(indent=1))
