"""Read the registry: which version an alias names, and the folder of its bundle. Light enough for serving."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from contracts.bundle.contract import CONTRACT_FILE, file_digest
from contracts.bundle.errors import BundleDigestError, BundleMissingError, BundleUnsafeError
from contracts.errors import RegistryUnavailableError, UnknownVersionError
from contracts.registry_file import holds_registry
from contracts.settings import RegistrySettings, sqlite_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

Alias = Literal["champion", "challenger", "previous"]
Answer = TypeVar("Answer")

ARTIFACT_SCHEME = "mlflow-artifacts:/"
BUNDLE_ARTIFACT = "bundle"
DIGEST_TAG = "contract_sha256"
FLOW_RUN_TAG = "flow_run_id"
CREATION_TIMEOUT = 120.0
SHA256 = re.compile(r"[0-9a-f]{64}")
NOT_THERE = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})


class ModelVersionRef(BaseModel):
    """One registered version; `bundle` is its folder under the artifact root, `digest` its contract's."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    run_id: str | None
    bundle: str
    digest: str
    tags: dict[str, str]
    aliases: tuple[str, ...] = ()


class Deployment(BaseModel):
    """What is deployed, in one look: the version that serves, the challenger, the model's own tags.

    `changed_at`: when the model was registered, and when it last got a version (Unix milliseconds).
    """

    model_config = ConfigDict(frozen=True)

    serving: ModelVersionRef | None
    challenger: ModelVersionRef | None
    tags: dict[str, str]
    changed_at: tuple[int, int] | None = None

    def known(self, version: str) -> ModelVersionRef | None:
        """The version, if this look has seen it."""
        return next((ref for ref in (self.serving, self.challenger) if ref and ref.version == version), None)


def open_client(settings: RegistrySettings, create: bool = False) -> "MlflowClient":
    """Open the tracking and registry client; with `create`, make the SQLite database where there is none.

    Raises:
        RegistryUnavailableError: the database is not there (without `create`), was emptied, or cannot be
            opened.
    """
    silence_mlflow()
    database = settings.tracking_db
    if database is not None and not database.is_file():
        if not create:
            raise RegistryUnavailableError(
                f"{database} is not there; train first with `python -m training train`"
            )
        _create_database(settings, database)
    elif database is not None and not holds_registry(database):
        raise RegistryUnavailableError(
            f"{database} holds no registry, it may have been emptied; restore it, or delete it to begin anew"
        )
    return _connect(settings.tracking_uri)


def silence_mlflow() -> None:
    """Set what MLflow reads when it is imported: no telemetry, no thread for it, no kept connections."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    # A pooled connection would go on reading a database file that was deleted and made anew.
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")


def current(settings: RegistrySettings, name: str, alias: Alias = "champion") -> ModelVersionRef | None:
    """Return the version that `alias` of model `name` points at; None when there is none yet.

    Raises:
        RegistryUnavailableError: the registry cannot be read just now.
    """
    client = open_client(settings)
    version = _answer(lambda: client.get_model_version_by_alias(name, alias), settings)
    return None if version is None else _ref(version)


def deployed(
    settings: RegistrySettings, name: str, alias: Alias = "champion", last: Deployment | None = None
) -> Deployment:
    """Return the version that `alias` points at, the challenger and the tags, as they were at one moment.

    Whoever looks often gives the `last` look: as long as no version was added, what it has seen is not asked
    for again, since versions do not change; only what the aliases point at does.

    Raises:
        RegistryUnavailableError: the registry cannot be read just now.
    """
    client = open_client(settings)
    model = _answer(lambda: client.get_registered_model(name), settings)
    aliases = {} if model is None else model.aliases
    changed_at = model and (model.creation_timestamp, model.last_updated_timestamp)

    def pointed_at(pointer: Alias) -> ModelVersionRef | None:
        if pointer not in aliases:
            return None
        known = last.known(str(aliases[pointer])) if last and last.changed_at == changed_at else None
        if known is not None:
            return known
        version = _answer(lambda: client.get_model_version(name, aliases[pointer]), settings)
        return None if version is None else _ref(version)

    tags = {} if model is None else {str(key): str(value) for key, value in model.tags.items()}
    serving, challenger = pointed_at(alias), pointed_at("challenger")
    return Deployment(serving=serving, challenger=challenger, tags=tags, changed_at=changed_at)


def version_ref(settings: RegistrySettings, name: str, version: str) -> ModelVersionRef:
    """Return one registered version.

    Raises:
        UnknownVersionError: model `name` has no such version.
        RegistryUnavailableError: the registry cannot be read just now.
    """
    client = open_client(settings)
    found = _answer(lambda: client.get_model_version(name, version), settings)
    if found is None:
        raise UnknownVersionError(f"{name} has no version {version}; see `python -m training list`")
    return _ref(found)


def version_of_flow_run(settings: RegistrySettings, name: str, flow_run_id: str) -> ModelVersionRef | None:
    """Return the version that an orchestrated run registered, accepted or not; None while there is none.

    Raises:
        RegistryUnavailableError: the registry cannot be read just now.
    """
    versions = list_versions(settings, name)
    return next((ref for ref in reversed(versions) if ref.tags.get(FLOW_RUN_TAG) == flow_run_id), None)


def list_versions(settings: RegistrySettings, name: str) -> list[ModelVersionRef]:
    """Return every version of model `name`, oldest first; empty when the model is not registered.

    Raises:
        RegistryUnavailableError: the registry cannot be read just now.
    """
    client = open_client(settings)
    found = _answer(lambda: client.search_model_versions(f"name = '{name}'", max_results=10_000), settings)
    aliases = _aliases(client, name, settings)
    refs = [_ref(version, aliases.get(str(version.version), ())) for version in found or ()]
    return sorted(refs, key=lambda ref: int(ref.version))


def fetch_bundle(settings: RegistrySettings, ref: ModelVersionRef) -> Path:
    """Return the local folder of the version's bundle, after checking the digest of its contract.

    The folder is found under `settings.artifact_root`; where it is not and the registry is a server, the
    bundle is downloaded once into `var/bundles`.

    Raises:
        BundleMissingError: the bundle is not there.
        BundleDigestError: the contract is not the registered one.
        BundleUnsafeError: the registered location leads outside the artifact root.
        RegistryUnavailableError: the server cannot hand the bundle out just now.
    """
    _require_plain(ref)
    folder = settings.artifact_root / ref.bundle
    if not folder.is_dir() and settings.tracking_db is None:
        folder = _download(settings, ref)
    _require_digest(folder, ref)
    return folder


def _require_digest(folder: Path, ref: ModelVersionRef) -> None:
    contract = folder / CONTRACT_FILE
    if not contract.is_file():
        raise BundleMissingError(f"{contract} is not there; restore the artifacts, or roll back")
    if file_digest(contract) != ref.digest:
        raise BundleDigestError(f"{contract} is not the one registered as version {ref.version}; roll back")


def _require_plain(ref: ModelVersionRef) -> None:
    """Both name places on this machine, and come from a registry that others may write."""
    if ".." in Path(ref.bundle).parts:
        raise BundleUnsafeError(f"{ref.bundle!r} leads outside the artifact root; roll back")
    if not SHA256.fullmatch(ref.digest):
        raise BundleDigestError(
            f"version {ref.version} is registered without its contract's digest; roll back"
        )


def bundle_location(source: str | None) -> str:
    """Return the bundle's folder relative to the artifact root, from a version's `source`."""
    return (source or "").removeprefix(ARTIFACT_SCHEME).lstrip("/")


def _create_database(settings: RegistrySettings, database: Path) -> None:
    """Lay the database out under another name and put it in place whole.

    MLflow lays out whatever database it opens: a server that finds half of one would do it a second time.
    """
    settings.locks.mkdir(parents=True, exist_ok=True)
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.locks / "tracking-database.lock", timeout=CREATION_TIMEOUT):
        if database.is_file():
            return
        draft = database.with_name(f"{database.name}.draft")
        draft.unlink(missing_ok=True)
        _lay_out(draft)
        draft.replace(database)


def _lay_out(database: Path) -> None:
    """Have MLflow make its tables in a new SQLite file, migration by migration: more than a second."""
    _connect(sqlite_uri(database))


def _connect(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise RegistryUnavailableError(
            _without_password(f"cannot open the registry at {uri}; check the address ({error})", uri)
        ) from None


def _answer(call: Callable[[], Answer], settings: RegistrySettings) -> Answer | None:
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            return None
        uri = settings.tracking_uri
        said = f"the registry at {uri} does not answer; it may be locked or damaged ({error})"
        raise RegistryUnavailableError(_without_password(said, uri)) from None


def _without_password(text: str, uri: str) -> str:
    """The text as it may be logged and shown: MLflow says the whole address in its own errors too."""
    password = urlsplit(uri).password
    return text.replace(password, "***") if password else text


def _aliases(client: "MlflowClient", name: str, settings: RegistrySettings) -> dict[str, tuple[str, ...]]:
    model = _answer(lambda: client.get_registered_model(name), settings)
    pointing: dict[str, tuple[str, ...]] = {}
    for alias, version in sorted((model.aliases if model else {}).items()):
        pointing[str(version)] = (*pointing.get(str(version), ()), alias)
    return pointing


def _ref(version: "ModelVersion", aliases: tuple[str, ...] | None = None) -> ModelVersionRef:
    tags = {str(key): str(value) for key, value in version.tags.items()}
    return ModelVersionRef(
        name=version.name,
        version=str(version.version),
        run_id=version.run_id,
        bundle=bundle_location(version.source),
        digest=tags.get(DIGEST_TAG, ""),
        tags=tags,
        aliases=tuple(sorted(version.aliases)) if aliases is None else aliases,
    )


def _download(settings: RegistrySettings, ref: ModelVersionRef) -> Path:
    """Download into a folder of this process, then put it in place whole: other processes share the place."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    place = settings.var / "bundles" / ref.digest
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parent, prefix=".draft-") as draft:
        try:
            downloaded = download_artifacts(
                run_id=ref.run_id,
                artifact_path=BUNDLE_ARTIFACT,
                dst_path=draft,
                tracking_uri=settings.tracking_uri,
            )
        except (MlflowException, OSError) as error:
            said = f"cannot download version {ref.version} from {settings.tracking_uri} ({error})"
            raise RegistryUnavailableError(_without_password(said, settings.tracking_uri)) from None
        _require_digest(Path(downloaded), ref)
        try:
            Path(downloaded).rename(place)
        except OSError:
            if not place.is_dir():  # no other process was quicker
                raise
    return place
