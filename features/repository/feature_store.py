"""Opens the Feast repository that the settings name, wherever `var/` lies."""

from pathlib import Path
from typing import Any

import yaml
from feast import FeatureStore, RepoConfig

from features.errors import RepositoryError
from features.lineage.registry import lineage_config
from features.repository.checked_store import CheckedFeatureStore
from features.settings import CONFIG_FILE, FeatureSettings

OFFLINE_STORE = "features.offline.store.AsOfOfflineStore"
ONLINE_STORE = "features.online.store.NewestRowOnlineStore"
REGISTRY_STORE = "features.repository.registry_store.AtomicFileRegistryStore"
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
    return CheckedFeatureStore(settings, repo_config(settings, openlineage=lineage_config(settings)))


def repo_config(settings: FeatureSettings, **more: Any) -> RepoConfig:
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
        raise RepositoryError(f"{path} does not say `project: <name>`; add that line")
    declared.pop("registry", None)
    return declared
