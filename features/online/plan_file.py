"""Serving plans as files beside the registry: each is true of one registry, and of nothing else.

Importing Feast takes seconds, and a service that was killed should answer again at once. A file is used only
if it is whole and was made in this format, by this release of Feast, from the registry and configuration as
they are; otherwise the plan is made through Feast and written for the next start.
"""

from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

from features.atomic_file import write_atomically
from features.online.serving_plan import PlanPart, ServingPlan
from features.settings import CONFIG_FILE, FeatureSettings

FORMAT: Final = 1


class PlanOrigin(PlanPart):
    """What a plan was made from: the file's format, Feast's release, registry and configuration (SHA-256)."""

    format: int
    feast: str
    registry: str
    configuration: str

    @classmethod
    def of(cls, settings: FeatureSettings) -> Self:
        """What a plan made now would be made from.

        Raises:
            OSError: the repository was never applied, or cannot be read.
        """
        return cls(
            format=FORMAT,
            feast=version("feast"),
            registry=_digest(settings.registry_db.read_bytes()),
            configuration=_digest((settings.feature_repo / CONFIG_FILE).read_bytes()),
        )


class PlanFile(PlanPart):
    """A plan, what it was made from, and the digest of its JSON."""

    origin: PlanOrigin
    digest: str
    plan: ServingPlan


def plan_path(settings: FeatureSettings, service: str) -> Path:
    """Where the plan of a feature service lies."""
    return settings.features_dir / "serving_plans" / f"{service}.json"


def read_plan(settings: FeatureSettings, service: str) -> ServingPlan | None:
    """Return the plan on file; `None` when there is none that is whole and true of the registry as it is."""
    try:
        found = PlanFile.model_validate_json(plan_path(settings, service).read_bytes())
        fits = found.origin == PlanOrigin.of(settings) and found.digest == _digest_of(found.plan)
    except (OSError, ValidationError):
        return None
    return found.plan if fits else None


def write_plan(settings: FeatureSettings, service: str, plan: ServingPlan, origin: PlanOrigin) -> None:
    """Write the plan that was made from `origin`; none that could not serve without Feast.

    A process killed at any moment leaves the old file or the new one. Where nothing may be written, the next
    start goes through Feast again.
    """
    if plan.needs_feast:
        return
    content = PlanFile(origin=origin, digest=_digest_of(plan), plan=plan).model_dump_json(indent=1)
    with suppress(OSError):
        write_atomically(plan_path(settings, service), content)


def _digest_of(plan: ServingPlan) -> str:
    return _digest(plan.model_dump_json().encode())


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
