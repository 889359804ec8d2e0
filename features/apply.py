"""Applies the Feast repository that the settings name: registry, online tables and plans follow it."""

import warnings

from feast import FeatureStore
from feast.project import Project
from feast.repo_operations import extract_objects_for_apply_delete

from features.lineage.registry import emit_registry
from features.online.planning import write_plans
from features.repository.definitions import read_definitions
from features.repository.feature_store import repo_config
from features.repository.servable import check_servable
from features.settings import FeatureSettings


def apply_repository(settings: FeatureSettings) -> None:
    """Bring registry and online database in line with `definitions.py` of `settings.feature_repo`.

    What is no longer defined is removed. Repeating it changes nothing; stored online values stay.

    Raises:
        RepositoryError: the folder lacks `feature_store.yaml` or `definitions.py`.
        UnsupportedFeatureError: history or serving could not take what is defined; nothing has changed.
    """
    settings.registry_db.parent.mkdir(parents=True, exist_ok=True)
    store = FeatureStore(config=repo_config(settings))
    contents = read_definitions(settings.feature_repo, store.project)
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
