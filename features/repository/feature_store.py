"""Open and apply the Feast repository that the settings name, wherever `var/` lies."""

import importlib.util
import warnings
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from feast import Entity, FeatureService, FeatureStore, FeatureView, OnDemandFeatureView, RepoConfig
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY
from feast.project import Project
from feast.repo_contents import RepoContents
from feast.repo_operations import extract_objects_for_apply_delete

from features.checked_store import CheckedFeatureStore
from features.errors import RepositoryError
from features.lineage.registry import emit_registry, lineage_config
from features.online.planning import write_plans
from features.servable import check_servable
from features.settings import CONFIG_FILE, FeatureSettings

DEFINITIONS_FILE = "definitions.py"
OFFLINE_STORE = "features.offline.store.AsOfOfflineStore"
ONLINE_STORE = "features.online.store.NewestRowOnlineStore"
REGISTRY_STORE = "features.registry_store.AtomicFileRegistryStore"
# Rows that materialisation holds as messages, and writes to the online store as one.
ROWS_PER_BATCH = 10_000


def open_store(settings: FeatureSettings) -> FeatureStore:
    """Open the applied repository. Applies nothing and reads no definitions; checks what is pushed.

    Raises:
        RepositoryError: the repository has no `feature_store.yaml`, or was never applied.
    """
    if not settings.registry_db.is_file():
        raise RepositoryError(
            f"no feature registry at {settings.registry_db}; write it with `python -m features apply`"
        )
    return CheckedFeatureStore(settings, _repo_config(settings, openlineage=lineage_config(settings)))


def apply_repository(settings: FeatureSettings) -> None:
    """Bring registry and online database in line with `definitions.py` of `settings.feature_repo`.

    What is no longer defined is removed. Repeating it changes nothing; stored online values stay.

    Raises:
        RepositoryError: the folder lacks `feature_store.yaml` or `definitions.py`.
        UnsupportedFeatureError: history or serving could not take what is defined; nothing has changed.
    """
    settings.registry_db.parent.mkdir(parents=True, exist_ok=True)
    store = FeatureStore(config=_repo_config(settings))
    contents = _read_definitions(settings.feature_repo, store.project)
    check_servable(contents)
    store.apply([Project(name=store.project)])
    to_apply, to_delete, _, _ = extract_objects_for_apply_delete(  # type: ignore[no-untyped-call]
        store.project, store.registry, contents
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "On demand feature view is an experimental", RuntimeWarning)
        store.apply(to_apply, objects_to_delete=to_delete, partial=False)
    write_plans(settings, store)
    emit_registry(settings, store)


def _repo_config(settings: FeatureSettings, **more: Any) -> RepoConfig:
    """Read the repository's YAML and fill in its paths; `more` is what it may leave unsaid.

    Feast takes relative file sources from `repo_path`, hence the tables folder there.
    """
    declared = _read_yaml(settings.feature_repo / CONFIG_FILE)
    online = {"type": ONLINE_STORE, **declared.pop("online_store", {})}
    if online["type"] == ONLINE_STORE:
        online["address"] = settings.online_address
    offline = {"type": OFFLINE_STORE, **declared.pop("offline_store", {})}
    if offline["type"] == OFFLINE_STORE:
        offline.setdefault("temp_directory", str(settings.features_dir / "spill"))
    batches = {"online_write_batch_size": ROWS_PER_BATCH, **declared.pop("materialization", {})}
    return RepoConfig(
        **{**more, **declared},
        registry={"path": str(settings.registry_db), "registry_store_type": REGISTRY_STORE},
        online_store=online,
        offline_store=offline,
        materialization=batches,
        repo_path=settings.tables,
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RepositoryError(f"{path} is missing; set ROUNDTRIP_FEATURE_REPO to a folder that has one")
    declared = yaml.safe_load(path.read_text())
    if not isinstance(declared, dict) or "project" not in declared:
        raise RepositoryError(f"{path} does not say `project: <name>`; see features/{CONFIG_FILE}")
    declared.pop("registry", None)
    return declared


def _read_definitions(folder: Path, project: str) -> RepoContents:
    objects = list(vars(_import_definitions(folder / DEFINITIONS_FILE)).values())

    def defined(kind: type) -> list[Any]:
        return list({id(found): found for found in objects if isinstance(found, kind)}.values())

    views = defined(FeatureView)
    sources = {id(source): source for source in defined(DataSource) + [view.batch_source for view in views]}
    return RepoContents(
        projects=[Project(name=project)],
        data_sources=list(sources.values()),
        entities=[*defined(Entity), DUMMY_ENTITY],
        feature_views=views,
        on_demand_feature_views=defined(OnDemandFeatureView),
        feature_services=defined(FeatureService),
        stream_feature_views=[],
        label_views=[],
        permissions=[],
    )


def _import_definitions(path: Path) -> ModuleType:
    """Import the file afresh under a name of its own, so that two repositories never share a module."""
    name = f"feature_repository_{sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise RepositoryError(f"{path} is missing; it holds the repository's entities, views and services")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
